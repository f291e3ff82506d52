//! What a container must know of the frames of each codec: sizes of pictures, durations of sound, parameters.

use std::time::Duration;

use flow::payload::Format;

/// How long the sound of an Opus packet is (RFC 6716 §3.1), 120 ms at most; `None` if it is none.
pub fn opus_duration(packet: &[u8]) -> Option<Duration> {
    crate::opus::samples(packet).map(|samples| Duration::from_micros(u64::from(samples) * 1000 / 48))
}

/// Width and height of a picture in pixels, as its keyframe tells; `None` for what is no keyframe or tells none.
pub fn dimensions(format: Format, frame: &[u8]) -> Option<(u32, u32)> {
    match format {
        Format::Opus => None,
        Format::Vp8 => vp8(frame),
        Format::Vp9 => vp9(frame),
        Format::H264 => units(frame).find(|unit| unit[0] & 0x1f == 7).and_then(sps),
        Format::Av1 => {
            obus(frame).find(|obu| obu.kind == 1).and_then(|obu| Sequence::read(obu.content)).map(|s| s.size)
        }
    }
}

/// RFC 6386 §9.1: three bytes of tag, a start code, and two numbers of 14 bits.
fn vp8(frame: &[u8]) -> Option<(u32, u32)> {
    let head: &[u8; 10] = frame.first_chunk()?;
    let [tag, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1] = *head else { return None };
    let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
    (tag & 1 == 0).then(|| (side(w0, w1), side(h0, h1)))
}

/// VP9 bitstream specification §6.2: the uncompressed header of a keyframe.
fn vp9(frame: &[u8]) -> Option<(u32, u32)> {
    let mut bits = Bits::new(frame);
    if bits.take(2)? != 2 {
        return None;
    }
    let profile = bits.take(1)? | bits.take(1)? << 1;
    if profile == 3 {
        bits.take(1)?;
    }
    // Shows an existing frame; a frame that is not key.
    if bits.take(1)? == 1 || bits.take(1)? == 1 {
        return None;
    }
    bits.take(2)?;
    if bits.take(24)? != 0x49_8342 {
        return None;
    }
    if profile >= 2 {
        bits.take(1)?;
    }
    let space = bits.take(3)?;
    if space != 7 {
        bits.take(1)?;
        if profile == 1 || profile == 3 {
            bits.take(3)?;
        }
    } else if profile == 1 || profile == 3 {
        bits.take(1)?;
    }
    Some((bits.take(16)? + 1, bits.take(16)? + 1))
}

/// The NAL units of a byte stream, without start codes and without the zeroes before them (ITU-T H.264 Annex B).
pub(super) fn units(frame: &[u8]) -> impl Iterator<Item = &[u8]> {
    let start = |bytes: &[u8]| bytes.windows(3).position(|three| three == [0, 0, 1]);
    let mut rest = start(frame).map(|at| &frame[at + 3..]);
    std::iter::from_fn(move || {
        let from = rest?;
        let (unit, later) = match start(from) {
            Some(at) => (&from[..at], Some(&from[at + 3..])),
            None => (from, None),
        };
        rest = later;
        let end = unit.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        Some(&unit[..end])
    })
    .filter(|unit| !unit.is_empty())
}

