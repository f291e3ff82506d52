//! The transforms of 4 by 4 values (RFC 6386 §14). Back they are exact, for every decoder must find the same; forth they
//! need not be.

/// Sixteen values, row by row.
pub(super) type Block = [i32; 16];

/// √2 cos(π/8) and √2 sin(π/8).
const LONG: f32 = 1.306_563;
const SHORT: f32 = 0.541_196_1;

/// What gives a row of 4 values: the transpose of what the way back does.
fn forth([a, b, c, d]: [f32; 4]) -> [f32; 4] {
    let (outer, inner) = (a - d, b - c);
    [a + b + c + d, LONG * outer + SHORT * inner, a - b - c + d, SHORT * outer - LONG * inner]
}

fn both(values: &[f32; 16], row: fn([f32; 4]) -> [f32; 4]) -> [f32; 16] {
    let mut rows = [0.0; 16];
    for at in 0..4 {
        let [a, b, c, d] = row([values[at * 4], values[at * 4 + 1], values[at * 4 + 2], values[at * 4 + 3]]);
        (rows[at], rows[4 + at], rows[8 + at], rows[12 + at]) = (a, b, c, d);
    }
    let mut out = [0.0; 16];
    for at in 0..4 {
        let [a, b, c, d] = row([rows[at * 4], rows[at * 4 + 1], rows[at * 4 + 2], rows[at * 4 + 3]]);
        (out[at], out[4 + at], out[8 + at], out[12 + at]) = (a / 2.0, b / 2.0, c / 2.0, d / 2.0);
    }
    out
}

/// The cosine transform of differences.
pub(super) fn cosine(values: &[f32; 16]) -> [f32; 16] {
    both(values, forth)
}

/// The Walsh-Hadamard transform of the first coefficients.
pub(super) fn walsh(values: &[f32; 16]) -> [f32; 16] {
    both(values, |[a, b, c, d]| [a + b + c + d, a + b - c - d, a - b - c + d, a - b + c - d])
}

/// The cosine transform back (RFC 6386 §14.3).
pub(super) fn cosine_back(input: &Block) -> Block {
    let long = |value: i32| value + ((value * 20_091) >> 16);
    let short = |value: i32| (value * 35_468) >> 16;
    let back = |[a, b, c, d]: [i32; 4]| {
        let (sum, difference) = (a + c, a - c);
        let (odd, even) = (short(b) - long(d), long(b) + short(d));
        [sum + even, difference + odd, difference - odd, sum - even]
    };
    let mut columns = [0; 16];
    for at in 0..4 {
        let [a, b, c, d] = back([input[at], input[4 + at], input[8 + at], input[12 + at]]);
        (columns[at], columns[4 + at], columns[8 + at], columns[12 + at]) = (a, b, c, d);
    }
    let mut out = [0; 16];
    for (row, values) in out.chunks_exact_mut(4).zip(columns.chunks_exact(4)) {
        let values = back([values[0], values[1], values[2], values[3]]);
        for (to, value) in row.iter_mut().zip(values) {
            *to = (value + 4) >> 3;
        }
    }
    out
}

/// The Walsh-Hadamard transform back (RFC 6386 §14.3).
pub(super) fn walsh_back(input: &Block) -> Block {
    let back = |[a, b, c, d]: [i32; 4]| [a + b + c + d, a + b - c - d, a - b - c + d, a - b + c - d];
    let mut columns = [0; 16];
    for at in 0..4 {
        let [a, b, c, d] = back([input[at], input[4 + at], input[8 + at], input[12 + at]]);
        (columns[at], columns[4 + at], columns[8 + at], columns[12 + at]) = (a, b, c, d);
    }
    let mut out = [0; 16];
    for (row, values) in out.chunks_exact_mut(4).zip(columns.chunks_exact(4)) {
        let values = back([values[0], values[1], values[2], values[3]]);
        for (to, value) in row.iter_mut().zip(values) {
            *to = (value + 3) >> 3;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// There and back again differs by a rounding at most.
    #[test]
    fn back_undoes_forth() {
        let mut rng = wire::Rng::from_number(4);
        for _ in 0..200 {
            let values: [i32; 16] = std::array::from_fn(|_| i32::from(rng.array::<1>()[0]) - 128);
            #[expect(clippy::cast_precision_loss, reason = "a byte")]
            let floats = values.map(|value| value as f32);
            #[expect(clippy::cast_possible_truncation, reason = "a few thousand")]
            let whole = |values: [f32; 16]| values.map(|value| value.round() as i32);
            let near = |found: Block| found.iter().zip(values).all(|(a, b)| (a - b).abs() <= 1);
            assert!(near(cosine_back(&whole(cosine(&floats)))), "{values:?}");
            assert!(near(walsh_back(&whole(walsh(&floats)))), "{values:?}");
        }
    }
}
