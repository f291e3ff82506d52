use super::pacer::float;
use crate::rtt::Rtt;
use std::time::Duration;
use wire::Instant;

/// Congestion control: CUBIC (RFC 9438) with the careful end of slow start of HyStart++ (RFC 9406), and a cut
/// that depends on what a loss means.
///
/// CUBIC takes every loss for a full queue. A loss while the round trip is that of empty queues says nothing of
/// the kind: radio links lose packets at random, and at 1 % and 100 ms both Reno and CUBIC stay at a dozen
/// packets. So a loss cuts the window only to what the path itself holds: by the ratio of the shortest round
/// trip to that of now, at most by CUBIC's 0.7, and not at all as long as no queue shows. If more than 2 % of
/// the packets are lost, whatever the round trip, each loss is congestion again (as in BBR), which is what
/// shallow queues and policers need. The shortest round trip is never forgotten: on a path that became longer
/// all losses count in full.
#[derive(Debug)]
pub(super) struct Congestion {
    mtu: f64,
    window: f64,
    threshold: f64,
    most: f64,
    /// Losses up to this TSN belong to the cut that was made.
    recovery: u64,
    cubic: Cubic,
    round: Round,
    /// Whether the window was what held data back since the last growth.
    pub(super) limited: bool,
    lost: f64,
    delivered: f64,
}

#[derive(Debug, Default)]
struct Cubic {
    epoch: Option<Instant>,
    /// Window before the last cut, in packets.
    before: f64,
    /// Seconds until the window is there again.
    k: f64,
    /// What Reno would have by now, in packets.
    reno: f64,
}

/// Round trips for HyStart++ (RFC 9406 §4.2).
#[derive(Debug)]
struct Round {
    end: u64,
    least: Duration,
    last: Duration,
    samples: u32,
    /// Rounds left of conservative slow start, and the round trip it began with.
    careful: Option<(u8, Duration)>,
}

const C: f64 = 0.4;
const BETA: f64 = 0.7;
const TOLERATED: f64 = 0.02;

impl Congestion {
    pub(super) fn new(mtu: usize) -> Self {
        let mtu = float(mtu);
        Self {
            mtu,
            window: 10.0 * mtu,
            threshold: f64::INFINITY,
            most: 64.0 * 1024.0 * 1024.0,
            recovery: 0,
            cubic: Cubic::default(),
            round: Round { end: 0, least: Duration::MAX, last: Duration::MAX, samples: 0, careful: None },
            limited: false,
            lost: 0.0,
            delivered: 0.0,
        }
    }

    /// Packets have another size: what is counted in packets stays as many bytes.
    pub(super) fn resize(&mut self, mtu: usize) {
        let mtu = float(mtu);
        self.cubic.before *= self.mtu / mtu;
        self.cubic.epoch = None;
        self.mtu = mtu;
    }

