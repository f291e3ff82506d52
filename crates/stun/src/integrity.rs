//! MESSAGE-INTEGRITY and MESSAGE-INTEGRITY-SHA256 (RFC 8489 §14.5, §14.6).

use std::sync::OnceLock;

use crate::attribute::{FINGERPRINT, MESSAGE_INTEGRITY, MESSAGE_INTEGRITY_SHA256};
use crate::message::{HEADER_LEN, Malformed, Message, split_attribute};
use crypto::{HmacSha1, HmacSha256};

/// The key of message integrity, scheduled for SHA-1, and for SHA-256 when it is needed first: ICE never does, and an
/// agent is to be small.
#[derive(Clone)]
pub struct Key {
    /// `None` for a key that is scheduled for each message.
    sha1: Option<Box<HmacSha1>>,
    sha256: OnceLock<Box<HmacSha256>>,
    bytes: Box<[u8]>,
}

impl Key {
    /// The key of these bytes: a password for short-term credentials (RFC 8489 §9.1.1), else what
    /// [`LongTerm::key_bytes`](crate::LongTerm::key_bytes) gives.
    pub fn new(bytes: &[u8]) -> Self {
        Self { sha1: Some(Box::new(HmacSha1::new(bytes))), ..Self::seldom(bytes) }
    }

    /// The same for a message every few seconds, as the checks of ICE are: a scheduled key is fifty times as large as a
    /// password, so each message schedules its own.
    pub fn seldom(bytes: &[u8]) -> Self {
        Self { sha1: None, sha256: OnceLock::new(), bytes: bytes.into() }
    }

    /// The SHA-1 tag over a message up to its integrity attribute, whose header says `length`.
    pub(crate) fn sha1_tag(&self, covered: &[u8], length: u16) -> [u8; 20] {
        let parts: [&[u8]; 3] = [&covered[..2], &length.to_be_bytes(), &covered[4..]];
        match &self.sha1 {
            Some(scheduled) => scheduled.tag(&parts),
            None => HmacSha1::new(&self.bytes).tag(&parts),
        }
    }

    /// The SHA-256 tag over a message up to its integrity attribute, whose header says `length`.
    pub(crate) fn sha256_tag(&self, covered: &[u8], length: u16) -> [u8; 32] {
        let sha256 = self.sha256.get_or_init(|| Box::new(HmacSha256::new(&self.bytes)));
        sha256.tag(&[&covered[..2], &length.to_be_bytes(), &covered[4..]])
    }
}

impl std::fmt::Debug for Key {
    /// Says nothing of the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

/// Which integrity attribute a message carries, or is to carry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Integrity {
    /// MESSAGE-INTEGRITY.
    Sha1,
    /// MESSAGE-INTEGRITY-SHA256; a message with both counts as this.
    Sha256,
}

/// Where the attributes stand that cover what is before them.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Marks {
    pub(crate) sha1: Option<u16>,
    pub(crate) sha256: Option<u16>,
    pub(crate) fingerprint: Option<u16>,
}

impl Marks {
    /// Walks all attributes: each must fit, and FINGERPRINT must be the last (RFC 8489 §14.7).
    pub(crate) fn find(message: &[u8]) -> Result<Self, Malformed> {
        let mut marks = Self::default();
        let mut rest = &message[HEADER_LEN..];
        while !rest.is_empty() {
            let at = u16::try_from(message.len() - rest.len()).map_err(|_| Malformed)?;
            let (attribute, after) = split_attribute(rest).ok_or(Malformed)?;
            rest = after;
            if marks.fingerprint.is_some() {
                return Err(Malformed);
            }
            match attribute.kind {
                // What comes behind another integrity attribute is not looked at, except SHA-256 behind SHA-1.
                MESSAGE_INTEGRITY if marks.sha1.is_none() && marks.sha256.is_none() => marks.sha1 = Some(at),
                MESSAGE_INTEGRITY_SHA256 if marks.sha256.is_none() => marks.sha256 = Some(at),
                FINGERPRINT => marks.fingerprint = Some(at),
                _ => {}
            }
        }
        Ok(marks)
    }
}

impl Message<'_> {
    /// The integrity attribute that a receiver checks: the stronger one when there are two
    /// (RFC 8489 §9.1.3, §9.2.4).
    pub fn integrity(&self) -> Option<Integrity> {
        match (self.marks().sha256, self.marks().sha1) {
            (Some(_), _) => Some(Integrity::Sha256),
            (None, Some(_)) => Some(Integrity::Sha1),
            (None, None) => None,
        }
    }

    /// Whether the message carries integrity and its tag was made with this key. The comparison takes the
    /// same time wherever a wrong tag differs.
    pub fn verify(&self, key: &Key) -> bool {
        match (self.marks().sha256, self.marks().sha1) {
            (Some(at), _) => self.verify_sha256(key, at),
            (None, Some(at)) => {
                let Some((covered, value, length)) = self.covered(at) else { return false };
                value.len() == 20 && crypto::constant_time_eq(value, &key.sha1_tag(covered, length))
            }
            (None, None) => false,
        }
    }

    /// A SHA-256 tag may be cut to a multiple of 4 bytes, 16 at least (RFC 8489 §14.6).
    fn verify_sha256(&self, key: &Key, at: u16) -> bool {
        let Some((covered, value, length)) = self.covered(at) else { return false };
        let plausible = (16..=32).contains(&value.len()) && value.len() % 4 == 0;
        plausible && crypto::constant_time_eq(value, &key.sha256_tag(covered, length)[..value.len()])
    }

    /// What the attribute at `at` covers, its value, and the length field as it was when the tag was made:
    /// that attribute included, what follows it not.
    fn covered(&self, at: u16) -> Option<(&[u8], &[u8], u16)> {
        let (covered, rest) = self.bytes().split_at_checked(usize::from(at))?;
        let (attribute, _) = split_attribute(rest)?;
        let length = usize::from(at) + 4 + attribute.value.len() - HEADER_LEN;
        Some((covered, attribute.value, u16::try_from(length).ok()?))
    }
}
