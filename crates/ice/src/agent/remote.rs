//! Candidates of the peer, trickled (RFC 8838) or learnt from its checks (RFC 8445 §7.3.1.3).

use super::Agent;
use super::input::Path;
use crate::{Address, Candidate, CandidateKind, CandidateStats, Event, PairState, Protocol, TcpType};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use wire::Instant;

pub(super) struct RemoteCandidate {
    pub(super) generation: u32,
    pub(super) kind: CandidateKind,
    pub(super) protocol: Protocol,
    pub(super) tcp_type: Option<TcpType>,
    pub(super) address: SocketAddr,
    pub(super) priority: u32,
    foundation: String,
    /// The number of the first candidate with the same foundation.
    pub(super) group: u32,
}

impl RemoteCandidate {
    pub(super) const fn stats(&self, id: u32) -> CandidateStats {
        CandidateStats {
            id,
            address: self.address,
            protocol: self.protocol,
            kind: self.kind,
            priority: self.priority,
        }
    }
}

impl Agent {
    /// Adds a candidate of the peer. One that belongs to credentials not yet told waits for them; one whose
    /// address is a `.local` name asks for it to be resolved; one that cannot be used is counted and dropped.
    pub fn add_remote(&mut self, now: Instant, candidate: Candidate) {
        if !self.closed {
            self.sort_remote(candidate);
            self.settle(now);
        }
    }

    /// The peer has no more candidates in this generation (RFC 8838 §14).
    pub fn end_of_remote_candidates(&mut self, now: Instant) {
        self.current.remote_done = true;
        self.settle(now);
    }

    /// The answer to [`Event::Resolve`]; `None`: nobody knows the name.
    pub fn resolved(&mut self, now: Instant, name: &str, ip: Option<IpAddr>) {
        let waiting = std::mem::take(&mut self.unresolved);
        for mut candidate in waiting {
            if candidate.address != Address::Name(name.to_owned()) {
                self.unresolved.push(candidate);
            } else if let Some(ip) = ip {
                candidate.address = Address::Ip(ip);
                self.insert_remote(&candidate);
            }
        }
        self.settle(now);
    }

    /// Decides what is to be done with a candidate, by its generation and its address.
    pub(super) fn sort_remote(&mut self, candidate: Candidate) {
        let known = self.current.remote.as_ref().map(|remote| &remote.credentials.ufrag);
        let belongs = match (&candidate.ufrag, known) {
            (None, _) => true,
            (Some(ufrag), Some(known)) => ufrag == known,
            (Some(_), None) => false,
        };
        if !belongs {
            let old = self.previous.as_ref().and_then(|session| session.remote.as_ref());
            let is_old = old.is_some_and(|old| Some(&old.credentials.ufrag) == candidate.ufrag.as_ref());
            if is_old || self.early.len() >= self.config.max_remote {
                self.stats.dropped.full += u64::from(!is_old);
            } else if !self.early.contains(&candidate) {
                self.early.push(candidate);
            }
            return;
        }
        match &candidate.address {
            Address::Ip(_) => self.insert_remote(&candidate),
            Address::Name(name) => self.ask_to_resolve(name.clone(), candidate),
        }
    }

    /// Only names of one label below `.local` are looked up (mDNS draft §3.2.1): a peer must not make us ask
    /// name servers for names of its choice.
    fn ask_to_resolve(&mut self, name: String, candidate: Candidate) {
        let lower = name.to_ascii_lowercase();
        let label = lower.strip_suffix(".local").filter(|label| !label.is_empty() && !label.contains('.'));
        if label.is_none() || candidate.port == 0 {
            self.stats.dropped.unusable += 1;
        } else if self.remotes.len() + self.unresolved.len() >= self.config.max_remote {
            self.stats.dropped.full += 1;
        } else if !self.unresolved.contains(&candidate) {
            let asked = self.unresolved.iter().any(|other| other.address == candidate.address);
            self.unresolved.push(candidate);
            if !asked {
                self.push_event(Event::Resolve(name));
            }
        }
    }

