use super::{CHUNK_COST, MOST_IN_FLIGHT, Sender, Sent, State};
use crate::num::{low32, u16_of, u32_of};
use crate::packet::{Data, Flags, HEADER_LEN};
use crate::stats::Stats;
use crate::timers::{Timer, Timers};
use std::time::Duration;
use wire::Instant;

/// DATA and I-DATA in front of the payload, in bytes.
const DATA_HEADER: usize = 16;
const I_DATA_HEADER: usize = 20;
/// A piece of a large message that is smaller than this is not worth its header.
const LEAST: usize = 64;

impl Sender {
    const fn header(&self) -> usize {
        if self.interleaving { I_DATA_HEADER } else { DATA_HEADER }
    }

    /// Whether [`Sender::fill`] could write something, as far as can be told in constant time.
    pub(crate) fn has_data(&self) -> bool {
        !self.loss.queue.is_empty() || (!self.scheduler.is_empty() && self.window_is_open())
    }

    fn window_is_open(&self) -> bool {
        self.flight == 0
            || self.loss.probing
            || (self.flight < self.congestion.window() && self.ring.len() < MOST_IN_FLIGHT)
    }

    /// Fills the packet in `buf`, which has `start` bytes and may have `room`, with DATA chunks: first what was lost, then
    /// what is new. Says how long it is then: longer than `room` if a chunk that was lost does not fit into any packet,
    /// because the path carries less than it did.
    pub(crate) fn fill(
        &mut self,
        now: Instant,
        buf: &mut [u8],
        (start, room): (usize, usize),
        timers: &mut Timers,
        stats: &mut Stats,
    ) -> usize {
        if !self.has_data() || !self.may_go(now, timers) {
            return start;
        }
        let (next, again) = (self.next, self.loss.again.len());
        let end = self.pack(now, buf, (start, room), stats);
        if self.base < end && end <= self.mtu {
            self.note_large(next, again);
        }
        if end > start {
            self.went(now, end - start, timers);
        }
        end
    }

    fn pack(
        &mut self,
        now: Instant,
        buf: &mut [u8],
        (start, room): (usize, usize),
        stats: &mut Stats,
    ) -> usize {
        let mut used = start;
        while let Some(tsn) = self.next_lost(now, stats) {
            let len = usize::from(self.ring[self.place(tsn)].len);
            let outgrown = used == start && HEADER_LEN + self.header() + len > self.mtu;
            let end = if outgrown { buf.len() } else { room };
            let fits = (self.header() + len).next_multiple_of(4) <= end - used;
            if !fits || (!self.window_is_open() && !self.loss.first) {
                return used;
            }
            self.loss.queue.pop_front();
            self.loss.first = false;
            used += self.write_again(now, tsn, &mut buf[used..]);
            stats.retransmissions += 1;
            if outgrown {
                return used;
            }
        }
        while self.window_is_open() {
            match self.write_new(now, &mut buf[used..room], used == start, stats) {
                0 => break,
                len => used += len,
            }
        }
        if self.flight >= self.congestion.window() {
            self.congestion.limited = true;
        }
        used
    }

    /// The packet that was filled is large: with the TSNs from `next` on, and all but the first `again` of what was sent
    /// again.
    fn note_large(&mut self, next: u64, again: usize) {
        for index in again..self.loss.again.len() {
            let place = self.place(self.loss.again[index].0);
            self.ring[place].large = true;
        }
        for tsn in next..self.next {
            let place = self.place(tsn);
            self.ring[place].large = true;
        }
    }

    /// Asks the pacer.
    fn may_go(&mut self, now: Instant, timers: &mut Timers) -> bool {
        let (window, gain) = (self.congestion.window(), self.congestion.gain());
        match self.pacer.check(now, self.rtt.smoothed(), window, gain, self.mtu) {
            Ok(()) => true,
            Err(_) if self.loss.probing => true,
            Err(at) => {
                timers.set(Timer::Pace, at);
                false
            }
        }
    }

    fn went(&mut self, now: Instant, bytes: usize, timers: &mut Timers) {
        self.pacer.sent(bytes + HEADER_LEN);
        if timers.get(Timer::Retransmit).is_none() {
            timers.set(Timer::Retransmit, now + self.rtt.timeout());
        }
        if std::mem::take(&mut self.loss.probing) {
            self.loss.probed = true;
            timers.set(Timer::Retransmit, now + self.rtt.timeout());
        }
        self.arm_probe(now, timers);
    }

    /// Sets the tail loss probe (RFC 8985 §7.2).
    pub(super) fn arm_probe(&self, now: Instant, timers: &mut Timers) {
        match self.rtt.smoothed() {
            Some(smoothed) if self.flight > 0 && !self.loss.probed => {
                let timeout = 2 * smoothed + Duration::from_millis(25);
                timers.set(Timer::Probe, now + timeout.min(self.rtt.timeout()));
            }
            _ => timers.stop(Timer::Probe),
        }
    }

