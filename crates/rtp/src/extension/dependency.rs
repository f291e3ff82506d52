//! The Dependency Descriptor (AV1 RTP payload format, appendix A): which frames a frame needs, and which parts of a stream
//! with layers it belongs to, readable without its payload.
//!
//! ```text
//! |B|E| template  |          frame number         |S|A|D|F|C| structure, active targets, custom fields, bit by bit …
//! ```
//!
//! B, E: a frame begins and ends with the packet. What frames have in common stands in templates, which a **structure** lists;
//! it comes with the first packet of a keyframe (S) and holds until the next. A **decode target** is a set of frames that can
//! be decoded without the others: pictures of a size, so many a second. Of each the descriptor says what the frame is for it
//! ([`Indication`]). A **chain** is a sequence of frames that a target cannot do without.

mod bits;
mod structure;

pub use structure::{Structure, Template};

use crate::Malformed;
use bits::Bits;

/// Decode targets that one structure can have (`dtis_cnt_minus_one` has five bits).
pub const MAX_TARGETS: usize = 32;
/// Numbers of templates, which wrap (`MAX_TEMPLATE_ID` and one).
pub const TEMPLATES: u8 = 64;
/// Bytes of a descriptor without extended fields.
pub const MANDATORY_LEN: usize = 3;

/// What a frame is for a decode target (table A.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Indication {
    /// It is no frame of this target.
    NotPresent,
    /// No other frame of this target needs it.
    Discardable,
    /// When it can be decoded, so can all frames of this target that follow.
    Switch,
    /// It is a frame of this target, and none of the above.
    Required,
}

/// What a frame is for each decode target: two bits for each, the first target's the lowest.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Indications(u64);

impl Indications {
    /// What the frame is for a target; of one that there is not it is no frame.
    pub const fn of(self, target: usize) -> Indication {
        let two = if target < MAX_TARGETS { self.0 >> (2 * target) & 3 } else { 0 };
        match two {
            0 => Indication::NotPresent,
            1 => Indication::Discardable,
            2 => Indication::Switch,
            _ => Indication::Required,
        }
    }

    fn read(bits: &mut Bits<'_>, targets: u8) -> Result<Self, Malformed> {
        (0..targets).try_fold(Self(0), |all, at| Ok(Self(all.0 | u64::from(bits.take(2)?) << (2 * at))))
    }
}

/// What the descriptor of one packet says of its frame.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// The frame begins with this packet, and ends with it.
    pub begins: bool,
    /// See [`Frame::begins`].
    pub ends: bool,
    /// Its number in decoding order; wraps.
    pub number: u16,
    /// Whether the structure came with this packet.
    pub is_new: bool,
    /// The targets that are sent at present, as bits, if this packet says so.
    pub active: Option<u32>,
    /// What it is for each target.
    pub indications: Indications,
    /// The structure that holds.
    pub structure: &'a Structure,
    template: &'a Template,
    diffs: Option<Bits<'a>>,
    chains: Option<Bits<'a>>,
}

