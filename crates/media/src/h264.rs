//! An H.264 byte stream (ITU-T H.264 Annex B), cut into access units.

use std::io::Read;

use crate::{Error, fill};

/// The longest access unit, in bytes.
pub const LONGEST: usize = 16 << 20;
/// Bytes read in one go.
const CHUNK: usize = 64 << 10;

const SLICE: u8 = 1;
const IDR: u8 = 5;
const SEI: u8 = 6;
const SPS: u8 = 7;
const PPS: u8 = 8;
const DELIMITER: u8 = 9;

/// Reads access units: each is a picture with what belongs to it.
#[derive(Debug)]
pub struct Reader<R> {
    from: R,
    /// What was read and not given, from its first start code on.
    buffer: Vec<u8>,
    /// How far the buffer was searched.
    searched: usize,
    ended: bool,
    at: u64,
    /// The last parameter sets: they go with each keyframe, also where the file has them only at its beginning.
    parameters: [Vec<u8>; 2],
}

/// One picture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccessUnit {
    /// NAL units behind start codes.
    pub data: Vec<u8>,
    /// Whether it can be decoded without those before it.
    pub keyframe: bool,
}

/// Where three bytes 0, 0, 1 stand from `from` on, with a zero before them if there is one.
fn start(bytes: &[u8], from: usize) -> Option<(usize, usize)> {
    let at = from + bytes.get(from..)?.windows(3).position(|three| three == [0, 0, 1])?;
    Some((at - usize::from(at > 0 && bytes[at - 1] == 0), at + 3))
}

impl<R: Read> Reader<R> {
    /// Looks at the beginning.
    ///
    /// # Errors
    /// It does not begin with a start code.
    pub fn new(from: R) -> Result<Self, Error> {
        let (buffer, parameters) = (Vec::new(), [Vec::new(), Vec::new()]);
        let mut reader = Self { from, buffer, searched: 0, ended: false, at: 0, parameters };
        reader.more()?;
        let zeroes = reader.buffer.iter().position(|byte| *byte != 0);
        if zeroes.is_none_or(|count| count < 2 || reader.buffer[count] != 1) {
            return Err(Error::Malformed(
                "this is no H.264 byte stream: it does not begin with a start code",
                0,
            ));
        }
        Ok(reader)
    }

    fn more(&mut self) -> Result<(), Error> {
        let before = self.buffer.len();
        self.buffer.resize(before + CHUNK, 0);
        let len = fill(&mut self.from, &mut self.buffer[before..])?;
        self.buffer.truncate(before + len);
        self.ended = len < CHUNK;
        Ok(())
    }

    /// The next access unit; `None` at the end.
    ///
    /// # Errors
    /// One that is longer than [`LONGEST`], or what the system says.
    pub fn read(&mut self) -> Result<Option<AccessUnit>, Error> {
        let mut seen = false;
        loop {
            match start(&self.buffer, self.searched) {
                // The unit's first bytes say whether it begins the next picture (§7.4.1.2.3).
                Some((begin, behind)) if self.buffer.len() >= behind + 2 || self.ended => {
                    let unit = &self.buffer[behind..];
                    if seen && begins_picture(unit) {
                        return Ok(Some(self.give(begin)));
                    }
                    seen |= unit.first().is_some_and(|head| (SLICE..=IDR).contains(&(head & 0x1f)));
                    self.searched = behind;
                }
                _ if self.ended => {
                    let end = self.buffer.len();
                    return Ok(seen.then(|| self.give(end)));
                }
                _ => {
                    if self.buffer.len() > LONGEST {
                        return Err(Error::Malformed("a picture of more than 16 MiB", self.at));
                    }
                    // A start code may stand across the end of what is here.
                    self.searched = self.searched.max(self.buffer.len().saturating_sub(4));
                    self.more()?;
                }
            }
        }
    }

