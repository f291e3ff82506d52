//! Candidates as both sides write them to each other: the candidate attribute of RFC 8839 §5.1, with the
//! stream types of RFC 6544 §4.5, names of the mDNS draft, and extensions kept as they came.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use wire::Transport;

/// Where a candidate comes from (RFC 8445 §4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CandidateKind {
    /// An address of the machine itself.
    Host,
    /// That address as a STUN server sees it.
    ServerReflexive,
    /// That address as the peer sees it.
    PeerReflexive,
    /// An address on a TURN server.
    Relayed,
}

impl CandidateKind {
    /// The word after `typ`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::ServerReflexive => "srflx",
            Self::PeerReflexive => "prflx",
            Self::Relayed => "relay",
        }
    }
}

/// What carries the messages to and from a candidate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Protocol {
    /// Datagrams.
    Udp,
    /// A TCP connection with the framing of RFC 4571, which is the driver's business.
    Tcp,
}

impl Protocol {
    /// The same as a [`Transport`].
    pub const fn transport(self) -> Transport {
        match self {
            Self::Udp => Transport::Udp,
            Self::Tcp => Transport::Tcp,
        }
    }
}

/// Who opens the connection of a TCP candidate (RFC 6544 §4.5).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum TcpType {
    /// It opens connections; its port means nothing and is written as 9.
    Active,
    /// It accepts connections.
    Passive,
    /// Both sides open at once.
    SimultaneousOpen,
}

impl TcpType {
    /// The word after `tcptype`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::SimultaneousOpen => "so",
        }
    }

    /// Whether this side may send first to `remote` (RFC 6544 §6.2).
    pub(crate) const fn connects_to(self, remote: Self) -> bool {
        matches!(
            (self, remote),
            (Self::Active, Self::Passive) | (Self::SimultaneousOpen, Self::SimultaneousOpen)
        )
    }
}

/// The connection address of a candidate.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Address {
    /// A number.
    Ip(IpAddr),
    /// A name: of a `.local` kind, to be resolved by multicast DNS on the peer's own network.
    Name(String),
}

/// A candidate as it stands in a description or in a trickled message.
///
/// `Display` writes `candidate:…` without `a=`, as W3C's `RTCIceCandidate` has it; `FromStr` reads it with or
/// without `a=`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// Equal for candidates that are likely to succeed or fail together: 1 to 32 characters.
    pub foundation: String,
    /// 1 for RTP and everything that is multiplexed with it; 2 for an RTCP port of its own, which we refuse.
    pub component: u16,
    /// What carries it.
    pub protocol: Protocol,
    /// Higher is better.
    pub priority: u32,
    /// The address.
    pub address: Address,
    /// The port.
    pub port: u16,
    /// Where it comes from.
    pub kind: CandidateKind,
    /// The base of a reflexive candidate, the mapped address of a relayed one; may be all zero to hide it.
    pub related: Option<SocketAddr>,
    /// Who opens the connection, for TCP.
    pub tcp_type: Option<TcpType>,
    /// The user name fragment of the ICE generation that it belongs to.
    pub ufrag: Option<String>,
    /// Other extensions in order, such as `generation` or `network-cost`; 16 at most are read.
    pub extensions: Vec<(String, String)>,
}

impl Candidate {
    /// The transport address, unless it is a name.
    pub const fn socket_address(&self) -> Option<SocketAddr> {
        match self.address {
            Address::Ip(ip) => Some(SocketAddr::new(ip, self.port)),
            Address::Name(_) => None,
        }
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.protocol {
            Protocol::Udp => "udp",
            Protocol::Tcp => "tcp",
        };
        write!(f, "candidate:{} {} {protocol} {} ", self.foundation, self.component, self.priority)?;
        match &self.address {
            Address::Ip(ip) => write!(f, "{ip}")?,
            Address::Name(name) => f.write_str(name)?,
        }
        write!(f, " {} typ {}", self.port, self.kind.as_str())?;
        if let Some(related) = self.related {
            write!(f, " raddr {} rport {}", related.ip(), related.port())?;
        }
        if let Some(tcp_type) = self.tcp_type {
            write!(f, " tcptype {}", tcp_type.as_str())?;
        }
        if let Some(ufrag) = &self.ufrag {
            write!(f, " ufrag {ufrag}")?;
        }
        self.extensions.iter().try_for_each(|(name, value)| write!(f, " {name} {value}"))
    }
}

