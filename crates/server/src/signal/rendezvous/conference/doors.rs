//! Who comes by HTTP: encoders, which are members without a session, and viewers, who are counted only.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use wire::Instant;

use super::{Encoder, Phase};
use crate::signal::bus::Event;
use crate::signal::doors::{DoorCommand, DoorEvent, DoorId, DoorRefusal, Glance, Purpose};
use crate::signal::forwarding::{LegKey, MediaCommand, Part, Wish};
use crate::signal::protocol::{CallId, EndReason, ErrorCode, Media, MemberNumber, Role, ServerMessage};
use crate::signal::rendezvous::address::network;
use crate::signal::rendezvous::calls::{Failure, Side};
use crate::signal::rendezvous::rooms::is_room;
use crate::signal::rendezvous::ticket::Seat;
use crate::signal::rendezvous::timers::Timer;
use crate::signal::rendezvous::{Rendezvous, SessionKey};

/// Offers of one door that may wait for an answer.
const OFFERS: usize = 4;

/// The place that somebody holds by HTTP.
pub(in crate::signal::rendezvous) struct Place {
    pub(super) call: CallId,
    pub(super) holder: Holder,
    /// Counted for this address.
    address: IpAddr,
    /// Offers that are not answered.
    offers: usize,
    /// Whether one was.
    answered: bool,
    /// When it is given up if it is not connected by then.
    until: Option<Instant>,
}

/// Who holds it.
pub(in crate::signal::rendezvous) enum Holder {
    /// An encoder, by its number.
    Member(MemberNumber),
    Viewer {
        leg: LegKey,
        glance: Glance,
        /// What the forwarder was told: what to show, and whose voice.
        told: (Option<Wish>, Option<LegKey>),
    },
}

type Refused = (DoorRefusal, String);

impl Rendezvous {
    /// Something happened at a door. What is about one that is gone is of no interest.
    pub(in crate::signal::rendezvous) fn door(&mut self, door: DoorId, command: DoorCommand) {
        match command {
            DoorCommand::Enter { address, room, purpose, sdp } => {
                if self.doors.contains_key(&door) {
                    return;
                }
                if let Err((refusal, message)) = self.enter_by(door, address, &room, purpose) {
                    self.stats.doors_refused += 1;
                    self.tell_door(door, DoorEvent::Refused(refusal, message));
                    return;
                }
                self.stats.doors_opened += 1;
                self.offer_by(door, sdp);
            }
            DoorCommand::Offer { sdp } => self.offer_by(door, sdp),
            DoorCommand::Candidate { candidate } => {
                if let Some(leg) = self.leg_of_door(door) {
                    self.forwarder(MediaCommand::Candidate { leg, candidate });
                }
            }
            DoorCommand::Leave => self.close_door(door, EndReason::HungUp),
        }
    }

    fn tell_door(&mut self, door: DoorId, event: DoorEvent) {
        self.events.push_back(Event::Door { door, event });
    }

    fn enter_by(
        &mut self,
        door: DoorId,
        address: IpAddr,
        room: &str,
        purpose: Purpose,
    ) -> Result<(), Refused> {
        if !is_room(room) {
            let message = "a room's name has 1 to 64 characters of A-Z a-z 0-9 - _";
            return Err((DoorRefusal::BadRoom, message.to_owned()));
        }
        if self.draining {
            return Err((
                DoorRefusal::Draining,
                "the server is about to stop: try again in a moment".to_owned(),
            ));
        }
        if !self.config.forwarding {
            let message = "this server forwards no media: its administrator has switched STUN off";
            return Err((DoorRefusal::Full, message.to_owned()));
        }
        if self.is_encrypted(room) {
            let message =
                "the room is end-to-end encrypted, which encoders and players cannot do: use another room";
            return Err((DoorRefusal::Encrypted, message.to_owned()));
        }
        let address = network(address);
        self.sweep_addresses(self.now);
        let (rate, most) = (self.config.invites_per_address, self.config.sessions_per_address);
        let counted = self.addresses.entry(address).or_default();
        if counted.sessions >= most || !counted.invites.take(self.now, rate, 1) {
            let message = "too many connections from this address: close some, or wait a little";
            return Err((DoorRefusal::TooMany, message.to_owned()));
        }
        let (call, holder) = match purpose {
            Purpose::Publish { holder, name } => self.publish(door, room, holder, name)?,
            Purpose::Watch { invited, glance } => self.watch(door, room, invited, glance)?,
        };
        self.addresses.entry(address).or_default().sessions += 1;
        let until = self.now + self.config.door_timeout;
        self.timers.set(until, Timer::Door(door));
        let place = Place { call, holder, address, offers: 0, answered: false, until: Some(until) };
        let call = place.call.clone();
        let alone = matches!(place.holder, Holder::Member(_));
        self.doors.insert(door, place);
        self.look_at_views(&call);
        if alone {
            // Who waits at the link comes in, now that there is somebody.
            self.wake_waiting(room);
        }
        Ok(())
    }

