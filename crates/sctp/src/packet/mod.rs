//! SCTP packets and the chunks inside them (RFC 9260 §3), read in place and written into the caller's buffer.

mod data;
mod forward_tsn;
mod init;
mod reconfig;
mod sack;

pub use data::{Data, Flags};
pub use forward_tsn::{ForwardTsn, Skipped};
pub use init::{Extensions, Init, Parameters};
pub(crate) use reconfig::stream_ids;
pub use reconfig::{Outcome, Parameter};
pub use sack::Sack;
pub(crate) use sack::write as write_sack;

use crate::num::u16_of;
use wire::{Reader, Short, Writer};

/// The common header (RFC 9260 §3.1), in bytes.
pub const HEADER_LEN: usize = 12;

/// What is not a packet, a chunk or a parameter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed;

impl From<Short> for Malformed {
    fn from(_: Short) -> Self {
        Self
    }
}

/// Chunk types (RFC 9260 §3.2, RFC 8260, RFC 6525, RFC 4820, RFC 3758).
pub mod kind {
    #![allow(missing_docs, reason = "the names are those of the RFCs")]
    pub const DATA: u8 = 0;
    pub const INIT: u8 = 1;
    pub const INIT_ACK: u8 = 2;
    pub const SACK: u8 = 3;
    pub const HEARTBEAT: u8 = 4;
    pub const HEARTBEAT_ACK: u8 = 5;
    pub const ABORT: u8 = 6;
    pub const SHUTDOWN: u8 = 7;
    pub const SHUTDOWN_ACK: u8 = 8;
    pub const ERROR: u8 = 9;
    pub const COOKIE_ECHO: u8 = 10;
    pub const COOKIE_ACK: u8 = 11;
    pub const SHUTDOWN_COMPLETE: u8 = 14;
    pub const I_DATA: u8 = 64;
    pub const RE_CONFIG: u8 = 130;
    pub const PAD: u8 = 132;
    pub const FORWARD_TSN: u8 = 192;
    pub const I_FORWARD_TSN: u8 = 194;
}

/// A packet: common header, then chunks.
///
/// ```text
/// |     Source Port Number        |     Destination Port Number   |
/// |                      Verification Tag                         |
/// |                           Checksum                            |
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Source port, 5000 by custom of WebRTC.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Verification tag: what the receiver chose, zero with INIT.
    pub tag: u32,
    /// CRC32c as it stood in the packet, zero if left out (RFC 9653).
    pub checksum: u32,
    bytes: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads the common header; chunks are read by [`Packet::chunks`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        let (source_port, destination_port, tag) = (r.u16()?, r.u16()?, r.u32()?);
        // The checksum travels least significant byte first (RFC 9260 appendix A).
        let checksum = u32::from_le_bytes(r.array()?);
        Ok(Self { source_port, destination_port, tag, checksum, bytes })
    }

    /// Whether the checksum is the CRC32c of the packet.
    pub fn checksum_holds(&self) -> bool {
        checksum(self.bytes) == self.checksum
    }

    /// The chunks, in order. After a malformed one nothing follows.
    pub const fn chunks(&self) -> Chunks<'a> {
        Chunks { rest: self.bytes.split_at(HEADER_LEN).1 }
    }
}

/// The CRC32c of a packet as if its checksum were zero (RFC 9260 §6.8). `packet` has at least a header.
pub fn checksum(packet: &[u8]) -> u32 {
    let head = crc32c::crc32c(&packet[..8]);
    let zero = crc32c::crc32c_append(head, &[0; 4]);
    crc32c::crc32c_append(zero, &packet[HEADER_LEN..])
}

/// One chunk: its type, its flags, and its value without padding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Chunk<'a> {
    /// One of [`kind`], or unknown.
    pub kind: u8,
    /// Meaning depends on the type.
    pub flags: u8,
    /// What follows the four bytes of the chunk header.
    pub value: &'a [u8],
}

/// The chunks of a packet.
#[derive(Clone, Debug)]
pub struct Chunks<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Result<Chunk<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let &[kind, flags, high, low, ..] = self.rest else {
            let left = !std::mem::take(&mut self.rest).is_empty();
            return left.then_some(Err(Malformed));
        };
        let len = usize::from(u16::from_be_bytes([high, low]));
        if len < 4 || len > self.rest.len() {
            self.rest = &[];
            return Some(Err(Malformed));
        }
        let value = &self.rest[4..len];
        // The padding of the last chunk may be missing.
        self.rest = self.rest.get(len.next_multiple_of(4)..).unwrap_or(&[]);
        Some(Ok(Chunk { kind, flags, value }))
    }
}

