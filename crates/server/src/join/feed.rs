//! What frames come from: files, and the test pattern.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ::media::pattern::{Pattern, sound};
use ::media::play::{Frame, Player};
use ::media::vp8;
use ::media::{opus, play};
use anyhow::{Context as _, Result, anyhow};
use peer::Format;
use peer::rtp::extension::AudioLevel;

use super::outgoing::{Outgoing, Source, ticks};
use super::publish::Controls;

/// Bits per second of the pattern's sound.
const SOUND_RATE: u32 = 32_000;
/// Bits for each pixel of the pattern, in hundredths.
const BITS_PER_PIXEL: usize = 7;
/// What a layer needs at least, in bits per second.
const LEAST_RATE: u32 = 40_000;
/// Where the next round of a file begins after the end of its last frame.
const AFTER_LAST: Duration = Duration::from_millis(33);

/// The size and the pace of the pattern.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Shape {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Pictures per second.
    pub(crate) pace: u32,
}

impl std::str::FromStr for Shape {
    type Err = String;

    /// `640x360` or `640x360@30`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is no picture; say WIDTHxHEIGHT@RATE with even sides of 96 to 1920 and a rate of 1 to 60, \
                 such as 640x360@30"
            )
        };
        let (size, pace) = text.split_once('@').unwrap_or((text, "30"));
        let (width, height) = size.split_once('x').ok_or_else(wrong)?;
        let side = |text: &str| text.parse().ok().filter(|side| (96..=1920).contains(side) && side % 2 == 0);
        let pace = pace.parse().ok().filter(|pace| (1..=60).contains(pace));
        match (side(width), side(height), pace) {
            (Some(width), Some(height), Some(pace)) => Ok(Self { width, height, pace }),
            _ => Err(wrong()),
        }
    }
}

/// What frames come from.
pub(crate) enum Feed {
    File(Box<FileFeed>),
    Pictures(Box<Pictures>),
    Sound(Box<Tone>),
}

impl Feed {
    /// When the next frame is due, from the beginning; `None` when there is none any more.
    pub(crate) fn due(&self) -> Option<Duration> {
        match self {
            Self::File(file) => file.next.as_ref().map(|frame| file.base + frame.at),
            Self::Pictures(pictures) => Some(Duration::from_secs(1) * pictures.count / pictures.shape.pace),
            Self::Sound(tone) => Some(Duration::from_millis(20) * tone.count),
        }
    }

    /// What is due.
    ///
    /// # Errors
    /// A file cannot be read further.
    pub(crate) fn take(&mut self, controls: &Controls) -> Result<Vec<Outgoing>> {
        match self {
            Self::File(file) => file.take(),
            Self::Pictures(pictures) => Ok(pictures.take(controls)),
            Self::Sound(tone) => tone.take(),
        }
    }
}

/// A file.
pub(crate) struct FileFeed {
    path: PathBuf,
    pace: Option<u32>,
    again: bool,
    /// What its pictures are to the others.
    pictures: Source,
    player: Player<BufReader<File>>,
    next: Option<Frame>,
    /// When this round began.
    base: Duration,
    meter: Option<opus::Decoder>,
}

impl FileFeed {
    /// Opens a file.
    ///
    /// # Errors
    /// It cannot be read or played, and why.
    pub(crate) fn open(path: &Path, pace: Option<u32>, again: bool) -> Result<Self> {
        let mut player = open(path, pace)?;
        let next = player.read().with_context(|| format!("cannot play {}", path.display()))?;
        let next = Some(next.ok_or_else(|| anyhow!("cannot play {}: nothing is in it", path.display()))?);
        let meter = opus::Decoder::new(1).ok();
        let path = path.to_owned();
        Ok(Self { path, pace, again, pictures: Source::Camera, player, next, base: Duration::ZERO, meter })
    }

    /// The codecs of its sound and its pictures.
    pub(crate) fn formats(&self) -> [Option<Format>; 2] {
        self.player.formats()
    }

