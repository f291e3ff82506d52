//! Heap allocations of a forwarder, counted: none for a packet that is received, lent and sent on.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;

use peer::negotiation::{Direction, MediaKind};
use peer::rtp::extension::Elements;
use peer::{Format, MediaMode, MediaPacket, OutgoingRtp, Received};
use wire::Transport;

use crate::media::{add, connected};
use crate::pair::{ADDRESSES, Pair};

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

#[expect(unsafe_code, reason = "an allocator cannot be counted otherwise; it only passes calls on")]
// SAFETY: every call goes to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A packet of side 0, and what side 1 does with it: takes it, lends it, sends it on over its own transceiver. How many
/// allocations the second part took.
fn relay_one(pair: &mut Pair, sequence_number: u16, bufs: &mut [[u8; 1500]; 3]) -> usize {
    let [sent, lent, forwarded] = bufs;
    let ids = [0, 1].map(|side: usize| pair.peers[side].negotiator().transceivers()[0].id());
    let packet = |transceiver, payload| OutgoingRtp {
        transceiver,
        rid: None,
        format: Some(Format::Vp8),
        marker: true,
        sequence_number,
        timestamp: u32::from(sequence_number) * 3000,
        head: &[],
        payload,
        pad_to: 0,
        retransmission: false,
        probe: false,
        elements: Elements::default(),
    };
    let now = pair.now;
    let transmit = pair.peers[0].send_rtp(now, &packet(ids[0], &[0x10, 1, 2, 3, 4]), sent).unwrap();
    let [remote, local]: [SocketAddr; 2] = ADDRESSES.map(|text| text.parse().unwrap());
    let received = Received { transport: Transport::Udp, local, remote, segment: transmit.len };
    let before = COUNT.get();
    let mut len = 0;
    pair.peers[1].handle_input_with(now, received, &mut sent[..transmit.len], &mut |packet| {
        if let MediaPacket::Rtp(packet) = packet {
            len = packet.packet.payload().len();
            lent[..len].copy_from_slice(packet.packet.payload());
        }
    });
    assert_eq!(len, 5, "the packet is lent");
    pair.peers[1].send_rtp(now, &packet(ids[1], &lent[..len]), forwarded).unwrap();
    let idle = pair.peers[1].poll_timeout();
    assert!(idle.is_some());
    COUNT.get() - before
}

#[test]
fn a_packet_that_is_received_and_sent_on_allocates_nothing() {
    let mut pair = Pair::with(23, |_, config| config.media.mode = MediaMode::Packets);
    add(&mut pair, 0, MediaKind::Video);
    pair.introduce();
    connected(&mut pair);
    pair.peers[1].with_negotiator(|n| {
        let id = n.transceivers()[0].id();
        n.set_direction(id, Direction::SendRecv).unwrap();
    });
    pair.negotiate(1);
    let mut bufs = [[0; 1500]; 3];
    // Sources are made with the first packets, and histories grow until they are as long as they may be.
    let mut counts = Vec::new();
    for number in 0..2600 {
        let count = relay_one(&mut pair, number, &mut bufs);
        if number >= 2100 {
            counts.push(count);
        }
        // Feedback and what else is due, which is not for each packet.
        pair.pass(std::time::Duration::from_millis(3));
    }
    let all: usize = counts.iter().sum();
    assert_eq!(all, 0, "{counts:?}");
}
