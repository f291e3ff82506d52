//! Packets of others that a forwarder sends on: under a source and number of our own, protected anew, at once.

use std::time::Duration;

use flow::payload::Format;
use rtp::extension::{AbsSendTime, Elements, Kind};
use rtp::{Header, Template, Writer};
use wire::{Fragments, Instant, Transmit};

use super::{Media, MediaError, MediaMode};
use crate::Peer;
use crate::negotiation::TransceiverId;

/// A packet to be sent by a forwarder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutgoingRtp<'a> {
    /// Over which transceiver.
    pub transceiver: TransceiverId,
    /// Which encoding it is of, if several are negotiated to be sent side by side; `None` is the first.
    pub rid: Option<&'a str>,
    /// What it is; `None` is the codec that the negotiation prefers.
    pub format: Option<Format>,
    /// The marker bit.
    pub marker: bool,
    /// Its number. Each number is sent once; a retransmission has that of the packet that was lost.
    pub sequence_number: u16,
    /// In ticks of [`Format::clock_rate`]; wraps.
    pub timestamp: u32,
    /// What stands before the payload: where a forwarder changes the beginning of what it received, that need not be
    /// copied.
    pub head: &'a [u8],
    /// The payload.
    pub payload: &'a [u8],
    /// How long the packet is to be made by padding (RFC 3550 §5.1), before protection, so that it is as long as others
    /// of its run; no effect when it is as long already, or more than 255 bytes too short. 0 for none.
    pub pad_to: usize,
    /// Whether it is sent again because it was lost, as RFC 4588 says.
    pub retransmission: bool,
    /// Whether it is sent for [`Peer::probe`] only.
    pub probe: bool,
    /// Header extensions to pass on; `mid`, `rid`, the time of sending and the number across the transport are ours.
    pub elements: Elements<'a>,
}

/// A stream that is being forwarded: what is the same in all its packets, side by side, so that a packet needs little
/// memory to be looked at. Made with the first packet, forgotten with the next negotiation.
#[derive(Debug)]
pub(super) struct Departure {
    transceiver: TransceiverId,
    format: Format,
    payload_type: u8,
    /// Whether its packets have a number across the transport.
    numbered: bool,
    pub(super) ssrc: u32,
    /// Packets and bytes of payload that the stream's own counters do not have yet.
    pub(super) packets: u64,
    pub(super) bytes: u64,
    template: Template,
}

impl OutgoingRtp<'_> {
    /// Whether it looks like most packets of its stream.
    fn is_usual(&self) -> bool {
        let rare = self.elements.video_orientation.is_some()
            || self.elements.playout_delay.is_some()
            || self.elements.video_layers_allocation.is_some()
            || self.elements.dependency.is_some();
        self.rid.is_none() && !self.retransmission && !rare
    }

    fn header(&self, payload_type: u8, ssrc: u32) -> Header {
        Header {
            marker: self.marker,
            payload_type,
            sequence_number: self.sequence_number,
            timestamp: self.timestamp,
            ssrc,
        }
    }

    fn write_into(&self, mut writer: Writer<'_>) -> Result<usize, MediaError> {
        writer.payload(self.head).map_err(|_| MediaError::Short)?;
        writer.payload(self.payload).map_err(|_| MediaError::Short)?;
        let missing = self.pad_to.saturating_sub(writer.len());
        writer.pad(u8::try_from(missing).unwrap_or(0)).map_err(|_| MediaError::Short)
    }

    fn payload_len(&self) -> u64 {
        (self.head.len() + self.payload.len()) as u64
    }
}

impl Media {
    /// Writes a forwarded packet, protected; its length.
    fn write_rtp(
        &mut self,
        now: Instant,
        out: &OutgoingRtp<'_>,
        buf: &mut [u8],
    ) -> Result<usize, MediaError> {
        if self.mode != MediaMode::Packets {
            return Err(MediaError::Mode);
        }
        let (len, numbered) = match self.departure(out) {
            Some(at) => self.write_usual(now, at, out, buf)?,
            None => self.write_any(now, out, buf)?,
        };
        let protect = self.protect.as_mut().ok_or(MediaError::NotConnected)?;
        let len = protect.protect(buf, len).map_err(MediaError::Unprotected)?;
        if numbered {
            self.sender.sent(now, len, out.probe);
        }
        Ok(len)
    }

    /// Reads what the next packet needs.
    #[inline]
    fn fetch(&self, pass: u8) -> u64 {
        let departure = if pass == 0 {
            self.departures.len() as u64 ^ self.last_departure as u64
        } else {
            let departure = self.departures.get(self.last_departure);
            departure.map_or(0, |departure| departure.packets ^ u64::from(departure.ssrc))
        };
        let protect = self.protect.as_ref().map_or(0, |protect| protect.fetch(pass));
        departure ^ protect ^ self.sender.fetch(pass)
    }

