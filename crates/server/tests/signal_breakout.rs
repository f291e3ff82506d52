//! Groups: a room is divided, people come and go between them, and everybody is back in the end.

use std::time::Duration;

use server::signal::admin::{Act, Admin, Reply, What};
use server::signal::forwarding::{MediaEvent, Source};
use server::signal::protocol::*;
use server::signal::rendezvous::Config;

use crate::signal_conference::{News, conference, config, end_of, meet, room, room_with};
use crate::signal_world::*;

const SECOND: Duration = Duration::from_secs(1);

fn plan(groups: &[&[u32]]) -> Vec<GroupPlan> {
    let names = ["Red", "Blue", "Green"];
    groups
        .iter()
        .zip(names)
        .map(|(members, name)| GroupPlan { name: name.into(), members: members.to_vec() })
        .collect()
}

fn start(groups: &[&[u32]]) -> BreakoutAction {
    BreakoutAction::Start { groups: plan(groups), rest: false, seconds: None }
}

fn breakout(world: &mut World, at: usize, action: BreakoutAction) {
    let call = conference(world, at);
    world.act(at, ClientMessage::Breakout { call, action });
}

fn go(world: &mut World, at: usize, group: Option<u32>) {
    breakout(world, at, BreakoutAction::Go { group });
}

/// What the last `conference` said: its main room, the numbers in it, and the group.
fn place(world: &World, at: usize) -> (Option<CallId>, Vec<u32>, Option<u32>) {
    let found = world.clients[at].log.iter().rev().find_map(|message| match message {
        ServerMessage::Conference { main, members, breakout, .. } => {
            let numbers = members.iter().map(|member| member.number).collect();
            Some((main.clone(), numbers, breakout.as_ref().and_then(|it| it.at)))
        }
        _ => None,
    });
    found.expect("it is in a conference")
}

/// The last `breakout`.
fn told(world: &World, at: usize) -> Option<Breakout> {
    let found = world.clients[at].log.iter().rev().find_map(|message| match message {
        ServerMessage::Breakout { breakout, .. } | ServerMessage::Conference { breakout, .. } => {
            Some(breakout.as_deref().cloned())
        }
        _ => None,
    });
    found.flatten()
}

fn error(world: &World, at: usize) -> ErrorCode {
    match world.clients[at].log.last() {
        Some(ServerMessage::Error { code, .. }) => *code,
        other => panic!("the last is no error: {other:?}"),
    }
}

/// Who hears whom: the numbers of each forwarder's room.
fn rooms(world: &World) -> Vec<Vec<u32>> {
    let numbers = |room| {
        let legs = world.forwarder.legs.values().filter(|leg| leg.room == room);
        let mut numbers: Vec<u32> = legs.map(|leg| leg.number).collect();
        numbers.sort_unstable();
        numbers
    };
    world.forwarder.rooms.keys().map(|room| numbers(*room)).collect()
}

#[test]
fn people_go_to_their_groups_and_come_back_as_they_were() {
    let (mut world, people) = room(&["ann", "bob", "cyd", "dan", "eve"]);
    let [ann, bob, cyd, dan, eve] = people[..] else { unreachable!() };
    let main = conference(&world, ann);
    world.act(bob, ClientMessage::Express { call: main.clone(), hand: Some(true), reaction: None });
    world.act(ann, ClientMessage::Moderate { call: main.clone(), action: Action::Mute { member: 3 } });
    let mut news = News::of(&world);
    breakout(&mut world, ann, start(&[&[2, 3], &[4]]));
    assert_eq!(news.told(&world, ann), "members:-2,-3,-4 breakout", "one message for all who went");
    assert_eq!(news.told(&world, eve), "members:-2,-3,-4 breakout");
    assert_eq!(news.told(&world, bob), "conference:2:Presenter:of2 breakout");
    assert_eq!(place(&world, cyd), (Some(main.clone()), vec![2, 3], Some(1)));
    assert_eq!(place(&world, dan), (Some(main.clone()), vec![4], Some(2)));
    assert_eq!(rooms(&world), [vec![1, 5], vec![2, 3], vec![4]]);
    // Muted is muted, and a hand is up, wherever one is.
    let muted = world.forwarder.legs.values().find(|leg| leg.number == 3).unwrap();
    assert!(muted.barred.contains(&Source::Microphone));
    let seen = world.clients[cyd].log.iter().rev().find_map(|m| match m {
        ServerMessage::Conference { members, .. } => members.iter().find(|m| m.number == 2).cloned(),
        _ => None,
    });
    assert!(seen.unwrap().hand);
    // Groups of two are not put through to each other; who comes late is in the main room.
    world.pass(SECOND * 120);
    assert_eq!(world.rendezvous.stats().calls, 0);
    let fay = world.join("fay", "fay");
    world.act(fay, meet());
    assert_eq!(place(&world, fay), (None, vec![1, 5, 6], None));
    assert_eq!(told(&world, fay).unwrap().yours, None);
    // Called back, with ten seconds' notice.
    breakout(&mut world, ann, BreakoutAction::Recall { seconds: 10 });
    let shown = told(&world, dan).unwrap();
    assert_eq!((shown.seconds, shown.closing), (Some(10), true));
    world.pass(SECOND * 10 - Duration::from_millis(1));
    assert_eq!(world.forwarder.rooms.len(), 3);
    let mut news = News::of(&world);
    world.pass(Duration::from_millis(1));
    assert_eq!(rooms(&world), [vec![1, 2, 3, 4, 5, 6]]);
    assert_eq!(news.told(&world, ann), "breakout members:2,3,4");
    assert_eq!(news.told(&world, dan), "conference:4:Presenter:of6");
    assert_eq!(told(&world, ann), None);
    assert_eq!(conference(&world, dan), main);
    assert_eq!(world.rendezvous.stats().conferences, 1);
}

