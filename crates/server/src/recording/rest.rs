//! Recordings over HTTP: the list for those who may have them, and files by links. `docs/recording.md` describes it.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse as _;
use axum::routing::{delete, get};
use axum::{Json, Router};
use serde::Deserialize;

use super::archive::Unavailable;
use super::{Deleted, Listed, Recordings};
use crate::app::App;
use crate::clock;
use crate::signal::protocol::Person;

/// `/recordings`.
pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/recordings", get(list))
        .route("/recordings/{id}", delete(remove))
        .route("/recordings/{id}/{file}", get(file))
}

fn refuse(status: StatusCode, code: &'static str, message: &str) -> Response<Body> {
    (status, Json(serde_json::json!({ "code": code, "message": message }))).into_response()
}

fn nothing() -> Response<Body> {
    refuse(StatusCode::NOT_FOUND, "not-found", "there is no such recording, or it is not yours")
}

fn failed(error: &anyhow::Error) -> Response<Body> {
    if error.is::<Unavailable>() {
        tracing::warn!(error = format!("{error:#}"), "cannot reach recordings");
        let message = "recordings are kept in a store that does not answer: try again in a moment";
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message);
    }
    tracing::error!(error = format!("{error:#}"), "cannot read recordings");
    refuse(
        StatusCode::INTERNAL_SERVER_ERROR,
        "failed",
        "the recordings cannot be read; the server's log says why",
    )
}

/// Who asks, by the identity in `Authorization`, and the recordings.
async fn who(app: &App, headers: &HeaderMap) -> Result<(Arc<Recordings>, Person), Response<Body>> {
    let Some(recordings) = app.recordings.clone() else {
        return Err(refuse(StatusCode::NOT_FOUND, "off", "this server does not record"));
    };
    let told = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let identity = told.and_then(|value| value.strip_prefix("Bearer ")).map(str::trim);
    let person = match identity {
        Some(identity) => app.accounts.authenticate(identity).await.map_err(|error| failed(&error))?,
        None => None,
    };
    let message = "send the identity of `welcome` as `Authorization: Bearer`";
    person
        .map(|person| (recordings, person))
        .ok_or_else(|| refuse(StatusCode::UNAUTHORIZED, "unauthorized", message))
}

