//! Rooms on virtual time, with whole peers as members.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod allocations;
mod client;
mod forward;
mod layers;
mod parts;
mod random;
mod record;
mod rooms;
mod scalable;
mod svc;
mod temporal;
mod viewers;
mod world;
