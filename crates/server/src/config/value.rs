//! The types of values that keys have: how each is written, and what is allowed.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// A type of value. A single value is one text, a list any number of texts.
pub(super) trait Value: Sized {
    /// What a person may write, for messages and for the documentation.
    const ALLOWED: &'static str;
    /// Whether the key may be given more than once.
    const MANY: bool = false;

    /// Reads the value, or says what is wrong with it.
    fn parse(texts: &[String]) -> Result<Self, String>;
}

/// The one text of a single value.
pub(super) fn single(texts: &[String]) -> Result<&str, String> {
    match texts {
        [text] => Ok(text.trim()),
        [] => Err("it is empty".into()),
        _ => Err("only one value can be given".into()),
    }
}

/// An address to listen on, or none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Listen(pub Option<SocketAddr>);

impl Value for Listen {
    const ALLOWED: &'static str =
        "IP:PORT, such as `127.0.0.1:8080` or `[::]:443` (port 0 takes a free one), or `off`";

    fn parse(texts: &[String]) -> Result<Self, String> {
        let text = single(texts)?;
        if text == "off" {
            return Ok(Self(None));
        }
        text.parse().map(|a| Self(Some(a))).map_err(|_| socket_problem(text))
    }
}

/// Says why `text` is not a socket address.
fn socket_problem(text: &str) -> String {
    let Some((host, port)) = text.rsplit_once(':') else {
        return "a port is missing".into();
    };
    if text.parse::<IpAddr>().is_ok() {
        return "an IPv6 address needs brackets and a port".into();
    }
    if port.parse::<u16>().is_err() {
        return format!("`{port}` is not a port (0 to 65535)");
    }
    format!("`{host}` is not an IP address")
}

/// A range of ports, both ends included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PortRange {
    /// The first port.
    pub first: u16,
    /// The last port, not below the first.
    pub last: u16,
}

impl Value for PortRange {
    const ALLOWED: &'static str = "A-B, two ports from 1024 to 65535, the first not above the last";

    fn parse(texts: &[String]) -> Result<Self, String> {
        let text = single(texts)?;
        let (first, last) = text.split_once('-').ok_or("there is no `-` between two ports")?;
        let port = |p: &str| {
            let p = p.trim();
            p.parse::<u16>()
                .ok()
                .filter(|p| *p >= 1024)
                .ok_or(format!("`{p}` is not a port from 1024 to 65535"))
        };
        let (first, last) = (port(first)?, port(last)?);
        if first > last {
            return Err(format!("{first} is above {last}"));
        }
        Ok(Self { first, last })
    }
}

/// Any number of values of one type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct List<T>(pub Vec<T>);

impl Value for List<IpAddr> {
    const ALLOWED: &'static str = "IP addresses, IPv4 or IPv6";
    const MANY: bool = true;

    fn parse(texts: &[String]) -> Result<Self, String> {
        let ip = |t: &String| t.trim().parse().map_err(|_| format!("`{t}` is not an IP address"));
        texts.iter().map(ip).collect::<Result<_, _>>().map(Self)
    }
}

/// A network: an address and the length of its prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Net {
    /// An address of the network.
    pub address: IpAddr,
    /// How many bits of it count: at most 32 or 128.
    pub prefix: u8,
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl Value for List<Net> {
    const ALLOWED: &'static str = "IP addresses or networks, such as `10.0.0.0/8` or `fd00::/8`";
    const MANY: bool = true;

    fn parse(texts: &[String]) -> Result<Self, String> {
        texts.iter().map(|t| net(t.trim())).collect::<Result<_, _>>().map(Self)
    }
}

fn net(text: &str) -> Result<Net, String> {
    let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
    let address: IpAddr = address.parse().map_err(|_| format!("`{address}` is not an IP address"))?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix {
        None => longest,
        Some(p) => p
            .parse()
            .ok()
            .filter(|p| *p <= longest)
            .ok_or(format!("`/{p}` is not a prefix length (0 to {longest})"))?,
    };
    Ok(Net { address, prefix })
}

/// Web origins that may open the signalling besides the server's own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origins(pub Vec<String>);

impl Value for Origins {
    const ALLOWED: &'static str = "origins, such as `https://example.org` (scheme, host and port, no path)";
    const MANY: bool = true;

    fn parse(texts: &[String]) -> Result<Self, String> {
        for text in texts {
            let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
            let host = host.ok_or(format!("`{text}` does not begin with https:// or http://"))?;
            if host.is_empty() || host.contains(['/', '?', '#', '@', '*', ' ']) {
                return Err(format!("`{text}` has more than a scheme, a host and a port"));
            }
        }
        Ok(Self(texts.iter().map(|t| t.to_ascii_lowercase()).collect()))
    }
}

