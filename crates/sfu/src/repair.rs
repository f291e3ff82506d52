//! What is sent beside media as it comes: packets again, probes, and reports.

use std::time::Duration;

use rtp::NtpTime;
use rtp::rtcp::{CNAME, Packet as Control, Sdes, SdesItem, SenderInfo, SenderReport, Writer};
use wire::{Instant, Transmit};

use crate::member::{Again, FIRST_PICTURE, Member};
use crate::output::{Purpose, send};
use crate::sfu::Sfu;
use crate::slab::Slab;
use crate::slot::Slot;
use crate::track::Track;

/// How far behind the last packet one is sent again to fill a probe.
const FILLER_BEHIND: i64 = 32;

impl Sfu {
    /// Writes a packet that was asked for again, or one that fills a probe.
    pub(crate) fn write_again(&mut self, now: Instant, at: u32, buf: &mut [u8]) -> Option<Transmit> {
        let Self { members, tracks, stats, .. } = self;
        let member = &mut **members.get_mut(at)?;
        while let Some(again) = member.repair.pop(now) {
            match resend(now, member, tracks, (again, Purpose::Again), buf) {
                Some(transmit) => {
                    stats.resent += 1;
                    return Some(transmit);
                }
                None => stats.unanswered += 1,
            }
        }
        if member.probe.is_some() || !member.wants_more {
            return None;
        }
        let rate = member.peer.probe(now)?;
        let filler = filler(member, tracks)?;
        let transmit = resend(now, member, tracks, (filler, Purpose::Probe), buf)?;
        stats.probes += 1;
        let bits = u64::try_from(transmit.len).unwrap_or(0) * 8;
        member.probe = Some(now + Duration::from_nanos(bits.saturating_mul(1_000_000_000) / rate.max(1)));
        self.schedule(at);
        Some(transmit)
    }

    /// Writes the reports of the slots that have sent anything since the last ones (RFC 3550 §6.4.1): when it was
    /// captured, by our clock, so that what comes from one member can be played in step.
    pub(crate) fn write_reports(&mut self, now: Instant, at: u32, buf: &mut [u8]) -> Option<Transmit> {
        let since_epoch = self.wall.1 + now.saturating_since(self.wall.0);
        let Self { members, tracks, .. } = self;
        let member = &mut **members.get_mut(at)?;
        let room = buf.len().saturating_sub(64).min(1200);
        let mut writer = Writer::new(&mut buf[..room]);
        let mut described = None;
        let voices = member.voices.iter_mut().map(|slot| (slot, 48_000));
        let pictures = member.pictures.iter_mut().map(|slot| (slot, 90_000));
        for (slot, rate) in voices.chain(pictures) {
            if slot.packets == slot.reported {
                continue;
            }
            let Some(rtp_timestamp) = timestamp(slot, tracks, since_epoch, rate) else { continue };
            let info = SenderInfo {
                ntp: NtpTime::from_unix(since_epoch),
                rtp_timestamp,
                packets: slot.packets,
                octets: slot.octets,
            };
            let report = SenderReport { ssrc: slot.ssrc, info, reports: (&[]).into() };
            if writer.put(&Control::SenderReport(report)).is_err() {
                break;
            }
            slot.reported = slot.packets;
            described.get_or_insert(slot.ssrc);
        }
        let len = writer.len();
        let text = member.peer.negotiator().cname().as_bytes();
        let item = [SdesItem { ssrc: described?, kind: CNAME, text }];
        let mut writer = Writer::new(&mut buf[len..]);
        writer.put(&Control::Sdes(Sdes::new(&item))).ok()?;
        let len = len + writer.len();
        member.peer.send_rtcp(now, buf, len).ok()
    }
}

/// Sends a packet again as it was, if it is still there.
fn resend(
    now: Instant,
    member: &mut Member,
    tracks: &Slab<Track>,
    (again, purpose): (Again, Purpose),
    buf: &mut [u8],
) -> Option<Transmit> {
    let (run, number) = member.slot(again.bit)?.origin(again.number)?;
    let track = tracks.get(run.track).filter(|track| track.serial == run.serial && track.allowed)?;
    let kept = track.layers.get(usize::from(run.layer))?.ring.find(number)?;
    let target = member.peer.available_outgoing_bitrate();
    if purpose == Purpose::Again && !member.repair.pay(now, kept.payload().len(), (target, member.spare)) {
        return None;
    }
    let written = run.written(again.number, kept);
    let Member { peer, voices, pictures, .. } = member;
    let slot = crate::member::slot_mut(voices, pictures, again.bit)?;
    let sent = send(now, peer, slot, (kept, written), (0, purpose), buf);
    // Sound has no retransmission stream: then it cannot be sent again.
    sent.ok()
}

/// The longest of the last packets of a picture: to send it again may even help.
fn filler(member: &Member, tracks: &Slab<Track>) -> Option<Again> {
    let mut best: Option<(usize, Again)> = None;
    for (index, slot) in member.pictures.iter().enumerate() {
        for number in slot.out - FILLER_BEHIND..slot.out {
            let Some((run, original)) = slot.origin(number) else { continue };
            let Some(track) = tracks.get(run.track).filter(|track| track.serial == run.serial) else {
                continue;
            };
            let layer = track.layers.get(usize::from(run.layer));
            let Some(kept) = layer.and_then(|layer| layer.ring.find(original)) else { continue };
            let bit = FIRST_PICTURE + u8::try_from(index).ok()?;
            if best.is_none_or(|(len, _)| kept.payload().len() > len) {
                best = Some((kept.payload().len(), Again { bit, number }));
            }
        }
        if best.is_some() {
            break;
        }
    }
    best.map(|(_, again)| again)
}

/// What a slot's timestamp is at a time, by the clock of what it carries.
fn timestamp(slot: &Slot, tracks: &Slab<Track>, since_epoch: Duration, rate: u32) -> Option<u32> {
    let run = slot.run()?;
    let track = tracks.get(run.track).filter(|track| track.serial == run.serial)?;
    let (source, captured) = track.layers.get(usize::from(run.layer))?.clock?;
    let ticks = |time: Duration| time.as_nanos() * u128::from(rate) / 1_000_000_000;
    #[expect(clippy::cast_possible_truncation, reason = "timestamps wrap")]
    let source = match since_epoch.checked_sub(captured) {
        Some(since) => source.wrapping_add(ticks(since) as u32),
        None => source.wrapping_sub(ticks(captured - since_epoch) as u32),
    };
    Some(run.timestamp(source))
}
