//! What every response says about how it may be used.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// Only what this server serves runs; `blob:` is for pictures and files made in the page, `data:` for small icons.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
    media-src 'self' blob:; font-src 'self'; connect-src 'self'; worker-src 'self'; manifest-src 'self'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";

const PERMISSIONS: &str = "camera=(self), microphone=(self), display-capture=(self), fullscreen=(self), \
    picture-in-picture=(self), screen-wake-lock=(self), speaker-selection=(self), autoplay=(self), \
    clipboard-write=(self), publickey-credentials-create=(self), publickey-credentials-get=(self), \
    geolocation=(), midi=(), payment=(), usb=(), serial=(), hid=(), gyroscope=()";

/// Two years: what browsers ask for before they remember a host for good.
const STRICT_TRANSPORT: &str = "max-age=63072000";

/// Adds the security headers; `strict_transport` says that this came over HTTPS with a certificate of a public
/// authority, so that the browser may insist on HTTPS from now on.
pub(super) fn secure(headers: &mut HeaderMap, strict_transport: bool) {
    let fixed: [(HeaderName, &'static str); 7] = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("permissions-policy"), PERMISSIONS),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if strict_transport {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(STRICT_TRANSPORT));
    }
}