    fn give(&mut self, end: usize) -> AccessUnit {
        let rest = self.buffer.split_off(end);
        let data = std::mem::replace(&mut self.buffer, rest);
        self.searched = 0;
        self.at += data.len() as u64;
        let (mut keyframe, mut own) = (false, false);
        let mut next = start(&data, 0);
        while let Some((begin, behind)) = next {
            next = start(&data, behind);
            let end = next.map_or(data.len(), |(begin, _)| begin);
            match data.get(behind).map(|head| head & 0x1f) {
                Some(IDR) => keyframe = true,
                Some(SPS) => {
                    own = true;
                    self.parameters = [data[begin..end].to_vec(), Vec::new()];
                }
                Some(PPS) => self.parameters[1].extend_from_slice(&data[begin..end]),
                _ => {}
            }
            self.parameters[1].truncate(1 << 16);
        }
        let data = if keyframe && !own { [&self.parameters.concat()[..], &data].concat() } else { data };
        AccessUnit { data, keyframe }
    }
}

/// Whether a unit behind a picture's slices begins the next picture (ITU-T H.264 §7.4.1.2.3).
fn begins_picture(unit: &[u8]) -> bool {
    match unit.first().map(|head| head & 0x1f) {
        Some(SEI | SPS | PPS | DELIMITER | 14..=18) => true,
        // The slice's first macroblock is 0: the number is written as a single 1.
        Some(SLICE..=IDR) => unit.get(1).is_some_and(|byte| byte & 0x80 != 0),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Vec<AccessUnit> {
        let mut reader = Reader::new(bytes).unwrap();
        std::iter::from_fn(|| reader.read().unwrap()).collect()
    }

    #[test]
    fn pictures_are_cut_apart() {
        let unit = |bytes: &[u8]| [&[0, 0, 0, 1], bytes].concat();
        let (sps, pps) = (unit(&[0x67, 1, 2]), unit(&[0x68, 3]));
        let key = [unit(&[0x65, 0x88, 1]), unit(&[0x65, 0x08, 1])].concat();
        let delta = [unit(&[0x41, 0x9a, 1]), [0, 0, 1, 0x41, 0x1a, 1].to_vec()].concat();
        let file = [&sps, &pps, &key, &delta, &delta, &key, &delta].map(|part| &part[..]).concat();
        let found = read(&file);
        let first = [&sps[..], &pps, &key].concat();
        let wanted = [
            (first.clone(), true),
            (delta.clone(), false),
            (delta.clone(), false),
            (first, true),
            (delta, false),
        ];
        assert!(found.iter().map(|unit| (unit.data.clone(), unit.keyframe)).eq(wanted), "{found:x?}");
        assert!(Reader::new(&b"no such thing"[..]).is_err());
        assert!(Reader::new(&[0, 1, 0, 0, 1][..]).is_err());
    }

    fn only_slices(data: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut next = start(data, 0);
        while let Some((begin, behind)) = next {
            next = start(data, behind);
            if (SLICE..=IDR).contains(&(data[behind] & 0x1f)) {
                out.extend(&data[begin..next.map_or(data.len(), |(begin, _)| begin)]);
            }
        }
        out
    }

    #[test]
    fn a_file_of_ffmpeg_is_read() {
        let source =
            ["-f", "lavfi", "-i", "testsrc=size=320x240:rate=25:duration=3", "-c:v", "libx264", "-g", "25"];
        let sliced = ["-x264-params", "slices=4", "-f", "h264", "-"];
        let sliced = crate::testing::ffmpeg(&[&source[..], &sliced].concat(), &[]);
        let delimited = ["-bsf:v", "h264_metadata=aud=insert", "-f", "h264", "-"];
        let delimited = crate::testing::ffmpeg(&[&source[..], &delimited].concat(), &[]);
        // Some programs write parameter sets only once.
        let once: Vec<u8> = read(&sliced)
            .into_iter()
            .enumerate()
            .flat_map(|(at, unit)| if at == 0 { unit.data } else { only_slices(&unit.data) })
            .collect();
        assert!(once.len() + 50 < sliced.len());
        for file in [sliced, delimited, once] {
            let found = read(&file);
            assert_eq!(found.len(), 75);
            let keys: Vec<usize> = (0..75).filter(|at| found[*at].keyframe).collect();
            assert_eq!(keys, [0, 25, 50]);
            // From any keyframe on it can be decoded: the parameter sets are there.
            let tail: Vec<u8> = found[25..].iter().flat_map(|unit| unit.data.clone()).collect();
            let raw = crate::testing::ffmpeg(
                &["-f", "h264", "-i", "-", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-vsync", "0", "-"],
                &tail,
            );
            assert_eq!(raw.len(), 50 * 320 * 240 * 3 / 2);
        }
    }
}
