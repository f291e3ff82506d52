//! What each slot is to carry: by layout, by the size of the tile, and by what the receiver's path carries.

use std::time::Duration;

use wire::Instant;

use crate::member::{MAX_VOICES, Member, picture_bit, voice_bit};
use crate::sfu::Sfu;
use crate::slab::Slab;
use crate::slot::{Feed, Slot};
use crate::step::Step;
use crate::track::{Follower, Layer, Track};
use crate::{Event, Source, Want};

/// How long there must be no use for an encoding until it is told.
const FEWER: Duration = Duration::from_secs(3);
/// How long a point is waited for where more temporal layers may be taken, before a keyframe is asked for instead.
const RISE: Duration = Duration::from_secs(3);

/// A picture slot that is to carry something.
#[derive(Clone, Debug)]
struct Wanted {
    bit: u8,
    want: Want,
    track: u32,
    /// What it may get, from the least to what its tile is for.
    rungs: Vec<Rung>,
    /// What is forwarded, or waited for.
    now: Option<(usize, Step)>,
    /// The one chosen.
    chosen: Option<usize>,
}

/// An encoding, or some layers of it.
#[derive(Clone, Copy, Debug)]
struct Rung {
    layer: usize,
    step: Step,
    /// Bits per second.
    cost: u64,
    /// It has the smallest pictures there are.
    least: bool,
}

impl Wanted {
    fn chosen(&self) -> Option<(u32, u8, Step)> {
        let rung = self.rungs.get(self.chosen?)?;
        Some((self.track, u8::try_from(rung.layer).ok()?, rung.step))
    }

    /// Whether it has as much as a rung gives.
    fn has(&self, rung: &Rung) -> bool {
        let order = |(layer, step): (usize, Step)| (layer, step.spatial, step.temporal);
        self.now.is_some_and(|now| order(now) >= order((rung.layer, rung.step)))
    }
}

impl Sfu {
    /// Chooses what the picture slots of a member carry.
    pub(crate) fn choose(&mut self, now: Instant, at: u32) {
        if let Some(member) = self.members.get_mut(at) {
            member.dirty = false;
        }
        let Some(member) = self.members.get(at).filter(|member| member.connected) else { return };
        let mut wanted = wanted(now, member, &self.tracks, &|want| self.track_of(member, want));
        let (more, spare) = allot(now, member, &self.tracks, &mut wanted);
        let slots = member.pictures.len();
        if let Some(member) = self.members.get_mut(at) {
            (member.wants_more, member.spare) = (more, spare);
            let target = member.peer.available_outgoing_bitrate();
            member.broke_down = target < member.target / 2;
            member.target = target;
        }
        for index in 0..slots {
            let bit = picture_bit(index);
            let found = wanted.iter().find(|wanted| wanted.bit == bit);
            self.steer(now, at, bit, found.and_then(Wanted::chosen), found.map(|wanted| wanted.want));
        }
        self.look_after_probe(now, at);
    }

    /// The track that somebody wants to see.
    fn track_of(&self, member: &Member, want: &Want) -> Option<u32> {
        let other = self.members.get(self.place(want.member)?)?;
        let track = other.track(want.source).filter(|_| want.source != Source::Microphone)?;
        let found = self.tracks.get(track)?;
        (other.room == member.room && found.allowed && found.sending).then_some(track)
    }

