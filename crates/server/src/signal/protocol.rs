//! The messages of Visavis signalling, version 1. `docs/protocol.md` explains them; the TypeScript types in
//! `web/client/src/protocol.ts` are generated from these.
//!
//! One JSON object per WebSocket text frame. Numbered messages (those with `seq`) are delivered exactly once
//! and in order, across dropped sockets; the others (`hello`, `welcome`, `ack`, `ping`, `pong`, `refused`)
//! belong to one socket and are never repeated.

use serde::{Deserialize, Serialize};

/// The version of the protocol that this server speaks.
pub const VERSION: u32 = 1;

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
        /// Continue this session after a dropped socket.
        #[cfg_attr(test, ts(optional = nullable))]
        resume: Option<Resume>,
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
    /// Ends a call in whatever state it is: cancels it while it rings, hangs up afterwards.
    End {
        /// The call.
        call: CallId,
    },
    /// A session description for the other side.
    Description {
        /// The call.
        call: CallId,
        /// The description.
        description: Description,
    },
    /// A trickled candidate for the other side.
    Candidate {
        /// The call.
        call: CallId,
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
    /// Waits at a link for whoever else holds it; the two are then put through at once.
    Meet {
        /// The room's name as it stands in the link, 1 to 64 characters of `A-Z a-z 0-9 - _`.
        room: String,
        /// What this side intends to send.
        media: Media,
    },
    /// No longer waits there.
    Leave {
        /// The room.
        room: String,
    },
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
        /// Whether the media may be running already: this was a `rejoin`.
        rejoined: bool,
    },
    /// A session description from the other side.
    Description {
        /// The call.
        call: CallId,
        /// The description.
        description: Description,
    },
    /// A trickled candidate from the other side.
    Candidate {
        /// The call.
        call: CallId,
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
}

/// A call's id: 22 to 64 characters of base64url, random.
pub type CallId = String;

/// Takes up an earlier session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Resume {
    /// The session's secret name from `welcome`.
    pub session: Secret,
    /// The highest number received from the server in that session.
    pub received: u64,
}

/// Somebody.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Person {
    /// Stable and random; the same on all devices of an account, and in one browser for a guest.
    pub id: String,
    /// The name they go by, 1 to 64 characters.
    pub name: String,
    /// Whether an account holds the name; a guest's name is merely what they say.
    pub verified: bool,
}

/// A person and whether they can be called now.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Presence {
    /// Who.
    pub person: Person,
    /// Whether some device of theirs is connected.
    pub present: bool,
    /// Whether every device of theirs is in a call.
    pub busy: bool,
}

/// What a side intends to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Media {
    /// Sound.
    pub audio: bool,
    /// A picture.
    pub video: bool,
}

/// An RTCSessionDescriptionInit (W3C WebRTC §4.6.2), passed on unread.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Description {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: DescriptionKind,
    /// The SDP, at most 64 KiB; empty for a rollback.
    #[serde(default)]
    #[cfg_attr(test, ts(as = "Option<String>", optional))]
    pub sdp: String,
}

/// An RTCSdpType.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum DescriptionKind {
    /// `offer`
    Offer,
    /// `answer`
    Answer,
    /// `pranswer`
    Pranswer,
    /// `rollback`
    Rollback,
}

/// An RTCIceCandidateInit (W3C WebRTC §4.8.1.1), passed on unread.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// The candidate-attribute; empty for the end of candidates.
    pub candidate: String,
    /// The media section's `mid`.
    #[cfg_attr(test, ts(optional = nullable))]
    pub sdp_mid: Option<String>,
    /// The media section's index.
    #[cfg_attr(test, ts(optional = nullable))]
    pub sdp_m_line_index: Option<u16>,
    /// The ICE generation it belongs to.
    #[cfg_attr(test, ts(optional = nullable))]
    pub username_fragment: Option<String>,
}

/// A text that opens something to whoever has it. `Debug` does not show it, so that no log can.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Secret(pub String);

impl std::ops::Deref for Secret {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// An RTCIceServer (W3C WebRTC §4.2.2).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct IceServer {
    /// `stun:`, `turn:` and `turns:` URLs (RFC 7064, 7065).
    pub urls: Vec<String>,
    /// For TURN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub username: Option<String>,
    /// For TURN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub credential: Option<Secret>,
}

/// Why a call is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum EndReason {
    /// One of the two hung up.
    HungUp,
    /// The callee refused.
    Declined,
    /// Every device of the callee is in another call, or this device of the callee went into one.
    Busy,
    /// The caller gave up before it was answered.
    Cancelled,
    /// Nobody answered in time.
    Timeout,
    /// Another device of the callee took or refused the call.
    Elsewhere,
    /// Nobody of that name is here.
    Unavailable,
    /// The other's connection to the server was lost for too long.
    Lost,
    /// The two invited each other at the same moment: the call goes on under the other invite's id (`started`).
    Merged,
}

/// Why a socket is closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// This server speaks another version.
    Version,
    /// The first message was not `hello`, or a frame was not what the protocol says.
    Malformed,
    /// The name is empty, too long, or belongs to an account.
    Name,
    /// The identity is not valid (any more).
    Identity,
    /// Too many messages, or too large.
    Limit,
    /// The session was taken up on another socket.
    Replaced,
}

/// Why a request was not carried out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// No such call, or this session is not in it.
    NoSuchCall,
    /// The call id is taken, malformed, or this session is in a call already.
    BadCall,
    /// The name is empty, too long, or belongs to an account.
    BadName,
    /// The room's name is malformed.
    BadRoom,
    /// Two people are in that room already.
    RoomFull,
    /// The ticket is not valid.
    BadTicket,
    /// The request makes no sense in the state of the call.
    WrongState,
    /// Too many requests.
    RateLimited,
    /// The server is about to stop.
    Draining,
}

#[cfg(test)]
#[path = "protocol_ts.rs"]
mod typescript;
