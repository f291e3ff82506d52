use std::time::Duration;
use wire::Instant;

/// The timing of a client transaction (RFC 8489 §6.2.1, §6.2.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retransmission {
    /// The first retransmission timeout, doubled each time (500 ms).
    pub rto: Duration,
    /// How often a request is sent in all (Rc = 7).
    pub count: u32,
    /// How many times the first timeout to wait after the last one (Rm = 16).
    pub last_wait: u32,
    /// How long to wait on a reliable transport, where nothing is sent again (Ti = 39.5 s).
    pub reliable_timeout: Duration,
}

impl Default for Retransmission {
    fn default() -> Self {
        Self {
            rto: Duration::from_millis(500),
            count: 7,
            last_wait: 16,
            reliable_timeout: Duration::from_millis(39_500),
        }
    }
}

/// The timer of one request that was just sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transaction {
    timing: Retransmission,
    sent: u32,
    reliable: bool,
    due: Instant,
}

/// What a transaction's timer asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Send the same bytes again.
    Retransmit,
    /// Nobody answered: the transaction has failed.
    TimedOut,
}

impl Transaction {
    /// The request was sent at `now`, on a stream if `reliable`.
    pub fn new(now: Instant, timing: Retransmission, reliable: bool) -> Self {
        let wait = if reliable { timing.reliable_timeout } else { timing.rto };
        Self { timing, sent: 1, reliable, due: now + wait }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub const fn poll_timeout(&self) -> Instant {
        self.due
    }

    /// Lets time pass; `None`: too early, nothing to do.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Step> {
        if now < self.due {
            return None;
        }
        if self.reliable || self.sent >= self.timing.count {
            return Some(Step::TimedOut);
        }
        let doubled = self.timing.rto.saturating_mul(1u32.checked_shl(self.sent).unwrap_or(u32::MAX));
        self.sent += 1;
        let last = self.sent >= self.timing.count;
        let wait = if last { self.timing.rto.saturating_mul(self.timing.last_wait) } else { doubled };
        self.due = now + wait;
        Some(Step::Retransmit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8489 §6.2.1: with an RTO of 500 ms requests leave at 0, 500, 1500, 3500, 7500, 15500 and 31500 ms,
    /// and the transaction fails at 39500 ms.
    #[test]
    fn requests_leave_when_the_rfc_says() {
        let mut transaction = Transaction::new(Instant::ZERO, Retransmission::default(), false);
        for millis in [500, 1500, 3500, 7500, 15_500, 31_500] {
            let due = Instant::ZERO + Duration::from_millis(millis);
            assert_eq!(transaction.poll_timeout(), due);
            assert_eq!(transaction.handle_timeout(due - Duration::from_nanos(1)), None);
            assert_eq!(transaction.handle_timeout(due), Some(Step::Retransmit));
        }
        let end = Instant::ZERO + Duration::from_millis(39_500);
        assert_eq!(transaction.poll_timeout(), end);
        assert_eq!(transaction.handle_timeout(end), Some(Step::TimedOut));
    }

    #[test]
    fn a_stream_waits_once() {
        let mut transaction = Transaction::new(Instant::ZERO, Retransmission::default(), true);
        let end = Instant::ZERO + Duration::from_millis(39_500);
        assert_eq!(transaction.poll_timeout(), end);
        assert_eq!(transaction.handle_timeout(end), Some(Step::TimedOut));
    }
}
