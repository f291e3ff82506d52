//! EBML (RFC 8794): elements are an identifier, a size, and that many bytes.

/// The identifiers (RFC 8794 §11, RFC 9559 §5.1) that are read or written.
pub(super) mod id {
    pub(crate) const EBML: u32 = 0x1a45_dfa3;
    pub(crate) const EBML_VERSION: u32 = 0x4286;
    pub(crate) const EBML_READ_VERSION: u32 = 0x42f7;
    pub(crate) const EBML_MAX_ID_LENGTH: u32 = 0x42f2;
    pub(crate) const EBML_MAX_SIZE_LENGTH: u32 = 0x42f3;
    pub(crate) const DOC_TYPE: u32 = 0x4282;
    pub(crate) const DOC_TYPE_VERSION: u32 = 0x4287;
    pub(crate) const DOC_TYPE_READ_VERSION: u32 = 0x4285;
    pub(crate) const VOID: u32 = 0xec;
    pub(crate) const SEGMENT: u32 = 0x1853_8067;
    pub(crate) const SEEK_HEAD: u32 = 0x114d_9b74;
    pub(crate) const SEEK: u32 = 0x4dbb;
    pub(crate) const SEEK_ID: u32 = 0x53ab;
    pub(crate) const SEEK_POSITION: u32 = 0x53ac;
    pub(crate) const INFO: u32 = 0x1549_a966;
    pub(crate) const TIMESTAMP_SCALE: u32 = 0x2a_d7b1;
    pub(crate) const DURATION: u32 = 0x4489;
    pub(crate) const DATE_UTC: u32 = 0x4461;
    pub(crate) const TITLE: u32 = 0x7ba9;
    pub(crate) const MUXING_APP: u32 = 0x4d80;
    pub(crate) const WRITING_APP: u32 = 0x5741;
    pub(crate) const TRACKS: u32 = 0x1654_ae6b;
    pub(crate) const TRACK_ENTRY: u32 = 0xae;
    pub(crate) const TRACK_NUMBER: u32 = 0xd7;
    pub(crate) const TRACK_UID: u32 = 0x73c5;
    pub(crate) const TRACK_TYPE: u32 = 0x83;
    pub(crate) const FLAG_LACING: u32 = 0x9c;
    pub(crate) const CODEC_ID: u32 = 0x86;
    pub(crate) const CODEC_PRIVATE: u32 = 0x63a2;
    pub(crate) const CODEC_DELAY: u32 = 0x56aa;
    pub(crate) const SEEK_PRE_ROLL: u32 = 0x56bb;
    pub(crate) const DEFAULT_DURATION: u32 = 0x23_e383;
    pub(crate) const CONTENT_ENCODINGS: u32 = 0x6d80;
    pub(crate) const VIDEO: u32 = 0xe0;
    pub(crate) const PIXEL_WIDTH: u32 = 0xb0;
    pub(crate) const PIXEL_HEIGHT: u32 = 0xba;
    pub(crate) const AUDIO: u32 = 0xe1;
    pub(crate) const SAMPLING_FREQUENCY: u32 = 0xb5;
    pub(crate) const CHANNELS: u32 = 0x9f;
    pub(crate) const CLUSTER: u32 = 0x1f43_b675;
    pub(crate) const TIMESTAMP: u32 = 0xe7;
    pub(crate) const SIMPLE_BLOCK: u32 = 0xa3;
    pub(crate) const BLOCK_GROUP: u32 = 0xa0;
    pub(crate) const BLOCK: u32 = 0xa1;
    pub(crate) const REFERENCE_BLOCK: u32 = 0xfb;
    pub(crate) const CUES: u32 = 0x1c53_bb6b;
    pub(crate) const CUE_POINT: u32 = 0xbb;
    pub(crate) const CUE_TIME: u32 = 0xb3;
    pub(crate) const CUE_TRACK_POSITIONS: u32 = 0xb7;
    pub(crate) const CUE_TRACK: u32 = 0xf7;
    pub(crate) const CUE_CLUSTER_POSITION: u32 = 0xf1;
}

/// The size of an element whose end is told by what follows it (RFC 8794 §6.2), in eight bytes.
pub(super) const UNKNOWN: [u8; 8] = [0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];

/// The beginning of an element.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Head {
    pub(super) id: u32,
    /// Bytes of its content; `None` if its end is told by what follows.
    pub(super) size: Option<u64>,
    /// Bytes of the identifier and the size.
    pub(super) len: usize,
}

/// What stands at the beginning of some bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Parsed<T> {
    /// This.
    Whole(T),
    /// Not enough to tell.
    Short,
    /// Nothing that can be.
    Junk,
}

/// A number of variable length (RFC 8794 §4), and how many bytes it has; `None` as a number if all of its bits are set.
pub(super) fn vint(bytes: &[u8]) -> Parsed<(Option<u64>, usize)> {
    let Some(first) = bytes.first() else { return Parsed::Short };
    let len = first.leading_zeros() as usize + 1;
    if len > 8 {
        return Parsed::Junk;
    }
    let Some(all) = bytes.get(..len) else { return Parsed::Short };
    let mut value = u64::from(*first) & (0xff >> len);
    for byte in &all[1..] {
        value = value << 8 | u64::from(*byte);
    }
    let most = (1 << (7 * len)) - 1;
    Parsed::Whole(((value != most).then_some(value), len))
}

