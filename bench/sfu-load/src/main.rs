//! Fills rooms of a forwarding server on this machine with members, and measures the server's own CPU time for each
//! packet that arrives, its memory and CPU time for each member, how long a member waits for the first packet, and how
//! long packets are on their way.
//!
//! Members are peers of this project's engine with a UDP socket each; they encrypt, give feedback and answer checks as
//! browsers do, but send pictures that only look like pictures. One line of JSON on the standard output says what was
//! measured.

mod janus;
mod load;
mod member;
#[path = "../../process.rs"]
mod process;
mod socket;
mod visavis;

use std::net::IpAddr;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, ValueEnum};

/// What is loaded.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// A Visavis server.
    Visavis,
    /// A Janus gateway with its video room.
    Janus,
}

/// Fills rooms of a forwarding server on this machine and measures the server's own CPU time.
#[derive(Parser)]
struct Arguments {
    /// What the server is.
    #[arg(long)]
    kind: Kind,
    /// Its WebSocket: `ws://…`.
    #[arg(long)]
    url: String,
    /// The server's process, whose CPU time and memory are measured.
    #[arg(long)]
    process: u32,
    #[command(flatten)]
    shape: Shape,
}

/// The shape of the load.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Shape {
    /// Where the members' sockets are. A Janus does not take part from 127.0.0.1: it wants another address of the machine.
    #[arg(long, default_value = "127.0.0.1")]
    pub(crate) address: IpAddr,
    /// Rooms side by side.
    #[arg(long, default_value_t = 1)]
    pub(crate) rooms: usize,
    /// Members of each room who publish a picture.
    #[arg(long, default_value_t = 1)]
    pub(crate) publishers: usize,
    /// Members of each room in all; each sees all publishers but themselves.
    #[arg(long, default_value_t = 120)]
    pub(crate) members: usize,
    /// Bytes of a packet's payload.
    #[arg(long, default_value_t = 1100)]
    pub(crate) bytes: usize,
    /// Packets of a frame.
    #[arg(long, default_value_t = 6)]
    pub(crate) burst: usize,
    /// Frames a second of each publisher.
    #[arg(long, default_value_t = 30)]
    pub(crate) rate: u32,
    /// Milliseconds to measure.
    #[arg(long, default_value_t = 4000)]
    pub(crate) millis: u64,
}

impl Shape {
    /// From one frame of a publisher to the next.
    pub(crate) fn interval(&self) -> Duration {
        Duration::from_secs(1) / self.rate.max(1)
    }

    /// Whether the member of this number in their room publishes.
    pub(crate) const fn publishes(&self, number: usize) -> bool {
        number < self.publishers
    }

    /// How many pictures the member of this number sees.
    pub(crate) const fn sees(&self, number: usize) -> usize {
        if self.publishes(number) { self.publishers - 1 } else { self.publishers }
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let shape = arguments.shape;
    let process = process::Process(arguments.process);
    let measured = match arguments.kind {
        Kind::Visavis => load::run(&mut visavis::Visavis::new(&arguments.url, shape), process, shape)?,
        Kind::Janus => load::run(&mut janus::Janus::new(&arguments.url, shape)?, process, shape)?,
    };
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}
