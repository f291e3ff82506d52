use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use net::{Inbox, Options, Outbox, Part, Poller, Socket};

use crate::counting::allocations;

fn open(address: &str) -> Socket {
    Socket::bind(address.parse().unwrap(), &Options::default()).unwrap()
}

/// A plain socket of the standard library: it sees the datagrams as they are on the wire.
fn stranger(family: &str) -> UdpSocket {
    let socket = UdpSocket::bind(family).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket
}

fn receive_from(stranger: &UdpSocket) -> Vec<u8> {
    let mut buf = vec![0; 70_000];
    let length = stranger.recv(&mut buf).expect("a datagram within ten seconds");
    buf.truncate(length);
    buf
}

/// Receives until `count` messages have come.
fn gather(inbox: &mut Inbox, socket: &Socket, count: usize) -> Vec<usize> {
    let mut poller = Poller::new().unwrap();
    poller.add(socket, 1).unwrap();
    let mut slots = Vec::new();
    while slots.len() < count {
        poller.wait(Some(Duration::from_secs(10))).unwrap();
        assert!(!poller.is_empty(), "only {} messages of {count} within ten seconds", slots.len());
        slots.extend(inbox.receive(socket, count - slots.len()).unwrap());
    }
    slots
}

fn whole(inbox: &Inbox, slot: usize) -> Part {
    let segment = inbox.message(slot).segment;
    Part { slot, start: 0, end: inbox.bytes(slot).len(), segment, strip: 0, dont_fragment: false }
}

#[test]
fn a_run_sent_as_one_is_received_as_one() {
    let (a, b) = (open("127.0.0.1:0"), open("127.0.0.1:0"));
    let (mut inbox, mut outbox) = (Inbox::new(), Outbox::new());
    let bytes: Vec<u8> = (0..2500).map(|i| u8::try_from(i % 251).unwrap()).collect();
    outbox.send(0, b.local(), None, &[&bytes], 1000);
    outbox.flush(&inbox, |_| Some(&a));
    assert_eq!((outbox.counters().calls, outbox.counters().sent), (1, 3));
    let slots = gather(&mut inbox, &b, 1);
    let message = inbox.message(slots[0]);
    assert_eq!((message.from, message.segment), (a.local(), 1000));
    assert_eq!(inbox.bytes(slots[0]), bytes);
}

/// What a machine writes where it leaves from, several runs with one call.
#[test]
fn runs_that_are_written_into_the_outbox_leave_together() {
    let (a, b, c) = (open("127.0.0.1:0"), open("127.0.0.1:0"), stranger("127.0.0.1:0"));
    let (mut inbox, mut outbox) = (Inbox::new(), Outbox::new());
    for round in 1..3u8 {
        outbox.room(70_000)[..2500].fill(round);
        outbox.commit(0, b.local(), None, 2500, 1000);
        outbox.room(100)[..40].fill(round + 10);
        outbox.commit(0, c.local_addr().unwrap(), None, 40, 40);
        assert_eq!(outbox.waiting(), (2, 2540));
        outbox.flush_own(|_| Some(&a));
        assert_eq!((outbox.counters().calls, outbox.counters().sent), (round.into(), u64::from(round) * 4));
        let slots = gather(&mut inbox, &b, 1);
        assert_eq!((inbox.message(slots[0]).segment, inbox.bytes(slots[0])), (1000, &[round; 2500][..]));
        assert_eq!(receive_from(&c), [round + 10; 40]);
    }
}

