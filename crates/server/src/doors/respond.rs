//! What is answered.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;

use super::session::Session;
use crate::signal::protocol::{Door, IceServer};

/// Of offers and answers (RFC 8866 §8.1).
pub(super) const SDP: &str = "application/sdp";
/// Of candidates and restarts (RFC 8840 §9).
pub(super) const FRAGMENT: &str = "application/trickle-ice-sdpfrag";

/// Pages of all origins may use the doors: what lets somebody in is the key, which no browser adds by itself.
pub(super) fn share(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    let exposed = HeaderValue::from_static("location, etag, link, accept-post, accept-patch, retry-after");
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What can be asked here (RFC 9725 §4.2), also for the browser that asks before a page may (Fetch §3.3.3).
pub(super) fn options(methods: &'static str, posts: Option<&'static str>) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, HeaderValue::from_static(methods));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
    let names = HeaderValue::from_static("authorization, content-type, if-match");
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    let (name, kind) = match posts {
        Some(kind) => ("accept-post", kind),
        None => ("accept-patch", FRAGMENT),
    };
    headers.insert(HeaderName::from_static(name), HeaderValue::from_static(kind));
    response
}

/// The session has begun.
pub(super) async fn created(session: &Session, servers: &[IceServer], answer: String) -> Response {
    let door = match session.door {
        Door::Publish => "whip",
        Door::Watch => "whep",
    };
    let location = format!("/{door}/{}/{}", session.room, session.id);
    let mut response = Response::new(Body::from(answer));
    *response.status_mut() = StatusCode::CREATED;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(SDP));
    headers.insert(HeaderName::from_static("accept-patch"), HeaderValue::from_static(FRAGMENT));
    // Rooms' names are base64url, and so is the rest; URLs of servers have no spaces.
    for (name, value) in [(header::LOCATION, location), (header::ETAG, session.etag().await)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    link(headers, servers);
    response
}

/// Names the ICE servers.
pub(super) fn link(headers: &mut HeaderMap, servers: &[IceServer]) {
    for link in servers.iter().flat_map(links) {
        if let Ok(link) = HeaderValue::from_str(&link) {
            headers.append(header::LINK, link);
        }
    }
}

/// ICE was restarted.
pub(super) fn restarted(etag: &str, fragment: &str) -> Response {
    let mut response = Response::new(Body::from(fragment.to_owned()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(FRAGMENT));
    if let Ok(etag) = HeaderValue::from_str(etag) {
        headers.insert(header::ETAG, etag);
    }
    response
}

/// A link for each address of an ICE server (RFC 9725 §4.6).
fn links(server: &IceServer) -> impl Iterator<Item = String> + '_ {
    server.urls.iter().map(|url| {
        let mut link = format!("<{url}>; rel=\"ice-server\"");
        if let (Some(username), Some(credential)) = (&server.username, &server.credential) {
            link += &format!(
                "; username=\"{username}\"; credential=\"{}\"; credential-type=\"password\"",
                credential.0
            );
        }
        link
    })
}
