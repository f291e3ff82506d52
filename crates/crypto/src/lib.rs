//! The only crate that names a crypto library, so that there is one backend and one place to audit.
//!
//! Everything comes from `aws-lc-rs`, except MD5, which that library rightly does not offer and which
//! RFC 8489 §9.2.2 still needs to derive the key of an old TURN client from its password.

pub mod aead;
pub mod agreement;
pub mod counter_mode;
mod der;
pub mod identity;
pub mod kdf;
pub mod password;
mod secret;
pub mod signature;

pub use secret::Secret;

use aws_lc_rs::{constant_time, digest, hmac, rand};
use md5::Digest as _;

/// Fills `out` from the operating system's generator.
///
/// # Panics
/// If the operating system has no entropy to give: no secret could be made, so nothing may go on.
pub fn fill_random(out: &mut [u8]) {
    rand::fill(out).expect("the operating system gives entropy");
}

/// An array of bytes from the operating system's generator, for a seed or a long-lived secret.
pub fn random<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    fill_random(&mut out);
    out
}

/// Whether two byte strings are equal, in a time that depends on their lengths only.
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

/// SHA-256 (FIPS 180-4).
pub fn sha256(data: &[u8]) -> [u8; 32] {
    copy(digest::digest(&digest::SHA256, data).as_ref())
}

/// SHA-1 (FIPS 180-4): only where a protocol demands it, as the WebSocket handshake does (RFC 6455 §4.2.2).
pub fn sha1(data: &[u8]) -> [u8; 20] {
    copy(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, data).as_ref())
}

/// MD5 (RFC 1321) of the concatenated parts: only for TURN's long-term key (RFC 8489 §9.2.2).
pub fn md5(parts: &[&[u8]]) -> [u8; 16] {
    let mut state = md5::Md5::new();
    for part in parts {
        state.update(part);
    }
    state.finalize().into()
}

/// A key for HMAC-SHA1 (RFC 2104), scheduled once and used often.
#[derive(Clone)]
pub struct HmacSha1(hmac::Key);

impl HmacSha1 {
    /// Schedules `key`, of any length.
    pub fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key))
    }

    /// The tag over the concatenated parts.
    pub fn tag(&self, parts: &[&[u8]]) -> [u8; 20] {
        tag(&self.0, parts)
    }
}

/// A key for HMAC-SHA256 (RFC 2104), scheduled once and used often.
#[derive(Clone)]
pub struct HmacSha256(hmac::Key);

impl HmacSha256 {
    /// Schedules `key`, of any length.
    pub fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The tag over the concatenated parts.
    pub fn tag(&self, parts: &[&[u8]]) -> [u8; 32] {
        tag(&self.0, parts)
    }
}

fn tag<const N: usize>(key: &hmac::Key, parts: &[&[u8]]) -> [u8; N] {
    let mut state = hmac::Context::with_key(key);
    for part in parts {
        state.update(part);
    }
    copy(state.sign().as_ref())
}

/// The digest as an array: the algorithm fixes its length.
fn copy<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("the algorithm fixes the length of its output")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    #[test]
    fn digests_match_their_published_vectors() {
        assert_eq!(hex(&md5(&[b"mess", b"age digest"])), "f96b697d7cb7938d525a2f31aaf161d0"); // RFC 1321 A.5
        assert_eq!(hex(&sha1(b"abc")), "a9993e364706816aba3e25717850c26c9cd0d89d"); // RFC 3174 §7.3
        assert_eq!(
            hex(&sha256(b"abc")), // FIPS 180-4 example
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn tags_match_their_published_vectors() {
        let parts: [&[u8]; 2] = [b"what do ya want ", b"for nothing?"];
        // RFC 2202 §3 case 2, RFC 4231 §4.3
        assert_eq!(hex(&HmacSha1::new(b"Jefe").tag(&parts)), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
        assert_eq!(
            hex(&HmacSha256::new(b"Jefe").tag(&parts)),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn comparison_knows_content_and_length() {
        assert!(constant_time_eq(b"same", b"same"));
        assert!(!constant_time_eq(b"same", b"sama"));
        assert!(!constant_time_eq(b"same", b"sam"));
    }
}
