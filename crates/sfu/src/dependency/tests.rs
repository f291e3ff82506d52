//! What modes of the specification come to for receivers of each step.

use super::*;
use crate::dependency::svc::{self, Mode, Needs};

pub(crate) const L1T3: Mode = Mode { spatial: 1, temporal: 3, needs: Needs::Lower };
pub(crate) const L3T3: Mode = Mode { spatial: 3, temporal: 3, needs: Needs::Lower };
pub(crate) const L3T3_KEY: Mode = Mode { spatial: 3, temporal: 3, needs: Needs::LowerOfKey };
pub(crate) const S3T3: Mode = Mode { spatial: 3, temporal: 3, needs: Needs::Nothing };

fn step(spatial: u8, temporal: u8) -> Step {
    Step { spatial, temporal }
}

fn frame(spatial: u8, temporal: u8, key: bool) -> svc::Frame {
    svc::Frame { spatial, temporal, key }
}

/// Knows the structure of a mode.
fn known(mode: Mode) -> (Dependencies, Told) {
    let mut dependencies = Dependencies::default();
    let told = dependencies.read(&mode.descriptor((7, 60), frame(0, 0, true), (true, false), None));
    (dependencies, told)
}

fn read(dependencies: &mut Dependencies, mode: Mode, of: svc::Frame) -> Told {
    dependencies.read(&mode.descriptor((0x0203, 60), of, (false, true), None))
}

#[test]
fn a_structure_tells_layers_and_sizes() {
    for (mode, top, apart, heights) in [
        (L1T3, step(0, 2), false, [180, 0, 0, 0]),
        (L3T3, step(2, 2), false, [180, 360, 720, 0]),
        (L3T3_KEY, step(2, 2), true, [180, 360, 720, 0]),
        (S3T3, step(2, 2), true, [180, 360, 720, 0]),
    ] {
        let (dependencies, told) = known(mode);
        assert_eq!(
            (dependencies.declared, dependencies.top, dependencies.apart),
            (top, top, apart),
            "{mode:?}"
        );
        assert_eq!(dependencies.heights(), Some(heights), "{mode:?}");
        assert!(told.key && told.descriptor.begins && !told.descriptor.ends);
        let count = u8::try_from(usize::from(mode.spatial) * 4).unwrap();
        assert_eq!(told.marks.templates, Some((60, (60 + count) % 64)));
    }
}

/// Each step gets the frames of its decode target, and steps beyond the highest those of the highest.
#[test]
fn receivers_of_each_step_need_the_frames_of_their_target() {
    for mode in [L1T3, L3T3, L3T3_KEY, S3T3] {
        let (mut dependencies, _) = known(mode);
        for (spatial, temporal) in (0..mode.spatial).flat_map(|s| (0..3).map(move |t| (s, t))) {
            let of = frame(spatial, temporal, false);
            let told = read(&mut dependencies, mode, of);
            assert!(!told.key && !told.descriptor.begins && told.descriptor.ends);
            assert_eq!((told.descriptor.picture, told.descriptor.layer), (0x0203, step(spatial, temporal)));
            for step in steps().chain([Step::ALL]) {
                let target = (step.spatial.min(mode.spatial - 1), step.temporal.min(2));
                assert_eq!(told.marks.is_needed(step), mode.holds(target, of), "{mode:?} {of:?} {step:?}");
            }
            assert_eq!(Marks::of_bytes(told.marks.bytes()), told.marks);
        }
    }
}

/// With a frame of these layers a receiver of some wants others, and comes to others.
type Case = (Mode, Layers, Layers, Layers, Layers);
/// Spatial and temporal.
type Layers = (u8, u8);

#[test]
fn other_layers_are_taken_up_where_the_stream_allows_it() {
    let cases: [Case; 17] = [
        (L1T3, (0, 0), (0, 0), (0, 2), (0, 2)),
        (L1T3, (0, 1), (0, 0), (0, 2), (0, 0)),
        (L1T3, (0, 1), (0, 1), (0, 2), (0, 2)),
        (L1T3, (0, 2), (0, 2), (0, 0), (0, 0)),
        (L3T3, (0, 0), (0, 0), (2, 2), (0, 2)),
        (L3T3, (0, 0), (2, 2), (0, 2), (0, 2)),
        (L3T3, (0, 0), (2, 2), (0, 0), (0, 0)),
        (L3T3, (0, 2), (2, 2), (0, 0), (0, 0)),
        (L3T3, (1, 0), (2, 2), (1, 2), (1, 2)),
        (L3T3, (0, 1), (2, 1), (0, 2), (0, 2)),
        (L3T3, (2, 0), (1, 2), (2, 2), (1, 2)),
        (L3T3_KEY, (0, 0), (2, 2), (0, 2), (2, 2)),
        (L3T3_KEY, (0, 0), (2, 2), (0, 1), (2, 1)),
        (L3T3_KEY, (0, 0), (0, 0), (1, 2), (0, 2)),
        (L3T3_KEY, (2, 0), (2, 0), (2, 2), (2, 2)),
        (S3T3, (1, 0), (0, 2), (1, 2), (0, 2)),
        (S3T3, (0, 0), (0, 1), (0, 2), (0, 2)),
    ];
    for (mode, layer, now, wanted, expected) in cases {
        let (mut dependencies, first) = known(mode);
        let told = read(&mut dependencies, mode, frame(layer.0, layer.1, false));
        let [now, wanted, expected] =
            [now, wanted, expected].map(|(spatial, temporal)| step(spatial, temporal));
        let what = format!("{mode:?} {layer:?} {now:?} {wanted:?}");
        assert_eq!(told.marks.towards(now, wanted, told.key), expected, "{what}");
        assert_eq!(first.marks.towards(now, wanted, first.key), wanted, "a keyframe: {what}");
    }
}

#[test]
fn targets_that_are_not_sent_are_not_waited_for() {
    let (mut dependencies, _) = known(L3T3_KEY);
    // The three of the largest pictures are the first.
    let packet = |active| L3T3_KEY.descriptor((9, 60), frame(0, 1, false), (true, true), active);
    assert_eq!(dependencies.read(&packet(Some(0b1_1111_1000))).marks.within(Step::ALL), step(1, 2));
    assert_eq!(
        dependencies.read(&packet(None)).marks.within(Step::ALL),
        step(1, 2),
        "it holds until it is told"
    );
    assert_eq!(dependencies.read(&packet(Some(0b1_0000_0000))).marks.within(Step::ALL), step(0, 0));
    assert_eq!(dependencies.read(&packet(Some(0b1_1111_1111))).marks.within(step(2, 1)), step(2, 1));
}

#[test]
fn what_is_of_no_known_structure_is_for_everybody() {
    let mut dependencies = Dependencies::default();
    let told = dependencies.read(&[0x45, 2, 3]);
    assert!(steps().all(|step| told.marks.is_needed(step) && !told.marks.switches(step)));
    assert_eq!((told.key, told.descriptor.picture, told.descriptor.ends), (false, 0x0203, true));
}

#[test]
fn templates_of_one_structure_are_not_taken_for_those_of_another() {
    let (_, told) = known(L3T3);
    // 60 to 71, which is 7; they are to begin at 63.
    let shift = told.marks.templates_behind(63);
    assert_eq!((shift, told.marks.next_template(shift)), (3, Some(11)));
}
