//! Packets of one stream between the network and whole frames, in the order of their numbers.

use crate::payload::{Format, Glimpse};
use std::collections::VecDeque;
use wire::Instant;

/// A packet that arrived.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) timestamp: u32,
    pub(super) marker: bool,
    pub(super) format: Format,
    pub(super) glimpse: Glimpse,
    pub(super) payload: Vec<u8>,
}

/// What became of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Inserted {
    /// It waits for its frame.
    New,
    /// It waits, and these numbers before it are missing.
    Jumped(i64),
    /// It is there already, or its frame is gone.
    Late,
    /// It lies so far ahead that all before it is given up.
    Restarted,
}

/// Bounded by the number of packets; nothing is ever given out of order.
#[derive(Debug)]
pub(super) struct Buffer {
    slots: VecDeque<Option<Slot>>,
    /// The number of the first slot: the next packet to be given out. `None` before the first packet.
    first: Option<i64>,
    most: usize,
    /// Since when the first slot is missing though there is one behind it.
    gap_since: Option<Instant>,
    /// How many slots from the first on were looked at: they are there and of one frame without an end.
    looked: usize,
}

impl Buffer {
    pub(super) fn new(most: usize) -> Self {
        Self { slots: VecDeque::new(), first: None, most: most.max(16), gap_since: None, looked: 0 }
    }

    pub(super) fn first(&self) -> Option<i64> {
        self.first
    }

    pub(super) fn gap_since(&self) -> Option<Instant> {
        self.gap_since
    }

    /// Before the first packet: those from this number on are expected.
    pub(super) fn expect(&mut self, number: i64) {
        self.first.get_or_insert(number);
    }

    pub(super) fn insert(&mut self, now: Instant, number: i64, slot: Slot) -> Inserted {
        let first = *self.first.get_or_insert(number);
        let Ok(at) = usize::try_from(number - first) else { return Inserted::Late };
        if at >= self.most {
            self.restart(number);
            self.slots.push_back(Some(slot));
            return Inserted::Restarted;
        }
        let end = self.slots.len();
        if at < end && self.slots[at].is_some() {
            return Inserted::Late;
        }
        while self.slots.len() <= at {
            self.slots.push_back(None);
        }
        self.slots[at] = Some(slot);
        self.watch_gap(now);
        if at > end { Inserted::Jumped(first + i64::try_from(end).expect("bounded")) } else { Inserted::New }
    }

    fn restart(&mut self, number: i64) {
        self.slots.clear();
        (self.first, self.gap_since, self.looked) = (Some(number), None, 0);
    }

    fn watch_gap(&mut self, now: Instant) {
        // Only what follows whole packets of the first frame can be a gap that holds it up.
        self.gap_since = match self.slots.iter().position(Option::is_none) {
            Some(_) => self.gap_since.or(Some(now)),
            None => None,
        };
    }

    /// How many packets the first frame has, when all are there.
    fn whole(&mut self) -> Option<usize> {
        let timestamp = self.slots.front()?.as_ref()?.timestamp;
        while let Some(Some(slot)) = self.slots.get(self.looked) {
            if slot.timestamp != timestamp {
                return Some(self.looked); // a frame without a marker
            }
            self.looked += 1;
            if slot.marker || !slot.format.is_video() {
                return Some(self.looked);
            }
        }
        None
    }

    /// The packets of the first frame, when it is whole.
    pub(super) fn take_frame(&mut self, now: Instant) -> Option<Vec<Slot>> {
        let count = self.whole()?;
        self.advance(count);
        let taken: Vec<Slot> = self.slots.drain(..count).flatten().collect();
        self.gap_since = None;
        self.watch_gap(now);
        Some(taken)
    }

    fn advance(&mut self, count: usize) {
        self.first = self.first.map(|first| first + i64::try_from(count).expect("bounded"));
        self.looked = 0;
    }

