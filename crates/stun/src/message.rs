//! The message view (RFC 8489 §5).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |0 0|     STUN Message Type     |         Message Length        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                         Magic Cookie                          |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                     Transaction ID (96 bits)                  |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use crate::attribute::{self, Attribute, Fingerprint, UnknownAttributes};
use crate::integrity::Marks;

/// What the second four bytes of every message are (RFC 8489 §5).
pub const MAGIC_COOKIE: u32 = 0x2112_A442;

/// The bytes of a message header.
pub(crate) const HEADER_LEN: usize = 20;

/// The bytes are not a well-formed message, or an attribute's value is not well-formed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed;

/// The class of a message (RFC 8489 §5).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Class {
    /// A request, which is answered.
    Request,
    /// An indication, which is not.
    Indication,
    /// The answer that it was done.
    Success,
    /// The answer that it was not.
    Error,
}

/// The method of a message: 12 bits (RFC 8489 §18.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Method(u16);

impl Method {
    /// Binding (RFC 8489 §2).
    pub const BINDING: Self = Self(0x001);
    /// Allocate (RFC 8656 §17).
    pub const ALLOCATE: Self = Self(0x003);
    /// Refresh (RFC 8656 §17).
    pub const REFRESH: Self = Self(0x004);
    /// Send, an indication (RFC 8656 §17).
    pub const SEND: Self = Self(0x006);
    /// Data, an indication (RFC 8656 §17).
    pub const DATA: Self = Self(0x007);
    /// CreatePermission (RFC 8656 §17).
    pub const CREATE_PERMISSION: Self = Self(0x008);
    /// ChannelBind (RFC 8656 §17).
    pub const CHANNEL_BIND: Self = Self(0x009);
    /// Connect (RFC 6062 §6.1).
    pub const CONNECT: Self = Self(0x00a);
    /// ConnectionBind (RFC 6062 §6.1).
    pub const CONNECTION_BIND: Self = Self(0x00b);
    /// ConnectionAttempt, an indication (RFC 6062 §6.1).
    pub const CONNECTION_ATTEMPT: Self = Self(0x00c);

    /// A method by its number; `None` above 0xfff.
    pub const fn new(number: u16) -> Option<Self> {
        if number <= 0xfff { Some(Self(number)) } else { None }
    }

    /// The method's number.
    pub const fn number(self) -> u16 {
        self.0
    }
}

/// The type field: the class bits C1 and C0 are woven into the method (RFC 8489 §5, figure 3).
pub(crate) const fn message_type(class: Class, method: Method) -> u16 {
    let m = method.0;
    let class = match class {
        Class::Request => 0x000,
        Class::Indication => 0x010,
        Class::Success => 0x100,
        Class::Error => 0x110,
    };
    (m & 0x00f) | (m & 0x070) << 1 | (m & 0xf80) << 2 | class
}

/// Joins a response to its request (RFC 8489 §5).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TransactionId(pub [u8; 12]);

/// A well-formed message in the caller's bytes.
///
/// Only what RFC 8489 §14.5 lets a receiver see is visible: attributes behind MESSAGE-INTEGRITY are ignored
/// unless they are MESSAGE-INTEGRITY-SHA256 or FINGERPRINT.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    marks: Marks,
}

impl<'a> Message<'a> {
    /// Whether the first byte could begin a STUN message (RFC 7983 §7: 0 to 3).
    pub fn is_stun(bytes: &[u8]) -> bool {
        matches!(bytes, [0..=3, ..])
    }

