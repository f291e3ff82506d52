//! What happens after the first connection: restarts, silence, new addresses, and other kinds of peers.

use crate::world::{NATS, Nat, World, addr, full, ms, pair_of_full, stream};
use ice::{
    CandidateKind, Config, ConnectionState, Credentials, CredentialsError, Event, GatheringState, Local,
    LocalError, Pair, Role, TcpType,
};
use std::net::SocketAddr;
use wire::{Instant, Transport};

fn connected(nats: [Nat; 2], configs: [Config; 2], relays: bool) -> World {
    let mut world = World::new(3, nats, configs);
    world.start(relays);
    assert!(world.run_until(ms(20_000), World::agreed), "{nats:?}");
    world
}

fn states(world: &World, side: usize) -> Vec<ConnectionState> {
    let state = |event: &Event| match event {
        Event::ConnectionState(state) => Some(*state),
        _ => None,
    };
    world.events_of(side).filter_map(state).collect()
}

fn selections(world: &World, side: usize) -> Vec<(Instant, Pair)> {
    let selected = |(at, event): &(Instant, Event)| match event {
        Event::SelectedPair(pair) => Some((*at, *pair)),
        _ => None,
    };
    world.sides[side].events.iter().filter_map(selected).collect()
}

#[test]
fn the_states_come_in_the_order_of_w3c() {
    let mut world = connected([Nat::PortRestricted, Nat::FullCone], pair_of_full(), true);
    assert!(world.run_until(ms(60_000), |w| {
        w.sides.iter().all(|s| s.agent.connection_state() == ConnectionState::Completed)
    }));
    for side in 0..2 {
        use ConnectionState::{Checking, Completed, Connected};
        assert_eq!(states(&world, side), [Checking, Connected, Completed]);
        assert_eq!(world.sides[side].agent.gathering_state(), GatheringState::Complete);
        let ends = world.events_of(side).filter(|event| **event == Event::EndOfCandidates).count();
        assert_eq!(ends, 1);
    }
    // An agent at rest: one consent timer, nothing to send.
    let packets = world.packets;
    world.run_for(ms(60_000));
    let sent = world.packets - packets;
    assert!((40..=64).contains(&sent), "in a minute each side asks 10 to 15 times: {sent} packets");
}

/// RFC 8445 §9: while the new generation is under way data stays on the old pair, whose consent is kept.
#[test]
fn a_restart_moves_without_a_gap() {
    let mut world = connected([Nat::Symmetric, Nat::FullCone], pair_of_full(), true);
    for round in 0..3 {
        world.run_for(ms(3000));
        let before = [0, 1].map(|side| world.sides[side].agent.credentials().clone());
        let initiator = round % 2;
        let old = *world.sides[initiator].agent.selected().unwrap();
        let now = world.now;
        world.sides[initiator].agent.restart(now, None);
        assert_eq!(world.sides[initiator].agent.selected(), Some(&old));
        let offer = world.credentials_of(initiator);
        world.signal(1 - initiator, offer, ms(400));
        let count = selections(&world, 0).len();
        assert!(world.run_until(ms(20_000), |w| {
            assert!(w.sides.iter().all(|side| side.agent.selected().is_some()), "there is always a pair");
            selections(w, 0).len() > count && selections(w, 1).len() > count && w.agreed()
        }));
        for (side, before) in before.iter().enumerate() {
            assert_ne!(world.sides[side].agent.credentials(), before);
            assert!(!world.events_of(side).any(|event| *event == Event::ConsentLost));
        }
        assert!(world.is_direct());
    }
}

/// A restart whose answer never comes leaves the old pair alone.
#[test]
fn an_unanswered_restart_costs_nothing() {
    let mut world = connected([Nat::None, Nat::FullCone], pair_of_full(), false);
    let old = *world.sides[0].agent.selected().unwrap();
    for _ in 0..3 {
        let now = world.now;
        world.signalling = false;
        world.sides[0].agent.restart(now, None);
        world.run_for(ms(60_000));
        assert_eq!(world.sides[0].agent.selected(), Some(&old));
        assert!(world.sides[1].agent.selected().is_some());
    }
}

