//! The congestion control of TCP as a model: a sender that always has data, a receiver that acknowledges every segment
//! selectively, loss found by three later acknowledgements. A segment that was lost is sent again under a new number,
//! which makes no difference to a sender without end.

use std::collections::BTreeMap;
use std::time::Duration;

use wire::Instant;

use super::flow::MIN_RTO;

/// Payload bytes of a segment.
pub(crate) const SEGMENT: u64 = 1448;
/// Segments at the beginning (RFC 6928).
const INITIAL_WINDOW: f64 = 10.0;
/// Later segments that must be acknowledged before one counts as lost (RFC 6675).
const REORDERING: u64 = 3;
/// RFC 9438 §4.1.
const C: f64 = 0.4;
/// RFC 9438 §4.6.
const CUBIC_BETA: f64 = 0.7;

/// How TCP finds its share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Algorithm {
    /// Additive increase, halved on loss (RFC 5681, RFC 6582).
    NewReno,
    /// RFC 9438, with fast convergence and the Reno-friendly region.
    Cubic,
}

pub(crate) struct Tcp {
    algorithm: Algorithm,
    window: f64,
    threshold: f64,
    next: u64,
    /// Segments on their way, and when they were sent.
    flight: BTreeMap<u64, Instant>,
    highest: u64,
    /// A loss of a segment before this one belongs to a reduction that was made already.
    recovery: u64,
    round_trip: Option<Duration>,
    heard: Option<Instant>,
    delivered: u64,
    /// The window before the last reduction, when the epoch began, and the window that Reno would have.
    plateau: f64,
    epoch: Option<Instant>,
    friendly: f64,
}

impl Tcp {
    pub(crate) const fn new(algorithm: Algorithm) -> Self {
        Self {
            algorithm,
            window: INITIAL_WINDOW,
            threshold: f64::MAX,
            next: 0,
            flight: BTreeMap::new(),
            highest: 0,
            recovery: 0,
            round_trip: None,
            heard: None,
            delivered: 0,
            plateau: 0.0,
            epoch: None,
            friendly: 0.0,
        }
    }

    pub(crate) const fn delivered(&self) -> u64 {
        self.delivered
    }

    pub(crate) fn poll_transmit(&mut self, now: Instant) -> Option<u64> {
        #[expect(clippy::cast_precision_loss, reason = "a window of at most some thousand segments")]
        let flight = self.flight.len() as f64;
        if flight + 1.0 > self.window.max(1.0) {
            return None;
        }
        let number = self.next;
        self.next += 1;
        self.flight.insert(number, now);
        self.heard.get_or_insert(now);
        Some(number)
    }

    pub(crate) fn acknowledged(&mut self, now: Instant, number: u64) {
        let Some(sent) = self.flight.remove(&number) else { return };
        let sample = now.saturating_since(sent);
        self.round_trip = Some(self.round_trip.map_or(sample, |old| (old * 7 + sample) / 8));
        self.heard = Some(now);
        self.delivered += 1;
        self.highest = self.highest.max(number);
        let mut lost = None;
        while let Some(first) = self.flight.first_entry().filter(|e| *e.key() + REORDERING <= self.highest) {
            lost = Some(*first.key());
            first.remove();
        }
        match lost {
            Some(lost) if lost >= self.recovery => self.reduce(),
            Some(_) | None if number >= self.recovery => self.grow(now),
            Some(_) | None => {}
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let rto = self.round_trip.map_or(Duration::from_secs(1), |trip| trip * 2).max(MIN_RTO);
        self.heard.map(|heard| heard + rto)
    }

    /// Silence: everything on its way is lost (RFC 6298).
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|due| due <= now) && !self.flight.is_empty() {
            self.reduce();
            self.flight.clear();
            self.window = 1.0;
            self.heard = Some(now);
        }
    }

    fn reduce(&mut self) {
        self.recovery = self.next;
        self.epoch = None;
        let beta = match self.algorithm {
            Algorithm::NewReno => 0.5,
            Algorithm::Cubic => {
                // Fast convergence (RFC 9438 §4.7).
                let falling = self.window < self.plateau;
                self.plateau = if falling { self.window * (1.0 + CUBIC_BETA) / 2.0 } else { self.window };
                CUBIC_BETA
            }
        };
        self.threshold = (self.window * beta).max(2.0);
        self.window = self.threshold;
    }

    fn grow(&mut self, now: Instant) {
        if self.window < self.threshold {
            self.window += 1.0;
            return;
        }
        match self.algorithm {
            Algorithm::NewReno => self.window += 1.0 / self.window,
            Algorithm::Cubic => self.grow_cubic(now),
        }
    }

    /// RFC 9438 §4.2 to §4.5.
    fn grow_cubic(&mut self, now: Instant) {
        let trip = self.round_trip.unwrap_or_default();
        let epoch = match self.epoch {
            Some(epoch) => epoch,
            None => {
                self.epoch = Some(now);
                self.friendly = self.window;
                self.plateau = self.plateau.max(self.window);
                now
            }
        };
        let k = ((self.plateau - self.threshold.min(self.plateau)) / C).cbrt();
        let target_at = |time: f64| C * (time - k).powi(3) + self.plateau;
        let time = now.saturating_since(epoch).as_secs_f64();
        let alpha = 3.0 * (1.0 - CUBIC_BETA) / (1.0 + CUBIC_BETA);
        self.friendly += alpha / self.window;
        if target_at(time) < self.friendly {
            self.window = self.friendly;
            return;
        }
        let target = target_at(time + trip.as_secs_f64()).clamp(self.window, self.window * 1.5);
        self.window += (target - self.window) / self.window;
    }
}