#[test]
fn owners_go_anywhere_and_see_who_is_where_and_others_only_where_they_were_sent() {
    let (mut world, people) = room(&["ann", "bob", "cyd", "dan"]);
    let [ann, bob, cyd, dan] = people[..] else { unreachable!() };
    breakout(&mut world, ann, start(&[&[2], &[3]]));
    go(&mut world, ann, Some(2));
    assert_eq!(place(&world, ann).1, [1, 3]);
    go(&mut world, cyd, Some(1));
    assert_eq!(error(&world, cyd), ErrorCode::NotAllowed);
    go(&mut world, bob, None);
    assert_eq!(place(&world, bob).1, [2, 4]);
    assert_eq!(told(&world, bob).unwrap().yours, Some(1), "and may go back");
    world.pass(SECOND);
    let seen: Vec<_> =
        told(&world, ann).unwrap().people.iter().map(|it| (it.number, it.group, it.at)).collect();
    assert_eq!(seen, [(1, None, Some(2)), (2, Some(1), None), (3, Some(2), Some(2)), (4, None, None)]);
    assert!(told(&world, bob).unwrap().people.is_empty(), "this is for owners");
    // Who waits knocks at the owner's wherever that is.
    let call = conference(&world, ann);
    world.act(ann, ClientMessage::Moderate { call: call.clone(), action: Action::Lobby { on: true } });
    let eve = world.join("eve", "eve");
    world.act(eve, meet());
    let knock = |m: &ServerMessage| matches!(m, ServerMessage::Knocking { call: of, people } if *of == call && people.len() == 1);
    assert!(world.clients[ann].log.iter().any(knock));
    world.act(ann, ClientMessage::Moderate { call: call.clone(), action: Action::Admit { member: 5 } });
    assert_eq!(place(&world, eve).1, [2, 4, 5]);
    breakout(&mut world, ann, BreakoutAction::Assign { member: 5, group: Some(1) });
    assert_eq!((place(&world, eve).1, place(&world, eve).2), (vec![5], Some(1)));
    breakout(&mut world, ann, BreakoutAction::Say { text: " five minutes ".into() });
    for other in [bob, cyd, dan, eve] {
        let here = conference(&world, other);
        let said = world.clients[other].log.iter().any(|m| match m {
            ServerMessage::Announced { call, from, text } => {
                *call == here && from.as_ref().unwrap().id == "ann" && text == "five minutes"
            }
            _ => false,
        });
        assert!(said, "{other} heard it");
    }
    // A group is not recorded, and the only owner stays one.
    world.act(ann, ClientMessage::Moderate { call: call.clone(), action: Action::Record { on: true } });
    assert_eq!(error(&world, ann), ErrorCode::NotAllowed);
    world.act(ann, ClientMessage::Moderate { call: call.clone(), action: Action::Demote { member: 1 } });
    assert_eq!(error(&world, ann), ErrorCode::WrongState);
    // Whoever is removed from a group does not come back at all.
    world.act(ann, ClientMessage::Moderate { call, action: Action::Remove { member: 3 } });
    assert_eq!(brief(world.clients[cyd].log.last().unwrap()), "ended:removed");
    world.act(cyd, meet());
    assert_eq!(error(&world, cyd), ErrorCode::RoomLocked);
}