    /// Lets a slot carry an encoding from its next keyframe on; `None` is nothing. `want` is what the receiver asked for,
    /// even if nothing of it is sent at present.
    fn steer(&mut self, now: Instant, at: u32, bit: u8, feed: Option<(u32, u8, Step)>, want: Option<Want>) {
        let Self { members, tracks, asks, .. } = self;
        let Some(member) = members.get_mut(at) else { return };
        let (target, broke_down) = (member.target, member.broke_down);
        let Some(slot) = member.slot_mut(bit) else { return };
        let follower = Follower { member: at, bit };
        let wanted = want.map(|want| (want.member, want.source));
        let paused = feed.is_none() && want.is_some_and(|want| want.height > 0);
        let mut told = Vec::new();
        if slot.shown.is_some() && slot.shown != wanted && feed.is_none() {
            slot.shown = None;
            told.push(Event::Shown(member_id(members, at), picture_index(bit), None));
        }
        let Some(slot) = members.get_mut(at).and_then(|member| member.slot_mut(bit)) else { return };
        if slot.paused != paused {
            slot.paused = paused;
            told.push(Event::Paused(member_id(members, at), picture_index(bit), paused));
        }
        let Some(slot) = members.get_mut(at).and_then(|member| member.slot_mut(bit)) else { return };
        if let Some(before) = slot.next
            && feed.is_none_or(|(track, layer, _)| !before.is(track, layer))
        {
            slot.next = None;
            if slot.current.is_none_or(|current| !current.is(before.track, before.layer)) {
                unfollow(tracks, before, follower);
            }
        }
        if let Some(current) = slot.current
            && must_stop(now, current, feed, tracks, (target, broke_down))
        {
            slot.current = None;
            if feed.is_none_or(|(track, ..)| track == current.track) {
                slot.abandon();
            }
            if slot.next.is_none_or(|next| !next.is(current.track, current.layer)) {
                unfollow(tracks, current, follower);
            }
        }
        if let Some((track, layer, step)) = feed {
            tune(now, slot, (track, layer, step), (tracks, target), asks);
            if slot.current.is_none_or(|current| !current.is(track, layer)) && slot.next.is_none() {
                self.feed(now, follower, (track, layer, step));
            }
        }
        for event in told {
            self.push_event(event);
        }
    }

    /// A slot waits for an encoding's next keyframe, or takes one that has just come.
    pub(crate) fn feed(&mut self, now: Instant, follower: Follower, (track, layer, step): (u32, u8, Step)) {
        let Some(found) = self.tracks.get_mut(track).and_then(|t| t.layers.get_mut(usize::from(layer)))
        else {
            return;
        };
        found.follow(follower);
        // As long as another may not be asked for, the last one is gone on with.
        let recent = found.recent_key(now, self.config.keyframe_pause);
        let cursor = recent.unwrap_or(found.ring.next());
        let slot = self.members.get_mut(follower.member).and_then(|member| member.slot_mut(follower.bit));
        if let Some(slot) = slot {
            slot.next = Some(Feed { track, layer, cursor, step });
        }
        if recent.is_some() {
            self.mark(follower.member, follower.bit);
        } else if follower.bit >= crate::member::FIRST_PICTURE {
            self.asks.push((track, layer));
        }
    }

    /// Lets the voice slots of a member carry the chosen voices; one that has a slot keeps it.
    pub(crate) fn assign_voices(&mut self, now: Instant, at: u32) {
        let Some(member) = self.members.get(at) else { return };
        let count = member.voices.len().min(MAX_VOICES);
        if !member.connected || count == 0 {
            return;
        }
        let id = member.id;
        let Some(room) = self.rooms.get(&member.room) else { return };
        let chosen: Vec<u32> = match member.pin {
            Some(pinned) => self.voice_of(member.room, pinned).into_iter().collect(),
            None => {
                let foreign = |track: &&u32| self.tracks.get(**track).is_some_and(|track| track.owner != id);
                let most = count.min(room.config.voices);
                room.voices.iter().filter(foreign).take(most).copied().collect()
            }
        };
        let feeds = |slot: &crate::slot::Slot| slot.next.or(slot.current).map(|feed| feed.track);
        let mut carried: Vec<Option<u32>> =
            member.voices.iter().map(|slot| feeds(slot).filter(|track| chosen.contains(track))).collect();
        let before: Vec<Option<u32>> = member.voices.iter().map(feeds).collect();
        for track in &chosen {
            if !carried.contains(&Some(*track))
                && let Some(free) = carried.iter_mut().find(|slot| slot.is_none())
            {
                *free = Some(*track);
            }
        }
        if carried == before {
            return;
        }
        for (index, (track, before)) in carried.iter().zip(&before).enumerate() {
            if track != before {
                let follower = Follower { member: at, bit: voice_bit(index) };
                self.release(follower);
                if let Some(track) = track {
                    self.feed(now, follower, (*track, 0, Step::ALL));
                }
            }
        }
        let owner = |track: &Option<u32>| track.and_then(|track| Some(self.tracks.get(track)?.owner));
        let voices = carried.iter().map(owner).collect();
        self.push_event(Event::Voices(id, voices));
    }

