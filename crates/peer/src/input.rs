//! What comes in: told apart (RFC 7983), handed down, and what follows from it.

use std::net::SocketAddr;

use dtls::{Dtls, Fingerprint};
use ice::{Agent, CandidateKind, Input, Local};
use sctp::Association;
use wire::{Instant, Transport};

use crate::media::{Keys, Sink};
use crate::negotiation::{self, DtlsRole};
use crate::relay::News;
use crate::{ConnectionState, Event, LocalCandidate, MediaPacket, Peer, Security};

/// Datagrams of a handshake kept until it is agreed who we are: the first flight of any client.
const MAX_EARLY: usize = 8;

/// The longest datagram of a handshake that no check carries.
const HANDSHAKE_MTU: usize = 1200;

/// How a message, or a run of datagrams of one sender, came in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Received {
    /// What carried it.
    pub transport: Transport,
    /// Our address: that of the socket, as given to [`Peer::add_local_address`].
    pub local: SocketAddr,
    /// Who sent it.
    pub remote: SocketAddr,
    /// Bytes for each datagram of a run; only the last may be shorter. For a single one its length, or more.
    pub segment: usize,
}

/// What a datagram is, by its first byte (RFC 7983 §7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Class {
    Stun,
    Dtls,
    Channel,
    Media,
    Unknown,
}

const fn classify(datagram: &[u8]) -> Class {
    match datagram.first() {
        Some(0..=3) => Class::Stun,
        Some(20..=63) => Class::Dtls,
        Some(64..=79) => Class::Channel,
        Some(128..=191) => Class::Media,
        Some(_) | None => Class::Unknown,
    }
}

/// Whether a STUN message is of the method Binding, which TURN has no use for.
fn is_binding(message: &[u8]) -> bool {
    message.first_chunk().is_some_and(|kind| u16::from_be_bytes(*kind) & !0x0110 == 0x0001)
}

impl Peer {
    /// Takes one message, or a run of datagrams. Bytes are decrypted where they stand. What makes no sense is
    /// counted and dropped.
    pub fn handle_input(&mut self, now: Instant, received: Received, bytes: &mut [u8]) {
        self.handle_input_with(now, received, bytes, &mut |_| {});
    }