impl<'a> Frame<'a> {
    /// Reads the descriptor of a packet. A structure that comes with it takes the place of the `known` one.
    ///
    /// # Errors
    /// It is malformed, or of a structure that is not known: then what is known stays as it is.
    pub fn read(bytes: &'a [u8], known: &'a mut Option<Structure>) -> Result<Self, Malformed> {
        let ([first, high, low], extended) = bytes.split_first_chunk().ok_or(Malformed)?;
        let mut bits = Bits::new(extended);
        let [is_new, active, custom @ ..] = match extended {
            [] => [false; 5],
            _ => [bits.flag()?, bits.flag()?, bits.flag()?, bits.flag()?, bits.flag()?],
        };
        let fresh = if is_new { Some(Structure::read(&mut bits)?) } else { None };
        let holds = fresh.as_ref().or(known.as_ref()).ok_or(Malformed)?;
        let index = holds.index_of(first & 0x3f).ok_or(Malformed)?;
        let active = if active { Some(bits.take(u32::from(holds.targets()))?) } else { None };
        let [indications, diffs, chains] = custom;
        let indications = if indications {
            Indications::read(&mut bits, holds.targets())?
        } else {
            holds.templates()[index].indications
        };
        let diffs = if diffs { Some(bits) } else { None };
        if diffs.is_some() {
            while next_diff(&mut bits)?.is_some() {}
        }
        let chains = if chains { Some(bits) } else { None };
        if chains.is_some() {
            bits.skip(8 * usize::from(holds.chains()))?;
        }
        // A structure without a word of it says that all targets are sent.
        let all = fresh.as_ref().map(Structure::all_targets);
        if fresh.is_some() {
            *known = fresh;
        }
        let structure = known.as_ref().ok_or(Malformed)?;
        Ok(Self {
            begins: first & 0x80 != 0,
            ends: first & 0x40 != 0,
            number: u16::from_be_bytes([*high, *low]),
            is_new,
            active: active.or(all),
            indications,
            structure,
            template: &structure.templates()[index],
            diffs,
            chains,
        })
    }

    /// The spatial layer, 0 to 3.
    pub const fn spatial(&self) -> u8 {
        self.template.spatial
    }

    /// The temporal layer, 0 to 7.
    pub const fn temporal(&self) -> u8 {
        self.template.temporal
    }

    /// How much lower the numbers of the frames are that it refers to.
    pub fn diffs(&self) -> impl Iterator<Item = u16> + use<'a> {
        let mut custom = self.diffs;
        let template = if custom.is_some() { &[][..] } else { &self.template.diffs };
        let custom = std::iter::from_fn(move || next_diff(custom.as_mut()?).ok().flatten());
        custom.chain(template.iter().copied().map(u16::from))
    }

    /// For each chain, how much lower the number of the frame before in it is; 0 where the chain begins anew.
    pub fn chain_diffs(&self) -> impl Iterator<Item = u8> + use<'a> {
        let mut custom = self.chains;
        let template = self.template.chain_diffs();
        (0..usize::from(self.structure.chains())).map(move |at| match &mut custom {
            Some(bits) => bits.byte(8).unwrap_or(0),
            None => template.get(at).copied().unwrap_or(0),
        })
    }

    /// How large its pictures are at most, width and height, where the structure says so.
    pub fn resolution(&self) -> Option<(u32, u32)> {
        self.structure.resolutions().get(usize::from(self.spatial())).copied()
    }
}

/// One of the custom differences; `None` behind the last.
fn next_diff(bits: &mut Bits<'_>) -> Result<Option<u16>, Malformed> {
    let size = bits.take(2)?;
    // Of twelve bits at most, and one more.
    if size == 0 { Ok(None) } else { Ok(Some(bits.word(4 * size)? + 1)) }
}

/// Writes a descriptor's number, and the numbers of its templates, anew in place: `number` is the frame's, `templates` is added
/// to those that stand there. For whoever sends what came from several senders as one stream. What cannot be a descriptor
/// stays as it is.
pub fn renumber(bytes: &mut [u8], number: u16, templates: u8) {
    if let Some([first, high, low]) = bytes.first_chunk_mut() {
        *first = *first & 0xc0 | first.wrapping_add(templates) & 0x3f;
        [*high, *low] = number.to_be_bytes();
    }
    if let Some([_, _, _, flags, behind]) = bytes.first_chunk_mut()
        && *flags & 0x80 != 0
    {
        // The offset's first three bits are the lowest of one byte, the others the highest of the next.
        let offset = ((*flags & 7) << 3 | *behind >> 5).wrapping_add(templates) & 0x3f;
        *flags = *flags & 0xf8 | offset >> 3;
        *behind = *behind & 0x1f | offset << 5;
    }
}

#[cfg(test)]
mod tests;
