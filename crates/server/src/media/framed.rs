//! Members of rooms that come over TCP (RFC 6544): this server is passive, and every message on the stream has its length
//! before it (RFC 4571).
//!
//! The first message is a check of connectivity. Its user name says which thread the stream belongs to.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadHalf};
use tokio::time::timeout;
use turn::FiveTuple;
use wire::Transport;

use super::message::Command;
use super::pipe::Pipe;
use super::plane::{MediaPlane, Thread};
use super::stream::{FIRST_MESSAGE, READ_BYTES, Writing, Written, canonical};

/// How long a member may then say nothing; consent is asked for every few seconds (RFC 7675 §5.1).
const SILENCE: Duration = Duration::from_secs(60);

/// Bytes of the length before each message.
pub(super) const HEAD: usize = 2;
/// Enough of a stream to tell a framed check from a message of TURN.
const TELLING: usize = HEAD + 8;
/// The beginning of a Binding request (RFC 8489 §5): its method and class.
const BINDING: [u8; 2] = [0x00, 0x01];
/// The bytes four after it.
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// Whether a stream begins with a framed check; `None` as long as more bytes are needed to tell.
///
/// A message of TURN has its cookie where a framed one has its length: no stream begins as both.
fn begins_framed(bytes: &[u8]) -> Option<bool> {
    let told = bytes.get(..TELLING)?;
    Some(told[HEAD..].starts_with(&BINDING) && told[HEAD + 4..] == COOKIE)
}

/// Reads until it is clear what a stream carries. Whether it is framed.
pub(super) async fn tell<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut Vec<u8>) -> io::Result<bool> {
    let reading = async {
        loop {
            if let Some(framed) = begins_framed(buffer) {
                return Ok(framed);
            }
            if stream.read_buf(buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    };
    timeout(FIRST_MESSAGE, reading).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

/// The first message of a buffer with its length before it; `None` if it is not there as a whole.
pub(super) fn next(bytes: &[u8]) -> Option<usize> {
    let whole = HEAD + usize::from(u16::from_be_bytes(*bytes.first_chunk::<HEAD>()?));
    (bytes.len() >= whole).then_some(whole)
}

/// The length of all whole messages at the front.
fn whole_messages(bytes: &[u8]) -> usize {
    let mut whole = 0;
    while let Some(length) = next(&bytes[whole..]) {
        whole += length;
    }
    whole
}

impl MediaPlane {
    /// Serves a member of a room over a TCP stream that is for nothing else. As
    /// [`serve_stream`](Self::serve_stream), which takes such streams too.
    pub async fn serve_framed_stream<S>(&self, mut stream: S, local: SocketAddr, remote: SocketAddr)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let mut buffer = Vec::new();
        if let Ok(true) = tell(&mut stream, &mut buffer).await {
            self.serve_member(stream, buffer, local, remote).await;
        }
    }

    /// Serves a member's stream of which `buffer` has been read.
    pub(super) async fn serve_member<S>(
        &self,
        stream: S,
        buffer: Vec<u8>,
        local: SocketAddr,
        remote: SocketAddr,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let Some(_admission) = self.admit() else {
            return tracing::debug!(%remote, "too many streams");
        };
        let client =
            FiveTuple { transport: Transport::Tcp, local: canonical(local), remote: canonical(remote) };
        let (half, writer) = tokio::io::split(stream);
        let mut reading = Reading { half, buffer };
        let Some(thread) = reading.thread(self).await else {
            return tracing::debug!(%remote, "a stream is for nobody here");
        };
        let pipe = Arc::new(Pipe::framed(self.stream_backlog()));
        if !thread.say(Command::StreamOpened { client, pipe: pipe.clone() }).await {
            return;
        }
        let mut writing = Writing::new(writer);
        let written = Written::default();
        let error = tokio::select! {
            error = reading.run(thread, client, &pipe) => Some(error),
            ended = writing.run(&pipe, &written) => ended.err(),
        };
        if let Some(error) = error {
            tracing::debug!(%remote, %error, "a member's stream ended");
        }
        thread.say(Command::StreamClosed(client)).await;
    }
}

struct Reading<S> {
    half: ReadHalf<S>,
    buffer: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite> Reading<S> {
    /// The thread that the first message is for.
    async fn thread<'p>(&mut self, plane: &'p MediaPlane) -> Option<&'p Thread> {
        loop {
            if let Some(whole) = next(&self.buffer) {
                return plane.thread_of_check(&self.buffer[HEAD..whole]);
            }
            match timeout(FIRST_MESSAGE, self.half.read_buf(&mut self.buffer)).await {
                Ok(Ok(1..)) => {}
                Ok(Ok(0) | Err(_)) | Err(_) => return None,
            }
        }
    }

    /// Reads messages into the pipe until the stream ends.
    async fn run(&mut self, thread: &Thread, client: FiveTuple, pipe: &Pipe) -> io::Error {
        loop {
            let whole = whole_messages(&self.buffer);
            if whole > 0 {
                if pipe.push_input(&self.buffer[..whole]).await {
                    thread.say(Command::StreamReadable(client)).await;
                }
                self.buffer.drain(..whole);
            }
            self.buffer.reserve(READ_BYTES);
            match timeout(SILENCE, self.half.read_buf(&mut self.buffer)).await {
                Ok(Ok(0)) => return io::ErrorKind::UnexpectedEof.into(),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return error,
                Err(_) => return io::ErrorKind::TimedOut.into(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_framed_check_is_told_from_turn() {
        let binding = [0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4];
        let allocate = [0, 3, 0, 8, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4];
        let framed = |message: &[u8]| [&[0, 28][..], message].concat();
        assert_eq!(begins_framed(&framed(&binding)), Some(true));
        assert_eq!(begins_framed(&framed(&binding)[..9]), None);
        assert_eq!(begins_framed(&binding), Some(false));
        assert_eq!(begins_framed(&allocate), Some(false));
        assert_eq!(begins_framed(&framed(&allocate)), Some(false), "no check");
    }

    #[test]
    fn whole_messages_are_cut() {
        for (bytes, whole) in [
            (&[][..], 0),
            (&[0], 0),
            (&[0, 0], 2),
            (&[0, 1], 0),
            (&[0, 1, 9], 3),
            (&[0, 1, 9, 0, 2, 8], 3),
            (&[0, 1, 9, 0, 2, 8, 7], 7),
        ] {
            assert_eq!(whole_messages(bytes), whole, "{bytes:?}");
        }
    }
}
