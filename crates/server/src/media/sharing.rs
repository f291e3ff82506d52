//! Between the parts of a room that lives on several threads.
//!
//! A thread tells the others of its members who send something, and hands each of their packets to every thread that has
//! another part of the room, once, in one batch per round; the others tell it which encodings they want, and which keyframes
//! they need. Words to one thread keep their order.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use net::Waker;
use sfu::{Rid, SharedPacket};

use crate::signal::forwarding::{LegKey, RoomKey};

/// Bytes of media that may wait for another thread; what comes beyond is dropped, as on a path that is too narrow.
const MOST_BYTES: usize = 16 << 20;
/// Words that may wait for another thread before media is dropped.
const MOST_WORDS: usize = 65_536;

/// What one thread says to another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Word {
    /// A member of the sender's part: what it sends, and what of it is allowed, by [`sfu::Source`].
    Member {
        room: RoomKey,
        leg: LegKey,
        /// The sender's thread.
        thread: usize,
        number: u32,
        sources: Vec<(sfu::Source, Vec<Rid>)>,
        allowed: [bool; 3],
    },
    /// It has left.
    Gone(LegKey),
    /// A packet of it; its payload is the next so many bytes of the batch.
    Packet { leg: LegKey, source: sfu::Source, encoding: u8, packet: SharedPacket, len: usize },
    /// What somebody said in the room: so many bytes.
    Said { room: RoomKey, len: usize },
    /// Which encodings of a camera of the receiver's part are wanted in that of this thread.
    Wanted { leg: LegKey, thread: usize, rids: Vec<Rid> },
    /// Of which source of the receiver's part a keyframe is needed.
    Keyframe { leg: LegKey, source: sfu::Source, rid: Rid },
}

/// Words that wait for one thread, and the bytes that belong to them.
#[derive(Default)]
pub(super) struct Batch {
    words: Vec<Word>,
    bytes: Vec<u8>,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Takes the words out, each with its bytes.
    pub(super) fn drain(&mut self, mut each: impl FnMut(Word, &[u8])) {
        let mut rest = &self.bytes[..];
        for word in self.words.drain(..) {
            let (bytes, later) = rest.split_at(word.len());
            rest = later;
            each(word, bytes);
        }
        self.bytes.clear();
    }

    fn clear(&mut self) {
        self.words.clear();
        self.bytes.clear();
    }
}

/// The way into one thread.
#[derive(Default)]
pub(super) struct Door(Mutex<Batch>);

/// The ways between the parts on this thread and the others.
pub(super) struct Sharing {
    thread: usize,
    doors: Arc<[Door]>,
    wakers: Vec<Waker>,
    /// What is to be said at the end of the round, by thread.
    batches: Vec<Batch>,
    taken: Batch,
    shared: u64,
    dropped: u64,
}

impl Sharing {
    pub(super) fn new(thread: usize, doors: Arc<[Door]>, wakers: Vec<Waker>) -> Self {
        let batches = doors.iter().map(|_| Batch::default()).collect();
        Self { thread, doors, wakers, batches, taken: Batch::default(), shared: 0, dropped: 0 }
    }

    /// Says something to another thread at the end of the round.
    pub(super) fn say(&mut self, thread: usize, word: Word, bytes: &[u8]) {
        let Some(batch) = self.batches.get_mut(thread) else { return };
        if matches!(word, Word::Packet { .. }) && batch.bytes.len() + bytes.len() > MOST_BYTES {
            self.dropped += 1;
            return;
        }
        self.shared += u64::from(matches!(word, Word::Packet { .. }));
        batch.words.push(word);
        batch.bytes.extend_from_slice(bytes);
    }

