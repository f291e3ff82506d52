//! Coefficients as tokens (RFC 6386 §13).

use super::range::Writer;
use super::tables::{BANDS, DEFAULTS};
use super::transform::Block;

/// What is above or beside and has coefficients: four columns of luma, two of each chroma, and the second-order block.
pub(super) type Neighbours = [bool; 9];

/// The kinds of blocks (RFC 6386 §13.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Luma without its first coefficient, which the second order has.
    Luma = 0,
    /// The first coefficients of luma.
    Second = 1,
    /// Chroma.
    Chroma = 2,
}

/// Beyond 4, values have a category: its least value and the chances of its further bits.
const CATEGORIES: [(i32, &[u8]); 6] = [
    (5, &[159]),
    (7, &[165, 145]),
    (11, &[173, 148, 140]),
    (19, &[176, 155, 140, 135]),
    (35, &[180, 157, 141, 134, 130]),
    (67, &[254, 254, 243, 230, 196, 177, 153, 140, 133, 130, 129]),
];

/// The largest value that can be written.
pub(super) const LARGEST: i32 = 67 + (1 << 11) - 1;

/// Writes a block in the order of [`super::tables::ZIGZAG`]; whether it has anything.
pub(super) fn write(to: &mut Writer, kind: Kind, block: &Block, neighbours: usize) -> bool {
    let first = usize::from(kind == Kind::Luma);
    let chances = &DEFAULTS[kind as usize];
    let end = block.iter().rposition(|value| *value != 0).map_or(first, |last| (last + 1).max(first));
    let (mut context, mut after_zero) = (neighbours, false);
    for at in first..end {
        let chances = &chances[BANDS[at]][context];
        if !after_zero {
            to.bit(chances[0], true);
        }
        let size = block[at].abs();
        after_zero = size == 0;
        to.bit(chances[1], size != 0);
        if size != 0 {
            magnitude(to, chances, size);
            to.bit(128, block[at] < 0);
        }
        context = usize::try_from(size.min(2)).unwrap_or(0);
    }
    if end < 16 {
        to.bit(chances[BANDS[end]][context][0], false);
    }
    end > first
}

fn magnitude(to: &mut Writer, chances: &[u8; 11], size: i32) {
    to.bit(chances[2], size > 1);
    if size == 1 {
        return;
    }
    to.bit(chances[3], size > 4);
    if size <= 4 {
        to.bit(chances[4], size > 2);
        if size > 2 {
            to.bit(chances[5], size == 4);
        }
        return;
    }
    let category = CATEGORIES.iter().rposition(|(least, _)| *least <= size).unwrap_or(0);
    to.bit(chances[6], category >= 2);
    match category {
        0 | 1 => to.bit(chances[7], category == 1),
        _ => {
            to.bit(chances[8], category >= 4);
            to.bit(chances[if category >= 4 { 10 } else { 9 }], category % 2 == 1);
        }
    }
    let (least, further) = CATEGORIES[category];
    for (chance, at) in further.iter().zip((0..further.len()).rev()) {
        to.bit(*chance, (size - least) >> at & 1 != 0);
    }
}
