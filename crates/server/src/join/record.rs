//! What is received, as files: for each person one with sound and camera, and one with their screen. A thread writes, so
//! that a slow disk holds up nobody; what it cannot take is left out and counted.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use ::media::webm::{self, Change, Config, Container, TrackId};
use anyhow::{Context as _, Result};
use peer::{Format, ReceivedFrame};
use tokio::time::Instant;

/// Frames that wait for the disk.
const QUEUE: usize = 2048;
/// How long a person's sound waits for their first picture, which decides what kind of file it is.
const PATIENCE: Duration = Duration::from_millis(1500);
/// How far a stream's own clock may be from when its frames come.
const ASTRAY: Duration = Duration::from_secs(3);
/// Frames kept meanwhile.
const HELD: usize = 512;

/// Whose frames they are, and which: the person's id, and whether it is their screen.
type Key = (String, bool);

struct Arrived {
    key: Key,
    name: String,
    /// Which connection it came by: its timestamps count for themselves, and later ones have higher numbers.
    way: u64,
    at: Instant,
    frame: Box<ReceivedFrame>,
}

/// A file that was written.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) path: PathBuf,
    pub(crate) duration: Duration,
    /// Frames of sound and of pictures.
    pub(crate) frames: [u64; 2],
}

/// Records until it is finished.
pub(crate) struct Recorder {
    give: Option<SyncSender<Arrived>>,
    thread: Option<JoinHandle<Result<Vec<Recorded>>>>,
    left_out: Arc<AtomicU64>,
}

