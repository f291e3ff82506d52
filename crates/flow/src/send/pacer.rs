//! When the next packet may leave.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;
use wire::Instant;

/// How much may leave at once after a pause: timers of a driver are about this exact.
const BURST: Duration = Duration::from_millis(5);

/// A packet that waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Waiting {
    pub(super) stream: u32,
    /// Its number in the stream.
    pub(super) number: i64,
    /// Bytes of payload.
    pub(super) bytes: usize,
    /// It belongs to a keyframe.
    pub(super) keyframe: bool,
}

/// A packet that may leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    /// For the first time.
    First(Waiting),
    /// Again.
    Again(Waiting),
}

/// Queues in the order of their urgency: sound, what was lost, pictures.
#[derive(Debug)]
pub(super) struct Pacer {
    sound: VecDeque<Waiting>,
    again: VecDeque<Waiting>,
    pictures: VecDeque<Waiting>,
    bytes: usize,
    next: Instant,
    /// The last packet was sent again.
    was_again: bool,
}

impl Pacer {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            sound: VecDeque::new(),
            again: VecDeque::new(),
            pictures: VecDeque::new(),
            bytes: 0,
            next: now,
            was_again: false,
        }
    }

    pub(super) fn push_sound(&mut self, waiting: Waiting) {
        self.sound.push_back(waiting);
    }

    pub(super) fn push_picture(&mut self, waiting: Waiting) {
        self.bytes += waiting.bytes;
        self.pictures.push_back(waiting);
    }

    /// Queues a packet to be sent again, unless it waits already or too many do.
    pub(super) fn push_again(&mut self, waiting: Waiting, most: usize) -> bool {
        let fits = self.again.len() < most && !self.again.contains(&waiting);
        if fits {
            self.bytes += waiting.bytes;
            self.again.push_back(waiting);
        }
        fits
    }

    /// Bytes of payload that wait for their turn.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of payload that wait to be sent again.
    pub(super) fn bytes_again(&self) -> usize {
        self.again.iter().map(|waiting| waiting.bytes).sum()
    }

    /// Whether a keyframe waits, which is worth waiting for.
    pub(super) fn has_keyframe(&self) -> bool {
        self.pictures.iter().any(|waiting| waiting.keyframe)
    }

    /// The streams whose pictures wait.
    pub(super) fn streams_of_pictures(&self) -> BTreeSet<u32> {
        self.pictures.iter().map(|waiting| waiting.stream).collect()
    }

    /// Throws the pictures of a stream away, and what was to be sent again of it. Gives how many new packets these were.
    pub(super) fn clear_pictures(&mut self, stream: u32) -> usize {
        let before = self.pictures.len();
        self.again.retain(|waiting| waiting.stream != stream);
        self.pictures.retain(|waiting| waiting.stream != stream);
        self.count();
        before - self.pictures.len()
    }

    fn count(&mut self) {
        self.bytes = self.again.iter().chain(&self.pictures).map(|waiting| waiting.bytes).sum();
    }

    /// Throws all of a stream away. Gives how many new packets these were.
    pub(super) fn clear(&mut self, stream: u32) -> usize {
        let before = self.sound.len();
        self.sound.retain(|waiting| waiting.stream != stream);
        before - self.sound.len() + self.clear_pictures(stream)
    }

    pub(super) fn next(&mut self, now: Instant) -> Option<Next> {
        // Sound is little and late at once, so it does not wait; it is paid for all the same.
        if let Some(waiting) = self.sound.pop_front() {
            return Some(Next::First(waiting));
        }
        if now < self.next {
            return None;
        }
        // What was lost goes first, but never starves what is new.
        let again_first = !std::mem::take(&mut self.was_again) || self.pictures.is_empty();
        let next = match self.again.pop_front_if(|_| again_first) {
            Some(waiting) => Next::Again(waiting),
            None => Next::First(self.pictures.pop_front()?),
        };
        self.was_again = matches!(next, Next::Again(_));
        let (Next::Again(waiting) | Next::First(waiting)) = next;
        self.bytes -= waiting.bytes;
        Some(next)
    }

    /// Whether a packet may leave that nothing waits for.
    pub(super) fn is_free(&self, now: Instant) -> bool {
        now >= self.next
    }

    /// A packet of `size` bytes left; the path takes `rate` bits per second.
    pub(super) fn sent(&mut self, now: Instant, size: usize, rate: u64) {
        let nanos = u64::try_from(size).unwrap_or(u64::MAX).saturating_mul(8_000_000_000) / rate.max(1);
        self.next = self.next.max(now - BURST) + Duration::from_nanos(nanos);
    }

    /// When something may leave; `None` when nothing waits. `wanted` says that a probe does.
    pub(super) fn due(&self, wanted: bool) -> Option<Instant> {
        if !self.sound.is_empty() {
            return Some(Instant::ZERO);
        }
        (wanted || !self.again.is_empty() || !self.pictures.is_empty()).then_some(self.next)
    }
}
