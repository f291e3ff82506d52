//! Frames between two peers.

use std::time::Duration;

use peer::negotiation::{Direction, MediaKind, TransceiverId, TransceiverInit};
use peer::{ConnectionState, Event, Format, Frame, MediaError, ReceivedFrame};
use wire::Instant;

use crate::pair::{Fault, Pair};

/// The time between two pictures.
const PICTURE: Duration = Duration::from_millis(40);

/// Something that encodes: every frame is told by its number, and can be checked by it.
pub(crate) struct Encoder {
    pub(crate) format: Format,
    pub(crate) size: usize,
    number: u32,
    wants_keyframe: bool,
    pub(crate) sent: u32,
}

impl Encoder {
    pub(crate) fn new(format: Format, size: usize) -> Self {
        Self { format, size, number: 0, wants_keyframe: true, sent: 0 }
    }

    /// What a frame has in it, by its timestamp.
    pub(crate) fn data(&self, timestamp: u32, keyframe: bool) -> Vec<u8> {
        let size = if keyframe { self.size * 4 } else { self.size };
        let fill = |i: usize| (timestamp.wrapping_mul(31) as usize).wrapping_add(i * 7).to_le_bytes()[0] | 1;
        let mut data: Vec<u8> = (0..size).map(fill).collect();
        match self.format {
            Format::H264 => {
                let unit: &[u8] = if keyframe {
                    &[0, 0, 0, 1, 0x67, 1, 2, 3, 0, 0, 0, 1, 0x68, 9, 0, 0, 0, 1, 0x65]
                } else {
                    &[0, 0, 0, 1, 0x41]
                };
                data.splice(0..0, unit.iter().copied());
            }
            Format::Vp8 => data[0] = u8::from(!keyframe),
            Format::Opus | Format::Vp9 | Format::Av1 => {}
        }
        // The number of the frame at its end, without zeros, which would look like a start code of H.264.
        let number = timestamp / self.step();
        data.extend([0, 7, 14].map(|shift| u8::try_from(number >> shift & 0x7f).unwrap() | 0x80));
        data
    }

    fn step(&self) -> u32 {
        if self.format.is_video() { 3600 } else { 960 }
    }

    /// The timestamp that a frame was given.
    fn timestamp(&self, data: &[u8]) -> u32 {
        let digits = data.last_chunk::<3>().unwrap().map(|byte| u32::from(byte & 0x7f));
        (digits[0] | digits[1] << 7 | digits[2] << 14) * self.step()
    }

    /// Encodes and sends the next frame.
    pub(crate) fn send(&mut self, pair: &mut Pair, side: usize, id: TransceiverId, rid: Option<&str>) {
        let keyframe = self.format.is_video() && self.wants_keyframe;
        let timestamp = self.number * self.step();
        self.number += 1;
        let data = self.data(timestamp, keyframe);
        let format = Some(self.format);
        let frame = Frame { data: &data, timestamp, keyframe, rid, format, ..Frame::default() };
        match pair.peers[side].send_frame(pair.now, id, &frame) {
            Ok(()) => {
                self.wants_keyframe = false;
                self.sent += 1;
            }
            Err(MediaError::Refused(_)) => self.wants_keyframe = true,
            Err(other) => panic!("{other}"),
        }
        pair.collect();
    }

    pub(crate) fn follow(&mut self, pair: &Pair, side: usize, id: TransceiverId, seen: &mut usize) {
        let wanted = |event: &Event| matches!(event, Event::KeyframeRequested { transceiver, .. } if *transceiver == id);
        self.wants_keyframe |= pair.events[side][*seen..].iter().any(wanted);
        *seen = pair.events[side].len();
    }
}

fn frames(pair: &Pair, side: usize) -> impl Iterator<Item = &ReceivedFrame> {
    pair.events[side].iter().filter_map(|event| match event {
        Event::Frame(frame) => Some(&**frame),
        _ => None,
    })
}

pub(crate) fn connected(pair: &mut Pair) {
    pair.until("both are connected", |pair| {
        pair.peers.iter().all(|peer| peer.connection_state() == ConnectionState::Connected)
    });
}

pub(crate) fn add(pair: &mut Pair, side: usize, kind: MediaKind) -> TransceiverId {
    pair.peers[side].with_negotiator(|n| n.add_transceiver(kind, TransceiverInit::default())).unwrap()
}

/// The transceivers of the side that answers, which sends as well.
fn answering(pair: &mut Pair) -> Vec<TransceiverId> {
    pair.peers[1].with_negotiator(|negotiator| {
        let ids: Vec<_> = negotiator.transceivers().iter().map(|t| t.id()).collect();
        for id in &ids {
            negotiator.set_direction(*id, Direction::SendRecv).unwrap();
        }
        ids
    })
}

