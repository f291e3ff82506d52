use wire::Instant;

/// Everything that has a deadline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Timer {
    /// T1-init, T1-cookie: the handshake (RFC 9260 §4).
    Handshake,
    /// T2-shutdown.
    Shutdown,
    /// T3-rtx: data.
    Retransmit,
    /// Tail loss probe (RFC 8985 §7).
    Probe,
    /// Reordering window of loss detection (RFC 8985 §6.2).
    Reorder,
    /// When the pacer lets the next packet go.
    Pace,
    /// Delayed acknowledgement.
    Acknowledge,
    /// RE-CONFIG not answered.
    Reconfig,
    /// HEARTBEAT.
    Heartbeat,
    /// A probe of the path that was not answered (PROBE_TIMER of RFC 8899 §5.1.1).
    Path,
}

const ALL: [Timer; 10] = [
    Timer::Handshake,
    Timer::Shutdown,
    Timer::Retransmit,
    Timer::Probe,
    Timer::Reorder,
    Timer::Pace,
    Timer::Acknowledge,
    Timer::Reconfig,
    Timer::Heartbeat,
    Timer::Path,
];

/// One deadline for each kind: setting is a store, asking for the next one looks at ten.
#[derive(Default, Debug)]
pub(crate) struct Timers([Option<Instant>; ALL.len()]);

impl Timers {
    pub(crate) const fn set(&mut self, timer: Timer, at: Instant) {
        self.0[timer as usize] = Some(at);
    }

    pub(crate) const fn stop(&mut self, timer: Timer) {
        self.0[timer as usize] = None;
    }

    pub(crate) const fn get(&self, timer: Timer) -> Option<Instant> {
        self.0[timer as usize]
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.iter().flatten().min().copied()
    }

    /// Takes a deadline that has come; the first kind wins.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<Timer> {
        let due = ALL.into_iter().find(|t| self.get(*t).is_some_and(|at| at <= now))?;
        self.stop(due);
        Some(due)
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}
