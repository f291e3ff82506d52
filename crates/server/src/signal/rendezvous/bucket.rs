use std::time::Duration;

use wire::Instant;

/// How many at once, and how fast they come back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// At most so many at once.
    pub burst: u32,
    /// One more after this time.
    pub every: Duration,
}

/// A token bucket in eight bytes: the instant at which it will be full again.
#[derive(Clone, Copy, Default)]
pub(crate) struct Bucket(Instant);

impl Bucket {
    /// Takes `count` tokens; `false`, and takes none, if there are too few.
    pub(crate) fn take(&mut self, now: Instant, rate: Rate, count: u32) -> bool {
        let full = self.0.max(now) + rate.every * count;
        let allowed = full.saturating_since(now) <= rate.every * rate.burst;
        if allowed {
            self.0 = full;
        }
        allowed
    }

    /// Whether it is full, so that forgetting it changes nothing.
    pub(super) fn is_full(self, now: Instant) -> bool {
        self.0 <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_one_at_a_time() {
        let rate = Rate { burst: 3, every: Duration::from_millis(100) };
        let mut bucket = Bucket::default();
        let at = |ms| Instant::ZERO + Duration::from_millis(ms);
        let taken: Vec<bool> = [1000, 1000, 1000, 1000, 1099, 1100, 1100, 1300, 1300, 1300, 1300]
            .into_iter()
            .map(|ms| bucket.take(at(ms), rate, 1))
            .collect();
        assert_eq!(taken, [true, true, true, false, false, true, false, true, true, false, false]);
        assert!(!bucket.is_full(at(1599)));
        assert!(bucket.is_full(at(1600)));
    }
}
