//! What the operating system knows about this process.

use std::fs;

use anyhow::{Context as _, Result};

/// CPU time of all threads that live, in nanoseconds: what the scheduler counted, not the tick.
pub(crate) fn cpu_nanos() -> Result<u64> {
    let mut sum = 0;
    for task in fs::read_dir("/proc/self/task").context("reading /proc/self/task")? {
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        let first = text.split_whitespace().next().context("an empty schedstat")?;
        sum += first.parse::<u64>()?;
    }
    Ok(sum)
}
