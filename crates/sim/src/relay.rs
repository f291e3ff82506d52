//! A STUN and TURN server as a host of the virtual network: the real machine, its relay sockets and its TCP clients.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use ::turn::{Config, Destination, Event, FiveTuple, Forward, RelayId, RelayIp, Run, Server, Source};
use wire::{Instant, Rng, Transport};

/// What the server sends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sent {
    /// A datagram, or a message of a TCP connection.
    pub transport: Transport,
    /// The server's own address, or one of its relayed addresses.
    pub from: SocketAddr,
    /// Whom it is for.
    pub to: SocketAddr,
    /// What it says.
    pub bytes: Vec<u8>,
}

/// A STUN and TURN server with one address for UDP and TCP.
pub struct RelayHost {
    address: SocketAddr,
    server: Server,
    relays: BTreeMap<SocketAddr, RelayId>,
    streams: BTreeSet<SocketAddr>,
    closed: Vec<SocketAddr>,
    ready: Vec<Sent>,
}

impl RelayHost {
    /// The user name it knows.
    pub const USER: &'static str = "user";
    /// The password of that user.
    pub const PASSWORD: &'static str = "password";

    /// A server that has just started.
    pub fn new(address: SocketAddr, rng: &mut Rng, now: Instant) -> Self {
        let config = Config {
            users: vec![(Self::USER.to_owned(), Self::PASSWORD.to_owned())],
            relay_ips: vec![RelayIp { bind: address.ip(), advertise: address.ip() }],
            own_ips: vec![address.ip()],
            ..Config::default()
        };
        Self {
            address,
            server: Server::new(config, rng.array(), now),
            relays: BTreeMap::new(),
            streams: BTreeSet::new(),
            closed: Vec::new(),
            ready: Vec::new(),
        }
    }

    /// The process ends and another one begins: allocations, permissions and connections are gone, nobody is told.
    pub fn restart(&mut self, rng: &mut Rng, now: Instant) {
        let closed = std::mem::take(&mut self.streams).into_iter().collect();
        *self = Self { closed, ..Self::new(self.address, rng, now) };
    }

    /// The host's address.
    pub const fn ip(&self) -> IpAddr {
        self.address.ip()
    }

    /// Whether this is one of its relayed addresses.
    pub fn is_relayed(&self, address: SocketAddr) -> bool {
        address.ip() == self.address.ip() && address.port() != self.address.port()
    }

    /// Takes a datagram, or one message of a TCP connection.
    pub fn handle_input(
        &mut self,
        now: Instant,
        transport: Transport,
        from: SocketAddr,
        to: SocketAddr,
        bytes: &[u8],
    ) {
        // The timers come before the input, as in a driver.
        self.server.handle_timeout(now);
        let source = if to == self.address {
            if transport != Transport::Udp {
                self.streams.insert(from);
            }
            Source::Client(FiveTuple { transport, local: to, remote: from })
        } else if let Some(relay) = self.relays.get(&to) {
            Source::Peer { relay: *relay, from }
        } else {
            return;
        };
        let mut run = Run::single(bytes);
        if let Some(forward) = self.server.handle_input(now, source, &mut run) {
            self.forward(&forward, bytes);
        }
        self.collect(now);
    }

    /// The TCP connection of this client has ended.
    pub fn client_closed(&mut self, now: Instant, client: SocketAddr) {
        self.streams.remove(&client);
        let client = FiveTuple { transport: Transport::Tcp, local: self.address, remote: client };
        self.server.client_closed(now, client);
        self.collect(now);
    }

    /// Lets time pass.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.server.handle_timeout(now);
        self.collect(now);
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.server.poll_timeout()
    }

    /// Everything it wants to send, in order.
    pub fn take_sent(&mut self) -> Vec<Sent> {
        std::mem::take(&mut self.ready)
    }

    /// The clients whose TCP connections it has closed.
    pub fn take_closed(&mut self) -> Vec<SocketAddr> {
        std::mem::take(&mut self.closed)
    }

    fn forward(&mut self, forward: &Forward, input: &[u8]) {
        let datagram = &input[forward.bytes.clone()];
        let bytes = [&*forward.header, &datagram[forward.strip..], &[0; 3][..forward.pad]].concat();
        let (transport, from, to) = match forward.to {
            Destination::Client(client) => (client.transport, self.address, client.remote),
            Destination::Peer { relay, to } => {
                let Some((from, _)) = self.relays.iter().find(|(_, other)| **other == relay) else { return };
                (Transport::Udp, *from, to)
            }
        };
        self.ready.push(Sent { transport, from, to, bytes });
    }

    fn collect(&mut self, now: Instant) {
        let mut buf = [0; 1500];
        while let Some(event) = self.server.poll_event() {
            match event {
                Event::OpenRelay { relay, at, .. } => {
                    self.relays.insert(at, relay);
                    self.server.relay_opened(now, relay, Ok(at));
                }
                Event::CloseRelay { relay } => self.relays.retain(|_, other| *other != relay),
                Event::CloseClient { client } => {
                    self.streams.remove(&client.remote);
                    self.closed.push(client.remote);
                }
                Event::Connect { .. }
                | Event::Bind { .. }
                | Event::CloseConnection { .. }
                | Event::Allocated { .. }
                | Event::Released { .. } => {}
            }
        }
        while let Some(transmit) = self.server.poll_transmit(now, &mut buf) {
            let bytes = buf[..transmit.len].to_vec();
            self.ready.push(Sent {
                transport: transmit.transport,
                from: transmit.from,
                to: transmit.to,
                bytes,
            });
        }
    }
}

impl std::fmt::Debug for RelayHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RelayHost").field("relays", &self.relays).finish_non_exhaustive()
    }
}
