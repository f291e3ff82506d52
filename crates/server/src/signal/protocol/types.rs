//! What the messages are made of.

use serde::{Deserialize, Serialize};

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
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
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
    /// It goes on as a conference, or the conference as a call of two.
    Moved,
    /// A moderator removed this member.
    Removed,
    /// A moderator ended the conference, or the server has no room for it any more.
    Closed,
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
    /// The join token is not one of this server's applications, or not whole.
    Token,
    /// The join token was good once: its time is over, or it was for one use and was used.
    TokenExpired,
    /// The join token is not good yet.
    TokenEarly,
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
    /// As many people are in that room as may be.
    RoomFull,
    /// A moderator has locked the room, or has removed this person from it.
    RoomLocked,
    /// One comes into that room with a join token only.
    NeedsToken,
    /// The room is end-to-end encrypted and the link holds no key, or the other way round.
    Encryption,
    /// This member's role does not allow it.
    NotAllowed,
    /// No such member in this conference.
    NoSuchMember,
    /// The server cannot answer this session description.
    BadDescription,
    /// The ticket is not valid.
    BadTicket,
    /// The request makes no sense in the state of the call.
    WrongState,
    /// Too many requests.
    RateLimited,
    /// The server is about to stop.
    Draining,
}
