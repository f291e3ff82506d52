//! Conversions whose bounds are known where they are used.

/// A length inside a packet or a message, which configuration keeps below 4 GiB.
pub(crate) fn u32_of(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// A length inside a packet.
pub(crate) fn u16_of(n: usize) -> u16 {
    u16::try_from(n).expect("a packet is shorter than 64 KiB")
}

/// The number whose low 32 bits are `low` and which is nearest to `near` (RFC 1982): sequence numbers are
/// counted in 64 bits inside, so that comparing them is comparing them.
pub(crate) fn unwrap32(near: u64, low: u32) -> u64 {
    let ahead = low.wrapping_sub(low32(near)).cast_signed();
    near.wrapping_add_signed(i64::from(ahead))
}

/// The same for 16 bits.
pub(crate) fn unwrap16(near: u64, low: u16) -> u64 {
    #[expect(clippy::cast_possible_truncation, reason = "the low half is wanted")]
    let ahead = low.wrapping_sub(near as u16).cast_signed();
    near.wrapping_add_signed(i64::from(ahead))
}

/// The low 32 bits, as they travel.
#[expect(clippy::cast_possible_truncation, reason = "the low half is wanted")]
pub(crate) const fn low32(n: u64) -> u32 {
    n as u32
}

/// The low 16 bits, as they travel.
#[expect(clippy::cast_possible_truncation, reason = "the low half is wanted")]
pub(crate) const fn low16(n: u64) -> u16 {
    n as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_unwrap_to_the_nearest() {
        let base = (1 << 32) + 5;
        for (low, expected) in [(5, base), (6, base + 1), (4, base - 1), (u32::MAX, base - 6)] {
            assert_eq!(unwrap32(base, low), expected);
        }
        assert_eq!(unwrap32(base, 5 + (1 << 31) - 1), base + (1 << 31) - 1);
        assert_eq!(unwrap16(0x1_fffe, 3), 0x2_0003);
        assert_eq!(unwrap16(0x2_0003, 0xfffe), 0x1_fffe);
    }
}
