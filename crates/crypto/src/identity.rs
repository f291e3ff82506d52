//! Identities: a P-256 signing key with a self-signed X.509 certificate (RFC 5280), and the public key inside
//! the certificate of a peer.
//!
//! Nobody vouches for these certificates: whoever receives one compares its fingerprint with one that came
//! another way. So of a peer's certificate nothing is read but the key, and names and dates mean nothing.

use aws_lc_rs::agreement::{self, PrivateKey};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{self, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey, VerificationAlgorithm};

use crate::der;

/// Bytes of the signatures that [`SigningKey::sign`] makes.
pub const SIGNATURE_LEN: usize = 71;

/// An ECDSA key on P-256 (FIPS 186-5).
pub struct SigningKey(EcdsaKeyPair);

impl SigningKey {
    /// The key that follows from 32 secret random bytes. `None` with a probability of 2⁻³², when they are no
    /// scalar of the curve: draw again.
    pub fn from_seed(seed: &[u8; 32]) -> Option<Self> {
        let private = PrivateKey::from_private_key(&agreement::ECDH_P256, seed).ok()?;
        let public = private.compute_public_key().ok()?;
        let algorithm = &signature::ECDSA_P256_SHA256_ASN1_SIGNING;
        EcdsaKeyPair::from_private_key_and_public_key(algorithm, seed, public.as_ref()).ok().map(Self)
    }

    /// Reads a PKCS#8 document (RFC 5208). `None` when it holds no P-256 key.
    pub fn from_pkcs8(der: &[u8]) -> Option<Self> {
        EcdsaKeyPair::from_pkcs8(&signature::ECDSA_P256_SHA256_ASN1_SIGNING, der).ok().map(Self)
    }

    /// The key as a PKCS#8 document (RFC 5208): a secret.
    pub fn to_pkcs8(&self) -> Vec<u8> {
        self.0.to_pkcs8v1().expect("a P-256 key has a PKCS#8 form").as_ref().to_vec()
    }

    /// The public key as an uncompressed point.
    pub fn public(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    /// Signs with SHA-256; the signature is DER.
    ///
    /// The library draws a nonce from the operating system, and the length of the DER form depends on it: 70,
    /// 71 or 72 bytes, rarely less. Signatures are made until one has the middle length (every second has), so
    /// that the lengths of packets, and with them the course of a simulation, do not depend on a nonce.
    ///
    /// # Panics
    /// If the operating system has no entropy to give.
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_LEN] {
        loop {
            let signed =
                self.0.sign(&SystemRandom::new(), message).expect("the operating system gives entropy");
            if let Ok(signature) = signed.as_ref().try_into() {
                return signature;
            }
        }
    }

    /// A self-signed certificate (RFC 5280 §4.1) for this key, named `name`, valid from a day before
    /// `unix_seconds` until `days` after it.
    pub fn self_signed(&self, name: &str, serial: [u8; 16], unix_seconds: u64, days: u32) -> Vec<u8> {
        let ecdsa_sha256 = der::sequence(&[&der::oid(&OID_ECDSA_SHA256)]);
        let attribute = der::sequence(&[&der::oid(&OID_COMMON_NAME), &der::utf8(name)]);
        let name = der::sequence(&[&der::set(&[&attribute])]);
        let validity = der::sequence(&[
            &der::time(unix_seconds.saturating_sub(DAY)),
            &der::time(unix_seconds.saturating_add(u64::from(days) * DAY)),
        ]);
        let algorithm = der::sequence(&[&der::oid(&OID_EC_PUBLIC_KEY), &der::oid(&OID_P256)]);
        let key = der::sequence(&[&algorithm, &der::bit_string(self.public())]);
        let body = der::sequence(&[
            &der::explicit(0, &der::integer(&[2])),
            &der::integer(&serial),
            &ecdsa_sha256,
            &name,
            &validity,
            &name,
            &key,
        ]);
        let signature = der::bit_string(&self.sign(&body));
        der::sequence(&[&body, &ecdsa_sha256, &signature])
    }
}

impl std::fmt::Debug for SigningKey {
    /// Says nothing of the private key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey")
    }
}

const DAY: u64 = 86_400;

