//! Two agents in a virtual world.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod candidates;
mod connect;
mod embedding;
mod faults;
mod gather;
mod life;
mod nat;
mod player;
mod script;
mod world;
