//! Where recordings are: a folder each, with files and `timeline.json`. What a server left unfinished is finished here.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use media::webm::Recovery;

use super::part::apply;
use super::timeline::{FILE, State, Timeline};
use crate::data;

/// Bytes of a timeline that are read at most.
const MOST_TIMELINE: u64 = 64 << 20;
/// Bytes of a file that are looked at in one go.
const PIECE: usize = 1 << 20;

/// The folder of all recordings; clones are the same one.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The folder at this path, which is made when the first recording begins.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of a recording; `None` if that cannot be the name of one.
    pub(super) fn of(&self, id: &str) -> Option<PathBuf> {
        is_id(id).then(|| self.path.join(id))
    }

    /// Makes the folder of a new recording.
    pub(super) fn begin(&self, id: &str) -> Result<PathBuf> {
        let Some(path) = self.of(id) else { bail!("{id:?} is no name of a recording") };
        data::private_folder(&self.path)?;
        data::private_folder(&path)?;
        Ok(path)
    }

    /// All recordings, the latest first. What cannot be read is left out, and said in the log.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn list(&self) -> Result<Vec<Timeline>> {
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", self.path.display())),
        };
        let mut found = Vec::new();
        for entry in entries {
            let name = entry.with_context(|| format!("cannot read {}", self.path.display()))?.file_name();
            let Some(id) = name.to_str().filter(|name| is_id(name)) else { continue };
            match self.load(id) {
                Ok(Some(timeline)) => found.push(timeline),
                Ok(None) => {}
                Err(error) => tracing::warn!(id, error = format!("{error:#}"), "a recording cannot be read"),
            }
        }
        found.sort_by(|a, b| b.begun.cmp(&a.begun).then_with(|| a.id.cmp(&b.id)));
        Ok(found)
    }

    /// One recording; `None` if there is none of that name.
    ///
    /// # Errors
    /// Its timeline cannot be read.
    pub fn load(&self, id: &str) -> Result<Option<Timeline>> {
        let Some(path) = self.of(id).map(|folder| folder.join(FILE)) else { return Ok(None) };
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        let mut text = Vec::new();
        file.take(MOST_TIMELINE).read_to_end(&mut text)?;
        let timeline = serde_json::from_slice(&text);
        timeline.map(Some).with_context(|| format!("{} is not a timeline", path.display()))
    }

    /// Writes a timeline; a reader sees the one before or this.
    pub(super) fn save(&self, timeline: &Timeline) -> Result<()> {
        let Some(folder) = self.of(&timeline.id) else {
            bail!("{:?} is no name of a recording", timeline.id)
        };
        let text = serde_json::to_vec_pretty(timeline).context("cannot write a timeline")?;
        data::write_private(&folder.join(FILE), &text)
    }

    /// Removes a recording for good. Whether there was one.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn delete(&self, id: &str) -> Result<bool> {
        let Some(path) = self.of(id) else { return Ok(false) };
        match fs::remove_dir_all(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error).with_context(|| format!("cannot remove {}", path.display())),
        }
    }

    /// Finishes what a server left unfinished; how many recordings that were.
    ///
    /// # Errors
    /// The folder cannot be read. A recording that cannot be mended is said in the log, and stays as it is.
    pub fn recover(&self) -> Result<usize> {
        let mut count = 0;
        for mut timeline in self.list()? {
            if timeline.state != State::Recording {
                continue;
            }
            match self.mend(&mut timeline) {
                Ok(()) => {
                    count += 1;
                    tracing::info!(
                        id = timeline.id,
                        bytes = timeline.bytes(),
                        "an unfinished recording is finished"
                    );
                }
                Err(error) => {
                    tracing::warn!(
                        id = timeline.id,
                        error = format!("{error:#}"),
                        "cannot finish a recording"
                    );
                }
            }
        }
        Ok(count)
    }

    fn mend(&self, timeline: &mut Timeline) -> Result<()> {
        let folder = self.of(&timeline.id).context("it has no folder")?;
        let mut end = timeline.duration;
        for person in &mut timeline.people {
            for part in &mut person.files {
                let path = folder.join(&part.name);
                let duration = mend(&path).with_context(|| format!("cannot finish {}", path.display()))?;
                part.bytes = fs::metadata(&path).map_or(0, |found| found.len());
                part.duration = duration;
                end = end.max(part.offset + duration);
            }
            // Nothing was in it yet: the server ended as it began.
            person.files.retain(|part| part.bytes > 0);
        }
        timeline.close(end, State::Interrupted);
        self.save(timeline)
    }

    /// Removes what is older than this, in seconds; how many recordings that were.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(super) fn expire(&self, keep: u64, now: u64) -> Result<usize> {
        let mut count = 0;
        for timeline in self.list()? {
            let ended = (timeline.begun + timeline.duration) / 1000;
            if timeline.state != State::Recording && ended + keep < now {
                match self.delete(&timeline.id) {
                    Ok(_) => count += 1,
                    Err(error) => {
                        tracing::warn!(error = format!("{error:#}"), "cannot remove an old recording")
                    }
                }
            }
        }
        Ok(count)
    }
}

/// Finishes a file; how long it is, in milliseconds. One without a frame is removed.
fn mend(path: &Path) -> Result<u64> {
    let mut file = match File::options().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error.into()),
    };
    let mut recovery = Recovery::new();
    let mut piece = vec![0; PIECE];
    loop {
        let len = file.read(&mut piece)?;
        if len == 0 {
            break;
        }
        recovery.push(&piece[..len])?;
    }
    if recovery.is_empty() {
        drop(file);
        fs::remove_file(path)?;
        return Ok(0);
    }
    let duration = recovery.duration();
    match recovery.finish() {
        Ok(changes) => apply(&file, changes)?,
        Err(error) => return Err(error.into()),
    }
    file.sync_all()?;
    Ok(u64::try_from(duration.as_millis()).unwrap_or(0))
}

/// Whether this can be the name of a recording: as names of paths they are harmless.
pub(super) fn is_id(text: &str) -> bool {
    text.len() == 22 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}
