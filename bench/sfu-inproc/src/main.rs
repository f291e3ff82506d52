//! Forwards packets in one process without sockets: everything but the system calls. One thread does all; only the time
//! inside the forwarder counts.
//!
//! `cargo run --release -p sfu-inproc [-- SECONDS]` prints a table and, as its last line, one JSON object.

mod people;
mod world;

use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use world::{Measured, World};

/// One way to fill rooms.
struct Case {
    name: &'static str,
    rooms: usize,
    /// Members of each room, and how many of them publish.
    members: usize,
    publishers: usize,
    /// Bytes of each payload, and packets that come in a row, as those of a frame do.
    payload: usize,
    burst: usize,
    /// Whether it goes over a picture slot; else over a voice slot.
    picture: bool,
}

const CASES: [Case; 4] = [
    Case {
        name: "1 to 500, pictures",
        rooms: 1,
        members: 501,
        publishers: 1,
        payload: 1100,
        burst: 6,
        picture: true,
    },
    Case {
        name: "1 to 500, sound",
        rooms: 1,
        members: 501,
        publishers: 1,
        payload: 172,
        burst: 1,
        picture: false,
    },
    Case {
        name: "10 x 10, pictures",
        rooms: 10,
        members: 10,
        publishers: 10,
        payload: 1100,
        burst: 6,
        picture: true,
    },
    Case {
        name: "10 x 10, sound",
        rooms: 10,
        members: 10,
        publishers: 10,
        payload: 172,
        burst: 1,
        picture: false,
    },
];

fn main() -> Result<()> {
    let seconds: f64 = std::env::args().nth(1).map_or(Ok(2.0), |s| s.parse())?;
    let wanted = std::env::args().nth(2);
    println!("{:<20} {:>12} {:>10} {:>8} {:>12}", "case", "packets/s", "us/packet", "per run", "us/join");
    let mut first: Option<Measured> = None;
    for case in CASES.iter().filter(|case| wanted.as_ref().is_none_or(|w| case.name.contains(w.as_str()))) {
        let mut world = World::fill(case)?;
        let measured = world.run(case, Duration::from_secs_f64(seconds))?;
        println!(
            "{:<20} {:>12.0} {:>10.3} {:>8.1} {:>12.0}",
            case.name,
            measured.packets_per_second,
            1e6 / measured.packets_per_second,
            measured.packets_per_run,
            measured.micros_per_join
        );
        first.get_or_insert(measured);
    }
    let Some(first) = first else { return Ok(()) };
    let round = |n: f64| (n * 10.0).round() / 10.0;
    println!(
        "{}",
        json!({
            "bench": "sfu-inproc", "unit": "packets/s", "ours": first.packets_per_second.round(),
            "us_per_join": round(first.micros_per_join),
        })
    );
    Ok(())
}
