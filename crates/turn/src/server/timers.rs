use std::collections::BTreeSet;
use wire::Instant;

/// What can become due.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Timer {
    /// An allocation's lifetime, by its index.
    Allocation(u32),
    /// A reserved port's, by its token.
    Reservation(u64),
    /// The wait for a ConnectionBind, by the connection.
    Connection(u32),
}

/// Deadlines in order. Changing one is O(log n), asking for the next one is O(1).
#[derive(Default)]
pub(super) struct Timers {
    set: BTreeSet<(Instant, Timer)>,
    next: Option<Instant>,
}

impl Timers {
    /// Moves a deadline: `old` is what it was set to, if it was.
    pub(super) fn change(&mut self, timer: Timer, old: Option<Instant>, new: Option<Instant>) {
        if let Some(old) = old {
            self.set.remove(&(old, timer));
        }
        if let Some(new) = new {
            self.set.insert((new, timer));
        }
        self.next = self.set.first().map(|(at, _)| *at);
    }

    /// Takes the first deadline that has come.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Timer> {
        if self.next.is_none_or(|at| at > now) {
            return None;
        }
        let (_, timer) = self.set.pop_first()?;
        self.next = self.set.first().map(|(at, _)| *at);
        Some(timer)
    }

    pub(super) const fn next(&self) -> Option<Instant> {
        self.next
    }
}
