//! Resetting streams (RFC 6525), which is how channels close (RFC 8831 §6.7).

use super::output::Control;
use super::{Association, State};
use crate::channel::{Reset, State as ChannelState};
use crate::event::{ChannelId, Event};
use crate::num::{low32, unwrap32};
use crate::packet::{Malformed, Outcome, Parameter, kind, stream_ids};
use crate::timers::Timer;
use std::collections::BTreeSet;
use wire::{Instant, Writer};

/// Requests in both directions.
pub(super) struct Resets {
    /// Number of our next request, and the one under way.
    next: u32,
    request: Option<Request>,
    /// Channels wait for their turn.
    pub(super) drained: bool,
    /// The peer's next number, and what became of its last request.
    expected: u32,
    last: Outcome,
    deferred: Option<Deferred>,
}

struct Request {
    number: u32,
    streams: Vec<u16>,
    value: Vec<u8>,
}

/// A request of the peer whose data has not all arrived (§5.2.2 E2).
struct Deferred {
    number: u32,
    last_tsn: u64,
    streams: BTreeSet<u16>,
}

/// Streams in one request, so that it fits into any packet.
const MOST_STREAMS: usize = 200;

impl Resets {
    pub(super) const fn new(tsn: u32) -> Self {
        Self { next: tsn, request: None, drained: false, expected: 0, last: Outcome::NOTHING, deferred: None }
    }

    /// The peer's requests begin with its first TSN (§4.1).
    pub(super) const fn expect(&mut self, tsn: u32) {
        self.expected = tsn;
    }
}

impl Association {
    pub(super) fn is_closing(&self, stream: u16) -> bool {
        let state = self.channels.get(stream).map(|c| c.state);
        matches!(state, Some(ChannelState::Closing { ours: Reset::Waiting, .. }))
    }

    /// Asks for the reset of all closing streams whose data was acknowledged. One request at a time (§5.1.1).
    pub(super) fn request_resets(&mut self, now: Instant) {
        if self.resets.request.is_some() || !matches!(self.state, State::Established) {
            return;
        }
        self.resets.drained = false;
        let waiting: Vec<u16> =
            self.channels.ids().filter(|id| self.is_closing(*id) && self.sender.is_drained(*id)).collect();
        if waiting.is_empty() {
            return;
        }
        if !self.peer.is_some_and(|peer| peer.extensions.reconfig) {
            for id in waiting {
                self.close_now(id);
            }
            return;
        }
        let streams: Vec<u16> = waiting.into_iter().take(MOST_STREAMS).collect();
        for id in &streams {
            if let Some(channel) = self.channels.get_mut(*id)
                && let ChannelState::Closing { ours, .. } = &mut channel.state
            {
                *ours = Reset::Requested;
            }
        }
        let list: Vec<u8> = streams.iter().flat_map(|id| id.to_be_bytes()).collect();
        let number = self.resets.next;
        self.resets.next = number.wrapping_add(1);
        let parameter = Parameter::Outgoing {
            request: number,
            response: self.resets.expected.wrapping_sub(1),
            // All data of these streams has arrived, so what has arrived is enough to wait for: the last TSN
            // assigned would make the peer wait for the data of other streams, too.
            last_tsn: low32(self.sender.acked()),
            streams: &list,
        };
        let value = written(&parameter);
        self.push(Control::bundled(kind::RE_CONFIG, value.clone()));
        self.resets.request = Some(Request { number, streams, value });
        self.timers.set(Timer::Reconfig, now + self.sender.rtt.timeout());
    }

    pub(super) fn reset_timed_out(&mut self, now: Instant) {
        let Some(request) = &self.resets.request else {
            self.resets.drained = true;
            return;
        };
        let value = request.value.clone();
        if self.failed(now) {
            self.push(Control::bundled(kind::RE_CONFIG, value));
            self.sender.rtt.back_off();
            self.timers.set(Timer::Reconfig, now + self.sender.rtt.timeout());
        }
    }

    pub(super) fn on_reconfig(&mut self, now: Instant, value: &[u8]) -> Result<(), Malformed> {
        if self.receiver.is_none() {
            self.stats.dropped.unexpected += 1;
            return Ok(());
        }
        for parameter in Parameter::parse_all(value)?.into_iter().flatten() {
            match parameter {
                Parameter::Response { request, outcome } => self.on_response(now, request, outcome),
                Parameter::Outgoing { request, last_tsn, streams, .. } => {
                    self.on_request(request, |this| this.on_outgoing(request, last_tsn, streams));
                }
                // WebRTC asks for neither (RFC 8831 §6.7).
                Parameter::Incoming { request, .. } | Parameter::Other { request } => {
                    self.on_request(request, |_| Outcome::DENIED);
                }
            }
        }
        Ok(())
    }

