//! Many people at random, and what must hold whatever they do.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use server::signal::protocol::*;
use server::signal::rendezvous::{Config, Rate};
use wire::Rng;

use crate::signal_world::*;

/// What the walk knows of a client's calls from what it said and was told.
#[derive(Default)]
struct View {
    /// Messages of the log that were looked at.
    seen: usize,
    /// The session number they belong to.
    session: u32,
    /// The call this device is in.
    running: Option<CallId>,
    /// Its ticket.
    ticket: Option<String>,
    /// Calls that ring here.
    incoming: BTreeSet<CallId>,
    /// Invites of this session without an outcome.
    open: BTreeSet<CallId>,
    /// Calls this device has ended: what was still on its way about them means nothing to it.
    over: BTreeSet<CallId>,
    /// Waiting at this link.
    waiting: Option<String>,
}

struct Walk {
    world: World,
    views: Vec<View>,
    rng: Rng,
    calls: u64,
    /// What became of each invite; empty while it is open.
    fates: BTreeMap<CallId, Vec<String>>,
    /// Descriptions and candidates on their way: text, call, sender.
    relayed: BTreeMap<String, (CallId, usize)>,
    said: u32,
    arrived: u32,
    /// Before the call was accepted.
    early: u32,
    /// Candidates that were given with `started`.
    kept: u32,
    /// Which clients were told they are in a call.
    members: BTreeMap<CallId, BTreeSet<String>>,
}

fn config() -> Config {
    let rate = Rate { burst: 1_000_000, every: Duration::from_nanos(1) };
    Config {
        messages: rate,
        messages_per_address: rate,
        invites: rate,
        invites_per_address: rate,
        ..Config::default()
    }
}

impl Walk {
    fn new(seed: u64) -> Self {
        let mut world = World::new(config());
        for n in 0..12 {
            // Six people with one to three devices; two share a name.
            let person = [0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 5, 5][n];
            world.join(&format!("p{person}"), ["Ann", "Bob", "Cy", "Dee", "Eve", "Eve"][person]);
        }
        let views = (0..12).map(|_| View { session: 1, ..View::default() }).collect();
        Self {
            world,
            views,
            rng: Rng::from_number(seed),
            calls: 0,
            fates: BTreeMap::new(),
            relayed: BTreeMap::new(),
            said: 0,
            arrived: 0,
            early: 0,
            kept: 0,
            members: BTreeMap::new(),
        }
    }

    fn pick(&mut self, bound: usize) -> usize {
        usize::try_from(self.rng.below(bound as u64)).expect("a small number")
    }

    fn step(&mut self) {
        let who = self.pick(12);
        let connected = self.world.clients[who].socket.is_some();
        match self.rng.below(100) {
            0..=24 => self.invite(who),
            25..=44 => self.answer(who),
            45..=59 => self.relay(who),
            60..=69 => self.relay_early(who),
            70..=77 => self.end(who),
            78..=81 => self.meet(who),
            82..=85 if connected => self.world.disconnect(who, false),
            86..=87 if connected => self.world.forget(who),
            88 if connected => {
                self.world.disconnect(who, true);
                self.world.clients[who].session = None;
                self.lose(who);
                self.views[who] =
                    View { seen: self.views[who].seen, session: self.views[who].session, ..View::default() };
            }
            89..=93 if !connected => self.world.connect(who),
            94..=95 => {
                let pass = Duration::from_millis(self.rng.below(70_000));
                self.world.pass(pass);
            }
            96 => self.rejoin(who),
            _ => self.world.pass(Duration::from_millis(100)),
        }
        self.world.settle();
        self.look();
    }

    fn invite(&mut self, who: usize) {
        self.calls += 1;
        let call = format!("{:022}", self.rng.below(1 << 40) * 1000 + self.calls % 1000);
        let to = self.pick(6);
        let to = if self.rng.chance(500) {
            format!("p{to}")
        } else {
            ["ann", "BOB", "cy", "dee", "eve", "eve"][to].into()
        };
        if self.world.clients[who].socket.is_some() {
            self.views[who].open.insert(call.clone());
            self.fates.insert(call.clone(), Vec::new());
            let early = self.rng.chance(700);
            self.world.say(who, ClientMessage::Invite { call, to, media: MEDIA, early });
        }
    }

    fn answer(&mut self, who: usize) {
        let Some(call) = self.views[who].incoming.first().cloned() else { return };
        let message = match self.rng.below(4) {
            0 => ClientMessage::Decline { call, busy: self.rng.chance(300) },
            1 if self.rng.chance(200) => ClientMessage::End { call },
            _ => ClientMessage::Accept { call, description: None, media: MEDIA },
        };
        if let ClientMessage::Decline { call, .. } | ClientMessage::End { call } = &message {
            self.views[who].incoming.remove(call);
        }
        self.world.say(who, message);
    }

