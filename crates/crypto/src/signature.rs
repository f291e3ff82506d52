//! Verification of the signatures that passkeys make.

use aws_lc_rs::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};

/// ECDSA on P-256 with SHA-256 (FIPS 186-5): `x` and `y` are the public point's coordinates, the signature is DER.
pub fn verify_p256(x: &[u8; 32], y: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    // An uncompressed point: SEC 1 §2.3.3.
    let mut point = [4; 65];
    point[1..33].copy_from_slice(x);
    point[33..].copy_from_slice(y);
    UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_ASN1, point).verify(message, signature).is_ok()
}

/// Ed25519 (RFC 8032 §5.1).
pub fn verify_ed25519(key: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&signature::ED25519, key).verify(message, signature).is_ok()
}

/// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 §8.2), moduli of 2048 to 8192 bits; `n` and `e` big-endian.
pub fn verify_rsa_sha256(n: &[u8], e: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let key = RsaPublicKeyComponents { n, e };
    key.verify(&signature::RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok()
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};

    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
    }

    #[test]
    fn ed25519_matches_rfc_8032() {
        // RFC 8032 §7.1, TEST 2.
        let key =
            bytes("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c").try_into().unwrap();
        let signature = bytes(
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        );
        assert!(verify_ed25519(&key, &[0x72], &signature));
        assert!(!verify_ed25519(&key, &[0x73], &signature));
    }

    #[test]
    fn signatures_fit_their_message_and_key_alone() {
        let pair = EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let point = pair.public_key().as_ref();
        let (x, y) = (point[1..33].try_into().unwrap(), point[33..].try_into().unwrap());
        let signed = pair.sign(&SystemRandom::new(), b"message").unwrap();
        assert!(verify_p256(&x, &y, b"message", signed.as_ref()));
        assert!(!verify_p256(&x, &y, b"massage", signed.as_ref()));
        assert!(!verify_p256(&y, &x, b"message", signed.as_ref()));

        let pair = Ed25519KeyPair::generate().unwrap();
        let key = pair.public_key().as_ref().try_into().unwrap();
        assert!(verify_ed25519(&key, b"message", pair.sign(b"message").as_ref()));
        assert!(!verify_rsa_sha256(&[0], &[1], b"message", &[]), "no modulus at all is no panic");
    }

    #[test]
    fn rsa_signatures_fit_their_message_alone() {
        use aws_lc_rs::rsa::{KeyPair, KeySize};
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let public = pair.public_key();
        let (n, e) = (public.modulus().big_endian_without_leading_zero(), public.exponent());
        let mut signed = vec![0; pair.public_modulus_len()];
        pair.sign(&signature::RSA_PKCS1_SHA256, &SystemRandom::new(), b"message", &mut signed).unwrap();
        let e = e.big_endian_without_leading_zero();
        assert!(verify_rsa_sha256(n, e, b"message", &signed));
        assert!(!verify_rsa_sha256(n, e, b"massage", &signed));
    }
}
