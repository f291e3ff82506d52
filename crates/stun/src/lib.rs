//! STUN (RFC 8489) and the messages of its usages: TURN (RFC 8656, 6062, 8016), NAT behaviour discovery
//! (RFC 5780) and ICE (RFC 8445).
//!
//! [`Message`] is a checked view of received bytes that copies nothing; [`Writer`] builds a message in the
//! caller's buffer. Attributes are plain values of the types in [`attribute`]. [`Key`], [`LongTerm`],
//! [`rest`] and [`NonceCookie`] are the credentials of RFC 8489 §9; [`Transaction`] is the client's retransmission
//! timer (§6.2.1). There is no I/O here, and no clock.
//!
//! ```
//! use stun::{Class, Message, Method, TransactionId, Writer, attribute::{Fingerprint, Software}};
//!
//! let mut buf = [0; 100];
//! let mut request = Writer::new(&mut buf, Class::Request, Method::BINDING, TransactionId([7; 12]))?;
//! request.put(&Software("visavis"))?;
//! request.put_fingerprint()?;
//! let len = request.len();
//! let message = Message::parse(&buf[..len]).expect("what is written is read back");
//! assert_eq!(message.method(), Method::BINDING);
//! assert_eq!(message.get::<Software>(), Ok(Some(Software("visavis"))));
//! assert_eq!(message.check_fingerprint(), Fingerprint::Valid);
//! # Ok::<(), wire::Short>(())
//! ```
//!
//! | RFC | what of it |
//! | --- | --- |
//! | 8489 | the message format, all attributes, both integrity algorithms, transactions |
//! | 8656, 6062, 8016 | the attributes of TURN |
//! | 5780, 8445 | the attributes of behaviour discovery and of ICE |
//! | draft-hancke-webrtc-sped | the attributes of DTLS in checks |
//!
//! What it refuses: messages without the magic cookie (RFC 3489), and preparing user names and passwords by
//! OpaqueString (RFC 8265): they are used as they come, which is the same for ASCII.

pub mod attribute;
mod credentials;
mod integrity;
mod message;
mod nonce;
pub mod rest;
mod transaction;
mod writer;

pub use credentials::{LongTerm, user_hash};
pub use integrity::{Integrity, Key};
pub use message::{Attributes, Class, MAGIC_COOKIE, Malformed, Message, Method, RawAttribute, TransactionId};
pub use nonce::NonceCookie;
pub use transaction::{Retransmission, Step, Transaction};
pub use writer::Writer;
