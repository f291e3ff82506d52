//! A member: a whole peer that makes frames which tell whose they are, and notes those that it gets.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use peer::negotiation::{
    Description, Direction, HeaderExtension, MediaKind, SdpType, TransceiverId, TransceiverInit,
};
use peer::rtp::extension::AudioLevel;
use peer::{
    ChannelConfig, ChannelId, ConnectionState, Event, Format, Frame, Kind, Layer, MediaMode, Peer, StreamId,
};
use sfu::{Certificate, MemberId};
use wire::{Instant, Transmit};

use crate::scalable::{Encoder, Unit};
use crate::svc::Mode;

/// Between two pictures.
pub(crate) const PICTURE: Duration = Duration::from_millis(40);
/// Between two frames of sound.
pub(crate) const SOUND: Duration = Duration::from_millis(20);
/// Bits per second of the encodings, from the smallest, and how high they are.
pub(crate) const RATES: [u64; 3] = [120_000, 400_000, 1_200_000];
pub(crate) const HEIGHTS: [u16; 3] = [180, 360, 720];

/// A frame that came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Seen {
    pub(crate) at: Instant,
    /// The voice or picture slot.
    pub(crate) slot: usize,
    /// Who made it.
    pub(crate) number: u32,
    /// 0 is the microphone, 1 the camera.
    pub(crate) source: u8,
    pub(crate) layer: u8,
    /// Which frame of this encoding it is.
    pub(crate) count: u32,
    pub(crate) timestamp: u32,
    pub(crate) keyframe: bool,
}

pub(crate) struct Client {
    pub(crate) peer: Peer,
    pub(crate) id: MemberId,
    pub(crate) number: u32,
    pub(crate) gone: bool,
    pub(crate) microphone: TransceiverId,
    pub(crate) camera: Option<TransceiverId>,
    rids: Vec<Option<String>>,
    pub(crate) voices: Vec<TransceiverId>,
    pub(crate) pictures: Vec<TransceiverId>,
    pub(crate) channel: ChannelId,
    pub(crate) seen: Vec<Seen>,
    pub(crate) messages: Vec<Vec<u8>>,
    /// What the forwarder said that somebody wants.
    pub(crate) wanted: Option<Vec<String>>,
    /// Whether it sends only what is wanted.
    pub(crate) obeys: bool,
    keyframes: Vec<bool>,
    pub(crate) keyframes_asked: u64,
    counts: [u32; 4],
    /// Whether its encodings have three temporal layers.
    pub(crate) temporal: bool,
    /// Bits per second of its encodings, from the smallest.
    pub(crate) rates: [u64; 3],
    /// Of each encoding, which picture was its last keyframe.
    keys: [u32; 3],
    /// What each picture that it made needs, by encoding and number: the numbers of others.
    pub(crate) needs: BTreeMap<(u8, u32), Vec<u32>>,
    /// When the next frame is made; `None` while none are.
    pub(crate) sound: Option<Instant>,
    pub(crate) picture: Option<Instant>,
    /// -dBov.
    pub(crate) level: u8,
    /// Makes AV1 with layers, if that is what it sends; and what came of such.
    pub(crate) encoder: Option<Encoder>,
    pub(crate) units: Vec<Unit>,
}

impl Client {
    pub(crate) fn new(
        (now, seed, certificate): (Instant, [u8; 32], Certificate),
        (id, number): (MemberId, u32),
        (rids, voices, pictures): (&[&str], usize, usize),
        (without, layers): (&[&str], Option<Mode>),
    ) -> Self {
        let mut config = peer::Config::new(certificate);
        config.negotiation.header_extensions.push(HeaderExtension::dependency());
        if layers.is_some() {
            config.media.mode = MediaMode::Packets;
        }
        config.negotiation.video_codecs.retain(|codec| !without.contains(&codec.name.as_str()));
        config.media.send.estimate.start = 5_000_000;
        let mut peer = Peer::new(config, seed, now).unwrap();
        peer.set_wall_clock(now, Duration::from_secs(1_767_225_600 + u64::from(number) * 1000));
        let add =
            |peer: &mut Peer, kind, init| peer.with_negotiator(|n| n.add_transceiver(kind, init)).unwrap();
        let send = TransceiverInit { direction: Direction::SendOnly, ..TransceiverInit::default() };
        let receive = TransceiverInit { direction: Direction::RecvOnly, ..TransceiverInit::default() };
        let microphone = add(&mut peer, MediaKind::Audio, send.clone());
        let names: Vec<String> = rids.iter().map(|rid| (*rid).to_owned()).collect();
        let init = TransceiverInit { send_rids: names.clone(), ..send };
        let camera = (!rids.is_empty()).then(|| add(&mut peer, MediaKind::Video, init));
        let channel = |peer: &mut Peer, id| {
            let config = ChannelConfig { negotiated: Some(StreamId(id)), ..ChannelConfig::default() };
            peer.create_data_channel(now, config).unwrap()
        };
        channel(&mut peer, 0);
        let channel = channel(&mut peer, 1);
        let voices = (0..voices).map(|_| add(&mut peer, MediaKind::Audio, receive.clone())).collect();
        let pictures = (0..pictures).map(|_| add(&mut peer, MediaKind::Video, receive.clone())).collect();
        let rids: Vec<Option<String>> =
            if names.len() < 2 { vec![None] } else { names.into_iter().map(Some).collect() };
        Self {
            peer,
            id,
            number,
            gone: false,
            microphone,
            camera,
            keyframes: vec![true; rids.len()],
            rids,
            voices,
            pictures,
            channel,
            seen: Vec::new(),
            messages: Vec::new(),
            wanted: None,
            obeys: false,
            keyframes_asked: 0,
            counts: [0; 4],
            temporal: false,
            rates: RATES,
            keys: [0; 3],
            needs: BTreeMap::new(),
            sound: None,
            picture: None,
            level: 30,
            encoder: layers.map(Encoder::new),
            units: Vec::new(),
        }
    }

