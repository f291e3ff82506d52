//! VP8 (RFC 7741 §4.2):
//!
//! ```text
//! |X|R|N|S|R| PID |  X: the next byte is there; S: a partition begins, PID says which
//! |I|L|T|K|  RSV  |  I: picture id, L: TL0PICIDX, T or K: a byte of layer and key index
//! |M| picture id  |  M: 15 bits
//! |TID|Y| KEYIDX  |  Y: the picture needs nothing but layer 0
//! ```

use super::{Glimpse, Picture, Take, even};
use rtp::Malformed;
use wire::Reader;

pub(super) fn packetize(frame: &[u8], picture: Picture, max: usize, take: Take<'_>) {
    let [high, low] = (picture.number | 0x8000).to_be_bytes();
    let mut descriptor = [0x80, 0x80, high, low, 0, 0];
    let mut len = 4;
    if let Some(layer) = picture.layer {
        descriptor[1] |= 0x60; // L and T
        descriptor[4] = layer.base;
        descriptor[5] = (layer.id & 3) << 6 | u8::from(layer.sync) << 5;
        len = 6;
    }
    let parts = even(frame, max - len);
    let count = parts.len();
    for (at, part) in parts.enumerate() {
        descriptor[0] = if at == 0 { 0x90 } else { 0x80 };
        take(&[&descriptor[..len], part], at + 1 == count);
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

    #[test]
    fn a_temporal_layer_is_told() {
        let layer = Some(super::super::TemporalLayer { id: 2, sync: true, base: 7 });
        let mut payloads = Vec::new();
        packetize(&[1; 15], Picture { number: 0x1234, layer }, 16, &mut |parts, _| {
            payloads.push(parts.concat())
        });
        let heads: Vec<&[u8]> = payloads.iter().map(|payload| &payload[..6]).collect();
        assert_eq!(heads, [[0x90, 0xe0, 0x92, 0x34, 7, 0xa0], [0x80, 0xe0, 0x92, 0x34, 7, 0xa0]]);
        assert!(payloads.iter().all(|payload| split(payload).unwrap().1.len() >= 7));
    }

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
