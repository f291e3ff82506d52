//! How somebody comes into a conference, for the first time or again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

use super::admin::Doors;
use super::family::InGroup;
use super::news::News;
use super::{Conference, Encoder, Member, Mute, Phase, Waiter};
use crate::signal::admin::What;
use crate::signal::forwarding::{LegKey, MediaCommand, Part, RoomKey, Source};
use crate::signal::protocol::{
    CallId, EndReason, ErrorCode, Media, MemberNumber, Role, Secret, Sending, ServerMessage,
};
use crate::signal::rendezvous::calls::{Call, Failure, Side, draining, no_such_call, wrong_state};
use crate::signal::rendezvous::session::{Engaged, Link};
use crate::signal::rendezvous::ticket::Seat;
use crate::signal::rendezvous::{Rendezvous, SessionKey};

impl Rendezvous {
    /// Somebody opens the link of a call that runs: its conference, or a call of two that becomes one.
    pub(in crate::signal::rendezvous) fn come(
        &mut self,
        key: SessionKey,
        call: &CallId,
        media: Media,
    ) -> Result<(), Failure> {
        if !self.knows_conferences(key) {
            return Err(room_full("more than two are in this room, or would be: this needs a newer client"));
        }
        if self.conferences.contains_key(call) {
            return self.come_in(key, call, media);
        }
        let conference = self.begin_conference(call)?;
        self.come_in(key, &conference, media)
    }

    pub(super) fn knows_conferences(&self, key: SessionKey) -> bool {
        self.sessions.get(&key).is_some_and(|session| session.conferences)
    }

    /// Makes a conference of the two in a call, which goes on until both are connected.
    pub(super) fn begin_conference(&mut self, call: &CallId) -> Result<CallId, Failure> {
        let full = || room_full("two people are in this room already: open another");
        let Some(Call::Running(running)) = self.calls.get(call) else { return Err(full()) };
        let (polite, impolite, room) =
            (running.polite.clone(), running.impolite.clone(), running.room.clone());
        let sides = if running.polite_hosts { [polite, impolite] } else { [impolite, polite] };
        let Some(room) = room.filter(|_| sides.iter().all(|side| self.knows_conferences(side.session)))
        else {
            return Err(full());
        };
        let id = BASE64.encode(self.rng.array::<16>());
        self.open_conference(&id, room, Phase::Steady)?;
        if let Some(Call::Running(running)) = self.calls.get_mut(call) {
            running.conference = Some(id.clone());
        }
        for (number, side) in (1..).zip(&sides) {
            let role = if number == 1 { Role::Owner } else { Role::Presenter };
            self.seat_down(&id, number, side, role, None);
        }
        let until = self.now + self.config.handover_timeout;
        self.set_phase(&id, Phase::From { call: call.clone(), until });
        for number in [1, 2] {
            self.tell_conference(&id, number, Some(call.clone()));
        }
        Ok(id)
    }

    /// Makes a conference without members, if there is room for another.
    pub(super) fn open_conference(&mut self, id: &CallId, room: String, phase: Phase) -> Result<(), Failure> {
        if !self.config.forwarding {
            return Err(room_full("two people are in this room already: open another"));
        }
        if self.config.conferences.is_some_and(|most| self.conferences.len() >= most) {
            return Err(room_full("this server has as many conferences as it may: try again later"));
        }
        self.put_conference(id, &room, None);
        self.rooms.entry(room.clone()).or_default().take(id);
        self.set_phase(id, phase);
        self.kept_started(&room, id);
        self.notice(&room, Some(id), What::Started);
        Ok(())
    }

    /// Makes a conference of a room or of one of its groups.
    pub(super) fn put_conference(&mut self, id: &CallId, room: &str, group: Option<InGroup>) {
        let key = RoomKey(self.next_room);
        self.next_room += 1;
        self.stats.opened += 1;
        self.rooms_by_key.insert(key, id.clone());
        let rules = self.rules_of(room);
        let Doors { locked, lobby, watching } = self.doors_of(room);
        let conference = Conference {
            room: room.to_owned(),
            key,
            members: BTreeMap::new(),
            waiting: BTreeMap::new(),
            next_number: 1,
            locked,
            lobby,
            rules,
            since: self.now,
            removed: BTreeSet::new(),
            phase: Phase::Steady,
            speaking: Vec::new(),
            recording: None,
            breakout: None,
            group,
            watching,
            viewers: BTreeSet::new(),
            viewers_due: None,
            viewers_told: 0,
            stage: None,
            news: News::default(),
        };
        self.conferences.insert(id.clone(), conference);
        let members = self.config.members_per_conference.saturating_add(self.config.viewers_per_conference);
        self.forwarder(MediaCommand::Open { room: key, members });
    }

