//! The media plane: STUN, TURN and the rooms' media on one thread per core, beside the control plane and never in its
//! way.
//!
//! Each thread owns its UDP sockets, its relay sockets, its share of the relay ports and its [`turn::Server`];
//! the kernel spreads clients over the threads by their address (`SO_REUSEPORT`). A relayed packet is received,
//! judged and sent by one thread from one place in memory: it is not copied, nothing is allocated, no lock is
//! taken.
//!
//! Rooms share the port with STUN and TURN (RFC 7983). A room lives on one thread, whose [`sfu::Sfu`] forwards its media
//! by the thread's own sockets; a datagram that the kernel gave to another thread is handed over
//! ([`crossing`](mod@crossing)). A large room has parts on several threads: each packet is handed to every one of them once
//! ([`sharing`](mod@sharing)).
//!
//! Streams end in the control plane, which knows TLS: [`MediaPlane::serve_stream`] cuts them into messages and
//! exchanges them with a media thread by a bounded [`pipe`](mod@pipe). A client that is too slow to take what is
//! relayed to it loses packets, as it would on a slow path; it never holds up a thread.
//!
//! Peers of TCP allocations (RFC 6062) are ordinary connections of the control plane; a media thread only says
//! which may exist and which two belong together.

mod config;
mod counters;
mod crossing;
mod forward;
mod framed;
mod message;
mod parts;
mod peers;
mod pipe;
mod plane;
mod relays;
mod rooms;
mod sharing;
mod stream;
mod ways;
mod worker;

pub use config::{ForwardConfig, MediaConfig, StartError};
pub use counters::Snapshot;
pub use plane::MediaPlane;
pub use rooms::Forwarding;
