//! Members come one after the other, then packets are counted.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use net::{Clock, Poller};
use wire::Instant;

use crate::Shape;
use crate::member::{Arrived, Member, Tools};
use crate::process::Process;

/// How long somebody may wait to be let in, and for the first packet.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often timers and signalling are looked at.
const LOOK: Duration = Duration::from_millis(2);
/// How often signalling is looked at while packets are counted.
const SELDOM: Duration = Duration::from_millis(100);
/// Packets may still be on their way at the end.
const LAST: Duration = Duration::from_millis(100);
/// From the last join to the count.
const SETTLE: Duration = Duration::from_secs(1);

/// How members come into rooms.
pub(crate) trait Service {
    /// A member asks to be let in. Members of a room come in the order of their numbers.
    fn ask(&mut self, load: &mut Load, member: usize) -> Result<()>;
    /// Does what has come by signalling.
    fn tick(&mut self, load: &mut Load) -> Result<()>;
    /// Whether nobody can be served before more than this many are in a room.
    fn alone(&self) -> usize;
}

/// What was measured.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Measured {
    sent: u64,
    delivered: u64,
    lost: u64,
    nanos_per_packet: f64,
    packets_per_core_second: f64,
    packets_per_second: f64,
    delay_p50_micros: u64,
    delay_p99_micros: u64,
    join_p50_millis: f64,
    join_p99_millis: f64,
    join_cpu_micros: u64,
    kib_per_member: f64,
}

/// All members, in the order in which they come: room by room.
pub(crate) struct Load {
    pub(crate) members: Vec<Member>,
    pub(crate) tools: Tools,
    pub(crate) shape: Shape,
    clock: Clock,
    poller: Poller,
    looked: Instant,
}

