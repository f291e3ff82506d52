//! Writer, reader and recovery against each other.

use std::time::Duration;

use flow::payload::Format;
use wire::Rng;

use super::{Change, Config, Container, Frame, Reader, Recovery, Writer};

/// Does to a file what it is told.
fn apply(file: &mut Vec<u8>, changes: Vec<Change>) {
    for change in changes {
        match change {
            Change::Append(bytes) => file.extend(bytes),
            Change::Patch { at, bytes } => {
                let at = usize::try_from(at).unwrap();
                file[at..at + bytes.len()].copy_from_slice(&bytes);
            }
            Change::Truncate(len) => file.truncate(usize::try_from(len).unwrap()),
        }
    }
}

/// All frames of a file that comes in pieces of this size.
fn read(file: &[u8], piece: usize) -> (Reader, Vec<Frame>) {
    let (mut reader, mut frames) = (Reader::new(), Vec::new());
    for piece in file.chunks(piece) {
        reader.push(piece);
        while let Some(frame) = reader.next_frame().unwrap() {
            frames.push(frame);
        }
    }
    (reader, frames)
}

fn recover(file: &[u8]) -> Vec<u8> {
    let mut recovery = Recovery::new();
    file.chunks(1000).for_each(|piece| recovery.push(piece).unwrap());
    let mut mended = file.to_vec();
    apply(&mut mended, recovery.finish().unwrap());
    mended
}

fn vp8(rng: &mut Rng, key: bool, len: usize) -> Vec<u8> {
    let mut frame: Vec<u8> = (0..len.max(12)).map(|_| u8::try_from(rng.below(256)).unwrap()).collect();
    let head = [u8::from(!key), 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01];
    frame[..10].copy_from_slice(&head);
    frame
}

/// What was recorded: a file as it was after each frame, and what is in it.
struct Recorded {
    file: Vec<u8>,
    lens: Vec<usize>,
    frames: Vec<Frame>,
    writer: Writer,
}

/// Pictures with a keyframe now and then, sound that begins a little later, and a pause.
fn record(seed: u64, seconds: u64) -> Recorded {
    let mut rng = Rng::from_number(seed);
    let config = Config {
        title: "Größe".repeat(60),
        begun: Some(Duration::from_secs(1_800_000_000)),
        ..Config::default()
    };
    let mut writer = Writer::new(&config);
    let picture = writer.add_track(Format::Vp8).unwrap();
    let (mut file, mut lens, mut frames, mut sound) = (Vec::new(), Vec::new(), Vec::new(), None);
    for at in (0..seconds * 1000).step_by(20) {
        let time = Duration::from_millis(at);
        if at == 200 {
            sound = Some(writer.add_track(Format::Opus).unwrap());
        }
        let paused = (3000..4000).contains(&at);
        if at % 40 == 0 && !paused {
            let key = at == 0 || rng.chance(20);
            let len = usize::try_from(rng.below(3000)).unwrap();
            let data = vp8(&mut rng, key, len);
            assert!(writer.write(picture, time, key, &data));
            frames.push(Frame { track: 1, at: time, keyframe: key, data });
        }
        if let Some(sound) = sound {
            let data = vec![0xf8, u8::try_from(at / 20 % 251).unwrap(), 7];
            assert!(writer.write(sound, time, true, &data));
            frames.push(Frame { track: 2, at: time, keyframe: true, data });
        }
        apply(&mut file, writer.changes());
        lens.push(file.len());
    }
    Recorded { file, lens, frames, writer }
}

#[test]
fn what_is_written_is_read_at_every_moment() {
    for seed in 0..4 {
        let Recorded { mut file, frames, mut writer, .. } = record(seed, 20);
        assert_eq!(writer.len(), file.len() as u64);
        let (reader, found) = read(&file, 777);
        assert!(found == frames, "seed {seed}, not finished");
        assert_eq!(reader.duration(), None);
        writer.finish();
        assert!(
            !writer.write(super::TrackId::first(), Duration::from_secs(99), true, &[0xf8]),
            "it is finished"
        );
        apply(&mut file, writer.changes());
        for piece in [1, 100, 100_000] {
            let (reader, found) = read(&file, piece);
            assert!(found == frames, "seed {seed}, finished, in pieces of {piece}");
            assert_eq!(reader.duration(), Some(Duration::from_secs(20)));
            let sizes: Vec<_> =
                reader.tracks().iter().map(|t| (t.format, t.width, t.height, t.channels)).collect();
            assert_eq!(sizes, [(Some(Format::Vp8), 640, 360, 0), (Some(Format::Opus), 0, 0, 2)]);
        }
    }
}

