//! What the messages about conferences are made of.

use serde::{Deserialize, Serialize};

use super::types::Person;

/// A member's number in a conference: from 1, never given to somebody else as long as the conference lasts.
pub type MemberNumber = u32;

/// What somebody may do in a conference.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, schemars::JsonSchema,
)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Sees and hears, raises a hand, reacts.
    Attendee,
    /// Sends sound and pictures as well.
    Presenter,
    /// Moderates as well.
    Owner,
}

/// What sort of member somebody is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum MemberKind {
    /// Somebody with a page.
    #[default]
    Person,
    /// A program that publishes by WHIP (RFC 9725): it hears nothing, is told nothing, and cannot moderate.
    Encoder,
}

impl MemberKind {
    fn is_person(&self) -> bool {
        *self == Self::Person
    }
}

/// A way into a room by HTTP, without signalling.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, schemars::JsonSchema,
)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Door {
    /// WHIP (RFC 9725): an encoder sends.
    Publish,
    /// WHEP: a player watches.
    Watch,
}

/// What a member sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Sending {
    /// Sound.
    pub microphone: bool,
    /// Their picture.
    pub camera: bool,
    /// Their screen.
    pub screen: bool,
}

/// Somebody in a conference.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// How the other messages, and the data channel `room`, name them.
    pub number: MemberNumber,
    /// Who. The same person may be there with several devices.
    pub person: Person,
    /// What they may do.
    pub role: Role,
    /// What they send now, by their own account.
    pub sending: Sending,
    /// Whether they raise their hand.
    pub hand: bool,
    /// Whether their media connection with the server stands.
    pub connected: bool,
    /// What sort of member; absent: a person.
    #[serde(default, skip_serializing_if = "MemberKind::is_person")]
    #[cfg_attr(test, ts(as = "Option<MemberKind>", optional))]
    pub kind: MemberKind,
}

/// Somebody who waits to be admitted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Knock {
    /// For `admit` and `deny`; the member's number if they are admitted.
    pub number: MemberNumber,
    /// Who.
    pub person: Person,
}

/// One of a member's pictures.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Picture {
    /// Their camera.
    Camera,
    /// Their screen.
    Screen,
}

/// What a picture slot is to show.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Want {
    /// Whose.
    pub member: MemberNumber,
    /// Which.
    pub source: Picture,
    /// The height of the tile in pixels of the display.
    pub height: u16,
}

/// What a picture slot shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct View {
    /// Whose.
    pub member: MemberNumber,
    /// Which.
    pub source: Picture,
}

/// A recording that goes on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Recording {
    /// Its name among the recordings.
    pub id: String,
    /// Who began it.
    pub by: Person,
    /// For how long it has gone on, in seconds.
    pub seconds: u32,
    /// How many bytes were written, as far as is known.
    pub bytes: u64,
}

/// What a moderator does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Action {
    /// Their sound is not passed on until they unmute themselves (`sending`).
    Mute {
        /// Whose.
        member: MemberNumber,
    },
    /// The same for everybody but moderators.
    MuteAll,
    /// An encoder's sound is passed on again: it cannot unmute itself. Everybody else does.
    Unmute {
        /// Whose.
        member: MemberNumber,
    },
    /// They leave, and do not come back to this conference.
    Remove {
        /// Who.
        member: MemberNumber,
    },
    /// They come in from the lobby.
    Admit {
        /// Who (`knocking`).
        member: MemberNumber,
    },
    /// They do not.
    Deny {
        /// Who (`knocking`).
        member: MemberNumber,
    },
    /// From attendee to presenter, from presenter to owner.
    Promote {
        /// Who.
        member: MemberNumber,
    },
    /// The other way. The only owner stays one.
    Demote {
        /// Who.
        member: MemberNumber,
    },
    /// Whether nobody else can come in.
    Lock {
        /// Whether.
        on: bool,
    },
    /// Whether whoever comes waits to be admitted.
    Lobby {
        /// Whether.
        on: bool,
    },
    /// Whether the server records what everybody sends. Everybody is told (`recording`).
    Record {
        /// Whether.
        on: bool,
    },
    /// Whether whoever has the link may watch (WHEP) without a key.
    Watching {
        /// Whether.
        on: bool,
    },
    /// Whether whoever comes is an attendee at first.
    Listeners {
        /// Whether.
        on: bool,
    },
    /// The conference is over for everybody.
    End,
}
