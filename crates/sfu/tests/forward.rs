//! One publisher, several receivers: what comes is what was sent, whatever is lost on the way.

use std::time::Duration;

use sfu::{Event, Source, Want};

use crate::world::{World, millis};

/// Everybody wants to see the camera of client 0 in its first slot.
pub(crate) fn look_at(world: &mut World, viewer: usize, slots: &[Option<(usize, u16)>]) {
    let wants: Vec<Option<Want>> = slots
        .iter()
        .map(|slot| slot.map(|(at, height)| Want { member: world.id(at), source: Source::Camera, height }))
        .collect();
    let (now, id) = (world.now, world.id(viewer));
    world.sfu.layout(now, id, &wants);
    world.collect();
}

pub(crate) fn start(world: &mut World, at: usize) {
    world.clients[at].sound = Some(world.now);
    world.clients[at].picture = Some(world.now);
}

/// Every picture follows the one before it: numbers go up, timestamps as well.
pub(crate) fn check_order(world: &World, viewer: usize, slot: usize) {
    let seen: Vec<_> = world.clients[viewer].shown(slot).collect();
    for pair in seen.windows(2) {
        let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        assert!(step < 90_000 * 60 && step > 0, "{pair:?}");
        if (pair[0].number, pair[0].layer) == (pair[1].number, pair[1].layer) {
            assert!(pair[1].count > pair[0].count, "{pair:?}");
        } else {
            assert!(pair[1].keyframe, "another encoding begins with a keyframe: {pair:?}");
        }
    }
}

#[test]
fn sound_and_pictures_reach_everybody() {
    let mut world = World::new(1);
    world.join(&["x"], 2, 1);
    (0..3).for_each(|_| {
        world.join(&[], 2, 1);
    });
    world.connected();
    for viewer in 1..4 {
        look_at(&mut world, viewer, &[Some((0, 360))]);
    }
    start(&mut world, 0);
    world.pass(Duration::from_secs(5));
    for viewer in 1..4 {
        let pictures = world.clients[viewer].shown(0).count();
        let sounds = world.clients[viewer].heard(1);
        assert!(pictures >= 118 && sounds >= 240, "{viewer}: {pictures} pictures, {sounds} sounds");
        check_order(&world, viewer, 0);
        let id = world.id(viewer);
        let shown = Event::Shown(id, 0, Some((world.id(0), Source::Camera)));
        let voices = Event::Voices(id, vec![Some(world.id(0)), None]);
        for event in [shown, voices] {
            assert_eq!(world.events.iter().filter(|(_, known)| *known == event).count(), 1, "{event:?}");
        }
    }
    let stats = world.sfu.counters();
    assert!(world.clients[0].keyframes_asked <= 2, "requests of three viewers are one");
    assert_eq!((stats.unsent, stats.overrun), (0, 0), "{stats:?}");
}

#[test]
fn what_is_lost_on_either_way_is_repaired() {
    let mut world = World::new(2);
    world.join(&["x"], 1, 1);
    world.join(&[], 1, 1);
    world.join(&[], 1, 1);
    world.connected();
    look_at(&mut world, 1, &[Some((0, 360))]);
    look_at(&mut world, 2, &[Some((0, 360))]);
    start(&mut world, 0);
    world.up[0].loss = 20;
    world.down[1].loss = 20;
    world.pass(Duration::from_secs(20));
    for viewer in [1, 2] {
        let pictures = world.clients[viewer].shown(0).count();
        assert!(pictures > 485, "{viewer}: {pictures} of 500 pictures");
        check_order(&world, viewer, 0);
        let (pause, at) = world.clients[viewer].longest_pause(0, world.now - millis(15_000), world.now);
        assert!(pause < millis(600), "{viewer}: nothing for {pause:?} from {at:?}");
    }
    let stats = world.sfu.counters();
    assert!(stats.resent > 20, "{stats:?}");
}
