//! Forwarding in rooms: packets per second of the server's own CPU time, ours against Janus'.
//!
//! Both servers run on the same core, the load on another; the load is `bench/sfu-load`: members that encrypt, give
//! feedback and check their paths as browsers do. What counts is CPU time of the whole server per packet that arrived,
//! so that the figure does not depend on how much of the core other programs took meanwhile.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::sfu_servers::{self as servers, Kind, Server};
use super::turn_servers::pinned;

/// A shape of the load, in words and as arguments.
struct Shape {
    words: &'static str,
    arguments: &'static [&'static str],
    /// Whether Janus is measured as well: it wants a connection for each direction of a member, so with one publisher
    /// only, and has to come along with one core.
    peer: bool,
}

const SHAPES: [Shape; 6] = [
    Shape { words: "1 to 120, 1100 B", arguments: &["--members", "121", "--rate", "60"], peer: true },
    Shape {
        words: "1 to 120, 172 B",
        arguments: &["--members", "121", "--rate", "60", "--bytes", "172"],
        peer: true,
    },
    Shape {
        words: "1 to 500, 1100 B, 15 frames/s",
        arguments: &["--members", "501", "--rate", "15"],
        peer: true,
    },
    Shape {
        words: "1 to 500, 1100 B, 30 frames/s of 12",
        arguments: &["--members", "501", "--rate", "30", "--burst", "12"],
        peer: false,
    },
    Shape { words: "1 to 500, 1100 B", arguments: &["--members", "501", "--rate", "60"], peer: false },
    Shape {
        words: "10 rooms of 10, all publish, 1100 B",
        arguments: &["--rooms", "10", "--members", "10", "--publishers", "10", "--rate", "5"],
        peer: false,
    },
];

/// Runs the bench: about two minutes, once everything is built.
pub(crate) fn run(root: &Path, json: bool) -> Result<()> {
    for package in ["server", "sfu-load"] {
        let arguments = ["build", "--release", "--quiet", "--bins", "--package", package];
        let status =
            Command::new("cargo").current_dir(root).args(arguments).status().context("starting cargo")?;
        ensure!(status.success(), "cargo build --release --package {package} failed");
    }
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let janus = servers::has_janus();
    if !janus {
        eprintln!("bench sfu: there is no Janus and it could not be installed: ours is measured alone");
    }
    let bench = Bench { root, core: cores - 1, quiet: json };
    let mut rows = Vec::new();
    bench.say(&format!(
        "{:<38} {:>9} {:>8} {:>6} {:>8} {:>8} {:>8} {:>8} {:>9} {:>8}",
        "", "k pkts/s", "ns per", "lost", "delay", "delay", "join", "join", "CPU per", "KiB per"
    ));
    bench.say(&format!(
        "{:<38} {:>9} {:>8} {:>6} {:>8} {:>8} {:>8} {:>8} {:>9} {:>8}",
        "", "per core", "packet", "", "p50 us", "p99 us", "p50 ms", "p99 ms", "join us", "member"
    ));
    for shape in &SHAPES {
        let ours = bench.measure(Kind::Visavis, shape)?;
        let peer = (janus && shape.peer).then(|| bench.measure(Kind::Janus, shape)).transpose()?;
        rows.push((shape, ours, peer));
    }
    println!("{}", summary(&rows));
    Ok(())
}

struct Bench<'a> {
    root: &'a Path,
    core: usize,
    quiet: bool,
}

impl Bench<'_> {
    fn say(&self, line: &str) {
        if !self.quiet {
            println!("{line}");
        }
    }

    /// One fresh server per figure, so that no figure pays for the one before.
    fn measure(&self, kind: Kind, shape: &Shape) -> Result<Value> {
        let server = Server::start(self.root, kind, 0)?;
        let program = self.root.join("target/release/sfu-load");
        let output = pinned(self.core, &program.to_string_lossy())
            .args([
                "--kind",
                kind.argument(),
                "--url",
                &server.url,
                "--process",
                &server.process().to_string(),
            ])
            .args(shape.arguments)
            .args(["--address", &Server::address(kind).to_string()])
            .env("RUST_BACKTRACE", "0")
            .stderr(Stdio::piped())
            .output()
            .context("starting the load")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "the load on {} failed: {}", kind.argument(), said.trim());
        let value: Value =
            serde_json::from_slice(&output.stdout).context("the load says what it measured")?;
        let of = |name: &str| value[name].as_f64().unwrap_or(f64::NAN);
        self.say(&format!(
            "{:<38} {:>9.0} {:>8.0} {:>6} {:>8} {:>8} {:>8.1} {:>8.1} {:>9} {:>8.0}",
            format!("{}, {}", kind.argument(), shape.words),
            of("packets_per_core_second") / 1000.0,
            of("nanos_per_packet"),
            value["lost"],
            value["delay_p50_micros"],
            value["delay_p99_micros"],
            of("join_p50_millis"),
            of("join_p99_millis"),
            value["join_cpu_micros"],
            of("kib_per_member"),
        ));
        Ok(value)
    }
}

/// The last line: the first shape stands for all.
fn summary(rows: &[(&Shape, Value, Option<Value>)]) -> Value {
    let rate = |value: &Value| value["packets_per_core_second"].as_f64();
    let (_, ours, peer) = &rows[0];
    let (ours, peer) = (rate(ours), peer.as_ref().and_then(rate));
    let shapes =
        rows.iter().map(|(shape, ours, peer)| json!({ "shape": shape.words, "ours": ours, "peer": peer }));
    json!({
        "bench": "sfu",
        "unit": "packets/s/core",
        "ours": ours,
        "peer": peer,
        "peer_name": peer.map(|_| "Janus"),
        "ratio": ours.zip(peer).map(|(ours, peer)| ours / peer),
        "shapes": shapes.collect::<Vec<_>>(),
    })
}
