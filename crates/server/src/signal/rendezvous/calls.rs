//! Calls: how they ring, and what passes in them.
//!
//! ```text
//! invite ── rings on every free device of the callee ──┬─ accept ───────────────► Running ─ end ─► over
//!    │                                                 ├─ decline, busy, timeout, cancel ─────────► over
//!    └─ the callee's own invite rings here: merge ─────┴─────────────────────────► Running
//! ```

use wire::Instant;

use super::early::Early;
use super::people::Entry;
use super::session::{Engaged, Link};
use super::started::Beginning;
use super::timers::Timer;
use super::{Rendezvous, SessionKey};
use crate::signal::protocol::{CallId, Description, EndReason, ErrorCode, Media, ServerMessage};

/// Why a request is not carried out, for a program and for a person.
pub(super) type Failure = (ErrorCode, String);

/// A call in one of its states.
pub(super) enum Call {
    Ringing(Ringing),
    Running(Running),
    Rejoining(Rejoining),
}

/// Rings on the callee's devices.
pub(super) struct Ringing {
    pub(super) caller: Side,
    /// The callee's id.
    pub(super) callee: String,
    /// The devices it rings on; never empty.
    pub(super) rung: Vec<Device>,
    /// The number of the next device.
    pub(super) numbers: u32,
    /// Whether the caller answers descriptions of devices that ring.
    pub(super) early: bool,
    pub(super) until: Instant,
}

/// One that rings.
pub(super) struct Device {
    pub(super) session: SessionKey,
    /// What the caller knows it by.
    pub(super) number: u32,
    /// What passes between it and the caller, if anything may.
    pub(super) early: Option<Box<Early>>,
}

/// What a caller offers.
#[derive(Clone, Copy)]
pub(super) struct Offered {
    pub(super) media: Media,
    pub(super) early: bool,
}

/// Between two sessions.
pub(super) struct Running {
    pub(super) polite: Side,
    pub(super) impolite: Side,
    /// Where they met, or their link.
    pub(super) room: Option<String>,
    /// Who would be owner of a conference: the one who opened the link, or came there first.
    pub(super) polite_hosts: bool,
    /// The conference that this call becomes, or came from, as long as it is in both.
    pub(super) conference: Option<CallId>,
    /// The impolite side's number, as long as what is said to it may have been meant for another ringing device.
    pub(super) device: Option<u32>,
}

/// One of the two came back to a call that the server had forgotten.
pub(super) struct Rejoining {
    pub(super) session: SessionKey,
    pub(super) person: String,
    pub(super) polite: bool,
    /// The id of the one who is awaited.
    pub(super) peer: String,
    pub(super) peer_media: Media,
    pub(super) room: Option<String>,
    pub(super) until: Instant,
}

/// One of the two in a call.
#[derive(Clone)]
pub(super) struct Side {
    pub(super) session: SessionKey,
    pub(super) person: String,
    pub(super) media: Media,
}

impl Ringing {
    pub(super) fn rings_at(&self, key: SessionKey) -> bool {
        self.rung.iter().any(|device| device.session == key)
    }
}

impl Running {
    /// The other side's session, if `key` is one of the two.
    pub(super) fn other(&self, key: SessionKey) -> Option<SessionKey> {
        match (self.polite.session, self.impolite.session) {
            (polite, impolite) if polite == key => Some(impolite),
            (polite, impolite) if impolite == key => Some(polite),
            _ => None,
        }
    }
}

/// What becomes of an invite.
enum Route {
    Oneself,
    End(EndReason),
    /// The callee's own invite to the caller rings already.
    Merge(CallId),
    Ring {
        callee: String,
        devices: Vec<SessionKey>,
    },
}