async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> Response<Body> {
    let (recordings, person) = match who(&app, &headers).await {
        Ok(who) => who,
        Err(refused) => return refused,
    };
    let now = clock::unix_seconds();
    match recordings.list().await {
        Ok(found) => {
            let own = found.into_iter().filter(|timeline| timeline.owners.contains(&person.id));
            let entries: Vec<Listed> =
                own.map(|timeline| Listed::new(&recordings, timeline, ("", now))).collect();
            let mut response = Json(entries).into_response();
            response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
        Err(error) => failed(&error),
    }
}

async fn remove(State(app): State<Arc<App>>, Path(id): Path<String>, headers: HeaderMap) -> Response<Body> {
    let (recordings, person) = match who(&app, &headers).await {
        Ok(who) => who,
        Err(refused) => return refused,
    };
    match recordings.delete(&id, |found| found.owners.contains(&person.id)).await {
        Ok(Deleted::Gone) => StatusCode::NO_CONTENT.into_response(),
        Ok(Deleted::GoesOn) => {
            refuse(StatusCode::CONFLICT, "recording", "it goes on: stop the recording, then delete it")
        }
        Ok(Deleted::Nothing) => nothing(),
        Err(error) if error.is::<Unavailable>() => {
            tracing::warn!(error = format!("{error:#}"), "a recording is to be deleted");
            let message = "the store of recordings does not answer: this one is deleted as soon as it does";
            refuse(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
        }
        Err(error) => failed(&error),
    }
}

#[derive(Deserialize)]
struct Signed {
    #[serde(default)]
    until: u64,
    #[serde(default)]
    key: String,
    /// Whether it is to be kept rather than shown.
    #[serde(default)]
    save: Option<String>,
}

/// A file, or a part of it (RFC 9110 §14).
async fn file(
    State(app): State<Arc<App>>,
    Path((id, name)): Path<(String, String)>,
    Query(signed): Query<Signed>,
    headers: HeaderMap,
) -> Response<Body> {
    let Some(recordings) = app.recordings.clone() else { return nothing() };
    // A name that was signed is one that was listed.
    if !recordings.is_good((&id, &name), (signed.until, &signed.key), clock::unix_seconds()) {
        let message = "this link is not good any more: take a new one from the list of recordings";
        return refuse(StatusCode::FORBIDDEN, "expired", message);
    }
    let found = match recordings.archive().find(&id, &name).await {
        Ok(Some(found)) => found,
        Ok(None) => return nothing(),
        Err(error) => return failed(&error),
    };
    let size = found.size;
    let asked = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let (from, to, status) = match range(asked, size) {
        Asked::Whole => (0, size, StatusCode::OK),
        Asked::Part(from, to) => (from, to, StatusCode::PARTIAL_CONTENT),
        Asked::Beyond => {
            let mut response = StatusCode::RANGE_NOT_SATISFIABLE.into_response();
            put(&mut response, header::CONTENT_RANGE, &format!("bytes */{size}"));
            return response;
        }
    };
    let pieces = match found.read(from, to).await {
        Ok(pieces) => pieces,
        Err(error) => return failed(&error),
    };
    let mut response = Response::new(Body::from_stream(pieces));
    *response.status_mut() = status;
    put(&mut response, header::CONTENT_TYPE, content_type(&name));
    put(&mut response, header::CONTENT_LENGTH, &(to - from).to_string());
    put(&mut response, header::ACCEPT_RANGES, "bytes");
    put(&mut response, header::CACHE_CONTROL, "private, no-store");
    if status == StatusCode::PARTIAL_CONTENT {
        put(&mut response, header::CONTENT_RANGE, &format!("bytes {from}-{}/{size}", to - 1));
    }
    if signed.save.is_some() {
        put(&mut response, header::CONTENT_DISPOSITION, &format!("attachment; filename=\"{name}\""));
    }
    response
}

fn put(response: &mut Response<Body>, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "webm" => "video/webm",
        "mkv" => "video/x-matroska",
        _ => "application/json",
    }
}

/// What of a file is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Asked {
    Whole,
    /// From this byte, to before that one.
    Part(u64, u64),
    /// Nothing of it is there.
    Beyond,
}

/// Reads `Range`. Of several ranges, and of what cannot be read, the answer is the whole file (RFC 9110 §14.2).
fn range(asked: Option<&str>, size: u64) -> Asked {
    let Some((first, last)) = asked.and_then(|asked| asked.strip_prefix("bytes=")?.split_once('-')) else {
        return Asked::Whole;
    };
    let (first, last) = (first.trim(), last.trim());
    let part = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => (first, last.saturating_add(1).min(size)),
        (Ok(first), Err(_)) if last.is_empty() => (first, size),
        (Err(_), Ok(suffix)) if first.is_empty() => (size.saturating_sub(suffix), size),
        _ => return Asked::Whole,
    };
    if part.0 >= part.1 { Asked::Beyond } else { Asked::Part(part.0, part.1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        for (asked, expected) in [
            ("", Asked::Whole),
            ("bytes=0-", Asked::Part(0, 100)),
            ("bytes=10-19", Asked::Part(10, 20)),
            ("bytes=99-200", Asked::Part(99, 100)),
            ("bytes=-30", Asked::Part(70, 100)),
            ("bytes=-300", Asked::Part(0, 100)),
            ("bytes=100-", Asked::Beyond),
            ("bytes=-0", Asked::Beyond),
            ("bytes=20-10", Asked::Whole),
            ("bytes=0-1,5-6", Asked::Whole),
            ("lines=1-2", Asked::Whole),
        ] {
            assert_eq!(range(Some(asked), 100), expected, "{asked}");
        }
        assert_eq!(range(Some("bytes=0-"), 0), Asked::Beyond);
    }
}
