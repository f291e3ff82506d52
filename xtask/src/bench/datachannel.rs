//! Bulk data over a data channel: Gbit/s by the clock, and for each second of CPU time of both ends together.
//!
//! Every stack runs as two ends with real UDP sockets on the loopback, one way, reliable and ordered. The stacks take
//! turns within each round, so that what else the machine does hits all of them; the medians of the rounds count.

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use super::stacks::{self, OURS, Stack, median};

const SIZES: [usize; 3] = [65_536, 16_384, 1024];
const ROUNDS: usize = 3;
const MILLIS: u64 = 1000;
/// The peer of the last line.
const PEER: &str = "libwebrtc";

/// Medians of one stack with one size of message, in Gbit/s.
#[derive(Clone, Copy)]
struct Cell {
    wall: f64,
    per_core: f64,
}

/// Runs the bench: about a minute and a half, once everything is built.
pub(crate) fn run(root: &Path, json: bool) -> Result<()> {
    let stacks = stacks::all(root)?;
    let mut rows = Vec::new();
    for bytes in SIZES {
        let cells = measure(&stacks, bytes)?;
        if !json {
            print(&stacks, bytes, &cells);
        }
        rows.push((bytes, cells));
    }
    println!("{}", summary(&stacks, &rows));
    Ok(())
}

/// All stacks with one size. A peer that fails is left out with a word; ours may not.
fn measure(stacks: &[Stack], bytes: usize) -> Result<Vec<Option<Cell>>> {
    let mut runs: Vec<Vec<Value>> = stacks.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for (stack, runs) in stacks.iter().zip(&mut runs) {
            match stack.bulk(bytes, MILLIS) {
                Ok(value) => runs.push(value),
                Err(error) if stack.name == OURS => return Err(error),
                Err(error) => eprintln!("messages of {bytes} bytes: {error:#}"),
            }
        }
    }
    let of = |runs: &[Value], key: &str| median(runs.iter().filter_map(|run| run[key].as_f64()).collect());
    let cell =
        |runs: Vec<Value>| Some(Cell { wall: of(&runs, "gbit_s")?, per_core: of(&runs, "gbit_s_per_core")? });
    Ok(runs.into_iter().map(cell).collect())
}

fn print(stacks: &[Stack], bytes: usize, cells: &[Option<Cell>]) {
    println!("\nmessages of {bytes} bytes");
    println!(
        "  {:<16}{:>10}{:>16}{:>10}{:>16}",
        "Gbit/s", "wall", "per core-second", "ours to", "per core-second"
    );
    let ours = cells.first().copied().flatten();
    for (stack, cell) in stacks.iter().zip(cells) {
        let (Some(ours), Some(cell)) = (ours, cell) else {
            println!("  {:<16}{:>10}{:>16}", stack.name, "-", "-");
            continue;
        };
        let (wall, per_core) = (ours.wall / cell.wall, ours.per_core / cell.per_core);
        println!(
            "  {:<16}{:>10.2}{:>16.2}{wall:>10.1}{per_core:>16.1}",
            stack.name, cell.wall, cell.per_core
        );
    }
}

/// The last line.
fn summary(stacks: &[Stack], rows: &[(usize, Vec<Option<Cell>>)]) -> Value {
    let find = |cells: &[Option<Cell>], name: &str| {
        stacks.iter().zip(cells).find(|(stack, _)| stack.name == name).and_then(|(_, cell)| *cell)
    };
    let large = rows.first().map(|(_, cells)| cells.as_slice()).unwrap_or_default();
    let (ours, peer) = (find(large, OURS), find(large, PEER));
    let cells: Vec<Value> = rows
        .iter()
        .flat_map(|(bytes, cells)| stacks.iter().zip(cells).map(move |(stack, cell)| (bytes, stack, cell)))
        .filter_map(|(bytes, stack, cell)| {
            let cell = (*cell)?;
            Some(json!({
                "bytes": bytes, "stack": stack.name, "wall": round(cell.wall), "per_core": round(cell.per_core),
            }))
        })
        .collect();
    json!({
        "bench": "datachannel",
        "unit": "Gbit/s per core-second",
        "ours": ours.map(|cell| round(cell.per_core)),
        "peer": peer.map(|cell| round(cell.per_core)),
        "peer_name": PEER,
        "ratio": ours.zip(peer).map(|(ours, peer)| round(ours.per_core / peer.per_core)),
        "ratio_wall": ours.zip(peer).map(|(ours, peer)| round(ours.wall / peer.wall)),
        "cells": cells,
    })
}

fn round(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}
