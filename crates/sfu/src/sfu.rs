//! The forwarder as a whole.

use std::collections::VecDeque;

use peer::Received;
use wire::{Instant, Rng, Transmit};

use crate::{
    Config, DescribeError, Event, JoinConfig, JoinError, MemberId, MemberStats, OpenError, RoomConfig,
    RoomId, Source, Stats, Want,
};

/// A forwarder of media for rooms, without input and output. See the crate's documentation.
pub struct Sfu {
    config: Config,
    rng: Rng,
    events: VecDeque<Event>,
    stats: Stats,
}

impl Sfu {
    /// A forwarder without rooms. `seed` is of the operating system, in a test of a number: everything random follows
    /// from it.
    pub fn new(config: Config, seed: [u8; 32], _now: Instant) -> Self {
        Self { config, rng: Rng::new(seed), events: VecDeque::new(), stats: Stats::default() }
    }

    /// Opens a room.
    ///
    /// # Errors
    /// There are too many.
    pub fn open_room(&mut self, _now: Instant, _config: RoomConfig) -> Result<RoomId, OpenError> {
        let _ = (&self.config, &mut self.rng);
        Err(OpenError::TooMany)
    }

    /// Closes a room: all of its members leave it.
    pub fn close_room(&mut self, _now: Instant, _room: RoomId) {}

    /// Somebody joins a room: the connection is made, and waits for its offer.
    ///
    /// # Errors
    /// No such room, or no place.
    pub fn join(&mut self, _now: Instant, _room: RoomId, _config: JoinConfig) -> Result<MemberId, JoinError> {
        Err(JoinError::NoRoom)
    }

    /// Takes a member's offer and gives the answer, with all candidates. Later offers add or remove sections, or restart
    /// ICE.
    ///
    /// # Errors
    /// No such member, or an offer that cannot be used.
    pub fn describe(
        &mut self,
        _now: Instant,
        _member: MemberId,
        _offer: &str,
    ) -> Result<String, DescribeError> {
        Err(DescribeError::NoMember)
    }

    /// Takes a candidate of a member. An ICE-lite agent learns addresses by the checks that come, so this may be left out.
    pub fn candidate(&mut self, _now: Instant, _member: MemberId, _candidate: &str) {}

    /// What a member wants to see in its picture slots, by index: the earlier, the more important. Slots beyond the list
    /// are empty. It may be told before the slots are negotiated.
    pub fn layout(&mut self, _now: Instant, _member: MemberId, _wants: &[Option<Want>]) {}

    /// Whether a source of a member is forwarded; it is at first. A moderator who mutes somebody says no.
    pub fn allow(&mut self, _now: Instant, _member: MemberId, _source: Source, _allowed: bool) {}

    /// Says something to a member on the room's data channel, from the number 0. A member that is not
    /// [`Event::Reachable`] does not get it.
    pub fn send_message(&mut self, _now: Instant, _member: MemberId, _message: &[u8]) {}

    /// Somebody leaves; the other side is told.
    pub fn leave(&mut self, _now: Instant, _member: MemberId) {}

    /// Takes a message or a run of datagrams. Whether it was for this forwarder: what is not is untouched, and may be
    /// shown to others on the same port. What makes no sense is counted and dropped.
    pub fn handle_input(&mut self, _now: Instant, _received: Received, _bytes: &mut [u8]) -> bool {
        false
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, _now: Instant) {}

    /// Writes what is to be sent next into `buf` and says where to. A buffer of 1,500 bytes is enough; in a larger one, up
    /// to 64 KiB, packets come as runs of equal datagrams. Ask until there is nothing.
    pub fn poll_transmit(&mut self, _now: Instant, _buf: &mut [u8]) -> Option<Transmit> {
        None
    }

    /// What has happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Sfu::handle_timeout`] is due; `None` if nothing is scheduled.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// What is known of a member.
    pub fn stats(&self, _member: MemberId) -> Option<MemberStats> {
        None
    }

    /// What was counted of all.
    pub fn counters(&self) -> Stats {
        self.stats
    }
}
