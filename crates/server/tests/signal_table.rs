//! Every message in every state of a call: who is told what.

use std::time::Duration;

use server::signal::protocol::*;
use server::signal::rendezvous::{Config, Rate};

use crate::signal_world::*;

/// The cast: `a` calls, `b` and `c` are two devices of the callee, `d` is somebody else.
const CAST: [(&str, &str, char); 4] =
    [("ann", "Ann", 'a'), ("bob", "Bob", 'b'), ("bob", "Bob", 'c'), ("dee", "Dee", 'd')];

const A: usize = 0;
const B: usize = 1;
const C: usize = 2;
const D: usize = 3;

#[derive(Clone, Copy, Debug)]
enum State {
    Nothing,
    /// `a` rings at `b` and `c`.
    Ringing,
    /// The same, and `a` answers what ringing devices offer: `b` is number 0, `c` number 1.
    Early,
    /// `a` and `b` talk.
    Running,
    /// The server has restarted and `a` alone has rejoined.
    Rejoining,
    /// `a` waits at the link `r`.
    Waiting,
    /// `a` and `b` met at the link `r`.
    Met,
}

fn stage(state: State) -> World {
    let mut world = World::new(generous());
    for (id, name, _) in CAST {
        world.join(id, name);
    }
    match state {
        State::Nothing => {}
        State::Ringing => world.act(A, invite('1', "bob")),
        State::Early => world.act(A, invite_early('1', "bob")),
        State::Running => {
            world.act(A, invite('1', "bob"));
            world.act(B, accept('1'));
        }
        State::Rejoining => {
            world.act(A, invite('1', "bob"));
            world.act(B, accept('1'));
            let ticket = ticket(&world, A);
            world.restart(generous());
            for at in 0..CAST.len() {
                world.connect(at);
                world.settle();
            }
            world.act(A, ClientMessage::Rejoin { call: id('1'), ticket: Secret(ticket) });
        }
        State::Waiting => world.act(A, meet("r")),
        State::Met => {
            world.act(A, meet("r"));
            world.act(B, meet("r"));
        }
    }
    world
}

fn generous() -> Config {
    let rate = Rate { burst: 100_000, every: Duration::from_millis(1) };
    Config {
        messages: rate,
        messages_per_address: rate,
        invites: rate,
        invites_per_address: rate,
        ..Config::default()
    }
}

pub(crate) fn ticket(world: &World, at: usize) -> String {
    let started = |m: &ServerMessage| match m {
        ServerMessage::Started { ticket, .. } => Some(ticket.to_string()),
        _ => None,
    };
    world.clients[at].log.iter().rev().find_map(started).expect("a call has started")
}

fn meet(room: &str) -> ClientMessage {
    ClientMessage::Meet { room: room.into(), media: MEDIA, encrypted: false }
}

fn leave(room: &str) -> ClientMessage {
    ClientMessage::Leave { room: room.into() }
}

/// What everybody is told from `marks` on, as `a:ringing b:incoming`.
fn news(world: &World, marks: &[usize]) -> String {
    let mut words = Vec::new();
    for ((client, mark), (_, _, letter)) in world.clients.iter().zip(marks).zip(CAST) {
        words.extend(client.log[*mark..].iter().map(|m| format!("{letter}={}", brief(m))));
    }
    words.join(" ")
}

#[track_caller]
fn check(state: State, who: usize, message: ClientMessage, expected: &str) {
    let mut world = stage(state);
    let marks: Vec<usize> = world.clients.iter().map(|c| c.log.len()).collect();
    let shown = format!("{message:?}");
    world.act(who, message);
    assert_eq!(news(&world, &marks), expected, "{state:?}, {}: {shown}", CAST[who].2);
    assert!(world.clients.iter().all(|c| c.refused.is_empty()), "nobody's socket is closed for it");
}

