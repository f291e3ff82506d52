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
    /// Whether whoever comes is an attendee at first.
    Listeners {
        /// Whether.
        on: bool,
    },
    /// The conference is over for everybody.
    End,
}
