//! What loss says (draft-ietf-rmcat-gcc-02 §6), with one difference: loss below a tenth while no queue grows does not hold
//! the estimate back, because radio links lose that much by nature.

use super::Reported;
use super::delay::Usage;
use super::rate::{float, whole};
use std::time::Duration;
use wire::Instant;

/// Packets that make a fraction worth looking at.
const LEAST: u32 = 20;

#[derive(Debug)]
pub(super) struct Loss {
    limit: f64,
    window: Reported,
    last_drop: Option<Instant>,
}

impl Loss {
    pub(super) fn new(max: u64) -> Self {
        Self { limit: float(max), window: Reported::default(), last_drop: None }
    }

    /// A probe went through at this rate.
    pub(super) fn found(&mut self, rate: u64) {
        self.limit = self.limit.max(float(rate));
    }

    /// Gives the limit in bits per second.
    pub(super) fn update(
        &mut self,
        now: Instant,
        reported: Reported,
        usage: Usage,
        estimate: u64,
        round_trip: Duration,
    ) -> u64 {
        self.window.received += reported.received;
        self.window.lost += reported.lost;
        let total = self.window.received + self.window.lost;
        if total < LEAST {
            return whole(self.limit);
        }
        let fraction = f64::from(self.window.lost) / f64::from(total);
        self.window = Reported::default();
        if fraction > 0.1 {
            let pause = Duration::from_millis(300) + round_trip;
            if self.last_drop.is_none_or(|last| now >= last + pause) {
                self.limit = self.limit.min(float(estimate)) * (1.0 - 0.5 * fraction);
                self.last_drop = Some(now);
            }
        } else if fraction < 0.02 || usage != Usage::Over {
            self.limit = (self.limit * 1.08 + 1000.0).min(1e12);
        }
        whole(self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_much_loss_drops_the_limit_and_once_in_a_while() {
        let mut loss = Loss::new(1_000_000);
        let mut at = |ms: u64, received, lost, usage| {
            let reported = Reported { received, lost };
            let now = Instant::from_nanos(ms * 1_000_000);
            loss.update(now, reported, usage, 1_000_000, Duration::from_millis(100))
        };
        assert_eq!(at(0, 10, 9, Usage::Normal), 1_000_000, "too few to tell");
        assert_eq!(at(1, 10, 11, Usage::Normal), 750_000);
        assert_eq!(at(100, 10, 10, Usage::Normal), 750_000, "too soon");
        assert_eq!(at(401, 80, 20, Usage::Normal), 675_000);
        assert_eq!(at(500, 95, 5, Usage::Over), 675_000, "held");
        assert_eq!(at(600, 95, 5, Usage::Normal), 730_000);
    }
}
