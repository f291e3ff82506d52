//! Setting up (RFC 9260 §5).
//!
//! ```text
//!   A                         B
//!   INIT           ------->             A waits for INIT ACK (T1-init)
//!                  <-------  INIT ACK   with a state cookie
//!   COOKIE ECHO    ------->             first DATA may ride along; A waits for COOKIE ACK (T1-cookie)
//!                  <-------  COOKIE ACK
//! ```
//!
//! Both sides may begin at once, as WebRTC peers do: each answers the other's INIT with the tag and TSN of its
//! own, and whichever cookie comes back first completes the handshake (§5.2.1, §5.2.4).
//!
//! The cookie is an unguessable name of an answer that this side remembers, four of them at most. RFC 9260 lets
//! a server keep nothing and sign the cookie instead, against floods from forged addresses; over DTLS there is
//! one peer, and it has proven who it is.

use super::output::Control;
use super::{Association, State, nonzero};
use crate::error::{ParametersError, Reason};
use crate::event::{ChannelId, Event};
use crate::packet::{Chunk, Extensions, Init, Packet, Parameters, kind, put_chunk};
use crate::receive::Receiver;
use crate::send::Sender;
use crate::timers::Timer;
use wire::{Instant, Writer};

/// An INIT that was answered.
pub(super) struct Answer {
    cookie: [u8; 32],
    peer: Init,
    tag: u32,
    tsn: u32,
    /// The tags of the association that existed, to recognise a restart (§5.2.2); zero if there was none.
    tie: (u32, u32),
    at: Instant,
}

const MOST_ANSWERS: usize = 4;
/// INITs without an answer, after which one goes out with nothing in it that a peer may not know.
const PLAIN_AFTER: u32 = 2;

/// Error causes (RFC 9260 §3.3.10).
const STALE_COOKIE: u16 = 3;
const UNRECOGNIZED_PARAMETERS: u16 = 8;

impl Association {
    /// Begins. Both sides may. Does nothing if it has begun already.
    pub fn connect(&mut self, now: Instant) {
        if self.state == State::New {
            self.state = State::CookieWait;
            self.send_init(now);
        }
    }

    /// The INIT chunk of this side, for signalling: a peer that gets it there (`a=sctp-init`) needs no
    /// handshake.
    pub fn init_parameters(&self) -> Vec<u8> {
        let mut buf = [0; 128];
        let mut w = Writer::new(&mut buf);
        put_chunk(
            &mut w,
            kind::INIT,
            0,
            &self.init_value((self.tag, self.tsn), self.extensions(), None, None),
        )
        .expect("an INIT has at most 60 bytes");
        w.written().to_vec()
    }

    /// Takes the INIT chunk of the peer from signalling, when it has taken ours: the association is up at once.
    pub fn accept_parameters(&mut self, now: Instant, init: &[u8]) -> Result<(), ParametersError> {
        if self.state != State::New {
            return Err(ParametersError::TooLate);
        }
        let [kind::INIT, _, high, low, value @ ..] = init else { return Err(ParametersError::Malformed) };
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        let value = len.checked_sub(4).and_then(|len| value.get(..len)).ok_or(ParametersError::Malformed)?;
        let (peer, others) = Init::parse(value).map_err(|_| ParametersError::Malformed)?;
        if others.stop {
            return Err(ParametersError::Malformed);
        }
        self.establish(&peer);
        self.connected(now);
        Ok(())
    }

    const fn extensions(&self) -> Extensions {
        Extensions {
            forward_tsn: true,
            reconfig: true,
            interleaving: self.config.interleaving,
            zero_checksum: self.config.zero_checksum,
        }
    }

    fn init_value(
        &self,
        (tag, tsn): (u32, u32),
        extensions: Extensions,
        cookie: Option<&[u8]>,
        unrecognized: Option<(u16, &[u8])>,
    ) -> Vec<u8> {
        let streams = self.config.streams;
        let window = crate::num::u32_of(self.config.receive_window);
        let init = Init { tag, window, outbound: streams, inbound: streams, tsn, extensions };
        let mut buf = [0; 512];
        let mut w = Writer::new(&mut buf);
        init.write(&mut w, cookie, unrecognized).expect("an INIT with a cookie has at most 512 bytes");
        w.written().to_vec()
    }

