//! What a file is finished with: where its parts are, and where one can begin to play.

use super::Change;
use super::ebml::{id, put, put_master, put_uint, put_void, wide};

/// Bytes left at the beginning for the list of parts.
pub(super) const SEEK_ROOM: usize = 96;
/// Bytes left for the tracks; who comes later than the first frame is still written there.
pub(super) const TRACKS_ROOM: usize = 4096;
/// Places to begin at are so many ticks (ms) apart at least.
const CUE_DISTANCE: u64 = 1000;

/// A place to begin at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Cue {
    /// In ticks, which are milliseconds in what is written here.
    time: u64,
    track: u64,
    /// From the beginning of the segment's content.
    position: u64,
}

/// Where everything is, in bytes from the beginning of the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    /// The size of the segment, eight bytes before its content.
    pub(super) segment_size_at: u64,
    /// Room for the list of parts.
    pub(super) seek_at: u64,
    /// Where information of the whole file begins.
    pub(super) info_at: u64,
    /// Room for the duration.
    pub(super) duration_at: u64,
    pub(super) tracks_at: u64,
    /// The size of the cluster that is being written.
    pub(super) cluster_size_at: Option<u64>,
    /// The end of what was written.
    pub(super) end: u64,
    /// When the last sound or picture ends, in ticks.
    pub(super) duration: u64,
    pub(super) cues: Vec<Cue>,
}

impl Index {
    /// A cluster begins where one can begin to play.
    pub(super) fn cue(&mut self, time: u64, track: u64, cluster_at: u64) {
        if self.cues.last().is_none_or(|last| time >= last.time + CUE_DISTANCE) {
            self.cues.push(Cue { time, track, position: cluster_at - self.segment() });
        }
    }

    fn segment(&self) -> u64 {
        self.segment_size_at + 8
    }

    /// The cluster that was being written is whole: its size is told.
    pub(super) fn end_cluster(&mut self) -> Option<Change> {
        let at = self.cluster_size_at.take()?;
        Some(Change::Patch { at, bytes: wide(self.end - at - 8).to_vec() })
    }

    /// Everything that a finished file has beside its frames.
    pub(super) fn finish(&mut self, mut tell: impl FnMut(Change)) {
        if let Some(change) = self.end_cluster() {
            tell(change);
        }
        let cues_at = self.end;
        if !self.cues.is_empty() {
            let mut cues = Vec::new();
            put_master(&mut cues, id::CUES, |out| self.cues.iter().for_each(|cue| cue.write(out)));
            self.end += cues.len() as u64;
            tell(Change::Append(cues));
        }
        let mut seek = Vec::new();
        put_master(&mut seek, id::SEEK_HEAD, |out| {
            let mut part = |kind: u32, at: u64| {
                put_master(out, id::SEEK, |out| {
                    put(out, id::SEEK_ID, &kind.to_be_bytes());
                    put_uint(out, id::SEEK_POSITION, at - self.segment());
                });
            };
            part(id::INFO, self.info_at);
            part(id::TRACKS, self.tracks_at);
            if !self.cues.is_empty() {
                part(id::CUES, cues_at);
            }
        });
        let left = SEEK_ROOM - seek.len();
        put_void(&mut seek, left);
        tell(Change::Patch { at: self.seek_at, bytes: seek });
        let mut duration = Vec::new();
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of an age fit into 53 bits")]
        put(&mut duration, id::DURATION, &(self.duration as f64).to_be_bytes());
        tell(Change::Patch { at: self.duration_at, bytes: duration });
        // The segment last: one whose size is told is finished.
        let size = wide(self.end - self.segment()).to_vec();
        tell(Change::Patch { at: self.segment_size_at, bytes: size });
    }
}

impl Cue {
    /// RFC 9559 §5.1.5.1.
    fn write(&self, out: &mut Vec<u8>) {
        put_master(out, id::CUE_POINT, |out| {
            put_uint(out, id::CUE_TIME, self.time);
            put_master(out, id::CUE_TRACK_POSITIONS, |out| {
                put_uint(out, id::CUE_TRACK, self.track);
                put_uint(out, id::CUE_CLUSTER_POSITION, self.position);
            });
        });
    }
}
