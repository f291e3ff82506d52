//! What comes in: told apart on one port, handed to its member, and kept in rings.

use std::net::SocketAddr;

use peer::negotiation::TransceiverId;
use peer::{ConnectionState, MediaPacket, Received, RtpPacket};
use rtp::rtcp::{Compound, Nack, Packet as Control, ReportBlock, SenderReport};
use std::time::Duration;
use stun::attribute::Username;
use wire::{Instant, Transport};

use crate::member::{AGAIN, Again, FIRST_PICTURE, Member, Repair, Use};
use crate::sfu::{Sfu, mark};
use crate::slab::Slab;
use crate::slot::Slot;
use crate::track::Track;
use crate::{Event, Reason, Stats};

/// What a datagram is, by its first byte (RFC 7983 §7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Class {
    Stun,
    Dtls,
    Media,
    Other,
}

const fn classify(datagram: &[u8]) -> Class {
    match datagram.first() {
        Some(0..=3) => Class::Stun,
        Some(20..=63) => Class::Dtls,
        Some(128..=191) => Class::Media,
        Some(_) | None => Class::Other,
    }
}

impl Sfu {
    /// Takes a message or a run of datagrams. Whether it was for this forwarder: what is not is untouched, and may be
    /// shown to others on the same port. What makes no sense is counted and dropped.
    pub fn handle_input(&mut self, now: Instant, received: Received, bytes: &mut [u8]) -> bool {
        let segment = received.segment.max(1);
        let class = classify(bytes);
        if bytes.chunks(segment).all(|datagram| classify(datagram) == class) && class != Class::Stun {
            return self.take(now, received, class, bytes);
        }
        let mut ours = false;
        for datagram in bytes.chunks_mut(segment) {
            ours |= self.take(now, received, classify(datagram), datagram);
        }
        ours
    }

    fn take(&mut self, now: Instant, received: Received, class: Class, bytes: &mut [u8]) -> bool {
        let remote = (received.transport, received.remote);
        let found = match class {
            // A check says whom it is for (RFC 8445 §7.3), whoever was known there before.
            Class::Stun => self.by_check(bytes, remote),
            Class::Dtls | Class::Media => self.by_address.get(&remote).copied(),
            Class::Other => None,
        };
        let Some(at) = found else {
            self.stats.unknown += 1;
            return false;
        };
        let received = Received { local: self.advertised(received.transport, received.local), ..received };
        self.hand_over(now, at, received, bytes);
        true
    }

    /// The member that a check of connectivity is for.
    fn by_check(&mut self, bytes: &[u8], remote: crate::member::Remote) -> Option<u32> {
        let message = stun::Message::parse(bytes).ok()?;
        if message.class() != stun::Class::Request || message.method() != stun::Method::BINDING {
            return None;
        }
        let Username(name) = message.get().ok()??;
        let (ours, _) = name.split_once(':')?;
        let at = *self.by_ufrag.get(ours)?;
        // The handshake may come from there before the path is chosen.
        if !self.by_address.contains_key(&remote) {
            self.know(at, remote, true);
        }
        Some(at)
    }

    /// The address by which members know a socket.
    fn advertised(&self, transport: Transport, socket: SocketAddr) -> SocketAddr {
        let udp = transport == Transport::Udp;
        let same = |a: &&crate::Address| a.socket == socket && (a.transport == Transport::Udp) == udp;
        self.config.addresses.iter().find(same).map_or(socket, |address| address.advertised)
    }

    fn hand_over(&mut self, now: Instant, at: u32, received: Received, bytes: &mut [u8]) {
        let Self { members, tracks, stats, waiting, queue, wall, taps, shares, .. } = self;
        let Some(member) = members.get_mut(at) else { return };
        let since_epoch = wall.1 + now.saturating_since(wall.0);
        let mut woken: Option<(u32, usize)> = None;
        let mut late = false;
        let Member { peer, tracks: own, sections, voices, pictures, repair, clock, fraction_lost, .. } =
            &mut **member;
        peer.handle_input_with(now, received, bytes, &mut |packet| match packet {
            MediaPacket::Rtp(packet) => {
                let Some((track, layer)) = keep(now, (own, sections), tracks, &packet) else { return };
                stats.received += 1;
                let Some(found) = tracks.get_mut(track) else { return };
                let layer_found = &found.layers[layer];
                if !layer_found.active || !found.sending {
                    woken = Some((track, layer));
                }
                if found.allowed {
                    for follower in &layer_found.followers {
                        mark(waiting, queue, follower.member, follower.bit);
                    }
                    if found.tapped {
                        taps.mark(track);
                    }
                    if found.shared {
                        shares.mark(track);
                    }
                }
            }
            MediaPacket::Rtcp(bytes) => {
                for packet in Compound::new(bytes).flatten() {
                    match packet {
                        Control::Nack(nack) => {
                            late |= asked_again(now, &nack, (voices, pictures), repair, stats);
                        }
                        Control::SenderReport(report) => {
                            clock_of(since_epoch, &report, own, clock, tracks);
                            lost(fraction_lost, report.reports.iter());
                        }
                        Control::ReceiverReport(report) => lost(fraction_lost, report.reports.iter()),
                        _ => {}
                    }
                }
            }
        });
        if late {
            self.mark(at, AGAIN);
        }
        if let Some((track, layer)) = woken {
            self.awake(now, track, layer);
        }
        self.follow_up(now, at);
        self.flush_asks(now);
    }

