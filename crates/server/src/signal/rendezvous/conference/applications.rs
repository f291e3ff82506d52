//! What applications do in rooms that are on, and with the people in them.

use super::admin::no_such_room;
use super::moderate::no_such_member;
use crate::signal::admin::{Act, Reply, What};
use crate::signal::protocol::{
    Action, BreakoutAction, CallId, Door, ErrorCode, MemberNumber, Person, Role, ServerMessage,
};
use crate::signal::rendezvous::calls::{Failure, wrong_state};
use crate::signal::rendezvous::{Rendezvous, SessionKey};

impl Rendezvous {
    pub(super) fn recording_reply(&self, call: &CallId) -> Reply {
        Reply::Recording(self.conferences.get(call).and_then(|it| self.described_recording(it)))
    }

    pub(super) fn key_for(
        &mut self,
        room: &str,
        door: Door,
        name: Option<String>,
        expires: u64,
    ) -> Result<Reply, Failure> {
        if self.conference_at(room).is_none() && !self.kept.contains_key(room) {
            return Err(no_such_room());
        }
        if self.is_encrypted(room) {
            let message = "the room is end-to-end encrypted, which encoders and players cannot do";
            return Err((ErrorCode::Encryption, message.to_owned()));
        }
        Ok(Reply::Key(self.print_key(room, door, name, expires)))
    }

    pub(super) fn look_at_groups(&self, room: &str) -> Result<Reply, Failure> {
        match self.conference_at(room) {
            Some((call, _)) => Ok(Reply::Breakout(self.known_breakout(call))),
            None if self.kept.contains_key(room) => Ok(Reply::Breakout(None)),
            None => Err(no_such_room()),
        }
    }

    pub(super) fn list_members(&self, room: &str) -> Result<Reply, Failure> {
        let Some((call, _)) = self.conference_at(room) else {
            return if self.kept.contains_key(room) {
                Ok(Reply::Members(vec![]))
            } else {
                Err(no_such_room())
            };
        };
        let family = self.family(call).into_iter().filter_map(|call| self.conferences.get(&call));
        let mut members: Vec<_> =
            family.flat_map(|it| it.members.keys().filter_map(|number| self.known(it, *number))).collect();
        members.sort_by_key(|member| member.number);
        Ok(Reply::Members(members))
    }

    pub(super) fn list_waiting(&self, room: &str) -> Result<Reply, Failure> {
        let Some((_, conference)) = self.conference_at(room) else {
            return if self.kept.contains_key(room) {
                Ok(Reply::Waiting(vec![]))
            } else {
                Err(no_such_room())
            };
        };
        let waiting = conference.waiting.keys().filter_map(|number| self.known_waiter(conference, *number));
        Ok(Reply::Waiting(waiting.collect()))
    }

    pub(super) fn act_in(&mut self, room: &str, act: Act) -> Result<Reply, Failure> {
        let call = self.conference_at(room).map(|(call, _)| call.clone());
        let call = match call {
            Some(call) => call,
            None if self.kept.contains_key(room) && act == Act::MuteAll => return Ok(Reply::Done),
            None if self.kept.contains_key(room) && number_of(&act).is_none() => {
                return Err(wrong_state("nobody is in this room at the moment"));
            }
            None if self.kept.contains_key(room) => return Err(no_such_member()),
            None => return Err(no_such_room()),
        };
        // Two who are on their way to each other stay here for it.
        self.settle_pair(&call);
        let main = call;
        let call = number_of(&act).map_or_else(|| main.clone(), |number| self.whereabouts(&main, number));
        match act.clone() {
            Act::Role(member, role) => self.give_role(&call, member, role)?,
            Act::Rename(member, name) => self.give_name(&call, member, name)?,
            Act::LowerHand(member) => {
                let conference = self.conferences.get_mut(&call).ok_or_else(no_such_room)?;
                let member_there = conference.members.get_mut(&member).ok_or_else(no_such_member)?;
                if std::mem::replace(&mut member_there.hand, false) {
                    self.tell_of(&call, member);
                    self.tell_of_oneself(&call, member);
                    self.notice_of(&call, member, What::Hand);
                }
            }
            Act::Mute(member) => self.act(&call, 0, Action::Mute { member })?,
            Act::MuteAll => {
                for call in self.family(&main) {
                    self.act(&call, 0, Action::MuteAll)?;
                }
            }
            Act::Remove(member) => self.act(&call, 0, Action::Remove { member })?,
            Act::Admit(member) => self.act(&call, 0, Action::Admit { member })?,
            Act::Deny(member) => self.act(&call, 0, Action::Deny { member })?,
            Act::Unmute(member) => self.act(&call, 0, Action::Unmute { member })?,
            Act::Record(on) => {
                self.act(&main, 0, Action::Record { on })?;
                return Ok(self.recording_reply(&main));
            }
            Act::Breakout(action) => {
                let sent = match &action {
                    BreakoutAction::Assign { member, .. } => Some(*member),
                    _ => None,
                };
                self.act_on_groups(&main, 0, action)?;
                return Ok(match sent {
                    Some(number) => self.one_member(&self.whereabouts(&main, number), number),
                    None => Reply::Breakout(self.known_breakout(&main)),
                });
            }
        }
        Ok(match act {
            Act::Role(number, _) | Act::Rename(number, _) | Act::LowerHand(number) | Act::Admit(number) => {
                self.one_member(&call, number)
            }
            Act::Mute(_)
            | Act::MuteAll
            | Act::Unmute(_)
            | Act::Remove(_)
            | Act::Deny(_)
            | Act::Record(_)
            | Act::Breakout(_) => Reply::Done,
        })
    }

