//! The two sides, the relay and the network between them, and the clock.

mod carry;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use peer::negotiation::Description;
use peer::{ConnectionState, Event, Format, Frame, Kind, LocalCandidate, MediaError, ReceivedFrame, RelayId};
use wire::{Instant, Rng, Transport};

use super::side::{SERVER, Side};
use super::story::{Disaster, Story};
use super::trace::Trace;
use super::traffic::{CHANNELS, Film, Flow, channel_config};
use crate::{Network, Packet, RelayHost, Weather};

/// Something on its way that is not a datagram: it arrives, in order.
enum Errand {
    Description(usize, Description),
    Candidate(usize, Option<Box<LocalCandidate>>),
    /// The TCP connection of a side to the relay is open.
    Opened(usize, RelayId),
    /// A message on a TCP connection, to the server from this address or the other way round.
    ToServer(SocketAddr, Vec<u8>),
    ToClient(SocketAddr, Vec<u8>),
    /// The server has closed the connection of this client.
    Closed(SocketAddr),
}

pub(super) struct World {
    pub(super) now: Instant,
    pub(super) trace: Trace,
    rng: Rng,
    network: Network,
    weather: Weather,
    silent_until: Option<Instant>,
    signalling: Duration,
    /// Bytes of the longest IP packet that gets through.
    carried: usize,
    /// Probes of the path that left.
    probes: u64,
    relay: RelayHost,
    sides: [Side; 2],
    nats: [crate::Nat; 2],
    errands: BTreeMap<(Instant, u64), Errand>,
    counter: u64,
    /// The last message of a TCP connection arrives then.
    last_errand: Instant,
    /// From each side, by label.
    flows: [BTreeMap<&'static str, Flow>; 2],
    films: [Film; 2],
    /// Channels that somebody has begun to open.
    begun: BTreeSet<&'static str>,
    talking: bool,
    next_talk: Instant,
    closing: bool,
    buffer: Vec<u8>,
}

/// Programs say something this often.
const TALK: Duration = Duration::from_millis(40);

impl World {
    pub(super) fn new(story: &Story, teller: Option<fn(&str)>) -> Self {
        let now = Instant::from_nanos(1_000_000_000);
        let mut rng = Rng::from_number(story.seed ^ 0x5151_5151);
        let mut trace = Trace::new(teller);
        trace.note(now, &format!("{story:?}"));
        let relay = RelayHost::new(SERVER, &mut rng, now);
        let sides = [0, 1].map(|number| Side::new(number, story, &mut rng, now));
        let mut world = Self {
            now,
            trace,
            network: Network::new(story.weather, rng.fork()),
            weather: story.weather,
            silent_until: None,
            signalling: story.signalling,
            carried: story.carried,
            probes: 0,
            relay,
            sides,
            nats: story.nats,
            errands: BTreeMap::new(),
            counter: 0,
            last_errand: now,
            flows: [0, 1].map(|_| CHANNELS.map(|label| (label, Flow::default())).into()),
            films: [Film::default(), Film::default()],
            begun: BTreeSet::new(),
            talking: true,
            next_talk: now,
            closing: false,
            buffer: vec![0; 65_536],
            rng,
        };
        for (side, shows) in world.sides.iter_mut().zip(story.media) {
            if shows {
                side.add_film();
            }
        }
        world
    }

    /// Channels are made by either side, and side 0 makes an offer.
    pub(super) fn introduce(&mut self) {
        for label in CHANNELS {
            let by = usize::from(self.rng.chance(300));
            // The side that waits for an offer makes its channels when it is connected.
            let by = if label == "ordered" { 0 } else { by };
            if by == 0 {
                self.create_channel(0, label);
            }
        }
        for side in &mut self.sides {
            side.start(self.now);
        }
        self.pump();
    }

    fn create_channel(&mut self, side: usize, label: &'static str) {
        self.begun.insert(label);
        let made = self.sides[side].peer.create_data_channel(self.now, channel_config(label));
        made.unwrap_or_else(|error| panic!("no channel `{label}`: {error}"));
    }

