//! A client's frame: its numbers first, then what it asks for.

use wire::Instant;

use super::calls::{Failure, Offered};
use super::early::Relayed;
use super::session::{Link, Order};
use super::timers::Timer;
use super::{Refused, Rendezvous, SessionKey, SocketId};
use crate::signal::bus::Request;
use crate::signal::protocol::{
    Candidate, ClientMessage, ErrorCode, Person, Presence, Refusal, Sending, ServerMessage,
};

/// Most people in one answer to `find`.
const FOUND: usize = 20;
/// Most namesakes looked at for it, so that a one-letter query costs no more than this.
const LOOKED_AT: usize = 200;

impl Rendezvous {
    /// A frame after the hello.
    pub(super) fn frame(
        &mut self,
        now: Instant,
        socket: SocketId,
        seq: Option<u64>,
        ack: Option<u64>,
        request: Request,
    ) -> Result<(), Refused> {
        let Some(key) = self.sockets.get(&socket).copied() else {
            // A socket that was closed, or replaced, may have had more on the way.
            return Ok(());
        };
        self.charge(now, key)?;
        self.check_size(&request)?;
        let Some(session) = self.sessions.get_mut(&key) else { return Ok(()) };
        if ack.is_some_and(|ack| !session.outbox.confirm(ack)) {
            return Err(malformed("`ack` names a message that was never sent to this session"));
        }
        let seq = match (is_numbered(&request), seq) {
            (true, Some(seq)) => seq,
            (true, None) => return Err(malformed("this message needs a number: `seq`")),
            (false, Some(_)) => return Err(malformed("this message has no number: leave `seq` out")),
            (false, None) => return self.unnumbered(key, &request),
        };
        match session.inbox.classify(seq) {
            Order::Gap => {
                let due = session.inbox.received + 1;
                return Err(malformed(&format!("message {seq} came where {due} was due")));
            }
            Order::Repeated => {
                self.stats.repeated += 1;
                self.acknowledge(key);
                return Ok(());
            }
            Order::Next => session.inbox.received = seq,
        }
        self.stats.messages += 1;
        if let Err((code, message)) = self.request(now, key, seq, request) {
            self.stats.errors += 1;
            self.tell(key, ServerMessage::Error { about: seq, code, message });
        }
        self.owe_acknowledgement(now, key);
        Ok(())
    }

    /// Takes a message from the allowances of the session and its address.
    fn charge(&mut self, now: Instant, key: SessionKey) -> Result<(), Refused> {
        let Some(session) = self.sessions.get_mut(&key) else { return Ok(()) };
        let own = session.messages.take(now, self.config.messages, 1);
        let address = self.addresses.entry(session.address).or_default();
        if own && address.messages.take(now, self.config.messages_per_address, 1) {
            return Ok(());
        }
        Err((Refusal::Limit, "too many messages: send them more slowly".to_owned()))
    }

    fn check_size(&self, request: &Request) -> Result<(), Refused> {
        let limit = |what: &str, bytes: usize, most: usize| {
            Err((Refusal::Limit, format!("this {what} has {bytes} bytes; at most {most} are allowed")))
        };
        match request {
            Request::Message(
                ClientMessage::Description { description, .. }
                | ClientMessage::Accept { description: Some(description), .. },
            ) if description.sdp.len() > self.config.description_bytes => {
                limit("session description", description.sdp.len(), self.config.description_bytes)
            }
            Request::Message(ClientMessage::Candidate { candidate: Some(candidate), .. })
                if candidate_size(candidate) > self.config.candidate_bytes =>
            {
                limit("candidate", candidate_size(candidate), self.config.candidate_bytes)
            }
            Request::Message(ClientMessage::Layout { slots, .. })
                if slots.len() > self.config.picture_slots =>
            {
                let most = self.config.picture_slots;
                Err((
                    Refusal::Limit,
                    format!("this layout has {} slots; at most {most} are allowed", slots.len()),
                ))
            }
            Request::Message(_) | Request::Rename(_) | Request::Key { .. } | Request::IceServers { .. } => {
                Ok(())
            }
        }
    }

    fn unnumbered(&mut self, key: SessionKey, request: &Request) -> Result<(), Refused> {
        match request {
            Request::Message(ClientMessage::Hello { .. }) => {
                Err(malformed("hello comes once on a socket, as its first message"))
            }
            // The socket answers pings itself and passes on the `ack` only; one that comes this far is answered too.
            Request::Message(ClientMessage::Ping) => {
                self.acknowledge(key);
                Ok(())
            }
            Request::Message(_) | Request::Rename(_) | Request::Key { .. } | Request::IceServers { .. } => {
                Ok(())
            }
        }
    }

    /// After a message that brought no answer: the client is told soon that it arrived.
    fn owe_acknowledgement(&mut self, now: Instant, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        let inbox = &mut session.inbox;
        let owed = inbox.received - inbox.told;
        if owed >= self.config.ack_every {
            self.acknowledge(key);
        } else if owed > 0 && inbox.due.is_none() && matches!(session.link, Link::Attached(_)) {
            let due = now + self.config.ack_delay;
            inbox.due = Some(due);
            self.timers.set(due, Timer::Ack(key));
        }
    }

