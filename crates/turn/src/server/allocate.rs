//! Allocate (RFC 8656 §7, RFC 6062 §5.1, RFC 8016 §3.1).
//!
//! The request is classified into what is wanted; then relay sockets are asked for; when the driver has opened
//! them all, the client hears. The allocation exists meanwhile, in the state `Opening`, so that nothing is
//! granted twice.

use super::allocation::{Allocation, Opening, State, slot};
use super::auth::optional;
use super::relays::{Owner, Parity, Relay};
use super::reply::{Reply, Request};
use super::{Server, Timer};
use crate::{Event, OpenError, RelayId, RelayKind};
use std::net::SocketAddr;
use std::time::Duration;
use stun::Message;
use stun::attribute::{
    AdditionalAddressFamily, AddressErrorCode, AddressFamily, DontFragment, ErrorCode, EvenPort, Lifetime,
    MobilityTicket, RequestedAddressFamily, RequestedTransport, ReservationToken, XorRelayedAddress,
};
use wire::{Instant, Transport};

/// How many ports are tried when others hold them.
const MAX_ATTEMPTS: u32 = 16;
/// Events that may wait for the driver; more work is refused.
const MAX_EVENTS: usize = 1 << 14;

/// What an Allocate asks for.
struct Wanted {
    kind: RelayKind,
    families: Families,
    even: Option<EvenPort>,
    token: Option<u64>,
    lifetime: Duration,
    mobile: bool,
}

enum Families {
    One(AddressFamily),
    Both,
}

