use crate::attribute::{Attribute, FINGERPRINT, Fingerprint, MESSAGE_INTEGRITY, MESSAGE_INTEGRITY_SHA256};
use crate::message::{Class, HEADER_LEN, MAGIC_COOKIE, Method, TransactionId, message_type};
use crate::{Integrity, Key};
use wire::Short;

/// Builds a message in the caller's buffer. The header's length is right after every call, so the message is
/// finished whenever the caller stops.
#[derive(Debug)]
pub struct Writer<'a> {
    out: wire::Writer<'a>,
    id: TransactionId,
}

impl<'a> Writer<'a> {
    /// Begins a message. [`Short`] here and later: the buffer is too small.
    pub fn new(buf: &'a mut [u8], class: Class, method: Method, id: TransactionId) -> Result<Self, Short> {
        let mut out = wire::Writer::new(buf);
        out.u16(message_type(class, method))?;
        out.u16(0)?;
        out.u32(MAGIC_COOKIE)?;
        out.put(&id.0)?;
        Ok(Self { out, id })
    }

    /// Appends an attribute.
    pub fn put<'v, A: Attribute<'v>>(&mut self, attribute: &A) -> Result<(), Short> {
        let id = self.id;
        self.append(A::KIND, |out| attribute.write(out, id))
    }

    /// Appends an attribute by its number.
    pub fn put_raw(&mut self, kind: u16, value: &[u8]) -> Result<(), Short> {
        self.append(kind, |out| out.put(value))
    }

    /// Appends the integrity attribute of this kind (RFC 8489 §14.5, §14.6).
    pub fn put_integrity(&mut self, key: &Key, kind: Integrity) -> Result<(), Short> {
        match kind {
            Integrity::Sha1 => {
                let tag = key.sha1_tag(self.out.written(), self.length_with(20)?);
                self.put_raw(MESSAGE_INTEGRITY, &tag)
            }
            Integrity::Sha256 => {
                let tag = key.sha256_tag(self.out.written(), self.length_with(32)?);
                self.put_raw(MESSAGE_INTEGRITY_SHA256, &tag)
            }
        }
    }

    /// Appends FINGERPRINT, which must be the last attribute (RFC 8489 §14.7).
    pub fn put_fingerprint(&mut self) -> Result<(), Short> {
        let length = self.length_with(4)?;
        self.set_length(length);
        let value = Fingerprint::of(self.out.written());
        self.put_raw(FINGERPRINT, &value.to_be_bytes())
    }

    /// How long the message is now.
    pub const fn len(&self) -> usize {
        self.out.len()
    }

    /// Never: a message has a header.
    pub const fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    fn append(
        &mut self,
        kind: u16,
        write: impl FnOnce(&mut wire::Writer<'a>) -> Result<(), Short>,
    ) -> Result<(), Short> {
        let start = self.out.len();
        self.out.u16(kind)?;
        self.out.u16(0)?;
        write(&mut self.out)?;
        let len = u16::try_from(self.out.len() - start - 4).map_err(|_| Short)?;
        self.out.written_mut()[start + 2..start + 4].copy_from_slice(&len.to_be_bytes());
        self.out.pad_to(4)?;
        let total = u16::try_from(self.out.len() - HEADER_LEN).map_err(|_| Short)?;
        self.set_length(total);
        Ok(())
    }

    /// The message length once an attribute of `value` bytes is appended.
    fn length_with(&self, value: usize) -> Result<u16, Short> {
        u16::try_from(self.out.len() - HEADER_LEN + 4 + value).map_err(|_| Short)
    }

    fn set_length(&mut self, length: u16) {
        self.out.written_mut()[2..4].copy_from_slice(&length.to_be_bytes());
    }
}
