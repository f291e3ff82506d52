//! Rooms that are recorded, in which anything happens. A model says what must have been offered.

use std::collections::BTreeMap;
use std::time::Duration;

use sfu::{Format, Source, Superframe};
use wire::{Instant, Rng};

use crate::client::read;
use crate::forward::start;
use crate::world::{Taken, World, millis};

const RIDS: [&str; 3] = ["l", "m", "h"];
const SETTLED: Duration = Duration::from_millis(2500);

#[derive(Clone, Copy, Debug)]
struct Person {
    here: bool,
    rids: usize,
    allowed: bool,
    sends: bool,
}

/// A frame that was put together of what the tap gave.
struct Whole {
    at: Instant,
    number: u32,
    layer: u8,
    count: u32,
    key: bool,
}

/// Puts frames together as a recorder does: what is not whole is left out, with all until the next keyframe.
fn frames(taken: &[Taken], member: sfu::MemberId, source: Source) -> Vec<Whole> {
    let (mut frames, mut frame, mut whole, mut key, mut shown) =
        (Vec::new(), Vec::new(), false, false, false);
    for packet in taken.iter().filter(|packet| packet.member == member && packet.source == source) {
        let begins = packet.format.glimpse(&packet.payload).unwrap().begins;
        if packet.first || packet.lost > 0 {
            (whole, shown) = (false, false);
        }
        if begins {
            frame.clear();
            (whole, key) = (true, packet.key || packet.format == Format::Opus);
        }
        packet.format.depacketize(&packet.payload, &mut frame, &mut Superframe::default()).unwrap();
        if !(packet.marker || packet.format == Format::Opus) {
            continue;
        }
        shown |= key;
        if whole && shown {
            let (number, _, layer, count) = read(&frame);
            frames.push(Whole { at: packet.at, number, layer, count, key });
        }
        frame.clear();
        (whole, key) = (packet.format == Format::Vp8, false);
    }
    frames
}

/// Numbers go on without a break but those that are told, and streams begin with a keyframe.
fn check_numbers(taken: &[Taken], what: &str) {
    let mut next: BTreeMap<(sfu::MemberId, Source), i64> = BTreeMap::new();
    for packet in taken {
        let lost = i64::try_from(packet.lost).unwrap();
        let expected = next.insert((packet.member, packet.source), packet.number + 1);
        if packet.first {
            assert!(packet.source == Source::Microphone || packet.key, "{what}: {packet:?}");
        } else {
            assert_eq!(expected.map(|next| next + lost), Some(packet.number), "{what}: {packet:?}");
        }
    }
}

struct Model {
    world: World,
    people: Vec<Person>,
    on: bool,
    rng: Rng,
}

impl Model {
    fn pick(&mut self, below: usize) -> usize {
        usize::try_from(self.rng.below(below as u64)).unwrap()
    }

    fn join(&mut self) {
        let rids: &[&str] = [&[][..], &["x"], &RIDS][self.pick(3)];
        let at = self.world.join(rids, 4, 1);
        self.world.connected();
        self.world.clients[at].obeys = rids.len() > 1;
        start(&mut self.world, at);
        self.people.push(Person { here: true, rids: rids.len(), allowed: true, sends: true });
    }

    fn change(&mut self) {
        let at = self.pick(self.people.len());
        if !self.people[at].here {
            return;
        }
        let (now, id) = (self.world.now, self.world.id(at));
        match self.pick(7) {
            0 if self.people.len() < 7 => self.join(),
            1 if self.people.iter().filter(|person| person.here).count() > 2 => {
                self.people[at].here = false;
                self.world.leave(at);
            }
            2 => {
                self.people[at].allowed ^= true;
                for source in [Source::Microphone, Source::Camera] {
                    self.world.sfu.allow(now, id, source, self.people[at].allowed);
                }
            }
            3 => {
                self.people[at].sends ^= true;
                let sends = self.people[at].sends.then_some(now);
                (self.world.clients[at].picture, self.world.clients[at].sound) = (sends, sends);
            }
            4 => {
                self.on ^= true;
                let room = self.world.room;
                self.world.sfu.record(now, room, self.on);
            }
            _ => self.world.up[at].loss = [0, 20, 100][self.pick(3)],
        }
        self.world.collect();
    }

    /// Compares what was offered during a second with what must have been.
    fn check(&mut self, what: &str) {
        self.world.pass(SETTLED);
        let begin = self.world.now;
        self.world.pass(Duration::from_secs(1));
        let taken = &self.world.taken;
        assert!(self.on || taken.iter().all(|packet| packet.at <= begin), "{what}: it is off");
        for (at, person) in self.people.iter().enumerate() {
            let what = format!("{what}: {at} {person:?}, loss {}", self.world.up[at].loss);
            for (source, most) in [(Source::Microphone, 50), (Source::Camera, 25)] {
                let all = frames(taken, self.world.id(at), source);
                assert!(all.iter().all(|frame| frame.number == self.world.clients[at].number), "{what}");
                let now: Vec<&Whole> = all.iter().filter(|frame| frame.at > begin).collect();
                let sends = person.here && person.allowed && person.sends;
                if !self.on || !sends || (source == Source::Camera && person.rids == 0) {
                    assert!(now.is_empty(), "{what}: {} of {source:?}", now.len());
                    continue;
                }
                // Lost pictures are repaired, at one in ten not all in time; lost sound is not, and what follows it
                // is held back for as long as it might be.
                let least = match (self.world.up[at].loss, source) {
                    (0, _) => most * 3 / 4,
                    (100, _) => most / 5,
                    (_, source) => {
                        if source == Source::Microphone {
                            most / 2
                        } else {
                            most * 3 / 4
                        }
                    }
                };
                assert!(now.len() >= least && now.len() <= most * 2, "{what}: {} of {source:?}", now.len());
                assert!(now.windows(2).all(|pair| pair[1].count > pair[0].count), "{what}: in order");
                let best = u8::try_from(person.rids.saturating_sub(1)).unwrap();
                let best = if source == Source::Camera { best } else { 0 };
                assert!(now.iter().all(|frame| frame.layer == best), "{what}: the best encoding");
            }
        }
    }
}