#[test]
fn invites() {
    use State::*;
    let to = invite;
    check(Nothing, A, to('2', "BOB"), "a=ringing b=incoming c=incoming");
    check(Nothing, A, to('2', "bob"), "a=ringing b=incoming c=incoming");
    check(Nothing, A, to('2', "Nobody"), "a=ended:unavailable");
    check(Nothing, A, to('2', "Ann"), "a=error:bad-call");
    check(Nothing, B, to('2', "bob"), "b=error:bad-call");
    let bad = |call: &str| ClientMessage::Invite {
        call: call.into(),
        to: "Bob".into(),
        media: MEDIA,
        early: false,
    };
    check(Nothing, A, bad("short"), "a=error:bad-call");
    check(Nothing, A, bad(&"x".repeat(65)), "a=error:bad-call");
    check(Nothing, A, bad(&"!".repeat(22)), "a=error:bad-call");
    check(Ringing, A, to('2', "Dee"), "a=error:bad-call");
    check(Ringing, D, to('1', "Bob"), "d=error:bad-call");
    check(Ringing, D, to('2', "Bob"), "b=incoming c=incoming d=ringing");
    check(Ringing, D, to('2', "Ann"), "d=ended:busy");
    check(Running, D, to('2', "Ann"), "d=ended:busy");
    check(Running, D, to('2', "Bob"), "c=incoming d=ringing");
    check(Running, B, to('2', "Dee"), "b=error:bad-call");
    check(Rejoining, A, to('2', "Dee"), "a=error:bad-call");
    check(Rejoining, D, to('2', "Ann"), "d=ended:busy");
    check(Waiting, D, to('2', "Ann"), "a=incoming d=ringing");
    check(Waiting, A, to('2', "Dee"), "a=ringing d=incoming");
}

#[test]
fn two_invites_at_once_become_one_call() {
    use State::*;
    let to = invite;
    // Ann's invite '1' rings at Bob; Bob's own has the larger or the smaller id.
    check(Ringing, B, to('2', "Ann"), "a=started:polite b=ended:merged b=started:impolite c=ended:elsewhere");
    check(
        Ringing,
        B,
        to('0', "Ann"),
        "a=ended:merged a=started:impolite b=ended:merged b=started:polite c=ended:elsewhere",
    );
}

#[test]
fn accepts() {
    use State::*;
    let it = || accept('1');
    check(Nothing, B, it(), "b=error:no-such-call");
    check(Ringing, B, it(), "a=started:polite b=started:impolite c=ended:elsewhere");
    check(Ringing, C, it(), "a=started:polite b=ended:elsewhere c=started:impolite");
    check(Ringing, A, it(), "a=error:wrong-state");
    check(Ringing, D, it(), "d=error:no-such-call");
    check(Running, B, it(), "b=error:wrong-state");
    check(Running, A, it(), "a=error:wrong-state");
    check(Running, C, it(), "c=error:no-such-call");
    check(Rejoining, B, it(), "b=error:no-such-call");
    check(Met, B, it(), "b=error:no-such-call");
}

#[test]
fn decline_and_end() {
    use State::*;
    for busy in [false, true] {
        let it = || decline('1', busy);
        let reason = if busy { "busy" } else { "declined" };
        check(Nothing, B, it(), "");
        check(Ringing, B, it(), &format!("a=ended:{reason} c=ended:elsewhere"));
        check(Ringing, A, it(), "a=error:wrong-state");
        check(Ringing, D, it(), "");
        check(Running, B, it(), "b=error:wrong-state");
        check(Running, C, it(), "");
        check(Rejoining, B, it(), "");
    }
    let it = || end('1');
    check(Nothing, A, it(), "");
    check(Ringing, A, it(), "b=ended:cancelled c=ended:cancelled");
    check(Ringing, B, it(), "a=ended:declined c=ended:elsewhere");
    check(Ringing, D, it(), "");
    check(Running, A, it(), "b=ended:hung-up");
    check(Running, B, it(), "a=ended:hung-up");
    check(Running, C, it(), "");
    check(Running, D, it(), "");
    check(Rejoining, A, it(), "");
    check(Rejoining, B, it(), "");
}

