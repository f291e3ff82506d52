//! A forwarder that keeps book: it holds the rendezvous to the order of its commands, and answers offers.

use std::collections::{BTreeMap, BTreeSet};

use server::signal::forwarding::{LegKey, MediaCommand, MediaEvent, Part, RoomKey, Source, Wish};

/// A member's media connection.
pub(crate) struct Leg {
    pub(crate) room: RoomKey,
    pub(crate) number: u32,
    pub(crate) part: Part,
    /// Whose voice alone it hears.
    pub(crate) hears: Option<LegKey>,
    pub(crate) connected: bool,
    /// What is not passed on.
    pub(crate) barred: BTreeSet<Source>,
    pub(crate) layout: Vec<Option<Wish>>,
}

#[derive(Default)]
pub(crate) struct Forwarder {
    /// With the most members each may have.
    pub(crate) rooms: BTreeMap<RoomKey, usize>,
    pub(crate) legs: BTreeMap<LegKey, Leg>,
    /// What viewers see.
    pub(crate) stages: BTreeMap<RoomKey, Option<Wish>>,
    used_rooms: BTreeSet<RoomKey>,
    used_legs: BTreeSet<LegKey>,
    /// Answers offers, but connects nobody.
    pub(crate) hesitates: bool,
    /// The rooms whose recording was turned on and off.
    pub(crate) recorded: Vec<(RoomKey, bool)>,
}

impl Forwarder {
    pub(crate) fn command(&mut self, command: MediaCommand) -> Vec<MediaEvent> {
        match command {
            MediaCommand::Open { room, members } => {
                assert!(self.used_rooms.insert(room), "a room's key is used once");
                self.rooms.insert(room, members);
            }
            MediaCommand::Close { room } => {
                assert!(self.rooms.remove(&room).is_some(), "a room is closed once");
                self.legs.retain(|_, leg| leg.room != room);
            }
            MediaCommand::Join { room, leg, number, part } => self.join(room, leg, number, part),
            MediaCommand::Offer { leg, sdp } => {
                let found = self.legs.get_mut(&leg).expect("an offer is for a leg that is there");
                if sdp == "bad" {
                    return vec![MediaEvent::Answer { leg, answer: Err("it is bad".into()) }];
                }
                let answer = MediaEvent::Answer { leg, answer: Ok(format!("answer to {sdp}")) };
                if self.hesitates || std::mem::replace(&mut found.connected, true) {
                    return vec![answer];
                }
                return vec![answer, MediaEvent::Connected { leg }];
            }
            MediaCommand::Candidate { leg, .. } => {
                assert!(self.legs.contains_key(&leg), "a candidate is for a leg that is there");
            }
            MediaCommand::Layout { leg, slots } => {
                for wish in slots.iter().flatten() {
                    assert_eq!(self.legs[&wish.leg].room, self.legs[&leg].room, "they see who is there");
                }
                self.legs.get_mut(&leg).expect("a layout is for a leg that is there").layout = slots;
            }
            MediaCommand::Record { room, on } => {
                assert!(self.rooms.contains_key(&room), "this is about a room that is there");
                self.recorded.push((room, on));
            }
            MediaCommand::Stage { room, wish } => {
                assert!(self.rooms.contains_key(&room), "a stage is in a room that is open");
                if let Some(wish) = wish {
                    assert_eq!(self.legs[&wish.leg].room, room, "they see who is there");
                }
                self.stages.insert(room, wish);
            }
            MediaCommand::Listen { leg, to } => {
                assert!(to.is_none_or(|to| self.legs.contains_key(&to)), "they hear who is there");
                self.legs.get_mut(&leg).expect("a viewer hears").hears = to;
            }
            MediaCommand::Allow { leg, source, allowed } => {
                let leg = self.legs.get_mut(&leg).expect("this is about a leg that is there");
                if allowed {
                    leg.barred.remove(&source);
                } else {
                    leg.barred.insert(source);
                }
            }
            MediaCommand::Leave { leg } => {
                assert!(self.legs.remove(&leg).is_some(), "somebody leaves once");
            }
        }
        Vec::new()
    }

    fn join(&mut self, room: RoomKey, leg: LegKey, number: u32, part: Part) {
        assert!(self.used_legs.insert(leg), "a leg's key is used once");
        let most = self.rooms.get(&room).expect("the room is open");
        let inside = self.legs.values().filter(|other| other.room == room);
        assert!(inside.clone().count() < *most, "the room has a place");
        let same = |other: &&Leg| other.number == number && other.part == Part::Member;
        assert!(part != Part::Member || !inside.clone().any(|other| same(&other)), "numbers differ");
        let new = Leg {
            room,
            number,
            part,
            hears: None,
            connected: false,
            barred: BTreeSet::new(),
            layout: Vec::new(),
        };
        self.legs.insert(leg, new);
    }

    /// The leg of a member, in the only room there is.
    pub(crate) fn leg(&self, number: u32) -> LegKey {
        assert_eq!(self.rooms.len(), 1);
        *self.legs.iter().find(|(_, leg)| leg.number == number).expect("the member has a leg").0
    }
}
