//! Sender and receiver against each other over simulated links, in virtual time.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod link;
mod path;
mod repair;
mod world;
