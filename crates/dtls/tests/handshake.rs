use std::time::Duration;

use dtls::{Closed, Config, Dtls, Event, Role, SealError, SrtpProfile, Version};
use wire::{Instant, Rng};

use crate::link::{DELAY, Pair, certificate, config};

const V12: &[Version] = &[Version::Dtls12];
const V13: &[Version] = &[Version::Dtls13];
const BOTH: &[Version] = &[Version::Dtls13, Version::Dtls12];

fn fault(pair: &Pair, end: usize) -> Closed {
    match pair.events[end].last() {
        Some(Event::Closed(closed)) => *closed,
        other => panic!("{other:?}"),
    }
}

#[test]
fn both_sides_agree_and_count_the_round_trips() {
    let check = |client, server, expected, ways: u32| {
        let mut pair = Pair::new(config(Role::Client, client), config(Role::Server, server), 1);
        let [connected, _] = pair.connect();
        assert_eq!(connected.unwrap().version, expected);
        assert_eq!(pair.now, Instant::ZERO + ways * DELAY, "{client:?} {server:?}");
        pair.assert_works("no faults");
        assert_eq!(pair.ends[0].stats().retransmissions + pair.ends[1].stats().retransmissions, 0);
        assert_eq!(pair.ends[0].remote_certificate(), Some(certificate(1).der()));
        assert_eq!(pair.ends[0].poll_timeout(), None, "nothing is scheduled while connected");
        assert_eq!(pair.ends[1].poll_timeout(), None);
    };
    // Until both are connected: two round trips in DTLS 1.2, one and a half in DTLS 1.3.
    check(V12, V12, Version::Dtls12, 4);
    check(V13, V13, Version::Dtls13, 3);
    check(BOTH, BOTH, Version::Dtls13, 3);
    check(BOTH, V12, Version::Dtls12, 4);
    check(V12, BOTH, Version::Dtls12, 4);
    check(BOTH, V13, Version::Dtls13, 3);
}

#[test]
fn sides_without_a_common_version_say_so() {
    for (client, server) in [(V12, V13), (V13, V12)] {
        let mut pair = Pair::new(config(Role::Client, client), config(Role::Server, server), 1);
        pair.settle();
        assert!(matches!(fault(&pair, 1), Closed::Protocol { alert: 70 | 40, .. }), "{:?}", pair.events[1]);
        assert!(matches!(fault(&pair, 0), Closed::Timeout(Some(70 | 40))), "{:?}", pair.events[0]);
    }
}

/// Somebody takes DTLS 1.3 out of the client's hello (RFC 8446 §4.1.3).
#[test]
fn a_forced_older_version_is_noticed() {
    let mut pair = Pair::of(BOTH, 1).with_fate(|_, mut bytes| {
        let versions = [0, 43, 0, 5, 4, 0xfe, 0xfc];
        if let Some(at) = bytes.windows(versions.len()).position(|window| window == versions) {
            bytes[at + 1] = 0xfa; // an extension that nobody knows
        }
        vec![(Duration::ZERO, bytes)]
    });
    pair.settle();
    assert!(matches!(fault(&pair, 0), Closed::Protocol { alert: 47, .. }), "{:?}", pair.events[0]);
    assert!(pair.connected().iter().all(Option::is_none));
}

/// A server without ML-KEM answers the share of the curve; groups are what ends a hello in two datagrams.
#[test]
fn post_quantum_is_an_offer() {
    for (client, server) in [(true, true), (true, false), (false, true), (false, false)] {
        let end = |role, post_quantum| Config { post_quantum, ..config(role, V13) };
        let mut pair = Pair::new(end(Role::Client, client), end(Role::Server, server), 1);
        pair.connect();
        assert_eq!(pair.now, Instant::ZERO + 3 * DELAY, "no retry");
        assert_eq!(pair.bytes[0] > 1700, client, "a hello with ML-KEM is long");
        pair.assert_works("post-quantum");
    }
}

