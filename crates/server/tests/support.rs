//! A running server in a folder of its own, and small clients for it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// How long anything may take before a test fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(30);

/// A folder that goes when it is dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("visavis-test-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The program with none of this process's `VISAVIS_` variables.
pub(crate) fn visavis(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_visavis"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("VISAVIS_") {
            command.env_remove(name);
        }
    }
    command.args(arguments);
    command
}

/// Runs the program to its end, with `input` on its standard input.
pub(crate) fn run(arguments: &[&str], input: &str) -> Output {
    let mut command = visavis(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// A server that is ready.
pub(crate) struct Server {
    child: Child,
    /// What it printed before it was ready.
    pub(crate) banner: String,
    pub(crate) http: SocketAddr,
    pub(crate) https: Option<SocketAddr>,
    pub(crate) stun: Option<SocketAddr>,
}

impl Server {
    /// Starts one on free ports of the loopback with its data in `folder`.
    pub(crate) fn start(folder: &Folder, more: &[&str]) -> Self {
        let data = folder.path().join("data");
        let mut arguments = vec!["serve", "--data", data.to_str().unwrap()];
        for (flag, value) in [
            ("--http", "127.0.0.1:0"),
            ("--https", "127.0.0.1:0"),
            ("--stun", "127.0.0.1:0"),
            ("--log", "warn"),
            ("--media-threads", "1"),
        ] {
            if !more.contains(&flag) {
                arguments.extend([flag, value]);
            }
        }
        arguments.extend(more);
        let mut child = visavis(&arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut banner = String::new();
        loop {
            let mut line = String::new();
            assert_ne!(
                out.read_line(&mut line).unwrap(),
                0,
                "the server ended before it was ready:\n{banner}"
            );
            if line == "visavis: ready\n" {
                break;
            }
            banner.push_str(&line);
        }
        let loopback = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let port = |label: &str| {
            let line = banner.lines().find(|l| l.trim_start().starts_with(label))?;
            let digits = line.rsplit_once(':')?.1;
            digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        };
        let http = loopback(port("On this machine").expect("an HTTP address"));
        let https = port("On the network").map(loopback);
        let stun = port("STUN and TURN").map(loopback);
        Self { child, banner, http, https, stun }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// One request over plain HTTP.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "")
    }

    /// One request over plain HTTP, on a connection of its own.
    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        exchange(&mut connect(self.http), &self.http.to_string(), method, path, headers, body)
    }

    /// A request to the accounts with a JSON body.
    pub(crate) fn account(&self, path: &str, bearer: Option<&str>, body: &serde_json::Value) -> Answer {
        let bearer = bearer.map(|b| format!("Bearer {b}"));
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(bearer.as_deref().map(|b| ("authorization", b)));
        self.send("POST", &format!("/api/v1/account/{path}"), &headers, &body.to_string())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A response over HTTP/1.1.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The `code` of an error's body.
    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// Sends one request and reads the response to the end of the connection.
pub(crate) fn exchange(
    stream: &mut (impl Read + Write),
    host: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        request += &format!("content-length: {}\r\n", body.len());
    }
    request += &format!("\r\n{body}");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    parse(&answer)
}

fn parse(answer: &[u8]) -> Answer {
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").expect("a whole head");
    let head = std::str::from_utf8(&answer[..end]).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let split = |l: &str| l.split_once(": ").map(|(n, v)| (n.to_ascii_lowercase(), v.to_owned()));
    let headers = lines.filter_map(split).collect();
    Answer { status, headers, body: answer[end + 4..].to_vec() }
}

/// A TLS client that trusts one authority.
pub(crate) fn trusting(authority: &Path, protocols: &[&str]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
    Arc::new(config)
}

pub(crate) type Tls = StreamOwned<ClientConnection, TcpStream>;

/// Connects and does the handshake; the error is what TLS says.
pub(crate) fn tls(config: Arc<ClientConfig>, address: SocketAddr, name: &str) -> Result<Tls, std::io::Error> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(config, name).unwrap();
    let mut stream = connect(address);
    while client.is_handshaking() {
        client.complete_io(&mut stream)?;
    }
    Ok(StreamOwned::new(client, stream))
}

/// A signalling socket.
pub(crate) struct Socket(tokio_tungstenite::tungstenite::WebSocket<TcpStream>);

impl Socket {
    /// Opens `/ws` over plain HTTP.
    pub(crate) fn open(server: &Server) -> Self {
        let address = format!("ws://{}/ws", server.http);
        Self(tokio_tungstenite::tungstenite::client(address, connect(server.http)).unwrap().0)
    }

    pub(crate) fn say(&mut self, message: &serde_json::Value) {
        self.0.send(message.to_string().into()).unwrap();
    }

    /// The next message of this type; others are passed over.
    pub(crate) fn hear(&mut self, kind: &str) -> serde_json::Value {
        loop {
            let message = self.0.read().unwrap_or_else(|e| panic!("waiting for {kind}: {e}"));
            let Ok(text) = message.to_text() else { continue };
            let value: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
            if value["type"] == kind {
                return value;
            }
            assert_ne!(value["type"], "refused", "waiting for {kind}: {value}");
        }
    }

    /// The next message, whatever it is.
    pub(crate) fn next(&mut self) -> serde_json::Value {
        let message = self.0.read().unwrap();
        serde_json::from_str(message.to_text().unwrap()).unwrap()
    }

    /// Says hello and waits for the welcome.
    pub(crate) fn hello(&mut self, name: Option<&str>, identity: Option<&str>) -> serde_json::Value {
        let hello = serde_json::json!({
            "type": "hello", "protocol": 1, "name": name, "identity": identity, "resume": null
        });
        self.say(&hello);
        self.hear("welcome")
    }

    /// Says hello and is refused; the code.
    pub(crate) fn refused(&mut self, name: Option<&str>, identity: Option<&str>) -> String {
        let hello = serde_json::json!({
            "type": "hello", "protocol": 1, "name": name, "identity": identity, "resume": null
        });
        self.say(&hello);
        let message = self.0.read().unwrap();
        let value: serde_json::Value = serde_json::from_str(message.to_text().unwrap()).unwrap();
        assert_eq!(value["type"], "refused", "{value}");
        value["code"].as_str().unwrap().to_owned()
    }
}
