//! Writing our side: the session, and media sections of each sort (RFC 9429 §5.2.1, §5.3.1).

use super::codec::{Codec, Lists};
use super::config::{DTLS_IN_STUN, MediaKind};
use super::transceiver::Transceiver;
use super::{IceCredentials, Negotiator, remote};
use sdp::{
    Attribute, Direction, ExtMap, Group, Kind, Line, Media, Msid, Origin, Password, Rid, RidDirection,
    SctpMap, Session, Setup, Simulcast, SimulcastStream, Ssrc, SsrcGroup, Unknown,
};

/// What every section says about the transport.
#[derive(Clone, Debug)]
pub(super) struct Own {
    pub(super) ice: IceCredentials,
    pub(super) setup: Setup,
}

/// Simulcast of one section: the streams we send and those we receive.
#[derive(Clone, Debug, Default)]
pub(super) struct Rids {
    pub(super) send: Vec<String>,
    pub(super) recv: Vec<String>,
}

/// The form of a data section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DataForm {
    /// RFC 8841.
    Current,
    /// `DTLS/SCTP` with `sctpmap`, as aiortc has it.
    Old,
}

/// What of the numbers of a session is taken: payload types and header extensions, on either side.
#[derive(Debug)]
pub(super) struct Numbers {
    /// Codecs whose payload types stay (RFC 8843 §10.1.2), ours first.
    known: Vec<Codec>,
    taken: [bool; 128],
    /// Header extensions and their numbers.
    pub(super) extensions: Vec<(u16, String)>,
}

/// Codecs remembered of a session: as many as there are payload types. More, which only differ in parameters, are
/// passed over.
const MAX_KNOWN: usize = 128;

impl Numbers {
    /// Those of the sessions, the first one's counting most.
    pub(super) fn of<'a>(sessions: impl Iterator<Item = &'a Session>) -> Self {
        let mut numbers = Self::none();
        let mut lists = Lists::new();
        for media in sessions.flat_map(carries_rtp) {
            for payload_type in media.formats.iter().filter_map(|format| format.parse::<usize>().ok()) {
                if let Some(taken) = numbers.taken.get_mut(payload_type) {
                    *taken = true;
                }
            }
            for codec in lists.of(media).iter() {
                let room = numbers.known.len() < MAX_KNOWN;
                if room && !numbers.known.iter().any(|known| known.matches(codec)) {
                    numbers.known.push(codec.clone());
                }
            }
            numbers.keep_extensions(media);
        }
        numbers
    }

    /// The header extensions only, for an answer, which has the payload types of the offer.
    pub(super) fn of_extensions(session: &Session) -> Self {
        let mut numbers = Self::none();
        carries_rtp(session).for_each(|media| numbers.keep_extensions(media));
        numbers
    }

    fn none() -> Self {
        Self { known: Vec::new(), taken: [false; 128], extensions: Vec::new() }
    }

    fn keep_extensions(&mut self, media: &Media) {
        for attribute in &media.attributes {
            let Attribute::ExtMap(ExtMap { id, uri, .. }) = attribute else { continue };
            if *id < 256 && !self.extensions.iter().any(|(known, name)| known == id || name == uri) {
                self.extensions.push((*id, uri.clone()));
            }
        }
    }

    /// The number of an extension: the one it has, else the one it prefers, else any; `None` if all are taken.
    pub(super) fn extension(&mut self, uri: &str, preferred: u16) -> Option<u16> {
        if let Some((id, _)) = self.extensions.iter().find(|(_, name)| name == uri) {
            return Some(*id);
        }
        let free = |id: &u16| !self.extensions.iter().any(|(known, _)| known == id);
        // 15 is reserved (RFC 8285 §4.2); above it headers take two bytes.
        let id = std::iter::once(preferred).chain(1..=14).chain(16..=255).find(free)?;
        self.extensions.push((id, uri.to_owned()));
        Some(id)
    }

    /// One of our codecs with the payload types that the session has for it, else with free ones.
    pub(super) fn codec(&mut self, ours: &Codec) -> Option<Codec> {
        let known = self.known.iter().find(|known| known.matches(ours));
        let (known_type, known_rtx) = known.map_or((None, None), |k| (Some(k.payload_type), k.rtx));
        let payload_type = match known_type {
            Some(payload_type) => payload_type,
            None => self.take(ours.payload_type)?,
        };
        let rtx = match (ours.rtx, known_rtx) {
            (None, _) => None,
            (Some(_), Some(known)) => Some(known),
            (Some(preferred), None) => self.take(preferred),
        };
        let codec = Codec { payload_type, rtx, ..ours.clone() };
        match self.known.iter_mut().find(|known| known.matches(ours)) {
            Some(known) => known.rtx = known.rtx.or(rtx),
            None => self.known.push(codec.clone()),
        }
        Some(codec)
    }

    fn take(&mut self, preferred: u8) -> Option<u8> {
        // From 64 to 95 RTCP could not be told from RTP (RFC 5761 §4).
        let candidates = std::iter::once(preferred).chain(96..128).chain(35..64);
        let free = candidates.into_iter().find(|payload_type| !self.taken[usize::from(*payload_type)])?;
        self.taken[usize::from(free)] = true;
        Some(free)
    }
}

