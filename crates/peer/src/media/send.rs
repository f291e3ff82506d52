//! Frames and packets that go out.

use std::fmt;

use flow::payload::Format;
use flow::send::{self, Layer};
use rtp::extension::{AudioLevel, VideoOrientation};
use rtp::rtcp::{
    Bye, CNAME, Fir, FirEntry, Packet as Control, Pli, ReceiverReport, Sdes, SdesItem, Writer as Compound,
};
use wire::Instant;

use super::{MAX_REQUESTS, Media, MediaMode};
use crate::Peer;
use crate::negotiation::TransceiverId;

/// A frame to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Frame<'a> {
    /// As the encoder made it: of H.264 a byte stream with start codes, with parameter sets before each keyframe; of
    /// AV1 a temporal unit.
    pub data: &'a [u8],
    /// When it was captured, in ticks of [`Format::clock_rate`] from any origin; wraps.
    pub timestamp: u32,
    /// Whether it can be decoded without those before it. For sound this says nothing.
    pub keyframe: bool,
    /// Which encoding it is of, if several are negotiated to be sent side by side; `None` is the first.
    pub rid: Option<&'a str>,
    /// Its codec; `None` is that of the frame before, at first the one that the negotiation prefers.
    pub format: Option<Format>,
    /// How loud it is.
    pub audio_level: Option<AudioLevel>,
    /// How it must be turned.
    pub video_orientation: Option<VideoOrientation>,
    /// Which temporal layer it is of, if the encoder makes layers. Only VP8 tells it.
    pub layer: Option<Layer>,
}

/// Why media was not sent or asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MediaError {
    /// No such transceiver is negotiated.
    NoTransceiver,
    /// The negotiated direction does not send.
    NotSending,
    /// No encoding of this name is negotiated.
    NoEncoding,
    /// The codec is not negotiated.
    NoCodec,
    /// The handshake is not complete, there is no path, or no SRTP profile in common.
    NotConnected,
    /// Frames were given to a peer that is configured for packets, or packets to one for frames.
    Mode,
    /// The buffer is too short for the packet: 1,500 bytes are enough.
    Short,
    /// The frame was refused.
    Refused(send::SendError),
    /// The packet cannot be protected.
    Unprotected(rtp::srtp::ProtectError),
}

impl fmt::Display for MediaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoTransceiver => {
                "no such transceiver is negotiated; complete an offer and its answer first"
            }
            Self::NotSending => {
                "the negotiated direction does not send; set the direction and negotiate again"
            }
            Self::NoEncoding => "no encoding of this name is negotiated; name one of `send_rids`",
            Self::NoCodec => "the codec is not negotiated; look at `send_codecs` for those that are",
            Self::NotConnected => "not connected; wait for ConnectionState::Connected",
            Self::Mode => "frames need `MediaMode::Frames`, packets need `MediaMode::Packets`",
            Self::Short => "the buffer is too short for the packet; 1,500 bytes are enough",
            Self::Refused(error) => return error.fmt(f),
            Self::Unprotected(error) => return error.fmt(f),
        })
    }
}

impl std::error::Error for MediaError {}

/// Something of our own to be told by RTCP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Request {
    Pli(u32),
    Fir(u32),
    Bye(u32),
}

impl Media {
    pub(super) fn request(&mut self, request: Request) {
        if !self.requests.contains(&request) && self.requests.len() < MAX_REQUESTS {
            self.requests.push_back(request);
        }
    }

    fn send_frame(&mut self, now: Instant, id: TransceiverId, frame: &Frame<'_>) -> Result<(), MediaError> {
        if self.mode != MediaMode::Frames {
            return Err(MediaError::Mode);
        }
        let line = self.lines.get_mut(&id).ok_or(MediaError::NoTransceiver)?;
        if !line.direction.sends() {
            return Err(MediaError::NotSending);
        }
        if self.protect.is_none() {
            return Err(MediaError::NotConnected);
        }
        let codec = match frame.format {
            Some(format) => {
                let codec = line.codecs.iter().find(|codec| codec.format == format).copied();
                Some(codec.ok_or(MediaError::NoCodec)?)
            }
            None => None,
        };
        let stream = line.sending(frame.rid).ok_or(MediaError::NoEncoding)?;
        let changed = codec.is_some() && codec != stream.codec;
        if changed {
            stream.codec = codec;
        }
        stream.stats.frames += 1;
        stream.stats.keyframes += u64::from(frame.keyframe);
        let ssrc = stream.ssrc;
        let flow = stream.flow.ok_or(MediaError::NoCodec)?;
        if changed {
            let stream = line.outgoing.iter().find(|stream| stream.ssrc == ssrc);
            if let Some(config) = stream.and_then(|stream| line.send_config(stream)) {
                self.sender.update_stream(flow, config);
            }
        }
        let frame = send::Frame {
            data: frame.data,
            timestamp: frame.timestamp,
            keyframe: frame.keyframe,
            audio_level: frame.audio_level,
            video_orientation: frame.video_orientation,
            layer: frame.layer,
        };
        self.sender.send_frame(now, flow, &frame).map_err(MediaError::Refused)
    }

