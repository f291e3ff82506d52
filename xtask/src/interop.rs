//! `cargo xtask interop`: our engine against WebRTC that nobody here wrote, in both roles. The last thing printed is
//! the table of peers, and under it the known failures with their reasons.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Builds our side, and runs the test that drives it.
pub(crate) fn run(root: &Path) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let build = ["build", "--package", "endpoint", "--example", "interop_peer"];
    if !Command::new(cargo).args(build).current_dir(root).status()?.success() {
        bail!("our side does not build");
    }
    let folder = root.join("interop");
    if !folder.join("node_modules").exists() {
        bail!("the foreign stacks are not installed: run `npm ci` in {}", folder.display());
    }
    let run = Command::new("node").args(["run.mjs", "engine"]).current_dir(folder).status();
    if !run.context("running node, which has to be installed")?.success() {
        bail!(
            "something new fails, or something that was known to fail works: the table and the tests say which"
        );
    }
    Ok(())
}
