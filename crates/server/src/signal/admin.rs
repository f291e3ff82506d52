//! What an application asks of the rooms, and what it is told of them: plain data, as everything on the bus.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::protocol::{
    Breakout, BreakoutAction, CallId, Door, EndReason, Group, GroupNumber, MemberNumber, Person, Recording,
    Role, Secret, Sending,
};

/// Who comes into a room, besides those who are let in by hand.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    /// Whoever has the link.
    #[default]
    Open,
    /// Whoever has the link waits to be admitted; who has a join token does not wait.
    Lobby,
    /// Only who has a join token.
    Token,
}

/// How a room is set up.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Settings {
    /// What people read above it.
    pub title: Option<String>,
    /// Who comes in.
    pub entry: Entry,
    /// Whether nobody comes in any more, but for owners by a token.
    pub locked: bool,
    /// As what people come in who have no token.
    pub role: Role,
    /// Members at a time; `None` is as many as the server allows.
    pub members: Option<u32>,
    /// Seconds that the room is kept without anybody in it; `None` is for ever.
    pub empty_timeout: Option<u32>,
    /// When it ends, in seconds since 1970.
    pub ends: Option<u64>,
    /// Whether whoever has the link may watch without a key.
    #[serde(default)]
    pub watching: bool,
    /// Whether people encrypt what they send for each other, with a key in the link that the server never sees.
    #[serde(default)]
    pub encrypted: bool,
}

/// A room that was set up, as it is kept over a restart.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Kept {
    /// Its name.
    pub room: String,
    /// How it is set up.
    pub settings: Settings,
    /// Until it ends.
    pub ends_in: Option<Duration>,
    /// The conference that was on in it.
    pub call: Option<CallId>,
}

/// A request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Admin {
    /// Rooms by name.
    List {
        /// Those after this name.
        after: Option<String>,
        /// At most so many.
        limit: usize,
    },
    /// One room.
    Get {
        /// Its name.
        room: String,
    },
    /// Sets a room up. One that is set up in the same way is left as it is.
    Create {
        /// How.
        kept: Kept,
        /// Whether one that is there is changed instead.
        replace: bool,
    },
    /// Sends everybody away; the room is set up no more.
    End {
        /// Its name.
        room: String,
    },
    /// Everybody who is in a room.
    Members {
        /// Its name.
        room: String,
    },
    /// Something is done in a room that is on.
    Act {
        /// Its name.
        room: String,
        /// What.
        act: Act,
    },
    /// How a room is divided into groups.
    Breakout {
        /// Its name.
        room: String,
    },
    /// The recording that goes on in a room.
    Recording {
        /// Its name.
        room: String,
    },
    /// A key for an encoder or a player.
    Key {
        /// The room's name.
        room: String,
        /// What it opens.
        door: Door,
        /// What the encoder is called.
        name: Option<String>,
        /// When it ends, in seconds since 1970.
        expires: u64,
    },
    /// Who waits to be admitted.
    Lobby {
        /// The room's name.
        room: String,
    },
}

/// What an application does in a room.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Act {
    /// Gives somebody a role.
    Role(MemberNumber, Role),
    /// Gives somebody a name.
    Rename(MemberNumber, String),
    /// Takes somebody's hand down.
    LowerHand(MemberNumber),
    /// Mutes somebody until they unmute themselves.
    Mute(MemberNumber),
    /// Mutes everybody but owners.
    MuteAll,
    /// Sends somebody away.
    Remove(MemberNumber),
    /// Lets somebody in.
    Admit(MemberNumber),
    /// Does not.
    Deny(MemberNumber),
    /// An encoder's sound is passed on again.
    Unmute(MemberNumber),
    /// Whether the room is recorded.
    Record(bool),
    /// Something about groups.
    Breakout(BreakoutAction),
}

/// An answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Reply {
    /// Done.
    Done,
    /// Rooms, and whether there are more after the last of them.
    Rooms(Vec<Room>, bool),
    /// One room, and whether it was set up just now.
    Room(Box<Room>, bool),
    /// People.
    Members(Vec<Member>),
    /// People who wait.
    Waiting(Vec<Waiting>),
    /// A key for a door.
    Key(Secret),
    /// The recording that goes on.
    Recording(Option<Box<Recording>>),
    /// How a room is divided, if it is.
    Breakout(Option<Box<Breakout>>),
}

/// A room.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Room {
    /// Its name.
    pub room: String,
    /// How it is now.
    pub settings: Settings,
    /// Whether an application has set it up.
    pub kept: bool,
    /// How long it has been on, if it is.
    pub age: Option<Duration>,
    /// How many are in it.
    pub members: usize,
    /// How many wait to be admitted.
    pub waiting: usize,
}

/// Somebody in a room.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Member {
    /// Their number.
    pub number: MemberNumber,
    /// Who.
    pub person: Person,
    /// The application's own name for them, if they came with a token.
    pub subject: Option<String>,
    /// What they may do.
    pub role: Role,
    /// What they send.
    pub sending: Sending,
    /// Whether a moderator has muted them.
    pub muted: bool,
    /// Whether they raise their hand.
    pub hand: bool,
    /// Whether their media connection stands.
    pub connected: bool,
    /// The group they are in, if they are in one.
    pub group: Option<GroupNumber>,
    /// Whether it is an encoder, which came by WHIP.
    pub encoder: bool,
    /// How long they have been in it.
    pub age: Duration,
}

/// Somebody who waits to be admitted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Waiting {
    /// The number for admitting them; their member's number afterwards.
    pub number: MemberNumber,
    /// Who.
    pub person: Person,
    /// The application's own name for them.
    pub subject: Option<String>,
}

/// Something happened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Notice {
    /// The room's name.
    pub room: String,
    /// The conference in it.
    pub call: Option<CallId>,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum What {
    /// The first person is there.
    Started,
    /// Everybody is gone.
    Ended(EndReason),
    /// The room is set up no more.
    Deleted(Why),
    /// Somebody came in.
    Joined(Member),
    /// Somebody is gone.
    Left(Member, EndReason),
    /// Somebody has another role.
    Role(Member),
    /// Somebody raised or lowered their hand.
    Hand(Member),
    /// Somebody waits to be admitted.
    Knock(Waiting),
    /// Somebody went to a group, or came back from one.
    Moved(Member),
    /// A room was divided into groups.
    Divided(Vec<Group>),
    /// Everybody is back in the main room.
    United,
    /// A recording has begun.
    Recording(Recording),
    /// A recording is over, and its files are complete.
    Recorded {
        /// Its name among the recordings.
        id: String,
        /// Bytes in all of its files.
        bytes: u64,
        /// For people: why it ended, if nobody ended it. What was written until then is kept.
        problem: Option<String>,
    },
}

/// Why a room is set up no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// An application ended it.
    Ended,
    /// It was empty for its time.
    Empty,
    /// Its end has come.
    Time,
}
