//! A way out of the forwarder beside that to its members: some rooms' packets, track after track, as they come.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Which rooms use this way, and of which tracks there may be something; a `T` for each track that says how far it has come.
/// Where no room uses it, it costs empty tables.
#[derive(Debug)]
pub(crate) struct Outlet<T> {
    rooms: BTreeSet<u64>,
    tracks: BTreeMap<u32, (Queued, T)>,
    /// Tracks of which there may be something, each once.
    queue: VecDeque<u32>,
}

/// Whether a track is in the queue.
type Queued = bool;

impl<T> Default for Outlet<T> {
    fn default() -> Self {
        Self { rooms: BTreeSet::new(), tracks: BTreeMap::new(), queue: VecDeque::new() }
    }
}

impl<T> Outlet<T> {
    /// A room uses this way from now on, or no more. What it has of tracks stays.
    pub(crate) fn set_room(&mut self, room: u64, on: bool) {
        if on {
            self.rooms.insert(room);
        } else {
            self.rooms.remove(&room);
        }
    }

    pub(crate) fn holds(&self, room: u64) -> bool {
        self.rooms.contains(&room)
    }

    pub(crate) fn insert(&mut self, track: u32, state: T) {
        self.tracks.insert(track, (false, state));
    }

    pub(crate) fn get_mut(&mut self, track: u32) -> Option<&mut T> {
        self.tracks.get_mut(&track).map(|(_, state)| state)
    }

    pub(crate) fn remove_track(&mut self, track: u32) {
        self.tracks.remove(&track);
        self.queue.retain(|queued| *queued != track);
    }

    /// A packet of a track has come; of no interest unless it was inserted.
    #[inline]
    pub(crate) fn mark(&mut self, track: u32) {
        if let Some((queued, _)) = self.tracks.get_mut(&track)
            && !std::mem::replace(queued, true)
        {
            self.queue.push_back(track);
        }
    }

    /// The track whose turn it is.
    pub(crate) fn first(&self) -> Option<u32> {
        self.queue.front().copied()
    }

    /// There is nothing more of the first track.
    pub(crate) fn pass(&mut self) {
        if let Some((queued, _)) = self.queue.pop_front().and_then(|track| self.tracks.get_mut(&track)) {
            *queued = false;
        }
    }
}
