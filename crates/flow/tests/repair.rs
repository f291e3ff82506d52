//! Packets that are lost, doubled, late or changed.

use crate::link::Accident;
use crate::world::{World, secs};
use flow::payload::Format;
use std::time::Duration;

const VIDEO: [Format; 4] = [Format::Vp8, Format::Vp9, Format::H264, Format::Av1];

/// On a path of enough width every frame arrives in the end, whatever happens to a packet in twenty.
#[test]
fn a_bad_path_is_repaired() {
    for format in VIDEO {
        for seed in 0..5 {
            let mut world = World::new(100 + seed, format);
            (world.there.loss, world.there.doubled, world.there.late) = (30, 30, 50);
            (world.back.loss, world.back.doubled, world.back.late) = (30, 30, 50);
            world.there.rate = Some(3_000_000);
            world.there.queue = 80_000;
            world.run_until(secs(10));
            let (freeze, at) = world.longest_freeze(secs(1));
            // What is lost three times in a row is given up after 600 ms.
            assert!(freeze < Duration::from_millis(800), "{format:?} {seed}: {freeze:?} from {at:?}");
            assert!(world.shown.len() > 270, "{format:?} {seed}: {} frames", world.shown.len());
            let stats = world.receiver.stats();
            assert!(stats.recovered > 50, "{stats:?}");
            assert_eq!((stats.overflowed, stats.malformed, stats.unknown_source), (0, 0, 0), "{stats:?}");
        }
    }
}

/// Sound is not asked for again: what is lost is passed over, soon, and the rest comes in order.
#[test]
fn sound_goes_on_over_gaps() {
    let mut world = World::new(5, Format::Opus);
    (world.there.loss, world.there.doubled, world.there.late) = (50, 30, 30);
    world.run_until(secs(10));
    let missing: u32 = world.shown.iter().map(|shown| shown.missing).sum();
    let shown = u32::try_from(world.shown.len()).unwrap();
    assert!(missing > 5 && shown > 250, "{shown} shown, {missing} missing");
    assert!((295..=300).contains(&(shown + missing)), "{shown} shown, {missing} missing");
    let (freeze, _) = world.longest_freeze(secs(1));
    assert!(freeze < Duration::from_millis(300), "{freeze:?}");
    assert_eq!(world.receiver.stats().nacks, 0);
}

/// Bits that change in flight break pictures at worst: nothing panics, and the picture goes on.
#[test]
fn changed_bits_break_nothing() {
    for format in [Format::Opus, Format::Vp8, Format::Vp9, Format::H264, Format::Av1] {
        let mut world = World::new(21, format);
        (world.there.corrupted, world.back.corrupted) = (100, 100);
        world.run_until(secs(20));
        let (freeze, at) = world.longest_freeze(secs(1));
        assert!(freeze < Duration::from_secs(3), "{format:?}: {freeze:?} from {at:?}");
    }
}

/// One accident, to each of the first packets in turn: the picture begins and goes on.
#[test]
fn any_one_accident_is_survived() {
    for accident in [Accident::Lost, Accident::Doubled, Accident::Late, Accident::Corrupted] {
        for there in [true, false] {
            for n in 1..if there { 50 } else { 20 } {
                let mut world = World::new(31, Format::Vp8);
                let link = if there { &mut world.there } else { &mut world.back };
                link.nth = Some((n, accident));
                world.run_until(secs(2));
                let first = world.shown.first().map(|shown| shown.at);
                let (freeze, at) = world.longest_freeze(first.unwrap_or_default());
                assert!(
                    first.is_some_and(|at| at < secs(1)) && freeze < Duration::from_millis(800),
                    "{accident:?} of packet {n}, there {there}: first {first:?}, {freeze:?} from {at:?}"
                );
            }
        }
    }
}
