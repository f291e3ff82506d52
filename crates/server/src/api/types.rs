//! What goes over the wire. The schemas of the OpenAPI document are derived from these types and their comments.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::problem::Problem;
use crate::clock;
use crate::signal::admin::{self, Entry, Settings};
use crate::signal::protocol::{GroupNumber, MemberNumber, Role, Sending};

/// A day, in seconds.
const DAY: u32 = 86_400;
/// The longest time without anybody that can be asked for: a year, in seconds.
const LONGEST_EMPTY: u32 = 366 * DAY;
/// The longest title, in characters.
const LONGEST_TITLE: usize = 100;
/// The longest life of a join token, in seconds.
const LONGEST_TOKEN: u32 = 366 * DAY;

/// How a room is set up. In a change, what is absent stays as it is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Debug)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct RoomSettings {
    /// What people read above it, at most 100 characters; `null` for none.
    title: Option<String>,
    /// Who comes in.
    entry: Entry,
    /// Whether nobody comes in any more, but for owners by a token.
    locked: bool,
    /// As what people come in who have no token: `attendee` makes it a lecture.
    role: Role,
    /// Members at a time, at least 1; `null` is as many as the server allows.
    max_members: Option<u32>,
    /// Seconds (1 to 31622400) for which the room is kept without anybody in it; `null` is until it is ended.
    empty_timeout: Option<u32>,
    /// When it ends for everybody, in seconds since 1970; `null` is never.
    ends: Option<u64>,
    /// Whether whoever has the link may watch (WHEP) without a key.
    watching: bool,
    /// Whether people encrypt what they send for each other, so that the server can neither see nor hear it. The link then
    /// ends in a key of your making (`#k=` and 16 random bytes in base64url), which the server must not be told. Nothing is
    /// recorded there, and encoders, players and messages to all groups are refused. Only while nobody is there can
    /// this be changed.
    encrypted: bool,
}

impl Default for RoomSettings {
    fn default() -> Self {
        Self {
            title: None,
            entry: Entry::Open,
            locked: false,
            role: Role::Presenter,
            max_members: None,
            empty_timeout: Some(DAY),
            ends: None,
            watching: false,
            encrypted: false,
        }
    }
}

impl RoomSettings {
    /// The settings, if they can be; `now` is in seconds since 1970.
    pub(super) fn check(self, now: u64) -> Result<Settings, Problem> {
        let title = self.title.map(|title| title.trim().to_owned());
        if title.as_ref().is_some_and(|title| {
            title.is_empty() || title.chars().count() > LONGEST_TITLE || title.chars().any(char::is_control)
        }) {
            return Err(Problem::invalid("`title` has 1 to 100 characters and no line breaks, or is null"));
        }
        if self.max_members == Some(0) {
            return Err(Problem::invalid(
                "`maxMembers` is at least 1, or null for as many as the server allows",
            ));
        }
        if self.empty_timeout.is_some_and(|seconds| !(1..=LONGEST_EMPTY).contains(&seconds)) {
            return Err(Problem::invalid("`emptyTimeout` is from 1 to 31622400 seconds, or null for ever"));
        }
        if self.ends.is_some_and(|ends| ends <= now) {
            return Err(Problem::invalid(format!(
                "`ends` is in the past: now is {now}, in seconds since 1970"
            )));
        }
        Ok(Settings {
            title,
            entry: self.entry,
            locked: self.locked,
            role: self.role,
            members: self.max_members,
            empty_timeout: self.empty_timeout,
            ends: self.ends,
            watching: self.watching,
            encrypted: self.encrypted,
        })
    }
}

impl From<Settings> for RoomSettings {
    fn from(settings: Settings) -> Self {
        Self {
            title: settings.title,
            entry: settings.entry,
            locked: settings.locked,
            role: settings.role,
            max_members: settings.members,
            empty_timeout: settings.empty_timeout,
            ends: settings.ends,
            watching: settings.watching,
            encrypted: settings.encrypted,
        }
    }
}

/// A room to be set up.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewRoom {
    /// Its name in links, 1 to 64 characters of `A-Z a-z 0-9 - _`. Absent: one that nobody can guess.
    #[serde(default)]
    pub(super) room: Option<String>,
    /// How it is set up; absent: open to whoever has the link.
    #[serde(default)]
    pub(super) settings: RoomSettings,
}

/// A room.
#[derive(Serialize, Deserialize, JsonSchema, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Room {
    /// Its name in links.
    room: String,
    /// Where people come in.
    link: String,
    /// How it is now, which its owners may have changed.
    settings: RoomSettings,
    /// Whether an application has set it up; otherwise it is there as long as somebody is in it.
    kept: bool,
    /// Since when somebody is in it, in seconds since 1970; `null` if nobody is.
    started: Option<u64>,
    /// How many are in it.
    members: usize,
    /// How many wait to be admitted.
    waiting: usize,
}

impl Room {
    pub(super) fn of(room: admin::Room, link: String) -> Self {
        Self {
            link,
            started: room.age.map(|age| clock::unix_seconds().saturating_sub(age.as_secs())),
            settings: room.settings.into(),
            kept: room.kept,
            members: room.members,
            waiting: room.waiting,
            room: room.room,
        }
    }
}

/// Rooms by name.
#[derive(Serialize, Deserialize, JsonSchema, Debug)]
pub(super) struct Rooms {
    /// At most `limit`.
    pub(super) rooms: Vec<Room>,
    /// If there are more: the `after` of the next page.
    pub(super) next: Option<String>,
}

