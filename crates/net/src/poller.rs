use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::checked;
use crate::socket::Socket;

/// How many readiness events one wait takes: the rest is taken by the next, first come, first served.
const EVENTS: usize = 256;

/// The key of the waker among the sockets' keys.
const WAKER: u64 = u64::MAX;

/// Waits until sockets are readable, level-triggered: a socket that still holds datagrams is reported again, so
/// that a bounded share may be taken from each and none is starved.
#[derive(Debug)]
pub struct Poller {
    epoll: OwnedFd,
    events: Box<[libc::epoll_event]>,
    ready: usize,
    waker: Waker,
}

/// Wakes a [`Poller`] from another thread. Rings of one pause cost one system call together.
#[derive(Clone, Debug)]
pub struct Waker {
    event: Arc<File>,
    rung: Arc<AtomicBool>,
}

impl Poller {
    /// A poller that waits for nothing yet.
    ///
    /// # Errors
    /// What the system says, above all that the process has too many open files.
    pub fn new() -> io::Result<Self> {
        #[expect(unsafe_code, reason = "system calls without pointers; each descriptor is owned at once")]
        let (epoll, event) = unsafe {
            let epoll = libc::epoll_create1(libc::EPOLL_CLOEXEC);
            checked(epoll)?;
            let epoll = OwnedFd::from_raw_fd(epoll);
            let event = libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK);
            checked(event)?;
            (epoll, File::from(OwnedFd::from_raw_fd(event)))
        };
        let waker = Waker { event: Arc::new(event), rung: Arc::new(AtomicBool::new(false)) };
        let events = vec![libc::epoll_event { events: 0, u64: 0 }; EVENTS].into_boxed_slice();
        let poller = Self { epoll, events, ready: 0, waker };
        poller.control(libc::EPOLL_CTL_ADD, poller.waker.event.as_raw_fd(), WAKER, libc::EPOLLIN)?;
        Ok(poller)
    }

    /// Reports `socket` under `key` whenever it is readable, until the socket is dropped.
    ///
    /// # Errors
    /// What the system says, above all that no more sockets may be watched.
    ///
    /// # Panics
    /// If the key is the greatest number, which is the waker's own.
    pub fn add(&self, socket: &Socket, key: u64) -> io::Result<()> {
        assert_ne!(key, WAKER, "the greatest key belongs to the waker");
        self.control(libc::EPOLL_CTL_ADD, socket.fd(), key, libc::EPOLLIN)
    }

    /// Reports something else with a descriptor, such as a TCP stream or a listener, under `key` whenever it is
    /// readable or at its end, and with `writable` also while it takes bytes, until it is closed. Said again of the
    /// same, it changes what is reported.
    ///
    /// # Errors
    /// What the system says, above all that no more may be watched.
    ///
    /// # Panics
    /// If the key is the greatest number, which is the waker's own.
    pub fn watch(&self, source: &impl AsFd, key: u64, writable: bool) -> io::Result<()> {
        assert_ne!(key, WAKER, "the greatest key belongs to the waker");
        let fd = source.as_fd().as_raw_fd();
        let interest = if writable { libc::EPOLLIN | libc::EPOLLOUT } else { libc::EPOLLIN };
        match self.control(libc::EPOLL_CTL_ADD, fd, key, interest) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.control(libc::EPOLL_CTL_MOD, fd, key, interest)
            }
            result => result,
        }
    }

    fn control(&self, operation: libc::c_int, fd: RawFd, key: u64, interest: libc::c_int) -> io::Result<()> {
        let mut event = libc::epoll_event { events: interest.cast_unsigned(), u64: key };
        #[expect(unsafe_code, reason = "the pointer names a local event that outlives the call")]
        let result = unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), operation, fd, &raw mut event) };
        checked(result).map(drop)
    }

    /// What another thread keeps to end a [`wait`](Self::wait).
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Waits until a socket is readable, the waker rings, or `timeout` has passed (rounded up to a millisecond;
    /// `None` waits for ever). True if the waker rang. [`ready`](Self::ready) has the sockets.
    ///
    /// # Errors
    /// What the system says; none is known for a poller that was opened.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<bool> {
        let timeout = timeout.map_or(-1, |d| {
            libc::c_int::try_from(d.as_nanos().div_ceil(1_000_000)).unwrap_or(libc::c_int::MAX)
        });
        let most = libc::c_int::try_from(EVENTS).expect("events are few");
        #[expect(unsafe_code, reason = "`events` has room for `most` events and outlives the call")]
        let result =
            unsafe { libc::epoll_wait(self.epoll.as_raw_fd(), self.events.as_mut_ptr(), most, timeout) };
        self.ready = match checked(result) {
            Ok(ready) => ready,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => 0,
            Err(e) => return Err(e),
        };
        let rung = self.events[..self.ready].iter().any(|event| event.u64 == WAKER);
        if rung {
            self.waker.silence();
        }
        Ok(rung)
    }

    /// How many events the last wait returned.
    pub const fn len(&self) -> usize {
        self.ready
    }

    /// Whether the last wait returned no event.
    pub const fn is_empty(&self) -> bool {
        self.ready == 0
    }

    /// The key of event number `index` of the last wait; `None` for the waker's own.
    ///
    /// # Panics
    /// If there were not that many events.
    pub fn ready(&self, index: usize) -> Option<u64> {
        Some(self.events[..self.ready][index].u64).filter(|key| *key != WAKER)
    }
}

impl Waker {
    /// Ends the poller's wait, the present one or else the next.
    pub fn wake(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // The counter cannot overflow by ones, and there is nobody to wake if the poller is gone.
            let _ = (&*self.event).write(&1u64.to_ne_bytes());
        }
    }

    /// Takes the ring back. First the counter, then the flag: what a ring in between announces is seen by the
    /// caller, who looks at its queues after this (hence `swap`, which reads the other thread's write).
    fn silence(&self) {
        let mut count = [0; 8];
        let _ = (&*self.event).read(&mut count);
        self.rung.swap(false, Ordering::AcqRel);
    }
}
