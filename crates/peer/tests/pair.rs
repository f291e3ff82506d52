//! Two whole peers over a virtual network.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use peer::{Certificate, Config, Event, Format, Local, MediaPacket, Peer, Received};
use wire::{Fragments, Instant, Rng, Transmit, Transport};

/// A datagram on its way.
struct Flight {
    to: usize,
    received: Received,
    bytes: Vec<u8>,
}

/// What happens to a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    Drop,
    Double,
    Delay,
    Corrupt,
}

/// Two peers, each with one socket, and a link between them.
pub(crate) struct Pair {
    pub(crate) now: Instant,
    pub(crate) peers: [Peer; 2],
    pub(crate) events: [Vec<Event>; 2],
    /// By arrival and order of departure.
    flights: BTreeMap<(Instant, u64), Flight>,
    pub(crate) sent: u64,
    pub(crate) delay: Duration,
    /// Datagrams lost of a thousand.
    pub(crate) loss: u64,
    pub(crate) fault: Option<(u64, Fault)>,
    /// Bytes of the longest IP packet that the link carries; of longer ones those arrive that may be cut.
    pub(crate) carried: usize,
    /// Datagrams that may not be cut, and those that may.
    pub(crate) whole: u64,
    pub(crate) cut: u64,
    /// Datagrams of media sent.
    pub(crate) media_sent: u64,
    /// What happens to the n-th of them.
    pub(crate) media_fault: Option<(u64, Fault)>,
    /// Packets that were lent to a forwarder.
    pub(crate) packets: [Vec<Lent>; 2],
    /// Side 1 does not ask what has happened.
    pub(crate) slow: bool,
    rng: Rng,
}

/// A copy of a packet that was lent.
#[derive(Clone, Debug)]
pub(crate) struct Lent {
    pub(crate) rid: Option<String>,
    pub(crate) format: Option<Format>,
    pub(crate) retransmitted: bool,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) const ADDRESSES: [&str; 2] = ["192.0.2.1:1000", "198.51.100.2:2000"];

fn address(side: usize) -> SocketAddr {
    ADDRESSES[side].parse().unwrap()
}

impl Pair {
    pub(crate) fn new(seed: u64) -> Self {
        Self::with(seed, |_, _| {})
    }

    /// The configuration of each side may be changed.
    pub(crate) fn with(seed: u64, change: impl Fn(usize, &mut Config)) -> Self {
        let now = Instant::from_nanos(1_000_000_000);
        let mut rng = Rng::from_number(seed);
        let peers = [0, 1].map(|side| {
            let certificate = Certificate::generate(&mut rng, 1_700_000_000);
            let mut config = Config::new(certificate);
            change(side, &mut config);
            let mut peer = Peer::new(config, rng.array(), now).unwrap();
            peer.set_wall_clock(now, Duration::from_secs(1_767_225_600));
            peer
        });
        Self {
            now,
            peers,
            events: [Vec::new(), Vec::new()],
            flights: BTreeMap::new(),
            sent: 0,
            delay: Duration::from_millis(10),
            loss: 0,
            fault: None,
            carried: 1500,
            whole: 0,
            cut: 0,
            media_sent: 0,
            media_fault: None,
            packets: [Vec::new(), Vec::new()],
            slow: false,
            rng,
        }
    }

    /// Side 0 offers, side 1 answers; candidates travel by hand, as fast as descriptions.
    pub(crate) fn introduce(&mut self) {
        let now = self.now;
        for side in 0..2 {
            self.peers[side].add_local_address(now, Local::host(address(side)));
            self.peers[side].end_of_local_addresses(now);
        }
        self.negotiate(0);
    }

    /// The same, but the answer is changed on its way by whoever sees the offer and it.
    pub(crate) fn introduce_changed(&mut self, change: impl FnOnce(&str, &mut String)) {
        let now = self.now;
        for side in 0..2 {
            self.peers[side].add_local_address(now, Local::host(address(side)));
            self.peers[side].end_of_local_addresses(now);
        }
        self.peers[0].set_local_description(now, None).unwrap();
        let offer = self.peers[0].local_description().unwrap();
        self.peers[1].set_remote_description(now, &offer).unwrap();
        self.peers[1].set_local_description(now, None).unwrap();
        let mut answer = self.peers[1].local_description().unwrap();
        change(&offer.sdp, &mut answer.sdp);
        self.peers[0].set_remote_description(now, &answer).unwrap();
        self.collect();
    }

    /// The same, with descriptions that take as long as datagrams.
    pub(crate) fn introduce_slowly(&mut self) {
        for side in 0..2 {
            self.peers[side].add_local_address(self.now, Local::host(address(side)));
            self.peers[side].end_of_local_addresses(self.now);
        }
        self.peers[0].set_local_description(self.now, None).unwrap();
        let offer = self.peers[0].local_description().unwrap();
        self.pass(self.delay);
        self.peers[1].set_remote_description(self.now, &offer).unwrap();
        self.peers[1].set_local_description(self.now, None).unwrap();
        let answer = self.peers[1].local_description().unwrap();
        self.collect();
        self.pass(self.delay);
        self.peers[0].set_remote_description(self.now, &answer).unwrap();
        self.collect();
    }

