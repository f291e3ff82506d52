//! Payload: permissions (RFC 8656 §9), Send and Data (§11), channels (§12), and what never goes through.

use crate::bench::{Bench, client, config, output, stream, udp};
use std::net::SocketAddr;
use std::time::Duration;
use stun::attribute::{
    Attribute, ChannelNumber, Data, DontFragment, Icmp, XorPeerAddress, XorRelayedAddress,
};
use stun::{Class, Message, Method, TransactionId, Writer};
use turn::{Config, Destination, FiveTuple, Run, Source};
use wire::Transport;

const PEER: &str = "203.0.113.9:7000";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn permit(bench: &mut Bench, from: FiveTuple, peer: &str) -> u16 {
    let peer = XorPeerAddress(address(peer));
    bench.request(from, Method::CREATE_PERMISSION, |w| w.put(&peer)).code()
}

fn bind(bench: &mut Bench, from: FiveTuple, number: u16, peer: &str) -> u16 {
    let peer = XorPeerAddress(address(peer));
    let fill = |w: &mut Writer<'_>| w.put(&ChannelNumber(number)).and_then(|()| w.put(&peer));
    bench.request(from, Method::CHANNEL_BIND, fill).code()
}

fn send(peer: &str, data: &[u8], dont_fragment: bool) -> Vec<u8> {
    let mut buf = [0; 1500];
    let mut w = Writer::new(&mut buf, Class::Indication, Method::SEND, TransactionId([3; 12])).unwrap();
    w.put(&XorPeerAddress(address(peer))).unwrap();
    if dont_fragment {
        w.put(&DontFragment).unwrap();
    }
    w.put(&Data(data)).unwrap();
    let len = w.len();
    buf[..len].to_vec()
}

fn channel(number: u16, data: &[u8]) -> Vec<u8> {
    [&number.to_be_bytes()[..], &u16::try_from(data.len()).unwrap().to_be_bytes(), data].concat()
}

#[test]
fn send_needs_a_permission_that_lives_300_seconds() {
    let mut bench = Bench::new(config());
    let relay = bench.allocate(client(1));
    let message = send(PEER, b"hello", true);
    assert_eq!(bench.forward(client(1), &message), None);
    assert_eq!(permit(&mut bench, client(1), PEER), 0);
    let forward = bench.forward(client(1), &message).unwrap();
    assert_eq!(forward.to, Destination::Peer { relay: bench.relay(relay), to: address(PEER) });
    assert_eq!((output(&forward, &message), forward.dont_fragment), (vec![b"hello".to_vec()], true));
    assert!(bench.forward(client(1), &send("203.0.113.9:1", b"", false)).is_some()); // any port of it
    assert!(bench.forward(client(1), &send("203.0.113.8:7000", b"x", false)).is_none());
    bench.wait(Duration::from_millis(299_999));
    assert!(bench.forward(client(1), &message).is_some());
    bench.wait(Duration::from_millis(1));
    assert!(bench.forward(client(1), &message).is_none());
    assert_eq!(bench.server.stats().dropped.no_permission, 3);
}

#[test]
fn a_peer_is_heard_in_data_indications_or_channels() {
    let mut bench = Bench::new(config());
    let relayed = bench.allocate(client(1));
    let relay = bench.relay(relayed);
    assert_eq!(bench.peer_sends(relay, PEER, b"early"), None);
    permit(&mut bench, client(1), PEER);
    let forward = bench.peer_sends(relay, PEER, b"hello").unwrap();
    assert_eq!(forward.to, Destination::Client(client(1)));
    let [bytes] = &output(&forward, b"hello")[..] else { panic!("one datagram") };
    let message = Message::parse(bytes).unwrap();
    assert_eq!((message.class(), message.method()), (Class::Indication, Method::DATA));
    assert_eq!(message.get::<XorPeerAddress>(), Ok(Some(XorPeerAddress(address(PEER)))));
    assert_eq!(message.raw(Data::KIND), Some(&b"hello"[..]));
    assert_eq!(bind(&mut bench, client(1), 0x4001, PEER), 0);
    let forward = bench.peer_sends(relay, PEER, b"hello").unwrap();
    assert_eq!(output(&forward, b"hello"), [channel(0x4001, b"hello")]);
    // Another port of the same host has a permission, but no channel.
    let forward = bench.peer_sends(relay, "203.0.113.9:1", b"hello").unwrap();
    assert_eq!(forward.header.len(), 36);
}

