//! What passes between a conference's members and the forwarder.

use super::{Conference, Member};
use crate::signal::forwarding::{LegKey, MediaCommand, MediaEvent, RoomKey, Source, Wish};
use crate::signal::protocol::{
    CallId, Candidate, Description, DescriptionKind, EndReason, ErrorCode, MemberNumber, Picture,
    ServerMessage, View, Want,
};
use crate::signal::rendezvous::calls::{Failure, wrong_state};
use crate::signal::rendezvous::session::Link;
use crate::signal::rendezvous::{Rendezvous, SessionKey};

/// Offers of one member that may wait for an answer.
const OFFERS: usize = 8;

impl Rendezvous {
    /// A member's offer goes to the forwarder.
    pub(in crate::signal::rendezvous) fn describe(
        &mut self,
        key: SessionKey,
        seq: u64,
        call: &CallId,
        description: Description,
    ) -> Result<(), Failure> {
        let (conference, number) = self.seat(key, call)?;
        let Some(member) = conference.members.get_mut(&number) else { return Ok(()) };
        if description.kind != DescriptionKind::Offer {
            return Err(wrong_state(
                "in a conference the client offers and the server answers: send an offer",
            ));
        }
        let Some(leg) = member.leg else {
            return Err(wrong_state("the media connection has ended: say `rejoin`, and offer a new one"));
        };
        if member.offers.len() >= OFFERS {
            return Err(wrong_state("too many offers wait for their answers: send the next one after those"));
        }
        member.offers.push_back(seq);
        self.forwarder(MediaCommand::Offer { leg, sdp: description.sdp });
        Ok(())
    }

    /// A member's candidate goes there as well.
    pub(in crate::signal::rendezvous) fn pass_candidate(
        &mut self,
        key: SessionKey,
        call: &CallId,
        candidate: Option<Candidate>,
    ) -> Result<(), Failure> {
        let (conference, number) = self.seat(key, call)?;
        let leg = conference.members.get(&number).and_then(|member| member.leg);
        if let (Some(leg), Some(candidate)) = (leg, candidate) {
            self.forwarder(MediaCommand::Candidate { leg, candidate: candidate.candidate });
        }
        Ok(())
    }

    pub(in crate::signal::rendezvous) fn lay_out(
        &mut self,
        key: SessionKey,
        call: &CallId,
        slots: Vec<Option<Want>>,
    ) -> Result<(), Failure> {
        let (conference, number) = self.seat(key, call)?;
        if let Some(member) = conference.members.get_mut(&number) {
            member.layout = slots;
        }
        self.send_layout(call, number);
        Ok(())
    }

    /// Tells the forwarder what a member wants to see, of those who are there.
    fn send_layout(&mut self, call: &CallId, number: MemberNumber) {
        let Some(conference) = self.conferences.get(call) else { return };
        let Some(member) = conference.members.get(&number) else { return };
        let Some(leg) = member.leg else { return };
        let wish = |want: &Option<Want>| {
            let Want { member, source, height } = (*want)?;
            let leg = conference.members.get(&member)?.leg?;
            let source = match source {
                Picture::Camera => Source::Camera,
                Picture::Screen => Source::Screen,
            };
            Some(Wish { leg, source, height })
        };
        let slots = member.layout.iter().map(wish).collect();
        self.forwarder(MediaCommand::Layout { leg, slots });
    }

