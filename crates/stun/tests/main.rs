//! STUN messages against published samples and against themselves.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod identity;
mod vectors;
mod visibility;