impl Load {
    fn new(shape: Shape) -> Result<Self> {
        let (clock, poller) = (Clock::start(), Poller::new()?);
        Ok(Self { members: Vec::new(), tools: Tools::new(), shape, clock, poller, looked: Instant::ZERO })
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// The number of a member in their room.
    pub(crate) const fn number(&self, member: usize) -> usize {
        member % self.shape.members
    }

    /// One turn: packets in, frames out, timers.
    fn turn(&mut self) -> Result<()> {
        self.poller.wait(Some(Duration::ZERO))?;
        let now = self.clock.now();
        for event in 0..self.poller.len() {
            let Some(key) = self.poller.ready(event) else { continue };
            let Some(member) = usize::try_from(key).ok().and_then(|key| self.members.get_mut(key)) else {
                continue;
            };
            member.receive(self.clock.now(), &mut self.tools);
        }
        let (shape, interval) = (self.shape, self.shape.interval());
        for (at, member) in self.members.iter_mut().enumerate() {
            if shape.publishes(at % shape.members) && member.due <= now {
                member.due = (member.due + interval).max(now);
                member.send_frame(now, &mut self.tools, shape.bytes, shape.burst);
            }
        }
        if now.saturating_since(self.looked) >= LOOK {
            self.looked = now;
            for member in &mut self.members {
                member.look(now, &mut self.tools);
            }
        }
        Ok(())
    }

    /// Turns until something is so.
    fn until(&mut self, service: &mut dyn Service, what: &str, done: impl Fn(&Self) -> bool) -> Result<()> {
        let (end, mut ticked) = (self.now() + PATIENCE, Instant::ZERO);
        while !done(self) {
            let now = self.now();
            if now > end {
                bail!("after {} s it is not so that {what}", PATIENCE.as_secs());
            }
            if now.saturating_since(ticked) >= LOOK / 4 {
                ticked = now;
                service.tick(self)?;
            }
            self.turn()?;
        }
        Ok(())
    }

    fn is_served(&self, member: usize) -> bool {
        self.shape.sees(self.number(member)) == 0 && self.members[member].connected
            || self.members[member].served.is_some()
    }
}

/// Fills the rooms and measures.
pub(crate) fn run(service: &mut dyn Service, process: Process, shape: Shape) -> Result<Measured> {
    ensure!(shape.members >= 3 && shape.publishers >= 1, "a room has three members and a publisher at least");
    ensure!(shape.bytes >= 32 && shape.burst * (shape.bytes + 100) < 65_000, "a frame has 64 KB at most");
    let mut load = Load::new(shape)?;
    let (memory, mut cpu) = (process.resident_kib()?, process.cpu_nanos()?);
    let mut joins = Vec::new();
    for member in 0..shape.rooms * shape.members {
        let now = load.now();
        load.members.push(Member::new(now, shape.address)?);
        load.poller.add(&load.members[member].socket, member as u64)?;
        service.ask(&mut load, member)?;
        if load.number(member) + 1 < service.alone() {
            continue;
        }
        load.until(service, "a new member is served", |load| load.is_served(member))?;
        let Member { asked, served, .. } = load.members[member];
        joins.extend(served.map(|at| at.saturating_since(asked)));
    }
    load.until(service, "everybody is served", |load| (0..load.members.len()).all(|m| load.is_served(m)))?;
    cpu = process.cpu_nanos()?.saturating_sub(cpu);
    let members = load.members.len() as u64;
    let forwarded = load.tools.arrived.packets;
    run_for(&mut load, service, SETTLE)?;
    let memory = process.resident_kib()?.saturating_sub(memory);
    let counted = count(&mut load, service, process)?;
    let nanos = precise(counted.cpu) / precise(counted.arrived.packets.max(1));
    // What was forwarded while members came is not their cost.
    let forwarding = precise(forwarded) * nanos;
    let join_cpu = (precise(cpu) - forwarding).max(0.0) / precise(members);
    joins.sort_unstable();
    let mut delays = counted.arrived.delays;
    delays.sort_unstable();
    let micros = |share| delays.get(delays.len() * share / 100).copied().unwrap_or_default() / 1000;
    let millis =
        |share: usize| joins.get(joins.len() * share / 100).copied().unwrap_or_default().as_secs_f64() * 1e3;
    Ok(Measured {
        sent: counted.sent,
        delivered: counted.arrived.packets,
        lost: counted.expected.saturating_sub(counted.arrived.packets),
        nanos_per_packet: nanos,
        packets_per_core_second: 1e9 / nanos,
        packets_per_second: precise(counted.arrived.packets) / counted.wall.as_secs_f64(),
        delay_p50_micros: micros(50),
        delay_p99_micros: micros(99),
        join_p50_millis: millis(50),
        join_p99_millis: millis(99),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "microseconds of one join"
        )]
        join_cpu_micros: (join_cpu / 1e3) as u64,
        kib_per_member: precise(memory) / precise(members),
    })
}

struct Counted {
    sent: u64,
    expected: u64,
    arrived: Arrived,
    cpu: u64,
    wall: Duration,
}

fn count(load: &mut Load, service: &mut dyn Service, process: Process) -> Result<Counted> {
    let shape = load.shape;
    load.tools.arrived = Arrived::default();
    load.tools.sent = 0;
    let (cpu, from) = (process.cpu_nanos()?, load.now());
    run_for(load, service, Duration::from_millis(shape.millis))?;
    let (cpu, wall) = (process.cpu_nanos()? - cpu, load.now().saturating_since(from));
    let sent = load.tools.sent;
    // What is still on its way is not lost.
    let end = load.now() + LAST;
    for member in &mut load.members {
        member.due = end + LAST;
    }
    while load.now() < end {
        load.turn()?;
    }
    let receivers = shape.members as u64 - 1;
    Ok(Counted {
        sent,
        expected: sent * receivers,
        arrived: std::mem::take(&mut load.tools.arrived),
        cpu,
        wall,
    })
}

fn run_for(load: &mut Load, service: &mut dyn Service, time: Duration) -> Result<()> {
    let (end, mut ticked) = (load.now() + time, Instant::ZERO);
    while load.now() < end {
        let now = load.now();
        if now.saturating_since(ticked) >= SELDOM {
            ticked = now;
            service.tick(load)?;
        }
        load.turn()?;
    }
    Ok(())
}

/// Counts here stay far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "a quotient is wanted")]
const fn precise(n: u64) -> f64 {
    n as f64
}
