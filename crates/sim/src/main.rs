//! Runs seeds of [`sim::call`]: `sim --count N [--seed S] [--trace]`. Prints how many ran each second; of one that fails,
//! what went wrong and how to run it again.
#![expect(clippy::disallowed_types, reason = "a program for people measures time")]

use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

const USAGE: &str = "usage: sim [--count N] [--seed S] [--trace]";

struct Options {
    seed: u64,
    count: u64,
    trace: bool,
}

fn options() -> Result<Options, String> {
    let mut options = Options { seed: 0, count: 1, trace: false };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut number = || {
            let text = args.next().ok_or_else(|| format!("{arg} needs a number\n{USAGE}"))?;
            text.parse().map_err(|_| format!("{arg} {text}: this is no number\n{USAGE}"))
        };
        match arg.as_str() {
            "--seed" => options.seed = number()?,
            "--count" => options.count = number()?,
            "--trace" => options.trace = true,
            _ => return Err(format!("{arg} is not known\n{USAGE}")),
        }
    }
    Ok(options)
}

#[derive(Default)]
struct Sums {
    failed: AtomicU64,
    relayed: AtomicU64,
    messages: AtomicU64,
    frames: AtomicU64,
    restarts: AtomicU64,
    disasters: AtomicU64,
    virtual_millis: AtomicU64,
}

impl Sums {
    fn run(&self, seed: u64, trace: bool) {
        let teller = trace.then_some((|line| println!("{line}")) as fn(&str));
        let add = |sum: &AtomicU64, n: u64| sum.fetch_add(n, Ordering::Relaxed);
        let Ok(report) = panic::catch_unwind(AssertUnwindSafe(|| sim::call::run(seed, teller))) else {
            add(&self.failed, 1);
            eprintln!(
                "seed {seed} failed, see above; run it again with\n  cargo xtask sim --seed {seed} --trace\n"
            );
            return;
        };
        add(&self.relayed, u64::from(report.relayed));
        add(&self.messages, report.messages);
        add(&self.frames, report.frames);
        add(&self.restarts, u64::from(report.restarts));
        add(&self.disasters, report.story.disasters.len() as u64);
        add(&self.virtual_millis, u64::try_from(report.lasted.as_millis()).unwrap_or(u64::MAX));
        if trace {
            println!("seed {seed}: {:?}, {:?} until connected", report.trace, report.connected_after);
        }
    }
}

fn main() -> ExitCode {
    let Options { seed, count, trace } = match options() {
        Ok(options) => options,
        Err(text) => {
            eprintln!("{text}");
            return ExitCode::from(2);
        }
    };
    let (sums, next, begun) = (Sums::default(), AtomicU64::new(0), Instant::now());
    let threads = if trace { 1 } else { std::thread::available_parallelism().map_or(1, usize::from) };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= count {
                        break;
                    }
                    sums.run(seed.wrapping_add(at), trace);
                }
            });
        }
    });
    let (elapsed, get) = (begun.elapsed().as_secs_f64(), |sum: &AtomicU64| sum.load(Ordering::Relaxed));
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = count as f64 / elapsed;
    println!(
        "{count} calls in {elapsed:.1} s, {rate:.0} a second; {} h of virtual time, {} relayed, {} disasters, \
         {} restarts of ICE, {} messages, {} pictures; {} failed",
        get(&sums.virtual_millis) / 3_600_000,
        get(&sums.relayed),
        get(&sums.disasters),
        get(&sums.restarts),
        get(&sums.messages),
        get(&sums.frames),
        get(&sums.failed)
    );
    if get(&sums.failed) == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
