//! Real sockets on loopback.

#![expect(clippy::unwrap_used, reason = "a test that meets what it did not expect fails")]

mod counting;
mod datagrams;
mod waiting;
