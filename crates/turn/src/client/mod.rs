//! The client machine: one allocation, its permissions and channels, kept alive.

mod requests;

use crate::timers::Timers;
use requests::{Credentials, Pending};
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use stun::attribute::{AddressFamily, Data, Icmp, XorPeerAddress};
use stun::{Class, Message, Method, Retransmission, TransactionId, Writer};
use wire::{Fragments, Instant, Rng, Transmit, Transport};

/// How to reach a server, and as whom. `Default` has the timing of the RFCs and no credentials.
#[derive(Clone)]
pub struct ClientConfig {
    /// What carries the messages.
    pub transport: Transport,
    /// Our address.
    pub local: SocketAddr,
    /// The server.
    pub server: SocketAddr,
    /// The user name.
    pub username: String,
    /// The password.
    pub password: String,
    /// The family of the relayed transport address (RFC 8656 §7.1).
    pub family: AddressFamily,
    /// The lifetime asked for (600 s).
    pub lifetime: Duration,
    /// Ask for a ticket, so that the allocation may move (RFC 8016).
    pub mobility: bool,
    /// The timing of requests.
    pub timing: Retransmission,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            transport: Transport::Udp,
            local: ([0, 0, 0, 0], 0).into(),
            server: ([0, 0, 0, 0], 0).into(),
            username: String::new(),
            password: String::new(),
            family: AddressFamily::V4,
            lifetime: Duration::from_secs(600),
            mobility: false,
            timing: Retransmission::default(),
        }
    }
}

impl std::fmt::Debug for ClientConfig {
    /// Leaves the password out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientConfig")
            .field("transport", &self.transport)
            .field("local", &self.local)
            .field("server", &self.server)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// What happened to the allocation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientEvent {
    /// It exists.
    Allocated {
        /// The relayed transport address, for peers to send to.
        relayed: SocketAddr,
        /// Our address as the server sees it.
        mapped: SocketAddr,
    },
    /// Data may go to and come from this address, whatever the port.
    Permitted(IpAddr),
    /// The server refuses this peer, with this error code.
    Refused(IpAddr, u16),
    /// Data to and from this peer has a channel, that is, 4 bytes of overhead.
    Bound(SocketAddr),
    /// An ICMP error came back for what was sent to this peer.
    Unreachable(SocketAddr, Icmp),
    /// It is gone: the machine does nothing any more.
    Closed(Closed),
}

/// Why an allocation is gone, or never was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Closed {
    /// [`Client::close`] was called, and the server agrees or is silent.
    Requested,
    /// The server does not answer.
    TimedOut,
    /// The server says no, with this error code.
    Rejected(u16),
}

/// Why a verb does nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rejected {
    /// It is not the time for it: there is no allocation, or already one.
    WrongState,
    /// There are 256 permissions or channels already.
    Full,
}

/// Why data cannot be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SendError {
    /// There is no allocation.
    NotAllocated,
    /// The peer has no permission: call [`Client::permit`] and wait for [`ClientEvent::Permitted`].
    NotPermitted,
    /// The message does not fit the buffer.
    TooLong,
}

/// Data that came from a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Received<'a> {
    /// The peer.
    pub from: SocketAddr,
    /// What it sent.
    pub data: &'a [u8],
}

const MAX_PEERS: usize = 256;
/// Before the end of its lifetime a thing is refreshed by this much (RFC 8656 §8.1: about one minute).
const MARGIN: Duration = Duration::from_secs(60);
const PERMISSION_REFRESH: Duration = Duration::from_secs(240);

enum State {
    Idle,
    Allocating,
    Live,
    Closing,
    Closed,
}

/// What can become due.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Timer {
    Request(TransactionId),
    Refresh,
    Permission(IpAddr),
    Channel(SocketAddr),
}

struct Permission {
    granted: bool,
    due: Option<Instant>,
}

struct Channel {
    number: u16,
    bound: bool,
    due: Option<Instant>,
}

/// One allocation on a server.
pub struct Client {
    config: ClientConfig,
    rng: Rng,
    state: State,
    credentials: Option<Credentials>,
    pending: BTreeMap<TransactionId, Pending>,
    /// Requests whose bytes are to be sent, in order.
    queue: VecDeque<TransactionId>,
    permissions: BTreeMap<IpAddr, Permission>,
    channels: BTreeMap<SocketAddr, Channel>,
    numbers: BTreeMap<u16, SocketAddr>,
    refresh_due: Option<Instant>,
    ticket: Vec<u8>,
    timers: Timers<Timer>,
    events: VecDeque<ClientEvent>,
}

