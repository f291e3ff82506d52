//! Counts what the forwarder allocates: nothing per packet, and how much per member.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use crate::forward::{look_at, start};
use crate::world::World;

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    static COUNT: Cell<usize> = const { Cell::new(0) };
    static BYTES: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

#[expect(unsafe_code, reason = "an allocator cannot be counted otherwise; it only passes calls on")]
// SAFETY: every call goes to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if INSIDE.get() {
            COUNT.set(COUNT.get() + 1);
            BYTES.set(BYTES.get().wrapping_add(layout.size()));
        }
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        if INSIDE.get() {
            BYTES.set(BYTES.get().wrapping_sub(layout.size()));
        }
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What happens in here is the forwarder's.
pub(crate) fn inside<T>(act: impl FnOnce() -> T) -> T {
    INSIDE.set(true);
    let result = act();
    INSIDE.set(false);
    result
}

/// What the forwarder has allocated until now.
pub(crate) fn count() -> usize {
    COUNT.get()
}

/// What one member more costs after joining and ten seconds of sound and pictures, in bytes.
fn each(voices: usize, pictures: usize) -> usize {
    let mut world = World::new(60);
    world.join(&["x"], 1, 1);
    world.connected();
    start(&mut world, 0);
    // Until the rings have gone round: they are the publisher's.
    world.pass(Duration::from_secs(45));
    let before = BYTES.get();
    let most = 20;
    let viewers: Vec<usize> = (0..most).map(|_| world.join(&[], voices, pictures)).collect();
    for viewer in viewers {
        look_at(&mut world, viewer, &[Some((0, 360))]);
    }
    world.connected();
    world.pass(Duration::from_secs(10));
    BYTES.get().wrapping_sub(before) / most
}

/// Somebody who watches one picture, and somebody in a meeting with eight voice slots and nine picture slots; both with
/// data channels.
#[test]
fn a_subscriber_takes_little() {
    let (viewer, meeting) = (each(1, 1), each(8, 9));
    println!("{viewer} bytes per viewer, {meeting} per member of a meeting");
    assert!(viewer < 44 << 10 && meeting < 60 << 10, "{viewer} bytes per viewer, {meeting} in a meeting");
}

/// Once buffers have found their sizes, packets of a room cost no allocation: neither coming in nor going out.
#[test]
fn a_packet_allocates_nothing() {
    let mut world = World::new(61);
    world.join(&["x"], 2, 1);
    let viewers: Vec<usize> = (0..5).map(|_| world.join(&[], 2, 1)).collect();
    world.connected();
    start(&mut world, 0);
    for viewer in viewers {
        look_at(&mut world, viewer, &[Some((0, 360))]);
    }
    world.pass(Duration::from_secs(30));
    let (before, forwarded) = (COUNT.get(), world.sfu.counters().forwarded);
    world.pass(Duration::from_secs(20));
    let (count, forwarded) = (COUNT.get() - before, world.sfu.counters().forwarded - forwarded);
    println!("{count} allocations while {forwarded} packets were forwarded");
    assert!(forwarded > 7_000, "{forwarded}");
    // What is left is what is looked after a few times a second for every member, however many packets there are.
    assert!(count < 20 * 6 * 5, "{count} allocations while {forwarded} packets were forwarded");
}
