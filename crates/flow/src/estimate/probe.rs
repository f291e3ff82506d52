//! Short bursts above the estimate, to see whether they arrive as fast as they leave.

use super::rate::{float, whole};
use super::sent::{Acknowledged, PROBES};
use std::time::Duration;
use wire::Instant;

/// How long a burst lasts.
const LENGTH: Duration = Duration::from_millis(15);
/// How many packets it has at least.
const LEAST_PACKETS: u32 = 5;
/// A burst that took longer than this to leave, or to be reported, proves nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// A burst that is being sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Probe {
    /// Its number.
    pub id: u32,
    /// How fast to send, in bits per second.
    pub rate: u64,
}

#[derive(Clone, Copy, Debug)]
struct Burst {
    probe: Probe,
    begun: Instant,
    packets: u32,
    bytes: usize,
    first_sent: Option<Instant>,
    last_sent: Instant,
    last_size: usize,
    arrivals: Arrivals,
    sending: bool,
}

#[derive(Clone, Copy, Default, Debug)]
struct Arrivals {
    packets: u32,
    bytes: usize,
    first: f64,
    first_size: usize,
    last: f64,
}

#[derive(Debug)]
pub(super) struct Prober {
    max: u64,
    interval: Option<Duration>,
    due: Option<Instant>,
    /// The rate of the next burst when the last one went through; else twice the target.
    next_rate: Option<u64>,
    burst: Option<Burst>,
    ids: u32,
}

impl Prober {
    pub(super) fn new(start: u64, max: u64, interval: Option<Duration>, now: Instant) -> Self {
        Self { max, interval, due: Some(now), next_rate: Some(start * 3), burst: None, ids: 0 }
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// The burst that still needs packets.
    pub(super) fn current(&self) -> Option<Probe> {
        self.burst.filter(|burst| burst.sending).map(|burst| burst.probe)
    }

    pub(super) fn start(&mut self, now: Instant, target: u64, calm: bool) -> Option<Probe> {
        self.due.filter(|due| now >= *due)?;
        self.due = self.interval.map(|interval| now + interval);
        let rate = self.next_rate.take().unwrap_or(target * 2).min(self.max);
        // Close to the bound there is nothing to find.
        if !calm || float(rate) < 1.05 * float(target) {
            return None;
        }
        // Packets of bursts long over are not remembered, so numbers may come again.
        self.ids = self.ids % u32::from(PROBES - 1) + 1;
        let probe = Probe { id: self.ids, rate };
        self.burst = Some(Burst {
            probe,
            begun: now,
            packets: 0,
            bytes: 0,
            first_sent: None,
            last_sent: now,
            last_size: 0,
            arrivals: Arrivals::default(),
            sending: true,
        });
        Some(probe)
    }

    pub(super) fn cancel(&mut self) {
        self.burst = None;
    }

    /// A packet leaves; gives the burst that it belongs to.
    pub(super) fn sent(&mut self, now: Instant, size: usize) -> Option<u32> {
        let burst = self.burst.as_mut().filter(|burst| burst.sending)?;
        if now.saturating_since(burst.begun) > PATIENCE {
            self.burst = None;
            return None;
        }
        burst.first_sent.get_or_insert(now);
        burst.packets += 1;
        burst.bytes += size;
        (burst.last_sent, burst.last_size) = (now, size);
        let wanted = float(burst.probe.rate) * LENGTH.as_secs_f64() / 8.0;
        #[expect(clippy::cast_precision_loss, reason = "a few packets")]
        if burst.packets >= LEAST_PACKETS && burst.bytes as f64 >= wanted {
            burst.sending = false;
        }
        Some(burst.probe.id)
    }

    /// A packet of a burst arrived. When most of it has, gives the rate that it proves, and a burst that went through
    /// is followed by a faster one.
    pub(super) fn arrived(&mut self, id: u32, packet: &Acknowledged) -> Option<u64> {
        let burst = self.burst.as_mut().filter(|burst| burst.probe.id == id)?;
        let arrivals = &mut burst.arrivals;
        if arrivals.packets == 0 {
            (arrivals.first, arrivals.first_size) = (packet.arrival, packet.size);
        }
        arrivals.packets += 1;
        arrivals.bytes += packet.size;
        arrivals.last = arrivals.last.max(packet.arrival);
        let enough = burst.arrivals.packets * 5 >= burst.packets * 4 && burst.arrivals.packets >= 4;
        if burst.sending || !enough {
            return None;
        }
        let (burst, rate) = (*burst, burst.proven()?);
        self.burst = None;
        if float(rate) > 0.7 * float(burst.probe.rate) && burst.probe.rate < self.max {
            self.next_rate = Some(rate * 2);
            self.due = Some(burst.last_sent);
        }
        Some(rate)
    }
}

impl Burst {
    /// The slower of how it left and how it arrived; a little less than the latter when it arrived more slowly, so that
    /// its own queue empties.
    fn proven(&self) -> Option<u64> {
        let bits = |bytes: usize| float(u64::try_from(bytes).unwrap_or(u64::MAX)) * 8.0;
        let leaving = self.last_sent.saturating_since(self.first_sent?).as_secs_f64();
        let arriving = (self.arrivals.last - self.arrivals.first) / 1000.0;
        if leaving <= 0.0 || arriving <= 0.0 {
            return None;
        }
        let left = bits(self.bytes - self.last_size) / leaving;
        let arrived = bits(self.arrivals.bytes - self.arrivals.first_size) / arriving;
        if arrived > 2.0 * left {
            return None; // something held the packets together on their way
        }
        Some(whole(if arrived < 0.9 * left { 0.95 * arrived } else { left.min(arrived) }))
    }
}