    /// Somebody new, or who was here and lost their page, comes to a conference.
    pub(super) fn come_in(&mut self, key: SessionKey, call: &CallId, media: Media) -> Result<(), Failure> {
        let Some(me) = self.sessions.get(&key).map(|session| session.person.clone()) else { return Ok(()) };
        let conference = self.conferences.get(call).ok_or_else(no_such_call)?;
        if conference.removed.contains(&me) {
            return Err(room_locked("you were removed from this room"));
        }
        if let Some((call, number)) = self.own_seat(call, &me) {
            self.take_seat(&call, number, key);
            return Ok(());
        }
        let grant = self.grant_for(key, &conference.room);
        conference.rules.may_pass(conference.locked, grant)?;
        let granted = grant.map(|grant| grant.role);
        let role = granted.unwrap_or(conference.rules.newcomers);
        let waits = conference.lobby && conference.rules.waits(grant);
        if self.family_len(call) >= conference.rules.most(self.config.members_per_conference) {
            return Err(room_full("as many people are in this room as may be"));
        }
        let ghosts = conference.waiting.values().filter(|w| w.person == me && self.is_ghost(w.session));
        for ghost in ghosts.map(|waiter| waiter.session).collect::<Vec<_>>() {
            self.leave_room(ghost);
        }
        let (lobby_places, side) = (self.config.lobby_places, Side { session: key, person: me, media });
        let conference = self.conferences.get_mut(call).ok_or_else(no_such_call)?;
        if waits && conference.waiting.len() >= lobby_places {
            return Err(room_full("too many people wait to be admitted to this room: try again later"));
        }
        let number = conference.next_number;
        conference.next_number += 1;
        if waits {
            self.wait_in_lobby(call, number, side, granted);
        } else {
            self.enter(call, number, &side, role);
        }
        Ok(())
    }

    /// A session does not wait to be admitted any more.
    pub(in crate::signal::rendezvous) fn leave_lobby(&mut self, key: SessionKey, call: &CallId) {
        let Some(conference) = self.conferences.get_mut(call) else { return };
        conference.waiting.retain(|_, waiter| waiter.session != key);
        self.tell_knocking(call);
        self.look_at_pair(call);
    }

    /// `open` of a conference: it has a link already.
    pub(in crate::signal::rendezvous) fn opened_conference(
        &mut self,
        key: SessionKey,
        call: &CallId,
    ) -> Option<ServerMessage> {
        let (_, number) = self.seat(key, call).ok()?;
        let conference = self.conferences.get(call)?;
        let ticket = self.seat_ticket(call, conference, number, conference.members.get(&number)?);
        Some(ServerMessage::Opened { call: call.clone(), room: conference.room.clone(), ticket })
    }

    fn wait_in_lobby(&mut self, call: &CallId, number: MemberNumber, side: Side, granted: Option<Role>) {
        let Side { session, person, media } = side;
        self.leave_room(session);
        let Some(conference) = self.conferences.get_mut(call) else { return };
        conference.waiting.insert(number, Waiter { session, person, media, granted });
        let room = conference.room.clone();
        if let Some(session) = self.sessions.get_mut(&session) {
            session.engaged = Engaged::Lobby(call.clone());
        }
        self.tell(session, ServerMessage::Lobby { call: call.clone(), room });
        self.tell_knocking(call);
        self.notice_of_knock(call, number);
        self.look_at_pair(call);
    }

    /// Takes a place, tells everybody, and sees to what follows from it.
    pub(super) fn enter(&mut self, call: &CallId, number: MemberNumber, side: &Side, role: Role) {
        self.seat_down(call, number, side, role, None);
        self.tell_conference(call, number, None);
        self.tell_of_new(call, number);
        // Where only encoders were, whoever comes first moderates.
        self.ensure_owner(call);
        self.look_at_pair(call);
    }

    pub(super) fn seat_down(
        &mut self,
        call: &CallId,
        number: MemberNumber,
        side: &Side,
        role: Role,
        encoder: Option<Encoder>,
    ) {
        let speaks = role != Role::Attendee;
        let member = Member {
            session: side.session,
            person: side.person.clone(),
            encoder,
            role,
            sending: Sending {
                microphone: side.media.audio && speaks,
                camera: side.media.video && speaks,
                screen: false,
            },
            hand: false,
            mute: Mute::No,
            since: self.now,
            leg: None,
            connected: false,
            offers: VecDeque::new(),
            layout: Vec::new(),
            missed: BTreeMap::new(),
            voices: Vec::new(),
            shown: BTreeMap::new(),
            paused: BTreeSet::new(),
            wanted: None,
        };
        self.leave_room(side.session);
        self.stop_ringing_at(side.session, EndReason::Busy);
        if let Some(session) = self.sessions.get_mut(&side.session) {
            session.engaged = match std::mem::replace(&mut session.engaged, Engaged::Free) {
                Engaged::Call(of_two) => Engaged::Moving { call: of_two, conference: call.clone() },
                _ => Engaged::Conference(call.clone()),
            };
        }
        self.stats.joined += 1;
        if let Some(conference) = self.conferences.get_mut(call) {
            conference.next_number = conference.next_number.max(number + 1);
            conference.members.insert(number, member);
        }
        self.new_leg(call, number);
        self.notice_of(call, number, What::Joined);
    }

