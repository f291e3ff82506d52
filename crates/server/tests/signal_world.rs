//! Clients and a rendezvous in one thread, on a clock that the test moves.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use server::signal::admin::{Admin, Notice, Reply};
use server::signal::bus::{Command, Event, Grant, Identity, Request, SocketId};
use server::signal::doors::{DoorCommand, DoorEvent, DoorId};
use server::signal::forwarding::MediaEvent;
use server::signal::protocol::*;
use server::signal::recording::{RecordingCommand, RecordingEvent};
use server::signal::rendezvous::{Config, Rendezvous};
use wire::Instant;

use crate::signal_forwarder::Forwarder;

pub(crate) const MEDIA: Media = Media { audio: true, video: true };

/// A client as the protocol wants it: numbers, keeps, sends again, drops what it had already.
pub(crate) struct Client {
    pub(crate) person: Person,
    pub(crate) socket: Option<SocketId>,
    pub(crate) session: Option<String>,
    pub(crate) sent: u64,
    /// What its join token says, if it has one.
    pub(crate) grant: Option<Box<Grant>>,
    /// Whether it says that it knows conferences.
    pub(crate) conferences: bool,
    kept: VecDeque<(u64, ClientMessage)>,
    pub(crate) received: u64,
    /// Every numbered message, once and in order.
    pub(crate) log: Vec<ServerMessage>,
    pub(crate) refused: Vec<Refusal>,
    /// How often a welcome began a new session.
    pub(crate) sessions: u32,
    /// Calls of sessions that were replaced are forgotten: the log starts again here.
    pub(crate) log_start: usize,
}

/// Where a socket breaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cut {
    /// The frame at which it happens, counted over all sockets and both directions.
    pub(crate) at: usize,
    /// Whether that frame still arrives.
    pub(crate) delivered: bool,
    /// Whether the server hears of it before the client is back on another socket.
    pub(crate) noticed: bool,
}

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) rendezvous: Rendezvous,
    pub(crate) clients: Vec<Client>,
    /// Carries no media, but knows what it would carry.
    pub(crate) forwarder: Forwarder,
    /// What the recorder was told.
    pub(crate) recorded: Vec<RecordingCommand>,
    /// What doors were told.
    pub(crate) doors: BTreeMap<DoorId, Vec<DoorEvent>>,
    owners: BTreeMap<SocketId, usize>,
    next_socket: u64,
    /// Frames that crossed so far.
    pub(crate) crossed: usize,
    pub(crate) cut: Option<Cut>,
    /// Sockets that broke without the server's knowledge.
    unnoticed: Vec<SocketId>,
    /// What applications were told.
    pub(crate) notices: Vec<Notice>,
    answer: Option<Result<Reply, (ErrorCode, String)>>,
}

impl World {
    pub(crate) fn new(config: Config) -> Self {
        let config = Config { secret: vec![1; 32], ..config };
        Self {
            now: Instant::ZERO,
            rendezvous: Rendezvous::new(config, [3; 32], Instant::ZERO),
            clients: Vec::new(),
            forwarder: Forwarder::default(),
            recorded: Vec::new(),
            doors: BTreeMap::new(),
            owners: BTreeMap::new(),
            next_socket: 0,
            crossed: 0,
            cut: None,
            unnoticed: Vec::new(),
            notices: Vec::new(),
            answer: None,
        }
    }

    /// A client of the person `id`, connected.
    pub(crate) fn join(&mut self, id: &str, name: &str) -> usize {
        let client = self.add(id, name);
        self.connect(client);
        self.settle();
        client
    }

    /// A client that has no socket yet.
    pub(crate) fn add(&mut self, id: &str, name: &str) -> usize {
        let person = Person { id: id.into(), name: name.into(), verified: false };
        self.clients.push(Client {
            person,
            socket: None,
            session: None,
            sent: 0,
            grant: None,
            conferences: true,
            kept: VecDeque::new(),
            received: 0,
            log: Vec::new(),
            refused: Vec::new(),
            sessions: 0,
            log_start: 0,
        });
        self.clients.len() - 1
    }

