//! Loss, duplication, corruption and delay: of each packet in turn, and of all by chance.

use crate::world::{CALM, Fault, NATS, Nat, Weather, World, full, ms, must_be_direct, pair_of_full};
use ice::{Config, Role};
use std::time::Duration;
use wire::Rng;

/// The n-th packet of a whole call, for every n: it always connects, and where the model says direct, directly.
fn nth_packet(fault: Fault) {
    for nats in [
        [Nat::None, Nat::None],
        [Nat::PortRestricted, Nat::PortRestricted],
        [Nat::Symmetric, Nat::AddressRestricted],
        [Nat::Symmetric, Nat::Symmetric],
    ] {
        let mut n = 0;
        let mut reached = true;
        let mut slowest = Duration::ZERO;
        while reached {
            n += 1;
            let mut world = World::new(11, nats, pair_of_full());
            world.weather = Weather { fault: Some((n, fault)), ..CALM };
            world.start(true);
            assert!(world.run_until(ms(20_000), World::agreed), "{nats:?}: packet {n}, {fault:?}");
            slowest = slowest.max(world.now.saturating_since(wire::Instant::ZERO));
            assert_eq!(
                world.is_direct(),
                must_be_direct(nats[0], nats[1]),
                "{nats:?}: packet {n}, {fault:?}"
            );
            // Agreed is agreed: nothing that is still under way changes it.
            world.run_for(ms(40_000));
            assert!(world.agreed(), "{nats:?}: packet {n}, {fault:?}");
            reached = n <= world.packets && n < 60;
        }
        println!("{nats:?}: {n} packets with {fault:?}, slowest {slowest:?}");
        assert!(n > 8, "{nats:?}: the fault has met a whole call");
    }
}

#[test]
fn nth_packet_dropped() {
    nth_packet(Fault::Drop);
}

#[test]
fn nth_packet_doubled() {
    nth_packet(Fault::Duplicate);
}

#[test]
fn nth_packet_delayed() {
    nth_packet(Fault::Delay);
}

#[test]
fn nth_packet_corrupted() {
    nth_packet(Fault::Corrupt);
}

/// A world from a seed: NATs, weather, roles, timing, and what happens on the way.
fn play(seed: u64) -> Vec<String> {
    let mut rng = Rng::from_number(seed);
    let mut below = |n: u64| rng.below(n);
    let nat = |n: u64| NATS[usize::try_from(n).unwrap()];
    let nats = [nat(below(6)), nat(below(6))];
    let role = |n: u64| if n == 0 { Role::Controlling } else { Role::Controlled };
    let roles = match below(4) {
        0 => [role(below(2)); 2],
        _ => [Role::Controlling, Role::Controlled],
    };
    let renomination = below(3) == 0;
    let pacing = ms([5, 20, 50][usize::try_from(below(3)).unwrap()]);
    let mut configs = roles.map(|role| Config { renomination, pacing, ..full(role) });
    let mut nats = nats;
    let lite = below(5) == 0;
    if lite {
        configs[1] = Config { lite: true, ..Config::default() };
        nats[1] = Nat::None;
    }
    let mut world = World::new(seed, nats, configs);
    let fastest = below(60);
    world.weather = Weather {
        loss: [0, 0, 50, 150][usize::try_from(below(4)).unwrap()],
        duplication: [0, 100][usize::try_from(below(2)).unwrap()],
        corruption: [0, 30][usize::try_from(below(2)).unwrap()],
        delay: (ms(fastest), ms(fastest + below(60))),
        fault: None,
    };
    let lossy = world.weather.loss + world.weather.corruption > 0;
    world.signal_delay = ms(below(500));
    // Relays come in time, or long after everything else.
    world.start_with([true, !lite], ms([100, 3000][usize::try_from(below(2)).unwrap()]));
    let what = format!("seed {seed}: {nats:?} {roles:?} {:?}", world.weather);
    assert!(world.run_until(ms(60_000), World::agreed), "{what}");
    assert!(lossy || world.is_direct() == must_be_direct(nats[0], nats[1]), "{what}");
    for _ in 0..below(3) {
        world.run_for(ms(below(20_000)));
        let side = usize::from(below(2) == 0);
        match below(3) {
            0 => {
                let now = world.now;
                world.sides[side].agent.restart(now, None);
                let offer = world.credentials_of(side);
                let delay = world.signal_delay;
                world.signal(1 - side, offer, delay);
                world.run_for(delay * 2 + ms(1));
            }
            1 => world.sides[side].nat.forget_mappings(),
            _ => {
                world.sides[side].cut = true;
                world.run_for(ms(below(12_000)));
                world.sides[side].cut = false;
            }
        }
        // Long enough for either side to notice what has happened.
        world.run_for(ms(15_000));
        let again = world.run_until(ms(60_000), World::agreed);
        assert!(
            again,
            "{what}: side {side} {:?}",
            world.sides.each_ref().map(|s| s.agent.connection_state())
        );
    }
    assert!(world.sides.iter().all(|side| side.agent.pair_stats().count() <= 100));
    world.trace
}

/// Hundreds of seeds, in parts so that they run beside each other.
fn seeds(range: std::ops::Range<u64>) {
    for seed in range {
        let result = std::panic::catch_unwind(|| play(seed));
        assert!(result.is_ok(), "seed {seed} failed, see above");
    }
}

#[test]
fn seeds_0_to_199() {
    seeds(0..200);
}

#[test]
fn seeds_200_to_399() {
    seeds(200..400);
}

#[test]
fn seeds_400_to_599() {
    seeds(400..600);
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [1, 77, 4_000_000_000] {
        assert_eq!(play(seed), play(seed));
    }
    assert_ne!(play(1), play(2));
}
