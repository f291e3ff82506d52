//! What crosses between the rendezvous and the recorder: plain data, as everything on the bus.
//!
//! The rendezvous knows who is in a conference and what they say of themselves; media come to the recorder from the
//! forwarder, under the names of legs.

use serde::{Deserialize, Serialize};

use super::forwarding::{LegKey, RoomKey};
use super::protocol::{MemberNumber, Person, Sending};

/// Somebody in a conference that is recorded.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Attendant {
    /// Their number.
    pub number: MemberNumber,
    /// Who.
    pub person: Person,
    /// Whether they are an owner, and so may have the recording.
    pub owner: bool,
    /// What they send, by their own account.
    pub sending: Sending,
    /// Their media connection.
    pub leg: Option<LegKey>,
}

/// From the rendezvous to the recorder.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum RecordingCommand {
    /// A recording begins.
    Begin {
        /// Its name, 22 characters of base64url: never used twice.
        id: String,
        /// The room at the forwarder.
        room: RoomKey,
        /// The name in its link.
        name: String,
        /// Who pressed the button.
        by: Person,
        /// Everybody who is there.
        people: Vec<Attendant>,
    },
    /// Somebody is there, or is another than before.
    Member {
        /// The recording.
        id: String,
        /// Who.
        member: Attendant,
    },
    /// Somebody has left.
    Left {
        /// The recording.
        id: String,
        /// Who.
        number: MemberNumber,
    },
    /// Who speaks, the loudest first.
    Speaking {
        /// The recording.
        id: String,
        /// Who.
        members: Vec<MemberNumber>,
    },
    /// It is over.
    End {
        /// The recording.
        id: String,
    },
}

/// From the recorder to the rendezvous.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum RecordingEvent {
    /// So much has been written.
    Written {
        /// The recording.
        id: String,
        /// Bytes in all of its files.
        bytes: u64,
    },
    /// It is over as it should be, and its files are complete.
    Finished {
        /// The recording.
        id: String,
        /// The room's name.
        room: String,
        /// Bytes in all of its files.
        bytes: u64,
    },
    /// It could not be begun, or not go on: it is over. What was written is kept.
    Failed {
        /// The recording.
        id: String,
        /// The room's name.
        room: String,
        /// Bytes in all of its files.
        bytes: u64,
        /// For people: what was wrong.
        message: String,
    },
}
