use super::{OVERHEAD, Received};
use crate::num::{low32, unwrap32};
use crate::packet::Data;
use crate::stats::Stats;
use std::collections::BTreeMap;

/// The unfinished I-DATA messages of one stream (RFC 8260 §2.2.3).
#[derive(Default)]
pub(super) struct Interleaved {
    /// By order and message identifier. Nearly always there is one at most.
    open: BTreeMap<(bool, u32), Partial>,
    held: usize,
    usual: usize,
    too_large: bool,
}

struct Partial {
    protocol: u32,
    /// Everything before fragment `next`, in one piece.
    data: Vec<u8>,
    next: u32,
    /// Fragments further on.
    later: BTreeMap<u32, (bool, Box<[u8]>)>,
    total: usize,
}

/// A message is given this much at once when the one before it was that large.
const MOST_AT_ONCE: usize = 64 << 10;

impl Interleaved {
    pub(super) const fn held(&self) -> usize {
        self.held
    }

    /// Adds a fragment; the message, if that made it whole. `next` is the ordered message expected next.
    pub(super) fn add(
        &mut self,
        data: &Data<'_>,
        next: u64,
        max: usize,
        stats: &mut Stats,
    ) -> Option<Received> {
        let Data { stream, payload, protocol, flags, .. } = *data;
        let late = !flags.unordered() && unwrap32(next + (1 << 33), data.message) < next + (1 << 33);
        if late {
            stats.dropped.fragments += 1;
            return None;
        }
        let key = (flags.unordered(), data.message);
        if flags.begin() && flags.end() {
            if payload.len() > max || self.open.contains_key(&key) {
                return self.refuse(key, payload.len() > max, stats);
            }
            return Some(Received { stream, protocol, data: payload.to_vec() });
        }
        let (usual, held) = (self.usual, &mut self.held);
        let partial = self.open.entry(key).or_insert_with(|| {
            *held += OVERHEAD;
            let room = if flags.begin() { usual.clamp(2 * payload.len(), MOST_AT_ONCE).min(max) } else { 0 };
            let (data, later) = (Vec::with_capacity(room), BTreeMap::new());
            Partial { protocol: 0, data, next: 0, later, total: 0 }
        });
        if partial.total + payload.len() > max {
            return self.refuse(key, true, stats);
        }
        if flags.begin() {
            partial.protocol = protocol;
        }
        if data.fragment < partial.next || partial.later.contains_key(&data.fragment) {
            stats.dropped.fragments += 1;
            return None;
        }
        partial.total += payload.len();
        self.held += payload.len();
        let mut end = false;
        if data.fragment == partial.next {
            partial.data.extend_from_slice(payload);
            (partial.next, end) = (partial.next + 1, flags.end());
            while !end && let Some(entry) = partial.later.first_entry().filter(|e| *e.key() == partial.next) {
                let (last, bytes) = entry.remove();
                self.held -= OVERHEAD;
                partial.data.extend_from_slice(&bytes);
                (partial.next, end) = (partial.next + 1, last);
            }
        } else {
            self.held += OVERHEAD;
            partial.later.insert(data.fragment, (flags.end(), payload.into()));
        }
        end.then(|| self.finish(stream, key)).flatten()
    }

    fn finish(&mut self, stream: u16, key: (bool, u32)) -> Option<Received> {
        let Partial { protocol, mut data, later, total, .. } = self.open.remove(&key)?;
        self.held -= total + OVERHEAD * (1 + later.len());
        self.usual = data.len();
        if data.capacity() > 2 * data.len() {
            data.shrink_to_fit();
        }
        Some(Received { stream, protocol, data })
    }

    fn refuse(&mut self, key: (bool, u32), too_large: bool, stats: &mut Stats) -> Option<Received> {
        stats.dropped.fragments += 1;
        self.too_large |= too_large;
        self.drop_one(key);
        None
    }

    fn drop_one(&mut self, key: (bool, u32)) {
        if let Some(partial) = self.open.remove(&key) {
            self.held -= partial.total + OVERHEAD * (1 + partial.later.len());
        }
    }

    /// Whether a message was above the largest, once.
    pub(super) fn take_too_large(&mut self) -> bool {
        std::mem::take(&mut self.too_large)
    }

    /// Forgets unfinished messages up to `message`.
    pub(super) fn skip(&mut self, unordered: bool, message: u32) {
        let near = (1 << 33) + u64::from(message);
        let gone: Vec<_> = self
            .open
            .keys()
            .filter(|(u, m)| *u == unordered && unwrap32(near, *m) <= unwrap32(near, low32(near)))
            .copied()
            .collect();
        for key in gone {
            self.drop_one(key);
        }
    }
}
