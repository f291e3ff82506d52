//! Requests of the client: written, signed, sent again, and what their responses do.

use super::{Channel, Client, ClientEvent, Closed, MARGIN, PERMISSION_REFRESH, Permission, State, Timer};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use stun::attribute::{
    Algorithm, ChannelNumber, ErrorCode, Lifetime, MobilityTicket, Nonce, PasswordAlgorithm,
    PasswordAlgorithms, Realm, RequestedAddressFamily, RequestedTransport, Username, XorMappedAddress,
    XorPeerAddress, XorRelayedAddress,
};
use stun::{
    Class, Integrity, Key, LongTerm, Message, Method, NonceCookie, Step, Transaction, TransactionId, Writer,
};
use wire::{Instant, Short, Transport};

/// How often a request is signed anew because the server wants another nonce.
const MAX_CHALLENGES: u32 = 3;

/// A request that waits for its response.
pub(super) struct Pending {
    kind: Kind,
    transaction: Transaction,
    pub(super) bytes: Vec<u8>,
    challenges: u32,
}

#[derive(Clone, Copy)]
enum Kind {
    Allocate,
    Refresh(Duration),
    Permission(IpAddr),
    Channel(SocketAddr, u16),
}

/// What a challenge told, and the key made from it.
pub(super) struct Credentials {
    realm: String,
    nonce: String,
    /// The server's PASSWORD-ALGORITHMS, to be echoed, and our choice.
    algorithms: Option<(Vec<u8>, Algorithm)>,
    key: Key,
}

impl Kind {
    const fn method(self) -> Method {
        match self {
            Self::Allocate => Method::ALLOCATE,
            Self::Refresh(_) => Method::REFRESH,
            Self::Permission(_) => Method::CREATE_PERMISSION,
            Self::Channel(..) => Method::CHANNEL_BIND,
        }
    }
}

impl Client {
    pub(super) fn request_allocate(&mut self, now: Instant) {
        self.request(now, Kind::Allocate, 0);
    }

    pub(super) fn request_refresh(&mut self, now: Instant, lifetime: Duration) {
        self.request(now, Kind::Refresh(lifetime), 0);
    }

    pub(super) fn is_refreshing(&self) -> bool {
        self.pending.values().any(|pending| matches!(pending.kind, Kind::Refresh(_)))
    }

    pub(super) fn request_permission(&mut self, now: Instant, ip: IpAddr) {
        self.request(now, Kind::Permission(ip), 0);
    }

    pub(super) fn request_channel(&mut self, now: Instant, peer: SocketAddr, number: u16) {
        self.request(now, Kind::Channel(peer, number), 0);
    }

    fn request(&mut self, now: Instant, kind: Kind, challenges: u32) {
        let id = TransactionId(self.rng.array());
        let mut buf = vec![0; 1500];
        let len = self.write(&mut buf, id, kind).expect("a request fits 1,500 bytes");
        buf.truncate(len);
        let reliable = self.config.transport != Transport::Udp;
        let transaction = Transaction::new(now, self.config.timing, reliable);
        self.timers.change(Timer::Request(id), None, Some(transaction.poll_timeout()));
        self.pending.insert(id, Pending { kind, transaction, bytes: buf, challenges });
        self.queue.push_back(id);
    }

    fn write(&self, buf: &mut [u8], id: TransactionId, kind: Kind) -> Result<usize, Short> {
        let mut w = Writer::new(buf, Class::Request, kind.method(), id)?;
        match kind {
            Kind::Allocate => {
                w.put(&RequestedTransport(17))?;
                w.put(&RequestedAddressFamily::from(self.config.family))?;
                w.put(&seconds(self.config.lifetime))?;
                if self.config.mobility {
                    w.put(&MobilityTicket(&[]))?;
                }
            }
            Kind::Refresh(lifetime) => {
                w.put(&seconds(lifetime))?;
                if !self.ticket.is_empty() {
                    w.put(&MobilityTicket(&self.ticket))?;
                }
            }
            Kind::Permission(ip) => w.put(&XorPeerAddress(SocketAddr::new(ip, 0)))?,
            Kind::Channel(peer, number) => {
                w.put(&ChannelNumber(number))?;
                w.put(&XorPeerAddress(peer))?;
            }
        }
        if let Some(credentials) = &self.credentials {
            w.put(&Username(&self.config.username))?;
            w.put(&Realm(&credentials.realm))?;
            w.put(&Nonce(&credentials.nonce))?;
            let integrity = match &credentials.algorithms {
                Some((echo, algorithm)) => {
                    w.put(&PasswordAlgorithms(echo))?;
                    w.put(&PasswordAlgorithm(*algorithm))?;
                    Integrity::Sha256
                }
                None => Integrity::Sha1,
            };
            w.put_integrity(&credentials.key, integrity)?;
        }
        Ok(w.len())
    }

