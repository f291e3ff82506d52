//! What is wrong with a request, for people and programs (RFC 9457).

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;

use crate::signal::doors::DoorRefusal;

/// Seconds after which an empty room is asked for again, and a full or stopping server.
const SOON: &str = "5";

/// A request that was not carried out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Problem {
    status: StatusCode,
    /// What was wrong, and what would be right.
    detail: String,
    more: Vec<(HeaderName, &'static str)>,
}

#[derive(Serialize)]
struct Details<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), more: Vec::new() }
    }

    pub(super) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, detail).with(header::WWW_AUTHENTICATE, "Bearer")
    }

    pub(super) fn method(allowed: &'static str, detail: &str) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, detail).with(header::ALLOW, allowed)
    }

    /// The server has not answered in time.
    pub(super) fn busy() -> Self {
        let detail = "the server did not get to this in time: try again in a moment";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).with(header::RETRY_AFTER, SOON)
    }

    /// The room does not take them.
    pub(super) fn refused(refusal: DoorRefusal, detail: String) -> Self {
        match refusal {
            DoorRefusal::BadRoom | DoorRefusal::NoMember => Self::new(StatusCode::NOT_FOUND, detail),
            DoorRefusal::Empty => Self::new(StatusCode::CONFLICT, detail).with(header::RETRY_AFTER, SOON),
            DoorRefusal::NeedsKey => Self::unauthorized(detail),
            DoorRefusal::Removed | DoorRefusal::Locked | DoorRefusal::Encrypted => {
                Self::new(StatusCode::FORBIDDEN, detail)
            }
            DoorRefusal::Full | DoorRefusal::Draining => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).with(header::RETRY_AFTER, SOON)
            }
            DoorRefusal::TooMany => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, detail).with(header::RETRY_AFTER, SOON)
            }
            DoorRefusal::Offer => Self::new(StatusCode::BAD_REQUEST, detail),
        }
    }

    pub(super) fn accepting(self, kind: &'static str) -> Self {
        self.with(HeaderName::from_static("accept-post"), kind)
    }

    fn with(mut self, name: HeaderName, value: &'static str) -> Self {
        self.more.push((name, value));
        self
    }

    pub(super) fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or_default();
        let details =
            Details { r#type: "about:blank", title, status: self.status.as_u16(), detail: &self.detail };
        let body = serde_json::to_vec(&details).expect("it has no maps with other keys than text");
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        for (name, value) in self.more {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }
}