    /// How the member is now whom something was done to.
    fn one_member(&self, call: &CallId, number: MemberNumber) -> Reply {
        let conference = self.conferences.get(call);
        Reply::Members(conference.and_then(|it| self.known(it, number)).into_iter().collect())
    }

    fn give_role(&mut self, call: &CallId, number: MemberNumber, role: Role) -> Result<(), Failure> {
        let conference = self.conferences.get(call).ok_or_else(no_such_room)?;
        let member = conference.members.get(&number).ok_or_else(no_such_member)?;
        if member.role == role {
            return Ok(());
        }
        if member.role == Role::Owner && self.family_owners(call) == 1 && !conference.rules.kept {
            return Err(wrong_state("the only owner stays one: make somebody else an owner first"));
        }
        self.finish_from(call, None);
        self.set_role(call, number, role);
        Ok(())
    }

    fn give_name(&mut self, call: &CallId, number: MemberNumber, name: String) -> Result<(), Failure> {
        let conference = self.conferences.get(call).ok_or_else(no_such_room)?;
        let id = &conference.members.get(&number).ok_or_else(no_such_member)?.person;
        let person = self.people.get(id).map(|entry| entry.person.clone()).ok_or_else(no_such_member)?;
        if person.verified {
            return Err(wrong_state("the name belongs to an account: its holder changes it"));
        }
        let person = Person { name, ..person };
        self.people.rename(person.clone());
        self.tell_renamed(&person.id, None);
        self.tell_of_oneself(call, number);
        Ok(())
    }

    /// Somebody goes by another name: whoever is in a room with them is told.
    pub(in crate::signal::rendezvous) fn tell_room_of_name(&mut self, key: SessionKey) {
        let Some(call) = self.conference_of(key) else { return };
        if let Ok((_, number)) = self.seat(key, &call) {
            self.tell_of(&call, number);
        }
    }

    /// Tells somebody what is known of themselves.
    fn tell_of_oneself(&mut self, call: &CallId, number: MemberNumber) {
        let Some(conference) = self.conferences.get(call) else { return };
        let Some(session) = conference.members.get(&number).map(|member| member.session) else { return };
        if let Some(member) = self.described(conference, number) {
            self.tell(session, ServerMessage::Member { call: call.clone(), member });
        }
    }
}

/// The member whom something is done to; whoever waits is at the main room.
fn number_of(act: &Act) -> Option<MemberNumber> {
    match act {
        Act::Role(number, _)
        | Act::Rename(number, _)
        | Act::LowerHand(number)
        | Act::Mute(number)
        | Act::Unmute(number)
        | Act::Remove(number) => Some(*number),
        Act::Admit(number) | Act::Deny(number) => Some(*number),
        Act::MuteAll | Act::Record(_) | Act::Breakout(_) => None,
    }
}
