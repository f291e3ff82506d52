//! Conferences: a third person at a link, who is there, who may do what, and back to a call of two.

use std::time::Duration;

use server::signal::forwarding::{MediaEvent, Source};
use server::signal::protocol::*;
use server::signal::rendezvous::{Config, Rate};

use crate::signal_world::*;

const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn config() -> Config {
    let rate = Rate { burst: 100_000, every: Duration::from_millis(1) };
    Config {
        forwarding: true,
        recording: true,
        messages: rate,
        messages_per_address: rate,
        invites: rate,
        invites_per_address: rate,
        ..Config::default()
    }
}

pub(crate) fn meet() -> ClientMessage {
    ClientMessage::Meet { room: "r".into(), media: MEDIA, encrypted: false }
}

/// People at the link `r`, one after the other; the first two in a call, with a third in a conference. Everybody
/// but the first two of two has offered.
pub(crate) fn room(people: &[&str]) -> (World, Vec<usize>) {
    room_with(config(), people)
}

pub(crate) fn room_with(config: Config, people: &[&str]) -> (World, Vec<usize>) {
    let mut world = World::new(config);
    let clients: Vec<usize> = people.iter().map(|id| world.join(id, id)).collect();
    for client in &clients {
        world.act(*client, meet());
    }
    for client in &clients {
        offer_if_asked(&mut world, *client);
    }
    (world, clients)
}

/// Offers a media connection for the conference of the last `conference`.
fn offer_if_asked(world: &mut World, at: usize) {
    let asked = world.clients[at].log.iter().rev().find(|m| matches!(m, ServerMessage::Conference { .. }));
    if let Some(ServerMessage::Conference { call, .. }) = asked.cloned() {
        world.act(at, offer(&call, "o"));
    }
}

pub(crate) fn conference(world: &World, at: usize) -> CallId {
    let is = |m: &ServerMessage| match m {
        ServerMessage::Conference { call, .. } => Some(call.clone()),
        _ => None,
    };
    world.clients[at].log.iter().rev().find_map(is).expect("it is in a conference")
}

pub(crate) fn end_of(call: &CallId) -> ClientMessage {
    ClientMessage::End { call: call.clone() }
}

/// What somebody is told from now on.
pub(crate) struct News(Vec<usize>);

impl News {
    pub(crate) fn of(world: &World) -> Self {
        Self(world.clients.iter().map(|client| client.log.len()).collect())
    }

    pub(crate) fn told(&mut self, world: &World, at: usize) -> String {
        let news: Vec<String> = world.clients[at].log[self.0[at]..].iter().map(brief).collect();
        self.0[at] = world.clients[at].log.len();
        news.join(" ")
    }
}

#[test]
fn a_third_person_makes_a_conference_of_a_call_that_goes_on_until_both_are_connected() {
    let mut world = World::new(config());
    let [ann, bob, cyd] = ["ann", "bob", "cyd"].map(|id| world.join(id, id));
    world.act(ann, meet());
    world.act(bob, meet());
    let mut news = News::of(&world);
    world.act(cyd, meet());
    assert_eq!(news.told(&world, ann), "conference:1:Owner:of2 member:3");
    assert_eq!(news.told(&world, bob), "conference:2:Presenter:of2 member:3");
    assert_eq!(news.told(&world, cyd), "conference:3:Presenter:of3");
    let (Some(ServerMessage::Started { call: of_two, .. }), call) = (
        world.clients[ann].log.iter().find(|m| matches!(m, ServerMessage::Started { .. })).cloned(),
        conference(&world, ann),
    ) else {
        unreachable!()
    };
    world.act(ann, candidate(&of_two, None));
    assert_eq!(news.told(&world, bob), "candidate", "the call of two goes on");
    world.act(cyd, offer(&call, "o"));
    world.act(ann, offer(&call, "o"));
    assert_eq!(news.told(&world, ann), "member:3:connected description");
    assert_eq!(news.told(&world, bob), "member:3:connected member:1:connected");
    world.act(bob, offer(&call, "o"));
    assert_eq!(news.told(&world, ann), "member:2:connected ended:moved");
    assert_eq!(news.told(&world, bob), "description ended:moved");
    world.pass(SECOND * 100);
    assert_eq!((news.told(&world, ann), news.told(&world, bob)), (String::new(), String::new()));
    assert_eq!((world.rendezvous.stats().calls, world.rendezvous.stats().conferences), (0, 1));
}

