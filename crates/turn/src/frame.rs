//! Finds message boundaries in a stream between a TURN client and server (RFC 8489 §6.2.2, RFC 8656 §12.5).

/// The bytes are neither STUN nor ChannelData: the stream cannot be followed any further, close it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed;

/// The largest message that [`next`] ever asks for: a full STUN header and a 16-bit length.
pub const MAX_LEN: usize = 20 + 0xffff;

/// The length of the first message in `bytes`, padding included. `None`: more bytes are needed first.
///
/// In a stream ChannelData is padded to a multiple of four bytes (RFC 8656 §12.5); the padding belongs to the
/// message, so the driver passes the whole slice to the machine.
pub fn next(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    let len = match *bytes {
        [] => return Ok(None),
        [0..=0x3f, ..] => match *bytes {
            // The two length bits that STUN keeps at zero tell early that this is no STUN (RFC 8489 §5).
            [_, _, high, low, ..] if low & 3 == 0 => 20 + usize::from(u16::from_be_bytes([high, low])),
            [_, _, _, _, ..] => return Err(Malformed),
            _ => return Ok(None),
        },
        [0x40..=0x7f, ..] => match *bytes {
            [_, _, high, low, ..] => (4 + usize::from(u16::from_be_bytes([high, low]))).next_multiple_of(4),
            _ => return Ok(None),
        },
        [0x80..=0xff, ..] => return Err(Malformed),
    };
    Ok((bytes.len() >= len).then_some(len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries() {
        let check = |bytes: &[u8], expected| assert_eq!(next(bytes), expected, "{bytes:?}");
        check(&[], Ok(None));
        check(&[0], Ok(None));
        check(&[0, 1, 0], Ok(None));
        check(&[0, 1, 0, 0], Ok(None));
        check(&[0, 1, 0, 2], Err(Malformed));
        check(&[0; 19], Ok(None));
        check(&[0; 20], Ok(Some(20)));
        check(&[0; 24], Ok(Some(20)));
        check(&[0x40, 0, 0], Ok(None));
        check(&[0x40, 0, 0, 0], Ok(Some(4)));
        check(&[0x40, 0, 0, 1, 9, 0, 0], Ok(None));
        check(&[0x40, 0, 0, 1, 9, 0, 0, 0], Ok(Some(8)));
        check(&[0x7f, 0xff, 0, 4, 9, 0, 0, 0, 1], Ok(Some(8)));
        check(&[0x80], Err(Malformed));
        check(&[0xff, 0, 0, 0], Err(Malformed));
    }
}
