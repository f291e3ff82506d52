//! What a peer costs beside its data: how long set-up takes, memory at rest, and asking it while nothing happens.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::stacks::{self, OURS, Stack, median};

const ROUNDS: usize = 5;
/// The peer of the last line.
const PEER: &str = "libwebrtc";
/// Long enough that something arrives.
const MILLIS: u64 = 400;
/// What is aimed at.
const MOST_KIB: f64 = 150.0;
const MOST_NANOS: f64 = 100.0;

/// Runs the bench: half a minute, once everything is built.
pub(crate) fn run(root: &Path, json: bool) -> Result<()> {
    let stacks = stacks::all(root)?;
    let program = root.join("target/release/dc-load");
    let rest = stacks::object(OURS, Command::new(&program).arg("rest"))?;
    let sockets = stacks::object(OURS, Command::new(&program).args(["rest", "--sockets"]))?;
    let number =
        |value: &Value, key: &str| value[key].as_f64().with_context(|| format!("`{key}` was measured"));
    let kib = number(&rest, "kib_per_peer")?;
    let driver_kib = number(&sockets, "kib_per_driver")?;
    let polls = rest["idle_polls"].as_array().context("polls were measured")?;
    let wakes = number(&rest, "polls_in_an_idle_minute")?;
    let setups: Vec<(&str, Option<f64>)> =
        stacks.iter().map(|stack| Ok((stack.name, setup(stack)?))).collect::<Result<_>>()?;
    if !json {
        println!("offer to open channel on the loopback, both ends in one process, median of {ROUNDS}");
        for (name, millis) in &setups {
            println!("  {name:<16}{:>10}", millis.map_or("-".to_owned(), |ms| format!("{ms:.1} ms")));
        }
        println!("\na connected peer of ours with one channel, at rest");
        println!("  memory                        {kib:>8.1} KiB (aim: under {MOST_KIB:.0})");
        println!("  memory, driver and socket too {driver_kib:>8.1} KiB (aim: under {MOST_KIB:.0})");
        for poll in polls {
            let (lines, nanos) = (number(poll, "media_lines")?, number(poll, "ns")?);
            println!(
                "  one round of polls, {lines:>2} media lines {nanos:>5.1} ns (aim: under {MOST_NANOS:.0})"
            );
        }
        println!("  wakes in a minute             {wakes:>8}\n");
    }
    let of = |name: &str| setups.iter().find(|(known, _)| *known == name).and_then(|(_, millis)| *millis);
    let (ours, peer) = (of(OURS), of(PEER));
    println!(
        "{}",
        json!({
            "bench": "peer",
            "unit": "ms from the offer to the open channel",
            "ours": ours,
            "peer": peer,
            "peer_name": PEER,
            "ratio": ours.zip(peer).map(|(ours, peer)| peer / ours),
            "setups": setups.iter().map(|(name, millis)| json!({ "stack": name, "ms": millis })).collect::<Vec<_>>(),
            "kib_per_idle_peer": kib,
            "kib_per_idle_driver": driver_kib,
            "idle_polls": polls,
            "wakes_in_an_idle_minute": wakes,
        })
    );
    Ok(())
}

/// Milliseconds; `None` of a peer that fails. Ours may not.
fn setup(stack: &Stack) -> Result<Option<f64>> {
    let mut values = Vec::new();
    for _ in 0..ROUNDS {
        match stack.bulk(1024, MILLIS) {
            Ok(value) => values.extend(value["setup_ms"].as_f64()),
            Err(error) if stack.name == OURS => return Err(error),
            Err(error) => eprintln!("{error:#}"),
        }
    }
    Ok(median(values))
}