    fn send_init(&mut self, now: Instant) {
        let mut extensions = self.extensions();
        // Who has not answered twice may be one that drops what it does not know (Pion before 1.8.8), and not only
        // the parameter, as RFC 9260 §3.2.1 demands.
        extensions.zero_checksum &= self.handshakes < PLAIN_AFTER;
        let value = self.init_value((self.tag, self.tsn), extensions, None, None);
        self.push(Control::alone(kind::INIT, 0, value, Some(0)));
        self.timers.set(Timer::Handshake, now + self.sender.rtt.timeout());
    }

    /// T1-init or T1-cookie.
    pub(super) fn handshake_timed_out(&mut self, now: Instant) {
        self.handshakes += 1;
        if self.handshakes > self.config.max_init_retransmits {
            self.end(now, Reason::Timeout);
            return;
        }
        self.sender.rtt.back_off();
        match &self.state {
            State::CookieWait => self.send_init(now),
            State::CookieEchoed { cookie } => {
                let cookie = cookie.clone();
                self.send_cookie(now, cookie);
            }
            _ => {}
        }
    }

    fn send_cookie(&mut self, now: Instant, cookie: Vec<u8>) {
        self.control.push_front(Control::bundled(kind::COOKIE_ECHO, cookie));
        self.timers.set(Timer::Handshake, now + self.sender.rtt.timeout());
    }

    /// INIT (§5.1, §5.2.1, §5.2.2).
    pub(super) fn on_init(&mut self, now: Instant, chunk: &Chunk<'_>) {
        let Ok((peer, others)) = Init::parse(chunk.value) else {
            self.stats.dropped.malformed += 1;
            return;
        };
        if self.state == State::ShutdownAckSent {
            self.push(Control::bundled(kind::SHUTDOWN_ACK, Vec::new()));
            return;
        }
        if others.stop || self.state == State::Closed {
            self.stats.dropped.unexpected += 1;
            return;
        }
        let known =
            self.answers.iter().position(|a| a.peer == peer && a.at + self.config.cookie_lifetime > now);
        let known = known.unwrap_or_else(|| {
            let (tag, tsn, tie) = match self.state {
                // The same tag and TSN as in our own INIT, sent or to be sent.
                State::New | State::CookieWait | State::CookieEchoed { .. } => (self.tag, self.tsn, (0, 0)),
                _ => {
                    let tie = (self.tag, self.peer.map_or(0, |p| p.tag));
                    (nonzero(&mut self.rng), nonzero(&mut self.rng), tie)
                }
            };
            if self.answers.len() == MOST_ANSWERS {
                self.answers.pop_front();
            }
            self.answers.push_back(Answer { cookie: self.rng.array(), peer, tag, tsn, tie, at: now });
            self.answers.len() - 1
        });
        let answer = &self.answers[known];
        let report = others.unrecognized.filter(|(_, value)| value.len() <= 128);
        let mut extensions = self.extensions();
        // To one that does not know it, it is of no use, and may be an offence: see `send_init`.
        extensions.zero_checksum &= peer.extensions.zero_checksum;
        let value = self.init_value((answer.tag, answer.tsn), extensions, Some(&answer.cookie), report);
        self.push(Control::alone(kind::INIT_ACK, 0, value, Some(peer.tag)));
    }

    /// INIT ACK (§5.1 C).
    pub(super) fn on_init_ack(&mut self, now: Instant, chunk: &Chunk<'_>) {
        if self.state != State::CookieWait {
            self.stats.dropped.unexpected += 1;
            return;
        }
        let Ok((peer, Parameters { cookie: Some(cookie), stop: false, unrecognized })) =
            Init::parse(chunk.value)
        else {
            self.stats.dropped.malformed += 1;
            return;
        };
        let (cookie, unrecognized) = (cookie.to_vec(), unrecognized.map(|(kind, v)| (kind, v.to_vec())));
        self.establish(&peer);
        self.handshakes = 0;
        self.send_cookie(now, cookie.clone());
        self.state = State::CookieEchoed { cookie };
        if let Some((kind, value)) = unrecognized.filter(|(_, value)| value.len() <= 128) {
            let mut buf = [0; 160];
            let mut w = Writer::new(&mut buf);
            crate::packet::put_parameter(&mut w, kind, &value).expect("it is short");
            self.report(UNRECOGNIZED_PARAMETERS, w.written());
        }
    }

