//! In a large conference changes wait for others, and are told together.

use std::time::Duration;

use server::signal::protocol::*;
use server::signal::rendezvous::Config;

use crate::signal_conference::{News, conference, config, end_of, meet, room_with};
use crate::signal_world::*;

/// Three make a conference, and the fourth makes it a large one.
fn four() -> (World, Vec<usize>) {
    let config = Config { told_at_once: 3, ..config() };
    let (mut world, at) = room_with(config, &["ann", "bob", "cyd", "dan"]);
    world.pass(Duration::from_secs(1));
    (world, at)
}

#[test]
fn who_comes_and_connects_in_the_meantime_is_told_once_and_with_others() {
    let (mut world, at) = four();
    let mut news = News::of(&world);
    let [eve, fay] = ["eve", "fay"].map(|id| world.join(id, id));
    world.act(eve, meet());
    world.act(eve, offer(&conference(&world, eve), "o"));
    world.pass(Duration::from_millis(4));
    world.act(fay, meet());
    assert_eq!(news.told(&world, at[0]), "", "five wait five milliseconds");
    world.pass(Duration::from_millis(1));
    assert_eq!(news.told(&world, at[0]), "members:5:connected,6");
    assert_eq!(brief(world.clients[eve].log.last().unwrap()), "member:6", "one is not told of oneself");
    world.pass(Duration::from_secs(1));
    assert_eq!(news.told(&world, at[0]), "", "and nothing twice");
}

#[test]
fn as_long_as_others_keep_coming_they_are_told_less_often() {
    let (mut world, at) = four();
    let mut news = News::of(&world);
    let come = |world: &mut World, id| {
        let one = world.join(id, id);
        world.act(one, meet());
    };
    come(&mut world, "eve");
    world.pass(Duration::from_millis(5));
    assert_eq!(news.told(&world, at[0]), "member:5", "the first after a quiet time");
    come(&mut world, "fay");
    world.pass(Duration::from_millis(40));
    come(&mut world, "gil");
    world.pass(Duration::from_millis(19));
    assert_eq!(
        news.told(&world, at[0]),
        "",
        "sixty milliseconds for the six who were there when it was waited for"
    );
    world.pass(Duration::from_millis(1));
    assert_eq!(news.told(&world, at[0]), "members:6,7");
}

#[test]
fn who_leaves_is_told_with_others_and_a_small_conference_is_told_at_once() {
    let (mut world, at) = four();
    let mut news = News::of(&world);
    let [eve, fay] = ["eve", "fay"].map(|id| world.join(id, id));
    world.act(eve, meet());
    world.act(fay, meet());
    world.act(eve, end_of(&conference(&world, eve)));
    world.act(at[2], end_of(&conference(&world, at[2])));
    assert_eq!(news.told(&world, at[0]), "");
    world.pass(Duration::from_millis(5));
    assert_eq!(news.told(&world, at[0]), "members:-3,-5,6");
    world.act(fay, end_of(&conference(&world, fay)));
    let call = conference(&world, at[1]);
    world.act(at[1], ClientMessage::Express { call, hand: Some(true), reaction: None });
    assert_eq!(news.told(&world, at[0]), "member-left:6:HungUp member:2:connected");
    world.pass(Duration::from_secs(1));
    assert_eq!(news.told(&world, at[0]), "", "nothing is left to be told");
}

#[test]
fn a_conference_that_becomes_small_is_told_what_waited() {
    let (mut world, at) = four();
    let mut news = News::of(&world);
    let call = conference(&world, at[1]);
    world.act(at[1], ClientMessage::Express { call: call.clone(), hand: Some(true), reaction: None });
    assert_eq!(news.told(&world, at[0]), "");
    world.act(at[3], end_of(&call));
    assert_eq!(news.told(&world, at[0]), "members:-4,2:connected");
}

#[test]
fn who_is_away_when_it_is_told_hears_it_when_back_and_of_nobody_who_has_gone() {
    let (mut world, at) = four();
    let [eve, fay] = ["eve", "fay"].map(|id| world.join(id, id));
    world.act(eve, meet());
    world.disconnect(at[0], false);
    world.act(fay, meet());
    world.pass(Duration::from_secs(1));
    world.act(fay, end_of(&conference(&world, fay)));
    let mut news = News::of(&world);
    world.connect(at[0]);
    world.settle();
    let told = news.told(&world, at[0]);
    assert!(told.contains("member:5") && !told.contains(":6"), "{told}");
}

#[test]
fn many_are_told_of_page_by_page() {
    let config = Config { told_at_once: 3, members_per_message: 2, ..config() };
    let (mut world, at) = room_with(config, &["ann", "bob", "cyd", "dan"]);
    world.pass(Duration::from_secs(1));
    let late: Vec<usize> = ["eve", "fay", "gil"].iter().map(|id| world.join(id, id)).collect();
    let mut news = News::of(&world);
    for one in &late {
        world.act(*one, meet());
    }
    let told = "conference:7:Presenter:of2 members:2:connected,3:connected members:4:connected,5 members:6";
    assert_eq!(news.told(&world, late[2]), told);
    world.pass(Duration::from_millis(7));
    assert_eq!(news.told(&world, at[0]), "members:5,6 member:7");
}