    /// The same, for a forwarder ([`crate::MediaMode::Packets`]): packets of media are lent as they come, decrypted.
    pub fn handle_input_with(
        &mut self,
        now: Instant,
        received: Received,
        bytes: &mut [u8],
        sink: &mut dyn FnMut(MediaPacket<'_>),
    ) {
        if self.closed {
            return;
        }
        self.counters.bytes_received += bytes.len() as u64;
        for datagram in bytes.chunks_mut(received.segment.max(1)) {
            self.counters.packets_received += 1;
            self.take(now, received, datagram, sink);
        }
        self.pump(now);
    }

    #[inline]
    fn take(&mut self, now: Instant, received: Received, datagram: &mut [u8], sink: Sink<'_>) {
        match classify(datagram) {
            Class::Dtls => self.take_direct(now, datagram),
            Class::Stun if is_binding(datagram) => self.take_check(now, received, datagram),
            Class::Media => self.take_media(now, datagram, sink),
            Class::Stun | Class::Channel => self.take_relayed(now, received, datagram, sink),
            Class::Unknown => self.counters.dropped.unknown += 1,
        }
    }

    /// Takes a datagram that no check has brought.
    #[inline]
    fn take_direct(&mut self, now: Instant, datagram: &mut [u8]) {
        if self.security.is_none()
            && let Some(agent) = &mut self.agent
        {
            agent.acknowledge_embedded(datagram);
        }
        self.take_records(now, datagram);
    }

    #[inline]
    pub(crate) fn take_records(&mut self, now: Instant, datagram: &mut [u8]) {
        let Some(dtls) = &mut self.dtls else {
            if self.early.len() < MAX_EARLY {
                self.early.push_back(datagram.to_vec());
            } else {
                self.counters.dropped.early += 1;
            }
            return;
        };
        let data = dtls.open(now, datagram);
        match &mut self.sctp {
            Some(sctp) => data.for_each(|packet| sctp.handle_input(now, packet)),
            None => self.counters.dropped.early += data.count() as u64,
        }
    }

    fn take_check(&mut self, now: Instant, received: Received, bytes: &[u8]) {
        let Received { transport, local, remote, .. } = received;
        match &mut self.agent {
            Some(agent) => agent.handle_input(now, Input { transport, local, remote, bytes }),
            None => self.counters.dropped.early += 1,
        }
    }

    /// Takes what a TURN server sends; data from a peer of ours is taken as if it had come to the relayed address.
    fn take_relayed(&mut self, now: Instant, received: Received, bytes: &[u8], sink: Sink<'_>) {
        let Received { transport, local, remote, .. } = received;
        let Some(relay) = self.relays.iter_mut().find(|relay| relay.is_at(transport, local, remote)) else {
            self.counters.dropped.unknown += 1;
            return;
        };
        let relayed = relay.relayed();
        let data = relay.allocation().and_then(|allocation| allocation.client.handle_input(now, bytes));
        let (Some(data), Some(local)) = (data, relayed) else { return };
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        scratch.extend_from_slice(data.data);
        let inner = Received { transport: Transport::Udp, local, remote: data.from, segment: scratch.len() };
        match classify(&scratch) {
            Class::Dtls => self.take_direct(now, &mut scratch),
            Class::Stun => self.take_check(now, inner, &scratch),
            Class::Media => self.take_media(now, &mut scratch, sink),
            Class::Channel | Class::Unknown => self.counters.dropped.unknown += 1,
        }
        self.scratch = scratch;
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let due = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        if let Some(agent) = &mut self.agent
            && due(agent.poll_timeout())
        {
            agent.handle_timeout(now);
        }
        if let Some(dtls) = &mut self.dtls
            && due(dtls.poll_timeout())
        {
            dtls.handle_timeout(now);
        }
        if let Some(sctp) = &mut self.sctp
            && due(sctp.poll_timeout())
        {
            sctp.handle_timeout(now);
        }
        if let Some(media) = &mut self.media {
            media.handle_timeout(now);
        }
        for relay in &mut self.relays {
            if due(relay.poll_timeout())
                && let Some(allocation) = relay.allocation()
            {
                allocation.client.handle_timeout(now);
            }
        }
        self.pump(now);
    }

    /// When [`Peer::handle_timeout`] is due; `None` if nothing is scheduled.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let parts = [
            self.agent.as_ref().and_then(Agent::poll_timeout),
            self.dtls.as_ref().and_then(Dtls::poll_timeout),
            self.sctp.as_deref().and_then(Association::poll_timeout),
            self.media_timeout(),
        ];
        let relays = self.relays.iter().map(crate::relay::Relay::poll_timeout);
        parts.into_iter().chain(relays).flatten().min()
    }

    /// Carries what one part has to say to the others, until none has anything to say.
    pub(crate) fn pump(&mut self, now: Instant) {
        self.pump_relays(now);
        self.pump_agent(now);
        self.take_embedded(now);
        self.start_dtls(now);
        self.pump_dtls(now);
        self.embed_handshake(now);
        self.pump_negotiator();
        self.follow_state();
    }

    pub(crate) fn pump_negotiator(&mut self) {
        while let Some(event) = self.negotiator.poll_event() {
            self.events.push_back(match event {
                negotiation::Event::SignalingState(state) => Event::SignalingState(state),
                negotiation::Event::NegotiationNeeded => Event::NegotiationNeeded,
                negotiation::Event::Track(id, streams) => Event::Track(id, streams),
                negotiation::Event::TrackRemoved(id) => Event::TrackRemoved(id),
                negotiation::Event::Stopped(id) => Event::TransceiverStopped(id),
            });
        }
    }

    fn pump_relays(&mut self, now: Instant) {
        for relay in &mut self.relays {
            let (via, server) = (relay.server.transport, relay.server.address);
            while let Some(news) = relay.poll_news(now, self.closed, &mut self.rng) {
                let Some(agent) = &mut self.agent else { continue };
                match news {
                    News::Allocated { relayed, mapped } => {
                        for ip in &self.remote_ips {
                            relay.permit(now, *ip);
                        }
                        // An address that cannot be one is a server's mistake: it is not told.
                        let _ = agent.add_local(now, Local::relayed(relayed, via, server, mapped));
                    }
                    News::Gone(Some(relayed)) => agent.remove_local(now, Transport::Udp, relayed),
                    News::Gone(None) => {}
                }
            }
        }
        if let Some(agent) = &mut self.agent
            && self.locals_done
            && self.relays.iter().all(crate::relay::Relay::is_settled)
        {
            agent.end_of_local_candidates(now);
        }
    }

    fn pump_agent(&mut self, now: Instant) {
        while let Some(event) = self.agent.as_mut().and_then(Agent::poll_event) {
            match event {
                ice::Event::LocalCandidate(candidate) => self.tell(&candidate),
                ice::Event::EndOfCandidates => {
                    self.negotiator.end_of_local_candidates();
                    self.events.push_back(Event::IceCandidate(None));
                }
                ice::Event::ConnectionState(state) => {
                    self.events.push_back(Event::IceConnectionState(state));
                    if state == ice::ConnectionState::Disconnected {
                        self.renew_relays(now);
                    }
                }
                ice::Event::GatheringState(state) => self.events.push_back(Event::IceGatheringState(state)),
                ice::Event::SelectedPair(pair) => self.select(now, pair),
                ice::Event::Resolve(name) => self.events.push_back(Event::Resolve(name)),
                ice::Event::Disconnect { local, remote } => {
                    self.events.push_back(Event::Disconnect { local, remote });
                }
                // Sending stops because there is no selected pair; the state says so.
                ice::Event::ConsentLost | ice::Event::RoleChanged(_) => {}
            }
        }
    }

    fn tell(&mut self, candidate: &ice::Candidate) {
        if self.config.relay_only && candidate.kind != CandidateKind::Relayed {
            return;
        }
        let text = candidate.to_string();
        self.negotiator.add_local_candidate(&text);
        let (mid, index) =
            self.negotiator.trickle_section().map(|(mid, index)| (mid.to_owned(), index)).unzip();
        let ufrag = candidate.ufrag.clone().unwrap_or_default();
        let candidate = LocalCandidate { candidate: text, mid, index, ufrag };
        self.events.push_back(Event::IceCandidate(Some(Box::new(candidate))));
    }

    fn select(&mut self, now: Instant, pair: ice::Pair) {
        if pair.local_kind == CandidateKind::Relayed
            && let Some(relay) = self.relays.iter_mut().find(|relay| relay.relayed() == Some(pair.local))
            && let Some(allocation) = relay.allocation()
        {
            // Without a channel every packet is 32 bytes longer.
            let _ = allocation.client.bind(now, pair.remote);
        }
        self.measure_path();
        self.use_path();
        self.events.push_back(Event::SelectedPair(pair));
    }

    /// Begins the handshake when it is agreed and there is a path.
    fn start_dtls(&mut self, now: Instant) {
        let Some(secured) = &self.secured else { return };
        let path = self.agent.as_ref().is_some_and(|agent| agent.selected().is_some());
        let called = !self.early.is_empty() && secured.role == DtlsRole::Server;
        let embedding = self.agent.as_ref().is_some_and(Agent::is_embedding);
        if self.dtls.is_some() || self.closed || !(path || called || embedding) {
            return;
        }
        let role = match secured.role {
            DtlsRole::Client => dtls::Role::Client,
            DtlsRole::Server => dtls::Role::Server,
        };
        let known = |text: &String| text.parse::<Fingerprint>().ok();
        let config = dtls::Config {
            remote_fingerprints: secured.remote_fingerprints.iter().filter_map(known).collect(),
            srtp_profiles: self.config.srtp_profiles.clone(),
            versions: self.config.dtls_versions.clone(),
            mtu: if embedding { ice::MAX_EMBEDDED } else { HANDSHAKE_MTU },
            ..dtls::Config::new(self.config.certificate.clone(), role)
        };
        self.dtls = Some(Dtls::new(config, self.rng.fork(), now));
        self.embed_handshake(now);
        for mut datagram in std::mem::take(&mut self.early) {
            self.take_records(now, &mut datagram);
        }
    }

    fn pump_dtls(&mut self, now: Instant) {
        while let Some(event) = self.dtls.as_mut().and_then(Dtls::poll_event) {
            match event {
                dtls::Event::Connected(agreed) => {
                    self.security = Some(Security { version: agreed.version, cipher: agreed.cipher });
                    let client = self.secured.as_ref().is_some_and(|s| s.role == DtlsRole::Client);
                    self.use_keys(agreed.srtp.map(|keys| Keys::new(keys, client)));
                    self.start_data(now);
                }
                dtls::Event::Closed(reason) => {
                    self.secured = None;
                    self.deliver_rest();
                    self.sctp = None;
                    self.use_keys(None);
                    self.channels.clear();
                    for number in std::mem::take(&mut self.streams).into_values() {
                        self.events.push_back(Event::ChannelClosed(crate::ChannelId(number)));
                    }
                    self.events.push_back(Event::DtlsClosed(reason));
                }
            }
        }
    }

    fn follow_state(&mut self) {
        let secure = self.dtls.as_ref().is_some_and(Dtls::is_connected);
        let ended = self.dtls.is_some() && self.secured.is_none();
        let path = self.agent.as_ref().map(Agent::connection_state);
        let state = match path {
            _ if self.closed => ConnectionState::Closed,
            _ if ended => ConnectionState::Failed,
            None | Some(ice::ConnectionState::New) => ConnectionState::New,
            Some(ice::ConnectionState::Failed | ice::ConnectionState::Closed) => ConnectionState::Failed,
            Some(ice::ConnectionState::Disconnected) => ConnectionState::Disconnected,
            Some(ice::ConnectionState::Connected | ice::ConnectionState::Completed) if secure => {
                ConnectionState::Connected
            }
            Some(
                ice::ConnectionState::Checking
                | ice::ConnectionState::Connected
                | ice::ConnectionState::Completed,
            ) => ConnectionState::Connecting,
        };
        if self.state != state {
            self.state = state;
            self.events.push_back(Event::ConnectionState(state));
        }
    }
}
