//! AES-GCM (NIST SP 800-38D) in place, with the key scheduled once: nothing here allocates per packet.

use aws_lc_rs::aead::quic::{self, HeaderProtectionKey};
use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};

/// Bytes of an AES-GCM tag.
pub const TAG_LEN: usize = 16;
/// Bytes of an AES-GCM nonce.
pub const NONCE_LEN: usize = 12;

/// A scheduled AES-128-GCM or AES-256-GCM key. The caller owes a nonce that it never uses twice.
pub struct AesGcm(LessSafeKey);

impl AesGcm {
    /// Schedules a key of 16 or 32 bytes.
    ///
    /// # Panics
    /// On any other length: the caller's table of ciphers is wrong.
    pub fn new(key: &[u8]) -> Self {
        let algorithm = if key.len() == 16 { &aead::AES_128_GCM } else { &aead::AES_256_GCM };
        Self(LessSafeKey::new(UnboundKey::new(algorithm, key).expect("an AES-GCM key has 16 or 32 bytes")))
    }

    /// Encrypts `in_out` where it stands and returns the tag over it and `aad`.
    ///
    /// # Panics
    /// If `in_out` is longer than the 64 GiB that the mode allows.
    #[inline]
    pub fn seal(&self, nonce: [u8; NONCE_LEN], aad: &[u8], in_out: &mut [u8]) -> [u8; TAG_LEN] {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self
            .0
            .seal_in_place_separate_tag(nonce, Aad::from(aad), in_out)
            .expect("a packet is shorter than the limit of the mode");
        tag.as_ref().try_into().expect("the tag has 16 bytes")
    }

    /// Decrypts `in_out`, ciphertext and tag, where it stands; the plaintext is its beginning, of the length
    /// returned. `None` when the tag is wrong: the content of `in_out` is then worthless.
    #[inline]
    pub fn open(&self, nonce: [u8; NONCE_LEN], aad: &[u8], in_out: &mut [u8]) -> Option<usize> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.0.open_in_place(nonce, Aad::from(aad), in_out).ok().map(|plain| plain.len())
    }
}

impl std::fmt::Debug for AesGcm {
    /// Says nothing of the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AesGcm")
    }
}

/// A scheduled AES key that makes masks for record numbers (RFC 9147 §4.2.3; QUIC does the same).
pub struct HeaderMask(HeaderProtectionKey);

impl HeaderMask {
    /// Schedules a key of 16 or 32 bytes.
    ///
    /// # Panics
    /// On any other length: the caller's table of ciphers is wrong.
    pub fn new(key: &[u8]) -> Self {
        let algorithm = if key.len() == 16 { &quic::AES_128 } else { &quic::AES_256 };
        Self(HeaderProtectionKey::new(algorithm, key).expect("an AES key has 16 or 32 bytes"))
    }

    /// The first two bytes of AES-ECB over `sample`.
    #[inline]
    pub fn mask(&self, sample: &[u8; 16]) -> [u8; 2] {
        let [a, b, ..] = self.0.new_mask(sample).expect("the sample is one block");
        [a, b]
    }
}

impl std::fmt::Debug for HeaderMask {
    /// Says nothing of the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HeaderMask")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
    }

    /// The GCM specification (McGrew and Viega), appendix B, test cases 4 and 16.
    #[test]
    fn seals_as_the_specification_says_and_opens_again() {
        let check = |key: &str, ciphertext: &str, tag: &str| {
            let key = AesGcm::new(&bytes(key));
            let nonce = bytes("cafebabefacedbaddecaf888").try_into().unwrap();
            let aad = bytes("feedfacedeadbeeffeedfacedeadbeefabaddad2");
            let plain = bytes(
                "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
                 1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
            );
            let mut packet = plain.clone();
            let sealed = key.seal(nonce, &aad, &mut packet);
            assert_eq!((&packet, &sealed[..]), (&bytes(ciphertext), &bytes(tag)[..]));
            packet.extend(sealed);
            let mut forged = packet.clone();
            forged[0] ^= 1;
            assert_eq!(key.open(nonce, &aad, &mut forged), None);
            assert_eq!(key.open(nonce, b"other", &mut packet.clone()), None);
            assert_eq!(key.open(nonce, &aad, &mut packet), Some(plain.len()));
            assert_eq!(packet[..plain.len()], plain);
            assert_eq!(key.open(nonce, &aad, &mut [0; 15]), None, "shorter than a tag");
        };
        check(
            "feffe9928665731c6d6a8f9467308308",
            "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e\
             21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
            "5bc94fbc3221a5db94fae95ae7121a47",
        );
        check(
            "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa\
             8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
            "76fc6ece0f4e1768cddf8853bb2d551b",
        );
    }

    /// FIPS 197 appendices C.1 and C.3.
    #[test]
    fn masks_are_the_beginning_of_an_encrypted_block() {
        let sample = bytes("00112233445566778899aabbccddeeff").try_into().unwrap();
        let key = bytes("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
        assert_eq!(HeaderMask::new(&key[..16]).mask(&sample), [0x69, 0xc4]);
        assert_eq!(HeaderMask::new(&key).mask(&sample), [0x8e, 0xa2]);
    }
}
