//! Which threads a room is on. It begins on one; when it has more people there than one thread should carry, those who come
//! next are on another, and so on; a part that is left by all ends.

use std::collections::HashMap;

use super::message::Command;
use crate::signal::forwarding::{LegKey, MediaCommand, RoomKey, Wish};

/// A room and where it is.
struct Room {
    members: usize,
    stage: Option<Wish>,
    /// The threads it is on, with the people there; the first is where it began, and stays.
    parts: Vec<(usize, usize)>,
}

/// Where all rooms and people are.
pub(super) struct Parts {
    threads: usize,
    /// People of one room on one thread before another thread is taken.
    most: usize,
    rooms: HashMap<RoomKey, Room>,
    legs: HashMap<LegKey, (RoomKey, usize)>,
}

impl Parts {
    pub(super) fn new(threads: usize, most: usize) -> Self {
        Self { threads, most: most.max(1), rooms: HashMap::new(), legs: HashMap::new() }
    }

    /// What is to be said to which threads because of a command, in this order.
    pub(super) fn route(&mut self, command: MediaCommand) -> Vec<(usize, Command)> {
        let forward = |thread: usize, command: &MediaCommand| (thread, Command::Forward(command.clone()));
        match &command {
            MediaCommand::Open { room, members } => {
                let thread = self.least_loaded(&[]);
                self.rooms.insert(*room, Room { members: *members, stage: None, parts: vec![(thread, 0)] });
                vec![forward(thread, &command)]
            }
            MediaCommand::Close { room } => {
                let Some(closed) = self.rooms.remove(room) else { return Vec::new() };
                self.legs.retain(|_, (of, _)| of != room);
                closed.parts.iter().map(|(thread, _)| forward(*thread, &command)).collect()
            }
            MediaCommand::Stage { room, wish } => {
                let Some(found) = self.rooms.get_mut(room) else { return Vec::new() };
                found.stage = *wish;
                found.parts.iter().map(|(thread, _)| forward(*thread, &command)).collect()
            }
            // The first part has everybody, some of them as stand-ins.
            MediaCommand::Record { room, .. } => {
                let first = self.rooms.get(room).map(|found| found.parts[0].0);
                first.into_iter().map(|thread| forward(thread, &command)).collect()
            }
            MediaCommand::Join { room, leg, .. } => {
                let mut said = self.make_room(*room);
                let Some(part) = self.rooms.get_mut(room).and_then(|found| found.emptiest()) else {
                    return said;
                };
                part.1 += 1;
                self.legs.insert(*leg, (*room, part.0));
                said.push(forward(part.0, &command));
                said
            }
            MediaCommand::Leave { leg } => {
                let Some((room, thread)) = self.legs.remove(leg) else { return Vec::new() };
                let mut said = vec![forward(thread, &command)];
                said.extend(self.left(room, thread));
                said
            }
            MediaCommand::Offer { leg, .. }
            | MediaCommand::Candidate { leg, .. }
            | MediaCommand::Layout { leg, .. }
            | MediaCommand::Listen { leg, .. }
            | MediaCommand::Allow { leg, .. } => {
                let thread = self.legs.get(leg).map(|(_, thread)| *thread);
                thread.into_iter().map(|thread| forward(thread, &command)).collect()
            }
        }
    }

    /// Takes another thread for a room if those that it is on have enough people.
    fn make_room(&mut self, room: RoomKey) -> Vec<(usize, Command)> {
        let Some(found) = self.rooms.get(&room) else { return Vec::new() };
        let taken: Vec<usize> = found.parts.iter().map(|(thread, _)| *thread).collect();
        if taken.len() >= self.threads || found.parts.iter().any(|(_, people)| *people < self.most) {
            return Vec::new();
        }
        let thread = self.least_loaded(&taken);
        let Some(found) = self.rooms.get_mut(&room) else { return Vec::new() };
        found.parts.push((thread, 0));
        tracing::debug!(room = room.0, thread, "a room goes on on another thread");
        let open = MediaCommand::Open { room, members: found.members };
        let stage = MediaCommand::Stage { room, wish: found.stage };
        let mut said = vec![(thread, Command::Forward(open)), (thread, Command::Forward(stage))];
        // The new part first: it is there when the others speak to it.
        said.extend(found.spread(room).into_iter().rev());
        said
    }

    /// Somebody has left a part.
    fn left(&mut self, room: RoomKey, thread: usize) -> Vec<(usize, Command)> {
        let Some(found) = self.rooms.get_mut(&room) else { return Vec::new() };
        let Some(at) = found.parts.iter().position(|(known, _)| *known == thread) else { return Vec::new() };
        found.parts[at].1 = found.parts[at].1.saturating_sub(1);
        if at == 0 || found.parts[at].1 > 0 {
            return Vec::new();
        }
        found.parts.remove(at);
        let mut said = found.spread(room);
        said.push((thread, Command::Forward(MediaCommand::Close { room })));
        said
    }

