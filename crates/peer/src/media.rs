//! Media: packets between SRTP and flow, for all media sections of the connection.

mod config;
mod forward;
mod line;
mod receive;
mod send;
mod stats;

pub use config::{MediaConfig, MediaMode};
pub use flow::send::Layer;
pub use forward::OutgoingRtp;
pub use receive::{MediaPacket, RtpPacket};
pub use send::{Frame, MediaError};
pub use stats::{InboundRtp, MediaDropped, MediaStats, OutboundRtp, RemoteInboundRtp};

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use dtls::{Secret, SrtpKeys, SrtpProfile};
use flow::payload::Format;
use flow::receive::Receiver;
use flow::send::Sender;
use rtp::NtpTime;
use rtp::extension::Map;
use rtp::srtp::{Profile, Protect, Unprotect};
use wire::{Instant, Rng};

use crate::negotiation::{Negotiated, NegotiatedTransceiver, TransceiverId};
use crate::{Event, Peer};
use forward::Departure;
use line::{Line, Outgoing};
use receive::Route;
pub(crate) use receive::Sink;
use send::Request;

/// Requests that wait to be sent, and requests of the other side that wait to be told.
const MAX_REQUESTS: usize = 64;
/// Streams of one media section that were sent once; beyond, those that are not sent any more are forgotten.
const MAX_OUTGOING: usize = 16;

/// A whole frame that was received.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReceivedFrame {
    /// Where it belongs.
    pub transceiver: TransceiverId,
    /// The name of its encoding, if several come side by side.
    pub rid: Option<String>,
    /// Its codec.
    pub format: Format,
    /// In ticks of [`Format::clock_rate`] from any origin; wraps.
    pub timestamp: u32,
    /// Whether it can be decoded without those before it.
    pub keyframe: bool,
    /// Packets that were given up since the frame before; 0 when it follows that.
    pub missing: u32,
    /// What the decoder takes: of H.264 a byte stream with start codes, of AV1 a temporal unit.
    pub data: Vec<u8>,
}

/// The keys of both directions, as long as media may still be negotiated.
pub(crate) struct Keys {
    profile: Profile,
    ours: (Secret, Secret),
    theirs: (Secret, Secret),
}

impl Keys {
    /// Which keys are ours is a matter of who began the handshake (RFC 5764 §4.2).
    pub(crate) fn new(keys: SrtpKeys, we_are_client: bool) -> Self {
        let profile = match keys.profile {
            SrtpProfile::AeadAes128Gcm => Profile::AeadAes128Gcm,
            SrtpProfile::AeadAes256Gcm => Profile::AeadAes256Gcm,
            SrtpProfile::Aes128CmHmacSha1_80 => Profile::Aes128CmHmacSha1_80,
        };
        let client = (keys.client_key, keys.client_salt);
        let server = (keys.server_key, keys.server_salt);
        let (ours, theirs) = if we_are_client { (client, server) } else { (server, client) };
        Self { profile, ours, theirs }
    }
}

/// All media of a connection.
pub(crate) struct Media {
    mode: MediaMode,
    srtp: rtp::srtp::Config,
    protect: Option<Protect>,
    unprotect: Option<Unprotect>,
    sender: Sender,
    receiver: Receiver,
    lines: BTreeMap<TransceiverId, Box<Line>>,
    /// The streams that are being forwarded, in the order of their transceivers, and the last one of them.
    departures: Vec<Departure>,
    last_departure: usize,
    /// The sources that were received.
    routes: BTreeMap<u32, Route>,
    /// The sources that are sent, retransmissions included.
    sources: BTreeMap<u32, TransceiverId>,
    /// The header extensions that may come.
    extensions: Map,
    /// What our reports come from.
    ssrc: u32,
    cname: String,
    requests: VecDeque<Request>,
    keyframes_wanted: VecDeque<(TransceiverId, Option<String>)>,
    fir_sequence: u8,
    /// The wall clock at an instant.
    wall: (Instant, Duration),
    dropped: MediaDropped,
}

impl Media {
    pub(crate) fn new(config: &MediaConfig, cname: &str, mut rng: Rng, now: Instant) -> Self {
        let ssrc = u32::from_be_bytes(rng.array()).max(1);
        let send = flow::send::Config { cname: cname.to_owned(), ..config.send.clone() };
        let receive = flow::receive::Config { cname: cname.to_owned(), ssrc, ..config.receive.clone() };
        Self {
            mode: config.mode,
            srtp: config.srtp.clone(),
            protect: None,
            unprotect: None,
            sender: Sender::new(send, rng.fork(), now),
            receiver: Receiver::new(receive, rng.fork(), now),
            lines: BTreeMap::new(),
            departures: Vec::new(),
            last_departure: 0,
            routes: BTreeMap::new(),
            sources: BTreeMap::new(),
            extensions: Map::default(),
            ssrc,
            cname: cname.to_owned(),
            requests: VecDeque::new(),
            keyframes_wanted: VecDeque::new(),
            fir_sequence: 0,
            wall: (now, Duration::ZERO),
            dropped: MediaDropped::default(),
        }
    }