    /// An encoder becomes a member, in the place of one with the same key.
    fn publish(
        &mut self,
        door: DoorId,
        room: &str,
        holder: String,
        name: String,
    ) -> Result<(CallId, Holder), Refused> {
        let call = match self.call_at(room) {
            Some(call) if self.conferences.contains_key(&call) => call,
            Some(call) => self.begin_conference(&call).map_err(refused)?,
            None => {
                let id = BASE64.encode(self.rng.array::<16>());
                self.open_conference(&id, room.to_owned(), Phase::Steady).map_err(refused)?;
                id
            }
        };
        let full = self.family_len(&call) >= self.config.members_per_conference;
        let Some(conference) = self.conferences.get_mut(&call) else { return Err(refused(gone())) };
        if conference.removed.contains(&holder) {
            let message = "an owner removed this encoder from the room: ask them for another key";
            return Err((DoorRefusal::Removed, message.to_owned()));
        }
        let same = |member: &super::Member| member.encoder.is_some() && member.person == holder;
        let mine = conference.members.iter().find(|(_, member)| same(member)).map(|(number, _)| *number);
        if let Some(number) = mine {
            let member = conference.members.get_mut(&number);
            let encoder = member.and_then(|member| member.encoder.as_mut());
            let old = encoder.map(|encoder| std::mem::replace(encoder, Encoder::new(door, name)).door);
            if let Some(old) = old {
                self.forget_door(old, EndReason::Elsewhere);
            }
            self.new_leg(&call, number);
            self.show_sending(&call, number);
            self.tell_of(&call, number);
            return Ok((call, Holder::Member(number)));
        }
        if conference.locked {
            let message = "the room is locked: ask somebody in it to unlock it";
            return Err((DoorRefusal::Locked, message.to_owned()));
        }
        if full {
            return Err((DoorRefusal::Full, "as many people are in this room as may be".to_owned()));
        }
        let number = conference.next_number;
        // No session has this key: who is told something under it is told nothing.
        let session = SessionKey(self.next_session);
        self.next_session += 1;
        let side = Side { session, person: holder, media: Media::default() };
        self.seat_down(&call, number, &side, Role::Presenter, Some(Encoder::new(door, name)));
        self.tell_of_new(&call, number);
        self.look_at_pair(&call);
        Ok((call, Holder::Member(number)))
    }

