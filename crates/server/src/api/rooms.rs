//! Rooms, their tokens, and the server itself.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::problem::Problem;
use super::token::{self, Claims};
use super::types::{NewRoom, NewToken, Room, RoomSettings, Rooms, Status, Token};
use super::{Api, Asking, Body, Who, applications};
use crate::app::App;
use crate::clock;
use crate::http::Caller;
use crate::signal::admin::{self, Admin, Kept, Reply, Settings};
use crate::signal::protocol::ErrorCode;

/// Rooms in one answer: at most, and if nothing is said.
const MOST: usize = 500;
const USUAL: usize = 100;

/// What a list of rooms may be asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    after: Option<String>,
    limit: Option<usize>,
}

pub(super) type From_ = Extension<Caller>;

pub(super) async fn list(
    State(app): Api,
    Extension(caller): From_,
    headers: HeaderMap,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<Rooms>, Problem> {
    let Query(Page { after, limit }) = page.map_err(|rejection| Problem::malformed(rejection.body_text()))?;
    let limit = limit.unwrap_or(USUAL);
    if !(1..=MOST).contains(&limit) {
        return Err(Problem::invalid("`limit` is from 1 to 500"));
    }
    let Reply::Rooms(rooms, more) = app.hub.administer(Admin::List { after, limit }).await? else {
        return Err(unexpected());
    };
    let next = rooms.last().filter(|_| more).map(|room| room.room.clone());
    let origin = origin(&app, &caller, &headers);
    let rooms = rooms.into_iter().map(|room| described(room, &origin)).collect();
    Ok(Json(Rooms { rooms, next }))
}

pub(super) async fn create(
    State(app): Api,
    Extension(asking): Who,
    Extension(caller): From_,
    headers: HeaderMap,
    Body(new): Body<NewRoom>,
) -> Result<Response, Problem> {
    let NewRoom { room, settings } = new;
    let room = match room {
        Some(room) => room,
        None => fresh_name(&app, &asking, &headers)?,
    };
    let settings = settings.check(clock::unix_seconds())?;
    let (room, made) = set_up(&app, room, settings, false).await?;
    let room = described(room, &origin(&app, &caller, &headers));
    let status = if made { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(room)).into_response())
}

/// A name that nobody can guess; always the same for one `Idempotency-Key` of one application.
fn fresh_name(app: &App, asking: &Asking, headers: &HeaderMap) -> Result<String, Problem> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(BASE64.encode(crypto::random::<12>())) };
    if !(1..=255).contains(&key.len()) {
        return Err(Problem::malformed("`Idempotency-Key` has 1 to 255 bytes"));
    }
    let tag = applications(app)?.seal.tag(&[asking.0.as_bytes(), b"\0", key.as_bytes()]);
    Ok(BASE64.encode(&tag[..12]))
}

/// Sets a room up here and in the database; whether it is new.
async fn set_up(
    app: &App,
    room: String,
    settings: Settings,
    replace: bool,
) -> Result<(admin::Room, bool), Problem> {
    let ends_in = settings.ends.map(|ends| Duration::from_secs(ends.saturating_sub(clock::unix_seconds())));
    let text = serde_json::to_string(&settings).map_err(anyhow::Error::from)?;
    let kept = Kept { room, settings, ends_in, call: None };
    let reply = app.hub.administer(Admin::Create { kept, replace }).await?;
    let Reply::Room(room, made) = reply else { return Err(unexpected()) };
    if made || replace {
        app.store.keep_room(&room.room, &text).await?;
    }
    Ok((*room, made))
}

pub(super) async fn look_up(
    State(app): Api,
    Extension(caller): From_,
    headers: HeaderMap,
    Path(room): Path<String>,
) -> Result<Json<Room>, Problem> {
    let room = get(&app, room).await?;
    Ok(Json(described(room, &origin(&app, &caller, &headers))))
}

async fn get(app: &App, room: String) -> Result<admin::Room, Problem> {
    match app.hub.administer(Admin::Get { room }).await? {
        Reply::Room(room, _) => Ok(*room),
        _ => Err(unexpected()),
    }
}

