//! The rendezvous: a pure machine that knows who is here, who calls whom, and what is still to be told to whom.
//!
//! A **session** is a device of a **person**, and outlives its socket. Numbered messages pass between client and
//! session exactly once and in order: each side keeps what the other has not confirmed, and sends it again on the
//! next socket. A **call** belongs to at most two sessions; nothing passes between people outside of one.
//!
//! Junk and misuse by a client never come out as `Err`: they are answered (`error`), or the socket is closed
//! (`refused`). Every input makes a bounded number of events; the driver takes them all before the next input.

mod address;
mod bucket;
mod calls;
mod conference;
mod config;
mod early;
mod frames;
mod people;
mod rooms;
mod session;
mod started;
mod stats;
mod ticket;
mod timers;

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use wire::{Instant, Rng};

use self::address::{Address, SWEEP_FROM, network};
pub(crate) use self::bucket::Bucket;
pub use self::bucket::Rate;
use self::calls::Call;
use self::conference::{Conference, KeptRoom, Place};
pub use self::config::Config;
use self::people::People;
use self::rooms::Room;
use self::session::{Engaged, Inbox, Link, Outbox, Session};
pub use self::stats::Stats;
use self::ticket::Tickets;
use self::timers::{Timer, Timers};
use super::bus::{Command, Event, Identity, SocketId, Welcome};
use super::doors::DoorId;
use super::forwarding::{LegKey, RoomKey};
use super::keys::Keys;
use super::protocol::{CallId, EndReason, MemberNumber, Refusal, Resume, ServerFrame, ServerMessage};

/// Names a session; never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct SessionKey(u64);

/// The machine.
pub struct Rendezvous {
    config: Config,
    rng: Rng,
    tickets: Tickets,
    keys: Keys,
    sessions: BTreeMap<SessionKey, Box<Session>>,
    next_session: u64,
    sockets: BTreeMap<SocketId, SessionKey>,
    addresses: BTreeMap<IpAddr, Address>,
    /// How many addresses there are when they are next looked through.
    sweep_at: usize,
    people: People,
    calls: BTreeMap<CallId, Call>,
    rooms: BTreeMap<String, Room>,
    conferences: BTreeMap<CallId, Conference>,
    /// What applications have set up, by the room's name.
    kept: BTreeMap<String, KeptRoom>,
    rooms_by_key: BTreeMap<RoomKey, CallId>,
    next_room: u64,
    /// Media connections, and whose they are.
    legs: BTreeMap<LegKey, (CallId, MemberNumber)>,
    /// Media connections of viewers.
    viewer_legs: BTreeMap<LegKey, DoorId>,
    next_leg: u64,
    /// Who came by HTTP.
    doors: BTreeMap<DoorId, Place>,
    timers: Timers,
    /// Sessions that did not confirm enough; ended before the input is over.
    overflowed: Vec<SessionKey>,
    events: VecDeque<Event>,
    draining: bool,
    /// The time of the input that is being handled.
    now: Instant,
    stats: Stats,
}

/// Who says hello.
struct Hello {
    address: IpAddr,
    identity: Option<Identity>,
    conferences: bool,
}

/// Why a session ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Leave {
    /// The client signed off.
    Goodbye,
    /// It was without a socket for too long.
    Lost,
    /// It did not confirm what it was sent.
    Overflow,
}

/// Why a socket is to be closed, and what a person is told.
type Refused = (Refusal, String);

impl Rendezvous {
    /// A rendezvous without anybody. `now` is on the driver's clock and never goes back.
    pub fn new(config: Config, seed: [u8; 32], now: Instant) -> Self {
        Self {
            tickets: Tickets::new(&config.secret),
            keys: Keys::new(&config.secret),
            config,
            rng: Rng::new(seed),
            sessions: BTreeMap::new(),
            next_session: 0,
            sockets: BTreeMap::new(),
            addresses: BTreeMap::new(),
            sweep_at: SWEEP_FROM,
            people: People::default(),
            calls: BTreeMap::new(),
            rooms: BTreeMap::new(),
            conferences: BTreeMap::new(),
            kept: BTreeMap::new(),
            rooms_by_key: BTreeMap::new(),
            next_room: 0,
            legs: BTreeMap::new(),
            viewer_legs: BTreeMap::new(),
            next_leg: 0,
            doors: BTreeMap::new(),
            timers: Timers::default(),
            overflowed: Vec::new(),
            events: VecDeque::new(),
            draining: false,
            now,
            stats: Stats::default(),
        }
    }

