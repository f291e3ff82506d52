//! TURN clients that come over TCP or TLS: messages are cut out of the stream on this side, so that a media
//! thread only ever sees whole ones.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::sync::Notify;
use tokio::time::timeout;
use turn::{ConnectionId, FiveTuple};
use wire::Transport;

use super::framed;
use super::message::Command;
use super::pipe::{Next, Pipe};
use super::plane::{MediaPlane, Thread};

/// How long a client may take for its first whole message.
pub(super) const FIRST_MESSAGE: Duration = Duration::from_secs(10);

/// How long a client may then say nothing. It must refresh its allocation within an hour (RFC 8656 §7.2).
const SILENCE: Duration = Duration::from_secs(3700);

/// How long a client may take to accept what is written to it.
const WRITING: Duration = Duration::from_secs(30);

/// Bytes read in one go.
pub(super) const READ_BYTES: usize = 16 << 10;

/// The method of ConnectionBind requests (RFC 6062 §6.1): after one, the stream may cease to be messages.
const CONNECTION_BIND: [u8; 2] = [0x00, 0x0b];

/// Bytes that were read and not yet cut into messages.
struct Reading<S> {
    half: ReadHalf<S>,
    buffer: Vec<u8>,
    /// A ConnectionBind is among the messages just cut: what follows is not ours to read before it is answered.
    held: bool,
}

/// How often something was written to the client: a refused ConnectionBind is answered, and messages go on.
#[derive(Default)]
pub(super) struct Written {
    times: AtomicU64,
    rung: Notify,
}

impl Written {
    fn count(&self) {
        self.times.fetch_add(1, Ordering::AcqRel);
        self.rung.notify_one();
    }

    async fn beyond(&self, seen: u64) {
        while self.times.load(Ordering::Acquire) == seen {
            self.rung.notified().await;
        }
    }
}

impl MediaPlane {
    /// Serves a TURN client, or over plain TCP a member of a room, over a stream until either side ends it. `stream` must deliver the client's bytes from
    /// the first one on; `local` and `remote` are the addresses of the underlying TCP connection.
    ///
    /// Nothing is returned: whatever a client does wrong ends its connection and no more.
    pub async fn serve_stream<S>(
        &self,
        mut stream: S,
        local: SocketAddr,
        remote: SocketAddr,
        transport: Transport,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let mut buffer = Vec::new();
        if transport == Transport::Tcp {
            match framed::tell(&mut stream, &mut buffer).await {
                Ok(false) => {}
                Ok(true) => return Box::pin(self.serve_member(stream, buffer, local, remote)).await,
                Err(error) => return tracing::debug!(%remote, %error, "a stream ended before it began"),
            }
        }
        let Some(_admission) = self.admit() else {
            return tracing::debug!(%remote, "too many streams");
        };
        let client = FiveTuple { transport, local: canonical(local), remote: canonical(remote) };
        let thread = self.thread_for(client.remote.ip());
        let pipe = Arc::new(Pipe::new(self.stream_backlog()));
        if !thread.say(Command::StreamOpened { client, pipe: pipe.clone() }).await {
            return;
        }
        let (half, writer) = tokio::io::split(stream);
        let mut reading = Reading { half, buffer, held: false };
        let mut writing = Writing::new(writer);
        let written = Written::default();
        let end = tokio::select! {
            error = reading.run(thread, client, &pipe, &written) => Err(error),
            next = writing.run(&pipe, &written) => next,
        };
        match end {
            Ok(Some(connection)) => {
                let stream = reading.half.unsplit(writing.half);
                splice(thread, connection, stream, &reading.buffer).await;
            }
            Ok(None) => {}
            Err(error) => tracing::debug!(%remote, %error, "a stream ended"),
        }
        thread.say(Command::StreamClosed(client)).await;
    }
}

/// The same address as a media thread writes it: `IPv4` is not mapped into `IPv6`.
pub(super) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

impl<S: AsyncRead + AsyncWrite> Reading<S> {
    /// Reads messages into the pipe until the stream ends or cannot be followed.
    async fn run(&mut self, thread: &Thread, client: FiveTuple, pipe: &Pipe, written: &Written) -> io::Error {
        let mut patience = FIRST_MESSAGE;
        loop {
            let whole = match self.whole_messages() {
                Ok(whole) => whole,
                Err(turn::frame::Malformed) => return io::ErrorKind::InvalidData.into(),
            };
            if whole > 0 {
                patience = SILENCE;
                let seen = written.times.load(Ordering::Acquire);
                if pipe.push_input(&self.buffer[..whole]).await {
                    thread.say(Command::StreamReadable(client)).await;
                }
                self.buffer.drain(..whole);
                if self.held {
                    // If it is granted, the other half ends this one before it counts.
                    written.beyond(seen).await;
                    continue;
                }
            }
            self.buffer.reserve(READ_BYTES);
            // When the stream becomes a pipe this is dropped while it waits: then the buffer holds what was read, and
            // nothing else.
            match timeout(patience, self.half.read_buf(&mut self.buffer)).await {
                Ok(Ok(0)) => return io::ErrorKind::UnexpectedEof.into(),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return error,
                Err(_) => return io::ErrorKind::TimedOut.into(),
            }
        }
    }

    /// The length of all whole messages at the front of the buffer, up to a ConnectionBind.
    fn whole_messages(&mut self) -> Result<usize, turn::frame::Malformed> {
        let mut whole = 0;
        while let Some(length) = turn::frame::next(&self.buffer[whole..])? {
            self.held = self.buffer[whole..].starts_with(&CONNECTION_BIND);
            whole += length;
            if self.held {
                break;
            }
        }
        Ok(whole)
    }
}

/// What the media thread has for the client.
pub(super) struct Writing<S> {
    half: WriteHalf<S>,
    bytes: Vec<u8>,
}

impl<S: AsyncWrite> Writing<S> {
    pub(super) const fn new(half: WriteHalf<S>) -> Self {
        Self { half, bytes: Vec::new() }
    }

    /// Writes until the stream ends: by itself (`None`), or by becoming one with a peer connection.
    pub(super) async fn run(&mut self, pipe: &Pipe, written: &Written) -> io::Result<Option<ConnectionId>> {
        loop {
            let next = pipe.take_output(&mut self.bytes).await;
            let writing = async {
                self.half.write_all(&self.bytes).await?;
                self.half.flush().await
            };
            timeout(WRITING, writing).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
            match next {
                Next::Open => written.count(),
                Next::Close => {
                    let _ = timeout(WRITING, self.half.shutdown()).await;
                    return Ok(None);
                }
                Next::Splice(connection) => return Ok(Some(connection)),
            }
        }
    }
}

/// Carries bytes between a client's data connection and its peer until either ends or the allocation does.
async fn splice<S>(thread: &Thread, connection: ConnectionId, mut stream: S, early: &[u8])
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if let Some((mut peer, closed)) = thread.peers.take(connection) {
        let carried = async {
            peer.write_all(early).await?;
            tokio::io::copy_bidirectional(&mut stream, &mut peer).await
        };
        tokio::select! {
            _ended = carried => {}
            () = closed.notified() => {}
        }
    }
    thread.say(Command::ConnectionClosed(connection)).await;
}
