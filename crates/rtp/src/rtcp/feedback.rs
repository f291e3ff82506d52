//! Feedback messages (RFC 4585 §6, RFC 5104 §4.3, draft-alvestrand-rmcat-remb).

use super::list::{Entry, List};
use wire::{Reader, Short, Writer};

/// PLI: the decoder of a stream needs a keyframe (RFC 4585 §6.3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pli {
    /// Who asks.
    pub sender: u32,
    /// The stream.
    pub media: u32,
}

/// One request of a [`Fir`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FirEntry {
    /// The stream.
    pub ssrc: u32,
    /// Grows with each new request; a repeated one keeps it.
    pub sequence: u8,
}

impl Entry for FirEntry {
    const LEN: usize = 8;

    fn read(from: &mut Reader<'_>) -> Result<Self, Short> {
        let ssrc = from.u32()?;
        let [sequence, ..] = from.array::<4>()?;
        Ok(Self { ssrc, sequence })
    }

    fn write(&self, to: &mut Writer<'_>) -> Result<(), Short> {
        to.u32(self.ssrc)?;
        to.put(&[self.sequence, 0, 0, 0])
    }
}

/// FIR: somebody new needs a keyframe (RFC 5104 §4.3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fir<'a> {
    /// Who asks.
    pub sender: u32,
    /// The streams.
    pub entries: List<'a, FirEntry>,
}

/// A run of lost packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NackEntry {
    /// The first lost packet.
    pub first: u16,
    /// Bit `i` says that packet `first + 1 + i` is lost too.
    pub following: u16,
}

impl NackEntry {
    /// The sequence numbers that it names.
    pub fn numbers(self) -> impl Iterator<Item = u16> {
        let following = (0..16).filter(move |i| self.following >> i & 1 == 1);
        std::iter::once(self.first).chain(following.map(move |i| self.first.wrapping_add(i + 1)))
    }

    /// Packs lost numbers, which come in rising order, into as many entries as `into` holds. Gives how many
    /// entries were filled.
    pub fn pack(numbers: impl IntoIterator<Item = u16>, into: &mut [Self]) -> usize {
        let mut filled = 0;
        for number in numbers {
            if let Some(last) = into[..filled].last_mut() {
                let distance = number.wrapping_sub(last.first);
                if distance <= 16 {
                    // The first number itself needs no bit.
                    last.following |= u16::try_from(1_u32 << distance >> 1).expect("at most bit 15");
                    continue;
                }
            }
            let Some(next) = into.get_mut(filled) else { break };
            *next = Self { first: number, following: 0 };
            filled += 1;
        }
        filled
    }
}

impl Entry for NackEntry {
    const LEN: usize = 4;

    fn read(from: &mut Reader<'_>) -> Result<Self, Short> {
        Ok(Self { first: from.u16()?, following: from.u16()? })
    }

    fn write(&self, to: &mut Writer<'_>) -> Result<(), Short> {
        to.u16(self.first)?;
        to.u16(self.following)
    }
}

/// NACK: packets are lost, please send them again (RFC 4585 §6.2.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nack<'a> {
    /// Who asks.
    pub sender: u32,
    /// The stream.
    pub media: u32,
    /// What is lost.
    pub entries: List<'a, NackEntry>,
}

/// REMB: how much a receiver believes it can take (draft-alvestrand-rmcat-remb-03).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Remb<'a> {
    /// Who says so.
    pub sender: u32,
    /// Bits per second; written with 18 significant bits, the rest cut off.
    pub bitrate: u64,
    /// The streams that share it, at most 255.
    pub sources: List<'a, u32>,
}

impl<'a> Remb<'a> {
    /// The name that tells REMB from other application-layer feedback.
    pub(super) const NAME: &'static [u8; 4] = b"REMB";

    pub(super) fn read(sender: u32, fci: &'a [u8]) -> Result<Self, Short> {
        let mut from = Reader::new(fci);
        from.take(4)?;
        let [count, high, middle, low] = from.array()?;
        let mantissa = u64::from(high & 3) << 16 | u64::from(middle) << 8 | u64::from(low);
        // An exponent up to 63 may shift bits out: such a rate is no limit at all, like the highest that can be written.
        let bitrate = u64::try_from(u128::from(mantissa) << (high >> 2)).unwrap_or(0x3_ffff << 46);
        Ok(Self { sender, bitrate, sources: List::received(from.take(usize::from(count) * 4)?) })
    }

    pub(super) fn write(&self, to: &mut Writer<'_>) -> Result<(), Short> {
        let exponent = (64 - self.bitrate.leading_zeros()).saturating_sub(18);
        let [.., high, middle, low] = (self.bitrate >> exponent).to_be_bytes();
        let exponent = u8::try_from(exponent).map_err(|_| Short)?;
        to.put(Self::NAME)?;
        to.u8(u8::try_from(self.sources.len()).map_err(|_| Short)?)?;
        to.put(&[exponent << 2 | high, middle, low])?;
        self.sources.write(to)
    }
}

/// A feedback message that this crate does not read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Feedback<'a> {
    /// 205 for the transport layer, 206 for the payload.
    pub packet_type: u8,
    /// Which message it is, 0 to 31.
    pub format: u8,
    /// Who sends it.
    pub sender: u32,
    /// The stream that it is about.
    pub media: u32,
    /// Its content, whole words.
    pub content: &'a [u8],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_numbers_are_packed_into_few_entries() {
        let check = |numbers: &[u16], expected: &[(u16, u16)]| {
            let mut entries = [NackEntry { first: 0, following: 0 }; 3];
            let filled = NackEntry::pack(numbers.iter().copied(), &mut entries);
            let packed: Vec<_> = entries[..filled].iter().map(|e| (e.first, e.following)).collect();
            assert_eq!(packed, expected);
            let back: Vec<u16> = entries[..filled].iter().flat_map(|e| e.numbers()).collect();
            assert!(numbers.starts_with(&back) && !back.is_empty(), "{back:?}");
        };
        check(&[5], &[(5, 0)]);
        check(&[5, 6, 21], &[(5, 0x8001)]);
        check(&[5, 22], &[(5, 0), (22, 0)]);
        check(&[65_535, 0, 3], &[(65_535, 0b1001)]);
        check(&[0, 100, 200, 300], &[(0, 0), (100, 0), (200, 0)]);
    }
}
