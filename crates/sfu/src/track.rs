//! What a member sends: a track, with one or several encodings.

use std::collections::BTreeMap;
use std::time::Duration;

use peer::negotiation::TransceiverId;
use rtp::Unwrapper;
use rtp::extension::{AudioLevel, VideoOrientation};
use wire::Instant;

use flow::payload::Format;

use crate::dependency::{Dependencies, LONGEST, MARKS, Told, steps};
use crate::descriptor::{Descriptor, height, heights};
use crate::ring::{Kept, Ring};
use crate::step::{Layers, STEPS, Step};
use crate::{MemberId, Rid, Source};

/// Packets kept of pictures: a second and a half of 3 Mbit/s.
const KEPT_PICTURES: usize = 512;
/// Packets kept of sound: more than a second.
const KEPT_SOUND: usize = 64;
/// Encodings of one track: as many as anybody uses side by side.
const MAX_LAYERS: usize = 4;
/// After this long without a packet nothing is sent.
pub(crate) const SILENT: Duration = Duration::from_secs(2);
/// Bytes are counted over this long.
const WINDOW: Duration = Duration::from_millis(500);
/// The height that the largest encoding is taken to have as long as nothing else is known.
const USUAL_HEIGHT: u16 = 720;

/// One slot of one receiver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Follower {
    pub(crate) member: u32,
    /// Which of its slots, as the bit of its mask.
    pub(crate) bit: u8,
}

/// How many bits per second come.
#[derive(Debug)]
pub(crate) struct Meter {
    begun: Instant,
    last: Instant,
    bytes: u64,
    rate: u64,
}

impl Meter {
    pub(crate) const fn new(now: Instant) -> Self {
        Self { begun: now, last: now, bytes: 0, rate: 0 }
    }

    /// How long nothing has come.
    pub(crate) fn idle(&self, now: Instant) -> Duration {
        now.saturating_since(self.last)
    }

    pub(crate) fn add(&mut self, now: Instant, bytes: usize) {
        let elapsed = now.saturating_since(self.begun);
        if elapsed >= WINDOW {
            let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX).max(1);
            let rate = self.bytes.saturating_mul(8_000_000) / micros;
            // After a long pause what was before says nothing.
            let fresh = self.rate == 0 || elapsed > SILENT;
            self.rate = if fresh { rate } else { (self.rate + rate) / 2 };
            (self.begun, self.bytes) = (now, 0);
        }
        self.bytes += bytes as u64;
        self.last = now;
    }

    /// Bits per second; in the first moments what has come until now.
    pub(crate) fn rate(&self, now: Instant) -> u64 {
        if self.rate > 0 {
            return self.rate;
        }
        let elapsed = now.saturating_since(self.begun).max(Duration::from_millis(100));
        self.bytes * 8_000_000 / u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)
    }
}

/// What a packet has beside its payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wire<'a> {
    /// Its number in its stream, without wrapping.
    pub(crate) number: i64,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    pub(crate) format: Format,
    pub(crate) level: Option<AudioLevel>,
    pub(crate) orientation: Option<VideoOrientation>,
    /// The dependency descriptor.
    pub(crate) dependency: Option<&'a [u8]>,
}

/// One encoding.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) rid: Rid,
    pub(crate) ssrc: u32,
    pub(crate) ring: Ring,
    numbers: Unwrapper,
    pub(crate) followers: Vec<Follower>,
    meter: Meter,
    /// What its layers cost, once it has told of any.
    layers: Option<Box<Layers>>,
    /// What its dependency descriptors mean, where there are any.
    dependencies: Option<Box<Dependencies>>,
    /// How high the pictures of its spatial layers are, where it has said so.
    heights: Option<[u16; STEPS]>,
    pub(crate) last: Option<Instant>,
    /// Whether it is sent, as far as receivers have been told.
    pub(crate) active: bool,
    /// A timestamp and when it was captured, as time since the Unix epoch by our clock.
    pub(crate) clock: Option<(u32, Duration)>,
    pub(crate) height: Option<u16>,
    /// The place of the packet with which the last keyframe begins.
    pub(crate) last_key: Option<u64>,
    pub(crate) packets: u64,
    /// When a keyframe was asked for last.
    pub(crate) asked: Option<Instant>,
    /// Somebody waits for a keyframe.
    pub(crate) wanted: bool,
}

