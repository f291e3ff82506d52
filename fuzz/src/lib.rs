//! Fuzz targets as plain functions: each takes any bytes and panics only on a bug of ours.
//!
//! The tests replay `corpus/` and seeded mutations of it; `libfuzzer/` runs the same functions under
//! `cargo fuzz` (`cd fuzz && cargo +nightly fuzz run --fuzz-dir libfuzzer turn_server corpus/turn_server`).

mod flow;
mod rtp;
mod stun_message;
mod turn_frame;
mod turn_server;

pub use flow::{flow_machines, flow_payload};
pub use rtp::{rtcp_compound, rtp_packet, srtp_unprotect};
pub use server::signal::fuzzing::signal_frames;
pub use stun_message::stun_message;
pub use turn_frame::turn_frame;
pub use turn_server::turn_server;

/// A fuzz target.
pub type Target = fn(&[u8]);

/// All targets by name; the name is also that of the corpus folder.
pub const TARGETS: &[(&str, Target)] = &[
    ("flow_machines", flow_machines),
    ("flow_payload", flow_payload),
    ("rtcp_compound", rtcp_compound),
    ("rtp_packet", rtp_packet),
    ("srtp_unprotect", srtp_unprotect),
    ("signal_frames", signal_frames),
    ("stun_message", stun_message),
    ("turn_frame", turn_frame),
    ("turn_server", turn_server),
];