#[test]
fn the_server_prefers_and_the_client_restricts() {
    let check = |offered: &[SrtpProfile], taken: &[SrtpProfile], expected| {
        for versions in [V12, V13] {
            check_profiles(versions, offered, taken, expected);
        }
    };
    use SrtpProfile::*;
    check(&SrtpProfile::ALL, &SrtpProfile::ALL, Some(AeadAes128Gcm));
    check(&SrtpProfile::ALL, &[AeadAes256Gcm, AeadAes128Gcm], Some(AeadAes256Gcm));
    check(&[Aes128CmHmacSha1_80], &SrtpProfile::ALL, Some(Aes128CmHmacSha1_80));
    check(&[AeadAes128Gcm], &[AeadAes256Gcm], None);
    check(&[], &SrtpProfile::ALL, None);
    check(&SrtpProfile::ALL, &[], None);
}

fn check_profiles(
    versions: &[Version],
    offered: &[SrtpProfile],
    taken: &[SrtpProfile],
    expected: Option<SrtpProfile>,
) {
    let mut client = config(Role::Client, versions);
    client.srtp_profiles = offered.to_vec();
    let mut server = config(Role::Server, versions);
    server.srtp_profiles = taken.to_vec();
    let mut pair = Pair::new(client, server, 1);
    pair.assert_works("profiles");
    let keys = pair.connected()[0].clone().unwrap().srtp;
    assert_eq!(keys.as_ref().map(|keys| keys.profile), expected);
    if let Some(keys) = keys {
        let lengths = [keys.client_key, keys.server_key, keys.client_salt, keys.server_salt];
        let [key, salt] = [keys.profile.key_len(), keys.profile.salt_len()];
        assert_eq!(lengths.each_ref().map(|secret| secret.len()), [key, key, salt, salt]);
        assert!(lengths[0] != lengths[1] && lengths[2] != lengths[3]);
    }
}

#[test]
fn a_wrong_fingerprint_ends_it_before_anything_is_delivered() {
    for (wrong, versions) in
        [(Role::Client, V12), (Role::Server, V12), (Role::Client, V13), (Role::Server, V13)]
    {
        let mut configs = [config(Role::Client, versions), config(Role::Server, versions)];
        let end = usize::from(wrong == Role::Server);
        configs[end].remote_fingerprints = vec![certificate(2).fingerprint()];
        let [client, server] = configs;
        let mut pair = Pair::new(client, server, 1);
        pair.settle();
        assert_eq!(pair.events[end], [Event::Closed(Closed::Fingerprint)]);
        let other = fault(&pair, 1 - end);
        assert!(matches!(other, Closed::Timeout(Some(42)) | Closed::Alert(42)), "{other:?}");
        assert!(pair.now < Instant::ZERO + Duration::from_secs(3), "an alert shortens the wait");
    }
}

#[test]
fn fingerprints_may_come_late_and_data_waits_for_them() {
    fingerprints_come_late(V12);
    fingerprints_come_late(V13);
}

fn fingerprints_come_late(versions: &[Version]) {
    let mut client = config(Role::Client, versions);
    let expected = std::mem::take(&mut client.remote_fingerprints);
    let mut pair = Pair::new(client.clone(), config(Role::Server, versions), 1);
    pair.settle();
    assert_eq!(pair.connected().map(|c| c.is_some()), [false, true]);
    assert_eq!(pair.ends[0].seal(&mut [0; 100], 10), Err(SealError::NotConnected));
    pair.send(1, b"too early");
    pair.settle();
    assert!(pair.received[0].is_empty());
    assert_eq!(pair.ends[0].stats().early_data, 1);
    let now = pair.now;
    pair.ends[0].set_remote_fingerprints(now, expected);
    pair.assert_works("late");

    let mut pair = Pair::new(client, config(Role::Server, versions), 1);
    pair.settle();
    let now = pair.now;
    pair.ends[0].set_remote_fingerprints(now, vec![certificate(2).fingerprint()]);
    pair.settle();
    assert_eq!(fault(&pair, 0), Closed::Fingerprint);
    assert_eq!(fault(&pair, 1), Closed::Alert(42));
}

