use std::fmt;

/// A room of one [`crate::Sfu`], from its opening to its end. Never given twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RoomId(pub(crate) u64);

/// A member of a room, from its joining to its leaving. Never given twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MemberId {
    /// Counts all members that ever were.
    pub(crate) serial: u64,
    pub(crate) index: u32,
}

/// What a member may send.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Source {
    /// Sound: its first section of sound that is no slot.
    Microphone,
    /// Pictures: its first section of pictures that is no slot, with several encodings or one.
    Camera,
    /// Pictures: its second.
    Screen,
}

impl Source {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Microphone, Self::Camera, Self::Screen];
}

/// What a member wants to see in one of its picture slots.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Want {
    /// Whose picture.
    pub member: crate::MemberId,
    /// [`Source::Camera`] or [`Source::Screen`]; a microphone is nothing to see.
    pub source: Source,
    /// How high it is shown, in physical pixels. 0 pauses it.
    pub height: u16,
}

/// The name of an encoding, as its `a=rid` line gives it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Rid(pub String);

impl fmt::Display for Rid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a member's connection has ended, or seems to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// Nothing was heard of it for a while; it may come back, and [`Event::Connected`] says so.
    Silent,
    /// No path was found, or it was silent for too long: only a new description (a restart of ICE) may mend it.
    Failed,
    /// The handshake failed, or the other side closed its connection: why.
    Closed(peer::DtlsClosed),
}

/// What an [`crate::Sfu`] has to tell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// Media can flow to and from this member.
    Connected(MemberId),
    /// They cannot any more. The member stays until [`crate::Sfu::leave`].
    Lost(MemberId, Reason),
    /// Whose voice is in which of this member's voice slots from now on; by the slot's index.
    Voices(MemberId, Vec<Option<MemberId>>),
    /// Who speaks in this room, the loudest first; at most four times a second, and only when it has changed.
    Speaking(RoomId, Vec<MemberId>),
    /// What this member's picture slot of this index shows from now on: told with the first packet that is forwarded.
    Shown(MemberId, usize, Option<(MemberId, Source)>),
    /// What this member's picture slot shows cannot be sent to it, because it has negotiated no codec for it. Told once,
    /// after [`Event::Shown`]; it holds until the slot shows something else.
    Unplayable(MemberId, usize),
    /// This picture slot goes on (`false`) or stands still (`true`) because the receiver's path carries no more.
    Paused(MemberId, usize, bool),
    /// The encodings of this member's camera that somebody wants now, the smallest first. A camera without named
    /// encodings gives none, or one whose name is empty.
    Wanted(MemberId, Vec<Rid>),
    /// A source of this member begins (`true`) to send, or has sent nothing for two seconds.
    Sending(MemberId, Source, bool),
    /// A keyframe of this stand-in is needed ([`crate::Sfu::stand_in`]): to be told to the part of its member.
    KeyframeNeeded(MemberId, Source, Rid),
    /// A member of this room, which has other parts ([`crate::Sfu::share`]), said this on the room's data channel, behind its
    /// number: for [`crate::Sfu::pass_on`] there.
    Said(RoomId, Vec<u8>),
    /// The data channels of this member are open.
    Reachable(MemberId),
}

/// Why a room cannot be opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OpenError {
    /// There are [`crate::Config::max_rooms`] already.
    TooMany,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::TooMany = self;
        f.write_str("this forwarder holds as many rooms as it may; close one, or raise `max_rooms`")
    }
}

impl std::error::Error for OpenError {}

/// Why nobody can join.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum JoinError {
    /// There is no such room.
    NoRoom,
    /// The room has [`crate::RoomConfig::max_members`].
    RoomFull,
    /// There are [`crate::Config::max_members`] already.
    TooMany,
    /// The configuration cannot be written into a description.
    Config(peer::negotiation::ConfigError),
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoRoom => "there is no such room; it was closed, or belongs to another forwarder",
            Self::RoomFull => "the room is full; raise `RoomConfig::max_members`",
            Self::TooMany => "this forwarder holds as many members as it may; raise `Config::max_members`",
            Self::Config(error) => return error.fmt(f),
        })
    }
}

impl std::error::Error for JoinError {}

/// Why an offer was not answered. Nothing has changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DescribeError {
    /// There is no such member.
    NoMember,
    /// The offer cannot be used.
    Offer(peer::negotiation::RemoteError),
    /// It came at a moment when no offer can be answered.
    State(peer::negotiation::Misuse),
}

impl fmt::Display for DescribeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMember => f.write_str("there is no such member; it has left"),
            Self::Offer(error) => error.fmt(f),
            Self::State(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for DescribeError {}
