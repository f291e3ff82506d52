//! What leads to a connection. Each side of each version is a file of its own, which opens with its flow.

mod client;
mod client12;
mod client13;
mod schedule12;
mod schedule13;
mod server;
mod server12;
mod server13;
mod share;

use crypto::identity::PublicKey;
use crypto::kdf::Digest;
use wire::{Rng, Short};

pub(crate) use client::Offer;
pub(crate) use schedule13::Traffic;

use crate::flight::{Flight, length24};
use crate::reassembly::{HEADER, Message};
use crate::record::HANDSHAKE;
use crate::records::Records;
use crate::{Config, Connected, Fingerprint, Hash};

/// What is wrong with a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// It does not follow the format: decode_error.
    Malformed,
    /// It does not belong here: unexpected_message.
    Unexpected,
    /// Nothing can come of this handshake: the alert that says so, and what was wrong.
    Fatal(u8, &'static str),
    /// The peer's certificate has none of the expected fingerprints: bad_certificate.
    Fingerprint,
}

impl From<Short> for Fault {
    fn from(Short: Short) -> Self {
        Self::Malformed
    }
}

/// Alerts (RFC 8446 §6).
pub(crate) mod alert {
    pub(crate) const CLOSE_NOTIFY: u8 = 0;
    pub(crate) const UNEXPECTED_MESSAGE: u8 = 10;
    pub(crate) const HANDSHAKE_FAILURE: u8 = 40;
    pub(crate) const BAD_CERTIFICATE: u8 = 42;
    pub(crate) const UNSUPPORTED_CERTIFICATE: u8 = 43;
    pub(crate) const ILLEGAL_PARAMETER: u8 = 47;
    pub(crate) const DECODE_ERROR: u8 = 50;
    pub(crate) const DECRYPT_ERROR: u8 = 51;
    pub(crate) const PROTOCOL_VERSION: u8 = 70;
    pub(crate) const USER_CANCELED: u8 = 90;
}

/// What a message led to.
pub(crate) enum Progress {
    /// The next message is awaited.
    More,
    /// The version is settled.
    Become(Box<Negotiation>),
    /// The handshake is complete.
    Done(Box<Connected>),
}

/// Who we are in the handshake, and how far it is.
#[derive(Debug)]
pub(crate) enum Negotiation {
    /// Client: the hello is out.
    Offer(Offer),
    /// Server: nothing has come.
    Listen,
    Client12(client12::Client12),
    Server12(server12::Server12),
    Client13(client13::Client13),
    /// Server: a HelloRetryRequest is out.
    Retry(server13::Retry),
    Server13(server13::Server13),
}

impl Negotiation {
    pub(crate) fn on_message(&mut self, link: &mut Link, message: &Message) -> Result<Progress, Fault> {
        match self {
            Self::Offer(offer) => offer.on_message(link, message),
            Self::Listen => server::on_client_hello(link, message),
            Self::Client12(client) => client.on_message(link, message),
            Self::Server12(server) => server.on_message(link, message),
            Self::Client13(client) => client.on_message(link, message),
            Self::Retry(retry) => retry.on_message(link, message),
            Self::Server13(server) => server.on_message(link, message),
        }
    }
}

/// What every step of the handshake works on.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) config: Config,
    pub(crate) rng: Rng,
    pub(crate) records: Records,
    pub(crate) flight: Flight,
    /// message_seq of the next message that we send.
    pub(crate) next_message: u16,
    /// The peer's certificate in DER; empty until it has come.
    pub(crate) peer_certificate: Vec<u8>,
    /// The secrets that keys are updated from, in DTLS 1.3.
    pub(crate) traffic: Option<Traffic>,
}

/// How the peer's certificate compares with the fingerprints of its description.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Identity {
    /// No certificate or no fingerprint yet.
    Unknown,
    Proven,
    Wrong,
}

