//! What crosses between the rendezvous and the forwarder of media: plain data, as everything on the bus.
//!
//! The rendezvous says which rooms there are and who is in them; a forwarder carries their media. A member's media
//! connection is a **leg**: whoever reloads the page has another leg under the same member's number.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Names a room at the forwarder; never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct RoomKey(pub u64);

/// Names a member's media connection; never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct LegKey(pub u64);

/// One of the things a member sends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Source {
    /// Sound.
    Microphone,
    /// Their picture.
    Camera,
    /// Their screen.
    Screen,
}

impl Source {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Microphone, Self::Camera, Self::Screen];
}

/// What a picture slot is to show.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Wish {
    /// Whose.
    pub leg: LegKey,
    /// [`Source::Camera`] or [`Source::Screen`].
    pub source: Source,
    /// The height of the tile in pixels.
    pub height: u16,
}

/// How somebody takes part.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Part {
    /// Sends and receives.
    Member,
    /// Only sends.
    Publisher,
    /// Only receives, and is counted apart from the members. One that follows the stage is shown what
    /// [`MediaCommand::Stage`] says, instead of a layout of its own.
    Viewer {
        /// Whether.
        follows: bool,
    },
}

/// From the rendezvous to the forwarder. What names something that is no more does nothing.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MediaCommand {
    /// A room begins.
    Open {
        /// The room.
        room: RoomKey,
        /// Members at a time.
        members: usize,
    },
    /// It ends, with all of its legs.
    Close {
        /// The room.
        room: RoomKey,
    },
    /// Somebody is in it, and will offer a connection.
    Join {
        /// The room.
        room: RoomKey,
        /// The leg.
        leg: LegKey,
        /// What stands before their messages on the data channel; only [`Part::Member`] says anything there.
        number: u32,
        /// How they take part.
        part: Part,
    },
    /// Their offer; answered by [`MediaEvent::Answer`].
    Offer {
        /// The leg.
        leg: LegKey,
        /// The session description.
        sdp: String,
    },
    /// A candidate of theirs.
    Candidate {
        /// The leg.
        leg: LegKey,
        /// The candidate-attribute.
        candidate: String,
    },
    /// What they want to see.
    Layout {
        /// The leg.
        leg: LegKey,
        /// By picture slot.
        slots: Vec<Option<Wish>>,
    },
    /// What those of the viewers see who follow the stage.
    Stage {
        /// The room.
        room: RoomKey,
        /// What; `None` is nothing.
        wish: Option<Wish>,
    },
    /// Whose voice alone they hear.
    Listen {
        /// The leg.
        leg: LegKey,
        /// Whose; `None` is the loudest.
        to: Option<LegKey>,
    },
    /// Whether something of theirs is passed on; everything is at first.
    Allow {
        /// The leg.
        leg: LegKey,
        /// What.
        source: Source,
        /// Whether.
        allowed: bool,
    },
    /// Whether what is sent in a room is given to the recorder as well.
    Record {
        /// The room.
        room: RoomKey,
        /// Whether.
        on: bool,
    },
    /// They are gone.
    Leave {
        /// The leg.
        leg: LegKey,
    },
}

impl fmt::Debug for MediaCommand {
    /// An offer has addresses and the password of its ICE agent: it stays unsaid.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { room, members } => write!(f, "Open({}, {members})", room.0),
            Self::Close { room } => write!(f, "Close({})", room.0),
            Self::Join { room, leg, number, part } => {
                write!(f, "Join({}, {}, {number}, {part:?})", room.0, leg.0)
            }
            Self::Offer { leg, sdp } => write!(f, "Offer({}, {} bytes)", leg.0, sdp.len()),
            Self::Candidate { leg, .. } => write!(f, "Candidate({})", leg.0),
            Self::Layout { leg, slots } => write!(f, "Layout({}, {slots:?})", leg.0),
            Self::Stage { room, wish } => write!(f, "Stage({}, {wish:?})", room.0),
            Self::Listen { leg, to } => write!(f, "Listen({}, {to:?})", leg.0),
            Self::Allow { leg, source, allowed } => write!(f, "Allow({}, {source:?}, {allowed})", leg.0),
            Self::Record { room, on } => write!(f, "Record({}, {on})", room.0),
            Self::Leave { leg } => write!(f, "Leave({})", leg.0),
        }
    }
}

/// From the forwarder to the rendezvous.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MediaEvent {
    /// The room could not be opened, or is no more: there is no place for it.
    RoomLost {
        /// The room.
        room: RoomKey,
    },
    /// Answers an offer, in the order of the offers of a leg.
    Answer {
        /// The leg.
        leg: LegKey,
        /// The session description, or what is wrong with the offer.
        answer: Result<String, String>,
    },
    /// Media flow.
    Connected {
        /// The leg.
        leg: LegKey,
    },
    /// They do not any more.
    Lost {
        /// The leg.
        leg: LegKey,
        /// Whether the leg is of no more use; otherwise it may come back.
        over: bool,
    },
    /// Whose voices are in the slots of a leg.
    Voices {
        /// The leg.
        leg: LegKey,
        /// By voice slot.
        slots: Vec<Option<LegKey>>,
    },
    /// Who speaks, the loudest first.
    Speaking {
        /// The room.
        room: RoomKey,
        /// Who.
        legs: Vec<LegKey>,
    },
    /// What a picture slot of a leg shows.
    Shown {
        /// The leg.
        leg: LegKey,
        /// The slot.
        slot: u16,
        /// Whose, and which.
        source: Option<(LegKey, Source)>,
    },
    /// A source of a leg begins to send, or has ended.
    Sending {
        /// The leg.
        leg: LegKey,
        /// Which.
        source: Source,
        /// Whether it sends now.
        sending: bool,
    },
    /// What a picture slot of a leg shows cannot be sent there: it has no codec for it.
    Unplayable {
        /// The leg.
        leg: LegKey,
        /// The slot.
        slot: u16,
    },
    /// A picture slot of a leg stands still because its path carries no more, or goes on.
    Paused {
        /// The leg.
        leg: LegKey,
        /// The slot.
        slot: u16,
        /// Whether it stands still.
        paused: bool,
    },
    /// Which encodings of a leg's camera are wanted.
    Wanted {
        /// The leg.
        leg: LegKey,
        /// Their names.
        rids: Vec<String>,
    },
}

impl fmt::Debug for MediaEvent {
    /// An answer has the password of an ICE agent: it stays unsaid.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RoomLost { room } => write!(f, "RoomLost({})", room.0),
            Self::Answer { leg, answer } => write!(f, "Answer({}, {})", leg.0, answer.is_ok()),
            Self::Connected { leg } => write!(f, "Connected({})", leg.0),
            Self::Lost { leg, over } => write!(f, "Lost({}, {over})", leg.0),
            Self::Voices { leg, slots } => write!(f, "Voices({}, {slots:?})", leg.0),
            Self::Speaking { room, legs } => write!(f, "Speaking({}, {legs:?})", room.0),
            Self::Shown { leg, slot, source } => write!(f, "Shown({}, {slot}, {source:?})", leg.0),
            Self::Sending { leg, source, sending } => write!(f, "Sending({}, {source:?}, {sending})", leg.0),
            Self::Unplayable { leg, slot } => write!(f, "Unplayable({}, {slot})", leg.0),
            Self::Paused { leg, slot, paused } => write!(f, "Paused({}, {slot}, {paused})", leg.0),
            Self::Wanted { leg, rids } => write!(f, "Wanted({}, {rids:?})", leg.0),
        }
    }
}
