//! STUN and TURN as machines without I/O: [`Server`] relays for many clients, one per media thread, and
//! [`Client`] holds one allocation.
//!
//! The data path hands nothing but directions back: bytes stay in the driver's receive buffer, and a
//! [`Forward`] says which part of them goes where, with which few bytes in front. Forwarding allocates nothing.
//!
//! | RFC | what of it |
//! | --- | --- |
//! | 8489 | Binding, long-term credentials with MD5 and SHA-256, USERHASH (static users), nonce cookie |
//! | 8656 | all methods, both address families at once, EVEN-PORT and reservations, DONT-FRAGMENT, ICMP |
//! | 5766 | channel numbers up to 0x7FFE, as its clients use |
//! | 6062 | TCP allocations: Connect, ConnectionBind, ConnectionAttempt |
//! | 8016 | mobility with tickets |
//! | 5780 | NAT behaviour discovery, when two addresses are given |
//!
//! What it refuses: peers that only the server could reach (loopback, private networks, itself), unless they
//! are allowed by name; TURN without credentials; ALTERNATE-SERVER; third-party authorization (RFC 7635);
//! translating DSCP, ECN or TTL between the two sides (RFC 8656 §14), which a driver may do.
//!
//! # Driving a server
//!
//! ```
//! use turn::{Config, Destination, Event, FiveTuple, Run, Server, Source};
//! use wire::{Instant, Transport};
//!
//! let now = Instant::ZERO; // from the driver's clock, before every call
//! let seed = [0; 32]; // from the operating system
//! let mut server = Server::new(Config::default(), seed, now);
//! server.set_time(now, 1_767_225_600); // from the wall clock
//!
//! // A socket was readable: `bytes` is what one system call gave, cut into datagrams of `segment` bytes.
//! let (local, remote) = (([192, 0, 2, 1], 3478).into(), ([198, 51, 100, 7], 5000).into());
//! let client = FiveTuple { transport: Transport::Udp, local, remote };
//! let (bytes, segment) = (&[0x40, 0, 0, 0, 0x40, 0, 0, 0], 4);
//! let mut run = Run::new(bytes, segment);
//! while !run.is_empty() {
//!     if let Some(forward) = server.handle_input(now, Source::Client(client), &mut run) {
//!         for datagram in bytes[forward.bytes.clone()].chunks(forward.segment) {
//!             let parts = [&*forward.header, &datagram[forward.strip..], &[0; 3][..forward.pad]];
//!             match forward.to {
//!                 Destination::Client(client) => println!("{parts:?} to {client:?}"),
//!                 Destination::Peer { relay, to } => println!("{parts:?} from {relay:?} to {to}"),
//!             }
//!         }
//!     }
//! }
//!
//! // Then: answers first, then what is to be done, then sleep until the deadline or the next input.
//! let mut buf = [0; 1500];
//! while let Some(transmit) = server.poll_transmit(now, &mut buf) {
//!     println!("{:?} to {}", &buf[..transmit.len], transmit.to);
//! }
//! while let Some(event) = server.poll_event() {
//!     if let Event::OpenRelay { relay, at, .. } = event {
//!         server.relay_opened(now, relay, Ok(at)); // after binding a socket to `at`
//!     }
//! }
//! assert_eq!(server.poll_timeout(), None);
//! ```

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
pub use server::{Server, is_public};
pub use stats::{Dropped, Stats};
