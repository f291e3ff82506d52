//! DTLS as WebRTC uses it, as a machine without I/O: both sides have a self-signed certificate, each knows the
//! other's fingerprint from the session description, and one handshake gives keys for data channels and SRTP.
//!
//! The data path costs little more than the cipher: records are sealed and opened where they stand, keys are
//! scheduled once per epoch, and nothing is allocated or copied. One datagram may hold several records.
//!
//! | RFC | what of it |
//! | --- | --- |
//! | 9147 | DTLS 1.3: both roles, HelloRetryRequest (asked for by either side), acknowledgements, key updates both ways; fragments of any size |
//! | 6347 | DTLS 1.2: both roles, HelloVerifyRequest as client, retransmission, reassembly, replay window of 128 records |
//! | 8446, 5869 | the key schedule, messages and exporter of TLS 1.3; AES-128-GCM and AES-256-GCM |
//! | 5246, 5288, 5289, 8422 | ECDHE with AES-GCM; as a client with servers that have ECDSA, Ed25519 or RSA keys, as a server with our ECDSA key and clients that have any of them |
//! | 7627, 5746 | extended master secret (demanded), renegotiation_info (and no renegotiation) |
//! | 5764, 5705, 7714 | use_srtp with AES-GCM and AES-CM, keys exported |
//! | 8122, 8842, 8827 | fingerprints of SHA-256, SHA-384 and SHA-512 |
//! | draft-ietf-tls-ecdhe-mlkem | X25519MLKEM768, offered and preferred in DTLS 1.3 |
//!
//! What is left out, and why: DTLS 1.0 and ciphers without AES-GCM (RFC 8996, RFC 8827 §6.5 and every browser
//! agree); resumption, tickets and early data (a handshake per call, and tickets tie calls together); cookies as
//! a server (ICE has proved the address); connection ids (ICE knows the peer); acknowledging a part of a flight
//! (the whole flight is answered or sent again; the peer's partial acknowledgements are used); the MKI of SRTP.
//!
//! What it withstands: records that are forged, damaged or replayed are counted and dropped. So are messages in
//! the clear that are malformed or out of place, and an alert in the clear only shortens the wait, since anybody
//! can send one. Reassembly keeps at most 48 KiB, and a stranger's hello is answered with one flight, sent again
//! ten to twenty times within the timeout. A message in the clear that is well-formed and wrong still ends a
//! handshake, as in every DTLS: until keys exist nobody can tell who sent it.
//!
//! # Driving a connection
//!
//! ```
//! use dtls::{Certificate, Config, Dtls, Event, Role};
//! use wire::{Instant, Rng};
//!
//! let now = Instant::ZERO; // from the driver's clock, before every call
//! let mut rng = Rng::new([7; 32]); // seeded by the operating system
//! let [ours, theirs] = [0, 1].map(|_| Certificate::generate(&mut rng, 1_767_225_600));
//!
//! // The fingerprints come from the two session descriptions.
//! let mut client = Config::new(ours.clone(), Role::Client);
//! client.remote_fingerprints = vec![theirs.fingerprint().to_string().parse()?];
//! let mut server = Config::new(theirs, Role::Server);
//! server.remote_fingerprints = vec![ours.fingerprint()];
//! let mut ends = [Dtls::new(client, rng.fork(), now), Dtls::new(server, rng.fork(), now)];
//!
//! // Datagrams go to and fro until both sides are connected.
//! let mut buf = [0; 1500];
//! while !ends.iter().all(Dtls::is_connected) {
//!     for way in 0..2 {
//!         let [client, server] = &mut ends;
//!         let (from, to) = if way == 0 { (client, server) } else { (server, client) };
//!         while let Some(len) = from.poll_transmit(now, &mut buf) {
//!             to.handle_input(now, &mut buf[..len]); // a socket would be in between
//!         }
//!         if let Some(Event::Connected(connected)) = from.poll_event() {
//!             println!("{:?} with {}", connected.version, connected.remote_fingerprint);
//!         }
//!     } // and handle_timeout(now) when poll_timeout() says so
//! }
//!
//! // Data is written with room before and behind, sealed where it stands, and opened where it stands.
//! let [client, server] = &mut ends;
//! let at = client.header_len();
//! buf[at..at + 5].copy_from_slice(b"hello");
//! let len = client.seal(&mut buf, 5)?;
//! for data in server.open(now, &mut buf[..len]) {
//!     assert_eq!(data, b"hello");
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod certificate;
mod config;
mod event;
mod fingerprint;
mod flight;
mod handshake;
mod machine;
mod message;
mod post_handshake;
mod reassembly;
mod record;
mod records;
mod replay;

pub use certificate::{Certificate, CertificateError};
pub use config::{Cipher, Config, Role, SrtpProfile, Version};
pub use crypto::Secret;
pub use event::{Closed, Connected, Event, SealError, SrtpKeys, Stats};
pub use fingerprint::{Fingerprint, FingerprintError, Hash};
pub use machine::{Dtls, Opened};

/// The most bytes that stand before the data of a record.
pub const MAX_HEADER_LEN: usize = 21;
/// The most bytes that a record is longer than its data.
pub const MAX_OVERHEAD: usize = 37;
