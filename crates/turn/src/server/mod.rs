use crate::{Config, ConnectionId, Event, FiveTuple, Forward, OpenError, RelayId, Run, Source, Stats};
use std::net::SocketAddr;
use wire::{Instant, Transmit};

/// A STUN and TURN server for the sockets of one thread.
pub struct Server {
    config: Config,
    stats: Stats,
}

impl Server {
    /// A server at `now`. `seed` is operating-system entropy in a program; the same seed and the same calls
    /// give the same answers.
    pub fn new(config: Config, _seed: [u8; 32], _now: Instant) -> Self {
        Self { config, stats: Stats::default() }
    }

    /// Consumes at least one datagram of the run. `Some`: pass these bytes on. `None`: it was for the machine
    /// itself, or was dropped and counted. A stream client's input is exactly one message as
    /// [`frame::next`](crate::frame::next) cuts them.
    pub fn handle_input(&mut self, _now: Instant, _source: Source, run: &mut Run<'_>) -> Option<Forward> {
        run.advance_to(run.bytes.len());
        None
    }

    /// Lets time pass: call when [`poll_timeout`](Self::poll_timeout) says so.
    pub fn handle_timeout(&mut self, _now: Instant) {}

    /// Writes the next response or indication into `buf` (1,500 bytes are always enough).
    pub fn poll_transmit(&mut self, _now: Instant, _buf: &mut [u8]) -> Option<Transmit> {
        None
    }

    /// What the driver must do next.
    pub fn poll_event(&mut self) -> Option<Event> {
        None
    }

    /// When to call [`handle_timeout`](Self::handle_timeout); `None`: nothing is scheduled.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Answers [`Event::OpenRelay`] with the address the socket is bound to.
    pub fn relay_opened(&mut self, _now: Instant, _relay: RelayId, _result: Result<SocketAddr, OpenError>) {}

    /// A client's stream ended.
    pub fn client_closed(&mut self, _now: Instant, _client: FiveTuple) {}

    /// Answers [`Event::Connect`].
    pub fn peer_connected(&mut self, _now: Instant, _connection: ConnectionId, _ok: bool) {}

    /// A peer connected to the listener of a TCP allocation. `None`: it is not permitted, close it.
    pub fn peer_accepted(
        &mut self,
        _now: Instant,
        _relay: RelayId,
        _from: SocketAddr,
    ) -> Option<ConnectionId> {
        None
    }

    /// A peer connection, or the client stream spliced to it, ended.
    pub fn connection_closed(&mut self, _now: Instant, _connection: ConnectionId) {}

    /// An ICMP error came for something a relay sent to `peer` (RFC 8656 §11.5): type, code, and the MTU of
    /// "fragmentation needed" or zero.
    pub fn peer_unreachable(
        &mut self,
        _now: Instant,
        _relay: RelayId,
        _peer: SocketAddr,
        _icmp: (u8, u8, u32),
    ) {
    }

    /// The wall clock, for the expiry of time-limited credentials. Call at the start and each minute or so.
    pub fn set_time(&mut self, _now: Instant, _unix_seconds: u64) {}

    /// No new allocations from now on; those that exist go on.
    pub fn set_draining(&mut self, _now: Instant) {}

    /// Counters since the start.
    pub fn stats(&self) -> &Stats {
        let _ = &self.config;
        &self.stats
    }
}
