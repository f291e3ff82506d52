//! Refresh (RFC 8656 §8) and mobility (RFC 8016).

use crate::bench::{Answer, Bench, client, config, stream, udp};
use std::time::Duration;
use stun::attribute::{
    AdditionalAddressFamily, ChannelNumber, Lifetime, MobilityTicket, RequestedAddressFamily, XorPeerAddress,
};
use stun::{Method, Writer};
use turn::{Config, Destination, Event};
use wire::{Short, Transport};

fn ticket(answer: &Answer) -> Vec<u8> {
    answer.message().get::<MobilityTicket<'_>>().unwrap().unwrap().0.to_vec()
}

fn mobile(w: &mut Writer<'_>) -> Result<(), Short> {
    udp(w)?;
    w.put(&MobilityTicket(&[]))
}

#[test]
fn a_refresh_extends_or_ends() {
    let mut bench = Bench::new(config());
    assert_eq!(bench.request(client(1), Method::REFRESH, |_| Ok(())).code(), 437);
    bench.allocate(client(1));
    assert_eq!(bench.request_as("bob", "south", client(1), Method::REFRESH, |_| Ok(())).code(), 441);
    bench.wait(Duration::from_secs(599));
    let answer = bench.request(client(1), Method::REFRESH, |w| w.put(&Lifetime(700)));
    assert_eq!(answer.get::<Lifetime>(), Some(Lifetime(700)));
    bench.wait(Duration::from_millis(699_999));
    assert_eq!(bench.server.stats().allocations, 1);
    let answer = bench.request(client(1), Method::REFRESH, |w| w.put(&Lifetime(0)));
    assert_eq!((answer.code(), answer.get::<Lifetime>()), (0, Some(Lifetime(0))));
    assert_eq!((bench.server.stats().allocations, bench.server.poll_timeout()), (0, None));
    assert!(
        matches!(bench.events.last(), Some(Event::Released { duration, .. }) if duration.as_secs() == 1298)
    );
    assert_eq!(bench.request(client(1), Method::REFRESH, |w| w.put(&Lifetime(0))).code(), 437);
}

#[test]
fn one_of_two_families_can_be_given_back() {
    let mut bench = Bench::new(config());
    bench.request(client(1), Method::ALLOCATE, |w| udp(w).and_then(|()| w.put(&AdditionalAddressFamily(2))));
    let drop_six = |w: &mut Writer<'_>| w.put(&Lifetime(0)).and_then(|()| w.put(&RequestedAddressFamily(2)));
    assert_eq!(bench.request(client(1), Method::REFRESH, drop_six).code(), 0);
    assert_eq!(bench.server.stats().allocations, 1);
    assert_eq!(bench.request(client(1), Method::REFRESH, drop_six).code(), 443);
    let permit = |peer: &'static str| move |w: &mut Writer<'_>| w.put(&XorPeerAddress(peer.parse().unwrap()));
    assert_eq!(bench.request(client(1), Method::CREATE_PERMISSION, permit("[2001:db8::9]:1")).code(), 443);
    assert_eq!(bench.request(client(1), Method::CREATE_PERMISSION, permit("203.0.113.9:1")).code(), 0);
}

#[test]
fn an_allocation_moves_with_its_ticket() {
    let mut bench = Bench::new(config());
    let peer = XorPeerAddress("203.0.113.9:7000".parse().unwrap());
    let answer = bench.request(client(1), Method::ALLOCATE, mobile);
    let first = ticket(&answer);
    let bind = |w: &mut Writer<'_>| w.put(&ChannelNumber(0x4000)).and_then(|()| w.put(&peer));
    assert_eq!(bench.request(client(1), Method::CHANNEL_BIND, bind).code(), 0);

    let show = |ticket: &[u8]| {
        let ticket = ticket.to_vec();
        move |w: &mut Writer<'_>| w.put(&MobilityTicket(&ticket))
    };
    assert_eq!(bench.request_as("bob", "south", client(2), Method::REFRESH, show(&first)).code(), 441);
    let mut forged = first.clone();
    forged[20] ^= 1;
    assert_eq!(bench.request(client(2), Method::REFRESH, show(&forged)).code(), 400);
    assert_eq!(bench.request(client(2), Method::REFRESH, show(b"short")).code(), 400);
    let moved = bench.request(client(2), Method::REFRESH, show(&first));
    assert_eq!(moved.code(), 0);
    assert_ne!(ticket(&moved), first);

    let data = [0x40, 0, 0, 1, b'x'];
    assert!(bench.forward(client(1), &data).is_none());
    assert!(bench.forward(client(2), &data).is_some());
    let relay = bench.relays[0].0;
    let forward = bench.peer_sends(relay, "203.0.113.9:7000", b"y").unwrap();
    assert_eq!(forward.to, Destination::Client(client(2)));
    assert_eq!(bench.request(client(3), Method::REFRESH, show(&first)).code(), 400, "a ticket is good once");
    assert_eq!(bench.request(client(1), Method::REFRESH, |_| Ok(())).code(), 437);
}

#[test]
fn a_mobile_allocation_survives_its_stream() {
    let mut bench = Bench::new(config());
    let from = stream(1, Transport::Tls);
    let answer = bench.request(from, Method::ALLOCATE, mobile);
    bench.server.client_closed(bench.now, from);
    bench.drain();
    let ticket = ticket(&answer);
    let to = stream(2, Transport::Tls);
    assert_eq!(bench.request(to, Method::REFRESH, |w| w.put(&MobilityTicket(&ticket))).code(), 0);
    assert_eq!(bench.server.stats().allocations, 1);
}

#[test]
fn mobility_can_be_forbidden() {
    let mut bench = Bench::new(Config { mobility: false, ..config() });
    assert_eq!(bench.request(client(1), Method::ALLOCATE, mobile).code(), 405);
}
