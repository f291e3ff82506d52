//! What both sides have agreed on.

use std::sync::Arc;

use super::codec::{Codec, Recent, are_alike, codecs, common_feedback};
use super::config::MediaKind;
use super::remote::{self, Transport};
use super::transceiver::{Encoding, Transceiver, TransceiverId};
use super::{
    Described, IceCredentials, Negotiator, Pair, Pending, SdpType, SignalingState, Use,
    answer::offered_simulcast,
};
use sdp::{Attribute, Direction, Media, Session, Setup};

/// What both sides have agreed on: by the last answer, provisional or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Negotiated {
    /// The transport's ICE; `None` before the first answer, and while every section is rejected.
    pub ice: Option<Ice>,
    /// The transport's DTLS; `None` likewise.
    pub dtls: Option<Dtls>,
    /// The sections of sound and pictures that are in use, in their order.
    pub transceivers: Vec<NegotiatedTransceiver>,
    /// The data channels; `None` if there is no section for them.
    pub data: Option<Data>,
}

/// The ICE parameters of both sides (RFC 8839).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ice {
    /// Ours.
    pub local: IceCredentials,
    /// Theirs. When they change together with ours, it is a restart.
    pub remote: IceCredentials,
    /// Whether theirs is an ICE-lite agent.
    pub remote_lite: bool,
    /// Their `a=ice-options`.
    pub remote_options: Vec<String>,
    /// The candidates in their description, each without `candidate:`; at most 256.
    pub remote_candidates: Vec<String>,
    /// Whether their description says that there are no more.
    pub remote_ended: bool,
    /// Whether we begin as the controlling agent (RFC 8445 §6.1.1).
    pub controlling: bool,
}

/// Which side of the DTLS handshake we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DtlsRole {
    /// We begin.
    Client,
    /// They begin.
    Server,
}

/// The DTLS parameters (RFC 8842).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dtls {
    /// Our side. It stays while their fingerprints stay.
    pub role: DtlsRole,
    /// Their fingerprints, each as `sha-256 AB:CD:…`: the certificate must match one. If these change, a new
    /// association is wanted.
    pub remote_fingerprints: Vec<String>,
}

/// A section of sound or pictures in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NegotiatedTransceiver {
    /// Our transceiver.
    pub id: TransceiverId,
    /// Its section.
    pub mid: String,
    /// Sound or pictures.
    pub kind: MediaKind,
    /// What flows, from our side.
    pub direction: Direction,
    /// What we may send, best first: their payload types and parameters.
    pub send_codecs: Arc<[Codec]>,
    /// What we may receive, entry by entry the same codecs: our payload types and parameters.
    pub receive_codecs: Arc<[Codec]>,
    /// The header extensions in use.
    pub extensions: Arc<[ExtensionInUse]>,
    /// What we send if we send; several, with names, are simulcast.
    pub encodings: Vec<Encoding>,
    /// The names of the encodings that they send side by side; empty if there is one.
    pub receive_rids: Vec<String>,
    /// The sources that they announce, at most 64; often none with simulcast.
    pub remote_sources: Vec<RemoteSource>,
    /// The streams that what they send belongs to.
    pub remote_streams: Vec<String>,
    /// Whether both know RTCP of reduced size (RFC 5506).
    pub reduced_size_rtcp: bool,
}

/// A header extension in use (RFC 8285).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtensionInUse {
    /// Its number, 1 to 255.
    pub id: u16,
    /// Its name.
    pub uri: String,
    /// Whether we may send it.
    pub send: bool,
    /// Whether they may send it.
    pub receive: bool,
}

/// A source that the other side announces (RFC 5576).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteSource {
    /// The source.
    pub ssrc: u32,
    /// The source of its retransmissions (`FID`, RFC 4588 §8.8).
    pub rtx: Option<u32>,
    /// Its canonical name.
    pub cname: Option<String>,
}

/// The parameters of the data channels (RFC 8841).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data {
    /// Its section.
    pub mid: String,
    /// Our SCTP port.
    pub local_port: u16,
    /// Their SCTP port.
    pub remote_port: u16,
    /// The largest message that they take, bytes; 65,536 if they do not say; `None` is any.
    pub max_message_size: Option<u64>,
    /// Their INIT chunk in base64 (`a=sctp-init`).
    pub remote_init: Option<String>,
}

/// How the packets of a section look.
#[derive(Clone)]
struct Formats {
    send: Arc<[Codec]>,
    receive: Arc<[Codec]>,
    extensions: Arc<[ExtensionInUse]>,
}

/// A pair of offer and answer as seen from here.
struct View<'a> {
    local: &'a Described,
    remote: &'a Described,
    transport: Option<&'a Transport>,
    ice: Option<&'a IceCredentials>,
}

impl<'a> View<'a> {
    fn of(pair: &'a Pair) -> Self {
        let Pair { local, remote, transport, ice, forgotten: _, own_setup: _ } = pair;
        Self { local, remote, transport: transport.as_ref(), ice: ice.as_ref() }
    }

