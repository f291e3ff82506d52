use super::Received;
use crate::num::{unwrap16, unwrap32};
use std::collections::{BTreeMap, VecDeque};

/// The ordered messages of one stream: the next number, and whole messages that came before their turn.
#[derive(Default)]
pub(super) struct Order {
    next: u64,
    parked: BTreeMap<u64, Received>,
}

/// Bookkeeping of a parked message, counted as if it were payload.
const OVERHEAD: usize = 96;

impl Order {
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    pub(super) fn held(&self) -> usize {
        self.parked.values().map(|m| m.data.len() + OVERHEAD).sum()
    }

    fn unwrap(&self, number: u32, wide: bool) -> Option<u64> {
        // Offset by a wrap, so that what lies behind the very first message has a number, too.
        let near = self.next + (1 << 33);
        #[expect(clippy::cast_possible_truncation, reason = "SSNs have 16 bits")]
        let full = if wide { unwrap32(near, number) } else { unwrap16(near, number as u16) };
        full.checked_sub(1 << 33)
    }

    /// Adds a whole message; passes on all whose turn it is. False if its turn was before.
    pub(super) fn add(
        &mut self,
        number: u32,
        wide: bool,
        message: Received,
        ready: &mut VecDeque<Received>,
        held: &mut usize,
    ) -> bool {
        let Some(number) = self.unwrap(number, wide).filter(|n| *n >= self.next) else { return false };
        if number > self.next {
            if self.parked.contains_key(&number) {
                return false;
            }
            *held += OVERHEAD;
            self.parked.insert(number, message);
            return true;
        }
        self.next += 1;
        ready.push_back(message);
        self.release(ready, held);
        true
    }

    fn release(&mut self, ready: &mut VecDeque<Received>, held: &mut usize) {
        while let Some(entry) = self.parked.first_entry().filter(|e| *e.key() <= self.next) {
            self.next = self.next.max(*entry.key() + 1);
            ready.push_back(entry.remove());
            *held -= OVERHEAD;
        }
    }

    /// Messages up to `number` will not come any more. What has come of them is passed on in order.
    pub(super) fn skip(&mut self, number: u32, wide: bool, ready: &mut VecDeque<Received>, held: &mut usize) {
        let Some(number) = self.unwrap(number, wide).filter(|n| *n >= self.next) else { return };
        self.next = number + 1;
        self.release(ready, held);
    }
}
