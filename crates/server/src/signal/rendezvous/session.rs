//! One session: the numbering that makes a row of sockets one line of messages in each direction.

use std::collections::VecDeque;
use std::net::IpAddr;

use wire::Instant;

use super::bucket::Bucket;
use crate::signal::bus::{Grant, SocketId};
use crate::signal::protocol::{CallId, ServerMessage};

/// A device of a person, with or without a socket at the moment.
pub(super) struct Session {
    pub(super) secret: [u8; 16],
    /// The id of the person it speaks for.
    pub(super) person: String,
    /// The identity token, to be given back at each welcome.
    pub(super) token: String,
    /// Counted for this address.
    pub(super) address: IpAddr,
    pub(super) link: Link,
    pub(super) engaged: Engaged,
    /// Whether the client knows conferences.
    pub(super) conferences: bool,
    /// What a join token said.
    pub(super) grant: Option<Box<Grant>>,
    pub(super) inbox: Inbox,
    pub(super) outbox: Outbox,
    pub(super) messages: Bucket,
    pub(super) invites: Bucket,
}

/// Whether a socket is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Link {
    Attached(SocketId),
    /// Without a socket since then.
    Detached(Instant),
}

/// What this device is doing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Engaged {
    Free,
    /// Calls somebody, is in a call, or waits to rejoin one.
    Call(CallId),
    /// In a conference.
    Conference(CallId),
    /// In a conference and in the call of two that it follows, or that follows it.
    Moving {
        /// The call of two.
        call: CallId,
        conference: CallId,
    },
    /// Waits in a room.
    Room(String),
    /// Waits to be admitted to a conference.
    Lobby(CallId),
}

impl Engaged {
    /// Whether nothing else can ring here.
    pub(super) fn is_busy(&self) -> bool {
        match self {
            Self::Call(_) | Self::Conference(_) | Self::Moving { .. } => true,
            Self::Free | Self::Room(_) | Self::Lobby(_) => false,
        }
    }

    /// The call of two, or the one that rings or is to be rejoined.
    pub(super) fn call_of_two(&self) -> Option<&CallId> {
        match self {
            Self::Call(call) | Self::Moving { call, .. } => Some(call),
            Self::Free | Self::Conference(_) | Self::Room(_) | Self::Lobby(_) => None,
        }
    }
}

/// What came from the client.
#[derive(Default)]
pub(super) struct Inbox {
    /// The highest number received.
    pub(super) received: u64,
    /// The highest the client was told we received.
    pub(super) told: u64,
    /// When we say so at the latest.
    pub(super) due: Option<Instant>,
}

/// How a number compares with those before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Order {
    Next,
    /// Had it already.
    Repeated,
    /// One or more are missing before it.
    Gap,
}

impl Inbox {
    pub(super) fn classify(&self, seq: u64) -> Order {
        match seq.checked_sub(self.received) {
            Some(1) => Order::Next,
            Some(0) | None => Order::Repeated,
            Some(_) => Order::Gap,
        }
    }
}

/// What the client has not confirmed yet. Its bounds are in `Config`; overflow ends the session.
#[derive(Default)]
pub(super) struct Outbox {
    /// The number of the last message put in.
    last: u64,
    bytes: usize,
    queue: VecDeque<ServerMessage>,
}

impl Outbox {
    /// Numbers a message and keeps it until it is confirmed.
    pub(super) fn push(&mut self, message: ServerMessage) -> u64 {
        self.last += 1;
        self.bytes += weight(&message);
        self.queue.push_back(message);
        self.last
    }

    /// Forgets everything up to `seq`; `false` if that was never sent.
    pub(super) fn confirm(&mut self, seq: u64) -> bool {
        if seq > self.last {
            return false;
        }
        while !self.queue.is_empty() && self.first() <= seq {
            let gone = self.queue.pop_front();
            self.bytes -= gone.as_ref().map_or(0, weight);
        }
        if self.queue.is_empty() {
            self.queue = VecDeque::new(); // an idle session keeps no buffer
        }
        true
    }

    /// The number of the last message put in.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Everything up to this number has arrived.
    pub(super) fn confirmed(&self) -> u64 {
        self.first() - 1
    }

