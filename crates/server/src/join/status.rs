//! How things go, once a second.

use std::time::Duration;

use peer::Stats;
use serde_json::{Value, json};
use tokio::time::Instant;

/// What was counted before.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    before: Option<(Instant, u64, Sums)>,
}

/// Sums of one connection.
#[derive(Clone, Copy, Default, Debug)]
struct Sums {
    sent: u64,
    received: u64,
    packets: u64,
    lost: i64,
}

/// How things go.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Rates {
    /// Bits per second in both directions.
    out: u64,
    into: u64,
    /// The part of packets that was lost on the way to us, and on the way from us.
    lost: f64,
    lost_there: f64,
    round_trip: Option<Duration>,
    /// What the path carries, in bits per second.
    available: u64,
    frames: u64,
}

impl Meter {
    /// Takes what is counted now; `way` is the connection.
    pub(crate) fn take(&mut self, way: u64, stats: &Stats) -> Rates {
        let now = Instant::now();
        let media = stats.media.as_ref();
        let inbound = media.into_iter().flat_map(|media| &media.inbound_rtp);
        let (mut packets, mut lost, mut frames) = (0, 0, 0);
        for stream in inbound {
            packets += stream.packets_received;
            lost += stream.packets_lost;
            frames += stream.frames_received;
        }
        let (sent, received) = (stats.transport.bytes_sent, stats.transport.bytes_received);
        let sums = Sums { sent, received, packets, lost };
        let before = self.before.replace((now, way, sums)).filter(|(_, known, _)| *known == way);
        let there = media.into_iter().flat_map(|media| &media.remote_inbound_rtp);
        let mut rates = Rates {
            lost_there: there.map(|report| report.fraction_lost).fold(0.0, f64::max),
            round_trip: stats.current_round_trip_time,
            available: media.map_or(0, |media| media.available_outgoing_bitrate),
            frames,
            ..Rates::default()
        };
        if let Some((at, _, before)) = before {
            let nanos = (now - at).as_nanos().max(1);
            let rate =
                |bytes: u64| u64::try_from(u128::from(bytes) * 8_000_000_000 / nanos).unwrap_or(u64::MAX);
            rates.out = rate(sums.sent.saturating_sub(before.sent));
            rates.into = rate(sums.received.saturating_sub(before.received));
            let lost = u64::try_from(sums.lost - before.lost).unwrap_or(0);
            let all = lost + sums.packets.saturating_sub(before.packets);
            #[expect(clippy::cast_precision_loss, reason = "packets of a second")]
            let part = lost as f64 / all.max(1) as f64;
            rates.lost = part;
        }
        rates
    }
}

impl Rates {
    /// For programs.
    pub(crate) fn fields(&self) -> Value {
        json!({
            "bitsOut": self.out, "bitsIn": self.into, "lost": self.lost, "lostThere": self.lost_there,
            "roundTrip": self.round_trip.map(|time| time.as_secs_f64()), "available": self.available,
            "framesReceived": self.frames,
        })
    }

    /// For people.
    pub(crate) fn line(&self) -> String {
        let trip =
            self.round_trip.map_or(String::new(), |time| format!("  {:.0} ms", time.as_secs_f64() * 1e3));
        let lost = self.lost.max(self.lost_there) * 100.0;
        let lost = if lost >= 0.05 { format!("  {lost:.1} % lost") } else { String::new() };
        format!("out {}, in {}{trip}{lost}", bits(self.out), bits(self.into))
    }
}

/// A rate for people.
pub(crate) fn bits(rate: u64) -> String {
    match rate {
        0..10_000 => format!("{rate} bit/s"),
        10_000..1_000_000 => format!("{} kbit/s", rate / 1000),
        _ => format!("{}.{} Mbit/s", rate / 1_000_000, rate / 100_000 % 10),
    }
}

#[cfg(test)]
mod tests {
    use super::bits;

    #[test]
    fn rates_are_short() {
        for (rate, wanted) in [(0, "0 bit/s"), (64_321, "64 kbit/s"), (1_250_000, "1.2 Mbit/s")] {
            assert_eq!(bits(rate), wanted);
        }
    }
}
