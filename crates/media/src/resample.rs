//! Sound at another rate: a windowed sinc in phases, for one channel.

/// How far to each side a value is made from, in samples of the slower rate.
const REACH: usize = 16;
/// The part of the band that is kept.
const BAND: f32 = 0.92;

/// From one rate to another. Everything comes out later by [`REACH`] samples of the slower rate.
#[derive(Clone, Debug)]
pub struct Resampler {
    /// Steps of the input for so many values of the output.
    from: usize,
    to: usize,
    /// For each phase the weights of the input.
    phases: Vec<Vec<f32>>,
    held: Vec<f32>,
    /// Where the next value is made, in `to`ths of a sample of what is held.
    at: usize,
}

impl Resampler {
    /// From so many samples per second to so many; both are 1 at least.
    pub fn new(from: u32, to: u32) -> Self {
        let (from, to) = (from.max(1), to.max(1));
        let divisor = gcd(from, to);
        let whole = |rate: u32| usize::try_from(rate / divisor).unwrap_or(usize::MAX);
        let (from, to) = (whole(from), whole(to));
        // Going down, what is above the new band is taken out.
        let scale = ratio(from, to).max(1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is small and positive"
        )]
        let half = (ratio(REACH, 1) * scale).ceil() as usize;
        let phases = (0..to).map(|phase| weights(half, ratio(phase, to), scale)).collect();
        Self { from, to, phases, held: vec![0.0; half], at: 0 }
    }

    /// Takes the next samples and gives those that can be made.
    pub fn process(&mut self, input: &[f32]) -> Vec<f32> {
        if self.from == self.to {
            return input.to_vec();
        }
        self.held.extend_from_slice(input);
        let mut out = Vec::with_capacity(input.len() * self.to / self.from + 1);
        let taps = self.phases[0].len();
        while self.at / self.to + taps <= self.held.len() {
            let (first, phase) = (self.at / self.to, self.at % self.to);
            out.push(
                self.held[first..first + taps].iter().zip(&self.phases[phase]).map(|(a, b)| a * b).sum(),
            );
            self.at += self.from;
        }
        let done = (self.at / self.to).min(self.held.len());
        self.held.drain(..done);
        self.at -= done * self.to;
        out
    }
}

/// The weights of the samples around a place between two of them, in all 1.
fn weights(half: usize, place: f32, scale: f32) -> Vec<f32> {
    let weight = |at: usize| {
        let distance = (ratio(at, 1) - ratio(half, 1) + 1.0 - place) / scale;
        let angle = std::f32::consts::PI * distance * BAND;
        let sinc = if angle.abs() < 1e-6 { 1.0 } else { angle.sin() / angle };
        let window = (distance * std::f32::consts::PI / (2.0 * ratio(REACH, 1))).cos();
        if distance.abs() >= ratio(REACH, 1) { 0.0 } else { sinc * window * window }
    };
    let all: Vec<f32> = (0..2 * half).map(weight).collect();
    let sum: f32 = all.iter().sum();
    all.into_iter().map(|weight| weight / sum).collect()
}

#[expect(clippy::cast_precision_loss, reason = "rates and lengths are far below 2^23")]
fn ratio(a: usize, b: usize) -> f32 {
    a as f32 / b as f32
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tone keeps its frequency and loudness, and one above the new band goes.
    #[test]
    fn tones_stay_and_aliases_do_not_come() {
        for (from, to, tone, stays) in [
            (8_000, 48_000, 1_000.0, true),
            (44_100, 48_000, 5_000.0, true),
            (48_000, 48_000, 5_000.0, true),
            (96_000, 48_000, 10_000.0, true),
            (96_000, 48_000, 30_000.0, false),
            (48_000, 8_000, 1_000.0, true),
            (48_000, 8_000, 6_000.0, false),
        ] {
            let mut resampler = Resampler::new(from, to);
            let wave =
                |at: u32, rate: u32| (std::f64::consts::TAU * tone * f64::from(at) / f64::from(rate)).sin();
            #[expect(clippy::cast_possible_truncation, reason = "a sine")]
            let input: Vec<f32> = (0..from).map(|at| wave(at, from) as f32).collect();
            // In pieces of uneven length it is the same as at once.
            let found: Vec<f32> = input.chunks(777).flat_map(|piece| resampler.process(piece)).collect();
            assert_eq!(Resampler::new(from, to).process(&input), found);
            assert!(found.len().abs_diff(to as usize) < 300, "{from} to {to}: {}", found.len());
            let middle = &found[to as usize / 4..to as usize / 2];
            let power = middle.iter().map(|v| v * v).sum::<f32>() / ratio(middle.len(), 1);
            assert!(
                if stays { (power - 0.5).abs() < 0.02 } else { power < 1e-4 },
                "{from} to {to}: {tone} {power}"
            );
            let rising = middle.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
            let wanted = tone * f64::from(to) / 4.0 / f64::from(to);
            assert!(
                !stays || (f64::from(u32::try_from(rising).unwrap()) - wanted).abs() < 3.0,
                "{rising} {wanted}"
            );
        }
    }
}
