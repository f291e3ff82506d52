//! Attributes that say what a section is, who speaks first, and which way media flow.

use super::number;
use crate::error::{Malformed, Read};
use std::fmt;

/// An ICE password. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Which way media flow, as seen by who wrote the description (RFC 8866 §6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Both ways.
    SendRecv,
    /// The writer only sends.
    SendOnly,
    /// The writer only receives.
    RecvOnly,
    /// Neither way.
    Inactive,
}

impl Direction {
    /// From the two halves.
    pub fn new(send: bool, recv: bool) -> Self {
        match (send, recv) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// Whether the writer sends.
    pub fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether the writer receives.
    pub fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The same flows as the other side names them.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self::new(self.receives(), self.sends())
    }

    /// What both allow, each seen from the same side.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::new(self.sends() && other.sends(), self.receives() && other.receives())
    }
}

impl Read for Direction {
    fn read(value: &str) -> Result<Self, Malformed> {
        Ok(match value {
            "sendrecv" => Self::SendRecv,
            "sendonly" => Self::SendOnly,
            "recvonly" => Self::RecvOnly,
            "inactive" => Self::Inactive,
            _ => return Err(Malformed("`sendrecv`, `sendonly`, `recvonly` or `inactive`")),
        })
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        })
    }
}

/// Who begins the DTLS handshake (RFC 4145 §4, RFC 8842 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    /// Either; only in an offer.
    ActPass,
    /// The writer begins: it is the DTLS client.
    Active,
    /// The writer waits: it is the DTLS server.
    Passive,
    /// Nobody for now.
    HoldConn,
}

impl Read for Setup {
    fn read(value: &str) -> Result<Self, Malformed> {
        Ok(match value {
            "actpass" => Self::ActPass,
            "active" => Self::Active,
            "passive" => Self::Passive,
            "holdconn" => Self::HoldConn,
            _ => return Err(Malformed("`a=setup:actpass`, `active` or `passive`")),
        })
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ActPass => "actpass",
            Self::Active => "active",
            Self::Passive => "passive",
            Self::HoldConn => "holdconn",
        })
    }
}

/// Sections that belong together (RFC 5888 §5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// `BUNDLE`, `LS` …
    pub semantics: String,
    /// The sections; none when a bundle is refused as a whole.
    pub mids: Vec<String>,
}

impl Read for Group {
    fn read(value: &str) -> Result<Self, Malformed> {
        let mut words = value.split_ascii_whitespace().map(str::to_owned);
        let semantics = words.next().ok_or(Malformed("`a=group:BUNDLE <mid> …`"))?;
        Ok(Self { semantics, mids: words.collect() })
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.semantics)?;
        self.mids.iter().try_for_each(|mid| write!(f, " {mid}"))
    }
}

/// The stream, and the track in it, that a section's sender sends (RFC 8830 §2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Msid {
    /// `-` for a track in no stream.
    pub stream: String,
    /// The track; of no meaning to the receiver (RFC 8829 §5.10), and left out by some.
    pub track: Option<String>,
}

impl Read for Msid {
    fn read(value: &str) -> Result<Self, Malformed> {
        let malformed = Malformed("`a=msid:<stream> <track>`");
        let mut words = value.split_ascii_whitespace().map(str::to_owned);
        let (stream, track) = (words.next().ok_or(malformed)?, words.next());
        if words.next().is_some() { Err(malformed) } else { Ok(Self { stream, track }) }
    }
}

impl fmt::Display for Msid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.stream)?;
        self.track.iter().try_for_each(|track| write!(f, " {track}"))
    }
}

/// SCTP over DTLS in the form before RFC 8841.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SctpMap {
    /// The SCTP port, also the format of the `m=` line.
    pub port: u16,
    /// `webrtc-datachannel`.
    pub protocol: String,
    /// How many streams, if it says so.
    pub streams: Option<u32>,
}

impl Read for SctpMap {
    fn read(value: &str) -> Result<Self, Malformed> {
        const RIGHT: &str = "`a=sctpmap:<port> webrtc-datachannel <streams>`";
        let mut words = value.split_ascii_whitespace();
        let port = number(words.next().unwrap_or_default(), RIGHT)?;
        let protocol = words.next().ok_or(Malformed(RIGHT))?.to_owned();
        let streams = words.next().map(|streams| number(streams, RIGHT)).transpose()?;
        if words.next().is_some() { Err(Malformed(RIGHT)) } else { Ok(Self { port, protocol, streams }) }
    }
}

impl fmt::Display for SctpMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.port, self.protocol)?;
        self.streams.iter().try_for_each(|streams| write!(f, " {streams}"))
    }
}
