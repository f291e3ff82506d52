//! Ending (RFC 9260 §9).
//!
//! ```text
//!   A                                B
//!   (all data acknowledged)
//!   SHUTDOWN            ------->            A waits for the answer (T2-shutdown)
//!                                           (all data acknowledged)
//!                       <-------  SHUTDOWN ACK   B waits for the end (T2-shutdown)
//!   SHUTDOWN COMPLETE   ------->
//! ```

use super::handshake::cause;
use super::output::Control;
use super::{Acknowledge, Association, State};
use crate::error::Reason;
use crate::event::{ChannelId, Event};
use crate::packet::{Malformed, Sack, kind};
use crate::timers::Timer;
use wire::{Instant, Reader, Writer};

/// Error cause "User-Initiated Abort" (RFC 9260 §3.3.10.12).
const USER_INITIATED: u16 = 12;

impl Association {
    /// Ends the association once everything sent has been acknowledged. No new messages are taken.
    pub fn shutdown(&mut self, now: Instant) {
        match self.state {
            State::New | State::CookieWait | State::CookieEchoed { .. } => self.abort(now),
            State::Established => {
                self.state = State::ShutdownPending;
                self.timers.stop(Timer::Heartbeat);
                self.after(now);
            }
            State::ShutdownPending
            | State::ShutdownSent
            | State::ShutdownReceived
            | State::ShutdownAckSent
            | State::Closed => {}
        }
    }

    /// Ends the association at once; what is not acknowledged may be lost.
    pub fn abort(&mut self, now: Instant) {
        self.abort_with(now, USER_INITIATED, Reason::LocalAbort);
    }

    pub(super) fn abort_with(&mut self, now: Instant, code: u16, reason: Reason) {
        if self.state == State::Closed {
            return;
        }
        self.end(now, reason);
        if let Some(peer) = self.peer {
            self.push(Control::alone(kind::ABORT, 0, cause(code, &[]), Some(peer.tag)));
        }
    }

    /// Everything is over.
    pub(super) fn end(&mut self, now: Instant, reason: Reason) {
        if self.state == State::Closed {
            return;
        }
        self.state = State::Closed;
        self.timers.clear();
        self.control.clear();
        self.acknowledge = Acknowledge::No;
        self.sender = crate::send::Sender::new(self.tsn, &self.config, now);
        self.path.restart();
        for id in self.channels.ids().collect::<Vec<_>>() {
            self.events.push_back(Event::ChannelClosed { channel: ChannelId(id) });
        }
        self.channels = crate::streams::Streams::new();
        self.events.push_back(Event::Closed(reason));
    }

    /// The steps of a shutdown that waited until all was acknowledged.
    pub(super) fn continue_shutdown(&mut self, now: Instant) {
        match self.state {
            State::ShutdownPending if self.sender.is_idle() => {
                self.state = State::ShutdownSent;
                self.errors = 0;
                self.send_shutdown(now);
            }
            State::ShutdownReceived if self.sender.is_idle() => {
                self.state = State::ShutdownAckSent;
                self.errors = 0;
                self.send_shutdown_ack(now);
            }
            _ => {}
        }
    }

    pub(super) fn send_shutdown(&mut self, now: Instant) {
        let Some(receiver) = &self.receiver else { return };
        let value = receiver.cumulative_low().to_be_bytes().to_vec();
        self.push(Control::bundled(kind::SHUTDOWN, value));
        self.timers.set(Timer::Shutdown, now + self.sender.rtt.timeout());
    }

    fn send_shutdown_ack(&mut self, now: Instant) {
        self.push(Control::bundled(kind::SHUTDOWN_ACK, Vec::new()));
        self.timers.set(Timer::Shutdown, now + self.sender.rtt.timeout());
    }

    /// T2-shutdown.
    pub(super) fn shutdown_timed_out(&mut self, now: Instant) {
        if !self.failed(now) {
            return;
        }
        self.sender.rtt.back_off();
        match self.state {
            State::ShutdownSent => self.send_shutdown(now),
            State::ShutdownAckSent => self.send_shutdown_ack(now),
            _ => {}
        }
    }

    pub(super) fn on_shutdown(&mut self, now: Instant, value: &[u8]) -> Result<(), Malformed> {
        let cumulative = Reader::new(value).u32()?;
        match self.state {
            State::Established | State::ShutdownPending => {
                self.state = State::ShutdownReceived;
                self.timers.stop(Timer::Heartbeat);
            }
            State::ShutdownSent => {
                self.state = State::ShutdownAckSent;
                self.send_shutdown_ack(now);
                return Ok(());
            }
            State::ShutdownReceived => {}
            State::ShutdownAckSent => {
                self.send_shutdown_ack(now);
                return Ok(());
            }
            State::New | State::CookieWait | State::CookieEchoed { .. } | State::Closed => {
                self.stats.dropped.unexpected += 1;
                return Ok(());
            }
        }
        self.shutdown_acknowledges(now, cumulative);
        Ok(())
    }

    /// SHUTDOWN says up to where everything arrived, like a SACK without gaps (RFC 9260 §9.2).
    fn shutdown_acknowledges(&mut self, now: Instant, cumulative: u32) {
        let mut buf = [0; 16];
        let mut w = Writer::new(&mut buf);
        let written =
            w.u32(cumulative).and_then(|()| w.u32(self.sender.peer_window())).and_then(|()| w.u32(0));
        debug_assert!(written.is_ok(), "twelve bytes fit");
        if let Ok(sack) = Sack::parse(w.written()) {
            self.sender.acknowledge(now, &sack, &mut self.timers, &mut self.stats);
        }
    }

    pub(super) fn on_shutdown_ack(&mut self, now: Instant) {
        if !matches!(self.state, State::ShutdownSent | State::ShutdownAckSent) {
            self.stats.dropped.unexpected += 1;
            return;
        }
        self.end(now, Reason::Shutdown);
        if let Some(peer) = self.peer {
            self.push(Control::alone(kind::SHUTDOWN_COMPLETE, 0, Vec::new(), Some(peer.tag)));
        }
    }

    pub(super) fn on_shutdown_complete(&mut self, now: Instant) {
        if self.state == State::ShutdownAckSent {
            self.end(now, Reason::Shutdown);
        } else {
            self.stats.dropped.unexpected += 1;
        }
    }
}
