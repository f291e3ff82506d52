//! Which identifier stands for which element, as `a=extmap` negotiates it (RFC 8285 §5).

/// The elements that this crate reads and writes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// The media section a stream belongs to (RFC 9143 §15).
    Mid,
    /// The restriction identifier of a simulcast stream (RFC 8852 §3.1).
    Rid,
    /// The same for a retransmission stream (RFC 8852 §3.2).
    RepairedRid,
    /// When the packet left, to 1/2^18 s.
    AbsSendTime,
    /// A sequence number over all streams of a transport (draft-holmer-rmcat-transport-wide-cc-extensions-01).
    TransportSequence,
    /// How loud a client is (RFC 6464).
    AudioLevel,
    /// How the camera was held (3GPP TS 26.114 §7.4.5).
    VideoOrientation,
    /// How long a receiver should and may wait before it plays.
    PlayoutDelay,
    /// Which simulcast and scalability layers are sent and at what rate; opaque here.
    VideoLayersAllocation,
    /// Which frames a frame needs, and of which layers it is (AV1 RTP payload format, appendix A): [`super::dependency`].
    Dependency,
}

impl Kind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::Mid,
        Self::Rid,
        Self::RepairedRid,
        Self::AbsSendTime,
        Self::TransportSequence,
        Self::AudioLevel,
        Self::VideoOrientation,
        Self::PlayoutDelay,
        Self::VideoLayersAllocation,
        Self::Dependency,
    ];

    /// The URI that names it in a session description.
    pub const fn uri(self) -> &'static str {
        match self {
            Self::Mid => "urn:ietf:params:rtp-hdrext:sdes:mid",
            Self::Rid => "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
            Self::RepairedRid => "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
            Self::AbsSendTime => "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
            Self::TransportSequence => {
                "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
            }
            Self::AudioLevel => "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
            Self::VideoOrientation => "urn:3gpp:video-orientation",
            Self::PlayoutDelay => "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
            Self::VideoLayersAllocation => {
                "http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00"
            }
            Self::Dependency => {
                "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
            }
        }
    }

    /// The kind that a URI names; `None` when this crate does not know it.
    pub fn of_uri(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.uri() == uri)
    }
}

/// Why an identifier cannot stand for an element.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MapError {
    /// The identifier is 0, which means padding.
    Zero,
    /// Another element has this identifier already.
    Taken(Kind),
}

impl std::fmt::Display for MapError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Zero => f.write_str("a header extension cannot have the identifier 0; use 1 to 255"),
            Self::Taken(kind) => write!(f, "this identifier stands for {} already; use another", kind.uri()),
        }
    }
}

impl std::error::Error for MapError {}

/// The identifiers of one session, or of one media section of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Map {
    /// By the number of the kind; `None` where the session has none.
    ids: [Option<u8>; Kind::ALL.len()],
}

impl Map {
    /// Lets `id` stand for `kind`, in place of what stood for it before.
    pub fn set(&mut self, kind: Kind, id: u8) -> Result<(), MapError> {
        if id == 0 {
            return Err(MapError::Zero);
        }
        match self.kind(id) {
            Some(other) if other != kind => Err(MapError::Taken(other)),
            _ => {
                self.ids[kind as usize] = Some(id);
                Ok(())
            }
        }
    }

    /// The identifier of a kind.
    pub fn id(&self, kind: Kind) -> Option<u8> {
        self.ids[kind as usize]
    }

    /// The kind that an identifier stands for.
    pub fn kind(&self, id: u8) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| self.ids[*kind as usize] == Some(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_stands_for_one_kind() {
        let mut map = Map::default();
        assert_eq!(map.set(Kind::Mid, 0), Err(MapError::Zero));
        assert_eq!(map.set(Kind::Mid, 4), Ok(()));
        assert_eq!(map.set(Kind::Rid, 4), Err(MapError::Taken(Kind::Mid)));
        assert_eq!(map.set(Kind::Mid, 5), Ok(()));
        assert_eq!((map.kind(4), map.kind(5), map.id(Kind::Mid)), (None, Some(Kind::Mid), Some(5)));
        for kind in Kind::ALL {
            assert_eq!(Kind::of_uri(kind.uri()), Some(kind));
            assert_eq!(Kind::ALL[kind as usize], kind);
        }
    }
}
