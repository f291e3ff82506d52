//! `visavis recordings`: for the administrator, on the data folder itself.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::{Folder, State, Timeline};

/// `list`: a line for each.
///
/// # Errors
/// The folder cannot be read.
pub(crate) fn list(folder: &Folder) -> Result<String> {
    let mut out = String::new();
    for timeline in folder.list()? {
        let state = match timeline.state {
            State::Recording => "recording",
            State::Finished => "finished",
            State::Interrupted => "interrupted",
            State::Failed => "failed",
        };
        let _ = writeln!(
            out,
            "{}  {}  {:>8}  {:>7} MB  {:<11}  {} ({} people, by {})",
            timeline.id,
            date(timeline.begun),
            length(timeline.duration),
            timeline.bytes() / 1_000_000,
            state,
            timeline.room,
            timeline.people.len(),
            timeline.by.name,
        );
    }
    if out.is_empty() {
        let _ = writeln!(out, "no recordings in {}", folder.path().display());
    }
    Ok(out)
}

/// `export`: copies a recording into a folder that is made for it; what was copied.
///
/// # Errors
/// There is no such recording, or the folder is there already, or it cannot be written.
pub(crate) fn export(folder: &Folder, id: &str, to: &Path) -> Result<String> {
    let timeline = find(folder, id)?;
    let from = folder.of(id).context("it has no folder")?;
    fs::create_dir(to).with_context(|| format!("cannot make {}", to.display()))?;
    let files = timeline.people.iter().flat_map(|person| &person.files).map(|part| part.name.as_str());
    let mut count = 0;
    for name in files.chain([super::timeline::FILE]) {
        fs::copy(from.join(name), to.join(name)).with_context(|| format!("cannot copy {name}"))?;
        count += 1;
    }
    Ok(format!("{count} files in {}\n", to.display()))
}

/// `delete`: removes a recording for good.
///
/// # Errors
/// There is no such recording, or it goes on, or it cannot be removed.
pub(crate) fn delete(folder: &Folder, id: &str) -> Result<String> {
    let timeline = find(folder, id)?;
    if timeline.state == State::Recording {
        bail!("{id} goes on, or was interrupted and is finished when the server starts; stop it first");
    }
    folder.delete(id)?;
    Ok(format!("{id} is deleted\n"))
}

fn find(folder: &Folder, id: &str) -> Result<Timeline> {
    let found = folder.load(id)?;
    found.with_context(|| {
        format!("there is no recording {id} in {}; see `visavis recordings list`", folder.path().display())
    })
}

fn length(millis: u64) -> String {
    let seconds = millis / 1000;
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// A time in milliseconds since 1970 as a date (UTC).
fn date(millis: u64) -> String {
    let seconds = i64::try_from(millis / 1000).unwrap_or(0);
    let Ok(at) = time::OffsetDateTime::from_unix_timestamp(seconds) else { return String::new() };
    let (date, month) = (at.date(), u8::from(at.month()));
    format!("{}-{month:02}-{:02} {:02}:{:02}", date.year(), date.day(), at.hour(), at.minute())
}
