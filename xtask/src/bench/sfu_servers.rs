//! The two forwarding servers of the bench: ours and Janus, on the same core.

#![expect(clippy::disallowed_types, reason = "a bench reads the clock of the machine it measures")]

use std::fs;
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::turn_servers::pinned;

/// Which one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Visavis,
    Janus,
}

impl Kind {
    pub(super) const fn argument(self) -> &'static str {
        match self {
            Self::Visavis => "visavis",
            Self::Janus => "janus",
        }
    }
}

/// A running server; it ends, and its folder goes, when this is dropped.
pub(super) struct Server {
    pub(super) url: String,
    child: Child,
    folder: PathBuf,
}

impl Server {
    pub(super) fn start(root: &Path, kind: Kind, core: usize) -> Result<Self> {
        let folder =
            std::env::temp_dir().join(format!("visavis-bench-{}-{}", kind.argument(), std::process::id()));
        fs::create_dir_all(&folder)?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = match kind {
            Kind::Visavis => visavis(root, &folder, core, port)?,
            Kind::Janus => janus(&folder, core, port)?,
        };
        let path = if kind == Kind::Visavis { "/ws" } else { "/" };
        let mut server = Self { url: format!("ws://127.0.0.1:{port}{path}"), child, folder };
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            ensure!(server.child.try_wait()?.is_none(), "{} ended at once", kind.argument());
            if start.elapsed() > Duration::from_secs(20) {
                bail!("{} does not listen on port {port}", kind.argument());
            }
            std::thread::yield_now();
        }
        Ok(server)
    }

    /// Where members' sockets are to be.
    pub(super) fn address(kind: Kind) -> IpAddr {
        let own = || {
            // No packet is sent; the address of a documentation network (RFC 5737) shows which of ours leads outside.
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
            socket.connect((Ipv4Addr::new(203, 0, 113, 1), 9)).ok()?;
            Some(socket.local_addr().ok()?.ip())
        };
        // Janus offers no candidates of the loopback; to another address of its own the machine does not send either.
        (kind == Kind::Janus).then(own).flatten().unwrap_or(Ipv4Addr::LOCALHOST.into())
    }

    pub(super) fn process(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn visavis(root: &Path, folder: &Path, core: usize, port: u16) -> Result<Child> {
    pinned(core, &root.join("target/release/visavis").to_string_lossy())
        .args(["serve", "--tls", "off", "--stun", "127.0.0.1:0", "--log", "error"])
        .args(["--data", &folder.to_string_lossy(), "--http", &format!("127.0.0.1:{port}")])
        .args(["--conference-members", "1000", "--relay-ports", "45000-45999"])
        .stdout(Stdio::null())
        .spawn()
        .context("starting visavis")
}

/// Janus with its video room and WebSockets, and nothing else. One event loop: threads of their own for each member
/// cost it three times as much.
fn janus(folder: &Path, core: usize, port: u16) -> Result<Child> {
    let path = folder.to_string_lossy();
    let main = format!(
        "general: {{ configs_folder = \"{path}\" debug_level = 1 event_loops = 1 }}\n\
         nat: {{ full_trickle = false }}\n\
         media: {{ rtp_port_range = \"20000-44000\" }}\n\
         plugins: {{ disable = \"libjanus_audiobridge.so,libjanus_echotest.so,libjanus_recordplay.so,libjanus_sip.so,\
         libjanus_nosip.so,libjanus_streaming.so,libjanus_textroom.so,libjanus_videocall.so,libjanus_voicemail.so,\
         libjanus_lua.so,libjanus_duktape.so\" }}\n\
         transports: {{ disable = \"libjanus_http.so,libjanus_mqtt.so,libjanus_nanomsg.so,libjanus_pfunix.so,\
         libjanus_rabbitmq.so\" }}\n"
    );
    fs::write(folder.join("janus.jcfg"), main)?;
    let sockets = format!("general: {{ ws = true ws_port = {port} ws_ip = \"127.0.0.1\" wss = false }}\n");
    fs::write(folder.join("janus.transport.websockets.jcfg"), sockets)?;
    pinned(core, "janus").args(["-F", &path]).stdout(Stdio::null()).spawn().context("starting janus")
}

/// Whether Janus is installed, after an attempt to install it.
pub(super) fn has_janus() -> bool {
    let works = || {
        Command::new("janus").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    };
    if works() {
        return true;
    }
    eprintln!("bench sfu: installing Janus");
    let installed = Command::new("apt-get")
        .args(["install", "-y", "-qq", "--no-install-recommends", "janus"])
        .stdout(Stdio::null())
        .status();
    installed.is_ok_and(|status| status.success()) && works()
}
