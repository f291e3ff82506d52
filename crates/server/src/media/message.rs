//! What the control plane and a media thread say to each other. Every queue is bounded.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;
use turn::{ConnectionId, FiveTuple, OpenError, RelayId};

use super::pipe::Pipe;
use crate::signal::forwarding::{MediaCommand, RoomKey};

/// From the control plane to a media thread.
pub(super) enum Command {
    /// A stream client is there.
    StreamOpened { client: FiveTuple, pipe: Arc<Pipe> },
    /// Messages of a stream client wait in its pipe.
    StreamReadable(FiveTuple),
    /// A stream client is gone.
    StreamClosed(FiveTuple),
    /// Answers [`Notice::OpenListener`].
    ListenerOpened { relay: RelayId, result: Result<SocketAddr, OpenError> },
    /// A peer connected to a listener: may it? The stream is closed if not.
    PeerAccepted { relay: RelayId, from: SocketAddr, stream: TcpStream },
    /// Answers [`Notice::Connect`].
    PeerConnected { connection: ConnectionId, ok: bool },
    /// A connection with a peer ended.
    ConnectionClosed(ConnectionId),
    /// Something about a room.
    Forward(MediaCommand),
    /// A room has these parts on other threads; the first part is where it began.
    Spread { room: RoomKey, first: bool, others: Vec<usize> },
    /// No new allocations from now on.
    Drain,
}

/// From a media thread to the control plane.
pub(super) enum Notice {
    /// Listen for peers of a TCP allocation.
    OpenListener {
        relay: RelayId,
        at: SocketAddr,
    },
    CloseListener(RelayId),
    /// Connect to a peer from the address of a relay.
    Connect {
        connection: ConnectionId,
        relay: RelayId,
        to: SocketAddr,
    },
    CloseConnection(ConnectionId),
}
