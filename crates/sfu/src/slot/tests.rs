//! What a receiver of some layers gets, compared with what a decoder needs.

use std::collections::{BTreeMap, BTreeSet};

use flow::payload::Format;
use peer::Peer;
use peer::negotiation::{MediaKind, TransceiverInit};
use wire::Rng;

use super::*;
use crate::dependency::Dependencies;
use crate::dependency::svc::{Frame, Mode, Needs};
use crate::dependency::tests::{L1T3, L3T3, L3T3_KEY, S3T3};
use crate::descriptor::{Descriptor, MAX_HEAD};
use crate::ring::Ring;
use crate::track::Wire;

/// A frame of a layer: its picture, and its spatial layer.
type Place = (usize, u8);

struct Packet {
    frame: Place,
    first: bool,
    last: bool,
    kept: Kept,
}

/// A stream of an encoder, and what each of its frames needs.
struct Stream {
    packets: Vec<Packet>,
    needs: BTreeMap<Place, Vec<Place>>,
}

const PATTERN: [u8; 4] = [0, 2, 1, 2];
const PICTURES: usize = 240;
/// Between two keyframes.
const KEYS: usize = 100;

/// The picture before this one that a picture of its temporal layer refers to.
fn reference(picture: usize, tangled: bool) -> usize {
    let key = picture / KEYS * KEYS;
    let at = (picture - key) % PATTERN.len();
    let cycle = picture - at;
    match at {
        0 => cycle - PATTERN.len(),
        // Every other picture of layer 1 needs the one before of its layer.
        2 if tangled && (picture - key) / PATTERN.len() % 2 == 1 => picture - PATTERN.len(),
        1 | 2 => cycle,
        _ => picture - 1,
    }
}

fn kept(
    format: Format,
    (number, picture): (i64, usize),
    (key, marker): (bool, bool),
    payload: Vec<u8>,
) -> Kept {
    let wire = wire(format, (number, picture), marker);
    let with = Kept::new(at_picture(picture), &wire, key, Descriptor::of(format, &payload));
    in_ring(&with, [&[]; 2], &payload)
}

fn at_picture(picture: usize) -> Instant {
    Instant::from_nanos(picture as u64 * 33_000_000)
}

fn wire(format: Format, (number, picture): (i64, usize), marker: bool) -> Wire<'static> {
    let timestamp = u32::try_from(picture).unwrap() * 3000;
    Wire { number, timestamp, marker, format, level: None, orientation: None, dependency: None }
}

/// As a ring keeps it.
fn in_ring(with: &Kept, ahead: [&[u8]; 2], payload: &[u8]) -> Kept {
    let mut ring = Ring::new(1);
    ring.push(with, ahead, payload);
    ring.get(0).unwrap().clone()
}

impl Stream {
    /// VP8 with three temporal layers.
    fn vp8(rng: &mut Rng) -> Self {
        let mut stream = Self { packets: Vec::new(), needs: BTreeMap::new() };
        let mut base = 250u8;
        for picture in 0..PICTURES {
            let key = picture % KEYS == 0;
            let layer = PATTERN[picture % KEYS % PATTERN.len()];
            base = base.wrapping_add(u8::from(layer == 0));
            let needs = if key { Vec::new() } else { vec![(reference(picture, true), 0)] };
            let sync = needs.iter().all(|(other, _)| PATTERN[other % KEYS % PATTERN.len()] == 0);
            stream.needs.insert((picture, 0), needs);
            let count = 1 + rng.below(3);
            for at in 0..count {
                let [high, low] = ((u16::try_from(picture).unwrap() + 0x7f80) | 0x8000).to_be_bytes();
                let start = if at == 0 { 0x90 } else { 0x80 };
                let payload = vec![start, 0xe0, high, low, base, layer << 6 | u8::from(sync) << 5, 1];
                let number = stream.packets.len() as i64 + 65_000;
                let last = at + 1 == count;
                let kept = kept(Format::Vp8, (number, picture), (key && at == 0, last), payload);
                stream.packets.push(Packet { frame: (picture, 0), first: at == 0, last, kept });
            }
        }
        stream
    }