impl Layer {
    fn new(now: Instant, rid: Rid, sound: bool) -> Self {
        Self {
            rid,
            ssrc: 0,
            ring: Ring::new(if sound { KEPT_SOUND } else { KEPT_PICTURES }),
            numbers: Unwrapper::default(),
            followers: Vec::new(),
            meter: Meter::new(now),
            layers: None,
            dependencies: None,
            heights: None,
            last: None,
            active: false,
            clock: None,
            height: None,
            last_key: None,
            packets: 0,
            asked: None,
            wanted: false,
        }
    }

    pub(crate) fn rate(&self, now: Instant) -> u64 {
        self.meter.rate(now)
    }

    /// Bits per second of its layers up to a step.
    pub(crate) fn rate_of(&self, now: Instant, step: Step) -> u64 {
        self.layers.as_ref().map_or_else(|| self.rate(now), |layers| layers.rate(now, step))
    }

    /// Its highest layers for a receiver that is `told` by dependency descriptors what needs what, or is not.
    pub(crate) fn top(&self, now: Instant, told: bool) -> Step {
        match (&self.dependencies, &self.layers) {
            (Some(dependencies), _) if told => dependencies.top,
            (Some(dependencies), _) => Step { spatial: 0, ..dependencies.top },
            (None, Some(layers)) => layers.top(now),
            (None, None) => Step::default(),
        }
    }

    /// Whether smaller pictures need another keyframe than larger ones.
    pub(crate) fn is_apart(&self) -> bool {
        self.dependencies.as_ref().is_some_and(|told| told.apart)
    }

    /// The spatial layer for a tile of this height among those up to `top`.
    pub(crate) fn spatial_for(&self, height: u16, top: u8, own: u16) -> u8 {
        let high =
            |spatial: u8| match self.heights.and_then(|heights| heights.get(usize::from(spatial)).copied()) {
                Some(known) if known > 0 => known,
                Some(_) | None => own >> (top - spatial).min(8),
            };
        (0..top).find(|spatial| fits(high(*spatial), height)).unwrap_or(top)
    }

    pub(crate) fn is_silent(&self, now: Instant) -> bool {
        self.last.is_none_or(|last| now.saturating_since(last) >= SILENT)
    }

    /// The place of a keyframe that began since `since`, if all of it may still be there.
    pub(crate) fn key_since(&self, since: u64) -> Option<u64> {
        self.last_key.filter(|place| *place >= since && *place >= self.ring.oldest())
    }

    /// A keyframe that began a moment ago: to go on with it is as good as to wait for another.
    pub(crate) fn recent_key(&self, now: Instant, age: Duration) -> Option<u64> {
        let place = self.key_since(0)?;
        let kept = self.ring.get(place)?;
        (now.saturating_since(kept.at) <= age).then_some(place)
    }

    pub(crate) fn follow(&mut self, follower: Follower) {
        if !self.followers.contains(&follower) {
            self.followers.push(follower);
        }
    }

    pub(crate) fn unfollow(&mut self, follower: Follower) {
        if let Some(at) = self.followers.iter().position(|known| *known == follower) {
            self.followers.swap_remove(at);
        }
    }

    /// Takes a packet in.
    pub(crate) fn take(&mut self, now: Instant, packet: &peer::RtpPacket<'_>, format: Format) {
        let rtp = &packet.packet;
        if self.ssrc != rtp.ssrc() {
            // The source has begun anew: its numbers have nothing to do with those before.
            if self.ssrc != 0 {
                self.numbers = restarted(&self.numbers, rtp.sequence_number());
            }
            (self.ssrc, self.clock) = (rtp.ssrc(), None);
        }
        let wire = Wire {
            number: self.numbers.unwrap(rtp.sequence_number()),
            timestamp: rtp.timestamp(),
            marker: rtp.marker(),
            format,
            level: packet.elements.audio_level,
            orientation: packet.elements.video_orientation,
            dependency: packet.elements.dependency,
        };
        self.keep(now, wire, rtp.payload());
    }

    /// Keeps a packet.
    pub(crate) fn keep(&mut self, now: Instant, wire: Wire<'_>, payload: &[u8]) {
        let format = wire.format;
        let told = if format == Format::Av1 { self.tell(wire.dependency) } else { None };
        let (descriptor, key) = match told {
            Some(told) => (told.descriptor, told.key),
            None => {
                let glimpse = format.glimpse(payload).unwrap_or_default();
                let key = format.is_video() && glimpse.begins && glimpse.keyframe;
                (Descriptor::of(format, payload), key)
            }
        };
        if key {
            self.heights = match (&self.dependencies, format) {
                (Some(dependencies), Format::Av1) => dependencies.heights(),
                (_, Format::Vp9) => heights(payload).or(self.heights),
                (_, Format::Av1 | Format::Vp8 | Format::H264 | Format::Opus) => None,
            };
            let highest = self.heights.and_then(|heights| heights.into_iter().max());
            self.height = height(format, payload).or(highest).or(self.height);
            self.last_key = Some(self.ring.next());
            self.wanted = false;
        }
        let marks = told.map_or([0; MARKS], |told| told.marks.bytes());
        let ahead = [&marks[..], wire.dependency.unwrap_or_default()];
        self.ring.push(&Kept::new(now, &wire, key, descriptor), ahead, payload);
        self.meter.add(now, payload.len());
        self.measure(now, &descriptor, told, payload.len());
        self.packets += 1;
        self.last = Some(now);
    }

