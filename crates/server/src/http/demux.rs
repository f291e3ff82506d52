//! What a connection speaks, told by its first bytes, and a stream that gives those bytes back.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// What a connection speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// HTTP/1.1, which every method begins with a capital letter.
    Http1,
    /// HTTP/2, by its preface (RFC 9113 §3.4).
    Http2,
    /// STUN or TURN: a message's first two bits are zero (RFC 8489 §5).
    Stun,
}

/// Tells what the bytes begin; `None` if it is none of those, or there are no bytes.
///
/// The first message of a TURN connection is a STUN request of a method below 0x1000, so its first byte is below
/// 0x10. Channel data (RFC 8656 §12.4) cannot come first. No HTTP method begins so low (RFC 9110 §5.6.2).
pub fn classify(first: &[u8]) -> Option<Kind> {
    match first {
        [0..=0x0f, ..] => Some(Kind::Stun),
        [b'P', b'R', b'I', b' ', ..] => Some(Kind::Http2),
        [0x21..=0x7e, ..] => Some(Kind::Http1),
        _ => None,
    }
}

/// A stream with bytes before it that were read already.
#[derive(Debug)]
pub struct Prefixed<S> {
    prefix: Vec<u8>,
    at: usize,
    stream: S,
}

impl<S: AsyncRead + Unpin> Prefixed<S> {
    /// Reads enough of `stream` to tell what it speaks.
    ///
    /// # Errors
    /// Those of the stream; and an end before the first byte.
    pub async fn read(mut stream: S) -> io::Result<(Self, Option<Kind>)> {
        let mut prefix = Vec::with_capacity(24);
        loop {
            let mut more = [0; 24];
            let length = stream.read(&mut more).await?;
            if length == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            prefix.extend_from_slice(&more[..length]);
            // `PRI ` takes four bytes to tell from a method such as `PROPFIND`.
            if !b"PRI ".starts_with(&prefix) || prefix.len() >= 4 {
                let kind = classify(&prefix);
                return Ok((Self { prefix, at: 0, stream }, kind));
            }
        }
    }
}

impl<S> Prefixed<S> {
    /// A stream with nothing before it.
    pub fn empty(stream: S) -> Self {
        Self { prefix: Vec::new(), at: 0, stream }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Prefixed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let left = self.prefix.len() - self.at;
        if left == 0 {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let take = left.min(buf.remaining());
        buf.put_slice(&self.prefix[self.at..self.at + take]);
        self.at += take;
        if take == left {
            self.prefix = Vec::new();
            self.at = 0;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prefixed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell() {
        for (first, kind) in [
            (&b"GET / HTTP/1.1"[..], Some(Kind::Http1)),
            (b"PRI * HTTP/2.0", Some(Kind::Http2)),
            (b"PROPFIND", Some(Kind::Http1)),
            (&[0x00, 0x01], Some(Kind::Stun)), // Binding request
            (&[0x00, 0x0b], Some(Kind::Stun)), // ConnectionBind request
            (&[0x16, 0x03], None),             // TLS within TLS
            (&[0x80, 0x00], None),
            (&[], None),
        ] {
            assert_eq!(classify(first), kind, "{first:?}");
        }
    }

    #[tokio::test]
    async fn what_was_read_is_given_back() {
        let (mut near, far) = tokio::io::duplex(64);
        tokio::io::AsyncWriteExt::write_all(&mut near, b"PR").await.unwrap();
        let reading = tokio::spawn(Prefixed::read(far));
        tokio::io::AsyncWriteExt::write_all(&mut near, b"I * HTTP/2.0").await.unwrap();
        drop(near);
        let (mut stream, kind) = reading.await.unwrap().unwrap();
        assert_eq!(kind, Some(Kind::Http2));
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"PRI * HTTP/2.0");
    }
}