#[test]
fn channels_carry_runs() {
    let mut bench = Bench::new(config());
    let relayed = bench.allocate(client(1));
    assert_eq!(bind(&mut bench, client(1), 0x4001, PEER), 0);
    let input = [channel(0x4001, b"aaaa"), channel(0x4001, b"bbbb"), channel(0x4001, b"c")].concat();
    let mut run = Run::new(&input, 8);
    let forward = bench.server.handle_input(bench.now, Source::Client(client(1)), &mut run).unwrap();
    assert!(run.is_empty());
    assert_eq!(output(&forward, &input), [&b"aaaa"[..], b"bbbb", b"c"]);
    assert_eq!(forward.to, Destination::Peer { relay: bench.relay(relayed), to: address(PEER) });
    // From the peer the last, shorter one has another header and goes on its own.
    let source = Source::Peer { relay: bench.relay(relayed), from: address(PEER) };
    let input = b"aaaabbbbc";
    let mut run = Run::new(input, 4);
    let mut out = Vec::new();
    while !run.is_empty() {
        let forward = bench.server.handle_input(bench.now, source, &mut run).unwrap();
        out.push(output(&forward, input));
    }
    let channel = |data: &[u8]| channel(0x4001, data);
    assert_eq!(out, [vec![channel(b"aaaa"), channel(b"bbbb")], vec![channel(b"c")]]);
    let stats = bench.server.stats();
    assert_eq!((stats.packets_from_clients, stats.bytes_from_clients), (3, 9));
    assert_eq!((stats.packets_from_peers, stats.bytes_from_peers), (3, 9));
}

#[test]
fn channels_are_bound_by_the_rules() {
    let mut bench = Bench::new(Config { channels_per_allocation: 3, ..config() });
    bench.allocate(client(1));
    let other = "203.0.113.10:7000";
    let mut check =
        |number, peer, code| assert_eq!(bind(&mut bench, client(1), number, peer), code, "{number:x} {peer}");
    check(0x3fff, PEER, 400);
    check(0x7fff, PEER, 400);
    check(0x4000, PEER, 0);
    check(0x4000, PEER, 0); // again
    check(0x4000, other, 400); // the number is taken
    check(0x4001, PEER, 400); // the peer is taken
    check(0x4001, "[2001:db8::9]:1", 443);
    check(0x4001, "127.0.0.1:1", 403);
    check(0x4001, "203.0.113.9:0", 403);
    check(0x4001, "198.51.100.1:22", 403); // the server itself
    check(0x4001, "198.51.100.1:50001", 0); // a relayed address of it
    check(0x7ffe, "203.0.113.9:7001", 0); // same host, other port
    check(0x4003, other, 508);
    // A binding lasts 600 seconds, its permission 300.
    let data = channel(0x4000, b"x");
    bench.wait(Duration::from_secs(300));
    assert!(bench.forward(client(1), &data).is_none());
    assert_eq!(permit(&mut bench, client(1), PEER), 0);
    bench.wait(Duration::from_millis(299_999));
    assert!(bench.forward(client(1), &data).is_some());
    bench.request(client(1), Method::REFRESH, |_| Ok(()));
    assert_eq!(permit(&mut bench, client(1), PEER), 0);
    bench.wait(Duration::from_millis(1));
    assert!(bench.forward(client(1), &data).is_none());
    assert_eq!(bind(&mut bench, client(1), 0x4000, other), 0);
}

#[test]
fn permissions_are_all_or_none_and_bounded() {
    let mut bench = Bench::new(Config { permissions_per_allocation: 2, ..config() });
    bench.allocate(client(1));
    let mut ask = |peers: &[&str]| {
        let peers: Vec<_> = peers.iter().map(|p| XorPeerAddress(address(p))).collect();
        let fill = |w: &mut Writer<'_>| peers.iter().try_for_each(|p| w.put(p));
        bench.request(client(1), Method::CREATE_PERMISSION, fill).code()
    };
    assert_eq!(ask(&[]), 400);
    assert_eq!(ask(&["203.0.113.1:1", "10.0.0.1:1"]), 403);
    assert_eq!(ask(&["203.0.113.1:1", "[2001:db8::9]:1"]), 443);
    assert_eq!(ask(&["203.0.113.1:1", "203.0.113.2:1", "203.0.113.3:1"]), 508);
    assert_eq!(ask(&["203.0.113.1:1", "203.0.113.2:1"]), 0);
    assert_eq!(ask(&["203.0.113.1:9", "203.0.113.2:9"]), 0);
    assert_eq!(ask(&["203.0.113.3:1"]), 508);
    bench.wait(Duration::from_secs(300));
    assert_eq!(permit(&mut bench, client(1), "203.0.113.3:1"), 0); // the old ones ran out
    assert_eq!(permit(&mut bench, client(2), PEER), 437);
}

