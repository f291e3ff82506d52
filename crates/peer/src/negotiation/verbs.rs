//! What a program may ask for besides descriptions.

use super::codec::Codec;
use super::config::MediaKind;
use super::error::Misuse;
use super::transceiver::{Transceiver, TransceiverId, TransceiverInit, check_streams};
use super::{IceCredentials, LocalIce, MAX_LOCAL_CANDIDATES, Negotiator, SignalingState, Use, remote};
use sdp::Direction;

impl Negotiator {
    /// Adds a transceiver (W3C `addTransceiver`).
    ///
    /// # Errors
    /// Closed, too many, or a name that cannot stand in a description.
    pub fn add_transceiver(
        &mut self,
        kind: MediaKind,
        init: TransceiverInit,
    ) -> Result<TransceiverId, Misuse> {
        self.open()?;
        init.check()?;
        if self.transceivers.len() >= self.config.max_sections {
            return Err(Misuse::TooMany);
        }
        let id = self.insert_transceiver(kind, init);
        self.update_negotiation_needed();
        Ok(id)
    }

    pub(super) fn insert_transceiver(&mut self, kind: MediaKind, init: TransceiverInit) -> TransceiverId {
        let id = TransceiverId(self.next_transceiver);
        self.next_transceiver += 1;
        self.transceivers.push(Transceiver::new(id, kind, init, &mut self.rng));
        id
    }

    /// Sends something more (W3C `addTrack`): over a transceiver that has never sent, if there is one of the kind,
    /// else over a new one that an offer of the other side may take.
    ///
    /// # Errors
    /// As [`Negotiator::add_transceiver`].
    pub fn add_track(&mut self, kind: MediaKind, streams: Vec<String>) -> Result<TransceiverId, Misuse> {
        self.open()?;
        check_streams(&streams)?;
        let idle = |t: &&mut Transceiver| t.kind == kind && !t.stopping && !t.has_track && !t.has_sent;
        if let Some(transceiver) = self.transceivers.iter_mut().find(idle) {
            transceiver.direction = Direction::new(true, transceiver.direction.receives());
            transceiver.streams = streams;
            transceiver.has_track = true;
            let id = transceiver.id;
            self.update_negotiation_needed();
            return Ok(id);
        }
        let id = self.add_transceiver(kind, TransceiverInit { streams, ..TransceiverInit::default() })?;
        self.find(id)?.by_add_track = true;
        Ok(id)
    }

    /// Sends no longer (W3C `removeTrack`); what is received goes on.
    ///
    /// # Errors
    /// There is no such transceiver.
    pub fn remove_track(&mut self, id: TransceiverId) -> Result<(), Misuse> {
        let transceiver = self.find(id)?;
        transceiver.has_track = false;
        transceiver.direction = Direction::new(false, transceiver.direction.receives());
        self.update_negotiation_needed();
        Ok(())
    }

    /// Changes what is wanted (W3C `RTCRtpTransceiver.direction`).
    ///
    /// # Errors
    /// There is no such transceiver.
    pub fn set_direction(&mut self, id: TransceiverId, direction: Direction) -> Result<(), Misuse> {
        self.find(id)?.direction = direction;
        self.update_negotiation_needed();
        Ok(())
    }

    /// Changes the streams that what is sent belongs to (W3C `RTCRtpSender.setStreams`).
    ///
    /// # Errors
    /// There is no such transceiver, or a name that cannot stand in a description.
    pub fn set_streams(&mut self, id: TransceiverId, streams: Vec<String>) -> Result<(), Misuse> {
        check_streams(&streams)?;
        self.find(id)?.streams = streams;
        self.update_negotiation_needed();
        Ok(())
    }

    /// Which codecs to use from the next description on, and in what order (W3C `setCodecPreferences`); none is
    /// the order of the configuration.
    ///
    /// # Errors
    /// There is no such transceiver, or none of the codecs is configured.
    pub fn set_codec_preferences(&mut self, id: TransceiverId, codecs: &[Codec]) -> Result<(), Misuse> {
        let kind = self.find(id)?.kind;
        let own = self.config.codecs(kind);
        let known = codecs.iter().filter_map(|codec| own.iter().find(|own| own.matches(codec)).cloned());
        let known: Vec<_> = known.collect();
        if known.is_empty() && !codecs.is_empty() {
            return Err(Misuse::Codecs);
        }
        self.find(id)?.preferences = (!known.is_empty()).then_some(known);
        Ok(())
    }

    /// Ends a transceiver for good (W3C `stop`). The other side learns of it with the next description; a
    /// transceiver without a section is gone at once.
    ///
    /// # Errors
    /// There is no such transceiver.
    pub fn stop(&mut self, id: TransceiverId) -> Result<(), Misuse> {
        let transceiver = self.find(id)?;
        transceiver.stopping = true;
        if transceiver.mid.is_none() {
            let written = |created: &super::Created| {
                created.slots.iter().any(|slot| slot.usage == Use::Transceiver(id))
            };
            if self.created.as_deref().is_some_and(written) {
                self.created = None;
            }
            self.remove(id);
        }
        self.update_negotiation_needed();
        Ok(())
    }

    pub(super) fn remove(&mut self, id: TransceiverId) {
        let before = self.transceivers.len();
        self.transceivers.retain(|transceiver| transceiver.id != id);
        if self.transceivers.len() < before {
            self.event(super::Event::Stopped(id));
        }
    }

