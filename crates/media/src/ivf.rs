//! Pictures in IVF: a header of 32 bytes, and before each frame its length and its time. All numbers are little-endian.

use std::io::{Read, Write};

use flow::payload::Format;

use crate::{Error, fill};

/// The longest frame that is read, in bytes.
pub const LONGEST: usize = 16 << 20;

const HEADER: usize = 32;

/// What stands before the frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// VP8, VP9, AV1 or H.264.
    pub format: Format,
    /// Pixels in a row.
    pub width: u16,
    /// Rows.
    pub height: u16,
    /// Ticks of the frames' times in so many seconds: ticks, seconds. Neither is 0.
    pub rate: (u32, u32),
}

impl Header {
    /// VP8 at 30 pictures per second; sides beyond 65,535 are told as that.
    pub fn vp8(width: usize, height: usize) -> Self {
        let side = |side: usize| u16::try_from(side).unwrap_or(u16::MAX);
        Self { format: Format::Vp8, width: side(width), height: side(height), rate: (30, 1) }
    }

    fn code(self) -> [u8; 4] {
        match self.format {
            Format::Vp8 => *b"VP80",
            Format::Vp9 => *b"VP90",
            Format::Av1 => *b"AV01",
            Format::H264 => *b"H264",
            // Nobody asks for it, and nobody could read it.
            Format::Opus => *b"Opus",
        }
    }

    /// A frame's time in nanoseconds.
    pub fn nanos(&self, ticks: u64) -> u64 {
        let (per, seconds) = (u128::from(self.rate.0.max(1)), u128::from(self.rate.1));
        u64::try_from(u128::from(ticks) * seconds * 1_000_000_000 / per).unwrap_or(u64::MAX)
    }
}

/// Reads frames.
#[derive(Debug)]
pub struct Reader<R> {
    from: R,
    header: Header,
    at: u64,
}

/// One frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Its time, in ticks of [`Header::rate`].
    pub ticks: u64,
    /// What a decoder takes.
    pub data: Vec<u8>,
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

impl<R: Read> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// It is no IVF, or of a codec that is not known.
    pub fn new(mut from: R) -> Result<Self, Error> {
        let mut head = [0; HEADER];
        if fill(&mut from, &mut head)? < HEADER || &head[..4] != b"DKIF" {
            return Err(Error::Malformed("this is no IVF file", 0));
        }
        let format = match &head[8..12] {
            b"VP80" => Format::Vp8,
            b"VP90" => Format::Vp9,
            b"AV01" => Format::Av1,
            b"H264" => Format::H264,
            other => {
                let code = other.escape_ascii();
                return Err(Error::Unsupported(format!(
                    "the codec `{code}` in IVF; VP8, VP9, AV1 and H.264 are known"
                )));
            }
        };
        let rate = (u32_at(&head, 16), u32_at(&head, 20));
        if rate.0 == 0 || rate.1 == 0 {
            return Err(Error::Malformed("the rate of an IVF file is not 0", 16));
        }
        let side = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
        let length = usize::from(side(6)).clamp(HEADER, 1024);
        // A later version may have a longer one.
        let more = fill(&mut from, &mut vec![0; length - HEADER])?;
        let header = Header { format, width: side(12), height: side(14), rate };
        Ok(Self { from, header, at: (HEADER + more) as u64 })
    }

    /// What stands before the frames.
    pub fn header(&self) -> Header {
        self.header
    }

    /// The next frame; `None` at the end, also if the last one is not whole.
    ///
    /// # Errors
    /// A length beyond [`LONGEST`], or what the system says.
    pub fn read(&mut self) -> Result<Option<Frame>, Error> {
        let mut head = [0; 12];
        if fill(&mut self.from, &mut head)? < head.len() {
            return Ok(None);
        }
        let len = usize::try_from(u32_at(&head, 0)).unwrap_or(usize::MAX);
        if len > LONGEST {
            return Err(Error::Malformed("a frame of more than 16 MiB", self.at));
        }
        let mut data = Vec::new();
        self.from.by_ref().take(len as u64).read_to_end(&mut data)?;
        self.at += (head.len() + data.len()) as u64;
        let ticks = u64::from(u32_at(&head, 4)) | u64::from(u32_at(&head, 8)) << 32;
        Ok((data.len() == len).then_some(Frame { ticks, data }))
    }
}

