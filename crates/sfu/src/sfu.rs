//! The forwarder as a whole: its tables, and what a program asks for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use peer::negotiation::HeaderExtension;
use peer::{MediaMode, Peer};
use wire::{Instant, Rng, Transmit, Transport};

use crate::member::{CONTROL, MAX_ADDRESSES, MAX_PICTURES, Member, Remote};
use crate::record::Taps;
use crate::room::Room;
use crate::share::Shares;
use crate::slab::Slab;
use crate::timers::Timer;
use crate::track::Track;
use crate::{
    Config, Event, JoinConfig, JoinError, MemberId, OpenError, RoomConfig, RoomId, Source, Stats, Want,
};

/// How often a receiver's path is tried for more, while more would be sent.
const PROBE_INTERVAL: Duration = Duration::from_secs(2);

/// A forwarder of media for rooms, without input and output. See the crate's documentation.
pub struct Sfu {
    pub(crate) config: Config,
    pub(crate) peer_config: peer::SharedConfig,
    pub(crate) rng: Rng,
    /// The wall clock at an instant.
    pub(crate) wall: (Instant, Duration),
    pub(crate) rooms: BTreeMap<u64, Room>,
    pub(crate) members: Slab<Box<Member>>,
    pub(crate) tracks: Slab<Track>,
    /// Counts rooms, members and tracks.
    pub(crate) serial: u64,
    pub(crate) by_address: BTreeMap<Remote, u32>,
    pub(crate) by_ufrag: BTreeMap<String, u32>,
    pub(crate) timers: BTreeSet<(Instant, Timer)>,
    /// By member: which of its slots may have something to send, and the bits [`CONTROL`] and [`crate::member::AGAIN`].
    pub(crate) waiting: Vec<u64>,
    /// The members for whom that is not nothing, each once.
    pub(crate) queue: VecDeque<u32>,
    /// How many of the first of these have been looked at ahead of their turn.
    pub(crate) ahead: usize,
    /// A datagram that did not fit its run.
    pub(crate) held: Option<(Transmit, Vec<u8>)>,
    /// Keyframes to be asked of tracks, by encoding.
    pub(crate) asks: Vec<(u32, u8)>,
    pub(crate) taps: Taps,
    pub(crate) shares: Shares,
    pub(crate) events: VecDeque<Event>,
    pub(crate) stats: Stats,
}

impl Sfu {
    /// A forwarder without rooms. `seed` is of the operating system, in a test of a number: everything random follows
    /// from it.
    pub fn new(config: Config, seed: [u8; 32], now: Instant) -> Self {
        Self {
            peer_config: peer_config(&config).into(),
            wall: (now, config.since_epoch),
            config,
            rng: Rng::new(seed),
            rooms: BTreeMap::new(),
            members: Slab::new(),
            tracks: Slab::new(),
            serial: 0,
            by_address: BTreeMap::new(),
            by_ufrag: BTreeMap::new(),
            timers: BTreeSet::new(),
            waiting: Vec::new(),
            queue: VecDeque::new(),
            ahead: 0,
            held: None,
            asks: Vec::new(),
            taps: Taps::default(),
            shares: Shares::default(),
            events: VecDeque::new(),
            stats: Stats::default(),
        }
    }

    pub(crate) fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// Opens a room.
    ///
    /// # Errors
    /// There are too many.
    pub fn open_room(&mut self, _now: Instant, config: RoomConfig) -> Result<RoomId, OpenError> {
        if self.rooms.len() >= self.config.max_rooms {
            return Err(OpenError::TooMany);
        }
        let serial = self.next_serial();
        self.rooms.insert(serial, Room::new(config));
        Ok(RoomId(serial))
    }

    /// Closes a room: all of its members leave it.
    pub fn close_room(&mut self, now: Instant, room: RoomId) {
        let all = |room: &Room| room.members.iter().chain(&room.stand_ins).copied().collect();
        let members: Vec<u32> = self.rooms.get(&room.0).map(all).unwrap_or_default();
        for at in members {
            self.remove(now, at);
        }
        self.taps.set_room(room.0, false);
        self.shares.set_room(room.0, false);
        if let Some(due) = self.rooms.remove(&room.0).and_then(|room| room.scheduled) {
            self.timers.remove(&(due, Timer::Room(room.0)));
        }
    }

