//! What was measured.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

/// Delays are counted in classes of a tenth of a millisecond, up to ten seconds: however long it runs, it takes no more.
const CLASS: Duration = Duration::from_micros(100);
const CLASSES: usize = 100_000;

/// What is counted in one room.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    pub(super) sent: u64,
    pub(super) refused: u64,
    pub(super) frames: u64,
    pub(super) keyframes: u64,
    pub(super) freezes: u64,
    pub(super) frozen: Duration,
    pub(super) failed: u64,
    pub(super) joins: Vec<Duration>,
    pub(super) packets: u64,
    pub(super) lost: u64,
    delays: Vec<u64>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            sent: 0,
            refused: 0,
            frames: 0,
            keyframes: 0,
            freezes: 0,
            frozen: Duration::ZERO,
            failed: 0,
            joins: Vec::new(),
            packets: 0,
            lost: 0,
            delays: Vec::new(),
        }
    }
}

impl Tally {
    pub(super) fn delay(&mut self, delay: Duration) {
        let class = usize::try_from(delay.as_nanos() / CLASS.as_nanos()).unwrap_or(CLASSES).min(CLASSES - 1);
        if self.delays.len() <= class {
            self.delays.resize(class + 1, 0);
        }
        self.delays[class] += 1;
    }

    /// Adds another room.
    fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.refused += other.refused;
        self.frames += other.frames;
        self.keyframes += other.keyframes;
        self.freezes += other.freezes;
        self.frozen += other.frozen;
        self.failed += other.failed;
        self.packets += other.packets;
        self.lost += other.lost;
        self.joins.extend(&other.joins);
        self.delays.resize(self.delays.len().max(other.delays.len()), 0);
        self.delays.iter_mut().zip(&other.delays).for_each(|(sum, count)| *sum += count);
    }

    /// The delay that so many of a hundred pictures had at most.
    fn delay_at(&self, percent: u64) -> Option<f64> {
        let all: u64 = self.delays.iter().sum();
        let mut left = (all * percent).div_ceil(100).max(1);
        let class = self.delays.iter().position(|count| {
            let found = *count >= left;
            left = left.saturating_sub(*count);
            found
        })?;
        Some(millis(CLASS * u32::try_from(class + 1).unwrap_or(u32::MAX)))
    }
}

fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e5).round() / 100.0
}

/// One room, or all; times in milliseconds.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Line {
    people: usize,
    joined: usize,
    join_p50: Option<f64>,
    join_p99: Option<f64>,
    pictures_sent: u64,
    pictures_refused: u64,
    pictures_received: u64,
    keyframes_received: u64,
    packets_received: u64,
    packets_lost: u64,
    delay_p50: Option<f64>,
    delay_p99: Option<f64>,
    freezes: u64,
    frozen: f64,
    connections_failed: u64,
}

/// All of it.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    /// Seconds from the first join to the end.
    seconds: f64,
    rooms: Vec<Line>,
    all: Line,
    /// The part of a core that the server took, if it runs here.
    #[serde(skip_serializing_if = "Option::is_none")]
    server_cores: Option<f64>,
    /// Nobody could be told everything: somebody pressed Ctrl-C.
    pub(super) interrupted: bool,
    /// What went wrong with whom, the first of each kind.
    errors: Vec<String>,
}

/// One room as it was counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Room {
    pub(super) people: usize,
    pub(super) joined: usize,
    pub(super) tally: Tally,
}

impl Line {
    fn new(room: &Room) -> Self {
        let tally = &room.tally;
        let mut joins = tally.joins.clone();
        joins.sort_unstable();
        let at = |percent: usize| {
            let last = joins.len().checked_sub(1)?;
            joins.get((joins.len() * percent / 100).min(last)).copied().map(millis)
        };
        Self {
            people: room.people,
            joined: room.joined,
            join_p50: at(50),
            join_p99: at(99),
            pictures_sent: tally.sent,
            pictures_refused: tally.refused,
            pictures_received: tally.frames,
            keyframes_received: tally.keyframes,
            packets_received: tally.packets,
            packets_lost: tally.lost,
            delay_p50: tally.delay_at(50),
            delay_p99: tally.delay_at(99),
            freezes: tally.freezes,
            frozen: millis(tally.frozen),
            connections_failed: tally.failed,
        }
    }

    fn row(&self, name: &str, out: &mut String) {
        let time = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.1}"));
        let joined = format!("{}/{}", self.joined, self.people);
        let join = format!("{}/{}", time(self.join_p50), time(self.join_p99));
        let delay = format!("{}/{}", time(self.delay_p50), time(self.delay_p99));
        let all = self.packets_received + self.packets_lost;
        #[expect(clippy::cast_precision_loss, reason = "a percentage")]
        let lost = self.packets_lost as f64 * 100.0 / all.max(1) as f64;
        let _ = writeln!(
            out,
            "{name:<6} {joined:>9} {join:>15} {:>9} {:>10} {lost:>7.2} {delay:>13} {:>7} {:>9}",
            self.pictures_received, self.packets_received, self.freezes, self.keyframes_received
        );
    }
}

impl Report {
    pub(super) fn new(
        seconds: Duration,
        rooms: &[Room],
        server: Option<Duration>,
        errors: Vec<String>,
    ) -> Self {
        let mut all = Room::default();
        for room in rooms {
            all.people += room.people;
            all.joined += room.joined;
            all.tally.add(&room.tally);
        }
        Self {
            seconds: millis(seconds) / 1000.0,
            rooms: rooms.iter().map(Line::new).collect(),
            all: Line::new(&all),
            server_cores: server
                .map(|cpu| (cpu.as_secs_f64() / seconds.as_secs_f64().max(1e-3) * 1000.0).round() / 1000.0),
            interrupted: false,
            errors,
        }
    }

    /// Whether everybody came in and saw something.
    pub(super) fn is_good(&self) -> bool {
        self.all.joined == self.all.people && self.all.pictures_received > 0
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let mut out = String::from(
            "room      joined  join p50/p99   pictures    packets   lost%  delay p50/p99 freezes keyframes\n",
        );
        // A long list says no more than its sum.
        for (at, room) in self.rooms.iter().enumerate().take(20) {
            room.row(&(at + 1).to_string(), &mut out);
        }
        if self.rooms.len() > 20 {
            let _ = writeln!(out, "… and {} rooms more", self.rooms.len() - 20);
        }
        self.all.row("all", &mut out);
        let _ = write!(out, "Times in milliseconds; {:.1} s in all", self.seconds);
        if let Some(cores) = self.server_cores {
            let _ = write!(out, "; the server took {cores:.2} of a core");
        }
        out.push('.');
        for error in &self.errors {
            let _ = write!(out, "\n{error}");
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_found_in_their_classes() {
        let mut tally = Tally::default();
        assert_eq!(tally.delay_at(50), None);
        (0..100).for_each(|at| tally.delay(Duration::from_millis(at)));
        assert_eq!(
            (tally.delay_at(50), tally.delay_at(99), tally.delay_at(100)),
            (Some(49.1), Some(98.1), Some(99.1))
        );
        let mut sum = Tally::default();
        sum.delay(Duration::from_secs(60));
        sum.add(&tally);
        assert_eq!((sum.delay_at(50), sum.delay_at(100)), (Some(50.1), Some(10_000.0)));
    }
}