    fn write_again(&mut self, now: Instant, tsn: u64, buf: &mut [u8]) -> usize {
        let place = self.place(tsn);
        let sent = &mut self.ring[place];
        sent.at = now;
        sent.transmissions = sent.transmissions.saturating_add(1);
        sent.state = State::Flying;
        sent.large = false;
        self.flight += usize::from(sent.len) + CHUNK_COST;
        self.outstanding += usize::from(sent.len);
        self.loss.again.push_back((tsn, now));
        self.write_chunk(tsn, Flags::IMMEDIATE, buf)
    }

    fn write_chunk(&self, tsn: u64, extra: u8, buf: &mut [u8]) -> usize {
        let sent = &self.ring[self.place(tsn)];
        let message = self.messages.get(sent.message);
        let start = sent.offset as usize;
        let end = start + usize::from(sent.len);
        let mut flags = extra;
        if start == 0 {
            flags |= Flags::BEGIN;
        }
        if end == message.data.len() {
            flags |= Flags::END;
        }
        if message.unordered {
            flags |= Flags::UNORDERED;
        }
        let data = Data {
            tsn: low32(tsn),
            stream: message.stream,
            flags: Flags(flags),
            message: message.number,
            protocol: message.protocol,
            fragment: sent.fragment,
            payload: &message.data[start..end],
        };
        data.write(self.interleaving, buf)
    }

    /// How much of `left` bytes goes into `room`: all, or a piece, or nothing because the next packet does
    /// better.
    fn piece(&self, left: usize, room: usize, begun: bool, first: bool) -> usize {
        let Some(room) = room.checked_sub(self.header()) else { return 0 };
        if left <= room {
            return left;
        }
        let whole = self.mtu - HEADER_LEN - self.header();
        // A message that fits into a packet is not torn apart; of a longer one, every packet is filled up, so
        // that packets have one size and go as one run.
        if !first && ((!begun && left <= whole) || room < LEAST) {
            return 0;
        }
        room & !3
    }

    /// Writes the next fragment of the stream whose turn it is; 0 if none goes.
    fn write_new(&mut self, now: Instant, buf: &mut [u8], first: bool, stats: &mut Stats) -> usize {
        let Some((id, index)) = self.next_message(now, stats) else { return 0 };
        let message = self.messages.get(index);
        let (start, left) = (message.sent, message.data.len() - message.sent);
        let len = self.piece(left, buf.len(), start > 0, first);
        if len == 0 || (self.flight > 0 && self.outstanding + len > self.peer_window) {
            return 0;
        }
        let tsn = self.next;
        self.next += 1;
        let Some(stream) = self.streams.get_mut(id) else { return 0 };
        let message = self.messages.get_mut(index);
        if start == 0 {
            message.number = stream.number(message.unordered, self.interleaving);
            message.span.0 = tsn;
            stats.messages_sent += 1;
        }
        message.sent += len;
        message.span.1 = tsn;
        message.unacked += 1;
        self.ring.push_back(Sent {
            at: now,
            message: index,
            offset: u32_of(start),
            fragment: message.fragment,
            len: u16_of(len),
            transmissions: 1,
            state: State::Flying,
            large: false,
        });
        message.fragment += 1;
        self.flight += len + CHUNK_COST;
        self.outstanding += len;
        stats.bytes_sent += len as u64;
        let whole = message.is_sent();
        match (start == 0, whole) {
            (true, false) => self.begun.begin(message.data.len()),
            (false, true) => self.begun.end(message.data.len()),
            (true, true) | (false, false) => {}
        }
        let room = self.begun.count <= 1 || self.begun.bytes <= self.most_begun;
        let may_end = whole || (self.interleaving && room);
        let (weight, protocol) = (stream.weight, message.protocol);
        Self::unbuffer(stream, id, protocol, len, &mut self.low);
        if whole {
            stream.queue.pop_front();
        }
        let empty = stream.queue.is_empty();
        self.scheduler.charge(len + CHUNK_COST, weight, may_end && !empty);
        if empty {
            stream.pass = self.scheduler.done();
        }
        let last = self.scheduler.is_empty();
        self.write_chunk(tsn, if last { Flags::IMMEDIATE } else { 0 }, buf)
    }

    /// The message whose turn it is. Those whose time is over are given up on the way (RFC 3758 §4.1).
    fn next_message(&mut self, now: Instant, stats: &mut Stats) -> Option<(u16, u32)> {
        loop {
            let id = self.scheduler.turn()?;
            let front = self.streams.get(id).and_then(|s| s.queue.front().copied());
            let Some(index) = front else {
                let pass = self.scheduler.done();
                if let Some(stream) = self.streams.get_mut(id) {
                    stream.pass = pass;
                }
                continue;
            };
            if !self.partial || !self.messages.get(index).is_late(now) {
                return Some((id, index));
            }
            self.abandon(index, stats);
        }
    }
}