/// Cut off anywhere, a file is finished with all frames that were whole; and what is finished needs nothing more.
#[test]
fn what_was_cut_off_is_finished() {
    let Recorded { file, lens, frames, .. } = record(9, 12);
    let begin = lens[0];
    let mut rng = Rng::from_number(1);
    for _ in 0..60 {
        let cut = begin + usize::try_from(rng.below((file.len() - begin) as u64)).unwrap();
        let mended = recover(&file[..cut]);
        let (reader, found) = read(&mended, 5000);
        assert!(frames.starts_with(&found), "cut at {cut}");
        let whole = lens.iter().rposition(|len| *len <= cut).unwrap();
        let least =
            frames.iter().filter(|frame| frame.at <= Duration::from_millis(whole as u64 * 20)).count();
        assert!(found.len() >= least, "cut at {cut}: {} of {least} frames", found.len());
        let last = found.iter().map(|frame| frame.at).max().unwrap();
        let duration = reader.duration().unwrap();
        assert!(
            duration > last && duration <= last + Duration::from_millis(40),
            "cut at {cut}: {duration:?}"
        );
        assert!(recover(&mended) == mended, "cut at {cut}: it is finished");
    }
}

/// A server that dies while it finishes: what was done of it is done again.
#[test]
fn half_finished_is_finished() {
    let Recorded { file, frames, mut writer, .. } = record(3, 7);
    writer.finish();
    let changes = writer.changes();
    let mut whole = file.clone();
    apply(&mut whole, changes.clone());
    for done in 0..changes.len() {
        let mut half = file.clone();
        apply(&mut half, changes[..done].to_vec());
        let mended = recover(&half);
        assert!(mended == whole, "after {done} of {}", changes.len());
        assert!(read(&mended, 5000).1 == frames);
    }
}

#[test]
fn places_to_begin_at_are_where_the_index_says() {
    let Recorded { mut file, mut writer, .. } = record(5, 30);
    writer.finish();
    apply(&mut file, writer.changes());
    let segment = file.windows(4).position(|four| four == [0x18, 0x53, 0x80, 0x67]).unwrap() + 12;
    let cues = file.windows(4).rposition(|four| four == [0x1c, 0x53, 0xbb, 0x6b]).unwrap();
    let super::ebml::Parsed::Whole(head) = super::ebml::head(&file[cues..]) else { panic!("no cues") };
    let mut count = 0;
    for (_, point) in super::ebml::children(&file[cues + head.len..]) {
        let time = super::ebml::children(point).next().and_then(|(_, time)| super::ebml::uint(time)).unwrap();
        let positions = super::ebml::children(point).nth(1).unwrap().1;
        let position =
            super::ebml::children(positions).nth(1).and_then(|(_, at)| super::ebml::uint(at)).unwrap();
        let cluster = &file[segment + usize::try_from(position).unwrap()..];
        assert_eq!(cluster[..4], [0x1f, 0x43, 0xb6, 0x75]);
        let timestamp =
            super::ebml::children(&cluster[12..]).next().and_then(|(_, time)| super::ebml::uint(time));
        assert_eq!(timestamp, Some(time));
        count += 1;
    }
    assert!(count >= 5, "{count} in half a minute");
}

#[test]
fn h264_goes_into_matroska_with_its_parameters() {
    let sets = [
        &[0, 0, 0, 1, 0x67, 0x42, 0xe0, 0x1f, 0xda, 0x02, 0x80, 0xbf, 0xe5, 0x40][..],
        &[0, 0, 0, 1, 0x68, 0xce, 6],
    ];
    let key = [sets.concat(), vec![0, 0, 0, 1, 0x65, 1, 2, 3]].concat();
    let other = vec![0, 0, 0, 1, 0x41, 9, 8, 7];
    assert!(Writer::new(&Config::default()).add_track(Format::H264).is_err());
    let mut writer = Writer::new(&Config { container: Container::Matroska, ..Config::default() });
    let track = writer.add_track(Format::H264).unwrap();
    assert!(!writer.write(track, Duration::ZERO, false, &other), "nothing begins without a keyframe");
    assert!(writer.write(track, Duration::from_millis(40), true, &key));
    assert!(writer.write(track, Duration::from_millis(40), false, &other), "made to be later");
    let mut file = Vec::new();
    apply(&mut file, writer.changes());
    let (reader, frames) = read(&file, 64);
    let at: Vec<_> = frames.iter().map(|frame| frame.at.as_millis()).collect();
    assert_eq!((at, &frames[0].data, &frames[1].data), (vec![40, 41], &key, &other));
    assert_eq!(reader.tracks()[0].codec_private[..4], [1, 0x42, 0xe0, 0x1f]);
    assert_eq!((reader.tracks()[0].width, reader.tracks()[0].height), (640, 360));
}

