//! Key derivation (RFC 3711 §4.3) and the transforms of the profiles, keys scheduled once.

use super::Profile;
use crypto::aead::{AesGcm, TAG_LEN};
use crypto::counter_mode::CounterMode;
use crypto::{HmacSha1, constant_time_eq};

/// The bit that says that an RTCP packet is encrypted (RFC 3711 §3.4).
const ENCRYPTED: u32 = 0x8000_0000;

/// The length of the tag of RTCP in both HMAC profiles.
const RTCP_TAG_LEN: usize = 10;

/// Labels of the derived keys (RFC 3711 §4.3.1, §4.3.2): those of RTCP are three higher.
const ENCRYPTION: u8 = 0;
const AUTHENTICATION: u8 = 1;
const SALT: u8 = 2;

/// The session keys of one direction, for RTP or for RTCP.
pub(super) enum Cipher {
    /// Elsewhere, because its scheduled keys are many times larger than those of GCM, which most have.
    Hmac(Box<Hmac>),
    Gcm {
        cipher: AesGcm,
        salt: [u8; 12],
    },
}

/// AES in counter mode, authenticated by HMAC-SHA1.
pub(super) struct Hmac {
    cipher: CounterMode,
    salt: [u8; 14],
    hmac: HmacSha1,
    tag_len: usize,
}

/// Which packets the derived keys are for; the value is the first label.
#[derive(Clone, Copy)]
pub(super) enum Use {
    Rtp = 0,
    Rtcp = 3,
}

impl Cipher {
    /// Derives the session keys; the lengths of key and salt were checked against the profile.
    pub(super) fn new(profile: Profile, key: &[u8], salt: &[u8], what: Use) -> Self {
        let derive = |label: u8, out: &mut [u8]| derive(key, salt, label + what as u8, out);
        let mut cipher_key = [0; 32];
        let cipher_key = &mut cipher_key[..profile.key_len()];
        derive(ENCRYPTION, cipher_key);
        match profile {
            Profile::Aes128CmHmacSha1_80 | Profile::Aes128CmHmacSha1_32 => {
                let (mut salt, mut auth) = ([0; 14], [0; 20]);
                derive(SALT, &mut salt);
                derive(AUTHENTICATION, &mut auth);
                let tag_len = match what {
                    Use::Rtp => profile.rtp_overhead(),
                    Use::Rtcp => RTCP_TAG_LEN,
                };
                let (cipher, hmac) = (CounterMode::new(cipher_key), HmacSha1::new(&auth));
                Self::Hmac(Box::new(Hmac { cipher, salt, hmac, tag_len }))
            }
            Profile::AeadAes128Gcm | Profile::AeadAes256Gcm => {
                let mut salt = [0; 12];
                derive(SALT, &mut salt);
                Self::Gcm { cipher: AesGcm::new(cipher_key), salt }
            }
        }
    }

    /// Encrypts the payload, which begins at `header`, and writes the tag behind the packet of `len` bytes. The
    /// buffer has room for it. Gives the new length.
    pub(super) fn seal_rtp(&self, buf: &mut [u8], header: usize, len: usize, ssrc: u32, index: u64) -> usize {
        match self {
            Self::Hmac(keys) => {
                let Hmac { cipher, salt, hmac, tag_len } = &**keys;
                cipher.apply(counter(salt, ssrc, index), &mut buf[header..len]);
                let tag = hmac.tag(&[&buf[..len], &rollover(index)]);
                buf[len..len + tag_len].copy_from_slice(&tag[..*tag_len]);
                len + tag_len
            }
            Self::Gcm { cipher, salt } => {
                let (aad, rest) = buf.split_at_mut(header);
                let (text, rest) = rest.split_at_mut(len - header);
                let tag = cipher.seal(rtp_nonce(salt, ssrc, index), aad, text);
                rest[..TAG_LEN].copy_from_slice(&tag);
                len + TAG_LEN
            }
        }
    }

    /// Checks and decrypts a packet whose payload begins at `header`. Gives the length without the tag, or `None`
    /// when the packet was not made with these keys and this index.
    pub(super) fn open_rtp(&self, buf: &mut [u8], header: usize, ssrc: u32, index: u64) -> Option<usize> {
        match self {
            Self::Hmac(keys) => {
                let Hmac { cipher, salt, hmac, tag_len } = &**keys;
                let len = buf.len().checked_sub(*tag_len).filter(|len| *len >= header)?;
                let (packet, tag) = buf.split_at_mut(len);
                let expected = hmac.tag(&[packet, &rollover(index)]);
                if !constant_time_eq(tag, &expected[..*tag_len]) {
                    return None;
                }
                cipher.apply(counter(salt, ssrc, index), &mut packet[header..]);
                Some(len)
            }
            Self::Gcm { cipher, salt } => {
                let (aad, text) = buf.split_at_mut(header);
                let len = cipher.open(rtp_nonce(salt, ssrc, index), aad, text)?;
                Some(header + len)
            }
        }
    }

