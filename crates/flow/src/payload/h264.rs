//! H.264 (RFC 6184 §5): NAL units alone, several in a STAP-A, or one in several FU-A.

use super::{Glimpse, Take, even};
use rtp::Malformed;
use wire::Reader;

const IDR: u8 = 5;
const SPS: u8 = 7;
/// Access unit delimiter.
const AUD: u8 = 9;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// How many units one STAP-A may hold here; parameter sets and a slice are three or four.
const MOST_AGGREGATED: usize = 8;

/// The NAL units of a byte stream, without start codes and without the zeroes before them (Annex B.1).
fn units(frame: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = frame;
    // What is before the first start code is no unit.
    rest = &rest[next_start(rest).unwrap_or(rest.len())..];
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let unit = &rest[3..];
            let end = next_start(unit).unwrap_or(unit.len());
            rest = &unit[end..];
            let unit = &unit[..unit[..end].iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)];
            if !unit.is_empty() {
                return Some(unit);
            }
        }
        None
    })
}

/// Where the next three bytes 0, 0, 1 stand.
fn next_start(bytes: &[u8]) -> Option<usize> {
    let mut at = 2;
    // The third byte decides how far the search may jump.
    while let Some(byte) = bytes.get(at) {
        match byte {
            0 => at += 1,
            1 if bytes[at - 1] == 0 && bytes[at - 2] == 0 => return Some(at - 2),
            _ => at += 3,
        }
    }
    None
}

pub(super) fn packetize(frame: &[u8], max: usize, take: Take<'_>) {
    // Other types have a meaning of their own in RTP, or none: no encoder makes them.
    let mut units = units(frame).filter(|unit| (1..=23).contains(&(unit[0] & 0x1f))).peekable();
    let mut small: Vec<&[u8]> = Vec::new();
    while let Some(unit) = units.next() {
        let held: usize = small.iter().map(|unit| unit.len() + 2).sum();
        if small.len() == MOST_AGGREGATED || 1 + held + 2 + unit.len() > max {
            flush(&mut small, false, take);
        }
        let last = units.peek().is_none();
        if unit.len() > max {
            fragment(unit, max, last, take);
        } else {
            small.push(unit);
        }
    }
    flush(&mut small, true, take);
}

/// Sends the units that were held back: alone, or together in a STAP-A (RFC 6184 §5.7.1).
fn flush(small: &mut Vec<&[u8]>, last: bool, take: Take<'_>) {
    match small[..] {
        [] => {}
        [unit] => take(&[unit], last),
        _ => {
            let sizes: Vec<[u8; 2]> = small
                .iter()
                .map(|unit| u16::try_from(unit.len()).expect("a payload is shorter").to_be_bytes())
                .collect();
            // The importance is the highest of all; the forbidden bit is set when it is in any.
            let importance = small.iter().map(|unit| unit[0] & 0x60).max().unwrap_or(0);
            let forbidden = small.iter().fold(0, |bit, unit| bit | unit[0] & 0x80);
            let head = [forbidden | importance | STAP_A];
            let mut parts: Vec<&[u8]> = vec![&head];
            for (size, unit) in sizes.iter().zip(small.iter()) {
                parts.extend([&size[..], unit]);
            }
            take(&parts, last);
        }
    }
    small.clear();
}

/// Cuts a unit into FU-A (RFC 6184 §5.8); its own header travels in theirs.
fn fragment(unit: &[u8], max: usize, last: bool, take: Take<'_>) {
    let (header, kind) = (unit[0] & 0xe0 | FU_A, unit[0] & 0x1f);
    let parts = even(&unit[1..], max - 2);
    let count = parts.len();
    for (at, part) in parts.enumerate() {
        let start = if at == 0 { 0x80 } else { 0 };
        let end = if at + 1 == count { 0x40 } else { 0 };
        take(&[&[header, start | end | kind], part], last && at + 1 == count);
    }
}

