use super::{CHUNK_COST, Sender, State};
use crate::num::low32;
use crate::packet::{ForwardTsn, Skipped};
use crate::stats::Stats;
use wire::{Instant, Short, Writer};

impl Sender {
    /// Gives a message up: nothing of it is sent any more (RFC 3758 §3.5 A).
    pub(super) fn abandon(&mut self, index: u32, stats: &mut Stats) {
        let message = self.messages.get_mut(index);
        if message.abandoned {
            return;
        }
        message.abandoned = true;
        stats.abandoned += 1;
        let (id, protocol, span) = (message.stream, message.protocol, message.span);
        let (rest, unacked) = (message.data.len() - message.sent, message.unacked);
        if rest > 0 {
            self.held -= rest;
            if message.sent > 0 {
                self.begun.end(message.data.len());
            }
            self.unqueue(id, index, protocol, rest);
        }
        if unacked == 0 {
            self.release(index);
            return;
        }
        for tsn in span.0.max(self.acked + 1)..=span.1 {
            let place = self.place(tsn);
            let sent = &mut self.ring[place];
            if sent.message != index {
                continue;
            }
            if sent.state == State::Flying {
                self.flight -= usize::from(sent.len) + CHUNK_COST;
                self.outstanding -= usize::from(sent.len);
            }
            sent.state = State::Abandoned;
        }
        self.advance();
    }

    /// Takes an unfinished message, which is the first of its stream, out of the queue.
    fn unqueue(&mut self, id: u16, index: u32, protocol: u32, rest: usize) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        stream.queue.retain(|other| *other != index);
        Self::unbuffer(stream, id, protocol, rest, &mut self.low);
        if stream.queue.is_empty() {
            self.scheduler.remove(id);
        }
    }

    /// Moves the advanced acknowledgement point over what was given up (RFC 3758 §3.5 C2).
    pub(super) fn advance(&mut self) {
        let before = self.advanced.max(self.acked);
        self.advanced = before;
        let mut place = usize::try_from(before - self.acked).expect("the ring is in memory");
        let mut given_up = self.advanced;
        while let Some(sent) = self.ring.get(place) {
            self.advanced += 1;
            match sent.state {
                State::Abandoned => given_up = self.advanced,
                State::Acked => {}
                State::Flying | State::Lost => break,
            }
            place += 1;
        }
        self.advanced = given_up;
        self.forward_due |= self.advanced > before;
    }

    pub(crate) const fn forward_is_due(&self) -> bool {
        self.forward_due
    }

    /// Appends FORWARD-TSN or I-FORWARD-TSN in at most `room` bytes. If not all streams fit, it goes less far
    /// and the rest follows.
    pub(crate) fn write_forward(
        &mut self,
        now: Instant,
        w: &mut Writer<'_>,
        room: usize,
    ) -> Result<(), Short> {
        self.forward_due = false;
        self.forward_at = now;
        if self.advanced <= self.acked {
            return Ok(());
        }
        let mut to = self.advanced;
        let mut skipped: Vec<Skipped> = Vec::new();
        for tsn in self.acked + 1..=self.advanced {
            let sent = &self.ring[self.place(tsn)];
            let message = self.messages.get(sent.message);
            if sent.state != State::Abandoned || (message.unordered && !self.interleaving) {
                continue;
            }
            let skip =
                Skipped { stream: message.stream, unordered: message.unordered, message: message.number };
            let same = |s: &Skipped| (s.stream, s.unordered) == (skip.stream, skip.unordered);
            match skipped.iter().position(same) {
                // Numbers of a stream only grow with the TSN.
                Some(known) => skipped[known].message = skip.message,
                None if ForwardTsn::len(self.interleaving, skipped.len() + 1) > room => {
                    to = tsn - 1;
                    self.forward_due = true;
                    break;
                }
                None => skipped.push(skip),
            }
        }
        if to <= self.acked {
            return Ok(());
        }
        ForwardTsn::write(w, self.interleaving, low32(to), &skipped)
    }
}
