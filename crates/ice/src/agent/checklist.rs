//! Pairs: formed, pruned, bounded, frozen and thawed (RFC 8445 §6.1.2, RFC 8838 §12), and which one is checked
//! next (RFC 8445 §6.1.4.2).

use super::gather::is_link_local;
use super::local::LocalCandidate;
use super::pair::{CheckedPair, Counters};
use super::remote::RemoteCandidate;
use super::{Agent, Timer};
use crate::{CandidateKind, PairState, Protocol, Role};
use std::collections::{BTreeSet, VecDeque};
use wire::Instant;

/// Whether a check from `local` can reach `remote` at all.
fn matches(local: &LocalCandidate, remote: &RemoteCandidate) -> bool {
    let (from, to) = (local.base, remote.address);
    let streams = match (local.protocol, local.tcp_type, remote.tcp_type) {
        (Protocol::Udp, _, _) => true,
        (Protocol::Tcp, Some(ours), Some(theirs)) => ours.connects_to(theirs),
        (Protocol::Tcp, _, _) => false,
    };
    local.protocol == remote.protocol
        && from.is_ipv4() == to.is_ipv4()
        // RFC 8445 §6.1.2.2: link-local goes with link-local; and no peer sends us to our own loopback.
        && (from.is_ipv4() || is_link_local(from) == is_link_local(to))
        && from.ip().is_loopback() == to.ip().is_loopback()
        && streams
}

impl Agent {
    /// Pairs a new candidate of ours with all of the peer's.
    pub(super) fn pair_local(&mut self, local: u32) {
        let generation = self.current.generation;
        let remotes: Vec<u32> =
            self.remotes.iter().filter(|(_, r)| r.generation == generation).map(|(id, _)| *id).collect();
        for remote in remotes {
            self.form(local, remote);
        }
    }

    /// Pairs a new candidate of the peer with all of ours.
    pub(super) fn pair_remote(&mut self, remote: u32) {
        let locals: Vec<u32> = self.locals.iter().filter(|(_, c)| c.is_base()).map(|(id, _)| *id).collect();
        for local in locals {
            self.form(local, remote);
        }
    }

    fn form(&mut self, local: u32, remote: u32) {
        // An ICE-lite agent makes no checks: its pairs come from the peer's, unless both are lite.
        let wanted = !self.config.lite || self.is_peer_lite();
        let fits = match (self.locals.get(&local), self.remotes.get(&remote)) {
            (Some(local), Some(remote)) => matches(local, remote),
            (_, _) => false,
        };
        if wanted && fits && self.pair_of(local, remote).is_none() {
            self.insert_pair(local, remote);
        }
    }

    pub(super) fn pair_of(&self, local: u32, remote: u32) -> Option<u32> {
        self.pairs.iter().find(|(_, p)| p.local == local && p.remote == remote).map(|(id, _)| *id)
    }

    /// A new pair; `None` when there are too many better ones.
    pub(super) fn insert_pair(&mut self, local_id: u32, remote_id: u32) -> Option<u32> {
        let (local, remote) = (self.locals.get(&local_id)?, self.remotes.get(&remote_id)?);
        let priority = crate::priority::pair(self.role, local.priority, remote.priority);
        let foundation = (local.foundation, remote.group);
        let relayed = local.kind == CandidateKind::Relayed || remote.kind == CandidateKind::Relayed;
        let (protocol, base, to) = (local.protocol, local.base, remote.address);
        if self.pairs.len() >= self.config.max_pairs && !self.evict_pair(priority) {
            self.stats.dropped.full += 1;
            return None;
        }
        let state = self.first_state(foundation);
        let id = self.next_id();
        let pair = CheckedPair {
            generation: self.current.generation,
            local: local_id,
            remote: remote_id,
            protocol,
            base,
            to,
            priority,
            foundation,
            relayed,
            state,
            check: None,
            older: VecDeque::new(),
            seen_as: None,
            valid_since: None,
            nominating: false,
            nominated: None,
            asked: None,
            last_request: None,
            carried: 0,
            counters: Counters::default(),
        };
        self.pairs.insert(id, Box::new(pair));
        self.failed = false;
        Some(id)
    }

    /// RFC 8838 §12: a new pair may be checked unless one of its foundation still has to show whether that is
    /// worth it.
    fn first_state(&self, foundation: (u32, u32)) -> PairState {
        let mut same = self.current_pairs().filter(|pair| pair.foundation == foundation).peekable();
        let first = same.peek().is_none();
        if first || same.any(|pair| pair.is_valid()) { PairState::Waiting } else { PairState::Frozen }
    }

    /// Above the limit the lowest priority goes (RFC 8445 §6.1.2.5), what has failed before all else.
    fn evict_pair(&mut self, priority: u64) -> bool {
        let spared = |id: u32, pair: &CheckedPair| {
            let selected = self.selected.is_some_and(|(selected, _)| selected == id);
            selected || pair.nominated.is_some() || pair.nominating || pair.asked.is_some()
        };
        let victim = self
            .pairs
            .iter()
            .filter(|(id, pair)| !spared(**id, pair))
            .map(|(id, pair)| (pair.state != PairState::Failed, pair.priority, *id))
            .min();
        match victim {
            Some((active, lowest, id)) if !active || lowest < priority => {
                self.remove_pairs(&BTreeSet::from([id]));
                true
            }
            Some(_) | None => false,
        }
    }

