//! Many TURN clients, their peers and a server in bad weather, with clock jumps, NATs that forget, strangers
//! and forgers. Every packet that reaches the server is compared with what the [`Model`] predicts.

mod model;

pub use model::{Model, Outcome};

use crate::{Network, Packet, Weather};
use ::turn::{
    Client, ClientConfig, ClientEvent, Config, Destination, Event, FiveTuple, Forward, RelayId, RelayIp, Run,
    Server, Source,
};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use stun::attribute::{Data, XorPeerAddress};
use stun::{Class, Message, Method};
use wire::{Instant, Rng, Transport};

const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1)), 3478);
const CLIENTS: usize = 6;
const PEERS: u64 = 4;
const STEPS: usize = 600;

/// What a run did. Two runs of one seed are equal.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Trace {
    /// One line per thing that happened.
    pub lines: Vec<String>,
    /// Packets forwarded to peers.
    pub to_peers: usize,
    /// Packets forwarded to clients by a channel.
    pub by_channel: usize,
    /// Packets forwarded to clients by a Data indication.
    pub by_indication: usize,
    /// Packets from client to client.
    pub in_memory: usize,
    /// Packets that the model said must be dropped, and were.
    pub dropped: usize,
    /// Payloads that a client's machine gave out.
    pub received: usize,
    /// Allocations made.
    pub allocated: usize,
    /// Allocations that ended.
    pub closed: usize,
}

struct Node {
    machine: Client,
    /// The address that the NAT gives it at the moment.
    public: SocketAddr,
    relayed: Option<SocketAddr>,
}

struct World {
    now: Instant,
    rng: Rng,
    network: Network,
    server: Server,
    nodes: Vec<Node>,
    relays: BTreeMap<SocketAddr, RelayId>,
    model: Model,
    trace: Trace,
    next_port: u16,
    payloads: u32,
}

/// Runs the world of this seed to its end.
///
/// # Panics
/// When the server does anything else than the model says, or a client does not get what it is due.
pub fn run(seed: u64) -> Trace {
    let mut world = World::new(seed);
    for _ in 0..STEPS {
        world.act();
        let pause = Duration::from_millis(world.rng.below(2_000));
        world.advance(pause);
    }
    world.calm();
    world.trace
}

