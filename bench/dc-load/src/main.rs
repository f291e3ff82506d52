//! Data channels between two of our peers, measured: throughput over real sockets, and what a peer costs at rest.
//!
//! Each command prints one JSON object. `cargo xtask bench datachannel` and `cargo xtask bench peer` run them beside
//! other stacks.

mod bulk;
mod link;
#[path = "../../process.rs"]
mod process;
mod rest;

use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// What to measure.
#[derive(Parser)]
#[command(about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Moves messages one way, reliable and ordered, between two peers on two threads with sockets on the loopback.
    Bulk {
        /// Bytes of a message.
        #[arg(long, default_value_t = 65_536, value_parser = clap::value_parser!(u32).range(1..=262_144))]
        bytes: u32,
        /// How long to measure, after a warm-up of a fifth of it.
        #[arg(long, default_value_t = 2000)]
        millis: u64,
        /// Over the path with these ports, as `link` prints them.
        #[arg(long, num_args = 2, value_names = ["NEAR", "FAR"])]
        through: Option<Vec<u16>>,
        /// Bytes of the largest packet that is looked for on the path, of SCTP; 1188 for none.
        #[arg(long, value_parser = clap::value_parser!(u16).range(1188..))]
        packet: Option<u16>,
    },
    /// A path between two ends on this machine, until the standard input ends: prints its ports.
    Link {
        /// Milliseconds in each direction.
        #[arg(long, default_value_t = 50)]
        delay: u64,
        /// Of a thousand datagrams so many are lost in each direction.
        #[arg(long, default_value_t = 10)]
        loss: u64,
        /// Which ones.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// What connected peers with one open channel cost while nothing happens.
    Rest {
        /// How many peers, rounded up to pairs.
        #[arg(long, default_value_t = 400)]
        peers: usize,
        /// With sockets of their own (a driver each) instead of a link in memory.
        #[arg(long)]
        sockets: bool,
    },
}

fn main() -> Result<()> {
    let result = match Arguments::parse().command {
        Command::Bulk { bytes, millis, through, packet } => {
            let through = through.and_then(|ports| <[u16; 2]>::try_from(ports).ok());
            let shape = bulk::Shape { bytes: bytes as usize, through, packet: packet.map(usize::from) };
            bulk::run(shape, Duration::from_millis(millis))?
        }
        Command::Link { delay, loss, seed } => {
            return link::run(link::Path { delay: Duration::from_millis(delay), loss, seed });
        }
        Command::Rest { peers, sockets: false } => rest::in_memory(peers)?,
        Command::Rest { peers, sockets: true } => rest::on_sockets(peers)?,
    };
    println!("{result}");
    Ok(())
}
