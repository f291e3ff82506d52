//! NAT behaviour discovery (RFC 5780 §7).

use super::{Attribute, bytes_attribute};
use crate::TransactionId;
use wire::{Short, Writer};

/// CHANGE-REQUEST: answer from elsewhere (RFC 5780 §7.2).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ChangeRequest {
    /// From the other address.
    pub change_ip: bool,
    /// From the other port.
    pub change_port: bool,
}

impl<'a> Attribute<'a> for ChangeRequest {
    const KIND: u16 = 0x0003;

    fn parse(value: &'a [u8], _: TransactionId) -> Option<Self> {
        let [_, _, _, bits]: [u8; 4] = value.try_into().ok()?;
        Some(Self { change_ip: bits & 4 != 0, change_port: bits & 2 != 0 })
    }

    fn write(&self, out: &mut Writer<'_>, _: TransactionId) -> Result<(), Short> {
        out.put(&[0, 0, 0, u8::from(self.change_ip) << 2 | u8::from(self.change_port) << 1])
    }
}

/// RESPONSE-PORT: answer to this port (RFC 5780 §7.5). The value has two reserved bytes that some leave out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ResponsePort(pub u16);

impl<'a> Attribute<'a> for ResponsePort {
    const KIND: u16 = 0x0027;

    fn parse(value: &'a [u8], _: TransactionId) -> Option<Self> {
        match *value {
            [high, low] | [high, low, _, _] => Some(Self(u16::from_be_bytes([high, low]))),
            _ => None,
        }
    }

    fn write(&self, out: &mut Writer<'_>, _: TransactionId) -> Result<(), Short> {
        out.u16(self.0)?;
        out.u16(0)
    }
}

bytes_attribute!(
    /// PADDING: bytes that make a message large (RFC 5780 §7.6).
    Padding = 0x0026, 0..=0xffff);
