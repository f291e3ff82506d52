//! The tap: what members of a room send, for whoever keeps it. In order, with what is missing told, and never decoded.

use std::time::Duration;

use flow::payload::Format;
use rtp::extension::VideoOrientation;
use wire::Instant;

use crate::outlet::Outlet;
use crate::ring::Ring;
use crate::sfu::Sfu;
use crate::track::{Layer, Track};
use crate::{MemberId, RoomId, Source};

/// How long a missing packet is waited for before what follows it is given: some round trips of repair, and less than the
/// rings remember.
const PATIENCE: Duration = Duration::from_millis(400);
/// A keyframe this old is begun with instead of asking for another.
const RECENT_KEY: Duration = Duration::from_millis(300);
/// How long the rest of a picture is waited for before another encoding takes over.
const REST: Duration = Duration::from_millis(50);
/// Numbers that may be missing; a source whose numbers are further on has begun anew.
const FAR: i64 = 10_000;

/// A packet of a room that is recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recorded<'a> {
    /// The room.
    pub room: RoomId,
    /// Who sent it.
    pub member: MemberId,
    /// Of what.
    pub source: Source,
    /// How the payload is made.
    pub format: Format,
    /// Numbers and timestamps have nothing to do with those before: the stream has begun, or begun anew, or this is another
    /// encoding of it. Pictures begin with a keyframe then.
    pub first: bool,
    /// Packets before this one that nobody will send again, beside those of before [`Recorded::first`].
    pub lost: u64,
    /// Its number, without wrapping; one more than that of the packet before, and than [`Recorded::lost`].
    pub number: i64,
    /// In ticks of [`Format::clock_rate`].
    pub timestamp: u32,
    /// The frame is whole with this packet.
    pub marker: bool,
    /// A keyframe begins with it.
    pub key: bool,
    /// How pictures are to be turned.
    pub orientation: Option<VideoOrientation>,
    /// When it came, since the Unix epoch.
    pub arrived: Duration,
    /// When it was captured, since the Unix epoch, by the sender's reports and on the forwarder's clock: the same for all
    /// that a member sends, so that sound and pictures stay in step. `None` before the first report.
    pub captured: Option<Duration>,
    /// What follows the header of RTP.
    pub payload: &'a [u8],
}

/// Of which encoding packets are taken, and how far that has come.
#[derive(Clone, Copy, Debug)]
struct Run {
    layer: usize,
    ssrc: u32,
    /// The number that comes next.
    next: i64,
    /// Packets that the ring had seen: one with fewer is another ring.
    seen: u64,
    first: bool,
    lost: u64,
    /// Whether a picture is whole with what was given last.
    marker: bool,
}

/// The tap of one track.
#[derive(Debug)]
pub(crate) struct Feed {
    serial: u64,
    /// Nothing that came before is given.
    after: Instant,
    run: Option<Run>,
}

/// All taps.
pub(crate) type Taps = Outlet<Feed>;

impl Sfu {
    /// Whether what members of a room send is offered by [`Sfu::poll_recorded`], from now on; also of those who come later.
    /// Of a camera with several encodings the best is taken, and asked for. Said again while it is on, every stream begins
    /// anew, with a keyframe: for a driver that had to drop something.
    pub fn record(&mut self, now: Instant, room: RoomId, on: bool) {
        let Some(tracks) = self.rooms.get(&room.0).map(|found| found.tracks.clone()) else { return };
        self.taps.set_room(room.0, on);
        for track in tracks {
            self.taps.remove_track(track);
            if let Some(found) = self.tracks.get_mut(track) {
                found.tapped = false;
            }
            if on {
                self.tap(now, track);
            }
            self.tell_wanted(now, track);
        }
        self.flush_asks(now);
    }

    /// Begins to take what a track sends, if its room is recorded and that has not begun.
    pub(crate) fn tap(&mut self, now: Instant, track: u32) {
        let Some(found) = self.tracks.get_mut(track) else { return };
        if found.tapped || !self.taps.holds(found.room) {
            return;
        }
        found.tapped = true;
        let after = if found.source == Source::Microphone { now } else { before(now, RECENT_KEY) };
        let feed = Feed { serial: found.serial, after, run: None };
        self.taps.insert(track, feed);
        self.taps.mark(track);
        // Whoever sends pictures needs to be asked, even if its next packet is long in coming.
        if found.source != Source::Microphone
            && let Some(layer) = best(found)
            && found.layers[layer].recent_key(now, RECENT_KEY).is_none()
            && let Ok(at) = u8::try_from(layer)
        {
            self.asks.push((track, at));
        }
    }

    /// What a track sent until now is not given, and what it sends next begins anew.
    pub(crate) fn cut_tap(&mut self, now: Instant, track: u32) {
        if let Some(feed) = self.taps.get_mut(track) {
            (feed.run, feed.after) = (None, now);
        }
    }