#[test]
fn descriptions_and_candidates_pass_between_the_two_only() {
    use State::*;
    for (it, name) in [
        (offer(&id('1'), "v=0"), "description"),
        (candidate(&id('1'), Some("candidate:1")), "candidate"),
        (candidate(&id('1'), None), "candidate"),
    ] {
        check(Nothing, A, it.clone(), "a=error:no-such-call");
        check(Ringing, A, it.clone(), "a=error:wrong-state");
        check(Ringing, B, it.clone(), "b=error:wrong-state");
        check(Ringing, D, it.clone(), "d=error:no-such-call");
        check(Ringing, A, to_device(0, it.clone()), "a=error:wrong-state");
        // Descriptions pass while it rings, candidates are kept.
        let passes = |told: &str| if name == "description" { told.to_owned() } else { String::new() };
        check(Early, B, it.clone(), &passes("a=description"));
        check(Early, C, it.clone(), &passes("a=description"));
        check(Early, D, it.clone(), "d=error:no-such-call");
        check(Early, A, it.clone(), "a=error:wrong-state");
        check(Early, A, to_device(0, it.clone()), &passes("b=description"));
        check(Early, A, to_device(1, it.clone()), &passes("c=description"));
        check(Early, A, to_device(2, it.clone()), "a=error:wrong-state");
        check(Running, A, to_device(0, it.clone()), "");
        check(Running, A, it.clone(), &format!("b={name}"));
        check(Running, B, it.clone(), &format!("a={name}"));
        check(Running, C, it.clone(), "c=error:no-such-call");
        check(Running, D, it.clone(), "d=error:no-such-call");
        check(Rejoining, A, it.clone(), "a=error:wrong-state");
        check(Rejoining, B, it, "b=error:no-such-call");
    }
}

#[test]
fn rejoin() {
    use State::*;
    let of = |who: usize| ticket(&stage(Running), who);
    let it = |ticket: String| ClientMessage::Rejoin { call: id('1'), ticket: Secret(ticket) };
    check(Rejoining, B, it(of(B)), "a=started:polite:rejoined b=started:impolite:rejoined");
    check(Rejoining, C, it(of(B)), "a=started:polite:rejoined c=started:impolite:rejoined");
    check(Rejoining, A, it(of(A)), "a=error:wrong-state");
    check(Rejoining, D, it(of(B)), "d=error:bad-ticket");
    check(Rejoining, D, it(of(A)), "d=error:bad-ticket");
    check(Rejoining, B, it(of(A)), "b=error:bad-ticket");
    check(Rejoining, B, it("junk".into()), "b=error:bad-ticket");
    check(Running, B, it(of(B)), "b=error:wrong-state");
    let taken = "a=started:polite:rejoined b=ended:elsewhere c=started:impolite:rejoined";
    check(Running, C, it(of(B)), taken);
    check(Ringing, B, it(of(B)), "b=error:wrong-state");
    check(Nothing, B, it(of(B)), "");
}

#[test]
fn meet_and_leave() {
    use State::*;
    check(Nothing, A, meet("r"), "a=waiting");
    for bad in ["", "a b", "é", &"x".repeat(65)] {
        check(Nothing, A, meet(bad), "a=error:bad-room");
    }
    check(Nothing, A, meet(&"x".repeat(64)), "a=waiting");
    check(Waiting, A, meet("r"), "a=waiting");
    check(Waiting, A, meet("s"), "a=waiting");
    check(Waiting, D, meet("r"), "a=started:impolite d=started:polite");
    check(Waiting, D, meet("s"), "d=waiting");
    check(Met, D, meet("r"), "d=error:room-full");
    check(Met, C, meet("r"), "c=error:room-full");
    check(Met, A, meet("r"), "a=error:bad-call");
    check(Running, A, meet("r"), "a=error:bad-call");
    check(Waiting, A, leave("r"), "");
    check(Waiting, D, leave("r"), "");
    check(Met, A, leave("r"), "");
}

#[test]
fn find_rename_and_ice_servers() {
    use State::*;
    let find = |query: &str| ClientMessage::Find { request: 1, query: query.into() };
    check(Nothing, A, find("b"), "a=people");
    check(Nothing, B, ClientMessage::Rename { name: "Robert".into() }, "b=renamed c=renamed");
    check(Nothing, B, ClientMessage::Rename { name: String::new() }, "b=error:bad-name");
    check(Nothing, A, ClientMessage::IceServers, "a=ice-servers");

    let mut world = stage(Running);
    world.act(D, find("B"));
    let Some(ServerMessage::People { people, .. }) = world.clients[D].log.last() else { panic!("no answer") };
    let shown: Vec<_> = people.iter().map(|p| (p.person.id.as_str(), p.present, p.busy)).collect();
    assert_eq!(shown, [("bob", true, false)], "one device of Bob's is free");
    world.act(D, find("a"));
    let Some(ServerMessage::People { people, .. }) = world.clients[D].log.last() else { panic!("no answer") };
    assert_eq!((people.len(), people[0].busy), (1, true));
    world.act(D, find(" "));
    let Some(ServerMessage::People { people, .. }) = world.clients[D].log.last() else { panic!("no answer") };
    assert!(people.is_empty(), "an empty query finds nobody");
}

