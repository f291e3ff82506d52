//! What applications are told of a room and of the people in it.

use super::{Conference, Mute};
use crate::signal::admin::{Member, Notice, Waiting, What};
use crate::signal::bus::Event;
use crate::signal::protocol::{CallId, MemberNumber};
use crate::signal::rendezvous::{Rendezvous, SessionKey};

impl Rendezvous {
    pub(super) fn known(&self, conference: &Conference, number: MemberNumber) -> Option<Member> {
        let member = conference.members.get(&number)?;
        Some(Member {
            number,
            person: self.described(conference, number)?.person,
            subject: self.subject_of(member.session),
            role: member.role,
            sending: member.sending,
            muted: member.mute != Mute::No,
            hand: member.hand,
            connected: member.connected,
            group: conference.group.as_ref().map(|group| group.number),
            encoder: member.encoder.is_some(),
            age: self.now.saturating_since(member.since),
        })
    }

    pub(super) fn known_waiter(&self, conference: &Conference, number: MemberNumber) -> Option<Waiting> {
        let waiter = conference.waiting.get(&number)?;
        let person = self.people.get(&waiter.person)?.person.clone();
        Some(Waiting { number, person, subject: self.subject_of(waiter.session) })
    }

    fn subject_of(&self, key: SessionKey) -> Option<String> {
        self.sessions.get(&key)?.grant.as_ref()?.subject.clone()
    }

    /// Tells applications that something happened.
    pub(super) fn notice(&mut self, room: &str, call: Option<&CallId>, what: What) {
        if self.config.notices {
            let notice = Notice { room: room.to_owned(), call: call.cloned(), what };
            self.events.push_back(Event::Notice(notice));
        }
    }

    /// The same of a member who is there.
    pub(super) fn notice_of(
        &mut self,
        call: &CallId,
        number: MemberNumber,
        what: impl FnOnce(Member) -> What,
    ) {
        if !self.config.notices {
            return;
        }
        let Some(conference) = self.conferences.get(call) else { return };
        let Some(member) = self.known(conference, number) else { return };
        let room = conference.room.clone();
        // To an application a room is one, however it is divided.
        self.notice(&room, Some(&self.main_of(call)), what(member));
    }

    pub(super) fn notice_of_knock(&mut self, call: &CallId, number: MemberNumber) {
        let Some(conference) = self.conferences.get(call) else { return };
        let Some(waiting) = self.known_waiter(conference, number) else { return };
        let room = conference.room.clone();
        self.notice(&room, Some(call), What::Knock(waiting));
    }
}
