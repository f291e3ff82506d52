//! Two associations, the link between them, and the time.

use sctp::{Association, Config, Event, Role};
use std::collections::VecDeque;
use std::time::Duration;
use wire::{Fragments, Instant, Rng};

/// One direction of the link.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) delay: Duration,
    /// Added at random up to this much, which reorders.
    pub(crate) jitter: Duration,
    /// Of a thousand packets.
    pub(crate) loss: u64,
    pub(crate) duplication: u64,
    pub(crate) corruption: u64,
    /// Bits per second, and bytes that may wait for their turn.
    pub(crate) rate: Option<(u64, usize)>,
    /// What is longer is cut into fragments if it may be, and disappears otherwise, without a word.
    pub(crate) mtu: usize,
    /// What may usually be cut, as on paths of old.
    pub(crate) cuts: bool,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            delay: Duration::from_millis(20),
            jitter: Duration::ZERO,
            loss: 0,
            duplication: 0,
            corruption: 0,
            rate: None,
            mtu: usize::MAX,
            cuts: false,
        }
    }
}

/// What happens to the n-th packet of a session, counted over both directions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    Drop,
    Duplicate,
    Delay,
    Corrupt,
}

struct Direction {
    link: Link,
    busy: Instant,
    flying: VecDeque<(Instant, Vec<u8>)>,
}

/// Side 0 and side 1.
pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) sides: [Association; 2],
    pub(crate) events: [Vec<Event>; 2],
    directions: [Direction; 2],
    rng: Rng,
    pub(crate) packets: u64,
    pub(crate) fault: Option<(u64, Fault)>,
    /// Probes of the path that were sent, and which of them is lost.
    pub(crate) probes: u64,
    pub(crate) lost_probe: Option<u64>,
    /// Every packet as it was sent: by whom, and its bytes.
    pub(crate) log: Option<Vec<(usize, Vec<u8>)>>,
    /// The system of side 0 refuses probes that are longer.
    pub(crate) first_link: usize,
    /// Bytes of the buffer that packets are written into.
    pub(crate) buffer: usize,
    /// Whether events are taken at once.
    pub(crate) reading: [bool; 2],
}

impl World {
    pub(crate) fn new(seed: u64, configs: [Config; 2], links: [Link; 2]) -> Self {
        let now = Instant::from_nanos(1_000_000_000);
        let mut rng = Rng::from_number(seed);
        let [a, b] = configs;
        let a = Config { role: Role::Client, ..a };
        let b = Config { role: Role::Server, ..b };
        let sides = [Association::new(a, rng.array(), now), Association::new(b, rng.array(), now)];
        let directions = links.map(|link| Direction { link, busy: now, flying: VecDeque::new() });
        Self {
            now,
            sides,
            events: [Vec::new(), Vec::new()],
            directions,
            rng,
            packets: 0,
            fault: None,
            probes: 0,
            lost_probe: None,
            log: None,
            first_link: usize::MAX,
            buffer: 65_536,
            reading: [true, true],
        }
    }

    /// Two peers with large messages and a plain link, connected.
    pub(crate) fn connected(seed: u64) -> Self {
        let mut world = Self::new(seed, [config(), config()], [Link::default(), Link::default()]);
        world.connect();
        world
    }

    pub(crate) fn connect(&mut self) {
        for side in &mut self.sides {
            side.connect(self.now);
        }
        self.run_until(|w| w.sides.iter().all(Association::is_connected));
    }

    /// Lets everything out that wants out, and takes the events.
    pub(crate) fn drain(&mut self) {
        let mut buf = vec![0; self.buffer];
        for side in 0..2 {
            let mut packets = 0;
            while let Some(sent) = self.sides[side].poll_transmit(self.now, &mut buf) {
                packets += 1;
                assert!(packets < 100_000, "a side sends without end");
                if side == 0 && sent.fragments == Fragments::Never && sent.len > self.first_link {
                    self.sides[0].probe_refused(self.now);
                    continue;
                }
                self.carry(side, &buf[..sent.len], sent.fragments);
            }
            while self.reading[side]
                && let Some(event) = self.sides[side].poll_event()
            {
                self.events[side].push(event);
            }
        }
    }

    /// Changes the path in both directions.
    pub(crate) fn change_links(&mut self, change: impl Fn(&mut Link)) {
        self.directions.iter_mut().for_each(|direction| change(&mut direction.link));
    }

