//! Pictures as encoders take them.

/// A picture in 4:2:0: luma, and chroma of half the width and height (ITU-T H.264 §6.2, "I420").
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Picture {
    /// Pixels in a row, 16 to 16,383.
    pub width: usize,
    /// Rows, 16 to 16,383.
    pub height: usize,
    /// Luma, row by row.
    pub luma: Vec<u8>,
    /// Blue and red chroma, each `(width + 1) / 2` by `(height + 1) / 2`.
    pub chroma: [Vec<u8>; 2],
}

impl Picture {
    /// A black one.
    pub fn new(width: usize, height: usize) -> Self {
        let half = width.div_ceil(2) * height.div_ceil(2);
        Self { width, height, luma: vec![16; width * height], chroma: [vec![128; half], vec![128; half]] }
    }

    /// Reads one from its bytes, plane after plane; `None` if there are not as many as there must be.
    pub fn from_bytes(width: usize, height: usize, bytes: &[u8]) -> Option<Self> {
        let (full, half) = (width * height, width.div_ceil(2) * height.div_ceil(2));
        (bytes.len() == full + 2 * half).then(|| {
            let (luma, chroma) = bytes.split_at(full);
            let (blue, red) = chroma.split_at(half);
            Self { width, height, luma: luma.to_vec(), chroma: [blue.to_vec(), red.to_vec()] }
        })
    }

    /// Its bytes, plane after plane.
    pub fn to_bytes(&self) -> Vec<u8> {
        [&self.luma[..], &self.chroma[0], &self.chroma[1]].concat()
    }
}