/// RFC 7675 §5.1: nothing may be sent 30 s after the last answer, and the state says so before.
#[test]
fn silence_is_noticed_and_ends_consent() {
    let mut world = connected([Nat::None, Nat::None], pair_of_full(), false);
    world.run_for(ms(10_000));
    let cut_at = world.now;
    world.sides[0].cut = true;
    let disconnected =
        |w: &World| w.sides.iter().all(|s| s.agent.connection_state() == ConnectionState::Disconnected);
    assert!(world.run_until(ms(15_000), disconnected));
    assert!(world.sides[0].agent.selected().is_some(), "data may still be sent");
    assert!(world.now.saturating_since(cut_at) <= ms(8000));
    let failed = |w: &World| w.sides.iter().all(|s| s.agent.connection_state() == ConnectionState::Failed);
    assert!(world.run_until(ms(40_000), failed));
    let waited = world.now.saturating_since(cut_at);
    assert!(waited <= ms(30_000) && waited >= ms(22_000), "{waited:?}");
    for side in 0..2 {
        assert_eq!(world.sides[side].agent.selected(), None);
        assert!(world.events_of(side).any(|event| *event == Event::ConsentLost));
    }
}

/// A short silence heals without a restart.
#[test]
fn a_pair_that_comes_back_is_taken_again() {
    let mut world = connected([Nat::PortRestricted, Nat::PortRestricted], pair_of_full(), false);
    world.run_for(ms(10_000));
    world.sides[0].cut = true;
    world.run_for(ms(15_000));
    assert_eq!(world.sides[0].agent.connection_state(), ConnectionState::Disconnected);
    world.sides[0].cut = false;
    assert!(world.run_until(ms(20_000), World::agreed));
    world.run_for(ms(60_000));
    assert!(world.agreed());
}

/// A NAT that forgets gives us another address; the peer follows the checks it sees come from there.
#[test]
fn a_rebound_nat_is_followed() {
    for (nats, who) in [
        ([Nat::FullCone, Nat::None], 0),
        ([Nat::PortRestricted, Nat::FullCone], 0),
        ([Nat::None, Nat::PortRestricted], 1),
        ([Nat::FullCone, Nat::FullCone], 1),
    ] {
        let mut world = connected(nats, pair_of_full(), false);
        world.run_for(ms(5000));
        world.sides[who].nat.forget_mappings();
        world.run_for(ms(30_000));
        assert!(world.connected(), "{nats:?} {who}: {:?} {:?}", states(&world, 0), states(&world, 1));
        let remote = world.sides[1 - who].agent.selected().unwrap().remote;
        assert!(remote.port() > 40_050, "{nats:?} {who}: data goes to the new mapping, not to {remote}");
        assert!(!world.events_of(0).chain(world.events_of(1)).any(|e| *e == Event::ConsentLost));
    }
}

/// The interface that data goes over disappears: another pair takes over, or a new address does.
#[test]
fn a_lost_interface_is_replaced() {
    for (side, relays) in [(0, true), (1, true), (0, false), (1, false)] {
        let mut world = connected([Nat::None, Nat::None], pair_of_full(), relays);
        world.run_for(ms(1000));
        let old = world.sides[side].agent.selected().unwrap().local;
        let now = world.now;
        world.sides[side].hosts.clear();
        world.sides[side].agent.remove_local(now, Transport::Udp, old);
        assert_eq!(world.sides[side].agent.selected(), None);
        assert_eq!(world.sides[side].agent.connection_state(), ConnectionState::Disconnected);
        if !relays {
            world.run_for(ms(1000));
            let new: SocketAddr = SocketAddr::new(world.sides[side].nat.public, 6000);
            let now = world.now;
            world.sides[side].hosts.push(new);
            world.sides[side].agent.add_local(now, Local::host(new)).unwrap();
        }
        assert!(world.run_until(ms(20_000), World::connected), "side {side}, relays {relays}");
        world.run_for(ms(40_000));
        assert!(world.connected(), "side {side}, relays {relays}");
        assert_ne!(world.sides[side].agent.selected().unwrap().local, old);
    }
}

