//! One stream that is received: from packets to frames.

use super::buffer::{Buffer, Inserted, Slot};
use super::nack::Nacks;
use super::report::Report;
use super::{Config, Frame, Stats};
use crate::StreamId;
use crate::payload::{Format, Superframe};
use rtp::{Packet, Unwrapper};
use std::time::Duration;
use wire::{Instant, Reader};

/// A stream to be received, as it was negotiated.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StreamConfig {
    /// Its source.
    pub ssrc: u32,
    /// The payload types it may have and how their frames travel.
    pub formats: Vec<(u8, Format)>,
    /// The source of its retransmissions (RFC 4588), when there is one.
    pub rtx: Option<u32>,
    /// For each payload type of retransmissions, that of what is sent again.
    pub rtx_types: Vec<(u8, u8)>,
    /// Whether lost packets may be asked for.
    pub nack: bool,
    /// Whether keyframes may be asked for.
    pub pli: bool,
    /// Whether somebody else takes the packets as they come: they are reported, what is missing is asked for, and no
    /// frames are made of them.
    pub forward: bool,
}

/// How long missing packets are waited for when a whole keyframe is there behind them.
const CHANCE: Duration = Duration::from_millis(150);

/// How many packets before the first one that came are asked for, if it is not the beginning of a keyframe: without that
/// nothing can be decoded, and a keyframe that is asked for takes longer to come.
const BEFORE: i64 = 8;

/// How many packets back a forwarded one is still of use to anybody.
const FORWARDED: i64 = 1024;

/// What holds frames up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Each frame follows the one before it.
    Following,
    /// Only a keyframe helps; when to ask for it.
    NeedsKeyframe { ask: Instant },
}

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) config: StreamConfig,
    numbers: Unwrapper,
    buffer: Buffer,
    pub(super) nacks: Nacks,
    pub(super) report: Report,
    state: State,
    is_video: bool,
    /// Packets that were given up since the last frame.
    missing: u32,
    /// When the receiver believes that this stream has something to do.
    pub(super) scheduled: Option<Instant>,
}

impl Stream {
    pub(super) fn new(config: StreamConfig, now: Instant, most: usize) -> Self {
        let is_video = config.formats.iter().any(|(_, format)| format.is_video());
        // A keyframe comes by itself at the beginning; it is asked for only when it does not.
        let begin = State::NeedsKeyframe { ask: now + Duration::from_millis(200) };
        Self {
            state: if is_video { begin } else { State::Following },
            config,
            numbers: Unwrapper::default(),
            buffer: Buffer::new(most),
            nacks: Nacks::new(),
            report: Report::default(),
            is_video,
            missing: 0,
            scheduled: None,
        }
    }

    /// Goes on with another configuration.
    pub(super) fn reconfigure(&mut self, config: StreamConfig) {
        self.is_video = config.formats.iter().any(|(_, format)| format.is_video());
        self.config = config;
    }

    /// A packet of the stream itself.
    pub(super) fn packet(&mut self, now: Instant, packet: &Packet<'_>, stats: &mut Stats) {
        let Some(format) = self.format(packet.payload_type()) else {
            stats.unknown_type += 1;
            return;
        };
        let before = self.numbers.highest();
        let number = self.numbers.unwrap(packet.sequence_number());
        self.report.received(now, number, packet.timestamp(), format.clock_rate());
        if before.is_none() && self.is_video && self.config.nack {
            let glimpse = glimpse(format, packet.payload()).unwrap_or_default();
            if !(glimpse.begins && glimpse.keyframe) {
                self.nacks.miss(now, number - BEFORE..number);
                self.buffer.expect(number - BEFORE);
            }
        }
        if self.config.forward {
            return self.passed(now, before, number, stats);
        }
        self.insert(now, number, format, (packet.timestamp(), packet.marker()), packet.payload(), stats);
    }

    /// A packet of its retransmissions: the original number stands before the payload (RFC 4588 §4).
    /// Whether it was missing.
    pub(super) fn retransmission(&mut self, now: Instant, packet: &Packet<'_>, stats: &mut Stats) -> bool {
        let original = self.config.rtx_types.iter().find(|(rtx, _)| *rtx == packet.payload_type());
        let Some(format) = original.and_then(|(_, original)| self.format(*original)) else {
            stats.unknown_type += 1;
            return false;
        };
        let mut payload = Reader::new(packet.payload());
        // Without a payload it only fills a probe.
        let Ok(number) = payload.u16() else { return false };
        // It never tells of a new number: its own stream must have come that far.
        let number = self.numbers.peek(number);
        if self.numbers.highest().is_none_or(|highest| number > highest) {
            stats.late += 1;
            return false;
        }
        stats.retransmissions += 1;
        let missing = self.nacks.misses(number);
        if self.config.forward {
            stats.recovered += u64::from(self.nacks.found(number));
        } else {
            self.insert(now, number, format, (packet.timestamp(), packet.marker()), payload.rest(), stats);
        }
        missing
    }

    /// A packet that somebody else takes: only what is missing before it matters.
    fn passed(&mut self, now: Instant, before: Option<i64>, number: i64, stats: &mut Stats) {
        stats.recovered += u64::from(self.nacks.found(number));
        if let Some(next) =
            before.map(|highest| highest + 1).filter(|next| *next < number && self.config.nack)
        {
            self.nacks.miss(now, next..number);
        }
        self.nacks.forget_before(number - FORWARDED);
    }

    fn format(&self, payload_type: u8) -> Option<Format> {
        self.config.formats.iter().find(|(kind, _)| *kind == payload_type).map(|(_, format)| *format)
    }

