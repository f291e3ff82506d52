//! Connections to TURN servers over TCP and TLS. Each has two threads of its own, one that reads and one that writes,
//! so that a slow server never holds up the driver; what does not fit is dropped, as a datagram would be.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use net::Waker;
use peer::RelayId;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use wire::Transport;

/// How long connecting may take, the handshake of TLS included.
const CONNECTING: Duration = Duration::from_secs(10);
/// Messages that wait to be written; at full size, a third of a second at 10 Mbit/s.
const WAITING: usize = 256;
/// Bytes read in one go.
const READ: usize = 16 << 10;

/// What a connection tells the driver.
pub(crate) enum News {
    /// It is open, from this address.
    Connected(RelayId, SocketAddr),
    /// Whole messages.
    Messages(RelayId, Vec<u8>),
    /// It cannot be opened, or has ended.
    Failed(RelayId),
}

/// News of a connection, by its number: what a former connection to the same relay still says concerns nobody.
type Numbered = (u64, News);

struct Relay {
    id: RelayId,
    number: u64,
    server: SocketAddr,
    local: Option<SocketAddr>,
    outgoing: Option<SyncSender<Vec<u8>>>,
    /// To end the threads.
    stream: Arc<Mutex<Option<TcpStream>>>,
}

/// All connections to TURN servers of one driver.
pub(crate) struct Relays {
    relays: Vec<Relay>,
    /// Connections begun so far.
    number: u64,
    sender: Sender<Numbered>,
    news: Receiver<Numbered>,
    waker: Waker,
    /// How servers are met over TLS; without it, those that want it are left out.
    tls: Option<Arc<ClientConfig>>,
}

impl Relays {
    pub(crate) fn new(waker: Waker, tls: Option<Arc<ClientConfig>>) -> Self {
        let (sender, news) = channel();
        Self { relays: Vec::new(), number: 0, sender, news, waker, tls }
    }

    /// Begins to connect; the news comes later. A former connection to the same relay ends.
    pub(crate) fn connect(&mut self, id: RelayId, transport: Transport, server: SocketAddr, name: &str) {
        let former = self.relays.iter().position(|relay| relay.id == id);
        if let Some(at) = former {
            self.relays.swap_remove(at).end();
        }
        self.number += 1;
        let number = self.number;
        let (outgoing, queue) = sync_channel(WAITING);
        let stream = Arc::new(Mutex::new(None));
        let (news, waker) = (self.sender.clone(), self.waker.clone());
        let link = Link { id, number, server, news, waker, stream: stream.clone() };
        self.relays.push(Relay { id, number, server, local: None, outgoing: Some(outgoing), stream });
        let tls = match (transport, &self.tls) {
            (Transport::Tls, Some(config)) => Some((config.clone(), name.to_owned())),
            (Transport::Tls, None) => return link.tell(News::Failed(id)),
            (Transport::Tcp | Transport::Udp, _) => None,
        };
        let thread = std::thread::Builder::new().name("relay".into()).spawn(move || link.run(tls, queue));
        if thread.is_err() {
            // The system has no thread left.
            let _ = self.sender.send((number, News::Failed(id)));
        }
    }

    /// The next piece of news, and whom it came from.
    pub(crate) fn poll(&mut self) -> Option<(News, SocketAddr, SocketAddr)> {
        let (news, relay) = loop {
            let (number, news) = self.news.try_recv().ok()?;
            if let Some(relay) = self.relays.iter_mut().find(|relay| relay.number == number) {
                break (news, relay);
            }
        };
        match &news {
            News::Connected(_, local) => relay.local = Some(*local),
            News::Failed(_) => relay.outgoing = None,
            News::Messages(..) => {}
        }
        let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
        Some((news, relay.local.unwrap_or(unknown), relay.server))
    }

    /// Sends a message by the connection from `from` to `to`, or drops it if too many wait.
    pub(crate) fn send(&mut self, from: SocketAddr, to: SocketAddr, message: &[u8]) {
        let relay = self.relays.iter_mut().find(|relay| relay.local == Some(from) && relay.server == to);
        if let Some(Relay { outgoing: Some(outgoing), .. }) = relay {
            match outgoing.try_send(message.to_vec()) {
                Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
            }
        }
    }
}

impl Drop for Relays {
    fn drop(&mut self) {
        self.relays.drain(..).for_each(Relay::end);
    }
}

