//! Rooms that applications set up before people come.
//!
//! A room that was set up is a conference from its first member on, whatever their number: it has roles, a title and
//! doors, which a call of two has not. Its conference keeps one id until it has ended for everybody, also over a
//! restart of the server, so that its members find back to one another by their tickets.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use wire::Instant;

use super::come::{room_full, room_locked};
use super::{Conference, Phase};
use crate::signal::admin::{Admin, Entry, Kept, Reply, Room, Settings, What, Why};
use crate::signal::bus::Grant;
use crate::signal::protocol::{CallId, EndReason, ErrorCode, Media, Role};
use crate::signal::rendezvous::calls::{Failure, is_base64url, wrong_state};
use crate::signal::rendezvous::timers::Timer;
use crate::signal::rendezvous::{Rendezvous, SessionKey};

/// What is kept of a room, whether anybody is in it or not.
pub(in crate::signal::rendezvous) struct KeptRoom {
    settings: Settings,
    /// The conference that is on in it, or was when the server was restarted.
    call: Option<CallId>,
    ends: Option<Instant>,
    /// Since when nobody is in it.
    empty: Option<Instant>,
    /// When the timer looks at it.
    due: Option<Instant>,
}

/// How the doors of a room stand.
#[derive(Clone, Copy, Default)]
pub(super) struct Doors {
    pub(super) locked: bool,
    pub(super) lobby: bool,
    /// Whether everybody with the link may watch.
    pub(super) watching: bool,
}

/// What holds in a conference besides its lobby and its lock.
#[derive(Clone)]
pub(super) struct Rules {
    /// Whether an application has set the room up.
    pub(super) kept: bool,
    pub(super) title: Option<String>,
    /// Whether one comes in with a join token only.
    token_only: bool,
    /// As what people come in who have no token.
    pub(super) newcomers: Role,
    members: Option<u32>,
}

impl Default for Rules {
    fn default() -> Self {
        Self { kept: false, title: None, token_only: false, newcomers: Role::Presenter, members: None }
    }
}

impl Rules {
    fn of(settings: &Settings) -> Self {
        Self {
            kept: true,
            title: settings.title.clone(),
            token_only: settings.entry == Entry::Token,
            newcomers: settings.role,
            members: settings.members,
        }
    }

    /// Whether somebody may come at all, be it to the lobby.
    pub(super) fn may_pass(&self, locked: bool, grant: Option<&Grant>) -> Result<(), Failure> {
        if locked && grant.is_none_or(|grant| grant.role != Role::Owner) {
            return Err(room_locked("the room is locked: ask somebody in it to unlock it"));
        }
        if self.token_only && grant.is_none() {
            let message = "one comes into this room with a link of one's own: use the one you were sent";
            return Err((ErrorCode::NeedsToken, message.to_owned()));
        }
        Ok(())
    }

    /// Whether somebody waits if there is a lobby: an application that signed a token has vouched for them, unless
    /// everybody here has one.
    pub(super) fn waits(&self, grant: Option<&Grant>) -> bool {
        grant.is_none_or(|grant| self.token_only && grant.role != Role::Owner)
    }

    /// Members at a time.
    pub(super) fn most(&self, of_server: usize) -> usize {
        self.members.map_or(of_server, |members| of_server.min(members as usize))
    }
}

impl Rendezvous {
    /// Carries out what an application asks for.
    pub(in crate::signal::rendezvous) fn administer(&mut self, what: Admin) -> Result<Reply, Failure> {
        match what {
            Admin::List { after, limit } => Ok(self.list(after.as_deref(), limit)),
            Admin::Get { room } => Ok(Reply::Room(Box::new(self.look_up(&room)?), false)),
            Admin::Create { kept, replace } => self.create(kept, replace),
            Admin::End { room } => self.end_room(&room),
            Admin::Members { room } => self.list_members(&room),
            Admin::Lobby { room } => self.list_waiting(&room),
            Admin::Recording { room } => match self.conference_at(&room) {
                Some((call, _)) => Ok(self.recording_reply(call)),
                None if self.kept.contains_key(&room) => Ok(Reply::Recording(None)),
                None => Err(no_such_room()),
            },
            Admin::Key { room, door, name, expires } => self.key_for(&room, door, name, expires),
            Admin::Breakout { room } => self.look_at_groups(&room),
            Admin::Act { room, act } => self.act_in(&room, act),
        }
    }

