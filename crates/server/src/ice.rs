//! The ICE servers a page is given: where STUN and TURN are, and short-lived credentials for them.
//!
//! The credentials follow the TURN REST convention that coturn and others share: the user name is
//! `EXPIRY:PERSON`, the password base64(HMAC-SHA1(secret, user name)).

use std::net::{IpAddr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crypto::HmacSha1;

use crate::banner::host;
use crate::config::Config;
use crate::signal::protocol::{IceServer, Secret};

/// Makes ICE servers for those who ask.
pub(crate) struct Ice {
    key: HmacSha1,
    lifetime: u32,
    /// Where STUN and TURN listen; `None`: there are none.
    stun: Option<SocketAddr>,
    /// The port of TURN over TLS.
    https_port: Option<u16>,
    public_host: Option<String>,
    external_ips: Vec<IpAddr>,
}

impl Ice {
    /// For a server whose STUN and HTTPS listen there.
    pub(crate) fn new(
        config: &Config,
        turn_secret: &[u8],
        stun: Option<SocketAddr>,
        https: Option<SocketAddr>,
    ) -> Self {
        Self {
            key: HmacSha1::new(turn_secret),
            lifetime: config.turn_lifetime.0,
            stun,
            https_port: https.map(|a| a.port()),
            public_host: config.public_host.0.clone(),
            external_ips: config.external_ip.0.clone(),
        }
    }

    /// Seconds until credentials given out now end.
    pub(crate) fn lifetime(&self) -> u32 {
        self.lifetime
    }

    /// TURN credentials for a person: user name and password.
    pub(crate) fn credentials(&self, person: &str, now: u64) -> (String, String) {
        let username = format!("{}:{person}", now + u64::from(self.lifetime));
        let password = BASE64.encode(self.key.tag(&[username.as_bytes()]));
        (username, password)
    }

    /// ICE servers for a person whose page reached this server under `requested`, the host of the request.
    pub(crate) fn servers(&self, requested: &str, person: &str, now: u64) -> Vec<IceServer> {
        let Some(stun) = self.stun else { return Vec::new() };
        let (address, port) = (self.address(requested, stun), stun.port());
        let (username, credential) = self.credentials(person, now);
        let mut urls = vec![
            format!("turn:{address}:{port}?transport=udp"),
            format!("turn:{address}:{port}?transport=tcp"),
        ];
        if let (Some(name), Some(port)) = (self.tls_name(requested), self.https_port) {
            urls.push(format!("turns:{name}:{port}?transport=tcp"));
        }
        vec![
            IceServer { urls: vec![format!("stun:{address}:{port}")], username: None, credential: None },
            IceServer { urls, username: Some(username), credential: Some(Secret(credential)) },
        ]
    }

    /// Where the page finds STUN: what it reached this server by, since that leads here, except that a name of
    /// someone else's (a proxy's) gives way to the public one.
    fn address(&self, requested: &str, stun: SocketAddr) -> String {
        if let Some(public) = &self.public_host
            && is_name(requested)
            && !is_local_name(requested)
        {
            return public.clone();
        }
        if !stun.ip().is_unspecified() && self.external_ips.is_empty() {
            return host(stun.ip());
        }
        if is_literal(requested) || is_name(requested) {
            return requested.to_owned();
        }
        let fallback =
            self.external_ips.first().copied().or_else(|| crate::addresses::reachable().first().copied());
        fallback.map_or_else(|| "127.0.0.1".to_owned(), host)
    }

    /// The name for TURN over TLS. Never an address: Firefox gives up on those, and no public certificate has them.
    fn tls_name(&self, requested: &str) -> Option<String> {
        match &self.public_host {
            Some(public) if !is_local_name(requested) => Some(public.clone()),
            _ => is_name(requested).then(|| requested.to_owned()),
        }
    }
}

fn is_literal(host: &str) -> bool {
    host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok()
}

/// Whether it is a host name that can stand in a URL as it is.
fn is_name(host: &str) -> bool {
    !host.is_empty()
        && host.len() <= 253
        && !is_literal(host)
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
}

/// Names that only mean something where the page is.
fn is_local_name(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost") || host.ends_with(".local")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ice(stun: &str, public: Option<&str>, external: &[&str]) -> Ice {
        Ice {
            key: HmacSha1::new(b"north"),
            lifetime: 3600,
            stun: Some(stun.parse().unwrap()),
            https_port: Some(443),
            public_host: public.map(str::to_owned),
            external_ips: external.iter().map(|ip| ip.parse().unwrap()).collect(),
        }
    }

    #[test]
    fn the_page_is_sent_where_it_can_reach() {
        let any = "0.0.0.0:3478";
        for (stun, public, external, requested, address, tls) in [
            (any, None, &[][..], "192.168.1.2", "192.168.1.2", None),
            (any, None, &[], "box.lan", "box.lan", Some("box.lan")),
            (any, None, &[], "localhost", "localhost", Some("localhost")),
            (any, None, &[], "[fd00::2]", "[fd00::2]", None),
            (any, Some("call.example"), &[], "call.example", "call.example", Some("call.example")),
            (any, Some("call.example"), &[], "proxy.example", "call.example", Some("call.example")),
            (any, Some("call.example"), &[], "192.168.1.2", "192.168.1.2", Some("call.example")),
            (any, Some("call.example"), &[], "localhost", "localhost", Some("localhost")),
            ("127.0.0.1:3478", None, &[], "192.168.1.2", "127.0.0.1", None),
            ("10.0.0.5:3478", None, &["203.0.113.7"], "203.0.113.7", "203.0.113.7", None),
            (any, None, &["203.0.113.7"], "", "203.0.113.7", None),
            (any, None, &["203.0.113.7"], "a b", "203.0.113.7", None),
        ] {
            let servers = ice(stun, public, external).servers(requested, "p", 1000);
            assert_eq!(servers[0].urls, [format!("stun:{address}:3478")], "{requested}");
            assert_eq!(servers[1].urls[0], format!("turn:{address}:3478?transport=udp"));
            let wanted = tls.map(|name| format!("turns:{name}:443?transport=tcp"));
            assert_eq!(servers[1].urls.get(2), wanted.as_ref(), "{requested}");
        }
    }

    #[test]
    fn credentials_follow_the_convention() {
        let (username, password) = ice("0.0.0.0:3478", None, &[]).credentials("anna", 1_000_000_000);
        assert_eq!(username, "1000003600:anna");
        // Made with: printf %s 1000003600:anna | openssl dgst -sha1 -hmac north -binary | base64
        assert_eq!(password, "4Z9hYGqovpuiajDFalk6cphwfzk=");
    }
}
