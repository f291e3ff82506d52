//! Groups: a room is divided, its people work in groups, and come back.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use wire::Instant;

use super::Phase;
use super::come::room_full;
use super::family::InGroup;
use super::moderate::no_such_member;
use super::moves::Move;
use crate::accounts::names;
use crate::signal::admin::What;
use crate::signal::protocol::{
    self, BreakoutAction, CallId, EndReason, ErrorCode, GroupNumber, GroupPlan, MemberNumber, Placed, Role,
    ServerMessage,
};
use crate::signal::rendezvous::calls::{Failure, no_such_call, wrong_state};
use crate::signal::rendezvous::timers::Timer;
use crate::signal::rendezvous::{Rendezvous, SessionKey};

/// Groups of one room.
const GROUPS: usize = 50;
/// The longest time for which a room can be divided, in seconds.
const LONGEST: u32 = 86_400;
/// The longest time between a call to come back and the end, in seconds.
const LONGEST_RECALL: u32 = 600;
/// The longest message to all groups, in characters.
const LONGEST_TEXT: usize = 2_000;

/// How a room is divided.
pub(super) struct Breakout {
    pub(super) groups: Vec<Group>,
    /// The group of each who was sent to one.
    assigned: BTreeMap<MemberNumber, GroupNumber>,
    /// When everybody is to be back.
    ends: Option<Instant>,
    /// Whether they were called.
    closing: bool,
    /// When owners are told who is where.
    places_due: Option<Instant>,
}

/// A group.
pub(super) struct Group {
    name: String,
    pub(super) call: CallId,
}

impl Breakout {
    fn group(&self, number: GroupNumber) -> Result<&Group, Failure> {
        let at = (number as usize).checked_sub(1).and_then(|at| self.groups.get(at));
        at.ok_or_else(|| {
            (ErrorCode::NoSuchMember, format!("there are the groups 1 to {}", self.groups.len()))
        })
    }

    fn listed(&self) -> Vec<protocol::Group> {
        (1..)
            .zip(&self.groups)
            .map(|(number, it)| protocol::Group { number, name: it.name.clone() })
            .collect()
    }
}

impl Rendezvous {
    /// `breakout` of a member.
    pub(in crate::signal::rendezvous) fn breakout(
        &mut self,
        key: SessionKey,
        call: &CallId,
        action: BreakoutAction,
    ) -> Result<(), Failure> {
        self.seat(key, call)?;
        // Owners may place many people one after the other.
        if !matches!(action, BreakoutAction::Assign { .. } | BreakoutAction::Recall { .. }) {
            self.may_try(key)?;
        }
        // Two who are on their way to each other stay here for it.
        self.settle_pair(call);
        let (conference, by) = self.seat(key, call)?;
        let owner = conference.members.get(&by).is_some_and(|member| member.role == Role::Owner);
        let main = self.main_of(call);
        match action {
            BreakoutAction::Go { group } => self.go(&main, by, group, owner),
            _ if !owner => {
                let message = "only an owner of the conference may do this";
                Err((ErrorCode::NotAllowed, message.to_owned()))
            }
            action => self.act_on_groups(&main, by, action),
        }
    }

    /// What an owner or an application (as member 0) does with the groups of a main room.
    pub(super) fn act_on_groups(
        &mut self,
        main: &CallId,
        by: MemberNumber,
        action: BreakoutAction,
    ) -> Result<(), Failure> {
        match action {
            BreakoutAction::Start { groups, rest, seconds } => self.divide(main, groups, rest, seconds),
            BreakoutAction::Assign { member, group } => self.assign(main, member, group),
            BreakoutAction::Go { group } => self.go(main, by, group, true),
            BreakoutAction::Say { text } => self.announce(main, by, text),
            BreakoutAction::Recall { seconds } => self.recall(main, seconds),
        }
    }

    fn divided(&self, main: &CallId) -> Result<&Breakout, Failure> {
        let conference = self.conferences.get(main).ok_or_else(no_such_call)?;
        conference.breakout.as_deref().ok_or_else(|| wrong_state("the room is not divided into groups"))
    }