    /// The microphone of a member, if it may be heard in this room.
    fn voice_of(&self, room: u64, member: crate::MemberId) -> Option<u32> {
        let owner = self.members.get(self.place(member)?).filter(|owner| owner.room == room)?;
        let track = owner.track(Source::Microphone)?;
        self.tracks.get(track).filter(|found| found.sending && found.allowed).map(|_| track)
    }

    /// Takes away what a slot carries.
    fn release(&mut self, follower: Follower) {
        let Some(member) = self.members.get_mut(follower.member) else { return };
        let Some(slot) = member.slot_mut(follower.bit) else { return };
        for feed in [slot.current.take(), slot.next.take()].into_iter().flatten() {
            unfollow(&mut self.tracks, feed, follower);
        }
    }

    /// Takes away what all slots of a member carry.
    pub(crate) fn unfollow_all(&mut self, at: u32) {
        let Some(member) = self.members.get(at) else { return };
        let voices = (0..member.voices.len()).map(voice_bit);
        let bits: Vec<u8> = voices.chain((0..member.pictures.len()).map(picture_bit)).collect();
        for bit in bits {
            self.release(Follower { member: at, bit });
        }
    }

    /// Nobody is fed by a track any more.
    pub(crate) fn starve(&mut self, track: u32) {
        let Some(found) = self.tracks.get_mut(track) else { return };
        let serial = found.serial;
        let followers: Vec<Follower> =
            found.layers.iter_mut().flat_map(|layer| std::mem::take(&mut layer.followers)).collect();
        for follower in followers {
            self.release(follower);
            let Some(member) = self.members.get_mut(follower.member) else { continue };
            member.dirty = true;
            if let Some(slot) = member.slot_mut(follower.bit) {
                slot.forget(serial);
            }
        }
    }

    /// Chooses anew for everybody in a room: somebody has come, has gone, or sends something else.
    pub(crate) fn think_over(&mut self, now: Instant, room: u64) {
        let Some(found) = self.rooms.get_mut(&room) else { return };
        found.choose_voices(&self.tracks);
        let members = found.members.clone();
        for at in members {
            self.assign_voices(now, at);
            self.choose(now, at);
        }
    }

    /// Tells an owner which encodings of its camera somebody wants: at once if more, after a while if fewer.
    pub(crate) fn tell_wanted(&mut self, now: Instant, track: u32) {
        let Some(found) = self.tracks.get(track).filter(|track| track.source == Source::Camera) else {
            return;
        };
        let mut bits = 0u8;
        for follower in self.rooms.get(&found.room).map(|room| room.members.as_slice()).unwrap_or_default() {
            let Some(member) = self.members.get(*follower) else { continue };
            for want in member.wants.iter().take(member.pictures.len()).flatten() {
                if want.member == found.owner && want.source == Source::Camera && want.height > 0 {
                    bits |= 1 << found.layer_for(want.height).min(7);
                }
            }
        }
        for (at, layer) in found.layers.iter().enumerate() {
            bits |= u8::from(!layer.followers.is_empty()) << at;
        }
        if self.taps.holds(found.room) && found.allowed {
            bits |= 1 << found.layers.len().saturating_sub(1).min(7);
        }
        bits |= found.demands.values().fold(0, |all, bits| all | bits);
        // A small one is at hand for whoever comes, or has too narrow a path, as long as anybody looks.
        bits |= u8::from(bits != 0);
        let Some(found) = self.tracks.get_mut(track) else { return };
        if found.told == Some(bits) {
            found.fewer_since = None;
            return;
        }
        let more = found.told.is_none_or(|told| bits & !told != 0);
        let since = *found.fewer_since.get_or_insert(now);
        if !more && now.saturating_since(since) < FEWER {
            return;
        }
        found.told = Some(bits);
        found.fewer_since = None;
        let rids = found.layers.iter().enumerate().filter(|(at, _)| bits & 1 << at != 0);
        let event = Event::Wanted(found.owner, rids.map(|(_, layer)| layer.rid.clone()).collect());
        self.push_event(event);
    }
}