    fn watch(
        &mut self,
        door: DoorId,
        room: &str,
        invited: bool,
        glance: Glance,
    ) -> Result<(CallId, Holder), Refused> {
        let Some(call) = self.call_at(room) else {
            return Err((DoorRefusal::Empty, "nobody is in this room now: try again later".to_owned()));
        };
        let conference = self.conferences.get(&call);
        if !invited && !conference.is_some_and(|conference| conference.watching) {
            let message = "watching this room needs a key: an owner of the room finds one under \"People\", or can \
                let everybody watch";
            return Err((DoorRefusal::NeedsKey, message.to_owned()));
        }
        let call = if conference.is_some() { call } else { self.begin_conference(&call).map_err(refused)? };
        let most = self.config.viewers_per_conference;
        let Some(conference) = self.conferences.get_mut(&call) else { return Err(refused(gone())) };
        if conference.locked {
            let message = "the room is locked: ask somebody in it to unlock it";
            return Err((DoorRefusal::Locked, message.to_owned()));
        }
        if let Some(number) = glance.member.filter(|number| !conference.members.contains_key(number)) {
            let there: Vec<String> = conference.members.keys().map(ToString::to_string).collect();
            let message =
                format!("nobody in this room has the number {number}: there are {}", there.join(", "));
            return Err((DoorRefusal::NoMember, message));
        }
        if conference.viewers.len() >= most {
            return Err((DoorRefusal::Full, "as many watch this room as may: try again later".to_owned()));
        }
        conference.viewers.insert(door);
        let (room, leg) = (conference.key, LegKey(self.next_leg));
        self.next_leg += 1;
        self.viewer_legs.insert(leg, door);
        let part = Part::Viewer { follows: glance == Glance::default() };
        self.forwarder(MediaCommand::Join { room, leg, number: 0, part });
        self.viewers_changed(&call);
        self.look_at_pair(&call);
        Ok((call, Holder::Viewer { leg, glance, told: (None, None) }))
    }

    fn leg_of_door(&self, door: DoorId) -> Option<LegKey> {
        let place = self.doors.get(&door)?;
        match &place.holder {
            Holder::Member(number) => self.conferences.get(&place.call)?.members.get(number)?.leg,
            Holder::Viewer { leg, .. } => Some(*leg),
        }
    }

    fn offer_by(&mut self, door: DoorId, sdp: String) {
        let leg = self.leg_of_door(door);
        let Some(place) = self.doors.get_mut(&door) else { return };
        let Some(leg) = leg.filter(|_| place.offers < OFFERS) else {
            let message = "too many offers wait for their answers: send the next one after those".to_owned();
            self.tell_door(door, DoorEvent::Answer(Err(message)));
            return;
        };
        place.offers += 1;
        self.forwarder(MediaCommand::Offer { leg, sdp });
    }

    /// The door of a leg, if it belongs to one.
    pub(super) fn door_of_leg(&self, leg: LegKey) -> Option<DoorId> {
        if let Some(door) = self.viewer_legs.get(&leg) {
            return Some(*door);
        }
        let (call, number) = self.legs.get(&leg)?;
        let member = self.conferences.get(call)?.members.get(number)?;
        member.encoder.as_ref().map(|encoder| encoder.door)
    }

    /// The forwarder has answered an offer that came by a door.
    pub(super) fn answered_door(&mut self, door: DoorId, answer: Result<String, String>) {
        let Some(place) = self.doors.get_mut(&door) else { return };
        place.offers = place.offers.saturating_sub(1);
        match answer {
            Err(message) if !place.answered => {
                self.tell_door(door, DoorEvent::Refused(DoorRefusal::Offer, message));
                self.close_door(door, EndReason::Closed);
            }
            answer => {
                place.answered |= answer.is_ok();
                self.tell_door(door, DoorEvent::Answer(answer));
            }
        }
    }

    /// A door's media flow, or do not any more: then it is waited for as long as for its first connection.
    pub(super) fn door_connected(&mut self, door: DoorId, connected: bool, over: bool) {
        let Some(place) = self.doors.get_mut(&door) else { return };
        if over {
            self.close_door(door, EndReason::Lost);
            return;
        }
        let until = (!connected).then(|| place.until.unwrap_or(self.now + self.config.door_timeout));
        if let Some(before) = std::mem::replace(&mut place.until, until) {
            self.timers.clear(before, Timer::Door(door));
        }
        if let Some(until) = until {
            self.timers.set(until, Timer::Door(door));
        }
    }

    /// It was not connected for too long.
    pub(in crate::signal::rendezvous) fn door_timeout(&mut self, door: DoorId) {
        if let Some(place) = self.doors.get_mut(&door) {
            place.until = None;
        }
        self.close_door(door, EndReason::Lost);
    }