/// What a relay does to each datagram: takes a head off, or puts one before, or changes one.
#[test]
fn heads_are_taken_off_and_put_before_every_datagram() {
    for (strip, header) in [(0, &b""[..]), (4, b""), (0, b"head"), (4, b"HEAD"), (4, b"ab"), (2, b"head")] {
        let (a, relay, b) = (open("127.0.0.1:0"), open("127.0.0.1:0"), stranger("127.0.0.1:0"));
        let (mut inbox, mut outbox) = (Inbox::new(), Outbox::new());
        let datagrams: Vec<Vec<u8>> = (0..5u8).map(|i| [b"0123", &[i; 96][..]].concat()).collect();
        let mut run = datagrams.concat();
        run.truncate(4 * 100 + 50);
        outbox.send(0, relay.local(), None, &[&run], 100);
        outbox.flush(&inbox, |_| Some(&a));
        let slots = gather(&mut inbox, &relay, 1);
        let part = Part { strip, ..whole(&inbox, slots[0]) };
        outbox.forward(&mut inbox, 0, b.local_addr().unwrap(), None, part, header);
        outbox.flush(&inbox, |_| Some(&relay));
        for datagram in run.chunks(100) {
            let expected = [header, &datagram[strip..]].concat();
            assert_eq!(receive_from(&b), expected, "strip {strip}, header {header:?}");
        }
    }
}

/// Datagrams that came one by one leave as one run for each destination, in order.
#[test]
fn single_datagrams_join_into_runs() {
    let relay = open("127.0.0.1:0");
    let (a, b, sender) = (stranger("127.0.0.1:0"), stranger("127.0.0.1:0"), stranger("127.0.0.1:0"));
    let (mut inbox, mut outbox) = (Inbox::new(), Outbox::new());
    for i in 0..8u8 {
        let length = if i >= 6 { 50 } else { 100 };
        sender.send_to(&vec![i; length], relay.local()).unwrap();
    }
    for slot in gather(&mut inbox, &relay, 8) {
        let to = if inbox.bytes(slot)[0].is_multiple_of(2) { &a } else { &b };
        let part = whole(&inbox, slot);
        outbox.forward(&mut inbox, 0, to.local_addr().unwrap(), None, part, &[]);
    }
    outbox.flush(&inbox, |_| Some(&relay));
    assert_eq!(outbox.counters().calls, 1, "two runs in one call");
    for i in 0..8u8 {
        let to = if i.is_multiple_of(2) { &a } else { &b };
        assert_eq!(receive_from(to), vec![i; if i >= 6 { 50 } else { 100 }]);
    }
}

#[test]
fn long_runs_are_split_at_what_the_kernel_takes() {
    let options = Options { receive_buffer: Some(4 << 20), ..Options::default() };
    let (a, b) = (open("127.0.0.1:0"), Socket::bind("127.0.0.1:0".parse().unwrap(), &options).unwrap());
    for (size, count) in [(1, 200usize), (1400, 100), (65_000, 1), (30_000, 5)] {
        let (mut inbox, mut outbox) = (Inbox::new(), Outbox::new());
        let bytes: Vec<u8> = (0..size * count).map(|i| u8::try_from(i / size % 256).unwrap()).collect();
        outbox.send(0, b.local(), None, &[&bytes], size);
        outbox.flush(&inbox, |_| Some(&a));
        let counters = outbox.counters();
        assert_eq!((counters.sent, counters.refused), (count as u64, 0), "{count} of {size}");
        let mut received = Vec::new();
        while received.len() < count {
            let slot = gather(&mut inbox, &b, 1)[0];
            received.extend(inbox.bytes(slot).chunks(inbox.message(slot).segment).map(<[u8]>::to_vec));
            inbox.clear();
        }
        assert_eq!(received.concat(), bytes);
        assert!(received.iter().all(|datagram| datagram.len() == size));
    }
}

#[test]
fn an_empty_datagram_is_a_datagram() {
    let (a, b) = (open("127.0.0.1:0"), stranger("127.0.0.1:0"));
    let (inbox, mut outbox) = (Inbox::new(), Outbox::new());
    for bytes in [&b"x"[..], b"", b"", b"y"] {
        outbox.send(0, b.local_addr().unwrap(), None, &[bytes], 1);
    }
    outbox.flush(&inbox, |_| Some(&a));
    for bytes in [&b"x"[..], b"", b"", b"y"] {
        assert_eq!(receive_from(&b), bytes);
    }
}

