//! How large packets may be on a path: the search of packetization layer path MTU discovery (RFC 8899 §5), without
//! anything that sends.
//!
//! ```text
//!   Off ──use_path──▶ Searching ──nothing left between what passes and what does not──▶ Complete
//!                      ▲     ▲                                                            │
//!                      │     └──────────────────── 600 s later, if there is data ─────────┘
//!                      └── black hole: from the base, after a pause (from either state)
//! ```
//!
//! Packets have the base size until a larger one is confirmed; the base itself is taken for granted (BASE and ERROR of
//! the RFC are left out), because the handshake of DTLS could not have come about on a path that does not carry it.
//! Nothing here has a timer of its own: the search goes on when packets are filled, so that a peer at rest costs nothing.

use std::time::Duration;
use wire::{Instant, Rng};

/// Sizes of IP packets that networks are made for: tunnels below Ethernet, Ethernet, large packets, the loopback.
const KNOWN: [usize; 15] =
    [1280, 1300, 1320, 1340, 1360, 1380, 1400, 1420, 1440, 1460, 1480, 1492, ETHERNET, 9000, LARGEST];
/// Most paths carry this, so it is asked for first.
const ETHERNET: usize = 1500;
/// It stands for whatever is the most that is looked for.
const LARGEST: usize = 65_535;
/// Probes of a size that are lost before it counts as too large (MAX_PROBES, RFC 8899 §5.1.2).
const MAX_PROBES: u32 = 3;
/// Until larger sizes are tried again, and the one in use once more (PMTU_RAISE_TIMER, RFC 8899 §5.1.1).
const RAISE: Duration = Duration::from_secs(600);
/// Until they are after the first black hole of a path; each further one doubles it, up to [`RAISE`].
const PAUSE: Duration = Duration::from_secs(4);
/// Full packets after which a path is used for bulk: less data gains nothing from larger ones.
const BULK: u32 = 32;

/// What is known of the sizes that a path carries.
#[derive(Debug)]
pub(crate) struct Search {
    base: usize,
    most: usize,
    /// Sizes of our packets, ascending from the base; no other ones are ever used.
    sizes: Vec<usize>,
    /// The place of [`ETHERNET`] among them.
    ethernet: usize,
    /// The place of the size in use.
    current: usize,
    state: State,
    /// Full packets since the path is new, was searched, or shrank.
    filled: u32,
    /// No probe before.
    rest: Instant,
    pause: Duration,
}

#[derive(Debug)]
enum State {
    /// Nothing is looked for.
    Off,
    Searching {
        /// The largest that has passed in this search, or the base.
        low: usize,
        /// The smallest that has not, or one more than there are.
        high: usize,
        probe: Option<Probe>,
    },
    /// Until [`Search::rest`].
    Complete,
}

#[derive(Debug)]
struct Probe {
    place: usize,
    /// What an answer has to say. It stays with the size, so that a late one counts.
    nonce: [u8; 12],
    lost: u32,
    waiting: bool,
}

impl Search {
    /// A search that is off, with packets of `base` bytes.
    pub(crate) fn new(base: usize, most: usize) -> Self {
        Self {
            base,
            most,
            sizes: vec![base],
            ethernet: 0,
            current: 0,
            state: State::Off,
            filled: 0,
            rest: Instant::ZERO,
            pause: PAUSE,
        }
    }

    /// A new path, on which each packet has `overhead` more bytes; `None` if nothing shall be looked for.
    pub(crate) fn begin(&mut self, overhead: Option<usize>) {
        *self = Self::new(self.base, self.most);
        let Some(overhead) = overhead else { return };
        for known in KNOWN {
            let mut size = known.saturating_sub(overhead) & !3;
            if size > self.most && known == LARGEST && self.most > ETHERNET {
                size = self.most;
            }
            if size <= self.most && self.sizes.last().is_some_and(|last| *last < size) {
                self.sizes.push(size);
                if known <= ETHERNET {
                    self.ethernet = self.sizes.len() - 1;
                }
            }
        }
        if self.sizes.len() > 1 {
            self.state = self.anew();
        }
    }

    /// The same path from its beginning.
    pub(crate) fn restart(&mut self) {
        (self.current, self.filled, self.rest, self.pause) = (0, 0, Instant::ZERO, PAUSE);
        if !matches!(self.state, State::Off) {
            self.state = self.anew();
        }
    }

    const fn anew(&self) -> State {
        State::Searching { low: 0, high: self.sizes.len(), probe: None }
    }

