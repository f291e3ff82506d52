//! Makes a file that can be played at any moment of its making.

use std::fmt;
use std::time::Duration;

use flow::payload::Format;

use super::bitstream::{av1c, avcc, dimensions, lengths_for_start_codes, opus_duration, without_delimiters};
use super::ebml::{UNKNOWN, id, put, put_id, put_master, put_size, put_uint, put_void};
use super::index::{Index, SEEK_ROOM, TRACKS_ROOM};
use super::{Change, codec_id};

/// A cluster lasts so long at most, in milliseconds: a player that begins somewhere reads no more than that.
const CLUSTER: u64 = 5000;
/// Pictures begin a new cluster with a keyframe, unless the present one began less long ago.
const KEY_CLUSTER: u64 = 500;
/// Bytes of a list without tracks: an identifier of four and a size of one.
const EMPTY_LIST: usize = 5;
/// Tracks of one file.
const MAX_TRACKS: usize = 8;
/// How long a picture is taken to be shown when none follows, in milliseconds.
const LAST_PICTURE: u64 = 40;
/// Microseconds between 1970 and 2001, from which dates count here (RFC 8794 §7.6).
const EPOCH: Duration = Duration::from_secs(978_307_200);

/// Which kind of file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Container {
    /// `.webm`: VP8, VP9, AV1 and Opus.
    #[default]
    Webm,
    /// `.mkv`: H.264 as well.
    Matroska,
}

impl Container {
    /// How names of such files end, without the dot.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Webm => "webm",
            Self::Matroska => "mkv",
        }
    }
}

/// What a file tells of itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Config {
    /// Which kind of file.
    pub container: Container,
    /// What it shows, at most 200 bytes of it; empty is none.
    pub title: String,
    /// When it begins, since the Unix epoch.
    pub begun: Option<Duration>,
}

/// A track of one [`Writer`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct TrackId(usize);

/// Why a track cannot be added.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AddTrackError {
    /// There are eight already.
    TooMany,
    /// WebM holds no H.264: take [`Container::Matroska`].
    NotInWebm,
}

impl fmt::Display for AddTrackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooMany => "a file has eight tracks at most",
            Self::NotInWebm => "WebM holds no H.264: make a Matroska file of it",
        })
    }
}

impl std::error::Error for AddTrackError {}

#[derive(Debug)]
struct Track {
    format: Format,
    size: (u32, u32),
    private: Vec<u8>,
    /// The time of its last frame, in ticks.
    last: Option<u64>,
}

/// A writer of WebM and Matroska files, without a file: what is to be done to one is told by [`Writer::changes`].
///
/// Until it is finished, the file is one that is streamed: sizes of the segment and of its last cluster are open, as RFC
/// 9559 §25 has it, and players play it. [`Writer::finish`] adds duration, sizes and the places to seek to; if nobody
/// could call that, [`super::Recovery`] does the same to the file.
#[derive(Debug)]
pub struct Writer {
    container: Container,
    tracks: Vec<Track>,
    index: Index,
    /// When the present cluster began, in ticks.
    cluster: Option<u64>,
    changes: Vec<Change>,
    finished: bool,
}

impl Writer {
    /// Begins a file.
    pub fn new(config: &Config) -> Self {
        let (head, index) = beginning(config);
        let container = config.container;
        let changes = vec![Change::Append(head)];
        Self { container, tracks: Vec::new(), index, cluster: None, changes, finished: false }
    }

    /// Adds a track, before or after the first frame of others.
    ///
    /// # Errors
    /// There are too many, or the container does not hold it.
    pub fn add_track(&mut self, format: Format) -> Result<TrackId, AddTrackError> {
        if self.container == Container::Webm && format == Format::H264 {
            return Err(AddTrackError::NotInWebm);
        }
        if self.tracks.len() >= MAX_TRACKS {
            return Err(AddTrackError::TooMany);
        }
        self.tracks.push(Track { format, size: (0, 0), private: Vec::new(), last: None });
        self.list_tracks();
        Ok(TrackId(self.tracks.len() - 1))
    }

    /// Writes a frame, at its time from the beginning of the file, which is rounded to milliseconds and made to be later
    /// than the frame before of its track. Frames of different tracks are to come in about the order of their times.
    /// Frames of pictures before the first keyframe, and anything after [`Writer::finish`], are left out: `false`.
    pub fn write(&mut self, track: TrackId, at: Duration, keyframe: bool, frame: &[u8]) -> bool {
        let Some(found) = self.tracks.get_mut(track.0) else { return false };
        let video = found.format.is_video();
        if self.finished || frame.is_empty() || (video && !keyframe && found.last.is_none()) {
            return false;
        }
        let rounded = u64::try_from((at + Duration::from_micros(500)).as_millis()).unwrap_or(u64::MAX);
        let time = found.last.map_or(rounded, |last| rounded.max(last + 1));
        found.last = Some(time);
        let duration = match found.format {
            Format::Opus => opus_duration(frame).map_or(20, |d| u64::try_from(d.as_millis()).unwrap_or(20)),
            Format::Vp8 | Format::Vp9 | Format::H264 | Format::Av1 => LAST_PICTURE,
        };
        self.index.duration = self.index.duration.max(time.saturating_add(duration));
        if video && keyframe {
            self.learn(track, frame);
        }
        self.prepare_cluster(track, time, video && keyframe);
        self.block(track, time, keyframe || !video, frame);
        true
    }

