//! Rooms: whoever holds the link meets whoever else holds it.

use super::calls::{Call, Failure, Side, draining, is_base64url, no_such_call};
use super::session::{Engaged, Link};
use super::started::Beginning;
use super::{Rendezvous, SessionKey};
use crate::signal::keys::Grant;
use crate::signal::protocol::{CallId, Door, ErrorCode, Media, Secret, ServerMessage};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

/// A link that somebody opened.
#[derive(Default)]
pub(super) struct Room {
    /// Who waits, first come first. Only one of them has a socket, else they would be in a call.
    waiting: Vec<(SessionKey, Media)>,
    /// The call of the two who met here.
    call: Option<CallId>,
    /// Whether those who meet here encrypt for each other what the server forwards. Said by the first, and never changed.
    encrypted: bool,
}

impl Room {
    /// The link leads to this call from now on.
    pub(super) fn take(&mut self, call: &CallId) {
        self.call = Some(call.clone());
    }

    pub(super) fn call(&self) -> Option<&CallId> {
        self.call.as_ref()
    }

    /// Who has waited for the longest time.
    pub(super) fn first_waiting(&self) -> Option<(SessionKey, Media)> {
        self.waiting.first().copied()
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.encrypted
    }
}

/// Whether a text can be a room's name.
pub(super) fn is_room(room: &str) -> bool {
    !room.is_empty() && room.len() <= 64 && is_base64url(room)
}

impl Rendezvous {
    /// `key`: somebody wants an encoder or a player to come into a room.
    pub(super) fn give_key(
        &mut self,
        key: SessionKey,
        (room, door): (String, Door),
        name: Result<Option<String>, String>,
        expires: u64,
    ) -> Result<(), Failure> {
        let name = name.map_err(|message| (ErrorCode::BadName, message))?;
        let call = self.rooms.get(&room).and_then(|place| place.call.as_ref());
        let engaged = self.sessions.get(&key).map(|session| &session.engaged);
        let allowed = match call {
            Some(call) if self.conferences.contains_key(call) => self.owns(key, call),
            Some(call) => engaged.and_then(Engaged::call_of_two) == Some(call),
            None => matches!(engaged, Some(Engaged::Room(here)) if *here == room),
        };
        if !allowed {
            let message =
                "only an owner of the conference in a room, or whoever is there first, gives keys to it";
            return Err((ErrorCode::NotAllowed, message.to_owned()));
        }
        let text = self.print_key(&room, door, name, expires);
        self.tell(key, ServerMessage::Key { room, door, key: text, expires });
        Ok(())
    }

    /// A key to one door of a room.
    pub(super) fn print_key(&mut self, room: &str, door: Door, name: Option<String>, expires: u64) -> Secret {
        let id = BASE64.encode(self.rng.array::<9>());
        Secret(self.keys.print(&Grant { id, room: room.to_owned(), door, expires, name }))
    }

    pub(super) fn meet(
        &mut self,
        key: SessionKey,
        room: String,
        media: Media,
        encrypted: bool,
    ) -> Result<(), Failure> {
        if !is_room(&room) {
            let message = "a room's name has 1 to 64 characters of A-Z a-z 0-9 - _";
            return Err((ErrorCode::BadRoom, message.to_owned()));
        }
        self.may_begin(key)?;
        if self.draining {
            return Err(draining());
        }
        self.leave_room(key);
        self.drop_ghosts(&room, key);
        self.may_decrypt(&room, encrypted)?;
        let call = self.call_at(&room);
        if let Some((call, place)) = self.own_place(&room, key) {
            self.take_over(&call, place, key);
            return Ok(());
        }
        if let Some(call) = call {
            return self.come(key, &call, media);
        }
        if self.kept.contains_key(&room) {
            return self.come_first(key, &room, media);
        }
        let place = self.rooms.entry(room.clone()).or_insert(Room { encrypted, ..Room::default() });
        if place.waiting.len() >= self.config.waiting_per_room {
            self.tidy_room(&room);
            let message = "too many people wait in this room already: open another";
            return Err((ErrorCode::RoomFull, message.to_owned()));
        }
        place.waiting.push((key, media));
        if let Some(session) = self.sessions.get_mut(&key) {
            session.engaged = Engaged::Room(room.clone());
        }
        if !self.match_room(key) {
            self.tell(key, ServerMessage::Waiting { room });
        }
        Ok(())
    }

