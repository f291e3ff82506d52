//! Two agents in a virtual world: NATs, a STUN server, relays, TCP, signalling with a delay, and weather.

pub(crate) use crate::nat::{NATS, Nat, NatBox, must_be_direct};
use ice::{Agent, Candidate, Config, ConnectionState, Event, Input, Local, Pair, Role, TcpType};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use stun::attribute::XorMappedAddress;
use stun::{Class, Message, Method, Writer};
use wire::{Instant, Rng, Transport};

pub(crate) const STUN: &str = "192.0.2.1:3478";
const TURN: &str = "192.0.2.2:3478";

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// What happens to one packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    Drop,
    Duplicate,
    Delay,
    Corrupt,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    /// In a thousand.
    pub(crate) loss: u64,
    pub(crate) duplication: u64,
    pub(crate) corruption: u64,
    pub(crate) delay: (Duration, Duration),
    /// The n-th packet of the whole run.
    pub(crate) fault: Option<(u64, Fault)>,
}

pub(crate) const CALM: Weather =
    Weather { loss: 0, duplication: 0, corruption: 0, delay: (ms(25), ms(25)), fault: None };

pub(crate) struct Side {
    pub(crate) lite: bool,
    pub(crate) agent: Agent,
    pub(crate) nat: NatBox,
    pub(crate) hosts: Vec<SocketAddr>,
    pub(crate) relays: Vec<SocketAddr>,
    pub(crate) permitted: BTreeSet<IpAddr>,
    pub(crate) events: Vec<(Instant, Event)>,
    /// What `.local` names stand for.
    pub(crate) names: BTreeMap<String, IpAddr>,
    /// Nothing comes or goes.
    pub(crate) cut: bool,
}

#[derive(Clone, Debug)]
struct Packet {
    transport: Transport,
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
}

/// What the sides tell each other through the signalling server.
#[derive(Clone, Debug)]
pub(crate) enum Signal {
    Credentials(ice::Credentials, bool),
    Candidate(String),
    End,
}

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) sides: [Side; 2],
    pub(crate) weather: Weather,
    pub(crate) signal_delay: Duration,
    /// When candidates cross; `false` keeps them all back.
    pub(crate) signalling: bool,
    pub(crate) packets: u64,
    pub(crate) trace: Vec<String>,
    rng: Rng,
    flying: BTreeMap<(Instant, u64), Packet>,
    signals: BTreeMap<(Instant, u64), (usize, Signal)>,
    counter: u64,
    /// TCP connections: (active side, its local, the listener) to the ephemeral address.
    connections: BTreeMap<(usize, SocketAddr, SocketAddr), SocketAddr>,
    /// Requests that the STUN server answered.
    pub(crate) stun_answers: u64,
}

impl World {
    pub(crate) fn new(seed: u64, nats: [Nat; 2], configs: [Config; 2]) -> Self {
        let mut rng = Rng::from_number(seed);
        let mut number = 0u8;
        let mut side = |nat: Nat, config: Config| {
            number += 1;
            let public = IpAddr::from([203, 0, 113, number]);
            let host = if nat == Nat::None { public } else { IpAddr::from([10, 0, number, 2]) };
            Side {
                lite: config.lite,
                agent: Agent::new(config, rng.array(), Instant::ZERO),
                nat: NatBox::new(nat, public),
                hosts: vec![SocketAddr::new(host, 5000)],
                relays: Vec::new(),
                permitted: BTreeSet::new(),
                events: Vec::new(),
                names: BTreeMap::new(),
                cut: false,
            }
        };
        let [a, b] = configs;
        Self {
            now: Instant::ZERO,
            sides: [side(nats[0], a), side(nats[1], b)],
            weather: CALM,
            signal_delay: ms(30),
            signalling: true,
            packets: 0,
            trace: Vec::new(),
            rng: rng.fork(),
            flying: BTreeMap::new(),
            signals: BTreeMap::new(),
            counter: 0,
            connections: BTreeMap::new(),
            stun_answers: 0,
        }
    }