    /// After a member got another leg: whoever wants to see them wants to see that.
    pub(super) fn lay_out_again(&mut self, call: &CallId, seen: MemberNumber) {
        let Some(conference) = self.conferences.get(call) else { return };
        let wants = |member: &Member| member.layout.iter().flatten().any(|want| want.member == seen);
        let viewers = conference.members.iter().filter(|(_, member)| wants(member));
        for viewer in viewers.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.send_layout(call, viewer);
        }
    }

    /// The forwarder has something to tell. What is about a leg or a room of before is of no interest.
    pub(in crate::signal::rendezvous) fn media_event(&mut self, event: MediaEvent) {
        match event {
            MediaEvent::RoomLost { room } => self.room_lost(room),
            MediaEvent::Answer { leg, answer } => self.answered(leg, answer),
            MediaEvent::Sending { leg, source, sending } => self.source_sends(leg, source, sending),
            MediaEvent::Unplayable { leg, slot } => {
                let Some((call, member)) = self.of_leg(leg) else { return };
                let session = member.session;
                self.tell_moment(session, ServerMessage::Unplayable { call, slot });
            }
            MediaEvent::Connected { leg } => self.set_connected(leg, true, false),
            MediaEvent::Lost { leg, over } => self.set_connected(leg, false, over),
            MediaEvent::Speaking { room, legs } => self.speaking(room, &legs),
            MediaEvent::Voices { leg, slots } => {
                let slots: Vec<Option<MemberNumber>> =
                    slots.into_iter().map(|leg| Some(self.legs.get(&leg?)?.1)).collect();
                let Some((call, member)) = self.of_leg(leg) else { return };
                member.voices.clone_from(&slots);
                let session = member.session;
                self.tell_moment(session, ServerMessage::Voices { call, slots });
            }
            MediaEvent::Shown { leg, slot, source } => {
                let source = source.and_then(|(leg, source)| {
                    let source = match source {
                        Source::Camera => Picture::Camera,
                        Source::Screen => Picture::Screen,
                        Source::Microphone => return None,
                    };
                    Some(View { member: self.legs.get(&leg)?.1, source })
                });
                let Some((call, member)) = self.of_leg(leg) else { return };
                match source {
                    Some(view) => member.shown.insert(slot, view),
                    None => member.shown.remove(&slot),
                };
                let session = member.session;
                self.tell_moment(session, ServerMessage::Shown { call, slot, source });
            }
            MediaEvent::Wanted { leg, rids } => {
                let Some((call, member)) = self.of_leg(leg) else { return };
                member.wanted = Some(rids.clone());
                let session = member.session;
                self.tell_moment(session, ServerMessage::Wanted { call, rids });
            }
        }
    }

    pub(super) fn of_leg(&mut self, leg: LegKey) -> Option<(CallId, &mut Member)> {
        let (call, number) = self.legs.get(&leg)?;
        let member = self.conferences.get_mut(call)?.members.get_mut(number)?;
        Some((call.clone(), member))
    }

    fn room_lost(&mut self, room: RoomKey) {
        if let Some(call) = self.rooms_by_key.get(&room).cloned() {
            tracing::warn!("a conference ends: the forwarder has no place for it");
            // A call of two that was to become it goes on.
            self.close_conference(&call, EndReason::Closed);
        }
    }

    fn answered(&mut self, leg: LegKey, answer: Result<String, String>) {
        if let Some(door) = self.door_of_leg(leg) {
            self.answered_door(door, answer);
            return;
        }
        let Some((call, member)) = self.of_leg(leg) else { return };
        let Some(about) = member.offers.pop_front() else { return };
        let session = member.session;
        let message = match answer {
            Ok(sdp) => {
                let description = Description { kind: DescriptionKind::Answer, sdp };
                ServerMessage::Description { call, device: None, description }
            }
            Err(message) => {
                self.stats.errors += 1;
                ServerMessage::Error { about, code: ErrorCode::BadDescription, message }
            }
        };
        self.tell(session, message);
    }

    fn set_connected(&mut self, leg: LegKey, connected: bool, over: bool) {
        let door = self.door_of_leg(leg);
        if let Some(door) = door {
            self.door_connected(door, connected, over);
        }
        let over = over && door.is_none();
        let Some((call, number)) = self.legs.get(&leg).cloned() else { return };
        let Some((_, member)) = self.of_leg(leg) else { return };
        let changed = std::mem::replace(&mut member.connected, connected) != connected;
        if over {
            member.leg = None;
            let (session, offers) = (member.session, std::mem::take(&mut member.offers));
            for about in offers {
                let message = "the media connection has ended: say `rejoin`, and offer a new one".to_owned();
                self.tell(session, ServerMessage::Error { about, code: ErrorCode::BadDescription, message });
            }
            self.end_leg(Some(leg));
        }
        if changed {
            self.tell_of(&call, number);
            self.look_at_from(&call);
        }
    }

    fn speaking(&mut self, room: RoomKey, legs: &[LegKey]) {
        let Some(call) = self.rooms_by_key.get(&room).cloned() else { return };
        let members: Vec<MemberNumber> = legs.iter().filter_map(|leg| Some(self.legs.get(leg)?.1)).collect();
        let Some(conference) = self.conferences.get_mut(&call) else { return };
        conference.speaking.clone_from(&members);
        self.record_speaking(&call, &members);
        self.tell_members_of_the_moment(
            &call,
            None,
            &ServerMessage::Speaking { call: call.clone(), members },
        );
        self.look_at_views(&call);
    }

    /// Tells a session something that is of no use later: not at all if it has no socket.
    pub(super) fn tell_moment(&mut self, key: SessionKey, message: ServerMessage) {
        if self.sessions.get(&key).is_some_and(|s| matches!(s.link, Link::Attached(_))) {
            self.tell(key, message);
        }
    }

    pub(super) fn tell_members_of_the_moment(
        &mut self,
        call: &CallId,
        except: Option<MemberNumber>,
        message: &ServerMessage,
    ) {
        let Some(conference) = self.conferences.get(call) else { return };
        let others = conference.members.iter().filter(|(number, _)| Some(**number) != except);
        for session in others.map(|(_, member)| member.session).collect::<Vec<_>>() {
            self.tell_moment(session, message.clone());
        }
    }

    /// A session has a socket again: it is told how the things are whose changes it may have missed.
    pub(in crate::signal::rendezvous) fn tell_how_things_are(&mut self, key: SessionKey) {
        let Some(call) = self.conference_of(key) else { return };
        let Ok((conference, number)) = self.seat(key, &call) else { return };
        let missed = conference.members.get_mut(&number).map(|member| std::mem::take(&mut member.missed));
        let Some(conference) = self.conferences.get(&call) else { return };
        let of = |number| {
            let member = self.described(conference, number)?;
            Some(ServerMessage::Member { call: call.clone(), member })
        };
        let mut messages: Vec<ServerMessage> =
            missed.into_iter().flatten().filter_map(|(n, _)| of(n)).collect();
        messages.extend(moments(conference, key, &call));
        for message in messages {
            self.tell(key, message);
        }
    }
}

/// What of the moment a member is to know, as it is now.
fn moments(conference: &Conference, key: SessionKey, call: &CallId) -> Vec<ServerMessage> {
    let number = conference.number_of(key);
    let Some(member) = number.and_then(|number| conference.members.get(&number)) else { return Vec::new() };
    let call = || call.clone();
    let mut messages = vec![ServerMessage::Speaking { call: call(), members: conference.speaking.clone() }];
    messages.push(ServerMessage::Voices { call: call(), slots: member.voices.clone() });
    let slots = u16::try_from(member.layout.len()).unwrap_or(u16::MAX);
    for slot in 0..slots {
        messages.push(ServerMessage::Shown { call: call(), slot, source: member.shown.get(&slot).copied() });
    }
    if let Some(rids) = member.wanted.clone() {
        messages.push(ServerMessage::Wanted { call: call(), rids });
    }
    messages
}
