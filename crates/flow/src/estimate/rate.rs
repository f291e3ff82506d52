//! How the estimate grows and drops (draft-ietf-rmcat-gcc-02 §5.5), and how much arrives.

use super::delay::Usage;
use std::collections::VecDeque;
use std::time::Duration;
use wire::Instant;

/// Of what arrives, how much to go on with when the queue fills: less, so that it empties.
const DROP: f64 = 0.85;
/// Growth per second while the limit is not known.
const FAR: f64 = 0.08;
/// What arrives is counted over this many milliseconds.
const WINDOW: f64 = 500.0;
/// What the last moments are, in milliseconds.
const RECENT: f64 = 150.0;
/// What the window must span at least before the count says anything, in milliseconds.
const LEAST: f64 = 100.0;

/// The unit of what feedback says of time, in milliseconds (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1.5).
const TICK: f64 = 0.25;

/// Bits per second as an integer.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what fits")]
pub(super) fn whole(rate: f64) -> u64 {
    rate.clamp(0.0, 1e15) as u64
}

/// Bits per second as a float.
#[expect(clippy::cast_precision_loss, reason = "rates are far below 2^52")]
pub(super) fn float(rate: u64) -> f64 {
    rate as f64
}

/// Counts what arrives, by the receiver's clock.
#[derive(Debug)]
pub(super) struct Throughput {
    /// Eight bytes each, because there may be hundreds for every path.
    arrivals: VecDeque<Arrival>,
    bytes: u64,
}

/// A packet that arrived.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    /// In [`TICK`]s of the receiver's clock, wrapping after twelve days.
    ticks: u32,
    bytes: u32,
}

impl Arrival {
    /// Milliseconds since an earlier one; negative if that was in fact later.
    fn since(self, earlier: Self) -> f64 {
        f64::from(self.ticks.wrapping_sub(earlier.ticks).cast_signed()) * TICK
    }
}

impl Throughput {
    pub(super) fn new() -> Self {
        Self { arrivals: VecDeque::new(), bytes: 0 }
    }

    pub(super) fn received(&mut self, arrival: f64, size: usize) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "times are whole ticks, and wrap"
        )]
        let ticks = (arrival / TICK) as i64 as u32;
        let last = Arrival { ticks, bytes: u32::try_from(size).unwrap_or(u32::MAX) };
        self.arrivals.push_back(last);
        self.bytes += u64::from(last.bytes);
        while let Some(first) = self.arrivals.front().copied() {
            if last.since(first) <= WINDOW && self.arrivals.len() <= 4096 {
                break;
            }
            self.arrivals.pop_front();
            self.bytes -= u64::from(first.bytes);
        }
    }

    /// Bits per second, once there is enough to tell.
    pub(super) fn rate(&self) -> Option<u64> {
        let (first, last) = (self.arrivals.front()?, self.arrivals.back()?);
        let span = last.since(*first);
        // The first packet arrived before the span began.
        (span >= LEAST).then(|| over(self.bytes - u64::from(first.bytes), span))
    }

    /// The rate after a collapse: that of the last moments when it is less than half of the whole window's.
    pub(super) fn collapsed(&self) -> Option<u64> {
        let rate = self.rate()?;
        let last = *self.arrivals.back()?;
        let recent = self.arrivals.iter().rev().take_while(|arrival| last.since(**arrival) <= RECENT);
        let (bytes, first) =
            recent.fold((0, last), |(bytes, _), arrival| (bytes + u64::from(arrival.bytes), *arrival));
        let span = last.since(first);
        let recent = if span >= LEAST { over(bytes - u64::from(first.bytes), span) } else { rate };
        Some(if recent < rate / 2 { recent } else { rate })
    }
}

/// Bits per second over a part of the window.
fn over(bytes: u64, span: f64) -> u64 {
    #[expect(clippy::cast_precision_loss, reason = "at most 4096 packets")]
    let bits = bytes as f64 * 8.0;
    whole(bits / span * 1000.0)
}

/// The estimate of the delay part.
#[derive(Debug)]
pub(super) struct Growth {
    rate: f64,
    last: Instant,
    last_drop: Option<Instant>,
    /// What arrived when the queue filled, smoothed, and its variance relative to itself.
    capacity: Option<f64>,
    variance: f64,
    held: bool,
}

impl Growth {
    pub(super) fn new(start: u64, now: Instant) -> Self {
        let rate = float(start);
        Self { rate, last: now, last_drop: None, capacity: None, variance: 0.4, held: false }
    }

    pub(super) fn rate(&self) -> u64 {
        whole(self.rate)
    }

    pub(super) fn clamp(&mut self, min: u64, max: u64) {
        self.rate = self.rate.clamp(float(min), float(max));
    }

