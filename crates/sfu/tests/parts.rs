//! A room of which two forwarders carry a part each, with a driver between them.

use std::collections::BTreeMap;
use std::time::Duration;

use sfu::{Event, MemberId, Rid, SharedPacket, Source, Want};

use crate::forward::{check_order, start};
use crate::world::{World, millis};

const RIDS: [&str; 3] = ["l", "m", "h"];
/// How long what one part says is on its way to the other.
const ROUND: Duration = Duration::from_millis(2);

struct Parts {
    worlds: [World; 2],
    /// Who stands for a client of the other part: by part, and the client's place there.
    stand_ins: [BTreeMap<usize, MemberId>; 2],
    /// Events of each part that have been looked at.
    looked: [usize; 2],
}

/// A packet on its way to the other part.
type Packet = (MemberId, Source, u8, SharedPacket, Vec<u8>);

impl Parts {
    /// In each part so many people, who send everything and have slots for all others.
    fn new(seed: u64, people: [usize; 2]) -> Self {
        let worlds = [0, 1].map(|part| {
            let mut world = World::new(seed + part as u64);
            world.numbers_from = u32::try_from(part * people[0]).unwrap();
            (0..people[part]).for_each(|_| {
                world.join(&RIDS, 4, people[0] + people[1]);
            });
            world.connected();
            world
        });
        let mut parts = Self { worlds, stand_ins: [BTreeMap::new(), BTreeMap::new()], looked: [0; 2] };
        let begin = parts.worlds.iter().map(|world| world.now).max().unwrap();
        for world in &mut parts.worlds {
            world.pass(begin.saturating_since(world.now));
            world.sfu.share(begin, world.room, true);
        }
        for here in 0..2 {
            (0..people[1 - here]).for_each(|client| parts.introduce(here, client));
        }
        parts
    }

    /// A client of the other part is known here.
    fn introduce(&mut self, here: usize, client: usize) {
        let [one, other] = &mut self.worlds;
        let (here_world, there) = if here == 0 { (one, other) } else { (other, one) };
        let (now, room) = (here_world.now, here_world.room);
        let id = here_world.sfu.stand_in(now, room, there.clients[client].number).unwrap();
        here_world.sfu.set_encodings(now, id, &there.sfu.encodings(there.id(client)));
        self.stand_ins[here].insert(client, id);
    }

    /// Who a client of a part is in another part.
    fn id(&self, here: usize, (part, client): (usize, usize)) -> MemberId {
        if here == part { self.worlds[part].id(client) } else { self.stand_ins[here][&client] }
    }

    fn client_of(&self, here: usize, id: MemberId) -> Option<usize> {
        self.stand_ins[here].iter().find(|(_, known)| **known == id).map(|(client, _)| *client)
    }

    /// Carries what waits between the parts.
    fn carry(&mut self) {
        for here in 0..2 {
            let mut packets: Vec<Packet> = Vec::new();
            while let Some(shared) = self.worlds[here].sfu.poll_shared() {
                let payload = shared.payload.to_vec();
                packets.push((shared.member, shared.source, shared.encoding, shared.packet, payload));
            }
            let there = 1 - here;
            for (member, source, encoding, packet, payload) in packets {
                let client = self.worlds[here].clients.iter().position(|client| client.id == member).unwrap();
                let id = self.id(there, (here, client));
                let world = &mut self.worlds[there];
                world.sfu.take_shared(world.now, id, (source, encoding), &packet, &payload);
            }
            let events: Vec<Event> = self.worlds[here].events[self.looked[here]..]
                .iter()
                .map(|(_, event)| event.clone())
                .collect();
            self.looked[here] += events.len();
            for event in events {
                self.tell(here, event);
            }
        }
        self.worlds.iter_mut().for_each(World::collect);
    }

    /// What a part has to say to the other.
    fn tell(&mut self, here: usize, event: Event) {
        let there = 1 - here;
        let client = |parts: &Self, id: MemberId| {
            parts.client_of(here, id).map(|client| parts.worlds[there].id(client))
        };
        let now = self.worlds[there].now;
        match event {
            Event::Wanted(id, rids) => {
                if let Some(member) = client(self, id) {
                    self.worlds[there].sfu.demand(now, member, here, &rids);
                }
            }
            Event::KeyframeNeeded(id, source, rid) => {
                let member = client(self, id).expect("it is asked of stand-ins alone");
                self.worlds[there].sfu.request_keyframe(now, member, source, &rid);
            }
            Event::Said(_, message) => {
                let room = self.worlds[there].room;
                self.worlds[there].sfu.pass_on(now, room, &message);
            }
            _ => {}
        }
    }

    fn pass(&mut self, time: Duration) {
        for _ in 0..time.as_millis() / ROUND.as_millis() {
            self.worlds.iter_mut().for_each(|world| world.pass(ROUND));
            self.carry();
        }
    }

    /// What a client sees in its slots, all at the same height.
    fn look(&mut self, here: usize, client: usize, at: &[(usize, usize)], height: u16) {
        let want =
            |other: &(usize, usize)| Want { member: self.id(here, *other), source: Source::Camera, height };
        let wants: Vec<Option<Want>> = at.iter().map(want).map(Some).collect();
        let world = &mut self.worlds[here];
        world.sfu.layout(world.now, world.clients[client].id, &wants);
        world.collect();
    }
}

fn everybody(people: [usize; 2]) -> Vec<(usize, usize)> {
    (0..2).flat_map(|part| (0..people[part]).map(move |client| (part, client))).collect()
}

