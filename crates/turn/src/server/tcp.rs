//! TCP allocations (RFC 6062): Connect, ConnectionBind and ConnectionAttempt.

use super::reply::{Reply, Request};
use super::{Server, Timer};
use crate::{ConnectionId, Event, RelayId, RelayKind};
use std::net::SocketAddr;
use stun::Method;
use stun::attribute::{ConnectionIdentifier, ErrorCode, XorPeerAddress};
use wire::{Instant, Transport};

/// A connection between a relayed transport address and a peer.
pub(super) struct Connection {
    allocation: u32,
    peer: SocketAddr,
    state: State,
}

enum State {
    /// The driver opens it; the client of this request waits.
    Connecting(Box<Reply>),
    /// It waits for its ConnectionBind until then.
    Unbound(Instant),
    /// It is spliced to a client stream.
    Bound,
}

impl Server {
    /// Connect (RFC 6062 §5.2).
    pub(super) fn handle_connect(
        &mut self,
        _now: Instant,
        request: &Request<'_>,
    ) -> Result<(), ErrorCode<'static>> {
        let index = self.allocation_of(request)?;
        let peer = request.message.get::<XorPeerAddress>();
        let Ok(Some(XorPeerAddress(peer))) = peer else { return Err(ErrorCode::BAD_REQUEST) };
        let Some(allocation) = self.allocations.get(index) else { return Err(ErrorCode::SERVER_ERROR) };
        if allocation.kind != RelayKind::TcpListener {
            return Err(ErrorCode::BAD_REQUEST);
        }
        let relay = allocation.relay_for(peer.ip()).ok_or(ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH)?;
        if !self.may_be_peer(peer) {
            return Err(ErrorCode::FORBIDDEN);
        }
        if self.has_connection(index, peer) {
            return Err(ErrorCode::CONNECTION_ALREADY_EXISTS);
        }
        let state = State::Connecting(Box::new(request.reply.clone()));
        let connection = self.add_connection(index, peer, state).ok_or(ErrorCode::INSUFFICIENT_CAPACITY)?;
        let relay = RelayId(self.relays.name(relay));
        let to = self.bound_at(peer);
        self.events.push_back(Event::Connect { connection: ConnectionId(connection), relay, to });
        Ok(())
    }

    /// See [`Server::peer_connected`].
    pub(super) fn handle_connected(&mut self, now: Instant, connection: u32, ok: bool) {
        let expires = now + self.config.connection_lifetime;
        let Some(entry) = self.connections.get_mut(&connection) else { return };
        let State::Connecting(reply) = std::mem::replace(&mut entry.state, State::Unbound(expires)) else {
            return;
        };
        self.timers.change(Timer::Connection(connection), None, Some(expires));
        if ok {
            self.succeed(&reply, |w| w.put(&ConnectionIdentifier(connection)));
        } else {
            self.forget_connection(connection);
            self.fail(&reply, ErrorCode::CONNECTION_TIMEOUT_OR_FAILURE);
        }
    }

    /// See [`Server::peer_accepted`] (RFC 6062 §5.3).
    pub(super) fn handle_accepted(
        &mut self,
        now: Instant,
        relay: RelayId,
        from: SocketAddr,
    ) -> Option<ConnectionId> {
        let from = self.known_as(from);
        let index = self.relays.get(self.relays.find(relay.0)?)?.allocation()?;
        let allocation = self.allocations.get(index)?;
        if !self.is_live(index) || !allocation.permits(now, from.ip()) || self.has_connection(index, from) {
            self.stats.dropped.no_permission += 1;
            return None;
        }
        let client = allocation.client;
        let expires = now + self.config.connection_lifetime;
        let connection = self.add_connection(index, from, State::Unbound(expires))?;
        self.timers.change(Timer::Connection(connection), None, Some(expires));
        self.indicate(&client, Method::CONNECTION_ATTEMPT, |w| {
            w.put(&ConnectionIdentifier(connection))?;
            w.put(&XorPeerAddress(from))
        });
        Some(ConnectionId(connection))
    }

    /// ConnectionBind (RFC 6062 §5.4): arrives on a stream of its own.
    pub(super) fn handle_connection_bind(&mut self, request: &Request<'_>) -> Result<(), ErrorCode<'static>> {
        let id = request.message.get::<ConnectionIdentifier>();
        let Ok(Some(ConnectionIdentifier(id))) = id else { return Err(ErrorCode::BAD_REQUEST) };
        let stream = request.client.transport != Transport::Udp && self.find(&request.client).is_none();
        let entry = self.connections.get_mut(&id).filter(|_| stream).ok_or(ErrorCode::BAD_REQUEST)?;
        let owner = self.allocations.get(entry.allocation).ok_or(ErrorCode::BAD_REQUEST)?.user;
        if self.users.name(owner) != &*request.identity.name {
            return Err(ErrorCode::BAD_REQUEST);
        }
        let State::Unbound(expires) = entry.state else { return Err(ErrorCode::BAD_REQUEST) };
        entry.state = State::Bound;
        self.timers.change(Timer::Connection(id), Some(expires), None);
        self.succeed(&request.reply, |w| w.put(&ConnectionIdentifier(id)));
        self.events.push_back(Event::Bind { connection: ConnectionId(id), client: request.client });
        Ok(())
    }

    fn has_connection(&self, index: u32, peer: SocketAddr) -> bool {
        let connections = self.allocations.get(index).map_or(&[][..], |a| &a.connections);
        connections.iter().any(|id| self.connections.get(id).is_some_and(|c| c.peer == peer))
    }

    /// A connection under a random name; `None`: the allocation has enough.
    fn add_connection(&mut self, index: u32, peer: SocketAddr, state: State) -> Option<u32> {
        let limit = self.config.connections_per_allocation;
        let allocation = self.allocations.get_mut(index).filter(|a| a.connections.len() < limit)?;
        let id = loop {
            let id = u32::from_be_bytes(self.rng.array());
            if !self.connections.contains_key(&id) {
                break id;
            }
        };
        allocation.connections.push(id);
        self.connections.insert(id, Connection { allocation: index, peer, state });
        Some(id)
    }

    /// Forgets a connection that is closed already.
    pub(super) fn forget_connection(&mut self, id: u32) -> bool {
        let Some(connection) = self.connections.remove(&id) else { return false };
        if let State::Unbound(expires) = connection.state {
            self.timers.change(Timer::Connection(id), Some(expires), None);
        }
        if let Some(allocation) = self.allocations.get_mut(connection.allocation) {
            allocation.connections.retain(|other| *other != id);
        }
        true
    }

    /// Forgets a connection and has it closed.
    pub(super) fn close_connection(&mut self, id: u32) {
        if self.forget_connection(id) {
            self.events.push_back(Event::CloseConnection { connection: ConnectionId(id) });
        }
    }
}