#[test]
fn a_wildcard_socket_answers_from_the_address_that_was_asked() {
    for (wildcard, asked) in [("0.0.0.0:0", "127.0.0.5"), ("[::]:0", "::1")] {
        let server = open(wildcard);
        let client = stranger(&SocketAddr::new(asked.parse().unwrap(), 0).to_string());
        let to = SocketAddr::new(asked.parse().unwrap(), server.local().port());
        let (mut inbox, mut outbox) = (Inbox::new(), Outbox::new());
        client.send_to(b"who?", to).unwrap();
        let slot = gather(&mut inbox, &server, 1)[0];
        let message = inbox.message(slot);
        assert_eq!(message.local, Some(to.ip()));
        let part = whole(&inbox, slot);
        outbox.forward(&mut inbox, 0, message.from, message.local, part, &[]);
        outbox.flush(&inbox, |_| Some(&server));
        let mut buf = [0; 9];
        assert_eq!(client.recv_from(&mut buf).unwrap(), (4, to));
    }
}

/// A datagram that has no way out is counted and does not hold up the others.
#[test]
fn a_refused_datagram_is_counted_and_the_rest_goes_on() {
    let (a, b) = (open("127.0.0.1:0"), stranger("127.0.0.1:0"));
    let (inbox, mut outbox) = (Inbox::new(), Outbox::new());
    outbox.send(0, b.local_addr().unwrap(), None, &[b"one"], 3);
    outbox.send(0, "[::1]:9".parse().unwrap(), None, &[b"wrong family"], 12);
    outbox.send(0, "255.255.255.255:9".parse().unwrap(), None, &[b"not allowed"], 11);
    outbox.send(0, b.local_addr().unwrap(), None, &[b"two!"], 4);
    outbox.flush(&inbox, |_| Some(&a));
    assert_eq!(outbox.counters().refused, 2);
    assert_eq!((receive_from(&b), receive_from(&b)), (b"one".to_vec(), b"two!".to_vec()));
}

/// A run too long for one packet of the device cannot be cut by the kernel and leaves one by one, in fragments:
/// loopback takes 65,536 bytes, so a route with a smaller size is asked for by the socket's own limit.
#[test]
fn a_run_that_the_kernel_will_not_cut_leaves_one_by_one() {
    let (a, b) = (open("[::1]:0"), stranger("[::1]:0"));
    let (inbox, mut outbox) = (Inbox::new(), Outbox::new());
    a.limit_path(1280).unwrap();
    let bytes: Vec<u8> = (0..4500u16).map(|i| u8::try_from(i % 255).unwrap()).collect();
    outbox.send(0, b.local_addr().unwrap(), None, &[&bytes], 2000);
    outbox.flush(&inbox, |_| Some(&a));
    assert_eq!((outbox.counters().uncut, outbox.counters().sent, outbox.counters().refused), (1, 3, 0));
    for datagram in bytes.chunks(2000) {
        assert_eq!(receive_from(&b), datagram);
    }
}

#[test]
fn forwarding_allocates_nothing() {
    let (a, relay, b) = (open("127.0.0.1:0"), open("127.0.0.1:0"), open("127.0.0.1:0"));
    let (mut from_a, mut inbox, mut at_b) = (Outbox::new(), Inbox::new(), Inbox::new());
    let mut outbox = Outbox::new();
    let bytes = [7; 8 * 1000];
    let mut allocated = None;
    for _ in 0..50 {
        from_a.send(0, relay.local(), None, &[&bytes], 1000);
        from_a.flush(&inbox, |_| Some(&a));
        let before = allocations();
        for slot in inbox.receive(&relay, 32).unwrap() {
            let part = Part { strip: 4, ..whole(&inbox, slot) };
            outbox.forward(&mut inbox, 0, b.local(), None, part, &[]);
            let part = whole(&inbox, slot);
            outbox.forward(&mut inbox, 0, b.local(), None, part, b"head");
        }
        outbox.flush(&inbox, |_| Some(&relay));
        inbox.clear();
        allocated = Some(allocations() - before);
        at_b.clear();
        while !at_b.receive(&b, 32).unwrap().is_empty() {
            at_b.clear();
        }
    }
    assert!(outbox.counters().sent >= 50 * 16);
    assert_eq!(allocated, Some(0), "once its queues have grown, an outbox allocates nothing");
}
