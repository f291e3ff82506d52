//! All files of a transfer, both ways: what is said about each, and what goes next.
//!
//! Several files go at once, a frame of each in turn. When the channels break, running transfers pause; on the next
//! channels the sender offers again what is not over and the receiver answers each with where it stands.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::control::{Control, Stop};
use super::disk::{Done, Job};
use super::frame::Frame;
use super::incoming::{Incoming, Stage, Taken};
use super::outgoing::{Next, Outgoing, Progress, Reader, Source};

/// Offers that wait for an answer: a page refuses more than 32.
const OFFERS_MOST: usize = 16;
/// Files of the other side that are remembered; more are refused.
const INCOMING_MOST: usize = 100_000;
/// Memory that files on their way in may take, and how many there are at once.
const WEIGHT_MOST: u64 = 24 << 20;
const RUNNING_MOST: usize = 16;

/// What is to be done outside.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Say this on the control channel.
    Say(Control),
    /// A job for the disk.
    Work(Job),
    /// A file was offered: somebody decides.
    Offered(u32),
    /// A file is over, for better or worse.
    Over(Over),
}

/// A file that is over.
#[derive(Debug)]
pub(crate) struct Over {
    /// Its name; where it is, if it came.
    pub(crate) name: String,
    /// Bytes.
    pub(crate) size: u64,
    /// `None`: whole and verified.
    pub(crate) why: Option<Stop>,
    /// Whether this side says so.
    pub(crate) ours: bool,
    /// What went wrong, if something did.
    pub(crate) error: Option<String>,
}

/// All files.
#[derive(Debug, Default)]
pub(crate) struct Files {
    queue: VecDeque<Source>,
    outgoing: Vec<Outgoing>,
    incoming: BTreeMap<u32, Incoming>,
    turn: usize,
    /// Bytes of files out that are over, and of all files out.
    out_over: u64,
    out_size: u64,
    /// How many ended how.
    pub(crate) done: usize,
    /// Refused by either side.
    pub(crate) refused: usize,
    /// Cancelled or failed.
    pub(crate) failed: usize,
    /// Frames and messages that nobody asked for.
    pub(crate) dropped: u64,
    /// To be done outside.
    pub(crate) effects: VecDeque<Effect>,
}

impl Files {
    /// With these to send.
    pub(crate) fn new(sources: Vec<Source>) -> Self {
        let out_size = sources.iter().map(|source| source.size).sum();
        Self { queue: sources.into(), out_size, ..Self::default() }
    }

    /// Whether there is nothing more to send.
    pub(crate) fn all_sent(&self) -> bool {
        self.queue.is_empty() && self.outgoing.is_empty()
    }

    /// Whether no file on its way in is to be expected to go on.
    pub(crate) fn all_received(&self) -> bool {
        self.incoming.values().all(Incoming::is_over)
    }

    /// Bytes that are done, and of all; whether any moves.
    pub(crate) fn progress(&self) -> (u64, u64, bool) {
        let out: u64 = self.outgoing.iter().map(|file| file.kept).sum();
        let wanted = self.incoming.values().filter(|file| !matches!(file.stage, Stage::Stopped(_)));
        let (at, size) = wanted.fold((0, 0), |(at, size), file| (at + file.at, size + file.size));
        let moving = self.outgoing.iter().any(|file| file.progress == Progress::Running)
            || self.incoming.values().any(|file| file.stage == Stage::Running);
        (self.out_over + out + at, self.out_size + size, moving)
    }

    /// What a file on its way in is.
    pub(crate) fn offered(&self, number: u32) -> Option<(&str, u64)> {
        self.incoming.get(&number).map(|file| (file.name.as_str(), file.size))
    }

    fn say(&mut self, message: Control) {
        self.effects.push_back(Effect::Say(message));
    }

    /// New channels are open, and the other side has said hello.
    pub(crate) fn resume(&mut self) {
        for at in 0..self.outgoing.len() {
            self.offer(at);
        }
        self.offer_more();
    }

    fn offer(&mut self, at: usize) {
        let Some(Outgoing { number, source, .. }) = self.outgoing.get(at) else { return };
        let (file, name, size) = (*number, source.name.clone(), source.size);
        self.say(Control::FileOffer { file, name, size, mime: String::new() });
    }

    fn offer_more(&mut self) {
        while self.outgoing.len() < OFFERS_MOST {
            let Some(source) = self.queue.pop_front() else { return };
            let number = loop {
                let number = u32::from_be_bytes(crypto::random());
                if !self.outgoing.iter().any(|file| file.number == number)
                    && !self.incoming.contains_key(&number)
                {
                    break number;
                }
            };
            self.outgoing.push(Outgoing::new(number, source));
            self.offer(self.outgoing.len() - 1);
        }
    }

