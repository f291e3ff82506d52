//! The estimate over paths that change.

use crate::world::{World, secs};
use flow::payload::Format;
use std::time::Duration;

fn within(what: &str, (least, most): (u64, u64), bounds: std::ops::Range<u64>) {
    assert!(
        bounds.contains(&least) && bounds.contains(&most),
        "{what}: {least} to {most} bit/s, not {bounds:?}"
    );
}

/// 3 Mbit/s, then 300 kbit/s, then 3 Mbit/s again, with one packet of a hundred lost by nature: the estimate finds each
/// rate, the queues stay short, and the picture never stands still for a second.
#[test]
fn a_path_that_changes_is_followed_without_a_freeze() {
    for seed in 0..6 {
        let mut world = World::new(seed * 10, Format::Vp8);
        world.there.loss = 10;
        world.there.rate = Some(3_000_000);
        world.there.queue = 60_000;
        world.run_until(secs(20));
        within("wide", world.targets_between(10, 20), 1_300_000..3_300_000);
        world.there.rate = Some(300_000);
        world.there.queue = 25_000;
        world.run_until(secs(26));
        world.there.longest_wait = Duration::ZERO;
        world.run_until(secs(50));
        within("narrow", world.targets_between(26, 50), 200_000..330_000);
        assert!(world.there.longest_wait < Duration::from_millis(400), "{:?}", world.there.longest_wait);
        world.there.rate = Some(3_000_000);
        world.there.queue = 60_000;
        world.run_until(secs(80));
        within("wide again", world.targets_between(65, 80), 1_300_000..3_300_000);
        let (freeze, at) = world.longest_freeze(secs(1));
        assert!(freeze < Duration::from_secs(1), "seed {seed}: nothing new for {freeze:?} from {at:?}");
        assert!(world.longest_pacer_wait < Duration::from_millis(400), "{:?}", world.longest_pacer_wait);
    }
}

/// A path that loses a tenth of all packets without any queue is no narrow path.
#[test]
fn loss_by_nature_does_not_throttle() {
    let mut world = World::new(7, Format::Vp8);
    world.there.loss = 60;
    world.there.rate = Some(2_000_000);
    world.there.queue = 60_000;
    world.run_until(secs(30));
    within("lossy", world.targets_between(15, 30), 1_000_000..2_300_000);
    let (freeze, at) = world.longest_freeze(secs(1));
    assert!(freeze < Duration::from_secs(1), "nothing new for {freeze:?} from {at:?}");
}

/// An encoder that makes less than it may proves nothing: the estimate stays near what is used, and what is used passes.
#[test]
fn an_unused_estimate_does_not_run_away() {
    let mut world = World::new(11, Format::Vp8);
    world.follow = false;
    world.there.rate = Some(1_000_000);
    world.there.queue = 40_000;
    world.run_until(secs(30));
    within("unused", world.targets_between(10, 30), 300_000..1_400_000);
    assert!(world.there.longest_wait < Duration::from_millis(250), "{:?}", world.there.longest_wait);
}

/// When nothing is heard any more, the estimate falls, and it comes back with the path.
#[test]
fn a_path_that_breaks_off_and_comes_back() {
    let mut world = World::new(13, Format::Vp8);
    world.there.rate = Some(2_000_000);
    world.there.queue = 60_000;
    world.run_until(secs(10));
    let before = world.sender.target();
    world.there.loss = 1000;
    world.back.loss = 1000;
    world.run_until(secs(14));
    assert!(world.sender.target() * 4 < before, "{} after {before}", world.sender.target());
    world.there.loss = 0;
    world.back.loss = 0;
    world.run_until(secs(30));
    within("back", world.targets_between(24, 30), 1_200_000..2_300_000);
    let (freeze, _) = world.longest_freeze(secs(16));
    assert!(freeze < Duration::from_millis(500), "{freeze:?}");
}

/// The same seed gives the same run.
#[test]
fn a_seed_repeats() {
    let run = || {
        let mut world = World::new(17, Format::H264);
        world.there.loss = 30;
        world.there.rate = Some(1_000_000);
        world.there.queue = 40_000;
        world.run_until(secs(5));
        (world.shown, world.targets)
    };
    assert_eq!(run(), run());
}