/// Why a line is not a candidate that we can use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParseError {
    /// It does not begin with `candidate:`, or is longer than 1,024 bytes.
    NotACandidate,
    /// The line ends before this part.
    Missing(&'static str),
    /// This part is not what the grammar says.
    Invalid(&'static str),
    /// Neither `udp` nor `tcp`: RFC 8839 §5.1 says to ignore the candidate.
    UnknownProtocol,
    /// A type that is not known: RFC 8839 §5.1 says to ignore the candidate.
    UnknownKind,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotACandidate => {
                f.write_str("a candidate begins with `candidate:` and has at most 1024 bytes")
            }
            Self::Missing(part) => write!(f, "the candidate ends where its {part} should stand"),
            Self::Invalid(part) => write!(f, "the {part} of the candidate does not follow RFC 8839 §5.1"),
            Self::UnknownProtocol => f.write_str("the candidate is neither udp nor tcp"),
            Self::UnknownKind => f.write_str("the candidate's type is none of host, srflx, prflx and relay"),
        }
    }
}

impl std::error::Error for ParseError {}

const MAX_LINE: usize = 1024;
const MAX_EXTENSIONS: usize = 16;
const MAX_NAME: usize = 255;

impl FromStr for Candidate {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let text = text.trim_ascii();
        if text.len() > MAX_LINE {
            return Err(ParseError::NotACandidate);
        }
        let line = text.strip_prefix("a=").unwrap_or(text);
        let line = line.strip_prefix("candidate:").ok_or(ParseError::NotACandidate)?;
        let mut words = line.split_ascii_whitespace();
        let mut next = |part: &'static str| words.next().ok_or(ParseError::Missing(part));
        let foundation = foundation(next("foundation")?)?;
        let component = number(next("component")?, "component")?;
        let protocol = protocol(next("transport")?)?;
        let priority = number(next("priority")?, "priority")?;
        let address = address(next("address")?)?;
        let port = number(next("port")?, "port")?;
        if next("type")? != "typ" {
            return Err(ParseError::Invalid("type"));
        }
        let kind = kind(next("type")?)?;
        let mut candidate = Self {
            foundation,
            component,
            protocol,
            priority,
            address,
            port,
            kind,
            related: None,
            tcp_type: None,
            ufrag: None,
            extensions: Vec::new(),
        };
        candidate.read_extensions(words)?;
        Ok(candidate)
    }
}

impl Candidate {
    fn read_extensions<'a>(&mut self, mut words: impl Iterator<Item = &'a str>) -> Result<(), ParseError> {
        let mut related_ip = None;
        while let (Some(name), Some(value)) = (words.next(), words.next()) {
            match name {
                // A name in place of the related address tells nothing that we use.
                "raddr" => related_ip = value.parse::<IpAddr>().ok(),
                "rport" => {
                    let port = number(value, "related port")?;
                    self.related = related_ip.map(|ip| SocketAddr::new(ip, port));
                }
                "tcptype" => self.tcp_type = Some(tcp_type(value)?),
                "ufrag" => self.ufrag = Some(value.to_owned()),
                _ if self.extensions.len() < MAX_EXTENSIONS => {
                    self.extensions.push((name.to_owned(), value.to_owned()));
                }
                _ => {}
            }
        }
        match (self.protocol, self.tcp_type) {
            (Protocol::Udp, Some(_)) => Err(ParseError::Invalid("tcptype")),
            // Before RFC 6544 there was no type: such candidates accept connections.
            (Protocol::Tcp, None) => {
                self.tcp_type = Some(TcpType::Passive);
                Ok(())
            }
            (Protocol::Udp, None) | (Protocol::Tcp, Some(_)) => Ok(()),
        }
    }
}

