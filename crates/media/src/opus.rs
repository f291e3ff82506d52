//! Opus (RFC 6716), around libopus.
#![expect(unsafe_code, reason = "libopus is a C library: each call gives its reason")]

use std::ptr::NonNull;

use opusic_sys as sys;

/// The most samples of 48 kHz in a packet: 120 ms (RFC 6716 §3.2.5).
pub const MOST_SAMPLES: u16 = 5760;
/// Samples of 48 kHz in a frame of 20 ms.
pub const FRAME: usize = 960;
/// The longest packet of one frame, in bytes (RFC 6716 §3.4).
const LONGEST: usize = 1275;

/// How many samples of 48 kHz a packet has, by its first bytes (RFC 6716 §3.1); `None` if it is no packet.
pub fn samples(packet: &[u8]) -> Option<u16> {
    let toc = *packet.first()?;
    let frame: u16 = match toc >> 3 {
        config @ 0..12 => [480, 960, 1920, 2880][usize::from(config % 4)],
        config @ 12..16 => [480, 960][usize::from(config % 2)],
        config => [120, 240, 480, 960][usize::from(config % 4)],
    };
    let count = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u16::from(packet.get(1)? & 0x3f),
    };
    let samples = frame.checked_mul(count)?;
    (1..=MOST_SAMPLES).contains(&samples).then_some(samples)
}

/// Why libopus did not do it: its code, which is negative.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Error(pub i32);

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            sys::OPUS_BAD_ARG => "Opus takes 1 or 2 channels, and whole frames",
            sys::OPUS_INVALID_PACKET => "this is no packet of Opus",
            sys::OPUS_ALLOC_FAIL => "no memory for Opus",
            _ => "Opus has failed",
        })
    }
}

impl std::error::Error for Error {}

/// An encoder of 48 kHz.
#[derive(Debug)]
pub struct Encoder {
    state: NonNull<sys::OpusEncoder>,
    channels: usize,
}

// SAFETY: libopus keeps all of an encoder in its own memory and uses no thread-local state.
unsafe impl Send for Encoder {}

impl Encoder {
    /// For 1 or 2 channels, at so many bits per second (6,000 to 510,000).
    ///
    /// # Errors
    /// Another number of channels, or no memory.
    pub fn new(channels: u8, rate: u32) -> Result<Self, Error> {
        let mut code = 0;
        // SAFETY: `code` outlives the call; libopus checks the numbers and answers with null and a code.
        let state = unsafe {
            sys::opus_encoder_create(48_000, channels.into(), sys::OPUS_APPLICATION_AUDIO, &raw mut code)
        };
        let state = NonNull::new(state).ok_or(Error(code))?;
        let encoder = Self { state, channels: channels.into() };
        let rate = i32::try_from(rate.clamp(6_000, 510_000)).unwrap_or(510_000);
        // SAFETY: the state is ours and alive; this request takes one `opus_int32`.
        let code =
            unsafe { sys::opus_encoder_ctl(encoder.state.as_ptr(), sys::OPUS_SET_BITRATE_REQUEST, rate) };
        if code == sys::OPUS_OK { Ok(encoder) } else { Err(Error(code)) }
    }

    /// Encodes 2.5, 5, 10, 20, 40 or 60 ms: a value of -1 to 1 for each channel in turn.
    ///
    /// # Errors
    /// Another length.
    pub fn encode(&mut self, values: &[f32]) -> Result<Vec<u8>, Error> {
        let moments = values.len() / self.channels;
        let count = i32::try_from(moments).map_err(|_| Error(sys::OPUS_BAD_ARG))?;
        if moments * self.channels != values.len() {
            return Err(Error(sys::OPUS_BAD_ARG));
        }
        // Three frames of 20 ms may be in one packet.
        let mut packet = vec![0; 3 * LONGEST + 2];
        let room = i32::try_from(packet.len()).unwrap_or(i32::MAX);
        // SAFETY: `values` has `count` moments of all channels, `packet` has `room` bytes, the state is ours alone.
        let len = unsafe {
            sys::opus_encode_float(self.state.as_ptr(), values.as_ptr(), count, packet.as_mut_ptr(), room)
        };
        packet.truncate(usize::try_from(len).map_err(|_| Error(len))?);
        Ok(packet)
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // SAFETY: it was made by `opus_encoder_create`, and nobody else has it.
        unsafe { sys::opus_encoder_destroy(self.state.as_ptr()) }
    }
}

