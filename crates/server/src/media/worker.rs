//! One media thread.
//!
//! A round, in the order of its priorities:
//! 1. wait until a socket is readable, the control plane calls, or a timer is due;
//! 2. relay: take a bounded share from each readable socket, show it to the forwarder, then to the relay, pass packets
//!    on, flush when the inbox is full; then what other threads were given for this one's rooms;
//! 3. timers of the machines;
//! 4. commands of the control plane, a bounded number; then what other threads say of rooms that are on both;
//! 5. what the relay wants done, then its answers; then what the forwarder sends and tells.
//!
//! Everything that does not fit a round's budget waits for the next one, which then does not sleep.

mod parts;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use net::{Clock, Inbox, Options, Outbox, Part, Poller, Socket};
use sfu::Received;
use tokio::sync::mpsc;
use turn::{Destination, Event, FiveTuple, Forward, OpenError, RelayId, RelayKind, Run, Server, Source};
use wire::{Instant, Transport};

use super::counters::{Counters, Snapshot};
use super::crossing::Crossing;
use super::forward::Forwarder;
use super::framed;
use super::message::{Command, Notice};
use super::peers::Peers;
use super::pipe::{Next, Pipe, Pushed};
use super::relays::Relays;
use super::ways::{LISTENERS, listener_of, named, send_copy, to_framed_stream, to_stream};

/// Messages taken from one listener in one go: enough to make a system call cheap, few enough to leave room.
const LISTENER_SHARE: usize = 32;

/// Messages taken from one relay in one go. A message may be a run of many packets.
const RELAY_SHARE: usize = 8;

/// Commands taken in one round.
const COMMAND_BUDGET: usize = 256;

/// How often the machine learns the time of day.
const MINUTE: Duration = Duration::from_secs(60);

/// The longest answer of the machine.
const ANSWER_BYTES: usize = 2048;

/// What a thread owns.
pub(super) struct Worker {
    poller: Poller,
    clock: Clock,
    listeners: Vec<Socket>,
    relays: Relays,
    inbox: Inbox,
    outbox: Outbox,
    /// What the forwarder sends.
    departures: Outbox,
    machine: Server,
    /// The rooms of this thread, if there is a forwarder.
    forwarder: Option<(Forwarder, Crossing)>,
    forwards: Vec<Forward>,
    streams: HashMap<FiveTuple, Arc<Pipe>>,
    stream_input: Vec<u8>,
    commands: mpsc::Receiver<Command>,
    notices: mpsc::Sender<Notice>,
    /// Notices that found the queue full. The machine's own limits bound them.
    late_notices: std::collections::VecDeque<Notice>,
    next_minute: Instant,
    snapshot: Snapshot,
    counters: Arc<Counters>,
    peers: Arc<Peers>,
    stop: Arc<AtomicBool>,
}

/// What a worker is made of.
pub(super) struct Parts {
    pub(super) poller: Poller,
    pub(super) clock: Clock,
    pub(super) listeners: Vec<Socket>,
    pub(super) machine: Server,
    pub(super) forwarder: Option<(Forwarder, Crossing)>,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) notices: mpsc::Sender<Notice>,
    pub(super) counters: Arc<Counters>,
    pub(super) peers: Arc<Peers>,
    pub(super) stop: Arc<AtomicBool>,
}

impl Parts {
    /// Has the listeners reported by the poller.
    ///
    /// # Errors
    /// If the system refuses to watch one more socket.
    pub(super) fn watch(&self) -> std::io::Result<()> {
        (LISTENERS..).zip(&self.listeners).try_for_each(|(key, socket)| self.poller.add(socket, key))
    }
}

impl Worker {
    /// A worker for the calling thread.
    pub(super) fn new(parts: Parts) -> Self {
        let Parts { poller, clock, listeners, machine, forwarder, commands, notices, counters, peers, stop } =
            parts;
        Self {
            poller,
            clock,
            listeners,
            relays: Relays::default(),
            inbox: Inbox::new(),
            outbox: Outbox::new(),
            departures: Outbox::new(),
            machine,
            forwarder,
            forwards: Vec::new(),
            streams: HashMap::new(),
            stream_input: Vec::new(),
            commands,
            notices,
            late_notices: std::collections::VecDeque::new(),
            next_minute: Instant::ZERO,
            snapshot: Snapshot::default(),
            counters,
            peers,
            stop,
        }
    }

