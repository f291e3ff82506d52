//! `cargo xtask bench signalling`: what an idle session costs, how fast calls are set up, and what a hop adds.
//!
//! Memory is the growth of the server's resident set (VmRSS) divided by the number of sessions opened. The peer is
//! PeerJS' server, the signalling that most people reach for, without TLS.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, bail, ensure};

/// Sessions opened for the memory figures.
const IDLE: usize = 10_000;
/// Calls, by so many pairs at once.
const CALLS: usize = 20_000;
const PAIRS: usize = 50;
/// Hops timed.
const HOPS: usize = 5000;
const PEERJS: &str = "peer@1.0.2";

/// What was measured of one server.
#[derive(Default)]
struct Figures {
    plain_kib: Option<f64>,
    tls_kib: Option<f64>,
    setups: Option<f64>,
    /// Microseconds: half of the hops took at most this, and 99 in 100.
    hop: Option<(f64, f64)>,
}

/// Measures, prints a table (not with `json`) and one JSON object as the last line.
pub(crate) fn run(root: &Path, json: bool) -> anyhow::Result<()> {
    let mut build = Command::new("cargo");
    build.current_dir(root).args(["build", "--release", "--quiet", "-p", "server"]);
    succeed(build.args(["--example", "signal_server", "--example", "signal_load"]))?;
    let examples = root.join("target/release/examples");
    let load = examples.join("signal_load");
    let ours = measure(&load, true, |http, https| {
        let mut command = limited(&examples.join("signal_server"));
        command.arg("--http").arg(http).arg("--https").arg(https);
        command
    })?;
    let peer = peerjs(root).and_then(|program| {
        measure(&load, false, |http, _| {
            let mut command = limited(Path::new("node"));
            let port = http.rsplit(':').next().unwrap_or_default();
            command.arg(&program).args(["--port", port, "--host", "127.0.0.1", "--path", "/"]);
            // Its clients would have to send heartbeats, and it allows 5,000 by default.
            command.args(["--alive_timeout", "600000", "--concurrent_limit", "100000"]);
            command
        })
    });
    if let Err(error) = &peer {
        println!("PeerJS could not be measured: {error:#}");
    }
    let peer = peer.unwrap_or_default();
    if !json {
        print!("{}", table(&ours, &peer));
    }
    println!("{}", object(&ours, &peer));
    Ok(())
}

fn table(ours: &Figures, peer: &Figures) -> String {
    let mut out = format!("{:<44}{:>12}{:>12}\n", "", "visavis", "PeerJS");
    let cell =
        |value: Option<f64>, digits: usize| value.map_or("–".to_owned(), |v| format!("{v:.digits$}"));
    let per_gib = |kib: Option<f64>| kib.map(|kib| 1024.0 * 1024.0 / kib);
    for (name, ours, peer, digits) in [
        ("KiB per idle session, plain", ours.plain_kib, peer.plain_kib, 1),
        ("idle sessions per GiB, plain", per_gib(ours.plain_kib), per_gib(peer.plain_kib), 0),
        ("KiB per idle session, TLS", ours.tls_kib, peer.tls_kib, 1),
        ("idle sessions per GiB, TLS", per_gib(ours.tls_kib), per_gib(peer.tls_kib), 0),
        ("call set-ups per second", ours.setups, peer.setups, 0),
        ("one hop, median, us", ours.hop.map(|h| h.0), peer.hop.map(|h| h.0), 0),
        ("one hop, 99th percentile, us", ours.hop.map(|h| h.1), peer.hop.map(|h| h.1), 0),
    ] {
        let _ = writeln!(out, "{name:<44}{:>12}{:>12}", cell(ours, digits), cell(peer, digits));
    }
    out
}

/// The ratio is how many times less memory an idle plain session takes here.
fn object(ours: &Figures, peer: &Figures) -> String {
    let number = |value: Option<f64>| value.map_or("null".to_owned(), |v| format!("{v:.2}"));
    let ratio = ours.plain_kib.zip(peer.plain_kib).map(|(ours, peer)| peer / ours);
    format!(
        "{{\"bench\":\"signalling\",\"unit\":\"KiB per idle plain session\",\"ours\":{},\"peer\":{},\
         \"peer_name\":\"PeerJS\",\"ratio\":{},\"ours_tls\":{},\"setups_per_second\":{},\"hop_p50_us\":{},\
         \"hop_p99_us\":{}}}",
        number(ours.plain_kib),
        number(peer.plain_kib),
        number(ratio),
        number(ours.tls_kib),
        number(ours.setups),
        number(ours.hop.map(|h| h.0)),
        number(ours.hop.map(|h| h.1)),
    )
}

