//! What a negotiation starts from.

use super::codec::Codec;
use sdp::Kind;
use std::fmt;

/// The extension with the `mid` of a stream (RFC 9143 §15).
pub const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
/// The extension with the `rid` of a stream (RFC 8852 §3.1).
pub const RID: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
/// The extension with the `rid` of the stream that is repaired (RFC 8852 §3.2).
pub const REPAIRED_RID: &str = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id";
/// The extension with the level of sound (RFC 6464).
pub const AUDIO_LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
/// The extension that numbers packets across a transport (draft-holmer-rmcat-transport-wide-cc-extensions).
pub const TRANSPORT_CC: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
/// The extension with the time of sending.
pub const ABS_SEND_TIME: &str = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time";
/// The extension that turns a picture (3GPP TS 26.114).
pub const VIDEO_ORIENTATION: &str = "urn:3gpp:video-orientation";
/// The extension with what each frame needs and which layers it is of (AV1 RTP payload format, appendix A).
pub const DEPENDENCY: &str =
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";

/// The names of DTLS in checks among ICE options: that of the draft, and the one by which Chromium 156 knows it.
pub const DTLS_IN_STUN: [&str; 2] = ["sped", "googspedv1"];

/// What a negotiation starts from.
#[derive(Clone, Debug)]
pub struct Config {
    /// Audio codecs in order of preference.
    pub audio_codecs: Vec<Codec>,
    /// Video codecs in order of preference.
    pub video_codecs: Vec<Codec>,
    /// RTP header extensions (RFC 8285).
    pub header_extensions: Vec<HeaderExtension>,
    /// Fingerprints of our certificate, each as `sha-256 AB:CD:…` (RFC 8122 §5). At least one.
    pub fingerprints: Vec<String>,
    /// `a=ice-options` (RFC 8839 §5.6); `trickle` and `ice2`.
    pub ice_options: Vec<String>,
    /// Whether our agent is an ICE-lite one (RFC 8445 §2.5).
    pub ice_lite: bool,
    /// Whether an answer leaves the beginning of the handshake to the other side where the offer has the choice
    /// (`passive`, RFC 8842 §5.3): it takes half a round trip longer, and the choice of the SRTP profile is ours. A
    /// server that encrypts for many wants the cheap one.
    pub answer_passive: bool,
    /// Whether several encodings of one source are taken when they are offered (RFC 8853). A peer that decodes
    /// does not want them, a forwarder does.
    pub receive_simulcast: bool,
    /// Our SCTP port (RFC 8841 §5), 5000.
    pub sctp_port: u16,
    /// The largest message that we take, bytes (RFC 8841 §6), 262,144; 0 is any.
    pub max_message_size: u64,
    /// Whether `a=ice-options` offers DTLS in checks (draft-hancke-webrtc-sped), and answers an offer that does.
    pub dtls_in_stun: bool,
    /// The most media sections, rejected ones included, 256.
    pub max_sections: usize,
}

/// An RTP header extension (RFC 8285).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderExtension {
    /// Its name.
    pub uri: String,
    /// The preferred number, 1 to 14.
    pub id: u16,
    /// Whether audio has it.
    pub audio: bool,
    /// Whether video has it.
    pub video: bool,
    /// The one codec that needs it: sections without that codec do not have it. `None` if it is for all.
    pub codec: Option<String>,
}

impl HeaderExtension {
    /// The dependency descriptor, for AV1, where most is to be gained by it. Not among the defaults: whoever takes frames as
    /// they come has no use for it. Its number is the one that libwebrtc gives it beside sound.
    pub fn dependency() -> Self {
        let codec = Some("AV1".to_owned());
        Self { uri: DEPENDENCY.to_owned(), id: 12, audio: false, video: true, codec }
    }

    pub(super) fn is_for(&self, codecs: &[Codec]) -> bool {
        let named = |name: &String| codecs.iter().any(|codec| codec.name.eq_ignore_ascii_case(name));
        self.codec.as_ref().is_none_or(named)
    }
}

impl Default for Config {
    /// Everything that the engine knows how to packetise; no fingerprint, which must be added.
    fn default() -> Self {
        let extension = |id, uri: &str, audio, video| HeaderExtension {
            uri: uri.to_owned(),
            id,
            audio,
            video,
            codec: None,
        };
        Self {
            audio_codecs: audio_codecs(),
            video_codecs: video_codecs(),
            // The numbers that libwebrtc gives to sound with pictures. When offers cross it refuses others.
            header_extensions: vec![
                extension(1, AUDIO_LEVEL, true, false),
                extension(2, ABS_SEND_TIME, true, true),
                extension(3, TRANSPORT_CC, true, true),
                extension(4, MID, true, true),
                extension(10, RID, false, true),
                extension(11, REPAIRED_RID, false, true),
                extension(13, VIDEO_ORIENTATION, false, true),
            ],
            fingerprints: Vec::new(),
            ice_options: vec!["trickle".to_owned(), "ice2".to_owned()],
            ice_lite: false,
            answer_passive: false,
            receive_simulcast: false,
            sctp_port: 5000,
            max_message_size: 262_144,
            dtls_in_stun: false,
            max_sections: 256,
        }
    }
}

