use std::fmt;
use std::sync::Arc;

use crypto::identity::{PublicKey, SignatureScheme, SigningKey};
use wire::Rng;

use crate::{Fingerprint, Hash};

/// How long a new certificate is valid, in days. Peers compare fingerprints and ignore the dates, and a
/// certificate that is kept should not have to be made again within the life of an installation.
const DAYS: u32 = 3650;

/// Our identity: an ECDSA key on P-256 and a self-signed certificate. Made once, used by any number of
/// connections; a clone shares it.
#[derive(Clone)]
pub struct Certificate(Arc<Inner>);

struct Inner {
    der: Vec<u8>,
    key: SigningKey,
}

impl Certificate {
    /// Makes a key from `rng`, in a program: seeded by the operating system, and a certificate valid from a day
    /// before `unix_seconds` for ten years. It tells nothing of its owner. The key follows from `rng`, but not the
    /// signature inside the certificate: two of the same seed have different fingerprints.
    pub fn generate(rng: &mut Rng, unix_seconds: u64) -> Self {
        let key = loop {
            if let Some(key) = SigningKey::from_seed(&rng.array()) {
                break key;
            }
        };
        let mut serial = rng.array();
        serial[0] &= 0x7f; // RFC 5280 §4.1.2.2: positive, at most 20 bytes
        let der = key.self_signed("WebRTC", serial, unix_seconds, DAYS);
        Self(Arc::new(Inner { der, key }))
    }

    /// Takes up a certificate that was kept: `key` from [`Certificate::key_to_pkcs8`], `certificate` from
    /// [`Certificate::der`].
    ///
    /// # Errors
    /// When one of the two is malformed, or they do not belong together.
    pub fn from_der(key: &[u8], certificate: Vec<u8>) -> Result<Self, CertificateError> {
        let key = SigningKey::from_pkcs8(key).ok_or(CertificateError::Key)?;
        let public = PublicKey::from_certificate(&certificate).ok_or(CertificateError::Certificate)?;
        if !public.verify(SignatureScheme::EcdsaP256Sha256, b"", &key.sign(b"")) {
            return Err(CertificateError::Mismatch);
        }
        Ok(Self(Arc::new(Inner { der: certificate, key })))
    }

    /// The certificate in DER (RFC 5280).
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// The private key in DER (PKCS#8, RFC 5208): a secret, to be kept where only its owner can read.
    pub fn key_to_pkcs8(&self) -> Vec<u8> {
        self.0.key.to_pkcs8()
    }

    /// What the peer must be told about this certificate, by a way that it trusts.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(Hash::Sha256, self.der())
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; crypto::identity::SIGNATURE_LEN] {
        self.0.key.sign(message)
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({})", self.fingerprint())
    }
}

/// Why a kept certificate cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CertificateError {
    /// The key is no P-256 key in PKCS#8.
    Key,
    /// The certificate is no X.509 certificate that we can read.
    Certificate,
    /// The certificate was made for another key.
    Mismatch,
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key => "the private key must be a P-256 key in PKCS#8 (DER)",
            Self::Certificate => "the certificate must be X.509 (DER) with a P-256 key",
            Self::Mismatch => "the certificate was made for another key than the one given with it",
        })
    }
}

impl std::error::Error for CertificateError {}

#[cfg(test)]
mod tests {
    use wire::Instant;

    use super::*;
    use crate::{Closed, Config, Dtls, Event, Role, Version};

    #[test]
    fn a_certificate_can_be_kept() {
        let made = Certificate::generate(&mut Rng::from_number(1), 1_767_225_600);
        let again = Certificate::from_der(&made.key_to_pkcs8(), made.der().to_vec()).unwrap();
        assert_eq!(again.fingerprint(), made.fingerprint());
        let other = Certificate::generate(&mut Rng::from_number(2), 0);
        assert_ne!(other.fingerprint(), made.fingerprint());
        let error = |key: &[u8], der: &[u8]| Certificate::from_der(key, der.to_vec()).unwrap_err();
        assert_eq!(error(&other.key_to_pkcs8(), made.der()), CertificateError::Mismatch);
        assert_eq!(error(&[], made.der()), CertificateError::Key);
        assert_eq!(error(&made.key_to_pkcs8(), &[]), CertificateError::Certificate);
        assert!(!format!("{made:?}").contains("key"));
    }

    /// Somebody shows the certificate of another, whose key he does not have: the fingerprint fits, and still
    /// nobody connects to him.
    #[test]
    fn a_certificate_without_its_key_convinces_nobody() {
        let made = |seed| Certificate::generate(&mut Rng::from_number(seed), 0);
        let (own, victim, thief) = (made(1), made(2), made(3));
        let key = SigningKey::from_pkcs8(&thief.key_to_pkcs8()).unwrap();
        let stolen = Certificate(Arc::new(Inner { der: victim.der().to_vec(), key }));
        for version in [Version::Dtls12, Version::Dtls13] {
            for role in [Role::Client, Role::Server] {
                let end = |certificate: &Certificate, other: &Certificate, role| {
                    let config = Config {
                        remote_fingerprints: vec![other.fingerprint()],
                        versions: vec![version],
                        ..Config::new(certificate.clone(), role)
                    };
                    Dtls::new(config, Rng::from_number(1), Instant::ZERO)
                };
                let other_role = if role == Role::Client { Role::Server } else { Role::Client };
                let mut honest = end(&own, &stolen, role);
                let mut impostor = end(&stolen, &own, other_role);
                let mut buf = [0; 1500];
                for _ in 0..10 {
                    while let Some(len) = honest.poll_transmit(Instant::ZERO, &mut buf) {
                        impostor.handle_input(Instant::ZERO, &mut buf[..len]);
                    }
                    while let Some(len) = impostor.poll_transmit(Instant::ZERO, &mut buf) {
                        honest.handle_input(Instant::ZERO, &mut buf[..len]);
                    }
                }
                let event = honest.poll_event();
                assert!(
                    matches!(event, Some(Event::Closed(Closed::Protocol { alert: 51, .. }))),
                    "{version:?}, {role:?}: {event:?}"
                );
            }
        }
    }
}
