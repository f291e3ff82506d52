//! A header that is written again and again: what does not change from packet to packet is copied as a whole.

use crate::extension::{Element, Elements, ExtensionError, Kind, Map};
use crate::packet::{HEADER_LEN, Header, Packet, Writer};
use wire::Short;

/// Bytes that a template has room for: a header, and the elements that sessions usually negotiate.
const ROOM: usize = 64;

/// Header and extension block of packets that have the same elements, with the same `mid`, `rid` and the like: only the
/// fixed header, the time of sending, the transport's number, the audio level and the orientation change.
#[derive(Clone, Copy, Debug)]
pub struct Template {
    bytes: [u8; ROOM],
    len: u8,
    /// Where the values of these elements begin; 0 for one that is not there.
    time: u8,
    sequence: u8,
    level: u8,
    orientation: u8,
    /// Whether the elements had an audio level and an orientation, negotiated or not.
    has: (bool, bool),
}

impl Template {
    /// For packets with elements like these. `None` for more than there is room for, and for elements that cannot be
    /// written.
    pub fn new(elements: &Elements<'_>, map: &Map) -> Option<Self> {
        let mut bytes = [0; ROOM];
        let mut writer = Writer::new(&mut bytes, &Header::default(), &[]).ok()?;
        writer.elements(elements, map).ok()?;
        let len = u8::try_from(writer.finish()).ok()?;
        let place = |kind: Kind| {
            let packet = Packet::parse(&bytes[..usize::from(len)]).ok()?;
            let Element { data, .. } = packet.extensions().find(|e| map.id(kind) == Some(e.id))?;
            u8::try_from(data.as_ptr().addr() - bytes.as_ptr().addr()).ok()
        };
        let [time, sequence, level, orientation] =
            [Kind::AbsSendTime, Kind::TransportSequence, Kind::AudioLevel, Kind::VideoOrientation]
                .map(|kind| place(kind).unwrap_or(0));
        let has = (elements.audio_level.is_some(), elements.video_orientation.is_some());
        Some(Self { bytes, len, time, sequence, level, orientation, has })
    }

    /// Whether packets with these elements look like this: those that change are there or not as they were for
    /// [`new`](Self::new). That the others are the same is for the caller to know.
    #[inline]
    pub fn suits(&self, elements: &Elements<'_>) -> bool {
        self.has == (elements.audio_level.is_some(), elements.video_orientation.is_some())
    }

    /// Writes header and extension block with these values; the payload follows.
    ///
    /// # Errors
    /// The buffer is too short.
    #[inline]
    pub fn write<'a>(
        &self,
        buf: &'a mut [u8],
        header: &Header,
        elements: &Elements<'_>,
    ) -> Result<Writer<'a>, ExtensionError> {
        // All of it, whatever its length: a copy of a fixed size is a few instructions.
        let out = buf.first_chunk_mut::<ROOM>().ok_or(Short)?;
        *out = self.bytes;
        let fixed = header.bytes();
        out[1..HEADER_LEN].copy_from_slice(&fixed[1..]);
        if let (Some(time), 1..) = (elements.abs_send_time, self.time) {
            out[usize::from(self.time)..][..3].copy_from_slice(&time.raw().to_be_bytes()[1..]);
        }
        if let (Some(sequence), 1..) = (elements.transport_sequence, self.sequence) {
            out[usize::from(self.sequence)..][..2].copy_from_slice(&sequence.to_be_bytes());
        }
        if let (Some(level), 1..) = (elements.audio_level, self.level) {
            out[usize::from(self.level)] = level.byte();
        }
        if let (Some(orientation), 1..) = (elements.video_orientation, self.orientation) {
            out[usize::from(self.orientation)] = orientation.byte();
        }
        Ok(Writer::behind(buf, usize::from(self.len))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension::{AbsSendTime, AudioLevel, VideoOrientation};
    use wire::Rng;

    /// Against the writer, for all sets of negotiated elements and random values.
    #[test]
    fn a_template_writes_what_the_writer_writes() {
        let mut rng = Rng::from_number(1);
        for negotiated in 0..1u32 << Kind::ALL.len() {
            let mut map = Map::default();
            for (id, kind) in (1..).zip(Kind::ALL) {
                if negotiated >> (kind as u32) & 1 == 1 {
                    map.set(kind, id).unwrap();
                }
            }
            let has = (rng.below(2) == 0, rng.below(2) == 0);
            let mut elements = || Elements {
                mid: Some("v1"),
                rid: Some("hi"),
                abs_send_time: Some(AbsSendTime::from_raw(u32::from_be_bytes(rng.array()))),
                transport_sequence: Some(u16::from_be_bytes(rng.array())),
                audio_level: has
                    .0
                    .then(|| AudioLevel { voice: rng.below(2) == 0, level: rng.array::<1>()[0] }),
                video_orientation: has.1.then(|| VideoOrientation {
                    back_camera: rng.below(2) == 0,
                    flipped: rng.below(2) == 0,
                    quarter_turns: rng.array::<1>()[0] & 3,
                }),
                ..Elements::default()
            };
            let template = Template::new(&elements(), &map).unwrap();
            let values = elements();
            assert!(template.suits(&values));
            let other = if has.0 { None } else { Some(AudioLevel { voice: true, level: 1 }) };
            assert!(!template.suits(&Elements { audio_level: other, ..values }));
            let header = Header {
                marker: negotiated & 1 == 1,
                payload_type: 0xe0,
                sequence_number: 0x1234,
                timestamp: 0x5678_9abc,
                ssrc: 0xdef0_1234,
            };
            let (mut one, mut other) = ([0xaa; 100], [0x55; 100]);
            let mut writer = Writer::new(&mut one, &header, &[]).unwrap();
            writer.elements(&values, &map).unwrap();
            writer.payload(b"payload").unwrap();
            let len = writer.pad(3).unwrap();
            let mut writer = template.write(&mut other, &header, &values).unwrap();
            writer.payload(b"payload").unwrap();
            assert_eq!((writer.pad(3).unwrap(), &other[..len]), (len, &one[..len]), "{negotiated:b}");
        }
    }

    #[test]
    fn what_has_no_room_is_refused() {
        let mut map = Map::default();
        map.set(Kind::VideoLayersAllocation, 1).unwrap();
        let long = Elements { video_layers_allocation: Some(&[0; 60]), ..Elements::default() };
        assert!(Template::new(&long, &map).is_none());
        let template = Template::new(&Elements::default(), &map).unwrap();
        assert!(template.write(&mut [0; ROOM - 1], &Header::default(), &Elements::default()).is_err());
    }
}
