//! Rooms that applications set up, join tokens, and what applications do and are told.

use std::collections::BTreeSet;
use std::time::Duration;

use server::signal::admin::*;
use server::signal::bus::Grant;
use server::signal::forwarding::Source;
use server::signal::protocol::{ClientMessage, Door, EndReason, ErrorCode, Role, Secret, ServerMessage};
use server::signal::recording::RecordingEvent;
use server::signal::rendezvous::Config;

use crate::signal_conference::{News, conference, meet};
use crate::signal_world::*;

const SECOND: Duration = Duration::from_secs(1);

fn config() -> Config {
    Config { forwarding: true, notices: true, ..Config::default() }
}

fn settings() -> Settings {
    Settings {
        title: Some("Physics".into()),
        entry: Entry::Open,
        locked: false,
        role: Role::Attendee,
        members: None,
        empty_timeout: Some(60),
        ends: None,
        watching: false,
        encrypted: false,
    }
}

fn kept(settings: Settings) -> Kept {
    Kept { room: "r".into(), settings, ends_in: None, call: None }
}

fn create(world: &mut World, settings: Settings) -> Room {
    let reply = world.administer(Admin::Create { kept: kept(settings), replace: false });
    let Ok(Reply::Room(room, true)) = reply else { panic!("{reply:?}") };
    *room
}

fn world_with(settings: Settings) -> World {
    let mut world = World::new(config());
    create(&mut world, settings);
    world
}

/// Somebody with a join token for `room`.
fn invited(world: &mut World, id: &str, room: &str, role: Role) -> usize {
    let at = world.add(id, id);
    world.clients[at].grant =
        Some(Box::new(Grant { room: room.into(), role, subject: Some(format!("user {id}")) }));
    world.connect(at);
    world.settle();
    at
}

fn act(world: &mut World, act: Act) -> Result<Reply, ErrorCode> {
    world.administer(Admin::Act { room: "r".into(), act })
}

fn members(world: &mut World) -> Vec<Member> {
    match world.administer(Admin::Members { room: "r".into() }) {
        Ok(Reply::Members(members)) => members,
        other => panic!("{other:?}"),
    }
}

fn told(world: &World, at: usize) -> String {
    world.clients[at].log.iter().map(brief).collect::<Vec<_>>().join(" ")
}

