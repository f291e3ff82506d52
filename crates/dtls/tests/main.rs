//! The integration tests of `dtls`: two of our own over a virtual link with faults, and other people's DTLS.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod allocations;
mod data;
mod dimpl_peer;
mod faults;
mod handshake;
mod link;
mod openssl;