    /// Runs until it is told to stop.
    pub(super) fn run(mut self) {
        let mut called = false;
        while !self.stop.load(Ordering::Acquire) {
            let timeout = if called { Some(Duration::ZERO) } else { self.timeout() };
            // 1.
            match self.poller.wait(timeout) {
                Ok(rung) => called |= rung,
                Err(error) => return tracing::error!(%error, "a media thread cannot wait for its sockets"),
            }
            let now = self.clock.now();
            // 2.
            for event in 0..self.poller.len() {
                if let Some(key) = self.poller.ready(event) {
                    self.relay(now, key);
                }
            }
            self.take_over(now);
            // 3.
            self.tick(now);
            // 4.
            if called {
                called = self.obey(now);
            }
            self.join_in(now);
            // 5.
            self.flush();
            self.act(now);
            self.answer(now);
            self.forward(now);
            self.publish();
        }
    }

    /// How long to sleep at most.
    fn timeout(&self) -> Option<Duration> {
        let forwarder = self.forwarder.as_ref().map(|(forwarder, _)| forwarder);
        let due = [self.machine.poll_timeout(), forwarder.and_then(Forwarder::poll_timeout)];
        let next = due.into_iter().flatten().fold(self.next_minute, Instant::min);
        let waits = !self.late_notices.is_empty() || forwarder.is_some_and(Forwarder::is_late);
        let late = if waits { Duration::from_millis(10) } else { Duration::MAX };
        Some(next.saturating_since(self.clock.now()).min(late))
    }

    /// Takes a share of what waits on the socket of `key` and passes it on.
    fn relay(&mut self, now: Instant, key: u64) {
        let listener = (key & 0xffff_ffff).checked_sub(LISTENERS);
        let (socket, share) = match listener {
            Some(index) => (self.listeners.get(usize::try_from(index).unwrap_or(usize::MAX)), LISTENER_SHARE),
            None => (self.relays.find(key), RELAY_SHARE),
        };
        let Some(socket) = socket else { return };
        if self.inbox.room() < share {
            let (listeners, relays) = (&self.listeners, &self.relays);
            self.outbox.flush(&self.inbox, |key| named(listeners, relays, key));
            self.inbox.clear();
        }
        let local = socket.local();
        let slots = match self.inbox.receive(socket, share) {
            Ok(slots) => slots,
            Err(error) => return tracing::debug!(%error, "a socket reports an error"),
        };
        for slot in slots {
            let message = self.inbox.message(slot);
            let source = if listener.is_some() {
                let local = message.local.map_or(local, |ip| SocketAddr::new(ip, local.port()));
                let (remote, segment) = (message.from, message.segment);
                let received = Received { transport: Transport::Udp, local, remote, segment };
                if let Some((forwarder, crossing)) = &mut self.forwarder {
                    let bytes = self.inbox.bytes_mut(slot);
                    if forwarder.take(now, received, bytes) || crossing.pass(now, received, bytes) {
                        continue;
                    }
                }
                Source::Client(FiveTuple { transport: Transport::Udp, local, remote: message.from })
            } else {
                Source::Peer { relay: RelayId(key), from: message.from }
            };
            self.pass_on(now, slot, message.segment, source);
        }
    }

    /// Shows a message to the machine, and queues what it wants passed on.
    fn pass_on(&mut self, now: Instant, slot: usize, segment: usize, source: Source) {
        let mut run = Run::new(self.inbox.bytes(slot), segment);
        while !run.is_empty() {
            self.forwards.extend(self.machine.handle_input(now, source, &mut run));
        }
        for forward in self.forwards.drain(..) {
            let bytes = &self.inbox.bytes(slot)[forward.bytes.clone()];
            let (key, to, from) = match forward.to {
                Destination::Peer { relay, to } => (relay.0, to, None),
                Destination::Client(client) if client.transport == Transport::Udp => {
                    let Some((key, from)) = listener_of(&self.listeners, client.local) else { continue };
                    (key, client.remote, from)
                }
                Destination::Client(client) => {
                    to_stream(&self.streams, &mut self.snapshot, client, &forward, bytes);
                    continue;
                }
            };
            if forward.pad > 0 {
                // Only an indication is padded: it is the way of clients that bind no channel, and rare.
                send_copy(&mut self.outbox, (key, to, from), &forward, bytes);
                continue;
            }
            let part = Part {
                slot,
                start: forward.bytes.start,
                end: forward.bytes.end,
                segment: forward.segment,
                strip: forward.strip,
                dont_fragment: forward.dont_fragment,
            };
            self.outbox.forward(&mut self.inbox, key, to, from, part, &forward.header);
        }
    }

    /// Lets the machine's timers run, and tells it the time of day each minute.
    fn tick(&mut self, now: Instant) {
        if now >= self.next_minute {
            self.next_minute = now + MINUTE;
            self.machine.set_time(now, net::unix_seconds());
        }
        if self.machine.poll_timeout().is_some_and(|at| at <= now) {
            self.machine.handle_timeout(now);
        }
        if let Some((forwarder, _)) = &mut self.forwarder {
            forwarder.tick(now);
        }
    }

