//! What arrives: told apart, and what is junk counted.

use super::Agent;
use crate::Protocol;
use std::net::SocketAddr;
use stun::attribute::Fingerprint;
use stun::{Class, Message, Method};
use wire::{Instant, Transport};

/// One STUN message that has arrived.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// What carried it; UDP for what a relay passed on.
    pub transport: Transport,
    /// Our address: the one that was given to [`Agent::add_local`], also for the connections of an active TCP
    /// candidate and of a listener.
    pub local: SocketAddr,
    /// Where it comes from: with a relay, the peer that the relay names.
    pub remote: SocketAddr,
    /// The message, without framing.
    pub bytes: &'a [u8],
}

/// The path of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Path {
    pub(super) protocol: Protocol,
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
}

impl Agent {
    /// Whether something has changed.
    pub(super) fn receive(&mut self, now: Instant, input: Input<'_>) -> bool {
        let protocol = match input.transport {
            Transport::Udp => Protocol::Udp,
            Transport::Tcp | Transport::Tls => Protocol::Tcp,
        };
        let Ok(message) = Message::parse(input.bytes) else { return self.drop_malformed() };
        if message.method() != Method::BINDING {
            return self.drop_malformed();
        }
        // Some systems hand IPv4 out as mapped IPv6; candidates never look like that.
        let canonical = |a: SocketAddr| SocketAddr::new(a.ip().to_canonical(), a.port());
        let path = Path { protocol, local: input.local, remote: canonical(input.remote) };
        match (message.class(), message.check_fingerprint()) {
            (_, Fingerprint::Invalid) | (Class::Request, Fingerprint::Absent) => self.drop_malformed(),
            (Class::Request, Fingerprint::Valid) => self.handle_request(now, path, &message),
            (Class::Indication, _) => {
                self.stats.indications += 1;
                false
            }
            // A STUN server need not put FINGERPRINT in.
            (Class::Success | Class::Error, _) => self.handle_response(now, path, &message),
        }
    }

    fn drop_malformed(&mut self) -> bool {
        self.stats.dropped.malformed += 1;
        false
    }
}
