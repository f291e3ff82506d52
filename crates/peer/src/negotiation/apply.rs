//! Putting descriptions into force and taking them back (RFC 9429 §5.5 to §5.11; W3C WebRTC §4.4.1.5).

use super::answer::offered_simulcast;
use super::config::MediaKind;
use super::remote::{self, Content, Transport};
use super::transceiver::{Encoding, Transceiver, TransceiverId, TransceiverInit};
use super::{
    Created, Described, Description, Event, IceCredentials, LocalIce, Misuse, Negotiator, OfferOptions, Pair,
    Pending, RemoteError, SdpType, SignalingState, Slot, Undo, UndoTransceiver, Use,
};
use sdp::{Attribute, Direction, Media, Session};

impl Negotiator {
    /// Puts a local description into force (W3C `setLocalDescription`). `None` creates the one that is due.
    ///
    /// # Errors
    /// Closed, not in this state, or not what was created last.
    pub fn set_local_description(&mut self, description: Option<&Description>) -> Result<(), Misuse> {
        self.open()?;
        let Some(description) = description else { return self.set_what_is_due() };
        match description.kind {
            SdpType::Rollback if self.state == SignalingState::HaveLocalOffer => self.roll_back(),
            SdpType::Rollback => return Err(Misuse::State("a rollback of a local offer", self.state)),
            SdpType::Offer => {
                if !matches!(self.state, SignalingState::Stable | SignalingState::HaveLocalOffer) {
                    return Err(Misuse::State("a local offer", self.state));
                }
                let created = self.take_created(description, true)?;
                self.apply_local_offer(created);
            }
            SdpType::Answer | SdpType::Pranswer => {
                if !matches!(self.state, SignalingState::HaveRemoteOffer | SignalingState::HaveLocalPranswer)
                {
                    return Err(Misuse::State("a local answer", self.state));
                }
                let created = self.take_created(description, false)?;
                self.apply_local_answer(created, description.kind);
            }
        }
        Ok(())
    }

    fn set_what_is_due(&mut self) -> Result<(), Misuse> {
        if matches!(self.state, SignalingState::HaveRemoteOffer | SignalingState::HaveLocalPranswer) {
            let created = self.new_answer()?;
            self.created = None;
            self.apply_local_answer(created, SdpType::Answer);
        } else {
            let created = self.new_offer(OfferOptions::default())?;
            self.created = None;
            self.apply_local_offer(created);
        }
        Ok(())
    }

    fn take_created(&mut self, description: &Description, offer: bool) -> Result<Created, Misuse> {
        let same = |created: &mut Box<Created>| created.offer == offer && created.text == description.sdp;
        self.created.take_if(same).map(|created| *created).ok_or(Misuse::Modified)
    }

    /// Takes the other side's description (W3C `setRemoteDescription`). An offer rolls back a pending one.
    ///
    /// # Errors
    /// Closed, not in this state, or a description that cannot be used. Then nothing has changed.
    pub fn set_remote_description(&mut self, description: &Description) -> Result<(), RemoteError> {
        self.open()?;
        match description.kind {
            SdpType::Rollback if self.state == SignalingState::HaveRemoteOffer => {
                self.roll_back();
                Ok(())
            }
            SdpType::Rollback => Err(Misuse::State("a rollback of a remote offer", self.state).into()),
            SdpType::Offer => self.take_offer(&description.sdp),
            SdpType::Answer | SdpType::Pranswer => self.take_answer(&description.sdp, description.kind),
        }
    }

    fn take_offer(&mut self, text: &str) -> Result<(), RemoteError> {
        let pending = matches!(self.state, SignalingState::HaveLocalOffer | SignalingState::HaveRemoteOffer);
        if !pending && self.state != SignalingState::Stable {
            return Err(Misuse::State("a remote offer", self.state).into());
        }
        let session = Session::parse(text)?;
        let slots = self.pending.as_ref().map_or(&self.slots, |pending| &pending.undo.slots);
        let transport = remote::check_offer(&session, slots, self.config.max_sections)?;
        if pending {
            self.roll_back();
        }
        self.apply_remote_offer(session, transport);
        Ok(())
    }

