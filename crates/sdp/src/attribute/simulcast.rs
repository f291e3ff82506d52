//! Several encodings of one source side by side (RFC 8851, RFC 8853).

use super::payload_type;
use crate::error::{Malformed, Read};
use std::fmt;

/// Which way a restricted stream flows, as seen by the writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RidDirection {
    /// The writer sends it.
    Send,
    /// The writer receives it.
    Recv,
}

impl RidDirection {
    /// The same stream as the other side names it.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Self::Send => Self::Recv,
            Self::Recv => Self::Send,
        }
    }
}

/// A restriction of an RTP stream (RFC 8851 §5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restriction {
    /// `max-width`, `max-fps` …
    pub name: String,
    /// After the equals sign, if there is one.
    pub value: Option<String>,
}

/// An RTP stream by name (RFC 8851 §4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rid {
    /// Letters and digits (also `-` and `_` from older peers).
    pub id: String,
    /// Which way.
    pub direction: RidDirection,
    /// The payload types it may use; none is all of the section.
    pub payload_types: Vec<u8>,
    /// Everything after the payload types.
    pub restrictions: Vec<Restriction>,
}

const RID: &str = "`a=rid:<id> <send or recv> [pt=<payload types>;<name>=<value>;…]`";

impl Read for Rid {
    fn read(value: &str) -> Result<Self, Malformed> {
        let mut words = value.splitn(3, ' ');
        let id = words.next().filter(|id| is_rid(id)).ok_or(Malformed(RID))?.to_owned();
        let direction = match words.next() {
            Some("send") => RidDirection::Send,
            Some("recv") => RidDirection::Recv,
            _ => return Err(Malformed(RID)),
        };
        let mut rid = Self { id, direction, payload_types: Vec::new(), restrictions: Vec::new() };
        let parts = words.next().unwrap_or_default().split(';').map(str::trim);
        for part in parts.filter(|part| !part.is_empty()) {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (part, None),
            };
            match (name, value) {
                ("pt", Some(list)) if rid.payload_types.is_empty() && rid.restrictions.is_empty() => {
                    let payloads = list.split(',').map(|payload| payload_type(payload.trim(), RID));
                    rid.payload_types = payloads.collect::<Result<_, _>>()?;
                }
                // RFC 8851 §10: pt stands first, once.
                ("pt" | "", _) => return Err(Malformed(RID)),
                (name, value) => rid
                    .restrictions
                    .push(Restriction { name: name.to_owned(), value: value.map(str::to_owned) }),
            }
        }
        Ok(rid)
    }
}

fn is_rid(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

impl fmt::Display for Rid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = match self.direction {
            RidDirection::Send => "send",
            RidDirection::Recv => "recv",
        };
        write!(f, "{} {direction}", self.id)?;
        let mut before = " ";
        if !self.payload_types.is_empty() {
            let payloads: Vec<_> = self.payload_types.iter().map(u8::to_string).collect();
            write!(f, " pt={}", payloads.join(","))?;
            before = ";";
        }
        for Restriction { name, value } in &self.restrictions {
            write!(f, "{before}{name}")?;
            value.iter().try_for_each(|value| write!(f, "={value}"))?;
            before = ";";
        }
        Ok(())
    }
}

/// Which streams are simulcast (RFC 8853 §5.1). In each direction a list of streams, each a list of alternatives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Simulcast {
    /// What the writer sends; empty if it says nothing.
    pub send: Vec<Vec<SimulcastStream>>,
    /// What the writer receives; empty if it says nothing.
    pub recv: Vec<Vec<SimulcastStream>>,
}

/// One alternative of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulcastStream {
    /// The name of an `a=rid` of the section.
    pub rid: String,
    /// `~`: not sent for now.
    pub paused: bool,
}

const SIMULCAST: &str = "`a=simulcast:<send or recv> <rid>;<rid>;…`";

impl Read for Simulcast {
    fn read(value: &str) -> Result<Self, Malformed> {
        let mut simulcast = Self::default();
        let mut words = value.split_ascii_whitespace();
        while let Some(direction) = words.next() {
            let list = words.next().ok_or(Malformed(SIMULCAST))?;
            let streams = match direction {
                "send" => &mut simulcast.send,
                "recv" => &mut simulcast.recv,
                _ => return Err(Malformed(SIMULCAST)),
            };
            if !streams.is_empty() {
                return Err(Malformed(SIMULCAST));
            }
            // Drafts, and Firefox until 2020, wrote `rid=` before the list.
            let list = list.strip_prefix("rid=").unwrap_or(list);
            *streams = list.split(';').map(alternatives).collect::<Result<_, _>>()?;
        }
        if simulcast == Self::default() { Err(Malformed(SIMULCAST)) } else { Ok(simulcast) }
    }
}

fn alternatives(text: &str) -> Result<Vec<SimulcastStream>, Malformed> {
    let read = |text: &str| {
        let rid = text.strip_prefix('~').unwrap_or(text);
        let stream = SimulcastStream { rid: rid.to_owned(), paused: text.starts_with('~') };
        is_rid(rid).then_some(stream).ok_or(Malformed(SIMULCAST))
    };
    text.split(',').map(read).collect()
}

impl fmt::Display for Simulcast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written = |alternatives: &Vec<SimulcastStream>| {
            let names = alternatives.iter().map(|s| format!("{}{}", if s.paused { "~" } else { "" }, s.rid));
            names.collect::<Vec<_>>().join(",")
        };
        let mut before = "";
        for (name, streams) in [("send", &self.send), ("recv", &self.recv)] {
            if !streams.is_empty() {
                let list: Vec<_> = streams.iter().map(written).collect();
                write!(f, "{before}{name} {}", list.join(";"))?;
                before = " ";
            }
        }
        Ok(())
    }
}
