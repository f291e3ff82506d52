use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use net::{Clock, Options, Poller, Socket, Waker};
use tokio::sync::mpsc;
use wire::Transport;

use super::config::{MediaConfig, StartError};
use super::counters::{Counters, Snapshot};
use super::crossing::Fragments;
use super::message::{Command, Notice};
use super::peers::{self, Peers};
use super::rooms::{self, Forwarding};
use super::worker::{Parts, Worker};
use crate::recording::Queue;

/// Commands that may wait for one thread; who has more to say waits.
const COMMANDS: usize = 1024;

/// The running media threads. Clones name the same threads; they end with [`shutdown`](Self::shutdown), or when
/// the last clone is dropped.
#[derive(Clone)]
pub struct MediaPlane {
    inner: Arc<Inner>,
}

struct Inner {
    threads: Vec<Thread>,
    addresses: Vec<SocketAddr>,
    stop: Arc<AtomicBool>,
    joins: Mutex<Vec<JoinHandle<()>>>,
    pub(super) streams: AtomicUsize,
    max_streams: usize,
    stream_backlog: usize,
    link: Mutex<Option<Forwarding>>,
    /// Whose checks belong to which thread; empty without a forwarder.
    fragments: Arc<Fragments>,
}

/// How to reach one thread.
#[derive(Clone)]
pub(super) struct Thread {
    commands: mpsc::Sender<Command>,
    waker: Waker,
    counters: Arc<Counters>,
    pub(super) peers: Arc<Peers>,
}

impl Thread {
    /// Says something to the thread, waiting for room. False if the thread has ended.
    pub(super) async fn say(&self, command: Command) -> bool {
        let said = self.commands.send(command).await.is_ok();
        self.waker.wake();
        said
    }
}

impl MediaPlane {
    /// Starts the threads. Must be called within a tokio runtime, which carries the TCP connections of peers.
    ///
    /// # Errors
    /// [`StartError`] says what is wrong; nothing is left running then.
    pub fn start(config: MediaConfig) -> Result<Self, StartError> {
        Self::start_recording(config, None)
    }

    /// As [`Self::start`]; what is sent in rooms that are recorded goes to this recorder.
    pub(crate) fn start_recording(
        config: MediaConfig,
        recorder: Option<Arc<Queue>>,
    ) -> Result<Self, StartError> {
        config.turn.validate().map_err(StartError::Config)?;
        let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        let count = config.threads.map_or_else(cores, std::num::NonZeroUsize::get);
        let shares = shares(&config.turn.relay_ports, count)?;
        let addresses = find_addresses(&config)?;
        let ways =
            config.forward.as_ref().map_or_else(Vec::new, |forward| rooms::addresses(forward, &addresses));
        // Members without UDP reach the forwarder through the relay.
        let services: Vec<SocketAddr> =
            ways.iter().filter(|way| way.transport == Transport::Udp).map(|way| way.socket).collect();
        let (clock, stop) = (Clock::start(), Arc::new(AtomicBool::new(false)));
        let mut workers = Vec::new();
        let mut threads = Vec::new();
        for relay_ports in shares {
            let turn = turn::Config {
                relay_ports,
                all_relay_ports: Some(config.turn.relay_ports.clone()),
                services: services.clone(),
                ..config.turn.clone()
            };
            let (parts, thread, notified) = prepare(turn, &addresses, config.receive_buffer, (clock, &stop))?;
            workers.push((parts, thread.clone(), notified));
            threads.push(thread);
        }
        let fragments = Arc::new(Fragments::default());
        let link = config.forward.map(|forward| {
            let wakers: Vec<Waker> = threads.iter().map(|thread| thread.waker.clone()).collect();
            let (mut forwarders, events) =
                rooms::forwarders(&forward, &ways, (&wakers, &fragments, &recorder), clock.now());
            for (parts, ..) in workers.iter_mut().rev() {
                parts.forwarder = forwarders.pop();
            }
            let (commands, waiting) = mpsc::channel(COMMANDS);
            tokio::spawn(rooms::route(threads.clone(), forward.people_per_thread, waiting));
            Forwarding { commands, events }
        });
        let joins = Mutex::default();
        let (max_streams, stream_backlog) = (config.max_streams, config.stream_backlog);
        let streams = AtomicUsize::new(0);
        let link = Mutex::new(link);
        let inner = Arc::new(Inner {
            threads,
            addresses,
            stop,
            joins,
            streams,
            max_streams,
            stream_backlog,
            link,
            fragments,
        });
        for (number, (parts, thread, notified)) in workers.into_iter().enumerate() {
            let named = std::thread::Builder::new().name(format!("media-{number}"));
            let join = named.spawn(move || Worker::new(parts).run()).map_err(StartError::System)?;
            inner.joins.lock().unwrap_or_else(PoisonError::into_inner).push(join);
            tokio::spawn(peers::manage(thread, notified));
        }
        Ok(Self { inner })
    }

