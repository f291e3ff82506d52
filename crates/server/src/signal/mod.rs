//! Signalling: who is here, who calls whom, and what the two say to each other until they talk directly.
//!
//! ```text
//!  socket ─┐  bus::Command            bus::Event ┌─ socket
//!  socket ─┼──────────────► Rendezvous ──────────┼─ socket
//!  socket ─┘      (one task, a pure machine)     └─ socket
//! ```
//! [`hub::Hub`] is what the server holds: a route for the sockets and a handle on the rendezvous. Who somebody is,
//! and which ICE servers they get, the server says through [`authority::Authority`].

pub mod admin;
pub mod authority;
pub mod bus;
pub mod doors;
pub mod forwarding;
pub mod fuzzing;
pub mod hub;
pub mod keys;
mod origin;
mod outbox;
pub mod protocol;
pub mod recording;
pub mod rendezvous;
mod socket;
mod ways;