    /// VP9 with three spatial and three temporal layers; `key` says that pictures between keyframes need none of a lower
    /// spatial layer (L3T3_KEY), otherwise they do (L3T3).
    fn vp9(rng: &mut Rng, only_key: bool) -> Self {
        let mut stream = Self { packets: Vec::new(), needs: BTreeMap::new() };
        for picture in 0..PICTURES {
            let key = picture % KEYS == 0;
            let layer = PATTERN[picture % KEYS % PATTERN.len()];
            for spatial in 0..3 {
                let mut needs = Vec::new();
                if !key {
                    needs.push((reference(picture, false), spatial));
                }
                if spatial > 0 && (key || !only_key) {
                    needs.push((picture, spatial - 1));
                }
                stream.needs.insert((picture, spatial), needs);
                let count = 1 + rng.below(2);
                for at in 0..count {
                    let (begins, ends) = (at == 0, at + 1 == count);
                    let predicted = if key { 0 } else { 0x40 };
                    let first = 0xa0 | predicted | u8::from(begins) << 3 | u8::from(ends) << 2;
                    let [high, low] = (u16::try_from(picture).unwrap() | 0x8000).to_be_bytes();
                    // After pictures of the lowest layer, and of layer 1, nothing of a higher one from before is needed.
                    let free = u8::from(layer < 2) << 4;
                    let payload = vec![first, high, low, layer << 5 | free | spatial << 1, 7, 1];
                    let number = stream.packets.len() as i64 - 20;
                    let kept = kept(
                        Format::Vp9,
                        (number, picture),
                        (key && spatial == 0 && begins, ends && spatial == 2),
                        payload,
                    );
                    stream.packets.push(Packet {
                        frame: (picture, spatial),
                        first: begins,
                        last: ends,
                        kept,
                    });
                }
            }
        }
        stream
    }
}

/// AV1 with layers, and between keyframes now and then the structure's numbers begin elsewhere.
fn av1(rng: &mut Rng, mode: Mode) -> Stream {
    let mut stream = Stream { packets: Vec::new(), needs: BTreeMap::new() };
    let (mut dependencies, mut number) = (Dependencies::default(), 65_000u16);
    for picture in 0..PICTURES {
        let since = picture % KEYS;
        let key = since == 0;
        let temporal = mode.temporal_of(since);
        for spatial in 0..mode.spatial {
            let mut needs = Vec::new();
            if !key {
                needs.push((picture - mode.distance(since), spatial));
            }
            if spatial > 0 && (mode.needs == Needs::Lower || (key && mode.needs == Needs::LowerOfKey)) {
                needs.push((picture, spatial - 1));
            }
            stream.needs.insert((picture, spatial), needs);
            let count = 1 + rng.below(2);
            for at in 0..count {
                let (begins, ends) = (at == 0, at + 1 == count);
                let offset = if (picture / KEYS).is_multiple_of(2) { 50 } else { 20 };
                let frame = Frame { spatial, temporal, key };
                let bytes = mode.descriptor((number, offset), frame, (begins, ends), None);
                let told = dependencies.read(&bytes);
                let place = (stream.packets.len() as i64 + 65_000, picture);
                let wire = wire(Format::Av1, place, ends && spatial + 1 == mode.spatial);
                let with = Kept::new(at_picture(picture), &wire, told.key, told.descriptor);
                let kept = in_ring(&with, [&told.marks.bytes(), &bytes], &[0x10, 0x30, 1]);
                stream.packets.push(Packet { frame: (picture, spatial), first: begins, last: ends, kept });
            }
            number = number.wrapping_add(1);
        }
    }
    stream
}

