//! Offers and answers, and what the sections are for.

use peer::negotiation::{Description, Direction, MediaKind, SdpType, TransceiverId};
use peer::{ChannelConfig, StreamId};
use rtp::extension::Kind;
use wire::Instant;

use crate::member::{MAX_PICTURES, MAX_VOICES, Member, Use, picture_bit, voice_bit};
use crate::sfu::Sfu;
use crate::slot::Slot;
use crate::track::Track;
use crate::{DescribeError, MemberId, Source};

/// The stream of the channel that is reserved.
const CONTROL_STREAM: StreamId = StreamId(0);
/// The stream of the channel for the room.
const ROOM_STREAM: StreamId = StreamId(1);

/// The MediaStream of all slots of a member that has asked for one.
const STREAM: &str = "room";

impl Sfu {
    /// Takes a member's offer and gives the answer, with all candidates. Later offers add or remove sections, or restart
    /// ICE.
    ///
    /// # Errors
    /// No such member, or an offer that cannot be used.
    pub fn describe(&mut self, now: Instant, member: MemberId, offer: &str) -> Result<String, DescribeError> {
        let at = self.place(member).ok_or(DescribeError::NoMember)?;
        let member = self.members.get_mut(at).ok_or(DescribeError::NoMember)?;
        let description = Description { kind: SdpType::Offer, sdp: offer.to_owned() };
        member.peer.set_remote_description(now, &description).map_err(DescribeError::Offer)?;
        assign(member);
        if member.channel.is_none() && member.peer.negotiator().data_offered() {
            open_channels(now, member);
        }
        member.peer.set_local_description(now, None).map_err(DescribeError::State)?;
        let answer = member.peer.local_description().map(|answer| answer.sdp).unwrap_or_default();
        self.take_ufrag(at);
        let others = self.make_tracks(now, at);
        self.make_slots(at);
        if let Some(member) = self.members.get_mut(at) {
            member.peer.with_negotiator(peer::negotiation::Negotiator::forget_descriptions);
        }
        self.follow_up(now, at);
        match self.members.get(at).map(|member| member.room) {
            Some(room) if others => self.think_over(now, room),
            // A room of hundreds need not be looked through for somebody who only comes.
            _ => {
                self.assign_voices(now, at);
                self.choose(now, at);
            }
        }
        self.flush_asks(now);
        Ok(answer)
    }

    /// Checks will name the user fragment of the answer.
    fn take_ufrag(&mut self, at: u32) {
        let Some(member) = self.members.get_mut(at) else { return };
        let Some(ice) = member.peer.negotiator().local_ice() else { return };
        if member.ufrags.last() == Some(&ice.ufrag) {
            return;
        }
        let ufrag = ice.ufrag.clone();
        self.by_ufrag.insert(ufrag.clone(), at);
        member.ufrags.push(ufrag);
        if member.ufrags.len() > 2 {
            let old = member.ufrags.remove(0);
            self.by_ufrag.remove(&old);
        }
    }

    /// Makes the tracks of what the member sends from now on, and ends those that it does not. Whether what others are sent
    /// has to be chosen anew.
    fn make_tracks(&mut self, now: Instant, at: u32) -> bool {
        let mut others = false;
        let Some(member) = self.members.get(at) else { return others };
        let (id, room) = (member.id, member.room);
        let agreed = member.peer.negotiator().negotiated();
        for source in Source::ALL {
            let usage = Use::Source(source);
            let section = self.members.get(at).and_then(|member| {
                member.sections.iter().find(|(_, known)| *known == usage).map(|(id, _)| *id)
            });
            let agreed = agreed
                .transceivers
                .iter()
                .find(|agreed| Some(agreed.id) == section && agreed.direction.receives());
            let known = self.members.get(at).and_then(|member| member.track(source));
            let track = match (agreed, known) {
                (Some(agreed), None) => {
                    let serial = self.next_serial();
                    let mut track = Track::new((serial, id, room), source, Some(agreed.id));
                    track.allowed = self.members.get(at).is_some_and(|m| m.allowed[source as usize]);
                    let track = self.tracks.insert(track);
                    if let Some(room) = self.rooms.get_mut(&room) {
                        room.tracks.push(track);
                    }
                    track
                }
                (Some(_), Some(known)) => known,
                // Off for now: it keeps its place, and nothing comes.
                (None, _) => continue,
            };
            if let Some(member) = self.members.get_mut(at) {
                member.tracks[source as usize] = Some(track);
            }
            let Some(agreed) = agreed else { continue };
            if let Some(track) = self.tracks.get_mut(track) {
                track.transceiver = Some(agreed.id);
            }
            others |= self.set_rids(now, track, &by_size(&agreed.receive_rids));
            self.share_track(track);
        }
        others
    }

