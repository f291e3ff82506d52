//! What goes out: checks, handshakes, and data in runs of equal datagrams.

use ice::{Agent, CandidateKind};
use wire::{Fragments, Instant, Transmit, Transport};

use crate::Peer;

/// Datagrams in one run: what Linux cuts in one call (`UDP_MAX_SEGMENTS` is 64; some devices take fewer bytes).
const MAX_SEGMENTS: usize = 54;
/// Bytes of one run at most.
const MAX_RUN: usize = 65_000;
/// The header of UDP, and those of IP without options.
const UDP_HEADER: usize = 8;
const IPV4_HEADER: usize = 20;
const IPV6_HEADER: usize = 40;

/// A record in the caller's buffer.
struct Written {
    len: usize,
    fragments: Fragments,
}

impl Peer {
    /// Writes what is to be sent next into `buf` and says where to. A buffer of 1,500 bytes is enough without
    /// [`crate::Config::probe_path`]; in a larger one, up to 64 KiB, bulk data comes as a run of equal datagrams. Ask until
    /// there is nothing.
    pub fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        let transmit = self.next_transmit(now, buf)?;
        self.counters.bytes_sent += transmit.len as u64;
        self.counters.packets_sent +=
            transmit.segment_size.map_or(1, |size| transmit.len.div_ceil(size)) as u64;
        Some(transmit)
    }

    fn next_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        if self.closed {
            if let Some(transmit) = self.last_words(now, buf) {
                return Some(transmit);
            }
            // Not before, for they may carry the last words.
            for relay in &mut self.relays {
                if let Some(allocation) = relay.allocation() {
                    allocation.client.close(now);
                }
            }
        }
        for relay in &mut self.relays {
            if let Some(transmit) = relay.poll_transmit(now, buf) {
                return Some(transmit);
            }
        }
        while let Some(check) = self.agent.as_mut().and_then(|agent| agent.poll_transmit(now, buf)) {
            if let Some(transmit) = self.route(now, check, buf) {
                return Some(transmit);
            }
        }
        let pair = *self.agent.as_ref()?.selected()?;
        let dtls = self.dtls.as_mut()?;
        let direct = Transmit {
            transport: pair.transport,
            from: pair.local,
            to: pair.remote,
            len: 0,
            segment_size: None,
            fragments: Fragments::Usual,
        };
        if let Some(datagram) = self.direct.pop_front() {
            let len = datagram.len();
            buf.get_mut(..len)?.copy_from_slice(&datagram);
            return self.route(now, Transmit { len, ..direct }, buf);
        }
        if let Some(len) = dtls.poll_transmit(now, buf) {
            return self.route(now, Transmit { len, ..direct }, buf);
        }
        if let Some(len) = self.media.as_mut().and_then(|media| media.poll_transmit(now, buf)) {
            return self.route(now, Transmit { len, ..direct }, buf);
        }
        if pair.local_kind == CandidateKind::Relayed || pair.transport != Transport::Udp {
            let Written { len, fragments } = self.write_record(now, buf)?;
            return self.route(now, Transmit { len, fragments, ..direct }, buf);
        }
        let (Written { len, fragments }, segment) = self.write_run(now, buf)?;
        Some(Transmit { len, segment_size: (segment < len).then_some(segment), fragments, ..direct })
    }

    /// Ends the data channels. Not every stack takes the end of DTLS for theirs, but all understand an ABORT, which is
    /// sealed here and held until it is asked for.
    pub(crate) fn abort_data(&mut self, now: Instant) {
        let Some(sctp) = &mut self.sctp else { return };
        sctp.abort(now);
        self.held.clear();
        let mut buf = [0; 1500];
        if let Some(written) = self.write_record(now, &mut buf) {
            self.hold(&buf, &written);
        }
        self.sctp = None;
    }

    /// What the other side is told at the end.
    fn last_words(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        let pair = *self.agent.as_ref()?.selected()?;
        let len = match self.write_record(now, buf) {
            Some(written) => written.len,
            None => self.dtls.as_mut()?.poll_transmit(now, buf)?,
        };
        let (transport, from, to) = (pair.transport, pair.local, pair.remote);
        let fragments = Fragments::Usual;
        self.route(now, Transmit { transport, from, to, len, segment_size: None, fragments }, buf)
    }

    /// Sends from a relayed address by way of its relay.
    pub(crate) fn route(&mut self, now: Instant, transmit: Transmit, buf: &mut [u8]) -> Option<Transmit> {
        let Some(relay) = self.relays.iter_mut().find(|relay| relay.relayed() == Some(transmit.from)) else {
            return Some(transmit);
        };
        self.scratch.clear();
        self.scratch.extend_from_slice(&buf[..transmit.len]);
        let sent = relay.send(now, transmit.to, &self.scratch, buf)?;
        Some(Transmit { fragments: transmit.fragments, ..sent })
    }

    /// Lets data channels look for what the path carries: one of UDP between the two, for a relay may cut what it passes
    /// on, and has headers of its own.
    pub(crate) fn use_path(&mut self) {
        let pair = self.agent.as_ref().and_then(Agent::selected);
        let (Some(pair), Some(dtls), Some(sctp)) = (pair, &self.dtls, &mut self.sctp) else { return };
        let relayed = [pair.local_kind, pair.remote_kind].contains(&CandidateKind::Relayed);
        let direct = pair.transport == Transport::Udp && !relayed;
        let ip = if pair.remote.is_ipv4() { IPV4_HEADER } else { IPV6_HEADER };
        let overhead = ip + UDP_HEADER + dtls.overhead();
        sctp.use_path((self.config.probe_path && direct).then_some(overhead));
    }

    /// Keeps a record that stands at the start of `buf` for the next time.
    fn hold(&mut self, buf: &[u8], written: &Written) {
        self.held.clear();
        self.held.extend_from_slice(&buf[..written.len]);
        self.held_fragments = written.fragments;
    }

    /// Writes one record of data.
    fn write_record(&mut self, now: Instant, buf: &mut [u8]) -> Option<Written> {
        if !self.held.is_empty() {
            let (len, fragments) = (self.held.len(), self.held_fragments);
            buf.get_mut(..len)?.copy_from_slice(&self.held);
            self.held.clear();
            return Some(Written { len, fragments });
        }
        let (dtls, sctp) = (self.dtls.as_mut()?, self.sctp.as_mut()?);
        let (header, overhead) = (dtls.header_len(), dtls.overhead());
        let room = buf.len().checked_sub(overhead)?;
        let packet = sctp.poll_transmit(now, buf.get_mut(header..header + room)?)?;
        match dtls.seal(buf, packet.len) {
            Ok(len) => Some(Written { len, fragments: packet.fragments }),
            Err(_) => {
                self.counters.dropped.unsealed += 1;
                None
            }
        }
    }

    /// Writes records of one length, the last of which may be shorter; all of them, and the length of one. A record that
    /// is to be sent in a way of its own is alone.
    fn write_run(&mut self, now: Instant, buf: &mut [u8]) -> Option<(Written, usize)> {
        let room = buf.len().min(MAX_RUN);
        let first = self.write_record(now, &mut buf[..room])?;
        let segment = first.len;
        if first.fragments != Fragments::Usual {
            return Some((first, segment));
        }
        let mut end = segment;
        for _ in 1..MAX_SEGMENTS {
            if room - end < segment {
                break;
            }
            // The next packet may be longer than the first, if that was a mere acknowledgement.
            let Some(next) = self.write_record(now, &mut buf[end..room]) else { break };
            if next.len > segment || next.fragments != Fragments::Usual {
                self.hold(&buf[end..], &next);
                break;
            }
            end += next.len;
            if next.len < segment {
                break;
            }
        }
        Some((Written { len: end, fragments: Fragments::Usual }, segment))
    }
}
