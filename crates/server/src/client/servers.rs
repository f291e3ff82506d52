//! STUN and TURN servers: from the URLs of the welcome (RFC 7064, RFC 7065) to addresses.

use std::net::SocketAddr;

use peer::TurnServer;
use wire::Transport;

use crate::signal::protocol::IceServer;

/// One URL, read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Url {
    /// TURN; else STUN.
    pub(crate) turn: bool,
    /// How to reach it.
    pub(crate) transport: Transport,
    /// A name or an address.
    pub(crate) host: String,
    /// The port.
    pub(crate) port: u16,
}

impl Url {
    /// Reads a URL; `None` if it is no STUN or TURN.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once(':')?;
        let (turn, tls) = match scheme {
            "stun" => (false, false),
            "stuns" => (false, true),
            "turn" => (true, false),
            "turns" => (true, true),
            _ => return None,
        };
        let (authority, query) = rest.split_once('?').unwrap_or((rest, ""));
        let tcp = query.split('&').any(|parameter| parameter == "transport=tcp");
        let transport = match (tls, tcp) {
            (true, _) => Transport::Tls,
            (false, true) => Transport::Tcp,
            (false, false) => Transport::Udp,
        };
        let (host, port) = match authority.strip_prefix('[') {
            Some(inner) => inner.split_once(']')?,
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(digits) => digits.parse().ok()?,
            None => {
                if tls {
                    5349
                } else {
                    3478
                }
            }
        };
        (!host.is_empty()).then(|| Self { turn, transport, host: host.to_owned(), port })
    }

    /// The addresses behind the name; none if nobody knows it.
    pub(crate) async fn resolve(&self) -> Vec<SocketAddr> {
        match tokio::net::lookup_host((self.host.as_str(), self.port)).await {
            Ok(found) => found.collect(),
            Err(error) => {
                tracing::debug!("{}: {error}", self.host);
                Vec::new()
            }
        }
    }
}

/// Puts the servers into a configuration: of each name the first address of each family.
pub(crate) async fn configure(config: &mut peer::Config, servers: &[IceServer]) {
    for server in servers {
        for url in server.urls.iter().filter_map(|url| Url::read(url)) {
            let found = url.resolve().await;
            let of = |v4: bool| found.iter().copied().find(|address| address.is_ipv4() == v4);
            for address in [of(true), of(false)].into_iter().flatten() {
                match (&server.username, &server.credential) {
                    (Some(username), Some(credential)) if url.turn => config.turn_servers.push(TurnServer {
                        address,
                        name: url.host.clone(),
                        transport: url.transport,
                        username: username.clone(),
                        password: credential.0.clone(),
                    }),
                    _ if !url.turn && url.transport == Transport::Udp => {
                        config.ice.stun_servers.push(address);
                    }
                    _ => {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        for (text, wanted) in [
            ("stun:a.example", Some((false, Transport::Udp, "a.example", 3478))),
            ("turn:192.0.2.1:3479?transport=udp", Some((true, Transport::Udp, "192.0.2.1", 3479))),
            ("turn:a.example?transport=tcp", Some((true, Transport::Tcp, "a.example", 3478))),
            ("turns:a.example:443?transport=tcp", Some((true, Transport::Tls, "a.example", 443))),
            ("turns:[fd00::2]", Some((true, Transport::Tls, "fd00::2", 5349))),
            ("http://a.example", None),
            ("stun:", None),
            ("stun:a.example:x", None),
        ] {
            let read = Url::read(text);
            let read = read.as_ref().map(|u| (u.turn, u.transport, u.host.as_str(), u.port));
            assert_eq!(read, wanted, "{text}");
        }
    }
}