    /// What nobody has said before.
    fn text(&mut self, who: usize) -> String {
        self.said += 1;
        format!("{who}-{}", self.said)
    }

    fn relay(&mut self, who: usize) {
        // In one's own call, or in any other: then nothing may come of it.
        let own = self.views[who].running.clone();
        let any = self.members.keys().nth_back(0).cloned();
        let Some(call) = (if self.rng.chance(900) { own } else { any }) else { return };
        let text = self.text(who);
        self.relayed.insert(text.clone(), (call.clone(), who));
        self.world.say(who, offer(&call, &text));
    }

    /// To or from a device that rings: a description that passes, and a candidate that waits.
    fn relay_early(&mut self, who: usize) {
        let view = &self.views[who];
        let Some(call) = view.incoming.first().or(view.open.first()).cloned() else { return };
        let rings = view.incoming.contains(&call);
        let device = u32::try_from(self.pick(2)).expect("a small number");
        for description in [true, false] {
            let text = self.text(who);
            self.relayed.insert(text.clone(), (call.clone(), who));
            let message = if description { offer(&call, &text) } else { candidate(&call, Some(&text)) };
            self.world.say(who, if rings { message } else { to_device(device, message) });
        }
    }

    fn end(&mut self, who: usize) {
        let view = &mut self.views[who];
        let call = match view.running.take() {
            Some(call) => call,
            None => {
                let Some(call) = view.open.pop_first() else { return };
                self.fates.entry(call.clone()).or_default().push("taken back".into());
                call
            }
        };
        view.over.insert(call.clone());
        self.world.say(who, ClientMessage::End { call });
    }

    fn meet(&mut self, who: usize) {
        let room = format!("room{}", self.pick(3));
        self.world.say(who, ClientMessage::Meet { room, media: MEDIA, encrypted: false });
    }

    fn rejoin(&mut self, who: usize) {
        let (Some(call), Some(ticket)) = (self.views[who].running.clone(), self.views[who].ticket.clone())
        else {
            return;
        };
        // Sometimes from another device of the same person.
        let person = self.world.clients[who].person.id.clone();
        let others: Vec<usize> = (0..12).filter(|at| self.world.clients[*at].person.id == person).collect();
        let from = others[self.pick(others.len())];
        self.world.say(from, ClientMessage::Rejoin { call, ticket: Secret(ticket) });
    }

    /// The session is gone, and with it every invite that was open in it.
    fn lose(&mut self, at: usize) {
        for call in std::mem::take(&mut self.views[at].open) {
            self.fates.entry(call).or_default().push("session lost".into());
        }
    }

    /// Reads what everybody was told, and holds it against what may be.
    fn look(&mut self) {
        for at in 0..self.views.len() {
            if self.views[at].session != self.world.clients[at].sessions {
                let session = self.world.clients[at].sessions;
                self.lose(at);
                // A page that was reloaded knows its call from before and nothing else.
                let seen = self.world.clients[at].log_start;
                self.views[at] = View { seen, session, ..View::default() };
            }
            while let Some(message) = self.world.clients[at].log.get(self.views[at].seen).cloned() {
                self.views[at].seen += 1;
                self.told(at, message);
            }
        }
    }

