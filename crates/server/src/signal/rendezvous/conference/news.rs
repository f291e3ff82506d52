//! What members are told of each other: at once in a small conference, several changes together in a large one.
//!
//! Whoever comes into a conference of n, or leaves it, is told to n people, and so is everything about them that
//! changes. When hundreds come within a minute, and leave within ten seconds, those are as many messages as there are
//! pairs, each with a wake-up and a write of its own. Where more than
//! [`Config::told_at_once`](crate::signal::rendezvous::Config::told_at_once) are, a change waits for others, a millisecond
//! for each member, and as long as others keep coming ten, and they leave as one message with everybody as they are then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use wire::Instant;

use super::Conference;
use crate::signal::protocol::{self, CallId, EndReason, MemberNumber, ServerMessage};
use crate::signal::rendezvous::session::Link;
use crate::signal::rendezvous::timers::Timer;
use crate::signal::rendezvous::{Rendezvous, SessionKey};

/// A change after a quiet time is told no later than this.
const MOST: Duration = Duration::from_millis(500);
/// One that comes when something was told just before, no later than this.
const MOST_IN_A_ROW: Duration = Duration::from_secs(1);

/// What the members of a conference were not told yet.
#[derive(Default)]
pub(super) struct News {
    /// Of whom, and whether those are new.
    of: BTreeMap<MemberNumber, bool>,
    left: BTreeSet<MemberNumber>,
    /// When they are told.
    pub(super) due: Option<Instant>,
    /// When something was told the last time.
    told: Option<Instant>,
}

/// The same, as it is told.
struct Told {
    call: CallId,
    left: Vec<MemberNumber>,
    people: Page,
    nobody: Page,
}

/// People who are told of in one message.
type Page = Arc<Vec<protocol::Member>>;

impl Conference {
    /// Whether a change is told without waiting for others.
    fn is_told_at_once(&self, told_at_once: usize) -> bool {
        self.members.len() <= told_at_once
    }

    /// Until when a change waits for others.
    fn patience(&self, now: Instant) -> Instant {
        let members = Duration::from_millis(self.members.len() as u64);
        let after_quiet = now + members.min(MOST);
        let in_a_row = self.news.told.map(|told| told + (members * 10).min(MOST_IN_A_ROW));
        in_a_row.map_or(after_quiet, |in_a_row| after_quiet.max(in_a_row))
    }
}

impl Rendezvous {
    /// Tells everybody but themselves what somebody is now.
    pub(super) fn tell_of(&mut self, call: &CallId, number: MemberNumber) {
        self.news_of(call, number, false);
    }

    /// Tells everybody but themselves of somebody who is new.
    pub(super) fn tell_of_new(&mut self, call: &CallId, number: MemberNumber) {
        self.news_of(call, number, true);
    }

    fn news_of(&mut self, call: &CallId, number: MemberNumber, new: bool) {
        let Some(conference) = self.conferences.get_mut(call) else { return };
        if !conference.members.contains_key(&number) {
            return;
        }
        *conference.news.of.entry(number).or_default() |= new;
        self.tell_in_time(call);
        self.record_member(call, number);
        self.look_at_views(call);
        self.places_changed(&self.main_of(call));
    }

    /// Everybody in a conference as one of them is told who comes into it: themselves and the first in `conference`,
    /// the others page by page.
    pub(super) fn first_page(
        &self,
        conference: &Conference,
        number: MemberNumber,
    ) -> (Vec<protocol::Member>, Vec<Page>) {
        let numbers = conference.members.keys().copied().filter(|other| *other != number);
        let numbers = std::iter::once(number).chain(numbers);
        let mut first: Vec<_> = numbers.filter_map(|number| self.described(conference, number)).collect();
        let more = first.split_off(first.len().min(self.config.members_per_message));
        first.sort_by_key(|member| member.number);
        (first, self.pages(more))
    }

    fn pages(&self, people: Vec<protocol::Member>) -> Vec<Page> {
        let mut people = people.into_iter();
        let page = || people.by_ref().take(self.config.members_per_message).collect::<Vec<_>>();
        std::iter::repeat_with(page).take_while(|page| !page.is_empty()).map(Arc::new).collect()
    }

