//! People at links at random, held against a model that knows nothing but who came and who went.
//!
//! The model has no calls, conferences or timers of a handover: it says who is at a link, in which order they came,
//! what they may do and what they send. What pages are told must amount to the same.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use server::signal::forwarding::{LegKey, MediaEvent, Source};
use server::signal::protocol::*;
use server::signal::rendezvous::{Config, Rate};
use wire::{Instant, Rng};

use crate::signal_forwarder::Leg;
use crate::signal_world::*;

const PEOPLE: usize = 9;
const ROOMS: [&str; 2] = ["red", "blue"];

/// What a page has made of what it was told.
#[derive(Default)]
struct Page {
    seen: usize,
    session: u32,
    direct: Option<CallId>,
    conference: Option<View>,
    lobby: Option<CallId>,
    /// What it has left: what still comes about it means nothing.
    over: BTreeSet<CallId>,
    errors: BTreeMap<String, u32>,
}

/// A conference as a page sees it.
struct View {
    call: CallId,
    you: u32,
    role: Role,
    members: BTreeMap<u32, Member>,
    knocking: Vec<u32>,
    locked: bool,
    lobby: bool,
}

/// A link.
#[derive(Default)]
struct Link {
    /// First the host.
    inside: Vec<Seat>,
    waiting: Vec<Place>,
    lobby: Vec<(u32, Place)>,
    conference: bool,
    next: u32,
    locked: bool,
    lobby_on: bool,
    removed: BTreeSet<usize>,
}

/// A session of somebody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Place {
    who: usize,
    session: u32,
}

#[derive(Clone, Debug)]
struct Seat {
    place: Place,
    number: u32,
    role: Role,
    sending: Sending,
    hand: bool,
    muted: bool,
}

struct Walk {
    world: World,
    rng: Rng,
    pages: Vec<Page>,
    links: BTreeMap<&'static str, Link>,
    /// Since when sessions are without a socket.
    gone: Vec<(Instant, Place)>,
    met: BTreeMap<&'static str, u32>,
    seed: u64,
}