    /// Both sides give their host addresses, and a relay each after two round trips.
    pub(crate) fn start(&mut self, relays: bool) {
        self.start_with([relays; 2], ms(100));
    }

    /// The same, with a relay for these sides after this time.
    pub(crate) fn start_with(&mut self, relays: [bool; 2], after: Duration) {
        for side in 0..2 {
            self.gather(side);
        }
        self.exchange_credentials();
        if relays != [false; 2] {
            self.run_for(after);
            for side in (0..2).filter(|side| relays[*side]) {
                self.add_relay(side);
            }
        }
        for side in 0..2 {
            let now = self.now;
            self.sides[side].agent.end_of_local_candidates(now);
        }
    }

    pub(crate) fn gather(&mut self, side: usize) {
        let now = self.now;
        for host in self.sides[side].hosts.clone() {
            self.sides[side].agent.add_local(now, Local::host(host)).unwrap();
        }
    }

    pub(crate) fn add_relay(&mut self, side: usize) {
        let now = self.now;
        let public = self.sides[side].nat.public;
        let port = 60_000 + u16::try_from(side * 10 + self.sides[side].relays.len()).unwrap();
        let relay = SocketAddr::new(addr(TURN).ip(), port);
        let mapped = SocketAddr::new(public, 7000);
        self.sides[side].relays.push(relay);
        let local = Local::relayed(relay, Transport::Udp, addr(TURN), mapped);
        self.sides[side].agent.add_local(now, local).unwrap();
    }

    /// The offerer's go first, the answerer's come back.
    pub(crate) fn exchange_credentials(&mut self) {
        let [a, b] = [0, 1].map(|side| self.credentials_of(side));
        self.signal(1, a, self.signal_delay);
        self.signal(0, b, self.signal_delay * 2);
    }

    pub(crate) fn credentials_of(&self, side: usize) -> Signal {
        let Side { agent, lite, .. } = &self.sides[side];
        Signal::Credentials(agent.credentials().clone(), *lite)
    }

    pub(crate) fn signal(&mut self, to: usize, signal: Signal, delay: Duration) {
        self.counter += 1;
        self.signals.insert((self.now + delay, self.counter), (to, signal));
    }

