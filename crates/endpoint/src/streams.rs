//! TCP connections between candidates (RFC 6544): listeners, what they accept, and what active candidates open. On a
//! connection every message has its length before it (RFC 4571 §2). Nothing here waits: what a connection does not
//! take is kept up to a limit, and beyond it dropped, as a datagram would be.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use net::Poller;
use peer::{Local, TcpType};
use wire::Instant;

use crate::Tcp;

/// Keys of the poller from here on are ours.
pub(crate) const FIRST_KEY: u64 = 1 << 32;
/// Bytes before a message that give its length.
const HEADER: usize = 2;
/// Bytes that wait to be written to one connection, beside what the system holds.
const MOST_WAITING: usize = 256 << 10;
/// Bytes taken from one connection before the next one's turn.
const READ: usize = 64 << 10;
/// Connections to listeners that have not yet proved to be of our peer, by a check that it signed.
const MOST_STRANGERS: usize = 16;
/// Connections that were opened, or have proved to be of our peer.
const MOST_LINKS: usize = 64;
/// How long a stranger may take.
const STRANGER: Duration = Duration::from_secs(10);
/// How long the other side is given to end a connection that we have ended.
const LINGER: Duration = Duration::from_millis(200);
/// Pieces read of what still comes meanwhile.
const LINGERING_READS: usize = 64;
/// Connections accepted in one turn.
const ACCEPTS: usize = 8;

/// All TCP connections between candidates of one driver.
pub(crate) struct Streams {
    listeners: Vec<(u64, TcpListener, SocketAddr)>,
    /// The addresses to open connections from.
    active: Vec<SocketAddr>,
    links: BTreeMap<u64, Link>,
    next_key: u64,
    failed: VecDeque<(SocketAddr, SocketAddr)>,
}

struct Link {
    stream: TcpStream,
    /// Our address as the candidate has it: of the listener, or with port 0.
    local: SocketAddr,
    remote: SocketAddr,
    stage: Stage,
    /// What has come of a message that is not whole.
    incoming: Vec<u8>,
    /// What the system did not take, framed.
    outgoing: VecDeque<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connecting,
    /// Accepted, and not yet answered by our peer's agent.
    Stranger(Instant),
    Open,
}

impl Streams {
    /// Listens at each address, if asked to; what of this the peer is to know.
    ///
    /// # Errors
    /// A listener cannot be had at any of the addresses.
    pub(crate) fn open(tcp: Tcp, ips: &[IpAddr], poller: &Poller) -> io::Result<(Self, Vec<Local>)> {
        let mut streams = Self {
            listeners: Vec::new(),
            active: Vec::new(),
            links: BTreeMap::new(),
            next_key: FIRST_KEY,
            failed: VecDeque::new(),
        };
        let mut locals = Vec::new();
        if let Tcp::Passive { port } = tcp {
            let mut failure = None;
            for ip in ips {
                match streams.listen(SocketAddr::new(*ip, port), poller) {
                    Ok(address) => locals.push(Local::tcp(address, TcpType::Passive)),
                    Err(error) => failure = Some(error),
                }
            }
            if let (Some(error), true) = (failure, locals.is_empty()) {
                return Err(error);
            }
        }
        if tcp != Tcp::Off {
            streams.active = ips.iter().map(|ip| SocketAddr::new(*ip, 0)).collect();
            locals.extend(streams.active.iter().map(|address| Local::tcp(*address, TcpType::Active)));
        }
        Ok((streams, locals))
    }