fn slot() -> Slot {
    let certificate = crate::Certificate::generate(&mut Rng::new([1; 32]), 1_700_000_000);
    let mut peer = Peer::new(peer::Config::new(certificate), [2; 32], Instant::ZERO).unwrap();
    let add = |n: &mut peer::negotiation::Negotiator| {
        n.add_transceiver(MediaKind::Video, TransceiverInit::default())
    };
    Slot { told: true, ..Slot::new(peer.with_negotiator(add).unwrap(), 1, 0x7ff0, 5) }
}

/// What left under each number: the packet's place in the stream; `None` is padding.
type Sent = BTreeMap<i64, (Option<usize>, Written)>;

fn below(rng: &mut Rng, bound: usize) -> usize {
    usize::try_from(rng.below(bound as u64)).unwrap()
}

/// Sends a stream through a slot; some packets come late. What is wanted changes now and then.
fn forward(stream: &Stream, rng: &mut Rng, late: u64, steps: &[Step]) -> (Sent, Slot) {
    let mut slot = slot();
    let mut arrivals: Vec<(usize, usize)> = (0..stream.packets.len())
        .map(|at| (at + if at > 0 && rng.chance(late) { 3 + below(rng, 40) } else { 0 }, at))
        .collect();
    arrivals.sort_unstable();
    let mut target = steps[0];
    slot.begin((1, 1, 0), target, &stream.packets[0].kept);
    let mut sent = Sent::new();
    for (_, at) in arrivals {
        if rng.chance(20) {
            target = steps[below(rng, steps.len())];
        }
        let kept = &stream.packets[at].kept;
        let Some(written) = slot.write(kept, target) else { continue };
        let what = (!written.filler).then_some(at);
        assert!(sent.insert(written.number, (what, written)).is_none(), "a number is taken once");
        if what.is_some() && written.number + 100 > slot.out {
            let (run, number) = slot.origin(written.number).unwrap();
            assert_eq!((number, run.written(written.number, kept)), (kept.number, written), "as it left");
        }
    }
    (sent, slot)
}

/// All numbers are there, frames are whole, and every frame has all it needs. How many frames of each layer.
fn check(stream: &Stream, sent: &Sent, what: &str) -> BTreeMap<Step, usize> {
    let numbers: Vec<i64> = sent.keys().copied().collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{what}: there is a hole");
    let forwarded: BTreeSet<usize> = sent.values().filter_map(|(at, _)| *at).collect();
    let mut frames: BTreeSet<Place> = BTreeSet::new();
    let mut count = BTreeMap::new();
    for (at, packet) in stream.packets.iter().enumerate() {
        if !packet.first {
            continue;
        }
        let len = stream.packets[at..].iter().position(|packet| packet.last).unwrap() + 1;
        let there = (at..at + len).filter(|at| forwarded.contains(at)).count();
        assert!(there == 0 || there == len, "{what}: {there} of {len} packets of {:?}", packet.frame);
        if there > 0 {
            for need in &stream.needs[&packet.frame] {
                assert!(frames.contains(need), "{what}: {:?} needs {need:?}", packet.frame);
            }
            frames.insert(packet.frame);
            *count.entry(packet.kept.descriptor.layer).or_insert(0) += 1;
        }
    }
    for (number, (at, written)) in sent {
        let Some(at) = *at else { continue };
        let next = sent.range(number + 1..).find_map(|(_, (at, _))| *at);
        let ends = next.is_none_or(|next| stream.packets[next].frame.0 != stream.packets[at].frame.0);
        assert_eq!(written.marker, ends, "{what}: {:?}", stream.packets[at].frame);
    }
    count
}

fn steps(spatial: u8) -> Vec<Step> {
    let all = |top: u8| (0..top).chain([u8::MAX]);
    all(spatial).flat_map(|spatial| all(2).map(move |temporal| Step { spatial, temporal })).collect()
}

