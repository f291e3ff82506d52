use crate::{Candidate, CandidateKind, Protocol, Role};
use std::net::SocketAddr;
use std::time::Duration;
use wire::Transport;

/// W3C's `RTCIceConnectionState`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ConnectionState {
    /// Nothing to check yet.
    New,
    /// Checks are under way.
    Checking,
    /// A pair works; others may still be checked.
    Connected,
    /// A pair is nominated, and both sides have told all their candidates.
    Completed,
    /// The pair has not answered for a while; the others are checked again.
    Disconnected,
    /// No pair works, and nothing more will be tried before a restart or a new candidate.
    Failed,
    /// [`Agent::close`](crate::Agent::close) was called.
    Closed,
}

/// W3C's `RTCIceGatheringState`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum GatheringState {
    /// No local address was given yet.
    New,
    /// Servers are being asked, or the driver may give more.
    Gathering,
    /// All local candidates are known.
    Complete,
}

/// The pair that data goes over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pair {
    /// What carries the data: UDP also for a relayed candidate.
    pub transport: Transport,
    /// Where to send from: a host address or a relayed address that the driver gave.
    pub local: SocketAddr,
    /// Where to send to.
    pub remote: SocketAddr,
    /// Our address as the peer sees it.
    pub local_mapped: SocketAddr,
    /// Which kind of candidate that address is.
    pub local_kind: CandidateKind,
    /// Which kind of candidate the peer's is.
    pub remote_kind: CandidateKind,
    /// Whether it is nominated. Data may go over a pair before (RFC 8445 §12.1).
    pub nominated: bool,
}

/// What the agent tells the driver.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A candidate of ours, for the peer.
    LocalCandidate(Box<Candidate>),
    /// There are no more candidates of this generation: send end-of-candidates (RFC 8838 §13).
    EndOfCandidates,
    /// The connection state has changed.
    ConnectionState(ConnectionState),
    /// The gathering state has changed.
    GatheringState(GatheringState),
    /// Data goes over this pair from now on.
    SelectedPair(Pair),
    /// The peer does not answer on the selected pair any more: stop sending at once (RFC 7675 §5.1).
    ConsentLost,
    /// Look this `.local` name up by multicast DNS, and call [`Agent::resolved`](crate::Agent::resolved).
    Resolve(String),
    /// A conflict has changed our role.
    RoleChanged(Role),
    /// This TCP connection is not needed any more.
    Disconnect {
        /// Our address, as in [`wire::Transmit::from`].
        local: SocketAddr,
        /// The peer's.
        remote: SocketAddr,
    },
}

/// W3C's `RTCStatsIceCandidatePairState`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PairState {
    /// It waits for a pair of its foundation.
    Frozen,
    /// It may be checked.
    Waiting,
    /// A check is under way.
    InProgress,
    /// A check has failed.
    Failed,
    /// A check has succeeded.
    Succeeded,
}

/// What is known of a pair.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PairStats {
    /// A number that no other pair of this agent has or had.
    pub id: u32,
    /// [`CandidateStats::id`] of ours.
    pub local_id: u32,
    /// [`CandidateStats::id`] of the peer's.
    pub remote_id: u32,
    /// Where it stands.
    pub state: PairState,
    /// Whether it is nominated.
    pub nominated: bool,
    /// Whether data goes over it.
    pub selected: bool,
    /// Its priority (RFC 8445 §6.1.2.3).
    pub priority: u64,
    /// Checks sent, retransmissions and consent checks included.
    pub requests_sent: u64,
    /// Checks received from the peer.
    pub requests_received: u64,
    /// Responses sent.
    pub responses_sent: u64,
    /// Responses received.
    pub responses_received: u64,
    /// Of the requests sent, those that are consent checks.
    pub consent_requests_sent: u64,
    /// The last round trip measured.
    pub current_round_trip_time: Option<Duration>,
    /// All round trips measured, added up.
    pub total_round_trip_time: Duration,
}

/// What is known of a candidate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CandidateStats {
    /// A number that no other candidate or pair of this agent has or had.
    pub id: u32,
    /// Its transport address.
    pub address: SocketAddr,
    /// What carries it.
    pub protocol: Protocol,
    /// Where it comes from.
    pub kind: CandidateKind,
    /// Its priority.
    pub priority: u32,
}

/// Plain counters since the start. The driver reads them; the machine never does.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Stats {
    /// Requests answered with success.
    pub requests_answered: u64,
    /// Requests answered with an error.
    pub requests_refused: u64,
    /// Requests sent, retransmissions included.
    pub requests_sent: u64,
    /// Responses that were expected and well.
    pub responses_received: u64,
    /// Datagrams of DTLS that checks and answers have carried to the peer, each as often as it was sent.
    pub embedded_sent: u64,
    /// Datagrams of DTLS that came in checks and answers.
    pub embedded_received: u64,
    /// Indications received.
    pub indications: u64,
    /// What was dropped, by reason.
    pub dropped: Dropped,
}

/// What was dropped, by reason.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Dropped {
    /// No STUN message, one without a right FINGERPRINT, or one that ICE does not use.
    pub malformed: u64,
    /// For an address that is not ours.
    pub unknown_local: u64,
    /// Wrong user name, or wrong integrity.
    pub unauthenticated: u64,
    /// Responses to no request of ours.
    pub unexpected: u64,
    /// Candidates, pairs and answers above their limits.
    pub full: u64,
    /// Candidates that cannot be used: another component, a name that is not `.local`, port 0.
    pub unusable: u64,
}
