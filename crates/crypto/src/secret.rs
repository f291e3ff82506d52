//! Secrets that are wiped when they are not needed any more.

use std::fmt;
use std::ops::Deref;

use zeroize::Zeroize as _;

/// Bytes that are overwritten when dropped, so that they cannot be read from memory that something else uses later.
#[derive(Clone, Eq, Default)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// All parts, one behind the other.
    pub fn of(parts: &[&[u8]]) -> Self {
        // Has its length from the start: a copy left behind by growth would not be wiped.
        Self(parts.concat().into_boxed_slice())
    }

    /// What stands in `bytes`, which are wiped.
    pub fn take(bytes: &mut [u8]) -> Self {
        let secret = Self::of(&[bytes]);
        bytes.zeroize();
        secret
    }
}

impl From<&[u8]> for Secret {
    fn from(bytes: &[u8]) -> Self {
        Self::of(&[bytes])
    }
}

impl Deref for Secret {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq for Secret {
    /// In a time that depends on the lengths only.
    fn eq(&self, other: &Self) -> bool {
        crate::constant_time_eq(self, other)
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    /// Says nothing of the bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_its_parts_and_does_not_show_them() {
        let secret = Secret::of(&[b"one ", b"two"]);
        assert_eq!(*secret, *b"one two");
        assert_eq!(format!("{secret:?}"), "Secret(7 bytes)");
    }
}