#[test]
fn a_reload_and_a_dropped_socket_lead_back_to_the_group_and_a_restart_to_the_main_room() {
    let (mut world, people) = room(&["ann", "bob", "cyd"]);
    let [ann, bob, cyd] = people[..] else { unreachable!() };
    let main = conference(&world, ann);
    breakout(&mut world, ann, start(&[&[2, 3]]));
    let group = conference(&world, bob);
    // The socket drops and is back: nothing is missed.
    world.disconnect(bob, false);
    world.pass(SECOND * 5);
    world.connect(bob);
    world.settle();
    assert_eq!(told(&world, bob).unwrap().at, Some(1));
    // A page that is reloaded comes by the link.
    world.forget(bob);
    world.connect(bob);
    world.settle();
    world.act(bob, meet());
    assert_eq!((conference(&world, bob), place(&world, bob).1), (group.clone(), vec![2, 3]));
    // Or with its ticket, which is the main room's.
    let ticket = |world: &World, at: usize| {
        world.clients[at].log.iter().rev().find_map(|m| match m {
            ServerMessage::Conference { ticket, .. } => Some(ticket.clone()),
            _ => None,
        })
    };
    let held = ticket(&world, cyd).unwrap();
    world.forget(cyd);
    world.connect(cyd);
    world.settle();
    world.act(cyd, ClientMessage::Rejoin { call: main.clone(), ticket: held.clone() });
    assert_eq!((conference(&world, cyd), place(&world, cyd).1), (group.clone(), vec![2, 3]));
    // Somebody is sent to another place while their socket is gone.
    world.disconnect(cyd, false);
    breakout(&mut world, ann, BreakoutAction::Assign { member: 3, group: None });
    world.connect(cyd);
    world.settle();
    assert_eq!((conference(&world, cyd), place(&world, cyd).1), (main.clone(), vec![1, 3]));
    // A server that was restarted knows no groups.
    let held = [ticket(&world, ann).unwrap(), ticket(&world, bob).unwrap()];
    world.restart(config());
    for (who, ticket) in [(bob, &held[1]), (ann, &held[0])] {
        world.connect(who);
        world.settle();
        world.act(who, ClientMessage::Rejoin { call: main.clone(), ticket: ticket.clone() });
    }
    assert_eq!((conference(&world, bob), conference(&world, ann)), (main.clone(), main));
    assert_eq!(place(&world, ann), (None, vec![1, 2], None));
    assert_eq!(told(&world, ann), None);
}

#[test]
fn groups_end_with_their_time_their_people_and_their_room() {
    let (mut world, people) = room(&["ann", "bob", "cyd"]);
    let [ann, bob, cyd] = people[..] else { unreachable!() };
    let limited = BreakoutAction::Start { groups: plan(&[&[], &[]]), rest: true, seconds: Some(60) };
    breakout(&mut world, ann, limited.clone());
    assert_eq!(rooms(&world).iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 1], "one each, by chance");
    world.pass(SECOND * 60);
    assert_eq!(rooms(&world), [vec![1, 2, 3]]);
    // A recall never lengthens the time.
    breakout(&mut world, ann, limited);
    world.pass(SECOND * 55);
    breakout(&mut world, ann, BreakoutAction::Recall { seconds: 10 });
    assert_eq!(told(&world, ann).unwrap().seconds, Some(5));
    world.pass(SECOND * 5);
    assert_eq!(world.rendezvous.stats().conferences, 1);
    // The only owner leaves from a group: somebody moderates, wherever they are.
    breakout(&mut world, ann, start(&[&[1, 2], &[3]]));
    let call = conference(&world, ann);
    world.act(ann, end_of(&call));
    let owns = |m: &ServerMessage| matches!(m, ServerMessage::Role { role: Role::Owner, .. });
    assert!(world.clients[bob].log.iter().any(owns));
    // The forwarder loses a group: everybody is back.
    let lost = world.forwarder.legs.values().find(|leg| leg.number == 3).unwrap().room;
    world.media(MediaEvent::RoomLost { room: lost });
    assert_eq!(rooms(&world), [vec![2, 3]]);
    // An owner ends the meeting from a group.
    breakout(&mut world, bob, start(&[&[2], &[3]]));
    let call = conference(&world, bob);
    world.act(bob, ClientMessage::Moderate { call: call.clone(), action: Action::End });
    for who in [bob, cyd] {
        assert_eq!(brief(world.clients[who].log.last().unwrap()), "ended:closed");
    }
    assert_eq!((world.rendezvous.stats().conferences, world.forwarder.rooms.len()), (0, 0));
    // Everybody leaves from groups: nothing is left.
    for who in [ann, bob, cyd] {
        world.act(who, meet());
    }
    breakout(&mut world, ann, start(&[&[1, 2], &[3]]));
    for who in [ann, bob, cyd] {
        let call = conference(&world, who);
        world.act(who, end_of(&call));
    }
    world.pass(SECOND * 200);
    assert_eq!((world.rendezvous.stats().conferences, world.forwarder.rooms.len()), (0, 0));
}