    /// Somebody comes to a room that was set up and has no conference.
    pub(in crate::signal::rendezvous) fn come_first(
        &mut self,
        key: SessionKey,
        room: &str,
        media: Media,
    ) -> Result<(), Failure> {
        if !self.knows_conferences(key) {
            return Err(room_full("this room is for many: it needs a newer client"));
        }
        let Some(kept) = self.kept.get(room) else { return Ok(()) };
        // Nobody who may not come in begins a conference.
        Rules::of(&kept.settings).may_pass(kept.settings.locked, self.grant_for(key, room))?;
        let before = kept
            .call
            .clone()
            .filter(|call| !self.conferences.contains_key(call) && !self.calls.contains_key(call));
        let (call, phase) = match before {
            Some(call) => (call, Phase::Returning { until: self.now + self.config.resume_timeout }),
            None => (BASE64.encode(self.rng.array::<16>()), Phase::Steady),
        };
        let encrypted = kept.settings.encrypted;
        self.open_conference(&call, room.to_owned(), phase)?;
        self.restore_encryption(room, encrypted);
        let came = self.come_in(key, &call, media);
        self.look_at_pair(&call);
        came
    }

    /// What a token lets this session do in a room.
    pub(super) fn grant_for(&self, key: SessionKey, room: &str) -> Option<&Grant> {
        self.sessions.get(&key)?.grant.as_deref().filter(|grant| grant.room == room)
    }

    pub(super) fn rules_of(&self, room: &str) -> Rules {
        self.kept.get(room).map(|kept| Rules::of(&kept.settings)).unwrap_or_default()
    }

    /// How the doors of a conference stand when it begins.
    pub(super) fn doors_of(&self, room: &str) -> Doors {
        let settings = self.kept.get(room).map(|kept| &kept.settings);
        settings.map_or(Doors::default(), |it| Doors {
            locked: it.locked,
            lobby: it.entry == Entry::Lobby,
            watching: it.watching,
        })
    }

    /// Whether a room that was set up is for people who encrypt for each other; `None` if none was.
    pub(in crate::signal::rendezvous) fn set_up_encrypted(&self, room: &str) -> Option<bool> {
        self.kept.get(room).map(|kept| kept.settings.encrypted)
    }

    pub(super) fn conference_at(&self, room: &str) -> Option<(&CallId, &Conference)> {
        let call = self.rooms.get(room)?.call()?;
        self.conferences.get_key_value(call)
    }

    fn list(&self, after: Option<&str>, limit: usize) -> Reply {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = (after.map_or(Unbounded, Excluded), Unbounded);
        let kept = self.kept.range::<str, _>(from).map(|(room, _)| room).take(limit + 1);
        let on = self.rooms.range::<str, _>(from).map(|(room, _)| room);
        let on = on.filter(|room| self.conference_at(room).is_some()).take(limit + 1);
        let names: BTreeSet<&String> = kept.chain(on).collect();
        let more = names.len() > limit;
        let rooms = names.into_iter().take(limit).filter_map(|room| self.look_up(room).ok());
        Reply::Rooms(rooms.collect(), more)
    }

