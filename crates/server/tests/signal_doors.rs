//! Encoders and viewers, who come by HTTP and have no session.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use server::signal::doors::*;
use server::signal::forwarding::{MediaEvent, Part, Source};
use server::signal::keys::Keys;
use server::signal::protocol::*;
use server::signal::rendezvous::Config;

use crate::signal_conference::{News, conference, config, end_of, meet, room};
use crate::signal_world::*;

const SECOND: Duration = Duration::from_secs(1);

fn enter(room: &str, purpose: Purpose) -> DoorCommand {
    let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
    DoorCommand::Enter { address, room: room.into(), purpose, sdp: "o".into() }
}

fn encoder(holder: &str) -> DoorCommand {
    enter("r", Purpose::Publish { holder: holder.into(), name: format!("The {holder}") })
}

fn viewer(invited: bool, glance: Glance) -> DoorCommand {
    enter("r", Purpose::Watch { invited, glance })
}

fn last(world: &World, door: u64) -> String {
    format!("{:?}", world.doors[&DoorId(door)].last().expect("the door was told something"))
}

/// The last that somebody was told of a member.
fn member(world: &World, at: usize, number: u32) -> Member {
    let found = world.clients[at].log.iter().rev().find_map(|message| match message {
        ServerMessage::Member { member, .. } if member.number == number => Some(member.clone()),
        ServerMessage::Conference { members, .. } => members.iter().find(|m| m.number == number).cloned(),
        _ => None,
    });
    found.expect("they were told of this member")
}

fn moderate(world: &mut World, at: usize, action: Action) {
    let call = conference(world, at);
    world.act(at, ClientMessage::Moderate { call, action });
}

fn sends(world: &mut World, number: u32, source: Source, sending: bool) {
    let leg = world.forwarder.leg(number);
    world.media(MediaEvent::Sending { leg, source, sending });
}

/// Whose picture those see who follow the stage.
fn stage(world: &World) -> Option<(u32, Source)> {
    let wish = world.forwarder.stages.values().next().copied().flatten()?;
    Some((world.forwarder.legs[&wish.leg].number, wish.source))
}

#[test]
fn an_encoder_waits_alone_and_whoever_comes_is_the_owner() {
    let mut world = World::new(config());
    world.door(1, encoder("camera"));
    assert_eq!(last(&world, 1), "Answer(true)");
    assert_eq!(world.forwarder.legs[&world.forwarder.leg(1)].part, Part::Publisher);
    sends(&mut world, 1, Source::Camera, true);
    world.pass(SECOND * 60);
    let ann = world.join("ann", "ann");
    world.act(ann, meet());
    let call = conference(&world, ann);
    let camera = member(&world, ann, 1);
    assert_eq!((camera.kind, camera.role), (MemberKind::Encoder, Role::Presenter));
    assert_eq!(camera.person.name, "The camera");
    assert_eq!(camera.sending, Sending { camera: true, ..Sending::default() });
    assert!(camera.connected);
    let owns = |m: &ServerMessage| matches!(m, ServerMessage::Role { role: Role::Owner, .. });
    assert!(world.clients[ann].log.iter().any(owns));
    // Two, of whom one is no person, are not put through to each other; and the encoder stays when they leave.
    world.pass(SECOND * 60);
    assert_eq!(world.rendezvous.stats().conferences, 1);
    world.act(ann, end_of(&call));
    world.pass(SECOND * 60);
    assert_eq!((world.rendezvous.stats().conferences, world.forwarder.legs.len()), (1, 1));
    world.door(1, DoorCommand::Leave);
    assert_eq!(last(&world, 1), "Ended(HungUp)");
    assert_eq!((world.rendezvous.stats().conferences, world.forwarder.rooms.len()), (0, 0));
}

#[test]
fn an_encoder_makes_a_conference_of_who_is_there() {
    for people in [&["ann"][..], &["ann", "bob"]] {
        let (mut world, at) = room(people);
        world.door(1, encoder("camera"));
        for person in &at {
            let number = u32::try_from(people.len()).unwrap() + 1;
            let number = if people.len() == 1 { 1 } else { number };
            assert_eq!(member(&world, *person, number).kind, MemberKind::Encoder);
        }
        assert_eq!(world.rendezvous.stats().conferences, 1);
    }
}

