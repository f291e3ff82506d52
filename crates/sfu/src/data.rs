//! What members say to each other on the channel of the room.

use bytes::Bytes;
use peer::{ChannelId, Kind};
use wire::Instant;

use crate::member::CONTROL;
use crate::sfu::Sfu;
use crate::{Event, MemberId, MemberStats, Rid, SlotStats, Source, SourceStats};

impl Sfu {
    pub(crate) fn channel_opened(&mut self, at: u32, channel: ChannelId) {
        let Some(member) = self.members.get_mut(at) else { return };
        if member.channel == Some(channel) {
            member.reachable = true;
            let id = member.id;
            self.push_event(Event::Reachable(id));
        }
    }

    /// A member says something: all others in the room get it, behind its number.
    pub(crate) fn said(&mut self, now: Instant, at: u32, channel: ChannelId, kind: Kind, data: &[u8]) {
        let Some(member) = self.members.get_mut(at) else { return };
        if member.channel != Some(channel) {
            return;
        }
        // Who only sends media, or only receives them, has no say here.
        let speaks = member.join.publish && member.join.subscribe;
        if !speaks || data.len() > self.config.max_message || !member.allowance.take(now, data.len()) {
            self.stats.messages_dropped += 1;
            return;
        }
        let message = prefixed(member.join.number, data);
        // Behind four bytes it is no text any more.
        let _ = kind;
        if self.shares.holds(member.room) {
            let said = Event::Said(crate::RoomId(member.room), message.to_vec());
            self.push_event(said);
        }
        let Some(member) = self.members.get(at) else { return };
        let others = self.rooms.get(&member.room).map(|room| room.members.clone()).unwrap_or_default();
        for other in others.into_iter().filter(|other| *other != at) {
            self.deliver(now, other, message.clone());
        }
    }

    pub(crate) fn deliver(&mut self, now: Instant, at: u32, message: Bytes) {
        let Some(member) = self.members.get_mut(at).filter(|member| member.reachable) else { return };
        let Some(channel) = member.channel else { return };
        let fits = member.peer.buffered_amount(channel) + message.len() <= self.config.message_queue;
        if fits && member.peer.send(now, channel, Kind::Binary, message).is_ok() {
            self.stats.messages += 1;
            self.mark(at, CONTROL);
        } else {
            self.stats.messages_dropped += 1;
        }
    }

    /// Says something to a member on the room's data channel, from the number 0. A member that is not
    /// [`Event::Reachable`] does not get it.
    pub fn send_message(&mut self, now: Instant, member: MemberId, message: &[u8]) {
        if let Some(at) = self.place(member) {
            self.deliver(now, at, prefixed(0, message));
        }
    }

    /// What is known of a member.
    pub fn stats(&self, member: MemberId) -> Option<MemberStats> {
        let member = self.members.get(self.place(member)?)?;
        let peer = member.peer.get_stats();
        let mut stats = MemberStats {
            available_outgoing_bitrate: member.peer.available_outgoing_bitrate(),
            round_trip_time: peer
                .media
                .as_ref()
                .and_then(|media| media.remote_inbound_rtp.iter().find_map(|report| report.round_trip_time)),
            fraction_lost: f64::from(member.fraction_lost) / 256.0,
            bytes_sent: peer.transport.bytes_sent,
            bytes_received: peer.transport.bytes_received,
            ..MemberStats::default()
        };
        for source in Source::ALL {
            let Some(track) = member.track(source).and_then(|track| self.tracks.get(track)) else { continue };
            for layer in &track.layers {
                let bitrate = layer.last.filter(|_| layer.active).map_or(0, |last| layer.rate(last));
                stats.sources.push(SourceStats {
                    source,
                    rid: layer.rid.clone(),
                    bitrate,
                    packets: layer.packets,
                    height: layer.height,
                    receivers: layer.followers.len(),
                });
            }
        }
        stats.slots = member.pictures.iter().map(|slot| self.slot_stats(slot)).collect();
        Some(stats)
    }

    fn slot_stats(&self, slot: &crate::slot::Slot) -> Option<SlotStats> {
        let feed = slot.current.or(slot.next)?;
        let track = self.tracks.get(feed.track)?;
        let rid = |feed: crate::slot::Feed| -> Option<Rid> {
            Some(track.layers.get(usize::from(feed.layer))?.rid.clone())
        };
        Some(SlotStats {
            member: track.owner,
            source: track.source,
            rid: slot.current.and_then(rid),
            packets: u64::from(slot.packets),
        })
    }
}

fn prefixed(number: u32, data: &[u8]) -> Bytes {
    let mut message = Vec::with_capacity(4 + data.len());
    message.extend_from_slice(&number.to_be_bytes());
    message.extend_from_slice(data);
    message.into()
}
