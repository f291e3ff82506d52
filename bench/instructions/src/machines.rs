//! Machines: what they do for one packet or message, and what it costs to ask them while nothing happens.

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use ice::{Agent, Candidate, Input, Local};
use peer::negotiation::{MediaKind, TransceiverInit};
use peer::{ChannelConfig, Config, Event, Peer, Received};
use sctp::{Association, Kind, Role};
use turn::{Client, ClientConfig, FiveTuple, RelayIp, Run as Datagrams, Server, Source};
use wire::{Instant, Rng, Transport};

use crate::Run;

const START: Instant = Instant::from_nanos(1_000_000_000);

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

struct Sctp {
    now: Instant,
    sides: [Association; 2],
    buf: [u8; 1200],
}

impl Sctp {
    fn connected() -> (Self, sctp::ChannelId) {
        let side = |role| {
            let config = sctp::Config { role, zero_checksum: true, ..sctp::Config::default() };
            Association::new(config, [1; 32], START)
        };
        let mut pair = Self { now: START, sides: [side(Role::Client), side(Role::Server)], buf: [0; 1200] };
        pair.sides[0].connect(START);
        let channel = pair.sides[0].open_channel(START, sctp::ChannelConfig::default()).expect("a channel");
        pair.settle();
        assert!(pair.sides.iter().all(Association::is_connected));
        (pair, channel)
    }

    /// Everything arrives after a millisecond, until nobody has anything to say.
    fn settle(&mut self) {
        loop {
            let mut quiet = true;
            for from in 0..2 {
                while let Some(sent) = self.sides[from].poll_transmit(self.now, &mut self.buf) {
                    self.sides[1 - from].handle_input(self.now, &self.buf[..sent.len]);
                    quiet = false;
                }
                while let Some(event) = self.sides[from].poll_event() {
                    black_box(event);
                }
            }
            self.now += Duration::from_millis(1);
            for side in &mut self.sides {
                side.handle_timeout(self.now);
            }
            if quiet && self.sides[0].unacknowledged_amount() == 0 {
                return;
            }
        }
    }
}

fn sctp(len: usize) -> Run {
    let (mut pair, channel) = Sctp::connected();
    let message = Bytes::from(vec![7; len]);
    Box::new(move || {
        pair.sides[0].send(pair.now, channel, Kind::Binary, message.clone()).expect("there is room");
        pair.settle();
    })
}

pub(crate) fn sctp_small() -> Run {
    sctp(1000)
}

pub(crate) fn sctp_large() -> Run {
    sctp(65_536)
}

pub(crate) fn sctp_idle() -> Run {
    let (mut pair, _) = Sctp::connected();
    Box::new(move || {
        let side = black_box(&mut pair.sides[0]);
        assert!(side.poll_transmit(pair.now, &mut pair.buf).is_none() && side.poll_event().is_none());
        black_box(side.poll_timeout());
    })
}

/// One allocation with a channel, and a client that sends 1,000 bytes.
pub(crate) fn turn_relay() -> Run {
    let (local, remote) = (address("198.51.100.1:3478"), address("192.0.2.1:5000"));
    let config = turn::Config {
        users: vec![("user".to_owned(), "password".to_owned())],
        relay_ips: vec![RelayIp { bind: local.ip(), advertise: local.ip() }],
        ..turn::Config::default()
    };
    let mut server = Server::new(config, [1; 32], START);
    let config = ClientConfig {
        local: remote,
        server: local,
        username: "user".to_owned(),
        password: "password".to_owned(),
        ..ClientConfig::default()
    };
    let mut client = Client::new(config, [2; 32], START);
    let tuple = FiveTuple { transport: Transport::Udp, local, remote };
    let (mut buf, mut request) = ([0; 1500], [0; 1500]);
    client.allocate(START).expect("a new client may");
    let peer = address("203.0.113.9:7000");
    for _ in 0..20 {
        while let Some(sent) = client.poll_transmit(START, &mut request) {
            server.handle_input(START, Source::Client(tuple), &mut Datagrams::single(&request[..sent.len]));
            while let Some(event) = server.poll_event() {
                if let turn::Event::OpenRelay { relay, at, .. } = event {
                    server.relay_opened(START, relay, Ok(at));
                }
            }
            while let Some(answer) = server.poll_transmit(START, &mut buf) {
                client.handle_input(START, &buf[..answer.len]);
            }
        }
        // Refused until there is an allocation, and then until the channel is bound.
        let _ = client.bind(START, peer);
    }
    let len = client.send(START, peer, &[7; 1000], &mut buf).expect("the channel is bound").len;
    assert_eq!(len, 1004);
    Box::new(move || {
        let mut run = Datagrams::single(black_box(&buf[..len]));
        let forward = server.handle_input(START, Source::Client(tuple), &mut run);
        assert_eq!(black_box(forward).map(|forward| forward.strip), Some(4));
    })
}