    /// What a keyframe tells of its track, if that is new.
    fn learn(&mut self, track: TrackId, frame: &[u8]) {
        let Some(found) = self.tracks.get_mut(track.0) else { return };
        let (width, height) = dimensions(found.format, frame).unwrap_or_default();
        let size = (found.size.0.max(width), found.size.1.max(height));
        let private = match found.format {
            Format::H264 => avcc(frame),
            Format::Av1 => av1c(frame),
            Format::Opus | Format::Vp8 | Format::Vp9 => None,
        };
        let private = private.filter(|private| found.private.is_empty() && private.len() < 1024);
        if size != found.size || private.is_some() {
            found.size = size;
            found.private = private.unwrap_or(std::mem::take(&mut found.private));
            self.list_tracks();
        }
    }

    /// Writes the list of tracks into its room.
    fn list_tracks(&mut self) {
        let mut bytes = Vec::new();
        put_master(&mut bytes, id::TRACKS, |out| {
            for (number, track) in (1..).zip(&self.tracks) {
                put_master(out, id::TRACK_ENTRY, |out| track.write(number, out));
            }
        });
        let left = TRACKS_ROOM.saturating_sub(bytes.len());
        put_void(&mut bytes, left);
        if bytes.len() == TRACKS_ROOM {
            self.patch(self.index.tracks_at, bytes);
        }
    }

    /// Begins a cluster if this frame is to have a new one.
    fn prepare_cluster(&mut self, track: TrackId, time: u64, key: bool) {
        let due = match self.cluster {
            None => true,
            Some(begun) => {
                let age = time.saturating_sub(begun);
                age >= CLUSTER || (key && age >= KEY_CLUSTER) || begun.saturating_sub(time) > 30_000
            }
        };
        if !due {
            return;
        }
        if let Some(change) = self.index.end_cluster() {
            self.changes.push(change);
        }
        let at = self.index.end;
        let pictures = self.tracks.iter().any(|track| track.format.is_video() && track.last.is_some());
        if key || !pictures {
            self.index.cue(time, track.0 as u64 + 1, at);
        }
        let mut head = Vec::new();
        put_id(&mut head, id::CLUSTER);
        head.extend_from_slice(&UNKNOWN);
        put_uint(&mut head, id::TIMESTAMP, time);
        self.index.cluster_size_at = Some(at + 4);
        self.cluster = Some(time);
        self.append(&head);
    }

    fn block(&mut self, track: TrackId, time: u64, key: bool, frame: &[u8]) {
        let format = self.tracks[track.0].format;
        let converted = match format {
            Format::H264 => Some(lengths_for_start_codes(frame)),
            Format::Av1 => Some(without_delimiters(frame)),
            Format::Opus | Format::Vp8 | Format::Vp9 => None,
        };
        let frame = converted.as_deref().unwrap_or(frame);
        let begun = self.cluster.unwrap_or(time);
        let relative = i64::try_from(time).unwrap_or(0) - i64::try_from(begun).unwrap_or(0);
        let relative = i16::try_from(relative).expect("a cluster is begun anew before that");
        let [high, low] = relative.to_be_bytes();
        let mut head = Vec::with_capacity(16);
        put_id(&mut head, id::SIMPLE_BLOCK);
        put_size(&mut head, frame.len() as u64 + 4);
        let number = u8::try_from(track.0 + 1).expect("there are eight tracks at most");
        head.extend_from_slice(&[0x80 | number, high, low, if key { 0x80 } else { 0 }]);
        self.append(&head);
        self.append(frame);
    }

    fn append(&mut self, bytes: &[u8]) {
        self.index.end += bytes.len() as u64;
        match self.changes.last_mut() {
            Some(Change::Append(before)) => before.extend_from_slice(bytes),
            Some(Change::Patch { .. } | Change::Truncate(_)) | None => {
                self.changes.push(Change::Append(bytes.to_vec()));
            }
        }
    }

    fn patch(&mut self, at: u64, bytes: Vec<u8>) {
        self.changes.push(Change::Patch { at, bytes });
    }

    /// How long the file is: until the end of its last sound or picture.
    pub fn duration(&self) -> Duration {
        Duration::from_millis(self.index.duration)
    }