    /// Runs until the condition holds; `false`: not within this time.
    pub(crate) fn run_until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + limit;
        loop {
            self.drain();
            if done(self) {
                return true;
            }
            let timeouts = self.sides.iter().filter_map(|side| side.agent.poll_timeout());
            let flying = self.flying.keys().map(|(at, _)| *at).next();
            let signals = self.signals.keys().map(|(at, _)| *at).next();
            let Some(next) = timeouts.chain(flying).chain(signals).min().filter(|at| *at <= end) else {
                self.now = end;
                return false;
            };
            self.now = self.now.max(next);
            self.step();
        }
    }

    pub(crate) fn run_for(&mut self, time: Duration) {
        assert!(!self.run_until(time, |_| false));
    }

    pub(crate) fn connected(&self) -> bool {
        let works = |side: &Side| {
            let state = side.agent.connection_state();
            matches!(state, ConnectionState::Connected | ConnectionState::Completed)
        };
        self.sides.iter().all(works)
    }

    /// Both sides use the same nominated pair.
    pub(crate) fn agreed(&self) -> bool {
        let [Some(a), Some(b)] = [0, 1].map(|side| self.sides[side].agent.selected()) else {
            return false;
        };
        let mirrored = a.remote == b.local_mapped && b.remote == a.local_mapped;
        a.nominated && b.nominated && mirrored && self.connected()
    }

    pub(crate) fn is_direct(&self) -> bool {
        let relayed = |pair: &Pair| {
            self.sides.iter().any(|s| s.relays.contains(&pair.local) || s.relays.contains(&pair.remote))
        };
        self.sides.iter().all(|side| side.agent.selected().is_some_and(|pair| !relayed(pair)))
    }

    pub(crate) fn events_of(&self, side: usize) -> impl Iterator<Item = &Event> {
        self.sides[side].events.iter().map(|(_, event)| event)
    }

    fn step(&mut self) {
        let now = self.now;
        while let Some(entry) = self.signals.first_entry().filter(|e| e.key().0 <= now) {
            let (to, signal) = entry.remove();
            self.receive_signal(to, signal);
        }
        while let Some(entry) = self.flying.first_entry().filter(|e| e.key().0 <= now) {
            let packet = entry.remove();
            self.arrive(packet);
        }
        for side in &mut self.sides {
            if side.agent.poll_timeout().is_some_and(|at| at <= now) {
                side.agent.handle_timeout(now);
            }
        }
    }

    fn receive_signal(&mut self, to: usize, signal: Signal) {
        let agent = &mut self.sides[to].agent;
        match signal {
            Signal::Credentials(credentials, lite) => {
                if agent.remote_credentials().is_some_and(|known| *known != credentials) {
                    agent.restart(self.now, None);
                    self.drain();
                    let answer = self.credentials_of(to);
                    self.signal(1 - to, answer, self.signal_delay);
                }
                self.sides[to].agent.set_remote_credentials(self.now, credentials, lite).unwrap();
            }
            Signal::Candidate(line) => agent.add_remote(self.now, line.parse::<Candidate>().unwrap()),
            Signal::End => agent.end_of_remote_candidates(self.now),
        }
    }

    fn drain(&mut self) {
        let mut buf = [0; 1200];
        for side in 0..2 {
            let now = self.now;
            while let Some(event) = self.sides[side].agent.poll_event() {
                self.trace.push(format!("{:?} {side} {event:?}", now.as_nanos() / 1000));
                self.sides[side].events.push((now, event.clone()));
                self.handle_event(side, event);
            }
            while let Some(transmit) = self.sides[side].agent.poll_transmit(now, &mut buf) {
                self.trace.push(format!("{:?} {side} {transmit:?}", now.as_nanos() / 1000));
                let wire::Transmit { transport, from, to, len, .. } = transmit;
                let bytes = buf[..len].to_vec();
                self.send(side, Packet { transport, from, to, bytes });
            }
        }
        // What a resolved name has caused.
        if self.sides.iter().any(|side| side.agent.poll_timeout().is_some_and(|at| at <= self.now)) {
            self.step();
            self.drain();
        }
    }

    fn handle_event(&mut self, side: usize, event: Event) {
        match event {
            Event::LocalCandidate(candidate) if self.signalling => {
                self.signal(1 - side, Signal::Candidate(candidate.to_string()), self.signal_delay);
            }
            Event::EndOfCandidates if self.signalling => {
                self.signal(1 - side, Signal::End, self.signal_delay)
            }
            Event::Resolve(name) => {
                let ip = self.sides[1 - side].names.get(&name).copied();
                self.sides[side].agent.resolved(self.now, &name, ip);
            }
            _ => {}
        }
    }

    fn send(&mut self, side: usize, packet: Packet) {
        if self.sides[side].cut {
            return;
        }
        if packet.transport == Transport::Tcp {
            return self.send_stream(side, packet);
        }
        let from_relay = self.sides[side].relays.contains(&packet.from);
        let packet = if from_relay {
            self.sides[side].permitted.insert(packet.to.ip());
            packet
        } else {
            let Side { nat, hosts, .. } = &mut self.sides[side];
            let from = hosts.contains(&packet.from).then_some(packet.from);
            match from.and_then(|from| nat.translate_out(from, packet.to)) {
                Some(from) => Packet { from, ..packet },
                None => return,
            }
        };
        self.fly(packet, true);
    }

    fn send_stream(&mut self, side: usize, packet: Packet) {
        let key = (side, packet.from, packet.to);
        let other = self.sides[1 - side].hosts.contains(&packet.to);
        let accepted = self.connections.iter().find(|(_, ephemeral)| **ephemeral == packet.to);
        if let Some(((_, active, listener), _)) = accepted {
            let (from, to) = (*listener, *active);
            return self.fly(Packet { from, to, ..packet }, false);
        }
        if !other {
            let now = self.now;
            return self.sides[side].agent.connection_failed(now, packet.from, packet.to);
        }
        let port = 50_000 + u16::try_from(self.connections.len()).unwrap();
        let ephemeral = SocketAddr::new(packet.from.ip(), port);
        let ephemeral = *self.connections.entry(key).or_insert(ephemeral);
        self.fly(Packet { from: ephemeral, ..packet }, false);
    }

    fn fly(&mut self, packet: Packet, lossy: bool) {
        self.packets += 1;
        let Weather { loss, duplication, corruption, delay, fault } = self.weather;
        let fault = fault.filter(|(n, _)| *n == self.packets).map(|(_, fault)| fault);
        let mut packet = packet;
        if lossy && (self.rng.chance(loss) || fault == Some(Fault::Drop)) {
            return;
        }
        if lossy && (self.rng.chance(corruption) || fault == Some(Fault::Corrupt)) {
            let at = usize::try_from(self.rng.below(packet.bytes.len() as u64)).unwrap();
            packet.bytes[at] ^= 1 << self.rng.below(8);
        }
        let copies =
            1 + u64::from(lossy && (self.rng.chance(duplication) || fault == Some(Fault::Duplicate)));
        for _ in 0..copies {
            let spread = u64::try_from((delay.1 - delay.0).as_nanos()).unwrap();
            let extra = if fault == Some(Fault::Delay) { ms(700) } else { Duration::ZERO };
            let at = self.now + delay.0 + Duration::from_nanos(self.rng.below(spread + 1)) + extra;
            self.counter += 1;
            self.flying.insert((at, self.counter), packet.clone());
        }
    }

    fn arrive(&mut self, packet: Packet) {
        if packet.to == addr(STUN) {
            return self.answer_binding(&packet);
        }
        for side in 0..2 {
            let s = &mut self.sides[side];
            let local = if s.cut {
                None
            } else if packet.transport == Transport::Tcp {
                s.hosts.contains(&packet.to).then_some(packet.to)
            } else if s.relays.contains(&packet.to) {
                s.permitted.contains(&packet.from.ip()).then_some(packet.to)
            } else {
                s.nat.translate_in(packet.from, packet.to).filter(|inside| s.hosts.contains(inside))
            };
            if let Some(local) = local {
                let Packet { transport, from, bytes, .. } = &packet;
                let input = Input { transport: *transport, local, remote: *from, bytes };
                s.agent.handle_input(self.now, input);
                return;
            }
        }
    }

    fn answer_binding(&mut self, packet: &Packet) {
        let Ok(message) = Message::parse(&packet.bytes) else { return };
        if message.class() != Class::Request
            || message.check_fingerprint() == stun::attribute::Fingerprint::Invalid
        {
            return;
        }
        self.stun_answers += 1;
        let mut buf = [0; 100];
        let mut w = Writer::new(&mut buf, Class::Success, Method::BINDING, message.transaction_id()).unwrap();
        w.put(&XorMappedAddress(packet.from)).unwrap();
        w.put_fingerprint().unwrap();
        let bytes = w.len();
        let bytes = buf[..bytes].to_vec();
        self.fly(Packet { transport: Transport::Udp, from: packet.to, to: packet.from, bytes }, true);
    }
}

/// A full agent that asks the STUN server.
pub(crate) fn full(role: Role) -> Config {
    Config { role, stun_servers: vec![addr(STUN)], ..Config::default() }
}

pub(crate) fn pair_of_full() -> [Config; 2] {
    [full(Role::Controlling), full(Role::Controlled)]
}

pub(crate) fn stream(side: &mut Side, now: Instant, address: &str, tcp_type: TcpType) {
    let address = addr(address);
    side.hosts.push(address);
    side.agent.add_local(now, Local::tcp(address, tcp_type)).unwrap();
}