/// RFC 8445 §7.3.1.1, whatever both sides believe at first.
#[test]
fn role_conflicts_are_settled() {
    for role in [Role::Controlling, Role::Controlled] {
        for (seed, nat) in (0..20).zip(NATS[..5].iter().cycle()) {
            let nats = [*nat, Nat::FullCone];
            let mut world = World::new(seed, nats, [full(role), full(role)]);
            world.start(false);
            assert!(world.run_until(ms(20_000), World::agreed), "both {role:?}, seed {seed}");
            assert_ne!(world.sides[0].agent.role(), world.sides[1].agent.role());
            let changes = (0..2)
                .flat_map(|side| world.events_of(side))
                .filter(|event| matches!(event, Event::RoleChanged(_)))
                .count();
            assert_eq!(changes, 1, "both {role:?}, seed {seed}");
        }
    }
}

fn lite() -> Config {
    Config { lite: true, ..Config::default() }
}

#[test]
fn a_lite_peer_on_either_side() {
    for nat in NATS {
        for lite_side in 0..2 {
            // Whoever is full controls, whatever it was told.
            let full = full(if lite_side == 0 { Role::Controlled } else { Role::Controlling });
            let mut configs = [lite(), full];
            let mut nats = [Nat::None, nat];
            if lite_side == 1 {
                configs.reverse();
                nats.reverse();
            }
            let mut world = World::new(5, nats, configs);
            for side in 0..2 {
                world.gather(side);
                let now = world.now;
                world.sides[side].agent.end_of_local_candidates(now);
            }
            world.exchange_credentials();
            let expected = nat != Nat::UdpBlocked;
            assert_eq!(world.run_until(ms(45_000), World::agreed), expected, "{nats:?}");
            if expected {
                let agent = &world.sides[lite_side].agent;
                assert_eq!(
                    (agent.role(), world.sides[1 - lite_side].agent.role()),
                    (Role::Controlled, Role::Controlling)
                );
                assert_eq!(agent.stats().requests_sent, 0);
                world.run_for(ms(60_000));
                assert!(world.agreed());
                // A lite agent notices too when the peer is gone.
                world.sides[1 - lite_side].cut = true;
                world.run_for(ms(31_000));
                assert_eq!(world.sides[lite_side].agent.selected(), None);
                assert_eq!(world.sides[lite_side].agent.connection_state(), ConnectionState::Failed);
            } else {
                assert_eq!(world.sides[lite_side].agent.connection_state(), ConnectionState::Failed);
            }
        }
    }
}

/// RFC 8445 §8.2: two lite agents send no checks at all.
#[test]
fn two_lite_agents_take_the_best_pair() {
    let mut world = World::new(5, [Nat::None, Nat::None], [lite(), lite()]);
    world.start(false);
    assert!(world.run_until(ms(1000), World::agreed));
    world.run_for(ms(60_000));
    assert!(world.agreed());
    assert_eq!(world.packets, 0);
}