    pub(super) fn current_pairs(&self) -> impl Iterator<Item = &CheckedPair> {
        let generation = self.current.generation;
        self.pairs.values().map(|pair| &**pair).filter(move |pair| pair.generation == generation)
    }

    /// A check has succeeded: so will others of its foundation (RFC 8445 §7.2.5.3.3).
    pub(super) fn thaw(&mut self, foundation: (u32, u32)) {
        let generation = self.current.generation;
        let same = |p: &&mut Box<CheckedPair>| p.generation == generation && p.foundation == foundation;
        for pair in self.pairs.values_mut().filter(same) {
            if pair.state == PairState::Frozen {
                pair.state = PairState::Waiting;
            }
        }
    }

    /// Puts a pair into the triggered-check queue, `first` in it or last.
    pub(super) fn trigger(&mut self, id: u32, first: bool) {
        self.triggered.retain(|queued| !first || *queued != id);
        if first {
            self.triggered.push_front(id);
        } else if !self.triggered.contains(&id) {
            self.triggered.push_back(id);
        }
    }

    /// Starts what may start now: one check and one request to a server per Ta, so that gathering does not
    /// hold checks up; together they stay within RFC 8445 §14.2, which allows one per 5 ms.
    pub(super) fn start_transactions(&mut self, now: Instant) {
        while !self.timers.is_set(Timer::Pace) {
            let Some(pair) = self.next_check() else { break };
            self.start_check(now, pair);
            self.timers.set(Timer::Pace, Some(now + self.config.pacing));
        }
        while !self.timers.is_set(Timer::PaceGather) {
            let Some(gather) = self.next_gather() else { break };
            self.start_gather(now, gather);
            self.timers.set(Timer::PaceGather, Some(now + self.config.pacing));
        }
    }

    fn next_check(&mut self) -> Option<u32> {
        self.next_triggered().or_else(|| self.next_ordinary())
    }

    fn next_triggered(&mut self) -> Option<u32> {
        if self.current.remote.is_none() || self.config.lite {
            return None;
        }
        loop {
            let id = self.triggered.pop_front()?;
            let Some(pair) = self.pairs.get(&id) else { continue };
            if pair.nominating || !pair.is_valid() {
                return Some(id);
            }
        }
    }

    /// The best pair that waits, or else the best frozen one of a foundation that nothing is known of.
    fn next_ordinary(&mut self) -> Option<u32> {
        if self.current.remote.is_none() || self.config.lite {
            return None;
        }
        let generation = self.current.generation;
        let wanted = |pair: &CheckedPair| pair.generation == generation && self.is_worth_checking(pair);
        let best = |state: PairState| {
            let of_state = self.pairs.iter().filter(|(_, pair)| pair.state == state && wanted(pair));
            of_state.max_by_key(|(id, pair)| (pair.priority, std::cmp::Reverse(**id)))
        };
        if let Some((id, _)) = best(PairState::Waiting) {
            return Some(*id);
        }
        let busy: BTreeSet<(u32, u32)> = self
            .current_pairs()
            .filter(|pair| matches!(pair.state, PairState::Waiting | PairState::InProgress))
            .map(|pair| pair.foundation)
            .collect();
        self.pairs
            .iter()
            .filter(|(_, pair)| {
                pair.state == PairState::Frozen && wanted(pair) && !busy.contains(&pair.foundation)
            })
            .max_by_key(|(id, pair)| (pair.priority, std::cmp::Reverse(**id)))
            .map(|(id, _)| *id)
    }

    /// After a nomination only better pairs are of interest, and only where they may still win: a controlled
    /// agent lets a peer nominate aggressively, a controlling one renominates.
    fn is_worth_checking(&self, pair: &CheckedPair) -> bool {
        if !self.concluded {
            return true;
        }
        let may_win = self.role == Role::Controlled || self.config.renomination;
        let selected = self.selected.and_then(|(id, _)| self.pairs.get(&id));
        may_win && selected.is_some_and(|selected| pair.priority > selected.priority)
    }

    /// Nothing works any more over the selected pair: all pairs are checked anew.
    pub(super) fn check_again(&mut self) {
        let generation = self.current.generation;
        self.concluded = false;
        self.triggered.clear();
        let ids: Vec<u32> =
            self.pairs.iter().filter(|(_, p)| p.generation == generation).map(|(id, _)| *id).collect();
        for id in ids {
            self.timers.set(Timer::Check(id), None);
            let Some(pair) = self.pairs.get_mut(&id) else { continue };
            pair.cancel_check();
            pair.state = PairState::Waiting;
            pair.nominating = false;
            pair.nominated = None;
            pair.valid_since = None;
        }
    }
}
