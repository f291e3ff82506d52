//! WHIP and WHEP: rooms over HTTP, for encoders and players that know no signalling.
//!
//! ```text
//! POST   /whip/ROOM           an offer; 201, the answer, and where the session is      (RFC 9725 §4.2)
//! PATCH  /whip/ROOM/SESSION   candidates, or a restart of ICE                          (RFC 9725 §4.3)
//! DELETE /whip/ROOM/SESSION   the end                                                  (RFC 9725 §4.2)
//! ```
//! and the same under `/whep/`. A session is a place in the conference of the room ([`crate::signal::doors`]); its media
//! take the same way as those of pages. `docs/whip.md` is for those who use it.

mod admit;
mod fragment;
mod offer;
mod problem;
mod respond;
mod session;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Extension, Path, Query, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use serde::Deserialize;

use self::admit::{Pass, admit, bearer};
pub(crate) use self::fragment::Fragment;
use self::problem::Problem;
pub(crate) use self::session::Sessions;
use self::session::{Patch, Session};
use crate::accounts::names;
use crate::app::App;
use crate::http::{Caller, origin};
use crate::signal::authority::Door as Entrance;
use crate::signal::doors::{DoorCommand, DoorEvent, Glance, Purpose};
use crate::signal::hub::DoorEnd;
use crate::signal::protocol::{Door, MemberNumber, Person, Picture};

/// The largest body of a request, in bytes: as of a description over signalling.
const BODY: usize = 64 * 1024;
/// How long a body may take to come, and how long an answer may.
const PATIENCE: Duration = Duration::from_secs(10);
/// What an encoder is called that says nothing.
const NAME: &str = "Encoder";

/// All routes.
pub(crate) fn router() -> Router<Arc<App>> {
    let door = |door: Door| {
        Router::new()
            .route("/{room}", any(endpoint))
            .route("/{room}/{session}", any(resource))
            .layer(Extension(door))
    };
    Router::new().nest("/whip", door(Door::Publish)).nest("/whep", door(Door::Watch))
}

/// What stands behind the `?`.
#[derive(Deserialize)]
struct Asked {
    /// What the encoder is called.
    name: Option<String>,
    /// Whom the viewer wants to see.
    member: Option<MemberNumber>,
    /// Which of the pictures.
    source: Option<Picture>,
}

/// `/whip/ROOM`, `/whep/ROOM`.
async fn endpoint(
    State(app): State<Arc<App>>,
    Extension(door): Extension<Door>,
    Extension(caller): Extension<Caller>,
    Path(room): Path<String>,
    request: Request,
) -> Response {
    let method = request.method().clone();
    let response = match method {
        Method::OPTIONS => {
            let mut response = respond::options("POST, OPTIONS", Some(respond::SDP));
            // Some encoders gather their candidates before they offer, and ask for the servers here.
            let token = bearer(request.headers()).is_some();
            if let Ok(pass) = admit(&app, bearer(request.headers()), &room, door)
                && token
            {
                let person = Person { id: pass.holder, name: String::new(), verified: false };
                let servers = app.hub.ice_servers(&entrance(&request, caller.address.ip()), &person);
                respond::link(response.headers_mut(), &servers);
            }
            response
        }
        Method::POST => {
            Box::pin(enter(&app, door, caller, room, request)).await.unwrap_or_else(Problem::into_response)
        }
        _ => Problem::method("POST, OPTIONS", "a session begins with POST and an offer").into_response(),
    };
    respond::share(response)
}

/// `/whip/ROOM/SESSION`, `/whep/ROOM/SESSION`.
async fn resource(
    State(app): State<Arc<App>>,
    Extension(door): Extension<Door>,
    Path((room, id)): Path<(String, String)>,
    request: Request,
) -> Response {
    let method = request.method().clone();
    let response = match method {
        Method::OPTIONS => respond::options("PATCH, DELETE, OPTIONS", None),
        Method::PATCH | Method::DELETE => {
            let changed = async {
                let session = find(&app, (door, &room, &id), request.headers())?;
                if method == Method::DELETE {
                    app.sessions.remove(&session.id);
                    app.hub.at_door(session.at, DoorCommand::Leave).await;
                    return Ok(StatusCode::OK.into_response());
                }
                Box::pin(patch(&app, &session, request)).await
            };
            changed.await.unwrap_or_else(Problem::into_response)
        }
        _ => {
            Problem::method("PATCH, DELETE, OPTIONS", "a session is changed with PATCH and ended with DELETE")
                .into_response()
        }
    };
    respond::share(response)
}

/// The session of that address, for whoever began it.
fn find(
    app: &App,
    (door, room, id): (Door, &str, &str),
    headers: &HeaderMap,
) -> Result<Arc<Session>, Problem> {
    let session = app.sessions.get(id).filter(|session| session.door == door && session.room == room);
    let session = session.ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "there is no such session here (any more): begin another with POST",
        )
    })?;
    if session.is_of(bearer(headers)) {
        Ok(session)
    } else {
        Err(Problem::unauthorized("this session was begun with another key: send that one"))
    }
}