impl Rendezvous {
    pub(super) fn invite(
        &mut self,
        now: Instant,
        key: SessionKey,
        call: CallId,
        to: &str,
        offered: Offered,
    ) -> Result<(), Failure> {
        if !is_call_id(&call) || self.calls.contains_key(&call) || self.conferences.contains_key(&call) {
            let message = "the call's id is taken or malformed: draw 22 to 64 random characters of base64url";
            return Err((ErrorCode::BadCall, message.to_owned()));
        }
        self.may_begin(key)?;
        if self.draining {
            return Err(draining());
        }
        let Some(session) = self.sessions.get(&key) else { return Ok(()) };
        let caller = Side { session: key, person: session.person.clone(), media: offered.media };
        match self.route(now, &caller.person, to) {
            Route::Oneself => {
                return Err((ErrorCode::BadCall, "this is your own name: call somebody else".to_owned()));
            }
            Route::End(reason) => self.tell(key, ServerMessage::Ended { call, reason }),
            Route::Merge(theirs) => self.merge(call, caller, &theirs),
            Route::Ring { callee, devices } => {
                self.ring(now, call, (caller, offered.early), callee, &devices)
            }
        }
        Ok(())
    }

    /// Whether this session may begin a call: it is in none, and did not begin too many.
    pub(super) fn may_begin(&mut self, key: SessionKey) -> Result<(), Failure> {
        if self.sessions.get(&key).is_some_and(|session| session.engaged.is_busy()) {
            let message = "this session is in a call already: end it first";
            return Err((ErrorCode::BadCall, message.to_owned()));
        }
        self.may_try(key)
    }

    /// Whether this session did not begin too many calls.
    pub(super) fn may_try(&mut self, key: SessionKey) -> Result<(), Failure> {
        let now = self.now;
        let Some(session) = self.sessions.get_mut(&key) else { return Ok(()) };
        let own = session.invites.take(now, self.config.invites, 1);
        let address = self.addresses.entry(session.address).or_default();
        if own && address.invites.take(now, self.config.invites_per_address, 1) {
            return Ok(());
        }
        Err((ErrorCode::RateLimited, "too many calls one after the other: wait a little".to_owned()))
    }

    fn route(&self, now: Instant, caller: &str, to: &str) -> Route {
        let Some(entry) = self.people.resolve(to, caller) else {
            return Route::End(EndReason::Unavailable);
        };
        if entry.person.id == caller {
            return Route::Oneself;
        }
        if let Some(theirs) = self.their_invite(caller, &entry.person.id) {
            return Route::Merge(theirs);
        }
        let reachable: Vec<SessionKey> = self.reachable(now, entry).collect();
        if reachable.is_empty() {
            return Route::End(EndReason::Unavailable);
        }
        let devices: Vec<SessionKey> = reachable.into_iter().filter(|key| self.is_free(*key)).collect();
        if devices.is_empty() || entry.ringing.len() >= self.config.ringing_per_person {
            return Route::End(EndReason::Busy);
        }
        Route::Ring { callee: entry.person.id.clone(), devices }
    }

    /// The call by which `other` rings `person` now.
    fn their_invite(&self, person: &str, other: &str) -> Option<CallId> {
        let ringing = &self.people.get(person)?.ringing;
        let from_other = |call: &&CallId| match self.calls.get(*call) {
            Some(Call::Ringing(ringing)) => ringing.caller.person == other,
            Some(Call::Running(_) | Call::Rejoining(_)) | None => false,
        };
        ringing.iter().find(from_other).cloned()
    }

    /// The devices with a socket, or that had one a moment ago.
    fn reachable<'a>(&'a self, now: Instant, entry: &'a Entry) -> impl Iterator<Item = SessionKey> + 'a {
        entry.sessions.iter().copied().filter(move |key| match self.sessions.get(key).map(|s| s.link) {
            Some(Link::Attached(_)) => true,
            Some(Link::Detached(since)) => now.saturating_since(since) <= self.config.grace,
            None => false,
        })
    }

    fn is_free(&self, key: SessionKey) -> bool {
        self.sessions.get(&key).is_some_and(|s| !s.engaged.is_busy())
    }

