//! What happened, as one number: two runs of one seed have the same.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::SocketAddr;

use stun::attribute::{Attribute as _, DtlsInStun, DtlsInStunAck, FINGERPRINT, MESSAGE_INTEGRITY};
use wire::Instant;

/// The attributes that depend on a handshake of DTLS in the message, whose signatures the crypto library draws.
const DRAWN: [u16; 4] = [DtlsInStun::KIND, DtlsInStunAck::KIND, MESSAGE_INTEGRITY, FINGERPRINT];

/// A digest of everything that happened.
///
/// Of packets it takes when they were sent, between whom, how long they are and their first byte, and the whole of what
/// has no secret in it: messages of ICE, without the datagrams of DTLS that they carry. The rest is encrypted with keys that the crypto library draws itself.
#[derive(Clone, Default)]
pub struct Trace {
    hasher: DefaultHasher,
    count: u64,
    /// Where what happens is told as text.
    teller: Option<fn(&str)>,
}

impl Trace {
    pub(super) fn new(teller: Option<fn(&str)>) -> Self {
        Self { teller, ..Self::default() }
    }

    /// The digest.
    pub fn hash(&self) -> u64 {
        self.hasher.finish()
    }

    /// How many things have happened.
    pub const fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn packet(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        self.count += 1;
        (now, from, to, bytes.len(), bytes.first()).hash(&mut self.hasher);
        if let Ok(message) = stun::Message::parse(bytes)
            && message.method() == stun::Method::BINDING
        {
            message.transaction_id().hash(&mut self.hasher);
            for attribute in message.attributes().filter(|attribute| !DRAWN.contains(&attribute.kind)) {
                (attribute.kind, attribute.value).hash(&mut self.hasher);
            }
        }
        let (len, first) = (bytes.len(), bytes.first().copied().unwrap_or_default());
        self.line(now, || format!("{from} > {to} {len} bytes, {first:#04x}"));
    }

    pub(super) fn note(&mut self, now: Instant, what: &str) {
        self.count += 1;
        (now, what).hash(&mut self.hasher);
        self.line(now, || what.to_owned());
    }

    /// Something to read that does not count, because it has random bytes in it.
    pub(super) fn remark(&self, now: Instant, what: impl FnOnce() -> String) {
        self.line(now, what);
    }

    fn line(&self, now: Instant, what: impl FnOnce() -> String) {
        if let Some(teller) = self.teller {
            teller(&format!("{:>8} {}", now.as_nanos() / 1_000_000, what()));
        }
    }
}

impl PartialEq for Trace {
    fn eq(&self, other: &Self) -> bool {
        (self.hash(), self.count) == (other.hash(), other.count)
    }
}

impl Eq for Trace {}

impl std::fmt::Debug for Trace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x} of {} things", self.hash(), self.count)
    }
}