    /// The channels are gone.
    pub(crate) fn pause(&mut self) {
        self.outgoing.iter_mut().for_each(Outgoing::pause);
    }

    /// The other side has forgotten what it was doing: what it was sending ends, and its parts stay.
    pub(crate) fn other_page(&mut self) {
        let numbers: Vec<u32> = self.incoming.keys().copied().collect();
        for number in numbers {
            self.effects.push_back(Effect::Work(Job::Close { number }));
        }
        self.incoming.retain(|_, file| file.stage == Stage::Done);
    }

    /// Somebody decided about a file that was offered.
    pub(crate) fn decide(&mut self, number: u32, take: bool) {
        let Some(file) = self.incoming.get_mut(&number).filter(|file| file.stage == Stage::Offered) else {
            return;
        };
        if take {
            file.stage = Stage::Wanted;
            self.open_wanted();
        } else {
            self.stop_incoming(number, Stop::Refused, true, None);
        }
    }

    /// Begins with as many of the wanted files as fit the memory.
    fn open_wanted(&mut self) {
        let running = |file: &&Incoming| matches!(file.stage, Stage::Opening | Stage::Running);
        let mut count = self.incoming.values().filter(running).count();
        let mut weight: u64 = self.incoming.values().filter(running).map(Incoming::weight).sum();
        for file in self.incoming.values_mut().filter(|file| file.stage == Stage::Wanted) {
            if count > 0 && (count >= RUNNING_MOST || weight + file.weight() > WEIGHT_MOST) {
                return;
            }
            (count, weight) = (count + 1, weight + file.weight());
            file.stage = Stage::Opening;
            let job = Job::Open { number: file.number, name: file.name.clone(), size: file.size };
            self.effects.push_back(Effect::Work(job));
        }
    }

    /// A message about a file. `accept`: whether files are taken here at all.
    pub(crate) fn control(&mut self, message: Control, accept: bool) {
        match message {
            Control::FileOffer { file, name, size, .. } => self.take_offer(file, name, size, accept),
            Control::FileStop { file, why } => {
                if let Some(at) = self.outgoing.iter().position(|f| f.number == file) {
                    self.outgoing_over(at, Some(why), false, None);
                } else if self.incoming.get(&file).is_some_and(|f| !f.is_over()) {
                    self.stop_incoming(file, why, false, None);
                }
            }
            Control::FileTake { file, at } => self.with_outgoing(file, |f| f.seek(at)),
            Control::FileKept { file, at } => self.with_outgoing(file, |f| f.keep(at)),
            Control::FileDone { file } => match self.outgoing.iter().position(|f| f.number == file) {
                Some(at) => self.outgoing_over(at, None, false, None),
                None => self.dropped += 1,
            },
            Control::Hello { .. }
            | Control::Sending { .. }
            | Control::Chat { .. }
            | Control::ChatReceived { .. }
            | Control::Leaving
            | Control::End => self.dropped += 1,
        }
    }

    fn with_outgoing(&mut self, number: u32, change: impl FnOnce(&mut Outgoing)) {
        match self.outgoing.iter_mut().find(|file| file.number == number) {
            Some(file) => change(file),
            None => self.dropped += 1,
        }
    }

    fn take_offer(&mut self, file: u32, name: String, size: u64, accept: bool) {
        let Some(known) = self.incoming.get_mut(&file) else {
            if !accept || self.incoming.len() >= INCOMING_MOST {
                return self.say(Control::FileStop { file, why: Stop::Refused });
            }
            self.incoming.insert(file, Incoming::new(file, name, size));
            self.effects.push_back(Effect::Offered(file));
            return;
        };
        match known.stage {
            // Nothing is known yet; it is said when it is.
            Stage::Offered | Stage::Wanted | Stage::Opening => {}
            Stage::Running => {
                known.resumed();
                let at = known.at;
                self.say(Control::FileTake { file, at });
            }
            Stage::Done => self.say(Control::FileDone { file }),
            Stage::Stopped(why) => self.say(Control::FileStop { file, why }),
        }
    }

    fn outgoing_over(&mut self, at: usize, why: Option<Stop>, ours: bool, error: Option<String>) {
        let file = self.outgoing.remove(at);
        self.out_over += file.source.size;
        self.count(why);
        let (name, size) = (file.source.name, file.source.size);
        self.effects.push_back(Effect::Over(Over { name, size, why, ours, error }));
        if ours && let Some(why) = why {
            self.say(Control::FileStop { file: file.number, why });
        }
        self.offer_more();
    }

