//! The values of the elements that sessions negotiate.

use super::{Element, ExtensionError, Extensions, Kind, Map};
use std::time::Duration;

/// When a packet left: 6 bits of seconds and 18 bits of their fraction, so it wraps every 64 s.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AbsSendTime(u32);

impl AbsSendTime {
    /// The lower 24 bits are the time in 1/2^18 s.
    pub const fn from_raw(raw: u32) -> Self {
        Self(raw & 0x00ff_ffff)
    }

    /// Of a time since any origin, as long as the origin stays the same.
    pub fn from_duration(since: Duration) -> Self {
        let fraction = (u64::from(since.subsec_nanos()) << 18) / 1_000_000_000;
        #[expect(clippy::cast_possible_truncation, reason = "it wraps by design")]
        Self::from_raw(((since.as_secs() << 18) + fraction) as u32)
    }

    /// The time in 1/2^18 s, 24 bits.
    pub const fn raw(self) -> u32 {
        self.0
    }
}

/// How loud the audio of a packet is (RFC 6464 §3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AudioLevel {
    /// Whether the encoder believes that there is speech in it.
    pub voice: bool,
    /// 0 is the loudest, 127 silence: the level in -dBov.
    pub level: u8,
}

impl AudioLevel {
    /// As it travels.
    #[inline]
    pub(crate) fn byte(self) -> u8 {
        u8::from(self.voice) << 7 | self.level.min(127)
    }
}

/// How a picture must be turned to stand upright (3GPP TS 26.114 §7.4.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct VideoOrientation {
    /// The camera points back, away from the user.
    pub back_camera: bool,
    /// The picture is mirrored horizontally.
    pub flipped: bool,
    /// Quarter turns clockwise that the receiver must make, 0 to 3.
    pub quarter_turns: u8,
}

impl VideoOrientation {
    /// As it travels.
    #[inline]
    pub(crate) fn byte(self) -> u8 {
        u8::from(self.back_camera) << 3 | u8::from(self.flipped) << 2 | self.quarter_turns & 3
    }
}

/// How long a receiver should wait at least and may wait at most before it shows a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PlayoutDelay {
    /// The least delay in units of 10 ms, 0 to 4095.
    pub min: u16,
    /// The greatest delay in units of 10 ms, 0 to 4095.
    pub max: u16,
}

/// The elements of one packet that the session has negotiated. A value that its format does not allow is `None`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Elements<'a> {
    /// See [`Kind::Mid`].
    pub mid: Option<&'a str>,
    /// See [`Kind::Rid`].
    pub rid: Option<&'a str>,
    /// See [`Kind::RepairedRid`].
    pub repaired_rid: Option<&'a str>,
    /// See [`Kind::AbsSendTime`].
    pub abs_send_time: Option<AbsSendTime>,
    /// See [`Kind::TransportSequence`].
    pub transport_sequence: Option<u16>,
    /// See [`Kind::AudioLevel`].
    pub audio_level: Option<AudioLevel>,
    /// See [`Kind::VideoOrientation`].
    pub video_orientation: Option<VideoOrientation>,
    /// See [`Kind::PlayoutDelay`].
    pub playout_delay: Option<PlayoutDelay>,
    /// See [`Kind::VideoLayersAllocation`].
    pub video_layers_allocation: Option<&'a [u8]>,
    /// See [`Kind::Dependency`]; at least as long as it must be.
    pub dependency: Option<&'a [u8]>,
}

impl<'a> Elements<'a> {
    pub(crate) fn read(extensions: Extensions<'a>, map: &Map) -> Self {
        let mut found = Self::default();
        for Element { id, data } in extensions {
            match map.kind(id) {
                Some(Kind::Mid) => first(&mut found.mid, text(data)),
                Some(Kind::Rid) => first(&mut found.rid, text(data)),
                Some(Kind::RepairedRid) => first(&mut found.repaired_rid, text(data)),
                Some(Kind::AbsSendTime) => first(&mut found.abs_send_time, abs_send_time(data)),
                Some(Kind::TransportSequence) => first(&mut found.transport_sequence, sequence(data)),
                Some(Kind::AudioLevel) => first(&mut found.audio_level, audio_level(data)),
                Some(Kind::VideoOrientation) => first(&mut found.video_orientation, orientation(data)),
                Some(Kind::PlayoutDelay) => first(&mut found.playout_delay, playout_delay(data)),
                Some(Kind::VideoLayersAllocation) => {
                    first(&mut found.video_layers_allocation, Some(data));
                }
                Some(Kind::Dependency) => first(&mut found.dependency, dependency(data)),
                None => {}
            }
        }
        found
    }

