//! A room that is divided is a family of conferences: the main room's, at which the link leads, and one for each group.
//!
//! Members have one number in the whole family and take it along. Doors (the lock, the lobby, who may watch) are the
//! main room's; what happens at them is told to owners wherever they are. A group that nobody is in stays, as long as
//! the room is divided.

use super::{Conference, Member};
use crate::signal::protocol::{CallId, GroupNumber, MemberNumber, Role};
use crate::signal::rendezvous::{Rendezvous, SessionKey};

/// Of a group's conference: whose group it is.
#[derive(Clone, Debug)]
pub(super) struct InGroup {
    pub(super) main: CallId,
    pub(super) number: GroupNumber,
}

impl Rendezvous {
    /// The conference of the main room.
    pub(super) fn main_of(&self, call: &CallId) -> CallId {
        let group = self.conferences.get(call).and_then(|conference| conference.group.as_ref());
        group.map_or(call, |group| &group.main).clone()
    }

    /// The conferences of a main room and of its groups.
    pub(super) fn family(&self, main: &CallId) -> Vec<CallId> {
        let breakout = self.conferences.get(main).and_then(|conference| conference.breakout.as_deref());
        let groups = breakout.into_iter().flat_map(|breakout| &breakout.groups).map(|group| &group.call);
        std::iter::once(main).chain(groups).cloned().collect()
    }

    fn relatives(&self, main: &CallId) -> impl Iterator<Item = &Conference> {
        self.family(main).into_iter().filter_map(|call| self.conferences.get(&call))
    }

    fn everybody(&self, main: &CallId) -> impl Iterator<Item = (&MemberNumber, &Member)> {
        self.relatives(main).flat_map(|conference| &conference.members)
    }

    /// How many are in a room, its groups included.
    pub(super) fn family_len(&self, main: &CallId) -> usize {
        self.relatives(main).map(|conference| conference.members.len()).sum()
    }

    /// How many owners there are.
    pub(super) fn family_owners(&self, call: &CallId) -> usize {
        self.everybody(&self.main_of(call)).filter(|(_, member)| member.role == Role::Owner).count()
    }

    /// Where the owners are, and their sessions.
    pub(super) fn owners_of(&self, main: &CallId) -> Vec<(CallId, SessionKey)> {
        let mut owners = Vec::new();
        for call in self.family(main) {
            let Some(conference) = self.conferences.get(&call) else { continue };
            let here = conference.members.values().filter(|member| member.role == Role::Owner);
            owners.extend(here.map(|member| (call.clone(), member.session)));
        }
        owners
    }

    /// Everybody with a page, by number.
    pub(super) fn people_of(&self, main: &CallId) -> Vec<MemberNumber> {
        let people = self.everybody(main).filter(|(_, member)| member.encoder.is_none());
        let mut people: Vec<MemberNumber> = people.map(|(number, _)| *number).collect();
        people.sort_unstable();
        people
    }

    /// In which conference of the family that member is; the main room's if in none.
    pub(super) fn whereabouts(&self, call: &CallId, number: MemberNumber) -> CallId {
        let main = self.main_of(call);
        let here = |call: &CallId| {
            self.conferences.get(call).is_some_and(|conference| conference.members.contains_key(&number))
        };
        self.family(&main).into_iter().find(here).unwrap_or(main)
    }

    /// The lowest number of that role in a room, of somebody who could moderate.
    pub(super) fn first_of(&self, main: &CallId, role: Role) -> Option<MemberNumber> {
        let fits = |member: &Member| member.role == role && member.encoder.is_none();
        self.everybody(main).filter(|(_, member)| fits(member)).map(|(number, _)| *number).min()
    }

    /// The place of this person whose session has lost its socket, be it in the main room or in a group.
    pub(super) fn own_seat(&self, main: &CallId, person: &str) -> Option<(CallId, MemberNumber)> {
        let ghost = |member: &Member| member.person == person && self.is_ghost(member.session);
        let number = self.everybody(main).find(|(_, member)| ghost(member)).map(|(number, _)| *number)?;
        Some((self.whereabouts(main, number), number))
    }
}
