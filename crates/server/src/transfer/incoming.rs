//! A file on its way in: which bytes are wanted, what the sender is told, and what goes to the disk.

use super::control::Stop;
use super::frame::{Frame, WINDOW};
use super::hash::BLOCK;

/// Tell the sender after this many bytes.
const TELL_EVERY: u64 = 128 << 10;
/// With this many bytes waiting to be written, the sender hears nothing and so stops at its window.
const BACKLOG_MOST: u64 = 4 << 20;

/// How far a file is on its way in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    /// Nobody has decided.
    Offered,
    /// It is wanted, and waits for its turn.
    Wanted,
    /// Its place on the disk is made.
    Opening,
    /// It comes.
    Running,
    /// It is whole, and has its name.
    Done,
    /// It does not go on.
    Stopped(Stop),
}

/// A file on its way in.
#[derive(Debug)]
pub(crate) struct Incoming {
    /// Its number.
    pub(crate) number: u32,
    /// Its name, as the other side says it.
    pub(crate) name: String,
    /// Bytes.
    pub(crate) size: u64,
    /// How far it is.
    pub(crate) stage: Stage,
    /// The next byte that is wanted.
    pub(crate) at: u64,
    /// Where it began: not at zero if a part was there.
    pub(crate) began: u64,
    told: u64,
    backlog: u64,
    block: Vec<u8>,
}

/// What comes of a frame.
#[derive(Debug, PartialEq)]
pub(crate) enum Taken {
    /// It was not wanted now.
    Dropped,
    /// These blocks go to the disk.
    Blocks(Vec<Vec<u8>>),
    /// All is there, and this must be its hash.
    End([u8; 32]),
    /// It is not what was agreed.
    Wrong,
}

impl Incoming {
    /// A file that was offered.
    pub(crate) const fn new(number: u32, name: String, size: u64) -> Self {
        let stage = Stage::Offered;
        Self { number, name, size, stage, at: 0, began: 0, told: 0, backlog: 0, block: Vec::new() }
    }

    /// Whether nothing more is to be expected of it.
    pub(crate) const fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Done | Stage::Stopped(_))
    }

    /// Bytes of memory that it may take while it runs.
    pub(crate) fn weight(&self) -> u64 {
        self.size.min(WINDOW + BACKLOG_MOST)
    }

    /// Its place is there, and everything before `at`.
    pub(crate) fn opened(&mut self, at: u64) {
        self.stage = Stage::Running;
        (self.at, self.began, self.told, self.backlog) = (at, at, at, 0);
        self.block = Vec::new();
    }

    /// The sender is told where to go on.
    pub(crate) const fn resumed(&mut self) {
        self.told = self.at;
    }

    /// A block of this length is written.
    pub(crate) const fn written(&mut self, len: u64) {
        self.backlog = self.backlog.saturating_sub(len);
    }

    /// Takes a frame.
    pub(crate) fn take(&mut self, frame: &Frame<'_>) -> Taken {
        if self.stage != Stage::Running {
            return Taken::Dropped;
        }
        if frame.end {
            return match frame.bytes.try_into() {
                Ok(root) if frame.offset == self.size && self.at == self.size => Taken::End(root),
                _ => Taken::Wrong,
            };
        }
        if frame.offset != self.at || frame.bytes.is_empty() {
            return Taken::Dropped;
        }
        let len = frame.bytes.len() as u64;
        // More than was offered, or more than the window allows.
        if len > self.size - self.at || self.backlog > BACKLOG_MOST + 2 * WINDOW {
            return Taken::Wrong;
        }
        let mut blocks = Vec::new();
        let mut rest = frame.bytes;
        while !rest.is_empty() {
            let start = self.at - self.block.len() as u64;
            let wanted = usize::try_from(BLOCK.min(self.size - start)).unwrap_or(usize::MAX);
            if self.block.is_empty() {
                self.block.reserve_exact(wanted);
            }
            let (now, later) = rest.split_at(rest.len().min(wanted - self.block.len()));
            self.block.extend_from_slice(now);
            self.at += now.len() as u64;
            rest = later;
            if self.block.len() == wanted {
                self.backlog += wanted as u64;
                blocks.push(std::mem::take(&mut self.block));
            }
        }
        Taken::Blocks(blocks)
    }

    /// What the sender is to be told to be kept, if it is time.
    pub(crate) fn tell(&mut self) -> Option<u64> {
        let news = self.at - self.told;
        let due = news >= TELL_EVERY || (self.at == self.size && news > 0);
        if self.stage != Stage::Running || self.backlog > BACKLOG_MOST || !due {
            return None;
        }
        self.told = self.at;
        Some(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::hash::BLOCK_LEN;

    fn data(offset: u64, bytes: &[u8]) -> Frame<'_> {
        Frame { file: 1, offset, end: false, bytes }
    }

    #[test]
    fn blocks_leave_when_they_are_full() {
        let mut file = Incoming::new(1, "x".to_owned(), BLOCK + 3);
        let chunk = vec![1; 700_000];
        assert_eq!(file.take(&data(0, &chunk)), Taken::Dropped, "not taken yet");
        file.opened(0);
        assert_eq!(file.take(&data(0, &chunk)), Taken::Blocks(vec![]));
        assert_eq!(file.take(&data(0, &chunk)), Taken::Dropped, "again");
        assert_eq!(file.tell(), Some(700_000));
        assert_eq!(file.tell(), None);
        let rest = vec![2; BLOCK_LEN + 3 - 700_000];
        let Taken::Blocks(blocks) = file.take(&data(700_000, &rest)) else { panic!() };
        assert_eq!(blocks.iter().map(Vec::len).collect::<Vec<_>>(), [BLOCK_LEN, 3]);
        assert_eq!(file.tell(), Some(BLOCK + 3));
        let end = Frame { file: 1, offset: BLOCK + 3, end: true, bytes: &[5; 32] };
        assert_eq!(file.take(&end), Taken::End([5; 32]));
    }

    #[test]
    fn what_was_not_agreed_is_wrong() {
        let opened = || {
            let mut file = Incoming::new(1, "x".to_owned(), 10);
            file.opened(0);
            file
        };
        assert_eq!(opened().take(&data(0, &[0; 11])), Taken::Wrong);
        let early = Frame { file: 1, offset: 10, end: true, bytes: &[0; 32] };
        assert_eq!(opened().take(&early), Taken::Wrong);
        assert_eq!(opened().take(&data(1, &[0; 2])), Taken::Dropped);
    }

    #[test]
    fn a_slow_disk_silences_the_receiver_until_it_has_caught_up() {
        let mut file = Incoming::new(1, "x".to_owned(), 100 * BLOCK);
        file.opened(0);
        let block = vec![0; BLOCK_LEN];
        let mut told = 0;
        while file.at - told < WINDOW {
            file.take(&data(file.at, &block));
            told = file.tell().unwrap_or(told);
        }
        assert_eq!(told, BACKLOG_MOST);
        for _ in 0..8 {
            file.written(BLOCK);
        }
        assert_eq!(file.tell(), Some(file.at));
    }
}
