use crate::attribute::{Attribute, Direction};
use crate::error::{Malformed, ParseError, Read};
use std::fmt;
use std::str::FromStr;

/// The longest description that is read, in bytes.
pub const MAX_LENGTH: usize = 1 << 20;
/// The most lines in a description.
pub const MAX_LINES: usize = 20_000;
/// The most media sections in a description.
pub const MAX_SECTIONS: usize = 1_000;

/// A session description (RFC 8866 §5).
///
/// The values are printed as they are: none of them may contain a line break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The `o=` line.
    pub origin: Origin,
    /// The `s=` line, `-` if there is nothing to say.
    pub name: String,
    /// The lines between the name and the attributes, in their order.
    pub lines: Vec<Line>,
    /// The session-level attributes, in their order.
    pub attributes: Vec<Attribute>,
    /// The media sections, in their order.
    pub media: Vec<Media>,
}

/// Who made a description, and its version (RFC 8866 §5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// `-` if there is no such thing.
    pub username: String,
    /// Digits; RFC 8829 §5.2.1 wants 63 random bits.
    pub session_id: String,
    /// Rises by one with each description that differs.
    pub version: u64,
    /// Network type, address type and address, such as `IN IP4 127.0.0.1`.
    pub address: String,
}

/// A line that is neither `v=`, `o=`, `s=`, `m=` nor `a=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// `c=`, such as `IN IP4 0.0.0.0` (§5.7).
    Connection(String),
    /// `b=` (§5.8).
    Bandwidth(Bandwidth),
    /// Any other type letter, and its value.
    Other(char, String),
}

/// A limit for what one wishes to receive (RFC 8866 §5.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bandwidth {
    /// `AS` (kbit/s with all overhead), `CT`, or `TIAS` (bit/s without the headers below RTP, RFC 3890).
    pub kind: String,
    /// In the unit that `kind` says.
    pub value: u64,
}

/// What a media section carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
    /// Data channels, for us.
    Application,
    /// `text`, `message`, `image` or what may come.
    Other(String),
}

/// A media section: an `m=` line and what follows (RFC 8866 §5.14).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// What it carries.
    pub kind: Kind,
    /// 0 rejects or ends the section (RFC 3264 §6, §8.2), unless it is bundle-only (RFC 8843 §6); 9 says that the
    /// candidates tell.
    pub port: u16,
    /// How many ports, if it says so.
    pub ports: Option<u16>,
    /// Such as `UDP/TLS/RTP/SAVPF`.
    pub protocol: String,
    /// Payload types in order of preference; for data the word `webrtc-datachannel`.
    pub formats: Vec<String>,
    /// Connection, bandwidth and the like, in their order.
    pub lines: Vec<Line>,
    /// The attributes, in their order.
    pub attributes: Vec<Attribute>,
}

