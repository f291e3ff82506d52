use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use stun::attribute::*;
use stun::{Class, Integrity, Key, LongTerm, Message, Method, TransactionId, Writer};
use turn::{
    Alternate, Config, ConnectionId, Destination, Event, FiveTuple, Forward, OpenError, RelayId, RelayIp,
    Run, Server, Source,
};
use wire::{Instant, Reader, Short, Transport};

const SERVER: &str = "198.51.100.1:3478";
const REALM: &str = "example.org";
const MAX_ALLOCATIONS: usize = 5;

/// Plays a list of commands on a server: requests that are signed or not, junk, data, relay sockets that open
/// or fail, connections, and time. Nothing is forwarded without a permission, strangers get small answers,
/// and in the end nothing is left.
pub fn turn_server(data: &[u8]) {
    let mut world = World::new(data.first().copied().unwrap_or(0));
    let mut commands = Reader::new(data.get(1..).unwrap_or_default());
    while world.play(&mut commands).is_ok() {}
    world.end();
}

struct World {
    server: Server,
    now: Instant,
    nonces: BTreeMap<FiveTuple, Vec<u8>>,
    /// Events that the driver has not answered yet.
    opening: Vec<(RelayId, SocketAddr)>,
    open: BTreeSet<RelayId>,
    connecting: Vec<ConnectionId>,
    connections: BTreeSet<ConnectionId>,
    asked: BTreeMap<(FiveTuple, TransactionId), (Method, Vec<SocketAddr>)>,
    /// Until when an address is permitted, and to whom: with mobility, to anybody.
    granted: BTreeMap<(Option<FiveTuple>, IpAddr), Instant>,
    tickets: Vec<Vec<u8>>,
    tokens: Vec<u64>,
    mobility: bool,
    counter: u64,
}

impl World {
    fn new(bits: u8) -> Self {
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let relay = |ip| RelayIp { bind: ip, advertise: ip };
        let mobility = bits & 1 != 0;
        let ips = [address("198.51.100.1"), address("198.51.100.2")];
        let config = Config {
            realm: REALM.to_owned(),
            users: vec![("a".to_owned(), "pa".to_owned()), ("b".to_owned(), "pb".to_owned())],
            relay_ips: vec![relay(ips[0]), relay(address("2001:db8::1"))],
            relay_ports: 50_000..=50_007,
            max_allocations: MAX_ALLOCATIONS,
            allocations_per_user: (bits & 2 != 0).then_some(2),
            bandwidth_per_user: (bits & 4 != 0).then_some(100_000),
            permissions_per_allocation: 3,
            channels_per_allocation: 3,
            connections_per_allocation: 2,
            alternate: (bits & 8 != 0).then_some(Alternate { ips, ports: [3478, 3479] }),
            mobility,
            ..Config::default()
        };
        Self {
            server: Server::new(config, [1; 32], Instant::ZERO),
            now: Instant::ZERO,
            nonces: BTreeMap::new(),
            opening: Vec::new(),
            open: BTreeSet::new(),
            connecting: Vec::new(),
            connections: BTreeSet::new(),
            asked: BTreeMap::new(),
            granted: BTreeMap::new(),
            tickets: Vec::new(),
            tokens: Vec::new(),
            mobility,
            counter: 0,
        }
    }

    fn play(&mut self, commands: &mut Reader<'_>) -> Result<(), Short> {
        match commands.u8()? % 12 {
            0 => {
                let millis = u64::from(commands.u16()?);
                self.pass(Duration::from_millis(millis * millis / 1000));
            }
            1..=3 => self.request(commands)?,
            4 => {
                let from = client(commands.u8()?);
                let len = usize::from(commands.u8()?);
                let bytes = commands.take(len.min(commands.rest().len()))?;
                self.input(Source::Client(from), bytes, bytes.len());
            }
            5 => self.channel_data(commands)?,
            6 => self.send_indication(commands)?,
            7 => {
                let (which, from, len) = (commands.u8()?, peer(commands.u8()?), usize::from(commands.u8()?));
                let relay = self.open.iter().nth(usize::from(which) % self.open.len().max(1)).copied();
                let relay = relay.unwrap_or(RelayId(which.into()));
                let segment = 1 + usize::from(commands.u8()? % 64);
                self.input(Source::Peer { relay, from }, &vec![7; len], segment);
            }
            8 => self.answer_open(commands.u8()?),
            9 => {
                let from = client(commands.u8()?);
                self.server.client_closed(self.now, from);
            }
            10 => self.connections(commands)?,
            _ => {
                let (which, to) = (commands.u8()?, peer(commands.u8()?));
                let relay = self.open.iter().nth(usize::from(which)).copied().unwrap_or(RelayId(3));
                self.server.peer_unreachable(self.now, relay, to, (which, 1, 1400));
                if which == 255 {
                    self.server.set_draining(self.now);
                }
            }
        }
        self.drain();
        self.check();
        Ok(())
    }