/// RFC 6544: where UDP goes nowhere, a listener on the other side is enough.
#[test]
fn tcp_takes_over_where_udp_is_blocked() {
    for active in 0..2 {
        let mut nats = [Nat::None, Nat::None];
        nats[active] = Nat::UdpBlocked;
        let mut world = World::new(7, nats, pair_of_full());
        let now = world.now;
        stream(&mut world.sides[active], now, "10.0.9.9:9", TcpType::Active);
        stream(&mut world.sides[1 - active], now, "198.51.100.7:443", TcpType::Passive);
        world.start(false);
        assert!(world.run_until(ms(20_000), World::agreed), "active side {active}");
        let pair = *world.sides[active].agent.selected().unwrap();
        assert_eq!((pair.transport, pair.remote), (Transport::Tcp, addr("198.51.100.7:443")));
        assert_eq!(pair.local_kind, CandidateKind::PeerReflexive);
        world.run_for(ms(60_000));
        assert!(world.agreed());
        // The connection breaks: nothing else works, so that is the end until a restart.
        let now = world.now;
        world.sides[active].agent.connection_failed(now, pair.local, pair.remote);
        assert_eq!(world.sides[active].agent.selected(), None);
    }
}

/// The pair after a restart goes over the same connection as the one before, which then is not closed.
#[test]
fn a_restart_keeps_the_connection_that_both_generations_use() {
    for initiator in 0..2usize {
        let mut world = World::new(7, [Nat::UdpBlocked, Nat::None], pair_of_full());
        let now = world.now;
        stream(&mut world.sides[0], now, "10.0.9.9:9", TcpType::Active);
        stream(&mut world.sides[1], now, "198.51.100.7:443", TcpType::Passive);
        world.start(false);
        assert!(world.run_until(ms(20_000), World::agreed));
        world.run_for(ms(1000));
        let now = world.now;
        world.sides[initiator].agent.restart(now, None);
        let credentials = world.credentials_of(initiator);
        world.signal(1 - initiator, credentials, ms(50));
        let before: Vec<_> = world.sides.iter().map(|side| side.agent.credentials().clone()).collect();
        world.run_for(ms(20_000));
        assert!(world.agreed());
        assert_ne!(world.sides[1 - initiator].agent.credentials(), &before[1 - initiator]);
        for side in 0..2 {
            let pair = *world.sides[side].agent.selected().unwrap();
            assert!(pair.nominated && pair.transport == Transport::Tcp);
            let closed = Event::Disconnect { local: pair.local, remote: pair.remote };
            assert!(world.events_of(side).all(|event| *event != closed), "side {side}");
        }
    }
}

/// UDP wins over TCP, and the connection that is not needed is given back.
#[test]
fn tcp_loses_against_udp_and_is_closed() {
    let mut world = World::new(7, [Nat::None, Nat::None], pair_of_full());
    let now = world.now;
    stream(&mut world.sides[0], now, "203.0.113.1:9", TcpType::Active);
    stream(&mut world.sides[1], now, "198.51.100.7:443", TcpType::Passive);
    world.start(false);
    assert!(world.run_until(ms(20_000), World::agreed));
    world.run_for(ms(1000));
    assert_eq!(world.sides[0].agent.selected().unwrap().transport, Transport::Udp);
    let closed = Event::Disconnect { local: addr("203.0.113.1:9"), remote: addr("198.51.100.7:443") };
    let opened = world.trace.iter().any(|line| line.contains("Tcp"));
    assert_eq!(world.events_of(0).any(|event| *event == closed), opened);
}

/// Host addresses hidden behind names; the peer resolves them, or does without.
#[test]
fn names_hide_host_addresses() {
    for resolvable in [true, false] {
        let mut world = World::new(9, [Nat::None, Nat::None], pair_of_full());
        for side in 0..2usize {
            let name = format!("0b5e{side}d6a-3b4c-4a5e-9f10-0123456789ab.local");
            let host = world.sides[side].hosts[0];
            if resolvable {
                world.sides[side].names.insert(name.clone(), host.ip());
            }
            let now = world.now;
            world.sides[side].agent.add_local(now, Local::host(host).named(&name)).unwrap();
            world.sides[side].agent.end_of_local_candidates(now);
        }
        world.exchange_credentials();
        assert!(world.run_until(ms(20_000), World::agreed), "resolvable: {resolvable}");
        for event in world.events_of(0) {
            let Event::LocalCandidate(candidate) = event else { continue };
            if candidate.kind == CandidateKind::Host {
                assert!(candidate.to_string().contains(".local 5000 typ host"), "{candidate}");
                assert!(!candidate.to_string().contains("203.0.113"), "{candidate}");
            } else {
                assert!(candidate.to_string().contains("raddr 0.0.0.0 rport 0"), "{candidate}");
            }
        }
    }
}