fn member_id(members: &Slab<Box<Member>>, at: u32) -> crate::MemberId {
    members.get(at).map_or(crate::MemberId { serial: 0, index: at }, |member| member.id)
}

pub(crate) fn picture_index(bit: u8) -> usize {
    usize::from(bit.saturating_sub(crate::member::FIRST_PICTURE))
}

pub(crate) fn unfollow(tracks: &mut Slab<Track>, feed: Feed, follower: Follower) {
    let track = tracks.get_mut(feed.track);
    if let Some(layer) = track.and_then(|track| track.layers.get_mut(usize::from(feed.layer))) {
        layer.unfollow(follower);
    }
}

/// Whether what is forwarded must end before what follows it is there: another track, nothing at all, or an encoding
/// that the path cannot carry at all. When the path breaks down, what is under way is being lost: a keyframe now is there
/// before that is even known.
fn must_stop(
    now: Instant,
    current: Feed,
    feed: Option<(u32, u8, Step)>,
    tracks: &Slab<Track>,
    (target, broke_down): (u64, bool),
) -> bool {
    let Some((track, layer, _)) = feed else { return true };
    if current.track != track {
        return true;
    }
    if broke_down && layer == current.layer && rate_of(now, tracks, current, Step::ALL) > target {
        return true;
    }
    let fewest = Step { temporal: 0, ..current.step };
    layer < current.layer && rate_of(now, tracks, current, fewest) > target + target / 2
}

fn rate_of(now: Instant, tracks: &Slab<Track>, feed: Feed, step: Step) -> u64 {
    let layer = tracks.get(feed.track).and_then(|track| track.layers.get(usize::from(feed.layer)));
    layer.map_or(0, |layer| layer.rate_of(now, step))
}

/// Which layers of its encoding a slot gets from now on. What it is to get may have to be asked for.
fn tune(
    now: Instant,
    slot: &mut Slot,
    (track, layer, step): (u32, u8, Step),
    (tracks, target): (&Slab<Track>, u64),
    asks: &mut Vec<(u32, u8)>,
) {
    if let Some(next) = &mut slot.next {
        next.step = step;
    }
    let Some(mut current) = slot.current else { return };
    if current.is(track, layer) {
        current.step = step;
    } else if layer < current.layer && rate_of(now, tracks, current, Step::ALL) > target {
        // Until the smaller one is there, only what it cannot do without.
        current.step.temporal = 0;
    }
    slot.current = Some(current);
    let Some(has) = slot.step().filter(|_| current.is(track, layer)) else { return };
    let found = tracks.get(track).and_then(|track| track.layers.get(usize::from(layer)));
    let wanted = step.min(found.map(|layer| layer.top(now, slot.told)).unwrap_or_default());
    // Smaller pictures are not always among those that are sent.
    let back = has.spatial > wanted.spatial && found.is_some_and(Layer::is_apart);
    if back || has.is_below(wanted) {
        let since = *slot.rises_since.get_or_insert(now);
        // Temporal layers have points of their own where more may be taken, unless the encoder makes none.
        if back || has.spatial < wanted.spatial || now.saturating_since(since) >= RISE {
            slot.rises_since = None;
            asks.push((track, layer));
        }
    } else {
        slot.rises_since = None;
    }
}

/// What the picture slots of a member are wanted to carry and can, the most important first: screens, then the largest,
/// then the first.
fn wanted(
    now: Instant,
    member: &Member,
    tracks: &Slab<Track>,
    track_of: &dyn Fn(&Want) -> Option<u32>,
) -> Vec<Wanted> {
    let slots = member.wants.iter().zip(&member.pictures).enumerate();
    let found = slots.filter_map(|(index, (want, slot))| {
        let want = (*want)?;
        let track = track_of(&want)?;
        let fed = slot.next.or(slot.current).filter(|feed| feed.track == track);
        Some(Wanted {
            bit: picture_bit(index),
            want,
            track,
            rungs: tracks.get(track).map(|track| rungs(now, track, &want, slot.told)).unwrap_or_default(),
            now: fed.map(|feed| (usize::from(feed.layer), feed.step)),
            chosen: None,
        })
    });
    let mut found: Vec<Wanted> = found.filter(|wanted| wanted.want.height > 0).collect();
    found.sort_by_key(|wanted| {
        let screen = wanted.want.source == Source::Screen;
        (std::cmp::Reverse((screen, wanted.want.height)), wanted.bit)
    });
    found
}

