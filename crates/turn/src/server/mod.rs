//! The server machine. Requests are checked and answered here and in the file of their method; `data` passes
//! payload on.

mod allocate;
mod allocation;
mod auth;
mod binding;
mod data;
mod filter;
mod outbox;
mod permission;
mod rate;
mod refresh;
mod relays;
mod reply;
mod slab;
mod table;
mod tcp;
mod users;

use crate::timers::Timers;
use crate::{Config, ConnectionId, Event, FiveTuple, Forward, OpenError, RelayId, Run, Source, Stats};
use allocate::Reservation;
use allocation::{Allocation, State, slot};
use auth::Auth;
use crypto::HmacSha256;
use filter::Filter;
pub use filter::is_public;
use outbox::Outbox;
use rate::RateLimit;
use relays::{Ports, Relay};
use reply::{Reply, Request};
use slab::Slab;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use stun::attribute::{AddressFamily, ErrorCode, Fingerprint, Icmp, XorPeerAddress};
use stun::{Class, Message, Method};
use table::Table;
use tcp::Connection;
use users::Users;
use wire::{Instant, Rng, Transmit, Transport};

/// What can become due.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Timer {
    /// An allocation's lifetime, by its index.
    Allocation(u32),
    /// A reserved port's, by its token.
    Reservation(u64),
    /// The wait for a ConnectionBind, by the connection.
    Connection(u32),
}

/// A STUN and TURN server for the sockets of one thread.
///
/// Every call is legal at any time. What strangers send is counted in [`Stats`] and dropped, or answered within
/// a rate; it never makes the machine grow. Queued answers are bounded at 1 MiB; what does not fit is dropped
/// and counted, and the client asks again.
pub struct Server {
    config: Config,
    rng: Rng,
    stats: Stats,
    auth: Auth,
    ticket_key: HmacSha256,
    filter: Filter,
    rate: RateLimit,
    users: Users,
    clients: Table,
    allocations: Slab<Allocation>,
    relays: Slab<Relay>,
    /// By address family, where the server relays.
    ports: [Option<Ports>; 2],
    reservations: BTreeMap<u64, Reservation>,
    connections: BTreeMap<u32, Connection>,
    timers: Timers<Timer>,
    outbox: Outbox,
    events: VecDeque<Event>,
    draining: bool,
}

impl Server {
    /// A server at `now`. `seed` is operating-system entropy in a program; the same seed and the same calls
    /// give the same answers.
    ///
    /// # Panics
    /// If [`Config::validate`] says that the configuration is wrong.
    pub fn new(config: Config, seed: [u8; 32], _now: Instant) -> Self {
        config.validate().expect("the configuration was validated");
        let mut rng = Rng::new(seed);
        let mut ports = [None, None];
        for ip in &config.relay_ips {
            ports[slot(AddressFamily::of(ip.bind))] = Some(Ports::new(*ip, &config.relay_ports));
        }
        Self {
            auth: Auth::new(&config, &mut rng),
            ticket_key: HmacSha256::new(&rng.array::<32>()),
            filter: Filter::new(&config),
            rate: RateLimit::new(config.unauthenticated_rate, &mut rng),
            users: Users::new(config.bandwidth_per_user),
            clients: Table::new(&mut rng),
            stats: Stats::default(),
            allocations: Slab::new(),
            relays: Slab::new(),
            ports,
            reservations: BTreeMap::new(),
            connections: BTreeMap::new(),
            timers: Timers::new(),
            outbox: Outbox::default(),
            events: VecDeque::new(),
            draining: false,
            rng,
            config,
        }
    }

    /// Consumes at least one datagram of the run. `Some`: pass these bytes on. `None`: it was for the machine
    /// itself, or was dropped and counted. A stream client's input is exactly one message as
    /// [`frame::next`](crate::frame::next) cuts them.
    pub fn handle_input(&mut self, now: Instant, source: Source, run: &mut Run<'_>) -> Option<Forward> {
        match source {
            Source::Peer { relay, from } => self.handle_peer(now, relay, from, run),
            Source::Client(client) => {
                let datagram = run.datagram(run.position());
                match datagram {
                    [0x40..=0x7f, ..] => self.handle_channel_data(now, &client, run),
                    [0..=3, ..] => self.handle_stun(now, &client, datagram, run),
                    [4..=0x3f | 0x80..=0xff, ..] | [] => {
                        self.stats.dropped.malformed += 1;
                        run.advance_to(run.position() + datagram.len().max(1));
                        None
                    }
                }
            }
        }
    }

