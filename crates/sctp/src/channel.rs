use crate::dcep::Open;
use crate::event::ChannelId;
use std::time::Duration;

/// How hard a channel tries (RFC 3758, RFC 8831 §6.4).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Reliability {
    /// Until it arrives.
    #[default]
    Reliable,
    /// Each fragment of a message is sent again this many times at most.
    Retransmits(u32),
    /// A message is not sent or sent again after this time, counted from `send`. Whole milliseconds travel.
    Lifetime(Duration),
}

/// The priorities of RFC 8831 §6.4; any other number weighs in proportion.
pub mod priority {
    /// Half of normal.
    pub const VERY_LOW: u16 = 128;
    /// What channels have if nobody says anything.
    pub const LOW: u16 = 256;
    /// Twice as much.
    pub const MEDIUM: u16 = 512;
    /// Four times as much.
    pub const HIGH: u16 = 1024;
}

/// What a data channel is like (RFC 8832 §5.1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChannelConfig {
    /// Label, at most 65,535 bytes of UTF-8. It need not be unique.
    pub label: String,
    /// Subprotocol, at most 65,535 bytes of UTF-8, often empty.
    pub protocol: String,
    /// Whether messages arrive in the order they were sent.
    pub ordered: bool,
    /// How hard to try.
    pub reliability: Reliability,
    /// Share of the bandwidth while several channels have something to send, 1 to 65,535; zero counts as 1.
    pub priority: u16,
    /// The identifier, when both sides have agreed on it by other means and nobody sends OPEN.
    pub negotiated: Option<ChannelId>,
}

impl Default for ChannelConfig {
    fn default() -> Self {
        Self {
            label: String::new(),
            protocol: String::new(),
            ordered: true,
            reliability: Reliability::Reliable,
            priority: priority::LOW,
            negotiated: None,
        }
    }
}

/// How far a channel is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// OPEN was sent and not acknowledged: messages stay ordered behind it (RFC 8832 §6).
    Opening,
    Open,
    /// Closed by this side or by the peer. Each direction ends with a reset of its stream (RFC 8831 §6.7).
    Closing {
        ours: Reset,
        theirs: bool,
    },
}

/// How far the reset of our outgoing stream is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reset {
    /// Messages are still to be acknowledged.
    Waiting,
    /// It is in the request that is under way.
    Requested,
    Done,
}

#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) state: State,
    pub(crate) config: ChannelConfig,
    /// The peer opened it.
    pub(crate) remote: bool,
    /// Whether the application knows that it is open.
    pub(crate) told: bool,
}

impl Channel {
    /// Whether messages may be sent, or will be when the association is up.
    pub(crate) const fn is_usable(&self) -> bool {
        matches!(self.state, State::Opening | State::Open)
    }

    /// What the peer asked for.
    pub(crate) fn from_open(open: &Open<'_>) -> ChannelConfig {
        ChannelConfig {
            label: String::from_utf8_lossy(open.label).into_owned(),
            protocol: String::from_utf8_lossy(open.protocol).into_owned(),
            ordered: open.ordered,
            reliability: open.reliability,
            priority: open.priority,
            negotiated: None,
        }
    }
}
