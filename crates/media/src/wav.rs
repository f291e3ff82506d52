//! PCM in RIFF/WAVE files: 8, 16, 24 and 32 bits, and floating point.

use std::io::Read;

use crate::{Error, fill};

/// The longest chunk that is passed over before the sound.
const LONGEST_CHUNK: u64 = 16 << 20;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sample {
    U8,
    S16,
    S24,
    S32,
    F32,
}

/// Reads samples.
#[derive(Debug)]
pub struct Reader<R> {
    from: R,
    sample: Sample,
    channels: u16,
    rate: u32,
    /// Bytes of sound that are left.
    left: u64,
}

impl<R: Read> Reader<R> {
    /// Reads up to the sound.
    ///
    /// # Errors
    /// It is no WAVE file, or of a form that is not known.
    pub fn new(mut from: R) -> Result<Self, Error> {
        let mut head = [0; 12];
        if fill(&mut from, &mut head)? < 12 || &head[..4] != b"RIFF" || &head[8..] != b"WAVE" {
            return Err(Error::Malformed("this is no WAVE file", 0));
        }
        let (mut at, mut form) = (12, None);
        loop {
            let mut chunk = [0; 8];
            if fill(&mut from, &mut chunk)? < 8 {
                return Err(Error::Malformed("the file ends before its sound", at));
            }
            let len = u64::from(u32::from_le_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]));
            if &chunk[..4] == b"data" {
                let (sample, channels, rate) = form.ok_or(Error::Malformed("sound before its format", at))?;
                // Who writes to a pipe does not know how long it will be.
                let left = if len == 0 || len >= 0xffff_ff00 { u64::MAX } else { len };
                return Ok(Self { from, sample, channels, rate, left });
            }
            if len > LONGEST_CHUNK {
                return Err(Error::Malformed("a chunk of more than 16 MiB before the sound", at));
            }
            let mut body = Vec::new();
            // Chunks are padded to an even length.
            from.by_ref().take(len + (len & 1)).read_to_end(&mut body)?;
            if &chunk[..4] == b"fmt " {
                form = Some(form_of(&body, at)?);
            }
            at += 8 + len + (len & 1);
        }
    }

    /// Samples per second, 1,000 to 384,000.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// How many are heard at once, 1 to 8.
    pub fn channels(&self) -> u16 {
        self.channels
    }

    /// The next moments, at most so many, each with a value of -1 to 1 for each channel; fewer at the end.
    ///
    /// # Errors
    /// What the system says.
    pub fn read(&mut self, moments: usize) -> Result<Vec<f32>, Error> {
        let width = match self.sample {
            Sample::U8 => 1,
            Sample::S16 => 2,
            Sample::S24 => 3,
            Sample::S32 | Sample::F32 => 4,
        };
        let moment = width * usize::from(self.channels);
        let most = usize::try_from(self.left).unwrap_or(usize::MAX) / moment;
        let mut bytes = vec![0; moments.min(most) * moment];
        let len = fill(&mut self.from, &mut bytes)?;
        bytes.truncate(len - len % moment);
        if self.left != u64::MAX {
            self.left -= len as u64;
        }
        Ok(bytes.chunks_exact(width).map(|bytes| self.sample.value(bytes)).collect())
    }
}

impl Sample {
    #[expect(clippy::cast_precision_loss, reason = "24 bits of 32 are more than anybody hears")]
    fn value(self, bytes: &[u8]) -> f32 {
        match (self, bytes) {
            (Self::U8, [byte]) => (f32::from(*byte) - 128.0) / 128.0,
            (Self::S16, [a, b]) => f32::from(i16::from_le_bytes([*a, *b])) / 32_768.0,
            (Self::S24, [a, b, c]) => (i32::from_le_bytes([0, *a, *b, *c]) >> 8) as f32 / 8_388_608.0,
            (Self::S32, [a, b, c, d]) => i32::from_le_bytes([*a, *b, *c, *d]) as f32 / 2_147_483_648.0,
            (Self::F32, [a, b, c, d]) => {
                let value = f32::from_le_bytes([*a, *b, *c, *d]);
                if value.is_finite() { value.clamp(-1.0, 1.0) } else { 0.0 }
            }
            _ => 0.0,
        }
    }
}

/// Reads the format chunk; the extensible form says the same further back.
fn form_of(body: &[u8], at: u64) -> Result<(Sample, u16, u32), Error> {
    let u16_at = |at: usize| body.get(at..at + 2).map(|b| u16::from_le_bytes([b[0], b[1]]));
    let short = || Error::Malformed("the format of the sound is too short", at);
    let channels = u16_at(2).ok_or_else(short)?;
    let rate = body.get(4..8).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).ok_or_else(short)?;
    let bits = u16_at(14).ok_or_else(short)?;
    let kind = match u16_at(0).ok_or_else(short)? {
        0xfffe => u16_at(24).ok_or_else(short)?,
        kind => kind,
    };
    let sample = match (kind, bits) {
        (1, 8) => Sample::U8,
        (1, 16) => Sample::S16,
        (1, 24) => Sample::S24,
        (1, 32) => Sample::S32,
        (3, 32) => Sample::F32,
        _ => {
            return Err(Error::Unsupported(format!(
                "sound of kind {kind} with {bits} bits in WAVE; PCM of 8, 16, 24 or 32 bits and floating point of 32 are known"
            )));
        }
    };
    if !(1..=8).contains(&channels) || !(1_000..=384_000).contains(&rate) {
        return Err(Error::Unsupported(format!(
            "{channels} channels at {rate} Hz; 1 to 8 channels at 1,000 to 384,000 Hz are known"
        )));
    }
    Ok((sample, channels, rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_ffmpeg_are_read_in_every_form() {
        for (codec, near) in [
            ("pcm_u8", 0.02),
            ("pcm_s16le", 1e-4),
            ("pcm_s24le", 1e-4),
            ("pcm_s32le", 1e-4),
            ("pcm_f32le", 1e-4),
        ] {
            let tone = "aevalsrc=0.5*sin(2*PI*100*t)|0.25:s=8000:d=0.5";
            let file =
                crate::testing::ffmpeg(&["-f", "lavfi", "-i", tone, "-c:a", codec, "-f", "wav", "-"], &[]);
            let mut reader = Reader::new(&file[..]).unwrap();
            assert_eq!((reader.rate(), reader.channels()), (8000, 2));
            let (mut found, mut first) = (Vec::new(), true);
            loop {
                let some = reader.read(333).unwrap();
                assert!(!first || some.len() == 666);
                first = false;
                if some.is_empty() {
                    break;
                }
                found.extend(some);
            }
            assert_eq!(found.len(), 8000, "{codec}");
            for (at, moment) in found.chunks(2).enumerate() {
                #[expect(clippy::cast_precision_loss, reason = "below 4000")]
                let wanted = 0.5 * (2.0 * std::f32::consts::PI * 100.0 * at as f32 / 8000.0).sin();
                assert!((moment[0] - wanted).abs() < near && (moment[1] - 0.25).abs() < near, "{codec} {at}");
            }
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        let head = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\xbb\0\0\0\x77\x01\0\x02\0\x10\0data\x04\0\0\0abcd";
        assert_eq!(Reader::new(&head[..]).unwrap().read(9).unwrap().len(), 2);
        for (at, with, said) in [
            (0, 0, "no WAVE"),
            (20, 7, "kind 7"),
            (22, 0, "0 channels"),
            (36, 0, "ends before"),
            (12, 0, "before its format"),
        ] {
            let mut bytes = head.to_vec();
            bytes[at] = with;
            let error = Reader::new(&bytes[..]).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
