//! An agent against a peer that is played message by message.

use crate::player::{NOMINATE, NOMINATION, Out, PEER, PWD, Say, Script, controlled, response};
use crate::world::{addr, ms};
use ice::{CandidateKind, Config, ConnectionState, Event, Input, Local, PairState, Role};
use stun::attribute::{ErrorCode, IceControlled, Priority, UnknownAttributes, UseCandidate, Username};
use stun::{Class, Key, TransactionId};
use wire::Transport;

/// RFC 5245 §8.1.1.2: the peer puts USE-CANDIDATE into every check; the highest priority that works wins.
#[test]
fn an_aggressive_peer_is_understood() {
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [1, 0, 2]] {
        let mut script = Script::introduced(controlled(), 3);
        for at in order {
            script.request(PEER[at], NOMINATE);
            for _ in 0..4 {
                script.answer(&PEER);
                script.pass(20);
            }
        }
        assert_eq!(script.selected(), Some((addr(PEER[0]), true)), "{order:?}");
    }
}

/// draft-thatcher-ice-renomination: the latest number counts, whatever the priority.
#[test]
fn the_latest_nomination_wins() {
    let mut script = Script::introduced(controlled(), 3);
    for (at, number) in [(2, 1), (0, 2), (1, 3)] {
        script.request(PEER[at], Say { number: Some(number), ..NOMINATE });
        for _ in 0..4 {
            script.answer(&PEER);
            script.pass(20);
        }
        assert_eq!(script.selected(), Some((addr(PEER[at]), true)));
    }
    // An older number that arrives late changes nothing.
    script.request(PEER[0], Say { number: Some(2), ..NOMINATE });
    assert_eq!(script.selected(), Some((addr(PEER[1]), true)));
}

/// A check from an unknown address makes a peer-reflexive candidate and a check in return at once.
#[test]
fn a_triggered_check_follows_at_once() {
    let mut script = Script::introduced(controlled(), 0);
    script.request(PEER[0], Say::default());
    let sent = script.sent();
    let kinds: Vec<_> = sent.iter().map(|out| (out.message().class(), out.to)).collect();
    assert_eq!(kinds, [(Class::Success, addr(PEER[0])), (Class::Request, addr(PEER[0]))]);
    let request = sent[1].message();
    assert!(request.verify(&Key::new(PWD.as_bytes())));
    let ufrag = script.agent.credentials().ufrag.clone();
    assert_eq!(request.get(), Ok(Some(Username(&format!("peer:{ufrag}")))));
    assert_eq!(request.get(), Ok(Some(Priority(110 << 24 | 0xfe_ffff & 0xff_ff00 | 0xff))));
    assert!(request.has::<IceControlled>() && !request.has::<UseCandidate>());
    let remote = script.agent.remote_candidate_stats().next().unwrap();
    assert_eq!((remote.kind, remote.priority), (CandidateKind::PeerReflexive, 1_800_000_000));
    // Told later: it is what it is told to be, and the pair stays.
    let line = "candidate:9 1 udp 2000000000 198.51.100.1 7000 typ srflx raddr 0.0.0.0 rport 0";
    script.agent.add_remote(script.now, line.parse().unwrap());
    let remotes: Vec<_> = script.agent.remote_candidate_stats().collect();
    assert_eq!(remotes.len(), 1);
    assert_eq!((remotes[0].kind, remotes[0].priority), (CandidateKind::ServerReflexive, 2_000_000_000));
    assert_eq!(script.agent.pair_stats().count(), 1);
}

/// Checks that come before the peer's credentials are answered, and followed once these are there.
#[test]
fn early_checks_are_remembered() {
    let mut script = Script::new(controlled());
    script.request(PEER[0], NOMINATE);
    assert_eq!(script.sent().len(), 1);
    script.pass(300);
    script.introduce();
    script.answer(&PEER);
    assert_eq!(script.selected(), Some((addr(PEER[0]), true)));
}

