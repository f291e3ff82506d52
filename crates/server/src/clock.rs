//! The wall clock, read in this one place.

/// Seconds since 1970-01-01 00:00 UTC; 0 if the clock stands before that.
#[allow(clippy::disallowed_types, reason = "the server is a driver: it is where time comes from")]
pub fn unix_seconds() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs())
}