    fn ring(
        &mut self,
        now: Instant,
        call: CallId,
        (caller, early): (Side, bool),
        callee: String,
        devices: &[SessionKey],
    ) {
        let timeout = seconds(self.config.ring_timeout);
        let until = now + self.config.ring_timeout;
        let Some(from) = self.people.get(&caller.person).map(|e| e.person.clone()) else { return };
        let Some(entry) = self.people.get_mut(&callee) else { return };
        entry.ringing.push(call.clone());
        let (to, media) = (entry.person.clone(), caller.media);
        self.stats.invites += 1;
        self.engage(caller.session, &call);
        self.tell(caller.session, ServerMessage::Ringing { call: call.clone(), to, timeout });
        let mut ringing = Ringing { caller, callee, rung: Vec::new(), numbers: 0, early, until };
        for device in devices {
            let early = ringing.add(*device, &self.config);
            let (call, from) = (call.clone(), from.clone());
            self.tell(*device, ServerMessage::Incoming { call, from, media, timeout, early });
        }
        self.timers.set(until, Timer::Ring(call.clone()));
        self.calls.insert(call, Call::Ringing(ringing));
    }

    /// A device that comes while a call rings for its person rings too.
    pub(super) fn ring_newcomer(&mut self, now: Instant, key: SessionKey) {
        let Some(session) = self.sessions.get(&key) else { return };
        let ringing = self.people.get(&session.person).map(|e| e.ringing.clone()).unwrap_or_default();
        for call in ringing {
            let Some(Call::Ringing(ringing)) = self.calls.get_mut(&call) else { continue };
            let early = ringing.add(key, &self.config);
            let timeout = seconds(ringing.until.saturating_since(now));
            let media = ringing.caller.media;
            let Some(from) = self.people.get(&ringing.caller.person).map(|e| e.person.clone()) else {
                continue;
            };
            self.tell(key, ServerMessage::Incoming { call, from, media, timeout, early });
        }
    }

    /// Two people invited each other: the smaller id wins, and counts as accepted by the other one.
    fn merge(&mut self, mine: CallId, me: Side, theirs: &CallId) {
        let Some(ringing) = self.end_ringing(theirs) else { return };
        self.tell_rung(&ringing.rung, Some(me.session), theirs, EndReason::Elsewhere);
        let them = ringing.caller;
        if mine < *theirs {
            self.ended(me.session, theirs, EndReason::Merged);
            self.ended(them.session, theirs, EndReason::Merged);
            self.start(&mine, Beginning::new(me, them, None));
        } else {
            self.ended(me.session, &mine, EndReason::Merged);
            self.start(theirs, Beginning::new(them, me, None));
        }
    }

    pub(super) fn accept(
        &mut self,
        key: SessionKey,
        call: &CallId,
        description: Option<Description>,
        media: Media,
    ) -> Result<(), Failure> {
        match self.calls.get(call) {
            Some(Call::Ringing(ringing)) if ringing.rings_at(key) => {}
            Some(Call::Ringing(ringing)) if ringing.caller.session == key => {
                return Err(wrong_state("a call is accepted by the one who is called"));
            }
            Some(Call::Running(running)) if running.other(key).is_some() => {
                return Err(wrong_state("this call is running already"));
            }
            Some(_) | None => return Err(no_such_call()),
        }
        let Some(Ringing { caller, callee, rung, .. }) = self.end_ringing(call) else { return Ok(()) };
        self.tell_rung(&rung, Some(key), call, EndReason::Elsewhere);
        let device = rung.into_iter().find(|device| device.session == key);
        let early = device.and_then(|device| Some((device.number, *device.early?)));
        let callee = Side { session: key, person: callee, media };
        self.start(call, Beginning { description, early, ..Beginning::new(caller, callee, None) });
        Ok(())
    }

