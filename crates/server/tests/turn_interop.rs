//! coturn's own client tools against our media plane, on loopback.
//!
//! The tools are in Debian's package coturn, which `make deps` installs; without them the tests fail.
#![expect(clippy::expect_used, reason = "a test that meets what it did not expect fails")]

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::process::{Output, Stdio};
use std::time::Duration;

use server::media::{MediaConfig, MediaPlane};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

/// A media plane for one user, with TCP on the port of UDP, and a second address and port for NAT discovery.
struct Relay {
    media: MediaPlane,
    address: SocketAddr,
}

impl Relay {
    async fn start(threads: usize) -> Self {
        let (first, second) = ports().await;
        let ips = ["127.0.0.1".parse().expect("an address"), "127.0.0.2".parse().expect("an address")];
        let turn = turn::Config {
            users: vec![("alice".to_owned(), "wonder".to_owned())],
            relay_ips: vec![turn::RelayIp { bind: ips[0], advertise: ips[0] }],
            allow: vec![turn::IpNet::single(ips[0])],
            alternate: Some(turn::Alternate { ips, ports: [first, second] }),
            ..turn::Config::default()
        };
        let listen =
            [first, second].into_iter().flat_map(|port| ips.map(|ip| SocketAddr::new(ip, port))).collect();
        let threads = NonZeroUsize::new(threads);
        let media = MediaPlane::start(MediaConfig { threads, listen, turn, ..MediaConfig::default() });
        let media = media.expect("the media plane starts");
        let address = SocketAddr::new(ips[0], first);
        let listener = TcpListener::bind(address).await.expect("a TCP listener");
        let plane = media.clone();
        tokio::spawn(async move {
            while let Ok((stream, remote)) = listener.accept().await {
                let plane = plane.clone();
                tokio::spawn(async move {
                    plane.serve_stream(stream, address, remote, wire::Transport::Tcp).await;
                });
            }
        });
        Self { media, address }
    }

    /// Runs turnutils_uclient as alice; every message must come through.
    async fn carries(&self, arguments: &[&str]) {
        let port = self.address.port().to_string();
        let mut command = Command::new("turnutils_uclient");
        command.args(["-p", &port, "-u", "alice", "-w", "wonder", "-c", "-n", "4", "-m", "2", "-l", "170"]);
        let output = run(command.args(arguments).arg("127.0.0.1")).await;
        let text =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(
            text.contains("tot_send_msgs=8, tot_recv_msgs=8") && text.contains("Total lost packets 0 "),
            "turnutils_uclient {arguments:?} says:\n{text}"
        );
    }
}

/// Two UDP ports that are free on all addresses, the first for TCP as well.
async fn ports() -> (u16, u16) {
    let any = || std::net::UdpSocket::bind("0.0.0.0:0").expect("a free port");
    let port = |socket: &std::net::UdpSocket| socket.local_addr().expect("an address").port();
    loop {
        let (first, second) = (any(), any());
        if TcpListener::bind(("0.0.0.0", port(&first))).await.is_ok() {
            return (port(&first), port(&second));
        }
    }
}

/// Runs a tool of coturn to its end.
async fn run(command: &mut Command) -> Output {
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    let output = command.kill_on_drop(true).stdin(Stdio::null()).output();
    tokio::time::timeout(Duration::from_secs(100), output)
        .await
        .unwrap_or_else(|_| panic!("{name} does not end"))
        .unwrap_or_else(|error| {
            panic!("cannot run {name} ({error}): `make deps` installs Debian's package coturn")
        })
}

/// coturn's echo server for the relayed side.
fn echo(port: &str) -> Child {
    let mut command = Command::new("turnutils_peer");
    command
        .args(["-p", port, "-L", "127.0.0.1"])
        .kill_on_drop(true)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().unwrap_or_else(|error| {
        panic!("cannot run turnutils_peer ({error}): `make deps` installs Debian's package coturn")
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uclient_relays_between_clients_over_udp_and_tcp() {
    let relay = Relay::start(1).await;
    relay.carries(&["-y"]).await;
    relay.carries(&["-y", "-s"]).await;
    relay.carries(&["-y", "-g", "-D"]).await;
    relay.carries(&["-y", "-M"]).await;
    relay.carries(&["-y", "-t"]).await;
    assert!(relay.media.stats().packets_between_clients > 0, "no trip through relay sockets");
    relay.media.shutdown();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uclient_relays_to_a_peer_over_udp_and_tcp() {
    let relay = Relay::start(2).await;
    let (port, _) = ports().await;
    let port = port.to_string();
    let _echo = echo(&port);
    for way in [&[][..], &["-s"], &["-t"], &["-t", "-s"]] {
        relay.carries(&[way, &["-e", "127.0.0.1", "-r", &port]].concat()).await;
    }
    let stats = relay.media.stats();
    assert!(stats.packets_up >= 32 && stats.packets_down >= 32, "{stats:?}");
    relay.media.shutdown();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uclient_connects_two_tcp_allocations() {
    let relay = Relay::start(2).await;
    relay.carries(&["-T", "-y"]).await;
    relay.media.shutdown();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stunclient_and_natdiscovery_see_where_they_are() {
    let relay = Relay::start(1).await;
    let port = relay.address.port().to_string();
    let output = run(Command::new("turnutils_stunclient").args(["-p", &port, "127.0.0.1"])).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("UDP reflexive addr: 127.0.0.1:"), "{text}");
    let mut discovery = Command::new("turnutils_natdiscovery");
    let output = run(discovery.args(["-m", "-f", "-p", &port, "127.0.0.1"])).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let without_nat = text.contains("No NAT detected") || text.contains("Endpoint Independent Mapping");
    assert!(without_nat && text.contains("Endpoint Independent Filtering"), "{text}");
    relay.media.shutdown();
}