#[test]
fn every_frame_of_vp8_has_all_it_needs_whatever_comes_late() {
    for seed in 0..200 {
        let mut rng = Rng::from_number(seed);
        let stream = Stream::vp8(&mut rng);
        let late = [0, 30, 150][usize::try_from(seed % 3).unwrap()];
        let (sent, _) = forward(&stream, &mut rng, late, &steps(0));
        check(&stream, &sent, &format!("seed {seed}"));
    }
}

#[test]
fn every_frame_of_vp9_has_all_it_needs_whatever_comes_late() {
    for seed in 0..200 {
        let mut rng = Rng::from_number(seed);
        let stream = Stream::vp9(&mut rng, seed % 2 == 0);
        let late = [0, 30, 150][usize::try_from(seed % 3).unwrap()];
        let (sent, _) = forward(&stream, &mut rng, late, &steps(2));
        check(&stream, &sent, &format!("seed {seed}"));
    }
}

#[test]
fn every_frame_of_av1_has_all_it_needs_whatever_comes_late() {
    for seed in 0..400 {
        let mut rng = Rng::from_number(seed);
        let mode = [L1T3, L3T3, L3T3_KEY, S3T3][usize::try_from(seed % 4).unwrap()];
        let stream = av1(&mut rng, mode);
        let late = [0, 30, 150][usize::try_from(seed % 3).unwrap()];
        let (sent, _) = forward(&stream, &mut rng, late, &steps(2));
        check(&stream, &sent, &format!("seed {seed}: {mode:?}"));
    }
}

/// Each step of AV1 gets the frames of its decode target, and no others.
#[test]
fn a_receiver_of_av1_gets_the_frames_that_it_needs() {
    for (step, mode) in
        steps(2).into_iter().flat_map(|step| [L1T3, L3T3, L3T3_KEY, S3T3].map(|mode| (step, mode)))
    {
        let mut rng = Rng::from_number(8);
        let stream = av1(&mut rng, mode);
        let (sent, _) = forward(&stream, &mut rng, 0, &[step]);
        check(&stream, &sent, &format!("{step:?} {mode:?}"));
        let forwarded: BTreeSet<Place> =
            sent.values().filter_map(|(at, _)| Some(stream.packets[(*at)?].frame)).collect();
        let target = (step.spatial.min(mode.spatial - 1), step.temporal.min(mode.temporal - 1));
        let expected = stream.needs.keys().copied().filter(|(picture, spatial)| {
            let since = picture % KEYS;
            let frame = Frame { spatial: *spatial, temporal: mode.temporal_of(since), key: since == 0 };
            // The first one of a keyframe tells what the others are.
            mode.holds(target, frame) || (frame.key && *spatial == 0)
        });
        assert!(expected.eq(forwarded), "{step:?} {mode:?}");
    }
}

/// Who does not take descriptors gets the smallest pictures, in full.
#[test]
fn without_descriptors_there_is_one_spatial_layer() {
    for mode in [L1T3, L3T3, L3T3_KEY, S3T3] {
        let stream = av1(&mut Rng::from_number(10), mode);
        let mut slot = Slot { told: false, ..slot() };
        slot.begin((1, 1, 0), Step::ALL, &stream.packets[0].kept);
        for Packet { frame, last, kept, .. } in &stream.packets {
            let written = slot.write(kept, Step::ALL);
            assert_eq!(written.map(|written| written.marker), (frame.1 == 0).then_some(*last), "{mode:?}");
        }
    }
}