    fn listen(&mut self, address: SocketAddr, poller: &Poller) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let local = listener.local_addr()?;
        let key = self.key();
        poller.watch(&listener, key, false)?;
        self.listeners.push((key, listener, local));
        Ok(local)
    }

    const fn key(&mut self) -> u64 {
        self.next_key += 1;
        self.next_key
    }

    /// Whether messages from this address go over TCP connections of ours.
    pub(crate) fn own(&self, local: SocketAddr) -> bool {
        self.active.contains(&local) || self.listeners.iter().any(|(_, _, address)| *address == local)
    }

    /// Sends a message over the connection between these two, which is opened if need be.
    pub(crate) fn send(&mut self, local: SocketAddr, remote: SocketAddr, message: &[u8], poller: &Poller) {
        let known = self.links.iter().find(|(_, link)| (link.local, link.remote) == (local, remote));
        let key = match known {
            Some((key, _)) => *key,
            None if !self.active.contains(&local) => return,
            None => match self.connect(local, remote, poller) {
                Ok(key) => key,
                // Told apart from this call, as if it had taken a moment.
                Err(_) => return self.failed.push_back((local, remote)),
            },
        };
        let Some(link) = self.links.get_mut(&key) else { return };
        if let Stage::Stranger(_) = link.stage {
            // The agent has answered a check on it, which it does if the peer signed that.
            link.stage = Stage::Open;
        }
        let idle = link.outgoing.is_empty();
        let sent = link.send(message);
        let begins = idle && !link.outgoing.is_empty() && link.stage == Stage::Open;
        if sent.is_err() || begins && poller.watch(&link.stream, key, true).is_err() {
            self.fail(key);
        }
    }

    fn connect(&mut self, local: SocketAddr, remote: SocketAddr, poller: &Poller) -> io::Result<u64> {
        let strangers = self.strangers().count();
        if self.links.len() - strangers >= MOST_LINKS {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        let socket = socket2::Socket::new(
            socket2::Domain::for_address(remote),
            socket2::Type::STREAM.nonblocking().cloexec(),
            Some(socket2::Protocol::TCP),
        )?;
        socket.set_tcp_nodelay(true)?;
        socket.bind(&local.into())?;
        match socket.connect(&remote.into()) {
            Err(error) if error.raw_os_error() != Some(IN_PROGRESS) => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let (stream, key) = (TcpStream::from(socket), self.key());
        // It can be written to as soon as it is open, or has failed.
        poller.watch(&stream, key, true)?;
        self.links.insert(key, Link::new(stream, local, remote, Stage::Connecting));
        Ok(key)
    }

    fn strangers(&self) -> impl Iterator<Item = (u64, Instant)> {
        self.links.iter().filter_map(|(key, link)| match link.stage {
            Stage::Stranger(since) => Some((*key, since)),
            Stage::Connecting | Stage::Open => None,
        })
    }

    /// Does what the poller says is possible; `take` is given each whole message.
    pub(crate) fn ready(
        &mut self,
        now: Instant,
        key: u64,
        poller: &Poller,
        take: &mut dyn FnMut(SocketAddr, SocketAddr, &mut [u8]),
    ) {
        if self.listeners.iter().any(|(listener, ..)| *listener == key) {
            return self.accept(now, key, poller);
        }
        let Some(link) = self.links.get_mut(&key) else { return };
        let result = link.write().and_then(|()| {
            let waits = !link.outgoing.is_empty() || link.stage == Stage::Connecting;
            poller.watch(&link.stream, key, waits)?;
            link.read(take)
        });
        if result.is_err() {
            self.fail(key);
        }
    }

    fn accept(&mut self, now: Instant, key: u64, poller: &Poller) {
        for _ in 0..ACCEPTS {
            let Some((_, listener, local)) = self.listeners.iter().find(|(known, ..)| *known == key) else {
                return;
            };
            // What one caller did wrong, or a want of descriptors, is no reason to stop.
            let Ok((stream, remote)) = listener.accept() else { return };
            let (local, stage) = (*local, Stage::Stranger(now));
            let strangers: Vec<u64> = self.strangers().map(|(key, _)| key).collect();
            if let [oldest, ..] = strangers[..]
                && strangers.len() >= MOST_STRANGERS
            {
                self.fail(oldest);
            }
            if self.links.len() >= MOST_STRANGERS + MOST_LINKS {
                continue;
            }
            let key = self.key();
            let ready = stream.set_nonblocking(true).and_then(|()| stream.set_nodelay(true));
            if ready.and_then(|()| poller.watch(&stream, key, false)).is_ok() {
                self.links.insert(key, Link::new(stream, local, remote, stage));
            }
        }
    }

    /// When [`Streams::handle_timeout`] is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.strangers().map(|(_, since)| since + STRANGER).min()
    }

    /// Sends strangers away who have had their time.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let late: Vec<u64> =
            self.strangers().filter(|(_, since)| *since + STRANGER <= now).map(|(key, _)| key).collect();
        for key in late {
            self.fail(key);
        }
    }

    /// A connection that could not be opened, or has broken.
    pub(crate) fn poll_failed(&mut self) -> Option<(SocketAddr, SocketAddr)> {
        self.failed.pop_front()
    }

    fn fail(&mut self, key: u64) {
        if let Some(link) = self.links.remove(&key) {
            self.failed.push_back((link.local, link.remote));
        }
    }

    /// Ends every connection in order, for the last words: a close while the other side still sends would be a reset,
    /// which takes from it what it has not read yet. Waits for its end, but no longer than [`LINGER`] altogether.
    pub(crate) fn finish(&mut self) {
        let clock = net::Clock::start();
        let end = clock.now() + LINGER;
        for (_, mut link) in std::mem::take(&mut self.links) {
            let left = end.saturating_since(clock.now());
            if link.stage == Stage::Open && !left.is_zero() {
                // Whatever fails here has ended already.
                let _ = link.finish(left);
            }
        }
    }

    /// Closes the connection between these two, if there is one.
    pub(crate) fn disconnect(&mut self, local: SocketAddr, remote: SocketAddr) {
        self.links.retain(|_, link| (link.local, link.remote) != (local, remote));
    }
}