    fn look_up(&self, room: &str) -> Result<Room, Failure> {
        let (kept, on) = (self.kept.get(room), self.conference_at(room));
        let settings = match (kept, on) {
            (None, None) => return Err(no_such_room()),
            (Some(kept), None) => kept.settings.clone(),
            (kept, Some((_, conference))) => self.settings_of(kept, conference),
        };
        let conference = on.map(|(_, conference)| conference);
        Ok(Room {
            room: room.to_owned(),
            settings,
            kept: kept.is_some(),
            age: conference.map(|conference| self.now.saturating_since(conference.since)),
            members: on.map_or(0, |(call, _)| self.family_len(call)),
            waiting: conference.map_or(0, |conference| conference.waiting.len()),
        })
    }

    /// How a room is now, which moderators may have changed since it was set up.
    fn settings_of(&self, kept: Option<&KeptRoom>, conference: &Conference) -> Settings {
        let Rules { title, token_only, newcomers, members, .. } = &conference.rules;
        let settings = kept.map(|kept| &kept.settings);
        Settings {
            title: title.clone(),
            entry: match (token_only, conference.lobby) {
                (true, _) => Entry::Token,
                (false, true) => Entry::Lobby,
                (false, false) => Entry::Open,
            },
            locked: conference.locked,
            role: *newcomers,
            members: *members,
            empty_timeout: settings.and_then(|settings| settings.empty_timeout),
            ends: settings.and_then(|settings| settings.ends),
            watching: conference.watching,
            encrypted: self.is_encrypted(&conference.room),
        }
    }

    /// Sets a room up, or changes how it is.
    fn create(&mut self, kept: Kept, replace: bool) -> Result<Reply, Failure> {
        let Kept { room, settings, ends_in, call } = kept;
        if room.is_empty() || room.len() > 64 || !is_base64url(&room) {
            let message = "a room's name has 1 to 64 characters of A-Z a-z 0-9 - _";
            return Err((ErrorCode::BadRoom, message.to_owned()));
        }
        if !self.config.forwarding {
            return Err(wrong_state("this server carries no media (`stun` is off), so it has no rooms"));
        }
        match self.kept.get(&room) {
            Some(before) if before.settings == settings && !replace => {
                return Ok(Reply::Room(Box::new(self.look_up(&room)?), false));
            }
            Some(_) if !replace => {
                let message =
                    "a room of this name is set up in another way: change that one, or take another name";
                return Err(wrong_state(message));
            }
            None if self.kept.len() >= self.config.kept_rooms => {
                let message = "as many rooms are set up as may be: end some, or give them an end";
                return Err(room_full(message));
            }
            None if self.is_call_of_two(&room) => {
                return Err(wrong_state(
                    "two people are in a call of their own under this name: take another",
                ));
            }
            Some(_) | None => {}
        }
        if settings.encrypted && settings.watching {
            let message =
                "a room that is end-to-end encrypted cannot be watched by players: leave one of the two out";
            return Err((ErrorCode::Encryption, message.to_owned()));
        }
        let used = self.rooms.contains_key(&room);
        if used && self.is_encrypted(&room) != settings.encrypted {
            let message =
                "somebody is in the room: whether it is end-to-end encrypted can be changed only before";
            return Err((ErrorCode::Encryption, message.to_owned()));
        }
        let ends = ends_in.map(|time| self.now + time);
        let on = self.conference_at(&room).map(|(call, _)| call.clone());
        let empty = on.is_none().then_some(self.now);
        let fresh = match self.kept.get_mut(&room) {
            Some(before) => {
                (before.settings, before.ends) = (settings, ends);
                false
            }
            None => {
                let due = None;
                let kept = KeptRoom { settings, call: call.or_else(|| on.clone()), ends, empty, due };
                self.kept.insert(room.clone(), kept);
                true
            }
        };
        self.schedule(&room);
        if let Some(call) = on {
            self.apply(&room, &call);
        }
        self.wake_for_kept(&room);
        Ok(Reply::Room(Box::new(self.look_up(&room)?), fresh))
    }

    fn is_call_of_two(&self, room: &str) -> bool {
        self.rooms.get(room).and_then(|place| place.call()).is_some_and(|call| self.calls.contains_key(call))
    }

