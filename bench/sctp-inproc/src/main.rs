//! Moves bulk data one way between two SCTP associations in one process, without encryption and sockets: ours,
//! and other people's, one after the other, several times, the median counts.
//!
//! `cargo run --release -p sctp-inproc [-- SECONDS]` prints a table and, as its last line, one JSON object.

mod ours;
mod peer_dcsctp;
mod peer_sctp_proto;

use anyhow::Result;
use serde_json::json;
use std::time::Duration;

/// One way to run the transfer.
struct Case {
    stack: &'static str,
    checksum: &'static str,
    message: usize,
    run: fn(Setup) -> Result<f64>,
}

/// What a run is given.
#[derive(Clone, Copy)]
struct Setup {
    /// Bytes of each message.
    message: usize,
    /// Whether packets go without checksum.
    zero_checksum: bool,
    /// How long to measure.
    duration: Duration,
}

const ROUNDS: usize = 3;

fn main() -> Result<()> {
    let seconds: f64 = std::env::args().nth(1).map_or(Ok(1.0), |s| s.parse())?;
    let mut cases = Vec::new();
    for message in [64 << 10, 1 << 10] {
        for checksum in ["zero", "crc32c"] {
            let run: fn(Setup) -> Result<f64> = ours::run;
            cases.push(Case { stack: "ours", checksum, message, run });
            cases.push(Case { stack: "dcsctp", checksum, message, run: peer_dcsctp::run });
            if checksum == "crc32c" {
                cases.push(Case { stack: "sctp-proto", checksum, message, run: peer_sctp_proto::run });
            }
        }
    }
    let mut rates = vec![Vec::new(); cases.len()];
    for _ in 0..ROUNDS {
        for (case, rates) in cases.iter().zip(&mut rates) {
            let duration = Duration::from_secs_f64(seconds);
            let zero_checksum = case.checksum == "zero";
            rates.push((case.run)(Setup { message: case.message, zero_checksum, duration })?);
        }
    }
    println!("{:<12} {:<8} {:>8} {:>8}", "stack", "checksum", "message", "Gbit/s");
    let mut medians = Vec::new();
    for (case, rates) in cases.iter().zip(&mut rates) {
        rates.sort_by(f64::total_cmp);
        let median = rates[rates.len() / 2];
        println!("{:<12} {:<8} {:>8} {median:>8.2}", case.stack, case.checksum, case.message);
        medians.push(median);
    }
    let find = |stack: &str, checksum: &str| {
        let at = cases.iter().position(|c| (c.stack, c.checksum, c.message) == (stack, checksum, 64 << 10));
        at.map_or(f64::NAN, |at| medians[at])
    };
    let (ours, peer) = (find("ours", "zero"), find("dcsctp", "zero"));
    let proto = find("sctp-proto", "crc32c");
    println!("without checksum, ours is {:.1} times dcsctp", ours / peer);
    println!("without checksum, ours is {:.1} times sctp-proto, which always has one", ours / proto);
    let (nanos, kib) = ours::idle()?;
    println!(
        "ours at rest: {nanos:.0} ns for one round of polls, {kib:.1} KiB per association with a channel"
    );
    let round = |n: f64| (n * 100.0).round() / 100.0;
    println!(
        "{}",
        json!({
            "bench": "sctp-inproc", "unit": "Gbit/s", "ours": round(ours), "peer": round(peer),
            "peer_name": "dcsctp", "ratio": round(ours / peer),
        })
    );
    Ok(())
}

/// Gigabits per second.
fn rate(bytes: u64, duration: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let bits = bytes as f64 * 8.0;
    bits / duration.as_secs_f64() / 1e9
}
