//! What goes out: member by member, each as runs of equal datagrams.

use std::collections::VecDeque;
use std::time::Duration;

use peer::{OutgoingRtp, Peer};
use rtp::extension::{Elements, dependency};
use wire::{Instant, Transmit, Transport};

use crate::dependency::LONGEST;
use crate::descriptor::{MAX_HEAD, Shift};
use crate::member::{AGAIN, CONTROL, FIRST_PICTURE, Member, slot_mut};
use crate::ring::{Kept, Ring};
use crate::sfu::{Sfu, push_event};
use crate::slab::Slab;
use crate::slot::{Feed, Slot, Written};
use crate::steer::{picture_index, unfollow};
use crate::timers::Timer;
use crate::track::{Follower, Track};
use crate::{Event, MemberId, Stats};

/// Datagrams in one run: what Linux cuts in one call (`UDP_MAX_SEGMENTS` is 64; some devices take fewer bytes).
const MAX_SEGMENTS: usize = 54;
/// Bytes of one run at most.
const MAX_RUN: usize = 65_000;
/// How many bytes a packet may be padded by to be as long as the others of its run: fewer system calls for a few bytes.
const MAX_PADDING: usize = 64;
/// How long the rest of a frame is waited for before another encoding takes over.
const REST: Duration = Duration::from_millis(50);

/// Members whose memory is asked for at once: about as many as the core can wait for at a time.
const AHEAD: usize = 8;
/// Passes of [`Peer::fetch`].
const FETCHES: u8 = 3;

/// A run of datagrams that is being written.
struct Run {
    transmit: Option<Transmit>,
    /// Bytes written.
    len: usize,
    count: usize,
    /// Bytes of each datagram, protected.
    size: usize,
}

/// Why a packet is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// It has not been sent before.
    First,
    /// It was lost.
    Again,
    /// To find out what the path carries.
    Probe,
}

/// What writing one packet came to.
enum Step {
    /// The next one may follow.
    On,
    /// The run is complete.
    Complete,
}

/// The tables that a slot needs to find its packets.
struct Sources<'a> {
    tracks: &'a mut Slab<Track>,
    asks: &'a mut Vec<(u32, u8)>,
    events: &'a mut VecDeque<Event>,
    stats: &'a mut Stats,
    max_events: usize,
}

