//! The attributes (`a=`) that decide something in a WebRTC session.

mod codec;
mod identity;
mod simulcast;
mod source;

pub use codec::{ExtMap, Fmtp, RtcpFeedback, RtpMap};
pub use identity::{Direction, Group, Msid, Password, SctpMap, Setup};
pub use simulcast::{Restriction, Rid, RidDirection, Simulcast, SimulcastStream};
pub use source::{Ssrc, SsrcGroup};

use crate::error::{Malformed, Read};
use std::fmt;
use std::str::FromStr;

/// An attribute (RFC 8866 §5.13).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// RFC 8839 §5.4.
    IceUfrag(String),
    /// RFC 8839 §5.4.
    IcePwd(Password),
    /// RFC 8839 §5.6: `trickle`, `ice2`, `renomination` …
    IceOptions(Vec<String>),
    /// RFC 8839 §5.3.
    IceLite,
    /// RFC 8839 §5.1, what follows `candidate:`.
    Candidate(String),
    /// RFC 8840 §8.2.
    EndOfCandidates,
    /// RFC 8122 §5, what follows `fingerprint:`.
    Fingerprint(String),
    /// RFC 8842 §5.2: who begins the DTLS handshake.
    Setup(Setup),
    /// RFC 5888 §4.
    Mid(String),
    /// RFC 5888 §5.
    Group(Group),
    /// RFC 8843 §6.
    BundleOnly,
    /// RFC 8830 §2.
    Msid(Msid),
    /// Obsolete, yet written by all: what follows `msid-semantic:`.
    MsidSemantic(String),
    /// RFC 5761 §5.1.1.
    RtcpMux,
    /// RFC 8858 §3.
    RtcpMuxOnly,
    /// RFC 5506 §5.
    RtcpRsize,
    /// RFC 4585 §4.2.
    RtcpFb(RtcpFeedback),
    /// RFC 8866 §6.6.
    RtpMap(RtpMap),
    /// RFC 8866 §6.15, for a payload type.
    Fmtp(Fmtp),
    /// RFC 8285 §5.
    ExtMap(ExtMap),
    /// RFC 8285 §6.
    ExtMapAllowMixed,
    /// RFC 5576 §4.1.
    Ssrc(Ssrc),
    /// RFC 5576 §4.2.
    SsrcGroup(SsrcGroup),
    /// RFC 8851 §4.
    Rid(Rid),
    /// RFC 8853 §5.1.
    Simulcast(Simulcast),
    /// RFC 8841 §5.
    SctpPort(u16),
    /// RFC 8841 §6, bytes; 0 is no limit.
    MaxMessageSize(u64),
    /// The form before RFC 8841.
    SctpMap(SctpMap),
    /// Base64 of the sender's INIT chunk (draft-hancke-tsvwg-snap).
    SctpInit(String),
    /// RFC 8866 §6.7.
    Direction(Direction),
    /// RFC 8866 §6.4, milliseconds.
    Ptime(u32),
    /// RFC 8866 §6.5, milliseconds.
    MaxPtime(u32),
    /// Anything else, as it came.
    Other(Unknown),
}

/// An attribute that decides nothing here.
#[derive(Clone, PartialEq, Eq)]
pub struct Unknown {
    /// Before the colon.
    pub name: String,
    /// After the colon, if there is one.
    pub value: Option<String>,
}

