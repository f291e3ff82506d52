//! The connection as a whole: descriptions, and what follows from them.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use dtls::Dtls;
use ice::{Agent, Local};
use sctp::Association;
use wire::{Fragments, Instant, Rng, Transport};

use crate::channels::Channel;
use crate::media::{Keys, Media};
use crate::negotiation::{
    self, ConfigError, Description, IceCredentials, Misuse, Negotiator, OfferOptions, RemoteError,
    SignalingState,
};
use crate::relay::{Relay, Stage};
use crate::stats::{Counters, Security};
use crate::{Config, ConnectionState, Event, RelayId, SharedConfig};

/// Why a candidate of the other side was not taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CandidateError {
    /// It came at the wrong time.
    Misuse(Misuse),
    /// It cannot be read.
    Parse(ice::ParseError),
}

impl fmt::Display for CandidateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misuse(misuse) => misuse.fmt(f),
            Self::Parse(error) => write!(f, "the candidate cannot be read: {error}"),
        }
    }
}

impl std::error::Error for CandidateError {}

/// A peer connection without input and output: W3C's `RTCPeerConnection` as a machine. The crate's documentation
/// shows how to drive it.
pub struct Peer {
    pub(crate) config: Arc<Config>,
    pub(crate) rng: Rng,
    pub(crate) negotiator: Negotiator,
    pub(crate) agent: Option<Agent>,
    /// The credentials that the agent has.
    pub(crate) credentials: Option<IceCredentials>,
    /// Our role and the other side's fingerprints, once agreed.
    pub(crate) secured: Option<negotiation::Dtls>,
    pub(crate) dtls: Option<Dtls>,
    /// What the handshake has agreed on.
    pub(crate) security: Option<Security>,
    /// Elsewhere, because many connections carry media alone.
    pub(crate) sctp: Option<Box<Association>>,
    /// What the association is made from; its INIT stands in our descriptions.
    pub(crate) sctp_seed: [u8; 32],
    /// The INIT of the other side, if it came in its description.
    pub(crate) remote_init: Option<Vec<u8>>,
    pub(crate) media: Option<Box<Media>>,
    /// The keys of SRTP, once the handshake is complete.
    pub(crate) srtp: Option<Keys>,
    /// The wall clock at an instant.
    pub(crate) wall: (Instant, Duration),
    pub(crate) relays: Vec<Relay>,
    pub(crate) locals: Vec<Local>,
    pub(crate) locals_done: bool,
    pub(crate) remote_ips: Vec<IpAddr>,
    /// Datagrams of DTLS that came before it was agreed who we are.
    pub(crate) early: VecDeque<Vec<u8>>,
    /// Whether the handshake travels in checks.
    pub(crate) embedding: bool,
    /// Datagrams of the handshake that no check has carried, for the path that there is now.
    pub(crate) direct: VecDeque<Vec<u8>>,
    /// A record that did not fit the last run, and whether it may be cut.
    pub(crate) held: Vec<u8>,
    pub(crate) held_fragments: Fragments,
    pub(crate) scratch: Vec<u8>,
    pub(crate) channels: BTreeMap<u32, Channel>,
    pub(crate) streams: BTreeMap<u16, u32>,
    pub(crate) next_channel: u32,
    pub(crate) state: ConnectionState,
    pub(crate) closed: bool,
    pub(crate) counters: Counters,
    pub(crate) events: VecDeque<Event>,
}

impl Peer {
    /// A connection before its first description. `seed` is of the operating system, in a test of a number:
    /// everything random follows from it.
    ///
    /// # Errors
    /// What is wrong with the configuration of the descriptions.
    pub fn new(config: impl Into<SharedConfig>, seed: [u8; 32], now: Instant) -> Result<Self, ConfigError> {
        let SharedConfig { config, negotiation } = config.into();
        let mut rng = Rng::new(seed);
        let sctp_seed = rng.array();
        let mut negotiator = Negotiator::new(negotiation, rng.fork())?;
        negotiator.set_sctp_init(config.sctp_in_sdp.then(|| {
            // Tag and TSN follow from the seed, whatever role the association will have.
            BASE64.encode(Association::new(config.sctp.clone(), sctp_seed, now).init_parameters())
        }));
        let relays = config.turn_servers.iter().cloned().map(Relay::new).collect();
        Ok(Self {
            config,
            rng,
            negotiator,
            agent: None,
            credentials: None,
            secured: None,
            dtls: None,
            security: None,
            sctp: None,
            sctp_seed,
            remote_init: None,
            media: None,
            srtp: None,
            wall: (now, Duration::ZERO),
            relays,
            locals: Vec::new(),
            locals_done: false,
            remote_ips: Vec::new(),
            early: VecDeque::new(),
            embedding: false,
            direct: VecDeque::new(),
            held: Vec::new(),
            held_fragments: Fragments::Usual,
            scratch: Vec::new(),
            channels: BTreeMap::new(),
            streams: BTreeMap::new(),
            next_channel: 0,
            state: ConnectionState::New,
            closed: false,
            counters: Counters::default(),
            events: VecDeque::new(),
        })
    }