    /// Whether a link with or without a key leads into the room as it is.
    fn may_decrypt(&self, room: &str, encrypted: bool) -> Result<(), Failure> {
        let known = self.rooms.get(room).map(Room::is_encrypted).or_else(|| self.set_up_encrypted(room));
        let message = match known {
            Some(true) if !encrypted => {
                "the room is end-to-end encrypted: open it by its whole link, whose end (#k=…) is the key"
            }
            Some(false) if encrypted => {
                "the room is not end-to-end encrypted, but the link holds a key: open another room"
            }
            _ => return Ok(()),
        };
        Err((ErrorCode::Encryption, message.to_owned()))
    }

    /// Whether those who meet in the room encrypt for each other.
    pub(super) fn is_encrypted(&self, room: &str) -> bool {
        let place = self.rooms.get(room).is_some_and(Room::is_encrypted);
        place || self.set_up_encrypted(room) == Some(true)
    }

    /// A call or conference that the server had forgotten comes back to its link, which is as it was.
    pub(super) fn restore_encryption(&mut self, room: &str, encrypted: bool) {
        let place = self.rooms.entry(room.to_owned()).or_default();
        place.encrypted |= encrypted;
    }

    /// No longer waits at the link; nothing if it did not.
    pub(super) fn leave(&mut self, key: SessionKey, room: &str) {
        let there = match self.sessions.get(&key).map(|s| &s.engaged) {
            Some(Engaged::Room(here)) => here == room,
            Some(Engaged::Lobby(call)) => self.conferences.get(call).is_some_and(|c| c.room() == room),
            _ => false,
        };
        if there {
            self.leave_room(key);
        }
    }

    pub(super) fn leave_room(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        if let Engaged::Lobby(call) = session.engaged.clone() {
            session.engaged = Engaged::Free;
            self.leave_lobby(key, &call);
            return;
        }
        let Engaged::Room(room) = session.engaged.clone() else { return };
        session.engaged = Engaged::Free;
        if let Some(place) = self.rooms.get_mut(&room) {
            place.waiting.retain(|(waiter, _)| *waiter != key);
        }
        self.tidy_room(&room);
    }

    /// Puts a session that waits and has a socket through to another such one. Whether there was one.
    pub(super) fn match_room(&mut self, key: SessionKey) -> bool {
        let Some(Engaged::Room(room)) = self.sessions.get(&key).map(|s| s.engaged.clone()) else {
            return false;
        };
        let Some(place) = self.rooms.get(&room) else { return false };
        if place.call.is_some() {
            return self.come_from_waiting(key, &room);
        }
        let own = place.waiting.iter().find(|(waiter, _)| *waiter == key).copied();
        let attached =
            |key: &SessionKey| self.sessions.get(key).is_some_and(|s| matches!(s.link, Link::Attached(_)));
        let other = place.waiting.iter().find(|(waiter, _)| *waiter != key && attached(waiter)).copied();
        let (Some(own), Some(other)) = (own, other) else { return false };
        let call = BASE64.encode(self.rng.array::<16>());
        self.occupy(&room, &call);
        if let (Some(polite), Some(impolite)) = (self.side(own), self.side(other)) {
            // Who waited had the time to get ready, and makes the first offer.
            self.start(&call, Beginning::new(polite, impolite, Some(room)));
        }
        true
    }

    /// Somebody who waits where others have met meanwhile joins them. Whether that could be.
    fn come_from_waiting(&mut self, key: SessionKey, room: &str) -> bool {
        let Some(place) = self.rooms.get(room) else { return false };
        let Some((_, media)) = place.waiting.iter().find(|(waiter, _)| *waiter == key).copied() else {
            return false;
        };
        let call = self.call_at(room);
        call.is_some_and(|call| self.come(key, &call, media).is_ok())
    }

    /// The call or conference to which a link leads, once it is clear which.
    pub(super) fn call_at(&mut self, room: &str) -> Option<CallId> {
        let call = self.rooms.get(room)?.call.clone()?;
        self.settle_pair(&call);
        self.rooms.get(room)?.call.clone()
    }

