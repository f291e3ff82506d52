//! The data path: which bytes go on, and where. Nothing here allocates.

use super::Server;
use super::allocation::{Allocation, State, slot};
use super::users::Direction;
use crate::{Destination, FiveTuple, Forward, Header, RelayId, RelayKind, Run};
use std::net::SocketAddr;
use std::ops::Range;
use stun::attribute::{AddressFamily, Data, DontFragment, XorPeerAddress};
use stun::{Class, Message, Method, TransactionId, Writer};
use wire::{Instant, Transport};

/// Where a client's datagram to a peer goes.
enum Route {
    /// Out of the relay's socket.
    Wire { relay: RelayId, to: SocketAddr },
    /// To the allocation that the peer address belongs to; `from` is the sender's relayed address.
    Memory { allocation: u32, from: SocketAddr },
    /// Nowhere.
    Forbidden,
}

/// Equal datagrams at the front of a run.
struct Span {
    bytes: Range<usize>,
    segment: usize,
    strip: usize,
    /// Where the next datagram starts.
    next: usize,
    packets: usize,
}

impl Span {
    /// The payload in all: what is counted and limited.
    const fn payload(&self) -> usize {
        self.bytes.end - self.bytes.start - self.packets * self.strip
    }

    /// The datagram at the front alone, of which `len` bytes count.
    fn single(run: &Run<'_>, len: usize, strip: usize) -> Self {
        let at = run.position();
        Self { bytes: at..at + len, segment: len, strip, next: at + run.datagram(at).len(), packets: 1 }
    }
}

/// The head of a ChannelData message (RFC 8656 §12.4).
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |         Channel Number        |            Length             |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
struct ChannelData {
    number: u16,
    len: usize,
}

impl ChannelData {
    const HEAD: usize = 4;

    /// A datagram may be longer than its message: padding is allowed over UDP as well (RFC 8656 §12.5).
    fn parse(datagram: &[u8]) -> Option<Self> {
        let [a, b, c, d, rest @ ..] = datagram else { return None };
        let len = usize::from(u16::from_be_bytes([*c, *d]));
        (rest.len() >= len).then_some(Self { number: u16::from_be_bytes([*a, *b]), len })
    }

    /// The datagrams at the front that are messages of the same channel and length. With `last`, a shorter
    /// last datagram of the run may join them.
    fn span(&self, run: &Run<'_>, last: bool) -> Span {
        let len = Self::HEAD + self.len;
        let mut span = Span::single(run, len, Self::HEAD);
        let first = run.datagram(run.position());
        if first.len() != len {
            return span;
        }
        while let datagram @ [_, ..] = run.datagram(span.next) {
            let equal = datagram.len() == len && datagram[..4] == first[..4];
            let joins = equal
                || last
                    && datagram.len() < len
                    && Self::parse(datagram)
                        .is_some_and(|m| m.number == self.number && Self::HEAD + m.len == datagram.len());
            if !joins {
                break;
            }
            span.next += datagram.len();
            span.bytes.end = span.next;
            span.packets += 1;
            if !equal {
                break;
            }
        }
        span
    }
}

impl Server {
    /// ChannelData from a client (RFC 8656 §12.6).
    pub(super) fn handle_channel_data(
        &mut self,
        now: Instant,
        client: &FiveTuple,
        run: &mut Run<'_>,
    ) -> Option<Forward> {
        let datagram = run.datagram(run.position());
        let alone = Span::single(run, datagram.len(), 0).next;
        let Some(message) = ChannelData::parse(datagram) else {
            self.stats.dropped.malformed += 1;
            run.advance_to(alone);
            return None;
        };
        let Some(index) = self.live(client) else {
            self.stats.dropped.no_allocation += 1;
            run.advance_to(alone);
            return None;
        };
        let peer = self.allocations.get(index).and_then(|a| a.channel_peer(now, message.number));
        let Some(route) = peer.and_then(|peer| self.route(now, index, peer)) else {
            self.stats.dropped.no_permission += 1;
            run.advance_to(alone);
            return None;
        };
        match route {
            Route::Wire { relay, to } => {
                let span = message.span(run, true);
                run.advance_to(span.next);
                self.forward_to_peer(now, index, (relay, to), span, false)
            }
            Route::Memory { allocation, from } => {
                let span = |pad| {
                    if pad == 0 {
                        message.span(run, false)
                    } else {
                        Span::single(run, ChannelData::HEAD + message.len, ChannelData::HEAD)
                    }
                };
                let found = self.head(now, allocation, from, message.len);
                let span = span(found.as_ref().map_or(0, |(_, pad)| *pad));
                run.advance_to(span.next);
                self.in_memory(now, index, allocation, span, found)
            }
            Route::Forbidden => {
                self.stats.dropped.forbidden += 1;
                run.advance_to(alone);
                None
            }
        }
    }