    pub(crate) fn listen(&mut self, now: Instant, address: SocketAddr) {
        self.peer.add_local_address(now, peer::Local::host(address));
        self.peer.end_of_local_addresses(now);
    }

    pub(crate) fn offer(&mut self, now: Instant) -> String {
        self.peer.set_local_description(now, None).unwrap();
        self.peer.local_description().unwrap().sdp
    }

    pub(crate) fn answered(&mut self, now: Instant, answer: &str) {
        let description = Description { kind: SdpType::Answer, sdp: answer.to_owned() };
        self.peer.set_remote_description(now, &description).unwrap();
    }

    /// More picture slots, for the next offer.
    pub(crate) fn add_pictures(&mut self, count: usize) {
        let receive = TransceiverInit { direction: Direction::RecvOnly, ..TransceiverInit::default() };
        for _ in 0..count {
            let add =
                |n: &mut peer::negotiation::Negotiator| n.add_transceiver(MediaKind::Video, receive.clone());
            let id = self.peer.with_negotiator(add).unwrap();
            self.pictures.push(id);
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.peer.connection_state() == ConnectionState::Connected
    }

    pub(crate) fn say(&mut self, now: Instant, text: &[u8]) {
        self.peer.send(now, self.channel, Kind::Binary, text.to_vec()).unwrap();
    }

    pub(crate) fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        if self.gone {
            return None;
        }
        if let Some((transmit, bytes)) = self.encoder.as_mut().and_then(|encoder| encoder.out.pop_front()) {
            buf[..bytes.len()].copy_from_slice(&bytes);
            return Some(transmit);
        }
        self.peer.poll_transmit(now, buf)
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        if self.gone {
            return None;
        }
        [self.peer.poll_timeout(), self.sound, self.picture].into_iter().flatten().min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.gone {
            return;
        }
        if self.peer.poll_timeout().is_some_and(|due| due <= now) {
            self.peer.handle_timeout(now);
        }
        if let Some(due) = self.sound.filter(|due| *due <= now) {
            self.sound = Some(due + SOUND);
            self.send_sound(now);
        }
        if let Some(due) = self.picture.filter(|due| *due <= now) {
            self.picture = Some(due + PICTURE);
            (0..self.rids.len()).for_each(|layer| self.send_picture(now, layer));
        }
    }

    fn ticks(now: Instant, rate: u64) -> u32 {
        let ticks = u128::from(now.as_nanos()) * u128::from(rate) / 1_000_000_000;
        u32::try_from(ticks & 0xffff_ffff).unwrap()
    }

    fn send_sound(&mut self, now: Instant) {
        let data = self.frame((0, 0), 100);
        let audio_level = Some(AudioLevel { voice: self.level < 50, level: self.level });
        let timestamp = Self::ticks(now, 48_000);
        let frame = Frame { data: &data, timestamp, audio_level, ..Frame::default() };
        // Before the connection is there, nothing is sent.
        let _ = self.peer.send_frame(now, self.microphone, &frame);
    }

    fn send_picture(&mut self, now: Instant, layer: usize) {
        let Some(camera) = self.camera else { return };
        if let Some(encoder) = &mut self.encoder {
            let key = std::mem::take(&mut self.keyframes[layer]);
            return encoder.send((now, &mut self.peer, camera), Self::ticks(now, 90_000), key);
        }
        let rid = self.rids[layer].clone();
        let wanted = |wanted: &Vec<String>| rid.as_ref().is_none_or(|rid| wanted.contains(rid));
        if self.obeys && !self.wanted.as_ref().is_some_and(wanted) {
            self.keyframes[layer] = true;
            return;
        }
        let keyframe = self.keyframes[layer];
        let bytes = usize::try_from(self.rates[layer] / 8 / 25).unwrap();
        let of_layer = self.temporal.then(|| self.next_layer(layer, keyframe));
        // Two fifths of all for the lowest of three layers, one for the next, two for the highest.
        let bytes = if of_layer.is_some_and(|l| l.id == 0) { bytes * 8 / 5 } else { bytes * 4 / 5 };
        let data = self.frame((1, layer), if keyframe { bytes * 2 } else { bytes });
        let data = with_header(data, keyframe, HEIGHTS[layer]);
        let frame = Frame {
            data: &data,
            timestamp: Self::ticks(now, 90_000),
            keyframe,
            rid: rid.as_deref(),
            format: Some(Format::Vp8),
            layer: of_layer,
            ..Frame::default()
        };
        self.keyframes[layer] = self.peer.send_frame(now, camera, &frame).is_err();
    }