/// RFC 8863: a peer that cannot be reached is given 39.5 s, then the state says that it has failed; a candidate
/// that comes later still is a new chance.
#[test]
fn failure_waits_and_is_not_the_end() {
    let mut world = World::new(2, [Nat::UdpBlocked, Nat::None], pair_of_full());
    world.start(false);
    let failed = |w: &World| w.sides.iter().all(|s| s.agent.connection_state() == ConnectionState::Failed);
    assert!(!world.run_until(ms(39_000), failed));
    assert!(world.run_until(ms(10_000), failed));
    world.add_relay(0);
    assert!(world.run_until(ms(20_000), World::agreed));
}

/// Candidates may come long before the credentials that they belong to, and long after.
#[test]
fn candidates_and_credentials_in_any_order() {
    for late in [0, 1] {
        let mut world = World::new(4, [Nat::FullCone, Nat::PortRestricted], pair_of_full());
        for side in 0..2 {
            world.gather(side);
            let now = world.now;
            world.sides[side].agent.end_of_local_candidates(now);
        }
        world.run_for(ms(2000));
        let [a, b] = [0, 1].map(|side| world.credentials_of(side));
        world.signal(1 - late, if late == 0 { a.clone() } else { b.clone() }, ms(0));
        world.run_for(ms(1500));
        assert!(!world.connected());
        world.signal(late, if late == 0 { b } else { a }, ms(0));
        assert!(world.run_until(ms(20_000), World::agreed), "late {late}");
        assert!(world.is_direct());
    }
}

#[test]
fn misuse_is_told() {
    let mut world = World::new(4, [Nat::None, Nat::None], pair_of_full());
    world.start(false);
    let now = world.now;
    let host = world.sides[0].hosts[0];
    let agent = &mut world.sides[0].agent;
    assert_eq!(agent.add_local(now, Local::host(host)), Err(LocalError::Duplicate));
    assert_eq!(agent.add_local(now, Local::host(addr("0.0.0.0:1"))), Err(LocalError::Address));
    assert_eq!(agent.add_local(now, Local::host(addr("10.1.1.1:0"))), Err(LocalError::Address));
    let credentials = |ufrag: &str| Credentials { ufrag: ufrag.to_owned(), pwd: "p".repeat(22) };
    assert_eq!(
        agent.set_remote_credentials(now, credentials("abc"), false),
        Err(CredentialsError::UfragLength)
    );
    assert_eq!(agent.set_remote_credentials(now, credentials("abcd"), false), Ok(()));
    assert_eq!(agent.set_remote_credentials(now, credentials("abcd"), false), Ok(()));
    assert_eq!(
        agent.set_remote_credentials(now, credentials("abce"), false),
        Err(CredentialsError::RestartFirst)
    );
    agent.close(now);
    assert_eq!((agent.connection_state(), agent.poll_timeout()), (ConnectionState::Closed, None));
    assert_eq!(agent.add_local(now, Local::host(addr("10.1.1.1:7"))), Err(LocalError::Closed));
}

/// One lost consent check is nothing to speak of.
#[test]
fn a_lossy_path_is_not_called_disconnected() {
    let mut world = connected([Nat::PortRestricted, Nat::FullCone], pair_of_full(), false);
    world.weather.loss = 50;
    world.run_for(ms(600_000));
    for side in 0..2 {
        assert!(!states(&world, side).contains(&ConnectionState::Disconnected));
    }
}
