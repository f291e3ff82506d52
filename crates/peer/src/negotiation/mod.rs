//! Negotiation: offers, answers, and what both sides agree on (RFC 9429, which replaced RFC 8829; W3C WebRTC §4.4).
//!
//! A [`Negotiator`] knows what the program wants (transceivers, data channels) and writes it down in descriptions; it
//! reads the other side's; and [`Negotiator::negotiated`] says what is to be done: which codec under which payload
//! type in which direction, who begins the DTLS handshake, which ICE credentials are in force. It opens nothing and
//! sends nothing, and needs no clock.
//!
//! All sections share one transport (the policy `max-bundle`), RTP and RTCP share it too (`require`).
//!
//! # In short
//!
//! ```
//! use peer::negotiation::{Config, MediaKind, Negotiator, SignalingState, TransceiverInit};
//! use wire::Rng;
//!
//! let config = || Config { fingerprints: vec!["sha-256 AB:CD:EF".to_owned()], ..Config::default() };
//! let mut a = Negotiator::new(config(), Rng::from_number(1)).unwrap();
//! let mut b = Negotiator::new(config(), Rng::from_number(2)).unwrap();
//! let voice = a.add_transceiver(MediaKind::Audio, TransceiverInit::default()).unwrap();
//! a.use_data_channels().unwrap();
//! assert!(a.negotiation_needed());
//!
//! a.set_local_description(None).unwrap(); // writes the offer
//! b.set_remote_description(&a.local_description().unwrap()).unwrap();
//! b.set_local_description(None).unwrap(); // writes the answer
//! a.set_remote_description(&b.local_description().unwrap()).unwrap();
//!
//! assert_eq!(a.signaling_state(), SignalingState::Stable);
//! let agreed = a.negotiated();
//! let voice = agreed.transceivers.iter().find(|t| t.id == voice).unwrap();
//! assert_eq!(voice.send_codecs[0].name, "opus");
//! assert_eq!(agreed.data.unwrap().remote_port, 5000);
//! ```
//!
//! # Perfect negotiation
//!
//! W3C WebRTC §10.7 works as it stands. On [`Event::NegotiationNeeded`]: `set_local_description(None)`, and send
//! [`Negotiator::local_description`]. On a description from the other side: if it is an offer and the state is not
//! stable, the impolite side drops it; the polite side passes it on, which rolls its own offer back by itself. After an
//! offer: `set_local_description(None)` and send the answer.
//!
//! # What ICE has to do
//!
//! Credentials are drawn here. [`Negotiator::local_ice`] gives those in force: from the first local description on,
//! and after a restart from the answer on, so that a restart that is rolled back leaves the old path alone. Whenever
//! they change, the agent starts (anew) with them. Candidates of the agent go into [`Negotiator::add_local_candidate`],
//! those of the other side through [`Negotiator::remote_candidate`] into the agent.
//!
//! # Standards
//!
//! | | |
//! | --- | --- |
//! | RFC 9429/8829 JSEP | offers, answers, provisional answers, rollback (implicit too), recycling of sections; left out: bundle policies other than `max-bundle`, `rtcp-mux` `negotiate` (nobody needs them who speaks to browsers), `imageattr`, pre-gathered candidate pools |
//! | RFC 3264, 8843, 5888, 8830 | offer/answer, BUNDLE (accepts `bundle-only`; offers a port in every section, because Pion and aiortc take port 0 for a rejection), `mid`, `msid` |
//! | RFC 8839, 8840 | credentials, lite, options, candidates, end of candidates, restart |
//! | RFC 8842, 5763 | fingerprints, `actpass`, `active`, `passive` |
//! | RFC 8285, 4585, 4588, 5576 | header extension numbers, feedback, retransmissions, sources |
//! | RFC 8851, 8853 | simulcast in both directions; left out: alternatives (the first is taken) and restrictions (ignored) |
//! | RFC 8841 | `sctp-port`, `max-message-size`, and the older form with `sctpmap` |
//! | RFC 6184, 9628, 7798 | which codecs are the same |

mod answer;
mod apply;
mod codec;
mod config;
mod describe;
mod error;
mod needed;
mod offer;
mod outcome;
mod remote;
mod transceiver;
mod verbs;

