//! Instructions per call of hot functions, counted by callgrind: unlike times they are the same on every run of the same
//! build, whatever else the machine does.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::json;

/// Calls of each function; an association's timers and a cipher's table fall on some of them only.
const CALLS: u64 = 1000;
/// One may not cost more than the other by more than this: media lines are not looked at by an idle poll.
const SAME: [&str; 2] = ["peer: idle poll, 2 media lines", "peer: idle poll, 50 media lines"];

/// Runs every case: some minutes, once it is built.
pub(super) fn run(root: &Path, json: bool) -> Result<()> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        bail!("valgrind is not installed: `apt-get install valgrind` has it");
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let build = ["build", "--quiet", "--release", "--package", "instructions"];
    ensure!(Command::new(cargo).args(build).current_dir(root).status()?.success(), "it does not build");
    let program = root.join("target/release/instructions");
    let names = Command::new(&program).output()?;
    let names = String::from_utf8(names.stdout).context("names are text")?;
    let mut rows = Vec::new();
    for name in names.lines() {
        let count = count(&program, name)?;
        if !json {
            println!("{count:>8}  {name}");
        }
        rows.push((name, count));
    }
    let find = |name: &str| rows.iter().find(|(known, _)| *known == name).map(|(_, count)| *count);
    let [two, fifty] = SAME.map(find);
    println!(
        "{}",
        json!({
            "bench": "instructions",
            "unit": "instructions per call",
            "ours": two,
            "peer": fifty,
            "peer_name": "an idle poll with 50 media lines instead of 2",
            "ratio": two.zip(fifty).map(|(two, fifty)| to_float(fifty) / to_float(two)),
            "cases": rows.iter().map(|(name, count)| json!({ "name": name, "instructions": count })).collect::<Vec<_>>(),
        })
    );
    ensure!(two.is_some() && two == fifty, "an idle poll depends on the media lines: {two:?} and {fifty:?}");
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
fn to_float(count: u64) -> f64 {
    count as f64
}

/// Instructions of one call.
fn count(program: &Path, name: &str) -> Result<u64> {
    let options =
        ["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=instructions::measured"];
    let mut command = Command::new("valgrind");
    command.args(options).arg(program).args([name, &CALLS.to_string()]);
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{name}: {said}");
    let line = said.lines().find_map(|line| line.split_once("Collected : "));
    let all: u64 =
        line.and_then(|(_, number)| number.trim().parse().ok()).context("callgrind says a number")?;
    ensure!(all > 0, "{name}: nothing was counted; is the function `measured` still there?");
    Ok(all / CALLS)
}
