//! Meeting at a link: reloads, ghosts, and who comes after.

use std::time::Duration;

use server::signal::protocol::*;
use server::signal::rendezvous::Config;

use crate::signal_world::*;

fn meet() -> ClientMessage {
    ClientMessage::Meet { room: "r".into(), media: MEDIA, encrypted: false }
}

fn told(world: &World, at: usize) -> Vec<String> {
    world.clients[at].log.iter().map(brief).collect()
}

#[test]
fn one_who_reloads_while_waiting_does_not_meet_their_own_ghost() {
    let mut world = World::new(Config::default());
    let ann = world.join("ann", "Ann");
    world.act(ann, meet());
    world.forget(ann);
    world.connect(ann);
    world.settle();
    world.act(ann, meet());
    assert_eq!(told(&world, ann), ["waiting", "waiting"]);
    let bob = world.join("bob", "Bob");
    world.act(bob, meet());
    assert_eq!(told(&world, bob), ["started:polite"]);
}

#[test]
fn two_tabs_of_one_person_meet() {
    let mut world = World::new(Config::default());
    let (one, two) = (world.join("ann", "Ann"), world.join("ann", "Ann"));
    world.act(one, meet());
    world.act(two, meet());
    assert_eq!((told(&world, one).len(), told(&world, two).len()), (2, 1));
}

#[test]
fn one_without_a_socket_is_met_once_back() {
    let mut world = World::new(Config::default());
    let (ann, bob) = (world.join("ann", "Ann"), world.join("bob", "Bob"));
    world.act(ann, meet());
    world.disconnect(ann, false);
    world.act(bob, meet());
    assert_eq!(told(&world, bob), ["waiting"], "nobody is put through to a page that may be closed");
    world.connect(ann);
    world.settle();
    assert_eq!(told(&world, ann), ["waiting", "started:polite"]);
    assert_eq!(told(&world, bob), ["waiting", "started:impolite"]);
}

#[test]
fn a_reload_in_a_room_takes_the_old_place_and_a_third_stays_out() {
    let mut world = World::new(Config::default());
    let (ann, bob, dee) = (world.join("ann", "Ann"), world.join("bob", "Bob"), world.join("dee", "Dee"));
    world.act(ann, meet());
    world.act(bob, meet());
    world.forget(bob);
    world.act(dee, meet());
    assert_eq!(told(&world, dee), ["error:room-full"], "the place is kept");
    world.connect(bob);
    world.settle();
    world.act(bob, meet());
    assert_eq!(told(&world, bob).last().unwrap(), "started:polite:rejoined");
    assert_eq!(told(&world, ann).last().unwrap(), "started:impolite:rejoined");
    let ServerMessage::Started { call, .. } = world.clients[bob].log.last().unwrap().clone() else {
        unreachable!()
    };
    world.act(bob, ClientMessage::End { call });
    world.act(dee, meet());
    assert_eq!(told(&world, dee), ["error:room-full", "waiting"], "the room is free again");
    world.pass(Duration::from_secs(3600));
    assert_eq!(world.rendezvous.stats().rooms, 1);
}

fn secret(encrypted: bool) -> ClientMessage {
    ClientMessage::Meet { room: "r".into(), media: MEDIA, encrypted }
}

#[test]
fn the_first_at_a_link_decides_whether_it_is_encrypted() {
    for first in [false, true] {
        let mut world = World::new(Config::default());
        let (ann, bob, cyd) = (world.join("ann", "Ann"), world.join("bob", "Bob"), world.join("cyd", "Cyd"));
        world.act(ann, secret(first));
        world.act(bob, secret(!first));
        assert_eq!(told(&world, bob), ["error:encryption"], "{first}");
        world.act(bob, secret(first));
        assert_eq!(told(&world, bob)[1..], ["started:polite"], "{first}");
        world.act(cyd, secret(!first));
        assert_eq!(told(&world, cyd), ["error:encryption"], "a call is there: {first}");
        // When nobody is there any more the link is free for either.
        let call = last_call(&world, ann);
        world.act(ann, ClientMessage::End { call });
        world.act(cyd, secret(!first));
        assert_eq!(told(&world, cyd)[1..], ["waiting"], "{first}");
    }
}

fn last_call(world: &World, at: usize) -> CallId {
    let started = |message: &ServerMessage| match message {
        ServerMessage::Started { call, .. } => Some(call.clone()),
        _ => None,
    };
    world.clients[at].log.iter().rev().find_map(started).expect("they are in a call")
}
