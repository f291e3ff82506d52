//! RTP, RTCP and their protection, without I/O and without a clock.
//!
//! [`Packet`] is a checked view of a received RTP packet that copies nothing, [`Writer`] builds one in the caller's
//! buffer, [`extension`] holds the header extensions that sessions negotiate, [`rtcp`] the control packets, and
//! [`srtp`] protects and unprotects both in place. RTP and RTCP share a port: [`is_rtcp`] tells them apart.
//!
//! ```
//! use rtp::extension::{Elements, Kind, Map};
//! use rtp::srtp::{Config, Profile, Protect, Rejected, Unprotect};
//! use rtp::{Header, Packet, Writer};
//!
//! let mut map = Map::default();
//! map.set(Kind::Mid, 1)?; // a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid
//! let (key, salt) = ([1; 16], [2; 12]); // from the DTLS handshake
//! let profile = Profile::AeadAes128Gcm;
//! let mut ours = Protect::new(profile, &key, &salt, &Config::default())?;
//! let mut theirs = Unprotect::new(profile, &key, &salt, &Config::default())?;
//!
//! let header = Header { payload_type: 111, sequence_number: 1, ssrc: 7, ..Header::default() };
//! let mut buf = [0; 1500];
//! let mut packet = Writer::new(&mut buf, &header, &[]).expect("a header fits");
//! packet.elements(&Elements { mid: Some("0"), ..Elements::default() }, &map)?;
//! packet.payload(b"sound").expect("the payload fits");
//! let len = packet.finish();
//! let len = ours.protect(&mut buf, len)?;
//!
//! let mut copy = buf;
//! let plain = theirs.unprotect(&mut buf[..len]).expect("it was made with the same key");
//! let packet = Packet::parse(&buf[..plain]).expect("what is written is read back");
//! assert_eq!((packet.payload(), packet.elements(&map).mid), (&b"sound"[..], Some("0")));
//! assert_eq!(theirs.unprotect(&mut copy[..len]), Err(Rejected::Replayed));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | RFC | what of it |
//! | --- | --- |
//! | 3550 | packets, SR, RR, SDES, BYE, APP; the timing rules of RTCP belong to whoever sends it |
//! | 3551, 5761 | RTP and RTCP on one port |
//! | 3611 | XR: receiver reference time and DLRR; other blocks are opaque |
//! | 3711, 5764 | SRTP and SRTCP, AES-CM with HMAC-SHA1-80 and -32 |
//! | 7714 | SRTP and SRTCP with AES-GCM 128 and 256 |
//! | 4585, 5104 | NACK, PLI, FIR; the other messages of RFC 5104 are opaque |
//! | 5506 | reduced-size RTCP: a packet need not begin with a report |
//! | 6464, 8285, 8852, 9143 | header extensions |
//! | AV1 RTP payload format, A | the dependency descriptor, read; of what is written the numbers alone |
//! | 8888 | congestion control feedback |
//! | drafts | transport-wide feedback (holmer-rmcat-transport-wide-cc-extensions-01), REMB (alvestrand-rmcat-remb-03) |
//!
//! What it refuses: encrypted header extensions (RFC 6904, 9335), SDES keys, and master key identifiers: nothing in
//! WebRTC negotiates them by default.

pub mod extension;
mod ntp;
mod packet;
pub mod rtcp;
mod sequence;
pub mod srtp;
mod template;

pub use ntp::NtpTime;
pub use packet::{HEADER_LEN, Header, MAX_CSRCS, Packet, Writer};
pub use sequence::Unwrapper;
pub use template::Template;

/// The bytes are not what they should be; they are to be dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed;

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the packet is malformed")
    }
}

impl std::error::Error for Malformed {}

impl From<wire::Short> for Malformed {
    fn from(wire::Short: wire::Short) -> Self {
        Self
    }
}

/// Whether a packet that shares its port with RTP is RTCP: its second byte is 192 to 223, values that no payload
/// type with a marker bit may take (RFC 5761 §4). Works on protected packets too.
pub fn is_rtcp(packet: &[u8]) -> bool {
    packet.get(1).is_some_and(|second| (192..=223).contains(second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rtcp_is_told_by_its_second_byte() {
        for (second, expected) in
            [(191, false), (192, true), (200, true), (223, true), (224, false), (96, false)]
        {
            assert_eq!(is_rtcp(&[0x80, second]), expected, "{second}");
        }
        assert!(!is_rtcp(&[0x80]));
    }
}
