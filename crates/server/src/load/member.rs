//! A person: a peer and its socket.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result};
use net::{Inbox, Options, Socket};
use peer::negotiation::{Description, Direction, MediaKind, SdpType, TransceiverId, TransceiverInit};
use peer::{Certificate, ConnectionState, Event, Format, Frame, Local, Peer, Received, ReceivedFrame};
use wire::{Instant, Rng, Transport};

use super::report::Tally;

/// Messages taken from the socket in one go.
const SHARE: usize = 16;
/// Kernel memory for what comes in bursts.
const RECEIVE_BUFFER: u32 = 1 << 20;
/// What stands behind a picture: when it was sent. Decoders do not look there.
const STAMP: &[u8; 8] = b"visavis\0";
/// A longer pause between two pictures is one that people see.
const FREEZE: Duration = Duration::from_millis(200);

/// What all have in common.
pub(super) struct Tools {
    certificate: Certificate,
    rng: Rng,
    inbox: Inbox,
    buffer: Vec<u8>,
}

impl Tools {
    pub(super) fn new() -> Self {
        let mut rng = Rng::new(crypto::random());
        let certificate = Certificate::generate(&mut rng, net::unix_seconds());
        Self { certificate, rng, inbox: Inbox::new(), buffer: vec![0; 65_536] }
    }
}

/// A person.
pub(super) struct Member {
    pub(super) room: usize,
    pub(super) publishes: bool,
    pub(super) socket: Socket,
    /// What its address is to the other side.
    address: SocketAddr,
    peer: Option<Peer>,
    camera: Option<TransceiverId>,
    pub(super) connected: bool,
    /// Since when it waits for its first picture.
    asked: Instant,
    served: bool,
    /// The last picture of each slot that could be decoded, or `None` if there is a gap.
    slots: BTreeMap<TransceiverId, Option<Instant>>,
    last: BTreeMap<TransceiverId, Instant>,
    pub(super) keyframe_wanted: bool,
    /// Packets received and lost of connections before the present one.
    past: (u64, i64),
}

impl Member {
    pub(super) fn new(room: usize, publishes: bool, address: IpAddr, now: Instant) -> Result<Self> {
        let any: IpAddr = if address.is_ipv4() {
            Ipv4Addr::UNSPECIFIED.into()
        } else {
            std::net::Ipv6Addr::UNSPECIFIED.into()
        };
        let options = Options { receive_buffer: Some(RECEIVE_BUFFER), ..Options::default() };
        let socket = Socket::bind(SocketAddr::new(any, 0), &options)
            .context("no socket for one more person; a higher limit of open files may help (ulimit -n)")?;
        let address = SocketAddr::new(address, socket.local().port());
        Ok(Self {
            room,
            publishes,
            socket,
            address,
            peer: None,
            camera: None,
            connected: false,
            asked: now,
            served: false,
            slots: BTreeMap::new(),
            last: BTreeMap::new(),
            keyframe_wanted: true,
            past: (0, 0),
        })
    }

    /// Begins anew: an offer with so many picture slots.
    pub(super) fn offer(
        &mut self,
        now: Instant,
        asked: Instant,
        slots: usize,
        tools: &mut Tools,
    ) -> Result<String> {
        self.past = self.packets();
        (self.connected, self.asked, self.camera) = (false, asked, None);
        self.slots.clear();
        self.last.clear();
        let mut peer = Peer::new(peer::Config::new(tools.certificate.clone()), tools.rng.array(), now)?;
        peer.set_wall_clock(now, net::unix_time());
        peer.add_local_address(now, Local::host(self.address));
        peer.end_of_local_addresses(now);
        let mut add = |direction| {
            let init = TransceiverInit { direction, ..TransceiverInit::default() };
            peer.with_negotiator(|negotiator| negotiator.add_transceiver(MediaKind::Video, init))
        };
        if self.publishes {
            self.camera = Some(add(Direction::SendOnly)?);
        }
        for _ in 0..slots {
            add(Direction::RecvOnly)?;
        }
        peer.set_local_description(now, None)?;
        let offer = peer.local_description().context("no offer was made")?.sdp;
        self.peer = Some(peer);
        Ok(offer)
    }

    pub(super) fn answered(&mut self, now: Instant, sdp: String) -> Result<()> {
        let Some(peer) = &mut self.peer else { return Ok(()) };
        peer.set_remote_description(now, &Description { kind: SdpType::Answer, sdp })
            .context("the server's answer")
    }

