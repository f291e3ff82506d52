//! Files from one process to another, over a server and the sockets of this machine.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Stdio};

use serde_json::Value;

use crate::support::{Folder, Server, visavis};

/// A command under way, whose events are read as they come.
pub(crate) struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
    /// The most memory it had, in KiB, as far as was looked.
    peak: u64,
}

impl Running {
    pub(crate) fn start(server: &Server, arguments: &[&str]) -> Self {
        let mut command = visavis(arguments);
        command.arg("--json").env("VISAVIS_SERVER", format!("http://{}", server.http));
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines, peak: 0 }
    }

    fn send(server: &Server, files: &[&Path]) -> (Self, String) {
        let names: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
        let mut running = Self::start(server, &[&["send"], names.as_slice()].concat());
        let code = running.until("code")["code"].as_str().unwrap().to_owned();
        (running, code)
    }

    fn receive(server: &Server, code: &str, into: &Path, more: &[&str]) -> Self {
        let arguments = ["receive", code, "--yes", "--into", into.to_str().unwrap()];
        Self::start(server, &[&arguments, more].concat())
    }

    pub(crate) fn event(&mut self) -> Value {
        let mut line = String::new();
        assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "it ended without saying so");
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let peak =
            status.lines().find_map(|l| l.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        self.peak = self.peak.max(peak.unwrap_or(0));
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"))
    }

    /// The next event of this name; others are passed over, but not the end.
    pub(crate) fn until(&mut self, name: &str) -> Value {
        loop {
            let event = self.event();
            if event["event"] == name {
                return event;
            }
            assert_ne!(event["event"], "end", "waiting for {name}: {event}");
        }
    }

    /// What Ctrl-C does.
    pub(crate) fn interrupt(&self) {
        let pid = rustix::process::Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    }

    /// The events to the end, the last with the code that it ends with.
    pub(crate) fn finish(mut self) -> (i32, Vec<Value>, u64) {
        let mut events = Vec::new();
        loop {
            let event = self.event();
            let over = event["event"] == "end";
            events.push(event);
            if over {
                break;
            }
        }
        (self.child.wait().unwrap().code().unwrap(), events, self.peak)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Bytes that do not repeat.
fn noise(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    wire::Rng::new([7; 32]).fill(&mut bytes);
    bytes
}

fn done(running: Running) -> (Vec<Value>, u64) {
    let (code, events, peak) = running.finish();
    assert_eq!(code, 0, "{events:?}");
    (events, peak)
}

#[test]
fn files_and_folders_arrive_as_they_were_and_overwrite_nothing() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let (from, into) = (folder.path().join("from"), folder.path().join("into"));
    fs::create_dir_all(from.join("trip/day 1")).unwrap();
    fs::create_dir_all(&into).unwrap();
    let big = noise(3_333_333);
    for (name, bytes) in [
        ("big", big.as_slice()),
        ("empty", b""),
        ("note.txt", b"new"),
        ("trip/day 1/a", b"1"),
        ("trip/b", b"2"),
    ] {
        fs::write(from.join(name), bytes).unwrap();
    }
    fs::write(into.join("note.txt"), "old").unwrap();
    let named = ["big", "empty", "note.txt", "trip"].map(|name| from.join(name));
    let (sender, code) = Running::send(&server, &named.each_ref().map(|path| path.as_path()));
    done(Running::receive(&server, &code.replace('-', " ").to_uppercase(), &into, &[]));
    done(sender);
    for (name, bytes) in [
        ("big", big.as_slice()),
        ("empty", b""),
        ("note.txt", b"old"),
        ("note (2).txt", b"new"),
        ("trip/day 1/a", b"1"),
        ("trip/b", b"2"),
    ] {
        assert_eq!(fs::read(into.join(name)).unwrap(), bytes, "{name}");
    }
    assert_eq!(fs::read_dir(&into).unwrap().count(), 5, "nothing else stays");

    let (sender, code) = Running::send(&server, &[&from.join("note.txt")]);
    let link = format!("http://{}/r/{code}", server.http);
    done(Running::receive(&server, &link, &into, &["--overwrite"]));
    done(sender);
    assert_eq!(fs::read(into.join("note.txt")).unwrap(), b"new");
}

#[test]
fn a_large_file_takes_little_memory_and_a_killed_receiver_goes_on_where_it_was() {
    const SIZE: usize = 200_000_000;
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let (file, into) = (folder.path().join("large"), folder.path().join("into"));
    fs::write(&file, noise(SIZE)).unwrap();
    let (sender, code) = Running::send(&server, &[&file]);
    let mut receiver = Running::receive(&server, &code, &into, &[]);
    while receiver.until("progress")["done"].as_u64().unwrap() < 20_000_000 {}
    drop(receiver);
    let part = into.join(format!("large.{SIZE}.visavis-part"));
    let before = fs::metadata(&part).expect("a part that stays").len();
    assert!((1 << 20..SIZE as u64).contains(&before), "{before}");

    let mut receiver = Running::receive(&server, &code, &into, &[]);
    let first = receiver.until("progress")["done"].as_u64().unwrap();
    assert!(first >= before - (1 << 20), "{first} after {before}");
    let (_, peak) = done(receiver);
    let (_, sent) = done(sender);
    assert!(peak < 100_000 && sent < 100_000, "{peak} and {sent} KiB");
    assert!(fs::read(&file).unwrap() == fs::read(into.join("large")).unwrap());
    assert!(!part.exists());
    assert_eq!(fs::read_dir(&into).unwrap().count(), 1);
}

