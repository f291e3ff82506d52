//! DTLS as WebRTC uses it, as a machine without I/O.

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
pub use event::{Closed, Connected, Event, SealError, SrtpKeys, Stats};
pub use fingerprint::{Fingerprint, FingerprintError, Hash};
pub use machine::{Dtls, Opened};

/// The most bytes that stand before the data of a record.
pub const MAX_HEADER_LEN: usize = 21;
/// The most bytes that a record is longer than its data.
pub const MAX_OVERHEAD: usize = 37;
