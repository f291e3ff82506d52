//! A pair of candidates and the checks on it.

use super::input::Path;
use crate::{PairState, PairStats, Protocol, Role};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;
use stun::{Transaction, TransactionId};
use wire::Instant;

/// Requests whose answer still counts although a newer one was sent.
const MAX_OLDER: usize = 8;

/// What a request is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    /// To find out whether the pair works: sent again until it is answered.
    Check,
    /// To keep consent fresh: sent once.
    Consent,
    /// To carry a datagram of DTLS along with a check: sent once.
    Carrier,
}

/// A request that was sent on a pair.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) id: TransactionId,
    /// When it was last written to the wire.
    pub(super) at: Instant,
    /// How often it was written: the round trip of one that was sent twice is not known (Karn).
    pub(super) times: u32,
    /// The role it speaks of.
    pub(super) role: Role,
    /// It nominates, with this number in NOMINATION.
    pub(super) nominate: Option<u32>,
    /// What it is for.
    pub(super) purpose: Purpose,
}

/// Counters of [`PairStats`].
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Counters {
    pub(super) requests_sent: u64,
    pub(super) requests_received: u64,
    pub(super) responses_sent: u64,
    pub(super) responses_received: u64,
    pub(super) consent_requests_sent: u64,
    pub(super) current_round_trip_time: Option<Duration>,
    pub(super) total_round_trip_time: Duration,
}

pub(super) struct CheckedPair {
    pub(super) generation: u32,
    pub(super) local: u32,
    pub(super) remote: u32,
    pub(super) protocol: Protocol,
    /// Where we send from.
    pub(super) base: SocketAddr,
    /// Where we send to.
    pub(super) to: SocketAddr,
    pub(super) priority: u64,
    /// The foundations of both sides.
    pub(super) foundation: (u32, u32),
    pub(super) relayed: bool,
    pub(super) state: PairState,
    /// The check under way, and its timer.
    pub(super) check: Option<(Sent, Transaction)>,
    pub(super) older: VecDeque<Sent>,
    /// The candidate of ours that the peer's answer has shown.
    pub(super) seen_as: Option<u32>,
    pub(super) valid_since: Option<Instant>,
    /// We are about to nominate it, or wait for the answer to that.
    pub(super) nominating: bool,
    /// It is nominated, and valid.
    pub(super) nominated: Option<u32>,
    /// The peer has nominated it; counts once it is valid (RFC 8445 §7.3.1.5).
    pub(super) asked: Option<u32>,
    pub(super) last_request: Option<Instant>,
    /// The flight of DTLS that its checks have carried, of those that [`Agent::embed`](super::Agent::embed) was given.
    pub(super) carried: u32,
    pub(super) counters: Counters,
}

impl CheckedPair {
    pub(super) const fn is_active(&self) -> bool {
        matches!(self.state, PairState::Frozen | PairState::Waiting | PairState::InProgress)
    }

    pub(super) const fn is_valid(&self) -> bool {
        matches!(self.state, PairState::Succeeded)
    }

    /// The way that its messages take.
    pub(super) const fn path(&self) -> Path {
        Path { protocol: self.protocol, local: self.base, remote: self.to }
    }

    /// Whether messages of this path are of this pair.
    pub(super) fn is_on(&self, path: Path) -> bool {
        self.protocol == path.protocol && self.base == path.local && self.to == path.remote
    }

    /// Whether a TCP connection may be open for it.
    pub(super) const fn is_connected_stream(&self) -> bool {
        let used = self.counters.requests_sent + self.counters.requests_received > 0;
        matches!(self.protocol, Protocol::Tcp) && used
    }

    /// Remembers a request whose answer still counts.
    pub(super) fn keep(&mut self, sent: Sent) {
        if self.older.len() >= MAX_OLDER {
            self.older.pop_front();
        }
        self.older.push_back(sent);
    }

    /// Stops sending the check under way again; a late answer still counts.
    pub(super) fn cancel_check(&mut self) {
        if let Some((sent, _)) = self.check.take() {
            self.keep(sent);
        }
    }

    /// Forgets every request under way.
    pub(super) fn forget_checks(&mut self) {
        self.check = None;
        self.older.clear();
    }

    /// The request with this id.
    pub(super) fn sent_mut(&mut self, id: TransactionId) -> Option<&mut Sent> {
        let check = self.check.as_mut().map(|(sent, _)| sent).filter(|sent| sent.id == id);
        check.or_else(|| self.older.iter_mut().find(|sent| sent.id == id))
    }

    /// Takes the request with this id out: its answer has come.
    pub(super) fn take_sent(&mut self, id: TransactionId) -> Option<Sent> {
        if let Some((sent, _)) = self.check.take_if(|(sent, _)| sent.id == id) {
            return Some(sent);
        }
        let at = self.older.iter().position(|sent| sent.id == id)?;
        self.older.remove(at)
    }

    pub(super) const fn stats(&self, id: u32, selected: bool) -> PairStats {
        let counters = &self.counters;
        PairStats {
            id,
            local_id: match self.seen_as {
                Some(local) => local,
                None => self.local,
            },
            remote_id: self.remote,
            state: self.state,
            nominated: self.nominated.is_some(),
            selected,
            priority: self.priority,
            requests_sent: counters.requests_sent,
            requests_received: counters.requests_received,
            responses_sent: counters.responses_sent,
            responses_received: counters.responses_received,
            consent_requests_sent: counters.consent_requests_sent,
            current_round_trip_time: counters.current_round_trip_time,
            total_round_trip_time: counters.total_round_trip_time,
        }
    }
}
