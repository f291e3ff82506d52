//! What crosses between the sockets and the rendezvous: plain data, so that it could cross between machines too.
//!
//! A socket belongs to one node and the rendezvous may be elsewhere; nothing but these types passes between.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::admin::{Admin, Notice, Reply};
use super::doors::{DoorCommand, DoorEvent, DoorId};
use super::forwarding::{MediaCommand, MediaEvent};
use super::protocol::{
    ClientMessage, Door, ErrorCode, IceServer, Person, Refusal, Resume, Role, ServerFrame,
};
use super::recording::{RecordingCommand, RecordingEvent};

/// Names a WebSocket connection; never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct SocketId(pub u64);

/// Whom a socket speaks for, as the authority found.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The person.
    pub person: Person,
    /// The secret that proves it next time; goes back in `welcome`.
    pub token: String,
    /// What a join token says besides who it is.
    pub grant: Option<Box<Grant>>,
}

/// What an application lets somebody do in one room, as it stood in a join token.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Grant {
    /// The room's name.
    pub room: String,
    /// As what they come in.
    pub role: Role,
    /// The application's own name for them.
    pub subject: Option<String>,
}

impl fmt::Debug for Identity {
    /// The token stays unsaid.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("person", &self.person).finish_non_exhaustive()
    }
}

/// From a socket to the rendezvous.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Command {
    /// A socket's first message, a `hello`, after the authority had its say.
    Hello {
        /// The socket.
        socket: SocketId,
        /// Where it comes from.
        address: IpAddr,
        /// Whom it speaks for; `None` if only `resume` can tell.
        identity: Option<Identity>,
        /// The session to go on with.
        resume: Option<Resume>,
        /// Whether the client knows conferences.
        conferences: bool,
    },
    /// A later message.
    Frame {
        /// The socket.
        socket: SocketId,
        /// The message's number.
        seq: Option<u64>,
        /// The highest number received from the server.
        ack: Option<u64>,
        /// The message.
        request: Request,
    },
    /// The socket is gone.
    Closed {
        /// The socket.
        socket: SocketId,
        /// Whether the client signed off (close code 1000): the session ends with it.
        goodbye: bool,
    },
    /// Something happened at an HTTP door of a room.
    Door {
        /// The door.
        door: DoorId,
        /// What.
        command: DoorCommand,
    },
    /// Something happened at the forwarder of media.
    Media(MediaEvent),
    /// Something happened at the recorder.
    Recording(RecordingEvent),
    /// An application asks for something, through the interface for programs.
    Admin {
        /// Goes back with the answer.
        request: u64,
        /// What.
        what: Admin,
    },
    /// The server is about to stop.
    Drain,
}

/// A client's message, with what only the authority knows already put in.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Request {
    /// As it came.
    Message(ClientMessage),
    /// `rename`: the person under the new name, or what is wrong with it.
    Rename(Result<Person, String>),
    /// `key`: the name as it is kept, or what is wrong with it.
    Key {
        /// The room.
        room: String,
        /// What the key is to open.
        door: Door,
        /// What the encoder is to be called.
        name: Result<Option<String>, String>,
        /// When the key is to end, in seconds since 1970.
        expires: u64,
    },
    /// `ice-servers`: the answer.
    IceServers {
        /// STUN and TURN servers with short-lived credentials.
        ice_servers: Vec<IceServer>,
        /// Seconds until those credentials end.
        ice_lifetime: u32,
    },
}

/// From the rendezvous to a socket, or to the forwarder.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Event {
    /// The answer to `hello`; the socket adds the ICE servers and the timeouts it keeps.
    Welcome {
        /// The socket.
        socket: SocketId,
        /// The session.
        welcome: Welcome,
    },
    /// A frame to send.
    Send {
        /// The socket.
        socket: SocketId,
        /// The frame.
        frame: ServerFrame,
    },
    /// Say why and close.
    Close {
        /// The socket.
        socket: SocketId,
        /// For programs.
        code: Refusal,
        /// For people.
        message: String,
    },
    /// For an HTTP door of a room.
    Door {
        /// The door.
        door: DoorId,
        /// What happened.
        event: DoorEvent,
    },
    /// For the forwarder of media.
    Media(MediaCommand),
    /// For the recorder.
    Recording(RecordingCommand),
    /// The answer to a [`Command::Admin`].
    Admin {
        /// The request's number.
        request: u64,
        /// What it brought, or why it was not carried out.
        answer: Result<Reply, (ErrorCode, String)>,
    },
    /// Something that applications may want to know.
    Notice(Notice),
}

/// What the rendezvous knows of `ServerMessage::Welcome`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The session's secret name.
    pub session: String,
    /// Whether it is the earlier one.
    pub resumed: bool,
    /// The highest number received in it.
    pub received: u64,
    /// Whom it speaks for.
    pub identity: Identity,
    /// Seconds for which it outlives its socket.
    pub resume_timeout: u32,
    /// Whether the server is about to stop.
    pub draining: bool,
}

impl fmt::Debug for Welcome {
    /// The session's secret name stays unsaid.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Welcome")
            .field("resumed", &self.resumed)
            .field("received", &self.received)
            .field("identity", &self.identity)
            .field("draining", &self.draining)
            .finish_non_exhaustive()
    }
}
