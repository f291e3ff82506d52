use peer::negotiation::{Description, Direction, MediaKind, SdpType, TransceiverInit};
use peer::{Certificate, ChannelConfig, Kind, Local, MediaMode, OutgoingRtp, Peer, Received, StreamId};
use rtp::extension::Elements;
use sfu::{Address, Config, JoinConfig, MemberId, RoomConfig, RoomId, Sfu, Source, Want};
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;
use wire::{Instant, Reader, Rng, Short, Transport};

const SERVER: ([u8; 4], u16) = ([192, 0, 2, 1], 3478);
const MOST: usize = 4;

/// Plays a list of commands on a forwarder: members that are whole peers come and go, send packets of any content, want
/// anything, are muted, write; datagrams that are junk or were changed arrive; time passes. Nothing panics, timers end,
/// and the forwarder is at rest when all have gone.
pub fn sfu(data: &[u8]) {
    let mut world = World::new();
    let mut commands = Reader::new(data);
    while world.play(&mut commands).is_ok() {}
    world.end();
}

/// Keys cost more than all the rest.
fn certificates() -> &'static [Certificate; 2] {
    static MADE: OnceLock<[Certificate; 2]> = OnceLock::new();
    MADE.get_or_init(|| [1, 2].map(|seed| Certificate::generate(&mut Rng::from_number(seed), 1_700_000_000)))
}

struct Person {
    peer: Peer,
    id: MemberId,
    address: SocketAddr,
    sections: Vec<peer::negotiation::TransceiverId>,
    channel: Option<peer::ChannelId>,
    number: u16,
}

struct World {
    now: Instant,
    sfu: Sfu,
    room: RoomId,
    people: Vec<Person>,
    /// All that ever were.
    ids: Vec<MemberId>,
    rng: Rng,
    lossy: bool,
}

impl World {
    fn new() -> Self {
        let now = Instant::from_nanos(1_000_000_000);
        let address = Address { transport: Transport::Udp, socket: SERVER.into(), advertised: SERVER.into() };
        let config = Config { max_members: MOST, ..Config::new(certificates()[0].clone(), vec![address]) };
        let mut sfu = Sfu::new(config, [7; 32], now);
        let room = sfu.open_room(now, RoomConfig { voices: 2, ..RoomConfig::default() });
        let room = room.expect("it is the first");
        Self { now, sfu, room, people: Vec::new(), ids: Vec::new(), rng: Rng::from_number(3), lossy: false }
    }

    fn play(&mut self, commands: &mut Reader<'_>) -> Result<(), Short> {
        match commands.u8()? % 12 {
            0 => self.pass(Duration::from_millis(u64::from(commands.u8()?) * 4)),
            1 => self.join(commands.u8()?),
            2 => {
                let which = commands.u8()?;
                if let Some(id) = self.id(which) {
                    self.sfu.leave(self.now, id);
                    self.people.retain(|person| person.id != id);
                }
            }
            3 => self.layout(commands)?,
            4 => {
                let [which, source, allowed] = commands.array()?;
                if let Some(id) = self.id(which) {
                    let source = Source::ALL[usize::from(source % 3)];
                    self.sfu.allow(self.now, id, source, allowed & 1 == 0);
                }
            }
            5 | 6 => self.send(commands)?,
            7 => self.say(commands)?,
            8 => {
                let [which, len] = commands.array()?;
                let mut bytes = commands.take(usize::from(len).min(commands.rest().len()))?.to_vec();
                self.hand_over(which, &mut bytes);
            }
            9 => self.lossy = !self.lossy,
            10 => {
                let [which, len] = commands.array()?;
                let text = commands.take(usize::from(len).min(commands.rest().len()))?;
                if let Some(id) = self.id(which) {
                    let text = String::from_utf8_lossy(text);
                    // Most of it is no description.
                    let _ = self.sfu.describe(self.now, id, &text);
                    self.sfu.candidate(self.now, id, &text);
                }
            }
            _ => {
                let [which, more] = commands.array()?;
                self.offer_again(which, more);
            }
        }
        self.turn();
        Ok(())
    }

    fn id(&self, which: u8) -> Option<MemberId> {
        self.ids.get(usize::from(which) % self.ids.len().max(1)).copied()
    }

    fn person(&mut self, which: u8) -> Option<&mut Person> {
        let count = self.people.len().max(1);
        self.people.get_mut(usize::from(which) % count)
    }

