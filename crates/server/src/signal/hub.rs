//! The hub: the rendezvous in a task of its own, and the way in for sockets.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{ConnectInfo, State};
use axum::http::{Extensions, HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant as Clock;
use wire::Instant;

use super::admin::{Admin, Notice};
use super::authority::{Authority, Door};
use super::bus::{Command, SocketId};
use super::doors::{DoorCommand, DoorEvent, DoorId};
use super::forwarding::MediaEvent;
use super::keys::{Grant, Invalid, Keys};
use super::origin::{host_name, is_allowed};
use super::outbox::Outbox;
use super::protocol::{ErrorCode, IceServer, Person};
use super::recording::RecordingEvent;
use super::rendezvous::{self, Rendezvous, Stats};
use super::socket::Connection;
use super::ways::{Answer, Way, Ways};
use crate::media::Forwarding;
use crate::recording;

/// The WebSocket subprotocol (RFC 6455 §1.9). A client may ask for it, or for none.
pub const SUBPROTOCOL: &str = "visavis.1";

/// Commands waiting for the rendezvous; a socket that has another waits.
const COMMANDS: usize = 1024;
/// Events that wait for one door: answers to its offers, and its end.
const DOOR_EVENTS: usize = 8;
/// Commands taken at once.
const BATCH: usize = 64;
/// What a socket reads at once, in bytes: the buffer lives as long as the socket, so it is small.
const READ_BUFFER: usize = 1024;

/// What a hub needs to know.
pub struct HubConfig {
    /// Bounds and times of the rendezvous, and the server's secret.
    pub rendezvous: rendezvous::Config,
    /// The rest of the server.
    pub authority: Authority,
    /// Web origins that may open a socket besides the server's own, such as `https://app.example.org`.
    pub origins: Vec<String>,
    /// A socket that says nothing for so long is closed.
    pub idle_timeout: Duration,
    /// A socket that does not say hello in this time is closed; also how long one message may take to be sent.
    pub patience: Duration,
    /// Bytes in one frame.
    pub frame_bytes: usize,
    /// How long a key of a room lasts.
    pub key_lifetime: Duration,
    /// The forwarder of media; without one nobody but two can meet.
    pub forwarding: Option<Forwarding>,
    /// The recorder; without one nothing is recorded.
    pub(crate) recording: Option<recording::Link>,
    /// Where it is told what happens in rooms. What does not fit is counted and lost: signalling waits for nobody.
    pub notices: Option<mpsc::Sender<Notice>>,
}

impl HubConfig {
    /// With the default bounds and times.
    pub fn new(secret: Vec<u8>, authority: Authority) -> Self {
        Self {
            rendezvous: rendezvous::Config { secret, ..rendezvous::Config::default() },
            authority,
            origins: Vec::new(),
            idle_timeout: Duration::from_secs(90),
            patience: Duration::from_secs(10),
            frame_bytes: 96 * 1024,
            key_lifetime: Duration::from_secs(7 * 24 * 3600),
            forwarding: None,
            recording: None,
            notices: None,
        }
    }
}

/// A handle on the running signalling; clones are the same hub. The rendezvous ends when the last is dropped.
#[derive(Clone)]
pub struct Hub(Arc<Shared>);

pub(super) struct Shared {
    pub(super) authority: Authority,
    pub(super) idle_timeout: Duration,
    pub(super) patience: Duration,
    pub(super) frame_bytes: usize,
    pub(super) key_lifetime: Duration,
    keys: Keys,
    origins: Vec<String>,
    commands: mpsc::Sender<Envelope>,
    next_socket: AtomicU64,
    next_door: AtomicU64,
    next_request: AtomicU64,
    stats: Arc<Mutex<Stats>>,
}

/// A command, and with the first of a socket or a door the way back.
struct Envelope {
    command: Command,
    way: Option<Way>,
}

/// The end of a door that the HTTP resource holds.
pub struct DoorEnd {
    /// The door.
    pub id: DoorId,
    /// What happens there; closed after [`DoorEvent::Refused`] or [`DoorEvent::Ended`].
    pub events: mpsc::Receiver<DoorEvent>,
}

impl Hub {
    /// Starts the rendezvous on the current tokio runtime.
    pub fn start(mut config: HubConfig) -> Self {
        config.rendezvous.forwarding = config.forwarding.is_some();
        config.rendezvous.recording = config.recording.is_some();
        config.rendezvous.notices = config.notices.is_some();
        let keys = Keys::new(&config.rendezvous.secret);
        let (commands, inbox) = mpsc::channel(COMMANDS);
        let stats = Arc::new(Mutex::new(Stats::default()));
        let rendezvous = Rendezvous::new(config.rendezvous, crypto::random(), Instant::ZERO);
        let ends =
            Ends { forwarding: config.forwarding, recording: config.recording, notices: config.notices };
        tokio::spawn(run(rendezvous, inbox, ends, stats.clone()));
        Self(Arc::new(Shared {
            authority: config.authority,
            idle_timeout: config.idle_timeout,
            patience: config.patience,
            frame_bytes: config.frame_bytes,
            key_lifetime: config.key_lifetime,
            keys,
            origins: config.origins,
            commands,
            next_socket: AtomicU64::new(0),
            next_door: AtomicU64::new(0),
            next_request: AtomicU64::new(0),
            stats,
        }))
    }

    /// `GET /ws`. The address of a client is taken from a `ConnectInfo<SocketAddr>` among the request's extensions.
    pub fn router(&self) -> Router {
        Router::new().route("/ws", any(upgrade)).with_state(self.clone())
    }

    /// What the bearer of a room's key may do.
    ///
    /// # Errors
    /// The key is none of this server's, or has ended.
    pub fn verify_key(&self, key: &str) -> Result<Grant, Invalid> {
        self.0.keys.verify(key, crate::clock::unix_seconds())
    }

    /// ICE servers for somebody who comes by HTTP.
    pub fn ice_servers(&self, door: &Door, person: &Person) -> Vec<IceServer> {
        (self.0.authority.ice_servers)(door, person).servers
    }

    /// Somebody comes to a room by HTTP: with [`DoorCommand::Enter`].
    pub async fn open_door(&self, command: DoorCommand) -> DoorEnd {
        let id = DoorId(self.0.next_door.fetch_add(1, Ordering::Relaxed));
        let (way, events) = mpsc::channel(DOOR_EVENTS);
        let command = Command::Door { door: id, command };
        self.send_envelope(Envelope { command, way: Some(Way::Door(way)) }).await;
        DoorEnd { id, events }
    }

    /// Something else happens at a door.
    pub async fn at_door(&self, door: DoorId, command: DoorCommand) {
        self.send(Command::Door { door, command }).await;
    }

    /// Tells everybody that the server is about to stop, and takes no new calls from now on.
    pub async fn drain(&self) {
        self.send(Command::Drain).await;
    }

    /// Carries out what an application asks for.
    pub async fn administer(&self, what: Admin) -> Answer {
        let request = self.0.next_request.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        let command = Command::Admin { request, what };
        self.send_envelope(Envelope { command, way: Some(Way::Answer(answer)) }).await;
        answered.await.unwrap_or_else(|_| Err((ErrorCode::Draining, "the server has stopped".to_owned())))
    }

    /// Counts of a moment ago.
    pub fn stats(&self) -> Stats {
        *self.0.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.0
    }

    pub(super) fn new_socket(&self) -> SocketId {
        SocketId(self.0.next_socket.fetch_add(1, Ordering::Relaxed))
    }

    /// Hands a command to the rendezvous, once it has room for it.
    pub(super) async fn send(&self, command: Command) {
        self.send_envelope(Envelope { command, way: None }).await;
    }

    /// Hands a hello over, with the way back.
    pub(super) async fn send_hello(&self, command: Command, outbox: Arc<Outbox>) {
        self.send_envelope(Envelope { command, way: Some(Way::Socket(outbox)) }).await;
    }

    async fn send_envelope(&self, envelope: Envelope) {
        if self.0.commands.send(envelope).await.is_err() {
            tracing::error!("the rendezvous has ended before its sockets");
        }
    }
}

/// The rest of the server, as far as it is there.
struct Ends {
    forwarding: Option<Forwarding>,
    recording: Option<recording::Link>,
    notices: Option<mpsc::Sender<Notice>>,
}

/// The rendezvous' task: commands in, events out, deadlines kept.
async fn run(
    mut rendezvous: Rendezvous,
    mut inbox: mpsc::Receiver<Envelope>,
    ends: Ends,
    stats: Arc<Mutex<Stats>>,
) {
    let (forwarder, mut events) = ends.forwarding.map(|f| (f.commands, f.events)).unzip();
    let (recorder, mut written) = ends.recording.map(|r| (r.queue, r.events)).unzip();
    let mut ways = Ways::new(forwarder, recorder, ends.notices);
    let mut told = Vec::new();
    let start = Clock::now();
    let now = || Instant::ZERO + start.elapsed();
    let mut batch = Vec::new();
    loop {
        let due = rendezvous.poll_timeout();
        let sleep = async {
            match due {
                Some(due) => {
                    tokio::time::sleep_until(start + due.saturating_since(Instant::ZERO)).await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            count = inbox.recv_many(&mut batch, BATCH) => if count == 0 { return },
            count = receive_many(&mut events, &mut told) => if count == 0 {
                // When the server stops, media threads end first; one that breaks says so itself.
                tracing::debug!("the forwarder has ended");
                events = None;
            },
            event = receive(&mut written) => match event {
                Some(event) => rendezvous.handle_input(now(), Command::Recording(event)),
                None => written = None,
            },
            () = sleep => rendezvous.handle_timeout(now()),
        }
        for event in told.drain(..) {
            rendezvous.handle_input(now(), Command::Media(event));
        }
        for Envelope { command, way } in batch.drain(..) {
            let closed = match &command {
                Command::Closed { socket, .. } => Some(*socket),
                _ => None,
            };
            ways.learn(&command, way);
            rendezvous.handle_input(now(), command);
            ways.deliver(&mut rendezvous).await;
            if let Some(socket) = closed {
                ways.forget(socket);
            }
        }
        ways.deliver(&mut rendezvous).await;
        *stats.lock().unwrap_or_else(PoisonError::into_inner) = rendezvous.stats();
    }
}

/// Events of the forwarder, as many as wait; for ever if there is none.
async fn receive_many(events: &mut Option<mpsc::Receiver<MediaEvent>>, into: &mut Vec<MediaEvent>) -> usize {
    match events {
        Some(events) => events.recv_many(into, BATCH).await,
        None => std::future::pending().await,
    }
}

/// An event of the recorder; for ever if there is none.
async fn receive(events: &mut Option<mpsc::UnboundedReceiver<RecordingEvent>>) -> Option<RecordingEvent> {
    match events {
        Some(events) => events.recv().await,
        None => std::future::pending().await,
    }
}

async fn upgrade(
    State(hub): State<Hub>,
    headers: HeaderMap,
    uri: Uri,
    extensions: Extensions,
    ws: WebSocketUpgrade,
) -> Response {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    // HTTP/2 says it in the URI (RFC 9113 §8.3.1).
    let host = header(header::HOST).or_else(|| uri.authority().map(|a| a.as_str())).unwrap_or_default();
    if !is_allowed(header(header::ORIGIN), host, &hub.0.origins) {
        let message = "This page's origin may not use this server. Its administrator can allow it.\n";
        return (StatusCode::FORBIDDEN, message).into_response();
    }
    let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().next().is_some();
    let ws = ws
        .protocols([SUBPROTOCOL])
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * hub.0.frame_bytes)
        // The connection says itself what is too large, up to here.
        .max_message_size(2 * hub.0.frame_bytes)
        .max_frame_size(2 * hub.0.frame_bytes);
    if offered && ws.selected_protocol().is_none() {
        let message = format!("This server speaks the subprotocol {SUBPROTOCOL}.\n");
        return (StatusCode::BAD_REQUEST, message).into_response();
    }
    let address = extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let address = address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let door = Door { host: host_name(host).to_owned(), address };
    ws.on_upgrade(move |socket| Connection::serve(hub, socket, door))
}
