//! The socket breaks at every frame of a call, on either side, in either direction: nothing is lost or doubled.

use std::time::Duration;

use server::signal::protocol::*;
use server::signal::rendezvous::Config;

use crate::signal_table::ticket;
use crate::signal_world::*;

const ANN: usize = 0;
const BOB: usize = 1;
const LAPTOP: usize = 2;

/// A whole call with everything in it, and another that meets at a link. What each client was told, without presence
/// (a cut adds to that by its nature), and how many frames crossed.
fn play(cut: Option<Cut>) -> (Vec<Vec<ServerMessage>>, usize) {
    let mut world = World::new(Config::default());
    for (id, name) in [("ann", "Ann"), ("bob", "Bob"), ("bob", "Bob")] {
        world.join(id, name);
    }
    world.crossed = 0;
    world.cut = cut;
    let call = id('1');
    let description = Some(Description { kind: DescriptionKind::Offer, sdp: "offer 1".into() });
    let script = [
        (ANN, ClientMessage::Find { request: 1, query: "b".into() }),
        (ANN, invite('1', "bob")),
        (BOB, ClientMessage::Accept { call: call.clone(), description, media: MEDIA }),
        (BOB, candidate(&call, Some("candidate:1"))),
        (ANN, offer(&call, "answer 1")),
        (ANN, candidate(&call, Some("candidate:2"))),
        (BOB, candidate(&call, Some("candidate:3"))),
        (ANN, candidate(&call, Some("candidate:4"))),
        (BOB, candidate(&call, None)),
        (ANN, candidate(&call, None)),
        (ANN, offer(&call, "offer 2")),
        (BOB, offer(&call, "answer 2")),
        (BOB, ClientMessage::Rename { name: "Robert".into() }),
        (ANN, ClientMessage::IceServers),
        (BOB, end('1')),
        (ANN, invite_early('4', "bob")),
        (BOB, offer(&id('4'), "early offer 1")),
        (ANN, to_device(0, offer(&id('4'), "early answer 1"))),
        (ANN, to_device(0, candidate(&id('4'), Some("candidate:5")))),
        (LAPTOP, offer(&id('4'), "early offer 2")),
        (LAPTOP, candidate(&id('4'), Some("candidate:6"))),
        (ANN, to_device(1, offer(&id('4'), "early answer 2"))),
        (ANN, to_device(1, candidate(&id('4'), Some("candidate:7")))),
        (LAPTOP, accept('4')),
        (ANN, to_device(1, candidate(&id('4'), Some("candidate:8")))),
        (ANN, end('4')),
        (LAPTOP, invite('2', "ann")),
        (ANN, decline('2', false)),
        (LAPTOP, invite('3', "ann")),
        (LAPTOP, end('3')),
        (ANN, ClientMessage::Meet { room: "r".into(), media: MEDIA, encrypted: false }),
        (LAPTOP, ClientMessage::Meet { room: "r".into(), media: MEDIA, encrypted: false }),
    ];
    for (who, message) in script {
        world.act(who, message);
        world.pass(Duration::from_millis(30));
    }
    world.pass(Duration::from_secs(1));
    let stats = world.rendezvous.stats();
    assert_eq!((stats.messages, stats.errors, stats.hellos), (32, 0, 3), "{cut:?}: {stats:?}");
    assert_eq!((stats.sessions, stats.sockets, stats.calls), (3, 3, 1), "{cut:?}: {stats:?}");
    let presence = |m: &ServerMessage| matches!(m, ServerMessage::Peer { .. });
    let told = world.clients.into_iter().map(|c| c.log.into_iter().filter(|m| !presence(m)).collect());
    (told.collect(), world.crossed)
}

#[test]
fn a_cut_at_every_frame_changes_nothing_that_is_told() {
    let (uncut, crossed) = play(None);
    assert!(crossed > 50 && uncut.iter().all(|told| told.len() > 4), "the script is a real call: {crossed}");
    let mut tried = 0;
    for at in 0..crossed {
        for (delivered, noticed) in [(false, false), (false, true), (true, false), (true, true)] {
            let cut = Cut { at, delivered, noticed };
            let (told, _) = play(Some(cut));
            assert_eq!(told, uncut, "{cut:?}");
            tried += 1;
        }
    }
    assert_eq!(tried, 4 * crossed);
}

