//! The association: states, verbs, and the order in which the parts are asked.

mod channels;
mod handshake;
mod input;
mod output;
mod path;
mod reset;
mod teardown;

use crate::channel::Channel;
use crate::config::Config;
use crate::error::Reason;
use crate::event::{ChannelId, Event};
use crate::packet::Init;
use crate::path::Search;
use crate::receive::Receiver;
use crate::send::Sender;
use crate::stats::Stats;
use crate::streams::Streams;
use crate::timers::{Timer, Timers};
use handshake::Answer;
use output::Control;
pub use output::Transmit;
use reset::Resets;
use std::collections::VecDeque;
use wire::{Instant, Rng};

/// How far the association is (RFC 9260 §4), in the order of its life.
#[derive(Clone, PartialEq, Eq, Debug)]
enum State {
    /// Nothing was sent; an INIT of the peer is answered.
    New,
    CookieWait,
    CookieEchoed {
        /// What INIT ACK gave us to send back.
        cookie: Vec<u8>,
    },
    Established,
    ShutdownPending,
    ShutdownSent,
    ShutdownReceived,
    ShutdownAckSent,
    Closed,
}

/// Whether a SACK is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Acknowledge {
    No,
    /// With the next packet, or when its timer is due.
    Later,
    Now,
}

/// One SCTP association over one DTLS connection, and the data channels in it.
pub struct Association {
    config: Config,
    rng: Rng,
    state: State,
    /// The verification tag and the first TSN of this side.
    tag: u32,
    tsn: u32,
    peer: Option<Init>,
    sender: Sender,
    receiver: Option<Receiver>,
    path: Search,
    /// Whether packets go without checksum.
    zero_checksum: bool,
    answers: VecDeque<Answer>,
    control: VecDeque<Control>,
    acknowledge: Acknowledge,
    /// Packets with DATA since the last SACK.
    unacknowledged: u32,
    timers: Timers,
    /// Timeouts in a row.
    errors: u32,
    handshakes: u32,
    /// Something was heard since the last heartbeat.
    heard: bool,
    channels: Streams<Channel>,
    /// The lowest identifier of our parity that may be free.
    next_id: u16,
    /// Bytes of labels and protocols that the peer chose.
    labels: usize,
    resets: Resets,
    events: VecDeque<Event>,
    stats: Stats,
}

impl Association {
    /// An association that does nothing until [`Association::connect`] or an INIT of the peer. `seed` comes
    /// from the operating system.
    pub fn new(config: Config, seed: [u8; 32], now: Instant) -> Self {
        let config = config.validated();
        let mut rng = Rng::new(seed);
        let (tag, tsn) = (nonzero(&mut rng), nonzero(&mut rng));
        Self {
            sender: Sender::new(tsn, &config, now),
            path: Search::new(config.mtu, config.max_mtu),
            next_id: match config.role {
                crate::Role::Client => 0,
                crate::Role::Server => 1,
            },
            config,
            rng,
            state: State::New,
            tag,
            tsn,
            peer: None,
            receiver: None,
            zero_checksum: false,
            answers: VecDeque::new(),
            control: VecDeque::new(),
            acknowledge: Acknowledge::No,
            unacknowledged: 0,
            timers: Timers::default(),
            errors: 0,
            handshakes: 0,
            heard: false,
            channels: Streams::new(),
            labels: 0,
            resets: Resets::new(tsn),
            events: VecDeque::new(),
            stats: Stats::default(),
        }
    }

    /// What to do, or to know, next. A message counts against the receive window until it is taken here, so a
    /// driver that stops asking slows the peer down.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        if let Event::Message { data, .. } = &event
            && let Some(receiver) = &mut self.receiver
            && receiver.consumed(data.len())
        {
            self.acknowledge = Acknowledge::Now;
        }
        Some(event)
    }

    /// When to call [`Association::handle_timeout`] next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.take_due(now) {
            match timer {
                Timer::Handshake => self.handshake_timed_out(now),
                Timer::Shutdown => self.shutdown_timed_out(now),
                Timer::Retransmit => {
                    if self.failed(now) {
                        self.sender.timed_out(now, &mut self.timers, &mut self.stats);
                        self.doubt_path(now);
                    }
                }
                Timer::Probe => self.sender.probe(now, &mut self.stats),
                Timer::Reorder => {
                    self.sender.detect(now, &mut self.timers, &mut self.stats);
                    self.shrink_if_needed(now);
                }
                Timer::Pace => {}
                Timer::Acknowledge => self.acknowledge = Acknowledge::Now,
                Timer::Reconfig => self.reset_timed_out(now),
                Timer::Heartbeat => self.heartbeat(now),
                Timer::Path => self.probe_timed_out(now),
            }
        }
        self.after(now);
    }

    /// Counters since the start.
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The congestion window, in bytes.
    pub const fn congestion_window(&self) -> usize {
        self.sender.window()
    }

    /// The smoothed round-trip time, once measured.
    pub const fn round_trip(&self) -> Option<std::time::Duration> {
        self.sender.rtt.smoothed()
    }

    /// Bytes that wait to be sent for the first time on a channel; zero if there is no such channel.
    pub fn buffered_amount(&self, channel: ChannelId) -> usize {
        self.sender.buffered(channel.0)
    }

    /// Bytes given to `send` on any channel and not acknowledged yet.
    pub const fn unacknowledged_amount(&self) -> usize {
        self.sender.held()
    }

    /// Asks for [`Event::BufferedAmountLow`] when what is buffered falls to `bytes`. The default is zero.
    pub fn set_buffered_amount_low_threshold(&mut self, channel: ChannelId, bytes: usize) {
        self.sender.set_threshold(channel.0, bytes);
    }

    /// Whether data may flow in both directions.
    pub fn is_connected(&self) -> bool {
        self.state == State::Established
    }

    /// What follows from any change: events, and steps that waited for it.
    fn after(&mut self, now: Instant) {
        while let Some(stream) = self.sender.next_low() {
            self.events.push_back(Event::BufferedAmountLow { channel: ChannelId(stream) });
        }
        while let Some(stream) = self.sender.next_drained() {
            self.resets.drained |= self.is_closing(stream);
        }
        if self.resets.drained {
            self.request_resets(now);
        }
        self.continue_shutdown(now);
    }

    /// Counts a timeout. False if it was one too many, and the association is over.
    fn failed(&mut self, now: Instant) -> bool {
        self.errors += 1;
        if self.errors > self.config.max_retransmits {
            self.end(now, Reason::Timeout);
            return false;
        }
        true
    }

    fn heartbeat(&mut self, now: Instant) {
        let Some(interval) = self.config.heartbeat.filter(|_| self.state == State::Established) else {
            return;
        };
        if !std::mem::take(&mut self.heard) {
            let nonce: [u8; 12] = self.rng.array();
            // A heartbeat info parameter (RFC 9260 §3.3.5); what comes back proves that somebody is there.
            let value = [&[0, 1, 0, 16][..], &nonce].concat();
            if self.failed(now) {
                self.push(Control::bundled(crate::packet::kind::HEARTBEAT, value));
            }
        }
        if self.state == State::Established {
            self.timers.set(Timer::Heartbeat, now + interval);
        }
    }
}

/// A random number that is not zero, as tags are (RFC 9260 §5.3.1).
fn nonzero(rng: &mut Rng) -> u32 {
    loop {
        let number = u32::from_be_bytes(rng.array());
        if number != 0 {
            return number;
        }
    }
}
