use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use dtls::{Certificate, SrtpProfile, Version};
use wire::Transport;

use crate::{MediaConfig, negotiation};

/// A TURN server and our account there.
#[derive(Clone, PartialEq, Eq)]
pub struct TurnServer {
    /// Its address.
    pub address: SocketAddr,
    /// The name in its certificate, for TLS; empty otherwise.
    pub name: String,
    /// How to reach it.
    pub transport: Transport,
    /// The user name.
    pub username: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for TurnServer {
    /// Leaves the password out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TurnServer({:?} {})", self.transport, self.address)
    }
}

/// What a [`crate::Peer`] is told at its beginning.
#[derive(Clone, Debug)]
pub struct Config {
    /// Our identity for DTLS; its fingerprint goes into our descriptions.
    pub certificate: Certificate,
    /// Codecs, header extensions and limits of descriptions. The fingerprints are filled in.
    pub negotiation: negotiation::Config,
    /// ICE: STUN servers, pacing, patience. Role and credentials are filled in.
    pub ice: ice::Config,
    /// TURN servers, each of which is asked for one relayed address.
    pub turn_servers: Vec<TurnServer>,
    /// Whether only relayed addresses are used and told (W3C `iceTransportPolicy: "relay"`), so that the other side
    /// does not learn ours.
    pub relay_only: bool,
    /// The versions of DTLS.
    pub dtls_versions: Vec<Version>,
    /// The SRTP profiles, the preferred first.
    pub srtp_profiles: Vec<SrtpProfile>,
    /// Data channels: windows, buffers, timers. Ports, role and the peer's limits are filled in.
    pub sctp: sctp::Config,
    /// Whether larger packets for data channels are looked for on a path of UDP between the two, up to
    /// [`sctp::Config::max_mtu`] (RFC 8899). Only for a driver that does what [`wire::Transmit::fragments`] says, and whose
    /// buffer holds 64 KiB; what it cannot send whole it drops, and best tells of ([`crate::Peer::probe_refused`]).
    pub probe_path: bool,
    /// Whether the parameters of SCTP travel in the descriptions (`a=sctp-init`, draft-hancke-tsvwg-snap), which saves its
    /// handshake, a round trip or more, with a peer that does the same. Others ignore the attribute.
    pub sctp_in_sdp: bool,
    /// Whether the handshake of DTLS may travel in the checks of ICE (draft-hancke-webrtc-sped, `a=ice-options: sped`), which
    /// saves a round trip, and time where packets are lost, with a peer that knows it too. Others ignore the option.
    pub dtls_in_stun: bool,
    /// Sound and pictures.
    pub media: MediaConfig,
}

impl Config {
    /// The usual configuration for this identity.
    pub fn new(certificate: Certificate) -> Self {
        let role = dtls::Config::new(certificate.clone(), dtls::Role::Client);
        Self {
            certificate,
            negotiation: negotiation::Config::default(),
            ice: ice::Config::default(),
            turn_servers: Vec::new(),
            relay_only: false,
            dtls_versions: role.versions,
            srtp_profiles: role.srtp_profiles,
            sctp: sctp::Config::default(),
            probe_path: false,
            sctp_in_sdp: true,
            dtls_in_stun: true,
            media: MediaConfig::default(),
        }
    }
}

/// A configuration for any number of peers, who have it in common: it takes more memory than the rest of an idle peer.
#[derive(Clone, Debug)]
pub struct SharedConfig {
    /// Without that of the descriptions, which is the other.
    pub(crate) config: Arc<Config>,
    pub(crate) negotiation: Arc<negotiation::Config>,
}

impl From<Config> for SharedConfig {
    fn from(mut config: Config) -> Self {
        let mut negotiation = std::mem::replace(&mut config.negotiation, negotiation::Config::nothing());
        negotiation.fingerprints = vec![config.certificate.fingerprint().to_string()];
        negotiation.max_message_size = config.sctp.max_message_size as u64;
        negotiation.sctp_port = config.sctp.local_port;
        negotiation.dtls_in_stun = config.dtls_in_stun;
        Self { config: Arc::new(config), negotiation: Arc::new(negotiation) }
    }
}