    pub(crate) fn set_wall_clock(&mut self, now: Instant, since_epoch: Duration) {
        self.wall = (now, since_epoch);
        self.sender.set_time(now, since_epoch);
    }

    fn ntp(&self, now: Instant) -> NtpTime {
        NtpTime::from_unix(self.wall.1 + now.saturating_since(self.wall.0))
    }

    /// Media flows from now on; without keys it does not any more.
    pub(crate) fn set_keys(&mut self, keys: Option<&Keys>) {
        // Keys of another length than their profile's cannot come from an exporter.
        self.protect =
            keys.and_then(|keys| Protect::new(keys.profile, &keys.ours.0, &keys.ours.1, &self.srtp).ok());
        self.unprotect = keys
            .and_then(|keys| Unprotect::new(keys.profile, &keys.theirs.0, &keys.theirs.1, &self.srtp).ok());
    }

    /// Does what the descriptions now in force say.
    pub(crate) fn apply(&mut self, now: Instant, agreed: &Negotiated) {
        self.settle_departures();
        let gone = |id: &TransceiverId| !agreed.transceivers.iter().any(|agreed| agreed.id == *id);
        for id in self.lines.keys().copied().filter(gone).collect::<Vec<_>>() {
            self.remove(id);
        }
        let mut union = Map::default();
        for section in &agreed.transceivers {
            let map = line::map(&section.extensions, |extension| extension.receive);
            for kind in rtp::extension::Kind::ALL {
                // In a bundle one number has one meaning (RFC 8843 §9.1): the first section's.
                map.id(kind).map(|id| union.set(kind, id));
            }
        }
        self.extensions = union;
        let reduced = agreed.transceivers.iter().all(|section| section.reduced_size_rtcp);
        self.receiver.renegotiate(union, reduced);
        for section in &agreed.transceivers {
            self.apply_section(now, section);
        }
    }

    fn apply_section(&mut self, now: Instant, agreed: &NegotiatedTransceiver) {
        let line = self.lines.entry(agreed.id).or_insert_with(|| Box::new(Line::new(agreed)));
        line.renegotiate(agreed);
        let forward = self.mode == MediaMode::Packets;
        if agreed.direction.receives() {
            for incoming in &line.incoming {
                let config = line.receive_config(incoming.ssrc, incoming.rtx, forward);
                // Its sources are its own already.
                let _ = self.receiver.update_stream(incoming.flow, config);
            }
        } else {
            let sources: Vec<u32> = line.incoming.iter().map(|incoming| incoming.ssrc).collect();
            sources.into_iter().for_each(|ssrc| self.forget_incoming(ssrc));
        }
        self.apply_outgoing(now, agreed.id);
    }

    fn apply_outgoing(&mut self, now: Instant, id: TransceiverId) {
        let Some(mut line) = self.lines.remove(&id) else { return };
        let mut streams = std::mem::take(&mut line.outgoing);
        if streams.len() > MAX_OUTGOING {
            for stream in streams.extract_if(.., |stream| !stream.active) {
                self.forget_outgoing(&stream);
            }
        }
        for stream in &mut streams {
            self.sources.insert(stream.ssrc, id);
            self.sources.insert(stream.rtx_ssrc, id);
            let config = line.send_config(stream).filter(|_| stream.active && self.mode == MediaMode::Frames);
            match (stream.flow, config) {
                (Some(flow), Some(config)) => self.sender.update_stream(flow, config),
                (Some(flow), None) => self.sender.pause_stream(flow),
                // A source that is taken twice was drawn twice: one of four billion.
                (None, Some(config)) => stream.flow = self.sender.add_stream(now, config).ok(),
                (None, None) => {}
            }
        }
        line.outgoing = streams;
        self.lines.insert(id, line);
    }

    /// The stream that a source of ours belongs to.
    fn outgoing(&mut self, ssrc: u32) -> Option<&mut Outgoing> {
        let id = self.sources.get(&ssrc)?;
        let streams = &mut self.lines.get_mut(id)?.outgoing;
        streams.iter_mut().find(|stream| stream.ssrc == ssrc || stream.rtx_ssrc == ssrc)
    }

