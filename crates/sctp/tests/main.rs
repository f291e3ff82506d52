//! Two associations over a virtual link.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod basic;
mod channels;
mod faults;
mod memory;
mod model;
mod path;
mod throughput;
mod world;
