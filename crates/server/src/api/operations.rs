//! Everything that can be asked for, in one table: the routes and the OpenAPI document are made of it.

use std::sync::Arc;

use axum::routing::{self, MethodRouter};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::groups::{Announcement, Destination, Groups, Key, NewGroups, NewKey, Recall, RoomRecording};
use super::types::{
    Lobby, Member, MemberChange, Members, NewRoom, NewToken, Room, RoomSettings, Rooms, Status, Token,
};
use super::{groups, people, recordings, rooms};
use crate::app::App;
use crate::recording::Listed;

/// Makes the schema of a type.
pub(super) type Shape = fn(&mut SchemaGenerator) -> Schema;

/// One row.
pub(super) struct Operation {
    /// In lower case.
    pub(super) method: &'static str,
    /// Below `/api/v1`.
    pub(super) path: &'static str,
    /// Its name, for generated clients.
    pub(super) id: &'static str,
    /// What it does, in one sentence.
    pub(super) summary: &'static str,
    /// What else there is to know.
    pub(super) more: &'static str,
    /// Whether it needs no key.
    pub(super) open: bool,
    /// What can be said behind the `?` or in a header: name, place, JSON type, what it is.
    pub(super) parameters: &'static [(&'static str, &'static str, &'static str, &'static str)],
    /// The body of the request.
    pub(super) body: Option<Shape>,
    /// Status codes of success, and the body that comes with each.
    pub(super) answers: &'static [(u16, &'static str, Option<Shape>)],
    /// Status codes of problems besides 401 and 429.
    pub(super) problems: &'static [u16],
    /// What serves it.
    pub(super) route: fn() -> MethodRouter<Arc<App>>,
}

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

fn object(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({ "type": "object" })
}

/// What most rows have.
const PLAIN: Operation = Operation {
    method: "get",
    path: "/",
    id: "",
    summary: "",
    more: "",
    open: false,
    parameters: &[],
    body: None,
    answers: &[],
    problems: &[],
    route: || MethodRouter::new(),
};

const DONE: &[(u16, &str, Option<Shape>)] = &[(204, "Done.", None)];