fn peer(n: u64) -> SocketAddr {
    // Two ports on each of two addresses: permissions are by address, channels by both.
    let (host, port) = (n / 2, n % 2);
    let low = |n: u64| u8::try_from(n).expect("few peers");
    SocketAddr::new([203, 0, 113, low(host) + 1].into(), 7000 + u16::from(low(port)))
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::from_number(seed);
        let weather = Weather {
            loss: rng.below(300),
            duplication: rng.below(100),
            corruption: 0,
            min_delay: Duration::from_millis(rng.below(50)),
            max_delay: Duration::from_millis(50 + rng.below(400)),
        };
        let config = Config {
            users: vec![("user".to_owned(), "password".to_owned())],
            relay_ips: vec![RelayIp { bind: SERVER.ip(), advertise: SERVER.ip() }],
            own_ips: vec![SERVER.ip()],
            default_lifetime: Duration::from_secs(600 + rng.below(2) * 2_400),
            nonce_lifetime: Duration::from_secs(60 + rng.below(600)),
            ..Config::default()
        };
        let mut world = Self {
            now: Instant::ZERO,
            network: Network::new(weather, rng.fork()),
            server: Server::new(config, rng.array(), Instant::ZERO),
            nodes: Vec::new(),
            relays: BTreeMap::new(),
            model: Model::default(),
            trace: Trace::default(),
            next_port: 20_000,
            payloads: 0,
            rng,
        };
        for _ in 0..CLIENTS {
            let node = world.node();
            world.nodes.push(node);
        }
        world
    }

    /// A client behind a NAT address that nobody has had; sometimes it does not know the password.
    fn node(&mut self) -> Node {
        let password = if self.rng.chance(30) { "wrong" } else { "password" };
        self.node_with(password)
    }

    fn node_with(&mut self, password: &str) -> Node {
        let config = ClientConfig {
            server: SERVER,
            local: ([10, 0, 0, 1], 5000).into(),
            username: "user".to_owned(),
            password: password.to_owned(),
            ..ClientConfig::default()
        };
        let machine = Client::new(config, self.rng.array(), self.now);
        Node { machine, public: self.public(), relayed: None }
    }

    fn public(&mut self) -> SocketAddr {
        self.next_port += 1;
        ([192, 0, 2, 1], self.next_port).into()
    }

    fn pick(&mut self) -> usize {
        usize::try_from(self.rng.below(CLIENTS as u64)).expect("few clients")
    }

    /// Somebody does something.
    fn act(&mut self) {
        let (i, j) = (self.pick(), self.pick());
        let now = self.now;
        match self.rng.below(100) {
            0..=14 => _ = self.nodes[i].machine.allocate(now),
            15..=24 => {
                let to = self.target(j);
                let _ = self.nodes[i].machine.permit(now, to.ip());
            }
            25..=34 => {
                let to = self.target(j);
                let _ = self.nodes[i].machine.bind(now, to);
            }
            35..=69 => {
                for _ in 0..3 {
                    let to = self.target(j);
                    self.client_sends(i, to);
                }
            }
            70..=89 => (0..3).for_each(|_| self.peer_sends(i)),
            90..=92 => self.strangers(i),
            93 => self.nodes[i].machine.close(now),
            94..=95 => {
                // The NAT forgets: what the client sends comes from elsewhere now.
                let public = self.public();
                self.nodes[i].public = public;
                self.log(format_args!("client {i} is now {public}"));
            }
            96 => {
                let node = self.node();
                self.nodes[i] = node;
            }
            _ => {
                // A laptop sleeps: everybody's clock jumps, and what was flying arrives late.
                let jump = Duration::from_secs(self.rng.below(700));
                self.now += jump;
                self.log(format_args!("the clock jumps by {jump:?}"));
            }
        }
    }

    /// A peer, another client's relayed transport address, or an address that may not be a peer.
    fn target(&mut self, j: usize) -> SocketAddr {
        match (self.rng.below(10), self.nodes[j].relayed) {
            (0..=4, Some(relayed)) => relayed,
            (9, _) => ([127, 0, 0, 1], 22).into(),
            (_, _) => peer(self.rng.below(PEERS)),
        }
    }

    fn payload(&mut self) -> Vec<u8> {
        self.payloads += 1;
        let extra = usize::try_from(self.rng.below(5)).expect("at most four");
        [&self.payloads.to_be_bytes()[..], &[7; 4][..extra]].concat()
    }

    fn client_sends(&mut self, i: usize, to: SocketAddr) {
        let payload = self.payload();
        let mut buf = [0; 200];
        if let Ok(transmit) = self.nodes[i].machine.send(self.now, to, &payload, &mut buf) {
            let bytes = buf[..transmit.len].to_vec();
            self.network.send(self.now, Packet { from: self.nodes[i].public, to: SERVER, bytes });
        }
    }

    fn peer_sends(&mut self, i: usize) {
        let from = peer(self.rng.below(PEERS));
        let bytes = self.payload();
        if let Some(to) = self.nodes[i].relayed {
            self.network.send(self.now, Packet { from, to, bytes });
        }
    }

    /// Junk, and data in the name of somebody without an allocation.
    fn strangers(&mut self, i: usize) {
        let from = if self.rng.chance(500) { self.nodes[i].public } else { ([192, 0, 2, 66], 6).into() };
        let len = usize::try_from(self.rng.below(60)).expect("below 60");
        let mut bytes = vec![0; len];
        self.rng.fill(&mut bytes);
        if let Some(first) = bytes.first_mut() {
            *first &= 0x43; // mostly STUN or ChannelData by the look of it
        }
        self.network.send(self.now, Packet { from, to: SERVER, bytes });
    }

    /// Lets everything happen that is due until then.
    fn advance(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            self.settle();
            let timers = self.nodes.iter().filter_map(|node| node.machine.poll_timeout());
            let next = timers.chain(self.network.poll_timeout()).chain(self.server.poll_timeout()).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            self.server.handle_timeout(self.now);
            for node in &mut self.nodes {
                node.machine.handle_timeout(self.now);
            }
            while let Some(packet) = self.network.receive(self.now) {
                self.arrive(packet);
            }
        }
        self.now = self.now.max(end);
    }

    /// Machines say what they have to say.
    fn settle(&mut self) {
        let mut buf = [0; 1500];
        for i in 0..self.nodes.len() {
            while let Some(transmit) = self.nodes[i].machine.poll_transmit(self.now, &mut buf) {
                let bytes = buf[..transmit.len].to_vec();
                self.network.send(self.now, Packet { from: self.nodes[i].public, to: SERVER, bytes });
            }
            while let Some(event) = self.nodes[i].machine.poll_event() {
                self.client_event(i, event);
            }
        }
        while let Some(event) = self.server.poll_event() {
            self.server_event(event);
        }
        while let Some(transmit) = self.server.poll_transmit(self.now, &mut buf) {
            let bytes = buf[..transmit.len].to_vec();
            self.model.server_answers(self.now, transmit.to, &bytes);
            self.network.send(self.now, Packet { from: SERVER, to: transmit.to, bytes });
        }
    }

    fn client_event(&mut self, i: usize, event: ClientEvent) {
        self.log(format_args!("client {i}: {event:?}"));
        match event {
            ClientEvent::Allocated { relayed, .. } => {
                self.nodes[i].relayed = Some(relayed);
                self.trace.allocated += 1;
            }
            ClientEvent::Closed(_) => {
                self.trace.closed += 1;
                self.nodes[i] = self.node();
            }
            ClientEvent::Refused(ip, code) => assert!(ip.is_loopback() || code != 403, "{ip} refused"),
            ClientEvent::Permitted(_) | ClientEvent::Bound(_) | ClientEvent::Unreachable(..) => {}
        }
    }

    fn server_event(&mut self, event: Event) {
        match event {
            Event::OpenRelay { relay, at, .. } => {
                assert_eq!(self.relays.insert(at, relay), None, "a port is opened twice");
                self.server.relay_opened(self.now, relay, Ok(at));
            }
            Event::CloseRelay { relay } => self.relays.retain(|_, other| *other != relay),
            Event::Allocated { .. } | Event::Released { .. } | Event::CloseClient { .. } => {}
            Event::Connect { .. } | Event::Bind { .. } | Event::CloseConnection { .. } => {
                panic!("nobody asked for TCP")
            }
        }
    }

    fn arrive(&mut self, packet: Packet) {
        // The timers of the server come before its input, as in a driver.
        self.server.handle_timeout(self.now);
        if packet.to == SERVER {
            self.arrive_at_server(&packet);
        } else if let Some(relay) = self.relays.get(&packet.to).copied() {
            let expected = self.model.peer_sends(self.now, packet.to, packet.from, &packet.bytes);
            let source = Source::Peer { relay, from: packet.from };
            self.check(source, &packet, expected);
        } else if let Some(i) = self.nodes.iter().position(|node| node.public == packet.to)
            && let Some(received) = self.nodes[i].machine.handle_input(self.now, &packet.bytes)
        {
            let id = received.data.first_chunk().map_or(0, |id| u32::from_be_bytes(*id));
            assert!((1..=self.payloads).contains(&id), "a client received what nobody sent");
            self.trace.received += 1;
        }
        self.settle();
    }

    fn arrive_at_server(&mut self, packet: &Packet) {
        let client = FiveTuple { transport: Transport::Udp, local: SERVER, remote: packet.from };
        let expected = self.model.client_sends(self.now, packet.from, &packet.bytes);
        self.check(Source::Client(client), packet, expected);
    }

    /// The server must do with this packet exactly what the model says.
    fn check(&mut self, source: Source, packet: &Packet, expected: Option<Outcome>) {
        let mut run = Run::single(&packet.bytes);
        let forward = self.server.handle_input(self.now, source, &mut run);
        assert!(run.is_empty(), "a run of one datagram is consumed at once");
        let actual = forward.as_ref().map(|forward| self.outcome(forward, &packet.bytes));
        assert_eq!(actual, expected, "at {:?}: {packet:?}\n{}", self.now, self.trace.lines.join("\n"));
        match &actual {
            None => self.trace.dropped += 1,
            Some(Outcome::Peer { .. }) => self.trace.to_peers += 1,
            Some(Outcome::Client { channel, .. }) => {
                let by = if channel.is_some() {
                    &mut self.trace.by_channel
                } else {
                    &mut self.trace.by_indication
                };
                *by += 1;
                self.trace.in_memory += usize::from(matches!(source, Source::Client(_)));
            }
        }
        if let (Some(forward), Some(outcome)) = (forward, actual) {
            self.log(format_args!("{outcome:?}"));
            if let Destination::Client(client) = forward.to {
                let bytes = on_the_wire(&forward, &packet.bytes);
                self.network.send(self.now, Packet { from: SERVER, to: client.remote, bytes });
            }
        }
    }

    /// What a forward says, in the model's words.
    fn outcome(&self, forward: &Forward, input: &[u8]) -> Outcome {
        let bytes = on_the_wire(forward, input);
        match forward.to {
            Destination::Peer { relay, to } => {
                let from = self.relays.iter().find(|(_, other)| **other == relay).expect("an open relay").0;
                Outcome::Peer { from: *from, to, payload: bytes }
            }
            Destination::Client(client) if bytes[0] >= 0x40 => {
                let number = u16::from_be_bytes([bytes[0], bytes[1]]);
                let peer = self.model.channel_peer(client.remote, number).expect("a channel of the model");
                assert_eq!(usize::from(u16::from_be_bytes([bytes[2], bytes[3]])), bytes.len() - 4);
                Outcome::Client {
                    to: client.remote,
                    channel: Some(number),
                    peer,
                    payload: bytes[4..].to_vec(),
                }
            }
            Destination::Client(client) => {
                let message = Message::parse(&bytes).expect("a Data indication");
                assert_eq!((message.class(), message.method()), (Class::Indication, Method::DATA));
                let (Ok(Some(XorPeerAddress(peer))), Ok(Some(Data(data)))) = (message.get(), message.get())
                else {
                    panic!("a Data indication without peer or data")
                };
                Outcome::Client { to: client.remote, channel: None, peer, payload: data.to_vec() }
            }
        }
    }

    /// In calm weather everybody who asks gets an allocation, and nothing is left of those who went.
    fn calm(&mut self) {
        self.network.weather = Weather::CALM;
        self.advance(Duration::from_secs(60));
        for i in 0..CLIENTS {
            let mut node = self.node_with("password");
            node.machine.allocate(self.now).expect("a new client may ask");
            self.nodes[i] = node;
        }
        self.advance(Duration::from_secs(10));
        for i in 0..CLIENTS {
            assert!(self.nodes[i].relayed.is_some(), "client {i} has no allocation in calm weather");
            assert!(self.model.is_live(self.now, self.nodes[i].public));
            self.nodes[i].machine.close(self.now);
        }
        self.advance(Duration::from_secs(10));
        // Allocations whose clients went without a word run out.
        self.advance(Duration::from_secs(3_700));
        assert_eq!(self.model.count(self.now), 0);
        assert_eq!(self.server.stats().allocations, 0);
        assert_eq!((self.server.poll_timeout(), self.relays.len()), (None, 0));
    }

    fn log(&mut self, line: std::fmt::Arguments<'_>) {
        let mut text = format!("{:>12} ", self.now.as_nanos() / 1_000_000);
        write!(text, "{line}").expect("a string takes everything");
        self.trace.lines.push(text);
    }
}

fn on_the_wire(forward: &Forward, input: &[u8]) -> Vec<u8> {
    let datagram = &input[forward.bytes.clone()];
    [&*forward.header, &datagram[forward.strip..], &[0; 3][..forward.pad]].concat()
}
