//! Connected peers while nothing happens: memory, and the cost of asking them.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use endpoint::{Driver, Options};
use net::Clock;
use peer::negotiation::{MediaKind, TransceiverInit};
use peer::{Certificate, ChannelConfig, Config, Event, Local, LocalCandidate, Peer, Received};
use serde_json::{Value, json};
use wire::{Instant, Transport};

use crate::process::Process;

/// Rounds of polls that are timed.
const POLLS: u32 = 100_000;
/// Steps in which two peers connect at the latest; each is a timer or a flight.
const MOST_STEPS: usize = 10_000;

/// Two peers and a link without delay.
struct Pair {
    now: Instant,
    peers: [Peer; 2],
    open: [bool; 2],
}

fn address(side: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, if side == 0 { 1 } else { 2 }], 4000))
}

impl Pair {
    fn connect(certificate: &Certificate, media: usize, buffer: &mut [u8]) -> Result<Self> {
        let now = Instant::from_nanos(1_000_000_000);
        let make = || Peer::new(Config::new(certificate.clone()), crypto::random(), now);
        let mut pair = Self { now, peers: [make()?, make()?], open: [false; 2] };
        for (side, peer) in pair.peers.iter_mut().enumerate() {
            peer.add_local_address(now, Local::host(address(side)));
            peer.end_of_local_addresses(now);
        }
        let [a, b] = &mut pair.peers;
        a.create_data_channel(now, ChannelConfig::default())?;
        for line in 0..media {
            let kind = if line % 2 == 0 { MediaKind::Audio } else { MediaKind::Video };
            a.with_negotiator(|negotiator| negotiator.add_transceiver(kind, TransceiverInit::default()))?;
        }
        introduce(a, now, b, now)?;
        for _ in 0..MOST_STEPS {
            if pair.step(buffer)? {
                continue;
            }
            if pair.open == [true; 2] {
                pair.settle(buffer)?;
                return Ok(pair);
            }
            let due = pair.peers.iter().filter_map(Peer::poll_timeout).min().context("nothing is to come")?;
            pair.pass(due);
        }
        anyhow::bail!("the peers did not connect")
    }

    /// Lets timers do what is due at a moment.
    fn pass(&mut self, to: Instant) {
        self.now = self.now.max(to);
        for peer in &mut self.peers {
            if peer.poll_timeout().is_some_and(|due| due <= self.now) {
                peer.handle_timeout(self.now);
            }
        }
    }

    /// A second of silence after the connection: acknowledgements, the rest of the checks.
    fn settle(&mut self, buffer: &mut [u8]) -> Result<()> {
        let end = self.now + Duration::from_secs(1);
        while let Some(due) = self.peers.iter().filter_map(Peer::poll_timeout).min().filter(|due| *due < end)
        {
            self.pass(due);
            while self.step(buffer)? {}
        }
        Ok(())
    }

    /// Carries over what both have to say. False if there was nothing.
    fn step(&mut self, buffer: &mut [u8]) -> Result<bool> {
        let mut any = false;
        for side in 0..2 {
            while let Some(transmit) = self.peers[side].poll_transmit(self.now, buffer) {
                any = true;
                let received = Received {
                    transport: Transport::Udp,
                    local: transmit.to,
                    remote: transmit.from,
                    segment: transmit.segment_size.unwrap_or(transmit.len),
                };
                self.peers[1 - side].handle_input(self.now, received, &mut buffer[..transmit.len]);
            }
            while let Some(event) = self.peers[side].poll_event() {
                self.open[side] |= is_open(&event);
                pass_on(event, &mut self.peers[1 - side], self.now)?;
                any = true;
            }
        }
        Ok(any)
    }
}

fn is_open(event: &Event) -> bool {
    matches!(event, Event::ChannelOpened(_) | Event::DataChannel(..))
}

/// A candidate of one side is told to the other.
fn pass_on(event: Event, to: &mut Peer, now: Instant) -> Result<()> {
    if let Event::IceCandidate(Some(candidate)) = event {
        let LocalCandidate { candidate, mid, index, ufrag } = *candidate;
        to.add_ice_candidate(now, &candidate, mid.as_deref(), index, Some(&ufrag))?;
    }
    Ok(())
}

/// Carries offer and answer.
fn introduce(a: &mut Peer, a_now: Instant, b: &mut Peer, b_now: Instant) -> Result<()> {
    a.set_local_description(a_now, None)?;
    let offer = a.local_description().context("there is an offer")?;
    b.set_remote_description(b_now, &offer)?;
    b.set_local_description(b_now, None)?;
    let answer = b.local_description().context("there is an answer")?;
    a.set_remote_description(a_now, &answer)?;
    Ok(())
}

