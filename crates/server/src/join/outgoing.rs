//! One frame on its way out.

use ::media::play::is_keyframe;
use peer::negotiation::TransceiverId;
use peer::rtp::extension::AudioLevel;
use peer::{Format, Frame, MediaError, Peer};
use wire::Instant;

/// The names of the camera's encodings, from the smallest to the largest.
pub(crate) const RIDS: [&str; 3] = ["l", "m", "h"];

/// What is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    /// Sound.
    Microphone,
    /// The first pictures.
    Camera,
    /// The second.
    Screen,
}

/// A frame to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) source: Source,
    /// Which of [`RIDS`], if several are made side by side.
    pub(crate) layer: Option<usize>,
    pub(crate) format: Format,
    /// In ticks of the format's clock from the beginning.
    pub(crate) timestamp: u32,
    pub(crate) keyframe: bool,
    pub(crate) data: Vec<u8>,
    pub(crate) level: Option<AudioLevel>,
}

impl Outgoing {
    /// A frame of a file.
    pub(crate) fn of_file(source: Source, frame: ::media::play::Frame) -> Self {
        let keyframe = frame.keyframe || is_keyframe(frame.format, &frame.data);
        let timestamp = ticks(frame.at, frame.format);
        Self { source, layer: None, format: frame.format, timestamp, keyframe, data: frame.data, level: None }
    }

    /// Sends it; with `simulcast` the layers have names there.
    pub(crate) fn send(
        &self,
        peer: &mut Peer,
        now: Instant,
        transceiver: TransceiverId,
        simulcast: bool,
    ) -> Result<(), MediaError> {
        let frame = Frame {
            data: &self.data,
            timestamp: self.timestamp,
            keyframe: self.keyframe,
            rid: self.layer.filter(|_| simulcast).and_then(|layer| RIDS.get(layer).copied()),
            format: Some(self.format),
            audio_level: self.level,
            ..Frame::default()
        };
        peer.send_frame(now, transceiver, &frame)
    }
}

/// A time in ticks of a format's clock; wraps.
pub(crate) fn ticks(at: std::time::Duration, format: Format) -> u32 {
    let ticks = at.as_nanos() * u128::from(format.clock_rate()) / 1_000_000_000;
    u32::try_from(ticks & u128::from(u32::MAX)).unwrap_or(0)
}
