use std::time::Duration;
use wire::Instant;

/// Round-trip time and what follows from it (RFC 9260 §6.3.1).
#[derive(Debug)]
pub(crate) struct Rtt {
    smoothed: Option<Duration>,
    variation: Duration,
    latest: Duration,
    least: Duration,
    timeout: Duration,
    initial: Duration,
    bounds: (Duration, Duration),
}

impl Rtt {
    pub(crate) const fn new(initial: Duration, min: Duration, max: Duration) -> Self {
        let none = Duration::ZERO;
        Self {
            smoothed: None,
            variation: none,
            latest: none,
            least: Duration::MAX,
            timeout: initial,
            initial,
            bounds: (min, max),
        }
    }

    pub(crate) fn measured(&mut self, now: Instant, sent: Instant) {
        let sample = now.saturating_since(sent);
        self.latest = sample;
        self.least = self.least.min(sample);
        let smoothed = match self.smoothed {
            None => {
                self.variation = sample / 2;
                sample
            }
            Some(smoothed) => {
                self.variation = (self.variation * 3 + smoothed.abs_diff(sample)) / 4;
                (smoothed * 7 + sample) / 8
            }
        };
        self.smoothed = Some(smoothed);
        self.timeout = (smoothed + 4 * self.variation).clamp(self.bounds.0, self.bounds.1);
    }

    /// Doubles the timeout (RFC 9260 §6.3.3 E2).
    pub(crate) fn back_off(&mut self) {
        self.timeout = (self.timeout * 2).min(self.bounds.1);
    }

    /// The peer answered: the timeout is again what was measured.
    pub(crate) fn recover(&mut self) {
        if let Some(smoothed) = self.smoothed {
            self.timeout = (smoothed + 4 * self.variation).clamp(self.bounds.0, self.bounds.1);
        } else {
            self.timeout = self.initial;
        }
    }

    pub(crate) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The smoothed round trip, `None` before the first measurement.
    pub(crate) const fn smoothed(&self) -> Option<Duration> {
        self.smoothed
    }

    pub(crate) const fn latest(&self) -> Duration {
        self.latest
    }

    /// The shortest ever measured: the path with empty queues.
    pub(crate) const fn least(&self) -> Duration {
        self.least
    }
}