#[test]
fn the_call_of_two_ends_after_ten_seconds_even_if_somebody_does_not_connect() {
    let mut world = World::new(config());
    world.forwarder.hesitates = true;
    let clients = ["ann", "bob", "cyd"].map(|id| world.join(id, id));
    for client in clients {
        world.act(client, meet());
    }
    world.pass(SECOND * 10 - Duration::from_millis(1));
    assert_eq!(world.rendezvous.stats().calls, 1);
    world.pass(Duration::from_millis(1));
    assert_eq!(world.rendezvous.stats().calls, 0);
    assert_eq!(brief(world.clients[0].log.last().unwrap()), "ended:moved");
}

#[test]
fn a_hang_up_that_crosses_the_conference_leaves_both() {
    let mut world = World::new(config());
    let [ann, bob, cyd] = ["ann", "bob", "cyd"].map(|id| world.join(id, id));
    world.act(ann, meet());
    world.act(bob, meet());
    let Some(ServerMessage::Started { call: of_two, .. }) = world.clients[ann].log.last().cloned() else {
        unreachable!()
    };
    world.act(cyd, meet());
    let mut news = News::of(&world);
    world.act(ann, end_of(&of_two));
    assert_eq!(news.told(&world, ann), "");
    assert_eq!(news.told(&world, bob), "ended:moved member-left:1:HungUp role:Owner");
    assert_eq!(news.told(&world, cyd), "member-left:1:HungUp member:2");
}

#[test]
fn two_who_remain_go_back_to_a_call_of_two_and_keep_the_conference_until_they_see_each_other() {
    let (mut world, at) = room(&["ann", "bob", "cyd"]);
    let call = conference(&world, at[0]);
    world.act(at[1], end_of(&call));
    let mut news = News::of(&world);
    world.pass(SECOND * 2 - Duration::from_millis(1));
    assert_eq!(news.told(&world, at[0]), "");
    world.pass(Duration::from_millis(1));
    assert_eq!(news.told(&world, at[0]), "started:impolite");
    assert_eq!(news.told(&world, at[2]), "started:polite");
    let Some(ServerMessage::Started { call: of_two, replaces, .. }) =
        world.clients[at[0]].log.last().cloned()
    else {
        unreachable!()
    };
    assert_eq!(replaces, Some(call.clone()));
    world.act(at[0], offer(&of_two, "direct"));
    world.act(at[0], end_of(&call));
    assert_eq!(news.told(&world, at[2]), "description member-left:1:Moved role:Owner");
    world.act(at[2], end_of(&call));
    assert_eq!(world.rendezvous.stats().conferences, 0);
    assert!(world.forwarder.rooms.is_empty() && world.forwarder.legs.is_empty());
    // And the link leads to that call: the next one makes a conference of it.
    world.act(at[1], meet());
    assert_eq!(news.told(&world, at[0]), "conference:1:Owner:of2 member:3");
    assert_eq!(world.rendezvous.stats().conferences, 1);
}