impl Session {
    /// Reads a description.
    ///
    /// # Errors
    /// The first line that is not as RFC 8866 and the attribute's own RFC want it, or that goes beyond a limit.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        if text.len() > MAX_LENGTH {
            let what = format!("{} bytes are too many; {MAX_LENGTH} is the most", text.len());
            return Err(ParseError { line: 1, what });
        }
        let text = text.trim_end_matches(['\r', '\n']);
        let mut lines = (1..).zip(text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)));
        expect(lines.next(), 'v', "`v=0`", |value| (value == "0").then_some(()))?;
        let origin =
            expect(lines.next(), 'o', "`o=- <id> <version> IN IP4 <address>`", |v| Read::read(v).ok())?;
        let name = expect(lines.next(), 's', "`s=-`", |value| Some(value.to_owned()))?;
        let mut session = Self { origin, name, lines: Vec::new(), attributes: Vec::new(), media: Vec::new() };
        for (number, line) in lines {
            session.take(line).map_err(|malformed| malformed.at(number, line))?;
            if number > MAX_LINES || session.media.len() > MAX_SECTIONS {
                let what = format!("too much; at most {MAX_LINES} lines and {MAX_SECTIONS} media sections");
                return Err(ParseError { line: number, what });
            }
        }
        Ok(session)
    }

    fn take(&mut self, line: &str) -> Result<(), Malformed> {
        let (kind, value) = split(line)?;
        if kind == 'm' {
            self.media.push(Read::read(value)?);
            return Ok(());
        }
        let (lines, attributes) = match self.media.last_mut() {
            Some(media) => (&mut media.lines, &mut media.attributes),
            None => (&mut self.lines, &mut self.attributes),
        };
        match kind {
            'a' => attributes.push(Attribute::parse(value)?),
            'c' => lines.push(Line::Connection(value.to_owned())),
            'b' => lines.push(Line::Bandwidth(Read::read(value)?)),
            'v' | 'o' | 's' => return Err(Malformed("another line: this one stands at the top, once")),
            _ => lines.push(Line::Other(kind, value.to_owned())),
        }
        Ok(())
    }

    /// The text, with attributes at the end of one section that it does not have itself: candidates that were found after
    /// it was written (RFC 8840).
    pub fn to_string_with(&self, section: usize, added: &[Attribute]) -> String {
        /// A session and what is added to which section.
        struct With<'a>(&'a Session, usize, &'a [Attribute]);
        impl fmt::Display for With<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.print(f, self.1, self.2)
            }
        }
        With(self, section, added).to_string()
    }

    fn print(&self, f: &mut fmt::Formatter<'_>, section: usize, added: &[Attribute]) -> fmt::Result {
        let Origin { username, session_id, version, address } = &self.origin;
        write!(f, "v=0\r\no={username} {session_id} {version} {address}\r\ns={}\r\n", self.name)?;
        print(f, &self.lines, &self.attributes)?;
        for (at, media) in self.media.iter().enumerate() {
            fmt::Display::fmt(media, f)?;
            if at == section {
                print(f, &[], added)?;
            }
        }
        Ok(())
    }

    /// The first thing that `pick` finds in a section's attributes, else in those of the session.
    ///
    /// This is how `ice-ufrag`, `ice-pwd`, `ice-options`, `fingerprint`, `setup`, `extmap-allow-mixed` and the
    /// direction are looked up, which may stand at either level.
    pub fn lookup<'a, T>(
        &'a self,
        media: &'a Media,
        mut pick: impl FnMut(&'a Attribute) -> Option<T>,
    ) -> Option<T> {
        media.attributes.iter().find_map(&mut pick).or_else(|| self.attributes.iter().find_map(&mut pick))
    }

    /// The direction of a section: its own, else the session's, else `sendrecv` (RFC 8866 §6.7).
    pub fn direction(&self, media: &Media) -> Direction {
        let pick = |attribute: &Attribute| match attribute {
            Attribute::Direction(direction) => Some(*direction),
            _ => None,
        };
        self.lookup(media, pick).unwrap_or(Direction::SendRecv)
    }

    /// The `mid`s of every group of the given semantics, such as `BUNDLE` (RFC 5888 §5).
    pub fn groups<'a>(&'a self, semantics: &'a str) -> impl Iterator<Item = &'a [String]> {
        self.attributes.iter().filter_map(move |attribute| match attribute {
            Attribute::Group(group) if group.semantics == semantics => Some(group.mids.as_slice()),
            _ => None,
        })
    }
}

impl Media {
    /// The identification tag of the section (RFC 5888 §4).
    pub fn mid(&self) -> Option<&str> {
        self.attributes.iter().find_map(|attribute| match attribute {
            Attribute::Mid(mid) => Some(mid.as_str()),
            _ => None,
        })
    }

    /// Whether an attribute without a value, such as `rtcp-mux`, is there.
    pub fn has(&self, wanted: &Attribute) -> bool {
        self.attributes.contains(wanted)
    }

    /// Whether the section is rejected or has ended: port 0 and not bundle-only (RFC 8843 §6).
    pub fn is_rejected(&self) -> bool {
        self.port == 0 && !self.has(&Attribute::BundleOnly)
    }
}

impl FromStr for Session {
    type Err = ParseError;
    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::parse(text)
    }
}

