//! Moderation of conferences: roles, muting, the lobby and the lock.

use std::collections::BTreeSet;
use std::time::Duration;

use server::signal::bus::Event;
use server::signal::forwarding::Source;
use server::signal::protocol::*;

use crate::signal_conference::{News, conference, end_of, meet, room};
use crate::signal_world::*;

const SECOND: Duration = Duration::from_secs(1);

fn moderate(world: &mut World, at: usize, action: Action) {
    let call = conference(world, at);
    world.act(at, ClientMessage::Moderate { call, action });
}

#[test]
fn owners_moderate() {
    let (mut world, at) = room(&["ann", "bob", "cyd", "dee"]);
    let [ann, bob, cyd, dee] = [at[0], at[1], at[2], at[3]];
    let call = conference(&world, ann);
    let mut news = News::of(&world);
    moderate(&mut world, bob, Action::Mute { member: 3 });
    assert_eq!(news.told(&world, bob), "error:not-allowed");
    moderate(&mut world, ann, Action::Mute { member: 9 });
    assert_eq!(news.told(&world, ann), "error:no-such-member");

    moderate(&mut world, ann, Action::Mute { member: 3 });
    assert_eq!(
        (news.told(&world, cyd), news.told(&world, bob)),
        ("muted".into(), "member:3:connected".into())
    );
    let leg = world.forwarder.leg(3);
    assert_eq!(world.forwarder.legs[&leg].barred, BTreeSet::from([Source::Microphone]));
    let sending =
        |microphone| ClientMessage::Sending { call: call.clone(), microphone, camera: true, screen: false };
    world.act(cyd, sending(true));
    assert!(world.forwarder.legs[&leg].barred.is_empty(), "they unmute themselves");
    moderate(&mut world, ann, Action::MuteAll);
    let barred =
        |world: &World, number| !world.forwarder.legs[&world.forwarder.leg(number)].barred.is_empty();
    assert_eq!([1, 2, 3, 4].map(|number| barred(&world, number)), [false, true, true, true]);

    news = News::of(&world);
    moderate(&mut world, ann, Action::Demote { member: 2 });
    assert_eq!(news.told(&world, bob), "role:Attendee");
    let leg = world.forwarder.leg(2);
    assert_eq!(world.forwarder.legs[&leg].barred, BTreeSet::from(Source::ALL));
    world.act(bob, sending(true));
    assert_eq!(news.told(&world, bob), "error:not-allowed");
    moderate(&mut world, ann, Action::Promote { member: 2 });
    assert_eq!(world.forwarder.legs[&leg].barred, BTreeSet::from([Source::Microphone]), "muted as before");
    moderate(&mut world, ann, Action::Promote { member: 2 });
    assert_eq!(news.told(&world, bob), "role:Presenter role:Owner");
    moderate(&mut world, bob, Action::Demote { member: 1 });
    moderate(&mut world, bob, Action::Demote { member: 2 });
    assert_eq!(news.told(&world, bob), "member:1:connected error:wrong-state", "the only owner stays one");

    moderate(&mut world, bob, Action::Remove { member: 4 });
    assert_eq!(news.told(&world, dee).split(' ').next_back(), Some("ended:removed"));
    world.act(dee, meet());
    assert_eq!(news.told(&world, dee), "error:room-locked");
    moderate(&mut world, bob, Action::End);
    assert_eq!(news.told(&world, cyd).split(' ').next_back(), Some("ended:closed"));
    let stats = world.rendezvous.stats();
    assert_eq!((stats.conferences, stats.rooms, stats.members), (0, 0, 0));
    assert!(world.forwarder.rooms.is_empty());
}

#[test]
fn unmuting_that_was_said_before_one_knew_of_the_mute_does_not_count() {
    let (mut world, at) = room(&["ann", "bob", "cyd"]);
    let call = conference(&world, at[0]);
    let cyd = at[2];
    let (seq, ack) = (world.clients[cyd].sent + 1, world.clients[cyd].received);
    moderate(&mut world, at[0], Action::Mute { member: 3 });
    let sending =
        ClientMessage::Sending { call: call.clone(), microphone: true, camera: false, screen: false };
    world.clients[cyd].sent += 1;
    world.raw(cyd, Some(seq), Some(ack), sending.clone());
    world.settle();
    let leg = world.forwarder.leg(3);
    assert!(world.forwarder.legs[&leg].barred.contains(&Source::Microphone));
    world.act(cyd, sending);
    assert!(world.forwarder.legs[&leg].barred.is_empty());
}