    /// The encodings of a track are these from now on. Slots that are fed by others are emptied; whether
    /// there may be any, which are to be chosen anew.
    pub(crate) fn set_rids(&mut self, now: Instant, track: u32, rids: &[String]) -> bool {
        let Some(found) = self.tracks.get(track) else { return false };
        let same = found.layers.len() == rids.len().max(1)
            && found.layers.iter().zip(rids).all(|(layer, rid)| layer.rid.0 == *rid);
        if same && !found.layers.is_empty() {
            return false;
        }
        let others = found.sending;
        self.starve(track);
        if let Some(found) = self.tracks.get_mut(track) {
            found.set_rids(now, rids);
        }
        others
    }

    /// Makes the slots that have been added.
    fn make_slots(&mut self, at: u32) {
        let Some(member) = self.members.get_mut(at) else { return };
        let slots: Vec<(TransceiverId, u8)> = member
            .sections
            .iter()
            .filter_map(|(id, usage)| match usage {
                Use::Slot(bit) => Some((*id, *bit)),
                Use::Source(_) | Use::None => None,
            })
            .collect();
        let voices = slots.iter().filter(|(_, bit)| *bit < crate::member::FIRST_PICTURE).count();
        member.voices.reserve_exact(voices.saturating_sub(member.voices.len()));
        member.pictures.reserve_exact((slots.len() - voices).saturating_sub(member.pictures.len()));
        for (id, bit) in slots {
            let told = member.peer.sends_extension(id, Kind::Dependency);
            if let Some(slot) = member.slot_mut(bit) {
                slot.told = told;
                continue;
            }
            let encoding = member.peer.negotiator().transceiver(id).and_then(|t| t.encodings().first());
            let ssrc = encoding.map_or(0, |encoding| encoding.ssrc);
            let [a, b, timestamp @ ..]: [u8; 6] = self.rng.array();
            let number = u16::from_be_bytes([a, b]);
            let mut slot = Slot::new(id, ssrc, number, u32::from_be_bytes(timestamp));
            slot.told = told;
            if bit < crate::member::FIRST_PICTURE {
                member.voices.push(slot);
            } else {
                member.pictures.push(slot);
            }
        }
    }
}

/// Says what the new sections of an offer are for, and in which direction each goes.
fn assign(member: &mut Member) {
    let negotiator = member.peer.negotiator();
    let known: Vec<(TransceiverId, MediaKind, Option<Direction>)> = negotiator
        .transceivers()
        .iter()
        .map(|t| (t.id(), t.kind(), negotiator.remote_direction(t.id())))
        .collect();
    // A section that was rejected by the other side has no transceiver any more.
    member
        .sections
        .retain(|(id, usage)| matches!(usage, Use::Slot(_)) || known.iter().any(|(known, _, _)| known == id));
    for (id, kind, offered) in known {
        let usage = match member.sections.iter().find(|(known, _)| *known == id) {
            Some((_, usage)) => *usage,
            None => {
                let usage = classify(member, kind, offered);
                member.sections.push((id, usage));
                usage
            }
        };
        let direction = match usage {
            Use::Source(_) if member.join.publish => Direction::RecvOnly,
            Use::Slot(_) if member.join.subscribe => Direction::SendOnly,
            Use::Source(_) | Use::Slot(_) | Use::None => Direction::Inactive,
        };
        let stream = member.join.one_stream && direction == Direction::SendOnly;
        // The transceiver was listed a moment ago.
        let _ = member.peer.with_negotiator(|negotiator| {
            negotiator.set_direction(id, direction)?;
            let streams = if stream { vec![STREAM.to_owned()] } else { Vec::new() };
            negotiator.set_streams(id, streams)
        });
    }
}

