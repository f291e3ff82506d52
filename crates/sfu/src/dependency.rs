//! What the dependency descriptor tells of a stream of AV1 with layers: who needs a frame, and with which frames somebody may
//! begin to get more, or other ones.
//!
//! A receiver gets a decode target: the highest one within its [`Step`]. It may go over to another with a frame that it can
//! decode, because the frame is of its own target, and that has the switch indication for the other (appendix A.4.4). Fewer
//! pictures may be taken from any picture on, and smaller ones too where they are part of what it has (L3T3). Where they are
//! not (L3T3_KEY, S3T3), it takes a keyframe, with which everything begins anew.

use rtp::extension::dependency::{Frame, Indication, Structure, TEMPLATES};

use crate::descriptor::Descriptor;
use crate::step::{STEPS, Step};

/// Bytes that marks take.
pub(crate) const MARKS: usize = 7;
/// The longest descriptor that is looked at: what stands before a payload is counted by one byte.
pub(crate) const LONGEST: usize = u8::MAX as usize - MARKS;

/// What is known of a packet by its descriptor, as it is kept before the payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Marks {
    /// A bit for each step: whether its receivers need the frame.
    needed: u16,
    /// Whether they can decode all that follows if they can decode this.
    switch: u16,
    /// The highest layers that are sent at present.
    top: Step,
    /// Who gets larger pictures gets all frames of smaller ones as well.
    nested: bool,
    /// The numbers of the templates, the first and the one behind the last, where a structure came with the packet.
    templates: Option<(u8, u8)>,
}

/// What a packet's descriptor says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    pub(crate) descriptor: Descriptor,
    pub(crate) marks: Marks,
    /// A keyframe begins with it.
    pub(crate) key: bool,
}

/// The structure that holds for an encoding at present.
#[derive(Debug, Default)]
pub(crate) struct Dependencies {
    structure: Option<Structure>,
    /// The frame that it came with. Everybody gets that, even if another size needs none of it: it makes the rest readable.
    first: Option<u16>,
    /// By the bit of a step: the decode target that its receivers get.
    targets: [u8; STEPS * STEPS],
    /// The highest layers of the structure.
    pub(crate) declared: Step,
    /// The highest ones that are sent at present.
    pub(crate) top: Step,
    /// Whether there are frames of smaller pictures that larger ones can do without, so that it takes a keyframe to go back.
    pub(crate) apart: bool,
}

/// The place of a step among all; higher layers count as the highest that are told apart.
fn place(step: Step) -> usize {
    let at = |layer: u8| usize::from(layer).min(STEPS - 1);
    at(step.spatial) * STEPS + at(step.temporal)
}

/// All steps that are told apart.
pub(crate) fn steps() -> impl Iterator<Item = Step> {
    (0..4).flat_map(|spatial| (0..4).map(move |temporal| Step { spatial, temporal }))
}

impl Marks {
    pub(crate) fn bytes(self) -> [u8; MARKS] {
        let [a, b] = self.needed.to_be_bytes();
        let [c, d] = self.switch.to_be_bytes();
        let (first, end) = self.templates.unwrap_or((TEMPLATES, TEMPLATES));
        let top = u8::from(self.nested) << 7 | self.top.spatial << 4 | self.top.temporal;
        [a, b, c, d, top, first, end]
    }

    pub(crate) fn of_bytes([a, b, c, d, top, first, end]: [u8; MARKS]) -> Self {
        Self {
            needed: u16::from_be_bytes([a, b]),
            switch: u16::from_be_bytes([c, d]),
            top: Step { spatial: top >> 4 & 7, temporal: top & 0x0f },
            nested: top >> 7 == 1,
            templates: (first < TEMPLATES).then_some((first, end)),
        }
    }

    pub(crate) fn is_needed(self, step: Step) -> bool {
        self.needed >> place(step) & 1 == 1
    }

    fn switches(self, step: Step) -> bool {
        self.switch >> place(step) & 1 == 1
    }

    /// What of a step there is at present.
    pub(crate) fn within(self, step: Step) -> Step {
        step.min(self.top)
    }

    /// What a receiver gets from this frame on, on the way to `target`.
    pub(crate) fn towards(self, now: Step, target: Step, key: bool) -> Step {
        if key {
            return target;
        }
        let least = now.min(target);
        let fewer = if self.nested { least } else { Step { spatial: now.spatial, ..least } };
        if !self.is_needed(now) {
            return fewer;
        }
        // From the size that is wanted to the one next to what there is now.
        let far = fewer.spatial.abs_diff(target.spatial);
        let larger = target.spatial > fewer.spatial;
        let sizes = (0..far).map(|n| if larger { target.spatial - n } else { target.spatial + n });
        let rates = || (0..=target.temporal).rev();
        let other = sizes.flat_map(|spatial| rates().map(move |temporal| Step { spatial, temporal }));
        let more = rates().map(|temporal| Step { temporal, ..fewer }).filter(|step| fewer.is_below(*step));
        other.chain(more).find(|step| self.switches(*step)).unwrap_or(fewer)
    }

