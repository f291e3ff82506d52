//! What a DTLS record and a handshake cost, with us and with `dimpl`: both ends in one thread, no sockets.
//!
//! `cargo run --release -p dtls-records` prints a table, and as its last line one JSON object: nanoseconds to seal
//! and open one record of 1200 bytes in DTLS 1.2. The contenders take many short turns, shorter than a time slice,
//! and the median of the turns counts: so whatever else the machine does meets all of them, and most turns nobody.
#![expect(clippy::disallowed_types, reason = "a bench reads a clock, and so does that library")]

mod ours;
mod peer;

use std::hint::black_box;
use std::time::Instant;

use dtls::Version;

/// Bytes of application data in a record: what a data channel puts into one.
const DATA: usize = 1200;
const RECORDS: usize = 500;
const TURNS: usize = 1001;
/// Every so many turns have a handshake.
const HANDSHAKE_EVERY: usize = 10;

/// Nanoseconds per call of what `f` does `count` times.
#[expect(clippy::cast_precision_loss, reason = "counts and times are far below 2^52")]
fn nanos(count: usize, f: impl FnOnce()) -> f64 {
    let start = Instant::now();
    f();
    start.elapsed().as_nanos() as f64 / count as f64
}

/// The cipher alone: the floor.
fn cipher() -> f64 {
    let (seal, open) = (crypto::aead::AesGcm::new(&[1; 16]), crypto::aead::AesGcm::new(&[1; 16]));
    let mut buf = [7; DATA + crypto::aead::TAG_LEN];
    nanos(RECORDS, || {
        for _ in 0..RECORDS {
            let tag = seal.seal([0; 12], &[0; 13], &mut buf[..DATA]);
            buf[DATA..].copy_from_slice(&tag);
            assert_eq!(open.open([0; 12], &[0; 13], black_box(&mut buf)), Some(DATA));
        }
    })
}

fn median(mut turns: Vec<f64>) -> f64 {
    turns.sort_by(f64::total_cmp);
    turns[turns.len() / 2]
}

fn main() {
    let mut ours = [ours::Pair::new(Version::Dtls12, 1), ours::Pair::new(Version::Dtls13, 1)];
    let mut peers = [peer::Pair::new(false), peer::Pair::new(true)];
    let mut records: [Vec<f64>; 5] = Default::default();
    let mut handshakes: [Vec<f64>; 4] = Default::default();
    for turn in 0..TURNS {
        let [a, b] = &mut ours;
        let [c, d] = &mut peers;
        let times = [
            cipher(),
            nanos(RECORDS, || a.records(RECORDS)),
            nanos(RECORDS, || b.records(RECORDS)),
            nanos(RECORDS, || c.records(RECORDS)),
            nanos(RECORDS, || d.records(RECORDS)),
        ];
        records.iter_mut().zip(times).for_each(|(all, one)| all.push(one));
        if turn % HANDSHAKE_EVERY == 0 {
            let times = [
                nanos(1, || drop(ours::Pair::new(Version::Dtls12, turn))),
                nanos(1, || drop(ours::Pair::new(Version::Dtls13, turn))),
                nanos(1, || drop(peer::Pair::new(false))),
                nanos(1, || drop(peer::Pair::new(true))),
            ];
            handshakes.iter_mut().zip(times).for_each(|(all, one)| all.push(one));
        }
    }
    let [cipher, ours12, ours13, peer12, peer13] = records.map(median);
    let [hands12, hands13, peer_hands12, peer_hands13] = handshakes.map(median);
    println!("seal and open one record of {DATA} bytes, one core   ns   Gbit/s");
    for (name, ns) in [
        ("AES-128-GCM alone", cipher),
        ("ours, DTLS 1.2", ours12),
        ("ours, DTLS 1.3", ours13),
        ("dimpl 0.9, DTLS 1.2", peer12),
        ("dimpl 0.9, DTLS 1.3", peer13),
    ] {
        println!("  {name:<46} {ns:6.0} {:8.1}", 8.0 * 1200.0 / ns);
    }
    println!("handshake, both sides, with certificates ready       us");
    for (name, ns) in [
        ("ours, DTLS 1.2", hands12),
        ("ours, DTLS 1.3 with X25519MLKEM768", hands13),
        ("dimpl 0.9, DTLS 1.2", peer_hands12),
        ("dimpl 0.9, DTLS 1.3", peer_hands13),
    ] {
        println!("  {name:<46} {:6.0}", ns / 1000.0);
    }
    let line = serde_json::json!({
        "bench": "dtls-records",
        "unit": "ns per record of 1200 bytes, sealed and opened",
        "ours": ours12,
        "peer": peer12,
        "peer_name": "dimpl 0.9",
        "ratio": peer12 / ours12,
        "cipher": cipher,
        "ours_13": ours13,
        "peer_13": peer13,
    });
    println!("{line}");
}
