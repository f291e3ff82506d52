//! The life of rooms: coming, going, speaking, muting, writing.

use std::time::Duration;

use sfu::{Event, Source};

use crate::forward::{check_order, look_at, start};
use crate::world::{World, millis};

#[test]
fn who_comes_late_sees_a_picture_within_half_a_second() {
    let mut world = World::new(5);
    world.join(&["x"], 1, 1);
    let early = world.join(&[], 1, 1);
    world.connected();
    start(&mut world, 0);
    look_at(&mut world, early, &[Some((0, 360))]);
    world.pass(Duration::from_secs(3));
    for _ in 0..5 {
        let late = world.join(&[], 1, 1);
        look_at(&mut world, late, &[Some((0, 360))]);
        world.connected();
        let connected = world.now;
        world.until("a picture", |world| world.clients[late].shown(0).next().is_some());
        let took = world.now.saturating_since(connected);
        assert!(took <= millis(500), "{took:?}");
        world.until("a sound", |world| world.clients[late].heard(1) > 0);
        world.pass(millis(700));
    }
    assert!(world.clients[0].keyframes_asked <= 8);
    check_order(&world, early, 0);
}

#[test]
fn many_who_come_at_once_cost_one_keyframe() {
    let mut world = World::new(6);
    world.join(&["x"], 1, 1);
    world.connected();
    start(&mut world, 0);
    world.pass(Duration::from_secs(2));
    let before = world.clients[0].keyframes_asked;
    let late: Vec<usize> = (0..30).map(|_| world.join(&[], 1, 1)).collect();
    for viewer in &late {
        look_at(&mut world, *viewer, &[Some((0, 360))]);
    }
    world.connected();
    world.pass(Duration::from_secs(1));
    assert!(late.iter().all(|viewer| world.clients[*viewer].shown(0).count() > 10));
    assert!(world.clients[0].keyframes_asked - before <= 2, "{}", world.clients[0].keyframes_asked);
}

#[test]
fn the_loudest_are_heard_and_speakers_are_told() {
    let mut world = World::with(7, sfu::RoomConfig { voices: 3, ..Default::default() }, |_| {});
    let people: Vec<usize> = (0..7).map(|_| world.join(&[], 3, 0)).collect();
    world.connected();
    for at in &people {
        start(&mut world, *at);
        world.clients[*at].level = 70 + u8::try_from(*at).unwrap();
    }
    world.pass(Duration::from_secs(2));
    assert!(!world.events.iter().any(|(_, event)| matches!(event, Event::Speaking(..))), "nobody speaks");
    let quiet = people[6];
    let before: Vec<usize> = people.iter().map(|at| world.clients[*at].heard(7)).collect();
    world.clients[quiet].level = 20;
    world.pass(Duration::from_secs(2));
    for at in people.iter().filter(|at| **at != quiet) {
        let heard = world.clients[*at].heard(7) - before[*at];
        assert!(heard > 60, "{at} heard {heard} of 100");
        let voices: Vec<u32> = (1..=7).filter(|number| world.clients[*at].heard(*number) > 0).collect();
        assert!(voices.len() <= 5, "{voices:?}");
    }
    let (room, id) = (world.room, world.id(quiet));
    let told = world.events.iter().filter(|(_, event)| *event == Event::Speaking(room, vec![id])).count();
    assert_eq!(told, 1);
    // Everybody hears three others at once, no more.
    let recent = world.now - millis(200);
    for at in &people {
        let mut now: Vec<u32> =
            world.clients[*at].seen.iter().filter(|seen| seen.at > recent).map(|seen| seen.number).collect();
        now.sort_unstable();
        now.dedup();
        assert_eq!(now.len(), 3, "{at} hears {now:?}");
    }
}

#[test]
fn who_is_muted_is_not_heard() {
    let mut world = World::new(8);
    world.join(&["x"], 1, 1);
    let viewer = world.join(&[], 1, 1);
    world.connected();
    look_at(&mut world, viewer, &[Some((0, 360))]);
    start(&mut world, 0);
    world.pass(Duration::from_secs(1));
    let counts = |world: &World| (world.clients[viewer].heard(1), world.clients[viewer].shown(0).count());
    let (now, id) = (world.now, world.id(0));
    world.sfu.allow(now, id, Source::Microphone, false);
    world.pass(millis(100));
    let before = counts(&world);
    world.pass(Duration::from_secs(1));
    let after = counts(&world);
    assert!(after.0 == before.0 && after.1 > before.1 + 20, "{before:?} {after:?}");
    world.sfu.allow(world.now, id, Source::Microphone, true);
    world.sfu.allow(world.now, id, Source::Camera, false);
    world.pass(millis(100));
    let before = counts(&world);
    world.pass(Duration::from_secs(1));
    let after = counts(&world);
    assert!(after.0 > before.0 + 40 && after.1 == before.1, "{before:?} {after:?}");
    world.sfu.allow(world.now, id, Source::Camera, true);
    world.pass(Duration::from_secs(1));
    assert!(counts(&world).1 > after.1 + 15);
    check_order(&world, viewer, 0);
}

