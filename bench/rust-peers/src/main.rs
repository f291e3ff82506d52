//! Bulk data over one channel, one way, reliable and ordered, between two peers of another stack written in Rust, with
//! sockets on the loopback: what `cargo xtask bench datachannel` sets ours beside.
//!
//! `rust-peers webrtc-rs|str0m BYTES MILLIS` prints one JSON object with the fields of `dc-load bulk`.

mod process;
mod str0m_pair;
mod webrtc_pair;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

/// Bytes given to a channel ahead of what was sent.
const AHEAD: usize = 1 << 20;

/// What a pair is asked for.
#[derive(Clone, Copy)]
struct Task {
    /// Bytes of a message.
    bytes: usize,
    /// How long to measure, after a warm-up of a fifth of it.
    length: Duration,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [stack, bytes, millis] = arguments.as_slice() else {
        bail!("usage: rust-peers webrtc-rs|str0m BYTES MILLIS")
    };
    let task = Task { bytes: bytes.parse()?, length: Duration::from_millis(millis.parse()?) };
    match stack.as_str() {
        "webrtc-rs" => webrtc_pair::run(task),
        "str0m" => str0m_pair::run(task),
        other => bail!("there is no stack `{other}`: webrtc-rs, str0m"),
    }
}

/// Waits for the warm-up, then for the time that counts, and prints what came in it.
fn measure(task: Task, received: &AtomicU64, setup: Duration) -> Result<()> {
    let wait = |length: Duration| {
        // Nobody rings: the time is what is waited for.
        let (_keep, never) = std::sync::mpsc::channel::<()>();
        let _ = never.recv_timeout(length);
    };
    wait(task.length / 5);
    let (had, cpu, begin) = (received.load(Ordering::Relaxed), process::cpu_nanos()?, Instant::now());
    wait(task.length);
    let (cpu, wall) = (process::cpu_nanos()? - cpu, begin.elapsed());
    let delivered = received.load(Ordering::Relaxed) - had;
    ensure!(delivered > 0, "nothing came");
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let (bits, cpu_seconds) = (delivered as f64 * 8.0 / 1e9, cpu as f64 / 1e9);
    let result = serde_json::json!({
        "bytes": task.bytes,
        "gbit_s": bits / wall.as_secs_f64(),
        "gbit_s_per_core": bits / cpu_seconds,
        "delivered": delivered,
        "wall_ms": u64::try_from(wall.as_millis()).context("a short time")?,
        "cpu_ms": cpu / 1_000_000,
        "setup_ms": setup.as_secs_f64() * 1000.0,
    });
    println!("{result}");
    std::process::exit(0)
}
