//! The messages of Visavis signalling, version 1. `docs/protocol.md` explains them; the TypeScript types in
//! `web/client/src/protocol.ts` are generated from these.
//!
//! One JSON object per WebSocket text frame. Numbered messages (those with `seq`) are delivered exactly once
//! and in order, across dropped sockets; the others (`hello`, `welcome`, `ack`, `ping`, `pong`, `refused`)
//! belong to one socket and are never repeated.

mod breakout;
mod client;
mod conference;
mod server;
mod types;
#[cfg(test)]
mod typescript;

pub use breakout::*;
pub use client::{ClientFrame, ClientMessage};
pub use conference::*;
pub use server::{ServerFrame, ServerMessage};
pub use types::*;

/// The version of the protocol that this server speaks.
pub const VERSION: u32 = 1;