    /// What is negotiated: transceivers, codecs, descriptions. To change them, use the verbs of the peer.
    pub const fn negotiator(&self) -> &Negotiator {
        &self.negotiator
    }

    /// Transceivers and their directions (W3C `addTransceiver`, `stop`, `direction` …): negotiated with the next
    /// offer, for which [`Event::NegotiationNeeded`] asks.
    pub fn with_negotiator<T>(&mut self, change: impl FnOnce(&mut Negotiator) -> T) -> T {
        let result = change(&mut self.negotiator);
        self.pump_negotiator();
        result
    }

    /// An offer, which is not in force before [`Peer::set_local_description`].
    ///
    /// # Errors
    /// Closed, or not in this state.
    pub fn create_offer(&mut self, options: OfferOptions) -> Result<Description, Misuse> {
        self.negotiator.create_offer(options)
    }

    /// An answer to the offer of the other side.
    ///
    /// # Errors
    /// Closed, or there is no offer.
    pub fn create_answer(&mut self) -> Result<Description, Misuse> {
        self.negotiator.create_answer()
    }

    /// Puts a local description into force; `None` creates the one that is due. Candidates are gathered from now
    /// on. What is then to be sent is [`Peer::local_description`].
    ///
    /// # Errors
    /// Closed, not in this state, or not what was created last.
    pub fn set_local_description(
        &mut self,
        now: Instant,
        description: Option<&Description>,
    ) -> Result<(), Misuse> {
        self.negotiator.set_local_description(description)?;
        self.apply(now);
        Ok(())
    }

    /// The local description with all candidates so far.
    pub fn local_description(&self) -> Option<Description> {
        self.negotiator.local_description()
    }

    /// Takes the other side's description. An offer takes a pending one of ours back.
    ///
    /// # Errors
    /// Closed, not in this state, or a description that cannot be used. Then nothing has changed.
    pub fn set_remote_description(
        &mut self,
        now: Instant,
        description: &Description,
    ) -> Result<(), RemoteError> {
        self.negotiator.set_remote_description(description)?;
        self.apply(now);
        Ok(())
    }

    /// Takes a candidate of the other side; empty text says that there are no more. One that belongs to no
    /// description is dropped and counted.
    ///
    /// # Errors
    /// Closed, before any remote description, or no candidate.
    pub fn add_ice_candidate(
        &mut self,
        now: Instant,
        candidate: &str,
        mid: Option<&str>,
        index: Option<usize>,
        ufrag: Option<&str>,
    ) -> Result<(), CandidateError> {
        if !self.negotiator.remote_candidate(candidate, mid, index, ufrag).map_err(CandidateError::Misuse)? {
            self.counters.dropped.candidates += 1;
            return Ok(());
        }
        let text = candidate.strip_prefix("a=").unwrap_or(candidate);
        if text.is_empty() || text == "end-of-candidates" {
            self.with_agent(now, |agent| agent.end_of_remote_candidates(now));
            return Ok(());
        }
        let candidate: ice::Candidate = text.parse().map_err(CandidateError::Parse)?;
        self.add_remote(now, candidate);
        self.pump(now);
        Ok(())
    }

    /// New ICE credentials and candidates with the next offer: a path is found anew while the old one lasts.
    ///
    /// # Errors
    /// Closed.
    pub fn restart_ice(&mut self) -> Result<(), Misuse> {
        self.negotiator.restart_ice()?;
        self.pump_negotiator();
        Ok(())
    }

    /// A UDP socket of ours, a TCP listener, or an address to open TCP connections from. More may come at any time,
    /// until [`Peer::end_of_local_addresses`].
    pub fn add_local_address(&mut self, now: Instant, local: Local) {
        if self.closed || self.locals.len() >= self.config.ice.max_local {
            return;
        }
        for relay in &mut self.relays {
            // One that could not be reached may be from here.
            let idle = matches!(relay.stage, Stage::Idle | Stage::Failed);
            if relay.is_reached_from(&local) && idle && self.agent.is_some() {
                relay.ask(now, local.address, &mut self.rng);
            }
        }
        self.locals.reserve_exact(1); // one or two are the rule
        self.locals.push(local.clone());
        if !self.config.relay_only {
            // What cannot be an address is left out, and the candidates show it.
            self.with_agent(now, |agent| {
                let _ = agent.add_local(now, local);
            });
        }
    }

