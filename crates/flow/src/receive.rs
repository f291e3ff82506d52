//! The receiving side of a transport: packets become frames, and what is missing is asked for.

mod arrivals;
mod buffer;
mod nack;
mod report;
mod stream;

pub use stream::StreamConfig;

use crate::StreamId;
use crate::payload::Format;
use arrivals::Arrivals;
use rtp::extension::Map;
use rtp::rtcp::{
    CNAME, Compound, Nack, NackEntry, Packet as Control, Pli, ReceiverReport, ReportBlock, Sdes, SdesItem,
    Writer,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;
use stream::Stream;
use wire::{Instant, Rng};

/// Streams of one transport, at most this many: more are refused.
const MOST_STREAMS: usize = 1024;
/// Report blocks of one packet.
const MOST_BLOCKS: usize = 31;
/// Runs of missing packets in one NACK.
const MOST_RUNS: usize = 64;

/// How a transport receives.
#[derive(Clone, Debug)]
pub struct Config {
    /// The header extensions that were negotiated.
    pub extensions: Map,
    /// The source that our reports come from.
    pub ssrc: u32,
    /// The name of this receiver.
    pub cname: String,
    /// The longest RTCP packet in bytes, without the tag of SRTCP.
    pub max_packet: usize,
    /// How often arrivals are reported, when [`rtp::extension::Kind::TransportSequence`] is negotiated.
    pub feedback_interval: Duration,
    /// How often receivers' reports are sent.
    pub report_interval: Duration,
    /// How long a missing packet of video is waited for before a keyframe is asked for.
    pub max_wait_video: Duration,
    /// How long a missing packet of sound is waited for before it is passed over.
    pub max_wait_audio: Duration,
    /// How long after a keyframe was asked for it is asked for again.
    pub keyframe_pause: Duration,
    /// Packets that wait for others at most, per stream.
    pub max_packets: usize,
    /// Frames that wait to be taken at most, over all streams; a newer one is thrown away.
    pub max_frames: usize,
    /// Whether RTCP packets may stand alone (RFC 5506); else a report and the name go with each.
    pub reduced_size: bool,
}

impl Default for Config {
    /// 1200 bytes, 50 ms, 1 s, 600 ms, 120 ms, 400 ms, 1024 packets, 256 frames, with reports; no extensions and no
    /// name.
    fn default() -> Self {
        Self {
            extensions: Map::default(),
            ssrc: 1,
            cname: String::new(),
            max_packet: 1200,
            feedback_interval: Duration::from_millis(50),
            report_interval: Duration::from_secs(1),
            max_wait_video: Duration::from_millis(600),
            max_wait_audio: Duration::from_millis(120),
            keyframe_pause: Duration::from_millis(400),
            max_packets: 1024,
            max_frames: 256,
            reduced_size: false,
        }
    }
}

/// A whole frame, as its encoder made it. Frames of a stream come in their order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Its stream.
    pub stream: StreamId,
    /// What it is.
    pub format: Format,
    /// In ticks of the format's clock; wraps.
    pub timestamp: u32,
    /// It can be decoded without those before it.
    pub keyframe: bool,
    /// Packets that were given up since the frame before; 0 when it follows that.
    pub missing: u32,
    /// What the decoder takes.
    pub data: Vec<u8>,
}

/// Why a stream cannot be added.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AddError {
    /// Another stream, or its retransmissions, has this source.
    SourceTaken(u32),
    /// There are 1024 streams already.
    TooMany,
}

impl std::fmt::Display for AddError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::SourceTaken(ssrc) => {
                write!(f, "the source {ssrc:#010x} belongs to another stream; remove that one first")
            }
            Self::TooMany => {
                write!(f, "a transport receives {MOST_STREAMS} streams at most; remove some first")
            }
        }
    }
}

impl std::error::Error for AddError {}

