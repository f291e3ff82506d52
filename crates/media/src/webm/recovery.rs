//! Finishes a file whose writer could not.

use std::time::Duration;

use super::bitstream::opus_duration;
use super::ebml::id;
use super::index::{Index, SEEK_ROOM};
use super::reader::Landmark;
use super::{Change, ReadError, Reader};

/// Finishes a file that a [`super::Writer`] had begun: give it all of the file's bytes, and do to the file what
/// [`Recovery::finish`] says. What was not written as a whole is cut off; all before is kept.
#[derive(Debug)]
pub struct Recovery {
    reader: Reader,
    index: Index,
    /// Whether the file was finished already.
    whole: bool,
    /// The cluster that is being read.
    cluster: u64,
    /// Whether it is known where one can begin in it.
    cued: bool,
    /// What is wrong with the rest.
    broken: bool,
    pushed: u64,
    changes: Vec<Change>,
}

impl Default for Recovery {
    fn default() -> Self {
        Self::new()
    }
}

impl Recovery {
    /// At the beginning of a file.
    pub fn new() -> Self {
        let mut reader = Reader::new();
        reader.surveys = true;
        Self {
            reader,
            index: Index::default(),
            whole: false,
            cluster: 0,
            cued: true,
            broken: false,
            pushed: 0,
            changes: Vec::new(),
        }
    }

    /// The next bytes of the file.
    ///
    /// # Errors
    /// It is no file of a [`super::Writer`]. Damage further on is no error: what stands before it is kept.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), ReadError> {
        self.pushed += bytes.len() as u64;
        if self.broken {
            return Ok(());
        }
        self.reader.push(bytes);
        loop {
            match self.reader.next_landmark() {
                Ok(Some(landmark)) => self.note(landmark),
                Ok(None) => return Ok(()),
                Err(error) if self.index.tracks_at == 0 => return Err(error),
                Err(_) => {
                    self.broken = true;
                    return Ok(());
                }
            }
        }
    }

    fn note(&mut self, landmark: Landmark) {
        match landmark {
            Landmark::Segment { size_at, known } if self.index.segment_size_at == 0 => {
                self.index.segment_size_at = size_at;
                self.whole = known;
            }
            // What stands outside of the segment is nothing of ours.
            _ if self.index.segment_size_at == 0 => {}
            Landmark::Segment { .. } => {}
            Landmark::Skipped { id: id::VOID | id::SEEK_HEAD, at, .. } if self.index.seek_at == 0 => {
                // The list is there already if it was being finished.
                self.index.seek_at = at;
                self.index.info_at = at + SEEK_ROOM as u64;
            }
            Landmark::Skipped { id: id::VOID, at, len }
                if self.index.tracks_at != 0 && self.index.end == 0 =>
            {
                self.index.end = at.saturating_add(len);
            }
            Landmark::Skipped { .. } => {}
            Landmark::Duration { at, .. } => self.index.duration_at = at,
            Landmark::Tracks { at } => self.index.tracks_at = at,
            Landmark::Cluster { at, size_at, known } => {
                self.index.end = self.index.end.max(at);
                self.changes.extend(self.index.end_cluster());
                self.index.cluster_size_at = (!known).then_some(size_at);
                (self.cluster, self.cued) = (at, false);
            }
            Landmark::Block { end } => self.block(end),
        }
    }

    fn block(&mut self, end: u64) {
        self.index.end = end;
        let frames: Vec<_> = self.reader.found_frames().collect();
        let tracks = self.reader.tracks();
        let pictures = tracks.iter().any(|track| track.height > 0);
        for frame in frames {
            let sound = tracks.iter().any(|track| track.number == frame.track && track.channels > 0);
            let duration = if sound { opus_duration(&frame.data).map_or(20, |d| d.as_millis()) } else { 40 };
            let time = u64::try_from(frame.at.as_millis()).unwrap_or(0);
            let ends = time.saturating_add(u64::try_from(duration).unwrap_or(20));
            self.index.duration = self.index.duration.max(ends);
            if !self.cued && frame.keyframe && (!sound || !pictures) {
                self.cued = true;
                self.index.cue(time, frame.track, self.cluster);
            }
        }
    }

    /// Whether there is no frame in it.
    pub fn is_empty(&self) -> bool {
        self.index.duration == 0
    }

    /// How long the file is: until the end of its last sound or picture.
    pub fn duration(&self) -> Duration {
        Duration::from_millis(self.index.duration)
    }

    /// Whether the file needs nothing.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// What is to be done to the file, in this order; nothing if it is whole.
    ///
    /// # Errors
    /// It is too short to be a file of a [`super::Writer`].
    pub fn finish(mut self) -> Result<Vec<Change>, ReadError> {
        if self.whole {
            return Ok(Vec::new());
        }
        let index = &mut self.index;
        let places = [index.segment_size_at, index.seek_at, index.duration_at, index.tracks_at];
        let room = index.seek_at + SEEK_ROOM as u64 <= index.tracks_at && index.duration_at < index.end;
        if places.contains(&0) || !room || index.end > self.pushed {
            let what = "it ends before its first frame, or was not begun by this program";
            return Err(ReadError::Malformed { at: self.pushed, what });
        }
        if index.cluster_size_at.is_some_and(|at| at + 8 > index.end) {
            index.cluster_size_at = None; // a cluster without a block is cut off
        }
        let mut changes = vec![Change::Truncate(index.end)];
        changes.append(&mut self.changes);
        index.finish(|change| changes.push(change));
        Ok(changes)
    }
}