    fn pass(&mut self, duration: Duration) {
        self.now += duration;
        self.server.handle_timeout(self.now);
        assert!(self.server.poll_timeout().is_none_or(|due| due > self.now), "a deadline was passed over");
    }

    /// A request of any method with any of the attributes, signed in one of several ways.
    fn request(&mut self, commands: &mut Reader<'_>) -> Result<(), Short> {
        let [who, method, how, flags] = commands.array()?;
        let from = client(who);
        let methods = [
            Method::ALLOCATE,
            Method::REFRESH,
            Method::CREATE_PERMISSION,
            Method::CHANNEL_BIND,
            Method::CONNECT,
            Method::CONNECTION_BIND,
            Method::BINDING,
            Method::DATA,
        ];
        let method = methods[usize::from(method) % methods.len()];
        self.counter += 1;
        let mut id = [0; 12];
        // Some transaction ids come again: a retransmission.
        id[4..].copy_from_slice(&(if how & 0x80 == 0 { self.counter } else { 1 }).to_be_bytes());
        let id = TransactionId(id);
        let mut buf = vec![0; 4000];
        let mut w = Writer::new(&mut buf, Class::Request, method, id)?;
        let peers = self.attributes(&mut w, method, flags, commands)?;
        self.sign(&mut w, &from, how)?;
        let len = w.len();
        self.asked.insert((from, id), (method, peers));
        self.input(Source::Client(from), &buf[..len], len);
        Ok(())
    }

    fn attributes(
        &self,
        w: &mut Writer<'_>,
        method: Method,
        flags: u8,
        commands: &mut Reader<'_>,
    ) -> Result<Vec<SocketAddr>, Short> {
        let mut peers = Vec::new();
        let set = |bit: u8| flags & bit != 0;
        if method == Method::ALLOCATE {
            let extra = commands.u8()?;
            w.put(&RequestedTransport(if set(1) { 6 } else { 17 }))?;
            if set(2) {
                w.put(&EvenPort { reserve: set(4) })?;
            }
            if set(8) {
                w.put(&AdditionalAddressFamily(2))?;
            }
            if set(16) {
                w.put(&RequestedAddressFamily(1 + (extra & 1)))?;
            }
            if set(32) {
                w.put(&MobilityTicket(&[]))?;
            }
            if let (true, Some(token)) = (set(64), self.tokens.get(usize::from(extra) % 4)) {
                w.put(&ReservationToken(*token))?;
            }
            if set(128) {
                w.put(&Lifetime(u32::from(extra) * 20))?;
            }
            return Ok(peers);
        }
        if set(1) {
            w.put(&Lifetime(u32::from(commands.u8()?)))?;
        }
        if let (true, Some(ticket)) = (set(2), self.tickets.last()) {
            w.put(&MobilityTicket(ticket))?;
        }
        for bit in [4, 8] {
            if set(bit) {
                let peer = peer(commands.u8()?);
                peers.push(peer);
                w.put(&XorPeerAddress(peer))?;
            }
        }
        if set(16) {
            w.put(&ChannelNumber(0x3ffe + u16::from(commands.u8()? % 8)))?;
        }
        if let (true, Some(connection)) = (set(32), self.connections.first()) {
            w.put(&ConnectionIdentifier(connection.0))?;
        }
        if set(64) {
            w.put(&ChangeRequest { change_ip: true, change_port: false })?;
        }
        if set(128) {
            w.put(&RequestedAddressFamily(commands.u8()? % 4))?;
        }
        Ok(peers)
    }

    fn sign(&self, w: &mut Writer<'_>, from: &FiveTuple, how: u8) -> Result<(), Short> {
        let (username, password) = if how & 1 == 0 { ("a", "pa") } else { ("b", "pb") };
        let password = if how & 14 == 14 { "wrong" } else { password };
        let sha256 = how & 16 != 0;
        let algorithm = if sha256 { Algorithm::Sha256 } else { Algorithm::Md5 };
        if how & 0x60 == 0x60 {
            return Ok(()); // not at all
        }
        let key: Key = LongTerm { username, realm: REALM, password }.key(algorithm);
        if sha256 {
            w.put(&UserHash(stun::user_hash(username, REALM)))?;
            w.put(&PasswordAlgorithms::BOTH)?;
            w.put(&PasswordAlgorithm(algorithm))?;
        } else {
            w.put(&Username(username))?;
        }
        w.put(&Realm(REALM))?;
        let nonce = self.nonces.get(from).map_or(&b"none"[..], |nonce| nonce);
        w.put_raw(<Nonce<'_> as Attribute<'_>>::KIND, nonce)?;
        w.put_integrity(&key, if sha256 { Integrity::Sha256 } else { Integrity::Sha1 })?;
        if how & 0x20 != 0 { w.put_fingerprint() } else { Ok(()) }
    }

