//! Rooms that have parts on other threads: who is there stands in for whoever is elsewhere.

use sfu::{Event, MemberId};
use wire::Instant;

use super::{Forwarder, Leg};
use crate::media::sharing::Word;
use crate::signal::forwarding::{LegKey, RoomKey};

impl Forwarder {
    /// A room has these parts on other threads from now on. `first` says that it began here.
    pub(in crate::media) fn spread(&mut self, now: Instant, room: RoomKey, first: bool, others: Vec<usize>) {
        let Some(found) = self.rooms.get_mut(&room) else { return };
        let id = found.id;
        let new: Vec<usize> =
            others.iter().filter(|thread| !found.others.contains(thread)).copied().collect();
        let gone: Vec<usize> =
            found.others.iter().filter(|thread| !others.contains(thread)).copied().collect();
        let shared = !others.is_empty();
        found.others = others;
        self.parts =
            self.parts + usize::from(!first) - usize::from(std::mem::replace(&mut found.part, !first));
        self.sfu.share(now, id, shared);
        let own: Vec<(LegKey, MemberId)> = self
            .legs
            .iter()
            .filter(|(_, leg)| leg.room == room && leg.home.is_none())
            .map(|(key, leg)| (*key, leg.member))
            .collect();
        for (leg, member) in own {
            new.iter().for_each(|thread| self.introduce(leg, *thread));
            // Nobody there wants anything any more.
            gone.iter().for_each(|thread| self.sfu.demand(now, member, *thread, &[]));
        }
    }

    /// Tells another thread what somebody here sends.
    fn introduce(&mut self, leg: LegKey, thread: usize) {
        let Some(found) = self.legs.get(&leg) else { return };
        let sources = self.sfu.encodings(found.member);
        if sources.is_empty() {
            return;
        }
        let Leg { room, number, allowed, .. } = *found;
        let word = Word::Member { room, leg, thread: self.sharing.thread(), number, sources, allowed };
        self.sharing.say(thread, word, &[]);
    }

    fn others(&self, room: RoomKey) -> Vec<usize> {
        self.rooms.get(&room).map(|room| room.others.clone()).unwrap_or_default()
    }

    /// What somebody here sends, or may, is another thing now.
    pub(super) fn introduce_everywhere(&mut self, leg: LegKey) {
        let Some(room) = self.legs.get(&leg).map(|leg| leg.room) else { return };
        for thread in self.others(room) {
            self.introduce(leg, thread);
        }
    }

    /// Somebody here leaves.
    pub(super) fn say_good_bye(&mut self, leg: LegKey) {
        let Some(room) = self.legs.get(&leg).map(|leg| leg.room) else { return };
        for thread in self.others(room) {
            self.sharing.say(thread, Word::Gone(leg), &[]);
        }
    }

    /// Hands what members here have sent to the threads that have other parts of their room.
    pub(in crate::media) fn share(&mut self) {
        while let Some(shared) = self.sfu.poll_shared() {
            let leg = self.leg_keys.get(&shared.member).copied();
            let room = self.room_keys.get(&shared.room).and_then(|room| self.rooms.get(room));
            let (Some(leg), Some(room)) = (leg, room) else { continue };
            for thread in &room.others {
                let word = Word::Packet {
                    leg,
                    source: shared.source,
                    encoding: shared.encoding,
                    packet: shared.packet,
                    len: shared.payload.len(),
                };
                self.sharing.say(*thread, word, shared.payload);
            }
        }
    }

    /// Gives the other threads what was said to them in this round.
    pub(in crate::media) fn hand_over(&mut self) {
        self.sharing.flush();
    }

    /// Whether other threads have said anything.
    pub(in crate::media) fn is_told(&mut self) -> bool {
        self.sharing.fetch()
    }

    /// Takes what other threads have said.
    pub(in crate::media) fn listen(&mut self, now: Instant) {
        let mut batch = self.sharing.take();
        batch.drain(|word, bytes| self.hear(now, word, bytes));
        self.sharing.give_back(batch);
    }

