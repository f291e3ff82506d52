//! Recordings of conferences: what members send is written as it comes, without decoding.
//!
//! ```text
//!  media thread ─┐ packets, by batches               ┌─ one WebM per person and source
//!  media thread ─┼───────────────► queue ─► recorder ┤
//!  rendezvous ───┘ who is there, who speaks          └─ timeline.json
//! ```
//! The recorder is one thread with files; nobody waits for it. What it does not keep up with is dropped and counted, and
//! pictures go on with the next keyframe. [`Folder`] is where recordings are written, and finishes what a server left
//! unfinished; [`Archive`] is where they are afterwards, which can be a store elsewhere; [`rest`] gives them to those who
//! may have them, [`command`] to the administrator.

pub(crate) mod archive;
mod assemble;
pub(crate) mod command;
mod folder;
mod listed;
mod part;
mod queue;
mod recorder;
pub(crate) mod rest;
#[cfg(test)]
mod tests;
mod timeline;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use tokio::sync::mpsc;

pub use archive::Archive;
pub use folder::Folder;
pub(crate) use listed::Listed;
pub(crate) use queue::{Gatherer, Message, Queue};
pub use timeline::{Attended, Part, Shows, Span, Speaking, State, Timeline};

use self::archive::Uploader;
use self::recorder::{Parts, Recorder};
use crate::clock;
use crate::signal::recording::RecordingEvent;

/// How long a link to a file is good for, in seconds: a long recording can be watched to its end.
const LINK_SECONDS: u64 = 12 * 3600;
/// How often old recordings are looked for.
const EXPIRY: std::time::Duration = std::time::Duration::from_secs(3600);

/// How much may be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bytes of one recording at most; `None` is no limit.
    pub bytes: Option<u64>,
    /// Bytes that stay free on the disk.
    pub free: u64,
}

impl Limits {
    /// Why a recording of so many bytes cannot go on with so many free.
    fn problem(&self, bytes: u64, free: Option<u64>) -> Option<String> {
        if self.bytes.is_some_and(|most| bytes > most) {
            return Some("the recording is as large as this server allows (`recording-bytes`)".to_owned());
        }
        if free.is_some_and(|free| free < self.free) {
            return Some("the disk of the server is nearly full (`recording-free`)".to_owned());
        }
        None
    }
}

/// Bytes that are free where this folder is, or is to be; `None` if that cannot be told.
fn free_bytes(folder: &Path) -> Option<u64> {
    let there = folder.ancestors().find(|path| path.exists())?;
    let stat = rustix::fs::statvfs(there).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// What is counted; the totals only grow.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    active: AtomicU64,
    active_bytes: AtomicU64,
    begun: AtomicU64,
    failed: AtomicU64,
    finished_bytes: AtomicU64,
    packets: AtomicU64,
    packets_lost: AtomicU64,
    frames_lost: AtomicU64,
    write_errors: AtomicU64,
    waiting: AtomicU64,
    stored_bytes: AtomicU64,
    store_failures: AtomicU64,
}

impl Tally {
    fn begun(&self) {
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    fn write_errors(&self) {
        self.write_errors.fetch_add(1, Ordering::Relaxed);
    }

    fn packets(&self, lost: u64) {
        self.packets.fetch_add(1, Ordering::Relaxed);
        self.packets_lost.fetch_add(lost, Ordering::Relaxed);
    }

    fn ended(&self, bytes: u64, frames_lost: u64) {
        self.finished_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.frames_lost.fetch_add(frames_lost, Ordering::Relaxed);
    }

    /// So many recordings have ended and are not in the store.
    fn now_waiting(&self, count: usize) {
        self.waiting.store(count as u64, Ordering::Relaxed);
    }

    fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    fn stored(&self, bytes: u64) {
        self.stored_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn store_failed(&self) {
        self.store_failures.fetch_add(1, Ordering::Relaxed);
    }

    fn now(&self, active: usize, bytes: u64) {
        self.active.store(active as u64, Ordering::Relaxed);
        self.active_bytes.store(bytes, Ordering::Relaxed);
    }
}

/// What the metrics tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Counts {
    pub(crate) active: u64,
    pub(crate) begun: u64,
    pub(crate) failed: u64,
    /// Of finished recordings and of those that go on.
    pub(crate) bytes: u64,
    pub(crate) packets: u64,
    pub(crate) packets_lost: u64,
    /// Packets that found the recorder too slow.
    pub(crate) packets_dropped: u64,
    pub(crate) frames_lost: u64,
    pub(crate) write_errors: u64,
    /// What there is to tell of the store; `None` if there is none.
    pub(crate) store: Option<StoreCounts>,
}

/// What the metrics tell of the store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct StoreCounts {
    /// Recordings that have ended and are not in it.
    pub(crate) waiting: u64,
    pub(crate) bytes: u64,
    /// Attempts that were given up.
    pub(crate) failures: u64,
}

/// What became of the wish to delete a recording.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Deleted {
    /// It is no more.
    Gone,
    /// It goes on, so it is not deleted.
    GoesOn,
    /// There is none of that name, or it is somebody else's.
    Nothing,
}

/// The recorder's end for the rendezvous.
pub(crate) struct Link {
    pub(crate) queue: Arc<Queue>,
    pub(crate) events: mpsc::UnboundedReceiver<RecordingEvent>,
}