    /// How many bytes the file has, with all that was not taken from [`Writer::changes`] yet.
    pub fn len(&self) -> u64 {
        self.index.end
    }

    /// Whether no frame was written yet.
    pub fn is_empty(&self) -> bool {
        self.cluster.is_none()
    }

    /// What the file is to be changed by, since the last time; in this order.
    pub fn changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Finishes the file. What is written later is left out.
    pub fn finish(&mut self) {
        if !std::mem::replace(&mut self.finished, true) {
            self.index.finish(|change| self.changes.push(change));
        }
    }
}

impl Track {
    /// RFC 9559 §5.1.4.1.
    fn write(&self, number: u64, out: &mut Vec<u8>) {
        put_uint(out, id::TRACK_NUMBER, number);
        put_uint(out, id::TRACK_UID, number);
        put_uint(out, id::TRACK_TYPE, if self.format.is_video() { 1 } else { 2 });
        put_uint(out, id::FLAG_LACING, 0);
        put(out, id::CODEC_ID, codec_id(self.format).as_bytes());
        if self.format.is_video() {
            if !self.private.is_empty() {
                put(out, id::CODEC_PRIVATE, &self.private);
            }
            let (width, height) = if self.size == (0, 0) { (640, 480) } else { self.size };
            put_master(out, id::VIDEO, |out| {
                put_uint(out, id::PIXEL_WIDTH, width.into());
                put_uint(out, id::PIXEL_HEIGHT, height.into());
            });
        } else {
            // OpusHead (RFC 7845 §5.1): version 1, two channels, nothing to skip, 48 kHz, no gain, mapping 0.
            put(out, id::CODEC_PRIVATE, b"OpusHead\x01\x02\x00\x00\x80\xbb\x00\x00\x00\x00\x00");
            put_uint(out, id::CODEC_DELAY, 0);
            put_uint(out, id::SEEK_PRE_ROLL, 80_000_000);
            put_master(out, id::AUDIO, |out| {
                put(out, id::SAMPLING_FREQUENCY, &48_000f64.to_be_bytes());
                put_uint(out, id::CHANNELS, 2);
            });
        }
    }
}

/// Everything before the first cluster, with room for what is known later.
fn beginning(config: &Config) -> (Vec<u8>, Index) {
    let mut out = Vec::new();
    put_master(&mut out, id::EBML, |out| {
        put_uint(out, id::EBML_VERSION, 1);
        put_uint(out, id::EBML_READ_VERSION, 1);
        put_uint(out, id::EBML_MAX_ID_LENGTH, 4);
        put_uint(out, id::EBML_MAX_SIZE_LENGTH, 8);
        put(out, id::DOC_TYPE, if config.container == Container::Webm { b"webm" } else { b"matroska" });
        put_uint(out, id::DOC_TYPE_VERSION, 4);
        put_uint(out, id::DOC_TYPE_READ_VERSION, 2);
    });
    put_id(&mut out, id::SEGMENT);
    let mut index = Index { segment_size_at: out.len() as u64, ..Index::default() };
    out.extend_from_slice(&UNKNOWN);
    index.seek_at = out.len() as u64;
    put_void(&mut out, SEEK_ROOM);
    index.info_at = out.len() as u64;
    let mut info = Vec::new();
    put_uint(&mut info, id::TIMESTAMP_SCALE, 1_000_000);
    put(&mut info, id::MUXING_APP, b"visavis");
    put(&mut info, id::WRITING_APP, b"visavis");
    if let Some(begun) =
        config.begun.and_then(|begun| i64::try_from(begun.checked_sub(EPOCH)?.as_nanos()).ok())
    {
        put(&mut info, id::DATE_UTC, &begun.to_be_bytes());
    }
    if !config.title.is_empty() {
        let end = (0..=config.title.len().min(200)).rev().find(|at| config.title.is_char_boundary(*at));
        put(&mut info, id::TITLE, &config.title.as_bytes()[..end.unwrap_or(0)]);
    }
    let room = info.len() as u64;
    // As many bytes as a duration of eight has with its head.
    put(&mut info, id::VOID, &[0; 9]);
    put(&mut out, id::INFO, &info);
    index.duration_at = (out.len() - info.len()) as u64 + room;
    index.tracks_at = out.len() as u64;
    put_master(&mut out, id::TRACKS, |_| {});
    let empty = out.len();
    put_void(&mut out, TRACKS_ROOM - EMPTY_LIST);
    debug_assert_eq!(index.tracks_at + EMPTY_LIST as u64, empty as u64);
    index.end = out.len() as u64;
    (out, index)
}

#[cfg(test)]
impl TrackId {
    pub(super) const fn first() -> Self {
        Self(0)
    }
}
