use super::{Malformed, next_parameter, put_parameter};
use wire::{Reader, Short, Writer};

/// The result of a request (RFC 6525 §4.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outcome(pub u32);

impl Outcome {
    /// Success, there was nothing to do.
    pub const NOTHING: Self = Self(0);
    /// Success, performed.
    pub const PERFORMED: Self = Self(1);
    /// Denied.
    pub const DENIED: Self = Self(2);
    /// The request sequence number was not the expected one.
    pub const BAD_SEQUENCE: Self = Self(5);
    /// In progress: the data before the reset has not all arrived.
    pub const IN_PROGRESS: Self = Self(6);
}

/// A parameter of RE-CONFIG (RFC 6525 §4): what WebRTC uses, and the rest as [`Parameter::Other`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Parameter<'a> {
    /// Outgoing SSN Reset Request (§4.1): the sender starts these streams anew; none means all.
    Outgoing {
        /// Number of this request.
        request: u32,
        /// The last request of the other side that was seen.
        response: u32,
        /// The reset holds once every TSN up to this one has arrived.
        last_tsn: u32,
        /// Stream identifiers, two bytes each.
        streams: &'a [u8],
    },
    /// Incoming SSN Reset Request (§4.2): asks the other side to reset these streams of its.
    Incoming {
        /// Number of this request.
        request: u32,
        /// Stream identifiers, two bytes each.
        streams: &'a [u8],
    },
    /// Re-configuration Response (§4.4).
    Response {
        /// Number of the request that is answered.
        request: u32,
        /// What became of it.
        outcome: Outcome,
    },
    /// Another request, to be denied.
    Other {
        /// Number of this request.
        request: u32,
    },
}

mod kind {
    pub(super) const OUTGOING: u16 = 13;
    pub(super) const INCOMING: u16 = 14;
    pub(super) const RESPONSE: u16 = 16;
    /// SSN/TSN reset, add outgoing streams, add incoming streams.
    pub(super) const REQUESTS: [u16; 3] = [15, 17, 18];
}

impl<'a> Parameter<'a> {
    /// Reads the value of a RE-CONFIG chunk: at most two parameters are allowed (§3.1).
    pub fn parse_all(value: &'a [u8]) -> Result<[Option<Self>; 2], Malformed> {
        let mut r = Reader::new(value);
        let mut found = [None, None];
        for slot in &mut found {
            let Some((kind, value)) = next_parameter(&mut r)? else { break };
            let mut p = Reader::new(value);
            *slot = match kind {
                kind::OUTGOING => Some(Self::Outgoing {
                    request: p.u32()?,
                    response: p.u32()?,
                    last_tsn: p.u32()?,
                    streams: p.rest(),
                }),
                kind::INCOMING => Some(Self::Incoming { request: p.u32()?, streams: p.rest() }),
                kind::RESPONSE => Some(Self::Response { request: p.u32()?, outcome: Outcome(p.u32()?) }),
                _ if kind::REQUESTS.contains(&kind) => Some(Self::Other { request: p.u32()? }),
                _ => None,
            };
        }
        Ok(found)
    }

    /// Appends the parameter.
    pub fn write(&self, w: &mut Writer<'_>) -> Result<(), Short> {
        let streams = match self {
            Self::Outgoing { streams, .. } | Self::Incoming { streams, .. } => streams.len(),
            Self::Response { .. } | Self::Other { .. } => 0,
        };
        let mut buf = vec![0; 12 + streams];
        let mut p = Writer::new(&mut buf);
        let kind = match *self {
            Self::Outgoing { request, response, last_tsn, streams } => {
                p.u32(request)?;
                p.u32(response)?;
                p.u32(last_tsn)?;
                p.put(streams)?;
                kind::OUTGOING
            }
            Self::Incoming { request, streams } => {
                p.u32(request)?;
                p.put(streams)?;
                kind::INCOMING
            }
            Self::Response { request, outcome } => {
                p.u32(request)?;
                p.u32(outcome.0)?;
                kind::RESPONSE
            }
            Self::Other { request } => {
                p.u32(request)?;
                kind::REQUESTS[0]
            }
        };
        put_parameter(w, kind, p.written())
    }
}

/// The stream identifiers of a list.
pub(crate) fn stream_ids(list: &[u8]) -> impl Iterator<Item = u16> + '_ {
    list.chunks_exact(2).map(|b| u16::from_be_bytes([b[0], b[1]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_is_read_back() {
        let streams = [0, 1, 255, 255];
        let all = [
            Parameter::Outgoing { request: 1, response: 2, last_tsn: 3, streams: &streams[..2] },
            Parameter::Incoming { request: 4, streams: &streams },
            Parameter::Response { request: 5, outcome: Outcome::IN_PROGRESS },
            Parameter::Other { request: 6 },
        ];
        for (first, second) in [(all[0], all[2]), (all[1], all[3])] {
            let mut buf = [0; 100];
            let mut w = Writer::new(&mut buf);
            first.write(&mut w).unwrap();
            second.write(&mut w).unwrap();
            assert_eq!(Parameter::parse_all(w.written()), Ok([Some(first), Some(second)]));
        }
        assert_eq!(stream_ids(&streams).collect::<Vec<_>>(), [1, 65_535]);
        assert_eq!(Parameter::parse_all(&[0, 13, 0, 8, 0, 0, 0, 1]), Err(Malformed));
    }
}
