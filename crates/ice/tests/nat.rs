//! NATs (RFC 4787 §4, §5), and the model that says which pairs of them need no relay.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// What stands between a side and the public network (RFC 4787 §4, §5).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Nat {
    None,
    FullCone,
    AddressRestricted,
    PortRestricted,
    Symmetric,
    /// UDP goes nowhere; the relay is reached by TCP.
    UdpBlocked,
}

pub(crate) const NATS: [Nat; 6] =
    [Nat::None, Nat::FullCone, Nat::AddressRestricted, Nat::PortRestricted, Nat::Symmetric, Nat::UdpBlocked];

/// The reference model: whether two sides can do without a relay.
pub(crate) fn must_be_direct(a: Nat, b: Nat) -> bool {
    use Nat::{AddressRestricted, FullCone, None, PortRestricted, Symmetric, UdpBlocked};
    match (a, b) {
        (UdpBlocked, _) | (_, UdpBlocked) => false,
        (Symmetric, PortRestricted | Symmetric) | (PortRestricted, Symmetric) => false,
        (Symmetric | None | FullCone | AddressRestricted | PortRestricted, _) => true,
    }
}

/// A NAT and what it remembers.
pub(crate) struct NatBox {
    pub(crate) kind: Nat,
    /// The address on the public side.
    pub(crate) public: IpAddr,
    /// (inside, the far end if the mapping depends on it) to port.
    mappings: BTreeMap<(SocketAddr, Option<SocketAddr>), u16>,
    /// Far ends that a port has sent to.
    sent: BTreeMap<u16, BTreeSet<SocketAddr>>,
    next_port: u16,
}

impl NatBox {
    pub(crate) const fn new(kind: Nat, public: IpAddr) -> Self {
        Self { kind, public, mappings: BTreeMap::new(), sent: BTreeMap::new(), next_port: 40_000 }
    }

    /// The source address that the public network sees.
    pub(crate) fn translate_out(&mut self, from: SocketAddr, to: SocketAddr) -> Option<SocketAddr> {
        let far = match self.kind {
            Nat::None => return Some(from),
            Nat::UdpBlocked => return None,
            Nat::FullCone | Nat::AddressRestricted | Nat::PortRestricted => None,
            Nat::Symmetric => Some(to),
        };
        let port = *self.mappings.entry((from, far)).or_insert_with(|| {
            self.next_port += 1;
            self.next_port
        });
        self.sent.entry(port).or_default().insert(to);
        Some(SocketAddr::new(self.public, port))
    }

    /// The address inside, if the packet is let in.
    pub(crate) fn translate_in(&self, from: SocketAddr, to: SocketAddr) -> Option<SocketAddr> {
        if self.kind == Nat::None {
            return Some(to);
        }
        if to.ip() != self.public {
            return None;
        }
        let ((inside, _), _) = self.mappings.iter().find(|(_, port)| **port == to.port())?;
        let sent = self.sent.get(&to.port())?;
        let open = match self.kind {
            Nat::None | Nat::FullCone => true,
            Nat::AddressRestricted => sent.iter().any(|far| far.ip() == from.ip()),
            Nat::PortRestricted | Nat::Symmetric => sent.contains(&from),
            Nat::UdpBlocked => false,
        };
        open.then_some(*inside)
    }

    /// Everything is forgotten, as after a reboot.
    pub(crate) fn forget_mappings(&mut self) {
        self.mappings.clear();
        self.sent.clear();
        self.next_port += 100;
    }
}