#[test]
fn what_cannot_be_done_is_said_with_its_code() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let into = folder.path().join("into");
    let path = into.to_str().unwrap();
    let nobody = format!("http://{}", server.stun.map_or(server.http, |a| (a.ip(), 1).into()));
    for (arguments, code, said) in [
        (&["receive", "amber-canoe-violin", "--yes", "--wait", "1", "--into", path][..], 1, "nobody sends"),
        (&["receive", "amber", "--yes", "--into", path], 2, "three words"),
        (&["receive", "amber-canoe-violin", "--into", path], 2, "--yes"),
        (&["send", "/nonexistent"], 1, "/nonexistent"),
        (&["send", "/dev/null"], 1, "neither a file nor a folder"),
        (&["send", "/proc/self/status", "--server", "ftp://x"], 2, "ftp://x"),
        (&["send", "/proc/self/status", "--server", &nobody], 1, "cannot reach the server"),
    ] {
        let (ended, events, _) = Running::start(&server, arguments).finish();
        assert_eq!(ended, code, "{arguments:?}: {events:?}");
        let error = events.last().unwrap()["error"].as_str().unwrap();
        assert!(error.contains(said), "{arguments:?}: {error}");
    }
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_refused_unless_it_is_asked_for() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let file = folder.path().join("x");
    fs::write(&file, "x").unwrap();
    let url = format!("https://localhost:{}", server.https.unwrap().port());
    let into = folder.path().join("into");
    let (ended, events, _) =
        Running::start(&server, &["send", file.to_str().unwrap(), "--server", &url]).finish();
    assert_eq!(ended, 1, "{events:?}");
    let send = ["send", file.to_str().unwrap(), "--server", &url, "--insecure"];
    let mut sender = Running::start(&server, &send);
    let code = sender.until("code")["code"].as_str().unwrap().to_owned();
    let ca = folder.path().join("data/tls/ca.pem");
    done(Running::receive(&server, &code, &into, &["--server", &url, "--ca", ca.to_str().unwrap()]));
    done(sender);
    assert_eq!(fs::read(into.join("x")).unwrap(), b"x");
}

#[test]
fn an_interrupt_ends_it_at_once_and_the_other_side_goes_on_with_another() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let (file, into) = (folder.path().join("x"), folder.path().join("into"));
    fs::write(&file, noise(60_000_000)).unwrap();
    let (sender, code) = Running::send(&server, &[&file]);
    let mut receiver = Running::receive(&server, &code, &into, &[]);
    receiver.until("progress");
    receiver.interrupt();
    let (ended, events, _) = receiver.finish();
    assert_eq!(ended, 130, "{events:?}");
    done(Running::receive(&server, &code, &into, &[]));
    done(sender);
    assert_eq!(fs::metadata(into.join("x")).unwrap().len(), 60_000_000);

    let (mut sender, code) = Running::send(&server, &[&file]);
    let receiver = Running::receive(&server, &code, &into, &[]);
    sender.until("progress");
    sender.interrupt();
    assert_eq!(sender.finish().0, 130);
    let (ended, events, _) = receiver.finish();
    assert_eq!(ended, 1, "the sender is gone for good: {events:?}");
}

#[test]
fn a_server_that_restarts_does_not_stop_a_transfer() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let (file, into) = (folder.path().join("x"), folder.path().join("into"));
    fs::write(&file, noise(150_000_000)).unwrap();
    let (sender, code) = Running::send(&server, &[&file]);
    let mut receiver = Running::receive(&server, &code, &into, &[]);
    receiver.until("progress");
    server.kill();
    done(receiver);
    done(sender);
    assert_eq!(fs::metadata(into.join("x")).unwrap().len(), 150_000_000);
}

#[test]
fn check_says_what_the_network_allows() {
    let folder = Folder::new();
    let server = Server::start(&folder, &["--relay-allow", "127.0.0.0/8"]);
    let url = format!("http://{}", server.http);
    let output = crate::support::run(&["check", "--json", "--server", &url], "");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{report}");
    assert_eq!(report["udp"], true, "{report}");
    assert_eq!(report["behind_nat"], false, "{report}");
    assert_eq!(report["mapping"], "same", "{report}");
    for (at, transport) in ["udp", "tcp"].into_iter().enumerate() {
        let relay = &report["relays"][at];
        assert!(relay["transport"] == transport && relay["relayed"].is_string(), "{report}");
    }
    assert!(report["throughput"].as_f64().unwrap() > 0.0, "{report}");

    let nobody = crate::support::run(&["check", "--json", "--server", "http://127.0.0.1:1"], "");
    assert_eq!(nobody.status.code(), Some(1));
    let other = Folder::new();
    let server = Server::start(&other, &["--stun", "off"]);
    let url = format!("http://{}", server.http);
    let output = crate::support::run(&["check", "--server", &url], "");
    assert_eq!(output.status.code(), Some(1), "without STUN and TURN nothing is known to work");
    assert!(String::from_utf8_lossy(&output.stdout).contains("would not work"));
}
