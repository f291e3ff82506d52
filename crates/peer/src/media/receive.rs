//! Packets that come in: opened, told to which transceiver they belong (RFC 8843 §9.2), and handed on.

use flow::payload::Format;
use rtp::Packet;
use rtp::extension::Elements;
use rtp::rtcp::{Compound, Packet as Control, ReportBlock};
use wire::Instant;

use super::line::Incoming;
use super::stats::{Received, RemoteReport};
use super::{Media, MediaMode};
use crate::negotiation::{MediaKind, RemoteSource, TransceiverId};

/// Streams of one media section at a time; a new one beyond takes the place of the oldest.
const MAX_INCOMING: usize = 12;

/// A packet that was received, lent to whoever forwards it.
#[derive(Clone, Copy, Debug)]
pub enum MediaPacket<'a> {
    /// A packet of a stream.
    Rtp(RtpPacket<'a>),
    /// A compound RTCP packet (RFC 3550 §6.1), with what was asked of us and what is reported.
    Rtcp(&'a [u8]),
}

/// A packet of a stream, decrypted.
#[derive(Clone, Copy, Debug)]
pub struct RtpPacket<'a> {
    /// Where it belongs.
    pub transceiver: TransceiverId,
    /// Sound or pictures.
    pub kind: MediaKind,
    /// The name of its encoding, if several come side by side.
    pub rid: Option<&'a str>,
    /// What its payload type stands for; `None` for a codec that this crate does not packetise.
    pub format: Option<Format>,
    /// Whether it was lost and came again. Its number and source are those of the packet that was lost.
    pub retransmitted: bool,
    /// The packet.
    pub packet: Packet<'a>,
    /// Its header extensions.
    pub elements: Elements<'a>,
}

/// What takes packets.
pub(crate) type Sink<'s> = &'s mut dyn FnMut(MediaPacket<'_>);

/// Where packets of a source belong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Route {
    transceiver: TransceiverId,
    /// The source of the stream, also for its retransmissions.
    stream: u32,
}

impl Media {
    /// Takes a datagram of RTP or RTCP (RFC 5761), which is decrypted where it stands.
    pub(crate) fn handle_input(&mut self, now: Instant, datagram: &mut [u8], sink: Sink<'_>) {
        let Some(unprotect) = &mut self.unprotect else {
            self.dropped.early += 1;
            return;
        };
        let rtcp = rtp::is_rtcp(datagram);
        let opened = if rtcp { unprotect.unprotect_rtcp(datagram) } else { unprotect.unprotect(datagram) };
        let Ok(len) = opened else {
            self.dropped.refused += 1;
            return;
        };
        if rtcp {
            self.handle_rtcp(now, &datagram[..len], sink);
        } else {
            self.handle_rtp(now, &mut datagram[..len], sink);
        }
    }

    fn handle_rtp(&mut self, now: Instant, bytes: &mut [u8], sink: Sink<'_>) {
        let Ok(packet) = Packet::parse(bytes) else {
            self.dropped.refused += 1;
            return;
        };
        let ssrc = packet.ssrc();
        let route = self.route(now, &packet);
        // Congestion feedback counts what belongs nowhere as well.
        let useful = self.receiver.handle_rtp(now, bytes);
        let Some(Route { transceiver, stream }) = route else {
            self.dropped.unrouted += 1;
            return;
        };
        let Some(line) = self.lines.get_mut(&transceiver) else { return };
        let (kind, receives) = (line.kind, &line.receives);
        let Some(incoming) = line.incoming.iter_mut().find(|incoming| incoming.ssrc == stream) else {
            return;
        };
        let retransmitted = ssrc != stream;
        incoming.stats.count(&packet, retransmitted, receives.format(packet.payload_type()));
        // Packets that are sent again only to fill a probe had arrived before.
        if self.mode == MediaMode::Frames || !useful {
            return;
        }
        let bytes = if retransmitted {
            let original = receives.rtx_types.iter().find(|(rtx, _)| *rtx == packet.payload_type());
            // What is empty only fills a probe.
            let Some(start) = original.and_then(|(_, original)| restore(bytes, *original, stream)) else {
                return;
            };
            &bytes[start..]
        } else {
            &*bytes
        };
        let Ok(packet) = Packet::parse(bytes) else { return };
        sink(MediaPacket::Rtp(RtpPacket {
            transceiver,
            kind,
            rid: incoming.rid.as_deref(),
            format: receives.format(packet.payload_type()),
            retransmitted,
            packet,
            elements: packet.elements(&self.extensions),
        }));
    }

    /// Where a packet belongs. What is known of its source counts; else it is made known.
    fn route(&mut self, now: Instant, packet: &Packet<'_>) -> Option<Route> {
        match self.routes.get(&packet.ssrc()) {
            Some(route) => Some(*route),
            None => self.admit(now, packet),
        }
    }

