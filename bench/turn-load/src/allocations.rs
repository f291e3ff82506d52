//! Allocations: how many the server makes per second of its CPU time, and what memory each keeps.

use anyhow::{Result, ensure};

use crate::client::{Server, peers};
use crate::process::Process;
use crate::relay::precise;

/// What was measured.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub(crate) struct Measured {
    pub(crate) allocations: usize,
    pub(crate) cpu_nanos: u64,
    pub(crate) allocations_per_core_second: f64,
    /// Resident memory of the server per allocation that has one channel bound.
    pub(crate) kib_per_allocation: f64,
}

/// Makes `count` allocations with real credentials, 401 included, and binds a channel of each.
pub(crate) fn run(server: &mut Server, process: Process, count: usize) -> Result<Measured> {
    ensure!(count > 0, "nothing to allocate");
    // The first ones bring tables and buffers of the server to life that do not grow with every allocation.
    let mut early = server.allocate(100, false)?;
    let peer = peers(1, server.address, false)?;
    let address = peer[0].local();
    server.bind(&mut early, &vec![address; 100])?;
    let (memory, cpu) = (process.resident_kib()?, process.cpu_nanos()?);
    let mut clients = server.allocate(count, false)?;
    let cpu_nanos = process.cpu_nanos()? - cpu;
    server.bind(&mut clients, &vec![address; count])?;
    let memory = process.resident_kib()?.saturating_sub(memory);
    server.release(&mut clients)?;
    server.release(&mut early)?;
    let count_f = precise(count as u64);
    Ok(Measured {
        allocations: count,
        cpu_nanos,
        allocations_per_core_second: count_f * 1e9 / precise(cpu_nanos),
        kib_per_allocation: precise(memory) / count_f,
    })
}
