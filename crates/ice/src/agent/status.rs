//! The states of W3C, computed from what is so.

use super::{Agent, Timer};
use crate::{ConnectionState, Event, GatheringState};
use wire::Instant;

impl Agent {
    pub(super) fn update_status(&mut self, now: Instant) {
        self.update_gathering();
        self.update_failed(now);
        let state = self.compute_state();
        if state != self.connection_state {
            self.connection_state = state;
            self.push_event(Event::ConnectionState(state));
        }
    }

    fn update_gathering(&mut self) {
        let state = if self.local_done && !self.is_gathering() {
            GatheringState::Complete
        } else if self.locals.is_empty() {
            GatheringState::New
        } else {
            GatheringState::Gathering
        };
        // A restart begins anew even when there is nobody to ask.
        let told_anew = state == GatheringState::Complete && !self.end_told;
        if told_anew && self.gathering_state == GatheringState::Complete {
            self.push_event(Event::GatheringState(GatheringState::Gathering));
        }
        if state != self.gathering_state || told_anew {
            self.gathering_state = state;
            if told_anew && !self.closed {
                self.end_told = true;
                self.push_event(Event::EndOfCandidates);
            }
            self.push_event(Event::GatheringState(state));
        }
    }

    /// RFC 8863 §4: as long as the peer may still send a check, nothing has failed.
    fn update_failed(&mut self, _now: Instant) {
        let started = self.current.remote.is_some();
        let waiting = self.timers.is_set(Timer::Failure) || self.is_gathering();
        let trying = !self.config.lite && self.current_pairs().any(super::CheckedPair::is_active);
        if started && !waiting && !trying && self.selected.is_none() {
            self.failed = true;
            self.disconnected = false;
        }
    }

    fn compute_state(&self) -> ConnectionState {
        if self.closed {
            return ConnectionState::Closed;
        }
        if self.selected.is_some() {
            let told = self.gathering_state == GatheringState::Complete && self.current.remote_done;
            return if self.disconnected {
                ConnectionState::Disconnected
            } else if self.concluded && told && !self.is_checking() {
                ConnectionState::Completed
            } else {
                ConnectionState::Connected
            };
        }
        if self.failed {
            ConnectionState::Failed
        } else if self.disconnected {
            ConnectionState::Disconnected
        } else if self.current.remote.is_some() && self.current_pairs().next().is_some() {
            ConnectionState::Checking
        } else {
            ConnectionState::New
        }
    }

    /// Whether a check is under way whose success could change the pair.
    fn is_checking(&self) -> bool {
        self.current_pairs().any(|pair| pair.state == crate::PairState::InProgress)
    }
}
