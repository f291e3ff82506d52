//! Recordings of all rooms, as owners have those of theirs on the page.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Api;
use super::problem::Problem;
use super::rooms::{From_, origin};
use crate::app::App;
use crate::clock;
use crate::recording::{Deleted, Listed, Recordings, Timeline};

/// Recordings in one answer: at most, and if nothing is said.
const MOST: usize = 500;
const USUAL: usize = 100;

/// A page of recordings.
#[derive(Serialize, Deserialize, JsonSchema, Debug)]
#[schemars(rename = "Recordings")]
pub(super) struct Page {
    /// The latest first.
    recordings: Vec<Listed>,
    /// What to ask for `after` to get more; `null` if there are no more.
    next: Option<String>,
}

/// What a list of recordings may be asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    room: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

pub(super) async fn list(
    State(app): Api,
    Extension(caller): From_,
    headers: HeaderMap,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Page>, Problem> {
    let Query(wanted) = wanted.map_err(|rejection| Problem::malformed(rejection.body_text()))?;
    let limit = wanted.limit.unwrap_or(USUAL);
    if !(1..=MOST).contains(&limit) {
        return Err(Problem::invalid("`limit` is from 1 to 500"));
    }
    let recordings = recordings(&app)?;
    let all = recordings.list().await?;
    let (page, more) = page(all, &wanted, limit)?;
    let next = page.last().filter(|_| more).map(|timeline| timeline.id.clone());
    let place = (&*origin(&app, &caller, &headers), clock::unix_seconds());
    let recordings = page.into_iter().map(|timeline| Listed::new(&recordings, timeline, place)).collect();
    Ok(Json(Page { recordings, next }))
}

/// Those that are wanted, and whether there are more.
fn page(all: Vec<Timeline>, wanted: &Wanted, limit: usize) -> Result<(Vec<Timeline>, bool), Problem> {
    let begin = match &wanted.after {
        // The last of a page may be deleted before the next one is asked for, which then begins anew.
        Some(after) => all
            .iter()
            .position(|timeline| timeline.id == *after)
            .map(|at| at + 1)
            .ok_or_else(|| Problem::invalid("`after` is no recording any more: begin again without it"))?,
        None => 0,
    };
    let of_room = |timeline: &Timeline| wanted.room.as_ref().is_none_or(|room| timeline.room == *room);
    let mut rest = all.into_iter().skip(begin).filter(of_room);
    let page = rest.by_ref().take(limit).collect();
    Ok((page, rest.next().is_some()))
}

pub(super) async fn look_up(
    State(app): Api,
    Extension(caller): From_,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<Listed>, Problem> {
    let recordings = recordings(&app)?;
    let timeline = recordings.get(&id).await?.ok_or_else(nothing)?;
    let place = (&*origin(&app, &caller, &headers), clock::unix_seconds());
    Ok(Json(Listed::new(&recordings, timeline, place)))
}

pub(super) async fn delete(State(app): Api, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    match recordings(&app)?.delete(&id, |_| true).await? {
        Deleted::Gone => Ok(StatusCode::NO_CONTENT),
        Deleted::GoesOn => Err(Problem::new(
            StatusCode::CONFLICT,
            "conflict",
            "it goes on: end the recording of its room, then delete it",
        )),
        Deleted::Nothing => Err(nothing()),
    }
}

fn recordings(app: &App) -> Result<Arc<Recordings>, Problem> {
    let off = || Problem::new(StatusCode::NOT_FOUND, "off", "this server does not record");
    app.recordings.clone().ok_or_else(off)
}

fn nothing() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no-such-recording", "there is no recording of this name")
}
