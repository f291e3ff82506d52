//! HTTPS, the certificate, and what shares the port with it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::UdpSocket;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::{Folder, Server, connect, exchange, tls, trusting};

/// A STUN Binding request (RFC 8489 §5) with nothing in it.
const BINDING: [u8; 20] = [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

/// Whether these are the first bytes of the success response to [`BINDING`].
fn answers_binding(answer: &[u8]) -> bool {
    answer[..2] == [1, 1] && answer[4..20] == BINDING[4..]
}

#[test]
fn who_trusts_the_authority_is_served_without_a_warning() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let authority = folder.path().join("data/tls/ca.pem");
    assert!(server.banner.contains("visavis-ca.crt"), "{}", server.banner);
    let https = server.https.unwrap();
    for name in ["localhost", "127.0.0.1"] {
        let mut stream = tls(trusting(&authority, &["http/1.1"]), https, name).unwrap();
        assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
        let answer = exchange(&mut stream, name, "GET", "/healthz", &[], "");
        assert_eq!(answer.status, 200);
    }
    assert!(tls(trusting(&authority, &[]), https, "example.org").is_err(), "not a name of this machine");
    let mut stream = tls(trusting(&authority, &[]), https, "localhost").unwrap();
    assert_eq!(exchange(&mut stream, "localhost", "GET", "/metrics", &[], "").status, 404);
    let stream = tls(trusting(&authority, &["h2", "http/1.1"]), https, "localhost").unwrap();
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"h2"[..]));

    let der = server.get("/visavis-ca.crt");
    assert_eq!(der.header("content-type"), "application/x-x509-ca-cert");
    let mode = |name: &str| {
        use std::os::unix::fs::PermissionsExt as _;
        fs::metadata(folder.path().join("data").join(name)).unwrap().permissions().mode() & 0o777
    };
    assert_eq!(
        [mode(""), mode("secret"), mode("tls/ca.key"), mode("tls/server.key")],
        [0o700, 0o600, 0o600, 0o600]
    );
}

#[test]
fn the_authority_stays_and_the_certificate_follows_the_names() {
    let folder = Folder::new();
    let authority = folder.path().join("data/tls/ca.pem");
    let leaf = folder.path().join("data/tls/server.pem");
    let read = || (fs::read(&authority).unwrap(), fs::read(&leaf).unwrap());
    Server::start(&folder, &[]).kill();
    let (first_authority, first_leaf) = read();
    Server::start(&folder, &[]).kill();
    assert_eq!(read(), (first_authority.clone(), first_leaf.clone()), "nothing changed");
    let server = Server::start(&folder, &["--external-ip", "192.0.2.99"]);
    let (second_authority, second_leaf) = read();
    assert!(second_authority == first_authority && second_leaf != first_leaf, "another address");
    tls(trusting(&authority, &[]), server.https.unwrap(), "192.0.2.99").unwrap();
    server.kill();
    // The authority may sign for certain domains only: a new one needs a new authority.
    let server = Server::start(&folder, &["--public-host", "call.example"]);
    assert!(read().0 != first_authority);
    tls(trusting(&authority, &[]), server.https.unwrap(), "call.example").unwrap();
}

#[test]
fn turn_and_https_share_the_port() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let authority = folder.path().join("data/tls/ca.pem");
    for protocols in [&[][..], &["stun.turn"], &["http/1.1"], &["http/1.1", "stun.turn"]] {
        let mut stream = tls(trusting(&authority, protocols), server.https.unwrap(), "localhost").unwrap();
        stream.write_all(&BINDING).unwrap();
        let mut answer = [0; 20];
        stream.read_exact(&mut answer).unwrap();
        assert!(answers_binding(&answer), "{answer:?}");
    }
    // What was agreed on must be spoken.
    let mut stream = tls(trusting(&authority, &["stun.turn"]), server.https.unwrap(), "localhost").unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut nothing = Vec::new();
    let _ = stream.read_to_end(&mut nothing);
    assert!(nothing.is_empty());
}

#[test]
fn stun_answers_over_udp_and_tcp() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let stun = server.stun.unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket.send_to(&BINDING, stun).unwrap();
    let mut answer = [0; 200];
    let length = socket.recv(&mut answer).unwrap();
    assert!(length >= 32 && answers_binding(&answer));
    let mut stream = connect(stun);
    stream.write_all(&BINDING).unwrap();
    let mut answer = [0; 20];
    stream.read_exact(&mut answer).unwrap();
    assert!(answers_binding(&answer));
}

/// A certificate for `localhost` in PEM, with its key, and itself as the authority.
fn certificate() -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[test]
fn files_are_read_again_on_sighup() {
    let folder = Folder::new();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let write = |(chain, secret): &(String, String)| {
        fs::write(&cert, chain).unwrap();
        fs::write(&key, secret).unwrap();
    };
    let (first, second) = (certificate(), certificate());
    write(&first);
    let flags = ["--tls", "files", "--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let server = Server::start(&folder, &flags);
    let (old, new) = (folder.path().join("old.pem"), folder.path().join("new.pem"));
    fs::write(&old, &first.0).unwrap();
    fs::write(&new, &second.0).unwrap();
    let https = server.https.unwrap();
    // A client for each try: one that was here before would resume its session without asking for a certificate.
    let shows = |authority: &std::path::Path| tls(trusting(authority, &["http/1.1"]), https, "localhost");
    let mut stream = shows(&old).unwrap();
    let answer = exchange(&mut stream, "localhost", "GET", "/", &[], "");
    assert!(answer.header("strict-transport-security").starts_with("max-age="), "{answer:?}");

    // A certificate that does not fit its key is not taken, and the old one stays.
    fs::write(&cert, &second.0).unwrap();
    server.signal(Signal::HUP);
    assert!(shows(&old).is_ok());

    write(&second);
    server.signal(Signal::HUP);
    // The signal is dealt with beside the handshakes: one of the next ones shows the new certificate.
    let served = (0..2000).any(|_| shows(&new).is_ok());
    assert!(served);
    assert!(shows(&old).is_err());
}

#[test]
fn a_certificate_that_cannot_be_used_is_named() {
    let folder = Folder::new();
    let path = folder.path().join("cert.pem");
    fs::write(&path, "nothing").unwrap();
    let file = path.to_str().unwrap();
    let data = folder.path().join("data");
    for (cert, key, wanted) in [
        ("/does/not/exist", file, "`tls-cert`: cannot read /does/not/exist"),
        (file, file, "there is no certificate in it"),
    ] {
        let flags =
            ["serve", "--data", data.to_str().unwrap(), "--http", "127.0.0.1:0", "--https", "127.0.0.1:0"];
        let more = ["--stun", "off", "--tls", "files", "--tls-cert", cert, "--tls-key", key];
        let out = crate::support::run(&[&flags[..], &more].concat(), "");
        let said = String::from_utf8(out.stderr).unwrap();
        assert!(!out.status.success() && said.contains(wanted), "{said}");
    }
}
