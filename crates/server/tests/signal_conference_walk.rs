//! People at links at random, held against a model that knows nothing but who came and who went.
//!
//! The model has no calls, conferences or timers of a handover: it says who is at a link, in which order they came,
//! what they may do and what they send. What pages are told must amount to the same.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use server::signal::forwarding::{LegKey, MediaEvent};
use server::signal::protocol::*;
use server::signal::rendezvous::{Config, Rate};
use wire::{Instant, Rng};

use crate::signal_conference_model::{Link, Page, Place, Seat};
use crate::signal_world::*;

pub(crate) const PEOPLE: usize = 9;
pub(crate) const ROOMS: [&str; 2] = ["red", "blue"];

pub(crate) struct Walk {
    pub(crate) world: World,
    pub(crate) rng: Rng,
    pub(crate) pages: Vec<Page>,
    pub(crate) links: BTreeMap<&'static str, Link>,
    /// Since when sessions are without a socket.
    pub(crate) gone: Vec<(Instant, Place)>,
    pub(crate) met: BTreeMap<&'static str, u32>,
    pub(crate) seed: u64,
}

pub(crate) fn config() -> Config {
    let rate = Rate { burst: 1_000_000, every: Duration::from_nanos(1) };
    Config {
        forwarding: true,
        messages: rate,
        messages_per_address: rate,
        invites: rate,
        invites_per_address: rate,
        ..Config::default()
    }
}

impl Walk {
    fn new(seed: u64) -> Self {
        let (told_at_once, members_per_message) = if seed % 4 == 3 { (2, 2) } else { (PEOPLE, PEOPLE) };
        let mut world = World::new(Config { told_at_once, members_per_message, ..config() });
        for who in 0..PEOPLE {
            world.join(&format!("p{who}"), &format!("P{who}"));
        }
        let pages = (0..PEOPLE).map(|_| Page { session: 1, ..Page::default() }).collect();
        let links = ROOMS.map(|room| (room, Link::default())).into();
        let rng = Rng::new([u8::try_from(seed % 251).unwrap(); 32]);
        Self { world, rng, pages, links, gone: Vec::new(), met: BTreeMap::new(), seed }
    }

    fn pick(&mut self, most: usize) -> usize {
        usize::try_from(self.rng.below(most as u64)).unwrap()
    }

    pub(crate) fn count(&mut self, what: &'static str) {
        *self.met.entry(what).or_default() += 1;
    }

    pub(crate) fn place(&self, who: usize) -> Place {
        Place { who, session: self.pages[who].session }
    }

    pub(crate) fn attached(&self, place: Place) -> bool {
        self.pages[place.who].session == place.session && self.world.clients[place.who].socket.is_some()
    }

