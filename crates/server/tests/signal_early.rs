//! What passes between the caller and the devices that ring, before one of them accepts.

use server::signal::protocol::*;
use server::signal::rendezvous::{Config, Rate};

use crate::signal_world::*;

const ANN: usize = 0;

/// Ann rings at so many devices of Bob's, whose numbers among the clients begin at 1.
fn ringing(devices: usize) -> World {
    let rate = Rate { burst: 100_000, every: std::time::Duration::from_millis(1) };
    let mut world = World::new(Config { messages: rate, messages_per_address: rate, ..Config::default() });
    world.join("ann", "Ann");
    for _ in 0..devices {
        world.join("bob", "Bob");
    }
    world.act(ANN, invite_early('1', "Bob"));
    world
}

/// What this client has been told of descriptions: from which device, and the text.
fn descriptions(world: &World, at: usize) -> Vec<(Option<u32>, &str)> {
    let text = |message: &'_ ServerMessage| match message {
        ServerMessage::Description { device, description, .. } => Some((*device, description.sdp.clone())),
        _ => None,
    };
    let all = world.clients[at].log.iter().filter_map(text);
    all.map(|(device, sdp)| (device, &*String::leak(sdp))).collect()
}

/// The device and the candidates in this client's `started`.
fn started(world: &World, at: usize) -> (Option<u32>, Vec<String>) {
    let parts = |message: &ServerMessage| match message {
        ServerMessage::Started { device, candidates, .. } => {
            Some((*device, candidates.iter().map(|c| c.candidate.clone()).collect()))
        }
        _ => None,
    };
    world.clients[at].log.iter().find_map(parts).expect("the call has started")
}

/// The candidates that this client has been told of before and after, and from which device.
fn candidates(world: &World, at: usize) -> Vec<(Option<u32>, String)> {
    let text = |message: &ServerMessage| match message {
        ServerMessage::Candidate { device, candidate, .. } => {
            Some((*device, candidate.as_ref().map_or(String::new(), |c| c.candidate.clone())))
        }
        _ => None,
    };
    world.clients[at].log.iter().filter_map(text).collect()
}

fn say_candidate(text: &str) -> ClientMessage {
    candidate(&id('1'), Some(text))
}

#[test]
fn descriptions_pass_and_candidates_wait_for_the_device_that_accepts() {
    let mut world = ringing(2);
    for device in [1, 2] {
        world.act(device, offer(&id('1'), &format!("offer {device}")));
        world.act(device, say_candidate(&format!("of device {device}")));
    }
    for (number, device) in [(0, "1"), (1, "2")] {
        world.act(ANN, to_device(number, offer(&id('1'), &format!("answer {device}"))));
        world.act(ANN, to_device(number, say_candidate(&format!("for device {device}"))));
        world.act(ANN, to_device(number, candidate(&id('1'), None)));
    }
    assert_eq!(descriptions(&world, ANN), [(Some(0), "offer 1"), (Some(1), "offer 2")]);
    assert_eq!(descriptions(&world, 1), [(None, "answer 1")]);
    assert_eq!(descriptions(&world, 2), [(None, "answer 2")]);
    let told = |world: &World| {
        let candidates = |m: &&ServerMessage| matches!(m, ServerMessage::Candidate { .. });
        world.clients.iter().map(|c| c.log.iter().filter(candidates).count()).collect::<Vec<_>>()
    };
    assert_eq!(told(&world), [0, 0, 0], "while it rings nobody hears where another is");

    world.act(2, accept('1'));
    assert_eq!(started(&world, ANN), (Some(1), vec!["of device 2".to_owned()]));
    assert_eq!(started(&world, 2), (None, vec!["for device 2".to_owned()]));
    // What was on its way when it was accepted arrives if it is for this device, else nowhere.
    world.act(ANN, to_device(1, say_candidate("late")));
    world.act(ANN, to_device(0, say_candidate("too late")));
    world.act(ANN, to_device(0, offer(&id('1'), "too late")));
    world.act(2, say_candidate("from now on as always"));
    assert_eq!(told(&world), [1, 0, 1]);
    assert_eq!(descriptions(&world, 1).len() + descriptions(&world, 2).len(), 2);
    assert_eq!(brief(world.clients[1].log.last().unwrap()), "ended:elsewhere");
    world.act(1, say_candidate("to nobody"));
    assert_eq!(brief(world.clients[1].log.last().unwrap()), "error:no-such-call");
    assert_eq!(world.rendezvous.stats().errors, 1);
}