    /// Takes whoever came by a door out of the room.
    fn close_door(&mut self, door: DoorId, reason: EndReason) {
        let Some(place) = self.doors.get(&door) else { return };
        let call = place.call.clone();
        match place.holder {
            // This forgets the door as well.
            Holder::Member(number) => self.take_out(&call, number, reason),
            Holder::Viewer { leg, .. } => {
                self.forget_door(door, reason);
                self.viewer_legs.remove(&leg);
                self.forwarder(MediaCommand::Leave { leg });
                if let Some(conference) = self.conferences.get_mut(&call) {
                    conference.viewers.remove(&door);
                }
                self.viewers_changed(&call);
                self.look_at_views(&call);
                self.look_at_pair(&call);
            }
        }
    }

    /// A door leads nowhere any more; what it led to is seen to by the caller.
    pub(super) fn forget_door(&mut self, door: DoorId, reason: EndReason) {
        let Some(place) = self.doors.remove(&door) else { return };
        if let Some(until) = place.until {
            self.timers.clear(until, Timer::Door(door));
        }
        if let Some(address) = self.addresses.get_mut(&place.address) {
            address.sessions -= 1;
        }
        self.tell_door(door, DoorEvent::Ended(reason));
    }

    /// Somebody comes back after a restart whose number an encoder was given meanwhile: that one gets another.
    pub(super) fn make_way(&mut self, call: &CallId, seat: &Seat) {
        let Some(conference) = self.conferences.get_mut(call) else { return };
        let taken = conference.members.get(&seat.number).is_some_and(|member| member.encoder.is_some());
        if !taken || !matches!(conference.phase, Phase::Returning { .. }) {
            return;
        }
        self.tell_news(call);
        let Some(conference) = self.conferences.get_mut(call) else { return };
        let number = conference.next_number.max(seat.number + 1);
        conference.next_number = number + 1;
        let Some(member) = conference.members.remove(&seat.number) else { return };
        let (leg, door) = (member.leg, member.encoder.as_ref().map(|encoder| encoder.door));
        conference.members.insert(number, member);
        if let Some(leg) = leg.and_then(|leg| self.legs.get_mut(&leg)) {
            leg.1 = number;
        }
        if let Some(place) = door.and_then(|door| self.doors.get_mut(&door)) {
            place.holder = Holder::Member(number);
        }
        let (call, reason) = (call.clone(), EndReason::Moved);
        self.tell_members(
            &call,
            None,
            &ServerMessage::MemberLeft { call: call.clone(), number: seat.number, reason },
        );
        self.tell_of_new(&call, number);
    }

    /// A conference of encoders goes on under the id by which its members from before a restart know it.
    pub(super) fn adopt(&mut self, call: &CallId, id: &CallId) {
        let Some(conference) = self.conferences.remove(call) else { return };
        for (_, member) in conference.members.iter() {
            if let Some(leg) = member.leg.and_then(|leg| self.legs.get_mut(&leg)) {
                leg.0.clone_from(id);
            }
        }
        for place in self.doors.values_mut().filter(|place| place.call == *call) {
            place.call.clone_from(id);
        }
        if let Some(due) = conference.viewers_due {
            self.timers.clear(due, Timer::Viewers(call.clone()));
            self.timers.set(due, Timer::Viewers(id.clone()));
        }
        if let Some(due) = conference.news.due {
            self.timers.clear(due, Timer::News(call.clone()));
            self.timers.set(due, Timer::News(id.clone()));
        }
        self.rooms_by_key.insert(conference.key, id.clone());
        self.rooms.entry(conference.room.clone()).or_default().take(id);
        self.conferences.insert(id.clone(), conference);
    }
}

fn gone() -> Failure {
    (ErrorCode::NoSuchCall, "the conference has just ended: try again".to_owned())
}

/// Why somebody with a page would not come in either.
fn refused((code, message): Failure) -> Refused {
    let refusal = match code {
        ErrorCode::RoomLocked => DoorRefusal::Locked,
        ErrorCode::RateLimited => DoorRefusal::TooMany,
        ErrorCode::Draining => DoorRefusal::Draining,
        _ => DoorRefusal::Full,
    };
    (refusal, message)
}
