//! One WebSocket: frames in and out, the idle timeout, and the close.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use tokio::time::{Instant as Clock, sleep, timeout};

use crate::accounts::names;
use crate::clock;

use super::authority::{Claim, Door};
use super::bus::{Command, Request, SocketId, Welcome};
use super::hub::Hub;
use super::outbox::{Item, Outbox};
use super::protocol::{
    ClientFrame, ClientMessage, Person, Refusal, Secret, ServerFrame, ServerMessage, VERSION,
};

/// The close code of a client that signs off (RFC 6455 §7.4.1).
const NORMAL: u16 = 1000;
/// The close code of a socket that said nothing for too long. Those of `Refusal` come after it.
const IDLE: u16 = 4000;
/// How long the other side may take to confirm a close.
const FAREWELL: Duration = Duration::from_secs(2);

/// A socket and the session it speaks for.
pub(super) struct Connection {
    hub: Hub,
    socket: WebSocket,
    id: SocketId,
    door: Door,
    outbox: Arc<Outbox>,
    me: Option<Person>,
    heard: Clock,
}

/// How a socket comes to its end.
enum End {
    /// The network broke, or the client left; whether it signed off.
    Gone {
        goodbye: bool,
    },
    Idle,
    Refused(Refusal, String),
}

impl Connection {
    /// Serves a socket until its end.
    pub(super) async fn serve(hub: Hub, socket: WebSocket, door: Door) {
        let (id, outbox) = (hub.new_socket(), Arc::new(Outbox::default()));
        let mut connection = Self { hub, socket, id, door, outbox, me: None, heard: Clock::now() };
        let end = connection.live().await;
        let goodbye = matches!(end, End::Gone { goodbye: true });
        if connection.me.is_some() {
            connection.hub.send(Command::Closed { socket: id, goodbye }).await;
        }
        // Boxed, so that the room for it is not held during the socket's life.
        Box::pin(connection.close(end)).await;
    }

