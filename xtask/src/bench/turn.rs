//! TURN relay: thousands of packets per second of the server's own CPU time, ours against coturn's.
//!
//! Both servers run on the same core, the load on another; the load is `bench/turn-load`, a closed loop of 200
//! clients with real credentials. What counts is CPU time per packet delivered, so that the figure does not depend
//! on how much of the core other programs took meanwhile.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::turn_servers::{self as servers, Server};

/// A shape of the load, in words and as arguments.
struct Shape {
    key: &'static str,
    words: &'static str,
    arguments: &'static [&'static str],
}

const SHAPES: [Shape; 3] = [
    Shape {
        key: "frames",
        words: "frames of 8 packets from each of 200 clients in turn, merged on the way as a network card does \
                (UDP_SEGMENT and UDP_GRO at the clients)",
        arguments: &["--runs", "--burst", "8"],
    },
    Shape {
        key: "frames, each packet by itself",
        words: "the same frames, but each packet a system call of its own at the clients",
        arguments: &["--burst", "8"],
    },
    Shape {
        key: "single packets",
        words: "one packet from each client in turn: no two that follow each other belong together",
        arguments: &["--burst", "1", "--window", "128"],
    },
];

const CELLS: [(&str, &str); 6] =
    [("up", "1000"), ("up", "172"), ("down", "1000"), ("down", "172"), ("client", "1000"), ("client", "172")];

/// What one cell gave for one server.
#[derive(Clone, Copy)]
struct Cell {
    thousands: f64,
    delivered: u64,
    lost: u64,
}

/// Runs the bench: about a minute and a half, once everything is built.
pub(crate) fn run(root: &Path, json: bool) -> Result<()> {
    build(root)?;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let ours = servers::ours(root, 0)?;
    let peer = servers::coturn(0)?;
    if peer.is_none() {
        eprintln!("bench turn: there is no coturn and it could not be installed: ours is measured alone");
    }
    let bench = Bench { root, core: cores - 1, ours, peer, quiet: json };
    bench.run()
}

fn build(root: &Path) -> Result<()> {
    for arguments in [["-p", "turn-load", "--bin", "turn-load"], ["-p", "server", "--example", "relay"]] {
        let status = Command::new("cargo")
            .current_dir(root)
            .args(["build", "--release", "--quiet"])
            .args(arguments)
            .status()
            .context("starting cargo")?;
        ensure!(status.success(), "cargo build --release {} failed", arguments.join(" "));
    }
    Ok(())
}

struct Bench<'a> {
    root: &'a Path,
    core: usize,
    ours: Server,
    peer: Option<Server>,
    quiet: bool,
}

