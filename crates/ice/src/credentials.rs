use std::fmt;
use stun::Key;
use wire::Rng;

/// The user name fragment and password of one side for one ICE generation (RFC 8445 §5.3).
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// 4 to 256 ice-chars: letters, digits, `+` and `/`.
    pub ufrag: String,
    /// 22 to 256 ice-chars.
    pub pwd: String,
}

/// Why credentials cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CredentialsError {
    /// The user name fragment has not 4 to 256 characters.
    UfragLength,
    /// The password has not 22 to 256 characters.
    PwdLength,
    /// A character is no ice-char (RFC 8839 §5.4).
    Character,
    /// The peer has restarted: call [`Agent::restart`](crate::Agent::restart) first, and send it our new
    /// credentials.
    RestartFirst,
}

impl fmt::Display for CredentialsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UfragLength => "ice-ufrag has 4 to 256 characters (RFC 8839 §5.4)",
            Self::PwdLength => "ice-pwd has 22 to 256 characters (RFC 8839 §5.4)",
            Self::Character => {
                "ice-ufrag and ice-pwd consist of letters, digits, `+` and `/` (RFC 8839 §5.4)"
            }
            Self::RestartFirst => "the peer's credentials have changed: restart this side too, then set them",
        })
    }
}

impl std::error::Error for CredentialsError {}

const ICE_CHARS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

impl Credentials {
    /// Fresh ones: 48 bits of user name fragment, 144 bits of password.
    pub(crate) fn random(rng: &mut Rng) -> Self {
        let mut text = |len: usize| -> String {
            let mut bytes = vec![0; len];
            rng.fill(&mut bytes);
            bytes.iter().map(|b| char::from(ICE_CHARS[usize::from(b & 63)])).collect()
        };
        Self { ufrag: text(8), pwd: text(24) }
    }

    pub(crate) fn check(&self) -> Result<(), CredentialsError> {
        // Real peers have used `-` and `_` too; only what would break a USERNAME is refused besides.
        let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_' | b'=');
        if !(4..=256).contains(&self.ufrag.len()) {
            Err(CredentialsError::UfragLength)
        } else if !(22..=256).contains(&self.pwd.len()) {
            Err(CredentialsError::PwdLength)
        } else if !self.ufrag.bytes().chain(self.pwd.bytes()).all(good) {
            Err(CredentialsError::Character)
        } else {
            Ok(())
        }
    }

    pub(crate) fn key(&self) -> Key {
        Key::seldom(self.pwd.as_bytes())
    }
}

impl fmt::Debug for Credentials {
    /// Leaves the password out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_characters() {
        let check =
            |ufrag: &str, pwd: &str| Credentials { ufrag: ufrag.to_owned(), pwd: pwd.to_owned() }.check();
        let pwd = "0123456789abcdefABCD+/";
        assert_eq!(check("abcd", pwd), Ok(()));
        assert_eq!(check("abc", pwd), Err(CredentialsError::UfragLength));
        assert_eq!(check(&"a".repeat(257), pwd), Err(CredentialsError::UfragLength));
        assert_eq!(check("abcd", &pwd[1..]), Err(CredentialsError::PwdLength));
        assert_eq!(check("ab:d", pwd), Err(CredentialsError::Character));
        assert_eq!(check("ab d", pwd), Err(CredentialsError::Character));
    }

    #[test]
    fn fresh_ones_are_good_and_differ_and_hide() {
        let mut rng = Rng::from_number(1);
        let (a, b) = (Credentials::random(&mut rng), Credentials::random(&mut rng));
        assert_eq!((a.check(), b.check()), (Ok(()), Ok(())));
        assert!(a.ufrag != b.ufrag && a.pwd != b.pwd);
        assert!(!format!("{a:?}").contains(&a.pwd));
    }
}