/// The type letter and the value of a line.
fn split(line: &str) -> Result<(char, &str), Malformed> {
    let malformed = Malformed("a letter, `=` and a value, as in `a=mid:0`");
    let (kind, value) = match line.as_bytes() {
        [kind, b'=', ..] if kind.is_ascii_alphabetic() => (char::from(*kind), &line[2..]),
        _ => return Err(malformed),
    };
    if value.bytes().any(|byte| byte == b'\r' || byte == b'\0') {
        return Err(Malformed("free of carriage returns and zero bytes within a line"));
    }
    Ok((kind, value))
}

/// One of the three lines at the top.
fn expect<T>(
    line: Option<(usize, &str)>,
    kind: char,
    example: &'static str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<T, ParseError> {
    let Some((number, line)) = line else {
        return Err(ParseError {
            line: 1,
            what: format!("a description begins with {example} at this place"),
        });
    };
    let malformed = Malformed(example);
    let (found, value) = split(line).map_err(|_| malformed.at(number, line))?;
    let read = (found == kind).then(|| read(value)).flatten();
    read.ok_or_else(|| malformed.at(number, line))
}

impl Read for Origin {
    fn read(value: &str) -> Result<Self, Malformed> {
        let malformed = Malformed("`o=- <id> <version> IN IP4 <address>`");
        let mut words = value.splitn(4, ' ');
        let mut word = || words.next().filter(|word| !word.is_empty()).ok_or(malformed);
        let username = word()?.to_owned();
        let session_id = word()?.to_owned();
        let version = word()?.parse().map_err(|_| malformed)?;
        let address = word()?.to_owned();
        if !session_id.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(malformed);
        }
        Ok(Self { username, session_id, version, address })
    }
}

impl Read for Bandwidth {
    fn read(value: &str) -> Result<Self, Malformed> {
        let malformed = Malformed("`b=<AS, CT or TIAS>:<number>`");
        let (kind, value) = value.split_once(':').ok_or(malformed)?;
        Ok(Self { kind: kind.to_owned(), value: value.trim().parse().map_err(|_| malformed)? })
    }
}

impl Read for Media {
    fn read(value: &str) -> Result<Self, Malformed> {
        let malformed =
            Malformed("`m=<kind> <port> <protocol> <format> …`, as in `m=audio 9 UDP/TLS/RTP/SAVPF 111`");
        let mut words = value.split_ascii_whitespace();
        let kind = Kind::from(words.next().ok_or(malformed)?);
        let port = words.next().ok_or(malformed)?;
        let (port, ports) = match port.split_once('/') {
            Some((port, ports)) => (port, Some(ports.parse().map_err(|_| malformed)?)),
            None => (port, None),
        };
        let port = port.parse().map_err(|_| malformed)?;
        let protocol = words.next().ok_or(malformed)?.to_owned();
        let formats: Vec<_> = words.map(str::to_owned).collect();
        if formats.is_empty() {
            return Err(malformed);
        }
        Ok(Self { kind, port, ports, protocol, formats, lines: Vec::new(), attributes: Vec::new() })
    }
}

impl From<&str> for Kind {
    fn from(kind: &str) -> Self {
        match kind {
            "audio" => Self::Audio,
            "video" => Self::Video,
            "application" => Self::Application,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Application => "application",
            Self::Other(kind) => kind,
        })
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.print(f, 0, &[])
    }
}

impl fmt::Display for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m={} {}", self.kind, self.port)?;
        if let Some(ports) = self.ports {
            write!(f, "/{ports}")?;
        }
        write!(f, " {}", self.protocol)?;
        for format in &self.formats {
            f.write_str(" ")?;
            f.write_str(format)?;
        }
        f.write_str("\r\n")?;
        print(f, &self.lines, &self.attributes)
    }
}

fn print(f: &mut fmt::Formatter<'_>, lines: &[Line], attributes: &[Attribute]) -> fmt::Result {
    for line in lines {
        match line {
            Line::Connection(address) => write!(f, "c={address}\r\n")?,
            Line::Bandwidth(Bandwidth { kind, value }) => write!(f, "b={kind}:{value}\r\n")?,
            Line::Other(kind, value) => write!(f, "{kind}={value}\r\n")?,
        }
    }
    for attribute in attributes {
        f.write_str("a=")?;
        fmt::Display::fmt(attribute, f)?;
        f.write_str("\r\n")?;
    }
    Ok(())
}