    /// Tells everybody that somebody is there no more.
    pub(super) fn tell_left(&mut self, call: &CallId, number: MemberNumber, reason: EndReason) {
        let told_at_once = self.config.told_at_once;
        let Some(conference) = self.conferences.get_mut(call) else { return };
        // Who was away when they came was not told of them at all.
        let knew = |other: &mut super::Member| other.missed.remove(&number) != Some(true);
        let others = conference.members.values_mut().filter_map(|other| knew(other).then_some(other.session));
        let others: Vec<SessionKey> = others.collect();
        if conference.news.due.is_none() && conference.is_told_at_once(told_at_once) {
            let message = ServerMessage::MemberLeft { call: call.clone(), number, reason };
            for session in others {
                self.tell(session, message.clone());
            }
            return;
        }
        conference.news.of.remove(&number);
        conference.news.left.insert(number);
        self.tell_in_time(call);
    }

    /// Tells what waits when it has waited long enough, which may be now.
    fn tell_in_time(&mut self, call: &CallId) {
        let told_at_once = self.config.told_at_once;
        let Some(conference) = self.conferences.get_mut(call) else { return };
        if conference.is_told_at_once(told_at_once) {
            self.tell_news(call);
        } else if conference.news.due.is_none() {
            let due = conference.patience(self.now);
            conference.news.due = Some(due);
            self.timers.set(due, Timer::News(call.clone()));
        }
    }

    /// Tells what waits, before it is due if something else is to be told that comes after it.
    pub(in crate::signal::rendezvous) fn tell_news(&mut self, call: &CallId) {
        let Some(conference) = self.conferences.get_mut(call) else { return };
        let News { of, left, due, told } = std::mem::take(&mut conference.news);
        conference.news.told = told;
        if let Some(due) = due {
            self.timers.clear(due, Timer::News(call.clone()));
        }
        if of.is_empty() && left.is_empty() {
            return;
        }
        conference.news.told = Some(self.now);
        let Some(conference) = self.conferences.get(call) else { return };
        let people = of.keys().filter_map(|number| self.described(conference, *number)).collect();
        let mut pages = self.pages(people).into_iter();
        // Who has left stands on the first page, even if it has nothing else.
        let first =
            Told { left: left.into_iter().collect(), ..Told::page(call, pages.next().unwrap_or_default()) };
        let told: Vec<Told> =
            std::iter::once(first).chain(pages.map(|page| Told::page(call, page))).collect();
        let sessions = &self.sessions;
        let Some(conference) = self.conferences.get_mut(call) else { return };
        let mut messages = Vec::new();
        for (number, other) in conference.members.iter_mut().filter(|(_, other)| other.encoder.is_none()) {
            let here = sessions.get(&other.session).is_some_and(|s| matches!(s.link, Link::Attached(_)));
            if !here {
                // What changes in the meantime is told when they are back.
                for (who, new) in of.iter().filter(|(who, _)| *who != number) {
                    *other.missed.entry(*who).or_default() |= new;
                }
            }
            let mine = told.iter().filter_map(|page| page.to(*number, here));
            messages.extend(mine.map(|message| (other.session, message)));
        }
        for (session, message) in messages {
            self.tell(session, message);
        }
    }
}

impl Told {
    fn page(call: &CallId, people: Page) -> Self {
        Self { call: call.clone(), left: Vec::new(), people, nobody: Arc::default() }
    }

    /// What a member is told, who is not told of themselves: neither that they are there, nor that they had left before
    /// they came again.
    fn to(&self, number: MemberNumber, here: bool) -> Option<ServerMessage> {
        let others = if !here {
            self.nobody.clone()
        } else if self.people.iter().any(|member| member.number == number) {
            Arc::new(self.people.iter().filter(|member| member.number != number).cloned().collect())
        } else {
            self.people.clone()
        };
        let call = self.call.clone();
        let left: Vec<MemberNumber> = self.left.iter().copied().filter(|gone| *gone != number).collect();
        match (left.as_slice(), others.as_slice()) {
            ([], []) => None,
            ([], [member]) => Some(ServerMessage::Member { call, member: member.clone() }),
            _ => Some(ServerMessage::Members { call, left, members: others }),
        }
    }
}