    /// Hands the elements that are set and negotiated to `write`, in the order of [`Kind`].
    pub(crate) fn write(
        &self,
        map: &Map,
        write: impl FnOnce(&[Element<'_>]) -> Result<(), ExtensionError>,
    ) -> Result<(), ExtensionError> {
        let time = self.abs_send_time.map(|t| t.0.to_be_bytes());
        let sequence = self.transport_sequence.map(u16::to_be_bytes);
        let level = self.audio_level.map(|level| [level.byte()]);
        let orientation = self.video_orientation.map(|orientation| [orientation.byte()]);
        let delay = self
            .playout_delay
            .map(|d| (u32::from(d.min.min(4095)) << 12 | u32::from(d.max.min(4095))).to_be_bytes());
        let values: [(Kind, Option<&[u8]>); Kind::ALL.len()] = [
            (Kind::Mid, self.mid.map(str::as_bytes)),
            (Kind::Rid, self.rid.map(str::as_bytes)),
            (Kind::RepairedRid, self.repaired_rid.map(str::as_bytes)),
            (Kind::AbsSendTime, time.as_ref().map(|t| &t[1..])),
            (Kind::TransportSequence, sequence.as_ref().map(|s| &s[..])),
            (Kind::AudioLevel, level.as_ref().map(|l| &l[..])),
            (Kind::VideoOrientation, orientation.as_ref().map(|o| &o[..])),
            (Kind::PlayoutDelay, delay.as_ref().map(|d| &d[1..])),
            (Kind::VideoLayersAllocation, self.video_layers_allocation),
            (Kind::Dependency, self.dependency),
        ];
        let mut elements = [Element { id: 0, data: &[] }; Kind::ALL.len()];
        let mut count = 0;
        for (kind, value) in values {
            if let (Some(data), Some(id)) = (value, map.id(kind)) {
                elements[count] = Element { id, data };
                count += 1;
            }
        }
        write(&elements[..count])
    }
}

/// When an element comes twice, the first one counts.
fn first<T>(slot: &mut Option<T>, value: Option<T>) {
    if slot.is_none() {
        *slot = value;
    }
}

fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok().filter(|text| !text.is_empty())
}

fn abs_send_time(data: &[u8]) -> Option<AbsSendTime> {
    let [a, b, c] = *data else { return None };
    Some(AbsSendTime(u32::from_be_bytes([0, a, b, c])))
}

fn sequence(data: &[u8]) -> Option<u16> {
    // Version 2 of the element carries a feedback request behind the number.
    let number: &[u8; 2] = data.first_chunk()?;
    Some(u16::from_be_bytes(*number))
}

fn audio_level(data: &[u8]) -> Option<AudioLevel> {
    // In the two-byte form a zero byte may follow (RFC 6464 §3).
    let byte = *data.first()?;
    Some(AudioLevel { voice: byte & 0x80 != 0, level: byte & 0x7f })
}

fn orientation(data: &[u8]) -> Option<VideoOrientation> {
    let [byte] = *data else { return None };
    Some(VideoOrientation { back_camera: byte & 8 != 0, flipped: byte & 4 != 0, quarter_turns: byte & 3 })
}

fn playout_delay(data: &[u8]) -> Option<PlayoutDelay> {
    let [a, b, c] = *data else { return None };
    let min = u16::from(a) << 4 | u16::from(b >> 4);
    let max = u16::from(b & 0x0f) << 8 | u16::from(c);
    (min <= max).then_some(PlayoutDelay { min, max })
}

fn dependency(data: &[u8]) -> Option<&[u8]> {
    (data.len() >= super::dependency::MANDATORY_LEN).then_some(data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Header, Packet, Writer};

    #[test]
    fn every_element_is_read_as_it_was_written() {
        let mut map = Map::default();
        for (id, kind) in (1..).zip(Kind::ALL) {
            map.set(kind, id).unwrap();
        }
        let elements = Elements {
            mid: Some("0"),
            rid: Some("hi"),
            repaired_rid: Some("lo"),
            abs_send_time: Some(AbsSendTime::from_duration(Duration::from_millis(64_500))),
            transport_sequence: Some(0xfffe),
            audio_level: Some(AudioLevel { voice: true, level: 30 }),
            video_orientation: Some(VideoOrientation { back_camera: true, flipped: false, quarter_turns: 3 }),
            playout_delay: Some(PlayoutDelay { min: 1, max: 4095 }),
            video_layers_allocation: Some(&[1; 40]),
            dependency: Some(&[0x80, 0, 1]),
        };
        let mut buf = [0; 200];
        let mut w = Writer::new(&mut buf, &Header::default(), &[]).unwrap();
        w.elements(&elements, &map).unwrap();
        let len = w.finish();
        let packet = Packet::parse(&buf[..len]).unwrap();
        assert_eq!(packet.elements(&map), elements);
        assert_eq!(packet.elements(&Map::default()), Elements::default(), "nothing is negotiated");
        assert_eq!(elements.abs_send_time.unwrap().raw(), 1 << 17, "half a second after the wrap");
    }

    #[test]
    fn values_of_a_wrong_size_are_none() {
        assert_eq!(abs_send_time(&[1, 2]), None);
        assert_eq!(sequence(&[1]), None);
        assert_eq!(audio_level(&[]), None);
        assert_eq!(orientation(&[1, 2]), None);
        assert_eq!(playout_delay(&[0, 0x20, 0x01]), None, "the least is more than the most");
        assert_eq!(text(&[0xff]), None);
        assert_eq!(text(&[]), None);
        assert_eq!(dependency(&[0x80, 1]), None);
    }
}