    /// Wants a section for data channels: call it with the first data channel.
    ///
    /// # Errors
    /// Closed.
    pub fn use_data_channels(&mut self) -> Result<(), Misuse> {
        self.open()?;
        self.wants_data = true;
        self.update_negotiation_needed();
        Ok(())
    }

    /// Replaces the ICE credentials with the next offer (W3C `restartIce`).
    ///
    /// # Errors
    /// Closed.
    pub fn restart_ice(&mut self) -> Result<(), Misuse> {
        self.open()?;
        self.replace = self.current.as_ref().and_then(|pair| pair.ice.clone());
        self.update_negotiation_needed();
        Ok(())
    }

    /// Whether an offer is due (W3C §4.7.3).
    pub fn negotiation_needed(&self) -> bool {
        self.needed && self.state == SignalingState::Stable
    }

    /// Forgets of the descriptions in force what further offers of the other side do not need: afterwards they cannot be
    /// had any more, nor [`Negotiator::negotiated`], until the next pair. For a server that only answers and holds
    /// many connections: a description of many sections takes hundreds of kilobytes once it is read.
    pub fn forget_descriptions(&mut self) {
        self.created = None;
        self.transceivers.shrink_to_fit();
        self.slots.shrink_to_fit();
        let Some(pair) = &mut self.current else { return };
        pair.forgotten = true;
        pair.own_setup = super::outcome::own_setup(pair);
        for session in [&mut pair.local.session, &mut pair.remote.session] {
            (session.media, session.attributes) = (Vec::new(), Vec::new());
        }
        if let Some(transport) = &mut pair.transport {
            transport.candidates = Vec::new();
        }
    }

    /// The direction that the other side's last description gives to the section of a transceiver, as seen from there.
    pub fn remote_direction(&self, id: TransceiverId) -> Option<Direction> {
        let at = self.slots.iter().position(|slot| slot.usage == Use::Transceiver(id))?;
        let session = &self.remote()?.session;
        session.media.get(at).map(|media| session.direction(media))
    }

    /// Whether there is a section for data channels that is not rejected.
    pub fn data_offered(&self) -> bool {
        self.slots.iter().any(|slot| slot.usage == Use::Data)
    }

    /// Our ICE credentials in force; `None` before the first local description. When they differ from those that
    /// the agent has, it starts anew with these.
    pub fn local_ice(&self) -> Option<&IceCredentials> {
        self.ice.as_ref().map(|ice| &ice.credentials)
    }

    /// A candidate of the agent (without `a=`), for the local description. It belongs to
    /// [`Negotiator::local_ice`]. More than 256 are not written down.
    pub fn add_local_candidate(&mut self, candidate: &str) {
        let text = candidate.strip_prefix("candidate:").unwrap_or(candidate);
        let fits = !text.is_empty() && !text.contains(['\r', '\n', '\0']);
        if let Some(LocalIce { candidates, .. }) = &mut self.ice
            && fits
            && candidates.len() < MAX_LOCAL_CANDIDATES
        {
            candidates.push(text.to_owned());
        }
    }

    /// The agent has no more candidates (RFC 8840 §8.2).
    pub fn end_of_local_candidates(&mut self) {
        if let Some(ice) = &mut self.ice {
            ice.ended = true;
        }
    }

    /// The section to name with our trickled candidates: its `mid` and its place.
    pub fn trickle_section(&self) -> Option<(&str, usize)> {
        let pending = self.pending.as_ref().and_then(|pending| pending.local.as_ref());
        let local = pending.or(self.current.as_ref().map(|pair| &pair.local))?;
        let tagged = remote::bundle(&local.session).first().copied()?;
        Some((local.session.media[tagged].mid()?, tagged))
    }

    /// Whether a trickled candidate of the other side is for our agent (W3C `addIceCandidate`). `false`: it belongs
    /// to a section that is not the bundle's own, or to credentials that no description has; drop it, or keep it
    /// until the next description.
    ///
    /// # Errors
    /// Closed, or before any remote description.
    pub fn remote_candidate(
        &self,
        candidate: &str,
        mid: Option<&str>,
        index: Option<usize>,
        ufrag: Option<&str>,
    ) -> Result<bool, Misuse> {
        self.open()?;
        let session = &self.remote().ok_or(Misuse::NoRemoteDescription)?.session;
        let bundle = remote::bundle(session);
        let Some(tagged) = bundle.first().copied() else { return Ok(false) };
        let section = match mid {
            Some(mid) => session.media.iter().position(|media| media.mid() == Some(mid)),
            None => index.filter(|index| *index < session.media.len()),
        };
        // Firefox gathers for every section until the bundle is agreed; those candidates go nowhere. Others name
        // a section that has ended since.
        let stray = section.is_some_and(|section| section != tagged && bundle.contains(&section));
        let mut words = candidate.split(' ').skip_while(|word| *word != "ufrag").skip(1);
        let ufrag = ufrag.or_else(|| words.next());
        let known = |ufrag: &str| {
            let transports = [
                self.pending.as_ref().and_then(|pending| pending.transport.as_ref()),
                self.current.as_ref().and_then(|pair| pair.transport.as_ref()),
            ];
            transports.into_iter().flatten().any(|transport| transport.credentials.ufrag == ufrag)
        };
        let component = candidate.split(' ').nth(1).is_none_or(|component| component == "1");
        let named = mid.is_none() && index.is_none() || section.is_some();
        Ok(named && !stray && component && ufrag.is_none_or(known))
    }

    /// Ends it. Every verb is an error from here on.
    pub fn close(&mut self) {
        self.enter(SignalingState::Closed);
        self.created = None;
    }
}
