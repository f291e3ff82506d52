//! A member of a room: a peer of the engine and its socket.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result};
use net::{Inbox, Options, Socket};
use peer::negotiation::{Description, Direction, MediaKind, SdpType, TransceiverId, TransceiverInit};
use peer::{
    Certificate, Config, Event, Format, Local, MediaMode, MediaPacket, OutgoingRtp, Peer, Received, rtp,
};
use wire::{Instant, Rng, Transport};

/// Messages taken from the socket in one go.
const SHARE: usize = 16;
/// How the payload of a picture begins (RFC 7741 §4.2): one picture, its number in 15 bits.
const DESCRIPTOR: usize = 4;
/// The head of a VP8 keyframe of 1280 by 720 (RFC 6386 §9.1).
const KEYFRAME: [u8; 10] = [0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x00, 0x05, 0xd0, 0x02];
/// Where the time of sending stands in a payload.
const STAMP: std::ops::Range<usize> = 16..24;
/// A keyframe comes at least so often, in frames.
const KEYFRAME_EVERY: u64 = 60;

/// What has arrived at all members.
#[derive(Default)]
pub(crate) struct Arrived {
    pub(crate) packets: u64,
    /// Nanoseconds of each packet on its way.
    pub(crate) delays: Vec<u64>,
}

/// A member.
pub(crate) struct Member {
    pub(crate) socket: Socket,
    pub(crate) peer: Option<Peer>,
    sends: Option<TransceiverId>,
    /// When the member asked to join.
    pub(crate) asked: Instant,
    /// When its first packet came.
    pub(crate) served: Option<Instant>,
    pub(crate) connected: bool,
    pub(crate) due: Instant,
    frame: u64,
    sequence: u16,
    keyframe: bool,
}

/// What all members have in common.
pub(crate) struct Tools {
    pub(crate) certificate: Certificate,
    pub(crate) rng: Rng,
    pub(crate) inbox: Inbox,
    pub(crate) buf: Vec<u8>,
    pub(crate) arrived: Arrived,
    pub(crate) sent: u64,
}

impl Tools {
    pub(crate) fn new() -> Self {
        let mut rng = Rng::new(crypto::random());
        let certificate = Certificate::generate(&mut rng, net::unix_seconds());
        Self {
            certificate,
            rng,
            inbox: Inbox::new(),
            buf: vec![0; 65_536],
            arrived: Arrived::default(),
            sent: 0,
        }
    }
}

impl Member {
    pub(crate) fn new(now: Instant, address: IpAddr) -> Result<Self> {
        let options = Options { receive_buffer: Some(1 << 20), ..Options::default() };
        let socket = Socket::bind(SocketAddr::new(address, 0), &options).context("no socket for a member")?;
        Ok(Self {
            socket,
            peer: None,
            sends: None,
            asked: now,
            served: None,
            connected: false,
            due: now,
            frame: 0,
            sequence: 0,
            keyframe: true,
        })
    }

    fn fresh(&mut self, now: Instant, tools: &mut Tools) -> Result<&mut Peer> {
        let mut config = Config::new(tools.certificate.clone());
        config.media.mode = MediaMode::Packets;
        let mut peer = Peer::new(config, tools.rng.array(), now)?;
        peer.add_local_address(now, Local::host(self.socket.local()));
        peer.end_of_local_addresses(now);
        (self.connected, self.sends) = (false, None);
        Ok(self.peer.insert(peer))
    }

    /// Offers to send a picture or not, and to receive some.
    pub(crate) fn offer(
        &mut self,
        now: Instant,
        tools: &mut Tools,
        publishes: bool,
        sees: usize,
    ) -> Result<String> {
        let peer = self.fresh(now, tools)?;
        let add = |peer: &mut Peer, direction| {
            let init = TransceiverInit { direction, ..TransceiverInit::default() };
            peer.with_negotiator(|n| n.add_transceiver(MediaKind::Video, init))
        };
        let sends = if publishes { Some(add(peer, Direction::SendOnly)?) } else { None };
        for _ in 0..sees {
            add(peer, Direction::RecvOnly)?;
        }
        peer.set_local_description(now, None)?;
        let offer = peer.local_description().context("no offer")?.sdp;
        self.sends = sends;
        Ok(offer)
    }

    /// Answers an offer.
    pub(crate) fn answer(&mut self, now: Instant, tools: &mut Tools, offer: String) -> Result<String> {
        let peer = self.fresh(now, tools)?;
        peer.set_remote_description(now, &Description { kind: SdpType::Offer, sdp: offer })?;
        peer.set_local_description(now, None)?;
        Ok(peer.local_description().context("no answer")?.sdp)
    }

