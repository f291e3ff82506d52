//! What is due when, in one ordered table.

use std::collections::BTreeSet;

use wire::Instant;

use super::SessionKey;
use crate::signal::doors::DoorId;
use crate::signal::protocol::CallId;

/// What may be due.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Timer {
    /// This session's client was not yet told what arrived.
    Ack(SessionKey),
    /// This session was without a socket for too long.
    Resume(SessionKey),
    /// Nobody answered this call.
    Ring(CallId),
    /// The other did not come back to this call.
    Rejoin(CallId),
    /// The time of this conference's phase is over.
    Conference(CallId),
    /// Who came by this door has not been connected for too long.
    Door(DoorId),
    /// The members of this conference are told how many watch.
    Viewers(CallId),
    /// The members of this conference are told who came and what changed.
    News(CallId),
    /// Everybody in the groups of this conference is to be back.
    Breakout(CallId),
    /// The owners of this conference are told who is in which group.
    Places(CallId),
    /// This room that an application set up was empty for too long, or its end has come.
    Room(String),
}

/// The table: every operation takes logarithmic time, and asking for the next deadline with nothing due is free.
#[derive(Default)]
pub(super) struct Timers(BTreeSet<(Instant, Timer)>);

impl Timers {
    pub(super) fn set(&mut self, at: Instant, timer: Timer) {
        self.0.insert((at, timer));
    }

    pub(super) fn clear(&mut self, at: Instant, timer: Timer) {
        self.0.remove(&(at, timer));
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.0.first().map(|(at, _)| *at)
    }

    /// Takes out the first that is due.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        self.0.pop_first().map(|(_, timer)| timer)
    }
}
