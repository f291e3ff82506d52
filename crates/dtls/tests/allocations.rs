//! Counts heap allocations: a record makes none, and a connection keeps little.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

use dtls::{Dtls, Version};

use crate::link::{Pair, config};

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
fn records_allocate_nothing() {
    for version in [Version::Dtls12, Version::Dtls13] {
        let mut pair = Pair::of(&[version], 1);
        pair.assert_works("before");
        let now = pair.now;
        let mut buf = [0; 1200 + dtls::MAX_OVERHEAD];
        let [client, server] = &mut pair.ends;
        let mut before = 0;
        for round in 0..1000 {
            // The keys of a connection that is used stay scheduled from the first few records on.
            if round == 4 {
                before = COUNT.get();
            }
            let len = client.seal(&mut buf, 1200).unwrap();
            assert_eq!(
                server.open(now, black_box(&mut buf[..len])).map(|data| data.len()).sum::<usize>(),
                1200
            );
            assert!(server.poll_transmit(now, &mut []).is_none() && server.poll_event().is_none());
            assert!(server.poll_timeout().is_none());
        }
        assert_eq!(COUNT.get() - before, 0, "{version:?}");
    }
}

#[test]
fn an_idle_connection_is_small() {
    for version in [Version::Dtls12, Version::Dtls13] {
        let [client, server] = [dtls::Role::Client, dtls::Role::Server].map(|role| config(role, &[version]));
        let before = BYTES.get();
        let mut pair = Pair::new(client, server, 1);
        pair.assert_works("before");
        let [client, server] = pair.ends;
        drop((pair.events, pair.received));
        let kept = BYTES.get().wrapping_sub(before) / 2 + size_of::<Dtls>();
        // The library's own memory of keys is not counted here: it is part of the size of a `Dtls`.
        assert!(kept < 16 * 1024, "{version:?}: {kept} bytes");
        drop((client, server));
    }
}