    fn carry(&mut self, from: usize, packet: &[u8], fragments: Fragments) {
        if let Some(log) = &mut self.log {
            log.push((from, packet.to_vec()));
        }
        let fault = self.fault.filter(|(n, _)| *n == self.packets).map(|(_, fault)| fault);
        self.packets += 1;
        let link = self.directions[from].link.clone();
        if fault == Some(Fault::Drop) || self.rng.chance(link.loss) {
            return;
        }
        let probe = self.probes;
        self.probes += u64::from(fragments == Fragments::Never);
        let cut = match fragments {
            Fragments::Never if self.lost_probe == Some(probe) => return,
            Fragments::Never => false,
            Fragments::Usual => link.cuts,
            Fragments::Allowed => true,
        };
        if packet.len() > link.mtu && !cut {
            return;
        }
        let mut at = self.now;
        let direction = &mut self.directions[from];
        if let Some((rate, queue)) = link.rate {
            let waiting =
                direction.busy.saturating_since(self.now).as_nanos() * u128::from(rate) / 8_000_000_000;
            if waiting + packet.len() as u128 > queue as u128 {
                return;
            }
            let takes = Duration::from_nanos(packet.len() as u64 * 8 * 1_000_000_000 / rate);
            direction.busy = direction.busy.max(self.now) + takes;
            at = direction.busy;
        }
        at += link.delay;
        if fault == Some(Fault::Delay) {
            at += Duration::from_millis(700);
        }
        let copies = 1 + u64::from(fault == Some(Fault::Duplicate) || self.rng.chance(link.duplication));
        for _ in 0..copies {
            let mut bytes = packet.to_vec();
            if fault == Some(Fault::Corrupt) || self.rng.chance(link.corruption) {
                let at = usize::try_from(self.rng.below(bytes.len() as u64)).unwrap();
                bytes[at] ^= 1 << self.rng.below(8);
            }
            let jitter = u64::try_from(link.jitter.as_nanos()).unwrap();
            let late = if jitter == 0 { 0 } else { self.rng.below(jitter) };
            self.put(from, at + Duration::from_nanos(late), bytes);
        }
    }

    fn put(&mut self, from: usize, at: Instant, bytes: Vec<u8>) {
        let flying = &mut self.directions[from].flying;
        let place = flying.partition_point(|(other, _)| *other <= at);
        flying.insert(place, (at, bytes));
    }

    /// The next moment at which anything happens.
    fn next(&self) -> Option<Instant> {
        let packets = self.directions.iter().filter_map(|d| d.flying.front().map(|(at, _)| *at));
        let timers = self.sides.iter().filter_map(Association::poll_timeout);
        packets.chain(timers).min()
    }

    /// Goes to the next moment; false if nothing will happen any more.
    pub(crate) fn step(&mut self) -> bool {
        self.drain();
        let Some(next) = self.next() else { return false };
        self.now = self.now.max(next);
        for side in 0..2 {
            self.sides[side].handle_timeout(self.now);
            let due = self.sides[side].poll_timeout();
            assert!(due.is_none_or(|due| due > self.now), "a deadline was passed over");
        }
        for from in 0..2 {
            while self.directions[from].flying.front().is_some_and(|(at, _)| *at <= self.now) {
                let (_, bytes) = self.directions[from].flying.pop_front().unwrap();
                self.sides[1 - from].handle_input(self.now, &bytes);
            }
        }
        self.drain();
        true
    }

    /// Runs until something holds; it must within ten minutes.
    pub(crate) fn run_until(&mut self, done: impl Fn(&Self) -> bool) {
        let end = self.now + Duration::from_secs(600);
        self.drain();
        while !done(self) {
            assert!(self.step(), "everything rests, and what was waited for has not come: {}", self.report());
            assert!(self.now < end, "what was waited for has not come: {}", self.report());
        }
    }

    pub(crate) fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        self.drain();
        while self.next().is_some_and(|at| at <= end) {
            self.step();
        }
        self.now = end;
        self.drain();
    }

    pub(crate) fn report(&self) -> String {
        format!(
            "{:?}\n{:?}\n{:?} {:?}",
            self.sides[0].stats(),
            self.sides[1].stats(),
            self.sides.each_ref().map(Association::congestion_window),
            self.sides.each_ref().map(Association::round_trip)
        )
    }
}

/// The defaults, with checksums, and messages of any size.
pub(crate) fn config() -> Config {
    Config { zero_checksum: false, remote_max_message_size: None, ..Config::default() }
}