impl Sfu {
    /// Writes what is to be sent next into `buf` and says where to. A buffer of 1,500 bytes is enough; in a larger one, up
    /// to 64 KiB, packets come as runs of equal datagrams. Ask until there is nothing.
    pub fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        if let Some((transmit, bytes)) = self.held.take() {
            buf.get_mut(..bytes.len())?.copy_from_slice(&bytes);
            return Some(Transmit { from: self.socket(transmit), ..transmit });
        }
        while let Some(at) = self.queue.front().copied() {
            if self.ahead == 0 {
                self.look_ahead();
            }
            let transmit = self.transmit_for(now, at, buf);
            if transmit.is_none() {
                self.waiting[at as usize] = 0;
            }
            if self.waiting[at as usize] == 0 {
                self.queue.pop_front();
                self.ahead -= 1;
                self.settle(at);
            }
            if !self.asks.is_empty() {
                self.flush_asks(now);
            }
            if let Some(transmit) = transmit {
                return Some(Transmit { from: self.socket(transmit), ..transmit });
            }
        }
        None
    }

    /// Reads a little of what the next members need, so that the processor has it when it is their turn. With hundreds of
    /// them nothing of a member is still in the cache of the core since the last time, and most of what sending costs is to
    /// wait for memory: here for that of several members at once.
    fn look_ahead(&mut self) {
        self.ahead = self.queue.len().min(AHEAD);
        for pass in 0..FETCHES {
            let next = self.queue.iter().take(self.ahead);
            let fetched = next.fold(0, |sum, at| {
                #[expect(clippy::cast_possible_truncation, reason = "it is at most 64")]
                let bit = self.waiting[*at as usize].trailing_zeros() as u8;
                sum ^ self.members.get(*at).map_or(0, |member| member.fetch(pass, bit))
            });
            std::hint::black_box(fetched);
        }
    }

    /// The socket of an address that members know.
    fn socket(&self, transmit: Transmit) -> std::net::SocketAddr {
        let udp = transmit.transport == Transport::Udp;
        let same = |address: &&crate::Address| {
            address.advertised == transmit.from && (address.transport == Transport::Udp) == udp
        };
        self.config.addresses.iter().find(same).map_or(transmit.from, |address| address.socket)
    }

    /// A member has nothing more to send: if it is leaving, its place is free now.
    fn settle(&mut self, at: u32) {
        if self.members.get(at).is_none_or(|member| !member.leaving) {
            return;
        }
        if let Some(due) = self.members.remove(at).and_then(|member| member.scheduled) {
            self.timers.remove(&(due, Timer::Member(at)));
        }
    }

    /// What a member has to send next.
    fn transmit_for(&mut self, now: Instant, at: u32, buf: &mut [u8]) -> Option<Transmit> {
        let member = self.members.get_mut(at)?;
        let mask = self.waiting.get_mut(at as usize)?;
        if *mask & 1 << CONTROL != 0 {
            if let Some(transmit) = member.peer.poll_transmit(now, buf) {
                return Some(transmit);
            }
            if std::mem::take(&mut member.report)
                && let Some(transmit) = self.write_reports(now, at, buf)
            {
                return Some(transmit);
            }
            self.waiting[at as usize] &= !(1 << CONTROL);
            self.schedule(at);
        }
        if !self.members.get(at)?.connected {
            return None;
        }
        if self.waiting[at as usize] & 1 << AGAIN != 0 {
            if let Some(transmit) = self.write_again(now, at, buf) {
                return Some(transmit);
            }
            self.waiting[at as usize] &= !(1 << AGAIN);
        }
        self.write_media(now, at, buf)
    }

    /// Writes packets that wait for a member, as many as make one run.
    fn write_media(&mut self, now: Instant, at: u32, buf: &mut [u8]) -> Option<Transmit> {
        let Self { members, tracks, waiting, asks, events, stats, held, config, .. } = self;
        let member = &mut **members.get_mut(at)?;
        let mask = waiting.get_mut(at as usize)?;
        let mut sources = Sources { tracks, asks, events, stats, max_events: config.max_events };
        let direct = member.peer.selected_pair().is_some_and(|pair| pair.transport == Transport::Udp);
        let most = if direct { MAX_SEGMENTS } else { 1 };
        let room = buf.len().min(MAX_RUN);
        let buf = &mut buf[..room];
        let mut run = Run { transmit: None, len: 0, count: 0, size: 0 };
        'run: while *mask != 0 {
            #[expect(clippy::cast_possible_truncation, reason = "it is below 64")]
            let bit = mask.trailing_zeros() as u8;
            let Member { peer, voices, pictures, id, .. } = member;
            let follower = Follower { member: at, bit };
            if let Some(slot) = slot_mut(voices, pictures, bit) {
                while let Some(feed) = ready(now, slot, (follower, *id), &mut sources) {
                    if run.count >= most {
                        break 'run;
                    }
                    let step = write_packet(now, (peer, slot, feed), &mut sources, &mut run, (buf, held));
                    let step =
                        step.unwrap_or_else(|error| refused(slot, (follower, *id), &error, &mut sources));
                    if matches!(step, Step::Complete) {
                        break 'run;
                    }
                }
            }
            *mask &= !(1 << bit);
        }
        let segment_size = (run.count > 1).then_some(run.size);
        run.transmit.map(|transmit| Transmit { len: run.len, segment_size, ..transmit })
    }
}

/// Makes sure that a slot's next packet is at its cursor: switches encodings, and starts anew where packets were missed.
/// `None` if nothing is there.
fn ready(
    now: Instant,
    slot: &mut Slot,
    (follower, owner): (Follower, MemberId),
    sources: &mut Sources<'_>,
) -> Option<Feed> {
    let sound = follower.bit < FIRST_PICTURE;
    loop {
        if let Some(feed) = slot.current {
            let track = sources.tracks.get(feed.track)?;
            let layer = track.layers.get(usize::from(feed.layer))?;
            let oldest = layer.ring.oldest();
            if feed.cursor < oldest {
                sources.stats.overrun += oldest - feed.cursor;
                if sound {
                    slot.current = Some(Feed { cursor: oldest, ..feed });
                } else {
                    let cursor = layer.ring.next();
                    anew((slot, follower), feed, cursor, sources);
                }
                continue;
            }
            if let Some(kept) = layer.ring.get(feed.cursor) {
                if !slot.is_far(kept) {
                    return Some(feed);
                }
                if sound || kept.key {
                    slot.begin((feed.track, track.serial, feed.layer), feed.step, kept);
                    return Some(feed);
                }
                anew((slot, follower), feed, feed.cursor, sources);
                continue;
            }
        }
        switch(now, slot, (follower, owner), sources)?;
    }
}

