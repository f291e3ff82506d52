//! One peer and its sockets on the caller's thread.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use net::{Clock, Inbox, Poller, Socket, Waker};
use peer::{Event, Local, Peer, Received};
use wire::{Fragments, Instant, Transmit, Transport};

use crate::mdns::Lookups;
use crate::relays::{News, Relays};
use crate::streams::{self, Streams};
use crate::{Options, addresses};

/// Bytes of a run to be sent.
const BUFFER: usize = 65_536;
/// Kernel memory asked for at each socket: a window of the fastest transfers.
const SOCKET_BUFFER: u32 = 4 << 20;
/// How long a full buffer of the system is given to drain.
const DRAIN: Duration = Duration::from_millis(1);
/// Runs sent before what came in is looked at again.
const RUNS_PER_TURN: usize = 32;
/// Messages taken from one socket before the next one's turn.
const MESSAGES_PER_TURN: usize = 32;

/// A peer, its sockets and a clock, driven by whoever calls [`Driver::turn`]. A program that wants no thread of its
/// own for a connection uses this; others a [`crate::Connection`].
pub struct Driver {
    /// The peer. Verbs take [`Driver::now`].
    pub peer: Peer,
    clock: Clock,
    poller: Poller,
    addresses: Vec<IpAddr>,
    sockets: Vec<Socket>,
    streams: Streams,
    relays: Relays,
    inbox: Inbox,
    buffer: Box<[u8]>,
    /// A run that the system had no room for.
    waiting: Option<Transmit>,
    lookups: Lookups,
}

impl Driver {
    /// A peer with its sockets. It looks for what paths carry ([`peer::Config::probe_path`]).
    ///
    /// # Errors
    /// No address could be bound, the options allow neither UDP nor TCP, or the system is out of descriptors.
    pub fn new(mut config: peer::Config, options: &Options) -> io::Result<Self> {
        // See `dispatch`: what must not be cut is not.
        config.probe_path = true;
        if !options.udp && options.tcp == crate::Tcp::Off {
            let why = "the options allow neither UDP nor TCP: set `udp`, or `tcp` to Active or Passive";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let found = if options.addresses.is_empty() { addresses::of_this_machine()? } else { Vec::new() };
        let addresses = if found.is_empty() { options.addresses.clone() } else { found };
        let clock = Clock::start();
        let mut peer = Peer::new(config, crypto::random(), clock.now())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        peer.set_wall_clock(clock.now(), net::unix_time());
        let poller = Poller::new()?;
        let sockets = if options.udp { bind(&addresses, options.port)? } else { Vec::new() };
        for (key, socket) in (0..).zip(&sockets) {
            poller.add(socket, key)?;
            peer.add_local_address(clock.now(), Local::host(socket.local()));
        }
        let (streams, locals) = Streams::open(options.tcp, &addresses, &poller)?;
        for local in locals {
            peer.add_local_address(clock.now(), local);
        }
        peer.end_of_local_addresses(clock.now());
        let (inbox, buffer) = (Inbox::new(), vec![0; BUFFER].into_boxed_slice());
        let relays = Relays::new(poller.waker(), options.tls.clone());
        let lookups = Lookups::new();
        let waiting = None;
        Ok(Self { peer, clock, poller, addresses, sockets, streams, relays, inbox, buffer, waiting, lookups })
    }

    /// The time by this driver's clock.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// What ends the wait of [`Driver::turn`] from another thread.
    pub fn waker(&self) -> Waker {
        self.poller.waker()
    }

    /// Sends what is to be sent, waits until something comes in, a deadline passes, the waker rings or `patience` is
    /// over, and takes what came. Events are the caller's to poll from the peer.
    ///
    /// # Errors
    /// What the system says about waiting; trouble with one datagram is no error.
    pub fn turn(&mut self, patience: Option<Duration>) -> io::Result<()> {
        let more = self.send();
        let now = self.clock.now();
        let due = self.peer.poll_timeout().map(|at| at.saturating_since(now));
        let strangers = self.streams.poll_timeout().map(|at| at.saturating_since(now));
        let waits = [patience, due, strangers, more.then_some(Duration::ZERO), self.waiting.map(|_| DRAIN)];
        self.poller.wait(waits.into_iter().flatten().min())?;
        self.receive();
        self.receive_relayed();
        let now = self.clock.now();
        self.streams.handle_timeout(now);
        while let Some((local, remote)) = self.streams.poll_failed() {
            self.peer.stream_failed(now, local, remote);
        }
        while let Some((name, ip)) = self.lookups.poll() {
            self.peer.resolved(now, &name, ip);
        }
        if self.peer.poll_timeout().is_some_and(|at| at <= now) {
            self.peer.handle_timeout(now);
        }
        Ok(())
    }

    /// Sends what a closed peer still has to say, and ends its TCP connections, which may take a fifth of a second.
    ///
    /// # Errors
    /// What the system says about waiting.
    pub fn finish(&mut self) -> io::Result<()> {
        self.turn(Some(Duration::ZERO))?;
        self.streams.finish();
        Ok(())
    }

    /// Sends a bounded number of runs. True if there may be more.
    fn send(&mut self) -> bool {
        if let Some(transmit) = self.waiting.take()
            && !self.dispatch(transmit)
        {
            return false;
        }
        let now = self.clock.now();
        for _ in 0..RUNS_PER_TURN {
            let Some(transmit) = self.peer.poll_transmit(now, &mut self.buffer) else { return false };
            if !self.dispatch(transmit) {
                return false;
            }
        }
        true
    }

    /// False if the system has no room now.
    fn dispatch(&mut self, transmit: Transmit) -> bool {
        if transmit.transport == Transport::Tcp && self.streams.own(transmit.from) {
            let message = &self.buffer[..transmit.len];
            self.streams.send(transmit.from, transmit.to, message, &self.poller);
            return true;
        }
        if transmit.transport != Transport::Udp {
            self.relays.send(transmit.from, transmit.to, &self.buffer[..transmit.len]);
            return true;
        }
        let Some(socket) = self.sockets.iter().find(|socket| socket.local() == transmit.from) else {
            return true;
        };
        let bytes = &self.buffer[..transmit.len];
        let sent = if transmit.fragments == Fragments::Usual {
            socket.send(transmit.to, bytes, transmit.segment_size.unwrap_or(transmit.len))
        } else {
            socket.send_alone(transmit.to, bytes, transmit.fragments)
        };
        match sent {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.waiting = Some(transmit);
                false
            }
            Err(error) if transmit.fragments == Fragments::Never && net::is_too_long(&error) => {
                self.peer.probe_refused(self.clock.now());
                true
            }
            // No way to that address: as good as lost on the way.
            Ok(()) | Err(_) => true,
        }
    }

