use ::media::play::is_keyframe;
use ::media::{h264, ivf, ogg, wav};

/// Reads Opus in Ogg: packets follow one another, and none is more than a decoder takes.
pub fn media_ogg(data: &[u8]) {
    let Ok(mut reader) = ogg::Reader::new(data) else { return };
    let mut next = 0;
    while let Ok(Some(packet)) = reader.read() {
        assert_eq!(packet.sample, next);
        assert!(
            (1..=::media::opus::MOST_SAMPLES).contains(&packet.samples) && packet.data.len() <= data.len()
        );
        next += u64::from(packet.samples);
    }
}

/// Reads IVF. What was read can be written, and reads the same.
pub fn media_ivf(data: &[u8]) {
    let Ok(mut reader) = ivf::Reader::new(data) else { return };
    let header = reader.header();
    let mut writer = ivf::Writer::new(Vec::new(), header).expect("a vector takes everything");
    let mut frames = Vec::new();
    while let Ok(Some(frame)) = reader.read() {
        let _ = (is_keyframe(header.format, &frame.data), header.nanos(frame.ticks));
        writer.write(frame.ticks, &frame.data).expect("it was read");
        frames.push(frame);
    }
    let bytes = writer.into_inner();
    let mut again = ivf::Reader::new(&bytes[..]).expect("it was written");
    assert_eq!(again.header(), header);
    for frame in frames {
        assert_eq!(again.read().ok().flatten(), Some(frame));
    }
}

/// Reads WAVE: every value is one that can be played.
pub fn media_wav(data: &[u8]) {
    let Ok(mut reader) = wav::Reader::new(data) else { return };
    let wide = usize::from(reader.channels());
    assert!((1..=8).contains(&wide) && (1_000..=384_000).contains(&reader.rate()));
    while let Ok(values) = reader.read(100) {
        assert!(values.len() <= 100 * wide && values.len() % wide == 0);
        assert!(values.iter().all(|value| (-1.0..=1.0).contains(value)));
        if values.is_empty() {
            return;
        }
    }
}

/// Cuts a byte stream of H.264: nothing of it is lost or doubled, but parameter sets that go with keyframes.
pub fn media_h264(data: &[u8]) {
    let Ok(mut reader) = h264::Reader::new(data) else { return };
    let mut rest = data;
    while let Ok(Some(unit)) = reader.read() {
        let len = (0..=unit.data.len()).find(|from| rest.starts_with(&unit.data[*from..]));
        let own = unit.data.len() - len.expect("a unit ends with what the stream has");
        assert!(own == unit.data.len() || unit.keyframe);
        rest = &rest[own..];
    }
}