/// Reads the beginning of an element.
pub(super) fn head(bytes: &[u8]) -> Parsed<Head> {
    let Some(first) = bytes.first() else { return Parsed::Short };
    let id_len = first.leading_zeros() as usize + 1;
    if id_len > 4 {
        return Parsed::Junk;
    }
    let Some(id) = bytes.get(..id_len) else { return Parsed::Short };
    let id = id.iter().fold(0, |id, byte| id << 8 | u32::from(*byte));
    match vint(&bytes[id_len..]) {
        Parsed::Whole((size, len)) => Parsed::Whole(Head { id, size, len: id_len + len }),
        Parsed::Short => Parsed::Short,
        Parsed::Junk => Parsed::Junk,
    }
}

/// The elements inside a master element that is there as a whole: identifier and content. Ends where it is damaged.
pub(super) fn children(mut bytes: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    std::iter::from_fn(move || {
        let Parsed::Whole(head) = head(bytes) else { return None };
        let size = usize::try_from(head.size?).ok()?;
        let (content, rest) = bytes[head.len..].split_at_checked(size)?;
        bytes = rest;
        Some((head.id, content))
    })
}

/// An unsigned integer element (RFC 8794 §7.2), of eight bytes at most.
pub(super) fn uint(content: &[u8]) -> Option<u64> {
    (content.len() <= 8).then(|| content.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

/// A float element (RFC 8794 §7.3).
pub(super) fn float(content: &[u8]) -> Option<f64> {
    match content {
        [] => Some(0.0),
        [a, b, c, d] => Some(f64::from(f32::from_be_bytes([*a, *b, *c, *d]))),
        _ => Some(f64::from_be_bytes(content.try_into().ok()?)),
    }
}

/// A string element, without the zeroes that may fill it (RFC 8794 §7.4).
pub(super) fn text(content: &[u8]) -> String {
    let end = content.iter().position(|byte| *byte == 0).unwrap_or(content.len());
    String::from_utf8_lossy(&content[..end.min(256)]).into_owned()
}

/// Appends an identifier.
pub(super) fn put_id(out: &mut Vec<u8>, id: u32) {
    let bytes = id.to_be_bytes();
    let zeroes = bytes.iter().take_while(|byte| **byte == 0).count();
    out.extend_from_slice(&bytes[zeroes..]);
}

/// A size in eight bytes, which leaves room for any other to be patched in.
pub(super) fn wide(size: u64) -> [u8; 8] {
    (size | 1 << 56).to_be_bytes()
}

/// Appends a size in as few bytes as hold it.
pub(super) fn put_size(out: &mut Vec<u8>, size: u64) {
    let len = (1..8).find(|len| size < (1 << (7 * len)) - 1).unwrap_or(8);
    let bytes = (size | 1 << (7 * len)).to_be_bytes();
    out.extend_from_slice(&bytes[8 - len..]);
}

/// Appends an element.
pub(super) fn put(out: &mut Vec<u8>, id: u32, content: &[u8]) {
    put_id(out, id);
    put_size(out, content.len() as u64);
    out.extend_from_slice(content);
}

/// Appends an unsigned integer element, in as few bytes as hold it.
pub(super) fn put_uint(out: &mut Vec<u8>, id: u32, value: u64) {
    let bytes = value.to_be_bytes();
    let zeroes = bytes.iter().take_while(|byte| **byte == 0).count().min(7);
    put(out, id, &bytes[zeroes..]);
}

/// Appends a master element.
pub(super) fn put_master(out: &mut Vec<u8>, id: u32, write: impl FnOnce(&mut Vec<u8>)) {
    let mut content = Vec::new();
    write(&mut content);
    put(out, id, &content);
}

/// Appends nothing, `len` bytes of it in all (RFC 8794 §11.3.2): nine at least.
pub(super) fn put_void(out: &mut Vec<u8>, len: usize) {
    let content = len.saturating_sub(9);
    put_id(out, id::VOID);
    out.extend_from_slice(&wide(content as u64));
    out.resize(out.len() + content, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_they_are_read() {
        for value in
            [0, 1, 126, 127, 128, 16_382, 16_383, 16_384, (1 << 49) - 2, (1 << 49) - 1, (1 << 56) - 2]
        {
            let mut out = Vec::new();
            put_size(&mut out, value);
            assert_eq!(vint(&out), Parsed::Whole((Some(value), out.len())), "{value}");
            assert_eq!(vint(&out[..out.len() - 1]), Parsed::Short, "{value}");
            assert_eq!(vint(&wide(value)), Parsed::Whole((Some(value), 8)), "{value}");
        }
        assert_eq!(vint(&UNKNOWN), Parsed::Whole((None, 8)));
        assert_eq!(vint(&[0xff]), Parsed::Whole((None, 1)));
        assert_eq!(vint(&[0]), Parsed::Junk);
    }

    #[test]
    fn elements_are_written_as_they_are_read() {
        let mut out = Vec::new();
        put_master(&mut out, id::INFO, |out| {
            put_uint(out, id::TIMESTAMP_SCALE, 1_000_000);
            put_uint(out, id::TRACK_NUMBER, 0);
            put_void(out, 20);
            put(out, id::DURATION, &2.5f64.to_be_bytes());
        });
        let Parsed::Whole(head) = head(&out) else { panic!("{out:x?}") };
        assert_eq!((head.id, head.size), (id::INFO, Some((out.len() - head.len) as u64)));
        let found: Vec<_> = children(&out[head.len..]).collect();
        let ids: Vec<u32> = found.iter().map(|(id, _)| *id).collect();
        assert_eq!(ids, [id::TIMESTAMP_SCALE, id::TRACK_NUMBER, id::VOID, id::DURATION]);
        assert_eq!(
            (uint(found[0].1), uint(found[1].1), float(found[3].1)),
            (Some(1_000_000), Some(0), Some(2.5))
        );
        assert_eq!(found[2].1.len(), 11);
    }
}