    fn take_answer(&mut self, text: &str, kind: SdpType) -> Result<(), RemoteError> {
        let wrong = Misuse::State("a remote answer", self.state);
        if !matches!(self.state, SignalingState::HaveLocalOffer | SignalingState::HaveRemotePranswer) {
            return Err(wrong.into());
        }
        let session = Session::parse(text)?;
        let offer = self.pending.as_ref().and_then(|pending| pending.local.as_ref()).ok_or(wrong)?;
        let transport = remote::check_answer(&session, &offer.session)?;
        if let Some(pending) = &mut self.pending {
            pending.remote = Some(Described { kind, session: session.clone() });
            pending.transport = transport;
        }
        self.created = None;
        self.answered(kind, SignalingState::HaveRemotePranswer);
        self.receive(&session);
        Ok(())
    }

    fn apply_local_offer(&mut self, created: Created) {
        let undo = self.pending.take().map_or_else(|| self.undo(), |pending| pending.undo);
        self.slots = created.slots;
        self.name_sections();
        if self.ice.is_none() {
            self.put_credentials(&created.ice);
        }
        self.version += 1;
        self.pending = Some(Box::new(Pending {
            local: Some(Described { kind: SdpType::Offer, session: created.session }),
            remote: None,
            transport: None,
            ice: Some(created.ice),
            undo,
        }));
        self.enter(SignalingState::HaveLocalOffer);
    }

    fn apply_local_answer(&mut self, created: Created, kind: SdpType) {
        self.version += 1;
        if kind == SdpType::Pranswer {
            // The same text may become the answer.
            self.created = Some(Box::new(created.clone()));
        }
        if let Some(pending) = &mut self.pending {
            pending.local = Some(Described { kind, session: created.session });
            pending.ice = Some(created.ice);
        }
        self.answered(kind, SignalingState::HaveLocalPranswer);
    }

    fn apply_remote_offer(&mut self, session: Session, transport: Option<Transport>) {
        let undo = self.undo();
        for (at, media) in session.media.iter().enumerate() {
            if self.slots.get(at).is_some_and(|slot| slot.usage != Use::Free) {
                continue;
            }
            let usage = self.usage(&session, media);
            let mid = media.mid().filter(|_| usage != Use::Refused).unwrap_or_default().to_owned();
            let slot = Slot { mid, kind: media.kind.clone(), usage };
            match self.slots.get_mut(at) {
                Some(free) => *free = slot,
                None => self.slots.push(slot),
            }
            self.name_sections();
        }
        self.adopt_encodings(&session);
        self.created = None;
        self.enter(SignalingState::HaveRemoteOffer);
        self.receive(&session);
        let remote = Some(Described { kind: SdpType::Offer, session });
        self.pending = Some(Box::new(Pending { local: None, remote, transport, ice: None, undo }));
    }

    /// What a new section of an offer is for (RFC 9429 §5.10).
    fn usage(&mut self, session: &Session, media: &Media) -> Use {
        let kind = MediaKind::of(&media.kind);
        match (remote::content(media), kind) {
            _ if media.is_rejected() => Use::Refused,
            (Content::Data, _) if self.slots.iter().all(|slot| slot.usage != Use::Data) => Use::Data,
            // Rolled back offers leave transceivers to which the program has given something to send.
            (Content::Rtp, Some(kind)) if self.transceivers.len() < 2 * self.config.max_sections => {
                Use::Transceiver(self.associate(kind, session.direction(media).receives()))
            }
            _ => Use::Refused,
        }
    }

    /// A transceiver for a section of an offer: one that `add_track` made and that has no section, if the other
    /// side would receive, else a new one.
    fn associate(&mut self, kind: MediaKind, wanted: bool) -> TransceiverId {
        let fits = |t: &&Transceiver| t.by_add_track && t.kind == kind && t.mid.is_none() && !t.stopping;
        if let Some(transceiver) = self.transceivers.iter().find(fits).filter(|_| wanted) {
            return transceiver.id;
        }
        let init = TransceiverInit { direction: Direction::RecvOnly, ..TransceiverInit::default() };
        let id = self.insert_transceiver(kind, init);
        self.transceivers.iter_mut().filter(|t| t.id == id).for_each(|t| t.by_pending_offer = true);
        id
    }

    /// An offer to receive several encodings names them for a sender that has named none (W3C: proposed encodings).
    fn adopt_encodings(&mut self, session: &Session) {
        for (slot, media) in self.slots.iter().zip(&session.media) {
            let Use::Transceiver(id) = slot.usage else { continue };
            let Some((_, wanted)) = offered_simulcast(media).filter(|(_, wanted)| wanted.len() > 1) else {
                continue;
            };
            let Some(transceiver) = self.transceivers.iter_mut().find(|t| t.id == id) else { continue };
            let named = transceiver.encodings.iter().any(|encoding| encoding.rid.is_some());
            if !named && transceiver.current_direction.is_none() {
                let rng = &mut self.rng;
                transceiver.encodings = wanted.into_iter().map(|rid| Encoding::new(Some(rid), rng)).collect();
            }
        }
    }