/// A byte stream with its units behind lengths of four bytes, as Matroska wants them.
pub(super) fn lengths_for_start_codes(frame: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(frame.len() + 16);
    for unit in units(frame) {
        out.extend_from_slice(&u32::try_from(unit.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend_from_slice(unit);
    }
    out
}

/// The parameters of an H.264 track (ISO/IEC 14496-15 §5.3.3.1): from a keyframe that brings its own.
pub(super) fn avcc(frame: &[u8]) -> Option<Vec<u8>> {
    let of = |kind: u8| units(frame).find(move |unit| unit[0] & 0x1f == kind && unit.len() >= 2);
    let (sps, pps) = (of(7).filter(|sps| sps.len() >= 4)?, of(8)?);
    let mut out = vec![1, sps[1], sps[2], sps[3], 0xff, 0xe1];
    for (set, count) in [(sps, None), (pps, Some(1))] {
        out.extend(count);
        out.extend_from_slice(&u16::try_from(set.len()).ok()?.to_be_bytes());
        out.extend_from_slice(set);
    }
    Some(out)
}

/// What `avcC` says: how many bytes lengths have, and the parameter sets as a byte stream.
pub(super) fn read_avcc(private: &[u8]) -> Option<(usize, Vec<u8>)> {
    let length = usize::from(private.get(4)? & 3) + 1;
    let (mut sets, mut rest) = (Vec::new(), private.get(5..)?);
    for mask in [0x1f, 0xff] {
        let (count, later) = rest.split_first()?;
        rest = later;
        for _ in 0..count & mask {
            let (len, later) = rest.split_first_chunk()?;
            let (set, later) = later.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
            sets.extend_from_slice(&[0, 0, 0, 1]);
            sets.extend_from_slice(set);
            rest = later;
        }
    }
    Some((length, sets))
}

/// The other way than [`lengths_for_start_codes`]; `None` if a length reaches beyond the frame.
pub(super) fn start_codes_for_lengths(mut frame: &[u8], length: usize) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(frame.len() + 16);
    while !frame.is_empty() {
        let (len, rest) = frame.split_at_checked(length)?;
        let len = len.iter().fold(0, |len, byte| len << 8 | usize::from(*byte));
        let (unit, rest) = rest.split_at_checked(len)?;
        out.extend_from_slice(&[0, 0, 0, 1]);
        out.extend_from_slice(unit);
        frame = rest;
    }
    Some(out)
}

/// ITU-T H.264 §7.3.2.1.1: as far as the size and what is cut off it.
fn sps(unit: &[u8]) -> Option<(u32, u32)> {
    let mut plain = Vec::with_capacity(unit.len().min(256));
    for (at, byte) in unit.iter().enumerate().skip(1).take(255) {
        if !(*byte == 3 && unit[..at].ends_with(&[0, 0])) {
            plain.push(*byte);
        }
    }
    let mut bits = Bits::new(&plain);
    let profile = bits.take(8)?;
    bits.take(16)?;
    bits.golomb()?;
    let mut chroma = 1;
    if [100, 110, 122, 244, 44, 83, 86, 118, 128, 138].contains(&profile) {
        chroma = bits.golomb()?;
        if chroma == 3 {
            bits.take(1)?;
        }
        bits.golomb()?;
        bits.golomb()?;
        bits.take(1)?;
        if bits.take(1)? == 1 {
            return None; // scaling lists: nothing in WebRTC sends them
        }
    }
    bits.golomb()?;
    match bits.golomb()? {
        0 => {
            bits.golomb()?;
        }
        1 => {
            bits.take(1)?;
            bits.golomb()?;
            bits.golomb()?;
            for _ in 0..bits.golomb()?.min(255) {
                bits.golomb()?;
            }
        }
        _ => {}
    }
    bits.golomb()?;
    bits.take(1)?;
    let (width, height) = (bits.golomb()? + 1, bits.golomb()? + 1);
    let frames_only = bits.take(1)?;
    if frames_only == 0 {
        bits.take(1)?;
    }
    bits.take(1)?;
    let mut cut = [0; 4];
    if bits.take(1)? == 1 {
        for side in &mut cut {
            *side = bits.golomb()?;
        }
    }
    let (unit_x, unit_y) = (if chroma == 1 || chroma == 2 { 2 } else { 1 }, if chroma == 1 { 2 } else { 1 });
    let [left, right, top, bottom] = cut;
    let tall = 2 - frames_only;
    let width = width.checked_mul(16)?.checked_sub(left.checked_add(right)?.checked_mul(unit_x)?)?;
    let height = height.checked_mul(16 * tall)?;
    Some((width, height.checked_sub(top.checked_add(bottom)?.checked_mul(unit_y * tall)?)?))
}

/// An OBU of a temporal unit whose OBUs tell their sizes.
struct Obu<'a> {
    kind: u8,
    all: &'a [u8],
    content: &'a [u8],
}

