use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The front of a nonce that tells which security features the server has, so that an attacker in the path
/// cannot make a client fall back unnoticed (RFC 8489 §9.2): `obMatJos2` and 24 bits in base64.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct NonceCookie {
    /// Bit 0: the server sends PASSWORD-ALGORITHMS.
    pub password_algorithms: bool,
    /// Bit 1: the server understands USERHASH.
    pub username_anonymity: bool,
}

impl NonceCookie {
    /// The bytes of the cookie in text.
    pub const LEN: usize = 13;
    const MARK: &'static [u8] = b"obMatJos2";

    /// The first characters of a nonce.
    pub fn text(self) -> [u8; Self::LEN] {
        // Bit 0 is the leftmost of the 24 bits (RFC 8489 §18.1).
        let bits = u8::from(self.password_algorithms) << 7 | u8::from(self.username_anonymity) << 6;
        let mut out = [0; Self::LEN];
        out[..9].copy_from_slice(Self::MARK);
        STANDARD.encode_slice([bits, 0, 0], &mut out[9..]).expect("three bytes are four characters");
        out
    }

    /// The cookie of a nonce; `None` when the server sent none, that is, knows RFC 5389 only.
    pub fn of(nonce: &str) -> Option<Self> {
        let text = nonce.as_bytes().strip_prefix(Self::MARK)?.get(..4)?;
        let bits = STANDARD.decode(text).ok()?;
        // The sample of RFC 8489 appendix B.1 counts bits from the right, and so do some servers. Unassigned
        // bits are zero, so both ends can be read.
        let (first, last) = (*bits.first()?, *bits.get(2)?);
        Some(Self {
            password_algorithms: first & 0x80 != 0 || last & 1 != 0,
            username_anonymity: first & 0x40 != 0 || last & 2 != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_stand_on_the_left() {
        let check = |password_algorithms, username_anonymity, text: &[u8]| {
            let cookie = NonceCookie { password_algorithms, username_anonymity };
            assert_eq!(cookie.text(), text);
            let nonce = format!("{}rest", std::str::from_utf8(text).unwrap());
            assert_eq!(NonceCookie::of(&nonce), Some(cookie));
        };
        check(false, false, b"obMatJos2AAAA");
        check(true, false, b"obMatJos2gAAA");
        check(false, true, b"obMatJos2QAAA");
        check(true, true, b"obMatJos2wAAA");
        let sample = NonceCookie { password_algorithms: false, username_anonymity: true };
        assert_eq!(NonceCookie::of("obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA"), Some(sample));
        assert_eq!(NonceCookie::of("something else"), None);
        assert_eq!(NonceCookie::of("obMatJos2A"), None);
        assert_eq!(NonceCookie::of("obMatJos2????"), None);
    }
}
