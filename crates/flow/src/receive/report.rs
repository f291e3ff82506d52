//! What a receiver reports of one stream (RFC 3550 §6.4.1, appendices A.3 and A.8).

use rtp::NtpTime;
use rtp::rtcp::ReportBlock;
use wire::Instant;

#[derive(Debug, Default)]
pub(super) struct Report {
    first: Option<i64>,
    highest: i64,
    received: i64,
    expected_before: i64,
    received_before: i64,
    /// Scaled by 16.
    jitter: i64,
    /// The last packet's arrival and timestamp, in ticks of the stream.
    transit: Option<i64>,
    sender_report: Option<(NtpTime, Instant)>,
}

impl Report {
    /// A packet of the stream itself arrived.
    pub(super) fn received(&mut self, now: Instant, number: i64, timestamp: u32, clock_rate: u32) {
        let first = *self.first.get_or_insert(number);
        self.highest = if self.received == 0 { number } else { self.highest.max(number) };
        self.first = Some(first.min(number));
        self.received += 1;
        let ticks = now.saturating_since(Instant::ZERO).as_nanos() * u128::from(clock_rate) / 1_000_000_000;
        #[expect(clippy::cast_possible_truncation, reason = "both wrap in the same way")]
        let transit = i64::from((ticks as u32).wrapping_sub(timestamp).cast_signed());
        if let Some(last) = self.transit.replace(transit) {
            // Of numbers that wrapped between, the difference is what it was before they did.
            #[expect(clippy::cast_possible_truncation, reason = "32 bits are meant")]
            let difference = i64::from(((transit - last) as i32).unsigned_abs());
            self.jitter += difference - ((self.jitter + 8) >> 4);
        }
    }

    /// The sender told the time.
    pub(super) fn sender_report(&mut self, now: Instant, ntp: NtpTime) {
        self.sender_report = Some((ntp, now));
    }

    /// The lost packets since the beginning.
    pub(super) fn lost(&self) -> i64 {
        self.first.map_or(0, |first| self.highest - first + 1 - self.received)
    }

    pub(super) fn jitter(&self) -> u32 {
        u32::try_from(self.jitter >> 4).unwrap_or(u32::MAX)
    }

    /// The block for the next report; `None` before the first packet.
    pub(super) fn block(&mut self, now: Instant, ssrc: u32) -> Option<ReportBlock> {
        let expected = self.highest - self.first? + 1;
        let expected_now = expected - std::mem::replace(&mut self.expected_before, expected);
        let received_now = self.received - std::mem::replace(&mut self.received_before, self.received);
        let lost_now = expected_now - received_now;
        let fraction = if expected_now > 0 && lost_now > 0 { (lost_now << 8) / expected_now } else { 0 };
        let (last, delay) = match self.sender_report {
            Some((ntp, at)) => (ntp.middle(), ReportBlock::delay(now.saturating_since(at))),
            None => (0, 0),
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "32 bits are sent")]
        let highest_sequence = self.highest as u32;
        Some(ReportBlock {
            ssrc,
            fraction_lost: u8::try_from(fraction).unwrap_or(u8::MAX),
            cumulative_lost: i32::try_from(self.lost()).unwrap_or(i32::MAX),
            highest_sequence,
            jitter: self.jitter(),
            last_sender_report: last,
            delay_since_last: delay,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_and_jitter_are_those_of_the_standard() {
        let at = |ms: u64| Instant::from_nanos(ms * 1_000_000);
        let mut report = Report::default();
        assert_eq!(report.block(at(0), 7), None);
        for (number, ms) in [(10, 0), (11, 20), (13, 60), (14, 96)] {
            let timestamp = u32::try_from(number - 10).unwrap() * 160;
            report.received(at(ms), number, timestamp, 8000);
        }
        let block = report.block(at(100), 7).unwrap();
        assert_eq!((block.highest_sequence, block.cumulative_lost), (14, 1));
        assert_eq!(block.fraction_lost, 51, "one of five");
        // The last packet came 16 ms late, which is 128 ticks, of which a sixteenth counts.
        assert_eq!(block.jitter, 8);
        report.received(at(100), 12, 320, 8000);
        let block = report.block(at(200), 7).unwrap();
        assert_eq!((block.fraction_lost, block.cumulative_lost), (0, 0), "it was late, not lost");
    }
}
