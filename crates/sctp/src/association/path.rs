//! Probes of the path (RFC 8899 §6.2, RFC 8261 §5): a HEARTBEAT with a nonce, padded by a PAD chunk (RFC 4820) to the
//! size that is looked for.
//!
//! A probe rides along with bulk data and never instead of it: it is not data, so its loss is none, and it waits
//! until nothing else is wrong. What is lost of a probe is at most itself.
//!
//! When the size falls, fragments that were sent larger cannot be cut again, for their numbers are taken. They go
//! out as they are and say that they may be cut on their way ([`wire::Fragments::Allowed`]; RFC 9260 §6.9). To make no
//! fragment larger than the base would do without, and would cost what larger packets bring: two chunks in each of
//! them. On a path that drops large packets *and* all fragments the association ends, as on one that drops everything.

use super::output::Transmit;
use super::{Acknowledge, Association, State};
use crate::packet::{HEADER_LEN, kind, put_chunk};
use crate::timers::Timer;
use std::time::Duration;
use wire::{Fragments, Instant, Short, Writer};

/// The shortest patience with a probe (PROBE_TIMER, RFC 8899 §5.1.1).
const PATIENCE: Duration = Duration::from_secs(1);
/// The header of the only parameter of a HEARTBEAT: its type, and its length with twelve bytes (RFC 9260 §3.3.5).
const HEARTBEAT_INFO: [u8; 4] = [0, 1, 0, 16];
/// A chunk's header in front of what pads, and the HEARTBEAT before that.
const LEAST_PROBE: usize = HEADER_LEN + 20 + 4;

impl Association {
    /// Packets take another path from now on: they are of [`crate::Config::mtu`] again, and larger ones are looked for
    /// once there is bulk data, up to [`crate::Config::max_mtu`].
    ///
    /// `overhead` is what a packet has around it in bytes: IP, UDP, the record of DTLS. `None`, as at first, means that
    /// nothing is looked for, because the driver cannot keep a datagram whole ([`wire::Fragments::Never`]) or the path
    /// is none of datagrams.
    pub fn use_path(&mut self, overhead: Option<usize>) {
        self.timers.stop(Timer::Path);
        self.path.begin(overhead);
        self.sender.set_mtu(self.path.size());
    }

    /// The system did not take a packet with [`wire::Fragments::Never`], because the first link is too small for it.
    /// Whoever does not say so waits longer for the same.
    pub fn probe_refused(&mut self, now: Instant) {
        if self.timers.get(Timer::Path).is_some() {
            self.timers.stop(Timer::Path);
            self.path.refused(now);
            self.follow_path();
        }
    }

    /// The largest packet sent now, in bytes.
    pub const fn packet_size(&self) -> usize {
        self.sender.mtu()
    }

    /// Writes a probe, if one is due and nothing else is.
    pub(super) fn write_probe(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        let quiet = self.control.is_empty() && self.acknowledge != Acknowledge::Now && self.errors == 0;
        if !quiet || self.state != State::Established {
            return None;
        }
        let size = self.path.due(now)?;
        if size > buf.len() || size < LEAST_PROBE || !self.sender.can_spare(size) {
            return None;
        }
        let nonce = self.path.send(&mut self.rng);
        let written = padded_heartbeat(&mut buf[HEADER_LEN..size], &nonce);
        debug_assert!(written.is_ok(), "a probe has room for its chunks");
        self.timers.set(Timer::Path, now + self.sender.rtt.timeout().max(PATIENCE));
        self.sender.spare(size);
        self.stats.path_probes += 1;
        let tag = self.peer.map_or(0, |peer| peer.tag);
        let len = self.finish(buf, size, tag, false);
        Some(Transmit { len, fragments: Fragments::Never })
    }

    /// HEARTBEAT ACK: somebody is there, and if it answers a probe, that has passed.
    pub(super) fn on_heartbeat_ack(&mut self, now: Instant, value: &[u8]) {
        self.errors = 0;
        let nonce = value.strip_prefix(&HEARTBEAT_INFO);
        if nonce.is_some_and(|nonce| self.path.answered(now, nonce)) {
            self.timers.stop(Timer::Path);
            self.follow_path();
        }
    }

    pub(super) fn probe_timed_out(&mut self, now: Instant) {
        self.path.lost(now);
        self.follow_path();
    }

    /// After losses: goes back to the base if large packets do not pass any more, though nothing says so (a black
    /// hole, RFC 8899 §4.3).
    pub(super) fn shrink_if_needed(&mut self, now: Instant) {
        if self.sender.is_in_black_hole() {
            self.timers.stop(Timer::Path);
            self.path.shrink(now);
            self.follow_path();
        }
    }

    /// Nothing was acknowledged for a whole timeout.
    pub(super) fn doubt_path(&mut self, now: Instant) {
        self.timers.stop(Timer::Path);
        self.path.interrupted();
        self.shrink_if_needed(now);
    }

    fn follow_path(&mut self) {
        let size = self.path.size();
        if size != self.sender.mtu() {
            self.stats.path_shrinks += u64::from(size < self.sender.mtu());
            self.sender.set_mtu(size);
        }
    }
}

/// Fills `buf`, which is longer than both headers.
fn padded_heartbeat(buf: &mut [u8], nonce: &[u8; 12]) -> Result<(), Short> {
    let size = buf.len();
    let mut w = Writer::new(buf);
    put_chunk(&mut w, kind::HEARTBEAT, 0, &[&HEARTBEAT_INFO[..], nonce].concat())?;
    let left = size - w.len();
    w.put(&[kind::PAD, 0])?;
    w.u16(crate::num::u16_of(left))?;
    let start = w.len();
    buf[start..].fill(0);
    Ok(())
}
