use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use wire::{Instant, Rng};

/// How a network treats packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Weather {
    /// Packets lost, in a thousand.
    pub loss: u64,
    /// Packets that arrive twice, in a thousand.
    pub duplication: u64,
    /// Packets of which one byte is changed, in a thousand: what the checksum of UDP lets through.
    pub corruption: u64,
    /// The shortest time on the way.
    pub min_delay: Duration,
    /// The longest time on the way: packets whose delays differ overtake each other.
    pub max_delay: Duration,
}

impl Weather {
    /// Nothing is lost, and everything takes 10 ms.
    pub const CALM: Self = Self {
        loss: 0,
        duplication: 0,
        corruption: 0,
        min_delay: Duration::from_millis(10),
        max_delay: Duration::from_millis(10),
    };
}

/// A datagram on its way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packet {
    /// The source address as the receiver sees it.
    pub from: SocketAddr,
    /// The destination.
    pub to: SocketAddr,
    /// What it carries.
    pub bytes: Vec<u8>,
}

/// Datagrams between sending and arriving.
#[derive(Debug)]
pub struct Network {
    /// The weather from now on.
    pub weather: Weather,
    rng: Rng,
    flying: BTreeMap<(Instant, u64), Packet>,
    counter: u64,
}

impl Network {
    /// An empty network.
    pub const fn new(weather: Weather, rng: Rng) -> Self {
        Self { weather, rng, flying: BTreeMap::new(), counter: 0 }
    }

    /// Sends a datagram; what happens to it is decided now.
    pub fn send(&mut self, now: Instant, mut packet: Packet) {
        if self.weather.corruption > 0 && !packet.bytes.is_empty() && self.rng.chance(self.weather.corruption)
        {
            let at = usize::try_from(self.rng.below(packet.bytes.len() as u64)).unwrap_or_default();
            packet.bytes[at] ^= 0x55;
        }
        self.send_intact(now, packet);
    }

    /// Sends a datagram that is not corrupted, whatever the weather.
    pub fn send_intact(&mut self, now: Instant, packet: Packet) {
        if self.rng.chance(self.weather.loss) {
            return;
        }
        if self.rng.chance(self.weather.duplication) {
            self.schedule(now, packet.clone());
        }
        self.schedule(now, packet);
    }

    /// When the next datagram arrives.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.flying.first_key_value().map(|((at, _), _)| *at)
    }

    /// The next datagram that has arrived.
    pub fn receive(&mut self, now: Instant) -> Option<Packet> {
        let entry = self.flying.first_entry().filter(|entry| entry.key().0 <= now)?;
        Some(entry.remove())
    }

    fn schedule(&mut self, now: Instant, packet: Packet) {
        let Weather { min_delay, max_delay, .. } = self.weather;
        let spread = u64::try_from(max_delay.saturating_sub(min_delay).as_nanos()).unwrap_or(u64::MAX);
        let delay = min_delay + Duration::from_nanos(self.rng.below(spread.saturating_add(1).max(1)));
        self.counter += 1;
        self.flying.insert((now + delay, self.counter), packet);
    }
}
