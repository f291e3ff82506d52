use crate::link::Link;
use flow::payload::Format;
use flow::receive::{self, Receiver};
use flow::send::{self, Sender};
use flow::{StreamId, estimate};
use rtp::extension::{Kind, Map};
use std::time::Duration;
use wire::{Instant, Rng};

pub(crate) const FRAME: Duration = Duration::from_micros(33_333);

/// What the receiver showed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Shown {
    pub(crate) at: Instant,
    pub(crate) number: u32,
    pub(crate) keyframe: bool,
    pub(crate) missing: u32,
}

/// A camera of 30 frames per second whose encoder follows the target, a path, and a viewer.
pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) sender: Sender,
    pub(crate) receiver: Receiver,
    pub(crate) there: Link,
    pub(crate) back: Link,
    stream: StreamId,
    format: Format,
    next_frame: Instant,
    number: u32,
    wants_keyframe: bool,
    /// Bits per second that the encoder makes; follows the target in `follow`.
    pub(crate) rate: u64,
    pub(crate) follow: bool,
    pub(crate) shown: Vec<Shown>,
    /// The target and the rate that arrives, at each tenth of a second.
    pub(crate) targets: Vec<(Instant, u64)>,
    pub(crate) longest_pacer_wait: Duration,
    rng: Rng,
}

impl World {
    pub(crate) fn new(seed: u64, format: Format) -> Self {
        let mut map = Map::default();
        map.set(Kind::Mid, 1).unwrap();
        map.set(Kind::TransportSequence, 2).unwrap();
        map.set(Kind::AbsSendTime, 3).unwrap();
        let now = Instant::ZERO;
        let estimate = estimate::Config { max: 6_000_000, ..estimate::Config::default() };
        let config = send::Config { cname: "a".into(), estimate, ..send::Config::default() };
        let mut sender = Sender::new(config, Rng::from_number(seed), now);
        sender.set_time(now, Duration::from_secs(1_767_225_600));
        let rtx = format.is_video().then_some(send::Rtx { ssrc: 8, payload_type: 97 });
        let stream = send::StreamConfig {
            ssrc: 7,
            payload_type: 96,
            format,
            rtx,
            mid: Some("0".into()),
            rid: None,
            extensions: map,
        };
        let stream = sender.add_stream(now, stream).unwrap();
        let config = receive::Config { extensions: map, ssrc: 9, cname: "b".into(), ..Default::default() };
        let mut receiver = Receiver::new(config, Rng::from_number(seed + 1), now);
        let config = receive::StreamConfig {
            ssrc: 7,
            formats: vec![(96, format)],
            rtx: rtx.map(|rtx| rtx.ssrc),
            rtx_types: vec![(97, 96)],
            nack: format.is_video(),
            pli: format.is_video(),
            forward: false,
        };
        receiver.add_stream(now, config).unwrap();
        Self {
            now,
            sender,
            receiver,
            there: Link::new(seed + 2),
            back: Link::new(seed + 3),
            stream,
            format,
            next_frame: now,
            number: 0,
            wants_keyframe: true,
            rate: 300_000,
            follow: true,
            shown: Vec::new(),
            targets: Vec::new(),
            longest_pacer_wait: Duration::ZERO,
            rng: Rng::from_number(seed + 4),
        }
    }

    pub(crate) fn run_until(&mut self, end: Instant) {
        while self.now < end {
            self.step();
            let machines = [self.sender.poll_timeout(), self.receiver.poll_timeout()];
            let links = [self.there.next(), self.back.next()];
            let next = machines.into_iter().chain(links).flatten().min().unwrap_or(end).min(self.next_frame);
            // A machine that wants to be called in the past would be called for ever.
            self.now = next.max(self.now + Duration::from_micros(10)).min(end);
        }
    }

    fn step(&mut self) {
        let now = self.now;
        while let Some(bytes) = self.there.receive(now) {
            if rtp::is_rtcp(&bytes) {
                self.receiver.handle_rtcp(now, &bytes);
            } else {
                self.receiver.handle_rtp(now, &bytes);
            }
        }
        while let Some(bytes) = self.back.receive(now) {
            self.sender.handle_rtcp(now, &bytes);
            self.receiver.set_round_trip(self.sender.estimator().round_trip());
        }
        self.sender.handle_timeout(now);
        self.receiver.handle_timeout(now);
        while let Some(event) = self.sender.poll_event() {
            match event {
                send::Event::KeyframeRequested(_) => self.wants_keyframe = true,
                send::Event::Target(target) if self.follow => self.rate = target,
                send::Event::Target(_) => {}
            }
        }
        if now >= self.next_frame {
            self.encode();
        }
        while let Some(frame) = self.receiver.poll_event() {
            self.show(&frame);
        }
        let mut buf = [0; 1500];
        while let Some(len) = self.sender.poll_transmit(now, &mut buf) {
            assert!(len <= 1200, "{len} bytes");
            self.there.send(now, &buf[..len]);
        }
        while let Some(len) = self.receiver.poll_transmit(now, &mut buf) {
            self.back.send(now, &buf[..len]);
        }
        self.longest_pacer_wait = self.longest_pacer_wait.max(self.sender.queue_delay());
    }

