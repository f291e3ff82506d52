//! A WebRTC peer connection as a machine without input and output.

mod channels;
mod config;
mod connection;
mod event;
mod input;
mod media;
pub mod negotiation;
mod output;
mod relay;
mod stats;

pub use channels::ChannelError;
pub use config::{Config, TurnServer};
pub use connection::{CandidateError, Peer};
pub use event::{ChannelId, ConnectionState, Event, LocalCandidate, RelayId};
pub use input::Received;
pub use media::{
    Frame, InboundRtp, MediaConfig, MediaDropped, MediaError, MediaMode, MediaPacket, MediaStats,
    OutboundRtp, OutgoingRtp, ReceivedFrame, RemoteInboundRtp, RtpPacket,
};
pub use stats::{Counters, Dropped, Stats};

pub use dtls::Certificate;
pub use flow::payload::Format;
pub use ice::Local;
pub use rtp;
pub use sctp::{ChannelConfig, Kind, Reliability, SendError};
