//! Rooms full of members, and the clock: virtual time that goes on as the packets would come, real time only where the
//! forwarder works.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use peer::ConnectionState;
use sfu::{Address, Certificate, Config, JoinConfig, Received, RoomConfig, Sfu, Source, Want};
use wire::{Instant, Rng, Transport};

use crate::Case;
use crate::people::Person;

/// What was measured.
#[derive(Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) packets_per_second: f64,
    pub(crate) packets_per_run: f64,
    pub(crate) micros_per_join: f64,
}

pub(crate) struct World {
    sfu: Sfu,
    people: Vec<Person>,
    by_address: BTreeMap<SocketAddr, usize>,
    server: SocketAddr,
    now: Instant,
    /// CPU time that the forwarder took.
    worked: Duration,
    micros_per_join: f64,
}

/// CPU time of this thread.
fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn precise(n: u64) -> f64 {
    n as f64
}

impl World {
    /// Rooms in which everybody is connected, and everybody looks at up to nine others.
    pub(crate) fn fill(case: &Case) -> Result<Self> {
        let now = Instant::from_nanos(1_000_000_000);
        let mut rng = Rng::from_number(1);
        let server: SocketAddr = ([192, 0, 2, 1], 3478).into();
        let certificate = Certificate::generate(&mut rng, 1_700_000_000);
        let theirs = Certificate::generate(&mut rng, 1_700_000_000);
        let address = Address { transport: Transport::Udp, socket: server, advertised: server };
        let mut config = Config::new(certificate, vec![address]);
        config.start_bitrate = 20_000_000;
        let mut world = Self {
            sfu: Sfu::new(config, rng.array(), now),
            people: Vec::new(),
            by_address: BTreeMap::new(),
            server,
            now,
            worked: Duration::ZERO,
            micros_per_join: 0.0,
        };
        let mut rooms = Vec::new();
        let mut offers = Vec::new();
        for _ in 0..case.rooms {
            let room = world.sfu.open_room(now, RoomConfig::default())?;
            for member in 0..case.members {
                let at = world.people.len();
                let number = u32::try_from(at + 1)?;
                let id = world.sfu.join(now, room, JoinConfig { number, ..JoinConfig::default() })?;
                let [a, b] = u16::try_from(at)?.to_be_bytes();
                let address = ([10, 0, a, b], 5000).into();
                let publishes = member < case.publishers;
                let mut person = Person::new(now, (id, address), (theirs.clone(), &mut rng), publishes)?;
                offers.push(person.offer(now)?);
                world.by_address.insert(address, at);
                world.people.push(person);
            }
            rooms.push(room);
        }
        world.connect(offers)?;
        world.look(case);
        Ok(world)
    }

    /// The handshakes of all, and what each cost the forwarder.
    fn connect(&mut self, offers: Vec<String>) -> Result<()> {
        for (at, offer) in offers.into_iter().enumerate() {
            let begun = cpu();
            let answer = self.sfu.describe(self.now, self.people[at].id, &offer)?;
            self.worked += cpu() - begun;
            self.people[at].answered(self.now, answer)?;
        }
        for _ in 0..400 {
            self.turn();
            self.now += Duration::from_millis(5);
        }
        let connected =
            self.people.iter().filter(|p| p.peer.connection_state() == ConnectionState::Connected).count();
        ensure!(connected == self.people.len(), "{connected} of {} are connected", self.people.len());
        let count = precise(self.people.len() as u64);
        self.micros_per_join = self.worked.as_secs_f64() * 1e6 / count;
        Ok(())
    }

    fn look(&mut self, case: &Case) {
        let ids: Vec<_> = self.people.iter().map(|person| (person.id, person.publishes())).collect();
        for (at, (id, _)) in ids.iter().enumerate() {
            let room = &ids[at / case.members * case.members..][..case.members];
            let others = room.iter().filter(|(other, publishes)| other != id && *publishes).take(9);
            let wants: Vec<Option<Want>> = others
                .map(|(member, _)| Some(Want { member: *member, source: Source::Camera, height: 720 }))
                .collect();
            self.sfu.layout(self.now, *id, &wants);
        }
    }

