//! Any of the files as a row of frames with their times.

use std::io::{Read, Seek, SeekFrom};
use std::time::Duration;

use flow::payload::Format;

use crate::{Error, fill, h264, ivf, ogg, opus, resample::Resampler, wav, webm};

/// What pictures of a byte stream of H.264, which tells no times, are shown with.
const PACE: u32 = 30;
/// Bits per second of a WAVE file's sound.
const SOUND_RATE: u32 = 64_000;

/// Bytes read of a WebM file in one go.
const CHUNK: usize = 64 << 10;

/// A frame to be sent or played.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Its codec.
    pub format: Format,
    /// When it is to be played, from the beginning of the file.
    pub at: Duration,
    /// Whether it can be decoded without those before it.
    pub keyframe: bool,
    /// What a decoder takes.
    pub data: Vec<u8>,
}

/// Reads frames in the order of the file.
#[derive(Debug)]
pub struct Player<R>(Kind<R>);

#[derive(Debug)]
enum Kind<R> {
    Ogg(ogg::Reader<R>),
    Ivf(ivf::Reader<R>),
    Wav(Box<Sound<R>>),
    Webm(Box<Webm<R>>),
    H264 { reader: h264::Reader<R>, pace: u32, count: u32 },
}

/// The first sound and the first pictures of a file.
#[derive(Debug)]
struct Webm<R> {
    from: R,
    reader: webm::Reader,
    /// The tracks that are played: sound, pictures.
    tracks: [Option<(u64, Format)>; 2],
    first: Option<webm::Frame>,
}

/// Sound that is encoded as it is read.
#[derive(Debug)]
struct Sound<R> {
    reader: wav::Reader<R>,
    resamplers: Vec<Resampler>,
    encoder: opus::Encoder,
    /// At 48 kHz, a value for each channel in turn.
    held: Vec<f32>,
    frames: u32,
    ended: bool,
}

impl<R: Read + Seek> Player<R> {
    /// Opens a file by its first bytes. `pace` is the pictures per second of an H.264 byte stream, 30 if it is `None`.
    ///
    /// # Errors
    /// It is of no known kind, or malformed.
    pub fn new(mut from: R, pace: Option<u32>) -> Result<Self, Error> {
        let mut head = [0; 12];
        let len = fill(&mut from, &mut head)?;
        from.seek(SeekFrom::Start(0))?;
        let kind = match &head[..len] {
            [b'O', b'g', b'g', b'S', ..] => Kind::Ogg(ogg::Reader::new(from)?),
            [b'D', b'K', b'I', b'F', ..] => Kind::Ivf(ivf::Reader::new(from)?),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E'] => {
                Kind::Wav(Box::new(Sound::new(from)?))
            }
            [0x1a, 0x45, 0xdf, 0xa3, ..] => Kind::Webm(Box::new(Webm::new(from)?)),
            [0, 0, 1, ..] | [0, 0, 0, 1, ..] => Kind::H264 {
                reader: h264::Reader::new(from)?,
                pace: pace.unwrap_or(PACE).clamp(1, 240),
                count: 0,
            },
            _ => {
                return Err(Error::Unsupported(
                    "of no known kind; WebM and Matroska, Ogg with Opus, IVF with VP8, VP9 or AV1, WAVE, and H.264 byte streams can be played"
                        .to_owned(),
                ));
            }
        };
        Ok(Self(kind))
    }
}

impl<R: Read> Player<R> {
    /// What is in it: the codec of its sound, and that of its pictures.
    pub fn formats(&self) -> [Option<Format>; 2] {
        match &self.0 {
            Kind::Ogg(_) | Kind::Wav(_) => [Some(Format::Opus), None],
            Kind::Ivf(reader) => [None, Some(reader.header().format)],
            Kind::Webm(webm) => webm.tracks.map(|track| track.map(|(_, format)| format)),
            Kind::H264 { .. } => [None, Some(Format::H264)],
        }
    }

