//! VP8 (RFC 7741 §4.2):
//!
//! ```text
//! |X|R|N|S|R| PID |  X: the next byte is there; S: a partition begins, PID says which
//! |I|L|T|K|  RSV  |  I: picture id, L: TL0PICIDX, T or K: a byte of layer and key index
//! |M| picture id  |  M: 15 bits
//! ```

use super::{Glimpse, Take, even};
use rtp::Malformed;
use wire::Reader;

const DESCRIPTOR_LEN: usize = 4;

pub(super) fn packetize(frame: &[u8], picture: u16, max: usize, take: Take<'_>) {
    let [high, low] = (picture | 0x8000).to_be_bytes();
    let parts = even(frame, max - DESCRIPTOR_LEN);
    let count = parts.len();
    for (at, part) in parts.enumerate() {
        let start = if at == 0 { 0x10 } else { 0 };
        take(&[&[0x80 | start, 0x80, high, low], part], at + 1 == count);
    }
}

/// Whether the first partition begins here, and what follows the descriptor, at least a byte.
fn split(payload: &[u8]) -> Result<(bool, &[u8]), Malformed> {
    let mut from = Reader::new(payload);
    let first = from.u8()?;
    if first & 0x80 != 0 {
        let fields = from.u8()?;
        if fields & 0x80 != 0 && from.u8()? & 0x80 != 0 {
            from.u8()?;
        }
        if fields & 0x40 != 0 {
            from.u8()?;
        }
        if fields & 0x30 != 0 {
            from.u8()?;
        }
    }
    let data = from.rest();
    if data.is_empty() { Err(Malformed) } else { Ok((first & 0x17 == 0x10, data)) }
}

pub(super) fn glimpse(payload: &[u8]) -> Result<Glimpse, Malformed> {
    let (begins, data) = split(payload)?;
    // The lowest bit of a frame says that it is no keyframe (RFC 6386 §9.1).
    Ok(Glimpse { begins, keyframe: begins && data[0] & 1 == 0 })
}

pub(super) fn depacketize(payload: &[u8], frame: &mut Vec<u8>) -> Result<(), Malformed> {
    frame.extend_from_slice(split(payload)?.1);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 7741 §4.5 and shorter forms of the descriptor.
    #[test]
    fn every_form_of_the_descriptor_is_read() {
        let cases = [
            (&[0x10, 1, 2][..], Some((true, 2))),
            (&[0x00, 1], Some((false, 1))),
            (&[0x12, 1], Some((false, 1))),
            (&[0x90, 0x80, 0x11, 1], Some((true, 1))),
            (&[0x90, 0x80, 0x91, 0x22, 1], Some((true, 1))),
            (&[0x90, 0xf0, 0x91, 0x22, 3, 4, 1], Some((true, 1))),
            (&[0x90, 0xf0, 0x91, 0x22, 3, 4], None),
            (&[], None),
        ];
        for (payload, expected) in cases {
            let found = split(payload).ok().map(|(begins, data)| (begins, data.len()));
            assert_eq!(found, expected, "{payload:x?}");
        }
    }
}
