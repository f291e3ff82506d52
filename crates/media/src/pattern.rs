//! Test pictures and sounds: for people a name, a clock and something that moves; for programs a code of blocks from
//! which the frame and the time can be read, after any codec and at any size. A beep and a flash begin with each second
//! of the clock, so that sound and picture can be compared.
//!
//! The code is 28 by 4 blocks, black for 0, each a 32nd of the picture's width, at the bottom: 16 bits that follow from the
//! name, 32 of the frame's number, 48 of its time in milliseconds since 1970, 16 of a checksum; the highest bits first.

use std::time::Duration;

use font8x8::UnicodeFonts as _;

use crate::Picture;

const COLUMNS: usize = 28;
const ROWS: usize = 4;
/// The picture's width in blocks.
const BLOCKS: usize = 32;
/// How long flash and beep last.
const BEEP: u64 = 100;
/// Samples of sound in a second.
const RATE: u64 = 48_000;

/// What the code says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    /// [`tag`] of the name.
    pub tag: u16,
    /// The number of the picture, from 0; wraps.
    pub frame: u32,
    /// When it was drawn, in milliseconds since 1970.
    pub millis: u64,
}

/// A checksum of 16 bits (CRC-16/XMODEM).
fn checksum(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum: u16, byte| {
        (0..8).fold(
            sum ^ u16::from(*byte) << 8,
            |sum, _| {
                if sum & 0x8000 != 0 { sum << 1 ^ 0x1021 } else { sum << 1 }
            },
        )
    })
}

/// The 16 bits that stand for a name.
pub fn tag(name: &str) -> u16 {
    checksum(name.as_bytes())
}

/// The pitch of a name's beep: one of twelve between 523 and 988 Hz.
pub fn pitch(name: &str) -> f64 {
    523.25 * 2_f64.powf(f64::from(tag(name) % 12) / 12.0)
}

impl Mark {
    fn bytes(self) -> [u8; 14] {
        let mut bytes = [0; 14];
        bytes[..2].copy_from_slice(&self.tag.to_be_bytes());
        bytes[2..6].copy_from_slice(&self.frame.to_be_bytes());
        bytes[6..12].copy_from_slice(&self.millis.to_be_bytes()[2..]);
        let sum = checksum(&bytes[..12]);
        bytes[12..].copy_from_slice(&sum.to_be_bytes());
        bytes
    }

    /// Reads the code of a picture; `None` if it has none or it cannot be read.
    pub fn read(picture: &Picture) -> Option<Self> {
        let mut bytes = [0; 14];
        for at in 0..COLUMNS * ROWS {
            let (xs, ys) = block(picture, at);
            // The middle: codecs blur edges.
            let (wide, high) = (xs.len(), ys.len());
            let middle = ys.start + high / 4..ys.end - high / 4;
            let (mut sum, mut count) = (0, 0);
            for y in middle {
                for x in xs.start + wide / 4..xs.end - wide / 4 {
                    sum += usize::from(*picture.luma.get(y * picture.width + x)?);
                    count += 1;
                }
            }
            bytes[at / 8] |= u8::from(sum > count * 126) << (7 - at % 8);
        }
        let millis = u64::from_be_bytes([0, 0, bytes[6], bytes[7], bytes[8], bytes[9], bytes[10], bytes[11]]);
        let tag = u16::from_be_bytes([bytes[0], bytes[1]]);
        let frame = u32::from_be_bytes([bytes[2], bytes[3], bytes[4], bytes[5]]);
        let mark = Self { tag, frame, millis };
        (mark.bytes() == bytes && millis != 0).then_some(mark)
    }
}

/// Where a block of the code stands.
fn block(picture: &Picture, at: usize) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
    let (column, row) = (at % COLUMNS, at / COLUMNS);
    let edge = |blocks: usize| blocks * picture.width / BLOCKS;
    let x = 2 + column;
    let below = ROWS - row;
    let y = |blocks: usize| picture.height.saturating_sub(edge(blocks) + edge(1) / 2);
    (edge(x)..edge(x + 1), y(below)..y(below - 1))
}