    /// What is to be added to the numbers of templates so that those of a new structure are not taken for others that were
    /// sent before, whose last one was followed by `next`: packets of the one and the other may overtake each other.
    pub(crate) fn templates_behind(self, next: u8) -> u8 {
        self.templates.map_or(0, |(first, _)| next.wrapping_sub(first) % TEMPLATES)
    }

    /// What follows the last of the templates, as they are sent.
    pub(crate) fn next_template(self, shift: u8) -> Option<u8> {
        self.templates.map(|(_, end)| end.wrapping_add(shift) % TEMPLATES)
    }
}

impl Dependencies {
    /// Reads the descriptor of a packet, which is at least as long as it must be. Of one whose structure is not there, or not
    /// yet, it is not known who can do without it.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Told {
        let mut structure = self.structure.take();
        let found = Frame::read(bytes, &mut structure).ok().map(|frame| {
            if frame.is_new {
                self.arrange(frame.structure);
                self.first = Some(frame.number);
            }
            if let Some(active) = frame.active {
                self.top = top(frame.structure, active).unwrap_or(self.declared);
            }
            let is = |step: Step| frame.indications.of(usize::from(self.targets[place(step)]));
            let bits = |wanted: fn(Indication) -> bool| {
                steps().filter(|step| wanted(is(*step))).fold(0, |bits, step| bits | 1 << place(step))
            };
            let present = bits(|indication| indication != Indication::NotPresent);
            let count = u8::try_from(frame.structure.templates().len()).unwrap_or(TEMPLATES);
            let first = frame.structure.offset();
            let marks = Marks {
                needed: if self.first == Some(frame.number) { u16::MAX } else { present },
                nested: !self.apart,
                switch: bits(|indication| indication == Indication::Switch),
                top: self.top,
                templates: frame.is_new.then(|| (first, (first + count) % TEMPLATES)),
            };
            let layer = Step { spatial: frame.spatial(), temporal: frame.temporal() };
            (layer, marks, frame.is_new && frame.begins)
        });
        self.structure = structure;
        let unknown =
            Marks { needed: u16::MAX, switch: 0, top: self.top, nested: !self.apart, templates: None };
        let (layer, marks, key) = found.unwrap_or((Step::default(), unknown, false));
        let ahead = u8::try_from(MARKS + bytes.len()).unwrap_or(u8::MAX);
        Told { descriptor: Descriptor::of_frame(bytes, layer, ahead), marks, key }
    }

    /// A new structure: which target is for which step.
    fn arrange(&mut self, structure: &Structure) {
        self.declared = top(structure, structure.all_targets()).unwrap_or_default();
        let layers: Vec<(Step, u8)> = (0..structure.targets())
            .filter_map(|target| Some((layer_of(structure, target)?, target)))
            .collect();
        let least = layers.iter().min().map_or(0, |(_, target)| *target);
        for step in steps() {
            let within = layers.iter().filter(|(layer, _)| step.holds(*layer));
            self.targets[place(step)] = within.max().map_or(least, |(_, target)| *target);
        }
        self.apart = (1..=self.declared.spatial).any(|spatial| {
            let target = |spatial: u8| self.targets[place(Step { spatial, ..self.declared })];
            let (large, small) = (target(spatial), target(spatial - 1));
            let is = |target: u8, template: &rtp::extension::dependency::Template| {
                template.indications.of(usize::from(target)) != Indication::NotPresent
            };
            structure.templates().iter().any(|template| is(small, template) && !is(large, template))
        });
    }

    /// How high the pictures of the spatial layers are; 0 where there is none.
    pub(crate) fn heights(&self) -> Option<[u16; STEPS]> {
        let sizes = self.structure.as_ref()?.resolutions();
        let mut heights = [0; STEPS];
        for (height, (_, told)) in heights.iter_mut().zip(sizes) {
            *height = u16::try_from(*told).unwrap_or(u16::MAX);
        }
        (!sizes.is_empty()).then_some(heights)
    }
}

/// The layers of a decode target: the highest of its frames.
fn layer_of(structure: &Structure, target: u8) -> Option<Step> {
    let of = |template: &&rtp::extension::dependency::Template| {
        template.indications.of(usize::from(target)) != Indication::NotPresent
    };
    let layers = structure
        .templates()
        .iter()
        .filter(of)
        .map(|template| Step { spatial: template.spatial, temporal: template.temporal.min(3) });
    layers.reduce(Step::max)
}

/// The highest layers of these targets.
fn top(structure: &Structure, targets: u32) -> Option<Step> {
    let named = (0..structure.targets()).filter(|target| targets >> target & 1 == 1);
    named.filter_map(|target| layer_of(structure, target)).reduce(Step::max)
}

#[cfg(test)]
#[path = "../tests/svc.rs"]
pub(crate) mod svc;
#[cfg(test)]
pub(crate) mod tests;
