//! What is done with a whole room that is on: its groups, its recording, and keys to its doors.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::people::{act, place};
use super::problem::Problem;
use super::rooms::unexpected;
use super::types::Member;
use super::{Api, Body};
use crate::accounts::names;
use crate::clock;
use crate::signal::admin::{Act, Admin, Reply};
use crate::signal::protocol::{self, BreakoutAction, Door, Group, GroupNumber, GroupPlan, MemberNumber};

/// The longest life of a key, in seconds.
const LONGEST_KEY: u32 = 366 * 86_400;

/// How a room is to be divided.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewGroups {
    /// 1 to 50 groups; the first has the number 1.
    groups: Vec<GroupPlan>,
    /// Whether those who are named nowhere are sent to groups by chance, as evenly as can be; owners stay.
    #[serde(default)]
    rest: bool,
    /// Seconds (1 to 86400) after which everybody is called back; absent: no limit.
    #[serde(default)]
    seconds: Option<u32>,
}

/// How a room is divided.
#[derive(Serialize, Deserialize, JsonSchema, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Groups {
    /// By number; empty if the room is not divided.
    groups: Vec<Group>,
    /// Everybody with a page, by number.
    people: Vec<Place>,
    /// When everybody is back in the main room, in seconds since 1970; `null`: when they are called.
    ends: Option<u64>,
    /// Whether they were called already.
    closing: bool,
}

/// Where somebody is in a divided room.
#[derive(Serialize, Deserialize, JsonSchema, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Place {
    /// Their number, which stays the same wherever they are.
    number: MemberNumber,
    /// The name they go by.
    name: String,
    /// The group that they were sent to; `null`: none.
    group: Option<GroupNumber>,
    /// The group that they are in; `null`: the main room.
    at: Option<GroupNumber>,
    /// Whether they raise their hand.
    hand: bool,
}

/// Where somebody is sent.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Destination {
    /// The group's number; `null`: the main room.
    group: Option<GroupNumber>,
}

/// When groups end.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Recall {
    /// Seconds (0 to 600) that people are given to come back.
    seconds: u32,
}

/// What is said to everybody, wherever they are.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Announcement {
    /// 1 to 2000 characters.
    text: String,
}

/// A room's recording.
#[derive(Serialize, Deserialize, JsonSchema, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct RoomRecording {
    /// Its name among the recordings; `null` if nothing is recorded.
    id: Option<String>,
    /// Since when, in seconds since 1970.
    begun: Option<u64>,
    /// How many bytes were written, as far as is known.
    bytes: u64,
}

/// A key to be made.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewKey {
    /// What it opens: `publish` (WHIP) or `watch` (WHEP).
    door: Door,
    /// What the encoder is to be called, 1 to 64 characters; absent: as it says itself.
    #[serde(default)]
    name: Option<String>,
    /// Seconds (1 to 31622400) for which one comes in with it. Whoever is in stays in.
    #[serde(default = "day")]
    valid_for: u32,
}

fn day() -> u32 {
    86_400
}

/// A key.
#[derive(Serialize, Deserialize, JsonSchema, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Key {
    /// For `Authorization: Bearer` at `/whip/ROOM` or `/whep/ROOM`. A secret of its holder.
    key: String,
    /// When it ends, in seconds since 1970.
    expires: u64,
}

impl From<Option<Box<protocol::Breakout>>> for Groups {
    fn from(breakout: Option<Box<protocol::Breakout>>) -> Self {
        let Some(breakout) = breakout else {
            return Self { groups: Vec::new(), people: Vec::new(), ends: None, closing: false };
        };
        let protocol::Breakout { groups, people, seconds, closing, .. } = *breakout;
        let people = people.into_iter().map(|it| Place {
            number: it.number,
            name: it.person.name,
            group: it.group,
            at: it.at,
            hand: it.hand,
        });
        let ends = seconds.map(|seconds| clock::unix_seconds() + u64::from(seconds));
        Self { groups, people: people.collect(), ends, closing }
    }
}