    /// A Send indication from a client (RFC 8656 §11.2).
    pub(super) fn handle_send(
        &mut self,
        now: Instant,
        client: &FiveTuple,
        message: &Message<'_>,
        run: &mut Run<'_>,
    ) -> Option<Forward> {
        let at = run.position();
        run.advance_to(at + message.bytes().len());
        let peer = message.get::<XorPeerAddress>().ok().flatten();
        let data = message.get::<Data<'_>>().ok().flatten();
        let (Some(XorPeerAddress(peer)), Some(Data(data)), None) = (peer, data, message.unknown_required())
        else {
            self.stats.dropped.malformed += 1;
            return None;
        };
        let Some(index) = self.live(client) else {
            self.stats.dropped.no_allocation += 1;
            return None;
        };
        let offset = data.as_ptr().addr() - message.bytes().as_ptr().addr();
        let end = at + offset + data.len();
        let span =
            Span { bytes: at..end, segment: end - at, strip: offset, next: run.position(), packets: 1 };
        match self.route(now, index, peer) {
            Some(Route::Wire { relay, to }) => {
                self.forward_to_peer(now, index, (relay, to), span, message.has::<DontFragment>())
            }
            Some(Route::Memory { allocation, from }) => {
                let found = self.head(now, allocation, from, data.len());
                self.in_memory(now, index, allocation, span, found)
            }
            Some(Route::Forbidden) => {
                self.stats.dropped.forbidden += 1;
                None
            }
            None => {
                self.stats.dropped.no_permission += 1;
                None
            }
        }
    }

    /// Datagrams from a peer (RFC 8656 §11.3, §12.7).
    pub(super) fn handle_peer(
        &mut self,
        now: Instant,
        relay: RelayId,
        from: SocketAddr,
        run: &mut Run<'_>,
    ) -> Option<Forward> {
        let from = self.known_as(from);
        let index = self.owner_of(relay);
        let first = run.datagram(run.position());
        let Some((index, (header, pad))) =
            index.and_then(|index| Some((index, self.head(now, index, from, first.len())?)))
        else {
            // Nothing else in this run can fare better: it has the same sender and the same relay.
            let dropped = &mut self.stats.dropped;
            *if index.is_none() { &mut dropped.no_allocation } else { &mut dropped.no_permission } += 1;
            run.advance_to(run.bytes.len());
            return None;
        };
        let mut span = Span::single(run, first.len(), 0);
        while pad == 0 && run.datagram(span.next).len() == first.len() && !first.is_empty() {
            span.next += first.len();
            span.bytes.end = span.next;
            span.packets += 1;
        }
        run.advance_to(span.next);
        self.forward_to_client(now, index, &span, header, pad)
    }

    fn forward_to_peer(
        &mut self,
        now: Instant,
        index: u32,
        (relay, to): (RelayId, SocketAddr),
        span: Span,
        dont_fragment: bool,
    ) -> Option<Forward> {
        if !self.meter(now, index, Direction::FromClient, &span) {
            return None;
        }
        Some(Forward {
            to: Destination::Peer { relay, to },
            bytes: span.bytes,
            segment: span.segment,
            strip: span.strip,
            header: Header::EMPTY,
            pad: 0,
            dont_fragment,
        })
    }