    /// Gives the other threads what was said to them.
    pub(super) fn flush(&mut self) {
        for (thread, batch) in self.batches.iter_mut().enumerate() {
            if batch.is_empty() {
                continue;
            }
            let mut door = self.doors[thread].0.lock().unwrap_or_else(PoisonError::into_inner);
            if door.is_empty() {
                mem::swap(&mut *door, batch);
            } else {
                let full = door.bytes.len() + batch.bytes.len() > MOST_BYTES || door.words.len() > MOST_WORDS;
                let mut rest = &batch.bytes[..];
                for word in batch.words.drain(..) {
                    let (bytes, later) = rest.split_at(word.len());
                    rest = later;
                    // What changes who is there must arrive.
                    if full && matches!(word, Word::Packet { .. } | Word::Said { .. }) {
                        self.dropped += 1;
                        continue;
                    }
                    door.bytes.extend_from_slice(bytes);
                    door.words.push(word);
                }
            }
            drop(door);
            batch.clear();
            self.wakers[thread].wake();
        }
    }

    /// Fetches what others have said to this thread; whether there is anything for [`Self::take`].
    pub(super) fn fetch(&mut self) -> bool {
        if self.doors.len() > 1 && self.taken.is_empty() {
            let mut door = self.doors[self.thread].0.lock().unwrap_or_else(PoisonError::into_inner);
            mem::swap(&mut *door, &mut self.taken);
        }
        !self.taken.is_empty()
    }

    /// What was fetched; to be given back by [`Self::give_back`], so that its memory is used again.
    pub(super) fn take(&mut self) -> Batch {
        mem::take(&mut self.taken)
    }

    pub(super) fn give_back(&mut self, batch: Batch) {
        self.taken = batch;
    }

    pub(super) const fn thread(&self) -> usize {
        self.thread
    }

    /// Packets handed over, and those that were dropped because another thread did not keep up.
    pub(super) const fn counts(&self) -> (u64, u64) {
        (self.shared, self.dropped)
    }
}

impl Word {
    /// The bytes of the batch that belong to it.
    const fn len(&self) -> usize {
        match self {
            Self::Packet { len, .. } | Self::Said { len, .. } => *len,
            Self::Member { .. } | Self::Gone(_) | Self::Wanted { .. } | Self::Keyframe { .. } => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> [Sharing; 2] {
        let doors: Arc<[Door]> = [0, 1].map(|_| Door::default()).into();
        let pollers = [0, 1].map(|_| net::Poller::new().expect("a poller"));
        let wakers: Vec<Waker> = pollers.iter().map(net::Poller::waker).collect();
        [0, 1].map(|thread| Sharing::new(thread, doors.clone(), wakers.clone()))
    }

    fn packet(number: i64, len: usize) -> Word {
        let packet = SharedPacket {
            number,
            timestamp: 0,
            marker: false,
            format: sfu::Format::Vp8,
            level: None,
            orientation: None,
            dependency: 0,
            clock: None,
        };
        Word::Packet { leg: LegKey(1), source: sfu::Source::Camera, encoding: 0, packet, len }
    }

    #[test]
    fn words_keep_their_order_and_their_bytes() {
        let [mut first, mut second] = pair();
        assert!(!second.fetch());
        let said = Word::Said { room: RoomKey(1), len: 2 };
        first.say(1, packet(1, 3), &[1; 3]);
        first.flush();
        first.say(1, said.clone(), &[7; 2]);
        first.say(1, Word::Gone(LegKey(1)), &[]);
        first.flush();
        assert!(second.fetch() && !first.fetch());
        let mut heard = Vec::new();
        second.take().drain(|word, bytes| heard.push((word, bytes.to_vec())));
        let expected =
            vec![(packet(1, 3), vec![1; 3]), (said, vec![7; 2]), (Word::Gone(LegKey(1)), Vec::new())];
        assert!(heard == expected, "{heard:?}");
        assert!(!second.fetch());
    }

    #[test]
    fn a_thread_that_does_not_keep_up_loses_media_and_nothing_else() {
        let [mut first, mut second] = pair();
        let large = vec![0; 1 << 20];
        for number in 0..40 {
            first.say(1, packet(number, large.len()), &large);
            first.say(1, Word::Gone(LegKey(1)), &[]);
            first.flush();
        }
        assert!(second.fetch() && first.counts().1 > 20);
        let (mut bytes, mut gone) = (0, 0);
        second.take().drain(|word, payload| {
            bytes += payload.len();
            gone += usize::from(word == Word::Gone(LegKey(1)));
        });
        assert!(bytes <= MOST_BYTES && gone == 40, "{bytes} {gone}");
    }
}
