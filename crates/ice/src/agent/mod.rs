//! The agent: its state, the shape every machine has, and what calls what.

mod check;
mod checklist;
mod consent;
mod embedding;
mod gather;
mod input;
mod local;
mod nominate;
mod output;
mod pair;
mod remote;
mod request;
mod response;
mod session;
mod status;

use crate::timers::Timers;
use crate::{
    Candidate, CandidateStats, Config, ConnectionState, Credentials, CredentialsError, Event, GatheringState,
    Pair, PairStats, Role, Stats,
};
use consent::Consent;
use embedding::Embedded;
use gather::Gather;
use local::LocalCandidate;
use output::Out;
use pair::CheckedPair;
use remote::RemoteCandidate;
use session::Session;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use wire::{Instant, Rng, Transmit};

pub use embedding::{Embedding, MAX_EMBEDDED};
pub use input::Input;
pub use local::LocalError;

/// What can become due.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Timer {
    /// The next new check may start (RFC 8445 §14.2).
    Pace,
    /// The next request to a STUN server may start.
    PaceGather,
    /// The check of this pair was not answered.
    Check(u32),
    /// The request to a STUN server was not answered.
    Gather(u32),
    /// The mapping at a STUN server is to be kept alive.
    Keepalive(u32),
    /// A consent check is to be sent, or consent has expired.
    Consent,
    /// The patience with which nomination waits for a better pair is over.
    Nominate,
    /// The patience with which failure waits for the peer is over (RFC 8863).
    Failure,
}

/// Answers and checks that wait to be sent; more are dropped, for the peer sends again.
const MAX_OUTBOX: usize = 256;
/// Events that wait for the driver; above that the oldest is dropped.
const MAX_EVENTS: usize = 1024;

/// One ICE agent: one component and one checklist, as BUNDLE with rtcp-mux has it.
pub struct Agent {
    config: Config,
    rng: Rng,
    role: Role,
    tie_breaker: u64,
    current: Session,
    /// The generation before a restart, for as long as data goes over a pair of it.
    previous: Option<Box<Session>>,
    // Boxed: many agents end with one of each, and a table of one would be as large as one of eleven.
    locals: BTreeMap<u32, Box<LocalCandidate>>,
    remotes: BTreeMap<u32, Box<RemoteCandidate>>,
    pairs: BTreeMap<u32, Box<CheckedPair>>,
    gathers: BTreeMap<u32, Gather>,
    /// Candidates of the peer whose name is being looked up.
    unresolved: Vec<Candidate>,
    /// Candidates of the peer for credentials that it has not told yet.
    early: Vec<Candidate>,
    foundations: crate::priority::Foundations,
    /// Pairs to be checked first, in order (RFC 8445 §6.1.4.1).
    triggered: VecDeque<u32>,
    outbox: VecDeque<Out>,
    timers: Timers<Timer>,
    /// The handshake of DTLS inside of checks, unless that is off.
    embedded: Option<Box<Embedded>>,
    events: VecDeque<Event>,
    selected: Option<(u32, Pair)>,
    consent: Option<Consent>,
    /// A pair of the current generation is nominated: no more checks than needed.
    concluded: bool,
    disconnected: bool,
    failed: bool,
    closed: bool,
    local_done: bool,
    end_told: bool,
    nomination: u32,
    ids: u32,
    connection_state: ConnectionState,
    gathering_state: GatheringState,
    stats: Stats,
}