#[test]
fn addresses_that_only_the_server_can_reach_are_refused() {
    let mut bench = Bench::new(config());
    bench.allocate(client(1));
    for peer in
        ["127.0.0.1:80", "169.254.169.254:80", "192.168.0.1:80", "100.64.0.1:1", "224.0.0.1:1", "0.0.0.0:1"]
    {
        assert_eq!(permit(&mut bench, client(1), peer), 403, "{peer}");
    }
    // A permission for the server's address is for other clients' relayed addresses only.
    assert_eq!(permit(&mut bench, client(1), "198.51.100.1:22"), 0);
    for port in [22, 3478, 50_050] {
        let message = send(&format!("198.51.100.1:{port}"), b"x", false);
        assert_eq!(bench.forward(client(1), &message), None, "{port}");
    }
    assert_eq!(bench.server.stats().dropped.forbidden, 3);
}

#[test]
fn clients_of_one_server_meet_in_memory() {
    let mut bench = Bench::new(config());
    let (a, b) = (client(1), stream(2, Transport::Tcp));
    let (at_a, at_b) = (bench.allocate(a), bench.allocate(b));
    let (text_a, text_b) = (at_a.to_string(), at_b.to_string());
    assert_eq!(bind(&mut bench, a, 0x4001, &text_b), 0);
    let input = channel(0x4001, b"hello");
    assert_eq!(bench.forward(a, &input), None, "b has not permitted a");
    assert_eq!(permit(&mut bench, b, &text_a), 0);
    let forward = bench.forward(a, &input).unwrap();
    assert_eq!(forward.to, Destination::Client(b));
    let [bytes] = &output(&forward, &input)[..] else { panic!("one message") };
    let message = Message::parse(bytes).unwrap();
    assert_eq!(message.get::<XorPeerAddress>(), Ok(Some(XorPeerAddress(at_a))));
    assert_eq!(message.raw(Data::KIND), Some(&b"hello"[..]));
    // With a channel at b, padded for its stream.
    assert_eq!(bind(&mut bench, b, 0x5002, &text_a), 0);
    let forward = bench.forward(a, &input).unwrap();
    assert_eq!(output(&forward, &input), [[channel(0x5002, b"hello"), vec![0; 3]].concat()]);
    // And back: the stream's padding does not go on.
    let back = [channel(0x5002, b"there"), vec![0; 3]].concat();
    let forward = bench.forward(b, &back).unwrap();
    assert_eq!(forward.to, Destination::Client(a));
    assert_eq!(output(&forward, &back), [channel(0x4001, b"there")]);
    // Runs to a UDP client stay runs.
    let (c, d) = (client(3), client(4));
    let (at_c, at_d) = (bench.allocate(c), bench.allocate(d));
    bind(&mut bench, c, 0x4000, &at_d.to_string());
    bind(&mut bench, d, 0x4007, &at_c.to_string());
    let input = [channel(0x4000, b"aaaa"), channel(0x4000, b"bbbb"), channel(0x4000, b"c")].concat();
    let mut run = Run::new(&input, 8);
    let forward = bench.server.handle_input(bench.now, Source::Client(c), &mut run).unwrap();
    assert_eq!(output(&forward, &input), [channel(0x4007, b"aaaa"), channel(0x4007, b"bbbb")]);
    let forward = bench.server.handle_input(bench.now, Source::Client(c), &mut run).unwrap();
    assert_eq!(output(&forward, &input), [channel(0x4007, b"c")]);
    assert!(run.is_empty());
    assert_eq!(bench.server.stats().packets_in_memory, 6);
    // Send indications too.
    let message = send(&at_d.to_string(), b"sent", false);
    assert_eq!(output(&bench.forward(c, &message).unwrap(), &message), [channel(0x4007, b"sent")]);
}

#[test]
fn other_machines_of_the_program_are_reached_where_they_are_bound() {
    let relay_ips = vec![turn::RelayIp { bind: [10, 0, 0, 5].into(), advertise: [203, 0, 113, 5].into() }];
    let mut bench = Bench::new(Config { relay_ips, all_relay_ports: Some(50_000..=50_999), ..config() });
    let relayed = bench.allocate(client(1));
    let relay = bench.relay(SocketAddr::new([10, 0, 0, 5].into(), relayed.port()));
    assert_eq!(bind(&mut bench, client(1), 0x4000, "203.0.113.5:50500"), 0);
    let input = channel(0x4000, b"x");
    let forward = bench.forward(client(1), &input).unwrap();
    assert_eq!(forward.to, Destination::Peer { relay, to: address("10.0.0.5:50500") });
    let forward = bench.peer_sends(relay, "10.0.0.5:50500", b"y").unwrap();
    assert_eq!(output(&forward, b"y"), [channel(0x4000, b"y")]);
    assert_eq!(bench.peer_sends(relay, "10.0.0.5:51500", b"y"), None);
}