    /// The next frame; `None` at the end.
    ///
    /// # Errors
    /// What cannot be read; the frames before are good.
    pub fn read(&mut self) -> Result<Option<Frame>, Error> {
        match &mut self.0 {
            Kind::Ogg(reader) => {
                let skip = u64::from(reader.head().pre_skip);
                let packet = reader.read()?;
                Ok(packet.map(|packet| sound(packet.data, packet.sample.saturating_sub(skip))))
            }
            Kind::Ivf(reader) => {
                let header = reader.header();
                let frame = reader.read()?;
                Ok(frame.map(|frame| {
                    let at = Duration::from_nanos(header.nanos(frame.ticks));
                    let keyframe = is_keyframe(header.format, &frame.data);
                    Frame { format: header.format, at, keyframe, data: frame.data }
                }))
            }
            Kind::Wav(sound) => sound.read(),
            Kind::Webm(webm) => webm.read(),
            Kind::H264 { reader, pace, count } => {
                let at = Duration::from_secs(1) * *count / *pace;
                let unit = reader.read()?;
                *count += 1;
                Ok(unit.map(|unit| Frame {
                    format: Format::H264,
                    at,
                    keyframe: unit.keyframe,
                    data: unit.data,
                }))
            }
        }
    }
}

fn sound(data: Vec<u8>, sample: u64) -> Frame {
    let at = Duration::from_nanos(sample.saturating_mul(1_000_000) / 48);
    Frame { format: Format::Opus, at, keyframe: true, data }
}

/// Whether a frame can be decoded without those before it, as its packets will tell.
pub fn is_keyframe(format: Format, data: &[u8]) -> bool {
    let mut found = false;
    format.packetize(data, 0.into(), 1200, &mut |parts, _| {
        found |= !found && format.glimpse(&parts.concat()).is_ok_and(|glimpse| glimpse.keyframe);
    });
    found
}

impl<R: Read> Webm<R> {
    fn new(from: R) -> Result<Self, Error> {
        let mut webm = Self { from, reader: webm::Reader::new(), tracks: [None, None], first: None };
        // The tracks are known before the first frame is.
        webm.first = webm.next()?;
        let known = |video: bool| {
            let mut tracks =
                webm.reader.tracks().iter().filter_map(|track| Some((track.number, track.format?)));
            tracks.find(|(_, format)| format.is_video() == video)
        };
        webm.tracks = [known(false), known(true)];
        if webm.tracks == [None, None] {
            let found: Vec<&str> = webm.reader.tracks().iter().map(|track| track.codec_id.as_str()).collect();
            return Err(Error::Unsupported(format!(
                "a WebM or Matroska file with {}; Opus, VP8, VP9, AV1 and H.264 are known",
                if found.is_empty() { "nothing in it".to_owned() } else { found.join(", ") }
            )));
        }
        Ok(webm)
    }

    fn next(&mut self) -> Result<Option<webm::Frame>, Error> {
        loop {
            let frame = self.reader.next_frame().map_err(|error| Error::Unsupported(error.to_string()))?;
            if frame.is_some() {
                return Ok(frame);
            }
            let mut bytes = vec![0; CHUNK];
            let len = fill(&mut self.from, &mut bytes)?;
            if len == 0 {
                return Ok(None);
            }
            self.reader.push(&bytes[..len]);
        }
    }

    fn read(&mut self) -> Result<Option<Frame>, Error> {
        loop {
            let first = self.first.take();
            let Some(frame) = (if first.is_some() { first } else { self.next()? }) else { return Ok(None) };
            let played = self.tracks.into_iter().flatten().find(|(track, _)| *track == frame.track);
            if let Some((_, format)) = played {
                let keyframe = frame.keyframe || !format.is_video();
                return Ok(Some(Frame { format, at: frame.at, keyframe, data: frame.data }));
            }
        }
    }
}

impl<R: Read> Sound<R> {
    fn new(from: R) -> Result<Self, Error> {
        let reader = wav::Reader::new(from)?;
        // More than two channels are mixed into one.
        let channels = if reader.channels() == 2 { 2 } else { 1 };
        let encoder = opus::Encoder::new(channels, SOUND_RATE)
            .map_err(|error| Error::Unsupported(error.to_string()))?;
        let resamplers = vec![Resampler::new(reader.rate(), 48_000); channels.into()];
        Ok(Self { reader, resamplers, encoder, held: Vec::new(), frames: 0, ended: false })
    }

