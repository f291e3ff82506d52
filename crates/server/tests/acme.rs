//! Certificates by ACME, from Pebble: an ACME server made for tests (RFC 8555), run on the loopback.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::support::{Folder, Server, exchange, tls, trusting};

/// A running Pebble.
struct Pebble {
    child: Child,
    directory: String,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Pebble {
    /// Starts one that looks for TLS-ALPN-01 challenges at `tls_port`, with a certificate of its own in `folder`.
    fn start(folder: &Folder, tls_port: u16) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = rcgen::CertificateParams::new(names).unwrap();
        params.is_ca = rcgen::IsCa::ExplicitNoCa;
        let path = |name: &str| folder.path().join(name);
        fs::write(path("pebble.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        fs::write(path("pebble.key"), key.serialize_pem()).unwrap();
        let (listen, manage) = (free_port(), free_port());
        let config = json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{listen}"),
            "managementListenAddress": format!("127.0.0.1:{manage}"),
            "certificate": path("pebble.pem"),
            "privateKey": path("pebble.key"),
            "httpPort": 1,
            "tlsPort": tls_port,
            "certificateValidityPeriod": 7 * 86_400,
        } });
        fs::write(path("pebble.json"), config.to_string()).unwrap();
        let mut child = Command::new("pebble")
            .arg("-config")
            .arg(path("pebble.json"))
            .env("PEBBLE_VA_NOSLEEP", "1")
            .env("PEBBLE_WFE_NONCEREJECT", "10")
            .stdout(Stdio::piped())
            .spawn()
            .expect("Debian's package `pebble` is installed (`make test` installs it)");
        let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(out.by_ref().map_while(Result::ok).any(|line| line.contains("ACME directory available")));
        // Its further lines are read away, so that it never waits for us.
        std::thread::spawn(move || out.for_each(drop));
        Self { child, directory: format!("https://127.0.0.1:{listen}/dir") }
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_certificate_is_got_kept_and_used_again() {
    let folder = Folder::new();
    let port = free_port();
    let pebble = Pebble::start(&folder, port);
    let directory = pebble.directory.clone();
    let https: SocketAddr = ([127, 0, 0, 1], port).into();
    let authority = folder.path().join("pebble.pem");
    let flags = [
        "--tls",
        "acme",
        "--public-host",
        "localhost",
        "--acme-email",
        "admin@example.org",
        "--acme-directory",
        &directory,
        "--acme-ca",
        authority.to_str().unwrap(),
        "--https",
        &https.to_string(),
    ];
    let server = Server::start(&folder, &flags);
    let kept = folder.path().join("data/tls/acme.pem");
    // The end of the kept chain is an intermediate of Pebble's, which this client trusts for the occasion.
    let chain = (0..100_000).find_map(|_| {
        std::thread::yield_now();
        let _ = tls(trusting(&authority, &["http/1.1"]), https, "localhost");
        fs::read_to_string(&kept).ok()
    });
    let chain = chain.expect("a certificate in time");
    let issuer = folder.path().join("issuer.pem");
    fs::write(&issuer, &chain[chain.rfind("-----BEGIN CERTIFICATE").unwrap()..]).unwrap();
    // It is on the disk a moment before it is in use.
    let stream = (0..100_000).find_map(|_| {
        std::thread::yield_now();
        tls(trusting(&issuer, &["http/1.1"]), https, "localhost").ok()
    });
    let mut stream = stream.expect("a handshake with the new certificate");
    let answer = exchange(&mut stream, "localhost", "GET", "/healthz", &[], "");
    assert_eq!(answer.status, 200);
    assert!(answer.header("strict-transport-security").starts_with("max-age="));
    let account = fs::read(folder.path().join("data/tls/acme-account.json")).unwrap();
    server.kill();

    // The next server has the certificate from the start, without the authority.
    drop(pebble);
    let server = Server::start(&folder, &flags);
    tls(trusting(&issuer, &[]), https, "localhost").unwrap();
    assert_eq!(fs::read_to_string(&kept).unwrap(), chain);
    assert_eq!(fs::read(folder.path().join("data/tls/acme-account.json")).unwrap(), account);
    server.kill();
}
