use super::handshake::cause;
use super::output::Control;
use super::{Acknowledge, Association, State};
use crate::error::Reason;
use crate::packet::{Chunk, Data, ForwardTsn, Malformed, Packet, Sack, kind};
use crate::receive::Taken;
use crate::timers::Timer;
use wire::Instant;

/// T: the tag is that of the other direction (RFC 9260 §8.5.1).
const REFLECTED: u8 = 1;
/// Error causes (RFC 9260 §3.3.10).
const UNRECOGNIZED_CHUNK: u16 = 6;
const PROTOCOL_VIOLATION: u16 = 13;

impl Association {
    /// Takes one packet, as DTLS opened it. Many may come before the next poll; they are acknowledged together.
    pub fn handle_input(&mut self, now: Instant, bytes: &[u8]) {
        if self.take(now, bytes).is_err() {
            self.stats.dropped.malformed += 1;
        }
        self.after(now);
    }

    fn take(&mut self, now: Instant, bytes: &[u8]) -> Result<(), Malformed> {
        let packet = Packet::parse(bytes)?;
        let first = packet.chunks().next().ok_or(Malformed)??;
        let ports = (self.config.remote_port, self.config.local_port);
        if (packet.source_port, packet.destination_port) != ports || !self.is_ours(&packet, &first) {
            self.stats.dropped.stray += 1;
            return Ok(());
        }
        let handshake = first.kind == kind::INIT || first.kind == kind::COOKIE_ECHO;
        let zero = packet.checksum == 0 && self.config.zero_checksum && !handshake;
        if !zero && !packet.checksum_holds() {
            self.stats.dropped.checksum += 1;
            return Ok(());
        }
        self.stats.packets_received += 1;
        self.heard = true;
        if self.state == State::Closed {
            self.out_of_the_blue(&first);
            return Ok(());
        }
        let mut data = None;
        for chunk in packet.chunks() {
            if !self.chunk(now, &packet, &chunk?, &mut data)? {
                break;
            }
        }
        if let Some(urgent) = data {
            self.data_came(now, urgent);
        }
        Ok(())
    }

    /// The rules of verification tags (RFC 9260 §8.5).
    fn is_ours(&self, packet: &Packet<'_>, first: &Chunk<'_>) -> bool {
        match first.kind {
            kind::INIT => packet.tag == 0 && packet.chunks().nth(1).is_none(),
            // Compared with the tag that went with the cookie.
            kind::COOKIE_ECHO => true,
            kind::ABORT | kind::SHUTDOWN_COMPLETE if first.flags & REFLECTED != 0 => {
                self.peer.is_some_and(|peer| peer.tag == packet.tag)
            }
            _ => packet.tag == self.tag,
        }
    }

    /// After the end only a peer that has not heard of it is answered (RFC 9260 §8.4, 5).
    fn out_of_the_blue(&mut self, first: &Chunk<'_>) {
        if first.kind == kind::SHUTDOWN_ACK
            && let Some(peer) = self.peer
        {
            self.push(Control::alone(kind::SHUTDOWN_COMPLETE, 0, Vec::new(), Some(peer.tag)));
        } else {
            self.stats.dropped.unexpected += 1;
        }
    }

    /// Takes one chunk; says whether the next one may be looked at.
    fn chunk(
        &mut self,
        now: Instant,
        packet: &Packet<'_>,
        chunk: &Chunk<'_>,
        data: &mut Option<bool>,
    ) -> Result<bool, Malformed> {
        match chunk.kind {
            kind::DATA | kind::I_DATA => return self.on_data(now, chunk, data),
            kind::SACK => self.on_sack(now, &Sack::parse(chunk.value)?),
            kind::FORWARD_TSN | kind::I_FORWARD_TSN => self.on_forward(now, &ForwardTsn::parse(chunk)?),
            kind::INIT => {
                self.on_init(now, chunk);
                return Ok(false);
            }
            kind::INIT_ACK => self.on_init_ack(now, chunk),
            kind::COOKIE_ECHO => return Ok(self.on_cookie_echo(now, packet, chunk)),
            kind::COOKIE_ACK => self.on_cookie_ack(now),
            kind::HEARTBEAT => self.push(Control::bundled(kind::HEARTBEAT_ACK, chunk.value.to_vec())),
            kind::HEARTBEAT_ACK => self.on_heartbeat_ack(now, chunk.value),
            kind::RE_CONFIG => self.on_reconfig(now, chunk.value)?,
            kind::ABORT => {
                let code = chunk.value.first_chunk::<2>().map_or(0, |b| u16::from_be_bytes(*b));
                self.end(now, Reason::RemoteAbort(code));
                return Ok(false);
            }
            kind::ERROR => self.on_error(chunk.value),
            kind::SHUTDOWN => self.on_shutdown(now, chunk.value)?,
            kind::SHUTDOWN_ACK => self.on_shutdown_ack(now),
            kind::SHUTDOWN_COMPLETE => self.on_shutdown_complete(now),
            kind::PAD => {}
            unknown => {
                self.stats.dropped.unexpected += 1;
                // The two highest bits say what to do (RFC 9260 §3.2).
                if unknown & 0x40 != 0 {
                    let header = [unknown, chunk.flags, 0, 4];
                    self.report(UNRECOGNIZED_CHUNK, &header);
                }
                return Ok(unknown & 0x80 != 0);
            }
        }
        Ok(self.state != State::Closed)
    }

