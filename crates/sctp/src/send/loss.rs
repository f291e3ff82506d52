use super::{CHUNK_COST, Sender, State};
use crate::stats::Stats;
use crate::timers::{Timer, Timers};
use std::collections::VecDeque;
use std::time::Duration;
use wire::Instant;

/// Loss detection by time: what was sent before something that has arrived is lost once it is late by more
/// than packets overtake each other (RACK, RFC 8985 §6, on TSNs instead of bytes).
///
/// Every TSN is looked at once after its first transmission, in the order of sending, and once after each
/// further one; acknowledging never walks over what is in flight.
#[derive(Debug)]
pub(super) struct Loss {
    /// Found lost, to be sent again, lowest first.
    pub(super) queue: VecDeque<u64>,
    /// The first loss of a flight goes out whatever the window says (RFC 9260 §7.2.4, 3).
    pub(super) first: bool,
    /// Everything below was judged after its first transmission.
    pub(super) judged: u64,
    /// Sent again, in that order, and not judged since.
    pub(super) again: VecDeque<(u64, Instant)>,
    /// When the latest sent of what has arrived was sent, its TSN, and its round trip.
    pub(super) newest: Option<(Instant, u64, Duration)>,
    pub(super) highest: u64,
    /// Packets were seen overtaking each other.
    pub(super) reordering: bool,
    /// Reordering window in quarters of the shortest round trip; grows with every needless retransmission.
    pub(super) quarters: u32,
    /// Black holes.
    pub(super) hole: Hole,
    /// A tail loss probe shall go out, and one is out.
    pub(super) probing: bool,
    pub(super) probed: bool,
}

/// What has become of packets that are larger than every path carries (RFC 8899 §4.3).
///
/// A full queue loses large packets too, and others that were sent later get through. In a black hole none does: only
/// what was sent after every large packet that has arrived is counted.
#[derive(Debug)]
pub(super) struct Hole {
    /// When the latest sent of those that arrived was sent, and its TSN.
    arrived: (Instant, u64),
    /// Found lost though sent later than that.
    lost: u32,
}

/// Large packets lost, and none of them arrived, that make a black hole.
const MOST_LOST: u32 = 3;

impl Hole {
    pub(super) fn arrived(&mut self, at: Instant, tsn: u64) {
        if (at, tsn) > self.arrived {
            *self = Self { arrived: (at, tsn), lost: 0 };
        }
    }

    fn lose(&mut self, at: Instant, tsn: u64) {
        self.lost += u32::from((at, tsn) > self.arrived);
    }

    /// What is sent from now on is of another size.
    pub(super) const fn reset(&mut self) {
        self.lost = 0;
    }

    pub(super) const fn is_there(&self) -> bool {
        self.lost >= MOST_LOST
    }
}

impl Loss {
    pub(super) const fn new(next: u64) -> Self {
        Self {
            queue: VecDeque::new(),
            first: false,
            judged: next,
            again: VecDeque::new(),
            newest: None,
            highest: 0,
            reordering: false,
            quarters: 1,
            hole: Hole { arrived: (Instant::ZERO, 0), lost: 0 },
            probing: false,
            probed: false,
        }
    }
}

impl Sender {
    /// The first of the lost that is still wanted.
    pub(super) fn next_lost(&mut self, now: Instant, stats: &mut Stats) -> Option<u64> {
        while let Some(&tsn) = self.loss.queue.front() {
            if tsn > self.acked {
                let sent = &self.ring[self.place(tsn)];
                let (index, transmissions) = (sent.message, sent.transmissions);
                if sent.state == State::Lost {
                    if !self.partial || self.messages.get(index).may_resend(transmissions, now) {
                        return Some(tsn);
                    }
                    self.abandon(index, stats);
                }
            }
            self.loss.queue.pop_front();
        }
        None
    }

