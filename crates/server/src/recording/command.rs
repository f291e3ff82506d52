//! `visavis recordings`: for the administrator, on the data folder itself.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, IsTerminal as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use futures_util::StreamExt as _;
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;

use super::{Archive, Folder, State, Timeline};

/// `list`: a line for each. With a store, or with files that are gone, it says where they are.
///
/// # Errors
/// The folder cannot be read.
pub(crate) fn list(archive: &Archive) -> Result<String> {
    let (folder, mut out) = (archive.folder(), String::new());
    for timeline in folder.list()? {
        let state = match timeline.state {
            State::Recording => "recording",
            State::Finished => "finished",
            State::Interrupted => "interrupted",
            State::Failed => "failed",
        };
        let _ = writeln!(
            out,
            "{}  {}  {:>8}  {:>7} MB  {:<11}  {} ({} people, by {}){}",
            timeline.id,
            date(timeline.begun),
            length(timeline.duration),
            timeline.bytes() / 1_000_000,
            state,
            timeline.room,
            timeline.people.len(),
            timeline.by.name,
            place(archive, &timeline),
        );
    }
    if out.is_empty() {
        let _ = writeln!(out, "no recordings in {}", folder.path().display());
    }
    Ok(out)
}

/// Where the files of a recording are, if that is not plain.
fn place(archive: &Archive, timeline: &Timeline) -> String {
    let all = timeline.names().count();
    let here = timeline.names().filter(|name| archive.folder().holds(&timeline.id, name)).count();
    let elsewhere = if archive.has_store() { "in the store" } else { "missing here" };
    match all - here {
        0 => String::new(),
        gone if gone == all => format!(", {elsewhere}"),
        gone => format!(", {gone} of {all} files {elsewhere}"),
    }
}

/// `export`: copies a recording into a folder that is made for it; what was copied.
///
/// # Errors
/// There is no such recording, or the folder is there already, or it cannot be written, or the store does not answer.
pub(crate) async fn export(archive: &Archive, id: &str, to: &Path) -> Result<String> {
    let timeline = find(archive.folder(), id)?;
    fs::create_dir(to).with_context(|| format!("cannot make {}", to.display()))?;
    let mut count = 0;
    for name in timeline.names().chain([super::timeline::FILE]) {
        let path = to.join(name);
        if let Err(error) = copy(archive, (id, name), &path).await {
            // Half a file would look like a whole one, and an empty folder would be in the way the next time.
            let _ = fs::remove_file(&path);
            let _ = fs::remove_dir(to);
            return Err(error.context(format!("cannot copy {name}")));
        }
        count += 1;
    }
    Ok(format!("{count} files in {}\n", to.display()))
}

/// Copies a file; one that comes from the store takes its time, so it is told how far it is.
async fn copy(archive: &Archive, (id, name): (&str, &str), to: &Path) -> Result<()> {
    let found = archive.find(id, name).await?.context("it is nowhere any more")?;
    let (size, told) = (found.size, found.is_there());
    let line_end = if io::stderr().is_terminal() { "\r" } else { "\n" };
    let mut file = File::create_new(to).await?;
    let mut pieces = found.read(0, size).await?;
    let (mut done, mut shown) = (0, 0);
    while let Some(piece) = pieces.next().await {
        let piece = piece?;
        file.write_all(&piece).await?;
        done += piece.len() as u64;
        let tenth = done * 10 / size.max(1);
        if told && tenth > shown {
            shown = tenth;
            eprint!("{name}: {}0 % of {} MB{line_end}", tenth, size.div_ceil(1_000_000));
        }
    }
    if told && line_end == "\r" {
        eprintln!();
    }
    file.sync_all().await?;
    Ok(())
}

/// `delete`: removes a recording for good.
///
/// # Errors
/// There is no such recording, or it goes on, or it cannot be removed.
pub(crate) async fn delete(archive: &Archive, id: &str) -> Result<String> {
    let timeline = find(archive.folder(), id)?;
    if timeline.state == State::Recording {
        bail!("{id} goes on, or was interrupted and is finished when the server starts; stop it first");
    }
    archive.delete(id).await.context("it is not deleted yet; repeat this, or leave it to the server")?;
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
