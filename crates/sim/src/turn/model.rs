//! Who may send to whom, kept apart from the server: the model reads requests as they arrive and the success
//! responses to them as they leave, and from those alone predicts what every packet must become.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use stun::attribute::{ChannelNumber, Data, Lifetime, XorPeerAddress, XorRelayedAddress};
use stun::{Class, Message, Method, TransactionId};
use wire::Instant;

/// What a packet must become: who receives which payload, and in which form.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// To a peer, from a relayed transport address.
    Peer {
        /// The relayed transport address.
        from: SocketAddr,
        /// The peer.
        to: SocketAddr,
        /// The payload.
        payload: Vec<u8>,
    },
    /// To a client.
    Client {
        /// The client.
        to: SocketAddr,
        /// The channel, or none: a Data indication.
        channel: Option<u16>,
        /// The peer's address.
        peer: SocketAddr,
        /// The payload.
        payload: Vec<u8>,
    },
}

#[derive(Default)]
struct Allocation {
    relayed: Option<SocketAddr>,
    expires: Instant,
    permissions: BTreeMap<IpAddr, Instant>,
    channels: BTreeMap<u16, (SocketAddr, Instant)>,
}

/// The request that a success response will answer.
#[derive(Clone, Debug)]
struct Asked {
    method: Method,
    peers: Vec<SocketAddr>,
    channel: Option<u16>,
}

/// The reference model.
#[derive(Default)]
pub struct Model {
    allocations: BTreeMap<SocketAddr, Allocation>,
    asked: BTreeMap<(SocketAddr, TransactionId), Asked>,
}

impl Model {
    /// A datagram of a client reaches the server. What must it become?
    pub fn client_sends(&mut self, now: Instant, client: SocketAddr, bytes: &[u8]) -> Option<Outcome> {
        if let [0x40..=0x7f, ..] = bytes {
            let number = u16::from_be_bytes([bytes[0], *bytes.get(1)?]);
            let len = usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]));
            let payload = bytes.get(4..4 + len)?;
            let (peer, expires) = *self.live(now, client)?.channels.get(&number)?;
            return (expires > now).then(|| self.relayed(now, client, peer, payload))?;
        }
        let message = Message::parse(bytes).ok()?;
        match message.class() {
            Class::Request => {
                let peers =
                    message.all::<XorPeerAddress>().flatten().map(|XorPeerAddress(peer)| peer).collect();
                let channel = message.get::<ChannelNumber>().ok()?.map(|ChannelNumber(number)| number);
                let asked = Asked { method: message.method(), peers, channel };
                self.asked.insert((client, message.transaction_id()), asked);
                None
            }
            Class::Indication if message.method() == Method::SEND => {
                let (XorPeerAddress(peer), Data(data)) = (message.get().ok()??, message.get().ok()??);
                self.relayed(now, client, peer, data)
            }
            Class::Indication | Class::Success | Class::Error => None,
        }
    }

    /// A datagram of a peer reaches a relayed transport address. What must it become?
    pub fn peer_sends(
        &self,
        now: Instant,
        relayed: SocketAddr,
        peer: SocketAddr,
        payload: &[u8],
    ) -> Option<Outcome> {
        let (to, allocation) = self.owner(now, relayed)?;
        if !allocation.permits(now, peer.ip()) {
            return None;
        }
        let bound = |(_, (p, expires)): &(&u16, &(SocketAddr, Instant))| *p == peer && *expires > now;
        let channel = allocation.channels.iter().find(bound).map(|(number, _)| *number);
        Some(Outcome::Client { to, channel, peer, payload: payload.to_vec() })
    }

    /// The server answers a client.
    pub fn server_answers(&mut self, now: Instant, client: SocketAddr, bytes: &[u8]) {
        let Ok(message) = Message::parse(bytes) else { return };
        if message.class() != Class::Success {
            return;
        }
        let Some(asked) = self.asked.get(&(client, message.transaction_id())).cloned() else { return };
        let lifetime = message.get::<Lifetime>().ok().flatten().map_or(0, |Lifetime(seconds)| seconds);
        let expires = now + Duration::from_secs(lifetime.into());
        match asked.method {
            Method::ALLOCATE => {
                let relayed = message.get::<XorRelayedAddress>().ok().flatten().map(|XorRelayedAddress(r)| r);
                let again = self.live(now, client).is_some_and(|a| a.relayed == relayed);
                // The same request again gets the same answer, and no longer life.
                if !again {
                    self.allocations.insert(client, Allocation { relayed, expires, ..Allocation::default() });
                }
            }
            Method::REFRESH if lifetime == 0 => {
                self.allocations.remove(&client);
            }
            Method::REFRESH => {
                if let Some(allocation) = self.allocations.get_mut(&client) {
                    allocation.expires = expires;
                }
            }
            Method::CREATE_PERMISSION | Method::CHANNEL_BIND => {
                let Some(allocation) = self.allocations.get_mut(&client) else { return };
                for peer in &asked.peers {
                    allocation.permissions.insert(peer.ip(), now + Duration::from_secs(300));
                    if let Some(number) = asked.channel {
                        let until = now + Duration::from_secs(600);
                        // A number or a peer whose binding ran out may be bound anew.
                        allocation.channels.retain(|n, (p, _)| *n == number || *p != *peer);
                        allocation.channels.insert(number, (*peer, until));
                    }
                }
            }
            _ => {}
        }
    }

    /// The client holds an allocation that has not run out.
    pub fn is_live(&self, now: Instant, client: SocketAddr) -> bool {
        self.live(now, client).is_some()
    }

    /// The peer of a client's channel, whether it has run out or not.
    pub fn channel_peer(&self, client: SocketAddr, number: u16) -> Option<SocketAddr> {
        self.allocations.get(&client)?.channels.get(&number).map(|(peer, _)| *peer)
    }

    /// How many allocations have not run out.
    pub fn count(&self, now: Instant) -> usize {
        self.allocations.values().filter(|a| a.expires > now).count()
    }

    fn live(&self, now: Instant, client: SocketAddr) -> Option<&Allocation> {
        self.allocations.get(&client).filter(|a| a.expires > now)
    }

    fn owner(&self, now: Instant, relayed: SocketAddr) -> Option<(SocketAddr, &Allocation)> {
        let found = self.allocations.iter().find(|(_, a)| a.relayed == Some(relayed) && a.expires > now);
        found.map(|(client, allocation)| (*client, allocation))
    }

    /// A client's payload to a peer, which may be another client's relayed transport address.
    fn relayed(&self, now: Instant, client: SocketAddr, peer: SocketAddr, payload: &[u8]) -> Option<Outcome> {
        let allocation = self.live(now, client)?;
        let from = allocation.relayed?;
        if !allocation.permits(now, peer.ip()) {
            return None;
        }
        if peer.ip() == from.ip() {
            return self.peer_sends(now, peer, from, payload);
        }
        Some(Outcome::Peer { from, to: peer, payload: payload.to_vec() })
    }
}

impl Allocation {
    fn permits(&self, now: Instant, ip: IpAddr) -> bool {
        self.permissions.get(&ip).is_some_and(|expires| *expires > now)
    }
}
