//! The server machine, spoken to as a client on the wire would.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod allocate;
mod allocations;
mod authentication;
mod bench;
mod client;
mod data;
mod discovery;
mod refresh;
mod tcp;
