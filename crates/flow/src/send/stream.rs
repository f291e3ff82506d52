//! One stream that is sent: its numbers, its history, its reports.

use super::history::{History, Slot};
use crate::payload::{Format, Picture, TemporalLayer};
use rtp::extension::{AbsSendTime, Elements, ExtensionError, Kind, Map};
use rtp::rtcp::{SenderInfo, SenderReport};
use rtp::{Header, NtpTime, Writer};
use std::time::Duration;
use wire::{Instant, Rng};

/// How lost packets are sent again (RFC 4588): on a stream of their own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rtx {
    /// The source of the retransmissions.
    pub ssrc: u32,
    /// Their payload type.
    pub payload_type: u8,
}

/// A stream to be sent, as it was negotiated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StreamConfig {
    /// Its source.
    pub ssrc: u32,
    /// Its payload type, 0 to 127.
    pub payload_type: u8,
    /// How its frames travel.
    pub format: Format,
    /// How packets are sent again; `None` leaves NACKs unanswered and the stream without probes.
    pub rtx: Option<Rtx>,
    /// The media section, when the extension is negotiated.
    pub mid: Option<String>,
    /// The simulcast layer, when the extension is negotiated.
    pub rid: Option<String>,
    /// The header extensions that were negotiated for its media section. Congestion control sees the stream only with
    /// [`rtp::extension::Kind::TransportSequence`].
    pub extensions: Map,
}

/// One frame of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Frame<'a> {
    /// As the encoder made it.
    pub data: &'a [u8],
    /// When it was captured, in ticks of the format's clock from any origin; wraps.
    pub timestamp: u32,
    /// It can be decoded without those before it. For sound this says nothing.
    pub keyframe: bool,
    /// How loud it is.
    pub audio_level: Option<rtp::extension::AudioLevel>,
    /// How it must be turned.
    pub video_orientation: Option<rtp::extension::VideoOrientation>,
    /// Which temporal layer it is of and whether it needs nothing but layer 0, if the encoder makes layers. Only VP8 tells it.
    pub layer: Option<Layer>,
}

/// Which temporal layer a frame is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layer {
    /// The layer, 0 to 3: a frame needs none of a higher one.
    pub id: u8,
    /// It needs nothing but frames of layer 0: from it on the layer can be decoded.
    pub sync: bool,
}

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) config: StreamConfig,
    pub(super) history: History,
    /// Packets of the history that wait to be sent.
    pub(super) waiting: usize,
    picture: u16,
    /// Counts the pictures of the lowest temporal layer (TL0PICIDX).
    base: u8,
    timestamp_offset: u32,
    rtx_sequence: u16,
    packets: u32,
    octets: u32,
    /// The last frame's timestamp and when it was given.
    last_frame: Option<(u32, Instant)>,
    pub(super) last_keyframe_request: Option<Instant>,
    pub(super) last_fir: Option<u8>,
    /// A frame was not sent: only a keyframe makes sense now.
    pub(super) broken: bool,
    /// Packets before this one are of no use any more.
    useless_before: i64,
    /// Nothing is sent at present, and so nothing is reported.
    pub(super) paused: bool,
}

impl Stream {
    pub(super) fn new(config: StreamConfig, history: usize, rng: &mut Rng) -> Self {
        let [a, b, c, d, e, f, g, h] = rng.array();
        // Numbers begin in the lower half, so that a receiver that misses the first packets guesses the rollover right.
        let lower = |a: u8, b: u8| u16::from_be_bytes([a & 0x7f, b]);
        Self {
            config,
            history: History::new(lower(a, b), history),
            waiting: 0,
            picture: lower(c, d),
            base: d,
            timestamp_offset: u32::from_be_bytes([e, f, g, h]),
            rtx_sequence: lower(g, f),
            packets: 0,
            octets: 0,
            last_frame: None,
            last_keyframe_request: None,
            last_fir: None,
            broken: false,
            useless_before: 0,
            paused: false,
        }
    }

    /// Cuts a frame into packets of the history. Gives their numbers.
    pub(super) fn cut(&mut self, now: Instant, frame: &Frame<'_>, max: usize) -> std::ops::Range<i64> {
        let timestamp = frame.timestamp.wrapping_add(self.timestamp_offset);
        let begin = self.history.end();
        let format = self.config.format;
        let history = &mut self.history;
        let layer = frame.layer.map(|Layer { id, sync }| {
            self.base = self.base.wrapping_add(u8::from(id == 0));
            TemporalLayer { id, sync, base: self.base }
        });
        let picture = Picture { number: self.picture, layer };
        format.packetize(frame.data, picture, max, &mut |parts, last| {
            let (_, slot) = history.push();
            slot.timestamp = timestamp;
            // For sound the marker begins a talk spurt (RFC 7587 §4.1), which nobody told of.
            slot.marker = last && format.is_video();
            slot.audio_level = frame.audio_level;
            slot.video_orientation = frame.video_orientation.filter(|_| last);
            for part in parts {
                slot.payload.extend_from_slice(part);
            }
        });
        self.picture = self.picture.wrapping_add(1) & 0x7fff;
        self.last_frame = Some((timestamp, now));
        let numbers = begin..self.history.end();
        self.waiting += usize::try_from(numbers.end - numbers.start).expect("not negative");
        numbers
    }

