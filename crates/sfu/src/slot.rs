//! A slot of a receiver: one outgoing stream whose numbers and timestamps go on without a break, whatever it carries.
//!
//! A [`Run`] says how numbers of the source become ours. Where packets are left out, because they are of layers that the
//! receiver does not get, another run begins behind them, so that there is no hole. What is missing when that happens may be
//! of any layer: its number is kept free, and filled with padding if it turns out to be of one that is left out.

use std::collections::VecDeque;
use std::time::Duration;

use peer::negotiation::TransceiverId;
use wire::Instant;

use crate::dependency::Marks;
use crate::descriptor::{Rise, Shift};
use crate::ring::Kept;
use crate::step::Step;
use crate::{MemberId, Source};

/// Numbers that may be missing within a run.
const FAR: i64 = 10_000;
/// Runs remembered for what is asked for again, and how many there may be as long as their packets may be.
const MAX_RUNS: usize = 4;
const MOST_RUNS: usize = 256;
/// Packets that may be asked for again: as many as rings keep.
const RECENT: i64 = 512;

/// What a slot takes packets from, and how far it has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Feed {
    pub(crate) track: u32,
    pub(crate) layer: u8,
    /// The place in the ring of the next packet.
    pub(crate) cursor: u64,
    /// The layers of it that are wanted.
    pub(crate) step: Step,
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
    /// The layers that are forwarded.
    step: Step,
}

/// A packet as it leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Written {
    pub(crate) number: i64,
    pub(crate) timestamp: u32,
    pub(crate) shift: Shift,
    pub(crate) marker: bool,
    /// It is of a layer that is left out, and its number was kept free: padding takes its place.
    pub(crate) filler: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) transceiver: TransceiverId,
    pub(crate) ssrc: u32,
    /// Whether the receiver takes dependency descriptors. Without them libwebrtc does not put pictures of AV1 together that
    /// have several spatial layers: then the lowest is all there is for it.
    pub(crate) told: bool,
    /// What is being forwarded.
    pub(crate) current: Option<Feed>,
    /// What is to be forwarded as soon as a keyframe of it is there; for sound with its next packet.
    pub(crate) next: Option<Feed>,
    /// The last first.
    runs: VecDeque<Run>,
    /// The source's number behind the highest one seen in the present run.
    seen: i64,
    /// The source's timestamp of the picture seen last.
    picture: Option<u32>,
    /// The picture identifier left out last.
    skipped: Option<u16>,
    /// After the last picture all temporal layers may be taken.
    free: bool,
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
    /// Since when more layers are wanted than there was an occasion to take.
    pub(crate) rises_since: Option<Instant>,
    /// When a keyframe was forwarded last.
    pub(crate) keyed: Option<Instant>,
}

impl Slot {
    /// A slot before its first packet; number and timestamp are random (RFC 3550 §5.1).
    pub(crate) fn new(transceiver: TransceiverId, ssrc: u32, number: u16, timestamp: u32) -> Self {
        Self {
            transceiver,
            ssrc,
            told: false,
            current: None,
            next: None,
            runs: VecDeque::new(),
            seen: 0,
            picture: None,
            skipped: None,
            free: false,
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
            rises_since: None,
            keyed: None,
        }
    }

    /// Whether the frame that was being sent is whole, or has been waited for long enough.
    pub(crate) fn may_switch(&self, now: Instant, patience: Duration) -> bool {
        self.marker || self.last.is_none_or(|last| now.saturating_since(last) >= patience)
    }

    /// A new run begins with this packet: numbers go on, timestamps by as much as lies between the arrivals.
    pub(crate) fn begin(&mut self, (track, serial, layer): (u32, u64, u8), step: Step, kept: &Kept) {
        let ticks = self.last.map_or(0, |last| {
            let nanos = kept.at.saturating_since(last).as_nanos();
            let ticks = nanos * u128::from(kept.format.clock_rate()) / 1_000_000_000;
            u32::try_from(ticks & 0xffff_ffff).expect("it was cut to 32 bits").max(1)
        });
        (self.seen, self.picture, self.skipped, self.free) = (kept.number, None, None, false);
        let mut shift = kept.descriptor.follow(self.shift);
        let marks = kept.marks();
        shift.templates = marks.map_or(shift.templates, |marks| marks.templates_behind(shift.templates));
        self.push(Run {
            track,
            serial,
            layer,
            base: kept.number,
            out: self.out,
            timestamp: self.timestamp.wrapping_add(ticks).wrapping_sub(kept.timestamp),
            shift,
            step: marks.map_or(step, |marks| self.aim(marks, step)),
        });
    }

