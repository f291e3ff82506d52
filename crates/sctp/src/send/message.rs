use crate::channel::Reliability;
use bytes::Bytes;
use std::collections::VecDeque;
use wire::Instant;

/// What is to be sent, once, for as long as any part of it is not acknowledged.
pub(super) struct Message {
    pub(super) data: Bytes,
    pub(super) stream: u16,
    pub(super) protocol: u32,
    pub(super) unordered: bool,
    /// How often each fragment may be sent again.
    pub(super) retransmits: Option<u32>,
    pub(super) expires: Option<Instant>,
    /// SSN or MID, given with the first fragment.
    pub(super) number: u32,
    /// How much of it was sent.
    pub(super) sent: usize,
    /// The next fragment's number.
    pub(super) fragment: u32,
    /// TSNs of its first and its last fragment so far.
    pub(super) span: (u64, u64),
    /// Fragments sent and not acknowledged cumulatively.
    pub(super) unacked: u32,
    pub(super) abandoned: bool,
}

impl Message {
    pub(super) fn new(outgoing: Outgoing, now: Instant) -> Self {
        let Outgoing { stream, protocol, unordered, reliability, data } = outgoing;
        let (retransmits, expires) = match reliability {
            Reliability::Reliable => (None, None),
            Reliability::Retransmits(n) => (Some(n), None),
            Reliability::Lifetime(d) => (None, Some(now + d)),
        };
        Self {
            data,
            stream,
            protocol,
            unordered,
            retransmits,
            expires,
            number: 0,
            sent: 0,
            fragment: 0,
            span: (0, 0),
            unacked: 0,
            abandoned: false,
        }
    }

    pub(super) fn is_sent(&self) -> bool {
        self.sent == self.data.len()
    }

    /// Whether nobody wants it any more at `now`.
    pub(super) fn is_late(&self, now: Instant) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }

    /// Whether a fragment that was sent `transmissions` times may be sent again.
    pub(super) fn may_resend(&self, transmissions: u16, now: Instant) -> bool {
        !self.abandoned
            && !self.is_late(now)
            && self.retransmits.is_none_or(|most| u32::from(transmissions) <= most)
    }
}

/// A message on its way into the queue.
pub(crate) struct Outgoing {
    pub(crate) stream: u16,
    pub(crate) protocol: u32,
    pub(crate) unordered: bool,
    pub(crate) reliability: Reliability,
    /// At least one byte.
    pub(crate) data: Bytes,
}

/// Messages by index; indices are reused.
#[derive(Default)]
pub(super) struct Messages {
    slots: Vec<Option<Message>>,
    free: Vec<u32>,
}

impl Messages {
    pub(super) fn insert(&mut self, message: Message) -> u32 {
        if let Some(index) = self.free.pop() {
            self.slots[index as usize] = Some(message);
            return index;
        }
        self.slots.push(Some(message));
        u32::try_from(self.slots.len() - 1).expect("the send buffer holds fewer messages")
    }

    pub(super) fn get(&self, index: u32) -> &Message {
        self.slots[index as usize].as_ref().expect("an index is used while its message is there")
    }

    pub(super) fn get_mut(&mut self, index: u32) -> &mut Message {
        self.slots[index as usize].as_mut().expect("an index is used while its message is there")
    }

    pub(super) fn remove(&mut self, index: u32) -> Message {
        self.free.push(index);
        self.slots[index as usize].take().expect("an index is used while its message is there")
    }
}

/// The outbound state of one stream.
pub(super) struct Stream {
    /// Messages not sent to their end.
    pub(super) queue: VecDeque<u32>,
    /// Share of the bandwidth.
    pub(super) weight: u64,
    /// Virtual time up to which the stream had its share.
    pub(super) pass: u64,
    /// Bytes of user messages not sent yet.
    pub(super) buffered: usize,
    pub(super) threshold: usize,
    /// Whether `buffered` was above `threshold` since the last event.
    pub(super) was_above: bool,
    /// Messages not acknowledged to their end.
    pub(super) pending: usize,
    pub(super) next_ordered: u32,
    pub(super) next_unordered: u32,
}

impl Stream {
    pub(super) fn new(priority: u16) -> Self {
        Self {
            queue: VecDeque::new(),
            weight: u64::from(priority.max(1)),
            pass: 0,
            buffered: 0,
            threshold: 0,
            was_above: false,
            pending: 0,
            next_ordered: 0,
            next_unordered: 0,
        }
    }

    /// The number of the next message (RFC 9260 §6.5, RFC 8260 §2.2.2).
    pub(super) const fn number(&mut self, unordered: bool, interleaving: bool) -> u32 {
        if unordered {
            let number = self.next_unordered;
            self.next_unordered = number.wrapping_add(1);
            return if interleaving { number } else { 0 };
        }
        let number = self.next_ordered;
        self.next_ordered = number.wrapping_add(1);
        if interleaving { number } else { number & 0xffff }
    }
}
