//! Datagrams of several control packets (RFC 3550 §6.1):
//!
//! ```text
//! |V=2|P|  count  |  packet type  |  length in words, less one    |
//! ```

use super::*;
use crate::Malformed;
use wire::{Reader, Short};

const SR: u8 = 200;
const RR: u8 = 201;
const SDES: u8 = 202;
const BYE: u8 = 203;
const APP: u8 = 204;
/// Transport-layer feedback (RFC 4585 §6.1).
const RTPFB: u8 = 205;
/// Payload-specific feedback.
const PSFB: u8 = 206;
const XR: u8 = 207;

/// Formats of transport-layer feedback.
const NACK: u8 = 1;
const CCFB: u8 = 11;
const TWCC: u8 = 15;
/// Formats of payload-specific feedback.
const PLI: u8 = 1;
const FIR: u8 = 4;
const AFB: u8 = 15;

/// One control packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Packet<'a> {
    /// What a sender sends and receives.
    SenderReport(SenderReport<'a>),
    /// What a receiver receives.
    ReceiverReport(ReceiverReport<'a>),
    /// Who somebody is.
    Sdes(Sdes<'a>),
    /// Somebody leaves.
    Bye(Bye<'a>),
    /// Something of an application's own.
    App(App<'a>),
    /// Packets are lost.
    Nack(Nack<'a>),
    /// A keyframe is needed to go on.
    Pli(Pli),
    /// A keyframe is needed to begin.
    Fir(Fir<'a>),
    /// How much a receiver can take.
    Remb(Remb<'a>),
    /// Which packets of the transport arrived when.
    Twcc(Twcc<'a>),
    /// The same by the standard.
    Ccfb(Ccfb<'a>),
    /// An extended report.
    Xr(Xr<'a>),
    /// A feedback message that this crate does not read.
    Feedback(Feedback<'a>),
    /// A packet of a type that this crate does not know.
    Unknown {
        /// Its type.
        packet_type: u8,
        /// The five bits behind version and padding.
        count: u8,
        /// What follows the first word, whole words.
        body: &'a [u8],
    },
}

impl<'a> Packet<'a> {
    fn read(packet_type: u8, count: u8, body: &'a [u8]) -> Result<Self, Short> {
        Ok(match packet_type {
            SR => Self::SenderReport(SenderReport::read(count, body)?),
            RR => Self::ReceiverReport(ReceiverReport::read(count, body)?),
            SDES => Self::Sdes(Sdes::read(count, body)),
            BYE => Self::Bye(Bye::read(count, body)?),
            APP => Self::App(App::read(count, body)?),
            RTPFB if count == CCFB => Self::Ccfb(Ccfb::read(body)?),
            RTPFB | PSFB => Self::read_feedback(packet_type, count, body)?,
            XR => Self::Xr(Xr::read(body)?),
            _ => Self::Unknown { packet_type, count, body },
        })
    }

    fn read_feedback(packet_type: u8, format: u8, body: &'a [u8]) -> Result<Self, Short> {
        let mut from = Reader::new(body);
        let (sender, media, content) = (from.u32()?, from.u32()?, from.rest());
        Ok(match (packet_type, format) {
            (RTPFB, NACK) => Self::Nack(Nack { sender, media, entries: List::received(content) }),
            (RTPFB, TWCC) => Self::Twcc(Twcc::read(sender, media, content)?),
            (PSFB, PLI) => Self::Pli(Pli { sender, media }),
            (PSFB, FIR) => Self::Fir(Fir { sender, entries: List::received(content) }),
            (PSFB, AFB) if content.starts_with(Remb::NAME) => Self::Remb(Remb::read(sender, content)?),
            _ => Self::Feedback(Feedback { packet_type, format, sender, media, content }),
        })
    }

    /// The packet type and the five bits beside it.
    fn kind(&self) -> (u8, usize) {
        match self {
            Self::SenderReport(report) => (SR, report.reports.len()),
            Self::ReceiverReport(report) => (RR, report.reports.len()),
            Self::Sdes(sdes) => (SDES, sdes.chunks()),
            Self::Bye(bye) => (BYE, bye.sources.len()),
            Self::App(app) => (APP, app.subtype.into()),
            Self::Nack(_) => (RTPFB, NACK.into()),
            Self::Twcc(_) => (RTPFB, TWCC.into()),
            Self::Ccfb(_) => (RTPFB, CCFB.into()),
            Self::Pli(_) => (PSFB, PLI.into()),
            Self::Fir(_) => (PSFB, FIR.into()),
            Self::Remb(_) => (PSFB, AFB.into()),
            Self::Xr(_) => (XR, 0),
            Self::Feedback(feedback) => (feedback.packet_type, feedback.format.into()),
            Self::Unknown { packet_type, count, .. } => (*packet_type, (*count).into()),
        }
    }

    fn write(&self, to: &mut wire::Writer<'_>) -> Result<(), Short> {
        let feedback = |to: &mut wire::Writer<'_>, sender: u32, media: u32| {
            to.u32(sender)?;
            to.u32(media)
        };
        match self {
            Self::SenderReport(report) => report.write(to),
            Self::ReceiverReport(report) => report.write(to),
            Self::Sdes(sdes) => sdes.write(to),
            Self::Bye(bye) => bye.write(to),
            Self::App(app) => app.write(to),
            Self::Nack(nack) => {
                feedback(to, nack.sender, nack.media)?;
                nack.entries.write(to)
            }
            Self::Twcc(twcc) => {
                feedback(to, twcc.sender, twcc.media)?;
                twcc.write(to)
            }
            Self::Ccfb(ccfb) => ccfb.write(to),
            Self::Pli(pli) => feedback(to, pli.sender, pli.media),
            Self::Fir(fir) => {
                // The source is named in each entry (RFC 5104 §4.3.1.2).
                feedback(to, fir.sender, 0)?;
                fir.entries.write(to)
            }
            Self::Remb(remb) => {
                feedback(to, remb.sender, 0)?;
                remb.write(to)
            }
            Self::Xr(xr) => xr.write(to),
            Self::Feedback(other) => {
                feedback(to, other.sender, other.media)?;
                to.put(other.content)
            }
            Self::Unknown { body, .. } => to.put(body),
        }
    }
}

/// The packets of a received datagram. A packet that its own format does not allow is an error, and the next one can
/// still be read; after a header that does not fit, nothing follows.
#[derive(Clone, Debug)]
pub struct Compound<'a> {
    rest: Reader<'a>,
}

impl<'a> Compound<'a> {
    /// Walks a datagram that was unprotected.
    pub fn new(datagram: &'a [u8]) -> Self {
        Self { rest: Reader::new(datagram) }
    }

    /// Cuts the next packet off: its type, count and body without padding.
    fn cut(&mut self) -> Result<(u8, u8, &'a [u8]), Malformed> {
        let [first, packet_type] = self.rest.array()?;
        let len = usize::from(self.rest.u16()?) * 4;
        let mut body = self.rest.take(len)?;
        if first >> 6 != 2 {
            return Err(Malformed);
        }
        if first & 0x20 != 0 {
            let padding = usize::from(*body.last().ok_or(Malformed)?);
            // Padding is whole words (RFC 3550 §6.4.1), but transport-wide feedback fills its last word with it.
            let whole = padding.is_multiple_of(4) || (packet_type, first & 0x1f) == (RTPFB, TWCC);
            let kept = body.len().checked_sub(padding).filter(|_| padding > 0 && whole);
            body = &body[..kept.ok_or(Malformed)?];
        }
        Ok((packet_type, first & 0x1f, body))
    }
}

impl<'a> Iterator for Compound<'a> {
    type Item = Result<Packet<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.rest().is_empty() {
            return None;
        }
        match self.cut() {
            Ok((packet_type, count, body)) => {
                Some(Packet::read(packet_type, count, body).map_err(Malformed::from))
            }
            Err(malformed) => {
                self.rest = Reader::new(&[]);
                Some(Err(malformed))
            }
        }
    }
}

/// Fills the caller's buffer with packets for one datagram.
#[derive(Debug)]
pub struct Writer<'a> {
    buf: &'a mut [u8],
    len: usize,
}

impl<'a> Writer<'a> {
    /// An empty datagram in `buf`.
    pub const fn new(buf: &'a mut [u8]) -> Self {
        Self { buf, len: 0 }
    }

    /// Appends a packet. When it does not fit, or one of its lists is longer than its format allows, nothing is
    /// appended.
    pub fn put(&mut self, packet: &Packet<'_>) -> Result<(), Short> {
        let (packet_type, count) = packet.kind();
        let count = u8::try_from(count).ok().filter(|count| *count < 32).ok_or(Short)?;
        let mut to = wire::Writer::new(&mut self.buf[self.len..]);
        to.put(&[0x80 | count, packet_type, 0, 0])?;
        packet.write(&mut to)?;
        to.pad_to(4)?;
        let words = u16::try_from(to.len() / 4 - 1).map_err(|_| Short)?;
        to.written_mut()[2..4].copy_from_slice(&words.to_be_bytes());
        self.len += to.len();
        Ok(())
    }

    /// How many bytes the datagram has.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether no packet was appended yet.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}