    /// Takes what other threads were given for the rooms of this one, and hands over what is for theirs.
    fn take_over(&mut self, now: Instant) {
        if let Some((forwarder, crossing)) = &mut self.forwarder {
            crossing.flush();
            crossing.take(|received, bytes| {
                forwarder.take(now, received, bytes);
            });
        }
    }

    /// Sends what the forwarder has to send, and passes on what it has to tell.
    fn forward(&mut self, now: Instant) {
        let Some((forwarder, _)) = &mut self.forwarder else { return };
        let (listeners, relays, streams) = (&self.listeners, &self.relays, &self.streams);
        let listener = |local| listener_of(listeners, local);
        let socket = |key| named(listeners, relays, key);
        forwarder.send(now, &mut self.departures, listener, socket, |local, remote, message| {
            let client = FiveTuple { transport: Transport::Tcp, local, remote };
            to_framed_stream(streams, &mut self.snapshot, client, message);
        });
        forwarder.record(now);
        forwarder.report();
        forwarder.hand_over();
    }

    /// Does what the control plane says. True if more may wait.
    fn obey(&mut self, now: Instant) -> bool {
        for _ in 0..COMMAND_BUDGET {
            match self.commands.try_recv() {
                Ok(command) => self.obey_one(now, command),
                Err(_) => return false,
            }
        }
        true
    }

    fn obey_one(&mut self, now: Instant, command: Command) {
        match command {
            Command::StreamOpened { client, pipe } => {
                self.streams.insert(client, pipe);
            }
            Command::StreamReadable(client) => self.read_stream(now, client),
            Command::StreamClosed(client) => {
                self.streams.remove(&client);
                self.machine.client_closed(now, client);
            }
            Command::ListenerOpened { relay, result } => self.machine.relay_opened(now, relay, result),
            Command::PeerAccepted { relay, from, stream } => {
                // The client may only hear of the connection once it can be bound.
                if let Some(connection) = self.machine.peer_accepted(now, relay, from) {
                    self.peers.insert(connection, stream);
                }
            }
            Command::PeerConnected { connection, ok } => self.machine.peer_connected(now, connection, ok),
            Command::ConnectionClosed(connection) => self.machine.connection_closed(now, connection),
            Command::Forward(command) => {
                if let Some((forwarder, _)) = &mut self.forwarder {
                    forwarder.obey(now, command);
                }
            }
            Command::Spread { room, first, others } => {
                if let Some((forwarder, _)) = &mut self.forwarder {
                    forwarder.spread(now, room, first, others);
                }
            }
            Command::Drain => self.machine.set_draining(now),
        }
    }

    /// Shows the messages of a stream client to the machine.
    fn read_stream(&mut self, now: Instant, client: FiveTuple) {
        let Some(pipe) = self.streams.get(&client) else { return };
        let mut input = std::mem::take(&mut self.stream_input);
        pipe.take_input(&mut input);
        if pipe.is_framed() {
            self.read_member(now, client, &mut input);
            self.stream_input = input;
            return;
        }
        let mut rest = &input[..];
        while let Ok(Some(length)) = turn::frame::next(rest) {
            let (message, later) = rest.split_at(length);
            rest = later;
            let mut run = Run::single(message);
            while !run.is_empty() {
                if let Some(forward) = self.machine.handle_input(now, Source::Client(client), &mut run) {
                    self.copy_on(&forward, message);
                }
            }
        }
        self.stream_input = input;
    }

    /// Shows the messages of a member that comes over TCP to the forwarder.
    fn read_member(&mut self, now: Instant, client: FiveTuple, input: &mut [u8]) {
        let Some((forwarder, _)) = &mut self.forwarder else { return };
        let mut rest = input;
        while let Some(length) = framed::next(rest) {
            let (message, later) = rest.split_at_mut(length);
            rest = later;
            let (local, remote) = (client.local, client.remote);
            let received = Received { transport: Transport::Tcp, local, remote, segment: length };
            forwarder.take(now, received, &mut message[framed::HEAD..]);
        }
    }

    /// Queues a copy of a stream client's message: the stream's buffer is not the inbox.
    fn copy_on(&mut self, forward: &Forward, message: &[u8]) {
        let bytes = &message[forward.bytes.clone()];
        let (key, to, from) = match forward.to {
            Destination::Peer { relay, to } => (relay.0, to, None),
            Destination::Client(client) if client.transport == Transport::Udp => {
                let Some((key, from)) = listener_of(&self.listeners, client.local) else { return };
                (key, client.remote, from)
            }
            Destination::Client(client) => {
                return to_stream(&self.streams, &mut self.snapshot, client, forward, bytes);
            }
        };
        send_copy(&mut self.outbox, (key, to, from), forward, bytes);
    }

