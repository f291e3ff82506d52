//! The messages of the handshake: one type per message, parsed from and written as a body without its header.

mod authentication;
mod client_hello;
mod extensions;
mod key_exchange;
mod server_hello;

pub(crate) use authentication::{Certificate, CertificateRequest, CertificateVerify};
pub(crate) use client_hello::{ClientHello, SUITES12, SUITES13};
pub(crate) use extensions::{COOKIE, EXTENDED_MASTER_SECRET, Extensions, KEY_SHARE, SUPPORTED_VERSIONS};
pub(crate) use key_exchange::{ClientKeyExchange, Group, ServerKeyExchange};
pub(crate) use server_hello::{DOWNGRADE, HelloVerifyRequest, ServerHello};

use wire::{Reader, Short};

pub(crate) const CLIENT_HELLO: u8 = 1;
pub(crate) const SERVER_HELLO: u8 = 2;
pub(crate) const HELLO_VERIFY_REQUEST: u8 = 3;
pub(crate) const NEW_SESSION_TICKET: u8 = 4;
pub(crate) const ENCRYPTED_EXTENSIONS: u8 = 8;
pub(crate) const CERTIFICATE: u8 = 11;
pub(crate) const SERVER_KEY_EXCHANGE: u8 = 12;
pub(crate) const CERTIFICATE_REQUEST: u8 = 13;
pub(crate) const SERVER_HELLO_DONE: u8 = 14;
pub(crate) const CERTIFICATE_VERIFY: u8 = 15;
pub(crate) const CLIENT_KEY_EXCHANGE: u8 = 16;
pub(crate) const FINISHED: u8 = 20;
pub(crate) const KEY_UPDATE: u8 = 24;

/// Takes a vector whose length stands before it in one byte (RFC 8446 §3.4).
pub(crate) fn vec8<'a>(r: &mut Reader<'a>) -> Result<&'a [u8], Short> {
    let len = r.u8()?;
    r.take(len.into())
}

/// Takes a vector whose length stands before it in two bytes.
pub(crate) fn vec16<'a>(r: &mut Reader<'a>) -> Result<&'a [u8], Short> {
    let len = r.u16()?;
    r.take(len.into())
}

/// Takes a vector whose length stands before it in three bytes.
pub(crate) fn vec24<'a>(r: &mut Reader<'a>) -> Result<&'a [u8], Short> {
    let [a, b, c] = r.array()?;
    r.take(usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c))
}

/// The 16-bit numbers of a list; nothing may be left over.
pub(crate) fn numbers(bytes: &[u8]) -> Result<impl Iterator<Item = u16> + Clone + '_, Short> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    if rest.is_empty() { Ok(pairs.iter().map(|pair| u16::from_be_bytes(*pair))) } else { Err(Short) }
}

/// Nothing may follow a message.
pub(crate) fn end(r: &Reader<'_>) -> Result<(), Short> {
    if r.rest().is_empty() { Ok(()) } else { Err(Short) }
}

/// Writes a message; our own are far shorter than their length fields allow.
#[derive(Debug, Default)]
pub(crate) struct Builder(pub(crate) Vec<u8>);

impl Builder {
    pub(crate) fn u8(&mut self, v: u8) -> &mut Self {
        self.put(&[v])
    }

    pub(crate) fn u16(&mut self, v: u16) -> &mut Self {
        self.put(&v.to_be_bytes())
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend(bytes);
        self
    }

    /// Writes what `content` writes behind its length in `width` bytes.
    pub(crate) fn vec(&mut self, width: usize, content: impl FnOnce(&mut Self)) -> &mut Self {
        let at = self.0.len();
        self.0.resize(at + width, 0);
        content(self);
        let len = (self.0.len() - at - width).to_be_bytes();
        self.0[at..at + width].copy_from_slice(&len[len.len() - width..]);
        self
    }

    /// Writes an extension (RFC 8446 §4.2).
    pub(crate) fn extension(&mut self, kind: u16, content: impl FnOnce(&mut Self)) -> &mut Self {
        self.u16(kind).vec(2, content)
    }
}
