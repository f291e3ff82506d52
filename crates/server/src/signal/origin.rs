//! Which web pages may open a socket: without this check any page in the world could, in the name of its visitor
//! (RFC 6455 §10.2).

/// Whether a page from `origin` may use the server that the request calls `host`. Programs that are no browser send no
/// origin. `allowed` are further origins, such as `https://app.example.org`.
pub(super) fn is_allowed(origin: Option<&str>, host: &str, allowed: &[String]) -> bool {
    let Some(origin) = origin else { return true };
    let same = origin.split_once("://").is_some_and(|(scheme, authority)| {
        matches!(scheme, "http" | "https") && !host.is_empty() && authority.eq_ignore_ascii_case(host)
    });
    same || allowed.iter().any(|one| one.eq_ignore_ascii_case(origin))
}

/// The host name in a `Host` header: without the port, and an IPv6 address with its brackets.
pub(super) fn host_name(host: &str) -> &str {
    let colon = host.rfind(':').filter(|colon| !host[*colon..].contains(']'));
    &host[..colon.unwrap_or(host.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_the_same_host_and_of_the_list_may_come_in() {
        let allowed = ["https://app.example.org".to_owned()];
        for (origin, host, expected) in [
            (None, "a.example", true),
            (Some("https://a.example"), "a.example", true),
            (Some("https://A.example:8443"), "a.EXAMPLE:8443", true),
            (Some("http://[::1]:8080"), "[::1]:8080", true),
            (Some("https://app.example.org"), "a.example", true),
            (Some("https://a.example:8443"), "a.example", false),
            (Some("https://evil.example"), "a.example", false),
            (Some("https://a.example.evil"), "a.example", false),
            (Some("null"), "a.example", false),
            (Some("file://"), "", false),
            (Some("ftp://a.example"), "a.example", false),
        ] {
            assert_eq!(is_allowed(origin, host, &allowed), expected, "{origin:?} {host}");
        }
    }

    #[test]
    fn a_host_name_has_no_port() {
        for (host, name) in [
            ("a.example", "a.example"),
            ("a.example:1", "a.example"),
            ("[::1]", "[::1]"),
            ("[::1]:1", "[::1]"),
        ] {
            assert_eq!(host_name(host), name);
        }
    }
}
