//! Counts heap allocations of Rust: none per packet, and little per source.

use rtp::extension::{Elements, Kind, Map};
use rtp::rtcp::{Compound, Nack, NackEntry, Packet as Control, Pli, Twcc, Writer as ControlWriter};
use rtp::srtp::{Config, Profile, Protect, Unprotect};
use rtp::{Header, Packet, Writer};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

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

#[test]
fn a_packet_allocates_nothing() {
    let mut map = Map::default();
    map.set(Kind::TransportSequence, 1).unwrap();
    for profile in Profile::ALL {
        let (key, salt) = (&[3; 32][..profile.key_len()], &[5; 14][..profile.salt_len()]);
        let mut protect = Protect::new(profile, key, salt, &Config::default()).unwrap();
        let mut unprotect = Unprotect::new(profile, key, salt, &Config::default()).unwrap();
        let mut buf = [0; 1500];
        let mut round = |sequence_number| {
            let header = Header { payload_type: 96, sequence_number, ssrc: 7, ..Header::default() };
            let mut w = Writer::new(&mut buf, &header, &[]).unwrap();
            let elements = Elements { transport_sequence: Some(sequence_number), ..Elements::default() };
            w.elements(&elements, &map).unwrap();
            w.payload(&[1; 1100]).unwrap();
            let len = w.finish();
            let len = protect.protect(&mut buf, len).unwrap();
            let len = unprotect.unprotect(&mut buf[..len]).unwrap();
            let packet = Packet::parse(&buf[..len]).unwrap();
            assert_eq!(packet.elements(&map).transport_sequence, Some(sequence_number));
            control(&mut buf, &mut protect, &mut unprotect);
        };
        round(0); // the source is made
        let before = COUNT.get();
        for sequence_number in 1..100 {
            round(sequence_number);
        }
        assert_eq!(COUNT.get() - before, 0, "{profile:?}");
    }
}

fn control(buf: &mut [u8], protect: &mut Protect, unprotect: &mut Unprotect) {
    let mut scratch = [0; 100];
    let (twcc, _) = Twcc::make(&mut scratch, (7, 2, 3), 4, &[Some(5), None, Some(6)]).unwrap();
    let runs = [NackEntry { first: 1, following: 3 }];
    let mut w = ControlWriter::new(buf);
    w.put(&Control::Pli(Pli { sender: 7, media: 2 })).unwrap();
    w.put(&Control::Nack(Nack { sender: 7, media: 2, entries: (&runs).into() })).unwrap();
    w.put(&Control::Twcc(twcc)).unwrap();
    let len = w.len();
    let len = protect.protect_rtcp(buf, len).unwrap();
    let len = unprotect.unprotect_rtcp(&mut buf[..len]).unwrap();
    assert_eq!(Compound::new(&buf[..len]).filter(|packet| packet.is_ok()).count(), 3);
}

/// What the documentation of [`Config::max_sources`] says of one source.
#[test]
fn a_source_takes_little() {
    let mut protect = Protect::new(Profile::AeadAes128Gcm, &[1; 16], &[2; 12], &Config::default()).unwrap();
    let before = BYTES.get();
    let mut buf = [0; 100];
    for ssrc in 0..512 {
        let len = Writer::new(&mut buf, &Header { ssrc, ..Header::default() }, &[]).unwrap().finish();
        protect.protect(&mut buf, len).unwrap();
    }
    let each = BYTES.get().wrapping_sub(before) / 512;
    assert!((100..=256).contains(&each), "{each} bytes per source");
}