#[test]
fn what_arrives_of_an_encoder_is_what_it_sends() {
    let (mut world, at) = room(&["ann", "bob", "cyd"]);
    world.door(1, encoder("camera"));
    assert_eq!(member(&world, at[0], 4).sending, Sending::default());
    let all = Sending { microphone: true, camera: true, screen: true };
    for source in Source::ALL {
        sends(&mut world, 4, source, true);
    }
    assert_eq!(member(&world, at[1], 4).sending, all);
    sends(&mut world, 4, Source::Screen, false);
    assert_eq!(member(&world, at[1], 4).sending, Sending { screen: false, ..all });
    // A page says itself what it sends.
    sends(&mut world, 2, Source::Screen, true);
    assert!(!member(&world, at[0], 2).sending.screen);
    // Muted it stays until a moderator says otherwise, whatever arrives.
    let barred = |world: &World| world.forwarder.legs[&world.forwarder.leg(4)].barred.clone();
    moderate(&mut world, at[0], Action::Mute { member: 4 });
    sends(&mut world, 4, Source::Microphone, false);
    sends(&mut world, 4, Source::Microphone, true);
    assert!(!member(&world, at[1], 4).sending.microphone);
    assert_eq!(barred(&world), BTreeSet::from([Source::Microphone]));
    let mut news = News::of(&world);
    moderate(&mut world, at[1], Action::Unmute { member: 4 });
    moderate(&mut world, at[0], Action::Unmute { member: 2 });
    assert_eq!(news.told(&world, at[1]), "error:not-allowed");
    assert_eq!(news.told(&world, at[0]), "error:wrong-state");
    moderate(&mut world, at[0], Action::Unmute { member: 4 });
    assert!(member(&world, at[1], 4).sending.microphone && barred(&world).is_empty());
    // An attendee sends nothing, and is shown to send nothing.
    moderate(&mut world, at[0], Action::Demote { member: 4 });
    assert_eq!((member(&world, at[1], 4).sending, barred(&world).len()), (Sending::default(), 3));
    moderate(&mut world, at[0], Action::Promote { member: 4 });
    assert_eq!((member(&world, at[1], 4).sending.camera, barred(&world).len()), (true, 0));
    let mut news = News::of(&world);
    moderate(&mut world, at[0], Action::Promote { member: 4 });
    assert_eq!(news.told(&world, at[0]), "error:wrong-state", "an encoder does not moderate");
}

#[test]
fn a_removed_encoder_does_not_come_back_and_one_that_begins_again_takes_its_place() {
    let (mut world, at) = room(&["ann", "bob", "cyd"]);
    world.door(1, encoder("camera"));
    world.door(2, encoder("camera"));
    assert_eq!((last(&world, 1), last(&world, 2)), ("Ended(Elsewhere)".into(), "Answer(true)".into()));
    assert_eq!(world.rendezvous.stats().encoders, 1);
    world.door(1, DoorCommand::Leave);
    assert!(member(&world, at[0], 4).connected, "a door that is gone has no say");
    moderate(&mut world, at[0], Action::Remove { member: 4 });
    assert_eq!(last(&world, 2), "Ended(Removed)");
    world.door(3, encoder("camera"));
    assert!(last(&world, 3).starts_with("Refused(Removed"));
    world.door(4, encoder("other"));
    assert_eq!(last(&world, 4), "Answer(true)");
    // A lock keeps out who is new, not one that begins again.
    moderate(&mut world, at[0], Action::Lock { on: true });
    world.door(5, encoder("third"));
    world.door(6, encoder("other"));
    assert!(last(&world, 5).starts_with("Refused(Locked"));
    assert_eq!(last(&world, 6), "Answer(true)");
    moderate(&mut world, at[0], Action::End);
    assert_eq!(last(&world, 6), "Ended(Closed)");
    assert_eq!((world.rendezvous.stats().encoders, world.forwarder.rooms.len()), (0, 0));
}