/// A call with sound and pictures both ways: what is there is added by both before.
fn call(seed: u64) -> (Pair, [Vec<TransceiverId>; 2]) {
    let mut pair = Pair::new(seed);
    let ours = vec![add(&mut pair, 0, MediaKind::Audio), add(&mut pair, 0, MediaKind::Video)];
    pair.introduce();
    connected(&mut pair);
    let theirs = answering(&mut pair);
    pair.negotiate(1);
    (pair, [ours, theirs])
}

/// Every frame is as it was sent, in its order; how many came.
fn check_frames(pair: &Pair, side: usize, encoder: &Encoder) -> u32 {
    let mut origin = None;
    let mut last = None;
    let mut count = 0;
    for frame in frames(pair, side).filter(|frame| frame.format == encoder.format) {
        let sent = encoder.timestamp(&frame.data);
        assert!(last.is_none_or(|last| sent > last), "in their order");
        last = Some(sent);
        // All are shifted by the same random offset.
        let shift = frame.timestamp.wrapping_sub(sent);
        assert_eq!(*origin.get_or_insert(shift), shift);
        assert!(frame.data == encoder.data(sent, frame.keyframe && encoder.format.is_video()));
        count += 1;
    }
    count
}

#[test]
fn sound_and_pictures_cross_a_path_with_loss_both_ways() {
    for seed in 11..31 {
        let picture = if seed % 2 == 1 { Format::Vp8 } else { Format::H264 };
        let (mut pair, ids) = call(seed);
        pair.loss = 20;
        let mut sound = [0, 1].map(|_| Encoder::new(Format::Opus, 120));
        let mut pictures = [0, 1].map(|_| Encoder::new(picture, 1500));
        let mut seen = [0, 0];
        for n in 0..500 {
            for side in 0..2 {
                sound[side].send(&mut pair, side, ids[side][0], None);
                if n % 2 == 0 {
                    pictures[side].follow(&pair, side, ids[side][1], &mut seen[side]);
                    pictures[side].send(&mut pair, side, ids[side][1], None);
                }
            }
            pair.pass(PICTURE / 2);
        }
        pair.loss = 0;
        pair.pass(Duration::from_secs(2));
        for side in 0..2 {
            let (sent, came) = (pictures[1 - side].sent, check_frames(&pair, side, &pictures[1 - side]));
            // A repair that is lost as well is asked for again while it can still be in time, and so is the beginning of all.
            assert!(sent >= 249 && came + 1 >= sent, "seed {seed}: {came} of {sent} pictures");
            let came = check_frames(&pair, side, &sound[1 - side]);
            assert!(came > 465, "{came} of 500 frames of sound");
        }
        check_stats(&pair);
    }
}

/// The counters of both sides tell the same story.
fn check_stats(pair: &Pair) {
    let [ours, theirs] = [0, 1].map(|side| pair.peers[side].get_stats().media.unwrap());
    assert_eq!(ours.dropped, peer::MediaDropped::default());
    for sent in &ours.outbound_rtp {
        let received = theirs.inbound_rtp.iter().find(|inbound| inbound.ssrc == sent.ssrc).unwrap();
        assert_eq!((&sent.mid, sent.kind, sent.codec), (&received.mid, received.kind, received.codec));
        let least = sent.packets_sent * 9 / 10;
        let all = received.packets_received + received.retransmitted_packets_received;
        assert!(all >= least && all <= sent.packets_sent, "{sent:?} {received:?}");
        let remote = ours.remote_inbound_rtp.iter().find(|remote| remote.ssrc == sent.ssrc).unwrap();
        let trip = remote.round_trip_time.unwrap();
        assert!(trip.abs_diff(pair.delay * 2) < Duration::from_millis(1), "{trip:?}");
        assert!(
            i64::from(remote.packets_lost) > 0 && remote.jitter < Duration::from_millis(30),
            "{remote:?}"
        );
    }
    assert!(ours.available_outgoing_bitrate > 100_000);
}

#[test]
fn a_keyframe_is_sent_when_it_is_asked_for() {
    let (mut pair, ids) = call(13);
    let mut pictures = Encoder::new(Format::Vp8, 500);
    pictures.send(&mut pair, 0, ids[0][1], None);
    pair.pass(PICTURE);
    pair.events = [Vec::new(), Vec::new()];
    pair.peers[1].request_keyframe(ids[1][1], None).unwrap();
    pair.collect();
    let wanted = Event::KeyframeRequested { transceiver: ids[0][1], rid: None };
    pair.until("the request arrives", |pair| pair.heard(0, |event| *event == wanted));
    pictures.follow(&pair, 0, ids[0][1], &mut 0);
    pictures.send(&mut pair, 0, ids[0][1], None);
    pair.until("the keyframe arrives", |pair| frames(pair, 1).any(|frame| frame.keyframe));
}