#[test]
fn what_one_says_all_others_get_once() {
    let mut world = World::with(9, sfu::RoomConfig::default(), |config| config.message_rate = 1000);
    let people: Vec<usize> = (0..4).map(|_| world.join(&[], 1, 0)).collect();
    world.connected();
    world.until("all are reachable", |world| {
        let reachable = |(_, event): &&(_, Event)| matches!(event, Event::Reachable(_));
        world.events.iter().filter(reachable).count() == 4
    });
    world.pass(millis(100));
    for at in &people {
        let now = world.now;
        world.clients[*at].say(now, format!("I am {at}").as_bytes());
    }
    let (now, id) = (world.now, world.id(2));
    world.sfu.send_message(now, id, b"welcome");
    world.pass(Duration::from_secs(1));
    for at in people {
        let mut expected: Vec<Vec<u8>> = (0..4u32)
            .filter(|other| *other as usize != at)
            .map(|other| [&(other + 1).to_be_bytes()[..], format!("I am {other}").as_bytes()].concat())
            .collect();
        if at == 2 {
            expected.push(b"\0\0\0\0welcome".to_vec());
        }
        expected.sort();
        let mut got = world.clients[at].messages.clone();
        got.sort();
        assert_eq!(got, expected, "{at}");
    }
    // Too much of it is not passed on.
    for _ in 0..100 {
        let now = world.now;
        world.clients[0].say(now, &[7; 100]);
    }
    world.pass(Duration::from_secs(1));
    let passed = world.clients[1].messages.iter().filter(|message| message.len() == 104).count();
    assert!((10..60).contains(&passed), "{passed}");
    assert!(world.sfu.counters().messages_dropped >= 40);
}

#[test]
fn who_leaves_is_gone_and_its_place_is_given_again() {
    let mut world = World::new(10);
    for _ in 0..2 {
        world.join(&["x"], 1, 2);
    }
    let viewer = world.join(&[], 2, 2);
    world.connected();
    (0..2).for_each(|at| start(&mut world, at));
    look_at(&mut world, viewer, &[Some((0, 360)), Some((1, 360))]);
    world.pass(Duration::from_secs(2));
    world.leave(0);
    world.pass(Duration::from_secs(2));
    let id = world.id(viewer);
    assert!(world.events.iter().any(|(_, event)| *event == Event::Shown(id, 0, None)));
    assert!(world.sfu.stats(world.id(0)).is_none());
    let quiet = world.clients[viewer].shown(0).last().unwrap().at;
    assert!(world.now.saturating_since(quiet) > millis(1800));
    let late = world.clients[viewer].shown(1).last().unwrap().at;
    assert!(world.now.saturating_since(late) < millis(100), "the other one goes on");
    let next = world.join(&["x"], 1, 1);
    world.connected();
    start(&mut world, next);
    look_at(&mut world, viewer, &[Some((next, 360)), Some((1, 360))]);
    world.pass(Duration::from_secs(2));
    let last = world.clients[viewer].shown(0).last().unwrap();
    assert_eq!(last.number, 4, "the place in the table is another's now");
    // The slot is one stream for the receiver.
    check_order(&world, viewer, 0);
    let (room, now) = (world.room, world.now);
    world.sfu.close_room(now, room);
    world.pass(Duration::from_secs(1));
    assert!(world.sfu.poll_timeout().is_none(), "nothing is left");
}

#[test]
fn more_slots_come_with_another_offer() {
    let mut world = World::new(11);
    for _ in 0..3 {
        world.join(&["x"], 2, 1);
    }
    world.connected();
    (0..3).for_each(|at| start(&mut world, at));
    look_at(&mut world, 0, &[Some((1, 360)), Some((2, 360))]);
    world.pass(Duration::from_secs(1));
    assert!(world.clients[0].shown(0).count() > 15 && world.clients[0].shown(1).count() == 0);
    world.clients[0].add_pictures(2);
    world.describe(0);
    world.pass(Duration::from_secs(1));
    assert!(world.clients[0].shown(0).count() > 35 && world.clients[0].shown(1).count() > 15);
    check_order(&world, 0, 0);
}

/// The n-th packet of media is lost, for many n: the picture goes on, and every frame is whole.
#[test]
fn whichever_packet_is_lost_pictures_go_on() {
    let run = |lose: Option<u64>| {
        let mut world = World::new(12);
        world.join(&["x"], 1, 1);
        world.join(&[], 1, 1);
        world.connected();
        world.lose = lose.map(|n| n + world.media_sent);
        let before = world.media_sent;
        look_at(&mut world, 1, &[Some((0, 360))]);
        start(&mut world, 0);
        let begin = world.now;
        world.pass(Duration::from_secs(2));
        let (pause, at) = world.clients[1].longest_pause(0, begin, world.now);
        let count = world.clients[1].shown(0).count();
        // Of the very first packet nobody can know that it is missing: the receiver asks for a keyframe.
        let (most, least) = if lose == Some(1) { (600, 36) } else { (500, 46) };
        assert!(pause < millis(most) && count >= least, "{lose:?}: {count}, {pause:?} {at:?}");
        check_order(&world, 1, 0);
        world.media_sent - before
    };
    let sent = run(None);
    (1..sent).step_by(5).for_each(|n| {
        run(Some(n));
    });
}