#[test]
fn relayed_candidates_pass_with_nothing_in_them_of_who_sends_them() {
    let mut world = ringing(2);
    for device in [1, 2] {
        world.act(device, offer(&id('1'), "offer"));
    }
    let whole = "candidate:842163049 1 udp 41885439 203.0.113.9 50012 typ relay raddr 198.51.100.4 rport 61234 \
                 generation 0 ufrag k1Xa network-id 3 network-cost 10";
    let bare = "candidate:relay50012 1 udp 41885439 203.0.113.9 50012 typ relay raddr 0.0.0.0 rport 0";
    world.act(2, say_candidate(whole));
    assert_eq!(candidates(&world, ANN), [(Some(1), bare.to_owned())]);
    let six = "candidate:1 1 UDP 7 2001:db8::9 50013 typ relay raddr 2001:db8:1::4 rport 61234";
    world.act(ANN, to_device(0, say_candidate(six)));
    let bare_six = "candidate:relay50013 1 udp 7 2001:db8::9 50013 typ relay raddr :: rport 0";
    assert_eq!(candidates(&world, 1), [(None, bare_six.to_owned())]);
    assert_eq!(candidates(&world, 2), []);
    // What is none, or only looks like one, waits as every other.
    let waits = [
        "candidate:1 1 udp 7 198.51.100.4 61234 typ host",
        "candidate:1 1 udp 7 198.51.100.4 61234 typ srflx raddr 192.168.1.4 rport 61234 typ relay",
        "candidate:1 1 tcp 7 198.51.100.4 9 typ relay tcptype active",
        "candidate:1 1 udp 7 home.local 61234 typ relay",
        "candidate:1 1 udp 7 198.51.100.4 612345 typ relay",
        "typ relay",
        "",
    ];
    for text in waits {
        world.act(2, say_candidate(text));
    }
    assert_eq!(candidates(&world, ANN).len(), 1);
    world.act(2, accept('1'));
    assert_eq!(started(&world, ANN), (Some(1), waits.map(str::to_owned).to_vec()));
    assert_eq!(started(&world, 2), (None, Vec::new()));
    // From now on they pass as they are.
    world.act(2, say_candidate(whole));
    assert_eq!(candidates(&world, ANN)[1..], [(None, whole.to_owned())]);
}

#[test]
fn the_first_devices_only_and_only_with_a_caller_that_knows_of_it() {
    let early = |world: &World, at: usize| match &world.clients[at].log[0] {
        ServerMessage::Incoming { early, .. } => *early,
        other => panic!("{other:?}"),
    };
    let mut world = ringing(4);
    assert_eq!([1, 2, 3, 4].map(|at| early(&world, at)), [true, true, true, false]);
    world.act(4, offer(&id('1'), "offer"));
    assert_eq!(brief(world.clients[4].log.last().unwrap()), "error:wrong-state");
    world.act(ANN, to_device(3, offer(&id('1'), "answer")));
    assert_eq!(brief(world.clients[ANN].log.last().unwrap()), "error:wrong-state");
    // A device that has gone is answered in vain, and one that comes has another number.
    world.disconnect(1, true);
    world.settle();
    let told = world.clients[ANN].log.len();
    world.act(ANN, to_device(0, offer(&id('1'), "answer")));
    assert_eq!(world.clients[ANN].log.len(), told);
    let late = world.join("bob", "Bob");
    assert!(!early(&world, late));
    world.act(4, accept('1'));
    assert_eq!(started(&world, ANN), (None, Vec::new()));

    let mut world = World::new(Config::default());
    world.join("ann", "Ann");
    world.join("bob", "Bob");
    world.act(ANN, invite('1', "Bob"));
    assert!(!early(&world, 1));
}

#[test]
fn what_passes_and_what_is_kept_is_bounded() {
    let config = Config::default();
    let errors = |world: &World| world.rendezvous.stats().errors;
    let mut world = ringing(1);
    for n in 0..config.early_descriptions {
        world.act(1, offer(&id('1'), "again"));
        world.act(ANN, to_device(0, offer(&id('1'), "again")));
        assert_eq!(errors(&world), 0, "{n}");
    }
    world.act(1, offer(&id('1'), "again"));
    assert_eq!(brief(world.clients[1].log.last().unwrap()), "error:rate-limited");
    assert_eq!(descriptions(&world, ANN).len(), config.early_descriptions);

    let mut world = ringing(1);
    let large = "x".repeat(config.description_bytes);
    for n in 0..=config.early_description_bytes / large.len() {
        assert_eq!(errors(&world), 0, "{n}");
        world.act(1, offer(&id('1'), &large));
    }
    assert_eq!(errors(&world), 1);

    // So many relays nobody has: what there is more waits.
    let mut world = ringing(1);
    let relayed = |n: usize| format!("candidate:1 1 udp 7 203.0.113.9 {} typ relay", 50_000 + n);
    for n in 0..config.early_relayed + 2 {
        world.act(1, say_candidate(&relayed(n)));
    }
    assert_eq!(candidates(&world, ANN).len(), config.early_relayed);
    world.act(1, accept('1'));
    assert_eq!(started(&world, ANN).1, [relayed(config.early_relayed), relayed(config.early_relayed + 1)]);

    // Of candidates the newest are kept.
    let mut world = ringing(1);
    for n in 0..config.early_candidates + 3 {
        world.act(1, say_candidate(&n.to_string()));
    }
    let large = |n: usize| format!("{n:0width$}", width = config.candidate_bytes - 100);
    for n in 0..10 {
        world.act(ANN, to_device(0, say_candidate(&large(n))));
    }
    world.act(1, accept('1'));
    let newest = |from: usize, to: usize| (from..to).map(|n| n.to_string()).collect::<Vec<_>>();
    assert_eq!(started(&world, ANN), (Some(0), newest(3, config.early_candidates + 3)));
    assert_eq!(started(&world, 1), (None, (2..10).map(large).collect()));
    assert_eq!(errors(&world), 0);
}
