//! People, encoders and viewers at a link at random, in groups and out of them. What pages believe is held against the
//! forwarder: who is told to be together has media together, and nobody else has.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use server::signal::doors::*;
use server::signal::forwarding::{MediaEvent, Part};
use server::signal::protocol::*;
use wire::Rng;

use crate::signal_conference::{config, meet};
use crate::signal_conference_model::View;
use crate::signal_world::*;

const PEOPLE: usize = 6;
const DOORS: u64 = 4;

struct Course {
    world: World,
    rng: Rng,
    pages: Vec<Belief>,
    /// Which encoder or viewer is at each door.
    doors: BTreeMap<u64, u64>,
    next_door: u64,
    met: BTreeMap<&'static str, u32>,
    seed: u64,
}

/// What a page believes.
#[derive(Default)]
struct Belief {
    seen: usize,
    session: u32,
    view: Option<View>,
    main: CallId,
    direct: Option<CallId>,
    breakout: Option<Breakout>,
    over: BTreeSet<CallId>,
}

impl Course {
    fn new(seed: u64) -> Self {
        let mut world = World::new(config());
        for who in 0..PEOPLE {
            world.join(&format!("p{who}"), &format!("P{who}"));
        }
        let pages = (0..PEOPLE).map(|_| Belief { session: 1, ..Belief::default() }).collect();
        let rng = Rng::new([u8::try_from(seed % 251).unwrap() ^ 0x5a; 32]);
        Self { world, rng, pages, doors: BTreeMap::new(), next_door: 0, met: BTreeMap::new(), seed }
    }

    fn pick(&mut self, most: usize) -> usize {
        usize::try_from(self.rng.below(most as u64)).unwrap()
    }

    fn step(&mut self) {
        let who = self.pick(PEOPLE);
        let connected = self.world.clients[who].socket.is_some();
        match self.rng.below(100) {
            _ if !connected && self.rng.chance(500) => self.world.connect(who),
            _ if !connected => self.pass(5_000),
            0..=19 => {
                self.pages[who].over.clear();
                self.world.say(who, meet());
            }
            20..=27 => self.leave(who),
            28..=57 => self.group(who),
            58..=65 => self.moderate(who),
            66..=77 => self.door(),
            78..=82 => self.world.disconnect(who, false),
            83..=86 => {
                self.world.forget(who);
                self.world.connect(who);
            }
            87..=94 => self.pass(2_500),
            95 => self.pass(70_000),
            96..=97 => self.lose_a_room(),
            _ => self.flap(),
        }
        self.react();
        self.compare();
    }

    /// Something about groups, as often as not by somebody who may.
    fn group(&mut self, who: usize) {
        let Some(view) = &self.pages[who].view else { return };
        let call = view.call.clone();
        let numbers: Vec<u32> = view.members.keys().copied().chain([77]).collect();
        let member = numbers[self.pick(numbers.len())];
        let divided = self.pages[who].breakout.is_some();
        let group = Some(u32::try_from(self.pick(4)).unwrap()).filter(|group| *group > 0);
        let action = match self.rng.below(10) {
            0..=3 if !divided => {
                let groups = 1 + self.pick(3);
                let mut plan: Vec<GroupPlan> =
                    (0..groups).map(|at| GroupPlan { name: format!("G{at}"), members: vec![] }).collect();
                for number in numbers.iter().filter(|number| **number != 77) {
                    let at = self.pick(groups + 1);
                    if let Some(group) = plan.get_mut(at) {
                        group.members.push(*number);
                    }
                }
                let seconds = self.rng.chance(200).then_some(30);
                BreakoutAction::Start { groups: plan, rest: self.rng.chance(300), seconds }
            }
            0..=4 => BreakoutAction::Go { group },
            5..=7 => BreakoutAction::Assign { member, group },
            8 => BreakoutAction::Say { text: "hello".into() },
            _ => BreakoutAction::Recall { seconds: u32::try_from(self.pick(3)).unwrap() },
        };
        self.world.say(who, ClientMessage::Breakout { call, action });
    }

    fn moderate(&mut self, who: usize) {
        let Some(view) = &self.pages[who].view else { return };
        let (call, numbers) = (view.call.clone(), view.members.keys().copied().collect::<Vec<_>>());
        let member = numbers[self.pick(numbers.len())];
        let on = self.rng.chance(300);
        let action = match self.rng.below(12) {
            0..=2 => Action::Promote { member },
            3 => Action::Demote { member },
            4 => Action::Mute { member },
            5 => Action::MuteAll,
            6 => Action::Lock { on },
            7 => Action::Lobby { on },
            8 => Action::Watching { on: true },
            9 => Action::Record { on },
            10 => Action::Remove { member },
            _ => Action::End,
        };
        self.world.say(who, ClientMessage::Moderate { call, action });
    }

