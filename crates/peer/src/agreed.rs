//! What follows from the descriptions of both sides.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use dtls::{Dtls, Fingerprint};
use ice::{Agent, CandidateKind, Credentials, Embedding};
use sctp::Association;
use wire::{Instant, Transport};

use crate::negotiation::{self, DtlsRole, Negotiated};
use crate::relay::Stage;
use crate::{Event, Peer, RelayId};

/// Addresses of the other side that relays are asked to permit.
const MAX_REMOTE_IPS: usize = 64;

impl Peer {
    /// Does what the descriptions now in force say.
    pub(crate) fn apply(&mut self, now: Instant) {
        let agreed = self.negotiator.negotiated();
        self.apply_local_ice(now, &agreed);
        self.apply_remote_ice(now, &agreed);
        if let Some(secured) = &agreed.dtls {
            self.apply_dtls(now, secured);
        }
        self.apply_data(now, &agreed);
        self.apply_media(now, &agreed);
        self.pump(now);
    }

    /// Starts the agent, or starts it anew, with the credentials of our description.
    fn apply_local_ice(&mut self, now: Instant, agreed: &Negotiated) {
        let Some(local) = self.negotiator.local_ice() else { return };
        if self.credentials.as_ref() == Some(local) {
            return;
        }
        let credentials = Credentials { ufrag: local.ufrag.clone(), pwd: local.pwd.clone() };
        self.credentials = Some(local.clone());
        if let Some(agent) = &mut self.agent {
            agent.restart(now, Some(credentials));
            return self.renew_relays(now);
        }
        let role = match &agreed.ice {
            Some(ice) if !ice.controlling => ice::Role::Controlled,
            Some(_) | None => ice::Role::Controlling,
        };
        let config = ice::Config { role, credentials: Some(credentials), ..self.config.ice.clone() };
        let mut agent = Agent::new(config, self.rng.array(), now);
        if !self.config.relay_only {
            for local in &self.locals {
                let _ = agent.add_local(now, local.clone());
            }
        }
        if self.config.dtls_in_stun {
            agent.set_embedding(now, Embedding::Offered);
        }
        self.agent = Some(agent);
        self.gather_relays(now);
    }

    /// The path is in doubt: a relay may have started anew and know nothing of us, or may be back.
    pub(crate) fn renew_relays(&mut self, now: Instant) {
        if self.closed {
            return;
        }
        for relay in &mut self.relays {
            relay.renew(now);
        }
        self.gather_relays(now);
    }

    pub(crate) fn gather_relays(&mut self, now: Instant) {
        for (number, relay) in self.relays.iter_mut().enumerate() {
            let Stage::Idle = relay.stage else { continue };
            let (transport, server) = (relay.server.transport, relay.server.address);
            if transport == Transport::Udp {
                let same = self.locals.iter().find(|local| relay.is_reached_from(local));
                match same.map(|local| local.address) {
                    Some(local) => relay.ask(now, local, &mut self.rng),
                    None if self.locals_done => relay.stage = Stage::Failed,
                    None => {}
                }
            } else {
                relay.stage = Stage::Connecting;
                let name = relay.server.name.clone();
                self.events.push_back(Event::ConnectRelay {
                    relay: RelayId(number),
                    transport,
                    server,
                    name,
                });
            }
        }
    }

