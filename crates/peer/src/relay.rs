//! One relayed address on a TURN server.

use std::net::{IpAddr, SocketAddr};

use turn::{Client, ClientConfig, ClientEvent, SendError};
use wire::{Instant, Rng, Transmit, Transport};

use crate::config::TurnServer;

/// Messages that wait for a permission. A check that does not fit is sent again by ICE.
const MAX_WAITING: usize = 32;

/// A relay at every stage of its life.
pub(crate) struct Relay {
    pub(crate) server: TurnServer,
    pub(crate) stage: Stage,
    waiting: Vec<(SocketAddr, Vec<u8>)>,
}

pub(crate) enum Stage {
    /// No socket of ours can reach it yet.
    Idle,
    /// The driver opens a connection.
    Connecting,
    /// It was asked for an address, and may have given one.
    Asked(Box<Allocation>),
    /// It will give none.
    Failed,
}

pub(crate) struct Allocation {
    pub(crate) client: Client,
    pub(crate) local: SocketAddr,
    pub(crate) relayed: Option<SocketAddr>,
}

/// What a relay tells the peer.
pub(crate) enum News {
    /// It has given an address.
    Allocated { relayed: SocketAddr, mapped: SocketAddr },
    /// This address of it is gone, if it had given one.
    Gone(Option<SocketAddr>),
}

impl Relay {
    pub(crate) const fn new(server: TurnServer) -> Self {
        Self { server, stage: Stage::Idle, waiting: Vec::new() }
    }

    /// Whether nothing more is to be expected of it while gathering.
    pub(crate) fn is_settled(&self) -> bool {
        match &self.stage {
            Stage::Idle | Stage::Connecting => false,
            Stage::Asked(allocation) => allocation.relayed.is_some(),
            Stage::Failed => true,
        }
    }

    /// Whether this is a UDP socket from which the server can be asked by UDP.
    pub(crate) fn is_reached_from(&self, local: &ice::Local) -> bool {
        self.server.transport == Transport::Udp
            && local.kind == ice::LocalKind::Host
            && local.address.is_ipv4() == self.server.address.is_ipv4()
    }

    /// Asks for an address from `local`.
    pub(crate) fn ask(&mut self, now: Instant, local: SocketAddr, rng: &mut Rng) {
        let config = ClientConfig {
            transport: self.server.transport,
            local,
            server: self.server.address,
            username: self.server.username.clone(),
            password: self.server.password.clone(),
            ..ClientConfig::default()
        };
        let mut client = Client::new(config, rng.array(), now);
        let asked = client.allocate(now);
        debug_assert!(asked.is_ok(), "a new client may allocate");
        self.stage = Stage::Asked(Box::new(Allocation { client, local, relayed: None }));
    }

    /// Forgets everything, to be asked anew; the address that it had given.
    pub(crate) fn forget(&mut self) -> Option<SocketAddr> {
        let relayed = self.relayed();
        self.stage = Stage::Idle;
        self.waiting.clear();
        relayed
    }

    /// Finds out whether it still serves us; one that has failed may be asked again.
    pub(crate) fn renew(&mut self, now: Instant) {
        match &mut self.stage {
            // No allocation yet: it is being asked.
            Stage::Asked(allocation) => _ = allocation.client.refresh(now),
            Stage::Failed => self.stage = Stage::Idle,
            Stage::Idle | Stage::Connecting => {}
        }
    }

    pub(crate) fn allocation(&mut self) -> Option<&mut Allocation> {
        match &mut self.stage {
            Stage::Asked(allocation) => Some(allocation),
            Stage::Idle | Stage::Connecting | Stage::Failed => None,
        }
    }

    /// Whether what came this way is from it.
    pub(crate) fn is_at(&self, transport: Transport, local: SocketAddr, remote: SocketAddr) -> bool {
        let Stage::Asked(allocation) = &self.stage else { return false };
        transport == self.server.transport && remote == self.server.address && local == allocation.local
    }

    pub(crate) fn relayed(&self) -> Option<SocketAddr> {
        match &self.stage {
            Stage::Asked(allocation) => allocation.relayed,
            Stage::Idle | Stage::Connecting | Stage::Failed => None,
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Asked(allocation) => allocation.client.poll_timeout(),
            Stage::Idle | Stage::Connecting | Stage::Failed => None,
        }
    }

    /// What has happened. An allocation that is lost, because the server has started anew, is asked for again the same
    /// way, unless we are `closing`.
    pub(crate) fn poll_news(&mut self, now: Instant, closing: bool, rng: &mut Rng) -> Option<News> {
        let Stage::Asked(allocation) = &mut self.stage else { return None };
        while let Some(event) = allocation.client.poll_event() {
            match event {
                ClientEvent::Allocated { relayed, mapped } => {
                    allocation.relayed = Some(relayed);
                    return Some(News::Allocated { relayed, mapped });
                }
                ClientEvent::Closed(_) => {
                    let (relayed, local) = (allocation.relayed, allocation.local);
                    self.stage = Stage::Failed;
                    self.waiting.clear();
                    if relayed.is_some() && !closing {
                        self.ask(now, local, rng);
                    }
                    return Some(News::Gone(relayed));
                }
                ClientEvent::Refused(ip, _) => self.waiting.retain(|(to, _)| to.ip() != ip),
                // What waits is looked at by `poll_transmit`; ICE finds out itself who is out of reach.
                ClientEvent::Permitted(_) | ClientEvent::Bound(_) | ClientEvent::Unreachable(..) => {}
            }
        }
        None
    }

    /// The client's own requests, and what waited for a permission that has come.
    pub(crate) fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        let Stage::Asked(allocation) = &mut self.stage else { return None };
        if let Some(transmit) = allocation.client.poll_transmit(now, buf) {
            return Some(transmit);
        }
        let mut at = 0;
        while let Some((to, bytes)) = self.waiting.get(at) {
            match allocation.client.send(now, *to, bytes, buf) {
                Ok(transmit) => {
                    self.waiting.remove(at);
                    return Some(transmit);
                }
                Err(SendError::NotPermitted) => at += 1,
                Err(SendError::NotAllocated | SendError::TooLong) => {
                    self.waiting.remove(at);
                }
            }
        }
        None
    }

    /// Permits data to and from a candidate of the other side, before it is needed.
    pub(crate) fn permit(&mut self, now: Instant, ip: IpAddr) {
        let relayed = self.relayed();
        if let (Some(allocation), Some(relayed)) = (self.allocation(), relayed)
            && relayed.is_ipv4() == ip.is_ipv4()
        {
            // Full or not alive: then checks through it fail, and other pairs are there.
            let _ = allocation.client.permit(now, ip);
        }
    }

    /// Wraps a message for `to`; if it is not permitted yet, it waits for that.
    pub(crate) fn send(
        &mut self,
        now: Instant,
        to: SocketAddr,
        bytes: &[u8],
        buf: &mut [u8],
    ) -> Option<Transmit> {
        let Stage::Asked(allocation) = &mut self.stage else { return None };
        match allocation.client.send(now, to, bytes, buf) {
            Ok(transmit) => Some(transmit),
            Err(SendError::NotPermitted) => {
                let _ = allocation.client.permit(now, to.ip());
                if self.waiting.len() < MAX_WAITING {
                    self.waiting.push((to, bytes.to_vec()));
                }
                None
            }
            Err(SendError::NotAllocated | SendError::TooLong) => None,
        }
    }
}
