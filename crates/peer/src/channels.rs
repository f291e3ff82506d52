//! Data channels by the names a program knows them.

use std::collections::VecDeque;
use std::fmt;

use bytes::Bytes;
use sctp::{ChannelConfig, Kind};
use wire::Instant;

use crate::negotiation::Misuse;
use crate::{ChannelId, Event, Peer};

/// Channels of which this side remembers something.
const MAX_CHANNELS: usize = 65_535;

/// A channel, before and after it has a stream.
#[derive(Debug)]
pub(crate) struct Channel {
    /// Its stream, once the association exists.
    pub(crate) stream: Option<sctp::ChannelId>,
    config: Box<ChannelConfig>,
    pub(crate) open: bool,
}

/// Why a channel was not created.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ChannelError {
    /// The connection is closed.
    Misuse(Misuse),
    /// Not with this configuration.
    Open(sctp::OpenError),
}

impl fmt::Display for ChannelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misuse(misuse) => misuse.fmt(f),
            Self::Open(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ChannelError {}

impl Peer {
    /// Creates a channel (W3C `createDataChannel`). The first one needs an offer, for which
    /// [`Event::NegotiationNeeded`] asks; the others open by themselves. It is open at [`Event::ChannelOpened`].
    ///
    /// # Errors
    /// Closed, an identifier that is taken, or a label that is too long.
    pub fn create_data_channel(
        &mut self,
        now: Instant,
        config: ChannelConfig,
    ) -> Result<ChannelId, ChannelError> {
        self.negotiator.use_data_channels().map_err(ChannelError::Misuse)?;
        self.pump_negotiator();
        if self.channels.len() >= MAX_CHANNELS {
            return Err(ChannelError::Open(sctp::OpenError::NoneLeft));
        }
        if config.label.len() > 65_535 || config.protocol.len() > 65_535 {
            return Err(ChannelError::Open(sctp::OpenError::TooLong));
        }
        let taken =
            |channel: &Channel| config.negotiated.is_some() && channel.config.negotiated == config.negotiated;
        if self.channels.values().any(taken) {
            return Err(ChannelError::Open(sctp::OpenError::Id));
        }
        let stream = match &mut self.sctp {
            Some(sctp) => Some(sctp.open_channel(now, config.clone()).map_err(ChannelError::Open)?),
            None => None,
        };
        Ok(self.insert(stream, Box::new(config)))
    }

    fn insert(&mut self, stream: Option<sctp::ChannelId>, config: Box<ChannelConfig>) -> ChannelId {
        let number = self.next_channel;
        self.next_channel = self.next_channel.wrapping_add(1);
        self.channels.insert(number, Channel { stream, config, open: false });
        if let Some(stream) = stream {
            self.streams.insert(stream.0, number);
        }
        ChannelId(number)
    }

    /// Gives streams to the channels that were created before there was an association.
    pub(crate) fn open_pending(&mut self, now: Instant) {
        let Some(sctp) = &mut self.sctp else { return };
        let mut lost = Vec::new();
        for (number, channel) in &mut self.channels {
            if channel.stream.is_some() {
                continue;
            }
            match sctp.open_channel(now, (*channel.config).clone()) {
                Ok(stream) => {
                    channel.stream = Some(stream);
                    self.streams.insert(stream.0, *number);
                }
                Err(_) => lost.push(*number),
            }
        }
        for number in lost {
            self.channels.remove(&number);
            self.events.push_back(Event::ChannelClosed(ChannelId(number)));
        }
    }

    fn stream_of(&self, channel: ChannelId) -> Option<sctp::ChannelId> {
        self.channels.get(&channel.0).filter(|channel| channel.open).and_then(|channel| channel.stream)
    }

    /// Queues a message. `data` is kept, not copied.
    ///
    /// # Errors
    /// The channel is not open; the message is larger than the other side takes; or too much waits already: then
    /// [`Event::BufferedAmountLow`] says when to go on.
    pub fn send(
        &mut self,
        now: Instant,
        channel: ChannelId,
        kind: Kind,
        data: impl Into<Bytes>,
    ) -> Result<(), sctp::SendError> {
        let stream = self.stream_of(channel).ok_or(sctp::SendError::NoChannel)?;
        let sctp = self.sctp.as_mut().ok_or(sctp::SendError::Closed)?;
        sctp.send(now, stream, kind, data.into())
    }

    /// Bytes that wait to be sent on a channel (W3C `bufferedAmount`).
    pub fn buffered_amount(&self, channel: ChannelId) -> usize {
        let stream = self.channels.get(&channel.0).and_then(|channel| channel.stream);
        stream.zip(self.sctp.as_ref()).map_or(0, |(stream, sctp)| sctp.buffered_amount(stream))
    }

    /// From how many bytes down [`Event::BufferedAmountLow`] comes; 0 at first.
    pub fn set_buffered_amount_low_threshold(&mut self, channel: ChannelId, bytes: usize) {
        let stream = self.channels.get(&channel.0).and_then(|channel| channel.stream);
        if let (Some(stream), Some(sctp)) = (stream, &mut self.sctp) {
            sctp.set_buffered_amount_low_threshold(stream, bytes);
        }
    }

    /// Closes a channel in good order: what was sent arrives first.
    pub fn close_data_channel(&mut self, now: Instant, channel: ChannelId) {
        match self.channels.get(&channel.0).map(|channel| channel.stream) {
            Some(Some(stream)) => {
                if let Some(sctp) = &mut self.sctp {
                    sctp.close_channel(now, stream);
                }
            }
            Some(None) => {
                self.channels.remove(&channel.0);
                self.events.push_back(Event::ChannelClosed(channel));
            }
            None => {}
        }
    }

    /// What a channel is like.
    pub fn channel_config(&self, channel: ChannelId) -> Option<&ChannelConfig> {
        self.channels.get(&channel.0).map(|channel| &*channel.config)
    }

    /// What has happened. Taking a message makes room in the receive window: ask [`Peer::poll_transmit`] after it.
    pub fn poll_event(&mut self) -> Option<Event> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        if let Some(event) = self.media.as_mut().and_then(|media| media.poll_event()) {
            return Some(event);
        }
        // Nearly always empty, so it keeps no room.
        self.events = VecDeque::new();
        loop {
            let event = self.sctp.as_mut()?.poll_event()?;
            if let Some(event) = self.translate(event) {
                return Some(event);
            }
        }
    }

    /// Keeps what has arrived and nobody has asked for yet, before the association goes: no more than its window.
    pub(crate) fn deliver_rest(&mut self) {
        while let Some(event) = self.sctp.as_deref_mut().and_then(sctp::Association::poll_event) {
            let event = self.translate(event);
            self.events.extend(event);
        }
    }

    fn translate(&mut self, event: sctp::Event) -> Option<Event> {
        match event {
            sctp::Event::Connected => None,
            sctp::Event::ChannelOpened { channel, remote, config } => {
                let known = self.streams.get(&channel.0).copied();
                let id = match known {
                    Some(number) => ChannelId(number),
                    None => self.insert(Some(channel), config.clone()),
                };
                self.channels.get_mut(&id.0)?.open = true;
                Some(if remote { Event::DataChannel(id, config) } else { Event::ChannelOpened(id) })
            }
            sctp::Event::ChannelClosed { channel } => {
                let number = self.streams.remove(&channel.0)?;
                self.channels.remove(&number);
                Some(Event::ChannelClosed(ChannelId(number)))
            }
            sctp::Event::Message { channel, kind, data } => {
                let number = *self.streams.get(&channel.0)?;
                Some(Event::Message(ChannelId(number), kind, data))
            }
            sctp::Event::BufferedAmountLow { channel } => {
                let number = *self.streams.get(&channel.0)?;
                Some(Event::BufferedAmountLow(ChannelId(number)))
            }
            sctp::Event::Closed(reason) => Some(Event::SctpClosed(reason)),
        }
    }
}
