//! The recorder's thread: takes what the rendezvous and the media threads give, and writes it.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sfu::Format;
use tokio::sync::{Notify, mpsc};

use super::assemble::Assembler;
use super::folder::Folder;
use super::part::{Writing, container};
use super::queue::{Batch, Head, Message, Queue};
use super::timeline::{Part, Shows, State, Timeline, set};
use super::{Limits, Tally};
use crate::signal::forwarding::{LegKey, Source};
use crate::signal::protocol::MemberNumber;
use crate::signal::recording::{Attendant, RecordingCommand, RecordingEvent};

/// How often it is looked whether the disk is full, how much was written is told, and files are made durable.
const TICK: Duration = Duration::from_secs(1);
/// Ticks from one time that files are made durable to the next.
const DURABLE: u64 = 5;

/// What the thread is made of.
pub(super) struct Parts {
    pub(super) queue: Arc<Queue>,
    pub(super) folder: Folder,
    pub(super) limits: Limits,
    pub(super) events: mpsc::UnboundedSender<RecordingEvent>,
    pub(super) tally: Arc<Tally>,
    /// Rung when a recording has ended.
    pub(super) ended: Arc<Notify>,
}

/// See the module.
pub(super) struct Recorder {
    parts: Parts,
    active: BTreeMap<String, Active>,
    /// Whose media connection it is, in which recording.
    legs: HashMap<LegKey, (String, MemberNumber)>,
    ticks: u64,
}

/// A recording that goes on.
struct Active {
    timeline: Timeline,
    folder: PathBuf,
    begun: Duration,
    streams: BTreeMap<(MemberNumber, Source), Assembler>,
    /// The files that are being written, by what they show.
    writing: BTreeMap<(MemberNumber, bool), (String, Writing)>,
    /// Bytes of the files that are finished.
    finished: u64,
    /// Whether the timeline is to be written.
    changed: bool,
}

impl Recorder {
    pub(super) fn new(parts: Parts) -> Self {
        Self { parts, active: BTreeMap::new(), legs: HashMap::new(), ticks: 0 }
    }

    /// Runs until it is told to stop; everything is finished then.
    pub(super) fn run(mut self) {
        let mut due = net::unix_time() + TICK;
        loop {
            let patience = due.saturating_sub(net::unix_time()).min(TICK);
            let mut stop = false;
            for message in self.parts.queue.take(patience) {
                match message {
                    Message::Batch(batch) => self.take(&batch),
                    Message::Command(command) => self.obey(command),
                    Message::Stop => stop = true,
                }
            }
            if stop {
                break;
            }
            if net::unix_time() >= due {
                due = net::unix_time() + TICK;
                self.tick();
            }
        }
        for id in self.active.keys().cloned().collect::<Vec<_>>() {
            self.end(&id, State::Finished, None);
        }
    }

    fn obey(&mut self, command: RecordingCommand) {
        match command {
            RecordingCommand::Begin { id, name, by, people, .. } => {
                let begun = net::unix_time();
                let timeline = Timeline {
                    version: 1,
                    id: id.clone(),
                    room: name,
                    begun: millis(begun),
                    duration: 0,
                    state: State::Recording,
                    problem: None,
                    owners: vec![by.id.clone()],
                    by,
                    people: Vec::new(),
                    speaking: Vec::new(),
                };
                let made = self.parts.folder.begin(&id);
                let made = made.and_then(|folder| self.parts.folder.save(&timeline).map(|()| folder));
                match made {
                    Ok(folder) => {
                        tracing::info!(id, "a recording begins");
                        self.active.insert(id.clone(), Active::new(timeline, folder, begun));
                        self.parts.tally.begun();
                        people.into_iter().for_each(|member| self.member(&id, member));
                    }
                    Err(error) => self.cannot((id, timeline.room), 0, format!("{error:#}")),
                }
            }
            RecordingCommand::Member { id, member } => self.member(&id, member),
            RecordingCommand::Left { id, number } => {
                self.legs.retain(|_, (of, who)| !(*of == id && *who == number));
                let Some(active) = self.active.get_mut(&id) else { return };
                let at = active.age();
                let person = active.timeline.people.iter_mut().find(|person| person.number == number);
                if let Some(person) = person {
                    set(&mut person.present, at, false);
                    set(&mut person.muted, at, false);
                }
                let closed = active.finish_files(number);
                self.look(&id, closed);
            }
            RecordingCommand::Speaking { id, members } => {
                if let Some(active) = self.active.get_mut(&id) {
                    let at = active.age();
                    active.timeline.speaking(at, members);
                    active.changed = true;
                }
            }
            RecordingCommand::End { id } => self.end(&id, State::Finished, None),
        }
    }

