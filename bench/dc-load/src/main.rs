//! Data channels between two of our peers, measured: throughput over real sockets, and what a peer costs at rest.
//!
//! Each command prints one JSON object. `cargo xtask bench datachannel` and `cargo xtask bench peer` run them beside
//! other stacks.

mod bulk;
#[path = "../../process.rs"]
mod process;
mod rest;

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
        Command::Bulk { bytes, millis } => {
            bulk::run(bytes as usize, std::time::Duration::from_millis(millis))?
        }
        Command::Rest { peers, sockets: false } => rest::in_memory(peers)?,
        Command::Rest { peers, sockets: true } => rest::on_sockets(peers)?,
    };
    println!("{result}");
    Ok(())
}