#[test]
fn what_is_recorded_is_what_the_model_says() {
    for seed in 0..8 {
        let mut model = Model {
            world: World::new(300 + seed),
            people: Vec::new(),
            on: true,
            rng: Rng::from_number(seed),
        };
        let (now, room) = (model.world.now, model.world.room);
        model.world.sfu.record(now, room, true);
        (0..3).for_each(|_| model.join());
        for step in 0..10 {
            for _ in 0..=model.pick(3) {
                model.change();
            }
            model.check(&format!("seed {seed}, step {step}"));
        }
        check_numbers(&model.world.taken, &format!("seed {seed}"));
        for at in 0..model.people.len() {
            let all = frames(&model.world.taken, model.world.id(at), Source::Camera);
            let switches = all.windows(2).filter(|pair| pair[0].layer != pair[1].layer);
            assert!(
                switches.into_iter().all(|pair| pair[1].key),
                "seed {seed}: another encoding, a keyframe"
            );
        }
    }
}

/// Nothing of what was said while a moderator had muted somebody is given afterwards out of the rings.
#[test]
fn what_was_muted_stays_unheard() {
    let mut world = World::new(71);
    world.join(&["x"], 1, 1);
    world.join(&[], 1, 1);
    world.connected();
    start(&mut world, 0);
    let (room, id) = (world.room, world.id(0));
    world.sfu.record(world.now, room, true);
    world.pass(Duration::from_secs(2));
    for source in [Source::Microphone, Source::Camera] {
        world.sfu.allow(world.now, id, source, false);
    }
    let muted = world.now;
    world.pass(millis(600));
    let until = world.now;
    for source in [Source::Microphone, Source::Camera] {
        world.sfu.allow(world.now, id, source, true);
    }
    world.pass(Duration::from_secs(2));
    let wall = |at: Instant| {
        Duration::from_secs(1_767_225_600) + at.saturating_since(Instant::from_nanos(1_000_000_000))
    };
    let heard =
        world.taken.iter().filter(|packet| packet.arrived > wall(muted) && packet.arrived <= wall(until));
    assert_eq!(heard.count(), 0);
    for (source, least) in [(Source::Microphone, 95), (Source::Camera, 30)] {
        let after = frames(&world.taken, id, source).iter().filter(|frame| frame.at > until).count();
        assert!(after >= least, "{after} of {source:?} after that");
    }
}

/// The clocks of members differ by thousands of seconds; sound and pictures that were made at the same time are told to
/// be of the same time.
#[test]
fn sound_and_pictures_are_of_one_clock() {
    let mut world = World::new(72);
    world.join(&RIDS, 1, 1);
    world.join(&["x"], 1, 1);
    world.connected();
    world.up[0].delay = millis(80);
    (0..2).for_each(|at| start(&mut world, at));
    world.sfu.record(world.now, world.room, true);
    world.pass(Duration::from_secs(12));
    let late = world.now - Duration::from_secs(2);
    for at in 0..2 {
        let mut last = [Duration::ZERO; 2];
        for packet in world.taken.iter().filter(|packet| packet.member == world.id(at) && packet.at > late) {
            let captured = packet.captured.unwrap();
            let late = packet.arrived.saturating_sub(captured);
            assert!(late < millis(25), "{late:?} after its time");
            last[usize::from(packet.source != Source::Microphone)] = captured;
        }
        assert!(last[0].abs_diff(last[1]) < millis(41), "{last:?}");
    }
}

/// A driver that does not ask for too long is told how much it missed; said again, everything begins anew.
#[test]
fn what_nobody_asked_for_is_told() {
    let mut world = World::new(73);
    world.join(&["x"], 1, 1);
    world.connected();
    start(&mut world, 0);
    world.sfu.record(world.now, world.room, true);
    world.pass(Duration::from_secs(2));
    let asked = world.clients[0].keyframes_asked;
    world.sfu.record(world.now, world.room, true);
    let again = world.taken.len();
    world.pass(Duration::from_secs(2));
    let firsts: Vec<_> =
        world.taken[again..].iter().filter(|packet| packet.first).map(|p| p.source).collect();
    assert_eq!(firsts.len(), 2, "{firsts:?}");
    assert!(world.clients[0].keyframes_asked > asked, "the keyframe was of long ago");
    check_numbers(&world.taken, "said again");
}
