//! Descriptors written bit by bit from the specification, and by a writer of its own.

use wire::Rng;

use super::*;
use Indication::{Discardable, NotPresent, Required, Switch};

/// Bytes of digits; what stands far behind them is for the reader, and the rest of the last byte is 0.
fn bytes(digits: &str) -> Vec<u8> {
    let told = digits
        .lines()
        .map(|line| line.split("    ").find(|part| part.contains(['0', '1'])).unwrap_or_default());
    let bits: Vec<u8> =
        told.flat_map(str::bytes).filter(u8::is_ascii_digit).map(|digit| digit - b'0').collect();
    bits.chunks(8)
        .map(|byte| (0..8).fold(0, |all, at| all << 1 | byte.get(at).copied().unwrap_or(0)))
        .collect()
}

/// §A.6.1: one spatial layer with three temporal layers, 640 × 360.
const L1T3: &str = "
    1 1 000000 0000000100000010     a whole frame of template 0, number 258
    1 0 000                         a structure
    000000 00010                    offset 0, three targets
    00 01 01 00 11                  layers 0 0 1 2 2
    101010 101010 100100 010000 010000
    0  1 0011 0  1 0001 0  1 0000 0  1 0000 0
    01                              one chain, which then is that of all targets
    0000 0100 0010 0001 0011
    1 0000001001111111 0000000101100111";

fn is(frame: &Frame<'_>) -> Vec<Indication> {
    (0..usize::from(frame.structure.targets())).map(|target| frame.indications.of(target)).collect()
}

