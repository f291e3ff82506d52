//! AV1 with layers: each receiver gets those that its path and the size of its tile call for, by the dependency descriptors.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use peer::rtp::extension::Elements;
use peer::{Format, OutgoingRtp, Peer};
use sfu::{Event, Source, Want};
use wire::{Instant, Transmit};

use peer::negotiation::TransceiverId;

use crate::allocations;
use crate::forward::{look_at, start};
use crate::svc::{Frame, Mode, Needs};
use crate::world::{World, millis};

const L1T3: Mode = Mode { spatial: 1, temporal: 3, needs: Needs::Lower };
const L3T3: Mode = Mode { spatial: 3, temporal: 3, needs: Needs::Lower };
const L3T3_KEY: Mode = Mode { spatial: 3, temporal: 3, needs: Needs::LowerOfKey };
const S3T3: Mode = Mode { spatial: 3, temporal: 3, needs: Needs::Nothing };

/// Bytes of one frame of each spatial layer: with 25 a second about 100, 250 and 700 kbit/s.
const SIZES: [usize; 3] = [500, 1250, 3500];
/// What fits into one packet.
const PAYLOAD: usize = 1100;
/// OBUs of frames, without a size.
const OBU: u8 = 0x30;

/// A frame by its picture and its spatial layer.
type Place = (u32, u8);

/// An encoder, and packets of it that wait to be taken.
pub(crate) struct Encoder {
    mode: Mode,
    number: u16,
    sequence: u16,
    count: u32,
    key: u32,
    keys: u32,
    needs: BTreeMap<Place, Vec<Place>>,
    pub(crate) out: VecDeque<(Transmit, Vec<u8>)>,
}

/// A temporal unit that came.
pub(crate) struct Unit {
    at: Instant,
    count: u32,
    spatial: Vec<u8>,
    key: bool,
}

impl Encoder {
    pub(crate) fn new(mode: Mode) -> Self {
        let (needs, out) = (BTreeMap::new(), VecDeque::new());
        Self { mode, number: 65_000, sequence: 65_000, count: 0, key: 0, keys: 0, needs, out }
    }

    /// Makes the next picture.
    pub(crate) fn send(
        &mut self,
        (now, peer, camera): (Instant, &mut Peer, TransceiverId),
        timestamp: u32,
        key: bool,
    ) {
        self.count += 1;
        if key {
            (self.key, self.keys) = (self.count, self.keys + 1);
        }
        let since = usize::try_from(self.count - self.key).unwrap();
        for spatial in 0..self.mode.spatial {
            let frame = Frame { spatial, temporal: self.mode.temporal_of(since), key };
            let mut needs = Vec::new();
            if !key {
                needs.push((self.count - u32::try_from(self.mode.distance(since)).unwrap(), spatial));
            }
            let lower = self.mode.needs == Needs::Lower || (key && self.mode.needs == Needs::LowerOfKey);
            if spatial > 0 && lower {
                needs.push((self.count, spatial - 1));
            }
            self.needs.insert((self.count, spatial), needs);
            self.send_frame((now, peer, camera), timestamp, frame);
            self.number = self.number.wrapping_add(1);
        }
    }

    fn send_frame(
        &mut self,
        (now, peer, camera): (Instant, &mut Peer, TransceiverId),
        timestamp: u32,
        frame: Frame,
    ) {
        let size = SIZES[usize::from(frame.spatial)] * if frame.key { 2 } else { 1 };
        let mut obu = vec![OBU, frame.spatial, u8::from(frame.key)];
        obu.extend(self.count.to_be_bytes());
        obu.resize(size, 0xee);
        let parts = obu.chunks(PAYLOAD);
        let last = parts.len() - 1;
        for (at, part) in parts.enumerate() {
            let (begins, ends) = (at == 0, at == last);
            let new = frame.key && frame.spatial == 0 && begins;
            let head = 0x10 | u8::from(!begins) << 7 | u8::from(!ends) << 6 | u8::from(new) << 3;
            // Each keyframe's templates have other numbers than those before, as with libwebrtc.
            let offset = u8::try_from(self.keys * 12 % 64).unwrap();
            let dependency = self.mode.descriptor((self.number, offset), frame, (begins, ends), None);
            let out = OutgoingRtp {
                transceiver: camera,
                rid: None,
                format: Some(Format::Av1),
                marker: ends && frame.spatial + 1 == self.mode.spatial,
                sequence_number: self.sequence,
                timestamp,
                head: &[head],
                payload: part,
                pad_to: 0,
                retransmission: false,
                probe: false,
                elements: Elements { dependency: Some(&dependency), ..Elements::default() },
            };
            self.sequence = self.sequence.wrapping_add(1);
            let mut buf = vec![0; 1500];
            // Before the connection is there, nothing is sent.
            if let Ok(transmit) = peer.send_rtp(now, &out, &mut buf) {
                buf.truncate(transmit.len);
                self.out.push_back((transmit, buf));
            }
        }
    }
}

