use bytes::Bytes;
use sctp::packet::{HEADER_LEN, checksum};
use sctp::{Association, ChannelConfig, ChannelId, Config, Event, Kind, Reliability, Role};
use std::collections::VecDeque;
use std::time::Duration;
use wire::{Fragments, Instant, Reader, Short};

const WINDOW: usize = 1 << 17;

/// Two associations under a list of commands: verbs, time, and packets that are lost, doubled, reordered,
/// changed in their chunks (with a checksum that holds), or made up, over paths that change what they carry.
pub fn sctp_association(data: &[u8]) {
    let mut commands = Reader::new(data);
    let Ok(flags) = commands.u8() else { return };
    let mut world = World::new(flags);
    while world.command(&mut commands).is_ok() && world.steps < 3000 {
        world.settle();
    }
}

struct World {
    now: Instant,
    sides: [Association; 2],
    flying: [VecDeque<Vec<u8>>; 2],
    /// The tag that each side expects, as seen in packets to it.
    tags: [u32; 2],
    closed: [bool; 2],
    /// What the path carries; longer packets get lost, or are cut if they may be.
    carries: usize,
    steps: usize,
}

impl World {
    fn new(flags: u8) -> Self {
        let side = |role, seed: u8| {
            let config = Config {
                role,
                interleaving: flags & 1 != 0,
                zero_checksum: flags & 2 != 0,
                receive_window: WINDOW,
                max_receive_window: WINDOW,
                max_message_size: 20_000,
                remote_max_message_size: None,
                max_channels: 50,
                max_mtu: 16_200,
                ..Config::default()
            };
            Association::new(config, [seed; 32], Instant::ZERO)
        };
        let mut sides = [side(Role::Client, 1), side(Role::Server, 2)];
        let now = Instant::ZERO + Duration::from_secs(1);
        if flags & 4 == 0 {
            sides[0].connect(now);
            sides[1].connect(now);
        }
        let flying = [VecDeque::new(), VecDeque::new()];
        if flags & 8 != 0 {
            sides.iter_mut().for_each(|side| side.use_path(Some(65)));
        }
        Self { now, sides, flying, tags: [0; 2], closed: [false; 2], carries: 1435, steps: 0 }
    }

    /// Takes out everything that wants out; nothing may go on for ever.
    fn settle(&mut self) {
        self.steps += 1;
        let mut buf = [0; 20_000];
        for side in 0..2 {
            for packets in 0.. {
                assert!(packets < 5000, "a side sends without end");
                let Some(sent) = self.sides[side].poll_transmit(self.now, &mut buf) else { break };
                let len = sent.len;
                let most = self.sides[side].packet_size();
                assert!(len >= HEADER_LEN + 4 && most <= 16_200, "a packet of {len} bytes of {most}");
                assert!(
                    len <= most || sent.fragments != Fragments::Usual,
                    "a packet of {len} bytes of {most}"
                );
                if len > self.carries && sent.fragments != Fragments::Allowed {
                    continue;
                }
                let tag = u32::from_be_bytes([buf[4], buf[5], buf[6], buf[7]]);
                if tag != 0 {
                    self.tags[1 - side] = tag;
                }
                if self.flying[side].len() < 500 {
                    self.flying[side].push_back(buf[..len].to_vec());
                }
            }
            while let Some(event) = self.sides[side].poll_event() {
                assert!(!self.closed[side], "nothing follows the end: {event:?}");
                match event {
                    Event::Closed(_) => self.closed[side] = true,
                    Event::Message { data, .. } => assert!(data.len() <= 20_000),
                    Event::Connected
                    | Event::ChannelOpened { .. }
                    | Event::ChannelClosed { .. }
                    | Event::BufferedAmountLow { .. } => {}
                }
            }
        }
    }