// Object identifiers, encoded: RFC 5480 §2.1.1, RFC 5758 §3.2, RFC 5280 appendix A, RFC 8017 appendix C,
// RFC 8410 §3.
const OID_EC_PUBLIC_KEY: [u8; 7] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const OID_P256: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const OID_P384: [u8; 5] = [0x2b, 0x81, 0x04, 0x00, 0x22];
const OID_ECDSA_SHA256: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const OID_COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
const OID_RSA: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const OID_ED25519: [u8; 3] = [0x2b, 0x65, 0x70];

/// How a peer signs, with the numbers of TLS (RFC 8446 §4.2.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SignatureScheme {
    /// ECDSA on P-256 with SHA-256, 0x0403.
    EcdsaP256Sha256,
    /// ECDSA on P-384 with SHA-384, 0x0503.
    EcdsaP384Sha384,
    /// Ed25519, 0x0807.
    Ed25519,
    /// RSASSA-PSS with SHA-256, 0x0804; moduli of 2048 to 8192 bits.
    RsaPssSha256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, 0x0401; moduli of 2048 to 8192 bits.
    RsaPkcs1Sha256,
}

impl SignatureScheme {
    /// Every scheme, the ones we prefer first.
    pub const ALL: [Self; 5] = [
        Self::EcdsaP256Sha256,
        Self::Ed25519,
        Self::EcdsaP384Sha384,
        Self::RsaPssSha256,
        Self::RsaPkcs1Sha256,
    ];

    /// Its number in TLS.
    pub const fn code(self) -> u16 {
        match self {
            Self::EcdsaP256Sha256 => 0x0403,
            Self::EcdsaP384Sha384 => 0x0503,
            Self::Ed25519 => 0x0807,
            Self::RsaPssSha256 => 0x0804,
            Self::RsaPkcs1Sha256 => 0x0401,
        }
    }

    /// The scheme with this number in TLS.
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.code() == code)
    }
}

/// What kind of key a certificate holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum KeyKind {
    P256,
    P384,
    Ed25519,
    Rsa,
}

/// The public key of a peer's certificate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicKey {
    kind: KeyKind,
    bytes: Vec<u8>,
}

impl PublicKey {
    /// Finds the key in an X.509 certificate (RFC 5280 §4.1); `None` when the structure is malformed or the
    /// key is none of P-256, P-384, Ed25519 and RSA.
    pub fn from_certificate(certificate: &[u8]) -> Option<Self> {
        let mut certificate = der::Parser::new(certificate).enter(der::SEQUENCE)?;
        let mut body = certificate.enter(der::SEQUENCE)?;
        if body.peek() == Some(der::EXPLICIT_0) {
            body.enter(der::EXPLICIT_0)?;
        }
        body.enter(der::INTEGER)?;
        for _algorithm_issuer_validity_subject in 0..4 {
            body.enter(der::SEQUENCE)?;
        }
        let mut key = body.enter(der::SEQUENCE)?;
        let mut algorithm = key.enter(der::SEQUENCE)?;
        let kind = match algorithm.take(der::OID)? {
            oid if oid == OID_EC_PUBLIC_KEY => match algorithm.take(der::OID)? {
                curve if curve == OID_P256 => KeyKind::P256,
                curve if curve == OID_P384 => KeyKind::P384,
                _ => return None,
            },
            oid if oid == OID_ED25519 => KeyKind::Ed25519,
            oid if oid == OID_RSA => KeyKind::Rsa,
            _ => return None,
        };
        // The first byte of a bit string says how many bits of its last byte do not count: none.
        let bytes = key.take(der::BIT_STRING)?.strip_prefix(&[0])?.to_vec();
        Some(Self { kind, bytes })
    }

    /// Whether `signature` is this key's under `scheme` over `message`; not when the key cannot use the scheme.
    pub fn verify(&self, scheme: SignatureScheme, message: &[u8], signature: &[u8]) -> bool {
        let algorithm: &dyn VerificationAlgorithm = match (scheme, self.kind) {
            (SignatureScheme::EcdsaP256Sha256, KeyKind::P256) => &signature::ECDSA_P256_SHA256_ASN1,
            (SignatureScheme::EcdsaP384Sha384, KeyKind::P384) => &signature::ECDSA_P384_SHA384_ASN1,
            // In TLS 1.2 the number names the hash alone (RFC 5246 §7.4.1.4.1), and OpenSSL makes use of it.
            (SignatureScheme::EcdsaP256Sha256, KeyKind::P384) => &signature::ECDSA_P384_SHA256_ASN1,
            (SignatureScheme::EcdsaP384Sha384, KeyKind::P256) => &signature::ECDSA_P256_SHA384_ASN1,
            (SignatureScheme::Ed25519, KeyKind::Ed25519) => &signature::ED25519,
            (SignatureScheme::RsaPssSha256, KeyKind::Rsa) => &signature::RSA_PSS_2048_8192_SHA256,
            (SignatureScheme::RsaPkcs1Sha256, KeyKind::Rsa) => &signature::RSA_PKCS1_2048_8192_SHA256,
            _ => return false,
        };
        UnparsedPublicKey::new(algorithm, &self.bytes).verify(message, signature).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rsa;
    use aws_lc_rs::signature::Ed25519KeyPair;

    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_seed(&[7; 32]).unwrap()
    }

