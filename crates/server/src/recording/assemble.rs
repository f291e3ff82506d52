//! Packets of one stream become frames with times.

use std::time::Duration;

use media::webm::opus_duration;
use sfu::{Format, Superframe};

use super::queue::Head;

/// Bytes of one picture at most; a larger one is left out.
const MOST: usize = 8 << 20;
/// Sound whose time is told to be another by so much is moved there; less is followed slowly, so that it stays smooth.
const JUMP: Duration = Duration::from_millis(60);
/// How slowly: this part of the difference with each packet.
const SLOWLY: u32 = 32;

/// What is known of a frame that is whole; its bytes are in [`Assembler::frame`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Whole {
    /// When it was captured, since the Unix epoch.
    pub(super) at: Duration,
    pub(super) keyframe: bool,
}

/// The stream of one source. What is not whole is left out, with all pictures until the next keyframe.
#[derive(Debug)]
pub(super) struct Assembler {
    pub(super) format: Format,
    /// The frame, from when [`Assembler::take`] said that it is whole until it is called again.
    pub(super) frame: Vec<u8>,
    superframe: Superframe,
    /// The frame was given: the next packet begins another.
    given: bool,
    /// Nothing of the frame is missing.
    whole: bool,
    key: bool,
    /// A keyframe was given, and nothing is missing since.
    shows: bool,
    /// When the frame was captured, by its first packet.
    at: Option<Duration>,
    /// When the sound that comes next begins.
    next: Option<Duration>,
    /// What a timestamp means by arrival, the earliest there was: for as long as the sender's clock is not told.
    clock: Option<(u32, Duration)>,
    /// Frames left out.
    pub(super) lost: u64,
}

impl Assembler {
    pub(super) fn new(format: Format) -> Self {
        Self {
            format,
            frame: Vec::new(),
            superframe: Superframe::default(),
            given: false,
            whole: true,
            key: false,
            shows: false,
            at: None,
            next: None,
            clock: None,
            lost: 0,
        }
    }

    /// Takes a packet. If a frame is whole with it, what is known of that.
    pub(super) fn take(&mut self, head: &Head, payload: &[u8]) -> Option<Whole> {
        if std::mem::take(&mut self.given) {
            self.frame.clear();
        }
        if head.first {
            self.clock = None;
        }
        let captured = self.captured(head);
        if self.format == Format::Opus {
            return self.sound(captured, head.first || head.lost > 0, payload);
        }
        if head.first || head.lost > 0 {
            self.lost += u64::from(self.shows);
            (self.whole, self.shows, self.at) = (false, false, None);
        }
        if self.format.glimpse(payload).is_ok_and(|glimpse| glimpse.begins) {
            self.frame.clear();
            (self.whole, self.key, self.at, self.superframe) = (true, false, None, Superframe::default());
        }
        self.key |= head.key;
        self.at.get_or_insert(captured);
        let fits = self.frame.len() + payload.len() <= MOST;
        if self.whole
            && (!fits || self.format.depacketize(payload, &mut self.frame, &mut self.superframe).is_err())
        {
            self.whole = false;
        }
        head.marker.then(|| self.picture()).flatten()
    }

    /// The last packet of a picture has come.
    fn picture(&mut self) -> Option<Whole> {
        let whole = std::mem::replace(&mut self.whole, true) && !self.frame.is_empty();
        let (keyframe, at) = (std::mem::take(&mut self.key), self.at.take()?);
        self.given = true;
        std::mem::take(&mut self.superframe).conclude(&mut self.frame);
        if !whole || !(keyframe || self.shows) {
            self.lost += 1;
            self.shows = false;
            return None;
        }
        self.shows = true;
        Some(Whole { at, keyframe })
    }

    /// A packet of sound; `anew` if it does not follow the one before.
    fn sound(&mut self, told: Duration, anew: bool, payload: &[u8]) -> Option<Whole> {
        let duration = opus_duration(payload)?;
        self.frame.clear();
        self.frame.extend_from_slice(payload);
        self.given = true;
        let at = match self.next {
            Some(next) if !anew && told.abs_diff(next) < JUMP => {
                let part = told.abs_diff(next) / SLOWLY;
                if told > next { next + part } else { next.saturating_sub(part) }
            }
            Some(_) | None => told,
        };
        self.next = Some(at + duration);
        Some(Whole { at, keyframe: true })
    }

