//! A member: its connection, what it sends, and its slots.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use peer::negotiation::TransceiverId;
use peer::{ChannelId, Peer};
use wire::{Instant, Transport};

use crate::slot::Slot;
use crate::{Config, JoinConfig, MemberId, Source, Want};

/// Voice slots of one member.
pub(crate) const MAX_VOICES: usize = 8;
/// Picture slots of one member.
pub(crate) const MAX_PICTURES: usize = 54;
/// The bit of the first picture slot in a mask of what waits.
pub(crate) const FIRST_PICTURE: u8 = 8;
/// The bit that says that packets are to be sent again, or a probe is under way.
pub(crate) const AGAIN: u8 = 62;
/// The bit that says that the connection has something to say beside media.
pub(crate) const CONTROL: u8 = 63;
/// Packets that wait to be sent again.
const MAX_AGAIN: usize = 256;
/// Packets of which it is remembered when they were sent again.
const MAX_RECENT: usize = 256;
/// Addresses that a member may be known by.
pub(crate) const MAX_ADDRESSES: usize = 8;

/// Somebody's end of a path.
pub(crate) type Remote = (Transport, SocketAddr);

/// What a media section is for, for good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Use {
    /// It brings something.
    Source(Source),
    /// It is a slot, by its bit.
    Slot(u8),
    /// There are too many of its kind.
    None,
}

/// A packet to be sent again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Again {
    pub(crate) bit: u8,
    pub(crate) number: i64,
}

/// What is to be sent again, and what was a moment ago.
#[derive(Debug, Default)]
pub(crate) struct Repair {
    waiting: VecDeque<Again>,
    recent: VecDeque<(Again, Instant)>,
    /// Bytes sent again that the path has not made up for, and when that was.
    debt: u64,
    paid: Instant,
}

/// Bytes that may be sent again at once: as much as the path carries in a quarter of a second, within these bounds.
const DEBT: std::ops::RangeInclusive<u64> = 6_000..=40_000;

impl Repair {
    /// Queues a packet, unless it waits already, was sent again less than `pause` ago, or too many wait.
    pub(crate) fn push(&mut self, now: Instant, again: Again, pause: Duration) -> bool {
        while self.recent.front().is_some_and(|(_, at)| now.saturating_since(*at) >= pause) {
            self.recent.pop_front();
        }
        let known = self.recent.iter().any(|(known, _)| *known == again) || self.waiting.contains(&again);
        if known || self.waiting.len() >= MAX_AGAIN {
            return false;
        }
        self.waiting.push_back(again);
        true
    }

    /// A packet is sent again over a path that carries so many bits per second, of which so many are to spare. Whether it
    /// may be: no more than half of all is sent again, and where nothing is to spare an eighth, so that who asks for much
    /// does not lose even more.
    pub(crate) fn pay(&mut self, now: Instant, bytes: usize, (target, spare): (u64, u64)) -> bool {
        let millis = u64::try_from(now.saturating_since(self.paid).as_millis()).unwrap_or(u64::MAX);
        let rate = spare.clamp(target / 8, target / 2);
        self.debt = self.debt.saturating_sub(millis.saturating_mul(rate) / 8_000);
        self.paid = now;
        let may = self.debt < (target / 32).clamp(*DEBT.start(), *DEBT.end());
        if may {
            self.debt += bytes as u64;
        }
        may
    }

    pub(crate) fn pop(&mut self, now: Instant) -> Option<Again> {
        let again = self.waiting.pop_front()?;
        if self.recent.len() >= MAX_RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((again, now));
        Some(again)
    }
}

/// How much one may say: so many bytes per second, four seconds' worth at once.
#[derive(Debug)]
pub(crate) struct Allowance {
    rate: u64,
    left: u64,
    at: Instant,
}

impl Allowance {
    fn new(rate: u64, now: Instant) -> Self {
        Self { rate, left: rate * 4, at: now }
    }

    pub(crate) fn take(&mut self, now: Instant, bytes: usize) -> bool {
        let millis = u64::try_from(now.saturating_since(self.at).as_millis()).unwrap_or(u64::MAX);
        let more = millis.saturating_mul(self.rate) / 1000;
        if more > 0 {
            self.left = self.left.saturating_add(more).min(self.rate * 4);
            self.at = now;
        }
        // Each message costs something, so that empty ones are bounded too.
        let cost = bytes as u64 + 64;
        let granted = self.left >= cost;
        if granted {
            self.left -= cost;
        }
        granted
    }
}

/// See the module.
pub(crate) struct Member {
    pub(crate) id: MemberId,
    pub(crate) room: u64,
    pub(crate) join: JoinConfig,
    pub(crate) peer: Peer,
    /// Its media sections in the order in which they came.
    pub(crate) sections: Vec<(TransceiverId, Use)>,
    /// What it sends, by the number of the source.
    pub(crate) tracks: [Option<u32>; 3],
    pub(crate) allowed: [bool; 3],
    pub(crate) voices: Vec<Slot>,
    pub(crate) pictures: Vec<Slot>,
    pub(crate) wants: Vec<Option<Want>>,
    /// Whose voice alone it wants to hear.
    pub(crate) pin: Option<MemberId>,
    pub(crate) repair: Repair,
    /// The channel for the room.
    pub(crate) channel: Option<ChannelId>,
    pub(crate) reachable: bool,
    pub(crate) connected: bool,
    pub(crate) leaving: bool,
    /// Why its connection is over, if it is.
    pub(crate) over: Option<peer::DtlsClosed>,
    pub(crate) allowance: Allowance,
    /// How far its clock is from ours: what to add to its time to get ours, as nanoseconds.
    pub(crate) clock: Option<i128>,
    pub(crate) fraction_lost: u8,
    /// Bits per second that are not taken by what is forwarded to it.
    pub(crate) spare: u64,
    /// Bits per second that its path was taken to carry last, and whether that is less than half of before.
    pub(crate) target: u64,
    pub(crate) broke_down: bool,
    /// It would be sent more if the path were known to carry it.
    pub(crate) wants_more: bool,
    /// What is to be chosen for its picture slots must be thought over.
    pub(crate) dirty: bool,
    /// When it is looked after next.
    pub(crate) tick: Option<Instant>,
    /// When the next packet of a probe is to be sent.
    pub(crate) probe: Option<Instant>,
    /// Reports are to be sent.
    pub(crate) report: bool,
    pub(crate) scheduled: Option<Instant>,
    /// The user fragments that its checks name: the present one, and the one before a restart.
    pub(crate) ufrags: Vec<String>,
    /// Where it may be heard from, the oldest first.
    pub(crate) addresses: Vec<Remote>,
}

