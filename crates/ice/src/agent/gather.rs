//! Server-reflexive candidates: a Binding request from each base to each server (RFC 8445 §5.1.1.2), and the
//! mappings kept alive until a pair is nominated (§11).

use super::output::Out;
use super::{Agent, Timer};
use crate::{CandidateKind, Protocol};
use std::net::SocketAddr;
use stun::attribute::{MappedAddress, XorMappedAddress};
use stun::{Class, Message, Retransmission, Step, Transaction, TransactionId};
use wire::Instant;

/// Of the servers in the configuration, this many are used.
const MAX_SERVERS: usize = 8;

/// One base and one server.
pub(super) struct Gather {
    pub(super) local: u32,
    pub(super) base: SocketAddr,
    pub(super) server: SocketAddr,
    pub(super) state: GatherState,
}

pub(super) enum GatherState {
    Waiting,
    /// Under way until it is answered, or until the deadline.
    InProgress(TransactionId, Transaction, Instant),
    /// It was answered, and the mapping is worth keeping.
    Mapped,
    /// It was not answered, or there is no NAT in between.
    Over,
}

impl Agent {
    /// Plans requests from a host base to the servers of its family.
    pub(super) fn ask_servers(&mut self, local: u32) {
        if self.config.lite {
            return;
        }
        let Some(base) = self.locals.get(&local).map(|c| c.base) else { return };
        let reaches = |ip: std::net::IpAddr| ip.is_ipv4() == base.is_ipv4() && !is_link_local(base);
        let servers: Vec<SocketAddr> = self
            .config
            .stun_servers
            .iter()
            .take(MAX_SERVERS)
            .copied()
            .filter(|server| reaches(server.ip()) && server.ip().is_loopback() == base.ip().is_loopback())
            .collect();
        for server in servers {
            let id = self.next_id();
            self.gathers.insert(id, Gather { local, base, server, state: GatherState::Waiting });
        }
    }

    /// A restart gathers again: mappings may have changed, and all candidates are told anew.
    pub(super) fn gather_again(&mut self, _now: Instant) {
        for (id, _) in std::mem::take(&mut self.gathers) {
            self.timers.set(Timer::Gather(id), None);
            self.timers.set(Timer::Keepalive(id), None);
        }
        self.locals.retain(|_, candidate| candidate.is_base());
        for pair in self.pairs.values_mut() {
            pair.seen_as = None;
        }
        let bases: Vec<u32> = self.locals.keys().copied().collect();
        for id in bases {
            self.tell_local(id);
            let asks = self
                .locals
                .get(&id)
                .is_some_and(|c| c.kind == CandidateKind::Host && c.protocol == Protocol::Udp);
            if asks {
                self.ask_servers(id);
            }
        }
    }

    pub(super) fn is_gathering(&self) -> bool {
        let busy = |g: &Gather| matches!(g.state, GatherState::Waiting | GatherState::InProgress(..));
        self.gathers.values().any(busy)
    }

    pub(super) fn next_gather(&self) -> Option<u32> {
        let waiting = |g: &&Gather| matches!(g.state, GatherState::Waiting);
        self.gathers.iter().find(|(_, g)| waiting(g)).map(|(id, _)| *id)
    }

    pub(super) fn start_gather(&mut self, now: Instant, id: u32) {
        let outstanding = self.gathers.len();
        let timing = self.timing(outstanding);
        let Some(gather) = self.gathers.get_mut(&id) else { return };
        let transaction = Transaction::new(now, timing, false);
        let deadline = now + self.config.gathering_timeout;
        gather.state = GatherState::InProgress(TransactionId(self.rng.array()), transaction, deadline);
        self.timers.set(Timer::Gather(id), Some(transaction.poll_timeout().min(deadline)));
        self.push_out(Out::Gather(id));
    }

    /// RFC 8445 §14.3: the more transactions, the longer each waits.
    pub(super) fn timing(&self, transactions: usize) -> Retransmission {
        let transactions = u32::try_from(transactions).unwrap_or(u32::MAX);
        let rto = self.config.rto.max(self.config.pacing.saturating_mul(transactions));
        Retransmission { rto, count: self.config.retransmissions.max(1), ..Retransmission::default() }
    }

    pub(super) fn handle_gather_timeout(&mut self, now: Instant, id: u32) {
        let Some(gather) = self.gathers.get_mut(&id) else { return };
        let GatherState::InProgress(_, transaction, deadline) = &mut gather.state else { return };
        if now >= *deadline {
            gather.state = GatherState::Over;
            return;
        }
        match transaction.handle_timeout(now) {
            Some(Step::Retransmit) => {
                self.timers.set(Timer::Gather(id), Some(transaction.poll_timeout().min(*deadline)));
                self.push_out(Out::Gather(id));
            }
            Some(Step::TimedOut) => gather.state = GatherState::Over,
            None => self.timers.set(Timer::Gather(id), Some(transaction.poll_timeout().min(*deadline))),
        }
    }

    pub(super) fn keep_alive(&mut self, now: Instant, id: u32) {
        if !self.concluded && self.gathers.contains_key(&id) {
            self.push_out(Out::Keepalive(id));
            self.timers.set(Timer::Keepalive(id), Some(now + self.config.keepalive));
        }
    }

    /// The request of ours to a server that this answers.
    pub(super) fn gather_answered_by(
        &self,
        local: SocketAddr,
        server: SocketAddr,
        id: TransactionId,
    ) -> Option<u32> {
        let asked = |g: &&Gather| {
            let GatherState::InProgress(asked, ..) = g.state else { return false };
            asked == id && g.base == local && g.server == server
        };
        self.gathers.iter().find(|(_, g)| asked(g)).map(|(id, _)| *id)
    }

    pub(super) fn handle_gathered(&mut self, now: Instant, id: u32, message: &Message<'_>) {
        self.timers.set(Timer::Gather(id), None);
        let Some(gather) = self.gathers.get_mut(&id) else { return };
        gather.state = GatherState::Over;
        if message.class() != Class::Success {
            return;
        }
        self.stats.responses_received += 1;
        let xored = message.get().ok().flatten().map(|XorMappedAddress(address)| address);
        let plain = || message.get().ok().flatten().map(|MappedAddress(address)| address);
        let Some(mapped) = xored.or_else(plain) else { return };
        let (local, server) = (gather.local, gather.server.ip());
        let known = self.locals.len();
        let kind = CandidateKind::ServerReflexive;
        let Some(candidate) = self.insert_reflexive(local, kind, mapped, Some(server)) else { return };
        if self.locals.len() > known {
            self.tell_local(candidate);
        }
        if candidate != local {
            if let Some(gather) = self.gathers.get_mut(&id) {
                gather.state = GatherState::Mapped;
            }
            self.timers.set(Timer::Keepalive(id), Some(now + self.config.keepalive));
        }
    }

    /// Once a pair is nominated, other mappings need not live (RFC 8445 §8.3).
    pub(super) fn free_mappings(&mut self) {
        let ids: Vec<u32> = self.gathers.keys().copied().collect();
        for id in ids {
            self.timers.set(Timer::Keepalive(id), None);
        }
    }
}

pub(super) fn is_link_local(address: SocketAddr) -> bool {
    match address {
        SocketAddr::V4(v4) => v4.ip().is_link_local(),
        SocketAddr::V6(v6) => v6.ip().is_unicast_link_local(),
    }
}