impl Agent {
    /// An agent with fresh credentials and no candidates. `seed` comes from the operating system, in a test
    /// from a number: everything random follows from it.
    pub fn new(config: Config, seed: [u8; 32], _now: Instant) -> Self {
        let mut rng = Rng::new(seed);
        let role = if config.lite { Role::Controlled } else { config.role };
        let current = Session::new(1, config.credentials.clone(), &mut rng);
        Self {
            config,
            role,
            tie_breaker: rng.next_u64(),
            rng,
            current,
            previous: None,
            locals: BTreeMap::new(),
            remotes: BTreeMap::new(),
            pairs: BTreeMap::new(),
            gathers: BTreeMap::new(),
            unresolved: Vec::new(),
            early: Vec::new(),
            foundations: crate::priority::Foundations::default(),
            triggered: VecDeque::new(),
            outbox: VecDeque::new(),
            timers: Timers::new(),
            embedded: None,
            events: VecDeque::new(),
            selected: None,
            consent: None,
            concluded: false,
            disconnected: false,
            failed: false,
            closed: false,
            local_done: false,
            end_told: false,
            nomination: 0,
            ids: 0,
            connection_state: ConnectionState::New,
            gathering_state: GatheringState::New,
            stats: Stats::default(),
        }
    }

    /// Takes one STUN message from a socket, a relay or a framed stream. What is no STUN does not belong here:
    /// tell it apart by its first byte (RFC 7983 §7), or it is counted and dropped.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        if !self.closed && self.receive(now, input) {
            self.settle(now);
        }
    }

    /// Lets time pass.
    pub fn handle_timeout(&mut self, now: Instant) {
        let mut due = false;
        while let Some(timer) = self.timers.take_due(now) {
            due = true;
            match timer {
                Timer::Pace | Timer::PaceGather | Timer::Nominate | Timer::Failure => {}
                Timer::Check(pair) => self.handle_check_timeout(now, pair),
                Timer::Gather(gather) => self.handle_gather_timeout(now, gather),
                Timer::Keepalive(gather) => self.keep_alive(now, gather),
                Timer::Consent => self.handle_consent_timeout(now),
            }
            self.settle(now);
        }
        debug_assert!(!due || !self.closed, "a closed agent has no timers");
    }

    /// Writes the next message into `buf` (1,200 bytes are enough). A message from an active TCP candidate
    /// without a connection to `to` asks the driver to open one and send it when it is open; from a listener
    /// without one it is to be dropped.
    pub fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        if self.outbox.is_empty() { None } else { self.write_next(now, buf) }
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front();
        if event.is_none() {
            // Nearly always empty, so it keeps no room.
            self.events = VecDeque::new();
        }
        event
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Our credentials of the current generation, for `a=ice-ufrag` and `a=ice-pwd`.
    pub const fn credentials(&self) -> &Credentials {
        &self.current.local
    }

    /// The peer's credentials of the current generation.
    pub fn remote_credentials(&self) -> Option<&Credentials> {
        self.current.remote.as_ref().map(|remote| &remote.credentials)
    }

    /// Takes the peer's credentials; `lite` is whether its description says `a=ice-lite`. Checks begin. The same
    /// credentials again change nothing.
    pub fn set_remote_credentials(
        &mut self,
        now: Instant,
        credentials: Credentials,
        lite: bool,
    ) -> Result<(), CredentialsError> {
        credentials.check()?;
        match self.remote_credentials() {
            Some(known) if *known == credentials => return Ok(()),
            Some(_) => return Err(CredentialsError::RestartFirst),
            None => {}
        }
        if !self.closed {
            self.accept_remote(now, credentials, lite);
            self.settle(now);
        }
        Ok(())
    }

    /// Our role.
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Sets the role, when the descriptions tell it after the agent was made. An ICE-lite agent stays
    /// controlled unless the peer is ICE-lite too.
    pub fn set_role(&mut self, now: Instant, role: Role) {
        let peer_lite = self.current.remote.as_ref().is_some_and(|remote| remote.lite);
        if self.config.lite == peer_lite || self.current.remote.is_none() && !self.config.lite {
            self.config.role = role;
            self.change_role(role);
            self.settle(now);
        }
    }

    /// Begins a new generation (RFC 8445 §9): new credentials, no candidates of the peer, and our own told
    /// anew. Data goes on over the selected pair, whose consent is kept fresh, until a new pair is nominated.
    /// `credentials` are those that the new description has; `None` draws them.
    pub fn restart(&mut self, now: Instant, credentials: Option<Credentials>) {
        if !self.closed {
            self.begin_generation(now, credentials);
            self.settle(now);
        }
    }

    /// The pair to send data over. `None`: sending is not allowed.
    pub const fn selected(&self) -> Option<&Pair> {
        match &self.selected {
            Some((_, pair)) => Some(pair),
            None => None,
        }
    }

    /// W3C's `iceConnectionState`.
    pub const fn connection_state(&self) -> ConnectionState {
        self.connection_state
    }

    /// W3C's `iceGatheringState`.
    pub const fn gathering_state(&self) -> GatheringState {
        self.gathering_state
    }

    /// A TCP connection could not be opened, or has broken.
    pub fn connection_failed(&mut self, now: Instant, local: SocketAddr, remote: SocketAddr) {
        if self.fail_connection(local, remote) {
            self.settle(now);
        }
    }

    /// Stops: nothing is sent or answered any more.
    pub fn close(&mut self, now: Instant) {
        self.closed = true;
        self.timers.clear();
        self.outbox.clear();
        self.triggered.clear();
        self.selected = None;
        self.consent = None;
        self.settle(now);
    }

    /// Counters.
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Every pair, in the order in which they were made.
    pub fn pair_stats(&self) -> impl Iterator<Item = PairStats> {
        let selected = self.selected.map(|(id, _)| id);
        self.pairs.iter().map(move |(id, pair)| pair.stats(*id, selected == Some(*id)))
    }

    /// Our candidates.
    pub fn local_candidate_stats(&self) -> impl Iterator<Item = CandidateStats> {
        self.locals.iter().map(|(id, candidate)| candidate.stats(*id))
    }

    /// The peer's candidates.
    pub fn remote_candidate_stats(&self) -> impl Iterator<Item = CandidateStats> {
        self.remotes.iter().map(|(id, candidate)| candidate.stats(*id))
    }

    /// Everything that follows from a change: checks that may start, the pair to use, the states.
    fn settle(&mut self, now: Instant) {
        if !self.closed {
            self.pair_lite_agents(now);
            self.reselect(now);
            self.consider_nomination(now);
            self.start_transactions(now);
        }
        self.update_status(now);
    }

    fn next_id(&mut self) -> u32 {
        self.ids = self.ids.checked_add(1).expect("an agent does not live for 2^32 candidates and pairs");
        self.ids
    }

    fn push_event(&mut self, event: Event) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    fn push_out(&mut self, out: Out) {
        if self.outbox.len() < MAX_OUTBOX {
            self.outbox.push_back(out);
        } else {
            self.stats.dropped.full += 1;
        }
    }

    /// Has a TCP connection closed, unless a pair that works or may yet work uses it too, as after a restart.
    fn release_stream(&mut self, local: SocketAddr, remote: SocketAddr) {
        let needed = |pair: &CheckedPair| {
            (pair.is_active() || pair.is_valid())
                && pair.protocol == crate::Protocol::Tcp
                && (pair.base, pair.to) == (local, remote)
        };
        if !self.pairs.values().any(|pair| needed(pair)) {
            self.push_event(Event::Disconnect { local, remote });
        }
    }

    /// Removes pairs and everything that points to them.
    fn remove_pairs(&mut self, doomed: &BTreeSet<u32>) {
        for id in doomed {
            self.timers.set(Timer::Check(*id), None);
        }
        let doomed_pairs: Vec<_> = doomed.iter().filter_map(|id| self.pairs.remove(id)).collect();
        for pair in doomed_pairs.iter().filter(|pair| pair.is_connected_stream()) {
            self.release_stream(pair.base, pair.to);
        }
        if !doomed.is_empty() {
            self.triggered.retain(|id| !doomed.contains(id));
        }
        if self.selected.is_some_and(|(id, _)| doomed.contains(&id)) {
            self.deselect();
        }
    }
}

impl std::fmt::Debug for Agent {
    /// Says nothing of the passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agent")
            .field("role", &self.role)
            .field("ufrag", &self.current.local.ufrag)
            .field("state", &self.connection_state)
            .field("selected", &self.selected)
            .finish_non_exhaustive()
    }
}
