//! Opus (RFC 7587 §4.2): the payload is the packet of the codec.

use super::Take;
use rtp::Malformed;

pub(super) fn packetize(frame: &[u8], take: Take<'_>) {
    if !frame.is_empty() {
        take(&[frame], true);
    }
}

pub(super) fn depacketize(payload: &[u8], frame: &mut Vec<u8>) -> Result<(), Malformed> {
    if payload.is_empty() {
        return Err(Malformed);
    }
    frame.extend_from_slice(payload);
    Ok(())
}