    fn count(&mut self, why: Option<Stop>) {
        match why {
            None => self.done += 1,
            Some(Stop::Refused) => self.refused += 1,
            Some(Stop::Cancelled | Stop::Failed) => self.failed += 1,
        }
    }

    fn stop_incoming(&mut self, number: u32, why: Stop, ours: bool, error: Option<String>) {
        let Some(file) = self.incoming.get_mut(&number) else { return };
        file.stage = Stage::Stopped(why);
        let (name, size) = (file.name.clone(), file.size);
        self.count(Some(why));
        self.effects.push_back(Effect::Work(Job::Close { number }));
        self.effects.push_back(Effect::Over(Over { name, size, why: Some(why), ours, error }));
        if ours {
            self.say(Control::FileStop { file: number, why });
        }
        self.open_wanted();
    }

    /// A message of the bulk channel.
    pub(crate) fn bulk(&mut self, message: &[u8]) {
        let Some(frame) = Frame::read(message) else {
            self.dropped += 1;
            return;
        };
        let number = frame.file;
        let Some(file) = self.incoming.get_mut(&number) else {
            self.dropped += 1;
            return;
        };
        match file.take(&frame) {
            Taken::Dropped => self.dropped += 1,
            Taken::Blocks(blocks) => {
                let jobs = blocks.into_iter().map(|bytes| Effect::Work(Job::Block { number, bytes }));
                self.effects.extend(jobs);
                self.tell(number);
            }
            Taken::End(root) => self.effects.push_back(Effect::Work(Job::End { number, root })),
            Taken::Wrong => {
                let error = Some("the other side sends what was not agreed".to_owned());
                self.stop_incoming(number, Stop::Failed, true, error);
            }
        }
    }

    fn tell(&mut self, number: u32) {
        if let Some(at) = self.incoming.get_mut(&number).and_then(Incoming::tell) {
            self.say(Control::FileKept { file: number, at });
        }
    }

    /// The disk has done something.
    pub(crate) fn written(&mut self, done: Done) {
        let (Done::Opened { number, .. }
        | Done::Written { number, .. }
        | Done::Complete { number, .. }
        | Done::Mismatch { number }
        | Done::Failed { number, .. }) = done;
        let Some(file) = self.incoming.get_mut(&number).filter(|file| !file.is_over()) else { return };
        match done {
            Done::Opened { at, .. } => {
                file.opened(at);
                self.say(Control::FileTake { file: number, at });
            }
            Done::Written { len, .. } => {
                file.written(len);
                self.tell(number);
            }
            Done::Complete { path, .. } => {
                file.stage = Stage::Done;
                let (name, size) = (path.display().to_string(), file.size);
                self.count(None);
                self.say(Control::FileDone { file: number });
                self.effects.push_back(Effect::Over(Over { name, size, why: None, ours: true, error: None }));
                self.open_wanted();
            }
            // The part was of another file of this name and size, so it begins anew.
            Done::Mismatch { .. } if file.began > 0 => {
                file.stage = Stage::Opening;
                self.effects.push_back(Effect::Work(Job::Restart { number }));
            }
            Done::Mismatch { .. } => {
                let error = Some("what came is not what was sent".to_owned());
                self.stop_incoming(number, Stop::Failed, true, error);
            }
            Done::Failed { error, .. } => self.stop_incoming(number, Stop::Failed, true, Some(error)),
        }
    }

    /// The next frame to send, of each running file in turn.
    pub(crate) fn next_frame(&mut self) -> Option<(u32, Arc<Reader>, Next)> {
        let count = self.outgoing.len();
        for step in 0..count {
            let at = (self.turn + step) % count;
            let file = self.outgoing.get_mut(at)?;
            let Some(next) = file.next() else { continue };
            self.turn = at + 1;
            let reader = match &file.reader {
                Some(reader) => Ok(Arc::clone(reader)),
                None => Reader::open(&file.source).map(Arc::new),
            };
            match reader {
                Ok(reader) => {
                    file.reader = Some(Arc::clone(&reader));
                    return Some((file.number, reader, next));
                }
                Err(error) => {
                    self.outgoing_over(at, Some(Stop::Failed), true, Some(error.to_string()));
                    return None;
                }
            }
        }
        None
    }

    /// A file that was being sent cannot be read any more.
    pub(crate) fn unreadable(&mut self, number: u32, error: String) {
        if let Some(at) = self.outgoing.iter().position(|file| file.number == number) {
            self.outgoing_over(at, Some(Stop::Failed), true, Some(error));
        }
    }
}
