//! An encoder of VP8 (RFC 6386) for pictures that a program draws, in real time.
//!
//! Pictures are predicted from the one before without motion, or from what is above and beside (DC, vertical and
//! horizontal). What stays as it was costs a fraction of a bit a macroblock; what changes is written anew. The chances of
//! tokens are the format's own, and there is no loop filter. It needs no library of the system; for pictures of a camera
//! an encoder with motion search does better.

mod macroblock;
mod planes;
mod range;
mod tables;
mod tokens;
mod transform;

use macroblock::{Coded, Steps};
use planes::{Planes, fill, planes};
use range::Writer;
use tables::{MOTION_UPDATES, STILL, UPDATES};
use tokens::{Kind, Neighbours};

use crate::Picture;

/// The finest and the coarsest quantizer used: finer shows nothing more, coarser nothing any more.
const FINEST: i32 = 4;
const COARSEST: i32 = 120;
/// Of 256: how likely a macroblock of a later picture is predicted from the one before.
const INTER: u8 = 16;

/// Why pictures cannot be encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SizeError {
    /// The format counts 14 bits; below 16 there is nothing to see.
    Size(usize, usize),
}

impl std::fmt::Display for SizeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self::Size(width, height) = self;
        write!(f, "{width}x{height} cannot be encoded; both must be between 16 and 16383")
    }
}

impl std::error::Error for SizeError {}

/// An encoder of pictures of one size.
#[derive(Debug)]
pub struct Encoder {
    width: usize,
    height: usize,
    columns: usize,
    rows: usize,
    /// The quantizer of the next picture, in finer steps than it is written in.
    quantizer: f32,
    /// Bytes of a picture on average.
    budget: f32,
    /// Bytes that were written beyond the budget.
    debt: f32,
    source: Planes,
    /// What a decoder has after the last picture.
    shown: Planes,
    before: Planes,
    begun: bool,
}

/// An encoded picture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Encoded {
    /// What a decoder takes.
    pub data: Vec<u8>,
    /// Whether it needs none before it.
    pub keyframe: bool,
}

impl Encoder {
    /// For pictures of this size; `rate` is bits per second, `pace` pictures per second.
    ///
    /// # Errors
    /// The size cannot be written.
    pub fn new(width: usize, height: usize, rate: u32, pace: u32) -> Result<Self, SizeError> {
        let fits = |side: usize| (16..1 << 14).contains(&side);
        if !fits(width) || !fits(height) {
            return Err(SizeError::Size(width, height));
        }
        let (columns, rows) = (width.div_ceil(16), height.div_ceil(16));
        let mut encoder = Self {
            width,
            height,
            columns,
            rows,
            quantizer: 40.0,
            budget: 0.0,
            debt: 0.0,
            source: planes(columns, rows),
            shown: planes(columns, rows),
            before: planes(columns, rows),
            begun: false,
        };
        encoder.set_rate(rate, pace);
        Ok(encoder)
    }

    /// Another rate from the next picture on: bits per second, and pictures per second.
    #[expect(clippy::cast_precision_loss, reason = "a budget")]
    pub fn set_rate(&mut self, rate: u32, pace: u32) {
        self.budget = (rate as f32 / 8.0 / pace.max(1) as f32).max(50.0);
    }

    /// Encodes the next picture; the first is a keyframe in any case.
    ///
    /// # Panics
    /// The picture has another size than the encoder.
    pub fn encode(&mut self, picture: &Picture, keyframe: bool) -> Encoded {
        assert!((picture.width, picture.height) == (self.width, self.height), "a picture of another size");
        let keyframe = keyframe || !self.begun;
        self.begun = true;
        fill(&mut self.source, picture);
        std::mem::swap(&mut self.shown, &mut self.before);
        #[expect(clippy::cast_possible_truncation, reason = "it is between the bounds")]
        let index = self.quantizer as i32;
        let coded = self.code(keyframe, &Steps::new(index));
        let head = self.head(keyframe, index, &coded);
        let tokens = self.tokens(&coded);
        let data = self.frame(keyframe, &head, &tokens);
        self.follow(data.len(), keyframe);
        Encoded { data, keyframe }
    }

    /// The picture that a decoder has now.
    pub fn shown(&self) -> Picture {
        let crop = |plane: &planes::Plane, width: usize, height: usize| {
            plane
                .values
                .chunks_exact(plane.stride)
                .take(height)
                .flat_map(|row| &row[..width])
                .copied()
                .collect()
        };
        let (width, height) = (self.width.div_ceil(2), self.height.div_ceil(2));
        let [luma, blue, red] = &self.shown;
        Picture {
            width: self.width,
            height: self.height,
            luma: crop(luma, self.width, self.height),
            chroma: [crop(blue, width, height), crop(red, width, height)],
        }
    }

    fn code(&mut self, keyframe: bool, steps: &Steps) -> Vec<Coded> {
        let mut coded = Vec::with_capacity(self.columns * self.rows);
        for row in 0..self.rows {
            for column in 0..self.columns {
                let before = (!keyframe).then_some(&self.before);
                coded.push(macroblock::code(&self.source, before, &mut self.shown, (column, row), steps));
            }
        }
        coded
    }