fn config() -> Config {
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

const BOTH: Sending = Sending { microphone: true, camera: true, screen: false };

impl Walk {
    fn new(seed: u64) -> Self {
        let mut world = World::new(config());
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

    fn count(&mut self, what: &'static str) {
        *self.met.entry(what).or_default() += 1;
    }

    fn place(&self, who: usize) -> Place {
        Place { who, session: self.pages[who].session }
    }

    fn attached(&self, place: Place) -> bool {
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
        self.compare();
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
        self.world.say(who, ClientMessage::Meet { room: room.into(), media: MEDIA });
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
        if let Some(seat) = link.inside.iter_mut().find(|seat| ghost(&seat.place) && !waited) {
            if !link.conference || !link.removed.contains(&place.who) {
                seat.place = place;
                return self.count("took the old place");
            }
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
    fn depart(&mut self, room: &'static str, place: Place) {
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
        let (pick, on, kind) = (self.pick(numbers.len()), self.rng.chance(500), self.rng.below(20));
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
        let (by, inside) = (actor.number, link.inside.iter().map(|seat| seat.place).collect::<Vec<_>>());
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
                let waiting = if on { Vec::new() } else { link.waiting.clone() };
                for place in waiting.into_iter().filter(|place| self.attached(*place)).collect::<Vec<_>>() {
                    self.arrive(room, place);
                }
            }
            (Action::Lobby { on }, _) => {
                link.lobby_on = on;
                let waiting: Vec<u32> = link.lobby.iter().map(|(number, _)| *number).collect();
                for number in waiting.into_iter().filter(|_| !on) {
                    self.admit(room, number);
                }
            }
            (Action::End, _) => {
                self.react();
                self.count("ended");
                let link = self.links.get_mut(room).unwrap();
                link.inside.clear();
                link.lobby.clear();
                assert!(!inside.is_empty());
                self.see_to(room);
            }
            (
                Action::Mute { .. } | Action::Remove { .. } | Action::Promote { .. } | Action::Demote { .. },
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

    fn pass_up_to(&mut self, most: u64) {
        let duration = Duration::from_millis(self.rng.below(most));
        self.pass(duration);
    }

    /// Lets time pass; sessions without a socket end in the order in which they lost it.
    fn pass(&mut self, duration: Duration) {
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

impl Link {
    fn sit(&mut self, place: Place) {
        let number = self.next;
        self.next += 1;
        self.sit_as(place, number);
    }

    fn sit_as(&mut self, place: Place, number: u32) {
        let role = Role::Presenter;
        self.inside.push(Seat { place, number, role, sending: BOTH, hand: false, muted: false });
    }

    /// A call of two becomes a conference, with new numbers.
    fn begin(&mut self) {
        self.conference = true;
        self.next = 3;
        for (number, seat) in (1..).zip(&mut self.inside) {
            let Sending { microphone, camera, screen } = seat.sending;
            let role = if number == 1 { Role::Owner } else { Role::Presenter };
            let sending = Sending { microphone, camera: camera || screen, screen: false };
            *seat = Seat { place: seat.place, number, role, sending, hand: false, muted: false };
        }
    }

    fn ensure_owner(&mut self) {
        self.inside.sort_by_key(|seat| seat.number);
        if self.inside.iter().any(|seat| seat.role == Role::Owner) {
            return;
        }
        let heir = self.inside.iter().position(|seat| seat.role == Role::Presenter).unwrap_or(0);
        self.inside[heir].set_role(Role::Owner);
    }

    fn demote(&mut self, number: u32) {
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
    fn mute(&mut self) {
        self.muted = true;
        self.sending.microphone = false;
    }

    fn set_role(&mut self, role: Role) {
        self.role = role;
        if role == Role::Attendee {
            self.sending = Sending::default();
        }
    }
}

/// Pages read what they are told, and answer as pages do.
impl Walk {
    fn react(&mut self) {
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
    fn note_moves(&mut self) {
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
            ServerMessage::Conference { call, you, role, members, locked, lobby, replaces, .. } => {
                let over = replaces.as_ref().is_some_and(|replaced| page.over.contains(replaced));
                if over || page.over.contains(&call) {
                    return false;
                }
                assert_eq!(page.direct, replaces, "it replaces the call of two that one is in");
                assert!(page.conference.as_ref().is_none_or(|view| view.call == call));
                let members = members.into_iter().map(|member| (member.number, member)).collect();
                let knocking = Vec::new();
                page.conference =
                    Some(View { call: call.clone(), you, role, members, knocking, locked, lobby });
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
    fn move_on(&mut self, who: usize) {
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

impl View {
    fn told(&mut self, message: ServerMessage) {
        match message {
            ServerMessage::Member { call, member } if call == self.call => {
                assert_ne!(member.number, self.you, "one is not told of oneself");
                self.members.insert(member.number, member);
            }
            ServerMessage::MemberLeft { call, number, .. } if call == self.call => {
                assert!(self.members.remove(&number).is_some(), "who left was there");
            }
            ServerMessage::Role { call, role, .. } if call == self.call => self.role = role,
            ServerMessage::Settings { call, locked, lobby } if call == self.call => {
                (self.locked, self.lobby) = (locked, lobby);
            }
            ServerMessage::Knocking { call, people } if call == self.call => {
                self.knocking = people.into_iter().map(|knock| knock.number).collect();
            }
            _ => {}
        }
    }
}

/// What pages see is what the model says.
impl Walk {
    fn compare(&mut self) {
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
        assert_eq!((view.locked, view.lobby), (link.locked, link.lobby_on), "seed {seed}");
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
}

fn barred(seat: &Seat) -> BTreeSet<Source> {
    match (seat.role, seat.muted) {
        (Role::Attendee, _) => BTreeSet::from(Source::ALL),
        (_, true) => BTreeSet::from([Source::Microphone]),
        (_, false) => BTreeSet::new(),
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
