//! The last packets of a stream: those that wait to be sent, and those that may be asked for again.

use rtp::extension::{AudioLevel, VideoOrientation};
use std::collections::VecDeque;
use wire::Instant;

/// One packet of a stream, without its header.
#[derive(Clone, Debug, Default)]
pub(super) struct Slot {
    pub(super) timestamp: u32,
    pub(super) marker: bool,
    pub(super) payload: Vec<u8>,
    pub(super) audio_level: Option<AudioLevel>,
    pub(super) video_orientation: Option<VideoOrientation>,
    /// When it was sent last; `None` while it waits.
    pub(super) sent: Option<Instant>,
    /// How often it was sent again.
    pub(super) resent: u8,
}

#[derive(Debug)]
pub(super) struct History {
    slots: VecDeque<Slot>,
    /// The sequence number of the first slot, without wrapping.
    first: i64,
    most: usize,
}

impl History {
    pub(super) fn new(first: u16, most: usize) -> Self {
        Self { slots: VecDeque::new(), first: first.into(), most: most.max(16) }
    }

    /// The number that the next packet gets.
    pub(super) fn end(&self) -> i64 {
        self.first + i64::try_from(self.slots.len()).expect("few slots")
    }

    /// Makes room for the next packet in place of the oldest one, whose buffer it takes over.
    pub(super) fn push(&mut self) -> (i64, &mut Slot) {
        let mut slot = Slot::default();
        if self.slots.len() >= self.most
            && let Some(mut oldest) = self.slots.pop_front()
        {
            oldest.payload.clear();
            slot.payload = oldest.payload;
            self.first += 1;
        }
        let number = self.end();
        self.slots.push_back(slot);
        (number, self.slots.back_mut().expect("one was just pushed"))
    }

    pub(super) fn at(&mut self, number: i64) -> Option<&mut Slot> {
        usize::try_from(number - self.first).ok().and_then(|at| self.slots.get_mut(at))
    }

    /// The packet that a wrapping number means: the closest to the newest one.
    pub(super) fn unwrap(&self, number: u16) -> i64 {
        let newest = self.end() - 1;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the lower half is wanted"
        )]
        let distance = number.wrapping_sub(newest as u16).cast_signed();
        newest + i64::from(distance)
    }

    /// The largest of the last packets that were sent: what a probe is best filled with.
    pub(super) fn largest_recent(&self) -> Option<i64> {
        let recent = self.slots.iter().rev().take(32).zip(1..);
        let sent = recent.filter(|(slot, _)| slot.sent.is_some());
        sent.max_by_key(|(slot, _)| slot.payload.len()).map(|(_, back)| self.end() - back)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_packet_gives_way_and_numbers_wrap() {
        let mut history = History::new(65_530, 16);
        for i in 0..20 {
            let (number, slot) = history.push();
            assert_eq!(number, 65_530 + i);
            slot.timestamp = u32::try_from(i).unwrap();
        }
        assert!(history.at(65_533).is_none());
        let number = history.unwrap(2);
        assert_eq!((number, history.at(number).map(|slot| slot.timestamp)), (65_538, Some(8)));
        assert_eq!(history.unwrap(65_535), 65_535);
        assert!(history.at(65_550).is_none());
    }
}
