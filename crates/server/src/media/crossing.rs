//! Datagrams that the kernel gave to another thread than the one whose room they are for.
//!
//! The kernel spreads remote addresses over the threads' sockets, and does not know where a room lives. The first thing
//! from a new address is a check of connectivity, whose user name begins with the user fragment of our answer
//! (RFC 8445 §7.2.2): a table that all threads read says whose it is. The thread that was given it remembers the
//! address, and hands over what else comes from there, in one batch per round.

use std::collections::HashMap;
use std::mem;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Duration;

use net::Waker;
use sfu::Received;
use stun::attribute::Username;
use wire::{Instant, Transport};

/// Bytes that may wait for another thread; what comes beyond is dropped.
const MOST_BYTES: usize = 8 << 20;
/// Remote addresses that one thread remembers at most.
const MOST_ADDRESSES: usize = 65_536;
/// An address from which no check came for so long is forgotten when there are too many; consent is asked for every few
/// seconds (RFC 7675 §5.1).
const FORGOTTEN: Duration = Duration::from_secs(60);

/// On which thread the agent of a user fragment is.
#[derive(Default)]
pub(super) struct Fragments(RwLock<HashMap<String, usize>>);

impl Fragments {
    pub(super) fn insert(&self, fragment: &str, thread: usize) {
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        table.insert(fragment.to_owned(), thread);
    }

    pub(super) fn remove(&self, fragment: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(fragment);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The thread of the agent that this message is a check for.
    pub(super) fn thread_of(&self, bytes: &[u8]) -> Option<usize> {
        let message = stun::Message::parse(bytes).ok()?;
        if message.class() != stun::Class::Request || message.method() != stun::Method::BINDING {
            return None;
        }
        let Username(name) = message.get().ok()??;
        let (fragment, _) = name.split_once(':')?;
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(fragment).copied()
    }
}

/// What waits for one thread.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    messages: Vec<(Received, usize)>,
}

/// The way into one thread for datagrams that others were given.
#[derive(Default)]
pub(super) struct Entrance(Mutex<Batch>);

/// The way out of one thread to all others.
pub(super) struct Crossing {
    thread: usize,
    fragments: std::sync::Arc<Fragments>,
    entrances: std::sync::Arc<[Entrance]>,
    wakers: Vec<Waker>,
    /// What is to be handed over at the end of the round, by thread.
    batches: Vec<Batch>,
    addresses: HashMap<SocketAddr, (usize, Instant)>,
    taken: Batch,
    handed_over: u64,
    dropped: u64,
}

impl Crossing {
    pub(super) fn new(
        thread: usize,
        fragments: std::sync::Arc<Fragments>,
        entrances: std::sync::Arc<[Entrance]>,
        wakers: Vec<Waker>,
    ) -> Self {
        let batches = entrances.iter().map(|_| Batch::default()).collect();
        Self {
            thread,
            fragments,
            entrances,
            wakers,
            batches,
            addresses: HashMap::new(),
            taken: Batch::default(),
            handed_over: 0,
            dropped: 0,
        }
    }

    /// Hands a run of datagrams over that was not for this thread's forwarder. Whether it is another's.
    pub(super) fn pass(&mut self, now: Instant, received: Received, bytes: &[u8]) -> bool {
        if self.entrances.len() < 2 || received.transport != Transport::Udp {
            return false;
        }
        let thread = match bytes.first() {
            Some(0..=3) => {
                let first = &bytes[..bytes.len().min(received.segment)];
                let Some(thread) = self.fragments.thread_of(first) else { return false };
                self.remember(now, received.remote, thread);
                thread
            }
            Some(20..=63 | 128..=191) => match self.addresses.get(&received.remote) {
                Some((thread, _)) => *thread,
                None => return false,
            },
            Some(_) | None => return false,
        };
        if thread == self.thread {
            return false;
        }
        let Some(batch) = self.batches.get_mut(thread) else { return false };
        batch.bytes.extend_from_slice(bytes);
        batch.messages.push((received, bytes.len()));
        self.handed_over += 1;
        true
    }

    fn remember(&mut self, now: Instant, remote: SocketAddr, thread: usize) {
        if self.addresses.len() >= MOST_ADDRESSES && !self.addresses.contains_key(&remote) {
            self.addresses.retain(|_, (_, heard)| now.saturating_since(*heard) < FORGOTTEN);
            if self.addresses.len() >= MOST_ADDRESSES {
                return;
            }
        }
        self.addresses.insert(remote, (thread, now));
    }