#[test]
fn what_does_not_come_about_in_twenty_seconds_is_not_tried_again() {
    let (mut world, at) = room(&["ann", "bob", "cyd"]);
    let call = conference(&world, at[0]);
    world.act(at[1], end_of(&call));
    let mut news = News::of(&world);
    world.pass(SECOND * 22);
    for who in [at[0], at[2]] {
        assert!(news.told(&world, who).ends_with("ended:timeout"));
    }
    world.pass(SECOND * 3600);
    assert_eq!(news.told(&world, at[0]), "");
    world.act(at[1], meet());
    assert_eq!(news.told(&world, at[0]), "member:4");
    offer_if_asked(&mut world, at[1]);
    let again = conference(&world, at[1]);
    world.act(at[1], end_of(&again));
    world.pass(SECOND * 2);
    assert_eq!(news.told(&world, at[0]), "member:4:connected member-left:4:HungUp started:impolite");
}

#[test]
fn who_comes_while_two_are_on_their_way_finds_them() {
    for left in [0, 1] {
        let (mut world, at) = room(&["ann", "bob", "cyd"]);
        let call = conference(&world, at[0]);
        world.act(at[1], end_of(&call));
        world.pass(SECOND * 2);
        if left == 1 {
            world.act(at[0], end_of(&call));
        }
        let mut news = News::of(&world);
        world.act(at[1], meet());
        let (ann, cyd, bob) = (news.told(&world, at[0]), news.told(&world, at[2]), news.told(&world, at[1]));
        if left == 0 {
            assert_eq!((ann.as_str(), cyd.as_str()), ("ended:moved member:4", "ended:moved member:4"));
            assert_eq!(bob, "conference:4:Presenter:of3");
        } else {
            assert_eq!(ann, "conference:1:Owner:of2 member:3");
            assert_eq!(cyd, "ended:moved conference:2:Presenter:of2 member:3");
            assert_eq!(bob, "conference:3:Presenter:of3");
        }
        assert_eq!(world.rendezvous.stats().conferences, 1);
    }
}

#[test]
fn a_call_that_was_not_made_at_a_link_can_be_opened() {
    let mut world = World::new(config());
    let [ann, bob, cyd] = ["ann", "bob", "cyd"].map(|id| world.join(id, id));
    world.act(ann, invite('1', "bob"));
    world.act(bob, accept('1'));
    world.act(cyd, ClientMessage::Open { call: id('1') });
    assert_eq!(brief(world.clients[cyd].log.last().unwrap()), "error:no-such-call");
    world.act(bob, ClientMessage::Open { call: id('1') });
    let Some(ServerMessage::Opened { room, .. }) = world.clients[ann].log.last().cloned() else {
        panic!("both are told");
    };
    world.act(cyd, ClientMessage::Meet { room: room.clone(), media: MEDIA, encrypted: false });
    assert_eq!(brief(world.clients[bob].log.iter().rev().nth(1).unwrap()), "conference:1:Owner:of2");
    let call = conference(&world, cyd);
    world.act(cyd, ClientMessage::Open { call });
    assert!(
        matches!(world.clients[cyd].log.last(), Some(ServerMessage::Opened { room: r, .. }) if *r == room)
    );
}

#[test]
fn who_knows_no_conferences_is_left_in_peace() {
    let mut world = World::new(config());
    let [ann, bob, cyd] = ["ann", "bob", "cyd"].map(|id| world.add(id, id));
    world.clients[ann].conferences = false;
    for client in [ann, bob, cyd] {
        world.connect(client);
        world.settle();
        world.act(client, meet());
    }
    assert_eq!(brief(world.clients[cyd].log.last().unwrap()), "error:room-full");
    assert_eq!(world.rendezvous.stats().conferences, 0);
    let (mut world, _) = room(&["bob", "cyd", "dee"]);
    let ann = world.add("ann", "ann");
    world.clients[ann].conferences = false;
    world.connect(ann);
    world.settle();
    world.act(ann, meet());
    assert_eq!(brief(world.clients[ann].log.last().unwrap()), "error:room-full");
}

