//! A table whose entries keep their index, and whose names outlive them without being mistaken.

pub(super) struct Slab<T> {
    entries: Vec<Entry<T>>,
    free: Option<u32>,
    len: usize,
}

struct Entry<T> {
    generation: u32,
    slot: Slot<T>,
}

enum Slot<T> {
    Used(T),
    Free { next: Option<u32> },
}

impl<T> Slab<T> {
    pub(super) const fn new() -> Self {
        Self { entries: Vec::new(), free: None, len: 0 }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Puts a value into the table; the index is free again after `remove` only.
    pub(super) fn insert(&mut self, value: T) -> u32 {
        self.len += 1;
        if let Some(index) = self.free {
            let entry = &mut self.entries[index as usize];
            match std::mem::replace(&mut entry.slot, Slot::Used(value)) {
                Slot::Free { next } => self.free = next,
                Slot::Used(_) => unreachable!("the free list holds free entries"),
            }
            return index;
        }
        let index = u32::try_from(self.entries.len()).expect("fewer than 2^32 entries");
        self.entries.push(Entry { generation: 0, slot: Slot::Used(value) });
        index
    }

    pub(super) fn get(&self, index: u32) -> Option<&T> {
        match &self.entries.get(index as usize)?.slot {
            Slot::Used(value) => Some(value),
            Slot::Free { .. } => None,
        }
    }

    pub(super) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        match &mut self.entries.get_mut(index as usize)?.slot {
            Slot::Used(value) => Some(value),
            Slot::Free { .. } => None,
        }
    }

    pub(super) fn remove(&mut self, index: u32) -> Option<T> {
        let entry = self.entries.get_mut(index as usize)?;
        if matches!(entry.slot, Slot::Free { .. }) {
            return None;
        }
        entry.generation = entry.generation.wrapping_add(1);
        let slot = std::mem::replace(&mut entry.slot, Slot::Free { next: self.free });
        self.free = Some(index);
        self.len -= 1;
        match slot {
            Slot::Used(value) => Some(value),
            Slot::Free { .. } => None,
        }
    }

    /// The name of an entry: it is never the name of another one, until 2^32 entries have come and gone.
    pub(super) fn name(&self, index: u32) -> u64 {
        let generation = self.entries.get(index as usize).map_or(0, |entry| entry.generation);
        u64::from(generation) << 32 | u64::from(index)
    }

    /// The index of the entry with this name, if it still exists.
    #[expect(clippy::cast_possible_truncation, reason = "a name is two halves")]
    pub(super) fn find(&self, name: u64) -> Option<u32> {
        let (generation, index) = ((name >> 32) as u32, name as u32);
        let entry = self.entries.get(index as usize)?;
        (entry.generation == generation && matches!(entry.slot, Slot::Used(_))).then_some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_die_with_their_entry() {
        let mut slab = Slab::new();
        let a = slab.insert('a');
        let b = slab.insert('b');
        let name = slab.name(a);
        assert_eq!(slab.find(name), Some(a));
        assert_eq!(slab.remove(a), Some('a'));
        assert_eq!(slab.remove(a), None);
        assert_eq!(slab.find(name), None);
        assert_eq!(slab.insert('c'), a);
        assert_eq!(slab.find(name), None);
        assert_ne!(slab.name(a), name);
        assert_eq!((slab.get(a), slab.get(b), slab.len()), (Some(&'c'), Some(&'b'), 2));
    }
}