impl Recorder {
    /// Files go into this folder, which is made if it is not there.
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) fn start(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let (give, frames) = sync_channel(QUEUE);
        let folder = folder.to_owned();
        let thread = std::thread::Builder::new().name("record".into()).spawn(|| run(folder, frames))?;
        Ok(Self { give: Some(give), thread: Some(thread), left_out: Arc::default() })
    }

    /// Takes a frame of somebody.
    pub(crate) fn take(&self, person: &str, name: &str, screen: bool, way: u64, frame: Box<ReceivedFrame>) {
        let key = (person.to_owned(), screen);
        let arrived = Arrived { key, name: name.to_owned(), way, at: Instant::now(), frame };
        let taken = self.give.as_ref().is_some_and(|give| give.try_send(arrived).is_ok());
        if !taken {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Frames that the disk was too slow for.
    pub(crate) fn left_out(&self) -> u64 {
        self.left_out.load(Ordering::Relaxed)
    }

    /// Finishes all files.
    ///
    /// # Errors
    /// What kept it from writing.
    pub(crate) fn finish(mut self) -> Result<Vec<Recorded>> {
        self.give = None;
        let thread = self.thread.take().context("a recording is finished once")?;
        thread.join().map_err(|_| anyhow::anyhow!("the thread that records has failed"))?
    }
}

fn run(folder: PathBuf, frames: Receiver<Arrived>) -> Result<Vec<Recorded>> {
    let mut people: BTreeMap<Key, Person> = BTreeMap::new();
    let mut done = Vec::new();
    while let Ok(arrived) = frames.recv() {
        let person = people.entry(arrived.key.clone()).or_insert_with(|| Person::new(&arrived));
        person.take(&folder, arrived, &mut done)?;
    }
    for mut person in people.into_values() {
        person.settle(&folder, &mut done)?;
        if let Some(file) = person.file.take() {
            done.push(file.finish()?);
        }
    }
    Ok(done)
}

/// Where a stream's timestamps stand in the file.
#[derive(Clone, Copy)]
struct Anchor {
    way: u64,
    timestamp: u32,
    at: Duration,
}

struct Person {
    name: String,
    screen: bool,
    begun: Instant,
    file: Option<Output>,
    held: Vec<(Format, Duration, bool, Vec<u8>)>,
    /// Of sound and of pictures.
    anchors: [Option<Anchor>; 2],
}

impl Person {
    fn new(arrived: &Arrived) -> Self {
        let (name, screen) = (arrived.name.clone(), arrived.key.1);
        Self { name, screen, begun: arrived.at, file: None, held: Vec::new(), anchors: [None; 2] }
    }

    fn take(&mut self, folder: &Path, arrived: Arrived, done: &mut Vec<Recorded>) -> Result<()> {
        let since = arrived.at.saturating_duration_since(self.begun);
        let frame = arrived.frame;
        let video = frame.format.is_video();
        let anchor = &mut self.anchors[usize::from(video)];
        // While one connection takes the place of another, both bring the same: pictures change over at a keyframe.
        if let Some(present) = *anchor
            && (arrived.way < present.way || (arrived.way > present.way && video && !frame.keyframe))
        {
            return Ok(());
        }
        // Of another connection, it begins anew where it came; so it does where its clock makes no sense.
        let known = anchor.filter(|anchor| anchor.way == arrived.way);
        let place = known.and_then(|anchor| {
            let ticks = frame.timestamp.wrapping_sub(anchor.timestamp);
            let rate = u64::from(frame.format.clock_rate());
            // Less than nothing is a frame out of its order.
            let ticks = if ticks < 1 << 31 { u64::from(ticks) } else { 0 };
            let place = anchor.at + Duration::from_nanos(ticks * 1_000_000_000 / rate);
            (place.abs_diff(since) < ASTRAY).then_some(place)
        });
        let place = place.unwrap_or(since);
        *anchor = Some(Anchor { way: arrived.way, timestamp: frame.timestamp, at: place });
        self.held.push((frame.format, place, frame.keyframe, frame.data));
        let waits = self.file.is_none() && since < PATIENCE && self.held.len() < HELD;
        let decided = self.held.iter().any(|(format, _, keyframe, _)| format.is_video() && *keyframe);
        if waits && !decided { Ok(()) } else { self.settle(folder, done) }
    }

    /// Writes what is held, into another file if the present one cannot hold it.
    fn settle(&mut self, folder: &Path, done: &mut Vec<Recorded>) -> Result<()> {
        let held = std::mem::take(&mut self.held);
        let matroska = held.iter().any(|(format, ..)| *format == Format::H264);
        for (format, at, keyframe, data) in held {
            let fits = self.file.as_ref().is_some_and(|file| file.holds(format));
            if !fits {
                if let Some(file) = self.file.take() {
                    done.push(file.finish()?);
                }
                let container = if matroska { Container::Matroska } else { Container::Webm };
                self.file = Some(Output::open(folder, &self.name, self.screen, container)?);
            }
            if let Some(file) = &mut self.file {
                file.write(format, at, keyframe, &data)?;
            }
        }
        Ok(())
    }
}

struct Output {
    path: PathBuf,
    file: File,
    writer: webm::Writer,
    container: Container,
    tracks: [Option<(Format, TrackId)>; 2],
    frames: [u64; 2],
}

impl Output {
    fn open(folder: &Path, name: &str, screen: bool, container: Container) -> Result<Self> {
        let (path, file) = create(folder, &file_name(name, screen), container.extension())?;
        let config = Config { container, title: name.to_owned(), begun: Some(net::unix_time()) };
        let writer = webm::Writer::new(&config);
        Ok(Self { path, file, writer, container, tracks: [None; 2], frames: [0; 2] })
    }

    /// Whether frames of a codec can go into it: pictures are of one codec.
    fn holds(&self, format: Format) -> bool {
        let track = self.tracks[usize::from(format.is_video())];
        track.map_or(format != Format::H264 || self.container == Container::Matroska, |(known, _)| {
            known == format
        })
    }

    fn write(&mut self, format: Format, at: Duration, keyframe: bool, data: &[u8]) -> Result<()> {
        let kind = usize::from(format.is_video());
        let track = match self.tracks[kind] {
            Some((_, track)) => track,
            None => {
                let track = self.writer.add_track(format)?;
                self.tracks[kind] = Some((format, track));
                track
            }
        };
        self.frames[kind] += u64::from(self.writer.write(track, at, keyframe || !format.is_video(), data));
        self.follow()
    }

    fn follow(&mut self) -> Result<()> {
        let changes = self.writer.changes();
        let written = changes.into_iter().try_for_each(|change| match change {
            Change::Append(bytes) => {
                self.file.seek(SeekFrom::End(0)).and_then(|_| self.file.write_all(&bytes))
            }
            Change::Patch { at, bytes } => {
                self.file.seek(SeekFrom::Start(at)).and_then(|_| self.file.write_all(&bytes))
            }
            Change::Truncate(len) => self.file.set_len(len),
        });
        written.with_context(|| format!("cannot write {}", self.path.display()))
    }

    fn finish(mut self) -> Result<Recorded> {
        self.writer.finish();
        self.follow()?;
        Ok(Recorded { path: self.path, duration: self.writer.duration(), frames: self.frames })
    }
}

/// A file that is not there yet: a name that is taken gets a number.
fn create(folder: &Path, name: &str, extension: &str) -> Result<(PathBuf, File)> {
    for number in 1..10_000 {
        let number = if number == 1 { String::new() } else { format!(" ({number})") };
        let path = folder.join(format!("{name}{number}.{extension}"));
        match OpenOptions::new().write(true).read(true).create_new(true).open(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(|| format!("cannot write {}", path.display())),
        }
    }
    anyhow::bail!("the folder {} has ten thousand recordings of {name}", folder.display())
}

/// A name as a file may have it on any system.
fn file_name(name: &str, screen: bool) -> String {
    let fits = |c: char| !c.is_control() && !"/\\:*?\"<>|".contains(c);
    let name: String = name.chars().map(|c| if fits(c) { c } else { '_' }).take(40).collect();
    let name = name.trim().trim_matches('.').trim();
    let name = if name.is_empty() { "somebody" } else { name };
    if screen { format!("{name} - screen") } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two connections bring the same for a while: the recording changes over once, at a keyframe.
    #[test]
    fn one_connection_takes_the_place_of_another_at_a_keyframe() {
        let folder = std::env::temp_dir().join(format!("visavis-record-{}", std::process::id()));
        let recorder = Recorder::start(&folder).unwrap();
        let picture = |first: u8| ReceivedFrame {
            transceiver: sample_section(),
            rid: None,
            format: Format::Vp8,
            timestamp: 0,
            keyframe: first & 1 == 0,
            missing: 0,
            data: vec![first, 2, 0, 0x9d, 1, 0x2a, 16, 0, 16, 0],
        };
        // The connection, what is sent, and whether it is recorded.
        let steps = [(2, 0x10, true), (2, 0x11, true), (4, 0x13, false), (2, 0x15, true), (4, 0x12, true)];
        let steps = steps.into_iter().chain([(2, 0x17, false), (2, 0x18, false), (4, 0x19, true)]);
        let wanted = steps.clone().filter(|(_, _, taken)| *taken).count();
        for (way, first, _) in steps {
            recorder.take("id", "Ann", false, way, Box::new(picture(first)));
        }
        let recorded = recorder.finish().unwrap();
        let [file] = &recorded[..] else { panic!("{recorded:?}") };
        assert_eq!(file.frames, [0, wanted as u64]);
        let bytes = std::fs::read(&file.path).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        let mut reader = webm::Reader::new();
        reader.push(&bytes);
        let found: Vec<u8> =
            std::iter::from_fn(|| reader.next_frame().unwrap()).map(|frame| frame.data[0]).collect();
        assert_eq!(found, [0x10, 0x11, 0x15, 0x12, 0x19]);
    }

    /// A section of some negotiation: which one is nothing to a recording.
    fn sample_section() -> peer::negotiation::TransceiverId {
        let config = peer::Config::new(endpoint::certificate());
        let mut peer = peer::Peer::new(config, [7; 32], wire::Instant::ZERO).unwrap();
        let kind = peer::negotiation::MediaKind::Video;
        peer.with_negotiator(|negotiator| negotiator.add_transceiver(kind, Default::default())).unwrap()
    }

    #[test]
    fn names_are_fit_for_files() {
        for (name, wanted) in [
            ("Ann Lee", "Ann Lee"),
            ("../etc/passwd", "_etc_passwd"),
            ("..", "somebody"),
            (" a:b\n", "a_b_"),
            ("Zoë 👏", "Zoë 👏"),
        ] {
            assert_eq!(file_name(name, false), wanted);
        }
        assert_eq!(file_name("Bob", true), "Bob - screen");
    }
}
