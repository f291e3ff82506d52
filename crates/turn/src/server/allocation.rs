//! What the server keeps per allocation: as little as possible, and looked up without hashing.

use super::reply::Reply;
use crate::{FiveTuple, RelayKind};
use std::net::{IpAddr, SocketAddr};
use stun::TransactionId;
use stun::attribute::AddressFamily;
use wire::Instant;

pub(super) struct Allocation {
    pub(super) client: FiveTuple,
    pub(super) user: u32,
    pub(super) state: State,
    /// The relays by address family, as indices.
    pub(super) relays: [Option<u32>; 2],
    /// Of the Allocate that made it: the same one again gets the same answer (RFC 8656 §7.2).
    pub(super) transaction: TransactionId,
    pub(super) created: Instant,
    pub(super) expires: Instant,
    pub(super) kind: RelayKind,
    /// How often it has moved, if it may (RFC 8016).
    pub(super) moves: Option<u32>,
    /// The token of the port that was reserved with it.
    pub(super) token: Option<u64>,
    /// The family that was asked for and could not be given.
    pub(super) missing: Option<AddressFamily>,
    /// Sorted by address.
    permissions: Vec<Permission>,
    /// Sorted by number.
    channels: Vec<Channel>,
    /// The channels by their peer, sorted.
    peers: Vec<(SocketAddr, u16)>,
    /// The peer connections of a TCP allocation.
    pub(super) connections: Vec<u32>,
    pub(super) received: u64,
    pub(super) sent: u64,
}

pub(super) enum State {
    /// Relay sockets are still to be opened; then the client hears.
    Opening(Box<Opening>),
    /// The client has been told.
    Live,
}

pub(super) struct Opening {
    pub(super) reply: Reply,
    pub(super) attempts: u32,
    pub(super) even: bool,
    pub(super) reserve: bool,
    /// The relay that is to be reserved, while its socket is being opened.
    pub(super) twin: Option<u32>,
}

struct Permission {
    ip: IpAddr,
    expires: Instant,
}

struct Channel {
    number: u16,
    peer: SocketAddr,
    expires: Instant,
}

/// Why a channel cannot be bound.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BindError {
    /// The number is bound to another peer, or the peer to another number.
    Conflict,
    /// There are too many.
    Full,
}

/// The place of a family in a pair.
pub(super) const fn slot(family: AddressFamily) -> usize {
    match family {
        AddressFamily::V4 => 0,
        AddressFamily::V6 => 1,
    }
}

impl Allocation {
    pub(super) fn new(
        now: Instant,
        client: FiveTuple,
        user: u32,
        kind: RelayKind,
        opening: Opening,
        expires: Instant,
    ) -> Self {
        Self {
            client,
            user,
            transaction: opening.reply.id,
            state: State::Opening(Box::new(opening)),
            relays: [None, None],
            created: now,
            expires,
            kind,
            moves: None,
            token: None,
            missing: None,
            permissions: Vec::new(),
            channels: Vec::new(),
            peers: Vec::new(),
            connections: Vec::new(),
            received: 0,
            sent: 0,
        }
    }

    pub(super) fn relay_for(&self, ip: IpAddr) -> Option<u32> {
        self.relays[slot(AddressFamily::of(ip))]
    }

    pub(super) fn permits(&self, now: Instant, ip: IpAddr) -> bool {
        self.permissions.binary_search_by_key(&ip, |p| p.ip).is_ok_and(|i| self.permissions[i].expires > now)
    }

    /// Whether `more` permissions fit that are not there yet, after those that ran out are forgotten.
    pub(super) fn has_room(&mut self, now: Instant, more: usize, limit: usize) -> bool {
        if self.permissions.len() + more > limit {
            self.permissions.retain(|p| p.expires > now);
        }
        self.permissions.len() + more <= limit
    }

    pub(super) fn knows(&self, ip: IpAddr) -> bool {
        self.permissions.binary_search_by_key(&ip, |p| p.ip).is_ok()
    }

    pub(super) fn permit(&mut self, ip: IpAddr, expires: Instant) {
        match self.permissions.binary_search_by_key(&ip, |p| p.ip) {
            Ok(i) => self.permissions[i].expires = expires,
            Err(i) => {
                self.permissions.reserve_exact(1);
                self.permissions.insert(i, Permission { ip, expires });
            }
        }
    }

    /// The peer a channel leads to. The permission is checked apart: it lasts half as long.
    pub(super) fn channel_peer(&self, now: Instant, number: u16) -> Option<SocketAddr> {
        let i = self.channels.binary_search_by_key(&number, |c| c.number).ok()?;
        let channel = &self.channels[i];
        (channel.expires > now).then_some(channel.peer)
    }

    /// The channel that leads to a peer.
    pub(super) fn channel_of(&self, now: Instant, peer: SocketAddr) -> Option<u16> {
        let i = self.peers.binary_search_by_key(&peer, |(peer, _)| *peer).ok()?;
        let number = self.peers[i].1;
        self.channel_peer(now, number).map(|_| number)
    }

    /// Whether a channel can be bound, or bound again, to this peer (RFC 8656 §12.2).
    pub(super) fn can_bind(
        &mut self,
        now: Instant,
        number: u16,
        peer: SocketAddr,
        limit: usize,
    ) -> Result<(), BindError> {
        let bound = (self.channel_peer(now, number), self.channel_of(now, peer));
        match bound {
            (Some(p), Some(n)) if p == peer && n == number => return Ok(()),
            (None, None) => {}
            (_, _) => return Err(BindError::Conflict),
        }
        self.channels.retain(|c| c.expires > now);
        let channels = &self.channels;
        self.peers.retain(|(_, n)| channels.binary_search_by_key(n, |c| c.number).is_ok());
        if self.channels.len() < limit { Ok(()) } else { Err(BindError::Full) }
    }

    /// Binds what [`can_bind`](Self::can_bind) said can be bound.
    pub(super) fn bind(&mut self, number: u16, peer: SocketAddr, expires: Instant) {
        match self.channels.binary_search_by_key(&number, |c| c.number) {
            Ok(i) => self.channels[i].expires = expires,
            Err(i) => {
                self.channels.reserve_exact(1);
                self.channels.insert(i, Channel { number, peer, expires });
                let i = self.peers.binary_search_by_key(&peer, |(p, _)| *p).unwrap_or_else(|i| i);
                self.peers.reserve_exact(1);
                self.peers.insert(i, (peer, number));
            }
        }
    }
}
