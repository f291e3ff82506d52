//! Which pair data goes over, and which one is nominated (RFC 8445 §8).
//!
//! The best valid pair carries data at once, one round trip after the start. A controlling agent nominates when
//! nothing better can come, or after a short patience. A controlled agent obeys, and of several nominations
//! takes the newest by NOMINATION, else the highest priority.

use super::pair::CheckedPair;
use super::{Agent, Timer};
use crate::{Event, Pair, PairState, Protocol, Role};
use wire::Instant;

impl Agent {
    /// Takes the best pair there is.
    pub(super) fn reselect(&mut self, now: Instant) {
        let generation = self.current.generation;
        let best = self
            .pairs
            .iter()
            .filter(|(_, pair)| pair.generation == generation && pair.is_valid())
            .filter(|(_, pair)| !self.config.lite || pair.nominated.is_some())
            .max_by_key(|(id, pair)| (self.rank(now, pair), std::cmp::Reverse(**id)))
            .map(|(id, _)| *id);
        let Some(best) = best else { return };
        let nominated = self.pairs.get(&best).is_some_and(|pair| pair.nominated.is_some());
        // After a restart data stays on the old pair until a new one is nominated.
        if self.previous.is_some() && self.selected.is_some() && !nominated {
            return;
        }
        let Some(described) = self.describe(best) else { return };
        let old = self.selected.replace((best, described));
        if old.is_none_or(|(old, _)| old != best) {
            self.push_event(Event::SelectedPair(described));
            self.start_consent(now);
            if self.previous.is_some() {
                self.drop_previous();
            }
        }
        if nominated && !self.concluded {
            self.conclude();
        } else if nominated {
            self.stop_worse_checks();
        }
    }

    fn rank(&self, now: Instant, pair: &CheckedPair) -> (bool, bool, u32, u64) {
        // A peer that was told to move, or has moved by itself, goes on checking the new pair and not the old.
        let recently = |at: Instant| now.saturating_since(at) < self.config.disconnected_after;
        let alive = self.role == Role::Controlling || pair.last_request.is_some_and(recently);
        (pair.nominated.is_some(), alive, pair.nominated.unwrap_or(0), pair.priority)
    }

    fn describe(&self, id: u32) -> Option<Pair> {
        let pair = self.pairs.get(&id)?;
        let local = self.locals.get(&pair.seen_as.unwrap_or(pair.local))?;
        let remote = self.remotes.get(&pair.remote)?;
        Some(Pair {
            transport: pair.protocol.transport(),
            local: pair.base,
            remote: pair.to,
            local_mapped: local.address,
            local_kind: local.kind,
            remote_kind: remote.kind,
            nominated: pair.nominated.is_some(),
        })
    }

    /// No pair carries data any more.
    pub(super) fn deselect(&mut self) {
        self.selected = None;
        self.consent = None;
        self.timers.set(Timer::Consent, None);
    }

    fn conclude(&mut self) {
        self.concluded = true;
        self.timers.set(Timer::Nominate, None);
        self.free_mappings();
        self.stop_worse_checks();
        if self.role == Role::Controlling {
            self.release_streams();
        }
    }

    /// Checks that cannot change the outcome are not sent again (RFC 8445 §8.1.2).
    fn stop_worse_checks(&mut self) {
        let Some((selected, _)) = self.selected else { return };
        let Some(limit) = self.pairs.get(&selected).map(|pair| pair.priority) else { return };
        let better_wins = self.role == Role::Controlled || self.config.renomination;
        for (id, pair) in &mut self.pairs {
            let stops = !(better_wins && pair.priority > limit) && pair.asked.is_none() && !pair.nominating;
            if *id != selected && pair.state == PairState::InProgress && stops {
                pair.cancel_check();
                pair.state = PairState::Waiting;
                self.timers.set(Timer::Check(*id), None);
            }
        }
    }

    /// TCP connections that lost are closed (RFC 6544 §8).
    fn release_streams(&mut self) {
        let selected = self.selected.map(|(id, _)| id);
        let lost: Vec<_> = self
            .pairs
            .iter()
            .filter(|(id, pair)| Some(**id) != selected && pair.is_connected_stream())
            .map(|(_, pair)| (pair.base, pair.to))
            .collect();
        for (id, pair) in &mut self.pairs {
            if Some(*id) != selected && pair.protocol == Protocol::Tcp {
                pair.cancel_check();
                pair.state = PairState::Failed;
                self.timers.set(Timer::Check(*id), None);
            }
        }
        for (local, remote) in lost {
            self.release_stream(local, remote);
        }
    }

    /// The controlling agent's decision.
    pub(super) fn consider_nomination(&mut self, now: Instant) {
        if self.role != Role::Controlling || self.config.lite || self.current.remote.is_none() {
            return;
        }
        let Some(best) = self.best_to_nominate() else { return };
        let Some(pair) = self.pairs.get(&best) else { return };
        let hope = self.current_pairs().any(|other| other.is_active() && other.priority > pair.priority);
        let patience = if pair.relayed { self.config.relayed_patience } else { self.config.direct_patience };
        // Each better pair that comes must not lengthen the wait.
        let relayed = pair.relayed;
        let same = self.current_pairs().filter(|other| other.relayed == relayed && other.is_valid());
        let since = same.filter_map(|other| other.valid_since).min().unwrap_or(now);
        if hope && now < since + patience && !self.concluded {
            self.timers.set(Timer::Nominate, Some(since + patience));
            return;
        }
        self.timers.set(Timer::Nominate, None);
        self.nomination = self.nomination.wrapping_add(1);
        if let Some(pair) = self.pairs.get_mut(&best) {
            pair.nominating = true;
            self.trigger(best, true);
        }
    }

    /// The pair to nominate, unless one is nominated or under way.
    fn best_to_nominate(&self) -> Option<u32> {
        if self.current_pairs().any(|pair| pair.nominating) {
            return None;
        }
        let generation = self.current.generation;
        let valid = self.pairs.iter().filter(|(_, p)| p.generation == generation && p.is_valid());
        let (id, best) = valid.max_by_key(|(id, pair)| (pair.priority, std::cmp::Reverse(**id)))?;
        let nominated = self.current_pairs().filter(|pair| pair.nominated.is_some());
        match nominated.map(|pair| pair.priority).max() {
            None => Some(*id),
            Some(priority) if self.config.renomination && best.priority > priority => Some(*id),
            Some(_) => None,
        }
    }

    /// Two lite agents make no checks: each takes the pair of highest priority (RFC 8445 §8.2).
    pub(super) fn pair_lite_agents(&mut self, now: Instant) {
        if !self.config.lite || !self.is_peer_lite() || self.concluded {
            return;
        }
        let best = self
            .pairs
            .iter()
            .filter(|(_, p)| p.generation == self.current.generation)
            .max_by_key(|(id, pair)| (pair.priority, std::cmp::Reverse(**id)))
            .map(|(id, _)| *id);
        if let Some(pair) = best.and_then(|id| self.pairs.get_mut(&id)) {
            pair.state = PairState::Succeeded;
            pair.valid_since = Some(now);
            pair.nominated = Some(0);
        }
    }
}