#[test]
fn nothing_is_sent_against_the_direction_and_all_goes_on_afterwards() {
    let (mut pair, ids) = call(14);
    let mut pictures = [0, 1].map(|_| Encoder::new(Format::Vp8, 2500));
    let mut play = |pair: &mut Pair, both: bool| {
        pair.events = [Vec::new(), Vec::new()];
        let mut seen = [0, 0];
        for _ in 0..25 {
            for side in if both { 0..2 } else { 1..2 } {
                pictures[side].follow(pair, side, ids[side][1], &mut seen[side]);
                pictures[side].send(pair, side, ids[side][1], None);
            }
            pair.pass(PICTURE);
        }
        pair.pass(PICTURE);
        [0, 1].map(|side| frames(pair, side).count())
    };
    assert_eq!(play(&mut pair, true), [25, 25]);
    pair.peers[0].with_negotiator(|n| n.set_direction(ids[0][1], Direction::RecvOnly)).unwrap();
    pair.negotiate(0);
    let frame = Frame { data: &[0; 10], ..Frame::default() };
    let now = pair.now;
    assert_eq!(pair.peers[0].send_frame(now, ids[0][1], &frame), Err(MediaError::NotSending));
    assert_eq!(play(&mut pair, false), [25, 0]);
    pair.peers[0].with_negotiator(|n| n.set_direction(ids[0][1], Direction::SendRecv)).unwrap();
    // The other side was not told to send no longer, so its transceiver still wants both.
    pair.negotiate(0);
    let [back, forth] = play(&mut pair, true);
    assert!(back == 25 && forth >= 24, "{back} {forth}");
    assert_eq!(pair.peers[1].get_stats().media.unwrap().dropped, peer::MediaDropped::default());
}

#[test]
fn a_transceiver_that_ends_says_goodbye_and_another_takes_its_place() {
    let (mut pair, ids) = call(15);
    let mut pictures = Encoder::new(Format::Vp8, 500);
    pictures.send(&mut pair, 0, ids[0][1], None);
    pair.until("it arrives", |pair| frames(pair, 1).count() == 1);
    pair.peers[0].with_negotiator(|n| n.stop(ids[0][1])).unwrap();
    pair.negotiate(0);
    pair.pass(PICTURE);
    let stats = pair.peers[1].get_stats().media.unwrap();
    assert!(stats.inbound_rtp.is_empty() && stats.outbound_rtp.len() == 1, "{stats:?}");
    let frame = Frame { data: &[0; 10], ..Frame::default() };
    let now = pair.now;
    assert_eq!(pair.peers[0].send_frame(now, ids[0][1], &frame), Err(MediaError::NoTransceiver));
    let id = add(&mut pair, 0, MediaKind::Video);
    pair.negotiate(0);
    let mut pictures = Encoder::new(Format::H264, 500);
    pictures.send(&mut pair, 0, id, None);
    pair.until("it arrives", |pair| frames(pair, 1).any(|frame| frame.format == Format::H264));
}

/// The longest time without a picture, sending 25 a second for two seconds; and how many datagrams that took.
fn longest_pause(fault: Option<(u64, Fault)>) -> (Duration, u64) {
    let (mut pair, ids) = call(16);
    let before = pair.media_sent;
    pair.media_fault = fault.map(|(n, fault)| (before + n, fault));
    let mut pictures = Encoder::new(Format::Vp8, 1800);
    let (mut seen, mut count): (usize, usize) = (0, 0);
    let (mut last, mut longest): (Instant, Duration) = (pair.now, Duration::ZERO);
    let mut sent = 0;
    for n in 0..75 {
        pictures.follow(&pair, 0, ids[0][1], &mut seen);
        pictures.send(&mut pair, 0, ids[0][1], None);
        pair.pass(PICTURE);
        let now_count = frames(&pair, 1).count();
        if now_count > count {
            count = now_count;
            last = pair.now;
        }
        longest = longest.max(pair.now.saturating_since(last));
        if n == 49 {
            sent = pair.media_sent - before;
        }
    }
    check_frames(&pair, 1, &pictures);
    assert!(count >= 60, "{fault:?}: {count} pictures");
    (longest, sent)
}

#[test]
fn whatever_happens_to_one_packet_pictures_go_on() {
    let (pause, sent) = longest_pause(None);
    assert!(pause < PICTURE * 3 && sent > 100, "{pause:?} {sent}");
    for (step, fault) in [(2, Fault::Drop), (7, Fault::Double), (7, Fault::Delay), (7, Fault::Corrupt)] {
        let mut n = 1;
        while n <= sent {
            let (pause, _) = longest_pause(Some((n, fault)));
            assert!(pause < Duration::from_secs(1), "{fault:?} of packet {n}: {pause:?}");
            n += step;
        }
    }
}