    /// Somebody joins a room: the connection is made, and waits for its offer.
    ///
    /// # Errors
    /// No such room, or no place.
    pub fn join(&mut self, now: Instant, room: RoomId, join: JoinConfig) -> Result<MemberId, JoinError> {
        let found = self.rooms.get(&room.0).ok_or(JoinError::NoRoom)?;
        if found.members.len() >= found.config.max_members {
            return Err(JoinError::RoomFull);
        }
        if self.members.len() >= self.config.max_members {
            return Err(JoinError::TooMany);
        }
        let mut peer =
            Peer::new(self.peer_config.clone(), self.rng.array(), now).map_err(JoinError::Config)?;
        peer.set_wall_clock(now, self.wall.1 + now.saturating_since(self.wall.0));
        for address in &self.config.addresses {
            peer.add_local_address(now, local(address));
        }
        peer.end_of_local_addresses(now);
        let id = MemberId { serial: self.next_serial(), index: self.members.vacant() };
        let member = Member::new(now, id, room.0, (join, &self.config), peer);
        let at = self.members.insert(Box::new(member));
        if self.waiting.len() <= at as usize {
            self.waiting.resize(at as usize + 1, 0);
        }
        if let Some(room) = self.rooms.get_mut(&room.0) {
            room.members.push(at);
        }
        Ok(id)
    }

    /// The place of a member that has not left.
    pub(crate) fn place(&self, id: MemberId) -> Option<u32> {
        let member = self.members.get(id.index)?;
        (member.id == id && !member.leaving).then_some(id.index)
    }

    /// Takes a candidate of a member. An ICE-lite agent learns addresses by the checks that come, so this may be left out.
    pub fn candidate(&mut self, now: Instant, member: MemberId, candidate: &str) {
        let Some(at) = self.place(member) else { return };
        if let Some(member) = self.members.get_mut(at) {
            // What cannot be read is of no use to a lite agent either.
            let _ = member.peer.add_ice_candidate(now, candidate, None, Some(0), None);
        }
        self.follow_up(now, at);
    }

    /// What a member wants to see in its picture slots, by index: the earlier, the more important. Slots beyond the list
    /// are empty. It may be told before the slots are negotiated.
    pub fn layout(&mut self, now: Instant, member: MemberId, wants: &[Option<Want>]) {
        let Some(at) = self.place(member) else { return };
        if let Some(member) = self.members.get_mut(at) {
            member.wants = wants.iter().take(MAX_PICTURES).copied().collect();
        }
        self.choose(now, at);
        self.flush_asks(now);
    }

    /// Whose voice a member wants to hear, instead of the loudest; `None` is the loudest again. One who looks at a single
    /// member hears that one, however quiet.
    pub fn listen(&mut self, now: Instant, member: MemberId, to: Option<MemberId>) {
        let Some(at) = self.place(member) else { return };
        if let Some(member) = self.members.get_mut(at) {
            member.pin = to;
        }
        self.assign_voices(now, at);
    }

    /// Whether a source of a member is forwarded; it is at first. A moderator who mutes somebody says no.
    pub fn allow(&mut self, now: Instant, member: MemberId, source: Source, allowed: bool) {
        let Some(at) = self.place(member) else { return };
        let Some(member) = self.members.get_mut(at) else { return };
        member.allowed[source as usize] = allowed;
        let (room, track) = (member.room, member.track(source));
        let Some(at) = track else { return };
        let Some(track) = self.tracks.get_mut(at) else { return };
        if std::mem::replace(&mut track.allowed, allowed) == allowed {
            return;
        }
        self.skip_share(at);
        self.cut_tap(now, at);
        self.think_over(now, room);
        self.flush_asks(now);
    }

    /// Somebody leaves; the other side is told.
    pub fn leave(&mut self, now: Instant, member: MemberId) {
        if let Some(at) = self.place(member) {
            self.remove(now, at);
        }
    }

