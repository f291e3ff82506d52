//! What a stream client and its media thread exchange: whole messages, both ways, bounded.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use turn::ConnectionId;

/// Bytes of messages that may wait for the media thread before the client is no longer read from. One message of
/// the greatest length fits at least.
const INPUT_LIMIT: usize = 128 << 10;

/// The two directions. Each lock is held for the length of a copy and taken by one task and one thread.
pub(super) struct Pipe {
    input: Mutex<Vec<u8>>,
    /// The media thread was told that there is input.
    announced: AtomicBool,
    /// Rings when the media thread has taken the input.
    room: Notify,
    output: Mutex<Output>,
    /// Rings when there is output.
    written: Notify,
    output_limit: usize,
    framed: bool,
}

struct Output {
    bytes: Vec<u8>,
    next: Next,
}

/// What becomes of the stream when its output has been written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    /// It goes on.
    Open,
    /// It ends.
    Close,
    /// It is one pipe with a peer connection from now on (RFC 6062 §5.4).
    Splice(ConnectionId),
}

/// Whether bytes found room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pushed {
    Taken,
    Full,
}

impl Pipe {
    pub(super) fn new(output_limit: usize) -> Self {
        Self {
            input: Mutex::default(),
            announced: AtomicBool::new(false),
            room: Notify::new(),
            output: Mutex::new(Output { bytes: Vec::new(), next: Next::Open }),
            written: Notify::new(),
            output_limit,
            framed: false,
        }
    }

    /// For a member of a room: each message has its length before it.
    pub(super) fn framed(output_limit: usize) -> Self {
        Self { framed: true, ..Self::new(output_limit) }
    }

    pub(super) const fn is_framed(&self) -> bool {
        self.framed
    }

    /// Adds whole messages for the media thread, waiting for room. True if the thread must be told.
    pub(super) async fn push_input(&self, messages: &[u8]) -> bool {
        loop {
            let room = self.room.notified();
            {
                let mut input = lock(&self.input);
                if input.is_empty() || input.len() + messages.len() <= INPUT_LIMIT {
                    input.extend_from_slice(messages);
                    break;
                }
            }
            room.await;
        }
        !self.announced.swap(true, Ordering::AcqRel)
    }

    /// Exchanges the input for an empty buffer: both keep their memory.
    pub(super) fn take_input(&self, into: &mut Vec<u8>) {
        self.announced.store(false, Ordering::Release);
        into.clear();
        std::mem::swap(&mut *lock(&self.input), into);
        self.room.notify_one();
    }

    /// Adds relayed data for the client, unless too much waits already.
    pub(super) fn push_output<'a>(&self, parts: impl Iterator<Item = &'a [u8]> + Clone) -> Pushed {
        let mut output = lock(&self.output);
        let length: usize = parts.clone().map(<[u8]>::len).sum();
        if output.bytes.len() + length > self.output_limit {
            return Pushed::Full;
        }
        for part in parts {
            output.bytes.extend_from_slice(part);
        }
        drop(output);
        self.written.notify_one();
        Pushed::Taken
    }

    /// Says what becomes of the stream once the output has been written.
    pub(super) fn set_next(&self, next: Next) {
        lock(&self.output).next = next;
        self.written.notify_one();
    }

    /// Waits for output, exchanges it for an empty buffer, and says what comes next.
    pub(super) async fn take_output(&self, into: &mut Vec<u8>) -> Next {
        into.clear();
        loop {
            let written = self.written.notified();
            {
                let mut output = lock(&self.output);
                if !output.bytes.is_empty() || output.next != Next::Open {
                    std::mem::swap(&mut output.bytes, into);
                    return output.next;
                }
            }
            written.await;
        }
    }
}

/// A thread that panicked between two copies leaves whole messages behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
