use ice::{
    Agent, Candidate, Config, ConnectionState, Credentials, Embedding, Event, Input, Local, Role, TcpType,
};
use std::net::SocketAddr;
use std::time::Duration;
use stun::attribute::{
    DtlsInStun, DtlsInStunAck, ErrorCode, IceControlled, IceControlling, Priority, UseCandidate, Username,
    XorMappedAddress,
};
use stun::{Class, Integrity, Key, Method, TransactionId, Writer};
use wire::{Instant, Reader, Short, Transport};

const MAX_PAIRS: usize = 12;
const MAX_REMOTE: usize = 10;
const MAX_LOCAL: usize = 8;

/// Plays a list of commands on two agents and what flies between them: candidates, credentials and restarts in
/// any order, messages lost, doubled, damaged or late, requests of a peer that knows the passwords and means
/// no good, DTLS in checks, addresses that come and go, and time. Nothing grows without bound, and the states agree with the
/// pairs.
pub fn ice_agent(data: &[u8]) {
    let mut world = World::new(data.first().copied().unwrap_or(0));
    let mut commands = Reader::new(data.get(1..).unwrap_or_default());
    while world.play(&mut commands).is_ok() {}
    world.end();
}

struct Packet {
    to: usize,
    transport: Transport,
    local: SocketAddr,
    remote: SocketAddr,
    bytes: Vec<u8>,
}

struct World {
    agents: [Agent; 2],
    states: [ConnectionState; 2],
    now: Instant,
    flying: Vec<Packet>,
    told: [Vec<Candidate>; 2],
    names: Vec<String>,
    counter: u64,
}

impl World {
    fn new(bits: u8) -> Self {
        let config = |side: u8| Config {
            role: if bits & (1 << side) == 0 { Role::Controlling } else { Role::Controlled },
            lite: bits & (4 << side) != 0,
            renomination: bits & 16 != 0,
            stun_servers: if bits & 32 == 0 { Vec::new() } else { vec![address(7), address(15)] },
            max_pairs: MAX_PAIRS,
            max_remote: MAX_REMOTE,
            max_local: MAX_LOCAL,
            max_peer_reflexive: 4,
            ..Config::default()
        };
        let mut agents = [0, 1].map(|side| Agent::new(config(side), [side; 32], Instant::ZERO));
        for (side, agent) in agents.iter_mut().enumerate() {
            let embedding = [Embedding::Off, Embedding::Offered, Embedding::On, Embedding::On];
            agent.set_embedding(Instant::ZERO, embedding[(usize::from(bits >> 6) + side) % 4]);
        }
        Self {
            agents,
            states: [ConnectionState::New; 2],
            now: Instant::ZERO,
            flying: Vec::new(),
            told: [Vec::new(), Vec::new()],
            names: Vec::new(),
            counter: 0,
        }
    }

    fn play(&mut self, commands: &mut Reader<'_>) -> Result<(), Short> {
        let [what, how] = commands.array()?;
        let (side, now) = (usize::from(how & 1), self.now);
        let agent = &mut self.agents[side];
        match what % 20 {
            0 => self.pass(Duration::from_millis(u64::from(how) * u64::from(how))),
            1..=5 => self.deliver(how),
            6 | 7 => {
                // A refusal is an answer too.
                let _ = agent.add_local(now, local(how));
            }
            8 | 9 => {
                let (own, _) = self.told.split_at_mut(1);
                let candidates = if side == 1 { &own[0] } else { &self.told[1] };
                if let Some(candidate) = candidates.get(usize::from(how >> 1) % candidates.len().max(1)) {
                    agent.add_remote(now, candidate.clone());
                }
            }
            10 => self.introduce(side, how & 2 != 0),
            11 => {
                let line = format!(
                    "candidate:{} 1 {} {} {} {} typ {}",
                    how % 5,
                    if how & 64 == 0 { "udp" } else { "tcp" },
                    u32::from(how) << 23,
                    if how & 128 == 0 { address(how >> 1).ip().to_string() } else { format!("n{how}.local") },
                    address(how >> 1).port(),
                    if how & 32 == 0 { "host" } else { "relay" }
                );
                agent.add_remote(now, line.parse().expect("the line is well-formed"));
            }
            12 => agent.restart(now, None),
            13 => agent.remove_local(now, transport(how >> 5), address(how >> 1)),
            14 => {
                let ip = (how & 2 == 0).then(|| address(how >> 2).ip());
                if let Some(name) = self.names.pop() {
                    agent.resolved(now, &name, ip);
                }
            }
            15 => {
                let (end, role) =
                    (how & 2 == 0, if how & 4 == 0 { Role::Controlling } else { Role::Controlled });
                match (how >> 3) % 4 {
                    0 if end => agent.end_of_local_candidates(now),
                    0 => agent.end_of_remote_candidates(now),
                    1 => agent.set_role(now, role),
                    2 => agent.connection_failed(now, address(how >> 1), address(how >> 3)),
                    _ if how == 255 => agent.close(now),
                    _ => embed(agent, now, how),
                }
            }
            16..=18 => self.request(side, how, commands.array()?)?,
            _ => {
                let bytes = commands.take(usize::from(how).min(commands.rest().len()))?.to_vec();
                let (local, remote) = (address(how), address(how >> 2));
                let input = Input { transport: transport(how), local, remote, bytes: &bytes };
                self.agents[side].handle_input(now, input);
            }
        }
        self.drain();
        self.check();
        Ok(())
    }

