//! Connectivity checks: started, sent again, given up (RFC 8445 §7.2.4, §14).

use super::output::Out;
use super::pair::{Purpose, Sent};
use super::{Agent, Timer};
use crate::{PairState, Protocol};
use stun::{Step, Transaction, TransactionId};
use wire::Instant;

impl Agent {
    /// Starts a check, in place of one that is under way on the pair.
    pub(super) fn start_check(&mut self, now: Instant, id: u32) {
        let busy = self
            .current_pairs()
            .filter(|pair| matches!(pair.state, PairState::Waiting | PairState::InProgress))
            .count();
        let timing = self.timing(busy);
        let sent = Sent {
            id: TransactionId(self.rng.array()),
            at: now,
            times: 0,
            role: self.role,
            nominate: None,
            purpose: Purpose::Check,
        };
        let nomination = self.nomination;
        let Some(pair) = self.pairs.get_mut(&id) else { return };
        let transaction = Transaction::new(now, timing, pair.protocol == Protocol::Tcp);
        let sent = Sent { nominate: pair.nominating.then_some(nomination), ..sent };
        pair.cancel_check();
        // A pair that is being nominated stays valid meanwhile.
        if !pair.is_valid() {
            pair.state = PairState::InProgress;
        }
        pair.check = Some((sent, transaction));
        self.timers.set(Timer::Check(id), Some(transaction.poll_timeout()));
        self.push_out(Out::Check(id, sent.id));
    }

    pub(super) fn handle_check_timeout(&mut self, now: Instant, id: u32) {
        let Some(pair) = self.pairs.get_mut(&id) else { return };
        let Some((sent, transaction)) = &mut pair.check else { return };
        match transaction.handle_timeout(now) {
            Some(Step::Retransmit) => {
                let (due, id_sent) = (transaction.poll_timeout(), sent.id);
                self.timers.set(Timer::Check(id), Some(due));
                self.push_out(Out::Check(id, id_sent));
            }
            Some(Step::TimedOut) => {
                pair.cancel_check();
                self.fail_pair(id);
            }
            None => {
                let due = transaction.poll_timeout();
                self.timers.set(Timer::Check(id), Some(due));
            }
        }
    }

    /// The pair does not work.
    pub(super) fn fail_pair(&mut self, id: u32) {
        self.timers.set(Timer::Check(id), None);
        let Some(pair) = self.pairs.get_mut(&id) else { return };
        pair.cancel_check();
        pair.state = PairState::Failed;
        pair.nominating = false;
        pair.nominated = None;
        pair.asked = None;
        pair.valid_since = None;
        if pair.is_connected_stream() {
            let (local, remote) = (pair.base, pair.to);
            self.release_stream(local, remote);
        }
    }

    /// A broken connection fails its pairs at once. Whether there was one.
    pub(super) fn fail_connection(
        &mut self,
        local: std::net::SocketAddr,
        remote: std::net::SocketAddr,
    ) -> bool {
        let broken: Vec<u32> = self
            .pairs
            .iter()
            .filter(|(_, p)| p.protocol == Protocol::Tcp && p.base == local && p.to == remote)
            .map(|(id, _)| *id)
            .collect();
        for id in &broken {
            self.fail_pair(*id);
            if let Some(pair) = self.pairs.get_mut(id) {
                pair.forget_checks();
            }
            if self.selected.is_some_and(|(selected, _)| selected == *id) {
                self.deselect();
                self.disconnected = true;
                self.check_again();
            }
        }
        !broken.is_empty()
    }
}
