//! WebM and Matroska files (RFC 9559, over EBML, RFC 8794): a [`Reader`] that takes ordinary files apart as their bytes
//! come, a [`Writer`] whose files can be played at any moment of their making, and a [`Recovery`] that finishes what a
//! writer could not. All three take and give bytes; opening files is for others.
//!
//! WebM holds VP8, VP9, AV1 and Opus. H.264 is not of WebM, so it goes into Matroska ([`Container::Matroska`], `.mkv`),
//! which has the same structure and which browsers and players that know H.264 take as well.
//!
//! Frames are what [`Format`] says: H.264 is a byte stream with start codes here, whatever the file has, and a keyframe
//! brings its parameter sets; AV1 is a temporal unit without delimiter.
//!
//! ```
//! use std::time::Duration;
//! use flow::payload::Format;
//! use media::webm::{Change, Config, Reader, Writer};
//!
//! let mut writer = Writer::new(&Config::default());
//! let sound = writer.add_track(Format::Opus)?;
//! writer.write(sound, Duration::from_millis(20), true, &[0xf8, 0xff, 0xfe]);
//! writer.finish();
//! let mut file = Vec::new(); // or a real one
//! for change in writer.changes() {
//!     match change {
//!         Change::Append(bytes) => file.extend(bytes),
//!         Change::Patch { at, bytes } => file[at as usize..][..bytes.len()].copy_from_slice(&bytes),
//!         Change::Truncate(len) => file.truncate(len as usize),
//!     }
//! }
//!
//! let mut reader = Reader::new();
//! reader.push(&file);
//! let frame = reader.next_frame()?.expect("one frame was written");
//! assert_eq!((frame.at, &frame.data[..]), (Duration::from_millis(20), &[0xf8, 0xff, 0xfe][..]));
//! assert_eq!(reader.tracks()[0].format, Some(Format::Opus));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bitstream;
mod block;
mod ebml;
mod index;
mod reader;
mod recovery;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt;
use std::time::Duration;

use flow::payload::Format;

pub use bitstream::{dimensions, opus_duration};
pub use reader::{MAX_FRAME, MAX_TRACKS, Reader};
pub use recovery::Recovery;
pub use writer::{AddTrackError, Config, Container, TrackId, Writer};

/// A track of a file that is read.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Track {
    /// How frames name it (RFC 9559 §5.1.4.1.1).
    pub number: u64,
    /// What its frames are; `None` for what this crate does not read, whose frames are left out.
    pub format: Option<Format>,
    /// The codec's name in the file, such as `V_VP8`.
    pub codec_id: String,
    /// What the codec needs to begin, as it stands in the file: `OpusHead` (RFC 7845 §5.1), `avcC`, `av1C`.
    pub codec_private: Vec<u8>,
    /// The size of its pictures in pixels; 0 for sound, or when it is not told.
    pub width: u32,
    /// See [`Track::width`].
    pub height: u32,
    /// Channels of its sound; 0 for pictures.
    pub channels: u8,
    /// How long a frame lasts, if the file says so.
    pub frame_duration: Option<Duration>,
    /// What is to be left out at the beginning of the decoded sound (RFC 9559 §5.1.4.1.27).
    pub codec_delay: Duration,
}

/// A frame of a file that is read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Of which track ([`Track::number`]).
    pub track: u64,
    /// When it is shown or begins to sound, from the beginning of the file.
    pub at: Duration,
    /// It can be decoded without any before it.
    pub keyframe: bool,
    /// The frame, as [`Format`] says.
    pub data: Vec<u8>,
}

/// What is to be done to a file; in this order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// These bytes go to its end.
    Append(Vec<u8>),
    /// These bytes take the place of as many others; they never reach beyond the end.
    Patch {
        /// Of the first byte, from the beginning of the file.
        at: u64,
        /// What stands there from now on.
        bytes: Vec<u8>,
    },
    /// It is cut to this length. Only a [`Recovery`] says so.
    Truncate(u64),
}

/// Why a file cannot be read, or not any further.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ReadError {
    /// It does not begin as a WebM or Matroska file does.
    NotMatroska,
    /// It is of a newer kind of EBML or Matroska, or of another document type.
    Unsupported(String),
    /// Something in it is not as it has to be.
    Malformed {
        /// Where, in bytes from the beginning.
        at: u64,
        /// What.
        what: &'static str,
    },
    /// A part is larger than this reader keeps in memory.
    TooLarge {
        /// Where, in bytes from the beginning.
        at: u64,
        /// How large.
        size: u64,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotMatroska => {
                f.write_str("this is no WebM or Matroska file: it does not begin with an EBML header")
            }
            Self::Unsupported(what) => {
                write!(f, "this WebM or Matroska file is {what}, which is not read here")
            }
            Self::Malformed { at, what } => write!(f, "the file is damaged at byte {at}: {what}"),
            Self::TooLarge { at, size } => {
                write!(
                    f,
                    "the part of the file at byte {at} has {size} bytes, which is more than is read at once"
                )
            }
        }
    }
}

impl std::error::Error for ReadError {}

/// The name of a codec in the file.
const fn codec_id(format: Format) -> &'static str {
    match format {
        Format::Opus => "A_OPUS",
        Format::Vp8 => "V_VP8",
        Format::Vp9 => "V_VP9",
        Format::H264 => "V_MPEG4/ISO/AVC",
        Format::Av1 => "V_AV1",
    }
}
