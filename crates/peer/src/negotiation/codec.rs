//! Codecs: what they are in a description, and which of ours is the same as one of theirs.

use std::sync::Arc;

use sdp::{Attribute, Fmtp, Media, RtcpFeedback, RtpMap};

/// A codec with its payload types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Codec {
    /// 0 to 127. In a configuration the one that is preferred; a session that uses it already gives another.
    pub payload_type: u8,
    /// The payload type of its retransmissions (RFC 4588), if they are wanted.
    pub rtx: Option<u8>,
    /// The encoding name, such as `opus`; case does not matter.
    pub name: String,
    /// Hertz.
    pub clock_rate: u32,
    /// Of sound; `None` is the same as 1.
    pub channels: Option<u16>,
    /// Parameters as in `a=fmtp`, separated by semicolons; empty if there are none.
    pub fmtp: String,
    /// RTCP feedback as in `a=rtcp-fb`, such as `nack pli`.
    pub feedback: Vec<String>,
}

/// Payload types that stand for a codec without an `a=rtpmap` (RFC 3551 §6), as far as anyone still uses them.
const STATIC: [(u8, &str, u32); 6] = [
    (0, "PCMU", 8_000),
    (3, "GSM", 8_000),
    (8, "PCMA", 8_000),
    (9, "G722", 8_000),
    (13, "CN", 8_000),
    (18, "G729", 8_000),
];

impl Codec {
    /// A codec without retransmissions, parameters and feedback.
    pub fn new(payload_type: u8, name: &str, clock_rate: u32, channels: Option<u16>) -> Self {
        let (fmtp, feedback) = (String::new(), Vec::new());
        Self { payload_type, rtx: None, name: name.to_owned(), clock_rate, channels, fmtp, feedback }
    }

    /// A video codec (90 kHz) with retransmissions and the feedback that every WebRTC video has.
    pub fn video(payload_type: u8, rtx: u8, name: &str, fmtp: &str) -> Self {
        let feedback = ["goog-remb", "transport-cc", "ccm fir", "nack", "nack pli"];
        Self {
            rtx: Some(rtx),
            fmtp: fmtp.to_owned(),
            feedback: feedback.map(str::to_owned).to_vec(),
            ..Self::new(payload_type, name, 90_000, None)
        }
    }

    /// A parameter of [`Codec::fmtp`], the name without regard to case.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.fmtp.split(';').find_map(|parameter| {
            let (found, value) = parameter.split_once('=')?;
            found.trim().eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Whether both mean the same to an encoder and a decoder, whatever their payload types and limits are.
    pub fn matches(&self, other: &Self) -> bool {
        let same = |name: &str, default: &str| {
            self.parameter(name).unwrap_or(default) == other.parameter(name).unwrap_or(default)
        };
        let like = self.name.eq_ignore_ascii_case(&other.name)
            && self.clock_rate == other.clock_rate
            && self.channels.unwrap_or(1) == other.channels.unwrap_or(1);
        let is = |name: &str| self.name.eq_ignore_ascii_case(name);
        like && if is("H264") {
            // RFC 6184 §8.2.2: neither the profile nor the packetization mode may be changed by the answer.
            same("packetization-mode", "0") && h264_profile(self) == h264_profile(other)
        } else if is("H265") {
            // RFC 7798 §7.2.2.
            same("profile-id", "1") && same("tier-flag", "0") && same("tx-mode", "SRST")
        } else if is("VP9") {
            // RFC 9628 §6.1.
            same("profile-id", "0")
        } else if is("AV1") {
            // RTP payload format for AV1, §7.2.3.
            same("profile", "0") && same("tier", "0")
        } else {
            true
        }
    }

    /// Our side of a codec that they offer: their payload types, and what both have of the rest.
    pub(super) fn answered(&self, theirs: &Self) -> Self {
        Self {
            payload_type: theirs.payload_type,
            rtx: self.rtx.and(theirs.rtx),
            name: theirs.name.clone(),
            channels: theirs.channels,
            fmtp: if self.name.eq_ignore_ascii_case("h264") {
                h264_answer(self, theirs)
            } else {
                self.fmtp.clone()
            },
            feedback: common_feedback(self, theirs),
            ..*self
        }
    }

    /// The attributes that describe it.
    pub(super) fn attributes(&self, out: &mut Vec<Attribute>) {
        let payload_type = self.payload_type;
        out.push(Attribute::RtpMap(RtpMap {
            payload_type,
            name: self.name.clone(),
            clock_rate: self.clock_rate,
            channels: self.channels,
        }));
        for feedback in &self.feedback {
            let feedback = feedback.clone();
            out.push(Attribute::RtcpFb(RtcpFeedback { payload_type: Some(payload_type), feedback }));
        }
        if !self.fmtp.is_empty() {
            out.push(Attribute::Fmtp(Fmtp { payload_type, parameters: self.fmtp.clone() }));
        }
        if let Some(rtx) = self.rtx {
            out.push(Attribute::RtpMap(RtpMap {
                payload_type: rtx,
                name: "rtx".to_owned(),
                clock_rate: self.clock_rate,
                channels: None,
            }));
            let parameters = format!("apt={payload_type}");
            out.push(Attribute::Fmtp(Fmtp { payload_type: rtx, parameters }));
        }
    }
}

