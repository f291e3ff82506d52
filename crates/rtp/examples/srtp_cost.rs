//! Prints what protecting and unprotecting one packet of 1100 bytes costs:
//! `cargo run --release -p rtp --example srtp_cost`.
#![expect(clippy::disallowed_types, reason = "it measures, so it reads a clock")]

use rtp::srtp::{Config, Profile, Protect, Unprotect};
use rtp::{Header, Writer};
use std::time::Instant;

const LEN: usize = 1100;
const BATCH: u16 = 1000;
const ROUNDS: u16 = 60;

fn main() {
    println!("{:24} {:>12} {:>14}", "profile", "protect, ns", "unprotect, ns");
    for profile in Profile::ALL {
        let (key, salt) = (&[3; 32][..profile.key_len()], &[5; 14][..profile.salt_len()]);
        let mut protect = Protect::new(profile, key, salt, &Config::default()).expect("the lengths fit");
        let mut unprotect = Unprotect::new(profile, key, salt, &Config::default()).expect("the lengths fit");
        let mut packets = vec![[0; LEN + 16]; usize::from(BATCH)];
        // The fastest of the rounds: other work runs beside.
        let (mut sealing, mut opening) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            for (at, packet) in (0..).zip(&mut packets) {
                let sequence_number = round * BATCH + at;
                let header = Header { payload_type: 96, sequence_number, ssrc: 7, ..Header::default() };
                Writer::new(packet, &header, &[]).expect("a header fits");
            }
            let start = Instant::now();
            for packet in &mut packets {
                protect.protect(packet, LEN).expect("there is room for the tag");
            }
            sealing.push(start.elapsed().as_nanos() / u128::from(BATCH));
            let start = Instant::now();
            for packet in &mut packets {
                let len = LEN + profile.rtp_overhead();
                unprotect.unprotect(&mut packet[..len]).expect("it was made with the same key");
            }
            opening.push(start.elapsed().as_nanos() / u128::from(BATCH));
        }
        let least = |times: &[u128]| times.iter().min().copied().unwrap_or(0);
        println!("{:24} {:>12} {:>14}", format!("{profile:?}"), least(&sealing), least(&opening));
    }
}
