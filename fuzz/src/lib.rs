//! Fuzz targets as plain functions: each takes any bytes and panics only on a bug of ours.
//!
//! The tests replay `corpus/` and seeded mutations of it; `libfuzzer/` has the same functions for `make fuzz`, which lets
//! libFuzzer look for more.

mod dtls;
mod flow;
mod ice_agent;
mod ice_candidate;
mod media;
mod negotiator;
mod rtp;
mod sctp_association;
mod sctp_packet;
mod sdp_session;
mod sfu;
mod stun_message;
mod turn_frame;
mod turn_server;
mod webm;

pub use self::sfu::sfu;
pub use dtls::dtls;
pub use flow::{flow_machines, flow_payload};
pub use ice_agent::ice_agent;
pub use ice_candidate::ice_candidate;
pub use media::{media_h264, media_ivf, media_ogg, media_wav};
pub use negotiator::negotiator;
pub use rtp::{dependency_descriptor, rtcp_compound, rtp_packet, srtp_unprotect};
pub use sctp_association::sctp_association;
pub use sctp_packet::sctp_packet;
pub use sdp_session::sdp_session;
pub use server::fuzzing::{join_token, whip_fragment};
pub use server::signal::fuzzing::signal_frames;
pub use stun_message::stun_message;
pub use turn_frame::turn_frame;
pub use turn_server::turn_server;
pub use webm::webm;

/// A fuzz target.
pub type Target = fn(&[u8]);

/// All targets by name; the name is also that of the corpus folder.
pub const TARGETS: &[(&str, Target)] = &[
    ("dependency_descriptor", dependency_descriptor),
    ("dtls", dtls),
    ("flow_machines", flow_machines),
    ("flow_payload", flow_payload),
    ("ice_agent", ice_agent),
    ("ice_candidate", ice_candidate),
    ("join_token", join_token),
    ("media_h264", media_h264),
    ("media_ivf", media_ivf),
    ("media_ogg", media_ogg),
    ("media_wav", media_wav),
    ("negotiator", negotiator),
    ("rtcp_compound", rtcp_compound),
    ("rtp_packet", rtp_packet),
    ("sctp_association", sctp_association),
    ("sctp_packet", sctp_packet),
    ("sdp_session", sdp_session),
    ("sfu", self::sfu::sfu),
    ("signal_frames", signal_frames),
    ("srtp_unprotect", srtp_unprotect),
    ("stun_message", stun_message),
    ("turn_frame", turn_frame),
    ("turn_server", turn_server),
    ("webm", webm),
    ("whip_fragment", whip_fragment),
];