    /// Goes on with another run; those that nobody asks for any more are forgotten.
    fn push(&mut self, run: Run) {
        self.runs.push_front(run);
        while self.runs.len() > MAX_RUNS {
            let end = self.runs[self.runs.len() - 2].out;
            if end + RECENT >= self.out && self.runs.len() <= MOST_RUNS {
                break;
            }
            self.runs.pop_back();
        }
    }

    /// The present run goes on in another way from a number of the source on, which becomes `out`.
    fn turn(&mut self, run: Run) {
        match self.runs.front_mut() {
            // Nothing was sent in it, and no number kept free.
            Some(front) if front.out == run.out => *front = run,
            Some(_) | None => self.push(run),
        }
    }

    /// The layers that are forwarded at present.
    pub(crate) fn step(&self) -> Option<Step> {
        self.runs.front().map(|run| run.step)
    }

    /// Whether a packet is so far ahead of the present run that its source must have begun anew.
    #[inline]
    pub(crate) fn is_far(&self, kept: &Kept) -> bool {
        self.runs.front().is_some_and(|run| kept.number - run.base + run.out > self.out + FAR)
    }

    /// How a packet of the present run leaves; `None` for one from before its beginning, and for one that is left out.
    /// `target` says which layers are wanted.
    #[inline]
    pub(crate) fn write(&mut self, kept: &Kept, target: Step) -> Option<Written> {
        if kept.number >= self.seen {
            match kept.descriptor.ahead {
                0 => self.come(kept, target),
                _ => self.come_marked(kept, target),
            }
        }
        let present = self.runs.front()?;
        let ahead = kept.number.checked_sub(present.base)?;
        let written =
            if ahead >= 0 { present.written(ahead + present.out, kept) } else { self.come_late(kept)? };
        if written.number >= self.out {
            self.out = written.number + 1;
            if !written.filler {
                self.timestamp = written.timestamp;
                self.marker = written.marker;
                self.last = Some(kept.at);
                if !kept.descriptor.is_empty() {
                    self.shift = kept.descriptor.shifted(written.shift);
                } else if kept.descriptor.ahead > 0 {
                    self.shift = shifted(kept, written.shift, self.shift);
                }
            }
        }
        Some(written)
    }

    /// Whether a picture begins with a packet: with its lowest layer; if that is not there, with what follows the one before.
    #[inline]
    fn is_first(&self, kept: &Kept) -> bool {
        let descriptor = &kept.descriptor;
        let first = descriptor.begins && (descriptor.layer.spatial == 0 || kept.number == self.seen);
        first && self.picture != Some(kept.timestamp)
    }

    /// The next packet of the source: with a new picture there may be more or fewer layers; what is not of them is left out.
    #[inline]
    fn come(&mut self, kept: &Kept, target: Step) {
        let Some(run) = self.runs.front().copied() else { return };
        let descriptor = &kept.descriptor;
        let mut step = run.step;
        if step != target && self.is_first(kept) {
            step = step.towards(target, kept.key, descriptor, self.free);
            if step != run.step {
                // Where all layers may be taken, that holds for what is missing before this packet as well.
                let base = if self.free && run.step.is_below(step) { self.seen } else { kept.number };
                self.turn(Run { base, out: base - run.base + run.out, step, ..run });
            }
        }
        if kept.key {
            self.keyed = Some(kept.at);
        }
        self.seen = kept.number + 1;
        self.picture = Some(kept.timestamp);
        self.free = descriptor.rise == Rise::After && descriptor.layer.temporal <= step.temporal;
        if !step.holds(descriptor.layer) {
            self.leave_out(kept);
        }
    }

    /// What of a step there is at present, and can be put together by the receiver.
    fn aim(&self, marks: Marks, step: Step) -> Step {
        let step = marks.within(step);
        if self.told { step } else { Step { spatial: 0, ..step } }
    }