/// The feedback that both understand, in our order.
pub(super) fn common_feedback(ours: &Codec, theirs: &Codec) -> Vec<String> {
    ours.feedback.iter().filter(|feedback| theirs.feedback.contains(feedback)).cloned().collect()
}

/// What was last worked out of sections, for those that say the same as one of them: in a room two dozen do.
pub(super) struct Recent<K, V>(Vec<(K, V)>);

/// Sections remembered: sound and pictures, sent and received.
const MOST_RECENT: usize = 4;

impl<K, V: Clone> Recent<K, V> {
    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    /// What was worked out for a key like this, or is now.
    pub(super) fn get(&mut self, key: K, like: impl Fn(&K, &K) -> bool, work: impl FnOnce(&K) -> V) -> V {
        if let Some((_, value)) = self.0.iter().find(|(known, _)| like(known, &key)) {
            return value.clone();
        }
        let value = work(&key);
        if self.0.len() == MOST_RECENT {
            self.0.remove(0);
        }
        self.0.push((key, value.clone()));
        value
    }
}

/// The codecs of sections, read once for those that have the same.
pub(super) type Lists<'a> = Recent<&'a Media, Arc<[Codec]>>;

impl<'a> Lists<'a> {
    pub(super) fn of(&mut self, media: &'a Media) -> Arc<[Codec]> {
        self.get(media, |a, b| are_alike(a, b), |media| codecs(media).into())
    }
}

/// Whether two sections say the same of their codecs and header extensions.
pub(super) fn are_alike(a: &Media, b: &Media) -> bool {
    let counts = |attribute: &&Attribute| {
        use Attribute::{ExtMap, Fmtp, RtcpFb, RtpMap};
        matches!(attribute, RtpMap(_) | Fmtp(_) | RtcpFb(_) | ExtMap(_))
    };
    a.formats == b.formats && a.attributes.iter().filter(counts).eq(b.attributes.iter().filter(counts))
}

/// The codecs of a section in its order of preference. Payload types that are not explained are passed over.
pub(super) fn codecs(media: &Media) -> Vec<Codec> {
    let mut found: Vec<Codec> = Vec::new();
    for payload_type in media.formats.iter().filter_map(|format| format.parse::<u8>().ok()) {
        if found.iter().any(|codec| codec.payload_type == payload_type) {
            continue;
        }
        let codec = media.attributes.iter().find_map(|attribute| match attribute {
            Attribute::RtpMap(map) if map.payload_type == payload_type => {
                Some(Codec::new(payload_type, &map.name, map.clock_rate, map.channels))
            }
            _ => None,
        });
        let fixed = || {
            let (_, name, clock_rate) = STATIC.iter().find(|(fixed, ..)| *fixed == payload_type)?;
            Some(Codec::new(payload_type, name, *clock_rate, None))
        };
        found.extend(codec.or_else(fixed));
    }
    for codec in &mut found {
        describe(codec, media);
    }
    let repairs: Vec<(u8, u8)> = found.iter().filter_map(repair).collect();
    found.retain(|codec| !codec.name.eq_ignore_ascii_case("rtx"));
    for codec in &mut found {
        codec.rtx = repairs.iter().find(|(apt, _)| *apt == codec.payload_type).map(|(_, rtx)| *rtx);
    }
    found
}

/// What a codec `rtx` repairs, and its own payload type.
fn repair(codec: &Codec) -> Option<(u8, u8)> {
    let apt = codec.parameter("apt")?.parse().ok()?;
    codec.name.eq_ignore_ascii_case("rtx").then_some((apt, codec.payload_type))
}

/// Bytes of parameters kept of one codec; lines beyond are passed over.
const MAX_FMTP: usize = 1_024;
/// Kinds of feedback kept of one codec; more are passed over.
const MAX_FEEDBACK: usize = 32;

/// Adds parameters and feedback.
fn describe(codec: &mut Codec, media: &Media) {
    for attribute in &media.attributes {
        match attribute {
            Attribute::Fmtp(fmtp)
                if fmtp.payload_type == codec.payload_type
                    && codec.fmtp.len() + fmtp.parameters.len() < MAX_FMTP =>
            {
                if !codec.fmtp.is_empty() {
                    codec.fmtp.push(';');
                }
                codec.fmtp.push_str(&fmtp.parameters);
            }
            Attribute::RtcpFb(RtcpFeedback { payload_type, feedback })
                if payload_type.is_none_or(|payload_type| payload_type == codec.payload_type)
                    && codec.feedback.len() < MAX_FEEDBACK
                    && !codec.feedback.contains(feedback) =>
            {
                codec.feedback.push(feedback.clone());
            }
            _ => {}
        }
    }
}

/// The profiles of H.264 that are told apart (RFC 6184 §8.1, table 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum H264Profile {
    ConstrainedBaseline,
    Baseline,
    Main,
    ConstrainedHigh,
    High,
    Other(u8, u8),
}