    async fn live(&mut self) -> End {
        if let Err(end) = Box::pin(self.greet()).await {
            return end;
        }
        let idle_timeout = self.hub.shared().idle_timeout;
        let mut idle = Box::pin(sleep(idle_timeout));
        loop {
            let step = tokio::select! {
                items = self.outbox.next() => Step::Send(items),
                message = self.socket.recv() => Step::Receive(message),
                () = &mut idle => Step::Look,
            };
            let done = match step {
                Step::Send(items) => Box::pin(self.send_all(items)).await,
                Step::Receive(message) => Box::pin(self.receive(message)).await,
                Step::Look if self.heard.elapsed() >= idle_timeout => Err(End::Idle),
                Step::Look => {
                    // Looked at once per timeout instead of moved at each frame.
                    idle.as_mut().reset(self.heard + idle_timeout);
                    Ok(())
                }
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    /// The hello, and the rendezvous' answer to it.
    async fn greet(&mut self) -> Result<(), End> {
        let patience = self.hub.shared().patience;
        let frame = loop {
            let message = timeout(patience, self.socket.recv()).await.map_err(|_| End::Idle)?;
            if let Some(frame) = self.parse(message)? {
                break frame;
            }
        };
        let ClientMessage::Hello { protocol, name, identity, token, resume, conferences } = frame.message
        else {
            return Err(malformed("the first message on a socket is `hello`"));
        };
        if protocol != VERSION {
            let message = format!(
                "this server speaks version {VERSION} of the protocol, not {protocol}: reload the page"
            );
            return Err(End::Refused(Refusal::Version, message));
        }
        let [identity, token] = [identity, token].map(|secret| secret.map(|secret| secret.0));
        // A session that goes on has had its token looked at: one for a single use is not used up again.
        let token = token.filter(|_| resume.is_none());
        let claimed = (self.hub.shared().authority.identify)(Claim { name, identity, token }).await;
        let identity = match claimed {
            Ok(identity) => Some(identity),
            // The session says who it is.
            Err(_) if resume.is_some() => None,
            Err(denied) => return Err(End::Refused(denied.code, denied.message)),
        };
        let hello =
            Command::Hello { socket: self.id, address: self.door.address, identity, resume, conferences };
        self.hub.send_hello(hello, self.outbox.clone()).await;
        let items = self.outbox.next().await;
        self.send_all(items).await
    }

    async fn receive(&mut self, message: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        let Some(frame) = self.parse(message)? else { return Ok(()) };
        self.heard = Clock::now();
        let ClientFrame { seq, ack, message } = frame;
        let request = match message {
            ClientMessage::Ping if seq.is_none() => {
                self.send(ServerFrame { seq: None, ack: None, message: ServerMessage::Pong }).await?;
                if ack.is_none() {
                    return Ok(());
                }
                Request::Message(ClientMessage::Ack)
            }
            ClientMessage::Rename { name } => match self.me.clone() {
                Some(me) => Request::Rename((self.hub.shared().authority.rename)(me, name).await),
                None => return Ok(()),
            },
            ClientMessage::IceServers => match &self.me {
                Some(me) => {
                    let grant = (self.hub.shared().authority.ice_servers)(&self.door, me);
                    Request::IceServers { ice_servers: grant.servers, ice_lifetime: grant.lifetime }
                }
                None => return Ok(()),
            },
            ClientMessage::Key { room, door, name } => {
                let name = name.map(|name| names::check(&name)).transpose().map_err(str::to_owned);
                let expires = clock::unix_seconds() + self.hub.shared().key_lifetime.as_secs();
                Request::Key { room, door, name, expires }
            }
            other => Request::Message(other),
        };
        self.hub.send(Command::Frame { socket: self.id, seq, ack, request }).await;
        Ok(())
    }

    /// The frame in a WebSocket message; `None` if it is about the socket only.
    fn parse(&self, message: Option<Result<Message, axum::Error>>) -> Result<Option<ClientFrame>, End> {
        let text = match message {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Ok(None),
            Some(Ok(Message::Binary(_))) => {
                return Err(malformed("a frame is a text message, not a binary one"));
            }
            Some(Ok(Message::Close(frame))) => {
                return Err(End::Gone { goodbye: frame.is_some_and(|frame| frame.code == NORMAL) });
            }
            Some(Err(error)) => {
                tracing::debug!(%error, "socket failed");
                return Err(End::Gone { goodbye: false });
            }
            None => return Err(End::Gone { goodbye: false }),
        };
        let most = self.hub.shared().frame_bytes;
        if text.len() > most {
            let message = format!("this frame has {} bytes; at most {most} are allowed", text.len());
            return Err(End::Refused(Refusal::Limit, message));
        }
        match serde_json::from_str(&text) {
            Ok(frame) => Ok(Some(frame)),
            Err(error) => Err(malformed(&format!("this frame is not what the protocol says: {error}"))),
        }
    }

    async fn send_all(&mut self, items: Vec<Item>) -> Result<(), End> {
        for item in items {
            match item {
                Item::Welcome(welcome) => self.send_welcome(welcome).await?,
                Item::Frame(frame) => self.send(frame).await?,
                Item::Close(code, message) => return Err(End::Refused(code, message)),
            }
        }
        Ok(())
    }

    async fn send_welcome(&mut self, welcome: Welcome) -> Result<(), End> {
        let shared = self.hub.shared();
        let me = welcome.identity.person;
        let grant = (shared.authority.ice_servers)(&self.door, &me);
        self.me = Some(me.clone());
        let message = ServerMessage::Welcome {
            session: Secret(welcome.session),
            resumed: welcome.resumed,
            received: welcome.received,
            me,
            identity: Secret(welcome.identity.token),
            ice_servers: grant.servers,
            ice_lifetime: grant.lifetime,
            idle_timeout: u32::try_from(shared.idle_timeout.as_secs()).unwrap_or(u32::MAX),
            resume_timeout: welcome.resume_timeout,
            draining: welcome.draining,
        };
        self.send(ServerFrame { seq: None, ack: None, message }).await
    }

    async fn send(&mut self, frame: ServerFrame) -> Result<(), End> {
        let text = serde_json::to_string(&frame).expect("frames have no maps with other keys than text");
        let patience = self.hub.shared().patience;
        match timeout(patience, self.socket.send(Message::Text(Utf8Bytes::from(text)))).await {
            Ok(Ok(())) => Ok(()),
            // Broken, or it takes nothing: the session keeps what it lacks.
            Ok(Err(_)) | Err(_) => Err(End::Gone { goodbye: false }),
        }
    }

    /// Says why, and gives the other side a moment to confirm the close (RFC 6455 §7.1.1).
    async fn close(mut self, end: End) {
        let (code, reason) = match end {
            End::Gone { .. } => {
                // Sends the answer to the client's close, if that is how it ended.
                let _ = timeout(FAREWELL, self.socket.recv()).await;
                return;
            }
            End::Idle => (IDLE, "idle"),
            End::Refused(code, message) => {
                let refused = ServerMessage::Refused { code, message };
                let frame = ServerFrame { seq: None, ack: None, message: refused };
                if self.send(frame).await.is_err() {
                    return;
                }
                (close_code(code), "refused")
            }
        };
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        let farewell = async {
            if self.socket.send(Message::Close(Some(frame))).await.is_ok() {
                while let Some(Ok(_)) = self.socket.recv().await {}
            }
        };
        let _ = timeout(FAREWELL, farewell).await;
    }
}

/// What a socket wakes up for.
enum Step {
    Send(Vec<Item>),
    Receive(Option<Result<Message, axum::Error>>),
    /// Whether it has been idle for too long.
    Look,
}

/// The close code that goes with a refusal, from the range for private use (RFC 6455 §7.4.2).
fn close_code(code: Refusal) -> u16 {
    match code {
        Refusal::Version => 4001,
        Refusal::Malformed => 4002,
        Refusal::Name => 4003,
        Refusal::Identity => 4004,
        Refusal::Limit => 4005,
        Refusal::Replaced => 4006,
        Refusal::Token => 4007,
        Refusal::TokenExpired => 4008,
        Refusal::TokenEarly => 4009,
    }
}

fn malformed(message: &str) -> End {
    End::Refused(Refusal::Malformed, message.to_owned())
}
