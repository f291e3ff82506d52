//! Session descriptions (RFC 8866) as WebRTC uses them: text in, values out, and back.
//!
//! A [`Session`] is the lines of a description in their order. The attributes that decide something in a WebRTC
//! session are typed ([`Attribute`]); every other line is kept as it came, so that a description passes through
//! unharmed. Candidates and fingerprints stay text here: `ice` and `dtls` read them.
//!
//! ```
//! use sdp::{Attribute, Session};
//!
//! let text = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
//!             m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=rtpmap:111 opus/48000/2\r\n";
//! let session = Session::parse(text).unwrap();
//! assert_eq!(session.media[0].mid(), Some("0"));
//! assert!(matches!(&session.media[0].attributes[1], Attribute::RtpMap(map) if map.clock_rate == 48_000));
//! assert_eq!(session.to_string(), text);
//!
//! let error = Session::parse(&text.replace("48000", "fast")).unwrap_err();
//! assert_eq!(error.line, 9);
//! ```
//!
//! # What a parse accepts
//!
//! The grammar is strict where a mistake would change what is negotiated (RFC 8829 §5.8: a line that cannot be
//! parsed rejects the description), and lenient where implementations differ without harm: lines that end in a
//! bare line feed, white space around values, an attribute before a `c=` or `b=` line, options separated by commas, no `t=`
//! line. Descriptions beyond [`MAX_LENGTH`], [`MAX_LINES`] or [`MAX_SECTIONS`] are refused.
//!
//! # Standards
//!
//! | | |
//! | --- | --- |
//! | RFC 8866 SDP | done; `i u e p t r z k` lines are kept as text |
//! | RFC 8839 ICE, 8840 trickle | `ice-ufrag`, `ice-pwd`, `ice-options`, `ice-lite`, `candidate` and `end-of-candidates`; `remote-candidates` as text |
//! | RFC 8122, 8842, 4145 | `fingerprint` as text, `setup`; `tls-id` as text |
//! | RFC 5888, 8843 | `mid`, `group`, `bundle-only` |
//! | RFC 8830 | `msid`, `msid-semantic` |
//! | RFC 5761, 8858, 5506 | `rtcp-mux`, `rtcp-mux-only`, `rtcp-rsize` |
//! | RFC 4585, 5104, 4588 | `rtcp-fb`, `fmtp`, `rtpmap` |
//! | RFC 8285 | `extmap`, `extmap-allow-mixed` |
//! | RFC 5576 | `ssrc`, `ssrc-group` |
//! | RFC 8851, 8853 | `rid`, `simulcast` |
//! | RFC 8841, 8864 | `sctp-port`, `max-message-size`, the old `sctpmap`; `dcmap` and `dcsa` as text |
//! | RFC 6236, 3611, 3605 | `imageattr`, `rtcp-xr`, `rtcp` as text: nothing here depends on them |
//! | RFC 4568 | left out on purpose: `crypto` is kept as text and never used |

mod attribute;
mod error;
mod session;

pub use attribute::{
    Attribute, Direction, ExtMap, Fmtp, Group, Msid, Password, Restriction, Rid, RidDirection, RtcpFeedback,
    RtpMap, SctpMap, Setup, Simulcast, SimulcastStream, Ssrc, SsrcGroup, Unknown,
};
pub use error::ParseError;
pub use session::{Bandwidth, Kind, Line, MAX_LENGTH, MAX_LINES, MAX_SECTIONS, Media, Origin, Session};
