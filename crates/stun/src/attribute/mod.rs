//! The attributes, one file per family.

mod address;
mod discovery;
mod dtls;
mod error;
mod fingerprint;
mod ice;
mod password;
mod relay;
mod text;

pub use address::{
    AlternateServer, MappedAddress, OtherAddress, ResponseOrigin, XorMappedAddress, XorPeerAddress,
    XorRelayedAddress,
};
pub use discovery::{ChangeRequest, Padding, ResponsePort};
pub use dtls::{DtlsInStun, DtlsInStunAck};
pub use error::{AddressErrorCode, ErrorCode, UnknownAttributes};
pub use fingerprint::Fingerprint;
pub use ice::{IceControlled, IceControlling, Priority, UseCandidate};
pub use password::{Algorithm, PasswordAlgorithm, PasswordAlgorithms, UserHash};
pub use relay::{
    AdditionalAddressFamily, AddressFamily, ChannelNumber, ConnectionIdentifier, Data, DontFragment,
    EvenPort, Icmp, Lifetime, MobilityTicket, RequestedAddressFamily, RequestedTransport, ReservationToken,
};
pub use text::{AlternateDomain, Nonce, Realm, Software, Username};

use crate::TransactionId;
use wire::Short;

/// A value that stands in one attribute.
pub trait Attribute<'a>: Sized {
    /// The attribute's number (RFC 8489 §18.3).
    const KIND: u16;

    /// Reads the value; `None` when it makes no sense. The transaction is needed to undo XOR.
    fn parse(value: &'a [u8], id: TransactionId) -> Option<Self>;

    /// Writes the value without padding.
    fn write(&self, out: &mut wire::Writer<'_>, id: TransactionId) -> Result<(), Short>;
}

/// MESSAGE-INTEGRITY (RFC 8489 §14.5).
pub const MESSAGE_INTEGRITY: u16 = 0x0008;
/// MESSAGE-INTEGRITY-SHA256 (RFC 8489 §14.6).
pub const MESSAGE_INTEGRITY_SHA256: u16 = 0x001c;
/// FINGERPRINT (RFC 8489 §14.7).
pub const FINGERPRINT: u16 = 0x8028;

/// Whether this crate understands a comprehension-required attribute (below 0x8000).
pub(crate) const fn is_known(kind: u16) -> bool {
    matches!(
        kind,
        MappedAddress::KIND
            | ChangeRequest::KIND
            | Username::KIND
            | MESSAGE_INTEGRITY
            | ErrorCode::KIND
            | UnknownAttributes::KIND
            | ChannelNumber::KIND
            | Lifetime::KIND
            | XorPeerAddress::KIND
            | Data::KIND
            | Realm::KIND
            | Nonce::KIND
            | XorRelayedAddress::KIND
            | RequestedAddressFamily::KIND
            | EvenPort::KIND
            | RequestedTransport::KIND
            | DontFragment::KIND
            | MESSAGE_INTEGRITY_SHA256
            | PasswordAlgorithm::KIND
            | UserHash::KIND
            | XorMappedAddress::KIND
            | ReservationToken::KIND
            | Priority::KIND
            | UseCandidate::KIND
            | Padding::KIND
            | ResponsePort::KIND
            | ConnectionIdentifier::KIND
    )
}

/// Attributes whose value is one fixed-size big-endian number.
macro_rules! number_attribute {
    ($(#[$doc:meta])* $name:ident($inner:ty) = $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub struct $name(pub $inner);

        impl<'a> $crate::attribute::Attribute<'a> for $name {
            const KIND: u16 = $kind;

            fn parse(value: &'a [u8], _: $crate::TransactionId) -> Option<Self> {
                value.try_into().ok().map(|bytes| Self(<$inner>::from_be_bytes(bytes)))
            }

            fn write(&self, out: &mut wire::Writer<'_>, _: $crate::TransactionId) -> Result<(), wire::Short> {
                out.put(&self.0.to_be_bytes())
            }
        }
    };
}

/// Attributes without a value.
macro_rules! flag_attribute {
    ($(#[$doc:meta])* $name:ident = $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub struct $name;

        impl<'a> $crate::attribute::Attribute<'a> for $name {
            const KIND: u16 = $kind;

            fn parse(value: &'a [u8], _: $crate::TransactionId) -> Option<Self> {
                value.is_empty().then_some(Self)
            }

            fn write(&self, _: &mut wire::Writer<'_>, _: $crate::TransactionId) -> Result<(), wire::Short> {
                Ok(())
            }
        }
    };
}

/// Attributes whose value is bytes with a length within a range.
macro_rules! bytes_attribute {
    ($(#[$doc:meta])* $name:ident = $kind:literal, $range:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub struct $name<'a>(pub &'a [u8]);

        impl<'a> $crate::attribute::Attribute<'a> for $name<'a> {
            const KIND: u16 = $kind;

            fn parse(value: &'a [u8], _: $crate::TransactionId) -> Option<Self> {
                ($range).contains(&value.len()).then_some(Self(value))
            }

            fn write(&self, out: &mut wire::Writer<'_>, _: $crate::TransactionId) -> Result<(), wire::Short> {
                out.put(self.0)
            }
        }
    };
}

pub(crate) use {bytes_attribute, flag_attribute, number_attribute};
