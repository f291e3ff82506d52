use std::net::SocketAddr;
use wire::Transport;

/// The client's end of an allocation: what RFC 8656 §3.2 calls the 5-tuple.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FiveTuple {
    /// What carries the messages between the client and this server.
    pub transport: Transport,
    /// The server's address that the client sends to.
    pub local: SocketAddr,
    /// The client's address as the server sees it.
    pub remote: SocketAddr,
}

/// Names a relayed transport address of one server: a table index below and a generation above, so that a
/// name is not reused while a driver may still hold it. It fits the user data of an epoll entry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RelayId(pub u64);

/// Names one peer connection of a TCP allocation; it is also the CONNECTION-ID on the wire (RFC 6062 §6.2.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectionId(pub u32);
