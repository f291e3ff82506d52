//! Bulk data over a data channel through a long path that loses packets: 50 ms in each direction, 1 % lost in each, by a
//! forwarder of UDP between the two ends, the same for all stacks.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::stacks::{self, OURS, Stack, median};

const ROUNDS: u64 = 3;
const MILLIS: u64 = 10_000;
const BYTES: usize = 16_384;
const DELAY: u64 = 50;
/// Of a thousand.
const LOSS: u64 = 10;
/// Those that can be led through it.
const STACKS: [&str; 3] = [OURS, PEER, "libdatachannel"];
const PEER: &str = "libwebrtc";

/// The path, which ends with this.
struct Link {
    process: Child,
    ports: [String; 2],
}

impl Link {
    fn open(program: &Path, seed: u64) -> Result<Self> {
        let number = |value: u64| value.to_string();
        let mut process = Command::new(program)
            .args(["link", "--delay", &number(DELAY), "--loss", &number(LOSS), "--seed", &number(seed)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the path")?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().context("its output")?).read_line(&mut line)?;
        let said: Value = serde_json::from_str(&line).context("the path says its ports")?;
        Ok(Self { process, ports: ["near", "far"].map(|side| said[side].to_string()) })
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // It ends when its input does.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// Runs the bench: about two minutes, once everything is built.
pub(crate) fn run(root: &Path, json: bool) -> Result<()> {
    let program = stacks::ours(root)?;
    let stacks: Vec<Stack> =
        stacks::near(root)?.into_iter().filter(|stack| STACKS.contains(&stack.name)).collect();
    let mut runs: Vec<Vec<f64>> = stacks.iter().map(|_| Vec::new()).collect();
    for seed in 1..=ROUNDS {
        for (stack, runs) in stacks.iter().zip(&mut runs) {
            let link = Link::open(&program, seed)?;
            match stack.bulk_through(BYTES, MILLIS, &link.ports) {
                Ok(value) => runs.extend(value["gbit_s"].as_f64().map(|gbits| gbits * 1000.0)),
                Err(error) if stack.name == OURS => return Err(error),
                Err(error) => eprintln!("{error:#}"),
            }
        }
    }
    let medians: Vec<Option<f64>> = runs.into_iter().map(median).collect();
    if !json {
        println!("{} ms and {} % in each direction", DELAY, LOSS / 10);
        for (stack, rate) in stacks.iter().zip(&medians) {
            println!("  {:<16}{:>10.2} Mbit/s", stack.name, rate.unwrap_or(f64::NAN));
        }
    }
    let find = |name: &str| {
        stacks.iter().zip(&medians).find(|(stack, _)| stack.name == name).and_then(|(_, rate)| *rate)
    };
    let (ours, peer) = (find(OURS), find(PEER));
    println!(
        "{}",
        json!({
            "bench": "link", "unit": "Mbit/s", "delay_ms": DELAY, "loss": LOSS, "ours": ours, "peer": peer,
            "peer_name": PEER, "ratio": ours.zip(peer).map(|(ours, peer)| ours / peer),
        })
    );
    Ok(())
}
