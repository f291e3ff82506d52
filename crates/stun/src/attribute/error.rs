//! ERROR-CODE, ADDRESS-ERROR-CODE and UNKNOWN-ATTRIBUTES (RFC 8489 §14.8, §14.13, RFC 8656 §18.12).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  Reserved, should be 0  (Family)    |Class|     Number        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |      Reason Phrase (variable)                                ..
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::{AddressFamily, Attribute};
use crate::TransactionId;
use wire::{Reader, Short, Writer};

/// Why a request failed. Equal when the codes are: the phrase is for people.
#[derive(Clone, Copy, Debug)]
pub struct ErrorCode<'a> {
    /// 300 to 699.
    pub code: u16,
    /// For people.
    pub reason: &'a str,
}

macro_rules! codes {
    ($($name:ident = $code:literal $reason:literal, $section:literal;)*) => {
        impl ErrorCode<'static> {
            $(#[doc = concat!($reason, " (", $section, ").")]
            pub const $name: Self = Self { code: $code, reason: $reason };)*
        }
    };
}

codes! {
    TRY_ALTERNATE = 300 "Try Alternate", "RFC 8489 §14.8";
    BAD_REQUEST = 400 "Bad Request", "RFC 8489 §14.8";
    UNAUTHENTICATED = 401 "Unauthenticated", "RFC 8489 §14.8";
    FORBIDDEN = 403 "Forbidden", "RFC 8656 §19";
    MOBILITY_FORBIDDEN = 405 "Mobility Forbidden", "RFC 8016 §3.5";
    UNKNOWN_ATTRIBUTE = 420 "Unknown Attribute", "RFC 8489 §14.8";
    ALLOCATION_MISMATCH = 437 "Allocation Mismatch", "RFC 8656 §19";
    STALE_NONCE = 438 "Stale Nonce", "RFC 8489 §14.8";
    ADDRESS_FAMILY_NOT_SUPPORTED = 440 "Address Family not Supported", "RFC 8656 §19";
    WRONG_CREDENTIALS = 441 "Wrong Credentials", "RFC 8656 §19";
    UNSUPPORTED_TRANSPORT = 442 "Unsupported Transport Protocol", "RFC 8656 §19";
    PEER_ADDRESS_FAMILY_MISMATCH = 443 "Peer Address Family Mismatch", "RFC 8656 §19";
    CONNECTION_ALREADY_EXISTS = 446 "Connection Already Exists", "RFC 6062 §6.3";
    CONNECTION_TIMEOUT_OR_FAILURE = 447 "Connection Timeout or Failure", "RFC 6062 §6.3";
    ALLOCATION_QUOTA_REACHED = 486 "Allocation Quota Reached", "RFC 8656 §19";
    ROLE_CONFLICT = 487 "Role Conflict", "RFC 8445 §16.2";
    SERVER_ERROR = 500 "Server Error", "RFC 8489 §14.8";
    INSUFFICIENT_CAPACITY = 508 "Insufficient Capacity", "RFC 8656 §19";
}

impl PartialEq for ErrorCode<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.code == other.code
    }
}

impl Eq for ErrorCode<'_> {}

impl<'a> Attribute<'a> for ErrorCode<'a> {
    const KIND: u16 = 0x0009;

    fn parse(value: &'a [u8], _: TransactionId) -> Option<Self> {
        parse(value).map(|(_, error)| error)
    }

    fn write(&self, out: &mut Writer<'_>, _: TransactionId) -> Result<(), Short> {
        write(0, self, out)
    }
}

/// ADDRESS-ERROR-CODE: why one of two address families was not given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AddressErrorCode<'a> {
    /// The family that was not given.
    pub family: AddressFamily,
    /// Why.
    pub error: ErrorCode<'a>,
}

impl<'a> Attribute<'a> for AddressErrorCode<'a> {
    const KIND: u16 = 0x8001;

    fn parse(value: &'a [u8], _: TransactionId) -> Option<Self> {
        let (family, error) = parse(value)?;
        Some(Self { family: AddressFamily::from_number(family)?, error })
    }

    fn write(&self, out: &mut Writer<'_>, _: TransactionId) -> Result<(), Short> {
        write(self.family.number(), &self.error, out)
    }
}

fn parse(value: &[u8]) -> Option<(u8, ErrorCode<'_>)> {
    let mut r = Reader::new(value);
    let [family, _, class, number] = r.array().ok()?;
    let class = class & 7;
    let plausible = (3..=6).contains(&class) && number < 100 && r.rest().len() <= 763;
    // A phrase that is no UTF-8 is a phrase nobody needs: the code counts.
    let reason = std::str::from_utf8(r.rest()).unwrap_or_default();
    let code = u16::from(class) * 100 + u16::from(number);
    plausible.then_some((family, ErrorCode { code, reason }))
}

#[expect(clippy::cast_possible_truncation, reason = "a code is below 700")]
fn write(family: u8, error: &ErrorCode<'_>, out: &mut Writer<'_>) -> Result<(), Short> {
    out.put(&[family, 0, (error.code / 100) as u8 & 7, (error.code % 100) as u8])?;
    out.put(error.reason.as_bytes())
}

/// UNKNOWN-ATTRIBUTES: what the receiver would have had to understand. 16 numbers at most are kept.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct UnknownAttributes {
    kinds: [u16; 16],
    len: usize,
}

impl UnknownAttributes {
    /// The numbers.
    pub fn kinds(&self) -> &[u16] {
        &self.kinds[..self.len]
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a number unless it is listed or the list is full.
    pub fn add(&mut self, kind: u16) {
        if self.len < self.kinds.len() && !self.kinds().contains(&kind) {
            self.kinds[self.len] = kind;
            self.len += 1;
        }
    }
}

impl<'a> Attribute<'a> for UnknownAttributes {
    const KIND: u16 = 0x000a;

    fn parse(value: &'a [u8], _: TransactionId) -> Option<Self> {
        let mut unknown = Self::default();
        for pair in value.chunks_exact(2) {
            unknown.add(u16::from_be_bytes([pair[0], pair[1]]));
        }
        value.len().is_multiple_of(2).then_some(unknown)
    }

    fn write(&self, out: &mut Writer<'_>, _: TransactionId) -> Result<(), Short> {
        self.kinds().iter().try_for_each(|kind| out.u16(*kind))
    }
}
