//! Blocks (RFC 9559 §10): frames of one track, one or several in a lace.

use super::ebml::{Parsed, vint};

/// A block taken apart.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Block<'a> {
    pub(super) track: u64,
    /// Ticks after its cluster.
    pub(super) relative: i16,
    /// As a `SimpleBlock` tells it; a `Block` does not.
    pub(super) keyframe: bool,
    pub(super) frames: Vec<&'a [u8]>,
}

/// Frames in one block at most, as their count has a byte.
const MAX_LACED: usize = 256;

impl<'a> Block<'a> {
    /// Reads the content of a `SimpleBlock` or a `Block`; `None` if it is damaged.
    pub(super) fn parse(content: &'a [u8]) -> Option<Self> {
        let Parsed::Whole((Some(track), len)) = vint(content) else { return None };
        let (head, rest) = content[len..].split_first_chunk::<3>()?;
        let [high, low, flags] = *head;
        let frames = match flags >> 1 & 3 {
            0 => vec![rest],
            1 => xiph(rest)?,
            2 => fixed(rest)?,
            _ => by_differences(rest)?,
        };
        Some(Self { track, relative: i16::from_be_bytes([high, low]), keyframe: flags & 0x80 != 0, frames })
    }
}

/// Cuts the frames of these sizes off; the last one has the rest.
fn cut<'a>(mut rest: &'a [u8], sizes: &[usize]) -> Option<Vec<&'a [u8]>> {
    let mut frames = Vec::with_capacity(sizes.len() + 1);
    for size in sizes {
        let (frame, later) = rest.split_at_checked(*size)?;
        frames.push(frame);
        rest = later;
    }
    frames.push(rest);
    Some(frames)
}

/// Sizes as sums of bytes (RFC 9559 §10.3.2).
fn xiph(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let (count, mut rest) = bytes.split_first()?;
    let mut sizes = Vec::with_capacity(usize::from(*count));
    for _ in 0..*count {
        let mut size = 0;
        loop {
            let (byte, later) = rest.split_first()?;
            rest = later;
            size += usize::from(*byte);
            if *byte < 255 {
                break;
            }
        }
        sizes.push(size);
    }
    cut(rest, &sizes)
}

/// All of one size (RFC 9559 §10.3.4).
fn fixed(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let (count, rest) = bytes.split_first()?;
    let count = usize::from(*count) + 1;
    debug_assert!(count <= MAX_LACED);
    if rest.is_empty() || rest.len() % count != 0 {
        return None;
    }
    Some(rest.chunks(rest.len() / count).collect())
}

/// The first size, then differences (RFC 9559 §10.3.3).
fn by_differences(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let (count, mut rest) = bytes.split_first()?;
    let mut sizes: Vec<usize> = Vec::with_capacity(usize::from(*count));
    for at in 0..*count {
        let Parsed::Whole((value, len)) = vint(rest) else { return None };
        rest = &rest[len..];
        // All bits set is a number like others here: half of the range lies below zero.
        let value = i64::try_from(value.unwrap_or((1 << (7 * len)) - 1)).ok()?;
        let size = match (at, sizes.last()) {
            (0, _) | (_, None) => value,
            (_, Some(before)) => i64::try_from(*before).ok()? + value - ((1 << (7 * len - 1)) - 1),
        };
        sizes.push(usize::try_from(size).ok()?);
    }
    cut(rest, &sizes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(content: &[u8]) -> Option<Vec<usize>> {
        Block::parse(content).map(|block| block.frames.iter().map(|frame| frame.len()).collect())
    }

    #[test]
    fn laces_of_every_kind_are_undone() {
        let with = |flags: u8, head: &[u8], data: usize| {
            [&[0x81, 0xff, 0xfe, flags][..], head, &vec![7; data]].concat()
        };
        assert_eq!(frames(&with(0x80, &[], 5)), Some(vec![5]));
        assert_eq!(frames(&with(0x02, &[2, 255, 45, 3], 310)), Some(vec![300, 3, 7]), "Xiph");
        assert_eq!(frames(&with(0x04, &[2], 9)), Some(vec![3, 3, 3]), "fixed");
        // The example of RFC 9559 §10.3.3: 800, 500, 1000.
        assert_eq!(
            frames(&with(0x06, &[2, 0x43, 0x20, 0x5e, 0xd3], 2300)),
            Some(vec![800, 500, 1000]),
            "EBML"
        );
        let block = with(0x80, &[], 1);
        let block = Block::parse(&block).unwrap();
        assert_eq!((block.track, block.relative, block.keyframe), (1, -2, true));
        for junk in [
            &[][..],
            &[0x81, 0, 0],
            &[0, 0, 0, 0],
            &[0x81, 0, 0, 0x04, 2, 1, 1],
            &[0x81, 0, 0, 0x02, 1, 255],
            &[0x81, 0, 0, 0x06, 2, 0x81, 0x80],
        ] {
            assert!(Block::parse(junk).is_none(), "{junk:x?}");
        }
    }
}
