//! One side: a peer, what it stands behind, and the program that uses it, which negotiates perfectly (W3C WebRTC §10.7)
//! and asks for a restart of ICE when the path does not come back by itself.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;
use std::time::Duration;

use peer::negotiation::{Description, MediaKind, SdpType, SignalingState, TransceiverId, TransceiverInit};
use peer::{
    Certificate, ChannelId, Config, ConnectionState, Local, LocalCandidate, Peer, RelayId, TurnServer,
};
use wire::{Instant, Rng, Transport};

use super::story::Story;
use crate::{Nat, NatBox, RelayHost};

/// The address of the STUN and TURN server.
pub(super) const SERVER: SocketAddr =
    SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 1)), 3478);

/// How long a program waits for a path to come back before it asks for a restart.
const MEND_AFTER: Duration = Duration::from_secs(3);

/// Certificates are made once in the life of a program.
fn certificate(side: usize) -> Certificate {
    static MADE: OnceLock<[Certificate; 2]> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        [1, 2].map(|number| Certificate::generate(&mut Rng::from_number(number), 1_767_225_600))
    });
    made[side].clone()
}

pub(super) struct Side {
    pub(super) number: usize,
    pub(super) peer: Peer,
    pub(super) nat: NatBox,
    kind: Nat,
    /// The address of its one socket.
    pub(super) host: SocketAddr,
    /// How often it has moved.
    moves: u8,
    /// TCP connections to the relay: our address to its number.
    pub(super) streams: BTreeMap<SocketAddr, RelayId>,
    pub(super) next_stream: u16,
    pub(super) channels: BTreeMap<String, ChannelId>,
    pub(super) film: Option<TransceiverId>,
    ignoring: bool,
    pub(super) mend_at: Option<Instant>,
    pub(super) restarts: u32,
    /// Candidates that came before any description.
    waiting: Vec<Option<Box<LocalCandidate>>>,
}

impl Side {
    pub(super) fn new(number: usize, story: &Story, rng: &mut Rng, now: Instant) -> Self {
        let kind = story.nats[number];
        let mut config = Config::new(certificate(number));
        config.ice.stun_servers = vec![SERVER];
        config.sctp_in_sdp = story.sctp_in_sdp[number];
        config.dtls_in_stun = story.dtls_in_stun[number];
        config.probe_path = story.probes_path[number];
        let server = |transport| TurnServer {
            address: SERVER,
            name: String::new(),
            transport,
            username: RelayHost::USER.to_owned(),
            password: RelayHost::PASSWORD.to_owned(),
        };
        if story.relays[number] {
            config.turn_servers.push(server(Transport::Udp));
        }
        if kind == Nat::UdpBlocked {
            config.turn_servers.push(server(Transport::Tcp));
        }
        let peer = Peer::new(config, rng.array(), now).expect("the configuration is valid");
        let public = public(number, 0);
        Self {
            number,
            peer,
            nat: NatBox::new(kind, public),
            kind,
            host: host(kind, number, 0),
            moves: 0,
            streams: BTreeMap::new(),
            next_stream: 30_000,
            channels: BTreeMap::new(),
            film: None,
            ignoring: false,
            mend_at: None,
            restarts: 0,
            waiting: Vec::new(),
        }
    }

    pub(super) fn start(&mut self, now: Instant) {
        self.peer.add_local_address(now, Local::host(self.host));
        self.peer.end_of_local_addresses(now);
    }

    pub(super) fn add_film(&mut self) {
        let init = TransceiverInit::default();
        let id = self.peer.with_negotiator(|n| n.add_transceiver(MediaKind::Video, init));
        self.film = Some(id.expect("there is room for a transceiver"));
    }

