//! What the operating system knows about a process, for the benches that measure one; each takes it in with `#[path]`.

use std::fs;

use anyhow::{Context as _, Result};

/// A process to be measured.
#[derive(Clone, Copy)]
pub(crate) struct Process(pub(crate) u32);

impl Process {
    /// CPU time of all threads that live, in nanoseconds: what the scheduler counted, not the tick.
    pub(crate) fn cpu_nanos(self) -> Result<u64> {
        let mut sum = 0;
        let tasks = format!("/proc/{}/task", self.0);
        for task in fs::read_dir(&tasks).with_context(|| format!("no process {}", self.0))? {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            let first = text.split_whitespace().next().context("an empty schedstat")?;
            sum += first.parse::<u64>()?;
        }
        Ok(sum)
    }

    /// Resident memory in KiB.
    pub(crate) fn resident_kib(self) -> Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.0))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(line.trim().trim_end_matches("kB").trim().parse()?)
    }
}
