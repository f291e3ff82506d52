//! The messages that we send in one go, cut into datagrams and sent again until the peer answers
//! (RFC 6347 §4.2.4, RFC 9147 §5.8).

use std::time::Duration;

use wire::Instant;

use crate::reassembly::HEADER;
use crate::record::{CHANGE_CIPHER_SPEC, HANDSHAKE};
use crate::records::Records;

/// The longest pause between two retransmissions.
const MAX_PAUSE: Duration = Duration::from_secs(3);
/// The longest pause that a flight takes over from the one before: that one may have found nobody there yet, and whoever
/// answers after that need not be slow.
const MAX_KEPT: Duration = Duration::from_millis(400);
/// After so many retransmissions datagrams shrink to what every path carries (RFC 6347 §4.1.1.1).
const SHRINK_AFTER: u32 = 3;
const SMALL_DATAGRAM: usize = 548;
/// Fragments whose records we remember for the peer's acknowledgements.
const MAX_RECORDS: usize = 128;

#[derive(Debug)]
struct Outgoing {
    content: u8,
    epoch: u16,
    /// A handshake message with its header, or the body of another record.
    raw: Vec<u8>,
    /// The fragments that the peer has acknowledged (start, end).
    acknowledged: Vec<(usize, usize)>,
}

impl Outgoing {
    /// Bytes to be cut into fragments.
    fn len(&self) -> usize {
        if self.content == HANDSHAKE { self.raw.len() - HEADER } else { self.raw.len() }
    }

    fn is_acknowledged(&self) -> bool {
        let mut end = 0;
        for (s, e) in &self.acknowledged {
            if *s > end {
                return false;
            }
            end = end.max(*e);
        }
        !self.acknowledged.is_empty() && end >= self.len()
    }
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    epoch: u16,
    seq: u64,
    message: usize,
    start: usize,
    end: usize,
}

/// The flight that was sent last.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    messages: Vec<Outgoing>,
    /// The next fragment to send: (message, offset).
    at: (usize, usize),
    /// Whether something is still to be sent.
    sending: bool,
    /// Whether an answer is awaited, so that silence means loss.
    awaits_answer: bool,
    /// Whether somebody else sends it again.
    held: bool,
    pause: Duration,
    due: Option<Instant>,
    last_sent: Option<Instant>,
    rounds: u32,
    sent: Vec<Sent>,
}

impl Flight {
    /// Forgets the flight before and begins a new one. If that one had to be sent again, its pause is kept: the peer may be
    /// slow (RFC 6347 §4.2.4.1, RFC 9147 §5.8.2).
    pub(crate) fn begin(&mut self, pause: Duration, awaits_answer: bool) {
        let kept = if self.rounds > 0 { self.pause.min(MAX_KEPT) } else { Duration::ZERO };
        let pause = pause.max(kept);
        *self = Self { pause, awaits_answer, held: self.held, ..Self::default() };
    }

    /// Adds a record's content: a handshake message with its header, or the body of another record.
    pub(crate) fn push(&mut self, content: u8, epoch: u16, raw: Vec<u8>) {
        self.messages.push(Outgoing { content, epoch, raw, acknowledged: Vec::new() });
        self.sending = true;
    }

    pub(crate) const fn due(&self) -> Option<Instant> {
        self.due
    }

    pub(crate) const fn awaits_answer(&self) -> bool {
        self.awaits_answer
    }

    /// How often it was sent again.
    pub(crate) const fn rounds(&self) -> u32 {
        self.rounds
    }

    pub(crate) const fn is_sending(&self) -> bool {
        self.sending
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Somebody else sends it again, or does so no more. With `again` all of it is to be written anew.
    pub(crate) fn hold(&mut self, now: Instant, held: bool, again: bool) {
        self.held = held;
        if again && !self.messages.is_empty() && !self.sending {
            self.at = (0, 0);
            self.sending = true;
        }
        let waits = !held && self.awaits_answer && !self.sending && !self.messages.is_empty();
        self.due = waits.then(|| now + self.pause);
    }

    /// The pause was long enough: send again. Whether that is so.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> bool {
        if self.due.is_none_or(|due| due > now) {
            return false;
        }
        self.pause = (self.pause * 2).min(MAX_PAUSE);
        self.send_again();
        true
    }

