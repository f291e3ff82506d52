//! UDP sockets that move many datagrams per system call, a readiness loop, and the clock: what a media thread
//! needs to drive the protocol machines on Linux.
//!
//! - [`Socket`] is a UDP socket with generic receive offload: one receive returns a whole run of equal-sized
//!   datagrams from one sender.
//! - [`Inbox`] is the memory that receives land in, and where they stay while they are passed on.
//! - [`Outbox`] queues what is to be sent: parts of the inbox with a few bytes taken off or put before each
//!   datagram. Nothing is copied in user space; a run leaves with one system call (generic segmentation offload).
//! - [`Poller`] waits until sockets are readable, a [`Waker`] rings, or time has passed.
//! - [`Clock`] gives the machines their [`wire::Instant`].
//!
//! ```no_run
//! use net::{Clock, Inbox, Options, Outbox, Part, Poller, Socket};
//!
//! fn main() -> std::io::Result<()> {
//!     let socket = Socket::bind("127.0.0.1:0".parse().expect("an address"), &Options::default())?;
//!     let (mut poller, clock) = (Poller::new()?, Clock::start());
//!     let (mut inbox, mut outbox) = (Inbox::new(), Outbox::new());
//!     poller.add(&socket, 7)?;
//!     loop {
//!         poller.wait(None)?;
//!         let _now = clock.now();
//!         for slot in inbox.receive(&socket, 32)? {
//!             let (message, length) = (inbox.message(slot), inbox.bytes(slot).len());
//!             // Echo every datagram of the run, as it came.
//!             let segment = message.segment;
//!             let part = Part { slot, start: 0, end: length, segment, strip: 0, dont_fragment: false };
//!             outbox.forward(&mut inbox, 7, message.from, message.local, part, &[]);
//!         }
//!         outbox.flush(&inbox, |_| Some(&socket));
//!         inbox.clear();
//!     }
//! }
//! ```
//!
//! It refuses: anything but Linux, `IPv4` in `IPv6`-mapped form (a socket speaks one family), and blocking.
//!
//! The only crate of the server that may say `unsafe`: each place is one system call and says why it is sound.

mod address;
mod clock;
mod control;
mod direct;
mod inbox;
mod outbox;
mod poller;
mod socket;
mod transmission;

pub use clock::{Clock, unix_seconds, unix_time};
pub use direct::is_too_long;
pub use inbox::{Inbox, Message, SLOTS};
pub use outbox::{Counters, Outbox, Part};
pub use poller::{Poller, Waker};
pub use socket::{Options, Socket};

/// The result of a system call that says -1 for "see errno".
fn checked(result: libc::c_int) -> std::io::Result<usize> {
    usize::try_from(result).map_err(|_| std::io::Error::last_os_error())
}
