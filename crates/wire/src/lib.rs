//! The few types that more than one protocol needs: time, seeded randomness, where a datagram goes, and
//! readers and writers for big-endian formats.
//!
//! Nothing here does I/O or knows "now". A type enters only when two crates already need it.

mod bytes;
mod instant;
mod rng;
mod transmit;

pub use bytes::{Reader, Short, Writer};
pub use instant::Instant;
pub use rng::Rng;
pub use transmit::{Fragments, Transmit, Transport};