    /// Makes groups and sends people there.
    fn divide(
        &mut self,
        main: &CallId,
        plan: Vec<GroupPlan>,
        rest: bool,
        seconds: Option<u32>,
    ) -> Result<(), Failure> {
        let (names, assigned) = self.check_plan(main, plan, rest, seconds)?;
        self.finish_from(main, None);
        let Some(conference) = self.conferences.get(main) else { return Err(no_such_call()) };
        let room = conference.room.clone();
        let mut groups = Vec::new();
        for (number, name) in (1..).zip(names) {
            let call = BASE64.encode(self.rng.array::<16>());
            self.put_conference(&call, &room, Some(InGroup { main: main.clone(), number }));
            groups.push(Group { name, call });
        }
        let ends = seconds.map(|seconds| self.now + Duration::from_secs(seconds.into()));
        if let Some(ends) = ends {
            self.timers.set(ends, Timer::Breakout(main.clone()));
        }
        let breakout = Breakout { groups, assigned, ends, closing: false, places_due: None };
        let listed = breakout.listed();
        let moves: Vec<Move> = (breakout.assigned.iter())
            .filter_map(|(number, group)| {
                let to = breakout.group(*group).ok()?.call.clone();
                Some(Move { number: *number, from: main.clone(), to })
            })
            .collect();
        if let Some(conference) = self.conferences.get_mut(main) {
            conference.breakout = Some(Box::new(breakout));
        }
        // Two who are left here do not go to each other.
        self.set_phase_of_many(main);
        self.notice(&room, Some(main), What::Divided(listed));
        self.move_members(&moves);
        self.tell_breakout(main, false);
        Ok(())
    }

    /// The names of the groups and who goes where, or what is wrong with the plan.
    #[allow(clippy::type_complexity, reason = "one caller takes it apart at once")]
    fn check_plan(
        &mut self,
        main: &CallId,
        plan: Vec<GroupPlan>,
        rest: bool,
        seconds: Option<u32>,
    ) -> Result<(Vec<String>, BTreeMap<MemberNumber, GroupNumber>), Failure> {
        let conference = self.conferences.get(main).ok_or_else(no_such_call)?;
        if conference.breakout.is_some() {
            return Err(wrong_state("the room is divided already: call everybody back first"));
        }
        if !(1..=GROUPS).contains(&plan.len()) {
            return Err(wrong_state(&format!("a room is divided into 1 to {GROUPS} groups")));
        }
        if seconds.is_some_and(|seconds| !(1..=LONGEST).contains(&seconds)) {
            return Err(wrong_state("the time for groups is from 1 to 86400 seconds"));
        }
        if self.config.conferences.is_some_and(|most| self.conferences.len() + plan.len() > most) {
            return Err(room_full(
                "this server has not room for so many groups: make fewer, or try again later",
            ));
        }
        let (mut names, mut assigned) = (Vec::new(), BTreeMap::new());
        for (group, GroupPlan { name, members }) in (1..).zip(plan) {
            let name = names::check(&name);
            names.push(
                name.map_err(|message| (ErrorCode::BadName, format!("the name of a group: {message}")))?,
            );
            for number in members {
                let member = conference.members.get(&number).ok_or_else(no_such_member)?;
                if member.encoder.is_some() {
                    return Err(wrong_state("an encoder stays in the main room"));
                }
                if assigned.insert(number, group).is_some() {
                    return Err(wrong_state(&format!("member {number} is in two groups: leave one out")));
                }
            }
        }
        if rest {
            self.assign_rest(main, names.len(), &mut assigned);
        }
        Ok((names, assigned))
    }

    /// Sends whoever is named nowhere to the smallest group there is, in an order of chance. Owners stay.
    fn assign_rest(
        &mut self,
        main: &CallId,
        groups: usize,
        assigned: &mut BTreeMap<MemberNumber, GroupNumber>,
    ) {
        let Some(conference) = self.conferences.get(main) else { return };
        let goes = |member: &super::Member| member.encoder.is_none() && member.role != Role::Owner;
        let mut rest: Vec<MemberNumber> =
            conference.members.iter().filter(|(_, member)| goes(member)).map(|(number, _)| *number).collect();
        rest.retain(|number| !assigned.contains_key(number));
        let mut sizes = vec![0_usize; groups];
        for group in assigned.values() {
            if let Some(size) = sizes.get_mut(*group as usize - 1) {
                *size += 1;
            }
        }
        while !rest.is_empty() {
            let at = usize::try_from(self.rng.below(rest.len() as u64)).unwrap_or(0);
            let number = rest.swap_remove(at);
            let smallest = (1..).zip(&mut sizes).min_by_key(|(_, size)| **size);
            if let Some((group, size)) = smallest {
                *size += 1;
                assigned.insert(number, group);
            }
        }
    }

    fn assign(
        &mut self,
        main: &CallId,
        member: MemberNumber,
        group: Option<GroupNumber>,
    ) -> Result<(), Failure> {
        let breakout = self.divided(main)?;
        let to = group.map_or(Ok(main), |group| breakout.group(group).map(|it| &it.call))?.clone();
        let from = self.whereabouts(main, member);
        let there = self.conferences.get(&from).and_then(|it| it.members.get(&member));
        if there.ok_or_else(no_such_member)?.encoder.is_some() {
            return Err(wrong_state("an encoder stays in the main room"));
        }
        if let Some(breakout) = self.conferences.get_mut(main).and_then(|it| it.breakout.as_mut()) {
            match group {
                Some(group) => breakout.assigned.insert(member, group),
                None => breakout.assigned.remove(&member),
            };
        }
        self.put(main, member, from, to);
        Ok(())
    }

