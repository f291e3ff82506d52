//! Two agents in a virtual world.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod connect;
mod life;
mod nat;
mod world;
