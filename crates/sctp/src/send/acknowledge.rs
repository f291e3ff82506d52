use super::{CHUNK_COST, Sender, State};
use crate::num::unwrap32;
use crate::packet::Sack;
use crate::stats::Stats;
use crate::timers::{Timer, Timers};
use wire::Instant;

/// What an acknowledgement brought.
#[derive(Default)]
struct News {
    bytes: usize,
    highest: u64,
}

impl Sender {
    /// Takes a SACK (RFC 9260 §6.2.1). False if it makes no sense.
    pub(crate) fn acknowledge(
        &mut self,
        now: Instant,
        sack: &Sack<'_>,
        timers: &mut Timers,
        stats: &mut Stats,
    ) -> bool {
        let cumulative = unwrap32(self.acked, sack.cumulative);
        if cumulative >= self.next {
            return false;
        }
        if cumulative < self.acked {
            return true; // An old one, overtaken on its way.
        }
        let mut news = News::default();
        let newest = self.loss.newest;
        self.cumulative(now, cumulative, &mut news);
        self.gaps(now, cumulative, sack, &mut news);
        if self.loss.newest != newest
            && let Some((at, _, _)) = self.loss.newest
        {
            self.rtt.measured(now, at);
        }
        // Each duplicate is a retransmission that was not needed: packets are late rather than lost.
        if sack.duplicates().next().is_some() && self.loss.quarters < 8 {
            self.loss.quarters += 1;
            self.loss.reordering = true;
        }
        self.peer_window = sack.window as usize;
        self.most_begun = self.most_begun.max(self.peer_window / 4);
        self.rtt.recover();
        if news.bytes > 0 {
            self.congestion.acknowledged(now, news.bytes, news.highest, self.next, &self.rtt);
            self.congestion.limited = false;
            self.loss.probed = false;
            self.detect(now, timers, stats);
            self.restart(now, timers);
        }
        self.advance();
        if self.advanced > self.acked
            && now.saturating_since(self.forward_at) >= self.rtt.smoothed().unwrap_or_default()
        {
            self.forward_due = true;
        }
        true
    }

    fn restart(&self, now: Instant, timers: &mut Timers) {
        if self.ring.is_empty() {
            timers.stop(Timer::Retransmit);
            timers.stop(Timer::Probe);
            return;
        }
        timers.set(Timer::Retransmit, now + self.rtt.timeout());
        self.arm_probe(now, timers);
    }

    /// Takes everything up to `cumulative` out of the ring.
    fn cumulative(&mut self, now: Instant, cumulative: u64, news: &mut News) {
        while self.acked < cumulative {
            let tsn = self.acked + 1;
            self.arrived(now, tsn, news);
            let Some(sent) = self.ring.pop_front() else { return };
            self.acked = tsn;
            self.held -= usize::from(sent.len);
            let message = self.messages.get_mut(sent.message);
            message.unacked -= 1;
            if message.unacked == 0 && (message.is_sent() || message.abandoned) {
                self.release(sent.message);
            }
        }
        self.loss.judged = self.loss.judged.max(cumulative + 1);
        self.sacked.remove_up_to(cumulative);
    }

    fn gaps(&mut self, now: Instant, cumulative: u64, sack: &Sack<'_>, news: &mut News) {
        if sack.is_contiguous() {
            return;
        }
        let mut fresh = std::mem::take(&mut self.fresh);
        for (start, end) in sack.gaps() {
            let (start, end) = (cumulative + u64::from(start), cumulative + u64::from(end));
            if start > cumulative && start <= end && end < self.next {
                self.sacked.insert(start, end, |a, b| fresh.push((a, b)));
            }
        }
        for (start, end) in fresh.drain(..) {
            for tsn in start..=end {
                self.arrived(now, tsn, news);
                let place = self.place(tsn);
                if self.ring[place].state != State::Abandoned {
                    self.ring[place].state = State::Acked;
                }
            }
        }
        self.fresh = fresh;
    }

    /// A fragment has arrived: it leaves the flight, and tells how old what arrives is.
    fn arrived(&mut self, now: Instant, tsn: u64, news: &mut News) {
        let sent = &self.ring[self.place(tsn)];
        let (state, at, len, first) = (sent.state, sent.at, usize::from(sent.len), sent.transmissions == 1);
        if sent.large {
            self.loss.hole.arrived(at, tsn);
        }
        match state {
            State::Acked => return,
            State::Flying => {
                self.flight -= len + CHUNK_COST;
                self.outstanding -= len;
            }
            State::Lost | State::Abandoned => {}
        }
        if state == State::Abandoned {
            return;
        }
        news.bytes += len + CHUNK_COST;
        news.highest = news.highest.max(tsn);
        let round_trip = now.saturating_since(at);
        // An answer sooner than any packet could make it was to the first transmission (RFC 8985 §6.2, step 2).
        if !first && round_trip < self.rtt.least() {
            return;
        }
        if first && tsn < self.loss.highest {
            self.loss.reordering = true;
        }
        self.loss.highest = self.loss.highest.max(tsn);
        if self.loss.newest.is_none_or(|(newest, highest, _)| (at, tsn) > (newest, highest)) {
            self.loss.newest = Some((at, tsn, round_trip));
        }
    }
}
