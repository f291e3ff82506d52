//! Conferences: three or more at a link, whose media the forwarder carries.
//!
//! ```text
//!              a third comes                     two remain for a while
//! call of two ───────────────► From ─► Steady ─► Two ─► To ───────────► call of two
//!              both connected, or          ▲      │      │
//!              a time is over              └──────┴──────┘  somebody comes, or it does not come about
//! ```
//! While a conference is in `From` or `To`, its two people are in the call of two as well: nothing is taken from them
//! before the other way has media.

mod admin;
mod applications;
mod breakout;
mod come;
mod doors;
mod family;
mod forward;
mod moderate;
mod moves;
mod news;
mod notice;
mod pair;
mod record;
mod speak;
mod views;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use wire::Instant;

pub(super) use self::admin::KeptRoom;
use self::admin::Rules;
use self::breakout::Breakout;
pub(super) use self::doors::Place;
use self::family::InGroup;
use self::news::News;

use super::calls::{Failure, no_such_call};
use super::session::Engaged;
use super::timers::Timer;
use super::{Rendezvous, SessionKey};
use crate::signal::admin::What;
use crate::signal::bus::Event;
use crate::signal::doors::DoorId;
use crate::signal::forwarding::{LegKey, MediaCommand, RoomKey, Wish};
use crate::signal::protocol::{
    self, CallId, EndReason, Media, MemberKind, MemberNumber, Role, Sending, ServerMessage, View, Want,
};

/// A conference.
pub(super) struct Conference {
    /// Its link.
    room: String,
    key: RoomKey,
    /// The lowest number has been there for the longest time.
    members: BTreeMap<MemberNumber, Member>,
    /// The lobby.
    waiting: BTreeMap<MemberNumber, Waiter>,
    next_number: MemberNumber,
    locked: bool,
    lobby: bool,
    rules: Rules,
    since: Instant,
    /// People who may not come back.
    removed: BTreeSet<String>,
    phase: Phase,
    speaking: Vec<MemberNumber>,
    recording: Option<record::Running>,
    /// The groups it is divided into.
    breakout: Option<Box<Breakout>>,
    /// Whose group it is, if it is one.
    group: Option<InGroup>,
    /// Whether everybody with the link may watch.
    watching: bool,
    viewers: BTreeSet<DoorId>,
    /// When members are told how many those are, and what they were told last.
    viewers_due: Option<Instant>,
    viewers_told: u32,
    /// What viewers see who did not ask for anything else, as the forwarder was told.
    stage: Option<Wish>,
    news: News,
}

/// Where a conference is on its way between two and more.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Phase {
    /// Takes the place of a call of two, which runs until both are connected here, or until then.
    From { call: CallId, until: Instant },
    /// As long as more than two are there, or something else keeps it.
    Steady,
    /// Two are left: at that time they are put through to each other.
    Two { at: Instant },
    /// They are in a call of two again, and leave the conference one after the other.
    To { call: CallId, until: Instant },
    /// The server was restarted: members come back until then.
    Returning { until: Instant },
    /// The two could not be put through: nothing is tried again before somebody comes or goes.
    Stays,
}

/// Somebody in a conference.
struct Member {
    /// An encoder's is nobody's.
    session: SessionKey,
    person: String,
    encoder: Option<Encoder>,
    role: Role,
    sending: Sending,
    hand: bool,
    mute: Mute,
    since: Instant,
    /// Their media connection; `None` after it has ended.
    leg: Option<LegKey>,
    connected: bool,
    /// The numbers of their offers that are not answered.
    offers: VecDeque<u64>,
    /// What they want to see.
    layout: Vec<Option<Want>>,
    /// Whom they were not told of because they have no socket, and whether those are new to them. What changes in the
    /// meantime is not queued: nobody can fill the queue of somebody who is away.
    missed: BTreeMap<MemberNumber, bool>,
    voices: Vec<Option<MemberNumber>>,
    shown: BTreeMap<u16, View>,
    /// The picture slots that stand still because their path carries no more.
    paused: BTreeSet<u16>,
    wanted: Option<Vec<String>>,
}

impl Member {
    /// What they want to see in that slot.
    fn wants(&self, slot: u16) -> Option<View> {
        let Want { member, source, .. } = self.layout.get(usize::from(slot)).copied().flatten()?;
        Some(View { member, source })
    }
}

/// A member without a session, who came by HTTP.
struct Encoder {
    door: DoorId,
    name: String,
    /// What of its media arrives at the forwarder.
    flowing: Sending,
}

impl Encoder {
    fn new(door: DoorId, name: String) -> Self {
        Self { door, name, flowing: Sending::default() }
    }
}

/// Whether a moderator has muted somebody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mute {
    No,
    /// They were told by this member, under this number of their session.
    By(MemberNumber, u64),
}