/// The address of a webhook.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Url {
    /// As it was written.
    pub text: String,
}

/// Addresses of webhooks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Urls(pub Vec<Url>);

impl Value for Urls {
    const ALLOWED: &'static str = "addresses that begin with `https://` or `http://`";
    const MANY: bool = true;

    fn parse(texts: &[String]) -> Result<Self, String> {
        let url = |text: &String| {
            let uri: axum::http::Uri = text.trim().parse().map_err(|_| format!("`{text}` is no address"))?;
            let host = uri.host().unwrap_or_default();
            if !matches!(uri.scheme_str(), Some("https" | "http")) || host.is_empty() {
                return Err(format!("`{text}` does not begin with https:// or http:// and a host"));
            }
            if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
                return Err("it has a user in it: what is sent is signed instead".into());
            }
            Ok(Url { text: text.trim().to_owned() })
        };
        texts.iter().map(url).collect::<Result<_, _>>().map(Self)
    }
}

/// The id of an API key, or none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyId(pub Option<String>);

impl Value for KeyId {
    const ALLOWED: &'static str = "what stands before the `.` of an API key";

    fn parse(texts: &[String]) -> Result<Self, String> {
        if texts.is_empty() {
            return Ok(Self(None));
        }
        let text = single(texts)?;
        if text.is_empty() || text.contains('.') {
            // What was written is shown with an error: better that it is no secret.
            return Err("it is empty, or has a `.` in it".into());
        }
        Ok(Self(Some(text.to_owned())))
    }
}

/// A public host name, or none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Host(pub Option<String>);

impl Value for Host {
    const ALLOWED: &'static str = "a host name such as `call.example.org`, without scheme or port";

    fn parse(texts: &[String]) -> Result<Self, String> {
        if texts.is_empty() {
            return Ok(Self(None));
        }
        let text = single(texts)?.to_ascii_lowercase();
        let label = |l: &str| {
            (1..=63).contains(&l.len())
                && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !l.starts_with('-')
                && !l.ends_with('-')
        };
        if text.parse::<IpAddr>().is_ok() {
            return Err("it is an IP address (`external-ip` is the key for those)".into());
        }
        if text.len() > 253 || !text.split('.').all(label) {
            return Err("it is not a host name".into());
        }
        Ok(Self(Some(text)))
    }
}

impl Value for PathBuf {
    const ALLOWED: &'static str = "a path, relative to the folder the server is started in";

    fn parse(texts: &[String]) -> Result<Self, String> {
        match single(texts)? {
            "" => Err("it is empty".into()),
            path => Ok(path.into()),
        }
    }
}

impl Value for Option<PathBuf> {
    const ALLOWED: &'static str = PathBuf::ALLOWED;

    fn parse(texts: &[String]) -> Result<Self, String> {
        if texts.is_empty() { Ok(None) } else { PathBuf::parse(texts).map(Some) }
    }
}

/// A length of time in whole seconds, never zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seconds(pub u32);

impl Seconds {
    /// The same as the standard library's type.
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0.into())
    }
}

impl Value for Seconds {
    const ALLOWED: &'static str = "a time from 1s to 7d, such as `45s`, `2m` or `12h`";

    fn parse(texts: &[String]) -> Result<Self, String> {
        let text = single(texts)?;
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let scale = match unit.trim() {
            "" | "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            other => return Err(format!("`{other}` is not a unit (s, m, h or d)")),
        };
        let number: u32 = number.parse().map_err(|_| "it does not begin with a number")?;
        match number.checked_mul(scale) {
            Some(seconds @ 1..=604_800) => Ok(Self(seconds)),
            _ => Err("it is out of range".into()),
        }
    }
}

/// The greatest number of something; `None` is no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limit(pub Option<u32>);

impl Limit {
    /// The limit as a length to compare with.
    pub fn as_usize(self) -> usize {
        self.0.map_or(usize::MAX, |n| n as usize)
    }
}

impl Value for Limit {
    const ALLOWED: &'static str = "a whole number from 1, or `unlimited`";

    fn parse(texts: &[String]) -> Result<Self, String> {
        match single(texts)? {
            "unlimited" => Ok(Self(None)),
            text => match text.parse() {
                Ok(0) => Err("it would allow nothing at all".into()),
                Ok(n) => Ok(Self(Some(n))),
                Err(_) => Err("it is not a whole number".into()),
            },
        }
    }
}

/// Bytes per second; `None` is no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bandwidth(pub Option<u64>);

impl Value for Bandwidth {
    const ALLOWED: &'static str =
        "bits per second such as `800k`, `20M` or `1G`, at least 64k, or `unlimited`";

