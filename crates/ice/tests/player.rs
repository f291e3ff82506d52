//! A peer that is played message by message.

use crate::world::{addr, ms};
use ice::{Agent, Config, Credentials, Input, Local, Role};
use std::net::SocketAddr;
use stun::attribute::{
    ErrorCode, IceControlled, IceControlling, Priority, UseCandidate, Username, XorMappedAddress,
};
use stun::{Class, Integrity, Key, Message, Method, TransactionId, Writer};
use wire::{Instant, Transport};

pub(crate) const OURS: &str = "192.0.2.10:5000";
pub(crate) const PEER: [&str; 3] = ["198.51.100.1:7000", "198.51.100.2:7000", "198.51.100.3:7000"];
pub(crate) const PWD: &str = "peerpeerpeerpeerpeerpeer";
pub(crate) const NOMINATION: u16 = 0xc001;

/// What a played request says besides the usual.
#[derive(Clone, Copy, Default)]
pub(crate) struct Say {
    pub(crate) nominate: bool,
    pub(crate) number: Option<u32>,
    pub(crate) controlled: bool,
    pub(crate) tie_breaker: u64,
    pub(crate) no_priority: bool,
    pub(crate) wrong_pwd: bool,
    pub(crate) wrong_name: bool,
    pub(crate) wrong_theirs: bool,
    pub(crate) no_fingerprint: bool,
    pub(crate) unknown: bool,
}

pub(crate) struct Script {
    pub(crate) agent: Agent,
    pub(crate) now: Instant,
    pub(crate) counter: u8,
}

/// A message that the agent has sent.
pub(crate) struct Out {
    pub(crate) to: SocketAddr,
    pub(crate) bytes: Vec<u8>,
}

impl Out {
    pub(crate) fn message(&self) -> Message<'_> {
        Message::parse(&self.bytes).unwrap()
    }
}

impl Script {
    pub(crate) fn new(config: Config) -> Self {
        let mut agent = Agent::new(config, [1; 32], Instant::ZERO);
        agent.add_local(Instant::ZERO, Local::host(addr(OURS))).unwrap();
        agent.end_of_local_candidates(Instant::ZERO);
        Self { agent, now: Instant::ZERO, counter: 0 }
    }

    /// With the peer's credentials, and its candidates in falling priority.
    pub(crate) fn introduced(config: Config, candidates: usize) -> Self {
        let mut script = Self::new(config);
        script.introduce();
        for (at, peer) in PEER[..candidates].iter().enumerate() {
            let (ip, priority) = (addr(peer).ip(), 2_000_000_000 - at * 1000);
            let line = format!("candidate:{at} 1 udp {priority} {ip} 7000 typ host");
            script.agent.add_remote(script.now, line.parse().unwrap());
        }
        script
    }

    pub(crate) fn introduce(&mut self) {
        let peer = Credentials { ufrag: "peer".to_owned(), pwd: PWD.to_owned() };
        self.agent.set_remote_credentials(self.now, peer, false).unwrap();
    }

    pub(crate) fn sent(&mut self) -> Vec<Out> {
        let mut buf = [0; 1200];
        let mut all = Vec::new();
        while let Some(transmit) = self.agent.poll_transmit(self.now, &mut buf) {
            all.push(Out { to: transmit.to, bytes: buf[..transmit.len].to_vec() });
        }
        all
    }

    pub(crate) fn pass(&mut self, millis: u64) {
        self.now += ms(millis);
        self.agent.handle_timeout(self.now);
    }

    pub(crate) fn input(&mut self, from: &str, bytes: &[u8]) {
        let input = Input { transport: Transport::Udp, local: addr(OURS), remote: addr(from), bytes };
        self.agent.handle_input(self.now, input);
    }

    pub(crate) fn request(&mut self, from: &str, say: Say) {
        self.counter += 1;
        let own = self.agent.credentials().clone();
        let ours = if say.wrong_name { "nobody" } else { &own.ufrag };
        let name = format!("{ours}:{}", if say.wrong_theirs { "other" } else { "peer" });
        let mut buf = [0; 300];
        let id = TransactionId([self.counter; 12]);
        let mut w = Writer::new(&mut buf, Class::Request, Method::BINDING, id).unwrap();
        w.put(&Username(&name)).unwrap();
        if !say.no_priority {
            w.put(&Priority(1_800_000_000)).unwrap();
        }
        if say.controlled {
            w.put(&IceControlled(say.tie_breaker)).unwrap();
        } else {
            w.put(&IceControlling(say.tie_breaker)).unwrap();
        }
        if say.nominate {
            w.put(&UseCandidate).unwrap();
        }
        if let Some(number) = say.number {
            w.put_raw(NOMINATION, &u32::to_be_bytes(number)).unwrap();
        }
        if say.unknown {
            w.put_raw(0x7abc, &[1]).unwrap();
        }
        let pwd = if say.wrong_pwd { PWD } else { &own.pwd };
        w.put_integrity(&Key::new(pwd.as_bytes()), Integrity::Sha1).unwrap();
        if !say.no_fingerprint {
            w.put_fingerprint().unwrap();
        }
        let len = w.len();
        self.input(from, &buf[..len]);
    }

    /// Answers what the agent has asked, if it was asked of one of `who`.
    pub(crate) fn answer(&mut self, who: &[&str]) {
        for out in self.sent() {
            let message = out.message();
            let Some(from) = who.iter().find(|who| addr(who) == out.to) else { continue };
            if message.class() == Class::Request {
                let bytes = response(message.transaction_id(), None, PWD);
                self.input(from, &bytes);
            }
        }
    }

    pub(crate) fn selected(&self) -> Option<(SocketAddr, bool)> {
        self.agent.selected().map(|pair| (pair.remote, pair.nominated))
    }
}

pub(crate) fn response(id: TransactionId, error: Option<ErrorCode<'_>>, pwd: &str) -> Vec<u8> {
    let mut buf = [0; 200];
    let class = if error.is_some() { Class::Error } else { Class::Success };
    let mut w = Writer::new(&mut buf, class, Method::BINDING, id).unwrap();
    match error {
        Some(error) => w.put(&error).unwrap(),
        None => w.put(&XorMappedAddress(addr(OURS))).unwrap(),
    }
    w.put_integrity(&Key::new(pwd.as_bytes()), Integrity::Sha1).unwrap();
    w.put_fingerprint().unwrap();
    let len = w.len();
    buf[..len].to_vec()
}

pub(crate) fn controlled() -> Config {
    Config { role: Role::Controlled, ..Config::default() }
}

pub(crate) const NOMINATE: Say = Say {
    nominate: true,
    number: None,
    controlled: false,
    tie_breaker: 0,
    no_priority: false,
    wrong_pwd: false,
    wrong_name: false,
    wrong_theirs: false,
    no_fingerprint: false,
    unknown: false,
};
