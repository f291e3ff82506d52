//! TCP allocations (RFC 6062).

use crate::bench::{Bench, client, config, stream};
use std::time::Duration;
use stun::attribute::{ChannelNumber, ConnectionIdentifier, RequestedTransport, XorPeerAddress};
use stun::{Class, Method, Writer};
use turn::{ConnectionId, Event, FiveTuple, RelayId, RelayKind};
use wire::{Short, Transport};

const PEER: &str = "203.0.113.9:80";

fn peer(w: &mut Writer<'_>) -> Result<(), Short> {
    w.put(&XorPeerAddress(PEER.parse().unwrap()))
}

fn control() -> FiveTuple {
    stream(1, Transport::Tcp)
}

fn bench() -> (Bench, RelayId) {
    let mut bench = Bench::new(config());
    let answer = bench.request(control(), Method::ALLOCATE, |w| w.put(&RequestedTransport(6)));
    assert_eq!(answer.code(), 0);
    let relay = bench.relays[0].0;
    bench.events.clear();
    (bench, relay)
}

/// Asks for a connection to the peer; the driver has not answered yet.
fn connect(bench: &mut Bench) -> ConnectionId {
    let bytes = bench.signed("alice", "north", control(), Method::CONNECT, peer);
    assert!(bench.raw(control(), &bytes).is_none(), "the answer waits for the peer");
    let Some(Event::Connect { connection, to, .. }) = bench.events.pop() else { panic!("no event") };
    assert_eq!(to, PEER.parse().unwrap());
    connection
}

#[test]
fn the_listener_is_asked_for() {
    let mut bench = Bench::new(config());
    bench.learn_nonce(control());
    let bytes =
        bench.signed("alice", "north", control(), Method::ALLOCATE, |w| w.put(&RequestedTransport(6)));
    assert!(bench.forward(control(), &bytes).is_none());
    assert!(matches!(bench.server.poll_event(), Some(Event::OpenRelay { kind: RelayKind::TcpListener, .. })));
}

#[test]
fn a_connection_is_made_and_bound() {
    let (mut bench, relay) = bench();
    let id = connect(&mut bench);
    assert_eq!(bench.request(control(), Method::CONNECT, peer).code(), 446);
    bench.server.peer_connected(bench.now, id, true);
    let answer = bench.answer(&control()).unwrap();
    assert_eq!(answer.get::<ConnectionIdentifier>(), Some(ConnectionIdentifier(id.0)));
    assert!(bench.server.peer_accepted(bench.now, relay, PEER.parse().unwrap()).is_none());

    let data = stream(2, Transport::Tcp);
    let bind = move |w: &mut Writer<'_>| w.put(&ConnectionIdentifier(id.0));
    let wrong = bench.request(data, Method::CONNECTION_BIND, |w| w.put(&ConnectionIdentifier(!id.0)));
    assert_eq!(wrong.code(), 400);
    assert_eq!(bench.request_as("bob", "south", data, Method::CONNECTION_BIND, bind).code(), 400);
    assert_eq!(bench.request(client(3), Method::CONNECTION_BIND, bind).code(), 400, "over UDP");
    assert_eq!(bench.request(data, Method::CONNECTION_BIND, bind).code(), 0);
    assert_eq!(bench.events, [Event::Bind { connection: id, client: data }]);
    assert_eq!(bench.request(stream(4, Transport::Tcp), Method::CONNECTION_BIND, bind).code(), 400, "once");
    bench.wait(Duration::from_secs(60));
    assert_eq!(bench.events.len(), 1, "a bound connection has no deadline");
    bench.server.client_closed(bench.now, control());
    bench.drain();
    assert!(bench.events.contains(&Event::CloseConnection { connection: id }));
}

#[test]
fn a_connection_that_fails_is_told() {
    let (mut bench, _) = bench();
    let id = connect(&mut bench);
    bench.server.peer_connected(bench.now, id, false);
    assert_eq!(bench.answer(&control()).unwrap().code(), 447);
    connect(&mut bench);
}

#[test]
fn nobody_waits_longer_than_30_seconds() {
    let (mut bench, _) = bench();
    let id = connect(&mut bench);
    bench.server.peer_connected(bench.now, id, true);
    bench.wait(Duration::from_millis(29_999));
    assert!(bench.events.is_empty());
    bench.wait(Duration::from_millis(1));
    assert_eq!(bench.events, [Event::CloseConnection { connection: id }]);
}

#[test]
fn a_permitted_peer_may_come_by_itself() {
    let (mut bench, relay) = bench();
    assert!(bench.server.peer_accepted(bench.now, relay, PEER.parse().unwrap()).is_none());
    assert_eq!(bench.request(control(), Method::CREATE_PERMISSION, peer).code(), 0);
    let id = bench.server.peer_accepted(bench.now, relay, PEER.parse().unwrap()).unwrap();
    let told = bench.answer(&control()).unwrap();
    assert_eq!(
        (told.message().class(), told.message().method()),
        (Class::Indication, Method::CONNECTION_ATTEMPT)
    );
    assert_eq!(told.get::<ConnectionIdentifier>(), Some(ConnectionIdentifier(id.0)));
    assert_eq!(told.get::<XorPeerAddress>(), Some(XorPeerAddress(PEER.parse().unwrap())));
    bench.server.connection_closed(bench.now, id);
    assert_eq!(
        bench
            .request(stream(2, Transport::Tcp), Method::CONNECTION_BIND, |w| {
                w.put(&ConnectionIdentifier(id.0))
            })
            .code(),
        400
    );
}

#[test]
fn mistakes_have_their_codes() {
    let (mut bench, _) = bench();
    assert_eq!(bench.request(control(), Method::CONNECT, |_| Ok(())).code(), 400);
    let forbidden = |w: &mut Writer<'_>| w.put(&XorPeerAddress("127.0.0.1:22".parse().unwrap()));
    assert_eq!(bench.request(control(), Method::CONNECT, forbidden).code(), 403);
    let bind = |w: &mut Writer<'_>| w.put(&ChannelNumber(0x4000)).and_then(|()| peer(w));
    assert_eq!(bench.request(control(), Method::CHANNEL_BIND, bind).code(), 400);
    bench.allocate(client(5));
    assert_eq!(bench.request(client(5), Method::CONNECT, peer).code(), 400);
    assert_eq!(bench.request(client(6), Method::CONNECT, peer).code(), 437);
}
