//! The packets of one encoding that were received last, in the order of their arrival.

use flow::payload::Format;
use rtp::extension::{AudioLevel, VideoOrientation};
use wire::Instant;

use crate::descriptor::Descriptor;

/// The longest payload that is kept: what an Ethernet carries.
pub(crate) const MAX_PAYLOAD: usize = 1500;

/// A packet that was received.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// Its number in its stream, without wrapping.
    pub(crate) number: i64,
    pub(crate) at: Instant,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    pub(crate) format: Format,
    /// A keyframe begins with it.
    pub(crate) key: bool,
    pub(crate) level: Option<AudioLevel>,
    pub(crate) orientation: Option<VideoOrientation>,
    pub(crate) descriptor: Descriptor,
    pub(crate) payload: Vec<u8>,
}

impl Kept {
    /// Takes another packet's place; the buffer of the payload stays, and is enlarged in steps, so that it soon fits all
    /// packets of the stream.
    fn replace(&mut self, with: &Self, payload: &[u8]) {
        let buffer = std::mem::take(&mut self.payload);
        *self = Self { payload: buffer, ..*with };
        self.payload.clear();
        if self.payload.capacity() < payload.len() {
            self.payload.reserve_exact(payload.len().next_multiple_of(256).min(MAX_PAYLOAD));
        }
        self.payload.extend_from_slice(payload);
    }
}

/// A ring of packets, which remembers so many as it is long and forgets the oldest.
#[derive(Debug)]
pub(crate) struct Ring {
    slots: Vec<Kept>,
    /// Slots that there may be, a power of two.
    capacity: usize,
    /// By the lower bits of a number: the slot that has it, if it still has it.
    numbers: Vec<u16>,
    /// How many packets have come.
    next: u64,
}

impl Ring {
    /// A ring of so many packets, which is rounded up to a power of two, 32,768 at most. Memory is taken as packets come.
    pub(crate) fn new(capacity: usize) -> Self {
        let capacity = capacity.clamp(1, 1 << 15).next_power_of_two();
        Self { slots: Vec::new(), capacity, numbers: Vec::new(), next: 0 }
    }

    /// How many packets have come: the place of the next one.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// The place of the oldest packet that is still there.
    pub(crate) fn oldest(&self) -> u64 {
        self.next - self.slots.len() as u64
    }

    fn slot(&self, place: u64) -> usize {
        usize::try_from(place % self.capacity as u64).expect("it is below the capacity")
    }

    /// Keeps a packet; `with` is what is known of it beside its payload.
    pub(crate) fn push(&mut self, with: &Kept, payload: &[u8]) {
        let payload = &payload[..payload.len().min(MAX_PAYLOAD)];
        if self.numbers.is_empty() {
            self.numbers = vec![0; self.capacity];
        }
        let at = self.slot(self.next);
        if at == self.slots.len() {
            self.slots.push(with.clone());
        }
        self.slots[at].replace(with, payload);
        let by_number = self.by_number(with.number);
        self.numbers[by_number] = u16::try_from(at).expect("a ring has 32,768 slots at most");
        self.next += 1;
    }

    fn by_number(&self, number: i64) -> usize {
        let capacity = i64::try_from(self.capacity).expect("it is small");
        usize::try_from(number.rem_euclid(capacity)).expect("it is not negative")
    }

    /// The packet at a place, if it is there still.
    pub(crate) fn get(&self, place: u64) -> Option<&Kept> {
        if place >= self.next || place < self.oldest() {
            return None;
        }
        self.slots.get(self.slot(place))
    }

    /// The packet of this number, if it is there still.
    pub(crate) fn find(&self, number: i64) -> Option<&Kept> {
        let at = *self.numbers.get(self.by_number(number))?;
        self.slots.get(usize::from(at)).filter(|kept| kept.number == number)
    }

    #[cfg(test)]
    fn bytes(&self) -> usize {
        self.slots.iter().map(|kept| kept.payload.capacity()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(number: i64) -> Kept {
        Kept {
            number,
            at: Instant::ZERO,
            timestamp: 0,
            marker: false,
            format: Format::Vp8,
            key: false,
            level: None,
            orientation: None,
            descriptor: Descriptor::default(),
            payload: Vec::new(),
        }
    }

    #[test]
    fn a_ring_forgets_the_oldest_and_finds_by_place_and_number() {
        let mut ring = Ring::new(4);
        assert!(ring.get(0).is_none() && ring.find(0).is_none());
        for number in [-1, 0, 2, 1, 3, 70_000] {
            ring.push(&packet(number), &[u8::try_from(number & 0xff).unwrap()]);
        }
        assert_eq!((ring.next(), ring.oldest()), (6, 2));
        let numbers: Vec<_> = (0..7).map(|place| ring.get(place).map(|kept| kept.number)).collect();
        assert_eq!(numbers, [None, None, Some(2), Some(1), Some(3), Some(70_000), None]);
        assert!(ring.find(0).is_none() && ring.find(-1).is_none());
        assert_eq!(ring.find(1).map(|kept| kept.payload.clone()), Some(vec![1]));
        assert_eq!(ring.find(70_000).map(|kept| kept.payload.clone()), Some(vec![0x70]));
    }

    #[test]
    fn a_ring_is_bounded_in_packets_and_bytes() {
        let mut ring = Ring::new(8);
        for number in 0..1000 {
            ring.push(&packet(number), &[0; 60_000]);
        }
        assert_eq!(ring.slots.len(), 8);
        assert!(ring.bytes() <= 8 * MAX_PAYLOAD);
    }
}
