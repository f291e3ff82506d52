//! Where the server is: `http://localhost:8080`, `https://call.example` …

use std::fmt;

/// The server that both sides use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Address {
    /// HTTPS and WSS.
    pub(crate) tls: bool,
    /// A name or an address; one of IPv6 without brackets.
    pub(crate) host: String,
    /// The port.
    pub(crate) port: u16,
}

/// Not the address of a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct BadAddress(String);

impl fmt::Display for BadAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no server; say it as `https://call.example` or `http://localhost:8080`", self.0)
    }
}

impl std::error::Error for BadAddress {}

impl Address {
    /// Reads an address; without a scheme it is HTTPS. What follows the host is given back, such as `/r/CODE`.
    ///
    /// # Errors
    /// It is not one.
    pub(crate) fn read(text: &str) -> Result<(Self, &str), BadAddress> {
        let bad = || BadAddress(text.to_owned());
        let trimmed = text.trim();
        let (tls, rest) = match trimmed.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            Some(_) => return Err(bad()),
            None => (true, trimmed),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match authority.strip_prefix('[') {
            Some(inner) => inner.split_once(']').ok_or_else(bad)?,
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(digits) => digits.parse().map_err(|_| bad())?,
            None if port.is_empty() => {
                if tls {
                    443
                } else {
                    80
                }
            }
            None => return Err(bad()),
        };
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':');
        if host.is_empty() || !host.bytes().all(plain) {
            return Err(bad());
        }
        Ok((Self { tls, host: host.to_owned(), port }, path))
    }

    /// Host and port as they stand in a URL.
    pub(crate) fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match (self.tls, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }

    /// Where its signalling is.
    pub(crate) fn socket_url(&self) -> String {
        format!("{}://{}/ws", if self.tls { "wss" } else { "ws" }, self.authority())
    }

    /// The link for a browser.
    pub(crate) fn link(&self, code: &str) -> String {
        format!("{self}/r/{code}")
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.tls { "https" } else { "http" }, self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        for (text, wanted) in [
            ("http://localhost:8080", Some(("http://localhost:8080", ""))),
            ("https://call.example/", Some(("https://call.example", "/"))),
            ("call.example", Some(("https://call.example", ""))),
            ("https://call.example:443/r/a-b-c", Some(("https://call.example", "/r/a-b-c"))),
            ("http://[fd00::2]:8080/x", Some(("http://[fd00::2]:8080", "/x"))),
            ("http://192.0.2.1", Some(("http://192.0.2.1", ""))),
            ("ftp://call.example", None),
            ("http://", None),
            ("http://host:99999", None),
            ("http://[fd00::2", None),
            ("http://a b", None),
        ] {
            let read = Address::read(text).map(|(address, rest)| (address.to_string(), rest.to_owned()));
            assert_eq!(read.ok(), wanted.map(|(a, r)| (a.to_owned(), r.to_owned())), "{text}");
        }
        let (address, _) = Address::read("https://call.example").unwrap();
        assert_eq!(address.socket_url(), "wss://call.example/ws");
        assert_eq!(address.link("a-b-c"), "https://call.example/r/a-b-c");
    }
}
