//! How a call comes to run, for the first time or again.

use wire::Instant;

use super::calls::{Call, Failure, Rejoining, Running, Side, is_call_id, wrong_state};
use super::session::Engaged;
use super::ticket::Ticket;
use super::timers::Timer;
use super::{Rendezvous, SessionKey};
use crate::signal::protocol::{CallId, Description, EndReason, ErrorCode, Secret, ServerMessage};

impl Rendezvous {
    /// Puts two sessions through. `description` is the impolite side's offer, for the polite one.
    pub(super) fn start(
        &mut self,
        call: &CallId,
        polite: Side,
        impolite: Side,
        room: Option<String>,
        description: Option<Description>,
        rejoined: bool,
    ) {
        self.stats.started += 1;
        self.engage(polite.session, call);
        self.engage(impolite.session, call);
        let to_polite = self.started(call, &polite, &impolite, true, &room, description, rejoined);
        let to_impolite = self.started(call, &impolite, &polite, false, &room, None, rejoined);
        let sessions = (polite.session, impolite.session);
        self.calls.insert(call.clone(), Call::Running(Running { polite, impolite, room }));
        for (session, message) in [(sessions.0, to_polite), (sessions.1, to_impolite)] {
            if let Some(message) = message {
                self.tell(session, message);
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "each is a field of the message")]
    fn started(
        &self,
        call: &CallId,
        me: &Side,
        peer: &Side,
        polite: bool,
        room: &Option<String>,
        description: Option<Description>,
        rejoined: bool,
    ) -> Option<ServerMessage> {
        let ticket = Ticket { polite, peer: peer.person.clone(), peer_media: peer.media, room: room.clone() };
        Some(ServerMessage::Started {
            call: call.clone(),
            peer: self.people.get(&peer.person)?.person.clone(),
            media: peer.media,
            polite,
            ticket: Secret(self.tickets.print(call, &me.person, &ticket)),
            description,
            rejoined,
            replaces: None,
        })
    }

    /// One of the two comes back to their call with a session that is not in it.
    pub(super) fn rejoin(
        &mut self,
        now: Instant,
        key: SessionKey,
        call: CallId,
        ticket: &str,
    ) -> Result<(), Failure> {
        let Some(session) = self.sessions.get(&key) else { return Ok(()) };
        let me = session.person.clone();
        let ticket = self.tickets.verify(&call, &me, ticket).filter(|_| is_call_id(&call));
        let ticket = ticket.ok_or_else(|| {
            let message = "the ticket is not this person's for this call: present the one from `started`";
            (ErrorCode::BadTicket, message.to_owned())
        })?;
        if session.engaged == Engaged::Call(call.clone()) {
            return Err(wrong_state("this session is in this call already"));
        }
        self.may_begin(now, key)?;
        match self.calls.get(&call) {
            None => self.await_peer(now, key, me, call, ticket),
            Some(Call::Rejoining(waiting)) if waiting.polite == ticket.polite && waiting.person == me => {
                // The same side again: its earlier session is no more.
                let old = waiting.session;
                self.end_rejoining(&call);
                self.ended(old, &call, EndReason::Elsewhere);
                self.await_peer(now, key, me, call, ticket);
            }
            Some(Call::Rejoining(waiting)) if waiting.person == ticket.peer && waiting.peer == me => {
                self.complete_rejoin(key, me, &call, &ticket);
            }
            Some(Call::Running(running)) => {
                let mine = if ticket.polite { &running.polite } else { &running.impolite };
                if mine.person != me {
                    return Err(wrong_state("this call runs between other people"));
                }
                let old = mine.session;
                self.take_over(&call, old, key);
            }
            Some(Call::Ringing(_) | Call::Rejoining(_)) => {
                return Err(wrong_state("this call is not one that can be rejoined"));
            }
        }
        Ok(())
    }

    fn await_peer(&mut self, now: Instant, key: SessionKey, person: String, call: CallId, ticket: Ticket) {
        let until = now + self.config.resume_timeout;
        self.engage(key, &call);
        self.timers.set(until, Timer::Rejoin(call.clone()));
        let Ticket { polite, peer, peer_media, room } = ticket;
        let waiting = Rejoining { session: key, person, polite, peer, peer_media, room, until };
        self.calls.insert(call, Call::Rejoining(waiting));
    }

    fn complete_rejoin(&mut self, key: SessionKey, person: String, call: &CallId, ticket: &Ticket) {
        let Some(waiting) = self.end_rejoining(call) else { return };
        // Each ticket says what the *other* sends.
        let first = Side { session: waiting.session, person: waiting.person, media: ticket.peer_media };
        let second = Side { session: key, person, media: waiting.peer_media };
        let room = waiting.room.filter(|room| self.occupy(room, call));
        let (polite, impolite) = if waiting.polite { (first, second) } else { (second, first) };
        self.start(call, polite, impolite, room, None, true);
    }

    /// A session takes the place of another of the same person in a running call.
    pub(super) fn take_over(&mut self, call: &CallId, old: SessionKey, new: SessionKey) {
        let Some(Running { mut polite, mut impolite, room }) = self.end_running(call) else { return };
        self.ended(old, call, EndReason::Elsewhere);
        let side = if polite.session == old { &mut polite } else { &mut impolite };
        side.session = new;
        self.start(call, polite, impolite, room, None, true);
    }

    pub(super) fn rejoin_timeout(&mut self, call: &CallId) {
        if let Some(waiting) = self.end_rejoining(call) {
            self.ended(waiting.session, call, EndReason::Lost);
        }
    }

    pub(super) fn end_rejoining(&mut self, call: &CallId) -> Option<Rejoining> {
        match self.calls.remove(call)? {
            Call::Rejoining(waiting) => {
                self.timers.clear(waiting.until, Timer::Rejoin(call.clone()));
                self.release(waiting.session);
                Some(waiting)
            }
            other @ (Call::Ringing(_) | Call::Running(_)) => {
                self.calls.insert(call.clone(), other);
                None
            }
        }
    }
}
