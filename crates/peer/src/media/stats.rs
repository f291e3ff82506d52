//! What is counted of media (W3C webrtc-stats, by its names where it has one).

use std::time::Duration;

use flow::payload::Format;
use rtp::rtcp::ReportBlock;

use super::Media;
use crate::negotiation::MediaKind;

/// What was received of a stream; the counters only grow.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Received {
    pub(super) packets: u64,
    pub(super) bytes: u64,
    pub(super) retransmitted: u64,
    pub(super) frames: u64,
    pub(super) keyframes: u64,
    pub(super) format: Option<Format>,
}

/// What was sent of a stream; the counters only grow.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Sent {
    pub(super) packets: u64,
    pub(super) bytes: u64,
    pub(super) retransmitted: u64,
    pub(super) frames: u64,
    pub(super) keyframes: u64,
}

/// What the other side last told of a stream of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct RemoteReport {
    pub(super) block: ReportBlock,
    pub(super) round_trip: Option<Duration>,
}

/// A stream that is received (W3C `inbound-rtp`).
#[derive(Clone, PartialEq, Debug)]
pub struct InboundRtp {
    /// Its media section.
    pub mid: String,
    /// Its name, if several encodings come side by side.
    pub rid: Option<String>,
    /// Sound or pictures.
    pub kind: MediaKind,
    /// Its source.
    pub ssrc: u32,
    /// The codec of the last packet.
    pub codec: Option<Format>,
    /// Packets of the stream itself.
    pub packets_received: u64,
    /// Bytes of payload, retransmissions included.
    pub bytes_received: u64,
    /// Packets that are missing since the beginning; duplicates may make it negative.
    pub packets_lost: i64,
    /// How much the time between packets varies (RFC 3550 §6.4.1).
    pub jitter: Duration,
    /// Packets that came a second time because they were asked for.
    pub retransmitted_packets_received: u64,
    /// Whole frames given out.
    pub frames_received: u64,
    /// Those of them that begin anew.
    pub key_frames_received: u64,
}

/// A stream that is sent (W3C `outbound-rtp`).
#[derive(Clone, PartialEq, Debug)]
pub struct OutboundRtp {
    /// Its media section.
    pub mid: String,
    /// Its name, if several encodings are sent side by side.
    pub rid: Option<String>,
    /// Sound or pictures.
    pub kind: MediaKind,
    /// Its source.
    pub ssrc: u32,
    /// The codec of the next frame.
    pub codec: Option<Format>,
    /// Whether it is negotiated to be sent.
    pub active: bool,
    /// Packets, retransmissions included.
    pub packets_sent: u64,
    /// Bytes of payload, retransmissions included.
    pub bytes_sent: u64,
    /// Packets sent again.
    pub retransmitted_packets_sent: u64,
    /// Frames given to be sent.
    pub frames_sent: u64,
    /// Those of them that begin anew.
    pub key_frames_sent: u64,
}

/// What the other side reports of a stream of ours (W3C `remote-inbound-rtp`).
#[derive(Clone, PartialEq, Debug)]
pub struct RemoteInboundRtp {
    /// Our stream.
    pub ssrc: u32,
    /// Packets lost since the beginning.
    pub packets_lost: i32,
    /// The part lost between the last two reports, 0 to 1.
    pub fraction_lost: f64,
    /// How much the time between packets varies there.
    pub jitter: Duration,
    /// The round trip that the last report told; `None` before they had one of ours.
    pub round_trip_time: Option<Duration>,
}

/// What was dropped of media, by reason; the counters only grow.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct MediaDropped {
    /// Packets before the keys were known.
    pub early: u64,
    /// Packets that SRTP refused: forged, repeated, too old or malformed.
    pub refused: u64,
    /// Packets that belong to no media section, or to one that does not receive.
    pub unrouted: u64,
    /// Packets that could not be protected.
    pub unprotected: u64,
}

/// All of media at one moment.
#[derive(Clone, Default, Debug)]
pub struct MediaStats {
    /// Streams that come.
    pub inbound_rtp: Vec<InboundRtp>,
    /// Streams that go.
    pub outbound_rtp: Vec<OutboundRtp>,
    /// Reports of the other side.
    pub remote_inbound_rtp: Vec<RemoteInboundRtp>,
    /// How many bits per second all that is sent should have (W3C `availableOutgoingBitrate`).
    pub available_outgoing_bitrate: u64,
    /// All that was sent, in sum.
    pub sent: flow::send::Stats,
    /// All that was received, in sum.
    pub received: flow::receive::Stats,
    /// What was dropped.
    pub dropped: MediaDropped,
}

impl Media {
    pub(crate) fn stats(&self) -> MediaStats {
        let mut stats = MediaStats {
            available_outgoing_bitrate: self.sender.target(),
            sent: self.sender.stats(),
            received: self.receiver.stats(),
            dropped: self.dropped,
            ..MediaStats::default()
        };
        for line in self.lines.values() {
            let clock = |format: Option<Format>| format.map_or(90_000, Format::clock_rate);
            for stream in &line.incoming {
                let (lost, jitter) = self.receiver.quality(stream.flow).unwrap_or_default();
                let received = &stream.stats;
                stats.inbound_rtp.push(InboundRtp {
                    mid: line.mid.clone(),
                    rid: stream.rid.clone(),
                    kind: line.kind,
                    ssrc: stream.ssrc,
                    codec: received.format,
                    packets_received: received.packets,
                    bytes_received: received.bytes,
                    packets_lost: lost,
                    jitter: ticks(jitter, clock(received.format)),
                    retransmitted_packets_received: received.retransmitted,
                    frames_received: received.frames,
                    key_frames_received: received.keyframes,
                });
            }
            for stream in &line.outgoing {
                let codec = stream.codec.map(|codec| codec.format);
                let departed = self.departures.iter().filter(|departed| departed.ssrc == stream.ssrc);
                let (packets, bytes) = departed.fold((0, 0), |(packets, bytes), departed| {
                    (packets + departed.packets, bytes + departed.bytes)
                });
                stats.outbound_rtp.push(OutboundRtp {
                    mid: line.mid.clone(),
                    rid: stream.rid.clone(),
                    kind: line.kind,
                    ssrc: stream.ssrc,
                    codec,
                    active: stream.active,
                    packets_sent: stream.stats.packets + packets,
                    bytes_sent: stream.stats.bytes + bytes,
                    retransmitted_packets_sent: stream.stats.retransmitted,
                    frames_sent: stream.stats.frames,
                    key_frames_sent: stream.stats.keyframes,
                });
                stats.remote_inbound_rtp.extend(stream.remote.map(|remote| RemoteInboundRtp {
                    ssrc: stream.ssrc,
                    packets_lost: remote.block.cumulative_lost,
                    fraction_lost: f64::from(remote.block.fraction_lost) / 256.0,
                    jitter: ticks(remote.block.jitter, clock(codec)),
                    round_trip_time: remote.round_trip,
                }));
            }
        }
        stats
    }
}

fn ticks(count: u32, rate: u32) -> Duration {
    Duration::from_nanos(u64::from(count) * 1_000_000_000 / u64::from(rate.max(1)))
}
