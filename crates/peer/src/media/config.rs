use flow::{receive, send};

/// What becomes of the packets of media.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MediaMode {
    /// They are put together to frames ([`crate::Event::Frame`]), and frames are cut into packets
    /// ([`crate::Peer::send_frame`]): for a program that encodes and decodes.
    #[default]
    Frames,
    /// They are lent as they come ([`crate::Peer::handle_input_with`]), and sent one by one
    /// ([`crate::Peer::send_rtp`]): for a program that forwards.
    Packets,
}

/// How media is sent and received. Sources, names and header extensions are filled in.
#[derive(Clone, Debug, Default)]
pub struct MediaConfig {
    /// Frames or packets.
    pub mode: MediaMode,
    /// Bounds of the estimate, the pacer and the history.
    pub send: send::Config,
    /// Patience, feedback and the bounds of what waits.
    pub receive: receive::Config,
    /// The sources that SRTP keeps a window for, in each direction.
    pub srtp: rtp::srtp::Config,
}