    /// Encrypts an RTCP packet of `len` bytes behind its first eight, writes the index and the tag in the order
    /// of the profile, and gives the new length. The buffer has room for it.
    pub(super) fn seal_rtcp(&self, buf: &mut [u8], len: usize, ssrc: u32, index: u32) -> usize {
        let word = (ENCRYPTED | index).to_be_bytes();
        match self {
            Self::Hmac(keys) => {
                let Hmac { cipher, salt, hmac, tag_len } = &**keys;
                cipher.apply(counter(salt, ssrc, index.into()), &mut buf[8..len]);
                buf[len..len + 4].copy_from_slice(&word);
                let tag = hmac.tag(&[&buf[..len + 4]]);
                buf[len + 4..len + 4 + tag_len].copy_from_slice(&tag[..*tag_len]);
                len + 4 + tag_len
            }
            Self::Gcm { cipher, salt } => {
                let aad = rtcp_aad(buf, word);
                let (text, rest) = buf[8..].split_at_mut(len - 8);
                let tag = cipher.seal(rtcp_nonce(salt, ssrc, index), &aad, text);
                rest[..TAG_LEN].copy_from_slice(&tag);
                rest[TAG_LEN..TAG_LEN + 4].copy_from_slice(&word);
                len + TAG_LEN + 4
            }
        }
    }

    /// The index that a protected RTCP packet names, not yet authenticated. `None` when it is too short to be one
    /// or says that it is not encrypted.
    pub(super) fn rtcp_index(&self, buf: &[u8]) -> Option<u32> {
        let behind = match self {
            Self::Hmac(keys) => keys.tag_len,
            Self::Gcm { .. } => 0,
        };
        let least = 8 + 4 + self.rtcp_tag_len();
        let at = buf.len().checked_sub(behind + 4).filter(|_| buf.len() >= least)?;
        let word = u32::from_be_bytes(*buf[at..].first_chunk()?);
        (word & ENCRYPTED != 0).then_some(word & !ENCRYPTED)
    }

    /// Checks and decrypts a packet that [`rtcp_index`](Self::rtcp_index) has read. Gives the plain length.
    pub(super) fn open_rtcp(&self, buf: &mut [u8], ssrc: u32, index: u32) -> Option<usize> {
        match self {
            Self::Hmac(keys) => {
                let Hmac { cipher, salt, hmac, tag_len } = &**keys;
                let (covered, tag) = buf.split_at_mut(buf.len() - tag_len);
                let expected = hmac.tag(&[covered]);
                if !constant_time_eq(tag, &expected[..*tag_len]) {
                    return None;
                }
                let len = covered.len() - 4;
                cipher.apply(counter(salt, ssrc, index.into()), &mut covered[8..len]);
                Some(len)
            }
            Self::Gcm { cipher, salt } => {
                let aad = rtcp_aad(buf, (ENCRYPTED | index).to_be_bytes());
                let end = buf.len() - 4;
                let len = cipher.open(rtcp_nonce(salt, ssrc, index), &aad, &mut buf[8..end])?;
                Some(8 + len)
            }
        }
    }

    fn rtcp_tag_len(&self) -> usize {
        match self {
            Self::Hmac(keys) => keys.tag_len,
            Self::Gcm { .. } => TAG_LEN,
        }
    }
}

/// AES in counter mode over zeroes, from the salt with the label mixed in (RFC 3711 §4.3.3). A salt of 12 bytes
/// stands before two zero bytes (RFC 7714 §11).
fn derive(key: &[u8], salt: &[u8], label: u8, out: &mut [u8]) {
    let mut iv = [0; 16];
    iv[..salt.len()].copy_from_slice(salt);
    iv[7] ^= label;
    out.fill(0);
    CounterMode::new(key).apply(iv, out);
}

/// The initial counter block of AES-CM (RFC 3711 §4.1.1).
fn counter(salt: &[u8; 14], ssrc: u32, index: u64) -> [u8; 16] {
    let mut iv = [0; 16];
    iv[..14].copy_from_slice(salt);
    mix(&mut iv[4..8], &ssrc.to_be_bytes());
    mix(&mut iv[8..14], &index.to_be_bytes()[2..]);
    iv
}

/// RFC 7714 §8.1: two zero bytes, SSRC, rollover counter and sequence number, mixed with the salt.
fn rtp_nonce(salt: &[u8; 12], ssrc: u32, index: u64) -> [u8; 12] {
    let mut nonce = *salt;
    mix(&mut nonce[2..6], &ssrc.to_be_bytes());
    mix(&mut nonce[6..], &index.to_be_bytes()[2..]);
    nonce
}

