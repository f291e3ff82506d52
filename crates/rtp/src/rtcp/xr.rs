//! Extended reports (RFC 3611): the two blocks that let a receiver measure the round trip.

use super::list::{Entry, List};
use crate::{NtpTime, ntp};
use std::time::Duration;
use wire::{Reader, Short, Writer};

const RECEIVER_REFERENCE_TIME: u8 = 4;
const DLRR: u8 = 5;

/// The answer to a receiver reference time (RFC 3611 §4.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dlrr {
    /// Whose reference time is answered.
    pub ssrc: u32,
    /// The middle 32 bits of it.
    pub last_receiver_report: u32,
    /// How long ago it came, in 1/65536 s.
    pub delay_since_last: u32,
}

impl Dlrr {
    /// The round trip, when this answers us and `now` is our wall clock. `None` when the figures make no sense.
    pub fn round_trip(&self, now: NtpTime) -> Option<Duration> {
        if self.last_receiver_report == 0 {
            return None;
        }
        let elapsed = now.middle().wrapping_sub(self.last_receiver_report);
        elapsed.checked_sub(self.delay_since_last).filter(|trip| *trip < 1 << 31).map(ntp::from_short)
    }
}

impl Entry for Dlrr {
    const LEN: usize = 12;

    fn read(from: &mut Reader<'_>) -> Result<Self, Short> {
        Ok(Self { ssrc: from.u32()?, last_receiver_report: from.u32()?, delay_since_last: from.u32()? })
    }

    fn write(&self, to: &mut Writer<'_>) -> Result<(), Short> {
        to.u32(self.ssrc)?;
        to.u32(self.last_receiver_report)?;
        to.u32(self.delay_since_last)
    }
}

/// One block of an extended report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum XrBlock<'a> {
    /// The wall clock of a receiver, which a sender answers (RFC 3611 §4.4).
    ReceiverReferenceTime(NtpTime),
    /// Such answers.
    Dlrr(List<'a, Dlrr>),
    /// A block that this crate does not read.
    Other {
        /// Its type.
        kind: u8,
        /// A byte whose meaning depends on the type.
        specific: u8,
        /// Its content, whole words.
        content: &'a [u8],
    },
}

impl<'a> XrBlock<'a> {
    fn read(from: &mut Reader<'a>) -> Result<Self, Short> {
        let [kind, specific] = from.array()?;
        let words = from.u16()?;
        let content = from.take(usize::from(words) * 4)?;
        Ok(match kind {
            RECEIVER_REFERENCE_TIME if words == 2 => {
                Self::ReceiverReferenceTime(NtpTime(Reader::new(content).u64()?))
            }
            DLRR if words % 3 == 0 => Self::Dlrr(List::received(content)),
            _ => Self::Other { kind, specific, content },
        })
    }

    fn write(&self, to: &mut Writer<'_>) -> Result<(), Short> {
        match self {
            Self::ReceiverReferenceTime(time) => {
                to.put(&[RECEIVER_REFERENCE_TIME, 0, 0, 2])?;
                to.u64(time.0)
            }
            Self::Dlrr(list) => {
                to.put(&[DLRR, 0])?;
                to.u16(u16::try_from(list.len() * 3).map_err(|_| Short)?)?;
                list.write(to)
            }
            Self::Other { kind, specific, content } => {
                to.put(&[*kind, *specific])?;
                to.u16(u16::try_from(content.len().div_ceil(4)).map_err(|_| Short)?)?;
                to.put(content)?;
                to.pad_to(4)
            }
        }
    }
}

/// XR: an extended report.
#[derive(Clone, Copy, Debug)]
pub struct Xr<'a> {
    /// Who reports.
    pub ssrc: u32,
    blocks: Inner<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Inner<'a> {
    Received(&'a [u8]),
    Given(&'a [XrBlock<'a>]),
}

impl<'a> Xr<'a> {
    /// A report of these blocks.
    pub fn new(ssrc: u32, blocks: &'a [XrBlock<'a>]) -> Self {
        Self { ssrc, blocks: Inner::Given(blocks) }
    }

    pub(super) fn read(body: &'a [u8]) -> Result<Self, Short> {
        let mut from = Reader::new(body);
        Ok(Self { ssrc: from.u32()?, blocks: Inner::Received(from.rest()) })
    }

    /// The blocks in their order; those behind a malformed one are not given.
    pub fn blocks(&self) -> XrBlocks<'a> {
        match self.blocks {
            Inner::Received(bytes) => XrBlocks { given: &[], rest: Reader::new(bytes) },
            Inner::Given(given) => XrBlocks { given, rest: Reader::new(&[]) },
        }
    }

    pub(super) fn write(&self, to: &mut Writer<'_>) -> Result<(), Short> {
        to.u32(self.ssrc)?;
        self.blocks().try_for_each(|block| block.write(to))
    }
}

impl PartialEq for Xr<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.ssrc == other.ssrc && self.blocks().eq(other.blocks())
    }
}

impl Eq for Xr<'_> {}

/// The blocks of an extended report.
#[derive(Clone, Debug)]
pub struct XrBlocks<'a> {
    given: &'a [XrBlock<'a>],
    rest: Reader<'a>,
}

impl<'a> Iterator for XrBlocks<'a> {
    type Item = XrBlock<'a>;

    fn next(&mut self) -> Option<XrBlock<'a>> {
        if let Some((first, rest)) = self.given.split_first() {
            self.given = rest;
            return Some(*first);
        }
        let block = XrBlock::read(&mut self.rest);
        if block.is_err() {
            self.rest = Reader::new(&[]);
        }
        block.ok()
    }
}
