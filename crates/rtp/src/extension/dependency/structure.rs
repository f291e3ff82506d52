//! What the frames of a stream have in common until the next keyframe (`template_dependency_structure`).

use super::bits::Bits;
use super::{Indications, MAX_TARGETS, TEMPLATES};
use crate::Malformed;

/// Spatial and temporal layers that there can be (`MAX_SPATIAL_ID`, `MAX_TEMPORAL_ID`).
const MAX_SPATIAL: u8 = 3;
const MAX_TEMPORAL: u8 = 7;

/// What many frames have in common.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Template {
    /// The spatial layer, 0 to 3.
    pub spatial: u8,
    /// The temporal layer, 0 to 7.
    pub temporal: u8,
    /// What such a frame is for each target.
    pub indications: Indications,
    /// How much lower the numbers of the frames are that it refers to.
    pub diffs: Vec<u8>,
    /// Of each chain.
    chain_diffs: [u8; MAX_TARGETS],
}

impl Template {
    pub(super) const fn chain_diffs(&self) -> &[u8; MAX_TARGETS] {
        &self.chain_diffs
    }
}

/// The templates of a stream, and what holds for all of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Structure {
    offset: u8,
    targets: u8,
    chains: u8,
    templates: Vec<Template>,
    protected_by: [u8; MAX_TARGETS],
    resolutions: Vec<(u32, u32)>,
}

impl Structure {
    pub(super) fn read(bits: &mut Bits<'_>) -> Result<Self, Malformed> {
        let offset = bits.byte(6)?;
        let targets = bits.byte(5)? + 1;
        let mut templates = read_layers(bits)?;
        for template in &mut templates {
            template.indications = Indications::read(bits, targets)?;
        }
        for template in &mut templates {
            // As many as are in the packet: a few hundred at most.
            while bits.flag()? {
                template.diffs.push(bits.byte(4)? + 1);
            }
        }
        let chains = bits.below(targets + 1)?;
        let mut protected_by = [0; MAX_TARGETS];
        if chains > 0 {
            for chain in protected_by.iter_mut().take(usize::from(targets)) {
                *chain = bits.below(chains)?;
            }
            for template in &mut templates {
                for diff in template.chain_diffs.iter_mut().take(usize::from(chains)) {
                    *diff = bits.byte(4)?;
                }
            }
        }
        let layers = templates.last().map_or(0, |template| template.spatial + 1);
        let sized = if bits.flag()? { layers } else { 0 };
        let mut side = || bits.take(16).map(|less| less + 1);
        let resolutions = (0..sized).map(|_| Ok((side()?, side()?))).collect::<Result<_, Malformed>>()?;
        Ok(Self { offset, targets, chains, templates, protected_by, resolutions })
    }

    /// The number of the first template.
    pub const fn offset(&self) -> u8 {
        self.offset
    }

    /// How many decode targets there are, 1 to 32.
    pub const fn targets(&self) -> u8 {
        self.targets
    }

    /// All targets, as bits.
    pub fn all_targets(&self) -> u32 {
        u32::MAX >> (32 - u32::from(self.targets))
    }

    /// How many chains there are, 0 to 32.
    pub const fn chains(&self) -> u8 {
        self.chains
    }

    /// The templates in the order of their numbers, 1 to 64.
    pub fn templates(&self) -> &[Template] {
        &self.templates
    }

    /// The chain that a target cannot do without; `None` where there are no chains, or not this target.
    pub fn chain_of(&self, target: usize) -> Option<u8> {
        let there = self.chains > 0 && target < usize::from(self.targets);
        self.protected_by.get(target).copied().filter(|_| there)
    }

    /// How large the pictures of each spatial layer are at most, width and height; empty where it is not told.
    pub fn resolutions(&self) -> &[(u32, u32)] {
        &self.resolutions
    }

    /// Which template has this number.
    pub(super) fn index_of(&self, number: u8) -> Option<usize> {
        let index = usize::from(number.wrapping_sub(self.offset) % TEMPLATES);
        (index < self.templates.len()).then_some(index)
    }
}

/// `template_layers`: each template's layers follow from those of the one before (table A.3).
fn read_layers(bits: &mut Bits<'_>) -> Result<Vec<Template>, Malformed> {
    let (mut spatial, mut temporal) = (0, 0);
    let mut templates = Vec::new();
    loop {
        if templates.len() >= usize::from(TEMPLATES) || spatial > MAX_SPATIAL || temporal > MAX_TEMPORAL {
            return Err(Malformed);
        }
        templates.push(Template {
            spatial,
            temporal,
            indications: Indications::default(),
            diffs: Vec::new(),
            chain_diffs: [0; MAX_TARGETS],
        });
        match bits.take(2)? {
            0 => {}
            1 => temporal += 1,
            2 => (spatial, temporal) = (spatial + 1, 0),
            _ => return Ok(templates),
        }
    }
}
