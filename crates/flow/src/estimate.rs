//! How much the path to the peer carries: a congestion controller of the family that browsers use
//! (draft-ietf-rmcat-gcc-02), fed by transport-wide feedback.
//!
//! Three parts look at the same feedback. The **delay** part groups packets into bursts and watches how the one-way delay
//! changes from burst to burst: when a line through the last points rises steadily, a queue fills somewhere, and the
//! estimate drops below what arrives. The **loss** part drops when more than a tenth is lost; loss without a growing
//! queue is taken for the nature of the path. **Probes**, short bursts above the estimate, find room that careful growth
//! would take half a minute to find. The target is the least of the first two.

mod delay;
mod loss;
mod probe;
mod rate;
mod sent;

pub use probe::Probe;

use delay::{Delay, Usage};
use loss::Loss;
use probe::Prober;
use rate::{Growth, Throughput};
use rtp::rtcp::Twcc;
use sent::History;
use std::time::Duration;
use wire::Instant;

/// How long a queue is emptied at most.
const DRAIN: Duration = Duration::from_secs(3);
/// How much longer than the shortest one the round trip may be when a queue counts as empty.
const DRAINED: Duration = Duration::from_millis(100);

/// Bounds of the estimate, in bits per second.
#[derive(Clone, Debug)]
pub struct Config {
    /// It never falls below.
    pub min: u64,
    /// Where it begins.
    pub start: u64,
    /// It never rises above.
    pub max: u64,
    /// How often to look for more room with a probe; `None` never probes after the start.
    pub probe_interval: Option<Duration>,
}

impl Default for Config {
    /// 50 kbit/s, 300 kbit/s, 20 Mbit/s, a probe every 5 s.
    fn default() -> Self {
        Self { min: 50_000, start: 300_000, max: 20_000_000, probe_interval: Some(Duration::from_secs(5)) }
    }
}

/// What one feedback message said of packets that had not been reported before and left after the last drop: what was
/// sent at a rate that is no more says nothing of the present one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Reported {
    /// Packets that arrived.
    pub received: u32,
    /// Packets that the message covers and that did not arrive.
    pub lost: u32,
}

/// The congestion controller of one transport.
#[derive(Debug)]
pub struct Estimator {
    config: Config,
    sent: History,
    delay: Delay,
    growth: Growth,
    loss: Loss,
    throughput: Throughput,
    prober: Prober,
    round_trip: Duration,
    target: u64,
    last_drop: Instant,
    least_round_trip: Duration,
    /// Until when to send less than the estimate at most, so that the queue of a path that collapsed empties.
    draining: Option<Instant>,
}

impl Estimator {
    /// A controller that begins at [`Config::start`]. Bounds that contradict each other are put in order.
    pub fn new(config: Config, now: Instant) -> Self {
        let max = config.max.max(1000);
        let min = config.min.clamp(1000, max);
        let config = Config { min, max, start: config.start.clamp(min, max), ..config };
        Self {
            sent: History::new(),
            delay: Delay::new(),
            growth: Growth::new(config.start, now),
            loss: Loss::new(config.max),
            throughput: Throughput::new(),
            prober: Prober::new(config.start, config.max, config.probe_interval, now),
            round_trip: Duration::from_millis(100),
            target: config.start,
            last_drop: now,
            least_round_trip: Duration::MAX,
            draining: None,
            config,
        }
    }

    /// How much may be sent, in bits per second, everything included.
    pub fn target(&self) -> u64 {
        self.target
    }

    /// The round trip that was measured last; 100 ms until then.
    pub fn round_trip(&self) -> Duration {
        self.round_trip
    }

    /// How much arrives, in bits per second, as far as it is known.
    pub fn throughput(&self) -> Option<u64> {
        self.throughput.rate()
    }

    /// The transport-wide sequence number of the next packet.
    pub fn next_number(&self) -> u16 {
        self.sent.next_number()
    }

    /// Reads what [`sent`](Self::sent) needs.
    #[inline]
    pub(crate) fn fetch(&self, pass: u8) -> u64 {
        self.sent.fetch(pass)
    }