    /// The stream of a packet, if it is ready and the packet is as usual.
    #[inline]
    fn departure(&mut self, out: &OutgoingRtp<'_>) -> Option<usize> {
        let found = self.departures.get(self.last_departure);
        if found.is_none_or(|found| found.transceiver != out.transceiver) {
            self.last_departure = self.find_departure(out.transceiver).ok()?;
        }
        let found = &self.departures[self.last_departure];
        let same = out.format == Some(found.format) && found.template.suits(&out.elements);
        (same && out.is_usual()).then_some(self.last_departure)
    }

    fn find_departure(&self, transceiver: TransceiverId) -> Result<usize, usize> {
        self.departures.binary_search_by_key(&transceiver, |found| found.transceiver)
    }

    /// Writes a packet of a stream that is ready: its length, and whether it is numbered across the transport.
    #[inline]
    fn write_usual(
        &mut self,
        now: Instant,
        at: usize,
        out: &OutgoingRtp<'_>,
        buf: &mut [u8],
    ) -> Result<(usize, bool), MediaError> {
        let departure = &mut self.departures[at];
        let header = out.header(departure.payload_type, departure.ssrc);
        let elements = Elements {
            abs_send_time: Some(AbsSendTime::from_duration(now.saturating_since(Instant::ZERO))),
            transport_sequence: Some(self.sender.next_number()),
            ..out.elements
        };
        let writer = departure.template.write(buf, &header, &elements).map_err(|_| MediaError::Short)?;
        let len = out.write_into(writer)?;
        departure.packets += 1;
        departure.bytes += out.payload_len();
        Ok((len, departure.numbered))
    }

    /// Writes any packet, and makes its stream ready for the next ones.
    fn write_any(
        &mut self,
        now: Instant,
        out: &OutgoingRtp<'_>,
        buf: &mut [u8],
    ) -> Result<(usize, bool), MediaError> {
        let line = self.lines.get_mut(&out.transceiver).ok_or(MediaError::NoTransceiver)?;
        if !line.direction.sends() {
            return Err(MediaError::NotSending);
        }
        let (map, mut codecs) = (line.extensions, line.codecs.iter());
        let wanted = |format: Format| out.format.is_none_or(|wanted| wanted == format);
        let codec = *codecs.find(|codec| wanted(codec.format)).ok_or(MediaError::NoCodec)?;
        let at = line
            .outgoing
            .iter()
            .position(|stream| stream.active && (out.rid.is_none() || stream.rid.as_deref() == out.rid));
        let stream = &mut line.outgoing[at.ok_or(MediaError::NoEncoding)?];
        let mut header = out.header(codec.payload_type, stream.ssrc);
        let rid = stream.rid.as_deref();
        let mut elements = Elements {
            mid: Some(&line.mid),
            rid,
            repaired_rid: None,
            abs_send_time: Some(AbsSendTime::from_duration(now.saturating_since(Instant::ZERO))),
            transport_sequence: Some(self.sender.next_number()),
            ..out.elements
        };
        if out.retransmission {
            header.payload_type = codec.rtx.ok_or(MediaError::NoCodec)?;
            (header.sequence_number, header.ssrc) = (stream.rtx_sequence, stream.rtx_ssrc);
            stream.rtx_sequence = stream.rtx_sequence.wrapping_add(1);
            (elements.rid, elements.repaired_rid) = (None, rid);
        }
        let numbered = map.id(Kind::TransportSequence).is_some();
        let ready = if out.is_usual() { Template::new(&elements, &map) } else { None };
        let mut writer = Writer::new(buf, &header, &[]).map_err(|_| MediaError::Short)?;
        writer.elements(&elements, &map).map_err(|_| MediaError::Short)?;
        if out.retransmission {
            writer.payload(&out.sequence_number.to_be_bytes()).map_err(|_| MediaError::Short)?;
        }
        let len = out.write_into(writer)?;
        stream.stats.packets += 1;
        stream.stats.retransmitted += u64::from(out.retransmission);
        stream.stats.bytes += out.payload_len();
        if let Some(template) = ready {
            let (transceiver, format, payload_type) = (out.transceiver, codec.format, codec.payload_type);
            let (ssrc, packets, bytes) = (stream.ssrc, 0, 0);
            self.get_ready(Departure {
                transceiver,
                format,
                payload_type,
                numbered,
                ssrc,
                packets,
                bytes,
                template,
            });
        }
        Ok((len, numbered))
    }

    /// Keeps a stream ready, in the place of what its transceiver sent before.
    fn get_ready(&mut self, departure: Departure) {
        match self.find_departure(departure.transceiver) {
            Ok(at) => {
                let before = std::mem::replace(&mut self.departures[at], departure);
                self.count_departed(&before);
            }
            Err(at) => {
                // Most members are sent little, and there are very many of them.
                self.departures.reserve_exact(1);
                self.departures.insert(at, departure);
            }
        }
    }

