//! A WebRTC peer connection as a machine without input and output: W3C's `RTCPeerConnection` by its own names, in
//! Rust's spelling. [`Peer`] composes the machines of ICE, DTLS, SCTP and TURN; it has no socket, no clock and no
//! thread, so that the same seed and the same calls give the same run. A program that only wants to talk uses the crate
//! `endpoint`, which drives a peer with real sockets.
//!
//! | part | standard |
//! | --- | --- |
//! | negotiation | RFC 9429 (JSEP), W3C WebRTC §4.4: see [`negotiation`] |
//! | one path for everything | RFC 8843 (BUNDLE), RFC 5761 (rtcp-mux), RFC 7983 (telling protocols apart) |
//! | the path | the crates `ice` and `turn`; UDP, and TCP between peers (RFC 6544), whose framing (RFC 4571) is the driver's |
//! | keys | the crate `dtls`; the certificate must have the fingerprint of the description (RFC 8122), or nothing flows |
//! | fewer round trips | the handshake of DTLS in checks (draft-hancke-webrtc-sped): see [`Config::dtls_in_stun`] |
//! | data channels | the crate `sctp` (RFC 8831, 8832, 8841); its parameters in the descriptions (draft-hancke-tsvwg-snap) |
//! | media | the crates `rtp` and `flow`: whole frames in and out ([`Peer::send_frame`], [`Event::Frame`]), or packets lent to a forwarder ([`Peer::handle_input_with`], [`Peer::send_rtp`]); left out: PCMU and PCMA as frames, forward error correction |
//!
//! # Driving a peer
//!
//! ```
//! use peer::{Certificate, ChannelConfig, Config, Event, Kind, Local, Peer, Received};
//! use wire::{Instant, Rng, Transport};
//!
//! let now = Instant::ZERO; // from the driver's clock, before every call
//! let certificate = Certificate::generate(&mut Rng::new([7; 32]), 1_700_000_000); // bytes of the operating system
//! let mut peer = Peer::new(Config::new(certificate), [9; 32], now)?;
//! let socket = ([192, 0, 2, 1], 5000).into(); // a bound UDP socket
//! peer.add_local_address(now, Local::host(socket));
//! peer.end_of_local_addresses(now);
//!
//! let channel = peer.create_data_channel(now, ChannelConfig { label: "chat".into(), ..Default::default() })?;
//! peer.set_local_description(now, None)?; // the offer, to be sent by the program's own means
//! assert!(peer.local_description().is_some_and(|offer| offer.sdp.contains("webrtc-datachannel")));
//! // Back come peer.set_remote_description(now, &answer) and peer.add_ice_candidate(now, …).
//!
//! // The loop: out, events, then sleep until the deadline or the next datagram.
//! let mut buf = vec![0; 65_536];
//! while let Some(transmit) = peer.poll_transmit(now, &mut buf) {
//!     println!("{} bytes to {}", transmit.len, transmit.to);
//! }
//! while let Some(event) = peer.poll_event() {
//!     match event {
//!         Event::IceCandidate(candidate) => println!("tell the other side: {candidate:?}"),
//!         Event::ChannelOpened(channel) => peer.send(now, channel, Kind::Text, "hello")?,
//!         Event::Message(_, _, data) => println!("{} bytes have come", data.len()),
//!         _ => {}
//!     }
//! }
//! let mut datagram = [0; 20]; // decrypted where it stands
//! let from = Received { transport: Transport::Udp, local: socket, remote: socket, segment: 20 };
//! peer.handle_input(now, from, &mut datagram);
//! if let Some(deadline) = peer.poll_timeout() {
//!     peer.handle_timeout(deadline);
//! }
//! # let _ = channel;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod agreed;
mod channels;
mod config;
mod connection;
mod embedding;
mod event;
mod input;
mod media;
pub mod negotiation;
mod output;
mod relay;
mod stats;

pub use channels::ChannelError;
pub use config::{Config, SharedConfig, TurnServer};
pub use connection::{CandidateError, Peer};
pub use event::{ChannelId, ConnectionState, Event, LocalCandidate, RelayId};
pub use input::Received;
pub use media::{
    Frame, InboundRtp, Layer, MediaConfig, MediaDropped, MediaError, MediaMode, MediaPacket, MediaStats,
    OutboundRtp, OutgoingRtp, ReceivedFrame, RemoteInboundRtp, RtpPacket,
};
pub use stats::{Counters, Dropped, Security, Stats};

pub use dtls::{Certificate, Cipher as DtlsCipher, Closed as DtlsClosed, Version as DtlsVersion};
pub use flow::payload::Format;
pub use ice::{CandidateKind, Local, Pair, TcpType};
pub use rtp;
pub use sctp::{ChannelConfig, ChannelId as StreamId, Kind, Reliability, SendError};