    /// Its pictures are shown as a screen.
    pub(crate) fn as_screen(&mut self) {
        self.pictures = Source::Screen;
    }

    fn take(&mut self) -> Result<Vec<Outgoing>> {
        let Some(mut frame) = self.next.take() else { return Ok(Vec::new()) };
        frame.at += self.base;
        let end = frame.at;
        let failed = || format!("cannot play {} any further", self.path.display());
        self.next = self.player.read().with_context(failed)?;
        if self.next.is_none() && self.again {
            self.player = open(&self.path, self.pace)?;
            self.base = end + AFTER_LAST;
            self.next = self.player.read().with_context(failed)?;
        }
        let source = if frame.format.is_video() { self.pictures } else { Source::Microphone };
        let mut out = Outgoing::of_file(source, frame);
        if source == Source::Microphone {
            out.level = self.meter.as_mut().and_then(|meter| Some(level(&meter.decode(&out.data).ok()?)));
        }
        Ok(vec![out])
    }
}

fn open(path: &Path, pace: Option<u32>) -> Result<Player<BufReader<File>>> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    play::Player::new(BufReader::new(file), pace).with_context(|| format!("cannot play {}", path.display()))
}

/// How loud it is (RFC 6464 §3): the mean power against that of a full-scale square wave.
fn level(values: &[f32]) -> AudioLevel {
    #[expect(clippy::cast_precision_loss, reason = "at most 5,760")]
    let power = values.iter().map(|value| value * value).sum::<f32>() / values.len().max(1) as f32;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 127")]
    let level = (-10.0 * power.max(1e-13).log10()).round().clamp(0.0, 127.0) as u8;
    AudioLevel { voice: level < 50, level }
}

/// The pictures of the pattern, in one size or in three.
pub(crate) struct Pictures {
    shape: Shape,
    layers: Vec<Layer>,
    count: u32,
}

struct Layer {
    pattern: Pattern,
    encoder: vp8::Encoder,
    rate: u32,
    /// It was left out, and goes on with a keyframe.
    paused: bool,
}

impl Pictures {
    /// In quarters, halves and the whole of a size that is large enough; else only that.
    ///
    /// # Errors
    /// A size that cannot be encoded.
    pub(crate) fn new(shape: Shape, name: &str) -> Result<Self> {
        let divisors: &[usize] = if shape.width.min(shape.height) >= 360 { &[4, 2, 1] } else { &[1] };
        let layer = |divisor: &usize| {
            let (width, height) = (shape.width / divisor / 2 * 2, shape.height / divisor / 2 * 2);
            let pixels = width * height * usize::try_from(shape.pace).unwrap_or(30);
            let rate = u32::try_from(pixels * BITS_PER_PIXEL / 100).unwrap_or(u32::MAX).max(LEAST_RATE);
            let encoder = vp8::Encoder::new(width, height, rate, shape.pace)?;
            anyhow::Ok(Layer { pattern: Pattern::new(width, height, name), encoder, rate, paused: false })
        };
        let layers = divisors.iter().map(layer).collect::<Result<_>>()?;
        Ok(Self { shape, layers, count: 0 })
    }

    /// Whether there are several sizes.
    pub(crate) fn is_simulcast(&self) -> bool {
        self.layers.len() > 1
    }

