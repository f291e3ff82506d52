//! Data channels (RFC 8831, RFC 8832).

use super::{Association, State};
use crate::channel::{Channel, ChannelConfig, Reliability, Reset, State as ChannelState};
use crate::config::Role;
use crate::dcep::{self, Open, protocol};
use crate::error::{OpenError, SendError};
use crate::event::{ChannelId, Event, Kind};
use crate::receive::Received;
use crate::send::Outgoing;
use bytes::Bytes;
use wire::Instant;

/// Bytes of labels and protocols of channels that the peer opened, in all: more are refused.
const MOST_LABELS: usize = 4 << 20;

impl Association {
    pub(super) fn parity(&self) -> u16 {
        u16::from(self.config.role == Role::Server)
    }

    /// Streams that may be used: what this side announced and the peer takes.
    fn streams(&self) -> u16 {
        let peers = self.peer.map_or(u16::MAX, |peer| peer.inbound.min(peer.outbound));
        self.config.streams.min(peers)
    }

    /// Opens a channel. Messages may be sent at once; they travel behind the OPEN.
    pub fn open_channel(&mut self, now: Instant, config: ChannelConfig) -> Result<ChannelId, OpenError> {
        if self.is_ending() {
            return Err(OpenError::Closed);
        }
        if config.label.len() > 65_535 || config.protocol.len() > 65_535 {
            return Err(OpenError::TooLong);
        }
        if self.channels.len() >= self.config.max_channels {
            return Err(OpenError::NoneLeft);
        }
        let id = match config.negotiated {
            Some(ChannelId(id)) if id >= self.streams() || self.channels.get(id).is_some() => {
                return Err(OpenError::Id);
            }
            Some(ChannelId(id)) => id,
            None => self.free_id()?,
        };
        self.sender.open(id, config.priority);
        let negotiated = config.negotiated.is_some();
        if !negotiated {
            self.send_dcep(now, id, Open::of(&config).to_vec());
        }
        let state = if negotiated { ChannelState::Open } else { ChannelState::Opening };
        self.channels.insert(id, Channel { state, config, remote: false, told: false });
        if self.state == State::Established {
            self.opened(id);
        }
        Ok(ChannelId(id))
    }

    const fn is_ending(&self) -> bool {
        matches!(
            self.state,
            State::ShutdownPending
                | State::ShutdownSent
                | State::ShutdownReceived
                | State::ShutdownAckSent
                | State::Closed
        )
    }

    fn free_id(&mut self) -> Result<u16, OpenError> {
        let free = (self.next_id..self.streams()).step_by(2).find(|id| self.channels.get(*id).is_none());
        let id = free.ok_or(OpenError::NoneLeft)?;
        self.next_id = id.saturating_add(2);
        Ok(id)
    }

    fn send_dcep(&mut self, now: Instant, stream: u16, message: Vec<u8>) {
        let (protocol, reliability) = (protocol::DCEP, Reliability::Reliable);
        let data = Bytes::from(message);
        self.sender.queue(now, Outgoing { stream, protocol, unordered: false, reliability, data }, false);
    }

    /// Queues a message. `data` is kept by reference until it is acknowledged, never copied before it is
    /// written into a packet.
    pub fn send(
        &mut self,
        now: Instant,
        channel: ChannelId,
        kind: Kind,
        data: Bytes,
    ) -> Result<(), SendError> {
        if self.is_ending() {
            return Err(SendError::Closed);
        }
        let opened = match self.channels.get(channel.0).map(|c| c.state) {
            Some(ChannelState::Open) => true,
            Some(ChannelState::Opening) => false,
            Some(ChannelState::Closing { .. }) | None => return Err(SendError::NoChannel),
        };
        if let Some(max) = self.config.remote_max_message_size.filter(|max| data.len() > *max) {
            return Err(SendError::TooLarge(max));
        }
        if self.sender.held() + data.len() > self.config.send_buffer && self.sender.held() > 0 {
            return Err(SendError::Full);
        }
        let config = &self.channels.get(channel.0).ok_or(SendError::NoChannel)?.config;
        // SCTP has no empty messages: one byte that nobody looks at (RFC 8831 §6.6).
        let (protocol, data) = match (kind, data.is_empty()) {
            (Kind::Text, false) => (protocol::STRING, data),
            (Kind::Text, true) => (protocol::STRING_EMPTY, Bytes::from_static(&[0])),
            (Kind::Binary, false) => (protocol::BINARY, data),
            (Kind::Binary, true) => (protocol::BINARY_EMPTY, Bytes::from_static(&[0])),
        };
        // Nothing overtakes OPEN (RFC 8832 §6).
        let unordered = !config.ordered && opened;
        let (stream, reliability) = (channel.0, config.reliability);
        self.sender.queue(now, Outgoing { stream, protocol, unordered, reliability, data }, true);
        Ok(())
    }