/// Of a template: its number, the temporal layer, what it is for the targets, the frames that it refers to, and the chain.
type Expected = (u8, u8, [Indication; 3], &'static [u16], u8);

#[test]
fn the_structure_of_the_specification_is_read() {
    let (wire, mut known) = (bytes(L1T3), None);
    let frame = Frame::read(&wire, &mut known).unwrap();
    assert_eq!((frame.begins, frame.ends, frame.number, frame.is_new), (true, true, 258, true));
    assert_eq!((frame.active, frame.resolution()), (Some(0b111), Some((640, 360))));
    assert_eq!(is(&frame), [Switch; 3]);
    let structure = frame.structure;
    assert_eq!((structure.offset(), structure.targets(), structure.chains()), (0, 3, 1));
    assert_eq!([0, 1, 2, 3].map(|target| structure.chain_of(target)), [Some(0), Some(0), Some(0), None]);
    // Behind a structure come frames of three bytes.
    let expected: [Expected; 5] = [
        (0, 0, [Switch, Switch, Switch], &[], 0),
        (1, 0, [Switch, Switch, Switch], &[4], 4),
        (2, 1, [Switch, Discardable, NotPresent], &[2], 2),
        (3, 2, [Discardable, NotPresent, NotPresent], &[1], 1),
        (4, 2, [Discardable, NotPresent, NotPresent], &[1], 3),
    ];
    for (template, temporal, indications, diffs, chain) in expected {
        let packet = [0x80 | template, 1, template];
        let frame = Frame::read(&packet, &mut known).unwrap();
        assert_eq!((frame.begins, frame.ends, frame.is_new, frame.active), (true, false, false, None));
        assert_eq!(
            (frame.spatial(), frame.temporal(), frame.number),
            (0, temporal, 256 + u16::from(template))
        );
        assert_eq!(is(&frame), indications, "template {template}");
        assert_eq!(frame.diffs().collect::<Vec<_>>(), diffs, "template {template}");
        assert_eq!(frame.chain_diffs().collect::<Vec<_>>(), [chain], "template {template}");
    }
}

#[test]
fn a_frame_may_differ_from_its_template() {
    let (wire, mut known) = (bytes(L1T3), None);
    Frame::read(&wire, &mut known).unwrap();
    let packet = bytes(
        "0 1 000001 0000000000000111
         0 1 111  101                   the first and the last target are sent
         11 00 01                       required, not present, discardable
         01 0010  10 00001111  11 111111111111  00
         11111111",
    );
    let frame = Frame::read(&packet, &mut known).unwrap();
    assert_eq!((frame.begins, frame.ends, frame.active), (false, true, Some(0b101)));
    assert_eq!(is(&frame), [Required, NotPresent, Discardable]);
    assert_eq!(frame.diffs().collect::<Vec<_>>(), [3, 16, 4096]);
    assert_eq!(frame.chain_diffs().collect::<Vec<_>>(), [255]);
}

#[test]
fn what_cannot_be_read_changes_nothing() {
    let (wire, mut known) = (bytes(L1T3), None);
    assert!(Frame::read(&[0x80, 0, 1], &mut known).is_err(), "no structure is known");
    for len in 0..wire.len() {
        assert!(Frame::read(&wire[..len], &mut known).is_err(), "{len} bytes");
    }
    assert_eq!(known, None);
    Frame::read(&wire, &mut known).unwrap();
    let before = known.clone();
    for wrong in [
        &[][..],
        &[0x80, 0],
        &[0x85, 0, 1],
        &[0xff, 0, 1],
        &[0x80, 0, 1, 0x60],
        &[0x80, 0, 1, 0x16, 0x40],
        // A template of layer 8, by table A.3.
        &bytes("10000000 0000000000000001 10000 000000 00000 01 01 01 01 01 01 01 01 11 0000000000"),
        // A template of the structure that there is not.
        &bytes("10000001 0000000000000001 10000 000000 00000 11 00 0 00 0 0000000000000000"),
    ] {
        assert!(Frame::read(wrong, &mut known).is_err(), "{wrong:x?}");
        assert_eq!(known, before);
    }
}

#[test]
fn numbers_are_written_anew() {
    let mut wire = bytes(L1T3);
    renumber(&mut wire, 0xfffe, 62);
    let mut known = None;
    let frame = Frame::read(&wire, &mut known).unwrap();
    assert_eq!((frame.number, frame.structure.offset(), frame.structure.templates().len()), (0xfffe, 62, 5));
    assert_eq!((frame.spatial(), frame.diffs().count(), frame.resolution()), (0, 0, Some((640, 360))));
    let mut packet = [0x44, 0, 0];
    renumber(&mut packet, 0x0203, 62);
    assert_eq!(packet, [0x42, 2, 3], "numbers of templates wrap");
    assert_eq!(Frame::read(&packet, &mut known).unwrap().temporal(), 2);
    renumber(&mut wire, 258, 2);
    assert_eq!(wire, bytes(L1T3));
    for junk in [&mut [][..], &mut [1, 2]] {
        let before = junk.to_vec();
        renumber(junk, 7, 7);
        assert_eq!(junk, before);
    }
}

/// A descriptor as a sender sees it.
struct Written {
    bits: Vec<bool>,
}

impl Written {
    fn put(&mut self, value: u32, count: u32) {
        self.bits.extend((0..count).rev().map(|at| value >> at & 1 == 1));
    }

    /// `ns(n)`, by its definition.
    fn below(&mut self, value: u32, bound: u32) {
        let width = 32 - bound.leading_zeros();
        let short = (1 << width) - bound;
        if value < short { self.put(value, width - 1) } else { self.put(value + short, width) }
    }

    fn bytes(&self) -> Vec<u8> {
        self.bits
            .chunks(8)
            .map(|byte| (0..8).fold(0, |all, at| all << 1 | u8::from(byte.get(at) == Some(&true))))
            .collect()
    }
}

/// Some template of a made-up structure.
#[derive(Clone, Debug)]
struct Made {
    layer: (u8, u8),
    indications: Vec<u32>,
    diffs: Vec<u8>,
    chains: Vec<u8>,
}

fn any(rng: &mut Rng, bound: u64) -> u32 {
    u32::try_from(rng.below(bound)).unwrap()
}

fn small(rng: &mut Rng, bound: u64) -> u8 {
    u8::try_from(rng.below(bound)).unwrap()
}

fn make(rng: &mut Rng, targets: usize, chains: usize) -> Vec<Made> {
    let (mut layer, mut made) = ((0, 0), Vec::new());
    for _ in 0..=rng.below(14) {
        made.push(Made {
            layer,
            indications: (0..targets).map(|_| any(rng, 4)).collect(),
            diffs: (0..rng.below(4)).map(|_| 1 + small(rng, 16)).collect(),
            chains: (0..chains).map(|_| small(rng, 16)).collect(),
        });
        match rng.below(3) {
            1 if layer.1 < 7 => layer.1 += 1,
            2 if layer.0 < 3 => layer = (layer.0 + 1, 0),
            _ => {}
        }
    }
    made
}

fn write_structure(to: &mut Written, (offset, targets, chains): (u32, u32, u32), made: &[Made], sized: bool) {
    to.put(offset, 6);
    to.put(targets - 1, 5);
    for pair in made.windows(2) {
        let step = match (pair[0].layer, pair[1].layer) {
            (one, other) if one == other => 0,
            (one, other) if one.0 == other.0 => 1,
            _ => 2,
        };
        to.put(step, 2);
    }
    to.put(3, 2);
    made.iter().flat_map(|template| &template.indications).for_each(|two| to.put(*two, 2));
    for template in made {
        for diff in &template.diffs {
            to.put(1, 1);
            to.put(u32::from(diff - 1), 4);
        }
        to.put(0, 1);
    }
    to.below(chains, targets + 1);
    if chains > 0 {
        (0..targets).for_each(|target| to.below(target % chains, chains));
        made.iter().flat_map(|template| &template.chains).for_each(|diff| to.put(u32::from(*diff), 4));
    }
    to.put(u32::from(sized), 1);
    for layer in 0..=made.last().unwrap().layer.0 {
        if sized {
            to.put(319 << layer, 16);
            to.put(65_535, 16);
        }
    }
}

/// What any sender may say is read as it was meant.
#[test]
fn what_is_written_is_read() {
    for seed in 0..2000 {
        let rng = &mut Rng::from_number(seed);
        let targets = if seed % 10 == 0 { 32 } else { 1 + any(rng, 12) };
        let chains = any(rng, u64::from(targets) + 1);
        let made = make(rng, targets as usize, chains as usize);
        let (offset, sized) = (any(rng, 64), rng.chance(500));
        let index = usize::try_from(rng.below(made.len() as u64)).unwrap();
        let [active, indications, diffs, chain_diffs] = [0; 4].map(|_| rng.chance(500));
        let number = any(rng, 65_536);
        let mut to = Written { bits: Vec::new() };
        to.put(2, 2);
        to.put((offset + u32::try_from(index).unwrap()) % 64, 6);
        to.put(number, 16);
        for flag in [true, active, indications, diffs, chain_diffs] {
            to.put(u32::from(flag), 1);
        }
        write_structure(&mut to, (offset, targets, chains), &made, sized);
        let mut expected = made[index].clone();
        let mut far: Vec<u16> = expected.diffs.iter().copied().map(u16::from).collect();
        let bitmask = any(rng, 1 << targets);
        if active {
            to.put(bitmask, targets);
        }
        if indications {
            expected.indications.iter_mut().for_each(|two| *two = any(rng, 4));
            expected.indications.iter().for_each(|two| to.put(*two, 2));
        }
        if diffs {
            far.clear();
            for _ in 0..rng.below(5) {
                let size = 1 + any(rng, 3);
                let diff = any(rng, 1 << (4 * size));
                to.put(size, 2);
                to.put(diff, 4 * size);
                far.push(u16::try_from(diff + 1).unwrap());
            }
            to.put(0, 2);
        }
        if chain_diffs {
            expected.chains.iter_mut().for_each(|diff| *diff = small(rng, 256));
            expected.chains.iter().for_each(|diff| to.put(u32::from(*diff), 8));
        }
        let (wire, mut known) = (to.bytes(), None);
        let frame = Frame::read(&wire, &mut known).unwrap();
        let what = format!("seed {seed}");
        assert_eq!((frame.begins, frame.ends, u32::from(frame.number)), (true, false, number), "{what}");
        assert_eq!((frame.spatial(), frame.temporal()), expected.layer, "{what}");
        let all = u32::MAX >> (32 - targets);
        assert_eq!(frame.active, Some(if active { bitmask } else { all }), "{what}");
        let two = |target: usize| match frame.indications.of(target) {
            NotPresent => 0,
            Discardable => 1,
            Switch => 2,
            Required => 3,
        };
        assert!((0..targets as usize).map(two).eq(expected.indications), "{what}");
        assert!(frame.diffs().eq(far), "{what}");
        assert!(frame.chain_diffs().eq(expected.chains), "{what}");
        let size = sized.then_some(((319 << expected.layer.0) + 1, 65_536));
        assert_eq!(frame.resolution(), size, "{what}");
        let layers: Vec<_> = frame.structure.templates().iter().map(|t| (t.spatial, t.temporal)).collect();
        assert!(made.iter().map(|template| template.layer).eq(layers), "{what}");
        let chain = |target: u32| target.checked_rem(chains);
        let read = |target: u32| frame.structure.chain_of(target as usize).map(u32::from);
        assert!((0..targets).all(|target| read(target) == chain(target)), "{what}");
    }
}

/// What Chromium 156 sends at first in mode L3T3_KEY, 1280 × 720: the largest pictures are not sent yet.
const CHROMIUM: &str = "
    800001c0081485214eaaaaa8000600004000100002aa80a8000600004000100002a000a800060000400016d549241b5524906d54923157e001974ca864\
    330e222396eca8655304224390eca87753013f00b3027f016704ff02cf1f80
    400001 850002 450002 c300031a20100800 8800041a20181000 4800041a20181000 c200051a60201800 8700061a60282000";

#[test]
fn what_chromium_sends_is_read() {
    let wires = CHROMIUM.split_whitespace().map(|hex| {
        let bytes = (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap());
        bytes.collect::<Vec<u8>>()
    });
    let mut known = None;
    let mut frames = Vec::new();
    for wire in wires {
        let frame = Frame::read(&wire, &mut known).unwrap();
        let structure = frame.structure;
        assert_eq!((structure.targets(), structure.chains(), structure.offset()), (9, 3, 0));
        assert_eq!(structure.resolutions(), [(320, 180), (640, 360), (1280, 720)]);
        assert_eq!(frame.active, frame.is_new.then_some(0b11_1111));
        let layer = (frame.spatial(), frame.temporal());
        frames.push((frame.number, layer, frame.diffs().collect::<Vec<_>>()));
    }
    frames.dedup();
    let expected = [
        (1, (0, 0), vec![]),
        (2, (1, 0), vec![1]),
        (3, (0, 2), vec![2]),
        (4, (1, 2), vec![2]),
        (5, (0, 1), vec![4]),
        (6, (1, 1), vec![4]),
    ];
    assert_eq!(frames, expected);
}
