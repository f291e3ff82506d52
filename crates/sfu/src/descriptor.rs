//! What payload descriptors tell (VP8: RFC 7741 §4.2, VP9: RFC 9628 §4.2): numbers that must go on without a break when
//! encodings are switched or pictures left out, and the layer that a packet is of. And the height of a picture, where it is
//! easy to read.

use flow::payload::Format;

use crate::step::{STEPS, Step};

/// The longest head that is written anew: two bytes, a long identifier, and layer bytes of VP9.
pub(crate) const MAX_HEAD: usize = 6;

/// Where the numbers of a payload stand, and what they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Descriptor {
    /// Where the picture identifier stands; 0 if there is none.
    picture_at: u8,
    /// Whether it has 15 bits; else 7.
    wide: bool,
    pub(crate) picture: u16,
    /// Where TL0PICIDX stands; 0 if there is none.
    base_at: u8,
    pub(crate) base: u8,
    /// The layer that the packet is of.
    pub(crate) layer: Step,
    /// A frame of a layer begins with the packet.
    pub(crate) begins: bool,
    /// A frame of a layer ends with the packet, as far as it is told.
    pub(crate) ends: bool,
    /// Where more temporal layers may be taken in.
    pub(crate) rise: Rise,
    /// Bytes that are kept before the payload: of AV1 the dependency descriptor, and what it says.
    pub(crate) ahead: u8,
}

/// Where more temporal layers may be taken in than until now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Rise {
    /// Not here.
    #[default]
    No,
    /// With this frame, its own layer: it needs nothing but the lowest (VP8: Y).
    Here,
    /// After this picture, all: what follows needs none of a higher layer from before it (VP9: U).
    After,
}

/// What is added to the numbers of one encoding.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Shift {
    pub(crate) picture: u16,
    pub(crate) base: u8,
    /// For the numbers of templates of AV1; of what was sent last, the one behind the last of them.
    pub(crate) templates: u8,
}

impl Descriptor {
    /// Reads the descriptor; of other formats, and of what cannot be read, there is nothing to change.
    pub(crate) fn of(format: Format, payload: &[u8]) -> Self {
        let found = match format {
            Format::Vp8 => vp8(payload),
            Format::Vp9 => vp9(payload),
            Format::Opus | Format::H264 | Format::Av1 => None,
        };
        found.unwrap_or_default()
    }

    /// Of a packet of AV1 with a dependency descriptor, which numbers frames.
    pub(crate) fn of_frame(dependency: &[u8], layer: Step, ahead: u8) -> Self {
        let [first, high, low] = dependency.first_chunk().copied().unwrap_or_default();
        let (begins, ends) = (first & 0x80 != 0, first & 0x40 != 0);
        Self { picture: u16::from_be_bytes([high, low]), layer, begins, ends, ahead, ..Self::default() }
    }

    /// Whether pictures must be numbered without a break. References of VP9 count by these numbers, so there they stay.
    pub(crate) fn is_dense(self, format: Format) -> bool {
        format == Format::Vp8 && self.picture_at != 0
    }

    /// Whether there is anything to change.
    pub(crate) fn is_empty(self) -> bool {
        self.picture_at == 0 && self.base_at == 0
    }

    /// Writes the beginning of the payload with the numbers shifted; how long it is.
    pub(crate) fn write(self, payload: &[u8], shift: Shift, head: &mut [u8; MAX_HEAD]) -> usize {
        let picture_end = usize::from(self.picture_at) + if self.wide { 2 } else { 1 };
        let picture_end = if self.picture_at == 0 { 0 } else { picture_end };
        let base_end = if self.base_at == 0 { 0 } else { usize::from(self.base_at) + 1 };
        let len = picture_end.max(base_end);
        let (Some(to), Some(from)) = (head.get_mut(..len), payload.get(..len)) else { return 0 };
        to.copy_from_slice(from);
        let [high, low] = self.picture.wrapping_add(shift.picture).to_be_bytes();
        let at = usize::from(self.picture_at);
        match (at, self.wide) {
            (0, _) => {}
            (_, true) => (to[at], to[at + 1]) = (high | 0x80, low),
            (_, false) => to[at] = low & 0x7f,
        }
        if self.base_at != 0 {
            to[usize::from(self.base_at)] = self.base.wrapping_add(shift.base);
        }
        len
    }

    /// What has to be added so that this one's numbers follow those last sent.
    pub(crate) fn follow(self, last: Shift) -> Shift {
        Shift {
            picture: last.picture.wrapping_add(1).wrapping_sub(self.picture),
            base: last.base.wrapping_add(1).wrapping_sub(self.base),
            templates: last.templates,
        }
    }

    /// The numbers that are sent.
    pub(crate) fn shifted(self, shift: Shift) -> Shift {
        Shift {
            picture: self.picture.wrapping_add(shift.picture) & 0x7fff,
            base: self.base.wrapping_add(shift.base),
            ..shift
        }
    }

