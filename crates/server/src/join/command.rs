//! The command line of `visavis join`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::json;
use tokio::runtime::Runtime;

use super::conference::Sends;
use super::feed::{Feed, FileFeed, Pictures, Shape, Tone};
use super::record::Recorder;
use super::session::{Exit, Plan, Session};
use crate::client::output::Output;
use crate::transfer::command::{self as transfer, Usage, is_usage};

const AFTER: &str = "Files are WebM or Matroska (VP8, VP9, AV1, H.264, Opus), Ogg with Opus, IVF (VP8, VP9, AV1), WAVE, and \
                     H.264 byte streams; at most one brings sound, and at most two bring pictures: the camera and the \
                     screen. Ends with 0 when it left as it was meant to, 1 when something failed, 2 when it was called \
                     wrongly, 130 when it was interrupted.";

/// `visavis join`.
pub(crate) fn command() -> Command {
    let file = |name: &'static str| Arg::new(name).long(name).value_parser(value_parser!(PathBuf));
    Command::new("join")
        .about("Joins a room from here: plays files or a test pattern into it, and records it")
        .after_help(AFTER)
        .arg(Arg::new("room").value_name("ROOM").required(true).help("The room's name, or its whole link"))
        .arg(
            Arg::new("name")
                .long("name")
                .value_name("NAME")
                .help("What the others see [default: this machine's name]"),
        )
        .arg(
            file("play")
                .value_name("FILE")
                .action(ArgAction::Append)
                .help("Play this file into the room, in real time; may be said again"),
        )
        .arg(
            Arg::new("pattern")
                .long("pattern")
                .value_name("WxH@FPS")
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("640x360@30")
                .value_parser(|text: &str| text.parse::<Shape>())
                .help("Show a test pattern with a clock, and beep each second [without a size: 640x360@30]"),
        )
        .arg(
            Arg::new("pace")
                .long("pace")
                .value_name("FPS")
                .value_parser(value_parser!(u32).range(1..=240))
                .help("Pictures per second of H.264 byte streams, which tell no times [default: 30]"),
        )
        .arg(Arg::new("loop").long("loop").action(ArgAction::SetTrue).help("Play the files again and again"))
        .arg(
            file("record")
                .value_name("FOLDER")
                .help("Record everybody into this folder, a file for each person"),
        )
        .arg(
            Arg::new("for")
                .long("for")
                .value_name("TIME")
                .value_parser(read_time)
                .help("Leave after so long: 90s, 5m, 1h [default: when everything was played, or never]"),
        )
        .args(transfer::server())
}

/// Reads `90s`, `5m`, `1h`, or seconds without a unit.
pub(crate) fn read_time(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no time; say it as 90s, 5m or 1h");
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let seconds = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(wrong()),
    };
    let count = digits.parse::<u32>().ok().filter(|count| *count > 0).ok_or_else(wrong)?;
    Ok(Duration::from_secs(u64::from(count) * seconds))
}

/// Runs it.
pub(crate) fn run(matches: &ArgMatches) -> ExitCode {
    let mut output = Output::new(matches.get_flag("json"));
    let exit = Runtime::new().context("cannot start the runtime").and_then(|runtime| {
        let exit = runtime.block_on(join(matches, &mut output));
        runtime.shutdown_timeout(Duration::from_secs(1));
        exit
    });
    let (code, event) = match &exit {
        Ok(Exit::Done) => (0, "done"),
        Ok(Exit::Interrupted) => (130, "interrupted"),
        Err(error) if is_usage(error) => (2, "usage"),
        Err(_) => (1, "failed"),
    };
    let error = exit.err().map(|error| format!("{error:#}"));
    output.say("end", json!({ "result": event, "code": code, "error": error }), "");
    if let Some(error) = error {
        eprintln!("visavis: {error}");
    }
    ExitCode::from(code)
}

async fn join(matches: &ArgMatches, output: &mut Output) -> Result<Exit> {
    let given = matches.get_one::<String>("room").cloned().unwrap_or_default();
    let (address, connector, room) = transfer::reach(matches, &given)?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if !(1..=64).contains(&room.len()) || !room.bytes().all(plain) {
        let text = format!(
            "`{given}` is no room; say its name, 1 to 64 of A-Z a-z 0-9 - _, or its link, such as \
             https://call.example/r/blue-heron-42"
        );
        return Err(Usage(text).into());
    }
    let name = matches.get_one::<String>("name").cloned().unwrap_or_else(transfer::name);
    let files: Vec<PathBuf> = matches.get_many("play").into_iter().flatten().cloned().collect();
    let pattern = matches.get_one::<Shape>("pattern").copied();
    let (pace, again) = (matches.get_one::<u32>("pace").copied(), matches.get_flag("loop"));
    let (feeds, sends) = feeds(&files, pattern, &name, pace, again)?;
    let recorder = matches.get_one::<PathBuf>("record").map(|folder| Recorder::start(folder)).transpose()?;
    let time = matches.get_one::<Duration>("for").copied();
    let link = address.link(&room);
    let publishes = json!({ "microphone": sends.microphone, "camera": sends.camera, "screen": sends.screen });
    let pitch = ::media::pattern::pitch(&name);
    let plan = Plan { address, connector, room, name, feeds, sends, recorder, time };
    let session = Session::open(plan, output).await?;
    let fields = json!({ "link": link, "sends": publishes, "pitch": pitch });
    session.announce("joined", fields, &format!("Joining {link}")).run().await
}

/// What is played, and what that is to the others.
fn feeds(
    files: &[PathBuf],
    pattern: Option<Shape>,
    name: &str,
    pace: Option<u32>,
    again: bool,
) -> Result<(Vec<Feed>, Sends)> {
    let (mut feeds, mut sends) = (Vec::new(), Sends::default());
    if let Some(shape) = pattern {
        let pictures = Pictures::new(shape, name)?;
        (sends.camera, sends.simulcast) = (true, pictures.is_simulcast());
        feeds.push(Feed::Pictures(Box::new(pictures)));
    }
    for path in files {
        let mut feed = FileFeed::open(path, pace, again)?;
        let [sound, pictures] = feed.formats();
        if sound.is_some() && std::mem::replace(&mut sends.microphone, true) {
            return Err(too_many(path, "sound"));
        }
        if pictures.is_some() {
            if sends.camera {
                if std::mem::replace(&mut sends.screen, true) {
                    return Err(too_many(path, "pictures"));
                }
                feed.as_screen();
            }
            sends.camera = true;
        }
        feeds.push(Feed::File(Box::new(feed)));
    }
    if pattern.is_some() && !sends.microphone {
        sends.microphone = true;
        feeds.push(Feed::Sound(Box::new(Tone::new(name)?)));
    }
    Ok((feeds, sends))
}

fn too_many(path: &Path, what: &str) -> anyhow::Error {
    let most = if what == "sound" { "one file with sound" } else { "two files with pictures" };
    Usage(format!("{} brings {what} too many: {most} can be played at once", path.display())).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        for (text, wanted) in [("90", Some(90)), ("90s", Some(90)), ("5m", Some(300)), ("1h", Some(3600))] {
            assert_eq!(read_time(text).ok(), wanted.map(Duration::from_secs), "{text}");
        }
        for text in ["", "s", "-1s", "0", "5d", "1.5h", "99999999999s"] {
            assert!(read_time(text).unwrap_err().contains("90s, 5m or 1h"), "{text}");
        }
    }
}
