//! One event as applications read it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::types::{Member, Waiting};
use crate::signal::admin::{Notice, What, Why};
use crate::signal::protocol::{EndReason, Group};

/// All kinds of events, and what each means.
pub(crate) const KINDS: &[(&str, &str)] = &[
    ("room.started", "Somebody is in a room where nobody was."),
    ("room.ended", "Everybody has left a room, or was sent away."),
    ("room.deleted", "A room is set up no more."),
    ("member.joined", "Somebody came into a room."),
    ("member.left", "Somebody left a room, or was sent away."),
    ("member.role", "Somebody has another role."),
    ("member.hand", "Somebody raised or lowered their hand."),
    ("member.knocked", "Somebody waits to be admitted to a room."),
    ("member.moved", "Somebody went to a group of a divided room, or came back from one."),
    ("breakout.started", "A room was divided into groups."),
    ("breakout.ended", "A room is not divided any more: everybody is back in the main room, or gone."),
    ("recording.started", "A room is recorded from now on."),
    ("recording.finished", "A recording is over, and its files are complete."),
    ("recording.failed", "A recording could not begin or not go on; what was written until then is kept."),
];

/// Something that happened in a room.
#[derive(Serialize, Deserialize, JsonSchema, Debug)]
pub(crate) struct Event {
    /// The same each time this event is sent, so that it can be told from others.
    id: String,
    /// What happened: `room.started`, `room.ended`, `room.deleted`, `member.joined`, `member.left`, `member.role`,
    /// `member.hand`, `member.knocked`, `member.moved`, `breakout.started`, `breakout.ended`, `recording.started`,
    /// `recording.finished` or `recording.failed`.
    #[serde(rename = "type")]
    kind: String,
    /// When, in seconds since 1970.
    time: u64,
    /// The room's name.
    room: String,
    /// Different each time that a room where nobody was is entered.
    #[serde(skip_serializing_if = "Option::is_none")]
    conference: Option<String>,
    /// Who it is about, as they are now; of somebody who left, as they were.
    #[serde(skip_serializing_if = "Option::is_none")]
    member: Option<Member>,
    /// Who waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting: Option<Waiting>,
    /// The groups that the room was divided into.
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<Vec<Group>>,
    /// The recording.
    #[serde(skip_serializing_if = "Option::is_none")]
    recording: Option<Recorded>,
    /// Why somebody left or a room ended: `hung-up`, `lost`, `removed`, `closed` or `moved`; why a room is set up no
    /// more: `ended`, `empty` or `time`.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// A recording, in an event.
#[derive(Serialize, Deserialize, JsonSchema, Debug)]
pub(crate) struct Recorded {
    /// Its name among the recordings.
    id: String,
    /// Bytes in all of its files, once it is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    /// For people: why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

impl Event {
    /// The event of a notice, at a time in seconds since 1970.
    pub(super) fn of(notice: Notice, now: u64) -> Self {
        let Notice { room, call, what } = notice;
        let (mut member, mut waiting, mut reason) = (None, None, None);
        let (mut groups, mut recording) = (None, None);
        let kind = match what {
            What::Started => "room.started",
            What::Ended(why) => {
                reason = Some(ending(why));
                "room.ended"
            }
            What::Deleted(why) => {
                reason = Some(match why {
                    Why::Ended => "ended",
                    Why::Empty => "empty",
                    Why::Time => "time",
                });
                "room.deleted"
            }
            What::Joined(who) => {
                member = Some(who);
                "member.joined"
            }
            What::Left(who, why) => {
                (member, reason) = (Some(who), Some(ending(why)));
                "member.left"
            }
            What::Role(who) => {
                member = Some(who);
                "member.role"
            }
            What::Hand(who) => {
                member = Some(who);
                "member.hand"
            }
            What::Knock(who) => {
                waiting = Some(who);
                "member.knocked"
            }
            What::Moved(who) => {
                member = Some(who);
                "member.moved"
            }
            What::Divided(into) => {
                groups = Some(into);
                "breakout.started"
            }
            What::United => "breakout.ended",
            What::Recording(begun) => {
                recording = Some(Recorded { id: begun.id, bytes: None, problem: None });
                "recording.started"
            }
            What::Recorded { id, bytes, problem } => {
                let kind = if problem.is_some() { "recording.failed" } else { "recording.finished" };
                recording = Some(Recorded { id, bytes: Some(bytes), problem });
                kind
            }
        };
        Self {
            id: BASE64.encode(crypto::random::<16>()),
            kind: kind.to_owned(),
            time: now,
            room,
            conference: call,
            member: member.map(Into::into),
            waiting: waiting.map(Into::into),
            groups,
            recording,
            reason: reason.map(str::to_owned),
        }
    }

    /// Its id, its room and its text, for the database.
    pub(super) fn row(self) -> (String, String, String) {
        let body = serde_json::to_string(&self).expect("events have no maps with other keys than text");
        (self.id, self.room, body)
    }
}

/// The protocol's word for it.
fn ending(reason: EndReason) -> &'static str {
    match reason {
        EndReason::HungUp => "hung-up",
        EndReason::Removed => "removed",
        EndReason::Closed => "closed",
        EndReason::Moved => "moved",
        EndReason::Lost
        | EndReason::Declined
        | EndReason::Busy
        | EndReason::Cancelled
        | EndReason::Timeout
        | EndReason::Elsewhere
        | EndReason::Unavailable
        | EndReason::Merged => "lost",
    }
}
