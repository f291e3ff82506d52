use crate::FiveTuple;
use std::collections::VecDeque;
use std::net::SocketAddr;
use wire::{Fragments, Transmit, Transport};

/// Responses and indications that wait to be sent. What does not fit is dropped and counted: a client asks
/// again.
#[derive(Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    queue: VecDeque<Entry>,
}

struct Entry {
    transport: Transport,
    from: SocketAddr,
    to: SocketAddr,
    start: usize,
    len: usize,
}

const MAX_BYTES: usize = 1 << 20;

impl Outbox {
    /// Queues a message; false: the queue is full.
    #[must_use]
    pub(super) fn push(&mut self, client: &FiveTuple, message: &[u8]) -> bool {
        if self.bytes.len() + message.len() > MAX_BYTES {
            return false;
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(message);
        let FiveTuple { transport, local, remote } = *client;
        self.queue.push_back(Entry { transport, from: local, to: remote, start, len: message.len() });
        true
    }

    /// Copies the oldest message into `buf`. One that is too long for it is dropped.
    pub(super) fn pop(&mut self, buf: &mut [u8]) -> Option<Transmit> {
        loop {
            let Entry { transport, from, to, start, len } = self.queue.pop_front()?;
            let copied = buf.get_mut(..len).map(|buf| buf.copy_from_slice(&self.bytes[start..start + len]));
            if self.queue.is_empty() {
                self.bytes.clear();
            }
            if copied.is_some() {
                return Some(Transmit {
                    transport,
                    from,
                    to,
                    len,
                    segment_size: None,
                    fragments: Fragments::Usual,
                });
            }
        }
    }
}
