use std::time::Duration;
use wire::Instant;

/// Spreads packets over the round trip, in bursts that are large enough for one system call.
#[derive(Debug)]
pub(super) struct Pacer {
    /// Bytes that may go now; negative after a burst.
    credit: f64,
    updated: Instant,
}

/// Below this round trip a pause would be shorter than a timer is exact.
const NEAR: Duration = Duration::from_millis(2);
/// Bytes that may go at once: two runs of a system call.
const MOST: f64 = 131_072.0;

impl Pacer {
    pub(super) const fn new(now: Instant) -> Self {
        Self { credit: MOST, updated: now }
    }

    /// Whether something may go, or when. `window` bytes may go in each `round_trip`, times `gain`.
    pub(super) fn check(
        &mut self,
        now: Instant,
        round_trip: Option<Duration>,
        window: usize,
        gain: f64,
        mtu: usize,
    ) -> Result<(), Instant> {
        let Some(round_trip) = round_trip.filter(|d| *d >= NEAR) else {
            self.updated = now;
            self.credit = MOST;
            return Ok(());
        };
        let rate = gain * float(window) / round_trip.as_secs_f64();
        let burst = (rate * 0.001).max(10.0 * float(mtu)).min(MOST);
        let elapsed = now.saturating_since(self.updated).as_secs_f64();
        self.updated = now;
        self.credit = rate.mul_add(elapsed, self.credit).min(burst);
        if self.credit > 0.0 {
            return Ok(());
        }
        Err(now + Duration::from_secs_f64((burst / 2.0 - self.credit) / rate) + Duration::from_nanos(1))
    }

    pub(super) fn sent(&mut self, bytes: usize) {
        self.credit -= float(bytes);
    }
}

#[expect(clippy::cast_precision_loss, reason = "windows are far below 2^52")]
pub(super) const fn float(n: usize) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holds_what_the_window_allows() {
        let mut now = Instant::ZERO;
        let mut pacer = Pacer::new(now);
        let mut sent = 0;
        while now < Instant::from_nanos(1_000_000_000) {
            match pacer.check(now, Some(Duration::from_millis(100)), 100_000, 1.0, 1000) {
                Ok(()) => {
                    pacer.sent(1000);
                    sent += 1000;
                }
                Err(at) => {
                    assert!(at > now);
                    now = at;
                }
            }
        }
        assert!((1_000_000..1_020_000).contains(&sent), "{sent}");
    }
}