impl Unit {
    /// Of the OBUs of a frame of AV1, each with a size of four bytes.
    pub(crate) fn read(at: Instant, mut data: &[u8]) -> Self {
        let mut unit = Self { at, count: 0, spatial: Vec::new(), key: false };
        while let [header, a, b, c, d, rest @ ..] = data {
            assert_eq!(*header, OBU | 2);
            let size = [a, b, c, d].iter().rev().fold(0, |size, byte| size << 7 | usize::from(**byte & 0x7f));
            let (content, behind) = rest.split_at(size);
            let count = u32::from_be_bytes(content[2..6].try_into().unwrap());
            assert!(unit.count == 0 || unit.count == count, "frames of two pictures in one unit");
            unit.count = count;
            unit.spatial.push(content[0]);
            unit.key = content[1] == 1;
            data = behind;
        }
        unit
    }
}

/// A room where somebody sends AV1, and so many look.
fn room(seed: u64, mode: Mode, viewers: usize) -> World {
    let mut world = World::with(seed, sfu::RoomConfig::default(), |config| config.start_bitrate = 3_000_000);
    world.join_with_layers(mode);
    (0..viewers).for_each(|_| {
        world.join(&[], 1, 1);
    });
    world.connected();
    start(&mut world, 0);
    world
}

/// All units of a viewer have what they need, except those that came before a keyframe of theirs.
fn check_needs(world: &World, viewer: usize) {
    let needs = &world.clients[0].encoder.as_ref().unwrap().needs;
    let mut there: BTreeSet<Place> = BTreeSet::new();
    for unit in &world.clients[viewer].units {
        for spatial in &unit.spatial {
            let place = (unit.count, *spatial);
            let missing = needs[&place].iter().find(|need| !there.contains(need));
            assert!(missing.is_none(), "{viewer}: {place:?} needs {missing:?} at {:?}", unit.at);
            there.insert(place);
        }
    }
}

/// The units of the last seconds have the frames that a receiver of a spatial layer needs, and no others; of a keyframe also the
/// one that tells what the others are.
fn check_frames(world: &World, viewer: usize, seconds: u64, spatial: u8) {
    let mode = world.clients[0].encoder.as_ref().unwrap().mode;
    let from = world.now - Duration::from_secs(seconds);
    for unit in world.clients[viewer].units.iter().filter(|unit| unit.at > from) {
        let frame = |spatial| Frame { spatial, temporal: 0, key: unit.key };
        let needed = |layer: &u8| mode.holds((spatial, 2), frame(*layer)) || (unit.key && *layer == 0);
        assert!(
            (0..mode.spatial).filter(needed).eq(unit.spatial.iter().copied()),
            "{mode:?}: {:?}",
            unit.spatial
        );
    }
}

/// The highest spatial layers of the units of the last seconds, and how many units there were each second.
fn last(world: &World, viewer: usize, seconds: u64) -> (BTreeSet<u8>, u64) {
    let from = world.now - Duration::from_secs(seconds);
    let units = || world.clients[viewer].units.iter().filter(|unit| unit.at > from);
    let highest = units().filter_map(|unit| unit.spatial.iter().max().copied()).collect();
    (highest, units().count() as u64 / seconds)
}