    /// A transceiver has ended: its sources say goodbye (W3C `stop`, RFC 3550 §6.6).
    fn remove(&mut self, id: TransceiverId) {
        let Some(line) = self.lines.get(&id) else { return };
        for ssrc in line.incoming.iter().map(|incoming| incoming.ssrc).collect::<Vec<_>>() {
            self.forget_incoming(ssrc);
        }
        let Some(line) = self.lines.remove(&id) else { return };
        for stream in &line.outgoing {
            if stream.stats.packets > 0 {
                self.request(Request::Bye(stream.ssrc));
            }
            self.forget_outgoing(stream);
        }
        self.keyframes_wanted.retain(|(wanted, _)| *wanted != id);
    }

    fn forget_outgoing(&mut self, stream: &Outgoing) {
        self.sources.remove(&stream.ssrc);
        self.sources.remove(&stream.rtx_ssrc);
        if let Some(flow) = stream.flow {
            self.sender.remove_stream(flow);
        }
    }

    pub(crate) fn set_round_trip(&mut self, round_trip: Duration) {
        self.receiver.set_round_trip(round_trip);
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.sender.poll_timeout().is_some_and(|due| due <= now) {
            self.sender.handle_timeout(now);
        }
        if self.receiver.poll_timeout().is_some_and(|due| due <= now) {
            self.receiver.handle_timeout(now);
        }
    }

    /// When something is due; nothing is while nothing can be sent.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.protect.as_ref()?;
        [self.sender.poll_timeout(), self.receiver.poll_timeout()].into_iter().flatten().min()
    }

    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        if let Some((transceiver, rid)) = self.keyframes_wanted.pop_front() {
            return Some(Event::KeyframeRequested { transceiver, rid });
        }
        while let Some(event) = self.sender.poll_event() {
            match event {
                flow::send::Event::Target(target) => return Some(Event::Target(target)),
                flow::send::Event::KeyframeRequested(flow) => {
                    let streams = self
                        .lines
                        .values()
                        .flat_map(|line| line.outgoing.iter().map(|stream| (line.id, stream)));
                    let found = streams.into_iter().find(|(_, stream)| stream.flow == Some(flow));
                    if let Some((transceiver, stream)) = found {
                        return Some(Event::KeyframeRequested { transceiver, rid: stream.rid.clone() });
                    }
                }
            }
        }
        while let Some(frame) = self.receiver.poll_event() {
            // Frames of a stream that has gone since are of no use.
            if let Some(frame) = self.name(frame) {
                return Some(Event::Frame(Box::new(frame)));
            }
        }
        None
    }

    fn name(&mut self, frame: flow::receive::Frame) -> Option<ReceivedFrame> {
        let flow::receive::Frame { stream, format, timestamp, keyframe, missing, data } = frame;
        let lines = self.lines.values_mut();
        let mut streams = lines.flat_map(|line| line.incoming.iter_mut().map(|incoming| (line.id, incoming)));
        let (transceiver, incoming) = streams.find(|(_, incoming)| incoming.flow == stream)?;
        incoming.stats.frames += 1;
        incoming.stats.keyframes += u64::from(keyframe && format.is_video());
        let rid = incoming.rid.clone();
        Some(ReceivedFrame { transceiver, rid, format, timestamp, keyframe, missing, data })
    }
}

impl Peer {
    pub(crate) fn apply_media(&mut self, now: Instant, agreed: &Negotiated) {
        if self.media.is_none() && (agreed.transceivers.is_empty() || self.closed) {
            return;
        }
        let Self { media, config, negotiator, rng, srtp, wall, .. } = self;
        let media = media.get_or_insert_with(|| {
            let mut media = Media::new(&config.media, negotiator.cname(), rng.fork(), now);
            media.set_wall_clock(wall.0, wall.1);
            media.set_keys(srtp.as_ref());
            Box::new(media)
        });
        media.apply(now, agreed);
    }

    /// The handshake is complete, or the connection is over.
    pub(crate) fn use_keys(&mut self, keys: Option<Keys>) {
        self.srtp = keys;
        if let Some(media) = &mut self.media {
            media.set_keys(self.srtp.as_ref());
        }
        self.measure_path();
    }

    /// Lets media know how long the path is, as the last check found it.
    pub(crate) fn measure_path(&mut self) {
        let (Some(agent), Some(media)) = (&self.agent, &mut self.media) else { return };
        let selected = agent.pair_stats().find(|pair| pair.selected);
        if let Some(round_trip) = selected.and_then(|pair| pair.current_round_trip_time) {
            media.set_round_trip(round_trip);
        }
    }

    pub(crate) fn take_media(&mut self, now: Instant, datagram: &mut [u8], sink: Sink<'_>) {
        match &mut self.media {
            Some(media) => media.handle_input(now, datagram, sink),
            None => self.counters.dropped.early += 1,
        }
    }

    pub(crate) fn media_timeout(&self) -> Option<Instant> {
        let media = self.media.as_ref()?;
        self.agent.as_ref()?.selected()?;
        media.poll_timeout()
    }
}
