//! The receiving half: which TSNs arrived, messages put together, when to acknowledge.

mod assembly;
mod interleaved;
mod order;

use crate::num::{low32, u32_of, unwrap32};
use crate::packet::{Data, ForwardTsn};
use crate::ranges::Ranges;
use crate::stats::Stats;
use crate::streams::Streams;
use assembly::{Assembly, Fragment, Slot};
use interleaved::Interleaved;
use order::Order;
use std::collections::VecDeque;

/// Gap blocks count in 16 bits, so nothing further ahead could be acknowledged.
const FURTHEST: u64 = 65_535;
/// Bookkeeping of a fragment that waits, counted as if it were payload.
const OVERHEAD: usize = 96;
/// TSNs reported as duplicates in one SACK.
const MAX_DUPLICATES: usize = 16;

/// A whole message, in its order.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) stream: u16,
    pub(crate) protocol: u32,
    pub(crate) data: Vec<u8>,
}

/// What became of a DATA chunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Taken {
    InOrder,
    BehindGap,
    Duplicate,
    Dropped,
}

/// One side's inbound data.
pub(crate) struct Receiver {
    interleaving: bool,
    /// The last TSN before the first missing one, in 64 bits.
    cumulative: u64,
    /// What arrived behind the first missing one.
    gaps: Ranges,
    /// DATA fragments behind it that wait for their neighbours: the slot of TSN `cumulative + 1 + i` is `i`.
    ring: VecDeque<Slot>,
    assembly: Assembly,
    streams: Streams<Stream>,
    duplicates: Vec<u32>,
    ready: VecDeque<Received>,
    /// Bytes held in any place, the application's unread messages included.
    held: usize,
    window: usize,
    max_window: usize,
    max_message: usize,
    /// Bytes the application took since the window last grew.
    consumed: usize,
    announced: usize,
    /// Streams on which a message was too large, to be closed.
    pub(crate) too_large: Option<u16>,
}

/// The inbound state of one stream.
#[derive(Default)]
struct Stream {
    order: Order,
    interleaved: Interleaved,
}

impl Receiver {
    pub(crate) fn new(initial_tsn: u32, interleaving: bool, config: &crate::Config) -> Self {
        Self {
            interleaving,
            cumulative: (1 << 32) + u64::from(initial_tsn) - 1,
            gaps: Ranges::default(),
            ring: VecDeque::new(),
            assembly: Assembly::default(),
            streams: Streams::new(),
            duplicates: Vec::new(),
            ready: VecDeque::new(),
            held: 0,
            window: config.receive_window,
            max_window: config.max_receive_window,
            max_message: config.max_message_size.max(1),
            consumed: 0,
            announced: config.receive_window,
            too_large: None,
        }
    }

    pub(crate) const fn cumulative(&self) -> u64 {
        self.cumulative
    }

    pub(crate) const fn is_interleaving(&self) -> bool {
        self.interleaving
    }

    pub(crate) fn has_gaps(&self) -> bool {
        !self.gaps.is_empty()
    }

    /// What there is room for now (a_rwnd).
    pub(crate) fn room(&self) -> usize {
        self.window.saturating_sub(self.held)
    }

    /// Takes a DATA or I-DATA chunk. Messages that became whole are then given by [`Receiver::next`].
    pub(crate) fn data(&mut self, data: &Data<'_>, stats: &mut Stats) -> Taken {
        let tsn = unwrap32(self.cumulative, data.tsn);
        if tsn <= self.cumulative || self.gaps.contains(tsn) {
            stats.duplicates += 1;
            if self.duplicates.len() < MAX_DUPLICATES {
                self.duplicates.push(data.tsn);
            }
            return Taken::Duplicate;
        }
        let next = tsn == self.cumulative + 1;
        // The next one in line is taken even when the window is full, so that what waits for it can leave;
        // but never beyond one message more than the window.
        let limit = if next { self.window + self.max_message + OVERHEAD } else { self.window };
        if tsn - self.cumulative > FURTHEST || self.held + data.payload.len() > limit {
            stats.dropped.window += 1;
            return Taken::Dropped;
        }
        stats.bytes_received += data.payload.len() as u64;
        if next {
            self.cumulative = tsn;
            self.ring.pop_front();
            self.in_order(data, stats);
            self.advance(stats);
            return Taken::InOrder;
        }
        self.gaps.insert(tsn, tsn, |_, _| {});
        if self.interleaving {
            self.interleave(data, stats);
        } else {
            self.hold(tsn, data, stats);
        }
        Taken::BehindGap
    }

    /// A fragment with nothing missing before it.
    fn in_order(&mut self, data: &Data<'_>, stats: &mut Stats) {
        if self.interleaving {
            self.interleave(data, stats);
            return;
        }
        let before = self.assembly.held();
        let whole = self.assembly.append(data, self.max_message, stats);
        self.held = self.held + self.assembly.held() - before;
        if self.assembly.take_too_large() {
            self.too_large = Some(data.stream);
        }
        if let Some(message) = whole {
            self.held += message.data.len();
            self.whole(data.flags.unordered(), data.message, message, stats);
        }
    }

    fn interleave(&mut self, data: &Data<'_>, stats: &mut Stats) {
        let stream = self.streams.get_or_insert_with(data.stream, Stream::default);
        let before = stream.interleaved.held();
        let done = stream.interleaved.add(data, stream.order.next(), self.max_message, stats);
        self.held = self.held + stream.interleaved.held() - before;
        if stream.interleaved.take_too_large() {
            self.too_large = Some(data.stream);
        }
        if let Some(message) = done {
            self.held += message.data.len();
            self.whole(data.flags.unordered(), data.message, message, stats);
        }
    }

