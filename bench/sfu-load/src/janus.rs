//! Members of a Janus gateway's video room: a handle each, all in one session. It offers to those who watch.

use std::collections::HashMap;

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use wire::Instant;

use crate::Shape;
use crate::load::{Load, Service};
use crate::socket::JsonSocket;

/// A session is kept by saying so (Janus ends it after 60 s).
const KEEP: std::time::Duration = std::time::Duration::from_secs(25);
/// What answers need no member: their transaction.
const NOBODY: &str = "nobody";
/// What the video room says of a publisher who is not there (yet).
const NO_SUCH_FEED: u64 = 428;
/// Bits per second that a publisher may send: more than any load here.
const BITRATE: u64 = 1_000_000_000;

/// The gateway.
pub(crate) struct Janus {
    socket: JsonSocket,
    shape: Shape,
    session: Option<u64>,
    /// Each member's handle.
    handles: Vec<Option<u64>>,
    members: HashMap<u64, usize>,
    /// The publisher of each room.
    feeds: HashMap<usize, u64>,
    waiting: Vec<usize>,
    kept: Instant,
}

impl Janus {
    pub(crate) fn new(url: &str, shape: Shape) -> Result<Self> {
        ensure!(
            shape.publishers == 1,
            "of a Janus only rooms with one publisher are measured: it wants a connection for each direction"
        );
        let mut socket = JsonSocket::open(url, Ipv4Addr::LOCALHOST, Some("janus-protocol"))?;
        socket.say(&json!({ "janus": "create", "transaction": NOBODY }))?;
        Ok(Self {
            socket,
            shape,
            session: None,
            handles: Vec::new(),
            members: HashMap::new(),
            feeds: HashMap::new(),
            waiting: Vec::new(),
            kept: Instant::ZERO,
        })
    }

    fn attach(&mut self, member: usize) -> Result<()> {
        let Some(session) = self.session else {
            self.waiting.push(member);
            return Ok(());
        };
        self.socket.say(&json!({
            "janus": "attach", "plugin": "janus.plugin.videoroom", "session_id": session, "transaction": member.to_string(),
        }))
    }

    fn message(&mut self, member: usize, body: &Value, jsep: Option<(&str, String)>) -> Result<()> {
        let handle = self.handles[member].context("a member without a handle")?;
        let mut message = json!({
            "janus": "message", "session_id": self.session, "handle_id": handle, "transaction": NOBODY, "body": body,
        });
        if let Some((kind, sdp)) = jsep {
            message["jsep"] = json!({ "type": kind, "sdp": sdp, "trickle": false });
        }
        self.socket.say(&message)
    }

    fn room(&self, member: usize) -> usize {
        1000 + member / self.shape.members
    }

    fn attached(&mut self, member: usize, handle: u64) -> Result<()> {
        self.handles[member] = Some(handle);
        self.members.insert(handle, member);
        let room = self.room(member);
        if self.shape.publishes(member % self.shape.members) {
            let create = json!({
                "request": "create", "room": room, "publishers": 1, "videocodec": "vp8", "bitrate": BITRATE, "fir_freq": 0,
            });
            return self.message(member, &create, None);
        }
        self.watch(member)
    }

    fn watch(&mut self, member: usize) -> Result<()> {
        let room = self.room(member);
        let feed = self.feeds.get(&room).context("a room without a publisher")?;
        let join =
            json!({ "request": "join", "ptype": "subscriber", "room": room, "streams": [{ "feed": feed }] });
        self.message(member, &join, None)
    }

    fn take(&mut self, load: &mut Load, message: &Value) -> Result<()> {
        match message["janus"].as_str().unwrap_or_default() {
            "success" if message["plugindata"]["data"]["videoroom"] == "created" => {
                let handle = message["sender"].as_u64().unwrap_or_default();
                let member = *self.members.get(&handle).context("a room that nobody wanted")?;
                let join = json!({ "request": "join", "ptype": "publisher", "room": self.room(member) });
                self.message(member, &join, None)
            }
            "success" => {
                let Some(id) = message["data"]["id"].as_u64() else { return Ok(()) };
                match message["transaction"].as_str().and_then(|text| text.parse().ok()) {
                    Some(member) => self.attached(member, id),
                    None => {
                        self.session = Some(id);
                        std::mem::take(&mut self.waiting)
                            .into_iter()
                            .try_for_each(|member| self.attach(member))
                    }
                }
            }
            "error" => bail!("the gateway says: {}", message["error"]["reason"]),
            "event" => {
                let member = message["sender"].as_u64().and_then(|handle| self.members.get(&handle)).copied();
                member.map_or(Ok(()), |member| self.event(load, member, message))
            }
            _ => Ok(()),
        }
    }

    fn event(&mut self, load: &mut Load, member: usize, message: &Value) -> Result<()> {
        let data = &message["plugindata"]["data"];
        if data["error_code"] == NO_SUCH_FEED && !self.shape.publishes(load.number(member)) {
            // The publisher is connected, but the room does not know yet.
            return self.watch(member);
        }
        if let Some(error) = data["error"].as_str() {
            bail!("the video room says: {error}");
        }
        let now = load.now();
        if data["videoroom"] == "joined" {
            self.feeds
                .insert(self.room(member), data["id"].as_u64().context("a publisher without a number")?);
            let offer = load.members[member].offer(now, &mut load.tools, true, 0)?;
            let configure = json!({ "request": "configure", "audio": false, "video": true });
            return self.message(member, &configure, Some(("offer", offer)));
        }
        let Some(sdp) = message["jsep"]["sdp"].as_str().map(str::to_owned) else { return Ok(()) };
        if message["jsep"]["type"] == "answer" {
            return load.members[member].answered(now, sdp);
        }
        let answer = load.members[member].answer(now, &mut load.tools, sdp)?;
        self.message(member, &json!({ "request": "start" }), Some(("answer", answer)))
    }
}

impl Service for Janus {
    fn ask(&mut self, load: &mut Load, member: usize) -> Result<()> {
        load.members[member].asked = load.now();
        self.handles.push(None);
        self.attach(member)
    }

    fn tick(&mut self, load: &mut Load) -> Result<()> {
        while let Some(message) = self.socket.hear()? {
            self.take(load, &message)?;
        }
        let now = load.now();
        if now.saturating_since(self.kept) > KEEP && self.session.is_some() {
            self.kept = now;
            self.socket
                .say(&json!({ "janus": "keepalive", "session_id": self.session, "transaction": NOBODY }))?;
        }
        Ok(())
    }

    fn alone(&self) -> usize {
        1
    }
}
