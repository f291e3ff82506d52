//! What is counted for the addresses that clients come from.

use std::net::{IpAddr, Ipv6Addr};

use wire::Instant;

use super::Rendezvous;
use super::bucket::Bucket;

/// Fewer addresses than this are not worth looking through.
pub(super) const SWEEP_FROM: usize = 1024;

/// What is counted for an address.
#[derive(Default)]
pub(super) struct Address {
    pub(super) sessions: usize,
    pub(super) messages: Bucket,
    pub(super) invites: Bucket,
}

impl Rendezvous {
    /// Forgets the addresses that have no sessions and used up nothing, each time their number has doubled.
    pub(super) fn sweep_addresses(&mut self, now: Instant) {
        if self.addresses.len() >= self.sweep_at {
            self.addresses
                .retain(|_, a| a.sessions > 0 || !a.messages.is_full(now) || !a.invites.is_full(now));
            self.sweep_at = SWEEP_FROM.max(2 * self.addresses.len());
        }
    }
}

/// What is counted as one address: with IPv6 the /64, since a subscriber has all of it (RFC 6177 §2).
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
    }
}