/// Profile, constraint flags and level; what is missing or unreadable counts as Baseline 1 (§8.1).
fn profile_level_id(codec: &Codec) -> [u8; 3] {
    const ABSENT: [u8; 3] = [0x42, 0x00, 0x0a];
    let text = codec.parameter("profile-level-id").unwrap_or_default();
    match u32::from_str_radix(text, 16) {
        Ok(id) if text.len() == 6 => {
            let [_, profile, flags, level] = id.to_be_bytes();
            [profile, flags, level]
        }
        _ => ABSENT,
    }
}

fn h264_profile(codec: &Codec) -> H264Profile {
    let [profile, flags, _] = profile_level_id(codec);
    match (profile, flags) {
        // The rows of table 5 as masks: x1xx0000, 1xxx0000, 11xx0000 are Constrained Baseline.
        (0x42, flags) if flags & 0x4f == 0x40 => H264Profile::ConstrainedBaseline,
        (0x4d, flags) if flags & 0x8f == 0x80 => H264Profile::ConstrainedBaseline,
        (0x58, flags) if flags & 0xcf == 0xc0 => H264Profile::ConstrainedBaseline,
        (0x42, flags) if flags & 0x4f == 0x00 => H264Profile::Baseline,
        (0x58, flags) if flags & 0xcf == 0x80 => H264Profile::Baseline,
        (0x4d, flags) if flags & 0xaf == 0x00 => H264Profile::Main,
        (0x64, 0x0c) => H264Profile::ConstrainedHigh,
        (0x64, 0x00) => H264Profile::High,
        (profile, flags) => H264Profile::Other(profile, flags),
    }
}

/// Our parameters with their spelling of the profile, and the lower of both levels unless both allow that the levels
/// differ (RFC 6184 §8.2.2).
fn h264_answer(ours: &Codec, theirs: &Codec) -> String {
    let ([_, _, own], [profile, flags, level]) = (profile_level_id(ours), profile_level_id(theirs));
    let asymmetry =
        [ours, theirs].iter().all(|codec| codec.parameter("level-asymmetry-allowed") == Some("1"));
    let level = if asymmetry { own } else { own.min(level) };
    let mode = ours.parameter("packetization-mode").unwrap_or("0");
    let mut fmtp = format!("packetization-mode={mode};profile-level-id={profile:02x}{flags:02x}{level:02x}");
    if asymmetry {
        fmtp.insert_str(0, "level-asymmetry-allowed=1;");
    }
    fmtp
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codec(name: &str, fmtp: &str) -> Codec {
        Codec::video(96, 97, name, fmtp)
    }

    #[test]
    fn codecs_match_by_what_an_answer_may_not_change() {
        for (name, a, b, matches) in [
            ("VP8", "", "max-fs=12288;max-fr=60", true),
            ("VP9", "", "profile-id=0", true),
            ("VP9", "profile-id=2", "profile-id=0", false),
            ("AV1", "level-idx=5;profile=0;tier=0", "", true),
            ("AV1", "profile=1", "", false),
            ("H264", "packetization-mode=1", "packetization-mode=0", false),
            ("H264", "profile-level-id=42e01f", "profile-level-id=42e034", true),
            ("H264", "profile-level-id=42e01f", "PROFILE-LEVEL-ID=42C01F", true),
            ("H264", "profile-level-id=42e01f", "profile-level-id=4d801f", true),
            ("H264", "profile-level-id=42e01f", "profile-level-id=42001f", false),
            ("H264", "profile-level-id=42001f", "", true),
            ("H264", "profile-level-id=640c1f", "profile-level-id=64001f", false),
            ("H264", "profile-level-id=4d001f", "profile-level-id=4d0032", true),
            ("H264", "profile-level-id=nonsense", "profile-level-id=42000a", true),
        ] {
            assert_eq!(codec(name, a).matches(&codec(name, b)), matches, "{name} {a} / {b}");
            assert_eq!(codec(name, b).matches(&codec(name, a)), matches, "{name} {b} / {a}");
        }
        let opus = Codec::new(111, "opus", 48_000, Some(2));
        assert!(opus.matches(&Codec::new(96, "OPUS", 48_000, Some(2))));
        assert!(!opus.matches(&Codec::new(96, "opus", 48_000, None)));
        let g722 = Codec::new(9, "G722", 8_000, Some(1));
        assert!(g722.matches(&Codec::new(9, "G722", 8_000, None)));
    }

    #[test]
    fn the_level_of_an_answer_is_the_lower_unless_both_allow_two() {
        for (ours, theirs, answer) in [
            (
                "level-asymmetry-allowed=1;profile-level-id=42e01f",
                "level-asymmetry-allowed=1;profile-level-id=42c034",
                "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42c01f",
            ),
            (
                "level-asymmetry-allowed=1;profile-level-id=42e034;packetization-mode=1",
                "profile-level-id=42e01f;packetization-mode=1",
                "packetization-mode=1;profile-level-id=42e01f",
            ),
        ] {
            assert_eq!(codec("H264", ours).answered(&codec("H264", theirs)).fmtp, answer);
        }
    }
}