pub use codec::Codec;
pub use config::{
    ABS_SEND_TIME, AUDIO_LEVEL, Config, ConfigError, DEPENDENCY, DTLS_IN_STUN, HeaderExtension, MID,
    MediaKind, REPAIRED_RID, RID, TRANSPORT_CC, VIDEO_ORIENTATION,
};
pub use error::{Misuse, RemoteError};
pub use outcome::{
    Data, Dtls, DtlsRole, ExtensionInUse, Ice, Negotiated, NegotiatedTransceiver, RemoteSource,
};
pub use sdp::Direction;
pub use transceiver::{Encoding, Transceiver, TransceiverId, TransceiverInit};

use remote::Transport;
use sdp::{Attribute, Kind, Session};
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use wire::Rng;

/// Where the exchange of descriptions stands (W3C WebRTC §4.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalingState {
    /// Nothing is being negotiated.
    Stable,
    /// A local offer waits for its answer.
    HaveLocalOffer,
    /// A remote offer waits for its answer.
    HaveRemoteOffer,
    /// A remote offer has a provisional answer.
    HaveLocalPranswer,
    /// A local offer has a provisional answer.
    HaveRemotePranswer,
    /// [`Negotiator::close`] was called.
    Closed,
}

impl fmt::Display for SignalingState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stable => "stable",
            Self::HaveLocalOffer => "have-local-offer",
            Self::HaveRemoteOffer => "have-remote-offer",
            Self::HaveLocalPranswer => "have-local-pranswer",
            Self::HaveRemotePranswer => "have-remote-pranswer",
            Self::Closed => "closed",
        })
    }
}

/// The kinds of description (W3C WebRTC §4.6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SdpType {
    /// Begins a negotiation.
    Offer,
    /// A provisional answer.
    Pranswer,
    /// Ends a negotiation.
    Answer,
    /// Takes back the pending offer; its text is empty.
    Rollback,
}

/// A description as it travels.
#[derive(Clone, PartialEq, Eq)]
pub struct Description {
    /// What it is.
    pub kind: SdpType,
    /// Its text.
    pub sdp: String,
}

impl fmt::Debug for Description {
    /// Leaves the text out: it has passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({} bytes)", self.kind, self.sdp.len())
    }
}

/// The user fragment and password of one side (RFC 8839 §5.4).
#[derive(Clone, PartialEq, Eq)]
pub struct IceCredentials {
    /// 4 to 256 characters.
    pub ufrag: String,
    /// 22 to 256 characters.
    pub pwd: String,
}

impl fmt::Debug for IceCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:…", self.ufrag)
    }
}

/// Something happened that a program wants to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The signalling state has changed, to this.
    SignalingState(SignalingState),
    /// It is time for an offer.
    NegotiationNeeded,
    /// The other side announces to send here; its streams by identifier.
    Track(TransceiverId, Vec<String>),
    /// The other side no longer sends here.
    TrackRemoved(TransceiverId),
    /// The transceiver has ended and is gone.
    Stopped(TransceiverId),
}

/// What [`Negotiator::create_offer`] may be asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct OfferOptions {
    /// New ICE credentials (RFC 8839 §4.4.1.1.1).
    pub ice_restart: bool,
}

/// One media section as it stands on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Slot {
    mid: String,
    kind: Kind,
    usage: Use,
}

impl Slot {
    /// A section that was rejected from the start may have none.
    fn mid(&self) -> Option<&str> {
        (!self.mid.is_empty()).then_some(self.mid.as_str())
    }
}

/// What a media section is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Transceiver(TransceiverId),
    Data,
    /// Rejected by both: the next one takes it over (RFC 9429 §5.2.2).
    Free,
    /// Of the pending description, and about to be rejected.
    Refused,
}

/// A description in force or pending.
#[derive(Clone, Debug)]
struct Described {
    kind: SdpType,
    session: Session,
}

/// The last pair of offer and answer.
#[derive(Clone, Debug)]
struct Pair {
    local: Described,
    remote: Described,
    /// `None` while every section is rejected.
    transport: Option<Transport>,
    /// Which credentials of ours it has; `None` likewise.
    ice: Option<IceCredentials>,
    /// The sections of the descriptions have been thrown away, all but our half of the handshake.
    forgotten: bool,
    own_setup: Option<sdp::Setup>,
}