/// Somebody in the lobby.
struct Waiter {
    session: SessionKey,
    person: String,
    media: Media,
    /// As what they come in, if a join token says so.
    granted: Option<Role>,
}

impl Conference {
    fn number_of(&self, key: SessionKey) -> Option<MemberNumber> {
        self.members.iter().find(|(_, member)| member.session == key).map(|(number, _)| *number)
    }

    /// Whether nobody is there but encoders.
    fn is_unattended(&self) -> bool {
        self.breakout.is_none() && self.members.values().all(|member| member.encoder.is_some())
    }

    fn watchers(&self) -> u32 {
        u32::try_from(self.viewers.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn room(&self) -> &str {
        &self.room
    }
}

impl Rendezvous {
    /// The conference of that id and the number of this session in it.
    fn seat(&mut self, key: SessionKey, call: &CallId) -> Result<(&mut Conference, MemberNumber), Failure> {
        let conference = self.conferences.get_mut(call).ok_or_else(no_such_call)?;
        let number = conference.number_of(key).ok_or_else(no_such_call)?;
        Ok((conference, number))
    }

    fn forwarder(&mut self, command: MediaCommand) {
        self.events.push_back(Event::Media(command));
    }

    /// Whether this session is an owner there, or in one of its groups.
    pub(super) fn owns(&self, key: SessionKey, call: &CallId) -> bool {
        self.owners_of(call).iter().any(|(_, session)| *session == key)
    }

    /// Tells every member but one.
    fn tell_members(&mut self, call: &CallId, except: Option<MemberNumber>, message: &ServerMessage) {
        let Some(conference) = self.conferences.get(call) else { return };
        let others = conference.members.iter().filter(|(number, _)| Some(**number) != except);
        for session in others.map(|(_, member)| member.session).collect::<Vec<_>>() {
            self.tell(session, message.clone());
        }
    }

    /// Who a member is: of encoders nobody knows more than that they have a key.
    fn person_of(&self, member: &Member) -> Option<protocol::Person> {
        let Some(Encoder { name, .. }) = &member.encoder else {
            return Some(self.people.get(&member.person)?.person.clone());
        };
        Some(protocol::Person { id: member.person.clone(), name: name.clone(), verified: false })
    }

    /// Somebody as the others see them.
    fn described(&self, conference: &Conference, number: MemberNumber) -> Option<protocol::Member> {
        let member = conference.members.get(&number)?;
        Some(protocol::Member {
            number,
            person: self.person_of(member)?,
            kind: if member.encoder.is_some() { MemberKind::Encoder } else { MemberKind::Person },
            role: member.role,
            sending: member.sending,
            hand: member.hand,
            connected: member.connected,
        })
    }

    /// Tells the owners who waits, wherever they are.
    fn tell_knocking(&mut self, call: &CallId) {
        for (at, owner) in self.owners_of(&self.main_of(call)) {
            if let Some(message) = self.knocking(&at) {
                self.tell(owner, message);
            }
        }
    }

    /// Tells an owner whose page begins anew who waits, if anybody does.
    fn tell_who_knocks(&mut self, call: &CallId, number: MemberNumber) {
        let member = self.conferences.get(call).and_then(|it| it.members.get(&number));
        let Some(session) = member.filter(|it| it.role == Role::Owner).map(|it| it.session) else { return };
        let knocked = self.conferences.get(&self.main_of(call)).is_some_and(|it| !it.waiting.is_empty());
        if let Some(message) = self.knocking(call).filter(|_| knocked) {
            self.tell(session, message);
        }
    }

    /// Who waits, as it is told to owners in that conference.
    fn knocking(&self, call: &CallId) -> Option<ServerMessage> {
        let knock = |(number, waiter): (&MemberNumber, &Waiter)| {
            let person = self.people.get(&waiter.person)?.person.clone();
            Some(protocol::Knock { number: *number, person })
        };
        let main = self.main_of(call);
        let people = self.conferences.get(&main)?.waiting.iter().filter_map(knock).collect();
        Some(ServerMessage::Knocking { call: call.clone(), people })
    }

    /// Takes a session out of its conference.
    pub(super) fn leave_conference(&mut self, key: SessionKey, call: &CallId, reason: EndReason) {
        let Ok((_, number)) = self.seat(key, call) else { return };
        self.take_out(call, number, reason);
    }

    /// Takes a member out, tells the others, and sees to what follows from it.
    fn take_out(&mut self, call: &CallId, number: MemberNumber, reason: EndReason) {
        self.notice_of(call, number, |member| What::Left(member, reason));
        let Some(conference) = self.conferences.get_mut(call) else { return };
        let Some(member) = conference.members.remove(&number) else { return };
        conference.speaking.retain(|speaker| *speaker != number);
        self.record_left(call, number);
        self.end_leg(member.leg);
        if let Some(encoder) = &member.encoder {
            self.forget_door(encoder.door, reason);
        }
        self.release_conference(member.session, call);
        self.tell_left(call, number, reason);
        self.ensure_owner(call);
        self.look_at_views(call);
        let call = &self.main_of(call);
        self.places_changed(call);
        if self.people_of(call).is_empty() {
            // Without anybody in it a room is not divided any more.
            self.unite(call);
        }
        if self.conferences.get(call).is_some_and(|c| c.is_unattended() && !c.members.is_empty()) {
            // Nobody is there any more who could let somebody in.
            if let Some(conference) = self.conferences.get_mut(call) {
                conference.locked = false;
            }
            self.set_lobby(call, false);
        }
        self.look_at_pair(call);
    }

    fn end_leg(&mut self, leg: Option<LegKey>) {
        let Some(leg) = leg else { return };
        if self.legs.remove(&leg).is_some() {
            self.forwarder(MediaCommand::Leave { leg });
        }
    }

    /// The conference is over for everybody who is still there, and so are its groups.
    fn close_conference(&mut self, call: &CallId, reason: EndReason) {
        let groups = self.take_breakout(call).map(|breakout| breakout.groups);
        for group in groups.into_iter().flatten() {
            self.close_conference(&group.call, reason);
        }
        self.end_recording(call);
        let heir = self.conferences.get(call).and_then(|conference| self.heir_of(conference));
        self.set_phase(call, Phase::Steady);
        let numbers = self.conferences.get(call).map(|c| c.members.keys().copied().collect::<Vec<_>>());
        for number in numbers.into_iter().flatten() {
            self.notice_of(call, number, |member| What::Left(member, reason));
        }
        let Some(conference) = self.conferences.remove(call) else { return };
        if conference.group.is_none() {
            self.notice(&conference.room, Some(call), What::Ended(reason));
            self.kept_ended(&conference.room);
        }
        for (_, member) in conference.members {
            if let Some(leg) = member.leg {
                self.legs.remove(&leg);
            }
            if let Some(encoder) = member.encoder {
                self.forget_door(encoder.door, reason);
            }
            self.release_conference(member.session, call);
            self.ended(member.session, call, reason);
        }
        for (_, waiter) in conference.waiting {
            self.release_conference(waiter.session, call);
            self.ended(waiter.session, call, reason);
        }
        for door in conference.viewers {
            self.viewer_legs.retain(|_, other| *other != door);
            self.forget_door(door, reason);
        }
        if let Some(due) = conference.viewers_due {
            self.timers.clear(due, Timer::Viewers(call.clone()));
        }
        if let Some(due) = conference.news.due {
            self.timers.clear(due, Timer::News(call.clone()));
        }
        self.rooms_by_key.remove(&conference.key);
        self.forwarder(MediaCommand::Close { room: conference.key });
        match heir {
            Some(heir) => self.hand_down(&conference.room, &heir),
            None if conference.group.is_some() => {}
            None => self.vacate(Some(conference.room), call),
        }
    }

    /// The session is in this conference, or in its lobby, no more.
    fn release_conference(&mut self, key: SessionKey, call: &CallId) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        session.engaged = match &session.engaged {
            Engaged::Conference(c) | Engaged::Lobby(c) if c == call => Engaged::Free,
            Engaged::Moving { call: of_two, conference } if conference == call => {
                Engaged::Call(of_two.clone())
            }
            other => other.clone(),
        };
    }

    /// Enters a phase and leaves the one before it, with its timer.
    fn set_phase(&mut self, call: &CallId, phase: Phase) {
        let until = |phase: &Phase| match phase {
            Phase::From { until, .. } | Phase::To { until, .. } | Phase::Returning { until } => Some(*until),
            Phase::Two { at } => Some(*at),
            Phase::Steady | Phase::Stays => None,
        };
        let Some(conference) = self.conferences.get_mut(call) else { return };
        if let Some(at) = until(&conference.phase) {
            self.timers.clear(at, Timer::Conference(call.clone()));
        }
        if let Some(at) = until(&phase) {
            self.timers.set(at, Timer::Conference(call.clone()));
        }
        conference.phase = phase;
    }

    /// Somebody must be there who can moderate: if nobody is, who has been there for the longest time.
    fn ensure_owner(&mut self, call: &CallId) {
        let main = self.main_of(call);
        let Some(conference) = self.conferences.get(&main) else { return };
        // In a room that an application set up, it says who moderates.
        let settled = conference.rules.kept || matches!(conference.phase, Phase::Returning { .. });
        if self.family_owners(&main) > 0 || settled {
            return;
        }
        let heir = self.first_of(&main, Role::Presenter).or_else(|| self.first_of(&main, Role::Attendee));
        if let Some(heir) = heir {
            self.set_role(&self.whereabouts(&main, heir), heir, Role::Owner);
        }
    }
}
