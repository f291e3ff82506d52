//! Consent to send, kept fresh on the selected pair (RFC 7675).

use super::output::Out;
use super::pair::{Purpose, Sent};
use super::{Agent, Timer};
use crate::{Event, Role};
use std::time::Duration;
use stun::TransactionId;
use wire::Instant;

/// Consent on the selected pair.
pub(super) struct Consent {
    /// When the peer last answered; for a lite agent, when it last asked.
    last: Instant,
    /// When the next check is to be sent; a lite agent sends none.
    next: Option<Instant>,
    /// The last check is not answered yet.
    asking: bool,
}

impl Agent {
    /// Consent was just given, by the answer that made the pair valid.
    pub(super) fn start_consent(&mut self, now: Instant) {
        self.disconnected = false;
        self.failed = false;
        if self.config.lite && self.is_peer_lite() {
            // Neither side checks, so nobody can tell.
            self.consent = None;
            self.timers.set(Timer::Consent, None);
            return;
        }
        let next = if self.config.lite { None } else { Some(now + self.consent_wait()) };
        self.consent = Some(Consent { last: now, next, asking: false });
        self.arm_consent();
    }

    pub(super) fn refresh_consent(&mut self, now: Instant) {
        let wait = self.consent_wait();
        let Some(consent) = &mut self.consent else { return };
        consent.last = now;
        if std::mem::take(&mut consent.asking) {
            consent.next = Some(now + wait);
        }
        self.disconnected = false;
        self.arm_consent();
    }

    /// RFC 7675 §5.1: each interval is 0.8 to 1.2 of the mean.
    fn consent_wait(&mut self) -> Duration {
        let permille = u32::try_from(self.rng.below(401)).unwrap_or(0) + 800;
        self.config.consent_interval * permille / 1000
    }

    fn arm_consent(&mut self) {
        let Some(consent) = &self.consent else { return };
        let expiry = consent.last + self.config.consent_timeout;
        let silence = (!self.disconnected).then_some(consent.last + self.config.disconnected_after);
        let at = [Some(expiry), silence, consent.next].into_iter().flatten().min();
        self.timers.set(Timer::Consent, at);
    }

    pub(super) fn handle_consent_timeout(&mut self, now: Instant) {
        let Some(consent) = &self.consent else { return };
        if now >= consent.last + self.config.consent_timeout {
            self.lose_consent();
            return;
        }
        let due = consent.next.is_some_and(|next| now >= next);
        if !self.disconnected && now >= consent.last + self.config.disconnected_after {
            self.disconnected = true;
            if !self.config.lite {
                self.check_again();
            }
        }
        if due {
            self.send_consent_check(now);
            // One that may be lost is followed by another soon, until the pair counts as silent: then all pairs
            // are checked, this one among them.
            let wait = if self.disconnected { self.consent_wait() } else { self.config.rto };
            if let Some(consent) = &mut self.consent {
                consent.next = Some(now + wait);
                consent.asking = true;
            }
        }
        self.arm_consent();
    }

    /// One request, never sent again. A controlling agent repeats its nomination in it, so that a peer that sees
    /// it come from a new address, because a NAT has forgotten us, follows.
    fn send_consent_check(&mut self, now: Instant) {
        let Some((id, _)) = self.selected else { return };
        let role = self.role;
        let transaction = TransactionId(self.rng.array());
        let Some(pair) = self.pairs.get_mut(&id) else { return };
        let nominate = pair.nominated.filter(|_| role == Role::Controlling);
        pair.keep(Sent { id: transaction, at: now, times: 0, role, nominate, purpose: Purpose::Consent });
        self.push_out(Out::Check(id, transaction));
    }

    fn lose_consent(&mut self) {
        let Some((id, _)) = self.selected else { return };
        let current = self.pairs.get(&id).is_some_and(|pair| pair.generation == self.current.generation);
        self.deselect();
        self.fail_pair(id);
        self.push_event(Event::ConsentLost);
        if current {
            // For most of that time all other pairs were checked too, in vain.
            self.disconnected = false;
            self.failed = true;
        } else {
            self.drop_previous();
        }
    }
}