    /// What a connection has to tell.
    pub(crate) fn take_events(&mut self, now: Instant, at: u32) {
        while let Some(event) = self.members.get_mut(at).and_then(|member| member.peer.poll_event()) {
            match event {
                peer::Event::ConnectionState(state) => self.follow_state(now, at, state),
                peer::Event::DtlsClosed(why) => {
                    if let Some(member) = self.members.get_mut(at) {
                        member.over = Some(why);
                    }
                }
                peer::Event::SelectedPair(pair) => self.know(at, (pair.transport, pair.remote), true),
                peer::Event::KeyframeRequested { transceiver, .. } => {
                    self.asked_for_keyframe(now, at, transceiver);
                }
                peer::Event::Target(_) => {
                    if let Some(member) = self.members.get_mut(at) {
                        member.dirty = true;
                    }
                }
                peer::Event::ChannelOpened(channel) => self.channel_opened(at, channel),
                peer::Event::Message(channel, kind, data) => self.said(now, at, channel, kind, &data),
                _ => {}
            }
        }
    }

    fn follow_state(&mut self, now: Instant, at: u32, state: ConnectionState) {
        let Some(member) = self.members.get_mut(at).filter(|member| !member.leaving) else { return };
        let id = member.id;
        let before = std::mem::replace(&mut member.connected, state == ConnectionState::Connected);
        match state {
            ConnectionState::Connected => {
                self.push_event(Event::Connected(id));
                self.begin_ticks(now, at);
                self.assign_voices(now, at);
                self.choose(now, at);
                return;
            }
            ConnectionState::New | ConnectionState::Connecting => {}
            ConnectionState::Disconnected => self.push_event(Event::Lost(id, Reason::Silent)),
            ConnectionState::Failed | ConnectionState::Closed => {
                let closed = self.members.get(at).and_then(|member| member.over);
                let reason = closed.map_or(Reason::Failed, Reason::Closed);
                self.push_event(Event::Lost(id, reason));
            }
        }
        if before {
            if let Some(member) = self.members.get_mut(at) {
                member.tick = None;
            }
            self.unfollow_all(at);
        }
    }

    /// A receiver cannot go on without a keyframe.
    fn asked_for_keyframe(&mut self, now: Instant, at: u32, transceiver: TransceiverId) {
        let Some(member) = self.members.get_mut(at) else { return };
        let target = member.peer.available_outgoing_bitrate();
        let (round_trip, lossy) = (member.peer.round_trip(), member.fraction_lost > LOSSY);
        let Some(slot) = member.bit_of(transceiver).and_then(|bit| member.slot_mut(bit)) else { return };
        // What is waited for has been asked for already.
        let Some(feed) = slot.current.filter(|_| slot.next.is_none()) else { return };
        // It has not seen the last one yet: that is under way, or is being sent again.
        if slot.keyed.is_some_and(|keyed| now.saturating_since(keyed) < round_trip + UNDER_WAY) {
            return;
        }
        let layer = self.tracks.get(feed.track).and_then(|track| track.layers.get(usize::from(feed.layer)));
        let Some(layer) = layer else { return };
        if layer.rate_of(now, feed.step) > target || lossy {
            // The path is full of what it cannot use any more: it is emptied until there is a keyframe.
            slot.current = None;
            slot.abandon();
            slot.next = Some(crate::slot::Feed { cursor: layer.ring.next(), ..feed });
        }
        self.asks.push((feed.track, feed.layer));
    }
}

