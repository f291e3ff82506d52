//! The attributes of TURN (RFC 8656 §18), TCP allocations (RFC 6062 §6.2) and mobility (RFC 8016 §3.4).

use super::{Attribute, bytes_attribute, flag_attribute, number_attribute};
use crate::TransactionId;
use std::net::{IpAddr, SocketAddr};
use wire::{Reader, Short, Writer};

/// An address family as TURN numbers it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum AddressFamily {
    /// IPv4, number 1.
    V4,
    /// IPv6, number 2.
    V6,
}

impl AddressFamily {
    /// The family of an address.
    pub const fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// The family of a transport address.
    pub const fn of_socket(address: SocketAddr) -> Self {
        Self::of(address.ip())
    }

    pub(crate) const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::V4),
            2 => Some(Self::V6),
            _ => None,
        }
    }

    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::V4 => 1,
            Self::V6 => 2,
        }
    }
}

number_attribute!(
    /// LIFETIME in seconds (RFC 8656 §18.2).
    Lifetime(u32) = 0x000d);
number_attribute!(
    /// CONNECTION-ID (RFC 6062 §6.2.1).
    ConnectionIdentifier(u32) = 0x002a);
number_attribute!(
    /// RESERVATION-TOKEN: 8 bytes that mean something to the server (RFC 8656 §18.10).
    ReservationToken(u64) = 0x0022);
flag_attribute!(
    /// DONT-FRAGMENT (RFC 8656 §18.9).
    DontFragment = 0x001a);
bytes_attribute!(
    /// DATA: what a Send or Data indication carries (RFC 8656 §18.4).
    Data = 0x0013, 0..=0xffff);
bytes_attribute!(
    /// MOBILITY-TICKET: empty in a request for one (RFC 8016 §3.4).
    MobilityTicket = 0x8030, 0..=256);

/// Attributes with a 16-bit or 8-bit field and reserved bytes behind it.
macro_rules! padded_attribute {
    ($(#[$doc:meta])* $name:ident($inner:ty) = $kind:literal, $parse:expr, $write:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub struct $name(pub $inner);

        impl<'a> Attribute<'a> for $name {
            const KIND: u16 = $kind;

            fn parse(value: &'a [u8], _: TransactionId) -> Option<Self> {
                let bytes: [u8; 4] = value.try_into().ok()?;
                let parse: fn([u8; 4]) -> Option<$inner> = $parse;
                parse(bytes).map(Self)
            }

            fn write(&self, out: &mut Writer<'_>, _: TransactionId) -> Result<(), Short> {
                let write: fn($inner) -> [u8; 4] = $write;
                out.put(&write(self.0))
            }
        }
    };
}

padded_attribute!(
    /// CHANNEL-NUMBER (RFC 8656 §18.1).
    ChannelNumber(u16) = 0x000c,
    |[high, low, _, _]| Some(u16::from_be_bytes([high, low])),
    |number| { let [high, low] = number.to_be_bytes(); [high, low, 0, 0] });
padded_attribute!(
    /// REQUESTED-TRANSPORT: an IP protocol number, 17 for UDP, 6 for TCP (RFC 8656 §18.8).
    RequestedTransport(u8) = 0x0019, |[protocol, ..]| Some(protocol), |protocol| [protocol, 0, 0, 0]);
padded_attribute!(
    /// REQUESTED-ADDRESS-FAMILY: the raw number, so that 440 can answer a family nobody knows (RFC 8656 §18.6).
    RequestedAddressFamily(u8) = 0x0017, |[family, ..]| Some(family), |family| [family, 0, 0, 0]);
padded_attribute!(
    /// ADDITIONAL-ADDRESS-FAMILY: the raw number (RFC 8656 §18.11).
    AdditionalAddressFamily(u8) = 0x8000, |[family, ..]| Some(family), |family| [family, 0, 0, 0]);

impl From<AddressFamily> for RequestedAddressFamily {
    fn from(family: AddressFamily) -> Self {
        Self(family.number())
    }
}

impl RequestedAddressFamily {
    /// The family, if it is one that exists.
    pub const fn family(self) -> Option<AddressFamily> {
        AddressFamily::from_number(self.0)
    }
}

/// EVEN-PORT (RFC 8656 §18.7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EvenPort {
    /// Keep the next higher port for a later allocation.
    pub reserve: bool,
}

impl<'a> Attribute<'a> for EvenPort {
    const KIND: u16 = 0x0018;

    fn parse(value: &'a [u8], _: TransactionId) -> Option<Self> {
        match value {
            [bits] => Some(Self { reserve: bits & 0x80 != 0 }),
            _ => None,
        }
    }

    fn write(&self, out: &mut Writer<'_>, _: TransactionId) -> Result<(), Short> {
        out.u8(u8::from(self.reserve) << 7)
    }
}

/// ICMP: what came back for something sent to a peer (RFC 8656 §18.13).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Icmp {
    /// The ICMP type: 0 to 127 of ICMP, 0 to 127 of ICMPv6 (errors only).
    pub kind: u8,
    /// The ICMP code.
    pub code: u8,
    /// The MTU where the message tells one, else zero.
    pub data: u32,
}

impl<'a> Attribute<'a> for Icmp {
    const KIND: u16 = 0x8004;

    fn parse(value: &'a [u8], _: TransactionId) -> Option<Self> {
        let mut r = Reader::new(value);
        let field = r.u32().ok()?;
        let data = r.u32().ok()?;
        let [_, kind, code_high, code_low] = [
            0,
            u8::try_from(field >> 9 & 0x7f).ok()?,
            u8::try_from(field >> 8 & 1).ok()?,
            u8::try_from(field & 0xff).ok()?,
        ];
        // The code field has nine bits, an ICMP code eight.
        (r.rest().is_empty() && code_high == 0).then_some(Self { kind, code: code_low, data })
    }

    fn write(&self, out: &mut Writer<'_>, _: TransactionId) -> Result<(), Short> {
        out.u16(0)?;
        out.u16(u16::from(self.kind & 0x7f) << 9 | u16::from(self.code))?;
        out.u32(self.data)
    }
}