    /// Whether a client that has everything up to `seq` can be given all the rest.
    pub(super) fn can_resume(&self, seq: u64) -> bool {
        seq <= self.last && seq + 1 >= self.first()
    }

    /// What is not confirmed, with its numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &ServerMessage)> {
        (self.first()..).zip(&self.queue)
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The number of the oldest message kept, or of the next one.
    fn first(&self) -> u64 {
        self.last + 1 - self.queue.len() as u64
    }
}

/// About how many bytes a message keeps occupied.
fn weight(message: &ServerMessage) -> usize {
    const REST: usize = 256;
    REST + match message {
        ServerMessage::Description { description, .. } => description.sdp.len(),
        ServerMessage::Started { description, candidates, .. } => {
            let offer = description.as_ref().map_or(0, |d| d.sdp.len());
            offer + candidates.iter().map(|c| REST + c.candidate.len()).sum::<usize>()
        }
        ServerMessage::Candidate { candidate, .. } => candidate.as_ref().map_or(0, |c| c.candidate.len()),
        ServerMessage::People { people, .. } => people.len() * REST,
        ServerMessage::IceServers { ice_servers, .. } => ice_servers.len() * REST,
        ServerMessage::Error { message, .. } => message.len(),
        ServerMessage::Conference { members, .. } => members.len() * REST,
        ServerMessage::Members { members, left, .. } => members.len() * REST + left.len() * 4,
        ServerMessage::Breakout { breakout, .. } => {
            breakout.as_ref().map_or(0, |it| (it.groups.len() + it.people.len()) * REST)
        }
        ServerMessage::Announced { text, .. } | ServerMessage::Whispered { text, .. } => text.len(),
        ServerMessage::Knocking { people, .. } => people.len() * REST,
        ServerMessage::Welcome { .. }
        | ServerMessage::Ack
        | ServerMessage::Pong
        | ServerMessage::Refused { .. }
        | ServerMessage::Renamed { .. }
        | ServerMessage::Ringing { .. }
        | ServerMessage::Incoming { .. }
        | ServerMessage::Peer { .. }
        | ServerMessage::Ended { .. }
        | ServerMessage::Waiting { .. }
        | ServerMessage::Opened { .. }
        | ServerMessage::Lobby { .. }
        | ServerMessage::Member { .. }
        | ServerMessage::MemberLeft { .. }
        | ServerMessage::Role { .. }
        | ServerMessage::Settings { .. }
        | ServerMessage::Recording { .. }
        | ServerMessage::Watchers { .. }
        | ServerMessage::Key { .. }
        | ServerMessage::Voices { .. }
        | ServerMessage::Speaking { .. }
        | ServerMessage::Shown { .. }
        | ServerMessage::Unplayable { .. }
        | ServerMessage::Paused { .. }
        | ServerMessage::Wanted { .. }
        | ServerMessage::Expressed { .. }
        | ServerMessage::Muted { .. }
        | ServerMessage::Draining => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_next_repeated_or_leave_a_gap() {
        let inbox = Inbox { received: 5, ..Inbox::default() };
        for (seq, order) in [
            (0, Order::Repeated),
            (5, Order::Repeated),
            (6, Order::Next),
            (7, Order::Gap),
            (u64::MAX, Order::Gap),
        ] {
            assert_eq!(inbox.classify(seq), order, "{seq}");
        }
    }

    #[test]
    fn the_outbox_keeps_what_is_not_confirmed() {
        let mut outbox = Outbox::default();
        assert!(outbox.can_resume(0) && !outbox.can_resume(1));
        for seq in 1..=5 {
            assert_eq!(outbox.push(ServerMessage::Draining), seq);
        }
        assert!(outbox.confirm(2));
        assert!(outbox.confirm(1), "an old number says nothing new");
        assert!(!outbox.confirm(6), "number 6 was never sent");
        assert_eq!(outbox.iter().map(|(seq, _)| seq).collect::<Vec<_>>(), [3, 4, 5]);
        for (seq, possible) in [(1, false), (2, true), (5, true), (6, false)] {
            assert_eq!(outbox.can_resume(seq), possible, "{seq}");
        }
        assert!(outbox.confirm(5));
        assert_eq!((outbox.len(), outbox.bytes()), (0, 0));
    }
}