    /// COOKIE ECHO, by the table of §5.2.4. Says whether chunks behind it may be used.
    pub(super) fn on_cookie_echo(&mut self, now: Instant, packet: &Packet<'_>, chunk: &Chunk<'_>) -> bool {
        let Some(at) = self.answers.iter().position(|a| a.cookie == chunk.value && a.tag == packet.tag)
        else {
            self.stats.dropped.unexpected += 1;
            return false;
        };
        let Answer { peer, tag, tsn, tie, at, .. } = self.answers[at];
        let same = (tag == self.tag, self.peer.is_some_and(|p| p.tag == peer.tag));
        if at + self.config.cookie_lifetime <= now && same != (true, true) {
            self.push(Control::alone(kind::ERROR, 0, cause(STALE_COOKIE, &[0; 4]), Some(peer.tag)));
            return false;
        }
        let begun = matches!(self.state, State::New | State::CookieWait | State::CookieEchoed { .. });
        match same {
            // D: the peer did not hear COOKIE ACK, or both began at once.
            (true, true) => {
                if begun {
                    self.connected(now);
                }
            }
            // The usual case, or B: both began at once.
            (true, false) if begun => {
                self.establish(&peer);
                self.connected(now);
            }
            // A: the peer restarted.
            (false, false) if tie == (self.tag, self.peer.map_or(0, |p| p.tag)) && self.peer.is_some() => {
                self.restart(now, &peer, tag, tsn);
            }
            // C: an old cookie.
            _ => {
                self.stats.dropped.unexpected += 1;
                return false;
            }
        }
        self.push(Control::bundled(kind::COOKIE_ACK, Vec::new()));
        true
    }

    /// The peer lost its state and began anew: so does this side (§5.2.4.1).
    fn restart(&mut self, now: Instant, peer: &Init, tag: u32, tsn: u32) {
        for id in self.channels.ids().collect::<Vec<_>>() {
            self.events.push_back(Event::ChannelClosed { channel: ChannelId(id) });
        }
        self.channels = crate::streams::Streams::new();
        self.labels = 0;
        (self.tag, self.tsn) = (tag, tsn);
        self.sender = Sender::new(tsn, &self.config, now);
        self.path.restart();
        self.resets = super::reset::Resets::new(tsn);
        self.timers.clear();
        self.control.clear();
        self.establish(peer);
        self.connected(now);
    }

    pub(super) fn on_cookie_ack(&mut self, now: Instant) {
        if matches!(self.state, State::CookieEchoed { .. }) {
            self.connected(now);
        }
    }

    /// What the peer said of itself holds from now on.
    fn establish(&mut self, peer: &Init) {
        let interleaving = self.config.interleaving && peer.extensions.interleaving;
        self.zero_checksum = self.config.zero_checksum && peer.extensions.zero_checksum;
        self.sender.established(peer, interleaving);
        self.receiver = Some(Receiver::new(peer.tsn, interleaving, &self.config));
        self.resets.expect(peer.tsn);
        self.peer = Some(*peer);
    }

    fn connected(&mut self, now: Instant) {
        self.state = State::Established;
        self.timers.stop(Timer::Handshake);
        self.errors = 0;
        self.sender.rtt.recover();
        if let Some(interval) = self.config.heartbeat {
            self.timers.set(Timer::Heartbeat, now + interval);
        }
        self.events.push_back(Event::Connected);
        self.channels_connected(now);
    }
}

/// An error cause.
pub(super) fn cause(code: u16, value: &[u8]) -> Vec<u8> {
    let mut buf = vec![0; value.len() + 8];
    let mut w = Writer::new(&mut buf);
    crate::packet::put_parameter(&mut w, code, value).expect("there is room");
    w.written().to_vec()
}
