//! VP9 (RFC 9628 §4.2):
//!
//! ```text
//! |I|P|L|F|B|E|V|Z|  I: picture id, P: not a keyframe, L: layers, F: flexible, B and E: a frame begins and ends,
//! |M| picture id  |  V: a scalability structure follows
//! ```

use super::{Glimpse, Superframe, Take, even};
use rtp::Malformed;
use wire::Reader;

const DESCRIPTOR_LEN: usize = 3;
/// Frames that one picture can have: the spatial layers, whose number has three bits.
pub(super) const MAX_LAYERS: usize = 8;

pub(super) fn packetize(frame: &[u8], picture: u16, max: usize, take: Take<'_>) {
    let [high, low] = (picture | 0x8000).to_be_bytes();
    let predicted = if is_keyframe(frame) { 0 } else { 0x40 };
    let parts = even(frame, max - DESCRIPTOR_LEN);
    let count = parts.len();
    for (at, part) in parts.enumerate() {
        let begins = if at == 0 { 0x08 } else { 0 };
        let ends = if at + 1 == count { 0x04 } else { 0 };
        take(&[&[0x80 | predicted | begins | ends, high, low], part], at + 1 == count);
    }
}

/// Reads the uncompressed header as far as the frame type (VP9 bitstream specification §6.2).
fn is_keyframe(frame: &[u8]) -> bool {
    let Some(&first) = frame.first() else { return false };
    let profile = first >> 5 & 1 | (first >> 4 & 1) << 1;
    // Profile 3 has one more bit before the flag that shows an existing frame and the frame type.
    let bits = if profile == 3 { first << 1 } else { first };
    first >> 6 == 2 && bits & 0x08 == 0 && bits & 0x04 == 0
}

struct Descriptor<'a> {
    first: u8,
    /// The spatial layer, 0 when layers are not told.
    layer: u8,
    data: &'a [u8],
}

fn split(payload: &[u8]) -> Result<Descriptor<'_>, Malformed> {
    let mut from = Reader::new(payload);
    let first = from.u8()?;
    let set = |bit: u8| first & bit != 0;
    if set(0x80) && from.u8()? & 0x80 != 0 {
        from.u8()?;
    }
    let mut layer = 0;
    if set(0x20) {
        layer = from.u8()? >> 1 & 7;
        if !set(0x10) {
            from.u8()?;
        }
    }
    if set(0x10) && set(0x40) {
        // Up to three reference differences; the lowest bit says that another follows.
        for _ in 0..3 {
            if from.u8()? & 1 == 0 {
                break;
            }
        }
    }
    if set(0x02) {
        skip_structure(&mut from)?;
    }
    let data = from.rest();
    if data.is_empty() { Err(Malformed) } else { Ok(Descriptor { first, layer, data }) }
}

fn skip_structure(from: &mut Reader<'_>) -> Result<(), Malformed> {
    let head = from.u8()?;
    if head & 0x10 != 0 {
        from.take((usize::from(head >> 5) + 1) * 4)?;
    }
    if head & 0x08 != 0 {
        for _ in 0..from.u8()? {
            let picture = from.u8()?;
            from.take(usize::from(picture >> 2 & 3))?;
        }
    }
    Ok(())
}

pub(super) fn glimpse(payload: &[u8]) -> Result<Glimpse, Malformed> {
    let Descriptor { first, layer, .. } = split(payload)?;
    // A picture begins with its lowest layer; what is above it does not stand alone.
    let begins = first & 0x08 != 0 && layer == 0;
    Ok(Glimpse { begins, keyframe: begins && first & 0x40 == 0 })
}

pub(super) fn depacketize(
    payload: &[u8],
    frame: &mut Vec<u8>,
    superframe: &mut Superframe,
) -> Result<(), Malformed> {
    let Descriptor { first, data, .. } = split(payload)?;
    if first & 0x08 != 0 && !frame.is_empty() {
        superframe.begin(frame.len())?;
    }
    frame.extend_from_slice(data);
    Ok(())
}

/// Makes a superframe of the frames of a picture (VP9 bitstream specification, annex B): behind them their lengths, and before
/// and behind those how many they are, and of how many bytes each.
pub(super) fn append_index(frame: &mut Vec<u8>, starts: &[usize]) {
    let ends = starts.iter().copied().chain([frame.len()]);
    let begins = std::iter::once(0).chain(starts.iter().copied());
    let lengths: Vec<usize> = begins.zip(ends).map(|(from, to)| to - from).collect();
    let longest = lengths.iter().copied().max().unwrap_or(0);
    let bytes = (1..=4).find(|bytes| longest >> (8 * bytes) == 0).unwrap_or(4);
    let Ok(marker) = u8::try_from(0xc0 | (bytes - 1) << 3 | (lengths.len() - 1)) else { return };
    frame.push(marker);
    lengths.iter().for_each(|length| frame.extend_from_slice(&length.to_le_bytes()[..bytes]));
    frame.push(marker);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_become_a_superframe() {
        let (mut frame, mut superframe) = (Vec::new(), Superframe::default());
        // Begins and ends of the frames of two layers: of two packets, and of one.
        for payload in [&[0x28, 0, 0, 1, 2][..], &[0x24, 0, 0, 3], &[0x2c, 2, 0, 4]] {
            depacketize(payload, &mut frame, &mut superframe).unwrap();
        }
        superframe.conclude(&mut frame);
        assert_eq!(frame, [1, 2, 3, 4, 0xc1, 3, 1, 0xc1]);

        let mut long = vec![7; 700];
        append_index(&mut long, &[1, 301]);
        assert_eq!(long[700..], [0xca, 1, 0, 0x2c, 1, 0x8f, 1, 0xca]);

        let (mut frame, mut superframe) = (Vec::new(), Superframe::default());
        let mut take = || depacketize(&[0x2c, 0, 0, 1], &mut frame, &mut superframe);
        assert!((0..8).all(|_| take().is_ok()));
        assert!(take().is_err(), "more than there can be");
    }

    #[test]
    fn every_form_of_the_descriptor_is_read() {
        let cases: [(&[u8], Option<usize>); 7] = [
            (&[0x08, 1], Some(1)),
            (&[0x88, 0x11, 1], Some(1)),
            (&[0xa8, 0x91, 0x22, 0x10, 5, 1], Some(1)), // layers, with TL0PICIDX
            (&[0xf8, 0x11, 0x10, 0x03, 0x02, 1], Some(1)), // flexible, two references
            (&[0x0a, 0x38, 0, 1, 0, 2, 0, 3, 0, 4, 1, 0x08, 7, 7, 9], Some(1)), // two layers, one picture
            (&[0x0a, 0x38, 0, 1, 0, 2], None),
            (&[0x88, 0x91], None),
        ];
        for (payload, expected) in cases {
            assert_eq!(split(payload).ok().map(|d| d.data.len()), expected, "{payload:x?}");
        }
    }
}
