//! TCP between two peers where no UDP passes (RFC 6544), and strangers at a listener.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use endpoint::{Options, Tcp};
use peer::Event;
use wire::Transport;

use crate::{PATIENCE, Two, loopback, until};

fn only(tcp: Tcp) -> Options {
    Options { udp: false, tcp, ..loopback() }
}

const LISTENS: Tcp = Tcp::Passive { port: 0 };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_crosses_where_no_udp_passes() {
    for (ours, theirs) in [(LISTENS, Tcp::Active), (Tcp::Active, LISTENS), (LISTENS, LISTENS)] {
        let mut two = Two::connect(&only(ours), &only(theirs)).await;
        two.carry(100, 200_000).await;
        let [a, b] = two.pairs().await;
        assert_eq!([a.transport, b.transport], [Transport::Tcp; 2]);
        // One of them listens, and the other came from a port that no candidate names.
        assert_eq!([a, b].iter().filter(|pair| pair.local.port() == 0).count(), 1, "{a:?} {b:?}");
        assert!(a.remote == b.local || b.remote == a.local, "{a:?} {b:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn udp_is_preferred_to_tcp() {
    let both = Options { tcp: LISTENS, ..loopback() };
    let mut two = Two::connect(&both, &both).await;
    two.carry(10, 1000).await;
    assert_eq!(two.pairs().await.map(|pair| pair.transport), [Transport::Udp; 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ice_restarts_over_tcp() {
    let mut two = Two::connect(&only(LISTENS), &only(Tcp::Active)).await;
    for _ in 0..3 {
        two.restart().await;
        let nominated = |event| match event {
            Event::SelectedPair(pair) if pair.nominated => Some(pair.transport),
            _ => None,
        };
        assert_eq!(until(&mut two.a_events, nominated).await, Transport::Tcp);
        two.carry(20, 100_000).await;
    }
}

/// Reads until the other side closes; whether it sent nothing.
fn is_sent_away(mut stream: TcpStream) -> bool {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    match stream.read(&mut [0; 100]) {
        Ok(0) => true,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
        Ok(_) => false,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_at_a_listener_are_sent_away_and_disturb_nobody() {
    let mut two = Two::connect(&only(LISTENS), &only(Tcp::Active)).await;
    let listener: SocketAddr = two.pairs().await[0].local;
    for junk in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0, 4, 0, 1, 0, 0], &[0, 30, 22, 254, 253]] {
        let mut stream = TcpStream::connect(listener).unwrap();
        stream.write_all(junk).unwrap();
        assert!(is_sent_away(stream), "{junk:?}");
    }
    // Those who say nothing make room for each other, the oldest first.
    let silent: Vec<TcpStream> = (0..40).map(|_| TcpStream::connect(listener).unwrap()).collect();
    for stream in silent.into_iter().take(24) {
        assert!(is_sent_away(stream));
    }
    // A check that nobody signed is not answered, and its sender not taken for the peer.
    let mut check = vec![0, 20, 0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    check.extend([7; 12]);
    let mut stream = TcpStream::connect(listener).unwrap();
    stream.write_all(&check).unwrap();
    stream.write_all(&[0, 3, 22, 254, 253]).unwrap();
    assert!(is_sent_away(stream));
    let mut two = two;
    two.carry(20, 100_000).await;
}
