//! Runs one hot function many times inside [`measured`], and nothing else there, so that callgrind can count the
//! instructions of one call: `cargo xtask bench instructions` runs every case under it and prints the table.
//!
//! `instructions` alone prints the names; `instructions NAME COUNT` runs one.

mod machines;
mod packets;

use std::process::ExitCode;

/// Something to be called many times.
type Run = Box<dyn FnMut()>;

/// The name of a case, and what prepares it.
type Case = (&'static str, fn() -> Run);

const CASES: &[Case] = &[
    ("STUN: parse and verify a check", packets::stun_parse),
    ("STUN: write and sign a check", packets::stun_write),
    ("RTP: parse with extensions", packets::rtp_parse),
    ("SRTP AES-128-GCM: protect 1,100 B", packets::srtp_gcm_protect),
    ("SRTP AES-128-GCM: protect and unprotect", packets::srtp_gcm_both),
    ("SRTP AES-CM-SHA1: protect 1,100 B", packets::srtp_cm_protect),
    ("SRTP AES-CM-SHA1: protect and unprotect", packets::srtp_cm_both),
    ("DTLS 1.2: seal 1,200 B", packets::dtls12_seal),
    ("DTLS 1.2: seal and open", packets::dtls12_both),
    ("DTLS 1.3: seal 1,200 B", packets::dtls13_seal),
    ("DTLS 1.3: seal and open", packets::dtls13_both),
    ("SCTP: a message of 1,000 B, sent, received, acknowledged", machines::sctp_small),
    ("SCTP: one of 64 KiB, the same (56 packets)", machines::sctp_large),
    ("SCTP: idle poll", machines::sctp_idle),
    ("TURN: relay one ChannelData", machines::turn_relay),
    ("ICE: idle poll", machines::ice_idle),
    ("peer: idle poll, no media", machines::peer_idle_0),
    ("peer: idle poll, 2 media lines", machines::peer_idle_2),
    ("peer: idle poll, 50 media lines", machines::peer_idle_50),
];

/// What callgrind counts: its name is on the command line of `cargo xtask bench instructions`.
#[inline(never)]
fn measured(run: &mut Run, count: u32) {
    for _ in 0..count {
        run();
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [name, count] = args.as_slice() else {
        CASES.iter().for_each(|(name, _)| println!("{name}"));
        return ExitCode::SUCCESS;
    };
    let case = CASES.iter().find(|(known, _)| known == name);
    let (Some((_, prepare)), Ok(count)) = (case, count.parse()) else {
        eprintln!("usage: instructions [NAME COUNT]; without anything it prints the names");
        return ExitCode::from(2);
    };
    let mut run = prepare();
    // What is made once is made now.
    (0..10).for_each(|_| run());
    measured(&mut run, count);
    ExitCode::SUCCESS
}
