use std::marker::PhantomData;
use wire::{Reader, Short, Writer};

/// Something of fixed size that stands in lists.
pub trait Entry: Copy {
    /// How many bytes it takes.
    const LEN: usize;
    /// Reads one.
    fn read(from: &mut Reader<'_>) -> Result<Self, Short>;
    /// Writes it.
    fn write(&self, to: &mut Writer<'_>) -> Result<(), Short>;
}

impl Entry for u32 {
    const LEN: usize = 4;

    fn read(from: &mut Reader<'_>) -> Result<Self, Short> {
        from.u32()
    }

    fn write(&self, to: &mut Writer<'_>) -> Result<(), Short> {
        to.u32(*self)
    }
}

/// Entries of a packet: received ones as they stand in the datagram, or the caller's to be written.
#[derive(Clone, Copy)]
pub struct List<'a, T>(Inner<'a, T>);

#[derive(Clone, Copy)]
enum Inner<'a, T> {
    Received(&'a [u8], PhantomData<T>),
    Given(&'a [T]),
}

impl<'a, T: Entry> List<'a, T> {
    /// The entries that `bytes` hold; an incomplete one at the end is left out.
    pub(crate) fn received(bytes: &'a [u8]) -> Self {
        Self(Inner::Received(&bytes[..bytes.len() / T::LEN * T::LEN], PhantomData))
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        match self.0 {
            Inner::Received(bytes, _) => bytes.len() / T::LEN,
            Inner::Given(entries) => entries.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entries in their order.
    pub fn iter(&self) -> impl Iterator<Item = T> + use<'a, T> {
        let (bytes, given): (&[u8], &[T]) = match self.0 {
            Inner::Received(bytes, _) => (bytes, &[]),
            Inner::Given(entries) => (&[], entries),
        };
        let received = bytes.chunks_exact(T::LEN).filter_map(|chunk| T::read(&mut Reader::new(chunk)).ok());
        received.chain(given.iter().copied())
    }

    pub(crate) fn write(&self, to: &mut Writer<'_>) -> Result<(), Short> {
        self.iter().try_for_each(|entry| entry.write(to))
    }
}

impl<'a, T: Entry> From<&'a [T]> for List<'a, T> {
    fn from(entries: &'a [T]) -> Self {
        Self(Inner::Given(entries))
    }
}

impl<'a, T: Entry, const N: usize> From<&'a [T; N]> for List<'a, T> {
    fn from(entries: &'a [T; N]) -> Self {
        Self(Inner::Given(entries))
    }
}

impl<T: Entry + PartialEq> PartialEq for List<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<T: Entry + Eq> Eq for List<'_, T> {}

impl<T: Entry + std::fmt::Debug> std::fmt::Debug for List<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