/// The table.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        path: "/openapi.json",
        id: "describe",
        summary: "This document.",
        open: true,
        answers: &[(200, "An OpenAPI 3.1 document.", Some(object))],
        route: || MethodRouter::new(),
        ..PLAIN
    },
    Operation {
        path: "/status",
        id: "status",
        summary: "How the server is.",
        answers: &[(200, "Version and counts.", Some(of::<Status>))],
        route: || routing::get(rooms::status),
        ..PLAIN
    },
    Operation {
        path: "/rooms",
        id: "listRooms",
        summary: "Rooms that are set up, and those with more than two people in them, by name.",
        parameters: &[
            ("after", "query", "string", "Rooms after this name only: `next` of the page before."),
            ("limit", "query", "integer", "Rooms in one answer, from 1 to 500; 100 if absent."),
        ],
        answers: &[(200, "A page of rooms.", Some(of::<Rooms>))],
        problems: &[400, 422],
        route: || routing::get(rooms::list),
        ..PLAIN
    },
    Operation {
        method: "post",
        path: "/rooms",
        id: "createRoom",
        summary: "Sets a room up before people come.",
        more: "Asked for again with the same name and the same settings, it changes nothing and answers 200. A room \
               that is set up lasts over a restart of the server, until it is ended, its end comes, or nobody has been \
               in it for `emptyTimeout`.",
        parameters: &[(
            "Idempotency-Key",
            "header",
            "string",
            "1 to 255 bytes. Without `room`, the same key leads to the same room each time.",
        )],
        body: Some(of::<NewRoom>),
        answers: &[
            (201, "The room is set up.", Some(of::<Room>)),
            (200, "It was set up so already.", Some(of::<Room>)),
        ],
        problems: &[400, 409, 415, 422],
        route: || routing::post(rooms::create),
        ..PLAIN
    },
    Operation {
        path: "/rooms/{room}",
        id: "getRoom",
        summary: "One room.",
        answers: &[(200, "The room.", Some(of::<Room>))],
        problems: &[404],
        route: || routing::get(rooms::look_up),
        ..PLAIN
    },
    Operation {
        method: "patch",
        path: "/rooms/{room}",
        id: "changeRoom",
        summary: "Changes how a room is set up, at once and for the time to come (RFC 7396).",
        more: "What is absent stays as it is; `null` stands for none or never. A room that people opened themselves is \
               set up from then on.",
        body: Some(of::<RoomSettings>),
        answers: &[(200, "The room as it is now.", Some(of::<Room>))],
        problems: &[400, 404, 409, 415, 422],
        route: || routing::patch(rooms::change),
        ..PLAIN
    },
    Operation {
        method: "delete",
        path: "/rooms/{room}",
        id: "endRoom",
        summary: "Ends a room: everybody is sent away, and it is set up no more.",
        answers: DONE,
        problems: &[404],
        route: || routing::delete(rooms::end),
        ..PLAIN
    },
    Operation {
        method: "post",
        path: "/rooms/{room}/tokens",
        id: "createToken",
        summary: "Makes a join token and the link that carries it.",
        more: "An application can sign such tokens itself as well: see docs/api.md.",
        body: Some(of::<NewToken>),
        answers: &[(201, "The token.", Some(of::<Token>))],
        problems: &[400, 404, 415, 422],
        route: || routing::post(rooms::token),
        ..PLAIN
    },
    Operation {
        method: "post",
        path: "/rooms/{room}/mute",
        id: "muteAll",
        summary: "Mutes everybody but owners, until each unmutes themselves.",
        answers: DONE,
        problems: &[404],
        route: || routing::post(people::mute_all),
        ..PLAIN
    },
    Operation {
        path: "/rooms/{room}/members",
        id: "listMembers",
        summary: "Everybody who is in a room.",
        answers: &[(200, "People.", Some(of::<Members>))],
        problems: &[404],
        route: || routing::get(people::list),
        ..PLAIN
    },
    Operation {
        path: "/rooms/{room}/members/{number}",
        id: "getMember",
        summary: "Somebody who is in a room.",
        answers: &[(200, "The member.", Some(of::<Member>))],
        problems: &[404],
        route: || routing::get(people::look_up),
        ..PLAIN
    },
    Operation {
        method: "patch",
        path: "/rooms/{room}/members/{number}",
        id: "changeMember",
        summary: "Gives somebody another role or name, or takes their hand down.",
        body: Some(of::<MemberChange>),
        answers: &[(200, "The member as they are now.", Some(of::<Member>))],
        problems: &[400, 404, 409, 415, 422],
        route: || routing::patch(people::change),
        ..PLAIN
    },
    Operation {
        method: "delete",
        path: "/rooms/{room}/members/{number}",
        id: "removeMember",
        summary: "Sends somebody away; they do not come back as long as the conference lasts.",
        answers: DONE,
        problems: &[404, 409],
        route: || routing::delete(people::remove),
        ..PLAIN
    },
    Operation {
        method: "post",
        path: "/rooms/{room}/members/{number}/mute",
        id: "muteMember",
        summary: "Mutes somebody until they unmute themselves.",
        answers: DONE,
        problems: &[404],
        route: || routing::post(people::mute),
        ..PLAIN
    },
    Operation {
        method: "delete",
        path: "/rooms/{room}/members/{number}/mute",
        id: "unmuteEncoder",
        summary: "Passes an encoder's sound on again. People unmute themselves.",
        answers: DONE,
        problems: &[404, 409],
        route: || routing::delete(people::unmute),
        ..PLAIN
    },
    Operation {
        method: "put",
        path: "/rooms/{room}/members/{number}/group",
        id: "assignMember",
        summary: "Sends somebody to a group of a divided room, or back to the main room.",
        body: Some(of::<Destination>),
        answers: &[(200, "The member as they are now.", Some(of::<Member>))],
        problems: &[400, 404, 409, 415],
        route: || routing::put(groups::assign),
        ..PLAIN
    },
    Operation {
        path: "/rooms/{room}/groups",
        id: "getGroups",
        summary: "How a room is divided into groups, and who is where.",
        answers: &[(200, "The groups.", Some(of::<Groups>))],
        problems: &[404],
        route: || routing::get(groups::look_up),
        ..PLAIN
    },
    Operation {
        method: "post",
        path: "/rooms/{room}/groups",
        id: "startGroups",
        summary: "Divides a room into groups, each with sound and pictures of its own.",
        more: "Whoever is named goes to their group at once; whoever comes later is in the main room. Recordings, encoders \
               and players stay with the main room.",
        body: Some(of::<NewGroups>),
        answers: &[(201, "The room is divided.", Some(of::<Groups>))],
        problems: &[400, 404, 409, 415, 422],
        route: || routing::post(groups::start),
        ..PLAIN
    },
    Operation {
        method: "delete",
        path: "/rooms/{room}/groups",
        id: "endGroups",
        summary: "Brings everybody back to the main room at once.",
        answers: DONE,
        problems: &[404, 409],
        route: || routing::delete(groups::end),
        ..PLAIN
    },
    Operation {
        method: "post",
        path: "/rooms/{room}/groups/recall",
        id: "recallGroups",
        summary: "Calls everybody back to the main room, within some seconds that all are shown.",
        body: Some(of::<Recall>),
        answers: &[(200, "The groups as long as they last.", Some(of::<Groups>))],
        problems: &[400, 404, 409, 415],
        route: || routing::post(groups::recall),
        ..PLAIN
    },
    Operation {
        method: "post",
        path: "/rooms/{room}/groups/announce",
        id: "announce",
        summary: "Says something to everybody in a divided room, wherever they are.",
        more: "Not in a room that is end-to-end encrypted, since the server would read it.",
        body: Some(of::<Announcement>),
        answers: DONE,
        problems: &[400, 404, 409, 415, 422],
        route: || routing::post(groups::announce),
        ..PLAIN
    },
    Operation {
        path: "/rooms/{room}/recording",
        id: "getRecording",
        summary: "The recording that goes on in a room.",
        answers: &[(200, "The recording, if there is one.", Some(of::<RoomRecording>))],
        problems: &[404],
        route: || routing::get(groups::recorded),
        ..PLAIN
    },
    Operation {
        method: "put",
        path: "/rooms/{room}/recording",
        id: "startRecording",
        summary: "Records a room; everybody in it is told. A recording that goes on goes on.",
        answers: &[(200, "The recording.", Some(of::<RoomRecording>))],
        problems: &[404, 422],
        route: || routing::put(groups::record),
        ..PLAIN
    },
    Operation {
        method: "delete",
        path: "/rooms/{room}/recording",
        id: "stopRecording",
        summary: "Ends the recording of a room, if there is one.",
        answers: DONE,
        problems: &[404, 422],
        route: || routing::delete(groups::stop_recording),
        ..PLAIN
    },
    Operation {
        path: "/recordings",
        id: "listRecordings",
        summary: "Recordings of all rooms or of one, the latest first.",
        parameters: &[
            ("room", "query", "string", "Recordings of this room only, which need not be there any more."),
            ("after", "query", "string", "Recordings after this one only: `next` of the page before."),
            ("limit", "query", "integer", "Recordings in one answer, from 1 to 500; 100 if absent."),
        ],
        answers: &[(200, "A page of recordings.", Some(of::<recordings::Page>))],
        problems: &[400, 404, 422],
        route: || routing::get(recordings::list),
        ..PLAIN
    },
    Operation {
        path: "/recordings/{recording}",
        id: "getRecordingById",
        summary: "One recording, with links to its files.",
        answers: &[(200, "The recording.", Some(of::<Listed>))],
        problems: &[404],
        route: || routing::get(recordings::look_up),
        ..PLAIN
    },
    Operation {
        method: "delete",
        path: "/recordings/{recording}",
        id: "deleteRecording",
        summary: "Deletes a recording for good, wherever it is kept.",
        more: "If the store of recordings does not answer (503), it is deleted as soon as that does.",
        answers: DONE,
        problems: &[404, 409, 503],
        route: || routing::delete(recordings::delete),
        ..PLAIN
    },
    Operation {
        method: "post",
        path: "/rooms/{room}/keys",
        id: "createKey",
        summary: "Makes a key with which an encoder publishes (WHIP) or a player watches (WHEP).",
        body: Some(of::<NewKey>),
        answers: &[(201, "The key.", Some(of::<Key>))],
        problems: &[400, 404, 415, 422],
        route: || routing::post(groups::key),
        ..PLAIN
    },
    Operation {
        path: "/rooms/{room}/lobby",
        id: "listLobby",
        summary: "Everybody who waits to be admitted.",
        answers: &[(200, "People.", Some(of::<Lobby>))],
        problems: &[404],
        route: || routing::get(people::lobby),
        ..PLAIN
    },
    Operation {
        method: "post",
        path: "/rooms/{room}/lobby/{number}/admit",
        id: "admit",
        summary: "Lets somebody in who waits.",
        answers: &[(200, "The member that they are now.", Some(of::<Member>))],
        problems: &[404, 409],
        route: || routing::post(people::admit),
        ..PLAIN
    },
    Operation {
        method: "delete",
        path: "/rooms/{room}/lobby/{number}",
        id: "deny",
        summary: "Sends somebody away who waits.",
        answers: DONE,
        problems: &[404],
        route: || routing::delete(people::deny),
        ..PLAIN
    },
];
