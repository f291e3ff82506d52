//! Keys of rooms: bearer tokens with which an encoder publishes (WHIP), or a player watches (WHEP), signed by the server
//! and kept by nobody.
//!
//! A key is `vk1.GRANT.TAG`: base64url of a JSON object, and of an HMAC-SHA256 under the server's secret over it. Who has
//! a key may do what it says until it ends; a member that an owner removes does not come back with its key as long as the
//! conference lasts.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};

use super::protocol::Door;

/// What a key begins with.
const PREFIX: &str = "vk1";
/// A longer text is no key.
const LONGEST: usize = 1024;

/// What a key says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Grant {
    /// Random: tells this key from all others.
    pub id: String,
    /// The room that it opens.
    pub room: String,
    /// How.
    pub door: Door,
    /// When it ends, in seconds since 1970.
    pub expires: u64,
    /// What the encoder is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Why a text opens nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Invalid {
    /// This server did not make it.
    Foreign,
    /// It has ended.
    Expired,
}

/// Makes and reads keys.
#[derive(Clone)]
pub struct Keys(crypto::HmacSha256);

impl Keys {
    /// Under the server's secret for tickets.
    pub fn new(secret: &[u8]) -> Self {
        Self(crypto::HmacSha256::new(secret))
    }

    /// The key for a grant.
    pub fn print(&self, grant: &Grant) -> String {
        let grant = serde_json::to_vec(grant).expect("a grant has no maps with other keys than text");
        format!("{PREFIX}.{}.{}", BASE64.encode(&grant), BASE64.encode(self.tag(&grant)))
    }

    /// What a key says; `now` in seconds since 1970.
    ///
    /// # Errors
    /// It is none of this server's, or has ended.
    pub fn verify(&self, text: &str, now: u64) -> Result<Grant, Invalid> {
        let grant = self.read(text).ok_or(Invalid::Foreign)?;
        if grant.expires <= now { Err(Invalid::Expired) } else { Ok(grant) }
    }

    fn read(&self, text: &str) -> Option<Grant> {
        let rest =
            Some(text).filter(|text| text.len() <= LONGEST)?.strip_prefix(PREFIX)?.strip_prefix('.')?;
        let (grant, tag) = rest.split_once('.')?;
        let (grant, tag) = (BASE64.decode(grant).ok()?, BASE64.decode(tag).ok()?);
        // Only what this server wrote is parsed.
        crypto::constant_time_eq(&tag, &self.tag(&grant)).then(|| serde_json::from_slice(&grant).ok())?
    }

    fn tag(&self, grant: &[u8]) -> [u8; 32] {
        self.0.tag(&[b"visavis room key\0", grant])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_says_what_was_granted_until_it_ends() {
        let keys = Keys::new(b"secret");
        for (door, name) in [(Door::Publish, Some("Stage \"left\"".to_owned())), (Door::Watch, None)] {
            let grant = Grant { id: "1".into(), room: "r-1".into(), door, expires: 1000, name };
            let text = keys.print(&grant);
            assert_eq!(keys.verify(&text, 999), Ok(grant));
            assert_eq!(keys.verify(&text, 1000), Err(Invalid::Expired));
            assert_eq!(Keys::new(b"other").verify(&text, 0), Err(Invalid::Foreign));
            for at in 0..text.len() {
                let mut bytes = text.clone().into_bytes();
                bytes[at] ^= 1;
                let bent = String::from_utf8(bytes).unwrap();
                assert_eq!(keys.verify(&bent, 0), Err(Invalid::Foreign), "{bent}");
            }
        }
        for text in ["", "vk1", "vk1.", "vk1..", "vk1.é.é", &"vk1.".repeat(1000)] {
            assert_eq!(keys.verify(text, 0), Err(Invalid::Foreign), "{text:.20}");
        }
    }
}