#[test]
fn closing_tells_the_peer() {
    for versions in [V12, V13] {
        let mut pair = Pair::of(versions, 1);
        pair.assert_works("before");
        let now = pair.now;
        pair.ends[1].close(now);
        pair.ends[1].close(now);
        pair.settle();
        assert_eq!((fault(&pair, 0), fault(&pair, 1)), (Closed::Peer, Closed::Local));
        assert_eq!(pair.ends[0].seal(&mut [0; 100], 10), Err(SealError::NotConnected));
        assert!(pair.ends.iter().all(|end| end.poll_timeout().is_none()));
        assert_eq!(pair.events.each_ref().map(Vec::len), [2, 2], "nothing follows");
    }
}

#[test]
fn nobody_there_is_a_timeout() {
    let mut pair = Pair::of(V12, 1).with_fate(|_, _| Vec::new());
    pair.settle();
    assert_eq!(fault(&pair, 0), Closed::Timeout(None));
    assert_eq!(pair.now, Instant::ZERO + Duration::from_secs(30));
    assert!(pair.events[1].is_empty(), "a server waits until somebody comes");
    // 50 ms doubling to 3 s: few datagrams in 30 s.
    assert!((10..20).contains(&pair.ends[0].stats().retransmissions));
}

/// FFmpeg 8 with GnuTLS takes more than 50 ms for a flight, and stops sending if ours comes once more after the end.
#[test]
fn who_was_slow_for_one_flight_is_given_as_long_for_the_next() {
    let patient = Config { retransmit_after: Duration::from_secs(1), ..config(Role::Server, V12) };
    let mut pair = Pair::new(config(Role::Client, V12), patient, 1)
        .with_fate(|_, bytes| vec![(Duration::from_millis(85), bytes)]);
    pair.connect();
    assert_eq!(pair.now, Instant::ZERO + Duration::from_millis(4 * 95));
    assert_eq!(
        pair.ends[0].stats().retransmissions,
        2,
        "after 50 and 150 ms of the first flight, none of the second"
    );
}

#[test]
fn small_datagrams_carry_every_handshake() {
    for (mtu, versions) in [256, 300, 548, 1200, 5000].iter().flat_map(|mtu| [(*mtu, V12), (*mtu, V13)]) {
        let small = |role| Config { mtu, ..config(role, versions) };
        let mut pair = Pair::new(small(Role::Client), small(Role::Server), 1).with_fate(move |n, bytes| {
            assert!(bytes.len() <= mtu, "datagram {n} has {} bytes", bytes.len());
            vec![(Duration::ZERO, bytes)]
        });
        pair.assert_works(&format!("{mtu}"));
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let trace = |seed| {
        let mut lengths = Vec::new();
        let mut pair = Pair::of(BOTH, seed);
        while pair.step() {
            lengths.push((pair.now, pair.sent, pair.bytes));
        }
        (lengths, pair.connected().map(|c| c.map(|c| c.remote_fingerprint)))
    };
    assert_eq!(trace(4), trace(4));
}

#[test]
fn strangers_get_nothing_but_a_bounded_answer() {
    // A server that is sent a hello and hears nothing more sends its flight some times, then gives up.
    for versions in [V12, V13] {
        strangers_get_little(versions);
    }
}

fn strangers_get_little(versions: &[Version]) {
    let now = Instant::ZERO;
    let mut client = Dtls::new(config(Role::Client, versions), Rng::from_number(1), now);
    let mut server = Dtls::new(config(Role::Server, versions), Rng::from_number(2), now);
    let mut buf = [0; 2000];
    while let Some(len) = client.poll_transmit(now, &mut buf) {
        server.handle_input(now, &mut buf[..len]);
    }
    let (mut sent, mut now) = (0, now);
    loop {
        while let Some(len) = server.poll_transmit(now, &mut buf) {
            sent += len;
        }
        let Some(due) = server.poll_timeout() else { break };
        now = due;
        server.handle_timeout(now);
    }
    assert!(sent < 40_000, "{sent}");
    assert!(matches!(server.poll_event(), Some(Event::Closed(Closed::Timeout(None)))));
}