    /// Moves to another network; gives the addresses of TCP connections that broke.
    pub(super) fn move_away(&mut self, now: Instant) -> Vec<SocketAddr> {
        let old = self.host;
        let mut broken = Vec::new();
        for (local, relay) in std::mem::take(&mut self.streams) {
            broken.push(self.stream_address(local));
            self.peer.relay_failed(now, relay);
        }
        self.moves += 1;
        self.nat = NatBox::new(self.kind, public(self.number, self.moves));
        self.host = host(self.kind, self.number, self.moves);
        self.peer.remove_local_address(now, old);
        self.peer.add_local_address(now, Local::host(self.host));
        broken
    }

    /// Where a TCP connection comes from, as the server sees it: a NAT that keeps ports.
    pub(super) fn stream_address(&self, local: SocketAddr) -> SocketAddr {
        SocketAddr::new(self.nat.public(), local.port())
    }

    /// An offer, if one is due.
    pub(super) fn offer(&mut self, now: Instant) -> Option<Description> {
        let due = self.peer.negotiator().negotiation_needed()
            && self.peer.signaling_state() == SignalingState::Stable;
        if !due {
            return None;
        }
        self.peer.set_local_description(now, None).expect("an offer is due");
        self.peer.local_description()
    }

    /// Takes a description; gives the answer to an offer.
    pub(super) fn take(&mut self, now: Instant, description: &Description) -> Option<Description> {
        let offer = description.kind == SdpType::Offer;
        let collision = offer && self.peer.signaling_state() != SignalingState::Stable;
        let polite = self.number == 1;
        self.ignoring = !polite && collision;
        if self.ignoring {
            return None;
        }
        if !offer && self.peer.signaling_state() != SignalingState::HaveLocalOffer {
            // Our offer was taken back for the other side's.
            return None;
        }
        let taken = self.peer.set_remote_description(now, description);
        taken.unwrap_or_else(|error| panic!("a description was refused: {error}\n{}", description.sdp));
        for candidate in std::mem::take(&mut self.waiting) {
            self.take_candidate(now, candidate);
        }
        if !offer {
            return None;
        }
        self.peer.set_local_description(now, None).expect("an answer is due");
        self.peer.local_description()
    }

    pub(super) fn take_candidate(&mut self, now: Instant, candidate: Option<Box<LocalCandidate>>) {
        if self.peer.negotiator().remote_description().is_none() {
            self.waiting.push(candidate);
            return;
        }
        let taken = match &candidate {
            Some(c) => {
                let ufrag = Some(c.ufrag.as_str());
                self.peer.add_ice_candidate(now, &c.candidate, c.mid.as_deref(), c.index, ufrag)
            }
            None => self.peer.add_ice_candidate(now, "", None, None, None),
        };
        assert!(taken.is_ok() || self.ignoring, "a candidate was refused: {taken:?} {candidate:?}");
    }

    /// What a program does about the state of its connection.
    pub(super) fn follow(&mut self, now: Instant, state: ConnectionState) {
        self.mend_at = match state {
            ConnectionState::Failed => Some(now),
            ConnectionState::Disconnected => Some(now + MEND_AFTER),
            ConnectionState::New
            | ConnectionState::Connecting
            | ConnectionState::Connected
            | ConnectionState::Closed => None,
        };
    }

    pub(super) fn mend(&mut self, now: Instant) {
        if self.mend_at.is_some_and(|at| at <= now) {
            // If it does not help, it is done again.
            self.mend_at = Some(now + MEND_AFTER * 4);
            self.restart_ice();
        }
    }

    pub(super) fn restart_ice(&mut self) {
        self.restarts += 1;
        self.peer.restart_ice().expect("it is not closed");
    }
}

fn public(side: usize, moves: u8) -> IpAddr {
    let low = if side == 0 { 1 } else { 2 };
    IpAddr::from([203, 0, 113, low + 10 * moves])
}

fn host(kind: Nat, side: usize, moves: u8) -> SocketAddr {
    let low = if side == 0 { 1 } else { 2 };
    let ip = if kind == Nat::None { public(side, moves) } else { IpAddr::from([10, moves, low, 2]) };
    SocketAddr::new(ip, 5000)
}
