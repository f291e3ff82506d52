//! TCP connections with peers (RFC 6062). A media thread says what should exist; here it comes to be.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;
use turn::{ConnectionId, OpenError, RelayId};

use super::message::{Command, Notice};
use super::plane::Thread;

/// How long a peer may take to accept a connection (RFC 6062 §5.2 asks for at least 30 seconds).
const CONNECT_TIME: Duration = Duration::from_secs(30);

/// Connections that may wait at a listener to be accepted.
const BACKLOG: u32 = 64;

/// The open connections with peers of one thread's allocations. Until a client binds one, nothing is read from it:
/// the kernel holds the peer back.
#[derive(Default)]
pub(super) struct Peers {
    connections: Mutex<HashMap<ConnectionId, Peer>>,
}

struct Peer {
    stream: Option<TcpStream>,
    /// Rings when the connection must end.
    closed: Arc<Notify>,
}

impl Peers {
    fn lock(&self) -> MutexGuard<'_, HashMap<ConnectionId, Peer>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn insert(&self, connection: ConnectionId, stream: TcpStream) {
        self.lock().insert(connection, Peer { stream: Some(stream), closed: Arc::default() });
    }

    /// Takes a connection to be spliced, and what rings when that must end. It stays known until it is closed.
    pub(super) fn take(&self, connection: ConnectionId) -> Option<(TcpStream, Arc<Notify>)> {
        let mut connections = self.lock();
        let peer = connections.get_mut(&connection)?;
        Some((peer.stream.take()?, peer.closed.clone()))
    }

    fn close(&self, connection: ConnectionId) {
        if let Some(peer) = self.lock().remove(&connection) {
            peer.closed.notify_one();
        }
    }
}

/// A listening relay.
struct Listening {
    address: SocketAddr,
    task: AbortHandle,
}

/// Does what a thread says until the thread ends.
pub(super) async fn manage(thread: Thread, mut notices: mpsc::Receiver<Notice>) {
    let mut listeners: HashMap<RelayId, Listening> = HashMap::new();
    while let Some(notice) = notices.recv().await {
        match notice {
            Notice::OpenListener { relay, at } => {
                let result = match listen(at) {
                    Ok(listener) => {
                        let task = tokio::spawn(accept(thread.clone(), relay, listener)).abort_handle();
                        listeners.insert(relay, Listening { address: at, task });
                        Ok(at)
                    }
                    Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(OpenError::InUse),
                    Err(error) => {
                        tracing::warn!(%at, %error, "cannot open a relay for TCP");
                        Err(OpenError::Failed)
                    }
                };
                thread.say(Command::ListenerOpened { relay, result }).await;
            }
            Notice::CloseListener(relay) => {
                if let Some(listening) = listeners.remove(&relay) {
                    listening.task.abort();
                }
            }
            Notice::Connect { connection, relay, to } => {
                let from = listeners.get(&relay).map(|listening| listening.address);
                tokio::spawn(connect(thread.clone(), connection, from, to));
            }
            Notice::CloseConnection(connection) => thread.peers.close(connection),
        }
    }
    for listening in listeners.into_values() {
        listening.task.abort();
    }
}

/// A socket that shares its address with the others of the same relay: the listener, and each connection.
fn socket(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Listens, after a look whether another program has the address: with sharing nobody would say so.
fn listen(at: SocketAddr) -> io::Result<TcpListener> {
    drop(std::net::TcpListener::bind(at)?);
    socket(at)?.listen(BACKLOG)
}

async fn accept(thread: Thread, relay: RelayId, listener: TcpListener) {
    loop {
        let Ok((stream, from)) = listener.accept().await else {
            // Out of descriptors, or the peer is gone already: let others run before the next try.
            tokio::task::yield_now().await;
            continue;
        };
        if !thread.say(Command::PeerAccepted { relay, from, stream }).await {
            return;
        }
    }
}

async fn connect(thread: Thread, connection: ConnectionId, from: Option<SocketAddr>, to: SocketAddr) {
    let connected = async { socket(from.ok_or(io::ErrorKind::AddrNotAvailable)?)?.connect(to).await };
    let ok = match tokio::time::timeout(CONNECT_TIME, connected).await {
        Ok(Ok(stream)) => {
            thread.peers.insert(connection, stream);
            true
        }
        Ok(Err(_)) | Err(_) => false,
    };
    if !thread.say(Command::PeerConnected { connection, ok }).await {
        thread.peers.close(connection);
    }
}