    /// What the descriptor of a packet of AV1 says; `None` without one.
    fn tell(&mut self, dependency: Option<&[u8]>) -> Option<Told> {
        let dependency = dependency.filter(|bytes| bytes.len() <= LONGEST);
        if dependency.is_none() {
            self.dependencies = None;
        }
        Some(self.dependencies.get_or_insert_default().read(dependency?))
    }

    /// Counts what layers cost.
    fn measure(&mut self, now: Instant, descriptor: &Descriptor, told: Option<Told>, bytes: usize) {
        let whole = told.and_then(|_| Some(self.dependencies.as_ref()?.declared));
        if self.layers.as_ref().is_some_and(|layers| !layers.is_whole(whole)) {
            self.layers = None;
        }
        let layered = whole.map_or(descriptor.layer, |top| top) != Step::default();
        if !layered && self.layers.is_none() {
            return;
        }
        let layers = self.layers.get_or_insert_with(|| Box::new(Layers::new(whole)));
        match (told, whole) {
            (Some(told), Some(top)) => {
                let needed = steps().filter(|step| top.holds(*step) && told.marks.is_needed(*step));
                needed.for_each(|step| layers.add(now, step, bytes));
            }
            (Some(_) | None, _) => layers.add(now, descriptor.layer, bytes),
        }
    }

    /// Somebody needs a keyframe. Whether it is to be asked for now.
    pub(crate) fn ask(&mut self, now: Instant, pause: Duration) -> bool {
        self.wanted = true;
        let free = self.asked.is_none_or(|asked| now.saturating_since(asked) >= pause);
        if free {
            self.asked = Some(now);
        }
        free
    }
}

/// Whether a picture this high is good enough for a tile: it need not be enlarged by more than a fifth.
fn fits(picture: u16, tile: u16) -> bool {
    u32::from(picture) * 6 >= u32::from(tile) * 5
}

/// Numbers that go on far behind those before, so that none is taken for one of them.
fn restarted(before: &Unwrapper, first: u16) -> Unwrapper {
    let far = before.highest().unwrap_or(0) + 3 * 65_536;
    let mut numbers = Unwrapper::starting_at((far & !0xffff) + i64::from(first));
    numbers.unwrap(first);
    numbers
}

/// How loud somebody is.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Loudness {
    /// 0 is silence, 127 the loudest, in sixteenths; rises fast and falls slowly.
    level: u16,
}

impl Loudness {
    /// Above this somebody speaks.
    const SPEECH: u16 = 16 * (127 - 50);
    /// How much louder somebody must be to take another's place: 6 dB.
    pub(crate) const MARGIN: u16 = 16 * 6;
    /// Of whom it is not told.
    const UNKNOWN: u8 = 60;

    pub(crate) fn take(&mut self, level: Option<u8>) {
        let new = 16 * (127 - u16::from(level.unwrap_or(Self::UNKNOWN).min(127)));
        if new > self.level {
            self.level += (new - self.level).div_ceil(4);
        } else {
            self.level -= (self.level - new).div_ceil(32);
        }
    }

    pub(crate) fn level(self) -> u16 {
        self.level
    }

    pub(crate) fn speaks(self) -> bool {
        self.level > Self::SPEECH
    }
}

/// What a member sends from one source.
#[derive(Debug)]
pub(crate) struct Track {
    /// Counts all tracks that ever were.
    pub(crate) serial: u64,
    pub(crate) owner: MemberId,
    pub(crate) room: u64,
    pub(crate) source: Source,
    /// Over which it comes; `None` if it comes from another part of the room.
    pub(crate) transceiver: Option<TransceiverId>,
    /// From the smallest to the largest.
    pub(crate) layers: Vec<Layer>,
    /// Whether a moderator lets it be forwarded.
    pub(crate) allowed: bool,
    /// Whether it is recorded.
    pub(crate) tapped: bool,
    /// Whether it is handed to other parts of the room, and which encodings those want, as bits.
    pub(crate) shared: bool,
    pub(crate) demands: BTreeMap<usize, u8>,
    /// Whether it is sent, as far as it has been told.
    pub(crate) sending: bool,
    pub(crate) loudness: Loudness,
    /// The encodings told to be wanted, as bits, and since when fewer are.
    pub(crate) told: Option<u8>,
    pub(crate) fewer_since: Option<Instant>,
    pub(crate) scheduled: Option<Instant>,
}