    /// The packet with the [`next_number`](Self::next_number) leaves; `size` is in bytes, `probe` says that it may belong
    /// to the probe under way.
    pub fn sent(&mut self, now: Instant, size: usize, probe: bool) {
        let probe = if probe { self.prober.sent(now, size) } else { None };
        self.sent.push(now, size, probe);
    }

    /// A report measured the round trip.
    pub fn measured(&mut self, round_trip: Duration) {
        self.round_trip = round_trip.clamp(Duration::from_millis(1), Duration::from_secs(10));
        self.least_round_trip = self.least_round_trip.min(self.round_trip);
    }

    /// The probe to be sent now, if any: the pacer sends at its rate until it has its bytes.
    pub fn probe(&self) -> Option<Probe> {
        self.prober.current()
    }

    /// Whether a probe should begin: something to fill it with is at hand.
    pub fn start_probe(&mut self, now: Instant) -> Option<Probe> {
        let calm = self.delay.usage() != Usage::Over;
        self.prober.start(now, self.target, calm)
    }

    /// Nothing is there to send a probe with.
    pub fn cancel_probe(&mut self) {
        self.prober.cancel();
    }

    /// When the next probe is due.
    pub fn probe_due(&self) -> Option<Instant> {
        self.prober.due()
    }

    /// Takes feedback in. Packets that are not known, or were reported before, count for nothing.
    pub fn handle_feedback(&mut self, now: Instant, feedback: &Twcc<'_>) -> Reported {
        let Self { sent, delay, throughput, prober, last_drop, .. } = self;
        let (mut usage, mut probed, mut last) = (delay.usage(), None, None);
        let reported = sent.report(feedback, *last_drop, |packet| {
            throughput.received(packet.arrival, packet.size);
            if let Some(id) = packet.probe {
                probed = prober.arrived(id, packet).or(probed);
            } else if let Some(found) = delay.packet(packet.sent, packet.arrival) {
                // One message may hold both the begin of an overuse and its end: the worst counts.
                usage = if usage == Usage::Over { usage } else { found };
            }
            last = last.max(Some(packet.sent));
        });
        if let Some(last) = last {
            // The receiver held the message for a while; a queue on the way is still seen at once.
            self.measured((self.round_trip + now.saturating_since(last)) / 2);
        }
        self.update(now, usage, probed, reported);
        reported
    }

    fn update(&mut self, now: Instant, usage: Usage, probed: Option<u64>, reported: Reported) {
        let over = usage == Usage::Over;
        let throughput = if over { self.throughput.collapsed() } else { self.throughput.rate() };
        self.growth.update(now, usage, throughput, self.round_trip);
        if let Some(rate) = probed.filter(|_| usage != Usage::Over) {
            self.growth.found(now, rate);
            self.loss.found(rate);
        }
        let (min, max) = (self.config.min, self.config.max);
        self.growth.clamp(min, max);
        let limit = self.loss.update(now, reported, usage, self.growth.rate(), self.round_trip);
        let target = self.drain(now, self.growth.rate().min(limit)).clamp(min, max);
        if target < self.target {
            self.last_drop = now;
        }
        self.target = target;
    }

    /// After a collapse the queue holds far more than the path carries in a round trip, and everything lost would have to
    /// wait behind it again: sends less until the round trip is short again.
    fn drain(&mut self, now: Instant, rate: u64) -> u64 {
        if rate < self.target / 2 {
            self.draining = Some(now + DRAIN);
        }
        let long = self.round_trip > self.least_round_trip.saturating_add(DRAINED);
        self.draining = self.draining.filter(|until| now < *until && long);
        if self.draining.is_some() { rate * 6 / 10 } else { rate }
    }

    /// Nothing was heard for long: the path may be gone, and what it carries later is not known.
    pub fn handle_silence(&mut self) {
        self.growth.halve(self.config.min);
        self.target = self.target.min(self.growth.rate());
    }

    /// Bytes that were sent and not reported as received.
    pub fn in_flight(&self) -> usize {
        self.sent.in_flight()
    }
}