    fn picture_id(&mut self, payload: &[u8], at: &mut usize) -> Option<()> {
        let first = *payload.get(*at)?;
        self.picture_at = u8::try_from(*at).ok()?;
        self.wide = first & 0x80 != 0;
        *at += 1;
        self.picture = u16::from(first & 0x7f);
        if self.wide {
            self.picture = self.picture << 8 | u16::from(*payload.get(*at)?);
            *at += 1;
        }
        Some(())
    }
}

/// ```text
/// |X|R|N|S|R| PID |  |I|L|T|K|  RSV  |  |M| picture id  |  | TL0PICIDX |  |TID|Y| KEYIDX  |
/// ```
fn vp8(payload: &[u8]) -> Option<Descriptor> {
    let mut found = Descriptor { begins: payload.first()? & 0x17 == 0x10, ..Descriptor::default() };
    if payload.first()? & 0x80 == 0 {
        return Some(found);
    }
    let fields = *payload.get(1)?;
    let mut at = 2;
    if fields & 0x80 != 0 {
        found.picture_id(payload, &mut at)?;
    }
    if fields & 0x40 != 0 {
        (found.base_at, found.base) = (u8::try_from(at).ok()?, *payload.get(at)?);
        at += 1;
    }
    // A layer without TL0PICIDX is not to be followed (RFC 7741 §4.2: L comes with T).
    if fields & 0x60 == 0x60 {
        let byte = *payload.get(at)?;
        found.layer = Step { spatial: 0, temporal: byte >> 6 };
        found.rise = if byte & 0x20 != 0 { Rise::Here } else { Rise::No };
    }
    Some(found)
}

/// ```text
/// |I|P|L|F|B|E|V|Z|  |M| picture id  |  | TID |U| SID |D|  | TL0PICIDX, unless F |
/// ```
fn vp9(payload: &[u8]) -> Option<Descriptor> {
    let first = *payload.first()?;
    let (begins, ends) = (first & 0x08 != 0, first & 0x04 != 0);
    let mut found = Descriptor { begins, ends, ..Descriptor::default() };
    let mut at = 1;
    if first & 0x80 != 0 {
        found.picture_id(payload, &mut at)?;
    }
    if first & 0x20 != 0 {
        let byte = *payload.get(at)?;
        found.layer = Step { spatial: byte >> 1 & 7, temporal: byte >> 5 };
        found.rise = if byte & 0x10 != 0 { Rise::After } else { Rise::No };
        if first & 0x10 == 0 {
            (found.base_at, found.base) = (u8::try_from(at + 1).ok()?, *payload.get(at + 1)?);
        }
    }
    Some(found)
}

/// How many spatial layers of VP9 there are and how high each is, from the payload that begins a keyframe
/// (RFC 9628 §4.2.1: the scalability structure); `None` where it does not say.
pub(crate) fn heights(payload: &[u8]) -> Option<[u16; STEPS]> {
    let first = *payload.first()?;
    if first & 0x02 == 0 {
        return None;
    }
    let mut at = 1;
    if first & 0x80 != 0 {
        at += if payload.get(at)? & 0x80 != 0 { 2 } else { 1 };
    }
    if first & 0x20 != 0 {
        at += if first & 0x10 == 0 { 2 } else { 1 };
    }
    if first & 0x50 == 0x50 {
        // References of the flexible mode: another follows as long as the lowest bit says so.
        let count =
            payload.get(at..)?.iter().take(3).position(|byte| byte & 1 == 0).map_or(3, |last| last + 1);
        at += count;
    }
    let head = *payload.get(at)?;
    if head & 0x10 == 0 {
        return None;
    }
    let mut heights = [0; STEPS];
    let sizes = payload.get(at + 1..at + 1 + 4 * (usize::from(head >> 5) + 1))?;
    for (height, size) in heights.iter_mut().zip(sizes.chunks_exact(4)) {
        *height = u16::from_be_bytes([size[2], size[3]]);
    }
    Some(heights)
}

