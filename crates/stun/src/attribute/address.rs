//! Transport addresses, plain and XORed (RFC 8489 §14.1, §14.2).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |0 0 0 0 0 0 0 0|    Family     |         (X-)Port              |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |            (X-)Address (32 bits or 128 bits)                  |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::Attribute;
use crate::{MAGIC_COOKIE, TransactionId};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use wire::{Reader, Short, Writer};

const IPV4: u8 = 1;
const IPV6: u8 = 2;

macro_rules! address_attribute {
    ($(#[$doc:meta])* $name:ident = $kind:literal, $mask:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub struct $name(pub SocketAddr);

        impl<'a> Attribute<'a> for $name {
            const KIND: u16 = $kind;

            fn parse(value: &'a [u8], id: TransactionId) -> Option<Self> {
                parse(value, $mask(id)).map(Self)
            }

            fn write(&self, out: &mut Writer<'_>, id: TransactionId) -> Result<(), Short> {
                write(self.0, out, $mask(id))
            }
        }
    };
}

address_attribute!(
    /// MAPPED-ADDRESS (RFC 8489 §14.1).
    MappedAddress = 0x0001, plain);
address_attribute!(
    /// XOR-MAPPED-ADDRESS (RFC 8489 §14.2).
    XorMappedAddress = 0x0020, xor);
address_attribute!(
    /// XOR-PEER-ADDRESS (RFC 8656 §18.3).
    XorPeerAddress = 0x0012, xor);
address_attribute!(
    /// XOR-RELAYED-ADDRESS (RFC 8656 §18.5).
    XorRelayedAddress = 0x0016, xor);
address_attribute!(
    /// ALTERNATE-SERVER (RFC 8489 §14.15).
    AlternateServer = 0x8023, plain);
address_attribute!(
    /// RESPONSE-ORIGIN (RFC 5780 §7.3).
    ResponseOrigin = 0x802b, plain);
address_attribute!(
    /// OTHER-ADDRESS (RFC 5780 §7.4).
    OtherAddress = 0x802c, plain);

/// What an address is XORed with: the cookie and the transaction id, or zero.
type Mask = u128;

const fn plain(_: TransactionId) -> Mask {
    0
}

fn xor(id: TransactionId) -> Mask {
    let mut low = [0; 16];
    low[4..].copy_from_slice(&id.0);
    Mask::from(MAGIC_COOKIE) << 96 | Mask::from_be_bytes(low)
}

fn parse(value: &[u8], mask: Mask) -> Option<SocketAddr> {
    let mut r = Reader::new(value);
    let [_, family] = r.array().ok()?;
    let port = r.u16().ok()? ^ (mask >> 112) as u16;
    let ip = match (family, r.rest().len()) {
        (IPV4, 4) => IpAddr::V4(Ipv4Addr::from_bits(r.u32().ok()? ^ (mask >> 96) as u32)),
        (IPV6, 16) => IpAddr::V6(Ipv6Addr::from_bits(r.array().map(u128::from_be_bytes).ok()? ^ mask)),
        (_, _) => return None,
    };
    Some(SocketAddr::new(ip, port))
}

fn write(address: SocketAddr, out: &mut Writer<'_>, mask: Mask) -> Result<(), Short> {
    let family = if address.is_ipv4() { IPV4 } else { IPV6 };
    out.put(&[0, family])?;
    out.u16(address.port() ^ (mask >> 112) as u16)?;
    match address.ip() {
        IpAddr::V4(ip) => out.u32(ip.to_bits() ^ (mask >> 96) as u32),
        IpAddr::V6(ip) => out.put(&(ip.to_bits() ^ mask).to_be_bytes()),
    }
}