    /// The temporal layer of the next picture, and what it needs: layers 0 2 1 2, those of layer 1 only now and then nothing
    /// but layer 0.
    fn next_layer(&mut self, layer: usize, keyframe: bool) -> Layer {
        let count = self.counts[1 + layer] + 1;
        if keyframe {
            self.keys[layer] = count;
        }
        let since = count - self.keys[layer];
        let (id, needs, sync) = match since % 4 {
            0 => (0, (!keyframe).then(|| count - 4), keyframe),
            1 => (2, Some(count - 1), true),
            2 if since % 8 == 2 => (1, Some(count - 2), true),
            2 => (1, Some(count - 4), false),
            _ => (2, Some(count - 1), false),
        };
        let at = u8::try_from(layer).unwrap();
        self.needs.insert((at, count), needs.into_iter().collect());
        Layer { id, sync }
    }

    /// What tells whose it is stands at the end.
    fn frame(&mut self, (source, layer): (u8, usize), len: usize) -> Vec<u8> {
        let count = &mut self.counts[usize::from(source) + layer];
        *count += 1;
        let mut data: Vec<u8> = vec![u8::try_from(self.number).unwrap(); len.max(32)];
        let tail = data.len() - 10;
        data[tail..tail + 4].copy_from_slice(&self.number.to_be_bytes());
        (data[tail + 4], data[tail + 5]) = (source, u8::try_from(layer).unwrap());
        data[tail + 6..].copy_from_slice(&count.to_be_bytes());
        data
    }

    pub(crate) fn take_events(&mut self, now: Instant) {
        while let Some(event) = self.peer.poll_event() {
            match event {
                Event::Frame(frame) => self.note(now, &frame),
                Event::KeyframeRequested { rid, .. } => {
                    self.keyframes_asked += 1;
                    for (known, wanted) in self.rids.iter().zip(&mut self.keyframes) {
                        *wanted |= *known == rid;
                    }
                }
                Event::Message(channel, _, data) if channel == self.channel => self.messages.push(data),
                _ => {}
            }
        }
    }

    fn note(&mut self, now: Instant, frame: &peer::ReceivedFrame) {
        if frame.format == Format::Av1 {
            return self.units.push(Unit::read(now, &frame.data));
        }
        let voice = self.voices.iter().position(|id| *id == frame.transceiver);
        let picture = self.pictures.iter().position(|id| *id == frame.transceiver);
        let (number, source, layer, count) = read(&frame.data);
        assert_eq!(voice.is_some(), source == 0, "sound comes in voice slots, pictures in picture slots");
        assert_ne!(number, self.number, "nobody gets its own");
        let slot = voice.or(picture).unwrap();
        let (timestamp, keyframe) = (frame.timestamp, frame.keyframe);
        self.seen.push(Seen { at: now, slot, number, source, layer, count, timestamp, keyframe });
    }

    /// The pictures in a slot.
    pub(crate) fn shown(&self, slot: usize) -> impl DoubleEndedIterator<Item = &Seen> {
        self.seen.iter().filter(move |seen| seen.source == 1 && seen.slot == slot)
    }

    /// Frames of sound of somebody.
    pub(crate) fn heard(&self, number: u32) -> usize {
        self.seen.iter().filter(|seen| seen.source == 0 && seen.number == number).count()
    }

    /// The longest time between two pictures in a slot since then, and when it began.
    pub(crate) fn longest_pause(&self, slot: usize, since: Instant, until: Instant) -> (Duration, Instant) {
        let mut last = since;
        let mut longest = (Duration::ZERO, since);
        let times = self.shown(slot).map(|seen| seen.at).filter(|at| *at >= since);
        for at in times.chain([until]) {
            longest = longest.max((at.saturating_since(last), last));
            last = at;
        }
        longest
    }
}

/// The beginning of a frame of VP8: whether it is a keyframe, and how high it is (RFC 6386 §9.1).
fn with_header(mut data: Vec<u8>, keyframe: bool, height: u16) -> Vec<u8> {
    data[0] = u8::from(!keyframe);
    if keyframe {
        data[3..6].copy_from_slice(&[0x9d, 0x01, 0x2a]);
        data[6..8].copy_from_slice(&(height * 16 / 9).to_le_bytes());
        data[8..10].copy_from_slice(&height.to_le_bytes());
    }
    data
}

pub(crate) fn read(data: &[u8]) -> (u32, u8, u8, u32) {
    let tail: &[u8; 10] = data.last_chunk().unwrap();
    let word = |at: usize| u32::from_be_bytes(tail[at..at + 4].try_into().unwrap());
    let number = word(0);
    let body = &data[10..data.len() - 10];
    assert!(body.iter().all(|byte| u32::from(*byte) == number), "a frame is as it was made");
    (number, tail[4], tail[5], word(6))
}
