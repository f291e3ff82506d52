//! How many connections there may be, in all and from one address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Counts open connections.
#[derive(Clone, Debug)]
pub struct Limits {
    counts: Arc<Mutex<Counts>>,
    per_address: usize,
    in_all: usize,
}

#[derive(Debug, Default)]
struct Counts {
    by_address: HashMap<IpAddr, usize>,
    in_all: usize,
}

/// One counted connection, for as long as this lives.
#[derive(Debug)]
pub struct Slot {
    counts: Arc<Mutex<Counts>>,
    address: IpAddr,
}

impl Limits {
    /// At most `per_address` from one address and `in_all` together.
    pub fn new(per_address: usize, in_all: usize) -> Self {
        Self { counts: Arc::default(), per_address, in_all }
    }

    /// Counts a connection from `address`; `None` if there are too many.
    pub fn take(&self, address: IpAddr) -> Option<Slot> {
        let address = holder(address);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let of_address = counts.by_address.get(&address).copied().unwrap_or(0);
        if of_address >= self.per_address || counts.in_all >= self.in_all {
            return None;
        }
        counts.by_address.insert(address, of_address + 1);
        counts.in_all += 1;
        Some(Slot { counts: Arc::clone(&self.counts), address })
    }

    /// How many there are now.
    pub fn in_all(&self) -> usize {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).in_all
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.in_all -= 1;
        if let Some(count) = counts.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.by_address.remove(&self.address);
            }
        }
    }
}

/// Who an address belongs to: an IPv4 address is one holder, and so is an IPv6 network of 64 bits, since that is
/// what one subscriber gets (RFC 6177).
pub fn holder(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_count_by_holder_and_give_back() {
        let limits = Limits::new(2, 3);
        let ip = |s: &str| s.parse::<IpAddr>().unwrap();
        let a = limits.take(ip("2001:db8::1")).unwrap();
        let _b = limits.take(ip("2001:db8::2")).unwrap();
        assert!(limits.take(ip("2001:db8::3")).is_none(), "a third from one /64");
        let _c = limits.take(ip("::ffff:192.0.2.1")).unwrap();
        assert!(limits.take(ip("192.0.2.2")).is_none(), "a fourth in all");
        drop(a);
        assert_eq!(limits.in_all(), 2);
        assert!(
            limits.take(ip("192.0.2.1")).is_some(),
            "the mapped form is the same holder, and it has one left"
        );
    }
}
