use crate::StreamId;

/// What the sender tells its owner.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// Encode this stream's next frame as a keyframe.
    KeyframeRequested(StreamId),
    /// All streams together should have this many bits per second.
    Target(u64),
}

/// Why a stream cannot be added.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AddError {
    /// Another stream, or its retransmissions, has this source.
    SourceTaken(u32),
}

impl std::fmt::Display for AddError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self::SourceTaken(ssrc) = self;
        write!(f, "the source {ssrc:#010x} belongs to another stream of this transport; draw another one")
    }
}

impl std::error::Error for AddError {}

/// Why a frame is not sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SendError {
    /// There is no such stream.
    UnknownStream,
    /// Too much waits already: lower the encoder's rate to the target, and make the next frame a keyframe.
    Congested,
    /// A frame of sound, which cannot be cut, is longer than a packet.
    TooLong {
        /// The most bytes that fit.
        most: usize,
    },
    /// A frame before this one was refused or thrown away, so it could not be decoded: send a keyframe.
    NeedsKeyframe,
}

impl std::fmt::Display for SendError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::UnknownStream => {
                f.write_str("there is no such stream; it was removed or belongs elsewhere")
            }
            Self::Congested => {
                f.write_str("too much waits to be sent; lower the encoder's rate to the target")
            }
            Self::TooLong { most } => {
                write!(f, "a frame of sound must fit into a packet; make it {most} bytes at most")
            }
            Self::NeedsKeyframe => f.write_str("a frame before this one was not sent; encode a keyframe"),
        }
    }
}

impl std::error::Error for SendError {}

/// What was sent and heard; the counters only grow.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Packets sent for the first time.
    pub packets: u64,
    /// Packets sent again because they were asked for.
    pub resent: u64,
    /// Packets sent again to fill a probe.
    pub probes: u64,
    /// Packets asked for again.
    pub nacks: u64,
    /// Packets asked for that were not there any more, or were sent a moment ago.
    pub nacks_unanswered: u64,
    /// Keyframes asked for.
    pub keyframe_requests: u64,
    /// Frames refused.
    pub refused: u64,
    /// Packets thrown away before they were sent, because they would have waited too long.
    pub thrown_away: u64,
    /// RTCP packets that could not be read.
    pub malformed: u64,
}