impl fmt::Debug for Unknown {
    /// Keeps the keys of `a=crypto` (RFC 4568) to itself.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(_) if self.name == "crypto" => f.write_str("crypto:…"),
            Some(value) => write!(f, "{}:{value}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl Attribute {
    /// Reads what follows `a=`.
    pub(crate) fn parse(text: &str) -> Result<Self, Malformed> {
        let (name, value) = match text.split_once(':') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        if name.trim().is_empty() {
            return Err(Malformed("an attribute with a name, as in `a=mid:0`"));
        }
        let known = match value {
            None => Self::flag(name)?,
            Some(value) => Self::transport(name, value.trim())
                .or_else(|| Self::stream(name, value.trim()))
                .transpose()?,
        };
        Ok(known.unwrap_or_else(|| {
            Self::Other(Unknown { name: name.to_owned(), value: value.map(str::to_owned) })
        }))
    }

    /// Attributes without a value.
    fn flag(name: &str) -> Result<Option<Self>, Malformed> {
        Ok(Some(match name {
            "ice-lite" => Self::IceLite,
            "end-of-candidates" => Self::EndOfCandidates,
            "bundle-only" => Self::BundleOnly,
            "rtcp-mux" => Self::RtcpMux,
            "rtcp-mux-only" => Self::RtcpMuxOnly,
            "rtcp-rsize" => Self::RtcpRsize,
            "extmap-allow-mixed" => Self::ExtMapAllowMixed,
            "mid" | "ice-ufrag" | "ice-pwd" | "fingerprint" | "setup" | "candidate" | "group" | "rtpmap"
            | "fmtp" | "rtcp-fb" | "extmap" | "ssrc" | "ssrc-group" | "rid" | "simulcast" | "sctp-port"
            | "max-message-size" | "sctpmap" => {
                return Err(Malformed("followed by a colon and a value"));
            }
            _ => return Ok(Direction::read(name).ok().map(Self::Direction)),
        }))
    }

    /// Attributes of the transport and of the session.
    fn transport(name: &str, value: &str) -> Option<Result<Self, Malformed>> {
        Some(match name {
            "ice-ufrag" => {
                word(value, "`a=ice-ufrag:<4 to 256 letters, digits, + or />`").map(Self::IceUfrag)
            }
            "ice-pwd" => word(value, "`a=ice-pwd:<22 to 256 letters, digits, + or />`")
                .map(|password| Self::IcePwd(Password(password))),
            // RFC 8839 wants spaces; libdatachannel writes commas.
            "ice-options" => {
                let options = value.split([' ', ',']).filter(|option| !option.is_empty());
                Ok(Self::IceOptions(options.map(str::to_owned).collect()))
            }
            "candidate" => text(value, "`a=candidate:<foundation> 1 udp …`").map(Self::Candidate),
            "fingerprint" => text(value, "`a=fingerprint:sha-256 AB:CD:…`").map(Self::Fingerprint),
            "setup" => Read::read(value).map(Self::Setup),
            "mid" => word(value, "`a=mid:<token>`").map(Self::Mid),
            "group" => Read::read(value).map(Self::Group),
            "sctp-port" => number(value, "`a=sctp-port:<0 to 65535>`").map(Self::SctpPort),
            "max-message-size" => number(value, "`a=max-message-size:<bytes>`").map(Self::MaxMessageSize),
            "sctpmap" => Read::read(value).map(Self::SctpMap),
            "sctp-init" => Ok(Self::SctpInit(value.to_owned())),
            _ => return None,
        })
    }

    /// Attributes of media.
    fn stream(name: &str, value: &str) -> Option<Result<Self, Malformed>> {
        Some(match name {
            "msid" => Read::read(value).map(Self::Msid),
            "msid-semantic" => Ok(Self::MsidSemantic(value.to_owned())),
            "rtcp-fb" => Read::read(value).map(Self::RtcpFb),
            "rtpmap" => Read::read(value).map(Self::RtpMap),
            // Of something that is no payload type it is not for us to read.
            "fmtp" if value.starts_with(|first: char| first.is_ascii_digit()) => {
                Read::read(value).map(Self::Fmtp)
            }
            "extmap" => Read::read(value).map(Self::ExtMap),
            "ssrc" => Read::read(value).map(Self::Ssrc),
            "ssrc-group" => Read::read(value).map(Self::SsrcGroup),
            "rid" => Read::read(value).map(Self::Rid),
            "simulcast" => Read::read(value).map(Self::Simulcast),
            // Fractions are allowed and of no use to us: they stay text.
            "ptime" => return value.parse().ok().map(|time| Ok(Self::Ptime(time))),
            "maxptime" => return value.parse().ok().map(|time| Ok(Self::MaxPtime(time))),
            _ => return None,
        })
    }
}

/// A value without white space.
fn word(value: &str, right: &'static str) -> Result<String, Malformed> {
    match value.is_empty() || value.contains(char::is_whitespace) {
        true => Err(Malformed(right)),
        false => Ok(value.to_owned()),
    }
}

/// A value that is not empty.
fn text(value: &str, right: &'static str) -> Result<String, Malformed> {
    if value.is_empty() { Err(Malformed(right)) } else { Ok(value.to_owned()) }
}

fn number<T: FromStr>(value: &str, right: &'static str) -> Result<T, Malformed> {
    value.parse().map_err(|_| Malformed(right))
}

/// A payload type, 0 to 127 (RFC 3550 §5.1).
fn payload_type(value: &str, right: &'static str) -> Result<u8, Malformed> {
    value.parse().ok().filter(|payload| *payload < 128).ok_or(Malformed(right))
}

/// What stands before a value, such as a name with its colon or a space, and the value.
fn named(f: &mut fmt::Formatter<'_>, before: &str, value: &impl fmt::Display) -> fmt::Result {
    f.write_str(before)?;
    value.fmt(f)
}

// Descriptions of rooms have thousands of attributes: they are put together without `write!`, which costs several times as
// much for such short pieces.
impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IceUfrag(ufrag) => named(f, "ice-ufrag:", ufrag),
            Self::IcePwd(Password(password)) => named(f, "ice-pwd:", password),
            Self::IceOptions(options) => write!(f, "ice-options:{}", options.join(" ")),
            Self::IceLite => f.write_str("ice-lite"),
            Self::Candidate(candidate) => named(f, "candidate:", candidate),
            Self::EndOfCandidates => f.write_str("end-of-candidates"),
            Self::Fingerprint(fingerprint) => named(f, "fingerprint:", fingerprint),
            Self::Setup(setup) => named(f, "setup:", setup),
            Self::Mid(mid) => named(f, "mid:", mid),
            Self::Group(group) => named(f, "group:", group),
            Self::BundleOnly => f.write_str("bundle-only"),
            Self::Msid(msid) => named(f, "msid:", msid),
            Self::MsidSemantic(semantic) => named(f, "msid-semantic:", semantic),
            Self::RtcpMux => f.write_str("rtcp-mux"),
            Self::RtcpMuxOnly => f.write_str("rtcp-mux-only"),
            Self::RtcpRsize => f.write_str("rtcp-rsize"),
            Self::RtcpFb(feedback) => named(f, "rtcp-fb:", feedback),
            Self::RtpMap(map) => named(f, "rtpmap:", map),
            Self::Fmtp(fmtp) => named(f, "fmtp:", fmtp),
            Self::ExtMap(map) => named(f, "extmap:", map),
            Self::ExtMapAllowMixed => f.write_str("extmap-allow-mixed"),
            Self::Ssrc(ssrc) => named(f, "ssrc:", ssrc),
            Self::SsrcGroup(group) => named(f, "ssrc-group:", group),
            Self::Rid(rid) => named(f, "rid:", rid),
            Self::Simulcast(simulcast) => named(f, "simulcast:", simulcast),
            Self::SctpPort(port) => named(f, "sctp-port:", port),
            Self::MaxMessageSize(size) => named(f, "max-message-size:", size),
            Self::SctpMap(map) => named(f, "sctpmap:", map),
            Self::SctpInit(init) => named(f, "sctp-init:", init),
            Self::Direction(direction) => direction.fmt(f),
            Self::Ptime(time) => named(f, "ptime:", time),
            Self::MaxPtime(time) => named(f, "maxptime:", time),
            Self::Other(Unknown { name, value: None }) => f.write_str(name),
            Self::Other(Unknown { name, value: Some(value) }) => {
                f.write_str(name)?;
                named(f, ":", value)
            }
        }
    }
}