impl Track {
    pub(crate) fn new(
        (serial, owner, room): (u64, MemberId, u64),
        source: Source,
        transceiver: Option<TransceiverId>,
    ) -> Self {
        Self {
            serial,
            owner,
            room,
            source,
            transceiver,
            layers: Vec::new(),
            allowed: true,
            tapped: false,
            shared: false,
            demands: BTreeMap::new(),
            sending: false,
            loudness: Loudness::default(),
            told: None,
            fewer_since: None,
            scheduled: None,
        }
    }

    /// The negotiated encodings, from the smallest to the largest; none is one without name. Those that were there stay
    /// as they are. Whether the list is another one.
    pub(crate) fn set_rids(&mut self, now: Instant, rids: &[String]) -> bool {
        let unnamed = [String::new()];
        let rids = if rids.is_empty() { &unnamed[..] } else { &rids[..rids.len().min(MAX_LAYERS)] };
        if self.layers.iter().map(|layer| &layer.rid.0).eq(rids) {
            return false;
        }
        let sound = self.source == Source::Microphone;
        self.layers = rids.iter().map(|rid| Layer::new(now, Rid(rid.clone()), sound)).collect();
        self.told = None;
        true
    }

    pub(crate) fn layer_of(&self, rid: Option<&str>) -> Option<usize> {
        match rid {
            Some(rid) => self.layers.iter().position(|layer| layer.rid.0 == rid),
            None => (self.layers.len() == 1).then_some(0),
        }
    }

    /// Takes a packet in; which encoding it is of. `None` if it is of none.
    pub(crate) fn take(&mut self, now: Instant, packet: &peer::RtpPacket<'_>) -> Option<usize> {
        let format = packet.format?;
        if format.is_video() == (self.source == Source::Microphone) || packet.packet.payload().is_empty() {
            return None;
        }
        let at = self.layer_of(packet.rid)?;
        if self.source == Source::Microphone {
            self.loudness.take(packet.elements.audio_level.map(|level| level.level));
        }
        self.layers[at].take(now, packet, format);
        Some(at)
    }

    /// How high the pictures of an encoding are: as its last keyframe says, else half of the next larger one's.
    pub(crate) fn height(&self, layer: usize) -> u16 {
        let own = |at: usize| self.layers.get(at).and_then(|layer| layer.height);
        if let Some(height) = own(layer) {
            return height;
        }
        let count = self.layers.len();
        let larger = (layer + 1..count).find_map(|at| Some(own(at)? >> (at - layer).min(8)));
        larger.unwrap_or(USUAL_HEIGHT >> (count - 1 - layer.min(count - 1)).min(8)).max(1)
    }

    /// The encoding for a tile of this height: the smallest that need not be enlarged by more than a fifth, else the
    /// largest.
    pub(crate) fn layer_for(&self, height: u16) -> usize {
        (0..self.layers.len())
            .find(|at| fits(self.height(*at), height))
            .unwrap_or(self.layers.len().saturating_sub(1))
    }

    pub(crate) fn is_silent(&self, now: Instant) -> bool {
        self.layers.iter().all(|layer| layer.is_silent(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn bits_are_counted() {
        let mut meter = Meter::new(at(0));
        for n in 0..100 {
            meter.add(at(n * 10), 1250);
        }
        assert_eq!(meter.rate(at(1000)), 1_000_000);
        meter.add(at(60_000), 1250);
        assert!(meter.rate(at(60_000)) < 10_000, "a pause is no rate");
    }

    #[test]
    fn loudness_rises_fast_and_falls_slowly() {
        let mut loud = Loudness::default();
        (0..6).for_each(|_| loud.take(Some(30)));
        assert!(loud.speaks(), "{loud:?} after 120 ms");
        (0..20).for_each(|_| loud.take(Some(127)));
        assert!(!loud.speaks(), "{loud:?} after 400 ms more");
        let before = loud;
        (0..3).for_each(|_| loud.take(Some(127)));
        assert!(loud.level() * 10 > before.level() * 8);
        (0..1000).for_each(|_| loud.take(Some(255)));
        assert_eq!(loud.level(), 0);
    }
}
