//! Candidates of ours.

use super::{Agent, Timer};
use crate::candidate::HIDDEN;
use crate::priority::{FoundationKey, candidate, local_preference, type_preference};
use crate::{Address, Candidate, CandidateKind, CandidateStats, Event, Local, LocalKind, Protocol, TcpType};
use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use wire::{Instant, Transport};

/// Why a local candidate is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LocalError {
    /// The address is unspecified, multicast, or has port 0 where a port is needed.
    Address,
    /// It was given before.
    Duplicate,
    /// There are [`Config::max_local`](crate::Config::max_local) already.
    Full,
    /// An ICE-lite agent has host candidates only (RFC 8445 §5.2).
    Lite,
    /// The agent is closed.
    Closed,
}

impl fmt::Display for LocalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address => {
                "a local candidate needs a specified unicast address and, unless active, a port: bind the \
                 socket first and give its real address"
            }
            Self::Duplicate => "this local candidate was given before",
            Self::Full => "there are `max_local` candidates already",
            Self::Lite => "an ICE-lite agent has host candidates only",
            Self::Closed => "the agent is closed",
        })
    }
}

impl std::error::Error for LocalError {}

pub(super) struct LocalCandidate {
    pub(super) kind: CandidateKind,
    pub(super) protocol: Protocol,
    pub(super) tcp_type: Option<TcpType>,
    /// Where messages leave from.
    pub(super) base: SocketAddr,
    pub(super) address: SocketAddr,
    pub(super) priority: u32,
    pub(super) preference: u16,
    pub(super) foundation: u32,
    /// How a relay is reached.
    pub(super) via: Option<Transport>,
    related: Option<SocketAddr>,
    name: Option<String>,
}

impl LocalCandidate {
    /// Whether pairs are made of it: reflexive candidates are replaced by their base (RFC 8445 §6.1.2.4).
    pub(super) const fn is_base(&self) -> bool {
        matches!(self.kind, CandidateKind::Host | CandidateKind::Relayed)
    }

    /// PRIORITY in checks from it: that of the peer-reflexive candidate the check may find (§7.1.1).
    pub(super) const fn reflexive_priority(&self) -> u32 {
        let kind = match self.kind {
            // A relay's mapping on the way to the peer is the relay itself.
            CandidateKind::Relayed => CandidateKind::Relayed,
            CandidateKind::Host | CandidateKind::ServerReflexive | CandidateKind::PeerReflexive => {
                CandidateKind::PeerReflexive
            }
        };
        candidate(type_preference(kind, self.protocol, self.via), self.preference)
    }

    pub(super) const fn stats(&self, id: u32) -> CandidateStats {
        CandidateStats {
            id,
            address: self.address,
            protocol: self.protocol,
            kind: self.kind,
            priority: self.priority,
        }
    }

    /// As the peer is to read it.
    fn told(&self, ufrag: &str) -> Candidate {
        let port = if self.tcp_type == Some(TcpType::Active) { 9 } else { self.address.port() };
        Candidate {
            foundation: self.foundation.to_string(),
            component: 1,
            protocol: self.protocol,
            priority: self.priority,
            address: self.name.clone().map_or(Address::Ip(self.address.ip()), Address::Name),
            port,
            kind: self.kind,
            related: self.related,
            tcp_type: self.tcp_type,
            ufrag: Some(ufrag.to_owned()),
            extensions: Vec::new(),
        }
    }
}

impl Agent {
    /// Adds an address of ours and tells it to the peer by [`Event::LocalCandidate`]. The STUN servers of its
    /// family are asked from each UDP host address.
    pub fn add_local(&mut self, now: Instant, local: Local) -> Result<(), LocalError> {
        if self.closed {
            return Err(LocalError::Closed);
        }
        let (kind, protocol, tcp_type) = match local.kind {
            LocalKind::Host => (CandidateKind::Host, Protocol::Udp, None),
            LocalKind::Tcp(tcp_type) => (CandidateKind::Host, Protocol::Tcp, Some(tcp_type)),
            LocalKind::Relayed { .. } => (CandidateKind::Relayed, Protocol::Udp, None),
        };
        let ip = local.address.ip();
        let needs_port = tcp_type != Some(TcpType::Active);
        if ip.is_unspecified() || ip.is_multicast() || needs_port && local.address.port() == 0 {
            return Err(LocalError::Address);
        }
        if self.config.lite && kind != CandidateKind::Host {
            return Err(LocalError::Lite);
        }
        if self.base_at(protocol, local.address).is_some() {
            return Err(LocalError::Duplicate);
        }
        if self.locals.len() >= self.config.max_local {
            return Err(LocalError::Full);
        }
        let id = self.insert_base(local, kind, protocol, tcp_type);
        self.tell_local(id);
        self.pair_local(id);
        if kind == CandidateKind::Host && protocol == Protocol::Udp {
            self.ask_servers(id);
        }
        self.settle(now);
        Ok(())
    }

