use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use crate::address::RawAddr;
use crate::checked;
use crate::control::Control;
use crate::socket::Socket;

/// How many messages an inbox holds before it must be cleared. A message is one datagram, or a run of them.
pub const SLOTS: usize = 64;

/// The longest message: what a length of 16 bits allows. A run never exceeds it.
const SLOT_BYTES: usize = 65_536;

/// Distance from one slot to the next. Not a power of two: slots that start on the same offset modulo 4096
/// would evict each other from the first-level cache, since small datagrams only ever touch the start of a slot.
const STRIDE: usize = SLOT_BYTES + 4096 + 320;

/// What arrived in a slot.
#[derive(Clone, Copy, Debug)]
pub struct Message {
    /// Who sent it.
    pub from: SocketAddr,
    /// Which of our addresses it was sent to, where the socket is bound to a wildcard; `None` otherwise.
    pub local: Option<IpAddr>,
    /// Bytes per datagram; only the last may be shorter. The whole length for a single datagram.
    pub segment: usize,
    len: usize,
}

/// The memory that datagrams are received into, reused for ever.
///
/// Received bytes stay where they are until [`clear`](Self::clear), so that an [`Outbox`](crate::Outbox) can send
/// parts of them on. Memory that no datagram has touched is never backed by the system.
pub struct Inbox {
    memory: Box<[u8]>,
    headers: Box<[libc::mmsghdr]>,
    iovecs: Box<[libc::iovec]>,
    names: Box<[RawAddr]>,
    controls: Box<[Control]>,
    messages: [Option<Message>; SLOTS],
    used: usize,
    calls: u64,
}

#[expect(
    unsafe_code,
    reason = "the pointers in headers and control parts are aimed at memory of this inbox before each use, and mean \
              nothing in between; nothing else in it is bound to a thread"
)]
unsafe impl Send for Inbox {}

impl Inbox {
    /// An empty inbox of [`SLOTS`] slots.
    pub fn new() -> Self {
        #[expect(
            unsafe_code,
            reason = "a header of zeroes is a valid empty one: null pointers, zero lengths"
        )]
        let header: libc::mmsghdr = unsafe { std::mem::zeroed() };
        let empty = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
        Self {
            memory: vec![0; SLOTS * STRIDE].into_boxed_slice(),
            headers: vec![header; SLOTS].into_boxed_slice(),
            iovecs: vec![empty; SLOTS].into_boxed_slice(),
            names: vec![RawAddr::EMPTY; SLOTS].into_boxed_slice(),
            controls: vec![Control::EMPTY; SLOTS].into_boxed_slice(),
            messages: [None; SLOTS],
            used: 0,
            calls: 0,
        }
    }

    /// How many more messages fit.
    pub const fn room(&self) -> usize {
        SLOTS - self.used
    }

    /// How many receives were asked of the system.
    pub const fn calls(&self) -> u64 {
        self.calls
    }

    /// Forgets all messages. What an outbox still refers to must have been flushed.
    pub const fn clear(&mut self) {
        self.used = 0;
    }

    /// Takes up to `most` messages that wait on `socket`, as many as there is room for, and returns their slots.
    /// Nothing waiting is an empty range.
    ///
    /// # Errors
    /// What the system says, other than that nothing waits.
    pub fn receive(&mut self, socket: &Socket, most: usize) -> io::Result<Range<usize>> {
        let slots = self.used..self.used + most.min(self.room());
        if slots.is_empty() {
            return Ok(slots);
        }
        self.prepare(slots.clone());
        let count = libc::c_uint::try_from(slots.len()).expect("slots are few");
        let headers = self.headers[slots.clone()].as_mut_ptr();
        self.calls += 1;
        #[expect(
            unsafe_code,
            reason = "`headers` are `count` headers whose pointers `prepare` just aimed at slots, names and \
                      controls of this inbox, each as long as it says, and which nobody else touches meanwhile"
        )]
        let result =
            unsafe { libc::recvmmsg(socket.fd(), headers, count, libc::MSG_DONTWAIT, std::ptr::null_mut()) };
        let received = match checked(result) {
            Ok(received) => received,
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => 0,
            Err(e) => return Err(e),
        };
        let slots = slots.start..slots.start + received;
        for slot in slots.clone() {
            self.messages[slot] = self.describe(slot);
        }
        self.used = slots.end;
        Ok(slots)
    }

    /// Aims the headers of `slots` at their memory.
    fn prepare(&mut self, slots: Range<usize>) {
        let memory = self.memory.as_mut_ptr();
        for slot in slots {
            self.iovecs[slot] =
                libc::iovec { iov_base: memory.wrapping_add(slot * STRIDE).cast(), iov_len: SLOT_BYTES };
            let header = &mut self.headers[slot].msg_hdr;
            header.msg_name = self.names[slot].as_mut_ptr().cast();
            header.msg_namelen = self.names[slot].len();
            header.msg_iov = &raw mut self.iovecs[slot];
            header.msg_iovlen = 1;
            header.msg_control = self.controls[slot].as_mut_ptr();
            header.msg_controllen = crate::control::CONTROL_BYTES;
            header.msg_flags = 0;
        }
    }

    /// What the kernel wrote about a slot; `None` for a message that is cut short or from no address, which
    /// cannot happen with these buffers and this kind of socket.
    fn describe(&self, slot: usize) -> Option<Message> {
        let header = &self.headers[slot];
        let len = usize::try_from(header.msg_len).ok().filter(|n| *n <= SLOT_BYTES)?;
        if header.msg_hdr.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) != 0 {
            return None;
        }
        let control = self.controls[slot].read(header.msg_hdr.msg_controllen);
        let segment = control.segment.unwrap_or(len).clamp(1, len.max(1));
        Some(Message { from: self.names[slot].get()?, local: control.local, segment, len })
    }

    /// What arrived in a slot that [`receive`](Self::receive) returned.
    ///
    /// # Panics
    /// If nothing was received into the slot since the inbox was cleared.
    pub fn message(&self, slot: usize) -> Message {
        assert!(slot < self.used, "slot {slot} holds nothing");
        self.messages[slot].unwrap_or(Message { from: NOBODY, local: None, segment: 1, len: 0 })
    }

    /// The bytes in a slot: all datagrams of the run, one after the other.
    ///
    /// # Panics
    /// As [`message`](Self::message).
    pub fn bytes(&self, slot: usize) -> &[u8] {
        let len = self.message(slot).len;
        &self.memory[slot * STRIDE..][..len]
    }

    /// The bytes in a slot, to overwrite a header in place before they are sent on.
    ///
    /// # Panics
    /// As [`message`](Self::message).
    pub fn bytes_mut(&mut self, slot: usize) -> &mut [u8] {
        let len = self.message(slot).len;
        &mut self.memory[slot * STRIDE..][..len]
    }

    /// All memory, and where in it the byte `at` of `slot` is.
    pub(crate) fn memory(&self) -> &[u8] {
        &self.memory
    }

    pub(crate) const fn position(slot: usize, at: usize) -> usize {
        slot * STRIDE + at
    }
}

/// The sender of a message that had to be dropped.
const NOBODY: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);

impl Default for Inbox {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox").field("used", &self.used).finish_non_exhaustive()
    }
}