    pub(super) fn handle_request_timeout(&mut self, now: Instant, id: TransactionId) {
        let Some(pending) = self.pending.get_mut(&id) else { return };
        let step = pending.transaction.handle_timeout(now);
        match step {
            Some(Step::TimedOut) => {
                let kind = pending.kind;
                self.pending.remove(&id);
                self.handle_failure(kind, None);
            }
            Some(Step::Retransmit) | None => {
                let due = pending.transaction.poll_timeout();
                self.timers.change(Timer::Request(id), None, Some(due));
                if step.is_some() {
                    self.queue.push_back(id);
                }
            }
        }
    }

    pub(super) fn handle_response(&mut self, now: Instant, message: &Message<'_>) {
        let id = message.transaction_id();
        let Some(pending) = self.pending.get(&id).filter(|p| p.kind.method() == message.method()) else {
            return;
        };
        let (kind, challenges) = (pending.kind, pending.challenges);
        let proven = self.credentials.as_ref().is_some_and(|c| message.verify(&c.key));
        let code = match message.class() {
            Class::Success if proven => None,
            Class::Error => match message.get::<ErrorCode<'_>>() {
                Ok(Some(error)) => Some(error.code),
                Ok(None) | Err(_) => return,
            },
            // An answer without our key is somebody else's (RFC 8489 §9.2.5).
            Class::Success | Class::Request | Class::Indication => return,
        };
        // Only a challenge and what precedes one may come unsigned.
        if code.is_some_and(|code| !proven && !matches!(code, 300 | 400 | 401 | 438)) {
            return;
        }
        let challenged = matches!(code, Some(401 | 438)) && challenges < MAX_CHALLENGES;
        if challenged && !self.learn(message) {
            return;
        }
        let Some(pending) = self.pending.remove(&id) else { return };
        self.timers.change(Timer::Request(id), Some(pending.transaction.poll_timeout()), None);
        match code {
            Some(_) if challenged => self.request(now, kind, challenges + 1),
            Some(code) => self.handle_failure(kind, Some(code)),
            None => self.handle_success(now, kind, message),
        }
    }

    /// Takes realm, nonce and algorithms from a challenge; false: it is incomplete, or somebody in the path
    /// has taken the algorithms away (RFC 8489 §9.2.1).
    fn learn(&mut self, message: &Message<'_>) -> bool {
        let (Ok(Some(Realm(realm))), Ok(Some(Nonce(nonce)))) = (message.get(), message.get()) else {
            return false;
        };
        let offered = message.get::<PasswordAlgorithms<'_>>().ok().flatten();
        let algorithms = match (offered, NonceCookie::of(nonce)) {
            (Some(offered), Some(cookie)) if cookie.password_algorithms => {
                // The list is in the server's order: the first one that we know.
                match offered.known().next() {
                    Some(algorithm) => Some((offered.0.to_vec(), algorithm)),
                    None => return false,
                }
            }
            (None, Some(cookie)) if cookie.password_algorithms => return false,
            (Some(_) | None, _) => None,
        };
        let algorithm = algorithms.as_ref().map_or(Algorithm::Md5, |(_, algorithm)| *algorithm);
        let long_term = LongTerm { username: &self.config.username, realm, password: &self.config.password };
        self.credentials = Some(Credentials {
            key: long_term.key(algorithm),
            realm: realm.to_owned(),
            nonce: nonce.to_owned(),
            algorithms,
        });
        true
    }

    fn handle_success(&mut self, now: Instant, kind: Kind, message: &Message<'_>) {
        match kind {
            Kind::Allocate => self.handle_allocated(now, message),
            Kind::Refresh(Duration::ZERO) => self.end(Closed::Requested),
            Kind::Refresh(_) => self.schedule_refresh(now, message),
            Kind::Permission(ip) => {
                let due = now + PERMISSION_REFRESH;
                let Some(permission) = self.permissions.get_mut(&ip) else { return };
                let first = !std::mem::replace(&mut permission.granted, true);
                let old = permission.due.replace(due);
                self.timers.change(Timer::Permission(ip), old, Some(due));
                if first {
                    self.push_event(ClientEvent::Permitted(ip));
                }
            }
            Kind::Channel(peer, _) => {
                // Its permission ends before the channel does, and a refresh renews both (RFC 8656 §12).
                let due = now + PERMISSION_REFRESH;
                let Some(channel) = self.channels.get_mut(&peer) else { return };
                let first = !std::mem::replace(&mut channel.bound, true);
                let old = channel.due.replace(due);
                self.timers.change(Timer::Channel(peer), old, Some(due));
                if first {
                    self.push_event(ClientEvent::Bound(peer));
                }
            }
        }
    }

    fn handle_allocated(&mut self, now: Instant, message: &Message<'_>) {
        let relayed = message.get::<XorRelayedAddress>();
        let mapped = message.get::<XorMappedAddress>();
        let (Ok(Some(XorRelayedAddress(relayed))), Ok(Some(XorMappedAddress(mapped)))) = (relayed, mapped)
        else {
            // The server says success and not where: there is nothing to use.
            return self.end(Closed::Rejected(ErrorCode::SERVER_ERROR.code));
        };
        self.state = State::Live;
        self.schedule_refresh(now, message);
        self.push_event(ClientEvent::Allocated { relayed, mapped });
    }

    fn schedule_refresh(&mut self, now: Instant, message: &Message<'_>) {
        if let Ok(Some(MobilityTicket(ticket))) = message.get::<MobilityTicket<'_>>() {
            self.ticket = ticket.to_vec();
        }
        let lifetime = message.get::<Lifetime>().ok().flatten();
        let lifetime = lifetime.map_or(self.config.lifetime, |Lifetime(s)| Duration::from_secs(s.into()));
        // A server that gives less than two minutes is asked again half way.
        let due = now + lifetime.saturating_sub(MARGIN).max(lifetime / 2);
        let old = self.refresh_due.replace(due);
        self.timers.change(Timer::Refresh, old, Some(due));
    }

    /// A request failed with this code, or without any answer.
    fn handle_failure(&mut self, kind: Kind, code: Option<u16>) {
        match kind {
            Kind::Refresh(Duration::ZERO) => self.end(Closed::Requested),
            Kind::Allocate | Kind::Refresh(_) => self.end(code.map_or(Closed::TimedOut, Closed::Rejected)),
            // The server knows of no allocation: it has started anew (RFC 8656 §5).
            Kind::Permission(_) | Kind::Channel(..) if code == Some(ErrorCode::ALLOCATION_MISMATCH.code) => {
                self.end(Closed::Rejected(ErrorCode::ALLOCATION_MISMATCH.code));
            }
            Kind::Permission(ip) => {
                if let Some(Permission { due, .. }) = self.permissions.remove(&ip) {
                    self.timers.change(Timer::Permission(ip), due, None);
                }
                self.push_event(ClientEvent::Refused(ip, code.unwrap_or(0)));
            }
            Kind::Channel(peer, _) => {
                // The number stays taken: the server may have bound it.
                if let Some(Channel { due, .. }) = self.channels.remove(&peer) {
                    self.timers.change(Timer::Channel(peer), due, None);
                }
                self.push_event(ClientEvent::Refused(peer.ip(), code.unwrap_or(0)));
            }
        }
    }
}

fn seconds(duration: Duration) -> Lifetime {
    Lifetime(u32::try_from(duration.as_secs()).unwrap_or(u32::MAX))
}