    fn take(&mut self, controls: &Controls) -> Vec<Outgoing> {
        let at = Duration::from_secs(1) * self.count / self.shape.pace;
        let count = self.layers.len();
        // One size has no name; it is the largest.
        let bit = |at: usize| if count == 1 { 2 } else { at };
        let wanted: Vec<usize> = (0..count).filter(|at| controls.wants(bit(*at))).collect();
        let whole: u64 = wanted.iter().map(|at| u64::from(self.layers[*at].rate)).sum();
        let most = controls.rate();
        let mut out = Vec::new();
        for (at_layer, layer) in self.layers.iter_mut().enumerate() {
            if !wanted.contains(&at_layer) {
                layer.paused = true;
                continue;
            }
            let share = u64::from(layer.rate) * most.min(whole) / whole.max(1);
            let share = u32::try_from(share).unwrap_or(u32::MAX).max(LEAST_RATE);
            layer.encoder.set_rate(share, self.shape.pace);
            let asked = controls.take_keyframe(bit(at_layer));
            let keyframe = std::mem::take(&mut layer.paused) || asked;
            let picture = layer.pattern.draw(self.count, net::unix_time());
            let encoded = layer.encoder.encode(&picture, keyframe);
            out.push(Outgoing {
                source: Source::Camera,
                layer: Some(bit(at_layer)),
                format: Format::Vp8,
                timestamp: ticks(at, Format::Vp8),
                keyframe: encoded.keyframe,
                data: encoded.data,
                level: None,
            });
        }
        self.count = self.count.wrapping_add(1);
        out
    }
}

/// The sound of the pattern.
pub(crate) struct Tone {
    name: String,
    encoder: opus::Encoder,
    count: u32,
    /// The first sample, counted from 1970.
    from: Option<u64>,
}

impl Tone {
    /// For a name.
    ///
    /// # Errors
    /// No memory.
    pub(crate) fn new(name: &str) -> Result<Self> {
        let encoder = opus::Encoder::new(1, SOUND_RATE)?;
        Ok(Self { name: name.to_owned(), encoder, count: 0, from: None })
    }

    fn take(&mut self) -> Result<Vec<Outgoing>> {
        let now = || u64::try_from(net::unix_time().as_nanos() * 48 / 1_000_000).unwrap_or(0);
        let from = *self.from.get_or_insert_with(now);
        let offset = u64::from(self.count) * opus::FRAME as u64;
        self.count += 1;
        let values = sound(&self.name, from + offset, opus::FRAME);
        let timestamp = u32::try_from(offset & u64::from(u32::MAX)).unwrap_or(0);
        Ok(vec![Outgoing {
            source: Source::Microphone,
            layer: None,
            format: Format::Opus,
            timestamp,
            keyframe: true,
            data: self.encoder.encode(&values)?,
            level: Some(level(&values)),
        }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_read() {
        let shape = |width, height, pace| Ok(Shape { width, height, pace });
        assert_eq!("640x360@25".parse::<Shape>(), shape(640, 360, 25));
        assert_eq!("320x180".parse::<Shape>(), shape(320, 180, 30));
        for text in ["", "640", "640x", "641x360", "64x48", "640x360@0", "640x360@61", "9999x360"] {
            assert!(text.parse::<Shape>().unwrap_err().contains("640x360@30"), "{text}");
        }
    }

    #[test]
    fn levels_are_those_of_rfc_6464() {
        for (value, wanted) in [(1.0, 0), (0.1, 20), (0.001, 60), (0.0, 127)] {
            assert_eq!(level(&[value; 960]).level, wanted);
        }
    }

    #[test]
    fn only_what_is_wanted_is_drawn_and_it_begins_with_a_keyframe() {
        let shape = Shape { width: 640, height: 360, pace: 30 };
        let mut pictures = Pictures::new(shape, "Ann").unwrap();
        let controls = Controls::default();
        let mut step = |wanted: &[&str]| -> Vec<(usize, bool)> {
            controls.set_wanted(wanted.iter().copied());
            pictures.take(&controls).iter().map(|out| (out.layer.unwrap(), out.keyframe)).collect()
        };
        assert_eq!(step(&["l", "h"]), [(0, true), (2, true)]);
        assert_eq!(step(&["l", "m", "h"]), [(0, false), (1, true), (2, false)]);
        assert_eq!(step(&[]), []);
        controls.want_keyframe(None);
        assert_eq!(step(&["m", "h"]), [(1, true), (2, true)]);
        assert_eq!(step(&["m", "h"]), [(1, false), (2, false)]);
    }
}