    /// The section of a source that is not known: that of its `mid`, else the one that announced it, else the only
    /// one with its payload type (RFC 8843 §9.2).
    fn section(&self, packet: &Packet<'_>, elements: &Elements<'_>) -> Option<TransceiverId> {
        let mut lines = self.lines.values().filter(|line| line.direction.receives());
        if let Some(mid) = elements.mid {
            return lines.find(|line| line.mid == mid).map(|line| line.id);
        }
        let ssrc = packet.ssrc();
        let announced = |source: &RemoteSource| source.ssrc == ssrc || source.rtx == Some(ssrc);
        if let Some(line) = lines.clone().find(|line| line.receives.announced.iter().any(announced)) {
            return Some(line.id);
        }
        let kind = packet.payload_type();
        let mut fitting = lines.filter(|line| {
            line.receives.types.contains(&kind) || line.receives.rtx_types.iter().any(|(rtx, _)| *rtx == kind)
        });
        let only = fitting.next()?;
        fitting.next().is_none().then_some(only.id)
    }

    fn admit(&mut self, now: Instant, packet: &Packet<'_>) -> Option<Route> {
        let elements = packet.elements(&self.extensions);
        let id = self.section(packet, &elements)?;
        let receives = &self.lines.get(&id)?.receives;
        let kind = packet.payload_type();
        if receives.rtx_types.iter().any(|(rtx, _)| *rtx == kind) {
            return self.admit_rtx(id, packet.ssrc(), elements.repaired_rid.or(elements.rid));
        }
        if !receives.types.contains(&kind) {
            return None;
        }
        let announced = receives.announced.iter().find(|source| source.ssrc == packet.ssrc());
        let rtx = announced.and_then(|source| source.rtx);
        let rid = elements.rid.filter(|rid| receives.rids.iter().any(|known| known == rid));
        if !receives.rids.is_empty() && rid.is_none() && announced.is_none() {
            return None;
        }
        self.admit_media(now, id, packet.ssrc(), rtx, rid)
    }

    fn admit_media(
        &mut self,
        now: Instant,
        id: TransceiverId,
        ssrc: u32,
        rtx: Option<u32>,
        rid: Option<&str>,
    ) -> Option<Route> {
        let line = self.lines.get(&id)?;
        // An encoding has one source at a time.
        let same = line.incoming.iter().find(|incoming| rid.is_some() && incoming.rid.as_deref() == rid);
        let oldest = line.incoming.first().filter(|_| line.incoming.len() >= MAX_INCOMING);
        if let Some(ssrc) = same.or(oldest).map(|incoming| incoming.ssrc) {
            self.forget_incoming(ssrc);
        }
        let rtx = rtx.filter(|rtx| !self.routes.contains_key(rtx));
        let line = self.lines.get_mut(&id)?;
        let config = line.receive_config(ssrc, rtx, self.mode == MediaMode::Packets);
        let flow = self.receiver.add_stream(now, config).ok()?;
        let rid = rid.map(str::to_owned);
        line.incoming.push(Incoming { ssrc, rtx, rid, flow, stats: Received::default() });
        let route = Route { transceiver: id, stream: ssrc };
        self.routes.insert(ssrc, route);
        rtx.map(|rtx| self.routes.insert(rtx, route));
        Some(route)
    }

    /// Retransmissions that no description announced: of the encoding that they name, else of the only stream there is.
    fn admit_rtx(&mut self, id: TransceiverId, ssrc: u32, rid: Option<&str>) -> Option<Route> {
        let line = self.lines.get_mut(&id)?;
        let announced = line.receives.announced.iter().find(|source| source.rtx == Some(ssrc));
        let announced = announced.map(|source| source.ssrc);
        let alone = line.incoming.len() == 1;
        let at = line.incoming.iter().position(|incoming| match (announced, rid) {
            (Some(announced), _) => incoming.ssrc == announced,
            (None, Some(_)) => incoming.rid.as_deref() == rid,
            (None, None) => alone && incoming.rtx.is_none(),
        })?;
        let (stream, flow) = (line.incoming[at].ssrc, line.incoming[at].flow);
        let config = line.receive_config(stream, Some(ssrc), self.mode == MediaMode::Packets);
        self.receiver.update_stream(flow, config).ok()?;
        if let Some(before) = line.incoming[at].rtx.replace(ssrc) {
            self.routes.remove(&before);
        }
        let route = Route { transceiver: id, stream };
        self.routes.insert(ssrc, route);
        Some(route)
    }

