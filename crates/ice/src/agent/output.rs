//! Messages, written when the driver asks for them.

use super::Agent;
use super::embedding::Load;
use super::gather::GatherState;
use super::input::Path;
use super::pair::Purpose;
use crate::Role;
use std::net::SocketAddr;
use stun::attribute::{
    ErrorCode, IceControlled, IceControlling, Priority, UnknownAttributes, UseCandidate, Username,
    XorMappedAddress,
};
use stun::{Class, Integrity, Method, TransactionId, Writer};
use wire::{Fragments, Instant, Short, Transmit};

/// NOMINATION, with the number that browsers use for it (draft-thatcher-ice-renomination).
pub(super) const NOMINATION: u16 = 0xc001;

/// What waits to be sent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Out {
    Answer(Answer),
    /// The check with this id on this pair.
    Check(u32, TransactionId),
    /// The request with this id on this pair, for the datagram of DTLS with this checksum.
    Carrier(u32, TransactionId, u32),
    /// A request to a STUN server.
    Gather(u32),
    /// An indication to a STUN server.
    Keepalive(u32),
}

/// A response to a check.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub(super) path: Path,
    pub(super) id: TransactionId,
    pub(super) generation: u32,
    pub(super) verdict: Verdict,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Verdict {
    Success,
    RoleConflict,
    Unknown(UnknownAttributes),
}

impl Agent {
    /// Writes the first message that is still wanted.
    pub(super) fn write_next(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        loop {
            let out = self.outbox.pop_front()?;
            let written = match out {
                Out::Answer(answer) => self.write_answer(now, &answer, buf),
                Out::Check(pair, id) => self.write_check(now, pair, id, None, buf),
                Out::Carrier(pair, id, datagram) => self.write_check(now, pair, id, Some(datagram), buf),
                Out::Gather(id) => self.write_gather(id, buf),
                Out::Keepalive(id) => self.write_keepalive(id, buf),
            };
            if let Some((path, len)) = written {
                let transport = path.protocol.transport();
                let Path { local, remote, .. } = path;
                return Some(Transmit {
                    transport,
                    from: local,
                    to: remote,
                    len,
                    segment_size: None,
                    fragments: Fragments::Usual,
                });
            }
        }
    }

    fn write_answer(&mut self, now: Instant, answer: &Answer, buf: &mut [u8]) -> Option<(Path, usize)> {
        let load = match answer.verdict {
            Verdict::Success if answer.generation == self.current.generation => {
                self.load(now, answer.path, None)
            }
            Verdict::Success | Verdict::RoleConflict | Verdict::Unknown(_) => Load::default(),
        };
        let key = &self.session(answer.generation)?.local_key;
        let class = match answer.verdict {
            Verdict::Success => Class::Success,
            Verdict::RoleConflict | Verdict::Unknown(_) => Class::Error,
        };
        let mut write = || {
            let room = buf.len();
            let mut w = Writer::new(buf, class, Method::BINDING, answer.id)?;
            match answer.verdict {
                Verdict::Success => w.put(&XorMappedAddress(answer.path.remote))?,
                Verdict::RoleConflict => w.put(&ErrorCode::ROLE_CONFLICT)?,
                Verdict::Unknown(kinds) => {
                    w.put(&ErrorCode::UNKNOWN_ATTRIBUTE)?;
                    w.put(&kinds)?;
                }
            }
            let carries = self.put_load(&mut w, load, room)?;
            w.put_integrity(key, Integrity::Sha1)?;
            w.put_fingerprint()?;
            Ok::<_, Short>((w.len(), carries))
        };
        let (len, carries) = write().ok()?;
        self.loaded(load, carries);
        Some((answer.path, len))
    }

    fn write_check(
        &mut self,
        now: Instant,
        pair_id: u32,
        id: TransactionId,
        datagram: Option<u32>,
        buf: &mut [u8],
    ) -> Option<(Path, usize)> {
        let path = self.pairs.get(&pair_id)?.path();
        let load = self.load(now, path, datagram);
        if datagram.is_some() && !load.carries() {
            return None;
        }
        let tie_breaker = self.tie_breaker;
        let renomination = self.config.renomination;
        let pair = self.pairs.get(&pair_id)?;
        let session = self.session(pair.generation)?;
        let remote = session.remote.as_ref()?;
        let username = format!("{}:{}", remote.credentials.ufrag, session.local.ufrag);
        let priority = self.locals.get(&pair.local)?.reflexive_priority();
        let sent = *self
            .pairs
            .get(&pair_id)?
            .check
            .as_ref()
            .map(|(sent, _)| sent)
            .filter(|s| s.id == id)
            .or_else(|| pair.older.iter().find(|sent| sent.id == id))?;
        let mut write = || {
            let room = buf.len();
            let mut w = Writer::new(buf, Class::Request, Method::BINDING, id)?;
            w.put(&Username(&username))?;
            w.put(&Priority(priority))?;
            match sent.role {
                Role::Controlling => w.put(&IceControlling(tie_breaker))?,
                Role::Controlled => w.put(&IceControlled(tie_breaker))?,
            }
            if let Some(number) = sent.nominate {
                w.put(&UseCandidate)?;
                if renomination {
                    w.put_raw(NOMINATION, &number.to_be_bytes())?;
                }
            }
            let carries = self.put_load(&mut w, load, room)?;
            w.put_integrity(&remote.key, Integrity::Sha1)?;
            w.put_fingerprint()?;
            Ok::<_, Short>((w.len(), carries))
        };
        let (len, carries) = write().ok()?;
        self.loaded(load, carries);
        if sent.purpose == Purpose::Check && carries {
            self.carry_along(now, pair_id, load, sent.times > 0);
        }
        self.stats.requests_sent += 1;
        let pair = self.pairs.get_mut(&pair_id)?;
        pair.counters.requests_sent += 1;
        pair.counters.consent_requests_sent += u64::from(sent.purpose == Purpose::Consent);
        if let Some(sent) = pair.sent_mut(id) {
            sent.times += 1;
            sent.at = now;
        }
        Some((path, len))
    }

    fn write_gather(&mut self, id: u32, buf: &mut [u8]) -> Option<(Path, usize)> {
        let gather = self.gathers.get(&id)?;
        let GatherState::InProgress(transaction, ..) = gather.state else { return None };
        self.stats.requests_sent += 1;
        let (base, server) = (gather.base, gather.server);
        write_binding(buf, Class::Request, transaction, base, server)
    }

    fn write_keepalive(&mut self, id: u32, buf: &mut [u8]) -> Option<(Path, usize)> {
        let gather = self.gathers.get(&id)?;
        let (base, server) = (gather.base, gather.server);
        write_binding(buf, Class::Indication, TransactionId(self.rng.array()), base, server)
    }
}

/// A message to a STUN server: it knows no credentials of ours.
fn write_binding(
    buf: &mut [u8],
    class: Class,
    id: TransactionId,
    local: SocketAddr,
    remote: SocketAddr,
) -> Option<(Path, usize)> {
    let mut w = Writer::new(buf, class, Method::BINDING, id).ok()?;
    w.put_fingerprint().ok()?;
    Some((Path { protocol: crate::Protocol::Udp, local, remote }, w.len()))
}