    /// The formats of a section. Those of the last ones are remembered.
    fn formats(
        &self,
        ours: &'a Media,
        theirs: &'a Media,
        known: &mut Recent<[&'a Media; 2], Formats>,
    ) -> Formats {
        let local_answer = self.local.kind != SdpType::Offer;
        let alike = |a: &[&Media; 2], b: &[&Media; 2]| are_alike(a[0], b[0]) && are_alike(a[1], b[1]);
        known.get([ours, theirs], alike, |[ours, theirs]| {
            let (receive, send) = agreed_codecs(ours, theirs, local_answer);
            let extensions = agreed_extensions(ours, theirs, local_answer).into();
            Formats { send: send.into(), receive: receive.into(), extensions }
        })
    }

    fn own_setup(&self) -> Option<Setup> {
        if self.local.kind == SdpType::Offer {
            return match self.transport?.setup {
                Setup::Active => Some(Setup::Passive),
                Setup::Passive => Some(Setup::Active),
                Setup::ActPass | Setup::HoldConn => None,
            };
        }
        let session = &self.local.session;
        let tagged = remote::bundle(session).first().copied()?;
        session.media[tagged].attributes.iter().find_map(|attribute| match attribute {
            Attribute::Setup(setup) => Some(*setup),
            _ => None,
        })
    }
}

/// Our half of the handshake that a pair agreed on.
pub(super) fn own_setup(pair: &Pair) -> Option<Setup> {
    pair.own_setup.or_else(|| View::of(pair).own_setup())
}

impl Negotiator {
    /// What both sides have agreed on so far. Look again after every description.
    pub fn negotiated(&self) -> Negotiated {
        let provisional =
            matches!(self.state, SignalingState::HaveLocalPranswer | SignalingState::HaveRemotePranswer);
        let view = match (self.pending.as_deref(), &self.current) {
            (Some(Pending { local: Some(local), remote: Some(remote), transport, ice, .. }), _)
                if provisional =>
            {
                View { local, remote, transport: transport.as_ref(), ice: ice.as_ref() }
            }
            (_, Some(pair)) => View::of(pair),
            (_, None) => return Negotiated::default(),
        };
        let mut out = Negotiated { ice: self.ice_of(&view), dtls: dtls(&view), ..Negotiated::default() };
        let sections = view.local.session.media.iter().zip(&view.remote.session.media);
        let mut formats = Recent::new();
        for (slot, (ours, theirs)) in self.slots.iter().zip(sections) {
            let used = ours.port != 0 && !theirs.is_rejected() && ours.mid() == Some(&slot.mid);
            match slot.usage {
                Use::Transceiver(id) if used => {
                    let Some(transceiver) = self.transceiver(id) else { continue };
                    let formats = view.formats(ours, theirs, &mut formats);
                    out.transceivers.push(agreed(transceiver, &slot.mid, &view, (ours, theirs), formats));
                }
                Use::Data if used => out.data = Some(data(&slot.mid, self.config.sctp_port, theirs)),
                Use::Transceiver(_) | Use::Data | Use::Free | Use::Refused => {}
            }
        }
        out
    }

