//! Which packets of the transport arrived when, for transport-wide feedback.

use rtp::Unwrapper;
use rtp::rtcp::{TICK, Twcc};
use std::collections::VecDeque;
use wire::Instant;

/// Numbers that are remembered; a jump over more begins anew.
const MOST: usize = 2048;
/// Reported numbers that are kept, because a late packet is reported with those around it.
const KEPT: i64 = 256;

#[derive(Debug)]
pub(super) struct Arrivals {
    numbers: Unwrapper,
    /// Arrivals in ticks from `first` on.
    ticks: VecDeque<Option<i64>>,
    first: i64,
    /// The first number that the next report covers.
    next: i64,
    reports: u8,
    media: u32,
    waiting: bool,
}

impl Arrivals {
    pub(super) fn new() -> Self {
        Self {
            numbers: Unwrapper::default(),
            ticks: VecDeque::new(),
            first: 0,
            next: 0,
            reports: 0,
            media: 0,
            waiting: false,
        }
    }

    fn end(&self) -> i64 {
        self.first + i64::try_from(self.ticks.len()).expect("at most MOST")
    }

    pub(super) fn push(&mut self, now: Instant, number: u16, media: u32) {
        let known = self.numbers.highest().is_some();
        let number = self.numbers.unwrap(number);
        self.media = media;
        if !known || number >= self.end() + i64::try_from(MOST).expect("small") {
            self.ticks.clear();
            (self.first, self.next) = (number, number);
        }
        if number < self.first {
            return; // too late to be told of
        }
        while self.end() <= number {
            self.ticks.push_back(None);
        }
        while self.ticks.len() > MOST {
            self.ticks.pop_front();
            self.first += 1;
        }
        let ticks = i64::try_from(now.as_nanos() / u64::try_from(TICK.as_nanos()).expect("small"));
        let at = usize::try_from(number - self.first).expect("not before the first");
        let slot = &mut self.ticks[at];
        if slot.is_none() {
            *slot = ticks.ok();
            self.waiting = true;
            self.next = self.next.min(number).max(self.first);
        }
    }

    /// The next report, whose content stands in `scratch`; more may be waiting after it.
    pub(super) fn report<'a>(&mut self, sender: u32, scratch: &'a mut [u8]) -> Option<Twcc<'a>> {
        if !self.waiting {
            return None;
        }
        self.next = self.next.max(self.first);
        let from = usize::try_from(self.next - self.first).ok()?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it wraps on the wire")]
        let base = self.next as u16;
        let arrivals = self.ticks.make_contiguous().get(from..).unwrap_or_default();
        let Some((report, count)) = Twcc::make(scratch, (sender, self.media, self.reports), base, arrivals)
        else {
            self.waiting = false;
            return None;
        };
        self.reports = self.reports.wrapping_add(1);
        self.next += i64::try_from(count).expect("at most MOST");
        self.waiting = self.next < self.end();
        while self.first + KEPT < self.next {
            self.ticks.pop_front();
            self.first += 1;
        }
        Some(report)
    }
}
