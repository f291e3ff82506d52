//! The Data Channel Establishment Protocol (RFC 8832 §5).

use crate::channel::{ChannelConfig, Reliability};
use crate::num::u16_of;
use crate::packet::Malformed;
use std::time::Duration;
use wire::Reader;

/// Payload protocol identifiers (RFC 8831 §8).
pub(crate) mod protocol {
    pub(crate) const DCEP: u32 = 50;
    pub(crate) const STRING: u32 = 51;
    pub(crate) const BINARY: u32 = 53;
    pub(crate) const STRING_EMPTY: u32 = 56;
    pub(crate) const BINARY_EMPTY: u32 = 57;
}

/// DATA_CHANNEL_ACK (§5.2), the whole message.
pub(crate) const ACK: [u8; 1] = [2];

/// Whether a message is one. Pion fills it up to four bytes.
pub(crate) fn is_ack(message: &[u8]) -> bool {
    message.first() == ACK.first()
}

/// DATA_CHANNEL_OPEN (§5.1).
///
/// ```text
/// |  Message Type |  Channel Type |            Priority           |
/// |                    Reliability Parameter                      |
/// |         Label Length          |       Protocol Length         |
/// /                             Label                             /
/// /                            Protocol                           /
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Open<'a> {
    pub(crate) ordered: bool,
    pub(crate) reliability: Reliability,
    pub(crate) priority: u16,
    pub(crate) label: &'a [u8],
    pub(crate) protocol: &'a [u8],
}

impl<'a> Open<'a> {
    pub(crate) fn of(config: &'a ChannelConfig) -> Self {
        let ChannelConfig { ordered, reliability, priority, .. } = *config;
        let (label, protocol) = (config.label.as_bytes(), config.protocol.as_bytes());
        Self { ordered, reliability, priority, label, protocol }
    }

    pub(crate) fn parse(message: &'a [u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(message);
        if r.u8()? != 3 {
            return Err(Malformed);
        }
        let (kind, priority, parameter) = (r.u8()?, r.u16()?, r.u32()?);
        let (label, protocol) = (usize::from(r.u16()?), usize::from(r.u16()?));
        let reliability = match kind & 0x7f {
            0 => Reliability::Reliable,
            1 => Reliability::Retransmits(parameter),
            2 => Reliability::Lifetime(Duration::from_millis(parameter.into())),
            _ => return Err(Malformed),
        };
        Ok(Self {
            ordered: kind & 0x80 == 0,
            reliability,
            priority,
            label: r.take(label)?,
            protocol: r.take(protocol)?,
        })
    }

    pub(crate) fn to_vec(self) -> Vec<u8> {
        let (kind, parameter) = match self.reliability {
            Reliability::Reliable => (0, 0),
            Reliability::Retransmits(n) => (1, n),
            Reliability::Lifetime(d) => (2, u32::try_from(d.as_millis()).unwrap_or(u32::MAX)),
        };
        let mut out = vec![3, if self.ordered { kind } else { kind | 0x80 }];
        out.extend(self.priority.to_be_bytes());
        out.extend(parameter.to_be_bytes());
        out.extend(u16_of(self.label.len()).to_be_bytes());
        out.extend(u16_of(self.protocol.len()).to_be_bytes());
        out.extend(self.label);
        out.extend(self.protocol);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_is_read_back() {
        for (ordered, reliability) in [
            (true, Reliability::Reliable),
            (false, Reliability::Retransmits(u32::MAX)),
            (true, Reliability::Lifetime(Duration::from_millis(1500))),
        ] {
            let open = Open { ordered, reliability, priority: 7, label: "é".as_bytes(), protocol: b"p" };
            let bytes = open.to_vec();
            assert_eq!(Open::parse(&bytes), Ok(open));
            assert_eq!(Open::parse(&bytes[..bytes.len() - 1]), Err(Malformed));
        }
    }

    #[test]
    fn an_acknowledgement_is_known_by_its_first_byte() {
        for (message, is) in [(&[2][..], true), (&[2, 0, 0, 0], true), (&[3, 2], false), (&[], false)] {
            assert_eq!(is_ack(message), is, "{message:?}");
        }
    }

    /// What a browser sends for `createDataChannel("chat", {ordered: false, maxRetransmits: 0})`.
    #[test]
    fn reads_what_a_browser_sends() {
        let bytes = [3, 0x81, 1, 0, 0, 0, 0, 0, 0, 4, 0, 0, b'c', b'h', b'a', b't'];
        let open = Open::parse(&bytes).unwrap();
        assert_eq!((open.ordered, open.reliability), (false, Reliability::Retransmits(0)));
        assert_eq!((open.priority, open.label, open.protocol), (256, &b"chat"[..], &b""[..]));
    }
}
