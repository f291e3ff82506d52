//! Answers (RFC 9429 §5.3).

use std::sync::Arc;

use super::codec::{Codec, Lists, Recent, are_alike};
use super::config::MediaKind;
use super::describe::{DataForm, Numbers, Own, Rids, bundle_group, rejected};
use super::remote;
use super::transceiver::{MAX_ENCODINGS, Transceiver};
use super::{Created, Description, IceCredentials, Misuse, Negotiator, SdpType, SignalingState, Use};
use sdp::{Attribute, Direction, ExtMap, Media, Session, Setup, SimulcastStream};

/// What is known of the sections of an offer while it is answered.
struct Known<'a> {
    numbers: Numbers,
    lists: Lists<'a>,
    /// What we have in common, without regard to preferences.
    common: Recent<(MediaKind, &'a Media), Arc<[Codec]>>,
}

impl Negotiator {
    /// Writes the answer to the pending remote offer (W3C `createAnswer`). It changes nothing until it is set.
    ///
    /// # Errors
    /// Closed, or no remote offer is pending.
    pub fn create_answer(&mut self) -> Result<Description, Misuse> {
        let created = self.new_answer()?;
        let text = self.with_candidates(&created.session, Some(&created.ice));
        self.created = Some(Box::new(Created { text: text.clone(), ..created }));
        Ok(Description { kind: SdpType::Answer, sdp: text })
    }

    /// The answer to the pending remote offer, without its text.
    pub(super) fn new_answer(&mut self) -> Result<Created, Misuse> {
        self.open()?;
        if !matches!(self.state, SignalingState::HaveRemoteOffer | SignalingState::HaveLocalPranswer) {
            return Err(Misuse::State("an answer", self.state));
        }
        let own = Own { setup: self.answered_setup(), ice: self.answered_credentials() };
        let offer = self.pending.as_ref().and_then(|pending| pending.remote.as_ref());
        let offer = offer.ok_or(Misuse::State("an answer", self.state))?;
        let session = self.answer(&offer.session, &own);
        let slots = self.slots.clone();
        Ok(Created { session, text: String::new(), offer: false, slots, ice: own.ice })
    }

    /// Whether the pending offer restarts ICE: it has other credentials than before (RFC 8839 §4.4.1.1.1).
    fn is_restarted(&self) -> bool {
        let before = self.current.as_ref().and_then(|pair| pair.transport.as_ref());
        let offered = self.pending.as_ref().and_then(|pending| pending.transport.as_ref());
        matches!((before, offered), (Some(before), Some(offered)) if before.credentials != offered.credentials)
    }

    fn answered_credentials(&mut self) -> IceCredentials {
        match &self.ice {
            Some(ice) if !self.is_restarted() => ice.credentials.clone(),
            _ => self.draw_credentials(),
        }
    }

    /// Who begins the handshake (RFC 8842 §5.3): as the offer says; if it leaves the choice, as before while the
    /// certificate stays, else we, which saves a round trip, unless the configuration leaves it to them.
    fn answered_setup(&self) -> Setup {
        let Some(offered) = self.pending.as_ref().and_then(|pending| pending.transport.as_ref()) else {
            return Setup::Active;
        };
        match offered.setup {
            Setup::Active => return Setup::Passive,
            Setup::Passive => return Setup::Active,
            Setup::ActPass | Setup::HoldConn => {}
        }
        let before = self.current.as_ref().filter(|pair| {
            pair.transport.as_ref().is_some_and(|before| before.fingerprints == offered.fingerprints)
        });
        let first = if self.config.answer_passive { Setup::Passive } else { Setup::Active };
        before.and_then(super::outcome::own_setup).unwrap_or(first)
    }

    fn answer(&self, offer: &Session, own: &Own) -> Session {
        let mut session = self.session(Some(offer));
        let bundle = remote::bundle(offer);
        let numbers = Numbers::of_extensions(offer);
        let mut known = Known { numbers, lists: Lists::new(), common: Recent::new() };
        for (at, media) in offer.media.iter().enumerate() {
            let usage = self.slots.get(at).map_or(Use::Refused, |slot| slot.usage);
            let answered = match (usage, media.mid()) {
                (Use::Transceiver(id), Some(mid)) if bundle.contains(&at) => {
                    self.transceiver(id).filter(|transceiver| !transceiver.stopping).and_then(|transceiver| {
                        self.answered_media(transceiver, (offer, media, mid), own, &mut known)
                    })
                }
                (Use::Data, Some(mid)) if bundle.contains(&at) && !media.is_rejected() => {
                    let form = if media.protocol == "DTLS/SCTP" { DataForm::Old } else { DataForm::Current };
                    let mut answered = self.data_section(mid, &media.protocol, own, form);
                    // Only who has offered it knows what to do with it.
                    let is_init = |attribute: &Attribute| matches!(attribute, Attribute::SctpInit(_));
                    if !media.attributes.iter().any(is_init) {
                        answered.attributes.retain(|attribute| !is_init(attribute));
                    }
                    Some(answered)
                }
                _ => None,
            };
            let refused = || rejected(&media.kind, media.mid(), Some(media));
            session.media.push(answered.unwrap_or_else(refused));
        }
        // RFC 8843 §7.3: no bundle in the answer that was not in the offer; the order stays.
        if offer.groups("BUNDLE").next().is_some() {
            let taken = bundle.iter().filter(|at| session.media[**at].port != 0);
            let mids = taken.filter_map(|at| offer.media[*at].mid().map(str::to_owned)).collect();
            session.attributes.splice(0..0, bundle_group(mids));
        }
        session
    }

