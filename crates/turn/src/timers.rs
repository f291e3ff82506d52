use std::collections::BTreeSet;
use wire::Instant;

/// Deadlines in order. Changing one is O(log n), asking for the next one is O(1).
pub(crate) struct Timers<T> {
    set: BTreeSet<(Instant, T)>,
    next: Option<Instant>,
}

impl<T: Ord + Copy> Timers<T> {
    pub(crate) const fn new() -> Self {
        Self { set: BTreeSet::new(), next: None }
    }

    /// Moves a deadline: `old` is what it was set to, if it was.
    pub(crate) fn change(&mut self, timer: T, old: Option<Instant>, new: Option<Instant>) {
        if let Some(old) = old {
            self.set.remove(&(old, timer));
        }
        if let Some(new) = new {
            self.set.insert((new, timer));
        }
        self.next = self.set.first().map(|(at, _)| *at);
    }

    /// Takes the first deadline that has come.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<T> {
        if self.next.is_none_or(|at| at > now) {
            return None;
        }
        let (_, timer) = self.set.pop_first()?;
        self.next = self.set.first().map(|(at, _)| *at);
        Some(timer)
    }

    pub(crate) fn clear(&mut self) {
        self.set.clear();
        self.next = None;
    }

    pub(crate) const fn next(&self) -> Option<Instant> {
        self.next
    }
}