/// Writes frames. How many there are is not told in the header, so that nothing needs to be changed at the end.
#[derive(Debug)]
pub struct Writer<W> {
    to: W,
}

impl<W: Write> Writer<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// What the system says.
    pub fn new(mut to: W, header: Header) -> Result<Self, Error> {
        let mut head = b"DKIF".to_vec();
        head.extend([0, 0, 32, 0]);
        head.extend(header.code());
        head.extend(header.width.to_le_bytes());
        head.extend(header.height.to_le_bytes());
        head.extend(header.rate.0.to_le_bytes());
        head.extend(header.rate.1.to_le_bytes());
        head.extend([0; 8]);
        to.write_all(&head)?;
        Ok(Self { to })
    }

    /// Writes a frame.
    ///
    /// # Errors
    /// What the system says, or a frame longer than [`LONGEST`].
    pub fn write(&mut self, ticks: u64, data: &[u8]) -> Result<(), Error> {
        let len = u32::try_from(data.len()).ok().filter(|_| data.len() <= LONGEST);
        let len = len.ok_or(Error::Malformed("a frame of more than 16 MiB", 0))?;
        self.to.write_all(&len.to_le_bytes())?;
        self.to.write_all(&ticks.to_le_bytes())?;
        Ok(self.to.write_all(data)?)
    }

    /// Gives back what it wrote to.
    pub fn into_inner(self) -> W {
        self.to
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let header = Header { format: Format::Av1, width: 640, height: 360, rate: (90_000, 1) };
        let mut writer = Writer::new(Vec::new(), header).unwrap();
        let frames = [(0, vec![1, 2, 3]), (3000, vec![]), (1 << 40, vec![7; 5000])];
        for (ticks, data) in &frames {
            writer.write(*ticks, data).unwrap();
        }
        let bytes = writer.into_inner();
        let mut reader = Reader::new(&bytes[..]).unwrap();
        assert_eq!(reader.header(), header);
        for (ticks, data) in frames {
            assert_eq!(reader.read().unwrap(), Some(Frame { ticks, data }));
        }
        assert_eq!(reader.read().unwrap(), None);
        // A file that was cut off ends with the last whole frame.
        let mut cut = Reader::new(&bytes[..bytes.len() - 1]).unwrap();
        assert!(std::iter::from_fn(|| cut.read().unwrap()).count() == 2);
    }

    #[test]
    fn what_is_none_is_refused() {
        let good = Writer::new(Vec::new(), Header::vp8(16, 16)).unwrap().into_inner();
        for (at, with, said) in [(0, 0, "no IVF"), (8, b'X', "`XP80`"), (16, 0, "rate"), (20, 0, "rate")] {
            let mut bytes = good.clone();
            bytes[at] = with;
            let error = Reader::new(&bytes[..]).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        assert!(Reader::new(&good[..31]).is_err());
        let mut long = good;
        long.extend([0xff; 12]);
        assert!(Reader::new(&long[..]).unwrap().read().is_err());
    }

    #[test]
    fn a_file_of_ffmpeg_is_read() {
        let file = crate::testing::ffmpeg(
            &[
                "-f",
                "lavfi",
                "-i",
                "testsrc=size=64x48:rate=25:duration=1",
                "-c:v",
                "libvpx",
                "-f",
                "ivf",
                "-",
            ],
            &[],
        );
        let mut reader = Reader::new(&file[..]).unwrap();
        assert_eq!((reader.header().width, reader.header().height), (64, 48));
        let frames: Vec<Frame> = std::iter::from_fn(|| reader.read().unwrap()).collect();
        assert_eq!(frames.len(), 25);
        assert_eq!(reader.header().nanos(frames[24].ticks), 960_000_000);
    }
}