    /// Lets time pass: call when [`poll_timeout`](Self::poll_timeout) says so.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.take_due(now) {
            match timer {
                Timer::Allocation(index) => self.release(now, index, true),
                Timer::Reservation(token) => {
                    if let Some(reservation) = self.reservations.remove(&token) {
                        self.close_relay(reservation.relay);
                    }
                }
                Timer::Connection(id) => self.close_connection(id),
            }
        }
    }

    /// Writes the next response or indication into `buf`. 1,500 bytes are always enough; what does not fit is
    /// lost.
    pub fn poll_transmit(&mut self, _now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        self.outbox.pop(buf)
    }

    /// What the driver must do next.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout); `None`: nothing is scheduled.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Answers [`Event::OpenRelay`] with the address the socket is bound to.
    pub fn relay_opened(&mut self, now: Instant, relay: RelayId, result: Result<SocketAddr, OpenError>) {
        self.handle_opened(now, relay, result);
    }

    /// A client's stream ended: its allocation goes with it, unless it may move (RFC 8656 §3.1, RFC 8016).
    pub fn client_closed(&mut self, now: Instant, client: FiveTuple) {
        let Some(index) = self.find(&client) else { return };
        let mobile = self.allocations.get(index).is_some_and(|a| a.moves.is_some()) && self.is_live(index);
        if !mobile {
            self.release(now, index, false);
        }
    }

    /// Answers [`Event::Connect`].
    pub fn peer_connected(&mut self, now: Instant, connection: ConnectionId, ok: bool) {
        self.handle_connected(now, connection.0, ok);
    }

    /// A peer connected to the listener of a TCP allocation. `None`: it is not permitted, close it.
    pub fn peer_accepted(&mut self, now: Instant, relay: RelayId, from: SocketAddr) -> Option<ConnectionId> {
        self.handle_accepted(now, relay, from)
    }

    /// A peer connection, or the client stream spliced to it, ended.
    pub fn connection_closed(&mut self, _now: Instant, connection: ConnectionId) {
        self.forget_connection(connection.0);
    }

    /// An ICMP error came for something a relay sent to `peer`: type, code, and the MTU of "fragmentation
    /// needed" or zero. The client hears of it in a Data indication (RFC 8656 §11.5).
    pub fn peer_unreachable(&mut self, now: Instant, relay: RelayId, peer: SocketAddr, icmp: (u8, u8, u32)) {
        let owner = self.relays.find(relay.0).and_then(|relay| self.relays.get(relay)?.allocation());
        let Some(allocation) = owner.and_then(|index| self.allocations.get(index)) else { return };
        let (kind, code, data) = icmp;
        // Types above 127 are no errors: the attribute has no room for them.
        if kind > 0x7f || !allocation.permits(now, peer.ip()) {
            return;
        }
        let client = allocation.client;
        self.indicate(&client, Method::DATA, |w| {
            w.put(&XorPeerAddress(peer))?;
            w.put(&Icmp { kind, code, data })
        });
    }

    /// The wall clock, for the expiry of time-limited credentials. Call at the start and each minute or so:
    /// before the first call no time-limited credentials are accepted.
    pub fn set_time(&mut self, now: Instant, unix_seconds: u64) {
        self.auth.set_time(now, unix_seconds);
    }

    /// No new allocations from now on (508); those that exist go on.
    pub fn set_draining(&mut self, _now: Instant) {
        self.draining = true;
    }

    /// Counters since the start.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    fn handle_stun(
        &mut self,
        now: Instant,
        client: &FiveTuple,
        datagram: &[u8],
        run: &mut Run<'_>,
    ) -> Option<Forward> {
        let next = run.position() + datagram.len();
        let message = match Message::parse(datagram) {
            Ok(message) if message.check_fingerprint() != Fingerprint::Invalid => message,
            Ok(_) | Err(_) => {
                self.stats.dropped.malformed += 1;
                run.advance_to(next);
                return None;
            }
        };
        match message.class() {
            Class::Indication if message.method() == Method::SEND => {
                return self.handle_send(now, client, &message, run);
            }
            Class::Request => self.handle_request(now, *client, message),
            // Binding indications keep a mapping alive (RFC 8489 §2); nobody answers our indications.
            Class::Indication | Class::Success | Class::Error => {}
        }
        run.advance_to(next);
        None
    }

    fn handle_request(&mut self, now: Instant, client: FiveTuple, message: Message<'_>) {
        if message.method() == Method::BINDING {
            if self.may_answer(now, &client) {
                self.handle_binding(&client, &message);
            }
            return;
        }
        let request = match self.auth.check(now, client, message) {
            Ok(request) => request,
            Err(error) => return self.challenge(now, client, &message, error),
        };
        if let Some(unknown) = message.unknown_required() {
            return self.fail_with(&request.reply, ErrorCode::UNKNOWN_ATTRIBUTE, |w| w.put(&unknown));
        }
        let done = match message.method() {
            Method::ALLOCATE => self.handle_allocate(now, &request),
            Method::REFRESH => self.handle_refresh(now, &request),
            Method::CREATE_PERMISSION => self.handle_create_permission(now, &request),
            Method::CHANNEL_BIND => self.handle_channel_bind(now, &request),
            Method::CONNECT => self.handle_connect(now, &request),
            Method::CONNECTION_BIND => self.handle_connection_bind(&request),
            _ => Err(ErrorCode::BAD_REQUEST),
        };
        if let Err(error) = done {
            self.refuse_request(now, &request, error);
        }
    }

    fn refuse_request(&mut self, now: Instant, request: &Request<'_>, error: ErrorCode<'static>) {
        if error == ErrorCode::UNAUTHENTICATED {
            // Credentials whose time is over: the client needs new ones, and the nonce to use them with.
            return self.challenge(now, request.client, &request.message, error);
        }
        self.fail(&request.reply, error);
    }

    /// Tells a stranger what is wrong, in few bytes and not too often.
    fn challenge(
        &mut self,
        now: Instant,
        client: FiveTuple,
        message: &Message<'_>,
        error: ErrorCode<'static>,
    ) {
        if !self.may_answer(now, &client) {
            return;
        }
        self.stats.error_responses += 1;
        let reply = Reply::to(client, message);
        let mut buf = [0; 512];
        let write = |buf: &mut [u8]| {
            let mut w = stun::Writer::new(buf, Class::Error, reply.method, reply.id)?;
            w.put(&error)?;
            if error == ErrorCode::UNAUTHENTICATED || error == ErrorCode::STALE_NONCE {
                self.auth.challenge(now, &client, &mut w)?;
            }
            if reply.fingerprint {
                w.put_fingerprint()?;
            }
            Ok::<usize, wire::Short>(w.len())
        };
        let len = write(&mut buf).expect("a realm has 127 bytes at most");
        if !self.outbox.push(&client, &buf[..len]) {
            self.stats.dropped.queue += 1;
        }
    }

    /// Whether a stranger is answered. A stream's address cannot be forged, so only datagrams are counted.
    fn may_answer(&mut self, now: Instant, client: &FiveTuple) -> bool {
        let allowed = client.transport != Transport::Udp || self.rate.allows(now, client.remote.ip());
        self.stats.dropped.rate += u64::from(!allowed);
        allowed
    }

    /// The allocation of a client, live or not yet.
    fn find(&self, client: &FiveTuple) -> Option<u32> {
        self.clients.find(client, |index| self.allocations.get(index).is_some_and(|a| a.client == *client))
    }

    fn is_live(&self, index: u32) -> bool {
        self.allocations.get(index).is_some_and(|a| matches!(a.state, State::Live))
    }
}

impl std::fmt::Debug for Server {
    /// Says how much there is, and none of the keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("config", &self.config)
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}
