//! Members of a Visavis server: a session each, which meets the others at a link.

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::Shape;
use crate::load::{Load, Service};
use crate::socket::JsonSocket;

/// Messages after which what came is confirmed.
const CONFIRM: u64 = 16;

/// Members at one address: the server lets so many at least come one right after the other.
const AT_ONE_ADDRESS: usize = 100;

/// Where a member's session comes from.
fn address_of(member: usize) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + u32::try_from(member / AT_ONE_ADDRESS).unwrap_or(0))
}

/// The server.
pub(crate) struct Visavis {
    url: String,
    shape: Shape,
    sessions: Vec<Session>,
}

struct Session {
    socket: JsonSocket,
    said: u64,
    heard: u64,
    confirmed: u64,
    greeted: bool,
    /// The conference, and our number in it.
    conference: Option<(String, u64)>,
    answered: bool,
    shown: Vec<u64>,
}

impl Session {
    fn open(url: &str, from: Ipv4Addr) -> Result<Self> {
        let socket = JsonSocket::open(url, from, None)?;
        let (said, heard, confirmed, greeted, answered) = (0, 0, 0, false, false);
        Ok(Self { socket, said, heard, confirmed, greeted, conference: None, answered, shown: Vec::new() })
    }

    /// Says something that is numbered.
    fn say(&mut self, mut message: Value) -> Result<()> {
        self.said += 1;
        message["seq"] = self.said.into();
        message["ack"] = self.heard.into();
        self.confirmed = self.heard;
        self.socket.say(&message)
    }

    fn hear(&mut self) -> Result<Option<Value>> {
        let Some(message) = self.socket.hear()? else { return Ok(None) };
        if let Some(seq) = message["seq"].as_u64() {
            self.heard = seq;
            if self.heard >= self.confirmed + CONFIRM {
                self.confirmed = self.heard;
                self.socket.say(&json!({ "type": "ack", "ack": self.heard }))?;
            }
        }
        Ok(Some(message))
    }
}

impl Visavis {
    pub(crate) fn new(url: &str, shape: Shape) -> Self {
        Self { url: url.to_owned(), shape, sessions: Vec::new() }
    }

    fn take(&mut self, load: &mut Load, member: usize, message: &Value) -> Result<()> {
        let number = load.number(member);
        let now = load.now();
        let session = &mut self.sessions[member];
        match message["type"].as_str().unwrap_or_default() {
            "welcome" => {
                session.greeted = true;
                let room = format!("bench-{}", member / self.shape.members);
                let media = json!({ "audio": false, "video": self.shape.publishes(number) });
                session.say(json!({ "type": "meet", "room": room, "media": media }))
            }
            "conference" => {
                let call = message["call"].as_str().context("a conference without a name")?.to_owned();
                let you = message["you"].as_u64().context("a conference without our number")?;
                session.conference = Some((call.clone(), you));
                (session.answered, session.shown) = (false, Vec::new());
                let (publishes, sees) = (self.shape.publishes(number), self.shape.sees(number));
                let sdp = load.members[member].offer(now, &mut load.tools, publishes, sees)?;
                let description = json!({ "type": "offer", "sdp": sdp });
                session.say(json!({ "type": "description", "call": call, "description": description }))?;
                let (microphone, screen) = (false, false);
                session.say(json!({
                    "type": "sending", "call": call, "microphone": microphone, "camera": publishes, "screen": screen,
                }))
            }
            "description" if session.conference.is_some() => {
                let call = session.conference.as_ref().map(|(call, _)| call.as_str());
                if message["call"].as_str() != call || message["description"]["type"] != "answer" {
                    return Ok(());
                }
                let sdp = message["description"]["sdp"].as_str().context("an answer without SDP")?.to_owned();
                session.answered = true;
                load.members[member].answered(now, sdp)
            }
            "error" | "refused" => bail!("the server says: {}", message["message"]),
            _ => Ok(()),
        }
    }

    /// Asks for the pictures of all publishers who are there.
    fn lay_out(&mut self, member: usize) -> Result<()> {
        let room = member / self.shape.members * self.shape.members;
        let publishers = (room..room + self.shape.publishers).filter(|other| *other != member);
        let numbers = publishers
            .filter_map(|other| Some(self.sessions.get(other)?.conference.as_ref()?.1))
            .collect::<Vec<_>>();
        let session = &mut self.sessions[member];
        let Some((call, _)) = session.conference.clone().filter(|_| session.answered) else { return Ok(()) };
        if session.shown == numbers {
            return Ok(());
        }
        let want = |number: &u64| json!({ "member": number, "source": "camera", "height": 720 });
        let slots = numbers.iter().map(want).collect::<Vec<_>>();
        session.shown = numbers;
        session.say(json!({ "type": "layout", "call": call, "slots": slots }))
    }
}

impl Service for Visavis {
    fn ask(&mut self, load: &mut Load, member: usize) -> Result<()> {
        let mut session = Session::open(&self.url, address_of(member))?;
        let name = format!("member {member}");
        session.socket.say(&json!({ "type": "hello", "protocol": 1, "name": name, "conferences": true }))?;
        self.sessions.push(session);
        load.members[member].asked = load.now();
        Ok(())
    }

    fn tick(&mut self, load: &mut Load) -> Result<()> {
        for member in 0..self.sessions.len() {
            while let Some(message) = self.sessions[member].hear()? {
                self.take(load, member, &message)?;
            }
            self.lay_out(member)?;
        }
        Ok(())
    }

    /// Two talk straight to each other.
    fn alone(&self) -> usize {
        3
    }
}
