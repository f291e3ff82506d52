//! A forwarder, members that are whole peers, and a network between them, on virtual time.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use sfu::{
    Address, Certificate, Config, Event, Format, JoinConfig, MemberId, Received, Recorded, RoomConfig,
    RoomId, Sfu, Source,
};
use wire::{Instant, Rng, Transmit, Transport};

use crate::allocations::inside;
use crate::client::Client;
use crate::svc::Mode;

pub(crate) const SERVER: &str = "192.0.2.1:3478";
/// What members are told, and what the driver calls it.
pub(crate) const ADVERTISED: &str = "203.0.113.1:3478";

/// One direction of a member's path: a queue that drops what does not fit, a rate, a delay, and loss.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    /// Bits per second; `None` carries anything at once.
    pub(crate) rate: Option<u64>,
    /// How long a datagram may wait.
    pub(crate) queue: Duration,
    pub(crate) delay: Duration,
    /// Of a thousand.
    pub(crate) loss: u64,
    free_at: Instant,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            rate: None,
            queue: Duration::from_millis(300),
            delay: Duration::from_millis(25),
            loss: 0,
            free_at: Instant::ZERO,
        }
    }
}

impl Link {
    /// When a datagram arrives; `None` if it is lost.
    fn carry(&mut self, now: Instant, bytes: usize, rng: &mut Rng) -> Option<Instant> {
        if rng.chance(self.loss) {
            return None;
        }
        let begins = now.max(self.free_at);
        let Some(rate) = self.rate else { return Some(begins + self.delay) };
        if begins.saturating_since(now) > self.queue {
            return None;
        }
        self.free_at = begins + Duration::from_nanos(bytes as u64 * 8_000_000_000 / rate);
        Some(self.free_at + self.delay)
    }
}

/// A packet that the tap gave.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Taken {
    pub(crate) at: Instant,
    pub(crate) member: MemberId,
    pub(crate) source: Source,
    pub(crate) format: Format,
    pub(crate) first: bool,
    pub(crate) lost: u64,
    pub(crate) number: i64,
    pub(crate) marker: bool,
    pub(crate) key: bool,
    pub(crate) arrived: Duration,
    pub(crate) captured: Option<Duration>,
    pub(crate) payload: Vec<u8>,
}

impl Taken {
    fn of(at: Instant, packet: &Recorded<'_>) -> Self {
        let Recorded { member, source, format, first, lost, number, marker, key, arrived, captured, .. } =
            *packet;
        let payload = packet.payload.to_vec();
        Self { at, member, source, format, first, lost, number, marker, key, arrived, captured, payload }
    }
}

/// A datagram on its way; `None` is the forwarder.
struct Flight {
    to: Option<usize>,
    remote: SocketAddr,
    bytes: Vec<u8>,
}

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) sfu: Sfu,
    pub(crate) room: RoomId,
    pub(crate) clients: Vec<Client>,
    /// The last that each was answered.
    pub(crate) answers: Vec<String>,
    /// To the forwarder and from it, by client.
    pub(crate) up: Vec<Link>,
    pub(crate) down: Vec<Link>,
    pub(crate) events: Vec<(Instant, Event)>,
    /// What the tap gave.
    pub(crate) taken: Vec<Taken>,
    flights: BTreeMap<(Instant, u64), Flight>,
    pub(crate) sent: u64,
    /// Datagrams of the forwarder with media in them, and which one of them is to be lost.
    pub(crate) media_sent: u64,
    pub(crate) lose: Option<u64>,
    /// Runs of more than one datagram, and how many datagrams they had.
    pub(crate) runs: (u64, u64),
    pub(crate) rng: Rng,
    certificate: Certificate,
    /// The number of its first client, less one: where several worlds are one room.
    pub(crate) numbers_from: u32,
}

