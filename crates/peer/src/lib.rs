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
pub use stats::{Counters, Dropped, Security, Stats};

pub use dtls::{Certificate, Cipher as DtlsCipher, Version as DtlsVersion};
pub use ice::Local;
pub use sctp::{ChannelConfig, Kind, Reliability, SendError};