    /// A probe found room.
    pub(super) fn found(&mut self, now: Instant, rate: u64) {
        if float(rate) > self.rate {
            self.rate = float(rate);
            self.last = now;
            self.capacity = self.capacity.filter(|capacity| *capacity * 1.5 > float(rate));
        }
    }

    pub(super) fn halve(&mut self, min: u64) {
        self.rate = (self.rate / 2.0).max(float(min));
    }

    pub(super) fn update(
        &mut self,
        now: Instant,
        usage: Usage,
        throughput: Option<u64>,
        round_trip: Duration,
    ) {
        let elapsed = now.saturating_since(self.last).as_secs_f64().min(1.0);
        self.last = now;
        match usage {
            Usage::Over => self.drop(now, throughput, round_trip),
            // The queue empties: let it.
            Usage::Under => self.held = true,
            Usage::Normal if self.held => self.held = false,
            Usage::Normal => self.grow(elapsed, throughput, round_trip),
        }
    }

    fn grow(&mut self, elapsed: f64, throughput: Option<u64>, round_trip: Duration) {
        let arrives = throughput.map(float);
        if let (Some(capacity), Some(arrives)) = (self.capacity, arrives)
            && arrives > capacity + 3.0 * self.deviation(capacity)
        {
            self.capacity = None; // the path has become wider
        }
        let grown = match self.capacity {
            // Close to the limit, about one packet more in each response time.
            Some(_) => {
                let response = (round_trip.as_secs_f64() + 0.1) * 2.0;
                let packet = (self.rate / 30.0 / 8.0 / 1200.0).ceil().max(1.0);
                let size = self.rate / 30.0 / packet;
                self.rate + (size / response).max(4000.0) * elapsed
            }
            None => self.rate * (1.0 + FAR).powf(elapsed) + 1000.0 * elapsed,
        };
        // Without being used, a rate is not proven.
        let proven = arrives.map_or(f64::INFINITY, |arrives| 1.5 * arrives + 10_000.0);
        if grown < proven {
            self.rate = grown;
        }
    }

    fn drop(&mut self, now: Instant, throughput: Option<u64>, round_trip: Duration) {
        let pause = round_trip.clamp(Duration::from_millis(50), Duration::from_millis(200));
        let arrives = throughput.map(float);
        let far = arrives.is_some_and(|arrives| arrives < 0.5 * self.rate);
        if self.last_drop.is_some_and(|last| now < last + pause) && !far {
            return;
        }
        let Some(arrives) = arrives else {
            self.rate *= 0.5;
            self.last_drop = Some(now);
            return;
        };
        self.rate = self.rate.min(DROP * arrives);
        self.last_drop = Some(now);
        self.held = true;
        self.learn(arrives);
    }

    /// Remembers what arrived as the capacity, unless it is far from what was remembered.
    fn learn(&mut self, arrives: f64) {
        if let Some(capacity) = self.capacity
            && (arrives - capacity).abs() > 3.0 * self.deviation(capacity)
        {
            self.capacity = None;
        }
        let capacity = self.capacity.map_or(arrives, |capacity| 0.95 * capacity + 0.05 * arrives);
        let error = (capacity - arrives) / 1000.0;
        let norm = (capacity / 1000.0).max(1.0);
        self.variance = (0.95 * self.variance + 0.05 * error * error / norm).clamp(0.4, 2.5);
        self.capacity = Some(capacity);
    }

    fn deviation(&self, capacity: f64) -> f64 {
        (self.variance * capacity / 1000.0).sqrt() * 1000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_arrives_is_counted_over_its_window() {
        let mut throughput = Throughput::new();
        for i in 0..200 {
            throughput.received(f64::from(i) * 10.0, 1250);
        }
        assert_eq!(throughput.rate(), Some(1_000_000));
        throughput.received(10_000.0, 1250);
        assert_eq!(throughput.rate(), None, "one packet tells no rate");
    }

    #[test]
    fn a_filling_queue_drops_the_estimate_below_what_arrives() {
        let at = |ms: u64| Instant::from_nanos(ms * 1_000_000);
        let mut growth = Growth::new(3_000_000, at(0));
        let round_trip = Duration::from_millis(100);
        growth.update(at(50), Usage::Over, Some(1_000_000), round_trip);
        assert_eq!(growth.rate(), 850_000);
        growth.update(at(100), Usage::Over, Some(800_000), round_trip);
        assert_eq!(growth.rate(), 850_000, "not twice in one round trip");
        growth.update(at(150), Usage::Over, Some(800_000), round_trip);
        assert_eq!(growth.rate(), 680_000);
        growth.update(at(200), Usage::Normal, Some(800_000), round_trip);
        assert_eq!(growth.rate(), 680_000, "held once");
        growth.update(at(250), Usage::Normal, Some(800_000), round_trip);
        assert!(growth.rate() > 680_000);
    }
}