/// What was received; the counters only grow.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Packets of known streams.
    pub packets: u64,
    /// Packets of sources that are no stream.
    pub unknown_source: u64,
    /// Packets with a payload type that their stream does not have.
    pub unknown_type: u64,
    /// Packets that are no RTP or RTCP, or whose payload is not of its format.
    pub malformed: u64,
    /// Packets that came twice or too late.
    pub late: u64,
    /// Packets without payload.
    pub padding: u64,
    /// Packets of retransmission streams.
    pub retransmissions: u64,
    /// Packets that came after they were asked for.
    pub recovered: u64,
    /// Packets asked for, each time counted.
    pub nacks: u64,
    /// Keyframes asked for.
    pub keyframe_requests: u64,
    /// Frames given out.
    pub frames: u64,
    /// Frames that were whole and could not be decoded.
    pub undecodable: u64,
    /// Frames thrown away because nobody took those before.
    pub overflowed: u64,
}

/// Which stream a source belongs to, and whether as its retransmissions.
#[derive(Clone, Copy, Debug)]
struct Source {
    stream: u32,
    rtx: bool,
}

/// The receiving side of a transport. A machine: see the crate's documentation.
#[derive(Debug)]
pub struct Receiver {
    config: Config,
    /// Boxed: a table of few would be as large as one of eleven.
    streams: BTreeMap<u32, Box<Stream>>,
    sources: BTreeMap<u32, Source>,
    /// When which stream has something to do: an idle poll looks at the first entry alone.
    schedule: BTreeSet<(Instant, u32)>,
    ids: u32,
    frames: VecDeque<Frame>,
    arrivals: Arrivals,
    feedback_due: Option<Instant>,
    report_due: Option<Instant>,
    /// The stream after which the next round of reports goes on.
    reported: u32,
    round_trip: Duration,
    stats: Stats,
}

impl Receiver {
    /// A receiver without streams. The seed shifts its reports a little, so that many do not report at once.
    pub fn new(config: Config, mut seed: Rng, now: Instant) -> Self {
        let shift = Duration::from_millis(seed.below(100));
        Self {
            report_due: Some(now + config.report_interval + shift),
            config,
            streams: BTreeMap::new(),
            sources: BTreeMap::new(),
            schedule: BTreeSet::new(),
            ids: 0,
            frames: VecDeque::new(),
            arrivals: Arrivals::new(),
            feedback_due: None,
            reported: 0,
            round_trip: Duration::from_millis(100),
            stats: Stats::default(),
        }
    }

    /// Adds a stream.
    pub fn add_stream(&mut self, now: Instant, config: StreamConfig) -> Result<StreamId, AddError> {
        if self.streams.len() >= MOST_STREAMS {
            return Err(AddError::TooMany);
        }
        for ssrc in [Some(config.ssrc), config.rtx].into_iter().flatten() {
            if self.sources.contains_key(&ssrc) {
                return Err(AddError::SourceTaken(ssrc));
            }
        }
        self.ids += 1;
        self.sources.insert(config.ssrc, Source { stream: self.ids, rtx: false });
        if let Some(ssrc) = config.rtx {
            self.sources.insert(ssrc, Source { stream: self.ids, rtx: true });
        }
        let stream = Stream::new(config, now, self.config.max_packets);
        self.streams.insert(self.ids, Box::new(stream));
        self.reschedule(self.ids);
        Ok(StreamId(self.ids))
    }

    /// Goes on with another configuration: other payload types, or retransmissions that are known only now.
    ///
    /// # Errors
    /// The sources belong to another stream; then nothing has changed.
    pub fn update_stream(&mut self, id: StreamId, config: StreamConfig) -> Result<(), AddError> {
        let Some(stream) = self.streams.get_mut(&id.0) else { return Ok(()) };
        for ssrc in [Some(config.ssrc), config.rtx].into_iter().flatten() {
            if self.sources.get(&ssrc).is_some_and(|source| source.stream != id.0) {
                return Err(AddError::SourceTaken(ssrc));
            }
        }
        self.sources.retain(|_, source| source.stream != id.0);
        self.sources.insert(config.ssrc, Source { stream: id.0, rtx: false });
        if let Some(ssrc) = config.rtx {
            self.sources.insert(ssrc, Source { stream: id.0, rtx: true });
        }
        stream.reconfigure(config);
        self.reschedule(id.0);
        Ok(())
    }

