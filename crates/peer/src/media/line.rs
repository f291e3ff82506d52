//! One media section as both sides agreed on it, and the streams in it.

use flow::payload::Format;
use flow::{StreamId, receive, send};
use rtp::extension::{Kind, Map};

use super::stats::{Received, RemoteReport, Sent};
use crate::negotiation::{
    Codec, Direction, Encoding, ExtensionInUse, MediaKind, NegotiatedTransceiver, RemoteSource, TransceiverId,
};

/// A codec that may be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SendCodec {
    pub(super) format: Format,
    pub(super) payload_type: u8,
    pub(super) rtx: Option<u8>,
}

/// What is received in a section.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Receives {
    /// Payload types of media, known formats or not.
    pub(super) types: Vec<u8>,
    formats: Vec<(u8, Format)>,
    /// For each payload type of retransmissions, that of what is sent again.
    pub(super) rtx_types: Vec<(u8, u8)>,
    nack: bool,
    /// Whether a keyframe is asked for by PLI.
    pub(super) pli: bool,
    /// Whether a keyframe is asked for by FIR.
    pub(super) fir: bool,
    pub(super) rids: Vec<String>,
    pub(super) announced: Vec<RemoteSource>,
}

/// One stream that comes in.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) ssrc: u32,
    pub(super) rtx: Option<u32>,
    pub(super) rid: Option<String>,
    pub(super) flow: StreamId,
    pub(super) stats: Received,
}

/// One stream that goes out.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) rid: Option<String>,
    pub(super) ssrc: u32,
    pub(super) rtx_ssrc: u32,
    /// The codec of the next frame.
    pub(super) codec: Option<SendCodec>,
    /// `None` as long as nothing was to be sent, and for a forwarder.
    pub(super) flow: Option<StreamId>,
    /// Whether it is negotiated at present.
    pub(super) active: bool,
    /// The next number of its retransmissions, for a forwarder.
    pub(super) rtx_sequence: u16,
    pub(super) stats: Sent,
    pub(super) remote: Option<RemoteReport>,
}

/// A media section.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) id: TransceiverId,
    pub(super) mid: String,
    pub(super) kind: MediaKind,
    pub(super) direction: Direction,
    pub(super) receives: Receives,
    pub(super) codecs: Vec<SendCodec>,
    /// The header extensions that we may send.
    pub(super) extensions: Map,
    pub(super) incoming: Vec<Incoming>,
    pub(super) outgoing: Vec<Outgoing>,
}

impl Line {
    pub(super) fn new(agreed: &NegotiatedTransceiver) -> Self {
        let mut line = Self {
            id: agreed.id,
            mid: String::new(),
            kind: agreed.kind,
            direction: agreed.direction,
            receives: Receives::default(),
            codecs: Vec::new(),
            extensions: Map::default(),
            incoming: Vec::new(),
            outgoing: Vec::new(),
        };
        line.renegotiate(agreed);
        line
    }

    /// Takes over what is agreed now. Streams are followed up by the caller.
    pub(super) fn renegotiate(&mut self, agreed: &NegotiatedTransceiver) {
        self.mid.clone_from(&agreed.mid);
        self.direction = agreed.direction;
        self.receives = Receives::new(agreed);
        self.codecs = agreed.send_codecs.iter().filter_map(send_codec).collect();
        self.extensions = map(&agreed.extensions, |extension| extension.send);
        let sends = agreed.direction.sends();
        for stream in &mut self.outgoing {
            stream.active = false;
        }
        for encoding in &agreed.encodings {
            let known = self.outgoing.iter_mut().find(|stream| stream.ssrc == encoding.ssrc);
            match known {
                Some(stream) => stream.follow(encoding, sends, &self.codecs),
                None => {
                    let mut stream = Outgoing::new(encoding);
                    stream.follow(encoding, sends, &self.codecs);
                    // One is the rule, and there may be very many sections.
                    self.outgoing.reserve_exact(1);
                    self.outgoing.push(stream);
                }
            }
        }
    }

    /// How flow is to receive a stream of this section.
    pub(super) fn receive_config(&self, ssrc: u32, rtx: Option<u32>, forward: bool) -> receive::StreamConfig {
        receive::StreamConfig {
            ssrc,
            formats: self.receives.formats.clone(),
            rtx,
            rtx_types: self.receives.rtx_types.clone(),
            nack: self.receives.nack,
            pli: self.receives.pli,
            forward,
        }
    }

