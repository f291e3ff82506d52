//! What was sent and not yet reported.

use super::Reported;
use rtp::Unwrapper;
use rtp::rtcp::{TICK, Twcc};
use std::collections::VecDeque;
use std::num::NonZeroU32;
use wire::Instant;

/// Packets remembered: at 1200 bytes and 20 Mbit/s, two seconds.
const MOST: usize = 4096;

/// Packets kept before the last one that was reported: messages may overtake each other.
const KEPT: i64 = 200;

/// Sixteen bytes, because there are hundreds of them for every path.
#[derive(Clone, Copy, Debug)]
struct Sent {
    at: Instant,
    probe: Option<NonZeroU32>,
    size: u16,
    received: bool,
    counted_lost: bool,
}

/// A packet that arrived.
#[derive(Clone, Copy, Debug)]
pub(super) struct Acknowledged {
    pub(super) sent: Instant,
    /// Milliseconds on the receiver's clock.
    pub(super) arrival: f64,
    pub(super) size: usize,
    pub(super) probe: Option<u32>,
}

#[derive(Debug)]
pub(super) struct History {
    packets: VecDeque<Sent>,
    /// The number of the first of them.
    first: i64,
    numbers: Unwrapper,
    in_flight: usize,
    /// The reference time wraps after 12 days; this is the last one, whole.
    reference: Option<i64>,
}

impl History {
    pub(super) fn new() -> Self {
        Self {
            packets: VecDeque::new(),
            first: 0,
            numbers: Unwrapper::default(),
            in_flight: 0,
            reference: None,
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// The number of the next packet, without wrapping.
    fn end(&self) -> i64 {
        self.first + i64::try_from(self.packets.len()).expect("at most MOST")
    }

    pub(super) fn next_number(&self) -> u16 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it wraps on the wire")]
        let wire = self.end() as u16;
        wire
    }

    /// Reads where the packets are, or the last one.
    #[inline]
    pub(super) fn fetch(&self, pass: u8) -> u64 {
        if pass == 0 {
            return self.packets.len() as u64 ^ self.first.cast_unsigned();
        }
        self.packets.back().map_or(0, |sent| u64::from(sent.size))
    }

    pub(super) fn push(&mut self, at: Instant, size: usize, probe: Option<u32>) {
        self.numbers = Unwrapper::starting_at(self.end());
        let (size, probe) = (u16::try_from(size).unwrap_or(u16::MAX), probe.and_then(NonZeroU32::new));
        self.packets.push_back(Sent { at, probe, size, received: false, counted_lost: false });
        self.in_flight += usize::from(size);
        if self.packets.len() > MOST {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some(sent) = self.packets.pop_front() {
            self.first += 1;
            if !sent.received {
                self.in_flight -= usize::from(sent.size);
            }
        }
    }

    /// Collects the packets that arrived, in the order of their numbers. Counts those that left from `since` on.
    pub(super) fn report(
        &mut self,
        feedback: &Twcc<'_>,
        since: Instant,
        into: &mut Vec<Acknowledged>,
    ) -> Reported {
        let mut reported = Reported::default();
        let offset = self.unwrap_reference(feedback.reference) - i64::from(feedback.reference);
        let mut last = self.first;
        let (packets, first) = (&mut self.packets, self.first);
        let (numbers, in_flight) = (&self.numbers, &mut self.in_flight);
        feedback.for_each(|number, arrival| {
            let number = numbers.peek(number);
            let Some(sent) = usize::try_from(number - first).ok().and_then(|at| packets.get_mut(at)) else {
                return;
            };
            last = last.max(number);
            match arrival {
                Some(ticks) if !sent.received => {
                    sent.received = true;
                    *in_flight -= usize::from(sent.size);
                    reported.received += u32::from(sent.at >= since);
                    // One unit of the reference is 256 ticks.
                    #[expect(clippy::cast_precision_loss, reason = "ticks of a session are far below 2^52")]
                    let arrival = (ticks + offset * 256) as f64 * TICK.as_secs_f64() * 1000.0;
                    let (size, probe) = (usize::from(sent.size), sent.probe.map(NonZeroU32::get));
                    into.push(Acknowledged { sent: sent.at, arrival, size, probe });
                }
                None if !sent.received && !sent.counted_lost => {
                    sent.counted_lost = true;
                    reported.lost += u32::from(sent.at >= since);
                }
                _ => {}
            }
        });
        self.forget_before(last);
        reported
    }

    /// Reports may come out of order, so some of what was reported is kept.
    fn forget_before(&mut self, last: i64) {
        while self.first + KEPT < last {
            self.drop_first();
        }
    }

    fn unwrap_reference(&mut self, reference: i32) -> i64 {
        let full = match self.reference {
            None => i64::from(reference),
            Some(last) => {
                #[expect(clippy::cast_possible_truncation, reason = "24 bits of the difference are wanted")]
                let distance = ((i64::from(reference) - last) as i32) << 8 >> 8;
                last + i64::from(distance)
            }
        };
        self.reference = Some(self.reference.map_or(full, |last| last.max(full)));
        full
    }
}