#[test]
fn who_does_not_connect_or_falls_silent_is_gone_after_twenty_seconds() {
    let (mut world, at) = room(&["ann", "bob", "cyd"]);
    world.forwarder.hesitates = true;
    world.door(1, encoder("camera"));
    world.door(2, viewer(true, Glance::default()));
    world.pass(SECOND * 20 - Duration::from_millis(1));
    assert_eq!((last(&world, 1), last(&world, 2)), ("Answer(true)".into(), "Answer(true)".into()));
    world.pass(Duration::from_millis(1));
    assert_eq!((last(&world, 1), last(&world, 2)), ("Ended(Lost)".into(), "Ended(Lost)".into()));
    world.forwarder.hesitates = false;
    world.door(3, encoder("camera"));
    world.pass(SECOND * 100);
    let leg = world.forwarder.leg(5);
    world.media(MediaEvent::Lost { leg, over: false });
    assert!(!member(&world, at[0], 5).connected);
    world.pass(SECOND * 19);
    world.media(MediaEvent::Connected { leg });
    world.pass(SECOND * 100);
    assert_eq!(last(&world, 3), "Answer(true)", "it came back in time");
    world.media(MediaEvent::Lost { leg, over: true });
    assert_eq!(last(&world, 3), "Ended(Lost)");
    // An offer that cannot be answered is no place.
    let purpose = Purpose::Publish { holder: "x".into(), name: "x".into() };
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    world.door(4, DoorCommand::Enter { address, room: "r".into(), purpose, sdp: "bad".into() });
    let told: Vec<String> = world.doors[&DoorId(4)].iter().map(|event| format!("{event:?}")).collect();
    assert_eq!(told, ["Refused(Offer, it is bad)", "Ended(Closed)"]);
    assert_eq!(world.rendezvous.stats().encoders, 0);
}

#[test]
fn viewers_are_counted_and_need_a_key_or_leave_to_watch() {
    let (mut world, at) = room(&["ann", "bob", "cyd"]);
    world.door(1, enter("nobody-here", Purpose::Watch { invited: true, glance: Glance::default() }));
    world.door(2, viewer(false, Glance::default()));
    world.door(3, viewer(true, Glance { member: Some(9), source: None }));
    for (door, refusal) in [(1, "Empty"), (2, "NeedsKey"), (3, "NoMember")] {
        assert!(last(&world, door).starts_with(&format!("Refused({refusal}")), "{}", last(&world, door));
    }
    moderate(&mut world, at[0], Action::Watching { on: true });
    let mut news = News::of(&world);
    for door in 10..15 {
        world.door(door, viewer(false, Glance::default()));
        assert_eq!(last(&world, door), "Answer(true)");
    }
    let count = |world: &World| {
        let of = |m: &ServerMessage| match m {
            ServerMessage::Watchers { count, .. } => Some(*count),
            _ => None,
        };
        world.clients[at[1]].log.iter().filter_map(of).collect::<Vec<_>>()
    };
    world.pass(SECOND);
    assert_eq!(count(&world), [5], "told once");
    let told = news.told(&world, at[1]);
    assert!(!told.contains("member"), "viewers are no members: {told}");
    world.door(10, DoorCommand::Leave);
    world.pass(SECOND);
    assert_eq!(count(&world), [5, 4]);
    // Two of whom somebody watches are not put through to each other; one who is left does not keep it open.
    let call = conference(&world, at[2]);
    world.act(at[2], end_of(&call));
    world.pass(SECOND * 60);
    assert_eq!(world.rendezvous.stats().conferences, 1);
    for who in [at[0], at[1]] {
        world.act(who, end_of(&call));
    }
    assert_eq!(last(&world, 12), "Ended(Closed)");
    assert_eq!((world.rendezvous.stats().viewers, world.forwarder.rooms.len()), (0, 0));
}