    fn read(&mut self) -> Result<Option<Frame>, Error> {
        let channels = self.resamplers.len();
        let frame = opus::FRAME * channels;
        while self.held.len() < frame && !self.ended {
            self.more()?;
        }
        if self.held.is_empty() {
            return Ok(None);
        }
        self.held.resize(self.held.len().max(frame), 0.0);
        let values: Vec<f32> = self.held.drain(..frame).collect();
        let data = self.encoder.encode(&values).map_err(|error| Error::Unsupported(error.to_string()))?;
        let sample = u64::from(self.frames) * opus::FRAME as u64;
        self.frames += 1;
        Ok(Some(sound(data, sample)))
    }

    fn more(&mut self) -> Result<(), Error> {
        let wide = usize::from(self.reader.channels());
        let moments = usize::try_from(self.reader.rate() / 50).unwrap_or(960);
        let mut values = self.reader.read(moments)?;
        self.ended = values.is_empty();
        if self.ended {
            // What the resamplers still hold.
            values = vec![0.0; wide * 32];
        }
        let channels = self.resamplers.len();
        let mut rows = Vec::with_capacity(channels);
        for (at, resampler) in self.resamplers.iter_mut().enumerate() {
            let row: Vec<f32> = values
                .chunks_exact(wide)
                .map(|moment| if channels == 2 { moment[at] } else { mean(moment) })
                .collect();
            rows.push(resampler.process(&row));
        }
        let count = rows.iter().map(Vec::len).min().unwrap_or(0);
        self.held.extend((0..count).flat_map(|at| rows.iter().map(move |row| row[at])));
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "at most eight")]
fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len() as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn read(bytes: Vec<u8>) -> (Vec<Frame>, [Option<Format>; 2]) {
        let mut player = Player::new(Cursor::new(bytes), Some(25)).unwrap();
        let formats = player.formats();
        (std::iter::from_fn(|| player.read().unwrap()).collect(), formats)
    }

    #[test]
    fn every_kind_of_file_is_played_with_its_times() {
        let pictures = ["-f", "lavfi", "-i", "testsrc=size=64x48:rate=25:duration=2"];
        let tone = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100:duration=2"];
        for (source, more, format) in [
            (pictures, &["-c:v", "libvpx", "-g", "25", "-f", "ivf", "-"][..], Format::Vp8),
            (
                pictures,
                &["-c:v", "libvpx-vp9", "-g", "25", "-lag-in-frames", "0", "-f", "ivf", "-"],
                Format::Vp9,
            ),
            (pictures, &["-c:v", "libx264", "-g", "25", "-f", "h264", "-"], Format::H264),
            (tone, &["-c:a", "libopus", "-f", "ogg", "-"], Format::Opus),
            (tone, &["-f", "wav", "-"], Format::Opus),
            (pictures, &["-c:v", "libvpx", "-g", "25", "-f", "webm", "-"], Format::Vp8),
        ] {
            let (frames, formats) = read(crate::testing::ffmpeg(&[&source[..], more].concat(), &[]));
            assert_eq!(formats.into_iter().flatten().collect::<Vec<_>>(), [format], "{format:?}");
            assert!(frames.is_sorted_by_key(|frame| frame.at), "{format:?}");
            let last = frames.last().unwrap().at;
            assert!((1.94..2.04).contains(&last.as_secs_f64()), "{format:?}: {last:?}");
            let keys = frames.iter().filter(|frame| frame.keyframe).count();
            assert_eq!(keys, if format == Format::Opus { frames.len() } else { 2 }, "{format:?}");
        }
        let error = Player::new(Cursor::new(b"%PDF-1.4"), None).unwrap_err().to_string();
        assert!(error.contains("no known kind"), "{error}");
    }

    /// A WAVE file is heard as it was.
    #[test]
    fn a_wave_file_is_encoded_whole() {
        let tone =
            ["-f", "lavfi", "-i", "sine=frequency=1000:sample_rate=16000:duration=1", "-f", "wav", "-"];
        let (frames, _) = read(crate::testing::ffmpeg(&tone, &[]));
        let mut decoder = opus::Decoder::new(1).unwrap();
        let heard: Vec<f32> = frames.iter().flat_map(|frame| decoder.decode(&frame.data).unwrap()).collect();
        assert!((48_000..50_000).contains(&heard.len()), "{}", heard.len());
        let rising = heard[2400..45_600].windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
        assert!((895..=905).contains(&rising), "{rising} waves in 0.9 s");
    }
}