    /// A new socket for this client, and a hello that takes up its session if it has one.
    pub(crate) fn connect(&mut self, at: usize) {
        let socket = SocketId(self.next_socket);
        self.next_socket += 1;
        self.owners.insert(socket, at);
        let client = &mut self.clients[at];
        client.socket = Some(socket);
        let resume = client
            .session
            .clone()
            .map(|session| Resume { session: Secret(session), received: client.received });
        let identity = Some(Identity {
            person: client.person.clone(),
            token: "token".into(),
            grant: client.grant.clone(),
        });
        let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
        let conferences = client.conferences;
        let hello = Command::Hello { socket, address, identity, resume, conferences };
        self.cross(at, |world| world.rendezvous.handle_input(world.now, hello));
    }

    /// An application asks for something.
    pub(crate) fn administer(&mut self, what: Admin) -> Result<Reply, ErrorCode> {
        self.rendezvous.handle_input(self.now, Command::Admin { request: 1, what });
        self.settle();
        self.answer.take().expect("every request is answered").map_err(|(code, _)| code)
    }

    /// Breaks the socket of a client; the server hears of it.
    pub(crate) fn disconnect(&mut self, at: usize, goodbye: bool) {
        if let Some(socket) = self.clients[at].socket.take() {
            self.rendezvous.handle_input(self.now, Command::Closed { socket, goodbye });
        }
    }

    /// The page is reloaded: nothing of the session is kept but the person.
    pub(crate) fn forget(&mut self, at: usize) {
        self.disconnect(at, false);
        let client = &mut self.clients[at];
        client.session = None;
    }

    /// Another server with the same secret; every socket breaks.
    pub(crate) fn restart(&mut self, config: Config) {
        let config = Config { secret: vec![1; 32], ..config };
        self.rendezvous = Rendezvous::new(config, [4; 32], self.now);
        self.forwarder = Forwarder::default();
        self.owners.clear();
        for client in &mut self.clients {
            client.socket = None;
        }
    }

    /// A numbered message, sent now or once there is a socket.
    pub(crate) fn say(&mut self, at: usize, message: ClientMessage) {
        let client = &mut self.clients[at];
        client.sent += 1;
        client.kept.push_back((client.sent, message.clone()));
        self.transmit(at, Some(client_seq(&self.clients[at])), message);
    }

    /// A frame as it stands, numbers and all.
    pub(crate) fn raw(&mut self, at: usize, seq: Option<u64>, ack: Option<u64>, message: ClientMessage) {
        let Some(socket) = self.clients[at].socket else { return };
        let frame = Command::Frame { socket, seq, ack, request: request(&self.clients[at].person, message) };
        self.rendezvous.handle_input(self.now, frame);
    }

    fn transmit(&mut self, at: usize, seq: Option<u64>, message: ClientMessage) {
        let client = &self.clients[at];
        let Some(socket) = client.socket else { return };
        let ack = (client.received > 0).then_some(client.received);
        let command = Command::Frame { socket, seq, ack, request: request(&client.person, message) };
        self.cross(at, |world| world.rendezvous.handle_input(world.now, command));
    }

    /// Passes a frame of this client's over its socket, unless the socket breaks on it.
    fn cross(&mut self, at: usize, deliver: impl FnOnce(&mut Self)) {
        let cut = self.cut.filter(|cut| cut.at == self.crossed);
        self.crossed += 1;
        if cut.is_none_or(|cut| cut.delivered) {
            deliver(self);
        }
        if let Some(cut) = cut {
            let Some(socket) = self.clients[at].socket.take() else { return };
            if cut.noticed {
                self.rendezvous.handle_input(self.now, Command::Closed { socket, goodbye: false });
            } else {
                self.unnoticed.push(socket);
            }
        }
    }

    /// Delivers everything there is to deliver, and brings back whoever lost the socket.
    pub(crate) fn settle(&mut self) {
        loop {
            self.pump();
            let lost = (0..self.clients.len()).find(|at| {
                self.clients[*at].socket.is_none() && self.cut.is_some() && self.clients[*at].sessions > 0
            });
            match lost {
                Some(at) => self.connect(at),
                None => break,
            }
        }
        for socket in std::mem::take(&mut self.unnoticed) {
            self.rendezvous.handle_input(self.now, Command::Closed { socket, goodbye: false });
        }
        self.pump();
    }

