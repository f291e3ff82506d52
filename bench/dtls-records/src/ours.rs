//! Two ends of ours.

use std::hint::black_box;
use std::sync::OnceLock;

use dtls::{Certificate, Config, Dtls, Role, Version};
use wire::{Instant, Rng};

use crate::DATA;

/// Certificates are made once in the life of a program.
pub(crate) fn certificates() -> &'static [Certificate; 2] {
    static MADE: OnceLock<[Certificate; 2]> = OnceLock::new();
    MADE.get_or_init(|| [1, 2].map(|seed| Certificate::generate(&mut Rng::from_number(seed), 1_767_225_600)))
}

/// A connected pair.
pub(crate) struct Pair {
    client: Dtls,
    server: Dtls,
    buf: [u8; DATA + dtls::MAX_OVERHEAD],
}

impl Pair {
    pub(crate) fn new(version: Version, seed: usize) -> Self {
        let mut rng = Rng::from_number(seed as u64);
        let [ours, theirs] = certificates();
        let mut end = |own: &Certificate, other: &Certificate, role| {
            let config = Config {
                remote_fingerprints: vec![other.fingerprint()],
                versions: vec![version],
                ..Config::new(own.clone(), role)
            };
            Dtls::new(config, rng.fork(), Instant::ZERO)
        };
        let mut client = end(ours, theirs, Role::Client);
        let mut server = end(theirs, ours, Role::Server);
        let mut buf = [0; 1500];
        while !client.is_connected() || !server.is_connected() {
            carry(&mut client, &mut server, &mut buf);
            carry(&mut server, &mut client, &mut buf);
        }
        carry(&mut server, &mut client, &mut buf);
        Self { client, server, buf: [7; DATA + dtls::MAX_OVERHEAD] }
    }

    /// Seals and opens, in place.
    pub(crate) fn records(&mut self, count: usize) {
        let at = self.client.header_len();
        let len = DATA + self.client.overhead();
        for _ in 0..count {
            let record = self.client.seal(&mut self.buf, DATA).expect("connected");
            assert_eq!(record, len);
            let mut opened = self.server.open(Instant::ZERO, black_box(&mut self.buf[..record]));
            assert_eq!(opened.next().map(|data| data.len()), Some(DATA));
        }
        assert_eq!(self.buf[at], 7);
    }
}

fn carry(from: &mut Dtls, to: &mut Dtls, buf: &mut [u8]) {
    while let Some(len) = from.poll_transmit(Instant::ZERO, buf) {
        to.handle_input(Instant::ZERO, &mut buf[..len]);
    }
}