/// Numbers are missing that nobody will send again: the slot waits for the next keyframe.
fn anew((slot, follower): (&mut Slot, Follower), feed: Feed, cursor: u64, sources: &mut Sources<'_>) {
    slot.current = None;
    let next = *slot.next.get_or_insert(Feed { cursor, ..feed });
    sources.asks.push((next.track, next.layer));
    if !next.is(feed.track, feed.layer) {
        unfollow(sources.tracks, feed, follower);
    }
}

/// Goes over to what the slot waits for, if it has come. `None` if not.
fn switch(
    now: Instant,
    slot: &mut Slot,
    (follower, owner): (Follower, MemberId),
    sources: &mut Sources<'_>,
) -> Option<()> {
    let sound = follower.bit < FIRST_PICTURE;
    let next = slot.next?;
    let track = sources.tracks.get(next.track)?;
    let layer = track.layers.get(usize::from(next.layer))?;
    let place = if sound {
        Some(next.cursor.max(layer.ring.oldest())).filter(|place| *place < layer.ring.next())
    } else {
        layer.key_since(next.cursor)
    }?;
    if slot.current.is_some() && !slot.may_switch(now, REST) {
        return None;
    }
    slot.begin((next.track, track.serial, next.layer), next.step, layer.ring.get(place)?);
    let shown = Some((track.owner, track.source));
    if !sound && slot.shown != shown {
        slot.shown = shown;
        slot.unplayable = false;
        let event = Event::Shown(owner, picture_index(follower.bit), shown);
        push_event(sources.events, sources.stats, sources.max_events, event);
    }
    let before = slot.current.replace(Feed { cursor: place, ..next });
    slot.next = None;
    if let Some(before) = before.filter(|before| !before.is(next.track, next.layer)) {
        unfollow(sources.tracks, before, follower);
    }
    Some(())
}

/// Writes the packet at a slot's cursor behind those of the run, if it fits there.
fn write_packet(
    now: Instant,
    (peer, slot, feed): (&mut Peer, &mut Slot, Feed),
    sources: &mut Sources<'_>,
    run: &mut Run,
    (buf, held): (&mut [u8], &mut Option<(Transmit, Vec<u8>)>),
) -> Result<Step, peer::MediaError> {
    let layer = sources.tracks.get(feed.track).and_then(|track| track.layers.get(usize::from(feed.layer)));
    let Some(ring) = layer.map(|layer| &layer.ring) else { return Ok(Step::Complete) };
    let Some(kept) = ring.get(feed.cursor) else { return Ok(Step::Complete) };
    let need = slot.need(kept);
    let size = if run.count > 0 { run.size } else { longest(slot, ring, feed.cursor) };
    if run.count > 0 && (need.is_none_or(|need| need > size) || buf.len() - run.len < size) {
        return Ok(Step::Complete);
    }
    let padded = need.is_some_and(|need| size - need <= MAX_PADDING);
    if let Some(current) = &mut slot.current {
        current.cursor += 1;
    }
    let Some(written) = slot.write(kept, feed.step) else { return Ok(Step::On) };
    let padded = padded && !written.filler;
    let to = if padded { size.saturating_sub(peer.srtp_overhead()) } else { 0 };
    let transmit = send(now, peer, slot, (kept, written), (to, Purpose::First), &mut buf[run.len..])?;
    sources.stats.forwarded += 1;
    if !written.filler {
        slot.count(kept.payload().len());
        slot.learn(kept, transmit.len, padded);
    }
    Ok(add(run, transmit, (buf, held), need.is_some()))
}

/// A packet could not be sent to this receiver: it is told once of a picture whose codec it does not have.
fn refused(
    slot: &mut Slot,
    (follower, owner): (Follower, MemberId),
    error: &peer::MediaError,
    sources: &mut Sources<'_>,
) -> Step {
    sources.stats.unsent += 1;
    let picture = follower.bit >= FIRST_PICTURE;
    if picture && matches!(error, peer::MediaError::NoCodec) && !slot.unplayable {
        slot.unplayable = true;
        let event = Event::Unplayable(owner, picture_index(follower.bit));
        push_event(sources.events, sources.stats, sources.max_events, event);
    }
    Step::On
}