impl Config {
    /// What stands where one was taken away; it takes no memory of its own.
    pub(crate) fn nothing() -> Self {
        Self {
            audio_codecs: Vec::new(),
            video_codecs: Vec::new(),
            header_extensions: Vec::new(),
            fingerprints: Vec::new(),
            ice_options: Vec::new(),
            ice_lite: false,
            answer_passive: false,
            receive_simulcast: false,
            sctp_port: 0,
            max_message_size: 0,
            dtls_in_stun: false,
            max_sections: 0,
        }
    }
}

fn audio_codecs() -> Vec<Codec> {
    let feedback = || vec!["transport-cc".to_owned()];
    let opus = Codec::new(111, "opus", 48_000, Some(2));
    let event = |payload_type, clock_rate| Codec {
        fmtp: "0-15".to_owned(),
        ..Codec::new(payload_type, "telephone-event", clock_rate, None)
    };
    vec![
        Codec { fmtp: "minptime=10;useinbandfec=1".to_owned(), feedback: feedback(), ..opus },
        Codec { feedback: feedback(), ..Codec::new(0, "PCMU", 8_000, None) },
        Codec { feedback: feedback(), ..Codec::new(8, "PCMA", 8_000, None) },
        event(110, 48_000),
        event(126, 8_000),
    ]
}

fn video_codecs() -> Vec<Codec> {
    let h264 = |mode, profile| {
        format!("level-asymmetry-allowed=1;packetization-mode={mode};profile-level-id={profile}")
    };
    vec![
        Codec::video(96, 97, "VP8", ""),
        Codec::video(98, 99, "VP9", "profile-id=0"),
        Codec::video(102, 103, "H264", &h264(1, "42001f")),
        Codec::video(108, 109, "H264", &h264(1, "42e01f")),
        Codec::video(114, 115, "H264", &h264(0, "42e01f")),
        Codec::video(45, 46, "AV1", "level-idx=5;profile=0;tier=0"),
    ]
}

impl Config {
    pub(super) fn codecs(&self, kind: MediaKind) -> &[Codec] {
        match kind {
            MediaKind::Audio => &self.audio_codecs,
            MediaKind::Video => &self.video_codecs,
        }
    }

    pub(super) fn extensions(&self, kind: MediaKind) -> impl Iterator<Item = &HeaderExtension> {
        self.header_extensions.iter().filter(move |extension| match kind {
            MediaKind::Audio => extension.audio,
            MediaKind::Video => extension.video,
        })
    }

    /// Refuses what no description could be made of.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.fingerprints.is_empty() {
            return Err(ConfigError::NoFingerprint);
        }
        let clean = |text: &str| !text.contains(['\r', '\n', '\0']);
        let codecs = || self.audio_codecs.iter().chain(&self.video_codecs);
        let texts = self.fingerprints.iter().chain(&self.ice_options);
        let texts = texts.chain(codecs().flat_map(|codec| [&codec.name, &codec.fmtp]));
        let mut texts = texts.chain(codecs().flat_map(|codec| &codec.feedback));
        if let Some(text) = texts.find(|text| !clean(text)) {
            return Err(ConfigError::LineBreak(text.clone()));
        }
        let types = codecs().flat_map(|codec| [Some(codec.payload_type), codec.rtx]).flatten();
        if let Some(wrong) = types.into_iter().find(|payload_type| matches!(payload_type, 64..=95 | 128..)) {
            return Err(ConfigError::PayloadType(wrong));
        }
        match self.header_extensions.iter().find(|e| !(1..=14).contains(&e.id) || !clean(&e.uri)) {
            Some(extension) => Err(ConfigError::ExtensionId(extension.id)),
            None => Ok(()),
        }
    }
}

/// Sound or pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaKind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
}

impl MediaKind {
    pub(super) fn of(kind: &Kind) -> Option<Self> {
        match kind {
            Kind::Audio => Some(Self::Audio),
            Kind::Video => Some(Self::Video),
            Kind::Application | Kind::Other(_) => None,
        }
    }
}

impl From<MediaKind> for Kind {
    fn from(kind: MediaKind) -> Self {
        match kind {
            MediaKind::Audio => Self::Audio,
            MediaKind::Video => Self::Video,
        }
    }
}

/// Why a [`Config`] cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// [`Config::fingerprints`] is empty.
    NoFingerprint,
    /// A text with a line break, which would end a line of the description.
    LineBreak(String),
    /// A payload type above 127, or from 64 to 95, where RTCP is told from RTP (RFC 5761 §4).
    PayloadType(u8),
    /// The number of a header extension is not from 1 to 14, or its name has a line break.
    ExtensionId(u16),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFingerprint => {
                f.write_str("`fingerprints` is empty; put the fingerprint of the DTLS certificate there")
            }
            Self::LineBreak(text) => write!(f, "{text:?} contains a line break; take it out"),
            Self::PayloadType(wrong) => {
                write!(f, "payload type {wrong} cannot be used; choose one from 0 to 63 or 96 to 127")
            }
            Self::ExtensionId(wrong) => {
                write!(f, "header extension {wrong}: its number is from 1 to 14 and its URI one line")
            }
        }
    }
}

impl std::error::Error for ConfigError {}