    /// Takes what has come.
    pub(super) fn receive(&mut self, now: Instant, tools: &mut Tools, tally: &mut Tally) {
        let Some(peer) = &mut self.peer else { return };
        loop {
            tools.inbox.clear();
            let slots = tools.inbox.receive(&self.socket, SHARE).unwrap_or(0..0);
            let full = slots.len() == SHARE;
            for slot in slots {
                let message = tools.inbox.message(slot);
                let (remote, segment) = (message.from, message.segment);
                let from = Received { transport: Transport::Udp, local: self.address, remote, segment };
                peer.handle_input(now, from, tools.inbox.bytes_mut(slot));
            }
            if !full {
                break;
            }
        }
        self.look(now, tools, tally);
    }

    /// Does what is due, and sends what is to be sent.
    pub(super) fn look(&mut self, now: Instant, tools: &mut Tools, tally: &mut Tally) {
        let Some(peer) = &mut self.peer else { return };
        if peer.poll_timeout().is_some_and(|at| at <= now) {
            peer.handle_timeout(now);
        }
        while let Some(event) = self.peer.as_mut().and_then(Peer::poll_event) {
            match event {
                Event::ConnectionState(state) => {
                    self.connected = state == ConnectionState::Connected;
                    tally.failed += u64::from(state == ConnectionState::Failed);
                }
                Event::KeyframeRequested { .. } => self.keyframe_wanted = true,
                Event::Frame(frame) => self.saw(now, &frame, tally),
                _ => {}
            }
        }
        self.send(now, tools);
    }

    fn send(&mut self, now: Instant, tools: &mut Tools) {
        let Some(peer) = &mut self.peer else { return };
        while let Some(transmit) = peer.poll_transmit(now, &mut tools.buffer) {
            let bytes = &tools.buffer[..transmit.len];
            let sent = self.socket.send(transmit.to, bytes, transmit.segment_size.unwrap_or(transmit.len));
            if sent.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
                // A full buffer of the system is a loss like another; the next turn goes on.
                return;
            }
        }
    }

    /// When something is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.peer.as_ref()?.poll_timeout()
    }

    fn saw(&mut self, now: Instant, frame: &ReceivedFrame, tally: &mut Tally) {
        tally.frames += 1;
        tally.keyframes += u64::from(frame.keyframe);
        if !std::mem::replace(&mut self.served, true) {
            tally.joins.push(now.saturating_since(self.asked));
        }
        if let Some(delay) = delay(now, &frame.data) {
            tally.delay(delay);
        }
        // Behind a gap nothing can be decoded before the next keyframe.
        let whole =
            frame.keyframe || (frame.missing == 0 && self.slots.get(&frame.transceiver) != Some(&None));
        let last = self.last.get(&frame.transceiver).copied();
        self.slots.insert(frame.transceiver, whole.then_some(now));
        if whole {
            let pause = last.map_or(Duration::ZERO, |last| now.saturating_since(last));
            if pause > FREEZE {
                tally.freezes += 1;
                tally.frozen += pause;
            }
            self.last.insert(frame.transceiver, now);
        }
    }

    /// Sends a picture, with the time behind it.
    pub(super) fn publish(
        &mut self,
        now: Instant,
        picture: &[u8],
        keyframe: bool,
        timestamp: u32,
        tally: &mut Tally,
    ) {
        let (Some(peer), Some(camera), true) = (&mut self.peer, self.camera, self.connected) else { return };
        let stamp = u64::try_from(now.saturating_since(Instant::ZERO).as_nanos()).unwrap_or(u64::MAX);
        let data = [picture, STAMP, &stamp.to_be_bytes()].concat();
        let frame = Frame { data: &data, timestamp, keyframe, format: Some(Format::Vp8), ..Frame::default() };
        match peer.send_frame(now, camera, &frame) {
            Ok(()) => tally.sent += 1,
            Err(_) => {
                tally.refused += 1;
                self.keyframe_wanted = true;
            }
        }
    }

    /// Packets received and lost since the beginning.
    pub(super) fn packets(&self) -> (u64, i64) {
        let stats = self.peer.as_ref().and_then(|peer| peer.get_stats().media);
        let inbound = stats.iter().flat_map(|media| &media.inbound_rtp);
        inbound.fold(self.past, |(received, lost), stream| {
            (received + stream.packets_received, lost + stream.packets_lost)
        })
    }

    /// Leaves.
    pub(super) fn close(&mut self, now: Instant, tools: &mut Tools) {
        if let Some(peer) = &mut self.peer {
            peer.close(now);
        }
        self.send(now, tools);
    }
}

/// How long a picture was on its way.
fn delay(now: Instant, data: &[u8]) -> Option<Duration> {
    let (front, stamp) = data.split_last_chunk::<8>()?;
    front.ends_with(STAMP).then_some(())?;
    let sent = Duration::from_nanos(u64::from_be_bytes(*stamp));
    Some(now.saturating_since(Instant::ZERO).saturating_sub(sent))
}
