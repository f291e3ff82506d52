//! How a call comes to run, for the first time or again.

use wire::Instant;

use super::calls::{Call, Failure, Rejoining, Running, Side, is_call_id, no_such_call, wrong_state};
use super::early::Early;
use super::ticket::Ticket;
use super::timers::Timer;
use super::{Rendezvous, SessionKey};
use crate::signal::protocol::{CallId, Candidate, Description, EndReason, ErrorCode, Secret, ServerMessage};

/// How a call begins.
pub(super) struct Beginning {
    pub(super) polite: Side,
    pub(super) impolite: Side,
    pub(super) room: Option<String>,
    /// The impolite side's offer, for the polite one.
    pub(super) description: Option<Description>,
    /// The device that accepted, and what was kept while it rang.
    pub(super) early: Option<(u32, Early)>,
    pub(super) rejoined: bool,
    /// The conference that the two come from.
    pub(super) replaces: Option<CallId>,
}

impl Beginning {
    /// For the first time, and without an offer.
    pub(super) fn new(polite: Side, impolite: Side, room: Option<String>) -> Self {
        Self { polite, impolite, room, description: None, early: None, rejoined: false, replaces: None }
    }
}

impl Rendezvous {
    /// Puts two sessions through.
    pub(super) fn start(&mut self, call: &CallId, mut beginning: Beginning) {
        self.stats.started += 1;
        self.engage(beginning.polite.session, call);
        self.engage(beginning.impolite.session, call);
        let (device, early) = beginning.early.take().unzip();
        let Early { from_caller, from_device } = early.unwrap_or_default();
        let description = beginning.description.take();
        let mut to_polite = self.started(call, &beginning, true, from_device.candidates.into());
        let to_impolite = self.started(call, &beginning, false, from_caller.candidates.into());
        if let Some(ServerMessage::Started { description: offer, device: number, .. }) = &mut to_polite {
            (*offer, *number) = (description, device);
        }
        let Beginning { polite, impolite, room, replaces, .. } = beginning;
        let sessions = (polite.session, impolite.session);
        let running = Running { polite, impolite, room, polite_hosts: false, conference: replaces, device };
        self.calls.insert(call.clone(), Call::Running(running));
        for (session, message) in [(sessions.0, to_polite), (sessions.1, to_impolite)] {
            if let Some(message) = message {
                self.tell(session, message);
            }
        }
    }

    fn started(
        &self,
        call: &CallId,
        beginning: &Beginning,
        polite: bool,
        candidates: Vec<Candidate>,
    ) -> Option<ServerMessage> {
        let (me, peer) = if polite {
            (&beginning.polite, &beginning.impolite)
        } else {
            (&beginning.impolite, &beginning.polite)
        };
        Some(ServerMessage::Started {
            call: call.clone(),
            peer: self.people.get(&peer.person)?.person.clone(),
            media: peer.media,
            polite,
            ticket: self.ticket(call, me, peer, polite, beginning.room.clone()),
            description: None,
            device: None,
            candidates,
            rejoined: beginning.rejoined,
            replaces: beginning.replaces.clone(),
        })
    }

    /// What brings one of the two back to their call.
    pub(super) fn ticket(
        &self,
        call: &CallId,
        me: &Side,
        peer: &Side,
        polite: bool,
        room: Option<String>,
    ) -> Secret {
        let encrypted = room.as_deref().is_some_and(|room| self.is_encrypted(room));
        let peer_media = peer.media;
        let ticket = Ticket { polite, peer: peer.person.clone(), peer_media, room, encrypted };
        Secret(self.tickets.print(call, &me.person, &ticket))
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
        if let Some(seat) = self.tickets.verify_seat(&call, &me, ticket).filter(|_| is_call_id(&call)) {
            return self.rejoin_conference(key, &call, &seat);
        }
        let ticket = self.tickets.verify(&call, &me, ticket).filter(|_| is_call_id(&call));
        let ticket = ticket.ok_or_else(|| {
            let message = "the ticket is not this person's for this call: present the one from `started`";
            (ErrorCode::BadTicket, message.to_owned())
        })?;
        if session.engaged.call_of_two() == Some(&call) {
            return Err(wrong_state("this session is in this call already"));
        }
        self.may_begin(key)?;
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
                let (old, conference) = (mine.session, running.conference.clone());
                return self.retake(&call, conference, old, key);
            }
            Some(Call::Ringing(_) | Call::Rejoining(_)) => {
                return Err(wrong_state("this call is not one that can be rejoined"));
            }
        }
        Ok(())
    }

    /// Takes the place of an old session in a running call, or in the conference it is becoming.
    fn retake(
        &mut self,
        call: &CallId,
        conference: Option<CallId>,
        old: SessionKey,
        new: SessionKey,
    ) -> Result<(), Failure> {
        if let Some(conference) = conference {
            self.settle_pair(&conference);
            if self.retake_seat(&conference, old, new) {
                return Ok(());
            }
        }
        if !self.calls.contains_key(call) {
            return Err(no_such_call());
        }
        self.take_over(call, old, new);
        Ok(())
    }

    fn await_peer(&mut self, now: Instant, key: SessionKey, person: String, call: CallId, ticket: Ticket) {
        let until = now + self.config.resume_timeout;
        self.engage(key, &call);
        self.timers.set(until, Timer::Rejoin(call.clone()));
        let Ticket { polite, peer, peer_media, room, encrypted: _ } = ticket;
        let waiting = Rejoining { session: key, person, polite, peer, peer_media, room, until };
        self.calls.insert(call, Call::Rejoining(waiting));
    }

    fn complete_rejoin(&mut self, key: SessionKey, person: String, call: &CallId, ticket: &Ticket) {
        let Some(waiting) = self.end_rejoining(call) else { return };
        // Each ticket says what the *other* sends.
        let first = Side { session: waiting.session, person: waiting.person, media: ticket.peer_media };
        let second = Side { session: key, person, media: waiting.peer_media };
        let room = waiting.room.filter(|room| self.occupy(room, call));
        if let Some(room) = &room {
            self.restore_encryption(room, ticket.encrypted);
        }
        let (polite, impolite) = if waiting.polite { (first, second) } else { (second, first) };
        self.start(call, Beginning { rejoined: true, ..Beginning::new(polite, impolite, room) });
    }

    /// A session takes the place of another of the same person in a running call.
    pub(super) fn take_over(&mut self, call: &CallId, old: SessionKey, new: SessionKey) {
        let Some(Running { mut polite, mut impolite, room, polite_hosts, .. }) = self.end_running(call)
        else {
            return;
        };
        self.ended(old, call, EndReason::Elsewhere);
        let side = if polite.session == old { &mut polite } else { &mut impolite };
        side.session = new;
        self.start(call, Beginning { rejoined: true, ..Beginning::new(polite, impolite, room) });
        if let Some(Call::Running(running)) = self.calls.get_mut(call) {
            running.polite_hosts = polite_hosts;
        }
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
                self.release(waiting.session, call);
                Some(waiting)
            }
            other @ (Call::Ringing(_) | Call::Running(_)) => {
                self.calls.insert(call.clone(), other);
                None
            }
        }
    }
}