/// POST: somebody comes in.
async fn enter(
    app: &Arc<App>,
    door: Door,
    caller: Caller,
    room: String,
    request: Request,
) -> Result<Response, Problem> {
    let Query(asked) = Query::<Asked>::try_from_uri(request.uri()).map_err(|_| {
        let message = match door {
            Door::Publish => "behind the `?` can stand `name=`, what the encoder is called",
            Door::Watch => "behind the `?` can stand `member=NUMBER`, and `source=camera` or `source=screen`",
        };
        Problem::new(StatusCode::BAD_REQUEST, message)
    })?;
    let pass = admit(app, bearer(request.headers()), &room, door)?;
    let host = entrance(&request, caller.address.ip());
    let sdp = text(request, respond::SDP).await?;
    let sdp = offer::consistent(&sdp);
    offer::check(&sdp, door).map_err(|message| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, message))?;
    let token = pass.token.clone();
    let (person, purpose) = purpose(pass, door, asked)?;
    let (address, offer) = (caller.address.ip(), sdp.clone());
    let command = DoorCommand::Enter { address, room: room.clone(), purpose, sdp };
    let mut end = app.hub.open_door(command).await;
    let answer = match answer(&mut end, &offer).await {
        Ok(answer) => answer,
        Err(problem) => {
            app.hub.at_door(end.id, DoorCommand::Leave).await;
            return Err(problem);
        }
    };
    let links = app.hub.ice_servers(&host, &person);
    let session = app.sessions.begin((door, room), token, offer, end);
    tracing::info!(?door, session = session.name(), address = %caller.address, "somebody came by HTTP");
    Ok(respond::created(&session, &links, answer).await)
}

/// Who they are to the room.
fn purpose(pass: Pass, door: Door, asked: Asked) -> Result<(Person, Purpose), Problem> {
    let Asked { name, member, source } = asked;
    let name = match (pass.name, name) {
        (Some(name), _) => name,
        (None, Some(name)) => {
            names::check(&name).map_err(|message| Problem::new(StatusCode::BAD_REQUEST, message))?
        }
        (None, None) => NAME.to_owned(),
    };
    let person = Person { id: pass.holder.clone(), name: name.clone(), verified: false };
    let purpose = match door {
        Door::Publish => Purpose::Publish { holder: pass.holder, name },
        Door::Watch => Purpose::Watch { invited: pass.token.is_some(), glance: Glance { member, source } },
    };
    Ok((person, purpose))
}

/// The rendezvous' answer to the first offer.
async fn answer(end: &mut DoorEnd, offer: &str) -> Result<String, Problem> {
    let event = tokio::time::timeout(PATIENCE, end.events.recv()).await;
    match event {
        Ok(Some(DoorEvent::Answer(Ok(answer)))) => {
            offer::check_answer(offer, &answer)
                .map_err(|message| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, message))?;
            Ok(answer)
        }
        Ok(Some(DoorEvent::Answer(Err(message)))) => Err(Problem::new(StatusCode::BAD_REQUEST, message)),
        Ok(Some(DoorEvent::Refused(refusal, message))) => Err(Problem::refused(refusal, message)),
        Ok(Some(DoorEvent::Ended(_)) | None) | Err(_) => Err(Problem::busy()),
    }
}

/// PATCH: candidates, or a restart (RFC 9725 §4.3).
async fn patch(app: &App, session: &Session, request: Request) -> Result<Response, Problem> {
    let condition = request.headers().get(header::IF_MATCH).cloned();
    let condition = condition.as_ref().and_then(|value| value.to_str().ok()).map(str::to_owned);
    let Some(condition) = condition else {
        let message = "PATCH needs `If-Match`: the ETag of the session for candidates, `*` to restart ICE";
        return Err(Problem::new(StatusCode::PRECONDITION_REQUIRED, message));
    };
    let text = text(request, respond::FRAGMENT).await?;
    let fragment =
        Fragment::parse(&text).map_err(|message| Problem::new(StatusCode::BAD_REQUEST, message))?;
    match session.patch(&app.hub, &condition, &fragment).await? {
        Patch::Taken => Ok(StatusCode::NO_CONTENT.into_response()),
        Patch::Restarted { etag, answer } => Ok(respond::restarted(&etag, &fragment::of_answer(&answer))),
    }
}

/// Through which door of the server somebody came: they can reach STUN and TURN there too.
fn entrance(request: &Request, address: IpAddr) -> Entrance {
    let named = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = named.or_else(|| request.uri().authority().map(|authority| authority.as_str()));
    let host = host.and_then(origin::host).unwrap_or_default().to_owned();
    Entrance { host, address }
}

/// The body, if it is of that type.
async fn text(request: Request<Body>, expected: &'static str) -> Result<String, Problem> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case(expected) {
        let message = format!("the body is to be `{expected}`, but `Content-Type` says {kind:?}");
        let problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message);
        return Err(if expected == respond::SDP { problem.accepting(expected) } else { problem });
    }
    let body = tokio::time::timeout(PATIENCE, to_bytes(request.into_body(), BODY)).await;
    let body: Bytes = body
        .map_err(|_| Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in time"))?
        .map_err(|_| {
            let message = format!("the body is broken off, or has more than {BODY} bytes");
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, message)
        })?;
    String::from_utf8(body.into())
        .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the body is no text in UTF-8"))
}
