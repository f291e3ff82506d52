//! One macroblock: how it is predicted, and what is written of the rest.

use super::planes::{Plane, Planes, difference};
use super::range::Writer;
use super::tables::{AC_STEPS, DC_STEPS, ZIGZAG};
use super::tokens::LARGEST;
use super::transform::{Block, cosine, cosine_back, walsh, walsh_back};

/// What a macroblock is predicted from, luma and chroma alike (RFC 6386 §12, §18).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    /// The same place in the last picture.
    Last,
    /// The mean of what is above and beside.
    Mean,
    /// The row above.
    Above,
    /// The column beside.
    Beside,
}

/// A macroblock as it is written. Coefficients are in the order of [`ZIGZAG`].
#[derive(Clone, Debug)]
pub(super) struct Coded {
    pub(super) mode: Mode,
    /// Without any coefficient.
    pub(super) empty: bool,
    pub(super) second: Block,
    pub(super) luma: [Block; 16],
    pub(super) chroma: [[Block; 4]; 2],
}

/// The steps of quantization: of the first coefficient and the others (RFC 6386 §9.6, §14.1).
pub(super) struct Steps {
    luma: (i32, i32),
    second: (i32, i32),
    chroma: (i32, i32),
}

impl Steps {
    pub(super) fn new(index: i32) -> Self {
        let index = usize::try_from(index).unwrap_or(0).min(127);
        let (dc, ac) = (DC_STEPS[index], AC_STEPS[index]);
        Self { luma: (dc, ac), second: (dc * 2, (ac * 155 / 100).max(8)), chroma: (dc.min(132), ac) }
    }
}

/// The differences of a macroblock below which nothing is written: invisible, and noise of the rounding.
const NOTHING: u32 = 16 * 16 / 2;

/// The differences below which the last picture is taken without looking further.
const STAYS: u32 = 16 * 16 * 3;

/// Codes a macroblock, and leaves in `shown` what a decoder makes of it.
pub(super) fn code(
    source: &Planes,
    before: Option<&Planes>,
    shown: &mut Planes,
    (column, row): (usize, usize),
    steps: &Steps,
) -> Coded {
    let wanted = source[0].square::<16>(column * 16, row * 16);
    let weigh = |mode, guess: [[u8; 16]; 16], dear: u32| (difference(&wanted, &guess) + dear, mode, guess);
    let mut best = before.map(|before| weigh(Mode::Last, before[0].square(column * 16, row * 16), 0));
    // Most of a drawn picture stays as it was: then nothing else needs to be tried.
    if best.is_none_or(|(cost, _, _)| cost >= STAYS) {
        // A mode that is less common takes more bits.
        let dear = if before.is_some() { 300 } else { 0 };
        for mode in intra_modes(column, row) {
            let other = weigh(mode, guess::<16>(&shown[0], column, row, mode), dear);
            best = best.filter(|best| best.0 <= other.0).or(Some(other));
        }
    }
    let (cost, mode, guess_luma) = best.expect("the mean can always be taken");
    let mut coded = Coded::empty(mode);
    let guess_chroma = [1, 2].map(|plane| match (mode, before) {
        (Mode::Last, Some(before)) => before[plane].square::<8>(column * 8, row * 8),
        _ => guess::<8>(&shown[plane], column, row, mode),
    });
    let chroma = [1, 2].map(|plane| source[plane].square::<8>(column * 8, row * 8));
    let colour: u32 = guess_chroma.iter().zip(&chroma).map(|(a, b)| difference(a, b)).sum();
    if mode != Mode::Last || cost + colour >= NOTHING {
        quantize(&mut coded, &wanted, &guess_luma, steps);
        for (plane, (wanted, guess)) in chroma.iter().zip(&guess_chroma).enumerate() {
            for at in 0..4 {
                let rest = rest(wanted, guess, at % 2 * 4, at / 2 * 4);
                coded.chroma[plane][at] = rounded(&cosine(&rest), steps.chroma, 0);
            }
        }
    }
    coded.empty = coded.is_empty();
    coded.show(shown, &guess_luma, &guess_chroma, (column, row), steps);
    coded
}

fn intra_modes(column: usize, row: usize) -> impl Iterator<Item = Mode> {
    let above = (row > 0).then_some(Mode::Above);
    let beside = (column > 0).then_some(Mode::Beside);
    [Some(Mode::Mean), above, beside].into_iter().flatten()
}

/// What is predicted from what is above and beside (RFC 6386 §12.2). Edges that are not there are never named, except by
/// the mean, which leaves them out.
fn guess<const N: usize>(shown: &Plane, column: usize, row: usize, mode: Mode) -> [[u8; N]; N] {
    let (x, y, stride) = (column * N, row * N, shown.stride);
    let above = |at: usize| shown.values[(y - 1) * stride + x + at];
    let beside = |at: usize| shown.values[(y + at) * stride + x - 1];
    match mode {
        Mode::Above => [std::array::from_fn(above); N],
        Mode::Beside => std::array::from_fn(|at| [beside(at); N]),
        Mode::Mean | Mode::Last => {
            let mut known = Vec::with_capacity(2 * N);
            if row > 0 {
                known.extend((0..N).map(above));
            }
            if column > 0 {
                known.extend((0..N).map(beside));
            }
            let sum: usize = known.iter().map(|value| usize::from(*value)).sum();
            let count = known.len();
            let mean = (sum + count / 2).checked_div(count).unwrap_or(128);
            [[u8::try_from(mean).unwrap_or(u8::MAX); N]; N]
        }
    }
}

