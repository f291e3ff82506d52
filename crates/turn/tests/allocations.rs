//! Counts heap allocations: forwarding a packet makes none, whatever its way, and an allocation of TURN takes
//! little.

use crate::bench::{Bench, client, config, stream, udp};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeMap;
use stun::Method;
use stun::attribute::{ChannelNumber, Data, XorPeerAddress};
use stun::{Class, TransactionId, Writer};
use turn::{Config, FiveTuple, Run, Source};
use wire::Transport;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
    static BYTES: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

#[expect(unsafe_code, reason = "an allocator cannot be counted otherwise; it only passes calls on")]
// SAFETY: every call goes to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        BYTES.set(BYTES.get().wrapping_add(layout.size()));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        BYTES.set(BYTES.get().wrapping_sub(layout.size()));
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn counted(f: impl FnOnce()) -> usize {
    let before = COUNT.get();
    f();
    COUNT.get() - before
}

#[test]
fn forwarding_allocates_nothing() {
    let mut bench = Bench::new(Config { bandwidth_per_user: Some(1 << 40), ..config() });
    let bind = |bench: &mut Bench, from: FiveTuple, peer: XorPeerAddress| {
        let fill = |w: &mut Writer<'_>| w.put(&ChannelNumber(0x4000)).and_then(|()| w.put(&peer));
        assert_eq!(bench.request(from, Method::CHANNEL_BIND, fill).code(), 0);
    };
    let (a, b, c) = (client(1), client(2), stream(3, Transport::Tls));
    let (at_a, at_b) = (bench.allocate(a), bench.allocate(b));
    bench.allocate(c);
    bind(&mut bench, a, XorPeerAddress(at_b));
    bind(&mut bench, b, XorPeerAddress(at_a));
    let peer = XorPeerAddress("203.0.113.9:7000".parse().unwrap());
    bind(&mut bench, c, peer);
    assert_eq!(bench.request(a, Method::CREATE_PERMISSION, |w| w.put(&peer)).code(), 0);

    let mut send = [0; 100];
    let mut w = Writer::new(&mut send, Class::Indication, Method::SEND, TransactionId([1; 12])).unwrap();
    w.put(&peer).unwrap();
    w.put(&Data(b"payload")).unwrap();
    let send_len = w.len();
    let channel = [0x40, 0, 0, 4, 1, 2, 3, 4].repeat(10);
    let relay = bench.relay(at_a);
    let now = bench.now;
    let server = &mut bench.server;
    let mut forwarded = 0;
    let count = counted(|| {
        for _ in 0..100 {
            for (source, bytes, segment) in [
                (Source::Client(a), &channel[..], 8),             // to a client in memory
                (Source::Client(c), &channel[..8], 8),            // from a stream to a peer
                (Source::Client(a), &send[..send_len], send_len), // by Send
                (Source::Peer { relay, from: peer.0 }, &channel[..], 8), // by Data
                (Source::Peer { relay, from: at_b }, &channel[..], 8), // by a channel
                (Source::Client(client(99)), &channel[..8], 8),   // dropped
            ] {
                let mut run = Run::new(bytes, segment);
                while !run.is_empty() {
                    forwarded += usize::from(server.handle_input(now, source, &mut run).is_some());
                }
            }
        }
    });
    assert_eq!((count, forwarded), (0, 500));
    assert_eq!(counted(|| drop(std::hint::black_box(Box::new(1)))), 1, "the counter counts");
}

/// With a channel and its permission, and a user of its own, as in a call.
#[test]
fn an_allocation_takes_less_than_a_kibibyte() {
    let secret = Some(b"secret".to_vec());
    let config = Config { secret, relay_ports: 50_000..=59_999, unauthenticated_rate: None, ..config() };
    let mut bench = Bench::new(config);
    bench.server.set_time(bench.now, 0);
    let before = BYTES.get();
    for port in 1..=2048 {
        let (user, password) = stun::rest::issue(b"secret", &format!("user-{port}"), 1 << 40);
        let from = client(port);
        assert_eq!(bench.request_as(&user, &password, from, Method::ALLOCATE, udp).code(), 0);
        let peer = XorPeerAddress("203.0.113.9:7000".parse().unwrap());
        let fill = |w: &mut Writer<'_>| w.put(&ChannelNumber(0x4000)).and_then(|()| w.put(&peer));
        assert_eq!(bench.request_as(&user, &password, from, Method::CHANNEL_BIND, fill).code(), 0);
        // What the bench itself remembers does not count.
        (bench.nonces, bench.events, bench.relays) = (BTreeMap::new(), Vec::new(), Vec::new());
    }
    let each = BYTES.get().wrapping_sub(before) / 2048;
    println!("{each} bytes for each allocation");
    assert!(each <= 1024, "{each} bytes for each allocation");
}

#[test]
fn an_idle_poll_allocates_nothing() {
    let mut bench = Bench::new(config());
    bench.allocate(client(1));
    let mut buf = [0; 1500];
    let (now, server) = (bench.now, &mut bench.server);
    let count = counted(|| {
        for _ in 0..100 {
            server.handle_timeout(now);
            assert!(server.poll_transmit(now, &mut buf).is_none() && server.poll_event().is_none());
            assert!(server.poll_timeout().is_some());
        }
    });
    assert_eq!(count, 0);
}
