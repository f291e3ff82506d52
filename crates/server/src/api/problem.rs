//! What is told to a program whose request was not carried out (RFC 9457).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::recording::archive::Unavailable;
use crate::signal::protocol::ErrorCode;

/// Why a request was not carried out.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    /// Seconds until it makes sense to ask again.
    retry: Option<u64>,
}

/// The body of such an answer, as `application/problem+json`.
#[derive(Serialize, Deserialize, JsonSchema, Debug)]
#[schemars(rename = "Problem")]
pub(super) struct Body {
    /// For programs: `urn:visavis:problem:` and a word, which stays the same.
    #[serde(rename = "type")]
    kind: String,
    /// The status in words.
    title: String,
    /// The status code of the response.
    status: u16,
    /// For people: what was wrong, and what would be right.
    detail: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), retry: None }
    }

    /// The request says something that it may not say.
    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail)
    }

    /// The body or the address is not what it should be.
    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", detail)
    }

    pub(crate) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }

    pub(crate) fn too_many(seconds: u64) -> Self {
        let detail = format!("too many requests: the next one is possible in {seconds} seconds");
        let retry = Some(seconds);
        Self { retry, ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many", detail) }
    }
}

impl From<(ErrorCode, String)> for Problem {
    fn from((code, detail): (ErrorCode, String)) -> Self {
        let (status, code) = match code {
            ErrorCode::NoSuchCall => (StatusCode::NOT_FOUND, "no-such-room"),
            ErrorCode::NoSuchMember => (StatusCode::NOT_FOUND, "no-such-member"),
            ErrorCode::RoomFull => (StatusCode::CONFLICT, "full"),
            ErrorCode::WrongState => (StatusCode::CONFLICT, "conflict"),
            ErrorCode::Draining => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
            ErrorCode::BadRoom
            | ErrorCode::BadName
            | ErrorCode::BadCall
            | ErrorCode::BadTicket
            | ErrorCode::BadDescription
            | ErrorCode::RoomLocked
            | ErrorCode::NeedsToken
            | ErrorCode::Encryption
            | ErrorCode::NotAllowed
            | ErrorCode::RateLimited => (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
        };
        Self::new(status, code, detail)
    }
}

impl From<anyhow::Error> for Problem {
    fn from(error: anyhow::Error) -> Self {
        if error.is::<Unavailable>() {
            tracing::warn!(error = format!("{error:#}"), "a request of an application has to wait");
            let detail = "the store of recordings does not answer; what is to be deleted is deleted as soon as it does";
            return Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail);
        }
        tracing::error!(error = format!("{error:#}"), "a request of an application failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", "the server could not do it; its log says why")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Body {
            kind: format!("urn:visavis:problem:{}", self.code),
            title: self.status.canonical_reason().unwrap_or_default().to_owned(),
            status: self.status.as_u16(),
            detail: self.detail,
        };
        let body = serde_json::to_string(&body).expect("texts and a number");
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"visavis\""));
        }
        response
    }
}
