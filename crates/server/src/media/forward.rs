//! The forwarder of one media thread: an [`sfu::Sfu`] under the names that the rendezvous gives, above the thread's
//! sockets.

mod parts;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use net::{Outbox, Socket};
use sfu::{Event, JoinConfig, MemberId, Received, RoomConfig, RoomId, Sfu, Want};
use tokio::sync::mpsc;
use wire::Instant;

use super::counters::Snapshot;
use super::crossing::Fragments;
use super::sharing::Sharing;
use crate::recording::{Gatherer, Queue};
use crate::signal::forwarding::{LegKey, MediaCommand, MediaEvent, Part, RoomKey, Source, Wish};

/// Bytes of the longest run that the forwarder writes.
const RUN_BYTES: usize = 64 << 10;
/// Runs and bytes that leave with one system call: enough to make it cheap, few enough to stay in the cache of the core.
const BATCH: (usize, usize) = (32, 128 << 10);
/// Events that wait for the rendezvous at most; beyond, those of the moment are dropped.
const LATE_EVENTS: usize = 65_536;

/// User fragments of one member that checks may name: of the answer before the last one, too.
const FRAGMENTS: usize = 2;

/// What a thread's forwarder is made of.
pub(super) struct Parts {
    pub(super) sfu: Sfu,
    pub(super) fragments: Arc<Fragments>,
    pub(super) events: mpsc::Sender<MediaEvent>,
    pub(super) recorder: Option<Arc<Queue>>,
    /// The ways to the other threads.
    pub(super) sharing: Sharing,
}

/// The rooms of one thread.
pub(super) struct Forwarder {
    sfu: Sfu,
    sharing: Sharing,
    fragments: Arc<Fragments>,
    rooms: HashMap<RoomKey, Room>,
    room_keys: HashMap<RoomId, RoomKey>,
    legs: HashMap<LegKey, Leg>,
    /// How many of the legs stand in for such of other threads, and how many of the rooms began on others.
    stand_ins: usize,
    parts: usize,
    leg_keys: HashMap<MemberId, LegKey>,
    events: mpsc::Sender<MediaEvent>,
    late: VecDeque<MediaEvent>,
    recorder: Option<Arc<Queue>>,
    gatherer: Gatherer,
    /// The rooms that are recorded.
    recorded: BTreeSet<RoomKey>,
    /// What is counted here, and not by the machine.
    tally: Tally,
}

#[derive(Default)]
struct Tally {
    bytes_in: u64,
    bytes_out: u64,
    /// Datagrams that left by streams.
    messages_out: u64,
    events_dropped: u64,
}

/// A room, and what its viewers see.
struct Room {
    id: RoomId,
    stage: Option<Wish>,
    /// The viewers who are shown that.
    followers: Vec<LegKey>,
    /// Whether it began on another thread.
    part: bool,
    /// The threads that have other parts of it.
    others: Vec<usize>,
}

struct Leg {
    member: MemberId,
    room: RoomKey,
    /// The thread of the leg that this one stands for.
    home: Option<usize>,
    number: u32,
    /// What of it may be passed on.
    allowed: [bool; 3],
    /// What it is shown, and whom alone it hears: somebody on another thread may be known here only later.
    wishes: Vec<Option<Wish>>,
    hears: Option<LegKey>,
    /// The user fragments of our answers: checks name them.
    fragments: Vec<String>,
}

impl Leg {
    fn new(member: MemberId, room: RoomKey, number: u32, home: Option<usize>) -> Self {
        let (wishes, fragments) = (Vec::new(), Vec::new());
        Self { member, room, home, number, allowed: [true; 3], wishes, hears: None, fragments }
    }
}

