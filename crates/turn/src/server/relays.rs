//! Relayed transport addresses: the ports of this machine's share, and who holds them.

use super::Server;
use super::allocation::{State, slot};
use crate::{Event, RelayId, RelayIp, RelayKind};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use stun::attribute::AddressFamily;
use wire::Rng;

pub(super) struct Relay {
    pub(super) owner: Owner,
    pub(super) kind: RelayKind,
    pub(super) family: AddressFamily,
    pub(super) port: u16,
    /// The driver has opened the socket.
    pub(super) open: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Owner {
    /// The allocation with this index.
    Allocation(u32),
    /// To be reserved once the allocation with this index has its own port.
    Twin(u32),
    /// Waits for an Allocate with this token.
    Reservation(u64),
}

impl Relay {
    /// The allocation that uses it.
    pub(super) const fn allocation(&self) -> Option<u32> {
        match self.owner {
            Owner::Allocation(index) => Some(index),
            Owner::Twin(_) | Owner::Reservation(_) => None,
        }
    }
}

/// What a port must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Parity {
    Any,
    Even,
    /// Even, and the next one free as well.
    EvenPair,
    /// This one.
    Exactly(u16),
}

/// The ports of one address family.
pub(super) struct Ports {
    pub(super) ip: RelayIp,
    first: u16,
    /// A port that another program holds: not to be drawn again at once.
    avoid: Option<u16>,
    /// The relay that holds a port, plus one.
    holders: Vec<Option<NonZeroU32>>,
}

impl Ports {
    pub(super) fn new(ip: RelayIp, range: &RangeInclusive<u16>) -> Self {
        let count = usize::from(range.end() - range.start()) + 1;
        Self { ip, first: *range.start(), avoid: None, holders: vec![None; count] }
    }

    /// The relay on this port.
    pub(super) fn holder(&self, port: u16) -> Option<u32> {
        let holder = *self.holders.get(usize::from(port.checked_sub(self.first)?))?;
        holder.map(|h| h.get() - 1)
    }

    pub(super) fn owns(&self, port: u16) -> bool {
        port.checked_sub(self.first).is_some_and(|at| usize::from(at) < self.holders.len())
    }

    fn set(&mut self, port: u16, holder: Option<u32>) {
        let slot = &mut self.holders[usize::from(port - self.first)];
        *slot = holder.map(|h| NonZeroU32::new(h + 1).expect("one more is not zero"));
    }

    /// Passes over this port in the next choices.
    pub(super) const fn avoid(&mut self, port: u16) {
        self.avoid = Some(port);
    }

    fn is_free(&self, port: u16) -> bool {
        self.owns(port) && self.holder(port).is_none() && self.avoid != Some(port)
    }

    /// A free port of this kind: the search begins anywhere, so that ports cannot be guessed (RFC 8656 §7.2).
    fn pick(&self, rng: &mut Rng, parity: Parity) -> Option<u16> {
        let suits = |port: u16| match parity {
            Parity::Any => self.is_free(port),
            Parity::Even => port.is_multiple_of(2) && self.is_free(port),
            Parity::EvenPair => {
                port.is_multiple_of(2) && self.is_free(port) && port < u16::MAX && self.is_free(port + 1)
            }
            Parity::Exactly(wanted) => port == wanted && self.is_free(port),
        };
        if let Parity::Exactly(port) = parity {
            return suits(port).then_some(port);
        }
        let count = self.holders.len();
        let start = usize::try_from(rng.below(count as u64)).expect("below the count");
        let port = |i: usize| self.first + u16::try_from((start + i) % count).expect("below 65,536");
        (0..count).map(port).find(|port| suits(*port))
    }
}

impl Server {
    /// Asks the driver for a relay socket; false: no port is left.
    pub(super) fn open_relay(
        &mut self,
        owner: Owner,
        family: AddressFamily,
        kind: RelayKind,
        parity: Parity,
    ) -> bool {
        let Some(ports) = &mut self.ports[slot(family)] else { return false };
        let Some(port) = ports.pick(&mut self.rng, parity) else { return false };
        let index = self.relays.insert(Relay { owner, kind, family, port, open: false });
        ports.set(port, Some(index));
        let relay = RelayId(self.relays.name(index));
        self.events.push_back(Event::OpenRelay { relay, at: SocketAddr::new(ports.ip.bind, port), kind });
        match owner {
            Owner::Allocation(owner) => {
                if let Some(allocation) = self.allocations.get_mut(owner) {
                    allocation.relays[slot(family)] = Some(index);
                }
            }
            Owner::Twin(owner) => {
                if let Some(State::Opening(opening)) = self.allocations.get_mut(owner).map(|a| &mut a.state) {
                    opening.twin = Some(index);
                }
            }
            Owner::Reservation(_) => {}
        }
        true
    }

