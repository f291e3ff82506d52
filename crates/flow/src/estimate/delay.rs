//! Whether a queue fills: the trend of the one-way delay (draft-ietf-rmcat-gcc-02 §4, with the line through the last
//! points in place of the Kalman filter, as browsers have it).

use std::collections::VecDeque;
use wire::Instant;

/// Packets that leave within this many milliseconds are one group.
const BURST: f64 = 5.0;
/// Points that the line is laid through.
const POINTS: usize = 20;
/// How much of the old value the smoothed delay keeps.
const SMOOTHING: f64 = 0.9;
/// Scales the slope to the threshold.
const GAIN: f64 = 4.0;
/// How fast the threshold follows a trend above it, and below, per millisecond.
const ADAPT_UP: f64 = 0.0087;
const ADAPT_DOWN: f64 = 0.039;
/// How long a trend must stand above the threshold, in milliseconds.
const OVERUSE_TIME: f64 = 10.0;

/// What the queue does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Usage {
    /// It empties.
    Under,
    /// It stays.
    Normal,
    /// It fills.
    Over,
}

/// Packets that left together.
#[derive(Clone, Copy, Debug)]
struct Group {
    first_sent: f64,
    last_sent: f64,
    last_arrival: f64,
}

#[derive(Debug)]
pub(super) struct Delay {
    previous: Option<Group>,
    current: Option<Group>,
    points: VecDeque<(f64, f64)>,
    deltas: u32,
    first_arrival: Option<f64>,
    accumulated: f64,
    smoothed: f64,
    threshold: f64,
    last_trend: f64,
    over_for: Option<f64>,
    over_count: u32,
    last_update: Option<f64>,
    usage: Usage,
}

impl Delay {
    pub(super) fn new() -> Self {
        Self {
            previous: None,
            current: None,
            points: VecDeque::with_capacity(POINTS + 1),
            deltas: 0,
            first_arrival: None,
            accumulated: 0.0,
            smoothed: 0.0,
            threshold: 12.5,
            last_trend: 0.0,
            over_for: None,
            over_count: 0,
            last_update: None,
            usage: Usage::Normal,
        }
    }

    pub(super) fn usage(&self) -> Usage {
        self.usage
    }

    /// A packet arrived; both clocks in milliseconds. Gives what the queue does when a group was complete.
    pub(super) fn packet(&mut self, sent: Instant, arrival: f64) -> Option<Usage> {
        #[expect(clippy::cast_precision_loss, reason = "nanoseconds of a session are below 2^53")]
        let sent = sent.as_nanos() as f64 / 1e6;
        let Some(current) = &mut self.current else {
            self.current = Some(Group { first_sent: sent, last_sent: sent, last_arrival: arrival });
            return None;
        };
        if sent < current.first_sent {
            return None; // late; its group is over
        }
        if sent - current.first_sent <= BURST || joins_burst(current, sent, arrival) {
            current.last_sent = current.last_sent.max(sent);
            current.last_arrival = current.last_arrival.max(arrival);
            return None;
        }
        let complete = *current;
        self.current = Some(Group { first_sent: sent, last_sent: sent, last_arrival: arrival });
        let previous = self.previous.replace(complete)?;
        let sent_delta = complete.last_sent - previous.last_sent;
        let arrival_delta = complete.last_arrival - previous.last_arrival;
        if arrival_delta.abs() > 3000.0 {
            *self = Self { threshold: self.threshold, ..Self::new() }; // the receiver's clock was set
            return None;
        }
        self.group(sent_delta, arrival_delta, complete.last_arrival);
        Some(self.usage)
    }

    fn group(&mut self, sent_delta: f64, arrival_delta: f64, arrival: f64) {
        self.deltas = (self.deltas + 1).min(1000);
        let first = *self.first_arrival.get_or_insert(arrival);
        self.accumulated += arrival_delta - sent_delta;
        self.smoothed = SMOOTHING * self.smoothed + (1.0 - SMOOTHING) * self.accumulated;
        self.points.push_back((arrival - first, self.smoothed));
        if self.points.len() > POINTS {
            self.points.pop_front();
        }
        let trend = if self.points.len() == POINTS { slope(&self.points) } else { None };
        // A path that collapses spreads over long what left within a moment: the longer of both times counts.
        self.detect(trend.unwrap_or(self.last_trend), sent_delta.max(arrival_delta), arrival);
    }

    fn detect(&mut self, trend: f64, elapsed: f64, arrival: f64) {
        if self.deltas < 2 {
            return;
        }
        let modified = f64::from(self.deltas.min(60)) * trend * GAIN;
        if modified > self.threshold {
            let over = self.over_for.map_or(elapsed / 2.0, |over| over + elapsed);
            self.over_for = Some(over);
            self.over_count += 1;
            if over > OVERUSE_TIME && self.over_count > 1 && trend >= self.last_trend {
                (self.over_for, self.over_count) = (Some(0.0), 0);
                self.usage = Usage::Over;
            }
        } else {
            (self.over_for, self.over_count) = (None, 0);
            self.usage = if modified < -self.threshold { Usage::Under } else { Usage::Normal };
        }
        self.last_trend = trend;
        self.adapt(modified, arrival);
    }

    /// The threshold follows the trend slowly, so that one among competing flows is not starved by its own caution.
    fn adapt(&mut self, modified: f64, now: f64) {
        let elapsed = (now - self.last_update.unwrap_or(now)).clamp(0.0, 100.0);
        self.last_update = Some(now);
        if modified.abs() > self.threshold + 15.0 {
            return; // a jump, as when a path changes
        }
        let gain = if modified.abs() < self.threshold { ADAPT_DOWN } else { ADAPT_UP };
        self.threshold += gain * (modified.abs() - self.threshold) * elapsed;
        self.threshold = self.threshold.clamp(6.0, 600.0);
    }
}

/// Whether a packet arrived on the heels of a group that waited for the same queue.
fn joins_burst(group: &Group, sent: f64, arrival: f64) -> bool {
    let arrival_delta = arrival - group.last_arrival;
    let propagation = arrival_delta - (sent - group.last_sent);
    propagation < 0.0 && arrival_delta <= BURST && arrival - group.last_arrival < 100.0
}

/// The slope of the line of least squares; `None` when all points lie over one another.
fn slope(points: &VecDeque<(f64, f64)>) -> Option<f64> {
    let count = f64::from(u32::try_from(points.len()).ok()?);
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / count;
    let above: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let below: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    (below > 0.0).then(|| above / below)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(growth_per_packet: f64) -> Usage {
        let mut delay = Delay::new();
        let mut worst = Usage::Normal;
        for i in 0..100_u32 {
            let sent = Instant::from_nanos(u64::from(i) * 20_000_000);
            let arrival = f64::from(i) * (20.0 + growth_per_packet) + 5_000.0;
            if delay.packet(sent, arrival) == Some(Usage::Over) {
                worst = Usage::Over;
            }
        }
        if worst == Usage::Over { worst } else { delay.usage() }
    }

    #[test]
    fn a_filling_queue_is_seen_and_a_steady_one_is_not() {
        assert_eq!(run(0.0), Usage::Normal);
        assert_eq!(run(2.0), Usage::Over);
        assert_eq!(run(-2.0), Usage::Under);
    }
}
