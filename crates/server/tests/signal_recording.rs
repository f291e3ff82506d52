//! Recording a conference: who is told what.

use server::signal::doors::{DoorCommand, Purpose};
use server::signal::forwarding::{MediaEvent, Source};
use server::signal::protocol::*;
use server::signal::recording::{RecordingCommand, RecordingEvent};

use crate::signal_conference::{conference, room};
use crate::signal_world::*;

fn record(world: &mut World, at: usize, on: bool) {
    let call = conference(world, at);
    world.act(at, ClientMessage::Moderate { call, action: Action::Record { on } });
}

/// What a client last heard of a recording: who began it, or why it ended.
fn heard(world: &World, at: usize) -> Option<Result<String, Option<String>>> {
    world.clients[at].log.iter().rev().find_map(|message| match message {
        ServerMessage::Recording { recording, problem, .. } => {
            Some(recording.as_ref().map(|it| it.by.name.clone()).ok_or(problem.clone()))
        }
        ServerMessage::Conference { recording, .. } => {
            Some(recording.as_ref().map(|it| it.by.name.clone()).ok_or(None))
        }
        _ => None,
    })
}

#[test]
fn everybody_is_told_and_the_recorder_knows_who_is_there() {
    let (mut world, at) = room(&["ann", "bob", "cyd"]);
    record(&mut world, at[1], true);
    assert!(world.recorded.is_empty(), "only an owner may");
    record(&mut world, at[0], true);
    for at in &at {
        assert_eq!(heard(&world, *at), Some(Ok("ann".into())));
    }
    let Some(RecordingCommand::Begin { id, people, by, room, .. }) = world.recorded.first().cloned() else {
        panic!("{:?}", world.recorded)
    };
    let there: Vec<_> = people.iter().map(|it| (it.number, it.owner, it.leg.is_some())).collect();
    assert_eq!((there, by.name.as_str()), (vec![(1, true, true), (2, false, true), (3, false, true)], "ann"));
    assert_eq!(world.forwarder.recorded, [(room, true)]);
    record(&mut world, at[0], true);
    assert_eq!(world.forwarder.recorded.len(), 1, "it goes on already");

    let call = conference(&world, at[1]);
    world.act(at[1], ClientMessage::Sending { call, microphone: false, camera: true, screen: false });
    let Some(RecordingCommand::Member { member, .. }) = world.recorded.last() else { panic!("bob is muted") };
    assert_eq!((member.number, member.sending.microphone), (2, false));
    world.act(at[2], ClientMessage::End { call: conference(&world, at[2]) });
    world.act(at[1], ClientMessage::End { call: conference(&world, at[1]) });
    assert!(world.recorded.contains(&RecordingCommand::Left { id: id.clone(), number: 3 }));

    world.recorder(RecordingEvent::Failed {
        id: id.clone(),
        room: "r".into(),
        bytes: 5,
        message: "the disk is full".into(),
    });
    assert_eq!(heard(&world, at[0]), Some(Err(Some("the disk is full".into()))));
    assert_eq!(world.recorded.last(), Some(&RecordingCommand::End { id: id.clone() }));
    assert_eq!(world.forwarder.recorded, [(room, true), (room, false)]);
    let before = world.clients[at[0]].log.len();
    world.recorder(RecordingEvent::Written { id, bytes: 5 });
    assert_eq!(world.clients[at[0]].log.len(), before, "that was of before");
}

#[test]
fn the_end_of_the_conference_ends_it_and_who_comes_late_is_told() {
    let (mut world, at) = room(&["ann", "bob", "cyd"]);
    record(&mut world, at[0], true);
    let late = world.join("dee", "dee");
    world.act(late, crate::signal_conference::meet());
    assert_eq!(heard(&world, late), Some(Ok("ann".into())));
    let Some(RecordingCommand::Member { member, .. }) = world.recorded.last() else { panic!("dee is there") };
    assert_eq!(member.person.name, "dee");
    let call = conference(&world, at[0]);
    world.act(at[0], ClientMessage::Moderate { call, action: Action::End });
    assert!(matches!(world.recorded.last(), Some(RecordingCommand::End { .. })));
}

/// Two who remain are not put through to each other while they are recorded: nothing would be left to record.
#[test]
fn two_who_are_recorded_stay() {
    let (mut world, at) = room(&["ann", "bob", "cyd"]);
    record(&mut world, at[0], true);
    world.act(at[2], ClientMessage::End { call: conference(&world, at[2]) });
    world.pass(std::time::Duration::from_secs(60));
    let stats = world.rendezvous.stats();
    assert_eq!((stats.conferences, stats.members, stats.started), (1, 2, 1));
    record(&mut world, at[0], false);
    assert_eq!(heard(&world, at[1]), Some(Err(None)));
    world.pass(std::time::Duration::from_secs(60));
    assert_eq!(world.rendezvous.stats().started, 2, "they are put through to each other");
}

#[test]
fn an_encoder_is_recorded_like_everybody() {
    let (mut world, at) = room(&["ann"]);
    let encoder = |number: u64| {
        let (address, purpose) = (
            [192, 0, 2, 7].into(),
            Purpose::Publish { holder: format!("holder {number}"), name: format!("camera {number}") },
        );
        (number, DoorCommand::Enter { address, room: "r".into(), purpose, sdp: "o".into() })
    };
    let (door, enter) = encoder(1);
    world.door(door, enter);
    world.settle();
    record(&mut world, at[0], true);
    let Some(RecordingCommand::Begin { people, .. }) = world.recorded.first() else {
        panic!("{:?}", world.recorded)
    };
    let there: Vec<_> = people.iter().map(|it| (it.person.name.as_str(), it.leg.is_some())).collect();
    assert_eq!(there, [("camera 1", true), ("ann", true)], "a call of one becomes a conference behind it");

    let (door, enter) = encoder(2);
    world.door(door, enter);
    let leg = world.forwarder.leg(3);
    world.media(MediaEvent::Sending { leg, source: Source::Camera, sending: true });
    let Some(RecordingCommand::Member { member, .. }) = world.recorded.last() else {
        panic!("{:?}", world.recorded)
    };
    assert_eq!((member.person.name.as_str(), member.sending.camera), ("camera 2", true));
}
