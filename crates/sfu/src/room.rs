//! A room: who is in it, who is heard, who speaks.

use wire::Instant;

use crate::slab::Slab;
use crate::track::{Loudness, Track};
use crate::{MemberId, RoomConfig, Source};

/// Speakers that are told.
const MAX_SPEAKING: usize = 8;

/// See the module.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) config: RoomConfig,
    /// By their places, in the order of their joining.
    pub(crate) members: Vec<u32>,
    /// The places of those that stand for members of other parts.
    pub(crate) stand_ins: Vec<u32>,
    /// All tracks of its members.
    pub(crate) tracks: Vec<u32>,
    /// The microphones that are forwarded, about from the loudest to the quietest: those that are heard, and one more, which is for them alone, so that they hear
    /// as many others as anybody.
    pub(crate) voices: Vec<u32>,
    pub(crate) speaking: Vec<MemberId>,
    pub(crate) scheduled: Option<Instant>,
}

impl Room {
    pub(crate) fn new(config: RoomConfig) -> Self {
        Self {
            config,
            members: Vec::new(),
            stand_ins: Vec::new(),
            tracks: Vec::new(),
            voices: Vec::new(),
            speaking: Vec::new(),
            scheduled: None,
        }
    }

    /// Chooses who is heard: those who are heard already as long as they send, then the loudest; and one who is clearly
    /// louder takes the place of the quietest. Whether it has changed.
    pub(crate) fn choose_voices(&mut self, tracks: &Slab<Track>) -> bool {
        let sends = |at: &u32| {
            tracks
                .get(*at)
                .is_some_and(|track| track.source == Source::Microphone && track.sending && track.allowed)
        };
        let level = |at: &u32| tracks.get(*at).map_or(0, |track| track.loudness.level());
        let before = self.voices.len();
        self.voices.retain(sends);
        let mut changed = self.voices.len() != before;
        let most = self.config.voices + 1;
        loop {
            let others = self.tracks.iter().filter(|at| sends(at) && !self.voices.contains(at));
            // Of equals the first: the order of a table, not of chance.
            let Some(loudest) = others.copied().rev().max_by_key(level) else { break };
            if self.voices.len() < most {
                self.voices.push(loudest);
                changed = true;
                continue;
            }
            let quietest = (0..self.voices.len()).min_by_key(|at| level(&self.voices[*at]));
            match quietest {
                Some(at) if level(&loudest) > level(&self.voices[at]) + Loudness::MARGIN => {
                    self.voices[at] = loudest;
                    changed = true;
                }
                Some(_) | None => break,
            }
        }
        let promoted = self.promote(level);
        self.rank(level) || promoted || changed
    }

    /// Who has fewer slots than there are voices hears the first ones: who is clearly louder goes before.
    fn rank(&mut self, level: impl Fn(&u32) -> u16) -> bool {
        let most = self.voices.len().min(self.config.voices);
        let mut moved = false;
        for at in (1..most).rev() {
            if level(&self.voices[at]) > level(&self.voices[at - 1]) + Loudness::MARGIN {
                self.voices.swap(at - 1, at);
                moved = true;
            }
        }
        moved
    }

    /// The one that only some hear takes the place of one that all hear, if it is clearly louder.
    fn promote(&mut self, level: impl Fn(&u32) -> u16) -> bool {
        let most = self.config.voices;
        let (Some(last), Some(quietest)) =
            (self.voices.get(most).map(&level), (0..most).min_by_key(|at| self.voices.get(*at).map(&level)))
        else {
            return false;
        };
        let louder = last > level(&self.voices[quietest]) + Loudness::MARGIN;
        if louder {
            self.voices.swap(quietest, most);
        }
        louder
    }

    /// Who speaks, the loudest first. `None` if it is as it was told.
    pub(crate) fn choose_speakers(&mut self, tracks: &Slab<Track>) -> Option<Vec<MemberId>> {
        let speaks = |track: &&Track| {
            track.source == Source::Microphone && track.sending && track.allowed && track.loudness.speaks()
        };
        let mut speakers: Vec<&Track> =
            self.tracks.iter().filter_map(|at| tracks.get(*at)).filter(speaks).collect();
        speakers.sort_by_key(|track| (std::cmp::Reverse(track.loudness.level()), track.serial));
        let now: Vec<MemberId> = speakers.iter().take(MAX_SPEAKING).map(|track| track.owner).collect();
        (now != self.speaking).then(|| {
            self.speaking.clone_from(&now);
            now
        })
    }
}
