//! Frames from files: IVF with VP8, VP9, H.264 or Opus, and Ogg with Opus (RFC 7845).

use std::time::Duration;

use peer::Format;

/// A frame and when it is due, from the beginning of the file.
pub(crate) struct Frame {
    pub(crate) due: Duration,
    pub(crate) keyframe: bool,
    pub(crate) data: Vec<u8>,
}

/// The frames of a file; `None` if it is of neither kind or cut off in its header.
pub(crate) fn frames(file: &[u8]) -> Option<(Format, Vec<Frame>)> {
    if file.starts_with(b"OggS") { Some((Format::Opus, opus(file))) } else { ivf(file) }
}

fn ivf(file: &[u8]) -> Option<(Format, Vec<Frame>)> {
    let number = |at: usize| Some(u32::from_le_bytes(*file.get(at..)?.first_chunk()?));
    let format = match (file.get(..4)?, file.get(8..12)?) {
        (b"DKIF", b"VP80") => Format::Vp8,
        (b"DKIF", b"VP90") => Format::Vp9,
        (b"DKIF", b"H264") => Format::H264,
        (b"DKIF", b"OPUS") => Format::Opus,
        _ => return None,
    };
    let (rate, scale) = (u64::from(number(16)?.max(1)), u64::from(number(20)?));
    let (mut at, mut frames) = (32, Vec::new());
    while let (Some(len), Some(tick)) = (number(at), number(at + 4)) {
        let begin = at + 12;
        at = begin + usize::try_from(len).ok()?;
        let Some(data) = file.get(begin..at).filter(|data| !data.is_empty()) else { break };
        let keyframe = is_keyframe(format, data);
        let due = Duration::from_nanos(u64::from(tick) * scale * 1_000_000_000 / rate);
        frames.push(Frame { due, keyframe, data: data.to_vec() });
    }
    Some((format, frames))
}

fn is_keyframe(format: Format, data: &[u8]) -> bool {
    match format {
        // RFC 6386 §9.1.
        Format::Vp8 => data[0] & 0x01 == 0,
        // VP9 bitstream §6.2, for profiles 0 to 2.
        Format::Vp9 => data[0] & 0x04 == 0,
        // A unit of an IDR picture (ITU-T H.264 table 7-1).
        Format::H264 => data.windows(4).any(|bytes| bytes[..3] == [0, 0, 1] && bytes[3] & 0x1f == 5),
        Format::Opus => true,
        Format::Av1 => false,
    }
}

/// The packets of the pages (RFC 3533 §6) behind the two of the header.
fn opus(file: &[u8]) -> Vec<Frame> {
    let (mut at, mut packet, mut packets) = (0, Vec::new(), Vec::new());
    while let Some(page) = file.get(at..).filter(|page| page.len() > 27 && page.starts_with(b"OggS")) {
        let lacing = &page[27..(27 + usize::from(page[26])).min(page.len())];
        at += 27 + lacing.len();
        for len in lacing {
            let end = (at + usize::from(*len)).min(file.len());
            packet.extend_from_slice(&file[at..end]);
            at = end;
            // A packet goes on as long as its parts are full.
            if *len < 255 {
                packets.push(std::mem::take(&mut packet));
            }
        }
    }
    let mut due = Duration::ZERO;
    let timed = packets.into_iter().skip(2).filter(|data| !data.is_empty()).map(|data| {
        let frame = Frame { due, keyframe: true, data };
        due += length(&frame.data);
        frame
    });
    timed.collect()
}

/// How long a packet of Opus plays (RFC 6716 §3.1).
pub(crate) fn length(packet: &[u8]) -> Duration {
    let config = packet[0] >> 3;
    let micros = match config {
        0..=11 => [10_000, 20_000, 40_000, 60_000][usize::from(config & 3)],
        12..=15 => [10_000, 20_000][usize::from(config & 1)],
        _ => [2_500, 5_000, 10_000, 20_000][usize::from(config & 3)],
    };
    let count = match packet[0] & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => packet.get(1).map_or(1, |byte| u64::from(byte & 0x3f)),
    };
    Duration::from_micros(micros * count)
}
