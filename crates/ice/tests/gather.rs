//! Candidates of ours: found, told, kept alive, hidden.

use crate::world::{NATS, Nat, STUN, World, addr, full, ms, pair_of_full};
use ice::{Agent, Candidate, CandidateKind, Config, Event, GatheringState, Local, Role, TcpType};
use wire::{Instant, Transport};

fn told(world: &World, side: usize) -> Vec<Candidate> {
    let told = |event: &Event| match event {
        Event::LocalCandidate(candidate) => Some((**candidate).clone()),
        _ => None,
    };
    world.events_of(side).filter_map(told).collect()
}

#[test]
fn a_nat_is_seen_and_no_nat_is_not_told_twice() {
    for nat in NATS {
        let mut world = World::new(1, [nat, Nat::None], pair_of_full());
        world.gather(0);
        let now = world.now;
        world.sides[0].agent.end_of_local_candidates(now);
        let complete = |w: &World| w.sides[0].agent.gathering_state() == GatheringState::Complete;
        assert!(world.run_until(ms(5000), complete), "{nat:?}");
        let kinds: Vec<_> = told(&world, 0).iter().map(|c| c.kind).collect();
        match nat {
            Nat::None | Nat::UdpBlocked => assert_eq!(kinds, [CandidateKind::Host], "{nat:?}"),
            _ => assert_eq!(kinds, [CandidateKind::Host, CandidateKind::ServerReflexive], "{nat:?}"),
        }
        // A server that answers is quick; one that does not is not waited for longer than 5 s.
        let waited = world.now.saturating_since(now);
        assert_eq!(waited, if nat == Nat::UdpBlocked { ms(5000) } else { ms(50) });
        if kinds.len() == 2 {
            let reflexive = &told(&world, 0)[1];
            assert_eq!(reflexive.related, Some(world.sides[0].hosts[0]));
            assert_eq!(reflexive.socket_address().unwrap().ip(), world.sides[0].nat.public);
        }
    }
}

/// Each base asks each server of its family, and equal answers make one candidate.
#[test]
fn several_servers_and_bases() {
    let servers = vec![addr(STUN), addr("192.0.2.1:3479"), addr("[2001:db8::1]:3478")];
    let config = Config { stun_servers: servers, ..full(Role::Controlling) };
    let mut world = World::new(1, [Nat::PortRestricted, Nat::None], [config, full(Role::Controlled)]);
    world.sides[0].hosts.push(addr("10.0.1.3:5000"));
    world.gather(0);
    world.run_for(ms(1000));
    let told = told(&world, 0);
    let foundations: std::collections::BTreeSet<_> = told.iter().map(|c| c.foundation.clone()).collect();
    assert_eq!(told.len(), 4, "two hosts, two mappings: {told:?}");
    assert_eq!(foundations.len(), 4);
    assert!(told[0].priority > told[1].priority, "the first interface comes first");
    assert_eq!(world.sides[0].agent.gathering_state(), GatheringState::Gathering, "the driver may give more");
}

/// Until a pair is nominated the mappings are kept alive; afterwards nobody pays for them.
#[test]
fn mappings_are_kept_until_they_are_not_needed() {
    let mut world = World::new(1, [Nat::PortRestricted, Nat::PortRestricted], pair_of_full());
    for side in 0..2 {
        world.gather(side);
        let now = world.now;
        world.sides[side].agent.end_of_local_candidates(now);
    }
    world.run_for(ms(1000));
    let packets = world.packets;
    world.run_for(ms(60_000));
    assert_eq!(world.packets - packets, 8, "one indication per mapping and 15 s");
    world.exchange_credentials();
    assert!(world.run_until(ms(20_000), World::agreed));
    let to_server = format!("to: {STUN}");
    let before = world.trace.iter().filter(|line| line.contains(&to_server)).count();
    world.run_for(ms(60_000));
    assert_eq!(world.trace.iter().filter(|line| line.contains(&to_server)).count(), before);
}

#[test]
fn priorities_of_what_is_told() {
    let now = Instant::ZERO;
    let mut agent = Agent::new(Config::default(), [3; 32], now);
    let server = addr("192.0.2.2:3478");
    let mapped = addr("203.0.113.1:7");
    for local in [
        Local::host(addr("[2001:db8::9]:5000")),
        Local::host(addr("192.0.2.10:5000")),
        Local::host(addr("192.0.2.11:5000")),
        Local::tcp(addr("192.0.2.10:0"), TcpType::Active),
        Local::tcp(addr("192.0.2.10:443"), TcpType::Passive),
        Local::relayed(addr("192.0.2.2:6000"), Transport::Udp, server, mapped),
        Local::relayed(addr("192.0.2.2:6001"), Transport::Tcp, server, mapped),
        Local::relayed(addr("192.0.2.2:6002"), Transport::Tls, server, mapped),
    ] {
        agent.add_local(now, local).unwrap();
    }
    let mut lines = Vec::new();
    let mut priorities = Vec::new();
    while let Some(event) = agent.poll_event() {
        if let Event::LocalCandidate(candidate) = event {
            priorities.push(candidate.priority);
            let line = candidate.to_string();
            lines.push(line.split(" ufrag").next().unwrap().to_owned());
        }
    }
    assert!(priorities.is_sorted_by(|a, b| a > b), "{lines:#?}");
    assert_eq!(
        lines,
        [
            "candidate:1 1 udp 2130706431 2001:db8::9 5000 typ host",
            "candidate:2 1 udp 2130640895 192.0.2.10 5000 typ host",
            "candidate:3 1 udp 2130509823 192.0.2.11 5000 typ host",
            "candidate:4 1 tcp 1524625407 192.0.2.10 9 typ host tcptype active",
            "candidate:4 1 tcp 1520431103 192.0.2.10 443 typ host tcptype passive",
            "candidate:5 1 udp 50266111 192.0.2.2 6000 typ relay raddr 203.0.113.1 rport 7",
            "candidate:6 1 udp 33488895 192.0.2.2 6001 typ relay raddr 203.0.113.1 rport 7",
            "candidate:7 1 udp 16711679 192.0.2.2 6002 typ relay raddr 203.0.113.1 rport 7",
        ]
    );
}

/// Dual stack (RFC 8421): IPv6 is preferred, IPv4 is there when IPv6 goes nowhere.
#[test]
fn ipv6_first_and_ipv4_when_it_fails() {
    for works in [true, false] {
        let mut world = World::new(1, [Nat::None, Nat::None], pair_of_full());
        for side in 0..2 {
            let ipv6 = format!("[2001:db8::{}]:5000", side + 1);
            let now = world.now;
            if works {
                world.sides[side].hosts.push(addr(&ipv6));
            } else {
                world.sides[side].agent.add_local(now, Local::host(addr(&ipv6))).unwrap();
            }
        }
        world.start(false);
        assert!(world.run_until(ms(5000), World::agreed));
        assert_eq!(world.sides[0].agent.selected().unwrap().remote.is_ipv6(), works);
        println!("IPv6 works: {works}, nominated after {:?}", world.now.saturating_since(Instant::ZERO));
        assert!(world.now.saturating_since(Instant::ZERO) < ms(400));
    }
}