    /// `None` rejects: nothing in common.
    fn answered_media<'a>(
        &self,
        transceiver: &Transceiver,
        (offer, media, mid): (&Session, &'a Media, &str),
        own: &Own,
        known: &mut Known<'a>,
    ) -> Option<Media> {
        if media.is_rejected() {
            return None;
        }
        let codecs = self.common_codecs(transceiver, media, known);
        if codecs.is_empty() {
            return None;
        }
        let direction = transceiver.direction().and(offer.direction(media).reversed());
        let extensions = self.common_extensions((transceiver, &codecs), media, &mut known.numbers);
        let rids = self.common_rids(transceiver, media, direction);
        let form = (mid, media.protocol.as_str());
        Some(self.rtp_section(transceiver, form, own, (&codecs, extensions), (direction, &rids)))
    }

    /// In the order of the offer (RFC 9429 §5.3.1), or of the program's preferences if it has any.
    fn common_codecs<'a>(
        &self,
        transceiver: &Transceiver,
        media: &'a Media,
        known: &mut Known<'a>,
    ) -> Arc<[Codec]> {
        let (kind, lists) = (transceiver.kind, &mut known.lists);
        if let Some(preferences) = &transceiver.preferences {
            let offered = lists.of(media);
            let pairs = preferences.iter().flat_map(|ours| offered.iter().map(move |theirs| (ours, theirs)));
            return answered(pairs.filter(|(ours, theirs)| ours.matches(theirs)));
        }
        let alike = |a: &(MediaKind, &Media), b: &(MediaKind, &Media)| a.0 == b.0 && are_alike(a.1, b.1);
        known.common.get((kind, media), alike, |_| {
            let own = self.config.codecs(kind);
            let first = |theirs| Some((own.iter().find(|ours| ours.matches(theirs))?, theirs));
            answered(lists.of(media).iter().filter_map(first))
        })
    }

    /// The offered extensions that we know, under the offered numbers (RFC 8285 §5).
    fn common_extensions(
        &self,
        (transceiver, codecs): (&Transceiver, &[Codec]),
        media: &Media,
        numbers: &mut Numbers,
    ) -> Vec<ExtMap> {
        let mut common: Vec<ExtMap> = Vec::new();
        for attribute in &media.attributes {
            let Attribute::ExtMap(offered) = attribute else { continue };
            let mut ours = self.config.extensions(transceiver.kind);
            let known = ours.find(|known| known.uri == offered.uri && known.is_for(codecs));
            let (Some(known), true) = (known, common.iter().all(|map| map.uri != offered.uri)) else {
                continue;
            };
            // Offered without a number: the answer chooses one.
            let id =
                if offered.id < 256 { Some(offered.id) } else { numbers.extension(&known.uri, known.id) };
            common.extend(id.map(|id| ExtMap {
                id,
                direction: offered.direction.map(Direction::reversed),
                uri: offered.uri.clone(),
                attributes: None,
            }));
        }
        common
    }

    /// What of the offered simulcast is taken (RFC 8853 §5.3).
    fn common_rids(&self, transceiver: &Transceiver, media: &Media, direction: Direction) -> Rids {
        let mut rids = Rids::default();
        let Some((sent, received)) = offered_simulcast(media) else { return rids };
        if direction.receives() && self.config.receive_simulcast {
            rids.recv = sent;
        }
        if direction.sends() {
            let named = transceiver.encodings.iter().filter_map(|encoding| encoding.rid.clone());
            rids.send = named.filter(|rid| received.contains(rid)).collect();
        }
        for list in [&mut rids.send, &mut rids.recv] {
            if list.len() < 2 {
                list.clear();
            }
        }
        rids
    }
}

/// Our side of pairs of codecs, each of theirs once.
fn answered<'a>(pairs: impl Iterator<Item = (&'a Codec, &'a Codec)>) -> Arc<[Codec]> {
    let mut common: Vec<Codec> = Vec::new();
    for (ours, theirs) in pairs {
        if common.iter().all(|codec| codec.payload_type != theirs.payload_type) {
            common.push(ours.answered(theirs));
        }
    }
    common.into()
}

/// Entries of a simulcast list that are looked at.
const MAX_LISTED: usize = 64;

/// The streams that an offer would send and receive, by name; of alternatives the first.
pub(super) fn offered_simulcast(media: &Media) -> Option<(Vec<String>, Vec<String>)> {
    let described = |stream: &SimulcastStream| {
        let is_it = |attribute: &Attribute| matches!(attribute, Attribute::Rid(rid) if rid.id == stream.rid);
        media.attributes.iter().any(is_it)
    };
    let first = |streams: &[Vec<SimulcastStream>]| -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let streams = streams.iter().filter_map(|alternatives| alternatives.first()).take(MAX_LISTED);
        for stream in streams.filter(|stream| described(stream)) {
            if names.len() < MAX_ENCODINGS && !names.contains(&stream.rid) {
                names.push(stream.rid.clone());
            }
        }
        names
    };
    media.attributes.iter().find_map(|attribute| match attribute {
        Attribute::Simulcast(simulcast) => Some((first(&simulcast.send), first(&simulcast.recv))),
        _ => None,
    })
}
