//! People's sessions with the server: each meets the others at a link.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use net::Waker;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::plane::Ask;
use crate::client::address::Address;
use crate::client::secure::Connector;
use crate::client::signalling::{Notice, Signalling};
use crate::signal::protocol::{
    ClientMessage, Description, DescriptionKind, ErrorCode, Media, MemberNumber, Picture, ServerMessage, Want,
};

/// From one attempt to enter a room to the next.
const AGAIN: Duration = Duration::from_secs(2);
/// Picture slots at most.
pub(super) const MOST_SLOTS: usize = 20;
/// How high everybody's tiles are.
const HEIGHT: u16 = 720;

/// What all people have in common.
#[derive(Clone)]
pub(super) struct Town {
    pub(super) address: Address,
    pub(super) connector: Connector,
    /// Rooms of this run begin with it, so that two runs do not meet.
    pub(super) prefix: Arc<str>,
    pub(super) asks: Sender<Ask>,
    pub(super) waker: Waker,
    /// Who shows pictures in each room.
    pub(super) publishers: usize,
    pub(super) over: watch::Receiver<bool>,
}

impl Town {
    fn ask(&self, ask: Ask) {
        // The thread ends last.
        let _ = self.asks.send(ask);
        self.waker.wake();
    }
}

struct Conference {
    call: String,
    you: MemberNumber,
    /// Who is there, and whether they show a picture.
    members: BTreeMap<MemberNumber, bool>,
    answered: bool,
    shown: Vec<MemberNumber>,
}

/// Somebody's part in it.
pub(super) struct Person {
    town: Town,
    signal: Signalling,
    room: usize,
    publishes: bool,
    member: usize,
    asked: Instant,
    conference: Option<Conference>,
}

impl Person {
    /// Lives until it is over.
    ///
    /// # Errors
    /// What kept them from taking part.
    pub(super) async fn live(town: Town, room: usize, number: usize) -> Result<()> {
        let publishes = number < town.publishers;
        let (told, heard) = oneshot::channel();
        town.ask(Ask::Come { room, publishes, told });
        let member = heard.await.context("it is over")??;
        let name = format!("load {}.{}", room + 1, number + 1);
        let (signal, _) = Signalling::open(&town.address, &town.connector, &name, None, true).await?;
        let asked = Instant::now();
        let mut person = Self { town, signal, room, publishes, member, asked, conference: None };
        person.meet().await;
        let result = person.take_part().await;
        if let Some(conference) = person.conference.take() {
            person.signal.say(ClientMessage::End { call: conference.call }).await;
        }
        person.signal.close().await;
        result
    }

    async fn meet(&mut self) {
        self.asked = Instant::now();
        let room = format!("{}-{}", self.town.prefix, self.room + 1);
        let media = Media { audio: false, video: self.publishes };
        self.signal.say(ClientMessage::Meet { room, media, encrypted: false }).await;
    }

    async fn take_part(&mut self) -> Result<()> {
        let mut over = self.town.over.clone();
        let mut again: Option<Instant> = None;
        loop {
            let retry = async {
                match again {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let end = async {
                // The other end is gone only when all is over, too.
                let _ = over.wait_for(|over| *over).await;
            };
            tokio::select! {
                () = end => return Ok(()),
                () = retry => {
                    again = None;
                    self.meet().await;
                }
                notice = self.signal.next() => match notice {
                    None => bail!("the connection to the server has ended"),
                    Some(Notice::Refused(message)) => bail!("the server refuses: {message}"),
                    Some(Notice::Offline) => {}
                    Some(Notice::Welcome(welcome)) => {
                        if welcome.lost {
                            self.conference = None;
                            self.meet().await;
                        }
                    }
                    Some(Notice::Message(message)) => {
                        if self.hear(*message).await? {
                            again = Some(Instant::now() + AGAIN);
                        }
                    }
                },
            }
        }
    }

    /// Whether one has to come in once more, later.
    async fn hear(&mut self, message: ServerMessage) -> Result<bool> {
        match message {
            // Alone, or two: the server has nothing to forward before the third comes.
            ServerMessage::Waiting { .. } | ServerMessage::Started { .. } => self.asked = Instant::now(),
            ServerMessage::Conference { call, you, members, replaces, .. } => {
                if replaces.is_some() {
                    self.asked = Instant::now();
                }
                let members = members.into_iter().map(|m| (m.number, m.sending.camera)).collect();
                let (answered, shown) = (false, Vec::new());
                self.conference = Some(Conference { call, you, members, answered, shown });
                self.offer().await?;
            }
            ServerMessage::Description { call, description, .. } => {
                let Some(conference) = self.conference.as_mut().filter(|c| c.call == call) else {
                    return Ok(false);
                };
                conference.answered = true;
                self.town.ask(Ask::Answer { member: self.member, sdp: description.sdp });
                self.lay_out().await;
            }
            ServerMessage::Member { member, .. } => {
                if let Some(conference) = &mut self.conference {
                    conference.members.insert(member.number, member.sending.camera);
                }
                self.lay_out().await;
            }
            ServerMessage::Members { members, left, .. } => {
                if let Some(conference) = &mut self.conference {
                    conference.members.retain(|number, _| !left.contains(number));
                    conference.members.extend(members.iter().map(|m| (m.number, m.sending.camera)));
                }
                self.lay_out().await;
            }
            ServerMessage::MemberLeft { number, .. } => {
                if let Some(conference) = &mut self.conference {
                    conference.members.remove(&number);
                }
            }
            ServerMessage::Error { code: ErrorCode::RateLimited, .. } => return Ok(true),
            ServerMessage::Error { code, message, .. } => match code {
                ErrorCode::NoSuchCall | ErrorCode::WrongState | ErrorCode::NoSuchMember => {}
                _ => bail!("the server says: {message}"),
            },
            _ => {}
        }
        Ok(false)
    }

    async fn offer(&mut self) -> Result<()> {
        let Some(conference) = &self.conference else { return Ok(()) };
        let slots = (self.town.publishers - usize::from(self.publishes)).min(MOST_SLOTS);
        let (told, heard) = oneshot::channel();
        let waited = self.asked.elapsed();
        self.town.ask(Ask::Offer { member: self.member, slots, waited, told });
        let sdp = heard.await.context("it is over")??;
        let call = conference.call.clone();
        let description = Description { kind: DescriptionKind::Offer, sdp };
        self.signal.say(ClientMessage::Description { call: call.clone(), device: None, description }).await;
        let (microphone, camera, screen) = (false, self.publishes, false);
        self.signal.say(ClientMessage::Sending { call, microphone, camera, screen }).await;
        Ok(())
    }

    /// Asks for everybody's pictures.
    async fn lay_out(&mut self) {
        let Some(conference) = self.conference.as_mut().filter(|conference| conference.answered) else {
            return;
        };
        let others =
            conference.members.iter().filter(|(number, shows)| **shows && **number != conference.you);
        let numbers: Vec<MemberNumber> = others.map(|(number, _)| *number).take(MOST_SLOTS).collect();
        if numbers == conference.shown {
            return;
        }
        let want =
            |member: &MemberNumber| Some(Want { member: *member, source: Picture::Camera, height: HEIGHT });
        let slots = numbers.iter().map(want).collect();
        conference.shown = numbers;
        self.signal.say(ClientMessage::Layout { call: conference.call.clone(), slots }).await;
    }
}
