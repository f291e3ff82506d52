//! A page without a browser: signalling over a real WebSocket, media with the engine over real sockets.
//!
//! It does what the protocol asks of a page, sends sound and pictures that say whose they are, and keeps book of those
//! that come.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use peer::{Event, Format, Kind, Peer};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, interval, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::room_link::{ENCODINGS, Link, Way, next};

/// How long anything may take before a test fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two pictures, and two frames of sound.
const PICTURE: Duration = Duration::from_millis(40);
/// Between two attempts to reach the server.
const AGAIN: Duration = Duration::from_millis(50);

/// What a page has been told and shown.
#[derive(Default)]
pub(crate) struct Book {
    /// Every message of the server.
    pub(crate) log: Vec<Value>,
    /// How often the server has greeted it.
    pub(crate) welcomes: u32,
    pub(crate) direct: Option<String>,
    pub(crate) conference: Option<String>,
    pub(crate) you: u64,
    /// By number: whether they are connected.
    pub(crate) members: BTreeMap<u64, bool>,
    /// When pictures came, by who made them.
    pub(crate) pictures: BTreeMap<u8, Vec<(Instant, Way)>>,
    /// How many frames of sound came.
    pub(crate) sounds: BTreeMap<u8, u32>,
    /// The heights of the pictures that came last.
    pub(crate) heights: BTreeMap<u8, u16>,
    pub(crate) messages: Vec<Vec<u8>>,
}

/// A page, run by a task of its own.
pub(crate) struct Page {
    book: Arc<(Mutex<Book>, Notify)>,
    orders: mpsc::UnboundedSender<Order>,
    task: tokio::task::JoinHandle<()>,
}

/// What a test has a page do.
enum Order {
    Say(Value),
    /// On the data channel of the room.
    Chat(Vec<u8>),
    /// How high the tiles are; 0 shows nobody.
    Tiles(u16),
    /// Breaks the socket and comes back.
    Reconnect,
}

impl Page {
    /// Signs in as this person, whose pictures say `mark`.
    pub(crate) async fn open(server: SocketAddr, mark: u8) -> Self {
        let book = Arc::new((Mutex::default(), Notify::new()));
        let (orders, inbox) = mpsc::unbounded_channel();
        let mut run = Run {
            server,
            mark,
            book: book.clone(),
            socket: open_socket(server).await,
            session: None,
            identity: None,
            sent: 0,
            kept: VecDeque::new(),
            received: 0,
            direct: None,
            conference: None,
            ticket: None,
            over: BTreeSet::new(),
            tiles: 180,
            pictures: 0,
        };
        run.hello().await;
        let task = tokio::spawn(async move { run.live(inbox).await });
        Self { book, orders, task }
    }

    pub(crate) fn say(&self, message: Value) {
        self.order(Order::Say(message));
    }

    pub(crate) fn meet(&self, room: &str) {
        self.say(json!({"type": "meet", "room": room, "media": {"audio": true, "video": true}}));
    }

    pub(crate) fn chat(&self, text: &[u8]) {
        self.order(Order::Chat(text.to_vec()));
    }

    pub(crate) fn tiles(&self, height: u16) {
        self.order(Order::Tiles(height));
    }

    pub(crate) fn reconnect(&self) {
        self.order(Order::Reconnect);
    }

    fn order(&self, order: Order) {
        assert!(self.orders.send(order).is_ok(), "the page is open");
    }

    pub(crate) fn read<T>(&self, look: impl FnOnce(&Book) -> T) -> T {
        look(&self.book.0.lock().unwrap())
    }

    /// Waits until something is so.
    pub(crate) async fn until(&self, what: &str, is: impl Fn(&Book) -> bool) {
        let wait = async {
            loop {
                let changed = self.book.1.notified();
                if self.read(&is) {
                    return;
                }
                assert!(!self.task.is_finished(), "the page has ended while {what} was awaited");
                changed.await;
            }
        };
        if timeout(PATIENCE, wait).await.is_err() {
            let log: Vec<String> =
                self.read(|book| book.log.iter().rev().take(30).rev().map(Value::to_string).collect());
            panic!("{what}: not so after {PATIENCE:?}; it was told\n{}", log.join("\n"));
        }
    }

