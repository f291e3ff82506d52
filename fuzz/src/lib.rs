//! Fuzz targets as plain functions: each takes any bytes and panics only on a bug of ours.
//!
//! The tests replay `corpus/` and seeded mutations of it; `libfuzzer/` runs the same functions under
//! `cargo fuzz` (`cd fuzz && cargo +nightly fuzz run --fuzz-dir libfuzzer turn_server corpus/turn_server`).

mod negotiator;
mod sdp_session;
mod stun_message;
mod turn_frame;
mod turn_server;

pub use negotiator::negotiator;
pub use sdp_session::sdp_session;
pub use server::signal::fuzzing::signal_frames;
pub use stun_message::stun_message;
pub use turn_frame::turn_frame;
pub use turn_server::turn_server;

/// A fuzz target.
pub type Target = fn(&[u8]);

/// All targets by name; the name is also that of the corpus folder.
pub const TARGETS: &[(&str, Target)] = &[
    ("negotiator", negotiator),
    ("sdp_session", sdp_session),
    ("signal_frames", signal_frames),
    ("stun_message", stun_message),
    ("turn_frame", turn_frame),
    ("turn_server", turn_server),
];
