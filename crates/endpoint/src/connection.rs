//! A peer on a thread of its own, spoken to from async code.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc as blocking;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::{fmt, io};

use bytes::Bytes;
use net::Waker;
use peer::{ChannelId, Event, Kind, Peer};
use tokio::sync::{Notify, mpsc, oneshot};
use wire::Instant;

use crate::Driver;

/// Events that wait for the program; while they do, messages stay in the peer and its window closes.
const EVENTS: usize = 1024;
/// A sender that was told to wait goes on when no more than this many bytes wait.
const LOW: usize = 4 << 20;

/// Which TCP candidates are offered, for networks that let no UDP pass (RFC 6544).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Tcp {
    /// None.
    Off,
    /// Connections are opened to what the other side listens at.
    #[default]
    Active,
    /// The same, and the other side may connect to a listener at each address.
    Passive {
        /// The port; 0 lets the system choose. Connections share a port that is named only one after the other.
        port: u16,
    },
}

/// Where a connection lives.
#[derive(Clone, Debug)]
pub struct Options {
    /// How TURN servers are met over TLS: which authorities vouch for them. `None`: those are left out.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// The addresses to use; empty: all of this machine that another one may reach.
    pub addresses: Vec<IpAddr>,
    /// The UDP port at each; 0 lets the system choose.
    pub port: u16,
    /// Whether there are UDP sockets: `true` by default.
    pub udp: bool,
    /// Whether TCP is used between the two, `Active` by default; it is what is left if no UDP passes.
    pub tcp: Tcp,
}

impl Default for Options {
    fn default() -> Self {
        Self { tls: None, addresses: Vec::new(), port: 0, udp: true, tcp: Tcp::default() }
    }
}

/// The connection has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gone;

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection has ended")
    }
}

impl std::error::Error for Gone {}

/// Why a message was not sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SendError {
    /// The connection has ended.
    Gone,
    /// The channel does not take it.
    Channel(peer::SendError),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => Gone.fmt(f),
            Self::Channel(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SendError {}

type Request = Box<dyn FnOnce(&mut Peer, Instant) + Send>;

/// A connection; it ends when the last clone is dropped, or its [`Events`] are.
#[derive(Clone)]
pub struct Connection(Arc<Inner>);

struct Inner {
    requests: Mutex<Option<blocking::Sender<Request>>>,
    waker: Waker,
    /// Rings when a channel has room again.
    room: Arc<Notify>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What happens on a connection.
pub struct Events {
    events: mpsc::Receiver<Event>,
    /// The thread has more than fits.
    stalled: Arc<AtomicBool>,
    waker: Waker,
}

impl Connection {
    /// Starts a connection and its thread.
    ///
    /// # Errors
    /// No address could be bound, the options allow neither UDP nor TCP, or the system has no thread or descriptor
    /// left.
    pub fn start(config: peer::Config, options: &Options) -> io::Result<(Self, Events)> {
        let driver = Driver::new(config, options)?;
        let waker = driver.waker();
        let (requests, inbox) = blocking::channel();
        let (sender, events) = mpsc::channel(EVENTS);
        let stalled = Arc::new(AtomicBool::new(false));
        let room = Arc::new(Notify::new());
        let thread =
            Thread { driver, requests: inbox, events: sender, stalled: stalled.clone(), room: room.clone() };
        let thread = std::thread::Builder::new().name("endpoint".into()).spawn(|| thread.run())?;
        let (requests, thread) = (Mutex::new(Some(requests)), Mutex::new(Some(thread)));
        let inner = Inner { requests, waker: waker.clone(), room, thread };
        Ok((Self(Arc::new(inner)), Events { events, stalled, waker }))
    }

    /// Has the connection's thread do something with the peer, and gives its result: every verb of [`Peer`] is used
    /// this way. It should not take long, for nothing is received meanwhile.
    ///
    /// # Errors
    /// The connection has ended.
    pub async fn with<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Peer, Instant) -> T + Send + 'static,
    ) -> Result<T, Gone> {
        let (tell, told) = oneshot::channel();
        self.0.request(Box::new(move |peer, now| {
            // Whoever asked may have gone.
            let _ = tell.send(act(peer, now));
        }))?;
        told.await.map_err(|_| Gone)
    }

    /// Sends a message, waiting while too much waits before it.
    ///
    /// # Errors
    /// The connection has ended, or the channel does not take it.
    pub async fn send(&self, channel: ChannelId, kind: Kind, data: Bytes) -> Result<(), SendError> {
        loop {
            let room = self.0.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            let data = data.clone();
            let attempt = move |peer: &mut Peer, now: Instant| {
                let result = peer.send(now, channel, kind, data);
                if result == Err(peer::SendError::Full) {
                    peer.set_buffered_amount_low_threshold(channel, LOW);
                }
                result
            };
            match self.with(attempt).await {
                Err(Gone) => return Err(SendError::Gone),
                Ok(Err(peer::SendError::Full)) => room.await,
                Ok(result) => return result.map_err(SendError::Channel),
            }
        }
    }
}

