//! RTP flows from end to end, without I/O and without a clock: [`send::Sender`] cuts frames into packets, paces them,
//! answers what is asked for and estimates what the path carries; [`receive::Receiver`] puts frames together, asks for
//! what is missing and reports what arrives. Each serves all streams of one transport.
//!
//! ```
//! use flow::payload::Format;
//! use flow::{receive, send};
//! use rtp::extension::Map;
//! use wire::{Instant, Rng};
//!
//! let mut now = Instant::ZERO; // from the driver's clock, before every call
//! let mut sender = send::Sender::new(send::Config::default(), Rng::from_number(1), now);
//! let mut receiver = receive::Receiver::new(receive::Config::default(), Rng::from_number(2), now);
//! // As the session negotiated it.
//! let (ssrc, payload_type, format) = (7, 96, Format::Vp8);
//! let stream =
//!     send::StreamConfig { ssrc, payload_type, format, rtx: None, mid: None, rid: None, extensions: Map::default() };
//! let video = sender.add_stream(now, stream)?;
//! let formats = vec![(payload_type, format)];
//! receiver.add_stream(now, receive::StreamConfig { ssrc, formats, nack: true, ..Default::default() })?;
//!
//! let picture = [0; 3000]; // from an encoder
//! let frame = send::Frame { data: &picture, timestamp: 3000, keyframe: true, ..Default::default() };
//! sender.send_frame(now, video, &frame)?;
//!
//! let mut buf = [0; 1500];
//! while let Some(due) = sender.poll_timeout().filter(|due| due.as_secs() < 1) {
//!     now = now.max(due); // sleep until then, or until something arrives
//!     sender.handle_timeout(now);
//!     while let Some(len) = sender.poll_transmit(now, &mut buf) {
//!         receiver.handle_rtp(now, &buf[..len]); // protected, sent, received, unprotected
//!     }
//!     while let Some(event) = sender.poll_event() {
//!         println!("{event:?}"); // a keyframe is wanted, or the rate changes
//!     }
//! }
//! while let Some(len) = receiver.poll_transmit(now, &mut buf) {
//!     sender.handle_rtcp(now, &buf[..len]);
//! }
//! assert_eq!(receiver.poll_event().expect("it is whole").data, picture);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | RFC | what of it |
//! | --- | --- |
//! | 7587 | Opus, without in-band redundancy of our own |
//! | 7741 | VP8, all of the descriptor read, picture identifiers written |
//! | 9628 | VP9, all of the descriptor read, one layer in non-flexible mode written |
//! | 6184 | H.264 in packetization mode 1; parameter sets must go with keyframes |
//! | AOMedia | AV1, every form of elements read, one element a packet written; the dependency descriptor is not read |
//! | 3550 | sender and receiver reports, jitter, loss |
//! | 4585, 5104, 5506 | NACK, PLI and FIR both ways; reduced-size RTCP when configured |
//! | 4588 | retransmissions by SSRC multiplexing |
//! | drafts | transport-wide feedback (holmer), REMB taken as an upper bound, congestion control (ietf-rmcat-gcc) |
//!
//! What it refuses: FEC (RFC 5109, 8627), RED (RFC 2198), retransmissions by session multiplexing, and the feedback of
//! RFC 8888 as a source of the estimate. When a frame is played is for whoever plays it: frames come as soon as they are
//! whole.
//!
//! # Bounds
//! A sender holds [`send::Config::history`] packets per stream and refuses frames before it forgets what waits. A receiver
//! holds [`receive::Config::max_packets`] packets per stream, asks for 512 missing ones at most, and keeps
//! [`receive::Config::max_frames`] frames that nobody takes; what is beyond is thrown away and counted, and video goes on
//! with the next keyframe.

pub mod estimate;
pub mod payload;
pub mod receive;
pub mod send;

/// A stream of one [`send::Sender`] or one [`receive::Receiver`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StreamId(pub(crate) u32);
