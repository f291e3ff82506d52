//! Payload formats: how an encoded frame becomes the payloads of packets, and back.

mod av1;
mod h264;
mod opus;
mod vp8;
mod vp9;

use rtp::Malformed;

/// How frames of a codec travel in RTP.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Format {
    /// Opus (RFC 7587): a frame is a packet.
    Opus,
    /// VP8 (RFC 7741), with picture identifiers of 15 bits.
    Vp8,
    /// VP9 (RFC 9628), one spatial layer, non-flexible mode when sent; every form of the descriptor is read.
    Vp9,
    /// H.264 (RFC 6184) in packetization mode 1: single NAL units, STAP-A and FU-A. Frames are byte streams with start
    /// codes (ITU-T H.264 Annex B); parameter sets go with each keyframe.
    H264,
    /// AV1 (AOMedia RTP payload format): temporal units in the low-overhead format, without temporal delimiters when received.
    Av1,
}

/// What one payload tells of the frame it belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Glimpse {
    /// A frame begins with this payload, as far as it can be told from it alone.
    pub begins: bool,
    /// The frame can be decoded without any before it.
    pub keyframe: bool,
}

/// Which of the temporal layers of its stream a picture is of (RFC 7741 §4.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TemporalLayer {
    /// The layer, 0 to 3: those of a layer need none of a higher one.
    pub id: u8,
    /// Nothing but pictures of layer 0 is needed for it.
    pub sync: bool,
    /// The number of the last picture of layer 0, this one included (TL0PICIDX); wraps.
    pub base: u8,
}

/// Where a picture stands in its stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Picture {
    /// Its number; of 15 bits, wraps.
    pub number: u16,
    /// Its temporal layer, if there are several. It is told of VP8 alone.
    pub layer: Option<TemporalLayer>,
}

impl From<u16> for Picture {
    /// The picture of this number in a stream without layers.
    fn from(number: u16) -> Self {
        Self { number, layer: None }
    }
}

/// Takes the payloads of one frame in their order: the parts that stand one after the other in the payload, and whether
/// it is the last of the frame.
pub type Take<'a> = &'a mut dyn FnMut(&[&[u8]], bool);

impl Format {
    /// Ticks of the timestamp per second. Opus counts 48,000 whatever it was sampled at (RFC 7587 §4.1).
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::Vp8 | Self::Vp9 | Self::H264 | Self::Av1 => 90_000,
        }
    }

    /// Whether a frame may need others before it, and a keyframe must be asked for when one is missing.
    pub const fn is_video(self) -> bool {
        match self {
            Self::Opus => false,
            Self::Vp8 | Self::Vp9 | Self::H264 | Self::Av1 => true,
        }
    }

    /// Cuts a frame into payloads of at most `max` bytes, 16 at least. A frame that is empty, or is no byte stream of NAL units, gives none.
    pub fn packetize(self, frame: &[u8], picture: Picture, max: usize, take: Take<'_>) {
        let max = max.max(16);
        match self {
            Self::Opus => opus::packetize(frame, take),
            Self::Vp8 => vp8::packetize(frame, picture, max, take),
            Self::Vp9 => vp9::packetize(frame, picture.number, max, take),
            Self::H264 => h264::packetize(frame, max, take),
            Self::Av1 => av1::packetize(frame, max, take),
        }
    }

    /// Looks at one payload.
    pub fn glimpse(self, payload: &[u8]) -> Result<Glimpse, Malformed> {
        match self {
            Self::Opus => Ok(Glimpse { begins: true, keyframe: true }),
            Self::Vp8 => vp8::glimpse(payload),
            Self::Vp9 => vp9::glimpse(payload),
            Self::H264 => h264::glimpse(payload),
            Self::Av1 => av1::glimpse(payload),
        }
    }

    /// Appends what one payload carries to the frame. Payloads come in their order. When all have come, see
    /// [`Superframe::conclude`].
    pub fn depacketize(
        self,
        payload: &[u8],
        frame: &mut Vec<u8>,
        superframe: &mut Superframe,
    ) -> Result<(), Malformed> {
        match self {
            Self::Opus => opus::depacketize(payload, frame),
            Self::Vp8 => vp8::depacketize(payload, frame),
            Self::Vp9 => vp9::depacketize(payload, frame, superframe),
            Self::H264 => h264::depacketize(payload, frame),
            Self::Av1 => av1::depacketize(payload, frame),
        }
    }
}