    /// A conference that is on takes over how its room is set up now.
    fn apply(&mut self, room: &str, call: &CallId) {
        self.settle_pair(call);
        self.finish_from(call, None);
        let (rules, Doors { locked, lobby, watching }) = (self.rules_of(room), self.doors_of(room));
        let Some(conference) = self.conferences.get_mut(call) else { return };
        conference.rules = rules;
        (conference.locked, conference.watching) = (locked, watching);
        if matches!(conference.phase, Phase::Two { .. } | Phase::Stays) {
            self.set_phase(call, Phase::Steady);
        }
        self.set_lobby(call, lobby);
    }

    /// Whoever waits alone at a link that has become a room comes into it.
    fn wake_for_kept(&mut self, room: &str) {
        let waiting = self.rooms.get(room).and_then(|place| place.first_waiting());
        if let Some((key, media)) = waiting
            && self.conference_at(room).is_none()
            && let Err((code, message)) = self.come_first(key, room, media)
        {
            tracing::debug!(?code, message, "somebody who waits cannot come into the room");
        }
        self.wake_waiting(room);
    }

    fn end_room(&mut self, room: &str) -> Result<Reply, Failure> {
        let call = self.conference_at(room).map(|(call, _)| call.clone());
        if call.is_none() && !self.kept.contains_key(room) {
            return Err(no_such_room());
        }
        self.close_room(room, Why::Ended);
        Ok(Reply::Done)
    }

    /// Sends everybody away, and forgets how the room was set up.
    fn close_room(&mut self, room: &str, why: Why) {
        let kept = self.kept.remove(room);
        if let Some(due) = kept.as_ref().and_then(|kept| kept.due) {
            self.timers.clear(due, Timer::Room(room.to_owned()));
        }
        if let Some(call) = self.conference_at(room).map(|(call, _)| call.clone()) {
            self.finish_from(&call, None);
            self.close_conference(&call, EndReason::Closed);
        }
        if kept.is_some() {
            self.notice(room, None, What::Deleted(why));
        }
    }

    /// A room that was set up is due to be looked at.
    pub(in crate::signal::rendezvous) fn room_timeout(&mut self, room: &str) {
        let Some(kept) = self.kept.get_mut(room) else { return };
        kept.due = None;
        let over = kept.ends.is_some_and(|ends| ends <= self.now);
        self.close_room(room, if over { Why::Time } else { Why::Empty });
    }

    /// Sets the timer of a room to its end, or to the end of its time without anybody.
    fn schedule(&mut self, room: &str) {
        let Some(kept) = self.kept.get_mut(room) else { return };
        let timeout = kept.settings.empty_timeout.map(|seconds| Duration::from_secs(seconds.into()));
        let empty = kept.empty.zip(timeout).map(|(since, timeout)| since + timeout);
        let due = [kept.ends, empty].into_iter().flatten().min().map(|due| due.max(self.now));
        let before = std::mem::replace(&mut kept.due, due);
        if let Some(before) = before {
            self.timers.clear(before, Timer::Room(room.to_owned()));
        }
        if let Some(due) = due {
            self.timers.set(due, Timer::Room(room.to_owned()));
        }
    }

    pub(super) fn kept_started(&mut self, room: &str, call: &CallId) {
        let Some(kept) = self.kept.get_mut(room) else { return };
        (kept.call, kept.empty) = (Some(call.clone()), None);
        self.schedule(room);
    }

    pub(super) fn kept_ended(&mut self, room: &str) {
        let Some(kept) = self.kept.get_mut(room) else { return };
        (kept.call, kept.empty) = (None, Some(self.now));
        self.schedule(room);
    }
}

pub(super) fn no_such_room() -> Failure {
    (ErrorCode::NoSuchCall, "there is no such room: nobody has set it up, and nobody is in it".to_owned())
}