#[test]
fn bandwidth_is_capped_in_each_direction() {
    let mut bench = Bench::new(Config { bandwidth_per_user: Some(100_000), ..config() });
    let relayed = bench.allocate(client(1));
    bind(&mut bench, client(1), 0x4000, PEER);
    let input = channel(0x4000, &[0; 1000]);
    let relay = bench.relay(relayed);
    let up = |bench: &mut Bench| (0..150).filter(|_| bench.forward(client(1), &input).is_some()).count();
    assert_eq!(up(&mut bench), 100);
    let down = (0..150).filter(|_| bench.peer_sends(relay, PEER, &[0; 1000]).is_some()).count();
    assert_eq!(down, 100);
    bench.wait(Duration::from_millis(100));
    assert_eq!(up(&mut bench), 10);
    assert_eq!(bench.server.stats().dropped.bandwidth, 50 + 50 + 140);
}

#[test]
fn ipv6_relays_carry_ipv6_peers() {
    let mut bench = Bench::new(config());
    let answer = bench.request(client(1), Method::ALLOCATE, |w| {
        udp(w)?;
        w.put(&stun::attribute::RequestedAddressFamily(2))
    });
    let relayed = answer.get::<XorRelayedAddress>().unwrap().0;
    let peer = "[2001:db8::99]:7000";
    assert_eq!(permit(&mut bench, client(1), PEER), 443);
    assert_eq!(permit(&mut bench, client(1), peer), 0);
    let forward = bench.peer_sends(bench.relay(relayed), peer, b"hello").unwrap();
    assert_eq!(forward.header.len(), 48);
    assert_eq!(permit(&mut bench, client(1), "[::ffff:203.0.113.9]:1"), 403);
}

#[test]
fn icmp_errors_are_told_to_those_who_may_know() {
    let mut bench = Bench::new(config());
    let relayed = bench.allocate(client(1));
    let relay = bench.relay(relayed);
    bench.server.peer_unreachable(bench.now, relay, address(PEER), (3, 4, 1400));
    assert!(bench.answer(&client(1)).is_none());
    permit(&mut bench, client(1), PEER);
    bench.server.peer_unreachable(bench.now, relay, address(PEER), (3, 4, 1400));
    let told = bench.answer(&client(1)).unwrap();
    assert_eq!(told.get::<Icmp>(), Some(Icmp { kind: 3, code: 4, data: 1400 }));
    assert_eq!(told.get::<XorPeerAddress>(), Some(XorPeerAddress(address(PEER))));
}

#[test]
fn junk_is_counted_and_goes_nowhere() {
    let mut bench = Bench::new(config());
    bench.allocate(client(1));
    let junk: [&[u8]; 6] = [&[], &[0x80, 0, 0, 0], &[0x40], &[0x40, 0, 0, 9, 1], &[0; 20], &[4; 30]];
    for bytes in junk {
        assert!(bench.raw(client(1), bytes).is_none());
    }
    assert_eq!(bench.server.stats().dropped.malformed, 6);
    assert!(bench.raw(client(9), &channel(0x4000, b"x")).is_none());
    assert_eq!(bench.server.stats().dropped.no_allocation, 1);
    let gone = turn::RelayId(77);
    assert!(bench.peer_sends(gone, PEER, b"x").is_none());
}

/// A service of the same program may be reached at its port, and nothing else of the address.
#[test]
fn services_of_the_host_are_reached_at_their_port_alone() {
    for service in ["192.0.2.1:3478", "10.0.0.7:3478"] {
        let own = address(service);
        let elsewhere = SocketAddr::new(own.ip(), 22).to_string();
        let own_ips = vec![own.ip()];
        let mut bench = Bench::new(Config { own_ips: own_ips.clone(), services: vec![own], ..config() });
        bench.allocate(client(1));
        assert_eq!(permit(&mut bench, client(1), service), 0, "{service}");
        assert!(bench.forward(client(1), &send(service, b"x", false)).is_some(), "{service}");
        assert!(bench.forward(client(1), &send(&elsewhere, b"x", false)).is_none(), "{elsewhere}");
        assert_eq!(bind(&mut bench, client(1), 0x4000, &elsewhere), 403, "{elsewhere}");
        assert_eq!(bind(&mut bench, client(1), 0x4001, service), 0, "{service}");
        assert!(bench.forward(client(1), &channel(0x4001, b"x")).is_some(), "{service}");
    }
    let mut bench = Bench::new(Config { own_ips: vec![address("10.0.0.7:1").ip()], ..config() });
    bench.allocate(client(1));
    assert_eq!(permit(&mut bench, client(1), "10.0.0.7:3478"), 403);
}