    /// Somebody goes of their own accord.
    fn go(
        &mut self,
        main: &CallId,
        member: MemberNumber,
        group: Option<GroupNumber>,
        owner: bool,
    ) -> Result<(), Failure> {
        let breakout = self.divided(main)?;
        if let Some(group) = group
            && !owner
            && breakout.assigned.get(&member) != Some(&group)
        {
            let message = "you were not sent to that group: ask an owner to send you there";
            return Err((ErrorCode::NotAllowed, message.to_owned()));
        }
        let to = group.map_or(Ok(main), |group| breakout.group(group).map(|it| &it.call))?.clone();
        let from = self.whereabouts(main, member);
        self.put(main, member, from, to);
        Ok(())
    }

    /// Moves somebody, or tells them that they may go where they are.
    fn put(&mut self, main: &CallId, number: MemberNumber, from: CallId, to: CallId) {
        if from != to {
            self.move_members(&[Move { number, from, to }]);
            return;
        }
        let session = self.conferences.get(&from).and_then(|it| it.members.get(&number)).map(|it| it.session);
        let breakout = self.described_breakout(&from, number);
        if let Some(session) = session {
            self.tell(session, ServerMessage::Breakout { call: from, breakout });
        }
        self.places_changed(main);
    }

    fn announce(&mut self, main: &CallId, by: MemberNumber, text: String) -> Result<(), Failure> {
        self.divided(main)?;
        let text = text.trim();
        if text.is_empty() || text.chars().count() > LONGEST_TEXT {
            return Err(wrong_state("a message to all groups has 1 to 2000 characters"));
        }
        let at = self.whereabouts(main, by);
        let conference = self.conferences.get(&at).ok_or_else(no_such_call)?;
        if self.is_encrypted(&conference.room) {
            let message =
                "the room is end-to-end encrypted, and the server would read this: visit the groups";
            return Err((ErrorCode::Encryption, message.to_owned()));
        }
        let from = self.described(conference, by).map(|member| member.person);
        for call in self.family(main) {
            let (from, text) = (from.clone(), text.to_owned());
            let message = ServerMessage::Announced { call: call.clone(), from, text };
            self.tell_members(&call, Some(by), &message);
        }
        Ok(())
    }

    /// Calls everybody back.
    fn recall(&mut self, main: &CallId, seconds: u32) -> Result<(), Failure> {
        self.divided(main)?;
        if seconds > LONGEST_RECALL {
            return Err(wrong_state("people are given 0 to 600 seconds to come back"));
        }
        if seconds == 0 {
            self.unite(main);
            return Ok(());
        }
        let at = self.now + Duration::from_secs(seconds.into());
        let Some(breakout) = self.conferences.get_mut(main).and_then(|it| it.breakout.as_mut()) else {
            return Ok(());
        };
        let before = breakout.ends;
        let ends = before.map_or(at, |before| before.min(at));
        (breakout.ends, breakout.closing) = (Some(ends), true);
        if let Some(before) = before {
            self.timers.clear(before, Timer::Breakout(main.clone()));
        }
        self.timers.set(ends, Timer::Breakout(main.clone()));
        self.tell_breakout(main, false);
        Ok(())
    }

    /// The time of the groups is over.
    pub(in crate::signal::rendezvous) fn breakout_timeout(&mut self, main: &CallId) {
        self.unite(main);
    }

    /// Everybody comes back to the main room, and there are no groups any more.
    pub(super) fn unite(&mut self, main: &CallId) {
        let Some(breakout) = self.take_breakout(main) else { return };
        let stayed = |number: &MemberNumber| (*number, main.clone());
        let stayed: Vec<_> = (self.conferences.get(main).into_iter())
            .flat_map(|conference| conference.members.keys().map(stayed))
            .collect();
        let mut moves = Vec::new();
        for group in &breakout.groups {
            let Some(conference) = self.conferences.get(&group.call) else { continue };
            moves.extend(conference.members.keys().map(|number| Move {
                number: *number,
                from: group.call.clone(),
                to: main.clone(),
            }));
        }
        for (number, call) in stayed {
            let session =
                self.conferences.get(&call).and_then(|it| it.members.get(&number)).map(|it| it.session);
            if let Some(session) = session {
                self.tell(session, ServerMessage::Breakout { call, breakout: None });
            }
        }
        self.move_members(&moves);
        for group in breakout.groups {
            self.close_conference(&group.call, EndReason::Moved);
        }
        self.look_at_pair(main);
    }

