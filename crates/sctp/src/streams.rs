/// Values by stream identifier (0..=65535), found in two steps without hashing, kept in pages so that a few
/// streams cost little and 65,535 are possible.
pub(crate) struct Streams<T> {
    pages: Vec<Option<Box<[Option<T>; PAGE]>>>,
    len: usize,
}

const PAGE: usize = 8;

impl<T> Streams<T> {
    pub(crate) const fn new() -> Self {
        Self { pages: Vec::new(), len: 0 }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get(&self, id: u16) -> Option<&T> {
        let id = usize::from(id);
        self.pages.get(id / PAGE)?.as_ref()?[id % PAGE].as_ref()
    }

    pub(crate) fn get_mut(&mut self, id: u16) -> Option<&mut T> {
        let id = usize::from(id);
        self.pages.get_mut(id / PAGE)?.as_mut()?[id % PAGE].as_mut()
    }

    pub(crate) fn get_or_insert_with(&mut self, id: u16, make: impl FnOnce() -> T) -> &mut T {
        let (page, place) = (usize::from(id) / PAGE, usize::from(id) % PAGE);
        if self.pages.len() <= page {
            self.pages.resize_with(page + 1, || None);
        }
        let slot = &mut self.pages[page].get_or_insert_with(|| Box::new([const { None }; PAGE]))[place];
        if slot.is_none() {
            self.len += 1;
        }
        slot.get_or_insert_with(make)
    }

    pub(crate) fn insert(&mut self, id: u16, value: T) {
        let mut value = Some(value);
        let slot = self.get_or_insert_with(id, || value.take().expect("taken once"));
        if let Some(value) = value {
            *slot = value;
        }
    }

    pub(crate) fn remove(&mut self, id: u16) -> Option<T> {
        let page = self.pages.get_mut(usize::from(id) / PAGE)?;
        let slots = page.as_mut()?;
        let removed = slots[usize::from(id) % PAGE].take()?;
        self.len -= 1;
        if slots.iter().all(Option::is_none) {
            *page = None;
        }
        Some(removed)
    }

    /// All streams, by ascending identifier.
    pub(crate) fn ids(&self) -> impl Iterator<Item = u16> + '_ {
        (0..=u16::MAX).take(self.pages.len() * PAGE).filter(|id| self.get(*id).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_and_go_at_both_ends() {
        let mut streams = Streams::new();
        for id in [0, 1, 7, 8, 65_535] {
            streams.insert(id, id);
            assert_eq!(*streams.get_or_insert_with(id, || 9), id);
        }
        assert_eq!(streams.ids().collect::<Vec<_>>(), [0, 1, 7, 8, 65_535]);
        streams.insert(8, 3);
        assert_eq!((streams.len(), streams.get(8), streams.get(9)), (5, Some(&3), None));
        assert_eq!((streams.remove(65_535), streams.remove(65_535)), (Some(65_535), None));
        *streams.get_mut(0).unwrap() = 4;
        assert_eq!((streams.len(), streams.get(0)), (4, Some(&4)));
    }
}
