use std::time::Duration;

use crate::{Rid, Source};

/// What a forwarder counts; the counters only grow.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Stats {
    /// Packets of media that came and were kept for forwarding.
    pub received: u64,
    /// Packets of media sent for the first time.
    pub forwarded: u64,
    /// Packets sent again because they were asked for.
    pub resent: u64,
    /// Packets asked for that were not there any more, or were sent a moment ago.
    pub unanswered: u64,
    /// Packets sent to find out what a path carries.
    pub probes: u64,
    /// Packets that could not be forwarded, because the receiver does not know their codec or has no path.
    pub unsent: u64,
    /// Packets whose receivers were too late: the ring had gone round.
    pub overrun: u64,
    /// Keyframes asked of sources.
    pub keyframe_requests: u64,
    /// Messages delivered to members.
    pub messages: u64,
    /// Messages that were too long, too many, or whose receiver did not keep up.
    pub messages_dropped: u64,
    /// Datagrams from nobody that is known.
    pub unknown: u64,
    /// Events dropped because nobody polled for them.
    pub events_lost: u64,
}

/// What is known of a member (by the names of W3C webrtc-stats where there is one).
#[derive(Clone, PartialEq, Debug, Default)]
pub struct MemberStats {
    /// Bits per second that its path is taken to carry.
    pub available_outgoing_bitrate: u64,
    /// The round trip to it, once measured.
    pub round_trip_time: Option<Duration>,
    /// The part of what is sent to it that it last reported lost, 0 to 1.
    pub fraction_lost: f64,
    /// Bytes sent to it.
    pub bytes_sent: u64,
    /// Bytes that came from it.
    pub bytes_received: u64,
    /// What it sends.
    pub sources: Vec<SourceStats>,
    /// What its picture slots carry, by index.
    pub slots: Vec<Option<SlotStats>>,
}

/// One encoding that a member sends.
#[derive(Clone, PartialEq, Debug)]
pub struct SourceStats {
    /// Of what.
    pub source: Source,
    /// Its name; empty without one.
    pub rid: Rid,
    /// Bits per second of payload during the last second.
    pub bitrate: u64,
    /// Packets that came.
    pub packets: u64,
    /// The height of its pictures, where it is known.
    pub height: Option<u16>,
    /// Receivers that get it now.
    pub receivers: usize,
}

/// What one picture slot carries.
#[derive(Clone, PartialEq, Debug)]
pub struct SlotStats {
    /// Whose picture.
    pub member: crate::MemberId,
    /// Of what.
    pub source: Source,
    /// Which encoding is being forwarded; `None` while it stands still.
    pub rid: Option<Rid>,
    /// Packets forwarded to this slot since it was negotiated.
    pub packets: u64,
}
