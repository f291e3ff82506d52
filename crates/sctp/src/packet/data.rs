use super::{Chunk, Malformed, kind};
use crate::num::u16_of;
use wire::Reader;

/// The flags of DATA and I-DATA (RFC 9260 §3.3.1, RFC 8260 §2.1).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Flags(pub u8);

impl Flags {
    /// E: the last fragment of a message.
    pub const END: u8 = 1;
    /// B: the first fragment of a message.
    pub const BEGIN: u8 = 2;
    /// U: no order among messages.
    pub const UNORDERED: u8 = 4;
    /// I: acknowledge without delay (RFC 7053).
    pub const IMMEDIATE: u8 = 8;

    /// Whether this is the last fragment.
    pub const fn end(self) -> bool {
        self.0 & Self::END != 0
    }

    /// Whether this is the first fragment.
    pub const fn begin(self) -> bool {
        self.0 & Self::BEGIN != 0
    }

    /// Whether the message may overtake others.
    pub const fn unordered(self) -> bool {
        self.0 & Self::UNORDERED != 0
    }

    /// Whether an acknowledgement is wanted at once.
    pub const fn immediate(self) -> bool {
        self.0 & Self::IMMEDIATE != 0
    }
}

/// A DATA chunk (RFC 9260 §3.3.1) or an I-DATA chunk (RFC 8260 §2.1).
///
/// ```text
/// |   Type = 0    |  Res  |I|U|B|E|           Length              |
/// |                              TSN                              |
/// |      Stream Identifier S      |   Stream Sequence Number n    |
/// |                  Payload Protocol Identifier                  |
/// /                 User Data (seq n of Stream S)                 /
///
/// |   Type = 64   |  Res  |I|U|B|E|       Length = Variable       |
/// |                              TSN                              |
/// |        Stream Identifier      |           Reserved            |
/// |                      Message Identifier                       |
/// |    Payload Protocol Identifier / Fragment Sequence Number     |
/// \                           User Data                           \
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Data<'a> {
    /// Transmission sequence number.
    pub tsn: u32,
    /// Stream identifier.
    pub stream: u16,
    /// B, E, U and I.
    pub flags: Flags,
    /// Stream sequence number (16 bits) of DATA, message identifier of I-DATA.
    pub message: u32,
    /// Payload protocol identifier; of I-DATA only the first fragment has it, others say zero here.
    pub protocol: u32,
    /// Fragment sequence number of I-DATA; zero in DATA.
    pub fragment: u32,
    /// User data, at least one byte.
    pub payload: &'a [u8],
}

/// The chunk header and fixed fields of DATA, in bytes.
pub(crate) const DATA_HEADER: usize = 16;
/// The chunk header and fixed fields of I-DATA, in bytes.
pub(crate) const I_DATA_HEADER: usize = 20;

impl<'a> Data<'a> {
    /// Reads a chunk of type DATA or I-DATA.
    pub fn parse(chunk: &Chunk<'a>) -> Result<Self, Malformed> {
        let flags = Flags(chunk.flags);
        let mut r = Reader::new(chunk.value);
        let (tsn, stream) = (r.u32()?, r.u16()?);
        let (message, protocol, fragment) = if chunk.kind == kind::DATA {
            (u32::from(r.u16()?), r.u32()?, 0)
        } else {
            let _reserved = r.u16()?;
            let (message, last) = (r.u32()?, r.u32()?);
            if flags.begin() { (message, last, 0) } else { (message, 0, last) }
        };
        let payload = r.rest();
        if payload.is_empty() {
            return Err(Malformed);
        }
        Ok(Self { tsn, stream, flags, message, protocol, fragment, payload })
    }

    /// Writes the chunk at the front of `buf`, as I-DATA or as DATA; says how long it is with its padding.
    /// `buf` has room for it.
    pub fn write(&self, interleaved: bool, buf: &mut [u8]) -> usize {
        let header = if interleaved { I_DATA_HEADER } else { DATA_HEADER };
        let len = header + self.payload.len();
        buf[0] = if interleaved { kind::I_DATA } else { kind::DATA };
        buf[1] = self.flags.0;
        buf[2..4].copy_from_slice(&u16_of(len).to_be_bytes());
        buf[4..8].copy_from_slice(&self.tsn.to_be_bytes());
        buf[8..10].copy_from_slice(&self.stream.to_be_bytes());
        if interleaved {
            let last = if self.flags.begin() { self.protocol } else { self.fragment };
            buf[10..12].fill(0);
            buf[12..16].copy_from_slice(&self.message.to_be_bytes());
            buf[16..20].copy_from_slice(&last.to_be_bytes());
        } else {
            buf[10..12].copy_from_slice(&self.message.to_be_bytes()[2..]);
            buf[12..16].copy_from_slice(&self.protocol.to_be_bytes());
        }
        buf[header..len].copy_from_slice(self.payload);
        let padded = len.next_multiple_of(4);
        buf[len..padded].fill(0);
        padded
    }
}

#[cfg(test)]
mod tests {
    use super::super::Chunks;
    use super::*;

    #[test]
    fn written_is_read_back() {
        for (interleaved, flags) in [(false, 3), (false, 5), (true, 2), (true, 9)] {
            let flags = Flags(flags);
            let sent = Data {
                tsn: 0x0102_0304,
                stream: 7,
                flags,
                message: 0x5678,
                protocol: if interleaved && !flags.begin() { 0 } else { 51 },
                fragment: if interleaved && !flags.begin() { 9 } else { 0 },
                payload: b"hello",
            };
            let mut buf = [0xee; 40];
            let len = sent.write(interleaved, &mut buf);
            assert_eq!(len, if interleaved { 28 } else { 24 });
            let chunk = Chunks { rest: &buf[..len] }.next().unwrap().unwrap();
            assert_eq!(Data::parse(&chunk), Ok(sent));
        }
    }

    /// A DATA chunk as other stacks send it: "ping" as a string on stream 1.
    #[test]
    fn reads_what_others_send() {
        let bytes = [0, 3, 0, 20, 0x9a, 0x3c, 0x11, 0x02, 0, 1, 0, 2, 0, 0, 0, 51, b'p', b'i', b'n', b'g'];
        let chunk = Chunks { rest: &bytes }.next().unwrap().unwrap();
        let data = Data::parse(&chunk).unwrap();
        assert_eq!((data.tsn, data.stream, data.message, data.protocol), (0x9a3c_1102, 1, 2, 51));
        assert_eq!((data.payload, data.flags), (&b"ping"[..], Flags(3)));
        let empty = Chunk { kind: kind::DATA, flags: 3, value: &bytes[4..16] };
        assert_eq!(Data::parse(&empty), Err(Malformed));
    }
}
