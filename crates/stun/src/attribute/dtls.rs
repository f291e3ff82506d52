//! DTLS carried in connectivity checks (draft-hancke-webrtc-sped). Both attributes are comprehension-optional: who does not
//! know them does not notice.

use super::{Attribute, bytes_attribute};
use crate::TransactionId;
use wire::Short;

bytes_attribute!(
    /// META-DTLS-IN-STUN, in the draft DTLS-IN-STUN-DATA: one datagram of a DTLS handshake. Empty says no more than that
    /// the sender knows the attribute.
    DtlsInStun = 0xc070, 0..=0xffff);

/// META-DTLS-IN-STUN-ACKNOWLEDGEMENT, in the draft DTLS-IN-STUN-ACK: the CRC-32 of datagrams of the handshake that have
/// come, in checks or by themselves. May be empty.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DtlsInStunAck<'a>(&'a [[u8; 4]]);

impl<'a> DtlsInStunAck<'a> {
    /// As many as a sender should put in, which is all that a receiver looks at.
    pub const MAX: usize = 4;

    /// Of these checksums, each big-endian; more than [`Self::MAX`] are left out.
    pub fn new(checksums: &'a [[u8; 4]]) -> Self {
        Self(&checksums[..checksums.len().min(Self::MAX)])
    }

    /// What names a datagram: the CRC-32 of gzip and FINGERPRINT, without the latter's XOR.
    pub fn checksum(datagram: &[u8]) -> u32 {
        crc32fast::hash(datagram)
    }

    /// The checksums.
    pub fn checksums(self) -> impl Iterator<Item = u32> + 'a {
        self.0.iter().map(|bytes| u32::from_be_bytes(*bytes))
    }
}

impl<'a> Attribute<'a> for DtlsInStunAck<'a> {
    const KIND: u16 = 0xc071;

    fn parse(value: &'a [u8], _: TransactionId) -> Option<Self> {
        match value.as_chunks() {
            (checksums, []) => Some(Self::new(checksums)),
            (_, _) => None,
        }
    }

    fn write(&self, out: &mut wire::Writer<'_>, _: TransactionId) -> Result<(), Short> {
        out.put(self.0.as_flattened())
    }
}
