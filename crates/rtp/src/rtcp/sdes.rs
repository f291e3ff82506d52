//! Source descriptions (RFC 3550 §6.5).

use wire::{Reader, Short, Writer};

/// The item that names a sender for all of its streams.
pub const CNAME: u8 = 1;

/// One item about one source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SdesItem<'a> {
    /// The source.
    pub ssrc: u32,
    /// What the text is: [`CNAME`] and others.
    pub kind: u8,
    /// UTF-8 by the standard, at most 255 bytes.
    pub text: &'a [u8],
}

/// SDES: a list of chunks, each about a source.
#[derive(Clone, Copy, Debug)]
pub struct Sdes<'a>(Inner<'a>);

#[derive(Clone, Copy, Debug)]
enum Inner<'a> {
    Received { chunks: u8, body: &'a [u8] },
    Given(&'a [SdesItem<'a>]),
}

impl<'a> Sdes<'a> {
    /// A description of at most 31 items, each a chunk of its own.
    pub fn new(items: &'a [SdesItem<'a>]) -> Self {
        Self(Inner::Given(items))
    }

    pub(super) fn read(chunks: u8, body: &'a [u8]) -> Self {
        Self(Inner::Received { chunks, body })
    }

    /// The items in their order; those behind a malformed one are not given.
    pub fn items(&self) -> SdesItems<'a> {
        match self.0 {
            Inner::Received { chunks, body } => {
                SdesItems { given: &[], chunks, ssrc: None, rest: Reader::new(body) }
            }
            Inner::Given(given) => SdesItems { given, chunks: 0, ssrc: None, rest: Reader::new(&[]) },
        }
    }

    /// How many chunks it is written as.
    pub(super) fn chunks(&self) -> usize {
        self.items().count()
    }

    pub(super) fn write(&self, to: &mut Writer<'_>) -> Result<(), Short> {
        for item in self.items() {
            to.u32(item.ssrc)?;
            to.u8(item.kind)?;
            to.u8(u8::try_from(item.text.len()).map_err(|_| Short)?)?;
            to.put(item.text)?;
            to.u8(0)?;
            to.pad_to(4)?;
        }
        Ok(())
    }
}

impl PartialEq for Sdes<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.items().eq(other.items())
    }
}

impl Eq for Sdes<'_> {}

/// The items of a description.
#[derive(Clone, Debug)]
pub struct SdesItems<'a> {
    given: &'a [SdesItem<'a>],
    chunks: u8,
    ssrc: Option<u32>,
    rest: Reader<'a>,
}

impl<'a> SdesItems<'a> {
    fn read(&mut self) -> Result<SdesItem<'a>, Short> {
        loop {
            let Some(ssrc) = self.ssrc else {
                self.chunks = self.chunks.checked_sub(1).ok_or(Short)?;
                self.ssrc = Some(self.rest.u32()?);
                continue;
            };
            let kind = self.rest.u8()?;
            if kind == 0 {
                self.rest.take(self.rest.rest().len() % 4)?;
                self.ssrc = None;
                continue;
            }
            let len = usize::from(self.rest.u8()?);
            return Ok(SdesItem { ssrc, kind, text: self.rest.take(len)? });
        }
    }
}

impl<'a> Iterator for SdesItems<'a> {
    type Item = SdesItem<'a>;

    fn next(&mut self) -> Option<SdesItem<'a>> {
        if let Some((first, rest)) = self.given.split_first() {
            self.given = rest;
            return Some(*first);
        }
        let item = self.read();
        if item.is_err() {
            (self.chunks, self.ssrc) = (0, None);
        }
        item.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_read_over_chunks_and_padding() {
        let body = [
            0, 0, 0, 1, CNAME, 3, b'a', b'b', b'c', 2, 1, b'n', 0, 0, 0, 0, // two items, padded
            0, 0, 0, 2, CNAME, 1, b'd', 0, // a chunk that ends at a word
            0, 0, 0, 3, CNAME, 9, b'x', 0, // cut
        ];
        let items = |chunks| {
            Sdes::read(chunks, &body).items().map(|i| (i.ssrc, i.kind, i.text.to_vec())).collect::<Vec<_>>()
        };
        let first = [(1, CNAME, b"abc".to_vec()), (1, 2, b"n".to_vec())];
        assert_eq!(items(1), first);
        let all = [first[0].clone(), first[1].clone(), (2, CNAME, b"d".to_vec())];
        assert_eq!(items(3), all);
    }
}