    pub(crate) fn answered(&mut self, now: Instant, sdp: String) -> Result<()> {
        let peer = self.peer.as_mut().context("an answer to no offer")?;
        Ok(peer.set_remote_description(now, &Description { kind: SdpType::Answer, sdp })?)
    }

    /// Takes what has come.
    pub(crate) fn receive(&mut self, now: Instant, tools: &mut Tools) {
        let Some(peer) = &mut self.peer else { return };
        let Tools { inbox, arrived, .. } = tools;
        let local = self.socket.local();
        loop {
            inbox.clear();
            let slots = inbox.receive(&self.socket, SHARE).unwrap_or(0..0);
            if slots.is_empty() {
                break;
            }
            let full = slots.len() == SHARE;
            for slot in slots {
                let message = inbox.message(slot);
                let from = Received {
                    transport: Transport::Udp,
                    local,
                    remote: message.from,
                    segment: message.segment,
                };
                let served = &mut self.served;
                peer.handle_input_with(now, from, inbox.bytes_mut(slot), &mut |packet| {
                    let MediaPacket::Rtp(rtp) = packet else { return };
                    served.get_or_insert(now);
                    arrived.packets += 1;
                    let stamp = rtp.packet.payload().get(STAMP).and_then(|bytes| bytes.try_into().ok());
                    let sent = Duration::from_nanos(u64::from_be_bytes(stamp.unwrap_or_default()));
                    let delay = now.saturating_since(Instant::ZERO).saturating_sub(sent);
                    arrived.delays.push(u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX));
                });
            }
            if !full {
                break;
            }
        }
        self.look(now, tools);
    }

    /// Does what is due and sends what is to be sent besides pictures.
    pub(crate) fn look(&mut self, now: Instant, tools: &mut Tools) {
        let Some(peer) = &mut self.peer else { return };
        if peer.poll_timeout().is_some_and(|at| at <= now) {
            peer.handle_timeout(now);
        }
        while let Some(event) = peer.poll_event() {
            match event {
                Event::ConnectionState(state) => self.connected = state == peer::ConnectionState::Connected,
                Event::KeyframeRequested { .. } => self.keyframe = true,
                _ => {}
            }
        }
        while let Some(transmit) = peer.poll_transmit(now, &mut tools.buf) {
            let bytes = &tools.buf[..transmit.len];
            // A full buffer of the system is a loss like another.
            let _ = self.socket.send(transmit.to, bytes, transmit.segment_size.unwrap_or(transmit.len));
        }
    }

    /// Sends a frame of packets, in one run as a browser's network card would get them.
    pub(crate) fn send_frame(&mut self, now: Instant, tools: &mut Tools, bytes: usize, burst: usize) {
        let (Some(peer), Some(transceiver), true) = (&mut self.peer, self.sends, self.connected) else {
            return;
        };
        let key = std::mem::take(&mut self.keyframe) || self.frame.is_multiple_of(KEYFRAME_EVERY);
        let mut payload = vec![0; bytes];
        let stamp = u64::try_from(now.saturating_since(Instant::ZERO).as_nanos()).unwrap_or(u64::MAX);
        let picture = self.frame.to_be_bytes();
        let (mut end, mut run) = (0, None);
        for n in 0..burst {
            let first = if n == 0 { 0x10 } else { 0 };
            payload[..DESCRIPTOR].copy_from_slice(&[0x80 | first, 0x80, 0x80 | picture[6], picture[7]]);
            payload[DESCRIPTOR..][..KEYFRAME.len()].copy_from_slice(&KEYFRAME);
            payload[DESCRIPTOR] |= u8::from(!key);
            payload[STAMP].copy_from_slice(&stamp.to_be_bytes());
            let packet = OutgoingRtp {
                transceiver,
                rid: None,
                format: Some(Format::Vp8),
                marker: n + 1 == burst,
                sequence_number: self.sequence,
                timestamp: u32::try_from((self.frame * 3000) & u64::from(u32::MAX)).unwrap_or_default(),
                head: &[],
                payload: &payload,
                pad_to: 0,
                retransmission: false,
                probe: false,
                elements: rtp::extension::Elements::default(),
            };
            self.sequence = self.sequence.wrapping_add(1);
            let Ok(transmit) = peer.send_rtp(now, &packet, &mut tools.buf[end..]) else { continue };
            run = Some((transmit.to, run.map_or(transmit.len, |(_, segment)| segment)));
            end += transmit.len;
            tools.sent += 1;
        }
        self.frame += 1;
        if let Some((to, segment)) = run {
            let _ = self.socket.send(to, &tools.buf[..end], segment);
        }
    }
}
