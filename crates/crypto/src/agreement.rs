//! Key agreement: X25519 (RFC 7748), ECDH on P-256 (SEC 1 §3.3.1), and ML-KEM-768 (FIPS 203).

use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::kem::{Ciphertext, DecapsulationKey, EncapsulationKey, ML_KEM_768};

/// A Diffie-Hellman group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Group {
    /// X25519: public values of 32 bytes.
    X25519,
    /// P-256: uncompressed points of 65 bytes.
    P256,
}

/// One side's secret of one key agreement.
pub struct KeyShare {
    private: PrivateKey,
    public: Vec<u8>,
}

impl KeyShare {
    /// The key that follows from 32 secret random bytes. `None` with a probability of 2⁻³², when they are no
    /// scalar of P-256: draw again.
    pub fn from_seed(group: Group, seed: &[u8; 32]) -> Option<Self> {
        let private = PrivateKey::from_private_key(algorithm(group), seed).ok()?;
        let public = private.compute_public_key().ok()?.as_ref().to_vec();
        Some(Self { private, public })
    }

    /// What the peer needs.
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// The secret that both sides have in common; `None` when the peer's public value is no valid one, or
    /// gives the all-zero secret (RFC 7748 §6.1).
    pub fn agree(&self, peer: &[u8]) -> Option<[u8; 32]> {
        let peer = UnparsedPublicKey::new(self.private.algorithm(), peer);
        let secret = agreement::agree(&self.private, peer, (), |secret| secret.try_into().map_err(drop));
        secret.ok().filter(|secret| *secret != [0; 32])
    }
}

fn algorithm(group: Group) -> &'static agreement::Algorithm {
    match group {
        Group::X25519 => &agreement::X25519,
        Group::P256 => &agreement::ECDH_P256,
    }
}

impl std::fmt::Debug for KeyShare {
    /// Says nothing of the private key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyShare")
    }
}

/// The secret of the side that ML-KEM-768 ciphertexts are made for. The library draws its randomness from the
/// operating system, so it does not follow from a seed; its lengths never vary.
pub struct KemSecret(DecapsulationKey);

impl KemSecret {
    /// Bytes of the encapsulation key.
    pub const PUBLIC_LEN: usize = 1184;
    /// Bytes of a ciphertext.
    pub const CIPHERTEXT_LEN: usize = 1088;

    /// A new key.
    ///
    /// # Panics
    /// If the operating system has no entropy to give.
    pub fn generate() -> Self {
        Self(DecapsulationKey::generate(&ML_KEM_768).expect("the operating system gives entropy"))
    }

    /// The encapsulation key, which the peer needs.
    pub fn public(&self) -> Vec<u8> {
        let key = self.0.encapsulation_key().and_then(|key| key.key_bytes().map(|b| b.as_ref().to_vec()));
        key.expect("a generated key has its public half")
    }

    /// The secret inside `ciphertext`; `None` when its length is wrong.
    pub fn decapsulate(&self, ciphertext: &[u8]) -> Option<[u8; 32]> {
        let secret = self.0.decapsulate(Ciphertext::from(ciphertext)).ok()?;
        secret.as_ref().try_into().ok()
    }
}

impl std::fmt::Debug for KemSecret {
    /// Says nothing of the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KemSecret")
    }
}

/// Makes a secret for the owner of an ML-KEM-768 encapsulation key: (ciphertext, secret). `None` when the key
/// is malformed.
pub fn kem_encapsulate(public: &[u8]) -> Option<(Vec<u8>, [u8; 32])> {
    let (ciphertext, secret) = EncapsulationKey::new(&ML_KEM_768, public).ok()?.encapsulate().ok()?;
    Some((ciphertext.as_ref().to_vec(), secret.as_ref().try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
    }

    fn check(group: Group, ours: &str, theirs: &str, public: &str, secret: &str) {
        let share = |seed: &str| KeyShare::from_seed(group, &bytes(seed).try_into().unwrap()).unwrap();
        let (ours, theirs) = (share(ours), share(theirs));
        assert_eq!(ours.public(), bytes(public));
        assert_eq!(ours.agree(theirs.public()).unwrap()[..], bytes(secret));
        assert_eq!(theirs.agree(ours.public()).unwrap()[..], bytes(secret));
        assert_eq!(ours.agree(&theirs.public()[1..]), None, "a public value of the wrong length");
        assert_eq!(ours.agree(&vec![0; theirs.public().len()]), None, "the point of order one");
    }

    #[test]
    fn secrets_match_their_published_vectors() {
        // RFC 7748 §6.1.
        check(
            Group::X25519,
            "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
            "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
            "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
            "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742",
        );
        // RFC 5903 §8.1.
        check(
            Group::P256,
            "c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433",
            "c6ef9c5d78ae012a011164acb397ce2088685d8f06bf9be0b283ab46476bee53",
            "04dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c3772581180\
             5271a0461cdb8252d61f1c456fa3e59ab1f45b33accf5f58389e0577b8990bb3",
            "d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de",
        );
        assert!(KeyShare::from_seed(Group::P256, &[0; 32]).is_none(), "zero is no scalar");
    }

    #[test]
    fn both_sides_of_the_kem_have_one_secret() {
        let ours = KemSecret::generate();
        assert_eq!(ours.public().len(), KemSecret::PUBLIC_LEN);
        let (ciphertext, secret) = kem_encapsulate(&ours.public()).unwrap();
        assert_eq!(ciphertext.len(), KemSecret::CIPHERTEXT_LEN);
        assert_eq!(ours.decapsulate(&ciphertext), Some(secret));
        assert_eq!(ours.decapsulate(&ciphertext[1..]), None);
        assert_ne!(KemSecret::generate().decapsulate(&ciphertext), Some(secret));
        assert_eq!(kem_encapsulate(&[1; 100]), None);
    }
}
