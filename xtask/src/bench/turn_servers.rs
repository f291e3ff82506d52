//! The two TURN servers of the bench: ours and coturn, on the same core, with equal duties.

#![expect(clippy::disallowed_types, reason = "a bench reads the clock of the machine it measures")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

/// A running server; it ends when this is dropped.
pub(super) struct Server {
    pub(super) name: String,
    pub(super) address: SocketAddr,
    child: Child,
}

impl Server {
    pub(super) fn process(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Puts a program on one core, before other work of the machine where that is allowed: both servers and the load
/// alike.
pub(super) fn pinned(core: usize, program: &str) -> Command {
    let mut command = Command::new("nice");
    command.args(["-n", "-10", "taskset", "-c", &core.to_string(), program]).stderr(Stdio::null());
    command
}

/// The media plane with one thread.
pub(super) fn ours(root: &Path, core: usize) -> Result<Server> {
    let program = root.join("target/release/examples/relay");
    let mut child = pinned(core, &program.to_string_lossy())
        .args(["127.0.0.1:0", "20000", "32000", "1"])
        .stdout(Stdio::piped())
        .spawn()
        .context("starting the media plane")?;
    let output = child.stdout.take().context("the media plane has an output")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    let address = line.trim().strip_prefix("relay: ready on ").context("the media plane did not start")?;
    Ok(Server { name: "visavis".to_owned(), address: address.parse()?, child })
}

/// coturn with one relay thread, real credentials, no logging and nothing else to do; `None` if there is none and
/// none can be installed.
pub(super) fn coturn(core: usize) -> Result<Option<Server>> {
    let Some(version) = coturn_version() else { return Ok(None) };
    let folder = std::env::temp_dir().join(format!("visavis-bench-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let port = UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port();
    let pid_file = folder.join("turnserver.pid");
    let mut child = pinned(core, "turnserver")
        .args(["-n", "--lt-cred-mech", "--user=bench:bench", "--realm=bench", "--relay-threads=1"])
        .args(["--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", "--allow-loopback-peers"])
        .args(["--min-port=32001", "--max-port=44000", &format!("--listening-port={port}")])
        .args(["--no-cli", "--no-tls", "--no-dtls", "--no-tcp", "--no-tcp-relay", "--no-multicast-peers"])
        .args(["--no-stdout-log", "--log-file=/dev/null", "--no-software-attribute", "--no-rfc5780"])
        .args(["--no-stun-backward-compatibility", &format!("--pidfile={}", pid_file.display())])
        .arg(format!("--userdb={}", folder.join("turndb").display()))
        .stdout(Stdio::null())
        .spawn()
        .context("starting turnserver")?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let answered = answers(address, &mut child);
    let server = Server { name: format!("coturn {version}"), address, child };
    answered?;
    Ok(Some(server))
}

/// The version of the installed coturn, after an attempt to install it.
fn coturn_version() -> Option<String> {
    let version = || {
        let output = Command::new("turnserver").arg("--version").output().ok()?;
        let text =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        let word = text
            .split_whitespace()
            .map(|w| w.trim_start_matches("Coturn-"))
            .find(|w| w.contains('.') && w.chars().next().is_some_and(|c| c.is_ascii_digit()));
        Some(word.unwrap_or("of unknown version").trim_matches(['\'', '"']).to_owned())
    };
    version().or_else(|| {
        eprintln!("bench turn: installing coturn");
        let installed = Command::new("apt-get")
            .args(["install", "-y", "-qq", "--no-install-recommends", "coturn"])
            .stdout(Stdio::null())
            .status();
        installed.is_ok_and(|status| status.success()).then(version).flatten()
    })
}

/// Waits until a STUN Binding request is answered.
fn answers(address: SocketAddr, child: &mut Child) -> Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    let mut request = [0; 20];
    request[..8].copy_from_slice(&[0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42]);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(10) {
        ensure!(child.try_wait()?.is_none(), "turnserver ended at once");
        // Nobody listening yet is reported as a refusal; the next round tries again.
        let _ = socket.send_to(&request, address);
        if socket.recv(&mut [0; 200]).is_ok() {
            return Ok(());
        }
    }
    bail!("turnserver does not answer on {address}")
}
