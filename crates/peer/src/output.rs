//! What goes out: checks, handshakes, and data in runs of equal datagrams.

use ice::CandidateKind;
use wire::{Instant, Transmit, Transport};

use crate::Peer;

/// Datagrams in one run: what Linux cuts in one call (`UDP_MAX_SEGMENTS` is 64; some devices take fewer bytes).
const MAX_SEGMENTS: usize = 54;
/// Bytes of one run at most.
const MAX_RUN: usize = 65_000;

impl Peer {
    /// Writes what is to be sent next into `buf` and says where to. A buffer of 1,500 bytes is enough; in a larger
    /// one, up to 64 KiB, bulk data comes as a run of equal datagrams. Ask until there is nothing.
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
            let len = self.write_record(now, buf)?;
            return self.route(now, Transmit { len, ..direct }, buf);
        }
        let (len, segment) = self.write_run(now, buf)?;
        Some(Transmit { len, segment_size: (segment < len).then_some(segment), ..direct })
    }

    /// Ends the data channels. Not every stack takes the end of DTLS for theirs, but all understand an ABORT, which is
    /// sealed here and held until it is asked for.
    pub(crate) fn abort_data(&mut self, now: Instant) {
        let Some(sctp) = &mut self.sctp else { return };
        sctp.abort(now);
        self.held.clear();
        let mut buf = [0; 1500];
        if let Some(len) = self.write_record(now, &mut buf) {
            self.held.extend_from_slice(&buf[..len]);
        }
        self.sctp = None;
    }

    /// What the other side is told at the end.
    fn last_words(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        let pair = *self.agent.as_ref()?.selected()?;
        let len = match self.write_record(now, buf) {
            Some(len) => len,
            None => self.dtls.as_mut()?.poll_transmit(now, buf)?,
        };
        let (transport, from, to) = (pair.transport, pair.local, pair.remote);
        self.route(now, Transmit { transport, from, to, len, segment_size: None }, buf)
    }

    /// Sends from a relayed address by way of its relay.
    pub(crate) fn route(&mut self, now: Instant, transmit: Transmit, buf: &mut [u8]) -> Option<Transmit> {
        let Some(relay) = self.relays.iter_mut().find(|relay| relay.relayed() == Some(transmit.from)) else {
            return Some(transmit);
        };
        self.scratch.clear();
        self.scratch.extend_from_slice(&buf[..transmit.len]);
        relay.send(now, transmit.to, &self.scratch, buf)
    }

    /// Writes one record of data; its length.
    fn write_record(&mut self, now: Instant, buf: &mut [u8]) -> Option<usize> {
        if !self.held.is_empty() {
            let len = self.held.len();
            buf.get_mut(..len)?.copy_from_slice(&self.held);
            self.held.clear();
            return Some(len);
        }
        let (dtls, sctp) = (self.dtls.as_mut()?, self.sctp.as_mut()?);
        let (header, overhead) = (dtls.header_len(), dtls.overhead());
        let room = buf.len().checked_sub(overhead)?;
        let len = sctp.poll_transmit(now, buf.get_mut(header..header + room)?)?;
        match dtls.seal(buf, len) {
            Ok(len) => Some(len),
            Err(_) => {
                self.counters.dropped.unsealed += 1;
                None
            }
        }
    }

    /// Writes records of one length, the last of which may be shorter; the length of all and of one.
    fn write_run(&mut self, now: Instant, buf: &mut [u8]) -> Option<(usize, usize)> {
        let room = buf.len().min(MAX_RUN);
        let segment = self.write_record(now, &mut buf[..room])?;
        let mut end = segment;
        for _ in 1..MAX_SEGMENTS {
            if room - end < segment {
                break;
            }
            // The next packet may be longer than the first, if that was a mere acknowledgement.
            let Some(len) = self.write_record(now, &mut buf[end..room]) else { break };
            if len > segment {
                self.held.clear();
                self.held.extend_from_slice(&buf[end..end + len]);
                break;
            }
            end += len;
            if len < segment {
                break;
            }
        }
        Some((end, segment))
    }
}