#[test]
fn a_lobby_admits_and_denies_and_a_lock_lets_nobody_in() {
    let (mut world, at) = room(&["ann", "bob", "cyd"]);
    let (ann, bob) = (at[0], at[1]);
    moderate(&mut world, ann, Action::Lobby { on: true });
    let [dee, eve, fay] = ["dee", "eve", "fay"].map(|id| world.join(id, id));
    let mut news = News::of(&world);
    world.act(dee, meet());
    world.act(eve, meet());
    assert_eq!(news.told(&world, ann), "knocking:1 knocking:2");
    assert_eq!((news.told(&world, bob), news.told(&world, dee)), (String::new(), "lobby".into()));
    moderate(&mut world, ann, Action::Admit { member: 4 });
    assert_eq!(news.told(&world, dee), "conference:4:Presenter:of4");
    assert_eq!(news.told(&world, ann), "member:4 knocking:1");
    moderate(&mut world, ann, Action::Deny { member: 5 });
    assert_eq!(news.told(&world, eve), "lobby ended:declined");
    assert_eq!(news.told(&world, ann), "knocking:0");
    world.act(eve, meet());
    world.act(fay, meet());
    world.act(eve, ClientMessage::Leave { room: "r".into() });
    assert_eq!(news.told(&world, ann), "knocking:1 knocking:2 knocking:1");
    moderate(&mut world, ann, Action::Promote { member: 2 });
    assert_eq!(news.told(&world, bob).split(' ').next_back(), Some("knocking:1"));
    moderate(&mut world, ann, Action::Lobby { on: false });
    assert_eq!(news.told(&world, fay), "lobby conference:7:Presenter:of5");
    moderate(&mut world, ann, Action::Lock { on: true });
    world.act(eve, meet());
    assert_eq!(news.told(&world, eve), "lobby error:room-locked");
    // A locked conference of two stays one: as a call it would have no lock.
    let call = conference(&world, ann);
    for who in [at[2], dee, fay] {
        world.act(who, end_of(&call));
    }
    news = News::of(&world);
    world.pass(SECOND * 10);
    assert_eq!(news.told(&world, ann), "");
    moderate(&mut world, ann, Action::Lock { on: false });
    world.pass(SECOND * 2);
    assert_eq!(news.told(&world, ann), "settings:false:false started:impolite");
}

#[test]
fn a_whisper_is_for_one_alone_and_for_nobody_who_is_away() {
    let (mut world, at) = room(&["ann", "bob", "cyd"]);
    let [ann, bob, cyd] = [at[0], at[1], at[2]];
    let call = conference(&world, ann);
    let whisper = |to, text: &str| ClientMessage::Whisper { call: call.clone(), to, text: text.into() };
    let mut news = News::of(&world);
    world.act(ann, whisper(2, "psst"));
    let said = ServerMessage::Whispered { call: call.clone(), from: 1, text: "psst".into() };
    assert_eq!(world.clients[bob].log.last(), Some(&said));
    assert_eq!((news.told(&world, ann), news.told(&world, cyd)), (String::new(), String::new()));
    for (to, text, error) in [
        (9, "psst".to_owned(), "error:no-such-member"),
        (1, "psst".to_owned(), "error:no-such-member"),
        (2, String::new(), "error:wrong-state"),
        (2, "x".repeat(8193), "error:wrong-state"),
    ] {
        world.act(ann, whisper(to, &text));
        assert_eq!(news.told(&world, ann), error);
    }
    world.disconnect(cyd, false);
    world.settle();
    world.act(ann, whisper(3, "psst"));
    assert_eq!(news.told(&world, ann), "error:wrong-state");
    // Nobody fills the queue of somebody who confirms nothing: half of it is left for what the server has to say.
    let queue = world.clients[bob].log.len();
    let frames = (0..100).map(|_| whisper(2, &"x".repeat(8000)));
    let mut delivered = 0;
    for frame in frames {
        world.say(ann, frame);
        while let Some(event) = world.rendezvous.poll_event() {
            if let Event::Send { frame, .. } = &event {
                delivered += usize::from(matches!(frame.message, ServerMessage::Whispered { .. }));
            }
        }
    }
    assert!((10..=40).contains(&delivered), "{delivered} of 8000 bytes are in a queue of 512 KiB");
    assert_eq!((queue, world.rendezvous.stats().sessions), (world.clients[bob].log.len(), 3));
}
