//! Which packets are missing, and when to ask for them.

use std::collections::BTreeMap;
use std::time::Duration;
use wire::Instant;

/// Packets that may be missing at once; those before are given up.
const MOST: usize = 512;
/// How often one packet is asked for.
const MOST_TRIES: u8 = 10;
/// How long a packet may be late without being lost.
const REORDERING: Duration = Duration::from_millis(10);

#[derive(Clone, Copy, Debug)]
struct Missing {
    ask: Instant,
    tries: u8,
}

#[derive(Debug)]
pub(super) struct Nacks {
    missing: BTreeMap<i64, Missing>,
    due: Option<Instant>,
}

impl Nacks {
    pub(super) fn new() -> Self {
        Self { missing: BTreeMap::new(), due: None }
    }

    /// When to ask.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Numbers were jumped over.
    pub(super) fn miss(&mut self, now: Instant, numbers: std::ops::Range<i64>) {
        let most = i64::try_from(MOST).expect("small");
        for number in numbers.start.max(numbers.end - most)..numbers.end {
            self.missing.insert(number, Missing { ask: now + REORDERING, tries: 0 });
        }
        while self.missing.len() > MOST {
            self.missing.pop_first();
        }
        self.schedule();
    }

    /// Whether a packet is missing.
    pub(super) fn misses(&self, number: i64) -> bool {
        self.missing.contains_key(&number)
    }

    /// A packet came, late or again. Whether it had been asked for.
    pub(super) fn found(&mut self, number: i64) -> bool {
        let found = self.missing.remove(&number);
        if found.is_some() {
            self.schedule();
        }
        found.is_some_and(|missing| missing.tries > 0)
    }

    /// Nothing before this number is wanted any more.
    pub(super) fn forget_before(&mut self, number: i64) {
        if self.missing.first_key_value().is_some_and(|(first, _)| *first < number) {
            self.missing = self.missing.split_off(&number);
            self.schedule();
        }
    }

    /// The numbers to be asked for now, in their order, at most `most`.
    pub(super) fn take(&mut self, now: Instant, round_trip: Duration, most: usize) -> Vec<u16> {
        let pause = (round_trip + round_trip / 4).max(Duration::from_millis(20));
        let mut asked = Vec::new();
        for (number, missing) in &mut self.missing {
            if asked.len() < most && now >= missing.ask && missing.tries < MOST_TRIES {
                missing.tries += 1;
                // What is sent again may be lost as well, so it is asked for once more as soon as it could be there. After
                // that patience grows: a queue on the way may have made the round trip longer than it was.
                missing.ask = now + pause * u32::from(missing.tries - 1).max(1);
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "numbers wrap")]
                asked.push(*number as u16);
            }
        }
        self.missing.retain(|_, missing| missing.tries < MOST_TRIES || now < missing.ask);
        self.schedule();
        asked
    }

    fn schedule(&mut self) {
        self.due = self.missing.values().map(|missing| missing.ask).min();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_packet_is_asked_for_again_and_not_for_ever() {
        let at = |ms: u64| Instant::from_nanos(ms * 1_000_000);
        let round_trip = Duration::from_millis(80);
        let mut nacks = Nacks::new();
        nacks.miss(at(0), 65_535..65_538);
        assert_eq!(nacks.due(), Some(at(10)));
        assert_eq!(nacks.take(at(9), round_trip, 100), []);
        assert_eq!(nacks.take(at(10), round_trip, 100), [65_535, 0, 1]);
        assert_eq!(nacks.take(at(109), round_trip, 100), []);
        assert!(nacks.found(65_536));
        assert!(!nacks.found(65_536));
        nacks.forget_before(65_537);
        let mut ask = 10;
        for pauses in [1, 1, 2, 3, 4, 5, 6, 7, 8] {
            ask += 100 * pauses;
            assert_eq!(nacks.take(at(ask - 1), round_trip, 100), []);
            assert_eq!(nacks.take(at(ask), round_trip, 100), [1]);
        }
        assert_eq!(nacks.take(at(10_000), round_trip, 100), []);
        assert_eq!(nacks.due(), None);
    }

    #[test]
    fn the_number_of_missing_packets_is_bounded() {
        let mut nacks = Nacks::new();
        nacks.miss(Instant::ZERO, 0..1_000_000_000);
        assert_eq!(nacks.missing.len(), MOST);
        nacks.miss(Instant::ZERO, 1_000_000_000..1_000_000_300);
        assert_eq!(nacks.missing.len(), MOST);
    }
}