#[test]
fn what_is_not_the_protocol_closes_the_socket() {
    let long = |n: usize| "x".repeat(n);
    for (seq, ack, message, refusal) in [
        (Some(3), None, end('1'), Some(Refusal::Malformed)), // 2 is missing
        (Some(1), None, end('1'), None),                     // had it already
        (Some(2), Some(1), end('1'), None),
        (Some(2), Some(2), end('1'), Some(Refusal::Malformed)), // never sent that
        (None, None, end('1'), Some(Refusal::Malformed)),
        (Some(2), None, ClientMessage::Ack, Some(Refusal::Malformed)),
        (None, Some(1), ClientMessage::Ack, None),
        (Some(2), None, offer(&id('1'), &long(64 * 1024)), None),
        (Some(2), None, offer(&id('1'), &long(64 * 1024 + 1)), Some(Refusal::Limit)),
        (Some(2), None, candidate(&id('1'), Some(&long(2 * 1024 - 1))), None),
        (Some(2), None, candidate(&id('1'), Some(&long(2 * 1024))), Some(Refusal::Limit)),
    ] {
        let mut world = World::new(Config::default());
        world.join("ann", "Ann");
        world.act(A, ClientMessage::IceServers); // number 1 each way
        let shown = format!("{seq:?} {ack:?} {:.60}", format!("{message:?}"));
        world.raw(A, seq, ack, message);
        world.settle();
        assert_eq!(world.clients[A].refused.first().copied(), refusal, "{shown}");
    }
}

#[test]
fn deadlines_end_what_they_should_and_not_a_moment_earlier() {
    let ring = Config::default().ring_timeout;
    let mut world = stage(State::Ringing);
    let marks: Vec<usize> = world.clients.iter().map(|c| c.log.len()).collect();
    world.pass(ring - Duration::from_nanos(1));
    assert_eq!(news(&world, &marks), "");
    world.pass(Duration::from_nanos(1));
    assert_eq!(news(&world, &marks), "a=ended:timeout b=ended:timeout c=ended:timeout");

    let resume = Config::default().resume_timeout;
    let mut world = stage(State::Running);
    let marks: Vec<usize> = world.clients.iter().map(|c| c.log.len()).collect();
    world.disconnect(B, false);
    world.pass(resume - Duration::from_nanos(1));
    assert_eq!(news(&world, &marks), "a=peer:false");
    world.pass(Duration::from_nanos(1));
    assert_eq!(news(&world, &marks), "a=peer:false a=ended:lost");

    let mut world = stage(State::Rejoining);
    let marks: Vec<usize> = world.clients.iter().map(|c| c.log.len()).collect();
    world.pass(resume);
    assert_eq!(news(&world, &marks), "a=ended:lost");
    assert_eq!(world.rendezvous.stats().calls, 0);
}

#[test]
fn who_leaves_in_the_midst_of_a_call_ends_it() {
    for (state, who, goodbye, expected) in [
        (State::Running, A, true, "b=ended:hung-up"),
        (State::Running, A, false, "b=peer:false"),
        (State::Ringing, A, true, "b=ended:cancelled c=ended:cancelled"),
        (State::Ringing, A, false, ""),
        (State::Ringing, B, true, ""),
    ] {
        let mut world = stage(state);
        let marks: Vec<usize> = world.clients.iter().map(|c| c.log.len()).collect();
        world.disconnect(who, goodbye);
        world.settle();
        assert_eq!(news(&world, &marks), expected, "{state:?} {who} {goodbye}");
    }
    // The last device that rings is gone.
    let mut world = stage(State::Ringing);
    world.disconnect(B, true);
    let marks: Vec<usize> = world.clients.iter().map(|c| c.log.len()).collect();
    world.disconnect(C, true);
    world.settle();
    assert_eq!(news(&world, &marks), "a=ended:unavailable");
}

