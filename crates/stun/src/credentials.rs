use crate::attribute::Algorithm;

/// A user name and password of the long-term mechanism (RFC 8489 §9.2).
#[derive(Clone, Copy)]
pub struct LongTerm<'a> {
    /// The user name as it stands in USERNAME.
    pub username: &'a str,
    /// The realm the password belongs to.
    pub realm: &'a str,
    /// The password.
    pub password: &'a str,
}

impl LongTerm<'_> {
    /// The bytes of the integrity key: 16 for MD5, 32 for SHA-256 (RFC 8489 §18.5.1), and how many they are.
    pub fn key_bytes(&self, algorithm: Algorithm) -> ([u8; 32], usize) {
        let parts: [&[u8]; 5] =
            [self.username.as_bytes(), b":", self.realm.as_bytes(), b":", self.password.as_bytes()];
        let mut out = [0; 32];
        match algorithm {
            Algorithm::Md5 => {
                out[..16].copy_from_slice(&crypto::md5(&parts));
                (out, 16)
            }
            Algorithm::Sha256 => (crypto::sha256(&parts.concat()), 32),
        }
    }

    /// The integrity key.
    pub fn key(&self, algorithm: Algorithm) -> crate::Key {
        let (bytes, len) = self.key_bytes(algorithm);
        crate::Key::new(&bytes[..len])
    }
}

impl std::fmt::Debug for LongTerm<'_> {
    /// Leaves the password out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LongTerm").field("username", &self.username).field("realm", &self.realm).finish()
    }
}

/// What USERHASH holds in place of the user name (RFC 8489 §14.4): SHA-256 of `username:realm`.
pub fn user_hash(username: &str, realm: &str) -> [u8; 32] {
    crypto::sha256(&[username.as_bytes(), b":", realm.as_bytes()].concat())
}
