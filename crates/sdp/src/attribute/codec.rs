//! Attributes of payload types and header extensions.

use super::{Direction, named, number, payload_type};
use crate::error::{Malformed, Read};
use std::fmt;

/// What a payload type stands for (RFC 8866 §6.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtpMap {
    /// 0 to 127.
    pub payload_type: u8,
    /// The encoding, such as `opus`. To be compared without regard to case.
    pub name: String,
    /// Hertz.
    pub clock_rate: u32,
    /// Of sound, if it says so.
    pub channels: Option<u16>,
}

impl Read for RtpMap {
    fn read(value: &str) -> Result<Self, Malformed> {
        const RIGHT: &str = "`a=rtpmap:<0 to 127> <name>/<clock rate>[/<channels>]`";
        let (payload, map) = value.split_once(' ').ok_or(Malformed(RIGHT))?;
        let mut parts = map.trim().split('/');
        let name =
            parts.next().filter(|name| !name.is_empty() && !name.contains(' ')).ok_or(Malformed(RIGHT))?;
        let clock_rate = number(parts.next().unwrap_or_default(), RIGHT)?;
        let channels = parts.next().map(|channels| number(channels, RIGHT)).transpose()?;
        if parts.next().is_some() {
            return Err(Malformed(RIGHT));
        }
        Ok(Self { payload_type: payload_type(payload, RIGHT)?, name: name.to_owned(), clock_rate, channels })
    }
}

impl fmt::Display for RtpMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.payload_type.fmt(f)?;
        named(f, " ", &self.name)?;
        named(f, "/", &self.clock_rate)?;
        self.channels.iter().try_for_each(|channels| named(f, "/", channels))
    }
}

/// Parameters of a payload type (RFC 8866 §6.15).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fmtp {
    /// 0 to 127.
    pub payload_type: u8,
    /// As they came, such as `apt=96` or `minptime=10;useinbandfec=1`.
    pub parameters: String,
}

impl Fmtp {
    /// A parameter of the form `name=value`, the name without regard to case.
    pub fn get(&self, name: &str) -> Option<&str> {
        parameter(&self.parameters, name)
    }
}

/// A parameter of the form `name=value` in a list separated by semicolons.
fn parameter<'a>(parameters: &'a str, name: &str) -> Option<&'a str> {
    parameters.split(';').find_map(|parameter| {
        let (found, value) = parameter.split_once('=')?;
        found.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

impl Read for Fmtp {
    fn read(value: &str) -> Result<Self, Malformed> {
        const RIGHT: &str = "`a=fmtp:<0 to 127> <parameters>`";
        let (payload, parameters) = value.split_once(' ').ok_or(Malformed(RIGHT))?;
        Ok(Self { payload_type: payload_type(payload, RIGHT)?, parameters: parameters.trim().to_owned() })
    }
}

impl fmt::Display for Fmtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.payload_type.fmt(f)?;
        named(f, " ", &self.parameters)
    }
}

/// A kind of RTCP feedback that the writer understands (RFC 4585 §4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtcpFeedback {
    /// `None` (`*`) is every payload type of the section.
    pub payload_type: Option<u8>,
    /// Such as `nack pli`: words separated by one space.
    pub feedback: String,
}

impl Read for RtcpFeedback {
    fn read(value: &str) -> Result<Self, Malformed> {
        const RIGHT: &str = "`a=rtcp-fb:<0 to 127, or *> <feedback>`";
        let mut words = value.split_ascii_whitespace();
        let payload = match words.next().unwrap_or_default() {
            "*" => None,
            payload => Some(payload_type(payload, RIGHT)?),
        };
        let mut feedback = String::with_capacity(value.len());
        for word in words {
            if !feedback.is_empty() {
                feedback.push(' ');
            }
            feedback.push_str(word);
        }
        if feedback.is_empty() { Err(Malformed(RIGHT)) } else { Ok(Self { payload_type: payload, feedback }) }
    }
}

impl fmt::Display for RtcpFeedback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.payload_type {
            Some(payload_type) => payload_type.fmt(f)?,
            None => f.write_str("*")?,
        }
        named(f, " ", &self.feedback)
    }
}

/// The number that stands for a header extension (RFC 8285 §5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtMap {
    /// 1 to 14 fit headers of one byte, up to 255 those of two; 4096 and above are offered without a number.
    pub id: u16,
    /// If it differs from that of the section.
    pub direction: Option<Direction>,
    /// Its name.
    pub uri: String,
    /// What the extension's own RFC adds.
    pub attributes: Option<String>,
}

impl Read for ExtMap {
    fn read(value: &str) -> Result<Self, Malformed> {
        const RIGHT: &str = "`a=extmap:<1 to 255>[/<direction>] <URI>`";
        let (id, uri) = value.split_once(' ').ok_or(Malformed(RIGHT))?;
        let (id, direction) = match id.split_once('/') {
            Some((id, direction)) => (id, Some(Read::read(direction)?)),
            None => (id, None),
        };
        let id = number(id, RIGHT)?;
        let (uri, attributes) = match uri.trim().split_once(' ') {
            Some((uri, attributes)) => (uri, Some(attributes.trim().to_owned())),
            None => (uri.trim(), None),
        };
        let allowed = matches!(id, 1..=255 | 4096..=4351) && !uri.is_empty();
        let map = Self { id, direction, uri: uri.to_owned(), attributes };
        if allowed { Ok(map) } else { Err(Malformed(RIGHT)) }
    }
}

impl fmt::Display for ExtMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)?;
        self.direction.iter().try_for_each(|direction| named(f, "/", direction))?;
        named(f, " ", &self.uri)?;
        self.attributes.iter().try_for_each(|attributes| named(f, " ", attributes))
    }
}