fn obus(mut unit: &[u8]) -> impl Iterator<Item = Obu<'_>> {
    std::iter::from_fn(move || {
        let first = *unit.first()?;
        let head = 1 + usize::from(first & 0x04 != 0);
        let (mut size, mut len) = (unit.len().checked_sub(head)?, 0);
        if first & 0x02 != 0 {
            size = 0;
            loop {
                let byte = *unit.get(head + len)?;
                size |= usize::from(byte & 0x7f) << (7 * len);
                len += 1;
                if byte & 0x80 == 0 {
                    break;
                }
                if len == 5 {
                    return None;
                }
            }
        }
        let (all, rest) = unit.split_at_checked(head.checked_add(len)?.checked_add(size)?)?;
        unit = rest;
        Some(Obu { kind: first >> 3 & 0x0f, all, content: &all[head + len..] })
    })
}

/// Whether a temporal unit brings a sequence header.
pub(super) fn has_sequence_header(unit: &[u8]) -> bool {
    obus(unit).any(|obu| obu.kind == 1)
}

/// A temporal unit without its delimiters: Matroska leaves them out, and so does RTP.
pub(super) fn without_delimiters(unit: &[u8]) -> Vec<u8> {
    obus(unit).filter(|obu| obu.kind != 2).flat_map(|obu| obu.all).copied().collect()
}

/// The parameters of an AV1 track (AV1 in ISO base media §2.3): from a keyframe with a sequence header.
pub(super) fn av1c(unit: &[u8]) -> Option<Vec<u8>> {
    let obu = obus(unit).find(|obu| obu.kind == 1)?;
    let sequence = Sequence::read(obu.content)?;
    // Of WebRTC's profiles 0 has 4:2:0 and 1 has 4:4:4, both of eight bits.
    let subsampled = if sequence.profile == 1 { 0 } else { 0x0c };
    let mut out = vec![0x81, sequence.profile << 5 | sequence.level, sequence.tier << 7 | subsampled, 0];
    out.extend_from_slice(obu.all);
    Some(out)
}

/// AV1 specification §5.5.1: as far as the size.
struct Sequence {
    profile: u8,
    level: u8,
    tier: u8,
    size: (u32, u32),
}

impl Sequence {
    fn read(content: &[u8]) -> Option<Self> {
        let mut bits = Bits::new(content);
        let profile = bits.byte(3)?;
        bits.take(1)?;
        let (mut level, mut tier) = (0, 0);
        if bits.take(1)? == 1 {
            level = bits.byte(5)?;
        } else {
            let mut decoder_model = None;
            if bits.take(1)? == 1 {
                bits.take(32)?;
                bits.take(32)?;
                if bits.take(1)? == 1 {
                    bits.golomb()?;
                }
                if bits.take(1)? == 1 {
                    decoder_model = Some(bits.take(5)? + 1);
                    bits.take(32)?;
                    bits.take(10)?;
                }
            }
            let delays = bits.take(1)? == 1;
            for point in 0..=bits.take(5)? {
                bits.take(12)?;
                let here = bits.byte(5)?;
                let here_tier = if here > 7 { bits.byte(1)? } else { 0 };
                if point == 0 {
                    (level, tier) = (here, here_tier);
                }
                if let Some(len) = decoder_model
                    && bits.take(1)? == 1
                {
                    bits.take(len)?;
                    bits.take(len)?;
                    bits.take(1)?;
                }
                if delays && bits.take(1)? == 1 {
                    bits.take(4)?;
                }
            }
        }
        let (width_bits, height_bits) = (bits.take(4)? + 1, bits.take(4)? + 1);
        let size = (bits.take(width_bits)? + 1, bits.take(height_bits)? + 1);
        Some(Self { profile, level, tier, size })
    }
}

/// Reads bits, the highest of each byte first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// So many bits, 32 at most.
    fn take(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            let byte = *self.bytes.get(self.at / 8)?;
            value = value << 1 | u32::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(value)
    }

    /// So many bits, 8 at most.
    fn byte(&mut self, count: u32) -> Option<u8> {
        u8::try_from(self.take(count)?).ok()
    }

    /// An Exp-Golomb code (ITU-T H.264 §9.1), which AV1 calls uvlc.
    fn golomb(&mut self) -> Option<u32> {
        let mut zeroes = 0;
        while self.take(1)? == 0 {
            zeroes += 1;
            if zeroes > 31 {
                return None;
            }
        }
        Some((1u32 << zeroes) - 1 + self.take(zeroes)?)
    }
}