/// What the prediction leaves of 4 by 4 pixels.
fn rest<const N: usize>(wanted: &[[u8; N]; N], guess: &[[u8; N]; N], x: usize, y: usize) -> [f32; 16] {
    std::array::from_fn(|at| {
        let (row, column) = (y + at / 4, x + at % 4);
        f32::from(wanted[row][column]) - f32::from(guess[row][column])
    })
}

/// Quantizes, in the order in which coefficients are written. What is less than two thirds of a step is left out: it
/// costs more than it shows.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a few thousand")]
fn rounded(values: &[f32; 16], (dc, ac): (i32, i32), first: usize) -> Block {
    std::array::from_fn(|at| {
        let step = if at == 0 { dc } else { ac };
        let value = values[ZIGZAG[at]] / step as f32;
        let size = (value.abs() + if at == 0 { 0.5 } else { 0.35 }) as i32;
        if at < first { 0 } else { size.min(LARGEST) * if value < 0.0 { -1 } else { 1 } }
    })
}

fn quantize(coded: &mut Coded, wanted: &[[u8; 16]; 16], guess: &[[u8; 16]; 16], steps: &Steps) {
    let mut firsts = [0.0; 16];
    for (at, first) in firsts.iter_mut().enumerate() {
        let values = cosine(&rest(wanted, guess, at % 4 * 4, at / 4 * 4));
        *first = values[0];
        coded.luma[at] = rounded(&values, steps.luma, 1);
    }
    coded.second = rounded(&walsh(&firsts), steps.second, 0);
}

/// The values that were quantized, in the order of rows.
fn restored(block: &Block, (dc, ac): (i32, i32)) -> Block {
    let mut out = [0; 16];
    for (at, value) in block.iter().enumerate() {
        out[ZIGZAG[at]] = value * if at == 0 { dc } else { ac };
    }
    out
}

impl Coded {
    const fn empty(mode: Mode) -> Self {
        Self { mode, empty: true, second: [0; 16], luma: [[0; 16]; 16], chroma: [[[0; 16]; 4]; 2] }
    }

    fn is_empty(&self) -> bool {
        let mut blocks = std::iter::once(&self.second).chain(&self.luma).chain(self.chroma.iter().flatten());
        blocks.all(|block| block.iter().all(|value| *value == 0))
    }

    /// What a decoder does (RFC 6386 §14.5).
    fn show(
        &self,
        shown: &mut Planes,
        luma: &[[u8; 16]; 16],
        chroma: &[[[u8; 8]; 8]; 2],
        (column, row): (usize, usize),
        steps: &Steps,
    ) {
        let (mut luma, mut chroma) = (*luma, *chroma);
        if !self.empty {
            let firsts = walsh_back(&restored(&self.second, steps.second));
            for (at, first) in firsts.into_iter().enumerate() {
                let mut values = restored(&self.luma[at], steps.luma);
                values[0] = first;
                add(&mut luma, at % 4 * 4, at / 4 * 4, &cosine_back(&values));
            }
            for (plane, blocks) in chroma.iter_mut().zip(&self.chroma) {
                for (at, block) in blocks.iter().enumerate() {
                    add(plane, at % 2 * 4, at / 2 * 4, &cosine_back(&restored(block, steps.chroma)));
                }
            }
        }
        shown[0].put(column * 16, row * 16, &luma);
        shown[1].put(column * 8, row * 8, &chroma[0]);
        shown[2].put(column * 8, row * 8, &chroma[1]);
    }
}

fn add<const N: usize>(to: &mut [[u8; N]; N], x: usize, y: usize, rest: &Block) {
    for (at, value) in rest.iter().enumerate() {
        let pixel = &mut to[y + at / 4][x + at % 4];
        *pixel = u8::try_from((i32::from(*pixel) + value).clamp(0, 255)).unwrap_or(0);
    }
}

/// The modes of a macroblock in a keyframe (RFC 6386 §11.2, §11.4).
pub(super) fn write_intra_keyframe(to: &mut Writer, mode: Mode) {
    to.bit(145, true);
    to.bit(156, mode == Mode::Beside);
    match mode {
        // Of the half with the horizontal mode this is the first.
        Mode::Beside => to.bit(128, false),
        Mode::Mean | Mode::Above | Mode::Last => to.bit(163, mode == Mode::Above),
    }
    write_chroma(to, mode, [142, 114, 183]);
}

/// The modes of a macroblock that is not predicted from the last picture (RFC 6386 §16.1).
pub(super) fn write_intra(to: &mut Writer, mode: Mode) {
    to.bit(112, mode != Mode::Mean);
    if mode != Mode::Mean {
        to.bit(86, false);
        to.bit(140, mode == Mode::Beside);
    }
    write_chroma(to, mode, [162, 101, 204]);
}

fn write_chroma(to: &mut Writer, mode: Mode, chances: [u8; 3]) {
    to.bit(chances[0], mode != Mode::Mean);
    if mode != Mode::Mean {
        to.bit(chances[1], mode == Mode::Beside);
        if mode == Mode::Beside {
            to.bit(chances[2], false);
        }
    }
}
