//! Identity tokens: what a browser keeps to be the same person next time.
//!
//! A guest's token carries the person's id and name under the server's seal (HMAC-SHA256); nothing about guests is
//! stored. An account's token names a login that is stored, so that it can be taken back.
//!
//! ```text
//! g.ID.NAME.SEAL     a guest: 16 random bytes, the name
//! a.LOGIN.SEAL       a login: 24 random bytes
//! ```
//! Every part but the first is base64url (RFC 4648 §5) without padding; the seal is over all that stands before its
//! dot.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use crypto::HmacSha256;

/// The longest token that is looked at, in bytes.
const LONGEST: usize = 1024;

/// The key that identities are sealed with.
#[derive(Clone)]
pub struct Seal(HmacSha256);

/// What a valid token says.
#[derive(Clone, PartialEq, Eq)]
pub enum Identity {
    /// A guest.
    Guest {
        /// The person's id.
        id: String,
        /// The name they chose last.
        name: String,
    },
    /// Somebody who logged in; whether the login still holds, the database knows.
    Login {
        /// SHA-256 of the random part, as the database keeps it.
        digest: [u8; 32],
    },
}

impl Seal {
    /// Derives the key from the server's secret.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(HmacSha256::new(&crate::data::derive(secret, "visavis identity 1")))
    }

    /// A guest's token.
    pub fn guest(&self, id: &str, name: &str) -> String {
        self.seal(format!("g.{id}.{}", BASE64.encode(name)))
    }

    /// A new login's token, and what to keep of it.
    pub fn login(&self) -> (String, [u8; 32]) {
        let random = crypto::random::<24>();
        (self.seal(format!("a.{}", BASE64.encode(random))), crypto::sha256(&random))
    }

    /// Reads a token; `None` unless this server sealed it. Takes the same time for every wrong seal.
    pub fn verify(&self, token: &str) -> Option<Identity> {
        if token.len() > LONGEST {
            return None;
        }
        let (content, seal) = token.rsplit_once('.')?;
        let seal = BASE64.decode(seal).ok()?;
        if !crypto::constant_time_eq(&self.0.tag(&[content.as_bytes()]), &seal) {
            return None;
        }
        let mut parts = content.split('.');
        match (parts.next()?, parts.next()?, parts.next(), parts.next()) {
            ("g", id, Some(name), None) => {
                let name = String::from_utf8(BASE64.decode(name).ok()?).ok()?;
                Some(Identity::Guest { id: id.to_owned(), name })
            }
            ("a", random, None, None) => {
                Some(Identity::Login { digest: crypto::sha256(&BASE64.decode(random).ok()?) })
            }
            _ => None,
        }
    }

    fn seal(&self, content: String) -> String {
        let seal = BASE64.encode(self.0.tag(&[content.as_bytes()]));
        format!("{content}.{seal}")
    }
}

/// A new person's id: 16 random bytes, 22 characters of base64url.
pub fn new_id() -> String {
    BASE64.encode(crypto::random::<16>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_what_was_sealed_and_nothing_else() {
        let seal = Seal::new(&[7; 32]);
        let token = seal.guest("AAAAAAAAAAAAAAAAAAAAAA", "Zoë. x");
        let Some(Identity::Guest { id, name }) = seal.verify(&token) else { panic!("{token}") };
        assert_eq!((id.as_str(), name.as_str()), ("AAAAAAAAAAAAAAAAAAAAAA", "Zoë. x"));

        let (token, kept) = seal.login();
        assert!(seal.verify(&token) == Some(Identity::Login { digest: kept }));

        for i in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[i] ^= 1;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            assert!(seal.verify(&changed).is_none(), "changed at {i}");
        }
        assert!(Seal::new(&[8; 32]).verify(&token).is_none(), "another server's secret");
        for junk in ["", ".", "a.", "g..", "a.b.c", &"x".repeat(2000)] {
            assert!(seal.verify(junk).is_none(), "{junk}");
        }
    }
}