#[test]
fn what_makes_no_sense_is_refused_in_words() {
    let (mut world, people) = room_with(Config { conferences: Some(3), ..config() }, &["ann", "bob", "cyd"]);
    let [ann, bob, _] = people[..] else { unreachable!() };
    let named = |name: &str| vec![GroupPlan { name: name.into(), members: vec![] }];
    let of = |groups, seconds| BreakoutAction::Start { groups, rest: false, seconds };
    for (action, code) in [
        (start(&[]), ErrorCode::WrongState),
        (start(&[&[9]]), ErrorCode::NoSuchMember),
        (start(&[&[2], &[2]]), ErrorCode::WrongState),
        (of(named(" "), None), ErrorCode::BadName),
        (of(named("a"), Some(0)), ErrorCode::WrongState),
        (of(named("a"), Some(86_401)), ErrorCode::WrongState),
        (start(&[&[], &[], &[]]), ErrorCode::RoomFull),
        (BreakoutAction::Recall { seconds: 1 }, ErrorCode::WrongState),
        (BreakoutAction::Go { group: None }, ErrorCode::WrongState),
    ] {
        breakout(&mut world, ann, action.clone());
        assert_eq!(error(&world, ann), code, "{action:?}");
    }
    breakout(&mut world, bob, start(&[&[1]]));
    assert_eq!(error(&world, bob), ErrorCode::NotAllowed);
    breakout(&mut world, ann, start(&[&[2]]));
    for (action, code) in [
        (start(&[&[3]]), ErrorCode::WrongState),
        (BreakoutAction::Go { group: Some(2) }, ErrorCode::NoSuchMember),
        (BreakoutAction::Go { group: Some(0) }, ErrorCode::NoSuchMember),
        (BreakoutAction::Assign { member: 9, group: Some(1) }, ErrorCode::NoSuchMember),
        (BreakoutAction::Say { text: "x".repeat(2001) }, ErrorCode::WrongState),
        (BreakoutAction::Recall { seconds: 601 }, ErrorCode::WrongState),
    ] {
        breakout(&mut world, ann, action.clone());
        assert_eq!(error(&world, ann), code, "{action:?}");
    }
}

#[test]
fn an_application_divides_rooms_and_is_told_of_it() {
    let (mut world, _) = room_with(Config { notices: true, ..config() }, &["ann", "bob", "cyd"]);
    let act = |action| Admin::Act { room: "r".into(), act: Act::Breakout(action) };
    world.notices.clear();
    let Ok(Reply::Breakout(Some(made))) = world.administer(act(start(&[&[2], &[3]]))) else {
        panic!("the room is divided")
    };
    assert_eq!(made.groups.iter().map(|group| &*group.name).collect::<Vec<_>>(), ["Red", "Blue"]);
    let at: Vec<_> = made.people.iter().map(|it| (it.number, it.at)).collect();
    assert_eq!(at, [(1, None), (2, Some(1)), (3, Some(2))]);
    let Ok(Reply::Members(members)) = world.administer(Admin::Members { room: "r".into() }) else {
        panic!("there are members")
    };
    assert_eq!(members.iter().map(|it| (it.number, it.group)).collect::<Vec<_>>(), at);
    world.administer(act(BreakoutAction::Assign { member: 3, group: Some(1) })).unwrap();
    world.administer(Admin::Act { room: "r".into(), act: Act::Mute(3) }).unwrap();
    world.administer(act(BreakoutAction::Recall { seconds: 0 })).unwrap();
    assert!(matches!(world.administer(Admin::Breakout { room: "r".into() }), Ok(Reply::Breakout(None))));
    let call = world.notices[0].call.clone();
    let kinds: Vec<String> = (world.notices.iter())
        .map(|notice| {
            assert_eq!(notice.call, call, "to an application the room is one");
            match &notice.what {
                What::Divided(groups) => format!("divided:{}", groups.len()),
                What::United => "united".into(),
                What::Moved(member) => format!("{}:{:?}", member.number, member.group),
                other => format!("{other:?}"),
            }
        })
        .collect();
    let expected = ["divided:2", "2:Some(1)", "3:Some(2)", "3:Some(1)", "united", "2:None", "3:None"];
    assert_eq!(kinds, expected);
}
