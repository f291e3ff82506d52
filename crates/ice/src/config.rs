use std::net::SocketAddr;
use std::time::Duration;

use crate::Credentials;

/// Who decides which pair is used (RFC 8445 §6.1.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Role {
    /// This side nominates; the offerer, unless it is ICE-lite and the other is not.
    Controlling,
    /// The other side nominates.
    Controlled,
}

impl Role {
    /// The other role.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Controlling => Self::Controlled,
            Self::Controlled => Self::Controlling,
        }
    }
}

/// What an agent does and how fast. `Default` is a full agent with the values of the RFCs, except where a field
/// says otherwise.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// The role to begin with; a conflict may change it.
    pub role: Role,
    /// Our credentials, where the session description has drawn them; `None` draws them from the seed.
    pub credentials: Option<Credentials>,
    /// Be an ICE-lite agent (RFC 8445 §2.5): only host candidates, no checks of its own.
    pub lite: bool,
    /// STUN servers to learn server-reflexive candidates from; the first 8 are used.
    pub stun_servers: Vec<SocketAddr>,
    /// Ta, the time between two new checks, and likewise between two requests to STUN servers (RFC 8445 §14.2).
    /// 20 ms: within the 5 ms that §14.2 permits and faster than the 50 ms that it recommends. A binding request
    /// of 100 bytes every 20 ms is 40 kbit/s, less than a voice call, and 25 pairs are through in half a second.
    /// A checklist is bounded, so a burst is too.
    pub pacing: Duration,
    /// The least retransmission timeout of a check (RFC 8445 §14.3: 500 ms).
    pub rto: Duration,
    /// How often a request is sent in all (Rc of RFC 8489 §6.2.1: 7).
    pub retransmissions: u32,
    /// How long a STUN server is asked before gathering ends without it (5 s, four requests). A description that
    /// waits for all candidates must not wait the 39.5 s of a whole transaction.
    pub gathering_timeout: Duration,
    /// How long a controlling agent that has a valid direct pair waits for a better one before it nominates
    /// (100 ms). Data flows over the valid pair meanwhile.
    pub direct_patience: Duration,
    /// The same when the best valid pair is relayed (1 s).
    pub relayed_patience: Duration,
    /// How long to wait for a peer that may still send checks before saying `Failed` (RFC 8863 §4: 39.5 s).
    pub failure_patience: Duration,
    /// Mean time between consent checks; each interval is 0.8 to 1.2 of it (RFC 7675 §5.1: 5 s).
    pub consent_interval: Duration,
    /// After this long without an answer nothing may be sent any more (RFC 7675 §5.1: 30 s). A lite agent goes
    /// by the checks of its peer: for one that keeps its path alive by indications only, `Duration::MAX` is never.
    pub consent_timeout: Duration,
    /// After this long without an answer the state is `Disconnected` and all pairs are checked again. 8 s: a
    /// consent check that is not answered is followed by another after [`rto`](Self::rto), so that three in a
    /// row may be lost before anything is said.
    pub disconnected_after: Duration,
    /// Time between the requests that keep the mappings of server-reflexive candidates alive until a pair is
    /// nominated (RFC 8445 §11: 15 s).
    pub keepalive: Duration,
    /// Put the NOMINATION attribute into nominations (draft-thatcher-ice-renomination), so that the last one
    /// counts, and nominate anew when a better pair becomes valid. Needs `a=ice-options:renomination` of the
    /// peer. An agent obeys the attribute whatever this says.
    pub renomination: bool,
    /// Most pairs (RFC 8445 §6.1.2.5: 100).
    pub max_pairs: usize,
    /// Most candidates of ours, reflexive ones included (32).
    pub max_local: usize,
    /// Most candidates of the peer, unresolved names included (64).
    pub max_remote: usize,
    /// Of those, most that were learnt from checks only (16).
    pub max_peer_reflexive: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            role: Role::Controlling,
            credentials: None,
            lite: false,
            stun_servers: Vec::new(),
            pacing: Duration::from_millis(20),
            rto: Duration::from_millis(500),
            retransmissions: 7,
            gathering_timeout: Duration::from_secs(5),
            direct_patience: Duration::from_millis(100),
            relayed_patience: Duration::from_secs(1),
            failure_patience: Duration::from_millis(39_500),
            consent_interval: Duration::from_secs(5),
            consent_timeout: Duration::from_secs(30),
            disconnected_after: Duration::from_secs(8),
            keepalive: Duration::from_secs(15),
            renomination: false,
            max_pairs: 100,
            max_local: 32,
            max_remote: 64,
            max_peer_reflexive: 16,
        }
    }
}
