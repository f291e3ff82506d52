//! The server's parts, for the `visavis` binary and its tests.

pub mod media;
pub mod signal;
