use std::time::Duration;

use crypto::kdf::Hash;

use crate::{Certificate, Fingerprint};

/// Which side of the handshake we are: the `setup` attribute of the session description decides (RFC 8842 §5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Sends the first message; `setup:active`.
    Client,
    /// Waits for it; `setup:passive`.
    Server,
}

/// A version of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Version {
    /// RFC 6347.
    Dtls12,
    /// RFC 9147.
    Dtls13,
}

impl Version {
    pub(crate) const fn code(self) -> u16 {
        match self {
            Self::Dtls12 => 0xfefd,
            Self::Dtls13 => 0xfefc,
        }
    }
}

/// How application data is encrypted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cipher {
    /// AES-128-GCM, with SHA-256 in the handshake.
    Aes128Gcm,
    /// AES-256-GCM, with SHA-384 in the handshake.
    Aes256Gcm,
}

impl Cipher {
    pub(crate) const fn key_len(self) -> usize {
        match self {
            Self::Aes128Gcm => 16,
            Self::Aes256Gcm => 32,
        }
    }

    pub(crate) const fn hash(self) -> Hash {
        match self {
            Self::Aes128Gcm => Hash::Sha256,
            Self::Aes256Gcm => Hash::Sha384,
        }
    }
}

/// How SRTP will be protected with the keys of this connection (RFC 5764 §4.1.2, RFC 7714 §14.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SrtpProfile {
    /// AES-128 in Galois/counter mode: the fastest by far.
    AeadAes128Gcm,
    /// AES-256 in Galois/counter mode.
    AeadAes256Gcm,
    /// AES-128 in counter mode with HMAC-SHA1 tags of 80 bits: what every peer has.
    Aes128CmHmacSha1_80,
}

impl SrtpProfile {
    /// Every profile, the ones we prefer first.
    pub const ALL: [Self; 3] = [Self::AeadAes128Gcm, Self::AeadAes256Gcm, Self::Aes128CmHmacSha1_80];

    /// Bytes of a master key.
    pub const fn key_len(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::Aes128CmHmacSha1_80 => 16,
            Self::AeadAes256Gcm => 32,
        }
    }

    /// Bytes of a master salt.
    pub const fn salt_len(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 12,
            Self::Aes128CmHmacSha1_80 => 14,
        }
    }

    pub(crate) const fn code(self) -> u16 {
        match self {
            Self::Aes128CmHmacSha1_80 => 0x0001,
            Self::AeadAes128Gcm => 0x0007,
            Self::AeadAes256Gcm => 0x0008,
        }
    }
}

/// What a [`crate::Dtls`] is told at its beginning.
#[derive(Clone, Debug)]
pub struct Config {
    /// Our identity.
    pub certificate: Certificate,
    /// Our side of the handshake.
    pub role: Role,
    /// The fingerprints that the peer's certificate may have: one match suffices (RFC 8122 §5). May be empty
    /// and set later by [`crate::Dtls::set_remote_fingerprints`]: until then nothing is delivered.
    pub remote_fingerprints: Vec<Fingerprint>,
    /// SRTP profiles, the preferred first. Empty: no SRTP keys are negotiated.
    pub srtp_profiles: Vec<SrtpProfile>,
    /// The versions offered or accepted; the newest that both sides have is taken. Not empty.
    pub versions: Vec<Version>,
    /// Whether X25519MLKEM768 is offered and preferred in DTLS 1.3, so that what is recorded today cannot be read
    /// by whoever will have a quantum computer. It makes the first hello two datagrams long.
    pub post_quantum: bool,
    /// The largest datagram that the handshake may send, in bytes: 256 to 16384, taken into that range.
    pub mtu: usize,
    /// When the first retransmission is due if nothing comes; every further one takes twice as long, up to 3 s,
    /// and the next flight keeps what this one came to, up to 400 ms.
    /// RFC 9147 §5.8.2 wants a second when nothing is known of the path; here ICE has just measured it.
    pub retransmit_after: Duration,
    /// When a handshake that does not complete is given up.
    pub handshake_timeout: Duration,
}

impl Config {
    /// The usual configuration for this identity and role: every version and profile that we have, datagrams of
    /// 1200 bytes, first retransmission after 50 ms, 30 s for the handshake, and no fingerprint known yet.
    pub fn new(certificate: Certificate, role: Role) -> Self {
        Self {
            certificate,
            role,
            remote_fingerprints: Vec::new(),
            srtp_profiles: SrtpProfile::ALL.to_vec(),
            versions: vec![Version::Dtls13, Version::Dtls12],
            post_quantum: true,
            mtu: 1200,
            retransmit_after: Duration::from_millis(50),
            handshake_timeout: Duration::from_secs(30),
        }
    }
}
