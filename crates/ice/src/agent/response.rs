//! Answers to our checks (RFC 8445 §7.2.5).

use super::input::Path;
use super::pair::{Purpose, Sent};
use super::{Agent, Timer};
use crate::{CandidateKind, PairState, Role};
use stun::attribute::{ErrorCode, XorMappedAddress};
use stun::{Class, Message};
use wire::Instant;

/// What an answer says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    /// The pair works, and this is our address as the peer sees it.
    Works(std::net::SocketAddr),
    /// The peer keeps its role: ours must change.
    RoleConflict,
    /// The peer refuses.
    Refused,
}

impl Outcome {
    fn classify(message: &Message<'_>) -> Option<Self> {
        if message.class() == Class::Success {
            return message.get().ok().flatten().map(|XorMappedAddress(mapped)| Self::Works(mapped));
        }
        let error = message.get::<ErrorCode<'_>>().ok().flatten()?;
        Some(if error == ErrorCode::ROLE_CONFLICT { Self::RoleConflict } else { Self::Refused })
    }
}

impl Agent {
    /// Whether something has changed.
    pub(super) fn handle_response(&mut self, now: Instant, path: Path, message: &Message<'_>) -> bool {
        let transaction = message.transaction_id();
        if let Some(gather) = self.gather_answered_by(path.local, path.remote, transaction) {
            self.handle_gathered(now, gather, message);
            return true;
        }
        // An answer that does not come from where the check went is not even found (RFC 8445 §7.2.5.2.1): the
        // check is sent again, and fails when nothing better comes.
        let asked = self.pairs.iter_mut().find_map(|(id, pair)| {
            (pair.is_on(path) && pair.sent_mut(transaction).is_some()).then_some((*id, pair.generation))
        });
        let Some((id, generation)) = asked else {
            self.stats.dropped.unexpected += 1;
            return false;
        };
        let remote = self.session(generation).and_then(|session| session.remote.as_ref());
        if !remote.is_some_and(|remote| message.verify(&remote.key)) {
            self.stats.dropped.unauthenticated += 1;
            return false;
        }
        let Some(outcome) = Outcome::classify(message) else {
            self.stats.dropped.malformed += 1;
            return false;
        };
        if generation == self.current.generation {
            self.take_embedded(message);
        }
        let Some(pair) = self.pairs.get_mut(&id) else { return false };
        let under_way = pair.check.as_ref().is_some_and(|(sent, _)| sent.id == transaction);
        let Some(sent) = pair.take_sent(transaction) else { return false };
        pair.counters.responses_received += 1;
        self.stats.responses_received += 1;
        if under_way {
            self.timers.set(Timer::Check(id), None);
        }
        match outcome {
            Outcome::Works(mapped) => self.handle_success(now, id, sent, mapped),
            Outcome::RoleConflict => self.handle_role_conflict(id, sent),
            Outcome::Refused if under_way && sent.purpose == Purpose::Check => self.fail_pair(id),
            Outcome::Refused => {}
        }
        true
    }

    fn handle_success(&mut self, now: Instant, id: u32, sent: Sent, mapped: std::net::SocketAddr) {
        let Some(pair) = self.pairs.get_mut(&id) else { return };
        if sent.times == 1 {
            let round_trip = now.saturating_since(sent.at);
            pair.counters.current_round_trip_time = Some(round_trip);
            pair.counters.total_round_trip_time += round_trip;
        }
        if self.selected.is_some_and(|(selected, _)| selected == id) {
            self.refresh_consent(now);
        }
        let Some(pair) = self.pairs.get_mut(&id) else { return };
        if pair.generation != self.current.generation {
            return;
        }
        // What asks for a nomination stays under way until the answer to that comes.
        if sent.nominate.is_some() || !pair.nominating {
            pair.cancel_check();
            self.timers.set(Timer::Check(id), None);
        }
        pair.state = PairState::Succeeded;
        pair.valid_since = pair.valid_since.or(Some(now));
        let (local, foundation, asked, relayed) = (pair.local, pair.foundation, pair.asked, pair.relayed);
        let kind = if relayed && self.locals.get(&local).is_some_and(|c| c.kind == CandidateKind::Relayed) {
            CandidateKind::Relayed
        } else {
            CandidateKind::PeerReflexive
        };
        let seen_as = match kind {
            CandidateKind::Relayed => Some(local),
            _ => self.insert_reflexive(local, kind, mapped, None),
        };
        let role = self.role;
        let Some(pair) = self.pairs.get_mut(&id) else { return };
        pair.seen_as = seen_as.or(pair.seen_as);
        match role {
            Role::Controlling => {
                if let Some(number) = sent.nominate.filter(|_| sent.role == role) {
                    pair.nominated = Some(number);
                    pair.nominating = false;
                }
            }
            Role::Controlled => pair.nominated = asked.or(pair.nominated),
        }
        self.thaw(foundation);
    }

    /// RFC 8445 §7.2.5.1. The tie-breaker stays: two agents that compare the same two numbers whatever the
    /// order of events cannot both switch for ever.
    fn handle_role_conflict(&mut self, id: u32, sent: Sent) {
        if sent.role == self.role && !self.config.lite && !self.is_peer_lite() {
            self.switch_role(self.role.other());
        }
        let Some(pair) = self.pairs.get_mut(&id) else { return };
        if pair.generation == self.current.generation && sent.purpose == Purpose::Check {
            pair.cancel_check();
            pair.nominating = false;
            if !pair.is_valid() {
                pair.state = PairState::Waiting;
                self.trigger(id, false);
            }
            self.timers.set(Timer::Check(id), None);
        }
    }
}
