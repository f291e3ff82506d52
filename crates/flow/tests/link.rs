use std::collections::BTreeMap;
use std::time::Duration;
use wire::{Instant, Rng};

/// One direction of a path: a queue that drops what does not fit, a rate, a delay, and accidents.
pub(crate) struct Link {
    /// Bits per second; `None` carries anything at once.
    pub(crate) rate: Option<u64>,
    /// Bytes that may wait.
    pub(crate) queue: usize,
    pub(crate) delay: Duration,
    /// Of a thousand packets, how many are lost, doubled, delayed by 30 ms, and changed in one bit.
    pub(crate) loss: u64,
    pub(crate) doubled: u64,
    pub(crate) late: u64,
    pub(crate) corrupted: u64,
    /// The n-th packet meets with this accident.
    pub(crate) nth: Option<(u64, Accident)>,
    count: u64,
    free_at: Instant,
    under_way: BTreeMap<(Instant, u64), Vec<u8>>,
    /// The longest that a packet waited in the queue.
    pub(crate) longest_wait: Duration,
    rng: Rng,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Accident {
    Lost,
    Doubled,
    Late,
    Corrupted,
}

impl Link {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            rate: None,
            queue: usize::MAX,
            delay: Duration::from_millis(25),
            loss: 0,
            doubled: 0,
            late: 0,
            corrupted: 0,
            nth: None,
            count: 0,
            free_at: Instant::ZERO,
            under_way: BTreeMap::new(),
            longest_wait: Duration::ZERO,
            rng: Rng::from_number(seed),
        }
    }

    /// How long a packet that came now would wait.
    pub(crate) fn wait(&self, now: Instant) -> Duration {
        self.free_at.saturating_since(now)
    }

    pub(crate) fn send(&mut self, now: Instant, bytes: &[u8]) {
        let mut bytes = bytes.to_vec();
        self.count += 1;
        let accident = self.nth.filter(|(n, _)| *n == self.count).map(|(_, accident)| accident);
        let mut happens = |permille, kind| self.rng.chance(permille) || accident == Some(kind);
        if happens(self.loss, Accident::Lost) {
            return;
        }
        let doubled = happens(self.doubled, Accident::Doubled);
        let late = happens(self.late, Accident::Late);
        if happens(self.corrupted, Accident::Corrupted) {
            let bit = usize::try_from(self.rng.below(8 * bytes.len() as u64)).unwrap();
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        let mut leaves = now.max(self.free_at);
        if let Some(rate) = self.rate {
            let waiting = self.wait(now).as_nanos() * u128::from(rate) / 8_000_000_000;
            if waiting + bytes.len() as u128 > self.queue as u128 {
                return;
            }
            self.longest_wait = self.longest_wait.max(self.wait(now));
            leaves += Duration::from_nanos(bytes.len() as u64 * 8_000_000_000 / rate);
            self.free_at = leaves;
        }
        let mut arrives = leaves + self.delay;
        if late {
            arrives += Duration::from_millis(30);
        }
        for copy in 0..=u64::from(doubled) {
            self.under_way.insert((arrives, self.count * 2 + copy), bytes.clone());
        }
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.under_way.keys().next().map(|(at, _)| *at)
    }

    pub(crate) fn receive(&mut self, now: Instant) -> Option<Vec<u8>> {
        let (at, _) = *self.under_way.keys().next().filter(|(at, _)| *at <= now)?;
        assert!(at <= now);
        self.under_way.pop_first().map(|(_, bytes)| bytes)
    }
}
