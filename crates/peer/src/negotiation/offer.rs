//! Offers (RFC 9429 §5.2).

use super::describe::{DataForm, Numbers, Own, Rids, bundle_group, rejected};
use super::transceiver::{Transceiver, word};
use super::{
    Created, Description, IceCredentials, Misuse, Negotiator, OfferOptions, SdpType, SignalingState, Slot,
    Use,
};
use sdp::{Kind, Media, Session, Setup};

impl Negotiator {
    /// Writes an offer of everything that is wanted now (W3C `createOffer`). It changes nothing until it is set.
    ///
    /// # Errors
    /// Closed, in the middle of answering, or too many sections.
    pub fn create_offer(&mut self, options: OfferOptions) -> Result<Description, Misuse> {
        let created = self.new_offer(options)?;
        let text = self.with_candidates(&created.session, Some(&created.ice));
        self.created = Some(Box::new(Created { text: text.clone(), ..created }));
        Ok(Description { kind: SdpType::Offer, sdp: text })
    }

    /// An offer without its text.
    pub(super) fn new_offer(&mut self, options: OfferOptions) -> Result<Created, Misuse> {
        self.open()?;
        if !matches!(self.state, SignalingState::Stable | SignalingState::HaveLocalOffer) {
            return Err(Misuse::State("an offer", self.state));
        }
        if options.ice_restart {
            self.replace = self.current.as_ref().and_then(|pair| pair.ice.clone());
        }
        let (slots, next_mid) = self.offered_slots()?;
        let own = Own { ice: self.offered_credentials(), setup: Setup::ActPass };
        let session = self.offer(&slots, &own);
        self.next_mid = next_mid;
        Ok(Created { session, text: String::new(), offer: true, slots, ice: own.ice })
    }

    /// Which credentials the next offer has: those in force, or new ones for a restart.
    fn offered_credentials(&mut self) -> IceCredentials {
        let wanted = self.current.as_ref().and_then(|pair| pair.ice.as_ref());
        let restart = self.replace.is_some() && self.replace.as_ref() == wanted;
        match &self.ice {
            Some(ice) if !restart => ice.credentials.clone(),
            _ => self.draw_credentials(),
        }
    }

    /// New credentials; the same until they come into force.
    pub(super) fn draw_credentials(&mut self) -> IceCredentials {
        let rng = &mut self.rng;
        // 47 and 142 bits; RFC 8445 §5.3 wants 24 and 128.
        let fresh = || IceCredentials { ufrag: word(rng, 8), pwd: word(rng, 24) };
        self.drawn.get_or_insert_with(fresh).clone()
    }

    /// The sections of the next offer: those there are, with new ones in free places or at the end.
    fn offered_slots(&self) -> Result<(Vec<Slot>, u32), Misuse> {
        let mut slots = self.slots.clone();
        let mut next_mid = self.next_mid;
        let mut place = |kind: Kind, usage: Use| {
            while slots.iter().any(|slot| slot.mid == next_mid.to_string()) {
                next_mid += 1;
            }
            let slot = Slot { mid: next_mid.to_string(), kind, usage };
            next_mid += 1;
            match slots.iter_mut().find(|slot| slot.usage == Use::Free) {
                Some(free) => *free = slot,
                None => slots.push(slot),
            }
        };
        for transceiver in self.transceivers.iter().filter(|t| t.mid.is_none() && !t.stopping) {
            place(transceiver.kind.into(), Use::Transceiver(transceiver.id));
        }
        if self.wants_data && !self.slots.iter().any(|slot| slot.usage == Use::Data) {
            place(Kind::Application, Use::Data);
        }
        if slots.len() > self.config.max_sections { Err(Misuse::TooMany) } else { Ok((slots, next_mid)) }
    }

    fn offer(&self, slots: &[Slot], own: &Own) -> Session {
        let mut session = self.session(None);
        let known = self.current.iter().flat_map(|pair| [&pair.local.session, &pair.remote.session]);
        let mut numbers = Numbers::of(known);
        let (protocol, form) = self.data_form();
        let mut mids = Vec::new();
        for slot in slots {
            let media = match slot.usage {
                Use::Transceiver(id) => self
                    .transceiver(id)
                    .filter(|transceiver| !transceiver.stopping)
                    .and_then(|transceiver| self.offered_media(transceiver, &slot.mid, own, &mut numbers)),
                Use::Data => Some(self.data_section(&slot.mid, protocol, own, form)),
                Use::Free | Use::Refused => None,
            };
            if media.is_some() {
                mids.push(slot.mid.clone());
            }
            session.media.push(media.unwrap_or_else(|| rejected(&slot.kind, slot.mid(), None)));
        }
        // In the order of the sections, so that a section taken over at the front becomes the tagged one: RFC 8843
        // §7.4.1 would keep the old one, but libwebrtc does as we do and refuses anything else ("Failed to setup
        // RTCP mux").
        session.attributes.splice(0..0, bundle_group(mids));
        session
    }

    /// A peer that wrote the old form is offered the old form.
    fn data_form(&self) -> (&'static str, DataForm) {
        let remote = self.current.iter().flat_map(|pair| &pair.remote.session.media);
        let mut old = remote.filter(|media| media.kind == Kind::Application && media.protocol == "DTLS/SCTP");
        if old.any(|media| !media.is_rejected()) {
            ("DTLS/SCTP", DataForm::Old)
        } else {
            ("UDP/DTLS/SCTP", DataForm::Current)
        }
    }

    /// `None` if no payload type is left, or none of the codecs is configured.
    fn offered_media(
        &self,
        transceiver: &Transceiver,
        mid: &str,
        own: &Own,
        numbers: &mut Numbers,
    ) -> Option<Media> {
        let wanted = match &transceiver.preferences {
            Some(preferences) => preferences.as_slice(),
            None => self.config.codecs(transceiver.kind),
        };
        let mut codecs: Vec<super::Codec> = Vec::new();
        for codec in wanted.iter().filter_map(|codec| numbers.codec(codec)) {
            if codecs.iter().all(|known| known.payload_type != codec.payload_type) {
                codecs.push(codec);
            }
        }
        if codecs.is_empty() {
            return None;
        }
        let extensions = self.offered_extensions((transceiver.kind, &codecs), numbers);
        let direction = transceiver.direction();
        let named = transceiver.encodings.iter().filter_map(|encoding| encoding.rid.clone());
        let several =
            |rids: Vec<String>, wanted: bool| if wanted && rids.len() > 1 { rids } else { Vec::new() };
        let rids = Rids {
            send: several(named.collect(), direction.sends()),
            recv: several(transceiver.receive_rids.clone(), direction.receives()),
        };
        let form = (mid, "UDP/TLS/RTP/SAVPF");
        Some(self.rtp_section(transceiver, form, own, (&codecs, extensions), (direction, &rids)))
    }
}