    /// Gives the other threads what was collected for them.
    pub(super) fn flush(&mut self) {
        for (thread, batch) in self.batches.iter_mut().enumerate() {
            if batch.messages.is_empty() {
                continue;
            }
            let mut entrance = self.entrances[thread].0.lock().unwrap_or_else(PoisonError::into_inner);
            if entrance.bytes.len() + batch.bytes.len() > MOST_BYTES {
                self.dropped += batch.messages.len() as u64;
            } else if entrance.messages.is_empty() {
                mem::swap(&mut *entrance, batch);
            } else {
                entrance.bytes.extend_from_slice(&batch.bytes);
                entrance.messages.append(&mut batch.messages);
            }
            drop(entrance);
            batch.bytes.clear();
            batch.messages.clear();
            self.wakers[thread].wake();
        }
    }

    /// What other threads were given for this one.
    pub(super) fn take(&mut self, mut each: impl FnMut(Received, &mut [u8])) {
        if self.entrances.len() < 2 {
            return;
        }
        mem::swap(
            &mut *self.entrances[self.thread].0.lock().unwrap_or_else(PoisonError::into_inner),
            &mut self.taken,
        );
        let mut rest = &mut self.taken.bytes[..];
        for (received, length) in self.taken.messages.drain(..) {
            let (bytes, later) = rest.split_at_mut(length);
            rest = later;
            each(received, bytes);
        }
        self.taken.bytes.clear();
    }

    /// Runs handed over, and those that were dropped because the other thread did not keep up.
    pub(super) const fn counts(&self) -> (u64, u64) {
        (self.handed_over, self.dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn check(user: &str) -> Vec<u8> {
        let mut buf = [0; 200];
        let (class, method) = (stun::Class::Request, stun::Method::BINDING);
        let id = stun::TransactionId([5; 12]);
        let mut writer = stun::Writer::new(&mut buf, class, method, id).expect("room");
        writer.put(&Username(user)).expect("room");
        let len = writer.len();
        buf[..len].to_vec()
    }

    fn from(port: u16, len: usize) -> Received {
        let address = |port| SocketAddr::from(([192, 0, 2, 1], port));
        Received { transport: Transport::Udp, local: address(3478), remote: address(port), segment: len }
    }

    /// Two threads; the agent `abcd` is on the second.
    fn pair() -> [Crossing; 2] {
        let fragments = Arc::new(Fragments::default());
        fragments.insert("abcd", 1);
        let entrances: Arc<[Entrance]> = [0, 1].map(|_| Entrance::default()).into();
        let pollers = [0, 1].map(|_| net::Poller::new().expect("a poller"));
        let wakers: Vec<Waker> = pollers.iter().map(net::Poller::waker).collect();
        [0, 1].map(|n| Crossing::new(n, fragments.clone(), entrances.clone(), wakers.clone()))
    }

    fn taken(crossing: &mut Crossing) -> Vec<(u16, Vec<u8>)> {
        let mut all = Vec::new();
        crossing.take(|received, bytes| all.push((received.remote.port(), bytes.to_vec())));
        all
    }

    #[test]
    fn a_check_shows_the_way_and_what_follows_takes_it() {
        let [mut first, mut second] = pair();
        let now = Instant::ZERO;
        let media = [0x80; 40];
        assert!(!first.pass(now, from(7, 40), &media), "nobody is known there");
        let check = check("abcd:efgh");
        assert!(first.pass(now, from(7, check.len()), &check));
        assert!(first.pass(now, from(7, 40), &media));
        assert!(!first.pass(now, from(8, 40), &media), "another address");
        assert!(!first.pass(now, from(7, 40), &[0x40; 40]), "channel data is TURN's");
        first.flush();
        assert_eq!(taken(&mut second), [(7, check.clone()), (7, media.to_vec())]);
        assert_eq!(taken(&mut second), []);
        assert!(!second.pass(now, from(7, check.len()), &check), "it is here already");
        assert_eq!(first.counts(), (2, 0));
    }

    #[test]
    fn what_names_nobody_is_left_to_others() {
        let [mut first, _] = pair();
        for message in [check("efgh:abcd"), check("abcd"), vec![0, 1, 0, 0], Vec::new()] {
            assert!(!first.pass(Instant::ZERO, from(7, message.len()), &message), "{message:?}");
        }
        first.fragments.remove("abcd");
        let check = check("abcd:efgh");
        assert!(!first.pass(Instant::ZERO, from(7, check.len()), &check), "they have left");
    }

    #[test]
    fn a_thread_that_does_not_keep_up_loses_what_is_too_much() {
        let [mut first, mut second] = pair();
        let check = check("abcd:efgh");
        assert!(first.pass(Instant::ZERO, from(7, check.len()), &check));
        let large = vec![0x80; 60_000];
        for _ in 0..200 {
            assert!(first.pass(Instant::ZERO, from(7, 60_000), &large));
            first.flush();
        }
        let bytes: usize = taken(&mut second).iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(bytes <= MOST_BYTES && bytes > MOST_BYTES - 120_000, "{bytes}");
        assert!(first.counts().1 > 0);
    }
}