    /// Lets all say what they have to.
    fn turn(&mut self) {
        let mut buf = vec![0; 65_536];
        let begun = cpu();
        if self.sfu.poll_timeout().is_some_and(|due| due <= self.now) {
            self.sfu.handle_timeout(self.now);
        }
        self.worked += cpu() - begun;
        for at in 0..self.people.len() {
            let person = &mut self.people[at];
            if person.peer.poll_timeout().is_some_and(|due| due <= self.now) {
                person.peer.handle_timeout(self.now);
            }
            let (remote, local) = (person.address, self.server);
            while let Some(transmit) = self.people[at].peer.poll_transmit(self.now, &mut buf) {
                let segment = transmit.segment_size.unwrap_or(transmit.len);
                let received = Received { transport: Transport::Udp, local, remote, segment };
                let begun = cpu();
                self.sfu.handle_input(self.now, received, &mut buf[..transmit.len]);
                self.worked += cpu() - begun;
            }
            while self.people[at].peer.poll_event().is_some() {}
        }
        loop {
            let begun = cpu();
            let transmit = self.sfu.poll_transmit(self.now, &mut buf);
            self.worked += cpu() - begun;
            let Some(transmit) = transmit else { break };
            let segment = transmit.segment_size.unwrap_or(transmit.len);
            if let Some(at) = self.by_address.get(&transmit.to) {
                self.people[*at].take(self.now, self.server, &mut buf[..transmit.len], segment);
            }
        }
        while self.sfu.poll_event().is_some() {}
    }

    /// Sends frames of all publishers, and counts what leaves; the receivers take it and answer.
    pub(crate) fn run(&mut self, case: &Case, duration: Duration) -> Result<Measured> {
        self.frames(case, Duration::from_millis(300))?;
        self.worked = Duration::ZERO;
        let (packets, runs) = self.frames(case, duration)?;
        Ok(Measured {
            packets_per_second: precise(packets) / self.worked.as_secs_f64(),
            packets_per_run: precise(packets) / precise(runs.max(1)),
            micros_per_join: self.micros_per_join,
        })
    }

    fn frames(&mut self, case: &Case, duration: Duration) -> Result<(u64, u64)> {
        let (mut packets, mut runs) = (0, 0);
        let publishers: Vec<usize> =
            (0..self.people.len()).filter(|at| self.people[*at].publishes()).collect();
        // Room for all that one frame becomes.
        let mut out = vec![0; 16 << 20];
        let mut sent = Vec::with_capacity(1 << 16);
        let mut frame = 0u64;
        let interval = Duration::from_millis(if case.picture { 33 } else { 20 });
        let begun = cpu();
        while cpu().saturating_sub(begun) < duration {
            let first = frame.is_multiple_of(300);
            frame += 1;
            for at in &publishers {
                let mut burst = self.burst(case, *at, first)?;
                let remote = self.people[*at].address;
                let started = cpu();
                for datagram in &mut burst {
                    let segment = datagram.len();
                    let received =
                        Received { transport: Transport::Udp, local: self.server, remote, segment };
                    self.sfu.handle_input(self.now, received, datagram);
                }
                let mut end = 0;
                while let Some(transmit) = self.sfu.poll_transmit(self.now, &mut out[end..]) {
                    sent.push((end, transmit));
                    end += transmit.len;
                }
                self.worked += cpu() - started;
                for (begin, transmit) in sent.drain(..) {
                    let segment = transmit.segment_size.unwrap_or(transmit.len);
                    packets += transmit.len.div_ceil(segment) as u64;
                    runs += 1;
                    let at = self.by_address.get(&transmit.to).copied();
                    if let Some(person) = at.and_then(|at| self.people.get_mut(at)) {
                        person.take(self.now, self.server, &mut out[begin..begin + transmit.len], segment);
                    }
                }
            }
            self.now += interval;
            self.turn();
        }
        Ok((packets, runs))
    }

    /// The packets of a publisher's next frame.
    fn burst(&mut self, case: &Case, at: usize, keyframe: bool) -> Result<Vec<Vec<u8>>> {
        let person = &mut self.people[at];
        person.next_frame(if case.picture { 3000 } else { 960 });
        let mut burst = Vec::new();
        for number in 0..case.burst {
            let mut payload = vec![7; case.payload];
            if case.picture {
                // VP8: a frame begins with the first, and may be a keyframe.
                payload[0] = if number == 0 { 0x10 } else { 0 };
                payload[1] = u8::from(!keyframe);
            }
            let mut buf = vec![0; 1500];
            let len = person.write(self.now, (case.picture, &payload, number + 1 == case.burst), &mut buf)?;
            buf.truncate(len);
            burst.push(buf);
        }
        Ok(burst)
    }
}
