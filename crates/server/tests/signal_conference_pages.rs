//! The pages of the walk: they read what they are told and answer as pages do, and what they see is held against the
//! model.

use std::collections::BTreeSet;
use std::time::Duration;

use server::signal::protocol::*;

use crate::signal_conference_model::{Link, Page, Seat, View, barred};
use crate::signal_conference_walk::{PEOPLE, ROOMS, Walk, config};
use crate::signal_forwarder::Leg;
use crate::signal_world::*;

/// Pages read what they are told, and answer as pages do.
impl Walk {
    pub(crate) fn react(&mut self) {
        self.world.settle();
        loop {
            let mut said = false;
            for who in 0..PEOPLE {
                if self.pages[who].session != self.world.clients[who].sessions {
                    let client = &self.world.clients[who];
                    self.pages[who] =
                        Page { seen: client.log_start, session: client.sessions, ..Page::default() };
                }
                while let Some(message) = self.world.clients[who].log.get(self.pages[who].seen).cloned() {
                    self.pages[who].seen += 1;
                    said |= self.told(who, message);
                }
            }
            self.world.settle();
            if !said {
                break;
            }
        }
        self.note_moves();
    }

    /// Two in a conference, of whom one is in the call of two only: they have gone back to it.
    pub(crate) fn note_moves(&mut self) {
        for link in self.links.values_mut() {
            let moved = |seat: &Seat| {
                let page = &self.pages[seat.place.who];
                let hears = self.world.clients[seat.place.who].socket.is_some();
                hears
                    && page.session == seat.place.session
                    && page.direct.is_some()
                    && page.conference.is_none()
            };
            if link.conference && link.inside.len() == 2 && link.inside.iter().any(moved) {
                link.conference = false;
                *self.met.entry("went back to two").or_default() += 1;
            }
        }
    }

    fn told(&mut self, who: usize, message: ServerMessage) -> bool {
        let page = &mut self.pages[who];
        match message {
            ServerMessage::Started { call, replaces, .. } => {
                if replaces.as_ref().is_some_and(|replaced| page.over.contains(replaced)) {
                    page.over.insert(call.clone());
                    self.world.say(who, ClientMessage::End { call });
                    return true;
                }
                if page.over.contains(&call) {
                    return false;
                }
                let own = page.conference.as_ref().map(|view| view.call.clone());
                assert_eq!(
                    own, replaces,
                    "a call of two begins for who is in nothing, or in what it replaces"
                );
                assert!(page.direct.as_ref().is_none_or(|direct| *direct == call));
                page.direct = Some(call);
            }
            ServerMessage::Conference {
                call,
                you,
                role,
                members,
                locked,
                lobby,
                listeners,
                replaces,
                ..
            } => {
                let over = replaces.as_ref().is_some_and(|replaced| page.over.contains(replaced));
                if over || page.over.contains(&call) {
                    return false;
                }
                assert_eq!(page.direct, replaces, "it replaces the call of two that one is in");
                assert!(page.conference.as_ref().is_none_or(|view| view.call == call));
                let members = members.into_iter().map(|member| (member.number, member)).collect();
                let knocking = Vec::new();
                page.conference =
                    Some(View { call: call.clone(), you, role, members, knocking, locked, lobby, listeners });
                page.lobby = None;
                self.world.say(who, offer(&call, "o"));
                return true;
            }
            ServerMessage::Lobby { call, .. } => page.lobby = Some(call),
            ServerMessage::Ended { call, reason } => {
                let conference = page.conference.as_ref().is_some_and(|view| view.call == call);
                if conference {
                    page.conference = None;
                } else if page.direct.as_ref() == Some(&call) {
                    page.direct = None;
                } else if page.lobby.as_ref() == Some(&call) {
                    page.lobby = None;
                } else {
                    assert!(page.over.contains(&call), "P{who} is told that {call} has ended: {reason:?}");
                }
                page.over.insert(call);
            }
            ServerMessage::Error { code, .. } => *page.errors.entry(format!("{code:?}")).or_default() += 1,
            other => {
                if let Some(view) = &mut page.conference {
                    view.told(other);
                }
            }
        }
        false
    }

    /// A page that is in both goes where it is to go: the call of two that follows the conference has media.
    pub(crate) fn move_on(&mut self, who: usize) {
        let page = &mut self.pages[who];
        let (Some(_), Some(view)) = (&page.direct, &page.conference) else { return };
        // Not where the conference follows: that call the server ends.
        if view.members.len() > 2 {
            return;
        }
        let call = view.call.clone();
        let follows = self.world.clients[who].log.iter().any(
            |m| matches!(m, ServerMessage::Started { replaces: Some(replaced), .. } if *replaced == call),
        );
        if follows {
            page.over.insert(call.clone());
            page.conference = None;
            self.world.say(who, ClientMessage::End { call });
        }
    }
}

