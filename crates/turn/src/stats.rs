/// Plain counters since the start. The driver reads them for metrics; the machine never reads them.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Stats {
    /// Allocations that exist now.
    pub allocations: u64,
    /// Allocations granted since the start.
    pub allocated: u64,
    /// Payload bytes forwarded from clients to peers.
    pub bytes_from_clients: u64,
    /// Payload bytes forwarded from peers to clients.
    pub bytes_from_peers: u64,
    /// Datagrams forwarded from clients to peers.
    pub packets_from_clients: u64,
    /// Datagrams forwarded from peers to clients.
    pub packets_from_peers: u64,
    /// Datagrams handed from client to client without a relay socket; counted in the two above as well.
    pub packets_in_memory: u64,
    /// Requests answered with success.
    pub success_responses: u64,
    /// Requests answered with an error.
    pub error_responses: u64,
    /// Binding requests answered.
    pub bindings: u64,
    /// What was dropped, by reason.
    pub dropped: Dropped,
}

/// Datagrams dropped, by reason.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Dropped {
    /// Neither STUN nor ChannelData, or malformed.
    pub malformed: u64,
    /// Data on a 5-tuple without allocation, or for a relay that is gone.
    pub no_allocation: u64,
    /// Data to or from a peer without a live permission or channel.
    pub no_permission: u64,
    /// Data to an address that may not be a peer.
    pub forbidden: u64,
    /// Above the user's bandwidth.
    pub bandwidth: u64,
    /// Unauthenticated requests above the rate that is answered.
    pub rate: u64,
    /// Responses that found the transmit queue full.
    pub queue: u64,
}