    pub(super) fn decline(&mut self, key: SessionKey, call: &CallId, busy: bool) -> Result<(), Failure> {
        match self.calls.get(call) {
            Some(Call::Ringing(ringing)) if ringing.rings_at(key) => {}
            Some(Call::Ringing(ringing)) if ringing.caller.session == key => {
                return Err(wrong_state("a call is declined by the one who is called: cancel it with `end`"));
            }
            Some(Call::Running(running)) if running.other(key).is_some() => {
                return Err(wrong_state("this call is running: leave it with `end`"));
            }
            // It may just have been over: nothing is left to decline.
            Some(_) | None => return Ok(()),
        }
        let Some(ringing) = self.end_ringing(call) else { return Ok(()) };
        self.tell_rung(&ringing.rung, Some(key), call, EndReason::Elsewhere);
        let reason = if busy { EndReason::Busy } else { EndReason::Declined };
        self.ended(ringing.caller.session, call, reason);
        Ok(())
    }

    /// Ends a call in whatever state it is; nothing if it is over already.
    pub(super) fn end(&mut self, key: SessionKey, call: &CallId) {
        let Some(session) = self.sessions.get(&key) else { return };
        match session.engaged.clone() {
            Engaged::Call(own) | Engaged::Conference(own) if own == *call => {
                self.leave_call(key, EndReason::HungUp);
            }
            Engaged::Moving { call: of_two, conference } if of_two == *call || conference == *call => {
                self.end_moving(key, call, &of_two, &conference);
            }
            // One that rings here is declined; any other is not this session's, or no more.
            _ => drop(self.decline(key, call, false)),
        }
    }

    /// Takes a session out of its call, which is over with that, or its conference.
    pub(super) fn leave_call(&mut self, key: SessionKey, reason: EndReason) {
        let Some(session) = self.sessions.get(&key) else { return };
        match session.engaged.clone() {
            Engaged::Call(call) => self.leave_of_two(key, &call, reason),
            Engaged::Conference(call) => self.leave_conference(key, &call, reason),
            Engaged::Moving { call, conference } => self.leave_moving(key, &call, &conference, reason),
            Engaged::Free | Engaged::Room(_) | Engaged::Lobby(_) => {}
        }
    }

    /// Takes a session out of a call of two, or one that rings.
    pub(super) fn leave_of_two(&mut self, key: SessionKey, call: &CallId, reason: EndReason) {
        if let Some(ringing) = self.end_ringing(call) {
            self.tell_rung(&ringing.rung, None, call, EndReason::Cancelled);
        } else if let Some(running) = self.end_running(call) {
            if let Some(other) = running.other(key) {
                self.ended(other, call, reason);
            }
            self.vacate(running.room, call);
        } else {
            self.end_rejoining(call);
        }
    }

    /// Stops the calls that ring at this device. Where it was the last device, the call is over for `reason`.
    /// A device that goes on is told.
    pub(super) fn stop_ringing_at(&mut self, key: SessionKey, reason: EndReason) {
        let Some(session) = self.sessions.get(&key) else { return };
        let ringing = self.people.get(&session.person).map(|e| e.ringing.clone()).unwrap_or_default();
        for call in ringing {
            let Some(Call::Ringing(ringing)) = self.calls.get_mut(&call) else { continue };
            let Some(at) = ringing.rung.iter().position(|rung| rung.session == key) else { continue };
            ringing.rung.remove(at);
            let (last, caller) = (ringing.rung.is_empty(), ringing.caller.session);
            if reason == EndReason::Busy {
                self.ended(key, &call, reason);
            }
            if last {
                self.end_ringing(&call);
                self.ended(caller, &call, reason);
            }
        }
    }

    pub(super) fn ring_timeout(&mut self, call: &CallId) {
        let Some(ringing) = self.end_ringing(call) else { return };
        self.ended(ringing.caller.session, call, EndReason::Timeout);
        self.tell_rung(&ringing.rung, None, call, EndReason::Timeout);
    }

