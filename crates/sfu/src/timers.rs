//! What is due when. One table: an idle poll looks at its first entry.

use std::time::Duration;

use wire::Instant;

use crate::member::{AGAIN, CONTROL};
use crate::sfu::Sfu;
use crate::{Event, Source};

/// How often a room looks after who speaks and what is sent, while anything is.
const ROOM_TICK: Duration = Duration::from_millis(250);
/// How often a member's slots are reported and looked after, while it has any.
const MEMBER_TICK: Duration = Duration::from_secs(1);

/// Who has something to do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Timer {
    /// A member, by its place: its connection, its reports, its probes.
    Member(u32),
    /// A room: speakers, and sources that have fallen silent.
    Room(u64),
    /// A track, by its place: a keyframe that was asked for and has not come.
    Track(u32),
}

impl Sfu {
    /// When [`Sfu::handle_timeout`] is due; `None` if nothing is scheduled.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(due, _)| *due)
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((due, timer)) = self.timers.first().copied().filter(|(due, _)| *due <= now) {
            self.timers.remove(&(due, timer));
            match timer {
                Timer::Member(at) => self.member_due(now, at),
                Timer::Room(room) => self.room_due(now, room),
                Timer::Track(track) => self.track_due(now, track),
            }
        }
        self.flush_asks(now);
    }

    /// A member's next deadline may be another one now. A connection that waits to be asked what it has to send is due
    /// by that, and says afterwards when it is due next.
    pub(crate) fn schedule(&mut self, at: u32) {
        let Some(member) = self.members.get_mut(at) else { return };
        let asked = self.waiting[at as usize] & 1 << CONTROL != 0;
        let connection = if member.leaving || asked { None } else { member.peer.poll_timeout() };
        let due = [connection, member.tick, member.probe].into_iter().flatten().min();
        // What is due later than before is looked at again when the earlier one comes: deadlines of a connection move
        // with every packet.
        if due.is_some_and(|due| member.scheduled.is_some_and(|before| before <= due)) {
            return;
        }
        let before = std::mem::replace(&mut member.scheduled, due);
        if before != due {
            before.map(|before| self.timers.remove(&(before, Timer::Member(at))));
            due.map(|due| self.timers.insert((due, Timer::Member(at))));
        }
    }

    fn member_due(&mut self, now: Instant, at: u32) {
        let Some(member) = self.members.get_mut(at) else { return };
        member.scheduled = None;
        if member.peer.poll_timeout().is_some_and(|due| due <= now) {
            member.peer.handle_timeout(now);
        }
        if member.probe.is_some_and(|due| due <= now) {
            member.probe = None;
            self.mark(at, AGAIN);
        }
        let Some(member) = self.members.get_mut(at) else { return };
        if member.tick.is_some_and(|due| due <= now) {
            member.tick = Some(now + MEMBER_TICK);
            member.report = true;
            self.choose(now, at);
        }
        self.follow_up(now, at);
    }

    /// A connection may have something to say: events, datagrams, another deadline.
    pub(crate) fn follow_up(&mut self, now: Instant, at: u32) {
        self.take_events(now, at);
        if self.members.get(at).is_some_and(|member| member.dirty) {
            self.choose(now, at);
        }
        self.mark(at, CONTROL);
        self.schedule(at);
    }

    /// A member that can be sent something is looked after.
    pub(crate) fn begin_ticks(&mut self, now: Instant, at: u32) {
        if let Some(member) = self.members.get_mut(at) {
            member.tick = Some(now + MEMBER_TICK);
        }
    }

    /// A room is looked after while anybody sends.
    pub(crate) fn wake_room(&mut self, now: Instant, room: u64) {
        if let Some(found) = self.rooms.get_mut(&room)
            && found.scheduled.is_none()
        {
            let due = now + ROOM_TICK;
            found.scheduled = Some(due);
            self.timers.insert((due, Timer::Room(room)));
        }
    }

    fn room_due(&mut self, now: Instant, room: u64) {
        let Some(found) = self.rooms.get_mut(&room) else { return };
        found.scheduled = None;
        let tracks = found.tracks.clone();
        let mut anybody = false;
        let mut changed = false;
        for track in &tracks {
            let (sends, other) = self.look_after(now, *track);
            anybody |= sends;
            changed |= other;
        }
        let Some(found) = self.rooms.get_mut(&room) else { return };
        let voices = found.choose_voices(&self.tracks);
        if let Some(speaking) = found.choose_speakers(&self.tracks) {
            self.push_event(Event::Speaking(crate::RoomId(room), speaking));
        }
        if changed {
            self.think_over(now, room);
        } else if voices {
            let members = self.rooms.get(&room).map(|room| room.members.clone()).unwrap_or_default();
            members.into_iter().for_each(|at| self.assign_voices(now, at));
        }
        for track in tracks {
            self.tell_wanted(now, track);
        }
        if anybody {
            self.wake_room(now, room);
        }
    }

    /// Notes what a track does not send any more. Whether it sends anything, and whether that is another thing.
    fn look_after(&mut self, now: Instant, track: u32) -> (bool, bool) {
        let Some(found) = self.tracks.get_mut(track) else { return (false, false) };
        let mut changed = false;
        for layer in &mut found.layers {
            if layer.active && layer.is_silent(now) {
                layer.active = false;
                changed = true;
            }
        }
        let mut ended = None;
        if found.sending && found.is_silent(now) {
            found.sending = false;
            ended = Some((found.owner, found.source));
        }
        let sends = found.sending;
        if let Some((owner, source)) = ended {
            self.push_event(Event::Sending(owner, source, false));
        }
        (sends, changed)
    }

    /// A track, or an encoding of it, begins to be sent.
    pub(crate) fn awake(&mut self, now: Instant, track: u32, layer: usize) {
        let Some(found) = self.tracks.get_mut(track) else { return };
        if let Some(layer) = found.layers.get_mut(layer) {
            layer.active = true;
        }
        let (room, owner, source) = (found.room, found.owner, found.source);
        if !std::mem::replace(&mut found.sending, true) {
            self.push_event(Event::Sending(owner, source, true));
        }
        self.wake_room(now, room);
        self.tap(now, track);
        if source == Source::Microphone {
            let voices = self.rooms.get_mut(&room).is_some_and(|room| room.choose_voices(&self.tracks));
            let members = self.rooms.get(&room).map(|room| room.members.clone()).unwrap_or_default();
            for at in members {
                if voices || self.members.get(at).is_some_and(|member| member.pin == Some(owner)) {
                    self.assign_voices(now, at);
                }
            }
            return;
        }
        let members = self.rooms.get(&room).map(|room| room.members.clone()).unwrap_or_default();
        for at in members {
            let wants = |member: &crate::member::Member| {
                member.wants.iter().flatten().any(|want| want.member == owner && want.source == source)
            };
            if self.members.get(at).is_some_and(|member| wants(member)) {
                self.choose(now, at);
            }
        }
        self.tell_wanted(now, track);
    }

    /// Asks for the keyframes that were found wanting, unless they were asked for a moment ago: then later.
    pub(crate) fn flush_asks(&mut self, now: Instant) {
        while let Some((track, layer)) = self.asks.pop() {
            let pause = self.config.keyframe_pause;
            let Some(found) = self.tracks.get_mut(track) else { continue };
            let (owner, transceiver) = (found.owner.index, found.transceiver);
            let Some(layer) = found.layers.get_mut(usize::from(layer)) else { continue };
            let due = layer.asked.map_or(now, |asked| asked.max(now)) + pause;
            let ask = layer.ask(now, pause);
            if ask && transceiver.is_none() {
                let needed = Event::KeyframeNeeded(found.owner, found.source, layer.rid.clone());
                self.stats.keyframe_requests += 1;
                self.push_event(needed);
            } else if ask
                && let Some(transceiver) = transceiver
                && let Some(member) = self.members.get_mut(owner)
            {
                let rid = Some(layer.rid.0.as_str()).filter(|rid| !rid.is_empty());
                // A track that has gone a moment ago is asked in vain.
                let _ = member.peer.request_keyframe(transceiver, rid);
                self.stats.keyframe_requests += 1;
                self.mark(owner, CONTROL);
            }
            let Some(found) = self.tracks.get_mut(track) else { continue };
            if found.scheduled.is_none() {
                found.scheduled = Some(due);
                self.timers.insert((due, Timer::Track(track)));
            }
        }
    }

    /// A keyframe was asked for: is it still waited for?
    fn track_due(&mut self, now: Instant, track: u32) {
        let Some(found) = self.tracks.get_mut(track) else { return };
        found.scheduled = None;
        for (at, layer) in found.layers.iter_mut().enumerate() {
            let followed = found.tapped || !found.demands.is_empty() || !layer.followers.is_empty();
            let waiting = layer.wanted && layer.active && followed;
            layer.wanted &= waiting;
            if waiting && let Ok(at) = u8::try_from(at) {
                self.asks.push((track, at));
            }
        }
        self.flush_asks(now);
    }

    /// Ends a track: nobody is fed by it any more.
    pub(crate) fn remove_track(&mut self, track: u32) {
        self.starve(track);
        self.taps.remove_track(track);
        self.shares.remove_track(track);
        let Some(found) = self.tracks.remove(track) else { return };
        if let Some(due) = found.scheduled {
            self.timers.remove(&(due, Timer::Track(track)));
        }
        if let Some(room) = self.rooms.get_mut(&found.room) {
            room.tracks.retain(|other| *other != track);
            room.voices.retain(|other| *other != track);
        }
        if found.sending {
            self.push_event(Event::Sending(found.owner, found.source, false));
        }
    }

    /// Begins a probe if the member would get more with more room, or waits until one may begin.
    pub(crate) fn look_after_probe(&mut self, now: Instant, at: u32) {
        let Some(member) = self.members.get_mut(at) else { return };
        if !member.wants_more || member.probe.is_some() || !member.connected {
            return;
        }
        if let Some(due) = member.peer.probe_due() {
            member.probe = Some(due.max(now));
            self.schedule(at);
        }
    }
}
