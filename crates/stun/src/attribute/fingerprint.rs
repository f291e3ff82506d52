/// What FINGERPRINT says (RFC 8489 §14.7): the CRC-32 of what is before it, XORed so that a protocol which
/// ends in a CRC of its own is not taken for STUN.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fingerprint {
    /// There is none.
    Absent,
    /// It is right.
    Valid,
    /// It is wrong: this is not STUN, or it was damaged.
    Invalid,
}

impl Fingerprint {
    /// The value for these bytes, whose header already counts the attribute.
    pub(crate) fn of(covered: &[u8]) -> u32 {
        crc32fast::hash(covered) ^ 0x5354_554e
    }
}