    /// The lower bits say what somebody brings.
    fn join(&mut self, what: u8) {
        let number = u32::try_from(self.ids.len()).expect("few") + 1;
        let join = JoinConfig {
            number,
            publish: what & 64 == 0,
            subscribe: what & 128 == 0,
            one_stream: what & 32 == 0,
        };
        let Ok(id) = self.sfu.join(self.now, self.room, join) else { return };
        self.ids.push(id);
        let mut config = peer::Config::new(certificates()[1].clone());
        config.media.mode = MediaMode::Packets;
        let mut peer = Peer::new(config, self.rng.array(), self.now).expect("the configuration is good");
        let mut sections = Vec::new();
        let mut add = |peer: &mut Peer, kind, direction, rids: &[&str]| {
            let send_rids = rids.iter().map(|rid| (*rid).to_owned()).collect();
            let init = TransceiverInit { direction, send_rids, ..TransceiverInit::default() };
            let id = peer.with_negotiator(|negotiator| negotiator.add_transceiver(kind, init));
            sections.push(id.expect("there are few"));
        };
        add(&mut peer, MediaKind::Audio, Direction::SendOnly, &[]);
        let rids: &[&str] = if what & 1 == 0 { &[] } else { &["l", "h"] };
        add(&mut peer, MediaKind::Video, Direction::SendRecv, rids);
        for _ in 0..what >> 1 & 3 {
            add(&mut peer, MediaKind::Audio, Direction::RecvOnly, &[]);
        }
        for _ in 0..what >> 3 & 3 {
            add(&mut peer, MediaKind::Video, Direction::RecvOnly, &[]);
        }
        let config = ChannelConfig { negotiated: Some(StreamId(1)), ..ChannelConfig::default() };
        let channel = peer.create_data_channel(self.now, config).ok().filter(|_| what & 32 == 0);
        let [_, _, a, b] = number.to_be_bytes();
        let address = ([10, 0, a, b], 5000).into();
        peer.add_local_address(self.now, Local::host(address));
        peer.end_of_local_addresses(self.now);
        self.people.push(Person { peer, id, address, sections, channel, number: 0 });
        self.describe(self.people.len() - 1);
    }

    fn describe(&mut self, at: usize) {
        let person = &mut self.people[at];
        if person.peer.set_local_description(self.now, None).is_err() {
            return;
        }
        let offer = person.peer.local_description().expect("it was set");
        if let Ok(sdp) = self.sfu.describe(self.now, person.id, &offer.sdp) {
            let answer = Description { kind: SdpType::Answer, sdp };
            person.peer.set_remote_description(self.now, &answer).expect("an answer fits its offer");
        }
    }

    /// More slots, or a restart of ICE.
    fn offer_again(&mut self, which: u8, more: u8) {
        let Some(person) = self.person(which) else { return };
        if person.sections.len() < 12 && more & 1 == 0 {
            let init = TransceiverInit { direction: Direction::RecvOnly, ..TransceiverInit::default() };
            let kind = if more & 2 == 0 { MediaKind::Video } else { MediaKind::Audio };
            let added = person.peer.with_negotiator(|negotiator| negotiator.add_transceiver(kind, init));
            person.sections.extend(added);
        } else {
            // Closed peers are not among the people.
            let _ = person.peer.restart_ice();
        }
        let id = person.id;
        if let Some(at) = self.people.iter().position(|person| person.id == id) {
            self.describe(at);
        }
    }

    fn layout(&mut self, commands: &mut Reader<'_>) -> Result<(), Short> {
        let [which, count] = commands.array()?;
        let mut wants = Vec::new();
        for _ in 0..count % 8 {
            let [member, source, height] = commands.array()?;
            let source = Source::ALL[usize::from(source % 3)];
            let want = |member| Want { member, source, height: u16::from(height) * 4 };
            wants.push(self.id(member).map(want).filter(|_| height != 255));
        }
        if let Some(id) = self.id(which) {
            self.sfu.layout(self.now, id, &wants);
        }
        Ok(())
    }

