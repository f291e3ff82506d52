//! Rooms in which anything happens: people come, go, look elsewhere, fall silent and lose packets. A model says who must
//! receive what.

use std::time::Duration;

use sfu::{Event, Source, Want};
use wire::Rng;

use crate::client::PICTURE;
use crate::forward::{check_order, start};
use crate::world::{World, millis};

const RIDS: [&str; 3] = ["l", "m", "h"];
const SLOTS: usize = 3;
/// How long after a change everything must be as the model says.
const SETTLED: Duration = Duration::from_millis(1500);

/// What somebody is and wants.
#[derive(Clone, Debug)]
struct Person {
    here: bool,
    camera: bool,
    allowed: bool,
    sends: bool,
    wants: Vec<Option<(usize, u16)>>,
}

struct Model {
    world: World,
    people: Vec<Person>,
    rng: Rng,
}

impl Model {
    fn pick(&mut self, below: usize) -> usize {
        usize::try_from(self.rng.below(below as u64)).unwrap()
    }

    fn somebody(&mut self) -> Option<usize> {
        let here: Vec<usize> = (0..self.people.len()).filter(|at| self.people[*at].here).collect();
        (!here.is_empty()).then(|| here[self.pick(here.len())])
    }

    fn join(&mut self) {
        let camera = self.rng.chance(700);
        let rids: &[&str] = match (camera, self.rng.chance(500)) {
            (false, _) => &[],
            (true, false) => &["x"],
            (true, true) => &RIDS,
        };
        let at = self.world.join(rids, 4, SLOTS);
        self.world.connected();
        start(&mut self.world, at);
        let wants = vec![None; SLOTS];
        self.people.push(Person { here: true, camera, allowed: true, sends: true, wants });
        self.look(at);
    }

    fn look(&mut self, at: usize) {
        let wants: Vec<Option<(usize, u16)>> = (0..SLOTS)
            .map(|_| {
                let other = self.pick(self.people.len());
                let height = [0, 150, 360, 720][self.pick(4)];
                (other != at && self.rng.chance(800)).then_some((other, height))
            })
            .collect();
        let list: Vec<Option<Want>> = wants
            .iter()
            .map(|want| {
                want.map(|(other, height)| Want {
                    member: self.world.id(other),
                    source: Source::Camera,
                    height,
                })
            })
            .collect();
        self.people[at].wants = wants;
        let (now, id) = (self.world.now, self.world.id(at));
        self.world.sfu.layout(now, id, &list);
        self.world.collect();
    }

    fn change(&mut self) {
        let Some(at) = self.somebody() else { return self.join() };
        match self.pick(8) {
            0 | 1 if self.people.len() < 9 => self.join(),
            2 if self.people.iter().filter(|person| person.here).count() > 2 => {
                self.people[at].here = false;
                self.world.leave(at);
            }
            3 => {
                let allowed = !self.people[at].allowed;
                self.people[at].allowed = allowed;
                let (now, id) = (self.world.now, self.world.id(at));
                self.world.sfu.allow(now, id, Source::Camera, allowed);
                self.world.collect();
            }
            4 => {
                let sends = !self.people[at].sends;
                self.people[at].sends = sends;
                self.world.clients[at].picture = sends.then_some(self.world.now);
            }
            5 => {
                self.world.up[at].loss = [0, 10, 30][self.pick(3)];
                self.world.down[at].loss = [0, 10, 30][self.pick(3)];
            }
            _ => self.look(at),
        }
    }

    /// Compares what came during the last second with what must have.
    fn check(&mut self, seed: u64, step: usize) {
        // Who is silent is noticed after two seconds.
        self.world.pass(SETTLED + Duration::from_secs(1));
        let begin = self.world.now;
        self.world.pass(Duration::from_secs(1));
        for (at, person) in self.people.iter().enumerate().filter(|(_, person)| person.here) {
            for (slot, want) in person.wants.iter().enumerate() {
                let seen: Vec<_> =
                    self.world.clients[at].shown(slot).filter(|seen| seen.at > begin).collect();
                let what = format!("seed {seed}, step {step}: {at} in slot {slot} wants {want:?}");
                let expected = want.filter(|(other, height)| {
                    let other = &self.people[*other];
                    *height > 0 && other.here && other.camera && other.allowed && other.sends
                });
                let Some((other, _)) = expected else {
                    assert!(seen.is_empty(), "{what} and gets {}", seen.len());
                    continue;
                };
                let number = self.world.clients[other].number;
                assert!(seen.iter().all(|seen| seen.number == number), "{what}, not {:?}", seen.first());
                assert!(seen.len() >= 18, "{what}: {} of 25 pictures", seen.len());
                let (pause, _) = self.world.clients[at].longest_pause(slot, begin, self.world.now);
                assert!(pause < millis(400) && pause >= PICTURE / 2, "{what}: nothing for {pause:?}");
                let told = self.world.events.iter().rev().find_map(|(_, event)| match event {
                    Event::Shown(id, index, shown) if *id == self.world.id(at) && *index == slot => {
                        Some(*shown)
                    }
                    _ => None,
                });
                assert_eq!(told, Some(Some((self.world.id(other), Source::Camera))), "{what}");
            }
            for other in 0..self.people.len() {
                let heard = self.world.clients[at].seen.iter();
                let number = self.world.clients[other].number;
                let count =
                    heard.filter(|seen| seen.at > begin && seen.source == 0 && seen.number == number).count();
                if !self.people[other].here {
                    assert_eq!(count, 0, "seed {seed}, step {step}: {other} has left");
                }
            }
        }
    }
}

#[test]
fn everybody_receives_what_the_model_says() {
    for seed in 0..6 {
        let mut model =
            Model { world: World::new(100 + seed), people: Vec::new(), rng: Rng::from_number(seed) };
        (0..3).for_each(|_| model.join());
        for step in 0..12 {
            for _ in 0..=model.pick(3) {
                model.change();
            }
            model.check(seed, step);
        }
        for (at, _) in model.people.clone().iter().enumerate() {
            (0..SLOTS).for_each(|slot| check_order(&model.world, at, slot));
        }
        let stats = model.world.sfu.counters();
        assert_eq!((stats.overrun, stats.events_lost, stats.unsent), (0, 0, 0), "seed {seed}: {stats:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = || {
        let mut model = Model { world: World::new(7), people: Vec::new(), rng: Rng::from_number(7) };
        for _ in 0..10 {
            model.change();
            model.world.pass(millis(300));
        }
        (model.world.sent, model.world.events, model.world.sfu.counters())
    };
    assert!(run() == run());
}