fn longest_pause(world: &World, viewer: usize, since: Instant) -> Duration {
    let times = world.clients[viewer].units.iter().map(|unit| unit.at).filter(|at| *at >= since);
    let mut last = since;
    times.chain([world.now]).map(|at| at.saturating_since(std::mem::replace(&mut last, at))).max().unwrap()
}

#[test]
fn spatial_layers_follow_the_size_of_the_tile() {
    for (seed, mode) in [(200, L3T3), (201, L3T3_KEY), (202, S3T3)] {
        let mut world = room(seed, mode, 1);
        look_at(&mut world, 1, &[Some((0, 720))]);
        world.pass(Duration::from_secs(3));
        let begin = world.now;
        for (height, spatial) in [(180, 0), (720, 2), (360, 1), (1080, 2), (150, 0)] {
            look_at(&mut world, 1, &[Some((0, height))]);
            world.pass(Duration::from_secs(4));
            assert_eq!(
                last(&world, 1, 2),
                (BTreeSet::from([spatial]), 25),
                "{mode:?} at a height of {height}"
            );
            check_frames(&world, 1, 2, spatial);
        }
        check_needs(&world, 1);
        let pause = longest_pause(&world, 1, begin);
        assert!(pause < millis(200), "{mode:?}: nothing for {pause:?}");
        let before = world.clients[1].units.len();
        look_at(&mut world, 1, &[None]);
        world.pass(Duration::from_secs(1));
        assert!(world.clients[1].units.len() <= before + 2, "what is not seen is not sent");
    }
}

/// 3 Mbit/s, then 105 kbit/s, then 3 Mbit/s again on one receiver's path.
#[test]
fn a_narrow_path_gets_less_of_av1_and_more_when_it_is_wide_again() {
    for (seed, mode) in [(210, L3T3), (211, L3T3_KEY), (212, S3T3)] {
        let mut world = room(seed, mode, 2);
        world.down[1].rate = Some(3_000_000);
        for viewer in [1, 2] {
            look_at(&mut world, viewer, &[Some((0, 720))]);
        }
        let secs = Duration::from_secs;
        let begin = world.now;
        world.pass(secs(10));
        assert_eq!(last(&world, 1, 3), (BTreeSet::from([2]), 25), "{mode:?}: wide");
        world.down[1].rate = Some(105_000);
        world.pass(secs(15));
        let (layers, rate) = last(&world, 1, 8);
        assert!(
            layers == BTreeSet::from([0]) && rate >= 6,
            "{mode:?}: {layers:?}, {rate} a second in 105 kbit/s"
        );
        world.down[1].rate = Some(3_000_000);
        world.pass(secs(15));
        let (layers, rate) = last(&world, 1, 1);
        assert!(layers == BTreeSet::from([2]) && rate >= 24, "{mode:?}: {layers:?}, {rate}, wide again");
        for (viewer, most) in [(1, 1000), (2, 200)] {
            check_needs(&world, viewer);
            let pause = longest_pause(&world, viewer, begin + secs(1));
            assert!(pause < millis(most), "{mode:?}: {viewer} sees nothing for {pause:?}");
        }
        assert!(last(&world, 2, 38).1 >= 24, "{mode:?}: the other sees nothing of it");
    }
}

/// One spatial layer: fewer pictures, and no keyframe for that.
#[test]
fn a_narrow_path_gets_fewer_pictures_of_av1() {
    let mut world = room(220, L1T3, 1);
    look_at(&mut world, 1, &[Some((0, 180))]);
    world.pass(Duration::from_secs(5));
    assert_eq!(last(&world, 1, 2).1, 25);
    world.down[1].rate = Some(75_000);
    world.pass(Duration::from_secs(15));
    let asked = world.clients[0].keyframes_asked;
    world.pass(Duration::from_secs(10));
    let (_, rate) = last(&world, 1, 8);
    assert!((5..=13).contains(&rate), "{rate} pictures per second in 75 kbit/s");
    world.down[1].rate = None;
    world.pass(Duration::from_secs(10));
    assert!(last(&world, 1, 2).1 >= 24, "wide again");
    check_needs(&world, 1);
    assert!(world.clients[0].keyframes_asked <= asked + 1, "no keyframe is needed");
}

