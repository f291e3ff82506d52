//! The way of two people from their call to a conference and back.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

use super::{Conference, Member, Phase};
use crate::signal::protocol::{CallId, EndReason, Media, Role};
use crate::signal::rendezvous::calls::{Call, Side};
use crate::signal::rendezvous::session::{Engaged, Link};
use crate::signal::rendezvous::started::Beginning;
use crate::signal::rendezvous::{Rendezvous, SessionKey};

impl Rendezvous {
    /// Something has changed: is the conference over, or are two left who need no server for their media?
    pub(in crate::signal::rendezvous) fn look_at_pair(&mut self, call: &CallId) {
        if let Some(group) = self.conferences.get(call).and_then(|conference| conference.group.as_ref()) {
            // A group is there as long as its main room is divided.
            let main = group.main.clone();
            self.look_at_pair(&main);
            return;
        }
        let Some(conference) = self.conferences.get(call) else { return };
        let waited_for = conference.rules.kept && !conference.waiting.is_empty();
        if conference.members.is_empty() && conference.breakout.is_none() && !waited_for {
            self.close_conference(call, EndReason::Closed);
            return;
        }
        let pair = self.may_go_direct(conference);
        let phase = match &conference.phase {
            Phase::Steady if pair => Phase::Two { at: self.now + self.config.pair_delay },
            Phase::Two { .. } if !pair => Phase::Steady,
            Phase::Stays if conference.members.len() != 2 => Phase::Steady,
            Phase::From { .. }
            | Phase::Steady
            | Phase::Two { .. }
            | Phase::To { .. }
            | Phase::Returning { .. }
            | Phase::Stays => return,
        };
        self.set_phase(call, phase);
    }

    /// Whether two are left, and nothing that only a conference has would be lost.
    fn may_go_direct(&self, conference: &Conference) -> bool {
        let ready = |member: &Member| {
            let session = self.sessions.get(&member.session);
            member.role != Role::Attendee && session.is_some_and(|s| matches!(s.link, Link::Attached(_)))
        };
        conference.members.len() == 2
            && conference.members.values().all(ready)
            && conference.waiting.is_empty()
            && conference.removed.is_empty()
            && conference.recording.is_none()
            && conference.breakout.is_none()
            && conference.viewers.is_empty()
            && !conference.watching
            && !conference.locked
            && !conference.lobby
            && !conference.rules.kept
            && conference.rules.newcomers != Role::Attendee
    }

    /// The time of the conference's phase is over.
    pub(in crate::signal::rendezvous) fn conference_timeout(&mut self, call: &CallId) {
        let Some(conference) = self.conferences.get(call) else { return };
        match conference.phase.clone() {
            Phase::From { .. } => self.finish_from(call, None),
            Phase::Two { .. } => self.go_direct(call),
            Phase::To { call: of_two, .. } => self.give_up_direct(call, &of_two),
            Phase::Returning { .. } => {
                self.set_phase(call, Phase::Steady);
                self.ensure_owner(call);
                self.look_at_pair(call);
            }
            Phase::Steady | Phase::Stays => {}
        }
    }

    /// Puts the two through to each other; they keep the conference until they see each other there.
    fn go_direct(&mut self, call: &CallId) {
        let Some(conference) = self.conferences.get(call) else { return };
        let side = |member: &Member| Side {
            session: member.session,
            person: member.person.clone(),
            media: Media {
                audio: member.sending.microphone,
                video: member.sending.camera || member.sending.screen,
            },
        };
        let mut sides = conference.members.values().map(side);
        let (Some(impolite), Some(polite)) = (sides.next(), sides.next()) else { return };
        let room = Some(conference.room.clone());
        let of_two = BASE64.encode(self.rng.array::<16>());
        let until = self.now + self.config.direct_timeout;
        self.set_phase(call, Phase::To { call: of_two.clone(), until });
        let beginning = Beginning { replaces: Some(call.clone()), ..Beginning::new(polite, impolite, room) };
        self.start(&of_two, beginning);
    }

    /// The two did not come to each other in time.
    fn give_up_direct(&mut self, call: &CallId, of_two: &CallId) {
        let both = self.conferences.get(call).is_some_and(|conference| conference.members.len() == 2);
        if both {
            self.end_pair(of_two, EndReason::Timeout, None);
        } else {
            // One of them is in the call of two only; the other follows.
            self.close_conference(call, EndReason::Moved);
        }
    }

    /// Before anything else happens to a conference that two are leaving: either both stay, or both have left.
    pub(in crate::signal::rendezvous) fn settle_pair(&mut self, call: &CallId) {
        let Some(conference) = self.conferences.get(call) else { return };
        let Phase::To { call: of_two, .. } = conference.phase.clone() else { return };
        if conference.members.len() == 2 {
            self.end_pair(&of_two, EndReason::Moved, None);
            self.set_phase(call, Phase::Steady);
        } else {
            self.close_conference(call, EndReason::Moved);
        }
    }