    /// Gives the missing packets at the front up, and the rest of a frame that began before them. Gives how many
    /// packets are not given out because of it.
    pub(super) fn skip(&mut self, now: Instant) -> usize {
        let broken = self.slots.front().and_then(Option::as_ref).map(|slot| slot.timestamp);
        let mut count = 0;
        let mut past_gap = false;
        while let Some(slot) = self.slots.front() {
            let stays = match slot {
                None => {
                    past_gap = true;
                    false
                }
                Some(slot) => past_gap && Some(slot.timestamp) != broken,
            };
            if stays {
                break;
            }
            self.slots.pop_front();
            count += 1;
        }
        self.advance(count);
        self.gap_since = None;
        self.watch_gap(now);
        count
    }

    /// Goes on with the first whole keyframe, if there is one. Gives how many packets lie before it.
    pub(super) fn skip_to_keyframe(&mut self, now: Instant) -> Option<usize> {
        let mut begin = None;
        let (mut keyframe, mut found) = (false, None);
        for (at, slot) in self.slots.iter().enumerate() {
            let Some(slot) = slot else {
                begin = None;
                continue;
            };
            let of_before = at.checked_sub(1).and_then(|before| self.slots[before].as_ref());
            let follows = of_before.is_some_and(|before| before.timestamp == slot.timestamp);
            if !follows && slot.glimpse.begins {
                (begin, keyframe) = (Some(at), false);
            }
            keyframe |= slot.glimpse.keyframe;
            if slot.marker && keyframe && begin.is_some() {
                found = begin;
                break;
            }
        }
        let count = found?;
        self.slots.drain(..count);
        self.advance(count);
        self.gap_since = None;
        self.watch_gap(now);
        Some(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(timestamp: u32, marker: bool, begins: bool, keyframe: bool) -> Slot {
        let glimpse = Glimpse { begins, keyframe };
        Slot { timestamp, marker, format: Format::Vp8, glimpse, payload: vec![1] }
    }

    #[test]
    fn frames_come_whole_and_in_order_or_not_at_all() {
        let now = Instant::ZERO;
        let mut buffer = Buffer::new(16);
        assert_eq!(buffer.insert(now, 5, slot(1, true, true, true)), Inserted::New);
        assert_eq!(buffer.insert(now, 7, slot(2, true, false, false)), Inserted::Jumped(6));
        assert_eq!(buffer.insert(now, 7, slot(2, true, false, false)), Inserted::Late);
        assert_eq!(buffer.take_frame(now).map(|taken| taken.len()), Some(1));
        assert!(buffer.take_frame(now).is_none());
        assert_eq!(buffer.gap_since(), Some(now));
        assert_eq!(buffer.insert(now, 6, slot(2, false, true, false)), Inserted::New);
        assert_eq!(buffer.gap_since(), None);
        assert_eq!(buffer.take_frame(now).map(|taken| taken.len()), Some(2));
        assert_eq!(buffer.insert(now, 6, slot(2, false, true, false)), Inserted::Late);
        assert_eq!(buffer.insert(now, 24, slot(9, true, true, true)), Inserted::Restarted);
        assert_eq!(buffer.first(), Some(24));
    }

    #[test]
    fn what_is_missing_is_skipped_with_the_frame_around_it() {
        let now = Instant::ZERO;
        let mut buffer = Buffer::new(100);
        buffer.insert(now, 0, slot(1, false, true, false));
        // 1 is missing
        buffer.insert(now, 2, slot(1, true, false, false));
        buffer.insert(now, 3, slot(2, true, true, false));
        assert_eq!(buffer.skip(now), 3);
        assert_eq!(buffer.first(), Some(3));
        buffer.insert(now, 5, slot(3, true, false, true));
        buffer.insert(now, 6, slot(4, false, true, true));
        assert_eq!(buffer.skip_to_keyframe(now), None, "the keyframe is not whole");
        buffer.insert(now, 7, slot(4, true, false, false));
        assert_eq!(buffer.skip_to_keyframe(now), Some(3));
        assert_eq!(buffer.first(), Some(6));
    }
}