    /// The link at which this person's page is, in whatever way.
    fn link_of(&self, who: usize) -> Option<&'static str> {
        let place = self.place(who);
        let at = |link: &Link| {
            link.inside.iter().any(|seat| seat.place == place)
                || link.waiting.contains(&place)
                || link.lobby.iter().any(|(_, waiter)| *waiter == place)
        };
        ROOMS.into_iter().find(|room| at(&self.links[room]))
    }

    fn step(&mut self) {
        let who = self.pick(PEOPLE);
        let connected = self.world.clients[who].socket.is_some();
        match self.rng.below(100) {
            _ if !connected && self.rng.chance(400) => self.connect(who),
            _ if !connected => self.pass_up_to(8_000),
            0..=29 => self.meet(who),
            30..=40 => self.leave(who),
            41..=58 => self.moderate(who),
            59..=68 => self.speak(who),
            69..=74 => {
                self.world.disconnect(who, false);
                self.gone.push((self.world.now, self.place(who)));
            }
            75..=80 => {
                self.world.forget(who);
                self.gone.push((self.world.now, self.place(who)));
                self.connect(who);
            }
            81..=82 => self.sign_off(who),
            83..=92 => self.pass_up_to(3_000),
            93..=94 => self.pass_up_to(70_000),
            95..=96 => self.flap(),
            _ => self.look_at_somebody(who),
        }
        self.react();
        for who in 0..PEOPLE {
            if self.world.clients[who].socket.is_some() && self.rng.chance(150) {
                self.move_on(who);
            }
        }
        self.react();
        if self.is_large() {
            // What changes is told together with what else changes in the meantime.
            if self.rng.chance(700) {
                return;
            }
            self.pass(Duration::from_millis(10 * PEOPLE as u64));
        }
        self.compare();
    }

    /// Whether three make a large conference in this walk.
    fn is_large(&self) -> bool {
        self.seed % 4 == 3
    }

    fn connect(&mut self, who: usize) {
        let before = self.world.clients[who].sessions;
        self.world.connect(who);
        self.react();
        if self.world.clients[who].sessions != before {
            return;
        }
        let place = self.place(who);
        self.gone.retain(|(_, gone)| *gone != place);
        let waits = ROOMS.into_iter().find(|room| self.links[room].waiting.contains(&place));
        if let Some(room) = waits {
            self.arrive(room, place);
        }
    }

    fn meet(&mut self, who: usize) {
        let room = ROOMS[self.pick(ROOMS.len())];
        let inside = |link: &Link| link.inside.iter().any(|seat| seat.place == self.place(who));
        let busy = self.links.values().any(inside);
        // It may be the conference that this page has left before.
        self.pages[who].over.clear();
        self.world.say(who, ClientMessage::Meet { room: room.into(), media: MEDIA, encrypted: false });
        self.react();
        if busy {
            return;
        }
        let place = self.place(who);
        for link in self.links.values_mut() {
            link.waiting.retain(|waiter| *waiter != place);
            link.lobby.retain(|(_, waiter)| *waiter != place);
        }
        self.arrive(room, place);
    }

    /// Somebody is at a link who is nowhere else, or waited there.
    fn arrive(&mut self, room: &'static str, place: Place) {
        let ghost = |other: &Place| other.who == place.who && *other != place;
        let attached: BTreeSet<usize> = (0..PEOPLE).filter(|who| self.attached(self.place(*who))).collect();
        let sessions: Vec<u32> = self.pages.iter().map(|page| page.session).collect();
        let link = self.links.get_mut(room).unwrap();
        let waited = link.waiting.contains(&place);
        if let Some(seat) = link.inside.iter_mut().find(|seat| ghost(&seat.place) && !waited)
            && (!link.conference || !link.removed.contains(&place.who))
        {
            seat.place = place;
            return self.count("took the old place");
        }
        if link.inside.is_empty() {
            link.waiting.retain(|waiter| !ghost(waiter) || waited);
            if !waited {
                link.waiting.push(place);
            }
            let here = |waiter: &&Place| {
                **waiter != place && sessions[waiter.who] == waiter.session && attached.contains(&waiter.who)
            };
            if let Some(other) = link.waiting.iter().find(here).copied() {
                link.waiting.retain(|waiter| *waiter != place && *waiter != other);
                for place in [other, place] {
                    link.sit(place);
                }
                self.count("two met");
            }
            return;
        }
        if !link.conference {
            link.begin();
            self.count("a third came");
        }
        let link = self.links.get_mut(room).unwrap();
        if link.removed.contains(&place.who) || link.locked {
            return self.count("was turned away");
        }
        link.waiting.retain(|waiter| *waiter != place);
        link.lobby.retain(|(_, waiter)| !ghost(waiter));
        if link.lobby_on {
            link.lobby.push((link.next, place));
            link.next += 1;
            return self.count("knocked");
        }
        link.sit(place);
    }

    /// A page hangs up whatever it is in, in either order.
    fn leave(&mut self, who: usize) {
        let page = &mut self.pages[who];
        let mut calls: Vec<CallId> = page.direct.take().into_iter().collect();
        calls.extend(page.conference.take().map(|view| view.call));
        page.over.extend(calls.iter().cloned());
        if self.rng.chance(500) {
            calls.reverse();
        }
        for call in calls {
            self.world.say(who, ClientMessage::End { call });
        }
        if let Some(room) = self.link_of(who) {
            self.world.say(who, ClientMessage::Leave { room: room.into() });
            let place = self.place(who);
            self.depart(room, place);
        }
        self.react();
    }

    fn sign_off(&mut self, who: usize) {
        self.world.disconnect(who, true);
        self.world.clients[who].session = None;
        if let Some(room) = self.link_of(who) {
            let place = self.place(who);
            self.depart(room, place);
        }
        self.react();
        self.connect(who);
    }

    /// A session is at this link no more.
    pub(crate) fn depart(&mut self, room: &'static str, place: Place) {
        let attached: BTreeSet<usize> = (0..PEOPLE).filter(|who| self.attached(self.place(*who))).collect();
        let link = self.links.get_mut(room).unwrap();
        link.waiting.retain(|waiter| *waiter != place);
        link.lobby.retain(|(_, waiter)| *waiter != place);
        let Some(at) = link.inside.iter().position(|seat| seat.place == place) else { return };
        link.inside.remove(at);
        // Who is in a call of two and nothing else has lost it with the other.
        let (pages, forwarder) = (&self.pages, &self.world.forwarder);
        let was_conference = link.conference;
        link.inside.retain(|seat| {
            let page = &pages[seat.place.who];
            let knows = page.session == seat.place.session;
            // A page without a socket may not know yet.
            let unsure = !knows || !attached.contains(&seat.place.who);
            let has_leg = || forwarder.legs.values().any(|leg| leg.number == seat.number);
            match (unsure, was_conference) {
                (false, _) => page.conference.is_some(),
                (true, true) => true,
                // The other had gone to the call of two: did the server close the conference behind them?
                (true, false) => knows && page.conference.is_some() && has_leg(),
            }
        });
        link.conference = !link.inside.is_empty();
        self.see_to(room);
    }

    /// Somebody must be owner, and an empty link is as if it had never been.
    fn see_to(&mut self, room: &'static str) {
        let link = self.links.get_mut(room).unwrap();
        if !link.inside.is_empty() {
            return link.ensure_owner();
        }
        let waiting = std::mem::take(&mut link.waiting);
        *link = Link { waiting: waiting.clone(), ..Link::default() };
        for place in waiting {
            if self.attached(place) && self.links[room].waiting.contains(&place) {
                self.arrive(room, place);
            }
        }
    }

    fn moderate(&mut self, mut who: usize) {
        let owner = |page: &Page| page.conference.as_ref().is_some_and(|view| view.role == Role::Owner);
        let owners: Vec<usize> = (0..PEOPLE)
            .filter(|who| owner(&self.pages[*who]) && self.world.clients[*who].socket.is_some())
            .collect();
        if !owners.is_empty() && self.rng.chance(700) {
            who = owners[self.pick(owners.len())];
        }
        let Some(view) = &self.pages[who].conference else { return };
        let call = view.call.clone();
        let mut numbers: Vec<u32> = view.members.keys().copied().collect();
        let knocking = view.knocking.clone();
        numbers.push(99);
        let (pick, on, kind) = (self.pick(numbers.len()), self.rng.chance(500), self.rng.below(21));
        let member = numbers[pick];
        let knock = knocking.first().copied().unwrap_or(98);
        let action = match kind {
            0..=3 => Action::Mute { member },
            4 => Action::MuteAll,
            5..=6 => Action::Remove { member },
            7..=9 => Action::Admit { member: knock },
            10 => Action::Deny { member: knock },
            11..=13 => Action::Promote { member },
            14 => Action::Demote { member },
            15..=16 => Action::Lock { on: on && self.rng.chance(400) },
            17..=18 => Action::Lobby { on },
            19 => Action::Listeners { on: on && self.rng.chance(500) },
            _ => Action::End,
        };
        self.world.say(who, ClientMessage::Moderate { call, action });
        self.world.settle();
        let place = self.place(who);
        let room = self.link_of(who).expect("a page in a conference is at a link");
        let link = self.links.get_mut(room).unwrap();
        let actor = link.inside.iter().find(|seat| seat.place == place).expect("it is inside");
        if !link.conference || actor.role != Role::Owner {
            return self.react();
        }
        let by = actor.number;
        self.moderated(room, by, action, (member, knock));
        self.react();
    }

    /// What an owner's action changes.
    fn moderated(&mut self, room: &'static str, by: u32, action: Action, (member, knock): (u32, u32)) {
        let link = self.links.get_mut(room).unwrap();
        let target = link.inside.iter_mut().find(|seat| seat.number == member);
        match (action, target) {
            (Action::Mute { .. }, Some(seat)) => seat.mute(),
            (Action::MuteAll, _) => {
                link.inside.iter_mut().filter(|seat| seat.role != Role::Owner).for_each(Seat::mute);
            }
            (Action::Remove { .. }, Some(seat)) if member != by => {
                let gone = seat.place;
                link.removed.insert(gone.who);
                self.react();
                self.count("removed");
                self.depart(room, gone);
            }
            (Action::Admit { .. }, _) => self.admit(room, knock),
            (Action::Deny { .. }, _) => link.lobby.retain(|(number, _)| *number != knock),
            (Action::Promote { .. }, Some(seat)) => seat.set_role(match seat.role {
                Role::Attendee => Role::Presenter,
                Role::Presenter | Role::Owner => Role::Owner,
            }),
            (Action::Demote { .. }, Some(_)) => link.demote(member),
            (Action::Lock { on }, _) => {
                link.locked = on;
                let mut waiting = if on { Vec::new() } else { link.waiting.clone() };
                waiting.retain(|place| self.attached(*place));
                waiting.into_iter().for_each(|place| self.arrive(room, place));
            }
            (Action::Lobby { on }, _) => {
                link.lobby_on = on;
                let waiting: Vec<u32> = link.lobby.iter().map(|(number, _)| *number).collect();
                waiting.into_iter().filter(|_| !on).for_each(|number| self.admit(room, number));
            }
            (Action::Listeners { on }, _) => link.listeners = on,
            (Action::End, _) => {
                self.react();
                self.count("ended");
                let link = self.links.get_mut(room).unwrap();
                link.inside.clear();
                link.lobby.clear();
                self.see_to(room);
            }
            (
                Action::Mute { .. }
                | Action::Unmute { .. }
                | Action::Remove { .. }
                | Action::Promote { .. }
                | Action::Demote { .. }
                | Action::Record { .. }
                | Action::Watching { .. },
                _,
            ) => {}
        }
        self.react();
    }

    fn admit(&mut self, room: &'static str, number: u32) {
        let link = self.links.get_mut(room).unwrap();
        let Some(at) = link.lobby.iter().position(|(waiter, _)| *waiter == number) else { return };
        let (number, place) = link.lobby.remove(at);
        link.sit_as(place, number);
        self.count("admitted");
    }

    fn speak(&mut self, who: usize) {
        let page = &self.pages[who];
        let (Some(view), None) = (&page.conference, &page.direct) else { return };
        let call = view.call.clone();
        let [microphone, camera, screen, hand, raise] =
            [500, 500, 200, 500, 500].map(|odds| self.rng.chance(odds));
        let sending = Sending { microphone, camera, screen };
        let message = if raise {
            ClientMessage::Express { call, hand: Some(hand), reaction: Some("👍".into()) }
        } else {
            ClientMessage::Sending { call, microphone, camera, screen }
        };
        self.world.say(who, message);
        self.react();
        let place = self.place(who);
        let seats = self.links.values_mut().flat_map(|link| &mut link.inside);
        let Some(seat) = seats.into_iter().find(|seat| seat.place == place) else { return };
        if raise {
            seat.hand = hand;
        } else if seat.role != Role::Attendee || sending == Sending::default() {
            seat.sending = sending;
            seat.muted &= !microphone;
        }
    }

    fn look_at_somebody(&mut self, who: usize) {
        let Some(view) = &self.pages[who].conference else { return };
        let (call, numbers) = (view.call.clone(), view.members.keys().copied().collect::<Vec<_>>());
        let member = numbers[self.pick(numbers.len())];
        let slots = vec![None, Some(Want { member, source: Picture::Camera, height: 180 })];
        self.world.say(who, ClientMessage::Layout { call, slots });
        self.react();
    }

    /// A media connection is lost, or comes back.
    fn flap(&mut self) {
        let legs: Vec<LegKey> = self.world.forwarder.legs.keys().copied().collect();
        if legs.is_empty() {
            return;
        }
        let leg = legs[self.pick(legs.len())];
        let connected = &mut self.world.forwarder.legs.get_mut(&leg).unwrap().connected;
        *connected = !*connected;
        let event =
            if *connected { MediaEvent::Connected { leg } } else { MediaEvent::Lost { leg, over: false } };
        self.world.media(event);
        self.react();
    }
}

