//! A slot of a receiver: one outgoing stream whose numbers and timestamps go on without a break, whatever it carries.

use std::time::Duration;

use peer::negotiation::TransceiverId;
use wire::Instant;

use crate::descriptor::Shift;
use crate::ring::Kept;
use crate::{MemberId, Source};

/// Numbers that may be missing within a run.
const FAR: i64 = 10_000;
/// Runs remembered for what is asked for again.
const MAX_RUNS: usize = 4;

/// What a slot takes packets from, and how far it has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Feed {
    pub(crate) track: u32,
    pub(crate) layer: u8,
    /// The place in the ring of the next packet.
    pub(crate) cursor: u64,
}

impl Feed {
    pub(crate) fn is(self, track: u32, layer: u8) -> bool {
        self.track == track && self.layer == layer
    }
}

/// An unbroken run of one encoding: how its numbers become ours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) track: u32,
    /// The track's, because places in tables are given again.
    pub(crate) serial: u64,
    pub(crate) layer: u8,
    /// Its first number, and what that became.
    base: i64,
    pub(crate) out: i64,
    timestamp: u32,
    shift: Shift,
}

/// A packet as it leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Written {
    pub(crate) number: i64,
    pub(crate) timestamp: u32,
    pub(crate) shift: Shift,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) transceiver: TransceiverId,
    pub(crate) ssrc: u32,
    /// What is being forwarded.
    pub(crate) current: Option<Feed>,
    /// What is to be forwarded as soon as a keyframe of it is there; for sound with its next packet.
    pub(crate) next: Option<Feed>,
    /// The last first.
    runs: Vec<Run>,
    /// The next number.
    pub(crate) out: i64,
    timestamp: u32,
    /// When the last packet had come.
    last: Option<Instant>,
    shift: Shift,
    /// Whether a frame is whole with the last packet.
    marker: bool,
    /// Bytes beside the payload in a protected packet, by which header extensions it has; 0 while it is not known.
    overhead: [u16; 4],
    /// As senders' reports count them.
    pub(crate) packets: u32,
    pub(crate) octets: u32,
    /// What the receiver has been told that it shows.
    pub(crate) shown: Option<(MemberId, Source)>,
    /// Whether the receiver has been told that it cannot be sent what it is to show.
    pub(crate) unplayable: bool,
    /// Whether the receiver has been told that it stands still.
    pub(crate) paused: bool,
    /// Packets when the last report was sent.
    pub(crate) reported: u32,
}

impl Slot {
    /// A slot before its first packet; number and timestamp are random (RFC 3550 §5.1).
    pub(crate) fn new(transceiver: TransceiverId, ssrc: u32, number: u16, timestamp: u32) -> Self {
        Self {
            transceiver,
            ssrc,
            current: None,
            next: None,
            runs: Vec::new(),
            // Far enough from the wrap that receivers which start late do not misread it.
            out: i64::from(number & 0x7fff) + 1,
            timestamp,
            last: None,
            shift: Shift::default(),
            marker: true,
            overhead: [0; 4],
            packets: 0,
            octets: 0,
            shown: None,
            unplayable: false,
            paused: false,
            reported: 0,
        }
    }

    /// Whether the frame that was being sent is whole, or has been waited for long enough.
    pub(crate) fn may_switch(&self, now: Instant, patience: Duration) -> bool {
        self.marker || self.last.is_none_or(|last| now.saturating_since(last) >= patience)
    }

    /// A new run begins with this packet: numbers go on, timestamps by as much as lies between the arrivals.
    pub(crate) fn begin(&mut self, (track, serial, layer): (u32, u64, u8), kept: &Kept) {
        let ticks = self.last.map_or(0, |last| {
            let nanos = kept.at.saturating_since(last).as_nanos();
            let ticks = nanos * u128::from(kept.format.clock_rate()) / 1_000_000_000;
            u32::try_from(ticks & 0xffff_ffff).expect("it was cut to 32 bits").max(1)
        });
        let run = Run {
            track,
            serial,
            layer,
            base: kept.number,
            out: self.out,
            timestamp: self.timestamp.wrapping_add(ticks).wrapping_sub(kept.timestamp),
            shift: kept.descriptor.follow(self.shift),
        };
        self.runs.truncate(MAX_RUNS - 1);
        self.runs.insert(0, run);
    }