#[test]
fn strangers_get_no_answer() {
    let mut script = Script::introduced(controlled(), 1);
    script.sent();
    let say = Say::default();
    script.request(PEER[0], Say { wrong_pwd: true, ..say });
    script.request(PEER[0], Say { wrong_name: true, ..say });
    script.request(PEER[0], Say { no_fingerprint: true, ..say });
    script.input(PEER[0], b"");
    script.input(PEER[0], &[0; 20]);
    script.input(PEER[0], &response(TransactionId([9; 12]), None, PWD));
    let input = Input { transport: Transport::Udp, local: addr(PEER[2]), remote: addr(PEER[0]), bytes: &[] };
    script.agent.handle_input(script.now, input);
    assert!(script.sent().is_empty());
    let dropped = script.agent.stats().dropped;
    assert_eq!((dropped.unauthenticated, dropped.malformed, dropped.unexpected), (2, 4, 1));
    script.request(PEER[0], Say { unknown: true, ..say });
    let sent = script.sent();
    let message = sent[0].message();
    assert_eq!(message.get(), Ok(Some(ErrorCode::UNKNOWN_ATTRIBUTE)));
    assert_eq!(message.get::<UnknownAttributes>().unwrap().unwrap().kinds(), [0x7abc]);
}

/// An answer counts only from where the check went, with the peer's key, and once.
#[test]
fn forged_answers_change_nothing() {
    let mut script = Script::introduced(Config::default(), 1);
    let sent = script.sent();
    let id = sent[0].message().transaction_id();
    script.input(PEER[1], &response(id, None, PWD));
    script.input(PEER[0], &response(id, None, "notthepasswordnotthepassword"));
    script.input(PEER[0], &response(id, Some(ErrorCode::BAD_REQUEST), "notthepasswordnotthepassword"));
    assert_eq!(script.agent.selected(), None);
    let dropped = script.agent.stats().dropped;
    assert_eq!((dropped.unexpected, dropped.unauthenticated), (1, 2));
    script.input(PEER[0], &response(id, None, PWD));
    assert_eq!(script.selected(), Some((addr(PEER[0]), false)));
    script.input(PEER[0], &response(id, None, PWD));
    assert_eq!(script.agent.stats().dropped.unexpected, 2);
}

/// RFC 8445 §7.2.5.1: 487 to our check, and a conflict in the peer's.
#[test]
fn a_role_conflict_both_ways() {
    let mut script = Script::introduced(Config::default(), 1);
    let sent = script.sent();
    let id = sent[0].message().transaction_id();
    script.input(PEER[0], &response(id, Some(ErrorCode::ROLE_CONFLICT), PWD));
    assert_eq!(script.agent.role(), Role::Controlled);
    script.pass(20);
    let sent = script.sent();
    assert!(sent[0].message().has::<IceControlled>(), "the check is sent again with the new role");
    // A late 487 to a check of the role we had changes nothing.
    script.request(PEER[0], Say { controlled: true, tie_breaker: u64::MAX, ..Say::default() });
    let sent = script.sent();
    assert_eq!(sent[0].message().get(), Ok(Some(ErrorCode::ROLE_CONFLICT)));
    assert_eq!(script.agent.role(), Role::Controlled);
    script.request(PEER[0], Say { controlled: true, tie_breaker: 0, ..Say::default() });
    assert_eq!(script.agent.role(), Role::Controlling);
}

/// Regular nomination: a check with USE-CANDIDATE on the pair that was found valid (RFC 8445 §8.1.1).
#[test]
fn the_controlling_side_nominates_after_a_short_patience() {
    let mut script = Script::introduced(Config::default(), 3);
    for _ in 0..4 {
        script.answer(&PEER[1..]);
        script.pass(20);
    }
    assert_eq!(script.selected(), Some((addr(PEER[1]), false)), "data may flow");
    let nominating = |out: &Out| out.message().has::<UseCandidate>();
    assert!(!script.sent().iter().any(nominating), "the best pair may still answer");
    script.pass(100);
    let sent = script.sent();
    let nominated: Vec<_> = sent.iter().filter(|out| nominating(out)).collect();
    assert_eq!(nominated.iter().map(|out| out.to).collect::<Vec<_>>(), [addr(PEER[1])]);
    let bytes = response(nominated[0].message().transaction_id(), None, PWD);
    script.input(PEER[1], &bytes);
    assert_eq!(script.selected(), Some((addr(PEER[1]), true)));
    // Nothing else is checked any more: only consent remains.
    script.sent();
    script.pass(3000);
    assert!(script.sent().is_empty());
    let stats: Vec<_> = script.agent.pair_stats().collect();
    assert_eq!(stats.iter().filter(|pair| pair.selected && pair.nominated).count(), 1);
    let pair = stats.iter().find(|pair| pair.selected).unwrap();
    assert_eq!((pair.state, pair.requests_sent, pair.responses_received), (PairState::Succeeded, 2, 2));
    assert_eq!(pair.current_round_trip_time, Some(ms(0)));
}