#[test]
fn a_reload_keeps_the_number_and_what_others_want_to_see() {
    let (mut world, at) = room(&["ann", "bob", "cyd"]);
    let call = conference(&world, at[0]);
    let want = Some(Want { member: 3, source: Picture::Camera, height: 360 });
    world.act(at[0], ClientMessage::Layout { call: call.clone(), slots: vec![None, want] });
    let (old, viewer) = (world.forwarder.leg(3), world.forwarder.leg(1));
    assert_eq!(world.forwarder.legs[&viewer].layout[1].unwrap().leg, old);
    world.forget(at[2]);
    world.connect(at[2]);
    world.settle();
    let mut news = News::of(&world);
    world.act(at[2], meet());
    assert_eq!(news.told(&world, at[2]), "conference:3:Presenter:of3");
    assert_eq!(news.told(&world, at[0]), "member:3");
    let new = world.forwarder.leg(3);
    assert_ne!(old, new);
    assert_eq!(
        world.forwarder.legs[&viewer].layout[1].unwrap().leg,
        new,
        "what was wanted is wanted of the new leg"
    );
    assert_eq!(world.forwarder.legs.len(), 3);
    world.pass(SECOND * 70);
    assert_eq!(world.rendezvous.stats().members, 3, "the ghost's session ends without them");
}

#[test]
fn a_failed_media_connection_begins_anew_when_the_client_says_so() {
    let (mut world, at) = room(&["ann", "bob", "cyd"]);
    let call = conference(&world, at[1]);
    let leg = world.forwarder.leg(2);
    let mut news = News::of(&world);
    world.media(MediaEvent::Lost { leg, over: false });
    assert_eq!(news.told(&world, at[0]), "member:2");
    world.media(MediaEvent::Connected { leg });
    assert_eq!(news.told(&world, at[0]), "member:2:connected");
    world.media(MediaEvent::Lost { leg, over: true });
    world.act(at[1], offer(&call, "o"));
    assert_eq!(news.told(&world, at[1]), "error:wrong-state");
    let Some(ServerMessage::Conference { ticket, .. }) = world.clients[at[1]]
        .log
        .iter()
        .rev()
        .find(|m| matches!(m, ServerMessage::Conference { .. }))
        .cloned()
    else {
        unreachable!()
    };
    world.act(at[1], ClientMessage::Rejoin { call: call.clone(), ticket });
    world.act(at[1], offer(&call, "o"));
    assert_eq!(news.told(&world, at[1]), "conference:2:Presenter:of3 description");
    assert_ne!(world.forwarder.leg(2), leg);
    world.act(at[1], offer(&call, "bad"));
    assert_eq!(news.told(&world, at[1]), "error:bad-description");
}

fn secret(encrypted: bool) -> ClientMessage {
    ClientMessage::Meet { room: "r".into(), media: MEDIA, encrypted }
}

/// What the last `conference` says of the room, and the ticket that brings its reader back.
fn last_encryption(world: &World, at: usize) -> Option<bool> {
    world.clients[at].log.iter().rev().find_map(|message| match message {
        ServerMessage::Conference { encrypted, .. } => Some(*encrypted),
        _ => None,
    })
}

