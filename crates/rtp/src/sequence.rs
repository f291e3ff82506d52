/// Turns wrapping 16-bit sequence numbers into ones that do not wrap: each is taken as the one closest to the
/// highest seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Unwrapper {
    highest: Option<i64>,
}

impl Unwrapper {
    /// As if this number, without wrapping, had been the highest seen.
    pub const fn starting_at(highest: i64) -> Self {
        Self { highest: Some(highest) }
    }

    /// The number without wrapping. The first one is itself; numbers before it may be negative.
    pub fn unwrap(&mut self, number: u16) -> i64 {
        let full = self.peek(number);
        self.highest = Some(self.highest.map_or(full, |highest| highest.max(full)));
        full
    }

    /// The same without remembering it.
    pub fn peek(&self, number: u16) -> i64 {
        let Some(highest) = self.highest else { return i64::from(number) };
        #[expect(clippy::cast_possible_truncation, reason = "the lower half is wanted")]
        let distance = number.wrapping_sub(highest as u16).cast_signed();
        highest + i64::from(distance)
    }

    /// The highest number seen.
    pub fn highest(&self) -> Option<i64> {
        self.highest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_on_over_the_wrap_both_ways() {
        let mut numbers = Unwrapper::default();
        let given = [65_534, 65_535, 0, 65_533, 5, 32_770, 0];
        let expected = [65_534, 65_535, 65_536, 65_533, 65_541, 65_536 + 32_770, 131_072];
        for (number, full) in given.into_iter().zip(expected) {
            assert_eq!(numbers.unwrap(number), full);
        }
        assert_eq!(Unwrapper { highest: Some(1) }.peek(65_535), -1);
        assert_eq!(Unwrapper::starting_at(3 * 65_536).unwrap(65_535), 3 * 65_536 - 1);
    }
}
