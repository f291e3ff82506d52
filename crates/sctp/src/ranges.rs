use std::collections::VecDeque;

/// Sorted, disjoint, never adjacent ranges of numbers, both ends inclusive.
///
/// What grows at its end, as the sequence numbers received behind a loss do, costs O(1) per number.
#[derive(Clone, Default, Debug)]
pub(crate) struct Ranges {
    list: VecDeque<(u64, u64)>,
}

impl Ranges {
    pub(crate) fn clear(&mut self) {
        self.list.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, u64)> + Clone + '_ {
        self.list.iter().copied()
    }

    /// The highest number in any range.
    pub(crate) fn last(&self) -> Option<u64> {
        self.list.back().map(|(_, end)| *end)
    }

    /// The range that begins lowest.
    pub(crate) fn first(&self) -> Option<(u64, u64)> {
        self.list.front().copied()
    }

    pub(crate) fn contains(&self, number: u64) -> bool {
        let at = self.list.partition_point(|(_, end)| *end < number);
        self.list.get(at).is_some_and(|(start, _)| *start <= number)
    }

    /// Adds `start..=end` and says, range by range, which of these numbers are new.
    pub(crate) fn insert(&mut self, start: u64, end: u64, mut new: impl FnMut(u64, u64)) {
        let at = match self.list.back_mut() {
            None => 0,
            Some((_, last)) if *last < start => {
                new(start, end);
                if *last + 1 == start {
                    *last = end;
                } else {
                    self.list.push_back((start, end));
                }
                return;
            }
            Some(_) => self.list.partition_point(|(_, e)| *e + 1 < start),
        };
        let (mut low, mut high, mut cursor, mut merged) = (start, end, start, 0);
        while let Some((s, e)) = self.list.get(at + merged).copied().filter(|(s, _)| *s <= high + 1) {
            if cursor < s && cursor <= end {
                new(cursor, end.min(s - 1));
            }
            cursor = cursor.max(e + 1);
            (low, high) = (low.min(s), high.max(e));
            merged += 1;
        }
        if cursor <= end {
            new(cursor, end);
        }
        match merged {
            0 => self.list.insert(at, (low, high)),
            _ => {
                self.list[at] = (low, high);
                self.list.drain(at + 1..at + merged);
            }
        }
    }

    /// Forgets every number up to and including `number`.
    pub(crate) fn remove_up_to(&mut self, number: u64) {
        while let Some((start, end)) = self.list.front_mut() {
            if *end > number {
                *start = (*start).max(number + 1);
                return;
            }
            self.list.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against a plain list of flags, for every pair of short ranges on top of every pattern.
    #[test]
    fn inserts_like_a_set() {
        for pattern in 0u32..256 {
            for start in 1..9 {
                for end in start..9 {
                    let mut ranges = Ranges::default();
                    for n in (1..9).filter(|n| pattern & (1 << (n - 1)) != 0) {
                        ranges.insert(n, n, |_, _| {});
                    }
                    let mut news = Vec::new();
                    ranges.insert(start, end, |a, b| news.extend(a..=b));
                    let had = |n: u64| pattern & (1 << (n - 1)) != 0;
                    let expected: Vec<u64> = (start..=end).filter(|n| !had(*n)).collect();
                    assert_eq!(news, expected, "{pattern:08b} {start}..={end}");
                    for n in 1..9 {
                        assert_eq!(ranges.contains(n), had(n) || (start..=end).contains(&n));
                    }
                    let list: Vec<_> = ranges.iter().collect();
                    assert!(list.windows(2).all(|w| w[0].1 + 1 < w[1].0), "{list:?}");
                    ranges.remove_up_to(4);
                    for n in 1..9 {
                        assert_eq!(ranges.contains(n), n > 4 && (had(n) || (start..=end).contains(&n)));
                    }
                }
            }
        }
    }
}