    /// Tells the peer of an error, if there is a peer.
    pub(super) fn report(&mut self, code: u16, value: &[u8]) {
        if self.peer.is_some() {
            self.push(Control::bundled(kind::ERROR, cause(code, value)));
        }
    }

    /// A stale cookie means to begin anew (RFC 9260 §5.2.6); all else is for people who read counters.
    fn on_error(&mut self, value: &[u8]) {
        if value.first_chunk() == Some(&[0, 3]) && matches!(self.state, State::CookieEchoed { .. }) {
            self.state = State::CookieWait;
            (self.peer, self.receiver) = (None, None);
        }
    }

    fn on_data(
        &mut self,
        now: Instant,
        chunk: &Chunk<'_>,
        came: &mut Option<bool>,
    ) -> Result<bool, Malformed> {
        let ready = matches!(
            self.state,
            State::CookieEchoed { .. } | State::Established | State::ShutdownPending | State::ShutdownSent
        );
        let Some(receiver) = self.receiver.as_mut().filter(|_| ready) else {
            self.stats.dropped.unexpected += 1;
            return Ok(true);
        };
        if (chunk.kind == kind::I_DATA) != receiver.is_interleaving() {
            // RFC 8260 §2.2.1: one kind for all the life of the association.
            self.abort_with(now, PROTOCOL_VIOLATION, Reason::ProtocolViolation);
            return Ok(false);
        }
        let data = Data::parse(chunk)?;
        let gaps = receiver.has_gaps();
        let taken = receiver.data(&data, &mut self.stats);
        let urgent = taken != Taken::InOrder || gaps || data.flags.immediate();
        *came = Some(came.unwrap_or(false) | urgent);
        self.deliver(now);
        Ok(true)
    }

    /// Decides when to acknowledge (RFC 9260 §6.2).
    fn data_came(&mut self, now: Instant, urgent: bool) {
        self.unacknowledged += 1;
        if urgent || self.unacknowledged >= 2 || self.state == State::ShutdownSent {
            self.acknowledge = Acknowledge::Now;
            self.timers.stop(Timer::Acknowledge);
        } else if self.acknowledge == Acknowledge::No {
            self.acknowledge = Acknowledge::Later;
            self.timers.set(Timer::Acknowledge, now + self.config.delayed_ack);
        }
        if self.state == State::ShutdownSent {
            self.send_shutdown(now);
        }
        self.perform_deferred(now);
    }

    fn on_sack(&mut self, now: Instant, sack: &Sack<'_>) {
        if matches!(self.state, State::New | State::CookieWait) {
            self.stats.dropped.unexpected += 1;
        } else if self.sender.acknowledge(now, sack, &mut self.timers, &mut self.stats) {
            self.errors = 0;
            self.shrink_if_needed(now);
        } else {
            self.stats.dropped.unexpected += 1;
        }
    }

    fn on_forward(&mut self, now: Instant, forward: &ForwardTsn<'_>) {
        let Some(receiver) = &mut self.receiver else {
            self.stats.dropped.unexpected += 1;
            return;
        };
        receiver.forward(forward, &mut self.stats);
        self.acknowledge = Acknowledge::Now;
        self.deliver(now);
        self.perform_deferred(now);
    }
}
