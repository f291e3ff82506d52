//! People in rooms, and those who wait to be admitted.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::problem::Problem;
use super::rooms::unexpected;
use super::types::{Lobby, Member, MemberChange, Members};
use super::{Api, Body};
use crate::accounts::names;
use crate::app::App;
use crate::signal::admin::{Act, Admin, Reply};
use crate::signal::protocol::{ErrorCode, MemberNumber};

/// A room and the number of somebody in it, as they stand in the path.
pub(super) type Place = Path<(String, String)>;

pub(super) fn place(Path((room, number)): Place) -> Result<(String, MemberNumber), Problem> {
    let number = number.parse().map_err(|_| no_such_member())?;
    Ok((room, number))
}

fn no_such_member() -> Problem {
    let detail = "the room has nobody of that number: see its members and its lobby";
    (ErrorCode::NoSuchMember, detail.to_owned()).into()
}

pub(super) async fn act(app: &App, room: String, act: Act) -> Result<Reply, Problem> {
    Ok(app.hub.administer(Admin::Act { room, act }).await?)
}

pub(super) async fn list(State(app): Api, Path(room): Path<String>) -> Result<Json<Members>, Problem> {
    match app.hub.administer(Admin::Members { room }).await? {
        Reply::Members(members) => {
            Ok(Json(Members { members: members.into_iter().map(Member::from).collect() }))
        }
        _ => Err(unexpected()),
    }
}

pub(super) async fn look_up(State(app): Api, path: Place) -> Result<Json<Member>, Problem> {
    let (room, number) = place(path)?;
    let Reply::Members(members) = app.hub.administer(Admin::Members { room }).await? else {
        return Err(unexpected());
    };
    let member = members.into_iter().find(|member| member.number == number).ok_or_else(no_such_member)?;
    Ok(Json(member.into()))
}

pub(super) async fn change(
    State(app): Api,
    path: Place,
    Body(change): Body<MemberChange>,
) -> Result<Json<Member>, Problem> {
    let (room, number) = place(Path(path.0.clone()))?;
    let name = change.name.as_deref().map(names::check).transpose();
    let name = name.map_err(|problem| Problem::invalid(format!("`name`: {problem}")))?;
    if change.hand == Some(true) {
        return Err(Problem::invalid("`hand` can be set to false only: nobody raises somebody else's hand"));
    }
    let acts = [
        name.map(|name| Act::Rename(number, name)),
        change.role.map(|role| Act::Role(number, role)),
        change.hand.map(|_| Act::LowerHand(number)),
    ];
    for one in acts.into_iter().flatten() {
        act(&app, room.clone(), one).await?;
    }
    look_up(State(app), path).await
}

pub(super) async fn remove(State(app): Api, path: Place) -> Result<StatusCode, Problem> {
    let (room, number) = place(path)?;
    act(&app, room, Act::Remove(number)).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn mute(State(app): Api, path: Place) -> Result<StatusCode, Problem> {
    let (room, number) = place(path)?;
    act(&app, room, Act::Mute(number)).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn unmute(State(app): Api, path: Place) -> Result<StatusCode, Problem> {
    let (room, number) = place(path)?;
    act(&app, room, Act::Unmute(number)).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn mute_all(State(app): Api, Path(room): Path<String>) -> Result<StatusCode, Problem> {
    act(&app, room, Act::MuteAll).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn lobby(State(app): Api, Path(room): Path<String>) -> Result<Json<Lobby>, Problem> {
    match app.hub.administer(Admin::Lobby { room }).await? {
        Reply::Waiting(waiting) => Ok(Json(Lobby { waiting: waiting.into_iter().map(Into::into).collect() })),
        _ => Err(unexpected()),
    }
}

pub(super) async fn admit(State(app): Api, path: Place) -> Result<Json<Member>, Problem> {
    let (room, number) = place(path)?;
    match act(&app, room, Act::Admit(number)).await? {
        Reply::Members(members) => {
            members.into_iter().next().map(|it| Json(it.into())).ok_or_else(no_such_member)
        }
        _ => Err(unexpected()),
    }
}

pub(super) async fn deny(State(app): Api, path: Place) -> Result<StatusCode, Problem> {
    let (room, number) = place(path)?;
    act(&app, room, Act::Deny(number)).await?;
    Ok(StatusCode::NO_CONTENT)
}
