//! The dependency descriptors of AV1 with layers, by the tables of the specification (AV1 RTP payload format, §A.6), written
//! bit by bit.

/// What pictures of a spatial layer need of the lower ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Needs {
    /// Always the next lower one: L2T1, L3T3.
    Lower,
    /// That only with a keyframe: L3T3_KEY.
    LowerOfKey,
    /// Nothing: S3T3.
    Nothing,
}

/// A scalability mode, with at most three layers of each sort.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mode {
    pub(crate) spatial: u8,
    pub(crate) temporal: u8,
    pub(crate) needs: Needs,
}

/// A frame: its layers, and whether its picture is a keyframe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Frame {
    pub(crate) spatial: u8,
    pub(crate) temporal: u8,
    pub(crate) key: bool,
}

impl Mode {
    /// The temporal layer of a picture, by how many came since the keyframe.
    pub(crate) fn temporal_of(self, since_key: usize) -> u8 {
        match self.temporal {
            1 => 0,
            2 => [0, 1][since_key % 2],
            _ => [0, 2, 1, 2][since_key % 4],
        }
    }

    /// How many pictures before one that it refers to is.
    pub(crate) fn distance(self, since_key: usize) -> usize {
        match (self.temporal, since_key % 4) {
            (2, 0 | 2) | (3, 2) => 2,
            (3, 0) => 4,
            _ => 1,
        }
    }

    fn templates(self) -> Vec<Frame> {
        let frame = |spatial, temporal, key| Frame { spatial, temporal, key };
        let of = |spatial| {
            let higher = (0..self.temporal).map(move |temporal| frame(spatial, temporal, false));
            std::iter::once(frame(spatial, 0, true)).chain(higher)
        };
        (0..self.spatial).flat_map(of).collect()
    }

    /// Decode targets, the best first: their layers.
    pub(crate) fn targets(self) -> Vec<(u8, u8)> {
        let of = |spatial| (0..self.temporal).rev().map(move |temporal| (spatial, temporal));
        (0..self.spatial).rev().flat_map(of).collect()
    }

    /// Table A.2: 0 is not present, 1 discardable, 2 switch, 3 required.
    fn indication(self, frame: Frame, (spatial, temporal): (u8, u8)) -> u32 {
        let lower = match self.needs {
            Needs::Lower => true,
            Needs::LowerOfKey => frame.key,
            Needs::Nothing => false,
        };
        match () {
            () if frame.temporal > temporal || frame.spatial > spatial => 0,
            () if frame.spatial < spatial && !lower => 0,
            () if frame.key => 2,
            () if frame.spatial < spatial => 3,
            () if frame.temporal > 0 && frame.temporal == temporal => 1,
            () => 2,
        }
    }

    /// Whether receivers of a target need a frame.
    pub(crate) fn holds(self, target: (u8, u8), frame: Frame) -> bool {
        self.indication(frame, target) > 0
    }

    /// The descriptor of a packet; `offset` is the number of the first template. `active` are targets, as bits.
    pub(crate) fn descriptor(
        self,
        (number, offset): (u16, u8),
        frame: Frame,
        (begins, ends): (bool, bool),
        active: Option<u32>,
    ) -> Vec<u8> {
        let templates = self.templates();
        let index = templates.iter().position(|template| *template == frame).unwrap();
        let mut bits = Bits(Vec::new());
        bits.put(u32::from(begins) << 1 | u32::from(ends), 2);
        bits.put((u32::from(offset) + u32::try_from(index).unwrap()) % 64, 6);
        bits.put(u32::from(number), 16);
        let structure = frame.key && frame.spatial == 0 && begins;
        let targets = self.targets();
        if structure || active.is_some() {
            bits.put(u32::from(structure) << 4 | u32::from(active.is_some()) << 3, 5);
        }
        if structure {
            bits.put(u32::from(offset), 6);
            bits.put(u32::try_from(targets.len()).unwrap() - 1, 5);
            for pair in templates.windows(2) {
                let same = pair[0].spatial == pair[1].spatial;
                bits.put(if !same { 2 } else { u32::from(pair[1].temporal > pair[0].temporal) }, 2);
            }
            bits.put(3, 2);
            for template in &templates {
                targets.iter().for_each(|target| bits.put(self.indication(*template, *target), 2));
            }
            // Neither references nor chains: nobody here decodes.
            bits.put(0, templates.len());
            bits.put(0, chains_width(targets.len()));
            bits.put(1, 1);
            for spatial in 0..self.spatial {
                bits.put((320 << spatial) - 1, 16);
                bits.put((180 << spatial) - 1, 16);
            }
        }
        if let Some(active) = active {
            bits.put(active, targets.len());
        }
        bits.bytes()
    }
}

/// Bits of a nought that is below so many and one (`ns(n)`).
fn chains_width(targets: usize) -> usize {
    (targets + 1).ilog2() as usize
}

struct Bits(Vec<bool>);

impl Bits {
    fn put(&mut self, value: u32, count: usize) {
        self.0.extend((0..count).rev().map(|at| value >> at & 1 == 1));
    }

    fn bytes(&self) -> Vec<u8> {
        let byte = |bits: &[bool]| (0..8).fold(0, |all, at| all << 1 | u8::from(bits.get(at) == Some(&true)));
        self.0.chunks(8).map(byte).collect()
    }
}
