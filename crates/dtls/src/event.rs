use std::fmt;

use crypto::Secret;

use crate::{Cipher, Fingerprint, SrtpProfile, Version};

/// What the owner of a [`crate::Dtls`] learns.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The handshake is complete and the peer's certificate has an expected fingerprint: data may flow.
    Connected(Box<Connected>),
    /// The connection is over; nothing follows.
    Closed(Closed),
}

/// What both sides agreed on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Connected {
    /// The version of the protocol.
    pub version: Version,
    /// The cipher of application data.
    pub cipher: Cipher,
    /// The fingerprint (SHA-256) of the peer's certificate.
    pub remote_fingerprint: Fingerprint,
    /// Keys for SRTP, if both sides have a profile in common.
    pub srtp: Option<SrtpKeys>,
}

/// Master keys and salts for SRTP (RFC 5764 §4.2).
#[derive(Clone, PartialEq, Eq)]
pub struct SrtpKeys {
    /// How to use them.
    pub profile: SrtpProfile,
    /// What protects packets of the DTLS client.
    pub client_key: Secret,
    /// The salt that goes with it.
    pub client_salt: Secret,
    /// What protects packets of the DTLS server.
    pub server_key: Secret,
    /// The salt that goes with it.
    pub server_salt: Secret,
}

impl SrtpKeys {
    /// Cuts exported keying material (RFC 5764 §4.2): client key, server key, client salt, server salt.
    pub(crate) fn from_material(profile: SrtpProfile, material: &[u8]) -> Self {
        let (keys, salts) = material.split_at(2 * profile.key_len());
        let (client_key, server_key) = keys.split_at(profile.key_len());
        let (client_salt, server_salt) = salts.split_at(profile.salt_len());
        Self {
            profile,
            client_key: client_key.into(),
            client_salt: client_salt.into(),
            server_key: server_key.into(),
            server_salt: server_salt.into(),
        }
    }
}

impl fmt::Debug for SrtpKeys {
    /// Says nothing of the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SrtpKeys({:?})", self.profile)
    }
}

/// Why a connection is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Closed {
    /// We closed it.
    Local,
    /// The peer closed it in good order (close_notify).
    Peer,
    /// The peer ended it with this alert (RFC 8446 §6).
    Alert(u8),
    /// The handshake did not complete in time; with the alert that the peer sent in the clear, if it did, which
    /// anybody could have forged but which usually says why.
    Timeout(Option<u8>),
    /// The peer's certificate has none of the expected fingerprints: somebody else is at the other end.
    Fingerprint,
    /// The peer broke the protocol, or has no version or cipher in common with us.
    Protocol {
        /// The alert that told the peer (RFC 8446 §6).
        alert: u8,
        /// What was wrong.
        what: &'static str,
    },
    /// More forged records came than the keys can withstand (RFC 9147 §4.5.3).
    Forgeries,
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("closed by us"),
            Self::Peer => f.write_str("closed by the peer"),
            Self::Alert(alert) => write!(f, "ended by the peer with alert {alert}"),
            Self::Timeout(None) => f.write_str("the handshake did not complete in time"),
            Self::Timeout(Some(alert)) => {
                write!(f, "the handshake did not complete; the peer refused it with alert {alert}")
            }
            Self::Fingerprint => {
                f.write_str("the peer's certificate does not have the fingerprint of its description")
            }
            Self::Protocol { alert, what } => write!(f, "{what} (alert {alert})"),
            Self::Forgeries => f.write_str("too many forged records"),
        }
    }
}

/// Why application data cannot be sealed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SealError {
    /// Not connected: the handshake goes on, or the connection is over.
    NotConnected,
    /// The buffer has not [`crate::Dtls::overhead`] bytes more than the data, or the data is longer than the
    /// 16384 bytes of a record.
    Length,
    /// The sequence numbers of this connection are used up.
    Exhausted,
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotConnected => "not connected: wait for Event::Connected",
            Self::Length => {
                "data of at most 16384 bytes needs a buffer that is longer by the overhead of a record"
            }
            Self::Exhausted => "the connection has used all its sequence numbers: make a new one",
        })
    }
}

impl std::error::Error for SealError {}

/// What was counted since the beginning.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Stats {
    /// Records of application data sent.
    pub data_sent: u64,
    /// Records of application data received and delivered.
    pub data_received: u64,
    /// Times that a flight of the handshake was sent again.
    pub retransmissions: u64,
    /// Records that failed authentication.
    pub forged: u64,
    /// Records that came twice, or too late for the window.
    pub replayed: u64,
    /// Records and handshake messages that do not follow the format.
    pub malformed: u64,
    /// Records for which there is no key: too early, or of an epoch that is over.
    pub no_key: u64,
    /// Data that came before the peer's identity was verified.
    pub early_data: u64,
    /// Handshake messages and fragments that do not belong here, or for which there is no room.
    pub unexpected: u64,
}
