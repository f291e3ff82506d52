//! Members go from one conference of a divided room to another: they keep number, role and what they send, and make a
//! new media connection.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::signal::admin::What;
use crate::signal::protocol::{CallId, MemberNumber, ServerMessage};
use crate::signal::rendezvous::Rendezvous;
use crate::signal::rendezvous::session::{Engaged, Link};

/// Who goes where.
pub(super) struct Move {
    pub(super) number: MemberNumber,
    pub(super) from: CallId,
    pub(super) to: CallId,
}

/// What has changed in a conference.
#[derive(Default)]
struct Change {
    came: Vec<MemberNumber>,
    left: Vec<MemberNumber>,
}

impl Rendezvous {
    /// Moves them all; whoever stays is told once, and whoever goes is told where they are now.
    pub(super) fn move_members(&mut self, moves: &[Move]) {
        let touched: BTreeSet<&CallId> = moves.iter().flat_map(|it| [&it.from, &it.to]).collect();
        for call in touched {
            self.tell_news(call);
        }
        let mut changes: BTreeMap<CallId, Change> = BTreeMap::new();
        for Move { number, from, to } in moves {
            let there = self.conferences.get_mut(from).and_then(|it| it.members.remove(number));
            let Some(mut member) = there else { continue };
            let leg = member.leg.take();
            member.missed.clear();
            let session = member.session;
            self.record_left(from, *number);
            self.end_leg(leg);
            if let Some(conference) = self.conferences.get_mut(from) {
                conference.speaking.retain(|speaker| speaker != number);
            }
            if let Some(session) = self.sessions.get_mut(&session) {
                session.engaged = Engaged::Conference(to.clone());
            }
            if let Some(conference) = self.conferences.get_mut(to) {
                conference.members.insert(*number, member);
            }
            changes.entry(from.clone()).or_default().left.push(*number);
            changes.entry(to.clone()).or_default().came.push(*number);
        }
        for (call, change) in &changes {
            for number in &change.came {
                self.new_leg(call, *number);
                self.record_member(call, *number);
            }
        }
        for (call, change) in &changes {
            self.tell_moved(call, change);
            for number in &change.came {
                self.tell_conference(call, *number, None);
                self.tell_who_knocks(call, *number);
                self.notice_of(call, *number, What::Moved);
            }
            self.look_at_views(call);
        }
        if let Some(Move { to, .. }) = moves.first() {
            self.places_changed(&self.main_of(to));
        }
    }

    /// Tells those who were there before, and still are.
    fn tell_moved(&mut self, call: &CallId, change: &Change) {
        let Some(conference) = self.conferences.get(call) else { return };
        let came: Vec<_> = change.came.iter().filter_map(|n| self.described(conference, *n)).collect();
        let (came, nobody) = (Arc::new(came), Arc::default());
        let sessions = &self.sessions;
        let Some(conference) = self.conferences.get_mut(call) else { return };
        let fresh: BTreeSet<MemberNumber> = change.came.iter().copied().collect();
        let mut news = Vec::new();
        for (_, other) in conference.members.iter_mut().filter(|(number, _)| !fresh.contains(number)) {
            if other.encoder.is_some() {
                continue;
            }
            let mut left = change.left.clone();
            left.retain(|number| other.missed.remove(number) != Some(true));
            let here = sessions.get(&other.session).is_some_and(|s| matches!(s.link, Link::Attached(_)));
            if !here {
                other.missed.extend(change.came.iter().map(|number| (*number, true)));
            }
            let members = Arc::clone(if here { &came } else { &nobody });
            if !members.is_empty() || !left.is_empty() {
                news.push((other.session, left, members));
            }
        }
        for (session, left, members) in news {
            self.tell(session, ServerMessage::Members { call: call.clone(), left, members });
        }
    }
}