    fn insert_base(
        &mut self,
        local: Local,
        kind: CandidateKind,
        protocol: Protocol,
        tcp_type: Option<TcpType>,
    ) -> u32 {
        let Local { address, kind: given, name } = local;
        let (via, server, related) = match given {
            LocalKind::Host | LocalKind::Tcp(_) => (None, None, None),
            LocalKind::Relayed { via, server, mapped } => (Some(via), Some(server.ip()), Some(mapped)),
        };
        let preference = local_preference(address.ip(), self.position_of(kind, address.ip()), tcp_type);
        let foundation =
            self.foundations.of(FoundationKey { kind, base: address.ip(), server, protocol, via });
        let id = self.next_id();
        let candidate = LocalCandidate {
            kind,
            protocol,
            tcp_type,
            base: address,
            address,
            priority: candidate(type_preference(kind, protocol, via), preference),
            preference,
            foundation,
            via,
            related,
            name,
        };
        self.locals.insert(id, Box::new(candidate));
        id
    }

    /// Which address of its family this one is: one that was given before, with another socket, keeps its place.
    fn position_of(&self, kind: CandidateKind, ip: IpAddr) -> usize {
        let mut seen = Vec::new();
        for known in self.locals.values().filter(|c| c.kind == kind && c.is_base()) {
            let known = known.address.ip();
            if known.is_ipv4() == ip.is_ipv4() && !seen.contains(&known) {
                seen.push(known);
            }
        }
        seen.iter().position(|known| *known == ip).unwrap_or(seen.len())
    }

    /// Takes an address of ours away, because its interface or its relay is gone, with everything that was
    /// found from it. If data went over it, another pair takes over, or a restart is needed.
    pub fn remove_local(&mut self, now: Instant, transport: Transport, address: SocketAddr) {
        let gone: BTreeSet<u32> = self
            .locals
            .iter()
            .filter(|(_, c)| c.protocol.transport() == transport && c.base == address)
            .map(|(id, _)| *id)
            .collect();
        if gone.is_empty() || self.closed {
            return;
        }
        self.locals.retain(|id, _| !gone.contains(id));
        let gathers: Vec<u32> =
            self.gathers.iter().filter(|(_, g)| gone.contains(&g.local)).map(|(id, _)| *id).collect();
        for id in gathers {
            self.gathers.remove(&id);
            self.timers.set(Timer::Gather(id), None);
            self.timers.set(Timer::Keepalive(id), None);
        }
        let had = self.selected.is_some();
        let doomed = self.pairs.iter().filter(|(_, p)| gone.contains(&p.local)).map(|(id, _)| *id).collect();
        self.remove_pairs(&doomed);
        if had && self.selected.is_none() {
            self.disconnected = true;
            self.check_again();
        }
        self.settle(now);
    }

    /// Says that no more local candidates will be given; gathering ends when the servers have answered. After a
    /// restart it need not be said again.
    pub fn end_of_local_candidates(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.local_done, true) {
            self.settle(now);
        }
    }

    /// The base candidate with this address.
    pub(super) fn base_at(&self, protocol: Protocol, address: SocketAddr) -> Option<u32> {
        let is_it = |c: &LocalCandidate| c.is_base() && c.protocol == protocol && c.base == address;
        self.locals.iter().find(|(_, c)| is_it(c)).map(|(id, _)| *id)
    }

    /// Adds a reflexive candidate found from a base, unless it is known; gives its number.
    pub(super) fn insert_reflexive(
        &mut self,
        base: u32,
        kind: CandidateKind,
        address: SocketAddr,
        server: Option<IpAddr>,
    ) -> Option<u32> {
        let from = self.locals.get(&base)?;
        let same = |c: &LocalCandidate| c.base == from.base && c.protocol == from.protocol;
        // Addresses from the system may have a scope that those of a message have not.
        let equal = |a: SocketAddr| a.ip() == address.ip() && a.port() == address.port();
        if let Some((id, _)) = self.locals.iter().find(|(_, c)| same(c) && equal(c.address)) {
            // A host address that is shown as a name is told as server-reflexive too, or a peer that cannot
            // look the name up could not reach it at all (mDNS draft §3.1.2.2).
            let hidden = kind == CandidateKind::ServerReflexive && *id == base && from.name.is_some();
            if !hidden {
                return Some(*id);
            }
        }
        if self.locals.len() >= self.config.max_local {
            self.stats.dropped.full += 1;
            return None;
        }
        let key =
            FoundationKey { kind, base: from.base.ip(), server, protocol: from.protocol, via: from.via };
        let hide = from.name.is_some();
        let hidden = if from.base.is_ipv4() { HIDDEN } else { ([0u16; 8], 0).into() };
        let preference = from.preference;
        let candidate = LocalCandidate {
            kind,
            protocol: from.protocol,
            tcp_type: from.tcp_type,
            base: from.base,
            address,
            priority: candidate(type_preference(kind, from.protocol, from.via), preference),
            preference,
            foundation: self.foundations.of(key),
            via: from.via,
            related: Some(if hide { hidden } else { from.base }),
            name: None,
        };
        let id = self.next_id();
        self.locals.insert(id, Box::new(candidate));
        Some(id)
    }

    pub(super) fn tell_local(&mut self, id: u32) {
        if let Some(candidate) = self.locals.get(&id) {
            let told = candidate.told(&self.current.local.ufrag);
            self.push_event(Event::LocalCandidate(Box::new(told)));
        }
    }
}
