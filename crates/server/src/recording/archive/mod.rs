//! Recordings wherever they are: in the folder, and once they have ended in the store, if there is one.
//!
//! ```text
//!   folder                              store
//!   ID/timeline.json                    ID/timeline.json     put there last: then the recording is there
//!   ID/1-camera-1.webm  ── moved ──►    ID/1-camera-1.webm
//! ```
//! What is not here is there: nothing else notes how far a move has come, so that whoever is killed in the middle of one goes
//! on where the files say. [`Uploader`] moves them, one recording at a time; whoever moves or deletes a recording holds its
//! lock ([`Folder::lock`]), in this process or another. A recording that is to be deleted is marked first, which also
//! ends its move; then its objects go, and last its folder.

mod bucket;
#[cfg(test)]
mod tests;
mod upload;

use std::io;
use std::io::SeekFrom;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::body::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio::sync::Notify;

use self::bucket::Bucket;
pub(crate) use self::bucket::Unavailable;
pub(super) use self::upload::Uploader;
use super::folder::{Folder, Lock};
use super::timeline::{FILE, State};
use crate::config::Config;

/// Bytes of a file on the disk that are read in one go.
const PIECE: usize = 64 << 10;
/// Bytes of an object that are asked for in one go, so that whoever takes them slowly holds no connection to the store.
const FETCH: u64 = 1 << 20;
/// How many of those are asked for at a time.
const AHEAD: usize = 2;
/// How long a recording's lock is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is tried.
const TRY: Duration = Duration::from_millis(10);

/// See the module; clones are the same one.
#[derive(Clone, Debug)]
pub struct Archive {
    folder: Folder,
    bucket: Option<Arc<Bucket>>,
    /// There is something to do for the uploader.
    rung: Arc<Notify>,
}

impl Archive {
    /// The one of the configuration; `None` if nothing is recorded.
    ///
    /// # Errors
    /// The environment says something about the store that makes no sense.
    pub fn open(config: &Config) -> Result<Option<Self>> {
        let Some(folder) = config.recordings.0.as_ref() else { return Ok(None) };
        let bucket = match &config.recording_store.0 {
            Some(bucket) => {
                let endpoint = config.recording_store_endpoint.0.as_deref();
                let opened = Bucket::open(bucket, endpoint);
                Some(opened.with_context(|| format!("cannot use the store {bucket}"))?)
            }
            None => None,
        };
        Ok(Some(Self::new(Folder::new(config.data.join(folder)), bucket)))
    }

    /// One of a folder, and of a store if there is one.
    pub(crate) fn new(folder: Folder, bucket: Option<Bucket>) -> Self {
        Self { folder, bucket: bucket.map(Arc::new), rung: Arc::default() }
    }

    /// Where they are written, and where their timelines are.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Where they are in the end, for people.
    pub(super) fn place(&self) -> String {
        match &self.bucket {
            Some(bucket) => bucket.name().to_owned(),
            None => self.folder.path().display().to_string(),
        }
    }

    /// Whether they leave the folder.
    pub(super) fn has_store(&self) -> bool {
        self.bucket.is_some()
    }

    /// What is rung when a recording has ended.
    pub(super) fn bell(&self) -> Arc<Notify> {
        Arc::clone(&self.rung)
    }