    fn pump(&mut self) {
        while let Some(event) = self.rendezvous.poll_event() {
            let socket = match &event {
                Event::Welcome { socket, .. } | Event::Send { socket, .. } | Event::Close { socket, .. } => {
                    *socket
                }
                Event::Door { door, event } => {
                    self.doors.entry(*door).or_default().push(event.clone());
                    continue;
                }
                Event::Media(command) => {
                    for event in self.forwarder.command(command.clone()) {
                        self.rendezvous.handle_input(self.now, Command::Media(event));
                    }
                    continue;
                }
                Event::Recording(command) => {
                    self.recorded.push(command.clone());
                    continue;
                }
                Event::Admin { answer, .. } => {
                    self.answer = Some(answer.clone());
                    continue;
                }
                Event::Notice(notice) => {
                    self.notices.push(notice.clone());
                    continue;
                }
            };
            let Some(at) = self.owners.get(&socket).copied() else { continue };
            if self.clients[at].socket == Some(socket) {
                self.cross(at, |world| world.receive(at, event));
            }
        }
    }

    fn receive(&mut self, at: usize, event: Event) {
        let client = &mut self.clients[at];
        match event {
            Event::Welcome { welcome, .. } => {
                if !welcome.resumed {
                    client.sessions += 1;
                    client.received = 0;
                    client.log_start = client.log.len();
                    // What the lost session had not confirmed is the client's to judge; here it is sent anew.
                    client.sent = 0;
                    client.kept.clear();
                }
                client.session = Some(welcome.session);
                client.kept.retain(|(seq, _)| *seq > welcome.received);
                let again: Vec<(u64, ClientMessage)> = client.kept.iter().cloned().collect();
                for (seq, message) in again {
                    self.transmit(at, Some(seq), message);
                }
            }
            Event::Send { frame, .. } => {
                if let Some(ack) = frame.ack {
                    client.kept.retain(|(seq, _)| *seq > ack);
                }
                let Some(seq) = frame.seq else { return };
                if seq > client.received {
                    assert_eq!(seq, client.received + 1, "a message is missing");
                    client.received = seq;
                    client.log.push(frame.message);
                }
                if client.received.is_multiple_of(8) {
                    self.transmit(at, None, ClientMessage::Ack);
                }
            }
            Event::Close { code, .. } => {
                client.refused.push(code);
                client.socket = None;
            }
            Event::Media(_)
            | Event::Recording(_)
            | Event::Door { .. }
            | Event::Admin { .. }
            | Event::Notice(_) => {
                unreachable!("it is not for a socket")
            }
        }
    }

    /// Something happens at the recorder.
    pub(crate) fn recorder(&mut self, event: RecordingEvent) {
        self.rendezvous.handle_input(self.now, Command::Recording(event));
        self.settle();
    }

    /// Something happens at a door.
    pub(crate) fn door(&mut self, door: u64, command: DoorCommand) {
        self.rendezvous.handle_input(self.now, Command::Door { door: DoorId(door), command });
        self.settle();
    }

    /// Something happens at the forwarder.
    pub(crate) fn media(&mut self, event: MediaEvent) {
        self.rendezvous.handle_input(self.now, Command::Media(event));
        self.settle();
    }

    /// The forwarder loses the only room that there is.
    pub(crate) fn lose_room(&mut self) {
        let room = *self.forwarder.rooms.keys().next().expect("there is one");
        self.media(MediaEvent::RoomLost { room });
    }

    /// Lets time pass, stopping at every deadline.
    pub(crate) fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(due) = self.rendezvous.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.rendezvous.handle_timeout(self.now);
            assert!(self.rendezvous.poll_timeout().is_none_or(|next| next > self.now), "a deadline stays");
            self.settle();
        }
        self.now = end;
        self.settle();
    }

    /// Says it and lets it take effect.
    pub(crate) fn act(&mut self, at: usize, message: ClientMessage) {
        self.say(at, message);
        self.settle();
    }
}

fn client_seq(client: &Client) -> u64 {
    client.sent
}

