//! `visavis join`: files and the test pattern go through rooms, and what is recorded is what was sent.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use media::pattern::{Mark, Pattern, tag};
use media::play::{Frame, Player};
use media::{Picture, opus, vp8, webm};
use peer::Format;

use crate::support::{Folder, Server};
use crate::transfer::Running;

const SIZE: (usize, usize) = (160, 96);

/// A file of so many pictures, 25 a second, with as much sound.
fn film(path: &Path, count: u32) {
    let mut writer = webm::Writer::new(&webm::Config::default());
    let (sound, pictures) = (writer.add_track(Format::Opus).unwrap(), writer.add_track(Format::Vp8).unwrap());
    let pattern = Pattern::new(SIZE.0, SIZE.1, "film");
    let mut pictures_of = vp8::Encoder::new(SIZE.0, SIZE.1, 200_000, 25).unwrap();
    let mut sound_of = opus::Encoder::new(1, 32_000).unwrap();
    for frame in 0..count {
        let at = Duration::from_millis(40) * frame;
        let encoded = pictures_of.encode(&pattern.draw(frame, Duration::from_secs(1) + at), false);
        assert!(writer.write(pictures, at, encoded.keyframe, &encoded.data));
        for half in 0..2 {
            let from = u64::from(2 * frame + half) * opus::FRAME as u64;
            let packet = sound_of.encode(&media::pattern::sound("film", from, opus::FRAME)).unwrap();
            assert!(writer.write(sound, at + Duration::from_millis(20) * half, true, &packet));
        }
    }
    writer.finish();
    let mut file = Vec::new();
    for change in writer.changes() {
        match change {
            webm::Change::Append(bytes) => file.extend(bytes),
            webm::Change::Patch { at, bytes } => {
                let at = usize::try_from(at).unwrap();
                file[at..at + bytes.len()].copy_from_slice(&bytes);
            }
            webm::Change::Truncate(len) => file.truncate(usize::try_from(len).unwrap()),
        }
    }
    fs::write(path, file).unwrap();
}

fn frames(path: &Path) -> Vec<Frame> {
    let mut player = Player::new(fs::File::open(path).unwrap(), None).unwrap();
    std::iter::from_fn(|| player.read().unwrap()).collect()
}

fn data(frames: &[Frame], format: Format) -> Vec<&[u8]> {
    frames.iter().filter(|frame| frame.format == format).map(|frame| &frame.data[..]).collect()
}