    fn send(&mut self, commands: &mut Reader<'_>) -> Result<(), Short> {
        let [which, what, step, count, len] = commands.array()?;
        let payload = commands.take(usize::from(len % 32).min(commands.rest().len()))?.to_vec();
        let now = self.now;
        let Some(person) = self.person(which) else { return Ok(()) };
        let mut sent = Vec::new();
        for n in 0..count % 16 {
            person.number = person.number.wrapping_add(u16::from(step % 4) + 1);
            let mut buf = [0; 1500];
            let out = OutgoingRtp {
                transceiver: person.sections[usize::from(what & 1)],
                rid: None,
                format: None,
                marker: n % 3 == 2,
                sequence_number: person.number,
                timestamp: u32::from(person.number) * 90 + u32::from(step),
                head: &[],
                payload: &payload,
                pad_to: usize::from(len) * 4,
                retransmission: what & 2 != 0,
                probe: false,
                elements: Elements::default(),
            };
            // Not connected, or not negotiated.
            if let Ok(transmit) = person.peer.send_rtp(now, &out, &mut buf) {
                sent.push(buf[..transmit.len].to_vec());
            }
        }
        for mut bytes in sent {
            self.hand_over(which, &mut bytes);
        }
        Ok(())
    }

    fn say(&mut self, commands: &mut Reader<'_>) -> Result<(), Short> {
        let [which, len] = commands.array()?;
        let now = self.now;
        if let Some(person) = self.person(which)
            && let Some(channel) = person.channel
        {
            // The channel may not be open.
            let _ = person.peer.send(now, channel, Kind::Binary, vec![1; usize::from(len) * 64]);
        }
        if let Some(id) = self.id(which) {
            self.sfu.send_message(now, id, &[len; 9]);
        }
        Ok(())
    }

    /// A datagram arrives from somebody's address.
    fn hand_over(&mut self, which: u8, bytes: &mut [u8]) {
        let remote = self.person(which).map_or(([10, 9, 9, 9], 9).into(), |person| person.address);
        let received =
            Received { transport: Transport::Udp, local: SERVER.into(), remote, segment: bytes.len() };
        self.sfu.handle_input(self.now, received, bytes);
    }

    /// Everybody says what they have to, until nobody has.
    fn turn(&mut self) {
        let mut buf = vec![0; 16_000];
        for _ in 0..1000 {
            let mut anything = false;
            for at in 0..self.people.len() {
                let person = &mut self.people[at];
                while person.peer.poll_event().is_some() {}
                let remote = person.address;
                while let Some(transmit) = self.people[at].peer.poll_transmit(self.now, &mut buf) {
                    anything = true;
                    let segment = transmit.segment_size.unwrap_or(transmit.len);
                    let received =
                        Received { transport: Transport::Udp, local: SERVER.into(), remote, segment };
                    if !self.lossy || self.rng.chance(700) {
                        self.sfu.handle_input(self.now, received, &mut buf[..transmit.len]);
                    }
                }
            }
            while let Some(transmit) = self.sfu.poll_transmit(self.now, &mut buf) {
                anything = true;
                assert!(transmit.len <= buf.len() && transmit.from == SERVER.into());
                let segment = transmit.segment_size.unwrap_or(transmit.len);
                let to = self.people.iter_mut().find(|person| person.address == transmit.to);
                if let Some(person) = to.filter(|_| !self.lossy || self.rng.chance(700)) {
                    let (local, remote) = (person.address, SERVER.into());
                    let received = Received { transport: Transport::Udp, local, remote, segment };
                    person.peer.handle_input(self.now, received, &mut buf[..transmit.len]);
                }
            }
            while self.sfu.poll_event().is_some() {}
            if !anything {
                return;
            }
        }
        panic!("they never come to an end");
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        for steps in 0.. {
            assert!(steps < 20_000, "a timer that is always due");
            let timers = self.people.iter().filter_map(|person| person.peer.poll_timeout());
            let next = timers.chain(self.sfu.poll_timeout()).min().filter(|next| *next <= end);
            let Some(next) = next else { break };
            self.now = self.now.max(next);
            for person in &mut self.people {
                if person.peer.poll_timeout().is_some_and(|due| due <= self.now) {
                    person.peer.handle_timeout(self.now);
                }
            }
            self.sfu.handle_timeout(self.now);
            self.turn();
        }
        self.now = end;
    }

    /// When all have gone, nothing is left to do.
    fn end(&mut self) {
        self.people.clear();
        self.sfu.close_room(self.now, self.room);
        self.turn();
        assert!(self.sfu.poll_timeout().is_none(), "nothing is scheduled for nobody");
    }
}