/// The sections of sound and pictures that are not rejected.
fn carries_rtp(session: &Session) -> impl Iterator<Item = &Media> {
    session
        .media
        .iter()
        .filter(|media| !media.is_rejected() && remote::content(media) == remote::Content::Rtp)
}

/// Whether a description has this ICE option, for all of it or in a section.
fn has_ice_option(session: &Session, name: &str) -> bool {
    let attributes =
        session.attributes.iter().chain(session.media.iter().flat_map(|media| &media.attributes));
    let mut options = attributes.filter_map(|attribute| match attribute {
        Attribute::IceOptions(options) => Some(options),
        _ => None,
    });
    options.any(|options| options.iter().any(|option| option == name))
}

impl Negotiator {
    /// A session without sections; an answer to this offer. Its version follows that of the last local description.
    pub(super) fn session(&self, offer: Option<&Session>) -> Session {
        let mut attributes = vec![Attribute::ExtMapAllowMixed];
        let mut options = self.config.ice_options.clone();
        if self.config.dtls_in_stun {
            let known = DTLS_IN_STUN.into_iter().filter(|name| offer.is_none_or(|o| has_ice_option(o, name)));
            options.extend(known.map(str::to_owned));
        }
        if !options.is_empty() {
            attributes.push(Attribute::IceOptions(options));
        }
        if self.config.ice_lite {
            attributes.push(Attribute::IceLite);
        }
        attributes.push(Attribute::MsidSemantic("WMS *".to_owned()));
        Session {
            origin: Origin {
                username: "-".to_owned(),
                session_id: self.session_id.clone(),
                version: self.version + 1,
                address: "IN IP4 127.0.0.1".to_owned(),
            },
            name: "-".to_owned(),
            lines: vec![Line::Other('t', "0 0".to_owned())],
            attributes,
            media: Vec::new(),
        }
    }

    /// The attributes of the transport, the same in every section.
    fn transport_attributes(&self, own: &Own, mid: &str) -> Vec<Attribute> {
        let mut attributes = vec![
            Attribute::IceUfrag(own.ice.ufrag.clone()),
            Attribute::IcePwd(Password(own.ice.pwd.clone())),
        ];
        attributes.extend(self.config.fingerprints.iter().cloned().map(Attribute::Fingerprint));
        attributes.push(Attribute::Setup(own.setup));
        attributes.push(Attribute::Mid(mid.to_owned()));
        attributes
    }

    /// A section of sound or pictures.
    pub(super) fn rtp_section(
        &self,
        transceiver: &Transceiver,
        (mid, protocol): (&str, &str),
        own: &Own,
        (codecs, extensions): (&[Codec], Vec<ExtMap>),
        (direction, rids): (Direction, &Rids),
    ) -> Media {
        let mut attributes = self.transport_attributes(own, mid);
        let rtcp = Unknown { name: "rtcp".to_owned(), value: Some("9 IN IP4 0.0.0.0".to_owned()) };
        attributes.push(Attribute::Other(rtcp));
        attributes.extend(extensions.into_iter().map(Attribute::ExtMap));
        attributes.push(Attribute::Direction(direction));
        if direction.sends() {
            attributes.extend(msids(transceiver));
        }
        attributes.extend([Attribute::RtcpMux, Attribute::RtcpRsize]);
        for codec in codecs {
            codec.attributes(&mut attributes);
        }
        rid_attributes(rids, &mut attributes);
        if direction.sends() && rids.send.is_empty() {
            self.source_attributes(transceiver, codecs, &mut attributes);
        }
        let types = codecs.iter().flat_map(|codec| [Some(codec.payload_type), codec.rtx]).flatten();
        Media {
            kind: transceiver.kind.into(),
            port: 9,
            ports: None,
            protocol: protocol.to_owned(),
            formats: types.map(|payload_type| payload_type.to_string()).collect(),
            lines: vec![Line::Connection("IN IP4 0.0.0.0".to_owned())],
            attributes,
        }
    }