    /// The peer repeats itself, so it lacks this flight: send it again, but not twice in one pause of `gap`, or
    /// two such peers would answer each other for ever.
    pub(crate) fn peer_repeats(&mut self, now: Instant, gap: Duration) -> bool {
        let recent = self.last_sent.is_none_or(|at| now.saturating_since(at) < gap);
        if self.held || self.sending || self.messages.is_empty() || recent {
            return false;
        }
        self.send_again();
        true
    }

    /// It is sent again only if the peer repeats itself.
    pub(crate) const fn rest(&mut self) {
        self.awaits_answer = false;
        self.due = None;
    }

    fn send_again(&mut self) {
        self.at = (0, 0);
        self.sending = true;
        self.due = None;
        self.rounds += 1;
    }

    /// The peer has this record (RFC 9147 §7.2). Whether the whole flight has arrived now.
    pub(crate) fn acknowledge(&mut self, epoch: u64, seq: u64) -> bool {
        if let Some(sent) = self.sent.iter().find(|s| u64::from(s.epoch) == epoch && s.seq == seq) {
            let message = &mut self.messages[sent.message];
            message.acknowledged.push((sent.start, sent.end));
            message.acknowledged.sort_unstable();
            message.acknowledged.dedup();
        }
        !self.messages.is_empty() && self.messages.iter().all(Outgoing::is_acknowledged)
    }

    /// Fills `buf` with records of this flight; their length, 0 when nothing is left.
    pub(crate) fn poll_transmit(
        &mut self,
        now: Instant,
        records: &mut Records,
        buf: &mut [u8],
        mtu: usize,
    ) -> usize {
        let mtu = if self.rounds >= SHRINK_AFTER { mtu.min(SMALL_DATAGRAM) } else { mtu };
        let limit = mtu.min(buf.len());
        let mut used = 0;
        while self.sending {
            let (message, offset) = self.at;
            let Some(outgoing) = self.messages.get(message) else {
                self.sending = false;
                self.last_sent = Some(now);
                self.due = (self.awaits_answer && !self.held).then(|| now + self.pause);
                break;
            };
            if outgoing.is_acknowledged() || !records.can_seal(outgoing.epoch) {
                self.at = (message + 1, 0);
                continue;
            }
            let Some((seq, record, fragment)) = write(outgoing, offset, records, &mut buf[used..limit])
            else {
                break;
            };
            used += record;
            let end = offset + fragment;
            if self.sent.len() == MAX_RECORDS {
                self.sent.remove(0);
            }
            self.sent.push(Sent { epoch: outgoing.epoch, seq, message, start: offset, end });
            self.at = if end == outgoing.len() { (message + 1, 0) } else { (message, end) };
        }
        used
    }
}

/// Writes as much of `outgoing` from `offset` on as fits: (record number, length of the record, of the
/// fragment). `None` when nothing sensible fits.
fn write(
    outgoing: &Outgoing,
    offset: usize,
    records: &mut Records,
    buf: &mut [u8],
) -> Option<(u64, usize, usize)> {
    let (start, overhead) = records.shape(outgoing.epoch);
    let rest = outgoing.len() - offset;
    let header = if outgoing.content == HANDSHAKE { HEADER } else { 0 };
    let room = buf.len().checked_sub(overhead + header)?;
    let fragment = rest.min(room);
    // A sliver at the end of a datagram costs more in headers than it carries.
    if fragment < rest && (fragment < 32 || outgoing.content == CHANGE_CIPHER_SPEC) {
        return None;
    }
    let data = &mut buf[start..start + header + fragment];
    if header > 0 {
        data[..6].copy_from_slice(&outgoing.raw[..6]);
        data[6..9].copy_from_slice(&length24(offset));
        data[9..12].copy_from_slice(&length24(fragment));
    }
    data[header..].copy_from_slice(&outgoing.raw[header + offset..header + offset + fragment]);
    let (seq, record) = records.seal(outgoing.epoch, outgoing.content, buf, header + fragment)?;
    Some((seq, record, fragment))
}

pub(crate) fn length24(len: usize) -> [u8; 3] {
    let [_, a, b, c] = u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes();
    [a, b, c]
}