    #[test]
    fn a_certificate_holds_its_key() {
        let key = key();
        let certificate = key.self_signed("Visavis", [0xf0; 16], 1_767_225_600, 365);
        let public = PublicKey::from_certificate(&certificate).unwrap();
        assert_eq!((public.kind, &public.bytes[..]), (KeyKind::P256, key.public()));
        let signature = key.sign(b"message");
        assert!(public.verify(SignatureScheme::EcdsaP256Sha256, b"message", &signature));
        assert!(!public.verify(SignatureScheme::EcdsaP256Sha256, b"massage", &signature));
        assert!(!public.verify(SignatureScheme::RsaPssSha256, b"message", &signature));
        for end in 0..certificate.len() {
            assert_eq!(PublicKey::from_certificate(&certificate[..end]), None);
        }
    }

    #[test]
    fn keys_survive_being_kept() {
        let (key, again) = (key(), SigningKey::from_pkcs8(&key().to_pkcs8()).unwrap());
        assert_eq!(key.public(), again.public());
        assert!(SigningKey::from_pkcs8(&key.to_pkcs8()[1..]).is_none());
        assert!(SigningKey::from_seed(&[0; 32]).is_none(), "zero is no scalar");
    }

    /// The key information of a certificate in its frame, as other stacks make them.
    fn certificate(algorithm: &[&[u8]], key: &[u8]) -> Vec<u8> {
        let empty = der::sequence(&[]);
        let key = der::sequence(&[&der::sequence(algorithm), &der::bit_string(key)]);
        let serial = der::integer(&[1]); // without a version, as version 1 has it
        der::sequence(&[&der::sequence(&[&serial, &empty, &empty, &empty, &empty, &key])])
    }

    #[test]
    fn other_kinds_of_keys_verify_too() {
        let pair = Ed25519KeyPair::generate().unwrap();
        let found = certificate(&[&der::oid(&OID_ED25519)], pair.public_key().as_ref());
        let public = PublicKey::from_certificate(&found).unwrap();
        assert!(public.verify(SignatureScheme::Ed25519, b"message", pair.sign(b"message").as_ref()));

        let pair = EcdsaKeyPair::generate(&signature::ECDSA_P384_SHA384_ASN1_SIGNING).unwrap();
        let found =
            certificate(&[&der::oid(&OID_EC_PUBLIC_KEY), &der::oid(&OID_P384)], pair.public_key().as_ref());
        let public = PublicKey::from_certificate(&found).unwrap();
        let signed = pair.sign(&SystemRandom::new(), b"message").unwrap();
        assert!(public.verify(SignatureScheme::EcdsaP384Sha384, b"message", signed.as_ref()));
        assert!(!public.verify(SignatureScheme::EcdsaP256Sha256, b"message", signed.as_ref()));

        let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
        let found = certificate(&[&der::oid(&OID_RSA), &[5, 0]], pair.public_key().as_ref());
        let public = PublicKey::from_certificate(&found).unwrap();
        for (scheme, padding) in [
            (SignatureScheme::RsaPssSha256, &signature::RSA_PSS_SHA256),
            (SignatureScheme::RsaPkcs1Sha256, &signature::RSA_PKCS1_SHA256),
        ] {
            let mut signed = vec![0; pair.public_modulus_len()];
            pair.sign(padding, &SystemRandom::new(), b"message", &mut signed).unwrap();
            assert!(public.verify(scheme, b"message", &signed));
            assert!(!public.verify(scheme, b"massage", &signed));
        }
        assert_eq!(PublicKey::from_certificate(&certificate(&[&der::oid(&[1, 2, 3])], b"key")), None);
    }
}