    /// Closes a channel: what was sent is still delivered, then both directions are reset, then
    /// [`Event::ChannelClosed`] comes. Does nothing if there is no such channel.
    pub fn close_channel(&mut self, now: Instant, channel: ChannelId) {
        let connected = self.peer.is_some();
        let Some(found) = self.channels.get_mut(channel.0) else { return };
        if matches!(found.state, ChannelState::Closing { .. }) {
            return;
        }
        if !connected && self.state != State::CookieWait {
            self.close_now(channel.0);
            return;
        }
        found.state = ChannelState::Closing { ours: Reset::Waiting, theirs: false };
        self.resets.drained = true;
        self.after(now);
    }

    fn opened(&mut self, id: u16) {
        let Some(channel) = self.channels.get_mut(id).filter(|channel| !channel.told) else { return };
        channel.told = true;
        let (remote, config) = (channel.remote, Box::new(channel.config.clone()));
        self.events.push_back(Event::ChannelOpened { channel: ChannelId(id), remote, config });
    }

    /// The association is up: channels are open, ours without waiting for their ACK, since messages may follow OPEN at
    /// once (RFC 8832 §6). Those that the peer has no room for are not. A channel of the peer may have been told before,
    /// by an OPEN that overtook the COOKIE ACK.
    pub(super) fn channels_connected(&mut self, now: Instant) {
        for id in self.channels.ids().collect::<Vec<_>>() {
            if id >= self.streams() {
                self.close_now(id);
            } else if self.channels.get(id).is_some_and(Channel::is_usable) {
                self.opened(id);
            }
        }
        self.resets.drained = true;
        self.after(now);
    }

    /// Hands over what has become whole.
    pub(super) fn deliver(&mut self, now: Instant) {
        while let Some(message) = self.receiver.as_mut().and_then(crate::receive::Receiver::next) {
            let len = message.data.len();
            let kept = match message.protocol {
                protocol::DCEP => {
                    self.on_dcep(now, &message);
                    false
                }
                protocol::STRING => self.on_message(message, Kind::Text, false),
                protocol::BINARY => self.on_message(message, Kind::Binary, false),
                protocol::STRING_EMPTY => self.on_message(message, Kind::Text, true),
                protocol::BINARY_EMPTY => self.on_message(message, Kind::Binary, true),
                _ => {
                    self.stats.dropped.no_channel += 1;
                    false
                }
            };
            if let Some(receiver) = &mut self.receiver
                && !kept
            {
                receiver.consumed(len);
            }
        }
        let refused = self.receiver.as_mut().and_then(|receiver| receiver.too_large.take());
        if let Some(id) = refused {
            self.close_channel(now, ChannelId(id));
        }
    }

    /// Says whether the message waits for the application now.
    fn on_message(&mut self, message: Received, kind: Kind, empty: bool) -> bool {
        let id = message.stream;
        match self.channels.get_mut(id) {
            None => {
                self.stats.dropped.no_channel += 1;
                return false;
            }
            // Only who has seen OPEN sends: its ACK is on the way, and perhaps the COOKIE ACK too.
            Some(channel) if channel.state == ChannelState::Opening => {
                channel.state = ChannelState::Open;
                self.opened(id);
            }
            Some(_) => {}
        }
        self.stats.messages_received += 1;
        let mut data = message.data;
        let len = data.len();
        if empty {
            data.clear();
        }
        self.events.push_back(Event::Message { channel: ChannelId(id), kind, data });
        if let Some(receiver) = &mut self.receiver
            && empty
        {
            receiver.consumed(len);
        }
        true
    }

    fn on_dcep(&mut self, now: Instant, message: &Received) {
        let id = message.stream;
        if dcep::is_ack(&message.data) {
            if let Some(channel) = self.channels.get_mut(id).filter(|c| c.state == ChannelState::Opening) {
                channel.state = ChannelState::Open;
                self.opened(id);
            }
            return;
        }
        let Ok(open) = Open::parse(&message.data) else {
            self.stats.dropped.malformed += 1;
            return;
        };
        let config = Channel::from_open(&open);
        let size = config.label.len() + config.protocol.len();
        let room = self.channels.len() < self.config.max_channels && self.labels + size <= MOST_LABELS;
        if self.channels.get(id).is_some() || id >= self.streams() || !room {
            self.stats.dropped.no_channel += 1;
            return;
        }
        self.labels += size;
        self.sender.open(id, config.priority);
        self.channels.insert(id, Channel { state: ChannelState::Open, config, remote: true, told: false });
        self.send_dcep(now, id, dcep::ACK.to_vec());
        self.opened(id);
    }
}
