//! Takes a file apart as its bytes come.

use std::collections::VecDeque;
use std::time::Duration;

use flow::payload::Format;

use super::bitstream::{
    has_sequence_header, opus_duration, read_avcc, start_codes_for_lengths, without_delimiters,
};
use super::block::Block;
use super::ebml::{Head, Parsed, children, float, head, id, text, uint};
use super::{Frame, ReadError, Track};

/// Bytes of one frame, or of one block with its frames, at most: 16 MiB.
pub const MAX_FRAME: usize = 16 << 20;
/// Tracks of one file at most; those beyond are left out.
pub const MAX_TRACKS: usize = 64;
/// Bytes of the list of tracks, or of what is told of the whole file, at most.
const MAX_HEADER: u64 = 4 << 20;

/// A place in a file that somebody who mends it must know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Landmark {
    /// The segment's content begins.
    Segment { size_at: u64, known: bool },
    /// Room that was left, or whatever else is passed over.
    Skipped { id: u32, at: u64, len: u64 },
    /// Room for the duration, or the duration.
    Duration { at: u64, known: bool },
    /// The list of tracks.
    Tracks { at: u64 },
    /// A cluster begins.
    Cluster { at: u64, size_at: u64, known: bool },
    /// A block has ended.
    Block { end: u64 },
}

/// A reader of WebM and Matroska files, which need not be whole: give it bytes with [`Reader::push`] as they come, and ask
/// for frames until there is none. It keeps what is not read yet: what was given last, and one frame.
#[derive(Debug, Default)]
pub struct Reader {
    buf: Vec<u8>,
    /// What was read of it.
    at: usize,
    /// Where in the file `buf` begins.
    offset: u64,
    /// Bytes to be passed over.
    skip: u64,
    begun: bool,
    scale: u64,
    duration: Option<f64>,
    tracks: Vec<Known>,
    listed: Vec<Track>,
    cluster: u64,
    frames: VecDeque<Frame>,
    landmarks: VecDeque<Landmark>,
    /// Whether anybody wants to know of landmarks.
    pub(super) surveys: bool,
}

/// What is known of a track beside what is told.
#[derive(Debug)]
struct Known {
    number: u64,
    format: Format,
    frame_duration: Option<Duration>,
    /// H.264: bytes of a length. Others: unused.
    length: usize,
    /// H.264: parameter sets as a byte stream. AV1: the sequence header.
    parameters: Vec<u8>,
}

impl Reader {
    /// A reader at the beginning of a file.
    pub fn new() -> Self {
        Self { scale: 1_000_000, ..Self::default() }
    }

