//! A member as cheap as it can be: after its handshake a publisher protects packets, and a receiver only takes them in now
//! and then, so that its reports flow.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use peer::negotiation::{Description, Direction, MediaKind, SdpType, TransceiverId, TransceiverInit};
use peer::{Certificate, ChannelConfig, Format, Local, MediaMode, OutgoingRtp, Peer, Received, StreamId};
use rtp::extension::{AudioLevel, Elements};
use sfu::MemberId;
use wire::{Instant, Rng, Transport};

/// A member.
pub(crate) struct Person {
    pub(crate) peer: Peer,
    pub(crate) id: MemberId,
    pub(crate) address: SocketAddr,
    microphone: Option<TransceiverId>,
    camera: Option<TransceiverId>,
    number: u16,
    timestamp: u32,
}

impl Person {
    /// Offers a microphone and a camera if it publishes, eight voice slots and nine picture slots, and data channels.
    pub(crate) fn new(
        now: Instant,
        (id, address): (MemberId, SocketAddr),
        (certificate, rng): (Certificate, &mut Rng),
        publishes: bool,
    ) -> Result<Self> {
        let mut config = peer::Config::new(certificate);
        config.media.mode = MediaMode::Packets;
        let mut peer = Peer::new(config, rng.array(), now)?;
        let add = |peer: &mut Peer, kind, direction| {
            let init = TransceiverInit { direction, ..TransceiverInit::default() };
            peer.with_negotiator(|negotiator| negotiator.add_transceiver(kind, init))
        };
        let (mut microphone, mut camera) = (None, None);
        if publishes {
            microphone = Some(add(&mut peer, MediaKind::Audio, Direction::SendOnly)?);
            camera = Some(add(&mut peer, MediaKind::Video, Direction::SendOnly)?);
        }
        for number in [0, 1] {
            let config = ChannelConfig { negotiated: Some(StreamId(number)), ..ChannelConfig::default() };
            peer.create_data_channel(now, config)?;
        }
        for _ in 0..8 {
            add(&mut peer, MediaKind::Audio, Direction::RecvOnly)?;
        }
        for _ in 0..9 {
            add(&mut peer, MediaKind::Video, Direction::RecvOnly)?;
        }
        peer.add_local_address(now, Local::host(address));
        peer.end_of_local_addresses(now);
        Ok(Self { peer, id, address, microphone, camera, number: 1, timestamp: 0 })
    }

    pub(crate) fn offer(&mut self, now: Instant) -> Result<String> {
        self.peer.set_local_description(now, None)?;
        Ok(self.peer.local_description().context("there is an offer")?.sdp)
    }

    pub(crate) fn answered(&mut self, now: Instant, answer: String) -> Result<()> {
        Ok(self.peer.set_remote_description(now, &Description { kind: SdpType::Answer, sdp: answer })?)
    }

    pub(crate) fn publishes(&self) -> bool {
        self.microphone.is_some()
    }

    /// The next frame begins.
    pub(crate) fn next_frame(&mut self, ticks: u32) {
        self.timestamp = self.timestamp.wrapping_add(ticks);
    }

    /// Writes the next packet; its length.
    pub(crate) fn write(
        &mut self,
        now: Instant,
        (picture, payload, marker): (bool, &[u8], bool),
        buf: &mut [u8],
    ) -> Result<usize> {
        let transceiver = if picture { self.camera } else { self.microphone };
        let level = AudioLevel { voice: true, level: 30 };
        let out = OutgoingRtp {
            transceiver: transceiver.context("it publishes")?,
            rid: None,
            format: Some(if picture { Format::Vp8 } else { Format::Opus }),
            marker,
            sequence_number: self.number,
            timestamp: self.timestamp,
            head: &[],
            payload,
            pad_to: 0,
            retransmission: false,
            probe: false,
            elements: Elements { audio_level: (!picture).then_some(level), ..Elements::default() },
        };
        self.number = self.number.wrapping_add(1);
        Ok(self.peer.send_rtp(now, &out, buf)?.len)
    }

    pub(crate) fn take(&mut self, now: Instant, server: SocketAddr, bytes: &mut [u8], segment: usize) {
        let received = Received { transport: Transport::Udp, local: self.address, remote: server, segment };
        self.peer.handle_input(now, received, bytes);
        while self.peer.poll_event().is_some() {}
    }
}
