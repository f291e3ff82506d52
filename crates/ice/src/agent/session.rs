//! Generations: the credentials of both sides, and what a restart leaves of the one before (RFC 8445 §9).

use super::{Agent, Timer};
use crate::{Credentials, Role};
use std::collections::BTreeSet;
use stun::Key;
use wire::{Instant, Rng};

/// One generation.
pub(super) struct Session {
    pub(super) generation: u32,
    pub(super) local: Credentials,
    /// The key of what the peer sends.
    pub(super) local_key: Key,
    pub(super) remote: Option<RemoteSession>,
    /// The peer has said that there are no more candidates.
    pub(super) remote_done: bool,
}

pub(super) struct RemoteSession {
    pub(super) credentials: Credentials,
    /// The key of what we send.
    pub(super) key: Key,
    pub(super) lite: bool,
}

impl Session {
    pub(super) fn new(generation: u32, local: Option<Credentials>, rng: &mut Rng) -> Self {
        let local = local.unwrap_or_else(|| Credentials::random(rng));
        Self { generation, local_key: local.key(), local, remote: None, remote_done: false }
    }
}

impl Agent {
    pub(super) fn session(&self, generation: u32) -> Option<&Session> {
        let sessions = [Some(&self.current), self.previous.as_deref()];
        sessions.into_iter().flatten().find(|session| session.generation == generation)
    }

    /// The session that a USERNAME of the peer speaks to: `ours:theirs` (RFC 8445 §7.2.2).
    pub(super) fn session_of<'a>(&'a self, username: &'a str) -> Option<(&'a Session, &'a str)> {
        let (ours, theirs) = username.split_once(':')?;
        let sessions = [Some(&self.current), self.previous.as_deref()];
        let session = sessions.into_iter().flatten().find(|session| session.local.ufrag == ours)?;
        Some((session, theirs))
    }

    pub(super) fn is_peer_lite(&self) -> bool {
        self.current.remote.as_ref().is_some_and(|remote| remote.lite)
    }

    pub(super) fn accept_remote(&mut self, now: Instant, credentials: Credentials, lite: bool) {
        let role = match (self.config.lite, lite) {
            (true, false) => Role::Controlled,
            (false, true) => Role::Controlling,
            (true, true) => self.config.role,
            (false, false) => self.role,
        };
        self.change_role(role);
        let key = credentials.key();
        self.current.remote = Some(RemoteSession { credentials, key, lite });
        self.timers.set(Timer::Failure, Some(now + self.config.failure_patience));
        for candidate in std::mem::take(&mut self.early) {
            self.sort_remote(candidate);
        }
        if self.config.lite && lite {
            // Only now it is known that nobody else makes the pairs.
            let remotes: Vec<u32> = self.remotes.keys().copied().collect();
            remotes.into_iter().for_each(|remote| self.pair_remote(remote));
        }
    }

    /// Takes a role, and recomputes what follows from it (RFC 8445 §7.3.1.1).
    pub(super) fn change_role(&mut self, role: Role) {
        if self.role == role {
            return;
        }
        self.role = role;
        let generation = self.current.generation;
        for pair in self.pairs.values_mut().filter(|pair| pair.generation == generation) {
            let local = self.locals.get(&pair.local).map_or(0, |local| local.priority);
            let remote = self.remotes.get(&pair.remote).map_or(0, |remote| remote.priority);
            pair.priority = crate::priority::pair(role, local, remote);
            pair.nominating = false;
        }
    }

    pub(super) fn begin_generation(&mut self, now: Instant, credentials: Option<Credentials>) {
        let next = self.current.generation.wrapping_add(1);
        let old = std::mem::replace(&mut self.current, Session::new(next, credentials, &mut self.rng));
        let kept = self.selected.map(|(id, _)| id);
        let kept_generation = kept.and_then(|id| self.pairs.get(&id)).map(|pair| pair.generation);
        // Of three generations in a row, the middle one has carried no data: it goes.
        if kept_generation == Some(old.generation) {
            self.previous = Some(Box::new(old));
        } else if kept_generation.is_none() {
            self.previous = None;
        }
        let doomed: BTreeSet<u32> = self.pairs.keys().copied().filter(|id| Some(*id) != kept).collect();
        self.remove_pairs(&doomed);
        let kept_pair = kept.and_then(|id| self.pairs.get_mut(&id));
        if let Some(pair) = kept_pair {
            // From now on it lives of consent checks alone.
            pair.cancel_check();
            pair.nominating = false;
            self.timers.set(Timer::Check(kept.unwrap_or_default()), None);
        }
        let kept_remote = kept.and_then(|id| self.pairs.get(&id)).map(|pair| pair.remote);
        self.remotes.retain(|id, _| Some(*id) == kept_remote);
        self.unresolved.clear();
        self.triggered.clear();
        self.concluded = false;
        self.disconnected = false;
        self.failed = false;
        self.end_told = false;
        self.timers.set(Timer::Failure, None);
        self.timers.set(Timer::Nominate, None);
        self.gather_again(now);
    }

    /// The generation before is not needed any more: data goes over a pair of the current one, or over none.
    pub(super) fn drop_previous(&mut self) {
        self.previous = None;
        let generation = self.current.generation;
        let doomed: BTreeSet<u32> = self
            .pairs
            .iter()
            .filter(|(id, pair)| {
                pair.generation != generation && self.selected.is_none_or(|(selected, _)| selected != **id)
            })
            .map(|(id, _)| *id)
            .collect();
        self.remove_pairs(&doomed);
        self.remotes.retain(|_, remote| remote.generation == generation);
    }
}
