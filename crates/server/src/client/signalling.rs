//! A client of the signalling: one session, over as many sockets as it takes.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::address::Address;
use super::numbers::{Heard, Numbers};
use super::secure::{Connector, Stream};
use crate::signal::protocol::{
    ClientFrame, ClientMessage, IceServer, Refusal, Secret, ServerFrame, ServerMessage, VERSION,
};

/// How long a connection and its welcome may take.
const OPENING: Duration = Duration::from_secs(15);
/// How long a `pong` may take.
const PONG: Duration = Duration::from_secs(10);
/// The pauses between two attempts.
const RETRY_FIRST: Duration = Duration::from_millis(500);
const RETRY_MOST: Duration = Duration::from_secs(15);
/// When to acknowledge: after so long, or so many messages.
const ACK_DELAY: Duration = Duration::from_millis(500);
const ACK_EVERY: u64 = 8;
/// Messages on their way to and from the task.
const QUEUE: usize = 256;

/// What happens.
#[derive(Debug)]
pub(crate) enum Notice {
    /// A socket is open. The first of these comes from [`Signalling::open`].
    Welcome(Welcome),
    /// A numbered message.
    Message(Box<ServerMessage>),
    /// The socket is lost; another is tried.
    Offline,
    /// It is over: the server refuses.
    Refused(String),
}

/// What the server says first.
#[derive(Debug)]
pub(crate) struct Welcome {
    /// An earlier session is not known any more, and what was under way is lost.
    pub(crate) lost: bool,
    /// Presented next time, it keeps the place in a room.
    pub(crate) identity: Secret,
    /// STUN and TURN.
    pub(crate) ice_servers: Vec<IceServer>,
}

/// A session; signs off when it is dropped.
#[derive(Debug)]
pub(crate) struct Signalling {
    say: Option<mpsc::Sender<ClientMessage>>,
    hear: mpsc::Receiver<Notice>,
    task: tokio::task::JoinHandle<()>,
}

type Socket = WebSocketStream<Stream>;

struct Task {
    address: Address,
    connector: Connector,
    name: String,
    identity: Option<Secret>,
    conferences: bool,
    numbers: Numbers,
    idle: Duration,
    said: mpsc::Receiver<ClientMessage>,
    tell: mpsc::Sender<Notice>,
}

/// How a socket ended.
enum End {
    /// We want no more.
    SignedOff,
    /// It broke.
    Lost,
    /// The server does not want us.
    Refused(Refusal, String),
}

impl Signalling {
    /// Connects and says hello; `conferences` says whether more than two may meet.
    ///
    /// # Errors
    /// The server cannot be reached, or refuses.
    pub(crate) async fn open(
        address: &Address,
        connector: &Connector,
        name: &str,
        identity: Option<Secret>,
        conferences: bool,
    ) -> Result<(Self, Welcome)> {
        let (say, said) = mpsc::channel(QUEUE);
        let (tell, hear) = mpsc::channel(QUEUE);
        let mut task = Task {
            address: address.clone(),
            connector: connector.clone(),
            name: name.to_owned(),
            identity,
            conferences,
            numbers: Numbers::default(),
            idle: Duration::from_secs(60),
            said,
            tell,
        };
        let (socket, welcome) = match task.connect().await {
            // A server with another data folder does not know the identity.
            Err(_) if task.identity.take().is_some() => task.connect().await?,
            result => result?,
        };
        let task = tokio::spawn(task.run(socket));
        Ok((Self { say: Some(say), hear, task }, welcome))
    }

    /// Says something, now or as soon as there is a socket.
    pub(crate) async fn say(&self, message: ClientMessage) {
        if let Some(say) = &self.say {
            // The task has ended: then `next` says why.
            let _ = say.send(message).await;
        }
    }

    /// What happens next; `None` when it is over.
    pub(crate) async fn next(&mut self) -> Option<Notice> {
        self.hear.recv().await
    }

    /// Signs off: the server ends the session at once.
    pub(crate) async fn close(mut self) {
        self.say = None;
        self.hear.close();
        let _ = timeout(Duration::from_secs(2), &mut self.task).await;
    }
}

impl Task {
    async fn run(mut self, mut socket: Socket) {
        loop {
            match self.serve(socket).await {
                End::SignedOff => return,
                End::Refused(code, message) if code != Refusal::Limit => {
                    let _ = self.tell.send(Notice::Refused(message)).await;
                    return;
                }
                End::Refused(..) | End::Lost => {}
            }
            if self.tell.send(Notice::Offline).await.is_err() {
                return;
            }
            let Some((next, welcome)) = self.reconnect().await else { return };
            socket = next;
            if self.tell.send(Notice::Welcome(welcome)).await.is_err() {
                return;
            }
        }
    }

    /// Tries until there is a socket, or until nobody wants one.
    async fn reconnect(&mut self) -> Option<(Socket, Welcome)> {
        let mut pause = RETRY_FIRST;
        loop {
            sleep(pause).await;
            if self.tell.is_closed() {
                return None;
            }
            match self.connect().await {
                Ok(connected) => return Some(connected),
                Err(error) => tracing::debug!("{error:#}"),
            }
            pause = (pause * 2).min(RETRY_MOST);
        }
    }