    /// A frame of about a thirtieth of the rate; a keyframe is three times as large. While the pacer holds more than a
    /// fifth of a second, the encoder leaves frames out, as real ones do.
    fn encode(&mut self) {
        self.next_frame += FRAME;
        if self.number.is_multiple_of(3) {
            self.targets.push((self.now, self.sender.target()));
        }
        self.number += 1;
        if self.format.is_video() && self.sender.queue_delay() > Duration::from_millis(200) {
            return;
        }
        let mean = if self.format.is_video() { self.rate / 240 } else { 80 };
        let mut len = mean * (80 + self.rng.below(40)) / 100;
        let keyframe = std::mem::take(&mut self.wants_keyframe) || !self.format.is_video();
        if keyframe && self.format.is_video() {
            len *= 3;
        }
        let data = picture(self.format, self.number, keyframe, usize::try_from(len).unwrap());
        let timestamp = self.number.wrapping_mul(self.format.clock_rate() / 30);
        let frame = send::Frame { data: &data, timestamp, keyframe, ..send::Frame::default() };
        if self.sender.send_frame(self.now, self.stream, &frame).is_err() {
            self.wants_keyframe = true;
        }
    }

    /// Every frame is as it was made, and later than those before it.
    fn show(&mut self, frame: &receive::Frame) {
        let (number, len) = read(self.format, &frame.data);
        if self.there.corrupted == 0 && self.there.nth.is_none() {
            assert_eq!(
                frame.data,
                picture(self.format, number, frame.keyframe, len),
                "frame {number} is changed"
            );
            let last = self.shown.last();
            assert!(last.is_none_or(|last| last.number < number), "frame {number} after {last:?}");
            let follows = last.is_some_and(|last| last.number < number) && frame.missing == 0;
            assert!(follows || frame.keyframe, "frame {number} cannot be decoded");
        }
        self.shown.push(Shown { at: self.now, number, keyframe: frame.keyframe, missing: frame.missing });
    }

    /// The longest time between two frames from `begin` on, and when it began.
    pub(crate) fn longest_freeze(&self, begin: Instant) -> (Duration, Instant) {
        let mut last = begin;
        let mut longest = (Duration::ZERO, begin);
        for at in self.shown.iter().map(|shown| shown.at).filter(|at| *at > begin).chain([self.now]) {
            longest = longest.max((at.saturating_since(last), last));
            last = at;
        }
        longest
    }

    /// The least and the greatest target between two times.
    pub(crate) fn targets_between(&self, from: u64, to: u64) -> (u64, u64) {
        let inside =
            self.targets.iter().filter(|(at, _)| (from..to).contains(&at.as_secs())).map(|(_, t)| *t);
        (inside.clone().min().unwrap(), inside.max().unwrap())
    }
}

pub(crate) fn secs(secs: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(secs)
}

/// A frame that its number can be read from, with the marks that its format needs.
fn picture(format: Format, number: u32, keyframe: bool, len: usize) -> Vec<u8> {
    let mut data = match format {
        Format::Opus => vec![],
        Format::Vp8 => vec![u8::from(!keyframe)],
        Format::Vp9 => vec![0x82 | u8::from(!keyframe) << 2],
        Format::Av1 => vec![],
        Format::H264 if keyframe => vec![0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2, 0, 0, 0, 1, 0x65],
        Format::H264 => vec![0, 0, 0, 1, 0x41],
    };
    if format == Format::Av1 {
        // An OBU with its size in four bytes, as a receiver writes it; behind a sequence header in keyframes.
        let content = len.max(20) - if keyframe { 11 } else { 5 };
        let size =
            (0..4).map(|i| u8::try_from(content >> (7 * i) & 0x7f).unwrap() | if i < 3 { 0x80 } else { 0 });
        if keyframe {
            data.extend([0x0a, 0x81, 0x80, 0x80, 0, 5]);
        }
        data.push(0x32);
        data.extend(size);
    }
    // No byte is zero, so that none looks like a start code.
    data.extend((0..4).map(|i| u8::try_from(number >> (7 * i) & 0x7f).unwrap() | 0x80));
    let mut state = number;
    while data.len() < len.max(20) {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        data.push(state.to_be_bytes()[0] | 1);
    }
    data
}

/// The number of a frame, and how long it is.
fn read(format: Format, data: &[u8]) -> (u32, usize) {
    let at = match format {
        Format::Opus => 0,
        Format::Vp8 | Format::Vp9 => 1,
        Format::Av1 => {
            if data.first() == Some(&0x0a) {
                11
            } else {
                5
            }
        }
        Format::H264 => data.iter().position(|byte| *byte == 0x41 || *byte == 0x65).map_or(0, |at| at + 1),
    };
    let digits = data.get(at..at + 4).unwrap_or(&[0; 4]);
    let number = digits.iter().zip(0..).map(|(digit, i)| u32::from(digit & 0x7f) << (7 * i)).sum();
    (number, data.len())
}
