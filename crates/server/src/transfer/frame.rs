//! The frames of the bulk channel:
//!
//! ```text
//!  0        4                 12
//! +--------+------------------+----------------
//! |  file  | E      offset    | bytes …
//! +--------+------------------+----------------
//! ```
//!
//! All numbers are big-endian. With the E bit the frame ends the file: the offset is its size, and the bytes are its
//! root hash.

use bytes::{BufMut as _, Bytes, BytesMut};

/// Bytes of a file in one frame of ours. Blocks are a multiple of it, so that only the last frame is short.
pub(crate) const CHUNK: u64 = 32 << 10;
/// Bytes that may be under way and not yet known to be kept.
pub(crate) const WINDOW: u64 = 8 << 20;

const HEADER: usize = 12;
const END: u64 = 1 << 63;

/// A frame that was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Frame<'a> {
    /// The number of the file.
    pub(crate) file: u32,
    /// Where the bytes belong.
    pub(crate) offset: u64,
    /// Whether this is the end.
    pub(crate) end: bool,
    /// The bytes, or the hash.
    pub(crate) bytes: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The frame in a message; `None` if it is none.
    pub(crate) fn read(message: &'a [u8]) -> Option<Self> {
        let (file, rest) = message.split_first_chunk()?;
        let (word, bytes) = rest.split_first_chunk()?;
        let word = u64::from_be_bytes(*word);
        Some(Self { file: u32::from_be_bytes(*file), offset: word & !END, end: word & END != 0, bytes })
    }

    /// The message.
    pub(crate) fn write(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(HEADER + self.bytes.len());
        out.put_u32(self.file);
        out.put_u64(self.offset | if self.end { END } else { 0 });
        out.put_slice(self.bytes);
        out.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_as_they_were_written() {
        for frame in [
            Frame { file: 0, offset: 0, end: false, bytes: b"" },
            Frame { file: u32::MAX, offset: END - 1, end: false, bytes: b"bytes" },
            Frame { file: 7, offset: 1 << 40, end: true, bytes: &[9; 32] },
        ] {
            assert_eq!(Frame::read(&frame.write()), Some(frame));
        }
        assert_eq!(Frame::read(&[0; 11]), None);
        let bytes = Frame { file: 0x0102_0304, offset: 5, end: true, bytes: b"x" }.write();
        assert_eq!(&bytes[..], [1, 2, 3, 4, 0x80, 0, 0, 0, 0, 0, 0, 5, b'x']);
    }
}
