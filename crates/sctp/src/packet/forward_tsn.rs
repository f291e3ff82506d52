use super::{Chunk, Malformed, kind};
use crate::num::{low16, u16_of};
use wire::{Reader, Short, Writer};

/// A stream on which messages are skipped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Skipped {
    /// Stream identifier.
    pub stream: u16,
    /// Whether unordered messages are meant; only I-FORWARD-TSN tells.
    pub unordered: bool,
    /// The last message skipped: SSN, or MID of I-FORWARD-TSN.
    pub message: u32,
}

/// FORWARD-TSN (RFC 3758 §3.2) or I-FORWARD-TSN (RFC 8260 §2.3.1): the sender gave up some messages.
///
/// ```text
/// |   Type = 192  |  Flags = 0x00 |        Length = Variable      |
/// |                      New Cumulative TSN                       |
/// |         Stream-1              |       Stream Sequence-1       |
///
/// |   Type = 194  | Flags = 0x00  |      Length = Variable        |
/// |                       New Cumulative TSN                      |
/// |       Stream Identifier       |          Reserved           |U|
/// |                       Message Identifier                      |
/// ```
#[derive(Clone, Debug)]
pub struct ForwardTsn<'a> {
    /// Every TSN up to this one is to be taken as received.
    pub cumulative: u32,
    interleaved: bool,
    list: &'a [u8],
}

impl<'a> ForwardTsn<'a> {
    /// Reads a chunk of either type.
    pub fn parse(chunk: &Chunk<'a>) -> Result<Self, Malformed> {
        let mut r = Reader::new(chunk.value);
        let cumulative = r.u32()?;
        Ok(Self { cumulative, interleaved: chunk.kind == kind::I_FORWARD_TSN, list: r.rest() })
    }

    /// Which messages are skipped on which streams.
    pub fn skipped(&self) -> impl Iterator<Item = Skipped> + 'a {
        let interleaved = self.interleaved;
        self.list.chunks_exact(if interleaved { 8 } else { 4 }).map(move |b| {
            let stream = u16::from_be_bytes([b[0], b[1]]);
            if interleaved {
                let message = u32::from_be_bytes([b[4], b[5], b[6], b[7]]);
                Skipped { stream, unordered: b[3] & 1 != 0, message }
            } else {
                Skipped { stream, unordered: false, message: u32::from(u16::from_be_bytes([b[2], b[3]])) }
            }
        })
    }

    /// How many bytes `skipped` entries take, with the header of the chunk.
    pub(crate) const fn len(interleaved: bool, skipped: usize) -> usize {
        8 + skipped * if interleaved { 8 } else { 4 }
    }

    /// Appends the chunk.
    pub(crate) fn write(
        w: &mut Writer<'_>,
        interleaved: bool,
        cumulative: u32,
        skipped: &[Skipped],
    ) -> Result<(), Short> {
        w.u8(if interleaved { kind::I_FORWARD_TSN } else { kind::FORWARD_TSN })?;
        w.u8(0)?;
        w.u16(u16_of(Self::len(interleaved, skipped.len())))?;
        w.u32(cumulative)?;
        for skip in skipped {
            w.u16(skip.stream)?;
            if interleaved {
                w.u16(u16::from(skip.unordered))?;
                w.u32(skip.message)?;
            } else {
                w.u16(low16(skip.message.into()))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Chunks;
    use super::*;

    #[test]
    fn written_is_read_back() {
        for interleaved in [false, true] {
            let skipped = [
                Skipped { stream: 1, unordered: false, message: 65_535 },
                Skipped { stream: 9, unordered: interleaved, message: if interleaved { 70_000 } else { 0 } },
            ];
            let mut buf = [0; 64];
            let mut w = Writer::new(&mut buf);
            ForwardTsn::write(&mut w, interleaved, 5, &skipped).unwrap();
            assert_eq!(w.len(), ForwardTsn::len(interleaved, 2));
            let chunk = Chunks { rest: w.written() }.next().unwrap().unwrap();
            let read = ForwardTsn::parse(&chunk).unwrap();
            assert_eq!(read.cumulative, 5);
            assert_eq!(read.skipped().collect::<Vec<_>>(), skipped);
        }
    }
}