/// What another program sees in a recording.
fn marks(path: &Path, (width, height): (usize, usize)) -> Vec<Mark> {
    let size = format!("scale={width}:{height}");
    let decoded = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-i", path.to_str().unwrap(), "-an", "-vf", &size])
        .args(["-vsync", "0", "-enc_time_base", "-1", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"])
        .output()
        .expect("ffmpeg is installed by `scripts/deps test`");
    assert!(decoded.stderr.is_empty(), "{}", String::from_utf8_lossy(&decoded.stderr));
    let len = width * height * 3 / 2;
    let pictures = decoded.stdout.chunks_exact(len);
    pictures.filter_map(|bytes| Mark::read(&Picture::from_bytes(width, height, bytes)?)).collect()
}

fn recorded(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(format!("{name}.webm"));
    assert!(
        path.exists(),
        "there is {:?}",
        fs::read_dir(folder).unwrap().flatten().map(|f| f.path()).collect::<Vec<_>>()
    );
    path
}

/// The next status in which something is so.
fn until_status(running: &mut Running, wanted: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
    loop {
        let status = running.until("status");
        if wanted(&status) {
            return status;
        }
    }
}

#[test]
fn a_film_arrives_whole_with_the_other() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let (played, into) = (folder.path().join("film.webm"), folder.path().join("into"));
    film(&played, 50);
    let record = ["join", "cinema", "--name", "Bob", "--record", into.to_str().unwrap()];
    let mut bob = Running::start(&server, &record);
    bob.until("waiting");
    let ann =
        Running::start(&server, &["join", "cinema", "--name", "Ann", "--play", played.to_str().unwrap()]);
    let (code, events, _) = ann.finish();
    assert_eq!(code, 0, "{events:?}");
    bob.until("left");
    bob.interrupt();
    let (code, events, _) = bob.finish();
    assert_eq!(code, 130, "{events:?}");

    let (sent, got) = (frames(&played), frames(&recorded(&into, "Ann")));
    assert_eq!(data(&got, Format::Vp8), data(&sent, Format::Vp8));
    // What a network loses of sound stays lost; here hardly anything is.
    let (sound, heard) = (data(&sent, Format::Opus), data(&got, Format::Opus));
    assert!(
        heard.len() + 5 >= sound.len() && heard.iter().all(|packet| sound.contains(packet)),
        "{}",
        heard.len()
    );
    let length = got.last().unwrap().at.as_secs_f64();
    assert!((1.9..2.2).contains(&length), "{length}");
}

#[test]
fn the_pattern_is_recorded_by_two_in_a_room_that_outlives_the_server() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let stun = server.stun.unwrap().to_string();
    let into = [folder.path().join("bob"), folder.path().join("cyd")];
    let record = |name: &'static str, into: &Path| {
        Running::start(&server, &["join", "lab", "--name", name, "--record", into.to_str().unwrap()])
    };
    let mut bob = record("Bob", &into[0]);
    bob.until("waiting");
    let mut ann = Running::start(&server, &["join", "lab", "--name", "Ann", "--pattern=480x360@15"]);
    // Straight at first.
    until_status(&mut bob, |status| status["framesReceived"].as_u64() > Some(20));
    let mut cyd = record("Cyd", &into[1]);
    for watcher in [&mut bob, &mut cyd] {
        watcher.until("conference");
        until_status(watcher, |status| status["people"].as_array().unwrap().len() == 2);
        until_status(watcher, |status| status["framesReceived"].as_u64() > Some(40));
    }
    let http = server.http.to_string();
    server.kill();
    cyd.until("offline");
    let server = Server::start(&folder, &["--http", &http, "--stun", &stun]);
    for watcher in [&mut bob, &mut cyd] {
        watcher.until("conference");
        until_status(watcher, |status| status["framesReceived"].as_u64() > Some(40));
    }
    for running in [&mut ann, &mut bob, &mut cyd] {
        running.interrupt();
    }
    for running in [ann, bob, cyd] {
        let (code, events, _) = running.finish();
        assert_eq!(code, 130, "{events:?}");
    }
    drop(server);
    for folder in &into {
        let marks = marks(&recorded(folder, "Ann"), (480, 360));
        assert!(marks.len() > 40, "{} pictures can be read", marks.len());
        assert!(marks.iter().all(|mark| mark.tag == tag("Ann")));
        assert!(
            marks.is_sorted_by_key(|mark| mark.frame),
            "{:?}",
            marks.iter().map(|m| m.frame).collect::<Vec<_>>()
        );
    }
}

#[test]
fn what_cannot_be_done_is_said_with_what_would_be_right() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let (text, film_of) = (folder.path().join("a.txt"), folder.path().join("film.webm"));
    fs::write(&text, "no film").unwrap();
    film(&film_of, 2);
    let (text, film) = (text.to_str().unwrap(), film_of.to_str().unwrap());
    for (arguments, code, said) in [
        (&["join", "r", "--play", text][..], 1, "WebM and Matroska, Ogg"),
        (&["join", "r", "--play", "/nonexistent"], 1, "/nonexistent"),
        (&["join", "a room"], 2, "blue-heron-42"),
        (&["join", "r", "--play", film, "--play", film], 2, "one file with sound"),
        (&["join", "r", "--server", "http://127.0.0.1:1"], 1, "cannot reach the server"),
        (&["join", "r", "--record", "/proc/none"], 1, "/proc/none"),
    ] {
        let (ended, events, _) = Running::start(&server, arguments).finish();
        assert_eq!(ended, code, "{arguments:?}: {events:?}");
        let error = events.last().unwrap()["error"].as_str().unwrap();
        assert!(error.contains(said), "{arguments:?}: {error}");
    }
    // Alone, it leaves when its time is over.
    let (ended, events, _) = Running::start(&server, &["join", "r", "--pattern", "--for", "1s"]).finish();
    assert_eq!(ended, 0, "{events:?}");
}
