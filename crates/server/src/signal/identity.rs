//! Who a guest is: a random id that a browser keeps, proven by a token that only this server can make.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

/// Makes and checks the identity tokens of guests: `g.ID.TAG`, the tag an HMAC-SHA256 of the id, cut to 128 bits.
#[derive(Clone)]
pub struct Guests(crypto::HmacSha256);

impl Guests {
    /// With the server's lasting secret, so that guests stay who they are across restarts.
    pub fn new(secret: &[u8]) -> Self {
        Self(crypto::HmacSha256::new(secret))
    }

    /// A person id that nobody has: 128 random bits.
    pub fn fresh(&self) -> String {
        BASE64.encode(crypto::random::<16>())
    }

    /// The token that proves `id`.
    pub fn token(&self, id: &str) -> String {
        format!("g.{id}.{}", BASE64.encode(self.tag(id)))
    }

    /// The id that `token` proves; `None` if this server did not make it.
    pub fn verify(&self, token: &str) -> Option<String> {
        let (id, tag) = token.strip_prefix("g.")?.rsplit_once('.')?;
        let tag = BASE64.decode(tag).ok()?;
        crypto::constant_time_eq(&tag, &self.tag(id)).then(|| id.to_owned())
    }

    fn tag(&self, id: &str) -> [u8; 16] {
        let tag = self.0.tag(&[b"visavis guest\0", id.as_bytes()]);
        *tag.first_chunk().expect("a SHA-256 tag is longer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_proves_its_id_and_no_other() {
        let guests = Guests::new(b"secret");
        let id = guests.fresh();
        let token = guests.token(&id);
        assert_eq!(guests.verify(&token), Some(id.clone()));
        assert_eq!(Guests::new(b"other").verify(&token), None);
        assert_eq!(guests.verify(&token.replace(&id, &guests.fresh())), None);
        for junk in ["", "g.", "g..", "g.x", "g.x.y", &token[1..], &token[..token.len() - 1]] {
            assert_eq!(guests.verify(junk), None, "{junk}");
        }
    }
}