/// Of 256 packets so many lost mean that a path is full.
const LOSSY: u8 = 25;
/// How long the packets of a keyframe take to be sent, and to be sent again.
const UNDER_WAY: Duration = Duration::from_millis(100);

/// Keeps a packet in the ring of its encoding; which one that is.
fn keep(
    now: Instant,
    (own, sections): (&[Option<u32>; 3], &[(TransceiverId, Use)]),
    tracks: &mut Slab<Track>,
    packet: &RtpPacket<'_>,
) -> Option<(u32, usize)> {
    let (_, usage) = sections.iter().find(|(id, _)| *id == packet.transceiver)?;
    let Use::Source(source) = usage else { return None };
    let track = own[*source as usize]?;
    let layer = tracks.get_mut(track)?.take(now, packet)?;
    Some((track, layer))
}

/// Queues what a receiver asks for again. Whether there is anything.
fn asked_again(
    now: Instant,
    nack: &Nack<'_>,
    (voices, pictures): (&[Slot], &[Slot]),
    repair: &mut Repair,
    stats: &mut Stats,
) -> bool {
    let bit = |slots: &[Slot]| slots.iter().position(|slot| slot.ssrc == nack.media);
    let found = bit(voices).map(|at| (at, &voices[at]));
    let found = found.or_else(|| bit(pictures).map(|at| (at + usize::from(FIRST_PICTURE), &pictures[at])));
    let Some((bit, slot)) = found.and_then(|(bit, slot)| Some((u8::try_from(bit).ok()?, slot))) else {
        return false;
    };
    let mut any = false;
    for number in nack.entries.iter().flat_map(rtp::rtcp::NackEntry::numbers) {
        let again = Again { bit, number: slot.unwrap(number) };
        if repair.push(now, again, REPEAT) {
            any = true;
        } else {
            stats.unanswered += 1;
        }
    }
    any
}

/// How long after a packet was sent again it is not sent once more.
const REPEAT: Duration = Duration::from_millis(20);

fn lost(fraction: &mut u8, blocks: impl Iterator<Item = ReportBlock>) {
    if let Some(most) = blocks.map(|block| block.fraction_lost).max() {
        *fraction = most;
    }
}

/// Notes what a sender's clock shows, as time of ours: the way that took least is taken for the difference of the clocks,
/// and the same for all that a member sends, so that its sound and pictures stay in step.
fn clock_of(
    since_epoch: Duration,
    report: &SenderReport<'_>,
    own: &[Option<u32>; 3],
    clock: &mut Option<i128>,
    tracks: &mut Slab<Track>,
) {
    let theirs = nanos(report.info.ntp.0);
    let ours = i128::try_from(since_epoch.as_nanos()).unwrap_or(0);
    let difference = ours - theirs;
    // A step of the clock begins anew; else it follows slowly when the clocks drift apart.
    let known = clock.filter(|known| (difference - known).abs() < 500_000_000);
    let difference = known.map_or(difference, |known| difference.min(known + 50_000));
    *clock = Some(difference);
    for track in own.iter().flatten() {
        let Some(track) = tracks.get_mut(*track) else { continue };
        for layer in track.layers.iter_mut().filter(|layer| layer.ssrc == report.ssrc) {
            let at = u64::try_from(theirs + difference).unwrap_or(0);
            layer.clock = Some((report.info.rtp_timestamp, Duration::from_nanos(at)));
        }
    }
}

/// Nanoseconds since the Unix epoch of a time of NTP, which counts from 1900 in seconds and 2^-32 of them.
fn nanos(ntp: u64) -> i128 {
    const UNIX: i128 = 2_208_988_800;
    (i128::from(ntp >> 32) - UNIX) * 1_000_000_000 + ((i128::from(ntp & 0xffff_ffff) * 1_000_000_000) >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_ntp_are_read() {
        let time = Duration::new(1_767_225_600, 250_000_000);
        let back = nanos(rtp::NtpTime::from_unix(time).0);
        assert!((back - i128::try_from(time.as_nanos()).unwrap()).abs() < 10);
    }

    #[test]
    fn datagrams_are_told_apart() {
        for (byte, class) in [
            (0, Class::Stun),
            (3, Class::Stun),
            (4, Class::Other),
            (22, Class::Dtls),
            (64, Class::Other),
            (128, Class::Media),
            (192, Class::Other),
        ] {
            assert_eq!(classify(&[byte]), class, "{byte}");
        }
        assert_eq!(classify(&[]), Class::Other);
    }
}
