//! Allocate (RFC 8656 §7).

use crate::bench::{Bench, client, config, stream, udp};
use std::time::Duration;
use stun::attribute::{
    AdditionalAddressFamily, AddressErrorCode, AddressFamily, DontFragment, EvenPort, Lifetime,
    RequestedAddressFamily, RequestedTransport, ReservationToken, UnknownAttributes, XorMappedAddress,
    XorRelayedAddress,
};
use stun::{Method, Writer};
use turn::{Config, Event, OpenError, RelayIp};
use wire::{Short, Transport};

#[test]
fn an_allocation_tells_its_addresses_and_lifetime() {
    let mut bench = Bench::new(config());
    let answer = bench.request(client(5), Method::ALLOCATE, |w| {
        udp(w)?;
        w.put(&DontFragment)
    });
    assert_eq!(answer.code(), 0);
    assert_eq!(answer.get::<XorMappedAddress>(), Some(XorMappedAddress(client(5).remote)));
    assert_eq!(answer.get::<Lifetime>(), Some(Lifetime(600)));
    let XorRelayedAddress(relayed) = answer.get().unwrap();
    assert!((50_000..=50_099).contains(&relayed.port()));
    let allocated = |e: &Event| matches!(e, Event::Allocated { user, relayed: r, .. } if &**user == "alice" && *r == relayed);
    assert!(bench.events.iter().any(allocated));
}

#[test]
fn mistakes_have_their_codes() {
    let mut bench = Bench::new(Config { relay_ips: config().relay_ips[..1].to_vec(), ..config() });
    let mut port = 100;
    let mut check = |code: u16, fill: fn(&mut Writer<'_>) -> Result<(), Short>| {
        port += 1;
        assert_eq!(bench.request(client(port), Method::ALLOCATE, fill).code(), code, "client {port}");
    };
    check(400, |_| Ok(()));
    check(442, |w| w.put(&RequestedTransport(5)));
    check(400, |w| w.put(&RequestedTransport(6))); // a TCP relay for a UDP client
    check(440, |w| udp(w).and_then(|()| w.put(&RequestedAddressFamily(2)))); // no IPv6 here
    check(440, |w| udp(w).and_then(|()| w.put(&RequestedAddressFamily(9))));
    check(400, |w| udp(w).and_then(|()| w.put(&AdditionalAddressFamily(1))));
    check(508, |w| udp(w).and_then(|()| w.put(&ReservationToken(1))));
    check(400, |w| {
        udp(w)?;
        w.put(&ReservationToken(1))?;
        w.put(&EvenPort { reserve: false })
    });
    check(400, |w| {
        udp(w)?;
        w.put(&RequestedAddressFamily(1))?;
        w.put(&AdditionalAddressFamily(2))
    });
    check(400, |w| {
        udp(w)?;
        w.put(&EvenPort { reserve: true })?;
        w.put(&AdditionalAddressFamily(2))
    });
    check(400, |w| udp(w).and_then(|()| w.put_raw(0x0018, b"too long")));
    check(420, |w| udp(w).and_then(|()| w.put_raw(0x7777, b"")));
    assert_eq!((bench.server.stats().allocations, bench.opened), (0, 0));
    let answer = bench.request(client(1), Method::ALLOCATE, |w| w.put_raw(0x7777, b""));
    assert_eq!(answer.get::<UnknownAttributes>().unwrap().kinds(), [0x7777]);
    let unknown = bench.request(client(1), Method::new(0x00d).unwrap(), |_| Ok(()));
    assert_eq!(unknown.code(), 400);
}

#[test]
fn a_repeated_request_gets_the_same_answer() {
    let mut bench = Bench::new(config());
    let bytes = bench.signed("alice", "north", client(1), Method::ALLOCATE, udp);
    let first = bench.raw(client(1), &bytes).unwrap();
    let again = bench.raw(client(1), &bytes).unwrap();
    assert_eq!(first.message().bytes(), again.message().bytes());
    assert_eq!(bench.opened, 1);
    assert_eq!(bench.request(client(1), Method::ALLOCATE, udp).code(), 437);
}

