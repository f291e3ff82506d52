//! Files of sound and pictures, and the codecs that make and play them. Nothing here knows of a network.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`ogg`] | Opus in Ogg, read and written (RFC 3533, RFC 7845) |
//! | [`ivf`] | VP8, VP9 and AV1 in IVF, read and written |
//! | [`wav`] | PCM in WAVE, read |
//! | [`h264`] | an H.264 byte stream (ITU-T H.264 Annex B), cut into access units |
//! | [`opus`] | an encoder and decoder of Opus (RFC 6716), around libopus |
//! | [`vp8`] | an encoder of VP8 (RFC 6386) for drawn pictures |
//! | [`pattern`] | test pictures and sounds that a program can read the time from |
//! | [`webm`] | WebM and Matroska (RFC 9559), read and written |
//! | [`play`] | any of these files as a row of frames with their times |
//!
//! Readers take what anybody wrote: they bound what they hold, and what cannot be read is an error that says where.

pub mod h264;
pub mod ivf;
pub mod ogg;
pub mod opus;
pub mod pattern;
mod picture;
pub mod play;
pub mod resample;
#[cfg(test)]
mod testing;
pub mod vp8;
pub mod wav;
pub mod webm;

pub use picture::Picture;

use std::fmt;
use std::io;

/// Why a file cannot be read, or not further.
#[derive(Debug)]
pub enum Error {
    /// The system says so.
    Io(io::Error),
    /// What was found is not what the format says: what, and at which byte of the file.
    Malformed(&'static str, u64),
    /// It is well-formed and cannot be used here: what it is, and what would be right.
    Unsupported(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Malformed(what, at) => write!(f, "{what} (at byte {at})"),
            Self::Unsupported(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Reads as much as there is; whether the buffer is full.
fn fill(from: &mut impl io::Read, buf: &mut [u8]) -> io::Result<usize> {
    let mut len = 0;
    while len < buf.len() {
        match from.read(&mut buf[len..]) {
            Ok(0) => break,
            Ok(more) => len += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(len)
}
