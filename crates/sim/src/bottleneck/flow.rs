//! The two kinds of flow, seen alike.

use std::time::Duration;

use bytes::Bytes;
use sctp::{Association, ChannelConfig, ChannelId, Config, Event, Kind, Role};
use wire::{Instant, Rng};

use super::tcp::{SEGMENT, Tcp};
use super::{Load, Sender};

/// Bytes of a message.
const MESSAGE: usize = 16 << 10;
/// What waits at the sender, so that it always has something.
const AHEAD: usize = 1 << 20;

pub(crate) struct Flow {
    begins: Instant,
    kind: Flowing,
}

enum Flowing {
    Data(Box<Data>),
    Tcp(Box<Tcp>),
}

struct Data {
    sides: [Association; 2],
    channel: ChannelId,
    message: Bytes,
    delivered: u64,
    /// Due moments that were passed over because the flow had not begun.
    begun: bool,
    buffer: Vec<u8>,
}

impl Flow {
    pub(crate) fn new(sender: Sender, begins: Instant, rng: &mut Rng) -> Self {
        let kind = match sender {
            Sender::Tcp(algorithm) => Flowing::Tcp(Box::new(Tcp::new(algorithm))),
            Sender::DataChannel => Flowing::Data(Box::new(Data::new(begins, rng))),
        };
        Self { begins, kind }
    }

    /// Bytes that have reached the application.
    pub(crate) fn delivered(&self) -> u64 {
        match &self.kind {
            Flowing::Data(data) => data.delivered,
            Flowing::Tcp(tcp) => tcp.delivered() * SEGMENT,
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let due = match &self.kind {
            Flowing::Data(data) if data.begun => {
                data.sides.iter().filter_map(Association::poll_timeout).min()
            }
            Flowing::Data(_) => Some(self.begins),
            Flowing::Tcp(tcp) => Some(tcp.poll_timeout().unwrap_or(self.begins)),
        };
        due.map(|due| due.max(self.begins))
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if now < self.begins {
            return;
        }
        match &mut self.kind {
            Flowing::Data(data) => data.handle_timeout(now),
            Flowing::Tcp(tcp) => tcp.handle_timeout(now),
        }
    }

    pub(crate) fn poll_transmit(&mut self, now: Instant, back: bool) -> Option<Load> {
        if now < self.begins {
            return None;
        }
        match &mut self.kind {
            Flowing::Data(data) => data.poll_transmit(now, usize::from(back)).map(Load::Bytes),
            Flowing::Tcp(tcp) if !back => tcp.poll_transmit(now).map(Load::Number),
            Flowing::Tcp(_) => None,
        }
    }

    /// Takes what has arrived; what is to be answered at once.
    pub(crate) fn arrive(&mut self, now: Instant, back: bool, load: Load) -> Option<Load> {
        match (&mut self.kind, load) {
            (Flowing::Data(data), Load::Bytes(bytes)) => {
                data.sides[usize::from(!back)].handle_input(now, &bytes);
                data.read();
                None
            }
            (Flowing::Tcp(tcp), Load::Number(number)) if back => {
                tcp.acknowledged(now, number);
                None
            }
            (Flowing::Tcp(_), load) => Some(load),
            (Flowing::Data(_), Load::Number(_)) => None,
        }
    }
}

impl Data {
    fn new(now: Instant, rng: &mut Rng) -> Self {
        let mut side = |role| {
            let config = Config { role, zero_checksum: true, receive_window: 16 << 20, ..Config::default() };
            Association::new(config, rng.array(), now)
        };
        let mut sides = [side(Role::Client), side(Role::Server)];
        let channel =
            sides[0].open_channel(now, ChannelConfig::default()).expect("a new association has room");
        let message = Bytes::from(vec![7; MESSAGE]);
        Self { sides, channel, message, delivered: 0, begun: false, buffer: vec![0; 1200] }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if !self.begun {
            self.begun = true;
            self.sides[0].connect(now);
        }
        for side in &mut self.sides {
            side.handle_timeout(now);
        }
    }

    fn poll_transmit(&mut self, now: Instant, side: usize) -> Option<Vec<u8>> {
        while side == 0
            && self.sides[0].buffered_amount(self.channel) < AHEAD
            && self.sides[0].send(now, self.channel, Kind::Binary, self.message.clone()).is_ok()
        {}
        let len = self.sides[side].poll_transmit(now, &mut self.buffer)?.len;
        Some(self.buffer[..len].to_vec())
    }

    fn read(&mut self) {
        for side in &mut self.sides {
            while let Some(event) = side.poll_event() {
                if let Event::Message { data, .. } = event {
                    self.delivered += data.len() as u64;
                }
            }
        }
    }
}

/// The least time that TCP waits before it takes silence for loss (Linux: 200 ms).
pub(crate) const MIN_RTO: Duration = Duration::from_millis(200);