    async fn connect(&mut self) -> Result<(Socket, Welcome)> {
        let hello = ClientMessage::Hello {
            token: None,
            protocol: VERSION,
            name: Some(self.name.clone()),
            identity: self.identity.clone(),
            resume: self.numbers.resume(),
            conferences: self.conferences,
        };
        let opening = async {
            let stream = self.connector.connect(&self.address).await?;
            let (mut socket, _) =
                tokio_tungstenite::client_async(self.address.socket_url(), stream).await.with_context(
                    || "it does not speak the signalling of Visavis; is this the address of its page?",
                )?;
            write(&mut socket, &ClientFrame { seq: None, ack: None, message: hello }).await?;
            let frame = loop {
                let message = socket.next().await.context("it ends the connection")??;
                if let Message::Text(text) = message {
                    break serde_json::from_str::<ServerFrame>(&text)?;
                }
            };
            anyhow::Ok((socket, frame.message))
        };
        let opened = timeout(OPENING, opening).await.map_err(|_| anyhow!("no answer in {OPENING:?}"));
        let (socket, message) = opened.and_then(|opened| opened).with_context(|| {
            format!("cannot reach the server {}; say which one with --server URL", self.address)
        })?;
        match message {
            ServerMessage::Welcome {
                session,
                resumed,
                received,
                identity,
                ice_servers,
                idle_timeout,
                ..
            } => {
                self.identity = Some(identity.clone());
                self.idle = Duration::from_secs(u64::from(idle_timeout.max(3)));
                let (again, lost) = self.numbers.welcome(session, resumed, received);
                let mut socket = socket;
                for frame in again {
                    write(&mut socket, &frame).await?;
                }
                Ok((socket, Welcome { lost, identity, ice_servers }))
            }
            ServerMessage::Refused { message, .. } => bail!("the server {} refuses: {message}", self.address),
            _ => bail!("the server {} does not say welcome", self.address),
        }
    }

    /// Carries messages until the socket ends.
    async fn serve(&mut self, mut socket: Socket) -> End {
        let mut ping = Instant::now() + self.idle / 3;
        let mut pong: Option<Instant> = None;
        let mut ack: Option<Instant> = None;
        loop {
            let deadline = [Some(ping), pong, ack].into_iter().flatten().min().unwrap_or(ping);
            let frame = tokio::select! {
                said = self.said.recv() => match said {
                    Some(message) => Some(self.numbers.say(message)),
                    None => {
                        let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
                        let _ = timeout(Duration::from_secs(1), socket.close(Some(frame))).await;
                        return End::SignedOff;
                    }
                },
                message = socket.next() => {
                    let Some(Ok(message)) = message else { return End::Lost };
                    pong = None;
                    if let Some(end) = self.take(&message).await {
                        return end;
                    }
                    let owed = self.numbers.owed();
                    (owed >= ACK_EVERY).then(|| self.numbers.unnumbered(ClientMessage::Ack))
                }
                () = sleep_until(deadline) => {
                    let now = Instant::now();
                    if pong.is_some_and(|at| at <= now) {
                        return End::Lost;
                    }
                    if ping <= now {
                        ping = now + self.idle / 3;
                        pong = Some(now + PONG);
                        Some(self.numbers.unnumbered(ClientMessage::Ping))
                    } else {
                        self.numbers.owes().then(|| self.numbers.unnumbered(ClientMessage::Ack))
                    }
                }
            };
            if let Some(frame) = frame
                && write(&mut socket, &frame).await.is_err()
            {
                return End::Lost;
            }
            ack = match ack {
                _ if !self.numbers.owes() => None,
                Some(at) => Some(at),
                None => Some(Instant::now() + ACK_DELAY),
            };
        }
    }

    /// Takes what came over the socket; how it ends, if it does.
    async fn take(&mut self, message: &Message) -> Option<End> {
        let text = match message {
            Message::Text(text) => text,
            Message::Close(_) => return Some(End::Lost),
            Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => return None,
        };
        let Ok(frame) = serde_json::from_str::<ServerFrame>(text) else {
            // A later server may say what we do not know; but its number counts.
            return Some(End::Lost);
        };
        if let ServerMessage::Refused { code, message } = frame.message {
            return Some(End::Refused(code, message));
        }
        match self.numbers.hear(frame) {
            Heard::Message(message) => {
                let told = self.tell.send(Notice::Message(Box::new(message))).await;
                told.is_err().then_some(End::SignedOff)
            }
            Heard::Nothing => None,
            Heard::Gap => Some(End::Lost),
        }
    }
}

async fn write(socket: &mut Socket, frame: &ClientFrame) -> Result<()> {
    let text = serde_json::to_string(frame)?;
    Ok(timeout(OPENING, socket.send(text.into())).await??)
}