    pub(super) fn state(&self, side: usize) -> ConnectionState {
        self.sides[side].peer.connection_state()
    }

    /// Connected, with all channels.
    pub(super) fn is_up(&self) -> bool {
        let up = |side: &Side| {
            side.peer.connection_state() == ConnectionState::Connected
                && side.channels.len() == CHANNELS.len()
        };
        self.sides.iter().all(up)
    }

    pub(super) fn is_relayed(&self) -> bool {
        let pairs = self.sides.iter().filter_map(|side| side.peer.selected_pair());
        pairs.into_iter().any(|pair| self.relay.is_relayed(pair.local) || self.relay.is_relayed(pair.remote))
    }

    /// The reference model of paths: `sure` says that nothing was lost that could have hidden a direct path.
    pub(super) fn check_path(&mut self, when: &str, sure: bool) {
        let direct = self.nats[0].is_direct_with(self.nats[1]);
        let relayed = self.is_relayed();
        if !sure && self.sides.iter().any(|side| side.peer.selected_pair().is_none()) {
            // Lost again since the connection was made.
            self.trace.note(self.now, "no path");
            return;
        }
        self.trace.note(self.now, if relayed { "relayed" } else { "direct" });
        assert!(direct || relayed, "{when}: {:?} has a direct path, which cannot be", self.nats);
        assert!(!(direct && relayed && sure), "{when}: {:?} is relayed, and need not be", self.nats);
    }

    pub(super) fn counts(&self) -> (u64, u64, u32) {
        let messages = self.flows.iter().flat_map(BTreeMap::values).map(Flow::arrived).sum();
        let frames = self.films.iter().map(|film| film.arrived).sum();
        (messages, frames, self.sides.iter().map(|side| side.restarts).sum())
    }

    pub(super) fn strike(&mut self, disaster: Disaster) {
        self.trace.note(self.now, &format!("{disaster:?}"));
        match disaster {
            Disaster::Move(side) => {
                for client in self.sides[side].move_away(self.now) {
                    self.relay.client_closed(self.now, client);
                }
            }
            Disaster::Forget(side) => self.sides[side].nat.forget(),
            Disaster::RelayRestart => self.relay.restart(&mut self.rng, self.now),
            Disaster::Silence(millis) => {
                self.silent_until = Some(self.now + Duration::from_millis(millis));
                self.network.weather.loss = 1000;
            }
            Disaster::RestartIce(side) => self.sides[side].restart_ice(),
        }
        self.pump();
    }

    /// The paths become narrower, and say nothing of it.
    pub(super) fn narrow(&mut self, carried: usize) {
        self.trace.note(self.now, &format!("{carried} bytes are carried"));
        self.carried = carried;
    }

    /// How many probes of the path left, and how large packets of data are.
    pub(super) fn path_probes(&self) -> (u64, [Option<usize>; 2]) {
        (self.probes, [0, 1].map(|side: usize| self.sides[side].peer.get_stats().data_packet_size))
    }

    /// From now on nothing is lost.
    pub(super) fn calm(&mut self) {
        self.trace.note(self.now, "calm");
        self.silent_until = None;
        self.weather = Weather::CALM;
        self.network.weather = Weather::CALM;
    }

    pub(super) fn restart_ice(&mut self) {
        self.sides[0].restart_ice();
        self.pump();
    }

    /// Programs say nothing new.
    pub(super) fn stop_messages(&mut self) {
        self.talking = false;
    }

    pub(super) fn all_arrived(&self) -> bool {
        let reliable = |flows: &BTreeMap<&str, Flow>| {
            flows.iter().all(|(label, flow)| *label == "partial" || flow.all_arrived())
        };
        self.flows.iter().all(reliable)
    }

    pub(super) fn close(&mut self) {
        self.closing = true;
        self.trace.note(self.now, "side 0 closes");
        self.sides[0].peer.close(self.now);
        self.pump();
    }

