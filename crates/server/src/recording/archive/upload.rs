//! Moves recordings that have ended from the folder to the store, and takes in those that are only there.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::fs::File;
use tokio::time::timeout;

use super::{Archive, Bucket};
use crate::recording::Tally;
use crate::recording::folder::Lock;
use crate::recording::timeline::{FILE, Timeline};

/// Recordings of the store that are taken in at a start at most, the latest of them.
const MOST_ADOPTED: usize = 10_000;
/// How many timelines are fetched at a time.
const AHEAD: usize = 8;
/// How often it is looked for something to do that nobody told of.
const LOOK: Duration = Duration::from_secs(600);
/// The longest time from a failure to the next attempt.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// See the module.
pub(in crate::recording) struct Uploader {
    archive: Archive,
    bucket: Arc<Bucket>,
    tally: Arc<Tally>,
    /// What is in the store whole, by what was heard of it; `None` before it has answered.
    known: Option<BTreeSet<String>>,
}

impl Uploader {
    /// The one of this archive; `None` if it has no store.
    pub(in crate::recording) fn new(archive: Archive, tally: Arc<Tally>) -> Option<Self> {
        let bucket = archive.bucket.clone()?;
        Some(Self { archive, bucket, tally, known: None })
    }

    /// Runs for as long as the server does; whenever a recording has ended it is rung.
    pub(in crate::recording) async fn run(mut self) {
        let mut failures = 0;
        loop {
            match self.pass().await {
                Ok(()) => failures = 0,
                Err(error) => {
                    failures += 1;
                    self.tally.store_failed();
                    let waiting = self.tally.waiting();
                    tracing::warn!(error = format!("{error:#}"), waiting, "recordings wait for their store");
                }
            }
            let pause = if failures == 0 { LOOK } else { pause(failures) };
            let _ = timeout(pause, self.archive.rung.notified()).await;
        }
    }

    /// Does all that is to be done; what fails does not keep the rest from being done.
    ///
    /// # Errors
    /// The last failure.
    pub(super) async fn pass(&mut self) -> Result<()> {
        let known = match self.known.take() {
            Some(known) => known,
            None => self.adopt().await?,
        };
        let folder = self.archive.folder.clone();
        let looked = tokio::task::spawn_blocking(move || (folder.unsettled(&known), known));
        let (ids, mut known) = looked.await?;
        let result = match ids {
            Ok(ids) => self.settle_all(ids, &mut known).await,
            Err(error) => Err(error),
        };
        self.known = Some(known);
        result
    }

    async fn settle_all(&self, ids: Vec<String>, known: &mut BTreeSet<String>) -> Result<()> {
        let mut result = Ok(());
        let mut waiting = ids.len();
        self.tally.now_waiting(waiting);
        for id in ids {
            match self.settle(&id).await {
                Ok(moved) => {
                    waiting -= 1;
                    self.tally.now_waiting(waiting);
                    if moved {
                        known.insert(id);
                    }
                }
                Err(error) => result = Err(error.context(format!("recording {id}"))),
            }
        }
        result
    }

    /// Has one recording in the store, or nowhere if it is to be deleted. Whether it is there now.
    async fn settle(&self, id: &str) -> Result<bool> {
        let folder = &self.archive.folder;
        // Whoever else has the lock deletes it.
        let Lock::Held(_held) = folder.lock(id)? else { return Ok(false) };
        if !folder.is_doomed(id) {
            let timeline = folder.load(id)?.context("it has no timeline")?;
            if self.upload(&timeline).await? {
                self.clear(&timeline).await?;
                tracing::info!(id, bytes = timeline.bytes(), "a recording is in the store");
                return Ok(true);
            }
        }
        self.archive.remove(&self.bucket, id).await?;
        tracing::info!(id, "a recording is deleted from the store");
        Ok(false)
    }

    /// Puts all files into the store that are here, the timeline last. `false` if it is to be deleted instead.
    async fn upload(&self, timeline: &Timeline) -> Result<bool> {
        let (id, folder) = (&timeline.id[..], &self.archive.folder);
        let path = folder.of(id).context("it has no folder")?;
        let told = |bytes| {
            self.tally.stored(bytes);
            !folder.is_doomed(id)
        };
        for name in timeline.names().chain([FILE]) {
            let file = match File::open(path.join(name)).await {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error).with_context(|| format!("cannot read {name}")),
            };
            let size = file.metadata().await.with_context(|| format!("cannot read {name}"))?.len();
            // A file that is there in its full length was put there before this server started anew: it comes whole or not.
            if self.bucket.size(id, name).await? != Some(size) {
                if !self.bucket.put((id, name), (file, size), &told).await? {
                    return Ok(false);
                }
                let found = self.bucket.size(id, name).await?;
                if found != Some(size) {
                    bail!("{name} has {size} bytes, and {found:?} in the store");
                }
            }
            if !told(0) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Removes the files that are in the store.
    async fn clear(&self, timeline: &Timeline) -> Result<()> {
        let path = self.archive.folder.of(&timeline.id).context("it has no folder")?;
        for name in timeline.names() {
            match tokio::fs::remove_file(path.join(name)).await {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("cannot remove {name}"));
                }
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// Asks the store what is in it, and takes the timelines in that are not here.
    async fn adopt(&self) -> Result<BTreeSet<String>> {
        let found = self.bucket.recordings().await?;
        let folder = &self.archive.folder;
        let mut foreign: Vec<String> = found.iter().filter(|id| !folder.has(id)).cloned().collect();
        let left = foreign.len().saturating_sub(MOST_ADOPTED);
        foreign.truncate(MOST_ADOPTED);
        let bucket = &self.bucket;
        let fetched = stream::iter(foreign)
            .map(|id| async move { bucket.timeline(&id).await.map(|text| (id, text)) })
            .buffer_unordered(AHEAD);
        let adopted = fetched.try_fold(0, async |count, (id, text)| {
            let Some(text) = text else { return Ok(count) };
            match folder.adopt(&id, &text) {
                Ok(()) => Ok(count + 1),
                Err(error) => {
                    tracing::warn!(id, error = format!("{error:#}"), "a recording of the store is left out");
                    Ok(count)
                }
            }
        });
        let adopted = adopted.await?;
        if left > 0 {
            tracing::warn!(left, "the store has more recordings than are taken in: the oldest are left out");
        }
        let store = self.bucket.name();
        tracing::info!(store, recordings = found.len(), adopted, "the store of recordings answers");
        Ok(found.into_iter().collect())
    }
}

/// How long to wait after so many failures one after the other.
fn pause(failures: u32) -> Duration {
    Duration::from_secs(1 << failures.min(10)).min(LONGEST_PAUSE)
}
