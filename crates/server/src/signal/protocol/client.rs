//! What a client says.

use serde::{Deserialize, Serialize};

use super::breakout::BreakoutAction;
use super::conference::{Action, Door, MemberNumber, Want};
use super::types::*;

/// What a client sends in one frame.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ClientFrame {
    /// The number of this message, counting from 1 in each session; absent on messages that are never repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub seq: Option<u64>,
    /// The highest number received from the server so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub ack: Option<u64>,
    /// The message itself.
    #[serde(flatten)]
    pub message: ClientMessage,
}

/// From the client.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum ClientMessage {
    // Not numbered: about the socket itself.
    /// The first message on every socket.
    Hello {
        /// The protocol version the client speaks.
        protocol: u32,
        /// The name a guest goes by; needed unless `identity` or `resume` gives one.
        #[cfg_attr(test, ts(optional = nullable))]
        name: Option<String>,
        /// The token of an earlier `welcome`, which keeps the same person id, or of an account login.
        #[cfg_attr(test, ts(optional = nullable))]
        identity: Option<Secret>,
        /// A join token that an application signed: it says who comes, and what they may do in its room.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional = nullable))]
        token: Option<Secret>,
        /// Continue this session after a dropped socket.
        #[cfg_attr(test, ts(optional = nullable))]
        resume: Option<Resume>,
        /// Whether this client knows conferences: a third person may then join its calls.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        #[cfg_attr(test, ts(as = "Option<bool>", optional))]
        conferences: bool,
    },
    /// Nothing but the frame's `ack`.
    Ack,
    /// Asks for a `pong`: the way for a browser to notice a dead network.
    Ping,

    // Numbered.
    /// Go by another name from now on.
    Rename {
        /// The new name, 1 to 64 characters.
        name: String,
    },
    /// Who of that name is here? Answered by `people`.
    Find {
        /// Echoed in the answer.
        request: u32,
        /// The beginning of a name, at least one character.
        query: String,
    },
    /// New ICE servers, because the credentials are about to expire. Answered by `ice-servers`.
    IceServers,
    /// Rings a person on every device.
    Invite {
        /// A random id of the caller's making, 22 to 64 characters of base64url: the call's name from now on.
        call: CallId,
        /// A person's name or id.
        to: String,
        /// What the caller intends to send.
        media: Media,
        /// Whether the caller answers descriptions of devices that still ring.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        #[cfg_attr(test, ts(as = "Option<bool>", optional))]
        early: bool,
    },
    /// Takes an incoming call on this device; the others stop ringing.
    Accept {
        /// The call.
        call: CallId,
        /// The callee's offer, if it is ready: saves half a round trip.
        #[cfg_attr(test, ts(optional = nullable))]
        description: Option<Description>,
        /// What the callee intends to send.
        media: Media,
    },
    /// Refuses an incoming call, on every device.
    Decline {
        /// The call.
        call: CallId,
        /// Whether because another call is going on.
        busy: bool,
    },
    /// Ends a call in whatever state it is: cancels it while it rings, hangs up or leaves the conference afterwards.
    End {
        /// The call.
        call: CallId,
    },
    /// A session description for the other side; in a conference an offer for the server.
    Description {
        /// The call.
        call: CallId,
        /// From the caller, before `started`: the ringing device that it is for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        device: Option<u32>,
        /// The description.
        description: Description,
    },
    /// A trickled candidate for the other side. While it rings relayed ones pass; the server keeps others until that
    /// device accepts.
    Candidate {
        /// The call.
        call: CallId,
        /// From the caller, before `started`: the ringing device that it is for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        device: Option<u32>,
        /// The candidate; `null` when there are no more in this generation.
        candidate: Option<Candidate>,
    },
    /// Takes up a running call again after the server lost it (it restarted): both sides send this.
    Rejoin {
        /// The call.
        call: CallId,
        /// The ticket from `started`.
        ticket: Secret,
    },
    /// Waits at a link for whoever else holds it; two are put through at once, more are in a conference.
    Meet {
        /// The room's name as it stands in the link, 1 to 64 characters of `A-Z a-z 0-9 - _`.
        room: String,
        /// What this side intends to send.
        media: Media,
        /// Whether the link holds a key, so that what members send is encrypted for the other members alone. The first to
        /// come decides; whoever comes with the other sort of link is told `encryption`.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        #[cfg_attr(test, ts(as = "Option<bool>", optional))]
        encrypted: bool,
    },
    /// No longer waits there.
    Leave {
        /// The room.
        room: String,
    },
    /// Gives the running call of two a link, so that others can come. Answered by `opened`.
    Open {
        /// The call.
        call: CallId,
    },
    /// What the picture slots are to show: screens first, then by size. The whole of it each time.
    Layout {
        /// The conference.
        call: CallId,
        /// The slot's index is its place among the client's receiving video sections; `null` shows nothing.
        slots: Vec<Option<Want>>,
    },
    /// What this member sends from now on, for the others to know. Unmutes a member whom a moderator muted.
    Sending {
        /// The conference.
        call: CallId,
        /// Sound.
        microphone: bool,
        /// Their picture.
        camera: bool,
        /// Their screen.
        screen: bool,
    },
    /// Something that only an owner may do.
    Moderate {
        /// The conference.
        call: CallId,
        /// What.
        action: Action,
    },
    /// Something for one other member, which the server passes on unread: with it two negotiate a way of their own.
    Whisper {
        /// The conference.
        call: CallId,
        /// For whom. They have to be there, in the same conference.
        to: MemberNumber,
        /// What, 1 to 8192 bytes; in an encrypted room encrypted as messages on the channel are.
        text: String,
    },
    /// Something about the groups that a room is divided into.
    Breakout {
        /// The conference that one is in, be it the main room's or a group's.
        call: CallId,
        /// What.
        action: BreakoutAction,
    },
    /// Asks for a key with which an encoder publishes into a room, or a player watches it, over HTTP: for an owner of the
    /// conference there, or whoever of two is in the call there, or waits there alone. Answered by `key`.
    Key {
        /// The room's name as it stands in the link.
        room: String,
        /// What it is to open.
        door: Door,
        /// What the encoder is to be called, 1 to 64 characters; absent: as it says itself.
        #[cfg_attr(test, ts(optional = nullable))]
        name: Option<String>,
    },
    /// Raises or lowers the hand, or shows a feeling.
    Express {
        /// The conference.
        call: CallId,
        /// Whether the hand is up; absent: as before.
        #[cfg_attr(test, ts(optional = nullable))]
        hand: Option<bool>,
        /// One character as people see it, such as an emoji, at most 32 bytes.
        #[cfg_attr(test, ts(optional = nullable))]
        reaction: Option<String>,
    },
}