    /// Forgets a relay and has its socket closed.
    pub(super) fn close_relay(&mut self, index: u32) {
        let name = RelayId(self.relays.name(index));
        if self.forget_relay(index).is_some() {
            self.events.push_back(Event::CloseRelay { relay: name });
        }
    }

    /// Forgets a relay that has no socket.
    pub(super) fn forget_relay(&mut self, index: u32) -> Option<Relay> {
        let relay = self.relays.remove(index)?;
        if let Some(ports) = &mut self.ports[slot(relay.family)] {
            ports.set(relay.port, None);
        }
        if let Owner::Allocation(owner) = relay.owner
            && let Some(allocation) = self.allocations.get_mut(owner)
        {
            allocation.relays[slot(relay.family)] = None;
        }
        Some(relay)
    }

    /// A relay's address as clients and peers know it.
    pub(super) fn advertised(&self, index: u32) -> Option<SocketAddr> {
        let relay = self.relays.get(index)?;
        let ports = self.ports[slot(relay.family)].as_ref()?;
        Some(SocketAddr::new(ports.ip.advertise, relay.port))
    }

    /// Whether `ip` is where this program's relayed transport addresses are.
    pub(super) fn is_relay_ip(&self, ip: IpAddr) -> bool {
        self.ports[slot(AddressFamily::of(ip))].as_ref().is_some_and(|ports| ports.ip.advertise == ip)
    }

    /// A peer's address as clients know it: another relay socket of this program sends from where it is bound.
    pub(super) fn known_as(&self, from: SocketAddr) -> SocketAddr {
        let plain = SocketAddr::new(from.ip(), from.port());
        match &self.ports[slot(AddressFamily::of(from.ip()))] {
            Some(ports)
                if ports.ip.bind == from.ip()
                    && ports.ip.advertise != ports.ip.bind
                    && self.config.ports_of_all().contains(&from.port()) =>
            {
                SocketAddr::new(ports.ip.advertise, from.port())
            }
            Some(_) | None => plain,
        }
    }

    /// The other way round: where to send so that a relay socket of this program hears it.
    pub(super) fn bound_at(&self, peer: SocketAddr) -> SocketAddr {
        match &self.ports[slot(AddressFamily::of(peer.ip()))] {
            Some(ports)
                if ports.ip.advertise == peer.ip() && self.config.ports_of_all().contains(&peer.port()) =>
            {
                SocketAddr::new(ports.ip.bind, peer.port())
            }
            Some(_) | None => peer,
        }
    }

    /// Whether a client may name this address as a peer.
    pub(super) fn may_be_peer(&self, peer: SocketAddr) -> bool {
        let relayed = self.is_relay_ip(peer.ip()) && self.config.ports_of_all().contains(&peer.port());
        peer.port() != 0 && (relayed || self.is_service(peer) || self.filter.allows(peer.ip()))
    }

    /// Whether a service of this program is there.
    pub(super) fn is_service(&self, peer: SocketAddr) -> bool {
        self.config.services.contains(&peer)
    }

    /// Whether a service of this program has this address, on whatever port.
    pub(super) fn is_service_ip(&self, ip: IpAddr) -> bool {
        self.config.services.iter().any(|service| service.ip() == ip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_picked_as_asked() {
        let ip = RelayIp { bind: [192, 0, 2, 1].into(), advertise: [192, 0, 2, 1].into() };
        let mut ports = Ports::new(ip, &(5001..=5004));
        let mut rng = Rng::from_number(1);
        assert_eq!(ports.pick(&mut rng, Parity::EvenPair), Some(5002));
        ports.set(5003, Some(7));
        assert_eq!(ports.holder(5003), Some(7));
        assert_eq!(ports.pick(&mut rng, Parity::EvenPair), None);
        assert!(matches!(ports.pick(&mut rng, Parity::Even), Some(5002 | 5004)));
        assert_eq!(ports.pick(&mut rng, Parity::Exactly(5003)), None);
        assert_eq!(ports.pick(&mut rng, Parity::Exactly(5005)), None);
        for holder in 0..3 {
            let port = ports.pick(&mut rng, Parity::Any).unwrap();
            ports.set(port, Some(holder));
        }
        assert_eq!(ports.pick(&mut rng, Parity::Any), None);
        ports.set(5001, None);
        assert_eq!(ports.pick(&mut rng, Parity::Any), Some(5001));
    }
}
