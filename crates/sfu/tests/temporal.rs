//! Temporal layers: whoever has a narrow path gets fewer pictures before it gets smaller ones or none.

use std::collections::BTreeSet;
use std::time::Duration;

use sfu::{Source, Want};

use crate::client::Seen;
use crate::forward::{check_order, look_at, start};
use crate::world::{World, millis};

const RIDS: [&str; 3] = ["l", "m", "h"];

/// Pictures per second in a slot during the last of so many seconds.
fn rate(world: &World, viewer: usize, slot: usize, seconds: u64) -> u64 {
    let from = world.now - Duration::from_secs(seconds);
    world.clients[viewer].shown(slot).filter(|seen| seen.at > from).count() as u64 / seconds
}

/// Every picture that came has all that it needs.
fn check_needs(world: &World, viewer: usize, slot: usize, publisher: usize) {
    let needs = &world.clients[publisher].needs;
    let mut there: BTreeSet<(u8, u32)> = BTreeSet::new();
    for Seen { layer, count, keyframe, at, .. } in world.clients[viewer].shown(slot) {
        let need = &needs[&(*layer, *count)];
        assert!(need.is_empty() == *keyframe);
        let missing = need.iter().find(|other| !there.contains(&(*layer, **other)));
        assert!(missing.is_none(), "at {at:?} picture {count} of encoding {layer} needs {missing:?}");
        there.insert((*layer, *count));
    }
}

/// 3 Mbit/s, then 300 kbit/s, then 3 Mbit/s again, and one encoding of 450 kbit/s.
#[test]
fn a_single_encoding_gives_a_narrow_path_fewer_pictures_instead_of_none() {
    for seed in 0..6 {
        let mut world = World::new(70 + seed);
        world.join(&["x"], 1, 1);
        world.clients[0].temporal = true;
        world.clients[0].rates[0] = 450_000;
        let [narrow, other] = [0, 1].map(|_| world.join(&[], 1, 1));
        world.connected();
        world.down[narrow].rate = Some(3_000_000);
        start(&mut world, 0);
        for viewer in [narrow, other] {
            look_at(&mut world, viewer, &[Some((0, 720))]);
        }
        let begin = world.now;
        let secs = Duration::from_secs;
        world.pass(secs(10));
        assert_eq!(rate(&world, narrow, 0, 5), 25, "seed {seed}: wide");
        world.down[narrow].rate = Some(300_000);
        world.pass(secs(20));
        let few = rate(&world, narrow, 0, 12);
        assert!((6..=13).contains(&few), "seed {seed}: {few} pictures per second in 300 kbit/s");
        world.down[narrow].rate = Some(3_000_000);
        world.pass(secs(10));
        assert!(rate(&world, narrow, 0, 1) >= 24, "seed {seed}: wide again within ten seconds");
        for (viewer, most) in [(narrow, 1000), (other, 130)] {
            let (pause, at) = world.clients[viewer].longest_pause(0, begin + secs(1), world.now);
            let at = at.saturating_since(begin);
            assert!(pause < millis(most), "seed {seed}: {viewer} sees nothing for {pause:?} from {at:?} on");
            check_order(&world, viewer, 0);
            check_needs(&world, viewer, 0, 0);
        }
        assert!(rate(&world, other, 0, 38) >= 24, "seed {seed}: the other sees nothing of it");
    }
}

/// Of a camera with several encodings half as many pictures are sent before smaller ones are; of a screen a quarter.
#[test]
fn fewer_pictures_come_before_smaller_ones() {
    for (rate_of_path, layer, pictures) in
        [(2_500_000, 2, 24..=25), (1_100_000, 2, 12..=13), (650_000, 1, 24..=25), (160_000, 0, 6..=13)]
    {
        let mut world = World::new(80);
        world.join(&RIDS, 1, 1);
        world.clients[0].temporal = true;
        let viewer = world.join(&[], 1, 1);
        world.connected();
        world.down[viewer].rate = Some(rate_of_path);
        start(&mut world, 0);
        look_at(&mut world, viewer, &[Some((0, 720))]);
        world.pass(Duration::from_secs(30));
        let from = world.now - Duration::from_secs(5);
        let seen: BTreeSet<u8> =
            world.clients[viewer].shown(0).filter(|seen| seen.at > from).map(|seen| seen.layer).collect();
        let found = rate(&world, viewer, 0, 5);
        let what = format!("{rate_of_path} bit/s: encodings {seen:?}, {found} pictures per second");
        assert!(seen == BTreeSet::from([layer]) && pictures.contains(&found), "{what}");
        check_needs(&world, viewer, 0, 0);
    }
}

/// A small budget is spread over all that a receiver watches: each tile goes on, with fewer pictures.
#[test]
fn a_narrow_path_is_shared_among_all_pictures() {
    let mut world = World::new(90);
    for publisher in 0..4 {
        world.join(&["x"], 1, 1);
        world.clients[publisher].temporal = true;
        world.clients[publisher].rates[0] = 250_000;
    }
    let viewer = world.join(&[], 1, 4);
    world.connected();
    world.down[viewer].rate = Some(700_000);
    (0..4).for_each(|publisher| start(&mut world, publisher));
    let wants: Vec<Option<Want>> =
        (0..4).map(|at| Some(Want { member: world.id(at), source: Source::Camera, height: 360 })).collect();
    let (now, id) = (world.now, world.id(viewer));
    world.sfu.layout(now, id, &wants);
    world.collect();
    world.pass(Duration::from_secs(30));
    for slot in 0..4 {
        let found = rate(&world, viewer, slot, 10);
        assert!((6..=25).contains(&found), "slot {slot}: {found} pictures per second");
        check_needs(&world, viewer, slot, slot);
    }
}

/// What is lost on either way is repaired, and what is left out is not taken for lost.
#[test]
fn what_is_left_out_is_no_loss() {
    for seed in 0..4 {
        let mut world = World::new(95 + seed);
        world.join(&["x"], 1, 1);
        world.clients[0].temporal = true;
        world.clients[0].rates[0] = 600_000;
        let viewer = world.join(&[], 1, 1);
        world.connected();
        world.down[viewer].rate = Some(450_000);
        start(&mut world, 0);
        look_at(&mut world, viewer, &[Some((0, 360))]);
        world.pass(Duration::from_secs(15));
        (world.up[0].loss, world.down[viewer].loss) = (20, 0);
        let asked = world.clients[0].keyframes_asked;
        world.pass(Duration::from_secs(20));
        let found = rate(&world, viewer, 0, 15);
        assert!((6..=13).contains(&found), "seed {seed}: {found} pictures per second");
        let (pause, _) =
            world.clients[viewer].longest_pause(0, world.now - Duration::from_secs(20), world.now);
        assert!(pause < millis(600), "seed {seed}: nothing for {pause:?}");
        assert!(world.clients[0].keyframes_asked <= asked + 1, "seed {seed}: no keyframe is needed");
        check_needs(&world, viewer, 0, 0);
    }
}