impl Inner {
    fn request(&self, request: Request) -> Result<(), Gone> {
        let requests = self.requests.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        requests.as_ref().ok_or(Gone)?.send(request).map_err(|_| Gone)?;
        drop(requests);
        self.waker.wake();
        Ok(())
    }
}

impl Drop for Inner {
    /// Ends the thread; what is to be said at the end is said.
    fn drop(&mut self) {
        let take = |lock: &Mutex<Option<blocking::Sender<Request>>>| {
            lock.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
        };
        drop(take(&self.requests));
        self.waker.wake();
        let thread = self.thread.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.thread().id() != std::thread::current().id()
        {
            // It ends at once, or in a fifth of a second if the other side is slow to end a TCP connection.
            let _ = thread.join();
        }
    }
}

impl Events {
    /// The next event; `None` when the connection has ended.
    pub async fn next(&mut self) -> Option<Event> {
        let event = self.events.recv().await;
        if self.stalled.swap(false, Ordering::AcqRel) {
            self.waker.wake();
        }
        event
    }
}

struct Thread {
    driver: Driver,
    requests: blocking::Receiver<Request>,
    events: mpsc::Sender<Event>,
    stalled: Arc<AtomicBool>,
    room: Arc<Notify>,
}

impl Thread {
    fn run(mut self) {
        while self.obey() && self.tell() {
            if self.driver.turn(None).is_err() {
                return;
            }
        }
        let now = self.driver.now();
        self.driver.peer.close(now);
        // What is said at the end is said once; nobody waits for an answer.
        let _ = self.driver.finish();
        self.room.notify_waiters();
    }

    /// Does what was asked. False when nobody can ask any more.
    fn obey(&mut self) -> bool {
        loop {
            match self.requests.try_recv() {
                Ok(request) => {
                    let now = self.driver.now();
                    request(&mut self.driver.peer, now);
                }
                Err(blocking::TryRecvError::Empty) => return true,
                Err(blocking::TryRecvError::Disconnected) => return false,
            }
        }
    }

    /// Hands over events while there is room. False when nobody listens any more.
    fn tell(&mut self) -> bool {
        loop {
            let place = match self.events.try_reserve() {
                Ok(place) => place,
                Err(mpsc::error::TrySendError::Closed(())) => return false,
                Err(mpsc::error::TrySendError::Full(())) => {
                    self.stalled.store(true, Ordering::Release);
                    // The program may have made room before it could see the flag.
                    if self.events.capacity() == 0 {
                        return true;
                    }
                    continue;
                }
            };
            let Some(event) = self.driver.poll_event() else { return !self.events.is_closed() };
            if matches!(event, Event::BufferedAmountLow(_) | Event::ChannelClosed(_)) {
                self.room.notify_waiters();
            }
            place.send(event);
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Events")
    }
}
