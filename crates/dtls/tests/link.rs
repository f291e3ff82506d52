//! Two connections and what is between them, in virtual time.

use std::sync::OnceLock;
use std::time::Duration;

use dtls::{Certificate, Config, Connected, Dtls, Event, Role, Version};
use wire::{Instant, Rng};

/// One way, without faults.
pub(crate) const DELAY: Duration = Duration::from_millis(10);

/// The certificate of a test's client (0), server (1), or stranger.
pub(crate) fn certificate(number: usize) -> Certificate {
    static MADE: OnceLock<Vec<Certificate>> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let mut rng = Rng::from_number(1000);
        (0..4).map(|_| Certificate::generate(&mut rng, 1_767_225_600)).collect()
    });
    made[number].clone()
}

/// A configuration that knows the peer's fingerprint.
pub(crate) fn config(role: Role, versions: &[Version]) -> Config {
    let (ours, theirs) = if role == Role::Client { (0, 1) } else { (1, 0) };
    Config {
        remote_fingerprints: vec![certificate(theirs).fingerprint()],
        versions: versions.to_vec(),
        ..Config::new(certificate(ours), role)
    }
}

/// What becomes of a datagram: each copy with its additional delay.
pub(crate) type Fate = Vec<(Duration, Vec<u8>)>;

pub(crate) struct Pair {
    pub(crate) now: Instant,
    /// Client and server.
    pub(crate) ends: [Dtls; 2],
    pub(crate) events: [Vec<Event>; 2],
    pub(crate) received: [Vec<Vec<u8>>; 2],
    /// (when, number, to whom, bytes).
    queue: Vec<(Instant, u64, usize, Vec<u8>)>,
    /// Datagrams sent so far.
    pub(crate) sent: u64,
    pub(crate) bytes: [usize; 2],
    fate: Box<dyn FnMut(u64, Vec<u8>) -> Fate>,
}

impl Pair {
    pub(crate) fn new(client: Config, server: Config, seed: u64) -> Self {
        let mut rng = Rng::from_number(seed);
        let now = Instant::ZERO;
        Self {
            now,
            ends: [Dtls::new(client, rng.fork(), now), Dtls::new(server, rng.fork(), now)],
            events: Default::default(),
            received: Default::default(),
            queue: Vec::new(),
            sent: 0,
            bytes: [0; 2],
            fate: Box::new(|_, bytes| vec![(Duration::ZERO, bytes)]),
        }
    }

    /// Two that know each other's fingerprints.
    pub(crate) fn of(versions: &[Version], seed: u64) -> Self {
        Self::new(config(Role::Client, versions), config(Role::Server, versions), seed)
    }

    pub(crate) fn with_fate(mut self, fate: impl FnMut(u64, Vec<u8>) -> Fate + 'static) -> Self {
        self.fate = Box::new(fate);
        self
    }

    pub(crate) fn post(&mut self, to: usize, bytes: Vec<u8>) {
        let number = self.sent;
        self.sent += 1;
        self.bytes[1 - to] += bytes.len();
        for (delay, bytes) in (self.fate)(number, bytes) {
            self.queue.push((self.now + DELAY + delay, number, to, bytes));
        }
    }

    fn drain(&mut self) {
        for end in 0..2 {
            let mut buf = [0; 2048];
            while let Some(len) = self.ends[end].poll_transmit(self.now, &mut buf) {
                assert!(len > 0, "an empty datagram");
                self.post(1 - end, buf[..len].to_vec());
            }
            while let Some(event) = self.ends[end].poll_event() {
                self.events[end].push(event);
            }
        }
    }

    /// Sends application data.
    pub(crate) fn send(&mut self, from: usize, data: &[u8]) {
        let mut buf = vec![0; data.len() + dtls::MAX_OVERHEAD];
        let end = &mut self.ends[from];
        let at = end.header_len();
        buf[at..at + data.len()].copy_from_slice(data);
        let len = end.seal(&mut buf, data.len()).unwrap();
        assert_eq!(len, data.len() + end.overhead());
        self.post(1 - from, buf[..len].to_vec());
    }

    /// Goes to the next thing that happens; whether there was one.
    pub(crate) fn step(&mut self) -> bool {
        self.drain();
        let timeouts = self.ends.iter().filter_map(Dtls::poll_timeout);
        let Some(next) = timeouts.chain(self.queue.iter().map(|(at, ..)| *at)).min() else { return false };
        self.now = self.now.max(next);
        self.queue.sort_by_key(|(at, number, ..)| (*at, *number));
        while self.queue.first().is_some_and(|(at, ..)| *at <= self.now) {
            let (_, _, to, mut bytes) = self.queue.remove(0);
            let opened = self.ends[to].open(self.now, &mut bytes).map(|data| data.to_vec());
            self.received[to].extend(opened);
        }
        for end in &mut self.ends {
            end.handle_timeout(self.now);
            assert!(end.poll_timeout().is_none_or(|due| due > self.now), "a deadline was passed over");
        }
        self.drain();
        true
    }

    /// Until nothing is left to happen, or both are connected.
    pub(crate) fn connect(&mut self) -> [Option<Connected>; 2] {
        while self.connected().iter().any(Option::is_none) && self.step() {}
        self.connected()
    }

    pub(crate) fn connected(&self) -> [Option<Connected>; 2] {
        let find = |events: &Vec<Event>| {
            events.iter().find_map(|event| match event {
                Event::Connected(connected) => Some((**connected).clone()),
                Event::Closed(_) => None,
            })
        };
        [find(&self.events[0]), find(&self.events[1])]
    }

    /// Until nothing is left to happen.
    pub(crate) fn settle(&mut self) {
        while self.step() {}
    }

    /// Both are connected with the same keys, and data goes both ways.
    pub(crate) fn assert_works(&mut self, context: &str) {
        let [client, server] = self.connect();
        let (Some(client), Some(server)) = (client, server) else {
            panic!("{context}: not connected: {:?}", self.events)
        };
        assert_eq!(
            (client.version, client.cipher, &client.srtp),
            (server.version, server.cipher, &server.srtp),
            "{context}"
        );
        assert_eq!(client.remote_fingerprint, certificate(1).fingerprint(), "{context}");
        assert_eq!(server.remote_fingerprint, certificate(0).fingerprint(), "{context}");
        self.fate = Box::new(|_, bytes| vec![(Duration::ZERO, bytes)]);
        self.settle();
        self.received = Default::default();
        for from in [0, 1] {
            self.send(from, format!("from {from}").as_bytes());
        }
        self.settle();
        assert_eq!(self.received, [[b"from 1".to_vec()], [b"from 0".to_vec()]], "{context}");
    }
}
