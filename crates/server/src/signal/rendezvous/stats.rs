use super::Rendezvous;

/// What a rendezvous has and what it did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize)]
pub struct Stats {
    /// Sessions now.
    pub sessions: usize,
    /// Those with a socket now.
    pub sockets: usize,
    /// People now.
    pub people: usize,
    /// Calls now, in any state.
    pub calls: usize,
    /// Rooms now.
    pub rooms: usize,
    /// Conferences now.
    pub conferences: usize,
    /// Their members that have a media connection, or are to make one.
    pub members: usize,
    /// Encoders among them, which came by HTTP.
    pub encoders: usize,
    /// Viewers, who came by HTTP and are no members.
    pub viewers: usize,
    /// Encoders and viewers that came in.
    pub doors_opened: u64,
    /// Those that did not.
    pub doors_refused: u64,
    /// Rooms that applications have set up.
    pub kept: usize,
    /// Sessions that began.
    pub hellos: u64,
    /// Sessions taken up again.
    pub resumes: u64,
    /// Numbered messages carried out.
    pub messages: u64,
    /// Numbered messages that came again.
    pub repeated: u64,
    /// Calls that rang.
    pub invites: u64,
    /// Calls that began (accepted, met or rejoined).
    pub started: u64,
    /// Conferences that began.
    pub opened: u64,
    /// Members that came into a conference.
    pub joined: u64,
    /// Requests answered with `error`.
    pub errors: u64,
    /// Sockets closed with `refused`.
    pub refused: u64,
    /// Sessions ended because the client did not confirm what it was sent.
    pub overflows: u64,
}

impl Stats {
    /// Calls and conferences now.
    pub const fn running(&self) -> usize {
        self.calls + self.conferences
    }
}

impl Rendezvous {
    /// Counts of now and since the start.
    pub fn stats(&self) -> Stats {
        Stats {
            sessions: self.sessions.len(),
            sockets: self.sockets.len(),
            people: self.people.len(),
            calls: self.calls.len(),
            rooms: self.rooms.len(),
            conferences: self.conferences.len(),
            members: self.legs.len(),
            encoders: self.doors.len() - self.viewer_legs.len(),
            viewers: self.viewer_legs.len(),
            kept: self.kept.len(),
            ..self.stats
        }
    }
}
