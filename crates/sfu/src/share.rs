//! Rooms of which several forwarders carry a part each: what members of one part send is handed to the others, where
//! whoever sends it has a **stand-in**, a member without a connection that others can look at and hear like any.
//!
//! The driver carries everything between the parts, in order: [`Sfu::poll_shared`] gives packets as they come, once for
//! every part, and [`Sfu::take_shared`] takes them. The other way go the wishes: [`Event::Wanted`] and
//! [`Event::KeyframeNeeded`] of a stand-in are told to the part that has the member itself, by [`Sfu::demand`] and
//! [`Sfu::request_keyframe`]. Packets that are lost on the way to a receiver are answered by its own part.

use std::time::Duration;

use bytes::Bytes;
use flow::payload::Format;
use peer::Peer;
use rtp::extension::dependency::MANDATORY_LEN;
use rtp::extension::{AudioLevel, VideoOrientation};
use wire::Instant;

use crate::member::Member;
use crate::outlet::Outlet;
use crate::sfu::Sfu;
use crate::track::{Track, Wire};
use crate::{JoinConfig, JoinError, MemberId, Rid, RoomId, Source};

/// What goes with the payload of a packet from one part of a room to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SharedPacket {
    /// Its number, without wrapping.
    pub number: i64,
    /// In ticks of [`Format::clock_rate`].
    pub timestamp: u32,
    /// The frame is whole with this packet.
    pub marker: bool,
    /// How the payload is made.
    pub format: Format,
    /// How loud it is.
    pub level: Option<AudioLevel>,
    /// How it must be turned.
    pub orientation: Option<VideoOrientation>,
    /// Bytes of the dependency descriptor, which then stand before the payload; 0 where there is none.
    pub dependency: u8,
    /// A timestamp of its stream, and when that was captured, since the Unix epoch.
    pub clock: Option<(u32, Duration)>,
}

/// A packet for the other parts of a room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shared<'a> {
    /// The room, by the name it has here.
    pub room: RoomId,
    /// Who sent it.
    pub member: MemberId,
    /// Of what.
    pub source: Source,
    /// Which of the encodings that [`Sfu::encodings`] lists.
    pub encoding: u8,
    /// What goes with it.
    pub packet: SharedPacket,
    /// What follows the header of RTP, behind what [`SharedPacket::dependency`] counts.
    pub payload: &'a [u8],
}

/// All that is handed on: how far each encoding of a track has been, by its place in the ring.
pub(crate) type Shares = Outlet<Vec<u64>>;

impl Sfu {
    /// Whether what members of a room send is offered by [`Sfu::poll_shared`], from now on; also of those who come later.
    pub fn share(&mut self, now: Instant, room: RoomId, on: bool) {
        let Some(tracks) = self.rooms.get(&room.0).map(|found| found.tracks.clone()) else { return };
        self.shares.set_room(room.0, on);
        for track in tracks {
            if on {
                self.share_track(track);
            } else {
                self.shares.remove_track(track);
                if let Some(found) = self.tracks.get_mut(track) {
                    found.shared = false;
                    found.demands.clear();
                }
                self.tell_wanted(now, track);
            }
        }
    }

    /// Begins to hand a track on, if its room has other parts.
    pub(crate) fn share_track(&mut self, track: u32) {
        let Some(found) = self.tracks.get_mut(track) else { return };
        // What is a stand-in's here came from another part.
        if found.shared || found.transceiver.is_none() || !self.shares.holds(found.room) {
            return;
        }
        found.shared = true;
        self.shares.insert(track, ends(found));
    }

    /// What a track has sent until now is not handed on.
    pub(crate) fn skip_share(&mut self, track: u32) {
        if let (Some(places), Some(found)) = (self.shares.get_mut(track), self.tracks.get(track)) {
            *places = ends(found);
        }
    }

