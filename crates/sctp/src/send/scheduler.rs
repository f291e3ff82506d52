use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Weighted fair queueing among streams (RFC 8260 §3.6): each has a virtual time that moves on by what it
/// sends, divided by its weight; the one that is furthest behind is next.
///
/// The stream whose turn it is stands outside of the heap, so that a single busy stream costs nothing.
#[derive(Default)]
pub(super) struct Scheduler {
    waiting: BinaryHeap<Reverse<(u64, u16)>>,
    current: Option<(u64, u16)>,
    /// Virtual time of the last turn: a stream that was silent does not save up.
    now: u64,
}

impl Scheduler {
    pub(super) fn is_empty(&self) -> bool {
        self.current.is_none() && self.waiting.is_empty()
    }

    /// A stream has something to send again; `pass` is its virtual time.
    pub(super) fn add(&mut self, stream: u16, pass: u64) {
        self.waiting.push(Reverse((pass.max(self.now), stream)));
    }

    /// Whose turn it is.
    pub(super) fn turn(&mut self) -> Option<u16> {
        if self.current.is_none() {
            self.current = self.waiting.pop().map(|Reverse(first)| first);
            self.now = self.current.map_or(self.now, |(pass, _)| self.now.max(pass));
        }
        self.current.map(|(_, stream)| stream)
    }

    /// The current stream sent `bytes`. If it `may_end`, another one that is further behind comes next.
    pub(super) fn charge(&mut self, bytes: usize, weight: u64, may_end: bool) {
        let Some((pass, stream)) = &mut self.current else { return };
        *pass += ((bytes as u64) << 16) / weight;
        let ahead = self.waiting.peek().is_some_and(|Reverse((other, _))| other < pass);
        if may_end && ahead {
            self.waiting.push(Reverse((*pass, *stream)));
            self.current = None;
        }
    }

    /// The current stream has nothing left; its virtual time.
    pub(super) fn done(&mut self) -> u64 {
        self.current.take().map_or(self.now, |(pass, _)| pass)
    }

    /// A stream is gone.
    pub(super) fn remove(&mut self, stream: u16) {
        self.current = self.current.filter(|(_, s)| *s != stream);
        self.waiting.retain(|Reverse((_, s))| *s != stream);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_follow_weights_and_silence_saves_nothing() {
        let weights = [128, 256, 512, 1024];
        let mut scheduler = Scheduler::default();
        for stream in 0..4 {
            scheduler.add(stream, 0);
        }
        let mut sent = [0u64; 4];
        for _ in 0..15_000 {
            let stream = usize::from(scheduler.turn().unwrap());
            sent[stream] += 1;
            scheduler.charge(1000, weights[stream], true);
        }
        for (stream, expected) in [1000, 2000, 4000, 8000].into_iter().enumerate() {
            assert!(sent[stream].abs_diff(expected) < 10, "{sent:?}");
        }
        scheduler.add(9, 0);
        let before = sent[3];
        let mut turns = 0;
        for _ in 0..100 {
            let stream = scheduler.turn().unwrap();
            if stream == 9 {
                turns += 1;
                scheduler.charge(1000, 1024, true);
            } else {
                scheduler.charge(1000, weights[usize::from(stream)], true);
            }
        }
        assert!((25..45).contains(&turns), "{turns} turns, {before}");
    }

    #[test]
    fn a_turn_lasts_until_it_may_end() {
        let mut scheduler = Scheduler::default();
        scheduler.add(1, 0);
        scheduler.add(2, 0);
        assert_eq!(scheduler.turn(), Some(1));
        scheduler.charge(1000, 1, false);
        assert_eq!(scheduler.turn(), Some(1));
        scheduler.charge(1000, 1, true);
        assert_eq!(scheduler.turn(), Some(2));
        scheduler.done();
        scheduler.remove(1);
        assert!(scheduler.is_empty());
    }
}
