//! How things travel: datagrams through NATs and the network, messages of TCP connections and of the signalling in order.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use peer::Received;
use wire::{Fragments, Transmit, Transport};

use super::{Errand, SERVER, World};
use crate::Packet;

impl World {
    pub(super) fn errand(&mut self, delay: Duration, errand: Errand) {
        self.counter += 1;
        self.errands.insert((self.now + delay, self.counter), errand);
    }

    /// A message on a TCP connection waits for the network, and never overtakes another.
    pub(super) fn stream_errand(&mut self, errand: Errand) {
        let at = (self.now + self.weather.max_delay).max(self.last_errand);
        self.last_errand = at.max(self.silent_until.unwrap_or(at));
        self.counter += 1;
        self.errands.insert((self.last_errand, self.counter), errand);
    }

    pub(super) fn run_errand(&mut self, errand: Errand) {
        let now = self.now;
        match errand {
            // What was on its way to a side that has ended the call.
            Errand::Description(0, _) | Errand::Candidate(0, _) if self.closing => {}
            Errand::Description(to, description) => {
                if let Some(answer) = self.sides[to].take(now, &description) {
                    self.errand(self.signalling, Errand::Description(1 - to, answer));
                }
            }
            Errand::Candidate(to, candidate) => self.sides[to].take_candidate(now, candidate),
            Errand::Opened(to, relay) => {
                let side = &mut self.sides[to];
                side.next_stream += 1;
                let local = SocketAddr::new(side.host.ip(), side.next_stream);
                side.streams.insert(local, relay);
                side.peer.relay_connected(now, relay, local);
            }
            Errand::ToServer(from, bytes) => {
                self.relay.handle_input(now, Transport::Tcp, from, SERVER, &bytes);
            }
            Errand::ToClient(to, mut bytes) => {
                let Some((side, local)) = self.client_at(to) else { return };
                self.trace.packet(now, SERVER, to, &bytes);
                let segment = bytes.len();
                let received = Received { transport: Transport::Tcp, local, remote: SERVER, segment };
                self.sides[side].peer.handle_input(now, received, &mut bytes);
            }
            Errand::Closed(client) => {
                let Some((side, local)) = self.client_at(client) else { return };
                if let Some(relay) = self.sides[side].streams.remove(&local) {
                    self.sides[side].peer.relay_failed(now, relay);
                }
            }
        }
    }

    /// The side whose TCP connection comes from this address, and its own address of it.
    fn client_at(&self, address: SocketAddr) -> Option<(usize, SocketAddr)> {
        self.sides.iter().enumerate().find_map(|(number, side)| {
            let mut locals = side.streams.keys();
            locals.find(|local| side.stream_address(**local) == address).map(|local| (number, *local))
        })
    }

    pub(super) fn send(&mut self, from: usize, transmit: Transmit, bytes: &[u8]) {
        let side = &mut self.sides[from];
        if transmit.transport != Transport::Udp {
            if side.streams.contains_key(&transmit.from) {
                let client = side.stream_address(transmit.from);
                self.trace.packet(self.now, client, SERVER, bytes);
                self.stream_errand(Errand::ToServer(client, bytes.to_vec()));
            }
            return;
        }
        // From an interface that is gone, or to a network that is not ours.
        let private = matches!(transmit.to.ip(), IpAddr::V4(ip) if ip.is_private());
        if transmit.from != side.host || private {
            return;
        }
        let Some(source) = side.nat.translate_out(transmit.from, transmit.to) else { return };
        self.probes += u64::from(transmit.fragments == Fragments::Never);
        for datagram in bytes.chunks(transmit.segment_size.unwrap_or(bytes.len().max(1))) {
            // IPv4 and UDP have 28 bytes before it.
            if datagram.len() + 28 > self.carried && transmit.fragments != Fragments::Allowed {
                continue;
            }
            self.launch(Packet { from: source, to: transmit.to, bytes: datagram.to_vec() });
        }
    }

    pub(super) fn launch(&mut self, packet: Packet) {
        self.trace.packet(self.now, packet.from, packet.to, &packet.bytes);
        // A handshake in the clear that was changed on its way cannot be told from an attack: it ends with a reason,
        // which the tests of `peer` see to, for every datagram of it.
        if is_handshake(&packet.bytes) {
            self.network.send_intact(self.now, packet);
        } else {
            self.network.send(self.now, packet);
        }
    }

    pub(super) fn arrive(&mut self, packet: Packet) {
        let Packet { from, to, mut bytes } = packet;
        if to.ip() == self.relay.ip() {
            self.relay.handle_input(self.now, Transport::Udp, from, to, &bytes);
            return;
        }
        for side in &mut self.sides {
            let Some(local) = side.nat.translate_in(from, to).filter(|local| *local == side.host) else {
                continue;
            };
            let received = Received { transport: Transport::Udp, local, remote: from, segment: bytes.len() };
            side.peer.handle_input(self.now, received, &mut bytes);
            return;
        }
    }
}

/// Whether it is, or carries, a record of DTLS that is not encrypted.
fn is_handshake(bytes: &[u8]) -> bool {
    match bytes {
        [20..=22 | 26, ..] => true,
        [0x40..=0x4f, _, _, _, inner, ..] => matches!(inner, 20..=22 | 26),
        // A Send or Data indication: the payload is in its last attribute.
        [0, 0x16 | 0x17, ..] => true,
        _ => false,
    }
}
