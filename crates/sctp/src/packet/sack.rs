use super::{Malformed, kind};
use crate::num::{low16, low32, u16_of};
use wire::{Reader, Short, Writer};

/// A selective acknowledgement (RFC 9260 §3.3.4).
///
/// ```text
/// |   Type = 3    |  Chunk Flags  |         Chunk Length          |
/// |                      Cumulative TSN Ack                       |
/// |          Advertised Receiver Window Credit (a_rwnd)           |
/// | Number of Gap Ack Blocks = N  |  Number of Duplicate TSNs = M |
/// |    Gap Ack Block #1 Start     |     Gap Ack Block #1 End      |
/// /                              ...                              /
/// |                        Duplicate TSN 1                        |
/// ```
#[derive(Clone, Debug)]
pub struct Sack<'a> {
    /// The last TSN before the first one that is missing.
    pub cumulative: u32,
    /// Bytes that the receiver has room for.
    pub window: u32,
    gaps: &'a [u8],
    duplicates: &'a [u8],
}

impl<'a> Sack<'a> {
    /// Reads the value of a SACK chunk.
    pub fn parse(value: &'a [u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(value);
        let (cumulative, window) = (r.u32()?, r.u32()?);
        let (gaps, duplicates) = (usize::from(r.u16()?), usize::from(r.u16()?));
        let gaps = r.take(gaps * 4)?;
        let duplicates = r.take(duplicates * 4)?;
        Ok(Self { cumulative, window, gaps, duplicates })
    }

    /// Received ranges behind the first missing TSN, as distances from `cumulative`, both ends inclusive.
    pub fn gaps(&self) -> impl Iterator<Item = (u16, u16)> + 'a {
        self.gaps
            .chunks_exact(4)
            .map(|b| (u16::from_be_bytes([b[0], b[1]]), u16::from_be_bytes([b[2], b[3]])))
    }

    /// TSNs received more than once since the last SACK.
    pub fn duplicates(&self) -> impl Iterator<Item = u32> + 'a {
        self.duplicates.chunks_exact(4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
    }

    /// Whether nothing is missing behind `cumulative`.
    pub const fn is_contiguous(&self) -> bool {
        self.gaps.is_empty()
    }
}

/// Appends a SACK. `gaps` are full sequence numbers; those that find no room, or are too far, are left out,
/// as are duplicates, so that `room` bytes in all suffice. They are at least 16.
pub(crate) fn write(
    w: &mut Writer<'_>,
    cumulative: u64,
    window: u32,
    gaps: impl Iterator<Item = (u64, u64)> + Clone,
    duplicates: &[u32],
    room: usize,
) -> Result<(), Short> {
    let room = room.saturating_sub(16) / 4;
    let far = cumulative + u64::from(u16::MAX);
    let gaps = gaps.take_while(|(start, _)| *start <= far).take(room);
    let count = gaps.clone().count();
    let duplicates = &duplicates[..duplicates.len().min(room - count)];
    w.put(&[kind::SACK, 0])?;
    w.u16(u16_of(16 + 4 * (count + duplicates.len())))?;
    w.u32(low32(cumulative))?;
    w.u32(window)?;
    w.u16(u16_of(count))?;
    w.u16(u16_of(duplicates.len()))?;
    for (start, end) in gaps {
        w.u16(low16(start - cumulative))?;
        w.u16(low16(end.min(far) - cumulative))?;
    }
    for duplicate in duplicates {
        w.u32(*duplicate)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Chunks;
    use super::*;

    #[test]
    fn written_is_read_back_and_what_has_no_room_is_left_out() {
        let cumulative = (1 << 32) + 2;
        let gaps = [(cumulative + 2, cumulative + 3), (cumulative + 65_530, cumulative + 70_000)];
        let mut buf = [0; 40];
        let mut w = Writer::new(&mut buf);
        write(&mut w, cumulative, 77, gaps.iter().copied(), &[8, 9], 28).unwrap();
        assert_eq!(w.len(), 28);
        let chunk = Chunks { rest: w.written() }.next().unwrap().unwrap();
        let sack = Sack::parse(chunk.value).unwrap();
        assert_eq!((sack.cumulative, sack.window), (2, 77));
        assert_eq!(sack.gaps().collect::<Vec<_>>(), [(2, 3), (65_530, 65_535)]);
        assert_eq!(sack.duplicates().collect::<Vec<_>>(), [8]);
        assert!(Sack::parse(&chunk.value[..20]).is_err());
    }
}
