//! Attributes of single sources (RFC 5576).

use super::number;
use crate::error::{Malformed, Read};
use std::fmt;

/// Something about a source (RFC 5576 §4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ssrc {
    /// The source.
    pub ssrc: u32,
    /// `cname`, `msid` …
    pub attribute: String,
    /// After the colon, if there is one.
    pub value: Option<String>,
}

impl Read for Ssrc {
    fn read(value: &str) -> Result<Self, Malformed> {
        const RIGHT: &str = "`a=ssrc:<0 to 4294967295> <attribute>[:<value>]`";
        let (ssrc, rest) = value.split_once(' ').ok_or(Malformed(RIGHT))?;
        let ssrc = number(ssrc, RIGHT)?;
        let (attribute, value) = match rest.trim().split_once(':') {
            Some((attribute, value)) => (attribute, Some(value.trim().to_owned())),
            None => (rest.trim(), None),
        };
        let map = Self { ssrc, attribute: attribute.trim().to_owned(), value };
        if map.attribute.is_empty() { Err(Malformed(RIGHT)) } else { Ok(map) }
    }
}

impl fmt::Display for Ssrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.ssrc, self.attribute)?;
        self.value.iter().try_for_each(|value| write!(f, ":{value}"))
    }
}

/// Sources that belong together (RFC 5576 §4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SsrcGroup {
    /// `FID` (RFC 4588: a source and its repair), `FEC-FR`, `SIM` …
    pub semantics: String,
    /// The sources, in the order that the semantics say.
    pub ssrcs: Vec<u32>,
}

impl Read for SsrcGroup {
    fn read(value: &str) -> Result<Self, Malformed> {
        const RIGHT: &str = "`a=ssrc-group:<semantics> <ssrc> …`";
        let mut words = value.split_ascii_whitespace();
        let semantics = words.next().ok_or(Malformed(RIGHT))?.to_owned();
        let ssrcs = words.map(|ssrc| number(ssrc, RIGHT)).collect::<Result<_, _>>()?;
        Ok(Self { semantics, ssrcs })
    }
}

impl fmt::Display for SsrcGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.semantics)?;
        self.ssrcs.iter().try_for_each(|ssrc| write!(f, " {ssrc}"))
    }
}