    fn introduce(&mut self, side: usize, lite: bool) {
        let credentials = self.agents[1 - side].credentials().clone();
        // The peer has restarted and this side not: an error, and nothing changes.
        let _ = self.agents[side].set_remote_credentials(self.now, credentials, lite);
    }

    fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        let mut turns = 0;
        while let Some(due) = self.agents.iter().filter_map(Agent::poll_timeout).min().filter(|at| *at <= end)
        {
            self.now = self.now.max(due);
            for agent in &mut self.agents {
                agent.handle_timeout(self.now);
                assert!(agent.poll_timeout().is_none_or(|at| at > self.now), "a deadline was passed over");
            }
            self.drain();
            turns += 1;
            assert!(turns < 200_000, "time stands still");
        }
        self.now = end;
        for agent in &mut self.agents {
            agent.handle_timeout(end);
        }
    }

    /// One of the flying messages arrives, or is lost, or comes damaged, or stays to come again.
    fn deliver(&mut self, how: u8) {
        if self.flying.is_empty() {
            return;
        }
        let at = usize::from(how >> 3) % self.flying.len();
        let mut packet = self.flying.remove(at);
        match how & 7 {
            0 => return,
            1 => {
                let at = usize::from(how) % packet.bytes.len();
                packet.bytes[at] ^= 1;
            }
            2 => packet.remote = address(how),
            _ => {}
        }
        let Packet { to, transport, local, remote, bytes } = &packet;
        let input = Input { transport: *transport, local: *local, remote: *remote, bytes };
        self.agents[*to].handle_input(self.now, input);
        if how & 7 == 3 {
            self.flying.push(packet);
        }
    }

    /// A message of a peer that knows the password, or nearly.
    fn request(&mut self, side: usize, how: u8, [flags, who]: [u8; 2]) -> Result<(), Short> {
        self.counter += 1;
        let mut id = [0; 12];
        id[4..].copy_from_slice(&self.counter.to_be_bytes());
        let class = if how & 0xf0 == 0xf0 { Class::Error } else { Class::Request };
        let mut buf = [0; 400];
        let mut w = Writer::new(&mut buf, class, Method::BINDING, TransactionId(id))?;
        let Credentials { ufrag, pwd } = self.agents[side].credentials();
        let theirs = &self.agents[1 - side].credentials().ufrag;
        w.put(&Username(&format!("{ufrag}:{}", if flags & 1 == 0 { theirs } else { "other" })))?;
        if flags & 2 == 0 {
            w.put(&Priority(u32::from(who) << 24 | 0xff))?;
        }
        if flags & 4 == 0 {
            w.put(&IceControlling(u64::from(how) << 56))?;
        } else {
            w.put(&IceControlled(u64::from(how) << 56))?;
        }
        if flags & 8 != 0 {
            w.put(&UseCandidate)?;
        }
        if flags & 16 != 0 {
            w.put_raw(0xc001, &u32::from(who).to_be_bytes())?;
        }
        if who & 128 != 0 {
            w.put(&DtlsInStunAck::new(&[[how; 4], DtlsInStunAck::checksum(&[22; 600]).to_be_bytes()]))?;
        }
        if who & 64 != 0 {
            w.put(&DtlsInStun(&[how; 60][..usize::from(who & 31)]))?;
        }
        if flags & 32 != 0 {
            w.put(&XorMappedAddress(address(who)))?;
            w.put(&ErrorCode::ROLE_CONFLICT)?;
        }
        let pwd = if flags & 64 == 0 { pwd.as_bytes() } else { b"wrong" };
        w.put_integrity(&Key::new(pwd), Integrity::Sha1)?;
        w.put_fingerprint()?;
        let len = w.len();
        let transport = transport(flags >> 7);
        let input = Input { transport, local: address(how >> 1), remote: address(who), bytes: &buf[..len] };
        self.agents[side].handle_input(self.now, input);
        Ok(())
    }

    fn drain(&mut self) {
        let mut buf = [0; 1200];
        for side in 0..2 {
            let mut events = 0;
            while let Some(event) = self.agents[side].poll_event() {
                events += 1;
                assert!(events <= 2000, "events without end");
                match event {
                    Event::ConnectionState(state) => {
                        assert_ne!(state, self.states[side], "a state is told once");
                        self.states[side] = state;
                    }
                    Event::LocalCandidate(candidate) => {
                        let again = candidate.to_string().parse::<Candidate>();
                        assert_eq!(again.as_ref(), Ok(&*candidate), "what is told can be read");
                        self.told[side].push(*candidate);
                        self.told[side].truncate(40);
                    }
                    Event::Resolve(name) => self.names.push(name),
                    _ => {}
                }
            }
            let embedded = std::iter::from_fn(|| self.agents[side].poll_embedded());
            assert!(embedded.take(100).count() <= 16, "what waits is bounded");
            let mut sent = 0;
            while let Some(out) = self.agents[side].poll_transmit(self.now, &mut buf) {
                sent += 1;
                assert!(sent <= 300, "messages without end");
                let bytes = buf[..out.len].to_vec();
                assert!(stun::Message::parse(&bytes).is_ok(), "what is sent is well-formed");
                if self.flying.len() < 100 {
                    assert!(out.transport != Transport::Tls, "{out:?}");
                    let (local, remote) = (out.to, out.from);
                    self.flying.push(Packet { to: 1 - side, transport: out.transport, local, remote, bytes });
                }
            }
        }
        self.names.truncate(100);
    }

    fn check(&self) {
        for (agent, state) in self.agents.iter().zip(self.states) {
            assert_eq!(agent.connection_state(), state, "every change is told");
            assert!(agent.pair_stats().count() <= MAX_PAIRS);
            assert!(agent.remote_candidate_stats().count() <= MAX_REMOTE);
            assert!(agent.local_candidate_stats().count() <= MAX_LOCAL);
            let selected = agent.pair_stats().filter(|pair| pair.selected).count();
            assert_eq!(selected, usize::from(agent.selected().is_some()), "the selected pair exists");
            use ConnectionState::{Checking, Closed, Completed, Connected, Disconnected, Failed, New};
            match state {
                New | Checking | Failed | Closed => assert!(agent.selected().is_none(), "{state:?}"),
                Connected | Completed => assert!(agent.selected().is_some(), "{state:?}"),
                Disconnected => {}
            }
        }
    }

    /// Without a peer, everything comes to rest.
    fn end(&mut self) {
        self.pass(Duration::from_secs(600));
        self.drain();
        self.check();
        for agent in &mut self.agents {
            let lite = format!("{:?}", agent.selected());
            assert!(
                agent.selected().is_none() || agent.poll_timeout().is_none(),
                "consent has expired: {lite}"
            );
            agent.close(self.now);
            assert_eq!((agent.poll_timeout(), agent.connection_state()), (None, ConnectionState::Closed));
        }
    }
}