    fn hear(&mut self, now: Instant, word: Word, bytes: &[u8]) {
        match word {
            Word::Packet { leg, source, encoding, packet, .. } => {
                if let Some(found) = self.legs.get(&leg).filter(|leg| leg.home.is_some()) {
                    self.sfu.take_shared(now, found.member, (source, encoding), &packet, bytes);
                }
            }
            Word::Member { room, leg, thread, number, sources, allowed } => {
                let new = !self.legs.contains_key(&leg);
                if new && !self.stand_in(now, (room, leg, number), thread) {
                    return;
                }
                let Some(member) = self.legs.get(&leg).map(|found| found.member) else { return };
                for source in sfu::Source::ALL {
                    self.sfu.allow(now, member, source, allowed[source as usize]);
                }
                self.sfu.set_encodings(now, member, &sources);
                if new {
                    self.look_again(now, room, leg);
                }
            }
            Word::Gone(leg) => {
                if let Some(left) = self.forget(leg) {
                    self.sfu.leave(now, left.member);
                }
            }
            Word::Said { room, .. } => {
                if let Some(found) = self.rooms.get(&room) {
                    self.sfu.pass_on(now, found.id, bytes);
                }
            }
            Word::Wanted { leg, thread, rids } => {
                if let Some(found) = self.legs.get(&leg) {
                    self.sfu.demand(now, found.member, thread, &rids);
                }
            }
            Word::Keyframe { leg, source, rid } => {
                if let Some(found) = self.legs.get(&leg) {
                    self.sfu.request_keyframe(now, found.member, source, &rid);
                }
            }
        }
    }

    /// Somebody stands in for a leg of another thread. Whether there is room for it.
    fn stand_in(&mut self, now: Instant, (room, leg, number): (RoomKey, LegKey, u32), home: usize) -> bool {
        let Some(id) = self.rooms.get(&room).map(|room| room.id) else { return false };
        match self.sfu.stand_in(now, id, number) {
            Ok(member) => {
                self.leg_keys.insert(member, leg);
                self.legs.insert(leg, Leg::new(member, room, number, Some(home)));
                self.stand_ins += 1;
                true
            }
            Err(error) => {
                tracing::warn!(%error, "cannot show somebody of another thread");
                false
            }
        }
    }

    /// Somebody is known here from now on whom others may have asked to see or hear before.
    fn look_again(&mut self, now: Instant, room: RoomKey, leg: LegKey) {
        let names = |wishes: &[Option<super::Wish>]| wishes.iter().flatten().any(|wish| wish.leg == leg);
        let looking: Vec<LegKey> = self
            .legs
            .iter()
            .filter(|(_, other)| other.room == room && names(&other.wishes))
            .map(|(key, _)| *key)
            .collect();
        for other in looking {
            let wishes = self.legs.get(&other).map(|other| other.wishes.clone()).unwrap_or_default();
            self.lay_out(now, other, &wishes);
        }
        let Some(member) = self.legs.get(&leg).map(|found| found.member) else { return };
        for other in self.legs.values().filter(|other| other.hears == Some(leg)) {
            self.sfu.listen(now, other.member, Some(member));
        }
        let Some(found) = self.rooms.get(&room).filter(|room| names(&[room.stage])) else { return };
        let (stage, followers) = (found.stage, found.followers.clone());
        for follower in followers {
            self.lay_out(now, follower, &[stage]);
        }
    }

    /// Passes on to other threads what is for them, and gives what is for the rendezvous: of who is elsewhere, that thread
    /// tells it, and who speaks in a room its first part, which has everybody.
    pub(super) fn keep_inside(&mut self, event: Event) -> Option<Event> {
        let elsewhere = |member: &MemberId| {
            let leg = *self.leg_keys.get(member)?;
            Some((leg, self.legs.get(&leg)?.home?))
        };
        match event {
            Event::Wanted(ref member, ref rids) => {
                let Some((leg, home)) = elsewhere(member) else { return Some(event) };
                let word = Word::Wanted { leg, thread: self.sharing.thread(), rids: rids.clone() };
                self.sharing.say(home, word, &[]);
                None
            }
            Event::KeyframeNeeded(ref member, source, rid) => {
                let (leg, home) = elsewhere(member)?;
                self.sharing.say(home, Word::Keyframe { leg, source, rid }, &[]);
                None
            }
            Event::Said(room, message) => {
                let room = *self.room_keys.get(&room)?;
                for thread in self.others(room) {
                    self.sharing.say(thread, Word::Said { room, len: message.len() }, &message);
                }
                None
            }
            Event::Sending(ref member, ..) => elsewhere(member).is_none().then_some(event),
            Event::Speaking(ref room, _) => {
                let part =
                    self.room_keys.get(room).and_then(|room| self.rooms.get(room)).map(|room| room.part);
                (part == Some(false)).then_some(event)
            }
            _ => Some(event),
        }
    }
}