#[test]
fn lifetimes_are_clamped_and_end_on_time() {
    let mut bench = Bench::new(config());
    for (port, asked, given) in [(1, 0, 600), (2, 599, 600), (3, 1000, 1000), (4, 3601, 3600)] {
        let answer =
            bench.request(client(port), Method::ALLOCATE, |w| udp(w).and_then(|()| w.put(&Lifetime(asked))));
        assert_eq!(answer.get::<Lifetime>(), Some(Lifetime(given)));
    }
    assert_eq!(bench.server.poll_timeout(), Some(bench.now + Duration::from_secs(600)));
    bench.wait(Duration::from_millis(599_999));
    assert_eq!(bench.server.stats().allocations, 4);
    bench.wait(Duration::from_millis(1));
    assert_eq!(bench.server.stats().allocations, 2);
    bench.wait(Duration::from_secs(3000));
    assert_eq!((bench.server.stats().allocations, bench.server.poll_timeout()), (0, None));
    let closed = bench.events.iter().filter(|e| matches!(e, Event::CloseRelay { .. })).count();
    assert_eq!(closed, 4);
}

#[test]
fn two_families_in_one_allocation() {
    let both = |w: &mut Writer<'_>| udp(w).and_then(|()| w.put(&AdditionalAddressFamily(2)));
    let mut bench = Bench::new(config());
    let answer = bench.request(client(1), Method::ALLOCATE, both);
    let relayed: Vec<_> =
        answer.message().all::<XorRelayedAddress>().map(|r| r.unwrap().0.is_ipv4()).collect();
    assert_eq!(relayed, [true, false]);
    // One family fails: the other is given, and why is told.
    bench.failures = vec![OpenError::Failed];
    let answer = bench.request(client(2), Method::ALLOCATE, both);
    assert_eq!(answer.code(), 0);
    assert_eq!(answer.message().all::<XorRelayedAddress>().count(), 1);
    let error = answer.message().get::<AddressErrorCode<'_>>().unwrap().unwrap();
    assert_eq!((error.family, error.error.code), (AddressFamily::V4, 508));
    bench.failures = vec![OpenError::Failed; 2];
    assert_eq!(bench.request(client(3), Method::ALLOCATE, both).code(), 508);
    let six = bench
        .request(client(4), Method::ALLOCATE, |w| udp(w).and_then(|()| w.put(&RequestedAddressFamily(2))));
    assert!(six.get::<XorRelayedAddress>().unwrap().0.is_ipv6());
}

#[test]
fn even_ports_and_reservations() {
    let mut bench = Bench::new(config());
    let even = |w: &mut Writer<'_>| udp(w).and_then(|()| w.put(&EvenPort { reserve: false }));
    for port in 1..20 {
        let answer = bench.request(client(port), Method::ALLOCATE, even);
        assert_eq!(answer.get::<XorRelayedAddress>().unwrap().0.port() % 2, 0);
    }
    let pair = |w: &mut Writer<'_>| udp(w).and_then(|()| w.put(&EvenPort { reserve: true }));
    let answer = bench.request(client(30), Method::ALLOCATE, pair);
    let (first, token) =
        (answer.get::<XorRelayedAddress>().unwrap().0, answer.get::<ReservationToken>().unwrap());
    assert_eq!(first.port() % 2, 0);
    let take = move |w: &mut Writer<'_>| udp(w).and_then(|()| w.put(&token));
    assert_eq!(bench.request_as("bob", "south", client(31), Method::ALLOCATE, take).code(), 508);
    let second = bench.request(client(32), Method::ALLOCATE, take).get::<XorRelayedAddress>().unwrap().0;
    assert_eq!(second.port(), first.port() + 1);
    assert_eq!(bench.request(client(33), Method::ALLOCATE, take).code(), 508); // taken
    // A reservation nobody takes ends after 30 seconds.
    let token = bench.request(client(34), Method::ALLOCATE, pair).get::<ReservationToken>().unwrap();
    bench.events.clear();
    bench.wait(Duration::from_millis(29_999));
    assert!(bench.events.is_empty());
    bench.wait(Duration::from_millis(1));
    assert!(matches!(bench.events[..], [Event::CloseRelay { .. }]));
    let late = bench.request(client(35), Method::ALLOCATE, |w| udp(w).and_then(|()| w.put(&token)));
    assert_eq!(late.code(), 508);
}

#[test]
fn a_pair_is_tried_elsewhere_when_its_second_half_is_taken() {
    let pair = |w: &mut Writer<'_>| udp(w).and_then(|()| w.put(&EvenPort { reserve: true }));
    let mut bench = Bench::new(config());
    bench.learn_nonce(client(1));
    let bytes = bench.signed("alice", "north", client(1), Method::ALLOCATE, pair);
    assert!(bench.forward(client(1), &bytes).is_none());
    let mut opened = Vec::new();
    while let Some(event) = bench.server.poll_event() {
        if let Event::OpenRelay { relay, at, .. } = event {
            opened.push(at.port());
            let result = if opened.len() == 2 { Err(OpenError::InUse) } else { Ok(at) };
            bench.server.relay_opened(bench.now, relay, result);
        }
    }
    let [a, b, c, d] = opened[..] else { panic!("{opened:?}") };
    assert_eq!((b, d), (a + 1, c + 1));
    assert_ne!(a, c);
    assert_eq!(bench.answer(&client(1)).unwrap().code(), 0);
}

