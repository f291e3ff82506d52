use super::table::Hasher;
use std::net::{IpAddr, Ipv6Addr};
use wire::{Instant, Rng};

const BUCKETS: usize = 1024;

/// How often unauthenticated requests are answered, so that a forged source address gains an attacker little.
///
/// The memory is fixed: addresses share 1,024 buckets by a keyed hash, so nobody can aim at another's bucket.
pub(super) struct RateLimit {
    hasher: Hasher,
    per_second: Option<u32>,
    buckets: Vec<Bucket>,
}

#[derive(Clone, Copy)]
struct Bucket {
    second: u64,
    used: u32,
}

impl RateLimit {
    pub(super) fn new(per_second: Option<u32>, rng: &mut Rng) -> Self {
        let size = if per_second.is_some() { BUCKETS } else { 0 };
        Self { hasher: Hasher::new(rng), per_second, buckets: vec![Bucket { second: 0, used: 0 }; size] }
    }

    /// Whether one more answer may go to `ip` in this second.
    pub(super) fn allows(&mut self, now: Instant, ip: IpAddr) -> bool {
        let Some(per_second) = self.per_second else { return true };
        let network = match ip {
            IpAddr::V4(_) => ip,
            // Whoever has one IPv6 address has the /64 around it.
            IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
        };
        let hash = usize::try_from(self.hasher.ip(network) % BUCKETS as u64).expect("below 1,024");
        let bucket = &mut self.buckets[hash];
        if bucket.second != now.as_secs() {
            *bucket = Bucket { second: now.as_secs(), used: 0 };
        }
        let allowed = bucket.used < per_second;
        bucket.used += u32::from(allowed);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_second_has_so_many_answers() {
        let mut limit = RateLimit::new(Some(2), &mut Rng::from_number(1));
        let (a, b): (IpAddr, IpAddr) = ("2001:db8::1".parse().unwrap(), "2001:db8::ffff:2".parse().unwrap());
        let t = Instant::ZERO;
        assert!(limit.allows(t, a));
        assert!(limit.allows(t, b));
        assert!(!limit.allows(t, a));
        assert!(limit.allows(t + Duration::from_secs(1), b));
    }
}