    fn parse(texts: &[String]) -> Result<Self, String> {
        let text = single(texts)?;
        if text == "unlimited" {
            return Ok(Self(None));
        }
        let (number, scale) = match text.char_indices().next_back() {
            Some((i, 'k' | 'K')) => (&text[..i], 1_000),
            Some((i, 'M')) => (&text[..i], 1_000_000),
            Some((i, 'G')) => (&text[..i], 1_000_000_000),
            _ => (text, 1),
        };
        let number: u64 = number.trim().parse().map_err(|_| "it is not a number with k, M or G after it")?;
        match number.checked_mul(scale) {
            Some(bits) if bits >= 64_000 => Ok(Self(Some(bits / 8))),
            _ => Err("it is out of range".into()),
        }
    }
}

/// How many threads carry media; `None` is one for each core.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Threads(pub Option<u16>);

impl Value for Threads {
    const ALLOWED: &'static str = "a number from 1 to 256, or `auto` for one on each core";

    fn parse(texts: &[String]) -> Result<Self, String> {
        match single(texts)? {
            "auto" => Ok(Self(None)),
            text => match text.parse() {
                Ok(n @ 1..=256) => Ok(Self(Some(n))),
                _ => Err("it is not such a number".into()),
            },
        }
    }
}

/// Where `/metrics` is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Metrics {
    /// Nowhere.
    Off,
    /// On the plain HTTP listener, to callers on this machine.
    Local,
    /// On a listener of its own, to anybody who reaches it.
    At(SocketAddr),
}

impl Value for Metrics {
    const ALLOWED: &'static str = "`local` (the plain HTTP address, to this machine only), IP:PORT, or `off`";

    fn parse(texts: &[String]) -> Result<Self, String> {
        match single(texts)? {
            "off" => Ok(Self::Off),
            "local" => Ok(Self::Local),
            text => text.parse().map(Self::At).map_err(|_| socket_problem(text)),
        }
    }
}

/// The address of an ACME server's directory (RFC 8555 §7.1.1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AcmeDirectory(pub String);

impl Value for AcmeDirectory {
    const ALLOWED: &'static str = "an https:// address";

    fn parse(texts: &[String]) -> Result<Self, String> {
        let text = single(texts)?;
        if text.strip_prefix("https://").is_some_and(|rest| !rest.is_empty()) {
            Ok(Self(text.into()))
        } else {
            Err("it does not begin with https://".into())
        }
    }
}

/// An electronic mail address, or none.
impl Value for Option<String> {
    const ALLOWED: &'static str = "a mail address";

    fn parse(texts: &[String]) -> Result<Self, String> {
        if texts.is_empty() {
            return Ok(None);
        }
        let text = single(texts)?;
        match text.split_once('@') {
            Some((user, host)) if !user.is_empty() && host.contains('.') => Ok(Some(text.into())),
            _ => Err("it is not a mail address".into()),
        }
    }
}

/// What is logged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogFilter(pub String);

impl Value for LogFilter {
    const ALLOWED: &'static str = "a level (`error`, `warn`, `info`, `debug`, `trace`), or several of `target=level` with commas between";

    fn parse(texts: &[String]) -> Result<Self, String> {
        let text = texts.join(",");
        let level = |l: &str| matches!(l, "off" | "error" | "warn" | "info" | "debug" | "trace");
        for part in text.split(',') {
            let wanted = part.rsplit_once('=').map_or(part, |(_, level)| level).trim();
            if !level(wanted) {
                return Err(format!("`{wanted}` is not a level"));
            }
        }
        tracing_subscriber::EnvFilter::try_new(&text).map_err(|e| e.to_string())?;
        Ok(Self(text))
    }
}

/// An enum written as one of a few words.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ } $allowed:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum $name {
            $($(#[$vdoc])* $variant),+
        }

        impl Value for $name {
            const ALLOWED: &'static str = $allowed;

            fn parse(texts: &[String]) -> Result<Self, String> {
                match single(texts)? {
                    $($word => Ok(Self::$variant),)+
                    _ => Err("it is none of them".into()),
                }
            }
        }
    };
}

words! {
    /// Where the certificate comes from.
    TlsMode {
        /// No HTTPS at all.
        Off = "off",
        /// From a certificate authority of this server's own.
        SelfSigned = "self-signed",
        /// From two PEM files.
        Files = "files",
        /// From a public certificate authority, automatically (RFC 8555).
        Acme = "acme"
    }
    "`off`, `self-signed`, `files` or `acme`"
}

words! {
    /// How a line of the log looks.
    LogFormat {
        /// For people.
        Text = "text",
        /// One JSON object for each line.
        Json = "json"
    }
    "`text` or `json`"
}

words! {
    /// Who can make an account.
    Registration {
        /// Anybody, from the page.
        Open = "open",
        /// Only the administrator, by `visavis account add`.
        Closed = "closed"
    }
    "`open` (anybody) or `closed` (only `visavis account add`)"
}