    /// The same for a packet that tells by itself who needs it.
    fn come_marked(&mut self, kept: &Kept, target: Step) {
        let (Some(run), Some(marks)) = (self.runs.front().copied(), kept.marks()) else { return };
        let target = self.aim(marks, target);
        let mut step = run.step;
        if step != target && self.is_first(kept) {
            step = marks.towards(step, target, kept.key);
            if step != run.step {
                self.turn(Run { base: kept.number, out: kept.number - run.base + run.out, step, ..run });
            }
        }
        if kept.key {
            self.keyed = Some(kept.at);
        }
        (self.seen, self.picture, self.free) = (kept.number + 1, Some(kept.timestamp), false);
        if !marks.is_needed(step) {
            self.leave_out(kept);
        }
    }

    /// The next run begins behind this packet, with the number and the picture identifier that it does not take.
    fn leave_out(&mut self, kept: &Kept) {
        let Some(run) = self.runs.front().copied() else { return };
        let mut shift = run.shift;
        let picture = Some(kept.descriptor.picture);
        if kept.descriptor.is_dense(kept.format) && self.skipped != picture {
            shift.picture = shift.picture.wrapping_sub(1);
            self.skipped = picture;
        }
        self.turn(Run { base: kept.number + 1, out: kept.number - run.base + run.out, shift, ..run });
    }

    /// A packet that was missing: it has its number, unless it lies among those that were left out.
    fn come_late(&self, kept: &Kept) -> Option<Written> {
        let present = self.runs.front()?;
        let mut end = present.out;
        for run in self.runs.iter().skip(1).take_while(|run| run.is_of(present)) {
            if kept.number >= run.base {
                let number = kept.number - run.base + run.out;
                return (number < end).then(|| run.written(number, kept));
            }
            end = run.out;
        }
        None
    }

    /// How long a packet is at most, protected and not padded; `None` before one of its sort was sent.
    #[inline]
    pub(crate) fn need(&self, kept: &Kept) -> Option<usize> {
        let overhead = usize::from(self.overhead[sort(kept)]);
        let custom = if self.told { kept.custom_len().next_multiple_of(4) } else { 0 };
        (overhead > 0 && kept.is_usual()).then_some(overhead + custom + kept.payload().len())
    }

    /// A packet was as long as that.
    #[inline]
    pub(crate) fn learn(&mut self, kept: &Kept, len: usize, padded: bool) {
        if !padded && kept.is_usual() {
            // Header extensions are whole words: at least so many are the descriptor's.
            let custom = if self.told { kept.custom_len() / 4 * 4 } else { 0 };
            let overhead = len.saturating_sub(kept.payload().len() + custom);
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
        self.runs.front()
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

/// The numbers that are sent with a packet that has a dependency descriptor; `last` are those before.
fn shifted(kept: &Kept, shift: Shift, last: Shift) -> Shift {
    let templates = kept.marks().and_then(|marks| marks.next_template(shift.templates));
    let picture = kept.descriptor.picture.wrapping_add(shift.picture);
    Shift { picture, templates: templates.unwrap_or(last.templates), ..last }
}

/// Which header extensions a packet has that not all have: a level has sound alone, a dependency descriptor pictures.
#[inline]
fn sort(kept: &Kept) -> usize {
    usize::from(kept.level.is_some() || kept.descriptor.ahead > 0)
        + 2 * usize::from(kept.orientation.is_some())
}

impl Run {
    /// How a packet of this run leaves.
    #[inline]
    pub(crate) fn written(&self, number: i64, kept: &Kept) -> Written {
        let layer = kept.descriptor.layer;
        Written {
            number,
            timestamp: kept.timestamp.wrapping_add(self.timestamp),
            shift: self.shift,
            // The picture ends with the highest layer that is forwarded.
            marker: kept.marker || (kept.descriptor.ends && layer.spatial == self.step.spatial),
            filler: !kept.is_of(self.step),
        }
    }

    /// Whether it is of the same source, without another one in between.
    fn is_of(&self, other: &Self) -> bool {
        (self.serial, self.layer, self.timestamp) == (other.serial, other.layer, other.timestamp)
    }

    /// The timestamp that one of the source becomes.
    pub(crate) fn timestamp(&self, source: u32) -> u32 {
        source.wrapping_add(self.timestamp)
    }
}

#[cfg(test)]
mod tests;
