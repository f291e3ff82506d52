//! Load for signalling, for its benchmark.
//!
//! ```text
//! signal_load idle  URL COUNT     opens COUNT sessions from 127.0.0.0/8, prints `open COUNT`, holds them until stdin ends
//! signal_load setup URL PAIRS N   N calls (invite, accept with offer, answer, end) by PAIRS pairs at once: `setup CALLS_PER_SECOND`
//! signal_load relay URL N         one hop of a candidate, N times: `relay P50 P99` in microseconds
//! ```
//! An URL with the path `/peerjs` is spoken to as PeerJS.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpSocket;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Sockets opened at once.
const AT_ONCE: usize = 50;
/// Sockets from one source address: below the number of ephemeral ports.
const PER_ADDRESS: usize = 5000;

struct Client {
    socket: WebSocketStream<Box<dyn Io>>,
    seq: u64,
    received: u64,
    peerjs: bool,
}

impl Client {
    async fn open(url: &str, number: usize) -> Self {
        let (scheme, rest) = url.split_once("://").expect("ws:// or wss://");
        let peerjs = rest.contains("/peerjs");
        let target: SocketAddr =
            rest.split('/').next().unwrap_or_default().parse().expect("an IP address and a port");
        let socket = TcpSocket::new_v4().expect("a socket");
        let octet = u8::try_from(2 + number / PER_ADDRESS).expect("not that many");
        let from = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, octet)), 0);
        socket.bind(from).expect("loopback addresses");
        let tcp = socket.connect(target).await.expect("the server accepts");
        tcp.set_nodelay(true).expect("no delay");
        let stream: Box<dyn Io> = if scheme == "wss" { Box::new(tls(tcp).await) } else { Box::new(tcp) };
        let query = if peerjs {
            format!("?key=peerjs&id=u{number}&token=t{number}&version=1")
        } else {
            String::new()
        };
        let request = format!("{}{query}", url.replace("wss://", "ws://"));
        let config = WebSocketConfig::default().read_buffer_size(4096).write_buffer_size(0);
        let (socket, _) =
            client_async_with_config(request, stream, Some(config)).await.expect("the server upgrades");
        let mut client = Self { socket, seq: 0, received: 0, peerjs };
        if peerjs {
            client.hear_type("OPEN").await;
        } else {
            client.send(json!({"type": "hello", "protocol": 1, "name": format!("u{number}")})).await;
            client.hear_type("welcome").await;
        }
        client
    }

    async fn send(&mut self, frame: Value) {
        self.socket.send(Message::text(frame.to_string())).await.expect("the server reads");
    }

    async fn say(&mut self, mut frame: Value) {
        self.seq += 1;
        frame["seq"] = json!(self.seq);
        frame["ack"] = json!(self.received);
        self.send(frame).await;
    }

    async fn hear_type(&mut self, wanted: &str) -> Value {
        loop {
            let message = self.socket.next().await.expect("open").expect("sound");
            let Message::Text(text) = message else { continue };
            let frame: Value = serde_json::from_str(&text).expect("JSON");
            if let Some(seq) = frame["seq"].as_u64() {
                self.received = seq;
            }
            assert!(frame["type"] != "error" && frame["type"] != "refused", "{frame}");
            if frame["type"] == wanted {
                return frame;
            }
        }
    }
}

async fn tls(tcp: tokio::net::TcpStream) -> tokio_rustls::client::TlsStream<tokio::net::TcpStream> {
    use std::sync::OnceLock;
    static CONFIG: OnceLock<Arc<rustls::ClientConfig>> = OnceLock::new();
    let config = CONFIG.get_or_init(|| {
        let verifier = Arc::new(anyone::Anyone(rustls::crypto::aws_lc_rs::default_provider()));
        let config = rustls::ClientConfig::builder().dangerous().with_custom_certificate_verifier(verifier);
        Arc::new(config.with_no_client_auth())
    });
    let name = rustls::pki_types::ServerName::try_from("localhost").expect("a name");
    tokio_rustls::TlsConnector::from(config.clone()).connect(name, tcp).await.expect("a handshake")
}

/// The benchmark's server has a certificate of its own making, on loopback: it is not verified.
mod anyone {
    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::crypto::CryptoProvider;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use rustls::{DigitallySignedStruct, Error, SignatureScheme};

    #[derive(Debug)]
    pub(super) struct Anyone(pub(super) CryptoProvider);