/// The names of encodings from the smallest to the largest, where the names are ones that are in use and say so; else as
/// they are listed.
fn by_size(rids: &[String]) -> Vec<String> {
    const KNOWN: [&[&str]; 5] = [
        &["l", "m", "h"],
        &["q", "h", "f"],
        &["lo", "mid", "hi"],
        &["low", "medium", "high"],
        &["0", "1", "2", "3"],
    ];
    let place = |names: &&[&str], rid: &String| names.iter().position(|name| name == rid);
    let mut rids = rids.to_vec();
    if let Some(names) = KNOWN.iter().find(|names| rids.iter().all(|rid| place(names, rid).is_some())) {
        rids.sort_by_key(|rid| place(names, rid));
    }
    rids
}

/// A section that only receives is a slot, for good; the others are sources.
fn classify(member: &Member, kind: MediaKind, offered: Option<Direction>) -> Use {
    let count = |wanted: fn(u8) -> bool| {
        let slot = |usage: &Use| matches!(usage, Use::Slot(bit) if wanted(*bit));
        member.sections.iter().filter(|(_, usage)| slot(usage)).count()
    };
    let offered = match offered {
        // What a viewer would send is not taken: it is there to receive.
        Some(Direction::SendRecv) if !member.join.publish => Some(Direction::RecvOnly),
        other => other,
    };
    let taken = |source| member.sections.iter().any(|(_, usage)| *usage == Use::Source(source));
    match (kind, offered) {
        (MediaKind::Audio, Some(Direction::RecvOnly)) => {
            let voices = count(|bit| bit < crate::member::FIRST_PICTURE);
            if voices < MAX_VOICES { Use::Slot(voice_bit(voices)) } else { Use::None }
        }
        (MediaKind::Video, Some(Direction::RecvOnly)) => {
            let pictures = count(|bit| bit >= crate::member::FIRST_PICTURE);
            if pictures < MAX_PICTURES { Use::Slot(picture_bit(pictures)) } else { Use::None }
        }
        (MediaKind::Audio, _) if !taken(Source::Microphone) => Use::Source(Source::Microphone),
        (MediaKind::Video, _) if !taken(Source::Camera) => Use::Source(Source::Camera),
        (MediaKind::Video, _) if !taken(Source::Screen) => Use::Source(Source::Screen),
        (MediaKind::Audio | MediaKind::Video, _) => Use::None,
    }
}

/// The channels that both sides know without saying so (RFC 8832 §1: negotiated externally).
fn open_channels(now: Instant, member: &mut Member) {
    for (stream, label) in [(CONTROL_STREAM, "control"), (ROOM_STREAM, "room")] {
        let config =
            ChannelConfig { label: label.to_owned(), negotiated: Some(stream), ..ChannelConfig::default() };
        // Nobody else has taken these numbers: this side opens no others, and comes first.
        if let Ok(channel) = member.peer.create_data_channel(now, config)
            && stream == ROOM_STREAM
        {
            member.channel = Some(channel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::by_size;

    #[test]
    fn names_tell_sizes() {
        for (given, expected) in [
            ("h m l", "l m h"),
            ("f h q", "q h f"),
            ("h l", "l h"),
            ("2 0 1", "0 1 2"),
            ("x b a", "x b a"),
            ("", ""),
        ] {
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(by_size(&words(given)), words(expected));
        }
    }
}
