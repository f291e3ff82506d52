//! What owners may do.

use super::come::room_full;
use super::{Mute, Phase};
use crate::signal::admin::What;
use crate::signal::forwarding::{MediaCommand, Source};
use crate::signal::protocol::{
    Action, CallId, EndReason, ErrorCode, MemberNumber, Role, Sending, ServerMessage,
};
use crate::signal::rendezvous::calls::{Failure, Side, no_such_call, wrong_state};
use crate::signal::rendezvous::{Rendezvous, SessionKey};

impl Rendezvous {
    pub(in crate::signal::rendezvous) fn moderate(
        &mut self,
        key: SessionKey,
        call: &CallId,
        action: Action,
    ) -> Result<(), Failure> {
        let (conference, by) = self.seat(key, call)?;
        if conference.members.get(&by).is_none_or(|member| member.role != Role::Owner) {
            let message = "only an owner of the conference may do this";
            return Err((ErrorCode::NotAllowed, message.to_owned()));
        }
        if matches!(conference.phase, Phase::To { .. }) {
            // Two who are on their way to each other stay here for it.
            self.settle_pair(call);
        }
        let (_, by) = self.seat(key, call)?;
        self.act(call, by, action)
    }

    /// Does what a moderator wants; an application has no number, so it is member 0.
    pub(super) fn act(&mut self, call: &CallId, by: MemberNumber, action: Action) -> Result<(), Failure> {
        // A group's doors are the main room's, and so is its end.
        let call = &match action {
            Action::Admit { .. }
            | Action::Deny { .. }
            | Action::Lock { .. }
            | Action::Lobby { .. }
            | Action::Watching { .. }
            | Action::Listeners { .. }
            | Action::End => self.main_of(call),
            Action::Mute { .. }
            | Action::MuteAll
            | Action::Unmute { .. }
            | Action::Remove { .. }
            | Action::Promote { .. }
            | Action::Demote { .. }
            | Action::Record { .. } => call.clone(),
        };
        let conference = self.conferences.get_mut(call).ok_or_else(no_such_call)?;
        match action {
            Action::Mute { member } => self.mute(call, by, member)?,
            Action::MuteAll => {
                let others = conference.members.iter().filter(|(_, member)| member.role != Role::Owner);
                for other in others.map(|(number, _)| *number).collect::<Vec<_>>() {
                    self.mute(call, by, other)?;
                }
            }
            Action::Unmute { member } => self.unmute(call, member)?,
            Action::Remove { member } => self.remove(call, by, member)?,
            Action::Admit { member } => self.admit(call, member)?,
            Action::Deny { member } => {
                let waiter = conference.waiting.remove(&member).ok_or_else(no_such_member)?;
                self.release_conference(waiter.session, call);
                self.ended(waiter.session, call, EndReason::Declined);
                self.tell_knocking(call);
                self.look_at_pair(call);
            }
            Action::Promote { member } => self.step(call, member, true)?,
            Action::Demote { member } => self.step(call, member, false)?,
            Action::Lock { on } => {
                conference.locked = on;
                let room = conference.room.clone();
                self.tell_settings(call);
                // Who waited for a moment in which nobody could come in.
                self.wake_waiting(&room);
            }
            Action::Lobby { on } => self.set_lobby(call, on),
            Action::Record { on } => self.record(call, by, on)?,
            Action::Watching { on } => {
                conference.watching = on;
                self.tell_settings(call);
            }
            Action::Listeners { on } => {
                conference.rules.newcomers = if on { Role::Attendee } else { Role::Presenter };
                self.tell_settings(call);
            }
            Action::End => {
                self.finish_from(call, None);
                self.close_conference(call, EndReason::Closed);
            }
        }
        Ok(())
    }

