use crate::{ConnectionId, FiveTuple, RelayId};
use std::net::SocketAddr;
use std::time::Duration;

/// What kind of socket a relayed transport address needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RelayKind {
    /// A bound UDP socket.
    Udp,
    /// A listening TCP socket whose address outgoing connections use too (RFC 6062 §5.1).
    TcpListener,
}

/// Why a relay socket could not be opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OpenError {
    /// The port is taken by another program: the machine tries others.
    InUse,
    /// Anything else, such as too many open files: the client hears 508 (Insufficient Capacity).
    Failed,
}

/// What the driver must do, or may log. [`Server::poll_event`](crate::Server::poll_event) gives them in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// Open a socket at exactly this address, then call `relay_opened`.
    OpenRelay {
        /// The name of the relay from now on.
        relay: RelayId,
        /// Address and port to bind.
        at: SocketAddr,
        /// The kind of socket.
        kind: RelayKind,
    },
    /// Close the socket of this relay. The name will not be used again.
    CloseRelay {
        /// The relay.
        relay: RelayId,
    },
    /// Open a TCP connection from the relay's address, then call `peer_connected` (RFC 6062 §5.2).
    Connect {
        /// The name of the connection from now on.
        connection: ConnectionId,
        /// The relay whose address to connect from.
        relay: RelayId,
        /// The peer.
        to: SocketAddr,
    },
    /// From now on this client stream and this peer connection are one pipe (RFC 6062 §5.4). The success
    /// response is already in the transmit queue: send what `poll_transmit` gives before this takes effect.
    Bind {
        /// The peer connection.
        connection: ConnectionId,
        /// The client's data connection.
        client: FiveTuple,
    },
    /// Close this peer connection, and the client stream spliced to it if there is one.
    CloseConnection {
        /// The peer connection.
        connection: ConnectionId,
    },
    /// Close this client stream: the machine has no use for it any more.
    CloseClient {
        /// The stream.
        client: FiveTuple,
    },
    /// An allocation came to be: for logs and metrics.
    Allocated {
        /// Who holds it.
        user: Box<str>,
        /// The client's end.
        client: FiveTuple,
        /// The relayed transport address as the client hears it; the IPv4 one when there are two.
        relayed: SocketAddr,
    },
    /// An allocation ended: for logs and metrics.
    Released {
        /// Who held it.
        user: Box<str>,
        /// The client's end.
        client: FiveTuple,
        /// Payload bytes that came from the client.
        received: u64,
        /// Payload bytes that went to the client.
        sent: u64,
        /// How long it lasted.
        duration: Duration,
    },
}