#[test]
fn viewers_see_the_screen_else_who_speaks_else_what_they_asked_for() {
    let (mut world, at) = room(&["ann", "bob", "cyd"]);
    let call = conference(&world, at[0]);
    let says = |world: &mut World, who: usize, camera, screen| {
        let call = call.clone();
        world.act(at[who], ClientMessage::Sending { call, microphone: true, camera, screen });
    };
    for who in 0..3 {
        says(&mut world, who, true, false);
    }
    world.door(1, viewer(true, Glance::default()));
    world.door(2, viewer(true, Glance { member: Some(2), source: None }));
    world.door(3, viewer(true, Glance { member: None, source: Some(Picture::Screen) }));
    assert_eq!(stage(&world), Some((1, Source::Camera)), "the first, as long as nobody speaks");
    let viewers: Vec<_> =
        world.forwarder.legs.iter().filter(|(_, leg)| leg.number == 0).map(|(key, _)| *key).collect();
    let shown = |world: &World, viewer: usize| {
        let wish = world.forwarder.legs[&viewers[viewer]].layout.first().copied().flatten()?;
        Some((world.forwarder.legs[&wish.leg].number, wish.source))
    };
    assert_eq!((shown(&world, 1), shown(&world, 2)), (Some((2, Source::Camera)), None));
    assert_eq!(world.forwarder.legs[&viewers[1]].hears, Some(world.forwarder.leg(2)));
    assert_eq!(world.forwarder.legs[&viewers[0]].hears, None);
    let room = *world.forwarder.rooms.keys().next().unwrap();
    let speak = |world: &mut World, numbers: &[u32]| {
        let legs = numbers.iter().map(|n| world.forwarder.leg(*n)).collect();
        world.media(MediaEvent::Speaking { room, legs });
    };
    speak(&mut world, &[3]);
    assert_eq!(stage(&world), Some((3, Source::Camera)));
    speak(&mut world, &[]);
    assert_eq!(stage(&world), Some((3, Source::Camera)), "it stays");
    says(&mut world, 1, true, true);
    assert_eq!(stage(&world), Some((2, Source::Screen)));
    assert_eq!((shown(&world, 1), shown(&world, 2)), (Some((2, Source::Screen)), Some((2, Source::Screen))));
    speak(&mut world, &[1]);
    assert_eq!(stage(&world), Some((2, Source::Screen)));
    // Whoever reloads the page has another connection, and is seen over that.
    let before = world.forwarder.leg(2);
    let ticket = world.clients[at[1]].log.iter().rev().find_map(|m| match m {
        ServerMessage::Conference { ticket, .. } => Some(ticket.clone()),
        _ => None,
    });
    world.act(at[1], ClientMessage::Rejoin { call: conference(&world, at[1]), ticket: ticket.unwrap() });
    assert_ne!(world.forwarder.leg(2), before);
    assert_eq!((stage(&world), shown(&world, 1)), (Some((2, Source::Screen)), Some((2, Source::Screen))));
    assert_eq!(world.forwarder.legs[&viewers[1]].hears, Some(world.forwarder.leg(2)));
    says(&mut world, 1, false, false);
    assert_eq!((stage(&world), shown(&world, 1)), (Some((1, Source::Camera)), None), "who speaks");
    for who in 0..3 {
        says(&mut world, who, false, false);
    }
    assert_eq!(stage(&world), None);
}

#[test]
fn keys_are_given_by_owners() {
    let keys = Keys::new(&[1; 32]);
    let key = |world: &mut World, at: usize, room: &str| {
        let before = world.clients[at].log.len();
        let name = Some("Stage".to_owned());
        world.act(at, ClientMessage::Key { room: room.into(), door: Door::Publish, name });
        world.clients[at].log[before..].iter().find_map(|m| match m {
            ServerMessage::Key { key, .. } => Some(keys.verify(key, 0).expect("it is the server's")),
            _ => None,
        })
    };
    let (mut world, at) = room(&["ann", "bob", "cyd"]);
    let grant = key(&mut world, at[0], "r").unwrap();
    assert_eq!((grant.room.as_str(), grant.door, grant.name.as_deref()), ("r", Door::Publish, Some("Stage")));
    assert_ne!(key(&mut world, at[0], "r").unwrap().id, grant.id);
    assert_eq!(key(&mut world, at[1], "r"), None, "a presenter gives none");
    assert_eq!(key(&mut world, at[0], "other"), None);
    // Whoever is there first, alone or with somebody else, may as well.
    let dee = world.join("dee", "dee");
    let to = |room: &str| ClientMessage::Meet { room: room.into(), media: MEDIA, encrypted: false };
    world.act(dee, to("s"));
    assert!(key(&mut world, dee, "s").is_some() && key(&mut world, dee, "r").is_none());
    let eve = world.join("eve", "eve");
    world.act(eve, to("s"));
    assert!(key(&mut world, dee, "s").is_some() && key(&mut world, at[0], "s").is_none());
}

