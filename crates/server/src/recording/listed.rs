//! A recording as it is told to pages and programs, with links to its files.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::timeline::FILE;
use super::{Recordings, Shows, State, Timeline};
use crate::signal::protocol::Person;

/// A recording of a room. Times are in milliseconds.
#[derive(Serialize, Deserialize, JsonSchema, Debug)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Recording")]
pub(crate) struct Listed {
    /// Its name.
    pub(crate) id: String,
    /// The name in the room's link.
    pub(crate) room: String,
    /// When it began, since 1970.
    begun: u64,
    /// How long it is; while it goes on, as far as was noted.
    duration: u64,
    /// Where it is on its way.
    state: State,
    /// Why it failed; absent if it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    /// Who began it.
    by: Person,
    /// Bytes of all files.
    bytes: u64,
    /// A link to `timeline.json`, which says who was there and spoke when. Good for twelve hours, without a header.
    timeline: String,
    /// The files, by person and time.
    files: Vec<ListedFile>,
}

/// A file of a recording.
#[derive(Serialize, Deserialize, JsonSchema, Debug)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "RecordingFile")]
pub(crate) struct ListedFile {
    /// Its name.
    name: String,
    /// Of whom it is.
    person: String,
    /// What it shows.
    shows: Shows,
    /// From the beginning of the recording to the file's.
    offset: u64,
    /// How long it is.
    duration: u64,
    /// How large it is.
    bytes: u64,
    /// The codecs in it, such as `opus` and `vp8`.
    codecs: Vec<String>,
    /// Gives the file or a part of it (`Range`). Good for twelve hours, without a header; with `&save=1` as an attachment.
    link: String,
}

impl Listed {
    /// What there is to tell; links begin with `origin`, and are good from `now` on, in seconds since 1970.
    pub(crate) fn new(recordings: &Recordings, timeline: Timeline, (origin, now): (&str, u64)) -> Self {
        let bytes = timeline.bytes();
        let link = |file: &str| format!("{origin}{}", recordings.link(&timeline.id, file, now));
        let files = timeline.people.iter().flat_map(|person| {
            person.files.iter().map(|part| ListedFile {
                name: part.name.clone(),
                person: person.person.name.clone(),
                shows: part.shows,
                offset: part.offset,
                duration: part.duration,
                bytes: part.bytes,
                codecs: part.codecs.clone(),
                link: link(&part.name),
            })
        });
        let (files, own) = (files.collect(), link(FILE));
        let Timeline { id, room, begun, duration, state, problem, by, .. } = timeline;
        Self { id, room, begun, duration, state, problem, by, bytes, timeline: own, files }
    }
}
