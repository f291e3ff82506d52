//! `cargo xtask sim [--count N] [--seed S] [--trace]`: the calls of `sim::call`, any number of them.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

/// Builds the simulation, optimised, and runs it with the rest of the command line.
pub(crate) fn run(root: &Path, args: &[&str]) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let fixed = ["run", "--quiet", "--release", "--package", "sim", "--bin", "sim", "--"];
    if !Command::new(cargo).args(fixed).args(args).current_dir(root).status()?.success() {
        bail!("not every seed has gone well: what was printed says which, and how to run one again");
    }
    Ok(())
}