    /// Notes what a remote description says it sends (W3C "process remote tracks").
    fn receive(&mut self, session: &Session) {
        for (at, media) in session.media.iter().enumerate() {
            let Some(Use::Transceiver(id)) = self.slots.get(at).map(|slot| slot.usage) else { continue };
            let Some(transceiver) = self.transceivers.iter_mut().find(|t| t.id == id) else { continue };
            let sends = !media.is_rejected() && session.direction(media).sends();
            let before = std::mem::replace(&mut transceiver.receiving, sends);
            transceiver.remote_streams = if sends { remote_streams(media) } else { Vec::new() };
            match (before, sends) {
                (false, true) => {
                    let streams = transceiver.remote_streams.clone();
                    self.event(Event::Track(id, streams));
                }
                (true, false) => self.event(Event::TrackRemoved(id)),
                (true, true) | (false, false) => {}
            }
        }
    }

    /// An answer of either side is there.
    fn answered(&mut self, kind: SdpType, provisional: SignalingState) {
        if let Some(ice) = self.pending.as_ref().and_then(|pending| pending.ice.clone()) {
            self.put_credentials(&ice);
        }
        self.conclude(kind == SdpType::Answer);
        if kind != SdpType::Answer {
            return self.enter(provisional);
        }
        let pending = self.pending.take().map(|pending| *pending);
        let Some(Pending { local: Some(local), remote: Some(remote), transport, ice, .. }) = pending else {
            return;
        };
        self.offered_first.get_or_insert(local.kind == SdpType::Offer);
        if self.replace != ice {
            self.replace = None;
        }
        let used = local.session.media.iter().zip(&remote.session.media);
        let used = used.into_iter().any(|(ours, theirs)| ours.port != 0 && !theirs.is_rejected());
        let (transport, ice) = (transport.filter(|_| used), ice.filter(|_| used));
        if !used {
            // The transport has ended with its last section; the next one has nothing of it.
            (self.ice, self.offered_first) = (None, None);
        }
        self.current = Some(Pair { local, remote, transport, ice, forgotten: false, own_setup: None });
        self.enter(SignalingState::Stable);
        self.needed = false;
        self.update_negotiation_needed();
    }

    /// What the answer means for each section; a final one also ends what is rejected.
    fn conclude(&mut self, last: bool) {
        // What is pending is not looked at meanwhile, and descriptions of many sections are not copied for this.
        let Some(pending) = self.pending.take() else { return };
        if let (Some(local), Some(remote)) = (&pending.local, &pending.remote) {
            self.conclude_sections(local, remote, last);
        }
        self.pending = Some(pending);
    }

    fn conclude_sections(&mut self, local: &Described, remote: &Described, last: bool) {
        let local_offer = local.kind == SdpType::Offer;
        for at in 0..self.slots.len().min(local.session.media.len()) {
            let (ours, theirs) = (&local.session.media[at], &remote.session.media[at]);
            // Only offers can be bundle-only, and ours never are.
            let refused = ours.port == 0 || theirs.is_rejected();
            match self.slots[at].usage {
                Use::Transceiver(id) if refused && last => self.remove(id),
                Use::Transceiver(id) if !refused => {
                    let direction = if local_offer {
                        remote.session.direction(theirs).reversed()
                    } else {
                        local.session.direction(ours)
                    };
                    let answer = if local_offer { theirs } else { ours };
                    let (send, recv) = offered_simulcast(answer).unwrap_or_default();
                    if local_offer {
                        self.agree(id, direction, last.then_some(recv));
                    } else {
                        self.agree(id, direction, last.then_some(send));
                        self.keep_receiving(id, direction, last.then_some(recv));
                    }
                }
                Use::Data if refused && last => self.wants_data = false,
                Use::Transceiver(_) | Use::Data | Use::Free | Use::Refused => {}
            }
            if refused && last {
                self.slots[at].usage = Use::Free;
            }
        }
        if last {
            self.transceivers.iter_mut().for_each(|transceiver| transceiver.by_pending_offer = false);
            self.name_sections();
        }
    }