    /// Waits for another picture of each of these people that comes this way.
    pub(crate) async fn sees(&self, marks: &[u8], way: Way) {
        let now = Instant::now();
        let fresh = |book: &Book, mark: &u8| {
            book.pictures.get(mark).is_some_and(|seen| seen.iter().any(|(at, by)| *at > now && *by == way))
        };
        let what = format!("pictures of {marks:?}, {way:?}");
        self.until(&what, |book| marks.iter().all(|mark| fresh(book, mark))).await;
    }

    /// Closes it as a crash would: nothing is said.
    pub(crate) fn kill(self) {
        self.task.abort();
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn open_socket(server: SocketAddr) -> WebSocketStream<TcpStream> {
    loop {
        let opened = async {
            let tcp = TcpStream::connect(server).await.ok()?;
            Some(client_async(format!("ws://{server}/ws"), tcp).await.ok()?.0)
        };
        match opened.await {
            Some(socket) => return socket,
            None => tokio::time::sleep(AGAIN).await,
        }
    }
}

/// The task of a page.
struct Run {
    server: SocketAddr,
    mark: u8,
    book: Arc<(Mutex<Book>, Notify)>,
    socket: WebSocketStream<TcpStream>,
    session: Option<String>,
    identity: Option<String>,
    sent: u64,
    /// What was said and is not confirmed.
    kept: VecDeque<Value>,
    received: u64,
    direct: Option<Link>,
    conference: Option<Link>,
    /// The last call, and what brings it back.
    ticket: Option<(String, String)>,
    over: BTreeSet<String>,
    tiles: u16,
    pictures: u32,
}

/// What a page wakes up for.
enum Step {
    Frame(Option<String>),
    Direct(Option<Event>),
    Conference(Option<Event>),
    Order(Option<Order>),
    Picture,
}

impl Run {
    fn note(&self, change: impl FnOnce(&mut Book)) {
        change(&mut self.book.0.lock().unwrap());
        self.book.1.notify_waiters();
    }

    async fn live(&mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        let mut pictures = interval(PICTURE);
        loop {
            let (direct, conference) = (&mut self.direct, &mut self.conference);
            let step = tokio::select! {
                frame = hear(&mut self.socket) => Step::Frame(frame),
                event = next(direct) => Step::Direct(event),
                event = next(conference) => Step::Conference(event),
                order = orders.recv() => Step::Order(order),
                _ = pictures.tick() => Step::Picture,
            };
            match step {
                Step::Frame(Some(text)) => self.told(&serde_json::from_str(&text).unwrap()).await,
                Step::Frame(None) | Step::Order(Some(Order::Reconnect)) => {
                    self.socket = open_socket(self.server).await;
                    self.hello().await;
                }
                Step::Direct(Some(event)) => self.media(Way::Direct, event).await,
                Step::Conference(Some(event)) => self.media(Way::Forwarded, event).await,
                Step::Direct(None) => self.direct = None,
                Step::Conference(None) => self.conference = None,
                Step::Order(Some(Order::Say(message))) => self.say(message).await,
                Step::Order(Some(Order::Tiles(height))) => {
                    self.tiles = height;
                    self.lay_out().await;
                }
                Step::Order(Some(Order::Chat(text))) => {
                    let link = self.conference.as_ref().expect("it is in a conference");
                    let channel = link.channel.expect("a conference has a channel");
                    link.connection.send(channel, Kind::Binary, text.into()).await.unwrap();
                }
                Step::Order(None) => return,
                Step::Picture => {
                    self.pictures += 1;
                    for link in [&mut self.direct, &mut self.conference].into_iter().flatten() {
                        link.send(self.mark, self.pictures).await;
                    }
                }
            }
        }
    }

    async fn hello(&mut self) {
        let resume = self.session.as_ref().map(|s| json!({"session": s, "received": self.received}));
        let hello = json!({
            "type": "hello", "protocol": 1, "name": format!("P{}", self.mark), "identity": self.identity,
            "resume": resume, "conferences": true,
        });
        self.send(&hello).await;
        let Some(text) = hear(&mut self.socket).await else { return };
        let welcome: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(welcome["type"], "welcome", "{welcome}");
        self.note(|book| book.welcomes += 1);
        self.session = welcome["session"].as_str().map(str::to_owned);
        self.identity = welcome["identity"].as_str().map(str::to_owned);
        if welcome["resumed"] == true {
            self.confirmed(welcome["received"].as_u64());
            for message in self.kept.clone() {
                self.send(&message).await;
            }
        } else {
            (self.sent, self.received) = (0, 0);
            self.kept.clear();
            if let Some((call, ticket)) = self.ticket.clone() {
                self.say(json!({"type": "rejoin", "call": call, "ticket": ticket})).await;
            }
        }
    }

    async fn say(&mut self, mut message: Value) {
        self.sent += 1;
        message["seq"] = self.sent.into();
        self.send(&message).await;
        self.kept.push_back(message);
    }

    /// The server has everything up to this number.
    fn confirmed(&mut self, number: Option<u64>) {
        let Some(number) = number else { return };
        self.kept.retain(|message| message["seq"].as_u64() > Some(number));
    }

    async fn send(&mut self, message: &Value) {
        let mut message = message.clone();
        if self.received > 0 {
            message["ack"] = self.received.into();
        }
        // If the socket is broken, the next read says so.
        let _ = self.socket.send(Message::text(message.to_string())).await;
    }

    async fn told(&mut self, message: &Value) {
        self.confirmed(message["ack"].as_u64());
        if let Some(seq) = message["seq"].as_u64() {
            if seq <= self.received {
                return;
            }
            self.received = seq;
            self.send(&json!({"type": "ack"})).await;
        }
        let call = message["call"].as_str().unwrap_or_default();
        match message["type"].as_str().unwrap_or_default() {
            "started" => self.started(call, message).await,
            "conference" => self.conference(call, message).await,
            "description" => {
                let description = &message["description"];
                let (kind, sdp) =
                    (description["type"].as_str().unwrap(), description["sdp"].as_str().unwrap());
                let Some(link) = self.link(call) else { return };
                if let Some(answer) = link.describe(kind, sdp).await {
                    let description = json!({"type": "answer", "sdp": answer});
                    self.say(json!({"type": "description", "call": call, "description": description})).await;
                }
            }
            "candidate" => self.candidate(call, &message["candidate"]).await,
            "ended" => {
                self.over.insert(call.to_owned());
                if self.direct.as_ref().is_some_and(|link| link.call == call) {
                    self.direct = None;
                }
                if self.conference.as_ref().is_some_and(|link| link.call == call) {
                    self.conference = None;
                }
            }
            "opened" | "role" => {
                self.ticket = Some((call.to_owned(), message["ticket"].as_str().unwrap().to_owned()));
            }
            _ => {}
        }
        let (direct, conference) = (self.direct.as_ref(), self.conference.as_ref());
        let calls = [direct, conference].map(|link| link.map(|link| link.call.clone()));
        self.note(|book| {
            [book.direct, book.conference] = calls;
            book.told(message);
        });
        if matches!(message["type"].as_str(), Some("member" | "member-left" | "conference")) {
            self.lay_out().await;
        }
    }

    fn link(&mut self, call: &str) -> Option<&mut Link> {
        [&mut self.direct, &mut self.conference].into_iter().flatten().find(|link| link.call == call)
    }

    async fn started(&mut self, call: &str, message: &Value) {
        if self.over.contains(call) {
            return;
        }
        self.ticket = Some((call.to_owned(), message["ticket"].as_str().unwrap().to_owned()));
        let mut link = Link::new(call, Way::Direct);
        if message["polite"] == false {
            link.prepare().await;
            let description = json!({"type": "offer", "sdp": link.offer().await});
            self.say(json!({"type": "description", "call": call, "description": description})).await;
        }
        self.direct = Some(link);
    }

    async fn conference(&mut self, call: &str, message: &Value) {
        self.ticket = Some((call.to_owned(), message["ticket"].as_str().unwrap().to_owned()));
        let mut link = Link::new(call, Way::Forwarded);
        link.prepare().await;
        let description = json!({"type": "offer", "sdp": link.offer().await});
        self.say(json!({"type": "description", "call": call, "description": description})).await;
        self.conference = Some(link);
    }

    async fn candidate(&mut self, call: &str, candidate: &Value) {
        let Some(text) = candidate["candidate"].as_str().map(str::to_owned) else { return };
        let mid = candidate["sdpMid"].as_str().map(str::to_owned);
        let ufrag = candidate["usernameFragment"].as_str().map(str::to_owned);
        let Some(link) = self.link(call) else { return };
        let add = move |peer: &mut Peer, now| {
            peer.add_ice_candidate(now, &text, mid.as_deref(), None, ufrag.as_deref())
        };
        link.connection.with(add).await.unwrap().unwrap();
    }

    /// Everybody else's camera, in the order of their numbers.
    async fn lay_out(&mut self) {
        let Some(call) = self.conference.as_ref().map(|link| link.call.clone()) else { return };
        let height = self.tiles;
        let (you, numbers) = {
            let book = self.book.0.lock().unwrap();
            (book.you, book.members.keys().copied().collect::<Vec<_>>())
        };
        let others = numbers.into_iter().filter(|number| *number != you && height > 0);
        let slots: Vec<Value> = others
            .take(4)
            .map(|member| json!({"member": member, "source": "camera", "height": height}))
            .collect();
        self.say(json!({"type": "layout", "call": call, "slots": slots})).await;
    }

    async fn media(&mut self, way: Way, event: Event) {
        let link = if way == Way::Direct { &mut self.direct } else { &mut self.conference };
        let Some(link) = link else { return };
        let call = link.call.clone();
        match event {
            Event::IceCandidate(Some(candidate)) if way == Way::Direct => {
                let candidate = json!({
                    "candidate": candidate.candidate, "sdpMid": candidate.mid,
                    "sdpMLineIndex": candidate.index, "usernameFragment": candidate.ufrag,
                });
                self.say(json!({"type": "candidate", "call": call, "candidate": candidate})).await;
            }
            Event::KeyframeRequested { rid, .. } => {
                let index = ENCODINGS.iter().position(|(name, ..)| rid.as_deref() == Some(name));
                link.keyframes[index.unwrap_or(0)] = true;
            }
            Event::Message(_, _, data) => self.note(|book| book.messages.push(data)),
            Event::Frame(frame) => {
                let mark = frame.data[frame.data.len() - 1];
                let height = (frame.keyframe && frame.format == Format::Vp8)
                    .then(|| u16::from_le_bytes([frame.data[8], frame.data[9]]));
                self.note(|book| {
                    if frame.format == Format::Vp8 {
                        book.pictures.entry(mark).or_default().push((Instant::now(), way));
                        book.heights.extend(height.map(|height| (mark, height)));
                    } else {
                        *book.sounds.entry(mark).or_default() += 1;
                    }
                });
                // The call of two that follows a conference has pictures: that is left.
                let follows = |m: &Value| m["type"] == "started" && m["call"] == *call;
                let replaced = self.conference.as_ref().map(|link| link.call.clone());
                if way == Way::Direct
                    && frame.format == Format::Vp8
                    && let Some(replaced) = replaced
                    && self
                        .book
                        .0
                        .lock()
                        .unwrap()
                        .log
                        .iter()
                        .any(|m| follows(m) && m["replaces"] == *replaced)
                {
                    self.say(json!({"type": "end", "call": replaced})).await;
                    self.conference = None;
                    self.note(|book| book.conference = None);
                }
            }
            _ => {}
        }
    }
}

impl Book {
    fn told(&mut self, message: &Value) {
        match message["type"].as_str().unwrap_or_default() {
            "conference" => {
                self.you = message["you"].as_u64().unwrap();
                let member = |m: &Value| (m["number"].as_u64().unwrap(), m["connected"] == true);
                self.members = message["members"].as_array().unwrap().iter().map(member).collect();
            }
            "member" => {
                let member = &message["member"];
                self.members.insert(member["number"].as_u64().unwrap(), member["connected"] == true);
            }
            "member-left" => drop(self.members.remove(&message["number"].as_u64().unwrap())),
            _ => {}
        }
        if message["type"] != "ack" {
            self.log.push(message.clone());
        }
    }

    /// The longest time without a picture of this person since then.
    pub(crate) fn longest_gap(&self, mark: u8, since: Instant) -> Duration {
        let times: Vec<Instant> =
            self.pictures[&mark].iter().map(|(at, _)| *at).filter(|at| *at >= since).collect();
        times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
    }
}

/// The next text on a socket; `None` when it is broken.
async fn hear(socket: &mut WebSocketStream<TcpStream>) -> Option<String> {
    loop {
        match socket.next().await?.ok()? {
            Message::Text(text) => return Some(text.to_string()),
            Message::Close(_) => return None,
            _ => {}
        }
    }
}
