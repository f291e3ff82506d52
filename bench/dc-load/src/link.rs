//! A path that is long and loses packets, between two ends on this machine: what one end sends to the first port leaves by
//! the second for the other end, later, and the other way round.

use std::collections::VecDeque;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use net::Clock;
use serde_json::json;
use wire::{Instant, Rng};

/// Bytes that may be under way in one direction; what comes beyond is lost.
const MOST_BYTES: usize = 8 << 20;

/// What the path does, the same in both directions.
#[derive(Clone, Copy)]
pub(crate) struct Path {
    pub(crate) delay: Duration,
    /// Of a thousand datagrams.
    pub(crate) loss: u64,
    pub(crate) seed: u64,
}

/// Datagrams under way in one direction, in their order, with the times of their arrival.
#[derive(Default)]
struct Way {
    flights: Mutex<Flights>,
    more: Condvar,
}

#[derive(Default)]
struct Flights {
    all: VecDeque<(Instant, Vec<u8>)>,
    bytes: usize,
}

/// One end as the path sees it: the socket that it sends to, and where it was heard from.
struct Side {
    socket: UdpSocket,
    end: Mutex<Option<SocketAddr>>,
}

impl Side {
    fn open() -> Result<Arc<Self>> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        Ok(Arc::new(Self { socket, end: Mutex::new(None) }))
    }
}

/// Runs until the standard input ends. Prints the ports of both sides first.
pub(crate) fn run(path: Path) -> Result<()> {
    let (near, far) = (Side::open()?, Side::open()?);
    let ports = json!({"near": near.socket.local_addr()?.port(), "far": far.socket.local_addr()?.port()});
    let clock = Clock::start();
    for (index, (from, to)) in [(&near, &far), (&far, &near)].into_iter().enumerate() {
        let way = Arc::new(Way::default());
        let rng = Rng::from_number(path.seed + index as u64);
        let (from, to, filled) = (from.clone(), to.clone(), way.clone());
        std::thread::spawn(move || take(&from, &filled, path, (rng, clock)));
        std::thread::spawn(move || give(&to, &way, clock));
    }
    println!("{ports}");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Takes what an end sends.
fn take(from: &Side, way: &Way, path: Path, (mut rng, clock): (Rng, Clock)) {
    let mut buf = vec![0; 65_536];
    // An end that is not there yet answers with an error that says nothing of the next datagram.
    loop {
        let Ok((len, end)) = from.socket.recv_from(&mut buf) else { continue };
        *from.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
        if rng.chance(path.loss) {
            continue;
        }
        let mut flights = way.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if flights.bytes + len <= MOST_BYTES {
            flights.bytes += len;
            flights.all.push_back((clock.now() + path.delay, buf[..len].to_vec()));
            way.more.notify_one();
        }
    }
}

/// Gives the other end what has been under way for long enough.
fn give(to: &Side, way: &Way, clock: Clock) {
    loop {
        let mut flights = way.flights.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((due, _)) = flights.all.front() else {
            drop(way.more.wait(flights));
            continue;
        };
        let early = due.saturating_since(clock.now());
        if early > Duration::ZERO {
            drop(way.more.wait_timeout(flights, early));
            continue;
        }
        let Some((_, bytes)) = flights.all.pop_front() else { continue };
        flights.bytes -= bytes.len();
        drop(flights);
        let end = *to.end.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(end) = end {
            // Full buffers of the system lose it, as any path does.
            let _ = to.socket.send_to(&bytes, end);
        }
    }
}

/// A candidate of an end with the port of the path in place of its own (RFC 8839 §5.1): `None` for one that is not of UDP.
pub(crate) fn through(candidate: &str, port: u16) -> Option<String> {
    let mut words: Vec<&str> = candidate.split(' ').collect();
    let port = port.to_string();
    if !words.get(2)?.eq_ignore_ascii_case("udp") || words.len() < 8 {
        return None;
    }
    words[5] = &port;
    Some(words.join(" "))
}