    /// Forgets a stream that comes in, by its source.
    pub(super) fn forget_incoming(&mut self, ssrc: u32) {
        let Some(route) = self.routes.get(&ssrc).copied().filter(|route| route.stream == ssrc) else {
            return;
        };
        self.routes.retain(|_, other| other.stream != ssrc);
        let Some(line) = self.lines.get_mut(&route.transceiver) else { return };
        if let Some(at) = line.incoming.iter().position(|incoming| incoming.ssrc == ssrc) {
            self.receiver.remove_stream(line.incoming.remove(at).flow);
        }
    }

    fn handle_rtcp(&mut self, now: Instant, bytes: &[u8], sink: Sink<'_>) {
        self.sender.handle_rtcp(now, bytes);
        self.receiver.handle_rtcp(now, bytes);
        for packet in Compound::new(bytes) {
            match packet {
                Ok(Control::Bye(bye)) => bye.sources.iter().for_each(|ssrc| self.forget_incoming(ssrc)),
                Ok(Control::ReceiverReport(report)) => {
                    report.reports.iter().for_each(|block| self.reported(now, block));
                }
                Ok(Control::SenderReport(report)) => {
                    report.reports.iter().for_each(|block| self.reported(now, block));
                }
                Ok(Control::Pli(pli)) => self.asked_for_keyframe(pli.media),
                Ok(Control::Fir(fir)) => fir.entries.iter().for_each(|e| self.asked_for_keyframe(e.ssrc)),
                Ok(_) | Err(rtp::Malformed) => {}
            }
        }
        if self.mode == MediaMode::Packets {
            sink(MediaPacket::Rtcp(bytes));
        }
    }

    fn reported(&mut self, now: Instant, block: ReportBlock) {
        let round_trip = block.round_trip(self.ntp(now));
        if let Some(stream) = self.outgoing(block.ssrc) {
            stream.remote = Some(RemoteReport { block, round_trip });
            if let Some(round_trip) = round_trip {
                self.receiver.set_round_trip(round_trip);
            }
        }
    }

    /// Flow tells of keyframes asked for of its own streams; of forwarded ones it does not know.
    fn asked_for_keyframe(&mut self, ssrc: u32) {
        if self.mode == MediaMode::Frames || self.keyframes_wanted.len() >= super::MAX_REQUESTS {
            return;
        }
        let rid = self.outgoing(ssrc).filter(|stream| stream.active).map(|stream| stream.rid.clone());
        if let (Some(rid), Some(id)) = (rid, self.sources.get(&ssrc).copied())
            && !self.keyframes_wanted.contains(&(id, rid.clone()))
        {
            self.keyframes_wanted.push_back((id, rid));
        }
    }
}

impl Received {
    fn count(&mut self, packet: &Packet<'_>, retransmitted: bool, format: Option<Format>) {
        self.bytes += packet.payload().len() as u64;
        if retransmitted {
            self.retransmitted += 1;
        } else {
            self.packets += 1;
            self.format = format;
        }
    }
}

/// Makes the packet that was lost of its retransmission (RFC 4588 §4): the header moves over the original number, which
/// takes its place. Where the packet begins now; `None` without a payload.
fn restore(bytes: &mut [u8], payload_type: u8, ssrc: u32) -> Option<usize> {
    let header = Packet::parse(bytes).ok().filter(|packet| packet.payload().len() > 2)?.header_len();
    let original = [bytes[header], bytes[header + 1]];
    bytes.copy_within(..header, 2);
    let packet = &mut bytes[2..];
    packet[1] = packet[1] & 0x80 | payload_type;
    packet[2..4].copy_from_slice(&original);
    packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
    Some(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtp::{Header, Writer};

    #[test]
    fn a_retransmission_becomes_the_packet_that_was_lost() {
        let header = Header { marker: true, payload_type: 97, sequence_number: 5, timestamp: 7, ssrc: 9 };
        for (payload, lost) in [(&[1, 2, 8, 8, 8][..], Some(&[8, 8, 8][..])), (&[1, 2], None), (&[], None)] {
            let mut buf = [0; 100];
            let mut writer = Writer::new(&mut buf, &header, &[1]).unwrap();
            writer.payload(payload).unwrap();
            let len = writer.finish();
            let start = restore(&mut buf[..len], 96, 3);
            assert_eq!(start.is_some(), lost.is_some(), "{payload:?}");
            let (Some(start), Some(lost)) = (start, lost) else { continue };
            let packet = Packet::parse(&buf[start..len]).unwrap();
            assert_eq!((packet.payload(), packet.payload_type(), packet.marker()), (lost, 96, true));
            assert_eq!((packet.sequence_number(), packet.timestamp(), packet.ssrc()), (0x0102, 7, 3));
            assert!(packet.csrcs().eq([1]));
        }
    }
}
