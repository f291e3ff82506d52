//! What is counted (W3C webrtc-stats, by its names where it has one).

use std::time::Duration;

use ice::Agent;
use sctp::Association;

use crate::{ConnectionState, MediaStats, Peer};

/// What the peer itself counts.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counters {
    /// Bytes sent over all transports, without the headers of UDP and IP.
    pub bytes_sent: u64,
    /// Datagrams and framed messages sent.
    pub packets_sent: u64,
    /// Bytes received.
    pub bytes_received: u64,
    /// Datagrams and framed messages received.
    pub packets_received: u64,
    /// What was dropped, by reason.
    pub dropped: Dropped,
}

/// What was dropped, by reason.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Dropped {
    /// No protocol that is spoken here, or from nobody it is spoken with.
    pub unknown: u64,
    /// Before it was agreed what to do with it.
    pub early: u64,
    /// Candidates that cannot be read or belong to no description.
    pub candidates: u64,
    /// Packets that could not be sealed because the connection had ended.
    pub unsealed: u64,
}

/// What the handshake has agreed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Security {
    /// The version of DTLS (W3C `tlsVersion`).
    pub version: dtls::Version,
    /// What encrypts data (W3C `dtlsCipher`).
    pub cipher: dtls::Cipher,
}

/// The state of everything at one moment (W3C `getStats`).
#[derive(Clone, Debug)]
pub struct Stats {
    /// Where the connection stands.
    pub connection_state: ConnectionState,
    /// What the peer counts.
    pub transport: Counters,
    /// Checks of ICE, in sum.
    pub ice: Option<ice::Stats>,
    /// The candidate pairs.
    pub candidate_pairs: Vec<ice::PairStats>,
    /// Our candidates.
    pub local_candidates: Vec<ice::CandidateStats>,
    /// Those of the other side.
    pub remote_candidates: Vec<ice::CandidateStats>,
    /// What the handshake has agreed on, once it is complete.
    pub security: Option<Security>,
    /// Records.
    pub dtls: Option<dtls::Stats>,
    /// Data channels, in sum.
    pub data: Option<sctp::Stats>,
    /// The largest packet of theirs that the path is known to carry, in bytes of SCTP.
    pub data_packet_size: Option<usize>,
    /// Sound and pictures; `None` while none are negotiated.
    pub media: Option<MediaStats>,
    /// Data channels open now.
    pub data_channels_open: usize,
    /// The round trip on the selected pair, as last measured by a check.
    pub current_round_trip_time: Option<Duration>,
}

impl Peer {
    /// Everything that is known now.
    pub fn get_stats(&self) -> Stats {
        let agent = self.agent.as_ref();
        let candidate_pairs: Vec<_> = agent.into_iter().flat_map(Agent::pair_stats).collect();
        let selected = candidate_pairs.iter().find(|pair| pair.selected);
        Stats {
            connection_state: self.state,
            transport: self.counters,
            ice: agent.map(|agent| *agent.stats()),
            current_round_trip_time: selected.and_then(|pair| pair.current_round_trip_time),
            candidate_pairs,
            local_candidates: agent.into_iter().flat_map(Agent::local_candidate_stats).collect(),
            remote_candidates: agent.into_iter().flat_map(Agent::remote_candidate_stats).collect(),
            security: self.security,
            dtls: self.dtls.as_ref().map(|dtls| *dtls.stats()),
            data: self.sctp.as_deref().map(Association::stats).copied(),
            data_packet_size: self.sctp.as_deref().map(Association::packet_size),
            media: self.media.as_ref().map(|media| media.stats()),
            data_channels_open: self.channels.values().filter(|channel| channel.open).count(),
        }
    }
}
