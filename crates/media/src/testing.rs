//! What tests compare with: a program of other people.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// What FFmpeg makes of an input; it must not complain.
pub(crate) fn ffmpeg(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-nostdin"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("ffmpeg is installed by `scripts/deps test`");
    let mut to = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A reader that has had enough is no error of the writer.
    let writer = std::thread::spawn(move || drop(to.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "ffmpeg {arguments:?}: {said}");
    output.stdout
}
