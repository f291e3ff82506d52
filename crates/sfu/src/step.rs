//! The layers inside one encoding: which there are, what each costs, and when more or fewer may be taken.
//!
//! A frame of a temporal layer needs none of a higher one, and one of a spatial layer none of a higher one either (RFC 9628
//! §3). So a receiver gets all up to a [`Step`]. Fewer may be taken with any picture. More temporal layers may be taken
//! where the stream says so ([`Rise`]), more spatial ones with a keyframe.

use std::time::Duration;

use wire::Instant;

use crate::descriptor::{Descriptor, Rise};
use crate::track::Meter;

/// Layers of each sort that are told apart; higher ones count as the highest of these.
pub(crate) const STEPS: usize = 4;
/// A layer of which nothing came for so long is not there.
const GONE: Duration = Duration::from_secs(2);

/// A layer, or all layers up to it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) struct Step {
    pub(crate) spatial: u8,
    pub(crate) temporal: u8,
}

impl Step {
    /// Everything there is.
    pub(crate) const ALL: Self = Self { spatial: u8::MAX, temporal: u8::MAX };

    /// Whether a layer is among those up to this step.
    #[inline]
    pub(crate) fn holds(self, layer: Self) -> bool {
        layer.spatial <= self.spatial && layer.temporal <= self.temporal
    }

    /// Whether one of the layers up to `other` is beyond this step.
    pub(crate) fn is_below(self, other: Self) -> bool {
        self.spatial < other.spatial || self.temporal < other.temporal
    }

    /// The lower of both, of each sort of layers.
    pub(crate) fn min(self, other: Self) -> Self {
        Self { spatial: self.spatial.min(other.spatial), temporal: self.temporal.min(other.temporal) }
    }

    /// The higher of both, of each sort of layers.
    pub(crate) fn max(self, other: Self) -> Self {
        Self { spatial: self.spatial.max(other.spatial), temporal: self.temporal.max(other.temporal) }
    }

    /// What may be taken from a packet on that begins a new picture, on the way to `target`. `free` says that the picture
    /// before was one after which all temporal layers may be taken.
    pub(crate) fn towards(self, target: Self, key: bool, packet: &Descriptor, free: bool) -> Self {
        if key {
            return target;
        }
        let spatial = self.spatial.min(target.spatial);
        let layer = packet.layer.temporal;
        // More of the one and fewer of the other begin at different packets.
        let temporal = if target.temporal <= self.temporal || (free && spatial == self.spatial) {
            target.temporal
        } else if packet.rise == Rise::Here && layer.checked_sub(1) == Some(self.temporal) {
            // One after the other: what is between may need what was left out.
            layer
        } else {
            self.temporal
        };
        Self { spatial, temporal }
    }
}

/// What the layers of an encoding cost.
#[derive(Debug)]
pub(crate) struct Layers {
    meters: [[Option<Meter>; STEPS]; STEPS],
    /// Where the meters have all that a receiver of a step gets, instead of a layer alone: the highest step.
    whole: Option<Step>,
}

impl Layers {
    pub(crate) const fn new(whole: Option<Step>) -> Self {
        Self { meters: [const { [const { None }; STEPS] }; STEPS], whole }
    }

    /// Whether it counts what all receivers of a step get, with this step as the highest.
    pub(crate) fn is_whole(&self, top: Option<Step>) -> bool {
        self.whole == top
    }

    /// A packet of a layer has come, or one that receivers of a step get.
    pub(crate) fn add(&mut self, now: Instant, layer: Step, bytes: usize) {
        let at = |layer: u8| usize::from(layer).min(STEPS - 1);
        let meter = &mut self.meters[at(layer.spatial)][at(layer.temporal)];
        meter.get_or_insert_with(|| Meter::new(now)).add(now, bytes);
    }

    fn sent(&self, now: Instant, spatial: usize, temporal: usize) -> Option<&Meter> {
        self.meters[spatial][temporal].as_ref().filter(|meter| meter.idle(now) < GONE)
    }

    /// The highest layers that are being sent.
    pub(crate) fn top(&self, now: Instant) -> Step {
        let mut top = Step::default();
        for (spatial, temporal) in
            (0..STEPS).flat_map(|spatial| (0..STEPS).map(move |temporal| (spatial, temporal)))
        {
            if self.sent(now, spatial, temporal).is_some() {
                let byte = |layer: usize| u8::try_from(layer).expect("there are four");
                top.spatial = top.spatial.max(byte(spatial));
                top.temporal = top.temporal.max(byte(temporal));
            }
        }
        top
    }

    /// Bits per second of all layers up to a step.
    pub(crate) fn rate(&self, now: Instant, step: Step) -> u64 {
        if let Some(top) = self.whole {
            let Step { spatial, temporal } = step.min(top);
            let at = |layer: u8| usize::from(layer).min(STEPS - 1);
            return self.sent(now, at(spatial), at(temporal)).map_or(0, |meter| meter.rate(now));
        }
        let upto = |layer: u8| 0..=usize::from(layer).min(STEPS - 1);
        upto(step.spatial)
            .flat_map(|spatial| upto(step.temporal).map(move |temporal| (spatial, temporal)))
            .filter_map(|(spatial, temporal)| self.sent(now, spatial, temporal))
            .map(|meter| meter.rate(now))
            .sum()
    }
}
