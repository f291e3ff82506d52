//! Hashes by name and the key derivations of TLS: the PRF of TLS 1.2 (RFC 5246 §5) and HKDF (RFC 5869).

use aws_lc_rs::{digest, hkdf, hmac, tls_prf};
use zeroize::Zeroize as _;

/// A hash that a cipher suite or a fingerprint names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Hash {
    /// SHA-256, 32 bytes.
    Sha256,
    /// SHA-384, 48 bytes.
    Sha384,
    /// SHA-512, 64 bytes.
    Sha512,
}

impl Hash {
    /// Bytes of its output.
    pub const fn output_len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// The hash of the concatenated parts.
    pub fn digest(self, parts: &[&[u8]]) -> Digest {
        let algorithm = match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        let mut state = digest::Context::new(algorithm);
        for part in parts {
            state.update(part);
        }
        Digest::new(state.finish().as_ref())
    }

    /// HMAC (RFC 2104) over the concatenated parts.
    pub fn hmac(self, key: &[u8], parts: &[&[u8]]) -> Digest {
        let mut state = hmac::Context::with_key(&hmac::Key::new(self.hkdf().hmac_algorithm(), key));
        for part in parts {
            state.update(part);
        }
        Digest::new(state.sign().as_ref())
    }

    /// HKDF-Extract (RFC 5869 §2.2), which is HMAC.
    pub fn hkdf_extract(self, salt: &[u8], secret: &[u8]) -> Digest {
        self.hmac(salt, &[secret])
    }

    /// HKDF-Expand (RFC 5869 §2.3) of `secret` into `out`, at most 255 times the hash long; `info` is the
    /// concatenation of its parts.
    ///
    /// # Panics
    /// If more is wanted: the caller's protocol cannot ask for it.
    pub fn hkdf_expand(self, secret: &[u8], info: &[&[u8]], out: &mut [u8]) {
        let key = hkdf::Prk::new_less_safe(self.hkdf(), secret);
        let filled = key.expand(info, Length(out.len())).and_then(|okm| okm.fill(out));
        filled.expect("no more than 255 blocks are asked for");
    }

    /// As many bytes as the hash has, filled by `fill`: how a secret follows from another.
    pub fn secret(self, fill: impl FnOnce(&mut [u8])) -> Digest {
        let mut digest = Digest { bytes: [0; 64], len: self.output_len() };
        fill(&mut digest.bytes[..digest.len]);
        digest
    }

    /// The PRF of TLS 1.2 (RFC 5246 §5) with this hash: fills `out` from `secret`, `label` and `seed`.
    ///
    /// # Panics
    /// If `secret` or `out` is empty: the caller's protocol cannot ask for it.
    pub fn tls12_prf(self, secret: &[u8], label: &[u8], seed: &[u8], out: &mut [u8]) {
        let algorithm = match self {
            Self::Sha256 => &tls_prf::P_SHA256,
            Self::Sha384 => &tls_prf::P_SHA384,
            Self::Sha512 => &tls_prf::P_SHA512,
        };
        let secret = tls_prf::Secret::new(algorithm, secret).expect("the secret is not empty");
        let derived = secret.derive(label, seed, out.len()).expect("something is asked for");
        out.copy_from_slice(derived.as_ref());
    }

    fn hkdf(self) -> hkdf::Algorithm {
        match self {
            Self::Sha256 => hkdf::HKDF_SHA256,
            Self::Sha384 => hkdf::HKDF_SHA384,
            Self::Sha512 => hkdf::HKDF_SHA512,
        }
    }
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// The output of a hash function: often a secret, so it prints its length only.
#[derive(Clone)]
pub struct Digest {
    bytes: [u8; 64],
    len: usize,
}

impl Digest {
    fn new(bytes: &[u8]) -> Self {
        let mut digest = Self { bytes: [0; 64], len: bytes.len() };
        digest.bytes[..bytes.len()].copy_from_slice(bytes);
        digest
    }
}

impl Drop for Digest {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl std::ops::Deref for Digest {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Digest of {} bytes", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
    }

    #[test]
    fn hashes_match_fips_180() {
        let check = |hash: Hash, start: &str| {
            let digest = hash.digest(&[b"a", b"bc"]);
            assert_eq!((digest.len(), &digest[..8]), (hash.output_len(), &bytes(start)[..]));
        };
        check(Hash::Sha256, "ba7816bf8f01cfea");
        check(Hash::Sha384, "cb00753f45a35e8b");
        check(Hash::Sha512, "ddaf35a193617aba");
        assert_eq!(format!("{:?}", Hash::Sha384.digest(&[])), "Digest of 48 bytes");
    }

    #[test]
    fn hkdf_matches_rfc_5869() {
        // Appendix A.1.
        let secret = Hash::Sha256.hkdf_extract(&bytes("000102030405060708090a0b0c"), &[0x0b; 22]);
        assert_eq!(secret[..], bytes("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5"));
        let mut out = [0; 42];
        Hash::Sha256.hkdf_expand(&secret, &[&bytes("f0f1f2f3f4"), &bytes("f5f6f7f8f9")], &mut out);
        assert_eq!(
            out[..],
            bytes("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865")
        );
    }

    #[test]
    fn prf_matches_its_published_vectors() {
        // The vectors of the IETF TLS working group's list for the PRF of TLS 1.2, P_SHA256 and P_SHA384.
        let check = |hash: Hash, secret: &str, seed: &str, start: &str| {
            let mut out = [0; 100];
            hash.tls12_prf(&bytes(secret), b"test label", &bytes(seed), &mut out);
            assert_eq!(out[..16], bytes(start));
        };
        check(
            Hash::Sha256,
            "9bbe436ba940f017b17652849a71db35",
            "a0ba9f936cda311827a6f796ffd5198c",
            "e3f229ba727be17b8d122620557cd453",
        );
        check(
            Hash::Sha384,
            "b80b733d6ceefcdc71566ea48e5567df",
            "cd665cf6a8447dd6ff8b27555edb7465",
            "7b0c18e9ced410ed1804f2cfa34a336a",
        );
    }
}
