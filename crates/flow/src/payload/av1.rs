//! AV1 (AOMedia "RTP Payload Format for AV1" §4):
//!
//! ```text
//! |Z|Y| W |N|-|-|-|  Z: the first element goes on from the packet before, Y: the last one goes on in the next,
//!                    W: how many elements there are, 0 when each tells its length; N: a new coded video sequence
//! ```
//!
//! Frames are temporal units in the low-overhead format: every OBU tells its size (AV1 specification §5.2).

use super::{Glimpse, Take};
use rtp::Malformed;
use wire::Reader;

/// OBUs that do not travel: temporal delimiter, tile list, padding (§5).
const LEFT_OUT: [u8; 3] = [2, 8, 15];
const SEQUENCE_HEADER: u8 = 1;
/// The bit of an OBU header that says that a size follows, and the one that says that an extension does.
const HAS_SIZE: u8 = 0x02;
const HAS_EXTENSION: u8 = 0x04;
/// Sizes are written with this many bytes, so that one can still grow when a fragment follows.
const SIZE_LEN: usize = 4;
/// The longest OBU that such a size can tell.
const MOST: usize = (1 << (7 * SIZE_LEN)) - 1;

/// An OBU of a temporal unit: its header without the size bit, its extension, and its content.
struct Obu<'a> {
    header: [u8; 2],
    header_len: usize,
    content: &'a [u8],
}

impl<'a> Obu<'a> {
    fn read(from: &mut Reader<'a>) -> Result<Self, Malformed> {
        let first = from.u8()?;
        let has_extension = first & HAS_EXTENSION != 0;
        let extension = if has_extension { from.u8()? } else { 0 };
        let size = if first & HAS_SIZE != 0 { leb128(from)? } else { from.rest().len() };
        let header = [first & !HAS_SIZE, extension];
        Ok(Self { header, header_len: 1 + usize::from(has_extension), content: from.take(size)? })
    }

    fn kind(&self) -> u8 {
        self.header[0] >> 3 & 0x0f
    }
}

fn leb128(from: &mut Reader<'_>) -> Result<usize, Malformed> {
    let mut value = 0;
    for shift in 0..5 {
        let byte = from.u8()?;
        value |= usize::from(byte & 0x7f) << (7 * shift);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Malformed)
}

/// A number below 2^28 in four bytes.
fn wide(value: usize) -> [u8; SIZE_LEN] {
    std::array::from_fn(|at| {
        let more = if at + 1 < SIZE_LEN { 0x80 } else { 0 };
        more | u8::try_from(value >> (7 * at) & 0x7f).expect("seven bits")
    })
}

/// One element a packet at most: a unit is one large OBU as a rule, with a small sequence header before it in keyframes.
pub(super) fn packetize(frame: &[u8], max: usize, take: Take<'_>) {
    let mut elements: Vec<Vec<u8>> = Vec::new();
    let (mut from, mut keyframe) = (Reader::new(frame), false);
    while !from.rest().is_empty() {
        // What cannot be read is no unit of ours to send.
        let Ok(obu) = Obu::read(&mut from) else { return };
        keyframe |= obu.kind() == SEQUENCE_HEADER;
        if !LEFT_OUT.contains(&obu.kind()) && obu.content.len() <= MOST {
            elements.push([&obu.header[..obu.header_len], obu.content].concat());
        }
    }
    let count = elements.len();
    for (at, element) in elements.iter().enumerate() {
        let parts = super::even(element, max - 1);
        let last_part = parts.len() - 1;
        for (part_at, part) in parts.enumerate() {
            let head = 0x10 | if part_at > 0 { 0x80 } else { 0 } | if part_at < last_part { 0x40 } else { 0 };
            let new = keyframe && at == 0 && part_at == 0;
            take(&[&[head | if new { 0x08 } else { 0 }], part], at + 1 == count && part_at == last_part);
        }
    }
}

pub(super) fn glimpse(payload: &[u8]) -> Result<Glimpse, Malformed> {
    let (head, rest) = payload.split_first().ok_or(Malformed)?;
    if rest.is_empty() {
        return Err(Malformed);
    }
    // Only the first packet of a new sequence is marked; nothing else tells where a unit begins.
    let new = head & 0x88 == 0x08;
    Ok(Glimpse { begins: new, keyframe: new })
}

