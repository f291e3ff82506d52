use std::time::Duration;

/// Seconds from 1900 to 1970.
const UNIX_EPOCH: u64 = 2_208_988_800;

/// A wall-clock time as RTCP writes it: seconds since 1900 with a fraction of 32 bits (RFC 3550 §4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct NtpTime(pub u64);

impl NtpTime {
    /// Of the time since the Unix epoch. Seconds wrap in 2036, as the format does.
    pub fn from_unix(since_epoch: Duration) -> Self {
        let fraction = (u64::from(since_epoch.subsec_nanos()) << 32) / 1_000_000_000;
        Self(since_epoch.as_secs().wrapping_add(UNIX_EPOCH) << 32 | fraction)
    }

    /// The middle 32 bits, in 1/65536 s: what reports echo (LSR, LRR).
    pub const fn middle(self) -> u32 {
        (self.0 >> 16 & 0xffff_ffff) as u32
    }
}

/// A duration in 1/65536 s, as reports tell delays; saturates at 18 hours.
pub(crate) fn to_short(duration: Duration) -> u32 {
    u32::try_from((duration.as_nanos() << 16) / 1_000_000_000).unwrap_or(u32::MAX)
}

/// A duration from 1/65536 s.
pub(crate) fn from_short(short: u32) -> Duration {
    Duration::from_nanos((u64::from(short) * 1_000_000_000) >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_counted_from_1900() {
        let half = NtpTime::from_unix(Duration::from_millis(500));
        assert_eq!(half.0, UNIX_EPOCH << 32 | 0x8000_0000);
        assert_eq!(half.middle(), 0x7e80_8000);
        assert_eq!(to_short(Duration::from_millis(250)), 0x4000);
        assert_eq!(from_short(0x4000), Duration::from_millis(250));
        assert_eq!(to_short(Duration::MAX), u32::MAX);
    }
}