    fn mute(&mut self, call: &CallId, by: MemberNumber, number: MemberNumber) -> Result<(), Failure> {
        let conference = self.conferences.get(call).ok_or_else(no_such_member)?;
        let member = conference.members.get(&number).ok_or_else(no_such_member)?;
        if let Some(leg) = member.leg {
            self.forwarder(MediaCommand::Allow { leg, source: Source::Microphone, allowed: false });
        }
        self.tell_muted(call, number, by);
        self.tell_of(call, number);
        Ok(())
    }

    /// An encoder's sound is passed on again.
    fn unmute(&mut self, call: &CallId, number: MemberNumber) -> Result<(), Failure> {
        let conference = self.conferences.get_mut(call).ok_or_else(no_such_member)?;
        let member = conference.members.get_mut(&number).ok_or_else(no_such_member)?;
        if member.encoder.is_none() {
            return Err(wrong_state("people unmute themselves: only an encoder is unmuted by others"));
        }
        if std::mem::replace(&mut member.mute, Mute::No) == Mute::No {
            return Ok(());
        }
        let leg = member.leg.filter(|_| member.role != Role::Attendee);
        if let Some(leg) = leg {
            self.forwarder(MediaCommand::Allow { leg, source: Source::Microphone, allowed: true });
        }
        self.show_sending(call, number);
        self.tell_of(call, number);
        Ok(())
    }

    /// An encoder is shown to send what arrives of it and may pass. Whether that is something else than before.
    pub(super) fn show_sending(&mut self, call: &CallId, number: MemberNumber) -> bool {
        let member = self.conferences.get_mut(call).and_then(|c| c.members.get_mut(&number));
        let Some(member) = member else { return false };
        let Some(encoder) = &member.encoder else { return false };
        let mut sending = encoder.flowing;
        sending.microphone &= member.mute == Mute::No;
        if member.role == Role::Attendee {
            sending = Sending::default();
        }
        std::mem::replace(&mut member.sending, sending) != sending
    }

    /// Tells a member that they are muted, and keeps in mind since which of their messages they know.
    pub(super) fn tell_muted(&mut self, call: &CallId, number: MemberNumber, by: MemberNumber) {
        let member = self.conferences.get(call).and_then(|c| c.members.get(&number));
        let Some(session) = member.map(|member| member.session) else { return };
        self.tell(session, ServerMessage::Muted { call: call.clone(), by });
        let told = self.sessions.get(&session).map_or(0, |session| session.outbox.last());
        let member = self.conferences.get_mut(call).and_then(|c| c.members.get_mut(&number));
        if let Some(member) = member {
            member.mute = Mute::By(by, told);
            member.sending.microphone = false;
        }
    }

    fn remove(&mut self, call: &CallId, by: MemberNumber, number: MemberNumber) -> Result<(), Failure> {
        if by == number {
            return Err(wrong_state("nobody removes themselves: leave with `end`"));
        }
        let conference = self.conferences.get(call).ok_or_else(no_such_member)?;
        let member = conference.members.get(&number).ok_or_else(no_such_member)?;
        let (session, person) = (member.session, member.person.clone());
        // Another device of an owner's may leave, but an owner may come back.
        let same = conference.members.get(&by).is_some_and(|owner| owner.person == person);
        if let Some(main) = self.conferences.get_mut(&self.main_of(call)).filter(|_| !same) {
            main.removed.insert(person);
        }
        self.finish_from(call, None);
        self.take_out(call, number, EndReason::Removed);
        self.ended(session, call, EndReason::Removed);
        Ok(())
    }

    fn admit(&mut self, call: &CallId, number: MemberNumber) -> Result<(), Failure> {
        let most = self.config.members_per_conference;
        let conference = self.conferences.get_mut(call).ok_or_else(no_such_member)?;
        let (most, newcomers) = (conference.rules.most(most), conference.rules.newcomers);
        if !conference.waiting.contains_key(&number) {
            return Err(no_such_member());
        }
        if self.family_len(call) >= most {
            return Err(room_full("as many people are in this room as may be"));
        }
        let Some(conference) = self.conferences.get_mut(call) else { return Ok(()) };
        let Some(waiter) = conference.waiting.remove(&number) else { return Ok(()) };
        self.release_conference(waiter.session, call);
        let side = Side { session: waiter.session, person: waiter.person, media: waiter.media };
        self.enter(call, number, &side, waiter.granted.unwrap_or(newcomers));
        self.tell_knocking(call);
        Ok(())
    }

