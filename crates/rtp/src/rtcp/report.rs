//! Sender and receiver reports (RFC 3550 §6.4).

use super::list::{Entry, List};
use crate::{NtpTime, ntp};
use std::time::Duration;
use wire::{Reader, Short, Writer};

/// What a sender says of one of its streams.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SenderInfo {
    /// The wall clock when the report was sent.
    pub ntp: NtpTime,
    /// The same moment on the clock of the stream's timestamps.
    pub rtp_timestamp: u32,
    /// Packets sent since the stream began; wraps.
    pub packets: u32,
    /// Payload bytes sent since then; wraps.
    pub octets: u32,
}

/// What a receiver says of one stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReportBlock {
    /// The stream.
    pub ssrc: u32,
    /// The part lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost since the beginning, 24 bits with sign: duplicates may make it negative.
    pub cumulative_lost: i32,
    /// The highest sequence number received, with the number of wraps in its upper half.
    pub highest_sequence: u32,
    /// Interarrival jitter in units of the stream's timestamps.
    pub jitter: u32,
    /// The middle 32 bits of the last sender report's time; 0 when there was none.
    pub last_sender_report: u32,
    /// How long ago that was, in 1/65536 s.
    pub delay_since_last: u32,
}

impl ReportBlock {
    /// A delay in the unit of [`delay_since_last`](Self::delay_since_last).
    pub fn delay(duration: Duration) -> u32 {
        ntp::to_short(duration)
    }

    /// The round trip to whoever sent this report about a stream of ours, when `now` is our wall clock
    /// (RFC 3550 §6.4.1). `None` when they have no report of ours yet or the figures make no sense.
    pub fn round_trip(&self, now: NtpTime) -> Option<Duration> {
        if self.last_sender_report == 0 {
            return None;
        }
        let elapsed = now.middle().wrapping_sub(self.last_sender_report);
        elapsed.checked_sub(self.delay_since_last).filter(|trip| *trip < 1 << 31).map(ntp::from_short)
    }
}

impl Entry for ReportBlock {
    const LEN: usize = 24;

    fn read(from: &mut Reader<'_>) -> Result<Self, Short> {
        let ssrc = from.u32()?;
        let lost = from.u32()?;
        Ok(Self {
            ssrc,
            fraction_lost: lost.to_be_bytes()[0],
            // Shifted up and down again, the 24 bits keep their sign.
            cumulative_lost: (lost << 8).cast_signed() >> 8,
            highest_sequence: from.u32()?,
            jitter: from.u32()?,
            last_sender_report: from.u32()?,
            delay_since_last: from.u32()?,
        })
    }

    fn write(&self, to: &mut Writer<'_>) -> Result<(), Short> {
        let lost = self.cumulative_lost.clamp(-0x80_0000, 0x7f_ffff).cast_unsigned() & 0x00ff_ffff;
        to.u32(self.ssrc)?;
        to.u32(u32::from(self.fraction_lost) << 24 | lost)?;
        to.u32(self.highest_sequence)?;
        to.u32(self.jitter)?;
        to.u32(self.last_sender_report)?;
        to.u32(self.delay_since_last)
    }
}

/// SR: what is sent, and what is received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SenderReport<'a> {
    /// The stream that this speaks of, and its sender.
    pub ssrc: u32,
    /// What was sent.
    pub info: SenderInfo,
    /// What was received, at most 31 blocks.
    pub reports: List<'a, ReportBlock>,
}

/// RR: what is received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReceiverReport<'a> {
    /// Who reports.
    pub ssrc: u32,
    /// What was received, at most 31 blocks.
    pub reports: List<'a, ReportBlock>,
}

impl<'a> SenderReport<'a> {
    pub(super) fn read(count: u8, body: &'a [u8]) -> Result<Self, Short> {
        let mut from = Reader::new(body);
        let ssrc = from.u32()?;
        let info = SenderInfo {
            ntp: NtpTime(from.u64()?),
            rtp_timestamp: from.u32()?,
            packets: from.u32()?,
            octets: from.u32()?,
        };
        let reports = List::received(from.take(usize::from(count) * ReportBlock::LEN)?);
        Ok(Self { ssrc, info, reports })
    }

    pub(super) fn write(&self, to: &mut Writer<'_>) -> Result<(), Short> {
        to.u32(self.ssrc)?;
        to.u64(self.info.ntp.0)?;
        to.u32(self.info.rtp_timestamp)?;
        to.u32(self.info.packets)?;
        to.u32(self.info.octets)?;
        self.reports.write(to)
    }
}

impl<'a> ReceiverReport<'a> {
    pub(super) fn read(count: u8, body: &'a [u8]) -> Result<Self, Short> {
        let mut from = Reader::new(body);
        let ssrc = from.u32()?;
        Ok(Self { ssrc, reports: List::received(from.take(usize::from(count) * ReportBlock::LEN)?) })
    }

    pub(super) fn write(&self, to: &mut Writer<'_>) -> Result<(), Short> {
        to.u32(self.ssrc)?;
        self.reports.write(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 3550 §6.4.1, figure 2.
    #[test]
    fn the_round_trip_is_that_of_the_standard() {
        let block = ReportBlock {
            ssrc: 1,
            fraction_lost: 0,
            cumulative_lost: 0,
            highest_sequence: 0,
            jitter: 0,
            last_sender_report: 0xb705_2000,
            delay_since_last: 0x0005_4000,
        };
        assert_eq!(block.round_trip(NtpTime(0xb710_8000_0000)), Some(Duration::from_millis(6125)));
        assert_eq!(block.round_trip(NtpTime(0xb705_2000_0000)), None, "shorter than the delay");
        assert_eq!(ReportBlock { last_sender_report: 0, ..block }.round_trip(NtpTime(1 << 40)), None);
    }
}
