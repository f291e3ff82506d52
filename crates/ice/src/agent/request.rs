//! Checks of the peer: authenticated, answered, and learnt from (RFC 8445 §7.3).

use super::Agent;
use super::input::Path;
use super::output::{Answer, NOMINATION, Out, Verdict};
use crate::priority::{candidate, type_preference};
use crate::{CandidateKind, Event, PairState, Role};
use stun::Message;
use stun::attribute::{IceControlled, IceControlling, Priority, UseCandidate, Username};
use wire::Instant;

/// What a request says of the peer's role, set against ours (RFC 8445 §7.3.1.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum RoleConflict {
    /// The roles differ, or the peer says nothing.
    None,
    /// We keep our role, and tell the peer to change its own.
    Keep,
    /// We take the other role.
    Switch,
}

impl RoleConflict {
    fn classify(ours: Role, tie_breaker: u64, message: &Message<'_>) -> Self {
        let controlling = message.get().ok().flatten().map(|IceControlling(theirs)| theirs);
        let controlled = message.get().ok().flatten().map(|IceControlled(theirs)| theirs);
        match (ours, controlling, controlled) {
            (Role::Controlling, Some(theirs), _) if tie_breaker >= theirs => Self::Keep,
            (Role::Controlling, Some(_), _) => Self::Switch,
            (Role::Controlled, _, Some(theirs)) if tie_breaker >= theirs => Self::Switch,
            (Role::Controlled, _, Some(_)) => Self::Keep,
            (Role::Controlling, None, _) | (Role::Controlled, _, None) => Self::None,
        }
    }
}

impl Agent {
    /// Whether something has changed.
    pub(super) fn handle_request(&mut self, now: Instant, path: Path, message: &Message<'_>) -> bool {
        let Some(local) = self.base_at(path.protocol, path.local) else {
            self.stats.dropped.unknown_local += 1;
            return false;
        };
        let username = message.get().ok().flatten().map(|Username(name)| name);
        let session = username.and_then(|name| self.session_of(name));
        let Some((session, theirs)) = session.filter(|(session, _)| message.verify(&session.local_key))
        else {
            // RFC 8489 §9.1.3 would answer 400 or 401. Silence tells strangers nothing and costs nothing.
            self.stats.dropped.unauthenticated += 1;
            return false;
        };
        let generation = session.generation;
        let known = session.remote.as_ref().is_none_or(|remote| remote.credentials.ufrag == theirs);
        if let Some(unknown) = message.unknown_required() {
            self.answer(path, message, generation, Verdict::Unknown(unknown));
            return false;
        }
        if generation != self.current.generation {
            self.answer(path, message, generation, Verdict::Success);
            self.note_request(now, path, generation);
            return false;
        }
        match self.classify_role(message) {
            RoleConflict::None => {}
            RoleConflict::Keep => {
                self.answer(path, message, generation, Verdict::RoleConflict);
                return false;
            }
            RoleConflict::Switch => self.switch_role(self.role.other()),
        }
        self.take_embedded(message);
        self.answer(path, message, generation, Verdict::Success);
        // A peer that has restarted ahead of what it tells us is answered; its new name will come.
        known && self.learn_from(now, path, local, message)
    }

    fn classify_role(&self, message: &Message<'_>) -> RoleConflict {
        match RoleConflict::classify(self.role, self.tie_breaker, message) {
            // A lite agent can only be controlled, a full one next to it only controlling.
            RoleConflict::Switch if self.config.lite || self.is_peer_lite() => RoleConflict::Keep,
            conflict => conflict,
        }
    }

    pub(super) fn switch_role(&mut self, role: Role) {
        self.change_role(role);
        self.push_event(Event::RoleChanged(role));
    }

    fn answer(&mut self, path: Path, message: &Message<'_>, generation: u32, verdict: Verdict) {
        match verdict {
            Verdict::Success => self.stats.requests_answered += 1,
            Verdict::RoleConflict | Verdict::Unknown(_) => self.stats.requests_refused += 1,
        }
        let id = message.transaction_id();
        self.push_out(Out::Answer(Answer { path, id, generation, verdict }));
    }