impl Bench<'_> {
    fn run(&self) -> Result<()> {
        // Memory first: a process that has freed some does not ask for more.
        let allocations = [self.allocations(&self.ours)?, self.of_peer(|peer| self.allocations(peer))?];
        let mut shapes = Vec::new();
        for shape in &SHAPES {
            self.say(&format!("\n{}: {}", shape.key, shape.words));
            self.say(&format!(
                "  {:<24} {:>10} {:>8} {:>10} {:>8} {:>7}",
                "thousand packets/s/core",
                self.ours.name,
                "lost",
                self.peer_name(),
                "lost",
                "ratio"
            ));
            let mut rows = Vec::new();
            for (direction, bytes) in CELLS {
                let mine = self.relay(&self.ours, shape, direction, bytes)?;
                let theirs = self.of_peer(|peer| self.relay(peer, shape, direction, bytes))?;
                self.say(&row(direction, bytes, mine, theirs));
                rows.push((direction, bytes, mine, theirs));
            }
            shapes.push((shape.key, rows));
        }
        self.say("\nallocations, 401 challenge included          /s/core   KiB each");
        for (server, value) in [Some(&self.ours), self.peer.as_ref()].iter().zip(&allocations) {
            if let (Some(server), Some(value)) = (server, value) {
                let (rate, memory) =
                    (number(value, "allocations_per_core_second"), number(value, "kib_per_allocation"));
                self.say(&format!("  {:<38} {rate:>12.0} {memory:>10.1}", server.name));
            }
        }
        self.say("");
        println!("{}", self.summary(&allocations, &shapes));
        Ok(())
    }

    fn say(&self, line: &str) {
        if !self.quiet {
            println!("{line}");
        }
    }

    fn peer_name(&self) -> &str {
        self.peer.as_ref().map_or("no peer", |peer| &peer.name)
    }

    fn of_peer<T>(&self, measure: impl Fn(&Server) -> Result<Option<T>>) -> Result<Option<T>> {
        self.peer.as_ref().map_or(Ok(None), measure)
    }

    fn load(&self, server: &Server, arguments: &[&str]) -> Result<Value> {
        let program = self.root.join("target/release/turn-load");
        let output = servers::pinned(self.core, &program.to_string_lossy())
            .args(["--server", &server.address.to_string(), "--process", &server.process().to_string()])
            .args(arguments)
            .env("RUST_BACKTRACE", "0")
            .stderr(std::process::Stdio::piped())
            .output()
            .context("starting the load")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "the load on {} failed: {}", server.name, said.trim());
        serde_json::from_slice(&output.stdout).context("the load says what it measured")
    }

    fn allocations(&self, server: &Server) -> Result<Option<Value>> {
        self.load(server, &["allocations", "--count", "4000"]).map(Some)
    }

    fn relay(&self, server: &Server, shape: &Shape, direction: &str, bytes: &str) -> Result<Option<Cell>> {
        let mut arguments = vec!["relay", "--direction", direction, "--bytes", bytes, "--millis", "1000"];
        arguments.extend(shape.arguments);
        let value = self.load(server, &arguments)?;
        let count = |name: &str| value[name].as_u64().unwrap_or_default();
        Ok(Some(Cell {
            thousands: number(&value, "packets_per_core_second") / 1000.0,
            delivered: count("delivered"),
            lost: count("lost"),
        }))
    }

    /// The last line.
    fn summary(&self, allocations: &[Option<Value>; 2], shapes: &[(&str, Vec<Row>)]) -> Value {
        let between = |row: &&Row| row.0 == "client";
        let mean = |rows: &[Row], client: bool, value: fn(&Row) -> Option<f64>| {
            geometric_mean(rows.iter().filter(|row| between(row) == client).filter_map(value))
        };
        let ratio: fn(&Row) -> Option<f64> = |row| Some(row.2?.thousands / row.3?.thousands);
        let (_, frames) = &shapes[0];
        let detail: Vec<Value> = shapes
            .iter()
            .map(|(key, rows)| {
                let worst = rows.iter().filter_map(ratio).reduce(f64::min);
                json!({
                    "shape": key,
                    "ratio": mean(rows, false, ratio),
                    "ratio_client_to_client": mean(rows, true, ratio),
                    "ratio_worst_cell": worst,
                    "cells": rows.iter().map(cell_json).collect::<Vec<_>>(),
                })
            })
            .collect();
        json!({
            "bench": "turn",
            "unit": "thousand packets/s/core",
            "ours": mean(frames, false, |row| row.2.map(|cell| cell.thousands)),
            "peer": mean(frames, false, |row| row.3.map(|cell| cell.thousands)),
            "peer_name": self.peer.as_ref().map(|peer| &peer.name),
            "ratio": mean(frames, false, ratio),
            "ratio_client_to_client": mean(frames, true, ratio),
            "allocations": { "ours": allocations[0], "peer": allocations[1] },
            "shapes": detail,
        })
    }
}

/// Direction, payload bytes, ours, the peer's.
type Row = (&'static str, &'static str, Option<Cell>, Option<Cell>);

fn row(direction: &str, bytes: &str, ours: Option<Cell>, peer: Option<Cell>) -> String {
    let direction = if direction == "client" { "client to client" } else { direction };
    let cell = |cell: Option<Cell>| {
        cell.map_or_else(
            || format!("{:>10} {:>8}", "-", "-"),
            |c| format!("{:>10.0} {:>8}", c.thousands, c.lost),
        )
    };
    let ratio = ours.zip(peer).map_or(String::new(), |(a, b)| format!("{:.2}", a.thousands / b.thousands));
    format!("  {:<24} {} {} {ratio:>7}", format!("{direction}, {bytes} B"), cell(ours), cell(peer))
}

fn cell_json(row: &Row) -> Value {
    let cell = |cell: Option<Cell>| {
        cell.map(|c| json!({ "thousands": c.thousands, "delivered": c.delivered, "lost": c.lost }))
    };
    json!({ "direction": row.0, "bytes": row.1, "ours": cell(row.2), "peer": cell(row.3) })
}

fn number(value: &Value, name: &str) -> f64 {
    value[name].as_f64().unwrap_or(f64::NAN)
}

/// `None` of nothing.
fn geometric_mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value.ln(), count + 1.0));
    (count > 0.0).then(|| (sum / count).exp())
}