    /// The next bytes of the file. A few hundred KiB at a time are well; all that was given is kept until it is read.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.at > 0 {
            self.buf.drain(..self.at);
            self.offset += self.at as u64;
            self.at = 0;
        }
        self.buf.extend_from_slice(bytes);
    }

    /// The tracks, in their order in the file; known before its first frame is.
    pub fn tracks(&self) -> &[Track] {
        &self.listed
    }

    /// How long the file says that it is.
    pub fn duration(&self) -> Option<Duration> {
        let nanos = self.duration? * f64::from(u32::try_from(self.scale).ok()?);
        Duration::try_from_secs_f64(nanos / 1e9).ok()
    }

    /// The next frame of a track whose format is known, in the order of the file; `None` if more bytes are needed, or
    /// the file is over.
    ///
    /// # Errors
    /// The file cannot be read from here on; every further call says the same.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, ReadError> {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                return Ok(Some(frame));
            }
            if !self.step()? {
                return Ok(None);
            }
        }
    }

    /// The next place of interest to who mends a file.
    pub(super) fn next_landmark(&mut self) -> Result<Option<Landmark>, ReadError> {
        loop {
            if let Some(landmark) = self.landmarks.pop_front() {
                return Ok(Some(landmark));
            }
            if !self.step()? {
                return Ok(None);
            }
        }
    }

    /// Frames that were found while landmarks were looked for.
    pub(super) fn found_frames(&mut self) -> impl Iterator<Item = Frame> + '_ {
        self.frames.drain(..)
    }

    fn note(&mut self, landmark: Landmark) {
        if self.surveys {
            self.landmarks.push_back(landmark);
        }
    }

    fn position(&self) -> u64 {
        self.offset + self.at as u64
    }

    /// Reads one element; `false` if there is not enough of it.
    fn step(&mut self) -> Result<bool, ReadError> {
        if self.skip > 0 {
            let here = usize::try_from(self.skip).unwrap_or(usize::MAX).min(self.buf.len() - self.at);
            self.at += here;
            self.skip -= here as u64;
            if self.skip > 0 {
                return Ok(false);
            }
        }
        let at = self.position();
        let head = match head(&self.buf[self.at..]) {
            Parsed::Whole(head) => head,
            Parsed::Short => return Ok(false),
            Parsed::Junk if !self.begun => return Err(ReadError::NotMatroska),
            Parsed::Junk => return Err(ReadError::Malformed { at, what: "no element begins here" }),
        };
        if !self.begun && head.id != id::EBML {
            return Err(ReadError::NotMatroska);
        }
        match head.id {
            id::SEGMENT => {
                self.at += head.len;
                let (size_at, known) = (at + 4, head.size.is_some() || head.len != 12);
                self.note(Landmark::Segment { size_at, known });
                Ok(true)
            }
            id::CLUSTER => {
                self.at += head.len;
                self.cluster = 0;
                let size_at = at + 4;
                self.note(Landmark::Cluster { at, size_at, known: head.size.is_some() || head.len != 12 });
                Ok(true)
            }
            id::EBML | id::INFO | id::TRACKS => self.whole(at, head, MAX_HEADER),
            id::TIMESTAMP => self.whole(at, head, 8),
            id::SIMPLE_BLOCK | id::BLOCK_GROUP => self.whole(at, head, MAX_FRAME as u64),
            _ => {
                let what = "an element without a size, which this kind must have";
                let size = head.size.ok_or(ReadError::Malformed { at, what })?;
                self.at += head.len;
                self.skip = size;
                let len = (head.len as u64).saturating_add(size);
                self.note(Landmark::Skipped { id: head.id, at, len });
                Ok(true)
            }
        }
    }

    /// Reads an element that is needed as a whole.
    fn whole(&mut self, at: u64, head: Head, most: u64) -> Result<bool, ReadError> {
        let what = "an element without a size, which this kind must have";
        let size = head.size.ok_or(ReadError::Malformed { at, what })?;
        if size > most {
            return Err(ReadError::TooLarge { at, size });
        }
        let begin = self.at + head.len;
        let end = begin + usize::try_from(size).map_err(|_| ReadError::TooLarge { at, size })?;
        if self.buf.len() < end {
            return Ok(false);
        }
        let buf = std::mem::take(&mut self.buf);
        let read = self.content(head.id, &buf[begin..end], at, head.len as u64);
        self.buf = buf;
        read?;
        self.at = end;
        if matches!(head.id, id::SIMPLE_BLOCK | id::BLOCK_GROUP) {
            self.note(Landmark::Block { end: self.position() });
        }
        Ok(true)
    }

    fn content(&mut self, kind: u32, content: &[u8], at: u64, head: u64) -> Result<(), ReadError> {
        match kind {
            id::EBML => self.document(content)?,
            id::INFO => self.info(content, at + head),
            id::TRACKS => {
                self.note(Landmark::Tracks { at });
                self.set_tracks(content);
            }
            id::TIMESTAMP => self.cluster = uint(content).unwrap_or(0),
            id::SIMPLE_BLOCK => {
                let what = "a block that is not as blocks are";
                let block = Block::parse(content).ok_or(ReadError::Malformed { at, what })?;
                let keyframe = block.keyframe;
                self.block(&block, keyframe);
            }
            _ => {
                let (mut found, mut keyframe) = (None, true);
                for (kind, content) in children(content) {
                    match kind {
                        id::BLOCK => found = Block::parse(content),
                        id::REFERENCE_BLOCK => keyframe = false,
                        _ => {}
                    }
                }
                if let Some(block) = found {
                    self.block(&block, keyframe);
                }
            }
        }
        Ok(())
    }

    /// The EBML header (RFC 8794 §11.2).
    fn document(&mut self, content: &[u8]) -> Result<(), ReadError> {
        let mut kind = String::from("matroska");
        for (id, content) in children(content) {
            let number = uint(content).unwrap_or(0);
            match id {
                id::DOC_TYPE => kind = text(content),
                id::EBML_READ_VERSION if number > 1 => {
                    return Err(ReadError::Unsupported(format!("of version {number} of EBML")));
                }
                id::EBML_MAX_ID_LENGTH if number > 4 => {
                    return Err(ReadError::Unsupported(
                        "one with identifiers of more than four bytes".into(),
                    ));
                }
                id::DOC_TYPE_READ_VERSION if number > 4 => {
                    return Err(ReadError::Unsupported(format!("of version {number}")));
                }
                _ => {}
            }
        }
        if kind != "webm" && kind != "matroska" {
            return Err(ReadError::Unsupported(format!("of the type {kind:?}")));
        }
        self.begun = true;
        Ok(())
    }

    fn info(&mut self, content: &[u8], at: u64) {
        let mut rest = at;
        for (kind, child) in children(content) {
            // Both have a head of three bytes where we wrote them.
            let begin = rest;
            let mut written = Vec::new();
            super::ebml::put(&mut written, kind, child);
            rest += written.len() as u64;
            match kind {
                id::TIMESTAMP_SCALE => {
                    self.scale = uint(child).filter(|scale| *scale > 0).unwrap_or(1_000_000)
                }
                id::DURATION => {
                    self.duration = float(child).filter(|duration| *duration > 0.0);
                    if child.len() == 8 {
                        self.note(Landmark::Duration { at: begin, known: true });
                    }
                }
                id::VOID if child.len() == 9 => self.note(Landmark::Duration { at: begin, known: false }),
                _ => {}
            }
        }
    }

    fn set_tracks(&mut self, content: &[u8]) {
        self.tracks.clear();
        self.listed.clear();
        for (kind, entry) in children(content) {
            if kind != id::TRACK_ENTRY || self.listed.len() >= MAX_TRACKS {
                continue;
            }
            let track = track(entry);
            if let Some(format) = track.format {
                let (length, parameters) = match format {
                    Format::H264 => read_avcc(&track.codec_private).unwrap_or((4, Vec::new())),
                    Format::Av1 => (0, track.codec_private.get(4..).unwrap_or_default().to_vec()),
                    Format::Opus | Format::Vp8 | Format::Vp9 => (0, Vec::new()),
                };
                let (number, frame_duration) = (track.number, track.frame_duration);
                self.tracks.push(Known { number, format, frame_duration, length, parameters });
            }
            self.listed.push(track);
        }
    }

    fn block(&mut self, block: &Block<'_>, keyframe: bool) {
        let Some(track) = self.tracks.iter().find(|track| track.number == block.track) else { return };
        let ticks = i128::from(self.cluster) + i128::from(block.relative);
        let nanos = u64::try_from(ticks.max(0) * i128::from(self.scale)).unwrap_or(u64::MAX);
        let mut at = Duration::from_nanos(nanos);
        for data in &block.frames {
            let keyframe = keyframe || !track.format.is_video();
            if let Some(data) = track.frame(data, keyframe).filter(|data| !data.is_empty()) {
                self.frames.push_back(Frame { track: block.track, at, keyframe, data });
            }
            let sound = (track.format == Format::Opus).then(|| opus_duration(data)).flatten();
            at += sound.or(track.frame_duration).unwrap_or_default();
        }
    }
}