/// KiB for one of so many.
fn share(before: u64, count: usize) -> Result<f64> {
    let after = Process(std::process::id()).resident_kib()?;
    #[expect(clippy::cast_precision_loss, reason = "a size for people")]
    Ok(after.saturating_sub(before) as f64 / count as f64)
}

/// Peers over links in memory: what a peer itself holds, and what a round of polls costs.
pub(crate) fn in_memory(peers: usize) -> Result<Value> {
    let (certificate, mut buffer) = (endpoint::certificate(), vec![0; 65_536]);
    // The first pair pays for what all share.
    let first = Pair::connect(&certificate, 0, &mut buffer)?;
    let count = peers.div_ceil(2).max(1);
    let before = Process(std::process::id()).resident_kib()?;
    let pairs: Vec<_> =
        (0..count).map(|_| Pair::connect(&certificate, 0, &mut buffer)).collect::<Result<_>>()?;
    let kib = share(before, 2 * pairs.len())?;
    let mut nanos = Vec::new();
    for media in [0, 2, 50] {
        let pair = Pair::connect(&certificate, media, &mut buffer)?;
        nanos.push(json!({ "media_lines": media, "ns": idle_poll(pair, &mut buffer)? }));
    }
    let polls = busy_polls(first.peers, first.now)?;
    Ok(
        json!({ "peers": 2 * pairs.len(), "kib_per_peer": kib, "idle_polls": nanos, "polls_in_an_idle_minute": polls }),
    )
}

/// Nanoseconds of one round of polls of a peer that has nothing to do: the least of a few measurements, for what else
/// the machine does can only add.
fn idle_poll(mut pair: Pair, buffer: &mut [u8]) -> Result<f64> {
    let clock = Clock::start();
    let mut least = f64::MAX;
    for _ in 0..10 {
        let begin = clock.now();
        for _ in 0..POLLS {
            let peer = black_box(&mut pair.peers[0]);
            black_box(peer.poll_timeout());
            ensure!(peer.poll_transmit(pair.now, buffer).is_none(), "an idle peer sends");
            ensure!(peer.poll_event().is_none(), "an idle peer has news");
        }
        let nanos = clock.now().saturating_since(begin).as_secs_f64() * 1e9 / f64::from(POLLS);
        least = least.min(nanos);
    }
    Ok(least)
}

/// How often a connected pair wakes up in a minute in which nothing is sent but what keeps it alive, for each peer.
fn busy_polls(peers: [Peer; 2], now: Instant) -> Result<usize> {
    let mut buffer = vec![0; 65_536];
    let mut pair = Pair { now, peers, open: [true; 2] };
    let end = now + Duration::from_secs(60);
    let mut wakes = 0;
    while let Some(due) = pair.peers.iter().filter_map(Peer::poll_timeout).min().filter(|due| *due < end) {
        pair.pass(due);
        wakes += 1;
        ensure!(wakes < 1_000_000, "an idle peer does not rest");
        while pair.step(&mut buffer)? {}
    }
    Ok(wakes / 2)
}

/// Drivers with sockets, all on this thread.
pub(crate) fn on_sockets(peers: usize) -> Result<Value> {
    let certificate = endpoint::certificate();
    let first = connect_drivers(&certificate)?;
    let count = peers.div_ceil(2).max(1);
    let before = Process(std::process::id()).resident_kib()?;
    let pairs: Vec<_> = (0..count).map(|_| connect_drivers(&certificate)).collect::<Result<_>>()?;
    let kib = share(before, 2 * pairs.len())?;
    drop(first);
    Ok(json!({ "peers": 2 * pairs.len(), "kib_per_driver": kib }))
}

fn connect_drivers(certificate: &Certificate) -> Result<[Driver; 2]> {
    let loopback = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
    let options = Options { addresses: loopback, ..Options::default() };
    let make = || Driver::new(Config::new(certificate.clone()), &options);
    let mut drivers = [make()?, make()?];
    let [a, b] = &mut drivers;
    let (begin, b_now) = (a.now(), b.now());
    a.peer.create_data_channel(begin, ChannelConfig::default())?;
    introduce(&mut a.peer, begin, &mut b.peer, b_now)?;
    let mut open = [false; 2];
    while open != [true; 2] {
        ensure!(drivers[0].now().saturating_since(begin) < Duration::from_secs(20), "no channel opened");
        let [a, b] = &mut drivers;
        open[0] |= turn(a, b)?;
        open[1] |= turn(b, a)?;
    }
    Ok(drivers)
}

/// One turn of a driver, and whether its channel opened in it.
fn turn(driver: &mut Driver, other: &mut Driver) -> Result<bool> {
    let mut open = false;
    driver.turn(Some(Duration::ZERO))?;
    while let Some(event) = driver.poll_event() {
        open |= is_open(&event);
        let now = other.now();
        pass_on(event, &mut other.peer, now)?;
    }
    Ok(open)
}