    /// Ends a member; its place is free when its last words are sent.
    fn remove(&mut self, now: Instant, at: u32) {
        let Some(member) = self.members.get_mut(at) else { return };
        member.leaving = true;
        member.connected = false;
        let (room, tracks) = (member.room, member.tracks);
        self.unfollow_all(at);
        for track in tracks.into_iter().flatten() {
            self.remove_track(track);
        }
        let Some(member) = self.members.get_mut(at) else { return };
        member.peer.close(now);
        member.tick = None;
        for ufrag in std::mem::take(&mut member.ufrags) {
            self.by_ufrag.remove(&ufrag);
        }
        for remote in std::mem::take(&mut member.addresses) {
            self.by_address.remove(&remote);
        }
        if let Some(room) = self.rooms.get_mut(&room) {
            room.members.retain(|other| *other != at);
            room.stand_ins.retain(|other| *other != at);
        }
        self.schedule(at);
        self.mark(at, CONTROL);
        self.think_over(now, room);
        self.flush_asks(now);
    }

    /// A member is to be asked what it has to send.
    pub(crate) fn mark(&mut self, at: u32, bit: u8) {
        mark(&mut self.waiting, &mut self.queue, at, bit);
    }

    pub(crate) fn push_event(&mut self, event: Event) {
        push_event(&mut self.events, &mut self.stats, self.config.max_events, event);
    }

    /// What has happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// What was counted of all.
    pub fn counters(&self) -> Stats {
        self.stats
    }

    /// Says what the wall clock shows, if it was set since the beginning; for those who join from now on.
    pub fn set_wall_clock(&mut self, now: Instant, since_epoch: Duration) {
        self.wall = (now, since_epoch);
    }

    /// Remembers that a member is heard from somewhere. `sure` says that its agent has taken that path.
    pub(crate) fn know(&mut self, at: u32, remote: Remote, sure: bool) {
        if self.by_address.get(&remote).is_some_and(|known| *known == at || !sure) {
            return;
        }
        let Some(member) = self.members.get_mut(at) else { return };
        let selected = member.peer.selected_pair().map(|pair| (pair.transport, pair.remote));
        if member.addresses.len() >= MAX_ADDRESSES {
            let Some(oldest) = member.addresses.iter().position(|known| Some(*known) != selected) else {
                return;
            };
            let gone = member.addresses.remove(oldest);
            self.by_address.remove(&gone);
        }
        member.addresses.push(remote);
        if let Some(before) = self.by_address.insert(remote, at)
            && let Some(member) = self.members.get_mut(before)
        {
            member.addresses.retain(|known| *known != remote);
        }
    }
}

/// A member is to be asked what it has to send.
#[inline]
pub(crate) fn mark(waiting: &mut [u64], queue: &mut VecDeque<u32>, at: u32, bit: u8) {
    if let Some(mask) = waiting.get_mut(at as usize) {
        if *mask == 0 {
            queue.push_back(at);
        }
        *mask |= 1 << bit;
    }
}

pub(crate) fn push_event(events: &mut VecDeque<Event>, stats: &mut Stats, most: usize, event: Event) {
    if events.len() >= most {
        events.pop_front();
        stats.events_lost += 1;
    }
    events.push_back(event);
}

fn local(address: &crate::Address) -> peer::Local {
    match address.transport {
        Transport::Udp => peer::Local::host(address.advertised),
        Transport::Tcp | Transport::Tls => peer::Local::tcp(address.advertised, ice::TcpType::Passive),
    }
}

/// How each member's connection is: a lite agent that decodes nothing.
fn peer_config(config: &Config) -> peer::Config {
    let mut peer = peer::Config::new(config.certificate.clone());
    peer.media.mode = MediaMode::Packets;
    peer.media.send.estimate.start = config.start_bitrate;
    peer.media.send.estimate.max = config.max_bitrate;
    peer.media.send.estimate.probe_interval = Some(PROBE_INTERVAL);
    peer.ice.lite = true;
    peer.ice.max_local = config.addresses.len().max(peer.ice.max_local);
    peer.negotiation.ice_lite = true;
    peer.negotiation.answer_passive = true;
    peer.negotiation.receive_simulcast = true;
    peer.negotiation.header_extensions.push(HeaderExtension::dependency());
    peer.negotiation.max_sections = config.max_sections;
    // What cannot be put into a ring cannot be forwarded.
    peer.negotiation.audio_codecs.retain(|codec| codec.name.eq_ignore_ascii_case("opus"));
    peer.sctp.max_message_size = config.max_message;
    peer.sctp.send_buffer = config.message_queue;
    peer.sctp.receive_window = 64 << 10;
    peer.sctp.max_receive_window = 256 << 10;
    peer.sctp.max_channels = 16;
    peer
}