/// What there is for a tile, from the least to the best. Before a picture is given up all temporal layers are; before it
/// becomes smaller, one of them: half as many pictures are better than small ones, a quarter is not. A screen is rather
/// read than watched: it becomes smaller last.
fn rungs(now: Instant, track: &Track, want: &Want, told: bool) -> Vec<Rung> {
    let best = track.layer_for(want.height);
    let sent = |at: &usize| track.layers.get(*at).is_some_and(|layer| layer.active);
    let mut layers: Vec<usize> = (0..=best).filter(sent).collect();
    if layers.is_empty() {
        layers.extend((best..track.layers.len()).find(sent));
    }
    let mut rungs: Vec<Rung> = Vec::new();
    for at in layers {
        let layer = &track.layers[at];
        let top = layer.top(now, told);
        let highest = layer.spatial_for(want.height, top.spatial, track.height(at));
        for spatial in 0..=highest {
            let least =
                rungs.iter().all(|rung| rung.least && (rung.layer, rung.step.spatial) == (at, spatial));
            let fewest = match want.source {
                _ if least => 0,
                Source::Screen => 0,
                Source::Camera | Source::Microphone => top.temporal.saturating_sub(1),
            };
            for temporal in fewest..=top.temporal {
                // The highest are all: there may be more in a moment.
                let all = |layer: u8, top: u8| if layer == top { u8::MAX } else { layer };
                let step = Step { spatial: all(spatial, top.spatial), temporal: all(temporal, top.temporal) };
                rungs.push(Rung { layer: at, step, cost: layer.rate_of(now, step), least });
            }
        }
    }
    rungs
}

/// Shares what the path carries: first the least for each, as long as there is room, then the smallest pictures in full,
/// then larger ones. Whether with more room somebody would get more, and the room that is left.
fn allot(now: Instant, member: &Member, tracks: &Slab<Track>, wanted: &mut [Wanted]) -> (bool, u64) {
    let target = member.peer.available_outgoing_bitrate();
    let voices = member.voices.iter().filter_map(|slot| slot.current);
    let voices: u64 = voices.map(|feed| rate_of(now, tracks, feed, Step::ALL)).sum();
    // Headers, reports, and what is sent again.
    let mut left = (target - target / 20).saturating_sub(voices);
    let mut more = false;
    for (order, wanted) in wanted.iter_mut().enumerate() {
        let Some(least) = wanted.rungs.first() else { continue };
        // The most important picture is given up last.
        let room = if order == 0 { left.saturating_mul(2).max(target) } else { left };
        let room = if wanted.now.is_some() { room } else { room - room / 10 };
        if least.cost <= room {
            wanted.chosen = Some(0);
            left = left.saturating_sub(least.cost);
        } else {
            more = true;
        }
    }
    for small in [true, false] {
        for wanted in wanted.iter_mut() {
            more |= raise(wanted, small, &mut left);
        }
    }
    (more, left)
}

/// Gives a picture the best that there is room for, at first only of the smallest size. Whether there is better.
fn raise(wanted: &mut Wanted, small: bool, left: &mut u64) -> bool {
    let Some(chosen) = wanted.chosen else { return false };
    let mut more = false;
    for (at, rung) in wanted.rungs.iter().enumerate().skip(chosen + 1).rev() {
        if small && !rung.least {
            continue;
        }
        let additional = rung.cost.saturating_sub(wanted.rungs[chosen].cost);
        let needed = if wanted.has(rung) { additional } else { additional + additional / 5 };
        if needed <= *left {
            wanted.chosen = Some(at);
            *left -= additional.min(*left);
            break;
        }
        more = true;
    }
    more
}
