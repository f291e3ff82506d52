//! The sending side of a transport: all of its streams, one pacer, one congestion controller.

mod config;
mod event;
mod history;
mod pacer;
mod stream;

pub use config::Config;
pub use event::{AddError, Event, SendError, Stats};
pub use stream::{Frame, Layer, Rtx, StreamConfig};

use crate::StreamId;
use crate::estimate::Estimator;
use pacer::{Next, Pacer, Waiting};
use rtp::NtpTime;
use rtp::rtcp::{CNAME, Compound, Nack, Packet, Sdes, SdesItem, Writer};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use stream::Stream;
use wire::{Instant, Rng};

/// Packets that may wait to be sent again.
const MOST_AGAIN: usize = 512;
/// What header, extensions and the original number of a retransmission may take of a packet, besides the names.
const OVERHEAD: usize = 12 + 4 + 24 + 2;
/// How long nothing may be heard of what was sent before the estimate is halved.
const SILENCE: Duration = Duration::from_secs(1);
/// The most events that wait to be taken; more of a kind replace the oldest.
const MOST_EVENTS: usize = 64;

/// The sending side of a transport. A machine: see the crate's documentation.
#[derive(Debug)]
pub struct Sender {
    config: Config,
    streams: BTreeMap<u32, Stream>,
    pacer: Pacer,
    estimator: Estimator,
    rng: Rng,
    ids: u32,
    events: VecDeque<Event>,
    told: u64,
    /// What a receiver allows (REMB).
    allowed: Option<u64>,
    report_due: Option<Instant>,
    /// The stream after which the next round of reports goes on.
    reported: u32,
    /// When the first packet left that nothing was heard of yet.
    unheard_since: Option<Instant>,
    /// The wall clock at an instant.
    wall: (Instant, Duration),
    stats: Stats,
}

impl Sender {
    /// A sender without streams.
    pub fn new(config: Config, seed: Rng, now: Instant) -> Self {
        let estimator = Estimator::new(config.estimate.clone(), now);
        Self {
            told: estimator.target(),
            estimator,
            config,
            streams: BTreeMap::new(),
            pacer: Pacer::new(now),
            rng: seed,
            ids: 0,
            events: VecDeque::new(),
            allowed: None,
            report_due: None,
            reported: 0,
            unheard_since: None,
            wall: (now, Duration::ZERO),
            stats: Stats::default(),
        }
    }

    /// Says what the wall clock shows: the time since the Unix epoch. Reports carry it.
    pub fn set_time(&mut self, now: Instant, since_epoch: Duration) {
        self.wall = (now, since_epoch);
    }

    fn ntp(&self, now: Instant) -> NtpTime {
        NtpTime::from_unix(self.wall.1 + now.saturating_since(self.wall.0))
    }

    /// Adds a stream.
    pub fn add_stream(&mut self, now: Instant, config: StreamConfig) -> Result<StreamId, AddError> {
        let sources = |config: &StreamConfig| [Some(config.ssrc), config.rtx.map(|rtx| rtx.ssrc)];
        for taken in self.streams.values().flat_map(|stream| sources(&stream.config)).flatten() {
            if sources(&config).contains(&Some(taken)) {
                return Err(AddError::SourceTaken(taken));
            }
        }
        self.ids += 1;
        self.streams.insert(self.ids, Stream::new(config, self.config.history, &mut self.rng));
        self.report_due.get_or_insert(now + self.config.report_interval);
        Ok(StreamId(self.ids))
    }

    /// Goes on with another configuration, and with the numbers that come next. What waits is thrown away if its packets
    /// would not be what the receiver expects now: after a change of the source or the codec.
    pub fn update_stream(&mut self, id: StreamId, config: StreamConfig) {
        let Some(stream) = self.streams.get_mut(&id.0) else { return };
        stream.paused = false;
        let of = |config: &StreamConfig| (config.ssrc, config.payload_type, config.format);
        if of(&stream.config) == of(&config) {
            stream.config = config;
        } else {
            let count = self.pacer.clear(id.0);
            stream.reconfigure(config, count);
        }
    }

