//! What a user has in use: allocations and bandwidth.

use super::slab::Slab;
use std::collections::BTreeMap;
use std::sync::Arc;
use wire::Instant;

/// Users with at least one allocation. Nobody is remembered who has none.
pub(super) struct Users {
    by_name: BTreeMap<Arc<str>, u32>,
    users: Slab<User>,
    rate: Option<u64>,
}

struct User {
    name: Arc<str>,
    allocations: u32,
    buckets: Option<Box<[Bucket; 2]>>,
}

/// Which way payload goes.
#[derive(Clone, Copy)]
pub(super) enum Direction {
    FromClient,
    ToClient,
}

struct Bucket {
    tokens: u64,
    at: Instant,
}

impl Users {
    pub(super) const fn new(rate: Option<u64>) -> Self {
        Self { by_name: BTreeMap::new(), users: Slab::new(), rate }
    }

    /// Counts one more allocation of `name`; `None` when it has `limit` already.
    pub(super) fn acquire(&mut self, now: Instant, name: &str, limit: Option<u32>) -> Option<u32> {
        if let Some(index) = self.by_name.get(name).copied() {
            let user = self.users.get_mut(index)?;
            if limit.is_some_and(|limit| user.allocations >= limit) {
                return None;
            }
            user.allocations += 1;
            return Some(index);
        }
        if limit == Some(0) {
            return None;
        }
        let name: Arc<str> = name.into();
        let full = |rate| Bucket { tokens: depth(rate), at: now };
        let buckets = self.rate.map(|rate| Box::new([full(rate), full(rate)]));
        let index = self.users.insert(User { name: Arc::clone(&name), allocations: 1, buckets });
        self.by_name.insert(name, index);
        Some(index)
    }

    /// Counts one less.
    pub(super) fn release(&mut self, index: u32) {
        let Some(user) = self.users.get_mut(index) else { return };
        user.allocations -= 1;
        if user.allocations == 0
            && let Some(user) = self.users.remove(index)
        {
            self.by_name.remove(&user.name);
        }
    }

    pub(super) fn name(&self, index: u32) -> &str {
        self.users.get(index).map_or("", |user| &user.name)
    }

    /// Whether `bytes` more may pass now.
    pub(super) fn spend(&mut self, now: Instant, index: u32, direction: Direction, bytes: usize) -> bool {
        let Some(rate) = self.rate else { return true };
        let buckets = self.users.get_mut(index).and_then(|user| user.buckets.as_deref_mut());
        let Some([from, to]) = buckets else { return true };
        match direction {
            Direction::FromClient => from.spend(now, rate, bytes as u64),
            Direction::ToClient => to.spend(now, rate, bytes as u64),
        }
    }
}

/// A burst of one second passes, and always one run of datagrams.
fn depth(rate: u64) -> u64 {
    rate.max(65_536)
}

impl Bucket {
    fn spend(&mut self, now: Instant, rate: u64, bytes: u64) -> bool {
        let elapsed = now.saturating_since(self.at).as_micros();
        let earned = u64::try_from(elapsed.saturating_mul(u128::from(rate)) / 1_000_000).unwrap_or(u64::MAX);
        // Less than one byte earned: keep the time, or slow drips would never add up.
        if earned > 0 {
            self.tokens = self.tokens.saturating_add(earned).min(depth(rate));
            self.at = now;
        }
        let enough = self.tokens >= bytes;
        if enough {
            self.tokens -= bytes;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn allocations_are_counted_and_forgotten() {
        let mut users = Users::new(None);
        let t = Instant::ZERO;
        let a = users.acquire(t, "alice", Some(2)).unwrap();
        assert_eq!(users.acquire(t, "alice", Some(2)), Some(a));
        assert_eq!(users.acquire(t, "alice", Some(2)), None);
        assert!(users.acquire(t, "bob", Some(2)).is_some());
        users.release(a);
        assert_eq!(users.acquire(t, "alice", Some(2)), Some(a));
        users.release(a);
        users.release(a);
        assert_eq!(users.by_name.len(), 1);
        assert_eq!(users.acquire(t, "carol", Some(0)), None);
    }

    #[test]
    fn bandwidth_is_bounded_and_comes_back() {
        let mut users = Users::new(Some(100_000));
        let t = Instant::ZERO;
        let a = users.acquire(t, "alice", None).unwrap();
        assert!(users.spend(t, a, Direction::FromClient, 100_000));
        assert!(!users.spend(t, a, Direction::FromClient, 1));
        assert!(users.spend(t, a, Direction::ToClient, 100_000));
        let later = t + Duration::from_millis(10);
        assert!(!users.spend(later, a, Direction::FromClient, 1001));
        assert!(users.spend(later, a, Direction::FromClient, 1000));
        assert!(users.spend(later + Duration::from_secs(100), a, Direction::FromClient, 100_000));
        assert!(!users.spend(later + Duration::from_secs(100), a, Direction::FromClient, 1));
    }
}
