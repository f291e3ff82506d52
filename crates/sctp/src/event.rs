use crate::channel::ChannelConfig;
use crate::error::Reason;

/// A data channel: its stream identifier, the same on both sides.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ChannelId(pub u16);

/// What a message is (RFC 8831 §8).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// UTF-8. It is not checked here.
    Text,
    /// Bytes.
    Binary,
}

/// What the driver may want to know, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The association is up. It comes again when the peer restarted (RFC 9260 §5.2); the channels of before
    /// have then been closed by events of their own.
    Connected,
    /// The peer opened a channel, or one of ours can be used because the association is up. That does not wait for the
    /// ACK of its OPEN (RFC 8832 §6); a peer that has no room for it resets it, and [`Event::ChannelClosed`] follows.
    ChannelOpened {
        /// The channel.
        channel: ChannelId,
        /// Whether the peer opened it.
        remote: bool,
        /// What it is like.
        config: Box<ChannelConfig>,
    },
    /// A channel is closed in both directions, or lost with the association. Its identifier is free again.
    ChannelClosed {
        /// The channel.
        channel: ChannelId,
    },
    /// A message arrived.
    Message {
        /// On which channel.
        channel: ChannelId,
        /// Text or binary.
        kind: Kind,
        /// The message, whole.
        data: Vec<u8>,
    },
    /// What waits to be sent on a channel fell to its threshold.
    BufferedAmountLow {
        /// The channel.
        channel: ChannelId,
    },
    /// The association is over; nothing follows.
    Closed(Reason),
}