#[test]
fn whatever_people_do_at_links_they_are_with_those_who_are_there() {
    let mut met: BTreeMap<&str, u32> = BTreeMap::new();
    for seed in 0..40 {
        let mut walk = Walk::new(seed);
        for _ in 0..600 {
            walk.step();
        }
        for who in 0..PEOPLE {
            walk.world.disconnect(who, false);
        }
        walk.world.pass(Duration::from_secs(200));
        let stats = walk.world.rendezvous.stats();
        let left = (stats.sessions, stats.calls, stats.conferences, stats.rooms, stats.members);
        assert_eq!(left, (0, 0, 0, 0, 0), "seed {seed}");
        assert!(walk.world.forwarder.rooms.is_empty(), "seed {seed}");
        assert_eq!(walk.world.rendezvous.poll_timeout(), None, "seed {seed}");
        let refused: usize = walk.world.clients.iter().map(|c| c.refused.len()).sum();
        assert_eq!(refused, 0, "seed {seed}: clients that keep to the protocol are never refused");
        for (what, count) in walk.met {
            *met.entry(what).or_default() += count;
        }
    }
    for what in [
        "two met",
        "a third came",
        "went back to two",
        "took the old place",
        "was turned away",
        "knocked",
        "admitted",
        "removed",
        "ended",
        "was lost",
    ] {
        assert!(met.get(what).is_some_and(|count| *count > 20), "{what} is met: {met:?}");
    }
}