pub(crate) fn ice_idle() -> Run {
    let addresses = [address("192.0.2.1:1000"), address("198.51.100.2:2000")];
    let mut now = START;
    let mut agents = [1, 2].map(|seed| Agent::new(ice::Config::default(), [seed; 32], now));
    for (agent, address) in agents.iter_mut().zip(addresses) {
        agent.add_local(now, Local::host(address)).expect("a good address");
        agent.end_of_local_candidates(now);
    }
    let credentials = [0, 1].map(|side: usize| agents[side].credentials().clone());
    for side in 0..2 {
        let line = format!(
            "candidate:1 1 udp 2130706431 {} {} typ host",
            addresses[1 - side].ip(),
            addresses[1 - side].port()
        );
        let other = credentials[1 - side].clone();
        agents[side].set_remote_credentials(now, other, false).expect("good credentials");
        agents[side].add_remote(now, line.parse::<Candidate>().expect("a candidate"));
        agents[side].end_of_remote_candidates(now);
    }
    let mut buf = [0; 1200];
    for _ in 0..200 {
        for from in 0..2 {
            agents[from].handle_timeout(now);
            while let Some(sent) = agents[from].poll_transmit(now, &mut buf) {
                let (local, remote) = (addresses[1 - from], addresses[from]);
                let bytes = &buf[..sent.len];
                agents[1 - from].handle_input(now, Input { transport: Transport::Udp, local, remote, bytes });
            }
            while agents[from].poll_event().is_some() {}
        }
        now += Duration::from_millis(5);
    }
    let [mut agent, _] = agents;
    assert!(agent.selected().is_some_and(|pair| pair.nominated));
    Box::new(move || {
        let agent = black_box(&mut agent);
        assert!(agent.poll_transmit(now, &mut buf).is_none() && agent.poll_event().is_none());
        black_box(agent.poll_timeout());
    })
}

/// Two peers with a channel and so many media lines, connected and at rest.
fn peer_idle(lines: usize) -> Run {
    let addresses = [address("192.0.2.1:1000"), address("198.51.100.2:2000")];
    let (mut now, mut rng) = (START, Rng::from_number(1));
    let mut peers = [0, 1].map(|side| {
        let config = Config::new(peer::Certificate::generate(&mut rng, 1_767_225_600));
        let mut peer = Peer::new(config, rng.array(), now).expect("a good configuration");
        peer.add_local_address(now, peer::Local::host(addresses[side]));
        peer.end_of_local_addresses(now);
        peer
    });
    peers[0].create_data_channel(now, ChannelConfig::default()).expect("a channel");
    for line in 0..lines {
        let kind = if line % 2 == 0 { MediaKind::Audio } else { MediaKind::Video };
        peers[0]
            .with_negotiator(|n| n.add_transceiver(kind, TransceiverInit::default()))
            .expect("there is room");
    }
    for (from, to) in [(0, 1), (1, 0)] {
        peers[from].set_local_description(now, None).expect("it is due");
        let description = peers[from].local_description().expect("it is made");
        peers[to].set_remote_description(now, &description).expect("it is good");
    }
    let (mut buf, mut open) = (vec![0; 65_536], [false; 2]);
    for _ in 0..1000 {
        for from in 0..2 {
            if peers[from].poll_timeout().is_some_and(|due| due <= now) {
                peers[from].handle_timeout(now);
            }
            while let Some(sent) = peers[from].poll_transmit(now, &mut buf) {
                let received = Received {
                    transport: Transport::Udp,
                    local: addresses[1 - from],
                    remote: addresses[from],
                    segment: sent.segment_size.unwrap_or(sent.len),
                };
                peers[1 - from].handle_input(now, received, &mut buf[..sent.len]);
            }
            while let Some(event) = peers[from].poll_event() {
                open[from] |= matches!(event, Event::ChannelOpened(_) | Event::DataChannel(..));
            }
        }
        now += Duration::from_millis(2);
    }
    assert_eq!(open, [true; 2]);
    let [mut peer, _] = peers;
    Box::new(move || {
        let peer = black_box(&mut peer);
        assert!(peer.poll_transmit(now, &mut buf).is_none() && peer.poll_event().is_none());
        black_box(peer.poll_timeout());
    })
}

pub(crate) fn peer_idle_0() -> Run {
    peer_idle(0)
}

pub(crate) fn peer_idle_2() -> Run {
    peer_idle(2)
}

pub(crate) fn peer_idle_50() -> Run {
    peer_idle(50)
}
