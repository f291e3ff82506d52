//! RTP packets (RFC 3550 §5.1):
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |V=2|P|X|  CC   |M|     PT      |       sequence number         |
//! |                           timestamp                           |
//! |           synchronization source (SSRC) identifier            |
//! |            contributing source (CSRC) identifiers             |
//! |  X: profile 0xBEDE or 0x100N  |  length in 32-bit words       |
//! |                    header extension elements                  |
//! |                    payload, then P: padding, whose last byte counts it
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use crate::Malformed;
use crate::extension::{Element, Elements, ExtensionError, Extensions, Form, Map};
use wire::Short;

/// The length of the fixed header in bytes.
pub const HEADER_LEN: usize = 12;

/// The most contributing sources that one packet can name.
pub const MAX_CSRCS: usize = 15;

/// Where the parts of a packet lie. The padding is inside the payload here: in SRTP it is encrypted with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// Where the extension block's elements begin; equals `payload` when there is none.
    elements: usize,
    form: Option<Form>,
    pub(crate) payload: usize,
}

impl Layout {
    /// Looks at the header alone, which is all that is readable in an encrypted packet.
    pub(crate) fn of(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() < HEADER_LEN || bytes[0] >> 6 != 2 {
            return Err(Malformed);
        }
        let fixed = HEADER_LEN + 4 * usize::from(bytes[0] & 0x0f);
        if bytes[0] & 0x10 == 0 {
            let fits = fixed <= bytes.len();
            return fits.then_some(Self { elements: fixed, form: None, payload: fixed }).ok_or(Malformed);
        }
        let block = bytes.get(fixed..fixed + 4).ok_or(Malformed)?;
        let words = usize::from(u16::from_be_bytes([block[2], block[3]]));
        let payload = fixed + 4 + 4 * words;
        let form = Form::of_profile(u16::from_be_bytes([block[0], block[1]]));
        (payload <= bytes.len()).then_some(Self { elements: fixed + 4, form, payload }).ok_or(Malformed)
    }
}

/// A checked view of a received RTP packet; it copies nothing.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    bytes: &'a [u8],
    layout: Layout,
    payload_end: usize,
}

impl<'a> Packet<'a> {
    /// Checks the header, the length of the extension block and the padding. Elements inside the extension block
    /// are looked at when they are asked for.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let layout = Layout::of(bytes)?;
        let padding = match bytes.last() {
            // Padding counts itself, so zero is no length (RFC 3550 §5.1).
            Some(0) if bytes[0] & 0x20 != 0 => return Err(Malformed),
            Some(count) if bytes[0] & 0x20 != 0 => usize::from(*count),
            _ => 0,
        };
        let payload_end = bytes.len().checked_sub(padding).filter(|end| *end >= layout.payload);
        Ok(Self { bytes, layout, payload_end: payload_end.ok_or(Malformed)? })
    }

    /// The marker bit; what it says depends on the payload format.
    pub fn marker(&self) -> bool {
        self.bytes[1] & 0x80 != 0
    }

    /// The payload type, 0 to 127.
    pub fn payload_type(&self) -> u8 {
        self.bytes[1] & 0x7f
    }

    /// The sequence number, which wraps.
    pub fn sequence_number(&self) -> u16 {
        u16::from_be_bytes([self.bytes[2], self.bytes[3]])
    }

    /// The timestamp in units of the payload's clock rate, which wraps.
    pub fn timestamp(&self) -> u32 {
        self.word(4)
    }

    /// The synchronization source.
    pub fn ssrc(&self) -> u32 {
        self.word(8)
    }

    /// The contributing sources, at most [`MAX_CSRCS`].
    pub fn csrcs(&self) -> impl ExactSizeIterator<Item = u32> + 'a {
        let (bytes, count) = (self.bytes, usize::from(self.bytes[0] & 0x0f));
        bytes[HEADER_LEN..HEADER_LEN + 4 * count].as_chunks().0.iter().map(|word| u32::from_be_bytes(*word))
    }

    /// The elements of the header extension in their order; empty when there is none or it is of no form of
    /// RFC 8285. Elements behind a malformed one are not given.
    pub fn extensions(&self) -> Extensions<'a> {
        Extensions::new(self.layout.form, &self.bytes[self.layout.elements..self.layout.payload])
    }

    /// The elements that the session has negotiated, each the first of its kind.
    pub fn elements(&self, map: &Map) -> Elements<'a> {
        Elements::read(self.extensions(), map)
    }

    /// The payload without padding.
    pub fn payload(&self) -> &'a [u8] {
        &self.bytes[self.layout.payload..self.payload_end]
    }

    /// How many bytes of padding follow the payload, its counting byte included.
    pub fn padding_len(&self) -> usize {
        self.bytes.len() - self.payload_end
    }

    /// The length of header and extension: where the payload begins.
    pub fn header_len(&self) -> usize {
        self.layout.payload
    }

    /// The whole packet.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    fn word(&self, at: usize) -> u32 {
        u32::from_be_bytes([self.bytes[at], self.bytes[at + 1], self.bytes[at + 2], self.bytes[at + 3]])
    }
}

/// What the fixed header of a packet says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Header {
    /// The marker bit.
    pub marker: bool,
    /// The payload type, 0 to 127; a higher bit is cut off.
    pub payload_type: u8,
    /// The sequence number.
    pub sequence_number: u16,
    /// The timestamp in units of the payload's clock rate.
    pub timestamp: u32,
    /// The synchronization source.
    pub ssrc: u32,
}