    fn member(&mut self, id: &str, member: Attendant) {
        let Some(active) = self.active.get_mut(id) else { return };
        self.legs.retain(|_, (of, who)| !(of == id && *who == member.number));
        if let Some(leg) = member.leg {
            self.legs.insert(leg, (id.to_owned(), member.number));
        }
        let at = active.age();
        if member.owner && !active.timeline.owners.contains(&member.person.id) {
            active.timeline.owners.push(member.person.id.clone());
        }
        let person = active.timeline.attended(member.number, &member.person);
        set(&mut person.present, at, true);
        set(&mut person.muted, at, !member.sending.microphone);
        active.changed = true;
    }

    /// Packets of media.
    fn take(&mut self, batch: &Batch) {
        let mut rest = &batch.bytes[..];
        for head in &batch.heads {
            let (payload, later) = rest.split_at(head.len);
            rest = later;
            let Some((id, number)) = self.legs.get(&head.leg) else { continue };
            let Some(active) = self.active.get_mut(id) else { continue };
            self.parts.tally.packets(head.lost);
            let result = active.packet(*number, head, payload);
            if let Err(error) = result {
                let id = id.clone();
                self.look(&id, Err(error));
            }
        }
    }

    /// A write has succeeded or not: after one that has not, the recording is over.
    fn look(&mut self, id: &str, result: std::io::Result<()>) {
        if let Err(error) = result {
            self.parts.tally.write_errors();
            self.end(id, State::Failed, Some(format!("the recording cannot be written: {error}")));
        }
    }

    fn cannot(&mut self, (id, room): (String, String), bytes: u64, message: String) {
        tracing::warn!(id, message, "a recording fails");
        self.parts.tally.failed();
        let event = RecordingEvent::Failed { id, room, bytes, message };
        // Without a rendezvous there is nobody left to tell.
        let _ = self.parts.events.send(event);
    }

    fn end(&mut self, id: &str, state: State, problem: Option<String>) {
        let Some(mut active) = self.active.remove(id) else { return };
        self.legs.retain(|_, (of, _)| of != id);
        let lost = active.streams.values().map(|stream| stream.lost).sum();
        let finished = active.finish_all();
        let at = active.age();
        let problem = problem.or_else(|| finished.err().map(|error| error.to_string()));
        let state = if problem.is_some() { State::Failed } else { state };
        active.timeline.close(at, state);
        active.timeline.problem.clone_from(&problem);
        let problem = match self.parts.folder.save(&active.timeline) {
            Ok(()) => problem,
            Err(error) => problem.or(Some(format!("{error:#}"))),
        };
        self.parts.tally.ended(active.finished, lost);
        self.parts.ended.notify_one();
        let (bytes, room, id) = (active.timeline.bytes(), active.timeline.room, id.to_owned());
        tracing::info!(id, bytes, "a recording has ended");
        match problem {
            Some(problem) => self.cannot((id, room), bytes, problem),
            None => {
                let _ = self.parts.events.send(RecordingEvent::Finished { id, room, bytes });
            }
        }
    }

    fn tick(&mut self) {
        self.ticks += 1;
        let durable = self.ticks.is_multiple_of(DURABLE);
        let free = super::free_bytes(self.parts.folder.path());
        for id in self.active.keys().cloned().collect::<Vec<_>>() {
            let Some(active) = self.active.get_mut(&id) else { continue };
            let bytes = active.bytes();
            let problem = self.parts.limits.problem(bytes, free);
            let result = if durable { active.make_durable(&self.parts.folder) } else { Ok(()) };
            if durable {
                let _ = self.parts.events.send(RecordingEvent::Written { id: id.clone(), bytes });
            }
            match problem {
                Some(problem) => self.end(&id, State::Failed, Some(problem)),
                None => self.look(&id, result),
            }
        }
        self.parts.tally.now(self.active.len(), self.active.values().map(Active::bytes).sum());
    }
}

impl Active {
    fn new(timeline: Timeline, folder: PathBuf, begun: Duration) -> Self {
        let (streams, writing) = (BTreeMap::new(), BTreeMap::new());
        Self { timeline, folder, begun, streams, writing, finished: 0, changed: true }
    }

