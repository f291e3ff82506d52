//! What the server says: who is there, and the way from a call of two to a conference and back.

use std::time::Duration;

use anyhow::{Result, bail};
use endpoint::Options;
use peer::negotiation::HeaderExtension;
use serde_json::json;
use tokio::time::Instant;

use super::conference::{Beginning, Conference};
use super::direct::Direct;
use super::session::{Exit, Session, plain};
use crate::client::servers;
use crate::client::signalling::Notice;
use crate::signal::protocol::{
    ClientMessage, Description, DescriptionKind, EndReason, ErrorCode, Member, MemberNumber, Person, Role,
    Secret, ServerMessage,
};
use crate::transfer::link::Link;

/// From one attempt to enter the room to the next.
const AGAIN: Duration = Duration::from_secs(3);
/// How high pictures are wanted: to be recorded, and only to be received.
const RECORDED_HEIGHT: u16 = 1080;
const SEEN_HEIGHT: u16 = 360;

/// A call of two that has begun.
struct Started {
    call: String,
    peer: Person,
    polite: bool,
    ticket: Secret,
    rejoined: bool,
    replaces: Option<String>,
}

impl Session<'_> {
    pub(super) async fn notice(&mut self, notice: Option<Notice>) -> Result<()> {
        match notice {
            None => bail!("the connection to the server has ended"),
            Some(Notice::Refused(message)) => bail!("the server refuses: {message}"),
            Some(Notice::Offline) => {
                let text =
                    "The server is out of reach; trying again. What goes straight to the other side goes on.";
                self.output.say("offline", json!({}), text);
            }
            Some(Notice::Welcome(welcome)) => {
                self.ice_servers = welcome.ice_servers;
                self.output.say("online", json!({ "lost": welcome.lost }), "");
                if welcome.lost {
                    self.come_back().await;
                }
            }
            Some(Notice::Message(message)) => self.message(*message).await?,
        }
        Ok(())
    }

    /// The server knows nothing of us any more: it was restarted.
    async fn come_back(&mut self) {
        let of_conference = self.conference.as_ref().map(|c| (c.main.clone(), c.ticket.clone()));
        let of_two = self.direct.as_ref().map(|direct| (direct.call.clone(), direct.ticket.clone()));
        match of_conference.or(of_two) {
            Some((call, ticket)) => self.signal.say(ClientMessage::Rejoin { call, ticket }).await,
            None => self.meet().await,
        }
    }

    async fn message(&mut self, message: ServerMessage) -> Result<()> {
        match message {
            ServerMessage::Waiting { room } => {
                self.output.say("waiting", json!({ "room": room }), "Nobody else is in the room yet.");
            }
            ServerMessage::Lobby { .. } => {
                self.output.say("lobby", json!({}), "Waiting to be admitted by whoever moderates the room.");
            }
            ServerMessage::Started {
                call, peer, polite, ticket, description, rejoined, replaces, ..
            } => {
                self.started(Started { call, peer, polite, ticket, rejoined, replaces }).await?;
                if let (Some(description), Some(direct)) = (description, &mut self.direct) {
                    direct.link.describe(&description).await?;
                }
            }
            ServerMessage::Conference { call, you, role, members, ticket, main, .. } => {
                let (way, sends) = (self.next_way(), self.plan.sends);
                let main = main.unwrap_or_else(|| call.clone());
                self.conference_begins(Beginning { call, main, ticket, you, members, way, sends }, role)
                    .await?;
            }
            ServerMessage::Description { call, description, .. } => {
                self.described(&call, description).await?
            }
            ServerMessage::Candidate { call, candidate, .. } => {
                if let Some(direct) = self.direct.as_mut().filter(|direct| direct.call == call) {
                    direct.link.candidate(candidate).await?;
                }
            }
            ServerMessage::Ended { call, reason } => self.ended(&call, reason).await?,
            ServerMessage::Error { code, message, .. } => self.refused(code, &message).await?,
            ServerMessage::IceServers { ice_servers, .. } => self.ice_servers = ice_servers,
            other => self.room_message(other).await?,
        }
        Ok(())
    }

    /// Somebody came, or something about them changed.
    fn member(&mut self, member: Member) {
        let Some(conference) = &mut self.conference else { return };
        let name = plain(&member.person.name);
        let fields = json!({ "number": member.number, "name": name, "connected": member.connected });
        let new = !conference.members.contains_key(&member.number);
        let text = if new { format!("{name} comes in.") } else { String::new() };
        conference.members.insert(member.number, member);
        self.output.say("member", fields, &text);
    }

    fn member_left(&mut self, number: MemberNumber) {
        let Some(conference) = &mut self.conference else { return };
        let Some(member) = conference.members.remove(&number) else { return };
        let name = plain(&member.person.name);
        self.output.say("left", json!({ "number": number, "name": name }), &format!("{name} has left."));
    }

    /// What is about the conference that one is in.
    async fn room_message(&mut self, message: ServerMessage) -> Result<()> {
        let Some(conference) = &mut self.conference else { return Ok(()) };
        let ours = |call: &String| *call == conference.call;
        match message {
            ServerMessage::Member { call, member } if ours(&call) => {
                self.member(member);
                self.lay_out().await?;
            }
            ServerMessage::Members { call, left, members } if ours(&call) => {
                for number in left {
                    self.member_left(number);
                }
                for member in members.iter() {
                    self.member(member.clone());
                }
                self.lay_out().await?;
            }
            ServerMessage::MemberLeft { call, number, .. } if ours(&call) => {
                self.member_left(number);
                self.lay_out().await?;
            }
            ServerMessage::Announced { call, from, text } if ours(&call) => {
                let (name, text) = (from.map(|it| plain(&it.name)), plain(&text));
                let line = format!("{}: {text}", name.as_deref().unwrap_or("To everybody"));
                self.output.say("announced", json!({ "from": name, "text": text }), &line);
            }
            ServerMessage::Voices { call, slots } if ours(&call) => conference.set_voices(slots),
            ServerMessage::Speaking { call, members } if ours(&call) => conference.speaking = members,
            ServerMessage::Shown { call, slot, source } if ours(&call) => {
                if let Some(section) = conference.shown(slot, source) {
                    let ask = move |peer: &mut peer::Peer, _| peer.request_keyframe(section, None);
                    // A section that is not negotiated yet gets one anyway.
                    let _ = conference.connection.with(ask).await?;
                }
            }
            ServerMessage::Wanted { call, rids } if ours(&call) => {
                self.wanted = Some(rids);
                self.follow_wanted();
            }
            ServerMessage::Role { call, role, ticket } if ours(&call) => {
                conference.ticket = ticket;
                self.say_role(role);
            }
            ServerMessage::Muted { call, .. } if ours(&call) => {
                let text = "A moderator has muted you: your sound is not passed on.";
                self.output.say("muted", json!({}), text);
            }
            _ => {}
        }
        Ok(())
    }

    fn next_way(&mut self) -> u64 {
        self.ways += 1;
        self.ways
    }

    async fn config(&self) -> peer::Config {
        let mut config = peer::Config::new(endpoint::certificate());
        servers::configure(&mut config, &self.ice_servers).await;
        config
    }

    async fn started(&mut self, started: Started) -> Result<()> {
        let Started { call, peer, polite, ticket, rejoined, replaces } = started;
        if let (Some(direct), true) = (self.direct.as_mut().filter(|direct| direct.call == call), rejoined) {
            direct.ticket = ticket;
            direct.link.set_polite(polite);
            return direct.link.rejoined().await;
        }
        let name = plain(&peer.name);
        self.output.say("met", json!({ "name": name }), &format!("{name} is there; connecting …"));
        let tls = self.plan.connector.config();
        // Whoever was in the call before makes a peer connection of the next generation.
        let generation = if rejoined { 2 } else { 1 };
        let mut link = Link::new(self.config().await, tls, polite, generation)?;
        if rejoined || !polite {
            link.open().await?;
        }
        let (connected, greeted, screen) = (false, false, None);
        let way = self.next_way();
        self.direct = Some(Direct { call, ticket, peer, link, way, screen, connected, greeted, replaces });
        Ok(())
    }

    async fn conference_begins(&mut self, beginning: Beginning, role: Role) -> Result<()> {
        let options = Options { tls: Some(self.plan.connector.config()), ..Options::default() };
        let people: Vec<_> = beginning.members.iter().map(|member| plain(&member.person.name)).collect();
        let fields = json!({ "you": beginning.you, "people": people });
        self.output.say("conference", fields, &format!("In the room: {}.", people.join(", ")));
        let mut config = self.config().await;
        // With it the server sends all sizes of AV1: whoever records wants the largest.
        config.negotiation.header_extensions.push(HeaderExtension::dependency());
        let conference = Conference::new(beginning, config, &options)?;
        self.conference = Some(conference);
        self.wanted = None;
        self.follow_wanted();
        self.say_role(role);
        self.offer(0).await?;
        self.say_sending(true).await;
        Ok(())
    }

    fn say_role(&mut self, role: Role) {
        let listens = role == Role::Attendee;
        let text = "You are an attendee here: nothing of yours is passed on until a moderator promotes you.";
        self.output.say("role", json!({ "role": role }), if listens { text } else { "" });
    }

    async fn offer(&mut self, pictures: usize) -> Result<()> {
        let Some(conference) = &mut self.conference else { return Ok(()) };
        let sdp = conference.offer(pictures).await?;
        let description = Description { kind: DescriptionKind::Offer, sdp };
        let call = conference.call.clone();
        self.signal.say(ClientMessage::Description { call, device: None, description }).await;
        Ok(())
    }

    async fn described(&mut self, call: &String, description: Description) -> Result<()> {
        if let Some(direct) = self.direct.as_mut().filter(|direct| direct.call == *call) {
            return direct.link.describe(&description).await;
        }
        let Some(conference) = self.conference.as_mut().filter(|c| c.call == *call) else { return Ok(()) };
        if description.kind == DescriptionKind::Answer {
            conference.answered(description.sdp).await?;
            self.lay_out().await?;
        }
        Ok(())
    }

    async fn lay_out(&mut self) -> Result<()> {
        let height = if self.plan.recorder.is_some() { RECORDED_HEIGHT } else { SEEN_HEIGHT };
        let Some(conference) = &mut self.conference else { return Ok(()) };
        let (layout, short) = conference.lay_out(height);
        let (call, more) = (conference.call.clone(), conference.more_slots());
        if let Some(slots) = layout {
            self.signal.say(ClientMessage::Layout { call, slots }).await;
        }
        if short { self.offer(more).await } else { Ok(()) }
    }

    async fn ended(&mut self, call: &String, reason: EndReason) -> Result<()> {
        let direct = self.direct.take_if(|direct| direct.call == *call);
        let conference = self.conference.take_if(|conference| conference.call == *call);
        self.follow_wanted();
        match reason {
            EndReason::Removed => bail!("a moderator has removed you from the room"),
            EndReason::Declined => bail!("nobody lets you in: a moderator has declined"),
            EndReason::Closed => {
                self.output.say("closed", json!({}), "A moderator has ended the meeting.");
                self.exit = Some(Exit::Done);
            }
            _ if direct.is_none() && conference.is_none() => {}
            _ if self.direct.is_some() || self.conference.is_some() => {}
            _ => {
                let name = direct.map_or(String::new(), |direct| plain(&direct.peer.name));
                self.output.say("left", json!({ "name": name }), "Nobody else is in the room any more.");
                self.meet().await;
            }
        }
        Ok(())
    }

    async fn refused(&mut self, code: ErrorCode, message: &str) -> Result<()> {
        match code {
            ErrorCode::RoomLocked => bail!("the room is locked: a moderator must unlock it ({message})"),
            ErrorCode::RoomFull => bail!("the room is full: {message}"),
            ErrorCode::NeedsToken => bail!("one comes into this room by an invitation only ({message})"),
            ErrorCode::Encryption => bail!(
                "the room is end-to-end encrypted, which only the page can do: nothing could be played or recorded ({message})"
            ),
            ErrorCode::RateLimited | ErrorCode::Draining | ErrorCode::BadCall => {
                if self.direct.is_none() && self.conference.is_none() {
                    self.meet_at = Some(Instant::now() + AGAIN);
                }
                Ok(())
            }
            // What it was is not known any more: one comes anew.
            ErrorCode::BadTicket => {
                (self.direct, self.conference) = (None, None);
                self.meet().await;
                Ok(())
            }
            // It crossed the end of the call, or somebody's leaving.
            ErrorCode::NoSuchCall
            | ErrorCode::WrongState
            | ErrorCode::NoSuchMember
            | ErrorCode::NotAllowed => {
                tracing::debug!("the server says: {message}");
                Ok(())
            }
            ErrorCode::BadName | ErrorCode::BadRoom | ErrorCode::BadDescription => {
                bail!("the server refuses: {message}")
            }
        }
    }
}