    fn request_keyframe(&mut self, id: TransceiverId, rid: Option<&str>) -> Result<(), MediaError> {
        let line = self.lines.get(&id).ok_or(MediaError::NoTransceiver)?;
        let (pli, fir) = (line.receives.pli, line.receives.fir);
        let wanted = line.incoming.iter().filter(|incoming| rid.is_none() || incoming.rid.as_deref() == rid);
        for ssrc in wanted.map(|incoming| incoming.ssrc).collect::<Vec<_>>() {
            match (pli, fir) {
                (true, _) => self.request(Request::Pli(ssrc)),
                (false, true) => self.request(Request::Fir(ssrc)),
                (false, false) => {}
            }
        }
        Ok(())
    }

    /// Writes the next packet, protected, and gives its length: what is told first, because it is little and waited for,
    /// then sound, then pictures.
    pub(crate) fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<usize> {
        let profile = self.protect.as_ref()?.profile();
        let room = buf.len().checked_sub(profile.rtcp_overhead())?;
        loop {
            let plain = &mut buf[..room];
            let len = self
                .write_request(plain)
                .or_else(|| self.receiver.poll_transmit(now, plain))
                .or_else(|| self.sender.poll_transmit(now, plain))?;
            if let Ok(len) = self.protect(buf, len) {
                return Some(len);
            }
            self.dropped.unprotected += 1;
        }
    }

    fn protect(&mut self, buf: &mut [u8], len: usize) -> Result<usize, MediaError> {
        let rtcp = rtp::is_rtcp(&buf[..len]);
        if !rtcp {
            self.count_sent(&buf[..len]);
        }
        let protect = self.protect.as_mut().ok_or(MediaError::NotConnected)?;
        let result = if rtcp { protect.protect_rtcp(buf, len) } else { protect.protect(buf, len) };
        result.map_err(MediaError::Unprotected)
    }

    fn count_sent(&mut self, packet: &[u8]) {
        let Ok(packet) = rtp::Packet::parse(packet) else { return };
        let ssrc = packet.ssrc();
        if let Some(stream) = self.outgoing(ssrc) {
            stream.stats.packets += 1;
            stream.stats.retransmitted += u64::from(ssrc != stream.ssrc);
            stream.stats.bytes += packet.payload().len() as u64;
        }
    }

    /// Writes the next request: a compound that begins with an empty report and our name (RFC 3550 §6.1).
    fn write_request(&mut self, buf: &mut [u8]) -> Option<usize> {
        let request = self.requests.pop_front()?;
        let sender = self.ssrc;
        let item = [SdesItem { ssrc: sender, kind: CNAME, text: self.cname.as_bytes() }];
        let mut compound = Compound::new(buf);
        let report = ReceiverReport { ssrc: sender, reports: (&[]).into() };
        compound.put(&Control::ReceiverReport(report)).ok()?;
        compound.put(&Control::Sdes(Sdes::new(&item))).ok()?;
        match request {
            Request::Pli(media) => compound.put(&Control::Pli(Pli { sender, media })),
            Request::Fir(ssrc) => {
                self.fir_sequence = self.fir_sequence.wrapping_add(1);
                let entries = [FirEntry { ssrc, sequence: self.fir_sequence }];
                compound.put(&Control::Fir(Fir { sender, entries: (&entries).into() }))
            }
            Request::Bye(ssrc) => {
                let sources = [ssrc];
                compound.put(&Control::Bye(Bye { sources: (&sources).into(), reason: &[] }))
            }
        }
        .ok()?;
        Some(compound.len())
    }
}

impl Peer {
    /// Sends a frame: it is cut into packets, which [`Peer::poll_transmit`] gives as the path takes them.
    ///
    /// # Errors
    /// Not negotiated, not connected, or too much waits already: then the encoder is to follow [`crate::Event::Target`].
    pub fn send_frame(
        &mut self,
        now: Instant,
        transceiver: TransceiverId,
        frame: &Frame<'_>,
    ) -> Result<(), MediaError> {
        self.media.as_mut().ok_or(MediaError::NoTransceiver)?.send_frame(now, transceiver, frame)
    }

    /// Asks the other side for a keyframe, of one encoding or of all that come. Lost frames are asked for without it.
    ///
    /// # Errors
    /// No such transceiver is negotiated.
    pub fn request_keyframe(
        &mut self,
        transceiver: TransceiverId,
        rid: Option<&str>,
    ) -> Result<(), MediaError> {
        self.media.as_mut().ok_or(MediaError::NoTransceiver)?.request_keyframe(transceiver, rid)
    }

    /// How many bits per second the path is taken to carry (W3C `availableOutgoingBitrate`).
    pub fn available_outgoing_bitrate(&self) -> u64 {
        self.media.as_ref().map_or(0, |media| media.sender.target())
    }

    /// Says what the wall clock shows, as time since the Unix epoch, so that the other side can play in step what belongs
    /// together (RFC 3550 §6.4.1). Once is enough, unless the clock is set.
    pub fn set_wall_clock(&mut self, now: Instant, since_epoch: std::time::Duration) {
        self.wall = (now, since_epoch);
        if let Some(media) = &mut self.media {
            media.set_wall_clock(now, since_epoch);
        }
    }
}
