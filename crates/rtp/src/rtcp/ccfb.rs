//! Congestion control feedback (RFC 8888 §3.1).

use super::list::{Entry, List};
use wire::{Reader, Short, Writer};

/// The ECN bits that a packet arrived with (RFC 3168 §5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ecn {
    /// Not capable.
    NotCapable,
    /// ECT(1).
    Ect1,
    /// ECT(0).
    Ect0,
    /// Congestion was experienced.
    Congestion,
}

/// What became of one packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arrival {
    /// It has not arrived.
    Lost,
    /// It has arrived.
    Received {
        /// How it was marked.
        ecn: Ecn,
        /// How long before the report's time, in 1/1024 s: 0x1FFE means longer than can be told, 0x1FFF that it is
        /// not known.
        offset: u16,
    },
}

impl Entry for Arrival {
    const LEN: usize = 2;

    fn read(from: &mut Reader<'_>) -> Result<Self, Short> {
        let word = from.u16()?;
        if word & 0x8000 == 0 {
            return Ok(Self::Lost);
        }
        let ecn = match word >> 13 & 3 {
            0 => Ecn::NotCapable,
            1 => Ecn::Ect1,
            2 => Ecn::Ect0,
            _ => Ecn::Congestion,
        };
        Ok(Self::Received { ecn, offset: word & 0x1fff })
    }

    fn write(&self, to: &mut Writer<'_>) -> Result<(), Short> {
        to.u16(match self {
            Self::Lost => 0,
            Self::Received { ecn, offset } => 0x8000 | (*ecn as u16) << 13 | offset & 0x1fff,
        })
    }
}

/// What became of consecutive packets of one stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CcfbBlock<'a> {
    /// The stream.
    pub ssrc: u32,
    /// The sequence number of the first packet.
    pub first: u16,
    /// The packets from there on, at most 16,384.
    pub arrivals: List<'a, Arrival>,
}

impl<'a> CcfbBlock<'a> {
    fn read(from: &mut Reader<'a>) -> Result<Self, Short> {
        let (ssrc, first) = (from.u32()?, from.u16()?);
        let count = usize::from(from.u16()?);
        let arrivals = List::received(from.take(count * 2)?);
        from.take(count % 2 * 2)?;
        Ok(Self { ssrc, first, arrivals })
    }

    fn write(&self, to: &mut Writer<'_>) -> Result<(), Short> {
        to.u32(self.ssrc)?;
        to.u16(self.first)?;
        to.u16(u16::try_from(self.arrivals.len()).map_err(|_| Short)?)?;
        self.arrivals.write(to)?;
        to.pad_to(4)
    }
}

/// CCFB: which packets of several streams arrived, when, and how they were marked.
#[derive(Clone, Copy, Debug)]
pub struct Ccfb<'a> {
    /// Who reports.
    pub sender: u32,
    /// When it was made: the middle 32 bits of the NTP time.
    pub timestamp: u32,
    blocks: Inner<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Inner<'a> {
    Received(&'a [u8]),
    Given(&'a [CcfbBlock<'a>]),
}

impl<'a> Ccfb<'a> {
    /// A report of these blocks.
    pub fn new(sender: u32, timestamp: u32, blocks: &'a [CcfbBlock<'a>]) -> Self {
        Self { sender, timestamp, blocks: Inner::Given(blocks) }
    }

    pub(super) fn read(body: &'a [u8]) -> Result<Self, Short> {
        let mut from = Reader::new(body);
        let sender = from.u32()?;
        let blocks = from.take(from.rest().len().checked_sub(4).ok_or(Short)?)?;
        Ok(Self { sender, timestamp: from.u32()?, blocks: Inner::Received(blocks) })
    }

    /// The blocks in their order; those behind a malformed one are not given.
    pub fn blocks(&self) -> CcfbBlocks<'a> {
        match self.blocks {
            Inner::Received(bytes) => CcfbBlocks { given: &[], rest: Reader::new(bytes) },
            Inner::Given(given) => CcfbBlocks { given, rest: Reader::new(&[]) },
        }
    }

    pub(super) fn write(&self, to: &mut Writer<'_>) -> Result<(), Short> {
        to.u32(self.sender)?;
        self.blocks().try_for_each(|block| block.write(to))?;
        to.u32(self.timestamp)
    }
}

impl PartialEq for Ccfb<'_> {
    fn eq(&self, other: &Self) -> bool {
        (self.sender, self.timestamp) == (other.sender, other.timestamp) && self.blocks().eq(other.blocks())
    }
}

impl Eq for Ccfb<'_> {}

/// The blocks of a report.
#[derive(Clone, Debug)]
pub struct CcfbBlocks<'a> {
    given: &'a [CcfbBlock<'a>],
    rest: Reader<'a>,
}

impl<'a> Iterator for CcfbBlocks<'a> {
    type Item = CcfbBlock<'a>;

    fn next(&mut self) -> Option<CcfbBlock<'a>> {
        if let Some((first, rest)) = self.given.split_first() {
            self.given = rest;
            return Some(*first);
        }
        let block = CcfbBlock::read(&mut self.rest);
        if block.is_err() {
            self.rest = Reader::new(&[]);
        }
        block.ok()
    }
}
