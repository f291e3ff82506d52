//! Which pages may speak to this server: its own, and those that the key `origins` names.

use axum::http::{HeaderMap, HeaderValue, header};

use crate::config::Config;

/// An origin that may.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Allowed {
    /// The request did not come from a page, or from one of ours.
    Own,
    /// From a page of another site that the configuration names.
    Foreign(HeaderValue),
}

impl Allowed {
    /// The other site, to be named in the response.
    pub fn foreign(self) -> Option<HeaderValue> {
        match self {
            Self::Own => None,
            Self::Foreign(origin) => Some(origin),
        }
    }
}

/// Whether a request may be served; `None` if it comes from a page that may not. A request without `Origin` comes
/// from a program, which could say anything.
pub fn check(headers: &HeaderMap, config: &Config) -> Option<Allowed> {
    let Some(value) = headers.get(header::ORIGIN) else { return Some(Allowed::Own) };
    let origin = value.to_str().ok()?;
    let own = headers.get(header::HOST).and_then(|h| h.to_str().ok());
    if authority(origin).is_some_and(|a| own.is_some_and(|own| a.eq_ignore_ascii_case(own))) {
        return Some(Allowed::Own);
    }
    let named = config.origins.0.iter().any(|o| o.eq_ignore_ascii_case(origin));
    named.then(|| Allowed::Foreign(value.clone()))
}

/// Tells the browser that a page of `origin` may read the response (Fetch §3.3).
pub fn share(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::VARY, HeaderValue::from_static("origin"));
    let methods = HeaderValue::from_static("GET, POST, DELETE");
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    let allowed = HeaderValue::from_static("authorization, content-type");
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
}

/// Host and port of an origin as they stand in it.
fn authority(origin: &str) -> Option<&str> {
    let rest = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"))?;
    (!rest.is_empty()).then_some(rest)
}

/// The host of an origin or of a `Host` header, without its port.
pub fn host(origin: &str) -> Option<&str> {
    let authority = authority(origin).unwrap_or(origin);
    let bare = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !host.ends_with(':') => host,
        _ => authority,
    };
    (!bare.is_empty() && !bare.contains(['/', '@', ' '])).then_some(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_found_in_origins() {
        for (origin, wanted) in [
            ("https://example.org", Some("example.org")),
            ("http://localhost:8080", Some("localhost")),
            ("https://[2001:db8::1]:8443", Some("[2001:db8::1]")),
            ("https://[::1]", Some("[::1]")),
            ("example.org:8443", Some("example.org")),
            ("", None),
            ("https://", None),
            ("https://a/b", None),
        ] {
            assert_eq!(host(origin), wanted, "{origin}");
        }
    }
}