/// What pages see is what the model says.
impl Walk {
    pub(crate) fn compare(&mut self) {
        let mut legs = 0;
        for room in ROOMS {
            let link = &self.links[room];
            let seed = self.seed;
            assert!(link.conference || link.inside.len() <= 2, "seed {seed}: three are a conference");
            assert!(link.conference || link.inside.len() != 1, "seed {seed}: one alone is in no call");
            let mut calls = BTreeSet::new();
            for seat in &link.inside {
                let page = &self.pages[seat.place.who];
                if !self.attached(seat.place) {
                    continue;
                }
                if link.conference {
                    let view =
                        page.conference.as_ref().unwrap_or_else(|| panic!("seed {seed}: {seat:?} is in it"));
                    calls.insert(view.call.clone());
                    self.compare_view(link, seat, view);
                } else {
                    calls.insert(
                        page.direct.clone().unwrap_or_else(|| panic!("seed {seed}: {seat:?} is in it")),
                    );
                }
            }
            assert!(calls.len() <= 1, "seed {seed}: who is at one link is in one call");
            for (_, place) in link.lobby.iter().filter(|(_, place)| self.attached(*place)) {
                assert!(
                    self.pages[place.who].lobby.is_some(),
                    "seed {seed}: P{} waits in the lobby",
                    place.who
                );
            }
            if link.conference {
                legs += link.inside.len();
            }
        }
        for who in 0..PEOPLE {
            let page = &self.pages[who];
            let inside =
                self.links.values().flat_map(|link| &link.inside).any(|seat| seat.place == self.place(who));
            if self.world.clients[who].socket.is_some() && !inside {
                let seed = self.seed;
                assert!(
                    page.direct.is_none() && page.conference.is_none(),
                    "seed {seed}: P{who} is in nothing"
                );
            }
        }
        let half = self.links.values().filter(|link| !link.conference).flat_map(|link| &link.inside);
        let half = half.filter(|seat| self.pages[seat.place.who].conference.is_some()).count();
        let found = self.world.forwarder.legs.len();
        assert!(
            (legs..=legs + half + 1).contains(&found),
            "seed {}: {found} legs for {legs} and {half}",
            self.seed
        );
        assert_eq!(self.world.rendezvous.stats().members, found);
    }

    fn compare_view(&self, link: &Link, seat: &Seat, view: &View) {
        let seed = self.seed;
        assert_eq!((view.you, view.role), (seat.number, seat.role), "seed {seed}: {seat:?}");
        let told = (view.locked, view.lobby, view.listeners);
        assert_eq!(told, (link.locked, link.lobby_on, link.listeners), "seed {seed}");
        let numbers: BTreeSet<u32> = link.inside.iter().map(|seat| seat.number).collect();
        assert_eq!(view.members.keys().copied().collect::<BTreeSet<_>>(), numbers, "seed {seed}: {seat:?}");
        if seat.role == Role::Owner {
            let waiting: Vec<u32> = link.lobby.iter().map(|(number, _)| *number).collect();
            assert_eq!(view.knocking, waiting, "seed {seed}");
        }
        for other in link.inside.iter().filter(|other| other.number != seat.number) {
            let seen = &view.members[&other.number];
            let legs = self.world.forwarder.legs.values().filter(|leg| leg.number == other.number);
            let is = |leg: &Leg| leg.barred == barred(other) && leg.connected == seen.connected;
            assert!({ legs }.any(is), "seed {seed}: what is passed on of {other:?} is as it should be");
            assert_eq!(seen.person.id, format!("p{}", other.place.who), "seed {seed}");
            assert_eq!(
                (seen.role, seen.sending, seen.hand),
                (other.role, other.sending, other.hand),
                "seed {seed}: {other:?}"
            );
        }
    }

    pub(crate) fn pass_up_to(&mut self, most: u64) {
        let duration = Duration::from_millis(self.rng.below(most));
        self.pass(duration);
    }

    /// Lets time pass; sessions without a socket end in the order in which they lost it.
    pub(crate) fn pass(&mut self, duration: Duration) {
        let end = self.world.now + duration;
        let life = config().resume_timeout;
        while let Some(at) = self.gone.iter().position(|(since, _)| *since + life <= end) {
            let (since, place) = self.gone.remove(at);
            let left = (since + life).saturating_since(self.world.now);
            self.world.pass(left);
            // The model looks at pages as they were before.
            let room = ROOMS.into_iter().find(|room| {
                let link = &self.links[room];
                link.inside.iter().any(|seat| seat.place == place)
                    || link.waiting.contains(&place)
                    || link.lobby.iter().any(|(_, waiter)| *waiter == place)
            });
            if let Some(room) = room {
                self.note_moves();
                self.depart(room, place);
                self.count("was lost");
            }
            self.react();
        }
        let left = end.saturating_since(self.world.now);
        self.world.pass(left);
        self.react();
    }
}