    fn receive(&mut self) {
        for index in 0..self.poller.len() {
            let Some(key) = self.poller.ready(index) else { continue };
            if key >= streams::FIRST_KEY {
                self.receive_streamed(key);
                continue;
            }
            let socket = usize::try_from(key).ok().and_then(|key| self.sockets.get(key));
            let Some(socket) = socket else { continue };
            // An error of the socket is an ICMP answer to something sent: ICE notices by itself.
            let slots = self.inbox.receive(socket, MESSAGES_PER_TURN).unwrap_or(0..0);
            let now = self.clock.now();
            for slot in slots {
                let message = self.inbox.message(slot);
                let received = Received {
                    transport: Transport::Udp,
                    local: socket.local(),
                    remote: message.from,
                    segment: message.segment,
                };
                self.peer.handle_input(now, received, self.inbox.bytes_mut(slot));
            }
            self.inbox.clear();
        }
    }

    fn receive_streamed(&mut self, key: u64) {
        let now = self.clock.now();
        let peer = &mut self.peer;
        self.streams.ready(now, key, &self.poller, &mut |local, remote, message| {
            let received = Received { transport: Transport::Tcp, local, remote, segment: message.len() };
            peer.handle_input(now, received, message);
        });
    }

    fn receive_relayed(&mut self) {
        while let Some((news, local, remote)) = self.relays.poll() {
            let now = self.clock.now();
            match news {
                News::Connected(relay, local) => self.peer.relay_connected(now, relay, local),
                News::Failed(relay) => self.peer.relay_failed(now, relay),
                News::Messages(relay, mut messages) => {
                    let transport = self.peer.relay_transport(relay);
                    let mut rest = &mut messages[..];
                    while let Ok(Some(len)) = turn::frame::next(rest) {
                        let (message, tail) = rest.split_at_mut(len);
                        self.peer.handle_input(
                            now,
                            Received { transport, local, remote, segment: len },
                            message,
                        );
                        rest = tail;
                    }
                }
            }
        }
    }

    fn look_up(&mut self, name: &str) -> bool {
        let networks = self.addresses.iter().filter_map(|ip| match ip {
            IpAddr::V4(ip) => Some(*ip),
            IpAddr::V6(_) => None,
        });
        self.lookups.begin(name, networks.collect(), self.poller.waker())
    }

    /// The next event, after having done what an event asks the driver for.
    pub fn poll_event(&mut self) -> Option<Event> {
        loop {
            match self.peer.poll_event()? {
                Event::ConnectRelay { relay, transport, server, name } => {
                    self.relays.connect(relay, transport, server, &name);
                }
                Event::Resolve(name) => {
                    if !self.look_up(&name) {
                        self.peer.resolved(self.clock.now(), &name, None);
                    }
                }
                Event::Disconnect { local, remote } => self.streams.disconnect(local, remote),
                event => return Some(event),
            }
        }
    }
}

/// A UDP socket at each address.
fn bind(addresses: &[IpAddr], port: u16) -> io::Result<Vec<Socket>> {
    let options = net::Options {
        receive_buffer: Some(SOCKET_BUFFER),
        send_buffer: Some(SOCKET_BUFFER),
        ..net::Options::default()
    };
    let mut sockets = Vec::new();
    let mut failure = None;
    for ip in addresses {
        // An address may vanish between listing and binding; one is enough.
        match Socket::bind(SocketAddr::new(*ip, port), &options) {
            Ok(socket) => sockets.push(socket),
            Err(error) => failure = Some(error),
        }
    }
    if sockets.is_empty() {
        return Err(failure.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into()));
    }
    Ok(sockets)
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver").field("peer", &self.peer).finish_non_exhaustive()
    }
}