    fn insert(
        &mut self,
        now: Instant,
        number: i64,
        format: Format,
        (timestamp, marker): (u32, bool),
        payload: &[u8],
        stats: &mut Stats,
    ) {
        let recovered = self.nacks.found(number);
        if payload.is_empty() {
            // Padding fills probes of senders without retransmissions; its number must not be missing.
            stats.padding += 1;
        }
        let Ok(glimpse) = glimpse(format, payload) else {
            stats.malformed += 1;
            return;
        };
        let slot = Slot { timestamp, marker, format, glimpse, payload: payload.to_vec() };
        match self.buffer.insert(now, number, slot) {
            Inserted::New => {}
            Inserted::Jumped(from) if self.config.nack => self.nacks.miss(now, from..number),
            Inserted::Jumped(_) => {}
            Inserted::Late => stats.late += 1,
            Inserted::Restarted => {
                self.nacks.forget_before(number);
                self.break_off(now, 1);
            }
        }
        stats.recovered += u64::from(recovered);
    }

    /// Packets are given up: for pictures only a keyframe helps now.
    fn break_off(&mut self, now: Instant, missing: usize) {
        self.missing = self.missing.saturating_add(u32::try_from(missing).unwrap_or(u32::MAX));
        if self.is_video && self.state == State::Following {
            self.state = State::NeedsKeyframe { ask: now };
        }
    }

    /// The next frame, when it is whole and its turn has come.
    pub(super) fn poll_frame(&mut self, now: Instant, id: StreamId, stats: &mut Stats) -> Option<Frame> {
        loop {
            self.jump(now);
            let Some(packets) = self.buffer.take_frame(now) else {
                self.forget();
                return None;
            };
            // Padding between two frames is no frame that has lost something.
            if packets.iter().all(|slot| slot.payload.is_empty()) {
                continue;
            }
            if let Some(frame) = self.assemble(packets, id, stats) {
                self.forget();
                return Some(frame);
            }
            self.break_off(now, 1);
        }
    }

    /// Goes on with a whole keyframe behind a gap, when nothing before it can be decoded, or has had its chance.
    fn jump(&mut self, now: Instant) {
        let Some(since) = self.buffer.gap_since().filter(|_| self.is_video) else { return };
        let lost = matches!(self.state, State::NeedsKeyframe { .. });
        if lost || now.saturating_since(since) >= CHANCE {
            let skipped = self.buffer.skip_to_keyframe(now).unwrap_or(0);
            self.missing = self.missing.saturating_add(u32::try_from(skipped).unwrap_or(u32::MAX));
        }
    }

    fn forget(&mut self) {
        if let Some(first) = self.buffer.first() {
            self.nacks.forget_before(first);
        }
    }

    fn assemble(&mut self, packets: Vec<Slot>, id: StreamId, stats: &mut Stats) -> Option<Frame> {
        let mut packets = packets.into_iter().filter(|slot| !slot.payload.is_empty()).peekable();
        let first = packets.peek()?;
        let (begins, timestamp, format) = (first.glimpse.begins, first.timestamp, first.format);
        let (mut data, mut superframe, mut keyframe) = (Vec::new(), Superframe::default(), false);
        for slot in packets {
            keyframe |= slot.glimpse.keyframe;
            if slot.format.depacketize(&slot.payload, &mut data, &mut superframe).is_err() {
                stats.malformed += 1;
                return None;
            }
        }
        superframe.conclude(&mut data);
        let lost = matches!(self.state, State::NeedsKeyframe { .. });
        // Behind a gap a frame may have lost its beginning; else it follows the one before it.
        if lost && !(begins && keyframe) {
            stats.undecodable += 1;
            return None;
        }
        self.state = State::Following;
        stats.frames += 1;
        Some(Frame {
            stream: id,
            format,
            timestamp,
            keyframe,
            missing: std::mem::take(&mut self.missing),
            data,
        })
    }

    /// When something must happen though nothing arrives.
    pub(super) fn due(&self, config: &Config) -> Option<Instant> {
        let gap = self.buffer.gap_since().map(|since| since + self.patience(config));
        [self.nacks.due(), gap, self.keyframe_due()].into_iter().flatten().min()
    }

    fn keyframe_due(&self) -> Option<Instant> {
        match self.state {
            State::NeedsKeyframe { ask } if self.config.pli && !self.config.forward => Some(ask),
            _ => None,
        }
    }

    fn patience(&self, config: &Config) -> Duration {
        if self.is_video { config.max_wait_video } else { config.max_wait_audio }
    }

    /// Gives up what has been missing for too long.
    pub(super) fn handle_timeout(&mut self, now: Instant, config: &Config) {
        let patience = self.patience(config);
        if self.buffer.gap_since().is_some_and(|since| now >= since + patience) {
            let missing = self.buffer.skip(now);
            self.break_off(now, missing);
            self.forget();
        }
    }

    /// Whether to ask for a keyframe now; it is asked for again until it comes.
    pub(super) fn take_keyframe_request(&mut self, now: Instant, pause: Duration) -> bool {
        let due = self.keyframe_due().is_some_and(|due| now >= due);
        if due {
            self.state = State::NeedsKeyframe { ask: now + pause };
        }
        due
    }

    /// Frames that were given out cannot be taken back, and one was thrown away.
    pub(super) fn overflow(&mut self, now: Instant) {
        self.break_off(now, 1);
    }
}

/// An empty payload belongs to the frame around it and says nothing.
fn glimpse(format: Format, payload: &[u8]) -> Result<crate::payload::Glimpse, rtp::Malformed> {
    if payload.is_empty() { Ok(crate::payload::Glimpse::default()) } else { format.glimpse(payload) }
}
