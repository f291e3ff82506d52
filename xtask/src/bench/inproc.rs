//! Benches that are programs of their own, with both ends in one process: a table and, as the last line, the JSON object.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// SCTP alone: ours, `dcsctp` with its packet dump taken out, and `sctp-proto`.
pub(super) fn sctp(root: &Path, json: bool) -> Result<()> {
    show(Command::new(root.join("bench/sctp-inproc/run.sh")).current_dir(root), json)
}

/// DTLS records and handshakes: ours and `dimpl`.
pub(super) fn dtls(root: &Path, json: bool) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let args = ["run", "--quiet", "--release", "--package", "dtls-records"];
    show(Command::new(cargo).args(args).current_dir(root), json)
}

/// Runs it and prints what it prints, or only the last line.
fn show(command: &mut Command, json: bool) -> Result<()> {
    let output = command.stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "the bench failed: its own words are above");
    let text = String::from_utf8(output.stdout).context("the bench prints text")?;
    match text.trim_end().rsplit_once('\n') {
        Some((_, last)) if json => println!("{last}"),
        _ => print!("{text}"),
    }
    Ok(())
}