    fn channel_data(&mut self, commands: &mut Reader<'_>) -> Result<(), Short> {
        let [who, number, len, count] = commands.array()?;
        let number = 0x3ffe + u16::from(number % 8);
        let one = [&number.to_be_bytes()[..], &u16::from(len).to_be_bytes(), &vec![5; len.into()]].concat();
        let mut bytes = one.repeat(1 + usize::from(count % 8));
        // The last of the run may be cut, which makes it malformed.
        bytes.truncate(bytes.len() - usize::from(count >> 6));
        self.input(Source::Client(client(who)), &bytes, one.len());
        Ok(())
    }

    fn send_indication(&mut self, commands: &mut Reader<'_>) -> Result<(), Short> {
        let [who, to, len] = commands.array()?;
        let mut buf = [0; 600];
        let mut w = Writer::new(&mut buf, Class::Indication, Method::SEND, TransactionId([2; 12]))?;
        w.put(&XorPeerAddress(peer(to)))?;
        w.put(&Data(&vec![3; len.into()]))?;
        let len = w.len();
        self.input(Source::Client(client(who)), &buf[..len], len);
        Ok(())
    }

    fn answer_open(&mut self, how: u8) {
        if self.opening.is_empty() {
            return;
        }
        let (relay, at) = self.opening.remove(0);
        let result = match how % 4 {
            0 => Err(OpenError::InUse),
            1 => Err(OpenError::Failed),
            _ => Ok(at),
        };
        if result.is_err() {
            self.open.remove(&relay);
        }
        self.server.relay_opened(self.now, relay, result);
    }

    fn connections(&mut self, commands: &mut Reader<'_>) -> Result<(), Short> {
        let [how, which] = commands.array()?;
        match how % 4 {
            0 | 1 => {
                if let Some(connection) = self.connecting.pop() {
                    if how % 4 == 0 {
                        self.connections.remove(&connection);
                    }
                    self.server.peer_connected(self.now, connection, how % 4 == 1);
                }
            }
            2 => {
                let relay = self.open.iter().nth(which.into()).copied().unwrap_or(RelayId(1 << 32));
                let accepted = self.server.peer_accepted(self.now, relay, peer(which));
                self.connections.extend(accepted);
            }
            _ => {
                if let Some(connection) = self.connections.pop_first() {
                    self.server.connection_closed(self.now, connection);
                }
            }
        }
        Ok(())
    }

    fn input(&mut self, source: Source, bytes: &[u8], segment: usize) {
        let mut run = Run::new(bytes, segment);
        let mut turns = 0;
        while !run.is_empty() {
            if let Some(forward) = self.server.handle_input(self.now, source, &mut run) {
                self.check_forward(source, bytes, &forward);
            }
            turns += 1;
            assert!(turns <= bytes.len(), "every call consumes something");
        }
        self.drain();
    }

    fn check_forward(&self, source: Source, input: &[u8], forward: &Forward) {
        let part = &input[forward.bytes.clone()];
        assert!(forward.segment >= forward.strip && forward.pad < 4 && forward.segment > 0);
        assert!(forward.pad == 0 || part.len() <= forward.segment, "padding goes with one datagram");
        assert!(part.chunks(forward.segment).all(|datagram| datagram.len() >= forward.strip));
        let (client, ip) = match (source, forward.to) {
            (Source::Client(client), Destination::Peer { to, .. }) => (client, to.ip()),
            (Source::Peer { from, .. }, Destination::Client(client)) => (client, from.ip()),
            // From client to client: both have permitted the address of the relays.
            (Source::Client(client), Destination::Client(other)) => {
                self.assert_granted(other, [198, 51, 100, 1].into());
                (client, [198, 51, 100, 1].into())
            }
            (Source::Peer { .. }, Destination::Peer { .. }) => panic!("a peer was forwarded to a peer"),
        };
        self.assert_granted(client, ip);
    }

    fn assert_granted(&self, client: FiveTuple, ip: IpAddr) {
        assert!(!ip.is_loopback() && ip != IpAddr::from([10, 0, 0, 1]), "{ip} is no peer");
        let whom = (!self.mobility).then_some(client);
        // Between two IPv6 relays the address is another one.
        let six: IpAddr = "2001:db8::1".parse().expect("an address");
        let until = |ip| self.granted.get(&(whom, ip)).is_some_and(|until| *until > self.now);
        assert!(until(ip) || ip == IpAddr::from([198, 51, 100, 1]) && until(six), "{ip} has no permission");
    }