    /// Keeps a DATA fragment behind a gap, and its message if that made it whole.
    fn hold(&mut self, tsn: u64, data: &Data<'_>, stats: &mut Stats) {
        let base = self.cumulative + 1;
        if data.flags.begin() && data.flags.end() {
            assembly::put(&mut self.ring, tsn - base, Slot::Taken);
            self.held += data.payload.len();
            let message =
                Received { stream: data.stream, protocol: data.protocol, data: data.payload.to_vec() };
            self.whole(data.flags.unordered(), data.message, message, stats);
            return;
        }
        self.held += data.payload.len() + OVERHEAD;
        assembly::put(&mut self.ring, tsn - base, Slot::Held(Box::new(Fragment::of(data, tsn))));
        if let Some((first, last)) = assembly::join(&mut self.ring, base, tsn) {
            let count = usize::try_from(last - first + 1).unwrap_or(usize::MAX);
            if let Some(message) = assembly::gather(&mut self.ring, base, first, last) {
                // The fragments leave the ring, the message takes their place.
                self.held -= OVERHEAD * count;
                if message.data.len() > self.max_message {
                    self.held -= message.data.len();
                    self.too_large = Some(data.stream);
                    stats.dropped.fragments += 1;
                } else {
                    self.whole(data.flags.unordered(), data.message, message, stats);
                }
            }
        }
    }

    /// Takes what waited in the ring and is in line now.
    fn advance(&mut self, stats: &mut Stats) {
        while let Some((start, end)) = self.gaps.first() {
            if start != self.cumulative + 1 {
                return;
            }
            for _ in start..=end {
                self.cumulative += 1;
                if let Some(Slot::Held(fragment)) = self.ring.pop_front() {
                    self.held -= fragment.data.len() + OVERHEAD;
                    self.in_order(&fragment.as_data(), stats);
                }
            }
            self.gaps.remove_up_to(end);
        }
    }

    /// Puts a whole message where its stream wants it. Its bytes are counted as held already.
    fn whole(&mut self, unordered: bool, number: u32, message: Received, stats: &mut Stats) {
        if unordered {
            self.ready.push_back(message);
            return;
        }
        let interleaving = self.interleaving;
        let stream = self.streams.get_or_insert_with(message.stream, Stream::default);
        let len = message.data.len();
        if !stream.order.add(number, interleaving, message, &mut self.ready, &mut self.held) {
            self.held -= len;
            stats.dropped.fragments += 1;
        }
    }

    /// The peer gave up everything up to a TSN (RFC 3758 §3.6). Says whether that was news.
    pub(crate) fn forward(&mut self, forward: &ForwardTsn<'_>, stats: &mut Stats) -> bool {
        let to = unwrap32(self.cumulative, forward.cumulative);
        if to <= self.cumulative || to - self.cumulative > FURTHEST {
            return false;
        }
        for _ in self.cumulative..to {
            if let Some(Slot::Held(fragment)) = self.ring.pop_front() {
                self.held -= fragment.data.len() + OVERHEAD;
            }
        }
        self.held -= self.assembly.discard();
        self.cumulative = to;
        self.gaps.remove_up_to(to);
        for skip in forward.skipped() {
            let Some(stream) = self.streams.get_mut(skip.stream) else {
                if !skip.unordered {
                    let stream = self.streams.get_or_insert_with(skip.stream, Stream::default);
                    stream.order.skip(skip.message, self.interleaving, &mut self.ready, &mut self.held);
                }
                continue;
            };
            let before = stream.interleaved.held();
            stream.interleaved.skip(skip.unordered, skip.message);
            self.held = self.held + stream.interleaved.held() - before;
            if !skip.unordered {
                stream.order.skip(skip.message, self.interleaving, &mut self.ready, &mut self.held);
            }
        }
        self.advance(stats);
        true
    }

    /// The peer starts a stream anew (RFC 6525 §5.2.2).
    pub(crate) fn reset(&mut self, stream: u16) {
        if let Some(stream) = self.streams.remove(stream) {
            self.held -= stream.interleaved.held() + stream.order.held();
        }
    }

    /// All streams that ever received something, for a reset of all.
    pub(crate) fn stream_ids(&self) -> Vec<u16> {
        self.streams.ids().collect()
    }

    /// The next whole message. Its bytes stay counted until [`Receiver::consumed`].
    pub(crate) fn next(&mut self) -> Option<Received> {
        self.ready.pop_front()
    }

    /// The application took `len` bytes. Says whether the peer should hear of the room at once: what was
    /// announced had become small, and is large again (RFC 9260 §6.2).
    pub(crate) fn consumed(&mut self, len: usize) -> bool {
        self.held -= len;
        self.consumed += len;
        if self.consumed > 4 * self.window && self.held < self.window / 4 && self.window < self.max_window {
            self.window = (self.window * 2).min(self.max_window);
            self.consumed = 0;
        }
        self.announced < self.window / 4 && self.room() >= self.window / 2
    }

    /// Appends a SACK of at most `room` bytes.
    pub(crate) fn write_sack(&mut self, w: &mut wire::Writer<'_>, room: usize) -> Result<(), wire::Short> {
        self.announced = self.room();
        let window = u32_of(self.announced);
        crate::packet::write_sack(w, self.cumulative, window, self.gaps_iter(), &self.duplicates, room)?;
        self.duplicates.clear();
        Ok(())
    }

    fn gaps_iter(&self) -> impl Iterator<Item = (u64, u64)> + Clone + '_ {
        self.gaps.iter()
    }

    /// The last TSN in line, as it travels.
    pub(crate) const fn cumulative_low(&self) -> u32 {
        low32(self.cumulative)
    }
}