/// What the socket makes of a message: here every name is free and the ICE servers are none.
fn request(me: &Person, message: ClientMessage) -> Request {
    match message {
        ClientMessage::Key { room, door, name } => {
            Request::Key { room, door, name: Ok(name), expires: 1_000_000 }
        }
        ClientMessage::Rename { name } if name.is_empty() => Request::Rename(Err("empty".into())),
        ClientMessage::Rename { name } => Request::Rename(Ok(Person { name, ..me.clone() })),
        ClientMessage::IceServers => Request::IceServers { ice_servers: Vec::new(), ice_lifetime: 600 },
        other => Request::Message(other),
    }
}

/// A call id out of a letter.
pub(crate) fn id(letter: char) -> CallId {
    letter.to_string().repeat(22)
}

pub(crate) fn invite(call: char, to: &str) -> ClientMessage {
    ClientMessage::Invite { call: id(call), to: to.into(), media: MEDIA, early: false }
}

/// By a caller that answers devices while they ring.
pub(crate) fn invite_early(call: char, to: &str) -> ClientMessage {
    ClientMessage::Invite { call: id(call), to: to.into(), media: MEDIA, early: true }
}

pub(crate) fn accept(call: char) -> ClientMessage {
    ClientMessage::Accept { call: id(call), description: None, media: MEDIA }
}

pub(crate) fn decline(call: char, busy: bool) -> ClientMessage {
    ClientMessage::Decline { call: id(call), busy }
}

pub(crate) fn end(call: char) -> ClientMessage {
    ClientMessage::End { call: id(call) }
}

pub(crate) fn offer(call: &str, sdp: &str) -> ClientMessage {
    let description = Description { kind: DescriptionKind::Offer, sdp: sdp.into() };
    ClientMessage::Description { call: call.into(), device: None, description }
}

/// The same, from the caller for a ringing device.
pub(crate) fn to_device(device: u32, message: ClientMessage) -> ClientMessage {
    match message {
        ClientMessage::Description { call, description, .. } => {
            ClientMessage::Description { call, device: Some(device), description }
        }
        ClientMessage::Candidate { call, candidate, .. } => {
            ClientMessage::Candidate { call, device: Some(device), candidate }
        }
        other => panic!("this is for nobody's device: {other:?}"),
    }
}

pub(crate) fn candidate(call: &str, text: Option<&str>) -> ClientMessage {
    let candidate = text.map(|text| Candidate {
        candidate: text.into(),
        sdp_mid: Some("0".into()),
        sdp_m_line_index: Some(0),
        username_fragment: None,
    });
    ClientMessage::Candidate { call: call.into(), device: None, candidate }
}

/// A message in few words: its type, and what distinguishes it.
fn state(member: &Member) -> String {
    format!("{}{}", member.number, if member.connected { ":connected" } else { "" })
}

pub(crate) fn brief(message: &ServerMessage) -> String {
    let value = serde_json::to_value(message).expect("messages can be written");
    let text = |key: &str| value.get(key).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
    let name = text("type");
    match message {
        ServerMessage::Ended { .. } => format!("{name}:{}", text("reason")),
        ServerMessage::Error { .. } => format!("{name}:{}", text("code")),
        ServerMessage::Started { polite, rejoined, .. } => {
            let side = if *polite { "polite" } else { "impolite" };
            format!("{name}:{side}{}", if *rejoined { ":rejoined" } else { "" })
        }
        ServerMessage::Peer { present, .. } => format!("{name}:{present}"),
        ServerMessage::Conference { you, role, members, .. } => {
            format!("{name}:{you}:{role:?}:of{}", members.len())
        }
        ServerMessage::Member { member, .. } => format!("{name}:{}", state(member)),
        ServerMessage::Members { left, members, .. } => {
            let left = left.iter().map(|number| format!("-{number}"));
            format!("{name}:{}", left.chain(members.iter().map(state)).collect::<Vec<_>>().join(","))
        }
        ServerMessage::MemberLeft { number, reason, .. } => format!("{name}:{number}:{reason:?}"),
        ServerMessage::Role { role, .. } => format!("{name}:{role:?}"),
        ServerMessage::Knocking { people, .. } => format!("{name}:{}", people.len()),
        ServerMessage::Settings { locked, lobby, .. } => format!("{name}:{locked}:{lobby}"),
        _ => name,
    }
}
