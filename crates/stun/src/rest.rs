//! Time-limited credentials: the TURN REST convention that servers and services of WebRTC share.
//!
//! Who issues credentials and who relays share a secret and nothing else. The user name is `expiry:name`, with
//! the expiry in Unix seconds; the password is base64(HMAC-SHA1(secret, user name)).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto::HmacSha1;

/// Issues the credentials of `name` that are good until `expiry` (Unix seconds): user name and password.
pub fn issue(secret: &[u8], name: &str, expiry: u64) -> (String, String) {
    let username = format!("{expiry}:{name}");
    let password = password(&HmacSha1::new(secret), &username);
    (username, password)
}

/// The password that belongs to a user name.
pub fn password(secret: &HmacSha1, username: &str) -> String {
    STANDARD.encode(secret.tag(&[username.as_bytes()]))
}

/// Expiry and name of a user name; `None` when it is not of this kind. A user name without a name, only
/// digits, is a user of its own.
pub fn split(username: &str) -> Option<(u64, &str)> {
    match username.split_once(':') {
        Some((expiry, name)) if !name.is_empty() => Some((digits(expiry)?, name)),
        Some((expiry, _)) => Some((digits(expiry)?, username)),
        None => Some((digits(username)?, username)),
    }
}

/// A plain number: `parse` alone would take a sign as well.
fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issued_credentials_follow_the_convention() {
        // printf 1600000000:alice | openssl dgst -sha1 -hmac north -binary | base64
        let (username, password) = issue(b"north", "alice", 1_600_000_000);
        assert_eq!(username, "1600000000:alice");
        assert_eq!(password, EXPECTED);
    }

    #[test]
    fn user_names_split() {
        assert_eq!(split("17:alice"), Some((17, "alice")));
        assert_eq!(split("17:a:b"), Some((17, "a:b")));
        assert_eq!(split("17"), Some((17, "17")));
        assert_eq!(split("17:"), Some((17, "17:")));
        for wrong in ["", "alice", "+17:alice", "alice:17", ":alice", "99999999999999999999999:alice"] {
            assert_eq!(split(wrong), None, "{wrong}");
        }
    }

    const EXPECTED: &str = "gq98pTOhhHaAu0we9aV79kOVVv0=";
}
