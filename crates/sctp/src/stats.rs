/// Plain counters since the start. The machine never reads them.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Stats {
    /// Packets sent.
    pub packets_sent: u64,
    /// Packets received that belonged to the association.
    pub packets_received: u64,
    /// User bytes sent for the first time.
    pub bytes_sent: u64,
    /// User bytes received for the first time.
    pub bytes_received: u64,
    /// Messages whose first fragment was sent.
    pub messages_sent: u64,
    /// Messages handed over.
    pub messages_received: u64,
    /// DATA chunks sent again.
    pub retransmissions: u64,
    /// Retransmission timeouts (T3).
    pub timeouts: u64,
    /// Times the congestion window was cut.
    pub congestion_events: u64,
    /// Messages given up by partial reliability.
    pub abandoned: u64,
    /// Packets sent that ask whether the path carries their size.
    pub path_probes: u64,
    /// Times the path was found to carry less than it did: packets are small again.
    pub path_shrinks: u64,
    /// DATA chunks that arrived more than once.
    pub duplicates: u64,
    /// What was dropped, by reason.
    pub dropped: Dropped,
}

/// Input dropped, by reason.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Dropped {
    /// Not a packet, or a chunk in it is malformed.
    pub malformed: u64,
    /// The checksum does not hold.
    pub checksum: u64,
    /// Other ports, or a verification tag that is not ours.
    pub stray: u64,
    /// A chunk that its state does not know.
    pub unexpected: u64,
    /// DATA beyond the receive window.
    pub window: u64,
    /// Fragments that fit no message, or a message above the largest.
    pub fragments: u64,
    /// Messages on streams without channel, or with an unknown payload protocol identifier.
    pub no_channel: u64,
    /// Answers that found the queue full.
    pub queue: u64,
}