impl Forwarder {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts { sfu, fragments, events, recorder, sharing } = parts;
        Self {
            sfu,
            sharing,
            fragments,
            rooms: HashMap::new(),
            room_keys: HashMap::new(),
            legs: HashMap::new(),
            stand_ins: 0,
            parts: 0,
            leg_keys: HashMap::new(),
            events,
            late: VecDeque::new(),
            recorder,
            gatherer: Gatherer::default(),
            recorded: BTreeSet::new(),
            tally: Tally::default(),
        }
    }

    /// Takes a message or a run of datagrams, if it is for a member of this thread.
    pub(super) fn take(&mut self, now: Instant, received: Received, bytes: &mut [u8]) -> bool {
        if self.legs.is_empty() {
            return false;
        }
        let ours = self.sfu.handle_input(now, received, bytes);
        if ours {
            self.tally.bytes_in += bytes.len() as u64;
        }
        ours
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.sfu.poll_timeout()
    }

    pub(super) fn tick(&mut self, now: Instant) {
        if self.sfu.poll_timeout().is_some_and(|at| at <= now) {
            self.sfu.handle_timeout(now);
        }
    }

    /// Does what the rendezvous says.
    pub(super) fn obey(&mut self, now: Instant, command: MediaCommand) {
        match command {
            MediaCommand::Open { room, members } => {
                let config = RoomConfig { max_members: members, ..RoomConfig::default() };
                match self.sfu.open_room(now, config) {
                    Ok(id) => {
                        tracing::debug!(room = room.0, thread = self.sharing.thread(), "a room is open");
                        let (followers, others) = (Vec::new(), Vec::new());
                        self.rooms.insert(room, Room { id, stage: None, followers, part: false, others });
                        self.room_keys.insert(id, room);
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot open a room");
                        self.tell(MediaEvent::RoomLost { room });
                    }
                }
            }
            MediaCommand::Close { room } => self.close(now, room),
            MediaCommand::Join { room, leg, number, part } => self.join(now, room, leg, (number, part)),
            MediaCommand::Offer { leg, sdp } => self.describe(now, leg, &sdp),
            MediaCommand::Candidate { leg, candidate } => {
                if let Some(found) = self.legs.get(&leg) {
                    self.sfu.candidate(now, found.member, &candidate);
                }
            }
            MediaCommand::Layout { leg, slots } => self.wish(now, leg, slots),
            MediaCommand::Stage { room, wish } => {
                let Some(found) = self.rooms.get_mut(&room) else { return };
                found.stage = wish;
                for follower in found.followers.clone() {
                    self.lay_out(now, follower, &[wish]);
                }
            }
            MediaCommand::Listen { leg, to } => {
                if let Some(found) = self.legs.get_mut(&leg) {
                    found.hears = to;
                }
                let to = to.and_then(|to| self.legs.get(&to)).map(|to| to.member);
                if let Some(found) = self.legs.get(&leg) {
                    self.sfu.listen(now, found.member, to);
                }
            }
            MediaCommand::Allow { leg, source, allowed } => {
                if let Some(found) = self.legs.get_mut(&leg) {
                    let source = to_machine(source);
                    found.allowed[source as usize] = allowed;
                    self.sfu.allow(now, found.member, source, allowed);
                    self.introduce_everywhere(leg);
                }
            }
            MediaCommand::Record { room, on } => {
                if on {
                    self.recorded.insert(room);
                } else {
                    self.recorded.remove(&room);
                }
                if let Some(id) = self.rooms.get(&room) {
                    self.sfu.record(now, id.id, on);
                }
            }
            MediaCommand::Leave { leg } => {
                self.say_good_bye(leg);
                if let Some(left) = self.forget(leg) {
                    self.sfu.leave(now, left.member);
                }
            }
        }
    }

    fn close(&mut self, now: Instant, room: RoomKey) {
        let Some(Room { id, part, .. }) = self.rooms.remove(&room) else { return };
        self.parts -= usize::from(part);
        let legs: Vec<LegKey> =
            self.legs.iter().filter(|(_, leg)| leg.room == room).map(|(key, _)| *key).collect();
        for leg in legs {
            self.forget(leg);
        }
        tracing::debug!(room = room.0, "a room is closed");
        self.room_keys.remove(&id);
        self.recorded.remove(&room);
        self.sfu.close_room(now, id);
    }

    /// A member has said what it wants to see; somebody may be known here only later.
    fn wish(&mut self, now: Instant, leg: LegKey, slots: Vec<Option<Wish>>) {
        self.lay_out(now, leg, &slots);
        if let Some(found) = self.legs.get_mut(&leg) {
            found.wishes = slots;
        }
    }

    /// What a member's picture slots are to show.
    fn lay_out(&mut self, now: Instant, leg: LegKey, slots: &[Option<Wish>]) {
        let Some(found) = self.legs.get(&leg) else { return };
        let want = |wish: &Option<Wish>| {
            let Wish { leg, source, height } = (*wish)?;
            let member = self.legs.get(&leg)?.member;
            Some(Want { member, source: to_machine(source), height })
        };
        let wants: Vec<Option<Want>> = slots.iter().map(want).collect();
        self.sfu.layout(now, found.member, &wants);
    }

    fn join(&mut self, now: Instant, room: RoomKey, leg: LegKey, (number, part): (u32, Part)) {
        let id = self.rooms.get(&room).map(|room| room.id);
        let viewer = matches!(part, Part::Viewer { .. });
        let join =
            JoinConfig { number, publish: !viewer, subscribe: part != Part::Publisher, one_stream: viewer };
        let joined = id.map(|id| self.sfu.join(now, id, join));
        match joined {
            Some(Ok(member)) => {
                self.leg_keys.insert(member, leg);
                self.legs.insert(leg, Leg::new(member, room, number, None));
                if let Some(found) =
                    self.rooms.get_mut(&room).filter(|_| part == Part::Viewer { follows: true })
                {
                    found.followers.push(leg);
                    let stage = found.stage;
                    self.lay_out(now, leg, &[stage]);
                }
            }
            Some(Err(error)) => {
                tracing::warn!(%error, "cannot take somebody into a room");
                self.tell(MediaEvent::Lost { leg, over: true });
            }
            None => self.tell(MediaEvent::Lost { leg, over: true }),
        }
    }

    fn describe(&mut self, now: Instant, leg: LegKey, offer: &str) {
        let answer = match self.legs.get_mut(&leg) {
            None => Err("there is no place for this connection at the forwarder".to_owned()),
            Some(found) => match self.sfu.describe(now, found.member, offer) {
                Ok(answer) => {
                    for fragment in fragments(&answer) {
                        if !found.fragments.iter().any(|known| known == fragment) {
                            self.fragments.insert(fragment, self.sharing.thread());
                            found.fragments.push(fragment.to_owned());
                        }
                    }
                    // Whoever restarts ICE for ever takes no more room than others: the machine forgets them as well.
                    let old = found.fragments.len().saturating_sub(FRAGMENTS);
                    for fragment in found.fragments.drain(..old) {
                        self.fragments.remove(&fragment);
                    }
                    Ok(answer)
                }
                Err(error) => Err(error.to_string()),
            },
        };
        self.tell(MediaEvent::Answer { leg, answer });
        self.introduce_everywhere(leg);
    }

    fn forget(&mut self, leg: LegKey) -> Option<Leg> {
        let left = self.legs.remove(&leg)?;
        self.stand_ins -= usize::from(left.home.is_some());
        self.leg_keys.remove(&left.member);
        if let Some(room) = self.rooms.get_mut(&left.room) {
            room.followers.retain(|follower| *follower != leg);
        }
        for fragment in &left.fragments {
            self.fragments.remove(fragment);
        }
        Some(left)
    }

    /// Passes on what the machine has to tell.
    pub(super) fn report(&mut self) {
        while let Some(event) = self.sfu.poll_event() {
            if let Some(event) = self.keep_inside(event).and_then(|event| self.translate(event)) {
                self.tell(event);
            }
        }
        while let Some(event) = self.late.pop_front() {
            if let Err(mpsc::error::TrySendError::Full(event)) = self.events.try_send(event) {
                self.late.push_front(event);
                break;
            }
        }
    }

    /// Whether the rendezvous has not taken everything yet.
    pub(super) fn is_late(&self) -> bool {
        !self.late.is_empty()
    }

    fn translate(&self, event: Event) -> Option<MediaEvent> {
        let key = |member: &MemberId| self.leg_keys.get(member).copied();
        Some(match event {
            Event::Connected(member) => MediaEvent::Connected { leg: key(&member)? },
            Event::Lost(member, reason) => {
                let over = match reason {
                    sfu::Reason::Closed(why) => {
                        tracing::debug!(?member, %why, "a member's connection is over");
                        true
                    }
                    sfu::Reason::Silent | sfu::Reason::Failed => false,
                };
                MediaEvent::Lost { leg: key(&member)?, over }
            }
            Event::Voices(member, slots) => {
                let slots = slots.iter().map(|voice| voice.as_ref().and_then(key)).collect();
                MediaEvent::Voices { leg: key(&member)?, slots }
            }
            Event::Speaking(room, members) => {
                let legs = members.iter().filter_map(key).collect();
                MediaEvent::Speaking { room: *self.room_keys.get(&room)?, legs }
            }
            Event::Shown(member, slot, source) => {
                let source = source.and_then(|(member, source)| Some((key(&member)?, from_machine(source))));
                MediaEvent::Shown { leg: key(&member)?, slot: u16::try_from(slot).ok()?, source }
            }
            Event::Wanted(member, rids) => {
                let rids = rids.into_iter().map(|rid| rid.0).filter(|rid| !rid.is_empty()).collect();
                MediaEvent::Wanted { leg: key(&member)?, rids }
            }
            Event::Sending(member, source, sending) => {
                MediaEvent::Sending { leg: key(&member)?, source: from_machine(source), sending }
            }
            Event::Unplayable(member, slot) => {
                MediaEvent::Unplayable { leg: key(&member)?, slot: u16::try_from(slot).ok()? }
            }
            Event::Paused(member, slot, paused) => {
                MediaEvent::Paused { leg: key(&member)?, slot: u16::try_from(slot).ok()?, paused }
            }
            Event::Reachable(_) | Event::KeyframeNeeded(..) | Event::Said(..) => return None,
        })
    }

    fn tell(&mut self, event: MediaEvent) {
        if self.late.len() >= LATE_EVENTS {
            let moment = |event: &MediaEvent| {
                matches!(
                    event,
                    MediaEvent::Speaking { .. } | MediaEvent::Voices { .. } | MediaEvent::Wanted { .. }
                )
            };
            self.tally.events_dropped += 1;
            let oldest = self.late.iter().position(moment).unwrap_or(0);
            self.late.remove(oldest);
        }
        self.late.push_back(event);
    }

    /// Sends everything that is to be sent: runs of datagrams by `outbox`, several in one call, and messages on streams by
    /// `stream`. `listener` gives the key of the socket that has an address.
    pub(super) fn send<'s>(
        &mut self,
        now: Instant,
        outbox: &mut Outbox,
        listener: impl Fn(SocketAddr) -> Option<(u64, Option<IpAddr>)>,
        socket: impl Fn(u64) -> Option<&'s Socket>,
        mut stream: impl FnMut(SocketAddr, SocketAddr, &[u8]),
    ) {
        self.share();
        while let Some(transmit) = self.sfu.poll_transmit(now, outbox.room(RUN_BYTES)) {
            self.tally.bytes_out += transmit.len as u64;
            let segment = transmit.segment_size.unwrap_or(transmit.len).max(1);
            if transmit.transport != wire::Transport::Udp {
                for message in outbox.room(RUN_BYTES)[..transmit.len].chunks(segment) {
                    self.tally.messages_out += 1;
                    stream(transmit.from, transmit.to, message);
                }
                continue;
            }
            let Some((key, from)) = listener(transmit.from) else { continue };
            outbox.commit(key, transmit.to, from, transmit.len, segment);
            let (runs, bytes) = outbox.waiting();
            if runs >= BATCH.0 || bytes >= BATCH.1 {
                outbox.flush_own(&socket);
            }
        }
        // What the system does not take is lost as on any path; what matters is asked for again.
        outbox.flush_own(socket);
    }

    /// Gives the recorder what members of its rooms sent. If it does not keep up, everything begins anew.
    pub(super) fn record(&mut self, now: Instant) {
        let Some(recorder) = self.recorder.as_ref().filter(|_| !self.recorded.is_empty()) else { return };
        while let Some(packet) = self.sfu.poll_recorded(now) {
            if let Some(leg) = self.leg_keys.get(&packet.member) {
                self.gatherer.add(*leg, from_machine(packet.source), &packet);
            }
        }
        if !self.gatherer.hand_over(recorder) {
            for room in self.recorded.iter().filter_map(|room| self.rooms.get(room)) {
                self.sfu.record(now, room.id, true);
            }
        }
    }

    pub(super) fn publish(&self, snapshot: &mut Snapshot, sent: net::Counters) {
        let stats = self.sfu.counters();
        snapshot.legs = (self.legs.len() - self.stand_ins) as u64;
        snapshot.conferences = (self.rooms.len() - self.parts) as u64;
        snapshot.media_received = stats.received;
        snapshot.media_forwarded = stats.forwarded;
        snapshot.media_resent = stats.resent;
        snapshot.media_probes = stats.probes;
        snapshot.media_keyframe_requests = stats.keyframe_requests;
        snapshot.media_messages = stats.messages;
        snapshot.media_bytes_in = self.tally.bytes_in;
        snapshot.media_bytes_out = self.tally.bytes_out;
        snapshot.media_datagrams_sent = sent.sent + self.tally.messages_out;
        snapshot.media_send_calls = sent.calls;
        snapshot.media_dropped_unsent = stats.unsent;
        snapshot.media_dropped_overrun = stats.overrun;
        snapshot.media_dropped_unanswered = stats.unanswered;
        snapshot.media_dropped_messages = stats.messages_dropped;
        snapshot.media_dropped_by_system = sent.refused;
        (snapshot.media_shared, snapshot.media_dropped_sharing) = self.sharing.counts();
        snapshot.media_dropped_events = stats.events_lost + self.tally.events_dropped;
    }
}