/// A decoder to 48 kHz.
#[derive(Debug)]
pub struct Decoder {
    state: NonNull<sys::OpusDecoder>,
    channels: usize,
}

// SAFETY: as for the encoder.
unsafe impl Send for Decoder {}

impl Decoder {
    /// Gives 1 or 2 channels, whatever the packets have.
    ///
    /// # Errors
    /// Another number of channels, or no memory.
    pub fn new(channels: u8) -> Result<Self, Error> {
        let mut code = 0;
        // SAFETY: `code` outlives the call; libopus checks the numbers and answers with null and a code.
        let state = unsafe { sys::opus_decoder_create(48_000, channels.into(), &raw mut code) };
        let state = NonNull::new(state).ok_or(Error(code))?;
        Ok(Self { state, channels: channels.into() })
    }

    /// Decodes a packet: a value for each channel in turn.
    ///
    /// # Errors
    /// It is no packet of Opus.
    pub fn decode(&mut self, packet: &[u8]) -> Result<Vec<f32>, Error> {
        let len = i32::try_from(packet.len()).map_err(|_| Error(sys::OPUS_INVALID_PACKET))?;
        // To libopus no bytes are a lost packet.
        if len == 0 {
            return Err(Error(sys::OPUS_INVALID_PACKET));
        }
        let most = usize::from(MOST_SAMPLES);
        let mut values = vec![0.0; most * self.channels];
        // SAFETY: `packet` has `len` bytes, `values` has room for the most moments of all channels, the state is ours alone.
        let count = unsafe {
            sys::opus_decode_float(
                self.state.as_ptr(),
                packet.as_ptr(),
                len,
                values.as_mut_ptr(),
                MOST_SAMPLES.into(),
                0,
            )
        };
        values.truncate(usize::try_from(count).map_err(|_| Error(count))? * self.channels);
        Ok(values)
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: it was made by `opus_decoder_create`, and nobody else has it.
        unsafe { sys::opus_decoder_destroy(self.state.as_ptr()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_survives() {
        for channels in [1, 2] {
            let mut encoder = Encoder::new(channels, 64_000).unwrap();
            let mut decoder = Decoder::new(channels).unwrap();
            let wide = usize::from(channels);
            let (mut sent, mut heard) = (Vec::new(), Vec::new());
            for frame in 0..50 {
                let values: Vec<f32> = (0..FRAME)
                    .flat_map(|at| {
                        #[expect(clippy::cast_precision_loss, reason = "below 48,000")]
                        let time = (frame * FRAME + at) as f32 / 48_000.0;
                        std::iter::repeat_n(0.4 * (std::f32::consts::TAU * 440.0 * time).sin(), wide)
                    })
                    .collect();
                let packet = encoder.encode(&values).unwrap();
                assert_eq!(samples(&packet), Some(960));
                heard.extend(decoder.decode(&packet).unwrap());
                sent.extend(values);
            }
            assert_eq!(sent.len(), heard.len());
            // Once the encoder's look-ahead of 6.5 ms is taken off.
            let late = 312 * wide;
            let off =
                sent[4800 * wide..].iter().zip(&heard[4800 * wide + late..]).map(|(a, b)| (a - b).abs());
            assert!(off.fold(0.0, f32::max) < 0.05);
        }
    }

    #[test]
    fn lengths_are_told_by_the_first_bytes() {
        for (packet, wanted) in [
            (&[][..], None),
            (&[0x00], Some(480)),
            (&[0x18], Some(2880)),
            (&[0xe0], Some(120)),
            (&[0xf9], Some(1920)),
            (&[0xfb], None),
            (&[0xfb, 6], Some(5760)),
            (&[0xfb, 7], None),
            (&[0xfb, 0], None),
        ] {
            assert_eq!(samples(packet), wanted, "{packet:x?}");
        }
    }

    #[test]
    fn misuse_and_junk_are_refused() {
        assert_eq!(Encoder::new(3, 64_000).unwrap_err(), Error(sys::OPUS_BAD_ARG));
        assert!(Encoder::new(1, 64_000).unwrap().encode(&[0.0; 100]).is_err());
        assert!(Encoder::new(2, 64_000).unwrap().encode(&[0.0; 961]).is_err());
        let mut decoder = Decoder::new(1).unwrap();
        assert!(decoder.decode(&[]).is_err() && decoder.decode(&[0xff, 0xff]).is_err());
    }
}