impl Server {
    pub(super) fn handle_allocate(
        &mut self,
        now: Instant,
        request: &Request<'_>,
    ) -> Result<(), ErrorCode<'static>> {
        if let Some(index) = self.find(&request.client) {
            return self.handle_repeated(now, index, request);
        }
        if request.identity.expired {
            return Err(ErrorCode::UNAUTHENTICATED);
        }
        let wanted = self.classify(&request.message, request.client.transport)?;
        let full = self.allocations.len() >= self.config.max_allocations || self.events.len() >= MAX_EVENTS;
        if full || self.draining {
            return Err(ErrorCode::INSUFFICIENT_CAPACITY);
        }
        let limit = self.config.allocations_per_user;
        let user = self.users.acquire(now, &request.identity.name, limit);
        let user = user.ok_or(ErrorCode::ALLOCATION_QUOTA_REACHED)?;
        let opening = Opening {
            reply: request.reply.clone(),
            attempts: 0,
            even: wanted.even.is_some(),
            reserve: wanted.even.is_some_and(|even| even.reserve),
            twin: None,
        };
        let expires = now + wanted.lifetime;
        let mut allocation = Allocation::new(now, request.client, user, wanted.kind, opening, expires);
        allocation.moves = wanted.mobile.then_some(0);
        let index = self.allocations.insert(allocation);
        self.clients.insert(&request.client, index);
        self.timers.change(Timer::Allocation(index), None, Some(expires));
        let begun = match wanted.token {
            Some(token) => self.take_reservation(now, index, token, &request.identity.name),
            None => self.open_relays(index, &wanted),
        };
        // The client is told by the caller.
        begun.inspect_err(|_| self.release(now, index, false))
    }

    /// An Allocate on a 5-tuple that has an allocation: the same request again, or a mistake.
    fn handle_repeated(
        &mut self,
        now: Instant,
        index: u32,
        request: &Request<'_>,
    ) -> Result<(), ErrorCode<'static>> {
        let Some(allocation) = self.allocations.get(index) else { return Err(ErrorCode::SERVER_ERROR) };
        if allocation.transaction != request.message.transaction_id() {
            return Err(ErrorCode::ALLOCATION_MISMATCH);
        }
        match allocation.state {
            State::Opening(_) => {}
            State::Live => self.grant(now, index, &request.reply),
        }
        Ok(())
    }

    /// Checks in the order of RFC 8656 §7.2.
    fn classify(&self, message: &Message<'_>, transport: Transport) -> Result<Wanted, ErrorCode<'static>> {
        let RequestedTransport(protocol) = optional(message)?.ok_or(ErrorCode::BAD_REQUEST)?;
        let even = optional::<EvenPort>(message)?;
        let token = optional::<ReservationToken>(message)?.map(|ReservationToken(token)| token);
        let requested = optional::<RequestedAddressFamily>(message)?;
        let additional = optional::<AdditionalAddressFamily>(message)?;
        let kind = match protocol {
            17 => RelayKind::Udp,
            6 if self.config.tcp_relay => RelayKind::TcpListener,
            _ => return Err(ErrorCode::UNSUPPORTED_TRANSPORT),
        };
        let reserve = even.is_some_and(|even| even.reserve);
        if token.is_some() && (even.is_some() || requested.is_some() || additional.is_some())
            || requested.is_some() && additional.is_some()
            || additional.is_some() && reserve
        {
            return Err(ErrorCode::BAD_REQUEST);
        }
        if kind == RelayKind::TcpListener {
            // RFC 6062 §5.1: over a stream only, and none of what concerns datagrams.
            let datagram = message.has::<DontFragment>() || even.is_some() || token.is_some();
            if transport == Transport::Udp || datagram {
                return Err(ErrorCode::BAD_REQUEST);
            }
        }
        let families = match (requested, additional) {
            (Some(family), _) => {
                Families::One(family.family().ok_or(ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED)?)
            }
            (None, Some(AdditionalAddressFamily(2))) => Families::Both,
            (None, Some(_)) => return Err(ErrorCode::BAD_REQUEST),
            (None, None) => Families::One(AddressFamily::V4),
        };
        let mobile = message.has::<MobilityTicket<'_>>();
        if mobile && !self.config.mobility {
            return Err(ErrorCode::MOBILITY_FORBIDDEN);
        }
        let lifetime = self.lifetime(optional::<Lifetime>(message)?);
        Ok(Wanted { kind, families, even, token, lifetime, mobile })
    }

    /// The lifetime given for one asked (RFC 8656 §7.2): never below the default, nor above the maximum.
    pub(super) fn lifetime(&self, asked: Option<Lifetime>) -> Duration {
        let asked = asked.map_or(Duration::ZERO, |Lifetime(seconds)| Duration::from_secs(seconds.into()));
        asked.clamp(self.config.default_lifetime, self.config.max_lifetime)
    }

    fn open_relays(&mut self, index: u32, wanted: &Wanted) -> Result<(), ErrorCode<'static>> {
        let supported = |server: &Self, family| server.ports[slot(family)].is_some();
        let parity = match wanted.even {
            None => Parity::Any,
            Some(EvenPort { reserve: false }) => Parity::Even,
            Some(EvenPort { reserve: true }) => Parity::EvenPair,
        };
        match wanted.families {
            Families::One(family) => {
                if !supported(self, family) {
                    return Err(ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED);
                }
                let opened = self.open_relay(Owner::Allocation(index), family, wanted.kind, parity);
                if opened { Ok(()) } else { Err(ErrorCode::INSUFFICIENT_CAPACITY) }
            }
            Families::Both => {
                let mut any = false;
                for family in [AddressFamily::V4, AddressFamily::V6] {
                    let opened = self.open_relay(Owner::Allocation(index), family, wanted.kind, parity);
                    any |= opened;
                    if let (false, Some(allocation)) = (opened, self.allocations.get_mut(index)) {
                        allocation.missing = Some(family);
                    }
                }
                if any { Ok(()) } else { Err(ErrorCode::INSUFFICIENT_CAPACITY) }
            }
        }
    }

    /// Gives a reserved port, already open, to its taker (RFC 8656 §7.2). A token is good for the user that
    /// got it.
    fn take_reservation(
        &mut self,
        now: Instant,
        index: u32,
        token: u64,
        user: &str,
    ) -> Result<(), ErrorCode<'static>> {
        let ours = self.reservations.get(&token).is_some_and(|reservation| *reservation.user == *user);
        let reservation = if ours { self.reservations.remove(&token) } else { None };
        let reservation = reservation.ok_or(ErrorCode::INSUFFICIENT_CAPACITY)?;
        self.timers.change(Timer::Reservation(token), Some(reservation.expires), None);
        let (Some(relay), Some(allocation)) =
            (self.relays.get_mut(reservation.relay), self.allocations.get_mut(index))
        else {
            return Err(ErrorCode::INSUFFICIENT_CAPACITY);
        };
        relay.owner = Owner::Allocation(index);
        allocation.relays[slot(relay.family)] = Some(reservation.relay);
        self.finish_if_open(now, index);
        Ok(())
    }

    /// See [`Server::relay_opened`].
    pub(super) fn handle_opened(
        &mut self,
        now: Instant,
        relay: RelayId,
        result: Result<SocketAddr, OpenError>,
    ) {
        let Some(relay) = self.relays.find(relay.0) else { return };
        let Some(entry) = self.relays.get_mut(relay) else { return };
        let (owner, port, family, kind) = (entry.owner, entry.port, entry.family, entry.kind);
        let index = match owner {
            Owner::Allocation(index) | Owner::Twin(index) => index,
            Owner::Reservation(_) => return,
        };
        match result {
            Ok(_) => {
                entry.open = true;
                self.handle_port_open(now, index, relay);
            }
            Err(error) => {
                self.forget_relay(relay);
                self.handle_port_refused(now, index, (owner, port, family, kind), error);
            }
        }
    }

    fn handle_port_open(&mut self, now: Instant, index: u32, relay: u32) {
        let Some(Relay { port, family, kind, owner, .. }) = self.relays.get(relay) else { return };
        let (port, family, kind, owner) = (*port, *family, *kind, *owner);
        let Some(allocation) = self.allocations.get_mut(index) else { return };
        let State::Opening(opening) = &mut allocation.state else { return };
        let reserve = opening.reserve;
        match owner {
            Owner::Allocation(_) if reserve => {
                // The next port must be free on the host as well before the pair is ours.
                if !self.open_relay(Owner::Twin(index), family, kind, Parity::Exactly(port + 1)) {
                    self.refuse(now, index);
                }
            }
            Owner::Twin(_) => {
                opening.twin = None;
                let token = self.rng.next_u64();
                let user = self.users.name(allocation.user).into();
                let expires = now + self.config.reservation_lifetime;
                allocation.token = Some(token);
                if let Some(relay) = self.relays.get_mut(relay) {
                    relay.owner = Owner::Reservation(token);
                }
                self.timers.change(Timer::Reservation(token), None, Some(expires));
                self.reservations.insert(token, Reservation { relay, user, expires });
                self.finish_if_open(now, index);
            }
            Owner::Allocation(_) | Owner::Reservation(_) => self.finish_if_open(now, index),
        }
    }

    /// A port is taken by another program: try others, then give up on its family.
    fn handle_port_refused(
        &mut self,
        now: Instant,
        index: u32,
        (owner, port, family, kind): (Owner, u16, AddressFamily, RelayKind),
        error: OpenError,
    ) {
        let Some(allocation) = self.allocations.get_mut(index) else { return };
        let State::Opening(opening) = &mut allocation.state else { return };
        opening.attempts += 1;
        let again = error == OpenError::InUse && opening.attempts < MAX_ATTEMPTS;
        let parity = match (opening.even, opening.reserve) {
            (_, true) => Parity::EvenPair,
            (true, false) => Parity::Even,
            (false, false) => Parity::Any,
        };
        opening.twin = None;
        if let Owner::Twin(_) = owner
            && let Some(first) = allocation.relays[slot(family)]
        {
            // The pair is worth nothing without its second half.
            self.close_relay(first);
        }
        // The port stays out of the choice while the next one is drawn.
        if again && self.open_relay_elsewhere(index, family, kind, parity, port) {
            return;
        }
        let Some(allocation) = self.allocations.get_mut(index) else { return };
        if allocation.relays.iter().any(Option::is_some) {
            allocation.missing = Some(family);
            self.finish_if_open(now, index);
        } else {
            self.refuse(now, index);
        }
    }

    fn open_relay_elsewhere(
        &mut self,
        index: u32,
        family: AddressFamily,
        kind: RelayKind,
        parity: Parity,
        refused: u16,
    ) -> bool {
        if let Some(ports) = &mut self.ports[slot(family)] {
            ports.avoid(refused);
        }
        self.open_relay(Owner::Allocation(index), family, kind, parity)
    }

    /// An allocation that cannot be had: 508.
    fn refuse(&mut self, now: Instant, index: u32) {
        let reply = match self.allocations.get(index).map(|a| &a.state) {
            Some(State::Opening(opening)) => opening.reply.clone(),
            Some(State::Live) | None => return,
        };
        self.release(now, index, false);
        self.fail(&reply, ErrorCode::INSUFFICIENT_CAPACITY);
    }

    /// When all its sockets are open, the allocation lives and the client hears.
    fn finish_if_open(&mut self, now: Instant, index: u32) {
        let Some(allocation) = self.allocations.get_mut(index) else { return };
        let relays = &self.relays;
        let open = |relay: &u32| relays.get(*relay).is_some_and(|relay| relay.open);
        if !allocation.relays.iter().flatten().all(open) {
            return;
        }
        let State::Opening(opening) = std::mem::replace(&mut allocation.state, State::Live) else { return };
        let (client, user) = (allocation.client, allocation.user);
        // The lifetime counts from now: opening sockets takes the driver a moment.
        let lifetime = allocation.expires.saturating_since(allocation.created);
        let first = allocation.relays.iter().flatten().next().copied();
        self.stats.allocated += 1;
        self.stats.allocations += 1;
        if let Some(relayed) = first.and_then(|relay| self.advertised(relay)) {
            let user = self.users.name(user).into();
            self.events.push_back(Event::Allocated { user, client, relayed });
        }
        self.extend(now, index, lifetime);
        self.grant(now, index, &opening.reply);
    }

    /// The success response (RFC 8656 §7.3), the same one for a repeated request.
    fn grant(&mut self, now: Instant, index: u32, reply: &Reply) {
        let Some(allocation) = self.allocations.get(index) else { return };
        let relayed = allocation.relays.map(|relay| relay.and_then(|relay| self.advertised(relay)));
        let seconds = allocation.expires.saturating_since(now).as_secs();
        let lifetime = Lifetime(u32::try_from(seconds).unwrap_or(u32::MAX));
        let (token, missing) = (allocation.token, allocation.missing);
        let ticket = self.ticket(index);
        let mapped = reply.mapped();
        self.succeed(reply, |w| {
            for relayed in relayed.into_iter().flatten() {
                w.put(&XorRelayedAddress(relayed))?;
            }
            if let Some(family) = missing {
                let error = ErrorCode::INSUFFICIENT_CAPACITY;
                w.put(&AddressErrorCode { family, error })?;
            }
            w.put(&lifetime)?;
            if let Some(token) = token {
                w.put(&ReservationToken(token))?;
            }
            w.put(&mapped)?;
            ticket.map_or(Ok(()), |ticket| w.put(&MobilityTicket(&ticket)))
        });
    }

    /// Ends an allocation and all that hangs on it.
    pub(super) fn release(&mut self, now: Instant, index: u32, tell: bool) {
        let Some(allocation) = self.allocations.get_mut(index) else { return };
        let (live, twin) = match &allocation.state {
            State::Live => (true, None),
            State::Opening(opening) => (false, opening.twin),
        };
        let (relays, connections) = (allocation.relays, std::mem::take(&mut allocation.connections));
        for relay in relays.into_iter().chain([twin]).flatten() {
            self.close_relay(relay);
        }
        for connection in connections {
            self.close_connection(connection);
        }
        let Some(allocation) = self.allocations.remove(index) else { return };
        self.clients.remove(&allocation.client, index);
        self.timers.change(Timer::Allocation(index), Some(allocation.expires), None);
        if live {
            self.stats.allocations -= 1;
            self.events.push_back(Event::Released {
                user: self.users.name(allocation.user).into(),
                client: allocation.client,
                received: allocation.received,
                sent: allocation.sent,
                duration: now.saturating_since(allocation.created),
            });
            if tell && allocation.is_stream() {
                self.events.push_back(Event::CloseClient { client: allocation.client });
            }
        }
        self.users.release(allocation.user);
    }
}

/// A port that waits for its taker.
pub(super) struct Reservation {
    pub(super) relay: u32,
    pub(super) user: Box<str>,
    pub(super) expires: Instant,
}
