//! SCTP and WebRTC data channels as a machine without I/O: one [`Association`] over one DTLS connection.
//!
//! The data path copies a payload once on each side: from the application's `Bytes` into the packet that is
//! about to be sealed, and from the opened packet into the message that is handed over. What is in flight is a
//! ring of 32-byte entries that say where the bytes are; acknowledging costs what is newly acknowledged, never
//! what is in flight; packets that arrive together are acknowledged together.
//!
//! | RFC | what of it |
//! | --- | --- |
//! | 9260 | handshake, both sides at once, restart, data, SACK with gaps and duplicates, T1 to T3, shutdown, abort, heartbeats, errors |
//! | 8831, 8832 | data channels, opened in band or negotiated, priorities, closing by stream reset |
//! | 3758 | partial reliability by time and by retransmissions, FORWARD-TSN |
//! | 6525 | outgoing stream reset, deferred and repeated requests; other requests are denied |
//! | 7053 | acknowledge at once, when nothing follows |
//! | 8260 | I-DATA, I-FORWARD-TSN, weighted fair queueing |
//! | 9653 | no checksum over DTLS, CRC32c with the processor's own instruction otherwise |
//! | 9438, 9406 | CUBIC and HyStart++, with a cut that tells random loss from a full queue; see `send/congestion.rs` |
//! | 8985 | loss detection by time and tail loss probes, on TSNs |
//! | 8899, 4820, 8261 | path MTU discovery by padded heartbeats, black holes, if the driver can: [`Association::use_path`] |
//! | draft-hancke-tsvwg-snap | [`Association::init_parameters`] and [`Association::accept_parameters`] |
//!
//! Left out: several addresses per side (RFC 9260 §6.4; DTLS has one path), messages of ICMP about the path's MTU, which
//! anybody can forge, ECN, authentication (RFC 4895) and address changes (RFC 5061), adding streams (all are
//! announced at once), cookies without state (the peer has proven itself to DTLS), undoing a cut that proves needless.
//!
//! What a peer can make this side hold is [`Config::max_receive_window`], one message more, and 4 MiB of labels
//! with a few hundred bytes for each of [`Config::max_channels`].
//!
//! # Driving an association
//!
//! ```
//! use bytes::Bytes;
//! use sctp::{Association, ChannelConfig, Config, Event, Kind, Role};
//! use wire::Instant;
//!
//! let now = Instant::ZERO; // from the driver's clock, before every call
//! let side = |role, seed| Association::new(Config { role, ..Config::default() }, [seed; 32], now);
//! let mut sides = [side(Role::Client, 1), side(Role::Server, 2)]; // seeds from the operating system
//! sides[0].connect(now);
//! let channel = sides[0].open_channel(now, ChannelConfig::default())?;
//! sides[0].send(now, channel, Kind::Text, Bytes::from_static(b"hello"))?;
//!
//! let (mut buf, mut heard) = ([0; 1200], None);
//! while heard.is_none() {
//!     for from in 0..2 {
//!         while let Some(sent) = sides[from].poll_transmit(now, &mut buf) {
//!             sides[1 - from].handle_input(now, &buf[..sent.len]); // sealed by DTLS, sent, received, opened
//!         }
//!     }
//!     while let Some(event) = sides[1].poll_event() {
//!         if let Event::Message { data, .. } = event {
//!             heard = Some(data);
//!         }
//!     }
//!     // Then sleep until `poll_timeout` or the next datagram, and call `handle_timeout`.
//! }
//! assert_eq!(heard.as_deref(), Some(&b"hello"[..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod association;
mod channel;
mod config;
mod dcep;
mod error;
mod event;
mod num;
pub mod packet;
mod path;
mod ranges;
mod receive;
mod rtt;
mod send;
mod stats;
mod streams;
mod timers;
pub use association::{Association, Transmit};
pub use channel::{ChannelConfig, Reliability, priority};
pub use config::{Config, Role};
pub use error::{OpenError, ParametersError, Reason, SendError};
pub use event::{ChannelId, Event, Kind};
pub use stats::{Dropped, Stats};