/// What a driver does about DTLS in checks.
fn embed(agent: &mut Agent, now: Instant, how: u8) {
    match how & 6 {
        0 => agent.embed(now, (0..how >> 5).map(|n| vec![22; 600 + usize::from(n) * 100])),
        2 => agent.acknowledge_embedded(&[how; 100]),
        4 => assert!(agent.take_unsent().len() <= 16),
        _ => agent.end_embedding(),
    }
}

/// Hosts of both sides, relays, IPv6, loopback and servers.
fn address(which: u8) -> SocketAddr {
    let port = 5000 + u16::from(which % 16 / 8);
    match which % 8 {
        0 | 1 => ([10, 0, 0, which % 8 + 1], port).into(),
        2 | 3 => ([198, 51, 100, which % 8], port).into(),
        4 => ([127, 0, 0, 1], port).into(),
        5 => SocketAddr::new("2001:db8::5".parse().expect("an address"), port),
        6 => SocketAddr::new("fe80::6".parse().expect("an address"), port),
        _ => ([192, 0, 2, 7], port).into(),
    }
}

fn transport(how: u8) -> Transport {
    match how % 4 {
        0 | 1 => Transport::Udp,
        2 => Transport::Tcp,
        _ => Transport::Tls,
    }
}

fn local(how: u8) -> Local {
    let at = address(how >> 1);
    match how >> 5 {
        0..=2 => Local::host(at),
        3 => Local::host(at).named("3c1f.local"),
        4 => Local::tcp(at, TcpType::Active),
        5 => Local::tcp(at, TcpType::Passive),
        6 => Local::tcp(at, TcpType::SimultaneousOpen),
        _ => Local::relayed(at, transport(how >> 2), address(7), address(2)),
    }
}