/// The running recorder.
pub struct Recordings {
    archive: Archive,
    queue: Arc<Queue>,
    tally: Arc<Tally>,
    /// Signs links.
    key: [u8; 32],
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Recordings {
    /// Finishes what is unfinished, and starts the recorder.
    ///
    /// # Errors
    /// The folder cannot be read, or the system gives no thread.
    pub(crate) fn start(archive: Archive, limits: Limits, key: [u8; 32]) -> Result<(Self, Link)> {
        archive.folder().recover()?;
        let (queue, tally) = (Arc::new(Queue::default()), Arc::new(Tally::default()));
        let (tell, events) = mpsc::unbounded_channel();
        let parts = Parts {
            queue: queue.clone(),
            folder: archive.folder().clone(),
            ended: archive.bell(),
            limits,
            events: tell,
            tally: tally.clone(),
        };
        let named = std::thread::Builder::new().name("recorder".to_owned());
        let thread = named.spawn(move || Recorder::new(parts).run()).context("cannot start the recorder")?;
        let link = Link { queue: queue.clone(), events };
        Ok((Self { archive, queue, tally, key, thread: Mutex::new(Some(thread)) }, link))
    }

    /// Moves recordings that have ended to the store, if there is one.
    pub(crate) async fn keep(&self) {
        tracing::info!(place = self.archive.place(), "recordings are kept");
        if let Some(uploader) = Uploader::new(self.archive.clone(), Arc::clone(&self.tally)) {
            uploader.run().await;
        }
    }

    /// Removes recordings that are older than this, in seconds, now and every hour.
    pub(crate) async fn expire(archive: Archive, keep: u64) {
        let mut every = tokio::time::interval(EXPIRY);
        loop {
            every.tick().await;
            match archive.expire(keep, clock::unix_seconds()).await {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "old recordings are removed"),
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), "cannot look for old recordings");
                }
            }
        }
    }

    /// All of them, the latest first.
    ///
    /// # Errors
    /// They cannot be read.
    pub(crate) async fn list(&self) -> Result<Vec<Timeline>> {
        let folder = self.archive.folder().clone();
        tokio::task::spawn_blocking(move || folder.list()).await?
    }

    /// One of them, if it is there.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) async fn get(&self, id: &str) -> Result<Option<Timeline>> {
        let (folder, id) = (self.archive.folder().clone(), id.to_owned());
        tokio::task::spawn_blocking(move || folder.load(&id)).await?
    }

    /// Removes a recording for good, if it is one of those.
    ///
    /// # Errors
    /// It cannot be read or removed.
    pub(crate) async fn delete(&self, id: &str, allowed: impl FnOnce(&Timeline) -> bool) -> Result<Deleted> {
        match self.get(id).await?.filter(allowed) {
            None => Ok(Deleted::Nothing),
            Some(found) if found.state == State::Recording => Ok(Deleted::GoesOn),
            Some(_) => {
                let (archive, id) = (self.archive.clone(), id.to_owned());
                // Whoever asked may go away; what was begun is finished.
                let deleted = tokio::spawn(async move { archive.delete(&id).await });
                Ok(if deleted.await?? { Deleted::Gone } else { Deleted::Nothing })
            }
        }
    }

    /// The queue, for media threads.
    pub(crate) fn queue(&self) -> Arc<Queue> {
        Arc::clone(&self.queue)
    }

    /// Where they are.
    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    /// Finishes everything and ends the recorder.
    pub(crate) fn stop(&self) {
        self.queue.command(Message::Stop);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the recorder has ended with a bug");
        }
    }

    /// Counts of a moment ago.
    pub(crate) fn counts(&self) -> Counts {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let Tally { active, active_bytes, begun, failed, finished_bytes, packets, .. } = &*self.tally;
        Counts {
            active: get(active),
            begun: get(begun),
            failed: get(failed),
            bytes: get(finished_bytes) + get(active_bytes),
            packets: get(packets),
            packets_lost: get(&self.tally.packets_lost),
            packets_dropped: self.queue.dropped(),
            frames_lost: get(&self.tally.frames_lost),
            write_errors: get(&self.tally.write_errors),
            store: self.archive.has_store().then(|| StoreCounts {
                waiting: self.tally.waiting(),
                bytes: get(&self.tally.stored_bytes),
                failures: get(&self.tally.store_failures),
            }),
        }
    }

    /// A link to a file, for whoever gets it, for some hours.
    fn link(&self, id: &str, file: &str, now: u64) -> String {
        let until = now + LINK_SECONDS;
        format!("/recordings/{id}/{file}?until={until}&key={}", BASE64.encode(self.tag(id, file, until)))
    }

    /// Whether a link is one of ours and still good.
    fn is_good(&self, (id, file): (&str, &str), (until, key): (u64, &str), now: u64) -> bool {
        let key = BASE64.decode(key).unwrap_or_default();
        crypto::constant_time_eq(&key, &self.tag(id, file, until)) && now <= until
    }

    fn tag(&self, id: &str, file: &str, until: u64) -> [u8; 32] {
        let parts = [id.as_bytes(), b"/", file.as_bytes(), b"/", &until.to_be_bytes()];
        crypto::HmacSha256::new(&self.key).tag(&parts)
    }
}