impl Relay {
    /// Ends its threads.
    fn end(self) {
        if let Some(stream) = lock(&self.stream).as_ref() {
            // It may have ended by itself.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// A thread that panicked leaves a connection that is at an end.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One connection, on its threads.
struct Link {
    id: RelayId,
    number: u64,
    server: SocketAddr,
    news: Sender<Numbered>,
    waker: Waker,
    stream: Arc<Mutex<Option<TcpStream>>>,
}

/// TLS as both threads use it.
type Session = Option<Arc<Mutex<ClientConnection>>>;

impl Link {
    fn tell(&self, news: News) {
        // Nobody listens if the driver has gone.
        let _ = self.news.send((self.number, news));
        self.waker.wake();
    }

    fn run(self, tls: Option<(Arc<ClientConfig>, String)>, queue: Receiver<Vec<u8>>) {
        // An error is told as an end: the peer goes on without this relay.
        let _ = self.connect(tls).and_then(|(stream, session)| {
            let (writing, keys) = (stream.try_clone()?, session.clone());
            std::thread::Builder::new().name("relay".into()).spawn(move || {
                let _ = write(&writing, keys.as_ref(), &queue);
                let _ = writing.shutdown(Shutdown::Both);
            })?;
            self.read(stream, session.as_ref())
        });
        self.tell(News::Failed(self.id));
    }

    fn connect(&self, tls: Option<(Arc<ClientConfig>, String)>) -> io::Result<(TcpStream, Session)> {
        let mut stream = TcpStream::connect_timeout(&self.server, CONNECTING)?;
        stream.set_nodelay(true)?;
        *lock(&self.stream) = Some(stream.try_clone()?);
        let session = match tls {
            None => None,
            Some((config, name)) => {
                let name = ServerName::try_from(name).map_err(io::Error::other)?;
                let mut session = ClientConnection::new(config, name).map_err(io::Error::other)?;
                stream.set_read_timeout(Some(CONNECTING))?;
                while session.is_handshaking() {
                    session.complete_io(&mut stream)?;
                }
                stream.set_read_timeout(None)?;
                Some(Arc::new(Mutex::new(session)))
            }
        };
        self.tell(News::Connected(self.id, stream.local_addr()?));
        Ok((stream, session))
    }

    /// Reads until the end, and passes whole messages on.
    fn read(&self, mut stream: TcpStream, session: Option<&Arc<Mutex<ClientConnection>>>) -> io::Result<()> {
        let mut messages = Vec::new();
        let mut bytes = vec![0; READ];
        loop {
            let read = stream.read(&mut bytes)?;
            if read == 0 {
                return Ok(());
            }
            match session {
                None => messages.extend_from_slice(&bytes[..read]),
                Some(session) => decrypt(&mut lock(session), &bytes[..read], &mut stream, &mut messages)?,
            }
            let mut whole = 0;
            while let Some(len) =
                turn::frame::next(&messages[whole..]).map_err(|_| io::ErrorKind::InvalidData)?
            {
                whole += len;
            }
            if whole > 0 {
                let rest = messages.split_off(whole);
                self.tell(News::Messages(self.id, std::mem::replace(&mut messages, rest)));
            }
        }
    }
}

fn decrypt(
    session: &mut ClientConnection,
    mut bytes: &[u8],
    stream: &mut TcpStream,
    messages: &mut Vec<u8>,
) -> io::Result<()> {
    while !bytes.is_empty() {
        session.read_tls(&mut bytes)?;
        let state = session.process_new_packets().map_err(io::Error::other)?;
        let old = messages.len();
        messages.resize(old + state.plaintext_bytes_to_read(), 0);
        session.reader().read_exact(&mut messages[old..])?;
    }
    while session.wants_write() {
        session.write_tls(stream)?;
    }
    Ok(())
}

/// Writes until nobody has anything to write any more.
fn write(
    mut stream: &TcpStream,
    session: Option<&Arc<Mutex<ClientConnection>>>,
    queue: &Receiver<Vec<u8>>,
) -> io::Result<()> {
    while let Ok(message) = queue.recv() {
        match session {
            None => stream.write_all(&message)?,
            Some(session) => {
                let mut session = lock(session);
                session.writer().write_all(&message)?;
                while session.wants_write() {
                    session.write_tls(&mut stream)?;
                }
            }
        }
    }
    Ok(())
}
