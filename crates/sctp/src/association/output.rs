use super::{Acknowledge, Association, State};
use crate::packet::{HEADER_LEN, checksum, kind, put_chunk};
use crate::timers::Timer;
use wire::{Instant, Short, Writer};

/// A chunk that waits to be sent once.
pub(super) struct Control {
    kind: u8,
    flags: u8,
    value: Vec<u8>,
    /// Goes in a packet of its own, with this tag if it is not the peer's.
    alone: bool,
    tag: Option<u32>,
}

impl Control {
    /// A chunk that may share a packet.
    pub(super) const fn bundled(kind: u8, value: Vec<u8>) -> Self {
        Self { kind, flags: 0, value, alone: false, tag: None }
    }

    /// A chunk that may not.
    pub(super) const fn alone(kind: u8, flags: u8, value: Vec<u8>, tag: Option<u32>) -> Self {
        Self { kind, flags, value, alone: true, tag }
    }
}

/// Chunks that wait at most; more are dropped, and their causes come again.
const MOST_CONTROL: usize = 32;

impl Association {
    pub(super) fn push(&mut self, control: Control) {
        if self.control.len() >= MOST_CONTROL {
            self.stats.dropped.queue += 1;
            return;
        }
        self.control.push_back(control);
    }

    /// Writes the next packet, of at most [`crate::Config::mtu`] bytes, and says how long it is. `buf` has room
    /// for that many. In a bulk transfer all packets have the same length.
    pub fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<usize> {
        if self.control.is_empty()
            && self.acknowledge != Acknowledge::Now
            && !self.sender.has_data()
            && !self.sender.forward_is_due()
        {
            return None;
        }
        let room = buf.len().min(self.config.mtu) & !3;
        let buf = &mut buf[..room];
        if room < HEADER_LEN {
            return None;
        }
        let mut tag = self.peer.map_or(0, |peer| peer.tag);
        let mut handshake = false;
        let mut used = HEADER_LEN;
        while let Some(front) = self.control.front() {
            let len = (front.value.len() + 4).next_multiple_of(4);
            if used > HEADER_LEN && (front.alone || used + len > room) {
                break;
            }
            let Control { kind, flags, value, alone, tag: own } = self.control.pop_front()?;
            let mut w = Writer::new(&mut buf[used..]);
            if put_chunk(&mut w, kind, flags, &value).is_err() {
                self.stats.dropped.queue += 1;
                continue;
            }
            used += len;
            handshake |= matches!(kind, kind::INIT | kind::INIT_ACK | kind::COOKIE_ECHO | kind::ABORT);
            if alone {
                tag = own.unwrap_or(tag);
                return Some(self.finish(buf, used, tag, true));
            }
        }
        used += self.write_body(now, &mut buf[used..], handshake).unwrap_or(0);
        // What was sent may have been the last before a threshold or a step of the shutdown.
        self.after(now);
        (used > HEADER_LEN).then(|| self.finish(buf, used, tag, handshake))
    }

    /// Acknowledgements and data.
    fn write_body(&mut self, now: Instant, buf: &mut [u8], handshake: bool) -> Result<usize, Short> {
        let sending = match self.state {
            State::Established | State::ShutdownPending | State::ShutdownReceived => true,
            // Data may ride behind the cookie, and only there (RFC 9260 §5.1).
            State::CookieEchoed { .. } => handshake,
            State::New | State::CookieWait | State::ShutdownSent | State::ShutdownAckSent | State::Closed => {
                false
            }
        };
        let mut used = 0;
        let wanted = self.acknowledge == Acknowledge::Now
            || (self.acknowledge == Acknowledge::Later && sending && self.sender.has_data());
        if wanted
            && buf.len() >= 16
            && let Some(receiver) = &mut self.receiver
        {
            let room = buf.len();
            let mut w = Writer::new(buf);
            receiver.write_sack(&mut w, room)?;
            used = w.len();
            self.acknowledge = Acknowledge::No;
            self.unacknowledged = 0;
            self.timers.stop(Timer::Acknowledge);
        }
        if !sending {
            return Ok(used);
        }
        if self.sender.forward_is_due() {
            let room = buf.len() - used;
            let mut w = Writer::new(&mut buf[used..]);
            self.sender.write_forward(now, &mut w, room)?;
            used += w.len();
        }
        Ok(used + self.sender.fill(now, &mut buf[used..], &mut self.timers, &mut self.stats))
    }

    /// Writes the common header.
    fn finish(&mut self, buf: &mut [u8], len: usize, tag: u32, handshake: bool) -> usize {
        buf[..2].copy_from_slice(&self.config.local_port.to_be_bytes());
        buf[2..4].copy_from_slice(&self.config.remote_port.to_be_bytes());
        buf[4..8].copy_from_slice(&tag.to_be_bytes());
        buf[8..12].fill(0);
        // Handshake packets always have one (RFC 9653 §5.2).
        if handshake || !self.zero_checksum {
            let sum = checksum(&buf[..len]);
            buf[8..12].copy_from_slice(&sum.to_le_bytes());
        }
        self.stats.packets_sent += 1;
        len
    }
}