/// Somebody in a room.
#[derive(Serialize, Deserialize, JsonSchema, Debug)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Member {
    /// How they are named in requests; never given to somebody else as long as the conference lasts.
    number: MemberNumber,
    /// The person's id: always the same for one `subject` of one application.
    person: String,
    /// The application's own name for them, if they came with a token that has one (`sub`).
    subject: Option<String>,
    /// The name they go by.
    name: String,
    /// Whether an account of this server holds that name.
    verified: bool,
    /// What they may do.
    role: Role,
    /// What they send now, by their own account.
    sending: Sending,
    /// Whether a moderator has muted them, and they have not unmuted themselves since.
    muted: bool,
    /// Whether they raise their hand.
    hand: bool,
    /// Whether their media connection stands.
    connected: bool,
    /// The number of the group that they are in; absent: the main room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<GroupNumber>,
    /// Whether it is an encoder, which came by WHIP.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    encoder: bool,
    /// Since when they are there, in seconds since 1970.
    joined: u64,
}

impl From<admin::Member> for Member {
    fn from(member: admin::Member) -> Self {
        Self {
            number: member.number,
            person: member.person.id,
            subject: member.subject,
            name: member.person.name,
            verified: member.person.verified,
            role: member.role,
            sending: member.sending,
            muted: member.muted,
            hand: member.hand,
            connected: member.connected,
            group: member.group,
            encoder: member.encoder,
            joined: clock::unix_seconds().saturating_sub(member.age.as_secs()),
        }
    }
}

/// Everybody in a room.
#[derive(Serialize, Deserialize, JsonSchema, Debug)]
pub(super) struct Members {
    /// In the order in which they came.
    pub(super) members: Vec<Member>,
}

/// A change of somebody. What is absent stays as it is.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct MemberChange {
    /// What they may do from now on.
    #[serde(default)]
    pub(super) role: Option<Role>,
    /// The name they go by from now on, 1 to 64 characters. Not for holders of accounts.
    #[serde(default)]
    pub(super) name: Option<String>,
    /// `false` takes their hand down; nobody's hand can be raised for them.
    #[serde(default)]
    pub(super) hand: Option<bool>,
}

/// Somebody who waits to be admitted.
#[derive(Serialize, Deserialize, JsonSchema, Debug)]
pub(crate) struct Waiting {
    /// How they are named in requests; their member's number once they are in.
    number: MemberNumber,
    /// The person's id.
    person: String,
    /// The application's own name for them.
    subject: Option<String>,
    /// The name they go by.
    name: String,
}

impl From<admin::Waiting> for Waiting {
    fn from(waiting: admin::Waiting) -> Self {
        let admin::Waiting { number, person, subject } = waiting;
        Self { number, person: person.id, subject, name: person.name }
    }
}

/// Everybody in a room's lobby.
#[derive(Serialize, Deserialize, JsonSchema, Debug)]
pub(super) struct Lobby {
    /// First come first.
    pub(super) waiting: Vec<Waiting>,
}

/// A join token to be made.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewToken {
    /// The name that its holder goes by, 1 to 64 characters.
    pub(super) name: String,
    /// As what they come in.
    #[serde(default = "presenter")]
    pub(super) role: Role,
    /// Your own name for them, 1 to 256 bytes: it comes back in answers and events, and makes them the same person on
    /// every device.
    #[serde(default)]
    pub(super) subject: Option<String>,
    /// Seconds (1 to 31622400) for which they can come in. Whoever is in stays in.
    #[serde(default = "hour")]
    pub(super) valid_for: u32,
    /// Whether it is good for one visit only.
    #[serde(default)]
    pub(super) once: bool,
}

fn presenter() -> Role {
    Role::Presenter
}

fn hour() -> u32 {
    3600
}

impl NewToken {
    pub(super) fn check(&self) -> Result<String, Problem> {
        if !(1..=LONGEST_TOKEN).contains(&self.valid_for) {
            return Err(Problem::invalid("`validFor` is from 1 to 31622400 seconds"));
        }
        if self.subject.as_ref().is_some_and(|subject| subject.is_empty() || subject.len() > 256) {
            return Err(Problem::invalid("`subject` has 1 to 256 bytes"));
        }
        let name = crate::accounts::names::check(&self.name);
        name.map_err(|problem| Problem::invalid(format!("`name`: {problem}")))
    }
}

/// A join token, and the link that carries it.
#[derive(Serialize, Deserialize, JsonSchema, Debug)]
pub(super) struct Token {
    /// For programs that speak the signalling protocol or WHIP themselves. A secret of its holder.
    pub(super) token: String,
    /// For people: opens the page and comes in. What stands behind the `#` is not sent to any server by a browser.
    pub(super) link: String,
    /// When it ends, in seconds since 1970.
    pub(super) expires: u64,
    /// The id of the person that they will be; `null` without a subject.
    pub(super) person: Option<String>,
}

/// How the server is.
#[derive(Serialize, Deserialize, JsonSchema, Debug)]
pub(super) struct Status {
    /// Of the server's program.
    pub(super) version: String,
    /// Seconds since the server started.
    pub(super) uptime: u64,
    /// Whether the server is about to stop.
    pub(super) draining: bool,
    /// Rooms that are set up.
    pub(super) kept: usize,
    /// Rooms with somebody in them.
    pub(super) conferences: usize,
    /// People in those.
    pub(super) members: usize,
    /// People who are connected to the server.
    pub(super) people: usize,
    /// Events of webhooks that were not delivered yet.
    pub(super) undelivered: u64,
}