    /// Sends nothing of a stream until [`Sender::update_stream`]: what waits is thrown away, and nothing is reported.
    pub fn pause_stream(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id.0) else { return };
        stream.paused = true;
        let count = self.pacer.clear(id.0);
        stream.forget(count);
    }

    /// Removes a stream and what waits of it.
    pub fn remove_stream(&mut self, id: StreamId) {
        self.streams.remove(&id.0);
        self.pacer.clear(id.0);
        if self.streams.is_empty() {
            self.report_due = None;
        }
    }

    /// How many bits per second all streams together should have: the estimate, unless the receiver allows less.
    pub fn target(&self) -> u64 {
        self.estimator.target().min(self.allowed.unwrap_or(u64::MAX))
    }

    /// The congestion controller, to be looked at.
    pub fn estimator(&self) -> &Estimator {
        &self.estimator
    }

    /// How long a picture would wait that was queued now.
    pub fn queue_delay(&self) -> Duration {
        self.duration_of(self.pacer.bytes())
    }

    /// How long the pacer takes for so many bytes.
    fn duration_of(&self, bytes: usize) -> Duration {
        let bits = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(8);
        Duration::from_micros(bits.saturating_mul(1_000_000) / self.pacing().max(1))
    }

    /// What was sent and heard.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    fn pacing(&self) -> u64 {
        self.target().saturating_mul(self.config.pacing) / 100
    }

    /// Cuts a frame into packets and queues them.
    pub fn send_frame(&mut self, now: Instant, id: StreamId, frame: &Frame<'_>) -> Result<(), SendError> {
        let late = self.queue_delay() > self.config.max_queue * 4;
        let stream = self.streams.get_mut(&id.0).ok_or(SendError::UnknownStream)?;
        let names =
            [&stream.config.mid, &stream.config.rid].into_iter().flatten().map(String::len).sum::<usize>();
        let max = self.config.max_packet.saturating_sub(OVERHEAD + names);
        let is_video = stream.config.format.is_video();
        if !is_video && frame.data.len() > max {
            return Err(SendError::TooLong { most: max });
        }
        // What waits must not be pushed out of the history by what comes after it.
        let many = stream.waiting + frame.data.len() / max.max(16) + 3 > self.config.history / 2;
        let many = many || (late && is_video);
        let broken = is_video && stream.broken && !frame.keyframe;
        if many || broken {
            stream.broken |= is_video;
            self.stats.refused += 1;
            return Err(if many { SendError::Congested } else { SendError::NeedsKeyframe });
        }
        stream.broken = false;
        let numbers = stream.cut(now, frame, max);
        for number in numbers {
            let bytes = stream.history.at(number).map_or(0, |slot| slot.payload.len());
            let waiting = Waiting { stream: id.0, number, bytes, keyframe: frame.keyframe };
            if is_video {
                self.pacer.push_picture(waiting);
            } else {
                self.pacer.push_sound(waiting);
            }
        }
        self.shorten_queue(now);
        Ok(())
    }

    /// When pictures would wait too long, because the path has become narrow or frames are far too large, those that wait
    /// are thrown away, unless a keyframe is among them.
    fn shorten_queue(&mut self, now: Instant) {
        if self.queue_delay() <= self.config.max_queue || self.pacer.has_keyframe() {
            return;
        }
        for id in self.pacer.streams_of_pictures() {
            self.begin_anew(now, id);
        }
    }

    /// A keyframe reaches the receiver sooner than what it waits for: throws that away and asks for one.
    fn begin_anew(&mut self, now: Instant, id: u32) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let count = self.pacer.clear_pictures(id);
        stream.begin_anew(now, count);
        self.stats.thrown_away += u64::try_from(count).expect("few");
        self.push_event(Event::KeyframeRequested(StreamId(id)));
    }

    /// Takes a compound RTCP packet in, as it came out of SRTCP. What is not for a sender is passed over.
    pub fn handle_rtcp(&mut self, now: Instant, bytes: &[u8]) {
        let before = self.estimator.target();
        for packet in Compound::new(bytes) {
            match packet {
                Ok(Packet::Twcc(feedback)) => {
                    self.unheard_since = None;
                    self.estimator.handle_feedback(now, &feedback);
                }
                Ok(Packet::Nack(nack)) => self.handle_nack(now, &nack),
                Ok(Packet::Pli(pli)) => self.handle_keyframe_request(now, pli.media, None),
                Ok(Packet::Fir(fir)) => {
                    fir.entries
                        .iter()
                        .for_each(|e| self.handle_keyframe_request(now, e.ssrc, Some(e.sequence)));
                }
                Ok(Packet::Remb(remb)) => self.allowed = Some(remb.bitrate),
                Ok(Packet::ReceiverReport(report)) => self.handle_reports(now, report.reports.iter()),
                Ok(Packet::SenderReport(report)) => self.handle_reports(now, report.reports.iter()),
                Ok(_) => {}
                Err(rtp::Malformed) => self.stats.malformed += 1,
            }
        }
        self.tell();
        if self.estimator.target() < before / 2 {
            // What is under way at the old rate is being lost; a keyframe now is there before its loss is even known.
            let is_video = |stream: &Stream| stream.config.format.is_video() && stream.has_sent();
            let ids: Vec<u32> = self.streams.iter().filter(|(_, s)| is_video(s)).map(|(id, _)| *id).collect();
            for id in ids {
                self.begin_anew(now, id);
            }
        }
        self.shorten_queue(now);
    }

    fn handle_reports(&mut self, now: Instant, blocks: impl Iterator<Item = rtp::rtcp::ReportBlock>) {
        for block in blocks {
            let ours = self.streams.values().any(|stream| stream.config.ssrc == block.ssrc);
            if let Some(round_trip) = block.round_trip(self.ntp(now)).filter(|_| ours) {
                self.estimator.measured(round_trip);
            }
        }
    }

    fn handle_nack(&mut self, now: Instant, nack: &Nack<'_>) {
        let pause = self.estimator.round_trip();
        let Some((id, stream)) = self.streams.iter_mut().find(|(_, s)| s.config.ssrc == nack.media) else {
            return;
        };
        let id = *id;
        for number in nack.entries.iter().flat_map(rtp::rtcp::NackEntry::numbers) {
            self.stats.nacks += 1;
            let number = stream.history.unwrap(number);
            let again = stream.may_resend(now, number, pause);
            let again = again.map(|bytes| Waiting { stream: id, number, bytes, keyframe: false });
            if !again.is_some_and(|again| self.pacer.push_again(again, MOST_AGAIN)) {
                self.stats.nacks_unanswered += 1;
            }
        }
        if self.duration_of(self.pacer.bytes_again()) > self.config.max_queue_again {
            self.begin_anew(now, id);
        }
    }

    fn handle_keyframe_request(&mut self, now: Instant, ssrc: u32, fir: Option<u8>) {
        let Some((id, stream)) = self.streams.iter_mut().find(|(_, s)| s.config.ssrc == ssrc) else { return };
        self.stats.keyframe_requests += 1;
        if fir.is_some() && std::mem::replace(&mut stream.last_fir, fir) == fir {
            return; // the same request again (RFC 5104 §4.3.1.1)
        }
        let pause = self.config.keyframe_pause;
        if stream.last_keyframe_request.is_none_or(|last| now.saturating_since(last) >= pause) {
            stream.last_keyframe_request = Some(now);
            let event = Event::KeyframeRequested(StreamId(*id));
            self.push_event(event);
        }
    }

    fn push_event(&mut self, event: Event) {
        if self.events.len() == MOST_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// Tells of the target when it has changed by a twentieth at least.
    fn tell(&mut self) {
        let target = self.target();
        if target.abs_diff(self.told) * 20 >= self.told {
            self.told = target;
            self.events.retain(|event| !matches!(event, Event::Target(_)));
            self.push_event(Event::Target(target));
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.silence_due().is_some_and(|due| now >= due) {
            self.estimator.handle_silence();
            self.unheard_since = Some(now);
            self.tell();
        }
    }

    fn silence_due(&self) -> Option<Instant> {
        self.unheard_since.map(|since| since + SILENCE)
    }

    /// What happened, one at a time.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`poll_transmit`](Self::poll_transmit) has something again, or time matters otherwise.
    pub fn poll_timeout(&self) -> Option<Instant> {
        // Without streams, a probe is the owner's to fill.
        let probing = self.estimator.probe().is_some() && !self.streams.is_empty();
        [self.report_due, self.silence_due(), self.pacer.due(probing)].into_iter().flatten().min()
    }

    /// Writes the next packet into `buf` and gives its length: RTP, or RTCP as `rtp::is_rtcp` tells. To be protected
    /// and sent at once.
    pub fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<usize> {
        if self.report_due.is_some_and(|due| now >= due)
            && let Some(len) = self.write_reports(now, buf)
        {
            return Some(len);
        }
        self.begin_probe(now);
        while let Some(next) = self.pacer.next(now) {
            let transport = self.estimator.next_number();
            let (Next::First(waiting) | Next::Again(waiting)) = next;
            let Waiting { stream: id, number, .. } = waiting;
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            let numbered = stream.is_numbered();
            let (len, counter) = match next {
                Next::First(_) => (stream.write(now, number, transport, buf), &mut self.stats.packets),
                Next::Again(_) => (stream.write_again(now, number, transport, buf), &mut self.stats.resent),
            };
            // What is not there any more is passed over.
            if let Some(len) = len {
                *counter += 1;
                return Some(self.leave(now, len, numbered));
            }
        }
        self.write_probe(now, buf)
    }

    /// A packet leaves.
    fn leave(&mut self, now: Instant, len: usize, numbered: bool) -> usize {
        let rate = self.estimator.probe().map_or(self.pacing(), |probe| probe.rate);
        self.pacer.sent(now, len, rate);
        if numbered {
            self.sent(now, len, true);
        }
        len
    }

    /// The number across the transport for a packet that its owner sends past the pacer, as a forwarder does.
    pub fn next_number(&self) -> u16 {
        self.estimator.next_number()
    }

    /// Reads what [`Sender::sent`] needs, in two passes of which the second finds its way by the first: see
    /// `peer::Peer::fetch`.
    #[inline]
    pub fn fetch(&self, pass: u8) -> u64 {
        self.estimator.fetch(pass)
    }

    /// A packet with [`Sender::next_number`] left past the pacer; its length in bytes, and whether it belongs to the
    /// [`Sender::probe`] under way: what is sent at a rate of its own would blur that.
    pub fn sent(&mut self, now: Instant, len: usize, probe: bool) {
        self.estimator.sent(now, len, probe);
        self.unheard_since.get_or_insert(now);
    }

    /// How fast to send past the pacer while a probe lasts; one begins if it is due. For whoever would send more than
    /// [`Sender::target`].
    pub fn probe(&mut self, now: Instant) -> Option<u64> {
        let running = self.estimator.probe();
        running.or_else(|| self.estimator.start_probe(now)).map(|probe| probe.rate)
    }

    /// When the next probe may begin; `None` while one is under way.
    pub fn probe_due(&self) -> Option<Instant> {
        self.estimator.probe_due().filter(|_| self.estimator.probe().is_none())
    }

    /// A probe begins when something is being sent anyway, and there is a retransmission stream to fill it with.
    fn begin_probe(&mut self, now: Instant) {
        if self.pacer.bytes() > 0 && self.pacer.is_free(now) && self.probe_filler().is_some() {
            self.estimator.start_probe(now);
        }
    }

    fn probe_filler(&self) -> Option<(u32, i64)> {
        let able =
            self.streams.iter().filter(|(_, stream)| stream.config.rtx.is_some() && stream.is_numbered());
        able.filter_map(|(id, stream)| Some((*id, stream.history.largest_recent()?))).next()
    }

    /// Nothing waits, but the probe is not full: the largest of the last packets is sent again, which may even help.
    fn write_probe(&mut self, now: Instant, buf: &mut [u8]) -> Option<usize> {
        self.estimator.probe()?;
        if !self.pacer.is_free(now) || self.streams.is_empty() {
            return None;
        }
        let filler = self.probe_filler();
        let transport = self.estimator.next_number();
        let len = filler.and_then(|(id, number)| {
            let stream = self.streams.get_mut(&id)?;
            stream.write_again(now, number, transport, buf)
        });
        let Some(len) = len else {
            self.estimator.cancel_probe(); // it would be waited for in vain
            return None;
        };
        self.stats.probes += 1;
        Some(self.leave(now, len, true))
    }

    /// Writes reports of as many streams as fit; the next round begins behind the last of them.
    fn write_reports(&mut self, now: Instant, buf: &mut [u8]) -> Option<usize> {
        self.report_due = Some(now + self.config.report_interval);
        let ntp = self.ntp(now);
        let name = self.config.cname.as_bytes();
        let name = &name[..name.len().min(255)];
        let room = buf.len().min(self.config.max_packet).saturating_sub(name.len() + 16);
        let mut w = Writer::new(&mut buf[..room]);
        let (before, after) = (self.streams.range(..=self.reported), self.streams.range(self.reported + 1..));
        let mut described = None;
        for (id, stream) in after.chain(before) {
            let Some(report) = stream.report(now, ntp) else { continue };
            if w.put(&Packet::SenderReport(report)).is_err() {
                break;
            }
            described.get_or_insert(report.ssrc);
            self.reported = *id;
        }
        let len = w.len();
        let item = [SdesItem { ssrc: described?, kind: CNAME, text: name }];
        let mut w = Writer::new(&mut buf[len..]);
        w.put(&Packet::Sdes(Sdes::new(&item))).ok()?;
        Some(len + w.len())
    }
}
