//! The project's chores, as a program: `cargo xtask NAME`.

mod bench;
mod interop;
mod sim;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask NAME

  bench turn            relays packets with us and with coturn, and compares
  bench signalling      idle sessions, call set-up and hops with us and with PeerJS
  bench datachannel     bulk data over data channels of ours and of other stacks
  bench link            the same through 100 ms of round trip and 1 % loss
  bench peer            set-up, memory at rest and idle polls of a peer
  bench sctp            bulk data between two associations in one process: ours, dcsctp, sctp-proto
  bench dtls            records and handshakes in one process: ours and dimpl
  bench instructions    instructions per call of hot functions, under callgrind
  interop               connects our engine with browsers and other stacks, and prints what works
  sim [--count N] [--seed S] [--trace]
                        calls of two peers in a virtual world, by seed: NATs, loss, relays that restart
  tidy                  checks what the compiler does not: crate edges, lengths, left-overs

A bench ends with one JSON object as its last line; with --json it prints nothing else.
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["bench", name] => bench::run(name, &root(), false),
        ["bench", name, "--json"] => bench::run(name, &root(), true),
        ["interop"] => interop::run(&root()),
        ["sim", rest @ ..] => sim::run(&root(), rest),
        ["tidy"] => tidy::run(&root()),
        [] | ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("there is no chore `{}`\n\n{USAGE}", words.join(" "));
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The top of the repository: this crate is one folder below it.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the repository").to_owned()
}
