//! Two full agents find the pair that the reference model says they must.

use crate::world::{CALM, NATS, Nat, Signal, World, ms, must_be_direct, pair_of_full};
use ice::{CandidateKind, Event};

/// Every NAT against every other: direct where the model says so, relayed elsewhere, never nothing.
#[test]
fn every_nat_against_every_other() {
    for a in NATS {
        for b in NATS {
            let mut world = World::new(1, [a, b], pair_of_full());
            world.start(true);
            assert!(world.run_until(ms(20_000), World::agreed), "{a:?} and {b:?} do not connect");
            assert_eq!(world.is_direct(), must_be_direct(a, b), "{a:?} and {b:?}");
        }
    }
}

/// From the moment both sides know each other, data may flow after one round trip.
#[test]
fn a_direct_pair_takes_one_round_trip() {
    let mut world = World::new(1, [Nat::None, Nat::None], pair_of_full());
    world.signal_delay = ms(0);
    let round_trip = CALM.delay.0 * 2;
    let start = world.now;
    world.start(false);
    assert!(world.run_until(ms(5000), World::connected));
    assert_eq!(world.now.saturating_since(start), round_trip);
    assert!(world.run_until(ms(5000), World::agreed));
    println!(
        "connected after 1 round trip, nominated on both sides after {:?}",
        world.now.saturating_since(start)
    );
    assert!(world.now.saturating_since(start) <= round_trip * 2);
    let first = world.events_of(0).find_map(|event| match event {
        Event::SelectedPair(pair) => Some(*pair),
        _ => None,
    });
    assert_eq!(first.unwrap().remote_kind, CandidateKind::Host);
}

/// A candidate whose check came by the relay before it was told itself is tried from the host address too: behind a
/// symmetric NAT that is the only way to a direct path.
#[test]
fn what_is_told_after_its_check_is_paired_with_every_base() {
    let mut world = World::new(1, [Nat::None, Nat::Symmetric], pair_of_full());
    world.signalling = false;
    world.start_with([false, true], ms(100));
    let told = |world: &World, side: usize| -> Vec<String> {
        let line = |event: &Event| match event {
            Event::LocalCandidate(candidate) => Some(candidate.to_string()),
            _ => None,
        };
        world.events_of(side).filter_map(line).collect()
    };
    world.run_for(ms(1));
    // A program permits what it has learnt by other means.
    let ip = world.sides[0].nat.public;
    world.sides[1].permitted.insert(ip);
    for line in told(&world, 1) {
        world.signal(0, Signal::Candidate(line), ms(30));
    }
    let relayed = |world: &World| world.sides[1].agent.selected().is_some();
    assert!(world.run_until(ms(1000), relayed), "the check by the relay arrives first");
    for line in told(&world, 0) {
        world.signal(1, Signal::Candidate(line), ms(0));
    }
    assert!(world.run_until(ms(10_000), World::agreed));
    assert!(world.is_direct());
}
