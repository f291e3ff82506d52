//! Two negotiators doing anything at any time, offers crossing, always come to agree.

use crate::rules;
use crate::support::*;
use peer::negotiation::*;
use std::collections::VecDeque;
use wire::Rng;

/// A side of perfect negotiation (W3C WebRTC §10.7), and what is on its way to it.
struct Side {
    negotiator: Negotiator,
    polite: bool,
    inbox: VecDeque<Description>,
    ignored: bool,
}

struct World {
    sides: [Side; 2],
    rng: Rng,
    trace: Vec<String>,
    crossed: usize,
    /// Programs still want things.
    busy: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::from_number(seed);
        let mut side = |polite| {
            let config = Config { receive_simulcast: rng.chance(500), max_sections: 12, ..config() };
            let negotiator = Negotiator::new(config, rng.fork()).unwrap();
            Side { negotiator, polite, inbox: VecDeque::new(), ignored: false }
        };
        let sides = [side(true), side(false)];
        Self { sides, rng, trace: Vec::new(), crossed: 0, busy: true }
    }

    fn pick(&mut self, count: usize) -> usize {
        usize::try_from(self.rng.below(count as u64)).unwrap()
    }

    /// One verb of a program.
    fn verb(&mut self, at: usize) {
        let ids: Vec<_> = self.sides[at].negotiator.transceivers().iter().map(Transceiver::id).collect();
        let id = (!ids.is_empty()).then(|| ids[self.pick(ids.len())]);
        let kind = if self.rng.chance(500) { MediaKind::Audio } else { MediaKind::Video };
        let direction = Direction::new(self.rng.chance(600), self.rng.chance(600));
        let rids = if self.rng.chance(300) { vec!["h".to_owned(), "l".to_owned()] } else { vec![] };
        let verb = self.rng.below(12);
        let side = &mut self.sides[at].negotiator;
        let room = side.transceivers().len() < 5;
        let outcome = match (verb, id) {
            (0 | 1, _) if room => {
                let init = TransceiverInit { direction, send_rids: rids, ..TransceiverInit::default() };
                side.add_transceiver(kind, init).map(|_| ())
            }
            (2 | 3, _) if room => side.add_track(kind, vec!["s".to_owned()]).map(|_| ()),
            (4, _) => side.use_data_channels(),
            (5, _) => side.restart_ice(),
            (6 | 7, Some(id)) => side.set_direction(id, direction),
            (8, Some(id)) => side.stop(id),
            (9, Some(id)) => side.remove_track(id),
            (10, Some(id)) => side.set_streams(id, vec![format!("s{}", id_number(id))]),
            (11, Some(id)) => side.set_codec_preferences(id, &[Codec::video(0, 0, "VP9", "")]),
            _ => Ok(()),
        };
        self.trace.push(format!("{at} verb {verb} {id:?} {kind:?} {direction}: {outcome:?}"));
    }

    /// Sends an offer if one is due.
    fn offer(&mut self, at: usize) {
        let side = &mut self.sides[at].negotiator;
        if !side.negotiation_needed() {
            return;
        }
        side.set_local_description(None).unwrap();
        self.send(at);
    }

    fn send(&mut self, at: usize) {
        let description = self.sides[at].negotiator.local_description().unwrap();
        self.trace.push(format!("{at} sends {:?}\n{}", description.kind, description.sdp));
        if description.kind == SdpType::Offer {
            rules::check_offer(&description.sdp);
        }
        self.sides[1 - at].inbox.push_back(description);
    }

    /// Takes one description.
    fn take(&mut self, at: usize) {
        let Some(description) = self.sides[at].inbox.pop_front() else { return };
        let side = &mut self.sides[at];
        let offer = description.kind == SdpType::Offer;
        let collision = offer && side.negotiator.signaling_state() != SignalingState::Stable;
        side.ignored = !side.polite && collision;
        self.crossed += usize::from(collision);
        if side.ignored {
            return;
        }
        if !offer && side.negotiator.signaling_state() != SignalingState::HaveLocalOffer {
            panic!("an answer to no offer");
        }
        side.negotiator
            .set_remote_description(&description)
            .unwrap_or_else(|e| panic!("{e}\n{}", description.sdp));
        if offer {
            if self.busy && self.rng.chance(200) {
                // A program may do things between an offer and its answer.
                self.verb(at);
            }
            self.sides[at].negotiator.set_local_description(None).unwrap();
            let answer = self.sides[at].negotiator.local_description().unwrap();
            rules::check_answer(&description.sdp, &answer.sdp);
            self.send(at);
        }
    }

    fn run(mut self) -> (Vec<String>, usize) {
        for _ in 0..60 {
            let at = self.pick(2);
            match self.pick(4) {
                0 => self.verb(at),
                1 => self.offer(at),
                _ => self.take(at),
            }
            let events = [0, 1].map(|at| events(&mut self.sides[at].negotiator));
            self.trace.push(format!("{events:?}"));
        }
        // Now nothing more is wanted; everything that is due happens.
        self.busy = false;
        for _ in 0..40 {
            while self.sides.iter().any(|side| !side.inbox.is_empty()) {
                let at = self.pick(2);
                self.take(at);
            }
            let at = self.pick(2);
            self.offer(at);
        }
        while self.sides.iter().any(|side| !side.inbox.is_empty()) {
            let at = self.pick(2);
            self.take(at);
        }
        let [a, b] = &self.sides;
        assert!(a.inbox.is_empty() && b.inbox.is_empty());
        assert!(!a.negotiator.negotiation_needed() && !b.negotiator.negotiation_needed());
        check_agreement(&a.negotiator, &b.negotiator);
        self.trace.push(format!("{:?} {:?}", a.negotiator.negotiated(), b.negotiator.negotiated()));
        (self.trace, self.crossed)
    }
}

fn id_number(id: TransceiverId) -> usize {
    // Names differ by transceiver; how does not matter.
    format!("{id:?}").len()
}

#[test]
fn two_sides_always_come_to_agree() {
    let mut crossed = 0;
    for seed in 0..150 {
        let run = std::panic::catch_unwind(|| World::new(seed).run().1);
        crossed += run.unwrap_or_else(|_| panic!("seed {seed}, see above"));
    }
    assert!(crossed > 50, "offers cross: {crossed}");
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in 0..20 {
        assert_eq!(World::new(seed).run().0, World::new(seed).run().0);
    }
}