/// A negotiation under way.
#[derive(Clone, Debug)]
struct Pending {
    local: Option<Described>,
    remote: Option<Described>,
    transport: Option<Transport>,
    /// The credentials in the local description.
    ice: Option<IceCredentials>,
    /// What a rollback puts back.
    undo: Undo,
}

/// The state before a negotiation began.
#[derive(Clone, Debug)]
struct Undo {
    slots: Vec<Slot>,
    transceivers: Vec<UndoTransceiver>,
}

#[derive(Clone, Debug)]
struct UndoTransceiver {
    id: TransceiverId,
    current_direction: Option<Direction>,
    receiving: bool,
    remote_streams: Vec<String>,
    encodings: Vec<Encoding>,
}

/// A description that was created and not yet set.
#[derive(Clone, Debug)]
struct Created {
    session: Session,
    text: String,
    offer: bool,
    slots: Vec<Slot>,
    ice: IceCredentials,
}

/// Our side of ICE in force.
#[derive(Clone, Debug)]
struct LocalIce {
    credentials: IceCredentials,
    candidates: Vec<String>,
    ended: bool,
}

/// Negotiates. See the [module](self).
#[derive(Debug)]
pub struct Negotiator {
    config: Arc<Config>,
    /// Our INIT chunk in base64 (`a=sctp-init`), for peers that know it.
    sctp_init: Option<String>,
    rng: Rng,
    state: SignalingState,
    transceivers: Vec<Transceiver>,
    next_transceiver: u32,
    next_mid: u32,
    wants_data: bool,
    slots: Vec<Slot>,
    current: Option<Pair>,
    // Elsewhere, because most of its life nothing is pending.
    pending: Option<Box<Pending>>,
    created: Option<Box<Created>>,
    ice: Option<LocalIce>,
    /// Credentials drawn for the next restart, so that two offers in a row have the same.
    drawn: Option<IceCredentials>,
    /// `restart_ice`: these are to be replaced (W3C: `[[LocalIceCredentialsToReplace]]`).
    replace: Option<IceCredentials>,
    /// Whether we made the first offer: then we control ICE (RFC 8445 §6.1.1).
    offered_first: Option<bool>,
    session_id: String,
    version: u64,
    cname: String,
    needed: bool,
    events: VecDeque<Event>,
    lost_events: u64,
}

/// Events that wait to be polled; above this the oldest is dropped and counted.
const MAX_EVENTS: usize = 4_096;
/// Local candidates kept for the description; more are not written down.
const MAX_LOCAL_CANDIDATES: usize = 256;

