//! Seeds through the virtual world.

mod call;
mod fairness;

/// Hundreds of seeds, in parts so that they run beside each other.
fn seeds(range: std::ops::Range<u64>) {
    let mut sum = sim::turn::Trace::default();
    for seed in range {
        let trace = std::panic::catch_unwind(|| sim::turn::run(seed));
        let trace = trace.unwrap_or_else(|_| panic!("seed {seed} failed, see above"));
        sum.to_peers += trace.to_peers;
        sum.by_channel += trace.by_channel;
        sum.by_indication += trace.by_indication;
        sum.in_memory += trace.in_memory;
        sum.dropped += trace.dropped;
        sum.received += trace.received;
        sum.allocated += trace.allocated;
        sum.closed += trace.closed;
    }
    println!("{sum:?}");
    // The world must be worth a model: everything has happened, and often.
    assert!(sum.to_peers > 100 && sum.by_channel > 100 && sum.by_indication > 100, "{sum:?}");
    assert!(sum.in_memory > 50 && sum.dropped > 100 && sum.received > 100, "{sum:?}");
    assert!(sum.allocated > 100 && sum.closed > 100, "{sum:?}");
}

#[test]
fn turn_seeds_0_to_99() {
    seeds(0..100);
}

#[test]
fn turn_seeds_100_to_199() {
    seeds(100..200);
}

#[test]
fn turn_seeds_200_to_299() {
    seeds(200..300);
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [1, 77, 4_000_000_000] {
        assert_eq!(sim::turn::run(seed), sim::turn::run(seed));
    }
    assert_ne!(sim::turn::run(1), sim::turn::run(2));
}
