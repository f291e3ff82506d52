//! What the server says.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::breakout::Breakout;
use super::conference::{Door, Knock, Member, MemberNumber, Recording, Role, View};
use super::types::*;

/// What the server sends in one frame.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ServerFrame {
    /// The number of this message, counting from 1 in each session; absent on messages that are never repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub seq: Option<u64>,
    /// The highest number received from this client so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub ack: Option<u64>,
    /// The message itself.
    #[serde(flatten)]
    pub message: ServerMessage,
}

/// From the server.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum ServerMessage {
    // Not numbered: about the socket itself.
    /// The answer to `hello`.
    Welcome {
        /// The session's secret name, to resume it.
        session: Secret,
        /// Whether the earlier session goes on; if not, start anew (and `rejoin` a running call).
        resumed: bool,
        /// The highest number the server had received in this session: send again what came after.
        received: u64,
        /// The person this session speaks for.
        me: Person,
        /// Keep this and present it next time: it keeps the person id. A secret.
        identity: Secret,
        /// STUN and TURN servers with short-lived credentials.
        ice_servers: Vec<IceServer>,
        /// Seconds until those credentials end.
        ice_lifetime: u32,
        /// Seconds without any frame after which the server gives a socket up; send `ping` before.
        idle_timeout: u32,
        /// Seconds for which a session without a socket can still be resumed.
        resume_timeout: u32,
        /// Whether the server is about to stop: calls go on, new ones are not taken.
        draining: bool,
    },
    /// Nothing but the frame's `ack`.
    Ack,
    /// The answer to `ping`.
    Pong,
    /// This socket is closed after this message, and why.
    Refused {
        /// For programs.
        code: Refusal,
        /// For people: what was wrong, and what would be right.
        message: String,
    },

    // Numbered.
    /// A request was not carried out; the session goes on.
    Error {
        /// The `seq` of the request.
        about: u64,
        /// For programs.
        code: ErrorCode,
        /// For people: what was wrong, and what would be right.
        message: String,
    },
    /// The answer to `rename`.
    Renamed {
        /// The person under the new name.
        me: Person,
    },
    /// The answer to `find`.
    People {
        /// The request's number.
        request: u32,
        /// At most 20, those present first.
        people: Vec<Presence>,
    },
    /// The answer to `ice-servers`.
    IceServers {
        /// STUN and TURN servers with short-lived credentials.
        ice_servers: Vec<IceServer>,
        /// Seconds until those credentials end.
        ice_lifetime: u32,
    },
    /// The invited person's devices ring now.
    Ringing {
        /// The call.
        call: CallId,
        /// Who was found under the name.
        to: Person,
        /// Seconds until it is given up.
        timeout: u32,
    },
    /// Somebody calls.
    Incoming {
        /// The call.
        call: CallId,
        /// Who.
        from: Person,
        /// What they intend to send.
        media: Media,
        /// Seconds until it is given up.
        timeout: u32,
        /// Whether this device may send its offer to the caller before it accepts.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        #[cfg_attr(test, ts(as = "Option<bool>", optional))]
        early: bool,
    },
    /// The call is on: it was accepted (sent to both), or two met at a link, or both rejoined it.
    Started {
        /// The call.
        call: CallId,
        /// The other person.
        peer: Person,
        /// What the other intends to send.
        media: Media,
        /// The polite side in perfect negotiation gives way. The impolite side makes the first offer.
        polite: bool,
        /// Take the call up again with this if the server loses it. A secret of the two.
        ticket: Secret,
        /// The other's offer, if it came with `accept`.
        description: Option<Description>,
        /// To the caller: which of the ringing devices accepted, if it may have sent its offer before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        device: Option<u32>,
        /// The candidates that the server has kept for this side while it rang.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[cfg_attr(test, ts(as = "Option<Vec<Candidate>>", optional))]
        candidates: Vec<Candidate>,
        /// Whether the media may be running already: this was a `rejoin`.
        rejoined: bool,
        /// The conference that this call goes on for; keep that until this one has media, then `end` it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        replaces: Option<CallId>,
    },
    /// A session description from the other side; in a conference the server's answer.
    Description {
        /// The call.
        call: CallId,
        /// To the caller, before `started`: the ringing device that it comes from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        device: Option<u32>,
        /// The description.
        description: Description,
    },
    /// A trickled candidate from the other side.
    Candidate {
        /// The call.
        call: CallId,
        /// To the caller, before `started`: the ringing device that it comes from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        device: Option<u32>,
        /// The candidate; `null` when there are no more in this generation.
        candidate: Option<Candidate>,
    },
    /// The other side's socket was lost, or came back: the media may well go on meanwhile.
    Peer {
        /// The call.
        call: CallId,
        /// Whether they are reachable through the server now.
        present: bool,
    },
    /// The call is over, or never came about.
    Ended {
        /// The call.
        call: CallId,
        /// Why.
        reason: EndReason,
    },
    /// Nobody else is at the link yet.
    Waiting {
        /// The room.
        room: String,
    },
    /// The server is about to stop: running calls go on, new ones are not taken until it is back.
    Draining,

    /// The call of two has a link now.
    Opened {
        /// The call.
        call: CallId,
        /// The room's name: whoever says `meet` with it joins.
        room: String,
        /// Instead of the one from before. A secret.
        ticket: Secret,
    },
    /// You are in a conference, or in it again: make a new peer connection for it, and offer it (`description`).
    Conference {
        /// The conference.
        call: CallId,
        /// The room's name, as it stands in the link.
        room: String,
        /// Your number.
        you: MemberNumber,
        /// What you may do.
        role: Role,
        /// Everybody who is in it, you as well.
        members: Vec<Member>,
        /// Whether nobody else can come in.
        locked: bool,
        /// Whether whoever comes waits to be admitted.
        lobby: bool,
        /// The recording that goes on; `null`: nothing is recorded.
        recording: Option<Box<Recording>>,
        /// Whether whoever has the link may watch without a key.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        #[cfg_attr(test, ts(as = "Option<bool>", optional))]
        watching: bool,
        /// How many watch (WHEP); absent: nobody.
        #[serde(default, skip_serializing_if = "is_zero")]
        #[cfg_attr(test, ts(as = "Option<u32>", optional))]
        watchers: u32,
        /// Whether whoever comes is an attendee at first.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        #[cfg_attr(test, ts(as = "Option<bool>", optional))]
        listeners: bool,
        /// What an application calls the room, for people.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        title: Option<String>,
        /// Whether members encrypt what they send for each other, so that the server cannot decode it. It stays so.
        encrypted: bool,
        /// The conference of the main room, if this one is a group's. What says `conference` with the same main room takes
        /// the place of the one before: you went, or were sent, to another group or back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        main: Option<CallId>,
        /// How the room is divided into groups; absent: it is not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        breakout: Option<Box<Breakout>>,
        /// Come back with this (`rejoin`, to the main room's conference) if the server loses the conference. A secret.
        ticket: Secret,
        /// The call of two that goes on here: keep it until the server ends it as `moved`.
        replaces: Option<CallId>,
    },
    /// You wait for a moderator to let you in. Ends with `conference` or `ended`; take it back with `leave`.
    Lobby {
        /// The conference.
        call: CallId,
        /// The room.
        room: String,
    },
    /// To moderators: who waits in the lobby, all of them.
    Knocking {
        /// The conference.
        call: CallId,
        /// First come first.
        people: Vec<Knock>,
    },
    /// Somebody came into the conference, or something about them changed.
    Member {
        /// The conference.
        call: CallId,
        /// Who they are now.
        member: Member,
    },
    /// The same, and [`Self::MemberLeft`], of several people together: in large conferences, and of those who went to
    /// groups or came back from them.
    Members {
        /// The conference.
        call: CallId,
        /// Who is in it no more, before `members`: somebody may have left and come again. One may never have been told
        /// of them.
        left: Vec<MemberNumber>,
        /// Who came, and about whom something changed.
        members: Arc<Vec<Member>>,
    },
    /// Somebody is in the conference no more.
    MemberLeft {
        /// The conference.
        call: CallId,
        /// Who.
        number: MemberNumber,
        /// Why: `hung-up`, `lost`, `removed`, or `moved` (to the call of two that goes on for it).
        reason: EndReason,
    },
    /// How the room is divided into groups. To owners again whenever somebody is somewhere else.
    Breakout {
        /// The conference.
        call: CallId,
        /// `null`: it is not divided any more.
        breakout: Option<Box<Breakout>>,
    },
    /// A member says something to you alone (`whisper`).
    Whispered {
        /// The conference.
        call: CallId,
        /// Who.
        from: MemberNumber,
        /// What.
        text: String,
    },
    /// An owner says something to everybody in all groups.
    Announced {
        /// The conference.
        call: CallId,
        /// Who; `null`: an application.
        from: Option<Person>,
        /// What.
        text: String,
    },
    /// Your role is another now, and so is your ticket.
    Role {
        /// The conference.
        call: CallId,
        /// What you may do.
        role: Role,
        /// Instead of the one in `conference`. A secret.
        ticket: Secret,
    },
    /// What a moderator set for the conference.
    Settings {
        /// The conference.
        call: CallId,
        /// Whether nobody else can come in.
        locked: bool,
        /// Whether whoever comes waits to be admitted.
        lobby: bool,
        /// Whether whoever has the link may watch without a key.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        #[cfg_attr(test, ts(as = "Option<bool>", optional))]
        watching: bool,
        /// Whether whoever comes is an attendee at first.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        #[cfg_attr(test, ts(as = "Option<bool>", optional))]
        listeners: bool,
        /// What an application calls the room, for people.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        title: Option<String>,
    },
    /// How many watch (WHEP) now; they are no members.
    Watchers {
        /// The conference.
        call: CallId,
        /// How many.
        count: u32,
    },
    /// The answer to `key`.
    Key {
        /// The room.
        room: String,
        /// What it opens.
        door: Door,
        /// The bearer token. A secret.
        key: Secret,
        /// When it ends, in seconds since 1970.
        expires: u64,
    },
    /// The server records the conference from now on, or no more; to owners also how much was written, now and then.
    Recording {
        /// The conference.
        call: CallId,
        /// The recording that goes on; `null`: it has ended.
        recording: Option<Box<Recording>>,
        /// For people: why it ended, if nobody ended it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        problem: Option<String>,
    },
    /// Whose sound your voice slots carry.
    Voices {
        /// The conference.
        call: CallId,
        /// The index is the slot's place among the receiving audio sections.
        slots: Vec<Option<MemberNumber>>,
    },
    /// Who speaks, the loudest first.
    Speaking {
        /// The conference.
        call: CallId,
        /// Their numbers; empty when nobody does.
        members: Vec<MemberNumber>,
    },
    /// What one of your picture slots shows from now on.
    Shown {
        /// The conference.
        call: CallId,
        /// The slot's place among the receiving video sections.
        slot: u16,
        /// `null`: nothing, for nobody sends it or the way to you is too narrow.
        source: Option<View>,
    },
    /// What that slot shows is in a form that this client has negotiated no codec for: it stays dark. Comes after `shown`,
    /// and holds until the next.
    Unplayable {
        /// The conference.
        call: CallId,
        /// The slot's place among the receiving video sections.
        slot: u16,
    },
    /// A picture that you want stands still, because the way to you carries no more, or goes on.
    Paused {
        /// The conference.
        call: CallId,
        /// The slot's place among the receiving video sections.
        slot: u16,
        /// What stands still; `null`: nothing in this slot.
        source: Option<View>,
    },
    /// Which of your camera's encodings somebody wants now; the others need not be sent.
    Wanted {
        /// The conference.
        call: CallId,
        /// Of `l`, `m` and `h`.
        rids: Vec<String>,
    },
    /// A member shows a feeling.
    Expressed {
        /// The conference.
        call: CallId,
        /// Who.
        member: MemberNumber,
        /// One character as people see it.
        reaction: String,
    },
    /// A moderator muted you: your sound is not passed on until you say `sending` with a microphone.
    Muted {
        /// The conference.
        call: CallId,
        /// Who did.
        by: MemberNumber,
    },
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}
