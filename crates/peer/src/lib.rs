//! A WebRTC peer connection as a machine without input and output.

mod channels;
mod config;
mod connection;
mod event;
mod input;
pub mod negotiation;
mod output;
mod relay;
mod stats;

pub use channels::ChannelError;
pub use config::{Config, TurnServer};
pub use connection::{CandidateError, Peer};
pub use event::{ChannelId, ConnectionState, Event, LocalCandidate, RelayId};
pub use input::Received;
pub use stats::{Counters, Dropped, Stats};

pub use dtls::{Certificate, Closed as DtlsClosed};
pub use ice::{CandidateKind, Local, Pair};
pub use sctp::{ChannelConfig, ChannelId as StreamId, Kind, Reliability, SendError};