    fn apply_remote_ice(&mut self, now: Instant, agreed: &Negotiated) {
        let (Some(ice), Some(agent)) = (&agreed.ice, &mut self.agent) else { return };
        if Some(&ice.local) != self.credentials.as_ref() {
            return;
        }
        let remote = Credentials { ufrag: ice.remote.ufrag.clone(), pwd: ice.remote.pwd.clone() };
        if agent.remote_credentials().is_none() {
            let controlling = ice.controlling || ice.remote_lite;
            agent.set_role(now, if controlling { ice::Role::Controlling } else { ice::Role::Controlled });
        }
        if self.config.dtls_in_stun {
            let known = ice.remote_options.iter().any(|o| negotiation::DTLS_IN_STUN.contains(&o.as_str()));
            agent.set_embedding(now, if known { Embedding::On } else { Embedding::Off });
        }
        if agent.set_remote_credentials(now, remote, ice.remote_lite).is_err() {
            self.counters.dropped.candidates += 1;
        }
        for candidate in &ice.remote_candidates {
            // The name of the attribute belongs to a candidate's text (RFC 8839 §5.1).
            match format!("candidate:{candidate}").parse() {
                Ok(candidate) => self.add_remote(now, candidate),
                Err(_) => self.counters.dropped.candidates += 1,
            }
        }
        if ice.remote_ended
            && let Some(agent) = &mut self.agent
        {
            agent.end_of_remote_candidates(now);
        }
    }

    pub(crate) fn add_remote(&mut self, now: Instant, candidate: ice::Candidate) {
        if let Some(address) = candidate.socket_address()
            && candidate.kind != CandidateKind::PeerReflexive
        {
            self.permit(now, address.ip());
        }
        if let Some(agent) = &mut self.agent {
            agent.add_remote(now, candidate);
        }
    }

    /// Has the relays permit an address, now or when they have one of their own.
    pub(crate) fn permit(&mut self, now: Instant, ip: IpAddr) {
        if self.relays.is_empty() || self.remote_ips.contains(&ip) || self.remote_ips.len() >= MAX_REMOTE_IPS
        {
            return;
        }
        self.remote_ips.push(ip);
        for relay in &mut self.relays {
            relay.permit(now, ip);
        }
    }

    fn apply_dtls(&mut self, now: Instant, agreed: &negotiation::Dtls) {
        if self.secured.as_ref() == Some(agreed) {
            return;
        }
        let known = |text: &String| text.parse::<Fingerprint>().ok();
        let fingerprints: Vec<Fingerprint> = agreed.remote_fingerprints.iter().filter_map(known).collect();
        let anew =
            self.secured.as_ref().is_some_and(|old| old.remote_fingerprints != agreed.remote_fingerprints);
        self.secured = Some(agreed.clone());
        if anew {
            // Another certificate is another association (RFC 8842 §5.1).
            self.dtls = None;
            self.embedding = false;
            self.direct.clear();
            self.use_keys(None);
            self.security = None;
        }
        if let Some(dtls) = &mut self.dtls {
            dtls.set_remote_fingerprints(now, fingerprints);
        }
    }

    fn apply_data(&mut self, now: Instant, agreed: &Negotiated) {
        let (Some(data), Some(secured)) = (&agreed.data, &agreed.dtls) else { return };
        if self.sctp.is_some() || self.closed {
            return;
        }
        let config = sctp::Config {
            local_port: data.local_port,
            remote_port: data.remote_port,
            role: match secured.role {
                DtlsRole::Client => sctp::Role::Client,
                DtlsRole::Server => sctp::Role::Server,
            },
            remote_max_message_size: data
                .max_message_size
                .map(|most| usize::try_from(most).unwrap_or(usize::MAX)),
            ..self.config.sctp.clone()
        };
        let sctp = Association::new(config, self.sctp_seed, now);
        let init = data.remote_init.as_ref().filter(|_| self.config.sctp_in_sdp);
        let init = init.and_then(|text| BASE64.decode(text).ok());
        // Some stacks repeat every line of an offer that they do not know in their answer.
        self.remote_init = init.filter(|init| *init != sctp.init_parameters());
        self.sctp = Some(Box::new(sctp));
        if self.dtls.as_ref().is_some_and(Dtls::is_connected) {
            self.start_data(now);
        }
        self.open_pending(now);
    }

    /// Records can be sealed: the association is up at once if both sides know each other's INIT, or begins its handshake.
    pub(crate) fn start_data(&mut self, now: Instant) {
        let Some(sctp) = &mut self.sctp else { return };
        let known = self.remote_init.take().is_some_and(|init| sctp.accept_parameters(now, &init).is_ok());
        if !known {
            sctp.connect(now);
        }
        self.use_path();
    }
}