    /// The first partition: what holds for the picture, and the modes of macroblocks (RFC 6386 §9, §19.2).
    fn head(&self, keyframe: bool, index: i32, coded: &[Coded]) -> Vec<u8> {
        let mut to = Writer::new();
        if keyframe {
            // The colour space is the only one, and values must be clamped.
            to.number(0, 2);
        }
        // No segments; no loop filter: its kind, level, sharpness and deltas; one partition of tokens.
        to.number(0, 1 + 1 + 6 + 3 + 1 + 2);
        to.number(index.unsigned_abs(), 7);
        // The quantizers of all kinds of coefficients follow from the one.
        to.number(0, 5);
        if !keyframe {
            // The golden and the alternate picture stay as they are.
            to.number(0, 2 + 2 + 2 + 2);
        }
        // The chances are kept.
        to.number(1, 1);
        if !keyframe {
            // It takes the place of the last picture.
            to.number(1, 1);
        }
        UPDATES.iter().flatten().flatten().flatten().for_each(|chance| to.bit(*chance, false));
        let written = coded.iter().filter(|block| !block.empty).count();
        // Whether a macroblock is without coefficients: 0 says that it has some.
        let has_some = u8::try_from(1 + 254 * written / coded.len().max(1)).unwrap_or(u8::MAX);
        to.number(1, 1);
        to.number(has_some.into(), 8);
        if !keyframe {
            to.number(INTER.into(), 8);
            // If so, it is from the last picture and no other.
            to.number(255, 8);
            to.number(128, 8);
            // The chances of intra modes stay.
            to.number(0, 2);
            MOTION_UPDATES.iter().flatten().for_each(|chance| to.bit(*chance, false));
        }
        for (at, block) in coded.iter().enumerate() {
            to.bit(has_some, block.empty);
            match (keyframe, block.mode) {
                (true, mode) => macroblock::write_intra_keyframe(&mut to, mode),
                (false, macroblock::Mode::Last) => {
                    to.bit(INTER, true);
                    to.bit(255, false);
                    to.bit(STILL[self.still_around(coded, at)], false);
                }
                (false, mode) => {
                    to.bit(INTER, false);
                    macroblock::write_intra(&mut to, mode);
                }
            }
        }
        to.finish()
    }

    /// How much the neighbours are predicted from the last picture: those above and beside count double (RFC 6386 §18.3).
    fn still_around(&self, coded: &[Coded], at: usize) -> usize {
        let (column, row) = (at % self.columns, at / self.columns);
        let inter =
            |there: bool, back: usize| usize::from(there && coded[at - back].mode == macroblock::Mode::Last);
        let (left, above) = (column > 0, row > 0);
        2 * inter(above, self.columns * usize::from(above))
            + 2 * inter(left, usize::from(left))
            + inter(left && above, (self.columns + 1) * usize::from(left && above))
    }

    /// The second partition: coefficients (RFC 6386 §13).
    fn tokens(&self, coded: &[Coded]) -> Vec<u8> {
        let mut to = Writer::new();
        let mut above: Vec<Neighbours> = vec![[false; 9]; self.columns];
        for row in coded.chunks_exact(self.columns) {
            let mut left: Neighbours = [false; 9];
            for (block, above) in row.iter().zip(&mut above) {
                if block.empty {
                    (left, *above) = ([false; 9], [false; 9]);
                    continue;
                }
                let mut write = |kind, coefficients, column: usize, row: usize| {
                    let around = usize::from(above[column]) + usize::from(left[row]);
                    let some = tokens::write(&mut to, kind, coefficients, around);
                    (above[column], left[row]) = (some, some);
                };
                write(Kind::Second, &block.second, 8, 8);
                for (at, coefficients) in block.luma.iter().enumerate() {
                    write(Kind::Luma, coefficients, at % 4, at / 4);
                }
                for (plane, blocks) in block.chroma.iter().enumerate() {
                    for (at, coefficients) in blocks.iter().enumerate() {
                        let first = 4 + 2 * plane;
                        write(Kind::Chroma, coefficients, first + at % 2, first + at / 2);
                    }
                }
            }
        }
        to.finish()
    }

    /// The uncompressed header (RFC 6386 §9.1), and both partitions.
    fn frame(&self, keyframe: bool, head: &[u8], tokens: &[u8]) -> Vec<u8> {
        let size = u32::try_from(head.len()).unwrap_or(u32::MAX);
        // Shown, version 0, and whether it is no keyframe.
        let tag = (size << 5 | 1 << 4 | u32::from(!keyframe)).to_le_bytes();
        let mut data = tag[..3].to_vec();
        if keyframe {
            data.extend([0x9d, 0x01, 0x2a]);
            for side in [self.width, self.height] {
                data.extend(u16::try_from(side).unwrap_or(u16::MAX).to_le_bytes());
            }
        }
        data.extend(head);
        data.extend(tokens);
        data
    }

    /// Chooses the next quantizer by what this picture took. A keyframe is paid for by those after it.
    #[expect(clippy::cast_precision_loss, reason = "bytes of one picture")]
    fn follow(&mut self, len: usize, keyframe: bool) {
        let len = len as f32;
        self.debt = (self.debt + len - self.budget).clamp(-10.0 * self.budget, 60.0 * self.budget);
        let over = if keyframe { 0.0 } else { (len / self.budget).clamp(0.1, 10.0).log2() };
        let step = 1.5 * over + 0.25 * (self.debt / self.budget).clamp(-10.0, 20.0);
        self.quantizer = (self.quantizer + step.clamp(-4.0, 8.0)).clamp(FINEST as f32, COARSEST as f32);
    }
}

#[cfg(test)]
mod tests;