    /// From one client of this server to another, as if it had gone through both relay sockets.
    fn in_memory(
        &mut self,
        now: Instant,
        sender: u32,
        receiver: u32,
        span: Span,
        found: Option<(Header, usize)>,
    ) -> Option<Forward> {
        let Some((header, pad)) = found else {
            self.stats.dropped.no_permission += 1;
            return None;
        };
        if !self.meter(now, sender, Direction::FromClient, &span) {
            return None;
        }
        let forward = self.forward_to_client(now, receiver, &span, header, pad)?;
        self.stats.packets_in_memory += span.packets as u64;
        Some(forward)
    }

    fn forward_to_client(
        &mut self,
        now: Instant,
        index: u32,
        span: &Span,
        header: Header,
        pad: usize,
    ) -> Option<Forward> {
        if !self.meter(now, index, Direction::ToClient, span) {
            return None;
        }
        Some(Forward {
            to: Destination::Client(self.allocations.get(index)?.client),
            bytes: span.bytes.clone(),
            segment: span.segment,
            strip: span.strip,
            header,
            pad,
            dont_fragment: false,
        })
    }

    /// Counts a span, unless the user has no bandwidth left for it.
    fn meter(&mut self, now: Instant, index: u32, direction: Direction, span: &Span) -> bool {
        let Some(allocation) = self.allocations.get_mut(index) else { return false };
        let (payload, packets) = (span.payload(), span.packets as u64);
        if !self.users.spend(now, allocation.user, direction, payload) {
            self.stats.dropped.bandwidth += packets;
            return false;
        }
        match direction {
            Direction::FromClient => {
                allocation.received += payload as u64;
                self.stats.bytes_from_clients += payload as u64;
                self.stats.packets_from_clients += packets;
            }
            Direction::ToClient => {
                allocation.sent += payload as u64;
                self.stats.bytes_from_peers += payload as u64;
                self.stats.packets_from_peers += packets;
            }
        }
        true
    }

    /// The live allocation of a client.
    pub(super) fn live(&self, client: &FiveTuple) -> Option<u32> {
        let index = self.find(client)?;
        let allocation = self.allocations.get(index)?;
        matches!(allocation.state, State::Live).then_some(index)
    }

    /// The live allocation behind a relay socket.
    fn owner_of(&self, relay: RelayId) -> Option<u32> {
        let relay = self.relays.get(self.relays.find(relay.0)?)?;
        let index = relay.allocation()?;
        matches!(self.allocations.get(index)?.state, State::Live).then_some(index)
    }

    /// Where a client's datagram goes. `None`: there is no permission for this peer.
    fn route(&self, now: Instant, index: u32, peer: SocketAddr) -> Option<Route> {
        let allocation = self.allocations.get(index)?;
        if allocation.kind != RelayKind::Udp || peer.port() == 0 || !allocation.permits(now, peer.ip()) {
            return None;
        }
        let relay = allocation.relay_for(peer.ip())?;
        let ports = self.ports[slot(AddressFamily::of(peer.ip()))].as_ref()?;
        let wire = |to| Route::Wire { relay: RelayId(self.relays.name(relay)), to };
        // The permission may be for the sake of a service alone.
        let allowed = |peer: SocketAddr| self.is_service(peer) || self.filter.allows(peer.ip());
        if peer.ip() != ports.ip.advertise {
            let barred = self.is_service_ip(peer.ip()) && !allowed(peer);
            return Some(if barred { Route::Forbidden } else { wire(peer) });
        }
        let holder = ports.holder(peer.port()).and_then(|holder| self.relays.get(holder));
        if let Some(receiver) =
            holder.filter(|relay| relay.kind == RelayKind::Udp).and_then(|r| r.allocation())
        {
            return Some(Route::Memory { allocation: receiver, from: self.advertised(relay)? });
        }
        if !ports.owns(peer.port()) && self.config.ports_of_all().contains(&peer.port()) {
            // Another machine of this program holds the port: reach its socket where it is bound.
            return Some(wire(self.bound_at(peer)));
        }
        Some(if allowed(peer) { wire(peer) } else { Route::Forbidden })
    }

