use std::fmt;
use std::net::SocketAddr;

use sctp::{ChannelConfig, Kind};
use wire::Transport;

use crate::ReceivedFrame;
use crate::negotiation::{SignalingState, TransceiverId};

/// A data channel of a [`crate::Peer`], from its creation to its end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ChannelId(pub(crate) u32);

/// One of the configured TURN servers, by its place in the list.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RelayId(pub(crate) usize);

/// A candidate of ours, as it travels to the other side (W3C `RTCIceCandidateInit`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LocalCandidate {
    /// The text after `a=`.
    pub candidate: String,
    /// The media section, by its `mid`.
    pub mid: Option<String>,
    /// The media section, by its place.
    pub index: Option<usize>,
    /// The user fragment that it belongs to.
    pub ufrag: String,
}

/// W3C's `RTCPeerConnectionState`: ICE and DTLS together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConnectionState {
    /// Nothing has begun.
    New,
    /// A path is looked for, or the handshake is under way.
    Connecting,
    /// Data and media can flow.
    Connected,
    /// The path has fallen silent; it may come back.
    Disconnected,
    /// No path, or no agreement on keys. A restart of ICE may mend the former.
    Failed,
    /// Closed by this side.
    Closed,
}

impl fmt::Display for ConnectionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "new",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Disconnected => "disconnected",
            Self::Failed => "failed",
            Self::Closed => "closed",
        })
    }
}

/// What a [`crate::Peer`] has to tell, or wants done.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// It is time for an offer (W3C `negotiationneeded`).
    NegotiationNeeded,
    /// The exchange of descriptions has come to another state.
    SignalingState(SignalingState),
    /// A candidate for the other side; `None` says that there are no more of this generation.
    IceCandidate(Option<Box<LocalCandidate>>),
    /// Whether all our candidates are known.
    IceGatheringState(ice::GatheringState),
    /// Where ICE stands.
    IceConnectionState(ice::ConnectionState),
    /// Where the connection stands.
    ConnectionState(ConnectionState),
    /// Data goes over this pair from now on.
    SelectedPair(ice::Pair),
    /// The handshake has failed, or the other side has ended the connection: nothing flows any more.
    DtlsClosed(dtls::Closed),
    /// The other side announces media; the streams by identifier (W3C `track`).
    Track(TransceiverId, Vec<String>),
    /// The other side sends here no longer.
    TrackRemoved(TransceiverId),
    /// A transceiver has ended.
    TransceiverStopped(TransceiverId),
    /// A whole frame has come ([`crate::MediaMode::Frames`]).
    Frame(Box<ReceivedFrame>),
    /// The other side cannot go on without a keyframe: encode the next frame as one.
    KeyframeRequested {
        /// What it is to be sent over.
        transceiver: TransceiverId,
        /// Of which encoding, if several are sent side by side.
        rid: Option<String>,
    },
    /// All that is sent should together have this many bits per second, because the path carries no more, or does again.
    Target(u64),
    /// The other side has opened a channel (W3C `datachannel`). It is open.
    DataChannel(ChannelId, Box<ChannelConfig>),
    /// A channel of ours is open.
    ChannelOpened(ChannelId),
    /// A channel is closed; its identifier is good for nothing any more.
    ChannelClosed(ChannelId),
    /// A message has come.
    Message(ChannelId, Kind, Vec<u8>),
    /// What waits to be sent on a channel has fallen to its threshold.
    BufferedAmountLow(ChannelId),
    /// The data channels have ended, for this reason.
    SctpClosed(sctp::Reason),
    /// Look this `.local` name up by multicast DNS (RFC 6762), and call [`crate::Peer::resolved`].
    Resolve(String),
    /// Open a connection to this TURN server, and call [`crate::Peer::relay_connected`] or
    /// [`crate::Peer::relay_failed`]. What goes over it is not framed.
    ConnectRelay {
        /// Which one.
        relay: RelayId,
        /// TCP or TLS.
        transport: Transport,
        /// Where.
        server: SocketAddr,
        /// The name in its certificate, for TLS.
        name: String,
    },
    /// This TCP connection between two candidates is not needed any more.
    Disconnect {
        /// Our address, as in [`wire::Transmit::from`].
        local: SocketAddr,
        /// The other side's.
        remote: SocketAddr,
    },
}
