//! Handshake messages from their fragments, in order (RFC 6347 §4.2.3).

use std::collections::VecDeque;

use wire::Reader;

/// Bytes of the header of a handshake message.
pub(crate) const HEADER: usize = 12;
/// How many messages ahead of the next one are kept.
const WINDOW: u16 = 8;
/// The longest message: certificates of peers are hundreds of bytes, with post-quantum keys a few thousand.
pub(crate) const MAX_MESSAGE: usize = 16_384;
/// Bytes kept in all for messages that are not complete.
const MAX_BYTES: usize = 49_152;
/// Holes in one message.
const MAX_PIECES: usize = 64;

/// A whole message with its header, as if it had come in one fragment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Message {
    pub(crate) raw: Vec<u8>,
    /// The epoch of the records that brought it.
    pub(crate) epoch: u16,
}

impl Message {
    pub(crate) fn kind(&self) -> u8 {
        self.raw[0]
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.raw[HEADER..]
    }
}

#[derive(Debug)]
struct Partial {
    message: Message,
    /// The ranges that have come, in order, never touching.
    pieces: Vec<(usize, usize)>,
}

impl Partial {
    fn is_complete(&self) -> bool {
        let len = self.message.raw.len() - HEADER;
        self.pieces.first() == Some(&(0, len))
    }

    fn add(&mut self, offset: usize, bytes: &[u8]) {
        let (mut start, mut end) = (offset, offset + bytes.len());
        if self.pieces.len() >= MAX_PIECES {
            return; // it will come again
        }
        self.message.raw[HEADER + start..HEADER + end].copy_from_slice(bytes);
        self.pieces.retain(|(s, e)| {
            let apart = *e < start || *s > end;
            if !apart {
                (start, end) = (start.min(*s), end.max(*e));
            }
            apart
        });
        let at = self.pieces.partition_point(|(s, _)| *s < start);
        self.pieces.insert(at, (start, end));
    }
}

/// What became of a fragment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// Kept, or already there.
    Kept,
    /// Part of a message that was handled: the peer sends again.
    Repeated,
    /// Not the format.
    Malformed,
    /// No room, too far ahead, or of an older epoch than what came before.
    Refused,
}

/// What has come of the next messages.
#[derive(Debug, Default)]
pub(crate) struct Reassembly {
    next: u16,
    slots: VecDeque<Option<Partial>>,
}

impl Reassembly {
    /// Takes the first fragment in `bytes`; the outcome and how many bytes it took.
    pub(crate) fn add(&mut self, bytes: &[u8], epoch: u16) -> (Outcome, usize) {
        let mut r = Reader::new(bytes);
        let header = (|| {
            let kind_and_len = r.u32()?;
            let seq = r.u16()?;
            let [a, b, c, d, e, f] = r.array()?;
            let offset = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
            let len = usize::from(d) << 16 | usize::from(e) << 8 | usize::from(f);
            Ok::<_, wire::Short>((kind_and_len, seq, offset, r.take(len)?))
        })();
        let Ok((kind_and_len, seq, offset, fragment)) = header else {
            return (Outcome::Malformed, bytes.len());
        };
        let taken = HEADER + fragment.len();
        let whole = usize::try_from(kind_and_len & 0xff_ffff).unwrap_or(usize::MAX);
        if offset + fragment.len() > whole || whole > MAX_MESSAGE {
            return (Outcome::Malformed, taken);
        }
        let ahead = seq.wrapping_sub(self.next);
        if ahead >= WINDOW {
            // Half of the numbers are behind, half ahead.
            let behind = ahead >= 0x8000;
            return (if behind { Outcome::Repeated } else { Outcome::Refused }, taken);
        }
        (self.keep(ahead, kind_and_len, seq, (offset, fragment), epoch), taken)
    }

