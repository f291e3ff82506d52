/// Which of the last 128 sequence numbers have come (RFC 6347 §4.1.2.6, RFC 9147 §4.5.1).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReplayWindow {
    /// One more than the highest number that came.
    next: u64,
    /// Bit `i` stands for `next - 1 - i`.
    seen: u128,
}

impl ReplayWindow {
    /// One more than the highest sequence number seen.
    pub(crate) const fn next(&self) -> u64 {
        self.next
    }

    /// Whether a record with this number may still come.
    #[inline]
    pub(crate) const fn is_fresh(&self, seq: u64) -> bool {
        if seq >= self.next {
            return true;
        }
        let age = self.next - 1 - seq;
        age < 128 && self.seen >> age & 1 == 0
    }

    /// Notes an authentic record.
    #[inline]
    pub(crate) const fn mark(&mut self, seq: u64) {
        if seq >= self.next {
            let ahead = seq + 1 - self.next;
            self.seen = if ahead < 128 { self.seen << ahead } else { 0 } | 1;
            self.next = seq + 1;
        } else if self.next - 1 - seq < 128 {
            self.seen |= 1 << (self.next - 1 - seq);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_comes_once_within_the_window() {
        let mut window = ReplayWindow::default();
        for seq in [0, 1, 5, 3, 200, 73, 1000, 873] {
            assert!(window.is_fresh(seq), "{seq}");
            window.mark(seq);
            assert!(!window.is_fresh(seq), "{seq}");
        }
        assert!(!window.is_fresh(872), "128 behind the highest is out of the window");
        assert!(window.is_fresh(874) && window.is_fresh(999) && window.is_fresh(1001));
        assert_eq!(window.next(), 1001);
    }
}