/// Draws the pictures of one name at one size.
#[derive(Clone, Debug)]
pub struct Pattern {
    tag: u16,
    background: Picture,
}

impl Pattern {
    /// At 96 by 64 and more the code can be read; the size is even.
    pub fn new(width: usize, height: usize, name: &str) -> Self {
        let mut background = Picture::new(width, height);
        let tag = tag(name);
        let [colour, other] = tag.to_be_bytes();
        for (at, value) in background.luma.iter_mut().enumerate() {
            *value = u8::try_from(60 + at / width * 60 / height).unwrap_or(120);
        }
        background.chroma[0].fill(88 + colour % 80);
        background.chroma[1].fill(88 + other % 80);
        let strip = width * (ROWS + 1) / BLOCKS;
        fill(&mut background, 0, height.saturating_sub(strip), width, strip, 16);
        text(&mut background, height / 20, height / 20, height / 80 + 1, name);
        Self { tag, background }
    }

    /// The next picture, drawn at a time since 1970.
    pub fn draw(&self, frame: u32, time: Duration) -> Picture {
        let mut picture = self.background.clone();
        let millis = u64::try_from(time.as_millis()).unwrap_or(0) & ((1 << 48) - 1);
        let mark = Mark { tag: self.tag, frame, millis };
        let (width, height) = (picture.width, picture.height);
        let scale = height / 120 + 1;
        let second = millis / 1000;
        let clock = format!(
            "{:02}:{:02}:{:02}.{:03}",
            second / 3600 % 24,
            second / 60 % 60,
            second % 60,
            millis % 1000
        );
        text(&mut picture, height / 20, height / 5, scale, &clock);
        text(&mut picture, height / 20, height / 5 + 10 * scale, scale, &format!("#{frame}"));
        if millis % 1000 < BEEP {
            fill(&mut picture, width - height / 6, height / 20, height / 8, height / 8, 235);
        }
        moving(&mut picture, millis);
        for (at, byte) in
            mark.bytes().iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).enumerate()
        {
            if byte != 0 {
                let (xs, ys) = block(&picture, at);
                fill(&mut picture, xs.start, ys.start, xs.len(), ys.len(), 235);
            }
        }
        picture
    }
}

/// A chequered square that goes to and fro.
fn moving(picture: &mut Picture, millis: u64) {
    let side = picture.height / 6;
    let swing = |period: u64, room: usize| {
        let place = usize::try_from(millis % period).unwrap_or(0) * 2 * room
            / usize::try_from(period).unwrap_or(1).max(1);
        if place < room { place } else { 2 * room - place }
    };
    let x = swing(4100, picture.width.saturating_sub(side));
    let y = picture.height * 45 / 100 + swing(2300, picture.height / 10);
    let cell = (side / 6).max(1);
    for row in 0..side {
        for column in 0..side {
            let value = if (row / cell + column / cell).is_multiple_of(2) { 200 } else { 40 };
            put(picture, x + column, y + row, value);
        }
    }
}

fn put(picture: &mut Picture, x: usize, y: usize, value: u8) {
    if x < picture.width
        && let Some(pixel) = picture.luma.get_mut(y * picture.width + x)
    {
        *pixel = value;
    }
}

fn fill(picture: &mut Picture, x: usize, y: usize, width: usize, height: usize, value: u8) {
    (y..y + height).for_each(|y| (x..x + width).for_each(|x| put(picture, x, y, value)));
}