    /// A socket of ours is gone, because its interface is. What was found from it goes with it; UDP relays are asked
    /// for another address from another socket. If data went over it, another pair takes over as soon as one answers;
    /// for a new address to be told to the other side, add it ([`Peer::add_local_address`]), before or after. A program
    /// that wants to be sure restarts ICE ([`Peer::restart_ice`]) if the connection does not come back by itself.
    pub fn remove_local_address(&mut self, now: Instant, address: SocketAddr) {
        let Some(at) = self.locals.iter().position(|local| local.address == address) else { return };
        self.locals.remove(at);
        let mut gone = vec![(Transport::Udp, address), (Transport::Tcp, address)];
        for relay in &mut self.relays {
            let here = |relay: &mut Relay| relay.allocation().is_some_and(|a| a.local == address);
            if relay.server.transport == Transport::Udp && here(relay) {
                gone.extend(relay.forget().map(|relayed| (Transport::Udp, relayed)));
            }
        }
        if self.agent.is_some() && !self.closed {
            self.gather_relays(now);
        }
        self.with_agent(now, |agent| {
            for (transport, address) in gone {
                agent.remove_local(now, transport, address);
            }
        });
    }

    /// There are no more sockets.
    pub fn end_of_local_addresses(&mut self, now: Instant) {
        self.locals_done = true;
        for relay in &mut self.relays {
            let udp = relay.server.transport == Transport::Udp;
            if udp
                && matches!(relay.stage, Stage::Idle)
                && !self.locals.iter().any(|local| relay.is_reached_from(local))
            {
                relay.stage = Stage::Failed;
            }
        }
        self.pump(now);
    }

    /// The connection that [`Event::ConnectRelay`] asked for is open, from this address.
    pub fn relay_connected(&mut self, now: Instant, relay: RelayId, local: SocketAddr) {
        if let Some(relay) = self.relays.get_mut(relay.0)
            && matches!(relay.stage, Stage::Connecting)
        {
            relay.ask(now, local, &mut self.rng);
        }
        self.pump(now);
    }

    /// What carries the messages to a TURN server.
    pub fn relay_transport(&self, relay: RelayId) -> Transport {
        self.relays.get(relay.0).map_or(Transport::Udp, |relay| relay.server.transport)
    }

    /// That connection could not be opened, or has broken.
    pub fn relay_failed(&mut self, now: Instant, relay: RelayId) {
        if let Some(relay) = self.relays.get_mut(relay.0) {
            let relayed = relay.relayed();
            relay.stage = Stage::Failed;
            if let Some(address) = relayed {
                self.with_agent(now, |agent| agent.remove_local(now, Transport::Udp, address));
            }
        }
        self.pump(now);
    }

    /// A TCP connection between two of the candidates (RFC 6544) could not be opened, or has broken: `local` and
    /// `remote` as in the [`wire::Transmit`] that wanted it, or in the [`crate::Received`] that came of it.
    pub fn stream_failed(&mut self, now: Instant, local: SocketAddr, remote: SocketAddr) {
        self.with_agent(now, |agent| agent.connection_failed(now, local, remote));
    }

    /// The system did not take a datagram that may not be cut ([`Fragments::Never`]), for it is too long for the first link.
    pub fn probe_refused(&mut self, now: Instant) {
        if let Some(sctp) = &mut self.sctp {
            sctp.probe_refused(now);
        }
    }

    /// The answer to [`Event::Resolve`]; `None` if nobody knows the name.
    pub fn resolved(&mut self, now: Instant, name: &str, ip: Option<IpAddr>) {
        if let Some(ip) = ip {
            self.permit(now, ip);
        }
        self.with_agent(now, |agent| agent.resolved(now, name, ip));
    }

    /// Ends it and tells the other side. What is still to be sent is what [`Peer::poll_transmit`] gives.
    pub fn close(&mut self, now: Instant) {
        if self.closed {
            return;
        }
        self.closed = true;
        self.negotiator.close();
        self.abort_data(now);
        if let Some(dtls) = &mut self.dtls {
            dtls.close(now);
        }
        self.pump(now);
    }

    /// Where the connection stands.
    pub const fn connection_state(&self) -> ConnectionState {
        self.state
    }

    /// Where the exchange of descriptions stands.
    pub fn signaling_state(&self) -> SignalingState {
        self.negotiator.signaling_state()
    }

    /// The pair that data goes over.
    pub fn selected_pair(&self) -> Option<&ice::Pair> {
        self.agent.as_ref().and_then(Agent::selected)
    }

    /// The certificate of the other side in DER, once it has come.
    pub fn remote_certificate(&self) -> Option<&[u8]> {
        self.dtls.as_ref().and_then(Dtls::remote_certificate)
    }

    pub(crate) fn with_agent(&mut self, now: Instant, act: impl FnOnce(&mut Agent)) {
        if let Some(agent) = &mut self.agent {
            act(agent);
        }
        self.pump(now);
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("state", &self.state).finish_non_exhaustive()
    }
}