    pub(crate) fn negotiate(&mut self, from: usize) {
        let now = self.now;
        let to = 1 - from;
        self.peers[from].set_local_description(now, None).unwrap();
        let offer = self.peers[from].local_description().unwrap();
        self.peers[to].set_remote_description(now, &offer).unwrap();
        self.peers[to].set_local_description(now, None).unwrap();
        let answer = self.peers[to].local_description().unwrap();
        self.peers[from].set_remote_description(now, &answer).unwrap();
        self.collect();
    }

    /// Takes what both have to say.
    pub(crate) fn collect(&mut self) {
        for side in 0..2 {
            loop {
                while let Some(event) =
                    (!self.slow || side == 0).then(|| self.peers[side].poll_event()).flatten()
                {
                    if let Event::IceCandidate(Some(candidate)) = &event {
                        let (mid, ufrag) = (candidate.mid.clone(), candidate.ufrag.clone());
                        // The description that it belongs to may not have come yet.
                        let _ = self.peers[1 - side].add_ice_candidate(
                            self.now,
                            &candidate.candidate,
                            mid.as_deref(),
                            candidate.index,
                            Some(&ufrag),
                        );
                    }
                    self.events[side].push(event);
                }
                let mut buf = vec![0; 65_536];
                let Some(transmit) = self.peers[side].poll_transmit(self.now, &mut buf) else { break };
                self.carry(side, transmit, &buf[..transmit.len]);
            }
        }
    }

    pub(crate) fn carry(&mut self, from: usize, transmit: Transmit, bytes: &[u8]) {
        assert_eq!(transmit.from, address(from));
        if transmit.to != address(1 - from) {
            return;
        }
        assert!(transmit.fragments == Fragments::Usual || transmit.segment_size.is_none());
        self.whole += u64::from(transmit.fragments == Fragments::Never);
        self.cut += u64::from(transmit.fragments == Fragments::Allowed);
        for datagram in bytes.chunks(transmit.segment_size.unwrap_or(bytes.len())) {
            if datagram.len() + 28 > self.carried && transmit.fragments != Fragments::Allowed {
                continue;
            }
            self.sent += 1;
            let media = (128..=191).contains(&datagram[0]);
            self.media_sent += u64::from(media);
            let at =
                |fault: Option<(u64, Fault)>, n| fault.filter(|(at, _)| *at == n).map(|(_, fault)| fault);
            let in_media = at(self.media_fault, self.media_sent).filter(|_| media);
            let fault = at(self.fault, self.sent).or(in_media);
            if fault == Some(Fault::Drop) || self.rng.chance(self.loss) {
                continue;
            }
            let mut bytes = datagram.to_vec();
            if fault == Some(Fault::Corrupt) {
                let at = usize::try_from(self.rng.below(bytes.len() as u64)).unwrap();
                bytes[at] ^= 0x55;
            }
            let late = if fault == Some(Fault::Delay) { self.delay * 5 } else { self.delay };
            for copy in 0..=u64::from(fault == Some(Fault::Double)) {
                let received = Received {
                    transport: Transport::Udp,
                    local: address(1 - from),
                    remote: address(from),
                    segment: bytes.len(),
                };
                let flight = Flight { to: 1 - from, received, bytes: bytes.clone() };
                self.flights.insert((self.now + late, self.sent * 2 + copy), flight);
            }
        }
    }

    /// Lets the next thing happen. False: nothing is to happen any more.
    pub(crate) fn step(&mut self) -> bool {
        let Some(next) = self.next() else { return false };
        self.now = self.now.max(next);
        while let Some(entry) = self.flights.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let Flight { to, received, mut bytes } = entry.remove();
            let packets = &mut self.packets[to];
            self.peers[to].handle_input_with(self.now, received, &mut bytes, &mut |packet| {
                if let MediaPacket::Rtp(packet) = packet {
                    packets.push(Lent {
                        rid: packet.rid.map(str::to_owned),
                        format: packet.format,
                        retransmitted: packet.retransmitted,
                        bytes: packet.packet.bytes().to_vec(),
                    });
                }
            });
        }
        for peer in &mut self.peers {
            if peer.poll_timeout().is_some_and(|due| due <= self.now) {
                peer.handle_timeout(self.now);
            }
        }
        self.collect();
        true
    }

    fn next(&self) -> Option<Instant> {
        let arrival = self.flights.keys().next().map(|(at, _)| *at);
        let timers = self.peers.iter().filter_map(Peer::poll_timeout).min();
        [arrival, timers].into_iter().flatten().min()
    }

    /// Lets time pass.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        let mut steps = 0;
        while self.next().is_some_and(|next| next <= end) {
            self.step();
            steps += 1;
            assert!(steps < 100_000, "a timer that is always due");
        }
        self.now = end;
        self.collect();
    }

    /// Lets things happen until a condition holds; panics after a virtual minute.
    pub(crate) fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let end = self.now + Duration::from_secs(60);
        while !done(self) {
            assert!(self.step() && self.now < end, "{what} in vain: {:?}", self.peers[0].get_stats());
        }
    }

    pub(crate) fn heard(&self, side: usize, mut is: impl FnMut(&Event) -> bool) -> bool {
        self.events[side].iter().any(&mut is)
    }
}