impl Header {
    /// The fixed header, without contributing sources, extension and padding.
    #[inline]
    pub(crate) fn bytes(&self) -> [u8; HEADER_LEN] {
        let [a, b] = self.sequence_number.to_be_bytes();
        let [c, d, e, f] = self.timestamp.to_be_bytes();
        let [g, h, i, j] = self.ssrc.to_be_bytes();
        [0x80, u8::from(self.marker) << 7 | self.payload_type & 0x7f, a, b, c, d, e, f, g, h, i, j]
    }
}

/// Writes a packet into the caller's buffer: header, then at most one extension block, then payload, then padding.
#[derive(Debug)]
pub struct Writer<'a> {
    out: wire::Writer<'a>,
}

impl<'a> Writer<'a> {
    /// Writes the fixed header and the first [`MAX_CSRCS`] of `csrcs`.
    pub fn new(buf: &'a mut [u8], header: &Header, csrcs: &[u32]) -> Result<Self, Short> {
        let csrcs = &csrcs[..csrcs.len().min(MAX_CSRCS)];
        let mut out = wire::Writer::new(buf);
        let mut fixed = header.bytes();
        #[expect(clippy::cast_possible_truncation, reason = "at most 15")]
        {
            fixed[0] |= csrcs.len() as u8;
        }
        out.put(&fixed)?;
        for csrc in csrcs {
            out.u32(*csrc)?;
        }
        Ok(Self { out })
    }

    /// A writer behind the first `len` bytes of `buf`, which are a header and its extension block.
    pub(crate) fn behind(buf: &'a mut [u8], len: usize) -> Result<Self, Short> {
        Ok(Self { out: wire::Writer::behind(buf, len)? })
    }

    /// Writes the extension block, if there is any element: the one-byte form when all elements fit into it, else
    /// the two-byte form. To be called at most once, before the payload.
    pub fn extensions(&mut self, elements: &[Element<'_>]) -> Result<(), ExtensionError> {
        if elements.is_empty() {
            return Ok(());
        }
        let form = Form::fitting(elements)?;
        self.out.written_mut()[0] |= 0x10;
        self.out.u16(form.profile())?;
        let length_at = self.out.len();
        self.out.u16(0)?;
        let start = self.out.len();
        for element in elements {
            form.write(element, &mut self.out)?;
        }
        // All that stands before the elements is whole words, so this pads the block itself.
        self.out.pad_to(4)?;
        let words = (self.out.len() - start) / 4;
        let words = u16::try_from(words).map_err(|_| ExtensionError::TooLong)?;
        self.out.written_mut()[length_at..length_at + 2].copy_from_slice(&words.to_be_bytes());
        Ok(())
    }

    /// Writes those elements that are set and negotiated.
    pub fn elements(&mut self, elements: &Elements<'_>, map: &Map) -> Result<(), ExtensionError> {
        elements.write(map, |elements| self.extensions(elements))
    }

    /// Appends payload; it may come in several parts.
    pub fn payload(&mut self, bytes: &[u8]) -> Result<(), Short> {
        self.out.put(bytes)
    }

    /// How many bytes are written.
    #[expect(clippy::len_without_is_empty, reason = "a packet has a header at least")]
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Appends `len` bytes of padding, the counting byte included, and ends the packet.
    pub fn pad(mut self, len: u8) -> Result<usize, Short> {
        if len > 0 {
            self.out.put(&[0; 255][..usize::from(len) - 1])?;
            self.out.u8(len)?;
            self.out.written_mut()[0] |= 0x20;
        }
        Ok(self.out.len())
    }

    /// Ends the packet and gives its length.
    pub fn finish(self) -> usize {
        self.out.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_packets_are_told_from_whole_ones() {
        let whole = |first: u8, tail: &[u8]| {
            let mut bytes = vec![first, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
            bytes.extend_from_slice(tail);
            bytes
        };
        let cases: [(&str, Vec<u8>, Option<usize>); 11] = [
            ("a bare header", whole(0x80, &[]), Some(0)),
            ("version 1", whole(0x40, &[]), None),
            ("eleven bytes", whole(0x80, &[])[..11].to_vec(), None),
            ("a payload", whole(0x80, &[1, 2, 3]), Some(3)),
            ("a missing CSRC", whole(0x81, &[0, 0, 0]), None),
            ("a CSRC", whole(0x81, &[0, 0, 0, 9, 7]), Some(1)),
            ("padding of three", whole(0xa0, &[1, 0, 0, 3]), Some(1)),
            ("padding of none", whole(0xa0, &[1, 0]), None),
            ("padding longer than the payload", whole(0xa0, &[1, 3]), None),
            ("an extension that is not there", whole(0x90, &[0xbe, 0xde, 0, 1, 0, 0, 0]), None),
            ("an unknown extension profile", whole(0x90, &[1, 2, 0, 1, 0, 0, 0, 0, 5]), Some(1)),
        ];
        for (what, bytes, payload) in cases {
            assert_eq!(Packet::parse(&bytes).ok().map(|p| p.payload().len()), payload, "{what}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let header =
            Header { marker: true, payload_type: 111, sequence_number: 65_535, timestamp: 7, ssrc: 9 };
        let mut buf = [0; 100];
        let mut w = Writer::new(&mut buf, &header, &[1, 2]).unwrap();
        w.extensions(&[Element { id: 3, data: &[1, 2] }]).unwrap();
        w.payload(&[5; 10]).unwrap();
        let len = w.pad(4).unwrap();
        let packet = Packet::parse(&buf[..len]).unwrap();
        assert!(packet.marker());
        assert_eq!((packet.payload_type(), packet.sequence_number()), (111, 65_535));
        assert_eq!((packet.timestamp(), packet.ssrc()), (7, 9));
        assert!(packet.csrcs().eq([1, 2]));
        assert!(packet.extensions().eq([Element { id: 3, data: &[1, 2] }]));
        assert_eq!((packet.payload(), packet.padding_len()), (&[5; 10][..], 4));
    }
}
