//! What crosses between the HTTP doors of rooms (WHIP, WHEP) and the rendezvous: plain data, as everything on the bus.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::protocol::{EndReason, MemberNumber, Picture};

/// Names an HTTP resource that holds a place in a room; never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct DoorId(pub u64);

/// Which picture a viewer is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Glance {
    /// Of this member only; else the screen that is shared, or who speaks.
    pub member: Option<MemberNumber>,
    /// Only cameras, or only screens; else a screen before a camera.
    pub source: Option<Picture>,
}

/// Who comes, and what for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Purpose {
    /// An encoder, which becomes a member.
    Publish {
        /// Who it is: whoever comes with the same takes its place.
        holder: String,
        /// What it is called.
        name: String,
    },
    /// A viewer.
    Watch {
        /// Whether it has a key; otherwise the room must be open for everybody to watch.
        invited: bool,
        /// What it wants to see.
        glance: Glance,
    },
}

/// From a door to the rendezvous.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DoorCommand {
    /// Somebody comes in, with an offer. Answered by [`DoorEvent::Answer`] or [`DoorEvent::Refused`].
    Enter {
        /// Where they come from.
        address: IpAddr,
        /// The room's name.
        room: String,
        /// Who they are.
        purpose: Purpose,
        /// The offer.
        sdp: String,
    },
    /// Another offer: a restart of ICE. Answered by [`DoorEvent::Answer`].
    Offer {
        /// The session description.
        sdp: String,
    },
    /// A candidate of theirs.
    Candidate {
        /// The candidate-attribute.
        candidate: String,
    },
    /// They are gone.
    Leave,
}

impl fmt::Debug for DoorCommand {
    /// An offer has addresses and the password of its ICE agent: it stays unsaid.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Enter { room, purpose, sdp, .. } => {
                write!(f, "Enter({room}, {purpose:?}, {} bytes)", sdp.len())
            }
            Self::Offer { sdp } => write!(f, "Offer({} bytes)", sdp.len()),
            Self::Candidate { .. } => f.write_str("Candidate"),
            Self::Leave => f.write_str("Leave"),
        }
    }
}

/// Why somebody does not come in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum DoorRefusal {
    /// The room's name cannot be one.
    BadRoom,
    /// There is nobody to watch.
    Empty,
    /// Nobody of that number.
    NoMember,
    /// Watching needs a key there.
    NeedsKey,
    /// A moderator has removed them.
    Removed,
    /// A moderator has locked the room.
    Locked,
    /// The room is end-to-end encrypted, which encoders and players cannot do.
    Encrypted,
    /// There is no place.
    Full,
    /// Too many, too fast.
    TooMany,
    /// The server is about to stop.
    Draining,
    /// The offer cannot be answered.
    Offer,
}

/// From the rendezvous to a door.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DoorEvent {
    /// They do not come in, and why; the last event.
    Refused(DoorRefusal, String),
    /// Answers an offer, in the order of the offers.
    Answer(Result<String, String>),
    /// Their place is gone; the last event.
    Ended(EndReason),
}

impl fmt::Debug for DoorEvent {
    /// An answer has the password of an ICE agent: it stays unsaid.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal, message) => write!(f, "Refused({refusal:?}, {message})"),
            Self::Answer(answer) => write!(f, "Answer({})", answer.is_ok()),
            Self::Ended(reason) => write!(f, "Ended({reason:?})"),
        }
    }
}