    /// Tells the devices at which a call rang that it is over for them; all `but` one.
    fn tell_rung(&mut self, rung: &[Device], but: Option<SessionKey>, call: &CallId, reason: EndReason) {
        for device in rung.iter().filter(|device| Some(device.session) != but) {
            self.ended(device.session, call, reason);
        }
    }

    /// Tells the other side of this session's call whether it can be reached.
    pub(super) fn peer_present(&mut self, key: SessionKey, present: bool) {
        let Some(session) = self.sessions.get(&key) else { return };
        if let Some(call) = session.engaged.call_of_two()
            && let Some(Call::Running(running)) = self.calls.get(call)
            && let Some(other) = running.other(key)
        {
            let call = call.clone();
            self.tell(other, ServerMessage::Peer { call, present });
        }
        if let Some(conference) = self.conference_of(key) {
            self.look_at_pair(&conference);
        }
    }

    /// Puts a device into a call: it waits nowhere any more, and nothing else rings there.
    pub(super) fn engage(&mut self, key: SessionKey, call: &CallId) {
        self.leave_room(key);
        self.stop_ringing_at(key, EndReason::Busy);
        if let Some(session) = self.sessions.get_mut(&key) {
            session.engaged = match std::mem::replace(&mut session.engaged, Engaged::Free) {
                Engaged::Conference(conference) => Engaged::Moving { call: call.clone(), conference },
                _ => Engaged::Call(call.clone()),
            };
        }
    }

    /// The device is in this call of two no more.
    pub(super) fn release(&mut self, key: SessionKey, call: &CallId) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        session.engaged = match std::mem::replace(&mut session.engaged, Engaged::Free) {
            Engaged::Moving { call: of_two, conference } if of_two == *call => {
                Engaged::Conference(conference)
            }
            Engaged::Call(of_two) if of_two == *call => Engaged::Free,
            other => other,
        };
    }

    pub(super) fn ended(&mut self, key: SessionKey, call: &CallId, reason: EndReason) {
        self.tell(key, ServerMessage::Ended { call: call.clone(), reason });
    }

    /// Takes a ringing call out of every table; says nothing to anybody.
    fn end_ringing(&mut self, call: &CallId) -> Option<Ringing> {
        match self.calls.remove(call)? {
            Call::Ringing(ringing) => {
                self.timers.clear(ringing.until, Timer::Ring(call.clone()));
                if let Some(entry) = self.people.get_mut(&ringing.callee) {
                    entry.ringing.retain(|c| c != call);
                }
                self.release(ringing.caller.session, call);
                Some(ringing)
            }
            other @ (Call::Running(_) | Call::Rejoining(_)) => {
                self.calls.insert(call.clone(), other);
                None
            }
        }
    }

    /// The same for a running one.
    pub(super) fn end_running(&mut self, call: &CallId) -> Option<Running> {
        match self.calls.remove(call)? {
            Call::Running(running) => {
                self.release(running.polite.session, call);
                self.release(running.impolite.session, call);
                if let Some(conference) = &running.conference {
                    self.pair_ended(conference, call);
                }
                Some(running)
            }
            other @ (Call::Ringing(_) | Call::Rejoining(_)) => {
                self.calls.insert(call.clone(), other);
                None
            }
        }
    }
}

/// 22 to 64 characters of base64url: 128 bits or more.
pub(super) fn is_call_id(call: &str) -> bool {
    (22..=64).contains(&call.len()) && is_base64url(call)
}

pub(super) fn is_base64url(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

pub(super) fn draining() -> Failure {
    (ErrorCode::Draining, "the server is about to stop: call again in a moment".to_owned())
}

pub(super) fn wrong_state(message: &str) -> Failure {
    (ErrorCode::WrongState, message.to_owned())
}

pub(super) fn no_such_call() -> Failure {
    (ErrorCode::NoSuchCall, "there is no such call, or this session is not in it".to_owned())
}

fn seconds(duration: std::time::Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}
