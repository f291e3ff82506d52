use super::Received;
use crate::packet::{Data, Flags};
use crate::stats::Stats;
use std::collections::VecDeque;

/// The message that DATA fragments in line belong to: there is one at most, for the fragments of a message
/// have consecutive TSNs (RFC 9260 §6.9).
#[derive(Default)]
pub(super) struct Assembly {
    open: Option<Open>,
    /// How long the last message of several fragments was: the next one probably is, too.
    usual: usize,
    too_large: bool,
}

struct Open {
    stream: u16,
    message: u32,
    unordered: bool,
    protocol: u32,
    data: Vec<u8>,
}

impl Assembly {
    pub(super) fn held(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.data.len())
    }

    /// Adds the next fragment in line; the message, if this was its last.
    pub(super) fn append(&mut self, data: &Data<'_>, max: usize, stats: &mut Stats) -> Option<Received> {
        let Data { stream, message, payload, protocol, flags, .. } = *data;
        if flags.begin() {
            if self.open.take().is_some() {
                stats.dropped.fragments += 1;
            }
            if payload.len() > max {
                return self.refuse(stats);
            }
            if flags.end() {
                return Some(Received { stream, protocol, data: payload.to_vec() });
            }
            let mut buffer = Vec::with_capacity(self.usual.max(2 * payload.len()).min(max));
            buffer.extend_from_slice(payload);
            let unordered = flags.unordered();
            self.open = Some(Open { stream, message, unordered, protocol, data: buffer });
            return None;
        }
        let fits = |open: &&mut Open| {
            (open.stream, open.message, open.unordered) == (stream, message, flags.unordered())
        };
        let Some(open) = self.open.as_mut().filter(fits) else {
            self.open = None;
            stats.dropped.fragments += 1;
            return None;
        };
        if open.data.len() + payload.len() > max {
            return self.refuse(stats);
        }
        open.data.extend_from_slice(payload);
        if !flags.end() {
            return None;
        }
        let Open { stream, protocol, mut data, .. } = self.open.take()?;
        self.usual = data.len();
        if data.capacity() > 2 * data.len() {
            data.shrink_to_fit();
        }
        Some(Received { stream, protocol, data })
    }

    fn refuse(&mut self, stats: &mut Stats) -> Option<Received> {
        stats.dropped.fragments += 1;
        self.open = None;
        self.too_large = true;
        None
    }

    /// Whether a message was above the largest, once.
    pub(super) fn take_too_large(&mut self) -> bool {
        std::mem::take(&mut self.too_large)
    }

    /// Forgets what there is; says how many bytes that was.
    pub(super) fn discard(&mut self) -> usize {
        self.open.take().map_or(0, |open| open.data.len())
    }
}

/// The place of a TSN behind the first missing one.
pub(super) enum Slot {
    Missing,
    /// Arrived, and its message is elsewhere.
    Taken,
    /// Arrived; other fragments of its message are missing.
    Held(Box<Fragment>),
}

/// A fragment of DATA that waits for its neighbours.
pub(super) struct Fragment {
    tsn: u64,
    stream: u16,
    message: u32,
    protocol: u32,
    flags: Flags,
    pub(super) data: Box<[u8]>,
    /// At both ends of a run of fragments of one message: the other end.
    other_end: u64,
}

impl Fragment {
    pub(super) fn of(data: &Data<'_>, tsn: u64) -> Self {
        let Data { stream, message, protocol, flags, .. } = *data;
        Self { tsn, stream, message, protocol, flags, data: data.payload.into(), other_end: tsn }
    }

    pub(super) fn as_data(&self) -> Data<'_> {
        let Self { stream, message, protocol, flags, .. } = *self;
        Data {
            tsn: crate::num::low32(self.tsn),
            stream,
            flags,
            message,
            protocol,
            fragment: 0,
            payload: &self.data,
        }
    }

    fn same_message(&self, other: &Self) -> bool {
        (self.stream, self.message, self.flags.unordered())
            == (other.stream, other.message, other.flags.unordered())
    }
}

/// Puts a slot into the ring, which grows as needed.
pub(super) fn put(ring: &mut VecDeque<Slot>, at: u64, slot: Slot) {
    let at = index(at);
    while ring.len() <= at {
        ring.push_back(Slot::Missing);
    }
    ring[at] = slot;
}

fn index(at: u64) -> usize {
    usize::try_from(at).expect("the ring has 65,535 places at most")
}

fn held(ring: &VecDeque<Slot>, base: u64, tsn: u64) -> Option<&Fragment> {
    match ring.get(index(tsn.checked_sub(base)?))? {
        Slot::Held(fragment) => Some(fragment),
        Slot::Missing | Slot::Taken => None,
    }
}

fn set_other_end(ring: &mut VecDeque<Slot>, base: u64, tsn: u64, other: u64) {
    if let Some(Slot::Held(fragment)) = tsn.checked_sub(base).and_then(|at| ring.get_mut(index(at))) {
        fragment.other_end = other;
    }
}

/// Joins the fragment just put at `tsn` with the runs beside it, in constant time: only the ends of a run know
/// about each other. Says from where to where the message goes, if it is whole now.
pub(super) fn join(ring: &mut VecDeque<Slot>, base: u64, tsn: u64) -> Option<(u64, u64)> {
    let own = held(ring, base, tsn)?;
    let left = tsn
        .checked_sub(1)
        .and_then(|t| held(ring, base, t))
        .filter(|f| !f.flags.end() && !own.flags.begin() && f.same_message(own))
        .map(|f| f.other_end)
        .filter(|t| held(ring, base, *t).is_some());
    let right = held(ring, base, tsn + 1)
        .filter(|f| !f.flags.begin() && !own.flags.end() && f.same_message(own))
        .map(|f| f.other_end);
    let (first, last) = (left.unwrap_or(tsn), right.unwrap_or(tsn));
    set_other_end(ring, base, first, last);
    set_other_end(ring, base, last, first);
    let whole = held(ring, base, first)?.flags.begin() && held(ring, base, last)?.flags.end();
    whole.then_some((first, last))
}

/// Takes the fragments `first..=last` out of the ring and makes the message of them.
pub(super) fn gather(ring: &mut VecDeque<Slot>, base: u64, first: u64, last: u64) -> Option<Received> {
    let len = (first..=last).map(|tsn| held(ring, base, tsn).map_or(0, |f| f.data.len())).sum();
    let head = held(ring, base, first)?;
    let mut message =
        Received { stream: head.stream, protocol: head.protocol, data: Vec::with_capacity(len) };
    for tsn in first..=last {
        if let Slot::Held(fragment) = std::mem::replace(&mut ring[index(tsn - base)], Slot::Taken) {
            message.data.extend_from_slice(&fragment.data);
        }
    }
    Some(message)
}