/// RFC 7714 §9.1: two zero bytes, SSRC, two zero bytes and the index, mixed with the salt.
fn rtcp_nonce(salt: &[u8; 12], ssrc: u32, index: u32) -> [u8; 12] {
    let mut nonce = *salt;
    mix(&mut nonce[2..6], &ssrc.to_be_bytes());
    mix(&mut nonce[8..], &index.to_be_bytes());
    nonce
}

/// RFC 7714 §9.2: the first eight bytes, and the index with its flag.
fn rtcp_aad(buf: &[u8], word: [u8; 4]) -> [u8; 12] {
    let mut aad = [0; 12];
    aad[..8].copy_from_slice(&buf[..8]);
    aad[8..].copy_from_slice(&word);
    aad
}

/// The rollover counter, which the HMAC covers though it is not sent (RFC 3711 §4.2).
fn rollover(index: u64) -> [u8; 4] {
    let [_, _, a, b, c, d, _, _] = index.to_be_bytes();
    [a, b, c, d]
}

fn mix(into: &mut [u8], bytes: &[u8]) {
    for (a, b) in into.iter_mut().zip(bytes) {
        *a ^= b;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3711 appendix B.3.
    #[test]
    fn keys_are_derived_as_in_rfc_3711() {
        let key = 0xe1f9_7a0d_3e01_8be0_d64f_a32c_06de_4139_u128.to_be_bytes();
        let salt = 0x0ec6_75ad_498a_feeb_b696_0b3a_abe6_u128.to_be_bytes();
        let derived = |label, len| {
            let mut out = vec![0; len];
            derive(&key, &salt[2..], label, &mut out);
            out.iter().map(|b| format!("{b:02x}")).collect::<String>()
        };
        assert_eq!(derived(ENCRYPTION, 16), "c61e7a93744f39ee10734afe3ff7a087");
        assert_eq!(derived(SALT, 14), "30cbbc08863d8c85d49db34a9ae1");
        let auth = "cebe321f6ff7716b6fd4ab49af256a156d38baa48f0a0acf3c34e2359e6cdbcee049646c43d9327ad175\
                    578ef72270986371c10c9a369ac2f94a8c5fbcdddc256d6e919a48b610ef17c2041e47403576";
        assert_eq!(derived(AUTHENTICATION, 80), auth);
    }

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
    }

    /// The samples of RFC 7714 §16.1 and §17.1 name session keys, not master keys.
    fn sample(key_len: usize) -> Cipher {
        let key: Vec<u8> = (0..32).collect();
        Cipher::Gcm { cipher: AesGcm::new(&key[..key_len]), salt: *b"Quid pro quo" }
    }

    #[test]
    fn rtp_is_sealed_as_in_rfc_7714() {
        let plain = bytes("8040f17b8041f8d35501a0b2");
        let plain = [&plain[..], b"Gallia est omnis divisa in partes tres"].concat();
        for (key_len, text) in [
            (
                16,
                "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833\
                 899d7f27beb16a9152cf765ee4390cce",
            ),
            (
                32,
                "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b\
                 7aa3db36dfffd6b0f9bb7878d7a76c13",
            ),
        ] {
            let mut buf = plain.clone();
            buf.resize(plain.len() + TAG_LEN, 0);
            let len = sample(key_len).seal_rtp(&mut buf, 12, plain.len(), 0x5501_a0b2, 0xf17b);
            assert_eq!((len, &buf[12..]), (buf.len(), &bytes(text)[..]), "{key_len}");
            assert_eq!(sample(key_len).open_rtp(&mut buf, 12, 0x5501_a0b2, 0xf17b), Some(plain.len()));
            assert_eq!(buf[..plain.len()], plain);
        }
    }

    #[test]
    fn rtcp_is_sealed_as_in_rfc_7714() {
        let plain = bytes(
            "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61\
             deadbeefdeadbeefdeadbeefdeadbeefdeadbeef",
        );
        let expected = bytes(
            "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32d\
             c676a5f1730d6fda4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4",
        );
        let mut buf = plain.clone();
        buf.resize(plain.len() + TAG_LEN + 4, 0);
        sample(16).seal_rtcp(&mut buf, plain.len(), 0x4d61_7273, 0x5d4);
        assert_eq!(buf, expected);
        assert_eq!(sample(16).rtcp_index(&buf), Some(0x5d4));
        assert_eq!(sample(16).open_rtcp(&mut buf, 0x4d61_7273, 0x5d4), Some(plain.len()));
        assert_eq!(buf[..plain.len()], plain);
    }
}