pub(super) fn depacketize(payload: &[u8], frame: &mut Vec<u8>) -> Result<(), Malformed> {
    let (head, rest) = payload.split_first().ok_or(Malformed)?;
    let (mut from, told) = (Reader::new(rest), usize::from(head >> 4 & 3));
    let mut goes_on = head & 0x80 != 0;
    let mut count = 0;
    while !from.rest().is_empty() {
        count += 1;
        let len = if count == told { from.rest().len() } else { leb128(&mut from)? };
        let element = from.take(len)?;
        if goes_on {
            append(frame, element)?;
        } else {
            push(frame, element)?;
        }
        goes_on = false;
    }
    if count == 0 || (told != 0 && count != told) { Err(Malformed) } else { Ok(()) }
}

/// Begins an OBU. One whose size is told inside keeps that size out: the element's length says it.
fn push(frame: &mut Vec<u8>, element: &[u8]) -> Result<(), Malformed> {
    let obu = Obu::read(&mut Reader::new(element))?;
    if obu.content.len() > MOST {
        return Err(Malformed);
    }
    frame.push(obu.header[0] | HAS_SIZE);
    frame.extend_from_slice(&obu.header[1..obu.header_len]);
    frame.extend_from_slice(&wide(obu.content.len()));
    frame.extend_from_slice(obu.content);
    Ok(())
}

/// Makes the last OBU longer.
fn append(frame: &mut Vec<u8>, more: &[u8]) -> Result<(), Malformed> {
    let mut from = Reader::new(frame);
    let (mut at, mut len) = (None, 0);
    while !from.rest().is_empty() {
        let begin = frame.len() - from.rest().len();
        let obu = Obu::read(&mut from)?;
        (at, len) = (Some(begin + obu.header_len), obu.content.len());
    }
    let at = at.ok_or(Malformed)?;
    let size = len + more.len();
    if size > MOST {
        return Err(Malformed);
    }
    frame.get_mut(at..at + SIZE_LEN).ok_or(Malformed)?.copy_from_slice(&wide(size));
    frame.extend_from_slice(more);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depacketized(payloads: &[&[u8]]) -> Result<Vec<u8>, Malformed> {
        let mut frame = Vec::new();
        payloads.iter().try_for_each(|payload| depacketize(payload, &mut frame)).map(|()| frame)
    }

    #[test]
    fn elements_of_every_form_are_read() {
        let one = [&[0x32, 0x82, 0x80, 0x80, 0][..], &[7, 8]].concat();
        assert_eq!(depacketized(&[&[0x10, 0x30, 7, 8]]), Ok(one.clone()), "one, of no told length");
        assert_eq!(depacketized(&[&[0x00, 3, 0x30, 7, 8]]), Ok(one.clone()), "one, of told length");
        assert_eq!(depacketized(&[&[0x50, 0x30, 7], &[0x90, 8]]), Ok(one.clone()), "in two parts");
        assert_eq!(depacketized(&[&[0x10, 0x32, 2, 7, 8]]), Ok(one.clone()), "with a size inside");
        let two = [&one[..], &one].concat();
        assert_eq!(depacketized(&[&[0x20, 3, 0x30, 7, 8, 0x30, 7, 8]]), Ok(two), "two");
        for wrong in [&[][..], &[0x10], &[0x20, 3, 0x30, 7, 8], &[0x00, 9, 0x30], &[0x90, 1]] {
            assert_eq!(depacketized(&[wrong]), Err(Malformed), "{wrong:x?}");
        }
    }

    #[test]
    fn a_temporal_delimiter_does_not_travel() {
        let unit = [0x12, 0, 0x0a, 1, 5, 0x32, 2, 7, 8];
        let mut sent = Vec::new();
        packetize(&unit, 100, &mut |parts, last| sent.push((parts.concat(), last)));
        assert_eq!(sent, [(vec![0x18, 0x08, 5], false), (vec![0x10, 0x30, 7, 8], true)]);
    }
}
