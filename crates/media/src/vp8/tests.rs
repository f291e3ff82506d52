use super::*;

/// Writes pictures as they come, and has them decoded by another program.
#[test]
fn another_decoder_shows_what_the_encoder_says_it_shows() {
    for (width, height) in [(16, 16), (64, 48), (173, 99)] {
        let mut encoder = Encoder::new(width, height, 400_000, 30).unwrap();
        let mut rng = wire::Rng::from_number(9);
        let (mut data, mut shown) = (Vec::new(), Vec::new());
        let mut file = crate::ivf::Writer::new(&mut data, crate::ivf::Header::vp8(width, height)).unwrap();
        for at in 0..40 {
            let mut picture = Picture::new(width, height);
            for (place, value) in picture.luma.iter_mut().enumerate() {
                let (x, y) = (place % width, place / width);
                *value = u8::try_from((x * 3 + y * 2 + at * 5) % 256).unwrap();
                if x + y < at * 4 && at % 7 > 2 {
                    *value = rng.array::<1>()[0];
                }
            }
            picture.chroma[0]
                .iter_mut()
                .enumerate()
                .for_each(|(n, v)| *v = u8::try_from((n + at) % 200).unwrap());
            let encoded = encoder.encode(&picture, at == 20);
            assert_eq!(encoded.keyframe, at % 20 == 0);
            file.write(u64::try_from(at).unwrap(), &encoded.data).unwrap();
            shown.extend(encoder.shown().to_bytes());
        }
        let decoded = crate::testing::ffmpeg(
            &["-f", "ivf", "-i", "-", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-vsync", "0", "-"],
            &data,
        );
        let size = Picture::new(width, height).to_bytes().len();
        for (at, (a, b)) in decoded.chunks(size).zip(shown.chunks(size)).enumerate() {
            assert!(
                a == b,
                "{width}x{height}: picture {at} differs at {:?}",
                a.iter().zip(b).position(|(a, b)| a != b)
            );
        }
        assert_eq!(decoded.len(), shown.len());
    }
}
