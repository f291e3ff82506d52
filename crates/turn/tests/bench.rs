//! A server on a bench: requests go in signed, answers come out parsed, relay sockets open by themselves.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use stun::attribute::{Algorithm, Attribute, ErrorCode, Nonce, Realm, RequestedTransport, Username};
use stun::{Class, Integrity, Key, LongTerm, Message, Method, TransactionId, Writer};
use turn::{Config, Event, FiveTuple, Forward, OpenError, RelayId, RelayIp, Run, Server, Source};
use wire::{Instant, Short, Transport};

pub(crate) const REALM: &str = "example.org";
pub(crate) const SERVER: &str = "198.51.100.1:3478";

pub(crate) struct Bench {
    pub(crate) server: Server,
    pub(crate) now: Instant,
    pub(crate) nonces: BTreeMap<FiveTuple, String>,
    /// Everything but `OpenRelay`.
    pub(crate) events: Vec<Event>,
    pub(crate) relays: Vec<(RelayId, SocketAddr)>,
    /// How many relay sockets fail to open, and why, before one opens.
    pub(crate) failures: Vec<OpenError>,
    pub(crate) opened: usize,
    counter: u32,
}

pub(crate) struct Answer {
    bytes: Vec<u8>,
}

impl Answer {
    pub(crate) fn message(&self) -> Message<'_> {
        Message::parse(&self.bytes).unwrap()
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn code(&self) -> u16 {
        match self.message().class() {
            Class::Success => 0,
            _ => self.message().get::<ErrorCode<'_>>().unwrap().unwrap().code,
        }
    }

    pub(crate) fn get<A: for<'a> Attribute<'a>>(&self) -> Option<A> {
        self.message().get::<A>().unwrap()
    }
}

pub(crate) fn config() -> Config {
    Config {
        realm: REALM.to_owned(),
        users: vec![("alice".to_owned(), "north".to_owned()), ("bob".to_owned(), "south".to_owned())],
        relay_ips: vec![
            RelayIp { bind: [198, 51, 100, 1].into(), advertise: [198, 51, 100, 1].into() },
            RelayIp { bind: "2001:db8::1".parse().unwrap(), advertise: "2001:db8::1".parse().unwrap() },
        ],
        relay_ports: 50_000..=50_099,
        ..Config::default()
    }
}

pub(crate) fn client(port: u16) -> FiveTuple {
    stream(port, Transport::Udp)
}

pub(crate) fn stream(port: u16, transport: Transport) -> FiveTuple {
    FiveTuple { transport, local: SERVER.parse().unwrap(), remote: ([192, 0, 2, 7], port).into() }
}

pub(crate) fn key(username: &str, password: &str, algorithm: Algorithm) -> Key {
    LongTerm { username, realm: REALM, password }.key(algorithm)
}

pub(crate) fn udp(w: &mut Writer<'_>) -> Result<(), Short> {
    w.put(&RequestedTransport(17))
}