/// With renomination, a better pair that becomes valid later is nominated in turn, with a higher number.
#[test]
fn renomination_moves_up() {
    let config = Config { renomination: true, ..Config::default() };
    let mut script = Script::introduced(config, 2);
    for _ in 0..20 {
        script.answer(&PEER[1..]);
        script.pass(20);
    }
    assert_eq!(script.selected(), Some((addr(PEER[1]), true)));
    let mut numbers = Vec::new();
    for _ in 0..60 {
        script.pass(20);
        for out in script.sent() {
            let number = out.message().raw(NOMINATION).map(|v| u32::from_be_bytes(v.try_into().unwrap()));
            numbers.extend(number.map(|number| (out.to, number)));
            if out.message().class() == Class::Request {
                let bytes = response(out.message().transaction_id(), None, PWD);
                let from = out.to.to_string();
                script.input(&from, &bytes);
            }
        }
    }
    assert_eq!(script.selected(), Some((addr(PEER[0]), true)));
    assert_eq!(numbers, [(addr(PEER[0]), 2)]);
}

/// Whatever the peer does, memory is bounded.
#[test]
fn floods_meet_limits() {
    let config = Config { max_pairs: 10, max_remote: 20, max_peer_reflexive: 5, ..controlled() };
    let mut script = Script::introduced(config, 1);
    for n in 0..200u16 {
        let line = format!("candidate:{n} 1 udp {} 198.51.100.9 {} typ host", 5000 + n, 1000 + n);
        script.agent.add_remote(script.now, line.parse().unwrap());
        let named = format!("candidate:{n} 1 udp 7 name{n}.local 1000 typ host");
        script.agent.add_remote(script.now, named.parse().unwrap());
        let foreign = format!("candidate:{n} 1 udp 7 192.0.2.77 {} typ host ufrag other", 1000 + n);
        script.agent.add_remote(script.now, foreign.parse().unwrap());
        let from = format!("203.0.113.9:{}", 2000 + n);
        script.counter = 0;
        script.request(&from, Say { no_priority: n % 2 == 0, nominate: n % 7 == 0, ..Say::default() });
        assert!(script.agent.pair_stats().count() <= 10);
        assert!(script.agent.remote_candidate_stats().count() <= 20);
    }
    let reflexive = script.agent.remote_candidate_stats().filter(|c| c.kind == CandidateKind::PeerReflexive);
    assert!(reflexive.count() <= 5);
    assert!(script.agent.stats().dropped.full > 300);
    let mut events = 0;
    while let Some(event) = script.agent.poll_event() {
        events += usize::from(matches!(event, Event::Resolve(_)));
    }
    assert!(events <= 20);
    assert!(script.sent().len() <= 256);
}

#[test]
fn names_that_are_not_local_are_not_looked_up() {
    let mut script = Script::introduced(controlled(), 0);
    for name in ["example.org", "a.b.local", "printer.local.example.org", ".local"] {
        let line = format!("candidate:1 1 udp 1 {name} 5 typ host");
        if let Ok(candidate) = line.parse() {
            script.agent.add_remote(script.now, candidate);
        }
    }
    while let Some(event) = script.agent.poll_event() {
        assert!(!matches!(event, Event::Resolve(_)), "{event:?}");
    }
    assert_eq!(script.agent.stats().dropped.unusable, 4);
}

/// What cannot work is not paired: families, link-local, loopback, other components, active TCP.
#[test]
fn hopeless_pairs_are_not_made() {
    let mut script = Script::introduced(Config::default(), 0);
    for line in [
        "candidate:1 1 udp 1 2001:db8::1 5 typ host",
        "candidate:1 1 udp 1 127.0.0.1 5 typ host",
        "candidate:1 1 udp 1 0.0.0.0 5 typ host",
        "candidate:1 1 udp 1 224.0.0.1 5 typ host",
        "candidate:1 1 udp 1 198.51.100.1 0 typ host",
        "candidate:1 2 udp 1 198.51.100.1 5 typ host",
        "candidate:1 1 tcp 1 198.51.100.1 9 typ host tcptype active",
        "candidate:1 1 tcp 1 198.51.100.1 443 typ host tcptype passive",
    ] {
        script.agent.add_remote(script.now, line.parse().unwrap());
        assert_eq!(script.agent.pair_stats().count(), 0, "{line}");
    }
    script.agent.add_local(script.now, Local::host(addr("[fe80::1]:5000"))).unwrap();
    script.agent.add_local(script.now, Local::host(addr("[2001:db8::9]:5000"))).unwrap();
    let line = "candidate:1 1 udp 1 fe80::7 5 typ host";
    script.agent.add_remote(script.now, line.parse().unwrap());
    // 2001:db8::1 with 2001:db8::9, and fe80::7 with fe80::1.
    assert_eq!(script.agent.pair_stats().count(), 2);
    assert_eq!(script.agent.connection_state(), ConnectionState::Checking);
}