    /// Milliseconds since its beginning.
    fn age(&self) -> u64 {
        millis(net::unix_time().saturating_sub(self.begun))
    }

    fn bytes(&self) -> u64 {
        self.finished + self.writing.values().map(|(_, writing)| writing.bytes()).sum::<u64>()
    }

    fn packet(&mut self, number: MemberNumber, head: &Head, payload: &[u8]) -> std::io::Result<()> {
        let key = (number, head.source);
        let stream = self.streams.entry(key).or_insert_with(|| Assembler::new(head.format));
        if stream.format != head.format {
            let lost = stream.lost;
            *stream = Assembler::new(head.format);
            stream.lost = lost;
        }
        let Some(whole) = stream.take(head, payload) else { return Ok(()) };
        let screen = head.source == Source::Screen;
        let fits =
            self.writing.get(&(number, screen)).map(|(name, writing)| writing.takes(head.format, name));
        if fits == Some(false) {
            self.finish_file(number, screen)?;
        }
        if fits != Some(true) {
            self.begin_file(number, screen, (head.format, whole.at))?;
        }
        let stream = self.streams.get(&key);
        let writing = self.writing.get_mut(&(number, screen));
        let (Some(stream), Some((_, writing))) = (stream, writing) else { return Ok(()) };
        writing.write(head.format, whole.at, whole.keyframe, &stream.frame)
    }

    fn begin_file(
        &mut self,
        number: MemberNumber,
        screen: bool,
        (format, at): (Format, Duration),
    ) -> std::io::Result<()> {
        let Some(person) = self.timeline.people.iter_mut().find(|person| person.number == number) else {
            return Ok(());
        };
        let shows = if screen { Shows::Screen } else { Shows::Camera };
        let kind = if screen { "screen" } else { "camera" };
        let count = person.files.iter().filter(|part| part.shows == shows).count() + 1;
        let h264 = format == Format::H264;
        let name = format!("{number}-{kind}-{count}.{}", container(h264).extension());
        let title = person.person.name.clone();
        let writing = Writing::begin(&self.folder.join(&name), (&title, at), h264)?;
        let offset = millis(at.saturating_sub(self.begun));
        person.files.push(Part {
            name: name.clone(),
            shows,
            offset,
            duration: 0,
            bytes: 0,
            codecs: Vec::new(),
        });
        self.writing.insert((number, screen), (name, writing));
        self.changed = true;
        Ok(())
    }

    fn finish_file(&mut self, number: MemberNumber, screen: bool) -> std::io::Result<()> {
        let Some((name, mut writing)) = self.writing.remove(&(number, screen)) else { return Ok(()) };
        let result = writing.finish();
        self.describe(number, &name, &writing);
        self.finished += writing.bytes();
        self.changed = true;
        result
    }

    fn describe(&mut self, number: MemberNumber, name: &str, writing: &Writing) {
        let person = self.timeline.people.iter_mut().find(|person| person.number == number);
        if let Some(part) = person.and_then(|person| person.files.iter_mut().find(|part| part.name == name)) {
            writing.describe(part);
        }
    }

    fn finish_files(&mut self, number: MemberNumber) -> std::io::Result<()> {
        self.streams.retain(|(of, _), _| *of != number);
        self.changed = true;
        let camera = self.finish_file(number, false);
        self.finish_file(number, true).and(camera)
    }

    fn finish_all(&mut self) -> std::io::Result<()> {
        let open: Vec<(MemberNumber, bool)> = self.writing.keys().copied().collect();
        let finished = open.into_iter().map(|(number, screen)| self.finish_file(number, screen));
        finished.fold(Ok(()), Result::and)
    }

    /// Has everything on disk, and the timeline as it is.
    fn make_durable(&mut self, folder: &Folder) -> std::io::Result<()> {
        for (_, writing) in self.writing.values_mut() {
            writing.sync()?;
        }
        let open: Vec<((MemberNumber, bool), String)> =
            self.writing.iter().map(|(key, (name, _))| (*key, name.clone())).collect();
        for (key, name) in open {
            if let Some((_, writing)) = self.writing.remove(&key) {
                self.describe(key.0, &name, &writing);
                self.writing.insert(key, (name, writing));
            }
        }
        self.timeline.duration = self.age();
        self.changed = false;
        folder.save(&self.timeline).map_err(|error| std::io::Error::other(format!("{error:#}")))
    }
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
