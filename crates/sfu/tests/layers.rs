//! Which encoding each receiver gets.

use std::time::Duration;

use sfu::{Event, Rid};

use crate::client::Seen;
use crate::forward::{check_order, look_at, start};
use crate::world::{World, millis};

const RIDS: [&str; 3] = ["l", "m", "h"];

fn layers_between(world: &World, viewer: usize, from: Duration, to: Duration) -> Vec<u8> {
    let (from, to) = (world.now - from, world.now - to);
    let mut layers: Vec<u8> = world.clients[viewer]
        .shown(0)
        .filter(|seen| seen.at >= from && seen.at <= to)
        .map(|seen| seen.layer)
        .collect();
    layers.dedup();
    layers
}

#[test]
fn the_encoding_follows_the_size_of_the_tile() {
    let mut world = World::with(3, sfu::RoomConfig::default(), |config| config.start_bitrate = 3_000_000);
    world.join(&RIDS, 1, 1);
    let viewer = world.join(&[], 1, 1);
    world.connected();
    start(&mut world, 0);
    world.pass(millis(500));
    for (height, layer) in [(180, 0), (720, 2), (360, 1), (1080, 2), (150, 0)] {
        look_at(&mut world, viewer, &[Some((0, height))]);
        world.pass(Duration::from_secs(4));
        let layers = layers_between(&world, viewer, Duration::from_secs(2), Duration::ZERO);
        assert_eq!(layers, [layer], "at a height of {height}");
    }
    check_order(&world, viewer, 0);
    let (pause, at) = world.clients[viewer].longest_pause(0, world.now - Duration::from_secs(18), world.now);
    assert!(pause < millis(200), "switching stops the picture for {pause:?} at {at:?}");
    look_at(&mut world, viewer, &[None]);
    let id = world.id(viewer);
    assert_eq!(world.events.last().map(|(_, event)| event), Some(&Event::Shown(id, 0, None)));
    let before = world.clients[viewer].shown(0).count();
    world.pass(Duration::from_secs(1));
    assert!(world.clients[viewer].shown(0).count() <= before + 2, "what is not wanted is not sent");
}

#[test]
fn encodings_that_nobody_wants_are_not_sent() {
    let mut world = World::with(4, sfu::RoomConfig::default(), |config| config.start_bitrate = 3_000_000);
    world.join(&RIDS, 1, 1);
    world.clients[0].obeys = true;
    let [big, small] = [0, 1].map(|_| world.join(&[], 1, 1));
    world.connected();
    start(&mut world, 0);
    world.clients[0].wanted = Some(vec!["l".to_owned()]);
    look_at(&mut world, small, &[Some((0, 180))]);
    world.pass(Duration::from_secs(6));
    assert_eq!(world.clients[0].wanted.as_deref(), Some(&["l".to_owned()][..]));
    look_at(&mut world, big, &[Some((0, 720))]);
    world.pass(Duration::from_secs(3));
    let shown = layers_between(&world, big, Duration::from_secs(1), Duration::ZERO);
    assert_eq!(shown, [2], "{:?}", world.clients[0].wanted);
    assert_eq!(layers_between(&world, small, Duration::from_secs(6), Duration::ZERO), [0]);
    look_at(&mut world, big, &[None]);
    world.pass(Duration::from_secs(6));
    let last = world.events.iter().rev().find_map(|(_, event)| match event {
        Event::Wanted(_, rids) => Some(rids.clone()),
        _ => None,
    });
    assert_eq!(last, Some(vec![Rid("l".to_owned())]));
}

/// 3 Mbit/s, then 300 kbit/s, then 3 Mbit/s again on one receiver's path.
#[test]
fn a_path_that_becomes_narrow_gets_less_and_the_others_see_nothing_of_it() {
    for seed in 0..6 {
        let mut world = World::new(50 + seed);
        world.join(&RIDS, 1, 1);
        let [narrow, other] = [0, 1].map(|_| world.join(&[], 1, 1));
        world.connected();
        world.down[narrow].rate = Some(3_000_000);
        start(&mut world, 0);
        look_at(&mut world, narrow, &[Some((0, 720))]);
        look_at(&mut world, other, &[Some((0, 720))]);
        let begin = world.now;
        let secs = Duration::from_secs;
        world.pass(secs(15));
        assert_eq!(layers_between(&world, narrow, secs(4), secs(0)), [2], "seed {seed}: wide");
        world.down[narrow].rate = Some(300_000);
        world.pass(secs(7));
        world.pass(secs(13));
        let layers = layers_between(&world, narrow, secs(12), secs(0));
        assert_eq!(layers, [0], "seed {seed}: narrow");
        world.down[narrow].rate = Some(3_000_000);
        world.pass(secs(10));
        let up = layers_between(&world, narrow, millis(100), secs(0));
        world.pass(secs(10));
        for viewer in [narrow, other] {
            let (pause, at) = world.clients[viewer].longest_pause(0, begin + secs(1), world.now);
            let (pause, at) = (pause.as_millis(), (at.saturating_since(begin)).as_millis());
            let most = if viewer == narrow { 1000 } else { 130 };
            assert!(pause < most, "seed {seed}: {viewer} sees nothing for {pause} ms from {at} ms on");
            check_order(&world, viewer, 0);
        }
        assert_eq!(up, [2], "seed {seed}: wide again within ten seconds");
        let others: Vec<&Seen> =
            world.clients[other].shown(0).filter(|seen| seen.at > begin + secs(4)).collect();
        assert!(others.iter().all(|seen| seen.layer == 2), "seed {seed}: the other is not disturbed");
    }
}