impl Negotiator {
    /// A negotiation before its first description. The same seed and the same calls give the same descriptions.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn new(config: impl Into<Arc<Config>>, mut seed: Rng) -> Result<Self, ConfigError> {
        let config = config.into();
        config.check()?;
        // RFC 9429 §5.2.1: 63 random bits; libraries exist that read no more than that.
        let session_id = (seed.next_u64() >> 1).to_string();
        let cname = transceiver::word(&mut seed, 16);
        Ok(Self {
            config,
            sctp_init: None,
            rng: seed,
            state: SignalingState::Stable,
            transceivers: Vec::new(),
            next_transceiver: 0,
            next_mid: 0,
            wants_data: false,
            slots: Vec::new(),
            current: None,
            pending: None,
            created: None,
            ice: None,
            drawn: None,
            replace: None,
            offered_first: None,
            session_id,
            version: 0,
            cname,
            needed: false,
            events: VecDeque::new(),
            lost_events: 0,
        })
    }

    /// Sets our INIT chunk in base64, for descriptions from now on.
    pub(crate) fn set_sctp_init(&mut self, init: Option<String>) {
        self.sctp_init = init;
    }

    /// Where the exchange stands.
    pub fn signaling_state(&self) -> SignalingState {
        self.state
    }

    /// What happened since; call until `None`.
    pub fn poll_event(&mut self) -> Option<Event> {
        loop {
            let event = self.events.pop_front()?;
            // W3C §4.7.3: by the time it is told, it must still be true.
            let stale = !self.needed || self.state != SignalingState::Stable;
            if event != Event::NegotiationNeeded || !stale {
                return Some(event);
            }
        }
    }

    /// Events dropped because nobody polled for them.
    pub fn lost_events(&self) -> u64 {
        self.lost_events
    }

    /// The transceivers that have not been stopped, in the order of their making.
    pub fn transceivers(&self) -> &[Transceiver] {
        &self.transceivers
    }

    /// A transceiver by its name; `None` once it is stopped.
    pub fn transceiver(&self, id: TransceiverId) -> Option<&Transceiver> {
        self.transceivers.iter().find(|transceiver| transceiver.id == id)
    }

    /// The transceiver of a media section.
    pub fn transceiver_by_mid(&self, mid: &str) -> Option<&Transceiver> {
        self.transceivers.iter().find(|transceiver| transceiver.mid() == Some(mid))
    }

    /// Our CNAME (RFC 7022), for RTCP.
    pub fn cname(&self) -> &str {
        &self.cname
    }

    /// The local description, pending or in force, with all candidates so far.
    pub fn local_description(&self) -> Option<Description> {
        self.pending_local_description().or_else(|| self.current_local_description())
    }

    /// The local description under negotiation.
    pub fn pending_local_description(&self) -> Option<Description> {
        let pending = self.pending.as_ref()?;
        Some(self.written(pending.local.as_ref()?, pending.ice.as_ref()))
    }

    /// The local description in force.
    pub fn current_local_description(&self) -> Option<Description> {
        let pair = self.current.as_ref().filter(|pair| !pair.forgotten)?;
        Some(self.written(&pair.local, pair.ice.as_ref()))
    }

    /// The remote description, pending or in force.
    pub fn remote_description(&self) -> Option<Description> {
        let forgotten = self.pending.is_none() && self.current.as_ref().is_some_and(|pair| pair.forgotten);
        self.remote()
            .filter(|_| !forgotten)
            .map(|described| Description { kind: described.kind, sdp: described.session.to_string() })
    }

    fn remote(&self) -> Option<&Described> {
        let pending = self.pending.as_ref().and_then(|pending| pending.remote.as_ref());
        pending.or(self.current.as_ref().map(|pair| &pair.remote))
    }

    fn written(&self, described: &Described, ice: Option<&IceCredentials>) -> Description {
        Description { kind: described.kind, sdp: self.with_candidates(&described.session, ice) }
    }

    /// The text of a description of ours, with the candidates of its credentials in the tagged section.
    fn with_candidates(&self, session: &Session, ice: Option<&IceCredentials>) -> String {
        let Some(known) = self.ice.as_ref().filter(|known| Some(&known.credentials) == ice) else {
            return session.to_string();
        };
        let Some(tagged) = remote::bundle(session).first().copied() else { return session.to_string() };
        let candidates = known.candidates.iter().cloned().map(Attribute::Candidate);
        let added: Vec<_> = candidates.chain(known.ended.then_some(Attribute::EndOfCandidates)).collect();
        session.to_string_with(tagged, &added)
    }

    fn event(&mut self, event: Event) {
        if self.events.len() == MAX_EVENTS {
            self.events.pop_front();
            self.lost_events += 1;
        }
        self.events.push_back(event);
    }

    fn enter(&mut self, state: SignalingState) {
        if self.state != state {
            self.state = state;
            self.event(Event::SignalingState(state));
        }
    }

    fn open(&self) -> Result<(), Misuse> {
        if self.state == SignalingState::Closed { Err(Misuse::Closed) } else { Ok(()) }
    }

    /// Writes into every transceiver which section it has.
    fn name_sections(&mut self) {
        for transceiver in &mut self.transceivers {
            let own = self.slots.iter().find(|slot| slot.usage == Use::Transceiver(transceiver.id));
            transceiver.mid = own.map(|slot| slot.mid.clone());
        }
    }

    fn find(&mut self, id: TransceiverId) -> Result<&mut Transceiver, Misuse> {
        self.open()?;
        let found = self.transceivers.iter_mut().find(|transceiver| transceiver.id == id);
        found.filter(|transceiver| !transceiver.stopping).ok_or(Misuse::NoTransceiver)
    }
}