/// Real peers write more than the ice-chars of the grammar here; what matters is equality.
fn foundation(word: &str) -> Result<String, ParseError> {
    let right = word.len() <= 32 && word.bytes().all(|b| b.is_ascii_graphic());
    if right { Ok(word.to_owned()) } else { Err(ParseError::Invalid("foundation")) }
}

fn number<T: FromStr>(word: &str, part: &'static str) -> Result<T, ParseError> {
    let digits = word.bytes().all(|b| b.is_ascii_digit());
    word.parse().ok().filter(|_| digits).ok_or(ParseError::Invalid(part))
}

fn protocol(word: &str) -> Result<Protocol, ParseError> {
    if word.eq_ignore_ascii_case("udp") {
        Ok(Protocol::Udp)
    } else if word.eq_ignore_ascii_case("tcp") {
        Ok(Protocol::Tcp)
    } else {
        Err(ParseError::UnknownProtocol)
    }
}

fn address(word: &str) -> Result<Address, ParseError> {
    if let Ok(ip) = word.parse::<IpAddr>() {
        return Ok(Address::Ip(ip.to_canonical()));
    }
    let name_byte = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.' || b == b'_';
    let name = word.len() <= MAX_NAME && word.bytes().all(name_byte) && word.contains('.');
    // What looks like a number but is none, as 1.2.3, must not reach a resolver.
    let letter = word.bytes().any(|b| b.is_ascii_alphabetic());
    if name && letter { Ok(Address::Name(word.to_owned())) } else { Err(ParseError::Invalid("address")) }
}

fn kind(word: &str) -> Result<CandidateKind, ParseError> {
    match word {
        "host" => Ok(CandidateKind::Host),
        "srflx" => Ok(CandidateKind::ServerReflexive),
        "prflx" => Ok(CandidateKind::PeerReflexive),
        "relay" => Ok(CandidateKind::Relayed),
        _ => Err(ParseError::UnknownKind),
    }
}

fn tcp_type(word: &str) -> Result<TcpType, ParseError> {
    match word {
        "active" => Ok(TcpType::Active),
        "passive" => Ok(TcpType::Passive),
        "so" => Ok(TcpType::SimultaneousOpen),
        _ => Err(ParseError::Invalid("tcptype")),
    }
}

/// A way of ours to send and receive, which the driver gives to the agent. Server-reflexive candidates are not
/// given: the agent finds them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Local {
    /// The address that [`Input::local`](crate::Input::local) and [`wire::Transmit::from`] speak of.
    pub address: SocketAddr,
    /// What it is.
    pub kind: LocalKind,
    /// A `.local` name to show in place of the address, which the driver answers multicast DNS queries for.
    pub name: Option<String>,
}

/// What a [`Local`] is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LocalKind {
    /// A UDP socket on this machine.
    Host,
    /// A TCP listener (passive), the address to connect from (active; the port is written as 9), or a bound
    /// port that does both (simultaneous-open).
    Tcp(TcpType),
    /// A relayed transport address that a TURN client holds.
    Relayed {
        /// What carries the messages to the TURN server.
        via: Transport,
        /// The TURN server.
        server: SocketAddr,
        /// Our address as that server sees it.
        mapped: SocketAddr,
    },
}

impl Local {
    /// A UDP socket.
    pub const fn host(address: SocketAddr) -> Self {
        Self { address, kind: LocalKind::Host, name: None }
    }

    /// A TCP listener, or an address to connect from.
    pub const fn tcp(address: SocketAddr, tcp_type: TcpType) -> Self {
        Self { address, kind: LocalKind::Tcp(tcp_type), name: None }
    }

    /// A relayed transport address. The driver passes what leaves from it to its TURN client, and asks that for
    /// a permission for each destination: the first messages wait for it, or are sent again by the agent.
    pub const fn relayed(
        address: SocketAddr,
        via: Transport,
        server: SocketAddr,
        mapped: SocketAddr,
    ) -> Self {
        Self { address, kind: LocalKind::Relayed { via, server, mapped }, name: None }
    }

    /// The same, shown to the peer under a `.local` name.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }
}

/// Written in place of a related address that is to stay hidden.
pub(crate) const HIDDEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