    fn request(&mut self, now: Instant, key: SessionKey, seq: u64, request: Request) -> Result<(), Failure> {
        match request {
            Request::Rename(result) => self.rename(key, result),
            Request::IceServers { ice_servers, ice_lifetime } => {
                self.tell(key, ServerMessage::IceServers { ice_servers, ice_lifetime });
                Ok(())
            }
            Request::Key { room, door, name, expires } => {
                self.may_try(key)?;
                self.give_key(key, (room, door), name, expires)
            }
            Request::Message(message) => self.message(now, key, seq, message),
        }
    }

    fn message(
        &mut self,
        now: Instant,
        key: SessionKey,
        seq: u64,
        message: ClientMessage,
    ) -> Result<(), Failure> {
        match message {
            ClientMessage::Find { request, query } => {
                self.find(key, request, &query);
                Ok(())
            }
            ClientMessage::Invite { call, to, media, early } => {
                self.invite(now, key, call, &to, Offered { media, early })
            }
            ClientMessage::Accept { call, description, media } => self.accept(key, &call, description, media),
            ClientMessage::Decline { call, busy } => self.decline(key, &call, busy),
            ClientMessage::End { call } => {
                self.end(key, &call);
                Ok(())
            }
            ClientMessage::Description { call, description, .. } if self.conferences.contains_key(&call) => {
                self.describe(key, seq, &call, description)
            }
            ClientMessage::Candidate { call, candidate, .. } if self.conferences.contains_key(&call) => {
                self.pass_candidate(key, &call, candidate)
            }
            ClientMessage::Description { call, device, description } => {
                self.relay(key, &call, device, Relayed::Description(description))
            }
            ClientMessage::Candidate { call, device, candidate } => {
                self.relay(key, &call, device, Relayed::Candidate(candidate))
            }
            ClientMessage::Rejoin { call, ticket } => self.rejoin(now, key, call, &ticket),
            ClientMessage::Meet { room, media, encrypted } => self.meet(key, room, media, encrypted),
            ClientMessage::Leave { room } => {
                self.leave(key, &room);
                Ok(())
            }
            ClientMessage::Open { call } => self.open(key, &call),
            ClientMessage::Layout { call, slots } => self.lay_out(key, &call, slots),
            ClientMessage::Sending { call, microphone, camera, screen } => {
                self.set_sending(key, &call, Sending { microphone, camera, screen })
            }
            ClientMessage::Moderate { call, action } => self.moderate(key, &call, action),
            ClientMessage::Express { call, hand, reaction } => self.express(key, &call, hand, reaction),
            // These come as the requests of their own that the authority filled in, or are not numbered.
            ClientMessage::Rename { .. }
            | ClientMessage::IceServers
            | ClientMessage::Key { .. }
            | ClientMessage::Hello { .. }
            | ClientMessage::Ack
            | ClientMessage::Ping => Ok(()),
        }
    }

    fn rename(&mut self, key: SessionKey, result: Result<Person, String>) -> Result<(), Failure> {
        let person = result.map_err(|message| (ErrorCode::BadName, message))?;
        let Some(session) = self.sessions.get(&key) else { return Ok(()) };
        if person.id != session.person {
            return Err((ErrorCode::BadName, "this name belongs to somebody else".to_owned()));
        }
        self.people.rename(person.clone());
        self.tell_renamed(&person.id, None);
        Ok(())
    }

    fn find(&mut self, key: SessionKey, request: u32, query: &str) {
        let mut people: Vec<Presence> = Vec::new();
        if !query.trim().is_empty() {
            let found = self.people.find(query).take(LOOKED_AT);
            people = found.map(|entry| self.presence(entry)).collect();
            people.sort_by_key(|p| !p.present); // stable: by name within each
            people.truncate(FOUND);
        }
        self.tell(key, ServerMessage::People { request, people });
    }

    fn presence(&self, entry: &super::people::Entry) -> Presence {
        let here = || {
            let sessions = entry.sessions.iter().filter_map(|key| self.sessions.get(key));
            sessions.filter(|s| matches!(s.link, Link::Attached(_)))
        };
        let busy = here().all(|s| s.engaged.is_busy());
        let present = here().next().is_some();
        Presence { person: entry.person.clone(), present, busy: present && busy }
    }
}

fn malformed(message: &str) -> Refused {
    (Refusal::Malformed, message.to_owned())
}

pub(super) fn candidate_size(candidate: &Candidate) -> usize {
    let optional = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    candidate.candidate.len() + optional(&candidate.sdp_mid) + optional(&candidate.username_fragment)
}

/// Whether the message is delivered exactly once, under a number.
fn is_numbered(request: &Request) -> bool {
    match request {
        Request::Message(ClientMessage::Hello { .. } | ClientMessage::Ack | ClientMessage::Ping) => false,
        Request::Message(_) | Request::Rename(_) | Request::Key { .. } | Request::IceServers { .. } => true,
    }
}
