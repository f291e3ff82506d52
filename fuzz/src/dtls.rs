use std::collections::{BTreeSet, VecDeque};
use std::sync::OnceLock;
use std::time::Duration;

use dtls::{Certificate, Config, Dtls, Event, Role, Version};
use wire::{Instant, Reader, Rng, Short};

/// Plays a list of commands on two ends and the link between them: datagrams are delivered, lost, doubled,
/// damaged or made up; time passes; data is sent; keys change; ends close. Nothing arrives that was not sent, or
/// twice, and every end says once that it is connected and once that it is closed.
pub fn dtls(data: &[u8]) {
    let mut world = World::new(data.first().copied().unwrap_or(0));
    let mut commands = Reader::new(data.get(1..).unwrap_or_default());
    while world.play(&mut commands).is_ok() {}
    world.end();
}

struct World {
    now: Instant,
    ends: [Dtls; 2],
    /// What is on its way to each.
    queues: [VecDeque<Vec<u8>>; 2],
    sent: [BTreeSet<Vec<u8>>; 2],
    connected: [usize; 2],
    closed: [usize; 2],
    counter: u32,
}

fn certificates() -> &'static [Certificate; 2] {
    static MADE: OnceLock<[Certificate; 2]> = OnceLock::new();
    MADE.get_or_init(|| [1, 2].map(|seed| Certificate::generate(&mut Rng::from_number(seed), 1_767_225_600)))
}

const BOTH: &[Version] = &[Version::Dtls13, Version::Dtls12];

fn versions(bits: u8) -> Vec<Version> {
    match bits & 3 {
        0 => vec![Version::Dtls12],
        1 => vec![Version::Dtls13],
        _ => BOTH.to_vec(),
    }
}

impl World {
    fn new(bits: u8) -> Self {
        let [ours, theirs] = certificates();
        let end = |own: &Certificate, other: &Certificate, role, bits: u8| {
            let config = Config {
                remote_fingerprints: vec![other.fingerprint()],
                versions: versions(bits),
                post_quantum: bits & 4 != 0,
                mtu: if bits & 8 == 0 { 1200 } else { 256 },
                ..Config::new(own.clone(), role)
            };
            Dtls::new(config, Rng::from_number(u64::from(bits)), Instant::ZERO)
        };
        Self {
            now: Instant::ZERO,
            ends: [end(ours, theirs, Role::Client, bits), end(theirs, ours, Role::Server, bits >> 4)],
            queues: Default::default(),
            sent: Default::default(),
            connected: [0; 2],
            closed: [0; 2],
            counter: 0,
        }
    }

    fn play(&mut self, commands: &mut Reader<'_>) -> Result<(), Short> {
        let command = commands.u8()?;
        let to = usize::from(command >> 7);
        match command & 0x0f {
            0..=4 => {
                if let Some(datagram) = self.queues[to].pop_front() {
                    self.deliver(to, datagram);
                }
            }
            5 => drop(self.queues[to].pop_front()),
            6 => {
                if let Some(datagram) = self.queues[to].front().cloned() {
                    self.deliver(to, datagram);
                }
            }
            7 => {
                let [at, bits] = commands.array()?;
                if let Some(mut datagram) = self.queues[to].pop_front() {
                    let at = usize::from(at) * datagram.len() / 256;
                    datagram[at] ^= bits;
                    self.deliver(to, datagram);
                }
            }
            8 => self.queues[to].rotate_left(usize::from(self.queues[to].len() > 1)),
            9 => {
                let len = usize::from(commands.u8()?).min(commands.rest().len());
                let datagram = commands.take(len)?.to_vec();
                self.deliver(to, datagram);
            }
            10 => self.message(to, commands)?,
            11 => {
                self.now += Duration::from_millis(u64::from(commands.u8()?) * 8);
                for end in &mut self.ends {
                    end.handle_timeout(self.now);
                    assert!(
                        end.poll_timeout().is_none_or(|due| due > self.now),
                        "a deadline was passed over"
                    );
                }
            }
            12 | 13 => self.send(1 - to),
            14 => self.ends[to].update_keys(self.now),
            _ => {
                if commands.u8()? == 255 {
                    self.ends[to].close(self.now);
                }
            }
        }
        self.drain();
        Ok(())
    }

    /// A handshake message in the clear with a body of the fuzzer's.
    fn message(&mut self, to: usize, commands: &mut Reader<'_>) -> Result<(), Short> {
        let [kind, seq, len, extra] = commands.array()?;
        let body = commands.take(usize::from(len).min(commands.rest().len()))?;
        let whole = [0, extra, u8::try_from(body.len()).unwrap_or(u8::MAX)];
        let fragment = [0, 0, whole[2]];
        let length = u16::try_from(12 + body.len()).unwrap_or(u16::MAX).to_be_bytes();
        let datagram = [
            &[22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, seq][..],
            &length,
            &[kind],
            &whole,
            &[0, seq & 7],
            &[0; 3],
            &fragment,
            body,
        ]
        .concat();
        self.deliver(to, datagram);
        Ok(())
    }

    fn send(&mut self, from: usize) {
        self.counter += 1;
        let data = [&self.counter.to_be_bytes()[..], &[9; 20]].concat();
        let end = &mut self.ends[from];
        let at = end.header_len();
        let mut buf = vec![0; data.len() + end.overhead()];
        buf[at..at + data.len()].copy_from_slice(&data);
        match end.seal(&mut buf, data.len()) {
            Ok(len) => {
                assert!(end.is_connected() && len == buf.len());
                self.sent[from].insert(data);
                self.queues[1 - from].push_back(buf);
            }
            Err(_) => assert!(!end.is_connected()),
        }
    }

    fn deliver(&mut self, to: usize, mut datagram: Vec<u8>) {
        for data in self.ends[to].open(self.now, &mut datagram) {
            assert!(self.connected[to] > 0 || !data.is_empty());
            assert!(self.sent[1 - to].remove(&*data), "data that was not sent, or twice");
        }
    }

    fn drain(&mut self) {
        for from in 0..2 {
            let mut buf = [0; 1500];
            for count in 0.. {
                let Some(len) = self.ends[from].poll_transmit(self.now, &mut buf) else { break };
                assert!(len > 0 && count < 200, "a flight without end");
                if self.queues[1 - from].len() < 100 {
                    self.queues[1 - from].push_back(buf[..len].to_vec());
                }
            }
            while let Some(event) = self.ends[from].poll_event() {
                match event {
                    Event::Connected(_) => self.connected[from] += 1,
                    Event::Closed(_) => self.closed[from] += 1,
                }
            }
            assert!(self.connected[from] <= 1 && self.closed[from] <= 1, "said twice");
        }
    }

    /// Time alone ends what is not connected.
    fn end(&mut self) {
        for _ in 0..1000 {
            let due = self.ends.iter().filter_map(Dtls::poll_timeout).min();
            let Some(due) = due else { break };
            self.now = self.now.max(due);
            self.ends.iter_mut().for_each(|end| end.handle_timeout(self.now));
            self.drain();
        }
        assert!(self.ends.iter().all(|end| end.poll_timeout().is_none()), "a timer without end");
    }
}
