//! BYE (RFC 3550 §6.6) and APP (§6.7).

use super::list::List;
use wire::{Reader, Short, Writer};

/// BYE: sources leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bye<'a> {
    /// Who leaves, at most 31 sources.
    pub sources: List<'a, u32>,
    /// Why, at most 255 bytes of UTF-8 by the standard; empty when nothing is said.
    pub reason: &'a [u8],
}

impl<'a> Bye<'a> {
    pub(super) fn read(count: u8, body: &'a [u8]) -> Result<Self, Short> {
        let mut from = Reader::new(body);
        let sources = List::received(from.take(usize::from(count) * 4)?);
        let reason = match from.u8() {
            Ok(len) => from.take(len.into())?,
            Err(Short) => &[],
        };
        Ok(Self { sources, reason })
    }

    pub(super) fn write(&self, to: &mut Writer<'_>) -> Result<(), Short> {
        self.sources.write(to)?;
        if !self.reason.is_empty() {
            to.u8(u8::try_from(self.reason.len()).map_err(|_| Short)?)?;
            to.put(self.reason)?;
        }
        to.pad_to(4)
    }
}

/// APP: something of an application's own, opaque here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct App<'a> {
    /// 0 to 31.
    pub subtype: u8,
    /// Who sends it.
    pub ssrc: u32,
    /// Four letters that name the application.
    pub name: [u8; 4],
    /// Its data, whole words.
    pub data: &'a [u8],
}

impl<'a> App<'a> {
    pub(super) fn read(subtype: u8, body: &'a [u8]) -> Result<Self, Short> {
        let mut from = Reader::new(body);
        Ok(Self { subtype, ssrc: from.u32()?, name: from.array()?, data: from.rest() })
    }

    pub(super) fn write(&self, to: &mut Writer<'_>) -> Result<(), Short> {
        to.u32(self.ssrc)?;
        to.put(&self.name)?;
        to.put(self.data)?;
        to.pad_to(4)
    }
}