    /// How large packets may be now.
    pub(crate) fn size(&self) -> usize {
        self.sizes[self.current]
    }

    /// A packet was sent that could not have held much more.
    pub(crate) const fn filled(&mut self) {
        self.filled = self.filled.saturating_add(1);
    }

    /// The size to be asked for now, if any.
    pub(crate) fn due(&mut self, now: Instant) -> Option<usize> {
        if self.filled < BULK || now < self.rest {
            return None;
        }
        if let State::Complete = self.state {
            self.pause = PAUSE;
            self.state = self.anew();
        }
        match &self.state {
            State::Searching { probe: Some(probe), .. } => (!probe.waiting).then(|| self.sizes[probe.place]),
            State::Searching { low, high, probe: None } => Some(self.sizes[self.next(*low, *high)]),
            State::Off | State::Complete => None,
        }
    }

    /// The place between two that are at least two apart: the size in use, to see whether it still passes; what most
    /// paths carry; the middle.
    const fn next(&self, low: usize, high: usize) -> usize {
        if low < self.current && self.current < high {
            self.current
        } else if low < self.ethernet && self.ethernet < high {
            self.ethernet
        } else {
            usize::midpoint(low, high)
        }
    }

    /// The probe that is due is sent, with this nonce.
    pub(crate) fn send(&mut self, rng: &mut Rng) -> [u8; 12] {
        let fresh: [u8; 12] = rng.array();
        let State::Searching { low, high, .. } = self.state else { return fresh };
        let place = self.next(low, high);
        let State::Searching { probe, .. } = &mut self.state else { return fresh };
        let probe = probe.get_or_insert(Probe { place, nonce: fresh, lost: 0, waiting: true });
        probe.waiting = true;
        probe.nonce
    }

    /// A heartbeat was answered. Says whether it was our probe, which then has passed.
    pub(crate) fn answered(&mut self, now: Instant, nonce: &[u8]) -> bool {
        let State::Searching { low, probe: Some(probe), .. } = &mut self.state else { return false };
        if probe.nonce != nonce {
            return false;
        }
        *low = probe.place;
        self.current = self.current.max(probe.place);
        self.settle(now);
        true
    }

    /// Nobody answered a probe for so long that it is lost.
    pub(crate) fn lost(&mut self, now: Instant) {
        let State::Searching { probe: Some(probe), .. } = &mut self.state else { return };
        probe.waiting = false;
        probe.lost += 1;
        if probe.lost >= MAX_PROBES {
            self.refused(now);
        }
    }

    /// The probe can never pass.
    pub(crate) fn refused(&mut self, now: Instant) {
        let State::Searching { low, high, probe: Some(probe) } = &mut self.state else { return };
        *high = probe.place;
        if self.current >= *high {
            self.current = *low;
        }
        self.settle(now);
    }

    /// Nothing passes at all: what a probe met says nothing of its size.
    pub(crate) const fn interrupted(&mut self) {
        if let State::Searching { probe: Some(probe), .. } = &mut self.state {
            probe.waiting = false;
        }
    }

    /// Large packets do not pass any more.
    pub(crate) fn shrink(&mut self, now: Instant) {
        (self.current, self.filled) = (0, 0);
        self.rest = now + self.pause;
        self.pause = (self.pause * 2).min(RAISE);
        self.state = self.anew();
    }