#[test]
fn a_device_that_goes_into_a_call_rings_no_more() {
    let mut world = stage(State::Ringing);
    world.act(D, invite('2', "Bob"));
    let marks: Vec<usize> = world.clients.iter().map(|c| c.log.len()).collect();
    world.act(B, accept('2'));
    assert_eq!(news(&world, &marks), "b=ended:busy b=started:impolite c=ended:elsewhere d=started:polite");
    let marks: Vec<usize> = world.clients.iter().map(|c| c.log.len()).collect();
    world.act(C, invite('3', "Bob"));
    assert_eq!(news(&world, &marks), "c=error:bad-call", "nobody calls themselves");
    world.act(C, accept('1'));
    assert_eq!(news(&world, &marks[..1]), "a=started:polite");
}

#[test]
fn a_device_that_comes_while_it_rings_rings_too() {
    let mut world = stage(State::Ringing);
    let late = world.join("bob", "Bob");
    let heard: Vec<String> = world.clients[late].log.iter().map(brief).collect();
    assert_eq!(heard, ["incoming"]);
    world.act(late, accept('1'));
    assert_eq!(world.rendezvous.stats().started, 1);
}

#[test]
fn a_draining_server_takes_no_new_calls_and_keeps_those_it_has() {
    let mut world = stage(State::Ringing);
    let drain = server::signal::bus::Command::Drain;
    let marks: Vec<usize> = world.clients.iter().map(|c| c.log.len()).collect();
    world.rendezvous.handle_input(world.now, drain.clone());
    world.rendezvous.handle_input(world.now, drain);
    world.settle();
    assert_eq!(news(&world, &marks), "a=draining b=draining c=draining d=draining");
    let marks: Vec<usize> = world.clients.iter().map(|c| c.log.len()).collect();
    world.act(D, invite('2', "Ann"));
    world.act(D, meet("r"));
    world.act(B, accept('1'));
    world.act(A, offer(&id('1'), "v=0"));
    assert_eq!(
        news(&world, &marks),
        "a=started:polite b=started:impolite b=description c=ended:elsewhere d=error:draining d=error:draining"
    );
}

#[test]
fn who_calls_too_often_or_says_too_much_is_held_back() {
    let mut world = World::new(Config::default());
    world.join("ann", "Ann");
    let calls: Vec<char> = ('A'..'M').collect();
    for call in calls {
        world.act(A, invite(call, "Nobody"));
    }
    let codes: Vec<String> = world.clients[A].log.iter().map(brief).collect();
    let mut expected = vec!["ended:unavailable"; 10];
    expected.extend(["error:rate-limited"; 2]);
    assert_eq!(codes, expected);
    for _ in 0..200 {
        world.act(A, end('x'));
    }
    assert_eq!(world.clients[A].refused, [Refusal::Limit]);
}

#[test]
fn who_confirms_nothing_loses_the_session_and_nobody_else_does() {
    let mut world = stage(State::Running);
    world.disconnect(B, false);
    for n in 0..300 {
        world.act(A, candidate(&id('1'), Some(&format!("candidate:{n}"))));
    }
    assert_eq!(world.rendezvous.stats().overflows, 1);
    assert_eq!(
        brief(world.clients[A].log.iter().rev().find(|m| brief(m).starts_with("ended")).unwrap()),
        "ended:lost"
    );
    assert_eq!(world.rendezvous.stats().sessions, 3);
    assert!(world.clients[A].refused.is_empty());
}

#[test]
fn sessions_are_bounded_and_the_oldest_without_a_socket_gives_way() {
    let config = Config { sessions_per_person: 2, sessions_per_address: 4, ..Config::default() };
    let mut world = World::new(config);
    let first = world.join("ann", "Ann");
    world.join("ann", "Ann");
    let third = world.join("ann", "Ann");
    assert_eq!(world.clients[third].refused, [Refusal::Limit]);
    world.disconnect(first, false);
    let fourth = world.join("ann", "Ann");
    assert!(world.clients[fourth].refused.is_empty());
    assert_eq!(world.rendezvous.stats().sessions, 2);
    world.join("bob", "Bob");
    world.join("dee", "Dee");
    let last = world.join("eve", "Eve");
    assert_eq!(world.clients[last].refused, [Refusal::Limit], "four sessions come from this address");
}
