//! The packets of one encoding that were received last, in the order of their arrival.

use flow::payload::Format;
use rtp::extension::dependency::MANDATORY_LEN;
use rtp::extension::{AudioLevel, VideoOrientation};
use wire::Instant;

use crate::dependency::{MARKS, Marks};
use crate::descriptor::Descriptor;
use crate::step::Step;
use crate::track::Wire;

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
    /// With what [`Descriptor::ahead`] counts before it.
    bytes: Vec<u8>,
}

impl Kept {
    /// A packet without its bytes, which come with [`Ring::push`].
    pub(crate) fn new(now: Instant, wire: &Wire<'_>, key: bool, descriptor: Descriptor) -> Self {
        let Wire { number, timestamp, marker, format, level, orientation, .. } = *wire;
        let (at, bytes) = (now, Vec::new());
        Self { number, at, timestamp, marker, format, key, level, orientation, descriptor, bytes }
    }

    /// Takes another packet's place; the buffer stays, and is enlarged in steps, so that it soon fits all packets of the
    /// stream.
    fn replace(&mut self, with: &Self, ahead: [&[u8]; 2], payload: &[u8]) {
        let buffer = std::mem::take(&mut self.bytes);
        *self = Self { bytes: buffer, ..*with };
        self.bytes.clear();
        let len = usize::from(with.descriptor.ahead) + payload.len();
        if self.bytes.capacity() < len {
            self.bytes.reserve_exact(len.next_multiple_of(256).min(MAX_PAYLOAD.max(len)));
        }
        if with.descriptor.ahead > 0 {
            ahead.into_iter().for_each(|part| self.bytes.extend_from_slice(part));
        }
        self.bytes.extend_from_slice(payload);
    }

    /// What follows the header of RTP.
    #[inline]
    pub(crate) fn payload(&self) -> &[u8] {
        &self.bytes[usize::from(self.descriptor.ahead)..]
    }

    /// The dependency descriptor and the payload, one behind the other, and how long the former is.
    pub(crate) fn with_dependency(&self) -> (u8, &[u8]) {
        let marks = MARKS.min(usize::from(self.descriptor.ahead));
        let len = usize::from(self.descriptor.ahead) - marks;
        (u8::try_from(len).unwrap_or(0), &self.bytes[marks..])
    }

    /// Whether its header is about as long as those of most packets like it: its dependency descriptor is a short one, of at
    /// most 16 bytes (RFC 8285 §4.2).
    #[inline]
    pub(crate) fn is_usual(&self) -> bool {
        usize::from(self.descriptor.ahead) <= MARKS + 16
    }

    /// Bytes of its dependency descriptor beyond those that all have.
    #[inline]
    pub(crate) fn custom_len(&self) -> usize {
        usize::from(self.descriptor.ahead).saturating_sub(MARKS + MANDATORY_LEN)
    }

    /// What the dependency descriptor says; `None` for a packet without one.
    pub(crate) fn marks(&self) -> Option<Marks> {
        let marks = self.bytes.first_chunk().filter(|_| self.descriptor.ahead > 0)?;
        Some(Marks::of_bytes(*marks))
    }

    /// Whether whoever gets all layers up to a step gets this.
    #[inline]
    pub(crate) fn is_of(&self, step: Step) -> bool {
        if self.descriptor.ahead == 0 {
            return step.holds(self.descriptor.layer);
        }
        self.marks().is_none_or(|marks| marks.is_needed(step))
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

    /// Keeps a packet; `with` is what is known of it beside its payload, `ahead` what is kept before that.
    pub(crate) fn push(&mut self, with: &Kept, ahead: [&[u8]; 2], payload: &[u8]) {
        let payload = &payload[..payload.len().min(MAX_PAYLOAD)];
        if self.numbers.is_empty() {
            self.numbers = vec![0; self.capacity];
        }
        let at = self.slot(self.next);
        if at == self.slots.len() {
            self.slots.push(with.clone());
        }
        self.slots[at].replace(with, ahead, payload);
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
        self.slots.iter().map(|kept| kept.bytes.capacity()).sum()
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
            bytes: Vec::new(),
        }
    }

    #[test]
    fn a_ring_forgets_the_oldest_and_finds_by_place_and_number() {
        let mut ring = Ring::new(4);
        assert!(ring.get(0).is_none() && ring.find(0).is_none());
        for number in [-1, 0, 2, 1, 3, 70_000] {
            ring.push(&packet(number), [&[]; 2], &[u8::try_from(number & 0xff).unwrap()]);
        }
        assert_eq!((ring.next(), ring.oldest()), (6, 2));
        let numbers: Vec<_> = (0..7).map(|place| ring.get(place).map(|kept| kept.number)).collect();
        assert_eq!(numbers, [None, None, Some(2), Some(1), Some(3), Some(70_000), None]);
        assert!(ring.find(0).is_none() && ring.find(-1).is_none());
        assert_eq!(ring.find(1).map(Kept::payload), Some(&[1][..]));
        assert_eq!(ring.find(70_000).map(Kept::payload), Some(&[0x70][..]));
    }

    /// Most of what is looked at of a packet that is forwarded is this.
    #[test]
    fn what_is_known_of_a_packet_is_one_line_of_the_cache() {
        assert_eq!(size_of::<Kept>(), 64);
    }

    #[test]
    fn a_ring_is_bounded_in_packets_and_bytes() {
        let mut ring = Ring::new(8);
        for number in 0..1000 {
            ring.push(&packet(number), [&[]; 2], &[0; 60_000]);
        }
        assert_eq!(ring.slots.len(), 8);
        assert!(ring.bytes() <= 8 * MAX_PAYLOAD);
    }
}