#[test]
fn an_encrypted_room_stays_one_after_restarts_in_a_call_and_in_a_conference() {
    for encrypted in [true, false] {
        let mut world = World::new(config());
        let at: Vec<usize> = ["ann", "bob", "cyd"].iter().map(|id| world.join(id, id)).collect();
        let come_again = |world: &mut World, who: &[usize], call: &CallId, tickets: &[Secret]| {
            world.restart(config());
            for (who, ticket) in who.iter().zip(tickets) {
                world.connect(*who);
                world.settle();
                world.act(*who, ClientMessage::Rejoin { call: call.clone(), ticket: ticket.clone() });
            }
        };
        for who in &at[..2] {
            world.act(*who, secret(encrypted));
        }
        let started = |who: &usize| {
            world.clients[*who].log.iter().rev().find_map(|message| match message {
                ServerMessage::Started { call, ticket, .. } => Some((call.clone(), ticket.clone())),
                _ => None,
            })
        };
        let (calls, tickets): (Vec<_>, Vec<_>) = at[..2].iter().filter_map(started).unzip();
        come_again(&mut world, &at[..2], &calls[0], &tickets);
        world.connect(at[2]);
        world.settle();
        world.act(at[2], secret(!encrypted));
        assert_eq!(world.clients[at[2]].log.last().map(brief).as_deref(), Some("error:encryption"));
        world.act(at[2], secret(encrypted));
        assert_eq!(last_encryption(&world, at[2]), Some(encrypted));
        let call = conference(&world, at[2]);
        let tickets: Vec<Secret> = at.iter().map(|who| last_ticket(&world, *who)).collect();
        come_again(&mut world, &at, &call, &tickets);
        for who in &at {
            assert_eq!(last_encryption(&world, *who), Some(encrypted));
        }
        let dee = world.join("dee", "dee");
        world.act(dee, secret(!encrypted));
        assert_eq!(world.clients[dee].log.last().map(brief).as_deref(), Some("error:encryption"));
    }
}

#[test]
fn after_a_restart_everybody_comes_back_to_their_number_and_role() {
    let (mut world, at) = room(&["ann", "bob", "cyd", "dee"]);
    let call = conference(&world, at[0]);
    let tickets: Vec<Secret> = at.iter().map(|at| last_ticket(&world, *at)).collect();
    world.restart(config());
    for client in &at {
        world.connect(*client);
        world.settle();
    }
    let mut news = News::of(&world);
    // The owner comes last; meanwhile nobody else becomes one, and two alone stay.
    for who in [3, 1] {
        world.act(at[who], ClientMessage::Rejoin { call: call.clone(), ticket: tickets[who].clone() });
    }
    assert_eq!(news.told(&world, at[3]), "conference:4:Presenter:of1 member:2");
    assert_eq!(news.told(&world, at[1]), "conference:2:Presenter:of2");
    world.pass(SECOND * 30);
    assert_eq!(news.told(&world, at[1]), "");
    world.act(at[0], ClientMessage::Rejoin { call: call.clone(), ticket: tickets[0].clone() });
    assert_eq!(news.told(&world, at[0]), "conference:1:Owner:of3");
    world.act(at[2], meet());
    assert_eq!(news.told(&world, at[2]), "conference:5:Presenter:of4", "the link leads there, too");
    world.act(at[2], ClientMessage::Rejoin { call: call.clone(), ticket: tickets[3].clone() });
    assert_eq!(news.told(&world, at[2]), "error:bad-ticket", "somebody else's");
    world.pass(SECOND * 60);
    let owners = world.clients[at[1]].log.iter().filter(|m| brief(m).starts_with("role")).count();
    assert_eq!(owners, 0);
}

#[test]
fn without_the_owner_the_one_who_is_back_longest_moderates_in_the_end() {
    let (mut world, at) = room(&["ann", "bob", "cyd", "dee"]);
    let call = conference(&world, at[0]);
    let tickets: Vec<Secret> = at.iter().map(|at| last_ticket(&world, *at)).collect();
    world.restart(config());
    for client in &at {
        world.connect(*client);
        world.settle();
    }
    for who in [3, 2, 1] {
        world.act(at[who], ClientMessage::Rejoin { call: call.clone(), ticket: tickets[who].clone() });
    }
    let mut news = News::of(&world);
    world.pass(SECOND * 59);
    assert_eq!(news.told(&world, at[1]), "");
    world.pass(SECOND);
    assert_eq!(news.told(&world, at[1]), "role:Owner");
}

fn last_ticket(world: &World, at: usize) -> Secret {
    let ticket = |m: &ServerMessage| match m {
        ServerMessage::Conference { ticket, .. } | ServerMessage::Role { ticket, .. } => Some(ticket.clone()),
        _ => None,
    };
    world.clients[at].log.iter().rev().find_map(ticket).expect("it was given a ticket")
}