/// A JSON merge patch (RFC 7396) of a room's settings.
pub(super) async fn change(
    State(app): Api,
    Extension(caller): From_,
    headers: HeaderMap,
    Path(room): Path<String>,
    Body(patch): Body<Map<String, Value>>,
) -> Result<Json<Room>, Problem> {
    let now = get(&app, room.clone()).await?;
    let mut settings = serde_json::to_value(RoomSettings::from(now.settings)).map_err(anyhow::Error::from)?;
    let ends = patch.contains_key("ends");
    if let Some(fields) = settings.as_object_mut() {
        fields.extend(patch);
    }
    let settings: RoomSettings = serde_json::from_value(settings)
        .map_err(|error| Problem::malformed(format!("these are no settings of a room: {error}")))?;
    // An end that came a moment ago and is not meant to change is not this request's fault.
    let settings = settings.check(if ends { clock::unix_seconds() } else { 0 })?;
    let (room, _) = set_up(&app, room, settings, true).await?;
    Ok(Json(described(room, &origin(&app, &caller, &headers))))
}

pub(super) async fn end(State(app): Api, Path(room): Path<String>) -> Result<StatusCode, Problem> {
    app.hub.administer(Admin::End { room: room.clone() }).await?;
    app.store.forget_room(&room).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn token(
    State(app): Api,
    Extension(asking): Who,
    Extension(caller): From_,
    headers: HeaderMap,
    Path(room): Path<String>,
    Body(new): Body<NewToken>,
) -> Result<Response, Problem> {
    let name = new.check()?;
    let room = get(&app, room).await?.room;
    let applications = applications(&app)?;
    let key = applications.keys.get(&asking.0).ok_or_else(|| Problem::unauthorized("this key is no more"))?;
    let expires = clock::unix_seconds() + u64::from(new.valid_for);
    let claims = Claims {
        iss: asking.0,
        sub: new.subject,
        room: Some(room.clone()),
        name: Some(name),
        role: Some(new.role),
        #[allow(clippy::cast_precision_loss, reason = "seconds since 1970 have far fewer than 53 bits")]
        exp: expires as f64,
        jti: new.once.then(|| BASE64.encode(crypto::random::<16>())),
        ..Claims::default()
    };
    let token = token::sign(key, &claims);
    let person = claims.sub.as_deref().map(|subject| token::person_of(key.id(), subject));
    let link = format!("{}/r/{room}#token={token}", origin(&app, &caller, &headers));
    Ok((StatusCode::CREATED, Json(Token { token, link, expires, person })).into_response())
}

pub(super) async fn status(State(app): Api) -> Result<Json<Status>, Problem> {
    let stats = app.hub.stats();
    Ok(Json(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime: clock::unix_seconds().saturating_sub(app.started),
        draining: app.is_draining(),
        kept: stats.kept,
        conferences: stats.conferences,
        members: stats.members,
        people: stats.people,
        undelivered: app.store.undelivered().await?,
    }))
}

fn described(room: admin::Room, origin: &str) -> Room {
    let link = format!("{origin}/r/{}", room.room);
    Room::of(room, link)
}

/// Where people reach the page: under the public name if there is one, else where the application reached us.
pub(super) fn origin(app: &App, caller: &Caller, headers: &HeaderMap) -> String {
    if let Some(host) = &app.config.public_host.0 {
        return match app.config.https_listen().map(|address| address.port()) {
            Some(port) if port != 443 => format!("https://{host}:{port}"),
            Some(_) | None => format!("https://{host}"),
        };
    }
    let scheme = if caller.secure { "https" } else { "http" };
    let host =
        headers.get(header::HOST).map(HeaderValue::as_bytes).and_then(|host| std::str::from_utf8(host).ok());
    host.map_or_else(|| format!("{scheme}://{}", caller.local), |host| format!("{scheme}://{host}"))
}

/// The rendezvous answered something else than it was asked: our mistake.
pub(super) fn unexpected() -> Problem {
    (ErrorCode::WrongState, "the server answered something else than it was asked".to_owned()).into()
}
