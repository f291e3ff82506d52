//! Members that only send or only receive, and have nobody who chooses for them: encoders and viewers.

use std::time::Duration;

use sfu::{Event, JoinConfig};

use crate::forward::{look_at, start};
use crate::world::{World, millis};

const VIEWER: JoinConfig = JoinConfig { number: 0, publish: false, subscribe: true, one_stream: true };

/// Whose voice a member has heard since then.
fn heard_since(world: &World, at: usize, since: wire::Instant) -> Vec<u32> {
    let sounds = world.clients[at].seen.iter().filter(|seen| seen.at > since && seen.source == 0);
    let mut numbers: Vec<u32> = sounds.map(|seen| seen.number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

#[test]
fn one_slot_carries_the_loudest_voice() {
    let mut world = World::new(21);
    let people: Vec<usize> = (0..3).map(|_| world.join(&[], 3, 0)).collect();
    let viewer = world.join_as(VIEWER, &[], 1, 0);
    world.connected();
    for at in &people {
        start(&mut world, *at);
        world.clients[*at].level = 80;
    }
    for loud in [2, 0, 1] {
        people.iter().for_each(|at| world.clients[*at].level = if *at == loud { 20 } else { 80 });
        world.pass(Duration::from_secs(3));
        let since = world.now;
        world.pass(Duration::from_secs(1));
        assert_eq!(heard_since(&world, viewer, since), [world.clients[loud].number]);
    }
    // Somebody a little louder is no reason to change.
    let since = world.now;
    people.iter().for_each(|at| world.clients[*at].level = if *at == 1 { 24 } else { 20 });
    world.pass(Duration::from_secs(3));
    assert_eq!(heard_since(&world, viewer, since), [world.clients[1].number]);
    // Members with slots enough hear everybody all the time.
    assert_eq!(heard_since(&world, people[0], since).len(), 2);
}

#[test]
fn who_listens_to_one_hears_that_one() {
    let mut world = World::new(22);
    let people: Vec<usize> = (0..12).map(|_| world.join(&[], 1, 0)).collect();
    let viewer = world.join_as(VIEWER, &[], 1, 0);
    let (id, quiet) = (world.id(viewer), world.id(people[11]));
    world.sfu.listen(world.now, id, Some(quiet));
    world.connected();
    for at in &people {
        start(&mut world, *at);
        world.clients[*at].level = if *at == people[11] { 100 } else { 20 };
    }
    world.pass(Duration::from_secs(3));
    // It is not among the eight that are forwarded, and heard from its first packets on all the same.
    assert_eq!(heard_since(&world, viewer, wire::Instant::ZERO), [world.clients[people[11]].number]);
    let frames = world.clients[viewer].heard(world.clients[people[11]].number);
    assert!(frames > 120, "{frames} of about 150");
    world.sfu.listen(world.now, id, None);
    let since = world.now;
    world.pass(Duration::from_secs(1));
    let now = heard_since(&world, viewer, since + millis(100));
    assert!(now.len() == 1 && now[0] != world.clients[people[11]].number, "{now:?}");
    // A member who leaves is heard no more, and nobody else instead.
    world.sfu.listen(world.now, id, Some(world.id(people[3])));
    world.pass(millis(200));
    world.leave(people[3]);
    world.pass(millis(200));
    let since = world.now;
    world.pass(Duration::from_secs(1));
    assert_eq!(heard_since(&world, viewer, since), [0; 0]);
}

#[test]
fn a_viewer_gets_one_stream_and_has_no_say() {
    let mut world = World::new(23);
    let sender = world.join(&["x"], 1, 1);
    let viewer = world.join_as(VIEWER, &["x"], 1, 1);
    let encoder = JoinConfig { number: 9, subscribe: false, ..JoinConfig::default() };
    let encoder = world.join_as(encoder, &["x"], 1, 1);
    look_at(&mut world, viewer, &[Some((0, 360))]);
    look_at(&mut world, sender, &[Some((1, 360))]);
    look_at(&mut world, encoder, &[Some((0, 360))]);
    world.connected();
    for at in [sender, viewer, encoder] {
        start(&mut world, at);
    }
    world.pass(Duration::from_secs(2));
    assert!(world.clients[viewer].shown(0).count() > 20 && world.clients[viewer].heard(1) > 50);
    assert!(world.clients[encoder].seen.is_empty(), "an encoder is sent nothing");
    assert!(world.clients[sender].seen.iter().all(|seen| seen.number != world.clients[viewer].number));
    assert!(world.clients[sender].heard(world.clients[encoder].number) > 50);
    let streams = |world: &World, at: usize| {
        let answer = &world.answers[at];
        let lines = answer.lines().filter_map(|line| line.strip_prefix("a=msid:")?.split(' ').next());
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        (streams(&world, viewer), streams(&world, sender)),
        (vec!["room".into(); 2], vec!["-".into(); 2])
    );
    let now = world.now;
    for (at, text) in [(viewer, &b"me"[..]), (encoder, b"me"), (sender, b"all")] {
        world.clients[at].say(now, text);
    }
    world.pass(millis(500));
    assert!(world.clients[sender].messages.is_empty(), "{:?}", world.clients[sender].messages);
    assert_eq!(world.clients[viewer].messages.len(), 1);
}

#[test]
fn who_has_no_codec_for_a_picture_is_told_once() {
    let mut world = World::new(24);
    world.join(&["x"], 1, 1);
    let able = world.join(&[], 1, 1);
    let unable = world.join_without(&["VP8"], 1, 1);
    for at in [able, unable] {
        look_at(&mut world, at, &[Some((0, 360))]);
    }
    world.connected();
    start(&mut world, 0);
    world.pass(Duration::from_secs(3));
    let told = |world: &World| {
        let of = |(_, event): &(wire::Instant, Event)| match event {
            Event::Unplayable(member, slot) => Some((*member, *slot)),
            _ => None,
        };
        world.events.iter().filter_map(of).collect::<Vec<_>>()
    };
    assert_eq!(told(&world), [(world.id(unable), 0)]);
    assert!(world.clients[able].shown(0).count() > 20 && world.clients[unable].shown(0).next().is_none());
    assert!(world.clients[unable].heard(1) > 50, "the sound is there all the same");
}