    /// The peer is alive on this path.
    fn note_request(&mut self, now: Instant, path: Path, generation: u32) {
        let same = |p: &super::CheckedPair| p.generation == generation && p.is_on(path);
        let Some((id, pair)) = self.pairs.iter_mut().find(|(_, p)| same(p)) else { return };
        pair.last_request = Some(now);
        pair.counters.requests_received += 1;
        pair.counters.responses_sent += 1;
        if self.config.lite && self.selected.is_some_and(|(selected, _)| selected == *id) {
            self.refresh_consent(now);
        }
    }

    /// RFC 8445 §7.3.1.3 to §7.3.1.5: the candidate, the pair, the triggered check, the nomination.
    fn learn_from(&mut self, now: Instant, path: Path, local: u32, message: &Message<'_>) -> bool {
        let priority = message.get().ok().flatten().map_or_else(
            // Some peers leave PRIORITY out of their consent checks.
            || candidate(type_preference(CandidateKind::PeerReflexive, path.protocol, None), 0),
            |Priority(priority)| priority,
        );
        let Some(remote) = self.learn_remote(path, priority) else { return false };
        let pair = self.pair_of(local, remote).or_else(|| self.insert_pair(local, remote));
        let Some(id) = pair else { return false };
        self.note_request(now, path, self.current.generation);
        let nominates = self.role == Role::Controlled && message.has::<UseCandidate>();
        let number =
            message.raw(NOMINATION).and_then(|value| value.try_into().ok()).map_or(0, u32::from_be_bytes);
        let lite = self.config.lite;
        let Some(pair) = self.pairs.get_mut(&id) else { return false };
        if nominates {
            pair.asked = Some(number.max(pair.asked.unwrap_or(0)));
        }
        if lite && nominates {
            // RFC 8445 §7.3.2: for a lite agent the peer's word makes the pair valid.
            pair.state = PairState::Succeeded;
        }
        match pair.state {
            PairState::Succeeded => {
                if let Some(number) = pair.asked {
                    pair.nominated = Some(number);
                }
            }
            PairState::InProgress => self.trigger(id, false),
            PairState::Frozen | PairState::Waiting | PairState::Failed => {
                pair.state = PairState::Waiting;
                self.failed = false;
                self.trigger(id, false);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stun::{Class, Method, TransactionId, Writer};

    /// RFC 8445 §7.3.1.1: the larger tie-breaker is the one that controls; equal counts as larger.
    #[test]
    fn conflicts_are_classified() {
        use RoleConflict::{Keep, None, Switch};
        for (ours, theirs, mine, their, expected) in [
            (Role::Controlling, Role::Controlled, 1, 2, None),
            (Role::Controlled, Role::Controlling, 1, 2, None),
            (Role::Controlling, Role::Controlling, 2, 1, Keep),
            (Role::Controlling, Role::Controlling, 2, 2, Keep),
            (Role::Controlling, Role::Controlling, 1, 2, Switch),
            (Role::Controlled, Role::Controlled, 2, 1, Switch),
            (Role::Controlled, Role::Controlled, 2, 2, Switch),
            (Role::Controlled, Role::Controlled, 1, 2, Keep),
        ] {
            let mut buf = [0; 64];
            let mut w =
                Writer::new(&mut buf, Class::Request, Method::BINDING, TransactionId([0; 12])).unwrap();
            match theirs {
                Role::Controlling => w.put(&IceControlling(their)).unwrap(),
                Role::Controlled => w.put(&IceControlled(their)).unwrap(),
            }
            let len = w.len();
            let message = Message::parse(&buf[..len]).unwrap();
            assert_eq!(RoleConflict::classify(ours, mine, &message), expected, "{ours:?} {theirs:?}");
        }
    }
}