    /// The thread with the fewest people among the others, of several with equally many that with the fewest rooms.
    fn least_loaded(&self, but: &[usize]) -> usize {
        let mut load = vec![(0, 0); self.threads];
        for (thread, people) in self.rooms.values().flat_map(|room| &room.parts) {
            load[*thread].0 += people;
            load[*thread].1 += 1;
        }
        let free = (0..self.threads).filter(|thread| !but.contains(thread));
        free.min_by_key(|thread| load[*thread]).unwrap_or_default()
    }
}

impl Room {
    /// The part for whoever comes next: the first as long as it is not full, else the emptiest.
    fn emptiest(&mut self) -> Option<&mut (usize, usize)> {
        self.parts.iter_mut().min_by_key(|(_, people)| *people)
    }

    /// Tells each part which others there are.
    fn spread(&self, room: RoomKey) -> Vec<(usize, Command)> {
        let threads = || self.parts.iter().map(|(thread, _)| *thread);
        let each = threads().enumerate().map(|(at, thread)| {
            let others = threads().filter(|other| *other != thread).collect();
            (thread, Command::Spread { room, first: at == 0, others })
        });
        each.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::forwarding::Part;

    fn said(parts: &mut Parts, command: MediaCommand) -> Vec<String> {
        let text = |(thread, command)| match command {
            Command::Forward(command) => format!("{thread}: {command:?}"),
            Command::Spread { room, first, others } => {
                format!("{thread}: Spread({}, {first}, {others:?})", room.0)
            }
            _ => unreachable!("nothing else is said"),
        };
        parts.route(command).into_iter().map(text).collect()
    }

    fn join(leg: u64) -> MediaCommand {
        MediaCommand::Join { room: RoomKey(1), leg: LegKey(leg), number: 1, part: Part::Member }
    }

    #[test]
    fn a_room_takes_another_thread_when_one_is_full_and_gives_it_back() {
        let mut parts = Parts::new(2, 2);
        let room = RoomKey(1);
        assert_eq!(said(&mut parts, MediaCommand::Open { room, members: 9 }), ["0: Open(1, 9)"]);
        assert_eq!(said(&mut parts, join(1)), ["0: Join(1, 1, 1, Member)"]);
        assert_eq!(said(&mut parts, join(2)), ["0: Join(1, 2, 1, Member)"]);
        let wish = None;
        assert_eq!(said(&mut parts, MediaCommand::Stage { room, wish }), ["0: Stage(1, None)"]);
        let expected = [
            "1: Open(1, 9)",
            "1: Stage(1, None)",
            "1: Spread(1, false, [0])",
            "0: Spread(1, true, [1])",
            "1: Join(1, 3, 1, Member)",
        ];
        assert_eq!(said(&mut parts, join(3)), expected);
        assert_eq!(said(&mut parts, join(4)), ["1: Join(1, 4, 1, Member)"]);
        assert_eq!(said(&mut parts, join(5)), ["0: Join(1, 5, 1, Member)"], "there are no more threads");
        let record = MediaCommand::Record { room, on: true };
        assert_eq!(said(&mut parts, record), ["0: Record(1, true)"]);
        let listen = |leg| MediaCommand::Listen { leg: LegKey(leg), to: None };
        assert_eq!(said(&mut parts, listen(3)), ["1: Listen(3, None)"]);
        let leave = |leg| MediaCommand::Leave { leg: LegKey(leg) };
        assert_eq!(said(&mut parts, leave(3)), ["1: Leave(3)"]);
        assert_eq!(said(&mut parts, leave(4)), ["1: Leave(4)", "0: Spread(1, true, [])", "1: Close(1)"]);
        for leg in [1, 2, 5] {
            assert_eq!(said(&mut parts, leave(leg)), [format!("0: Leave({leg})")], "the first part stays");
        }
        assert_eq!(said(&mut parts, leave(5)), [""; 0]);
        assert_eq!(said(&mut parts, MediaCommand::Close { room }), ["0: Close(1)"]);
        assert_eq!(said(&mut parts, join(6)), [""; 0], "it is closed");
    }

    #[test]
    fn rooms_begin_where_the_fewest_people_are() {
        let mut parts = Parts::new(2, 10);
        let open = |room| MediaCommand::Open { room: RoomKey(room), members: 9 };
        assert_eq!(said(&mut parts, open(1)), ["0: Open(1, 9)"]);
        assert_eq!(said(&mut parts, open(2)), ["1: Open(2, 9)"]);
        said(&mut parts, join(1));
        assert_eq!(said(&mut parts, open(3)), ["1: Open(3, 9)"]);
    }
}
