//! A cursor over bits, the highest of each byte first.

use crate::Malformed;

#[derive(Clone, Copy, Debug)]
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// `f(n)`: a number of at most 32 bits.
    pub(super) fn take(&mut self, count: u32) -> Result<u32, Malformed> {
        (0..count).try_fold(0, |value, _| {
            let byte = self.bytes.get(self.at / 8).ok_or(Malformed)?;
            let bit = byte >> (7 - self.at % 8) & 1;
            self.at += 1;
            Ok(value << 1 | u32::from(bit))
        })
    }

    pub(super) fn flag(&mut self) -> Result<bool, Malformed> {
        self.take(1).map(|bit| bit == 1)
    }

    /// A number of at most eight bits.
    pub(super) fn byte(&mut self, count: u32) -> Result<u8, Malformed> {
        self.take(count).and_then(|value| u8::try_from(value).map_err(|_| Malformed))
    }

    /// A number of at most sixteen bits.
    pub(super) fn word(&mut self, count: u32) -> Result<u16, Malformed> {
        self.take(count).and_then(|value| u16::try_from(value).map_err(|_| Malformed))
    }

    /// `ns(n)`: a number below `bound`, which is 1 to 63.
    pub(super) fn below(&mut self, bound: u8) -> Result<u8, Malformed> {
        let width = u8::BITS - bound.leading_zeros();
        let short = (1u8 << width) - bound;
        let value = self.byte(width - 1)?;
        if value < short { Ok(value) } else { Ok((value << 1) - short + self.byte(1)?) }
    }

    /// Goes on behind so many bits, which must be there.
    pub(super) fn skip(&mut self, count: usize) -> Result<(), Malformed> {
        self.at += count;
        if self.at <= 8 * self.bytes.len() { Ok(()) } else { Err(Malformed) }
    }
}