    /// The conference has taken the place of the call of two, which ends.
    pub(in crate::signal::rendezvous) fn finish_from(&mut self, call: &CallId, except: Option<SessionKey>) {
        let Some(conference) = self.conferences.get(call) else { return };
        if let Phase::From { call: of_two, .. } = conference.phase.clone() {
            self.end_pair(&of_two, EndReason::Moved, except);
        }
    }

    /// Ends a call of two that a conference is bound to, and tells the two.
    fn end_pair(&mut self, of_two: &CallId, reason: EndReason, except: Option<SessionKey>) {
        let Some(running) = self.end_running(of_two) else { return };
        for session in [running.polite.session, running.impolite.session] {
            if Some(session) != except {
                self.ended(session, of_two, reason);
            }
        }
    }

    /// A call of two that is bound to a conference has ended, however that came.
    pub(in crate::signal::rendezvous) fn pair_ended(&mut self, call: &CallId, of_two: &CallId) {
        let Some(conference) = self.conferences.get(call) else { return };
        let phase = match &conference.phase {
            Phase::From { call, .. } if call == of_two => Phase::Steady,
            Phase::To { call, .. } if call == of_two => Phase::Stays,
            _ => return,
        };
        self.set_phase(call, phase);
        self.look_at_pair(call);
    }

    /// Both of a call of two that becomes a conference are connected there: the call is not needed any more.
    pub(super) fn look_at_from(&mut self, call: &CallId) {
        let Some(conference) = self.conferences.get(call) else { return };
        let Phase::From { call: of_two, .. } = &conference.phase else { return };
        let Some(Call::Running(running)) = self.calls.get(of_two) else { return };
        let connected = |session: SessionKey| {
            conference
                .number_of(session)
                .and_then(|number| conference.members.get(&number))
                .is_some_and(|m| m.connected)
        };
        if connected(running.polite.session) && connected(running.impolite.session) {
            self.finish_from(call, None);
        }
    }

    /// A session leaves a conference, or a call that is bound to one, of its own accord or because it ended.
    pub(in crate::signal::rendezvous) fn leave_moving(
        &mut self,
        key: SessionKey,
        of_two: &CallId,
        conference: &CallId,
        reason: EndReason,
    ) {
        let from = self.conferences.get(conference).is_some_and(|c| matches!(c.phase, Phase::From { .. }));
        if from {
            self.finish_from(conference, Some(key));
        } else {
            self.leave_of_two(key, of_two, reason);
        }
        self.leave_conference(key, conference, reason);
    }

    /// `end` of one of the two calls that a session is in: which of them does it leave?
    pub(in crate::signal::rendezvous) fn end_moving(
        &mut self,
        key: SessionKey,
        call: &CallId,
        of_two: &CallId,
        conference: &CallId,
    ) {
        let from = self.conferences.get(conference).is_some_and(|c| matches!(c.phase, Phase::From { .. }));
        if from {
            // It hangs up, whether or not it knew already that this is a conference now.
            self.leave_moving(key, of_two, conference, EndReason::HungUp);
        } else if call == conference {
            self.leave_conference(key, conference, EndReason::Moved);
        } else {
            self.leave_of_two(key, of_two, EndReason::HungUp);
        }
    }

    /// Where a room's link leads after its conference: to the call of two that its people are in, if there is one.
    pub(super) fn heir_of(&self, conference: &Conference) -> Option<CallId> {
        match &conference.phase {
            Phase::From { call, .. } | Phase::To { call, .. } => Some(call.clone()),
            Phase::Steady | Phase::Two { .. } | Phase::Returning { .. } | Phase::Stays => None,
        }
    }

    /// The link of a conference that is over leads to this call of two from now on.
    pub(super) fn hand_down(&mut self, room: &str, heir: &CallId) {
        if let Some(Call::Running(running)) = self.calls.get_mut(heir) {
            running.conference = None;
            self.rooms.entry(room.to_owned()).or_default().take(heir);
        }
    }

    /// Whether a session is in this conference, perhaps in its call of two as well.
    pub(in crate::signal::rendezvous) fn conference_of(&self, key: SessionKey) -> Option<CallId> {
        match &self.sessions.get(&key)?.engaged {
            Engaged::Conference(call) | Engaged::Moving { conference: call, .. } => Some(call.clone()),
            Engaged::Free | Engaged::Call(_) | Engaged::Room(_) | Engaged::Lobby(_) => None,
        }
    }
}
