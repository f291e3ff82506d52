//! STUN and TURN as machines without I/O: [`Server`] relays for many clients, one per media thread, and
//! [`Client`] holds one allocation.
//!
//! The data path hands nothing but directions back: bytes stay in the driver's receive buffer, and a
//! [`Forward`] says which part of them goes where, with which few bytes in front.

mod address;
mod client;
mod config;
mod event;
pub mod frame;
mod run;
mod server;
mod stats;
mod timers;

pub use address::{ConnectionId, FiveTuple, RelayId};
pub use client::{Client, ClientConfig, ClientEvent, Closed, Received, Rejected, SendError};
pub use config::{Alternate, Config, ConfigError, IpNet, RelayIp};
pub use event::{Event, OpenError, RelayKind};
pub use run::{Destination, Forward, Header, Run, Source};
pub use server::Server;
pub use stats::{Dropped, Stats};