    /// Writes a packet for the first time.
    pub(super) fn write(
        &mut self,
        now: Instant,
        number: i64,
        transport: u16,
        buf: &mut [u8],
    ) -> Option<usize> {
        let Self { config, history, .. } = self;
        let slot = history.at(number)?;
        let header = Header {
            marker: slot.marker,
            payload_type: config.payload_type,
            sequence_number: wire(number),
            timestamp: slot.timestamp,
            ssrc: config.ssrc,
        };
        let elements = Elements { rid: config.rid.as_deref(), ..elements(now, config, slot, transport) };
        let len = write(buf, &header, &elements, &config.extensions, &[&slot.payload]).ok()?;
        slot.sent = Some(now);
        self.waiting = self.waiting.saturating_sub(1);
        self.packets = self.packets.wrapping_add(1);
        let octets = u32::try_from(slot.payload.len()).unwrap_or(u32::MAX);
        self.octets = self.octets.wrapping_add(octets);
        Some(len)
    }

    /// Writes a packet again, in a packet of the retransmission stream (RFC 4588 §4).
    pub(super) fn write_again(
        &mut self,
        now: Instant,
        number: i64,
        transport: u16,
        buf: &mut [u8],
    ) -> Option<usize> {
        let Self { config, history, rtx_sequence, .. } = self;
        let rtx = config.rtx?;
        let slot = history.at(number).filter(|slot| slot.sent.is_some())?;
        let header = Header {
            marker: slot.marker,
            payload_type: rtx.payload_type,
            sequence_number: *rtx_sequence,
            timestamp: slot.timestamp,
            ssrc: rtx.ssrc,
        };
        let elements =
            Elements { repaired_rid: config.rid.as_deref(), ..elements(now, config, slot, transport) };
        let original = wire(number).to_be_bytes();
        let len = write(buf, &header, &elements, &config.extensions, &[&original, &slot.payload]).ok()?;
        *rtx_sequence = rtx_sequence.wrapping_add(1);
        slot.sent = Some(now);
        slot.resent = slot.resent.saturating_add(1);
        Some(len)
    }

    pub(super) fn has_sent(&self) -> bool {
        self.packets > 0
    }

    /// Whether congestion control hears of its packets.
    pub(super) fn is_numbered(&self) -> bool {
        self.config.extensions.id(Kind::TransportSequence).is_some()
    }

    /// Sends on with the same numbers by another configuration; what waits, `count` packets, was of the old one.
    pub(super) fn reconfigure(&mut self, config: StreamConfig, count: usize) {
        self.forget(count);
        self.config = config;
    }

    /// What was not yet sent, `count` packets, is thrown away, and nothing before is sent again.
    pub(super) fn forget(&mut self, count: usize) {
        self.waiting = self.waiting.saturating_sub(count);
        self.broken |= self.config.format.is_video();
        self.useless_before = self.history.end();
    }

    /// What was not yet sent, `count` packets, is thrown away, and what was lost does not matter any more.
    pub(super) fn begin_anew(&mut self, now: Instant, count: usize) {
        self.forget(count);
        self.last_keyframe_request = Some(now);
    }

    /// Whether a packet may be sent again now: not twice in a round trip, and not for ever.
    pub(super) fn may_resend(&mut self, now: Instant, number: i64, pause: Duration) -> Option<usize> {
        self.config.rtx.filter(|_| number >= self.useless_before)?;
        let slot = self.history.at(number)?;
        let sent = slot.sent?;
        let soon = slot.resent > 0 && now.saturating_since(sent) < pause;
        (!soon && slot.resent < 10).then_some(slot.payload.len())
    }

    /// What was sent until now; `None` before the first packet.
    pub(super) fn report(&self, now: Instant, ntp: NtpTime) -> Option<SenderReport<'static>> {
        let (timestamp, at) = self.last_frame.filter(|_| self.packets > 0 && !self.paused)?;
        let ticks = now.saturating_since(at).as_nanos() * u128::from(self.config.format.clock_rate());
        #[expect(clippy::cast_possible_truncation, reason = "it wraps by design")]
        let rtp_timestamp = timestamp.wrapping_add((ticks / 1_000_000_000) as u32);
        let info = SenderInfo { ntp, rtp_timestamp, packets: self.packets, octets: self.octets };
        Some(SenderReport { ssrc: self.config.ssrc, info, reports: (&[]).into() })
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "numbers wrap on the wire")]
fn wire(number: i64) -> u16 {
    number as u16
}

fn elements<'a>(now: Instant, config: &'a StreamConfig, slot: &Slot, transport: u16) -> Elements<'a> {
    Elements {
        mid: config.mid.as_deref(),
        abs_send_time: Some(AbsSendTime::from_duration(now.saturating_since(Instant::ZERO))),
        transport_sequence: Some(transport),
        audio_level: slot.audio_level,
        video_orientation: slot.video_orientation,
        ..Elements::default()
    }
}

fn write(
    buf: &mut [u8],
    header: &Header,
    elements: &Elements<'_>,
    map: &Map,
    parts: &[&[u8]],
) -> Result<usize, ExtensionError> {
    let mut w = Writer::new(buf, header, &[])?;
    w.elements(elements, map)?;
    for part in parts {
        w.payload(part)?;
    }
    Ok(w.finish())
}
