//! The way to the recorder's thread: what media threads give is bounded in bytes and never waited for.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use sfu::Format;

use crate::signal::forwarding::{LegKey, Source};
use crate::signal::recording::RecordingCommand;

/// Bytes of media that may wait: some seconds of a large meeting. Beyond, packets are dropped.
const MOST_BYTES: usize = 32 << 20;

/// What is known of a packet beside its payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Head {
    pub(crate) leg: LegKey,
    pub(crate) source: Source,
    pub(crate) format: Format,
    pub(crate) first: bool,
    pub(crate) lost: u64,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    pub(crate) key: bool,
    pub(crate) arrived: Duration,
    pub(crate) captured: Option<Duration>,
    /// Bytes of the payload.
    pub(crate) len: usize,
}

/// What a media thread has taken in one round.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) heads: Vec<Head>,
    /// The payloads, one after the other.
    pub(crate) bytes: Vec<u8>,
}

/// What the recorder is given.
#[derive(Debug)]
pub(crate) enum Message {
    Batch(Batch),
    Command(RecordingCommand),
    /// Finish everything and end.
    Stop,
}

#[derive(Debug, Default)]
struct Waiting {
    messages: VecDeque<Message>,
    bytes: usize,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    rung: Condvar,
    /// Packets that found it full.
    dropped: AtomicU64,
}

impl Queue {
    /// Gives what a media thread took. If it does not fit, it is counted, and `false`: streams are to begin anew.
    pub(crate) fn push(&self, batch: Batch) -> bool {
        let size = batch.bytes.len() + batch.heads.len() * size_of::<Head>();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.bytes + size > MOST_BYTES {
            self.dropped.fetch_add(batch.heads.len() as u64, Ordering::Relaxed);
            return false;
        }
        waiting.bytes += size;
        waiting.messages.push_back(Message::Batch(batch));
        drop(waiting);
        self.rung.notify_one();
        true
    }

    /// Gives a command; there are few of them, and none is ever dropped.
    pub(crate) fn command(&self, message: Message) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).messages.push_back(message);
        self.rung.notify_one();
    }

    /// Takes all that waits, once there is anything or this time has passed.
    pub(crate) fn take(&self, patience: Duration) -> VecDeque<Message> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let empty = |waiting: &mut Waiting| waiting.messages.is_empty();
        let waited = self.rung.wait_timeout_while(waiting, patience, empty);
        let (mut waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        waiting.bytes = 0;
        std::mem::take(&mut waiting.messages)
    }

    /// Packets dropped because the recorder did not keep up.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).bytes
    }
}

/// What a media thread gathers in one round.
#[derive(Debug, Default)]
pub(crate) struct Gatherer {
    batch: Batch,
}

impl Gatherer {
    /// Takes a packet in.
    pub(crate) fn add(&mut self, leg: LegKey, source: Source, packet: &sfu::Recorded<'_>) {
        self.batch.heads.push(Head {
            leg,
            source,
            format: packet.format,
            first: packet.first,
            lost: packet.lost,
            timestamp: packet.timestamp,
            marker: packet.marker,
            key: packet.key,
            arrived: packet.arrived,
            captured: packet.captured,
            len: packet.payload.len(),
        });
        self.batch.bytes.extend_from_slice(packet.payload);
    }

    /// Hands over what was gathered; if it was dropped, `false`.
    pub(crate) fn hand_over(&mut self, queue: &Queue) -> bool {
        self.batch.heads.is_empty() || queue.push(std::mem::take(&mut self.batch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(len: usize) -> Batch {
        let head = Head {
            leg: LegKey(1),
            source: Source::Camera,
            format: Format::Vp8,
            first: false,
            lost: 0,
            timestamp: 0,
            marker: true,
            key: false,
            arrived: Duration::ZERO,
            captured: None,
            len,
        };
        Batch { heads: vec![head], bytes: vec![0; len] }
    }

    #[test]
    fn media_are_bounded_and_commands_are_not_dropped() {
        let queue = Queue::default();
        let mut taken = 0;
        while queue.push(batch(1 << 20)) {
            taken += 1;
        }
        assert_eq!((taken, queue.dropped()), (31, 1));
        queue.command(Message::Stop);
        let messages = queue.take(Duration::ZERO);
        assert_eq!(messages.len(), 32);
        assert!(matches!(messages.back(), Some(Message::Stop)));
        assert!(queue.push(batch(1 << 20)) && queue.bytes() > 1 << 20);
    }
}