    /// What a probe was about is known; so may be everything.
    fn settle(&mut self, now: Instant) {
        let State::Searching { low, high, probe } = &mut self.state else { return };
        *probe = None;
        if *low + 1 >= *high {
            self.state = State::Complete;
            (self.filled, self.rest) = (0, now + RAISE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: usize = 1188;
    /// IPv4, UDP and a record of DTLS 1.2 with AES-GCM.
    const OVERHEAD: usize = 20 + 8 + 37;

    fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    fn search(most: usize) -> Search {
        let mut search = Search::new(BASE, most);
        search.begin(Some(OVERHEAD));
        use_for_bulk(&mut search);
        search
    }

    fn use_for_bulk(search: &mut Search) {
        (0..BULK).for_each(|_| search.filled());
    }

    /// Asks for as long as something is due, on a path that carries packets of `mtu` bytes: what was asked for.
    fn ask(search: &mut Search, now: Instant, mtu: usize) -> Vec<usize> {
        let mut rng = Rng::from_number(1);
        let mut asked = Vec::new();
        while let Some(size) = search.due(now) {
            asked.push(size);
            let nonce = search.send(&mut rng);
            assert_eq!(search.due(now), None, "one at a time");
            if size + OVERHEAD <= mtu {
                assert!(search.answered(now, &nonce));
            } else {
                search.lost(now);
            }
            assert!(asked.len() < 100, "a search without end");
        }
        asked
    }

    /// What a path carries, the largest packet that is looked for, and what is found: with at most four sizes asked for
    /// in vain.
    #[test]
    fn the_largest_size_that_passes_is_found() {
        for (mtu, most, found) in [
            (1500, 1432, 1432),
            (1500, 16_200, 1432),
            (65_535, 16_200, 16_200),
            (9000, 65_532, 8932),
            (9000, 8000, 8000),
            (1492, 16_200, 1424),
            (1488, 16_200, 1412),
            (1400, 16_200, 1332),
            (1300, 16_200, 1232),
            (1280, 16_200, 1212),
            (1276, 16_200, BASE),
            (1500, 1188, BASE),
            (65_535, 1448, 1432),
            (1500, 1431, 1424),
        ] {
            let mut search = search(most);
            let asked = ask(&mut search, at(1), mtu);
            assert_eq!(search.size(), found, "{mtu} {most}: {asked:?}");
            let lost = asked.iter().filter(|size| **size + OVERHEAD > mtu).count();
            assert!(lost <= 4 * MAX_PROBES as usize, "{mtu} {most}: {asked:?}");
        }
    }

    #[test]
    fn only_bulk_is_worth_a_probe() {
        let mut search = Search::new(BASE, 16_200);
        search.begin(Some(OVERHEAD));
        (1..BULK).for_each(|_| search.filled());
        assert_eq!(search.due(at(1)), None);
        search.filled();
        assert_eq!(search.due(at(1)), Some(1432));
        search.begin(None);
        use_for_bulk(&mut search);
        assert_eq!(search.due(at(1)), None, "a path that carries no probes");
    }

    #[test]
    fn no_answer_but_the_right_one_counts() {
        let mut search = search(16_200);
        let nonce = search.send(&mut Rng::from_number(1));
        for wrong in [&[0; 12][..], &nonce[1..], &[]] {
            assert!(!search.answered(at(1), wrong));
        }
        search.lost(at(2));
        assert!(search.answered(at(2), &nonce), "late is not too late");
        assert_eq!(search.size(), 1432);
        assert!(!search.answered(at(2), &nonce), "once is enough");
        search.shrink(at(3));
        assert!(!search.answered(at(3), &nonce), "what was once the case");
        assert_eq!(search.size(), BASE);
    }

    #[test]
    fn a_probe_that_met_trouble_is_no_evidence() {
        let mut search = search(1432);
        let mut rng = Rng::from_number(1);
        for _ in 0..10 {
            assert_eq!(search.due(at(1)), Some(1432));
            search.send(&mut rng);
            search.interrupted();
        }
        search.send(&mut rng);
        search.refused(at(1));
        assert_eq!(search.due(at(1)), Some(1312), "the middle of what is left");
    }

    /// After ten minutes the size in use is asked for first, and then larger ones.
    #[test]
    fn a_search_is_done_again_in_time_and_for_bulk() {
        let mut search = search(16_200);
        ask(&mut search, at(1), 1400);
        assert_eq!(search.size(), 1332);
        use_for_bulk(&mut search);
        assert_eq!(search.due(at(600)), None);
        assert_eq!(search.due(at(601)), Some(1332));
        assert_eq!(ask(&mut search, at(601), 1500)[..2], [1332, 1432]);
        assert_eq!(search.size(), 1432);
        assert_eq!(search.due(at(2000)), None, "no bulk");
        use_for_bulk(&mut search);
        ask(&mut search, at(2000), 1300);
        assert_eq!(search.size(), 1232, "it may have become smaller without a loss");
    }

    #[test]
    fn pauses_after_black_holes_double() {
        let mut search = search(16_200);
        let mut now = at(1);
        for pause in [4, 8, 16, 32, 64, 128, 256, 512, 600, 600] {
            ask(&mut search, now, 1500);
            assert_eq!(search.size(), 1432);
            search.shrink(now);
            use_for_bulk(&mut search);
            let end = now + Duration::from_secs(pause);
            assert_eq!(search.due(end - Duration::from_millis(1)), None);
            now = end;
            assert_eq!(search.due(now), Some(1432));
        }
    }
}