/// One fresh server per figure, so that no figure pays for the one before.
fn measure(load: &Path, ours: bool, command: impl Fn(&str, &str) -> Command) -> anyhow::Result<Figures> {
    let path = if ours { "ws" } else { "peerjs" };
    let start = || -> anyhow::Result<(Server, String, String)> {
        let (http, https) = (free_address()?, free_address()?);
        let server = Server::start(command(&http, &https), &http)?;
        Ok((server, format!("ws://{http}/{path}"), format!("wss://{https}/{path}")))
    };
    let mut figures = Figures::default();
    let (server, plain, _) = start()?;
    figures.plain_kib = Some(idle(load, &server, &plain)?);
    if ours {
        let (server, _, tls) = start()?;
        figures.tls_kib = Some(idle(load, &server, &tls)?);
    }
    let (_server, plain, _) = start()?;
    let said = say(limited(load).args(["setup", &plain, &PAIRS.to_string(), &CALLS.to_string()]))?;
    figures.setups = Some(numbers(&said, "setup")?[0]);
    let (_server, plain, _) = start()?;
    let said = say(limited(load).args(["relay", &plain, &HOPS.to_string()]))?;
    let hop = numbers(&said, "relay")?;
    figures.hop = hop.first().copied().zip(hop.get(1).copied());
    Ok(figures)
}

/// KiB of resident memory per session.
fn idle(load: &Path, server: &Server, url: &str) -> anyhow::Result<f64> {
    // A first session pays for what is made once.
    let before = {
        let first = Open::start(load, url, 1)?;
        let resident = server.resident()?;
        drop(first);
        resident
    };
    let open = Open::start(load, url, IDLE)?;
    let after = server.resident()?;
    drop(open);
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    Ok(after.saturating_sub(before) as f64 / IDLE as f64)
}

/// A load generator that holds sessions open.
struct Open(Child);

impl Open {
    fn start(load: &Path, url: &str, count: usize) -> anyhow::Result<Self> {
        let mut command = limited(load);
        command.args(["idle", url, &count.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("the load generator does not start")?;
        let out = child.stdout.take().context("its output is piped")?;
        let open = Self(child);
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        ensure!(line.trim() == format!("open {count}"), "the load generator said `{}`", line.trim());
        Ok(open)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        drop(self.0.stdin.take()); // its sign to end
        let _ = self.0.wait();
    }
}

struct Server(Child);

impl Server {
    /// Starts it and waits until it accepts connections.
    fn start(mut command: Command, address: &str) -> anyhow::Result<Self> {
        let child = command.stdout(Stdio::null()).spawn().context("the server does not start")?;
        let mut server = Self(child);
        loop {
            if std::net::TcpStream::connect(address).is_ok() {
                return Ok(server);
            }
            if let Some(status) = server.0.try_wait()? {
                bail!("the server ended at once: {status}");
            }
            std::thread::yield_now();
        }
    }

    /// KiB of resident memory.
    fn resident(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("the kernel tells VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program that may have many sockets.
fn limited(program: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n $(ulimit -Hn); exec \"$0\" \"$@\""]).arg(program);
    command
}

fn free_address() -> anyhow::Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// Where PeerJS' server is, installed if it is not yet.
fn peerjs(root: &Path) -> anyhow::Result<PathBuf> {
    let folder = root.join("target/bench/peerjs");
    let program = folder.join("node_modules/.bin/peerjs");
    if !program.exists() {
        std::fs::create_dir_all(&folder)?;
        let mut npm = Command::new("npm");
        succeed(
            npm.args(["install", "--no-audit", "--no-fund", "--silent", "--prefix"]).arg(&folder).arg(PEERJS),
        )?;
    }
    Ok(program.canonicalize()?)
}

fn succeed(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("{command:?} does not start"))?;
    ensure!(status.success(), "{command:?} failed: {status}");
    Ok(())
}

fn say(command: &mut Command) -> anyhow::Result<String> {
    let output = command.stderr(Stdio::inherit()).output()?;
    std::io::stderr().flush()?;
    ensure!(output.status.success(), "{command:?} failed: {}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

/// The numbers after a word.
fn numbers(said: &str, word: &str) -> anyhow::Result<Vec<f64>> {
    let line = said
        .lines()
        .find_map(|line| line.strip_prefix(word))
        .with_context(|| format!("no `{word}`: {said}"))?;
    let numbers = line.split_whitespace().map(str::parse).collect::<Result<Vec<f64>, _>>()?;
    ensure!(!numbers.is_empty(), "no numbers after `{word}`");
    Ok(numbers)
}