/// Numbers of frames go on when another stream follows, and those of its templates are none that were in use.
#[test]
fn numbers_in_dependency_descriptors_go_on() {
    let mut rng = Rng::from_number(9);
    let [one, other] = [L3T3, L1T3].map(|mode| av1(&mut rng, mode));
    let mut slot = slot();
    let (mut last, mut end) = (None, 0);
    for (serial, stream, templates) in [(1, &one, 12), (2, &other, 4), (3, &one, 12)] {
        slot.begin((1, serial, 0), Step::ALL, &stream.packets[0].kept);
        for packet in &stream.packets[..200] {
            let written = slot.write(&packet.kept, Step::ALL).unwrap();
            let mut bytes = packet.kept.with_dependency().1.to_vec();
            let number = packet.kept.descriptor.picture.wrapping_add(written.shift.picture);
            rtp::extension::dependency::renumber(&mut bytes, number, written.shift.templates);
            let expected = last.map_or(number, |last: u16| last.wrapping_add(u16::from(packet.first)));
            assert_eq!(number, expected, "stream {serial}");
            let first = bytes[0] & 0x3f;
            if packet.kept.key {
                let begins = packet.frame.0 == 0;
                assert!(!begins || first == end, "templates begin behind those of the stream before");
                end = (first + templates) % 64;
            }
            last = Some(number);
        }
    }
}

/// Each step gets the layers it names, and no others.
#[test]
fn a_receiver_gets_the_layers_that_it_is_to_get() {
    for step in steps(2) {
        for vp8 in [true, false] {
            let mut rng = Rng::from_number(7);
            let stream = if vp8 { Stream::vp8(&mut rng) } else { Stream::vp9(&mut rng, true) };
            let (sent, _) = forward(&stream, &mut rng, 0, &[step]);
            let count = check(&stream, &sent, &format!("{step:?}"));
            for spatial in 0..if vp8 { 1 } else { 3 } {
                for (temporal, of_four) in [(0, 1), (1, 1), (2, 2)] {
                    let layer = Step { spatial, temporal };
                    let expected = if step.holds(layer) { PICTURES * of_four / 4 } else { 0 };
                    assert_eq!(count.get(&layer).copied().unwrap_or(0), expected, "{step:?} {layer:?}");
                }
            }
        }
    }
}

/// The picture identifiers of VP8 go on without a break, TL0PICIDX counts the pictures of the lowest layer; those of VP9
/// stay as they are.
#[test]
fn numbers_in_descriptors_have_no_gap() {
    for seed in 0..20 {
        let mut rng = Rng::from_number(seed);
        let stream = Stream::vp8(&mut rng);
        let (sent, _) = forward(&stream, &mut rng, 0, &steps(0));
        let mut last: Option<(u16, u8, usize)> = None;
        for (at, written) in sent.values() {
            let packet = &stream.packets[at.unwrap()];
            let mut head = [0; MAX_HEAD];
            packet.kept.descriptor.write(packet.kept.payload(), written.shift, &mut head);
            let picture = u16::from_be_bytes([head[2] & 0x7f, head[3]]);
            if let Some((last, base, frame)) = last {
                let (steps, bases) = (picture.wrapping_sub(last) & 0x7fff, head[4].wrapping_sub(base));
                assert_eq!(steps, u16::from(packet.frame.0 != frame), "seed {seed}: {:?}", packet.frame);
                let lowest = packet.frame.0 != frame && packet.kept.descriptor.layer.temporal == 0;
                assert_eq!(bases, u8::from(lowest), "seed {seed}");
            }
            last = Some((picture, head[4], packet.frame.0));
        }
        let stream = Stream::vp9(&mut rng, false);
        let (sent, _) = forward(&stream, &mut rng, 0, &steps(2));
        assert!(sent.values().all(|(_, written)| written.shift == sent.values().next().unwrap().1.shift));
    }
}

/// What is remembered of the runs is bounded, and covers all that can be asked for again.
#[test]
fn runs_are_forgotten() {
    let mut rng = Rng::from_number(3);
    let stream = Stream::vp8(&mut rng);
    let (sent, slot) = forward(&stream, &mut rng, 100, &steps(0));
    assert!(slot.runs.len() <= MOST_RUNS && slot.runs.len() > MAX_RUNS);
    assert!(sent.keys().rev().take(200).all(|number| slot.origin(*number).is_some()));
}