#[test]
fn hands_reactions_and_what_is_of_the_moment() {
    let (mut world, at) = room(&["ann", "bob", "cyd"]);
    let call = conference(&world, at[0]);
    let mut news = News::of(&world);
    let express = |hand, reaction: Option<&str>| ClientMessage::Express {
        call: call.clone(),
        hand,
        reaction: reaction.map(str::to_owned),
    };
    world.act(at[0], express(Some(true), Some("👏🏽")));
    assert_eq!(news.told(&world, at[1]), "member:1:connected expressed");
    world.act(at[0], express(None, Some("no")));
    assert_eq!(news.told(&world, at[0]), "error:wrong-state");
    // Without a socket nothing of the moment piles up; on the next socket it is told once, as it is now.
    let legs = [1, 2, 3].map(|number| world.forwarder.leg(number));
    let room = world.forwarder.legs[&legs[0]].room;
    world.act(
        at[1],
        ClientMessage::Layout {
            call: call.clone(),
            slots: vec![Some(Want { member: 1, source: Picture::Screen, height: 9 })],
        },
    );
    world.disconnect(at[1], false);
    let dee = world.join("dee", "dee");
    world.act(dee, meet());
    for round in 0..1000 {
        let raised =
            ClientMessage::Express { call: call.clone(), hand: Some(round % 2 == 0), reaction: None };
        world.act(at[0], raised);
        world.media(MediaEvent::Speaking { room, legs: if round % 2 == 0 { vec![legs[0]] } else { vec![] } });
        world.media(MediaEvent::Voices { leg: legs[1], slots: vec![Some(legs[round % 2 * 2]), None] });
        world.media(MediaEvent::Shown { leg: legs[1], slot: 0, source: Some((legs[0], Source::Screen)) });
        world.media(MediaEvent::Wanted { leg: legs[1], rids: vec!["h".into()] });
    }
    world.connect(at[1]);
    world.settle();
    let log = &world.clients[at[1]].log;
    let last = &log[log.len() - 4..];
    assert_eq!(news.told(&world, at[1]), "member:1:connected member:4 speaking voices shown wanted");
    assert!(matches!(&last[0], ServerMessage::Speaking { members, .. } if members.is_empty()));
    assert!(matches!(&last[1], ServerMessage::Voices { slots, .. } if *slots == [Some(3), None]));
    let screen = Some(View { member: 1, source: Picture::Screen });
    assert!(matches!(&last[2], ServerMessage::Shown { slot: 0, source, .. } if *source == screen));
    assert!(matches!(&last[3], ServerMessage::Wanted { rids, .. } if *rids == ["h"]));
    assert!(world.clients[at[1]].refused.is_empty());
}

#[test]
fn limits_hold() {
    let config = Config { members_per_conference: 3, conferences: Some(1), lobby_places: 1, ..config() };
    let mut world = World::new(config);
    let clients: Vec<usize> = ["a", "b", "c", "d", "e", "f"].map(|id| world.join(id, id)).into();
    for client in &clients[..4] {
        world.act(*client, meet());
    }
    let last = |world: &World, client: usize| brief(world.clients[clients[client]].log.last().unwrap());
    assert_eq!(last(&world, 3), "error:room-full");
    for client in &clients[3..] {
        world.act(*client, ClientMessage::Meet { room: "other".into(), media: MEDIA, encrypted: false });
    }
    assert_eq!(last(&world, 5), "error:room-full", "one conference is enough");
    world.lose_room();
    assert_eq!(last(&world, 2), "ended:closed");
    assert_eq!(world.rendezvous.stats().calls, 2, "the call of two goes on without it");
    world.act(clients[0], ClientMessage::Layout { call: id('x'), slots: vec![None; 50] });
    assert_eq!(world.clients[clients[0]].refused, [Refusal::Limit]);
}