    impl ServerCertVerifier for Anyone {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.0.signature_verification_algorithms.supported_schemes()
        }
    }
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| arguments[at].parse::<usize>().expect("a number");
    match arguments[0].as_str() {
        "idle" => idle(&arguments[1], number(2)).await,
        "setup" => setup(&arguments[1], number(2), number(3)).await,
        "relay" => relay(&arguments[1], number(2)).await,
        other => panic!("idle, setup or relay, not {other}"),
    }
}

async fn idle(url: &str, count: usize) {
    let mut open = Vec::with_capacity(count);
    while open.len() < count {
        let from = open.len();
        let batch = (from..count.min(from + AT_ONCE)).map(|number| Client::open(url, number));
        open.extend(futures_util::future::join_all(batch).await);
    }
    println!("open {}", open.len());
    let until_end = || std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    let _ = tokio::task::spawn_blocking(until_end).await;
}

async fn setup(url: &str, pairs: usize, calls: usize) {
    let mut tasks = Vec::new();
    for pair in 0..pairs {
        let (mut caller, mut callee) =
            (Client::open(url, 2 * pair).await, Client::open(url, 2 * pair + 1).await);
        tasks.push(async move {
            for round in 0..calls / pairs {
                one_call(&mut caller, &mut callee, pair, round).await;
            }
        });
    }
    let start = Instant::now();
    let running: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
    for task in running {
        task.await.expect("the calls come about");
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = (calls / pairs * pairs) as f64 / start.elapsed().as_secs_f64();
    println!("setup {rate:.0}");
}

/// About as long as a browser's first offer with sound and picture.
const SDP_BYTES: usize = 5000;

async fn one_call(caller: &mut Client, callee: &mut Client, pair: usize, round: usize) {
    let sdp = "x".repeat(SDP_BYTES);
    let (to, from) = (format!("u{}", 2 * pair + 1), format!("u{}", 2 * pair));
    if caller.peerjs {
        // Offer and answer; PeerJS has no ringing.
        caller.send(json!({"type": "OFFER", "dst": to, "payload": {"sdp": sdp}})).await;
        callee.hear_type("OFFER").await;
        callee.send(json!({"type": "ANSWER", "dst": from, "payload": {"sdp": sdp}})).await;
        caller.hear_type("ANSWER").await;
        return;
    }
    let call = format!("{pair:011}{round:011}");
    let media = json!({"audio": true, "video": true});
    caller.say(json!({"type": "invite", "call": call, "to": to, "media": media})).await;
    callee.hear_type("incoming").await;
    let offer = json!({"type": "offer", "sdp": sdp});
    callee.say(json!({"type": "accept", "call": call, "media": media, "description": offer})).await;
    caller.hear_type("started").await;
    callee.hear_type("started").await;
    let answer = json!({"type": "answer", "sdp": sdp});
    caller.say(json!({"type": "description", "call": call, "description": answer})).await;
    callee.hear_type("description").await;
    callee.say(json!({"type": "end", "call": call})).await;
    caller.hear_type("ended").await;
}

async fn relay(url: &str, count: usize) {
    let (mut from, mut to) = (Client::open(url, 0).await, Client::open(url, 1).await);
    let call = "0".repeat(22);
    let media = json!({"audio": true, "video": true});
    if !from.peerjs {
        from.say(json!({"type": "invite", "call": call, "to": "u1", "media": media})).await;
        to.hear_type("incoming").await;
        to.say(json!({"type": "accept", "call": call, "media": media})).await;
        from.hear_type("started").await;
        to.hear_type("started").await;
    }
    let text =
        "candidate:842163049 1 udp 1677729535 198.51.100.7 46154 typ srflx raddr 0.0.0.0 rport 0 ufrag EEtu";
    let mut took: Vec<Duration> = Vec::with_capacity(count);
    for _ in 0..count {
        let start = Instant::now();
        if from.peerjs {
            from.send(json!({"type": "CANDIDATE", "dst": "u1", "payload": {"candidate": text}})).await;
            to.hear_type("CANDIDATE").await;
        } else {
            from.say(json!({"type": "candidate", "call": call, "candidate": {"candidate": text}})).await;
            to.hear_type("candidate").await;
            took.push(start.elapsed());
            to.send(json!({"type": "ack", "ack": to.received})).await;
            continue;
        }
        took.push(start.elapsed());
    }
    took.sort();
    println!("relay {} {}", took[count / 2].as_micros(), took[count * 99 / 100].as_micros());
}