/// What applications were told, and forgets it.
fn notices(world: &mut World) -> String {
    let word = |notice: Notice| match notice.what {
        What::Started => "started".to_owned(),
        What::Ended(why) => format!("ended:{why:?}"),
        What::Deleted(why) => format!("deleted:{why:?}"),
        What::Joined(who) => format!("joined:{}:{:?}", who.number, who.role),
        What::Left(who, why) => format!("left:{}:{why:?}", who.number),
        What::Role(who) => format!("role:{}:{:?}", who.number, who.role),
        What::Hand(who) => format!("hand:{}:{}", who.number, who.hand),
        What::Knock(who) => format!("knock:{}", who.number),
        What::Moved(member) => format!("moved {}", member.number),
        What::Divided(groups) => format!("divided {}", groups.len()),
        What::United => "united".into(),
        What::Recording(_) => "recording".into(),
        What::Recorded { .. } => "recorded".into(),
    };
    std::mem::take(&mut world.notices).into_iter().map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_lecture_has_listeners_who_are_given_the_floor() {
    let mut world = world_with(settings());
    let bob = world.join("bob", "Bob");
    world.act(bob, meet());
    // Alone in the room, and no owner for that: the application says who moderates.
    assert_eq!(told(&world, bob), "conference:1:Attendee:of1");
    let prof = invited(&mut world, "prof", "r", Role::Owner);
    world.act(prof, meet());
    assert_eq!(told(&world, prof), "conference:2:Owner:of2");
    let Some(ServerMessage::Conference { listeners, title, .. }) = world.clients[prof].log.first() else {
        panic!("no conference")
    };
    assert_eq!((*listeners, title.as_deref()), (true, Some("Physics")));
    let leg = world.forwarder.leg(1);
    assert_eq!(world.forwarder.legs[&leg].barred, BTreeSet::from(Source::ALL));
    world.pass(SECOND * 30);
    assert_eq!(world.rendezvous.stats().conferences, 1, "two in a lecture stay in it");

    let call = conference(&world, bob);
    let hand = ClientMessage::Express { call: call.clone(), hand: Some(true), reaction: None };
    world.act(bob, hand);
    assert!(members(&mut world)[0].hand);
    assert!(matches!(act(&mut world, Act::Role(1, Role::Presenter)), Ok(Reply::Members(_))));
    assert!(world.forwarder.legs[&leg].barred.is_empty());
    act(&mut world, Act::LowerHand(1)).unwrap();
    act(&mut world, Act::Rename(1, "Robert".into())).unwrap();
    act(&mut world, Act::Mute(1)).unwrap();
    assert_eq!(world.forwarder.legs[&leg].barred, BTreeSet::from([Source::Microphone]));
    let robert = &members(&mut world)[0];
    assert_eq!((&*robert.person.name, robert.hand, robert.muted), ("Robert", false, true));
    assert_eq!(members(&mut world)[1].subject.as_deref(), Some("user prof"));

    act(&mut world, Act::Remove(1)).unwrap();
    assert!(told(&world, bob).ends_with("ended:removed"));
    world.act(bob, meet());
    assert!(told(&world, bob).ends_with("error:room-locked"), "who was removed does not come back");
    assert_eq!(world.administer(Admin::End { room: "r".into() }), Ok(Reply::Done));
    assert!(told(&world, prof).ends_with("ended:closed"));
    assert_eq!(world.administer(Admin::End { room: "r".into() }), Err(ErrorCode::NoSuchCall));
    assert_eq!(
        notices(&mut world),
        "started joined:1:Attendee joined:2:Owner hand:1:true role:1:Presenter hand:1:false left:1:Removed \
         left:2:Closed ended:Closed deleted:Ended"
    );
    let stats = world.rendezvous.stats();
    assert_eq!((stats.conferences, stats.rooms, stats.members, stats.kept), (0, 0, 0, 0));
}

/// Who may come into a room of this kind, one after the other, and what each is told.
#[track_caller]
fn check_doors(settings: Settings, expected: [&str; 4]) {
    let mut world = world_with(settings.clone());
    let guest = world.join("guest", "Guest");
    let elsewhere = invited(&mut world, "elsewhere", "other", Role::Owner);
    let member = invited(&mut world, "member", "r", Role::Presenter);
    let owner = invited(&mut world, "owner", "r", Role::Owner);
    for at in [guest, elsewhere, member, owner] {
        world.act(at, meet());
    }
    let got = [guest, elsewhere, member, owner].map(|at| {
        world.clients[at].log.iter().map(brief).find(|word| !word.starts_with("member")).unwrap_or_default()
    });
    assert_eq!(got, expected.map(str::to_owned), "{settings:?}");
}

#[test]
fn doors() {
    let with = |entry, locked, members| Settings { entry, locked, members, ..settings() };
    check_doors(
        with(Entry::Open, false, None),
        [
            "conference:1:Attendee:of1",
            "conference:2:Attendee:of2",
            "conference:3:Presenter:of3",
            "conference:4:Owner:of4",
        ],
    );
    check_doors(
        with(Entry::Lobby, false, None),
        ["lobby", "lobby", "conference:3:Presenter:of1", "conference:4:Owner:of2"],
    );
    check_doors(
        with(Entry::Token, false, None),
        ["error:needs-token", "error:needs-token", "conference:1:Presenter:of1", "conference:2:Owner:of2"],
    );
    check_doors(
        with(Entry::Open, true, None),
        ["error:room-locked", "error:room-locked", "error:room-locked", "conference:1:Owner:of1"],
    );
    check_doors(
        with(Entry::Open, false, Some(2)),
        ["conference:1:Attendee:of1", "conference:2:Attendee:of2", "error:room-full", "error:room-full"],
    );
}

#[test]
fn whoever_is_turned_away_begins_nothing() {
    let mut world = world_with(Settings { entry: Entry::Token, ..settings() });
    let guest = world.join("guest", "Guest");
    world.act(guest, meet());
    assert_eq!(notices(&mut world), "");
    assert_eq!(world.rendezvous.stats().conferences, 0);
}

#[test]
fn an_application_admits_and_denies() {
    let mut world = world_with(Settings { entry: Entry::Lobby, role: Role::Presenter, ..settings() });
    let [ann, bob] = ["ann", "bob"].map(|id| world.join(id, id));
    world.act(ann, meet());
    world.act(bob, meet());
    let Ok(Reply::Waiting(waiting)) = world.administer(Admin::Lobby { room: "r".into() }) else { panic!() };
    assert_eq!(
        waiting.iter().map(|it| (it.number, &*it.person.name)).collect::<Vec<_>>(),
        [(1, "ann"), (2, "bob")]
    );
    assert_eq!(act(&mut world, Act::Admit(9)), Err(ErrorCode::NoSuchMember));
    assert!(matches!(act(&mut world, Act::Admit(1)), Ok(Reply::Members(it)) if it[0].number == 1));
    act(&mut world, Act::Deny(2)).unwrap();
    assert_eq!(told(&world, ann), "lobby conference:1:Presenter:of1");
    assert_eq!(told(&world, bob), "lobby ended:declined");
    assert_eq!(notices(&mut world), "started knock:1 knock:2 joined:1:Presenter");
    // A change of the doors is one of the room that is on, too.
    let open = Settings { entry: Entry::Open, title: None, ..settings() };
    world.administer(Admin::Create { kept: kept(open.clone()), replace: true }).unwrap();
    let Ok(Reply::Room(room, _)) = world.administer(Admin::Get { room: "r".into() }) else { panic!() };
    assert_eq!((room.settings, room.members), (open, 1));
    assert!(told(&world, ann).ends_with("settings:false:false"));
}

#[test]
fn a_room_goes_when_it_is_empty_for_its_time_or_its_end_has_come() {
    let mut world = world_with(settings());
    world.pass(SECOND * 59);
    let bob = world.join("bob", "Bob");
    world.act(bob, meet());
    world.pass(SECOND * 600);
    assert_eq!(world.rendezvous.stats().kept, 1, "somebody is in it");
    let call = conference(&world, bob);
    world.act(bob, ClientMessage::End { call });
    world.pass(Duration::from_millis(59_999));
    assert_eq!(world.rendezvous.stats().kept, 1);
    world.pass(Duration::from_millis(1));
    assert_eq!(world.rendezvous.stats().kept, 0);
    assert_eq!(notices(&mut world), "started joined:1:Attendee left:1:HungUp ended:Closed deleted:Empty");

    let kept = Kept { ends_in: Some(SECOND * 90), ..kept(settings()) };
    world.administer(Admin::Create { kept, replace: false }).unwrap();
    world.act(bob, meet());
    world.pass(SECOND * 89);
    assert!(told(&world, bob).ends_with("conference:1:Attendee:of1"));
    world.pass(SECOND);
    assert!(told(&world, bob).ends_with("ended:closed"));
    assert!(notices(&mut world).ends_with("left:1:Closed ended:Closed deleted:Time"));
}

#[test]
fn creating_again_changes_nothing_and_creating_otherwise_is_a_conflict() {
    let mut world = world_with(settings());
    let again = world.administer(Admin::Create { kept: kept(settings()), replace: false });
    assert!(matches!(again, Ok(Reply::Room(_, false))));
    let other = Settings { locked: true, ..settings() };
    let again = world.administer(Admin::Create { kept: kept(other), replace: false });
    assert_eq!(again, Err(ErrorCode::WrongState));
    let bad = Kept { room: "a b".into(), ..kept(settings()) };
    assert_eq!(world.administer(Admin::Create { kept: bad, replace: false }), Err(ErrorCode::BadRoom));
    assert_eq!(act(&mut world, Act::MuteAll), Ok(Reply::Done), "nobody is there to be muted");
    assert_eq!(act(&mut world, Act::Mute(1)), Err(ErrorCode::NoSuchMember));
    assert_eq!(world.administer(Admin::Get { room: "x".into() }), Err(ErrorCode::NoSuchCall));

    let mut world = World::new(Config { kept_rooms: 1, ..config() });
    create(&mut world, settings());
    let second = Kept { room: "s".into(), ..kept(settings()) };
    let second = world.administer(Admin::Create { kept: second, replace: false });
    assert_eq!(second, Err(ErrorCode::RoomFull));
}

#[test]
fn rooms_are_listed_by_name_in_pages() {
    let mut world = World::new(config());
    for room in ["c", "a", "e"] {
        let kept = Kept { room: room.into(), ..kept(settings()) };
        world.administer(Admin::Create { kept, replace: false }).unwrap();
    }
    // Three people make a room of their own; two in a call of theirs are nobody's business.
    for (room, people) in [("d", 3), ("b", 2)] {
        for number in 0..people {
            let at = world.join(&format!("{room}{number}"), "Guest");
            world.act(at, ClientMessage::Meet { room: room.into(), media: MEDIA, encrypted: false });
        }
    }
    let mut page = |after: Option<&str>, limit| {
        let after = after.map(str::to_owned);
        match world.administer(Admin::List { after, limit }) {
            Ok(Reply::Rooms(rooms, more)) => {
                (rooms.iter().map(|room| format!("{}{}", room.room, room.members)).collect::<Vec<_>>(), more)
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(page(None, 9), (vec!["a0".into(), "c0".into(), "d3".into(), "e0".into()], false));
    assert_eq!(page(None, 2), (vec!["a0".into(), "c0".into()], true));
    assert_eq!(page(Some("c"), 2), (vec!["d3".into(), "e0".into()], false));
    let kept = Kept { room: "b".into(), ..kept(settings()) };
    let created = world.administer(Admin::Create { kept, replace: false });
    assert_eq!(created, Err(ErrorCode::WrongState), "two people are in a call there");
}

#[test]
fn who_waits_at_a_link_comes_into_the_room_that_it_becomes() {
    let mut world = World::new(config());
    let bob = world.join("bob", "Bob");
    world.act(bob, meet());
    assert_eq!(told(&world, bob), "waiting");
    create(&mut world, settings());
    assert_eq!(told(&world, bob), "waiting conference:1:Attendee:of1");
}

#[test]
fn members_find_back_to_a_room_after_a_restart_whoever_comes_first() {
    let mut world = world_with(Settings { entry: Entry::Token, ..settings() });
    let prof = invited(&mut world, "prof", "r", Role::Owner);
    let dee = invited(&mut world, "dee", "r", Role::Attendee);
    world.act(prof, meet());
    world.act(dee, meet());
    let call = conference(&world, prof);
    let ticket = |world: &World, at: usize| match world.clients[at].log.first() {
        Some(ServerMessage::Conference { ticket, .. }) => ticket.to_string(),
        other => panic!("{other:?}"),
    };
    let tickets = [prof, dee].map(|at| ticket(&world, at));
    world.restart(config());
    let settings = Settings { entry: Entry::Token, ..settings() };
    let kept = Kept { call: Some(call.clone()), ..kept(settings) };
    world.administer(Admin::Create { kept, replace: true }).unwrap();
    // Somebody new is there before those who were in it.
    let eve = invited(&mut world, "eve", "r", Role::Presenter);
    world.act(eve, meet());
    assert_eq!(conference(&world, eve), call);
    let mut news = News::of(&world);
    for (at, ticket) in [prof, dee].into_iter().zip(tickets) {
        // The ticket is enough: the token may have ended.
        world.clients[at].grant = None;
        world.connect(at);
        world.settle();
        world.act(at, ClientMessage::Rejoin { call: call.clone(), ticket: Secret(ticket) });
    }
    assert_eq!(news.told(&world, dee), "conference:3:Attendee:of3", "her number was taken");
    let roles: Vec<_> = members(&mut world).into_iter().map(|it| (it.person.id, it.role)).collect();
    assert!(roles.contains(&("prof".into(), Role::Owner)), "{roles:?}");
    let left = world.notices.iter().filter(|notice| matches!(notice.what, What::Ended(EndReason::Closed)));
    assert_eq!(left.count(), 0);
}

#[test]
fn owners_make_newcomers_listeners() {
    let mut world = World::new(config());
    let at: Vec<usize> = ["ann", "bob", "cyd"].map(|id| world.join(id, id)).to_vec();
    for who in &at {
        world.act(*who, meet());
    }
    let call = conference(&world, at[0]);
    let listeners = |on| ClientMessage::Moderate {
        call: call.clone(),
        action: server::signal::protocol::Action::Listeners { on },
    };
    world.act(at[1], listeners(true));
    assert!(told(&world, at[1]).ends_with("error:not-allowed"));
    world.act(at[0], listeners(true));
    let dee = world.join("dee", "Dee");
    world.act(dee, meet());
    assert_eq!(told(&world, dee), "conference:4:Attendee:of4");
    world.act(at[0], listeners(false));
    let eve = world.join("eve", "Eve");
    world.act(eve, meet());
    assert_eq!(told(&world, eve), "conference:5:Presenter:of5");
}

#[test]
fn a_room_can_be_set_up_encrypted_and_then_no_door_opens_and_nothing_is_recorded() {
    let encrypted = Settings { encrypted: true, role: Role::Presenter, ..settings() };
    let mut world = World::new(Config { recording: true, ..config() });
    let both = Settings { watching: true, ..encrypted.clone() };
    let refused = world.administer(Admin::Create { kept: kept(both), replace: false });
    assert_eq!(refused.unwrap_err(), ErrorCode::Encryption);
    create(&mut world, encrypted.clone());
    let ann = world.join("ann", "ann");
    let meet = |encrypted| ClientMessage::Meet { room: "r".into(), media: MEDIA, encrypted };
    world.act(ann, meet(false));
    assert_eq!(brief(world.clients[ann].log.last().unwrap()), "error:encryption");
    world.act(ann, meet(true));
    let entered = |m: &ServerMessage| matches!(m, ServerMessage::Conference { encrypted: true, .. });
    assert!(world.clients[ann].log.iter().any(entered));
    let Ok(Reply::Room(room, _)) = world.administer(Admin::Get { room: "r".into() }) else { panic!() };
    assert!(room.settings.encrypted);
    let key = Admin::Key { room: "r".into(), door: Door::Publish, name: None, expires: 9 };
    assert_eq!(world.administer(key).unwrap_err(), ErrorCode::Encryption);
    assert_eq!(act(&mut world, Act::Record(true)).unwrap_err(), ErrorCode::Encryption);
    let open = Settings { encrypted: false, ..encrypted };
    let changed = world.administer(Admin::Create { kept: kept(open), replace: true });
    assert_eq!(changed.unwrap_err(), ErrorCode::Encryption, "not while somebody is there");
}

#[test]
fn an_application_records_and_is_told_when_the_files_are_complete() {
    let mut world = World::new(Config { recording: true, ..config() });
    create(&mut world, Settings { role: Role::Presenter, watching: true, ..settings() });
    let empty = act(&mut world, Act::Record(true));
    assert_eq!(empty.unwrap_err(), ErrorCode::WrongState, "nobody is there");
    let ann = world.join("ann", "ann");
    world.act(ann, meet());
    let watching = |m: &ServerMessage| matches!(m, ServerMessage::Conference { watching: true, .. });
    assert!(world.clients[ann].log.iter().any(watching), "the room was set up to be watched");
    notices(&mut world);
    let Ok(Reply::Recording(Some(recording))) = act(&mut world, Act::Record(true)) else { panic!() };
    assert_eq!(recording.by.name, "", "an application is nobody");
    assert!(matches!(act(&mut world, Act::Record(false)), Ok(Reply::Recording(None))));
    let (id, room) = (recording.id, "r".to_owned());
    world.recorder(RecordingEvent::Finished { id: id.clone(), room: room.clone(), bytes: 7 });
    let message = "the disk is full".to_owned();
    world.recorder(RecordingEvent::Failed { id: id.clone(), room, bytes: 7, message: message.clone() });
    let told: Vec<What> = world.notices.drain(..).map(|notice| notice.what).collect();
    assert!(matches!(&told[0], What::Recording(begun) if begun.id == id), "{told:?}");
    let over = |problem| What::Recorded { id: id.clone(), bytes: 7, problem };
    assert_eq!(told[1..], [over(None), over(Some(message))]);
}
