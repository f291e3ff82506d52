#![expect(clippy::disallowed_types, reason = "this is a driver: it reads the clock")]

use crate::{Setup, rate};
use anyhow::{Context, Result};
use bytes::Bytes;
use sctp::{Association, ChannelConfig, ChannelId, Config, Event, Kind, Role};
use std::time::Instant;

/// Packets that one system call carries with GSO, so that a run is what a driver would see.
const RUN: usize = 54;

struct Pair {
    start: Instant,
    sides: [Association; 2],
    buffer: Vec<u8>,
    received: u64,
    connected: bool,
}

impl Pair {
    fn now(&self) -> wire::Instant {
        let nanos = self.start.elapsed().as_nanos();
        wire::Instant::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Carries a run of packets from one side to the other.
    fn carry(&mut self, from: usize) -> usize {
        let now = self.now();
        let mut lens = [0; RUN];
        let mut count = 0;
        for (len, slot) in lens.iter_mut().zip(self.buffer.chunks_exact_mut(1200)) {
            let Some(written) = self.sides[from].poll_transmit(now, slot) else { break };
            *len = written.len;
            count += 1;
        }
        for (len, slot) in lens.iter().zip(self.buffer.chunks_exact(1200)).take(count) {
            self.sides[1 - from].handle_input(now, &slot[..*len]);
        }
        count
    }

    fn turn(&mut self) {
        let moved = self.carry(0) + self.carry(1);
        if moved == 0 {
            let now = self.now();
            for side in &mut self.sides {
                if side.poll_timeout().is_some_and(|at| at <= now) {
                    side.handle_timeout(now);
                }
            }
        }
        while let Some(event) = self.sides[1].poll_event() {
            if let Event::Message { data, .. } = event {
                self.received += data.len() as u64;
            }
        }
        while let Some(event) = self.sides[0].poll_event() {
            self.connected |= event == Event::Connected;
        }
    }
}

/// What an association costs that is connected, has one channel, and rests: nanoseconds for one round of
/// questions, and KiB of memory.
pub(crate) fn idle() -> Result<(f64, f64)> {
    const PAIRS: u32 = 400;
    let resident = || -> Result<f64> {
        let statm = std::fs::read_to_string("/proc/self/statm")?;
        let pages: f64 = statm.split(' ').nth(1).context("the second field is there")?.parse()?;
        Ok(pages * 4.0)
    };
    let before = resident()?;
    let zero = wire::Instant::ZERO;
    let mut pairs: Vec<[Association; 2]> = Vec::new();
    let mut buf = [0; 1200];
    for _ in 0..PAIRS {
        let side = |role| Association::new(Config { role, ..Config::default() }, [1; 32], zero);
        let mut pair = [side(Role::Client), side(Role::Server)];
        pair[0].connect(zero);
        pair[0].open_channel(zero, ChannelConfig::default())?;
        for _ in 0..20 {
            for from in 0..2 {
                while let Some(sent) = pair[from].poll_transmit(zero, &mut buf) {
                    pair[1 - from].handle_input(zero, &buf[..sent.len]);
                }
                while pair[from].poll_event().is_some() {}
            }
        }
        pairs.push(pair);
    }
    let each = (resident()? - before) / f64::from(2 * PAIRS);
    let begun = Instant::now();
    let rounds = 1_000_000u32;
    for _ in 0..rounds {
        let side = std::hint::black_box(&mut pairs[0][0]);
        let quiet = side.poll_transmit(zero, &mut buf).is_none() && side.poll_event().is_none();
        std::hint::black_box((quiet, side.poll_timeout()));
    }
    Ok((begun.elapsed().as_secs_f64() * 1e9 / f64::from(rounds), each))
}

/// Bytes per second from side 0 to side 1.
pub(crate) fn run(setup: Setup) -> Result<f64> {
    let config = |role| Config { role, zero_checksum: setup.zero_checksum, ..Config::default() };
    let zero = wire::Instant::ZERO;
    let side = |role, seed| Association::new(config(role), [seed; 32], zero);
    let mut pair = Pair {
        start: Instant::now(),
        sides: [side(Role::Client, 1), side(Role::Server, 2)],
        buffer: vec![0; RUN * 1200],
        received: 0,
        connected: false,
    };
    pair.sides[0].connect(zero);
    let channel: ChannelId =
        pair.sides[0].open_channel(zero, ChannelConfig::default()).context("a channel opens")?;
    while !pair.connected {
        pair.turn();
    }
    let message = Bytes::from(vec![7; setup.message]);
    let begun = Instant::now();
    let before = pair.received;
    while begun.elapsed() < setup.duration {
        let now = pair.now();
        while pair.sides[0].buffered_amount(channel) < 1 << 20 {
            pair.sides[0].send(now, channel, Kind::Binary, message.clone()).context("a message is taken")?;
        }
        for _ in 0..16 {
            pair.turn();
        }
    }
    Ok(rate(pair.received - before, begun.elapsed()))
}
