//! Key agreement by group, of one curve or of a curve and ML-KEM (RFC 8446 §4.2.8, draft-ietf-tls-ecdhe-mlkem).

use crypto::Secret;
use crypto::agreement::{self, KemSecret, KeyShare, kem_encapsulate};
use wire::Rng;

use super::{Fault, alert};
use crate::message::Group;

/// Our half of an agreement that the peer will answer.
#[derive(Debug)]
pub(crate) struct Share {
    pub(crate) group: Group,
    curve: KeyShare,
    kem: Option<KemSecret>,
}

impl Share {
    pub(crate) fn new(rng: &mut Rng, group: Group) -> Self {
        let kem = (group == Group::X25519MlKem768).then(KemSecret::generate);
        Self { group, curve: key_share(rng, group), kem }
    }

    /// What the peer needs. In the hybrid ML-KEM comes first.
    pub(crate) fn public(&self) -> Vec<u8> {
        let mut public = self.kem.as_ref().map(KemSecret::public).unwrap_or_default();
        public.extend(self.curve.public());
        public
    }

    /// The secret that follows from the peer's answer.
    pub(crate) fn agree(&self, answer: &[u8]) -> Result<Secret, Fault> {
        let agreed = || {
            let Some(kem) = &self.kem else { return Some(Secret::of(&[&self.curve.agree(answer)?])) };
            let (ciphertext, curve) = answer.split_at_checked(KemSecret::CIPHERTEXT_LEN)?;
            Some(Secret::of(&[&kem.decapsulate(ciphertext)?, &self.curve.agree(curve)?]))
        };
        agreed().ok_or(INVALID)
    }
}

const INVALID: Fault = Fault::Fatal(alert::ILLEGAL_PARAMETER, "the peer's key share is not valid");

/// Answers the peer's share: (what it needs, the secret).
pub(crate) fn respond(rng: &mut Rng, group: Group, share: &[u8]) -> Result<(Vec<u8>, Secret), Fault> {
    let curve = key_share(rng, group);
    let agreed = || {
        if group != Group::X25519MlKem768 {
            return Some((curve.public().to_vec(), Secret::of(&[&curve.agree(share)?])));
        }
        let (key, point) = share.split_at_checked(KemSecret::PUBLIC_LEN)?;
        let secret = curve.agree(point)?;
        let (mut public, kem) = kem_encapsulate(key)?;
        public.extend(curve.public());
        Some((public, Secret::of(&[&kem, &secret])))
    };
    agreed().ok_or(INVALID)
}

/// A key of the group's curve from the connection's generator.
fn key_share(rng: &mut Rng, group: Group) -> KeyShare {
    let curve = match group {
        Group::X25519MlKem768 | Group::X25519 => agreement::Group::X25519,
        Group::P256 => agreement::Group::P256,
    };
    loop {
        if let Some(share) = KeyShare::from_seed(curve, &rng.array()) {
            return share;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_gives_both_the_same_secret() {
        let mut rng = Rng::from_number(1);
        for group in Group::ALL {
            let share = Share::new(&mut rng, group);
            let (answer, theirs) = respond(&mut rng, group, &share.public()).unwrap();
            assert_eq!(share.agree(&answer).unwrap(), theirs);
            assert_eq!(share.agree(&answer[1..]), Err(INVALID));
            assert_eq!(respond(&mut rng, group, &share.public()[1..]).err(), Some(INVALID));
        }
    }

    /// What rustls makes of the hybrid, which browsers and servers have agreed with for years.
    #[test]
    fn the_hybrid_is_that_of_rustls() {
        let theirs = rustls::crypto::aws_lc_rs::kx_group::X25519MLKEM768;
        assert_eq!(u16::from(theirs.name()), Group::X25519MlKem768.code());
        let mut rng = Rng::from_number(1);
        let ours = Share::new(&mut rng, Group::X25519MlKem768);
        let answer = theirs.start_and_complete(&ours.public()).unwrap();
        assert_eq!(&*ours.agree(&answer.pub_key).unwrap(), answer.secret.secret_bytes());
        let offer = theirs.start().unwrap();
        let (answer, secret) = respond(&mut rng, Group::X25519MlKem768, offer.pub_key()).unwrap();
        assert_eq!(offer.complete(&answer).unwrap().secret_bytes(), &*secret);
    }
}