    /// Three seconds of film in calm weather, of which the last two must arrive.
    pub(super) fn check_media(&mut self, side: usize) {
        if self.sides[side].film.is_none() {
            return;
        }
        // What was lost before has to be mended first, with a keyframe perhaps.
        self.show_many(side, 25);
        let before = (self.films[side].number, self.films[side].arrived);
        self.show_many(side, 50);
        let sent = u64::from(self.films[side].number - before.0);
        let came = self.films[side].arrived - before.1;
        assert!(sent == 50 && came >= 45, "{came} of {sent} pictures of side {side} came in calm weather");
    }

    fn show_many(&mut self, side: usize, pictures: usize) {
        for _ in 0..pictures {
            self.show(side);
            self.run_for(TALK);
        }
        self.run_for(Duration::from_secs(1));
    }

    pub(super) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
        self.now = end;
    }

    pub(super) fn until(&mut self, patience: Duration, what: &str, done: impl Fn(&Self) -> bool) {
        let end = self.now + patience;
        while !done(self) {
            let states = [0, 1].map(|side| self.state(side));
            assert!(self.step(end), "in vain: {what}; the sides are {states:?}");
        }
    }

    /// Lets the next thing happen. False: nothing happens until then.
    fn step(&mut self, end: Instant) -> bool {
        let timers = self.sides.iter().flat_map(|side| [side.peer.poll_timeout(), side.mend_at]);
        let others = [
            self.network.poll_timeout(),
            self.relay.poll_timeout(),
            self.errands.keys().next().map(|(at, _)| *at),
            self.silent_until,
            Some(self.next_talk).filter(|_| self.talking),
        ];
        let next = timers.chain(others).flatten().min();
        let Some(next) = next.filter(|next| *next <= end) else { return false };
        self.now = self.now.max(next);
        if self.silent_until.is_some_and(|at| at <= self.now) {
            self.silent_until = None;
            self.network.weather = self.weather;
        }
        while let Some(packet) = self.network.receive(self.now) {
            self.arrive(packet);
        }
        while let Some(entry) = self.errands.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let errand = entry.remove();
            self.run_errand(errand);
        }
        if self.relay.poll_timeout().is_some_and(|at| at <= self.now) {
            self.relay.handle_timeout(self.now);
        }
        for side in &mut self.sides {
            if side.peer.poll_timeout().is_some_and(|at| at <= self.now) {
                side.peer.handle_timeout(self.now);
            }
            side.mend(self.now);
        }
        if self.talking && self.next_talk <= self.now {
            self.talk();
        }
        self.pump();
        true
    }

    /// Each program says something, if it can.
    fn talk(&mut self) {
        self.next_talk = self.now + TALK;
        for side in 0..2 {
            if side == 1 && self.state(1) == ConnectionState::Connected {
                self.create_missing_channels();
            }
            let label = CHANNELS[usize::try_from(self.rng.below(3)).expect("below three")];
            let (flow, side) = (self.flows[side].get_mut(label).expect("a flow each"), &mut self.sides[side]);
            let Some(channel) = side.channels.get(label).copied() else { continue };
            let message = flow.message(&mut self.rng);
            if side.peer.buffered_amount(channel) < 100_000
                && side.peer.send(self.now, channel, Kind::Binary, message).is_ok()
            {
                flow.sent += 1;
            }
        }
        (0..2).for_each(|side| self.show(side));
    }

    /// Side 1 opens what side 0 has not.
    fn create_missing_channels(&mut self) {
        if self.sides[1].channels.is_empty() {
            return;
        }
        for label in CHANNELS {
            if !self.begun.contains(label) {
                self.create_channel(1, label);
            }
        }
    }

    /// The next picture of a side that shows some.
    fn show(&mut self, side: usize) {
        let Some(id) = self.sides[side].film else { return };
        let film = &mut self.films[side];
        let keyframe = film.number == 0 || film.wants_keyframe;
        let data = film.next(keyframe);
        let timestamp = film.number.wrapping_mul(Film::TICKS);
        let format = Some(Format::Vp8);
        let frame = Frame { data: &data, timestamp, keyframe, format, ..Frame::default() };
        match self.sides[side].peer.send_frame(self.now, id, &frame) {
            Ok(()) => {
                film.number += 1;
                film.wants_keyframe = false;
            }
            Err(MediaError::Refused(_)) => film.wants_keyframe = true,
            // Not agreed yet, or no keys yet.
            Err(_) => {}
        }
        self.pump();
    }

    /// Takes what everybody has to say, until nobody has anything to say.
    fn pump(&mut self) {
        loop {
            let mut quiet = true;
            for side in 0..2 {
                while let Some(event) = self.sides[side].peer.poll_event() {
                    quiet = false;
                    self.handle_event(side, event);
                }
                let mut buffer = std::mem::take(&mut self.buffer);
                while let Some(transmit) = self.sides[side].peer.poll_transmit(self.now, &mut buffer) {
                    quiet = false;
                    self.send(side, transmit, &buffer[..transmit.len]);
                }
                self.buffer = buffer;
                if let Some(offer) = self.sides[side].offer(self.now).filter(|_| !self.closing) {
                    quiet = false;
                    self.errand(self.signalling, Errand::Description(1 - side, offer));
                }
            }
            for sent in self.relay.take_sent() {
                quiet = false;
                if sent.transport == Transport::Udp {
                    self.launch(Packet { from: sent.from, to: sent.to, bytes: sent.bytes });
                } else {
                    self.stream_errand(Errand::ToClient(sent.to, sent.bytes));
                }
            }
            for client in self.relay.take_closed() {
                quiet = false;
                self.stream_errand(Errand::Closed(client));
            }
            if quiet {
                return;
            }
        }
    }

    fn handle_event(&mut self, side: usize, event: Event) {
        let now = self.now;
        self.trace.remark(now, || format!("side {side}: {event:?}"));
        match event {
            Event::IceCandidate(candidate) => {
                self.errand(self.signalling, Errand::Candidate(1 - side, candidate));
            }
            Event::ConnectionState(state) => {
                self.trace.note(now, &format!("side {side} is {state}"));
                if !self.closing {
                    self.sides[side].follow(now, state);
                }
            }
            Event::ConnectRelay { relay, .. } => {
                let trip = self.weather.max_delay * 2;
                self.errand(trip, Errand::Opened(side, relay));
            }
            Event::DataChannel(id, config) => {
                let known = self.sides[side].channels.insert(config.label.clone(), id);
                assert!(known.is_none(), "a second channel `{}`", config.label);
            }
            Event::ChannelOpened(id) => {
                let label = self.sides[side].peer.channel_config(id).expect("it is open").label.clone();
                self.sides[side].channels.insert(label, id);
            }
            Event::Message(id, _, data) => self.take_message(side, id, &data),
            Event::Frame(frame) => self.take_frame(side, &frame),
            Event::KeyframeRequested { .. } => self.films[side].wants_keyframe = true,
            Event::DtlsClosed(_) | Event::SctpClosed(_) | Event::ChannelClosed(_) => {
                assert!(self.closing, "side {side}: {event:?} in the middle of a call");
            }
            Event::Target(bits) => self.films[side].target = Some(bits),
            Event::Resolve(name) => panic!("nobody has told a name, and {name} is asked for"),
            Event::NegotiationNeeded
            | Event::SignalingState(_)
            | Event::IceGatheringState(_)
            | Event::IceConnectionState(_)
            | Event::SelectedPair(_)
            | Event::Track(..)
            | Event::TrackRemoved(_)
            | Event::TransceiverStopped(_)
            | Event::BufferedAmountLow(_)
            | Event::Disconnect { .. } => {}
        }
    }

    fn take_message(&mut self, side: usize, id: peer::ChannelId, data: &[u8]) {
        let channels = &self.sides[side].channels;
        let label = channels.iter().find(|(_, known)| **known == id).expect("a channel that was announced").0;
        let flow = self.flows[1 - side].get_mut(label.as_str()).expect("a channel of the story");
        flow.arrive(label, data);
        self.trace.note(self.now, &format!("side {side} hears {} bytes on {label}", data.len()));
    }

    fn take_frame(&mut self, side: usize, frame: &ReceivedFrame) {
        self.films[1 - side].arrive(frame);
        self.trace.note(self.now, &format!("side {side} sees {} bytes", frame.data.len()));
    }
}