    /// A view of `bytes`, which are exactly one message.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let Some((header, body)) = bytes.split_at_checked(HEADER_LEN) else { return Err(Malformed) };
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if header[0] & 0xc0 != 0
            || length % 4 != 0
            || length != body.len()
            || header[4..8] != MAGIC_COOKIE.to_be_bytes()
        {
            return Err(Malformed);
        }
        let marks = Marks::find(bytes)?;
        Ok(Self { bytes, marks })
    }

    /// The whole message.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Request, indication, success or error.
    pub fn class(&self) -> Class {
        match (self.bytes[0] & 1, self.bytes[1] & 0x10) {
            (0, 0) => Class::Request,
            (0, _) => Class::Indication,
            (_, 0) => Class::Success,
            (_, _) => Class::Error,
        }
    }

    /// What it is about.
    pub fn method(&self) -> Method {
        let t = u16::from_be_bytes([self.bytes[0], self.bytes[1]]);
        Method((t & 0x000f) | (t & 0x00e0) >> 1 | (t & 0x3e00) >> 2)
    }

    /// Joins a response to its request.
    pub fn transaction_id(&self) -> TransactionId {
        let mut id = [0; 12];
        id.copy_from_slice(&self.bytes[8..HEADER_LEN]);
        TransactionId(id)
    }

    /// The visible attributes in order.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes { rest: &self.bytes[HEADER_LEN..], integrity: false, sha256: false }
    }

    /// The value of the first attribute of this number (RFC 8489 §14: later ones may be ignored).
    pub fn raw(&self, kind: u16) -> Option<&'a [u8]> {
        self.attributes().find(|a| a.kind == kind).map(|a| a.value)
    }

    /// The first attribute of this type. `Ok(None)`: absent. `Err`: present, but its value makes no sense.
    pub fn get<A: Attribute<'a>>(&self) -> Result<Option<A>, Malformed> {
        self.raw(A::KIND).map(|value| A::parse(value, self.transaction_id()).ok_or(Malformed)).transpose()
    }

    /// All attributes of this type; those that make no sense are `Err`.
    pub fn all<A: Attribute<'a>>(&self) -> impl Iterator<Item = Result<A, Malformed>> {
        let id = self.transaction_id();
        let wanted = self.attributes().filter(|a| a.kind == A::KIND);
        wanted.map(move |a| A::parse(a.value, id).ok_or(Malformed))
    }

    /// Whether an attribute of this type is there, whatever its value.
    pub fn has<A: Attribute<'a>>(&self) -> bool {
        self.raw(A::KIND).is_some()
    }

    /// The comprehension-required attributes (below 0x8000) that this crate does not know, for the 420
    /// response (RFC 8489 §6.3.1); `None` when there are none. Each number is listed once, 16 at most.
    pub fn unknown_required(&self) -> Option<UnknownAttributes> {
        let mut unknown = UnknownAttributes::default();
        for attribute in self.attributes().filter(|a| a.kind < 0x8000 && !attribute::is_known(a.kind)) {
            unknown.add(attribute.kind);
        }
        (!unknown.is_empty()).then_some(unknown)
    }

    /// What FINGERPRINT says of the message (RFC 8489 §7, §14.7).
    pub fn check_fingerprint(&self) -> Fingerprint {
        let Some(offset) = self.marks.fingerprint else { return Fingerprint::Absent };
        let (covered, attribute) = self.bytes.split_at(usize::from(offset));
        if attribute.len() == 8 && attribute[4..] == Fingerprint::of(covered).to_be_bytes() {
            Fingerprint::Valid
        } else {
            Fingerprint::Invalid
        }
    }

    pub(crate) const fn marks(&self) -> &Marks {
        &self.marks
    }
}

/// An attribute as it stands in the message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RawAttribute<'a> {
    /// Its number.
    pub kind: u16,
    /// Its value without padding.
    pub value: &'a [u8],
}

/// The visible attributes of a message in order.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    rest: &'a [u8],
    integrity: bool,
    sha256: bool,
}

impl<'a> Iterator for Attributes<'a> {
    type Item = RawAttribute<'a>;

    fn next(&mut self) -> Option<RawAttribute<'a>> {
        loop {
            let (attribute, rest) = split_attribute(self.rest)?;
            self.rest = rest;
            let visible = match attribute.kind {
                attribute::FINGERPRINT => true,
                attribute::MESSAGE_INTEGRITY_SHA256 => !std::mem::replace(&mut self.sha256, true),
                attribute::MESSAGE_INTEGRITY => {
                    let seen = self.sha256 || self.integrity;
                    self.integrity = true;
                    !seen
                }
                _ => !self.integrity && !self.sha256,
            };
            if visible {
                return Some(attribute);
            }
        }
    }
}

/// The attribute at the front and what follows its padding.
pub(crate) fn split_attribute(bytes: &[u8]) -> Option<(RawAttribute<'_>, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<4>()?;
    let kind = u16::from_be_bytes([head[0], head[1]]);
    let len = usize::from(u16::from_be_bytes([head[2], head[3]]));
    let (padded, rest) = rest.split_at_checked(len.next_multiple_of(4))?;
    Some((RawAttribute { kind, value: &padded[..len] }, rest))
}
