//! A picture in whole macroblocks.

use crate::Picture;

/// One plane, padded to whole macroblocks.
#[derive(Clone, Debug)]
pub(super) struct Plane {
    pub(super) stride: usize,
    pub(super) values: Vec<u8>,
}

/// Luma and both chroma.
pub(super) type Planes = [Plane; 3];

impl Plane {
    fn new(stride: usize, rows: usize) -> Self {
        Self { stride, values: vec![0; stride * rows] }
    }

    /// Takes a picture's plane; what is beyond its edges repeats them.
    fn fill(&mut self, from: &[u8], width: usize) {
        let rows = from.chunks_exact(width);
        let mut last: &[u8] = from;
        let mut rows = rows.inspect(|_| {});
        for to in self.values.chunks_exact_mut(self.stride) {
            let row = rows.next().unwrap_or(last);
            last = row;
            to[..width].copy_from_slice(&row[..width]);
            let edge = row[width - 1];
            to[width..].fill(edge);
        }
    }

    /// The square of this side at a place.
    pub(super) fn square<const N: usize>(&self, x: usize, y: usize) -> [[u8; N]; N] {
        std::array::from_fn(|row| {
            let at = (y + row) * self.stride + x;
            std::array::from_fn(|column| self.values[at + column])
        })
    }

    pub(super) fn put<const N: usize>(&mut self, x: usize, y: usize, square: &[[u8; N]; N]) {
        for (row, values) in square.iter().enumerate() {
            let at = (y + row) * self.stride + x;
            self.values[at..at + N].copy_from_slice(values);
        }
    }
}

/// Planes for so many macroblocks.
pub(super) fn planes(columns: usize, rows: usize) -> Planes {
    [(16, 16), (8, 8), (8, 8)].map(|(w, h)| Plane::new(columns * w, rows * h))
}

/// Takes a picture.
pub(super) fn fill(planes: &mut Planes, picture: &Picture) {
    let [luma, blue, red] = planes;
    luma.fill(&picture.luma, picture.width);
    let half = picture.width.div_ceil(2);
    blue.fill(&picture.chroma[0], half);
    red.fill(&picture.chroma[1], half);
}

/// The differences of two squares, in sum.
pub(super) fn difference<const N: usize>(a: &[[u8; N]; N], b: &[[u8; N]; N]) -> u32 {
    a.iter().flatten().zip(b.iter().flatten()).map(|(a, b)| u32::from(a.abs_diff(*b))).sum()
}