    /// When a packet was captured: by the sender's reports, before the first of them by the earliest arrival.
    fn captured(&mut self, head: &Head) -> Duration {
        if let Some(captured) = head.captured {
            return captured;
        }
        let (timestamp, at) = *self.clock.get_or_insert((head.timestamp, head.arrived));
        let ticks = i64::from(head.timestamp.wrapping_sub(timestamp).cast_signed());
        let apart =
            Duration::from_nanos(ticks.unsigned_abs() * 1_000_000_000 / u64::from(self.format.clock_rate()));
        let by_clock = if ticks < 0 { at.saturating_sub(apart) } else { at + apart };
        if head.arrived < by_clock {
            self.clock = Some((head.timestamp, head.arrived));
        }
        by_clock.min(head.arrived)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::forwarding::{LegKey, Source};

    fn head(format: Format, millis: u64) -> Head {
        let at = Duration::from_secs(1000) + Duration::from_millis(millis);
        let ticks = millis * u64::from(format.clock_rate()) / 1000;
        Head {
            leg: LegKey(1),
            source: Source::Camera,
            format,
            first: false,
            lost: 0,
            timestamp: u32::try_from(ticks).unwrap(),
            marker: true,
            key: false,
            arrived: at,
            captured: Some(at),
            len: 0,
        }
    }

    /// A picture of two packets: a keyframe or not.
    fn picture(
        assembler: &mut Assembler,
        millis: u64,
        key: bool,
        lose: Option<usize>,
        first: bool,
    ) -> Option<Whole> {
        let mut whole = None;
        let mut lost = u64::from(lose == Some(9));
        for (at, start) in [(0, 0x10), (1, 0x00)] {
            if lose == Some(at) {
                lost += 1;
                continue;
            }
            let payload = [start, u8::from(!key), 7, 8];
            let head = Head {
                first: first && at == 0,
                lost: std::mem::take(&mut lost),
                marker: at == 1,
                key: key && at == 0,
                ..head(Format::Vp8, millis)
            };
            whole = assembler.take(&head, &payload);
        }
        whole
    }

    #[test]
    fn pictures_begin_with_a_keyframe_and_go_on_with_one_after_a_loss() {
        let mut assembler = Assembler::new(Format::Vp8);
        let shown = [
            picture(&mut assembler, 0, false, None, true).is_some(),
            picture(&mut assembler, 40, true, None, false).is_some(),
            picture(&mut assembler, 80, false, None, false).is_some(),
            picture(&mut assembler, 120, false, Some(0), false).is_some(),
            picture(&mut assembler, 160, false, None, false).is_some(),
            picture(&mut assembler, 200, true, None, false).is_some(),
            picture(&mut assembler, 240, false, Some(9), false).is_some(),
            picture(&mut assembler, 280, true, None, false).is_some(),
            picture(&mut assembler, 320, true, None, true).is_some(),
        ];
        assert_eq!(shown, [false, true, true, false, false, true, false, true, true]);
        assert_eq!(assembler.frame, [0, 7, 8, 0, 7, 8]);
    }

    #[test]
    fn sound_is_smooth_where_its_times_are_not_and_follows_a_jump() {
        let mut assembler = Assembler::new(Format::Opus);
        let mut last = None;
        for n in 0..500u64 {
            let mut head = head(Format::Opus, n * 20);
            // 1 ms of jitter either way, and a clock that is 100 ms later from the middle on.
            let shift = if n >= 250 { 100 } else { 0 } + (n * 7 % 3);
            head.captured = head.captured.map(|at| at + Duration::from_millis(shift));
            let whole = assembler.take(&head, &[0xf8, 1, 2]).unwrap();
            let step = last.map(|last| whole.at.saturating_sub(last));
            last = Some(whole.at);
            let jump = Duration::from_millis(if n == 250 { 120 } else { 20 });
            if let Some(step) = step {
                assert!(step.abs_diff(jump) < Duration::from_millis(4), "{n}: {step:?}");
            }
        }
    }

    #[test]
    fn before_the_clock_is_told_the_earliest_arrival_counts() {
        let mut assembler = Assembler::new(Format::Opus);
        let late = [30, 10, 0, 25, 5, 40];
        let times: Vec<Duration> = (0..)
            .zip(late)
            .map(|(n, late)| {
                let mut head = head(Format::Opus, n * 20);
                head.captured = None;
                head.arrived += Duration::from_millis(late);
                assembler.captured(&head)
            })
            .collect();
        let begin = Duration::from_secs(1000);
        assert_eq!(times[2..], [40, 60, 80, 100].map(|millis| begin + Duration::from_millis(millis)));
    }
}
