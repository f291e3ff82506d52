//! How often somebody may try to log in.

use std::collections::HashMap;
use std::hash::Hash;

/// How long failures are remembered, in seconds.
const WINDOW: u64 = 900;
/// How many keys are remembered; beyond that the oldest are forgotten.
const MOST_KEYS: usize = 20_000;

/// Counts failures by a key, in windows of 15 minutes.
#[derive(Debug)]
pub(super) struct Attempts<K> {
    limit: u32,
    failures: HashMap<K, Failures>,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    since: u64,
    count: u32,
}

impl<K: Eq + Hash + Clone> Attempts<K> {
    /// At most `limit` failures in a window.
    pub(super) fn new(limit: u32) -> Self {
        Self { limit, failures: HashMap::new() }
    }

    /// Counts an attempt before its outcome is known, so that many at a time do not slip through.
    ///
    /// # Errors
    /// Seconds until the next one is allowed.
    pub(super) fn begin(&mut self, now: u64, key: &K) -> Result<(), u64> {
        if self.failures.len() >= MOST_KEYS && !self.failures.contains_key(key) {
            self.forget(now);
        }
        let failures = self.failures.entry(key.clone()).or_insert(Failures { since: now, count: 0 });
        if now.saturating_sub(failures.since) >= WINDOW {
            *failures = Failures { since: now, count: 0 };
        }
        if failures.count >= self.limit {
            return Err((failures.since + WINDOW).saturating_sub(now).max(1));
        }
        failures.count += 1;
        Ok(())
    }

    /// The attempt succeeded: it was no failure.
    pub(super) fn succeeded(&mut self, key: &K) {
        if let Some(failures) = self.failures.get_mut(key) {
            failures.count = failures.count.saturating_sub(1);
        }
    }

    /// Makes room: drops what has ended, or else the older half.
    fn forget(&mut self, now: u64) {
        self.failures.retain(|_, f| now.saturating_sub(f.since) < WINDOW);
        if self.failures.len() >= MOST_KEYS {
            let mut starts: Vec<u64> = self.failures.values().map(|f| f.since).collect();
            starts.sort_unstable();
            let middle = starts[starts.len() / 2];
            self.failures.retain(|_, f| f.since > middle);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_count_by_key_and_end() {
        let mut attempts = Attempts::new(2);
        assert_eq!(attempts.begin(100, &"a"), Ok(()));
        attempts.succeeded(&"a");
        assert_eq!(attempts.begin(101, &"a"), Ok(()));
        assert_eq!(attempts.begin(102, &"a"), Ok(()));
        assert_eq!(attempts.begin(103, &"a"), Err(897));
        assert_eq!(attempts.begin(103, &"b"), Ok(()));
        assert_eq!(attempts.begin(999, &"a"), Err(1));
        assert_eq!(attempts.begin(1000, &"a"), Ok(()));
    }

    #[test]
    fn memory_is_bounded() {
        let mut attempts = Attempts::new(1);
        for i in 0..(MOST_KEYS as u64 * 2) {
            let _ = attempts.begin(1000 + i / 100, &i);
        }
        assert!(attempts.failures.len() <= MOST_KEYS);
        let newest = MOST_KEYS as u64 * 2 - 1;
        assert!(attempts.begin(1000 + newest / 100, &newest).is_err(), "the newest is not forgotten");
    }
}