    fn insert_remote(&mut self, candidate: &Candidate) {
        let Some(address) = candidate.socket_address() else { return };
        let ip = address.ip();
        // An active candidate connects to us, and is learnt when it does.
        let active = candidate.tcp_type == Some(TcpType::Active);
        let nowhere = ip.is_unspecified() || ip.is_multicast() || address.port() == 0;
        if candidate.component != 1 || nowhere || active {
            self.stats.dropped.unusable += u64::from(!active);
            return;
        }
        let generation = self.current.generation;
        let known = self
            .remotes
            .iter()
            .find(|(_, r)| {
                r.generation == generation && r.protocol == candidate.protocol && r.address == address
            })
            .map(|(id, r)| (*id, r.kind, r.priority));
        match known {
            Some((id, CandidateKind::PeerReflexive, _)) => {
                self.update_remote(id, candidate);
                // What was learnt from a check was paired with the base that received it alone (RFC 8445 §7.3.1.4).
                self.pair_remote(id);
            }
            Some((id, _, priority)) if candidate.priority > priority => self.update_remote(id, candidate),
            Some(_) => {}
            None if self.remotes.len() + self.unresolved.len() >= self.config.max_remote => {
                self.stats.dropped.full += 1;
            }
            None => {
                let id = self.next_id();
                let group = self.group_of(&candidate.foundation, id);
                let remote = RemoteCandidate {
                    generation,
                    kind: candidate.kind,
                    protocol: candidate.protocol,
                    tcp_type: candidate.tcp_type,
                    address,
                    priority: candidate.priority,
                    foundation: candidate.foundation.clone(),
                    group,
                };
                self.remotes.insert(id, Box::new(remote));
                self.pair_remote(id);
            }
        }
    }

    /// What was learnt from a check is now told (RFC 8445 §7.3.1.3), or told with a higher priority.
    fn update_remote(&mut self, id: u32, candidate: &Candidate) {
        let group = self.group_of(&candidate.foundation, id);
        let Some(remote) = self.remotes.get_mut(&id) else { return };
        remote.kind = candidate.kind;
        remote.priority = candidate.priority;
        remote.foundation.clone_from(&candidate.foundation);
        remote.group = group;
        let mut selected = None;
        for (pair_id, pair) in self.pairs.iter_mut().filter(|(_, pair)| pair.remote == id) {
            let Some(local) = self.locals.get(&pair.local) else { continue };
            pair.priority = crate::priority::pair(self.role, local.priority, candidate.priority);
            pair.foundation = (local.foundation, group);
            pair.relayed = local.kind == CandidateKind::Relayed || candidate.kind == CandidateKind::Relayed;
            selected = selected.or(self.selected.map(|(s, _)| s).filter(|s| s == pair_id));
        }
        if let (Some(_), Some((_, pair))) = (selected, &mut self.selected) {
            pair.remote_kind = candidate.kind;
        }
    }

    fn group_of(&self, foundation: &str, own: u32) -> u32 {
        let generation = self.current.generation;
        let same = |r: &&RemoteCandidate| r.generation == generation && r.foundation == foundation;
        self.remotes.values().map(Box::as_ref).find(same).map_or(own, |r| r.group)
    }

    /// The candidate that a check of the peer comes from; one that was not told is peer-reflexive.
    pub(super) fn learn_remote(&mut self, path: Path, priority: u32) -> Option<u32> {
        let generation = self.current.generation;
        let is_it = |r: &RemoteCandidate| {
            r.generation == generation && r.protocol == path.protocol && r.address == path.remote
        };
        if let Some((id, _)) = self.remotes.iter().find(|(_, r)| is_it(r)) {
            return Some(*id);
        }
        let reflexive = self
            .remotes
            .values()
            .filter(|r| r.generation == generation && r.kind == CandidateKind::PeerReflexive)
            .count();
        let full = self.remotes.len() + self.unresolved.len() >= self.config.max_remote;
        if (full || reflexive >= self.config.max_peer_reflexive) && !self.evict_reflexive() {
            self.stats.dropped.full += 1;
            return None;
        }
        let id = self.next_id();
        let remote = RemoteCandidate {
            generation,
            kind: CandidateKind::PeerReflexive,
            protocol: path.protocol,
            tcp_type: (path.protocol == Protocol::Tcp).then_some(TcpType::Active),
            address: path.remote,
            priority,
            // RFC 8445 §7.3.1.3: a foundation that no other candidate has. A told one has no space.
            foundation: format!("peer reflexive {id}"),
            group: id,
        };
        self.remotes.insert(id, Box::new(remote));
        Some(id)
    }

    /// Makes room for a peer whose address changes often: the oldest address that is not used goes.
    fn evict_reflexive(&mut self) -> bool {
        let used: BTreeSet<u32> = self
            .pairs
            .iter()
            .filter(|(id, pair)| {
                let selected = self.selected.is_some_and(|(selected, _)| selected == **id);
                selected || pair.nominated.is_some() || pair.nominating || pair.state == PairState::InProgress
            })
            .map(|(_, pair)| pair.remote)
            .collect();
        let oldest = self
            .remotes
            .iter()
            .find(|(id, r)| r.kind == CandidateKind::PeerReflexive && !used.contains(id))
            .map(|(id, _)| *id);
        let Some(oldest) = oldest else { return false };
        self.remotes.remove(&oldest);
        let doomed = self.pairs.iter().filter(|(_, p)| p.remote == oldest).map(|(id, _)| *id).collect();
        self.remove_pairs(&doomed);
        true
    }
}