fn groups(reply: Reply) -> Result<Json<Groups>, Problem> {
    match reply {
        Reply::Breakout(breakout) => Ok(Json(breakout.into())),
        _ => Err(unexpected()),
    }
}

pub(super) async fn look_up(State(app): Api, Path(room): Path<String>) -> Result<Json<Groups>, Problem> {
    groups(app.hub.administer(Admin::Breakout { room }).await?)
}

pub(super) async fn start(
    State(app): Api,
    Path(room): Path<String>,
    Body(new): Body<NewGroups>,
) -> Result<Response, Problem> {
    let NewGroups { groups: plan, rest, seconds } = new;
    let action = BreakoutAction::Start { groups: plan, rest, seconds };
    let made = groups(act(&app, room, Act::Breakout(action)).await?)?;
    Ok((StatusCode::CREATED, made).into_response())
}

pub(super) async fn recall(
    State(app): Api,
    Path(room): Path<String>,
    Body(Recall { seconds }): Body<Recall>,
) -> Result<Json<Groups>, Problem> {
    groups(act(&app, room, Act::Breakout(BreakoutAction::Recall { seconds })).await?)
}

pub(super) async fn end(State(app): Api, Path(room): Path<String>) -> Result<StatusCode, Problem> {
    act(&app, room, Act::Breakout(BreakoutAction::Recall { seconds: 0 })).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn announce(
    State(app): Api,
    Path(room): Path<String>,
    Body(Announcement { text }): Body<Announcement>,
) -> Result<StatusCode, Problem> {
    act(&app, room, Act::Breakout(BreakoutAction::Say { text })).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn assign(
    State(app): Api,
    path: Path<(String, String)>,
    Body(Destination { group }): Body<Destination>,
) -> Result<Json<Member>, Problem> {
    let (room, member) = place(path)?;
    match act(&app, room, Act::Breakout(BreakoutAction::Assign { member, group })).await? {
        Reply::Members(members) => {
            members.into_iter().next().map(|it| Json(it.into())).ok_or_else(unexpected)
        }
        _ => Err(unexpected()),
    }
}

fn recording(reply: Reply) -> Result<Json<RoomRecording>, Problem> {
    let Reply::Recording(recording) = reply else { return Err(unexpected()) };
    let begun = recording.as_ref().map(|it| clock::unix_seconds().saturating_sub(u64::from(it.seconds)));
    let bytes = recording.as_ref().map_or(0, |it| it.bytes);
    Ok(Json(RoomRecording { id: recording.map(|it| it.id), begun, bytes }))
}

pub(super) async fn recorded(
    State(app): Api,
    Path(room): Path<String>,
) -> Result<Json<RoomRecording>, Problem> {
    recording(app.hub.administer(Admin::Recording { room }).await?)
}

pub(super) async fn record(
    State(app): Api,
    Path(room): Path<String>,
) -> Result<Json<RoomRecording>, Problem> {
    recording(act(&app, room, Act::Record(true)).await?)
}

pub(super) async fn stop_recording(State(app): Api, Path(room): Path<String>) -> Result<StatusCode, Problem> {
    act(&app, room, Act::Record(false)).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn key(
    State(app): Api,
    Path(room): Path<String>,
    Body(NewKey { door, name, valid_for }): Body<NewKey>,
) -> Result<Response, Problem> {
    if !(1..=LONGEST_KEY).contains(&valid_for) {
        return Err(Problem::invalid("`validFor` is from 1 to 31622400 seconds"));
    }
    let name = name.as_deref().map(names::check).transpose();
    let name = name.map_err(|problem| Problem::invalid(format!("`name`: {problem}")))?;
    let expires = clock::unix_seconds() + u64::from(valid_for);
    match app.hub.administer(Admin::Key { room, door, name, expires }).await? {
        Reply::Key(key) => Ok((StatusCode::CREATED, Json(Key { key: key.0, expires })).into_response()),
        _ => Err(unexpected()),
    }
}
