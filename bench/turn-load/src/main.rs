//! Loads a TURN server on this machine and measures the server's own CPU time per packet.
//!
//! The load is a closed loop: many clients take turns to send a burst; a client sends its next burst only when its
//! last one has arrived on the other side, and only so many packets are on their way at once. So nothing is lost
//! to a queue that merely overflows, and both a fast and a slow server are kept busy. One line of JSON on the
//! standard output says what was measured.

mod allocations;
mod client;
mod message;
#[path = "../../process.rs"]
mod process;
mod relay;

use std::net::SocketAddr;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Loads a TURN server on this machine and measures the server's own CPU time.
#[derive(Parser)]
struct Arguments {
    /// The server's UDP address.
    #[arg(long)]
    server: SocketAddr,
    /// The server's process, whose CPU time and memory are measured.
    #[arg(long)]
    process: u32,
    /// A user of the server.
    #[arg(long, default_value = "bench")]
    user: String,
    /// The user's password.
    #[arg(long, default_value = "bench")]
    password: String,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Relays packets.
    Relay(relay::Shape),
    /// Makes allocations.
    Allocations {
        /// How many.
        #[arg(long, default_value_t = 4000)]
        count: usize,
    },
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let credentials = message::Credentials { user: arguments.user, password: arguments.password };
    let mut server = client::Server::new(arguments.server, credentials);
    let process = process::Process(arguments.process);
    let line = match arguments.what {
        What::Relay(shape) => serde_json::to_string(&relay::run(&mut server, process, shape)?)?,
        What::Allocations { count } => {
            serde_json::to_string(&allocations::run(&mut server, process, count)?)?
        }
    };
    println!("{line}");
    Ok(())
}