impl Client {
    /// A client that has asked for nothing yet.
    pub fn new(config: ClientConfig, seed: [u8; 32], _now: Instant) -> Self {
        Self {
            config,
            rng: Rng::new(seed),
            state: State::Idle,
            credentials: None,
            pending: BTreeMap::new(),
            queue: VecDeque::new(),
            permissions: BTreeMap::new(),
            channels: BTreeMap::new(),
            numbers: BTreeMap::new(),
            refresh_due: None,
            ticket: Vec::new(),
            timers: Timers::new(),
            events: VecDeque::new(),
        }
    }

    /// Takes one datagram, or one framed message of a stream, from the server. `Some`: data from a peer.
    pub fn handle_input<'a>(&mut self, now: Instant, bytes: &'a [u8]) -> Option<Received<'a>> {
        if let [0x40..=0x7f, ..] = bytes {
            return self.handle_channel_data(bytes);
        }
        let message = Message::parse(bytes).ok()?;
        match (message.class(), message.method()) {
            (Class::Indication, Method::DATA) => return self.handle_data(&message),
            (Class::Success | Class::Error, _) => self.handle_response(now, &message),
            (Class::Indication | Class::Request, _) => {}
        }
        None
    }

    /// Lets time pass.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.take_due(now) {
            match timer {
                Timer::Request(id) => self.handle_request_timeout(now, id),
                Timer::Refresh => {
                    self.refresh_due = None;
                    self.request_refresh(now, self.config.lifetime);
                }
                Timer::Permission(ip) => {
                    if let Some(permission) = self.permissions.get_mut(&ip) {
                        permission.due = None;
                        self.request_permission(now, ip);
                    }
                }
                Timer::Channel(peer) => {
                    if let Some(channel) = self.channels.get_mut(&peer) {
                        channel.due = None;
                        let number = channel.number;
                        self.request_channel(now, peer, number);
                    }
                }
            }
        }
    }

    /// Writes the next request into `buf` (1,500 bytes are enough).
    pub fn poll_transmit(&mut self, _now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        loop {
            let id = self.queue.pop_front()?;
            let Some(pending) = self.pending.get(&id) else { continue };
            let Some(part) = buf.get_mut(..pending.bytes.len()) else { continue };
            part.copy_from_slice(&pending.bytes);
            let len = pending.bytes.len();
            return Some(self.transmit(len));
        }
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Asks for the allocation.
    pub fn allocate(&mut self, now: Instant) -> Result<(), Rejected> {
        match self.state {
            State::Idle => {
                self.state = State::Allocating;
                self.request_allocate(now);
                Ok(())
            }
            State::Allocating | State::Live | State::Closing | State::Closed => Err(Rejected::WrongState),
        }
    }

    /// Asks that data may go to and come from `ip`, and keeps asking until the end.
    pub fn permit(&mut self, now: Instant, ip: IpAddr) -> Result<(), Rejected> {
        self.check_live()?;
        if self.permissions.contains_key(&ip) {
            return Ok(());
        }
        if self.permissions.len() >= MAX_PEERS {
            return Err(Rejected::Full);
        }
        self.permissions.insert(ip, Permission { granted: false, due: None });
        self.request_permission(now, ip);
        Ok(())
    }

    /// Asks for a channel to `peer`, which permits its address too.
    pub fn bind(&mut self, now: Instant, peer: SocketAddr) -> Result<(), Rejected> {
        self.check_live()?;
        if self.channels.contains_key(&peer) {
            return Ok(());
        }
        if self.channels.len() >= MAX_PEERS {
            return Err(Rejected::Full);
        }
        let taken = |number: &u16| self.numbers.contains_key(number);
        // A number is not used again for another peer until five minutes after its end (RFC 8656 §12): never.
        let number = (0x4000..=0x4fffu16).find(|number| !taken(number)).ok_or(Rejected::Full)?;
        self.numbers.insert(number, peer);
        self.channels.insert(peer, Channel { number, bound: false, due: None });
        self.request_channel(now, peer, number);
        Ok(())
    }

    /// Writes a message that carries `data` to `peer` into `buf`: 4 bytes longer with a channel, 36 or 48
    /// without; padded to a multiple of 4.
    pub fn send(
        &mut self,
        _now: Instant,
        peer: SocketAddr,
        data: &[u8],
        buf: &mut [u8],
    ) -> Result<Transmit, SendError> {
        if !matches!(self.state, State::Live) {
            return Err(SendError::NotAllocated);
        }
        let len = match self.channels.get(&peer).filter(|channel| channel.bound) {
            Some(channel) => {
                let mut w = wire::Writer::new(buf);
                let write = |w: &mut wire::Writer<'_>| {
                    w.u16(channel.number)?;
                    w.u16(u16::try_from(data.len()).map_err(|_| wire::Short)?)?;
                    w.put(data)?;
                    if self.config.transport == Transport::Udp { Ok(()) } else { w.pad_to(4) }
                };
                write(&mut w).map_err(|_| SendError::TooLong)?;
                w.len()
            }
            None => {
                if !self.permissions.get(&peer.ip()).is_some_and(|permission| permission.granted) {
                    return Err(SendError::NotPermitted);
                }
                let id = TransactionId(self.rng.array());
                let write = |buf: &mut [u8]| {
                    let mut w = Writer::new(buf, Class::Indication, Method::SEND, id)?;
                    w.put(&XorPeerAddress(peer))?;
                    w.put(&Data(data))?;
                    Ok::<usize, wire::Short>(w.len())
                };
                write(buf).map_err(|_| SendError::TooLong)?
            }
        };
        Ok(self.transmit(len))
    }

    /// Asks now whether the allocation still exists, because nothing comes through it any more: a server that has
    /// started anew says no, and then [`ClientEvent::Closed`] follows. Does nothing while that is being asked.
    ///
    /// # Errors
    /// There is no allocation.
    pub fn refresh(&mut self, now: Instant) -> Result<(), Rejected> {
        self.check_live()?;
        if !self.is_refreshing() {
            self.timers.change(Timer::Refresh, self.refresh_due.take(), None);
            self.request_refresh(now, self.config.lifetime);
        }
        Ok(())
    }

    /// Gives the allocation back.
    pub fn close(&mut self, now: Instant) {
        match self.state {
            State::Live => {
                self.state = State::Closing;
                self.pending.clear();
                self.timers.clear();
                self.request_refresh(now, Duration::ZERO);
            }
            State::Idle | State::Allocating => self.end(Closed::Requested),
            State::Closing | State::Closed => {}
        }
    }

    /// Our address has changed: takes the allocation along with its ticket (RFC 8016).
    pub fn move_to(&mut self, now: Instant, local: SocketAddr) -> Result<(), Rejected> {
        self.check_live()?;
        if self.ticket.is_empty() {
            return Err(Rejected::WrongState);
        }
        self.config.local = local;
        self.request_refresh(now, self.config.lifetime);
        Ok(())
    }

    fn check_live(&self) -> Result<(), Rejected> {
        if matches!(self.state, State::Live) { Ok(()) } else { Err(Rejected::WrongState) }
    }

    fn transmit(&self, len: usize) -> Transmit {
        let ClientConfig { transport, local, server, .. } = self.config;
        Transmit { transport, from: local, to: server, len, segment_size: None, fragments: Fragments::Usual }
    }

    fn handle_channel_data<'a>(&mut self, bytes: &'a [u8]) -> Option<Received<'a>> {
        let (head, rest) = bytes.split_first_chunk::<4>()?;
        let from = *self.numbers.get(&u16::from_be_bytes([head[0], head[1]]))?;
        let len = usize::from(u16::from_be_bytes([head[2], head[3]]));
        Some(Received { from, data: rest.get(..len)? })
    }

    fn handle_data<'a>(&mut self, message: &Message<'a>) -> Option<Received<'a>> {
        let XorPeerAddress(from) = message.get().ok()??;
        if let Ok(Some(icmp)) = message.get::<Icmp>() {
            self.push_event(ClientEvent::Unreachable(from, icmp));
            return None;
        }
        let Data(data) = message.get().ok()??;
        Some(Received { from, data })
    }

    /// Events wait for the caller; of those that the network can make without end, 1,000 at most.
    fn push_event(&mut self, event: ClientEvent) {
        if self.events.len() < 1000 {
            self.events.push_back(event);
        }
    }

    fn end(&mut self, reason: Closed) {
        self.state = State::Closed;
        self.pending.clear();
        self.queue.clear();
        self.timers.clear();
        self.events.push_back(ClientEvent::Closed(reason));
    }
}

impl std::fmt::Debug for Client {
    /// Says nothing of the keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("config", &self.config).finish_non_exhaustive()
    }
}