#[test]
fn a_conference_comes_back_after_a_restart_although_its_encoder_was_faster() {
    let (world, at) = room(&["ann", "bob", "cyd"]);
    let call = conference(&world, at[0]);
    let seats: Vec<(usize, Secret)> = at
        .iter()
        .map(|at| {
            let ticket = world.clients[*at].log.iter().rev().find_map(|m| match m {
                ServerMessage::Conference { ticket, .. } | ServerMessage::Role { ticket, .. } => {
                    Some(ticket.clone())
                }
                _ => None,
            });
            (*at, ticket.unwrap())
        })
        .collect();
    let mut world = World::new(config());
    world.door(1, encoder("camera"));
    world.door(2, encoder("other"));
    let back: Vec<usize> = ["ann", "bob", "cyd"].iter().map(|id| world.join(id, id)).collect();
    for ((_, ticket), at) in seats.iter().zip(&back).rev() {
        world.act(*at, ClientMessage::Rejoin { call: call.clone(), ticket: ticket.clone() });
    }
    for (at, number) in back.iter().zip(1..) {
        assert_eq!(conference(&world, *at), call);
        let (mut people, mut encoders) = (BTreeSet::new(), BTreeSet::new());
        for message in &world.clients[*at].log {
            let mut sort = |member: &Member| match member.kind {
                MemberKind::Person => people.insert(member.number),
                MemberKind::Encoder => encoders.insert(member.number),
            };
            match message {
                ServerMessage::Conference { you, members, .. } => {
                    assert_eq!(*you, number, "everybody has their own number again");
                    for member in members {
                        sort(member);
                    }
                }
                ServerMessage::Member { member, .. } => {
                    sort(member);
                }
                ServerMessage::MemberLeft { number, .. } => {
                    people.remove(number);
                    encoders.remove(number);
                }
                _ => {}
            }
        }
        assert_eq!((people, encoders.len()), (BTreeSet::from([1, 2, 3]), 2));
    }
    world.door(1, DoorCommand::Offer { sdp: "again".into() });
    assert_eq!(last(&world, 1), "Answer(true)");
    assert_eq!(world.rendezvous.stats().conferences, 1);
}

#[test]
fn there_are_only_so_many() {
    let bounds =
        Config { viewers_per_conference: 2, members_per_conference: 4, sessions_per_address: 10, ..config() };
    let (mut world, _) = crate::signal_conference::room_with(bounds, &["ann", "bob", "cyd"]);
    for door in 1..=3 {
        world.door(door, viewer(true, Glance::default()));
    }
    world.door(4, encoder("a"));
    world.door(5, encoder("b"));
    assert!(last(&world, 3).starts_with("Refused(Full") && last(&world, 5).starts_with("Refused(Full"));
    assert_eq!((last(&world, 2), last(&world, 4)), ("Answer(true)".into(), "Answer(true)".into()));
    let elsewhere =
        |n: u64| enter(&format!("room-{n}"), Purpose::Publish { holder: "h".into(), name: "n".into() });
    for n in 10..20 {
        world.door(n, elsewhere(n));
    }
    assert_eq!(last(&world, 16), "Answer(true)", "ten of one address");
    assert!(last(&world, 17).starts_with("Refused(TooMany"));
    world.door(1, DoorCommand::Leave);
    world.door(20, elsewhere(20));
    assert_eq!(last(&world, 20), "Answer(true)");
    world.door(21, enter("no room", Purpose::Publish { holder: "h".into(), name: "n".into() }));
    assert!(last(&world, 21).starts_with("Refused(BadRoom"));
}
