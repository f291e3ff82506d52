//! A table whose entries are found by small numbers, which are given again once they are free.

/// See the module.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    entries: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Self { entries: Vec::new(), free: Vec::new() }
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// The number that the next entry gets.
    pub(crate) fn vacant(&self) -> u32 {
        let end = u32::try_from(self.entries.len()).expect("the configuration bounds it");
        self.free.last().copied().unwrap_or(end)
    }

    pub(crate) fn insert(&mut self, entry: T) -> u32 {
        let at = self.vacant();
        match self.free.pop() {
            Some(at) => self.entries[at as usize] = Some(entry),
            None => self.entries.push(Some(entry)),
        }
        at
    }

    pub(crate) fn remove(&mut self, at: u32) -> Option<T> {
        let entry = self.entries.get_mut(at as usize)?.take();
        if entry.is_some() {
            self.free.push(at);
        }
        entry
    }

    #[inline]
    pub(crate) fn get(&self, at: u32) -> Option<&T> {
        self.entries.get(at as usize)?.as_ref()
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, at: u32) -> Option<&mut T> {
        self.entries.get_mut(at as usize)?.as_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_given_again() {
        let mut slab = Slab::new();
        assert_eq!([slab.insert('a'), slab.insert('b'), slab.insert('c')], [0, 1, 2]);
        assert_eq!((slab.remove(1), slab.remove(1), slab.remove(9)), (Some('b'), None, None));
        assert_eq!((slab.len(), slab.vacant(), slab.get(1)), (2, 1, None));
        assert_eq!(slab.insert('d'), 1);
        assert_eq!((slab.get(1).copied(), slab.get_mut(2).copied()), (Some('d'), Some('c')));
        assert_eq!(slab.insert('e'), 3);
    }
}