impl Member {
    pub(crate) fn new(
        now: Instant,
        id: MemberId,
        room: u64,
        (join, config): (JoinConfig, &Config),
        peer: Peer,
    ) -> Self {
        Self {
            id,
            room,
            join,
            peer,
            sections: Vec::new(),
            tracks: [None; 3],
            allowed: [true; 3],
            voices: Vec::new(),
            pictures: Vec::new(),
            wants: Vec::new(),
            pin: None,
            repair: Repair::default(),
            channel: None,
            reachable: false,
            connected: false,
            leaving: false,
            over: None,
            allowance: Allowance::new(config.message_rate, now),
            clock: None,
            fraction_lost: 0,
            spare: u64::MAX,
            target: 0,
            broke_down: false,
            wants_more: false,
            dirty: false,
            tick: None,
            probe: None,
            report: false,
            scheduled: None,
            ufrags: Vec::new(),
            addresses: Vec::new(),
        }
    }

    /// Reads a little of all that is needed to send something over a slot, as [`Peer::fetch`] does.
    #[inline]
    pub(crate) fn fetch(&self, pass: u8, bit: u8) -> u64 {
        let slot = match pass {
            0 => (self.voices.len() + self.pictures.len()) as u64 ^ u64::from(self.connected),
            1 => self.slot(bit).map_or(0, Slot::fetch),
            _ => self.slot(bit).and_then(Slot::run).map_or(0, |run| run.out.cast_unsigned()),
        };
        slot ^ self.peer.fetch(pass)
    }

    pub(crate) fn track(&self, source: Source) -> Option<u32> {
        self.tracks[source as usize]
    }

    #[inline]
    pub(crate) fn slot_mut(&mut self, bit: u8) -> Option<&mut Slot> {
        slot_mut(&mut self.voices, &mut self.pictures, bit)
    }

    pub(crate) fn slot(&self, bit: u8) -> Option<&Slot> {
        if bit < FIRST_PICTURE {
            self.voices.get(usize::from(bit))
        } else {
            self.pictures.get(usize::from(bit - FIRST_PICTURE))
        }
    }

    /// The slot over which this transceiver sends, by its bit.
    pub(crate) fn bit_of(&self, transceiver: TransceiverId) -> Option<u8> {
        self.sections.iter().find_map(|(id, usage)| match usage {
            Use::Slot(bit) if *id == transceiver => Some(*bit),
            Use::Slot(_) | Use::Source(_) | Use::None => None,
        })
    }
}

#[inline]
pub(crate) fn slot_mut<'a>(
    voices: &'a mut [Slot],
    pictures: &'a mut [Slot],
    bit: u8,
) -> Option<&'a mut Slot> {
    if bit < FIRST_PICTURE {
        voices.get_mut(usize::from(bit))
    } else {
        pictures.get_mut(usize::from(bit - FIRST_PICTURE))
    }
}

/// The bit of a picture slot.
pub(crate) fn picture_bit(index: usize) -> u8 {
    FIRST_PICTURE + u8::try_from(index.min(MAX_PICTURES)).expect("it is below 64")
}

/// The bit of a voice slot.
pub(crate) fn voice_bit(index: usize) -> u8 {
    u8::try_from(index.min(MAX_VOICES)).expect("it is below 64")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn a_packet_is_sent_again_once_in_a_while() {
        let mut repair = Repair::default();
        let pause = Duration::from_millis(50);
        let again = |number| Again { bit: 8, number };
        assert!(repair.push(at(0), again(1), pause));
        assert!(!repair.push(at(0), again(1), pause), "it waits");
        assert_eq!(repair.pop(at(0)), Some(again(1)));
        assert!(!repair.push(at(49), again(1), pause), "it is under way");
        assert!(repair.push(at(50), again(1), pause));
        let taken = (2..1000).filter(|number| repair.push(at(50), again(*number), pause)).count();
        assert_eq!(taken, MAX_AGAIN - 1);
        let mut paid = |millis, path| (0..100).filter(|_| repair.pay(at(millis), 1000, path)).count();
        assert_eq!(paid(50, (320_000, 320_000)), 10, "a quarter of a second's worth at once");
        assert_eq!(paid(550, (320_000, 320_000)), 10, "half of the path");
        assert_eq!(paid(1550, (320_000, 0)), 5, "an eighth of it, where nothing is to spare");
        assert_eq!(paid(60_000, (3_000_000, 1_000_000)), 40, "never more at once");
    }

    #[test]
    fn nobody_says_more_than_allowed() {
        let mut allowance = Allowance::new(1000, at(0));
        assert!(allowance.take(at(0), 3936) && !allowance.take(at(0), 0));
        assert!(!allowance.take(at(63), 0) && allowance.take(at(64), 0));
        assert!(!allowance.take(at(60_000), 4000) && allowance.take(at(60_000), 3936));
    }
}