    /// Does what the events say, and reads the answers.
    fn drain(&mut self) {
        while let Some(event) = self.server.poll_event() {
            match event {
                Event::OpenRelay { relay, at, .. } => {
                    assert!(self.open.insert(relay), "a relay is opened twice");
                    self.opening.push((relay, at));
                }
                Event::CloseRelay { relay } => {
                    assert!(self.open.remove(&relay), "a relay is closed that is not open");
                    self.opening.retain(|(other, _)| *other != relay);
                }
                Event::Connect { connection, .. } => {
                    self.connecting.push(connection);
                    self.connections.insert(connection);
                }
                Event::CloseConnection { connection } => {
                    assert!(self.connections.remove(&connection), "a connection is closed twice");
                    self.connecting.retain(|other| *other != connection);
                }
                Event::Bind { connection, .. } => assert!(self.connections.contains(&connection)),
                Event::CloseClient { .. } | Event::Allocated { .. } | Event::Released { .. } => {}
            }
        }
        let mut buf = [0; 1500];
        while let Some(transmit) = self.server.poll_transmit(self.now, &mut buf) {
            let local = SERVER.parse().expect("an address");
            let client = FiveTuple { transport: transmit.transport, local, remote: transmit.to };
            self.read_answer(client, &buf[..transmit.len]);
        }
    }

    fn read_answer(&mut self, client: FiveTuple, bytes: &[u8]) {
        let message = Message::parse(bytes).expect("an answer is well-formed");
        if message.integrity().is_none() && message.class() == Class::Error {
            assert!(bytes.len() <= 160, "a stranger gets {} bytes", bytes.len());
        }
        if let Some(nonce) = message.raw(<Nonce<'_> as Attribute<'_>>::KIND) {
            self.nonces.insert(client, nonce.to_vec());
        }
        if message.class() != Class::Success {
            return;
        }
        if let Ok(Some(MobilityTicket(ticket))) = message.get() {
            self.tickets.push(ticket.to_vec());
        }
        if let Ok(Some(ReservationToken(token))) = message.get() {
            self.tokens.push(token);
        }
        let Some((method, peers)) = self.asked.get(&(client, message.transaction_id())) else { return };
        if *method == Method::CREATE_PERMISSION || *method == Method::CHANNEL_BIND {
            let whom = (!self.mobility).then_some(client);
            for peer in peers {
                self.granted.insert((whom, peer.ip()), self.now + Duration::from_secs(300));
            }
        }
    }

    fn check(&self) {
        assert!(self.server.stats().allocations <= MAX_ALLOCATIONS as u64);
        // Each allocation has two relays at most, and there are no more ports than these.
        assert!(self.open.len() <= 16, "{} relays", self.open.len());
    }

    /// Time heals everything.
    fn end(&mut self) {
        while !self.opening.is_empty() {
            self.answer_open(2);
            self.drain();
        }
        while let Some(due) = self.server.poll_timeout() {
            self.now = self.now.max(due);
            self.pass(Duration::ZERO);
            self.drain();
        }
        assert_eq!(self.server.stats().allocations, 0);
        assert!(self.open.is_empty(), "relays are left: {:?}", self.open);
        assert!(self.connections.is_empty(), "connections are left: {:?}", self.connections);
    }
}

fn client(who: u8) -> FiveTuple {
    let transport = match who % 3 {
        0 => Transport::Udp,
        1 => Transport::Tcp,
        _ => Transport::Tls,
    };
    let remote = ([192, 0, 2, 1], 1000 + u16::from(who % 8)).into();
    FiveTuple { transport, local: SERVER.parse().expect("an address"), remote }
}

/// Peers, relayed transport addresses, and addresses that may not be peers.
fn peer(which: u8) -> SocketAddr {
    match which % 16 {
        0..=7 => ([198, 51, 100, 1], 50_000 + u16::from(which % 8)).into(),
        8 | 9 => ([203, 0, 113, 1], 7000 + u16::from(which % 2)).into(),
        10 => ([203, 0, 113, 2], 7000).into(),
        11 => ([127, 0, 0, 1], 22).into(),
        12 => ([10, 0, 0, 1], 22).into(),
        13 => SocketAddr::new("2001:db8::7".parse().expect("an address"), 7000),
        14 => SocketAddr::new("2001:db8::1".parse().expect("an address"), 50_001),
        _ => ([198, 51, 100, 1], 22).into(),
    }
}