    fn ice_of(&self, view: &View<'_>) -> Option<Ice> {
        let (transport, local) = (view.transport?, view.ice?);
        let first = self.offered_first.unwrap_or(view.local.kind == SdpType::Offer);
        let controlling = match (self.config.ice_lite, transport.lite) {
            (true, false) => false,
            (false, true) => true,
            (true, true) | (false, false) => first,
        };
        Some(Ice {
            local: local.clone(),
            remote: transport.credentials.clone(),
            remote_lite: transport.lite,
            remote_options: transport.options.clone(),
            remote_candidates: transport.candidates.clone(),
            remote_ended: transport.ended,
            controlling,
        })
    }
}

fn dtls(view: &View<'_>) -> Option<Dtls> {
    let remote_fingerprints = view.transport?.fingerprints.clone();
    let role = match view.own_setup()? {
        Setup::Active => DtlsRole::Client,
        Setup::Passive => DtlsRole::Server,
        Setup::ActPass | Setup::HoldConn => return None,
    };
    Some(Dtls { role, remote_fingerprints })
}

fn agreed(
    transceiver: &Transceiver,
    mid: &str,
    view: &View<'_>,
    (ours, theirs): (&Media, &Media),
    formats: Formats,
) -> NegotiatedTransceiver {
    let local_answer = view.local.kind != SdpType::Offer;
    let (answer, session): (&Media, &Session) =
        if local_answer { (ours, &view.local.session) } else { (theirs, &view.remote.session) };
    let direction = session.direction(answer);
    let (sent, received) = offered_simulcast(answer).unwrap_or_default();
    NegotiatedTransceiver {
        id: transceiver.id,
        mid: mid.to_owned(),
        kind: transceiver.kind,
        direction: if local_answer { direction } else { direction.reversed() },
        send_codecs: formats.send,
        receive_codecs: formats.receive,
        extensions: formats.extensions,
        encodings: transceiver.encodings.clone(),
        receive_rids: if local_answer { received } else { sent },
        remote_sources: remote_sources(theirs),
        remote_streams: transceiver.remote_streams.clone(),
        reduced_size_rtcp: [ours, theirs].iter().all(|media| media.has(&Attribute::RtcpRsize)),
    }
}

/// Ours and theirs of every codec in the answer, in its order.
fn agreed_codecs(ours: &Media, theirs: &Media, local_answer: bool) -> (Vec<Codec>, Vec<Codec>) {
    let (ours, theirs) = (codecs(ours), codecs(theirs));
    let (answer, offer) = if local_answer { (&ours, &theirs) } else { (&theirs, &ours) };
    let mut agreed = (Vec::new(), Vec::new());
    for answered in answer {
        let same = |offered: &&Codec| offered.matches(answered);
        let by_type = offer.iter().filter(same).find(|o| o.payload_type == answered.payload_type);
        let Some(offered) = by_type.or_else(|| offer.iter().find(same)) else { continue };
        let (mut own, mut other) = (answered.clone(), offered.clone());
        if !local_answer {
            std::mem::swap(&mut own, &mut other);
        }
        if own.rtx.is_none() || other.rtx.is_none() {
            (own.rtx, other.rtx) = (None, None);
        }
        own.feedback = common_feedback(&own, &other);
        other.feedback.clone_from(&own.feedback);
        agreed.0.push(own);
        agreed.1.push(other);
    }
    agreed
}

fn agreed_extensions(ours: &Media, theirs: &Media, local_answer: bool) -> Vec<ExtensionInUse> {
    let (answer, offer) = if local_answer { (ours, theirs) } else { (theirs, ours) };
    // As many as there are numbers.
    const MOST: usize = 256;
    let maps = |media: &Media| -> Vec<sdp::ExtMap> {
        let maps = media.attributes.iter().filter_map(|attribute| match attribute {
            Attribute::ExtMap(map) => Some(map.clone()),
            _ => None,
        });
        maps.take(MOST).collect()
    };
    let offered = maps(offer);
    let mut agreed: Vec<ExtensionInUse> = Vec::new();
    for map in maps(answer) {
        let known = offered.iter().any(|offered| offered.uri == map.uri);
        if map.id >= 256 || !known || agreed.iter().any(|agreed| agreed.id == map.id || agreed.uri == map.uri)
        {
            continue;
        }
        let said = map.direction.unwrap_or(Direction::SendRecv);
        let direction = if local_answer { said } else { said.reversed() };
        let (send, receive) = (direction.sends(), direction.receives());
        agreed.push(ExtensionInUse { id: map.id, uri: map.uri, send, receive });
    }
    agreed
}

fn remote_sources(media: &Media) -> Vec<RemoteSource> {
    const MOST: usize = 64;
    let mut sources: Vec<RemoteSource> = Vec::new();
    for attribute in &media.attributes {
        let Attribute::Ssrc(ssrc) = attribute else { continue };
        let cname = (ssrc.attribute == "cname").then(|| ssrc.value.clone()).flatten();
        if let Some(source) = sources.iter_mut().find(|source| source.ssrc == ssrc.ssrc) {
            source.cname = source.cname.take().or(cname);
        } else if sources.len() < MOST {
            sources.push(RemoteSource { ssrc: ssrc.ssrc, rtx: None, cname });
        }
    }
    for attribute in &media.attributes {
        let Attribute::SsrcGroup(group) = attribute else { continue };
        if let ("FID", [first, repair]) = (group.semantics.as_str(), group.ssrcs.as_slice()) {
            sources.iter_mut().filter(|s| s.ssrc == *first).for_each(|source| source.rtx = Some(*repair));
            if first != repair {
                sources.retain(|source| source.ssrc != *repair);
            }
        }
    }
    sources
}

fn data(mid: &str, local_port: u16, theirs: &Media) -> Data {
    let find = |pick: fn(&Attribute) -> Option<u64>| theirs.attributes.iter().find_map(pick);
    let port = find(|attribute| match attribute {
        Attribute::SctpPort(port) => Some(u64::from(*port)),
        Attribute::SctpMap(map) => Some(u64::from(map.port)),
        _ => None,
    });
    let size = find(|a| if let Attribute::MaxMessageSize(size) = a { Some(*size) } else { None });
    let init = theirs.attributes.iter().find_map(|attribute| match attribute {
        Attribute::SctpInit(init) => Some(init.clone()),
        _ => None,
    });
    Data {
        mid: mid.to_owned(),
        local_port,
        // RFC 8841 §5.2 and §6.2: what holds if nothing is said.
        remote_port: port.and_then(|port| u16::try_from(port).ok()).unwrap_or(5000),
        max_message_size: Some(size.unwrap_or(65_536)).filter(|size| *size != 0),
        remote_init: init,
    }
}