    /// Answers a request: a new one is done, the last one is answered as before (§5.2.1).
    fn on_request(&mut self, number: u32, act: impl FnOnce(&mut Self) -> Outcome) {
        let outcome = if number == self.resets.expected {
            self.resets.expected = number.wrapping_add(1);
            self.resets.last = act(self);
            self.resets.last
        } else if number == self.resets.expected.wrapping_sub(1) {
            self.resets.last
        } else {
            Outcome::BAD_SEQUENCE
        };
        self.respond(number, outcome);
    }

    fn respond(&mut self, request: u32, outcome: Outcome) {
        self.push(Control::bundled(kind::RE_CONFIG, written(&Parameter::Response { request, outcome })));
    }

    /// The peer starts streams anew.
    fn on_outgoing(&mut self, number: u32, last_tsn: u32, list: &[u8]) -> Outcome {
        let Some(receiver) = &self.receiver else { return Outcome::DENIED };
        let last_tsn = unwrap32(receiver.cumulative(), last_tsn);
        let mut streams: BTreeSet<u16> = if list.is_empty() {
            receiver.stream_ids().into_iter().chain(self.channels.ids()).collect()
        } else {
            stream_ids(list).collect()
        };
        if last_tsn > receiver.cumulative() {
            // A request that comes while another is deferred is a repetition of it with a new number.
            if let Some(deferred) = &mut self.resets.deferred {
                streams.append(&mut deferred.streams);
            }
            self.resets.deferred = Some(Deferred { number, last_tsn, streams });
            return Outcome::IN_PROGRESS;
        }
        self.were_reset(&streams);
        Outcome::PERFORMED
    }

    /// Does the deferred request once its data has arrived.
    pub(super) fn perform_deferred(&mut self, now: Instant) {
        let Some(cumulative) = self.receiver.as_ref().map(crate::receive::Receiver::cumulative) else {
            return;
        };
        let Some(deferred) = self.resets.deferred.take_if(|d| d.last_tsn <= cumulative) else { return };
        self.were_reset(&deferred.streams);
        self.resets.last = Outcome::PERFORMED;
        self.respond(deferred.number, Outcome::PERFORMED);
        self.after(now);
    }

    /// The peer's side of these channels is closed; ours follows.
    fn were_reset(&mut self, streams: &BTreeSet<u16>) {
        for id in streams {
            if let Some(receiver) = &mut self.receiver {
                receiver.reset(*id);
            }
            let Some(channel) = self.channels.get_mut(*id) else { continue };
            match &mut channel.state {
                ChannelState::Opening | ChannelState::Open => {
                    channel.state = ChannelState::Closing { ours: Reset::Waiting, theirs: true };
                    self.resets.drained = true;
                }
                ChannelState::Closing { ours: Reset::Done, .. } => self.close_now(*id),
                ChannelState::Closing { theirs, .. } => *theirs = true,
            }
        }
    }

    fn on_response(&mut self, now: Instant, number: u32, outcome: Outcome) {
        let Some(request) = self.resets.request.take_if(|r| r.number == number) else {
            self.stats.dropped.unexpected += 1;
            return;
        };
        self.timers.stop(Timer::Reconfig);
        self.errors = 0;
        self.sender.rtt.recover();
        let again = outcome == Outcome::IN_PROGRESS;
        for id in request.streams {
            let Some(channel) = self.channels.get_mut(id) else { continue };
            let ChannelState::Closing { ours, theirs } = &mut channel.state else { continue };
            *ours = if again { Reset::Waiting } else { Reset::Done };
            if !again && *theirs {
                self.close_now(id);
            }
        }
        if again {
            self.timers.set(Timer::Reconfig, now + self.sender.rtt.timeout());
        } else {
            self.resets.drained = true;
        }
    }

    /// A channel is closed in both directions.
    pub(super) fn close_now(&mut self, id: u16) {
        let Some(channel) = self.channels.remove(id) else { return };
        self.sender.close(id);
        if channel.remote {
            self.labels -= channel.config.label.len() + channel.config.protocol.len();
        }
        if id & 1 == self.parity() {
            self.next_id = self.next_id.min(id);
        }
        self.events.push_back(Event::ChannelClosed { channel: ChannelId(id) });
    }
}

/// A parameter as bytes.
fn written(parameter: &Parameter<'_>) -> Vec<u8> {
    let mut buf = [0; 32 + 2 * MOST_STREAMS];
    let mut w = Writer::new(&mut buf);
    parameter.write(&mut w).expect("a request has 200 streams at most");
    w.written().to_vec()
}