/// The units of a STAP-A.
fn aggregated(body: &[u8]) -> impl Iterator<Item = Result<&[u8], Malformed>> {
    let mut from = Reader::new(body);
    std::iter::from_fn(move || {
        if from.rest().is_empty() {
            return None;
        }
        let unit = from.u16().and_then(|len| from.take(len.into()));
        if unit.is_err() {
            from = Reader::new(&[]);
        }
        Some(unit.ok().filter(|unit| !unit.is_empty()).ok_or(Malformed))
    })
}

/// Nothing marks the first payload of a frame, so behind a gap only those count that always stand first: a sequence
/// parameter set, which goes before each keyframe in WebRTC (RFC 7742 §6.2), or an access unit delimiter.
pub(super) fn glimpse(payload: &[u8]) -> Result<Glimpse, Malformed> {
    let one = |kind: u8| Glimpse { begins: kind == SPS || kind == AUD, keyframe: kind == IDR || kind == SPS };
    let (head, body) = payload.split_first().ok_or(Malformed)?;
    match head & 0x1f {
        kind @ 1..=23 => Ok(one(kind)),
        STAP_A => {
            let mut all = Glimpse::default();
            for unit in aggregated(body) {
                let found = one(unit?[0] & 0x1f);
                all = Glimpse { begins: all.begins | found.begins, keyframe: all.keyframe | found.keyframe };
            }
            Ok(all)
        }
        FU_A => {
            let fragment = *body.first().ok_or(Malformed)?;
            let found = one(fragment & 0x1f);
            Ok(Glimpse { begins: found.begins && fragment & 0x80 != 0, ..found })
        }
        _ => Err(Malformed),
    }
}

pub(super) fn depacketize(payload: &[u8], frame: &mut Vec<u8>) -> Result<(), Malformed> {
    let (head, body) = payload.split_first().ok_or(Malformed)?;
    match head & 0x1f {
        1..=23 => {
            frame.extend_from_slice(&START_CODE);
            frame.extend_from_slice(payload);
        }
        STAP_A => {
            for unit in aggregated(body) {
                frame.extend_from_slice(&START_CODE);
                frame.extend_from_slice(unit?);
            }
        }
        FU_A => {
            let (fragment, data) = body.split_first().ok_or(Malformed)?;
            if fragment & 0x80 != 0 {
                frame.extend_from_slice(&START_CODE);
                frame.push(head & 0xe0 | fragment & 0x1f);
            }
            frame.extend_from_slice(data);
        }
        _ => return Err(Malformed),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_found_between_start_codes_of_both_lengths() {
        let frame = [9, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 0, 0, 2, 0, 0, 1, 0, 0, 1, 0x65];
        let found: Vec<&[u8]> = units(&frame).collect();
        assert_eq!(found, [&[0x67, 1][..], &[0x68, 0, 0, 2], &[0x65]]);
        assert_eq!(units(&[1, 2, 3]).count(), 0);
        assert_eq!(units(&[]).count(), 0);
    }

    #[test]
    fn small_units_travel_together_and_large_ones_in_parts() {
        let mut frame = Vec::new();
        for unit in [&[0x67, 1, 2][..], &[0x68, 3], &[0x65; 50]] {
            frame.extend([0, 0, 1]);
            frame.extend(unit);
        }
        let mut sent = Vec::new();
        packetize(&frame, 30, &mut |parts, last| sent.push((parts.concat(), last)));
        assert_eq!(sent[0], (vec![0x78, 0, 3, 0x67, 1, 2, 0, 2, 0x68, 3], false));
        assert_eq!(sent.len(), 3);
        assert_eq!((&sent[1].0[..2], sent[1].1), (&[0x7c, 0x85][..], false));
        assert_eq!((&sent[2].0[..2], sent[2].1), (&[0x7c, 0x45][..], true));
    }

    #[test]
    fn malformed_payloads_are_refused() {
        for payload in [&[][..], &[0x1e, 1], &[0x1c], &[0x18, 0, 5, 1], &[0x18, 0, 0], &[0x18, 0]] {
            assert!(depacketize(payload, &mut Vec::new()).is_err(), "{payload:x?}");
            assert_eq!(glimpse(payload), Err(Malformed), "{payload:x?}");
        }
    }
}
