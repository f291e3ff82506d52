//! Where recordings are: a folder each, with files and `timeline.json`. What a server left unfinished is finished here.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use media::webm::Recovery;

use super::part::apply;
use super::timeline::{FILE, State, Timeline};
use crate::data;

/// Bytes of a timeline that are read at most.
pub(super) const MOST_TIMELINE: u64 = 64 << 20;
/// Bytes of a file that are looked at in one go.
const PIECE: usize = 1 << 20;
/// A file of this name in a recording's folder says that the recording is to be deleted, whatever happens meanwhile.
const DOOMED: &str = "deleting";

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

    /// The names of all recordings, in no order.
    fn ids(&self) -> Result<Vec<String>> {
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", self.path.display())),
        };
        let mut found = Vec::new();
        for entry in entries {
            let name = entry.with_context(|| format!("cannot read {}", self.path.display()))?.file_name();
            found.extend(name.into_string().ok().filter(|name| is_id(name)));
        }
        Ok(found)
    }

    /// All recordings, the latest first. What cannot be read is left out, and said in the log.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn list(&self) -> Result<Vec<Timeline>> {
        let mut found = Vec::new();
        for id in self.ids()? {
            match self.load(&id) {
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

    /// Takes in the timeline of a recording whose files are elsewhere.
    ///
    /// # Errors
    /// It is none, or cannot be written.
    pub(super) fn adopt(&self, id: &str, text: &[u8]) -> Result<()> {
        let timeline: Timeline = serde_json::from_slice(text).context("this is not a timeline")?;
        ensure!(timeline.id == id, "this is the timeline of another recording");
        ensure!(timeline.state != State::Recording, "this is the timeline of a recording that goes on");
        ensure!(timeline.names().all(is_file), "a file has a name that no recording gives");
        data::write_private(&self.begin(id)?.join(FILE), text)
    }

    /// Whether this file of a recording is here.
    pub(super) fn holds(&self, id: &str, name: &str) -> bool {
        self.of(id).is_some_and(|folder| folder.join(name).exists())
    }

    /// Whether there is a timeline of this name.
    pub(super) fn has(&self, id: &str) -> bool {
        self.of(id).is_some_and(|folder| folder.join(FILE).exists())
    }

    /// Notes that a recording is to be deleted. Whether there is one.
    pub(super) fn doom(&self, id: &str) -> Result<bool> {
        let Some(path) = self.of(id).filter(|_| self.has(id)) else { return Ok(false) };
        match File::create(path.join(DOOMED)) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error).with_context(|| format!("cannot write in {}", path.display())),
        }
    }

    /// Whether it was noted that a recording is to be deleted.
    pub(super) fn is_doomed(&self, id: &str) -> bool {
        self.of(id).is_some_and(|folder| folder.join(DOOMED).exists())
    }

    /// Keeps everybody else, other processes too, from moving or deleting a recording, until it is dropped.
    pub(super) fn lock(&self, id: &str) -> Result<Lock> {
        let Some(path) = self.of(id).map(|folder| folder.join(FILE)) else { return Ok(Lock::Gone) };
        // Some file systems lock only what can be written.
        let file = match File::options().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Lock::Gone),
            Err(error) => return Err(error).with_context(|| format!("cannot open {}", path.display())),
        };
        match file.try_lock() {
            // Whoever had it may have deleted the recording.
            Ok(()) if path.exists() => Ok(Lock::Held(file)),
            Ok(()) => Ok(Lock::Gone),
            Err(TryLockError::WouldBlock) => Ok(Lock::Busy),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {}", path.display()))
            }
        }
    }

    /// Those of which something is here that is not in `known`, or that are to be deleted.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(super) fn unsettled(&self, known: &BTreeSet<String>) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for id in self.ids()? {
            let doomed = self.is_doomed(&id);
            let Some(path) = self.of(&id).filter(|_| self.has(&id)) else {
                if doomed {
                    // It was all but deleted.
                    self.delete(&id)?;
                }
                continue;
            };
            let alone = || fs::read_dir(&path).is_ok_and(|entries| entries.count() == 1);
            if !doomed && known.contains(&id) && alone() {
                continue;
            }
            let unsettled = doomed
                || match self.load(&id) {
                    Ok(Some(it)) if it.state == State::Recording => false,
                    Ok(Some(it)) => !known.contains(&id) || it.names().any(|name| path.join(name).exists()),
                    // It is said in the log whenever they are listed.
                    Ok(None) | Err(_) => false,
                };
            if unsettled {
                found.push(id);
            }
        }
        Ok(found)
    }

    /// Removes a recording from this folder, the timeline after what it tells of. Whether there was one.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn delete(&self, id: &str) -> Result<bool> {
        let Some(path) = self.of(id) else { return Ok(false) };
        let remove = || -> io::Result<()> {
            for entry in fs::read_dir(&path)? {
                let entry = entry?;
                let name = entry.file_name();
                if name != FILE && name != DOOMED && entry.file_type()?.is_file() {
                    fs::remove_file(entry.path())?;
                }
            }
            match fs::remove_file(path.join(FILE)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
            fs::remove_dir_all(&path)
        };
        match remove() {
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
}

/// What became of the wish to have a recording for oneself.
pub(super) enum Lock {
    /// It is had as long as this is kept.
    Held(File),
    /// Somebody else has it.
    Busy,
    /// There is no such recording.
    Gone,
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

/// Whether this can be the name of a recording's file.
pub(super) fn is_file(text: &str) -> bool {
    text.len() <= 64
        && !text.starts_with('.')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
}