    /// The UDP addresses that clients can send to, with the ports that the system chose.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.inner.addresses
    }

    /// The way to the forwarder of rooms, for the rendezvous; `None` if there is no forwarder, or it was asked for before.
    pub fn forwarding(&self) -> Option<Forwarding> {
        self.inner.link.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Grants no new allocations from now on; those that exist go on.
    pub async fn drain(&self) {
        for thread in &self.inner.threads {
            thread.say(Command::Drain).await;
        }
    }

    /// The counters of all threads together, as of a moment ago.
    pub fn stats(&self) -> Snapshot {
        let mut sum = Snapshot::default();
        for thread in &self.inner.threads {
            thread.counters.add_to(&mut sum);
        }
        sum
    }

    /// Ends the threads and waits for them: a few microseconds each. All allocations end.
    pub fn shutdown(&self) {
        self.inner.end();
        let joins = std::mem::take(&mut *self.inner.joins.lock().unwrap_or_else(PoisonError::into_inner));
        for join in joins {
            // A thread that panicked has said so already.
            let _ = join.join();
        }
    }

    /// The thread that serves streams from `remote`. All streams of one host meet the same thread: the data
    /// connections of RFC 6062 belong to the allocation that another stream of the host made.
    pub(super) fn thread_for(&self, remote: IpAddr) -> &Thread {
        let octets = match remote {
            IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
            IpAddr::V6(ip) => ip.octets(),
        };
        let mixed =
            octets.iter().fold(0usize, |sum, octet| sum.wrapping_mul(31).wrapping_add(usize::from(*octet)));
        &self.inner.threads[mixed % self.inner.threads.len()]
    }

    /// The thread of the member that this message is a check for.
    pub(super) fn thread_of_check(&self, message: &[u8]) -> Option<&Thread> {
        self.inner.threads.get(self.inner.fragments.thread_of(message)?)
    }

    /// Counts one more stream, unless there are too many; it is counted no more when the guard is dropped.
    pub(super) fn admit(&self) -> Option<Admission> {
        let admission = Admission { inner: self.inner.clone() };
        let before = self.inner.streams.fetch_add(1, Ordering::AcqRel);
        (before < self.inner.max_streams).then_some(admission)
    }

    pub(super) fn stream_backlog(&self) -> usize {
        self.inner.stream_backlog
    }
}

/// One stream among those that are allowed.
pub(super) struct Admission {
    inner: Arc<Inner>,
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.inner.streams.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Inner {
    fn end(&self) {
        self.stop.store(true, Ordering::Release);
        for thread in &self.threads {
            thread.waker.wake();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.end();
    }
}

impl std::fmt::Debug for MediaPlane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MediaPlane").field("addresses", &self.inner.addresses).finish_non_exhaustive()
    }
}

/// Opens what one thread owns.
fn prepare(
    turn: turn::Config,
    addresses: &[SocketAddr],
    buffer: u32,
    (clock, stop): (Clock, &Arc<AtomicBool>),
) -> Result<(Parts, Thread, mpsc::Receiver<Notice>), StartError> {
    let options = Options {
        reuse_port: true,
        receive_buffer: Some(buffer),
        send_buffer: Some(buffer),
        ..Options::default()
    };
    let open = |address: &SocketAddr| {
        Socket::bind(*address, &options).map_err(|error| StartError::Listen { address: *address, error })
    };
    let listeners = addresses.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    let poller = Poller::new().map_err(StartError::System)?;
    let (commands, receiver) = mpsc::channel(COMMANDS);
    let (notices, notified) = mpsc::channel(COMMANDS);
    let counters = Arc::new(Counters::default());
    let thread =
        Thread { commands, waker: poller.waker(), counters: counters.clone(), peers: Arc::default() };
    let parts = Parts {
        poller,
        clock,
        listeners,
        machine: turn::Server::new(turn, crypto::random(), clock.now()),
        forwarder: None,
        commands: receiver,
        notices,
        counters,
        peers: thread.peers.clone(),
        stop: stop.clone(),
    };
    parts.watch().map_err(StartError::System)?;
    Ok((parts, thread, notified))
}

/// Divides the relay ports among threads: neighbouring ports stay together, since a client may ask for a pair
/// that starts at an even one (RFC 8656 §18.6).
fn shares(ports: &RangeInclusive<u16>, threads: usize) -> Result<Vec<RangeInclusive<u16>>, StartError> {
    let (first, count) = (usize::from(*ports.start()), ports.len());
    if count < threads {
        return Err(StartError::TooFewPorts { ports: count, threads });
    }
    let port = |index: usize| u16::try_from(first + index).unwrap_or(u16::MAX);
    // Boundaries are even where there are enough ports.
    let even = |index: usize| if count >= 4 * threads { index + (first + index) % 2 } else { index };
    let bound = |thread: usize| if thread == 0 { 0 } else { even(count * thread / threads) };
    let end = |thread: usize| if thread + 1 == threads { count } else { bound(thread + 1) };
    Ok((0..threads).map(|thread| port(bound(thread))..=port(end(thread) - 1)).collect())
}

/// The concrete addresses to listen on. Each is opened once without sharing, so that a port that another program
/// has is noticed: two programs of one user would otherwise share it and each lose clients to the other.
fn find_addresses(config: &MediaConfig) -> Result<Vec<SocketAddr>, StartError> {
    let mut addresses = Vec::new();
    for address in &config.listen {
        let probe = |address: SocketAddr| {
            Socket::bind(address, &Options::default())
                .map(|socket| socket.local())
                .map_err(|error| StartError::Listen { address, error })
        };
        let found = probe(*address)?;
        addresses.push(found);
        if address.is_ipv6() && address.ip().is_unspecified() {
            addresses.push(probe(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), found.port()))?);
        }
    }
    if addresses.is_empty() { Err(StartError::NoListener) } else { Ok(addresses) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_shared_without_gap_or_overlap() {
        for (ports, threads) in
            [(49_152..=65_535, 3), (1..=9, 2), (10_000..=10_003, 4), (7..=7, 1), (1..=65_535, 64)]
        {
            let shares = shares(&ports, threads).unwrap();
            assert_eq!(shares.len(), threads);
            assert_eq!((shares[0].start(), shares[threads - 1].end()), (ports.start(), ports.end()));
            for pair in shares.windows(2) {
                assert_eq!(pair[0].end() + 1, *pair[1].start());
            }
            assert!(shares.iter().all(|share| !share.is_empty()));
        }
        assert!(matches!(shares(&(1..=2), 3), Err(StartError::TooFewPorts { ports: 2, threads: 3 })));
    }
}