#[test]
fn an_av1_keyframe_without_sequence_header_gets_it() {
    // libaom's: profile 0, level 3.1, 640 by 360.
    let sequence = [0x0a, 0x0a, 0, 0, 0, 0x24, 0xc4, 0xff, 0xdf, 0x3f, 0xfe, 0x40];
    let frame = [0x32, 3, 0x10, 1, 2];
    let mut writer = Writer::new(&Config::default());
    let track = writer.add_track(Format::Av1).unwrap();
    let whole = [&[0x12, 0][..], &sequence, &frame].concat();
    writer.write(track, Duration::ZERO, true, &whole);
    writer.write(track, Duration::from_millis(40), true, &frame);
    let mut file = Vec::new();
    apply(&mut file, writer.changes());
    let (reader, frames) = read(&file, 64);
    let expected = [&sequence[..], &frame].concat();
    assert_eq!((&frames[0].data, &frames[1].data), (&expected, &expected));
    assert_eq!(reader.tracks()[0].codec_private[4..], sequence);
}

#[test]
fn durations_of_sound_are_told_by_the_packet() {
    for (packet, millis) in [
        (&[0xf8, 0xff, 0xfe][..], Some(20.0)),
        (&[0xfb, 3, 1], Some(60.0)),
        (&[0x18, 1], Some(60.0)),
        (&[0xe0, 1], Some(2.5)),
        (&[0x7c, 1], Some(20.0)),
        (&[0x1b, 3], None),
        (&[0xfb, 0], None),
        (&[0xfb], None),
        (&[], None),
    ] {
        let found = super::opus_duration(packet).map(|duration| duration.as_secs_f64() * 1000.0);
        assert_eq!(found, millis, "{packet:x?}");
    }
}

#[test]
fn what_is_no_such_file_is_refused() {
    for (bytes, what) in [
        (&b"OggS\0\x02"[..], "no WebM"),
        (&[0x1a, 0x45, 0xdf, 0xa3, 0x87, 0x42, 0x82, 0x84, b'l', b'i', b'f', b'e'], "of the type"),
        (&[0x1a, 0x45, 0xdf, 0xa3, 0x84, 0x42, 0xf7, 0x81, 2], "version 2 of EBML"),
    ] {
        let mut reader = Reader::new();
        reader.push(bytes);
        let error = reader.next_frame().unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
    let mut reader = Reader::new();
    reader.push(&[0x1a, 0x45, 0xdf, 0xa3, 0x80, 0xa3, 0x08, 0xff, 0xff, 0xff, 0xff]);
    let error = reader.next_frame().unwrap_err().to_string();
    assert!(error.contains("more than is read at once"), "{error}");
    assert!(Recovery::new().finish().is_err());
}

/// Files that FFmpeg made: their tracks, how many frames they have, and how long a frame lasts.
#[test]
fn files_of_others_are_read() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/webm");
    for (name, formats, pictures) in [
        ("vp8.webm", &[Format::Vp8, Format::Opus][..], 5),
        ("vp9.webm", &[Format::Vp9], 5),
        ("h264.mkv", &[Format::H264, Format::Opus], 5),
        ("av1.mkv", &[Format::Av1], 5),
        ("opus.mka", &[Format::Opus], 0),
    ] {
        let file = std::fs::read(folder.join(name)).unwrap();
        let (reader, frames) = read(&file, 100);
        let found: Vec<_> = reader.tracks().iter().filter_map(|track| track.format).collect();
        assert_eq!(found, formats, "{name}");
        let video: Vec<&Frame> = frames
            .iter()
            .filter(|frame| {
                reader.tracks().iter().any(|track| track.number == frame.track && track.width == 32)
            })
            .collect();
        assert_eq!(video.len(), pictures, "{name}");
        let format = formats[0];
        for (at, frame) in (0..).zip(&video) {
            assert!(frame.at.abs_diff(Duration::from_millis(at * 200)) < Duration::from_millis(10), "{name}");
            assert_eq!(frame.keyframe, at == 0, "{name}");
            let size = super::dimensions(format, &frame.data);
            assert!(at > 0 || size == Some((32, 32)), "{name}: {size:?} by its first frame");
        }
        if formats.contains(&Format::Opus) {
            let sound: Duration = frames
                .iter()
                .filter(|frame| reader.tracks().iter().any(|t| t.number == frame.track && t.channels > 0))
                .filter_map(|frame| super::opus_duration(&frame.data))
                .sum();
            assert!(sound.abs_diff(Duration::from_secs(1)) < Duration::from_millis(60), "{name}: {sound:?}");
        }
    }
}