    /// Whoever waits at a link, and has a socket, joins the conference there.
    pub(super) fn wake_waiting(&mut self, room: &str) {
        let Some(place) = self.rooms.get(room) else { return };
        let attached =
            |key: &SessionKey| self.sessions.get(key).is_some_and(|s| matches!(s.link, Link::Attached(_)));
        let waiting: Vec<SessionKey> = place.waiting.iter().map(|(w, _)| *w).filter(attached).collect();
        for waiter in waiting {
            self.come_from_waiting(waiter, room);
        }
    }

    /// `open`: a running call of two gets a link, if it has none.
    pub(super) fn open(&mut self, key: SessionKey, call: &CallId) -> Result<(), Failure> {
        if let Some(message) = self.opened_conference(key, call) {
            self.tell(key, message);
            return Ok(());
        }
        let name = BASE64.encode(self.rng.array::<12>());
        let Some(Call::Running(running)) = self.calls.get_mut(call) else { return Err(no_such_call()) };
        if running.other(key).is_none() {
            return Err(no_such_call());
        }
        let fresh = running.room.is_none();
        if fresh {
            running.room = Some(name.clone());
            running.polite_hosts = running.polite.session == key;
        }
        let (polite, impolite) = (running.polite.clone(), running.impolite.clone());
        let room = running.room.clone().unwrap_or_default();
        if fresh {
            self.occupy(&room, call);
        }
        for (me, peer, is_polite) in [(&polite, &impolite, true), (&impolite, &polite, false)] {
            if fresh || me.session == key {
                let ticket = self.ticket(call, me, peer, is_polite, Some(room.clone()));
                let message = ServerMessage::Opened { call: call.clone(), room: room.clone(), ticket };
                self.tell(me.session, message);
            }
        }
        Ok(())
    }

    /// Gives a room to a call, if no other call has it.
    pub(super) fn occupy(&mut self, room: &str, call: &CallId) -> bool {
        let place = self.rooms.entry(room.to_owned()).or_default();
        let free = place.call.is_none();
        if free {
            place.call = Some(call.clone());
        }
        free
    }

    /// A room's call is over: whoever waits there may meet now.
    pub(super) fn vacate(&mut self, room: Option<String>, call: &CallId) {
        let Some(room) = room else { return };
        let Some(place) = self.rooms.get_mut(&room) else { return };
        if place.call.as_ref() == Some(call) {
            place.call = None;
        }
        for waiter in place.waiting.iter().map(|(waiter, _)| *waiter).collect::<Vec<_>>() {
            if self.sessions.get(&waiter).is_some_and(|s| matches!(s.link, Link::Attached(_))) {
                self.match_room(waiter);
            }
        }
        self.tidy_room(&room);
    }

    fn side(&self, (session, media): (SessionKey, Media)) -> Option<Side> {
        let person = self.sessions.get(&session)?.person.clone();
        Some(Side { session, person, media })
    }

    /// Where this person is in the room's call of two with a session that lost its socket: they reloaded the page.
    fn own_place(&self, room: &str, key: SessionKey) -> Option<(CallId, SessionKey)> {
        let call = self.rooms.get(room)?.call.as_ref()?;
        let Some(Call::Running(running)) = self.calls.get(call) else { return None };
        let me = &self.sessions.get(&key)?.person;
        let lost = |side: &&Side| {
            let session = self.sessions.get(&side.session);
            side.person == *me && session.is_some_and(|s| matches!(s.link, Link::Detached(_)))
        };
        let place = [&running.polite, &running.impolite].into_iter().find(lost)?;
        Some((call.clone(), place.session))
    }

    /// Sessions of the same person that wait here without a socket: the page they were in was reloaded.
    fn drop_ghosts(&mut self, room: &str, key: SessionKey) {
        let Some(me) = self.sessions.get(&key).map(|s| s.person.clone()) else { return };
        let Some(place) = self.rooms.get(room) else { return };
        let ghost = |waiter: &SessionKey| {
            let session = self.sessions.get(waiter);
            session.is_some_and(|s| s.person == me && matches!(s.link, Link::Detached(_)))
        };
        let ghosts: Vec<SessionKey> = place.waiting.iter().map(|(w, _)| *w).filter(ghost).collect();
        for ghost in ghosts {
            self.leave_room(ghost);
        }
    }

    fn tidy_room(&mut self, room: &str) {
        if self.rooms.get(room).is_some_and(|place| place.waiting.is_empty() && place.call.is_none()) {
            self.rooms.remove(room);
        }
    }
}