/// Where the spatial layers of a picture begin, but for the first. VP9 has a frame for each, and RTP does not carry the index by
/// which decoders find them: without it libvpx reads them one after the other, and others see the smallest picture only.
#[derive(Clone, Copy, Debug, Default)]
pub struct Superframe {
    starts: [usize; vp9::MAX_LAYERS - 1],
    count: usize,
}

impl Superframe {
    /// The frame is whole: appends the index of its layers, if there are several.
    pub fn conclude(self, frame: &mut Vec<u8>) {
        if self.count > 0 {
            vp9::append_index(frame, &self.starts[..self.count]);
        }
    }

    /// Another layer begins here.
    fn begin(&mut self, at: usize) -> Result<(), Malformed> {
        *self.starts.get_mut(self.count).ok_or(Malformed)? = at;
        self.count += 1;
        Ok(())
    }
}

/// Cuts `data` into parts of at most `max` bytes that differ by one byte at most: a small last packet would cost as
/// much as a large one.
fn even(data: &[u8], max: usize) -> impl ExactSizeIterator<Item = &[u8]> {
    let count = data.len().div_ceil(max.max(1));
    (0..count).map(move |at| &data[data.len() * at / count..data.len() * (at + 1) / count])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is cut is put together again, for every length around the limits.
    #[test]
    fn frames_survive_their_packets() {
        for format in [Format::Opus, Format::Vp8, Format::Vp9, Format::H264, Format::Av1] {
            for len in [1, 2, 50, 96, 97, 98, 99, 100, 101, 500, 5000] {
                for key in [true, false] {
                    check(format, len, key);
                }
            }
        }
    }

    fn check(format: Format, len: usize, key: bool) {
        let frame = sample(format, len, key);
        let (mut back, mut lasts, mut count) = (Vec::new(), 0, 0);
        let (mut begins, mut keyframe) = (Vec::new(), false);
        format.packetize(&frame, 0x7fff.into(), 100, &mut |parts, last| {
            let payload = parts.concat();
            assert!(payload.len() <= 100 || format == Format::Opus, "{format:?} {len}: {}", payload.len());
            let glimpse = format.glimpse(&payload).unwrap();
            begins.push(glimpse.begins);
            keyframe |= glimpse.keyframe;
            format.depacketize(&payload, &mut back, &mut Superframe::default()).unwrap();
            lasts += usize::from(last);
            count += 1;
            assert!(lasts == 0 || last, "nothing follows the last payload");
        });
        assert_eq!(back, frame, "{format:?} {len}");
        assert_eq!(
            (lasts, begins[0]),
            (1, key || !matches!(format, Format::H264 | Format::Av1)),
            "{format:?} {len}"
        );
        assert!(!begins[1..].contains(&true), "{format:?} {len}");
        assert_eq!(keyframe, key || !format.is_video(), "{format:?} {len}");
    }

    fn sample(format: Format, len: usize, key: bool) -> Vec<u8> {
        let mut data: Vec<u8> = (0..len).map(|i| u8::try_from(i % 251).unwrap() | 1).collect();
        match format {
            Format::Opus => data,
            Format::Vp8 => {
                data[0] = u8::from(!key);
                data
            }
            // A VP9 frame header: marker 2, profile 0, shown, and whether it is no keyframe.
            Format::Vp9 => {
                data[0] = 0x82 | u8::from(!key) << 2;
                data
            }
            // Sizes of four bytes, as a receiver writes them.
            Format::Av1 => {
                let [a, b] = [len & 0x7f, len >> 7].map(|seven| u8::try_from(seven).unwrap() | 0x80);
                let header = if key { &[0x0a, 0x81, 0x80, 0x80, 0, 5][..] } else { &[] };
                [header, &[0x32, a, b, 0x80, 0], &data].concat()
            }
            Format::H264 => {
                let mut frame = Vec::new();
                let mut units = vec![vec![if key { 0x65 } else { 0x41 }; 1]];
                units[0].extend(data);
                if key {
                    units.insert(0, vec![0x67, 1, 2, 3]);
                    units.insert(1, vec![0x68, 9]);
                }
                for unit in units {
                    frame.extend_from_slice(&[0, 0, 0, 1]);
                    frame.extend(unit);
                }
                frame
            }
        }
    }

    #[test]
    fn parts_are_even() {
        let lens = |len: usize, max| even(&[0; 100][..len], max).map(<[u8]>::len).collect::<Vec<_>>();
        assert_eq!(lens(10, 4), [3, 3, 4]);
        assert_eq!(lens(8, 4), [4, 4]);
        assert_eq!(lens(0, 4), [0; 0]);
    }
}
