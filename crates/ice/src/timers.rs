use std::collections::{BTreeMap, BTreeSet};
use wire::Instant;

/// Deadlines in order, one per key. Changing one is O(log n), asking for the next one is O(1).
pub(crate) struct Timers<T> {
    due: BTreeMap<T, Instant>,
    order: BTreeSet<(Instant, T)>,
    next: Option<Instant>,
}

impl<T: Ord + Copy> Timers<T> {
    pub(crate) const fn new() -> Self {
        Self { due: BTreeMap::new(), order: BTreeSet::new(), next: None }
    }

    /// Moves a deadline; `None` stops it.
    pub(crate) fn set(&mut self, timer: T, at: Option<Instant>) {
        let old = match at {
            Some(at) => {
                self.order.insert((at, timer));
                self.due.insert(timer, at)
            }
            None => self.due.remove(&timer),
        };
        if let Some(old) = old.filter(|old| Some(*old) != at) {
            self.order.remove(&(old, timer));
        }
        self.next = self.order.first().map(|(at, _)| *at);
    }

    /// Whether this timer runs.
    pub(crate) fn is_set(&self, timer: T) -> bool {
        self.due.contains_key(&timer)
    }

    /// Takes the first deadline that has come.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<T> {
        if self.next.is_none_or(|at| at > now) {
            return None;
        }
        let (_, timer) = self.order.pop_first()?;
        self.due.remove(&timer);
        self.next = self.order.first().map(|(at, _)| *at);
        Some(timer)
    }

    pub(crate) fn clear(&mut self) {
        self.due.clear();
        self.order.clear();
        self.next = None;
    }

    pub(crate) const fn next(&self) -> Option<Instant> {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_deadline_per_key_in_order() {
        let at = Instant::from_nanos;
        let mut timers = Timers::new();
        timers.set('a', Some(at(5)));
        timers.set('b', Some(at(3)));
        timers.set('b', Some(at(7)));
        timers.set('b', Some(at(7)));
        assert_eq!(timers.next(), Some(at(5)));
        assert_eq!(timers.take_due(at(4)), None);
        assert_eq!(timers.take_due(at(7)), Some('a'));
        assert!(timers.is_set('b') && !timers.is_set('a'));
        timers.set('b', None);
        assert_eq!((timers.take_due(at(9)), timers.next()), (None, None));
    }
}