    fn leave(&mut self, who: usize) {
        let page = &mut self.pages[who];
        let calls: Vec<CallId> =
            page.view.take().map(|view| view.call).into_iter().chain(page.direct.take()).collect();
        page.breakout = None;
        page.over.extend(calls.iter().cloned());
        for call in calls {
            self.world.say(who, ClientMessage::End { call });
        }
        self.world.say(who, ClientMessage::Leave { room: "r".into() });
    }

    /// An encoder or a viewer comes, offers again, or goes.
    fn door(&mut self) {
        let which = self.rng.below(DOORS);
        let command = match (self.doors.get(&which), self.rng.below(4)) {
            (Some(_), 0) => DoorCommand::Offer { sdp: "o".into() },
            (Some(_), 1) => DoorCommand::Candidate { candidate: "c".into() },
            (Some(_), _) => DoorCommand::Leave,
            (None, _) => {
                let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 9));
                let purpose = if which.is_multiple_of(2) {
                    Purpose::Publish { holder: format!("e{which}"), name: format!("E{which}") }
                } else {
                    Purpose::Watch { invited: true, glance: Glance::default() }
                };
                self.next_door += 1;
                self.doors.insert(which, self.next_door);
                DoorCommand::Enter { address, room: "r".into(), purpose, sdp: "o".into() }
            }
        };
        let door = self.doors[&which];
        self.world.door(door, command);
    }

    /// The forwarder has no place for a room any more.
    fn lose_a_room(&mut self) {
        let rooms: Vec<_> = self.world.forwarder.rooms.keys().copied().collect();
        if !rooms.is_empty() {
            let room = rooms[self.pick(rooms.len())];
            self.world.media(MediaEvent::RoomLost { room });
            *self.met.entry("a room was lost").or_default() += 1;
        }
    }

    fn flap(&mut self) {
        let legs: Vec<_> = self.world.forwarder.legs.keys().copied().collect();
        if !legs.is_empty() {
            let leg = legs[self.pick(legs.len())];
            self.world.media(MediaEvent::Paused { leg, slot: 1, paused: self.seed.is_multiple_of(2) });
            let connected = &mut self.world.forwarder.legs.get_mut(&leg).unwrap().connected;
            *connected = !*connected;
            let event = if *connected {
                MediaEvent::Connected { leg }
            } else {
                MediaEvent::Lost { leg, over: false }
            };
            self.world.media(event);
        }
    }

    fn pass(&mut self, most: u64) {
        let duration = Duration::from_millis(self.rng.below(most));
        self.world.pass(duration);
    }

    /// Pages read what they are told, and answer as pages do.
    fn react(&mut self) {
        self.world.settle();
        loop {
            let mut said = false;
            for who in 0..PEOPLE {
                let client = &self.world.clients[who];
                if self.pages[who].session != client.sessions {
                    self.pages[who] =
                        Belief { seen: client.log_start, session: client.sessions, ..Belief::default() };
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
        let ended = |event: &DoorEvent| matches!(event, DoorEvent::Refused(..) | DoorEvent::Ended(_));
        let told = &self.world.doors;
        self.doors
            .retain(|_, door| told.get(&DoorId(*door)).and_then(|it| it.last()).is_none_or(|it| !ended(it)));
    }

    fn told(&mut self, who: usize, message: ServerMessage) -> bool {
        let page = &mut self.pages[who];
        match message {
            ServerMessage::Started { call, .. } => page.direct = Some(call),
            ServerMessage::Conference {
                call,
                you,
                role,
                members,
                locked,
                lobby,
                listeners,
                main,
                breakout,
                replaces,
                ..
            } => {
                if page.over.contains(&call) || replaces.is_some_and(|call| page.over.contains(&call)) {
                    return false;
                }
                let main = main.unwrap_or_else(|| call.clone());
                assert!(page.view.is_none() || page.main == main, "one moves within one room");
                let members: BTreeMap<u32, Member> =
                    members.into_iter().map(|member| (member.number, member)).collect();
                assert!(members.contains_key(&you), "one is where one is told to be");
                let at = breakout.as_ref().and_then(|it| it.at);
                assert_eq!(at.is_some(), main != call, "who is in a group is told which");
                if at.is_some() {
                    *self.met.entry("was in a group").or_default() += 1;
                }
                page.breakout = breakout.map(|it| *it);
                page.main = main;
                let knocking = Vec::new();
                page.view =
                    Some(View { call: call.clone(), you, role, members, knocking, locked, lobby, listeners });
                self.world.say(who, offer(&call, "o"));
                return true;
            }
            ServerMessage::Breakout { call, breakout } => {
                if page.view.as_ref().is_some_and(|view| view.call == call) {
                    page.breakout = breakout.map(|it| *it);
                }
            }
            ServerMessage::Ended { call, .. } => {
                page.direct.take_if(|direct| *direct == call);
                if page.view.take_if(|view| view.call == call).is_some() {
                    page.breakout = None;
                }
                page.over.insert(call);
            }
            other => {
                if let Some(view) = &mut page.view {
                    view.told(other);
                }
            }
        }
        false
    }

    /// Who believes to be together has media in one room of the forwarder, with all of those and nobody else.
    fn compare(&mut self) {
        let seed = self.seed;
        let mut groups = 0;
        for who in 0..PEOPLE {
            let page = &self.pages[who];
            let (Some(view), true) = (&page.view, self.world.clients[who].socket.is_some()) else { continue };
            let legs = &self.world.forwarder.legs;
            let own = legs.values().find(|leg| leg.number == view.you && leg.part == Part::Member);
            let room = own.unwrap_or_else(|| panic!("seed {seed}: P{who} has media")).room;
            let together =
                legs.values().filter(|leg| leg.room == room && !matches!(leg.part, Part::Viewer { .. }));
            let together: BTreeSet<u32> = together.map(|leg| leg.number).collect();
            let believed: BTreeSet<u32> = view.members.keys().copied().collect();
            assert_eq!(
                believed,
                together,
                "seed {seed}: P{who} in {:?}",
                page.breakout.as_ref().map(|it| it.at)
            );
            let in_group = page.breakout.as_ref().is_some_and(|it| it.at.is_some());
            assert_eq!(in_group, page.main != view.call, "seed {seed}: P{who} knows where they are");
            groups += u32::from(in_group);
            if in_group {
                assert!(view.members.values().all(|member| member.kind == MemberKind::Person), "seed {seed}");
            }
        }
        // Whoever owns the room is told who is where, once it has settled.
        if groups > 0 && self.rng.chance(100) {
            self.world.pass(Duration::from_millis(600));
            self.react();
            self.compare_places();
        }
    }

    fn compare_places(&mut self) {
        for who in 0..PEOPLE {
            let page = &self.pages[who];
            let (Some(view), Some(breakout)) = (&page.view, &page.breakout) else { continue };
            if view.role != Role::Owner || self.world.clients[who].socket.is_none() {
                continue;
            }
            for other in self.pages.iter().filter(|other| other.main == page.main) {
                let Some(theirs) = &other.view else { continue };
                let Some(placed) = breakout.people.iter().find(|placed| placed.number == theirs.you) else {
                    continue; // a page that does not know yet that it is gone
                };
                let knows = self.world.forwarder.legs.values().any(|leg| leg.number == theirs.you);
                let here = other.breakout.as_ref().and_then(|it| it.at);
                let at =
                    self.world.clients.iter().zip(&self.pages).find(|(_, page)| std::ptr::eq(*page, other));
                if knows && at.is_some_and(|(client, _)| client.socket.is_some()) {
                    assert_eq!(
                        placed.at, here,
                        "seed {}: {} is where they are said to be",
                        self.seed, theirs.you
                    );
                    *self.met.entry("an owner knew where somebody was").or_default() += 1;
                }
            }
        }
    }
}

#[test]
fn whoever_is_told_to_be_together_is_and_nothing_is_left_when_all_have_gone() {
    let mut met: BTreeMap<&str, u32> = BTreeMap::new();
    for seed in 0..40 {
        let mut course = Course::new(seed);
        for _ in 0..400 {
            course.step();
        }
        for who in 0..PEOPLE {
            course.world.disconnect(who, false);
        }
        for door in course.doors.clone().into_values() {
            course.world.door(door, DoorCommand::Leave);
        }
        course.world.pass(Duration::from_secs(200));
        let stats = course.world.rendezvous.stats();
        let left = (stats.sessions, stats.calls, stats.conferences, stats.rooms, stats.members);
        assert_eq!(left, (0, 0, 0, 0, 0), "seed {seed}");
        assert!(course.world.forwarder.rooms.is_empty(), "seed {seed}");
        assert_eq!(course.world.rendezvous.poll_timeout(), None, "seed {seed}");
        for (what, count) in course.met {
            *met.entry(what).or_default() += count;
        }
    }
    for what in ["was in a group", "a room was lost", "an owner knew where somebody was"] {
        assert!(met.get(what).is_some_and(|count| *count > 20), "{what} is met: {met:?}");
    }
}