#[test]
fn ports_in_use_are_passed_over_and_failures_told() {
    let mut bench = Bench::new(config());
    bench.failures = vec![OpenError::InUse; 3];
    bench.allocate(client(1));
    assert_eq!(bench.opened, 4);
    bench.failures = vec![OpenError::InUse; 100];
    assert_eq!(bench.request(client(2), Method::ALLOCATE, udp).code(), 508);
    bench.failures = vec![OpenError::Failed];
    assert_eq!(bench.request(client(3), Method::ALLOCATE, udp).code(), 508);
    bench.failures.clear();
    bench.allocate(client(2)); // nothing is left of the failure
}

#[test]
fn quotas_and_capacity() {
    let mut bench = Bench::new(Config { allocations_per_user: Some(2), max_allocations: 3, ..config() });
    bench.allocate(client(1));
    bench.allocate(client(2));
    assert_eq!(bench.request(client(3), Method::ALLOCATE, udp).code(), 486);
    assert_eq!(bench.request_as("bob", "south", client(4), Method::ALLOCATE, udp).code(), 0);
    assert_eq!(bench.request_as("bob", "south", client(5), Method::ALLOCATE, udp).code(), 508);
    assert_eq!(bench.request(client(1), Method::REFRESH, |w| w.put(&Lifetime(0))).code(), 0);
    bench.allocate(client(3));
    bench.server.set_draining(bench.now);
    assert_eq!(bench.request(client(3), Method::REFRESH, |_| Ok(())).code(), 0);
    bench.request(client(3), Method::REFRESH, |w| w.put(&Lifetime(0)));
    assert_eq!(bench.request(client(6), Method::ALLOCATE, udp).code(), 508);
}

#[test]
fn every_port_can_be_had_and_no_more() {
    let mut bench = Bench::new(Config { relay_ports: 50_000..=50_009, ..config() });
    let mut ports: Vec<u16> = (0..10).map(|i| bench.allocate(client(i + 1)).port()).collect();
    assert_eq!(bench.request(client(11), Method::ALLOCATE, udp).code(), 508);
    ports.sort_unstable();
    assert_eq!(ports, (50_000..=50_009).collect::<Vec<u16>>());
}

#[test]
fn a_closed_stream_takes_its_allocation_along() {
    let mut bench = Bench::new(config());
    let from = stream(1, Transport::Tls);
    bench.allocate(from);
    bench.server.client_closed(bench.now, from);
    bench.drain();
    assert_eq!(bench.server.stats().allocations, 0);
    assert!(bench.events.iter().any(|e| matches!(e, Event::CloseRelay { .. })));
}

#[test]
fn nothing_is_left_when_the_client_goes_while_sockets_open() {
    let mut bench = Bench::new(config());
    let from = stream(1, Transport::Tcp);
    let pair = |w: &mut Writer<'_>| udp(w).and_then(|()| w.put(&EvenPort { reserve: true }));
    let bytes = bench.signed("alice", "north", from, Method::ALLOCATE, pair);
    assert!(bench.forward(from, &bytes).is_none());
    let Some(Event::OpenRelay { relay: first, at, .. }) = bench.server.poll_event() else {
        panic!("no event")
    };
    bench.server.relay_opened(bench.now, first, Ok(at));
    let Some(Event::OpenRelay { relay: second, at, .. }) = bench.server.poll_event() else {
        panic!("no event")
    };
    bench.server.client_closed(bench.now, from);
    bench.server.relay_opened(bench.now, second, Ok(at));
    let mut closed = Vec::new();
    while let Some(event) = bench.server.poll_event() {
        if let Event::CloseRelay { relay } = event {
            closed.push(relay);
        }
    }
    assert_eq!(closed, [first, second]);
    assert_eq!((bench.server.poll_timeout(), bench.answer(&from).is_none()), (None, true));
}

#[test]
fn an_advertised_address_differs_from_the_bound_one() {
    let relay_ips = vec![RelayIp { bind: [10, 0, 0, 5].into(), advertise: [203, 0, 113, 5].into() }];
    let mut bench = Bench::new(Config { relay_ips, ..config() });
    let relayed = bench.allocate(client(1));
    assert_eq!(relayed.ip(), std::net::IpAddr::from([203, 0, 113, 5]));
    assert_eq!(bench.relays[0].1.ip(), std::net::IpAddr::from([10, 0, 0, 5]));
}
