//! The recorder with a real folder, and without media threads.

use std::path::PathBuf;
use std::time::Duration;

use media::webm::Reader;
use sfu::Format;

use super::queue::{Batch, Head, Message};
use super::timeline::State;
use super::*;
use crate::signal::forwarding::{LegKey, RoomKey, Source};
use crate::signal::protocol::{Person, Sending};
use crate::signal::recording::{Attendant, RecordingCommand};

const ID: &str = "cmVjb3JkaW5ncmVjb3JkaQ";

/// A folder that is gone afterwards.
pub(super) struct Scratch(pub(super) PathBuf);

impl Scratch {
    pub(super) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("visavis-recording-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(super) fn person(name: &str) -> Person {
    Person { id: name.to_owned(), name: name.to_owned(), verified: false }
}

fn attendant(number: u32, microphone: bool) -> Attendant {
    let sending = Sending { microphone, camera: true, screen: false };
    let leg = Some(LegKey(number.into()));
    Attendant { number, person: person(&format!("p{number}")), owner: number == 2, sending, leg }
}

fn begin() -> Message {
    let people = vec![attendant(1, true)];
    let (id, name, by) = (ID.to_owned(), "garden".to_owned(), person("p1"));
    Message::Command(RecordingCommand::Begin { id, room: RoomKey(1), name, by, people })
}

/// So many seconds of sound and pictures of somebody; the pictures of the second half are in another codec.
fn talk(queue: &Queue, number: u32, seconds: u64, formats: [Format; 2]) {
    let begun = net::unix_time();
    let mut first = [true; 2];
    for millis in (0..seconds * 1000).step_by(20) {
        let mut batch = Batch::default();
        let at = begun + Duration::from_millis(millis);
        let mut push =
            |format: Format, source: Source, key: bool, payload: &[u8], marker: bool, first: bool| {
                batch.heads.push(Head {
                    leg: LegKey(number.into()),
                    source,
                    format,
                    first,
                    lost: 0,
                    timestamp: u32::try_from(millis * u64::from(format.clock_rate()) / 1000).unwrap(),
                    marker,
                    key,
                    arrived: at,
                    captured: Some(at),
                    len: payload.len(),
                });
                batch.bytes.extend_from_slice(payload);
            };
        push(Format::Opus, Source::Microphone, false, &[0xf8, 1, 2], true, std::mem::take(&mut first[0]));
        if millis % 40 == 0 {
            let format = formats[usize::from(millis >= seconds * 500)];
            let key = millis % (seconds * 500) == 0;
            let mut frame = vec![7; 3000];
            let head = [u8::from(!key), 0, 0, 0x9d, 1, 0x2a, 0x80, 2, 0x68, 1];
            frame[..10].copy_from_slice(&head);
            if format == Format::Vp9 {
                frame[0] = 0x82 | u8::from(!key) << 2;
            }
            let mut key = key;
            let mut first = std::mem::take(&mut first[1]) || millis == seconds * 500;
            format.packetize(&frame, u16::try_from(millis / 40).unwrap().into(), 1200, &mut |parts, last| {
                let payload = parts.concat();
                push(
                    format,
                    Source::Camera,
                    std::mem::take(&mut key),
                    &payload,
                    last,
                    std::mem::take(&mut first),
                );
            });
        }
        assert!(queue.push(batch), "the recorder keeps up");
    }
}

/// Pictures and packets of sound in a file.
fn count(path: PathBuf) -> (usize, usize) {
    let mut reader = Reader::new();
    reader.push(&std::fs::read(path).unwrap());
    let mut counts = (0, 0);
    while let Some(frame) = reader.next_frame().unwrap() {
        let track = reader.tracks().iter().find(|track| track.number == frame.track).unwrap();
        if track.channels == 0 { counts.0 += 1 } else { counts.1 += 1 }
    }
    counts
}

const LIMITS: Limits = Limits { bytes: None, free: 0 };

#[test]
fn a_file_for_each_and_another_for_another_codec() {
    let scratch = Scratch::new("files");
    let folder = Folder::new(scratch.0.join("recordings"));
    let (recordings, _link) = Recordings::start(Archive::new(folder.clone(), None), LIMITS, [1; 32]).unwrap();
    let queue = recordings.queue();
    queue.command(begin());
    talk(&queue, 1, 4, [Format::Vp8, Format::Vp8]);
    queue.command(Message::Command(RecordingCommand::Member { id: ID.into(), member: attendant(2, false) }));
    talk(&queue, 2, 4, [Format::Vp8, Format::Vp9]);
    queue.command(Message::Command(RecordingCommand::Speaking { id: ID.into(), members: vec![2] }));
    talk(&queue, 3, 1, [Format::Vp8, Format::Vp8]);
    recordings.stop();
    let timeline = folder.load(ID).unwrap().unwrap();
    assert_eq!(
        (timeline.state, &timeline.owners),
        (State::Finished, &vec!["p1".to_owned(), "p2".to_owned()])
    );
    let files: Vec<Vec<(&str, String)>> = timeline
        .people
        .iter()
        .map(|person| person.files.iter().map(|part| (part.name.as_str(), part.codecs.join("+"))).collect())
        .collect();
    let one = vec![("1-camera-1.webm", "opus+vp8".to_owned())];
    let two = vec![("2-camera-1.webm", "opus+vp8".to_owned()), ("2-camera-2.webm", "opus+vp9".to_owned())];
    assert_eq!(files, [one, two], "and nobody knows a third");
    let path = |name: &str| folder.path().join(ID).join(name);
    assert_eq!(count(path("1-camera-1.webm")), (100, 200));
    let (a, b) = (count(path("2-camera-1.webm")), count(path("2-camera-2.webm")));
    assert_eq!((a.0, b.0, a.1 + b.1), (50, 50, 200));
    let second = &timeline.people[1];
    assert!(second.files[1].offset.abs_diff(second.files[0].offset + 2000) < 5);
    assert_eq!((second.muted.len(), timeline.speaking[0].members.clone()), (1, vec![2]));
    assert!(second.present.iter().all(|span| span.to.is_some()));
    assert_eq!(recordings.counts().begun, 1);
    assert!(folder.delete(ID).unwrap() && folder.list().unwrap().is_empty());
}

/// What a killed server leaves: no index, half a frame at the end, a timeline that says that it goes on.
#[test]
fn what_was_interrupted_is_finished_at_the_next_start() {
    let scratch = Scratch::new("interrupted");
    let folder = Folder::new(scratch.0.join("recordings"));
    let (recordings, _link) = Recordings::start(Archive::new(folder.clone(), None), LIMITS, [1; 32]).unwrap();
    recordings.queue().command(begin());
    talk(&recordings.queue(), 1, 4, [Format::Vp8, Format::Vp8]);
    recordings.stop();
    let mut timeline = folder.load(ID).unwrap().unwrap();
    timeline.state = State::Recording;
    timeline.people[0].files[0].duration = 0;
    timeline.people[0].present[0].to = None;
    folder.save(&timeline).unwrap();
    let file = folder.path().join(ID).join(&timeline.people[0].files[0].name);
    let mut bytes = std::fs::read(&file).unwrap();
    // The size of the segment is open, and the file ends in the middle of a block.
    let segment = bytes.windows(4).position(|four| four == [0x18, 0x53, 0x80, 0x67]).unwrap() + 4;
    bytes[segment..segment + 8].copy_from_slice(&[1, 255, 255, 255, 255, 255, 255, 255]);
    bytes.truncate(bytes.len() - 2000);
    std::fs::write(&file, bytes).unwrap();

    assert_eq!((folder.recover().unwrap(), folder.recover().unwrap()), (1, 0));
    let found = folder.load(ID).unwrap().unwrap();
    let part = &found.people[0].files[0];
    assert_eq!((found.state, part.bytes), (State::Interrupted, std::fs::metadata(&file).unwrap().len()));
    assert!((3900..=4000).contains(&part.duration), "{}", part.duration);
    assert!(found.people[0].present[0].to.is_some_and(|to| to >= part.duration));
    assert!(count(file).0 >= 98);
}

/// Nothing but a file stands where the folder is to be: the recording cannot begin, and the conference is told.
#[test]
fn what_cannot_be_written_is_told() {
    let scratch = Scratch::new("unwritable");
    let recordings_path = scratch.0.join("recordings");
    let (recordings, mut link) =
        Recordings::start(Archive::new(Folder::new(recordings_path.clone()), None), LIMITS, [1; 32]).unwrap();
    std::fs::write(recordings_path, "in the way").unwrap();
    recordings.queue().command(begin());
    talk(&recordings.queue(), 1, 1, [Format::Vp8, Format::Vp8]);
    recordings.stop();
    let told = link.events.try_recv();
    assert!(
        matches!(&told, Ok(RecordingEvent::Failed { id, message, .. }) if id == ID && message.contains("cannot")),
        "{told:?}"
    );
    assert_eq!((recordings.counts().begun, recordings.counts().failed), (0, 1));
}

#[test]
fn a_link_is_good_for_its_file_and_for_a_while() {
    let scratch = Scratch::new("links");
    let (recordings, _link) =
        Recordings::start(Archive::new(Folder::new(scratch.0.clone()), None), LIMITS, [1; 32]).unwrap();
    let link = recordings.link(ID, "1-camera-1.webm", 1000);
    let (_, query) = link.split_once("?until=").unwrap();
    let (until, key) = query.split_once("&key=").unwrap();
    let until: u64 = until.parse().unwrap();
    let good = |file: &str, until: u64, now: u64| recordings.is_good((ID, file), (until, key), now);
    assert!(good("1-camera-1.webm", until, until) && !good("1-camera-1.webm", until, until + 1));
    assert!(!good("2-camera-1.webm", until, 1000) && !good("1-camera-1.webm", until + 1, 1000));
    recordings.stop();
}

#[test]
fn limits_end_a_recording() {
    let limits = Limits { bytes: Some(100), free: 50 };
    assert_eq!(limits.problem(100, Some(50)), None);
    assert!(limits.problem(101, None).is_some_and(|problem| problem.contains("recording-bytes")));
    assert!(limits.problem(0, Some(49)).is_some_and(|problem| problem.contains("recording-free")));
}