/// The height of a picture, from the payload that begins a keyframe (RFC 6386 §9.1); `None` where it is not easy to read.
pub(crate) fn height(format: Format, payload: &[u8]) -> Option<u16> {
    if format != Format::Vp8 {
        return None;
    }
    let mut at = 1;
    if payload.first()? & 0x80 != 0 {
        let fields = *payload.get(1)?;
        at = 2;
        if fields & 0x80 != 0 {
            at += if payload.get(at)? & 0x80 != 0 { 2 } else { 1 };
        }
        at += usize::from(fields & 0x40 != 0) + usize::from(fields & 0x30 != 0);
    }
    let frame = payload.get(at..at + 10)?;
    (frame[3..6] == [0x9d, 0x01, 0x2a]).then(|| u16::from_le_bytes([frame[8], frame[9]]) & 0x3fff)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shift(picture: u16, base: u8) -> Shift {
        Shift { picture, base, templates: 0 }
    }

    #[test]
    fn numbers_are_found_and_shifted() {
        let cases: [(Format, &[u8], Shift, &[u8]); 8] = [
            (Format::Vp8, &[0x10, 1, 2], shift(5, 5), &[]),
            (Format::Vp8, &[0x90, 0x80, 0x11, 1], shift(5, 5), &[0x90, 0x80, 0x16]),
            (Format::Vp8, &[0x90, 0x80, 0x7f, 1], shift(1, 0), &[0x90, 0x80, 0]),
            (Format::Vp8, &[0x90, 0xf0, 0xff, 0xff, 3, 4], shift(2, 255), &[0x90, 0xf0, 0x80, 1, 2]),
            (Format::Vp9, &[0x88, 0x91, 0x00, 9], shift(0x0100, 1), &[0x88, 0x92, 0x00]),
            (Format::Vp9, &[0xa8, 0x91, 0x22, 0x10, 5, 1], shift(0, 1), &[0xa8, 0x91, 0x22, 0x10, 6]),
            (Format::Vp9, &[0x90, 0x91], shift(1, 1), &[]),
            (Format::H264, &[0x90, 0x91], shift(1, 1), &[]),
        ];
        for (format, payload, shift, expected) in cases {
            let mut head = [0; MAX_HEAD];
            let descriptor = Descriptor::of(format, payload);
            let len = descriptor.write(payload, shift, &mut head);
            assert_eq!(&head[..len], expected, "{format:?} {payload:x?}");
            assert!(descriptor.is_empty() == expected.is_empty());
        }
    }

    type Case = (Format, &'static [u8], Step, (bool, bool), Rise);

    #[test]
    fn layers_are_told() {
        let step = |spatial, temporal| Step { spatial, temporal };
        // Layer, whether a frame begins and ends, and where more may be taken.
        let cases: [Case; 12] = [
            (Format::Vp8, &[0x10, 1], step(0, 0), (true, false), Rise::No),
            (Format::Vp8, &[0x00, 1], step(0, 0), (false, false), Rise::No),
            (Format::Vp8, &[0x90, 0xe0, 0x80, 1, 7, 0x40, 1], step(0, 1), (true, false), Rise::No),
            (Format::Vp8, &[0x80, 0xe0, 0x80, 1, 7, 0xa0, 1], step(0, 2), (false, false), Rise::Here),
            (Format::Vp8, &[0x90, 0xe0, 0x11, 7, 0xc0, 1], step(0, 3), (true, false), Rise::No),
            // A layer without TL0PICIDX cannot be followed.
            (Format::Vp8, &[0x90, 0x20, 0xa0, 1], step(0, 0), (true, false), Rise::No),
            (Format::Vp9, &[0x8c, 0x91, 0x22, 1], step(0, 0), (true, true), Rise::No),
            (Format::Vp9, &[0xa8, 0x91, 0x22, 0x50, 5, 1], step(0, 2), (true, false), Rise::After),
            (Format::Vp9, &[0xe4, 0x91, 0x22, 0x24, 5, 1], step(2, 1), (false, true), Rise::No),
            (Format::Vp9, &[0xf8, 0x11, 0x13, 0x02, 1], step(1, 0), (true, false), Rise::After),
            (Format::Vp9, &[0xa8, 0x91], step(0, 0), (false, false), Rise::No),
            (Format::H264, &[0x65, 1], step(0, 0), (false, false), Rise::No),
        ];
        for (format, payload, layer, ends, rise) in cases {
            let found = Descriptor::of(format, payload);
            let what = format!("{format:?} {payload:x?}");
            assert_eq!((found.layer, (found.begins, found.ends), found.rise), (layer, ends, rise), "{what}");
        }
    }

    #[test]
    fn a_keyframe_of_vp9_tells_how_high_its_layers_are() {
        let sizes = [1, 64, 0, 180, 2, 128, 1, 104, 5, 0, 2, 208];
        let with = |head: &[u8]| [head, &[0x50], &sizes[..]].concat();
        let expected = Some([180, 360, 720, 0]);
        assert_eq!(heights(&with(&[0x0a])), expected);
        assert_eq!(heights(&with(&[0xaa, 0x91, 0x22, 0x10, 5])), expected);
        assert_eq!(heights(&with(&[0xfa, 0x11, 0x10, 0x03, 0x02])), expected, "with references");
        assert_eq!(heights(&with(&[0x0a])[..9]), None, "cut off");
        assert_eq!(heights(&[0x0a, 0x40]), None, "without sizes");
        assert_eq!(heights(&with(&[0x08])), None, "without a structure");
    }

    #[test]
    fn numbers_follow_those_last_sent() {
        let descriptor = Descriptor::of(Format::Vp8, &[0x90, 0xc0, 0x80, 0x05, 0x07, 1]);
        let last = shift(0x7fff, 255);
        assert_eq!(descriptor.shifted(descriptor.follow(last)), shift(0, 0));
    }

    #[test]
    fn a_keyframe_of_vp8_tells_its_height() {
        let frame = [0x10, 0x02, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x41];
        let with = |descriptor: &[u8]| [descriptor, &frame].concat();
        assert_eq!(height(Format::Vp8, &with(&[0x10])), Some(360));
        assert_eq!(height(Format::Vp8, &with(&[0x90, 0xf0, 0x80, 1, 2, 3])), Some(360));
        assert_eq!(height(Format::Vp8, &with(&[0x10])[..10]), None);
        assert_eq!(height(Format::H264, &with(&[0x10])), None);
    }
}