impl Known {
    /// A frame of the file as [`Format`] says; `None` if it is damaged.
    fn frame(&self, data: &[u8], keyframe: bool) -> Option<Vec<u8>> {
        match self.format {
            Format::Opus | Format::Vp8 | Format::Vp9 => Some(data.to_vec()),
            Format::Av1 => {
                let mut unit = without_delimiters(data);
                if keyframe && !has_sequence_header(&unit) {
                    unit.splice(..0, self.parameters.iter().copied());
                }
                Some(unit)
            }
            Format::H264 => {
                let stream = start_codes_for_lengths(data, self.length)?;
                let has_sets = super::bitstream::units(&stream).any(|unit| unit[0] & 0x1f == 7);
                Some(if keyframe && !has_sets { [&self.parameters[..], &stream].concat() } else { stream })
            }
        }
    }
}

/// RFC 9559 §5.1.4.1.
fn track(entry: &[u8]) -> Track {
    let mut track = Track::default();
    let mut encoded = false;
    let sum = |content: &[u8]| uint(content).unwrap_or(0);
    for (kind, content) in children(entry) {
        match kind {
            id::TRACK_NUMBER => track.number = sum(content),
            id::CODEC_ID => track.codec_id = text(content),
            id::CODEC_PRIVATE => track.codec_private = content.to_vec(),
            id::CODEC_DELAY => track.codec_delay = Duration::from_nanos(sum(content)),
            id::DEFAULT_DURATION => {
                track.frame_duration = Some(Duration::from_nanos(sum(content)).min(Duration::from_secs(60)));
            }
            id::CONTENT_ENCODINGS => encoded = true,
            id::VIDEO => {
                for (kind, content) in children(content) {
                    match kind {
                        id::PIXEL_WIDTH => track.width = u32::try_from(sum(content)).unwrap_or(0),
                        id::PIXEL_HEIGHT => track.height = u32::try_from(sum(content)).unwrap_or(0),
                        _ => {}
                    }
                }
            }
            id::AUDIO => {
                track.channels = 1;
                for (_, content) in children(content).filter(|(kind, _)| *kind == id::CHANNELS) {
                    track.channels = u8::try_from(sum(content)).unwrap_or(u8::MAX);
                }
            }
            _ => {}
        }
    }
    let formats = [Format::Opus, Format::Vp8, Format::Vp9, Format::H264, Format::Av1];
    // What is compressed or encrypted once more is not undone here.
    track.format =
        formats.into_iter().find(|format| super::codec_id(*format) == track.codec_id).filter(|_| !encoded);
    track
}
