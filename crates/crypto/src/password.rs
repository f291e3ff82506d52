//! Passwords, kept as argon2id hashes (RFC 9106).

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};

/// A salted hash in PHC form, which names its own parameters: 19 MiB, two passes, one lane. Takes tens of
/// milliseconds and that memory, so run it where neither hurts.
///
/// # Panics
/// When the operating system has no entropy.
pub fn hash(password: &str) -> String {
    let salt = crate::random::<16>();
    let hash: PasswordHash = Argon2::default()
        .hash_password_with_salt(password.as_bytes(), &salt)
        .expect("the default parameters take any password and a salt of 16 bytes");
    hash.to_string()
}

/// Whether `hash` was made from `password`; `false` also for a text that is no such hash.
pub fn verify(password: &str, hash: &str) -> bool {
    PasswordHash::new(hash)
        .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_fits_its_password_alone() {
        let kept = hash("correct horse");
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert!(verify("correct horse", &kept));
        assert!(!verify("correct horsf", &kept));
        assert!(!verify("correct horse", "not a hash"));
        assert_ne!(kept, hash("correct horse"), "every hash has its own salt");
    }
}
