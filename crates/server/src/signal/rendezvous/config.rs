use std::time::Duration;

use super::bucket::Rate;

/// Bounds and times of a rendezvous. `Default` is what `visavis serve` uses.
#[derive(Clone)]
pub struct Config {
    /// The key of the tickets (`rejoin`): the same after a restart. 32 bytes or more.
    pub secret: Vec<u8>,
    /// How long a call rings.
    pub ring_timeout: Duration,
    /// How long a session outlives its socket, and how long the first to rejoin a call waits for the other.
    pub resume_timeout: Duration,
    /// How long a person without any socket is still rung, as if they were about to be back.
    pub grace: Duration,
    /// How long a client waits at most to be told that its message arrived, if there is nothing else to tell it.
    pub ack_delay: Duration,
    /// So many messages are confirmed at once without waiting for `ack_delay`.
    pub ack_every: u64,
    /// Messages that a client has not confirmed; more end the session.
    pub unconfirmed_messages: usize,
    /// Bytes of them; more end the session.
    pub unconfirmed_bytes: usize,
    /// Sessions in all; `None` is unlimited.
    pub sessions: Option<usize>,
    /// Sessions of one address (of one /64 with IPv6).
    pub sessions_per_address: usize,
    /// Sessions of one person: their devices and tabs.
    pub sessions_per_person: usize,
    /// Calls that ring for one person at a time.
    pub ringing_per_person: usize,
    /// Ringing devices of a call that may exchange descriptions with the caller before one of them accepts.
    pub early_devices: usize,
    /// Descriptions that pass so between the caller and one device, in each direction.
    pub early_descriptions: usize,
    /// Bytes of them.
    pub early_description_bytes: usize,
    /// Relayed candidates that pass so between the caller and one device, in each direction; more are kept as others are.
    pub early_relayed: usize,
    /// Candidates that are kept meanwhile for one device, and as many for the caller.
    pub early_candidates: usize,
    /// Bytes of them.
    pub early_candidate_bytes: usize,
    /// Sessions that wait in one room.
    pub waiting_per_room: usize,
    /// Whether there is a forwarder of media: without one more than two cannot meet.
    pub forwarding: bool,
    /// Whether there is a recorder.
    pub recording: bool,
    /// Conferences at a time; `None` is unlimited.
    pub conferences: Option<usize>,
    /// Members of one conference.
    pub members_per_conference: usize,
    /// Viewers of one conference, who come by HTTP and are no members.
    pub viewers_per_conference: usize,
    /// How long an encoder or a viewer may take to connect, and to come back after its media connection fell silent.
    pub door_timeout: Duration,
    /// How long a change of the number of viewers waits for others before members are told.
    pub viewers_delay: Duration,
    /// Members of a conference up to which each change about one of them is told at once; in a larger one a change
    /// waits for others.
    pub told_at_once: usize,
    /// Members of a conference who are told of in one message; what there is more follows in others. A socket keeps
    /// the room that its longest message took.
    pub members_per_message: usize,
    /// Rooms that applications have set up.
    pub kept_rooms: usize,
    /// Whether applications are told what happens (`Event::Notice`).
    pub notices: bool,
    /// People who wait to be admitted to one conference.
    pub lobby_places: usize,
    /// How long a call of two goes on beside the conference that takes its place.
    pub handover_timeout: Duration,
    /// How long two must be alone in a conference before they are put through to each other.
    pub pair_delay: Duration,
    /// How long they may take for it.
    pub direct_timeout: Duration,
    /// Picture slots in a layout.
    pub picture_slots: usize,
    /// Messages of one session; a hello counts as `hello_cost`.
    pub messages: Rate,
    /// Messages of one address.
    pub messages_per_address: Rate,
    /// Invites, meets and rejoins of one session.
    pub invites: Rate,
    /// The same of one address.
    pub invites_per_address: Rate,
    /// What a hello costs in messages.
    pub hello_cost: u32,
    /// Bytes of a session description.
    pub description_bytes: usize,
    /// Bytes of a candidate with its other fields.
    pub candidate_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            secret: Vec::new(),
            ring_timeout: Duration::from_secs(45),
            resume_timeout: Duration::from_secs(60),
            grace: Duration::from_secs(5),
            ack_delay: Duration::from_millis(200),
            ack_every: 8,
            unconfirmed_messages: 256,
            unconfirmed_bytes: 512 * 1024,
            sessions: None,
            sessions_per_address: 1000,
            sessions_per_person: 16,
            ringing_per_person: 8,
            early_devices: 3,
            early_descriptions: 16,
            early_description_bytes: 128 * 1024,
            early_relayed: 16,
            early_candidates: 64,
            early_candidate_bytes: 16 * 1024,
            waiting_per_room: 8,
            recording: false,
            forwarding: false,
            conferences: None,
            members_per_conference: 100,
            viewers_per_conference: 1000,
            door_timeout: Duration::from_secs(20),
            viewers_delay: Duration::from_millis(500),
            told_at_once: 16,
            members_per_message: 16,
            kept_rooms: 10_000,
            notices: false,
            lobby_places: 50,
            handover_timeout: Duration::from_secs(10),
            pair_delay: Duration::from_secs(2),
            direct_timeout: Duration::from_secs(20),
            picture_slots: 49,
            messages: Rate { burst: 200, every: Duration::from_millis(20) },
            messages_per_address: Rate { burst: 4000, every: Duration::from_millis(1) },
            invites: Rate { burst: 10, every: Duration::from_secs(2) },
            invites_per_address: Rate { burst: 200, every: Duration::from_millis(100) },
            hello_cost: 5,
            description_bytes: 64 * 1024,
            candidate_bytes: 2 * 1024,
        }
    }
}
