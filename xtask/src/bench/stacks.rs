//! The stacks whose data channels are measured, ours first: each a program that prints one JSON object.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// A stack that can be run here.
pub(super) struct Stack {
    pub(super) name: &'static str,
    command: Vec<String>,
}

impl Stack {
    /// Bulk data one way: messages of so many bytes for so long, after a warm-up of a fifth of it.
    pub(super) fn bulk(&self, bytes: usize, millis: u64) -> Result<Value> {
        let (program, first) = self.command.split_first().context("a command")?;
        let mut command = Command::new("timeout");
        command.args(["60", program]).args(first);
        if self.name == OURS {
            command.args(["bulk", "--bytes", &bytes.to_string(), "--millis", &millis.to_string()]);
        } else {
            command.args([bytes.to_string(), millis.to_string()]);
        }
        object(self.name, &mut command)
    }

    /// The same through a path with these ports, which takes longer to fill.
    pub(super) fn bulk_through(&self, bytes: usize, millis: u64, ports: &[String; 2]) -> Result<Value> {
        let (program, first) = self.command.split_first().context("a command")?;
        let mut command = Command::new("timeout");
        command.args(["90", program]).args(first);
        let numbers = [bytes.to_string(), millis.to_string()];
        if self.name == OURS {
            command.args(["bulk", "--bytes", &numbers[0], "--millis", &numbers[1], "--through"]).args(ports);
        } else {
            command.args(numbers).args(ports);
        }
        object(self.name, &mut command)
    }
}

/// The name of ours.
pub(super) const OURS: &str = "visavis";

/// What a program prints.
pub(super) fn object(name: &str, command: &mut Command) -> Result<Value> {
    let output = command.env("RUST_BACKTRACE", "0").stderr(Stdio::piped()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{name} failed: {}", said.trim());
    serde_json::from_slice(&output.stdout).with_context(|| format!("{name} says what it measured"))
}

/// Builds ours. Its program.
pub(super) fn ours(root: &Path) -> Result<PathBuf> {
    succeed(Command::new("cargo").current_dir(root).args([
        "build",
        "--release",
        "--quiet",
        "-p",
        "dc-load",
    ]))?;
    Ok(root.join("target/release/dc-load"))
}

/// Ours, and those of npm.
pub(super) fn near(root: &Path) -> Result<Vec<Stack>> {
    let path = |path: PathBuf| path.to_string_lossy().into_owned();
    let mut stacks = vec![Stack { name: OURS, command: vec![path(ours(root)?)] }];
    let interop = root.join("interop");
    let installed = if interop.join("node_modules/@roamhq/wrtc").is_dir() {
        Ok(())
    } else {
        succeed(Command::new("npm").current_dir(&interop).args(["ci", "--silent", "--no-audit", "--no-fund"]))
    };
    match installed {
        Ok(()) => stacks.extend(["libwebrtc", "libdatachannel"].map(|name| {
            let script = path(interop.join("stacks/bulk.mjs"));
            Stack { name, command: vec!["node".to_owned(), script, name.to_owned()] }
        })),
        Err(error) => {
            eprintln!("libwebrtc and libdatachannel are left out: npm could not install them: {error:#}");
        }
    }
    Ok(stacks)
}

/// Ours, and of the others what can be had here; of the rest it is said why not.
pub(super) fn all(root: &Path) -> Result<Vec<Stack>> {
    let path = |path: PathBuf| path.to_string_lossy().into_owned();
    let mut stacks = near(root)?;
    // A package of its own, for it is heavy; the first build takes minutes.
    let target = root.join("target/bench-peers");
    let mut build = Command::new("cargo");
    build.current_dir(root.join("bench/rust-peers"));
    build.args(["build", "--release", "--quiet", "--locked", "--target-dir"]).arg(&target);
    // Some build scripts begin anew whenever these change, and here they are those of this program.
    for (name, _) in std::env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST"))
        {
            build.env_remove(name);
        }
    }
    let built = succeed(&mut build);
    match built {
        Ok(()) => stacks.extend(["webrtc-rs", "str0m"].map(|name| {
            let program = path(target.join("release/rust-peers"));
            Stack { name, command: vec![program, name.to_owned()] }
        })),
        Err(error) => eprintln!("webrtc-rs and str0m are left out: they could not be built: {error:#}"),
    }
    match pion(root) {
        Ok(program) => stacks.push(Stack { name: "Pion", command: vec![path(program)] }),
        Err(error) => {
            eprintln!("Pion is left out: {error:#}; it needs golang-go and golang-github-pion-webrtc.v3-dev");
        }
    }
    match succeed(Command::new(PYTHON).args(["-c", "import aiortc"])) {
        Ok(()) => {
            let script = path(root.join("bench/other-peers/aiortc_pair.py"));
            stacks.push(Stack { name: "aiortc", command: vec![PYTHON.to_owned(), script] });
        }
        Err(_) => eprintln!("aiortc is left out: it needs python3-aiortc"),
    }
    Ok(stacks)
}

/// Debian's, for which its packages are.
const PYTHON: &str = "/usr/bin/python3";

/// Builds the pair of Pion with Debian's modules, on the path where Debian's own builds look for them.
fn pion(root: &Path) -> Result<PathBuf> {
    let target = root.join("target/bench-peers");
    std::fs::create_dir_all(&target).with_context(|| format!("making {}", target.display()))?;
    let program = target.join("pion-pair");
    let mut build = Command::new("go");
    build.current_dir(root.join("bench/other-peers/pion")).args(["build", "-o"]).arg(&program).arg(".");
    succeed(build.env("GO111MODULE", "off").env("GOPATH", "/usr/share/gocode").env("GOFLAGS", ""))?;
    Ok(program)
}

fn succeed(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.stdout(Stdio::null()).status().with_context(|| format!("starting {name}"))?;
    ensure!(status.success(), "{name} failed");
    Ok(())
}

/// The one in the middle; `None` of nothing.
pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_one_in_the_middle() {
        assert_eq!(median(vec![3.0, 100.0, 1.0]), Some(3.0));
        assert_eq!(median(vec![2.0]), Some(2.0));
        assert_eq!(median(Vec::new()), None);
    }
}