    /// The next packet for the other parts of its room. Ask after [`Sfu::handle_input`] until there is none; what is not
    /// asked for before the rings have gone round is lost.
    pub fn poll_shared(&mut self) -> Option<Shared<'_>> {
        let (track, encoding, place) = loop {
            let track = self.shares.first()?;
            if let Some((encoding, place)) = self.advance_share(track) {
                break (track, encoding, place);
            }
            self.shares.pass();
        };
        let found = self.tracks.get(track)?;
        let layer = found.layers.get(encoding)?;
        let kept = layer.ring.get(place)?;
        let (dependency, payload) = kept.with_dependency();
        let packet = SharedPacket {
            number: kept.number,
            timestamp: kept.timestamp,
            marker: kept.marker,
            format: kept.format,
            level: kept.level,
            orientation: kept.orientation,
            dependency,
            clock: layer.clock,
        };
        Some(Shared {
            room: RoomId(found.room),
            member: found.owner,
            source: found.source,
            encoding: u8::try_from(encoding).ok()?,
            packet,
            payload,
        })
    }

    /// The next place of a track that was not handed on.
    fn advance_share(&mut self, track: u32) -> Option<(usize, u64)> {
        let found = self.tracks.get(track).filter(|found| found.allowed)?;
        let places = self.shares.get_mut(track)?;
        // Encodings that are negotiated later begin with their first packet.
        places.resize(found.layers.len(), 0);
        let each = found.layers.iter().zip(places).enumerate();
        each.into_iter().find_map(|(encoding, (layer, next))| {
            let place = (*next).max(layer.ring.oldest());
            (place < layer.ring.next()).then(|| {
                *next = place + 1;
                (encoding, place)
            })
        })
    }

    /// What a member sends, with the names of the encodings; one without a name has an empty one.
    pub fn encodings(&self, member: MemberId) -> Vec<(Source, Vec<Rid>)> {
        let Some(member) = self.place(member).and_then(|at| self.members.get(at)) else { return Vec::new() };
        let track = |source: Source| self.tracks.get(member.track(source)?);
        let rids = |track: &Track| track.layers.iter().map(|layer| layer.rid.clone()).collect();
        Source::ALL.iter().filter_map(|source| Some((*source, rids(track(*source)?)))).collect()
    }

    /// A member of another part of the room: a stand-in, which [`Sfu::leave`] ends. It takes no place of the room's.
    ///
    /// # Errors
    /// No such room, or no place.
    pub fn stand_in(&mut self, now: Instant, room: RoomId, number: u32) -> Result<MemberId, JoinError> {
        if !self.rooms.contains_key(&room.0) {
            return Err(JoinError::NoRoom);
        }
        if self.members.len() >= self.config.max_members {
            return Err(JoinError::TooMany);
        }
        let join = JoinConfig { number, ..JoinConfig::default() };
        let peer = Peer::new(self.peer_config.clone(), self.rng.array(), now).map_err(JoinError::Config)?;
        let id = MemberId { serial: self.next_serial(), index: self.members.vacant() };
        let member = Member::new(now, id, room.0, (join, &self.config), peer);
        let at = self.members.insert(Box::new(member));
        if self.waiting.len() <= at as usize {
            self.waiting.resize(at as usize + 1, 0);
        }
        if let Some(found) = self.rooms.get_mut(&room.0) {
            found.stand_ins.push(at);
        }
        Ok(id)
    }

    /// What a stand-in sends: [`Sfu::encodings`] of the member that it stands for.
    pub fn set_encodings(&mut self, now: Instant, member: MemberId, sources: &[(Source, Vec<Rid>)]) {
        let Some(at) = self.place(member) else { return };
        for (source, rids) in sources {
            let Some(member) = self.members.get(at) else { return };
            let (id, room, allowed) = (member.id, member.room, member.allowed[*source as usize]);
            let track = match member.track(*source) {
                Some(track) => track,
                None => {
                    let serial = self.next_serial();
                    let track = Track { allowed, ..Track::new((serial, id, room), *source, None) };
                    let track = self.tracks.insert(track);
                    if let Some(room) = self.rooms.get_mut(&room) {
                        room.tracks.push(track);
                    }
                    track
                }
            };
            if let Some(member) = self.members.get_mut(at) {
                member.tracks[*source as usize] = Some(track);
            }
            let rids: Vec<String> = rids.iter().map(|rid| rid.0.clone()).collect();
            self.set_rids(now, track, &rids);
        }
        if let Some(room) = self.members.get(at).map(|member| member.room) {
            self.think_over(now, room);
        }
        self.flush_asks(now);
    }

    /// Takes a packet of another part, for a stand-in.
    pub fn take_shared(
        &mut self,
        now: Instant,
        member: MemberId,
        (source, encoding): (Source, u8),
        packet: &SharedPacket,
        payload: &[u8],
    ) {
        let Some(member) = self.place(member).and_then(|at| self.members.get(at)) else { return };
        let Some(at) = member.track(source) else { return };
        let Some(track) = self.tracks.get_mut(at).filter(|track| track.transceiver.is_none()) else { return };
        let layer = usize::from(encoding);
        if !track.take_shared(now, layer, packet, payload) {
            return;
        }
        self.spread(now, at, layer);
        self.flush_asks(now);
    }

    /// A packet has been kept in the ring of an encoding: whoever follows it has something to be sent.
    fn spread(&mut self, now: Instant, at: u32, layer: usize) {
        let Self { tracks, waiting, queue, taps, .. } = self;
        let Some(track) = tracks.get(at) else { return };
        let Some(found) = track.layers.get(layer) else { return };
        let woken = !found.active || !track.sending;
        if track.allowed {
            for follower in &found.followers {
                crate::sfu::mark(waiting, queue, follower.member, follower.bit);
            }
            if track.tapped {
                taps.mark(at);
            }
        }
        if woken {
            self.awake(now, at, layer);
        }
    }

    /// Which encodings of a member's camera another part wants, as [`crate::Event::Wanted`] of its stand-in says there. `part`
    /// is any number that tells parts apart; who is no longer there wants nothing.
    pub fn demand(&mut self, now: Instant, member: MemberId, part: usize, rids: &[Rid]) {
        let Some(member) = self.place(member).and_then(|at| self.members.get(at)) else { return };
        let Some(at) = member.track(Source::Camera) else { return };
        let Some(track) = self.tracks.get_mut(at) else { return };
        let wanted = track.layers.iter().enumerate().filter(|(_, layer)| rids.contains(&layer.rid));
        let bits = wanted.fold(0, |bits, (at, _)| bits | 1 << at.min(7));
        if bits == 0 {
            track.demands.remove(&part);
        } else {
            track.demands.insert(part, bits);
        }
        self.tell_wanted(now, at);
    }

    /// Another part needs a keyframe of a member, as [`crate::Event::KeyframeNeeded`] of its stand-in says there. It is asked
    /// for with those that are needed here, and as seldom.
    pub fn request_keyframe(&mut self, now: Instant, member: MemberId, source: Source, rid: &Rid) {
        let Some(member) = self.place(member).and_then(|at| self.members.get(at)) else { return };
        let Some(track) = member.track(source) else { return };
        let layer = self.tracks.get(track).and_then(|found| found.layer_of(Some(&rid.0)));
        if let Some(layer) = layer.and_then(|layer| u8::try_from(layer).ok()) {
            self.asks.push((track, layer));
            self.flush_asks(now);
        }
    }

    /// What a member of another part said, as [`crate::Event::Said`] gave it there: all members of this part get it.
    pub fn pass_on(&mut self, now: Instant, room: RoomId, message: &[u8]) {
        let message = Bytes::copy_from_slice(message);
        let members = self.rooms.get(&room.0).map(|room| room.members.clone()).unwrap_or_default();
        for at in members {
            self.deliver(now, at, message.clone());
        }
    }
}

/// Where the rings of a track's encodings end.
fn ends(track: &Track) -> Vec<u64> {
    track.layers.iter().map(|layer| layer.ring.next()).collect()
}

impl Track {
    /// Takes a packet of another part. Whether there is such an encoding.
    fn take_shared(&mut self, now: Instant, layer: usize, packet: &SharedPacket, payload: &[u8]) -> bool {
        let SharedPacket { number, timestamp, marker, format, level, orientation, dependency, clock } =
            *packet;
        let Some(found) = self.layers.get_mut(layer) else { return false };
        let Some((ahead, payload)) = payload.split_at_checked(usize::from(dependency)) else { return false };
        if format.is_video() == (self.source == Source::Microphone) || payload.is_empty() {
            return false;
        }
        if self.source == Source::Microphone {
            self.loudness.take(level.map(|level| level.level));
        }
        found.clock = clock.or(found.clock);
        let dependency = (ahead.len() >= MANDATORY_LEN).then_some(ahead);
        let wire = Wire { number, timestamp, marker, format, level, orientation, dependency };
        found.keep(now, wire, payload);
        true
    }
}