    /// Finds what is lost after an acknowledgement, or when the reordering window ended.
    pub(crate) fn detect(&mut self, now: Instant, timers: &mut Timers, stats: &mut Stats) {
        timers.stop(Timer::Reorder);
        let Some((newest_at, newest, round_trip)) = self.loss.newest else { return };
        let quiet = !self.loss.reordering && self.sacked.last().is_some_and(|last| last >= self.acked + 4);
        let least = self.rtt.least().min(self.rtt.smoothed().unwrap_or(Duration::ZERO));
        let slack = if quiet { Duration::ZERO } else { least / 4 * self.loss.quarters };
        let due = |at: Instant| at + round_trip + slack;
        let (mut count, mut highest, mut wait) = (0, 0, None);
        while self.loss.judged < self.next {
            let tsn = self.loss.judged;
            let sent = &self.ring[self.place(tsn)];
            if sent.state == State::Flying && sent.transmissions == 1 {
                if (sent.at, tsn) >= (newest_at, newest) {
                    break;
                }
                if due(sent.at) > now {
                    wait = Some(due(sent.at));
                    break;
                }
                (count, highest) = (count + 1, tsn);
                self.lose(tsn, now, stats);
            }
            self.loss.judged += 1;
        }
        while let Some(&(tsn, at)) = self.loss.again.front() {
            let current = tsn > self.acked && {
                let sent = &self.ring[self.place(tsn)];
                sent.state == State::Flying && sent.at == at
            };
            if current {
                if (at, tsn) >= (newest_at, newest) {
                    break;
                }
                if due(at) > now {
                    wait = Some(wait.map_or(due(at), |w| w.min(due(at))));
                    break;
                }
                (count, highest) = (count + 1, highest.max(tsn));
                self.lose(tsn, now, stats);
            }
            self.loss.again.pop_front();
        }
        if let Some(at) = wait {
            timers.set(Timer::Reorder, at);
        }
        if count > 0 && self.congestion.lost(highest, self.next, count, &self.rtt) {
            self.loss.first = true;
            stats.congestion_events += 1;
        }
    }

    /// One fragment is lost: it waits to be sent again, or its message is given up.
    fn lose(&mut self, tsn: u64, now: Instant, stats: &mut Stats) {
        let place = self.place(tsn);
        let sent = &mut self.ring[place];
        sent.state = State::Lost;
        let (index, transmissions, len) = (sent.message, sent.transmissions, usize::from(sent.len));
        if sent.large {
            self.loss.hole.lose(sent.at, tsn);
        }
        self.flight -= len + CHUNK_COST;
        self.outstanding -= len;
        if self.partial && !self.messages.get(index).may_resend(transmissions, now) {
            self.abandon(index, stats);
        } else {
            self.loss.queue.push_back(tsn);
        }
    }

    /// T3-rtx expired (RFC 9260 §6.3.3): all that is in flight is lost.
    pub(crate) fn timed_out(&mut self, now: Instant, timers: &mut Timers, stats: &mut Stats) {
        if self.ring.is_empty() {
            return;
        }
        stats.timeouts += 1;
        self.rtt.back_off();
        if self.ring.front().is_some_and(|sent| sent.state == State::Acked) {
            // The peer took back what it had acknowledged; nothing behind a gap is sure (RFC 9260 §6.2.1).
            self.sacked.clear();
            for sent in self.ring.iter_mut().filter(|sent| sent.state == State::Acked) {
                sent.state = State::Lost;
            }
        }
        let all = self.acked + 1..self.next;
        for tsn in all.clone() {
            if self.ring[self.place(tsn)].state == State::Flying {
                self.lose(tsn, now, stats);
            }
        }
        self.loss.queue.clear();
        for tsn in all {
            if self.ring[self.place(tsn)].state == State::Lost {
                self.loss.queue.push_back(tsn);
            }
        }
        self.loss.again.clear();
        self.loss.judged = self.next;
        self.loss.first = true;
        self.loss.probed = true;
        timers.stop(Timer::Probe);
        // A closed window is no congestion.
        if self.peer_window >= self.mtu {
            self.congestion.timed_out(self.next);
        }
        self.forward_due |= self.advanced > self.acked;
        timers.set(Timer::Retransmit, now + self.rtt.timeout());
    }

    /// The tail loss probe is due: something new goes out, or else the last fragment once more.
    pub(crate) fn probe(&mut self, now: Instant, stats: &mut Stats) {
        if self.ring.is_empty() || self.loss.probed || !self.loss.queue.is_empty() {
            return;
        }
        if !self.scheduler.is_empty() && self.outstanding + self.mtu <= self.peer_window {
            self.loss.probing = true;
            return;
        }
        let last = self.next - 1;
        let sent = &self.ring[self.place(last)];
        let may = !self.partial || self.messages.get(sent.message).may_resend(sent.transmissions, now);
        if sent.state == State::Flying && may {
            self.loss.probing = true;
            self.lose(last, now, stats);
        }
    }
}