    fn keep(
        &mut self,
        ahead: u16,
        kind_and_len: u32,
        seq: u16,
        (offset, fragment): (usize, &[u8]),
        epoch: u16,
    ) -> Outcome {
        let mut header = [0; HEADER];
        header[..4].copy_from_slice(&kind_and_len.to_be_bytes());
        header[4..6].copy_from_slice(&seq.to_be_bytes());
        header[9..].copy_from_slice(&kind_and_len.to_be_bytes()[1..]);
        let whole = usize::try_from(kind_and_len & 0xff_ffff).unwrap_or(usize::MAX);
        let at = usize::from(ahead);
        while self.slots.len() <= at {
            self.slots.push_back(None);
        }
        let others = self.slots.iter().enumerate().filter(|(i, _)| *i != at);
        let kept: usize = others.filter_map(|(_, p)| p.as_ref()).map(|p| p.message.raw.len()).sum();
        let slot = &mut self.slots[at];
        match slot {
            Some(p) if p.message.raw[..HEADER] == header && p.message.epoch == epoch => {
                p.add(offset, fragment);
                Outcome::Kept
            }
            Some(p) if p.message.epoch > epoch => Outcome::Refused,
            // One of the two is forged or damaged, and nobody knows which; what is lost comes again.
            _ if kept + HEADER + whole > MAX_BYTES => Outcome::Refused,
            _ => {
                let mut raw = vec![0; HEADER + whole];
                raw[..HEADER].copy_from_slice(&header);
                let mut partial = Partial { message: Message { raw, epoch }, pieces: Vec::new() };
                partial.add(offset, fragment);
                *slot = Some(partial);
                Outcome::Kept
            }
        }
    }

    /// The next message, if it is complete. It is still the next one until [`Reassembly::accept`].
    pub(crate) fn take(&mut self) -> Option<Message> {
        let slot = self.slots.front_mut()?;
        if slot.as_ref().is_some_and(Partial::is_complete) {
            slot.take().map(|partial| partial.message)
        } else {
            None
        }
    }

    /// Says that the message taken was the one: the next one is awaited. Otherwise it may come again.
    pub(crate) fn accept(&mut self) {
        self.slots.pop_front();
        self.next = self.next.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragment(seq: u16, whole: u32, offset: u32, bytes: &[u8]) -> Vec<u8> {
        let len = u32::try_from(bytes.len()).unwrap();
        let mut out = (u32::from(11u8) << 24 | whole).to_be_bytes().to_vec();
        out.extend(seq.to_be_bytes());
        out.extend(&offset.to_be_bytes()[1..]);
        out.extend(&len.to_be_bytes()[1..]);
        out.extend(bytes);
        out
    }

    #[test]
    fn fragments_of_any_order_and_overlap_make_the_message() {
        let mut r = Reassembly::default();
        let mut add = |seq, offset, bytes: &[u8]| r.add(&fragment(seq, 6, offset, bytes), 0).0;
        assert_eq!(add(1, 0, b"second"), Outcome::Kept);
        assert_eq!(add(0, 3, b"st!"), Outcome::Kept);
        assert_eq!(add(0, 5, b"!"), Outcome::Kept);
        assert_eq!(add(0, 0, b"fi"), Outcome::Kept);
        assert_eq!(add(8, 0, b"too ah"), Outcome::Refused);
        assert_eq!(r.take(), None);
        assert_eq!(r.add(&fragment(0, 6, 1, b"irs"), 0).0, Outcome::Kept);
        assert_eq!(r.take().unwrap().body(), b"first!");
        r.accept();
        assert_eq!(r.take().unwrap().raw, fragment(1, 6, 0, b"second"));
        r.accept();
        assert_eq!(r.add(&fragment(0, 6, 1, b"irs"), 0).0, Outcome::Repeated);
    }

    #[test]
    fn lies_are_malformed_and_contradictions_refused() {
        let mut r = Reassembly::default();
        assert_eq!(r.add(&fragment(0, 5, 3, b"abc"), 0), (Outcome::Malformed, HEADER + 3));
        assert_eq!(r.add(&fragment(0, 0xff_ffff, 0, b"abc"), 0).0, Outcome::Malformed);
        assert_eq!(r.add(&fragment(0, 5, 3, b"ab")[..13], 0), (Outcome::Malformed, 13));
        assert_eq!(r.add(&fragment(0, 5, 3, b"ab"), 0).0, Outcome::Kept);
        assert_eq!(r.add(&fragment(0, 3, 0, b"abc"), 1).0, Outcome::Kept);
        assert_eq!(r.add(&fragment(0, 3, 0, b"xyz"), 0).0, Outcome::Refused, "an older epoch");
        assert_eq!(r.add(&fragment(0, 4, 0, b"wxyz"), 1).0, Outcome::Kept, "instead of the other");
        assert_eq!(r.take().unwrap().body(), b"wxyz");
        for seq in 1..3 {
            assert_eq!(r.add(&fragment(seq, 16_384, 0, b"a"), 0).0, Outcome::Kept);
        }
        assert_eq!(r.add(&fragment(3, 16_384, 0, b"a"), 0).0, Outcome::Refused, "no room");
        let empty = fragment(4, 0, 0, b"");
        assert_eq!(r.add(&empty, 0), (Outcome::Kept, HEADER));
    }
}