    /// Whether a packet is so far ahead of the present run that its source must have begun anew.
    #[inline]
    pub(crate) fn is_far(&self, kept: &Kept) -> bool {
        self.runs.first().is_some_and(|run| kept.number - run.base + run.out > self.out + FAR)
    }

    /// How a packet of the present run leaves; `None` for one from before its beginning.
    #[inline]
    pub(crate) fn write(&mut self, kept: &Kept) -> Option<Written> {
        let run = self.runs.first()?;
        let number = kept.number.checked_sub(run.base).filter(|ahead| *ahead >= 0)? + run.out;
        let written =
            Written { number, timestamp: kept.timestamp.wrapping_add(run.timestamp), shift: run.shift };
        if number >= self.out {
            self.out = number + 1;
            self.timestamp = written.timestamp;
            self.marker = kept.marker;
            self.last = Some(kept.at);
            if !kept.descriptor.is_empty() {
                self.shift = kept.descriptor.shifted(run.shift);
            }
        }
        Some(written)
    }

    /// How long a packet is protected and not padded; `None` before one of its sort was sent.
    #[inline]
    pub(crate) fn need(&self, kept: &Kept) -> Option<usize> {
        let overhead = usize::from(self.overhead[sort(kept)]);
        (overhead > 0).then_some(overhead + kept.payload.len())
    }

    /// A packet was as long as that.
    #[inline]
    pub(crate) fn learn(&mut self, kept: &Kept, len: usize, padded: bool) {
        if !padded {
            let overhead = len.saturating_sub(kept.payload.len());
            self.overhead[sort(kept)] = u16::try_from(overhead).unwrap_or(0);
        }
    }

    /// A packet of these many bytes of payload was sent.
    #[inline]
    pub(crate) fn count(&mut self, bytes: usize) {
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(u32::try_from(bytes).unwrap_or(0));
    }

    /// The number without wrapping that a receiver speaks of: the closest to the last one sent.
    pub(crate) fn unwrap(&self, number: u16) -> i64 {
        let last = self.out - 1;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the lower half is wanted"
        )]
        let distance = number.wrapping_sub(last as u16).cast_signed();
        last + i64::from(distance)
    }

    /// Where the packet that was sent under a number came from: its run, and its number there.
    pub(crate) fn origin(&self, number: i64) -> Option<(Run, i64)> {
        if number >= self.out {
            return None;
        }
        let run = self.runs.iter().find(|run| number >= run.out)?;
        Some((*run, number - run.out + run.base))
    }

    /// Reads all of it.
    #[inline]
    pub(crate) fn fetch(&self) -> u64 {
        let cursor = self.current.map_or(0, |feed| feed.cursor);
        let last = self.last.is_some() && self.unplayable && self.shown.is_none();
        cursor ^ self.out.cast_unsigned() ^ u64::from(self.octets) ^ self.runs.len() as u64 ^ u64::from(last)
    }

    /// The present run.
    pub(crate) fn run(&self) -> Option<&Run> {
        self.runs.first()
    }

    /// What was sent until now is not worth sending again: the path does not even carry what is new.
    pub(crate) fn abandon(&mut self) {
        for run in &mut self.runs {
            run.serial = u64::MAX;
        }
    }

    /// Nothing of these tracks' rings may be sent any more.
    pub(crate) fn forget(&mut self, serial: u64) {
        // The numbers stay taken, so the run stays; only its origin is gone.
        for run in self.runs.iter_mut().filter(|run| run.serial == serial) {
            run.serial = u64::MAX;
        }
    }
}

/// Which header extensions a packet has that not all have.
#[inline]
fn sort(kept: &Kept) -> usize {
    usize::from(kept.level.is_some()) + 2 * usize::from(kept.orientation.is_some())
}

impl Run {
    /// How a packet of this run left.
    pub(crate) fn written(&self, number: i64, kept: &Kept) -> Written {
        Written { number, timestamp: kept.timestamp.wrapping_add(self.timestamp), shift: self.shift }
    }

    /// The timestamp that one of the source becomes.
    pub(crate) fn timestamp(&self, source: u32) -> u32 {
        source.wrapping_add(self.timestamp)
    }
}