    /// A section is in use in this direction; `accepted` are the encodings that a final answer takes.
    fn agree(&mut self, id: TransceiverId, direction: Direction, accepted: Option<Vec<String>>) {
        let Some(transceiver) = self.transceivers.iter_mut().find(|t| t.id == id) else { return };
        transceiver.current_direction = Some(direction);
        transceiver.has_sent |= direction.sends();
        let Some(accepted) = accepted.filter(|_| direction.sends() && transceiver.encodings.len() > 1) else {
            return;
        };
        let kept = |encoding: &Encoding| encoding.rid.as_ref().is_some_and(|rid| accepted.contains(rid));
        if transceiver.encodings.iter().any(kept) {
            transceiver.encodings.retain(kept);
        } else {
            // RFC 8853 §5.3.3: no simulcast; one encoding remains, and needs no name.
            transceiver.encodings.truncate(1);
            transceiver.encodings[0].rid = None;
        }
    }

    /// What our answer takes side by side our later offers ask for, else it would end with them.
    fn keep_receiving(&mut self, id: TransceiverId, direction: Direction, accepted: Option<Vec<String>>) {
        let transceiver = self.transceivers.iter_mut().find(|t| t.id == id);
        if let (Some(transceiver), Some(accepted), true) = (transceiver, accepted, direction.receives()) {
            transceiver.receive_rids = accepted;
        }
    }

    fn put_credentials(&mut self, credentials: &IceCredentials) {
        if self.ice.as_ref().is_some_and(|ice| ice.credentials == *credentials) {
            return;
        }
        if self.drawn.as_ref() == Some(credentials) {
            self.drawn = None;
        }
        self.ice = Some(LocalIce { credentials: credentials.clone(), candidates: Vec::new(), ended: false });
    }

    fn undo(&self) -> Undo {
        let kept = |transceiver: &Transceiver| UndoTransceiver {
            id: transceiver.id,
            current_direction: transceiver.current_direction,
            receiving: transceiver.receiving,
            remote_streams: transceiver.remote_streams.clone(),
            encodings: transceiver.encodings.clone(),
        };
        Undo { slots: self.slots.clone(), transceivers: self.transceivers.iter().map(kept).collect() }
    }

    /// Back to stable (RFC 9429 §4.1.10.2). What the program asked for meanwhile stays asked for.
    fn roll_back(&mut self) {
        let Some(pending) = self.pending.take() else { return };
        let undo = pending.undo;
        self.slots = undo.slots;
        self.created = None;
        for before in undo.transceivers {
            let Some(transceiver) = self.transceivers.iter_mut().find(|t| t.id == before.id) else {
                continue;
            };
            transceiver.current_direction = before.current_direction;
            transceiver.remote_streams = before.remote_streams;
            transceiver.encodings = before.encodings;
            let receiving = std::mem::replace(&mut transceiver.receiving, before.receiving);
            if receiving && !before.receiving {
                self.event(Event::TrackRemoved(before.id));
            }
        }
        self.name_sections();
        for transceiver in &mut self.transceivers {
            // What the offer made stays only if something is to be sent over it by now.
            if std::mem::take(&mut transceiver.by_pending_offer) {
                transceiver.stopping |= !transceiver.has_track;
                transceiver.by_add_track = true;
                transceiver.receiving = false;
                transceiver.current_direction = None;
            }
        }
        let gone = self.transceivers.iter().filter(|t| t.stopping && t.mid.is_none());
        for id in gone.map(|t| t.id).collect::<Vec<_>>() {
            self.remove(id);
        }
        self.enter(SignalingState::Stable);
        self.needed = false;
        self.update_negotiation_needed();
    }
}

/// The streams of a section by identifier: from `a=msid`, or from `a=ssrc` as older peers write it.
fn remote_streams(media: &Media) -> Vec<String> {
    const MOST: usize = 16;
    let mut streams: Vec<String> = Vec::new();
    let mut add = |stream: &str| {
        if stream != "-" && streams.len() < MOST && !streams.iter().any(|known| known == stream) {
            streams.push(stream.to_owned());
        }
    };
    for attribute in &media.attributes {
        match attribute {
            Attribute::Msid(msid) => add(&msid.stream),
            Attribute::Ssrc(ssrc) if ssrc.attribute == "msid" => {
                ssrc.value.iter().filter_map(|value| value.split(' ').next()).for_each(&mut add);
            }
            _ => {}
        }
    }
    streams
}
