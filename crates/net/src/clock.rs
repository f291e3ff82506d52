#![expect(clippy::disallowed_types, reason = "a driver is where time comes from")]

use wire::Instant;

/// The monotonic clock of the process. All clocks cloned from one share its origin, so that two threads may
/// compare instants.
#[derive(Clone, Copy, Debug)]
pub struct Clock(std::time::Instant);

impl Clock {
    /// A clock whose origin is one second ago: a machine may look a little back without meeting zero.
    pub fn start() -> Self {
        let now = std::time::Instant::now();
        Self(now.checked_sub(std::time::Duration::from_secs(1)).unwrap_or(now))
    }

    /// The time since the origin.
    pub fn now(&self) -> Instant {
        Instant::from_nanos(u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}

/// Whole seconds since 1970-01-01 UTC, as the operating system believes; zero if it believes in an earlier time.
pub fn unix_seconds() -> u64 {
    unix_time().as_secs()
}

/// The time since 1970-01-01 UTC, as the operating system believes; zero if it believes in an earlier one.
pub fn unix_time() -> std::time::Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}