/// Whichever part they are in, all see and hear all others, whatever is lost, and nobody sees themselves.
#[test]
fn everybody_receives_everybody_else_whichever_part_they_are_in() {
    for seed in 0..3 {
        let people = [3, 2];
        let mut parts = Parts::new(300 + 10 * seed, people);
        let all = everybody(people);
        for (part, client) in &all {
            start(&mut parts.worlds[*part], *client);
            parts.worlds[*part].up[*client].loss = 10;
            parts.worlds[*part].down[*client].loss = 10;
        }
        for who in &all {
            let others: Vec<(usize, usize)> = all.iter().filter(|other| *other != who).copied().collect();
            parts.look(who.0, who.1, &others, 180);
        }
        parts.pass(Duration::from_secs(3));
        let begin = parts.worlds[0].now;
        parts.pass(Duration::from_secs(4));
        for (here, client) in &all {
            let others = all.iter().filter(|other| *other != &(*here, *client));
            for (slot, (part, other)) in others.enumerate() {
                let number = parts.worlds[*part].clients[*other].number;
                let found = &parts.worlds[*here].clients[*client];
                let seen: Vec<_> = found.shown(slot).filter(|seen| seen.at > begin).collect();
                let what = format!("seed {seed}: {here}/{client} looks at {part}/{other}");
                assert!(seen.iter().all(|seen| seen.number == number), "{what}");
                assert!(seen.len() >= 90, "{what}: {} of 100 pictures", seen.len());
                let heard = found.seen.iter().filter(|seen| seen.at > begin && seen.source == 0);
                let heard = heard.filter(|seen| seen.number == number).count();
                assert!(heard >= 180, "{what}: {heard} of 200 frames of sound");
                check_order(&parts.worlds[*here], *client, slot);
            }
        }
        for world in &parts.worlds {
            assert_eq!((world.sfu.counters().overrun, world.sfu.counters().events_lost), (0, 0));
        }
    }
}

/// What somebody in another part wants is made, at its size, and no longer than that; keyframes are asked for once.
#[test]
fn wishes_reach_the_part_of_whom_they_are_about() {
    let mut parts = Parts::new(400, [1, 2]);
    parts.worlds[0].clients[0].obeys = true;
    parts.worlds[0].clients[0].wanted = Some(Vec::new());
    start(&mut parts.worlds[0], 0);
    let layers = |parts: &Parts, client: usize| {
        let from = parts.worlds[1].now - Duration::from_secs(1);
        let shown = parts.worlds[1].clients[client].shown(0).filter(|seen| seen.at > from);
        let mut layers: Vec<u8> = shown.map(|seen| seen.layer).collect();
        layers.dedup();
        layers
    };
    parts.look(1, 0, &[(0, 0)], 180);
    parts.pass(Duration::from_secs(5));
    assert_eq!(layers(&parts, 0), [0]);
    assert_eq!(parts.worlds[0].clients[0].wanted.as_deref(), Some(&["l".to_owned()][..]));
    parts.look(1, 0, &[(0, 0)], 720);
    parts.look(1, 1, &[(0, 0)], 180);
    parts.pass(Duration::from_secs(4));
    assert_eq!((layers(&parts, 0), layers(&parts, 1)), (vec![2], vec![0]));
    let asked = parts.worlds[0].clients[0].keyframes_asked;
    assert!(asked <= 6, "{asked} keyframes");
    // Nobody looks any more.
    (0..2).for_each(|client| parts.look(1, client, &[], 0));
    parts.pass(Duration::from_secs(8));
    assert_eq!(parts.worlds[0].clients[0].wanted.as_deref(), Some(&[][..]));
    let (now, id) = (parts.worlds[0].now, parts.worlds[0].id(0));
    parts.worlds[0].sfu.demand(now, id, 1, &[Rid("h".to_owned())]);
    parts.pass(millis(500));
    let wanted = parts.worlds[0].clients[0].wanted.clone().unwrap();
    assert_eq!(wanted, ["l", "h"], "a small one is at hand as long as anybody looks");
}

/// What is said, who is muted, and who leaves is known in all parts.
#[test]
fn words_and_farewells_reach_all_parts() {
    let mut parts = Parts::new(500, [2, 1]);
    (0..2).for_each(|client| start(&mut parts.worlds[0], client));
    parts.look(1, 0, &[(0, 0), (0, 1)], 180);
    parts.pass(Duration::from_secs(2));
    let now = parts.worlds[0].now;
    parts.worlds[0].clients[0].say(now, b"hello");
    parts.pass(millis(500));
    let expected = [&[0, 0, 0, 1][..], b"hello"].concat();
    assert_eq!(parts.worlds[1].clients[0].messages, std::slice::from_ref(&expected));
    assert_eq!(parts.worlds[0].clients[1].messages, [expected]);
    let id = parts.worlds[0].id(0);
    let now = parts.worlds[0].now;
    parts.worlds[0].sfu.allow(now, id, Source::Camera, false);
    parts.pass(millis(500));
    let begin = parts.worlds[1].now;
    parts.pass(Duration::from_secs(1));
    let seen = |parts: &Parts, slot: usize| {
        parts.worlds[1].clients[0].shown(slot).filter(|seen| seen.at > begin).count()
    };
    assert_eq!(seen(&parts, 0), 0, "what is barred crosses no more");
    assert!(seen(&parts, 1) >= 23);
    let gone = parts.stand_ins[1].remove(&1).unwrap();
    let now = parts.worlds[1].now;
    parts.worlds[1].sfu.leave(now, gone);
    parts.worlds[1].collect();
    let id = parts.worlds[1].id(0);
    let last = parts.worlds[1].events.iter().rev().find(|(_, event)| matches!(event, Event::Shown(_, 1, _)));
    assert_eq!(last.map(|(_, event)| event.clone()), Some(Event::Shown(id, 1, None)));
}