    /// The header extensions that are negotiated now, and whether RTCP packets may stand alone.
    pub fn renegotiate(&mut self, extensions: Map, reduced_size: bool) {
        self.config.extensions = extensions;
        self.config.reduced_size = reduced_size;
    }

    /// Removes a stream; its frames that wait stay.
    pub fn remove_stream(&mut self, id: StreamId) {
        if let Some(due) = self.streams.remove(&id.0).and_then(|stream| stream.scheduled) {
            self.schedule.remove(&(due, id.0));
        }
        self.sources.retain(|_, source| source.stream != id.0);
    }

    /// How long the way to the sender and back is: how soon a packet may be asked for again. 100 ms until it is told.
    pub fn set_round_trip(&mut self, round_trip: Duration) {
        self.round_trip = round_trip.clamp(Duration::from_millis(5), Duration::from_secs(2));
    }

    /// What was received.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Packets lost and jitter in ticks of a stream; `None` when there is no such stream.
    pub fn quality(&self, id: StreamId) -> Option<(i64, u32)> {
        self.streams.get(&id.0).map(|stream| (stream.report.lost(), stream.report.jitter()))
    }

    /// Takes an RTP packet in, as it came out of SRTP. Whether a forwarder has use for it: it is of a known stream, and if
    /// it was sent again, it had been missing.
    pub fn handle_rtp(&mut self, now: Instant, bytes: &[u8]) -> bool {
        let Ok(packet) = rtp::Packet::parse(bytes) else {
            self.stats.malformed += 1;
            return false;
        };
        if let Some(number) = packet.elements(&self.config.extensions).transport_sequence {
            self.arrivals.push(now, number, packet.ssrc());
            self.feedback_due.get_or_insert(now + self.config.feedback_interval);
        }
        let source = self.sources.get(&packet.ssrc()).copied();
        let Some((source, stream)) = source.and_then(|s| Some((s, self.streams.get_mut(&s.stream)?))) else {
            self.stats.unknown_source += 1;
            return false;
        };
        self.stats.packets += 1;
        let useful = if source.rtx {
            stream.retransmission(now, &packet, &mut self.stats)
        } else {
            stream.packet(now, &packet, &mut self.stats);
            true
        };
        self.collect(now, source.stream);
        useful
    }