    /// A room is not divided any more; what becomes of its groups is seen to by the caller.
    pub(super) fn take_breakout(&mut self, main: &CallId) -> Option<Box<Breakout>> {
        let conference = self.conferences.get_mut(main)?;
        let breakout = conference.breakout.take()?;
        let room = conference.room.clone();
        if let Some(ends) = breakout.ends {
            self.timers.clear(ends, Timer::Breakout(main.clone()));
        }
        if let Some(due) = breakout.places_due {
            self.timers.clear(due, Timer::Places(main.clone()));
        }
        self.notice(&room, Some(main), What::United);
        Some(breakout)
    }

    /// A conference that is divided does not become a call of two.
    fn set_phase_of_many(&mut self, main: &CallId) {
        let conference = self.conferences.get(main);
        if conference.is_some_and(|it| matches!(it.phase, Phase::Two { .. } | Phase::Stays)) {
            self.set_phase(main, Phase::Steady);
        }
    }

    /// How the room is divided, as that member is told; `call` is where they are.
    pub(super) fn described_breakout(
        &self,
        call: &CallId,
        number: MemberNumber,
    ) -> Option<Box<protocol::Breakout>> {
        let main = self.main_of(call);
        let breakout = self.conferences.get(&main)?.breakout.as_deref()?;
        let here = self.conferences.get(call)?;
        let owner = here.members.get(&number).is_some_and(|member| member.role == Role::Owner);
        Some(Box::new(protocol::Breakout {
            groups: breakout.listed(),
            at: here.group.as_ref().map(|group| group.number),
            yours: breakout.assigned.get(&number).copied(),
            seconds: self.seconds_left(breakout),
            closing: breakout.closing,
            people: if owner { self.places(&main) } else { Vec::new() },
        }))
    }

    /// The same for an application.
    pub(super) fn known_breakout(&self, main: &CallId) -> Option<Box<protocol::Breakout>> {
        let breakout = self.conferences.get(main)?.breakout.as_deref()?;
        let (groups, seconds, closing) = (breakout.listed(), self.seconds_left(breakout), breakout.closing);
        let people = self.places(main);
        Some(Box::new(protocol::Breakout { groups, at: None, yours: None, seconds, closing, people }))
    }

    fn seconds_left(&self, breakout: &Breakout) -> Option<u32> {
        // Rounded up: what is shown as 0 is over.
        let left = breakout.ends?.saturating_since(self.now).as_millis().div_ceil(1000);
        Some(u32::try_from(left).unwrap_or(u32::MAX))
    }

    /// Who is in which group.
    fn places(&self, main: &CallId) -> Vec<Placed> {
        let Ok(breakout) = self.divided(main) else { return Vec::new() };
        let place = |number: MemberNumber| {
            let conference = self.conferences.get(&self.whereabouts(main, number))?;
            let member = self.described(conference, number)?;
            Some(Placed {
                number,
                person: member.person,
                group: breakout.assigned.get(&number).copied(),
                at: conference.group.as_ref().map(|group| group.number),
                hand: member.hand,
            })
        };
        self.people_of(main).into_iter().filter_map(place).collect()
    }

    /// Somebody is somewhere else, or another than before: owners are told soon, once for all that happens until then.
    pub(super) fn places_changed(&mut self, main: &CallId) {
        let delay = self.config.viewers_delay;
        let Some(conference) = self.conferences.get_mut(main) else { return };
        let Some(breakout) = conference.breakout.as_mut().filter(|it| it.places_due.is_none()) else {
            return;
        };
        let due = self.now + delay;
        breakout.places_due = Some(due);
        self.timers.set(due, Timer::Places(main.clone()));
    }

    pub(in crate::signal::rendezvous) fn places_timeout(&mut self, main: &CallId) {
        let conference = self.conferences.get_mut(main);
        if let Some(breakout) = conference.and_then(|it| it.breakout.as_mut()) {
            breakout.places_due = None;
        }
        self.tell_breakout(main, true);
    }

    /// Tells everybody, or owners alone, how the room is divided. What is told to owners alone is of the moment.
    fn tell_breakout(&mut self, main: &CallId, owners: bool) {
        let mut news = Vec::new();
        for call in self.family(main) {
            let Some(conference) = self.conferences.get(&call) else { continue };
            for (number, member) in &conference.members {
                if member.encoder.is_none() && (!owners || member.role == Role::Owner) {
                    let breakout = self.described_breakout(&call, *number);
                    news.push((member.session, ServerMessage::Breakout { call: call.clone(), breakout }));
                }
            }
        }
        for (session, message) in news {
            if owners {
                self.tell_moment(session, message);
            } else {
                self.tell(session, message);
            }
        }
    }
}