    fn command(&mut self, commands: &mut Reader<'_>) -> Result<(), Short> {
        let [what, argument] = commands.array()?;
        let side = usize::from(what & 1);
        match what >> 1 & 15 {
            0 | 1 => self.deliver(side, usize::from(argument) + 1),
            2 => {
                self.flying[side].pop_front();
            }
            3 => {
                if let Some(first) = self.flying[side].pop_front() {
                    self.flying[side].push_back(first);
                }
            }
            4 => {
                if let Some(first) = self.flying[side].front().cloned() {
                    self.flying[side].push_back(first);
                }
            }
            5 => self.change(side, argument, commands.u8()?),
            6 => self.invent(side, commands.take(usize::from(argument))?),
            7 | 8 => self.pass(Duration::from_millis(u64::from(argument) * 5)),
            9 => self.pass(self.due()),
            10 | 11 => {
                let data = Bytes::from(vec![argument; usize::from(argument) * 100]);
                let id = ChannelId(u16::from(commands.u8()? % 8));
                let _ = self.sides[side].send(self.now, id, Kind::Binary, data);
            }
            12 => self.open(side, argument),
            13 => self.sides[side].close_channel(self.now, ChannelId(u16::from(argument % 8))),
            14 => self.sides[side].connect(self.now),
            _ => match argument {
                0 => self.sides[side].abort(self.now),
                1..16 => self.sides[side].shutdown(self.now),
                16..32 => self.carries = 1188 + usize::from(argument - 16) * 1000,
                32..36 => self.sides[side].use_path((argument != 32).then_some(65)),
                36 => self.sides[side].probe_refused(self.now),
                37..48 => self.transfer(side, argument),
                _ => self.sides[side].set_buffered_amount_low_threshold(ChannelId(0), argument.into()),
            },
        }
        Ok(())
    }

    fn open(&mut self, side: usize, argument: u8) {
        let reliability = match argument & 3 {
            0 => Reliability::Retransmits(u32::from(argument >> 4)),
            1 => Reliability::Lifetime(Duration::from_millis(u64::from(argument) * 4)),
            _ => Reliability::Reliable,
        };
        let negotiated = (argument & 8 != 0).then_some(ChannelId(u16::from(argument >> 5)));
        let ordered = argument & 4 == 0;
        let config = ChannelConfig { reliability, negotiated, ordered, ..ChannelConfig::default() };
        let _ = self.sides[side].open_channel(self.now, config);
    }

    /// Much data on a path that loses nothing that fits, so that packets grow.
    fn transfer(&mut self, from: usize, argument: u8) {
        let data = Bytes::from(vec![argument; 19_000]);
        for id in (0..8).map(ChannelId) {
            let _ = self.sides[from].send(self.now, id, Kind::Binary, data.clone());
        }
        for _ in 0..argument {
            self.settle();
            self.deliver(0, 500);
            self.deliver(1, 500);
        }
    }

    fn deliver(&mut self, from: usize, count: usize) {
        for _ in 0..count {
            let Some(bytes) = self.flying[from].pop_front() else { return };
            self.sides[1 - from].handle_input(self.now, &bytes);
        }
    }

    /// Changes a byte of the next packet behind its header, and makes the checksum hold.
    fn change(&mut self, from: usize, at: u8, value: u8) {
        if let Some(bytes) = self.flying[from].front_mut() {
            let at = HEADER_LEN + usize::from(at) % (bytes.len() - HEADER_LEN);
            bytes[at] = value;
            seal(bytes);
        }
    }

    /// Hands over chunks that the peer never made.
    fn invent(&mut self, to: usize, chunks: &[u8]) {
        let tag = if chunks.first() == Some(&1) { 0 } else { self.tags[to] };
        let mut bytes = vec![0x13, 0x88, 0x13, 0x88];
        bytes.extend(tag.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(chunks);
        seal(&mut bytes);
        self.sides[to].handle_input(self.now, &bytes);
    }

    /// How long until anything is due.
    fn due(&self) -> Duration {
        let next = self.sides.iter().filter_map(Association::poll_timeout).min();
        next.map_or(Duration::ZERO, |at| at.saturating_since(self.now))
    }

    fn pass(&mut self, duration: Duration) {
        self.now += duration;
        for side in &mut self.sides {
            side.handle_timeout(self.now);
            assert!(side.poll_timeout().is_none_or(|due| due > self.now), "a deadline was passed over");
        }
    }
}

fn seal(bytes: &mut [u8]) {
    let sum = checksum(bytes);
    bytes[8..12].copy_from_slice(&sum.to_le_bytes());
}