    /// Bytes that may be in flight.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between one packet and 64 MiB"
    )]
    pub(super) const fn window(&self) -> usize {
        self.window as usize
    }

    /// How much faster than a window per round trip packets may go.
    pub(super) fn gain(&self) -> f64 {
        if self.window < self.threshold { 2.0 } else { 1.25 }
    }

    /// `bytes` were acknowledged, the highest of them `tsn`; `next` is the next TSN to be sent.
    pub(super) fn acknowledged(&mut self, now: Instant, bytes: usize, tsn: u64, next: u64, rtt: &Rtt) {
        let bytes = float(bytes);
        self.delivered += bytes / self.mtu;
        self.sample(rtt.latest());
        if tsn >= self.round.end {
            self.next_round(next);
        }
        if tsn < self.recovery || !self.limited {
            return;
        }
        if self.window < self.threshold {
            let slow = if self.round.careful.is_some() { 4.0 } else { 1.0 };
            self.window = (self.window + bytes / slow).min(self.most);
        } else {
            self.avoid(now, bytes, rtt.smoothed().unwrap_or_default());
        }
    }

    /// CUBIC's growth (RFC 9438 §4.2 to §4.5).
    fn avoid(&mut self, now: Instant, bytes: f64, round_trip: Duration) {
        let packets = self.window / self.mtu;
        let cubic = &mut self.cubic;
        let epoch = *cubic.epoch.get_or_insert_with(|| {
            cubic.reno = packets;
            if cubic.before < packets {
                (cubic.before, cubic.k) = (packets, 0.0);
            } else {
                cubic.k = ((cubic.before - packets) / C).cbrt();
            }
            now
        });
        let t = (now.saturating_since(epoch) + round_trip).as_secs_f64() - cubic.k;
        let target = (C * t * t).mul_add(t, cubic.before).clamp(packets, 1.5 * packets);
        let acked = bytes / self.mtu;
        cubic.reno += 3.0 * (1.0 - BETA) / (1.0 + BETA) * acked / packets;
        let grown = packets + (target - packets) * acked / packets;
        self.window = (grown.max(cubic.reno) * self.mtu).min(self.most);
    }

    fn sample(&mut self, rtt: Duration) {
        self.round.least = self.round.least.min(rtt);
        self.round.samples += 1;
        if self.window >= self.threshold || self.round.samples < 8 || self.round.last == Duration::MAX {
            return;
        }
        let round = &mut self.round;
        let margin = (round.last / 8).clamp(Duration::from_millis(4), Duration::from_millis(16));
        match round.careful {
            None if round.least >= round.last + margin => round.careful = Some((5, round.least)),
            Some((_, base)) if round.least < base => round.careful = None,
            _ => {}
        }
    }

    fn next_round(&mut self, next: u64) {
        let round = &mut self.round;
        (round.end, round.last) = (next, round.least);
        (round.least, round.samples) = (Duration::MAX, 0);
        if let Some((left, base)) = round.careful {
            round.careful = (left > 1).then_some((left - 1, base));
            if round.careful.is_none() && self.window < self.threshold {
                self.threshold = self.window;
            }
        }
        self.lost *= 0.875;
        self.delivered *= 0.875;
    }

    /// Packets up to `tsn` were found lost, `count` of them. Says whether the window was cut.
    pub(super) fn lost(&mut self, tsn: u64, next: u64, count: usize, rtt: &Rtt) -> bool {
        if tsn < self.recovery {
            return false;
        }
        self.lost += float(count);
        let factor = self.judge(rtt);
        if factor >= 1.0 {
            return false;
        }
        let packets = self.window / self.mtu;
        // Fast convergence (RFC 9438 §4.7).
        self.cubic.before =
            if packets < self.cubic.before { packets * (1.0 + factor) / 2.0 } else { packets };
        self.cubic.epoch = None;
        self.window = (self.window * factor).max(2.0 * self.mtu);
        self.threshold = self.window;
        self.recovery = next;
        // These losses were answered: they must not make the next one look like more than chance.
        (self.lost, self.delivered) = (0.0, 0.0);
        true
    }

    /// What is left of the window after a loss.
    fn judge(&self, rtt: &Rtt) -> f64 {
        let expected = TOLERATED * (self.lost + self.delivered);
        // Two standard deviations above the tolerated rate are more than chance.
        if self.lost > expected + 2.0 * expected.sqrt() + 1.0 {
            return BETA;
        }
        let least = rtt.least();
        let current = self.round.least.min(self.round.last).min(rtt.latest());
        if least == Duration::MAX || current <= least + (least / 8).max(Duration::from_millis(1)) {
            return 1.0;
        }
        (least.as_secs_f64() / current.as_secs_f64()).clamp(BETA, 1.0)
    }

    /// Nothing came back for a whole timeout (RFC 9260 §7.2.3).
    pub(super) fn timed_out(&mut self, next: u64) {
        self.threshold = (self.window * BETA).max(4.0 * self.mtu);
        self.cubic.before = self.window / self.mtu;
        self.cubic.epoch = None;
        self.window = self.mtu;
        self.recovery = next.min(self.recovery);
        self.round.careful = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rtt(least: u64, latest: u64) -> Rtt {
        let mut rtt = Rtt::new(Duration::from_secs(1), Duration::ZERO, Duration::MAX);
        for millis in [least, latest] {
            rtt.measured(Instant::ZERO + Duration::from_millis(millis), Instant::ZERO);
        }
        rtt
    }

    /// 1000 packets arrive and `lost` do not, while the round trip is `latest` and was 100 ms at least.
    #[test]
    fn a_loss_cuts_by_what_it_means() {
        for (lost, latest, expected) in
            [(1, 100, 1.0), (10, 112, 1.0), (1, 125, 0.8), (1, 200, 0.7), (40, 100, 0.7)]
        {
            let mut congestion = Congestion::new(1000);
            let rtt = rtt(100, latest);
            congestion.acknowledged(Instant::ZERO, 1_000_000, 1, 1001, &rtt);
            let before = float(congestion.window());
            congestion.lost(1100, 1200, lost, &rtt);
            let factor = float(congestion.window()) / before;
            assert!((factor - expected).abs() < 0.01, "{lost} {latest}: {factor}");
        }
    }

    #[test]
    fn slow_start_doubles_and_one_flight_cuts_once() {
        let mut congestion = Congestion::new(1000);
        let rtt = rtt(100, 200);
        congestion.acknowledged(Instant::ZERO, 10_000, 1, 11, &rtt);
        assert_eq!(congestion.window(), 10_000, "what was not used does not grow");
        congestion.limited = true;
        congestion.acknowledged(Instant::ZERO, 10_000, 11, 31, &rtt);
        assert_eq!(congestion.window(), 20_000);
        assert!(congestion.lost(20, 31, 1, &rtt));
        assert!(!congestion.lost(30, 31, 1, &rtt));
        assert_eq!(congestion.window(), 14_000);
        congestion.timed_out(31);
        assert_eq!(congestion.window(), 1000);
    }

    /// In bytes, the way back to where a cut was made is as long with packets of any size.
    #[test]
    fn growth_does_not_depend_on_when_packets_change_their_size() {
        let mut reached = Vec::new();
        for (first, then) in [(1000, 1000), (500, 1000), (2000, 1000)] {
            let mut congestion = Congestion::new(first);
            (congestion.window, congestion.limited) = (1_000_000.0, true);
            let rtt = rtt(100, 200);
            assert!(congestion.lost(1, 2, 1, &rtt));
            congestion.resize(then);
            let mut now = Instant::ZERO;
            for tsn in 2..20 {
                congestion.acknowledged(now, 700_000, tsn, tsn + 1, &rtt);
                now += Duration::from_millis(200);
            }
            reached.push(congestion.window());
        }
        assert!(reached.iter().all(|bytes| bytes.abs_diff(reached[0]) < 2), "{reached:?}");
        assert!(reached[0] > 900_000, "{reached:?}");
    }
}
