//! Thousands of calls of two whole peers, by seed.

use std::collections::BTreeSet;

use sim::call::{Disaster, Report, run};

/// Runs some, in parts so that they run beside each other.
fn seeds(range: std::ops::Range<u64>) -> Vec<Report> {
    let run = |seed| {
        std::panic::catch_unwind(|| run(seed, None)).unwrap_or_else(|_| {
            panic!("seed {seed} failed, see above: cargo xtask sim --seed {seed} --trace")
        })
    };
    range.map(run).collect()
}

/// The stories must be worth a model: everything has happened, and often.
fn check_variety(reports: &[Report]) {
    let pairs: BTreeSet<_> = reports.iter().map(|report| report.story.nats).collect();
    assert_eq!(pairs.len(), 36, "every NAT with every NAT");
    let count = |is: &dyn Fn(&Report) -> bool| reports.iter().filter(|report| is(report)).count();
    let struck = |is: fn(&Disaster) -> bool| {
        count(&|report| {
            report.story.disasters.iter().chain(report.story.early.iter().map(|(_, d)| d)).any(is)
        })
    };
    let kinds = [
        struck(|d| matches!(d, Disaster::Move(_))),
        struck(|d| matches!(d, Disaster::Forget(_))),
        struck(|d| matches!(d, Disaster::RelayRestart)),
        struck(|d| matches!(d, Disaster::Silence(_))),
        struck(|d| matches!(d, Disaster::RestartIce(_))),
    ];
    assert!(kinds.iter().all(|count| count * 20 > reports.len()), "{kinds:?}");
    let relayed = count(&|report| report.relayed);
    assert!(relayed * 5 > reports.len() && relayed * 5 < reports.len() * 4, "{relayed} are relayed");
    assert!(count(&|report| report.frames > 0) * 4 > reports.len());
    assert!(reports.iter().all(|report| report.messages > 0));
    let probing = |report: &Report| report.path_probes > 0;
    let large = |report: &Report| report.packet_sizes.iter().flatten().any(|size| *size > 1188);
    let (probed, grown) = (count(&probing), count(&large));
    assert!(probed * 5 > reports.len() && grown * 20 > reports.len(), "{probed} looked, {grown} found");
    assert!(reports.iter().all(|report| report.story.probes_path.contains(&true) || !probing(report)));
}

#[test]
fn call_seeds_0_to_749() {
    check_variety(&seeds(0..750));
}

#[test]
fn call_seeds_750_to_1499() {
    check_variety(&seeds(750..1500));
}

#[test]
fn call_seeds_1500_to_2249() {
    check_variety(&seeds(1500..2250));
}

#[test]
fn call_seeds_2250_to_2999() {
    check_variety(&seeds(2250..3000));
}

#[test]
fn the_same_seed_gives_the_same_call() {
    for seed in (0..60).chain([u64::MAX]) {
        assert_eq!(run(seed, None), run(seed, None), "seed {seed}");
    }
    assert_ne!(run(1, None).trace, run(2, None).trace);
}