    /// Sends what is queued and forgets what was received.
    fn flush(&mut self) {
        let (listeners, relays) = (&self.listeners, &self.relays);
        self.outbox.flush(&self.inbox, |key| named(listeners, relays, key));
        self.inbox.clear();
    }

    /// Does what the machine wants done.
    fn act(&mut self, now: Instant) {
        while let Some(event) = self.machine.poll_event() {
            match event {
                Event::OpenRelay { relay, at, kind: RelayKind::Udp } => {
                    let result = self.open_relay(relay, at);
                    self.machine.relay_opened(now, relay, result);
                }
                Event::OpenRelay { relay, at, kind: RelayKind::TcpListener } => {
                    self.notify(Notice::OpenListener { relay, at });
                }
                Event::CloseRelay { relay } => {
                    if !self.relays.remove(relay) {
                        self.notify(Notice::CloseListener(relay));
                    }
                }
                Event::Connect { connection, relay, to } => {
                    self.notify(Notice::Connect { connection, relay, to });
                }
                Event::CloseConnection { connection } => self.notify(Notice::CloseConnection(connection)),
                Event::Bind { connection, client } => {
                    // The answer to the request must be in the pipe before the pipe ends.
                    self.answer(now);
                    if let Some(pipe) = self.streams.remove(&client) {
                        pipe.set_next(Next::Splice(connection));
                    }
                }
                Event::CloseClient { client } => {
                    self.answer(now);
                    if let Some(pipe) = self.streams.remove(&client) {
                        pipe.set_next(Next::Close);
                    }
                }
                Event::Allocated { user, client, relayed } => {
                    tracing::debug!(%user, client = %client.remote, %relayed, "allocated");
                }
                Event::Released { user, client, received, sent, duration } => {
                    let seconds = duration.as_secs();
                    tracing::debug!(%user, client = %client.remote, received, sent, seconds, "released");
                }
            }
        }
        while let Some(notice) = self.late_notices.pop_front() {
            if let Err(mpsc::error::TrySendError::Full(notice)) = self.notices.try_send(notice) {
                self.late_notices.push_front(notice);
                break;
            }
        }
    }

    fn open_relay(&mut self, relay: RelayId, at: SocketAddr) -> Result<SocketAddr, OpenError> {
        let socket = Socket::bind(at, &Options::default()).map_err(|error| match error.kind() {
            std::io::ErrorKind::AddrInUse => OpenError::InUse,
            _ => {
                tracing::warn!(%at, %error, "cannot open a relay");
                OpenError::Failed
            }
        })?;
        let local = socket.local();
        self.poller.add(&socket, relay.0).map_err(|error| {
            tracing::warn!(%at, %error, "cannot watch a relay");
            OpenError::Failed
        })?;
        self.relays.insert(relay, socket);
        Ok(local)
    }

    fn notify(&mut self, notice: Notice) {
        self.late_notices.push_back(notice);
    }

    /// Sends the machine's answers.
    fn answer(&mut self, now: Instant) {
        let mut buf = [0; ANSWER_BYTES];
        while let Some(transmit) = self.machine.poll_transmit(now, &mut buf) {
            let bytes = &buf[..transmit.len];
            if transmit.transport == Transport::Udp {
                if let Some((key, from)) = listener_of(&self.listeners, transmit.from) {
                    let segment = transmit.segment_size.unwrap_or(transmit.len);
                    self.outbox.send(key, transmit.to, from, &[bytes], segment);
                }
                continue;
            }
            let client =
                FiveTuple { transport: transmit.transport, local: transmit.from, remote: transmit.to };
            let Some(pipe) = self.streams.get(&client) else { continue };
            if pipe.push_output(std::iter::once(bytes)) == Pushed::Full {
                // A client that does not even read answers is gone.
                pipe.set_next(Next::Close);
                self.streams.remove(&client);
                self.machine.client_closed(now, client);
            }
        }
        self.flush();
    }

    fn publish(&mut self) {
        self.snapshot.take(self.machine.stats(), self.outbox.counters());
        self.snapshot.receive_calls = self.inbox.calls();
        self.snapshot.streams = self.streams.len() as u64;
        if let Some((forwarder, crossing)) = &self.forwarder {
            forwarder.publish(&mut self.snapshot, self.departures.counters());
            (self.snapshot.media_crossed, self.snapshot.media_dropped_crossing) = crossing.counts();
        }
        self.snapshot.rounds += 1;
        self.counters.publish(&self.snapshot);
    }
}
