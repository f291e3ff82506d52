//! One datagram lost, doubled, delayed or damaged, for every one of a handshake; and links that do all of it.

use std::time::Duration;

use dtls::Version;
use wire::{Instant, Rng};

use crate::link::{Fate, Pair, config};
use dtls::{Closed, Config, Event, Role};

const ALL: &[&[Version]] = &[&[Version::Dtls12], &[Version::Dtls13]];

fn once(bytes: Vec<u8>) -> Fate {
    vec![(Duration::ZERO, bytes)]
}

#[test]
fn any_datagram_may_be_lost_doubled_or_late() {
    type Fault = fn(Vec<u8>) -> Fate;
    let faults: [(&str, Fault); 4] = [
        ("lost", |_| Vec::new()),
        ("doubled", |bytes| vec![(Duration::ZERO, bytes.clone()), (Duration::from_millis(1), bytes)]),
        ("late", |bytes| vec![(Duration::from_millis(25), bytes)]),
        ("very late", |bytes| vec![(Duration::from_millis(400), bytes)]),
    ];
    for versions in ALL {
        for (name, fault) in faults {
            for mtu in [256, 1200] {
                let count = datagrams(versions, mtu);
                for n in 0..count {
                    let fate = move |i, bytes| if i == n { fault(bytes) } else { once(bytes) };
                    let mut pair = pair(versions, mtu, n).with_fate(fate);
                    pair.assert_works(&format!("{versions:?}: datagram {n} of {count} (mtu {mtu}) {name}"));
                }
            }
        }
    }
}

/// A path that dies before the last flight of the client has arrived, for longer than the client repeats it by itself:
/// the server, which repeats its own, is answered when the path is back.
#[test]
fn a_path_that_was_dead_for_long_loses_no_handshake() {
    for versions in ALL {
        let hello = if *versions == [Version::Dtls13] { 4 } else { 2 };
        let end = |role| Config { handshake_timeout: Duration::from_secs(600), ..config(role, versions) };
        let fate = move |i, bytes| if (hello..hello + 90).contains(&i) { Vec::new() } else { once(bytes) };
        let mut pair = Pair::new(end(Role::Client), end(Role::Server), 5).with_fate(fate);
        pair.assert_works(&format!("{versions:?}: a dead path"));
        assert!(pair.now > Instant::ZERO + Duration::from_secs(20), "{versions:?}: {:?}", pair.now);
    }
}

fn pair(versions: &[Version], mtu: usize, seed: u64) -> Pair {
    let end = |role| Config { mtu, ..config(role, versions) };
    Pair::new(end(Role::Client), end(Role::Server), seed)
}

/// How many datagrams a handshake without faults takes.
fn datagrams(versions: &[Version], mtu: usize) -> u64 {
    let mut pair = pair(versions, mtu, 0);
    pair.connect();
    pair.settle();
    assert!(pair.sent >= 4);
    pair.sent
}

/// A damaged datagram may make the two disagree, and then they must say so; they never get stuck.
#[test]
fn any_datagram_may_be_damaged() {
    for versions in ALL {
        let mut ended = 0;
        let count = datagrams(versions, 1200);
        let cases = 40;
        for n in 0..count {
            for case in 0..cases {
                let mut rng = Rng::from_number(case);
                let fate = move |i, mut bytes: Vec<u8>| {
                    if i == n {
                        let at = usize::try_from(rng.below(bytes.len() as u64)).unwrap();
                        bytes[at] ^= 1 << rng.below(8);
                    }
                    once(bytes)
                };
                let mut pair = Pair::of(versions, case).with_fate(fate);
                pair.connect();
                if pair.connected().iter().all(Option::is_some) {
                    pair.assert_works(&format!("datagram {n} damaged, case {case}"));
                } else {
                    ended += 1;
                    for events in &pair.events {
                        assert!(
                            matches!(events.last(), Some(Event::Closed(_))),
                            "{versions:?}: datagram {n}, case {case}: {:?}",
                            pair.events
                        );
                    }
                }
            }
        }
        assert!(ended < count * cases, "some damage is survived");
    }
}

#[test]
fn bad_links_only_take_longer() {
    for versions in ALL {
        for seed in 0..200 {
            let mut rng = Rng::from_number(seed);
            let mut chance = rng.fork();
            let fate = move |_, bytes: Vec<u8>| {
                let mut copies = Vec::new();
                for _ in 0..=u64::from(chance.chance(100)) {
                    if !chance.chance(250) {
                        copies.push((Duration::from_millis(chance.below(60)), bytes.clone()));
                    }
                }
                copies
            };
            let mut pair = pair(versions, if seed % 2 == 0 { 300 } else { 1200 }, seed).with_fate(fate);
            pair.assert_works(&format!("{versions:?}, seed {seed}"));
        }
    }
}

#[test]
fn long_paths_do_not_confuse_the_timers() {
    for versions in ALL {
        let fate = |_, bytes| vec![(Duration::from_millis(390), bytes)];
        let mut pair = Pair::of(versions, 1).with_fate(fate);
        pair.assert_works("a path of 800 ms");
        let retransmissions: u64 = pair.ends.iter().map(|end| end.stats().retransmissions).sum();
        assert!(retransmissions < 30, "{retransmissions}");
    }
}

/// What a stranger throws in between changes nothing.
#[test]
fn forged_records_are_dropped_and_counted() {
    for versions in ALL {
        let mut pair = Pair::of(versions, 1);
        pair.assert_works("before");
        let mut rng = Rng::from_number(1);
        let before = *pair.ends[0].stats();
        for i in 0..5000u64 {
            let mut junk = vec![0; usize::try_from(rng.below(200)).unwrap()];
            rng.fill(&mut junk);
            // Headers of every kind that the machine looks at.
            let headers: [&[u8]; 5] = [
                &[23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 9, 0, 60],
                &[21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40],
                &[22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 60],
                &[0x2f, 0, 1, 0, 60],
                &[],
            ];
            let header = headers[usize::try_from(i % 5).unwrap()];
            let n = header.len().min(junk.len());
            junk[..n].copy_from_slice(&header[..n]);
            let now = pair.now;
            pair.ends[0].handle_input(now, &mut junk);
        }
        let after = *pair.ends[0].stats();
        assert!(after.forged > before.forged && after.malformed > before.malformed);
        pair.assert_works("after");
        assert!(!pair.events[0].iter().any(|e| matches!(e, Event::Closed(Closed::Alert(_)))));
    }
}