impl Bench {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            server: Server::new(config, [7; 32], Instant::ZERO),
            now: Instant::ZERO,
            nonces: BTreeMap::new(),
            events: Vec::new(),
            relays: Vec::new(),
            failures: Vec::new(),
            opened: 0,
            counter: 0,
        }
    }

    pub(crate) fn wait(&mut self, duration: Duration) {
        self.now += duration;
        self.server.handle_timeout(self.now);
        self.drain();
    }

    pub(crate) fn drain(&mut self) {
        while let Some(event) = self.server.poll_event() {
            match event {
                Event::OpenRelay { relay, at, .. } => {
                    self.opened += 1;
                    let result = if self.failures.is_empty() { Ok(at) } else { Err(self.failures.remove(0)) };
                    if result.is_ok() {
                        self.relays.push((relay, at));
                    }
                    self.server.relay_opened(self.now, relay, result);
                }
                other => self.events.push(other),
            }
        }
    }

    /// Sends bytes that are no payload, and gives what came back.
    pub(crate) fn raw(&mut self, from: FiveTuple, bytes: &[u8]) -> Option<Answer> {
        assert!(self.forward(from, bytes).is_none());
        self.drain();
        self.answer(&from)
    }

    /// The next message to a client.
    pub(crate) fn answer(&mut self, to: &FiveTuple) -> Option<Answer> {
        let mut buf = [0; 1500];
        let transmit = self.server.poll_transmit(self.now, &mut buf)?;
        assert_eq!((transmit.transport, transmit.from, transmit.to), (to.transport, to.local, to.remote));
        Some(Answer { bytes: buf[..transmit.len].to_vec() })
    }

    pub(crate) fn forward(&mut self, from: FiveTuple, bytes: &[u8]) -> Option<Forward> {
        self.server.handle_input(self.now, Source::Client(from), &mut Run::single(bytes))
    }

    pub(crate) fn peer_sends(&mut self, relay: RelayId, from: &str, bytes: &[u8]) -> Option<Forward> {
        let source = Source::Peer { relay, from: from.parse().unwrap() };
        self.server.handle_input(self.now, source, &mut Run::single(bytes))
    }

    pub(crate) fn id(&mut self) -> TransactionId {
        self.counter += 1;
        let mut id = [1; 12];
        id[8..].copy_from_slice(&self.counter.to_be_bytes());
        TransactionId(id)
    }

    /// A request of Alice with the nonce she has, asked for first if she has none.
    pub(crate) fn request(
        &mut self,
        from: FiveTuple,
        method: Method,
        fill: impl Fn(&mut Writer<'_>) -> Result<(), Short>,
    ) -> Answer {
        self.request_as("alice", "north", from, method, fill)
    }

    pub(crate) fn request_as(
        &mut self,
        user: &str,
        password: &str,
        from: FiveTuple,
        method: Method,
        fill: impl Fn(&mut Writer<'_>) -> Result<(), Short>,
    ) -> Answer {
        let bytes = self.signed(user, password, from, method, fill);
        self.raw(from, &bytes).unwrap()
    }

    pub(crate) fn signed(
        &mut self,
        user: &str,
        password: &str,
        from: FiveTuple,
        method: Method,
        fill: impl Fn(&mut Writer<'_>) -> Result<(), Short>,
    ) -> Vec<u8> {
        if !self.nonces.contains_key(&from) {
            self.learn_nonce(from);
        }
        let nonce = self.nonces[&from].clone();
        let key = key(user, password, Algorithm::Md5);
        let id = self.id();
        let mut buf = [0; 1500];
        let mut w = Writer::new(&mut buf, Class::Request, method, id).unwrap();
        fill(&mut w).unwrap();
        w.put(&Username(user)).unwrap();
        w.put(&Realm(REALM)).unwrap();
        w.put(&Nonce(&nonce)).unwrap();
        w.put_integrity(&key, Integrity::Sha1).unwrap();
        let len = w.len();
        buf[..len].to_vec()
    }

    pub(crate) fn learn_nonce(&mut self, from: FiveTuple) -> Answer {
        let id = self.id();
        let mut buf = [0; 100];
        let mut w = Writer::new(&mut buf, Class::Request, Method::ALLOCATE, id).unwrap();
        udp(&mut w).unwrap();
        let len = w.len();
        let answer = self.raw(from, &buf[..len]).unwrap();
        assert_eq!(answer.code(), 401);
        let nonce = answer.message().get::<Nonce<'_>>().unwrap().unwrap().0.to_owned();
        self.nonces.insert(from, nonce);
        answer
    }

    /// A plain UDP allocation of Alice.
    pub(crate) fn allocate(&mut self, from: FiveTuple) -> SocketAddr {
        let answer = self.request(from, Method::ALLOCATE, udp);
        assert_eq!(answer.code(), 0);
        answer.get::<stun::attribute::XorRelayedAddress>().unwrap().0
    }

    /// The relay at this address.
    pub(crate) fn relay(&self, at: SocketAddr) -> RelayId {
        self.relays.iter().rev().find(|(_, a)| *a == at).unwrap().0
    }
}

/// What a forward puts on the wire, datagram by datagram.
pub(crate) fn output(forward: &Forward, input: &[u8]) -> Vec<Vec<u8>> {
    let part = &input[forward.bytes.clone()];
    let datagram = |d: &[u8]| [&*forward.header, &d[forward.strip..], &vec![0; forward.pad]].concat();
    if part.is_empty() { vec![datagram(part)] } else { part.chunks(forward.segment).map(datagram).collect() }
}