/// `EINPROGRESS`: the connection will be there or not in a moment.
const IN_PROGRESS: i32 = 115;

impl Link {
    const fn new(stream: TcpStream, local: SocketAddr, remote: SocketAddr, stage: Stage) -> Self {
        Self { stream, local, remote, stage, incoming: Vec::new(), outgoing: VecDeque::new() }
    }

    /// Sends what the system takes of a message and keeps the rest, or drops the message if too much waits.
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let Ok(length) = u16::try_from(message.len()) else { return Ok(()) };
        if self.outgoing.len() + HEADER + message.len() > MOST_WAITING {
            return Ok(());
        }
        let idle = self.outgoing.is_empty() && self.stage == Stage::Open;
        self.outgoing.extend(length.to_be_bytes());
        self.outgoing.extend(message);
        if idle { self.write() } else { Ok(()) }
    }

    /// Writes what the system takes.
    fn write(&mut self) -> io::Result<()> {
        if self.stage == Stage::Connecting {
            if let Some(error) = self.stream.take_error()? {
                return Err(error);
            }
            match self.stream.peer_addr() {
                Ok(_) => self.stage = Stage::Open,
                Err(error) if error.kind() == io::ErrorKind::NotConnected => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        while !self.outgoing.is_empty() {
            match self.stream.write(self.outgoing.as_slices().0) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(len) => drop(self.outgoing.drain(..len)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Sends what waits and the end, and reads until the other side has ended too, or says nothing for so long.
    fn finish(&mut self, patience: Duration) -> io::Result<()> {
        self.stream.set_nonblocking(false)?;
        self.stream.set_write_timeout(Some(patience))?;
        self.stream.set_read_timeout(Some(patience))?;
        self.stream.write_all(self.outgoing.make_contiguous())?;
        self.stream.shutdown(Shutdown::Write)?;
        let mut rest = [0; 4096];
        for _ in 0..LINGERING_READS {
            if self.stream.read(&mut rest)? == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Reads once and gives whole messages away, which may be changed where they stand.
    fn read(&mut self, take: &mut dyn FnMut(SocketAddr, SocketAddr, &mut [u8])) -> io::Result<()> {
        if self.stage == Stage::Connecting {
            return Ok(());
        }
        let old = self.incoming.len();
        self.incoming.resize(old + READ, 0);
        let read = match self.stream.read(&mut self.incoming[old..]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => read,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => 0,
            Err(error) => return Err(error),
        };
        self.incoming.truncate(old + read);
        let mut rest = &mut self.incoming[..];
        let mut taken = 0;
        while let Some((header, tail)) = rest.split_first_chunk_mut::<HEADER>() {
            let length = usize::from(u16::from_be_bytes(*header));
            let stranger = matches!(self.stage, Stage::Stranger(_));
            // Whoever begins with anything but a check is not our peer.
            if stranger && (length < 20 || tail.first().is_some_and(|first| *first > 3)) {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let Some((message, tail)) = tail.split_at_mut_checked(length) else { break };
            if !message.is_empty() {
                take(self.local, self.remote, message);
            }
            taken += HEADER + length;
            rest = tail;
        }
        self.incoming.drain(..taken);
        if self.incoming.is_empty() {
            // A connection at rest keeps no memory.
            self.incoming = Vec::new();
        }
        Ok(())
    }
}
