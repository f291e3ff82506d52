//! Choosing the password algorithm, and hiding the user name (RFC 8489 §14.4, §14.11, §14.12).

use super::Attribute;
use crate::TransactionId;
use wire::{Reader, Short, Writer};

/// How the key is derived from a password (RFC 8489 §18.5).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Algorithm {
    /// MD5, the only one of RFC 5389.
    Md5,
    /// SHA-256.
    Sha256,
}

impl Algorithm {
    const fn from_number(number: u16) -> Option<Self> {
        match number {
            1 => Some(Self::Md5),
            2 => Some(Self::Sha256),
            _ => None,
        }
    }

    const fn number(self) -> u16 {
        match self {
            Self::Md5 => 1,
            Self::Sha256 => 2,
        }
    }
}

/// PASSWORD-ALGORITHM: the one the client chose. Both known ones have no parameters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PasswordAlgorithm(pub Algorithm);

impl<'a> Attribute<'a> for PasswordAlgorithm {
    const KIND: u16 = 0x001d;

    fn parse(value: &'a [u8], _: TransactionId) -> Option<Self> {
        let mut r = Reader::new(value);
        let (number, parameters) = (r.u16().ok()?, r.u16().ok()?);
        if parameters != 0 || !r.rest().is_empty() {
            return None;
        }
        Algorithm::from_number(number).map(Self)
    }

    fn write(&self, out: &mut Writer<'_>, _: TransactionId) -> Result<(), Short> {
        out.u16(self.0.number())?;
        out.u16(0)
    }
}

/// PASSWORD-ALGORITHMS: what a server offers, best first, and what a client echoes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PasswordAlgorithms<'a>(pub &'a [u8]);

impl PasswordAlgorithms<'static> {
    /// SHA-256, then MD5.
    pub const BOTH: Self = Self(&[0, 2, 0, 0, 0, 1, 0, 0]);
}

impl PasswordAlgorithms<'_> {
    /// The algorithms that this crate knows, in order.
    pub fn known(&self) -> impl Iterator<Item = Algorithm> {
        let mut r = Reader::new(self.0);
        std::iter::from_fn(move || {
            let (number, parameters) = (r.u16().ok()?, r.u16().ok()?);
            r.take(usize::from(parameters).next_multiple_of(4)).ok()?;
            Some(if parameters == 0 { Algorithm::from_number(number) } else { None })
        })
        .flatten()
    }
}

impl<'a> Attribute<'a> for PasswordAlgorithms<'a> {
    const KIND: u16 = 0x8002;

    fn parse(value: &'a [u8], _: TransactionId) -> Option<Self> {
        (value.len() >= 4).then_some(Self(value))
    }

    fn write(&self, out: &mut Writer<'_>, _: TransactionId) -> Result<(), Short> {
        out.put(self.0)
    }
}

/// USERHASH: stands for the user name without telling it; see [`user_hash`](crate::user_hash).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UserHash(pub [u8; 32]);

impl<'a> Attribute<'a> for UserHash {
    const KIND: u16 = 0x001e;

    fn parse(value: &'a [u8], _: TransactionId) -> Option<Self> {
        value.try_into().ok().map(Self)
    }

    fn write(&self, out: &mut Writer<'_>, _: TransactionId) -> Result<(), Short> {
        out.put(&self.0)
    }
}