#[test]
fn a_session_that_cannot_be_taken_up_is_begun_anew() {
    let mut world = World::new(Config::default());
    world.join("ann", "Ann");
    world.act(ANN, ClientMessage::IceServers);
    let good = world.clients[ANN].session.clone().unwrap();
    let mut bent = good.clone().into_bytes();
    bent[20] ^= 1;
    for (session, received, resumed) in [
        (String::from_utf8(bent).unwrap(), 1, false),
        (String::new(), 1, false),
        ("AAAA".into(), 1, false),
        (good.clone(), 2, false), // never sent so many
        (good, 1, true),
    ] {
        world.disconnect(ANN, false);
        let before = world.rendezvous.stats();
        world.clients[ANN].session = Some(session.clone());
        world.clients[ANN].received = received;
        world.connect(ANN);
        world.settle();
        let after = world.rendezvous.stats();
        assert_eq!(after.resumes - before.resumes, u64::from(resumed), "{session} {received}");
        assert_eq!(after.hellos - before.hellos, u64::from(!resumed), "{session} {received}");
    }
}

#[test]
fn a_second_socket_replaces_the_first() {
    let mut world = World::new(Config::default());
    world.join("ann", "Ann");
    let old = world.clients[ANN].socket.unwrap();
    world.connect(ANN);
    let mut replaced = Vec::new();
    while let Some(event) = world.rendezvous.poll_event() {
        if let server::signal::bus::Event::Close { socket, code, .. } = event {
            replaced.push((socket, code));
        }
    }
    assert_eq!(replaced, [(old, Refusal::Replaced)]);
    assert_eq!(world.rendezvous.stats().sessions, 1);
}

#[test]
fn a_restart_of_the_server_in_a_call_is_survived() {
    let mut world = World::new(Config::default());
    world.join("ann", "Ann");
    world.join("bob", "Bob");
    world.act(ANN, invite('1', "Bob"));
    let media = Media { audio: true, video: false };
    world.act(BOB, ClientMessage::Accept { call: id('1'), description: None, media });
    let tickets = [ticket(&world, ANN), ticket(&world, BOB)];
    for order in [[ANN, BOB], [BOB, ANN]] {
        world.restart(Config::default());
        for who in order {
            world.connect(who);
            world.settle();
            world.act(who, ClientMessage::Rejoin { call: id('1'), ticket: Secret(tickets[who].clone()) });
        }
        let Some(ServerMessage::Started { peer, media: theirs, polite, ticket, rejoined, .. }) =
            world.clients[ANN].log.last()
        else {
            panic!("{:?}", world.clients[ANN].log)
        };
        assert_eq!((peer.name.as_str(), *theirs, *polite, *rejoined), ("Bob", media, true, true));
        assert_eq!(**ticket, *tickets[ANN], "the ticket stays good");
        world.act(ANN, offer(&id('1'), "again"));
        assert_eq!(brief(world.clients[BOB].log.last().unwrap()), "description");
    }
}

#[test]
fn a_page_that_is_reloaded_in_a_call_takes_its_place_again() {
    let mut world = World::new(Config::default());
    world.join("ann", "Ann");
    world.join("bob", "Bob");
    world.act(ANN, invite('1', "Bob"));
    world.act(BOB, accept('1'));
    let ticket = ticket(&world, BOB);
    world.forget(BOB);
    world.connect(BOB);
    world.settle();
    world.act(BOB, ClientMessage::Rejoin { call: id('1'), ticket: Secret(ticket) });
    let told: Vec<String> = world.clients[ANN].log.iter().map(brief).collect();
    assert_eq!(told, ["ringing", "started:polite", "peer:false", "started:polite:rejoined"]);
    assert_eq!(brief(world.clients[BOB].log.last().unwrap()), "started:impolite:rejoined");
    // The session before the reload dies in silence: the call is not its any more.
    world.pass(Config::default().resume_timeout * 2);
    assert_eq!(world.rendezvous.stats().calls, 1);
    assert_eq!(world.clients[ANN].log.len(), 4);
}