    fn told(&mut self, at: usize, message: ServerMessage) {
        let person = self.world.clients[at].person.id.clone();
        let view = &mut self.views[at];
        match message {
            ServerMessage::Incoming { call, from, .. } => {
                assert!(from.id != person, "nobody calls themselves");
                assert!(view.incoming.insert(call), "a call rings once");
            }
            ServerMessage::Started { call, .. } if view.over.contains(&call) => {}
            ServerMessage::Started { call, peer, ticket, candidates, .. } => {
                for Candidate { candidate, .. } in candidates {
                    let (sent_in, sender) =
                        self.relayed.remove(&candidate).expect("kept once, and given once");
                    assert_eq!((&sent_in, &self.world.clients[sender].person.id), (&call, &peer.id));
                    self.kept += 1;
                }
                // In no other call: one that it was in has been ended before.
                assert!(
                    view.running.as_ref().is_none_or(|c| *c == call),
                    "two calls at once: {:?} {call}",
                    view.running
                );
                if view.open.remove(&call) {
                    self.fates.entry(call.clone()).or_default().push("started".into());
                }
                assert!(view.open.is_empty(), "a device in a call calls nobody");
                view.incoming.clear();
                (view.running, view.ticket, view.waiting) = (Some(call.clone()), Some(ticket.0), None);
                let members = self.members.entry(call).or_default();
                members.extend([person, peer.id]);
                assert!(members.len() <= 2, "a call is between two: {members:?}");
            }
            ServerMessage::Ended { call, reason } => {
                view.incoming.remove(&call);
                if view.running.as_ref() == Some(&call) {
                    view.running = None;
                }
                if view.open.remove(&call) {
                    self.fates.entry(call.clone()).or_default().push(format!("{reason:?}"));
                }
            }
            ServerMessage::Error { .. } => {
                // An invite that was not carried out; each step says one thing at a time.
                let log = &self.world.clients[at].log;
                let rings = |id: &CallId| {
                    log.iter().any(|m| matches!(m, ServerMessage::Ringing { call, .. } if call == id))
                };
                if let Some(call) = view.open.iter().find(|call| !rings(call)).cloned() {
                    view.open.remove(&call);
                    self.fates.entry(call.clone()).or_default().push("refused".into());
                }
            }
            ServerMessage::Description { call, device, description } => {
                let (sent_in, sender) =
                    self.relayed.remove(&description.sdp).expect("sent once, and arrives once");
                assert_eq!(sent_in, call);
                assert!(sender != at, "not to oneself");
                let early = view.open.contains(&call) || view.incoming.contains(&call);
                assert!(
                    early || view.running.as_ref() == Some(&call) || view.over.contains(&call),
                    "in no other call"
                );
                assert!(device.is_none() || !view.incoming.contains(&call), "numbers are for the caller");
                let other = &self.world.clients[sender].person.id;
                let strangers =
                    self.members.get(&call).is_some_and(|m| !m.contains(&person) || !m.contains(other));
                assert!(!strangers, "from one of the two, and from nobody else");
                assert!(!early || *other != person, "nobody calls themselves");
                self.arrived += u32::from(!early);
                self.early += u32::from(early);
            }
            ServerMessage::Waiting { room } => view.waiting = Some(room),
            _ => {}
        }
    }
}

#[test]
fn whatever_people_do_a_call_is_between_two_and_every_invite_has_one_outcome() {
    let mut totals: BTreeMap<String, u32> = BTreeMap::new();
    let (mut arrived, mut early, mut kept) = (0, 0, 0);
    for seed in 0..60 {
        let mut walk = Walk::new(seed);
        for _ in 0..400 {
            walk.step();
        }
        // Everybody goes; whatever was open comes to its end, and nothing is left behind.
        walk.world.pass(Duration::from_secs(200));
        walk.look();
        for at in 0..12 {
            let open = &walk.views[at].open;
            assert!(
                open.is_empty() || walk.world.clients[at].socket.is_none(),
                "seed {seed}: an invite without an outcome"
            );
            walk.lose(at);
            walk.world.disconnect(at, false);
        }
        for (call, fate) in &walk.fates {
            assert_eq!(fate.len(), 1, "seed {seed}: invite {call} comes to one outcome: {fate:?}");
        }
        walk.world.pass(Duration::from_secs(200));
        let stats = walk.world.rendezvous.stats();
        assert_eq!(
            (stats.sessions, stats.people, stats.calls, stats.rooms),
            (0, 0, 0, 0),
            "seed {seed}: {stats:?}"
        );
        assert_eq!(walk.world.rendezvous.poll_timeout(), None, "seed {seed}");
        let refused: usize = walk.world.clients.iter().map(|c| c.refused.len()).sum();
        assert_eq!(refused, 0, "seed {seed}: clients that keep to the protocol are never refused");
        arrived += walk.arrived;
        early += walk.early;
        kept += walk.kept;
        for outcome in walk.fates.into_values().flatten() {
            *totals.entry(outcome).or_default() += 1;
        }
    }
    for outcome in
        ["started", "Declined", "Busy", "Timeout", "Unavailable", "Merged", "taken back", "refused"]
    {
        assert!(totals.get(outcome).is_some_and(|count| *count > 5), "{outcome} is met: {totals:?}");
    }
    assert!(
        arrived > 250 && early > 100 && kept > 15,
        "{arrived} descriptions, {early} early, {kept} candidates"
    );
}

#[test]
fn the_same_seed_makes_the_same_course() {
    let run = |seed| {
        let mut walk = Walk::new(seed);
        for _ in 0..300 {
            walk.step();
        }
        walk.world.clients.into_iter().map(|c| c.log).collect::<Vec<_>>()
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}
