//! Frames in real time: a thread that sleeps until the next one is due.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::feed::Feed;
use super::outgoing::{Outgoing, RIDS};

/// Frames on their way to the session: a quarter of a second of everything.
const QUEUE: usize = 64;
/// Beyond, what is late is not made up for: the machine is too slow, or it slept.
const TOO_LATE: Duration = Duration::from_secs(1);

/// What the thread gives.
#[derive(Debug)]
pub(crate) enum Published {
    Frame(Outgoing),
    /// Everything was played.
    Ended,
    /// A file cannot be played further.
    Failed(String),
}

/// What receivers want of the pattern.
#[derive(Debug)]
pub(crate) struct Controls {
    /// A bit for each of [`RIDS`].
    wanted: AtomicU8,
    keyframes: AtomicU8,
    /// Bits per second of all pictures.
    rate: AtomicU64,
    stopped: AtomicBool,
}

impl Default for Controls {
    /// Everything is wanted, at any rate.
    fn default() -> Self {
        Self {
            wanted: AtomicU8::new(7),
            keyframes: AtomicU8::new(0),
            rate: AtomicU64::new(u64::MAX),
            stopped: AtomicBool::new(false),
        }
    }
}

fn bits<'a>(rids: impl Iterator<Item = &'a str>) -> u8 {
    rids.filter_map(|rid| RIDS.iter().position(|known| *known == rid)).fold(0, |bits, at| bits | 1 << at)
}

impl Controls {
    /// Only these encodings are wanted.
    pub(crate) fn set_wanted<'a>(&self, rids: impl Iterator<Item = &'a str>) {
        self.wanted.store(bits(rids), Ordering::Relaxed);
    }

    pub(crate) fn wants(&self, layer: usize) -> bool {
        self.wanted.load(Ordering::Relaxed) & 1 << layer != 0
    }

    /// The next picture of an encoding, or of all, is to stand alone.
    pub(crate) fn want_keyframe(&self, rid: Option<&str>) {
        self.keyframes.fetch_or(rid.map_or(7, |rid| bits(std::iter::once(rid))), Ordering::Relaxed);
    }

    /// Whether it is, once.
    pub(crate) fn take_keyframe(&self, layer: usize) -> bool {
        self.keyframes.fetch_and(!(1 << layer), Ordering::Relaxed) & 1 << layer != 0
    }

    /// What all pictures may have together, in bits per second.
    pub(crate) fn set_rate(&self, rate: u64) {
        self.rate.store(rate, Ordering::Relaxed);
    }

    pub(crate) fn rate(&self) -> u64 {
        self.rate.load(Ordering::Relaxed)
    }
}

/// The thread; it ends when this is dropped.
pub(crate) struct Publisher {
    frames: mpsc::Receiver<Published>,
    controls: Arc<Controls>,
    thread: Option<JoinHandle<()>>,
}

impl Publisher {
    /// Begins now.
    ///
    /// # Errors
    /// The system has no thread left.
    pub(crate) fn start(feeds: Vec<Feed>, controls: Arc<Controls>) -> Result<Self> {
        let (give, frames) = mpsc::channel(QUEUE);
        let told = controls.clone();
        let run = move || run(feeds, &told, &give);
        let thread =
            std::thread::Builder::new().name("publish".into()).spawn(run).context("no thread to play")?;
        Ok(Self { frames, controls, thread: Some(thread) })
    }

    /// The next frame; `None` after the end.
    pub(crate) async fn next(&mut self) -> Option<Published> {
        self.frames.recv().await
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.controls.stopped.store(true, Ordering::Release);
        self.frames.close();
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It ends with the picture that it draws.
            let _ = thread.join();
        }
    }
}

fn run(mut feeds: Vec<Feed>, controls: &Controls, give: &mpsc::Sender<Published>) {
    let mut begun = Instant::now();
    loop {
        let next = feeds.iter_mut().filter_map(|feed| Some((feed.due()?, feed))).min_by_key(|(due, _)| *due);
        let Some((due, feed)) = next else { break };
        // Waking may be spurious.
        while let Some(wait) =
            (begun + due).checked_duration_since(Instant::now()).filter(|wait| !wait.is_zero())
        {
            if controls.stopped.load(Ordering::Acquire) {
                return;
            }
            std::thread::park_timeout(wait);
        }
        let late = Instant::now().saturating_duration_since(begun + due);
        if late > TOO_LATE {
            begun += late;
        }
        match feed.take(controls) {
            Ok(frames) => {
                for frame in frames {
                    if give.blocking_send(Published::Frame(frame)).is_err() {
                        return;
                    }
                }
            }
            Err(error) => {
                let _ = give.blocking_send(Published::Failed(format!("{error:#}")));
                return;
            }
        }
    }
    // Nobody may be there any more to hear it.
    let _ = give.blocking_send(Published::Ended);
}