    /// How flow is to send a stream of this section; `None` without a codec that it knows.
    pub(super) fn send_config(&self, stream: &Outgoing) -> Option<send::StreamConfig> {
        let codec = stream.codec?;
        let ssrc = stream.rtx_ssrc;
        Some(send::StreamConfig {
            ssrc: stream.ssrc,
            payload_type: codec.payload_type,
            format: codec.format,
            rtx: codec.rtx.map(|payload_type| send::Rtx { ssrc, payload_type }),
            mid: Some(self.mid.clone()),
            rid: stream.rid.clone(),
            extensions: self.extensions,
        })
    }

    /// The stream that is sent under a name; without one the first.
    pub(super) fn sending(&mut self, rid: Option<&str>) -> Option<&mut Outgoing> {
        self.outgoing
            .iter_mut()
            .find(|stream| stream.active && (rid.is_none() || stream.rid.as_deref() == rid))
    }
}

impl Receives {
    fn new(agreed: &NegotiatedTransceiver) -> Self {
        let codecs = &agreed.receive_codecs;
        let has = |wanted: &str| codecs.iter().any(|codec| codec.feedback.iter().any(|f| f == wanted));
        let rtx = |codec: &Codec| codec.rtx.map(|rtx| (rtx, codec.payload_type));
        Self {
            types: codecs.iter().map(|codec| codec.payload_type).collect(),
            formats: codecs.iter().filter_map(|c| Some((c.payload_type, format(c)?))).collect(),
            rtx_types: codecs.iter().filter_map(rtx).collect(),
            nack: has("nack"),
            pli: has("nack pli"),
            fir: has("ccm fir"),
            rids: agreed.receive_rids.clone(),
            announced: agreed.remote_sources.clone(),
        }
    }

    /// How frames of a payload type travel.
    pub(super) fn format(&self, payload_type: u8) -> Option<Format> {
        self.formats.iter().find(|(kind, _)| *kind == payload_type).map(|(_, format)| *format)
    }
}

impl Outgoing {
    fn new(encoding: &Encoding) -> Self {
        Self {
            rid: encoding.rid.clone(),
            ssrc: encoding.ssrc,
            rtx_ssrc: encoding.rtx_ssrc,
            codec: None,
            flow: None,
            active: false,
            rtx_sequence: 0,
            stats: Sent::default(),
            remote: None,
        }
    }

    /// Keeps its codec if it may still be sent; else the one preferred.
    fn follow(&mut self, encoding: &Encoding, sends: bool, codecs: &[SendCodec]) {
        self.rid.clone_from(&encoding.rid);
        self.active = sends;
        let same = |old: SendCodec| codecs.iter().find(|codec| codec.format == old.format);
        self.codec = self.codec.and_then(same).or(codecs.first()).copied();
    }
}

/// How frames of a codec travel; `None` for one that nobody here can packetise.
fn format(codec: &Codec) -> Option<Format> {
    match codec.name.to_ascii_lowercase().as_str() {
        "opus" => Some(Format::Opus),
        "vp8" => Some(Format::Vp8),
        "vp9" => Some(Format::Vp9),
        "h264" => Some(Format::H264),
        "av1" => Some(Format::Av1),
        _ => None,
    }
}

fn send_codec(codec: &Codec) -> Option<SendCodec> {
    let format = format(codec)?;
    // What is written is packetization mode 1; the other mode is only read (RFC 6184 §6.2, §6.3).
    let mode = codec.parameter("packetization-mode");
    (format != Format::H264 || mode == Some("1")).then_some(SendCodec {
        format,
        payload_type: codec.payload_type,
        rtx: codec.rtx,
    })
}

/// The numbers of the header extensions that are known and wanted.
pub(super) fn map(extensions: &[ExtensionInUse], wanted: fn(&ExtensionInUse) -> bool) -> Map {
    let mut map = Map::default();
    for extension in extensions.iter().filter(|extension| wanted(extension)) {
        if let (Some(kind), Ok(id)) = (Kind::of_uri(&extension.uri), u8::try_from(extension.id)) {
            // A number given twice keeps its first meaning.
            let _ = map.set(kind, id);
        }
    }
    map
}