    /// What goes before `len` bytes from a peer on their way to a client, and the zero bytes behind them.
    /// `None`: the client has not permitted this peer.
    fn head(&mut self, now: Instant, index: u32, from: SocketAddr, len: usize) -> Option<(Header, usize)> {
        let allocation = self.allocations.get(index)?;
        let live = matches!(allocation.state, State::Live) && allocation.kind == RelayKind::Udp;
        if !live || !allocation.permits(now, from.ip()) {
            return None;
        }
        let padding = len.next_multiple_of(4) - len;
        match allocation.channel_of(now, from) {
            Some(number) => {
                let header = Header::channel_data(number, u16::try_from(len).ok()?);
                Some((header, if allocation.is_stream() { padding } else { 0 }))
            }
            None => Some((data_indication(TransactionId(self.rng.array()), from, len)?, padding)),
        }
    }
}

impl Allocation {
    pub(super) const fn is_stream(&self) -> bool {
        match self.client.transport {
            Transport::Udp => false,
            Transport::Tcp | Transport::Tls => true,
        }
    }
}

/// The head of a Data indication (RFC 8656 §11.4) up to the application data.
fn data_indication(id: TransactionId, from: SocketAddr, len: usize) -> Option<Header> {
    let len16 = u16::try_from(len).ok()?;
    let head_len = if from.is_ipv4() { 36u8 } else { 48 };
    let body = u16::try_from(usize::from(head_len) - 20 + len.next_multiple_of(4)).ok()?;
    Some(Header::with(|bytes| {
        let mut w = Writer::new(bytes, Class::Indication, Method::DATA, id).expect("20 bytes fit");
        w.put(&XorPeerAddress(from)).expect("an address fits");
        w.put(&Data(&[])).expect("a head fits");
        debug_assert_eq!(w.len(), usize::from(head_len), "a head and an address");
        // The data follows the header from elsewhere: both lengths count it.
        bytes[2..4].copy_from_slice(&body.to_be_bytes());
        let end = usize::from(head_len);
        bytes[end - 2..end].copy_from_slice(&len16.to_be_bytes());
        head_len
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use stun::attribute::Attribute;

    #[test]
    fn the_head_of_a_data_indication_makes_a_message() {
        for (from, len) in [("192.0.2.1:7", 5), ("[2001:db8::1]:7", 8), ("192.0.2.1:7", 0)] {
            let from: SocketAddr = from.parse().unwrap();
            let header = data_indication(TransactionId([1; 12]), from, len).unwrap();
            let mut bytes = header.to_vec();
            bytes.extend(vec![9; len]);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            let message = Message::parse(&bytes).unwrap();
            assert_eq!((message.class(), message.method()), (Class::Indication, Method::DATA));
            assert_eq!(message.get::<XorPeerAddress>(), Ok(Some(XorPeerAddress(from))));
            assert_eq!(message.raw(Data::KIND), Some(&vec![9; len][..]));
        }
        assert!(data_indication(TransactionId([1; 12]), "192.0.2.1:7".parse().unwrap(), 65_530).is_none());
    }

    #[test]
    fn equal_messages_of_a_channel_go_together() {
        let message = |number: u16, payload: &[u8]| {
            let len = u16::try_from(payload.len()).unwrap();
            [&number.to_be_bytes()[..], &len.to_be_bytes(), payload].concat()
        };
        let check = |parts: &[Vec<u8>], last, packets, end| {
            let bytes = parts.concat();
            let run = Run::new(&bytes, parts[0].len());
            let span = ChannelData::parse(run.datagram(0)).unwrap().span(&run, last);
            assert_eq!((span.packets, span.bytes.end), (packets, end), "{parts:?}");
        };
        let (a, b, short) = (message(0x4000, b"abcd"), message(0x4001, b"abcd"), message(0x4000, b"ab"));
        check(std::slice::from_ref(&a), true, 1, 8);
        check(&[a.clone(), a.clone(), a.clone()], true, 3, 24);
        check(&[a.clone(), a.clone(), b.clone()], true, 2, 16);
        check(&[a.clone(), a.clone(), short.clone()], true, 3, 22);
        check(&[a.clone(), a.clone(), short], false, 2, 16);
        check(&[a.clone(), vec![0x40]], true, 1, 8);
        let padded = [message(0x4000, b"abc"), vec![0]].concat();
        check(&[padded.clone(), padded], true, 1, 7); // padding goes one at a time
    }
}
