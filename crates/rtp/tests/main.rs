//! RTP, RTCP and SRTP against published samples, against another implementation, and against themselves.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod allocations;
mod rtcp;
mod srtp;
mod vectors;