    /// Gives a member a media connection instead of the one before.
    pub(super) fn new_leg(&mut self, call: &CallId, number: MemberNumber) {
        let leg = LegKey(self.next_leg);
        let Some(conference) = self.conferences.get_mut(call) else { return };
        let room = conference.key;
        let Some(member) = conference.members.get_mut(&number) else { return };
        let before = member.leg.replace(leg);
        member.connected = false;
        member.offers.clear();
        member.layout.clear();
        member.voices.clear();
        member.shown.clear();
        member.paused.clear();
        member.wanted = None;
        let part = if member.encoder.is_some() { Part::Publisher } else { Part::Member };
        let (silent, muted) = (member.role == Role::Attendee, member.mute != Mute::No);
        self.next_leg += 1;
        self.end_leg(before);
        self.legs.insert(leg, (call.clone(), number));
        self.forwarder(MediaCommand::Join { room, leg, number, part });
        for source in Source::ALL {
            if silent || (muted && source == Source::Microphone) {
                self.forwarder(MediaCommand::Allow { leg, source, allowed: false });
            }
        }
        self.lay_out_again(call, number);
    }

    /// Another session of the same person takes a member's place.
    pub(in crate::signal::rendezvous) fn take_seat(
        &mut self,
        call: &CallId,
        number: MemberNumber,
        key: SessionKey,
    ) {
        let old = self.conferences.get(call).and_then(|c| c.members.get(&number)).map(|m| m.session);
        if old
            .and_then(|old| self.sessions.get(&old))
            .is_some_and(|s| matches!(s.engaged, Engaged::Moving { .. }))
        {
            // The page that had the call of two is gone.
            self.finish_from(call, None);
        }
        let Some(member) = self.conferences.get_mut(call).and_then(|c| c.members.get_mut(&number)) else {
            return;
        };
        let old = std::mem::replace(&mut member.session, key);
        self.release_conference(old, call);
        self.ended(old, call, EndReason::Elsewhere);
        self.leave_room(key);
        self.stop_ringing_at(key, EndReason::Busy);
        if let Some(session) = self.sessions.get_mut(&key) {
            session.engaged = Engaged::Conference(call.clone());
        }
        self.begin_anew(call, number);
    }

    /// A member's media begin anew, with a connection that the client is still to offer.
    fn begin_anew(&mut self, call: &CallId, number: MemberNumber) {
        self.new_leg(call, number);
        self.tell_conference(call, number, None);
        let mute = self.conferences.get(call).and_then(|c| c.members.get(&number)).map(|member| member.mute);
        if let Some(Mute::By(by, _)) = mute {
            self.tell_muted(call, number, by); // another page, or none that knows
        }
        self.tell_of(call, number);
        self.tell_who_knocks(call, number);
        self.look_at_pair(call);
    }

    /// As `take_seat`, if that session has a seat in the conference.
    pub(in crate::signal::rendezvous) fn retake_seat(
        &mut self,
        call: &CallId,
        old: SessionKey,
        new: SessionKey,
    ) -> bool {
        let number = self.seat(old, call).map(|(_, number)| number);
        if let Ok(number) = number {
            self.take_seat(call, number, new);
        }
        number.is_ok()
    }

    pub(super) fn tell_conference(&mut self, call: &CallId, number: MemberNumber, replaces: Option<CallId>) {
        let Some(conference) = self.conferences.get(call) else { return };
        let Some(member) = conference.members.get(&number) else { return };
        let session = member.session;
        let main = conference.group.as_ref().map(|group| group.main.clone());
        // Its doors are the main room's.
        let Some(outer) = self.conferences.get(main.as_ref().unwrap_or(call)) else { return };
        let (members, more) = self.first_page(conference, number);
        let message = ServerMessage::Conference {
            call: call.clone(),
            room: conference.room.clone(),
            you: number,
            role: member.role,
            members,
            locked: outer.locked,
            lobby: outer.lobby,
            recording: self.described_recording(conference),
            watching: outer.watching,
            watchers: conference.watchers(),
            listeners: outer.rules.newcomers == Role::Attendee,
            title: outer.rules.title.clone(),
            breakout: self.described_breakout(call, number),
            main,
            encrypted: self.is_encrypted(&conference.room),
            ticket: self.seat_ticket(call, conference, number, member),
            replaces,
        };
        if let Some(member) = self.conferences.get_mut(call).and_then(|c| c.members.get_mut(&number)) {
            member.missed.clear();
        }
        self.tell(session, message);
        for members in more {
            let message = ServerMessage::Members { call: call.clone(), left: Vec::new(), members };
            self.tell(session, message);
        }
    }