/// Lost packets are sent again, with their descriptors.
#[test]
fn what_is_lost_of_av1_is_repaired() {
    for (seed, mode) in [(230, L3T3), (231, L3T3_KEY), (232, S3T3)] {
        let mut world = room(seed, mode, 1);
        look_at(&mut world, 1, &[Some((0, 360))]);
        world.down[1].loss = 10;
        world.pass(Duration::from_secs(20));
        let (layers, rate) = last(&world, 1, 15);
        assert!(
            layers == BTreeSet::from([1]) && rate >= 23,
            "{mode:?}: {layers:?}, {rate} pictures per second"
        );
        check_needs(&world, 1);
    }
}

/// What another part of the room is handed has its descriptors, and is chosen from there.
#[test]
fn layers_are_chosen_in_every_part_of_a_room() {
    let mut one = room(260, L3T3_KEY, 0);
    let mut other = World::new(261);
    other.numbers_from = 1;
    other.join(&[], 1, 1);
    other.connected();
    let begin = one.now.max(other.now);
    for world in [&mut one, &mut other] {
        world.pass(begin.saturating_since(world.now));
    }
    one.sfu.share(one.now, one.room, true);
    let (sender, encodings) = (one.id(0), one.sfu.encodings(one.id(0)));
    let member = other.sfu.stand_in(other.now, other.room, 1).unwrap();
    other.sfu.set_encodings(other.now, member, &encodings);
    let (now, viewer) = (other.now, other.id(0));
    other.sfu.layout(now, viewer, &[Some(Want { member, source: Source::Camera, height: 360 })]);
    let mut heard = 0;
    for _ in 0..400 {
        one.pass(millis(20));
        other.pass(millis(20));
        while let Some(shared) = one.sfu.poll_shared() {
            let of = (shared.source, shared.encoding);
            other.sfu.take_shared(other.now, member, of, &shared.packet, shared.payload);
        }
        other.collect();
        for (_, event) in &other.events[heard..] {
            if let Event::KeyframeNeeded(_, source, rid) = event {
                one.sfu.request_keyframe(one.now, sender, *source, rid);
            }
        }
        heard = other.events.len();
    }
    assert_eq!(last(&other, 0, 3), (BTreeSet::from([1]), 25));
}

/// A recording takes all layers.
#[test]
fn a_recording_has_all_layers_of_av1() {
    let mut world = room(240, L3T3_KEY, 0);
    let (now, of) = (world.now, world.room);
    world.sfu.record(now, of, true);
    world.pass(Duration::from_secs(4));
    let taken: Vec<_> = world.taken.iter().filter(|taken| taken.format == Format::Av1).collect();
    assert!(taken[0].key && taken[0].first && taken.iter().all(|taken| taken.lost == 0));
    assert!(taken.windows(2).all(|pair| pair[1].number == pair[0].number + 1));
    let begins = taken.iter().filter(|taken| taken.payload[0] & 0x80 == 0).map(|taken| taken.payload[2]);
    let count = begins.fold([0u32; 3], |mut count, spatial| {
        count[usize::from(spatial)] += 1;
        count
    });
    assert!(count[0] > 80 && count.iter().all(|n| n.abs_diff(count[0]) <= 1), "{count:?}");
}

/// A packet with a dependency descriptor costs no allocation either.
#[test]
fn a_packet_of_av1_allocates_nothing() {
    let mut world = room(250, L3T3, 3);
    (1..=3).for_each(|viewer| look_at(&mut world, viewer, &[Some((0, [180, 360, 720][viewer - 1]))]));
    world.pass(Duration::from_secs(30));
    let (before, forwarded) = (allocations::count(), world.sfu.counters().forwarded);
    world.pass(Duration::from_secs(20));
    let (count, forwarded) = (allocations::count() - before, world.sfu.counters().forwarded - forwarded);
    assert!(forwarded > 5_000, "{forwarded}");
    assert!(count < 20 * 6 * 4, "{count} allocations while {forwarded} packets were forwarded");
}
