//! NATs (RFC 4787 §4, §5), and which pairs of them need no relay.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// What stands between a host and the public network.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Nat {
    /// The host has a public address.
    None,
    /// One mapping for all destinations; anybody may send to it.
    FullCone,
    /// One mapping for all destinations; addresses that were sent to may answer, from any port.
    AddressRestricted,
    /// One mapping for all destinations; only an address and port that was sent to may answer.
    PortRestricted,
    /// A mapping for each destination; only that one may answer.
    Symmetric,
    /// UDP goes nowhere; servers are reached by TCP.
    UdpBlocked,
}

impl Nat {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::None,
        Self::FullCone,
        Self::AddressRestricted,
        Self::PortRestricted,
        Self::Symmetric,
        Self::UdpBlocked,
    ];

    /// The reference model: whether two hosts behind these can do without a relay.
    pub const fn is_direct_with(self, other: Self) -> bool {
        match (self, other) {
            (Self::UdpBlocked, _) | (_, Self::UdpBlocked) => false,
            // A new mapping that nobody can foresee, and a filter that must know it.
            (Self::Symmetric, Self::PortRestricted | Self::Symmetric)
            | (Self::PortRestricted, Self::Symmetric) => false,
            (
                Self::None
                | Self::FullCone
                | Self::AddressRestricted
                | Self::PortRestricted
                | Self::Symmetric,
                _,
            ) => true,
        }
    }
}

/// A NAT and what it remembers.
#[derive(Clone, Debug)]
pub struct NatBox {
    kind: Nat,
    public: IpAddr,
    /// (inside, the far end if the mapping depends on it) to port.
    mappings: BTreeMap<(SocketAddr, Option<SocketAddr>), u16>,
    /// Which inside address a port stands for, and the far ends that it has sent to.
    ports: BTreeMap<u16, (SocketAddr, BTreeSet<SocketAddr>)>,
    next_port: u16,
}

impl NatBox {
    /// A NAT with this address on the public side, which remembers nothing yet.
    pub const fn new(kind: Nat, public: IpAddr) -> Self {
        Self { kind, public, mappings: BTreeMap::new(), ports: BTreeMap::new(), next_port: 40_000 }
    }

    /// The address on the public side.
    pub const fn public(&self) -> IpAddr {
        self.public
    }

    /// The source address that the public network sees of a datagram that goes out; `None`: it is not let out.
    pub fn translate_out(&mut self, from: SocketAddr, to: SocketAddr) -> Option<SocketAddr> {
        let far = match self.kind {
            Nat::None => return Some(from),
            Nat::UdpBlocked => return None,
            Nat::FullCone | Nat::AddressRestricted | Nat::PortRestricted => None,
            Nat::Symmetric => Some(to),
        };
        let port = *self.mappings.entry((from, far)).or_insert_with(|| {
            self.next_port = self.next_port.checked_add(1).unwrap_or(40_000);
            self.next_port
        });
        self.ports.entry(port).or_insert_with(|| (from, BTreeSet::new())).1.insert(to);
        Some(SocketAddr::new(self.public, port))
    }

    /// The address inside of a datagram that comes to the public side; `None`: it is not let in.
    pub fn translate_in(&self, from: SocketAddr, to: SocketAddr) -> Option<SocketAddr> {
        if self.kind == Nat::None {
            return Some(to);
        }
        if to.ip() != self.public {
            return None;
        }
        let (inside, sent) = self.ports.get(&to.port())?;
        let open = match self.kind {
            Nat::None | Nat::FullCone => true,
            Nat::AddressRestricted => sent.iter().any(|far| far.ip() == from.ip()),
            Nat::PortRestricted | Nat::Symmetric => sent.contains(&from),
            Nat::UdpBlocked => false,
        };
        open.then_some(*inside)
    }

    /// Everything is forgotten, as after a reboot; new mappings have other ports.
    pub fn forget(&mut self) {
        self.mappings.clear();
        self.ports.clear();
        self.next_port = self.next_port.checked_add(100).unwrap_or(40_000);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    /// Who may answer a host that has sent to one address only, from where.
    #[test]
    fn each_kind_lets_in_what_it_should() {
        let (host, far) = (addr("10.0.0.2:5000"), addr("198.51.100.1:1"));
        let (port, stranger) = (addr("198.51.100.1:2"), addr("198.51.100.9:1"));
        let check = |kind: Nat, expected: [bool; 3]| {
            let mut nat = NatBox::new(kind, [203, 0, 113, 1].into());
            let seen = nat.translate_out(host, far).unwrap();
            assert_eq!(
                [far, port, stranger].map(|from| nat.translate_in(from, seen) == Some(host)),
                expected
            );
            let other = nat.translate_out(host, stranger).unwrap();
            assert_eq!(seen != other, kind == Nat::Symmetric, "{kind:?}");
            nat.forget();
            assert_eq!(nat.translate_in(far, seen), (kind == Nat::None).then_some(seen), "{kind:?}");
        };
        check(Nat::None, [true; 3]);
        check(Nat::FullCone, [true; 3]);
        check(Nat::AddressRestricted, [true, true, false]);
        check(Nat::PortRestricted, [true, false, false]);
        check(Nat::Symmetric, [true, false, false]);
        assert_eq!(NatBox::new(Nat::UdpBlocked, [203, 0, 113, 1].into()).translate_out(host, far), None);
    }
}
