//! What was sent and not yet reported.

use super::Reported;
use rtp::Unwrapper;
use rtp::rtcp::{TICK, Twcc};
use std::collections::VecDeque;
use std::time::Duration;
use wire::Instant;

/// Packets remembered: at 1200 bytes and 20 Mbit/s, two seconds.
const MOST: usize = 4096;

/// Packets kept before the last one that was reported: messages may overtake each other.
const KEPT: i64 = 200;

/// Room beyond this is given back when an eighth of it is enough again, as after a path that was silent for a while.
const ROOM: usize = 512;

/// The numbers of probes are below this, and not zero.
pub(super) const PROBES: u16 = 1 << 14;
/// Marks of a packet, above the number of its probe.
const RECEIVED: u16 = 1 << 15;
const COUNTED_LOST: u16 = 1 << 14;

/// Eight bytes, because there are hundreds of them for every path.
#[derive(Clone, Copy, Debug)]
struct Sent {
    /// Microseconds, wrapping after 71 minutes: far longer than anybody waits for a report.
    at: u32,
    size: u16,
    /// The number of its probe or zero, [`RECEIVED`] and [`COUNTED_LOST`].
    marks: u16,
}

impl Sent {
    fn probe(self) -> Option<u32> {
        let probe = self.marks & (PROBES - 1);
        (probe > 0).then_some(probe.into())
    }
}

/// As [`Sent::at`].
fn micros(at: Instant) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "it wraps")]
    let micros = (at.as_nanos() / 1000) as u32;
    micros
}

/// What is left of a time in [`Sent::at`].
fn whole_micros(at: Instant) -> Instant {
    Instant::from_nanos(at.as_nanos() / 1000 * 1000)
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
    /// When the last of them left: what the short times of the others are told by.
    last: Instant,
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
            last: Instant::ZERO,
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
        // A clock that goes back would make a short time an hour old.
        let at = at.max(self.last);
        self.numbers = Unwrapper::starting_at(self.end());
        let size = u16::try_from(size).unwrap_or(u16::MAX);
        let marks = probe.and_then(|probe| u16::try_from(probe).ok()).filter(|probe| *probe < PROBES);
        self.packets.push_back(Sent { at: micros(at), size, marks: marks.unwrap_or(0) });
        self.last = at;
        self.in_flight += usize::from(size);
        if self.packets.len() > MOST {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some(sent) = self.packets.pop_front() {
            self.first += 1;
            if sent.marks & RECEIVED == 0 {
                self.in_flight -= usize::from(sent.size);
            }
        }
    }

    /// Tells of the packets that arrived, in the order of their numbers. Counts those that left from `since` on.
    pub(super) fn report(
        &mut self,
        feedback: &Twcc<'_>,
        since: Instant,
        mut arrived: impl FnMut(&Acknowledged),
    ) -> Reported {
        let mut reported = Reported::default();
        let offset = self.unwrap_reference(feedback.reference) - i64::from(feedback.reference);
        let mut last = self.first;
        let (packets, first) = (&mut self.packets, self.first);
        let (numbers, in_flight) = (&self.numbers, &mut self.in_flight);
        let (newest, since) = (whole_micros(self.last), whole_micros(since));
        let when = |at: u32| newest - Duration::from_micros(micros(newest).wrapping_sub(at).into());
        let counts = |at: u32| u32::from(when(at) >= since);
        feedback.for_each(|number, arrival| {
            let number = numbers.peek(number);
            let Some(sent) = usize::try_from(number - first).ok().and_then(|at| packets.get_mut(at)) else {
                return;
            };
            last = last.max(number);
            match arrival {
                Some(ticks) if sent.marks & RECEIVED == 0 => {
                    sent.marks |= RECEIVED;
                    *in_flight -= usize::from(sent.size);
                    reported.received += counts(sent.at);
                    // One unit of the reference is 256 ticks.
                    #[expect(clippy::cast_precision_loss, reason = "ticks of a session are far below 2^52")]
                    let arrival = (ticks + offset * 256) as f64 * TICK.as_secs_f64() * 1000.0;
                    let size = usize::from(sent.size);
                    let (sent, probe) = (when(sent.at), sent.probe());
                    arrived(&Acknowledged { sent, arrival, size, probe });
                }
                None if sent.marks & (RECEIVED | COUNTED_LOST) == 0 => {
                    sent.marks |= COUNTED_LOST;
                    reported.lost += counts(sent.at);
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
        if self.packets.capacity() > ROOM && self.packets.len() < self.packets.capacity() / 8 {
            self.packets.shrink_to(ROOM / 2);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Short times are told by the last one, whatever they were counted from, also where the clock seems to go back.
    #[test]
    fn times_of_packets_are_known_to_the_microsecond() {
        let hour = 3_600_000_000_000;
        for start in [0, hour, 2 * hour, u64::from(u32::MAX) * 1000 - 1_500_000, 1000 * hour] {
            let at = |micros: u64| Instant::from_nanos(start + micros * 1000);
            let mut history = History::new();
            for micros in [0, 1000, 1999, 1500, 4000] {
                history.push(at(micros), 1200, None);
            }
            let mut scratch = [0; 100];
            let (twcc, _) =
                Twcc::make(&mut scratch, (1, 2, 3), 0, &[Some(1), Some(2), None, Some(3), Some(4)]).unwrap();
            let mut sent = Vec::new();
            let reported = history.report(&twcc, at(1000), |packet| sent.push(packet.sent));
            assert_eq!(sent, [0, 1000, 1999, 4000].map(|micros| whole_micros(at(micros))), "from {start}");
            assert_eq!((reported.received, reported.lost), (3, 1), "from {start}");
        }
    }
}
