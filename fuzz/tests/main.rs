//! Replays the committed corpus, and seeded mutations of it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use wire::Rng;

const MUTATIONS: u64 = 20;

fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.display().to_string(), std::fs::read(&path).unwrap())).collect()
}

fn mutate(bytes: &mut Vec<u8>, rng: &mut Rng) {
    for _ in 0..=rng.below(4) {
        let at = usize::try_from(rng.below(bytes.len() as u64 + 1)).unwrap();
        let byte = u8::try_from(rng.below(256)).unwrap();
        match rng.below(4) {
            0 if at < bytes.len() => bytes[at] = byte,
            1 if at < bytes.len() => bytes[at] ^= 1 << (byte % 8),
            2 => bytes.insert(at, byte),
            _ => bytes.truncate(at.max(1)),
        }
    }
}

fn replay(name: &str) {
    let target = fuzz::TARGETS.iter().find(|(n, _)| *n == name).unwrap().1;
    let files = corpus(name);
    assert!(files.len() >= 5, "the corpus of {name} is there");
    let run = |what: &str, bytes: &[u8]| {
        let result = std::panic::catch_unwind(|| target(bytes));
        assert!(result.is_ok(), "{what} fails, see above: {bytes:?}");
    };
    for (path, bytes) in files {
        run(&path, &bytes);
        for seed in 0..MUTATIONS {
            let mut mutated = bytes.clone();
            mutate(&mut mutated, &mut Rng::from_number(seed));
            run(&format!("{path} with seed {seed}"), &mutated);
        }
    }
}

#[test]
fn negotiator() {
    replay("negotiator");
}

#[test]
fn sdp_session() {
    replay("sdp_session");
}

#[test]
fn signal_frames() {
    replay("signal_frames");
}

#[test]
fn stun_message() {
    replay("stun_message");
}

#[test]
fn turn_frame() {
    replay("turn_frame");
}

#[test]
fn turn_server() {
    replay("turn_server");
}

/// Command lists from nothing: what is not in the corpus yet.
#[test]
fn turn_server_from_seeds() {
    for seed in 0..300 {
        let mut rng = Rng::from_number(seed);
        let mut bytes = vec![0; usize::try_from(rng.below(600)).unwrap()];
        rng.fill(&mut bytes);
        fuzz::turn_server(&bytes);
    }
}

/// The same for the negotiator.
#[test]
fn negotiator_from_seeds() {
    for seed in 0..200 {
        let mut rng = Rng::from_number(seed);
        let mut bytes = vec![0; usize::try_from(rng.below(200)).unwrap()];
        rng.fill(&mut bytes);
        fuzz::negotiator(&bytes);
    }
}
