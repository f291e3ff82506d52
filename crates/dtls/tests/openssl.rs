//! Handshakes with OpenSSL's s_client and s_server over UDP on loopback, in both roles.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use dtls::{Certificate, Closed, Config, Connected, Dtls, Event, Role, SrtpProfile, Version};
use wire::{Instant, Rng};

use crate::link::certificate;

/// A folder of this test's own, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("dtls-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// A key and a certificate made by OpenSSL: (key, certificate) as PEM files, and the certificate in DER.
    fn identity(&self, key: &[&str]) -> (PathBuf, PathBuf, Vec<u8>) {
        let (key_file, pem, der) = (self.0.join("key.pem"), self.0.join("cert.pem"), self.0.join("cert.der"));
        let mut make = Command::new("openssl");
        make.args(["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=peer", "-newkey"]).args(key);
        run(make.arg("-keyout").arg(&key_file).arg("-out").arg(&pem));
        run(Command::new("openssl").args(["x509", "-outform", "DER", "-in"]).arg(&pem).arg("-out").arg(&der));
        let der = std::fs::read(der).unwrap();
        (key_file, pem, der)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A running OpenSSL, ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Our side on a socket. Time is counted in waits of the socket, which are what passes it.
struct Ours {
    dtls: Dtls,
    socket: UdpSocket,
    now: Instant,
    connected: Option<Connected>,
    closed: Option<Closed>,
    received: Vec<u8>,
}

const WAIT: Duration = Duration::from_millis(10);

impl Ours {
    fn new(config: Config, socket: UdpSocket) -> Self {
        socket.set_read_timeout(Some(WAIT)).unwrap();
        let dtls = Dtls::new(config, Rng::from_number(1), Instant::ZERO);
        Self { dtls, socket, now: Instant::ZERO, connected: None, closed: None, received: Vec::new() }
    }

    /// Sends, then waits for a datagram.
    fn step(&mut self) {
        let mut buf = [0; 4096];
        while let Some(len) = self.dtls.poll_transmit(self.now, &mut buf) {
            self.socket.send(&buf[..len]).unwrap();
        }
        if let Ok((len, from)) = self.socket.recv_from(&mut buf) {
            self.socket.connect(from).unwrap();
            for data in self.dtls.open(self.now, &mut buf[..len]) {
                self.received.extend_from_slice(data);
            }
        } else {
            self.now += WAIT;
            self.dtls.handle_timeout(self.now);
        }
        while let Some(event) = self.dtls.poll_event() {
            match event {
                Event::Connected(connected) => self.connected = Some(*connected),
                Event::Closed(closed) => self.closed = Some(closed),
            }
        }
    }

    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            self.step();
            assert!(self.now < Instant::ZERO + Duration::from_secs(60), "{what}: {:?}", self.dtls);
        }
    }

    fn send(&mut self, data: &[u8]) {
        let mut buf = vec![0; data.len() + dtls::MAX_OVERHEAD];
        let at = self.dtls.header_len();
        buf[at..at + data.len()].copy_from_slice(data);
        let len = self.dtls.seal(&mut buf, data.len()).unwrap();
        self.socket.send(&buf[..len]).unwrap();
    }
}

fn config(role: Role, peer: &[u8], versions: &[Version]) -> Config {
    let fingerprint = dtls::Fingerprint::of(dtls::Hash::Sha256, peer);
    let mut config = Config::new(certificate(0), role);
    config.remote_fingerprints = vec![fingerprint];
    config.versions = versions.to_vec();
    config
}

/// Talks with OpenSSL that has been started: it shows what it gets, and sends what it is told.
fn talk(mut ours: Ours, mut process: Running, ready: bool) {
    let mut lines = BufReader::new(process.0.stdout.take().unwrap());
    let mut input = process.0.stdin.take().unwrap();
    if ready {
        let mut line = String::new();
        while !line.contains("ACCEPT") {
            line.clear();
            assert!(lines.read_line(&mut line).unwrap() > 0, "s_server ended");
        }
    }
    ours.until("connecting", |o| o.connected.is_some() || o.closed.is_some());
    let connected = ours.connected.clone().unwrap_or_else(|| panic!("{:?}", ours.closed));
    assert_eq!(connected.version, Version::Dtls12);
    let keys = connected.srtp.expect("a profile");
    assert_eq!(keys.profile, SrtpProfile::AeadAes128Gcm);
    input.write_all(b"from openssl\n").unwrap();
    ours.until("data", |o| o.received.ends_with(b"from openssl\n"));
    ours.send(b"from us\n");
    ours.dtls.close(ours.now);
    ours.step();
    drop(input); // at the end of its input it ends, if the alert has not ended it
    let mut shown = String::new();
    lines.read_to_string(&mut shown).unwrap();
    assert!(shown.contains("from us"), "{shown}");
    let material = shown.lines().find_map(|line| line.trim().strip_prefix("Keying material: "));
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02X}")).collect::<String>();
    let own = [&*keys.client_key, &*keys.server_key, &*keys.client_salt, &*keys.server_salt].concat();
    assert_eq!(material, Some(&hex(&own)[..]), "{shown}");
}