pub(crate) fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self::with(seed, RoomConfig::default(), |_| {})
    }

    pub(crate) fn with(seed: u64, room: RoomConfig, change: impl Fn(&mut Config)) -> Self {
        let now = Instant::from_nanos(1_000_000_000);
        let mut rng = Rng::from_number(seed);
        let socket = SERVER.parse().unwrap();
        let address = Address { transport: Transport::Udp, socket, advertised: ADVERTISED.parse().unwrap() };
        let certificate = Certificate::generate(&mut rng, 1_700_000_000);
        let mut config = Config::new(certificate, vec![address]);
        config.since_epoch = Duration::from_secs(1_767_225_600);
        change(&mut config);
        let mut sfu = Sfu::new(config, rng.array(), now);
        let room = sfu.open_room(now, room).unwrap();
        let certificate = Certificate::generate(&mut rng, 1_700_000_000);
        Self {
            now,
            sfu,
            room,
            clients: Vec::new(),
            answers: Vec::new(),
            up: Vec::new(),
            down: Vec::new(),
            events: Vec::new(),
            taken: Vec::new(),
            flights: BTreeMap::new(),
            sent: 0,
            media_sent: 0,
            lose: None,
            runs: (0, 0),
            rng,
            certificate,
            numbers_from: 0,
        }
    }

    fn address(client: usize) -> SocketAddr {
        let [a, b] = u16::try_from(client).unwrap().to_be_bytes();
        SocketAddr::from(([198, 51, a, b], 5000))
    }

    /// Somebody comes, with so many voice and picture slots. `rids` are the encodings of the camera; none is no camera,
    /// one is a camera without simulcast.
    pub(crate) fn join(&mut self, rids: &[&str], voices: usize, pictures: usize) -> usize {
        let number = self.next_number();
        self.join_as(JoinConfig { number, ..JoinConfig::default() }, rids, voices, pictures)
    }

    /// Somebody comes who takes part in another way.
    pub(crate) fn join_as(
        &mut self,
        join: JoinConfig,
        rids: &[&str],
        voices: usize,
        pictures: usize,
    ) -> usize {
        self.come(join, (&[], None), (rids, voices, pictures))
    }

    /// Somebody comes, with no camera, who does not have these codecs.
    pub(crate) fn join_without(&mut self, codecs: &[&str], voices: usize, pictures: usize) -> usize {
        let number = self.next_number();
        self.come(JoinConfig { number, ..JoinConfig::default() }, (codecs, None), (&[], voices, pictures))
    }

    /// Somebody comes whose camera gives AV1 with layers.
    pub(crate) fn join_with_layers(&mut self, mode: Mode) -> usize {
        let number = self.next_number();
        self.come(JoinConfig { number, ..JoinConfig::default() }, (&[], Some(mode)), (&["x"], 1, 1))
    }

    fn next_number(&self) -> u32 {
        self.numbers_from + u32::try_from(self.clients.len() + 1).unwrap()
    }

    fn come(
        &mut self,
        join: JoinConfig,
        abilities: (&[&str], Option<Mode>),
        (rids, voices, pictures): (&[&str], usize, usize),
    ) -> usize {
        let at = self.clients.len();
        let number = self.next_number();
        let id = inside(|| self.sfu.join(self.now, self.room, join).unwrap());
        let mut client = Client::new(
            (self.now, self.rng.array(), self.certificate.clone()),
            (id, number),
            (rids, voices, pictures),
            abilities,
        );
        client.listen(self.now, Self::address(at));
        self.clients.push(client);
        self.up.push(Link::default());
        self.down.push(Link::default());
        self.describe(at);
        at
    }

    /// Offer and answer, as fast as signalling is here: at once.
    pub(crate) fn describe(&mut self, at: usize) {
        let client = &mut self.clients[at];
        let offer = client.offer(self.now);
        let answer = inside(|| self.sfu.describe(self.now, client.id, &offer).unwrap());
        if std::env::var("SHOW").is_ok() {
            println!("{answer}");
        }
        client.answered(self.now, &answer);
        self.answers.resize(self.clients.len(), String::new());
        self.answers[at].clone_from(&answer);
        inside(|| drop(answer));
        self.collect();
    }

    pub(crate) fn leave(&mut self, at: usize) {
        self.sfu.leave(self.now, self.clients[at].id);
        self.clients[at].gone = true;
        self.collect();
    }

    pub(crate) fn id(&self, at: usize) -> MemberId {
        self.clients[at].id
    }

    fn by_id(&self, id: MemberId) -> Option<usize> {
        self.clients.iter().position(|client| client.id == id)
    }

    /// Takes what all have to say.
    pub(crate) fn collect(&mut self) {
        loop {
            let mut anything = false;
            let mut buf = vec![0; 65_536];
            for at in 0..self.clients.len() {
                self.clients[at].take_events(self.now);
                while let Some(transmit) = self.clients[at].poll_transmit(self.now, &mut buf) {
                    anything = true;
                    self.carry(Some(at), transmit, &buf[..transmit.len]);
                    self.clients[at].take_events(self.now);
                }
            }
            while let Some(event) = inside(|| self.sfu.poll_event()) {
                self.note(event);
            }
            while let Some(transmit) = inside(|| self.sfu.poll_transmit(self.now, &mut buf)) {
                anything = true;
                self.carry(None, transmit, &buf[..transmit.len]);
            }
            while let Some(packet) = inside(|| self.sfu.poll_recorded(self.now)) {
                self.taken.push(Taken::of(self.now, &packet));
            }
            if !anything {
                return;
            }
        }
    }

    fn note(&mut self, event: Event) {
        if let Event::Wanted(id, rids) = &event
            && let Some(at) = self.by_id(*id)
        {
            self.clients[at].wanted = Some(rids.iter().map(|rid| rid.0.clone()).collect());
        }
        self.events.push((self.now, event));
    }

    fn carry(&mut self, from: Option<usize>, transmit: Transmit, bytes: &[u8]) {
        let to = match from {
            Some(_) => None,
            None => {
                assert_eq!(transmit.from, SERVER.parse().unwrap());
                (0..self.clients.len()).find(|at| Self::address(*at) == transmit.to)
            }
        };
        let segment = transmit.segment_size.unwrap_or(bytes.len());
        if from.is_none() && segment < bytes.len() {
            self.runs = (self.runs.0 + 1, self.runs.1 + bytes.len().div_ceil(segment) as u64);
        }
        for datagram in bytes.chunks(segment) {
            assert!(datagram.len() <= 1500);
            self.sent += 1;
            let media = from.is_none() && (128..=191).contains(&datagram[0]);
            self.media_sent += u64::from(media);
            if media && self.lose == Some(self.media_sent) {
                continue;
            }
            let link = match (from, to) {
                (Some(at), _) => &mut self.up[at],
                (None, Some(at)) => &mut self.down[at],
                (None, None) => continue,
            };
            let Some(arrival) = link.carry(self.now, datagram.len(), &mut self.rng) else { continue };
            let remote = if from.is_some() { transmit.from } else { ADVERTISED.parse().unwrap() };
            let flight = Flight { to, remote, bytes: datagram.to_vec() };
            self.flights.insert((arrival, self.sent), flight);
        }
    }

    fn next(&self) -> Option<Instant> {
        let arrival = self.flights.keys().next().map(|(at, _)| *at);
        let clients = self.clients.iter().filter_map(Client::poll_timeout).min();
        [arrival, clients, self.sfu.poll_timeout()].into_iter().flatten().min()
    }

    /// Lets the next thing happen.
    fn step(&mut self) {
        while let Some(entry) = self.flights.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let Flight { to, remote, mut bytes } = entry.remove();
            let received = |local: SocketAddr| Received {
                transport: Transport::Udp,
                local,
                remote,
                segment: bytes.len(),
            };
            match to {
                None => {
                    let received = received(SERVER.parse().unwrap());
                    inside(|| self.sfu.handle_input(self.now, received, &mut bytes));
                }
                Some(at) if !self.clients[at].gone => {
                    let received = received(Self::address(at));
                    self.clients[at].peer.handle_input(self.now, received, &mut bytes);
                }
                Some(_) => {}
            }
        }
        for client in &mut self.clients {
            client.handle_timeout(self.now);
        }
        if self.sfu.poll_timeout().is_some_and(|due| due <= self.now) {
            inside(|| self.sfu.handle_timeout(self.now));
        }
        self.collect();
    }

    /// Lets time pass.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        let mut stuck = 0;
        while let Some(next) = self.next().filter(|next| *next <= end) {
            stuck = if next <= self.now { stuck + 1 } else { 0 };
            assert!(stuck < 1000, "a timer that is always due: {:?}", self.sfu.poll_timeout());
            self.now = self.now.max(next);
            self.step();
        }
        self.now = end;
        self.collect();
    }

    /// Lets things happen until a condition holds; panics after ten virtual seconds.
    pub(crate) fn until(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let end = self.now + Duration::from_secs(10);
        let mut stuck = 0;
        while !done(self) {
            stuck = if self.next().is_some_and(|next| next <= self.now) { stuck + 1 } else { 0 };
            assert!(stuck < 1000, "a timer that is always due: {:?} {:?}", self.now, self.sfu.poll_timeout());
            let next = self.next().unwrap_or(end);
            assert!(
                next < end,
                "{what} in vain: {:?} {:?} {:?}",
                self.events,
                self.sfu.counters(),
                self.clients[0].peer.get_stats()
            );
            self.now = self.now.max(next);
            self.step();
        }
    }

    pub(crate) fn connected(&mut self) {
        self.until("all are connected", |world| {
            world.clients.iter().filter(|client| !client.gone).all(|client| {
                let known = |event: &Event| *event == Event::Connected(client.id);
                client.is_connected() && world.events.iter().any(|(_, event)| known(event))
            })
        });
    }
}