    /// What brings a member back after the server has forgotten the conference.
    pub(super) fn seat_ticket(
        &self,
        call: &CallId,
        conference: &Conference,
        number: MemberNumber,
        member: &Member,
    ) -> Secret {
        let encrypted = self.is_encrypted(&conference.room);
        let seat = Seat { role: member.role, number, room: conference.room.clone(), encrypted };
        // Who is in a group comes back to it by the main room: a server that was restarted knows no groups.
        Secret(self.tickets.print_seat(&self.main_of(call), &member.person, &seat))
    }

    /// Somebody comes back with a ticket: to begin their media anew, with another page, or after a restart.
    pub(in crate::signal::rendezvous) fn rejoin_conference(
        &mut self,
        key: SessionKey,
        call: &CallId,
        seat: &Seat,
    ) -> Result<(), Failure> {
        let Some(session) = self.sessions.get(&key) else { return Ok(()) };
        let me = session.person.clone();
        if let Some(here) = self.conference_of(key).filter(|here| self.main_of(here) == *call) {
            self.may_try(key)?;
            let (_, number) = self.seat(key, &here)?;
            self.begin_anew(&here, number);
            return Ok(());
        }
        self.may_begin(key)?;
        self.settle_pair(call);
        self.make_way(call, seat);
        let there = self.whereabouts(call, seat.number);
        let seated = self.conferences.get(&there).and_then(|it| it.members.get(&seat.number));
        let (taken, mine) = (seated.is_some(), seated.is_some_and(|member| member.person == me));
        match self.conferences.get(call) {
            None => self.reopen(key, &me, call, seat),
            Some(conference) if conference.removed.contains(&me) => {
                Err(room_locked("you were removed from this room"))
            }
            Some(_) if mine => {
                self.take_seat(&there, seat.number, key);
                Ok(())
            }
            Some(conference) if matches!(conference.phase, Phase::Returning { .. }) => {
                // Somebody new may have come first, and have the number.
                let number = if taken { conference.next_number } else { seat.number };
                self.come_back(key, me, call, &Seat { number, ..seat.clone() });
                Ok(())
            }
            Some(_) => self.come_in(key, call, Media::default()),
        }
    }

    /// The first to come back to a conference that this server does not know makes it anew.
    fn reopen(&mut self, key: SessionKey, me: &str, call: &CallId, seat: &Seat) -> Result<(), Failure> {
        if self.draining {
            return Err(draining());
        }
        if !self.knows_conferences(key) {
            return Err(wrong_state("this client said in `hello` that it knows no conferences"));
        }
        // Encoders are faster than people.
        let unattended = self.rooms.get(&seat.room).and_then(|room| room.call()).cloned();
        let unattended =
            unattended.filter(|id| self.conferences.get(id).is_some_and(Conference::is_unattended));
        if let Some(id) = unattended.filter(|_| !self.calls.contains_key(call)) {
            self.adopt(&id, call);
            self.set_phase(call, Phase::Returning { until: self.now + self.config.resume_timeout });
            self.make_way(call, seat);
            self.come_back(key, me.to_owned(), call, seat);
            return Ok(());
        }
        if self.calls.contains_key(call)
            || self.rooms.get(&seat.room).is_some_and(|room| room.call().is_some())
        {
            let message = "the conference is over and its link leads to another call: meet there";
            return Err((ErrorCode::NoSuchCall, message.to_owned()));
        }
        let until = self.now + self.config.resume_timeout;
        self.open_conference(call, seat.room.clone(), Phase::Returning { until })?;
        self.restore_encryption(&seat.room, seat.encrypted);
        self.come_back(key, me.to_owned(), call, seat);
        // Who came to the link before the members were back.
        self.wake_waiting(&seat.room);
        Ok(())
    }

    fn come_back(&mut self, session: SessionKey, person: String, call: &CallId, seat: &Seat) {
        let side = Side { session, person, media: Media::default() };
        self.enter(call, seat.number, &side, seat.role);
    }

    pub(super) fn is_ghost(&self, key: SessionKey) -> bool {
        self.sessions.get(&key).is_some_and(|s| matches!(s.link, Link::Detached(_)))
    }
}

pub(super) fn room_full(message: &str) -> Failure {
    (ErrorCode::RoomFull, message.to_owned())
}

pub(super) fn room_locked(message: &str) -> Failure {
    (ErrorCode::RoomLocked, message.to_owned())
}
