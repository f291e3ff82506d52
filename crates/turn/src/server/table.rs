//! From a client's 5-tuple to its allocation: one lookup per run of datagrams.

use crate::FiveTuple;
use std::net::IpAddr;
use wire::{Rng, Transport};

/// Hashes under a secret key, so that nobody who chooses addresses can choose collisions.
pub(super) struct Hasher {
    keys: [u64; 4],
}

impl Hasher {
    pub(super) fn new(rng: &mut Rng) -> Self {
        Self { keys: [rng.next_u64(), rng.next_u64(), rng.next_u64(), rng.next_u64()] }
    }

    #[expect(clippy::cast_possible_truncation, reason = "32 bits of the hash are wanted")]
    fn five_tuple(&self, tuple: &FiveTuple) -> u32 {
        let transport = match tuple.transport {
            Transport::Udp => 0u64,
            Transport::Tcp => 1,
            Transport::Tls => 2,
        };
        let ports = transport << 32 | u64::from(tuple.remote.port()) << 16 | u64::from(tuple.local.port());
        let remote = self.ip(tuple.remote.ip());
        fold(remote ^ self.keys[2], ports ^ self.keys[3] ^ self.ip(tuple.local.ip()).rotate_left(32)) as u32
    }

    #[expect(clippy::cast_possible_truncation, reason = "the two halves of the address are wanted")]
    pub(super) fn ip(&self, ip: IpAddr) -> u64 {
        match ip {
            IpAddr::V4(ip) => fold(u64::from(ip.to_bits()) ^ self.keys[0], self.keys[1]),
            IpAddr::V6(ip) => {
                let bits = ip.to_bits();
                fold(bits as u64 ^ self.keys[0], (bits >> 64) as u64 ^ self.keys[1])
            }
        }
    }
}

/// The two halves of a 128-bit product: every bit of both factors reaches every bit of the result.
#[expect(clippy::cast_possible_truncation, reason = "the two halves of the product are wanted")]
const fn fold(a: u64, b: u64) -> u64 {
    let product = (a as u128) * (b as u128);
    product as u64 ^ (product >> 64) as u64
}

/// Open addressing with linear probing; a slot is 8 bytes, the keys stand with the values.
pub(super) struct Table {
    hasher: Hasher,
    slots: Vec<Option<Slot>>,
    len: usize,
}

#[derive(Clone, Copy)]
struct Slot {
    hash: u32,
    // One more than the index, so that an empty slot needs no room of its own.
    index: std::num::NonZeroU32,
}

impl Slot {
    const fn index(self) -> u32 {
        self.index.get() - 1
    }
}

impl Table {
    pub(super) fn new(rng: &mut Rng) -> Self {
        Self { hasher: Hasher::new(rng), slots: vec![None; 16], len: 0 }
    }

    /// The index whose key `key_of` says is `tuple`.
    pub(super) fn find(&self, tuple: &FiveTuple, same: impl Fn(u32) -> bool) -> Option<u32> {
        let hash = self.hasher.five_tuple(tuple);
        let mut at = self.home(hash);
        while let Some(slot) = self.slots[at] {
            if slot.hash == hash && same(slot.index()) {
                return Some(slot.index());
            }
            at = self.after(at);
        }
        None
    }

    /// Adds a key that is not in the table.
    pub(super) fn insert(&mut self, tuple: &FiveTuple, index: u32) {
        if (self.len + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
        let index = std::num::NonZeroU32::new(index + 1).expect("one more is not zero");
        self.place(Slot { hash: self.hasher.five_tuple(tuple), index });
        self.len += 1;
    }

    /// Removes the key with this index; what was displaced by it moves back.
    pub(super) fn remove(&mut self, tuple: &FiveTuple, index: u32) {
        let mut hole = self.home(self.hasher.five_tuple(tuple));
        loop {
            match self.slots[hole] {
                None => return,
                Some(slot) if slot.index() == index => break,
                Some(_) => hole = self.after(hole),
            }
        }
        self.slots[hole] = None;
        self.len -= 1;
        let mut at = self.after(hole);
        while let Some(slot) = self.slots[at] {
            let mask = self.slots.len() - 1;
            let home = self.home(slot.hash);
            // The slot may move into the hole if its home is not behind the hole.
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.slots[hole] = Some(slot);
                self.slots[at] = None;
                hole = at;
            }
            at = self.after(at);
        }
    }

    fn grow(&mut self) {
        let doubled = vec![None; self.slots.len() * 2];
        for slot in std::mem::replace(&mut self.slots, doubled).into_iter().flatten() {
            self.place(slot);
        }
    }

    fn place(&mut self, slot: Slot) {
        let mut at = self.home(slot.hash);
        while self.slots[at].is_some() {
            at = self.after(at);
        }
        self.slots[at] = Some(slot);
    }

    const fn home(&self, hash: u32) -> usize {
        hash as usize & (self.slots.len() - 1)
    }

    const fn after(&self, at: usize) -> usize {
        (at + 1) & (self.slots.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn tuple(n: u16) -> FiveTuple {
        let local = ([192, 0, 2, 1], 3478).into();
        FiveTuple { transport: Transport::Udp, local, remote: ([198, 51, 100, 7], n).into() }
    }

    #[test]
    fn it_behaves_like_a_map() {
        let mut rng = Rng::from_number(3);
        let mut table = Table::new(&mut rng);
        let mut model: BTreeMap<u16, u32> = BTreeMap::new();
        for step in 0..20_000u32 {
            let n = u16::try_from(rng.below(500)).unwrap();
            let found = table.find(&tuple(n), |i| model.get(&n) == Some(&i));
            assert_eq!(found, model.get(&n).copied());
            match found {
                Some(index) => {
                    table.remove(&tuple(n), index);
                    model.remove(&n);
                }
                None => {
                    table.insert(&tuple(n), step);
                    model.insert(n, step);
                }
            }
            assert_eq!(table.len, model.len());
        }
    }
}