    /// The next packet of a room that is recorded. Ask after [`Sfu::handle_input`] until there is none; what is not asked
    /// for before the rings have gone round (a second or so) is lost, and that is told by [`Recorded::lost`].
    pub fn poll_recorded(&mut self, now: Instant) -> Option<Recorded<'_>> {
        let (track, run) = loop {
            let track = self.taps.first()?;
            if let Some(run) = self.advance(now, track) {
                break (track, run);
            }
            self.taps.pass();
        };
        let wall = |at: Instant| self.wall.1 + at.saturating_since(self.wall.0);
        let found = self.tracks.get(track)?;
        let layer = found.layers.get(run.layer)?;
        let kept = layer.ring.find(run.next - 1)?;
        Some(Recorded {
            room: RoomId(found.room),
            member: found.owner,
            source: found.source,
            format: kept.format,
            first: run.first,
            lost: run.lost,
            number: kept.number,
            timestamp: kept.timestamp,
            marker: kept.marker,
            key: kept.key,
            orientation: kept.orientation,
            arrived: wall(kept.at),
            captured: layer.clock.map(|clock| captured(clock, kept.timestamp, kept.format)),
            payload: kept.payload(),
        })
    }

    /// Goes on by one packet of a track: the run as it was when that packet was taken, with `next` behind it.
    fn advance(&mut self, now: Instant, track: u32) -> Option<Run> {
        let found = self.tracks.get(track)?;
        let feed = self.taps.get_mut(track).filter(|feed| feed.serial == found.serial)?;
        if !found.allowed {
            return None;
        }
        let mut ask = choose(now, feed, found);
        let mut given = None;
        if let Some(run) = &mut feed.run {
            let layer = &found.layers[run.layer];
            let lost = run.lost;
            if find_next(now, run, &layer.ring) {
                given = Some(*run);
                if let Some(kept) = layer.ring.find(run.next) {
                    feed.after = feed.after.max(kept.at);
                    run.marker = kept.marker;
                }
                // What refers to a picture that is not there cannot be shown.
                let broken = run.lost > lost && found.source != Source::Microphone;
                ask = ask.or(broken.then_some(run.layer));
                *run = Run { next: run.next + 1, seen: layer.ring.next(), first: false, lost: 0, ..*run };
            }
        }
        if let Some(at) = ask.and_then(|at| u8::try_from(at).ok()) {
            self.asks.push((track, at));
            self.flush_asks(now);
        }
        given.map(|run| Run { next: run.next + 1, ..run })
    }
}

/// The encoding that is recorded: the largest that is sent.
fn best(track: &Track) -> Option<usize> {
    track.layers.iter().rposition(|layer| layer.active)
}

/// Begins, or goes over to a better encoding, if its keyframe is there; else the encoding that is to be asked for one.
fn choose(now: Instant, feed: &mut Feed, track: &Track) -> Option<usize> {
    let restarted = |run: &Run| {
        let Some(layer) = track.layers.get(run.layer) else { return true };
        let newest = newest(&layer.ring);
        layer.ssrc != run.ssrc
            || layer.ring.next() < run.seen
            || newest.is_some_and(|newest| (newest - run.next).abs() > FAR)
    };
    if feed.run.as_ref().is_some_and(restarted) {
        feed.run = None;
    }
    let target = best(track).filter(|target| feed.run.is_none_or(|run| run.layer != *target))?;
    let layer = track.layers.get(target)?;
    let Some(next) = beginning(feed.after, layer, track.source) else {
        // One that was asked for is asked for again until it comes.
        return (track.source != Source::Microphone && !layer.wanted).then_some(target);
    };
    if feed.run.is_some_and(|run| !run.marker && now.saturating_since(feed.after) < REST) {
        return None;
    }
    feed.run = Some(Run {
        layer: target,
        ssrc: layer.ssrc,
        next,
        seen: layer.ring.next(),
        first: true,
        lost: 0,
        marker: true,
    });
    None
}

/// The number that an encoding can be begun with: of its last keyframe, or of what sounds now.
fn beginning(after: Instant, layer: &Layer, source: Source) -> Option<i64> {
    let place = match source {
        Source::Microphone => layer.ring.next().checked_sub(1)?,
        Source::Camera | Source::Screen => layer.key_since(0)?,
    };
    layer.ring.get(place).filter(|kept| kept.at >= after).map(|kept| kept.number)
}

fn newest(ring: &Ring) -> Option<i64> {
    ring.next().checked_sub(1).and_then(|place| ring.get(place)).map(|kept| kept.number)
}

/// Whether the packet that comes next is there; over a gap that has been waited for long enough, another one is. Time runs from
/// when the packet behind the gap came: so nothing is kept back for longer than that, however many gaps there are.
fn find_next(now: Instant, run: &mut Run, ring: &Ring) -> bool {
    if ring.find(run.next).is_some() {
        return true;
    }
    let Some(newest) = newest(ring).filter(|newest| *newest > run.next) else { return false };
    let Some(behind) = (run.next + 1..=newest).find_map(|number| ring.find(number)) else { return false };
    let kept = i64::try_from(ring.next() - ring.oldest()).unwrap_or(FAR);
    // What is about to be forgotten is taken rather than waited for.
    let late = newest - run.next >= kept - kept / 4;
    if !late && now.saturating_since(behind.at) < PATIENCE {
        return false;
    }
    run.lost += u64::try_from(behind.number - run.next).unwrap_or(0);
    run.next = behind.number;
    true
}

/// When something was captured that has this timestamp, by what a report said of another one.
fn captured((reported, at): (u32, Duration), timestamp: u32, format: Format) -> Duration {
    let ticks = i64::from(timestamp.wrapping_sub(reported).cast_signed());
    let apart = Duration::from_nanos(ticks.unsigned_abs() * 1_000_000_000 / u64::from(format.clock_rate()));
    if ticks < 0 { at.saturating_sub(apart) } else { at + apart }
}

fn before(now: Instant, by: Duration) -> Instant {
    Instant::ZERO + now.saturating_since(Instant::ZERO).saturating_sub(by)
}