/// Writes a line; characters that the font lacks are shown as a question mark.
fn text(picture: &mut Picture, x: usize, y: usize, scale: usize, line: &str) {
    for (at, letter) in line.chars().take(64).enumerate() {
        let fonts = [
            font8x8::BASIC_FONTS.get(letter),
            font8x8::LATIN_FONTS.get(letter),
            font8x8::GREEK_FONTS.get(letter),
        ];
        let glyph =
            fonts.into_iter().flatten().next().or_else(|| font8x8::BASIC_FONTS.get('?')).unwrap_or_default();
        for (row, bits) in glyph.into_iter().enumerate() {
            for column in (0..8).filter(|column| bits >> column & 1 != 0) {
                fill(picture, x + (at * 8 + column) * scale, y + row * scale, scale, scale, 235);
            }
        }
    }
}

/// The sound of a name: samples of 48 kHz from a moment on, counted from 1970; silence but for the beeps.
pub fn sound(name: &str, from: u64, count: usize) -> Vec<f32> {
    let pitch = pitch(name);
    let beep = RATE * BEEP / 1000;
    (0..count as u64)
        .map(|at| {
            let place = (from + at) % RATE;
            if place >= beep {
                return 0.0;
            }
            // It swells and fades for 5 ms, so that it does not click.
            let edge = place.min(beep - 1 - place).min(240);
            #[expect(clippy::cast_precision_loss, reason = "below 48,000")]
            let (phase, edge) = (place as f64 / RATE as f64 * pitch, edge as f64 / 240.0);
            #[expect(clippy::cast_possible_truncation, reason = "a sine")]
            let value = (0.35 * edge * (std::f64::consts::TAU * phase).sin()) as f32;
            value
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vp8::Encoder;

    const NOON: Duration = Duration::from_millis(1_767_225_600_123);

    #[test]
    fn the_code_is_read_at_any_size_after_the_codec() {
        for (width, height, rate) in [
            (96, 64, 100_000),
            (320, 180, 120_000),
            (640, 360, 500_000),
            (1280, 720, 1_500_000),
            (360, 640, 300_000),
        ] {
            let pattern = Pattern::new(width, height, "Ann");
            let mut encoder = Encoder::new(width, height, rate, 30).unwrap();
            for frame in 0..60 {
                let picture = pattern.draw(frame, NOON + Duration::from_millis(33) * frame);
                let millis = u64::try_from(NOON.as_millis()).unwrap() + 33 * u64::from(frame);
                let wanted = Mark { tag: tag("Ann"), frame, millis };
                assert_eq!(Mark::read(&picture), Some(wanted));
                encoder.encode(&picture, false);
                assert_eq!(Mark::read(&encoder.shown()), Some(wanted), "{width}x{height} {frame}");
            }
        }
        assert_eq!(Mark::read(&Picture::new(640, 360)), None);
    }

    #[test]
    fn the_rate_is_kept() {
        for (width, height, rate) in [(320, 180, 150_000_u32), (640, 360, 500_000)] {
            let pattern = Pattern::new(width, height, "Bob");
            let mut encoder = Encoder::new(width, height, rate, 30).unwrap();
            let encode =
                |frame| encoder.encode(&pattern.draw(frame, NOON + Duration::from_millis(33) * frame), false);
            let lens: Vec<usize> = (0..300).map(encode).map(|encoded| encoded.data.len()).collect();
            let average = lens[30..].iter().sum::<usize>() * 8 / 9;
            assert!(average < rate as usize * 6 / 5, "{average} of {rate}: {:?}", &lens[..40]);
        }
    }

    #[test]
    fn the_beep_begins_with_the_second() {
        let whole = sound("Ann", 100 * RATE - 500, 48_000);
        let loud: Vec<usize> = (0..whole.len()).filter(|at| whole[*at].abs() > 0.01).collect();
        assert!((500..520).contains(&loud[0]) && (5_200..5_300).contains(loud.last().unwrap()), "{loud:?}");
        let halves = [sound("Ann", 0, 700), sound("Ann", 700, 300)].concat();
        assert_eq!(halves, sound("Ann", 0, 1000));
    }
}