/// A packet was written behind the run: it belongs to it, ends it, or is kept for the next call.
fn add(
    run: &mut Run,
    transmit: Transmit,
    (buf, held): (&mut [u8], &mut Option<(Transmit, Vec<u8>)>),
    foreseen: bool,
) -> Step {
    let first = run.count == 0;
    if !first && transmit.len > run.size {
        // Longer than foreseen, because something was negotiated meanwhile.
        *held = Some((transmit, buf[run.len..run.len + transmit.len].to_vec()));
        return Step::Complete;
    }
    if first {
        run.size = transmit.len;
        run.transmit = Some(transmit);
    }
    run.count += 1;
    run.len += transmit.len;
    if transmit.len < run.size || !foreseen { Step::Complete } else { Step::On }
}

/// The length of the datagrams of a run that begins at a place: that of the longest packet among those that can be
/// padded to it; 0 if it cannot be told.
fn longest(slot: &Slot, ring: &Ring, place: u64) -> usize {
    let Some(first) = ring.get(place).and_then(|kept| slot.need(kept)) else { return 0 };
    let (mut least, mut most) = (first, first);
    for place in place + 1..place + MAX_SEGMENTS as u64 {
        let Some(need) = ring.get(place).and_then(|kept| slot.need(kept)) else { break };
        if need.max(most) - need.min(least) > MAX_PADDING {
            break;
        }
        (least, most) = (least.min(need), most.max(need));
    }
    most
}

/// Writes a packet, protected.
pub(crate) fn send(
    now: Instant,
    peer: &mut Peer,
    slot: &Slot,
    (kept, written): (&Kept, Written),
    (pad_to, purpose): (usize, Purpose),
    buf: &mut [u8],
) -> Result<Transmit, peer::MediaError> {
    let mut head = [0; MAX_HEAD];
    let payload = if written.filler { &[][..] } else { kept.payload() };
    let head_len = if written.filler || kept.descriptor.is_empty() {
        0
    } else {
        kept.descriptor.write(payload, written.shift, &mut head)
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "numbers wrap on the wire")]
    let sequence_number = written.number as u16;
    let out = OutgoingRtp {
        transceiver: slot.transceiver,
        rid: None,
        format: Some(kept.format),
        marker: written.marker && !written.filler,
        sequence_number,
        timestamp: written.timestamp,
        head: &head[..head_len],
        payload: &payload[head_len..],
        pad_to,
        retransmission: purpose != Purpose::First,
        probe: purpose == Purpose::Probe,
        elements: Elements {
            audio_level: kept.level,
            video_orientation: kept.orientation,
            ..Elements::default()
        },
    };
    if kept.descriptor.ahead > 0 && !written.filler {
        return send_with_dependency(now, peer, (kept, written.shift), &out, buf);
    }
    peer.send_rtp(now, &out, buf)
}

/// Writes a packet with its dependency descriptor, in which numbers are those of what is sent here. Which targets are sent stays
/// as it is told: whoever decodes goes by the frames that a frame refers to.
fn send_with_dependency(
    now: Instant,
    peer: &mut Peer,
    (kept, shift): (&Kept, Shift),
    out: &OutgoingRtp<'_>,
    buf: &mut [u8],
) -> Result<Transmit, peer::MediaError> {
    let (len, bytes) = kept.with_dependency();
    let mut copy = [0; LONGEST];
    let descriptor = &mut copy[..usize::from(len).min(LONGEST)];
    descriptor.copy_from_slice(&bytes[..descriptor.len()]);
    let number = kept.descriptor.picture.wrapping_add(shift.picture);
    dependency::renumber(descriptor, number, shift.templates);
    let elements = Elements { dependency: Some(descriptor), ..out.elements };
    peer.send_rtp(now, &OutgoingRtp { elements, ..*out }, buf)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Address, Certificate, Config};

    /// Behind a router the address that members know is not that of the socket.
    #[test]
    fn what_was_held_back_leaves_by_the_socket() {
        let certificate = Certificate::generate(&mut wire::Rng::new([1; 32]), 1_700_000_000);
        let [socket, advertised, to] = [1, 2, 3].map(|host| ([192, 0, 2, host], 3478).into());
        let address = Address { transport: Transport::Udp, socket, advertised };
        let mut sfu = Sfu::new(Config::new(certificate, vec![address]), [2; 32], Instant::ZERO);
        let transmit = Transmit {
            transport: Transport::Udp,
            from: advertised,
            to,
            len: 3,
            segment_size: None,
            fragments: wire::Fragments::Usual,
        };
        sfu.held = Some((transmit, vec![1, 2, 3]));
        let mut buf = [0; 1500];
        let sent = sfu.poll_transmit(Instant::ZERO, &mut buf).unwrap();
        assert_eq!((sent.from, sent.to, &buf[..sent.len]), (socket, to, &[1, 2, 3][..]));
    }
}
