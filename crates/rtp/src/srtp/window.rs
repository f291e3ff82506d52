//! Which of the last indices were seen (RFC 3711 §3.3.2).

/// What a window says of an index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Seen {
    /// It may be taken.
    New,
    /// It was taken before.
    Repeated,
    /// It lies further back than the window remembers.
    TooOld,
}

/// The last `64 * WORDS` indices up to the highest, a bit for each.
#[derive(Clone, Debug)]
pub(super) struct Window<const WORDS: usize> {
    highest: Option<u64>,
    /// The bit of index `i` is bit `i % 64` of word `i / 64 % WORDS`.
    bits: [u64; WORDS],
}

impl<const WORDS: usize> Window<WORDS> {
    pub(super) const fn new() -> Self {
        Self { highest: None, bits: [0; WORDS] }
    }

    /// The highest index taken.
    pub(super) fn highest(&self) -> Option<u64> {
        self.highest
    }

    /// Reads what the next index needs.
    pub(super) fn fetch(&self) -> u64 {
        let highest = self.highest.unwrap_or(0);
        highest ^ self.bits[Self::word(highest)]
    }

    /// How many indices behind the highest are remembered: whole words, so that none is half forgotten.
    const fn reach() -> u64 {
        (WORDS as u64 - 1) * 64
    }

    pub(super) fn look(&self, index: u64) -> Seen {
        match self.highest {
            None => Seen::New,
            Some(highest) if index > highest => Seen::New,
            Some(highest) if highest - index > Self::reach() => Seen::TooOld,
            Some(_) if self.bits[Self::word(index)] >> (index % 64) & 1 == 1 => Seen::Repeated,
            Some(_) => Seen::New,
        }
    }

    /// Marks an index that [`look`](Self::look) called new.
    pub(super) fn take(&mut self, index: u64) {
        let from = self.highest.map_or(index / 64, |highest| highest / 64 + 1);
        // Words between the old highest and the new one hold bits of a former round.
        for word in (from..=index / 64).take(WORDS) {
            self.bits[Self::word(word * 64)] = 0;
        }
        // A jump over more words than there are leaves the last ones to be cleared, whatever their number.
        if index / 64 >= from + WORDS as u64 {
            self.bits = [0; WORDS];
        }
        self.bits[Self::word(index)] |= 1 << (index % 64);
        self.highest = Some(self.highest.map_or(index, |highest| highest.max(index)));
    }

    fn word(index: u64) -> usize {
        usize::try_from(index / 64 % WORDS as u64).expect("less than the number of words")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use wire::Rng;

    #[test]
    fn the_edge_of_the_window_is_where_it_says() {
        let mut window = Window::<4>::new();
        window.take(1000);
        assert_eq!(window.look(1000), Seen::Repeated);
        assert_eq!(window.look(1001), Seen::New);
        assert_eq!(window.look(1000 - 192), Seen::New);
        assert_eq!(window.look(1000 - 193), Seen::TooOld);
    }

    /// Against a set that forgets nothing, over walks with small steps and jumps.
    #[test]
    fn no_index_is_taken_twice_and_none_is_refused_wrongly() {
        for seed in 0..50 {
            let mut rng = Rng::from_number(seed);
            let (mut window, mut taken) = (Window::<4>::new(), BTreeSet::new());
            let mut at = rng.below(1000);
            for _ in 0..2000 {
                at = match rng.below(20) {
                    0 => at + rng.below(1000),
                    1 => at.saturating_sub(rng.below(300)),
                    _ => (at + rng.below(4)).saturating_sub(1),
                };
                let highest = taken.last().copied().unwrap_or(at);
                let expected = match () {
                    () if highest.saturating_sub(at) > 192 => Seen::TooOld,
                    () if taken.contains(&at) => Seen::Repeated,
                    () => Seen::New,
                };
                assert_eq!(window.look(at), expected, "index {at}, highest {highest}, seed {seed}");
                if expected == Seen::New {
                    window.take(at);
                    taken.insert(at);
                }
            }
        }
    }
}