const EXPORT: [&str; 6] = [
    "-use_srtp",
    "SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80",
    "-keymatexport",
    "EXTRACTOR-dtls_srtp",
    "-keymatexportlen",
    "56",
];

/// With `cookie` OpenSSL asks for a cookie, and then wants the hello in one datagram.
fn as_client(name: &str, key: &[&str], cookie: bool) {
    let folder = Folder::new(name);
    let (key, pem, der) = folder.identity(key);
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let process = Command::new("openssl")
        .args(["s_server", "-dtls1_2", "-mtu", "1200", "-Verify", "1"])
        .args(cookie.then_some("-listen"))
        .arg("-accept")
        .arg(format!("127.0.0.1:{port}"))
        .arg("-key")
        .arg(key)
        .arg("-cert")
        .arg(pem)
        .args(EXPORT)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(("127.0.0.1", port)).unwrap();
    let versions: &[Version] = if cookie { &[Version::Dtls12] } else { &[Version::Dtls13, Version::Dtls12] };
    talk(Ours::new(config(Role::Client, &der, versions), socket), Running(process), true);
}

fn as_server(name: &str, key: &[&str], more: &[&str]) {
    let folder = Folder::new(name);
    let (key, pem, der) = folder.identity(key);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let process = Command::new("openssl")
        .args(["s_client", "-dtls1_2", "-mtu", "1200", "-connect"])
        .arg(format!("127.0.0.1:{}", socket.local_addr().unwrap().port()))
        .arg("-key")
        .arg(key)
        .arg("-cert")
        .arg(pem)
        .args(EXPORT)
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let versions = [Version::Dtls13, Version::Dtls12];
    talk(Ours::new(config(Role::Server, &der, &versions), socket), Running(process), false);
}

const P256: [&str; 3] = ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
const P384: [&str; 3] = ["ec", "-pkeyopt", "ec_paramgen_curve:secp384r1"];

#[test]
fn as_client_of_s_server() {
    as_client("c-ec", &P256, false);
}

#[test]
fn as_client_of_s_server_that_wants_a_cookie() {
    as_client("c-cookie", &P256, true);
}

#[test]
fn as_client_of_s_server_with_an_rsa_key() {
    as_client("c-rsa", &["rsa:2048"], false);
}

#[test]
fn as_server_of_s_client() {
    as_server("s-ec", &P256, &[]);
}

#[test]
fn as_server_of_s_client_with_other_keys_and_groups() {
    as_server("s-rsa", &["rsa:2048"], &[]);
    as_server("s-p384", &P384, &[]);
    as_server("s-ed", &["ed25519"], &["-curves", "P-256"]);
    as_server("s-aes", &P256, &["-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"]);
}

#[test]
fn a_client_without_a_certificate_is_refused() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let process = Command::new("openssl")
        .args(["s_client", "-dtls1_2", "-connect"])
        .arg(socket.local_addr().unwrap().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _running = Running(process);
    let mut ours = Ours::new(config(Role::Server, b"nobody", &[Version::Dtls12]), socket);
    ours.until("refusing", |o| o.closed.is_some());
    let what = "the peer has no certificate";
    assert_eq!(ours.closed, Some(Closed::Protocol { alert: 40, what }));
    assert_eq!(ours.connected, None);
}

#[test]
fn our_certificate_is_one_that_openssl_reads() {
    let folder = Folder::new("certificate");
    let (file, key) = (folder.0.join("our.der"), folder.0.join("our.key"));
    let ours: Certificate = certificate(0);
    std::fs::write(&file, ours.der()).unwrap();
    std::fs::write(&key, ours.key_to_pkcs8()).unwrap();
    let pem = folder.0.join("our.pem");
    run(Command::new("openssl").args(["x509", "-inform", "DER", "-in"]).arg(&file).arg("-out").arg(&pem));
    run(Command::new("openssl")
        .args(["verify", "-check_ss_sig", "-attime", "1767225600", "-CAfile"])
        .arg(&pem)
        .arg(&pem));
    run(Command::new("openssl").args(["pkey", "-inform", "DER", "-noout", "-in"]).arg(&key));
}