    /// Moves whole frames of a stream to where they are taken.
    fn collect(&mut self, now: Instant, id: u32) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        while let Some(frame) = stream.poll_frame(now, StreamId(id), &mut self.stats) {
            if self.frames.len() < self.config.max_frames {
                self.frames.push_back(frame);
            } else {
                self.stats.overflowed += 1;
                stream.overflow(now);
            }
        }
        self.reschedule(id);
    }

    /// A stream may have something to do at another time now.
    fn reschedule(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let due = stream.due(&self.config);
        let before = std::mem::replace(&mut stream.scheduled, due);
        if before != due {
            before.map(|before| self.schedule.remove(&(before, id)));
            due.map(|due| self.schedule.insert((due, id)));
        }
    }

    /// The streams that have something to do.
    fn late(&self, now: Instant) -> Vec<u32> {
        self.schedule.iter().take_while(|(due, _)| *due <= now).map(|(_, id)| *id).collect()
    }

    /// Takes a compound RTCP packet in, as it came out of SRTCP. What is not for a receiver is passed over.
    pub fn handle_rtcp(&mut self, now: Instant, bytes: &[u8]) {
        for packet in Compound::new(bytes) {
            match packet {
                Ok(Control::SenderReport(report)) => {
                    let source = self.sources.get(&report.ssrc).filter(|source| !source.rtx);
                    if let Some(stream) = source.and_then(|source| self.streams.get_mut(&source.stream)) {
                        stream.report.sender_report(now, report.info.ntp);
                    }
                }
                Ok(_) => {}
                Err(rtp::Malformed) => self.stats.malformed += 1,
            }
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        for id in self.late(now) {
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.handle_timeout(now, &self.config);
            }
            self.collect(now, id);
        }
    }

    /// The next whole frame.
    pub fn poll_event(&mut self) -> Option<Frame> {
        self.frames.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) and [`poll_transmit`](Self::poll_transmit) have something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let streams = self.schedule.first().map(|(due, _)| *due);
        let report = self.report_due.filter(|_| !self.streams.is_empty());
        [streams, self.feedback_due, report].into_iter().flatten().min()
    }

    /// Writes the next RTCP packet into `buf` and gives its length. To be protected and sent.
    pub fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<usize> {
        let room = buf.len().min(self.config.max_packet);
        let buf = &mut buf[..room];
        if self.report_due.is_some_and(|due| now >= due) {
            self.report_due = Some(now + self.config.report_interval);
            let blocks = self.blocks(now);
            if !blocks.is_empty() {
                return write(&self.config, buf, &blocks, None);
            }
        }
        if self.feedback_due.is_some_and(|due| now >= due) {
            if let Some(len) = self.write_feedback(buf) {
                return Some(len);
            }
            self.feedback_due = None;
        }
        self.write_requests(now, buf)
    }

    /// Report blocks of the next streams in turn.
    fn blocks(&mut self, now: Instant) -> Vec<ReportBlock> {
        let (before, after): (Vec<u32>, Vec<u32>) = self.streams.keys().partition(|id| **id <= self.reported);
        let mut blocks = Vec::new();
        for id in after.into_iter().chain(before) {
            if blocks.len() == MOST_BLOCKS {
                break;
            }
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            if let Some(block) = stream.report.block(now, stream.config.ssrc) {
                blocks.push(block);
                self.reported = id;
            }
        }
        blocks
    }

    fn write_feedback(&mut self, buf: &mut [u8]) -> Option<usize> {
        let mut scratch = [0; 800];
        let room = scratch.len().min(buf.len().saturating_sub(300));
        let report = self.arrivals.report(self.config.ssrc, &mut scratch[..room])?;
        let config = &self.config;
        write(config, buf, &[], Some(&Control::Twcc(report)))
    }

    /// What streams miss.
    fn write_requests(&mut self, now: Instant, buf: &mut [u8]) -> Option<usize> {
        for id in self.late(now) {
            let written = self.write_request(now, id, buf);
            self.reschedule(id);
            if written.is_some() {
                return written;
            }
        }
        None
    }

    /// What a stream misses: packets first, then a keyframe.
    fn write_request(&mut self, now: Instant, id: u32, buf: &mut [u8]) -> Option<usize> {
        let stream = self.streams.get_mut(&id)?;
        let (sender, media) = (self.config.ssrc, stream.config.ssrc);
        if stream.nacks.due().is_some_and(|due| now >= due) {
            let numbers = stream.nacks.take(now, self.round_trip, MOST_RUNS);
            self.stats.nacks += u64::try_from(numbers.len()).expect("few");
            let mut runs = [NackEntry { first: 0, following: 0 }; MOST_RUNS];
            let count = NackEntry::pack(numbers, &mut runs);
            if count > 0 {
                let nack = Nack { sender, media, entries: runs[..count].into() };
                return write(&self.config, buf, &[], Some(&Control::Nack(nack)));
            }
        }
        if stream.take_keyframe_request(now, self.config.keyframe_pause) {
            self.stats.keyframe_requests += 1;
            return write(&self.config, buf, &[], Some(&Control::Pli(Pli { sender, media })));
        }
        None
    }
}

/// A report and the name, unless feedback may stand alone, and then the feedback (RFC 3550 §6.1, RFC 5506).
fn write(
    config: &Config,
    buf: &mut [u8],
    blocks: &[ReportBlock],
    more: Option<&Control<'_>>,
) -> Option<usize> {
    let mut w = Writer::new(buf);
    if !(config.reduced_size && more.is_some()) {
        let name = config.cname.as_bytes();
        let item = [SdesItem { ssrc: config.ssrc, kind: CNAME, text: &name[..name.len().min(255)] }];
        w.put(&Control::ReceiverReport(ReceiverReport { ssrc: config.ssrc, reports: blocks.into() })).ok()?;
        w.put(&Control::Sdes(Sdes::new(&item))).ok()?;
    }
    if let Some(more) = more {
        w.put(more).ok()?;
    }
    Some(w.len())
}
