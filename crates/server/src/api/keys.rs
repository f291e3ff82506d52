//! API keys: what an application shows to be let in, and signs join tokens with.
//!
//! A key is one text, `ID.SECRET`, as `Authorization: Bearer` takes it (RFC 6750 §2.1). The keys stand in a file of
//! their own, one on a line, so that no flag, variable or listing of the configuration shows them.

use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use crypto::HmacSha256;

/// Characters of an id.
const ID: std::ops::RangeInclusive<usize> = 1..=32;
/// Characters of a secret: 32 of base64url are 192 bits.
const SECRET: std::ops::RangeInclusive<usize> = 32..=256;

/// The keys of all applications, by id.
#[derive(Debug, Default)]
pub struct Keys(BTreeMap<String, Key>);

/// One application's key.
pub struct Key {
    id: String,
    secret: String,
    hmac: HmacSha256,
}

impl fmt::Debug for Key {
    /// The secret stays unsaid.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Key {
    /// Names the application; no secret.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// HMAC-SHA256 under the secret, over the concatenated parts.
    pub(crate) fn tag(&self, parts: &[&[u8]]) -> [u8; 32] {
        self.hmac.tag(parts)
    }
}

impl Keys {
    /// Reads the file of keys.
    ///
    /// # Errors
    /// When it cannot be read, or a line of it is no key: which, and how one looks. The secret is not repeated.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("`api-keys`: cannot read {}", path.display()))?;
        let mode = std::fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode());
        if mode & 0o077 != 0 {
            tracing::warn!(path = %path.display(), "others than its owner can read the file of API keys: chmod 600 it");
        }
        Self::parse(&text).with_context(|| format!("`api-keys`: {}", path.display()))
    }

    /// Reads keys, one on a line; empty lines and those that begin with `#` are passed over.
    ///
    /// # Errors
    /// The first line that is no key.
    pub fn parse(text: &str) -> Result<Self> {
        let mut keys = BTreeMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let key = parse_key(line).with_context(|| format!("line {number}"))?;
            if let Some(key) = keys.insert(key.id.clone(), key) {
                bail!("line {number}: there is a key of the id `{}` already", key.id);
            }
        }
        ensure!(
            !keys.is_empty(),
            "there is no key in it; one looks like `shop.` and 32 or more random letters"
        );
        Ok(Self(keys))
    }

    /// The key of this id.
    pub fn get(&self, id: &str) -> Option<&Key> {
        self.0.get(id)
    }

    /// The key that `text` is, compared in constant time.
    pub fn known(&self, text: &str) -> Option<&Key> {
        let (id, secret) = text.split_once('.')?;
        self.get(id).filter(|key| crypto::constant_time_eq(key.secret.as_bytes(), secret.as_bytes()))
    }
}

fn parse_key(line: &str) -> Result<Key> {
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let (id, secret) = line.split_once('.').context("there is no `.` between the id and the secret")?;
    ensure!(ID.contains(&id.len()) && plain(id), "the id, before the `.`, has 1 to 32 of A-Z a-z 0-9 - _");
    ensure!(
        SECRET.contains(&secret.len()) && plain(secret),
        "the secret, after the `.`, has 32 to 256 of A-Z a-z 0-9 - _ (`openssl rand -hex 32` makes one)"
    );
    Ok(Key { id: id.to_owned(), secret: secret.to_owned(), hmac: HmacSha256::new(secret.as_bytes()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_by_its_whole_text() {
        let secret = "s".repeat(32);
        let keys = Keys::parse(&format!("# ours\n\n shop.{secret}\nschool.{}\n", "t".repeat(256))).unwrap();
        assert_eq!(keys.known(&format!("shop.{secret}")).map(Key::id), Some("shop"));
        for wrong in ["", ".", "shop", "shop.", &format!("school.{secret}"), &format!("shop.{secret}s")] {
            assert!(keys.known(wrong).is_none(), "{wrong}");
        }
        assert!(!format!("{keys:?}").contains(&secret), "a secret is never shown");
    }

    #[test]
    fn what_is_wrong_with_a_line_is_said_without_the_secret() {
        let secret = "s".repeat(32);
        for (text, wanted) in [
            (String::new(), "there is no key"),
            ("shop".to_owned(), "line 1: there is no `.`"),
            (format!(".{secret}"), "line 1: the id"),
            (format!("a b.{secret}"), "line 1: the id"),
            (format!("shop.{secret}\nshop.{secret}"), "line 2: there is a key of the id `shop`"),
            (format!("\nshop.{}", &secret[1..]), "line 2: the secret"),
            (format!("shop.{secret}!"), "line 1: the secret"),
        ] {
            let error = format!("{:#}", Keys::parse(&text).unwrap_err());
            assert!(error.contains(wanted), "{text}: {error}");
            assert!(!error.contains(&secret[1..]), "{error}");
        }
    }
}