    /// A file of a recording; `None` if it is nowhere.
    ///
    /// # Errors
    /// [`Unavailable`], or it cannot be read.
    pub(crate) async fn find(&self, id: &str, name: &str) -> Result<Option<Found>> {
        let Some(path) = self.folder.of(id).map(|folder| folder.join(name)) else { return Ok(None) };
        match File::open(&path).await {
            Ok(file) => {
                let size = file.metadata().await.context("cannot read a file")?.len();
                return Ok(Some(Found { size, place: Place::Here(file) }));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
        let Some(bucket) = self.bucket.clone().filter(|_| self.folder.has(id)) else { return Ok(None) };
        let size = bucket.size(id, name).await?;
        let place = Place::There(bucket, id.to_owned(), name.to_owned());
        Ok(size.map(|size| Found { size, place }))
    }

    /// Removes a recording for good, wherever it is. Whether there was one. After an error it can be called again, and is
    /// done by the server itself as soon as that is possible.
    ///
    /// # Errors
    /// [`Unavailable`], or it cannot be removed.
    pub(crate) async fn delete(&self, id: &str) -> Result<bool> {
        let Some(bucket) = &self.bucket else {
            let (folder, id) = (self.folder.clone(), id.to_owned());
            return tokio::task::spawn_blocking(move || folder.delete(&id)).await?;
        };
        if !self.folder.doom(id)? {
            return Ok(false);
        }
        let mut tries = PATIENCE.as_millis() / TRY.as_millis();
        let _held = loop {
            match self.folder.lock(id)? {
                Lock::Held(held) => break held,
                // Whoever moved it has seen that it is to be deleted, and did it.
                Lock::Gone => return Ok(true),
                Lock::Busy => {}
            }
            if tries == 0 {
                return Err(Unavailable::busy().into());
            }
            tries -= 1;
            tokio::time::sleep(TRY).await;
        };
        let removed = self.remove(bucket, id).await;
        if removed.is_err() {
            self.rung.notify_one();
        }
        removed.map(|()| true)
    }

    /// The objects first, the folder last: what is left after a failure can be deleted again. The lock is held.
    async fn remove(&self, bucket: &Bucket, id: &str) -> Result<()> {
        let timeline = self.folder.load(id)?.context("it has no timeline")?;
        for name in timeline.names().chain([FILE]) {
            bucket.remove(id, name).await?;
        }
        self.folder.delete(id)?;
        Ok(())
    }

    /// Removes what is older than this, in seconds; how many recordings that were.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(super) async fn expire(&self, keep: u64, now: u64) -> Result<usize> {
        let folder = self.folder.clone();
        let mut count = 0;
        for timeline in tokio::task::spawn_blocking(move || folder.list()).await?? {
            let ended = (timeline.begun + timeline.duration) / 1000;
            if timeline.state == State::Recording || ended + keep >= now {
                continue;
            }
            match self.delete(&timeline.id).await {
                Ok(_) => count += 1,
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), "cannot remove an old recording");
                }
            }
        }
        Ok(count)
    }
}

/// A file that was found.
#[derive(Debug)]
pub(crate) struct Found {
    /// How large it is.
    pub(crate) size: u64,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Here(File),
    There(Arc<Bucket>, String, String),
}

/// What a file holds, piece by piece.
pub(crate) type Pieces = BoxStream<'static, io::Result<Bytes>>;

impl Found {
    /// Whether it is in the store.
    pub(super) fn is_there(&self) -> bool {
        matches!(self.place, Place::There(..))
    }

    /// Its bytes from the one to before the other; the first of them are here when this is done.
    ///
    /// # Errors
    /// [`Unavailable`], or it cannot be read.
    pub(crate) async fn read(self, from: u64, to: u64) -> Result<Pieces> {
        match self.place {
            Place::Here(mut file) => {
                file.seek(SeekFrom::Start(from)).await?;
                Ok(read(file, to - from).boxed())
            }
            Place::There(bucket, id, name) => {
                let ranges = stream::unfold(from, move |at| async move {
                    let next = (at + FETCH).min(to);
                    (at < to).then_some((at..next, next))
                });
                let fetch = move |range| {
                    let (bucket, id, name) = (bucket.clone(), id.clone(), name.clone());
                    async move { bucket.piece(&id, &name, range).await }
                };
                let mut pieces = ranges.map(fetch).buffered(AHEAD).boxed();
                let first = pieces.next().await.transpose()?;
                let rest = pieces.map(|piece| piece.map_err(io::Error::other));
                Ok(stream::iter(first.map(Ok)).chain(rest).boxed())
            }
        }
    }
}

/// So many bytes of a file, piece by piece.
fn read(file: File, left: u64) -> impl futures_util::Stream<Item = io::Result<Bytes>> + Send {
    stream::unfold((file, left), |(mut file, left)| async move {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(PIECE);
        if most == 0 {
            return None;
        }
        let mut piece = vec![0; most];
        match file.read(&mut piece).await {
            Ok(0) => Some((Err(io::ErrorKind::UnexpectedEof.into()), (file, 0))),
            Ok(len) => {
                piece.truncate(len);
                Some((Ok(Bytes::from(piece)), (file, left - len as u64)))
            }
            Err(error) => Some((Err(error), (file, 0))),
        }
    })
}
