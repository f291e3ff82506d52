//! Links as people know them: who is there, who came first, and what each may do and sends. And what pages make of
//! what they are told.

use std::collections::{BTreeMap, BTreeSet};

use server::signal::forwarding::Source;
use server::signal::protocol::*;

/// What a page has made of what it was told.
#[derive(Default)]
pub(crate) struct Page {
    pub(crate) seen: usize,
    pub(crate) session: u32,
    pub(crate) direct: Option<CallId>,
    pub(crate) conference: Option<View>,
    pub(crate) lobby: Option<CallId>,
    /// What it has left: what still comes about it means nothing.
    pub(crate) over: BTreeSet<CallId>,
    pub(crate) errors: BTreeMap<String, u32>,
}

/// A conference as a page sees it.
pub(crate) struct View {
    pub(crate) call: CallId,
    pub(crate) you: u32,
    pub(crate) role: Role,
    pub(crate) members: BTreeMap<u32, Member>,
    pub(crate) knocking: Vec<u32>,
    pub(crate) locked: bool,
    pub(crate) lobby: bool,
    pub(crate) listeners: bool,
}

/// A link.
#[derive(Default)]
pub(crate) struct Link {
    /// First the host.
    pub(crate) inside: Vec<Seat>,
    pub(crate) waiting: Vec<Place>,
    pub(crate) lobby: Vec<(u32, Place)>,
    pub(crate) conference: bool,
    pub(crate) next: u32,
    pub(crate) locked: bool,
    pub(crate) lobby_on: bool,
    pub(crate) listeners: bool,
    pub(crate) removed: BTreeSet<usize>,
}

/// A session of somebody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub(crate) who: usize,
    pub(crate) session: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct Seat {
    pub(crate) place: Place,
    pub(crate) number: u32,
    pub(crate) role: Role,
    pub(crate) sending: Sending,
    pub(crate) hand: bool,
    pub(crate) muted: bool,
}

pub(crate) const BOTH: Sending = Sending { microphone: true, camera: true, screen: false };

impl Link {
    pub(crate) fn sit(&mut self, place: Place) {
        let number = self.next;
        self.next += 1;
        self.sit_as(place, number);
    }

    pub(crate) fn sit_as(&mut self, place: Place, number: u32) {
        let mut seat =
            Seat { place, number, role: Role::Presenter, sending: BOTH, hand: false, muted: false };
        if self.conference && self.listeners {
            seat.set_role(Role::Attendee);
        }
        self.inside.push(seat);
    }

    /// A call of two becomes a conference, with new numbers.
    pub(crate) fn begin(&mut self) {
        self.conference = true;
        self.next = 3;
        for (number, seat) in (1..).zip(&mut self.inside) {
            let Sending { microphone, camera, screen } = seat.sending;
            let role = if number == 1 { Role::Owner } else { Role::Presenter };
            let sending = Sending { microphone, camera: camera || screen, screen: false };
            *seat = Seat { place: seat.place, number, role, sending, hand: false, muted: false };
        }
    }

    pub(crate) fn ensure_owner(&mut self) {
        self.inside.sort_by_key(|seat| seat.number);
        if self.inside.iter().any(|seat| seat.role == Role::Owner) {
            return;
        }
        let heir = self.inside.iter().position(|seat| seat.role == Role::Presenter).unwrap_or(0);
        self.inside[heir].set_role(Role::Owner);
    }

    pub(crate) fn demote(&mut self, number: u32) {
        let owners = self.inside.iter().filter(|seat| seat.role == Role::Owner).count();
        let Some(seat) = self.inside.iter_mut().find(|seat| seat.number == number) else { return };
        match seat.role {
            Role::Owner if owners == 1 => {}
            Role::Owner => seat.set_role(Role::Presenter),
            Role::Presenter | Role::Attendee => seat.set_role(Role::Attendee),
        }
    }
}

impl Seat {
    pub(crate) fn mute(&mut self) {
        self.muted = true;
        self.sending.microphone = false;
    }

    pub(crate) fn set_role(&mut self, role: Role) {
        self.role = role;
        if role == Role::Attendee {
            self.sending = Sending::default();
        }
    }
}

impl View {
    pub(crate) fn told(&mut self, message: ServerMessage) {
        match message {
            ServerMessage::Member { call, member } if call == self.call => {
                assert_ne!(member.number, self.you, "one is not told of oneself");
                self.members.insert(member.number, member);
            }
            ServerMessage::Members { call, left, members } if call == self.call => {
                self.members.retain(|number, _| !left.contains(number));
                for member in members.iter() {
                    assert_ne!(member.number, self.you, "one is not told of oneself");
                    self.members.insert(member.number, member.clone());
                }
            }
            ServerMessage::MemberLeft { call, number, .. } if call == self.call => {
                assert!(self.members.remove(&number).is_some(), "who left was there");
            }
            ServerMessage::Role { call, role, .. } if call == self.call => self.role = role,
            ServerMessage::Settings { call, locked, lobby, listeners, .. } if call == self.call => {
                (self.locked, self.lobby, self.listeners) = (locked, lobby, listeners);
            }
            ServerMessage::Knocking { call, people } if call == self.call => {
                self.knocking = people.into_iter().map(|knock| knock.number).collect();
            }
            _ => {}
        }
    }
}

pub(crate) fn barred(seat: &Seat) -> BTreeSet<Source> {
    match (seat.role, seat.muted) {
        (Role::Attendee, _) => BTreeSet::from(Source::ALL),
        (_, true) => BTreeSet::from([Source::Microphone]),
        (_, false) => BTreeSet::new(),
    }
}
