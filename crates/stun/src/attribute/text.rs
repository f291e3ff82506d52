//! Attributes that are text (RFC 8489 §14.3, §14.9, §14.10, §14.14, §14.16).

use super::Attribute;
use crate::TransactionId;
use wire::{Short, Writer};

macro_rules! text_attribute {
    ($(#[$doc:meta])* $name:ident = $kind:literal, $max:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub struct $name<'a>(pub &'a str);

        impl<'a> Attribute<'a> for $name<'a> {
            const KIND: u16 = $kind;

            fn parse(value: &'a [u8], _: TransactionId) -> Option<Self> {
                if value.len() > $max {
                    return None;
                }
                std::str::from_utf8(value).ok().map(Self)
            }

            fn write(&self, out: &mut Writer<'_>, _: TransactionId) -> Result<(), Short> {
                out.put(self.0.as_bytes())
            }
        }
    };
}

text_attribute!(
    /// USERNAME, at most 508 bytes.
    Username = 0x0006, 508);
text_attribute!(
    /// REALM, at most 763 bytes.
    Realm = 0x0014, 763);
text_attribute!(
    /// NONCE, at most 763 bytes.
    Nonce = 0x0015, 763);
text_attribute!(
    /// SOFTWARE, at most 763 bytes.
    Software = 0x8022, 763);
text_attribute!(
    /// ALTERNATE-DOMAIN, at most 255 bytes.
    AlternateDomain = 0x8003, 255);