    /// The one source and its repair; with simulcast the header extensions tell (RFC 8853 §5.5).
    fn source_attributes(&self, transceiver: &Transceiver, codecs: &[Codec], out: &mut Vec<Attribute>) {
        let Some(encoding) = transceiver.encodings.first() else { return };
        let cname = |ssrc| {
            let value = Some(self.cname.clone());
            Attribute::Ssrc(Ssrc { ssrc, attribute: "cname".to_owned(), value })
        };
        if codecs.iter().any(|codec| codec.rtx.is_some()) {
            let ssrcs = vec![encoding.ssrc, encoding.rtx_ssrc];
            out.push(Attribute::SsrcGroup(SsrcGroup { semantics: "FID".to_owned(), ssrcs }));
            out.extend([cname(encoding.ssrc), cname(encoding.rtx_ssrc)]);
        } else {
            out.push(cname(encoding.ssrc));
        }
    }

    /// The section of the data channels.
    pub(super) fn data_section(&self, mid: &str, protocol: &str, own: &Own, form: DataForm) -> Media {
        let port = self.config.sctp_port;
        let mut attributes = self.transport_attributes(own, mid);
        let format = match form {
            DataForm::Current => {
                attributes.push(Attribute::SctpPort(port));
                "webrtc-datachannel".to_owned()
            }
            DataForm::Old => {
                let (protocol, streams) = ("webrtc-datachannel".to_owned(), Some(65_535));
                attributes.push(Attribute::SctpMap(SctpMap { port, protocol, streams }));
                port.to_string()
            }
        };
        attributes.push(Attribute::MaxMessageSize(self.config.max_message_size));
        attributes.extend(self.sctp_init.clone().map(Attribute::SctpInit));
        Media {
            kind: Kind::Application,
            port: 9,
            ports: None,
            protocol: protocol.to_owned(),
            formats: vec![format],
            lines: vec![Line::Connection("IN IP4 0.0.0.0".to_owned())],
            attributes,
        }
    }

    /// The extensions that we know for a kind and these codecs, with their numbers in an offer.
    pub(super) fn offered_extensions(
        &self,
        (kind, codecs): (MediaKind, &[Codec]),
        numbers: &mut Numbers,
    ) -> Vec<ExtMap> {
        let known = self.config.extensions(kind).filter(|extension| extension.is_for(codecs));
        let numbered = known.filter_map(|extension| {
            let id = numbers.extension(&extension.uri, extension.id)?;
            Some(ExtMap { id, direction: None, uri: extension.uri.clone(), attributes: None })
        });
        numbered.collect()
    }
}

/// A section that carries nothing (RFC 3264 §6): what it would have been, and port 0.
pub(super) fn rejected(kind: &Kind, mid: Option<&str>, like: Option<&Media>) -> Media {
    let (protocol, format) = match kind {
        Kind::Application => ("UDP/DTLS/SCTP", "webrtc-datachannel"),
        Kind::Audio | Kind::Video | Kind::Other(_) => ("UDP/TLS/RTP/SAVPF", "0"),
    };
    let mut attributes: Vec<_> = mid.map(|mid| Attribute::Mid(mid.to_owned())).into_iter().collect();
    attributes.push(Attribute::Direction(Direction::Inactive));
    Media {
        kind: kind.clone(),
        port: 0,
        ports: None,
        protocol: like.map_or_else(|| protocol.to_owned(), |media| media.protocol.clone()),
        formats: like.map_or_else(|| vec![format.to_owned()], |media| media.formats[..1].to_vec()),
        lines: vec![Line::Connection("IN IP4 0.0.0.0".to_owned())],
        attributes,
    }
}

/// The bundle of a session as an attribute; none if nothing is in it.
pub(super) fn bundle_group(mids: Vec<String>) -> Option<Attribute> {
    (!mids.is_empty()).then(|| Attribute::Group(Group { semantics: "BUNDLE".to_owned(), mids }))
}

/// The streams that what is sent belongs to (RFC 8830); `-` is none.
pub(super) fn msids(transceiver: &Transceiver) -> impl Iterator<Item = Attribute> + '_ {
    let none = transceiver.streams.is_empty().then_some("-");
    let streams = transceiver.streams.iter().map(String::as_str).chain(none);
    streams.map(|stream| {
        let (stream, track) = (stream.to_owned(), Some(transceiver.track.clone()));
        Attribute::Msid(Msid { stream, track })
    })
}

fn rid_attributes(rids: &Rids, out: &mut Vec<Attribute>) {
    let rid = |id: &String, direction| {
        let (payload_types, restrictions) = (Vec::new(), Vec::new());
        Attribute::Rid(Rid { id: id.clone(), direction, payload_types, restrictions })
    };
    out.extend(rids.send.iter().map(|id| rid(id, RidDirection::Send)));
    out.extend(rids.recv.iter().map(|id| rid(id, RidDirection::Recv)));
    let streams = |ids: &[String]| -> Vec<_> {
        ids.iter().map(|id| vec![SimulcastStream { rid: id.clone(), paused: false }]).collect()
    };
    let simulcast = Simulcast { send: streams(&rids.send), recv: streams(&rids.recv) };
    if simulcast != Simulcast::default() {
        out.push(Attribute::Simulcast(simulcast));
    }
}