    pub(super) fn set_lobby(&mut self, call: &CallId, on: bool) {
        let Some(conference) = self.conferences.get_mut(call) else { return };
        conference.lobby = on;
        let waiting: Vec<MemberNumber> = conference.waiting.keys().copied().collect();
        self.tell_settings(call);
        if on {
            return;
        }
        for number in waiting {
            if self.admit(call, number).is_err() {
                break; // full: the rest goes on waiting
            }
        }
    }

    pub(super) fn tell_settings(&mut self, call: &CallId) {
        let Some(conference) = self.conferences.get(call) else { return };
        let settings = |call: CallId| ServerMessage::Settings {
            call,
            locked: conference.locked,
            lobby: conference.lobby,
            watching: conference.watching,
            listeners: conference.rules.newcomers == Role::Attendee,
            title: conference.rules.title.clone(),
        };
        let news: Vec<(CallId, ServerMessage)> =
            self.family(call).into_iter().map(|call| (call.clone(), settings(call))).collect();
        for (call, message) in news {
            self.tell_members(&call, None, &message);
        }
        self.look_at_pair(call);
    }

    /// One step up or down.
    fn step(&mut self, call: &CallId, number: MemberNumber, up: bool) -> Result<(), Failure> {
        let conference = self.conferences.get(call).ok_or_else(no_such_member)?;
        let member = conference.members.get(&number).ok_or_else(no_such_member)?;
        let role = match (member.role, up) {
            (Role::Attendee, true) | (Role::Owner, false) => Role::Presenter,
            (Role::Presenter, true) => Role::Owner,
            (Role::Presenter, false) => Role::Attendee,
            (Role::Owner, true) | (Role::Attendee, false) => return Ok(()),
        };
        if role == Role::Owner && member.encoder.is_some() {
            return Err(wrong_state("an encoder cannot moderate: promote a person"));
        }
        if member.role == Role::Owner && self.family_owners(call) == 1 {
            return Err(wrong_state("the only owner stays one: make somebody else an owner first"));
        }
        self.set_role(call, number, role);
        Ok(())
    }

    pub(super) fn set_role(&mut self, call: &CallId, number: MemberNumber, role: Role) {
        let member = self.conferences.get_mut(call).and_then(|c| c.members.get_mut(&number));
        let Some(member) = member else { return };
        let before = std::mem::replace(&mut member.role, role);
        let silenced = role == Role::Attendee;
        if silenced {
            member.sending = Sending::default();
        }
        let (leg, muted, session) = (member.leg, member.mute != Mute::No, member.session);
        if let Some(leg) = leg.filter(|_| silenced != (before == Role::Attendee)) {
            for source in Source::ALL {
                let allowed = !(silenced || (muted && source == Source::Microphone));
                self.forwarder(MediaCommand::Allow { leg, source, allowed });
            }
        }
        self.show_sending(call, number);
        let Some(conference) = self.conferences.get(call) else { return };
        let Some(member) = conference.members.get(&number) else { return };
        let ticket = self.seat_ticket(call, conference, number, member);
        let main = self.conferences.get(&self.main_of(call));
        let knocking = role == Role::Owner && main.is_some_and(|main| !main.waiting.is_empty());
        self.tell(session, ServerMessage::Role { call: call.clone(), role, ticket });
        if let Some(message) = self.knocking(call).filter(|_| knocking) {
            self.tell(session, message);
        }
        self.tell_of(call, number);
        self.notice_of(call, number, What::Role);
        self.look_at_pair(call);
    }
}

pub(super) fn no_such_member() -> Failure {
    (
        ErrorCode::NoSuchMember,
        "the conference has nobody of that number: see `member` and `knocking`".to_owned(),
    )
}