/// Appends a chunk with its header and padding.
pub(crate) fn put_chunk(w: &mut Writer<'_>, kind: u8, flags: u8, value: &[u8]) -> Result<(), Short> {
    w.put(&[kind, flags])?;
    w.u16(u16_of(value.len() + 4))?;
    w.put(value)?;
    w.pad_to(4)
}

/// A type-length-value parameter, padding left out (RFC 9260 §3.2.1).
pub(crate) fn next_parameter<'a>(r: &mut Reader<'a>) -> Result<Option<(u16, &'a [u8])>, Malformed> {
    if r.rest().is_empty() {
        return Ok(None);
    }
    let (kind, len) = (r.u16()?, usize::from(r.u16()?));
    let value = r.take(len.checked_sub(4).ok_or(Malformed)?)?;
    let padding = (len.next_multiple_of(4) - len).min(r.rest().len());
    r.take(padding)?;
    Ok(Some((kind, value)))
}

/// Appends a parameter with its padding.
pub(crate) fn put_parameter(w: &mut Writer<'_>, kind: u16, value: &[u8]) -> Result<(), Short> {
    w.u16(kind)?;
    w.u16(u16_of(value.len() + 4))?;
    w.put(value)?;
    w.pad_to(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The four CRC32c examples of RFC 3720 appendix B.4.
    #[test]
    fn crc32c_of_rfc_3720() {
        let ascending: Vec<u8> = (0..32).collect();
        let descending: Vec<u8> = (0..32).rev().collect();
        let read_command = [
            0x01, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x14, 0, 0, 0, 0, 0, 0x04, 0, 0, 0, 0,
            0x14, 0, 0, 0, 0x18, 0x28, 0, 0, 0, 0, 0, 0, 0, 0x02, 0, 0, 0, 0, 0, 0, 0,
        ];
        for (bytes, expected) in [
            (&[0; 32][..], 0xaa36_918a_u32),
            (&[0xff; 32], 0x43ab_a862),
            (&ascending, 0x4e79_dd46),
            (&descending, 0x5cdb_3f11),
            (&read_command, 0x563a_96d9),
        ] {
            assert_eq!(crc32c::crc32c(bytes), expected.swap_bytes());
        }
    }

    /// Bit by bit from the polynomial of RFC 9260 appendix A, over a packet with a checksum in it.
    #[test]
    fn checksum_leaves_its_own_field_out() {
        let mut packet: Vec<u8> = (0..60).collect();
        let mut zeroed = packet.clone();
        zeroed[8..12].fill(0);
        let mut crc = u32::MAX;
        for byte in zeroed {
            crc ^= u32::from(byte);
            for _ in 0..8 {
                crc = if crc & 1 == 0 { crc >> 1 } else { (crc >> 1) ^ 0x82f6_3b78 };
            }
        }
        assert_eq!(checksum(&packet), !crc);
        packet[8..12].copy_from_slice(&(!crc).to_le_bytes());
        assert!(Packet::parse(&packet).unwrap().checksum_holds());
        packet[20] ^= 1;
        assert!(!Packet::parse(&packet).unwrap().checksum_holds());
    }

    #[test]
    fn chunks_end_where_they_say() {
        let cases: [(&[u8], &[Option<usize>]); 6] = [
            (&[], &[]),
            (&[6, 0, 0, 4], &[Some(0)]),
            (&[4, 0, 0, 5, 9, 0, 0, 0, 6, 0, 0, 4], &[Some(1), Some(0)]),
            (&[4, 0, 0, 5, 9], &[Some(1)]),
            (&[4, 0, 0, 3, 9, 0, 0, 0], &[None]),
            (&[4, 0, 0, 10, 1, 2, 3, 4, 4], &[None]),
        ];
        for (bytes, expected) in cases {
            let found: Vec<_> = Chunks { rest: bytes }.map(|c| c.ok().map(|c| c.value.len())).collect();
            assert_eq!(found, expected, "{bytes:?}");
        }
    }
}
