//! `timeline.json`: who was there when, and which file has what. `docs/recording.md` describes it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::signal::protocol::{MemberNumber, Person};

/// The name of the file.
pub(crate) const FILE: &str = "timeline.json";
/// Changes of speakers, presence or muting that are kept of one recording at most.
const MOST_CHANGES: usize = 100_000;

/// Where a recording is on its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "RecordingState")]
pub enum State {
    /// It goes on.
    Recording,
    /// It ended as it should.
    Finished,
    /// The server ended in the middle of it; what was written was finished at the next start.
    Interrupted,
    /// It could not go on, see [`Timeline::problem`].
    Failed,
}

/// A span of time, in milliseconds since the recording began.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Span {
    /// Its beginning.
    pub from: u64,
    /// Its end; absent while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
}

/// What a file shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Shows {
    /// Microphone and camera.
    Camera,
    /// A screen.
    Screen,
}

/// A file of a recording.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// Its name in the folder.
    pub name: String,
    /// What it shows.
    pub shows: Shows,
    /// Milliseconds from the beginning of the recording to the file's.
    pub offset: u64,
    /// How long it is, in milliseconds.
    pub duration: u64,
    /// How large it is.
    pub bytes: u64,
    /// The codecs in it, such as `opus` and `vp8`.
    pub codecs: Vec<String>,
}

/// Somebody in a recording.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attended {
    /// Their number in the conference.
    pub number: MemberNumber,
    /// Who.
    pub person: Person,
    /// When they were there.
    pub present: Vec<Span>,
    /// When their microphone was off, by their own account or a moderator's.
    pub muted: Vec<Span>,
    /// Their files, in the order of time.
    pub files: Vec<Part>,
}

/// Who spoke from a moment on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Speaking {
    /// Milliseconds since the recording began.
    pub at: u64,
    /// Their numbers, the loudest first; empty when nobody did.
    pub members: Vec<MemberNumber>,
}

/// The whole file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Timeline {
    /// 1.
    pub version: u32,
    /// The recording.
    pub id: String,
    /// The name in the room's link.
    pub room: String,
    /// When it began, in milliseconds since 1970.
    pub begun: u64,
    /// How long it is, in milliseconds; while it goes on, as far as was noted.
    pub duration: u64,
    /// Where it is on its way.
    pub state: State,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Who pressed the button.
    pub by: Person,
    /// The ids of the people who may have it: who began it, and who was an owner meanwhile.
    pub owners: Vec<String>,
    /// Everybody who was there.
    pub people: Vec<Attended>,
    /// Who spoke when.
    pub speaking: Vec<Speaking>,
}

impl Timeline {
    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.people.iter().flat_map(|person| &person.files).map(|part| part.bytes).sum()
    }

    /// The names of all files.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.people.iter().flat_map(|person| &person.files).map(|part| part.name.as_str())
    }

    /// Somebody of that number, made if they were not there yet.
    pub(super) fn attended(&mut self, number: MemberNumber, person: &Person) -> &mut Attended {
        let found = self.people.iter().position(|known| known.number == number);
        let at = found.unwrap_or_else(|| {
            self.people.push(Attended {
                number,
                person: person.clone(),
                present: Vec::new(),
                muted: Vec::new(),
                files: Vec::new(),
            });
            self.people.len() - 1
        });
        let found = &mut self.people[at];
        found.person = person.clone();
        found
    }

    /// Notes who speaks.
    pub(super) fn speaking(&mut self, at: u64, members: Vec<MemberNumber>) {
        if self.speaking.len() < MOST_CHANGES {
            self.speaking.push(Speaking { at, members });
        }
    }

    /// Ends all spans that go on.
    pub(super) fn close(&mut self, at: u64, state: State) {
        self.duration = at;
        self.state = state;
        for person in &mut self.people {
            set(&mut person.present, at, false);
            set(&mut person.muted, at, false);
        }
    }
}

/// A span begins, or ends, or goes on as it was.
pub(super) fn set(spans: &mut Vec<Span>, at: u64, on: bool) {
    let full = spans.len() >= MOST_CHANGES;
    match (spans.last_mut().filter(|span| span.to.is_none()), on) {
        (Some(span), false) => span.to = Some(at.max(span.from)),
        (None, true) if !full => spans.push(Span { from: at, to: None }),
        (Some(_), true) | (None, _) => {}
    }
}