/// RFC 8445 §6.1.2.6 and RFC 8838 §12: one pair per foundation at first, the others when it has succeeded.
#[test]
fn foundations_are_frozen_and_thawed() {
    let mut script = Script::introduced(Config::default(), 0);
    for n in 0..4 {
        let line = format!("candidate:same 1 udp {} 198.51.100.1 {} typ host", 2000 - n, 7000 + n);
        script.agent.add_remote(script.now, line.parse().unwrap());
    }
    let states = |script: &Script| script.agent.pair_stats().map(|pair| pair.state).collect::<Vec<_>>();
    use PairState::{Frozen, InProgress, Succeeded, Waiting};
    assert_eq!(states(&script), [InProgress, Frozen, Frozen, Frozen]);
    script.pass(20);
    assert_eq!(states(&script), [InProgress, Frozen, Frozen, Frozen]);
    script.answer(&PEER[..1]);
    assert_eq!(states(&script)[..2], [Succeeded, Waiting]);
}

/// RFC 8445 §7.3.1.4: a check of the peer restarts ours that is under way, for ours may have met a closed NAT.
#[test]
fn a_check_under_way_is_sent_anew() {
    let mut script = Script::introduced(controlled(), 1);
    let first = script.sent()[0].message().transaction_id();
    script.pass(20);
    script.request(PEER[0], Say::default());
    let sent = script.sent();
    let requests: Vec<_> = sent.iter().filter(|out| out.message().class() == Class::Request).collect();
    assert_eq!(requests.len(), 1);
    assert_ne!(requests[0].message().transaction_id(), first);
    // The answer to the first one still counts.
    script.input(PEER[0], &response(first, None, PWD));
    assert_eq!(script.selected(), Some((addr(PEER[0]), false)));
}

#[test]
fn a_refusal_fails_the_pair() {
    let mut script = Script::introduced(Config::default(), 1);
    let id = script.sent()[0].message().transaction_id();
    script.input(PEER[0], &response(id, Some(ErrorCode::BAD_REQUEST), PWD));
    assert_eq!(script.agent.pair_stats().next().unwrap().state, PairState::Failed);
}

/// A peer that has restarted before it could tell us is answered, and nothing is concluded from it.
#[test]
fn a_name_from_the_future_is_answered_only() {
    let mut script = Script::introduced(controlled(), 0);
    script.request(PEER[0], Say { wrong_theirs: true, ..NOMINATE });
    assert_eq!(script.sent().len(), 1);
    assert_eq!(script.agent.remote_candidate_stats().count(), 0);
    assert_eq!(script.agent.pair_stats().count(), 0);
}

/// RFC 8445 §9: after a restart a valid pair is not enough to leave the old one; a nominated one is.
#[test]
fn a_restart_moves_when_a_pair_is_nominated() {
    let mut script = Script::introduced(controlled(), 1);
    script.request(PEER[0], NOMINATE);
    script.answer(&PEER);
    assert_eq!(script.selected(), Some((addr(PEER[0]), true)));
    script.agent.restart(script.now, None);
    script.introduce();
    script.request(PEER[1], Say::default());
    script.pass(20);
    script.answer(&PEER);
    assert!(script.agent.pair_stats().any(|pair| pair.state == PairState::Succeeded && !pair.selected));
    assert_eq!(script.selected(), Some((addr(PEER[0]), true)));
    script.request(PEER[1], NOMINATE);
    assert_eq!(script.selected(), Some((addr(PEER[1]), true)));
    assert_eq!(script.agent.pair_stats().count(), 1, "the old generation is gone");
}