    /// Something else may be negotiated now: nothing is ready any more.
    pub(super) fn settle_departures(&mut self) {
        for departure in std::mem::take(&mut self.departures) {
            self.count_departed(&departure);
        }
    }

    fn count_departed(&mut self, departure: &Departure) {
        if let Some(stream) = self.outgoing(departure.ssrc) {
            stream.stats.packets += departure.packets;
            stream.stats.bytes += departure.bytes;
        }
    }
}

impl Peer {
    /// Writes a forwarded packet into `buf`, protected, and says where it is to be sent, at once. Nothing is allocated,
    /// and nothing is kept: pacing and answering requests for lost packets are the forwarder's.
    ///
    /// # Errors
    /// Not negotiated, not connected, or a number that was sent before.
    pub fn send_rtp(
        &mut self,
        now: Instant,
        packet: &OutgoingRtp<'_>,
        buf: &mut [u8],
    ) -> Result<Transmit, MediaError> {
        let path = self.path().ok_or(MediaError::NotConnected)?;
        let media = self.media.as_mut().ok_or(MediaError::NoTransceiver)?;
        let len = media.write_rtp(now, packet, buf)?;
        self.dispatch(now, Transmit { len, ..path }, buf)
    }

    /// Reads a little of all that [`Peer::send_rtp`] needs, in three passes (0 to 2), each of which finds its way by what the
    /// one before has read. What it gives has no meaning. For whoever sends to many in turn: when a pass is done for
    /// several peers before the next one, the processor waits for the memory of all of them at once, instead of for that
    /// of each again and again.
    #[inline]
    pub fn fetch(&self, pass: u8) -> u64 {
        if pass == 0 {
            let port = self.selected_pair().map_or(0, |pair| u64::from(pair.remote.port()));
            return port ^ self.counters.packets_sent ^ u64::from(self.media.is_some());
        }
        self.media.as_ref().map_or(0, |media| media.fetch(pass - 1))
    }

    /// Whether packets of a transceiver may have a header extension, as far as is negotiated.
    pub fn sends_extension(&self, transceiver: TransceiverId, kind: Kind) -> bool {
        let line = self.media.as_ref().and_then(|media| media.lines.get(&transceiver));
        line.is_some_and(|line| line.extensions.id(kind).is_some())
    }

    /// How fast to send in bits per second to find out whether the path carries more than is sent: for a forwarder that
    /// would send more. Packets that [`OutgoingRtp::probe`] marks count, sent at this rate until it gives `None`, for about
    /// 15 ms and five packets at least; a burst begins when one is due, at most every few seconds unless one after the other goes through.
    pub fn probe(&mut self, now: Instant) -> Option<u64> {
        self.media.as_mut()?.sender.probe(now)
    }

    /// When [`Peer::probe`] may begin a burst; `None` while one is under way or nothing is negotiated.
    pub fn probe_due(&self) -> Option<Instant> {
        self.media.as_ref()?.sender.probe_due()
    }

    /// Bytes that protection adds to a packet of media; 0 before the handshake is complete.
    pub fn srtp_overhead(&self) -> usize {
        let protect = self.media.as_ref().and_then(|media| media.protect.as_ref());
        protect.map_or(0, |protect| protect.profile().rtp_overhead())
    }

    /// How long the path and back is, as far as what was sent has told; 100 ms before.
    pub fn round_trip(&self) -> Duration {
        let unknown = Duration::from_millis(100);
        self.media.as_ref().map_or(unknown, |media| media.sender.estimator().round_trip())
    }

    /// Protects the compound RTCP packet in the first `len` bytes of `buf` and says where it is to be sent, at once: for
    /// a forwarder that answers for others.
    ///
    /// # Errors
    /// Not connected, no RTCP packet, or no room for what protection adds.
    pub fn send_rtcp(&mut self, now: Instant, buf: &mut [u8], len: usize) -> Result<Transmit, MediaError> {
        let path = self.path().ok_or(MediaError::NotConnected)?;
        let protect = self.media.as_mut().and_then(|media| media.protect.as_mut());
        let protect = protect.ok_or(MediaError::NotConnected)?;
        let len = protect.protect_rtcp(buf, len).map_err(MediaError::Unprotected)?;
        self.dispatch(now, Transmit { len, ..path }, buf)
    }

    fn path(&self) -> Option<Transmit> {
        let pair = self.agent.as_ref()?.selected()?;
        let (transport, from, to) = (pair.transport, pair.local, pair.remote);
        Some(Transmit { transport, from, to, len: 0, segment_size: None, fragments: Fragments::Usual })
    }

    fn dispatch(&mut self, now: Instant, transmit: Transmit, buf: &mut [u8]) -> Result<Transmit, MediaError> {
        let transmit = self.route(now, transmit, buf).ok_or(MediaError::NotConnected)?;
        self.counters.bytes_sent += transmit.len as u64;
        self.counters.packets_sent += 1;
        Ok(transmit)
    }
}