    /// Something happened at a socket, or at the forwarder of media.
    pub fn handle_input(&mut self, now: Instant, command: Command) {
        self.now = now;
        match command {
            Command::Hello { socket, address, identity, resume, conferences } => {
                let hello = Hello { address, identity, conferences };
                if let Err(refused) = self.hello(now, socket, hello, resume) {
                    self.refuse(now, socket, refused);
                }
            }
            Command::Frame { socket, seq, ack, request } => {
                if let Err(refused) = self.frame(now, socket, seq, ack, request) {
                    self.refuse(now, socket, refused);
                }
            }
            Command::Closed { socket, goodbye } => match self.sockets.get(&socket).copied() {
                Some(key) if goodbye => self.end_session(key, Leave::Goodbye),
                Some(key) => self.detach(now, key),
                None => {}
            },
            Command::Door { door, command } => self.door(door, command),
            Command::Media(event) => self.media_event(event),
            Command::Recording(event) => self.recording_event(event),
            Command::Admin { request, what } => {
                let answer = self.administer(what);
                self.events.push_back(Event::Admin { request, answer });
            }
            Command::Drain => self.drain(),
        }
        self.end_overflowed();
    }

    /// Does what has fallen due; nothing if nothing has.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        while let Some(timer) = self.timers.pop(now) {
            match timer {
                Timer::Ack(key) => self.acknowledge(key),
                Timer::Resume(key) => self.end_session(key, Leave::Lost),
                Timer::Ring(call) => self.ring_timeout(&call),
                Timer::Rejoin(call) => self.rejoin_timeout(&call),
                Timer::Conference(call) => self.conference_timeout(&call),
                Timer::Door(door) => self.door_timeout(door),
                Timer::Viewers(call) => self.tell_viewers(&call),
                Timer::News(call) => self.tell_news(&call),
                Timer::Breakout(call) => self.breakout_timeout(&call),
                Timer::Places(call) => self.places_timeout(&call),
                Timer::Room(room) => self.room_timeout(&room),
            }
            self.end_overflowed();
        }
    }

    /// What is to be passed on to a socket.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When `handle_timeout` has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    fn drain(&mut self) {
        if std::mem::replace(&mut self.draining, true) {
            return;
        }
        let everyone: Vec<SessionKey> = self.sessions.keys().copied().collect();
        for key in everyone {
            self.tell(key, ServerMessage::Draining);
        }
    }

    fn hello(
        &mut self,
        now: Instant,
        socket: SocketId,
        hello: Hello,
        resume: Option<Resume>,
    ) -> Result<(), Refused> {
        if self.sockets.contains_key(&socket) {
            return Err((
                Refusal::Malformed,
                "hello comes once on a socket, as its first message".to_owned(),
            ));
        }
        let address = network(hello.address);
        let (rate, cost) = (self.config.messages_per_address, self.config.hello_cost);
        self.sweep_addresses(now);
        if !self.addresses.entry(address).or_default().messages.take(now, rate, cost) {
            return Err((Refusal::Limit, "too many connections from this address: wait a little".to_owned()));
        }
        if let Some(resume) = resume
            && let Some(key) = self.resumable(&resume)
        {
            return self.resume(now, key, socket, resume.received);
        }
        let identity = hello.identity.ok_or_else(|| {
            let message = "this session is not known any more: say hello with a name or an identity";
            (Refusal::Name, message.to_owned())
        })?;
        self.open_session(now, socket, address, identity, hello.conferences)
    }

    /// The session that the client may go on with: its secret is right, and what it lacks is still there.
    fn resumable(&self, resume: &Resume) -> Option<SessionKey> {
        let name = BASE64.decode(&*resume.session).ok()?;
        let (key, secret) = name.split_first_chunk::<8>()?;
        let key = SessionKey(u64::from_be_bytes(*key));
        let session = self.sessions.get(&key)?;
        let known = crypto::constant_time_eq(secret, &session.secret);
        (known && session.outbox.can_resume(resume.received)).then_some(key)
    }

    fn resume(&mut self, now: Instant, key: SessionKey, socket: SocketId, got: u64) -> Result<(), Refused> {
        let (rate, cost) = (self.config.messages, self.config.hello_cost);
        let Some(session) = self.sessions.get_mut(&key) else { return Ok(()) };
        if !session.messages.take(now, rate, cost) {
            return Err((Refusal::Limit, "this session is taken up too often: wait a little".to_owned()));
        }
        let before = std::mem::replace(&mut session.link, Link::Attached(socket));
        session.outbox.confirm(got);
        self.stats.resumes += 1;
        self.sockets.insert(socket, key);
        match before {
            Link::Attached(old) => {
                self.sockets.remove(&old);
                let message = "the session was taken up on another socket".to_owned();
                self.close(old, (Refusal::Replaced, message));
            }
            Link::Detached(since) => {
                self.timers.clear(since + self.config.resume_timeout, Timer::Resume(key));
            }
        }
        self.welcome(key, socket, true);
        self.send_again(key, socket);
        if matches!(before, Link::Detached(_)) {
            self.peer_present(key, true);
            self.match_room(key);
            self.tell_how_things_are(key);
        }
        Ok(())
    }

    fn open_session(
        &mut self,
        now: Instant,
        socket: SocketId,
        address: IpAddr,
        identity: Identity,
        conferences: bool,
    ) -> Result<(), Refused> {
        self.make_room(address, &identity.person.id)?;
        let key = SessionKey(self.next_session);
        self.next_session += 1;
        let Identity { person, token, grant } = identity;
        let mut messages = Bucket::default();
        messages.take(now, self.config.messages, self.config.hello_cost);
        let session = Session {
            secret: self.rng.array(),
            person: person.id.clone(),
            token,
            address,
            link: Link::Attached(socket),
            engaged: Engaged::Free,
            conferences,
            grant,
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            messages,
            invites: Bucket::default(),
        };
        self.sessions.insert(key, Box::new(session));
        self.sockets.insert(socket, key);
        self.addresses.entry(address).or_default().sessions += 1;
        self.stats.hellos += 1;
        let renamed = self.people.add(person.clone(), key);
        self.welcome(key, socket, false);
        if renamed {
            self.tell_renamed(&person.id, Some(key));
        }
        self.ring_newcomer(now, key);
        Ok(())
    }

    /// Sees to the bounds before a session is added: one that has no socket gives way to a new one.
    fn make_room(&mut self, address: IpAddr, person: &str) -> Result<(), Refused> {
        let limit = |what: &str, most: usize| {
            (
                Refusal::Limit,
                format!("{what} has {most} sessions already, and no more are allowed: close some"),
            )
        };
        if let Some(most) = self.config.sessions.filter(|most| self.sessions.len() >= *most) {
            return Err(limit("this server", most));
        }
        let most = self.config.sessions_per_person;
        let devices = self.people.get(person).map_or(&[][..], |entry| &entry.sessions[..]);
        if devices.len() >= most {
            let oldest = devices
                .iter()
                .copied()
                .find(|key| self.sessions.get(key).is_some_and(|s| matches!(s.link, Link::Detached(_))));
            let oldest = oldest.ok_or_else(|| limit("this person", most))?;
            self.end_session(oldest, Leave::Lost);
        }
        let most = self.config.sessions_per_address;
        if self.addresses.get(&address).is_some_and(|a| a.sessions >= most) {
            return Err(limit("this address", most));
        }
        Ok(())
    }

    fn welcome(&mut self, key: SessionKey, socket: SocketId, resumed: bool) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        let Some(entry) = self.people.get(&session.person) else { return };
        let name = [&key.0.to_be_bytes()[..], &session.secret].concat();
        session.inbox.told = session.inbox.received;
        let welcome = Welcome {
            session: BASE64.encode(name),
            resumed,
            received: session.inbox.received,
            identity: Identity { person: entry.person.clone(), token: session.token.clone(), grant: None },
            resume_timeout: u32::try_from(self.config.resume_timeout.as_secs()).unwrap_or(u32::MAX),
            draining: self.draining,
        };
        self.events.push_back(Event::Welcome { socket, welcome });
    }

    /// Sends everything that the client has not confirmed, under the old numbers.
    fn send_again(&mut self, key: SessionKey, socket: SocketId) {
        let Some(session) = self.sessions.get(&key) else { return };
        let ack = acknowledged(session);
        for (seq, message) in session.outbox.iter() {
            let frame = ServerFrame { seq: Some(seq), ack, message: message.clone() };
            self.events.push_back(Event::Send { socket, frame });
        }
    }

    /// The socket of a session is gone; the session waits for another.
    fn detach(&mut self, now: Instant, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        let Link::Attached(socket) = session.link else { return };
        session.link = Link::Detached(now);
        if let Some(due) = session.inbox.due.take() {
            self.timers.clear(due, Timer::Ack(key));
        }
        self.sockets.remove(&socket);
        self.timers.set(now + self.config.resume_timeout, Timer::Resume(key));
        self.peer_present(key, false);
    }

    fn end_session(&mut self, key: SessionKey, why: Leave) {
        let reason = if why == Leave::Goodbye { EndReason::HungUp } else { EndReason::Lost };
        self.leave_call(key, reason);
        self.leave_room(key);
        self.stop_ringing_at(key, EndReason::Unavailable);
        let Some(session) = self.sessions.remove(&key) else { return };
        if let Some(due) = session.inbox.due {
            self.timers.clear(due, Timer::Ack(key));
        }
        match session.link {
            Link::Attached(socket) => {
                self.sockets.remove(&socket);
                if why == Leave::Overflow {
                    let message = "too many messages were not acknowledged: the session is over".to_owned();
                    self.close(socket, (Refusal::Limit, message));
                }
            }
            Link::Detached(since) => {
                self.timers.clear(since + self.config.resume_timeout, Timer::Resume(key));
            }
        }
        self.people.remove(&session.person, key);
        if let Some(address) = self.addresses.get_mut(&session.address) {
            address.sessions -= 1;
        }
    }

    fn end_overflowed(&mut self) {
        while let Some(key) = self.overflowed.pop() {
            if self.sessions.contains_key(&key) {
                self.stats.overflows += 1;
                self.end_session(key, Leave::Overflow);
            }
        }
    }

    /// Closes a socket and says why; its session may be taken up again.
    fn refuse(&mut self, now: Instant, socket: SocketId, refused: Refused) {
        if let Some(key) = self.sockets.get(&socket).copied() {
            self.detach(now, key);
        }
        self.close(socket, refused);
    }

    fn close(&mut self, socket: SocketId, (code, message): Refused) {
        self.stats.refused += 1;
        self.events.push_back(Event::Close { socket, code, message });
    }

    /// Gives a session a numbered message, now or on its next socket.
    fn tell(&mut self, key: SessionKey, message: ServerMessage) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        let seq = session.outbox.push(message.clone());
        if session.outbox.len() > self.config.unconfirmed_messages
            || session.outbox.bytes() > self.config.unconfirmed_bytes
        {
            self.overflowed.push(key);
            return;
        }
        if let Link::Attached(socket) = session.link {
            let ack = acknowledged(session);
            session.inbox.told = session.inbox.received;
            if let Some(due) = session.inbox.due.take() {
                self.timers.clear(due, Timer::Ack(key));
            }
            let frame = ServerFrame { seq: Some(seq), ack, message };
            self.events.push_back(Event::Send { socket, frame });
        }
    }

    /// Tells a client what arrived, if it does not know yet.
    fn acknowledge(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        if let Some(due) = session.inbox.due.take() {
            self.timers.clear(due, Timer::Ack(key));
        }
        if let Link::Attached(socket) = session.link {
            session.inbox.told = session.inbox.received;
            let frame = ServerFrame { seq: None, ack: acknowledged(session), message: ServerMessage::Ack };
            self.events.push_back(Event::Send { socket, frame });
        }
    }

    /// Tells every device of a person their name.
    fn tell_renamed(&mut self, person: &str, except: Option<SessionKey>) {
        let Some(entry) = self.people.get(person) else { return };
        let (me, devices) = (entry.person.clone(), entry.sessions.clone());
        for key in &devices {
            if Some(*key) != except {
                self.tell(*key, ServerMessage::Renamed { me: me.clone() });
            }
            self.tell_room_of_name(*key);
        }
    }
}

fn acknowledged(session: &Session) -> Option<u64> {
    (session.inbox.received > 0).then_some(session.inbox.received)
}
