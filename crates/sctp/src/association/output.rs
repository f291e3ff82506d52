use super::{Acknowledge, Association, State};
use crate::packet::{HEADER_LEN, checksum, kind, put_chunk};
use crate::timers::Timer;
use wire::{Fragments, Instant, Short, Writer};

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

/// A packet that was written into the caller's buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transmit {
    /// How many bytes of the buffer it takes.
    pub len: usize,
    /// Whether it may be cut on its way; anything but [`Fragments::Usual`] only after [`Association::use_path`].
    pub fragments: Fragments,
}

/// Chunks that wait at most; more are dropped, and their causes come again.
const MOST_CONTROL: usize = 32;
/// A packet with less room than this is full.
const NEARLY: usize = 64;

impl Association {
    pub(super) fn push(&mut self, control: Control) {
        if self.control.len() >= MOST_CONTROL {
            self.stats.dropped.queue += 1;
            return;
        }
        self.control.push_back(control);
    }

    /// Writes the next packet, of at most [`crate::Config::mtu`] bytes, or [`crate::Config::max_mtu`] after
    /// [`Association::use_path`]. `buf` has room for that many. In a bulk transfer all packets have the same length.
    pub fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        if self.control.is_empty()
            && self.acknowledge != Acknowledge::Now
            && !self.sender.has_data()
            && !self.sender.forward_is_due()
        {
            return None;
        }
        let room = buf.len().min(self.sender.mtu()) & !3;
        if room < HEADER_LEN {
            return None;
        }
        if let Some(probe) = self.write_probe(now, buf) {
            return Some(probe);
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
            let mut w = Writer::new(&mut buf[used..room]);
            if put_chunk(&mut w, kind, flags, &value).is_err() {
                self.stats.dropped.queue += 1;
                continue;
            }
            used += len;
            handshake |= matches!(kind, kind::INIT | kind::INIT_ACK | kind::COOKIE_ECHO | kind::ABORT);
            if alone {
                tag = own.unwrap_or(tag);
                let len = self.finish(buf, used, tag, true);
                return Some(Transmit { len, fragments: Fragments::Usual });
            }
        }
        used = self.write_body(now, buf, (used, room), handshake).unwrap_or(used);
        if used + NEARLY > room {
            self.path.filled();
        }
        // What was sent may have been the last before a threshold or a step of the shutdown.
        self.after(now);
        (used > HEADER_LEN).then(|| {
            let fragments = if used > room { Fragments::Allowed } else { Fragments::Usual };
            Transmit { len: self.finish(buf, used, tag, handshake), fragments }
        })
    }

    /// Acknowledgements and data behind the first `used` bytes, up to `room`; only what was once sent in a larger packet
    /// goes beyond. Says where they end.
    fn write_body(
        &mut self,
        now: Instant,
        buf: &mut [u8],
        (mut used, room): (usize, usize),
        handshake: bool,
    ) -> Result<usize, Short> {
        let sending = match self.state {
            State::Established | State::ShutdownPending | State::ShutdownReceived => true,
            // Data may ride behind the cookie, and only there (RFC 9260 §5.1).
            State::CookieEchoed { .. } => handshake,
            State::New | State::CookieWait | State::ShutdownSent | State::ShutdownAckSent | State::Closed => {
                false
            }
        };
        let wanted = self.acknowledge == Acknowledge::Now
            || (self.acknowledge == Acknowledge::Later && sending && self.sender.has_data());
        if wanted
            && room - used >= 16
            && let Some(receiver) = &mut self.receiver
        {
            let mut w = Writer::new(&mut buf[used..room]);
            receiver.write_sack(&mut w, room - used)?;
            used += w.len();
            self.acknowledge = Acknowledge::No;
            self.unacknowledged = 0;
            self.timers.stop(Timer::Acknowledge);
        }
        if !sending {
            return Ok(used);
        }
        if self.sender.forward_is_due() {
            let mut w = Writer::new(&mut buf[used..room]);
            self.sender.write_forward(now, &mut w, room - used)?;
            used += w.len();
        }
        Ok(self.sender.fill(now, buf, (used, room), &mut self.timers, &mut self.stats))
    }

    /// Writes the common header.
    pub(super) fn finish(&mut self, buf: &mut [u8], len: usize, tag: u32, handshake: bool) -> usize {
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