impl Link {
    /// Begins a flight; with `awaits_answer` it is sent again until the next one begins.
    pub(crate) fn begin_flight(&mut self, awaits_answer: bool) {
        self.flight.begin(self.config.retransmit_after, awaits_answer);
    }

    /// Adds a message to the flight and to the transcript.
    pub(crate) fn send(&mut self, transcript: &mut Transcript, epoch: u16, kind: u8, body: &[u8]) {
        let raw = self.message(kind, body);
        transcript.add(&raw);
        self.flight.push(HANDSHAKE, epoch, raw);
    }

    /// The next message with its header.
    pub(crate) fn message(&mut self, kind: u8, body: &[u8]) -> Vec<u8> {
        let mut raw = Vec::with_capacity(HEADER + body.len());
        raw.push(kind);
        raw.extend(length24(body.len()));
        raw.extend(self.next_message.to_be_bytes());
        raw.extend([0; 3]);
        raw.extend(length24(body.len()));
        raw.extend(body);
        self.next_message = self.next_message.wrapping_add(1);
        raw
    }

    pub(crate) fn identity(&self) -> Identity {
        if self.peer_certificate.is_empty() || self.config.remote_fingerprints.is_empty() {
            return Identity::Unknown;
        }
        let matches = |f: &Fingerprint| Fingerprint::of(f.hash, &self.peer_certificate) == *f;
        if self.config.remote_fingerprints.iter().any(matches) { Identity::Proven } else { Identity::Wrong }
    }

    /// Takes the peer's certificate, whose key must be one that we can use.
    pub(crate) fn take_certificate(&mut self, certificate: &[u8]) -> Result<PublicKey, Fault> {
        if certificate.is_empty() {
            return Err(Fault::Fatal(alert::HANDSHAKE_FAILURE, "the peer has no certificate"));
        }
        self.peer_certificate = certificate.to_vec();
        if self.identity() == Identity::Wrong {
            return Err(Fault::Fingerprint);
        }
        PublicKey::from_certificate(certificate).ok_or(Fault::Fatal(
            alert::UNSUPPORTED_CERTIFICATE,
            "the peer's certificate is malformed, or its key is none of P-256, P-384, Ed25519 and RSA",
        ))
    }

    /// The fingerprint of the peer's certificate, which has come.
    pub(crate) fn remote_fingerprint(&self) -> Fingerprint {
        Fingerprint::of(Hash::Sha256, &self.peer_certificate)
    }
}

/// All messages of the handshake so far: what signatures and Finished cover. Bounded by the number of messages
/// of a handshake times [`crate::reassembly::MAX_MESSAGE`].
#[derive(Debug, Default)]
pub(crate) struct Transcript {
    bytes: Vec<u8>,
    /// DTLS 1.3 leaves out what DTLS adds to the header (RFC 9147 §5.2); DTLS 1.2 has each message as if in one
    /// fragment (RFC 6347 §4.2.6).
    is_13: bool,
}

impl Transcript {
    /// Adds a message with its header.
    pub(crate) fn add(&mut self, raw: &[u8]) {
        if self.is_13 {
            self.bytes.extend(&raw[..4]);
            self.bytes.extend(&raw[HEADER..]);
        } else {
            self.bytes.extend(raw);
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn hash(&self, hash: Hash) -> Digest {
        hash.digest(&[&self.bytes])
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// The version is settled while the transcript holds one hello.
    pub(crate) fn become_13(&mut self) {
        if !self.is_13 {
            self.bytes.drain(4..HEADER);
            self.is_13 = true;
        }
    }

    /// Puts the hash of the first hello in its place, as after HelloRetryRequest (RFC 8446 §4.4.1).
    pub(crate) fn become_retry(&mut self, hash: Hash) {
        const MESSAGE_HASH: u8 = 254;
        self.become_13();
        let digest = self.hash(hash);
        self.bytes.clear();
        self.bytes.push(MESSAGE_HASH);
        self.bytes.extend(length24(digest.len()));
        self.bytes.extend(&*digest);
    }
}