/// The user fragments of a description (RFC 8839 §5.4).
fn fragments(description: &str) -> impl Iterator<Item = &str> {
    description.lines().filter_map(|line| line.trim_end().strip_prefix("a=ice-ufrag:"))
}

const fn to_machine(source: Source) -> sfu::Source {
    match source {
        Source::Microphone => sfu::Source::Microphone,
        Source::Camera => sfu::Source::Camera,
        Source::Screen => sfu::Source::Screen,
    }
}

const fn from_machine(source: sfu::Source) -> Source {
    match source {
        sfu::Source::Microphone => Source::Microphone,
        sfu::Source::Camera => Source::Camera,
        sfu::Source::Screen => Source::Screen,
    }
}

#[cfg(test)]
mod tests {
    use peer::negotiation::{Description, SdpType};
    use peer::{Certificate, ChannelConfig, Peer};
    use wire::{Rng, Transport};

    use super::*;

    #[tokio::test]
    async fn restarts_leave_nothing_behind() {
        let now = Instant::ZERO;
        let certificate = Certificate::generate(&mut Rng::new([1; 32]), 1_700_000_000);
        let socket = ([192, 0, 2, 1], 3478).into();
        let address = sfu::Address { transport: Transport::Udp, socket, advertised: socket };
        let sfu = Sfu::new(sfu::Config::new(certificate.clone(), vec![address]), [2; 32], now);
        let (events, mut heard) = mpsc::channel(100);
        let table = Arc::new(Fragments::default());
        let sharing = Sharing::new(0, Arc::new([]), Vec::new());
        let mut forwarder =
            Forwarder::new(Parts { sfu, fragments: table.clone(), events, recorder: None, sharing });
        let (room, leg) = (RoomKey(1), LegKey(1));
        forwarder.obey(now, MediaCommand::Open { room, members: 3 });
        forwarder.obey(now, MediaCommand::Join { room, leg, number: 1, part: Part::Member });
        let mut member = Peer::new(peer::Config::new(certificate), [3; 32], now).expect("a peer");
        member.create_data_channel(now, ChannelConfig::default()).expect("a channel");
        for _ in 0..10 {
            member.set_local_description(now, None).expect("an offer");
            let sdp = member.local_description().expect("it is there").sdp;
            forwarder.obey(now, MediaCommand::Offer { leg, sdp });
            forwarder.report();
            let Ok(MediaEvent::Answer { answer: Ok(sdp), .. }) = heard.try_recv() else {
                panic!("no answer")
            };
            let answer = Description { kind: SdpType::Answer, sdp };
            member.set_remote_description(now, &answer).expect("it fits");
            member.restart_ice().expect("another one");
            assert!(table.len() <= FRAGMENTS);
        }
        assert_eq!(table.len(), FRAGMENTS, "the path that is being left still works");
        forwarder.obey(now, MediaCommand::Leave { leg });
        assert_eq!(table.len(), 0);
    }
}
